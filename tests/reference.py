"""E-prop written literally in slow NumPy float64: the oracle of the package.

docs/method.md, symbol by symbol: a step, learning, updates, and the feed-forward
stack; `reference_optimizers.py` has the optimizers. Nothing here is shared with the package; weights come in as
arrays. `ReferenceBatch` is streams side by side over one set of weights.

Every class keeps `margin`, the smallest |v - A| it ever saw: below about 1e-9 a rounding error can
flip a spike, and a comparison says nothing. After `gradients`, `products` holds for each matrix the
largest factor of one side times the largest of the other, of any two steps: what a form that keeps
the factors apart rounds at, even where the gradient itself is 0.
"""

from __future__ import annotations

import copy
from typing import ClassVar

import numpy as np
from reference_optimizers import Adam, AdamW, Auto, Momentum, Sgd, Update, clipped, within

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


def by_neuron(constant, tau):
    """A constant that follows from a time constant: one for all neurons, or an array with one for each."""
    return constant(tau) if np.ndim(tau) == 0 else np.array([constant(one) for one in tau])


def softmax(y):
    p = np.exp(y - y.max())
    return p / p.sum()


def error_and_loss(kind, y, target, weight=1.0):
    """err, line 6 of docs/method.md, and the loss of one step, both times the weight of the step."""
    err, loss = unweighted(kind, y, target)
    return weight * err, weight * loss


def unweighted(kind, y, target):
    if kind == "mse":
        err = y - target
        return err, 0.5 * float(err @ err)
    assert kind == "cross_entropy", f"no formula for the loss {kind}"
    shifted = y - y.max()
    log_p = shifted - np.log(np.exp(shifted).sum())
    return softmax(y) - target, -float(target @ log_p)


class Lif:
    """Lines 1 to 4 of docs/method.md, but for the sum over the sources."""

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
        threshold = threshold if np.ndim(threshold) == 0 else np.asarray(threshold, dtype=float)
        self.n, self.threshold, self.n_ref = n, threshold, n_ref
        self.beta = np.broadcast_to(np.asarray(beta, dtype=float), n)
        self.rho = np.exp(-dt / np.broadcast_to(np.asarray(tau_adaptation, dtype=float), n))
        self.tau_mem, self.tau_syn, self.dt = tau_mem, tau_syn, dt
        self.reset_mechanism, self.surrogate = reset_mechanism, surrogate
        self.h = 0.3 / threshold if surrogate_height is None else surrogate_height
        self.w = threshold if surrogate_width is None else surrogate_width
        self.alpha = by_neuron(lambda tau: decay(dt, tau), tau_mem)
        self.zeta = by_neuron(lambda tau: gain(input_gain, dt, tau), tau_mem)
        self.sigma = decay(dt, tau_syn)
        self.margin = np.inf
        self.reset()

    def reset(self):
        self.v, self.z, self.psi = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        self.a, self.I = np.zeros(self.n), np.zeros(self.n)
        self.refractory_left = np.zeros(self.n, dtype=int)

    def step(self, current):
        self.I = self.sigma * self.I + current
        if self.reset_mechanism == "subtract":
            self.v = self.alpha * self.v + self.I - self.threshold * self.z
        else:
            self.v = self.alpha * self.v * (1.0 - self.z) + self.I
        self.a = self.rho * self.a + self.z
        A = self.threshold + self.beta * self.a
        free = self.refractory_left == 0
        d = np.abs(self.v - A)
        self.psi = np.where(free, SURROGATES[self.surrogate](d, self.h, self.w), 0.0)
        self.z = np.where(free & (self.v >= A), 1.0, 0.0)
        self.refractory_left = np.maximum(self.refractory_left - 1, 0)
        self.refractory_left[self.z == 1.0] = max(self.n_ref - 1, 0)
        self._note_margin(d)

    def _note_margin(self, d):
        self.margin = min(self.margin, d.min())
        if self.surrogate == "boxcar":  # its edge is a second discontinuity; v = 0 exactly is safe
            edge = np.abs(d - self.w)[self.v != 0.0]
            self.margin = min(self.margin, edge.min(initial=np.inf))


