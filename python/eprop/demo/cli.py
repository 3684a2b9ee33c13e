"""``eprop demo [NAME] [--seed N] [--out FILE]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from . import digits, needs_extra, pattern, recordings, tasks

TASKS: dict[str, Callable[[int, Path], object]] = {
    "digits": digits.run,
    "pattern": pattern.run,
    **{name: tasks.of_trials(name) for name in tasks.OF_TRIALS},
    "mackey-glass": tasks.series,
}
# Those that take a path, too.
OF_RECORDINGS: dict[str, recordings.Run] = {
    **{name: recordings.of_classes(name) for name in recordings.OF_CLASSES},
    "ecg": recordings.heartbeats,
    "elec2": recordings.market,
    "cartpole": recordings.pole,
}
WHAT = {
    "digits": "classify handwritten digits, spike by spike, in five splits (20 s)",
    "pattern": "draw one second of a waveform from frozen noise (5 s)",
    "evidence": "count cues and remember which side had more (40 s)",
    "store-recall": "keep a bit while others arrive (20 s)",
    "delayed-match": "compare two cues that are a second apart (60 s)",
    "copy-delay": "say two symbols again after a silence (60 s)",
    "mackey-glass": "predict a chaotic series online (5 s)",
    "digit-rows": "classify handwritten digits, row by row (50 s)",
    "mnist-rows": "the same with MNIST's (--data; 3 min)",
    "spoken-digits": "which digit was said? (--data; 50 s)",
    "vowels": "who said it? (--data; 15 s)",
    "ecg": "which wave of the heartbeat, at every step (--data; 75 s)",
    "cartpole": "balance a pole, from rewards alone (10 s; pip install 'eprop[rl]')",
    "elec2": "will the price rise? a market that drifts (--data; 35 s)",
}


JSON = "the task, the figure and the seconds as one JSON object, and what is said besides on stderr"


def run(options: argparse.Namespace) -> Any:
    """Learns the task that was asked for and draws it, or lists the tasks.

    Raises
    ------
    ModuleNotFoundError
        A module of the extra ``demo`` is not installed.
    ValueError
        No `--data` for a task that needs it.
    """
    if options.task is None:
        if not options.json:
            print("\n".join(f"eprop demo {name:14} {what}" for name, what in WHAT.items()))
        return WHAT
    if options.task in recordings.DATA and options.data is None:
        raise ValueError(f"--data: expected {recordings.DATA[options.task]}, got nothing")
    out: Path = options.out or Path(f"eprop-{options.task}.png")
    # Asked for now: a missing plotting library should not show after the training.
    with needs_extra():
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
        import tqdm  # noqa: F401
    start = time.monotonic()
    with redirect_stdout(sys.stderr) if options.json else nullcontext():
        if options.task in OF_RECORDINGS:
            OF_RECORDINGS[options.task](options.seed, out, options.data)
        else:
            TASKS[options.task](options.seed, out)
    return {"task": options.task, "figure": str(out), "seconds": time.monotonic() - start}


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    demo: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="learn a task and draw what happened",
        description="Learn a task online, print how well and how fast, and draw it into one figure.",
        epilog="example: eprop demo digits --out digits.pdf",
    )
    demo.add_argument(
        "task",
        nargs="?",
        choices=list(WHAT),
        help="; ".join(f"{name}: {what}" for name, what in WHAT.items()) + "; none: lists them",
    )
    demo.add_argument(
        "--seed",
        type=_seed,
        default=1,
        help="of the split, the network and the spikes (default: 1)",
    )
    demo.add_argument(
        "--out",
        type=_figure,
        metavar="FILE",
        help="where the figure goes, a .png, .pdf or .svg (default: eprop-TASK.png in this directory)",
    )
    demo.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="; ".join(f"of {name}: {what}" for name, what in recordings.DATA.items()),
    )
    return demo


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def _figure(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(
            f"expected a file name that ends in .png, .pdf or .svg, got {text!r}"
        )
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file, got the directory {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"expected a file in a directory that exists, got {text!r}: create {path.parent} first"
        )
    return path
