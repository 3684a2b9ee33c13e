"""Files of a network that is spread over ranks: an index, and beside it the trainer and the synapses of each part."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._connections import Connections
from .._files import Path, fields_of, named, read
from ._agreement import Agreement
from ._exchange import Exchange
from ._part import Part, Place
from ._streams import bounds

__all__ = ["read_part", "save_parts"]

Array = NDArray[Any]

_KIND, _SCHEMA = "eprop.mpi.NeuronParallel", 1
_MATRICES = ("W_in", "W_rec")
_OF_OPTIMIZER = ("state.updates", "state.peak", "state.unrisen")
_PENDING_SUM = b'{\\"crc32\\":\\"'
_PIECE = 1 << 24
"""Bytes that are read in one go."""
_DTYPES = {"F32": "<f4", "F64": "<f8", "U64": "<u8", "U32": "<u4", "BOOL": "?"}


def save_parts(exchange: Exchange, part: Part, path: Path) -> None:
    """Each rank writes its part, and rank 0 the index when all are there; then the parts of an older index go.

    Raises
    ------
    OSError
        On the rank that could not write, and RankError on the others.
    """
    index, rank = File(path), exchange.rank
    token = exchange.notes({"token": secrets.token_hex(4)}, "save")[0]["token"]
    stem = f"{index.name}.{token}"
    names = [f"{stem}.{other}-of-{exchange.size}" for other in range(exchange.size)]
    own = index.parent / names[rank]
    with _nothing_left(exchange, own):
        _write_part(exchange, part, own)
        old = _write_index(exchange, part, index, names)
    for name in old:
        _remove(index.parent / name)


def _write_part(exchange: Exchange, part: Part, own: File) -> None:
    agreement = Agreement(exchange, "save")
    with agreement.work():
        lists = {f"{what}_{name}": one for name in _MATRICES for what, one in _lists_of(part, name).items()}
        with open(f"{own}.npz", "wb") as file:
            np.savez(file, allow_pickle=False, **lists)
            file.flush()
            os.fsync(file.fileno())
        part.save(f"{own}.safetensors")
    agreement.reach()


def _write_index(exchange: Exchange, part: Part, index: File, names: list[str]) -> list[str]:
    """Rank 0 writes it; the parts that the older one had named."""
    agreement, old = Agreement(exchange, "save"), []
    with agreement.work():
        if exchange.rank == 0:
            old = _names_in(index)
            sizes = {"n_inputs": part.n_inputs, "n_neurons": part.place.n, "n_outputs": part.n_outputs}
            _replace(index, {"kind": _KIND, "schema": _SCHEMA, **sizes, "parts": names})
    agreement.reach()
    return old


@contextmanager
def _nothing_left(exchange: Exchange, own: File) -> Iterator[None]:
    """Removes this rank's part where the ranks agree that they could not save."""
    try:
        yield
    except Exception:
        # Of a rank that does not answer nobody knows whether the index names the parts by now.
        if exchange.lost is None:
            _remove(own)
        raise


def _remove(stem: File) -> None:
    """A part that no index names; one that stays harms nobody."""
    for end in (".npz", ".safetensors"):
        with suppress(OSError):
            File(f"{stem}{end}").unlink(missing_ok=True)


def _lists_of(part: Part, name: str) -> dict[str, Array]:
    _, starts, targets = part._lists(name)
    return {"starts": starts, "targets": targets.astype(np.uint32)}


def _names_in(index: File) -> list[str]:
    """The parts that an index names, if it is one."""
    try:
        return list(_read_index(index)["parts"])
    except (OSError, ValueError):
        return []


