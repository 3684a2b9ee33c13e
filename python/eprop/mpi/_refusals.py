"""What cannot be spread over ranks."""

from __future__ import annotations

from typing import Any

from .._stack import OnlineTrainer
from .._trainer import EpropTrainer

__all__ = ["check"]


def check(trainer: Any) -> None:
    """Raises ValueError or TypeError unless ranks would learn together what one process learns."""
    if not isinstance(trainer, (EpropTrainer, OnlineTrainer)):
        raise TypeError(f"trainer: expected an EpropTrainer or OnlineTrainer, got {type(trainer).__name__}")
    if trainer.update_every != "sequence":
        raise ValueError(
            f'update_every: expected "sequence", got {trainer.update_every!r}: weights that change within a sequence would '
            'have to be exchanged at each change; build the trainer with update_every="sequence", and hand over shorter '
            "sequences for more updates"
        )
    c_reg, optimizer = getattr(trainer, "c_reg", 0.0), trainer._as_optimizer
    if c_reg > 0.0 and (getattr(optimizer, "limit", False) or optimizer.name == "auto"):
        unlimited = "Momentum(limit=False)" if optimizer.name == "momentum" else "SGD(limit=False)"
        raise ValueError(
            f'c_reg: expected 0 with optimizer="{optimizer.name}", got {c_reg}: one process leaves the regulariser out of '
            f"the length that limits a step, a sum of gradients cannot; take {unlimited} or Adam of eprop.optim, or c_reg=0"
        )
