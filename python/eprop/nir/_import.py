"""A graph as a trainer."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from .._fields import number
from .._trainer import EpropTrainer
from .._warnings import warn_of_conversion
from ._graph import Parts, parts_of
from ._libraries import Library, exponential_gain, library_of, milliseconds

__all__ = ["from_nir"]

Array = NDArray[Any]


def from_nir(
    graph: Any,
    *,
    dt: float | None = None,
    library: str | None = None,
    approximate: bool = False,
    **options: Any,
) -> EpropTrainer:
    """A trainer of a graph of NIR: one layer of `LIF` or `CubaLIF` neurons between two matrices, with or without a third.

    Parameters
    ----------
    graph : nir.NIRGraph
        ``input -> weights -> neurons -> weights -> output``, recurrent weights around the neurons, with a `Delay` or not,
        a leaky readout `LI` before the output or not; neurons and their loop may be a graph of their own.
    dt : float, optional
        Length of a step in ms. None: what the graph's metadata say as ``dt_ms``, else 1.
    library : str, optional
        Who wrote the graph, ``"norse"``, ``"snntorch"`` or ``"spikingjelly"``, whose time constants are those of Euler
        steps. None: times are times.
    approximate : bool
        Whether to leave out, with a warning, what a trainer does not have.
    **options
        Fields of `EpropTrainer` that a graph does not say: `lr`, `loss`, `seed`. Without `dtype`, that of the weights.

    Returns
    -------
    EpropTrainer
        With the graph's weights, and gains other than the trainer's own multiplied into them. Of what `to_nir` wrote, the
        same numbers to the bit.

    Raises
    ------
    TypeError
        Not a graph of NIR; an unknown option.
    ValueError
        Another structure; an unknown node; an option that the graph decides; what a trainer does not have, and not
        `approximate`.

    Warns
    -----
    ConversionWarning
        With `approximate`: what was left out.

    Examples
    --------
    >>> import nir
    >>> def each(value, n=2):
    ...     return np.full(n, value)
    >>> graph = nir.NIRGraph.from_list(
    ...     nir.Linear(weight=np.eye(2)),
    ...     nir.LIF(tau=each(0.02), r=each(1.0), v_leak=each(0.0), v_threshold=each(0.5)),
    ...     nir.Linear(weight=np.ones((1, 2))),
    ... )
    >>> trainer = from_nir(graph, lr=0.1)
    >>> trainer.tau_mem, trainer.threshold, trainer.input_gain, trainer.reset_mechanism, trainer.tau_out
    (20.0, 0.5, 'leak', 'zero', 0.0)
    """
    if not isinstance(graph, nir.NIRGraph):
        raise TypeError(f"graph: expected a nir.NIRGraph, got {type(graph).__name__}")
    parts, reader = parts_of(graph), library_of(library)
    step = number("dt", (graph.metadata or {}).get("dt_ms", 1.0) if dt is None else dt)
    if not 0.0 < step < np.inf:
        raise ValueError(f"dt: expected a finite number > 0, got {step:g}")
    if lost := _lost(parts):
        if not approximate:
            raise ValueError(
                f"graph: a trainer cannot say {'; '.join(lost)}; change the graph, or leave it out with approximate=True"
            )
        warn_of_conversion("a trainer", lost)
    fields, gain, out_gain = _fields(parts, step, reader)
    if decided := sorted(fields.keys() & options.keys()):
        raise ValueError(f"{decided[0]}: the graph says it, {fields[decided[0]]!r}; change the graph instead")
    # A trainer's gradient is exact where the two time constants agree.
    if parts.readout is not None and "tau_trace" not in options:
        fields["tau_trace"], fields["tau_out"] = fields["tau_out"], None
    is_double = any(weight.dtype == np.float64 for weight in (parts.w_in, parts.w_rec, parts.w_out))
    options = {"dtype": "float64" if is_double else "float32", **options}
    trainer = EpropTrainer(
        parts.w_in.shape[1], parts.w_in.shape[0], parts.w_out.shape[0], **fields, **options
    )
    trainer.W_in, trainer.W_rec = parts.w_in * gain, parts.w_rec * gain
    trainer.W_out = parts.w_out * out_gain
    if parts.b is not None:
        trainer.b = parts.b * out_gain
    return trainer


def _lost(parts: Parts) -> list[str]:
    neurons, lost = parts.neurons, []
    if np.any(neurons.v_reset != neurons.v_leak):
        lost.append("a v_reset that is not v_leak (a spike then resets to rest)")
    if parts.readout is not None and np.any(parts.readout.v_leak):
        lost.append("a v_leak of the readouts that is not 0 (they then rest at 0)")
    if np.any(np.diagonal(parts.w_rec)):
        lost.append("synapses of neurons onto themselves (they are then left out)")
        np.fill_diagonal(parts.w_rec, 0.0)
    return lost


def _fields(parts: Parts, dt: float, reader: Library | None) -> tuple[dict[str, Any], Any, Any]:
    neurons = parts.neurons
    is_cuba = isinstance(neurons, nir.CubaLIF)
    tau_mem, leak = _filter(neurons.tau_mem if is_cuba else neurons.tau, dt, reader)
    scale = neurons.r
    tau_syn: float | Array = 0.0
    if is_cuba:
        tau_syn, syn_leak = _filter(neurons.tau_syn, dt, reader)
        if np.ndim(tau_syn):
            raise ValueError(
                "graph: expected one tau_syn for all neurons, got several; a trainer has one for all"
            )
        scale = scale * _gain(neurons.w_in, syn_leak)
    input_gain, gain = _gain_of(scale, leak)
    fields = {
        "tau_mem": tau_mem,
        "threshold": _one_or_each(neurons.v_threshold - neurons.v_leak),
        "dt": dt,
        "tau_syn": tau_syn,
        "reset_mechanism": "zero",
        "input_gain": input_gain,
        "delay": 1 + _steps(parts.delay, dt),
        "readout_bias": parts.b is not None,
    }
    if parts.readout is None:
        return {**fields, "tau_out": 0.0}, gain, 1.0
    tau_out, out_leak = _filter(parts.readout.tau, dt, reader)
    if np.ndim(tau_out):
        raise ValueError("graph: expected one tau for all readouts, got several; a trainer has one for all")
    readout_gain, out_gain = _gain_of(parts.readout.r, out_leak)
    return {**fields, "tau_out": tau_out, "readout_gain": readout_gain}, gain, out_gain


def _filter(tau: Array, dt: float, reader: Library | None) -> tuple[float | Array, Array]:
    """The time constants in ms, and 1 - decay of each unit."""
    tau = np.atleast_1d(np.asarray(tau, np.float64))
    if reader is not None:
        if not (tau > reader.dt).all():
            raise ValueError(
                f"graph: expected time constants above a step of {reader.dt:g} s, got {tau.min():g}"
            )
        return _one_or_each(-dt / np.log1p(-reader.dt / tau)), reader.dt / tau
    times = milliseconds(tau)
    return times, np.broadcast_to(exponential_gain(np.asarray(times), dt), tau.shape)


def _gain(r: Array, leak: Array) -> Array:
    return np.where(r == 1.0 / leak, 1.0, r * leak)


def _gain_of(r: Array, leak: Array) -> tuple[str, Any]:
    """The trainer's choice of a gain, and what the weights have to be multiplied with."""
    if (r == 1.0).all():
        return "leak", 1.0
    gain = _gain(r, leak)
    return ("unit", 1.0) if (gain == 1.0).all() else ("unit", gain[:, None])


def _one_or_each(values: Array) -> float | Array:
    values = np.atleast_1d(np.asarray(values, np.float64))
    return float(values[0]) if (values == values[0]).all() else values


def _steps(delay: Array | None, dt: float) -> int:
    if delay is None:
        return 0
    steps = np.unique(np.asarray(delay) * 1e3 / dt)
    if len(steps) != 1 or not 0.0 <= steps[0] < np.inf or abs(steps[0] - round(steps[0])) > 1e-6:
        raise ValueError(f"graph: expected one delay of whole steps of {dt:g} ms, got {steps} steps")
    return round(float(steps[0]))
