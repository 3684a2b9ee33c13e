"""``eprop export``: a trained network for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import load
from .._trainer import EpropTrainer
from ._run import load_run

JSON = "what was written as one JSON object"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a network for other programs",
        description="A network as a graph of NIR. Inputs of a run are scaled before they reach it: its run.json says how.",
        epilog="example: eprop export run --nir network.nir --approximate",
    )
    parser.add_argument(
        "network", type=Path, metavar="FOLDER|FILE", help="what eprop train or trainer.save made"
    )
    parser.add_argument("--nir", type=Path, required=True, metavar="FILE.nir", help="where the graph goes")
    parser.add_argument(
        "--library", choices=("norse", "snntorch", "spikingjelly"), help="who will read the graph"
    )
    parser.add_argument("--approximate", action="store_true", help="leave out what a graph cannot say")
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the graph."""
    path: Path = options.network
    trainer = load(path) if path.is_file() else load_run(path)[0].trainer
    if not isinstance(trainer, EpropTrainer):
        raise ValueError(f"{path}: expected an EpropTrainer, got an {type(trainer).__name__}")
    from ..nir import to_nir

    graph = to_nir(trainer, library=options.library, approximate=options.approximate)
    import nir  # after the line that names the extra

    nir.write(options.nir, graph)
    if not options.json:
        print(f"{options.nir}: a graph of {trainer.n_neurons} neurons")
    return {"nir": str(options.nir), "library": options.library}
