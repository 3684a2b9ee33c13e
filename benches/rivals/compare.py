"""One table: microseconds per step and memory of eprop and of its rivals, the same network at the same activity.

Run by ``make bench-rivals``, or by hand: ``python benches/rivals/compare.py --help``. Every number comes from a process of
its own, all on one core with one thread. A rival that is not installed or fails is named, and the rest goes on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rows import DIFFERS, OURS, PEERS, Row
from work import INPUT_PROBABILITY, N_OUTPUTS, make_work

HERE = Path(__file__).parent
SIZES = [(100, 100), (100, 256), (700, 512), (1000, 1000)]
MEMORY_SIZE = (100, 256)
TIMEOUT = 900  # seconds for one number
ONE_THREAD = {
    **dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"], "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
# freed blocks are kept and used again: libraries that allocate at every step do not wait for the system
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
# freed blocks go back to the system at once: a second sequence's peak shows all that it needs
EXACT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}


class NotMeasuredError(Exception):
    """Says in one line why a row has no number."""


def run_measure(row: Row, work: Path, *arguments: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, str(HERE / "measure.py"), row.peer, str(work)]
    command += ["--options", json.dumps(row.options), *arguments]
    try:
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=os.environ | environment,
        )
    except subprocess.TimeoutExpired:
        raise NotMeasuredError(f"no result within {TIMEOUT} s") from None
    if run.returncode != 0:
        lines = [line for line in run.stderr.splitlines() if line.strip("- ")]
        missing = [line for line in lines if line.startswith("ModuleNotFoundError")]
        raise NotMeasuredError((missing or lines or [f"exit status {run.returncode}"])[-1])
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def steps_of(row: Row, n_inputs: int, n_neurons: int, n_steps: int) -> int:
    """All of them, or enough for about a second's steady number where they would take minutes."""
    if row.cost == 0.0:
        return n_steps
    affordable = 1e9 / (row.cost * n_neurons * (n_neurons + n_inputs))
    return min(n_steps, max(50, int(affordable)))


def print_times(n_inputs: int, n_neurons: int, rows: list[Row], options: argparse.Namespace) -> None:
    ours: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.npz"
        make_work(n_inputs, n_neurons, options.steps).save(path)
        for row in rows:
            label = f"{n_inputs:>8} {n_neurons:>5}  {row.name:<20}"
            n_steps = steps_of(row, n_inputs, n_neurons, options.steps)
            arguments = ["--steps", str(n_steps), "--seconds", str(options.seconds)]
            try:
                found = run_measure(row, path, *arguments, environment=ONE_THREAD | KEPT_MEMORY)
            except NotMeasuredError as reason:
                print(f"{label} not measured: {reason}", flush=True)
                continue
            if row in OURS:
                ours[row.name] = found["us"]
            numbers = f"{found['us']:>10.3f} {found['before']:>7.1%} {found['after']:>6.1%} {n_steps:>6}"
            print(f"{label} {numbers}  {verdict(row, n_neurons, found['us'], ours)}".rstrip(), flush=True)


def verdict(row: Row, n_neurons: int, microseconds: float, ours: dict[str, float]) -> str:
    if row.against not in ours:
        return ""
    ratio = microseconds / ours[row.against]
    bar = row.bar_at(n_neurons)
    judged = f"{bar:>5.0f}x  {'reached' if ratio >= bar else 'missed'}" if bar else f"{'-':>6}"
    return f"{ratio:>8.1f}x {judged:<15} {row.against}"


def print_memory(rows: list[Row], options: argparse.Namespace) -> None:
    n_inputs, n_neurons = MEMORY_SIZE
    lengths = [options.steps, 10 * options.steps]
    print(
        f"\nMemory, ({n_inputs}, {n_neurons}), MB: growth of the resident set while a second sequence is trained, and of"
        "\nthe whole process since its imports, with the network, its buffers and what compiling left."
    )
    heads = "".join(f"{f'T = {n}':>12} {'whole':>9}" for n in lengths)
    print(f"{'':<20}{heads}")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.npz" for n in lengths]
        for n, path in zip(lengths, paths, strict=True):
            make_work(n_inputs, n_neurons, n).save(path)
        for row in rows:
            print(f"{row.name:<20}", end="")
            for path in paths:
                try:
                    found = run_measure(row, path, "--memory", environment=ONE_THREAD | EXACT_MEMORY)
                except NotMeasuredError as reason:
                    print(f"  not measured: {reason}", end="")
                    break
                print(f"{found['sequence']:>12.1f} {found['whole']:>9.1f}", end="")
            print(flush=True)


def version_of(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution} not installed"


def pin_to_one_core() -> str:
    """This process and all that it starts."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system cannot)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="eprop beside its rivals: microseconds per step, and memory."
    )
    parser.add_argument(
        "--sizes", type=int, default=len(SIZES), help="only the first so many sizes (default: all)"
    )
    parser.add_argument(
        "--rivals",
        nargs="*",
        choices=list(DIFFERS),
        default=list(DIFFERS),
        help="(default: all)",
        metavar="NAME",
    )
    parser.add_argument(
        "--steps", type=int, default=1000, help="T, steps per sequence (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of training per number, at least (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one size, 200 steps, no repeats: does it run?")
    options = parser.parse_args(arguments)
    if options.quick:
        options.sizes, options.steps, options.seconds = 1, 200, 0.0
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    rows = OURS + [row for row in PEERS if row.rival in options.rivals]
    packages = ["eprop", "numpy", *options.rivals, "jax", "torch"]
    print(f"Python {platform.python_version()}, {', '.join(map(version_of, packages))}, {pin_to_one_core()}")
    print(
        f"{N_OUTPUTS} outputs, T = {options.steps}, input spikes p = {INPUT_PROBABILITY}, float32 but where said, "
        "SGD, CPU time of one thread, after compilation"
    )
    for rival in options.rivals:
        text = f"{rival}: {' '.join(DIFFERS[rival].split())}"
        print(textwrap.fill(text, 125, subsequent_indent="  ", break_on_hyphens=False))
    print(
        f"\n{'':>36} {'us per step':>11} {'firing per step':>15}         times slower than ours"
        f"\nn_inputs     N  {'row':<20} {'and sample':>10} {'before':>7} {'after':>6}  steps     ratio    bar"
    )
    for n_inputs, n_neurons in SIZES[: options.sizes]:
        print_times(n_inputs, n_neurons, rows, options)
    if Path("/proc/self/clear_refs").exists():
        print_memory(rows, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
