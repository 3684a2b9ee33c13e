"""One recurrent layer with leaky readouts."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._arrays import as_numbers
from ._batches import as_threads
from ._connections import Connect, as_listed, as_sparse, take_first_weights
from ._events import Inputs
from ._fields import LEARNING_RATE, Chosen, LearningRate, checked, number
from ._recurrent import Recurrent, say_what_is_trained
from ._sequences import SequenceTrainer
from ._warnings import warn_of_adaptation
from .optim import Optimizer

__all__ = ["EpropTrainer"]

Array = NDArray[Any]


@final
@dataclass(eq=False)
class EpropTrainer(Recurrent, SequenceTrainer):
    """A recurrent layer of N leaky integrate-and-fire neurons with O leaky readouts, trained online by e-prop.

    Times in ms, firing rates in Hz. Bellec et al. 2020, *A solution to the learning dilemma for recurrent networks of
    spiking neurons*, Nature Communications 11:3625.

    Parameters
    ----------
    n_inputs, n_neurons, n_outputs : int
    tau_mem : float or array_like (N,)
        Membrane time constant, one for all neurons or one for each. With an array each synapse has a presynaptic trace of
        its own.
    tau_trace : float
        Time constant of the eligibility's low-pass, 0 = no filter.
    threshold : float or array_like (N,)
        Firing threshold, one for all neurons or one for each.
    lr, dt : float
        Learning rate, length of a step.
    tau_out : float, optional
        Readout time constant. None = `tau_trace`, the only choice whose gradient is exact; 0 = no memory.
    reset_mechanism : str
        ``"subtract"`` or ``"zero"``.
    n_ref : int
        Refractory steps.
    surrogate : str
        ``"piecewise_linear"``, ``"exponential"``, ``"fast_sigmoid"``, ``"arctan"`` or ``"boxcar"``.
    surrogate_height, surrogate_width : float, optional
        None = 0.3 / threshold; None = threshold.
    input_gain, readout_gain : str
        ``"unit"`` = 1, ``"leak"`` = 1 - decay.
    loss : str
        ``"mse"``, or ``"cross_entropy"`` (targets are rows that sum to 1).
    feedback : str
        ``"symmetric"``: B is the transpose of `W_out`. ``"random"``: drawn and fixed. ``"adaptive"``: drawn, and from
        then on it takes the steps that `W_out` takes.
    readout_bias : bool
    c_reg, f_target, tau_reg : float
        Firing-rate regularisation: its weight, the target firing rate in Hz, the time constant of the streaming estimate.
    update_every : int or str
        1, n, or ``"sequence"``.
    dtype : str
        ``"float32"`` or ``"float64"``.
    seed : int
        Of the initial weights.
    batch_size : int
        Streams that may learn side by side. A call takes one sequence, (T, n_inputs), or several with a leading axis,
        (B, T, n_inputs) with any B up to this; what it returns has the axis exactly where the inputs have it. With more
        than 1, state has a leading axis too: `v` (batch_size, N). Each stream has a state of its own, gradients are summed
        over the streams that took part, one update changes the weights of all, and losses are means over all.
    optimizer : str or eprop.optim.Optimizer
        ``"sgd"`` and ``"momentum"``, for which `lr` is the largest step, ``"auto"``, ``"adam"``, ``"adamw"``, or a dataclass
        of `eprop.optim`. It decides the default of `lr`: 0.01; 0.5 for auto, 0.001 for Adam and AdamW.
    reduction : str
        ``"sum"``: an update takes the sum of the gradients of its steps and streams. ``"mean"``: that sum, the regulariser's
        part included, over the number of steps with a target of all streams, or over that of all steps where none had one;
        `lr` need not know then how long sequences are and how many.
    beta : float or array_like (N,)
        By how much each unit of adaptation raises the threshold, ``A = threshold + beta a``, where `a` is a low-pass of the
        neuron's own spikes; 0 = no adaptation. With an array some neurons adapt and others do not.
    tau_adaptation : float or array_like (N,)
        Time constant of the adaptation.
    horizon : int or str
        Steps through which credit flows back through recurrent spikes, in blocks counted from `reset`. 1: e-prop.
        ``"sequence"``: all steps up to the update, which needs ``update_every="sequence"``; memory then grows with the
        sequence. A block also ends at an update, so that ``update_every=1`` allows 1 only. Each step costs a product
        with `W_rec`.
    recurrent_gain : float
        How much of that credit a recurrent synapse passes on, >= 0. 1, with a horizon of the whole sequence, is
        backpropagation through time, which explodes in many networks.
    delay : int
        Steps that a spike takes to the other neurons, >= 1. Their own reset takes one in any case.
    clip_norm : float, optional
        The gradient of an update, of all weights together and with the regulariser, is scaled down to this length before
        the optimizer gets it. None: it is taken as long as it is.
    w_max : float, optional
        Weights, but not biases, are brought into [-w_max, w_max] after each update. None: no bound. With it, `clip_norm` or
        `sign`, weights that change at every step, or rest for fewer than 8, take the textbook recursion, unless synapses are
        listed (`storage`).
    feedback_decay : float
        With adaptive feedback each update multiplies `W_out` and `B` with ``1 - feedback_decay``, so that the two grow
        alike. An update of a fixed `W_out` (a learning rate of 0) does not.
    c_reg_side : str
        Whom the regularisation pushes to `f_target`: ``"both"``, or only neurons that fire ``"above"`` or ``"below"`` it.
    lr_in, lr_rec, lr_out : float, optional
        Learning rates of `W_in`, of `W_rec`, and of `W_out` with `b`. None: `lr`; 0: fixed, to the bit. May be assigned
        like `lr`.
    tau_syn : float
        Time constant of the synaptic current between a spike and the membrane; 0 = a spike reaches the membrane at once.
    engine : str, optional
        How the synapses compute: ``"factored"``, ``"block"`` or ``"textbook"``, three forms of the same numbers. None: the
        fastest that the other options allow, and the attribute reads which that is.

        ``update_every=n``, from 1 to 1.5 times the shortest of `tau_mem`, `tau_trace` and `tau_syn` in steps, is factored,
        and costs one or two row operations per spike, or three where neurons adapt, `tau_mem` is an array or there is a
        `tau_syn`; larger n and ``"sequence"`` are block, one row addition per spike. Textbook, a pass over all synapses at
        every step, is left for fewer than 4096 synapses with a time constant below 4 / 3 steps, where factors cost more, and
        for n below 8 that exceed those 1.5. In a batch every stream changes the weights of all, and ``"adam"``, ``"adamw"``,
        ``Auto(per_neuron=True)``, `clip_norm`, `w_max` and `sign` do not fit into factors: n below 8 is textbook then, all
        else block. So are neurons that adapt, an array as `tau_mem`, and `tau_syn`, where there is momentum, or adaptation
        beside one of the other two, and in small networks. Where neurons adapt, n is also at most
        log(0.01) / log(rho - beta h) of each, with h the height of the surrogate and rho = exp(-dt / tau_adaptation). Where
        not all synapses exist, `storage` says more.
    memory_limit : int, optional
        Bytes that the trainer may hold, as `memory_bytes` counts them: shorter blocks, and slower forms, are taken until it
        fits. None: no limit. What a call makes beside it, outputs, copies and gradients, does not count. With
        ``horizon="sequence"``, where memory grows, there can be none.
    connect_in, connect_rec : float, array_like of bool, or SciPy sparse array, optional
        Which synapses exist, from inputs (N, n_inputs) and between neurons (N, N), to by from. None: all. A density, above 0
        and at most 1: each exists with that probability, drawn from `seed`. A sparse array of numbers says which exist, and
        gives their first weights. Others have neither weight nor gradient nor trace. Initial weights are scaled by the mean
        number of synapses that a neuron has. Arrays read as `Connections`.
    sign : array_like of int (n_inputs + N,), optional
        Dale's law: the weights from a source are at least 0 (1), at most 0 (-1), or free (0); each update ends with it.
    train_in, train_rec, train_out : bool
        False: the group is fixed, as with a learning rate of 0, which its `lr_in`, `lr_rec` or `lr_out` then reads as. Not
        fields: they read as whether that is other than 0.

    Raises
    ------
    ValueError
        A value out of its range; an unknown choice; an `engine` that cannot do what other options say; a `memory_limit` that
        is too low, with the bytes that would be enough.
    TypeError
        A bool or a float as a size; a field of the wrong type.
    MemoryError
        Sizes that cannot be allocated.

    Examples
    --------
    >>> trainer = EpropTrainer(2, 3, 1, lr=0.1)
    >>> trainer.lr = 0.05
    >>> trainer.lr_in = 0
    >>> trainer.tau_mem = 30
    Traceback (most recent call last):
    AttributeError: tau_mem: fixed once the trainer is built; of EpropTrainer's fields only lr, lr_in, lr_rec, lr_out can \
be assigned, for any other build a new trainer: EpropTrainer(...)

    >>> import numpy as np
    >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence", batch_size=4)
    >>> loss, outputs = trainer.train_sequence(np.ones((4, 20, 2)), np.zeros((4, 20, 1)), return_outputs=True)
    >>> outputs.shape, trainer.W_in.shape, trainer.v.shape
    ((4, 20, 1), (3, 2), (4, 3))

    >>> EpropTrainer(20, 30, 1).engine, EpropTrainer(20, 30, 1, update_every="sequence").engine
    ('factored', 'block')
    >>> EpropTrainer(20, 30, 1, engine="textbook").engine
    'textbook'
    >>> EpropTrainer(16, 32, 2, memory_limit=32768).memory_bytes <= 32768
    True
    """

    n_inputs: int
    n_neurons: int
    n_outputs: int
    tau_mem: float | Array = 20.0
    tau_trace: float = 20.0
    threshold: float | Array = 1.0
    lr: LearningRate = LEARNING_RATE
    dt: float = 1.0
    _: KW_ONLY
    tau_out: float | None = None
    reset_mechanism: str = "subtract"
    n_ref: int = 0
    surrogate: str = "piecewise_linear"
    surrogate_height: float | None = None
    surrogate_width: float | None = None
    input_gain: str = "unit"
    readout_gain: str = "unit"
    loss: str = "mse"
    feedback: str = "symmetric"
    readout_bias: bool = False
    c_reg: float = 0.0
    f_target: float = 10.0
    tau_reg: float = 500.0
    update_every: int | str = 1
    dtype: str = "float32"
    seed: int = 42
    batch_size: int = 1
    optimizer: str | Optimizer = "sgd"
    reduction: str = "sum"
    beta: float | Array = 0.0
    tau_adaptation: float | Array = 200.0
    horizon: int | str = 1
    recurrent_gain: float = 0.3
    delay: int = 1
    clip_norm: float | None = None
    w_max: float | None = None
    feedback_decay: float = 0.0
    c_reg_side: str = "both"
    lr_in: float | None = None
    lr_rec: float | None = None
    lr_out: float | None = None
    tau_syn: float = 0.0
    engine: str | None = None
    memory_limit: int | None = None
    connect_in: Connect = None
    connect_rec: Connect = None
    sign: Array | None = None
    train_in: InitVar[bool] = True
    train_rec: InitVar[bool] = True
    train_out: InitVar[bool] = True

    _rates = ("lr", "lr_in", "lr_rec", "lr_out")
    _core_class = _core.EpropTrainer

    def __post_init__(self, train_in: bool, train_rec: bool, train_out: bool) -> None:
        self._fix(train_in=train_in, train_rec=train_rec, train_out=train_out)
        self._start()
        self._check_adaptation()
        for name, connect in ("W_in", self.connect_in), ("W_rec", self.connect_rec):
            weights = take_first_weights(connect)
            if weights is not None:
                self._core.set_synapses(name, as_numbers(f"connect_{name[2:]}", weights))

    def _check_adaptation(self) -> None:
        """Of the neuron whose adaptation is the least stable."""
        every = np.broadcast_arrays(self.threshold, self.beta, self.tau_adaptation)
        threshold, beta, tau_adaptation = (np.ravel(field) for field in every)
        given = self.surrogate_height
        height = 0.3 / threshold if given is None else np.full(len(threshold), given)
        excess = beta * height - 1.0 - np.exp(-self.dt / tau_adaptation)
        worst = int(excess.argmax())
        if excess[worst] > 0.0:
            warn_of_adaptation(float(beta[worst]), float(height[worst]))

    def calibrate(self, inputs: Inputs, *, rate: float = 20.0) -> float:
        """Scales `W_in`, and nothing else, until the network fires at `rate` on average on this sample.

        The logger ``eprop`` of `logging` gets a line (INFO): the factor, and the firing rates before and after.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (S, T, n_inputs), a list of sequences, or events
            As in `predict_sequence`, and any number of sequences, of any lengths.
        rate : float
            In Hz; met within 10 %.

        Returns
        -------
        float
            The factor. State is untouched.

        Raises
        ------
        ValueError
            No factor reaches the rate: names the nearest that was reached; `W_in` unchanged.

        Warns
        -----
        CalibrationWarning
            The inputs vary so little beside their means that no scale mends it; or, at the first sequence that is learned
            from afterwards, targets are far larger or smaller than outputs.

        Examples
        --------
        >>> import numpy as np
        >>> inputs = np.random.default_rng(1).random((500, 20))
        >>> trainer = EpropTrainer(20, 30, 1)
        >>> factor = trainer.calibrate(inputs, rate=20)
        >>> _, spikes = trainer.predict_sequence(inputs, return_spikes=True)
        >>> bool(18 <= 1000 * spikes.mean() <= 22)
        True
        """
        (factor,) = self._calibrate(inputs, rate, ["W_in"])
        return factor

    def gradients(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        horizon: int | str | None = None,
        recurrent_gain: float | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> dict[str, Any]:
        """The gradient of the sequence sum of the loss, from a silent network; weights and state stay as they were.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (B, T, n_inputs), or events
        targets : array_like (T, n_outputs) or (B, T, n_outputs), or integer labels
        mask : array_like of bool (T,) or (B, T), optional
        weights : array_like (T,) or (B, T), optional
        horizon : int or str, optional
            In this call: 1 is e-prop, ``"sequence"`` credits all recurrent spikes. None: the trainer's.
        recurrent_gain : float, optional
            In this call; with ``horizon="sequence"``, 1 is the gradient of backpropagation through time. None: the
            trainer's.
        lengths : array_like of int (B,), optional
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        dict
            ``W_in``, ``W_rec``, ``W_out``, ``b``, ``loss``, the sum, ``n_targets``, how many steps had a target, and
            ``n_streams``, from how many streams. The regulariser is in the gradient, not in the loss. Sums over all
            streams, whatever `reduction` says.

        Raises what `train_sequence` raises for bad input, and ValueError for a horizon below 1 or a gain that is negative
        or not finite.

        Examples
        --------
        What e-prop leaves out, as the cosine of the angle between its gradient and that of backpropagation through time:

        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> inputs, targets = rng.random((60, 10)) < 0.1, rng.normal(size=(60, 1))
        >>> trainer = EpropTrainer(10, 20, 1, dtype="float64")
        >>> eprop = trainer.gradients(inputs, targets)["W_rec"].ravel()
        >>> bptt = trainer.gradients(inputs, targets, horizon="sequence", recurrent_gain=1.0)["W_rec"].ravel()
        >>> bool(0.3 < eprop @ bptt / np.linalg.norm(eprop) / np.linalg.norm(bptt) < 0.999)
        True
        """
        sequence = self._sequence(inputs, targets, mask, weights, lengths)
        if horizon is None and recurrent_gain is None:
            return self._as_returned(self._core.gradients(*sequence, as_threads(n_threads)))
        made = self._core.gradients_with(
            *sequence,
            as_threads(n_threads),
            None if horizon is None else checked("horizon", "int | str", horizon),
            None if recurrent_gain is None else number("recurrent_gain", recurrent_gain),
        )
        return self._as_returned(made)

    def _as_returned(self, gradients: dict[str, Any]) -> dict[str, Any]:
        """Rows of listed synapses as sparse arrays."""
        for name in ("W_in", "W_rec") if self._is_listed else ():
            if len(gradients[name]) == 1:
                gradients[name] = as_sparse(gradients[name][0], *self._lists(name))
        return gradients

    def _as_taken(self, gradients: dict[str, Any]) -> dict[str, Any]:
        for name in ("W_in", "W_rec") if self._is_listed else ():
            if name in gradients:
                what = f'gradients["{name}"]'
                gradients[name] = as_listed(what, gradients[name], *self._lists(name))[None]
        return gradients

    @property
    def storage(self) -> str:
        """How synapses lie in memory.

        ``"dense"``: all exist. ``"masked"``: not all do, and rows have a place for each neuron all the same. ``"listed"``:
        rows are lists of the synapses that exist; `W_in`, `W_rec`, `e_bar` and their gradients are SciPy sparse arrays.
        Lists in factors are taken below a density of a half (0.12 where neurons adapt, have a `tau_mem` each or get their
        input through `tau_syn`), and at any density where weights change at every step or rest for fewer than 8. A
        `horizon`, and neurons that adapt and have one of the other two, are in lists of the block form below a density of
        0.2, or of the textbook form. Masked are those of more synapses, and synapses that move with an array as
        `tau_mem` or a `horizon`. `docs/wiring.md` has the rest.

        Examples
        --------
        >>> EpropTrainer(3, 50, 1).storage, EpropTrainer(3, 50, 1, connect_rec=0.1).storage
        ('dense', 'listed')
        """
        if self.connect_in is None and self.connect_rec is None:
            return "dense"
        return "listed" if self._is_listed else "masked"

    @property
    def psi(self) -> Array:
        """Surrogate derivatives of the last step (N,); (B, N) of a batch."""
        return self._core.psi  # type: ignore[no-any-return]

    @property
    def L(self) -> Array:
        """The learning signal of the last step (N,), 0 of a step without learning; (B, N) of a batch.

        Examples
        --------
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> _ = trainer.step([1, 0], learning_signal=[0.5, 0.0, -0.5])
        >>> trainer.L
        array([ 0.5,  0. , -0.5], dtype=float32)
        """
        return self._core.L  # type: ignore[no-any-return]


def _engine(trainer: EpropTrainer) -> str | None:
    asked, core = trainer.__dict__["engine"], trainer.__dict__.get("_core")
    return asked if asked is not None or core is None else Chosen(core.engine)


# After the decorator, which would take a property for the field's default.
setattr(EpropTrainer, "engine", property(_engine, doc="The form that the synapses take."))  # noqa: B010
say_what_is_trained(EpropTrainer)