OPTIMIZERS = {"sgd": Sgd, "auto": Auto, "momentum": Momentum, "adam": Adam, "adamw": AdamW}
LEARNING_RATES = {kind: kind.default_lr for kind in OPTIMIZERS.values()}


class Schedule:
    """`update_every`, the optimizer, the sequence calls and the mean loss, for every model.

    The host has `streams`: itself, or those of a batch. A stream has `reset_state()`, `_forward(x)` -> output,
    `_learn(target, weight, signal)` -> loss or None, and by the names of its `parameters`, since the last update:
    `_pending()`, its gradient, and `_pending_of_loss()`, the same without the regulariser. `groups` says which
    parameters go together; `answer` and `slowest` are those of an `Update`.
    """

    update_every: int | str
    count: int

    def _schedule(
        self, update_every, optimizer, lr, reduction, *, clip_norm=None, w_max=None, group_rates=None
    ):
        self.update_every, self.reduction = update_every, reduction
        self.optimizer = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer
        self.lr = LEARNING_RATES[type(self.optimizer)] if lr is None else lr
        self.clip_norm, self.w_max = clip_norm, w_max
        self.group_rates = {G: rate for G, rate in (group_rates or {}).items() if rate is not None}

    @property
    def streams(self):
        return [self]

    @property
    def neurons(self):
        return [neuron for stream in self.streams for neuron in stream.cells]

    @property
    def margin(self):
        return min(neuron.margin for neuron in self.neurons)

    def reset(self):
        """Silence; the weights and what the optimizer remembers stay."""
        self.count = 0
        for stream in self.streams:
            stream.reset_state()
            stream.drop_pending()

    def tick(self, xs, targets, weights=None, signals=None):
        """One step of the first streams, those whose x is not None; `count` counts it once."""
        results = []
        weights = [1.0] * len(xs) if weights is None else weights
        signals = [None] * len(xs) if signals is None else signals
        steps = zip(self.streams, xs, targets, weights, signals, strict=False)
        for stream, x, target, weight, signal in steps:
            if x is None:
                results.append((None, None))
                continue
            target = taught(target, weight, stream.n_outputs)
            output = stream._forward(np.asarray(x, dtype=float))
            loss = stream._learn(target, weight, signal)
            stream.steps += 1
            stream.n_targets += target is not None
            stream.E += 0.0 if loss is None else loss
            results.append((output, loss))
        self.count += 1
        if self.update_every != "sequence" and self.count % self.update_every == 0:
            self.update()
        return results

    def update(self):
        """All parameters take their step together, with the gradients of all streams since the last one."""
        n_steps = sum(stream.steps for stream in self.streams)
        if n_steps == 0:
            return
        self._descend(
            g=total(stream._pending() for stream in self.streams),
            g_loss=total(stream._pending_of_loss() for stream in self.streams),
            E=sum(stream.E for stream in self.streams),
            n_targets=sum(stream.n_targets for stream in self.streams),
            n_streams=sum(stream.steps > 0 for stream in self.streams),
            n_steps=n_steps,
        )
        for stream in self.streams:
            stream.drop_pending()

    def _descend(self, *, g, g_loss, E, n_targets, n_streams, n_steps):
        n = n_targets or n_steps
        if self.reduction == "mean":
            g, g_loss = ({name: a / n for name, a in gradient.items()} for gradient in (g, g_loss))
            E = E / n
        if self.clip_norm is not None:
            g = clipped(g, self.clip_norm)
        first = self.streams[0]
        update = Update(
            W=first.parameters,
            g=g,
            g_loss=g_loss,
            E=E,
            n=n / n_streams,
            taught=n_targets > 0,
            lr={G: self.group_rates.get(G, self.lr) for G in first.groups},
            groups=first.groups,
            answer=first.answer,
            slowest=first.slowest,
        )
        rewiring = getattr(first, "rewiring", None)
        if rewiring is not None:
            rewiring.note(first.W)
        W = self.optimizer.step(update)
        W = W if self.w_max is None else within(W, self.w_max)
        if rewiring is not None:
            W = self._rewired(rewiring, W, update)
        for stream in self.streams:
            stream.parameters = W
            if update.lr.get("out") != 0:
                stream.decay_feedback()

    def _rewired(self, rewiring, W, update):
        """The weights after synapses have moved; what belonged to those that were pruned is gone, in all streams."""
        eta, rates = update.per_parameter(self.optimizer.etas), update.per_parameter(update.lr)
        together = np.concatenate([W["W_in"], W["W_rec"]], axis=1)
        together, pruned = rewiring.move(together, eta, rates, self.w_max)
        for stream in self.streams:
            stream.forget(pruned, rewiring.connected)
        first = self.streams[0]
        gone = first._by_name(pruned, False, False)
        for kept in ("M", "m", "v"):
            moments = getattr(self.optimizer, kept, {})
            moments |= {name: np.where(gone[name], 0.0, moment) for name, moment in moments.items()}
        return first._by_name(together, W["W_out"], W["b"])

    def apply_gradients(self, gradients):
        """One step of the optimizer; what is pending, the traces and the count stay as they are.

        Where the regulariser is in the dict, it is in its length.
        """
        g = self.streams[0]._from_dict(gradients)
        n_targets, n_streams = gradients["n_targets"], gradients["n_streams"]
        self._descend(g=g, g_loss=g, E=gradients["loss"], n_targets=n_targets, n_streams=n_streams, n_steps=0)

    def _run(self, inputs, targets, mask, lengths, weights):
        """(B', T, ...) tick by tick: the outputs, 0 beyond a stream's length, and the losses."""
        outputs, losses = np.zeros((*np.shape(inputs)[:2], self.streams[0].n_outputs)), []
        weights = np.broadcast_to(1.0 if weights is None else weights, np.shape(inputs)[:2])
        for t in range(max(lengths)):
            alive = [t < length for length in lengths]
            has_target = [a and m[t] for a, m in zip(alive, mask, strict=True)]
            xs = [x[t] if a else None for x, a in zip(inputs, alive, strict=True)]
            ys = [y[t] if a else None for y, a in zip(targets, has_target, strict=True)]
            for b, (output, loss) in enumerate(self.tick(xs, ys, weights[:, t])):
                outputs[b, t] = 0.0 if output is None else output
                losses += [] if loss is None else [loss]
        return outputs, losses

    def train_sequence(self, inputs, targets, *, mask=None, reset=True, lengths=None, weights=None):
        """(T, n) and then outputs (T, O), or (B', T, n) with any B' up to the number of streams.

        Targets may be integer labels: of every step, or with an axis less, of every sequence.
        """
        if np.ndim(inputs) == 2:
            loss, outputs = self.train_sequence(
                inputs[None], np.asarray(targets)[None], mask=mask, reset=reset, weights=weights
            )
            return loss, outputs[0]
        if reset:
            self.reset()
        outputs, losses = self._run(
            inputs, of_steps(targets, inputs), *mask_and_lengths(inputs, mask, lengths), weights
        )
        if reset:
            self.update()
        return (float(np.mean(losses)) if losses else np.nan), outputs

    def predict_sequence(self, inputs, *, reset=True, lengths=None):
        """Outputs and spikes. Nothing is learned, and nothing counted."""
        if np.ndim(inputs) == 2:
            outputs, spikes = self.predict_sequence(inputs[None], reset=reset)
            return outputs[0], spikes[0]
        if reset:
            self.reset()
        shape = np.shape(inputs)[:2]
        outputs = np.zeros((*shape, self.streams[0].n_outputs))
        spikes = np.zeros((*shape, len(self.streams[0].spikes)))
        _, lengths = mask_and_lengths(inputs, None, lengths)
        for b, (stream, x) in enumerate(zip(self.streams, inputs, strict=False)):
            for t in range(lengths[b]):
                outputs[b, t] = stream._forward(np.asarray(x[t], dtype=float))
                spikes[b, t] = stream.spikes
                stream.L = np.zeros(len(stream.spikes))
        return outputs, spikes

    def gradients(self, inputs, targets, *, mask=None, lengths=None, weights=None):
        """The gradient of the summed loss from silence; weights and state stay as they are."""
        if np.ndim(inputs) == 2:
            inputs, targets = inputs[None], np.asarray(targets)[None]
        twin = copy.deepcopy(self)
        twin.reset()
        twin.update_every = "sequence"  # only when weights change: every stream knows its regulariser itself
        _, losses = twin._run(
            inputs, of_steps(targets, inputs), *mask_and_lengths(inputs, mask, lengths), weights
        )
        for mine, its in zip(self.neurons, twin.neurons, strict=True):
            mine.margin = min(mine.margin, its.margin)
        self.products = largest_of([stream._products() for stream in twin.streams])
        g = twin.streams[0]._to_dict(total(stream._pending() for stream in twin.streams))
        n_targets = sum(stream.n_targets for stream in twin.streams)
        n_streams = sum(stream.steps > 0 for stream in twin.streams)
        return {**g, "loss": float(sum(losses)), "n_targets": n_targets, "n_streams": n_streams}


