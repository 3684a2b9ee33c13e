"""Which synapses exist, as lists: for each source the neurons that it reaches."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._arrays import as_mask, as_numbers

__all__ = [
    "Connect",
    "Connections",
    "as_connect",
    "as_dense",
    "as_listed",
    "as_sparse",
    "from_file",
    "take_first_weights",
]

Array = NDArray[Any]
# None, a density, a boolean array, a SciPy sparse array, or `Connections`; SciPy is no dependency, so it can't be said here.
Connect = Any

_EXPECTED = "None, a density in (0, 1], a boolean array, a SciPy sparse array"


class Connections:
    """Listed synapses of shape (n_neurons, n_sources), to by from: what `connect_in` and `connect_rec` read as.

    A trainer makes it of a boolean array or a SciPy sparse array, and takes it in their place. NumPy reads it as a boolean
    array (``np.asarray``).

    Parameters
    ----------
    shape : tuple of int
        Neurons, sources.
    starts : array_like of int (n_sources + 1,)
        Source i reaches the neurons ``targets[starts[i]:starts[i + 1]]``.
    targets : array_like of int
        Neurons, ascending for each source, none twice.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> trainer = EpropTrainer(2, 3, 1, connect_in=np.array([[True, False], [True, True], [False, True]]))
    >>> trainer.connect_in
    <Connections (3, 2): 4 synapses>
    >>> np.asarray(trainer.connect_in)
    array([[ True, False],
           [ True,  True],
           [False,  True]])
    >>> trainer.W_in[0, 1]
    np.float32(0.0)
    """

    __slots__ = ("_first_weights", "shape", "starts", "targets")

    def __init__(self, shape: tuple[int, int], starts: Any, targets: Any) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.starts = _frozen(starts, np.int64)
        self.targets = _frozen(targets, np.uint32)
        self._first_weights: Array | None = None

    @property
    def n_synapses(self) -> int:
        """How many there are."""
        return len(self.targets)

    @property
    def sources(self) -> Array:
        """The source of each synapse, in the order of `targets`."""
        return np.repeat(np.arange(self.shape[1]), np.diff(self.starts))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        dense = np.zeros(self.shape, dtype=bool)
        dense[self.targets, self.sources] = True
        return dense if dtype is None else dense.astype(dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Connections):
            return NotImplemented
        same = self.shape == other.shape and np.array_equal(self.starts, other.starts)
        return bool(same and np.array_equal(self.targets, other.targets))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Connections, (self.shape, self.starts, self.targets)

    def __repr__(self) -> str:
        return f"<Connections {self.shape}: {self.n_synapses:,} synapses>"


def as_connect(name: str, value: Connect) -> float | Connections | None:
    """What a user gives for `connect_in` or `connect_rec`: None, a density, or lists.

    Examples
    --------
    >>> as_connect("connect_in", [[True, False]])
    <Connections (1, 2): 1 synapses>
    >>> as_connect("connect_in", [[1, 0]])
    Traceback (most recent call last):
    TypeError: connect_in: expected an array of bool, got dtype int64
    """
    if value is None or isinstance(value, Connections):
        return value
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected {_EXPECTED}, got {value!r} (bool)")
    if isinstance(value, numbers.Real):
        return float(value)
    if hasattr(value, "tocoo"):
        return _from_sparse(name, value)
    exists = as_mask(name, value)
    if exists.ndim != 2:
        raise ValueError(
            f"{name}: expected {_EXPECTED} of shape (n_neurons, sources), got shape {exists.shape}"
        )
    sources, targets = np.nonzero(exists.T)
    return _listed(exists.shape, sources, targets)


def take_first_weights(connect: float | Connections | None) -> Array | None:
    """The weights that came with a sparse array, in the order of its lists: once."""
    if not isinstance(connect, Connections):
        return None
    weights, connect._first_weights = connect._first_weights, None
    return weights


def as_sparse(values: Array, shape: tuple[int, int], starts: Array, targets: Array) -> Any:
    """Numbers of listed synapses as a SciPy sparse array, read-only as all that a trainer returns."""
    try:
        from scipy.sparse import csc_array
    except ImportError as error:
        raise ImportError(
            "the synapses of this trainer are listed, and read as SciPy sparse arrays, which needs SciPy: "
            "pip install 'eprop[sparse]'"
        ) from error
    made = csc_array((values, targets, starts), shape=shape)
    for part in (made.data, made.indices, made.indptr):
        part.flags.writeable = False
    return made


def as_dense(value: Any) -> Any:
    """A SciPy sparse array as the array that it stands for; all else as it is.

    Examples
    --------
    >>> as_dense(1.0)
    1.0
    """
    return value.toarray() if hasattr(value, "tocoo") else value


def as_listed(name: str, value: Any, shape: tuple[int, int], starts: Array, targets: Array) -> Array:
    """Numbers of listed synapses, in the order of their lists, of a dense or a sparse array that has them."""
    sources = np.repeat(np.arange(shape[1]), np.diff(starts))
    if not hasattr(value, "tocoo"):
        dense = as_numbers(name, value)
        if dense.shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {dense.shape}")
        listed = dense[targets, sources]
        if np.count_nonzero(dense) > np.count_nonzero(listed):
            exists = np.zeros(shape, dtype=bool)
            exists[targets, sources] = True
            at = np.argwhere((dense != 0) & ~exists)[0]
            raise _stray(name, dense[tuple(at)], (int(at[0]), int(at[1])))
        return listed
    coo = value.tocoo()
    if coo.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {coo.shape}")
    data = as_numbers(name, coo.data)
    keys = sources.astype(np.int64) * shape[0] + targets
    given = coo.col.astype(np.int64) * shape[0] + coo.row
    place = np.minimum(np.searchsorted(keys, given), max(len(keys) - 1, 0))
    there = keys[place] == given if len(keys) else np.zeros(len(given), dtype=bool)
    stray = np.flatnonzero(~there & (data != 0))
    if len(stray):
        at = stray[0]
        raise _stray(name, data[at], (int(coo.row[at]), int(coo.col[at])))
    listed = np.zeros(len(keys), dtype=data.dtype)
    np.add.at(listed, place[there], data[there])
    return listed


def _stray(name: str, weight: Any, at: tuple[int, int]) -> ValueError:
    return ValueError(
        f"{name}: expected 0 where connect_in and connect_rec have no synapse, got {weight} at index {at}"
    )


def _from_sparse(name: str, value: Any) -> Connections:
    coo = value.tocoo()
    if coo.ndim != 2:
        raise ValueError(
            f"{name}: expected a sparse array of shape (n_neurons, sources), got shape {coo.shape}"
        )
    order = np.lexsort((coo.row, coo.col))
    targets, sources, weights = coo.row[order], coo.col[order], coo.data[order]
    again = np.flatnonzero((np.diff(sources) == 0) & (np.diff(targets) == 0))
    if len(again):
        at = (int(targets[again[0]]), int(sources[again[0]]))
        raise ValueError(
            f"{name}: expected each synapse once, got {len(again)} of them again, first at index {at}; "
            "`sum_duplicates()` adds them up"
        )
    listed = _listed(coo.shape, sources, targets)
    if weights.dtype.kind in "fiu":
        listed._first_weights = weights
    elif weights.dtype.kind != "b":
        raise TypeError(
            f"{name}: expected a sparse array of bool or of real numbers, got dtype {weights.dtype}"
        )
    return listed


def _listed(shape: tuple[int, ...], sources: Array, targets: Array) -> Connections:
    """Of synapses that are sorted by source, then by neuron."""
    starts = np.searchsorted(sources, np.arange(shape[1] + 1))
    return Connections((shape[0], shape[1]), starts, targets)


def from_file(told: Mapping[str, Any], shape: tuple[int, int], lists: Any) -> float | Connections:
    """What a file says of `connect_in` or `connect_rec`; `lists` are those that the core has read."""
    return float(told["density"]) if "density" in told else Connections(shape, *lists)


def _frozen(values: Any, dtype: DTypeLike) -> Array:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
