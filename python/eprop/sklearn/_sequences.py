"""X as sequences: rows that are shown for some steps, arrays, lists of unequal lengths, events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from .._arrays import as_numbers
from .._events import Events, are_events, as_inputs
from .._scaling import Scaler

__all__ = ["Sequences", "are_sequences", "read_sequences"]

Array = NDArray[Any]

_PIECE = 1 << 22
"""Numbers that are looked at in one go."""


@dataclass
class Sequences:
    """n sequences of the same features.

    `items` is an array (n, T, features), or a list with the rows (T, features) of each, dense or of SciPy's compressed
    rows, or compressed rows (n, features): sequences of one step. Each step lasts `n_repeats` steps of the network.
    """

    items: Any
    n_repeats: int = 1

    def __len__(self) -> int:
        return len(self.items) if isinstance(self.items, list) else int(self.items.shape[0])

    @property
    def n_features(self) -> int:
        """Of each step."""
        return int((self.items[0] if isinstance(self.items, list) else self.items).shape[-1])

    @property
    def lengths(self) -> Array:
        """Steps of each sequence, before they are repeated (n,)."""
        if isinstance(self.items, list):
            return np.array([item.shape[0] for item in self.items])
        return np.full(len(self), 1 if issparse(self.items) else self.items.shape[1])

    def pieces(self) -> Iterator[Any]:
        """All rows, some sequences at a time: (steps, features), dense or compressed."""
        if isinstance(self.items, list) or issparse(self.items):
            yield from self.items if isinstance(self.items, list) else [self.items]
            return
        _, n_steps, n_features = self.items.shape
        at_once = max(1, _PIECE // (n_steps * n_features))
        for first in range(0, len(self.items), at_once):
            yield np.asarray(self.items[first : first + at_once]).reshape(-1, n_features)

    def take(self, rows: Array) -> Sequences:
        """Those of these indices."""
        if isinstance(self.items, list):
            return Sequences([self.items[row] for row in rows], self.n_repeats)
        return Sequences(self.items[rows], self.n_repeats)

    def repeated(self, n_repeats: int) -> Sequences:
        """The same, each step of which lasts so many steps of the network."""
        return Sequences(self.items, n_repeats)

    def scaled(self, scaler: Scaler, dtype: str) -> tuple[Any, Array]:
        """What a trainer takes as `inputs` and as `lengths`, each feature in its own unit."""
        lengths = self.lengths * self.n_repeats
        if not isinstance(self.items, list):
            items = self.items.toarray()[:, None] if issparse(self.items) else self.items
            return np.repeat(scaler.scale(items).astype(dtype), self.n_repeats, axis=1), lengths
        if any(map(issparse, self.items)):
            return [self._spikes(item, scaler) for item in self.items], lengths
        inputs = np.zeros((len(self), lengths.max(), self.n_features), dtype)
        for item, row, length in zip(self.items, inputs, lengths, strict=True):
            row[:length] = np.repeat(scaler.scale(item), self.n_repeats, axis=0)
        return inputs, lengths

    def _spikes(self, item: Any, scaler: Scaler) -> Any:
        """Zeros stay zeros: a feature that is dense elsewhere is centred here, and so are its zeros."""
        if not issparse(item) or np.any(scaler.centre != 0.0):
            dense = item.toarray() if issparse(item) else item
            return np.repeat(scaler.scale(dense), self.n_repeats, axis=0)
        data = item.data * scaler.gain[item.indices]
        scaled = csr_array((data, item.indices, item.indptr), shape=item.shape)
        return scaled[np.repeat(np.arange(item.shape[0]), self.n_repeats)]


def are_sequences(X: Any) -> bool:
    """Whether X has an axis of time: an array with three axes, or a list with the rows or the events of each sequence.

    Examples
    --------
    >>> are_sequences(np.zeros((5, 7, 2))), are_sequences([np.zeros((7, 2)), np.zeros((3, 2))])
    (True, True)
    >>> are_sequences([[[0.0, 1.0], [1.0, 0.0]], [[2.0, 1.0]]])
    True
    >>> are_sequences(np.zeros((5, 2))), are_sequences([[1.0, 2.0], [3.0, 4.0]])
    (False, False)
    """
    if _as_list(X) is not None:
        return True
    return not issparse(X) and getattr(X, "ndim", None) == 3


def _as_list(X: Any) -> list[Any] | None:
    """The items of a list, a tuple or an array of objects that holds sequences; None of anything else."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1:
        X = list(X)
    if not isinstance(X, (list, tuple)) or are_events(X) or len(X) == 0:
        return None
    items = [np.asarray(item) if _is_list_of_rows(item) else item for item in X]
    return items if all(are_events(item) or getattr(item, "ndim", 0) == 2 for item in items) else None


