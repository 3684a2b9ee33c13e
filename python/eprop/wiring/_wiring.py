"""`Wiring`: what a trainer is told of its synapses, and how many each neuron has."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_integers, as_mask
from ._synapses import as_count

__all__ = ["Wiring"]

Array = NDArray[Any]

_MOST_NAMES = 6
"""Of groups, in `repr`."""


@dataclass(frozen=True, eq=False, repr=False)
class Wiring:
    """Which synapses a recurrent layer has, the signs of its sources, and names of groups of neurons.

    Rows are the neurons that a synapse leads to, columns its sources: ``connect_rec[j, i]`` is from neuron i to neuron j,
    as in `W_rec`. Arrays are kept as they are given, without a copy.

    Parameters
    ----------
    n_inputs, n_neurons : int
    connect_in : array_like of bool, or SciPy sparse array (n_neurons, n_inputs), optional
        Synapses from the inputs. Of a sparse array every stored entry is a synapse; numbers are its first weight, bools
        leave the weight to the trainer. None: all of them.
    connect_rec : array_like of bool, or SciPy sparse array (n_neurons, n_neurons), optional
        Synapses between the neurons, none from a neuron to itself. None: all others.
    sign : array_like of int (n_inputs + n_neurons,), optional
        Of each source, inputs first: 1 excitatory, -1 inhibitory, 0 free. None: all are free.
    groups : mapping of str to slice, optional
        Names of neurons that stand side by side.

    Attributes
    ----------
    n_synapses : int
    fan_in : numpy.ndarray of int (n_neurons,)
    fan_out : numpy.ndarray of int (n_inputs + n_neurons,)

    Raises
    ------
    ValueError
        A wrong shape; a synapse from a neuron to itself; one that is listed twice; a sign that is none of 1, -1, 0; a
        group beyond the neurons.
    TypeError
        Arrays of another kind; a density: draw it with `random`.

    Examples
    --------
    >>> import numpy as np
    >>> ring = np.roll(np.eye(4, dtype=bool), 1, axis=0)
    >>> wiring = Wiring(2, 4, connect_rec=ring, groups={"first": slice(0, 2)})
    >>> wiring
    <Wiring: 2 inputs, 4 neurons, 12 synapses; groups: first>
    >>> wiring.fan_in
    array([3, 3, 3, 3])
    >>> sorted(wiring.options())
    ['connect_rec']
    """

    n_inputs: int
    n_neurons: int
    connect_in: Any = field(default=None, kw_only=True)
    connect_rec: Any = field(default=None, kw_only=True)
    sign: ArrayLike | None = field(default=None, kw_only=True)
    groups: Mapping[str, slice] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        n_inputs, n = as_count("n_inputs", self.n_inputs), as_count("n_neurons", self.n_neurons)
        connect_in = _connection("connect_in", self.connect_in, (n, n_inputs))
        connect_rec = _connection("connect_rec", self.connect_rec, (n, n))
        _refuse_self_connections(connect_rec)
        if not isinstance(self.groups, Mapping):
            kind = type(self.groups).__name__
            raise TypeError(
                f"groups: expected a dict with a slice for each name, got {self.groups!r} ({kind})"
            )
        values = {
            "n_inputs": n_inputs,
            "n_neurons": n,
            "connect_in": connect_in,
            "connect_rec": connect_rec,
            "sign": _sign(self.sign, n_inputs + n),
            "groups": {name: _group(name, group, n) for name, group in self.groups.items()},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def options(self) -> dict[str, Any]:
        """The keyword arguments of a trainer: ``EpropTrainer(n_inputs, n_neurons, n_outputs, **wiring.options())``.

        Returns
        -------
        dict
            `connect_in`, `connect_rec` and `sign`, those of them that are not None.

        Examples
        --------
        >>> Wiring(1, 2, sign=[0, 1, -1]).options()
        {'sign': array([ 0,  1, -1])}
        """
        told = {"connect_in": self.connect_in, "connect_rec": self.connect_rec, "sign": self.sign}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def n_synapses(self) -> int:
        """How many synapses there are, those from inputs and those between neurons."""
        return int(self.fan_in.sum())

    @property
    def fan_in(self) -> Array:
        """Synapses onto each neuron (n_neurons,), from inputs and neurons."""
        n_inputs, n = self.n_inputs, self.n_neurons
        return _degrees(self.connect_in, 0, n, n_inputs) + _degrees(self.connect_rec, 0, n, n - 1)

    @property
    def fan_out(self) -> Array:
        """Synapses that leave each source (n_inputs + n_neurons,), inputs first, as in `sign`."""
        n_inputs, n = self.n_inputs, self.n_neurons
        return np.concatenate(
            [_degrees(self.connect_in, 1, n_inputs, n), _degrees(self.connect_rec, 1, n, n - 1)]
        )

    def __repr__(self) -> str:
        names = [*self.groups]
        shown = [*names[:3], "...", names[-1]] if len(names) > _MOST_NAMES else names
        groups = f"; groups: {', '.join(shown)}" if shown else ""
        return f"<Wiring: {self.n_inputs} inputs, {self.n_neurons} neurons, {self.n_synapses:,} synapses{groups}>"


def _connection(name: str, value: Any, shape: tuple[int, int]) -> Any:
    if value is None:
        return None
    if isinstance(value, numbers.Real):
        raise TypeError(
            f"{name}: expected None, a boolean array or a SciPy sparse array, got {value!r} ({type(value).__name__}); "
            f"eprop.wiring.random({shape[0]}, {shape[1]}, density) draws one"
        )
    connect = value if hasattr(value, "tocoo") else as_mask(name, value)
    if tuple(connect.shape) != shape:
        raise ValueError(f"{name}: expected shape {shape}, neurons by sources, got {tuple(connect.shape)}")
    if hasattr(connect, "tocoo"):
        _refuse_duplicates(name, connect.tocoo())
    return connect


def _refuse_duplicates(name: str, coo: Any) -> None:
    keys = np.sort(coo.row.astype(np.int64) * coo.shape[1] + coo.col)
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if len(again) > 0:
        j, i = divmod(int(keys[again[0]]), coo.shape[1])
        raise ValueError(
            f"{name}: expected each synapse once, got {len(again)} of them again, first at index ({j}, {i}); "
            "`sum_duplicates()` adds them up"
        )


def _refuse_self_connections(connect: Any) -> None:
    if connect is None:
        return
    if hasattr(connect, "tocoo"):
        coo = connect.tocoo()
        themselves = coo.row[coo.row == coo.col]
    else:
        themselves = np.flatnonzero(np.diagonal(connect))
    if len(themselves) > 0:
        raise ValueError(
            f"connect_rec: expected no synapse from a neuron to itself, got {len(themselves)}, first of neuron "
            f"{themselves.min()}; leave the diagonal out (self_connections=False, drop_self_connections=True)"
        )


def _sign(value: ArrayLike | None, n_sources: int) -> Array | None:
    if value is None:
        return None
    sign = as_integers("sign", value, "1, -1 or 0 for each source")
    if sign.shape != (n_sources,):
        raise ValueError(
            f"sign: expected shape ({n_sources},), one for each input and neuron, got {sign.shape}"
        )
    if not np.isin(sign, (-1, 0, 1)).all():
        raise ValueError(f"sign: expected 1, -1 or 0, got {sign[~np.isin(sign, (-1, 0, 1))][0]}")
    return sign


def _group(name: Any, group: Any, n: int) -> slice:
    if not isinstance(name, str) or not isinstance(group, slice):
        raise TypeError(f"groups: expected a slice for each name, got {name!r}: {group!r}")
    start, stop, step = group.indices(n)
    if step != 1 or start >= stop or (group.stop is not None and group.stop > n):
        raise ValueError(f"groups: expected slices within {n} neurons, got {name!r}: {group!r}")
    return slice(start, stop)


def _degrees(connect: Any, axis: int, size: int, full: int) -> Array:
    """How many synapses each row (axis 0) or column has; `full` where all exist."""
    if connect is None:
        return np.full(size, full, dtype=np.int64)
    if hasattr(connect, "tocoo"):
        coo = connect.tocoo()
        return np.bincount((coo.row, coo.col)[axis], minlength=size)
    return np.asarray(np.count_nonzero(connect, axis=1 - axis))
