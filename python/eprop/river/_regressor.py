"""Numbers that follow a stream."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river import base

from .._scaling import Scaler
from ..optim import Optimizer
from ._base import EpropEstimator, as_finite

__all__ = ["EpropRegressor"]


class EpropRegressor(EpropEstimator, base.Regressor):
    """A regressor of a stream: one recurrent layer of spiking neurons, whose state is carried from sample to sample.

    As `EpropClassifier`, with a number as target; targets are scaled with their own running mean and variance.

    Parameters
    ----------
    n_neurons, n_steps, tau_mem, firing_rate, optimizer, lr, trainer_options, seed
        As of `EpropClassifier`.

    Attributes
    ----------
    trainer : EpropTrainer or None
        The network; None before the first sample.

    Raises
    ------
    ValueError
        From the methods: a feature or a target that is no finite number; a parameter out of its range. Nothing changes.

    Examples
    --------
    >>> import numpy as np
    >>> model = EpropRegressor(seed=0)
    >>> for x in np.random.default_rng(0).normal(size=500):
    ...     model.learn_one({"x": x}, 100.0 + 10.0 * x)
    >>> 105 < model.predict_one({"x": 1.0}) < 115
    True
    """

    _loss = "mse"

    def __init__(
        self,
        n_neurons: int = 64,
        n_steps: int = 8,
        tau_mem: float = 4.0,
        firing_rate: float = 100.0,
        optimizer: str | Optimizer | None = None,
        lr: float = 0.005,
        trainer_options: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            n_neurons,
            n_steps,
            tau_mem,
            firing_rate,
            optimizer,
            lr,
            trainer_options=trainer_options,
            seed=seed,
        )
        self._target_scaler = Scaler(of_targets=True)

    def learn_one(self, x: dict[Hashable, Any], y: float) -> None:
        """Takes a sample into account: one update of the weights, `n_steps` steps of the state.

        Parameters
        ----------
        x : dict
            Features by name.
        y : float
            The target.
        """
        values, target = self._read(x), np.array([as_finite("y", y)])
        self._with_room(values, 1)  # first, since it may refuse a parameter
        self._target_scaler.learn(target[None])
        self._learn(values, 1, self._target_scaler.scale(target))

    def predict_one(self, x: dict[Hashable, Any]) -> float:
        """The target, were this sample the next; 0 before the first.

        Parameters
        ----------
        x : dict
            Features by name.
        """
        outputs = self._answer(x)
        if outputs is None:
            return 0.0
        return float(self._target_scaler.unscale(outputs[:1])[0])
