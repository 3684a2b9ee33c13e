"""The weights of a trainer, and gradients of the same shapes as one vector, which is what ranks hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["add_to_vector", "as_gradients", "n_parameters", "parameters_of", "readout_of"]

Array = NDArray[Any]

_RECURRENT = ("W_in", "W_rec", "W_out", "b")


def parameters_of(trainer: Any) -> list[Array]:
    """Copies of all weights, in the order of a vector; of listed synapses one row."""
    if hasattr(trainer, "layers"):
        return [layer.W for layer in trainer.layers]
    if trainer._is_listed:
        listed = [trainer._core.weights_of_synapses(name) for name in ("W_in", "W_rec")]
        return [*listed, *readout_of(trainer)]
    return [getattr(trainer, name) for name in _RECURRENT]


def readout_of(trainer: Any) -> list[Array]:
    """Copies of the weights of the last layer: few, and whatever differs elsewhere reaches them soon."""
    return [trainer.layers[-1].W] if hasattr(trainer, "layers") else [trainer.W_out, trainer.b]


def n_parameters(trainer: Any) -> int:
    """The length of a vector.

    Examples
    --------
    >>> from eprop import EpropTrainer, OnlineTrainer
    >>> n_parameters(EpropTrainer(2, 3, 1)), n_parameters(OnlineTrainer([2, 3, 1]))
    (19, 9)
    """
    return sum(int(np.prod(shape)) for shape in _shapes(trainer))


def add_to_vector(gradients: Mapping[str, Any], vector: Array) -> None:
    """Adds the arrays of `gradients()`, which lie in it one after the other."""
    arrays = gradients["W"] if "W" in gradients else [gradients[name] for name in _RECURRENT]
    first = 0
    for array in arrays:
        vector[first : first + array.size] += array.reshape(-1)
        first += array.size


def as_gradients(trainer: Any, vector: Array) -> dict[str, Any]:
    """The arrays that a vector holds, as the compiled trainer takes and returns them: views of it.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> gradients = as_gradients(EpropTrainer(2, 3, 1), np.arange(19.0))
    >>> gradients["W_out"], gradients["b"]
    (array([[15., 16., 17.]]), array([18.]))
    """
    shapes = _shapes(trainer)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    arrays = [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]
    return {"W": arrays} if hasattr(trainer, "layers") else dict(zip(_RECURRENT, arrays, strict=True))


def _shapes(trainer: Any) -> list[tuple[int, ...]]:
    if hasattr(trainer, "layers"):
        sizes = trainer.layer_sizes
        return [(above, below) for below, above in pairwise(sizes)]
    n_inputs, n, n_outputs = trainer.n_inputs, trainer.n_neurons, trainer.n_outputs
    of_synapses = [(n, n_inputs), (n, n)]
    if trainer._is_listed:
        of_synapses = [(1, len(trainer._lists(name)[2])) for name in ("W_in", "W_rec")]
    return [*of_synapses, (n_outputs, n), (n_outputs,)]
