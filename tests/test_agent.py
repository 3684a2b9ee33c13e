"""`eprop.rl.EpropAgent` against the literal reference, and against automatic differentiation path by path."""

import copy
import pickle
from dataclasses import asdict

import numpy as np
import pytest
from autodiff_agent import PATHS, episode_gradients
from helpers import assert_close, eprop_weights, weight_scale
from reference import OPTIMIZERS
from reference_agent import ReferenceAgent
from test_reference_agent import of_path

import eprop
from eprop.optim import SGD, Auto
from eprop.rl import EpropAgent

TOLERANCE = 1e-10
N_INPUTS, N, N_ACTIONS, STEPS = 4, 9, 3, 5
NAMES = ("W_in", "W_rec", "W_out", "b")


def weights_of(seed=2):
    rng = np.random.default_rng(seed)
    return eprop_weights(rng, N_INPUTS, N, N_ACTIONS + 1, 1.5 * weight_scale(N_INPUTS + N, 0.3))


def twins(seed=2, **options):
    """An agent and its reference with the same weights."""
    options = {"steps_per_action": STEPS, "readout_bias": True, **options}
    W_in, W_rec, W_out, b, B = weights_of(seed)
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, dtype="float64", **options)
    agent.W_in, agent.W_rec, agent.W_out = W_in, W_rec, W_out
    if options["readout_bias"]:
        agent.b = b
    if options.get("feedback", "symmetric") != "symmetric":
        agent.B = B
    if not isinstance(optimizer := options.get("optimizer", "sgd"), str):
        constants = {name: x for name, x in asdict(optimizer).items() if name != "rewire"}
        options["optimizer"] = OPTIMIZERS[optimizer.name](**constants)
    return agent, ReferenceAgent(
        W_in, W_rec, W_out, b * options["readout_bias"], B, **{**options, "lr": agent.lr}
    )


def live(agent, reference, n_decisions, seed=5):
    """Random observations, rewards and ends in every environment; the reference takes the agent's actions."""
    rng = np.random.default_rng(seed)
    n, spikes = agent.batch_size, 0.0
    for t in range(n_decisions):
        shape = (n, N_INPUTS) if t % 3 else (n, STEPS, N_INPUTS)
        x, last = rng.random(shape), rng.random((n, N_INPUTS))
        actions = np.atleast_1d(agent.act(x if n > 1 else x[0]))
        decisions = reference.act(x, actions)
        policies, values = np.atleast_2d(agent.policy), np.atleast_1d(agent.value)
        for (pi, V), policy, value in zip(decisions, policies, values, strict=True):
            np.testing.assert_allclose(policy, pi, rtol=TOLERANCE)
            np.testing.assert_allclose(value, V, rtol=TOLERANCE, atol=1e-12)
        spikes += agent.spikes.mean()
        rewards, done = rng.normal(size=n), rng.random(n) < 0.15
        truncated, reset = rng.random(n) < 0.1, bool(rng.random() < 0.7)
        of = (lambda array: array) if n > 1 else (lambda array: array[0])
        agent.learn(of(rewards), of(done), truncated=of(truncated), last_observation=of(last), reset=reset)
        lasts = [row if over else None for row, over in zip(last, truncated & ~done, strict=True)]
        reference.learn(rewards, done, lasts, reset)
        for name, W in reference.batch.parameters.items():
            assert_close(getattr(agent, name), W, TOLERANCE, f"{name} after decision {t}")
    assert reference.batch.margin > 1e-9
    assert 0.02 < spikes / n_decisions < 0.9, "too few or too many spikes to compare anything"


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": SGD(limit=False), "lr": 1e-4},
        {"optimizer": SGD(limit=False), "lr": 1e-4, "entropy": 0.3, "batch_size": 3},
        {},
        {"entropy": 0.05, "update_every": 4},
        {"update_every": "episode", "entropy": 0.05},
        {"update_every": "episode", "batch_size": 3, "optimizer": "adam", "lr": 1e-3},
        {"optimizer": "adam", "lr": 1e-3, "entropy": 0.05, "feedback": "random"},
        {"optimizer": "adamw", "lr": 1e-3, "batch_size": 2, "clip_norm": 0.1},
        {
            "optimizer": "momentum",
            "feedback": "adaptive",
            "feedback_decay": 0.001,
            "reduction": "mean",
            "batch_size": 2,
        },
        {"optimizer": "auto", "gamma": 0.9, "lam": 0.5},
        {"beta": 0.3, "tau_adaptation": 50.0, "optimizer": "adam", "lr": 1e-3},
        {"n_ref": 3, "delay": 2, "reset_mechanism": "zero", "readout_bias": False},
        {"tau_syn": 4.0, "lr_rec": 0.0, "w_max": 1.5, "value_weight": 2.0},
        {"optimizer": Auto(per_neuron=True), "entropy": 0.05},
        {"gamma": 0.0, "lam": 0.0},
        {"gamma": 1.0, "lam": 1.0, "update_every": "episode"},
    ],
    ids=str,
)
def test_is_the_reference(options):
    live(*twins(**options), n_decisions=40)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ends_by", ["end", "time_limit"])
