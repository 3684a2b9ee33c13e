"""DEEP R (Bellec et al. 2018) at an update, written literally in slow NumPy float64: docs/wiring.md, "Synapses that move".

Nothing is shared with the package, its random numbers neither: they are SplitMix64 (Steele, Lea and Flood 2014) from the
seed and the number of the round, in one order: for each matrix, `W_in` first, the noise of its synapses, the places of
new ones, and their signs. Synapses are counted by source, and of a source by neuron.

What the equations leave open is fixed here:

- eta is the learning rate of the group in this update, after a limit; l1 and the noise are scaled by it.
  `Auto(per_neuron=True)`: without D_j.
- theta is bounded by `w_max` after the noise, too. A matrix whose rate is 0 rests.
- Signs are those of the weights before the update. A weight of 0 has the sign that its synapse had last: of a new one
  it is drawn.
- A synapse that was just pruned may be drawn again, and is new then.
- What is new has no traces, no moments and no pending gradient. z_bar is its source's, and goes on.
"""

from __future__ import annotations

import numpy as np

BITS = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


class Draws:
    """The random numbers of a round."""

    def __init__(self, seed, count):
        self.state = mix(seed ^ mix((count + GOLDEN) & BITS))

    def bits(self):
        self.state = (self.state + GOLDEN) & BITS
        return mix(self.state)

    def below(self, n):
        return (self.bits() * n) >> 64

    def is_heads(self):
        return self.bits() >> 63 == 1

    def gaussian(self):
        above_zero = ((self.bits() >> 11) + 1) / 2.0**53
        angle = 2.0 * np.pi * ((self.bits() >> 11) / 2.0**53)
        return np.sqrt(-2.0 * np.log(above_zero)) * np.cos(angle)

    def different(self, n, below):
        """`n` different numbers, ascending; of many, those that are left out are drawn."""
        leaves_out = n > below // 2
        some = set()
        while len(some) < (below - n if leaves_out else n):
            missing = (below - n if leaves_out else n) - len(some)
            some |= {self.below(below) for _ in range(missing)}
        return [number for number in range(below) if (number in some) != leaves_out]


class Rewiring:
    """What moves the synapses of `connected` (N, n_inputs + N), a boolean matrix.

    Parameters
    ----------
    moves : dict of bool
        Whether the synapses of "W_in" and of "W_rec" move.
    """

    def __init__(self, connected, n_inputs, *, sign, moves, seed=42, l1=0.0, temperature=0.0):
        self.connected = np.array(connected)
        n = len(self.connected)
        self.connected[np.arange(n), n_inputs + np.arange(n)] = False
        self.n_inputs, self.sign, self.moves = n_inputs, sign, moves
        self.seed, self.l1, self.temperature, self.rounds = seed, l1, temperature, 0
        self.signs = np.zeros(self.connected.shape)
        draws = Draws(seed, 0)
        for j, i in self._synapses(range(self.connected.shape[1])):
            self.signs[j, i] = self._sign(i, draws)

    def _sign(self, i, draws):
        return self.sign[i] if self.sign[i] != 0 else (-1.0 if draws.is_heads() else 1.0)

    def _synapses(self, sources):
        return [(j, i) for i in sources for j in np.flatnonzero(self.connected[:, i])]

    def _sources(self, name):
        n_inputs, n_sources = self.n_inputs, self.connected.shape[1]
        return range(n_inputs) if name == "W_in" else range(n_inputs, n_sources)

    def note(self, W):
        """Before the update."""
        self.signs = np.where(W != 0.0, np.sign(W), self.signs)

    def move(self, W, eta, rates, w_max):
        """After it: the weights (N, n_inputs + N), and which synapses were pruned. eta, rates: by the names of matrices."""
        W, pruned = W.copy(), np.zeros(W.shape, dtype=bool)
        self.rounds += 1
        draws = Draws(self.seed, self.rounds)
        for name in ("W_in", "W_rec"):
            if not self.moves[name] or rates[name] == 0.0:
                continue
            for j, i in self._synapses(self._sources(name)):
                theta = self.signs[j, i] * W[j, i]
                if self.temperature != 0.0:
                    theta += np.sqrt(2.0 * eta[name] * self.temperature) * draws.gaussian()
                theta -= eta[name] * self.l1
                theta = min(theta, np.inf if w_max is None else w_max)
                W[j, i] = self.signs[j, i] * theta
                pruned[j, i] = theta < 0.0
            here = pruned.copy()
            here[:, [i for i in range(W.shape[1]) if i not in self._sources(name)]] = False
            self.connected[here], W[here] = False, 0.0
            self._grow(name, int(here.sum()), draws)
        return W, pruned

    def _grow(self, name, n_new, draws):
        """Every pair without a synapse is as likely, but no neuron reaches itself."""
        n = len(self.connected)
        absent = [
            (j, i)
            for i in self._sources(name)
            for j in range(n)
            if not self.connected[j, i] and j != i - self.n_inputs
        ]
        for at in draws.different(n_new, len(absent)):
            j, i = absent[at]
            self.connected[j, i], self.signs[j, i] = True, self._sign(i, draws)
