"""An actor and a critic over one recurrent layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .._arrays import as_mask, as_numbers
from .._base import Trainer
from .._connections import Connect, take_first_weights
from .._fields import LEARNING_RATE, LearningRate, number
from .._recurrent import Recurrent, say_what_is_trained
from ..optim import Optimizer

__all__ = ["EpropAgent"]

Array = NDArray[Any]


@final
@dataclass(eq=False)
class EpropAgent(Recurrent, Trainer):
    """Learns from rewards by e-prop: a recurrent layer with a readout for each action and one for the value.

    A decision takes `steps_per_action` steps of the network. `act` makes them and draws an action from the policy, `learn`
    is told what came of it. Each decision leaves a trace in every synapse; the TD error, known at the next decision,
    says what the traces are worth. Bellec et al. 2020, reward-based e-prop.

    Parameters
    ----------
    n_inputs, n_neurons, n_actions : int
    tau_mem, tau_trace, threshold, lr, dt
        As in `EpropTrainer`.
    gamma : float
        By how much a reward counts less with each decision until it comes, 0 to 1.
    lam : float
        Traces of decisions decay with ``gamma lam``, 0 to 1.
    entropy : float
        Weight of the entropy bonus, which keeps the policy from being certain early.
    value_weight : float
        Weight of the value's errors beside those of the policy.
    steps_per_action : int
        Steps of ``dt`` for each decision, which is taken after the last of them.
    update_every : int or str
        n: weights change whenever n TD errors wait, of all environments together. ``"episode"``: at the end of an episode,
        of whichever environment.
    batch_size : int
        Environments that are lived in side by side, each with a state of its own over the same weights. With more than 1,
        observations, actions, rewards and state have a leading axis.
    seed : int
        Of the initial weights and of the actions.
    tau_out, reset_mechanism, n_ref, surrogate, surrogate_height, surrogate_width, input_gain, readout_gain, feedback, \
