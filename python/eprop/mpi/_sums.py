"""The sum of a vector over ranks, in an order that depends on nothing but their number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._exchange import Exchange
from ._streams import bounds

__all__ = ["add_up"]

Array = NDArray[Any]
_DOING = "sum of gradients"


def add_up(exchange: Exchange, vector: Array) -> None:
    """Puts the sum of the vectors of all ranks into that of each.

    Each rank adds up a part, in the order of the ranks, and hands it to all. A reduction of MPI's own would add in an order
    that depends on the library and on where the ranks are.
    """
    size, here = exchange.size, exchange.rank
    parts = [vector[slice(*bounds(len(vector), rank, size))] for rank in range(size)]
    own = parts[here]
    came = {rank: np.empty_like(own) for rank in exchange.others}
    exchange.arrays({rank: parts[rank] for rank in exchange.others}, came, _DOING)
    total = (own if here == 0 else came[0]).copy()
    for rank in range(1, size):
        total += own if rank == here else came[rank]
    own[...] = total
    exchange.arrays(
        dict.fromkeys(exchange.others, own), {rank: parts[rank] for rank in exchange.others}, _DOING
    )
