"""What all figures share: colours, dashes, the Axes, arrays that are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_numbers
from .._fields import number

__all__ = [
    "COLORS",
    "LEAST_SIZE",
    "as_dt",
    "as_matrix",
    "axes",
    "legend_above",
    "line",
    "map_of",
    "whole_ticks",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito, the darkest first; their yellow is too light for lines on white."""
_DASHES = ("-", "--", "-.", ":")
MAP = "cividis"
LEAST_SIZE = 6.5
"""Points of the smallest text that can be read in print."""
_WIDTH_AND_HEIGHT = (4.2, 3.15)
"""In inches: text of 10 points has 7.5 where the figure is printed 8 cm wide."""
_MOST_OF_THE_HEIGHT = 0.4
"""Of an Axes, that its legend may take."""


def axes(ax: Any) -> Any:
    """The Axes that was given, or that of a new figure. A size that the user has set in rcParams is kept."""
    if ax is not None:
        return ax
    from matplotlib import pyplot, rcParams, rcParamsDefault

    untouched = rcParams["figure.figsize"] == rcParamsDefault["figure.figsize"]
    return pyplot.subplots(layout="constrained", figsize=_WIDTH_AND_HEIGHT if untouched else None)[1]


def legend_above(ax: Any, side: str = "left") -> None:
    """Over the frame, where it hides no line; smaller and in fewer columns where it would be wider than the Axes.

    `side`: ``"left"``, or ``"right"`` where the letter of a panel is on the left.
    """
    corner = (1.0 if side == "right" else 0.0, 1.0)
    usual = ax.xaxis.label.get_fontsize()
    for size in sorted({usual, min(usual, 8.0), min(usual, LEAST_SIZE)}, reverse=True):
        for columns in (3, 2, 1):
            legend = ax.legend(
                loc=f"lower {side}", bbox_to_anchor=corner, ncols=columns, fontsize=size, frameon=False,
                borderaxespad=0.2, columnspacing=1.0, handletextpad=0.5, labelspacing=0.3,
            )  # fmt: skip
            box = legend.get_window_extent()
            is_low = box.height <= _MOST_OF_THE_HEIGHT * ax.bbox.height
            if box.width <= ax.bbox.width and (is_low or size <= LEAST_SIZE):
                return


def line(k: int) -> dict[str, Any]:
    """Colour and dashes of line k: any two of the first 28 differ in one of them, neighbours in both."""
    return {"color": COLORS[k % len(COLORS)], "linestyle": _DASHES[k % len(_DASHES)]}


def whole_ticks(axis: Any) -> None:
    """Ticks at whole numbers. Those of an Axes that was given, of a log scale or at fixed places, are the user's own."""
    from matplotlib.ticker import MaxNLocator

    locator = axis.get_major_locator()
    if isinstance(locator, MaxNLocator):
        locator.set_params(integer=True)


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
