"""An agent in environments of Gymnasium's kind: episodes that are learned from, and episodes that judge it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from .._fields import checked, number
from ._agent import EpropAgent

__all__ = ["evaluate", "train"]


@runtime_checkable
class Environment(Protocol):
    """What is asked of an environment; those of Gymnasium have it."""

    action_space: Any

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode: what is seen first, and notes."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """What is seen next, the reward, whether the episode has ended, whether the time is over, and notes."""


Encoder: TypeAlias = "Callable[[Any], ArrayLike]"


def train(
    agent: EpropAgent,
    environments: str | Environment | Sequence[Environment],
    n_episodes: int,
    *,
    encode: Encoder | None = None,
    reward_scale: float = 1.0,
    seed: int | None = None,
    on_episode: Callable[[int, float], bool | None] | None = None,
) -> list[float]:
    """Learns in so many episodes.

    Parameters
    ----------
    agent : EpropAgent
        It begins with `reset`, and ends with it: an episode that is under way when enough have ended is broken off.
    environments : str, environment, or sequence of them
        As many as the agent's `batch_size`, with discrete actions; by name they are made by `gymnasium`, and closed in the
        end.
    n_episodes : int
    encode : callable, optional
        Makes inputs of an observation, such as `PopulationEncoder`. None: the observation as it is.
    reward_scale : float
        The agent is told rewards times this. Values of about 1 suit its readouts: they are sums of up to ``1 / (1 - gamma)``
        rewards.
    seed : int, optional
        Of the environments' first episodes: environment b gets ``seed + b``.
    on_episode : callable, optional
        Called with the number of the episode, from 0 on, and its return. What it returns, if it is true, ends the
        training.

    Returns
    -------
    list of float
        The return of each episode: the sum of its rewards.

    Raises
    ------
    ValueError, TypeError
        Another number of environments than the agent has streams; actions that are not discrete, or not as many as the
        agent's; an observation that is no input.
    ImportError
        An environment's name, and no `gymnasium`.

    Examples
    --------
    >>> class Coin:
    ...     class action_space:
    ...         n = 2
    ...     def reset(self, *, seed=None):
    ...         return [1.0, 0.5], {}
    ...     def step(self, action):
    ...         return [1.0, 0.5], float(action == 0), True, False, {}
    >>> agent = EpropAgent(2, 20, 2, optimizer="adam", lr=0.01, seed=3)
    >>> returns = train(agent, Coin(), 100)
    >>> len(returns), sum(returns[-20:]) > sum(returns[:20])
    (100, True)
    """
    n_episodes, encode = checked("n_episodes", "int", n_episodes), encode or np.asarray
    reward_scale = number("reward_scale", reward_scale)
    with _opened("environments", environments, agent) as made:
        return _learned(agent, made, n_episodes, encode, reward_scale, seed, on_episode)


def _learned(
    agent: EpropAgent,
    made: list[Environment],
    n_episodes: int,
    encode: Encoder,
    reward_scale: float,
    seed: int | None,
    on_episode: Callable[[int, float], bool | None] | None,
) -> list[float]:
    agent.reset()
    returns: list[float] = []
    first = [_first_action(environment) for environment in made]
    so_far = [0.0] * len(made)
    seen = [
        encode(environment.reset(seed=None if seed is None else seed + b)[0])
        for b, environment in enumerate(made)
    ]
    try:
        while len(returns) < n_episodes:
            actions = np.atleast_1d(agent.act(_of_all(seen)))
            steps = [
                environment.step(start + int(action))
                for environment, start, action in zip(made, first, actions, strict=True)
            ]
            seen = [encode(step[0]) for step in steps]
            rewards = [float(step[1]) for step in steps]
            done, truncated = ([bool(step[at]) for step in steps] for at in (2, 3))
            told = [reward_scale * reward for reward in rewards]
            agent.learn(
                _of_all(told), _of_all(done), truncated=_of_all(truncated), last_observation=_of_all(seen)
            )
            for b, environment in enumerate(made):
                so_far[b] += rewards[b]
                if not (done[b] or truncated[b]) or len(returns) == n_episodes:
                    continue
                returns.append(so_far[b])
                so_far[b], seen[b] = 0.0, encode(environment.reset()[0])
                if on_episode is not None and on_episode(len(returns) - 1, returns[-1]):
                    return returns
    finally:
        agent.reset()
    return returns


def evaluate(
    agent: EpropAgent,
    environment: str | Environment,
    n_episodes: int,
    *,
    encode: Encoder | None = None,
    seed: int | None = None,
) -> list[float]:
    """Returns of episodes in which the agent takes the most likely actions, and learns nothing.

    Parameters
    ----------
    agent : EpropAgent
        Of one environment. It begins and ends with `reset`.
    environment : str or environment
    n_episodes : int
    encode, seed
        As in `train`.

    Returns
    -------
    list of float

    Raises
    ------
    ValueError, TypeError, ImportError
        As in `train`.

    Examples
    --------
    >>> class Coin:
    ...     class action_space:
    ...         n = 2
    ...     def reset(self, *, seed=None):
    ...         return [1.0, 0.5], {}
    ...     def step(self, action):
    ...         return [1.0, 0.5], float(action), True, False, {}
    >>> agent = EpropAgent(2, 20, 2)
    >>> len(set(evaluate(agent, Coin(), 3)))
    1
    """
    n_episodes, encode = checked("n_episodes", "int", n_episodes), encode or np.asarray
    if agent.batch_size != 1:
        raise ValueError(
            f"agent: expected batch_size = 1, since one environment is judged in, got {agent.batch_size}"
        )
    with _opened("environment", environment, agent) as (made,):
        return _judged(agent, made, n_episodes, encode, seed)


def _judged(
    agent: EpropAgent, made: Environment, n_episodes: int, encode: Encoder, seed: int | None
) -> list[float]:
    returns: list[float] = []
    first = _first_action(made)
    while len(returns) < n_episodes:
        agent.reset()
        seen, _ = made.reset(seed=seed if not returns else None)
        total, is_over = 0.0, False
        while not is_over:
            action = agent.act(encode(seen), greedy=True)
            seen, reward, done, truncated, _ = made.step(first + int(action))
            total, is_over = total + float(reward), bool(done or truncated)
        returns.append(total)
    agent.reset()
    return returns


@contextmanager
def _opened(name: str, given: Any, agent: EpropAgent) -> Iterator[list[Environment]]:
    """Checked: as many as the agent's streams, with its actions. Those that are made here are closed in the end."""
    made: list[Environment] = []
    try:
        if isinstance(given, str):
            for _ in range(agent.batch_size):
                made.append(_make(name, given))
            environments = made
        else:
            environments = [given] if isinstance(given, Environment) else list(given)
        _check(name, environments, agent)
        yield environments
    finally:
        for environment in made:
            cast(Any, environment).close()


def _check(name: str, environments: list[Environment], agent: EpropAgent) -> None:
    if len(environments) != agent.batch_size:
        raise ValueError(
            f"{name}: expected {agent.batch_size}, one for each stream of the agent (batch_size), got {len(environments)}"
        )
    for environment in environments:
        n = getattr(environment.action_space, "n", None)
        if n != agent.n_actions:
            raise ValueError(
                f"{name}: expected {agent.n_actions} discrete actions (n_actions), got {environment.action_space}"
            )


def _first_action(environment: Environment) -> int:
    """What the environment calls the agent's action 0: spaces of Gymnasium may start elsewhere."""
    return int(getattr(environment.action_space, "start", 0))


def _make(argument: str, name: str) -> Environment:
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError(
            f"{argument}: expected the package gymnasium for {name!r}, got none; pip install 'eprop[rl]'"
        ) from error
    return cast(Environment, gymnasium.make(name))


def _of_all(items: list[Any]) -> Any:
    """As the agent takes it: of one environment without an axis."""
    return items[0] if len(items) == 1 else np.array(items)
