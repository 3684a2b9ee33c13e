"""Digits, row by row: a handwritten digit of scikit-learn passes by in 8 rows of 8 pixels. What was it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._images import Images, moved
from ._recordings import Classified, Recordings, classify_varied, held_out
from ._trials import Bar, Rng, no_bar


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`, and how far images are moved at most, anew in each pass: see `varied`.

    Each row is shown for a few steps, since 8 are few.
    """

    n_neurons: int = 400
    max_iter: int = 100
    tau_mem: float = 4.0
    horizon: int | str = "sequence"
    recurrent_gain: float = 0.2
    batch_size: int | str = 8
    lr: float | None = 0.001  # None: that of the estimator
    shift: float = 0.7  # pixels
    turn: float = 0.15  # radians
    zoom: float = 0.1  # of the size
    still: float = 0.4  # the share of images that stay as they are
    optimizer: str = "adam"


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


def varied(images: Images, rng: Rng, preset: Preset | None = None) -> Images:
    """Some images as they are, the others shifted, turned and stretched by chance, up to the preset's bounds.

    On so few pixels an image that is moved is blurred, too, and those of the test are sharp.

    Parameters
    ----------
    images : numpy.ndarray (n, height, width)
    rng : numpy.random.Generator
    preset : Preset, optional

    Returns
    -------
    numpy.ndarray (n, height, width)

    Examples
    --------
    >>> images = np.random.default_rng(0).random((100, 8, 8))
    >>> same = (varied(images, np.random.default_rng(1)) == images).all(axis=(1, 2))
    >>> bool(0.2 < same.mean() < 0.6)
    True
    """
    p = preset or Preset()
    still = rng.random(len(images)) < p.still
    return np.where(still[:, None, None], images, moved(images, rng, p.shift, p.turn, p.zoom))


def run(
    data: Recordings | None = None, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar
) -> Classified:
    """Learns, and is scored on the held-out quarter.

    Examples
    --------
    >>> 0.0 <= run(preset=Preset(n_neurons=10, max_iter=1)).right <= 1.0
    True
    """
    p = preset or Preset()
    return classify_varied(
        load(seed) if data is None else data,
        lambda images, rng: varied(images, rng, p),
        seed,
        lr=p.lr,
        bar=bar,
        n_neurons=p.n_neurons,
        max_iter=p.max_iter,
        tau_mem=p.tau_mem,
        horizon=p.horizon,
        batch_size=p.batch_size,
        optimizer=p.optimizer,
        trainer_options={"recurrent_gain": p.recurrent_gain},
    )
