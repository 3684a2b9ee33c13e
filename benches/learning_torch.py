"""The rivals of `learning.py` and `learning_race.py` in torch: the trainer's network, from its weights, by autograd.

snnTorch's layers where it has them, and for neurons that adapt, which it lacks, a module written by hand. Both fire as the
trainer does, `tests/test_learning_bench.py` says so, and both end with torch's cross-entropy and Adam on one core.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import eprop
from eprop.torch import to_snntorch
from eprop.torch._surrogate import spike_function

EPS, BETA_2 = 1e-8, 0.999
"""Of Adam, in torch and here."""
ANSWERED = 128
"""Sequences that are answered side by side, however many it learns from at once."""


class ByHand(nn.Module):
    """Lines 1 to 5 of docs/method.md, with as few operations a step as autograd needs; the reset is detached.

    All inputs, and all readouts' currents, are one product each. Where no neuron adapts, the threshold is a constant.
    """

    def __init__(self, trainer: eprop.EpropTrainer) -> None:
        super().__init__()
        tau_out = trainer.tau_trace if trainer.tau_out is None else trainer.tau_out
        threshold = _each(trainer.threshold, trainer)
        self.alpha = _decay(trainer.tau_mem, trainer)
        self.rho = _decay(trainer.tau_adaptation, trainer)
        self.beta = _each(trainer.beta, trainer) if np.any(trainer.beta) else None
        self.kappa = float(np.exp(-trainer.dt / tau_out))
        self.threshold = threshold
        self.spike = spike_function(trainer.surrogate, 0.3 / threshold, threshold)
        self.w_in, self.w_rec, self.w_out = (
            nn.Parameter(torch.from_numpy(np.array(weights)))
            for weights in (trainer.W_in, trainer.W_rec, trainer.W_out)
        )
        self.b = nn.Parameter(torch.from_numpy(np.array(trainer.b)))

    def forward(self, inputs: Any) -> tuple[Any, Any]:
        """Outputs (B, T, n_outputs) and spikes (B, T, N) of inputs (B, T, n_inputs)."""
        currents = (inputs @ self.w_in.T).unbind(1)
        v, a, z, spikes = torch.zeros_like(currents[0]), 0.0, torch.zeros_like(currents[0]), []
        for current in currents:
            v = self.alpha * v + torch.addmm(current, z, self.w_rec.T) - self.threshold * z.detach()
            above = v - self.threshold
            if self.beta is not None:
                a = self.rho * a + z
                above = above - self.beta * a
            z = self.spike(above)
            spikes.append(z)
        fired = torch.stack(spikes, 1)
        y, outputs = 0.0, []
        for current in (fired @ self.w_out.T + self.b).unbind(1):
            y = self.kappa * y + current
            outputs.append(y)
        return torch.stack(outputs, 1), fired


def _each(values: Any, trainer: eprop.EpropTrainer) -> Any:
    return torch.from_numpy(np.array(np.broadcast_to(values, trainer.n_neurons), trainer.dtype))


def _decay(tau: Any, trainer: eprop.EpropTrainer) -> Any:
    return _each(np.exp(-trainer.dt / np.asarray(tau, np.float64)), trainer)


class InTorch:
    """A trainer's network that learns and answers as the trainer does, by backpropagation through time."""

    def __init__(self, trainer: eprop.EpropTrainer, *, by_hand: bool) -> None:
        torch.set_num_threads(1)
        self.net = ByHand(trainer) if by_hand else to_snntorch(trainer)
        recurrent = self.net.w_rec if by_hand else self.net.neurons.recurrent.weight
        elsewhere = 1.0 - torch.eye(len(recurrent))
        recurrent.register_hook(lambda gradient: gradient * elsewhere)  # no neuron is its own source
        self.optimizer = torch.optim.Adam(self.net.parameters())
        self.batch_size, self.n_updates = ANSWERED, 0

    def learn(self, inputs: NDArray[Any], labels: NDArray[Any], lr: float) -> None:
        """One update, with the mean gradient of all steps that have a label."""
        outputs, _ = self.net(torch.from_numpy(inputs))
        loss = nn.functional.cross_entropy(
            outputs.flatten(0, 1), torch.from_numpy(labels).flatten(), ignore_index=-1
        )
        self.n_updates += 1
        # A trainer's Adam adds eps before the bias of the second moment is corrected, torch's after it.
        eps = EPS / (1.0 - BETA_2**self.n_updates) ** 0.5
        self.optimizer.param_groups[0].update(lr=lr, eps=eps)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def evaluate(self, inputs: NDArray[Any], **_: Any) -> NDArray[Any]:
        """Outputs (B, T, n_outputs)."""
        return self.run(inputs)[0]

    def run(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Outputs, and spikes (B, T, N)."""
        with torch.no_grad():
            outputs, spikes = self.net(torch.from_numpy(inputs))
        return outputs.numpy(), spikes.numpy()