@pytest.mark.parametrize("options", [{}, {"beta": 0.3, "tau_adaptation": 50.0}], ids=["lif", "alif"])
def test_each_path_equals_autodiff(path, ends_by, options):
    """The actor's, the critic's and the entropy's gradient of an episode whose actions were drawn."""
    rng = np.random.default_rng(1)
    observations, rewards = rng.random((12, N_INPUTS)), rng.normal(size=12)
    last = rng.random(N_INPUTS) if ends_by == "time_limit" else None
    weights = weights_of()[:4]
    taken = []

    def gradient(**of_paths):
        agent, _ = twins(optimizer=SGD(limit=False), lr=1.0, update_every="episode", **of_paths, **options)
        actions = []
        for t, (x, r) in enumerate(zip(observations, rewards, strict=True)):
            actions.append(agent.act(x))
            is_last = t == len(rewards) - 1
            ended, over = is_last and last is None, is_last and last is not None
            agent.learn(r, ended, truncated=over, last_observation=last)
        taken.append(actions)
        return {name: W - getattr(agent, name) for name, W in zip(NAMES, weights, strict=True)}

    got = of_path(gradient, path)
    assert all(actions == taken[0] for actions in taken)
    assert len(set(taken[0])) > 1, "an action that is never taken teaches nothing"
    expected = episode_gradients(
        weights,
        observations,
        taken[0],
        rewards,
        path,
        last_observation=last,
        steps_per_action=STEPS,
        **options,
    )
    for name in NAMES:
        assert np.abs(expected[name]).max() > 1e-4, f"{name}: nothing to compare"
        assert_close(got[name], expected[name], 1e-9, f"{path}: gradient of {name}")


def test_actions_come_from_the_policy():
    """In 3,000 draws each action comes as often as the policy says, within four standard deviations."""
    agent = EpropAgent(1, 1, 3, tau_out=0.0, readout_bias=True, steps_per_action=1, lr=0.0)
    agent.b = [0.0, np.log(2.0), np.log(3.0), 0.0]
    counts = np.zeros(3)
    for _ in range(3000):
        counts[agent.act([0.0])] += 1
        agent.learn(0.0, True)
    p = np.array([1.0, 2.0, 3.0]) / 6.0
    np.testing.assert_allclose(agent.policy, p, rtol=1e-6)
    assert (np.abs(counts - 3000 * p) < 4.0 * np.sqrt(3000 * p * (1.0 - p))).all()


def test_a_hand_computed_decision():
    """No spikes, a bias alone: pi = (1/2, 1/2), V = 0, delta = 1, so b moves by lr (pi_a - 1), lr value_weight."""
    agent = EpropAgent(
        1,
        1,
        2,
        tau_out=0.0,
        readout_bias=True,
        steps_per_action=1,
        optimizer=SGD(limit=False),
        lr=0.5,
        dtype="float64",
    )
    action = agent.act([0.0])
    agent.learn(1.0, True)
    moved = np.full(3, -0.25)
    moved[action], moved[2] = 0.25, 0.25
    np.testing.assert_allclose(agent.b, moved)
    assert agent.td_error == 1.0 and agent.value == 0.0 and agent.n_updates == 1


