"""Agents in environments: what `train` and `evaluate` call and return, encoders, and Gymnasium's own environments."""

import sys

import gymnasium
import numpy as np
import pytest

from eprop.rl import EpropAgent, PopulationEncoder, evaluate, train


class Countdown:
    """Ends after `length` steps, or by time; each step is worth its action. Keeps what was asked of it."""

    class action_space:  # noqa: N801
        n = 2

    def __init__(self, length=3, by_time=False):
        self.length, self.by_time = length, by_time
        self.seeds, self.actions = [], []

    def reset(self, *, seed=None):
        self.seeds.append(seed)
        self.left = self.length
        return [1.0, self.left / self.length], {}

    def step(self, action):
        self.actions.append(action)
        self.left -= 1
        over = self.left == 0
        return (
            [1.0, self.left / self.length],
            float(action),
            over and not self.by_time,
            over and self.by_time,
            {},
        )


def agent_of(**options):
    return EpropAgent(2, 10, 2, seed=4, **{"steps_per_action": 3, **options})


@pytest.mark.parametrize("by_time", [False, True])
def test_returns_are_sums_of_rewards_whatever_the_agent_is_told(by_time):
    environment = Countdown(by_time=by_time)
    returns = train(agent_of(), environment, 5, reward_scale=0.1, seed=7)
    assert returns == np.reshape(environment.actions, (5, 3)).sum(axis=1).tolist()
    assert environment.seeds == [7, None, None, None, None, None]


def test_the_agent_is_told_scaled_rewards():
    """With gamma = 0 and no learning the TD error at an end is reward_scale times the reward, less the value."""
    agent = agent_of(lr=0.0, gamma=0.0)
    agent.W_out = np.zeros((3, 10))
    train(agent, Countdown(length=1), 30, reward_scale=0.25)
    assert agent.td_error in (0.0, 0.25)


def test_environments_side_by_side_and_episodes_of_unequal_length():
    environments = [Countdown(2), Countdown(3), Countdown(7)]
    seen = []
    returns = train(
        agent_of(batch_size=3), environments, 9, seed=1, on_episode=lambda n, r: seen.append((n, r))
    )
    assert seen == list(enumerate(returns)) and len(returns) == 9
    assert [environment.seeds[0] for environment in environments] == [1, 2, 3]
    steps = [len(environment.actions) for environment in environments]
    assert len(set(steps)) == 1, "they live in lockstep"


def test_a_callback_ends_the_training():
    assert len(train(agent_of(), Countdown(), 50, on_episode=lambda n, _: n == 2)) == 3


def test_an_agent_is_ready_for_the_next_training_wherever_the_last_was_broken_off():
    agent = agent_of()
    with pytest.raises(ZeroDivisionError):
        train(agent, Countdown(), 5, on_episode=lambda n, r: 1 / 0)
    assert len(train(agent, Countdown(), 1)) == 1
    assert len(evaluate(agent, Countdown(), 2)) == 2


def test_judging_learns_nothing_and_is_the_same_each_time():
    agent = agent_of()
    train(agent, Countdown(), 3)
    before = agent.W_in.copy(), agent.n_updates
    assert len(set(evaluate(agent, Countdown(), 3))) == 1
    np.testing.assert_array_equal(agent.W_in, before[0])
    assert agent.n_updates == before[1]


def test_wrong_environments_are_refused():
    with pytest.raises(ValueError, match="environments: expected 1, one for each stream"):
        train(agent_of(), [Countdown(), Countdown()], 1)
    with pytest.raises(ValueError, match="environments: expected 3 discrete actions"):
        train(EpropAgent(2, 5, 3), Countdown(), 1)
    with pytest.raises(ValueError, match=r"observation: expected shape \(3,\)"):
        train(EpropAgent(3, 5, 2), Countdown(), 1)
    with pytest.raises(ValueError, match="discrete actions"):
        train(EpropAgent(3, 5, 2), "Pendulum-v1", 1)
    with pytest.raises(TypeError, match="n_episodes: expected an int"):
        train(agent_of(), Countdown(), 1.5)


