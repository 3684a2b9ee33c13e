"""Trainers as modules of PyTorch, out of the layers of snnTorch.

The extra ``eprop[torch]`` brings both; ``import eprop`` never asks for them.
"""

try:
    from ._snntorch import SnnTorchTwin, to_snntorch
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] not in ("torch", "snntorch"):
        raise
    raise ImportError(
        'eprop.torch needs torch and snntorch, which are not installed: pip install "eprop[torch]"',
        name=missing.name,
    ) from missing

__all__ = ["SnnTorchTwin", "to_snntorch"]
