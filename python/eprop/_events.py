"""Spikes as events: what users hand over instead of a dense array, as the arrays that the compiled trainers take."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import as_indices, as_numbers

__all__ = [
    "HINT",
    "Events",
    "Inputs",
    "Sparse",
    "StepInput",
    "are_events",
    "as_inputs",
    "as_step",
    "is_sparse",
]

Array = NDArray[Any]


class Sparse(Protocol):
    """What is asked of a sparse matrix or array; SciPy's have it, and SciPy itself is never imported."""

    def tocsr(self) -> Any:
        """Compressed rows."""

    def tocoo(self) -> Any:
        """Coordinates."""


StepInput: TypeAlias = "ArrayLike | tuple[ArrayLike]"
Inputs: TypeAlias = "ArrayLike | tuple[Array, Array] | tuple[ArrayLike, ArrayLike, int] | Sparse"


class Events(NamedTuple):
    """The spikes of a sequence, step after step; within a step in any order, where those of one unit add up."""

    indptr: Array
    """(T + 1,) integers: step t has the spikes from ``indptr[t]`` up to ``indptr[t + 1]``."""
    units: Array
    """(n_spikes,) integers. The compiled trainer checks them."""
    values: Array | None
    """(n_spikes,) real numbers; None: all are 1."""


HINT = "; events are a tuple of two integer arrays, (times, units) or (times, units, n_steps)"


def as_step(value: StepInput) -> Array | tuple[Array]:
    """The input of one step: a vector, or a 1-tuple of the units that spike.

    Parameters
    ----------
    value : array_like (n_inputs,), or 1-tuple of indices
        An array is values, whatever its dtype and length; only the tuple means indices.

    Raises
    ------
    TypeError, ValueError
        As in `as_numbers`; indices that are no integers, or not of one dimension.

    Examples
    --------
    >>> as_step([0, 1, 0]), as_step(np.array([1]))
    (array([0, 1, 0]), array([1]))
    >>> as_step(([1, 1, 2],))
    (array([1, 1, 2]),)
    """
    # A tuple of one number is a vector of one number.
    if isinstance(value, tuple) and len(value) == 1 and hasattr(value[0], "__len__"):
        return (as_indices("x", value[0]),)
    if is_sparse(value):
        raise TypeError(
            "x: expected a vector, or the events (units,) of a step, got a sparse "
            f"{type(value).__name__}; hand over x.toarray()[0], or (x.indices,) of a row of spikes"
        )
    return as_numbers("x", value)  # type: ignore[arg-type]


def as_inputs(value: Inputs, n_inputs: int, n_steps: int | None = None) -> Array | Events:
    """The inputs of a sequence: a dense array, or events.

    Parameters
    ----------
    value : array_like (T, n_inputs), (times, units), (times, units, n_steps), or sparse (T, n_inputs)
        Times and units are integer arrays of one length, in any order. Sparse: SciPy's, or what converts to it.
    n_inputs : int
    n_steps : int, optional
        How many steps the targets have: what ``(times, units)`` does not say.

    Raises
    ------
    TypeError
        Not real numbers; indices that are no integers.
    ValueError
        Times outside the sequence; a wrong shape; nothing that says how many steps there are.

    Examples
    --------
    >>> as_inputs((np.array([2, 0]), np.array([1, 5])), 6, n_steps=3)
    Events(indptr=array([0, 1, 1, 2]), units=array([5, 1]), values=None)
    >>> as_inputs([[0, 1]], 2)
    array([[0, 1]])
    """
    if are_events(value):
        try:
            return _from_sparse(value, n_inputs) if is_sparse(value) else _from_tuple(value, n_steps)
        except MemoryError as error:
            raise MemoryError(
                str(error) or "inputs: expected events that can be copied, got no memory for it"
            ) from error
    try:
        rows = as_numbers("inputs", value)  # type: ignore[arg-type]
    except TypeError as error:
        if isinstance(value, tuple) and len(value) in (2, 3):
            raise TypeError(f"{error}{HINT}") from error
        raise
    if rows.ndim == 2 and rows.shape[1] != n_inputs and (isinstance(value, tuple) or 2 in rows.shape):
        raise ValueError(f"inputs: expected shape (T, {n_inputs}), got {rows.shape}{HINT}")
    return rows


