"""``eprop predict``: what a trained network answers."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ._data import read_data
from ._run import load_run

JSON = "names, answers and score as one JSON object"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="let a trained network answer",
        description="Answers to the sequences of a file or folder, as CSV. Several outputs are answer_0, answer_1, ... "
        "Where there are targets, how well it did is told on stderr.",
        epilog="example: eprop predict run new.npz --out answers.csv",
    )
    parser.add_argument("run", type=Path, metavar="FOLDER", help="what eprop train made")
    parser.add_argument("data", type=Path, metavar="DATA", help="a .npz, a .csv, or a folder of .wav")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="where answers go (default: stdout)")
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the answers."""
    network, _ = load_run(options.run)
    is_classification = network.config.is_classification
    data = read_data(options.data, network.config.data, are_labels=is_classification)
    network.check(options.data, data)
    answers, score = network.answers(data), network.score(data)
    kind = "accuracy" if is_classification else "rmse"
    if options.out is not None:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            _write(file, data.names, answers)
    elif not options.json:
        _write(sys.stdout, data.names, answers)
    if score is not None and not options.json:
        print(f"{kind} {score:.4g}", file=sys.stderr)
    return {
        "names": data.names,
        "answers": [np.asarray(answer).tolist() for answer in answers],
        "score": kind,
        "value": score,
    }


def _write(file: TextIO, names: list[str], answers: Any) -> None:
    table = csv.writer(file, lineterminator="\n")
    of_steps = isinstance(answers, list)
    n_outputs = np.shape(answers[0] if of_steps else answers)[1:]
    # A name for each column: pandas takes the first for an index where there are fewer.
    columns = [f"answer_{output}" for output in range(n_outputs[0])] if n_outputs else ["answer"]
    table.writerow(["sequence", "step", *columns] if of_steps else ["sequence", *columns])
    for name, answer in zip(names, answers, strict=True):
        if of_steps:
            table.writerows([name, step, *_cells(each)] for step, each in enumerate(answer))
        else:
            table.writerow([name, *_cells(answer)])


def _cells(answer: Any) -> Iterator[Any]:
    yield from np.atleast_1d(answer).tolist()
