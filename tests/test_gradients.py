"""`gradients` against automatic differentiation, float64, to 1e-9 relative; the networks spike."""

import itertools

import numpy as np
import pytest
from autodiff import eprop_gradients, stack_gradients
from helpers import assert_close, assign, eprop_weights, spike_trains, target_rows, weight_scale
from reference import SURROGATES

import eprop
from eprop.optim import SGD

TOLERANCE = 1e-9
T, SIZES, P_INPUT = 60, (5, 7, 3), 0.3
OPTIONS = {
    "surrogate": sorted(SURROGATES),
    "loss": ["mse", "cross_entropy"],
    "input_gain": ["unit", "leak"],
    "readout_gain": ["unit", "leak"],
    "reset_mechanism": ["subtract", "zero"],
    "feedback": ["symmetric", "random", "adaptive"],
}
EVERY_OPTION = [dict(zip(OPTIONS, values, strict=True)) for values in itertools.product(*OPTIONS.values())]


def name_of(options):
    return "-".join(str(v) for v in options.values())


def network(options, *, recurrent=True, seed=13):
    """A trainer with Gaussian weights, its weights, and a sequence."""
    rng = np.random.default_rng(seed)
    scale = weight_scale(SIZES[0] + SIZES[1], P_INPUT, input_gain=options["input_gain"])
    weights = eprop_weights(rng, *SIZES, 1.3 * scale)
    weights = (weights[0], weights[1] * recurrent, *weights[2:])
    trainer = eprop.EpropTrainer(*SIZES, dtype="float64", readout_bias=True, **options)
    assign(trainer, weights)
    x = spike_trains(rng, T, SIZES[0], P_INPUT)
    y = target_rows(rng, T, SIZES[2], options["loss"])
    return trainer, weights, x, y, rng.random(T) < 0.8


def assert_spikes(trainer, x):
    _, spikes = trainer.predict_sequence(x, return_spikes=True)
    assert 0.02 < spikes.mean() < 0.6, f"{spikes.mean():.3f} spikes per neuron and step"


def assert_gradients(got, expected):
    assert got.keys() - {"n_targets", "n_streams"} == expected.keys()
    for name in expected:
        assert_close(got[name], expected[name], TOLERANCE, f"gradient of {name}")
        assert np.abs(expected[name]).max() > 1e-3, f"{name}: nothing to compare"


def oracle(weights, x, y, mask, options, **extra):
    W_in, W_rec, W_out, b, B = weights
    kept = {k: v for k, v in options.items() if k not in ("feedback", "update_every")}
    if options.get("feedback", "symmetric") != "symmetric":
        extra["B"] = B
    return eprop_gradients((W_in, W_rec, W_out, b), x, y, mask=mask, **kept, **extra)


@pytest.mark.parametrize("options", EVERY_OPTION, ids=name_of)
def test_equals_autodiff(options):
    trainer, weights, x, y, mask = network(options)
    assert_gradients(trainer.gradients(x, y, mask=mask), oracle(weights, x, y, mask, options))
    assert_spikes(trainer, x)


@pytest.mark.parametrize(
    "extra",
    [
        {"n_ref": 4},
        {"n_ref": 3, "reset_mechanism": "zero"},
        {"tau_mem": 5.0, "tau_trace": 9.0, "dt": 0.5},
        {"tau_trace": 0.0},
        {"delay": 2},
        {"delay": 5, "n_ref": 2, "c_reg": 50.0, "tau_reg": 40.0},
        {"surrogate_height": 0.5, "surrogate_width": 0.4},
        {"tau_out": 4.0, "feedback": "random"},
        {"tau_out": 0.0, "feedback": "random", "readout_gain": "leak"},
        {"beta": 0.3},
        {"beta": 1.8, "tau_adaptation": 30.0, "c_reg": 2.0, "feedback": "random"},
        {"beta": 0.5, "tau_adaptation": 60.0, "reset_mechanism": "zero", "n_ref": 3},
        {
            "beta": np.array([0.0, 0.0, 0.3, 0.6, 0.0, 1.2, 0.9]),
            "tau_adaptation": np.linspace(20.0, 300.0, 7),
        },
        {"beta": np.linspace(0.0, 1.0, 7), "threshold": np.linspace(0.5, 1.5, 7)},
        {"tau_mem": np.linspace(5.0, 40.0, 7)},
        {"tau_mem": np.linspace(40.0, 8.0, 7), "input_gain": "leak", "c_reg": 20.0, "delay": 2},
        {"tau_mem": np.linspace(5.0, 40.0, 7), "beta": np.linspace(0.0, 1.0, 7), "reset_mechanism": "zero"},
        {"tau_syn": 4.0},
        {"tau_syn": 9.0, "tau_mem": 9.0, "c_reg": 2.0, "delay": 2, "feedback": "random"},
        {"tau_syn": 5.0, "tau_mem": np.linspace(5.0, 40.0, 7), "input_gain": "leak", "beta": 0.4},
    ],
    ids=lambda extra: "-".join(extra),
)
def test_equals_autodiff_with_other_constants(extra):
    options = {"loss": "mse", "input_gain": "unit", **extra}
    trainer, weights, x, y, mask = network(options)
    assert_gradients(trainer.gradients(x, y, mask=mask), oracle(weights, x, y, mask, options))
    assert_spikes(trainer, x)


