"""E-prop written literally in slow NumPy float64: the oracle of the package.

Sections 1 (forward), 2 (learning) and 4 (feed-forward stack) of the definition, symbol by symbol,
for LIF neurons. Nothing here is shared with the package; weights come in as arrays. Every class
keeps `margin`, the smallest |v - A| it ever saw: below about 1e-9 a rounding error can flip a
spike, and a comparison says nothing. After `gradients`, `products` holds for each matrix the largest
factor of one side times the largest of the other, of any two steps: what a form that keeps the
factors apart rounds at, even where the gradient itself is 0.
"""

from __future__ import annotations

import copy

import numpy as np

SURROGATES = {
    "piecewise_linear": lambda d, h, w: h * np.maximum(0.0, 1.0 - d / w),
    "exponential": lambda d, h, w: h * np.exp(-d / w),
    "fast_sigmoid": lambda d, h, w: h * (1.0 + d / w) ** -2,
    "arctan": lambda d, h, w: h / (1.0 + (d / w) ** 2),
    "boxcar": lambda d, h, w: h * (d < w),
}


def decay(dt, tau):
    return np.exp(-dt / tau) if tau > 0 else 0.0


def gain(kind, dt, tau):
    return 1.0 if kind == "unit" else (-np.expm1(-dt / tau) if tau > 0 else 1.0)


def softmax(y):
    p = np.exp(y - y.max())
    return p / p.sum()


def error_and_loss(kind, y, target):
    """err of section 2 and the loss of one step."""
    if kind == "mse":
        err = y - target
        return err, 0.5 * float(err @ err)
    shifted = y - y.max()
    log_p = shifted - np.log(np.exp(shifted).sum())
    return softmax(y) - target, -float(target @ log_p)


class Lif:
    """Steps 2, 3, 4 and 5 of section 1 with beta = 0."""

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
    ):
        self.n, self.threshold, self.n_ref = n, threshold, n_ref
        self.reset_mechanism, self.surrogate = reset_mechanism, surrogate
        self.h = 0.3 / threshold if surrogate_height is None else surrogate_height
        self.w = threshold if surrogate_width is None else surrogate_width
        self.alpha = decay(dt, tau_mem)
        self.zeta = gain(input_gain, dt, tau_mem)
        self.margin = np.inf
        self.reset()

    def reset(self):
        self.v, self.z, self.psi = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        self.refractory_left = np.zeros(self.n, dtype=int)

    def step(self, current):
        if self.reset_mechanism == "subtract":
            self.v = self.alpha * self.v + current - self.threshold * self.z
        else:
            self.v = self.alpha * self.v * (1.0 - self.z) + current
        free = self.refractory_left == 0
        d = np.abs(self.v - self.threshold)
        self.psi = np.where(free, SURROGATES[self.surrogate](d, self.h, self.w), 0.0)
        self.z = np.where(free & (self.v >= self.threshold), 1.0, 0.0)
        self.refractory_left = np.maximum(self.refractory_left - 1, 0)
        self.refractory_left[self.z == 1.0] = max(self.n_ref - 1, 0)
        self._note_margin(d)

    def _note_margin(self, d):
        self.margin = min(self.margin, d.min())
        if self.surrogate == "boxcar":  # its edge is a second discontinuity; v = 0 exactly is safe
            edge = np.abs(d - self.w)[self.v != 0.0]
            self.margin = min(self.margin, edge.min(initial=np.inf))


class Schedule:
    """`update_every`, the sequence calls and the mean loss, for the trainer and for the stack.

    The host has `reset()`, `update()`, `_forward(x)` -> output, `_learn(target)` -> loss or None.
    """

    update_every: int | str
    count: int
    neurons: list[Lif]

    @property
    def margin(self):
        return min(neuron.margin for neuron in self.neurons)

    def step(self, x, target=None):
        output = self._forward(np.asarray(x, dtype=float))
        loss = self._learn(None if target is None else np.asarray(target, dtype=float))
        self.count += 1
        if self.update_every != "sequence" and self.count % self.update_every == 0:
            self.update()
        result = {"spikes": self.spikes, "output": output}
        return result if target is None else {**result, "loss": loss}

    def train_sequence(self, inputs, targets, *, mask=None, reset=True):
        if reset:
            self.reset()
        mask = np.ones(len(inputs), dtype=bool) if mask is None else mask
        outputs, losses = [], []
        for x, target, has_target in zip(inputs, targets, mask, strict=True):
            result = self.step(x, target if has_target else None)
            outputs.append(result["output"])
            losses += [result["loss"]] if has_target else []
        if reset:
            self.update()
        return (float(np.mean(losses)) if losses else np.nan), np.array(outputs)

    def predict_sequence(self, inputs, *, reset=True):
        if reset:
            self.reset()
        outputs, spikes = [], []
        for x in inputs:
            outputs.append(self._forward(np.asarray(x, dtype=float)))
            spikes.append(self.spikes)
        return np.array(outputs), np.array(spikes)

    def _silent_run(self, inputs, targets, mask):
        """A silent copy whose pending gradient is that of the whole sequence, and the loss sum."""
        twin = copy.deepcopy(self)
        twin.reset()
        mask = np.ones(len(inputs), dtype=bool) if mask is None else mask
        loss = 0.0
        for x, target, has_target in zip(inputs, targets, mask, strict=True):
            twin._forward(np.asarray(x, dtype=float))
            loss += twin._learn(np.asarray(target, dtype=float) if has_target else None) or 0.0
        for mine, its in zip(self.neurons, twin.neurons, strict=True):
            mine.margin = min(mine.margin, its.margin)
        self.products = twin._products()
        return twin, loss


