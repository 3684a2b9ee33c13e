"""What tasks of trials share: trials are drawn anew for every batch, and a label counts where one is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .._trainer import EpropTrainer
from ..optim import cosine

Rng = np.random.Generator


class Trials(NamedTuple):
    """Inputs (B, T, n_inputs), and labels (B, T), -1 where none is asked for."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


class Learned(NamedTuple):
    """A trained network, its loss after each batch, the share of fresh trials that are wrong, and seconds of training."""

    trainer: EpropTrainer
    losses: list[float]
    wrong: float
    seconds: float


Draw = Callable[[Rng, int], Trials]
Bar = Callable[[Iterable[int]], Iterable[int]]


def no_bar(iterations: Iterable[int]) -> Iterable[int]:
    """Shows nothing."""
    return iterations


@contextmanager
def stepping(bar: Bar, n: int) -> Iterator[Callable[[], object]]:
    """What goes on to the next of n, for work that calls back; a bar that has not seen its end would stay open.

    Examples
    --------
    >>> with stepping(no_bar, 3) as step:
    ...     _ = step()
    """
    steps = iter(bar(range(n)))
    yield lambda: next(steps, None)
    for _ in steps:
        pass


class Taught(Protocol):
    """What the preset of a task of trials says of learning."""

    @property
    def optimizer(self) -> str: ...
    @property
    def lr(self) -> float | None: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def update_every(self) -> int | str: ...


def classifier(sizes: tuple[int, int, int], seed: int, preset: Taught, **neurons: Any) -> EpropTrainer:
    """The trainer of a task of trials, untaught: what all of them share, and the neurons of one."""
    return EpropTrainer(
        *sizes,
        loss="cross_entropy",
        n_ref=5,
        readout_bias=True,
        update_every=preset.update_every,
        batch_size=preset.batch_size,
        seed=seed,
        **(neurons | optimizer_of(preset.optimizer, preset.lr)),
    )


def optimizer_of(name: str, lr: float | None) -> dict[str, Any]:
    """What a preset says of an optimizer: a rate of its own is one of mean gradients; without one nothing is touched."""
    return {"optimizer": name} | ({} if lr is None else {"lr": lr, "reduction": "mean"})


def rates(lr: float | None, trainer: EpropTrainer, n_updates: int) -> Callable[[int], float]:
    """What falls from `lr` on along a cosine; with None the rate of the optimizer, which rests."""
    untouched = trainer.lr
    return (lambda _: untouched) if lr is None else cosine(lr, n_updates=n_updates)


def learn(
    trainer: EpropTrainer,
    draw: Draw,
    seed: int,
    *,
    lr: float | None,
    iterations: int,
    bar: Bar,
    n_calibrated: int = 4,
    n_test: int = 512,
) -> Learned:
    """Calibrates on a few trials, trains on fresh batches, and then counts the errors in trials that are fresh, too."""
    rng, schedule = np.random.default_rng(seed), rates(lr, trainer, iterations)
    trainer.calibrate(list(draw(rng, n_calibrated).inputs), rate=20.0)
    losses: list[float] = []
    start = time.perf_counter()
    for _ in bar(range(iterations)):
        trials = draw(rng, trainer.batch_size)
        trainer.lr = schedule(len(losses))
        losses.append(trainer.train_sequence(trials.inputs, trials.labels))
    seconds = time.perf_counter() - start
    return Learned(trainer, losses, share_wrong(trainer, draw, rng, n_test), seconds)


def share_wrong(trainer: EpropTrainer, draw: Draw, rng: Rng, n_trials: int) -> float:
    """Of answers: in a trial the class whose outputs are largest over a run of labelled steps of one label."""
    wrong: list[bool] = []
    while len(wrong) < n_trials:
        trials = draw(rng, min(trainer.batch_size, n_trials - len(wrong)))
        outputs = trainer.evaluate(trials.inputs)
        for said, labels in zip(outputs, trials.labels, strict=True):
            asked = np.nonzero(labels >= 0)[0]
            ends = (np.diff(asked) > 1) | (np.diff(labels[asked]) != 0)
            runs = np.split(asked, np.nonzero(ends)[0] + 1)
            wrong.append(any(said[run].sum(axis=0).argmax() != labels[run[0]] for run in runs))
    return float(np.mean(wrong))


def spikes(rng: Rng, probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 with the probability of its place, else 0."""
    return (rng.random(probability.shape, dtype=np.float32) < probability).astype(np.float32)
