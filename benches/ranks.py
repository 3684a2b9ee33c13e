"""What a second rank gains: `DataParallel` of one rank beside two, the same streams, in one run.

``make bench-ranks``, or ``mpiexec -n 2 python benches/ranks.py``; needs ``pip install 'eprop[mpi]'``, and a core per rank.
The two take turns, so that a change of the machine's speed meets both.
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
from collections.abc import Callable

import numpy as np
from mpi4py import MPI

import eprop
from eprop.mpi import DataParallel

N_INPUTS, N, N_OUTPUTS = 100, 256, 10
B, T = 32, 200
ACTIVITY = (0.01, 0.05)  # the share of firing neurons in which the comparison means something
BAR = 1.8
# Updates follow each other, as in a training; the first find nothing of their own in the caches, and do not count.
FIRST, IN_A_ROW = 2, 10


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What a second rank gains.")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args(arguments)
    comm = MPI.COMM_WORLD
    inputs, targets = data()
    together = DataParallel(build(), comm, data="whole")
    alone = DataParallel(build(), MPI.COMM_SELF, data="whole")
    plain = build()
    active = activity(plain, inputs)
    assert ACTIVITY[0] <= active <= ACTIVITY[1], f"{active:.1%} of the neurons fire in a step"

    calls: dict[str, tuple[Callable[[], object], bool]] = {
        f"{comm.size} ranks": (lambda: together.train_sequence(inputs, targets), True),
        "1 rank": (lambda: alone.train_sequence(inputs, targets), comm.rank == 0),
        "no DataParallel": (lambda: plain.train_sequence(inputs, targets, n_threads=1), comm.rank == 0),
    }
    times = measure(comm, calls, options.rounds)
    if comm.rank == 0:
        report(comm.size, active, times)
    return 0


def build() -> eprop.EpropTrainer:
    return eprop.EpropTrainer(
        N_INPUTS, N, N_OUTPUTS, update_every="sequence", batch_size=B, reduction="mean", lr=1e-6
    )


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = (rng.random((B, T, N_INPUTS)) < 0.02).astype(np.float32)
    return inputs, rng.normal(size=(B, T, N_OUTPUTS)).astype(np.float32)


def activity(trainer: eprop.EpropTrainer, inputs: np.ndarray) -> float:
    _, spikes = trainer.predict_sequence(inputs, return_spikes=True, n_threads=1)
    return float(spikes.mean())


def measure(
    comm: MPI.Comm, calls: dict[str, tuple[Callable[[], object], bool]], rounds: int
) -> dict[str, list[float]]:
    """Milliseconds of each call on rank 0, which ends with the others'; a rank without a part in it uses no core."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, takes_part) in calls.items():
            for n in range(FIRST + IN_A_ROW):
                wait(comm)
                begun = time.perf_counter()
                if takes_part:
                    call()
                if n >= FIRST:
                    times[name].append(1e3 * (time.perf_counter() - begun))
    return times


def wait(comm: MPI.Comm) -> None:
    """MPI's own barrier keeps a core busy."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(2e-5)


def report(n_ranks: int, active: float, times: dict[str, list[float]]) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"eprop {eprop.__version__}, {MPI.Get_library_version().split(',')[0]}, {cores} cores{load}\n"
        f"({N_INPUTS}, {N}), {N_OUTPUTS} outputs, B = {B}, T = {T}, float32, one thread per rank; "
        f"{active:.1%} of the neurons fire in a step"
    )
    for name, each in times.items():
        print(f"{name:<16} {min(each):7.2f} ms an update, median {statistics.median(each):.2f}")
    together, alone, _ = times.values()
    ratio = statistics.median(alone) / statistics.median(together)
    print(
        f"{n_ranks} ranks against 1: {ratio:.2f}x of medians, {min(alone) / min(together):.2f}x of least (bar {BAR}x)"
    )


if __name__ == "__main__":
    sys.exit(main())
