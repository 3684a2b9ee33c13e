"""How ``stability.py`` learns a task with an optimizer, and what it notes."""

from __future__ import annotations

import copy
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
    """Scores: of the untaught network, of the last third of training before each step or update, of the frozen one.

    `stops`: of the network frozen at moments of the last third, the last of which is its end.
    """

    start: float
    judged: float
    frozen: float
    diverged: bool
    stops: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """The larger of both: a rate at which every step fits its own target has learned nothing that stays."""
        worse = max(self.judged, self.frozen)
        return worse if np.isfinite(worse) else np.inf


def learn(task: Task, learner: Learner, seed: int, lr: float | None = None, n_stops: int = 0) -> Outcome:
    """One run, with the learner's default rate unless said, frozen at `n_stops` moments."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", eprop.CalibrationWarning)
        warnings.simplefilter("ignore", eprop.FiringRateWarning)
        warnings.simplefilter("ignore", eprop.DivergenceWarning)
        return _learn(task, build(task, learner, seed, lr), n_stops)


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


def _learn(task: Task, trainer: eprop.EpropTrainer, n_stops: int) -> Outcome:
    start = task.score(predict(task, trainer, task.held), task.held)
    limit = DIVERGED * loss_of(trainer, task.train[:20])
    trainer.reset()
    losses, outputs, stops = [], [], []
    last = len(task.train) * 2 // 3
    moments = set(np.linspace(last, len(task.train), n_stops + 1).astype(int)[1:])
    try:
        for n_seen, one in enumerate(task.train, start=1):
            loss, y = trainer.train_sequence(
                one.inputs, one.targets, mask=one.mask, reset=not task.is_stream, return_outputs=True
            )
            losses.append(loss)
            outputs.append(y)
            if n_seen in moments:
                stops.append(task.score(predict(task, copy.deepcopy(trainer), task.held), task.held))
        frozen = task.score(predict(task, trainer, task.held), task.held)
    except FloatingPointError:
        return Outcome(start, np.inf, np.inf, diverged=True, stops=(np.inf,) * n_stops)
    judged = task.score(outputs[last:], task.train[last:])
    # One sequence alone may be surprising: a tenth of them is looked at together.
    tenths = [float(np.mean(part)) for part in np.array_split(losses, min(10, len(losses)))]
    return Outcome(start, judged, frozen, not np.all(np.array(tenths) < limit), tuple(stops))


def loss_of(trainer: eprop.EpropTrainer, samples: list[Sample]) -> float:
    return float(np.mean([trainer.evaluate(s.inputs, s.targets, mask=s.mask)[0] for s in samples]))


def predict(task: Task, trainer: eprop.EpropTrainer, samples: list[Sample]) -> list[Floats]:
    return [trainer.predict_sequence(s.inputs, reset=not task.is_stream) for s in samples]
