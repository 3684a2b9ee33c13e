"""Figures of networks and of their training, with matplotlib.

Each function takes arrays and ``ax=None``, draws into that Axes or into a new figure, and returns the Axes. Colours are
those of Okabe and Ito, and cividis, which colour-blind readers can tell apart. Lines also differ in their dashes. Times are
in ms, firing rates in Hz. The extra ``eprop[plot]`` brings matplotlib; ``import eprop`` never asks for it.

Examples
--------
>>> import numpy as np
>>> from eprop import EpropTrainer, plot
>>> trainer = EpropTrainer(20, 30, 1)
>>> inputs = np.random.default_rng(0).random((200, 20)) < 0.05
>>> _, spikes = trainer.predict_sequence(inputs, return_spikes=True)
>>> plot.raster(spikes).get_xlabel()
'time (ms)'
"""

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] != "matplotlib":
        raise
    raise ImportError(
        'eprop.plot needs matplotlib, which is not installed: pip install "eprop[plot]"', name=missing.name
    ) from missing

from ._activity import firing_rates, membrane, psi, raster, traces
from ._learning import confusion_matrix, gradients, learning_curve, weights
from ._wiring import fan

__all__ = [
    "confusion_matrix",
    "fan",
    "firing_rates",
    "gradients",
    "learning_curve",
    "membrane",
    "psi",
    "raster",
    "traces",
    "weights",
]