@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
@pytest.mark.parametrize("reset_mechanism", OPTIONS["reset_mechanism"])
@pytest.mark.parametrize("loss", OPTIONS["loss"])
@pytest.mark.parametrize("beta", [0.0, 0.6])
def test_equals_bptt_without_recurrence(surrogate, reset_mechanism, loss, beta):
    """With W_rec = 0 nothing but the reset is detached."""
    options = {
        "beta": beta,
        "surrogate": surrogate,
        "loss": loss,
        "input_gain": "unit",
        "reset_mechanism": reset_mechanism,
    }
    trainer, weights, x, y, mask = network(options, recurrent=False)
    assert_gradients(
        trainer.gradients(x, y, mask=mask),
        oracle(weights, x, y, mask, options, detach_recurrence=False),
    )
    assert_spikes(trainer, x)


def test_recurrence_is_detached():
    """With W_rec, e-prop and full backpropagation differ: the test above can fail."""
    options = {"loss": "mse", "input_gain": "unit"}
    _, weights, x, y, mask = network(options)
    full = oracle(weights, x, y, mask, options, detach_recurrence=False)
    local = oracle(weights, x, y, mask, options)
    difference = np.abs(full["W_in"] - local["W_in"]).max()
    assert difference > 1e-2 * np.abs(full["W_in"]).max()


@pytest.mark.parametrize("update_every", [1, 7, "sequence"])
@pytest.mark.parametrize("feedback", OPTIONS["feedback"])
def test_regulariser(update_every, feedback):
    """In its mode for steps, or in that for sequences with update_every="sequence"."""
    options = {
        "loss": "mse",
        "input_gain": "unit",
        "feedback": feedback,
        "c_reg": 200.0,
        "f_target": 30.0,
        "tau_reg": 40.0,
        "update_every": update_every,
    }
    trainer, weights, x, y, mask = network(options)
    mode = "sequence" if update_every == "sequence" else "stream"
    expected = oracle(weights, x, y, mask, options, regulariser=mode)
    without = oracle(weights, x, y, mask, {**options, "c_reg": 0.0})
    assert np.abs(expected["W_in"] - without["W_in"]).max() > 1e-3
    assert_gradients(trainer.gradients(x, y, mask=mask), expected)


def test_an_update_is_lr_times_the_gradient():
    """What `gradients` says is what a sequence learns."""
    options = {"loss": "mse", "input_gain": "unit", "c_reg": 5.0, "update_every": "sequence"}
    trainer, _, x, y, mask = network({**options, "optimizer": SGD(limit=False)})
    before = {name: getattr(trainer, name) for name in ("W_in", "W_rec", "W_out", "b")}
    gradients = trainer.gradients(x, y, mask=mask)
    loss = trainer.train_sequence(x, y, mask=mask)
    assert loss == pytest.approx(gradients["loss"] / mask.sum(), rel=1e-12)
    for name, W in before.items():
        assert_close(getattr(trainer, name), W - trainer.lr * gradients[name], 1e-14, name)
    assert np.array_equal(np.diag(trainer.W_rec), np.zeros(SIZES[1]))


@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
@pytest.mark.parametrize("loss", OPTIONS["loss"])
@pytest.mark.parametrize("input_gain", OPTIONS["input_gain"])
@pytest.mark.parametrize("reset_mechanism", OPTIONS["reset_mechanism"])
@pytest.mark.parametrize(("n_ref", "tau_mem"), [(0, 20.0), (3, [30.0, 5.0, 12.0])])
def test_stack(surrogate, loss, input_gain, reset_mechanism, n_ref, tau_mem):
    """Online training through time, three layers deep."""
    sizes = [6, 8, 7, 3]
    neuron = {
        "surrogate": surrogate,
        "input_gain": input_gain,
        "reset_mechanism": reset_mechanism,
        "n_ref": n_ref,
        "tau_mem": tau_mem,
    }
    rng = np.random.default_rng(11)
    trainer = eprop.OnlineTrainer(sizes, dtype="float64", loss=loss, **neuron)
    weights = []
    taus = np.broadcast_to(tau_mem, 3)
    for layer, n, m, tau in zip(trainer.layers, sizes[:-1], sizes[1:], taus, strict=True):
        W = 1.2 * weight_scale(n, 0.25, tau_mem=tau, input_gain=input_gain) * rng.normal(size=(m, n))
        layer.W = W
        weights.append(W)
    x, y = spike_trains(rng, T, sizes[0], 0.4), target_rows(rng, T, sizes[-1], loss)
    mask = rng.random(T) < 0.8
    got = trainer.gradients(x, y, mask=mask)
    expected = stack_gradients(weights, x, y, mask=mask, loss=loss, **neuron)
    assert got["loss"] == pytest.approx(expected["loss"], rel=TOLERANCE)
    assert len(got["W"]) == 3
    for layer, (here, there) in enumerate(zip(got["W"], expected["W"], strict=True)):
        assert_close(here, there, TOLERANCE, f"gradient of layer {layer}")
        assert np.abs(there).max() > 1e-6
    trainer.predict_sequence(x)
    assert trainer.predict_sequence(x).mean() > 0.01, "the last layer is silent"
