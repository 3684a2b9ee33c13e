"""Wiring in space: small worlds on a ring, and probabilities that fall with distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_numbers
from .._fields import as_generator, number
from ._random import Seed
from ._synapses import as_connection, as_count, as_probability, distinct

__all__ = ["distance", "small_world"]

Array = NDArray[Any]

_CELLS = 2**17
"""Pairs that are looked at at a time."""


def small_world(n: int, k: int, p: float, *, sparse: bool = True, seed: Seed = None) -> Any:
    """A small world of Watts and Strogatz, directed: a ring of neurons, of whose synapses some are rewired.

    Each neuron gets a synapse from each of its k nearest neighbours. Then each synapse gets another source with probability
    p, one that is not among these neighbours. So every neuron has k sources, whatever p is.

    Parameters
    ----------
    n : int
        Neurons.
    k : int
        Synapses onto each neuron, k / 2 from each side: even, at most (n - 1) / 2.
    p : float
        Probability of rewiring, from 0 (a ring) to 1. A small world is between 0.001 and 0.1.
    sparse : bool
        A CSR array of SciPy (extra ``sparse``), or a boolean array of NumPy.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    scipy.sparse.csr_array or numpy.ndarray, of bool (n, n)

    Raises
    ------
    ValueError
        A k that is odd or too large; a probability outside of [0, 1]; no neuron.
    TypeError
        Not a number, or a count that is no int.
    ImportError
        A sparse array without SciPy.

    References
    ----------
    Watts and Strogatz 1998, Collective dynamics of "small-world" networks, Nature 393.

    Examples
    --------
    >>> small_world(5, 2, 0.0, sparse=False).astype(int)
    array([[0, 1, 0, 0, 1],
           [1, 0, 1, 0, 0],
           [0, 1, 0, 1, 0],
           [0, 0, 1, 0, 1],
           [1, 0, 0, 1, 0]])
    >>> small_world(1000, 10, 0.1, seed=0).nnz
    10000
    """
    n, k, p = as_count("n", n), as_count("k", k, least=2), as_probability("p", p)
    if k % 2 == 1 or 2 * k > n - 1:
        raise ValueError(f"k: expected an even number up to (n - 1) / 2 = {(n - 1) // 2}, got {k}")
    rng = as_generator("seed", seed)
    # Offsets along the ring: neighbours are 1 to k/2 and n - k/2 to n - 1, all others lie in between.
    half = np.arange(1, k // 2 + 1)
    offsets = np.broadcast_to(np.concatenate([half, n - half]), (n, k))
    elsewhere = k // 2 + 1 + distinct(n, k, n - 1 - k, rng)
    offsets = np.where(rng.random((n, k)) < p, elsewhere, offsets)
    columns = np.sort((np.arange(n)[:, np.newaxis] + offsets) % n, axis=1)
    return as_connection((n, n), np.full(n, k), columns.ravel(), sparse=sparse)


def distance(
    positions: ArrayLike,
    *,
    scale: float,
    probability: float = 1.0,
    sources: ArrayLike | None = None,
    sparse: bool = True,
    seed: Seed = None,
) -> Any:
    """Each pair at a distance d has a synapse with the probability ``probability * exp(-d / scale)``, independently.

    Rows are worked off some at a time: memory follows the number of synapses, not that of pairs.

    Parameters
    ----------
    positions : array_like (n,) or (n, dimensions)
        Of the neurons, in any unit.
    scale : float
        The distance over which probabilities fall to 1/e, in the same unit.
    probability : float
        At distance 0, in (0, 1].
    sources : array_like (n_inputs,) or (n_inputs, dimensions), optional
        Positions of inputs, for a `connect_in`. None: the neurons themselves, for a `connect_rec`; no neuron has a synapse
        to itself.
    sparse : bool
        A CSR array of SciPy (extra ``sparse``), or a boolean array of NumPy.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    scipy.sparse.csr_array or numpy.ndarray, of bool (n, n) or (n, n_inputs)

    Raises
    ------
    ValueError
        Positions that are not finite, or of two dimensions; a scale that is not above 0; a probability outside of (0, 1].
    TypeError
        Not numbers.
    ImportError
        A sparse array without SciPy.

    Examples
    --------
    >>> import numpy as np
    >>> positions = np.random.default_rng(0).random((300, 2))
    >>> connect_rec = distance(positions, scale=0.05, seed=0)
    >>> j, i = connect_rec.nonzero()
    >>> bool(np.linalg.norm(positions[j] - positions[i], axis=1).mean() < 0.2)
    True
    """
    post = _as_positions("positions", positions)
    pre = post if sources is None else _as_positions("sources", sources)
    if pre.shape[1] != post.shape[1]:
        raise ValueError(
            f"sources: expected {post.shape[1]} dimensions, as positions have, got {pre.shape[1]}"
        )
    length = number("scale", scale)
    if not 0.0 < length < float("inf"):
        raise ValueError(f"scale: expected a finite length > 0, got {length}")
    peak = as_probability("probability", probability, zero=False)
    rng = as_generator("seed", seed)
    per_row, columns = [], []
    at_a_time = max(1, _CELLS // len(pre))
    for start in range(0, len(post), at_a_time):
        rows = post[start : start + at_a_time]
        far = _squared_distances(rows, pre)
        # u < peak exp(-d / scale) of a uniform u is d < scale (log(peak) - log(u)), and -log(u) is exponential.
        reach = length * (np.log(peak) + rng.standard_exponential(far.shape))
        taken = (reach > 0.0) & (far < reach * reach)
        if sources is None:
            taken[np.arange(len(rows)), start + np.arange(len(rows))] = False
        per_row.append(np.count_nonzero(taken, axis=1))
        columns.append(np.nonzero(taken)[1])
    shape = (len(post), len(pre))
    return as_connection(shape, np.concatenate(per_row), np.concatenate(columns), sparse=sparse)


def _squared_distances(rows: Array, pre: Array) -> Array:
    far = np.zeros((len(rows), len(pre)))
    for d in range(rows.shape[1]):
        apart = np.subtract.outer(rows[:, d], pre[:, d])
        far += apart * apart
    return far


def _as_positions(name: str, value: ArrayLike) -> Array:
    array = np.asarray(as_numbers(name, value), dtype=np.float64)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name}: expected shape (n, dimensions) with nothing empty, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array
