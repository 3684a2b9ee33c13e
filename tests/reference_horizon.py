"""Credit through recurrent spikes (`horizon`), written literally in slow NumPy float64: the oracle of the block form.

A block is a run of learning steps. It ends at every multiple of `horizon` steps since `reset()`, where weights change,
and where a step does not learn. At its end the scan of docs/method.md, "Credit through recurrent spikes", goes from its last
step to its first. What a block starts with, z_bar, e_bar and eps_a, is e-prop's own, of `ReferenceEprop`.
"""

from __future__ import annotations

import numpy as np
from reference import ReferenceEprop, error_and_loss, without_self


class ReferenceHorizon(ReferenceEprop):
    """As `ReferenceEprop`, with `horizon` (a number of steps, or "sequence") and `recurrent_gain`."""

    def __init__(self, *weights, horizon=1, recurrent_gain=0.3, **options):
        self.horizon = np.inf if horizon == "sequence" else horizon
        self.gamma = recurrent_gain
        super().__init__(*weights, **options)

    def reset_state(self):
        super().reset_state()
        self.since_reset = 0

    def drop_pending(self):
        super().drop_pending()
        self.block, self.learned = [], False

    def _forward(self, x):
        if self.since_reset % self.horizon == 0 or not self.learned:
            self._end_block()
        if not self.block:
            self.x_bar_0, self.z_bars_0 = self.x_bar.copy(), self.z_bars.copy()
            self.e_bar_0, self.eps_a_0 = self.e_bar.copy(), self.eps_a.copy()
        self.s = self._sources(x)
        self.learned = False
        self.since_reset += 1
        return super()._forward(x)

    def _learn(self, target, weight, signal):
        assert signal is None, "no learning signal with a horizon"
        err, loss = np.zeros(self.n_outputs), None
        if target is not None:
            err, loss = error_and_loss(self.loss, self.y, target, weight)
        self.L = self.B @ err
        self._see(err)
        self.g_out += err[:, None] * (self.zeta_o * self.F_z)[None, :]
        if self.readout_bias:
            self.g_b += err * self.zeta_o * self.F_1
        self.block.append((self.s, self.neuron.psi.copy(), err, self._coefficient_on_e()))
        self.learned = True
        return loss

    def _coefficient_on_e(self):
        """r of this step. In the sequence mode it is known only at the end: e-prop's part is added then."""
        z = self.neuron.z
        self.sum_e, self.sum_z = self.sum_e + self.e, self.sum_z + z
        if self.of_sequence:
            return np.zeros(self.n)
        self.f = self.f + (z - self.f) * self.m
        return self.c_reg * self._off_target(self.f) * self.m

    def _end_block(self):
        self.g_W += self._scan(with_regulariser=True)
        self.g_W_loss += self._scan(with_regulariser=False)
        self.block = []

    def _scan(self, *, with_regulariser):
        if not self.block:
            return 0.0
        W_rec, alpha, zeta = self.W[:, self.n_inputs :], self.neuron.alpha, self.neuron.zeta
        sigma, p = self.neuron.sigma, np.zeros(self.n)
        beta, rho, m = self.neuron.beta, self.neuron.rho, np.zeros(self.n)
        G, R, q = np.zeros_like(self.W), np.zeros(self.n_outputs), np.zeros(self.n)
        later = [np.zeros(self.n)] * self.delay  # p of the steps after, the furthest first
        for u in reversed(range(len(self.block))):
            s, psi, err, r = self.block[u]
            R = err + self.kappa_e * R
            g = self.zeta_e * (self.B @ R) + m + self.gamma * (W_rec.T @ (zeta * later[0]))
            if with_regulariser:
                g = g + r
            q = psi * g + alpha * q
            m = rho * m - beta * psi * g
            p = q + sigma * p
            later = [*later[1:], p]
            G += np.outer(zeta * p, s)
        G += m[:, None] * self.eps_a_0
        G += np.outer(zeta * sigma * p, self.x_bar_0) + (alpha * q)[:, None] * self.z_bars_0
        G += (self.kappa_e * (self.B @ R))[:, None] * self.e_bar_0
        return self.connected * without_self(G, self.n_inputs)

    def _pending(self):
        self._end_block()
        return super()._pending()

    def _pending_of_loss(self):
        self._end_block()
        return super()._pending_of_loss()
