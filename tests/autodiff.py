"""Gradients by automatic differentiation (HIPS autograd): the oracle of the learning rule.

Each function writes down an objective, with the paths detached that the definition names, and
lets autograd differentiate it. Eligibility traces do not occur here. The spike is a step function
whose derivative is the surrogate.
"""

from __future__ import annotations

import autograd.numpy as np
import numpy
from autograd import grad, value_and_grad
from autograd.extend import defvjp, notrace_primitive, primitive
from reference import SURROGATES, by_neuron, decay, gain

stop = notrace_primitive(lambda x: x)


@primitive
def spike(u, free, pseudo_derivative):
    return numpy.where(free & (u >= 0.0), 1.0, 0.0)


defvjp(
    spike,
    lambda z, u, free, pseudo_derivative: lambda g: g * numpy.where(free, pseudo_derivative(u), 0),
    argnums=[0],
)


class Neuron:
    """Lines 1 to 4 of docs/method.md: constants, the refractory gate and the spike."""

    def __init__(
        self,
        n,
        *,
        tau_mem=20.0,
        threshold=1.0,
        dt=1.0,
        reset_mechanism="subtract",
        n_ref=0,
        surrogate="piecewise_linear",
        surrogate_height=None,
        surrogate_width=None,
        input_gain="unit",
        beta=0.0,
        tau_adaptation=200.0,
        tau_syn=0.0,
    ):
        self.beta, self.rho = beta, numpy.exp(-dt / numpy.asarray(tau_adaptation))
        h = 0.3 / threshold if surrogate_height is None else surrogate_height
        w = threshold if surrogate_width is None else surrogate_width
        self.n, self.threshold, self.n_ref, self.reset_mechanism = (
            n,
            threshold,
            n_ref,
            reset_mechanism,
        )
        self.alpha = by_neuron(lambda tau: decay(dt, tau), tau_mem)
        self.zeta = by_neuron(lambda tau: gain(input_gain, dt, tau), tau_mem)
        self.sigma = decay(dt, tau_syn)
        self.pseudo_derivative = lambda u: SURROGATES[surrogate](numpy.abs(u), h, w)
        self.silence = numpy.full(n, 10**9)  # steps since the last spike, for the gate

    def flow(self, current, drive):
        """Line 1: the synaptic current, of what the sources send."""
        return self.sigma * current + self.zeta * drive

    def integrate(self, v, z, current):
        """Line 2, the reset taken as a constant."""
        if self.reset_mechanism == "subtract":
            return self.alpha * v + current - self.threshold * stop(z)
        return self.alpha * v + current - stop(self.alpha * v * z)

    def adapt(self, a, z):
        """Line 3: the spike that raises a neuron's own threshold is no constant."""
        return self.rho * a + z

    def fire(self, v, a):
        self.silence = self.silence + 1
        z = spike(v - self.threshold - self.beta * a, self.silence >= self.n_ref, self.pseudo_derivative)
        self.silence = numpy.where(stop(z) == 1.0, 0, self.silence)
        return z


def _loss_and_error(kind, y, target):
    if kind == "mse":
        err = y - target
        return 0.5 * np.sum(err**2), stop(err)
    assert kind == "cross_entropy", f"no formula for the loss {kind}"
    shifted = y - numpy.max(stop(y))
    log_p = shifted - np.log(np.sum(np.exp(shifted)))
    return -np.sum(target * log_p), stop(np.exp(log_p)) - target


