"""What each rank computed of its streams, put together on all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._exchange import Exchange

__all__ = ["gather"]

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
