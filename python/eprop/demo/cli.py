"""The command line: ``eprop demo [NAME] [--seed N] [--out FILE.png]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import digits, needs_extra, pattern, tasks

TASKS: dict[str, Callable[[int, Path], object]] = {
    "digits": digits.run,
    "pattern": pattern.run,
    **{name: tasks.of_trials(name) for name in tasks.OF_TRIALS},
    "mackey-glass": tasks.series,
}
WHAT = {
    "digits": "classify handwritten digits, spike by spike (3 s)",
    "pattern": "draw one second of a waveform from frozen noise (5 s)",
    "evidence": "count cues and remember which side had more (40 s)",
    "store-recall": "keep a bit while others arrive (20 s)",
    "delayed-match": "compare two cues that are a second apart (60 s)",
    "mackey-glass": "predict a chaotic series online (5 s)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; by default what the shell passed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     main(["demo", "pattern", "--out", f"{folder}/pattern.png"])  # doctest: +ELLIPSIS
    loss (0.5 err^2, summed over 1000 ms): ... at the start, ... after ... iterations, ...% of the start
    figure: ...pattern.png
    0
    """
    options = _parser().parse_args(arguments)
    if options.task is None:
        print("\n".join(f"eprop demo {name:14} {what}" for name, what in WHAT.items()))
        return 0
    out: Path = options.out or Path(f"eprop-{options.task}.png")
    try:
        # Asked for now: a missing plotting library should not show after the training.
        with needs_extra():
            import matplotlib  # noqa: F401
            import sklearn  # noqa: F401
            import tqdm  # noqa: F401
    except ModuleNotFoundError as missing:
        print(f"eprop demo: {missing}", file=sys.stderr)
        return 1
    TASKS[options.task](options.seed, out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eprop", description="Online learning with e-prop in spiking neural networks."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="learn a task and draw what happened",
        description="Learn a task online, print how well and how fast, and draw it into one PNG.",
    )
    demo.add_argument(
        "task",
        nargs="?",
        choices=list(TASKS),
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
        type=_png,
        metavar="FILE.png",
        help="where the figure goes (default: eprop-TASK.png in this directory)",
    )
    return parser


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def _png(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"expected a file name that ends in .png, got {text!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file, got the directory {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"expected a file in a directory that exists, got {text!r}: create {path.parent} first"
        )
    return path


if __name__ == "__main__":
    sys.exit(main())