class Stream(Schedule):
    """A model of one stream: its own only one."""

    def decay_feedback(self):
        pass

    def step(self, x, target=None, *, learning_signal=None, weight=1.0):
        ((output, loss),) = self.tick([x], [target], [weight], [learning_signal])
        result = {"spikes": self.spikes, "output": output}
        return result if loss is None else {**result, "loss": loss}


def taught(target, weight, n_outputs):
    """A row of targets, also of an integer label; None where nothing is taught."""
    if target is None or weight == 0:
        return None
    if np.ndim(target) == 0:
        return None if target == -1 else np.eye(n_outputs)[int(target)]
    return np.asarray(target, dtype=float)


def of_steps(targets, inputs):
    """Labels of whole sequences as labels of their steps; all else as it is."""
    if np.ndim(targets) == 1:
        return np.broadcast_to(np.asarray(targets)[:, None], np.shape(inputs)[:2])
    return targets


def mask_and_lengths(inputs, mask, lengths):
    """(B', T) and (B',), whatever of both was left out."""
    n_streams, n_steps = np.shape(inputs)[:2]
    mask = np.ones(n_steps, dtype=bool) if mask is None else np.asarray(mask)
    lengths = [n_steps] * n_streams if lengths is None else lengths
    return np.broadcast_to(mask, (n_streams, n_steps)), [int(length) for length in lengths]


