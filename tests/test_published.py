"""The first five losses of pattern generation as others published them."""

import numpy as np
import pytest

import eprop

# float64, from NEST's test suite, and float32, from the authors' TensorFlow code.
NEST = [101.964356999041, 103.466731126205, 103.340607074771, 103.680244037686, 104.412775748752]
TENSORFLOW = [
    101.964363098144,
    103.466735839843,
    103.340606689453,
    103.680244445800,
    104.412780761718,
]
N, T = 100, 1000


def float32_exact(a):
    return a.astype(np.float32).astype(float)


@pytest.fixture(scope="module")
def pattern():
    """Weights, input and target, drawn in the published order."""
    rng = np.random.RandomState(1)
    weights = {
        "W_in": float32_exact(rng.randn(N, N).T / np.sqrt(N)),
        "W_rec": float32_exact(rng.randn(N, N).T / np.sqrt(N)),
        "W_out": float32_exact(rng.randn(N, 1).T / np.sqrt(N)),
        "B": float32_exact(rng.randn(N, 1) / np.sqrt(N)),
    }
    np.fill_diagonal(weights["W_rec"], 0.0)
    x = (rng.rand(T, N) < 0.05).astype(float)
    x[0] = 0.0
    amplitudes, phases = rng.uniform(0.5, 2.0, 4), rng.uniform(0.0, 2.0 * np.pi, 4)
    target = sum(
        amplitude * np.sin(np.linspace(phase, phase + 2.0 * np.pi * (T // period), T))
        for amplitude, phase, period in zip(amplitudes, phases, [1000, 500, 333, 200], strict=True)
    )
    target = target - target[0]
    return weights, x, (target / np.abs(target).max())[:, None]


def five_losses(pattern, dtype):
    weights, x, target = pattern
    trainer = eprop.EpropTrainer(
        N,
        N,
        1,
        tau_mem=30.0,
        tau_trace=30.0,
        threshold=0.03,
        lr=1e-4,
        input_gain="leak",
        readout_gain="leak",
        feedback="random",
        c_reg=300.0,
        f_target=10.0,
        update_every="sequence",
        dtype=dtype,
    )
    for name, W in weights.items():
        setattr(trainer, name, W)
    losses = [T * trainer.train_sequence(x, target) for _ in range(5)]
    assert np.array_equal(trainer.B, weights["B"]), "B is fixed"
    return losses


def test_nest_in_float64(pattern):
    assert five_losses(pattern, "float64") == pytest.approx(NEST, rel=1e-9, abs=0.0)


def test_tensorflow(pattern):
    """To 1e-6, the width of their float32."""
    assert five_losses(pattern, "float64") == pytest.approx(TENSORFLOW, rel=1e-6, abs=0.0)


def test_tensorflow_in_float32(pattern):
    """Float32 holds to the same 1e-6 as long as no spike flips: the first iteration at least."""
    assert five_losses(pattern, "float32")[:1] == pytest.approx(TENSORFLOW[:1], rel=1e-6, abs=0.0)
