"""One table: microseconds per step of eprop and of sc-neurocore's EpropTrainer, at the same work.

Run by ``make bench``, or by hand: ``python benches/table.py --help``. Both libraries get the same input spikes,
the same weights and the same targets in the same process, pinned to one core.
"""

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import math
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import eprop

SIZES = [(100, 100), (100, 256), (700, 512), (1000, 1000)]
N_OUTPUTS = 10
INPUT_PROBABILITY = 0.02
RATE_HZ = 20.0  # what both networks are set to: 2 % of the neurons per step of 1 ms
ACTIVITY = (0.01, 0.05)
LR = 1e-6  # every update is carried out, and the activity stays what it was
WARM_UP = 100  # steps: five membrane time constants, from silence to the activity that is measured

HEADER = """\
What differs: sc-neurocore computes in float64 (compare it with our float64 row; our default is float32), low-passes the
eligibility twice with tau_trace (ours once with tau_mem, once with tau_trace), takes psi after the reset (ours before), and
its readout is the spikes of this step alone (ours leaks with tau_out). Its inference updates the traces too, as ours does.
It gets our weights, divided by the 1 - alpha that it multiplies every current with: hence the same activity.
"""


@dataclass
class Work:
    """One size: what every row of it is given."""

    inputs: np.ndarray  # (T, n_inputs) of 0 and 1
    targets: np.ndarray  # (T, N_OUTPUTS)
    warm_up: np.ndarray  # (WARM_UP, n_inputs)


@dataclass
class Row:
    """What was measured for one library at one size."""

    name: str
    n_steps: int
    infer_us: float
    train_us: float
    share: float  # of the neurons, that fire at a step, over inference and after training


def make_work(n_inputs: int, n_steps: int) -> Work:
    rng = np.random.default_rng(1)
    spikes = (rng.random((WARM_UP + n_steps, n_inputs)) < INPUT_PROBABILITY).astype(np.float64)
    targets = rng.standard_normal((n_steps, N_OUTPUTS))
    return Work(spikes[WARM_UP:], targets, spikes[:WARM_UP])


def make_ours(work: Work, n_neurons: int, dtype: str) -> eprop.EpropTrainer:
    trainer = eprop.EpropTrainer(work.inputs.shape[1], n_neurons, N_OUTPUTS, lr=LR, dtype=dtype)
    trainer.calibrate(work.inputs, rate=RATE_HZ)
    return trainer


def microseconds(call: Callable[[], Any], n_steps: int) -> float:
    # CPU time, not the clock's: one thread on one core, which other programs may share
    start = time.process_time()
    call()
    return (time.process_time() - start) / n_steps * 1e6


def measure_ours(name: str, trainer: eprop.EpropTrainer, work: Work, repeats: int) -> Row:
    inputs, targets = work.inputs.astype(trainer.dtype), work.targets.astype(trainer.dtype)
    n_steps = len(inputs)

    def share() -> float:
        trainer.predict_sequence(work.warm_up)
        _, spikes = trainer.predict_sequence(inputs, reset=False, return_spikes=True)
        return float(spikes.mean())

    shares = [share()]
    infer = [
        microseconds(lambda: trainer.predict_sequence(inputs, reset=False), n_steps) for _ in range(repeats)
    ]
    train = [
        microseconds(lambda: trainer.train_sequence(inputs, targets, reset=False), n_steps)
        for _ in range(repeats)
    ]
    shares.append(share())
    return Row(name, n_steps, statistics.median(infer), statistics.median(train), checked(name, shares))


