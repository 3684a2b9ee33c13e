"""From which size on a second thread pays for a single stream of a network in lists: ``python benches/threads.py``.

Microseconds a step on one and on two threads in turn, by the clock, the least of some runs, float32. Networks below the
bound from which the crate spreads neurons (``SPREAD_FROM`` in ``rust/eprop/src/options/plan/mod.rs``) stay on one thread:
to see what they would gain, build the wheel with ``1 << 10`` in its place.
"""

import time

import numpy as np

from eprop import EpropTrainer
from eprop.wiring import fixed_indegree

SIZES = tuple((n, fan) for n in (8_192, 16_384, 32_768) for fan in (16, 32, 64, 128))
"""Neurons, and synapses that each has from others: two threads have at least 4,096 neurons each."""
N_INPUTS, N_OUTPUTS, STEPS, RUNS = 100, 10, 300, 7


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((STEPS, N_INPUTS)) < 0.05
    y = 0.1 * rng.normal(size=(STEPS, N_OUTPUTS)).astype(np.float32)
    print(
        "| neurons | synapses | one update a sequence: 1, 2 threads | gain | every step: 1, 2 threads | gain |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for n, fan in SIZES:
        cells = []
        for every in ("sequence", 1):
            trainer = EpropTrainer(
                N_INPUTS,
                n,
                N_OUTPUTS,
                connect_rec=fixed_indegree(n, n, fan, seed=0),
                connect_in=0.1,
                update_every=every,
            )
            trainer.calibrate(x[:200], rate=5.0)
            times: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(RUNS):
                for threads, runs in times.items():
                    start = time.perf_counter()
                    trainer.train_sequence(x, y, n_threads=threads)
                    runs.append(time.perf_counter() - start)
            one, two = (1e6 * min(runs) / STEPS for runs in times.values())
            cells.append(f"{one:.0f}, {two:.0f} us | {one / two:.2f}")
        synapses = trainer.W_rec.nnz + trainer.W_in.nnz
        print(f"| {n:,} | {synapses:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
