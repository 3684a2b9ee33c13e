"""Wiring from a list of edges, as connectomes come: labels as indices, synapses as a sparse array, a sign per source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_integers, as_numbers
from .._fields import checked
from ._labels import Labels
from ._synapses import csr_array

__all__ = ["Edges", "from_edges"]

Array = NDArray[Any]


class Edges(NamedTuple):
    """What `from_edges` makes of a list.

    Attributes
    ----------
    connect : scipy.sparse.csr_array (n_post, n_pre)
        For `connect_rec`, or with `inputs` for `connect_in`. Numbers are weights, bools leave them to the trainer.
    neurons : numpy.ndarray (n_post,)
        The label of each neuron.
    sources : numpy.ndarray (n_pre,)
        The label of each source: `neurons`, or the inputs.
    sign : numpy.ndarray of int8 (n_pre,), or None
        Of each source; 0: free.
    """

    connect: Any
    neurons: Array
    sources: Array
    sign: Array | None


def from_edges(
    pre: ArrayLike,
    post: ArrayLike,
    weight: ArrayLike | None = None,
    sign: ArrayLike | Mapping[Any, int] | None = None,
    *,
    neurons: int | ArrayLike | None = None,
    inputs: int | ArrayLike | None = None,
    drop_self_connections: bool = False,
) -> Edges:
    """Synapses out of a list: columns of NumPy, of pandas, of a parquet file that pandas or Arrow has read.

    Parameters
    ----------
    pre, post : array_like of int or str (n_edges,)
        Source and target of each edge: indices from 0 where `neurons` or `inputs` is an int, labels where it is not. Labels
        are strings or integers of any size, as the root ids of a connectome.
    weight : array_like (n_edges,), optional
        First weights, or with `sign` their sizes: counts of synapses, for example. None: the trainer draws them.
    sign : array_like of int (n_edges,), or mapping of label to int, optional
        1 excitatory, -1 inhibitory, 0 free. A column says it of the source of each edge, a mapping of each source. A source
        that neither names is free. Weights of sources that are not free take their sign.
    neurons : int or array_like, optional
        How many there are, or their labels in the order of the rows. None: all labels that occur, sorted.
    inputs : int or array_like, optional
        The same of `pre`, where the edges come from inputs. None: they come from neurons.
    drop_self_connections : bool
        Leave out edges from a neuron to itself. False: they are an error.

    Returns
    -------
    Edges
        The sparse array (SciPy, extra ``sparse``), the labels of its rows and columns, and signs.

    Raises
    ------
    ValueError
        Columns of different lengths; an edge that is listed twice; one from a neuron to itself; an index or a label that
        does not exist; a weight that is not finite; a source of two signs, or a weight against the sign of its source.
    TypeError
        Labels that are neither integers nor strings; weights that are not numbers.
    ImportError
        SciPy is missing.

    Examples
    --------
    >>> connect, neurons, _, sign = from_edges(
    ...     ["Mi1", "Tm3", "Mi4"], ["T4a", "T4a", "Mi1"], [30, 14, 3], sign={"Mi1": 1, "Mi4": -1}
    ... )
    >>> neurons.tolist(), sign.tolist()
    (['Mi1', 'Mi4', 'T4a', 'Tm3'], [1, -1, 0, 0])
    >>> connect.toarray().astype(int)
    array([[ 0, -3,  0,  0],
           [ 0,  0,  0,  0],
           [30,  0,  0, 14],
           [ 0,  0,  0,  0]])
    """
    of_neurons = Labels.of("neurons", neurons, ({"pre": pre} if inputs is None else {}) | {"post": post})
    of_sources = of_neurons if inputs is None else Labels.of("inputs", inputs, {"pre": pre})
    rows, columns = of_neurons.indices("post", post), of_sources.indices("pre", pre)
    _same_length("post", rows, len(columns))
    values = None if weight is None else _as_weights(weight, len(rows))
    signs = None if sign is None else _signs(sign, columns, of_sources)
    if values is not None and signs is not None:
        values = _with_sign(values, signs[columns], columns, of_sources)
    if inputs is None:
        kept = _beside_itself(
            rows, columns, of_neurons, checked("drop_self_connections", "bool", drop_self_connections)
        )
        rows, columns = rows[kept], columns[kept]
        values = None if values is None else values[kept]
    places = rows * len(of_sources) + columns
    order = np.argsort(places)
    _refuse_duplicates(places, order, of_neurons, of_sources)
    data = np.ones(len(rows), dtype=bool) if values is None else values[order]
    shape = (len(of_neurons), len(of_sources))
    connect = csr_array(shape, np.bincount(rows, minlength=shape[0]), columns[order], data)
    return Edges(connect, of_neurons.labels, of_sources.labels, signs)


def _same_length(name: str, column: Array, n_edges: int) -> None:
    if column.shape != (n_edges,):
        raise ValueError(
            f"{name}: expected shape ({n_edges},), one for each edge, as pre has, got {column.shape}"
        )


def _as_weights(weight: ArrayLike, n_edges: int) -> Array:
    values = as_numbers("weight", weight)
    _same_length("weight", values, n_edges)
    # Counts of synapses are integers, weights are none.
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"weight: expected finite numbers, got {values[~np.isfinite(values)][0]} at edge "
            f"{int(np.argmin(np.isfinite(values)))}"
        )
    return values


def _signs(sign: Any, columns: Array, sources: Labels) -> Array:
    """One for each source."""
    if isinstance(sign, Mapping):
        named, places = _one_of_three(list(sign.values())), sources.indices("sign", list(sign), "entry")
    else:
        given = as_integers("sign", sign, "1, -1 or 0 for each edge")
        _same_length("sign", given, len(columns))
        named, places = _one_of_three(given), columns
    signs = np.zeros(len(sources), dtype=np.int8)
    signs[places] = named
    both = np.flatnonzero(signs[places] != named)
    if len(both) > 0:
        n_sources = len(np.unique(places[both]))
        raise ValueError(
            f"sign: expected one sign for each source (Dale's law), got several for {n_sources} of them, the first "
            f"{sources.name(places[both[0]])}; give 0 to sources that are free, as a mapping {{label: 0}}"
        )
    return signs


def _one_of_three(signs: Array | list[Any]) -> Array:
    if isinstance(signs, list):
        wrong = [sign for sign in signs if type(sign) is bool or not isinstance(sign, (int, np.integer))]
        signs = np.array([] if wrong else signs)
    else:
        wrong = []
    wrong += signs[~np.isin(signs, (-1, 0, 1))].tolist()
    if wrong:
        raise ValueError(f"sign: expected 1 (excitatory), -1 (inhibitory) or 0 (free), got {wrong[0]!r}")
    return signs.astype(np.int8)


def _with_sign(values: Array, signs: Array, columns: Array, sources: Labels) -> Array:
    against = np.flatnonzero((values < 0) & (signs == 1))
    if len(against) > 0:
        at = against[0]
        raise ValueError(
            f"weight: expected no weight below 0 of an excitatory source, got {len(against)}, the first {values[at]} at "
            f"edge {at}, of {sources.name(columns[at])}"
        )
    return np.where(signs == -1, -np.abs(values), values)


def _beside_itself(rows: Array, columns: Array, neurons: Labels, drop: bool) -> Array:
    """Which edges lead to another neuron."""
    kept = rows != columns
    if not drop and not kept.all():
        first = int(np.argmin(kept))
        raise ValueError(
            f"pre, post: expected no edge from a neuron to itself, got {np.count_nonzero(~kept)}, the first at edge "
            f"{first}, of {neurons.name(rows[first])}; drop_self_connections=True leaves them out"
        )
    return np.asarray(kept)


def _refuse_duplicates(places: Array, order: Array, neurons: Labels, sources: Labels) -> None:
    if (np.diff(places[order]) > 0).all():
        return
    order = np.argsort(places, kind="stable")  # so that the first of equal edges is no duplicate
    again = order[1:][np.diff(places[order]) == 0]
    row, column = divmod(int(places[again.min()]), len(sources))
    raise ValueError(
        f"pre, post: expected each edge once, got {len(again)} of them again, the first at edge {again.min()}, from "
        f"{sources.name(column)} to {neurons.name(row)}; add them up first, as "
        '`table.groupby(["pre", "post"], as_index=False).sum()` of pandas does'
    )
