"""What the two estimators share: features as inputs, the network that grows with them, a look ahead."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from contextlib import suppress
from inspect import signature
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from .._fields import as_generator, checked, number
from .._options import check_options
from .._scaling import Scaler
from .._trainer import EpropTrainer
from ..optim import Adam, Optimizer

__all__ = ["EpropEstimator", "as_finite"]

Array = NDArray[Any]

_WITHOUT_MOMENTUM = Adam(beta1=0.0, eps=0.01)
"""The optimizer that None means. In a stream that drifts, momentum is a step towards what was; with a smaller eps, steps
stay large where nothing is left to learn, and undo it."""
_LARGEST = 1e100
"""The square of a larger value is infinite."""
_SAMPLES = 64
"""Random samples on which the firing rate is calibrated before the first sample of the stream is learned."""


class EpropEstimator(base.Estimator):
    """Base of the estimators: everything but what a target is."""

    _loss: str

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
        self.n_neurons = n_neurons
        self.n_steps = n_steps
        self.tau_mem = tau_mem
        self.firing_rate = firing_rate
        self.optimizer = optimizer
        self.lr = lr
        self.trainer_options = trainer_options
        self.seed = seed
        self.trainer: EpropTrainer | None = None
        self._columns: dict[Hashable, int] = {}
        self._scaler = Scaler()
        self._centre: Array = np.zeros(0)
        self._gain: Array = np.zeros(0)
        self._network_seed = 0
        self._factor = 1.0

    # Learning

    def _learn(self, values: dict[Hashable, float], n_outputs: int, target: Array) -> None:
        """One sample: shown for `n_steps` steps, the last of which has a target, whose update changes the weights."""
        trainer = self._with_room(values, n_outputs)
        row = np.zeros(len(self._columns))
        for name, value in values.items():
            row[self._columns[name]] = value
        self._scaler.learn(row[None])
        self._centre, self._gain = self._scaler.centre, self._scaler.gain
        inputs = self._shown(values, trainer)
        targets = np.zeros((self.n_steps, trainer.n_outputs), trainer.dtype)
        targets[-1, : len(target)] = target
        last = np.arange(self.n_steps) == self.n_steps - 1
        trainer.train_sequence(inputs, targets, mask=last, reset=False)

    def _with_room(self, values: dict[Hashable, float], n_outputs: int) -> EpropTrainer:
        """The trainer, with an input for each feature and as many outputs; what is new in one sample is in sorted order."""
        new = sorted(set(values) - set(self._columns), key=lambda name: (type(name).__name__, repr(name)))
        n_features = len(self._columns) + len(new)
        trainer = self.trainer
        if trainer is None:
            trainer = self._built(_capacity(n_features, 1), _capacity(n_outputs, 2), n_active=len(new))
        elif n_features > trainer.n_inputs or n_outputs > trainer.n_outputs:
            trainer = self._grown(
                trainer,
                _capacity(n_features, trainer.n_inputs),
                _capacity(n_outputs, trainer.n_outputs),
            )
        if trainer is not self.trainer:
            self.trainer = trainer
        if new:
            first = self._scaler.n == 0
            self._columns |= {name: len(self._columns) + k for k, name in enumerate(new)}
            if not first:
                self._scaler.widen(len(new))
        return trainer

    def _built(self, n_inputs: int, n_outputs: int, *, n_active: int) -> EpropTrainer:
        """An untrained network, whose neurons fire at `firing_rate` where so many inputs vary as scaled ones do."""
        for name in ("n_neurons", "n_steps"):
            if checked(name, "int", getattr(self, name)) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not number("firing_rate", self.firing_rate) > 0.0:
            raise ValueError(f"firing_rate: expected Hz > 0, got {self.firing_rate}")
        rng = as_generator("seed", self.seed)
        self._network_seed = int(rng.integers(2**31))
        trainer = self._new(n_inputs, n_outputs)
        sample = np.zeros((_SAMPLES, n_inputs))
        sample[:, :n_active] = rng.normal(size=(_SAMPLES, n_active))
        self._factor = 1.0
        # Refractory neurons, say, allow lower rates only; a sample without features allows none.
        for rate in (self.firing_rate, self.firing_rate / 2.0, self.firing_rate / 4.0):
            with suppress(ValueError):
                self._factor = trainer.calibrate(np.repeat(sample, self.n_steps, axis=0), rate=rate)
                break
        return trainer

    def _grown(self, old: EpropTrainer, n_inputs: int, n_outputs: int) -> EpropTrainer:
        """A larger network with the weights of the old one; its state and its optimizer begin anew."""
        new = self._new(n_inputs, n_outputs)
        W_in, W_out, b = new.W_in * self._factor, new.W_out.copy(), new.b.copy()
        W_in[:, : old.n_inputs] = old.W_in
        W_out[: old.n_outputs] = old.W_out
        b[: old.n_outputs] = old.b
        new.W_in, new.W_rec, new.W_out, new.b = W_in, old.W_rec, W_out, b
        if new.feedback != "symmetric":
            B = new.B.copy()
            B[:, : old.n_outputs] = old.B
            new.B = B
        return new

    def _new(self, n_inputs: int, n_outputs: int) -> EpropTrainer:
        options: dict[str, Any] = {
            "loss": self._loss,
            "tau_mem": self.tau_mem,
            "tau_trace": self.tau_mem,
            "readout_bias": True,
            "optimizer": _WITHOUT_MOMENTUM if self.optimizer is None else self.optimizer,
            "lr": self.lr,
            "update_every": self.n_steps,
            "reduction": "mean",
            "seed": self._network_seed,
        }
        check_options(self, self.trainer_options, signature(type(self)).parameters)
        options |= dict(self.trainer_options or {})
        if options["update_every"] == "sequence":
            raise ValueError(
                "trainer_options: expected a number as update_every, since a stream has no end, got "
                '"sequence"; leave it out: an update follows each sample'
            )
        fixed = sorted({"connect_in", "connect_rec", "sign"} & options.keys())
        if fixed:
            raise ValueError(
                "trainer_options: expected nothing that fixes which synapses there are, since the network grows, "
                f"got {fixed[0]!r}; leave it out"
            )
        return EpropTrainer(n_inputs, self.n_neurons, n_outputs, **options)

    # Looking ahead

    def _answer(self, x: dict[Hashable, Any]) -> Array | None:
        """Outputs (n_outputs,) at the end of this sample, had it come; None before any was learned.

        A copy of the trainer runs on, so that the answer is the trainer's own to the bit, whatever its options. The price
        is a copy of weights and state for each look.
        """
        values = self._read(x)
        if self.trainer is None:
            return None
        ahead = copy.copy(self.trainer)
        outputs = ahead.predict_sequence(self._shown(values, self.trainer), reset=False)
        return np.asarray(outputs[-1], np.float64)

    def _shown(self, values: dict[Hashable, float], trainer: EpropTrainer) -> Array:
        """The sample as inputs (n_steps, n_inputs); a feature that is not in it, or was never learned, is 0."""
        row = np.zeros(trainer.n_inputs)
        for name, value in values.items():
            if (column := self._columns.get(name)) is not None:
                row[column] = (value - self._centre[column]) * self._gain[column]
        return np.repeat(row.astype(trainer.dtype)[None], self.n_steps, axis=0)

    @staticmethod
    def _read(x: dict[Hashable, Any]) -> dict[Hashable, float]:
        if not isinstance(x, Mapping):
            raise TypeError(f"x: expected a dict of features by name, got {type(x).__name__}")
        return {name: as_finite(f"x[{name!r}]", value) for name, value in x.items()}

    # What river asks of every object

    @property
    def _raw_memory_usage(self) -> int:
        return int(super()._raw_memory_usage) + (0 if self.trainer is None else self.trainer.memory_bytes)


def as_finite(name: str, value: Any) -> float:
    """A number that can be scaled.

    Raises
    ------
    ValueError
        No number, or one that is not finite.
    """
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        read = float(value)
    except OverflowError:
        read = inf
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: expected a number, got {value!r}; encode what is none, with river.preprocessing.OneHotEncoder, say"
        ) from None
    if not isfinite(read) or abs(read) > _LARGEST:
        raise ValueError(
            f"{name}: expected a finite number up to {_LARGEST:g} in size, got {value!r}; leave the feature out of x "
            "where it is unknown"
        )
    return read


def _capacity(needed: int, there: int) -> int:
    """So many, or twice as many as often as it takes."""
    while there < needed:
        there *= 2
    return there
