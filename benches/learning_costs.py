"""Where the time of `learning_race.py` goes: CPU microseconds of a step of one sequence, by batch and by length.

``python benches/learning_costs.py FOLDER [NAME]``; the folder as of `learning.py`. A sequence is repeated to make it longer;
what falls then belongs to the sequence, and not to its steps. The least of three times.
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
from pathlib import Path
from typing import Any

import numpy as np
from learning_problems import PROBLEMS, Data, Problem
from learning_runs import build, has_torch

BATCHES = (1, 8, 32, 128)
REPEATS = (1, 10)
RATE = 1e-7
"""Every update is carried out, and the activity stays what it was."""


def seconds(call: Callable[[], Any], least: float) -> float:
    """CPU seconds of a call, the least of three times that take so many seconds at least."""
    call()
    found = []
    for _ in range(3):
        start, n = time.process_time(), 0
        while time.process_time() - start < least or n == 0:
            call()
            n += 1
        found.append((time.process_time() - start) / n)
    return min(found)


def calls(
    problem: Problem, learned: Data, size: int, repeats: int, torch_is_there: bool
) -> Iterator[tuple[str, Callable[[], Any], int]]:
    """What is timed, and the steps of all sequences that a call takes."""
    inputs, labels, lengths = learned.take(slice(size))
    inputs, labels = np.tile(inputs, (1, repeats, 1)), np.tile(labels, (1, repeats))
    steps, lengths = inputs.shape[0] * inputs.shape[1], np.full(len(lengths), inputs.shape[1])
    trainer = build(problem, 0, learned, batch_size=size)
    bptt = build(problem, 0, learned, batch_size=size, horizon="sequence", recurrent_gain=1.0)
    trainer.lr = bptt.lr = RATE
    given = {"lengths": lengths, "n_threads": 1}
    yield "the network alone", lambda: trainer.predict_sequence(inputs, **given), steps
    yield "e-prop", lambda: trainer.train_sequence(inputs, labels, **given), steps
    yield "BPTT", lambda: bptt.train_sequence(inputs, labels, **given), steps
    if torch_is_there and repeats == 1:
        from learning_torch import InTorch

        for name, by_hand in (("BPTT, snnTorch", False), ("BPTT, torch by hand", True)):
            if by_hand or not problem.adapts:
                twin = InTorch(trainer, by_hand=by_hand)
                yield name, lambda twin=twin: twin.learn(inputs, labels, RATE), steps


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Where the time of learning_race.py goes.")
    parser.add_argument("folder", type=Path, help="of qtdb, fsdd/recordings and mnist10k/mnist10k.npz")
    parser.add_argument("name", nargs="?", default="digits", choices=PROBLEMS, help="(default: digits)")
    parser.add_argument("--quick", action="store_true", help="one call each: whether it runs at all")
    options = parser.parse_args(arguments)
    torch_is_there = not options.quick and has_torch()
    problem = PROBLEMS[options.name]
    learned, _, _ = problem.load(options.folder)
    found: dict[str, list[str]] = {}
    sizes = [size for size in BATCHES if size <= len(learned.inputs)]
    for repeats in REPEATS:
        for size in sizes:
            for name, call, steps in calls(problem, learned, size, repeats, torch_is_there):
                title = name if repeats == 1 else f"{name}, {repeats} times as long"
                each = 1e6 * seconds(call, 0.0 if options.quick else 0.2) / steps
                found.setdefault(title, []).append(f"{each:.1f}")
    print(f"| us of a step, batch of | {' | '.join(str(size) for size in sizes)} |")
    print("| --- " * (len(sizes) + 1) + "|")
    for title, row in found.items():
        print(f"| {title} | {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
