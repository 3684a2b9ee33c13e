"""Digits, row by row: a handwritten digit of scikit-learn passes by in 8 rows of 8 pixels. What was it?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ._recordings import Classified, Recordings, classify, held_out
from ._trials import Bar, no_bar


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`; each row is shown for a few steps, since 8 are few."""

    n_neurons: int = 200
    max_iter: int = 60


def load(seed: int = 0) -> Recordings:
    """1,797 scans (8, 8), of which a random quarter of each class is held out. scikit-learn ships them.

    Examples
    --------
    >>> load().X.shape
    (1347, 8, 8)
    """
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return held_out(X.reshape(-1, 8, 8), y, seed, share=0.25)


def run(
    data: Recordings | None = None, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar
) -> Classified:
    """Learns, and is scored on the held-out quarter.

    Examples
    --------
    >>> 0.0 <= run(preset=Preset(n_neurons=10, max_iter=1)).right <= 1.0
    True
    """
    data = load(seed) if data is None else data
    return classify(data, seed, bar=bar, **asdict(preset or Preset()))
