"""What an agent learns from rewards: CartPole-v1 of Gymnasium, the mean return of 100 episodes in a row.

``python benches/reward.py``; needs ``pip install '.[rl]'``. The bar: a mean of 195 over 100 episodes in a row within 300
episodes, of every seed. The settings were chosen with seeds 0 and 100 to 107. ``--untouched``: with the agent's default
optimizer at its own rate, which needs more ``--episodes``.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import statistics
import sys
from dataclasses import replace

import numpy as np

import eprop
from eprop.rl import evaluate
from eprop.tasks import cartpole

BAR = 195.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What an agent learns of CartPole-v1.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--episodes", type=int, default=cartpole.Preset.episodes)
    parser.add_argument(
        "--untouched", action="store_true", help="with the agent's default optimizer and rate"
    )
    options = parser.parse_args(arguments)
    preset = cartpole.Preset(episodes=options.episodes)
    if options.untouched:
        preset = replace(preset, optimizer="sgd", lr=None)
    print(f"eprop {eprop.__version__}, CartPole-v1, {preset}", flush=True)
    best = [learn(seed, preset) for seed in options.seeds]
    passed = sum(mean >= BAR for mean in best)
    summary = f"median {statistics.median(best):.1f}, least {min(best):.1f}, most {max(best):.1f}"
    print(
        f"best mean of {cartpole.IN_A_ROW} in a row: {summary}; bar {BAR:.0f}: {passed} of {len(best)} seeds"
    )
    return 0


def learn(seed: int, preset: cartpole.Preset) -> float:
    """The best mean return of so many episodes in a row; prints the curve."""
    lived = cartpole.run(seed, preset)
    curve = [round(float(np.mean(part))) for part in np.array_split(lived.returns, min(10, preset.episodes))]
    greedy = np.mean(evaluate(lived.agent, "CartPole-v1", 20, encode=lived.encoder, seed=1000 + seed))
    reached = reached_at(lived.returns)
    print(
        f"seed {seed}: best {lived.best:6.1f}, last {lived.last:6.1f}; bar at episode {reached or 'none'}; "
        f"means of tenths {curve}; greedy {greedy:.0f}; "
        f"{lived.seconds:.0f} s, {lived.agent.memory_bytes / 1e3:.0f} kB at any length",
        flush=True,
    )
    return lived.best


def reached_at(returns: list[float]) -> int | None:
    """The episode after which the mean return of as many in a row is first at the bar."""
    for end in range(cartpole.IN_A_ROW, len(returns) + 1):
        if np.mean(returns[end - cartpole.IN_A_ROW : end]) >= BAR:
            return end
    return None


if __name__ == "__main__":
    sys.exit(main())
