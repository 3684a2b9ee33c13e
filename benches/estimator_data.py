"""What `benches/estimators.py` learns: scans of digits, utterances of unequal lengths, spoken digits, patterns of spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop.tasks import spoken_digits, vowels

Array = NDArray[Any]


class Task(NamedTuple):
    """Sequences and labels to learn from, and those of the test."""

    X: Any
    y: Array
    X_test: Any
    y_test: Array


def digits(seed: int, rows: bool = False) -> Task:
    """Scans of scikit-learn's digits: (n, 64), or as 8 steps of 8 pixels, (n, 8, 8); a quarter is held out."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return held_out(X.reshape(-1, 8, 8) if rows else X, y, seed)


def held_out(X: Any, y: Array, seed: int, share: float = 0.25) -> Task:
    """A random part of each class for the test, drawn from a seed."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(y)), test_size=share, random_state=seed, stratify=y)
    return Task(pick(X, train), y[train], pick(X, test), y[test])


def pick(X: Any, rows: Array) -> Any:
    """These rows of an array, or items of a list."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


def japanese_vowels(folder: Path) -> Task:
    """Nine speakers, 12 cepstral coefficients, 7 to 29 steps; its own split."""
    return Task(*vowels.load(folder))


def all_words(folder: Path) -> tuple[list[Array], Array]:
    """Digits of six speakers as log-mel spectra, and which digits they are."""
    split = spoken_digits.load(folder, floor=None)
    return [*split.X, *split.X_test], np.concatenate([split.y, split.y_test])


def spike_patterns(seed: int, rate: float) -> Task:
    """Ten classes, each a pattern of spikes in 100 inputs over 100 steps, of which `rate` spike in a step.

    A sample keeps 80 % of its pattern's spikes, each moved by a normal time of 2 steps, and has 20 % of others.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.random((10, 100, 100)) < rate
    y = np.repeat(np.arange(10), 80)
    X = np.zeros((len(y), 100, 100), bool)
    for x, label in zip(X, y, strict=True):
        times, units = np.nonzero(patterns[label])
        kept = rng.random(len(times)) < 0.8
        moved = np.round(times[kept] + rng.normal(0.0, 2.0, kept.sum())).astype(int)
        x[np.clip(moved, 0, 99), units[kept]] = True
        x |= rng.random(x.shape) < 0.2 * rate
    return held_out(X, y, seed)
