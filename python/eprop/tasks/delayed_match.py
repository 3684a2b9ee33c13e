"""Delayed match to sample: two cues with a second between them, and then the question: were they the same?

Neither cue says the answer. The network has to keep the first one over the delay and to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from .._trainer import EpropTrainer
from ._trials import Bar, Learned, Rng, Trials, classifier, learn, no_bar, spikes

GROUP = 20
"""Inputs of each group: cue A, cue B, the question."""


@dataclass(frozen=True)
class Preset:
    """Times in ms."""

    n_neurons: int = 80
    beta: float = 0.3
    tau_adaptation: float = 1500.0
    cue: int = 200
    delay: int = 1000
    answer: int = 150
    rate: float = 0.05  # spikes per step of an input of a group that is on
    noise: float = 0.002  # of every input at every step
    lr: float | None = 0.01  # None: the rate of the optimizer, untouched
    batch_size: int = 32
    iterations: int = 400
    update_every: int | str = "sequence"
    optimizer: str = "adam"


def draw(rng: Rng, n: int, preset: Preset | None = None) -> Trials:
    """Label 1 where both cues are the same, else 0, while the question is on.

    Examples
    --------
    >>> trials = draw(np.random.default_rng(0), 4)
    >>> trials.inputs.shape, trials.labels.shape
    ((4, 1550, 60), (4, 1550))
    """
    p = preset or Preset()
    cues = rng.integers(2, size=(n, 2))
    n_steps = 2 * p.cue + p.delay + p.answer
    probability = np.full((n, n_steps, 3, GROUP), p.noise, dtype=np.float32)
    trial = np.arange(n)
    probability[trial, : p.cue, cues[:, 0]] = p.rate
    probability[trial, p.cue + p.delay : -p.answer, cues[:, 1]] = p.rate
    probability[:, -p.answer :, 2] = p.rate
    labels = np.full((n, n_steps), -1)
    labels[:, -p.answer :] = (cues[:, 0] == cues[:, 1])[:, None]
    return Trials(spikes(rng, probability.reshape(n, n_steps, -1)), labels)


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught.

    Examples
    --------
    >>> build().n_inputs
    60
    """
    p = preset or Preset()
    sizes = (3 * GROUP, p.n_neurons, 2)
    return classifier(sizes, seed, p, beta=p.beta, tau_adaptation=p.tau_adaptation)


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Learned:
    """Learns, and counts errors in 512 fresh trials.

    Examples
    --------
    >>> 0.0 <= run(preset=Preset(iterations=2, cue=50, delay=100, answer=50)).wrong <= 1.0
    True
    """
    p = preset or Preset()
    trials = partial(draw, preset=p)
    return learn(build(seed, p), trials, seed, lr=p.lr, iterations=p.iterations, bar=bar)
