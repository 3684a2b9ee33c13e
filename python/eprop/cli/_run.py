"""A run: a folder that holds a network, how far its training is, and what came of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from .._trainer import EpropTrainer
from ._config import Config
from ._network import Network, Scale

__all__ = ["RECORD", "Progress", "load_run", "save_run"]

RECORD = "run.json"
_SCHEMA = 1


@dataclass
class Progress:
    """How far a training is."""

    n_sequences: int
    epoch: int = 0
    """Passes that are done."""
    batch: int = 0
    """Batches of the present pass that are done."""
    total: float = 0.0
    n_targets: int = 0
    """The losses of these batches, summed, and how many targets they were of."""
    history: list[dict[str, float]] = field(default_factory=list)

    def add(self, loss: float, n_targets: int) -> None:
        """A batch was learned, with this mean loss of so many targets."""
        self.batch += 1
        self.total += loss * n_targets if n_targets > 0 else 0.0
        self.n_targets += n_targets


def save_run(folder: Path, network: Network, progress: Progress) -> None:
    """Writes the trainer, then the record that names it: at any moment the folder holds one that is whole.

    Raises
    ------
    OSError
        A file that cannot be written; the run that was there stays.
    """
    _write(folder, f"checkpoint-{progress.epoch}-{progress.batch}.safetensors", network, progress)
    if progress.epoch == network.config.training.epochs:
        # In two steps, since the record that is there may name this file.
        _write(folder, "trainer.safetensors", network, progress)


def _write(folder: Path, name: str, network: Network, progress: Progress) -> None:
    network.trainer.save(folder / name)
    told = {
        "schema": _SCHEMA,
        "eprop": __version__,
        "trainer": name,
        "config": network.config.as_dict(),
        "classes": None if network.classes is None else network.classes.tolist(),
        "inputs": _as_lists(network.inputs),
        "targets": _as_lists(network.targets),
        "n_repeats": network.n_repeats,
        "progress": vars(progress),
    }
    temporary = folder / f".{RECORD}.{os.getpid()}.tmp"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(told, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / RECORD)
    finally:
        temporary.unlink(missing_ok=True)
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_run(folder: Path) -> tuple[Network, Progress]:
    """What `save_run` has written.

    Raises
    ------
    ValueError
        No run, one of another schema, or a damaged file.
    """
    path = folder / RECORD
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{folder}: expected the folder of a run, got no {path}; eprop train makes one"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON that eprop train wrote, got {error}") from None
    if not isinstance(told, dict) or told.get("schema") != _SCHEMA:
        raise ValueError(
            f"{path}: expected schema {_SCHEMA}, got {told.get('schema') if isinstance(told, dict) else told!r}"
        )
    try:
        network = Network(
            Config.from_dict(told["config"]),
            EpropTrainer.load(folder / told["trainer"]),
            None if told["classes"] is None else np.array(told["classes"]),
            _of_lists(told["inputs"]),
            _of_lists(told["targets"]),
            told["n_repeats"],
        )
        return network, Progress(**told["progress"])
    except KeyError as missing:
        raise ValueError(f"{path}: expected an entry {missing}, got none") from None


def _as_lists(scale: Scale | None) -> dict[str, Any] | None:
    return None if scale is None else {name: array.tolist() for name, array in scale._asdict().items()}


def _of_lists(told: dict[str, Any] | None) -> Scale | None:
    return None if told is None else Scale(np.array(told["centre"]), np.array(told["width"]))
