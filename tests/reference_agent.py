"""Reward-based e-prop written literally in slow NumPy float64: the oracle of `eprop.rl`.

docs/reward.md, symbol by symbol. The network is that of `reference.py`, with a readout for each action and, as the last,
one for the value. Actions come in from outside, so that nothing random is in here.

What the equations leave open is fixed here:

- At a decision everything is made with the weights of its steps: delta of the decision before, and L. Then the update,
  if one is due, then M.
- An update is due when `update_every` TD errors wait, of all streams together, or at the end of an episode
  (``"episode"``).
- The loss of an update, which limited optimizers ask for, is the sum of 0.5 delta^2. The entropy's part of the gradient is
  not in the length that goes with it.
- A stream's part of an update lasts as many steps as lie between its decisions, which is what n of an `Update` counts.
"""

from __future__ import annotations

import numpy as np
from reference import ReferenceBatch, ReferenceEprop, softmax


def entropy_of(pi):
    return -float(np.sum(pi[pi > 0] * np.log(pi[pi > 0])))


class Episode:
    """What a stream keeps beside its network: M, and the decision whose reward has not been learned from."""

    def __init__(self, network):
        self.network = network
        self.forget()

    def forget(self):
        self.M = {name: np.zeros_like(W) for name, W in self.network.parameters.items()}
        self.V = self.r = None


class ReferenceAgent:
    """Streams over one set of weights. Options as in `eprop.rl.EpropAgent`."""

    def __init__(
        self,
        W_in,
        W_rec,
        W_out,
        b=None,
        B=None,
        *,
        gamma=0.99,
        lam=0.9,
        entropy=0.0,
        value_weight=0.5,
        steps_per_action=10,
        update_every=1,
        batch_size=1,
        **network,
    ):
        self.gamma, self.decay, self.entropy, self.value_weight = gamma, gamma * lam, entropy, value_weight
        self.steps_per_action, self.update_every = steps_per_action, update_every
        self.batch = ReferenceBatch(ReferenceEprop(W_in, W_rec, W_out, b, B, **network), batch_size)
        self.episodes = [Episode(stream) for stream in self.batch.streams]
        self._drop_pending()

    def _drop_pending(self):
        zeros = self.batch.parameters
        self.g = {name: np.zeros_like(W) for name, W in zeros.items()}
        self.g_entropy = {name: np.zeros_like(W) for name, W in zeros.items()}
        self.deltas = [[] for _ in self.episodes]

    def act(self, observations, actions):
        """The policies and the values of all streams, whose `actions` are taken."""
        decisions = []
        for episode, observation, action in zip(self.episodes, observations, actions, strict=True):
            pi, V = self._see(episode.network, observation)
            if episode.V is not None:
                self._judge(episode, episode.r + self.gamma * V - episode.V)
            err = np.append(pi - np.eye(len(pi))[action], -self.value_weight)
            H = entropy_of(pi)
            log_pi = np.log(np.maximum(pi, np.finfo(float).tiny))
            err_H = np.append(self.entropy * pi * (log_pi + H), 0.0)
            B = episode.network.B
            decisions.append((episode, pi, V, (err, B @ err), (err_H, B @ err_H)))
        self._update_if(self._are_enough())
        for episode, _, V, of_action, of_entropy in decisions:
            gradient = self._gradient(episode.network, *of_action)
            episode.M = {name: self.decay * M + gradient[name] for name, M in episode.M.items()}
            bonus = self._gradient(episode.network, *of_entropy)
            self.g_entropy = {name: g + bonus[name] for name, g in self.g_entropy.items()}
            episode.V, episode.r = V, None
        return [(pi, V) for _, pi, V, *_ in decisions]

    def learn(self, rewards, done, last_observations=None, reset=True):
        """`done`, or where a time limit ended the episode, what was seen last."""
        last_observations = last_observations or [None] * len(self.episodes)
        ended = False
        for episode, r, end, last in zip(self.episodes, rewards, done, last_observations, strict=True):
            episode.r = r
            if end:
                self._judge(episode, r - episode.V)
            elif last is not None:
                _, V = self._see(episode.network, last)
                self._judge(episode, r + self.gamma * V - episode.V)
            if end or last is not None:
                ended = True
                episode.forget()
                if reset:
                    episode.network.reset_state()
        self._update_if(ended if self.update_every == "episode" else self._are_enough())

    def _are_enough(self):
        """Whether as many TD errors wait as an update takes."""
        return self.update_every != "episode" and sum(map(len, self.deltas)) >= self.update_every

    def _see(self, network, observation):
        """pi and V after the steps of a decision."""
        for x in np.broadcast_to(observation, (self.steps_per_action, network.n_inputs)):
            y = network._forward(np.asarray(x, dtype=float))
        return softmax(y[:-1]), float(y[-1])

    def _gradient(self, network, err, L):
        """What a decision's errors make of the traces of its last step."""
        W = L[:, None] * network.e_bar
        b = err * network.zeta_o * network.F_1 * network.readout_bias
        return network._by_name(W, err[:, None] * network.zeta_o * network.F_z[None, :], b)

    def _judge(self, episode, delta):
        self.deltas[self.episodes.index(episode)].append(delta)
        self.g = {name: g + delta * episode.M[name] for name, g in self.g.items()}

    def _update_if(self, due):
        if not due or not any(self.deltas):
            return
        self.batch._descend(
            g={name: g + self.g_entropy[name] for name, g in self.g.items()},
            g_loss=self.g,
            E=sum(0.5 * delta**2 for deltas in self.deltas for delta in deltas),
            n_targets=sum(map(len, self.deltas)),
            n_streams=sum(map(bool, self.deltas)) / self.steps_per_action,
            n_steps=0,
        )
        self._drop_pending()
