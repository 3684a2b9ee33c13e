"""What ranks tell each other within a step: who has fired, and sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._exchange import Exchange, RankError, wait

__all__ = ["Steps"]

Array = NDArray[Any]

_TAG = 20762
"""Not that of notes and arrays: a rank that is at another place never takes one for the other."""
_HEAD, _NUMBER, _NEURON = 8, 8, 4


class Steps:
    """Messages of the steps of a network whose neurons are spread over ranks, as the compiled core puts them together.

    The buffers are made once, and so are the requests that wait for the others. The core calls `swap` once or twice in a
    step; what it raises is kept in `error`, since a step cannot raise it.

    Parameters
    ----------
    exchange : Exchange
    counts : list of int
        How many neurons each rank has.
    n_sums : int
        Numbers that are added up at a time, at most.
    """

    def __init__(self, exchange: Exchange, counts: list[int], n_sums: int) -> None:
        self._exchange, self._doing = exchange, "a step"
        sizes = [_HEAD + _NUMBER * n_sums + _NEURON * n for n in counts]
        self.sent: Array = np.zeros(sizes[exchange.rank], np.uint8)
        self.received: list[Array | None] = [
            None if rank == exchange.rank else np.zeros(size, np.uint8) for rank, size in enumerate(sizes)
        ]
        self.error: BaseException | None = None
        self._expected: list[Any] = []
        if exchange.size > 1:
            self._prepare()

    def _prepare(self) -> None:
        from mpi4py import MPI

        exchange = self._exchange
        self._expected = [
            exchange.comm.Recv_init(buffer, source=rank, tag=_TAG)
            for rank, buffer in enumerate(self.received)
            if buffer is not None
        ]
        self._states = [MPI.Status() for _ in range(2 * len(exchange.others))]
        self._test, self._start, self._byte = MPI.Request.Testall, MPI.Prequest.Startall, MPI.BYTE

    def swap(self, n_bytes: int) -> list[int]:
        """Sends so many bytes to all others, and waits for theirs: how many came from each rank, 0 of this one."""
        try:
            return self._swap(n_bytes)
        except BaseException as error:
            self.error = error
            raise

    def disagrees(self, rank: int) -> None:
        """A rank has sent a message that is none of this step."""
        try:
            self._exchange.give_up(
                f"{self._doing}: rank {rank} sends other sums; every rank must make the same calls with the same data"
            )
        except RankError as error:
            self.error = error
            raise

    def _swap(self, n_bytes: int) -> list[int]:
        exchange = self._exchange
        if exchange.lost is not None:
            raise RankError(exchange.lost)
        if not self._expected:
            return [0]
        self._start(self._expected)
        part = (self.sent, n_bytes, self._byte)
        sends = [exchange.comm.Isend(part, dest=rank, tag=_TAG) for rank in exchange.others]
        requests = self._expected + sends
        if not self._test(requests, self._states):
            wait(
                lambda: self._test(requests, self._states),
                exchange.timeout,
                lambda: exchange.lose(self._missing(requests), self._doing),
            )
        states = iter(self._states)
        return [0 if buffer is None else next(states).Get_count(self._byte) for buffer in self.received]

    def _missing(self, requests: list[Any]) -> list[int]:
        """The ranks that have not sent theirs, or not taken what was sent to them."""
        others = 2 * self._exchange.others
        return sorted({rank for rank, request in zip(others, requests, strict=True) if not request.Test()})
