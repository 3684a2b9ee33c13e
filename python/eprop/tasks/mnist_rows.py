"""MNIST, row by row: a handwritten digit passes by in 28 steps of 28 pixels. What was it?

10,000 images of MNIST (LeCun, Cortes, Burges). They are sorted by label, so every fifth is held out: 2,000 of all classes.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

import numpy as np

from ._recordings import Classified, Recordings, classify
from ._trials import Bar, no_bar


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`."""

    n_neurons: int = 400
    max_iter: int = 30


def load(path: str | os.PathLike[str]) -> Recordings:
    """Images as sequences of their rows, from 0 to 1.

    Parameters
    ----------
    path : str or os.PathLike
        An .npz file with ``images`` (n, 28, 28) of uint8 and ``labels`` (n,).
    """
    with np.load(path) as file:
        images, labels = file["images"] / np.float32(255.0), file["labels"]
    held = np.arange(len(labels)) % 5 == 4
    return Recordings(images[~held], labels[~held], images[held], labels[held])


def run(data: Recordings, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Classified:
    """Learns, and is scored on the held-out images.

    Examples
    --------
    >>> images, labels = np.random.default_rng(0).random((20, 28, 28)), np.arange(20) % 2
    >>> data = Recordings(images, labels, images, labels)
    >>> 0.0 <= run(data, preset=Preset(n_neurons=10, max_iter=1)).right <= 1.0
    True
    """
    return classify(data, seed, bar=bar, **asdict(preset or Preset()))
