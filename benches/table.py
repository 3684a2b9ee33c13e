"""What a step of eprop costs beside what it has to cost, in one run on one core: tables, each number with its bar.

Run by ``make bench``, or by hand: ``python benches/table.py --help``. ``benches/engine`` (Rust) measures the crate; the
calls from Python, and sc-neurocore where it is installed, get the same weights, inputs and targets.
"""

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bars
import faces
import neurocore
import numpy as np
from bars import beside

import eprop
from eprop.optim import SGD

ROOT = Path(__file__).parents[1]
N_SIZES = 5
N_OUTPUTS = 10
ACTIVITY = (0.01, 0.05)  # the share of firing neurons in which the comparison means something

Line = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if shutil.which("cargo") is None:
        raise SystemExit("the crate's bench is a Rust program: cargo is not on the path")
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    print(
        f"eprop {eprop.__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {pin(cores)}\n"
        f"float32, T = {options.steps}, {N_OUTPUTS} outputs, an input spikes with p = 0.02; the least of several runs"
    )
    print_limits(engine("limits")[0])
    rows = engine("sizes", options.sizes, options.steps)
    add_python(rows, options)
    print_times(rows)
    print_ratios(rows)
    print_further(rows, cores, options)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Microseconds per step, and what is asked of them.")
    parser.add_argument("--long", action="store_true", help="also one sequence of 1,000,000 steps")
    parser.add_argument(
        "--quick", action="store_true", help="one size, short sequences: whether it runs at all"
    )
    parser.add_argument(
        "--sizes", type=int, default=N_SIZES, help="only the first so many sizes (default: all)"
    )
    options = parser.parse_args(arguments)
    options.steps, options.runs = (200, 1) if options.quick else (1000, 5)
    if options.quick:
        options.sizes = 1
    return options


def pin(cores: set[int] | None) -> str:
    """Pins this process, and those that it starts, to one core."""
    if cores is None:
        return "not pinned (this system cannot)"
    core = max(cores)
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def engine(*arguments: object) -> list[Line]:
    """What a part of ``benches/engine`` prints."""
    command = ["cargo", "run", "--release", "--quiet", "-p", "eprop-benches", "--bin", "engine", "--"]
    run = subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def add_python(rows: list[Line], options: argparse.Namespace) -> None:
    """To each row: `python_step`, and `neurocore` where it is installed and would not take minutes."""
    peer = neurocore.find()
    with tempfile.TemporaryDirectory() as folder:
        engine("work", options.sizes, options.steps, folder)
        for row in rows:
            n_inputs, n_neurons = int(row["n_inputs"]), int(row["n_neurons"])
            check_share("eprop", row["share_before"])
            check_share("eprop", row["share_after"])

            def read(name: str, width: int, size: str = f"{n_inputs}_{n_neurons}") -> np.ndarray:
                return np.fromfile(Path(folder, f"{name}_{size}.f32"), "<f4").reshape(-1, width)

            inputs, targets = read("inputs", n_inputs), read("targets", N_OUTPUTS)
            trainer = eprop.EpropTrainer(
                n_inputs, n_neurons, N_OUTPUTS, lr=faces.LR, optimizer=SGD(limit=False)
            )
            trainer.W_in = read("W_in", n_inputs)
            row["neurocore"] = (
                neurocore.measure(peer, trainer, inputs, targets, check_share)
                if peer is not None and n_neurons <= 1000
                else None
            )
            row["python_step"] = faces.single_steps(trainer, inputs, targets, options.runs)


def check_share(name: str, share: float) -> float:
    low, high = ACTIVITY
    if not low <= share <= high:
        raise SystemExit(
            f"{name}: {share:.2%} of the neurons fire per step, expected {low:.0%} to {high:.0%}"
        )
    return share


