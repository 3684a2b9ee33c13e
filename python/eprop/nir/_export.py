"""A trainer as a graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from .._connections import as_dense
from .._trainer import EpropTrainer
from .._warnings import warn_of_conversion
from ._libraries import Library, exponential_gain, library_of

__all__ = ["to_nir"]

Array = NDArray[Any]


def to_nir(trainer: EpropTrainer, *, library: str | None = None, approximate: bool = False) -> Any:
    """The network of a trainer as a graph of NIR. Weights are copies; state and what concerns learning is not in it.

    Times become seconds. NIR's equations are continuous; without a `library` the graph is the one whose exact solution, of
    inputs that are constant over a step of `dt`, is the trainer's, filter by filter. Neurons with recurrent weights are a
    graph within the graph, as snnTorch writes them.

    Parameters
    ----------
    trainer : EpropTrainer
    library : str, optional
        Who will read the graph: ``"norse"``, ``"snntorch"`` or ``"spikingjelly"``, which take Euler steps of 1 or 0.1 ms.
        Time constants and gains are then such that these steps have the trainer's decays, and are not those of the trainer.
    approximate : bool
        Whether to leave out, with a warning, what the graph cannot say.

    Returns
    -------
    nir.NIRGraph
        For `nir.write`. Its metadata hold ``dt_ms``, the length of a step.

    Raises
    ------
    TypeError
        Not an EpropTrainer.
    ValueError
        Something that NIR, or the library, cannot say, and not `approximate`; an unknown library.

    Warns
    -----
    ConversionWarning
        With `approximate`: what was left out, and what was put in its place.

    Examples
    --------
    >>> trainer = EpropTrainer(3, 5, 2)
    >>> graph = to_nir(trainer)
    Traceback (most recent call last):
    ValueError: trainer: NIR cannot say reset_mechanism="subtract" (v loses the threshold a step after a spike; NIR sets it \
to rest); build the trainer without it, or leave it out with approximate=True
    """
    if not isinstance(trainer, EpropTrainer):
        raise TypeError(f"trainer: expected an EpropTrainer, got {type(trainer).__name__}")
    reader = library_of(library)
    lost = _lost(trainer, reader)
    if lost and not approximate:
        raise ValueError(
            f"trainer: {library or 'NIR'} cannot say {'; '.join(lost)}; build the trainer without it, or leave it out with "
            "approximate=True"
        )
    if lost:
        warn_of_conversion(library or "NIR", lost)
    return _graph(trainer, reader)


def _lost(trainer: EpropTrainer, reader: Library | None) -> list[str]:
    lost = []
    if trainer.reset_mechanism == "subtract":
        lost.append(
            'reset_mechanism="subtract" (v loses the threshold a step after a spike; NIR sets it to rest)'
        )
    if np.any(trainer.beta):
        lost.append("beta, an adaptation (the threshold then stays where it is)")
    if trainer.n_ref > 1:
        lost.append(f"n_ref={trainer.n_ref} (neurons then fire without a pause)")
    if reader is not None and trainer.delay > 1:
        lost.append(f"delay={trainer.delay} (recurrent spikes then take one step)")
    if reader is not None and not reader.has_readout and trainer.tau_out != 0.0 and _tau_out(trainer) > 0.0:
        lost.append(
            f"a leaky readout, tau_out={_tau_out(trainer):g} (outputs then are the currents W_out z + b of a step; "
            "filter them yourself)"
        )
    return lost


def _tau_out(trainer: EpropTrainer) -> float:
    return trainer.tau_trace if trainer.tau_out is None else trainer.tau_out


def _graph(trainer: EpropTrainer, reader: Library | None) -> Any:
    # An Euler library fixes the gain of its neurons, so that of the trainer goes into the weights.
    gain = 1.0 if reader is None else _gain(trainer, reader)
    neurons, w_rec = _neurons(trainer, reader), nir.Linear(weight=_scaled(as_dense(trainer.W_rec), gain))
    kappa_gain, tau_out = 1.0, _tau_out(trainer)
    if trainer.readout_gain == "leak" and tau_out > 0.0:
        kappa_gain = float(exponential_gain(np.float64(tau_out), trainer.dt))
    is_filtered = tau_out > 0.0 and (reader is None or reader.has_readout)
    out_gain = 1.0 if is_filtered else kappa_gain
    w_out = _scaled(trainer.W_out, out_gain)
    nodes = {
        "input": nir.Input({"input": np.array([trainer.n_inputs])}),
        "w_in": nir.Linear(weight=_scaled(as_dense(trainer.W_in), gain)),
        "neurons": _recurrent(trainer, neurons, w_rec, reader),
        "w_out": nir.Affine(weight=w_out, bias=_scaled(trainer.b, out_gain))
        if trainer.readout_bias
        else nir.Linear(weight=w_out),
    }
    if is_filtered:
        nodes["readout"] = _readout(trainer, tau_out, kappa_gain)
    nodes["output"] = nir.Output({"output": np.array([trainer.n_outputs])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), {"dt_ms": trainer.dt})


def _gain(trainer: EpropTrainer, reader: Library) -> Any:
    """What weights are multiplied with: zeta, over the library's own gain where `r` cannot undo it. A number, or (N, 1)."""
    leak = exponential_gain(np.asarray(trainer.tau_mem, np.float64), trainer.dt)
    gain = leak if trainer.input_gain == "leak" else np.ones_like(leak)
    if not _is_read(trainer, reader):
        gain = gain / leak
    return gain[:, None] if gain.ndim else float(gain)


