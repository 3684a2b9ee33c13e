"""The reference of credit through recurrent spikes against automatic differentiation, float64, to 1e-9 relative."""

import numpy as np
import pytest
from autodiff import eprop_gradients, horizon_gradients
from helpers import assert_close, eprop_weights, spike_trains, target_rows, weight_scale
from reference import ReferenceEprop
from reference_horizon import ReferenceHorizon

TOLERANCE = 1e-9
T, SIZES, P_INPUT = 60, (5, 7, 3), 0.3


def case(options, seed=13):
    """Weights (W_in, W_rec, W_out, b, B) of a network that spikes, and a sequence with a mask."""
    rng = np.random.default_rng(seed)
    gain = options.get("input_gain", "unit")
    weights = eprop_weights(rng, *SIZES, 1.3 * weight_scale(SIZES[0] + SIZES[1], P_INPUT, input_gain=gain))
    x = spike_trains(rng, T, SIZES[0], P_INPUT)
    return weights, x, target_rows(rng, T, SIZES[2], options.get("loss", "mse")), rng.random(T) < 0.8


def reference(weights, options, **extra):
    feedback = options.get("feedback", "symmetric")
    return ReferenceHorizon(*weights[:4], weights[4] if feedback == "random" else None, **options, **extra)


def assert_same(got, expected, names=("W_in", "W_rec")):
    for name in names:
        assert_close(got[name], expected[name], TOLERANCE, f"gradient of {name}")
        assert np.abs(expected[name]).max() > 1e-3, f"{name}: nothing to compare"


OPTIONS = [
    {},
    {"reset_mechanism": "zero", "n_ref": 3},
    {"loss": "cross_entropy", "input_gain": "leak", "readout_gain": "leak"},
    {"feedback": "random", "tau_out": 4.0},
    {"tau_mem": 5.0, "tau_trace": 9.0, "dt": 0.5, "surrogate": "arctan"},
    {"c_reg": 200.0, "f_target": 30.0, "tau_reg": 40.0},
    {"beta": 1.8, "tau_adaptation": 30.0},
    {"beta": np.linspace(0.0, 2.0, 7), "tau_adaptation": 200.0, "delay": 3, "n_ref": 2},
    {"delay": 3},
    {"delay": 2, "n_ref": 3, "c_reg": 200.0, "tau_reg": 40.0},
    {"tau_mem": np.linspace(5.0, 40.0, 7), "input_gain": "leak", "c_reg": 200.0, "tau_reg": 40.0},
    {"tau_mem": np.linspace(40.0, 10.0, 7), "beta": np.linspace(0.0, 2.0, 7), "delay": 2},
    {"tau_syn": 5.0, "tau_mem": 10.0, "input_gain": "leak", "feedback": "random"},
    {"tau_syn": 3.0, "tau_mem": np.linspace(5.0, 40.0, 7), "beta": 0.4, "delay": 3, "n_ref": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_horizon_of_one_step_is_eprop(options):
    weights, x, y, mask = case(options)
    B = weights[4] if options.get("feedback") == "random" else None
    expected = ReferenceEprop(*weights[:4], B, **options).gradients(x, y, mask=mask)
    got = reference(weights, options, horizon=1, recurrent_gain=1.0).gradients(x, y, mask=mask)
    assert_same(got, expected, ("W_in", "W_rec", "W_out"))


@pytest.mark.parametrize("options", [o for o in OPTIONS if "feedback" not in o], ids=str)
@pytest.mark.parametrize("horizon", [T, 10 * T, "sequence"])
def test_a_horizon_beyond_the_sequence_is_bptt(options, horizon):
    weights, x, y, mask = case(options)
    expected = eprop_gradients(weights[:4], x, y, mask=mask, detach_recurrence=False, **options)
    network = reference(weights, options, horizon=horizon, recurrent_gain=1.0)
    assert_same(network.gradients(x, y, mask=mask), expected, ("W_in", "W_rec", "W_out"))
    local = reference(weights, options, horizon=1).gradients(x, y, mask=mask)
    assert np.abs(local["W_in"] - expected["W_in"]).max() > 1e-2 * np.abs(expected["W_in"]).max()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("horizon", [1, 2, 7, 20, 59])
@pytest.mark.parametrize("gamma", [1.0, 0.3])
def test_in_between_it_is_the_derivative_of_each_block(options, horizon, gamma):
    weights, x, y, mask = case(options)
    constants = {k: v for k, v in options.items() if k != "feedback"}
    B = weights[4] if options.get("feedback") == "random" else None
    expected = horizon_gradients(
        weights[:4], x, y, mask=mask, horizon=horizon, recurrent_gain=gamma, B=B, **constants
    )
    network = reference(weights, options, horizon=horizon, recurrent_gain=gamma)
    assert_same(network.gradients(x, y, mask=mask), expected)
    assert network.margin > 1e-9
