"""An agent in environments of Gymnasium's kind: episodes that are learned from, and episodes that judge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        As many as the agent's `batch_size`, with discrete actions; by name they are made by `gymnasium`.
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
    made = _environments(environments, agent)
    n_episodes, encode = checked("n_episodes", "int", n_episodes), encode or np.asarray
    reward_scale = number("reward_scale", reward_scale)
    agent.reset()
    returns: list[float] = []
    so_far = [0.0] * len(made)
    seen = [
        encode(environment.reset(seed=None if seed is None else seed + b)[0])
        for b, environment in enumerate(made)
    ]
    try:
        while len(returns) < n_episodes:
            actions = np.atleast_1d(agent.act(_of_all(seen)))
            steps = [environment.step(int(action)) for environment, action in zip(made, actions, strict=True)]
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
    (made,) = _environments(environment, agent)
    n_episodes, encode = checked("n_episodes", "int", n_episodes), encode or np.asarray
    returns: list[float] = []
    while len(returns) < n_episodes:
        agent.reset()
        seen, _ = made.reset(seed=seed if not returns else None)
        total, is_over = 0.0, False
        while not is_over:
            action = agent.act(encode(seen), greedy=True)
            seen, reward, done, truncated, _ = made.step(action)
            total, is_over = total + float(reward), bool(done or truncated)
        returns.append(total)
    agent.reset()
    return returns


def _environments(given: Any, agent: EpropAgent) -> list[Environment]:
    """Checked: as many as the agent's streams, with its actions."""
    if isinstance(given, str):
        made = [_make(given) for _ in range(agent.batch_size)]
    else:
        made = [given] if isinstance(given, Environment) else list(given)
    if len(made) != agent.batch_size:
        raise ValueError(
            f"environments: expected {agent.batch_size}, one for each stream of the agent (batch_size), got {len(made)}"
        )
    for environment in made:
        n = getattr(environment.action_space, "n", None)
        if n != agent.n_actions:
            raise ValueError(
                f"environments: expected {agent.n_actions} discrete actions (n_actions), got {environment.action_space}"
            )
    return made


def _make(name: str) -> Environment:
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError(
            f"environments: expected the package gymnasium for {name!r}, got none; pip install 'eprop[rl]'"
        ) from error
    return cast(Environment, gymnasium.make(name))


def _of_all(items: list[Any]) -> Any:
    """As the agent takes it: of one environment without an axis."""
    return items[0] if len(items) == 1 else np.array(items)
