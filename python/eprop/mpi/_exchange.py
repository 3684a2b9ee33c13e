"""Messages between ranks: short notes and arrays, from each to each, and nobody waits for ever."""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._fields import number

__all__ = ["Exchange", "RankError", "wait", "world"]

Array = NDArray[Any]
Note = dict[str, Any]

_TAG = 20761
"""Of all messages; below the least that MPI promises for tags, 32767."""
_NOTE_BYTES = 1 << 14
_MESSAGE_BYTES = 1 << 30
"""MPI counts in 32 bits."""
_BUSY, _PAUSE = 2e-3, 1e-4
"""Seconds for which a rank that waits lets others run and looks again, and how long it sleeps afterwards."""
# A sleep of 0 takes longer than most messages.
_let_others_run = getattr(os, "sched_yield", lambda: time.sleep(0.0))


class RankError(RuntimeError):
    """Another rank failed, does not answer, or was given something else.

    Examples
    --------
    >>> issubclass(RankError, RuntimeError)
    True
    """


def world() -> Any:
    """All ranks of the job; starts MPI.

    Raises
    ------
    ImportError
        No library of MPI is found.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as missing:
        raise ImportError(
            "eprop.mpi needs an MPI library, such as Open MPI, which mpi4py has not found: "
            f'pip install "eprop[mpi]", or see the installation of mpi4py ({missing})'
        ) from missing
    return MPI.COMM_WORLD


class _Job:
    """The end of this process, which is the end of all where others still wait for it, or it for them.

    MPI's own end waits for all ranks.
    """

    def __init__(self) -> None:
        self.comm: Any = None
        self.is_lost = False

    def watch(self, comm: Any) -> None:
        if self.comm is None:
            self.comm = comm
            atexit.register(self._end)

    def _end(self) -> None:
        # Python notes the exception that ended it before it comes here.
        if self.is_lost or getattr(sys, "last_value", None) is not None:
            print(f"rank {self.comm.Get_rank()} ends the job", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            self.comm.Abort(1)


_JOB = _Job()


class Exchange:
    """What the ranks of a communicator say to each other.

    All messages go from one rank to another and are not waited for in MPI, so that a rank that does not answer is known.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    timeout : float, optional
        Seconds to wait for the others. None: for ever.
    """

    def __init__(self, comm: Any, timeout: float | None) -> None:
        if timeout is not None and not number("timeout", timeout) > 0.0:
            raise ValueError(f"timeout: expected None or seconds > 0, got {timeout}")
        self.comm, self.timeout = comm, timeout
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self.lost: str | None = None
        if self.size > 1:
            _JOB.watch(comm)

    @property
    def others(self) -> list[int]:
        """All ranks but this one."""
        return [rank for rank in range(self.size) if rank != self.rank]

    def notes(self, own: Note, doing: str) -> list[Note]:
        """The notes of all ranks, which are JSON, in the order of the ranks.

        Raises
        ------
        RankError
            A rank has not sent one in time.
        """
        text = np.frombuffer(json.dumps(own).encode(), np.uint8)
        if len(text) > _NOTE_BYTES:
            raise ValueError(f"a note of {len(text)} bytes is longer than {_NOTE_BYTES}")
        came = {rank: np.zeros(_NOTE_BYTES, np.uint8) for rank in self.others}
        self.arrays(dict.fromkeys(self.others, text), came, doing)
        return [
            own if rank == self.rank else json.loads(came[rank].tobytes().rstrip(b"\0"))
            for rank in range(self.size)
        ]

    def arrays(self, send: Mapping[int, Array], receive: Mapping[int, Array], doing: str) -> None:
        """Contiguous arrays to other ranks and from them, all at once.

        Raises
        ------
        RankError
            A rank has not done its part in time.
        """
        if self.lost is not None:
            raise RankError(self.lost)
        open_: dict[int, list[Any]] = {}
        for rank, array in receive.items():
            open_.setdefault(rank, []).extend(
                self.comm.Irecv(part, source=rank, tag=_TAG) for part in _messages(array)
            )
        for rank, array in send.items():
            open_.setdefault(rank, []).extend(
                self.comm.Isend(part, dest=rank, tag=_TAG) for part in _messages(array)
            )
        self._wait(open_, doing)

    def _wait(self, open_: dict[int, list[Any]], doing: str) -> None:
        left = open_

        def is_done() -> bool:
            nonlocal left
            left = {
                rank: rest
                for rank, requests in left.items()
                if (rest := [request for request in requests if not request.Test()])
            }
            return not left

        wait(is_done, self.timeout, lambda: self.lose(sorted(left), doing))

    def lose(self, ranks: list[int], doing: str) -> NoReturn:
        """Gives some ranks up, and with them the job.

        Raises
        ------
        RankError
            It names them.
        """
        which = f"rank {ranks[0]} has" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))} have"
        self.give_up(
            f"{doing}: {which} not answered for {self.timeout:g} s: ended, hanging, or slower than timeout= allows; "
            "every rank must make the same calls"
        )

    def give_up(self, why: str) -> NoReturn:
        """Says nothing to anybody any more, and ends the job with this process.

        Raises
        ------
        RankError
            With these words.
        """
        self.lost = why
        _JOB.is_lost = True
        raise RankError(why)


def wait(is_done: Callable[[], bool], timeout: float | None, give_up: Callable[[], None]) -> None:
    """Until something is done; `give_up`, which raises, is called after so many seconds.

    It lets others run for a moment, and sleeps afterwards: ranks that share a core would wait for each other.

    Examples
    --------
    >>> answers = iter([False, False, True])
    >>> wait(lambda: next(answers), 1.0, lambda: None)
    >>> next(answers, "asked until then")
    'asked until then'
    """
    start = time.monotonic()
    while not is_done():
        waited = time.monotonic() - start
        if timeout is not None and waited > timeout:
            give_up()
        _let_others_run() if waited < _BUSY else time.sleep(_PAUSE)


def _messages(array: Array) -> Iterator[Array]:
    """The bytes of an array, in parts that MPI can count."""
    flat = array.reshape(-1).view(np.uint8)
    for first in range(0, flat.size, _MESSAGE_BYTES):
        yield flat[first : first + _MESSAGE_BYTES]
