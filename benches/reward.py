"""What an agent learns from rewards: CartPole-v1 of Gymnasium, the mean return of 100 episodes in a row.

``python benches/reward.py``; needs ``pip install 'eprop[rl]'``. The bar: a mean of 195 over 100 episodes in a row within 300
episodes, of every seed. The settings were chosen with seeds 0, 100 and 101.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np

import eprop
from eprop.rl import EpropAgent, PopulationEncoder, evaluate, train

BAR, IN_A_ROW = 195.0, 100
# Cart position and velocity, pole angle and velocity: beyond these an episode is over or nearly so.
BOUNDS = np.array([2.4, 3.0, 0.21, 3.0])
SETTINGS: dict[str, Any] = {
    "n_neurons": 64,
    "tau_mem": 5.0,
    "tau_trace": 5.0,
    "steps_per_action": 5,
    "gamma": 0.97,
    "lam": 0.8,
    "entropy": 0.01,
    "readout_gain": "leak",
    "optimizer": "adam",
    "lr": 0.0007,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What an agent learns of CartPole-v1.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--episodes", type=int, default=300)
    options = parser.parse_args(arguments)
    print(f"eprop {eprop.__version__}, CartPole-v1, {options.episodes} episodes, {SETTINGS}", flush=True)
    best = [learn(seed, options.episodes) for seed in options.seeds]
    passed = sum(mean >= BAR for mean in best)
    summary = f"median {statistics.median(best):.1f}, least {min(best):.1f}, most {max(best):.1f}"
    print(f"best mean of {IN_A_ROW} in a row: {summary}; bar {BAR:.0f}: {passed} of {len(best)} seeds")
    return 0


def learn(seed: int, n_episodes: int) -> float:
    """The best mean return of so many episodes in a row; prints the curve."""
    encoder = PopulationEncoder(-BOUNDS, BOUNDS, n_units=8)
    agent = EpropAgent(encoder.n_inputs, n_actions=2, seed=seed, **SETTINGS)
    sample = np.random.default_rng(seed).uniform(-0.5, 0.5, (100, len(BOUNDS))) * BOUNDS
    agent.calibrate(encoder(sample), rate=100.0)
    begun = time.process_time()
    returns = train(agent, "CartPole-v1", n_episodes, encode=encoder, reward_scale=1 - agent.gamma, seed=seed)
    seconds = time.process_time() - begun
    means = np.convolve(returns, np.full(min(IN_A_ROW, n_episodes), 1 / min(IN_A_ROW, n_episodes)), "valid")
    curve = [round(float(np.mean(part))) for part in np.array_split(returns, min(10, n_episodes))]
    reached = np.flatnonzero(means >= BAR)
    when = f"at episode {reached[0] + IN_A_ROW}" if reached.size else "not"
    greedy = np.mean(evaluate(agent, "CartPole-v1", 20, encode=encoder, seed=1000 + seed))
    print(
        f"seed {seed}: best {means.max():6.1f}, {BAR:.0f} reached {when}; means of tenths {curve}; greedy {greedy:.0f}; "
        f"{seconds:.0f} s of CPU, {agent.memory_bytes / 1e3:.0f} kB at any length",
        flush=True,
    )
    return float(means.max())


if __name__ == "__main__":
    sys.exit(main())
