"""Reward-based e-prop: an agent that learns from rewards while it lives, with memory that does not grow.

An actor and a critic are readouts of one recurrent layer (`EpropAgent`). `train` and `evaluate` lead it through the
episodes of environments of Gymnasium's kind, `PopulationEncoder` makes inputs of what it sees. Only an environment that is
named, as in ``train(agent, "CartPole-v1", 100)``, needs the package `gymnasium`, the extra ``rl``.

Examples
--------
>>> agent = EpropAgent(n_inputs=2, n_neurons=20, n_actions=2, seed=1)
>>> action = agent.act([1.0, 0.0])
>>> agent.learn(reward=1.0, done=True)
"""

from ._agent import EpropAgent
from ._episodes import evaluate, train
from ._observations import PopulationEncoder

__all__ = ["EpropAgent", "PopulationEncoder", "evaluate", "train"]
