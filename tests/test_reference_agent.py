"""The reference of the agent by itself: against automatic differentiation, path by path, and against numbers by hand."""

import numpy as np
import pytest
from autodiff_agent import PATHS, advantages, episode_gradients
from helpers import assert_close, eprop_weights, weight_scale
from reference import Sgd
from reference_agent import ReferenceAgent, entropy_of

N_INPUTS, N, N_ACTIONS, STEPS, DECISIONS = 4, 7, 3, 6, 12
NAMES = ("W_in", "W_rec", "W_out", "b")


def episode(seed=2):
    """Weights, observations, actions and rewards of an episode in which neurons spike."""
    rng = np.random.default_rng(seed)
    *weights, _ = eprop_weights(rng, N_INPUTS, N, N_ACTIONS + 1, 1.5 * weight_scale(N_INPUTS + N, 0.3))
    observations = rng.random((DECISIONS, N_INPUTS))
    return weights, observations, rng.integers(N_ACTIONS, size=DECISIONS), rng.normal(size=DECISIONS)


def gradient_of(agent_of, observations, actions, rewards, last_observation, **options):
    """How far an update at the end of the episode moves the weights, with a learning rate of 1."""
    agent = agent_of(update_every="episode", optimizer=Sgd(limit=False), lr=1.0, **options)
    before = {name: W.copy() for name, W in agent.batch.parameters.items()}
    for t, (x, action, r) in enumerate(zip(observations, actions, rewards, strict=True)):
        agent.act([x], [action])
        is_last = t == len(rewards) - 1
        last = last_observation if is_last else None
        agent.learn([r], [is_last and last is None], [last])
    return {name: before[name] - W for name, W in agent.batch.parameters.items()}


def of_path(gradient, path):
    """The part of a gradient that belongs to one path: the gradient is linear in the weights of the paths."""
    alone = {"value_weight": 0.0, "entropy": 0.0}
    without = gradient(**alone)
    if path == "policy":
        return without
    whole = gradient(**{**alone, {"critic": "value_weight", "entropy": "entropy"}[path]: 1.0})
    return {name: whole[name] - without[name] for name in NAMES}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ends_by", ["end", "time_limit"])
@pytest.mark.parametrize(
    "options",
    [{}, {"beta": 0.3, "tau_adaptation": 50.0}, {"readout_gain": "leak", "input_gain": "leak", "n_ref": 3}],
    ids=["lif", "alif", "leak"],
)
def test_each_path_equals_autodiff(path, ends_by, options):
    weights, observations, actions, rewards = episode()
    if options.get("input_gain") == "leak":
        weights = [12.0 * weights[0], 12.0 * weights[1], *weights[2:]]
    last = np.full(N_INPUTS, 0.6) if ends_by == "time_limit" else None

    def agent_of(**more):
        return ReferenceAgent(*weights, readout_bias=True, steps_per_action=STEPS, **options, **more)

    def gradient(**more):
        return gradient_of(agent_of, observations, actions, rewards, last, **more)

    got = of_path(gradient, path)
    expected = episode_gradients(
        weights,
        observations,
        actions,
        rewards,
        path,
        last_observation=last,
        steps_per_action=STEPS,
        **options,
    )
    for name in NAMES:
        assert np.abs(expected[name]).max() > 1e-4, f"{name}: nothing to compare"
        assert_close(got[name], expected[name], 1e-9, f"{path}: gradient of {name}")


def test_advantages_by_hand():
    """gamma = 1/2, lambda = 1/2: deltas 1 + 1 - 2 = 0, 0 + 2 - 2 = 0, 3 - 4 = -1, each a quarter of the next."""
    A = advantages([2.0, 2.0, 4.0], [1.0, 0.0, 3.0], 0.0, gamma=0.5, lam=0.5)
    assert A == [-1 / 16, -1 / 4, -1.0]


def test_entropy_by_hand():
    assert entropy_of(np.array([0.5, 0.25, 0.25])) == pytest.approx(1.5 * np.log(2.0))
    assert entropy_of(np.array([1.0, 0.0])) == 0.0


def test_a_rewarded_action_becomes_more_likely():
    """The sign of the policy's path and of the critic's: after a reward pi(a) and V are larger."""
    weights, observations, _, _ = episode()
    agent = ReferenceAgent(*weights, optimizer=Sgd(limit=False), lr=1e-3, steps_per_action=STEPS)
    x = observations[0]
    ((before, V_before),) = agent.act([x], [1])
    agent.learn([5.0], [True])
    ((after, V_after),) = agent.act([x], [1])
    assert after[1] > before[1] and V_after > V_before


def test_streams_are_summed():
    """Two streams that live the same episode make twice the gradient of one."""
    weights, observations, actions, rewards = episode()
    moved = []
    for n in (1, 2):
        agent = ReferenceAgent(
            *weights,
            optimizer=Sgd(limit=False),
            lr=1.0,
            steps_per_action=STEPS,
            update_every="episode",
            batch_size=n,
        )
        for t, (x, action, r) in enumerate(zip(observations, actions, rewards, strict=True)):
            agent.act([x] * n, [action] * n)
            agent.learn([r] * n, [t == DECISIONS - 1] * n)
        moved.append(agent.batch.parameters["W_in"] - weights[0])
    np.testing.assert_allclose(moved[1], 2.0 * moved[0], rtol=1e-10)
