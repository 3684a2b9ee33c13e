"""What the tests share: networks that spike, inputs, snapshots and comparisons."""

from __future__ import annotations

import numpy as np

TRAINER_STATE = (
    "W_in",
    "W_rec",
    "W_out",
    "b",
    "B",
    "v",
    "a",
    "spikes",
    "output",
    "z_bar",
    "e_bar",
    "psi",
    "L",
)
LAYER_STATE = ("W", "v", "spikes", "psi", "z_bar")
NEURON_OPTIONS = (
    "tau_mem",
    "threshold",
    "dt",
    "reset_mechanism",
    "n_ref",
    "surrogate",
    "surrogate_height",
    "surrogate_width",
    "input_gain",
    "beta",
    "tau_adaptation",
)


def weight_scale(n_sources, p, *, tau_mem=20.0, dt=1.0, threshold=1.0, input_gain="unit", tau_syn=0.0):
    """Standard deviation of Gaussian weights that makes v wander about as wide as the threshold; of the mean tau_mem."""
    alpha, sigma = np.exp(-dt / np.mean(tau_mem)), np.exp(-dt / tau_syn) if tau_syn > 0 else 0.0
    zeta = 1.0 if input_gain == "unit" else 1.0 - alpha
    # The variance that two filters in a row make of white noise.
    variance = (1.0 + alpha * sigma) / ((1.0 - alpha * sigma) * (1.0 - alpha**2) * (1.0 - sigma**2))
    return 1.2 * threshold / np.sqrt(variance * n_sources * p) / zeta


def eprop_weights(rng, n_inputs, n, n_outputs, scale):
    """Gaussian W_in, W_rec (diagonal 0), W_out, b and B, rounded to float32."""
    W_in = scale * rng.normal(size=(n, n_inputs))
    W_rec = scale * rng.normal(size=(n, n))
    np.fill_diagonal(W_rec, 0.0)
    W_out = rng.normal(size=(n_outputs, n)) / np.sqrt(n)
    b = 0.3 * rng.normal(size=n_outputs)
    B = rng.normal(size=(n, n_outputs)) / np.sqrt(n)
    return tuple(a.astype(np.float32).astype(float) for a in (W_in, W_rec, W_out, b, B))


def spike_trains(rng, T, n, p, *, analog=False):
    """(T, n) spikes of probability p, or analog values of the same support, float32-exact."""
    x = (rng.random((T, n)) < p).astype(float)
    if analog:
        x = x * rng.uniform(0.5, 1.5, size=(T, n))
    return x.astype(np.float32).astype(float)


def target_rows(rng, T, n, loss):
    y = rng.normal(size=(T, n)) if loss == "mse" else rng.dirichlet(np.ones(n), size=T)
    if loss == "mse":
        y = y.astype(np.float32).astype(float)
    return y


def assign(trainer, weights):
    """Put (W_in, W_rec, W_out, b, B) into a trainer, as far as its options let them be set."""
    W_in, W_rec, W_out, b, B = weights
    trainer.W_in, trainer.W_rec, trainer.W_out = W_in, W_rec, W_out
    if trainer.readout_bias:
        trainer.b = b
    if trainer.feedback != "symmetric":
        trainer.B = B


def dense(value):
    """A SciPy sparse array as the array that it stands for."""
    return value.toarray() if hasattr(value, "tocoo") else value


def snapshot(trainer):
    """Every array a user can read, copied."""
    if hasattr(trainer, "layers"):
        per_layer = [{k: np.array(getattr(x, k)) for k in LAYER_STATE} for x in trainer.layers]
        return {f"{k}[{i}]": a for i, layer in enumerate(per_layer) for k, a in layer.items()}
    names = LAYER_STATE if hasattr(trainer, "W") else TRAINER_STATE
    return {name: np.array(read_dense(trainer, name)) for name in names}


def read_dense(trainer, name):
    """An attribute as an array, of listed synapses too; of a batch their traces are a list."""
    value = getattr(trainer, name)
    return np.array([dense(one) for one in value]) if isinstance(value, list) else dense(value)


def assert_same_bits(got, expected, what=""):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        here, there = np.asarray(got[name]), np.asarray(array)
        assert here.dtype == there.dtype and here.shape == there.shape, f"{what} {name}"
        assert here.tobytes() == there.tobytes(), f"{what} {name} differs"


def worst_error(got, expected):
    """Largest difference, relative to the largest expected value."""
    got, expected = np.asarray(dense(got), dtype=float), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    if expected.size == 0:
        return 0.0
    difference = np.abs(got - expected).max()
    return 0.0 if difference == 0.0 else difference / max(np.abs(expected).max(), 1e-300)


def assert_close(got, expected, tolerance, what=""):
    error = worst_error(got, expected)
    assert error <= tolerance, f"{what}: off by {error:.3g} of the largest value"
