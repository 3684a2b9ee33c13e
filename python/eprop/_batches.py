"""What users hand over for one stream or for several side by side, as the compiled trainer takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_integers, as_numbers
from ._events import HINT, are_events, as_inputs, as_step
from ._fields import checked

__all__ = ["are_several", "as_lengths", "as_sequences", "as_steps", "as_targets", "as_threads", "steps_of"]

Array = NDArray[Any]


def as_sequences(value: Any, n_inputs: int, n_steps: list[int] | int | None = None) -> Any:
    """The inputs of a call: of one sequence, or of several side by side, as an array or as a list with an item for each.

    `n_steps` is what the targets have, of each stream or of all.

    Examples
    --------
    >>> as_sequences([[[0, 1]], [[1, 0]]], 2).shape
    (2, 1, 2)
    >>> as_sequences([(np.array([0]), np.array([1]), 2)], 3)
    [Events(indptr=array([0, 1, 1]), units=array([1]), values=None)]
    >>> as_sequences((np.array([0]), np.array([1]), 2), 3)
    Events(indptr=array([0, 1, 1]), units=array([1]), values=None)
    """
    if not are_several(value):
        n_steps = None if isinstance(n_steps, list) else n_steps
        rows = as_inputs(value, n_inputs, n_steps)
        if isinstance(rows, np.ndarray) and rows.shape == (2, n_inputs) and n_steps not in (None, 2):
            raise ValueError(
                f"inputs: expected {n_steps} steps, as targets have, got shape {rows.shape}{HINT}"
            )
        return rows
    lengths = n_steps if isinstance(n_steps, list) else [n_steps] * len(value)
    if len(lengths) != len(value):
        raise ValueError(f"targets: expected {len(value)} streams, as many as of inputs, got {len(lengths)}")
    return [as_inputs(item, n_inputs, n) for item, n in zip(value, lengths, strict=True)]


def are_several(value: Any) -> bool:
    """Whether these are the inputs of several sequences as a list.

    Examples
    --------
    >>> are_several([np.zeros((3, 2)), np.zeros((1, 2))]), are_several(np.zeros((2, 3, 2)))
    (True, False)
    """
    return _is_list_of(value, lambda item: are_events(item) or _are_rows(item))


def as_targets(value: Any) -> Array | list[Array]:
    """The targets of a call: (T, n_outputs), (B, T, n_outputs), or a list with the rows or the labels of each stream.

    Examples
    --------
    >>> as_targets([[[0, 1]], [[1, 0]]]).shape
    (2, 1, 2)
    >>> len(as_targets([np.zeros((3, 1)), np.zeros((3, 1))]))
    2
    >>> len(as_targets([np.array([2, 0, 1]), np.array([1])]))
    2
    """
    if _is_list_of(value, _are_rows) or (_is_list_of(value, _are_labels) and len({*map(len, value)}) > 1):
        return [as_numbers("targets", item) for item in value]
    return as_numbers("targets", value)


def steps_of(targets: Array | list[Array], several: bool = False) -> list[int] | int | None:
    """How many steps the targets have, of each stream or of all; None where their shape says nothing.

    `several`: inputs are a list with those of several streams, so that integers (B,) are labels of whole sequences, and
    integers (B, T) labels of steps.

    Examples
    --------
    >>> steps_of(np.zeros((4, 1))), steps_of(np.zeros((2, 4, 1))), steps_of([np.zeros((3, 1))])
    (4, 4, [3])
    >>> labels = np.zeros((2, 4), int)
    >>> steps_of(labels, True), steps_of(labels[0], True), steps_of(labels[0])
    (4, None, 4)
    """
    if isinstance(targets, list):
        return [len(rows) for rows in targets]
    if targets.dtype.kind in "iu" and targets.ndim == 1 + several:
        return int(targets.shape[-1])
    return targets.shape[-2] if targets.ndim in (2, 3) else None


def as_steps(value: Any) -> Any:
    """The inputs of one step: of one stream, or of several, as an array (B, n_inputs) or as a list of 1-tuples of units.

    Examples
    --------
    >>> as_steps([[0, 1], [1, 0]]).shape
    (2, 2)
    >>> as_steps([([1],), ([],)])
    [(array([1]),), (array([], dtype=int64),)]
    >>> as_steps(([1],))
    (array([1]),)
    """
    if _is_list_of(value, _are_units):
        return [as_step(item) for item in value]
    try:
        return as_step(value)
    except TypeError as error:
        if isinstance(value, (list, tuple)) and any(hasattr(item, "__len__") for item in value):
            raise TypeError(
                f"{error}; indices of the inputs that spike are a 1-tuple, (units,), or a list with one for each stream"
            ) from error
        raise


def as_lengths(value: Any) -> Array | None:
    """Steps of each stream (B,), integers.

    Examples
    --------
    >>> as_lengths([3, 1])
    array([3, 1])
    >>> as_lengths([3.0, 1.0])
    Traceback (most recent call last):
    TypeError: lengths: expected an array of integers, a number of steps per stream, got dtype float64
    """
    return None if value is None else as_integers("lengths", value, "a number of steps per stream")


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
    # Data frames, too, which may be of unequal lengths.
    return getattr(value, "ndim", 0) == 2 and (isinstance(value, np.ndarray) or hasattr(value, "to_numpy"))


def _are_labels(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu"


def _are_units(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 1 and hasattr(value[0], "__len__")
