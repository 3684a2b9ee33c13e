"""The firing rate that suits sequences of a length, for estimators and the command line."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ._trainer import EpropTrainer

__all__ = ["calibrate"]

_SPIKES, _SLOWEST, _FASTEST = 3.0, 20.0, 200.0
"""How often a neuron should spike in a sequence, and at how many Hz at least and at most."""


def calibrate(trainer: EpropTrainer, sample: Any, n_steps: float, rate: float | None = None) -> None:
    """`EpropTrainer.calibrate` with a rate of its own: three spikes in `n_steps`, from 20 to 200 Hz, less where it must be.

    Parameters
    ----------
    trainer : EpropTrainer
    sample : list
        Inputs of some sequences.
    n_steps : float
        Steps of the median sequence.
    rate : float, optional
        In Hz; it must be reached.

    Raises
    ------
    ValueError
        The given rate cannot be reached.

    Examples
    --------
    >>> import numpy as np
    >>> trainer = EpropTrainer(5, 20, 1)
    >>> before = trainer.W_in
    >>> calibrate(trainer, [np.random.default_rng(0).random((100, 5))], 100)
    >>> bool((trainer.W_in == before).all())
    False
    """
    if rate is not None:
        trainer.calibrate(sample, rate=rate)
        return
    rate = min(_FASTEST, max(_SLOWEST, 1000.0 * _SPIKES / (n_steps * trainer.dt)))
    # Refractory neurons, say, allow lower rates only. Inputs that are all 0 allow none; then biases still learn.
    for near in (rate, rate / 2.0, rate / 4.0):
        with suppress(ValueError):
            trainer.calibrate(sample, rate=near)
            return