def _is_list_of_rows(item: Any) -> bool:
    if not isinstance(item, (list, tuple)) or are_events(item):
        return False
    return len(item) > 0 and isinstance(item[0], (list, tuple, np.ndarray)) and np.ndim(item[0]) == 1


def read_sequences(X: Any, n_features: int | None, lengths: list[int] | None = None) -> Sequences:
    """Sequences as they were handed over, checked.

    Parameters
    ----------
    X : array (n, T, features), or list
    n_features : int, optional
        None: what the data say, of events one more than the largest unit.
    lengths : list of int, optional
        What the labels say of steps, for events ``(times, units)``.

    Raises
    ------
    ValueError
        Shapes that do not fit each other or `n_features`; NaN or infinity.
    TypeError
        Not real numbers.
    """
    listed = _as_list(X)
    if listed is None:
        return _read_array(X, n_features)
    if n_features is None:
        n_features = max(map(_features_of, listed))
    steps = lengths if lengths is not None else [None] * len(listed)
    if len(steps) != len(listed):
        raise ValueError(f"y: expected labels of {len(listed)} sequences, got {len(steps)}")
    items = [
        _read_item(index, item, n_features, n)
        for index, (item, n) in enumerate(zip(listed, steps, strict=True))
    ]
    return Sequences(items)


def _read_array(X: Any, n_features: int | None) -> Sequences:
    array = as_numbers("X", X)
    if 0 in array.shape:
        raise ValueError(f"X: expected at least one sequence, step and feature, got shape {array.shape}")
    if n_features is not None and array.shape[2] != n_features:
        raise ValueError(f"X: expected shape (n, T, {n_features}), as in fit, got {array.shape}")
    sequences = Sequences(array)
    if not all(np.isfinite(piece).all() for piece in sequences.pieces()):
        raise ValueError("X: expected finite numbers, got NaN or infinity")
    return sequences


def _read_item(index: int, item: Any, n_features: int, n_steps: int | None) -> Any:
    try:
        read = as_inputs(item, n_features, n_steps)
    except (TypeError, ValueError) as error:
        raise type(error)(f"X[{index}]: {error}") from error
    if isinstance(read, Events):
        return _as_compressed(index, read, n_features)
    if read.shape[1] != n_features or len(read) == 0:
        raise ValueError(f"X[{index}]: expected shape (T, {n_features}), got {read.shape}")
    if not np.isfinite(read).all():
        raise ValueError(f"X[{index}]: expected finite numbers, got NaN or infinity")
    return read


def _as_compressed(index: int, events: Events, n_features: int) -> Any:
    units = events.units
    if len(units) > 0 and not 0 <= units.min() <= units.max() < n_features:
        outside = units.max() if units.min() >= 0 else units.min()
        raise ValueError(
            f"X[{index}]: expected units of 0 to {n_features - 1}, got {outside}; n_features says how many there are"
        )
    values = np.ones(len(units)) if events.values is None else np.asarray(events.values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"X[{index}]: expected finite numbers, got NaN or infinity")
    compressed = csr_array(
        (values, units, events.indptr), shape=(len(events.indptr) - 1, n_features), copy=True
    )
    compressed.sum_duplicates()
    return compressed


def _features_of(item: Any) -> int:
    if isinstance(item, tuple):
        return 1 + max(map(int, item[1]), default=0)
    return int(item.shape[1])
