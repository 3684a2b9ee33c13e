"""Measures one row at one size in a process of its own, and prints what it found as one line of JSON.

Called by ``compare.py``, which pins it to one core and limits the threads by the environment.
"""

import argparse
import gc
import importlib
import importlib.abc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from work import ACTIVITY, Work

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class WithoutTorch(importlib.abc.MetaPathFinder):
    """Hides torch from braintrace, which loads it where it finds it: 500 MB for nothing."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "torch":
            raise ModuleNotFoundError("hidden", name="torch")


def checked_share(network: Any) -> float:
    """The share of neurons that fire per step, if it lies where the comparison means something."""
    low, high = ACTIVITY
    share = network.share()
    if not low <= share <= high:
        raise SystemExit(f"{share:.2%} of the neurons fire per step, expected {low:.0%} to {high:.0%}")
    return float(share)


def measure_time(network: Any, n_steps: int, seconds: float) -> dict[str, float]:
    """Median microseconds per step and sample, of at least three sequences and `seconds` of them."""
    before = checked_share(network)
    network.train()  # what is compiled is compiled here
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < seconds:
        # CPU time, not the clock's: one core, which other programs may share
        start = time.process_time()
        network.train()
        durations.append(time.process_time() - start)
    after = checked_share(network)
    microseconds = statistics.median(durations) / (n_steps * network.n_samples) * 1e6
    return {"us": microseconds, "before": before, "after": after}


def resident(field: str) -> float:
    """MB, from the kernel's account of this process: VmRSS is now, VmHWM the most since the peak was cleared."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measure_memory(peer: Any, work: Work, options: dict[str, Any]) -> dict[str, float]:
    """How the resident set grows, in MB.

    `whole`: from the imported library to the peak of a training sequence, with the network, what compiling left, and all
    buffers. `sequence`: from just before such a sequence, after a first one, to its peak.
    """
    gc.collect()
    imported = resident("VmRSS")
    network = peer.Network(work, **options)
    network.train()
    gc.collect()
    ready = resident("VmRSS")
    CLEAR_REFS.write_text("5")  # the peak starts again
    network.train()
    peak = resident("VmHWM")
    return {"whole": peak - imported, "sequence": peak - ready}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("work", type=Path)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--steps", type=int, help="only the first so many steps of the work")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    work = Work.load(arguments.work)
    work = work.head(arguments.steps or work.n_steps)
    if arguments.peer != "snntorch":
        sys.meta_path.insert(0, WithoutTorch())
    peer = importlib.import_module(f"peer_{arguments.peer}")
    if arguments.memory:
        found = measure_memory(peer, work, arguments.options)
    else:
        found = measure_time(peer.Network(work, **arguments.options), work.n_steps, arguments.seconds)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