class ReferenceEprop(Schedule):
    """One recurrent layer with leaky readouts. Options as in `eprop.EpropTrainer`."""

    def __init__(
        self,
        W_in,
        W_rec,
        W_out,
        b=None,
        B=None,
        *,
        tau_trace=20.0,
        tau_out=None,
        dt=1.0,
        lr=0.01,
        readout_gain="unit",
        loss="mse",
        feedback="symmetric",
        readout_bias=False,
        c_reg=0.0,
        f_target=10.0,
        tau_reg=500.0,
        update_every=1,
        **neuron,
    ):
        self.n, self.n_inputs = W_in.shape
        self.n_outputs = len(W_out)
        self.W = np.concatenate([W_in, W_rec], axis=1).astype(float)
        self.W_out = np.array(W_out, dtype=float)
        self.b = np.zeros(self.n_outputs) if b is None else np.array(b, dtype=float)
        self.B_random = None if feedback == "symmetric" else np.array(B, dtype=float)
        self.neuron = Lif(self.n, dt=dt, **neuron)
        self.neurons = [self.neuron]
        tau_out = tau_trace if tau_out is None else tau_out
        self.kappa, self.kappa_e = decay(dt, tau_out), decay(dt, tau_trace)
        self.zeta_o, self.zeta_e = (
            gain(readout_gain, dt, tau_out),
            gain(readout_gain, dt, tau_trace),
        )
        self.lr, self.loss, self.readout_bias = lr, loss, readout_bias
        self.c_reg, self.f_target, self.m = c_reg, f_target * dt / 1000.0, -np.expm1(-dt / tau_reg)
        self.update_every = update_every
        self.reset()

    def reset(self):
        self.neuron.reset()
        self.y = np.zeros(self.n_outputs)
        self.z_bar = np.zeros(self.W.shape[1])
        self.e = np.zeros_like(self.W)
        self.e_bar = np.zeros_like(self.W)
        self.F_z, self.F_1 = np.zeros(self.n), 0.0
        self.f = np.full(self.n, self.f_target)
        self.count = 0
        self.most_err = self.most_F_z = 0.0
        self._drop_pending()

    def _drop_pending(self):
        self.g_W, self.g_out = np.zeros_like(self.W), np.zeros_like(self.W_out)
        self.g_b = np.zeros(self.n_outputs)
        self.sum_e, self.sum_z, self.steps = np.zeros_like(self.W), np.zeros(self.n), 0

    @property
    def B(self):
        return self.W_out.T if self.B_random is None else self.B_random

    @property
    def spikes(self):
        return self.neuron.z.copy()

    def _forward(self, x):
        """Section 1, and the traces of section 2, which move whether or not anyone learns."""
        neuron = self.neuron
        s = np.concatenate([x, neuron.z])
        neuron.step(neuron.zeta * (self.W @ s))
        self.y = self.kappa * self.y + self.zeta_o * (self.W_out @ neuron.z + self.b)
        self.z_bar = neuron.alpha * self.z_bar + neuron.zeta * s
        self.e = without_self(neuron.psi[:, None] * self.z_bar[None, :], self.n_inputs)
        self.e_bar = self.kappa_e * self.e_bar + self.zeta_e * self.e
        self.F_z = self.kappa * self.F_z + neuron.z
        self.most_F_z = max(self.most_F_z, self.F_z.max())
        self.F_1 = self.kappa * self.F_1 + 1.0
        return self.y.copy()

    def _learn(self, target):
        """Add this step to the pending gradient."""
        err, loss = np.zeros(self.n_outputs), None
        if target is not None:
            err, loss = error_and_loss(self.loss, self.y, target)
        self.most_err = max(self.most_err, np.abs(err).max())
        L = self.B @ err
        self.g_W += L[:, None] * self.e_bar
        self.g_out += err[:, None] * (self.zeta_o * self.F_z)[None, :]
        if self.readout_bias:
            self.g_b += err * self.zeta_o * self.F_1
        self._regularise()
        return loss

    def _regularise(self):
        z = self.neuron.z
        self.sum_e, self.sum_z, self.steps = self.sum_e + self.e, self.sum_z + z, self.steps + 1
        if self.update_every != "sequence":
            self.f = self.f + (z - self.f) * self.m
            r = self.c_reg * (self.f - self.f_target) * self.m
            self.g_W += r[:, None] * self.e

    def _pending(self):
        if self.update_every != "sequence" or self.steps == 0:
            return self.g_W
        f = self.sum_z / self.steps
        return self.g_W + (self.c_reg * (f - self.f_target) / self.steps)[:, None] * self.sum_e

    def update(self):
        self.W = self.W - self.lr * self._pending()
        self.W_out = self.W_out - self.lr * self.g_out
        self.b = self.b - self.lr * self.g_b
        self._drop_pending()

    def gradients(self, inputs, targets, *, mask=None):
        twin, loss = self._silent_run(inputs, targets, mask)
        g_W, i = twin._pending(), self.n_inputs
        g = {"W_in": g_W[:, :i], "W_rec": g_W[:, i:], "W_out": twin.g_out, "b": twin.g_b}
        return {**g, "loss": loss}

    def _products(self):
        return {"W_out": self.most_err * self.zeta_o * self.most_F_z}


