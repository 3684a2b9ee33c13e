"""A spike with a trainer's surrogate derivative, for automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["spike_function"]

# Of d = |v - A| / width.
_SHAPES: dict[str, Callable[[Any], Any]] = {
    "piecewise_linear": lambda d: torch.clamp(1.0 - d, min=0.0),
    "exponential": lambda d: torch.exp(-d),
    "fast_sigmoid": lambda d: (1.0 + d) ** -2,
    "arctan": lambda d: 1.0 / (1.0 + d * d),
    "boxcar": lambda d: (d < 1.0).to(d.dtype),
}


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Any, height: Any, width: Any, surrogate: str) -> Any:
        ctx.save_for_backward(distance, height, width)
        ctx.surrogate = surrogate
        # A trainer's neuron fires at its threshold; one of snnTorch only above it.
        return (distance >= 0.0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        distance, height, width = ctx.saved_tensors
        psi = height * _SHAPES[ctx.surrogate](distance.abs() / width)
        return grad_outputs[0] * psi, None, None, None


def spike_function(surrogate: str, height: Any, width: Any) -> Callable[[Any], Any]:
    """What snnTorch takes as `spike_grad`: a function of ``v - threshold``; height and width are tensors.

    Examples
    --------
    >>> spike = spike_function("piecewise_linear", torch.tensor(0.3), torch.tensor(1.0))
    >>> distance = torch.tensor([-0.5, 0.0, 2.0], requires_grad=True)
    >>> spikes = spike(distance)
    >>> spikes.sum().backward()
    >>> spikes.tolist(), distance.grad.tolist()
    ([0.0, 1.0, 1.0], [0.15000000596046448, 0.30000001192092896, 0.0])
    """

    def spike(distance: Any) -> Any:
        return _Spike.apply(distance, height, width, surrogate)

    return spike
