"""CartPole-v1 of Gymnasium: balance a pole on a cart, by a push to the left or to the right, and learn from rewards alone.

Every step that the pole stands is a reward of 1, up to 500 of them. The network learns at every decision, while it acts;
nothing is replayed. It needs Gymnasium, the extra ``rl``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..rl import EpropAgent, PopulationEncoder, train
from ._trials import Bar, no_bar, stepping

BOUNDS = np.array([2.4, 3.0, 0.21, 3.0])
"""Cart position and velocity, pole angle and velocity: beyond these an episode is over or nearly so."""
IN_A_ROW = 100
"""Episodes of which the mean return is taken."""


@dataclass(frozen=True)
class Preset:
    """Times in ms. The learning rate falls linearly, to `least` of it: at a constant one the policy does not settle."""

    n_neurons: int = 64
    n_units: int = 8  # of the encoder, for each of the four numbers
    tau_mem: float = 5.0
    tau_trace: float = 5.0
    steps_per_action: int = 5
    gamma: float = 0.97
    lam: float = 0.8
    entropy: float = 0.01
    lr: float | None = 0.0012  # None: the rate of the optimizer, untouched, which rests
    least: float = 0.1
    episodes: int = 300
    optimizer: str = "adam"


class Lived(NamedTuple):
    """The agent and what makes its inputs, the return of each episode, the best mean of 100 in a row and that of the last
    100, and the seconds."""

    agent: EpropAgent
    encoder: PopulationEncoder
    returns: list[float]
    best: float
    last: float
    seconds: float


def build(seed: int = 0, preset: Preset | None = None) -> tuple[EpropAgent, PopulationEncoder]:
    """The agent, untaught, and what makes inputs of its observations.

    Examples
    --------
    >>> agent, encoder = build()
    >>> agent.n_inputs == encoder.n_inputs
    True
    """
    p = preset or Preset()
    encoder = PopulationEncoder(-BOUNDS, BOUNDS, n_units=p.n_units)
    rate: dict[str, Any] = {} if p.lr is None else {"lr": p.lr}
    agent = EpropAgent(
        encoder.n_inputs,
        p.n_neurons,
        2,
        tau_mem=p.tau_mem,
        tau_trace=p.tau_trace,
        steps_per_action=p.steps_per_action,
        gamma=p.gamma,
        lam=p.lam,
        entropy=p.entropy,
        readout_gain="leak",
        optimizer=p.optimizer,
        seed=seed,
        **rate,
    )
    sample = np.random.default_rng(seed).uniform(-0.5, 0.5, (100, len(BOUNDS))) * BOUNDS
    agent.calibrate(encoder(sample), rate=100.0)
    return agent, encoder


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Lived:
    """Lives through all episodes.

    Examples
    --------
    >>> len(run(preset=Preset(n_neurons=10, episodes=3)).returns)
    3
    """
    p = preset or Preset()
    agent, encoder = build(seed, p)
    scale = 1.0 - p.gamma
    with stepping(bar, p.episodes) as step:

        def slower(episode: int, _return: float) -> None:
            if p.lr is not None:
                agent.lr = p.lr * (1.0 - (1.0 - p.least) * (episode + 1) / p.episodes)
            step()

        start = time.perf_counter()
        returns = train(
            agent, "CartPole-v1", p.episodes, encode=encoder, reward_scale=scale, seed=seed, on_episode=slower
        )
        seconds = time.perf_counter() - start
    in_a_row = min(IN_A_ROW, p.episodes)
    means = np.convolve(returns, np.full(in_a_row, 1.0 / in_a_row), "valid")
    return Lived(agent, encoder, returns, float(means.max()), float(means[-1]), seconds)