def without_self(e, n_inputs):
    """A neuron is no source of its own: entry (j, n_inputs + j) is 0."""
    e = e.copy()
    np.fill_diagonal(e[:, n_inputs:], 0.0)
    return e


class ReferenceLayer:
    """One feed-forward layer of section 4; the learning signal comes from outside."""

    def __init__(self, W, *, lr=0.01, **neuron):
        self.W, self.lr = np.array(W, dtype=float), lr
        self.neuron = Lif(len(self.W), **neuron)
        self.reset()

    def reset(self):
        self.neuron.reset()
        self.z_bar = np.zeros(self.W.shape[1])
        self.most_z_bar = self.most_delta = 0.0

    def step(self, s):
        neuron = self.neuron
        s = np.asarray(s, dtype=float)
        neuron.step(neuron.zeta * (self.W @ s))
        self.z_bar = neuron.alpha * self.z_bar + neuron.zeta * s
        self.most_z_bar = max(self.most_z_bar, np.abs(self.z_bar).max())
        return neuron.z.copy()

    def gradient(self, signal):
        delta = self.neuron.psi * signal
        self.most_delta = max(self.most_delta, np.abs(delta).max())
        return delta[:, None] * self.z_bar[None, :]

    def apply_learning_signal(self, signal):
        self.W = self.W - self.lr * self.gradient(np.asarray(signal, dtype=float))

    def propagate(self, signal):
        return self.W.T @ (self.neuron.zeta * self.neuron.psi * np.asarray(signal, dtype=float))


class ReferenceStack(Schedule):
    """Layers in a row, learning by section 4. Options as in `eprop.OnlineTrainer`."""

    def __init__(self, weights, *, loss="mse", update_every=1, **layer):
        self.layers = [ReferenceLayer(W, **layer) for W in weights]
        self.neurons = [layer.neuron for layer in self.layers]
        self.loss, self.update_every = loss, update_every
        self.reset()

    def reset(self):
        for layer in self.layers:
            layer.reset()
        self.count = 0
        self._drop_pending()

    def _drop_pending(self):
        self.g = [np.zeros_like(layer.W) for layer in self.layers]

    @property
    def spikes(self):
        return self.layers[-1].neuron.z.copy()

    def _forward(self, s):
        for layer in self.layers:
            s = layer.step(s)
        return s

    def _learn(self, target):
        if target is None:
            return None
        signal, loss = error_and_loss(self.loss, self.spikes, target)
        for g, layer in zip(reversed(self.g), reversed(self.layers), strict=True):
            g += layer.gradient(signal)
            signal = layer.propagate(signal)
        return loss

    def update(self):
        for g, layer in zip(self.g, self.layers, strict=True):
            layer.W = layer.W - layer.lr * g
        self._drop_pending()

    def gradients(self, inputs, targets, *, mask=None):
        twin, loss = self._silent_run(inputs, targets, mask)
        return {"W": twin.g, "loss": loss}

    def _products(self):
        return {"W": [layer.most_delta * layer.most_z_bar for layer in self.layers]}
