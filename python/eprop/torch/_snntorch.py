"""A trainer's network out of the layers of snnTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import snntorch
import torch
from torch import nn

from .._connections import as_dense
from .._trainer import EpropTrainer
from ._surrogate import spike_function

__all__ = ["SnnTorchTwin", "to_snntorch"]


class SnnTorchTwin(nn.Module):
    """A network of snnTorch that fires as a trainer does: `w_in`, `neurons`, `w_out`, `readout`.

    `to_snntorch` makes it. Called with inputs (T, n_inputs) or (B, T, n_inputs), it starts from a silent network and returns
    outputs (..., T, n_outputs) and spikes (..., T, N). All weights are parameters. The reset is detached, and the surrogate
    is the trainer's.
    """

    def __init__(self, w_in: Any, neurons: Any, w_out: Any, readout: Any) -> None:
        super().__init__()
        self.w_in, self.neurons, self.w_out, self.readout = w_in, neurons, w_out, readout

    def forward(self, inputs: Any) -> tuple[Any, Any]:
        """Outputs and spikes of sequences, step after step."""
        batch = inputs if inputs.ndim == 3 else inputs[None]
        currents = self.w_in(batch.to(self.w_in.weight.dtype))
        state: Any = self._silent(currents[:, 0])
        y = torch.zeros_like(self.w_out(state[0]))
        outputs, spikes = [], []
        for t in range(currents.shape[1]):
            state = self.neurons(currents[:, t], *state)
            _, y = self.readout(self.w_out(state[0]), y)
            outputs.append(y)
            spikes.append(state[0])
        stacked = torch.stack(outputs, 1), torch.stack(spikes, 1)
        return stacked if inputs.ndim == 3 else (stacked[0][0], stacked[1][0])

    def _silent(self, current: Any) -> tuple[Any, ...]:
        n_states = 3 if isinstance(self.neurons, snntorch.RSynaptic) else 2
        return tuple(torch.zeros_like(current) for _ in range(n_states))


def to_snntorch(trainer: EpropTrainer) -> SnnTorchTwin:
    """A module that fires at the same steps, and has the same outputs, as a trainer with the weights of now.

    Gains are multiplied into the weights, the diagonal of the recurrent weights is 0 and stays a parameter. In the trainer's
    dtype; sums are in another order, so that the last bits differ.

    Parameters
    ----------
    trainer : EpropTrainer
        Without adaptation, ``delay=1``, `n_ref` at most 1; with `tau_syn` only ``reset_mechanism="subtract"``.

    Returns
    -------
    SnnTorchTwin

    Raises
    ------
    TypeError
        Not an EpropTrainer.
    ValueError
        A field that the layers of snnTorch have no counterpart of.

    Examples
    --------
    >>> trainer = EpropTrainer(20, 30, 2)
    >>> inputs = (np.random.default_rng(0).random((100, 20)) < 0.3).astype(np.float32)
    >>> outputs, spikes = to_snntorch(trainer)(torch.from_numpy(inputs))
    >>> expected, fired = trainer.predict_sequence(inputs, return_spikes=True)
    >>> bool((spikes.detach().numpy() == fired).all()), bool(np.allclose(outputs.detach(), expected, atol=1e-5))
    (True, True)
    """
    if not isinstance(trainer, EpropTrainer):
        raise TypeError(f"trainer: expected an EpropTrainer, got {type(trainer).__name__}")
    _refuse(trainer)
    tau_out = trainer.tau_trace if trainer.tau_out is None else trainer.tau_out
    kappa = _decay(tau_out, trainer.dt)
    gain = _gain(trainer.input_gain, trainer.tau_mem, trainer.dt)
    out_gain = _gain(trainer.readout_gain, tau_out, trainer.dt)
    return SnnTorchTwin(
        _linear(_tensor(as_dense(trainer.W_in) * gain, trainer)),
        _neurons(trainer, _tensor(as_dense(trainer.W_rec) * gain, trainer)),
        _linear(
            _tensor(trainer.W_out * out_gain, trainer),
            _tensor(trainer.b * out_gain, trainer) if trainer.readout_bias else None,
        ),
        snntorch.Leaky(_tensor(kappa, trainer), reset_mechanism="none"),
    )


def _refuse(trainer: EpropTrainer) -> None:
    without = "which no layer of snnTorch has; build the trainer without it"
    if np.any(trainer.beta):
        raise ValueError(f"beta: expected 0, got an adaptation, {without}")
    if trainer.delay > 1:
        raise ValueError(f"delay: expected 1, got {trainer.delay}, {without}")
    if trainer.n_ref > 1:
        raise ValueError(f"n_ref: expected 0 or 1, got {trainer.n_ref}, {without}")
    if trainer.tau_syn > 0.0 and trainer.reset_mechanism == "zero":
        raise ValueError(
            'reset_mechanism: expected "subtract" with tau_syn, got "zero", which in snnTorch resets the current, too'
        )


def _neurons(trainer: EpropTrainer, w_rec: Any) -> Any:
    height = (
        0.3 / np.asarray(trainer.threshold) if trainer.surrogate_height is None else trainer.surrogate_height
    )
    width = trainer.threshold if trainer.surrogate_width is None else trainer.surrogate_width
    options = {
        "beta": _tensor(_decay(trainer.tau_mem, trainer.dt), trainer),
        "threshold": _tensor(trainer.threshold, trainer),
        "linear_features": trainer.n_neurons,
        "spike_grad": spike_function(trainer.surrogate, _tensor(height, trainer), _tensor(width, trainer)),
        "reset_mechanism": trainer.reset_mechanism,
        # A reset to zero at the spike leaves the next step's input alone, as a trainer's does.
        "reset_delay": trainer.reset_mechanism == "subtract",
    }
    if trainer.tau_syn > 0.0:
        neurons = snntorch.RSynaptic(alpha=_tensor(_decay(trainer.tau_syn, trainer.dt), trainer), **options)
    else:
        neurons = snntorch.RLeaky(**options)
    neurons.recurrent = _linear(w_rec)
    return neurons


def _decay(tau: Any, dt: float) -> Any:
    return np.exp(-dt / np.asarray(tau, np.float64)) if np.any(tau) else np.float64(0.0)


def _gain(choice: str, tau: Any, dt: float) -> Any:
    """1, or 1 - decay: a number, or (N, 1)."""
    if choice == "unit" or not np.any(tau):
        return 1.0
    gain = -np.expm1(-dt / np.asarray(tau, np.float64))
    return gain[:, None] if gain.ndim else float(gain)


def _tensor(values: Any, trainer: EpropTrainer) -> Any:
    return torch.from_numpy(np.array(values, dtype=trainer.dtype))


def _linear(weights: Any, bias: Any = None) -> Any:
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weights)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer
