"""What must be the same on all ranks, and how a rank hears of the error of another."""

from __future__ import annotations

import copy
import dataclasses
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._exchange import Exchange, Note, RankError
from ._parameters import parameters_of

__all__ = ["Agreement", "fields_of", "rates_of", "sum_of", "sum_of_trainer", "sum_of_weights"]

Array = NDArray[Any]

_TEXT = 2000
"""Letters of another rank's error that are passed on."""


class Agreement:
    """One call on all ranks: the work of each, and what all should say alike.

    `same` is what must not differ from rank to rank, by names that an error can use; `own` is what the others need to know.
    """

    def __init__(self, exchange: Exchange, doing: str, **same: Any) -> None:
        self._exchange, self._doing = exchange, doing
        self.same: Note = {"call": doing, **same}
        self.own: Note = {}
        self._error: Exception | None = None

    @contextmanager
    def work(self) -> Iterator[None]:
        """What may fail on one rank alone, and must not leave the others waiting."""
        try:
            yield
        except Exception as error:
            self._error = error

    def reach(self) -> list[Note]:
        """What the ranks say of their own, in their order.

        Raises
        ------
        RankError
            A rank failed, is not there, or differs from rank 0. What this rank's own work raised is raised here.
        """
        error = self._error
        text = None if error is None else f"{type(error).__name__}: {error}"[:_TEXT]
        notes = self._exchange.notes({"error": text, "same": self.same, "own": self.own}, self._doing)
        if error is not None:
            raise error
        for rank, note in enumerate(notes):
            if note["error"] is not None:
                raise RankError(f"{self._doing}: rank {rank} failed: {note['error']}")
        for rank, note in enumerate(notes):
            _compare(self._doing, notes[0]["same"], note["same"], rank)
        return [note["own"] for note in notes]


def _compare(doing: str, first: Note, other: Note, rank: int) -> None:
    for name, value in first.items():
        got = other.get(name)
        if name == "call" and got != value:
            raise RankError(
                f"{doing}: rank {rank} calls {got}, rank 0 {value}; every rank must make the same calls"
            )
        if got != value:
            raise RankError(
                f"{doing}: {name}: expected the same on all ranks, got {got} on rank {rank}, {value} on rank 0"
            )


def fields_of(trainer: Any) -> Note:
    """Class and fields of a trainer, as notes can hold them; of an array its checksum.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> fields_of(EpropTrainer(2, 3, 1, seed=7))["seed"]
    '7'
    """
    fields = {field.name: getattr(trainer, field.name) for field in dataclasses.fields(trainer)}
    told = {
        name: f"array {sum_of(value):08x}" if isinstance(value, np.ndarray) else repr(value)[:200]
        for name, value in fields.items()
    }
    return {"class": type(trainer).__name__, **told}


def rates_of(trainer: Any) -> Note:
    """What may be assigned between two calls, and how often weights have changed."""
    return {name: getattr(trainer, name) for name in ("n_updates", *trainer._rates)}


def sum_of(*arrays: Array) -> int:
    """A checksum of the bits.

    Examples
    --------
    >>> sum_of(np.zeros(3)) == sum_of(np.zeros(3)), sum_of(np.zeros(3)) == sum_of(-np.zeros(3))
    (True, False)
    """
    total = 0
    for array in arrays:
        total = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, total)
    return total


def sum_of_weights(trainer: Any) -> int:
    """A checksum of all weights: it costs a copy of them."""
    return sum_of(*parameters_of(trainer))


def sum_of_trainer(trainer: Any) -> int:
    """A checksum of weights and of what the optimizer keeps, whatever the streams have gone through."""
    silent = copy.copy(trainer)
    silent.reset()
    return zlib.crc32(silent.to_bytes())
