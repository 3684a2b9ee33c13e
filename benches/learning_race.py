"""Who is first at the target accuracy: CPU seconds of one core until a network has it, each side at its best.

``python benches/learning_race.py FOLDER [NAME ...] [--batches N ...] [--firing-rate HZ] [--update-every STEPS]``; the
folder as of `learning.py`, which has the problems. A side is a way of learning: e-prop, our backpropagation through
time (BPTT), snnTorch's, and that of a torch module written by hand. All have the same network, weights, data and
optimizer. Each has the batch size and the learning rate out of the same few with which one network of seed 100 is first at
the target accuracy; then other seeds are timed. The share of the validation part is looked at `LOOKS` times in a pass.
Looking is not timed.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from learning_problems import PROBLEMS, Data, Problem
from learning_runs import CHOSEN_WITH, Found, Method, has_torch, train

import eprop

RACES = ("digits", "mnist", "ecg")
"""The problems of the default."""
BATCHES = (128, 32, 8)
"""Sizes that each side may have; the largest first, since it is soon over in torch, and bounds the others."""
LOOKS = 4

OURS = (Method("e-prop"), Method("BPTT", "sequence"))
SNNTORCH = Method("BPTT, snnTorch", in_torch="snnTorch")
BY_HAND = Method("BPTT, torch by hand", in_torch="by hand")

COLUMNS = (
    "method",
    "batch",
    "lr",
    "CPU s to the target, median",
    "of them the slowest",
    "passes",
    "steps per second",
)


class Timed(NamedTuple):
    """Of a method: the batch size and rate that were first with `CHOSEN_WITH`, and of the other seeds the seconds to the
    target accuracy, the passes until then, and the steps per second of the median seed."""

    method: Method
    batch_size: int
    lr: float
    seconds: list[float]
    passes: float
    steps_per_second: float


def sides(problem: Problem, often: int | None, torch_is_there: bool) -> Iterator[Method]:
    yield from OURS
    if often is not None:
        yield Method(f"e-prop, an update every {often} steps", update_every=often)
    if torch_is_there and not problem.adapts:
        yield SNNTORCH
    if torch_is_there:
        yield BY_HAND


def rates(problem: Problem) -> tuple[float, ...]:
    """Those of the tables, and one above them: few large batches want it."""
    return (*problem.rates, 2.5 * max(problem.rates))


def race(
    problem: Problem, data: tuple[Data, Data], method: Method, batches: Sequence[int], seeds: int
) -> Timed:
    (credit,) = method.credits()

    def run(batch_size: int, lr: float, seed: int, limit: float = float("inf")) -> Found:
        sized = replace(problem, options=problem.options | {"batch_size": batch_size})
        return train(sized, data, seed, lr, looks=LOOKS, until=problem.bar, limit=limit, **credit)

    # Where none is there in time, the first of all.
    best, chosen = float("inf"), (batches[0], problem.rates[0])
    for batch_size in batches:
        for lr in rates(problem):
            if batch_size > len(data[0].inputs):
                continue
            seconds = run(batch_size, lr, CHOSEN_WITH, limit=best).seconds_to(problem.bar)
            if seconds < best:
                best, chosen = seconds, (batch_size, lr)
    if not np.isfinite(best):
        return Timed(method, *chosen, [best] * seeds, float("nan"), float("nan"))
    found = [run(*chosen, seed) for seed in range(seeds)]
    return Timed(
        method,
        *chosen,
        [f.seconds_to(problem.bar) for f in found],
        statistics.median(f.steps for f in found) / int(data[0].lengths.sum()),
        statistics.median(f.steps / f.seconds[-1] for f in found),
    )


def table_line(row: Timed) -> str:
    median = f"{statistics.median(row.seconds):.2f}", f"{max(row.seconds):.2f}"
    seconds = " | ".join(s.replace("inf", "not reached") for s in median)
    pace = f"{row.passes:.2f} | {row.steps_per_second:,.0f}"
    return f"| {row.method.name} | {row.batch_size} | {row.lr:g} | {seconds} | {pace} |"


def remarks(found: list[Timed]) -> Iterator[str]:
    """The seconds of each rival over those of each of ours."""
    for rival in (row for row in found if row.method.in_torch):
        seconds = statistics.median(rival.seconds)
        over = ", ".join(
            f"{row.method.name} {seconds / statistics.median(row.seconds):.1f}"
            for row in found
            if not row.method.in_torch
        )
        yield f"{rival.method.name} takes so many times as long as: {over}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Who is first at the target accuracy, each at its best.")
    parser.add_argument("folder", type=Path, help="of qtdb, fsdd/recordings and mnist10k/mnist10k.npz")
    names = f"of {', '.join(PROBLEMS)} (default: {', '.join(RACES)})"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--seeds", type=int, default=3, help="that are timed (default: 3)")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=BATCHES, help="sizes that each side may have"
    )
    parser.add_argument("--firing-rate", type=float, metavar="HZ", help="of the untaught network")
    parser.add_argument("--update-every", type=int, metavar="STEPS", help="e-prop with such updates joins")
    parser.add_argument("--ours", action="store_true", help="without rivals")
    parser.add_argument(
        "--quick", action="store_true", help="40 sequences, a target accuracy of 0: whether it runs at all"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - PROBLEMS.keys():
        parser.error(f"NAME: expected {', '.join(PROBLEMS)}, got {', '.join(sorted(unknown))}")
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}; one core")
    torch_is_there = not options.ours and has_torch()
    for name in options.names or RACES:
        problem = PROBLEMS[name]
        if options.firing_rate is not None:
            problem = replace(problem, firing_rate=options.firing_rate)
        learned, judged, _ = problem.load(options.folder)
        if options.quick:
            problem = replace(problem, bar=0.0)
            learned, judged = learned.take(slice(40)), judged.take(slice(40))
        print(
            f"\n{problem.name}; target accuracy {problem.bar:.0%} on the validation part, {problem.passes} passes at most"
        )
        print(f"| {' | '.join(COLUMNS)} |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        found = []
        for method in sides(problem, options.update_every, torch_is_there):
            found.append(race(problem, (learned, judged), method, options.batches, options.seeds))
            print(table_line(found[-1]), flush=True)
        print("\n".join(remarks(found)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