def print_limits(limits: Line) -> None:
    reads = ", ".join(f"{name} {limits[key]:.0f}" for name, key in LEVELS)
    print(
        f"this core, {limits['isa']}: reads {reads} GB/s; {limits['gflop_s']:.0f} GFlop/s of multiply-adds\n"
    )


LEVELS = [("L1", "l1_gb_s"), ("L2", "l2_gb_s"), ("L3", "l3_gb_s"), ("memory", "memory_gb_s")]


def print_times(rows: list[Line]) -> None:
    print(
        "us per step. rows alone: the weights of the step's spikes read once. sequence, every step: training with one"
    )
    print("update per sequence, with one per step, by plain descent; textbook: every trace at every step.")
    print("GB/s: of those rows, in inference.")
    header = ["n_inputs", "N", "firing", "rows alone", "inference", "sequence", "every step", "inference"]
    print_row([*header, "textbook", "step(), in", "sc-", "GB/s"])
    print_row([*[""] * 7, "every step", "", "Python", "neurocore", ""])
    for row in rows:
        n = row["n_neurons"]
        gb = 4e-9 * n * (row["share_before"] * n + 0.02 * row["n_inputs"])
        keys = ["rows", "infer", "sequence", "every", "every_infer", "textbook", "python_step", "neurocore"]
        times = [beside(row[key], unit="") for key in keys]
        size = [f"{row['n_inputs']:.0f}", f"{n:.0f}", f"{row['share_before']:.1%}"]
        print_row([*size, *times, f"{gb / row['infer'] * 1e6:.0f}"])
    print()


def print_ratios(rows: list[Line]) -> None:
    print(
        "ratios, in brackets what is asked for, ! where it is missed; limited: the default, steps that do not overshoot;"
    )
    print("auto: a step for each group of weights; MB: all that the trainer keeps")
    header = [
        "n_inputs",
        "N",
        "inference/rows",
        "sequence/inf.",
        "every/inf.",
        "limited/sequence",
        "limited/every",
        "auto/every",
        "textbook/every",
        "sc-neurocore/every",
    ]
    print_row([*header, "MB sequence", "MB every"], 19)
    for row in rows:
        n = int(row["n_neurons"])
        peer = None if row["neurocore"] is None else row["neurocore"] / row["every"]
        cells = [
            beside(row["infer"] / row["rows"], bars.infer_to_rows(n)),
            beside(row["sequence"] / row["infer"], bars.sequence_to_infer(n)),
            beside(row["every"] / row["infer"], bars.every_to_infer(n)),
            beside(row["sequence_limited"] / row["sequence"]),
            beside(row["every_limited"] / row["every"], bars.limited_to_every(n)),
            beside(row["every_auto"] / row["every"], bars.limited_to_every(n)),
            beside(row["textbook"] / row["every"]),
            beside(peer, bars.neurocore_to_every(n)),
            f"{row['sequence_mb']:.1f}",
            f"{row['every_mb']:.1f}",
        ]
        print_row([f"{row['n_inputs']:.0f}", f"{n}", *cells], 19)
    if any(row["neurocore"] is not None for row in rows):
        print(neurocore.DIFFERENCES)
    else:
        print("sc-neurocore is not installed (extra `bench`)")
    print()


def print_row(cells: list[str], width: int = 11) -> None:
    small = "".join(f"{cell:>9}" for cell in cells[:1]) + "".join(f"{cell:>7}" for cell in cells[1:2])
    print(small + "".join(f"{cell:>{width}}" for cell in cells[2:]), flush=True)


def print_further(rows: list[Line], cores: set[int] | None, options: argparse.Namespace) -> None:
    print_large(rows)
    print_call(rows)
    print_lengths(options)
    print_rates(options)
    print_adaptive(options)
    print_horizon(options)
    ours, alone = faces.dense(options.steps, options.runs)
    say(
        "dense analog input, (784, 256), sequence, against its two matrix products alone",
        f"{ours:.1f} / {alone:.1f} us",
        beside(ours / alone, bars.DENSE),
    )
    gain = faces.two_threads(options.steps, cores)
    text = beside(gain, bars.TWO_THREADS) if gain else "not measured: no batch_size, or one core"
    say("two threads on a batch of 32, (100, 256), sequence", text)
    say("import eprop, beyond import numpy", beside(faces.import_ms(), bars.IMPORT))
    say("wheel", beside(faces.wheel_mb(), bars.WHEEL))