def eprop_gradients(
    weights,
    inputs,
    targets,
    *,
    mask=None,
    B=None,
    detach_recurrence=True,
    tau_trace=20.0,
    tau_out=None,
    dt=1.0,
    readout_gain="unit",
    loss="mse",
    c_reg=0.0,
    f_target=10.0,
    tau_reg=500.0,
    regulariser="stream",
    delay=1,
    **neuron,
):
    """Gradient of the sum of the loss and of the regulariser, and the sum of the loss.

    `weights` is (W_in, W_rec, W_out, b). `mask` may be what the loss of each step counts. With `B`, the
    objective reads stop(err) through it, by a filter of its own (tau_trace); without, it is E itself
    and tau_trace plays no part.
    `detach_recurrence=False` is backpropagation through time, only the reset detached.
    """
    tau_out = tau_trace if tau_out is None else tau_out
    kappa, zeta_o = decay(dt, tau_out), gain(readout_gain, dt, tau_out)
    kappa_e, zeta_e = decay(dt, tau_trace), gain(readout_gain, dt, tau_trace)
    rate, m = f_target * dt / 1000.0, -numpy.expm1(-dt / tau_reg)
    n, n_outputs = len(weights[0]), len(weights[2])
    mask = numpy.ones(len(inputs), dtype=bool) if mask is None else mask
    off_diagonal = 1.0 - numpy.eye(n)
    losses = []

    def objective(parameters):
        W_in, W_rec, W_out, b = parameters
        cell = Neuron(n, dt=dt, **neuron)
        v, z, y, y_B = np.zeros(n), np.zeros(n), np.zeros(n_outputs), np.zeros(n_outputs)
        a, current = np.zeros(n), np.zeros(n)
        f, z_sum, total = numpy.full(n, rate), np.zeros(n), 0.0
        under_way = [np.zeros(n)] * delay
        for x, target, has_target in zip(inputs, targets, mask, strict=True):
            z_source = stop(under_way[0]) if detach_recurrence else under_way[0]
            drive = np.dot(W_in, x) + np.dot(W_rec * off_diagonal, z_source)
            current = cell.flow(current, drive)
            v = cell.integrate(v, z, current)
            a = cell.adapt(a, z)
            z = cell.fire(v, a)
            under_way = [*under_way[1:], z]
            z_read = z if B is None else stop(z)
            y = kappa * y + zeta_o * (np.dot(W_out, z_read) + b)
            if B is not None:
                y_B = kappa_e * y_B + zeta_e * np.dot(B.T, z)
            if has_target:
                step_loss, err = _loss_and_error(loss, y, target)
                step_loss, err = has_target * step_loss, has_target * err
                total = total + step_loss + (0.0 if B is None else np.sum(err * y_B))
                losses.append(float(stop(step_loss)))
            if regulariser == "stream":
                f_next = f + (z - f) * m
                total = total + 0.5 * c_reg * np.sum((f_next - rate) ** 2)
                f = stop(f_next)
            z_sum = z_sum + z
        if regulariser == "sequence":
            total = total + 0.5 * c_reg * np.sum((z_sum / len(inputs) - rate) ** 2)
        return total

    _, (g_in, g_rec, g_out, g_b) = value_and_grad(objective)(tuple(map(numpy.asarray, weights)))
    return {"W_in": g_in, "W_rec": g_rec, "W_out": g_out, "b": g_b, "loss": sum(losses)}


def stack_gradients(weights, inputs, targets, *, mask=None, loss="mse", tau_mem=20.0, **neuron):
    """Online training through time: v has the value of line 2 and the gradient of
    `W z_bar + const` with `z_bar = alpha stop(z_bar) + zeta s`; an adaptation is a constant."""
    mask = numpy.ones(len(inputs), dtype=bool) if mask is None else mask
    taus = numpy.broadcast_to(tau_mem, len(weights))
    losses = []

    def objective(parameters):
        cells = [Neuron(len(W), tau_mem=tau, **neuron) for W, tau in zip(parameters, taus, strict=True)]
        state = [
            (np.zeros(len(W)), np.zeros(len(W)), np.zeros(len(W)), np.zeros(W.shape[1])) for W in parameters
        ]
        total = 0.0
        for x, target, has_target in zip(inputs, targets, mask, strict=True):
            s = x
            for layer, (W, cell) in enumerate(zip(parameters, cells, strict=True)):
                v, z, a, z_bar = state[layer]
                value = cell.integrate(v, z, cell.zeta * stop(np.dot(W, s)))
                z_bar = cell.alpha * stop(z_bar) + cell.zeta * s
                linear = np.dot(W, z_bar)
                v = stop(value) + (linear - stop(linear))
                a = cell.adapt(a, z)
                s = cell.fire(v, a)
                state[layer] = (stop(v), stop(s), a, z_bar)
            if has_target:
                step_loss = has_target * _loss_and_error(loss, s, target)[0]
                total = total + step_loss
                losses.append(float(stop(step_loss)))
        return total

    _, gradients = value_and_grad(objective)([numpy.asarray(W) for W in weights])
    return {"W": list(gradients), "loss": sum(losses)}


