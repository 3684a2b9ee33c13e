"""How far untouched defaults get, and whether anything runs away: twelve problems, three seeds.

Run by ``make bench-stability``, or by hand: ``python benches/stability.py --help``. A number is the larger of two: the
loss (or the share of errors) of the last third of training, judged before each step or update, and that of the frozen
network on a part that was held out. Ratios are to plain gradient descent at the best of eight rates, chosen by that number.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import bars
import numpy as np
import scales
from bars import beside
from constants import print_constants
from learners import Learner, Outcome, learn, learners
from problems import AbsentError, Problem, Task
from scale_problems import SCALES
from sequence_problems import sequences
from stream_problems import STREAMS

import eprop

RATES = {
    "plain": (1e-4, 1e-3, 1e-2, 1e-1),
    "sgd": (1e-4, 1e-3, 1e-2, 1e-1),  # up to 10 times the default
    "auto": (0.05, 0.5, 1.5, 3.0),  # 0.1 to 6 times the default
}
NAME = 24


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    start = time.perf_counter()
    known, absent = learners()
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, {options.seeds} seeds")
    for line in absent:
        print(line)
    if options.sweep:
        print_sweep(options, known)
    if options.scales:
        print_scales(options, known)
    if options.constants:
        print_constants(10 * options.seeds)
    if not (options.sweep or options.scales or options.constants):
        print_defaults(options, known)
    print(f"{time.perf_counter() - start:.0f} s")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What untouched defaults learn, beside plain descent.")
    parser.add_argument("--sweep", action="store_true", help="instead: which of many rates run away")
    parser.add_argument(
        "--scales", action="store_true", help="instead: inputs, rates, lengths and outputs of other sizes"
    )
    parser.add_argument(
        "--constants", action="store_true", help="instead: one short sequence, again and again"
    )
    parser.add_argument("--seeds", type=int, default=3, help="networks and data of each problem (default: 3)")
    parser.add_argument("--ecg", type=Path, metavar="FOLDER", help="where QTDB_train.mat is")
    parser.add_argument("--only", default="", metavar="NAME", help="problems with this in their name")
    parser.add_argument("--quick", action="store_true", help="one seed, an eighth: whether it runs at all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds = 1
    return options


def tasks(problems: list[Problem], options: argparse.Namespace) -> Iterator[tuple[Problem, list[Task]]]:
    """The problems that can be had, each with a task per seed; of the others a line says why not."""
    for problem in problems:
        if options.only not in problem.name:
            continue
        try:
            made = [problem.make(seed) for seed in range(options.seeds)]
        except AbsentError as error:
            print(f"{problem.name:<{NAME}} left out: {error}")
            continue
        if options.quick:
            made = [replace(task, train=task.train[: max(1, len(task.train) // 8)]) for task in made]
        yield problem, made


def runs(made: list[Task], learner: Learner, lr: float | None = None) -> list[Outcome]:
    return [learn(task, learner, seed, lr) for seed, task in enumerate(made)]


def mean(outcomes: list[Outcome], of: Callable[[Outcome], float] = lambda outcome: outcome.score) -> float:
    return float(np.mean([of(outcome) for outcome in outcomes]))


# Untouched defaults


def print_defaults(options: argparse.Namespace, known: dict[str, Learner]) -> None:
    others = [learner for name, learner in known.items() if name != "plain"]
    print(
        "judged before taught / frozen on a held-out part; in brackets what is asked for, ! where it is missed"
    )
    best = f"{'start':>8}{'plain at':>10}{'judged / frozen':>18}"
    columns = "".join(f"{learner.name:>18}{'to plain':>17}" for learner in others)
    print(f"{'':<{NAME}}{best}{columns}", flush=True)
    ratios: dict[str, list[float]] = {learner.name: [] for learner in others}
    for problem, made in tasks([*STREAMS, *sequences(options.ecg)], options):
        plain = {lr: runs(made, known["plain"], lr) for lr in problem.rates()}
        lr = min(plain, key=lambda rate: mean(plain[rate]))
        start = mean(plain[lr], lambda outcome: outcome.start)
        cells = [f"{start:>8.3g}{lr:>9.0e}{edge(lr, problem)}{both(plain[lr]):>18}"]
        for learner in others:
            outcomes = runs(made, learner)
            ratio = mean(outcomes) / mean(plain[lr])
            ratios[learner.name].append(ratio)
            cells.append(f"{both(outcomes):>18}{beside(ratio, bars.DEFAULTS_MISSED):>17}")
        print(f"{problem.name:<{NAME}}{''.join(cells)}", flush=True)
    print_summary(ratios)


def edge(lr: float, problem: Problem) -> str:
    """A mark where a rate beyond the eight might be better."""
    return "~" if lr in (problem.rates()[0], problem.rates()[-1]) else " "


def both(outcomes: list[Outcome]) -> str:
    judged, frozen = mean(outcomes, lambda o: o.judged), mean(outcomes, lambda o: o.frozen)
    return f"{judged:.3g} / {frozen:.3g}"


def print_summary(ratios: dict[str, list[float]]) -> None:
    for name, found in ratios.items():
        if not found:
            continue
        missed = sum(not bars.DEFAULTS_MISSED.holds(ratio) for ratio in found)
        share = "" if bars.SHARE_MISSED.holds(missed / len(found)) else "!"
        print(
            f"{name}: geometric mean {beside(geometric_mean(found), bars.DEFAULTS_MEAN)}, above "
            f"{bars.DEFAULTS_MISSED.limit:g}x in {missed} of {len(found)}{share}, "
            f"worst {beside(max(found), bars.DEFAULTS_WORST)}"
        )


def geometric_mean(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


# Rates


def print_sweep(options: argparse.Namespace, known: dict[str, Learner]) -> None:
    swept = {name: known[name] for name in RATES if name in known}
    print("runs that diverge (a tenth of the training loses ten times what the untaught network does)")
    for name in swept:
        print(f"{name}: lr {', '.join(f'{lr:g}' for lr in RATES[name])}")
    print(f"{'':<{NAME}}{''.join(f'{name:>12}' for name in swept)}", flush=True)
    counts = {name: [0, 0] for name in swept}
    for problem, made in tasks([*STREAMS, *sequences(options.ecg)], options):
        cells = []
        for name, learner in swept.items():
            diverged = [o.diverged for lr in RATES[name] for o in runs(made, learner, lr)]
            counts[name] = [counts[name][0] + sum(diverged), counts[name][1] + len(diverged)]
            cells.append(f"{sum(diverged):>6} of {len(diverged):>2}")
        print(f"{problem.name:<{NAME}}{''.join(f'{cell:>12}' for cell in cells)}", flush=True)
    for name, (n_diverged, n) in counts.items():
        mark = "" if name == "plain" or bars.NO_RUN.holds(n_diverged) else "!"
        print(f"{name}: {n_diverged} of {n} runs diverge{mark}")


# Scales


def print_scales(options: argparse.Namespace, known: dict[str, Learner]) -> None:
    print(scales.LEGEND)
    shown = [learner for name, learner in known.items() if name != "plain"]
    if "sgd" in known:
        shown.insert(1, replace(known["sgd"], name=f"sgd, every {scales.EVERY}", every=scales.EVERY))
    print(f"{'':<{2 * NAME - 12}}{scales.header(shown)}", flush=True)
    for problem, made in tasks(SCALES, options):
        for network, cells in scales.rows(made, known["plain"], shown):
            print(f"{problem.name:<{NAME}}{network:<{NAME - 12}}{cells}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
