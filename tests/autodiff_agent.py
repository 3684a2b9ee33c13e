"""The gradient of an episode of reward-based e-prop by automatic differentiation, path by path.

Weights rest through the episode. Then the sum of delta M is the derivative of losses that everybody knows: the actor's
``-A log pi(a)`` and the critic's ``0.5 (R - V)^2``, with advantages A and returns R = A + V taken as constants. No trace
occurs in here, neither of synapses nor of decisions: advantages come from the rewards backwards, each decision's own.
"""

from __future__ import annotations

import autograd.numpy as np
import numpy
from autodiff import Neuron, stop
from autograd import grad
from reference import decay, gain

PATHS = ("policy", "critic", "entropy")


def advantages(values, rewards, last_value, *, gamma, lam):
    """A(lambda) of every decision: the TD errors from there on, discounted with gamma lambda each."""
    following = [*values[1:], last_value]
    deltas = [r + gamma * after - V for r, V, after in zip(rewards, values, following, strict=True)]
    return [
        sum((gamma * lam) ** (t - s) * deltas[t] for t in range(s, len(deltas))) for s in range(len(deltas))
    ]


def episode_gradients(
    weights,
    observations,
    actions,
    rewards,
    path,
    *,
    last_observation=None,
    gamma=0.99,
    lam=0.9,
    steps_per_action=10,
    tau_trace=20.0,
    dt=1.0,
    readout_gain="unit",
    **neuron,
):
    """The derivative of the loss of one path, with a weight of 1, by W_in, W_rec, W_out and b.

    `last_observation`: what was seen when time was over; without it the episode has an end, whose value is 0.
    """
    kappa, zeta_o = decay(dt, tau_trace), gain(readout_gain, dt, tau_trace)
    n, n_outputs = len(weights[0]), len(weights[2])
    off_diagonal = 1.0 - numpy.eye(n)
    seen = [*observations] if last_observation is None else [*observations, last_observation]

    def decisions(parameters):
        """Logits and values after the steps of each observation; recurrent spikes are constants."""
        W_in, W_rec, W_out, b = parameters
        cell = Neuron(n, dt=dt, **neuron)
        v, z, a, y = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n_outputs)
        outputs = []
        for observation in seen:
            for _ in range(steps_per_action):
                drive = np.dot(W_in, observation) + np.dot(W_rec * off_diagonal, stop(z))
                v = cell.integrate(v, z, cell.zeta * drive)
                a = cell.adapt(a, z)
                z = cell.fire(v, a)
                y = kappa * y + zeta_o * (np.dot(W_out, z) + b)
            outputs.append(y)
        return outputs

    outputs = decisions(weights)
    values = [float(y[-1]) for y in outputs]
    last_value = 0.0 if last_observation is None else values[len(observations)]
    A = advantages(values[: len(observations)], rewards, last_value, gamma=gamma, lam=lam)

    def loss(parameters):
        total = 0.0
        for y, action, advantage, V in zip(decisions(parameters), actions, A, values, strict=False):
            shifted = y[:-1] - numpy.max(stop(y[:-1]))
            log_pi = shifted - np.log(np.sum(np.exp(shifted)))
            if path == "policy":
                total = total - advantage * log_pi[action]
            elif path == "critic":
                total = total + 0.5 * (advantage + V - y[-1]) ** 2
            else:
                assert path == "entropy"
                total = total + np.sum(np.exp(log_pi) * log_pi)
        return total

    return dict(
        zip(("W_in", "W_rec", "W_out", "b"), grad(loss)(tuple(map(numpy.asarray, weights))), strict=True)
    )