def total(gradients):
    """The sum, name by name, in the order of the streams."""
    first, *others = gradients
    for g in others:
        first = {name: first[name] + g[name] for name in first}
    return first


def largest_of(products):
    """Name by name, and layer by layer."""
    return {name: np.max([of_stream[name] for of_stream in products], axis=0) for name in products[0]}


class ReferenceBatch(Schedule):
    """`batch_size` streams over one set of weights: copies of a model that make their steps together.

    An update adds up the gradients of all streams. A batch's step is one in which any stream makes one,
    so that from `reset()` on its count is that of its longest stream.
    """

    def __init__(self, model, batch_size):
        self._streams = [copy.deepcopy(model) for _ in range(batch_size)]
        self._schedule(
            model.update_every,
            copy.deepcopy(model.optimizer),
            model.lr,
            model.reduction,
            clip_norm=model.clip_norm,
            w_max=model.w_max,
            group_rates=model.group_rates,
        )
        self.reset()

    @property
    def streams(self):
        return self._streams

    @property
    def parameters(self):
        return self._streams[0].parameters

    def step(self, x, target=None, *, learning_signal=None, weight=1.0):
        weights = np.broadcast_to(weight, len(x))
        results = self.tick(x, [None] * len(x) if target is None else target, weights, learning_signal)
        step = {"spikes": np.array([stream.spikes for stream in self._streams])}
        step["output"] = np.array([output for output, _ in results])
        losses = [loss for _, loss in results if loss is not None]
        return {**step, "loss": float(np.mean(losses))} if losses else step


