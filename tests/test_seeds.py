"""Initial weights: from the seed alone, without self-connections, and at a sane firing rate."""

import json
from pathlib import Path

import numpy as np
import pytest

import eprop

GOLDEN = json.loads((Path(__file__).parent / "golden_seed.json").read_text())


def trainer_arrays(seed, dtype="float64"):
    t = eprop.EpropTrainer(5, 4, 3, seed=seed, dtype=dtype, feedback="random")
    return {name: getattr(t, name) for name in ("W_in", "W_rec", "W_out", "B")}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_is_the_same_network(dtype):
    for name, W in trainer_arrays(7, dtype).items():
        assert W.tobytes() == trainer_arrays(7, dtype)[name].tobytes()
        assert not np.array_equal(W, trainer_arrays(8, dtype)[name]), name


def test_float32_is_float64_rounded():
    wide, narrow = trainer_arrays(7), trainer_arrays(7, "float32")
    for name, W in wide.items():
        assert np.array_equal(narrow[name], W.astype(np.float32)), name


def test_weights_do_not_depend_on_what_else_is_set():
    """Feedback and options that scale nothing leave the draws alone."""
    random = eprop.EpropTrainer(5, 4, 3, feedback="random", dtype="float64")
    symmetric = eprop.EpropTrainer(5, 4, 3, lr=0.5, loss="cross_entropy", dtype="float64")
    for name in ("W_in", "W_rec", "W_out"):
        assert np.array_equal(getattr(random, name), getattr(symmetric, name))


@pytest.mark.parametrize("seed", sorted(GOLDEN["EpropTrainer"]))
def test_golden_trainer(seed):
    """The numbers that the Rust crate is held to, too."""
    for name, W in trainer_arrays(int(seed)).items():
        expected = np.array(GOLDEN["EpropTrainer"][seed][name])
        np.testing.assert_allclose(W, expected, rtol=1e-15, atol=0.0, err_msg=name)


@pytest.mark.parametrize("seed", sorted(GOLDEN["OnlineTrainer"]))
def test_golden_stack(seed):
    stack = eprop.OnlineTrainer([3, 4, 2], seed=int(seed), dtype="float64")
    for layer, expected in zip(stack.layers, GOLDEN["OnlineTrainer"][seed], strict=True):
        np.testing.assert_allclose(layer.W, expected, rtol=1e-15, atol=0.0)


@pytest.mark.parametrize("seed", sorted(GOLDEN["OnlineLIFLayer"]))
def test_golden_layer(seed):
    layer = eprop.OnlineLIFLayer(3, 4, seed=int(seed), dtype="float64")
    np.testing.assert_allclose(layer.W, GOLDEN["OnlineLIFLayer"][seed], rtol=1e-15, atol=0.0)


def test_random_feedback_has_variance_one_over_n():
    t = eprop.EpropTrainer(2, 400, 20, feedback="random")
    assert t.B.std() == pytest.approx(400**-0.5, rel=0.05)
    assert abs(t.B.mean()) < 4 * 400**-0.5 / 8000**0.5
    assert not np.array_equal(t.B, t.W_out.T)


@pytest.mark.parametrize(("n_inputs", "n"), [(16, 16), (100, 100), (700, 512), (1000, 1000)])
@pytest.mark.parametrize("n_seeds", [3])
def test_a_default_network_fires_between_1_and_10_percent(n_inputs, n, n_seeds):
    rates = []
    for seed in range(n_seeds if n > 100 else 4 * n_seeds):
        rng = np.random.default_rng(seed)
        t = eprop.EpropTrainer(n_inputs, n, 2, seed=seed)
        x = (rng.random((500, n_inputs)) < 0.02).astype(np.float32)
        _, spikes = t.predict_sequence(x, return_spikes=True)
        rates.append(spikes[100:].mean())
    assert all(0.01 < rate < 0.10 for rate in rates), rates


def test_no_self_connections_at_the_start_and_after_learning():
    rng = np.random.default_rng(0)
    t = eprop.EpropTrainer(20, 30, 2, c_reg=1.0)
    assert np.array_equal(np.diag(t.W_rec), np.zeros(30))
    before = t.W_rec
    x = (rng.random((300, 20)) < 0.2).astype(np.float32)
    t.train_sequence(x, rng.normal(size=(300, 2)))
    assert not np.array_equal(t.W_rec, before)
    assert np.array_equal(np.diag(t.W_rec), np.zeros(30))
    assert np.array_equal(np.diag(t.e_bar[:, 20:]), np.zeros(30))
