"""What neurons and inputs are called, and which index each has."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import refuse_masked
from ._synapses import as_count

__all__ = ["Labels"]

Array = NDArray[Any]


class Labels:
    """Names in the order of indices: numbers from 0, or labels.

    Examples
    --------
    >>> names = Labels.of("neurons", None, {"pre": ["b", "a"], "post": ["a", "c"]})
    >>> names.labels.tolist(), names.indices("pre", ["b", "a"]).tolist()
    (['a', 'b', 'c'], [1, 0])
    >>> Labels.of("neurons", 3, {}).indices("pre", [0, 3])
    Traceback (most recent call last):
    ValueError: pre: expected indices of neurons below 3, got 3 at edge 1
    """

    def __init__(self, argument: str, labels: Array, are_indices: bool) -> None:
        self.argument, self.labels, self._are_indices = argument, labels, are_indices
        self._order: Array | None = None

    @classmethod
    def of(cls, argument: str, given: int | ArrayLike | None, columns: Mapping[str, ArrayLike]) -> Labels:
        """As many as `given` says, the labels that it lists, or those that occur in `columns`."""
        if given is None:
            return cls(argument, _all_labels(argument, columns), are_indices=False)
        if np.ndim(given) == 0 and not isinstance(given, str):
            return cls(argument, np.arange(as_count(argument, given)), are_indices=True)
        labels = _as_labels(argument, given)
        values, counts = np.unique(labels, return_counts=True)
        if len(values) < len(labels) or len(labels) == 0:
            twice = f"{values[counts > 1].tolist()[0]!r} twice" if len(labels) else "none"
            raise ValueError(f"{argument}: expected labels, each of them once, got {twice}")
        return cls(argument, labels, are_indices=False)

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, name: str, column: ArrayLike, where: str = "edge") -> Array:
        """The index of each label of a column; `where` is what messages call its places."""
        labels = _as_labels(name, column)
        if self._are_indices:
            return self._in_range(name, labels, where)
        if self._order is None:
            self._order = np.argsort(self.labels, kind="stable")
        if labels.size > 0 and labels.dtype.kind != self.labels.dtype.kind:
            raise TypeError(
                f"{name}: expected labels as {self.argument} has them ({_KINDS[self.labels.dtype.kind]}), got "
                f"{_KINDS[labels.dtype.kind]}"
            )
        if labels.size == 0:
            return np.empty(0, dtype=np.int64)
        places = np.searchsorted(self.labels, labels, sorter=self._order)
        found: Array = self._order[np.minimum(places, len(self.labels) - 1)]
        unknown = np.flatnonzero(self.labels[found] != labels)
        if len(unknown) > 0:
            raise ValueError(
                f"{name}: expected labels of {self.argument}, got {len(unknown)} that it has not, the first "
                f"{labels[unknown].tolist()[0]!r} at {where} {unknown[0]}"
            )
        return found

    def name(self, index: Any) -> str:
        """A label as messages show it."""
        return repr(self.labels[operator.index(index)].item())

    def _in_range(self, name: str, labels: Array, where: str) -> Array:
        if labels.size > 0 and labels.dtype.kind != "i":
            raise TypeError(
                f"{name}: expected indices, since {self.argument}={len(self)} is a number, got strings; leave it out, "
                "or list the labels"
            )
        outside = np.flatnonzero((labels < 0) | (labels >= len(self))) if labels.size else labels
        if len(outside) > 0:
            at = outside[0]
            raise ValueError(
                f"{name}: expected indices of {self.argument} below {len(self)}, got {labels[at]} at {where} {at}"
            )
        return labels.astype(np.int64)


_KINDS = {"i": "integers", "U": "strings"}
_INT64_MAX = 2**63 - 1


def _all_labels(argument: str, columns: Mapping[str, ArrayLike]) -> Array:
    """Those that occur, sorted."""
    arrays = [array for name, column in columns.items() if (array := _as_labels(name, column)).size > 0]
    names = ", ".join(columns)
    if not arrays:
        raise ValueError(
            f"{names}: expected at least one edge, or {argument}= with their number or labels, got none"
        )
    if len({array.dtype.kind for array in arrays}) > 1:
        raise TypeError(
            f"{names}: expected labels of one kind, integers or strings, got both, which are never equal"
        )
    return np.unique(np.concatenate(arrays))


def _as_labels(name: str, column: Any) -> Array:
    """Integers as int64, strings as NumPy has them."""
    refuse_masked(name, column)
    labels = np.asarray(column)
    if labels.ndim != 1:
        raise ValueError(f"{name}: expected labels or indices of shape (n,), got {labels.shape}")
    if labels.dtype.kind == "O" and labels.size > 0:
        labels = _of_objects(name, labels)
    if labels.size == 0:
        return labels.astype(np.int64) if labels.dtype.kind not in "iU" else labels
    if labels.dtype.kind in "iu":
        if labels.dtype == np.uint64 and labels.max() > _INT64_MAX:
            raise ValueError(f"{name}: expected integers up to 2^63 - 1, got {labels.max()}")
        return labels.astype(np.int64, copy=False)
    if labels.dtype.kind != "U":
        rounded = (
            "; floats round ids beyond 2^53, so read them as integers" if labels.dtype.kind == "f" else ""
        )
        raise TypeError(f"{name}: expected integers or strings, got dtype {labels.dtype}{rounded}")
    return labels


def _of_objects(name: str, labels: Array) -> Array:
    kinds = {type(label) for label in labels.tolist()}
    if all(issubclass(kind, str) for kind in kinds):
        return labels.astype(np.str_)
    if all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds):
        try:
            return labels.astype(np.int64)
        except OverflowError:
            raise ValueError(f"{name}: expected integers up to 2^63 - 1, got a larger one") from None
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"{name}: expected integers or strings, all of one kind, got {names}")
