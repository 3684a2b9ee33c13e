"""The part of a network that a rank has: its neurons, and what the fields of a trainer say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._connections import Connections, as_connect
from .._trainer import EpropTrainer
from ._agreement import Agreement, sum_of
from ._exchange import Exchange

__all__ = ["Part", "Place", "around", "cut_fields"]

Array = NDArray[Any]

_OF_NEURONS = ("tau_mem", "threshold", "beta", "tau_adaptation")
_NOBODY: Array = np.zeros(0, np.uint32)


@dataclass(frozen=True)
class Place:
    """Which neurons of a network a rank has: those from `first` to before `end`, of `n`."""

    first: int
    end: int
    n: int

    def __len__(self) -> int:
        return self.end - self.first


# Final for users: nothing of it is overridden but what has the size of the whole network.
class Part(EpropTrainer):  # type: ignore[misc]
    """The trainer of some neurons of a network, whose sources are all of them.

    Parameters
    ----------
    place : Place
    around : tuple of numpy.ndarray
        For each source, inputs first, how many listed synapses it has with the neurons before these, and behind them.
    fields
        Of a trainer, with what is said of each neuron cut to these.
    """

    _core_class = EpropTrainer._core_class

    def __init__(self, place: Place, around: tuple[Array, Array] = (_NOBODY, _NOBODY), **fields: Any) -> None:
        self.__dict__["_place"] = place
        self.__dict__["_part"] = (place.first, place.n, *around)
        super().__init__(**fields, n_neurons=len(place))

    @classmethod
    def of_file(cls, place: Place, data: bytes) -> Part:
        """The part that a file holds."""
        made = object.__new__(cls)
        core, fields = cls._from_pieces([data])
        made._become(core, fields)
        made.__dict__["_place"] = place
        return made

    @property
    def place(self) -> Place:
        """Which neurons it has."""
        return self.__dict__["_place"]  # type: ignore[no-any-return]

    @classmethod
    def _told(cls, core: Any, fields: dict[str, Any]) -> dict[str, Any]:
        n = fields.pop("part")["all"]
        told = super()._told(core, fields)
        if isinstance(rec := told.get("connect_rec"), Connections):
            told["connect_rec"] = Connections((told["n_neurons"], n), rec.starts, rec.targets)
        return told

    def _lists(self, name: str) -> tuple[tuple[int, int], Array, Array]:
        (n, n_sources), starts, targets = super()._lists(name)
        return (n, n_sources if name == "W_in" else self.place.n), starts, targets


def cut_fields(
    agreement: Agreement, place: Place, n_inputs: int, fields: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The fields of a trainer cut to the neurons of a rank, and where synapses are listed how many it has of each source.

    What all ranks must have been given alike goes to the agreement.
    """
    own, counts = dict(fields), {}
    for name in _OF_NEURONS:
        if name in own and np.ndim(own[name]) > 0:
            array = np.asarray(own[name])
            if array.shape != (place.n,):
                raise ValueError(f"{name}: expected a number, or shape ({place.n},), got shape {array.shape}")
            own[name] = array[place.first : place.end]
    for name, n_sources in ("connect_in", n_inputs), ("connect_rec", place.n):
        connect = as_connect(name, own.get(name))
        if isinstance(connect, Connections):
            own[name] = _cut(name, connect, place, n_sources)
            counts[name] = np.diff(own[name].starts).astype(np.uint32)
    agreement.same |= {
        name: f"array {sum_of(np.asarray(value)):08x}" if np.ndim(value) > 0 else repr(value)[:200]
        for name, value in fields.items()
        if name not in counts
    }
    agreement.same |= dict.fromkeys(counts, "synapses")
    return own, counts


def _cut(name: str, connect: Connections, place: Place, n_sources: int) -> Connections:
    """The rows of a rank, of an array of all rows or of its own."""
    if connect.shape not in ((place.n, n_sources), (len(place), n_sources)):
        raise ValueError(
            f"{name}: expected shape ({place.n}, {n_sources}), or ({len(place)}, {n_sources}) of this rank's neurons "
            f"{place.first} to {place.end - 1}, got {connect.shape}"
        )
    if connect.shape[0] == len(place):
        return connect
    here = (connect.targets >= place.first) & (connect.targets < place.end)
    so_far = np.concatenate([[0], np.cumsum(here)])
    cut = Connections((len(place), n_sources), so_far[connect.starts], connect.targets[here] - place.first)
    if connect._first_weights is not None:
        cut._first_weights = connect._first_weights[here]
    return cut


def around(exchange: Exchange, place: Place, n_inputs: int, counts: dict[str, Array]) -> tuple[Array, Array]:
    """Of each source, inputs first, how many listed synapses the ranks before this one have, and those behind it."""
    if not counts:
        return _NOBODY, _NOBODY
    own = np.zeros(n_inputs + place.n, np.uint32)
    for name, sources in ("connect_in", slice(0, n_inputs)), ("connect_rec", slice(n_inputs, None)):
        own[sources] = counts.get(name, 0)
    came = {rank: np.zeros_like(own) for rank in exchange.others}
    exchange.arrays(dict.fromkeys(exchange.others, own), came, "counts of synapses")
    before, after = np.zeros_like(own), np.zeros_like(own)
    for rank, others in came.items():
        target = before if rank < exchange.rank else after
        target += others
    return before, after
