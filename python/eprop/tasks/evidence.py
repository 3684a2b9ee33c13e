"""Evidence accumulation (Bellec et al. 2020, figure 4): cues from the left and the right, a delay, and: which were more?

The answer needs all cues, and they are over long before it is due. Half of the neurons adapt, over two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from .._trainer import EpropTrainer
from ._trials import Bar, Learned, Rng, Trials, classifier, learn, no_bar, spikes

GROUP = 10
"""Inputs of each group: left, right, the question, noise."""


@dataclass(frozen=True)
class Preset:
    """Times in ms. The delay of a batch is drawn from `min_delay` to `max_delay`."""

    n_lif: int = 50
    n_adaptive: int = 50
    beta: float = 0.05
    tau_adaptation: float = 2000.0
    feedback: str = "random"
    c_reg: float = 0.1
    n_cues: int = 7
    cue: int = 100
    pause: int = 50
    min_delay: int = 500
    max_delay: int = 1500
    answer: int = 150
    rate: float = 0.04  # spikes per step of an input of a group that is on
    noise: float = 0.01
    lr: float | None = 0.005  # None: the rate of the optimizer, untouched
    batch_size: int = 32
    iterations: int = 500
    update_every: int | str = "sequence"
    optimizer: str = "adam"


def draw(rng: Rng, n: int, preset: Preset | None = None) -> Trials:
    """Label 1 where more cues came from the left, while the question is on.

    Examples
    --------
    >>> trials = draw(np.random.default_rng(0), 4, Preset(min_delay=600, max_delay=600))
    >>> trials.inputs.shape, trials.labels.shape
    ((4, 1800, 40), (4, 1800))
    """
    p = preset or Preset()
    n_steps = p.n_cues * (p.cue + p.pause) + int(rng.integers(p.min_delay, p.max_delay + 1)) + p.answer
    left = rng.random((n, p.n_cues)) < rng.choice([0.3, 0.7], size=(n, 1))
    probability = np.zeros((n, n_steps, 4, GROUP), dtype=np.float32)
    for k in range(p.n_cues):
        on = slice(k * (p.cue + p.pause), k * (p.cue + p.pause) + p.cue)
        probability[left[:, k], on, 0] = p.rate
        probability[~left[:, k], on, 1] = p.rate
    probability[:, -p.answer :, 2] = p.rate
    probability[:, :, 3] = p.noise
    labels = np.full((n, n_steps), -1)
    labels[:, -p.answer :] = (left.sum(axis=1) > p.n_cues // 2)[:, None]
    return Trials(spikes(rng, probability.reshape(n, n_steps, -1)), labels)


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught: neurons that do not adapt, then neurons that do.

    Examples
    --------
    >>> build().beta[[0, -1]].tolist()
    [0.0, 0.05]
    """
    p = preset or Preset()
    sizes = (4 * GROUP, p.n_lif + p.n_adaptive, 2)
    return classifier(
        sizes,
        seed,
        p,
        beta=np.repeat([0.0, p.beta], [p.n_lif, p.n_adaptive]),
        tau_adaptation=p.tau_adaptation,
        feedback=p.feedback,
        c_reg=p.c_reg,
    )


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Learned:
    """Learns, and counts errors in 512 fresh trials.

    Examples
    --------
    >>> short = Preset(iterations=2, n_cues=3, cue=20, pause=10, min_delay=50, max_delay=60, answer=30)
    >>> 0.0 <= run(preset=short).wrong <= 1.0
    True
    """
    p = preset or Preset()
    trials = partial(draw, preset=p)
    return learn(build(seed, p), trials, seed, lr=p.lr, iterations=p.iterations, bar=bar, n_calibrated=2)
