"""What users hand over for the streams of a batch, as the engine takes it: one array, or one item per stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_numbers
from ._events import Events, are_events, as_inputs, as_step, is_sparse
from ._fields import checked

__all__ = ["as_step_streams", "as_stream_inputs", "as_stream_targets", "as_threads"]

Array = NDArray[Any]


def as_stream_inputs(
    value: Any, n_inputs: int, n_steps: list[int] | int | None = None
) -> Array | list[Events | Array]:
    """The inputs of a batch: an array (B, T, n_inputs), or a list with the rows or the events of each stream.

    `n_steps` is what the targets have, of each stream or of all.

    Examples
    --------
    >>> as_stream_inputs([[[0, 1]], [[1, 0]]], 2).shape
    (2, 1, 2)
    >>> as_stream_inputs([(np.array([0]), np.array([1]), 2)], 3)
    [Events(indptr=array([0, 1, 1]), units=array([1]), values=None)]
    """
    if are_events(value):
        raise ValueError("inputs: expected a list with the inputs of each stream, got the events of one")
    if _is_list_of(value, lambda item: are_events(item) or _are_rows(item)):
        lengths = n_steps if isinstance(n_steps, list) else [n_steps] * len(value)
        if len(lengths) != len(value):
            raise ValueError(
                f"targets: expected {len(value)} streams, as many as of inputs, got {len(lengths)}"
            )
        return [as_inputs(item, n_inputs, n) for item, n in zip(value, lengths, strict=True)]
    return as_numbers("inputs", value)


def as_stream_targets(value: Any) -> Array | list[Array]:
    """The targets of a batch: an array (B, T, n_outputs), or a list with the rows of each stream.

    Examples
    --------
    >>> as_stream_targets([[[0, 1]], [[1, 0]]]).shape
    (2, 1, 2)
    >>> len(as_stream_targets([np.zeros((3, 1)), np.zeros((3, 1))]))
    2
    """
    if _is_list_of(value, _are_rows):
        return [as_numbers("targets", item) for item in value]
    return as_numbers("targets", value)


def as_step_streams(value: Any) -> Array | list[Any]:
    """The inputs of one step of a batch: an array (B, n_inputs), or a list with the units that spike in each stream.

    Of each a 1-tuple, as in a step of one stream.

    Examples
    --------
    >>> as_step_streams([[0, 1], [1, 0]]).shape
    (2, 2)
    >>> as_step_streams([([1],), ([],)])
    [(array([1]),), (array([], dtype=int64),)]
    """
    if _is_list_of(value, _are_units):
        return [as_step(item) for item in value]
    if is_sparse(value):
        as_step(value)  # raises, and says what a step takes
    return as_numbers("x", value)


def as_threads(value: Any) -> int | None:
    """A number of threads; None leaves it to the environment.

    Examples
    --------
    >>> as_threads(2), as_threads(None)
    (2, None)
    """
    return None if value is None else int(checked("n_threads", "int", value))


def _is_list_of(value: Any, kind: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(kind, value))


def _are_rows(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2


def _are_units(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 1 and hasattr(value[0], "__len__")