class ReferenceEprop(Stream):
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
        lr=None,
        readout_gain="unit",
        loss="mse",
        feedback="symmetric",
        feedback_decay=0.0,
        readout_bias=False,
        c_reg=0.0,
        f_target=10.0,
        tau_reg=500.0,
        c_reg_side="both",
        update_every=1,
        optimizer="sgd",
        reduction="sum",
        clip_norm=None,
        w_max=None,
        lr_in=None,
        lr_rec=None,
        lr_out=None,
        delay=1,
        connected=True,
        sign=None,
        **neuron,
    ):
        rates = {"in": lr_in, "rec": lr_rec, "out": lr_out}
        self._schedule(
            update_every, optimizer, lr, reduction, clip_norm=clip_norm, w_max=w_max, group_rates=rates
        )
        self.n, self.n_inputs = W_in.shape
        self.n_outputs = len(W_out)
        self.delay = delay
        self.W = np.concatenate([W_in, W_rec], axis=1).astype(float)
        # Where there is a synapse, (N, n_inputs + N), and the sign of each source, 0 where it is free.
        self.connected = np.broadcast_to(connected, self.W.shape)
        self.sign = np.zeros(self.W.shape[1]) if sign is None else np.asarray(sign, dtype=float)
        self.rewiring = None  # a `reference_rewire.Rewiring`, where synapses move
        assert not np.any(self.W[~self.connected])
        self.W_out = np.array(W_out, dtype=float)
        self.b = np.zeros(self.n_outputs) if b is None else np.array(b, dtype=float)
        self.adaptive, self.keep = feedback == "adaptive", 1.0 - feedback_decay
        self.B_random = None if feedback == "symmetric" else np.array(B, dtype=float)
        self.neuron = Lif(self.n, dt=dt, **neuron)
        self.cells = [self.neuron]
        tau_out = tau_trace if tau_out is None else tau_out
        self.kappa, self.kappa_e = decay(dt, tau_out), decay(dt, tau_trace)
        tau_mem, tau_syn = np.max(self.neuron.tau_mem), self.neuron.tau_syn
        self.answer = dt / (tau_out + tau_mem + tau_syn)
        self.slowest = max(np.max(self.neuron.alpha), self.kappa, self.neuron.sigma)
        self.zeta_o, self.zeta_e = (
            gain(readout_gain, dt, tau_out),
            gain(readout_gain, dt, tau_trace),
        )
        self.loss, self.readout_bias = loss, readout_bias
        self.side = c_reg_side
        self.c_reg, self.f_target, self.m = c_reg, f_target * dt / 1000.0, -np.expm1(-dt / tau_reg)
        self.of_sequence = update_every == "sequence"  # the mode of the regulariser
        self.reset()

    def reset_state(self):
        self.neuron.reset()
        self.under_way = [np.zeros(self.n)] * self.delay  # the oldest spikes first
        self.y = np.zeros(self.n_outputs)
        self.x_bar = np.zeros(self.W.shape[1])
        self.z_bars = np.zeros_like(self.W)
        self.e = np.zeros_like(self.W)
        self.e_bar = np.zeros_like(self.W)
        self.eps_a = np.zeros_like(self.W)
        self.F_z, self.F_1 = np.zeros(self.n), 0.0
        self.f = np.full(self.n, self.f_target)
        self.most_err = self.most_F_z = self.most_L = self.most_e_bar = 0.0
        self.L = np.zeros(self.n)

    def forget(self, pruned, connected):
        """Traces and the pending gradient of synapses that are gone."""
        for name in ("e", "e_bar", "eps_a", "g_W", "g_W_loss", "sum_e"):
            setattr(self, name, np.where(pruned, 0.0, getattr(self, name)))
        self.connected = connected.copy()

    def drop_pending(self):
        self.g_W, self.g_out = np.zeros_like(self.W), np.zeros_like(self.W_out)
        self.g_W_loss = np.zeros_like(self.W)
        self.g_b = np.zeros(self.n_outputs)
        self.sum_e, self.sum_z = np.zeros_like(self.W), np.zeros(self.n)
        self.steps = self.n_targets = 0
        self.E = 0.0

    groups: ClassVar = {"in": ["W_in"], "rec": ["W_rec"], "out": ["W_out", "b"]}

    @property
    def parameters(self):
        return self._by_name(self.W, self.W_out, self.b)

    @parameters.setter
    def parameters(self, new):
        W = np.concatenate([new["W_in"], new["W_rec"]], axis=1)
        self.W = np.where(self.sign * W < 0.0, 0.0, W)
        if self.adaptive:
            self.B_random = self.B_random + (new["W_out"] - self.W_out).T
        self.W_out, self.b = new["W_out"], new["b"]

    def decay_feedback(self):
        if self.adaptive:
            self.W_out, self.B_random = self.keep * self.W_out, self.keep * self.B_random

    def _by_name(self, W, W_out, b):
        return {"W_in": W[:, : self.n_inputs], "W_rec": W[:, self.n_inputs :], "W_out": W_out, "b": b}

    @property
    def B(self):
        return self.W_out.T if self.B_random is None else self.B_random

    @property
    def spikes(self):
        return self.neuron.z.copy()

    @property
    def z_bar(self):
        """Of every source, or where neurons have a tau_mem each, of every synapse."""
        if np.ndim(self.neuron.tau_mem) == 0:
            return self.z_bars[0]
        there = self.connected if self.rewiring is None else 1.0  # a synapse may come anywhere
        return there * without_self(self.z_bars, self.n_inputs)

    def _sources(self, x):
        """The inputs of this step, and the spikes that arrive in it."""
        return np.concatenate([x, self.under_way[0]])

    def _forward(self, x):
        """Lines 1 to 5 and the traces of lines 8 and 10, which move whether or not anyone learns."""
        neuron = self.neuron
        s = self._sources(x)
        neuron.step(neuron.zeta * (self.W @ s))
        self.under_way = [*self.under_way[1:], neuron.z.copy()]
        self.y = self.kappa * self.y + self.zeta_o * (self.W_out @ neuron.z + self.b)
        alpha, zeta = (np.broadcast_to(c, self.n)[:, None] for c in (neuron.alpha, neuron.zeta))
        self.x_bar = neuron.sigma * self.x_bar + s
        self.z_bars = alpha * self.z_bars + zeta * self.x_bar[None, :]
        of_threshold = neuron.beta[:, None] * self.eps_a
        e = without_self(neuron.psi[:, None] * (self.z_bars - of_threshold), self.n_inputs)
        self.e = self.connected * e
        self.eps_a = neuron.rho[:, None] * self.eps_a + self.e
        self.e_bar = self.kappa_e * self.e_bar + self.zeta_e * self.e
        self.F_z = self.kappa * self.F_z + neuron.z
        self.most_F_z = max(self.most_F_z, self.F_z.max())
        self.F_1 = self.kappa * self.F_1 + 1.0
        return self.y.copy()

    def _learn(self, target, weight, signal):
        """Add this step to the pending gradient."""
        err, loss = np.zeros(self.n_outputs), None
        if target is not None:
            err, loss = error_and_loss(self.loss, self.y, target, weight)
        self._see(err)
        L = self.L = self.B @ err if signal is None else np.asarray(signal, dtype=float)
        self.g_W += L[:, None] * self.e_bar
        self.g_W_loss += L[:, None] * self.e_bar
        self.g_out += err[:, None] * (self.zeta_o * self.F_z)[None, :]
        if self.readout_bias:
            self.g_b += err * self.zeta_o * self.F_1
        self._regularise()
        return loss

    def _see(self, err):
        """L adds up parts that may cancel: it rounds at the largest of them, whatever is left."""
        self.most_err = max(self.most_err, np.abs(err).max())
        self.most_L = max(self.most_L, np.abs(self.B * err[None, :]).max())
        self.most_e_bar = max(self.most_e_bar, np.abs(self.e_bar).max())

    def _regularise(self):
        z = self.neuron.z
        self.sum_e, self.sum_z = self.sum_e + self.e, self.sum_z + z
        if not self.of_sequence:
            self.f = self.f + (z - self.f) * self.m
            r = self.c_reg * self._off_target(self.f) * self.m
            self.g_W += r[:, None] * self.e

    def _pending(self):
        g_W = self.g_W
        if self.of_sequence and self.steps > 0:
            f = self.sum_z / self.steps
            g_W = g_W + (self.c_reg * self._off_target(f) / self.steps)[:, None] * self.sum_e
        return self._by_name(g_W, self.g_out, self.g_b)

    def _off_target(self, f):
        off = f - self.f_target
        wanted = {"both": off != 0, "above": off > 0, "below": off < 0}
        return np.where(wanted[self.side], off, 0.0)

    def _pending_of_loss(self):
        return self._by_name(self.g_W_loss, self.g_out, self.g_b)

    def _to_dict(self, g):
        return dict(g)

    def _from_dict(self, gradients):
        g = {name: np.asarray(gradients[name], dtype=float) for name in self.parameters}
        return g if self.readout_bias else {**g, "b": np.zeros(self.n_outputs)}

    def _products(self):
        of_synapses = self.most_L * self.most_e_bar
        return {
            "W_in": of_synapses,
            "W_rec": of_synapses,
            "W_out": self.most_err * self.zeta_o * self.most_F_z,
        }


