"""How well the presets of `eprop.tasks` learn, seed by seed: ``benches/tasks.py [NAME ...] [--seeds N] [--data FOLDER]``.

``--untouched``: sizes, neurons and horizon of a preset, and the optimizer, batches and updates that a trainer has by itself:
descent with its limit, one trial at a time, an update at every step. ``--optimizer NAME``: another one, at its own rate.

Those of recordings are there with ``--data``: a folder of mnist10k/mnist10k.npz, fsdd/recordings, japanese_vowels, qtdb and
elec2/electricity.csv, of which any may be missing.
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
from pathlib import Path
from typing import Any

import numpy as np

import eprop
from eprop.tasks import (
    copy_delay,
    delayed_match,
    digit_rows,
    ecg,
    elec2,
    evidence,
    mackey_glass,
    mnist_rows,
    spoken_digits,
    store_recall,
    vowels,
)

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


Own = dict[str, Any]
"""What a preset is told: nothing, or other ways to learn."""


def of_trials(task: Any, **changes: Any) -> Callable[[int, Own], float]:
    return lambda seed, own: task.run(seed, task.Preset(**changes, **own)).wrong


# What a figure counts, and how to get it. The second of a pair of recall is the same network without adaptation.
TASKS: dict[str, tuple[str, Callable[[int, Own], float]]] = {
    "evidence": ("share of 512 fresh trials that are wrong", of_trials(evidence)),
    "store-recall": ("share of 512 fresh trials that are wrong", of_trials(store_recall)),
    "store-recall-lif": ("the same, of LIF neurons", of_trials(store_recall, beta=0.0)),
    "delayed-match": ("share of 512 fresh trials that are wrong", of_trials(delayed_match)),
    "copy-delay": ("share of 512 fresh trials with a wrong symbol", of_trials(copy_delay)),
    "mackey-glass": (
        "error in standard deviations",
        lambda seed, own: mackey_glass.run(seed, mackey_glass.Preset(**own)).nrmse,
    ),
    "digit-rows": (
        "share of the held-out quarter that is right",
        lambda seed, own: digit_rows.run(seed=seed, preset=digit_rows.Preset(**own)).right,
    ),
}
_ALONE: Own = {"optimizer": "sgd", "lr": None, "batch_size": 1, "update_every": 1}
_HEARTBEATS: Own = _ALONE | {
    "update_every": 50
}  # the end of a horizon is the first step at which it can learn
UNTOUCHED: dict[str, Own] = {
    "evidence": _ALONE | {"feedback": "symmetric", "c_reg": 0.0, "iterations": 64_000},
    "store-recall": _ALONE | {"iterations": 9_600},
    "store-recall-lif": _ALONE | {"iterations": 9_600},
    "delayed-match": _ALONE | {"iterations": 204_800},
    "copy-delay": _ALONE | {"iterations": 16_000},
    "mackey-glass": {"optimizer": "sgd", "lr": None, "update_every": 1},
    "digit-rows": {"lr": None, "batch_size": "auto"},
    "ecg": _HEARTBEATS,
    "ecg-256": _HEARTBEATS,
}
"""What `--untouched` tells a preset: a trainer's defaults, or for digits those of an estimator. An iteration is a trial
then: 4, 2, 2, 16 and 1 times as many trials as the presets have. Those that are not here leave the optimizer alone."""


def strangers(folder: Path, seed: int) -> float:
    """Mean over the speakers, each held out in turn."""
    loads = (spoken_digits.load(folder, speaker=speaker) for speaker in SPEAKERS)
    return float(np.mean([spoken_digits.run(data, seed).right for data in loads]))


def of_heartbeats(**changes: Any) -> Callable[[Path, int, Own], float]:
    def right(folder: Path, seed: int, own: Own) -> float:
        preset = ecg.Preset(**(changes | own))
        return 1.0 - ecg.run(ecg.load(folder), ecg.load(folder, "test"), seed, preset).wrong

    return right


# The same of recordings: where they are in the folder, too.
OF_RECORDINGS: dict[str, tuple[str, str, Callable[[Path, int, Own], float]]] = {
    "mnist-rows": (
        "mnist10k/mnist10k.npz",
        "share of 2,000 held-out images that is right",
        lambda path, seed, own: mnist_rows.run(mnist_rows.load(path), seed, mnist_rows.Preset(**own)).right,
    ),
    "spoken-digits": (
        "fsdd/recordings",
        "share of the held-out tenth that is right",
        lambda path, seed, _: spoken_digits.run(spoken_digits.load(path, seed), seed).right,
    ),
    "spoken-digits-strangers": (
        "fsdd/recordings",
        "share that is right of a speaker who was never heard, mean of six",
        lambda path, seed, _: strangers(path, seed),
    ),
    "vowels": (
        "japanese_vowels",
        "share of the test set that is right",
        lambda path, seed, _: vowels.run(vowels.load(path), seed).right,
    ),
    "ecg": ("qtdb", "share of the test set's labelled steps that is right", of_heartbeats()),
    "ecg-256": (
        "qtdb",
        "the same, of 256 neurons",
        of_heartbeats(n_neurons=256, shortest=10.0, longest=1500.0, lr=0.01),
    ),
    "elec2": (
        "elec2/electricity.csv",
        "share of half-hours judged rightly before they were learned",
        lambda path, seed, _: elec2.run(elec2.load(path), seed).right,
    ),
}


def of_recordings(folder: Path | None) -> dict[str, tuple[str, Callable[[int, Own], float]]]:
    """Those whose recordings are there."""
    if folder is None:
        return {}
    found = {name: (folder / place, what, run) for name, (place, what, run) in OF_RECORDINGS.items()}
    return {
        name: (what, lambda seed, own, path=path, run=run: run(path, seed, own))
        for name, (path, what, run) in found.items()
        if path.exists()
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How well the presets of eprop.tasks learn.")
    everything = [*TASKS, *OF_RECORDINGS]
    places = ", ".join(dict.fromkeys(place for place, _, _ in OF_RECORDINGS.values()))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(everything)} (default: all)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=f"of {places}")
    parser.add_argument("--seeds", type=int, default=5, help="networks and trials (default: 5)")
    parser.add_argument(
        "--untouched", action="store_true", help="sizes and neurons of the presets, and a trainer's defaults"
    )
    parser.add_argument("--optimizer", metavar="NAME", help="the same with this optimizer, at its own rate")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(everything):
        parser.error(f"NAME: expected {', '.join(everything)}, got {', '.join(sorted(unknown))}")
    tasks = TASKS | of_recordings(options.data)
    if missing := set(options.names) - tasks.keys():
        parser.error(f"--data: expected a folder of {', '.join(sorted(missing))}, got {options.data}")
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}")
    optimizer: Own = {"optimizer": options.optimizer} if options.optimizer else {}
    untouched = options.untouched or bool(optimizer)
    for name in options.names or tasks:
        what, run = tasks[name]
        if untouched and name not in UNTOUCHED:
            print(f"{name}: its preset leaves the optimizer alone")
            continue
        own = UNTOUCHED[name] | optimizer if untouched else {}
        start, found = time.perf_counter(), []
        for seed in range(options.seeds):
            found.append(run(seed, own))
            print(f"{name}, seed {seed}: {found[-1]:.4f}", flush=True)
        seconds = (time.perf_counter() - start) / options.seeds
        spread = f"median {statistics.median(found):.4f}, {min(found):.4f} to {max(found):.4f}"
        print(f"{name}: {what}: {spread}; {seconds:.0f} s a seed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
