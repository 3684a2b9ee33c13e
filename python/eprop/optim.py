"""How a gradient becomes a step of the weights: what the field `optimizer` of a trainer takes besides a name.

What an optimizer keeps for each weight belongs to its trainer: `reset()` keeps it, copies and pickles carry it.

Examples
--------
>>> from eprop import EpropTrainer
>>> from eprop.optim import Adam
>>> trainer = EpropTrainer(2, 3, 1, optimizer=Adam(beta1=0.8), update_every="sequence")
>>> trainer.lr
0.001
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from ._fields import checked
from ._schedules import cosine, linear, step_decay

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Auto",
    "Momentum",
    "Optimizer",
    "Rewire",
    "as_optimizer",
    "cosine",
    "linear",
    "step_decay",
]


@dataclass(frozen=True)
class Rewire:
    """DEEP R: at every update, synapses whose weight would cross 0 give their place to others (Bellec et al. 2018).

    The field `rewire` of an optimizer. It moves the synapses of the matrices that `connect_in` and `connect_rec` leave
    sparse: with one of them, and `update_every` above 1. A synapse keeps its sign, that of its source under Dale's law
    (`sign`). After the step of the optimizer its weight, as ``theta`` times that sign, is drawn to 0 and takes noise,
    ``theta += sqrt(2 eta temperature) N(0, 1) - eta l1``; where ``theta < 0`` it is pruned, and as many that do not exist,
    any of them as likely as the next, begin with a weight of 0. So the number of synapses of a matrix never changes. A new
    synapse has no traces and no moments, and a random sign where its source has none. docs/wiring.md says more.

    Parameters
    ----------
    l1 : float
        By how much an update draws weights to 0, times its learning rate ``eta``; at least 0. With 0 only gradients take
        weights across 0, and a new synapse without a gradient stays.
    temperature : float
        Of the noise; 0 = none.

    Raises
    ------
    TypeError
        A constant that is no number. Its value is checked by the trainer.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> moving = Adam(rewire=Rewire(l1=0.2))
    >>> trainer = EpropTrainer(40, 30, 1, connect_in=0.1, optimizer=moving, lr=0.05, update_every="sequence")
    >>> before = trainer.W_in
    >>> rng = np.random.default_rng(0)
    >>> for _ in range(20):
    ...     _ = trainer.train_sequence(rng.random((50, 40)) < 0.1, rng.normal(size=(50, 1)))
    >>> after = trainer.W_in
    >>> after.nnz == before.nnz, np.array_equal(after.indices, before.indices)
    (True, False)
    """

    l1: float = 0.0
    temperature: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = checked(f"optimizer.rewire.{field.name}", str(field.type), getattr(self, field.name))
            object.__setattr__(self, field.name, value)


@dataclass(frozen=True)
class Optimizer:
    """Base of all optimizers; each is a frozen dataclass of its constants.

    Raises
    ------
    TypeError
        A constant that is no number, or no bool. Its value is checked by the trainer.

    Examples
    --------
    >>> issubclass(Adam, Optimizer)
    True
    """

    name: ClassVar[str] = ""
    default_lr: ClassVar[float] = 0.01

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "rewire":
                if not (value is None or isinstance(value, Rewire)):
                    kind = type(value).__name__
                    raise TypeError(
                        f"optimizer.rewire: expected None or an eprop.optim.Rewire, got {value!r} ({kind})"
                    )
                continue
            value = checked(f"optimizer.{field.name}", str(field.type), value)
            object.__setattr__(self, field.name, value)


def as_optimizer(value: str | Optimizer) -> Optimizer:
    """The optimizer that a name stands for, with its usual constants, or the one that is given.

    Raises
    ------
    ValueError
        No such name.
    TypeError
        Neither a name nor an optimizer.

    Examples
    --------
    >>> as_optimizer("adam") == Adam()
    True
    >>> as_optimizer("rmsprop")
    Traceback (most recent call last):
    ValueError: optimizer: expected one of "sgd", "auto", "momentum", "adam", "adamw", or an optimizer of eprop.optim, \
got 'rmsprop'
    """
    if isinstance(value, Optimizer):
        return value
    if not isinstance(value, str):
        kind = type(value).__name__
        raise TypeError(f"optimizer: expected a name or an optimizer of eprop.optim, got {value!r} ({kind})")
    kinds: tuple[type[Optimizer], ...] = (SGD, Auto, Momentum, Adam, AdamW)
    for kind_of in kinds:
        if kind_of.name == value:
            return kind_of()
    names = ", ".join(f'"{kind_of.name}"' for kind_of in kinds)
    raise ValueError(f"optimizer: expected one of {names}, or an optimizer of eprop.optim, got {value!r}")


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent whose steps do not overshoot, ``W -= eta (g + weight_decay W)``: the default.

    `lr` is the largest ``eta``. The limit is a stochastic Polyak step (Loizou et al. 2021): with the length
    ``J = |g|^2 / 2E`` of a gradient of the loss ``E``, held near its recent peak ``d``, ``eta = min(lr, c / d)``; ``c``, at
    most 1/4, is small for an update that has seen little of what the last one did. docs/method.md, "Steps that do not
    overshoot", has the formulas. ``d`` belongs to the trainer: `reset()` keeps it, copies and pickles carry it.

    Parameters
    ----------
    limit : bool
        False: plain descent, ``eta = lr``, which can run away.
    weight_decay : float
        How much of the weights is added to their gradient, at least 0. Biases do not decay. A step without a target is an
        update, too: weights go on decaying.
    rewire : Rewire, optional
        Synapses move at updates. `OnlineTrainer`, `OnlineLIFLayer` and `EpropAgent` take none.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> EpropTrainer(2, 3, 1, optimizer=SGD(limit=False)).lr
    0.01
    """

    limit: bool = True
    weight_decay: float = 0.0
    rewire: Rewire | None = None

    name: ClassVar[str] = "sgd"