def without_self(e, n_inputs):
    """A neuron is no source of its own: entry (j, n_inputs + j) is 0."""
    e = e.copy()
    np.fill_diagonal(e[:, n_inputs:], 0.0)
    return e


class ReferenceLayer:
    """One feed-forward layer; the learning signal comes from outside."""

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


class ReferenceStack(Stream):
    """Layers in a row, each with the signal of the one above. Options as in `eprop.OnlineTrainer`."""

    def __init__(
        self,
        weights,
        *,
        loss="mse",
        update_every=1,
        optimizer="sgd",
        reduction="sum",
        lr=None,
        clip_norm=None,
        w_max=None,
        **layer,
    ):
        self._schedule(update_every, optimizer, lr, reduction, clip_norm=clip_norm, w_max=w_max)
        taus = np.broadcast_to(layer.pop("tau_mem", 20.0), len(weights))
        self.layers = [ReferenceLayer(W, tau_mem=tau, **layer) for W, tau in zip(weights, taus, strict=True)]
        self.groups = {i: [i] for i in range(len(weights))}
        self.cells = [layer.neuron for layer in self.layers]
        slowest = self.cells[np.argmax(taus)]
        # There is no readout to wait for.
        self.answer, self.slowest = slowest.dt / slowest.tau_mem, slowest.alpha
        self.loss, self.n_outputs = loss, len(weights[-1])
        self.reset()

    def reset_state(self):
        for layer in self.layers:
            layer.reset()

    def drop_pending(self):
        self.g = [np.zeros_like(layer.W) for layer in self.layers]
        self.steps = self.n_targets = 0
        self.E = 0.0

    @property
    def parameters(self):
        return {i: layer.W for i, layer in enumerate(self.layers)}

    @parameters.setter
    def parameters(self, new):
        for i, layer in enumerate(self.layers):
            layer.W = new[i]

    @property
    def spikes(self):
        return self.layers[-1].neuron.z.copy()

    def _forward(self, s):
        for layer in self.layers:
            s = layer.step(s)
        return s

    def _learn(self, target, weight, own_signal):
        if target is None and own_signal is None:
            return None
        signal, loss = np.zeros(self.n_outputs), None
        if target is not None:
            signal, loss = error_and_loss(self.loss, self.spikes, target, weight)
        if own_signal is not None:
            signal = np.asarray(own_signal, dtype=float)
        for g, layer in zip(reversed(self.g), reversed(self.layers), strict=True):
            g += layer.gradient(signal)
            signal = layer.propagate(signal)
        return loss

    def _pending(self):
        return dict(enumerate(self.g))

    _pending_of_loss = _pending

    def _to_dict(self, g):
        return {"W": [g[i] for i in range(len(g))]}

    def _from_dict(self, gradients):
        return {i: np.asarray(W, dtype=float) for i, W in enumerate(gradients["W"])}

    def _products(self):
        return {"W": [layer.most_delta * layer.most_z_bar for layer in self.layers]}
