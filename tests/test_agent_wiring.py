"""An agent whose synapses do not all exist, whose sources have signs, and whose groups of weights may rest."""

import copy
import pickle

import numpy as np
import pytest
from reference_agent import ReferenceAgent
from test_agent import N_ACTIONS, N_INPUTS, STEPS, N, live, weights_of

import eprop
from eprop.optim import SGD
from eprop.rl import EpropAgent


def wired(*, signed=True, share=0.5, **options):
    """An agent and its reference: some synapses, and the weights that go with the signs of their sources."""
    rng = np.random.default_rng(4)
    into, between = rng.random((N, N_INPUTS)) < share, rng.random((N, N)) < share
    np.fill_diagonal(between, False)
    there = np.concatenate([into, between], axis=1)
    sign = rng.integers(-1, 2, N_INPUTS + N) if signed else np.zeros(N_INPUTS + N, dtype=int)
    W_in, W_rec, W_out, b, B = weights_of()
    W = 1.5 * np.concatenate([W_in, W_rec], axis=1) * there
    W = np.where(sign != 0, sign * np.abs(W), W)
    options = {"steps_per_action": STEPS, "readout_bias": True, **options}
    agent = EpropAgent(
        N_INPUTS, N, N_ACTIONS, dtype="float64", connect_in=into, connect_rec=between, sign=sign, **options
    )
    agent.W_in, agent.W_rec, agent.W_out, agent.b = W[:, :N_INPUTS], W[:, N_INPUTS:], W_out, b
    if isinstance(options.get("optimizer"), SGD):
        options["optimizer"] = "sgd"
    reference = ReferenceAgent(
        W[:, :N_INPUTS],
        W[:, N_INPUTS:],
        W_out,
        b,
        B,
        connected=there,
        sign=sign,
        **{**options, "lr": agent.lr},
    )
    return agent, reference, there, sign


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.01},
        {"lr": 1e-3, "optimizer": "adam", "entropy": 0.1},
        {"optimizer": "momentum", "update_every": 4, "batch_size": 3},
        {"optimizer": "auto", "update_every": "episode", "signed": False},
        {"optimizer": "adamw", "lr": 1e-3, "lr_in": 0.0, "beta": 0.2},
    ],
    ids=str,
)
def test_a_wired_agent_is_the_reference_with_the_same_synapses(options):
    agent, reference, there, sign = wired(**options)
    before = agent.W_in, agent.W_rec
    live(agent, reference, 40)
    W = np.concatenate([agent.W_in, agent.W_rec], axis=1)
    assert not W[~there].any() and not np.any(sign * W < 0.0)
    e_bar = agent.e_bar if agent.batch_size == 1 else agent.e_bar[0]
    assert not e_bar[~there].any()
    assert np.array_equal(agent.W_in, before[0]) == (options.get("lr_in") == 0.0)
    assert not np.array_equal(agent.W_rec, before[1])


def test_groups_that_are_not_trained_rest():
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, train_in=False, train_out=False, lr=0.1)
    assert (agent.train_in, agent.train_rec, agent.train_out) == (False, True, False)
    assert (agent.lr_in, agent.lr_rec, agent.lr_out) == (0.0, None, 0.0)
    before = agent.W_in, agent.W_rec, agent.W_out
    for t in range(30):
        agent.act(np.ones(N_INPUTS))
        agent.learn(1.0 if t % 2 else -1.0)
    after = agent.W_in, agent.W_rec, agent.W_out
    same = [np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert same == [True, False, True]
    with pytest.raises(ValueError, match="lr_in: expected 0 or None where the group is not trained"):
        EpropAgent(N_INPUTS, N, N_ACTIONS, train_in=False, lr_in=0.1)


@pytest.mark.parametrize("connect", [0.5, "listed"])
def test_a_wired_agent_copies_pickles_and_is_saved(connect, tmp_path):
    exists = np.random.default_rng(0).random((N, N_INPUTS)) < 0.5
    sign = np.array([1] * N_INPUTS + [0] * N)
    options = {"connect_in": exists if connect == "listed" else connect, "connect_rec": 0.3, "sign": sign}
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, optimizer="adam", **options)
    agent.act(np.ones(N_INPUTS))
    agent.learn(1.0)
    agent.save(tmp_path / "agent.safetensors")
    twins = [copy.copy(agent), pickle.loads(pickle.dumps(agent)), eprop.load(tmp_path / "agent.safetensors")]
    assert np.all(agent.W_in >= 0.0) and agent.W_in.any()
    for twin in twins:
        assert twin == agent and twin.state_equal(agent) and twin.connect_in == agent.connect_in
        assert twin.act(np.ones(N_INPUTS)) == copy.copy(agent).act(np.ones(N_INPUTS))
    assert agent != EpropAgent(N_INPUTS, N, N_ACTIONS, optimizer="adam")


def test_a_sparse_array_gives_first_weights():
    sparse = pytest.importorskip("scipy.sparse")
    first = np.zeros((N, N_INPUTS))
    first[2, 1], first[5, 0] = 0.5, -1.5
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, connect_in=sparse.coo_array(first), dtype="float64")
    assert np.array_equal(agent.W_in, first)
    assert agent.connect_in.n_synapses == 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"sign: expected an array \(13,\)"):
        EpropAgent(N_INPUTS, N, N_ACTIONS, sign=[1])
    with pytest.raises(ValueError, match="connect_in"):
        EpropAgent(N_INPUTS, N, N_ACTIONS, connect_in=np.ones((2, 2), dtype=bool))
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, connect_in=0.5, sign=[1] * (N_INPUTS + N))
    with pytest.raises(ValueError, match="W_in"):
        agent.W_in = np.ones((N, N_INPUTS))
    with pytest.raises(ValueError, match="W_in"):
        agent.W_in = -agent.W_in