def say(what: str, *numbers: str) -> None:
    print(f"{what}: {'  '.join(numbers)}", flush=True)


def print_large(rows: list[Line]) -> None:
    for row in rows:
        if row["n_neurons"] == 10_000:
            say(
                "(100, 10000), 10^8 synapses: sequence, every step",
                beside(row["sequence"], bars.SEQUENCE_LARGE),
                beside(row["every"], bars.EVERY_LARGE),
            )


def print_call(rows: list[Line]) -> None:
    row = rows[0]
    added = row["python_step"] - row["step"]
    say(
        f"a call of step() with a target from Python, N = {row['n_neurons']:.0f}, beyond the step in Rust",
        f"{row['python_step']:.2f} - {row['step']:.2f} us",
        beside(added, bars.CALL),
    )


def print_lengths(options: argparse.Namespace) -> None:
    lengths = [1000, 2000] if options.quick else [10_000, 100_000, *([1_000_000] if options.long else [])]
    lines = engine("lengths", *lengths)
    for what in ("inference", "sequence", "every"):
        found = [line for line in lines if line["what"] == what]
        times = [line["us"] for line in found]
        each = ", ".join(f"{line['us']:.3f} us at T = {line['length']:,.0f}" for line in found)
        say(
            f"long sequences, (100, 256), {what}",
            each,
            beside(max(times) / times[0], bars.LENGTH),
            "resident set grows by",
            beside(max((line["grown_mb"] or 0.0) for line in found), bars.GROWTH),
        )


def print_rates(options: argparse.Namespace) -> None:
    lines = engine("rates", options.steps)
    for usual, low in zip(lines[::2], lines[1::2], strict=True):
        size = f"({usual['n_inputs']:.0f}, {usual['n_neurons']:.0f})"
        ratios = [
            f"{key} {beside(low[key] / usual[key], bars.LOW_RATE)}" for key in ("infer", "sequence", "every")
        ]
        say(f"{low['share']:.1%} firing against {usual['share']:.1%}, {size}", *ratios)


def print_adaptive(options: argparse.Namespace) -> None:
    for line in engine("adaptive", options.sizes, options.steps):
        resting, moving = (check_share("eprop", line[key]) for key in ("share", "share_adaptive"))
        if abs(moving / resting - 1) > 0.05:
            raise SystemExit(f"adaptive neurons fire at {moving:.2%} of the steps, others at {resting:.2%}")
        ratios = [
            f"{what} {line[f'{key}_adaptive']:.2f} / {line[key]:.2f} us {beside(line[f'{key}_adaptive'] / line[key], bar)}"
            for what, key, bar in (
                ("sequence", "sequence", bars.ADAPTIVE_SEQUENCE),
                ("every step", "every", bars.ADAPTIVE_EVERY),
            )
        ]
        size = f"({line['n_inputs']:.0f}, {line['n_neurons']:.0f})"
        say(f"adaptive neurons against others, {size}, {moving:.2%} and {resting:.2%} firing", *ratios)


def print_horizon(options: argparse.Namespace) -> None:
    for line in engine("horizon", options.sizes, options.steps):
        size = f"({line['n_inputs']:.0f}, {line['n_neurons']:.0f}), B = {line['batch']:.0f}"
        say(
            f"horizon of T against sequence, {size}, per sample",
            f"{line['horizon']:.2f} / {line['sequence']:.2f} us",
            beside(line["horizon"] / line["sequence"]),
        )


if __name__ == "__main__":
    sys.exit(main())