def are_events(value: Any) -> bool:
    """Whether these inputs of a sequence are pairs, or a sparse matrix, and not a dense array.

    Examples
    --------
    >>> are_events((np.array([2, 0]), np.array([1, 5]))), are_events([[0, 1]])
    (True, False)
    """
    if is_sparse(value):
        return True
    if not (isinstance(value, tuple) and len(value) in (2, 3) and all(map(_are_indices, value[:2]))):
        return False
    return (
        len(value) == 2 or isinstance(value[2], str) or not hasattr(value[2], "__len__")
    )  # else a third row


def is_sparse(value: Any) -> bool:
    """Whether this is a sparse matrix or array of SciPy's, or one that converts to it.

    Examples
    --------
    >>> is_sparse(np.zeros((2, 2)))
    False
    """
    return type(value) is not np.ndarray and (hasattr(value, "tocsr") or hasattr(value, "to_scipy_sparse"))


def _are_indices(value: Any) -> bool:
    # Lists of integers are the rows of a dense array, as they have always been.
    return isinstance(value, np.ndarray) and value.ndim == 1 and (value.dtype.kind in "iu" or value.size == 0)


def _from_tuple(value: Any, n_steps: int | None) -> Events:
    return _from_pairs(value[0], value[1], n_steps if len(value) == 2 else _as_n_steps(value[2]))


def _from_pairs(times: Any, units: Any, n_steps: int | None, values: Array | None = None) -> Events:
    times, units = as_indices("inputs", times), as_indices("inputs", units)
    if len(times) != len(units):
        raise ValueError(f"inputs: expected times and units of one length, got {len(times)} and {len(units)}")
    if n_steps is None:
        raise ValueError(
            "inputs: expected (times, units, n_steps), since there are no targets to count the steps by, got (times, units)"
        )
    if n_steps < 1:
        raise ValueError(f"inputs: expected at least one step, got n_steps = {n_steps}")
    times = _own(times)
    outside = (times < 0) | (times >= n_steps)
    if outside.any():
        at = int(outside.argmax())
        raise ValueError(f"inputs: expected times of 0 to {n_steps - 1}, got {times[at]} at index {at}")
    if (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        times, units = times[order], _own(units)[order]
        values = None if values is None else _own(values)[order]
    return Events(_starts(times, n_steps), units, values)


def _own(array: Array) -> Array:
    """A copy that NumPy makes without leaving the GIL, for work in which another thread may resize the original."""
    return np.frombuffer(array.tobytes(), array.dtype)


def _as_n_steps(value: Any) -> int:
    try:
        if not isinstance(value, (bool, np.bool_)):
            return operator.index(value)
    except TypeError:
        pass
    kind = type(value).__name__
    raise TypeError(f"inputs: expected (times, units, n_steps) with an int, got n_steps = {value!r} ({kind})")


def _starts(times: Array, n_steps: int) -> Array:
    """Where the spikes of each step begin, and where the last step's end."""
    try:
        indptr = np.zeros(n_steps + 1, np.int64)
        np.cumsum(np.bincount(times, minlength=n_steps), out=indptr[1:])
    except (MemoryError, ValueError, OverflowError):
        raise MemoryError(
            f"inputs: expected as many steps as fit into memory, got events with n_steps = {n_steps}; hand over the "
            "sequence in parts, with reset=False after the first"
        ) from None
    return indptr


def _from_sparse(matrix: Any, n_inputs: int) -> Events:
    if len(matrix.shape) != 2 or matrix.shape[1] != n_inputs:
        raise ValueError(f"inputs: expected shape (T, {n_inputs}), got {tuple(matrix.shape)}")
    if matrix.shape[0] < 1:
        raise ValueError(f"inputs: expected at least one step, got shape {tuple(matrix.shape)}")
    if hasattr(matrix, "to_scipy_sparse") or not hasattr(matrix, "tocoo"):
        matrix = _to_scipy(matrix)
    if getattr(matrix, "format", "") != "csr":
        # Its own way to compressed rows would add duplicates up in another order.
        matrix = matrix.tocoo()
        return _from_pairs(matrix.row, matrix.col, int(matrix.shape[0]), as_numbers("inputs", matrix.data))
    # There may be room for more spikes than indptr counts.
    return Events(
        as_indices("inputs", matrix.indptr),
        as_indices("inputs", matrix.indices),
        as_numbers("inputs", matrix.data),
    )


def _to_scipy(matrix: Any) -> Any:
    try:
        return matrix.to_scipy_sparse() if hasattr(matrix, "to_scipy_sparse") else matrix.tocsr()
    except Exception as error:
        raise TypeError(
            f"inputs: expected a sparse matrix that converts to one of SciPy's, got a {type(matrix).__name__}: {error}; "
            "hand over events (times, units, n_steps), or make it dense"
        ) from error