def test_one_environment_is_judged_in():
    with pytest.raises(
        ValueError, match="agent: expected batch_size = 1, since one environment is judged in, got 2"
    ):
        evaluate(agent_of(batch_size=2), "CartPole-v1", 1)
    with pytest.raises(ValueError, match="environment: expected 1, one for each stream"):
        evaluate(agent_of(), [Countdown(), Countdown()], 1)


def test_actions_begin_where_the_space_does():
    environment = Countdown()
    environment.action_space = gymnasium.spaces.Discrete(2, start=1)
    train(agent_of(), environment, 10)
    assert set(environment.actions) == {1, 2}
    environment.actions.clear()
    evaluate(agent_of(), environment, 3)
    assert set(environment.actions) <= {1, 2}


class Door(Countdown):
    """Knows whether it was closed."""

    is_closed = False

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("n_actions", [2, 3])
def test_what_a_name_has_opened_is_closed(n_actions, monkeypatch):
    doors = []
    monkeypatch.setattr(gymnasium, "make", lambda name: doors.append(Door()) or doors[-1])
    for lead, batch_size in ((train, 2), (evaluate, 1)):
        agent = EpropAgent(2, 5, n_actions, batch_size=batch_size)
        if n_actions == 2:
            lead(agent, "a door", 2)
        else:
            with pytest.raises(ValueError, match="discrete actions"):
                lead(agent, "a door", 2)
        assert len(doors) == batch_size and all(door.is_closed for door in doors)
        doors.clear()
    own = Door()
    train(agent_of(), own, 1)
    assert not own.is_closed, "it belongs to who made it"


def test_a_name_asks_for_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"pip install 'eprop\[rl\]'"):
        train(agent_of(), "CartPole-v1", 1)


def test_gymnasium_environments_by_name_and_as_they_are():
    encoder = PopulationEncoder([-2.4, -3.0, -0.21, -3.0], [2.4, 3.0, 0.21, 3.0], n_units=5)
    agent = EpropAgent(encoder.n_inputs, 10, 2, steps_per_action=2)
    by_name = train(agent, "CartPole-v1", 3, encode=encoder, seed=3)
    agent = EpropAgent(encoder.n_inputs, 10, 2, steps_per_action=2)
    assert train(agent, gymnasium.make("CartPole-v1"), 3, encode=encoder, seed=3) == by_name
    assert min(by_name) > 5


def test_encoders_scale_bound_and_refuse():
    encoder = PopulationEncoder([0.0, -1.0], [10.0, 1.0], n_units=3, gain=2.0)
    assert encoder.n_inputs == 6
    np.testing.assert_allclose(encoder([5.0, 1.0])[[1, 5]], 2.0)  # at the centres of their units
    np.testing.assert_array_equal(encoder([99.0, -99.0]), encoder([10.0, -1.0]))
    assert encoder(np.zeros((4, 2))).shape == (4, 6)
    for bounds, message in [
        (([0.0], [0.0]), "high: expected numbers above"),
        (([0.0], [np.inf]), "high: expected finite numbers"),
        (([0.0, 1.0], [2.0]), "high: expected numbers above"),
    ]:
        with pytest.raises(ValueError, match=message):
            PopulationEncoder(*bounds)
    with pytest.raises(ValueError, match="high: expected finite distances"):
        PopulationEncoder([-1e308], [1e308])
    with pytest.raises(ValueError, match="gain: expected a finite number, got nan"):
        PopulationEncoder([0.0], [1.0], gain=float("nan"))
    with pytest.raises(ValueError, match="n_units: expected at least 2"):
        PopulationEncoder([0.0], [1.0], n_units=1)
    with pytest.raises(ValueError, match=r"observation: expected shape \(2,\)"):
        encoder([1.0])