def test_greedy_actions_are_the_likeliest_and_teach_nothing():
    agent, _ = twins()
    rng = np.random.default_rng(3)
    before = {name: getattr(agent, name).copy() for name in NAMES}
    for _ in range(10):
        assert agent.act(rng.random(N_INPUTS), greedy=True) == int(np.argmax(agent.policy))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(agent, name), before[name])
    agent.reset()
    agent.act(np.ones(N_INPUTS))
    agent.learn(1.0)
    with pytest.raises(ValueError, match="greedy: expected no decision that is still learned from"):
        agent.act(np.ones(N_INPUTS), greedy=True)


def step_on(agent, n=20):
    rng = np.random.default_rng(8)
    actions = []
    for _ in range(n):
        actions.append(agent.act(rng.random(N_INPUTS)))
        agent.learn(rng.normal(), rng.random() < 0.1)
    return actions


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda agent: pickle.loads(pickle.dumps(agent))]
)
@pytest.mark.parametrize("after", ["act", "learn"])
def test_a_copy_goes_on_with_the_same_bits_and_actions(copied, after):
    agent, _ = twins(optimizer="adam", entropy=0.01, update_every=3)
    step_on(agent, 10)
    if after == "act":
        agent.act(np.ones(N_INPUTS))
    twin = copied(agent)
    assert twin == agent and twin.state_equal(agent) and repr(twin) == repr(agent)
    if after == "act":
        agent.learn(1.0)
        assert not twin.state_equal(agent)
        twin.learn(1.0)
    assert step_on(agent) == step_on(twin)
    assert twin.state_equal(agent)


@pytest.mark.parametrize("n_environments", [1, 3])
@pytest.mark.parametrize("update_every", [3, "episode"])
def test_a_file_goes_on_with_the_same_bits_and_actions(tmp_path, update_every, n_environments):
    options = {
        "optimizer": "adam",
        "entropy": 0.01,
        "beta": 0.1,
        "gamma": 0.9,
        "tau_mem": np.linspace(5, 30, N),
    }
    agent = EpropAgent(
        N_INPUTS, N, N_ACTIONS, batch_size=n_environments, update_every=update_every, **options
    )
    agent.lr_out = 0.002

    def live(agent):
        rng = np.random.default_rng(5)
        seen = rng.random((20, n_environments, N_INPUTS))
        actions = []
        for row in seen:
            actions.append(np.array(agent.act(row if n_environments > 1 else row[0])).tolist())
            agent.learn(rng.normal(), rng.random() < 0.2)
        return actions

    live(agent)
    agent.save(tmp_path / "agent")
    twin = eprop.load(tmp_path / "agent")
    assert type(twin) is EpropAgent and twin == agent and twin.state_equal(agent)
    assert EpropAgent.from_bytes(agent.to_bytes()).state_equal(agent)
    assert live(twin) == live(agent) and twin.state_equal(agent)
    with pytest.raises(ValueError, match="expected EpropTrainer in float32, got EpropAgent in float32"):
        eprop.EpropTrainer.load(tmp_path / "agent")


def test_the_same_seed_lives_the_same_life_and_another_does_not():
    lives = [step_on(EpropAgent(N_INPUTS, N, N_ACTIONS, seed=seed), 60) for seed in (1, 1, 2)]
    assert lives[0] == lives[1] != lives[2]


def test_memory_is_flat():
    agent, _ = twins(optimizer="adam", entropy=0.01)
    kept = agent.memory_per_step, agent.memory_bytes
    step_on(agent, 200)
    assert (agent.memory_per_step, agent.memory_bytes) == kept
    # Beside its streams: M of each, the sum and the entropy's sum, each as many numbers as there are padded weights.
    assert agent.memory_per_step > 3 * N * (N_INPUTS + N)