@dataclass(frozen=True)
class Auto(Optimizer):
    """Descent without a learning rate to choose: each group of weights takes a step from its own length.

    Groups are ``W_in``, ``W_rec``, and ``W_out`` with ``b``; of `OnlineTrainer`, the layers. With the length
    ``J_G = |g_G|^2 / 2E`` of a group's gradient of the loss ``E``, held near its peak ``d_G``, a group descends by
    ``eta_G = lr c share_G (1 - max(alpha, kappa, sigma)^n_G)^2 / d_G``: the output has half of the step, what lies below it
    shares the other half, and the first steps, when traces are short, are small. `lr` has no unit, and is at most 3.
    docs/method.md, "Steps of groups", has the formulas. Lengths belong to the trainer: `reset()` keeps them, copies and
    pickles carry them. Without a target they stand still.

    Parameters
    ----------
    weight_decay : float
        As in `SGD`.
    per_neuron : bool
        True: inside its group each neuron, each readout for ``W_out`` with ``b``, has a scale ``D_j``, the smaller the
        larger its gradients have been, and takes ``eta_G D_j`` as its step. The synapses then take the textbook or the
        block form, unless they are listed (`EpropTrainer.storage`). `OnlineTrainer` refuses it.
    rewire : Rewire, optional
        As in `SGD`.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> EpropTrainer(2, 3, 1, optimizer="auto").lr
    0.5
    >>> EpropTrainer(2, 3, 1, optimizer=Auto(per_neuron=True)).engine
    'textbook'
    """

    weight_decay: float = 0.0
    per_neuron: bool = False
    rewire: Rewire | None = None

    name: ClassVar[str] = "auto"
    default_lr: ClassVar[float] = 0.5


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Descent along a sum of gradients that fades: ``M = mu M + g + weight_decay W``, ``W -= (1 - mu) eta M``.

    ``eta`` is that of `SGD`. In the long run a gradient moves the weights as far as it does there: it takes about
    ``1 / (1 - mu)`` updates for it. ``M``, one number per weight, belongs to the trainer: `reset()` keeps it, copies and
    pickles carry it. A step without a target is an update, too: ``M`` goes on moving the weights.

    Parameters
    ----------
    mu : float
        What an update leaves of ``M``, in [0, 1).
    limit : bool
        As in `SGD`; the length is that of the last gradient.
    weight_decay : float
        As in `SGD`.
    rewire : Rewire, optional
        As in `SGD`.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> EpropTrainer(2, 3, 1, optimizer="momentum", update_every="sequence").lr
    0.01
    """

    mu: float = 0.9
    limit: bool = True
    weight_decay: float = 0.0
    rewire: Rewire | None = None

    name: ClassVar[str] = "momentum"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with two moments per weight.

    ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g^2``,
    ``W -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt v + eps)``, t the number of updates. It is not linear in the
    gradient, so weights that change at every step, or rest for fewer than 8, take the textbook recursion, a pass over
    all synapses at every step; otherwise, and with ``update_every="sequence"``, it costs a pass at each update.

    Parameters
    ----------
    beta1, beta2 : float
        Decays of the moments, in [0, 1).
    eps : float
        What is added to the root of the second moment, > 0.
    weight_decay : float
        How much of the weights is added to their gradient first, at least 0. Biases do not decay.
    rewire : Rewire, optional
        As in `SGD`.

    Examples
    --------
    >>> Adam()
    Adam(beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, rewire=None)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    rewire: Rewire | None = None

    name: ClassVar[str] = "adam"
    default_lr: ClassVar[float] = 0.001


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam whose weights decay beside the step and not in the moments (Loshchilov and Hutter 2019).

    The step of `Adam`, and ``W -= lr weight_decay W``. It costs what `Adam` costs.

    Parameters
    ----------
    weight_decay : float
        How much of the weights is taken off them, times `lr`; at least 0. Biases do not decay.
    beta1, beta2, eps : float
        As in `Adam`.
    rewire : Rewire, optional
        As in `SGD`.

    Examples
    --------
    >>> AdamW(0.1)
    AdamW(weight_decay=0.1, beta1=0.9, beta2=0.999, eps=1e-08, rewire=None)
    """

    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    rewire: Rewire | None = None

    name: ClassVar[str] = "adamw"
    default_lr: ClassVar[float] = 0.001
