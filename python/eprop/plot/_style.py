"""What all figures share: colours, dashes, the Axes, arrays that are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_numbers
from .._fields import number

__all__ = ["COLORS", "as_dt", "as_matrix", "axes", "line", "map_of"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito, the darkest first; their yellow is too light for lines on white."""
_DASHES = ("-", "--", "-.", ":")
MAP = "cividis"


def axes(ax: Any) -> Any:
    """The Axes that was given, or that of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def line(k: int) -> dict[str, Any]:
    """Colour and dashes of line k: any two of the first 28 differ in one of them, neighbours in both."""
    return {"color": COLORS[k % len(COLORS)], "linestyle": _DASHES[k % len(_DASHES)]}


def map_of(ax: Any, values: NDArray[Any], label: str, **options: Any) -> Any:
    """A matrix in colours, its rows from the bottom up, with its bar."""
    options = {"aspect": "auto", "origin": "lower", "interpolation": "nearest", "cmap": MAP} | options
    image = ax.imshow(values, **options)
    ax.figure.colorbar(image, ax=ax, label=label)
    return image


def as_matrix(name: str, value: ArrayLike, axes: str = "(T, n)") -> NDArray[np.float64]:
    """Finite numbers with two axes; with `axes` (T, n) a single row of time (T,) is one column."""
    array = np.asarray(as_numbers(name, value), dtype=np.float64)
    if array.ndim == 1 and axes == "(T, n)":
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name}: expected shape {axes} with nothing empty, got {array.shape}; of a batch, choose one stream"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def as_dt(dt: Any) -> float:
    """The length of a step."""
    length = number("dt", dt)
    if not 0.0 < length < float("inf"):
        raise ValueError(f"dt: expected a finite length of a step in ms > 0, got {length}")
    return length
