"""Copy with a delay: a row of symbols is shown, and after a silence the network has to say it, symbol by symbol.

A sign says when. Nothing else comes in while it answers, so all symbols and their order must be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from .._trainer import EpropTrainer
from ._trials import Bar, Learned, Rng, Trials, classifier, learn, no_bar, spikes

GROUP = 10
"""Inputs of each symbol, and of the sign."""


@dataclass(frozen=True)
class Preset:
    """Times in ms."""

    n_neurons: int = 150
    n_symbols: int = 3
    length: int = 2
    slot: int = 100
    delay: int = 200
    beta: float = 0.3
    tau_adaptation: float = 600.0
    rate: float = 0.1  # spikes per step of an input of a group that is on
    lr: float | None = 0.01  # None: the rate of the optimizer, untouched
    batch_size: int = 32
    iterations: int = 500
    update_every: int | str = "sequence"
    optimizer: str = "adam"


def draw(rng: Rng, n: int, preset: Preset | None = None) -> Trials:
    """Rows of symbols, a silence, and as long again for the answer. A label per step of the answer.

    Examples
    --------
    >>> trials = draw(np.random.default_rng(0), 4)
    >>> trials.inputs.shape, trials.labels.shape
    ((4, 600, 40), (4, 600))
    """
    p = preset or Preset()
    symbols = rng.integers(p.n_symbols, size=(n, p.length))
    shown = np.repeat(np.eye(p.n_symbols + 1, dtype=np.float32)[symbols], p.slot, axis=1)
    n_steps = 2 * p.length * p.slot + p.delay
    probability = np.zeros((n, n_steps, p.n_symbols + 1), dtype=np.float32)
    probability[:, : p.length * p.slot] = p.rate * shown
    probability[:, -p.length * p.slot :, -1] = p.rate
    labels = np.full((n, n_steps), -1)
    labels[:, -p.length * p.slot :] = np.repeat(symbols, p.slot, axis=1)
    return Trials(spikes(rng, np.repeat(probability, GROUP, axis=2)), labels)


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught.

    Examples
    --------
    >>> build().n_outputs
    3
    """
    p = preset or Preset()
    sizes = ((p.n_symbols + 1) * GROUP, p.n_neurons, p.n_symbols)
    return classifier(sizes, seed, p, beta=p.beta, tau_adaptation=p.tau_adaptation)


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Learned:
    """Learns, and counts the fresh trials in which any symbol was wrong.

    Examples
    --------
    >>> 0.0 <= run(preset=Preset(iterations=2, slot=20, delay=20)).wrong <= 1.0
    True
    """
    p = preset or Preset()
    trials = partial(draw, preset=p)
    return learn(build(seed, p), trials, seed, lr=p.lr, iterations=p.iterations, bar=bar)
