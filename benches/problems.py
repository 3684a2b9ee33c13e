"""What a problem of ``stability.py`` is: a network, samples to learn from, samples to be judged on, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import eprop

Floats = NDArray[np.float32]


class Sample(NamedTuple):
    """Inputs (T, n_inputs), targets (T, n_outputs), the steps that have one (T,).

    `truth` is what is judged by where it is not the targets.
    """

    inputs: Floats
    targets: Floats
    mask: NDArray[np.bool_]
    truth: Floats | None = None

    def wanted(self) -> Floats:
        return (self.targets if self.truth is None else self.truth)[self.mask]


def sample(inputs: Any, targets: Any, mask: Any = None, truth: Any = None) -> Sample:
    """With float32 arrays, and every step taught unless said."""
    mask = np.ones(len(targets), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    clean = None if truth is None else np.asarray(truth, dtype=np.float32)
    return Sample(np.asarray(inputs, dtype=np.float32), np.asarray(targets, dtype=np.float32), mask, clean)


Score = Callable[[list[Floats], list[Sample]], float]


def mean_loss(outputs: list[Floats], samples: list[Sample]) -> float:
    """0.5 err^2, summed over outputs, mean over taught steps."""
    err = np.concatenate([y[s.mask] - s.wanted() for y, s in zip(outputs, samples, strict=True)])
    return float(0.5 * np.sum(err.astype(float) ** 2) / len(err))


def errors_of_steps(outputs: list[Floats], samples: list[Sample]) -> float:
    """The share of taught steps at which the largest readout is not the label's."""
    wrong = [
        y[s.mask].argmax(axis=1) != s.wanted().argmax(axis=1) for y, s in zip(outputs, samples, strict=True)
    ]
    return share(np.concatenate(wrong))


def errors_of_sequences(outputs: list[Floats], samples: list[Sample]) -> float:
    """The same for the sum of the readouts over a sequence's taught steps."""
    wrong = [
        y[s.mask].sum(axis=0).argmax() != s.wanted()[0].argmax()
        for y, s in zip(outputs, samples, strict=True)
    ]
    return share(np.array(wrong))


def share(wrong: NDArray[np.bool_]) -> float:
    """Half an error more than there were: a ratio to none means something."""
    return float((wrong.sum() + 0.5) / (len(wrong) + 1))


@dataclass(frozen=True)
class Task:
    """What a seed makes of a problem.

    `sizes` are those of ``EpropTrainer``, `options` its other arguments. `is_stream`: samples are pieces of one stream.
    `rate`: Hz to calibrate for, None for the network as it is drawn. `prepare` gets the trainer before that.
    """

    sizes: tuple[int, int, int]
    train: list[Sample]
    held: list[Sample]
    score: Score
    is_stream: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    rate: float | None = None
    prepare: Callable[[eprop.EpropTrainer], None] | None = None


@dataclass(frozen=True)
class Problem:
    """`middle`: the middle of the eight rates of plain SGD, half a decade apart, found by trying."""

    name: str
    make: Callable[[int], Task]
    middle: float

    def rates(self) -> list[float]:
        return [self.middle * 10 ** (k / 2) for k in range(-4, 4)]


class AbsentError(Exception):
    """The data of a problem is not here; the message says what to do."""


def one_hot(labels: Any, n_classes: int) -> Floats:
    chosen: Floats = np.eye(n_classes, dtype=np.float32)[np.asarray(labels)]
    return chosen


def pieces(inputs: Any, targets: Any, truth: Any = None, *, length: int = 200) -> list[Sample]:
    """A stream, cut."""
    starts = range(0, len(inputs), length)
    return [
        sample(
            inputs[t : t + length],
            targets[t : t + length],
            truth=None if truth is None else truth[t : t + length],
        )
        for t in starts
    ]
