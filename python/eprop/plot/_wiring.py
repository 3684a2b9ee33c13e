"""How many synapses neurons have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fields import checked
from ..wiring import Wiring
from ._style import axes, legend_above, line

__all__ = ["fan"]


def fan(wiring: Wiring, *, bins: int = 20, log: bool = False, ax: Any = None) -> Any:
    """Histograms of fan-in and fan-out: how many neurons have how many synapses onto them, and from them.

    Parameters
    ----------
    wiring : eprop.wiring.Wiring
    bins : int
    log : bool
        Both axes logarithmic, and bins that grow in proportion: for degrees with a long tail, as connectomes have them.
        Neurons without a synapse are left out of the bins; the legend counts them.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        No `Wiring`.
    ValueError
        Fewer than one bin; with `log` no synapse.

    Examples
    --------
    >>> from eprop.wiring import Wiring, random
    >>> ax = fan(Wiring(10, 50, connect_rec=random(50, 50, 0.2, seed=0)))
    >>> ax.get_legend_handles_labels()[1]
    ['fan-in, mean 18.9', 'fan-out, mean 8.9']
    """
    if not isinstance(wiring, Wiring):
        raise TypeError(
            f"wiring: expected an eprop.wiring.Wiring, got {type(wiring).__name__}; "
            "Wiring(n_inputs, n_neurons, connect_rec=...) makes one of an array"
        )
    if checked("bins", "int", bins) < 1:
        raise ValueError(f"bins: expected at least 1, got {bins}")
    degrees = {"fan-in": wiring.fan_in, "fan-out": wiring.fan_out[wiring.n_inputs :]}
    edges = _edges(max(int(degree.max()) for degree in degrees.values()), bins, log)
    ax = axes(ax)
    for k, (name, degree) in enumerate(degrees.items()):
        label = f"{name}, mean {degree.mean():.1f}"
        n_none = np.count_nonzero(degree == 0)
        if log and n_none > 0:
            label += f", none: {n_none}"
        ax.stairs(np.histogram(degree, edges)[0], edges, **line(k), linewidth=1.4, label=label)
    if log:
        ax.set(xscale="log", yscale="log")
    ax.set(xlabel="synapses of a neuron", ylabel="neurons")
    legend_above(ax)
    return ax


def _edges(largest: int, bins: int, log: bool) -> NDArray[np.float64]:
    """Between whole numbers, so that no degree is on an edge."""
    if not log:
        return np.unique(np.rint(np.linspace(0.0, largest + 1, bins + 1))) - 0.5
    if largest == 0:
        raise ValueError("log: expected a wiring with synapses, got none; log=False draws it")
    return np.unique(np.rint(np.geomspace(1.0, largest + 1, bins + 1))) - 0.5
