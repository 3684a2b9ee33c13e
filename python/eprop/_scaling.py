"""The scale of inputs and of regression targets, learned from the data in one pass or in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scaler"]

Array = NDArray[Any]

_SPARSE = 0.5
"""Columns that are 0 more often than this are sparse."""
_CONSTANT = 1e-7
"""A deviation below this share of the largest magnitude is rounding."""


class Scaler:
    """Mean and variance of columns, as a stream; what they make of values.

    A dense column is centred, and divided by its standard deviation. A sparse column, most of whose values are exactly
    0, keeps its zeros, so that spikes stay spikes: it is divided by the root mean square of what is not 0. A column that
    has been constant so far says nothing, and becomes 0.

    Parts are merged as in Chan, Golub and LeVeque 1983, *Algorithms for Computing the Sample Variance*, in float64.

    Parameters
    ----------
    of_targets : bool
        No column counts as sparse, and constant ones are only centred.

    Examples
    --------
    >>> scaler = Scaler()
    >>> scaler.learn(np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 4.0]]))
    >>> scaler.scale(np.array([[3.0, 4.0], [3.0, 0.0]]))
    array([[0., 1.],
           [0., 0.]])
    """

    def __init__(self, *, of_targets: bool = False) -> None:
        self.of_targets = of_targets
        self.n = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # of the distances from the mean, summed up
        self.n_active: Any = 0
        self.largest: Any = 0.0

    def learn(self, rows: Array) -> None:
        """Takes rows (n, columns) into account."""
        rows = np.asarray(rows, np.float64)
        mean = rows.mean(axis=0)
        squares = np.square(rows - mean).sum(axis=0)
        self._merge(len(rows), mean, squares, np.count_nonzero(rows, axis=0), np.abs(rows).max(axis=0))

    def learn_sparse(self, rows: Any) -> None:
        """The same of a SciPy sparse array (n, columns) in compressed rows, without duplicates."""
        n, n_columns = rows.shape
        columns, values = rows.indices[rows.data != 0], rows.data[rows.data != 0].astype(np.float64)
        n_active = np.bincount(columns, minlength=n_columns)
        mean = np.bincount(columns, values, minlength=n_columns) / n
        squares = np.bincount(columns, np.square(values - mean[columns]), minlength=n_columns)
        largest = np.zeros(n_columns)
        np.maximum.at(largest, columns, np.abs(values))
        self._merge(n, mean, squares + (n - n_active) * np.square(mean), n_active, largest)

    def _merge(self, n: int, mean: Array, squares: Array, n_active: Array, largest: Array) -> None:
        apart = mean - self.mean
        self.squares = self.squares + squares + np.square(apart) * self.n * (n / (self.n + n))
        self.mean = self.mean + apart * (n / (self.n + n))
        self.n += n
        self.n_active = self.n_active + n_active
        self.largest = np.maximum(self.largest, largest)

    def widen(self, n_more: int) -> None:
        """Columns beside those that there are, which have been 0 so far."""
        for name in ("mean", "squares", "n_active", "largest"):
            setattr(self, name, np.append(getattr(self, name), np.zeros(n_more)))

    @property
    def is_sparse(self) -> Array:
        """Which columns keep their zeros (columns,)."""
        return (not self.of_targets) & (self.n_active < (1.0 - _SPARSE) * self.n)  # type: ignore[no-any-return]

    @property
    def centre(self) -> Array:
        """What is subtracted (columns,)."""
        return np.where(self.is_sparse, 0.0, self.mean)

    @property
    def width(self) -> Array:
        """What is divided by (columns,); 0 of a constant column."""
        deviation = np.sqrt(self.squares / self.n)
        active = np.sqrt((self.squares + self.n * np.square(self.mean)) / np.maximum(1, self.n_active))
        width = np.where(self.is_sparse, active, deviation)
        return np.where(width > _CONSTANT * self.largest, width, 0.0)

    def scale(self, values: Array) -> Array:
        """(..., columns) in units of the columns, float64."""
        return (values - self.centre) * self.gain

    @property
    def gain(self) -> Array:
        """1 / `width` (columns,); of a constant column 0, and of a constant target 1."""
        width = self.width
        constant = np.full_like(width, 1.0 if self.of_targets else 0.0)
        return np.divide(1.0, width, out=constant, where=width > 0.0)

    def unscale(self, values: Array) -> Array:
        """What `scale` has made `values` of; the constant itself, of a constant column."""
        return values * self.width + self.centre
