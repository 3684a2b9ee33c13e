"""Stacks of layers as one recurrent layer: a group each, blocks between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .._fields import as_generator, checked
from ._random import Seed, random
from ._synapses import as_count, as_probability
from ._wiring import Wiring

__all__ = ["layered"]


def layered(
    sizes: Sequence[int],
    n_inputs: int,
    *,
    density: float = 1.0,
    skip: int = 0,
    feedback: float = 0.0,
    within: float = 0.0,
    seed: Seed = None,
) -> Wiring:
    """Layers one after the other, each a group of the same recurrent layer.

    Inputs reach the first layer, each layer the next one. A spike takes a step (`delay` of the trainer) to the neurons of
    another layer, so without skips what an input does reaches layer l after l steps, counted from 0.

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the first one first.
    n_inputs : int
    density : float
        Of the synapses from one layer to the next, of those from the inputs, and of skips, in (0, 1].
    skip : int
        How many layers a synapse may pass over: with 1, layer l also gets the spikes of layer l - 2, and the second layer
        the inputs.
    feedback : float
        Density of the synapses from each layer back to the one before, from 0 (none) to 1 (all).
    within : float
        Density of the synapses within a layer, from 0 to 1.
    seed : int or numpy.random.Generator, optional
        Of densities between 0 and 1.

    Returns
    -------
    Wiring
        Boolean arrays, and the groups ``"layer_0"``, ``"layer_1"``, ...

    Raises
    ------
    ValueError
        No layer, or one without neurons; no input; a density out of its range.
    TypeError
        Not a number, or a count that is no int.

    Examples
    --------
    >>> wiring = layered([3, 2], n_inputs=4, within=1.0)
    >>> wiring.connect_rec.astype(int)
    array([[0, 1, 1, 0, 0],
           [1, 0, 1, 0, 0],
           [1, 1, 0, 0, 0],
           [1, 1, 1, 0, 1],
           [1, 1, 1, 1, 0]])
    >>> wiring.connect_in.any(axis=1).tolist()
    [True, True, True, False, False]
    """
    widths = [as_count("sizes", size) for size in checked("sizes", "Sequence[int]", sizes)]
    if not widths:
        raise ValueError("sizes: expected at least one layer, got none")
    n_inputs, skip = as_count("n_inputs", n_inputs), as_count("skip", skip, least=0)
    forward = as_probability("density", density, zero=False)
    feedback, within = as_probability("feedback", feedback), as_probability("within", within)
    rng = as_generator("seed", seed)
    ends = np.cumsum([0, *widths]).tolist()
    layers = [slice(start, stop) for start, stop in pairwise(ends)]
    connect_in = np.zeros((ends[-1], n_inputs), dtype=bool)
    connect_rec = np.zeros((ends[-1], ends[-1]), dtype=bool)
    for to, width in enumerate(widths):
        if to <= skip:
            connect_in[layers[to]] = _block(width, n_inputs, forward, rng)
        for source in range(max(0, to - 1 - skip), to):
            connect_rec[layers[to], layers[source]] = _block(width, widths[source], forward, rng)
        connect_rec[layers[to], layers[to]] = _block(width, width, within, rng)
        if to + 1 < len(widths):
            connect_rec[layers[to], layers[to + 1]] = _block(width, widths[to + 1], feedback, rng)
    np.fill_diagonal(connect_rec, False)
    groups = {f"layer_{k}": layer for k, layer in enumerate(layers)}
    return Wiring(n_inputs, ends[-1], connect_in=connect_in, connect_rec=connect_rec, groups=groups)


def _block(n_post: int, n_pre: int, density: float, rng: np.random.Generator) -> Any:
    if density in (0.0, 1.0):
        return density == 1.0
    return random(n_post, n_pre, density, self_connections=True, sparse=False, seed=rng)