def measure_peer(peer_class: Any, ours: eprop.EpropTrainer, work: Work, n_steps: int) -> Row:
    """The same network in sc-neurocore, with `ours`'s weights.

    Its steps are called one by one, as its own `train_sequence` does after its reset: so it can be warmed up, and its
    spikes counted while it is timed.
    """
    peer = peer_class(ours.n_inputs, ours.n_neurons, ours.n_outputs, lr=LR)
    gain = -math.expm1(-peer.dt / peer.tau_mem)
    peer.W_in = ours.W_in.astype(np.float64) / gain
    peer.W_rec = ours.W_rec.astype(np.float64) / gain
    peer.W_out = ours.W_out.astype(np.float64)
    inputs, targets = work.inputs[:n_steps], work.targets[:n_steps]
    fired: list[np.ndarray] = []

    def run(targets: Any) -> None:
        fired.extend(peer.step(x, target)["spikes"] for x, target in zip(inputs, targets, strict=True))

    for x in work.warm_up:
        peer.step(x)
    infer = microseconds(lambda: run([None] * n_steps), n_steps)
    train = microseconds(lambda: run(targets), n_steps)
    shares = [float(np.mean(half)) for half in (fired[:n_steps], fired[n_steps:])]
    return Row("sc-neurocore", n_steps, infer, train, checked("sc-neurocore", shares))


def checked(name: str, shares: list[float]) -> float:
    """The mean share of firing neurons, if each lies in the range in which the comparison means something."""
    low, high = ACTIVITY
    for share in shares:
        if not low <= share <= high:
            raise SystemExit(
                f"{name}: {share:.2%} of the neurons fire per step, expected {low:.0%} to {high:.0%}"
            )
    return statistics.mean(shares)


def find_peer() -> Any | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a guest's own deprecations are not ours to judge
            from sc_neurocore.online_learning import EpropTrainer
    except ImportError:
        return None
    return EpropTrainer


def pin_to_one_core() -> str:
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system cannot)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def rows_of_size(
    n_inputs: int, n_neurons: int, options: argparse.Namespace, peer_class: Any | None
) -> list[Row]:
    work = make_work(n_inputs, options.steps)
    single = make_ours(work, n_neurons, "float32")
    double = make_ours(work, n_neurons, "float64")
    rows = [
        measure_ours("eprop float32", single, work, options.repeats),
        measure_ours("eprop float64", double, work, options.repeats),
    ]
    if peer_class is not None:
        # about 100 ns per synapse and step: enough steps for a steady number, few enough to wait for
        n_steps = min(options.steps, max(50, 100_000_000 // (n_neurons * (n_neurons + n_inputs))))
        rows.append(measure_peer(peer_class, double, work, n_steps))
    return rows


def print_rows(n_inputs: int, n_neurons: int, rows: list[Row]) -> None:
    peer = rows[-1]
    for row in rows:
        ratio = f"{peer.infer_us / row.infer_us:9.1f}x {peer.train_us / row.train_us:9.1f}x"
        print(
            f"{n_inputs:>8} {n_neurons:>6}  {row.name:<14} {row.infer_us:>12.1f} {row.train_us:>12.1f} "
            f"{row.share:>8.1%} {row.n_steps:>6}  {ratio if peer.name == 'sc-neurocore' else '        -          -'}",
            flush=True,
        )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Microseconds per step, beside sc-neurocore where it is installed."
    )
    parser.add_argument(
        "--steps", type=int, default=1000, help="T, steps per sequence (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="sequences per number; the median counts (default: 3)"
    )
    parser.add_argument(
        "--sizes", type=int, default=len(SIZES), help="only the first so many sizes (default: all)"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    peer_class = find_peer()
    print(
        f"eprop {eprop.__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {pin_to_one_core()}"
    )
    print(
        f"{N_OUTPUTS} outputs, T = {options.steps}, input spikes p = {INPUT_PROBABILITY}, "
        "one update per step, CPU time of one thread"
    )
    print(HEADER if peer_class else "sc-neurocore is not installed (extra `bench`): no comparison\n")
    print(
        "                                   inference     training   firing            times faster than the peer"
    )
    print("n_inputs      N  engine              us/step      us/step per step  steps  inference   training")
    for n_inputs, n_neurons in SIZES[: options.sizes]:
        print_rows(n_inputs, n_neurons, rows_of_size(n_inputs, n_neurons, options, peer_class))
    return 0


if __name__ == "__main__":
    sys.exit(main())
