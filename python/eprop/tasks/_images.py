"""Images that are moved a little, so that a network learns what stays the same about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._trials import Rng

Images = NDArray[np.floating[Any]]
_AT_ONCE = 500
"""Images that are moved side by side."""


def moved(images: Images, rng: Rng, shift: float, turn: float, zoom: float) -> Images:
    """Each image shifted, turned and stretched along either axis by as much as chance says, up to these bounds.

    A point between pixels is the mean of the four around it, weighted by how near they are; beyond the edge all is 0.

    Parameters
    ----------
    images : numpy.ndarray (n, height, width)
    rng : numpy.random.Generator
    shift : float
        Pixels.
    turn : float
        Radians.
    zoom : float
        Of the size.

    Returns
    -------
    numpy.ndarray (n, height, width)

    Examples
    --------
    >>> images = np.random.default_rng(0).random((5, 8, 8))
    >>> bool(np.allclose(moved(images, np.random.default_rng(1), shift=0.0, turn=0.0, zoom=0.0), images))
    True
    """
    parts = (images[at : at + _AT_ONCE] for at in range(0, len(images), _AT_ONCE))
    return np.concatenate([_moved(part, rng, shift, turn, zoom) for part in parts])


def _moved(images: Images, rng: Rng, shift: float, turn: float, zoom: float) -> Images:
    n, height, width = images.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    grid = np.moveaxis(np.indices((height, width)), 0, -1).reshape(-1, 2) - centre
    angle = rng.uniform(-turn, turn, n)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # (2, 2, n)
    stretched = 1.0 + rng.uniform(-zoom, zoom, (n, 2))
    origin = centre + rng.uniform(-shift, shift, (n, 2))
    # Where each pixel comes from (n, pixels, 2), row and column, in an image with zeros all around.
    source = np.einsum("ijn,pj->npi", turned, grid) * stretched[:, None] + origin[:, None] + 1.0
    source = np.clip(source, 0.0, np.array([height, width]) + 1.0)
    corner = source.astype(np.int64)
    (row, column), (down, across) = np.moveaxis(corner, -1, 0), np.moveaxis(source - corner, -1, 0)
    padded, image = np.pad(images, ((0, 0), (1, 2), (1, 2))), np.arange(n)[:, None]
    above = (1.0 - across) * padded[image, row, column] + across * padded[image, row, column + 1]
    below = (1.0 - across) * padded[image, row + 1, column] + across * padded[image, row + 1, column + 1]
    between = (1.0 - down) * above + down * below
    return np.asarray(between.reshape(images.shape), images.dtype)
