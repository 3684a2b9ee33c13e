"""What neurons do in time: spikes, membranes, traces, surrogate derivatives, firing rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import as_numbers
from .._fields import checked
from ._style import COLORS, as_dt, as_matrix, axes, legend_above, line, map_of, whole_ticks

__all__ = ["firing_rates", "membrane", "psi", "raster", "traces"]

_MOST_LINES = 12
"""In one Axes; more cannot be told apart."""


def raster(spikes: ArrayLike, *, dt: float = 1.0, ax: Any = None) -> Any:
    """A mark for each spike.

    Parameters
    ----------
    spikes : array_like (T, n)
        0 where there is none.
    dt : float
        Length of a step in ms.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        A wrong shape; not finite; not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> ax = raster(np.eye(5), dt=0.5)
    >>> ax.get_xlabel(), ax.get_ylabel(), float(ax.get_xlim()[1])
    ('time (ms)', 'neuron', 2.5)
    """
    array, dt = as_matrix("spikes", spikes), as_dt(dt)
    ax = axes(ax)
    steps, neurons = np.nonzero(array)
    n_steps, n = array.shape
    # Bars as high as a row, drawn as vectors: no bar hides another, whatever the size of the figure.
    ax.vlines(steps * dt, neurons - 0.4, neurons + 0.4, color="black", linewidth=0.8)
    ax.set(xlabel="time (ms)", ylabel="neuron", xlim=(0, n_steps * dt), ylim=(-0.5, n - 0.5))
    whole_ticks(ax.yaxis)
    return ax


def membrane(
    v: ArrayLike,
    threshold: ArrayLike = 1.0,
    *,
    spikes: ArrayLike | None = None,
    dt: float = 1.0,
    ax: Any = None,
) -> Any:
    """The membrane voltage of a neuron, its threshold, and marks where it spiked.

    Parameters
    ----------
    v : array_like (T,)
        Of one neuron: ``recorder["v"][:, 0]``.
    threshold : float or array_like (T,)
        With adaptation it moves: ``trainer.threshold + trainer.beta * recorder["a"][:, 0]``.
    spikes : array_like (T,), optional
    dt : float
        Length of a step in ms.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        As in `raster`; a threshold or spikes of another length.

    Examples
    --------
    >>> ax = membrane([0.2, 0.6, 1.1, 0.3], spikes=[0, 0, 1, 0])
    >>> ax.get_legend_handles_labels()[1]
    ['v', 'threshold', 'spike']
    """
    array, dt = _one("v", v), as_dt(dt)
    moving = np.asarray(as_numbers("threshold", threshold), dtype=np.float64)
    bound = _one("threshold", np.full(len(array), moving) if moving.ndim == 0 else moving, len(array))
    fired = None if spikes is None else _one("spikes", spikes, len(array))
    ax = axes(ax)
    times = np.arange(len(array)) * dt
    ax.plot(times, array, **line(0), linewidth=1.2, label="v")
    ax.plot(times, bound, **line(1), linewidth=1.2, label="threshold")
    if fired is not None:
        when = np.flatnonzero(fired)
        highest = max(float(array.max()), float(bound.max()))
        height = highest + 0.08 * (highest - float(array.min()))
        ax.plot(times[when], np.full(len(when), height), "|", color="black", markersize=7, label="spike")
    ax.set(xlabel="time (ms)", ylabel="v (units of input)", xlim=(0, len(array) * dt))
    legend_above(ax)
    return ax


def traces(
    values: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    ylabel: str = "trace (no unit)",
    dt: float = 1.0,
    ax: Any = None,
) -> Any:
    """Lines over time: traces, eligibilities, learning signals, outputs.

    Parameters
    ----------
    values : array_like (T,) or (T, n)
        At most 12 columns, each a line: choose some, ``recorder["z_bar"][:, :5]``.
    labels : sequence of str, optional
        A name for each line; none: numbers from 0.
    ylabel : str
        What they are, and their unit.
    dt : float
        Length of a step in ms.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        As in `raster`; more lines than can be told apart; labels that are not one for each.

    Examples
    --------
    >>> import numpy as np
    >>> ax = traces(np.ones((10, 2)), labels=["input 3", "input 7"])
    >>> len(ax.lines)
    2
    """
    array, dt = as_matrix("values", values), as_dt(dt)
    n = array.shape[1]
    if n > _MOST_LINES:
        raise ValueError(
            f"values: expected at most {_MOST_LINES} lines, got {n}; choose some, as values[:, :{_MOST_LINES}], "
            "or use psi, which takes any number"
        )
    names = [str(k) for k in range(n)] if labels is None else list(labels)
    if len(names) != n:
        raise ValueError(f"labels: expected {n}, one for each line, got {len(names)}")
    ax = axes(ax)
    times = np.arange(len(array)) * dt
    for k, name in enumerate(names):
        ax.plot(times, array[:, k], **line(k), linewidth=1.2, label=name)
    ax.set(xlabel="time (ms)", ylabel=ylabel, xlim=(0, len(array) * dt))
    if n > 1 or labels is not None:
        legend_above(ax)
    return ax


def psi(values: ArrayLike, *, label: str = "psi (1 / units of v)", dt: float = 1.0, ax: Any = None) -> Any:
    """Surrogate derivatives, or any other number of each neuron and step, as colours.

    Parameters
    ----------
    values : array_like (T, n)
    label : str
        What the colours are, and their unit.
    dt : float
        Length of a step in ms.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        As in `raster`.

    Examples
    --------
    >>> import numpy as np
    >>> psi(np.random.default_rng(0).random((50, 8))).get_ylabel()
    'neuron'
    """
    array, dt = as_matrix("values", values), as_dt(dt)
    ax = axes(ax)
    n_steps, n = array.shape
    map_of(ax, array.T, label, extent=(0, n_steps * dt, -0.5, n - 0.5))
    ax.set(xlabel="time (ms)", ylabel="neuron")
    whole_ticks(ax.yaxis)
    return ax


def firing_rates(spikes: ArrayLike, *, dt: float = 1.0, bins: int = 20, ax: Any = None) -> Any:
    """A histogram of the neurons' firing rates, and their mean.

    Parameters
    ----------
    spikes : array_like (T, n)
    dt : float
        Length of a step in ms.
    bins : int
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        As in `raster`.

    Examples
    --------
    >>> import numpy as np
    >>> ax = firing_rates([[1, 0], [0, 0], [1, 0], [0, 0]])
    >>> ax.get_legend_handles_labels()[1]
    ['mean 250.0 Hz', 'silent: 1 of 2']
    """
    array, dt = as_matrix("spikes", spikes), as_dt(dt)
    if checked("bins", "int", bins) < 1:
        raise ValueError(f"bins: expected at least 1, got {bins}")
    ax = axes(ax)
    rates = 1000.0 / dt * (array != 0.0).mean(axis=0)
    ax.hist(rates, bins=bins, range=(0.0, max(float(rates.max()), 1.0)), color=COLORS[5], edgecolor="white")
    ax.axvline(rates.mean(), color="black", linestyle="--", label=f"mean {rates.mean():.1f} Hz")
    n_silent = np.count_nonzero(rates == 0.0)
    if n_silent > 0:
        ax.plot([], [], " ", label=f"silent: {n_silent} of {len(rates)}")
    ax.set(xlabel="firing rate (Hz)", ylabel="neurons")
    whole_ticks(ax.yaxis)
    legend_above(ax)
    return ax


def _one(name: str, value: ArrayLike, length: int | None = None) -> Any:
    array = as_matrix(name, value)
    if array.shape[1] != 1:
        raise ValueError(f"{name}: expected one neuron (T,), got {array.shape}; choose one, as {name}[:, 0]")
    if length is not None and len(array) != length:
        raise ValueError(f"{name}: expected {length} steps, as v has, got {len(array)}")
    return array[:, 0]
