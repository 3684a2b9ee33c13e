"""Store and recall (Bellec et al. 2018): a bit that was on when a sign said *store* is asked for when a sign says *recall*.

Bits go on arriving in between, and the network must not mind them. The state of a membrane lasts for some 20 ms, and a
trial for a second and more, so neurons need a slower variable: an adapting threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from .._trainer import EpropTrainer
from ._trials import Bar, Learned, Rng, Trials, classifier, learn, no_bar, spikes

GROUP = 25
"""Inputs of each group: bit 0, bit 1, store, recall."""


@dataclass(frozen=True)
class Preset:
    """Times in ms. ``beta=0`` makes LIF neurons of the same number."""

    n_neurons: int = 60
    beta: float = 0.3
    tau_adaptation: float = 1200.0
    slot: int = 200
    n_slots: int = 6
    rate: float = 0.05  # spikes per step of an input of a group that is on
    lr: float | None = 0.01  # None: the rate of the optimizer, untouched
    batch_size: int = 32
    iterations: int = 150
    update_every: int | str = "sequence"
    optimizer: str = "adam"


def draw(rng: Rng, n: int, preset: Preset | None = None) -> Trials:
    """Trials with one *store* and one later *recall*, each in a slot of its own.

    Examples
    --------
    >>> trials = draw(np.random.default_rng(0), 4)
    >>> trials.inputs.shape, trials.labels.shape
    ((4, 1200, 100), (4, 1200))
    """
    p = preset or Preset()
    store = rng.integers(0, p.n_slots - 1, size=n)
    recall = rng.integers(store + 1, p.n_slots)
    bits = rng.integers(2, size=(n, p.n_slots))
    on = np.zeros((n, p.n_slots, 4), dtype=np.float32)
    trial = np.arange(n)
    on[trial[:, None], np.arange(p.n_slots), bits] = 1.0
    on[trial, recall, :2] = 0.0  # nobody says the bit that is asked for
    on[trial, store, 2] = on[trial, recall, 3] = 1.0
    probability = np.repeat(np.repeat(p.rate * on, p.slot, axis=1), GROUP, axis=2)
    labels = np.full((n, p.n_slots, p.slot), -1)
    labels[trial, recall, p.slot // 2 :] = bits[trial, store][:, None]
    return Trials(spikes(rng, probability), labels.reshape(n, -1))


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught.

    Examples
    --------
    >>> build().n_neurons
    60
    """
    p = preset or Preset()
    sizes = (4 * GROUP, p.n_neurons, 2)
    return classifier(sizes, seed, p, beta=p.beta, tau_adaptation=p.tau_adaptation)


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Learned:
    """Learns, and counts errors in 512 fresh trials.

    Examples
    --------
    >>> 0.0 <= run(preset=Preset(iterations=2, n_slots=3, slot=50)).wrong <= 1.0
    True
    """
    p = preset or Preset()
    trials = partial(draw, preset=p)
    return learn(build(seed, p), trials, seed, lr=p.lr, iterations=p.iterations, bar=bar)
