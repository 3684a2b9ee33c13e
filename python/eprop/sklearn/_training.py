"""Epochs over the data: batches, learning rates, early stopping, callbacks, a bar."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from .._targets import Targets
from ..callbacks import listeners
from ..optim import cosine
from ._sequences import Sequences

__all__ = ["learn_for_epochs", "n_held_out", "pass_over"]


def learn_for_epochs(estimator: Any, sequences: Sequences, targets: Targets) -> None:
    """`max_iter` passes over the data.

    With `early_stopping` a part of the data is held out. Passes end when they no longer help there, and the weights that
    did best are kept.
    """
    held_out = None
    if estimator.early_stopping:
        rows, others = _split(estimator, targets)
        held_out = (sequences.take(others), targets.take(others))
        sequences, targets = sequences.take(rows), targets.take(rows)
    lr = _schedule(estimator, n_batches=math.ceil(len(sequences) / estimator.trainer_.batch_size))
    patience = _Patience(estimator, held_out)
    for epoch in _bar(estimator):
        estimator._record(pass_over(estimator, sequences, targets, lr(epoch)))
        if patience.is_over() | _called_back(estimator):
            break
    patience.keep_the_best()


def pass_over(estimator: Any, sequences: Sequences, targets: Targets, lr: Callable[[int], float]) -> float:
    """One epoch, in an order drawn anew; `lr` is a function of the batch.

    Returns the mean loss of all that has a target, NaN if nothing has.
    """
    trainer, random = estimator.trainer_, estimator._random_state
    order = random.permutation(len(sequences))
    # Where whole sequences are answered, each has its weight at the repeats of its last step, over all of which a trainer's
    # mean is, in shares that add up to it.
    n_answers = 1 if targets.per_step else sequences.n_repeats
    total, n_targets = 0.0, 0
    on_sequence = listeners(estimator.callbacks, "on_sequence")
    for batch, first in enumerate(range(0, len(order), trainer.batch_size)):
        rows = order[first : first + trainer.batch_size]
        inputs, lengths = sequences.take(rows).scaled(estimator.scaler_, estimator.dtype)
        values, weights = targets.take(rows).lesson(lengths, sequences.n_repeats)
        trainer.lr = lr(batch)
        loss = n_answers * estimator._learner.train_sequence(
            _noisy(inputs, estimator.noise, random),
            values,
            weights=weights,
            lengths=None if isinstance(inputs, list) else lengths,
            n_threads=estimator.n_threads,
        )
        for told in on_sequence:
            logs = {"loss": loss, "lr": trainer.lr, "n_updates": trainer.n_updates, "n_sequences": len(rows)}
            told(estimator, logs)
        n = np.count_nonzero(weights)
        total, n_targets = total + (loss * n if n > 0 else 0.0), n_targets + n
    return total / n_targets if n_targets > 0 else math.nan


def _noisy(inputs: Any, noise: float, random: np.random.RandomState) -> Any:
    """Values that are not 0 plus normal noise; spikes that are events stay as they are."""
    if noise == 0.0 or isinstance(inputs, list):
        return inputs
    return inputs + noise * random.standard_normal(inputs.shape).astype(inputs.dtype) * (inputs != 0.0)


def n_held_out(estimator: Any, targets: Targets) -> int:
    """How many of the sequences that have a target are held out.

    Raises
    ------
    ValueError
        So few that nothing is left to score, or to learn from.
    """
    known = targets.n_known[targets.n_known > 0]
    share, n, least = estimator.validation_fraction, len(known), estimator._least_scored
    if n > 0 and known.min() >= least:
        least = 1
    held_out: int = max(math.ceil(share * n), least)
    if held_out >= n:
        raise ValueError(
            f"validation_fraction: expected a share that holds out at least {least} of the sequences that have a target and "
            f"leaves some to learn from, got {share} of {n}"
        )
    return held_out


def _split(estimator: Any, targets: Targets) -> tuple[Any, Any]:
    """Rows to learn from, and rows held out, with the classes in the same shares where that can be.

    What has no target would not be scored, and is not held out.
    """
    known, random = targets.n_known > 0, estimator._random_state
    rows, size = np.flatnonzero(known), n_held_out(estimator, targets)
    parts = None
    if not targets.per_step and targets.values.ndim == 1:
        # It refuses a class with a single member, and fewer held out than classes.
        with suppress(ValueError):
            parts = train_test_split(rows, test_size=size, random_state=random, stratify=targets.values[rows])
    if parts is None:
        parts = train_test_split(rows, test_size=size, random_state=random)
    return np.concatenate([parts[0], np.flatnonzero(~known)]), parts[1]


def _schedule(estimator: Any, n_batches: int) -> Callable[[int], Callable[[int], float]]:
    """The rate as a function of the epoch and the batch."""
    if callable(estimator.schedule):
        lr = estimator.schedule
    elif estimator.schedule == "cosine":
        lr = cosine(estimator._lr, n_updates=estimator.max_iter * n_batches)
    else:
        top = estimator._lr
        return lambda epoch: lambda batch: top
    return lambda epoch: lambda batch: lr(epoch * n_batches + batch)


class _Patience:
    """How many epochs ago the last one was that helped."""

    def __init__(self, estimator: Any, held_out: tuple[Sequences, Targets] | None) -> None:
        self.estimator, self.held_out = estimator, held_out
        self.best, self.n_without, self.weights = -math.inf, 0, None
        if held_out is None:
            estimator.validation_scores_ = estimator.best_validation_score_ = None
        else:
            estimator.validation_scores_, estimator.best_validation_score_ = [], math.nan

    def is_over(self) -> bool:
        """Whether `n_iter_no_change` epochs in a row did not beat the best before by `tol` on what is held out."""
        estimator = self.estimator
        if self.held_out is None:
            return False
        score = estimator._score_of(*self.held_out)
        estimator.validation_scores_.append(score)
        self.n_without = 0 if score > self.best + estimator.tol else self.n_without + 1
        if score > self.best:
            self.best, self.weights = score, copy.deepcopy(estimator.trainer_)
            estimator.best_validation_score_ = score
        return bool(self.n_without >= estimator.n_iter_no_change)

    def keep_the_best(self) -> None:
        """Of early stopping: the weights with the best score on what was held out."""
        if self.weights is not None:
            self.estimator.trainer_ = self.weights


def _called_back(estimator: Any) -> bool:
    """Whether one of the callbacks, all of which are told of the epoch, wants to stop."""
    logs = {"epoch": estimator.n_iter_, "loss": estimator.loss_, "lr": estimator.trainer_.lr}
    if estimator.validation_scores_ is not None:
        logs["validation_score"] = estimator.validation_scores_[-1]
    stop = False
    for told in listeners(estimator.callbacks, "on_epoch_end"):
        stop |= bool(told(estimator, logs))
    return stop


def _bar(estimator: Any) -> Iterable[int]:
    """The epochs, with a bar if `verbose` and tqdm is installed, or else a line for each epoch."""
    epochs = range(estimator.max_iter)
    if not estimator.verbose:
        return epochs
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return _lines(estimator, epochs)
    return _with_loss(estimator, tqdm(epochs, desc="training", unit="epoch"))


def _with_loss(estimator: Any, bar: Any) -> Iterable[int]:
    for epoch in bar:
        yield epoch
        bar.set_postfix_str(f"loss {estimator.loss_:.4g}")


def _lines(estimator: Any, epochs: range) -> Iterable[int]:
    for epoch in epochs:
        yield epoch
        print(f"epoch {epoch + 1}: loss {estimator.loss_:.4g}")
