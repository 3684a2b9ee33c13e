"""Files of trainers: one rank writes and reads them, and all hear of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._files import Path, load
from .._stack import OnlineTrainer
from .._trainer import EpropTrainer
from ._agreement import Agreement
from ._exchange import Exchange

__all__ = ["load_on_all", "save_by_one"]

_KINDS: dict[str, Any] = {"EpropTrainer": EpropTrainer, "OnlineTrainer": OnlineTrainer}


def save_by_one(exchange: Exchange, trainer: Any, path: Path) -> None:
    """Rank 0 writes; raises OSError there, and RankError elsewhere."""
    agreement = Agreement(exchange, "save")
    with agreement.work():
        if exchange.rank == 0:
            trainer.save(path)
    agreement.reach()


def load_on_all(exchange: Exchange, path: Path) -> Any:
    """Rank 0 reads, and hands the bytes to all; raises what reading raises there, and RankError elsewhere."""
    agreement, trainer, file = Agreement(exchange, "load"), None, b""
    with agreement.work():
        if exchange.rank == 0:
            trainer = load(path)
            kind = type(trainer).__name__
            if kind not in _KINDS:
                raise ValueError(
                    f"path: expected the file of an EpropTrainer or OnlineTrainer, got that of {kind}"
                )
            file = trainer.to_bytes()
            agreement.own = {"class": kind, "n_bytes": len(file)}
    told = agreement.reach()[0]
    if exchange.rank == 0:
        exchange.arrays({rank: np.frombuffer(file, np.uint8) for rank in exchange.others}, {}, "load")
        return trainer
    came = np.zeros(told["n_bytes"], np.uint8)
    exchange.arrays({}, {0: came}, "load")
    return _KINDS[told["class"]].from_bytes(came.data)
