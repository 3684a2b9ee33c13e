"""How ``stability.py`` learns a task with an optimizer, and what it notes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from problems import Floats, Sample, Task

import eprop
from eprop import optim

DIVERGED = 10.0  # times its start, and a loss has run away


@dataclass(frozen=True)
class Learner:
    """An optimizer as a user would choose it. `every`: of streams, if not the default."""

    name: str
    optimizer: Any
    every: int = 1


def learners() -> tuple[dict[str, Learner], list[str]]:
    """Those that this eprop has, and a line for each that it has not."""
    makers: dict[str, tuple[Callable[[], Any], int]] = {
        "plain": (lambda: optim.SGD(limit=False), 1),
        "sgd": (optim.SGD, 1),
        "auto": (lambda: optim.as_optimizer("auto"), 1),
        "adam": (lambda: optim.as_optimizer("adam"), 50),
    }
    found, absent = {}, []
    for name, (make, every) in makers.items():
        try:
            found[name] = Learner(name, make(), every)
        except (TypeError, ValueError) as error:
            absent.append(f"{name}: left out, this eprop does not know it ({error})")
    return found, absent


@dataclass(frozen=True)
class Outcome:
    """Scores: of the untaught network, of the last third of training before each step or update, of the frozen one."""

    start: float
    judged: float
    frozen: float
    diverged: bool

    @property
    def score(self) -> float:
        """The larger of both: a rate at which every step fits its own target has learned nothing that stays."""
        worse = max(self.judged, self.frozen)
        return worse if np.isfinite(worse) else np.inf


def learn(task: Task, learner: Learner, seed: int, lr: float | None = None) -> Outcome:
    """One run, with the learner's default rate unless said."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", eprop.CalibrationWarning)
        warnings.simplefilter("ignore", eprop.FiringRateWarning)
        warnings.simplefilter("ignore", eprop.DivergenceWarning)
        return _learn(task, build(task, learner, seed, lr))


def build(task: Task, learner: Learner, seed: int, lr: float | None) -> eprop.EpropTrainer:
    options = {"optimizer": learner.optimizer, **({} if lr is None else {"lr": lr}), **task.options}
    if task.is_stream:
        options["update_every"] = learner.every
    trainer = eprop.EpropTrainer(*task.sizes, seed=seed, **options)
    if task.prepare is not None:
        task.prepare(trainer)
    if task.rate is not None:
        trainer.calibrate(np.concatenate([s.inputs for s in task.train[:20]]), rate=task.rate)
    return trainer


def _learn(task: Task, trainer: eprop.EpropTrainer) -> Outcome:
    start = task.score(predict(task, trainer, task.held), task.held)
    limit = DIVERGED * loss_of(trainer, task.train[:20])
    trainer.reset()
    losses, outputs = [], []
    try:
        for one in task.train:
            loss, y = trainer.train_sequence(
                one.inputs, one.targets, mask=one.mask, reset=not task.is_stream, return_outputs=True
            )
            losses.append(loss)
            outputs.append(y)
        frozen = task.score(predict(task, trainer, task.held), task.held)
    except FloatingPointError:
        return Outcome(start, np.inf, np.inf, diverged=True)
    last = len(outputs) * 2 // 3
    judged = task.score(outputs[last:], task.train[last:])
    # One sequence alone may be surprising: a tenth of them is looked at together.
    tenths = [float(np.mean(part)) for part in np.array_split(losses, min(10, len(losses)))]
    return Outcome(start, judged, frozen, diverged=not np.all(np.array(tenths) < limit))


def loss_of(trainer: eprop.EpropTrainer, samples: list[Sample]) -> float:
    return float(np.mean([trainer.evaluate(s.inputs, s.targets, mask=s.mask)[0] for s in samples]))


def predict(task: Task, trainer: eprop.EpropTrainer, samples: list[Sample]) -> list[Floats]:
    return [trainer.predict_sequence(s.inputs, reset=not task.is_stream) for s in samples]
