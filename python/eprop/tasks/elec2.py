"""Elec2: will the price of electricity rise above its mean of the last day? 45,312 half-hours of a market that drifts.

Harries 1999. One pass, and nothing is held out: each half-hour is judged before its label is learned. "The same as last
time" is right in 85 %, since prices move slowly; a network that goes on from half-hour to half-hour can find that by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._recordings import read_rows
from ._trials import Bar, no_bar


class Stream(NamedTuple):
    """Half-hours: a dict of features for each, and whether the price rose."""

    X: list[dict[Hashable, float]]
    y: list[bool]


class Judged(NamedTuple):
    """A classifier, whether each half-hour was judged rightly before it was learned, the share that was, the share of "the
    same as last time", and the seconds."""

    classifier: Any
    was_right: NDArray[np.bool_]
    right: float
    persistence: float
    seconds: float


@dataclass(frozen=True)
class Preset:
    """Parameters of `eprop.river.EpropClassifier`."""

    n_neurons: int = 64


def load(path: str | os.PathLike[str]) -> Stream:
    """A .csv file whose last column, ``class``, is 0 or 1.

    Parameters
    ----------
    path : str or os.PathLike
        ``electricity.csv``.

    Raises
    ------
    ValueError
        Another file, one without this column, or a feature that is no number.
    """
    names, rows = read_rows(path)
    if "class" not in names:
        raise ValueError(f"{path}: expected a column class, got {', '.join(names)}")
    at = names.index("class")
    try:
        X: list[dict[Hashable, float]] = [
            {name: float(value) for name, value in zip(names, row, strict=True) if name != "class"}
            for row in rows
        ]
    except ValueError as error:
        raise ValueError(f"{path}: expected numbers beside class, got {error}") from None
    return Stream(X, [row[at] == "1" for row in rows])


def run(data: Stream, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Judged:
    """One pass. It needs river, the extra ``river``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((50, 2))
    >>> stream = Stream([{"a": a, "b": b} for a, b in x], [bool(a > b) for a, b in x])
    >>> len(run(stream, preset=Preset(n_neurons=10)).was_right)
    50
    """
    from ..river import EpropClassifier

    classifier = EpropClassifier(seed=seed, **asdict(preset or Preset()))
    was_right, start = [], time.perf_counter()
    for t in bar(range(len(data.y))):
        x, y = data.X[t], data.y[t]
        was_right.append(classifier.predict_one(x) == y)
        classifier.learn_one(x, y)
    seconds = time.perf_counter() - start
    found, labels = np.array(was_right), np.array(data.y)
    persistence = float(np.mean(labels[1:] == labels[:-1]))
    return Judged(classifier, found, float(found.mean()), persistence, seconds)
