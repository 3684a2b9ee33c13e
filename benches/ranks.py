"""What a second rank gains: `DataParallel` and `NeuronParallel` of one rank beside two, the same work, in one run.

``make bench-ranks``, or ``mpiexec -n 2 python benches/ranks.py``; needs ``pip install '.[mpi]'``, and a core per rank.
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
from eprop.mpi import DataParallel, NeuronParallel

N_INPUTS, N, N_OUTPUTS = 100, 256, 10
B, T = 32, 200
ACTIVITY = (0.01, 0.05)  # the share of firing neurons in which the comparison means something
BAR = 1.8

SPREAD_INPUTS, SPREAD_N = 100, 100_000
SPREAD_DEGREES = 5, 95  # from inputs, and from neurons: 10^7 synapses
SPREAD_ACTIVITY = (0.004, 0.011)
SPREAD_BAR = 1.6
SPREAD_STEPS = 50

# Updates follow each other, as in a training; the first find nothing of their own in the caches, and do not count.
FIRST, IN_A_ROW = 2, 10


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What a second rank gains.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument(
        "--neurons", type=int, default=SPREAD_N, help="of the network that is spread; 0: none"
    )
    options = parser.parse_args(arguments)
    comm = MPI.COMM_WORLD
    share_streams(comm, options.rounds)
    if options.neurons > 0:
        for update_every in ("sequence", 1):
            spread_neurons(comm, options.neurons, update_every, options.rounds)
    return 0


def share_streams(comm: MPI.Comm, rounds: int) -> None:
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
    times = measure(comm, calls, rounds)
    if comm.rank == 0:
        print(
            f"eprop {eprop.__version__}, {MPI.Get_library_version().split(',')[0]}, {machine()}\n"
            f"({N_INPUTS}, {N}), {N_OUTPUTS} outputs, B = {B}, T = {T}, float32, one thread per rank; "
            f"{active:.1%} of the neurons fire in a step"
        )
        report(comm.size, times, "ms an update", 1.0, BAR)


def spread_neurons(comm: MPI.Comm, n: int, update_every: int | str, rounds: int) -> None:
    """A network on all ranks, on one, and as a trainer without ranks, which have the same weights at first."""
    of_inputs, of_neurons = SPREAD_DEGREES
    fields = {"connect_in": of_inputs / SPREAD_INPUTS, "connect_rec": of_neurons / n}
    fields |= {"update_every": update_every, "lr": 1e-6}
    together = NeuronParallel(SPREAD_INPUTS, n, N_OUTPUTS, comm, **fields)
    inputs, targets = stream()
    calls: dict[str, tuple[Callable[[], object], bool]] = {
        f"{comm.size} ranks": (lambda: together.train_sequence(inputs, targets, reset=False), True)
    }
    together.train_sequence(inputs, targets)
    _, spikes = together.predict_sequence(inputs, return_spikes=True)
    active = comm.allreduce(float(spikes.sum())) / (n * SPREAD_STEPS)
    assert SPREAD_ACTIVITY[0] <= active <= SPREAD_ACTIVITY[1], f"{active:.2%} of the neurons fire in a step"
    n_synapses = comm.allreduce(together.W_in.nnz + together.W_rec.nnz)
    if comm.rank == 0:
        alone = NeuronParallel(SPREAD_INPUTS, n, N_OUTPUTS, MPI.COMM_SELF, **fields)
        plain = eprop.EpropTrainer(SPREAD_INPUTS, n, N_OUTPUTS, **fields)
    calls["1 rank"] = (lambda: alone.train_sequence(inputs, targets, reset=False), comm.rank == 0)
    calls["no NeuronParallel"] = (
        lambda: plain.train_sequence(inputs, targets, reset=False, n_threads=1),
        comm.rank == 0,
    )
    times = measure(comm, calls, rounds, first=1, in_a_row=2)
    if comm.rank == 0:
        print(
            f"\n({SPREAD_INPUTS}, {n}), {n_synapses:,} synapses, {N_OUTPUTS} outputs, float32, one thread per rank, "
            f"update_every={update_every!r}; {active:.2%} of the neurons fire in a step; {machine()}"
        )
        report(comm.size, times, "us a step", 1e3 / SPREAD_STEPS, SPREAD_BAR)


def stream() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = (rng.random((SPREAD_STEPS, SPREAD_INPUTS)) < 0.004).astype(np.float32)
    return inputs, rng.normal(size=(SPREAD_STEPS, N_OUTPUTS)).astype(np.float32)


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
    comm: MPI.Comm,
    calls: dict[str, tuple[Callable[[], object], bool]],
    rounds: int,
    first: int = FIRST,
    in_a_row: int = IN_A_ROW,
) -> dict[str, list[float]]:
    """Milliseconds of each call on rank 0, which ends with the others'; a rank without a part in it uses no core."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, takes_part) in calls.items():
            for n in range(first + in_a_row):
                wait(comm)
                begun = time.perf_counter()
                if takes_part:
                    call()
                if n >= first:
                    times[name].append(1e3 * (time.perf_counter() - begun))
    return times


def wait(comm: MPI.Comm) -> None:
    """MPI's own barrier keeps a core busy."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(2e-5)


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cores} cores{load}"


def report(n_ranks: int, times: dict[str, list[float]], unit: str, per_ms: float, bar: float) -> None:
    for name, each in times.items():
        print(f"{name:<18} {per_ms * min(each):8.2f} {unit}, median {per_ms * statistics.median(each):.2f}")
    together, alone, _ = times.values()
    ratio = statistics.median(alone) / statistics.median(together)
    print(
        f"{n_ranks} ranks against 1: {ratio:.2f}x of medians, {min(alone) / min(together):.2f}x of least (bar {bar}x)"
    )


if __name__ == "__main__":
    sys.exit(main())
