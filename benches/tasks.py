"""How well the presets of `eprop.tasks` learn, seed by seed: ``python benches/tasks.py [NAME ...] [--seeds N]``."""

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

import numpy as np

import eprop
from eprop.tasks import delayed_match, evidence, mackey_glass, store_recall


def wrong(run: Callable[..., object]) -> Callable[[int], float]:
    return lambda seed: run(seed).wrong


# What a figure counts, and how to get it. The second of a pair of recall is the same network without adaptation.
TASKS: dict[str, tuple[str, Callable[[int], float]]] = {
    "evidence": ("share of 512 fresh trials that are wrong", wrong(evidence.run)),
    "store-recall": ("share of 512 fresh trials that are wrong", wrong(store_recall.run)),
    "store-recall-lif": (
        "the same, of LIF neurons",
        lambda seed: store_recall.run(seed, store_recall.Preset(beta=0.0)).wrong,
    ),
    "delayed-match": ("share of 512 fresh trials that are wrong", wrong(delayed_match.run)),
    "mackey-glass": ("error in standard deviations", lambda seed: mackey_glass.run(seed).nrmse),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How well the presets of eprop.tasks learn.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TASKS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="networks and trials (default: 5)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - TASKS.keys():
        parser.error(f"NAME: expected {', '.join(TASKS)}, got {', '.join(sorted(unknown))}")
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}")
    for name in options.names or TASKS:
        what, run = TASKS[name]
        start, found = time.perf_counter(), []
        for seed in range(options.seeds):
            found.append(run(seed))
            print(f"{name}, seed {seed}: {found[-1]:.4f}", flush=True)
        seconds = (time.perf_counter() - start) / options.seeds
        spread = f"median {statistics.median(found):.4f}, {min(found):.4f} to {max(found):.4f}"
        print(f"{name}: {what}: {spread}; {seconds:.0f} s a seed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