def _replace(index: File, told: dict[str, Any]) -> None:
    new = index.with_name(f"{index.name}.new")
    try:
        with open(new, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, index)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _read_index(index: File) -> dict[str, Any]:
    expected = f"an index that NeuronParallel.save wrote, of schema {_SCHEMA}"
    try:
        told = json.loads(index.read_text(encoding="utf-8"))
        is_one = told["kind"] == _KIND and told["schema"] == _SCHEMA
        sizes = [told[name] for name in ("n_inputs", "n_neurons", "n_outputs")]
        is_one = is_one and all(isinstance(size, int) for size in sizes)
        is_one = is_one and all(isinstance(name, str) and "/" not in name for name in told["parts"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"path: expected {expected}, got a file without it ({index})") from error
    if not is_one or not told["parts"]:
        raise ValueError(f"path: expected {expected}, got another ({index})")
    return dict(told)


def read_part(path: Path, rank: int, size: int) -> Part:
    """The part of a rank: the file of it, or what it takes from those of other parts.

    Raises
    ------
    OSError, ValueError
        A file that can't be read, is damaged, or is no part of this network.
    """
    index = File(path)
    told = _read_index(index)
    n = told["n_neurons"]
    if n < size:
        raise ValueError(f"comm: expected at most {n} ranks, one for each neuron, got {size}")
    place, names = Place(*bounds(n, rank, size), n), told["parts"]
    if len(names) == size:
        file = index.parent / f"{names[rank]}.safetensors"
        with named(file):
            part = Part.of_file(place, read(file))
            _check(part.n_neurons == len(place), "neurons of another part")
        return part
    places = [Place(*bounds(n, other, len(names)), n) for other in range(len(names))]
    parts = [
        _Saved(index.parent / name, of)
        for name, of in zip(names, places, strict=True)
        if of.first < place.end and place.first < of.end
    ]
    return _assembled(place, parts)


def _check(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(f"a part of a network: expected what its index says, got {what}")


class _Saved:
    """A part in its files, of which only what is asked for is read."""

    def __init__(self, stem: File, place: Place) -> None:
        self.place, self.file = place, File(f"{stem}.safetensors")
        with _readable(self.file):
            header, self._first = _header_of(self.file)
            # The arrays are read where they are used, so that nothing else would find a damaged byte.
            _check_sum(self.file, self._first)
            self.document = header.pop("__metadata__")["eprop"]
            self.header = header
            told = json.loads(self.document)
            _check(told["sizes"][1] == len(place), "neurons of another part")
        lists_file = File(f"{stem}.npz")
        with _readable(lists_file), open(lists_file, "rb") as data, np.load(data) as lists:
            self.lists = [(lists[f"starts_{name}"], lists[f"targets_{name}"]) for name in _MATRICES]

    def array(self, name: str) -> Array:
        """An array of the file, which is read where it is used."""
        told = self.header[name]
        first, last = told["data_offsets"]
        dtype = np.dtype(_DTYPES[told["dtype"]])
        if first == last:
            return np.zeros(told["shape"], dtype)
        shape = tuple(told["shape"])
        return np.memmap(self.file, dtype, mode="r", offset=self._first + first, shape=shape)


@contextmanager
def _readable(file: File) -> Iterator[None]:
    """Whatever a damaged file makes of its reader is a ValueError with its name."""
    try:
        yield
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        what = (
            error
            if isinstance(error, ValueError)
            else f"a part of a network: expected a whole file, got {error}"
        )
        raise ValueError(f"{what} ({file})") from error


def _check_sum(file: File, first: int) -> None:
    """Reads all bytes once, some at a time."""
    with open(file, "rb") as data:
        head = bytearray(data.read(first))
        at = head.find(_PENDING_SUM, 8) + len(_PENDING_SUM)
        _check(at >= 8 + len(_PENDING_SUM), "a header without a checksum")
        said = bytes(head[at : at + 8])
        head[at : at + 8] = b"00000000"
        total = zlib.crc32(head)
        while piece := data.read(_PIECE):
            total = zlib.crc32(piece, total)
    _check(said == f"{total:08x}".encode(), "damaged bytes, whose checksum is another")


def _header_of(file: File) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where its arrays begin."""
    with open(file, "rb") as data:
        length = int.from_bytes(data.read(8), "little")
        _check(length < os.path.getsize(file), "a header that is longer than the file")
        return json.loads(data.read(length)), 8 + length


@dataclass(frozen=True)
class _Move:
    """Which numbers of a saved part go where, of listed synapses and of neurons."""

    saved: _Saved
    synapses: list[Array]
    to: list[Array]
    neurons: slice
    to_neurons: slice


def _assembled(place: Place, parts: list[_Saved]) -> Part:
    """A silent part with the weights, and what the optimizer keeps for them, of those that had its neurons."""
    lists, moves = _lists_from(place, parts)
    fields = _fields_from(place, parts, lists)
    n_sources = fields["n_inputs"] + place.n
    # Weights are drawn, as always, and replaced.
    nobody = np.zeros(n_sources, np.uint32)
    part = Part(place, (nobody, nobody), **fields)
    for at, name in enumerate(_MATRICES):
        starts, targets = part._core.lists(name)
        same = np.array_equal(starts, lists[at][0]) and np.array_equal(targets, lists[at][1])
        _check(same, f"other synapses of {name}")
        weights = np.zeros(len(targets), part.dtype)
        for move in moves:
            weights[move.to[at]] = move.saved.array(name)[move.synapses[at]]
        part._core.set_synapses(name, weights)
    w_out, b_of = np.zeros((part.n_outputs, len(place)), part.dtype), np.zeros_like(part.B)
    for move in moves:
        w_out[:, move.to_neurons] = move.saved.array("W_out")[:, move.neurons]
        b_of[move.to_neurons] = move.saved.array("B")[move.neurons]
    part.W_out = w_out
    if part.readout_bias:
        part.b = parts[0].array("b")
    if part.feedback != "symmetric":
        part.B = b_of
    return Part.of_file(place, _with_optimizer(part, moves))


def _lists_from(place: Place, parts: list[_Saved]) -> tuple[list[tuple[Array, Array]], list[_Move]]:
    """The synapses of a part, of each matrix, and where the numbers of saved parts go."""
    taken: list[list[Array]] = [[] for _ in parts]
    counts: list[list[Array]] = [[] for _ in parts]
    places: list[list[Array]] = [[] for _ in parts]
    lists = []
    for at in range(len(_MATRICES)):
        for of, saved in enumerate(parts):
            starts, targets = saved.lists[at]
            neurons = targets.astype(np.int64) + saved.place.first
            here = (neurons >= place.first) & (neurons < place.end)
            so_far = np.concatenate([[0], np.cumsum(here)])
            taken[of].append(np.flatnonzero(here))
            counts[of].append(np.diff(so_far[starts]))
        starts = np.concatenate([[0], np.cumsum(sum(each[at] for each in counts))])
        targets = np.zeros(starts[-1], np.int64)
        # The parts follow each other, and so do their neurons in the list of each source.
        next_of_source = starts[:-1].copy()
        for of, saved in enumerate(parts):
            count = counts[of][at]
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            to = np.repeat(next_of_source, count) + within
            targets[to] = saved.lists[at][1][taken[of][at]].astype(np.int64) + saved.place.first - place.first
            places[of].append(to)
            next_of_source += count
        lists.append((starts, targets))
    moves = []
    for of, saved in enumerate(parts):
        first, end = max(place.first, saved.place.first), min(place.end, saved.place.end)
        from_, to_ = saved.place.first, place.first
        neurons, to_neurons = slice(first - from_, end - from_), slice(first - to_, end - to_)
        moves.append(_Move(saved, taken[of], places[of], neurons, to_neurons))
    return lists, moves


def _fields_from(place: Place, parts: list[_Saved], lists: list[tuple[Array, Array]]) -> dict[str, Any]:
    """The fields of a part, from what the files of others say."""
    each = [fields_of(saved.document) for saved in parts]
    fields = {name: value for name, value in each[0].items() if name not in ("part", "n_neurons")}
    for name in ("tau_mem", "threshold", "beta", "tau_adaptation"):
        if isinstance(fields[name], list):
            every = np.concatenate([told[name] for told in each])
            fields[name] = every[place.first - parts[0].place.first :][: len(place)]
    if fields.get("sign") is not None:
        fields["sign"] = np.asarray(fields["sign"], np.int8)
    for at, (name, n_sources) in enumerate((("connect_in", fields["n_inputs"]), ("connect_rec", place.n))):
        told = fields.get(name)
        if isinstance(told, dict):
            told = told.get("density", Connections((len(place), n_sources), *lists[at]))
        fields[name] = told
    return fields


def _with_optimizer(part: Part, moves: list[_Move]) -> bytes:
    """The bytes of a part, with what optimizers keep for its weights in the place of nothing."""
    data = bytearray(part.to_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    n, n_outputs = len(part.place), part.n_outputs
    of_inputs = len(part._core.lists("W_in")[1])

    def array(name: str) -> Array:
        first, last = header[name]["data_offsets"]
        return np.frombuffer(
            memoryview(data)[8 + length + first : 8 + length + last], _DTYPES[header[name]["dtype"]]
        )

    for moment in ("m", "v"):
        to, rows = array(f"state.layer.synapses.w.{moment}"), array(f"state.head.readout.w_out.w.{moment}")
        for move in moves:
            came = move.saved.array(f"state.layer.synapses.w.{moment}")
            if len(to) > 0:
                cut = len(move.saved.lists[0][1])
                to[move.to[0]] = came[:cut][move.synapses[0]]
                to[of_inputs:][move.to[1]] = came[cut:][move.synapses[1]]
            if len(rows) > 0:
                came = move.saved.array(f"state.head.readout.w_out.w.{moment}").reshape(n_outputs, -1)
                rows.reshape(n_outputs, -1)[:, :n][:, move.to_neurons] = came[:, move.neurons]
        array(f"state.head.readout.b.{moment}")[...] = moves[0].saved.array(f"state.head.readout.b.{moment}")
    for name in header:
        if name.startswith(_OF_OPTIMIZER):
            array(name)[...] = moves[0].saved.array(name)
    return _summed(data, length)


def _summed(data: bytearray, length: int) -> bytes:
    """With the sum of all bytes as a file has it: made with zeros in its place."""
    at = data.index(_PENDING_SUM, 8, 8 + length) + len(_PENDING_SUM)
    data[at : at + 8] = b"00000000"
    data[at : at + 8] = f"{zlib.crc32(data):08x}".encode()
    return bytes(data)
