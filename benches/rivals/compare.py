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
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rows import DIFFERS, OURS, PEERS, Row, credited
from work import INPUT_PROBABILITY, N_OUTPUTS, make_work

HERE = Path(__file__).parent
SIZES = [(100, 100), (100, 256), (700, 512), (1000, 1000)]
MEMORY_SIZE = (100, 256)
CREDIT_SIZES = [(100, 256), (1000, 1000)]
CREDIT_BATCHES = [1, 32]
PARTS = ["times", "credit", "memory"]
TIMEOUT = 900  # seconds for one number
ONE_THREAD = {
    **dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"], "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
CLEAR_REFS = Path("/proc/self/clear_refs")  # where the kernel lets a process clear its peak
# freed blocks are kept and used again: libraries that allocate at every step do not wait for the system
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
# freed blocks go back to the system at once: a second sequence's peak shows all that it needs
EXACT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}


class NotMeasuredError(Exception):
    """Says in one line why a row has no number."""


def run_measure(row: Row, work: Path, *arguments: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, str(HERE / "measure.py"), row.peer, str(work)]
    command += ["--options", json.dumps(row.options), *arguments]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | environment)
        try:
            watch(process)
        finally:
            process.kill()
            process.wait()
        out.seek(0), err.seek(0)
        printed, complained = out.read(), err.read()
    if process.returncode != 0:
        lines = [line for line in complained.splitlines() if line.strip("- ")]
        missing = [line for line in lines if line.startswith("ModuleNotFoundError")]
        raise NotMeasuredError((missing or lines or [f"exit status {process.returncode}"])[-1])
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def watch(process: subprocess.Popen) -> None:
    """Waits for the end of a process that may neither take for ever nor most of the memory that is left."""
    status = Path(f"/proc/{process.pid}/status")
    limit_mb = 0.75 * field_mb(Path("/proc/meminfo"), "MemAvailable")
    end = time.monotonic() + TIMEOUT
    while process.poll() is None:
        if time.monotonic() > end:
            raise NotMeasuredError(f"no result within {TIMEOUT} s")
        if field_mb(status, "VmRSS") > limit_mb > 0.0:
            raise NotMeasuredError(f"needs more than {limit_mb:.0f} MB, three quarters of what is free")
        time.sleep(0.05)


def field_mb(file: Path, field: str) -> float:
    """A number of kB in a file of Linux as MB; 0 where there is none."""
    try:
        lines = [line for line in file.read_text().splitlines() if line.startswith(f"{field}:")]
    except OSError:
        return 0.0
    return float(lines[0].split()[1]) / 1024 if lines else 0.0


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
            if row.peer == "ours":
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


def print_all_times(rows: list[Row], options: argparse.Namespace) -> None:
    print(
        f"\n{'':>36} {'us per step':>11} {'firing per step':>15}         times slower than ours"
        f"\nn_inputs     N  {'row':<20} {'and sample':>10} {'before':>7} {'after':>6}  steps     ratio    bar"
    )
    for n_inputs, n_neurons in SIZES[: options.sizes]:
        print_times(n_inputs, n_neurons, rows, options)


def print_credit(options: argparse.Namespace) -> None:
    """Ours beside backpropagation through time: the gradient of all weights over T steps, and one update."""
    print(
        f"\nCredit through recurrent spikes over all T = {options.steps} steps, one update per sequence and batch of B;"
        "\nhorizon = T with recurrent_gain = 1 is backpropagation through time with the reset detached. MB: growth of the"
        "\nresident set while a second sequence is trained, and of the whole process since its imports."
    )
    print(
        f"{'':>40} {'us per step':>11} {'firing per step':>15} {'memory, MB':>17} times slower than ours"
        f"\nn_inputs     N    B  {'row':<19} {'and sample':>11} {'before':>8} {'after':>6}"
        f" {'second':>8} {'whole':>8}    ratio    bar"
    )
    for n_inputs, n_neurons in CREDIT_SIZES[: options.sizes]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "work.npz"
            make_work(n_inputs, n_neurons, options.steps).save(path)
            for batch in options.batches:
                ours: dict[str, float] = {}
                for row in credited(batch):
                    if row.rival in options.rivals or row.peer == "ours":
                        size = f"{n_inputs:>8} {n_neurons:>5} {batch:>4}  {row.name:<19}"
                        print(
                            f"{size} {credit_line(row, path, n_neurons, ours, options)}".rstrip(), flush=True
                        )


def credit_line(
    row: Row, path: Path, n_neurons: int, ours: dict[str, float], options: argparse.Namespace
) -> str:
    try:
        time_environment = ONE_THREAD | KEPT_MEMORY
        found = run_measure(row, path, "--seconds", str(options.seconds), environment=time_environment)
        numbers = f"{found['us']:>11.2f} {found['before']:>8.1%} {found['after']:>6.1%}"
        if CLEAR_REFS.exists():
            memory = run_measure(row, path, "--memory", environment=ONE_THREAD | EXACT_MEMORY)
            numbers += f" {memory['sequence']:>8.1f} {memory['whole']:>8.1f}"
        else:
            numbers += f" {'-':>8} {'-':>8}"
    except NotMeasuredError as reason:
        return f"not measured: {reason}"
    if row.peer == "ours":
        ours[row.name] = found["us"]
    return f"{numbers} {verdict(row, n_neurons, found['us'], ours)}"


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
    parser.add_argument(
        "--parts", nargs="*", choices=PARTS, default=PARTS, help="(default: all)", metavar="PART"
    )
    parser.add_argument("--quick", action="store_true", help="one size, 200 steps, no repeats: does it run?")
    options = parser.parse_args(arguments)
    options.batches = CREDIT_BATCHES
    if options.quick:
        options.sizes, options.steps, options.seconds, options.batches = 1, 200, 0.0, [1, 2]
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
    if "times" in options.parts:
        print_all_times(rows, options)
    if "credit" in options.parts:
        print_credit(options)
    if "memory" in options.parts and CLEAR_REFS.exists():
        print_memory(rows, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
