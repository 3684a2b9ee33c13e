"""Wiring at random: each pair by chance, a fixed number of sources, signs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fields import as_generator, checked
from ._synapses import as_connection, as_count, as_probability, distinct

__all__ = ["dale", "fixed_indegree", "random"]

Array = NDArray[Any]
Seed = int | np.random.Generator | None

_DRAWS = 2**20
"""Gaps that are drawn at a time."""
_CELLS = 2**22
"""Pairs that are looked at at a time."""


def random(
    n_post: int,
    n_pre: int,
    density: float,
    *,
    self_connections: bool = False,
    sparse: bool = True,
    seed: Seed = None,
) -> Any:
    """Each pair has a synapse with the same probability, independently (``pairwise_bernoulli`` in NEST).

    Time and memory follow the number of synapses, not that of pairs.

    Parameters
    ----------
    n_post, n_pre : int
        Neurons; sources.
    density : float
        Of a synapse for each pair, in (0, 1].
    self_connections : bool
        Whether the diagonal of a square array takes part. `connect_rec` must not have it; pass True for a `connect_in` of
        as many inputs as neurons.
    sparse : bool
        A CSR array of SciPy (extra ``sparse``), or a boolean array of NumPy.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    scipy.sparse.csr_array or numpy.ndarray, of bool (n_post, n_pre)

    Raises
    ------
    ValueError
        A density outside of (0, 1]; no neuron, or no source.
    TypeError
        Not a number, or a count that is no int.
    ImportError
        A sparse array without SciPy.

    Examples
    --------
    >>> connect_rec = random(200, 200, 0.1, seed=0)
    >>> connect_rec.shape, abs(connect_rec.nnz / (200 * 199) - 0.1) < 0.01
    ((200, 200), True)
    >>> int(random(3, 3, 1.0, sparse=False).sum())
    6
    """
    n_post, n_pre = as_count("n_post", n_post), as_count("n_pre", n_pre)
    density = as_probability("density", density, zero=False)
    # Without its diagonal a row is one pair shorter.
    gap = int(n_post == n_pre and not checked("self_connections", "bool", self_connections))
    width = n_pre - gap
    cells = _bernoulli(n_post * width, density, as_generator("seed", seed))
    rows, columns = cells // max(width, 1), cells % max(width, 1)
    if gap:
        columns += columns >= rows
    return as_connection((n_post, n_pre), np.bincount(rows, minlength=n_post), columns, sparse=sparse)


def fixed_indegree(
    n_post: int,
    n_pre: int,
    k: int,
    *,
    self_connections: bool = False,
    sparse: bool = True,
    seed: Seed = None,
) -> Any:
    """Each neuron gets k different sources, drawn at random (``fixed_indegree`` in NEST, without multapses).

    Parameters
    ----------
    n_post, n_pre : int
        Neurons; sources.
    k : int
        Synapses onto each neuron.
    self_connections, sparse, seed
        As in `random`.

    Returns
    -------
    scipy.sparse.csr_array or numpy.ndarray, of bool (n_post, n_pre)

    Raises
    ------
    ValueError
        More sources than there are, or no neuron, source or synapse.
    TypeError, ImportError
        As in `random`.

    Examples
    --------
    >>> connect_in = fixed_indegree(100, 20, 5, seed=0)
    >>> set(connect_in.sum(axis=1).tolist())
    {5}
    """
    n_post, n_pre, k = as_count("n_post", n_post), as_count("n_pre", n_pre), as_count("k", k)
    gap = int(n_post == n_pre and not checked("self_connections", "bool", self_connections))
    if k > n_pre - gap:
        others = " beside the neuron itself" if gap else ""
        raise ValueError(f"k: expected at most {n_pre - gap}, as many sources as there are{others}, got {k}")
    rng = as_generator("seed", seed)
    at_a_time = max(1, _CELLS // n_pre)
    parts = []
    for start in range(0, n_post, at_a_time):
        rows = np.arange(start, min(start + at_a_time, n_post))
        columns = distinct(len(rows), k, n_pre - gap, rng)
        if gap:
            columns += columns >= rows[:, np.newaxis]
        parts.append(columns.ravel())
    return as_connection((n_post, n_pre), np.full(n_post, k), np.concatenate(parts), sparse=sparse)


def dale(n: int, fraction_excitatory: float = 0.8, *, n_inputs: int, seed: Seed = None) -> Array:
    """Signs by Dale's law: a share of the neurons excites, the others inhibit; inputs are free.

    Parameters
    ----------
    n : int
        Neurons.
    fraction_excitatory : float
        From 0 to 1. The number of excitatory neurons is rounded; which they are is drawn.
    n_inputs : int
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    numpy.ndarray of int8 (n_inputs + n,)
        Inputs first: 0. Then 1 or -1 for each neuron.

    Raises
    ------
    ValueError
        A fraction outside of [0, 1]; no neuron.
    TypeError
        Not a number, or a count that is no int.

    Examples
    --------
    >>> sign = dale(10, n_inputs=3, seed=0)
    >>> sign[:3].tolist(), int((sign == 1).sum()), int((sign == -1).sum())
    ([0, 0, 0], 8, 2)
    """
    n, n_inputs = as_count("n", n), as_count("n_inputs", n_inputs)
    n_excitatory = round(as_probability("fraction_excitatory", fraction_excitatory) * n)
    sign = np.zeros(n_inputs + n, dtype=np.int8)
    sign[n_inputs:] = as_generator("seed", seed).permutation(np.where(np.arange(n) < n_excitatory, 1, -1))
    return sign


def _bernoulli(n: int, density: float, rng: np.random.Generator) -> Array:
    """Which of n cells are taken, each with the same probability: gaps between them are geometric."""
    if density == 1.0:
        return np.arange(n)
    parts, last = [np.empty(0, np.int64)], -1
    while last < n:
        expected = (n - last) * density
        size = int(min(_DRAWS, expected + 4.0 * np.sqrt(expected) + 16.0))
        # A gap beyond the end is as good as any: it keeps sums within int64.
        gaps = np.minimum(rng.geometric(density, size), n + 1)
        parts.append(last + np.cumsum(gaps))
        last = int(parts[-1][-1])
    cells = np.concatenate(parts)
    return cells[cells < n]
