"""What a step of a sparse network costs: microseconds against neurons, firing and cores, and a formula through them.

``python benches/costs.py [--fan 100] [--runs 5] [--ranks 16] [--spread 10000000]``. Each neuron has synapses from ``fan``
others, float32. The least time of some runs, by the clock: with more than one thread, the time of a processor would be
that of all of them.

1. Networks on one machine. The formula is ``ns = a N + b P``, where P is the number of synapses that the spikes of a step
   pass, fitted to one thread in relative error.
2. One rank of ``ranks`` alone, of a network of ``spread`` neurons: its share of the neurons with all synapses that reach
   them. The spikes of all others come from a list, so that nothing is exchanged. ``--spread 0`` leaves it out.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from eprop import EpropTrainer
from eprop.wiring import fixed_indegree

NEURONS = (1_000, 10_000, 100_000)
RATES = (0.001, 0.005, 0.02)
N_INPUTS, N_OUTPUTS, STEPS = 100, 10, 200
MODES = ("inference", "sequence", "every step")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fan", type=int, default=100, help="synapses that each neuron has from others")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=16)
    parser.add_argument("--spread", type=int, default=10_000_000)
    options = parser.parse_args()
    threads = [1] + [n for n in (2, 4, 8) if n <= (os.cpu_count() or 1)]
    of_threads = " | ".join(f"{mode}: {n}" for mode in MODES for n in threads)
    print(f"us a step, by threads\n\n| neurons | synapses | firing | P | {of_threads} |")
    print("| --- " * (4 + len(MODES) * len(threads)) + "|")
    found = [
        row
        for n in NEURONS
        for rate in RATES
        for row in [measured(n, rate, options.fan, threads, options.runs)]
    ]
    print("\n| mode, one thread | a: ns a neuron | b: ns a synapse passed | largest error of the formula |")
    print("| --- | --- | --- | --- |")
    for mode in MODES:
        report(mode, found)
    if options.spread:
        alone(options.spread, options.ranks, options.fan, threads, options.runs)


def measured(n: int, rate: float, fan: int, threads: list[int], runs: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x = rng.random((STEPS, N_INPUTS)) < 0.05
    y = 0.1 * rng.normal(size=(STEPS, N_OUTPUTS)).astype(np.float32)
    lists = fixed_indegree(n, n, fan, seed=0)
    row: dict[str, Any] = {"neurons": n}
    for every in ("sequence", 1):
        trainer = EpropTrainer(
            N_INPUTS, n, N_OUTPUTS, connect_rec=lists, connect_in=0.1, update_every=every, lr=1e-6
        )
        trainer.calibrate(x, rate=1000.0 * rate)
        _, spikes = trainer.predict_sequence(x, return_spikes=True)
        row["rate"] = float(spikes.mean())
        row["passed"] = float(spikes.sum(axis=1).mean()) * fan
        row["synapses"] = n * fan
        for count in threads:
            learn = partial(trainer.train_sequence, x, y, n_threads=count)
            row["every step" if every == 1 else "sequence", count] = least(learn, runs)
            if every == "sequence":
                row["inference", count] = least(partial(trainer.evaluate, x, n_threads=count), runs)
    cells = " | ".join(f"{row[mode, count]:.1f}" for mode in MODES for count in threads)
    print(
        f"| {n:,} | {row['synapses']:.0e} | {row['rate']:.2%} | {row['passed']:,.0f} | {cells} |", flush=True
    )
    return row


def alone(n: int, ranks: int, fan: int, threads: list[int], runs: int) -> None:
    """The part of one rank: to it, the neurons of the whole network are inputs."""
    own, rate, steps = n // ranks, 0.005, 20
    rng = np.random.default_rng(1)
    fired = [np.sort(rng.choice(n, int(rate * n), replace=False)) for _ in range(steps)]
    events = (np.repeat(np.arange(steps), int(rate * n)), np.concatenate(fired), steps)
    y = 0.1 * rng.normal(size=(steps, N_OUTPUTS)).astype(np.float32)
    nobody = sparse.csr_array((own, own), dtype=bool)
    every_source = fixed_indegree(own, n, fan, self_connections=True, seed=0)
    print(f"\n{own:,} neurons of {n:,}, {own * fan:,} synapses, P = {rate * own * fan:,.0f}\n")
    print(f"| mode | bytes | {' | '.join(f'us a step, threads: {count}' for count in threads)} |")
    print("| --- " * (2 + len(threads)) + "|")
    for every in ("sequence", 1):
        trainer = EpropTrainer(
            n, own, N_OUTPUTS, connect_in=every_source, connect_rec=nobody, update_every=every, lr=1e-6
        )
        trainer.calibrate(events, rate=1000.0 * rate)
        learns = [partial(trainer.train_sequence, events, y, n_threads=count) for count in threads]
        cells = " | ".join(f"{least(learn, runs, steps):,.0f}" for learn in learns)
        print(
            f"| {'every step' if every == 1 else every} | {trainer.memory_bytes:.2e} | {cells} |", flush=True
        )


def least(work: Callable[[], object], runs: int, steps: int = STEPS) -> float:
    """Microseconds a step."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times) / steps


def report(mode: str, rows: list[dict[str, Any]]) -> None:
    counts = np.array([[row["neurons"], row["passed"]] for row in rows], dtype=float)
    ns = np.array([1e3 * row[mode, 1] for row in rows])
    a, b = np.linalg.lstsq(counts / ns[:, None], np.ones(len(ns)), rcond=None)[0]
    error = np.abs(counts @ [a, b] / ns - 1).max()
    print(f"| {mode} | {a:.2f} | {b:.2f} | {error:.0%} |")


if __name__ == "__main__":
    main()
