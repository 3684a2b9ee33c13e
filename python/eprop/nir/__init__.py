"""Networks as graphs of NIR, the Neuromorphic Intermediate Representation, and back.

`to_nir` writes the equations of a trainer as a graph that `nir.write` saves and other libraries read; `from_nir` makes a
trainer of a graph. What NIR cannot say is refused, or left out with a warning. The extra ``eprop[nir]`` brings the
package nir; ``import eprop`` never asks for it.

Examples
--------
>>> import nir
>>> from eprop import EpropTrainer
>>> from eprop.nir import from_nir, to_nir
>>> trainer = EpropTrainer(3, 5, 2, reset_mechanism="zero")
>>> graph = to_nir(trainer)
>>> sorted(graph.nodes)
['input', 'neurons', 'output', 'readout', 'w_in', 'w_out']
>>> again = from_nir(graph)
>>> again == trainer, bool((again.W_rec == trainer.W_rec).all())
(True, True)
"""

try:
    from ._export import to_nir
    from ._import import from_nir
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] not in ("nir", "h5py"):
        raise
    raise ImportError(
        'eprop.nir needs the package nir, which is not installed: pip install "eprop[nir]"', name=missing.name
    ) from missing

__all__ = ["from_nir", "to_nir"]
