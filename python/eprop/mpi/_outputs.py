"""What each rank computed of its streams, put together on all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._exchange import Exchange

__all__ = ["gather", "joined"]

Array = NDArray[Any]


def gather(exchange: Exchange, doing: str, own: Array | None) -> Array:
    """Arrays (B, T, n) of the ranks one after the other, with the longest T, 0 beyond their own; None has no stream.

    One array without an axis of streams (T, n), of a single stream, comes back as it is.
    """
    shape = [] if own is None else list(own.shape)
    kind = "" if own is None else own.dtype.str
    notes = exchange.notes({"shape": shape, "dtype": kind}, doing)
    shapes = [note["shape"] for note in notes]
    ndim = max(map(len, shapes))
    dtype = next(note["dtype"] for note in notes if note["dtype"])
    sizes = [0 if not each else each[0] if ndim == 3 else 1 for each in shapes]
    n_steps = max(each[-2] for each in shapes if each)
    n = next(each[-1] for each in shapes if each)
    whole = np.zeros((sum(sizes), n_steps, n), dtype)
    ends = np.cumsum(sizes)
    parts = [whole[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    mine = parts[exchange.rank]
    if own is not None:
        mine[:, : own.shape[-2]] = own
    send = {rank: mine for rank in exchange.others if len(mine) > 0}
    exchange.arrays(send, {rank: parts[rank] for rank in exchange.others if sizes[rank] > 0}, doing)
    return whole if ndim == 3 else whole[0]


def joined(pieces: list[Array]) -> Array | None:
    """Arrays (B, T, n), one after the other, with the longest T; None of none, and one as it is.

    Examples
    --------
    >>> joined([np.ones((1, 1, 2)), np.ones((2, 3, 2))]).shape
    (3, 3, 2)
    """
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    n_steps = max(piece.shape[1] for piece in pieces)
    whole = np.zeros((sum(map(len, pieces)), n_steps, pieces[0].shape[2]), pieces[0].dtype)
    first = 0
    for piece in pieces:
        whole[first : first + len(piece), : piece.shape[1]] = piece
        first += len(piece)
    return whole
