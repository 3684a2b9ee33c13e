"""How long the rows of e_bar are, from a few sums per neuron: what the factored form does, in NumPy.

`literal` adds up squares of the textbook's e_bar. `factored` keeps sums over sources, beside the rows C, D and zt of
the factored form:

    CC = sum_i C^2   CZ = sum_i C zt   ZZ = sum_i zt^2   CD = sum_i C D   DZ = sum_i D zt   DD = sum_i D^2

each without a neuron's own source. It follows them with the sums over a step's spikes that a current needs anyway,
and never adds up rows. LIF needs the first three; `beta` and `rho` are those of adaptive neurons.
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
        self.CC, self.CZ, self.ZZ, self.CD, self.DZ, self.DD = np.zeros((6, len(exists)))

    def spikes(self, a, f, g, C, D, zt):
        """Of a step's sources, before their rows change; a (P,), f and g (N,)."""
        sC, sD = (np.sum(self.exists * a * rows, axis=1) for rows in (C, D))
        aa, az = self.exists @ (a * a), self.exists @ (a * zt)
        self.CC += -2 * f * sC + f**2 * aa
        self.CD += -g * sC - f * sD + f * g * aa
        self.DD += -2 * g * sD + g**2 * aa
        self.CZ += sC - f * az - f * aa
        self.DZ += sD - g * az - g * aa
        self.ZZ += 2 * az + aa

    def end_block(self, k, x, q, w, a, p):
        """C = k C + x zt + q D; D = p D + w zt; zt = a zt."""
        CC, CZ, ZZ, CD, DZ, DD = self.CC, self.CZ, self.ZZ, self.CD, self.DZ, self.DD
        self.CC = k**2 * CC + x**2 * ZZ + q**2 * DD + 2 * k * x * CZ + 2 * k * q * CD + 2 * x * q * DZ
        self.CZ = a * (k * CZ + x * ZZ + q * DZ)
        self.ZZ = a**2 * ZZ
        self.CD = k * p * CD + k * w * CZ + x * p * DZ + x * w * ZZ + q * p * DD + q * w * DZ
        self.DD = p**2 * DD + 2 * p * w * DZ + w**2 * ZZ
        self.DZ = a * (p * DZ + w * ZZ)

    def of_e_bar(self, kappa_e_u, X1, Q):
        """sum_i e_bar^2, u steps into the block: `kappa_e_u` is kappa_e^u."""
        mixed = 2 * X1 * self.CZ + 2 * Q * self.CD + 2 * X1 * Q * self.DZ
        return kappa_e_u**2 * (self.CC + X1**2 * self.ZZ + Q**2 * self.DD + mixed)


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
        f, g = X1 - Q * X2, X2
        lengths.spikes(a, f, g, C, D, zt)
        C, D = (C - np.outer(f, a)) * exists, (D - np.outer(g, a)) * exists
        zt = zt + a
        ez, ed = psi[t] * (alpha**u - beta * p * X2), -beta * psi[t] * p
        X1, Q = X1 + zeta_e * kappa_e**-u * ez, Q + zeta_e * kappa_e**-u * ed
        p = p * (rho - beta * psi[t])
        X2 = X2 + psi[t] * alpha**u / p
        out[t] = lengths.of_e_bar(kappa_e**u, X1, Q)
        if u == block:
            k = kappa_e**u
            x, q, w, left = k * X1, k * Q, p * X2, alpha**u
            lengths.end_block(k, x, q, w, left, p)
            C, D = (
                (k * C + np.outer(x, zt) + q[:, None] * D) * exists,
                (p[:, None] * D + np.outer(w, zt)) * exists,
            )
            zt = left * zt
            X1, X2, Q, p = np.zeros(N), np.zeros(N), np.zeros(N), np.ones(N)
    return out
