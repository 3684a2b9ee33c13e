"""The sums of `factored_lengths.py` are the squares of the textbook's rows, in float64 to 1e-12."""

import numpy as np
import pytest
from factored_lengths import factored, literal
from helpers import assert_close

N_INPUTS, N, T = 9, 7, 230
LIF = {"alpha": np.exp(-1 / 20.0), "kappa_e": np.exp(-1 / 15.0), "zeta": 0.7, "zeta_e": 0.4}
ALIF = {**LIF, "beta": 0.5, "rho": np.exp(-1 / 200.0)}
GROUPS = {
    "all": np.ones(N_INPUTS + N, dtype=bool),
    "in": np.arange(N_INPUTS + N) < N_INPUTS,
    "rec": np.arange(N_INPUTS + N) >= N_INPUTS,
}


def activity(kind):
    """Sources (T, P), spikes or values of either sign, and psi (T, N), with a silent stretch longer than a block."""
    rng = np.random.default_rng(2)
    s = (rng.random((T, N_INPUTS + N)) < 0.1).astype(float)
    if kind == "analog":
        s[:, :N_INPUTS] = rng.normal(size=(T, N_INPUTS))
    s[60:130] = 0.0
    return s, 0.3 * rng.random((T, N)) * (rng.random((T, N)) < 0.6)


@pytest.mark.parametrize("neuron", [LIF, ALIF], ids=["lif", "alif"])
@pytest.mark.parametrize("kind", ["spikes", "analog"])
@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("block", [1, 7, 22])
def test_sums_are_the_squares(neuron, kind, group, block):
    s, psi = activity(kind)
    expected = literal(s, psi, group, N_INPUTS, **neuron)
    assert_close(factored(s, psi, group, N_INPUTS, block=block, **neuron), expected, 1e-12)
    assert expected.max() > 1e-2 and (expected[40:] > 0).all()
    if group.all():  # a neuron's own source would show
        with_own = literal(s, psi, group, None, **neuron)
        assert np.abs(with_own - expected).max() > 1e-3 * expected.max()


def test_it_is_the_gradient_that_is_as_long():
    """|L e_bar|^2 of a step, and of input and recurrent weights together what they are apart."""
    s, psi = activity("spikes")
    whole, inputs, recurrent = (factored(s, psi, group, N_INPUTS, **LIF) for group in GROUPS.values())
    assert_close(inputs + recurrent, whole, 1e-12)