def horizon_gradients(
    weights,
    inputs,
    targets,
    *,
    horizon,
    recurrent_gain,
    mask=None,
    B=None,
    tau_trace=20.0,
    tau_out=None,
    dt=1.0,
    readout_gain="unit",
    loss="mse",
    c_reg=0.0,
    f_target=10.0,
    tau_reg=500.0,
    delay=1,
    **neuron,
):
    """The definition of `horizon`: the sum over blocks of the derivative of each block's own loss.

    At a block's start v, the synaptic current, a and the filter of B are linear in W, with the z_bar, zeta x_bar, eps_a
    and e_bar of e-prop; the spikes that enter it are constants. Within it the recurrent spikes carry `recurrent_gain` of
    their derivative. The regulariser is the one of streams.
    """
    kappa_e, zeta_e = decay(dt, tau_trace), gain(readout_gain, dt, tau_trace)
    rate, m = f_target * dt / 1000.0, -numpy.expm1(-dt / tau_reg)
    W_in, W_rec, W_out, b = map(numpy.asarray, weights)
    n, n_inputs = W_in.shape
    B = W_out.T if B is None else B
    mask = numpy.ones(len(inputs), dtype=bool) if mask is None else mask
    off_diagonal = numpy.concatenate([numpy.ones((n, n_inputs)), 1.0 - numpy.eye(n)], axis=1)
    tau_out = tau_trace if tau_out is None else tau_out
    kappa, zeta_o = decay(dt, tau_out), gain(readout_gain, dt, tau_out)

    def forward(W, state, first, last):
        """The loss of some steps, and the state after them: v, I, a, z, y, y_B, f, the gate, and e-prop's traces."""
        cell = Neuron(n, dt=dt, **neuron)
        v, current, a, under_way, y, y_B, f, silence, x_bar, z_bar, eps_a, e_bar = state
        alpha, zeta = (numpy.broadcast_to(c, n)[:, None] for c in (cell.alpha, cell.zeta))
        cell.silence, total = silence, 0.0
        linear = W * off_diagonal
        of_z_bar = np.sum(linear * z_bar, axis=1)
        v = v + of_z_bar - stop(of_z_bar)
        of_x_bar = cell.zeta * np.dot(linear, x_bar)
        current = current + of_x_bar - stop(of_x_bar)
        of_eps_a = np.sum(linear * eps_a, axis=1)
        of_eps_a = of_eps_a - stop(of_eps_a)
        of_e = np.sum(linear * e_bar, axis=1)
        y_B = y_B + np.dot(B.T, of_e - stop(of_e))
        under_way = [stop(z) for z in under_way]
        for t in range(first, last):
            z, arrived = under_way[-1], under_way[0]
            arrived = recurrent_gain * arrived + (1.0 - recurrent_gain) * stop(arrived)
            s = np.concatenate([inputs[t], arrived])
            # The value of a spike is what W is multiplied with, whatever the gain of its derivative.
            current = cell.flow(current, np.dot(linear, s))
            v = cell.integrate(v, z, current)
            a, of_eps_a = cell.adapt(a, z) + of_eps_a, 0.0
            u = stop(v) - cell.threshold - cell.beta * stop(a)
            psi = numpy.where(cell.silence + 1 >= cell.n_ref, cell.pseudo_derivative(u), 0.0)
            z = cell.fire(v, a)
            under_way = [*under_way[1:], z]
            y = kappa * y + zeta_o * (numpy.dot(W_out, stop(z)) + b)
            y_B = kappa_e * y_B + zeta_e * np.dot(B.T, z)
            if mask[t]:
                err = stop(_loss_and_error(loss, y, targets[t])[1])
                total = total + np.sum(err * y_B)
            f_next = f + (z - f) * m
            total = total + 0.5 * c_reg * np.sum((f_next - rate) ** 2)
            f = stop(f_next)
            x_bar = cell.sigma * x_bar + stop(s)
            z_bar = alpha * z_bar + zeta * x_bar[None, :]
            of_threshold = numpy.broadcast_to(cell.beta, n)[:, None] * eps_a
            e = psi[:, None] * (z_bar - of_threshold) * off_diagonal
            eps_a = numpy.broadcast_to(cell.rho, n)[:, None] * eps_a + e
            e_bar = kappa_e * e_bar + zeta_e * e
        under_way = [stop(z) for z in under_way]
        neurons = (stop(v), stop(current), stop(a), under_way, y, stop(y_B), f, cell.silence)
        return total, (*neurons, x_bar, z_bar, eps_a, e_bar)

    W = numpy.concatenate([W_in, W_rec], axis=1)
    readout = numpy.zeros(len(W_out))
    state = (
        numpy.zeros(n),
        numpy.zeros(n),
        numpy.zeros(n),
        [numpy.zeros(n)] * delay,
        readout,
        readout,
        numpy.full(n, rate),
        numpy.full(n, 10**9),
        numpy.zeros(W.shape[1]),
        numpy.zeros(W.shape),
        numpy.zeros(W.shape),
        numpy.zeros(W.shape),
    )
    g, first = numpy.zeros_like(W), 0
    while first < len(inputs):
        last = min(first + horizon, len(inputs))
        g += grad(lambda W, state=state, span=(first, last): forward(W, state, *span)[0])(W)
        state = forward(W, state, first, last)[1]
        first = last
    return {"W_in": g[:, :n_inputs], "W_rec": g[:, n_inputs:]}
