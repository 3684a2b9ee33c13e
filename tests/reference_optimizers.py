"""How an update becomes a step of the weights, written literally in slow NumPy float64.

Nothing is shared with the package. Each class has `step(update)`, which returns the new weights, and keeps what it
remembers. An `Update` names parameters ("W_in", ...) and groups of them: "in" (W_in), "rec" (W_rec) and "out"
(W_out with b) of a recurrent network, the layers of a stack.

What the equations leave open is fixed here:

- n is the number of steps with a target of an update: n_targets / n_streams, over the streams that made a step since
  the last update, so that time counts once in a batch. Where no step had a target it is n_steps / n_streams, which
  only c needs.
- Lengths are of the gradient of the loss alone, after `reduction`: without the regulariser, weight decay and
  `clip_norm`.
- E = 0 is like no target: lengths stand still, and the step is as long as they allow. Before there is a length it is
  lr, and 0 with `Auto`.
- Weight decay does not touch b, and neither does `w_max`. `clip_norm` is of g with the regulariser, before weight
  decay.
- `Auto(per_neuron=True)`: P_G does not count b. v and its t stand still where lengths do. D_j is 1 while v_j is 0: only
  the regulariser and weight decay move such a neuron. sigma_G does not matter to the others, whose eta_G has it below.
- `etas` is the learning rate of each group in the last step, after the limit, which synapses that move ask for.
- Of a stack, the last layer has half of `Auto`'s step, and the layers below share the other half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Update:
    """What an update tells its optimizer.

    Parameters
    ----------
    W, g, g_loss : dict of ndarray
        By the names of parameters: the weights; the gradient, with its regulariser; the gradient of the loss alone.
    E : float
        The loss that `g_loss` is of, summed (or averaged) as it is.
    n : float
        Steps of a stream, see above.
    taught : bool
        Whether a step had a target.
    lr : dict of float
        By group.
    groups : dict of list of str
        The parameters of each group; the last group is the output.
    answer : float
        dt / (tau_out + tau_mem + tau_syn).
    slowest : float
        max(alpha, kappa, sigma).
    """

    W: dict
    g: dict
    lr: dict
    groups: dict
    g_loss: dict | None = None
    E: float = 0.0
    n: float = 1.0
    taught: bool = True
    answer: float = 1.0
    slowest: float = 0.0

    @property
    def has_length(self):
        return self.taught and self.E > 0.0

    @property
    def c(self):
        """The share of a Polyak step that readout and membrane, which answer late, put up with."""
        x = -np.expm1(-self.n * self.answer)
        return x / (1.0 + 3.0 * x)

    def per_parameter(self, of_groups):
        """What is said of groups, by the names of parameters."""
        return {name: of_groups[G] for G, names in self.groups.items() for name in names}

    def with_decay(self, weight_decay):
        """g + weight_decay W."""
        return {name: g if name == "b" else g + weight_decay * self.W[name] for name, g in self.g.items()}

    def minus(self, eta, step):
        """W - eta step."""
        return {name: W - eta[name] * step[name] for name, W in self.W.items()}


def squared_length(arrays):
    return sum(float(np.sum(a**2)) for a in arrays)


class Limit:
    """eta = min(lr, c / d), d = max(J, max(0.9, 0.99^n) d), J = |g_loss|^2 / 2E over all groups.

    The stochastic Polyak step (Loizou et al. 2021), whose length is held at its recent peak.
    """

    def __init__(self):
        self.d = 0.0

    def eta(self, update):
        if update.has_length:
            J = squared_length(update.g_loss.values()) / (2.0 * update.E)
            self.d = max(J, max(0.9, 0.99**update.n) * self.d)
        largest = update.c / self.d if self.d > 0.0 else np.inf
        return {G: min(lr, largest) for G, lr in update.lr.items()}


class NoLimit:
    """lr as it is."""

    def eta(self, update):
        return update.lr


class Sgd:
    """W -= eta (g + weight_decay W)."""

    default_lr = 0.01

    def __init__(self, limit=True, weight_decay=0.0):
        self.limit, self.weight_decay = (Limit if limit else NoLimit)(), weight_decay

    def step(self, update):
        self.etas = self.limit.eta(update)
        eta = update.per_parameter(self.etas)
        return update.minus(eta, update.with_decay(self.weight_decay))


class Momentum:
    """M = mu M + g + weight_decay W, W -= (1 - mu) eta M; the length is that of the last gradient."""

    default_lr = 0.01

    def __init__(self, mu=0.9, limit=True, weight_decay=0.0):
        self.mu, self.limit, self.weight_decay = mu, (Limit if limit else NoLimit)(), weight_decay
        self.M = {}

    def step(self, update):
        self.etas = self.limit.eta(update)
        eta = update.per_parameter(self.etas)
        g = update.with_decay(self.weight_decay)
        self.M = {name: self.mu * self.M.get(name, 0.0) + g[name] for name in g}
        return update.minus({name: (1.0 - self.mu) * eta[name] for name in eta}, self.M)


class Adam:
    """Kingma and Ba 2015, with eps where NEST and the first version of the paper have it."""

    default_lr = 0.001

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        self.beta1, self.beta2, self.eps, self.weight_decay = beta1, beta2, eps, weight_decay
        self.t, self.m, self.v = 0, {}, {}

    def step(self, update):
        return self._step(update, update.with_decay(self.weight_decay))

    def _step(self, update, g):
        self.etas = update.lr
        b1, b2, lr = self.beta1, self.beta2, update.per_parameter(update.lr)
        self.t += 1
        self.m = {name: b1 * self.m.get(name, 0.0) + (1.0 - b1) * g[name] for name in g}
        self.v = {name: b2 * self.v.get(name, 0.0) + (1.0 - b2) * g[name] ** 2 for name in g}
        eta = {name: lr[name] * np.sqrt(1.0 - b2**self.t) / (1.0 - b1**self.t) for name in g}
        return {
            name: W - eta[name] * self.m[name] / (np.sqrt(self.v[name]) + self.eps)
            for name, W in update.W.items()
        }


class AdamW(Adam):
    """Loshchilov and Hutter 2019: weight decay beside the step, not in the moments."""

    def __init__(self, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
        super().__init__(beta1, beta2, eps, weight_decay)

    def step(self, update):
        new, lr = self._step(update, update.g), update.per_parameter(update.lr)
        return {
            name: W if name == "b" else W - lr[name] * self.weight_decay * update.W[name]
            for name, W in new.items()
        }


class Auto:
    """A step per group G, from its own length held at its peak; lr has no unit.

    J_G = |g_G|^2 / 2E, d_G = max(J_G, 0.999^n d_G), n_G += n where J_G > 0, and
    W -= eta_G g with eta_G = lr c share_G (1 - max(alpha, kappa, sigma)^n_G)^2 / d_G.
    `per_neuron`: the rows of J_G and of g are multiplied with D_j.
    """

    default_lr = 0.5

    def __init__(self, per_neuron=False, weight_decay=0.0, sigma=None):
        self.per_neuron, self.weight_decay, self.sigma = per_neuron, weight_decay, sigma or {}
        self.d, self.n, self.scales = {}, {}, {}

    def step(self, update):
        if not self.d:
            self._begin(update)
        shares, eta, D = shares_of(update.groups), {}, {}
        for G, names in update.groups.items():
            if update.has_length:
                self._measure(G, names, update)
            risen = (1.0 - update.slowest ** self.n[G]) ** 2
            eta[G] = update.lr[G] * update.c * shares[G] * risen / self.d[G] if self.d[G] > 0.0 else 0.0
            D |= {name: self._rows(G, update.W[name]) for name in names}
        self.etas = eta
        g = update.with_decay(self.weight_decay)
        return update.minus(update.per_parameter(eta), {name: D[name] * g[name] for name in g})

    def _begin(self, update):
        self.d, self.n = dict.fromkeys(update.groups, 0.0), dict.fromkeys(update.groups, 0.0)
        if self.per_neuron:
            self.scales = {
                G: NeuronScales(update.W[names[0]], self.sigma.get(G)) for G, names in update.groups.items()
            }

    def _measure(self, G, names, update):
        rows = sum(squared_rows(update.g_loss[name]) for name in names)
        if self.per_neuron:
            self.scales[G].add(rows)
        J = float(np.sum(self._rows(G) * rows)) / (2.0 * update.E)
        self.d[G] = max(J, 0.999**update.n * self.d[G])
        self.n[G] += update.n if J > 0.0 else 0.0

    def _rows(self, G, like=None):
        """D_j, to be multiplied with rows; as a column where `like` is a matrix."""
        D = self.scales[G].D if self.per_neuron else np.ones(1)
        return D if np.ndim(like) != 2 else D[:, None]


class NeuronScales:
    """D_j = sigma_G / (sqrt(v_j / (1 - b2^t)) + eps), v_j = b2 v_j + (1 - b2) |g_j|^2 / P_G, of a group.

    sigma_G is the root mean square of its first weights, unless it is given.
    """

    b2, eps = 0.999, 1e-8

    def __init__(self, W, sigma=None):
        self.sigma, self.n_sources = np.sqrt(np.mean(W**2)) if sigma is None else sigma, W.shape[1]
        self.v, self.t = np.zeros(len(W)), 0

    def add(self, rows):
        self.t += 1
        self.v = self.b2 * self.v + (1.0 - self.b2) * rows / self.n_sources

    @property
    def D(self):
        size = np.sqrt(self.v / (1.0 - self.b2**self.t)) if self.t else self.v
        return np.where(self.v > 0.0, self.sigma / (size + self.eps), 1.0)


def squared_rows(g):
    return g**2 if g.ndim == 1 else np.sum(g**2, axis=1)


def shares_of(groups):
    """Half for the output, the other half in equal parts for what comes before: in 1/4, rec 1/4, out 1/2."""
    *below, last = groups
    return {**{G: 0.5 / len(below) for G in below}, last: 0.5}


def clipped(g, clip_norm):
    """Scaled down to this length over everything."""
    length = np.sqrt(squared_length(g.values()))
    return g if length <= clip_norm else {name: clip_norm / length * g[name] for name in g}


def within(W, w_max):
    """Weights, but not biases, in [-w_max, w_max]."""
    return {name: w if name == "b" else np.clip(w, -w_max, w_max) for name, w in W.items()}