def _is_read(trainer: EpropTrainer, reader: Library) -> bool:
    """Whether the library reads `r` of these neurons; of `CubaLIF` each does."""
    return reader.reads_gain or trainer.tau_syn != 0.0


def _scaled(weights: Array, gain: Any) -> Array:
    return np.array(weights * gain, dtype=weights.dtype)


def _neurons(trainer: EpropTrainer, reader: Library | None) -> Any:
    shape = trainer.n_neurons
    tau = np.broadcast_to(np.asarray(trainer.tau_mem, np.float64), shape)
    leak = exponential_gain(tau, trainer.dt)
    threshold = np.array(np.broadcast_to(np.asarray(trainer.threshold, np.float64), shape))
    rest = np.zeros(shape)
    if reader is None:
        seconds = tau / 1e3
        r = np.ones(shape) if trainer.input_gain == "leak" else 1.0 / leak
    else:
        seconds = reader.dt / leak
        r = seconds / reader.dt if _is_read(trainer, reader) else np.ones(shape)
    fields = {"r": r, "v_leak": rest, "v_threshold": threshold, "v_reset": rest.copy()}
    if trainer.tau_syn == 0.0:
        return nir.LIF(tau=seconds, **fields)
    tau_syn = np.full(shape, trainer.tau_syn)
    if reader is None:
        syn_seconds, w_in = tau_syn / 1e3, 1.0 / exponential_gain(tau_syn, trainer.dt)
    else:
        syn_seconds = reader.dt / exponential_gain(tau_syn, trainer.dt)
        w_in = syn_seconds / reader.dt
    return nir.CubaLIF(tau_syn=syn_seconds, tau_mem=seconds, w_in=w_in, **fields)


def _recurrent(trainer: EpropTrainer, neurons: Any, w_rec: Any, reader: Library | None) -> Any:
    size = np.array([trainer.n_neurons])
    nodes = {
        "input": nir.Input({"input": size}),
        "lif": neurons,
        "w_rec": w_rec,
        "output": nir.Output({"output": size}),
    }
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    if reader is None and trainer.delay > 1:
        # A loop takes one step by itself.
        nodes["delay"] = nir.Delay(delay=np.full(trainer.n_neurons, (trainer.delay - 1) * trainer.dt / 1e3))
        edges[1:2] = [("lif", "delay"), ("delay", "w_rec")]
    return nir.NIRGraph(nodes, edges)


def _readout(trainer: EpropTrainer, tau_out: float, gain: float) -> Any:
    tau = np.full(trainer.n_outputs, tau_out)
    r = np.ones(len(tau)) if trainer.readout_gain == "leak" else gain / exponential_gain(tau, trainer.dt)
    return nir.LI(tau=tau / 1e3, r=r, v_leak=np.zeros(len(tau)))
