"""What the two estimators share: the network, X as sequences, what the network answers."""

from __future__ import annotations

import copy
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from .._arrays import refuse_masked
from .._calibrating import calibrate
from .._scaling import Scaler
from .._targets import Targets, last_steps
from .._trainer import EpropTrainer
from ..optim import Adam, AdamW, Optimizer
from ._parameters import check_parameters
from ._sequences import Sequences, are_sequences, read_sequences
from ._training import learn_for_epochs, n_held_out, pass_over

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EpropEstimator", "learned"]

Array = NDArray[Any]

_ADAM_LR = 0.005
_SAMPLE = 64
"""Sequences on which firing rates are calibrated."""
_BATCH = 32
_LEAST_UPDATES = 10
"""In an epoch of few sequences."""
_OF_PASSES = ("max_iter", "noise", "early_stopping", "validation_fraction", "n_iter_no_change", "tol")
"""Parameters that say how many passes there are, and of what."""
_AT_ONCE = 256
"""Sequences that are answered side by side."""


class EpropEstimator(BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """Base of the estimators: everything but what a target is."""

    _loss: str
    _per_step: bool
    # Of `eprop.mpi.fit`: what makes of a trainer one whose calls are spread over ranks.
    _spread: Any = None
    # Targets without which a score says nothing.
    _least_scored = 1
    n_features_in_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float

    def __init__(
        self,
        n_neurons: int = 200,
        *,
        n_steps: int = 20,
        noise: float = 0.3,
        firing_rate: float | str = "auto",
        tau_mem: float = 10.0,
        tau_out: float | str = "auto",
        beta: float = 0.0,
        tau_adaptation: float = 200.0,
        horizon: int | str = 1,
        optimizer: str | Optimizer = "adam",
        lr: float | None = None,
        schedule: str | Callable[[int], float] = "cosine",
        batch_size: int | str = "auto",
        max_iter: int = 30,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Sequence[Any] | None = None,
        random_state: Any = None,
        verbose: bool = False,
        dtype: str = "float32",
        n_threads: int | None = None,
        n_features: int | None = None,
        trainer_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_neurons = n_neurons
        self.n_steps = n_steps
        self.noise = noise
        self.firing_rate = firing_rate
        self.tau_mem = tau_mem
        self.tau_out = tau_out
        self.beta = beta
        self.tau_adaptation = tau_adaptation
        self.horizon = horizon
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
        self.dtype = dtype
        self.n_threads = n_threads
        self.n_features = n_features
        self.trainer_options = trainer_options

    def _more_than_one_pass(self, X: Any, y: Any, sample_weight: Any) -> Self:
        with self._as_it_was_if_refused(), self._agreed() as told:
            check_parameters(self)
            goes_on = self.warm_start and hasattr(self, "trainer_")
            sequences, targets = self._read(X, y, sample_weight, first=not goes_on, learn=not goes_on)
            if self.early_stopping:
                n_held_out(self, targets)
            if not goes_on:
                self._build(sequences, _small_batch(len(sequences)))
            told |= {"number of sequences": len(sequences), "steps": int(sequences.lengths.sum())}
            told |= {name: repr(getattr(self, name)) for name in _OF_PASSES}
        learn_for_epochs(self, sequences.repeated(self.n_repeats_), targets)
        return self

    def _one_pass(
        self, X: Any, y: Any, sample_weight: Any, *, learn: bool, note: Callable[[], None] = lambda: None
    ) -> Self:
        """`note`: notes what must be known before the data are read."""
        check_parameters(self)
        first = not hasattr(self, "trainer_")
        with self._as_it_was_if_refused():
            note()
            sequences, targets = self._read(X, y, sample_weight, first=first, learn=learn)
            if first:
                self._build(sequences, _BATCH)
            else:
                self._learn_scale(sequences)
        self._record(pass_over(self, sequences.repeated(self.n_repeats_), targets, lambda _: self._lr))
        return self

    def _agreed(self) -> AbstractContextManager[dict[str, Any]]:
        """What comes before training; of `eprop.mpi.fit` the ranks go on if all can, and say the same in this dict."""
        return nullcontext({}) if self._spread is None else self._spread.agreed()

    @contextmanager
    def _as_it_was_if_refused(self) -> Iterator[None]:
        """What is raised in here leaves no attribute of the refused data behind."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            # Ctrl-C, too: a network that is not calibrated would not go with what was learned before.
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _record(self, loss: float) -> None:
        self.n_iter_ += 1
        self.loss_ = loss
        self.loss_curve_.append(loss)
        self.best_loss_ = min(self.best_loss_, loss)

    # The network

    def _build(self, sequences: Sequences, batch_size: int) -> None:
        """A network for these sequences, untrained, whose neurons fire neither never nor always."""
        self._random_state = check_random_state(self.random_state)
        self.n_iter_, self.loss_, self.loss_curve_, self.best_loss_ = 0, np.nan, [], np.inf
        self.n_repeats_ = max(1, ceil(self.n_steps / float(np.median(sequences.lengths))))
        self.scaler_ = Scaler()
        self._learn_scale(sequences)
        n_network_steps = float(np.median(sequences.lengths)) * self.n_repeats_
        dt = (self.trainer_options or {}).get("dt", 1.0)
        tau_out = float(np.mean(self.tau_mem)) if self._per_step else n_network_steps * dt
        options: dict[str, Any] = {"tau_trace": tau_out, "batch_size": batch_size} | self._options()
        self.trainer_ = EpropTrainer(self.n_features_in_, self.n_neurons, self._n_readouts, **options)
        self._calibrate(sequences.repeated(self.n_repeats_))

    def _options(self) -> dict[str, Any]:
        options = {
            "loss": self._loss,
            "update_every": "sequence",
            "reduction": "mean",
            "readout_bias": True,
            "tau_mem": self.tau_mem,
            "beta": self.beta,
            "tau_adaptation": self.tau_adaptation,
            "horizon": self.horizon,
            "optimizer": self.optimizer,
            "dtype": self.dtype,
            "seed": int(self._random_state.randint(2**31 - 1)),
        }
        chosen = {"tau_trace": self.tau_out, "batch_size": self.batch_size}
        options |= {name: value for name, value in chosen.items() if value != "auto"}
        options |= {} if self._given_lr is None else {"lr": self._given_lr}
        return options | dict(self.trainer_options or {})

    @property
    def _given_lr(self) -> float | None:
        if self.lr is None and (
            self.optimizer in ("adam", "adamw") or isinstance(self.optimizer, (Adam, AdamW))
        ):
            return _ADAM_LR
        return self.lr

    @property
    def _lr(self) -> float:
        """The largest rate of this fit."""
        lr = self._given_lr
        return self.trainer_._as_optimizer.default_lr if lr is None else lr

    @property
    def _learner(self) -> Any:
        """Who takes the calls of the trainer."""
        return self.trainer_ if self._spread is None else self._spread(self.trainer_)

    def _learn_scale(self, sequences: Sequences) -> None:
        self.scaler_ = learned("X", self.scaler_, sequences.pieces())

    def _calibrate(self, sequences: Sequences) -> None:
        rows = self._random_state.permutation(len(sequences))[:_SAMPLE]
        inputs, lengths = sequences.take(rows).scaled(self.scaler_, self.dtype)
        sample = [
            item if issparse(item) else item[:length] for item, length in zip(inputs, lengths, strict=True)
        ]
        rate = None if isinstance(self.firing_rate, str) else self.firing_rate
        calibrate(self.trainer_, sample, float(np.median(lengths)), rate)

    # X

    def _read_X(
        self, X: Any, y: Any = "no_validation", *, first: bool, steps: Any = None, **checks: Any
    ) -> Any:
        """X as sequences; with y as scikit-learn checks it, where X has no axis of time."""
        if not are_sequences(X):
            refuse_masked("X", X)
            read = validate_data(self, X, y, reset=first, accept_sparse="csr", dtype="numeric", **checks)
            X, y = read if isinstance(read, tuple) else (read, y)
            self._note_kind(of_steps=False, first=first)
            if issparse(X) and not X.has_canonical_format:
                X = X.copy()
                X.sum_duplicates()
            return Sequences(X if issparse(X) else X[:, None]), y
        self._note_kind(of_steps=True, first=first)
        n_features = self.n_features if first else self.n_features_in_
        sequences = read_sequences(X, n_features, steps)
        if first:
            self.n_features_in_ = sequences.n_features
            self.__dict__.pop("feature_names_in_", None)
        if not isinstance(y, str):
            check_consistent_length(sequences.items, y)
        return sequences, y

    def _note_kind(self, *, of_steps: bool, first: bool) -> None:
        if first:
            self._of_steps = of_steps
        elif of_steps != self._of_steps:
            sequences, rows = "sequences, (n, T, features) or a list", "rows, (n, features)"
            expected, got = (sequences, rows) if self._of_steps else (rows, sequences)
            raise ValueError(f"X: expected {expected}, as in fit, got {got}")

    def _read_weights(self, sample_weight: Any, n: int) -> Array:
        """(n,), such that those that count are 1 on average."""
        if sample_weight is None:
            return np.ones(n)
        refuse_masked("sample_weight", sample_weight)
        weights: Array = _check_sample_weight(sample_weight, np.empty((n, 1)), dtype=np.float64)
        if weights.min(initial=0.0) < 0.0:
            raise ValueError(f"sample_weight: expected numbers >= 0, got {weights.min()}")
        counting = weights > 0.0
        return weights / weights[counting].mean() if counting.any() else weights

    # y

    @property
    @abstractmethod
    def _n_readouts(self) -> int:
        """Outputs of the network."""

    @abstractmethod
    def _read(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool, learn: bool
    ) -> tuple[Sequences, Targets]:
        """Data to learn from; `first`: what they are like is learned from them, with `learn` their scale, too."""

    @staticmethod
    def _check_scored(targets: Targets) -> None:
        if not targets.n_known.any():
            raise ValueError("y: expected at least one target that counts, got none")

    def _needs_y(self, y: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None"
            )
        refuse_masked("y", y)

    # What the network answers

    def _answer(self, X: Any) -> Any:
        """Outputs (n, n_outputs); of a network that has learned steps (n, T, n_outputs), or a list."""
        check_is_fitted(self, "trainer_")
        sequences, _ = self._read_X(X, first=False)
        return self._answer_to(sequences.repeated(self.n_repeats_))

    def _answer_to(self, sequences: Sequences) -> Any:
        answers = []
        for first in range(0, len(sequences), _AT_ONCE):
            part = sequences.take(np.arange(first, min(first + _AT_ONCE, len(sequences))))
            inputs, lengths = part.scaled(self.scaler_, self.dtype)
            outputs = self._learner.evaluate(
                inputs, lengths=None if isinstance(inputs, list) else lengths, n_threads=self.n_threads
            )
            if self._per_step:
                last = outputs[:, self.n_repeats_ - 1 :: self.n_repeats_]
                answers += [row[:length] for row, length in zip(last, part.lengths, strict=True)]
            else:
                at_the_end = last_steps(lengths, self.n_repeats_)
                answers.append(np.einsum("bt,bto->bo", at_the_end, outputs))
        if not self._per_step:
            return np.concatenate(answers)
        return answers if isinstance(sequences.items, list) else np.stack(answers)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags


def _small_batch(n: int) -> int:
    """So many of n sequences that an epoch has some updates."""
    return max(1, min(_BATCH, n // _LEAST_UPDATES))


def learned(name: str, scaler: Scaler, pieces: Iterable[Any]) -> Scaler:
    """A scaler that has learned rows, some at a time; the given one stays as it is.

    Raises
    ------
    ValueError
        Numbers so large that their variance is infinite.
    """
    grown = copy.copy(scaler)  # which binds new arrays and changes none
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in pieces:
            (grown.learn_sparse if issparse(rows) else grown.learn)(rows)
    if not np.isfinite(grown.squares).all():
        largest = float(np.max(grown.largest))
        raise ValueError(
            f"{name}: expected numbers with a finite variance, got one of size {largest:g}; scale them first"
        )
    return grown
