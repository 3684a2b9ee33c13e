"""One problem at many scales: what a user's data may look like, with the score that a constant answer has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from problems import Problem, Sample, Task, mean_loss
from sequence_problems import templates
from stream_problems import toy


def with_inputs(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[int], Task]:
    """The toy with other inputs; at scale 1 they lie between 0 and 0.2."""

    def make(seed: int) -> Task:
        task = toy(seed)

        def changed(one: Sample) -> Sample:
            return one._replace(inputs=change(one.inputs))

        return replace(task, train=[changed(s) for s in task.train], held=[changed(s) for s in task.held])

    return make


def scaled(factor: float) -> Callable[[int], Task]:
    return with_inputs(lambda x: x * np.float32(factor))


def outputs(n: int) -> Callable[[int], Task]:
    return lambda seed: toy(seed, n_outputs=n)


def spiking(p: float) -> Callable[[int], Task]:
    return lambda seed: templates(seed, p=p)


def lasting(n_steps: int) -> Callable[[int], Task]:
    return lambda seed: templates(seed, n_steps=n_steps)


SCALES = [
    *(Problem(f"inputs x {factor:g}", scaled(factor), 0.0) for factor in (0.01, 1, 100)),
    Problem("inputs + 5", with_inputs(lambda x: x + np.float32(5)), 0.0),
    *(Problem(f"spikes at {p:.1%}", spiking(p), 0.0) for p in (0.002, 0.02, 0.3)),
    *(Problem(f"T = {n}", lasting(n), 0.0) for n in (60, 200, 1000)),
    *(Problem(f"O = {n}", outputs(n), 0.0) for n in (1, 10, 100)),
]


def chance(task: Task) -> float:
    """The score of the best constant answer on the held-out part."""
    wanted = np.concatenate([s.wanted() for s in task.held])
    if task.score is mean_loss:
        return float(0.5 * wanted.var(axis=0).sum())
    labels = wanted.argmax(axis=1)
    return 1.0 - float(np.bincount(labels).max() / len(labels))
