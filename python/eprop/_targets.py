"""y as what a trainer takes: codes of labels or rows of numbers, of each sequence or of each step, with weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NO_LABEL",
    "Targets",
    "are_of_steps",
    "is_missing",
    "last_steps",
    "none_as_nan",
    "read_steps",
    "without_names",
]

Array = NDArray[Any]

NO_LABEL = -1
"""The code of what has no label, as trainers take it."""


@dataclass
class Targets:
    """What n sequences should become, and how much each of them counts.

    `values` is an array with one entry for each sequence, codes (n,) or numbers (n, O), or a list with one array for each,
    codes (T,) or numbers (T, O) of its steps. `weights` (n,) are those of the sequences, `of_code` (n_classes,) those of
    the classes.
    """

    values: Any
    weights: Array
    of_code: Array | None = None

    @property
    def per_step(self) -> bool:
        """Whether each step has its own."""
        return isinstance(self.values, list)

    def take(self, rows: Array) -> Targets:
        """Those of these indices."""
        values = [self.values[row] for row in rows] if self.per_step else self.values[rows]
        return Targets(values, self.weights[rows], self.of_code)

    @property
    def n_known(self) -> Array:
        """How many targets each sequence has (n,): 0 or 1 if it is answered as a whole, and 0 where it counts nothing."""
        each = [np.count_nonzero(_are_known(row)) for row in self.values] if self.per_step else None
        return np.where(self.weights > 0.0, _are_known(self.values) if each is None else each, 0)

    def lesson(self, lengths: Array, n_repeats: int) -> tuple[Array, Array]:
        """`targets` and `weights` (B, T) of a trainer, for sequences of these lengths, repeats included."""
        if self.per_step:
            return self._of_steps(lengths, n_repeats)
        weights = last_steps(lengths, n_repeats) * (self.weights * self._counts(self.values))[:, None]
        if self.values.ndim == 1:
            return self.values, weights
        n, n_outputs = self.values.shape
        return np.broadcast_to(np.nan_to_num(self.values)[:, None], (n, lengths.max(), n_outputs)), weights

    def _of_steps(self, lengths: Array, n_repeats: int) -> tuple[Array, Array]:
        shape = (len(lengths), int(lengths.max()))
        codes = self.values[0].ndim == 1
        targets = np.full(shape, NO_LABEL) if codes else np.zeros((*shape, self.values[0].shape[1]))
        weights = np.zeros(shape)
        for row, (values, length) in enumerate(zip(self.values, lengths, strict=True)):
            weights[row, :length] = np.repeat(self.weights[row] * self._counts(values), n_repeats)
            targets[row, :length] = np.repeat(values if codes else np.nan_to_num(values), n_repeats, axis=0)
        return targets, weights

    def _counts(self, values: Array) -> Array:
        """How much each target counts by what it is; 0 if there is none."""
        of_code: Any = 1.0 if self.of_code is None else self.of_code[values]
        return np.asarray(of_code * _are_known(values))


def _are_known(values: Array) -> Array:
    """Which are targets, of codes (n,) or of rows of numbers (n, O)."""
    return np.asarray(np.isfinite(values).all(axis=1) if values.ndim == 2 else values != NO_LABEL)


def last_steps(lengths: Array, n_repeats: int) -> Array:
    """Where a whole sequence is answered (B, T): 1 / n_repeats at each repeat of its last step, 0 elsewhere.

    Examples
    --------
    >>> last_steps(np.array([2, 4]), 2)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    """
    steps = np.arange(lengths.max())
    return ((steps < lengths[:, None]) & (steps >= lengths[:, None] - n_repeats)) / n_repeats


def is_missing(values: Array) -> Array:
    """Which labels are None or NaN.

    Examples
    --------
    >>> is_missing(np.array(["a", None, float("nan")], object)).tolist()
    [False, True, True]
    """
    if values.dtype.kind not in "Of":
        return np.zeros(values.shape, bool)
    is_absent = np.frompyfunc(lambda label: label is None or label != label, 1, 1)
    with np.errstate(invalid="ignore"):  # NumPy warns of a NaN that Python compares, from Python 3.12 on
        return is_absent(values).astype(bool)  # type: ignore[no-any-return]


def without_names(y: Any) -> Any:
    """What a data frame or a series holds, as an array with None for what is missing; all else as it is.

    As a sequence a data frame is that of its columns' names.

    Examples
    --------
    >>> without_names([1, 2])
    [1, 2]
    """
    if not hasattr(y, "to_numpy"):
        return y
    array = np.asarray(y)
    if array.dtype.kind != "O":
        return array
    # pandas.NA answers no comparison.
    return np.frompyfunc(lambda value: None if type(value).__name__ == "NAType" else value, 1, 1)(array)


def none_as_nan(y: Any) -> Any:
    """Objects as numbers with NaN in the place of each None; what is none of these, or more than numbers, as it is.

    Examples
    --------
    >>> none_as_nan([1, None, 2.5])
    array([1. , nan, 2.5])
    >>> none_as_nan(["a", None])
    ['a', None]
    """
    array = np.asarray(y)
    if array.dtype.kind != "O":
        return y
    absent = np.frompyfunc(lambda number: number is None, 1, 1)(array).astype(bool)
    known = np.array(array[~absent].tolist())
    if known.dtype.kind not in "biuf":
        return y
    numbers = np.full(array.shape, np.nan)
    numbers[~absent] = known
    return numbers


def are_of_steps(y: Any) -> bool:
    """Whether these targets have an axis of time: an array with more than one, or a list with those of each sequence.

    Examples
    --------
    >>> are_of_steps([[0, 1], [1]]), are_of_steps(np.zeros((2, 3))), are_of_steps(["a", "b"])
    (True, True, False)
    """
    if isinstance(y, (list, tuple)) or (isinstance(y, np.ndarray) and y.dtype == object and y.ndim == 1):
        return len(y) > 0 and np.ndim(y[0]) > 0
    return np.ndim(y) > 1


def read_steps(y: Any, lengths: Array) -> list[Array]:
    """The targets of the steps of each sequence, as many as it has.

    Raises
    ------
    ValueError
        More or fewer than there are sequences, or steps.
    """
    if len(y) != len(lengths):
        raise ValueError(f"y: expected targets of {len(lengths)} sequences, got {len(y)}")
    rows = [np.asarray(row) for row in y]
    for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        if len(row) != length:
            raise ValueError(
                f"y[{index}]: expected one target for each of {length} steps, got {len(row)}; one for the whole sequence is "
                "a number or a label"
            )
    return rows
