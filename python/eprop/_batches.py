"""What users hand over for the streams of a batch, as the engine takes it: one array, or one item per stream."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ._arrays import as_numbers
from ._events import Events, are_events, as_inputs, as_step
from ._fields import checked

__all__ = ["as_step_streams", "as_streams", "as_threads"]

Array = NDArray[Any]


def as_streams(
    value: Any, dtype: str, n_inputs: int, n_steps: int | None = None
) -> Array | list[Events | Array]:
    """The inputs of a batch: an array (B, T, n_inputs), or a list with the events of each stream.

    Examples
    --------
    >>> import numpy as np
    >>> as_streams([[[0, 1]], [[1, 0]]], "float32", 2).shape
    (2, 1, 2)
    >>> as_streams([(np.array([0]), np.array([1]), 2)], "float32", 3)
    [Events(indptr=array([0, 1, 1]), units=array([1]), values=None)]
    """
    if isinstance(value, (list, tuple)) and len(value) > 0 and all(map(are_events, value)):
        return [as_inputs(item, dtype, n_inputs, n_steps) for item in value]
    return as_numbers("inputs", value, dtype)


def as_step_streams(value: Any, dtype: str) -> Array | list[tuple[Array]]:
    """The inputs of one step of a batch: an array (B, n_inputs), or a list with the units that spike in each stream.

    Of each a 1-tuple, as in a step of one stream.

    Examples
    --------
    >>> as_step_streams([[0, 1], [1, 0]], "float32").shape
    (2, 2)
    >>> as_step_streams([([1],), ([],)], "float32")
    [(array([1]),), (array([], dtype=int64),)]
    """
    if isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_are_units, value)):
        return [as_step(item, -1) for item in value]  # type: ignore[misc]
    return as_numbers("x", value, dtype)


def as_threads(value: Any) -> int | None:
    """A number of threads; None leaves it to the environment.

    Examples
    --------
    >>> as_threads(2), as_threads(None)
    (2, None)
    """
    return None if value is None else int(checked("n_threads", "int", value))


def _are_units(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 1 and hasattr(value[0], "__len__")
