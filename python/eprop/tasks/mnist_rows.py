"""MNIST, row by row: a handwritten digit passes by in 28 steps of 28 pixels. What was it?

10,000 images of MNIST (LeCun, Cortes, Burges). They are sorted by label, so every fifth is held out: 2,000 of all classes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from . import _images
from ._images import Images
from ._recordings import Classified, Labels, Recordings, classify_varied, read_npz
from ._trials import Bar, Rng, no_bar


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`, and how far images are moved at most, anew in each pass: see `moved`."""

    n_neurons: int = 400
    max_iter: int = 12
    tau_mem: float = 4.0
    horizon: int | str = "sequence"
    lr: float | None = 0.005  # None: that of the estimator
    shift: float = 1.5  # pixels
    turn: float = 0.15  # radians
    zoom: float = 0.1  # of the size
    optimizer: str = "adam"


def load(path: str | os.PathLike[str]) -> Recordings:
    """Images as sequences of their rows, from 0 to 1.

    Parameters
    ----------
    path : str or os.PathLike
        An .npz file with ``images`` (n, 28, 28) of uint8 and ``labels`` (n,).

    Raises
    ------
    ValueError
        Another file, or one without these arrays.
    """
    images, labels = _arrays(path)
    held = np.arange(len(labels)) % 5 == 4
    return Recordings(images[~held], labels[~held], images[held], labels[held])


def _arrays(path: str | os.PathLike[str]) -> tuple[Images, Labels]:
    arrays = read_npz(path, ("images", "labels"))
    for name in ("images", "labels"):
        if name not in arrays:
            raise ValueError(f"{path}: expected arrays images and labels, got no {name}")
    images, labels = arrays["images"], arrays["labels"]
    if images.shape[1:] != (28, 28) or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{path}: expected images (n, 28, 28) of uint8 and labels (n,), got {images.shape} of {images.dtype} and "
            f"{labels.shape}"
        )
    return images / np.float32(255.0), labels


def moved(images: Images, rng: Rng, preset: Preset | None = None) -> Images:
    """Each image shifted, turned and stretched along either axis by as much as chance says, up to the preset's bounds.

    A point between pixels is the mean of the four around it, weighted by how near they are; beyond the edge all is 0.

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
    >>> images, still = np.random.default_rng(0).random((5, 28, 28)), Preset(shift=0.0, turn=0.0, zoom=0.0)
    >>> bool(np.allclose(moved(images, np.random.default_rng(1), still), images))
    True
    """
    p = preset or Preset()
    return _images.moved(images, rng, p.shift, p.turn, p.zoom)


def run(data: Recordings, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Classified:
    """Learns, and is scored on the held-out images.

    Examples
    --------
    >>> images, labels = np.random.default_rng(0).random((20, 28, 28)), np.arange(20) % 2
    >>> data = Recordings(images, labels, images, labels)
    >>> 0.0 <= run(data, preset=Preset(n_neurons=10, max_iter=1)).right <= 1.0
    True
    """
    p = preset or Preset()
    return classify_varied(
        data,
        lambda images, rng: moved(images, rng, p),
        seed,
        lr=p.lr,
        bar=bar,
        n_neurons=p.n_neurons,
        max_iter=p.max_iter,
        tau_mem=p.tau_mem,
        horizon=p.horizon,
        optimizer=p.optimizer,
    )
