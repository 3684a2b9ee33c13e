"""A network that cannot learn says so."""

from __future__ import annotations

import warnings

__all__ = ["FiringRateWarning"]


class FiringRateWarning(UserWarning):
    """Over a whole `train_sequence`, nothing fired, or most neurons fired at most steps.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> silent = EpropTrainer(2, 3, 1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = silent.train_sequence(np.zeros((100, 2)), np.zeros((100, 1)))
    >>> caught[0].category.__name__
    'FiringRateWarning'
    """


_WHAT = {
    "silent": "no neuron fired during the whole sequence, so nothing but a bias can be learned",
    "saturated": "more than half of the neurons fired at more than half of the steps, so there is little to learn from",
}


def warn_of(activity: str, stacklevel: int) -> None:
    """Warns of a silent or saturated network and names the way out."""
    message = (
        f"{_WHAT[activity]}; trainer.calibrate(inputs) scales the input weights to a firing rate of 20 Hz"
    )
    warnings.warn(message, FiringRateWarning, stacklevel=stacklevel + 1)
