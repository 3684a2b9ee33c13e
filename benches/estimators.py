"""What estimators learn that nobody has tuned: accuracies of ``EpropClassifier(random_state=seed).fit(X, y)`` on test data.

``python benches/estimators.py FOLDER``; the folder has japanese_vowels/ (JapaneseVowels_TRAIN.ts, JapaneseVowels_TEST.ts)
and fsdd/recordings/ (0_jackson_10.wav, ...). What is absent is left out. Without a folder, the digits of scikit-learn and
patterns of spikes are learned.
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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bars import Bar, beside
from estimator_data import Task, all_words, digits, held_out, japanese_vowels, spike_patterns

import eprop
from eprop.sklearn import EpropClassifier

MEDIANS: dict[str, float] = {}
APART = Bar(0.02, "")
SPIKES = (0.002, 0.02, 0.3)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}", flush=True)
    chosen = [name for name in GROUPS if not options.only or name in options.only]
    for name in chosen:
        GROUPS[name](options)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What estimators learn that nobody has tuned.")
    parser.add_argument("folder", nargs="?", type=Path, help="of japanese_vowels/ and fsdd/recordings/")
    parser.add_argument("--seeds", type=int, default=5, help="networks and splits (default: 5)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="some of the groups")
    parser.add_argument("--quick", action="store_true", help="one seed, one pass: whether it runs at all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds = 1
    return options


def learn_digits(options: argparse.Namespace) -> None:
    measure(options, "digits (n, 64)", digits, Bar(0.96, "", at_least=True))


def learn_rows(options: argparse.Namespace) -> None:
    measure(options, "digits, rows as 8 steps", partial(digits, rows=True), Bar(0.95, "", at_least=True))


def learn_vowels(options: argparse.Namespace) -> None:
    folder = options.folder / "japanese_vowels" if options.folder else None
    if folder is None or not folder.is_dir():
        print("japanese vowels: left out, FOLDER/japanese_vowels is absent")
        return
    task = japanese_vowels(folder)
    measure(options, "japanese vowels", lambda seed: task, Bar(0.95, "", at_least=True))


def learn_spoken(options: argparse.Namespace) -> None:
    folder = options.folder / "fsdd" / "recordings" if options.folder else None
    if folder is None or not folder.is_dir():
        print("spoken digits: left out, FOLDER/fsdd/recordings is absent")
        return
    X, y = all_words(folder)
    # Speakers are mixed: a fifth of the recordings of each digit is held out.
    measure(options, "spoken digits", lambda seed: held_out(X, y, seed, 0.2), Bar(0.95, "", at_least=True))


def learn_scales(options: argparse.Namespace) -> None:
    """The digits in other units."""
    changes: dict[str, Callable[[Any], Any]] = {
        "digits (n, 64)": lambda X: X,
        "digits x 0.01": lambda X: 0.01 * X,
        "digits x 100": lambda X: 100.0 * X,
        "digits + 5": lambda X: X + 5.0,
    }
    medians = [
        measure(options, name, lambda seed, change=change: changed(digits(seed), change))
        for name, change in changes.items()
    ]
    print(f"digits in other units, largest difference: {beside(max(medians) - min(medians), APART)}")


def changed(task: Task, change: Callable[[Any], Any]) -> Task:
    return task._replace(X=change(task.X), X_test=change(task.X_test))


def learn_spikes(options: argparse.Namespace) -> None:
    """Patterns of spikes, few and many."""
    medians = [
        measure(options, f"spikes at {rate:.1%}", partial(spike_patterns, rate=rate)) for rate in SPIKES
    ]
    print(f"spikes at other rates, largest difference: {beside(max(medians) - min(medians), APART)}")


GROUPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "digits": learn_digits,
    "rows": learn_rows,
    "vowels": learn_vowels,
    "spoken": learn_spoken,
    "scales": learn_scales,
    "spikes": learn_spikes,
}


def measure(
    options: argparse.Namespace, name: str, task_of: Callable[[int], Task], bar: Bar | None = None
) -> float:
    """The median accuracy over the seeds, printed with all of them; what was measured before is not again."""
    if name in MEDIANS:
        return MEDIANS[name]
    accuracies, start = [], time.process_time()
    for seed in range(options.seeds):
        task = task_of(seed)
        model = EpropClassifier(random_state=seed, **({"max_iter": 1} if options.quick else {}))
        accuracies.append(model.fit(task.X, task.y).score(task.X_test, task.y_test))
    median = MEDIANS[name] = statistics.median(accuracies)
    each = " ".join(f"{accuracy:.3f}" for accuracy in accuracies)
    seconds = (time.process_time() - start) / options.seeds
    shown = f"{median:.4f}" if bar is None else beside(median, bar)
    print(f"{name}: {shown} ({each}), {seconds:.0f} s of processor time each", flush=True)
    return median


if __name__ == "__main__":
    sys.exit(main())
