"""What all topologies share: synapses as a boolean or a SciPy sparse array, draws without repetition, checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fields import checked, number

__all__ = ["as_connection", "as_count", "as_probability", "csr_array", "distinct"]

Array = NDArray[Any]


def as_connection(shape: tuple[int, int], per_row: Array, columns: Array, *, sparse: bool) -> Any:
    """Synapses that are listed row after row: a CSR array of bool, or a boolean array.

    Examples
    --------
    >>> as_connection((2, 3), np.array([1, 2]), np.array([2, 0, 1]), sparse=False)
    array([[False, False,  True],
           [ True,  True, False]])
    """
    if checked("sparse", "bool", sparse):
        return csr_array(shape, per_row, columns, np.ones(len(columns), dtype=bool))
    dense = np.zeros(shape, dtype=bool)
    dense[np.repeat(np.arange(shape[0]), per_row), columns] = True
    return dense


def csr_array(shape: tuple[int, int], per_row: Array, columns: Array, values: Array) -> Any:
    """A SciPy sparse array of entries that are listed row after row, each row's columns ascending."""
    try:
        from scipy import sparse
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] != "scipy":
            raise
        raise ImportError(
            'sparse arrays need SciPy, which is not installed: pip install "eprop[sparse]", or ask for a boolean array '
            "with sparse=False where the function has it",
            name=missing.name,
        ) from missing
    index = np.int32 if max(*shape, len(columns)) < 2**31 else np.int64
    starts = np.concatenate([[0], np.cumsum(per_row)]).astype(index)
    matrix = sparse.csr_array((values, columns.astype(index, copy=False), starts), shape=shape)
    matrix.has_canonical_format = True
    return matrix


def distinct(n_rows: int, k: int, n: int, rng: np.random.Generator) -> Array:
    """For each row k different numbers below n, ascending; every set of k is as likely as any other.

    Examples
    --------
    >>> distinct(2, 3, 3, np.random.default_rng(0))
    array([[0, 1, 2],
           [0, 1, 2]])
    """
    if 2 * k > n:  # those that are left out are fewer
        left_out = distinct(n_rows, n - k, n, rng)
        kept = np.ones((n_rows, n), dtype=bool)
        kept[np.arange(n_rows)[:, np.newaxis], left_out] = False
        return np.nonzero(kept)[1].reshape(n_rows, k)
    drawn = np.sort(rng.integers(n, size=(n_rows, k)), axis=1)
    rows = np.arange(n_rows)
    while True:
        again = drawn[rows, 1:] == drawn[rows, :-1]
        rows, again = rows[again.any(axis=1)], again[again.any(axis=1)]
        if len(rows) == 0:
            return drawn
        # One of those that are equal stays, the others are drawn anew: this treats all numbers alike.
        which, place = np.nonzero(again)
        drawn[rows[which], place + 1] = rng.integers(n, size=len(which))
        drawn[rows] = np.sort(drawn[rows], axis=1)


def as_count(name: str, value: Any, least: int = 1) -> int:
    """A number of neurons, of inputs or of synapses.

    Examples
    --------
    >>> as_count("n", 0)
    Traceback (most recent call last):
    ValueError: n: expected at least 1, got 0
    """
    count = int(checked(name, "int", value))
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, got {count}")
    return count


def as_probability(name: str, value: Any, *, zero: bool = True) -> float:
    """A number from 0 to 1; without `zero`, above 0.

    Examples
    --------
    >>> as_probability("density", 0.0, zero=False)
    Traceback (most recent call last):
    ValueError: density: expected a number in (0, 1], got 0.0
    """
    probability = number(name, value)
    if not 0.0 <= probability <= 1.0 or (probability == 0.0 and not zero):
        raise ValueError(f"{name}: expected a number in {'[' if zero else '('}0, 1], got {probability}")
    return probability