readout_bias, dtype, reduction, beta, tau_adaptation, delay, clip_norm, w_max, feedback_decay, lr_in, lr_rec, lr_out, \
tau_syn, connect_in, connect_rec, sign, train_in, train_rec, train_out
        As in `EpropTrainer`. `feedback` has a column for each action, and one for the value. Rows have a place for each
        neuron, whichever synapses exist: weights and traces are NumPy arrays, 0 where there is no synapse.
    optimizer : str or eprop.optim.Optimizer
        What the gradient of an update becomes. The loss that limits the steps of ``"sgd"`` and ``"auto"`` is half the
        squared TD error.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `EpropTrainer`.

    Examples
    --------
    Left is worth 1, right is worth nothing:

    >>> agent = EpropAgent(2, 20, 2, optimizer="adam", lr=0.01, seed=3)
    >>> for _ in range(100):
    ...     action = agent.act([1.0, 0.5])
    ...     agent.learn(reward=float(action == 0), done=True)
    >>> bool(agent.policy[0] > 0.8)
    True
    """

    n_inputs: int
    n_neurons: int
    n_actions: int
    tau_mem: float | Array = 20.0
    tau_trace: float = 20.0
    threshold: float | Array = 1.0
    lr: LearningRate = LEARNING_RATE
    dt: float = 1.0
    _: KW_ONLY
    gamma: float = 0.99
    lam: float = 0.9
    entropy: float = 0.0
    value_weight: float = 0.5
    steps_per_action: int = 10
    update_every: int | str = 1
    batch_size: int = 1
    tau_out: float | None = None
    reset_mechanism: str = "subtract"
    n_ref: int = 0
    surrogate: str = "piecewise_linear"
    surrogate_height: float | None = None
    surrogate_width: float | None = None
    input_gain: str = "unit"
    readout_gain: str = "unit"
    feedback: str = "symmetric"
    readout_bias: bool = False
    dtype: str = "float32"
    seed: int = 42
    optimizer: str | Optimizer = "sgd"
    reduction: str = "sum"
    beta: float | Array = 0.0
    tau_adaptation: float | Array = 200.0
    delay: int = 1
    clip_norm: float | None = None
    w_max: float | None = None
    feedback_decay: float = 0.0
    lr_in: float | None = None
    lr_rec: float | None = None
    lr_out: float | None = None
    tau_syn: float = 0.0
    connect_in: Connect = None
    connect_rec: Connect = None
    sign: Array | None = None
    train_in: InitVar[bool] = True
    train_rec: InitVar[bool] = True
    train_out: InitVar[bool] = True

    _core_class = _core.EpropAgent
    _rates = ("lr", "lr_in", "lr_rec", "lr_out")

    def __post_init__(self, train_in: bool, train_rec: bool, train_out: bool) -> None:
        self._fix(train_in=train_in, train_rec=train_rec, train_out=train_out)
        self._start()
        for name, connect in ("W_in", self.connect_in), ("W_rec", self.connect_rec):
            weights = take_first_weights(connect)
            if weights is not None:
                first = np.zeros(connect.shape)
                first[connect.targets, connect.sources] = weights
                setattr(self._core, name, as_numbers(f"connect_{name[2:]}", first))

    def act(self, observation: ArrayLike, *, greedy: bool = False) -> Any:
        """An action, drawn from the policy after the steps of a decision.

        First the agent learns from the decision before: only now the value of what followed is known.

        Parameters
        ----------
        observation : array_like (n_inputs,) or (steps_per_action, n_inputs)
            What the inputs get at every step, or at each. Of several environments: (B, n_inputs), or
            (B, steps_per_action, n_inputs).
        greedy : bool
            The most likely action, of which nothing is learned: to judge a policy, in episodes of their own, before which
            `reset` is called.

        Returns
        -------
        int
            Of several environments a numpy.ndarray of int64 (B,).

        Raises
        ------
        ValueError, TypeError
            A wrong shape, NaN or infinity; not numbers; the last action still waits for its reward; `greedy` in the middle
            of an episode that is learned from. Nothing has changed.
        FloatingPointError
            The update drove weights out of the finite range.
        KeyboardInterrupt
            Some steps of the decision may have been made, of which nothing is learned: `reset` starts anew.

        Examples
        --------
        >>> agent = EpropAgent(2, 5, 3, batch_size=2)
        >>> agent.act([[1.0, 0.0], [0.0, 1.0]]).shape
        (2,)
        """
        actions = self._core.act(self._rows("observation", observation), bool(greedy))
        return actions[0] if self.batch_size == 1 else np.array(actions, dtype=np.int64)

    def learn(
        self,
        reward: ArrayLike,
        done: ArrayLike = False,
        *,
        truncated: ArrayLike = False,
        last_observation: ArrayLike | None = None,
        reset: bool = True,
    ) -> None:
        """What came of the last action.

        Parameters
        ----------
        reward : float
            Of several environments (B,), as are `done` and `truncated`.
        done : bool
            The episode has ended, and nothing is to be gained from there on. Traces of its decisions are forgotten.
        truncated : bool
            The time was over, which is no end of the episode: `last_observation` says what would have come. Where `done`
            holds, too, it is an end.
        last_observation : array_like, optional
            As in `act`; read where `truncated` holds alone.
        reset : bool
            Whether the network is silent again after an episode. Without, it goes on as it is.

        Raises
        ------
        ValueError, TypeError
            NaN or infinity; no action that waits for a reward; a time limit without a last observation; a wrong shape.
            Nothing has changed.
        FloatingPointError
            The update drove weights out of the finite range.
        KeyboardInterrupt
            Some steps of a last observation may have been made, and the reward still waits: `reset` starts anew.

        Examples
        --------
        >>> agent = EpropAgent(2, 5, 3)
        >>> action = agent.act([1.0, 0.0])
        >>> agent.learn(1.0, truncated=True, last_observation=[0.5, 0.5])
        >>> agent.learn(1.0)
        Traceback (most recent call last):
        ValueError: reward: expected an action that waits for it: call act(observation) first, got a reward
        """
        is_done = self._of_each("done", as_mask("done", done))
        is_over = self._of_each("truncated", as_mask("truncated", truncated)) & ~is_done
        if is_over.any() and last_observation is None:
            raise ValueError(
                "last_observation: expected what was seen when time was over (truncated), got None; hand it over, or "
                "say done=True if nothing is to be gained from there on"
            )
        seen = None
        if last_observation is not None and is_over.any():
            seen = self._rows("last_observation", last_observation)
        rewards = self._of_each("reward", as_numbers("reward", reward))
        rewards = np.asarray(rewards, np.float64)
        self._core.learn(rewards.tolist(), is_done.tolist(), is_over.tolist(), seen, bool(reset))

    def calibrate(self, observations: ArrayLike, *, rate: float = 20.0) -> float:
        """Scales `W_in`, and nothing else, until the network fires at `rate` on average where it sees these observations.

        Initial weights suit sparse inputs. With others most neurons may fire at every step, or none at all, and little
        is learned.

        Parameters
        ----------
        observations : array_like (S, n_inputs) or (S, steps_per_action, n_inputs)
            Of any number of decisions, one after the other.
        rate : float
            In Hz; met within 10 %.

        Returns
        -------
        float
            The factor. State is untouched.

        Raises
        ------
        ValueError
            No factor reaches the rate: names the nearest that was reached; a wrong shape, NaN or infinity; `W_in`
            unchanged.

        Examples
        --------
        >>> import numpy as np
        >>> agent = EpropAgent(4, 30, 2)
        >>> factor = agent.calibrate(np.random.default_rng(1).random((50, 4)), rate=30)
        >>> factor != 1.0
        True
        """
        seen = as_numbers("observations", observations)
        steps, n_inputs = self.steps_per_action, self.n_inputs
        if seen.ndim == 2 and seen.shape[1] == n_inputs:
            seen = np.repeat(seen, steps, axis=0)
        elif seen.ndim != 3 or seen.shape[1:] != (steps, n_inputs):
            raise ValueError(
                f"observations: expected shape (S, {n_inputs}), or (S, {steps}, {n_inputs}) with a row for each of "
                f"steps_per_action, got {seen.shape}"
            )
        return self._core.calibrate(seen.reshape(-1, n_inputs), number("rate", rate))  # type: ignore[no-any-return]

    def _of_each(self, name: str, value: Array) -> Array:
        """One for each environment; a number is that of all."""
        if value.ndim > 0 and value.shape != (self.batch_size,):
            raise ValueError(f"{name}: expected shape ({self.batch_size},), got {value.shape}")
        return np.broadcast_to(value, (self.batch_size,))

    def _rows(self, name: str, observation: ArrayLike) -> Array:
        """The steps of the decisions of all environments, one after the other."""
        seen = as_numbers(name, observation)
        n, steps, n_inputs = self.batch_size, self.steps_per_action, self.n_inputs
        of_one = seen.shape if n == 1 else seen.shape[1:]
        if of_one not in ((n_inputs,), (steps, n_inputs)) or (n > 1 and len(seen) != n):
            at_all, at_each = (
                ((n_inputs,), (steps, n_inputs)) if n == 1 else ((n, n_inputs), (n, steps, n_inputs))
            )
            raise ValueError(
                f"{name}: expected shape {at_all}, or {at_each} with a row for each of steps_per_action, got {seen.shape}"
            )
        if len(of_one) == 1:
            seen = seen.reshape(n, 1, n_inputs)
        rows = np.broadcast_to(seen.reshape(n, -1, n_inputs), (n, steps, n_inputs))
        return rows.reshape(n * steps, n_inputs)

    @property
    def policy(self) -> Array:
        """The probability of each action at the last decision (n_actions,), 0 before the first; (B, n_actions) of several.

        Examples
        --------
        >>> agent = EpropAgent(2, 5, 2, readout_gain="leak")
        >>> agent.W_out = [[0.0] * 5] * 3
        >>> _ = agent.act([0.0, 0.0])
        >>> agent.policy
        array([0.5, 0.5], dtype=float32)
        """
        return self._core.policy  # type: ignore[no-any-return]

    @property
    def value(self) -> Any:
        """The value at the last decision: a float, (B,) of several environments."""
        return self._numbers(self._core.value)

    @property
    def td_error(self) -> Any:
        """The TD error that was learned from last: a float, (B,) of several environments."""
        return self._numbers(self._core.td_error)

    def _numbers(self, of_each: list[float]) -> Any:
        return of_each[0] if self.batch_size == 1 else np.array(of_each, dtype=self.dtype)

    @property
    def n_updates(self) -> int:
        """How many updates there have been."""
        return self._core.n_updates  # type: ignore[no-any-return]


say_what_is_trained(EpropAgent)
