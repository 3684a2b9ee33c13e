"""What e-prop gives up: the same networks taught by e-prop, with a horizon, and by backpropagation through time.

``python benches/learning.py FOLDER [NAME ...] [--seeds N] [--torch-seeds N] [--figure FILE]``; the folder has qtdb,
fsdd/recordings and mnist10k/mnist10k.npz, and a problem whose recordings are missing is left out. All methods have the same
network, data, passes and optimizer. Each has the learning rate, and where credit goes through recurrent spikes the
`recurrent_gain`, that one network of seed 100 did best with on validation data, taught for a third of the passes. Then
other seeds are scored on the test part, once. Where torch and snnTorch are installed (``pip install '.[torch]'``), the
last line is backpropagation there, from the same weights, at the rate of our own at a gain of 1, since the gradient is the
same: by snnTorch's layers, or for neurons that adapt, which snnTorch has none of, by a torch module written by hand. Who is
first at the target accuracy, each at its best: `learning_race.py`.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from learning_problems import PROBLEMS, Parts, Problem
from learning_runs import CHOSEN_WITH, Method, has_torch, share_right, train

import eprop

STEPS = (1000, 16_000)
"""Of the sequences whose memory is shown."""
GAINS = (0.1, 0.2, 0.3, 1.0)
"""Of `recurrent_gain`; 1 is the gradient of backpropagation through time."""

COLUMNS = (
    "method",
    "lr",
    "recurrent_gain",
    "right in the test part, median",
    "CPU s to the target",
    "steps per second",
    "KiB at 1,000 and 16,000 steps",
)

METHODS = (
    Method("e-prop"),
    Method("horizon 10", 10, GAINS),
    Method("horizon 50", 50, GAINS),
    Method("BPTT", "sequence", GAINS),
    Method("BPTT, snnTorch", in_torch="snnTorch"),
)


def methods(problem: Problem, torch_is_there: bool) -> Iterator[Method]:
    for method in METHODS:
        if method.in_torch and not torch_is_there:
            continue
        if method.in_torch and problem.adapts:
            method = replace(method, name="BPTT, torch, adaptive by hand", in_torch="by hand")
        yield method


def memory(problem: Problem, steps: int, **credit: Any) -> int:
    """Bytes that a trainer holds after a sequence of so many steps."""
    options = {"update_every": "sequence"} | problem.options | {"batch_size": 1} | credit
    trainer = eprop.EpropTrainer(*problem.sizes, loss="cross_entropy", **options)
    x = np.random.default_rng(0).random((steps, problem.sizes[0]), np.float32)
    trainer.train_sequence(x, np.zeros(steps, np.int64))
    return trainer.memory_bytes


class Row(NamedTuple):
    """Of a method: what was chosen, the test part's share of each seed, CPU seconds to the target accuracy of each, steps
    per second of the median seed, and KiB after sequences of `STEPS`. `differ`: as in `Found`, the largest of all seeds."""

    method: Method
    lr: float
    gain: float
    shares: list[float]
    to_bar: list[float]
    steps_per_second: float
    kib: tuple[int, int] | None
    differ: float


def rows(
    problem: Problem, parts: Parts, seeds: int, torch_seeds: int, held: tuple[int, int]
) -> Iterator[Row]:
    """A row for each method; `torch_seeds` is 0 where torch is missing."""
    learned, judged, test = parts
    few, undamped = -(-problem.passes // 3), {}
    for method in methods(problem, torch_seeds > 0):
        credits = method.credits()
        if method.in_torch:
            tried = undamped
        else:
            tried = {
                (lr, at): train(problem, (learned, judged), CHOSEN_WITH, lr, passes=few, **credit).shares[-1]
                for at, credit in enumerate(credits)
                for lr in problem.rates
            }
        lr, at = max(tried, key=lambda key: tried[key])
        if method.horizon == "sequence":
            # Torch's gradient is that of our BPTT at a gain of 1, and so would be its choice: it need not be made again.
            undamped = {(lr, 0): share for (lr, at), share in tried.items() if method.gains[at] == 1.0}
        scored = range(torch_seeds if method.in_torch else seeds)
        found = [train(problem, (learned, judged), seed, lr, **credits[at]) for seed in scored]
        yield Row(
            method,
            lr,
            method.gains[at],
            [share_right(f.learner, test, at_each_step=problem.at_each_step) for f in found],
            [f.seconds_to(problem.bar) for f in found],
            statistics.median(f.steps / f.seconds[-1] for f in found),
            None
            if method.in_torch
            else (
                memory(problem, held[0], **credits[at]) >> 10,
                memory(problem, held[1], **credits[at]) >> 10,
            ),
            max(f.differ for f in found),
        )


def table_line(row: Row) -> str:
    shares = f"{statistics.median(row.shares):.1%} ({min(row.shares):.1%} to {max(row.shares):.1%})"
    gain = "" if row.method.horizon == 1 else f"{row.gain:g}"
    to_bar = statistics.median(row.to_bar)
    reached = f"{to_bar:.1f}" if np.isfinite(to_bar) else "not reached"
    held = f"{row.kib[0]:,}; {row.kib[1]:,}" if row.kib else "not measured"
    pace = f"{row.steps_per_second:,.0f}"
    return f"| {row.method.name} | {row.lr:g} | {gain} | {shares} | {reached} | {pace} | {held} |"


def remarks(found: list[Row]) -> Iterator[str]:
    """What of the gap between e-prop and our BPTT a horizon closes; how like ours a network in torch fires at the start."""
    medians = {row.method.horizon: statistics.median(row.shares) for row in found if not row.method.in_torch}
    gap = medians["sequence"] - medians[1]
    yield f"BPTT over e-prop: {100 * gap:+.1f} points"
    if gap > 0.0:
        yield from (
            f"horizon {horizon} closes {(medians[horizon] - medians[1]) / gap:.0%} of that"
            for horizon in (10, 50)
        )
    for row in found:
        if row.method.in_torch:
            yield (
                f"{row.method.name}: {len(row.shares)} seeds; spikes that are not ours before it learns: {row.differ:.2%}"
            )


# Name, median, least and most of the shares, and KiB at the larger of `STEPS`.
LINE = re.compile(
    r"\| ([^|]+) \| [^|]+ \| [^|]* \| ([\d.]+)% \(([\d.]+)% to ([\d.]+)%\) \|"
    r" .* \| (?:[\d,]+; ([\d,]+)|not measured) \|"
)


def printed(logs: list[Path]) -> dict[str, list[Row]]:
    """What a figure shows of the tables that earlier runs have printed."""
    found: dict[str, list[Row]] = {}
    title = ""
    for line in "\n".join(log.read_text(encoding="utf-8") for log in logs).splitlines():
        if ", target accuracy " in line:
            title = line.split(";")[0]
        elif row := LINE.match(line):
            name, median, least, most, kib = row.groups()
            shares = [float(share) / 100 for share in (least, median, most)]
            held = None if kib is None else (0, int(kib.replace(",", "")))
            found.setdefault(title, []).append(Row(Method(name), 0.0, 0.0, shares, [], 0.0, held, 0.0))
    return found


MARKERS = "os^Dv"
"""Of the methods, in the order of a table: they can be told apart without colour."""


def draw(found: dict[str, list[Row]]) -> Any:
    """A figure of the shares by method, and against the memory of a sequence of 16,000 steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.1 * len(found)), layout="constrained")
    handles: dict[str, Any] = {}
    panels = figure.subplots(len(found), 2, squeeze=False)
    for at, ((left, right), (problem, rows)) in enumerate(zip(panels, found.items(), strict=True)):
        for place, (row, marker) in enumerate(zip(rows, MARKERS, strict=False)):
            style = {"fmt": marker, "color": f"C{place}", "capsize": 3, "markersize": 5}
            shares = [100 * share for share in row.shares]
            middle = statistics.median(shares)
            spread = [[middle - min(shares)], [max(shares) - middle]]
            # What torch trains by hand is the same method.
            name = "BPTT, torch" if row.method.name.startswith("BPTT, ") else row.method.name
            handles.setdefault(name, left.errorbar([place], [middle], yerr=spread, **style))
            if row.kib:
                right.errorbar([row.kib[1]], [middle], yerr=spread, **style)
        left.set(xticks=[], xlim=(-0.5, len(rows) - 0.5), ylabel="right in the\ntest part (%)")
        left.set_title(problem.split(",")[0], fontsize=8, loc="left")
        right.set(xscale="log", xlabel="memory at 16,000 steps (KiB)")
        right.margins(x=0.2)
        for axes, letter in zip((left, right), "abcdefghij"[2 * at :], strict=False):
            axes.tick_params(labelsize=8)
            axes.xaxis.label.set_size(8)
            axes.yaxis.label.set_size(8)
            axes.text(-0.04, 1.04, letter, transform=axes.transAxes, ha="right", weight="bold", fontsize=9)
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=3, fontsize=8, frameon=False
    )
    return figure


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What e-prop gives up beside backpropagation through time.")
    parser.add_argument("folder", type=Path, help="of qtdb, fsdd/recordings and mnist10k/mnist10k.npz")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROBLEMS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="that are scored (default: 5)")
    parser.add_argument(
        "--torch-seeds", type=int, metavar="N", help="of torch, which is slow (default: as many)"
    )
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draws the shares, too")
    parser.add_argument(
        "--printed", type=Path, nargs="+", metavar="LOG", help="only draws what runs have printed"
    )
    parser.add_argument("--quick", action="store_true", help="40 sequences, one seed: whether it runs at all")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - PROBLEMS.keys():
        parser.error(f"NAME: expected {', '.join(PROBLEMS)}, got {', '.join(sorted(unknown))}")
    if options.printed:
        if options.figure is None:
            parser.error("--printed: expected a --figure to draw it in")
        draw(printed(options.printed)).savefig(options.figure, dpi=150)
        return 0
    seeds = 1 if options.quick else options.seeds
    torch_seeds = min(seeds, seeds if options.torch_seeds is None else options.torch_seeds)
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {seeds - 1}; one core")
    torch_seeds = torch_seeds if has_torch() else 0
    found: dict[str, list[Row]] = {}
    for name in options.names or PROBLEMS:
        problem = PROBLEMS[name]
        print(
            f"\n{problem.name}; {problem.passes} passes, target accuracy {problem.bar:.0%} on the validation part"
        )
        try:
            parts = problem.load(options.folder)
        except FileNotFoundError as missing:
            print(f"left out: {missing}")
            continue
        learned, judged, test = (part.take(slice(40)) for part in parts) if options.quick else parts
        print(f"| {' | '.join(COLUMNS)} |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        of_problem: list[Row] = []
        held = (100, 400) if options.quick else STEPS
        for row in rows(problem, (learned, judged, test), seeds, torch_seeds, held):
            of_problem.append(row)
            print(table_line(row), flush=True)
        print("\n".join(remarks(of_problem)), flush=True)
        found[problem.name] = of_problem
    if options.figure is not None and found:
        draw(found).savefig(options.figure, dpi=150)
    return 0


if __name__ == "__main__":
    sys.exit(main())
