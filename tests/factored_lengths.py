"""How long the rows of e_bar are, from a few sums per neuron: what the factored form does, in NumPy.

`literal` adds up squares of the textbook's e_bar. `factored` keeps sums over sources, beside the rows C, D and zt of
the factored form, in e_ji = C_ji + X1_j zt_i + Q_j D_ji and d_ji = D_ji + X2_j zt_i, which are e_bar_ji / kappa_e^u and
eps_a_ji / p_j:

    EE = sum_i e^2   EZ = sum_i e zt   ZZ = sum_i zt^2   ED = sum_i e d   DZ = sum_i d zt   DD = sum_i d^2

each without a neuron's own source. A spike changes zt, and no e or d. It follows them with the sums over a step's spikes
that a current needs anyway, and never adds up rows. LIF needs the first three; `beta` and `rho` are those of adaptive neurons.
"""

from __future__ import annotations

import numpy as np


def literal(s, psi, group, own, *, alpha, kappa_e, zeta, zeta_e, beta=0.0, rho=1.0):
    """sum_i e_bar_ji^2 over the sources i of a group, at every step: (T, N).

    s (T, P) are the sources, psi (T, N), group (P,) bool; `own` is the column of neuron 0 as a source, or None where
    no source is a neuron.
    """
    (T, N), P = psi.shape, s.shape[1]
    z_bar, e_bar, eps_a = np.zeros(P), np.zeros((N, P)), np.zeros((N, P))
    exists = synapses(N, P, own)
    Q = np.zeros((T, N))
    for t in range(T):
        z_bar = alpha * z_bar + zeta * s[t]
        p = psi[t][:, None]
        e = p * (z_bar - beta * eps_a)
        eps_a = rho * eps_a + e
        e_bar = kappa_e * e_bar + zeta_e * e
        Q[t] = np.sum((e_bar * exists)[:, group] ** 2, axis=1)
    return Q


def synapses(N, P, own):
    """Which exist: (N, P) bool."""
    exists = np.ones((N, P), dtype=bool)
    if own is not None:
        exists[np.arange(N), own + np.arange(N)] = False
    return exists


class Lengths:
    """The sums of one group, (N,) each. `exists` (N, P): the synapses of the group."""

    def __init__(self, exists):
        self.exists = exists
        self.EE, self.EZ, self.ZZ, self.ED, self.DZ, self.DD = np.zeros((6, len(exists)))

    def spikes(self, a, X1, X2, Q, C, D, zt):
        """Of a step's sources, before their rows change; a (P,), the factors (N,)."""
        sC, sD = (np.sum(self.exists * a * rows, axis=1) for rows in (C, D))
        aa, az = self.exists @ (a * a), self.exists @ (a * zt)
        self.EZ += sC + X1 * az + Q * sD
        self.DZ += sD + X2 * az
        self.ZZ += 2 * az + aa

    def grow(self, x, w, q, X2):
        """X1, X2 and Q grow by x, w and q (N,); `X2` as it was: e += (x - q X2) zt + q d, then d += w zt."""
        EZ, ZZ, ED, DZ, DD = self.EZ, self.ZZ, self.ED, self.DZ, self.DD
        y = x - q * X2
        self.EE = self.EE + 2 * y * EZ + 2 * q * ED + y**2 * ZZ + q**2 * DD + 2 * y * q * DZ
        self.EZ = EZ + y * ZZ + q * DZ
        self.ED = ED + w * EZ + y * DZ + y * w * ZZ + q * DD + q * w * DZ
        self.DD = DD + 2 * w * DZ + w**2 * ZZ
        self.DZ = DZ + w * ZZ

    def end_block(self, k, a, p):
        """C = k e; D = p d; zt = a zt: what is left of each."""
        self.EE, self.EZ, self.ED = k**2 * self.EE, k * a * self.EZ, k * p * self.ED
        self.ZZ, self.DZ, self.DD = a**2 * self.ZZ, a * p * self.DZ, p**2 * self.DD


def factored(s, psi, group, own, *, alpha, kappa_e, zeta, zeta_e, beta=0.0, rho=1.0, block=20):
    """The same from `Lengths`, in blocks of so many steps."""
    (T, N), P = psi.shape, s.shape[1]
    exists = synapses(N, P, own)
    lengths = Lengths(exists & group)
    C, D, zt = np.zeros((N, P)), np.zeros((N, P)), np.zeros(P)
    X1, X2, Q, p = np.zeros(N), np.zeros(N), np.zeros(N), np.ones(N)
    out = np.zeros((T, N))
    for t in range(T):
        u = t % block + 1
        a = alpha**-u * zeta * s[t]
        lengths.spikes(a, X1, X2, Q, C, D, zt)
        C, D = (C - np.outer(X1 - Q * X2, a)) * exists, (D - np.outer(X2, a)) * exists
        zt = zt + a
        ez, ed = psi[t] * (alpha**u - beta * p * X2), -beta * psi[t] * p
        x, q = zeta_e * kappa_e**-u * ez, zeta_e * kappa_e**-u * ed
        p = p * (rho - beta * psi[t])
        w = psi[t] * alpha**u / p
        lengths.grow(x, w, q, X2)
        X1, Q, X2 = X1 + x, Q + q, X2 + w
        out[t] = kappa_e ** (2 * u) * lengths.EE
        if u == block:
            k = kappa_e**u
            x, q, w, left = k * X1, k * Q, p * X2, alpha**u
            lengths.end_block(k, left, p)
            C, D = (
                (k * C + np.outer(x, zt) + q[:, None] * D) * exists,
                (p[:, None] * D + np.outer(w, zt)) * exists,
            )
            zt = left * zt
            X1, X2, Q, p = np.zeros(N), np.zeros(N), np.zeros(N), np.ones(N)
    return out
