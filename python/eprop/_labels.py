"""Integer labels in the place of target rows: the output that should be 1 where all others are 0, or -1 for none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._events import Events

__all__ = ["spread_labels"]

Array = NDArray[Any]

_INT64_MAX = np.uint64(2**63 - 1)


def spread_labels(targets: Any, inputs: Any) -> Any:
    """Targets as they are; labels of whole sequences as labels of all their steps, and no copy of them.

    Labels are integers with one axis less than the inputs, or two: a label for each step, (T,) or (B, T), or for each
    sequence, a number or (B,).

    Parameters
    ----------
    targets : numpy.ndarray, or list of them
    inputs : numpy.ndarray, Events, or list of them
        As `as_sequences` returns them.

    Raises
    ------
    ValueError
        Labels that are not as many as there are sequences.

    Examples
    --------
    >>> spread_labels(np.array(2), np.zeros((3, 4)))
    array([2, 2, 2])
    >>> spread_labels(np.array([2, 0]), np.zeros((2, 3, 4)))
    array([[2, 2, 2],
           [0, 0, 0]])
    >>> spread_labels(np.array([2, 0]), [np.zeros((2, 4)), np.zeros((1, 4))])
    [array([2, 2]), array([0])]
    >>> spread_labels(np.array([0.5]), np.zeros((3, 4)))
    array([0.5])
    """
    if isinstance(targets, list) or targets.dtype.kind not in "iu":
        return targets
    several = isinstance(inputs, list) or getattr(inputs, "ndim", 2) == 3
    if targets.ndim > 1 + several:
        return targets
    if targets.dtype == np.uint64:
        targets = np.minimum(targets, _INT64_MAX).astype(np.int64)  # out of every range, too
    if targets.ndim == 1 + several:
        return targets
    steps = [_n_steps(item) for item in inputs] if several else [_n_steps(inputs)]
    if targets.ndim == 1 and len(targets) != len(steps):
        expected = f"({len(steps)},) for labels of whole sequences, or one label for each step"
        raise ValueError(f"targets: expected shape {expected}, got {targets.shape}")
    labels = np.broadcast_to(targets, len(steps))
    spread = [np.broadcast_to(label, n) for label, n in zip(labels, steps, strict=True)]
    if isinstance(inputs, list):
        return spread
    return np.broadcast_to(labels[:, None], (len(steps), steps[0])) if several else spread[0]


def _n_steps(inputs: Any) -> int:
    return len(inputs.indptr) - 1 if isinstance(inputs, Events) else len(inputs)
