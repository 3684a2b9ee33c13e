"""Labels of a stream."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river import base

from ..optim import Optimizer
from ._base import EpropEstimator

__all__ = ["EpropClassifier"]


class EpropClassifier(EpropEstimator, base.Classifier):
    """A classifier of a stream: one recurrent layer of spiking neurons, whose state is carried from sample to sample.

    `learn_one` shows a sample to the network for `n_steps` steps, the last of which has the label as target, and updates
    the weights. `predict_one` and `predict_proba_one` tell what the network would answer to a sample that came next, and
    leave the network as it is. So the state follows the samples that are learned, and no others.

    Features may come and go. Each has a running mean and variance, with which it is scaled; one that is mostly 0 keeps
    its zeros. A feature that is absent counts as 0 in these, and its input is 0. Labels may be new at any time. Where the
    network has no input or no output left, their number doubles: weights stay, while the state of the neurons and what the
    optimizer keeps begin anew.

    Parameters
    ----------
    n_neurons : int
    n_steps : int
        For how many steps of 1 ms a sample is shown.
    tau_mem : float
        Time constant of membranes, traces and readouts in ms: how far the network remembers.
    firing_rate : float
        In Hz, of the untrained network on scaled features.
    optimizer : str or eprop.optim.Optimizer, optional
        As in `EpropTrainer`. None: ``Adam(beta1=0, eps=0.01)``.
    lr : float
        Learning rate.
    trainer_options : mapping, optional
        Other fields of `EpropTrainer`, but for sizes and the loss.
    seed : int, optional
        Of the initial weights. None: another one each time.

    Attributes
    ----------
    trainer : EpropTrainer or None
        The network; None before the first sample.
    classes : list
        Labels in the order in which they came.

    Raises
    ------
    ValueError
        From the methods: a value of a feature that is no finite number; a label that is NaN, or not hashable; a parameter
        out of its range. Nothing changes.
    TypeError
        An `x` that is no dict, a parameter of another type.

    Examples
    --------
    >>> model = EpropClassifier(seed=0)
    >>> for _ in range(100):
    ...     model.learn_one({"wind": 1.0, "rain": 0.0}, "fly")
    ...     model.learn_one({"wind": 9.0, "rain": 3.0}, "stay")
    >>> model.predict_one({"wind": 8.5, "rain": 2.5})
    'stay'
    >>> sorted(model.predict_proba_one({"wind": 8.5, "rain": 2.5}))
    ['fly', 'stay']
    """

    _loss = "cross_entropy"

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
        self.classes: list[Hashable] = []

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: dict[Hashable, Any], y: Hashable) -> None:
        """Takes a sample into account: one update of the weights, `n_steps` steps of the state.

        Parameters
        ----------
        x : dict
            Features by name.
        y : hashable
            The label.
        """
        values = self._read(x)
        _check_label(y)
        classes = self.classes if y in self.classes else [*self.classes, y]
        self._learn(values, len(classes), np.eye(len(classes))[classes.index(y)])
        self.classes = classes

    def predict_proba_one(self, x: dict[Hashable, Any], **kwargs: Any) -> dict[Any, float]:
        """Probabilities of all labels so far, were this sample the next; {} before the first.

        Parameters
        ----------
        x : dict
            Features by name.
        """
        outputs = self._answer(x)
        if outputs is None:
            return {}
        outputs = outputs[: len(self.classes)]
        raised = np.exp(outputs - outputs.max())
        return dict(zip(self.classes, (raised / raised.sum()).tolist(), strict=True))


def _check_label(y: Any) -> None:
    """A label that can be found again: NaN would be a new one each time."""
    try:
        hash(y)
    except TypeError:
        raise ValueError(f"y: expected a label that is hashable, got {y!r} ({type(y).__name__})") from None
    try:
        is_none = bool(y != y)
    except TypeError:  # pandas.NA, which does not know
        is_none = True
    if is_none:
        raise ValueError(f"y: expected a label, got {y!r}; leave out samples without one")