BAD = [
    ({"gamma": 1.5}, ValueError, "gamma: expected a number of 0 to 1, got 1.5"),
    ({"lam": -0.1}, ValueError, "lam: expected a number of 0 to 1"),
    ({"entropy": np.inf}, ValueError, "entropy: expected a finite number >= 0"),
    ({"value_weight": -1.0}, ValueError, "value_weight: expected a finite number >= 0"),
    ({"steps_per_action": 0}, ValueError, "steps_per_action: expected a size"),
    ({"steps_per_action": 2.0}, TypeError, "steps_per_action: expected an int"),
    (
        {"update_every": "sequence"},
        ValueError,
        'update_every: expected a number of decisions >= 1 or "episode"',
    ),
    ({"update_every": 0}, ValueError, "update_every: "),
    ({"n_actions": 0}, ValueError, "n_actions: expected a size"),
    ({"n_actions": True}, TypeError, "n_actions: expected an int"),
    ({"n_actions": 2**62}, MemoryError, "n_outputs"),
    ({"batch_size": 2**40}, MemoryError, "batch_size"),
    ({"feedback": "none"}, ValueError, "feedback: expected one of"),
    ({"optimizer": "rmsprop"}, ValueError, "optimizer: "),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_settings_are_refused_by_name(options, error, message):
    sizes = {"n_inputs": 2, "n_neurons": 3, "n_actions": 2}
    with pytest.raises(error, match=message):
        EpropAgent(**{**sizes, **options})


CALLS = [
    (lambda a: a.act(np.ones(3)), ValueError, r"observation: expected shape \(4,\), or \(5, 4\)"),
    (lambda a: a.act(np.ones((6, 4))), ValueError, r"observation: expected shape"),
    (lambda a: a.act([1.0, np.nan, 0.0, 0.0]), ValueError, "observation: expected finite values, got NaN"),
    (lambda a: a.act([1j, 0, 0, 0]), TypeError, "observation: expected an array of real numbers"),
    (lambda a: a.learn(1.0), ValueError, "reward: expected an action that waits for it"),
]
AFTER_ACT = [
    (lambda a: a.act(np.ones(4)), ValueError, "observation: expected the reward of the last action first"),
    (lambda a: a.learn(np.nan), ValueError, "reward: expected a finite number, got NaN"),
    (lambda a: a.learn([1.0, 2.0]), ValueError, r"reward: expected shape \(1,\)"),
    (lambda a: a.learn("much"), TypeError, "reward: expected an array of real numbers"),
    (lambda a: a.learn(1.0, 1), TypeError, "done: expected an array of bool"),
    (lambda a: a.learn(1.0, truncated=True), ValueError, "last_observation: expected what was seen"),
    (
        lambda a: a.learn(1.0, truncated=True, last_observation=[np.inf] * 4),
        ValueError,
        "observation: expected finite values",
    ),
]


@pytest.mark.parametrize(
    ("acts", "call"), [(False, call) for call in CALLS] + [(True, call) for call in AFTER_ACT]
)
def test_bad_calls_change_nothing(acts, call):
    bad, error, message = call
    agent, _ = twins()
    step_on(agent, 5)
    if acts:
        agent.act(np.ones(N_INPUTS))
    before = copy.deepcopy(agent)
    with pytest.raises(error, match=message):
        bad(agent)
    assert agent.state_equal(before)


def test_weights_that_leave_the_finite_range_are_told_and_readable():
    agent = EpropAgent(N_INPUTS, N, N_ACTIONS, lr=1e30, optimizer=SGD(limit=False), readout_bias=True)
    agent.act(np.ones(N_INPUTS))
    with pytest.raises(FloatingPointError, match="expected finite weights"):
        agent.learn(1e30, True)
    assert agent.W_out.shape == (N_ACTIONS + 1, N)


def test_fields_are_final_but_for_rates():
    agent = EpropAgent(2, 3, 2)
    agent.lr, agent.lr_in = 0.5, 0.0
    assert (agent.lr, agent.lr_in) == (0.5, 0.0)
    with pytest.raises(AttributeError, match="gamma: fixed once the trainer is built"):
        agent.gamma = 0.5
    assert not agent.W_in.flags.writeable
