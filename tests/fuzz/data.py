"""Sequences, and the many forms in which the same numbers can be handed over."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from options import Recipe, Rng


class Sequence(NamedTuple):
    """Inputs (..., T, n_inputs), targets (..., T, n_outputs), and the steps that have a target (..., T), if not all."""

    x: Any
    y: Any
    mask: Any

    @property
    def n_steps(self) -> int:
        return int(self.x.shape[-2])

    def steps(self, start: int, stop: int) -> Sequence:
        mask = None if self.mask is None else self.mask[..., start:stop]
        return Sequence(self.x[..., start:stop, :], self.y[..., start:stop, :], mask)


def dense(value: Any) -> Any:
    """A SciPy sparse array as the array that it stands for."""
    return value.toarray() if hasattr(value, "tocoo") else value


def draw_sequence(rng: Rng, recipe: Recipe) -> Sequence:
    n_steps = int(rng.integers(1, 60)) if rng.random() < 0.9 else int(rng.integers(60, 400))
    shape = (*recipe.streams, n_steps)
    spikes = rng.random((*shape, recipe.sizes[0])) < rng.choice([0.0, 0.05, 0.2, 0.6])
    if rng.random() < 0.3:  # float32 in either width, and no -0.0
        x = np.where(spikes, rng.normal(0.5, 1.0, spikes.shape), 0.0).astype(np.float32).astype(float)
    else:
        x = spikes.astype(float)
    y = rng.normal(size=(*shape, recipe.sizes[-1])).astype(np.float32).astype(float)
    if recipe.options.get("loss") == "cross_entropy":
        y = np.eye(recipe.sizes[-1])[rng.integers(recipe.sizes[-1], size=shape)]
    mask = rng.random(shape) < 0.5 if rng.random() < 0.4 else None
    return Sequence(x, y, mask)


def is_binary(x: Any) -> bool:
    return bool(((x == 0) | (x == 1)).all())


def inputs_in_some_form(rng: Rng, x: Any) -> Any:
    """The inputs of a sequence, (T, n_inputs) or (B, T, n_inputs)."""
    if rng.random() < 0.4:
        if x.ndim == 2:
            return _events(rng, x)
        return [_events(rng, stream) for stream in x]
    return dense_in_some_form(rng, x)


def step_in_some_form(rng: Rng, x: Any) -> Any:
    """The input of one step, (n_inputs,) or (B, n_inputs)."""
    if is_binary(x) and rng.random() < 0.4:
        units = [(_some_order(rng, np.flatnonzero(row)),) for row in np.atleast_2d(x)]
        return units[0] if x.ndim == 1 else units
    return dense_in_some_form(rng, x)


def dense_in_some_form(rng: Rng, x: Any) -> Any:
    forms = [
        lambda: x,
        lambda: x.astype(np.float32),
        lambda: x.tolist(),
        lambda: np.asfortranarray(x),
        lambda: np.repeat(x, 2, axis=-1)[..., ::2],
        lambda: x.astype(np.longdouble),
        lambda: x.astype(">f8"),
        lambda: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(float).reshape(x.shape),
    ]
    if is_binary(x):  # a bare integer vector may be taken for indices in a step, so bytes and bools only
        forms += [lambda: x.astype(bool), lambda: x.astype(np.float16)]
    return forms[rng.integers(len(forms))]()


def _events(rng: Rng, x: Any) -> Any:
    if is_binary(x) and rng.random() < 0.5:
        times, units = np.nonzero(x)
        order = _some_order(rng, np.arange(len(times)))
        dtype = rng.choice(["int64", "int32", "uint16"])
        return times[order].astype(dtype), units[order].astype(dtype), len(x)
    form = [scipy.sparse.csr_array, scipy.sparse.coo_array, scipy.sparse.csc_array, scipy.sparse.csr_matrix]
    return form[rng.integers(len(form))](x)


def _some_order(rng: Rng, values: Any) -> Any:
    return rng.permutation(values) if rng.random() < 0.5 else values
