"""What the two trainers of sequences share: steps, sequences, streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any, Literal, TypedDict, overload

from numpy.typing import ArrayLike, NDArray

from ._arrays import as_mask, as_numbers
from ._base import Trainer
from ._batches import are_several, as_lengths, as_sequences, as_steps, as_targets, as_threads, steps_of
from ._events import Inputs, StepInput
from ._fields import number
from ._labels import spread_labels
from ._listeners import listeners
from ._plan import Plan

__all__ = ["SequenceTrainer", "Step"]

Array = NDArray[Any]


_TRAINED = ("train_in", "train_rec", "train_out")
"""Parameters of constructors that are no fields."""


class _Outcome(TypedDict):
    spikes: Array
    output: Array


class Step(_Outcome, total=False):
    """What a step returns: `spikes` (N,), `output` (O,) and, exactly when a target was given, `loss`."""

    loss: float


class SequenceTrainer(Trainer):
    """The methods of trainers that take inputs and targets, time first."""

    _core_class: Any

    @classmethod
    def plan(cls, *args: Any, **kwargs: Any) -> Plan:
        """What a trainer would take, before anything of its size is allocated.

        Parameters
        ----------
        *args, **kwargs
            As the constructor takes them.

        Returns
        -------
        Plan
            The form of the synapses, bytes, and what a step costs.

        Raises what the constructor raises, but for memory that is not there.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> plan = EpropTrainer.plan(1_000, 31_000, 2)  # a billion synapses, on any machine
        >>> plan.engine, plan.bytes >> 30
        ('factored', 7)
        """
        bound = signature(cls).bind(*args, **kwargs)
        bound.apply_defaults()
        face: Any = object.__new__(cls)
        face.__dict__.update(bound.arguments)
        trained = {name: face.__dict__.pop(name) for name in _TRAINED if name in face.__dict__}
        if trained:
            face._fix(**trained)
        face._check_fields()
        return Plan(*cls._core_class.plan(face))

    def step(
        self,
        x: StepInput,
        target: ArrayLike | None = None,
        *,
        learning_signal: ArrayLike | None = None,
        weight: ArrayLike = 1.0,
    ) -> Step:
        """One step of ``dt``: forward and, if an update is due, learning.

        Parameters
        ----------
        x : array_like (n_inputs,), or events
            Spikes or analog values. Or the indices of the inputs that spike, several times if they do, as a 1-tuple
            ``(units,)``: an array alone is always values.
        target : array_like (n_outputs,), or int, optional
            Without one, the step has no error; the regulariser and due updates go on. An integer is a label: the output
            that should be 1 where all others are 0, whatever the loss; -1 is no target. Of a batch (B, n_outputs), or
            labels (B,).
        learning_signal : array_like (N,), optional
            The learning signal L in the place of ``B err``, with a target or without one; `weight` does not scale it. The
            readouts learn from the target alone. Without a target there is no loss to measure the gradient by: the limit
            of ``"sgd"`` keeps what it knows. Of a stack (n_outputs,): the signal of the last layer, in the place of err.
            Of a batch (B, N). In the block form such a step costs a pass over all synapses.
        weight : float
            What the loss of this step is multiplied with, and so its gradient: finite, at least 0. 0 is no target. Of a
            batch a number for all streams, or (B,).

        Returns
        -------
        dict
            ``spikes`` (N,), ``output`` (O,), and ``loss``, a float, exactly when a target was given: the loss times
            `weight`, of a batch the mean over the streams that have a target.

        Raises
        ------
        ValueError
            A wrong shape, NaN or infinity, a label that names no output, a negative weight; nothing has changed.
        TypeError
            Not an array of real numbers.
        FloatingPointError
            Learning drove weights out of the finite range.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> trainer.step([1, 0])["spikes"].shape
        (3,)
        >>> trainer.step([1, 0], target=[0.5])["loss"] > 0
        True
        >>> _ = trainer.step((np.array([0]),))
        >>> classes = EpropTrainer(2, 3, 4, loss="cross_entropy")
        >>> "loss" in classes.step([1, 0], 3, weight=0.5), "loss" in classes.step([1, 0], -1)
        (True, False)
        """
        return self._core.step(  # type: ignore[no-any-return]
            as_steps(x),
            None if target is None else as_numbers("target", target),
            None if learning_signal is None else as_numbers("learning_signal", learning_signal),
            None if type(weight) is float and weight == 1.0 else as_numbers("weight", weight),
        )

    @overload
    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_outputs: Literal[False] = False,
        n_threads: int | None = None,
    ) -> float: ...
    @overload
    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_outputs: Literal[True],
        n_threads: int | None = None,
    ) -> tuple[float, Array]: ...
    @overload
    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_outputs: bool,
        n_threads: int | None = None,
    ) -> float | tuple[float, Array]: ...
    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_outputs: bool = False,
        n_threads: int | None = None,
    ) -> float | tuple[float, Array]:
        """Learns from a sequence, or from several side by side.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (B, T, n_inputs), or events
            Floats of any width, ints or bools, in any layout, memory maps too: they are converted piece by piece, and no
            copy is made of the whole.
            Events are integer arrays ``(times, units)`` in any order, or ``(times, units, n_steps)``, where two spikes
            of one input at one step add up; or a sparse matrix (T, n_inputs) of SciPy's, or one that converts to it. No
            dense array is made of them.
            Several sequences, up to `batch_size`, are an array with an axis of B streams, or a list with the rows or the
            events of each, of any lengths.
        targets : array_like (T, n_outputs) or (B, T, n_outputs), or integer labels
            Labels have no axis of outputs: integers (T,) or (B, T), one for each step, or an integer or (B,), one for each
            sequence: at all its steps that `mask` leaves. A label k is a row that is 1 at output k and 0 elsewhere,
            whatever the loss; -1 is no target. Bools and floats are no labels.
        mask : array_like of bool (T,) or (B, T), optional
            The steps that have a target; elsewhere `targets` is not read. All else goes on there: neurons fire, and the
            regulariser counts them.
        weights : array_like (T,) or (B, T), optional
            What the loss of each step is multiplied with, and so its gradient: finite, at least 0. 0 is no target. Not
            read where the mask is False.
        lengths : array_like of int (B,), optional
            The steps of each stream. What arrays have beyond them does not happen and is not read: no spike, no
            regulariser, no loss, no count.
        reset : bool
            True: a whole sequence, from a silent network, with nothing left pending. False: a piece of a stream.
        return_outputs : bool
            Also return the outputs.
        n_threads : int, optional
            Over how many threads streams are spread, or the neurons of a single stream where a network in lists has 2^20
            synapses or more. None: what the environment variable ``EPROP_NUM_THREADS`` says, else one per core. The
            result is the same to the bit.

        Returns
        -------
        float, or (float, numpy.ndarray (T, n_outputs) or (B, T, n_outputs))
            The mean loss over the steps that have a target, each times its weight, of all streams; NaN if none has:
            the weighted sum over the number of steps, as for ``reduction="mean"``. Outputs are 0 beyond a stream's length.

        Raises
        ------
        ValueError
            A wrong shape, T = 0, NaN or infinity, a label that names no output, a negative weight; nothing has changed.
        TypeError
            Not arrays of real numbers, masked arrays (name the steps that have a target with `mask`), or a mask that is
            not bool.
        FloatingPointError
            Learning drove weights out of the finite range.
        RuntimeError
            Another thread or a signal handler has resized, reshaped or retyped an array; what was learned stays.
        KeyboardInterrupt
            What was learned stays, and every stream has taken whole steps. Of a batch the first streams may have taken
            steps that the others have not, as if these had been shorter; an update that was due then has not been made,
            and its gradient waits for the next, or for `update()`.

        Warns
        -----
        FiringRateWarning
            Nothing fired, or nearly everything always; once until `reset()`.
        DivergenceWarning
            The loss has run away; once until `reset()`.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> batch = EpropTrainer(2, 3, 1, batch_size=8)
        >>> inputs, targets = np.ones((3, 9, 2)), np.ones((3, 9, 1))
        >>> loss, outputs = batch.train_sequence(inputs, targets, lengths=[9, 4, 1], return_outputs=True)
        >>> outputs.shape
        (3, 9, 1)
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> loss, outputs = trainer.train_sequence(np.eye(2), [[0.0], [1.0]], return_outputs=True)
        >>> outputs.shape
        (2, 1)
        >>> times, units = np.nonzero(np.eye(2))
        >>> EpropTrainer(2, 3, 1).train_sequence((times, units), [[0.0], [1.0]]) == loss
        True
        """
        loss, outputs = self._core.train_sequence(
            *self._sequence(inputs, targets, mask, weights, lengths),
            bool(reset),
            bool(return_outputs),
            as_threads(n_threads),
        )
        return (loss, outputs) if return_outputs else loss

    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_spikes: Literal[False] = False,
        n_threads: int | None = None,
    ) -> Array: ...
    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_spikes: Literal[True],
        n_threads: int | None = None,
    ) -> tuple[Array, Array]: ...
    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_spikes: bool,
        n_threads: int | None = None,
    ) -> Array | tuple[Array, Array]: ...
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        lengths: ArrayLike | None = None,
        reset: bool = True,
        return_spikes: bool = False,
        n_threads: int | None = None,
    ) -> Array | tuple[Array, Array]:
        """Runs over a sequence without learning; state and traces move on.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (B, T, n_inputs), or events
            As in `train_sequence`; pairs say how many steps there are: ``(times, units, n_steps)``.
        lengths : array_like of int (B,), optional
            As in `train_sequence`.
        reset : bool
            Start from a silent network.
        return_spikes : bool
            Also return the spikes.
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        numpy.ndarray (T, n_outputs) or (B, T, n_outputs), or a pair with the spikes (T, N) or (B, T, N)

        Raises
        ------
        ValueError, TypeError
            As in `train_sequence`.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> outputs, spikes = EpropTrainer(2, 3, 1).predict_sequence(np.eye(2), return_spikes=True)
        >>> outputs.shape, spikes.shape
        ((2, 1), (2, 3))
        """
        outputs, spikes = self._core.predict_sequence(
            as_sequences(inputs, self._n_inputs),
            as_lengths(lengths),
            bool(reset),
            bool(return_spikes),
            as_threads(n_threads),
        )
        return (outputs, spikes) if return_spikes else outputs

    def train_stream(
        self,
        iterable: Iterable[
            tuple[StepInput, ArrayLike | None] | tuple[StepInput, ArrayLike | None, ArrayLike]
        ],
        *,
        reset: bool = False,
        callbacks: Sequence[Any] | None = None,
    ) -> Iterator[Step]:
        """Learns from a stream, lazily, and keeps nothing of it.

        Parameters
        ----------
        iterable : iterable of (x, target or None) or (x, target or None, weight)
            As `step` takes them.
        reset : bool
            Start from a silent network.
        callbacks : list or tuple, optional
            Objects with a method ``on_step(trainer, logs)``, called after each step: an `eprop.record.Recorder`, or one of
            `eprop.callbacks` that has it.

        Yields
        ------
        dict
            What `step` returns.

        Raises
        ------
        TypeError
            Not an iterable, or an item that is neither; a callback without `on_step`. Earlier steps stay, here as for all
            that `step` raises.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> stream = [([1, 0], None), ([0, 1], [0.5])]
        >>> ["loss" in step for step in trainer.train_stream(stream)]
        [False, True]
        """
        try:
            items = iter(iterable)
        except TypeError:
            raise TypeError(
                f"iterable: expected an iterable of pairs (x, target or None), got {type(iterable).__name__}"
            ) from None
        on_step = _who_listen(callbacks)
        if reset:
            self.reset()
        for n, item in enumerate(items, start=1):
            try:
                x, target, *rest = item
                (weight,) = rest or (1.0,)
            except (TypeError, ValueError):
                raise TypeError(
                    "iterable: expected pairs (x, target or None), or with a weight as a third, got "
                    f"{type(item).__name__}"
                ) from None
            outcome = self.step(x, target, weight=weight)
            for told in on_step:
                told(self, {"step": n, "loss": outcome["loss"]} if "loss" in outcome else {"step": n})
            yield outcome

    def gradients(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
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
        lengths : array_like of int (B,), optional
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        dict
            Recurrent: ``W_in``, ``W_rec``, ``W_out``, ``b``; stack: ``W``, a list; both: ``loss``, the weighted
            sum, ``n_targets``, how many steps had a target, and ``n_streams``, from how many streams. The regulariser is in
            the gradient, not in the loss. Sums over all streams, whatever `reduction` says.

        Raises what `train_sequence` raises for bad input.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> gradients = EpropTrainer(2, 3, 1).gradients(np.eye(2), [[0.0], [1.0]])
        >>> gradients["W_rec"].shape, gradients["loss"] > 0
        ((3, 3), True)
        """
        return self._core.gradients(  # type: ignore[no-any-return]
            *self._sequence(inputs, targets, mask, weights, lengths), as_threads(n_threads)
        )

    def apply_gradients(self, gradients: Mapping[str, Any]) -> None:
        """One step of the optimizer, at once, with a gradient as `gradients` returns it: summed over others, or changed.

        What is pending stays pending; traces, and the count of steps, stay as they are.

        Parameters
        ----------
        gradients : mapping
            ``W_in``, ``W_rec``, ``W_out`` and, with `readout_bias`, ``b``; of a stack ``W``, a list. ``n_targets`` is what
            ``reduction="mean"`` divides by; with ``loss`` and ``n_streams`` it limits the step of ``SGD(limit=True)``, whose
            length is that of the whole gradient, the regulariser's part included. Other optimizers do not read them.

        Raises
        ------
        ValueError
            A key too many or too few, a wrong shape, NaN or infinity, a self-connection; nothing has changed.
        TypeError
            Not a mapping of arrays of real numbers.
        FloatingPointError
            The step drove weights out of the finite range.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence", dtype="float64")
        >>> one = trainer.gradients(np.eye(2), [[0.0], [1.0]])
        >>> other = trainer.gradients(np.ones((2, 2)), [[0.0], [1.0]])
        >>> trainer.apply_gradients({key: one[key] + other[key] for key in one})
        """
        if not isinstance(gradients, Mapping):
            kind = type(gradients).__name__
            raise TypeError(
                f"gradients: expected a dict, as gradients() returns it, got {gradients!r} ({kind})"
            )
        taken = self._as_taken(dict(gradients))
        self._core.apply_gradients({key: _as_gradient(key, value) for key, value in taken.items()})

    def _as_taken(self, gradients: dict[str, Any]) -> dict[str, Any]:
        return gradients

    @overload
    def evaluate(
        self,
        inputs: Inputs,
        targets: None = None,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> Array: ...
    @overload
    def evaluate(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, Array]: ...
    def evaluate(
        self,
        inputs: Inputs,
        targets: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> Array | tuple[float, Array]:
        """What the present weights make of sequences, each from a silent start; the stream stays where it is.

        Nothing moves: neither state nor traces nor a pending gradient. The outputs are those that a copy's
        `predict_sequence` would give, to the bit, and no copy of the weights is made but of `W_out`.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (S, T, n_inputs), or events
            As in `train_sequence`, of any number of sequences.
        targets : array_like (T, n_outputs) or (S, T, n_outputs), or integer labels, optional
        mask : array_like of bool (T,) or (S, T), optional
        weights : array_like (T,) or (S, T), optional
        lengths : array_like of int (S,), optional
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        numpy.ndarray (T, n_outputs) or (S, T, n_outputs), or (float, numpy.ndarray)
            The outputs; with `targets`, the mean loss over the steps that have one, and the outputs.

        Raises
        ------
        ValueError, TypeError
            As in `train_sequence`; a mask or weights without targets.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> _ = trainer.step([1, 0], target=[0.5])
        >>> loss, outputs = trainer.evaluate(np.ones((7, 20, 2)), np.zeros((7, 20, 1)))
        >>> outputs.shape, loss >= 0
        ((7, 20, 1), True)
        """
        if targets is None:
            if mask is not None:
                raise ValueError(
                    "mask: expected together with targets, which it selects, got a mask without targets"
                )
            if weights is not None:
                raise ValueError("weights: expected together with targets, got weights without targets")
            sequence: tuple[Any, ...] = (
                as_sequences(inputs, self._n_inputs),
                None,
                None,
                None,
                as_lengths(lengths),
            )
        else:
            sequence = self._sequence(inputs, targets, mask, weights, lengths)
        loss, outputs = self._core.evaluate(*sequence, as_threads(n_threads))
        return outputs if targets is None else (loss, outputs)

    def update(self) -> None:
        """Applies the pending gradient now, without moving the count of steps.

        Raises ``FloatingPointError`` if it drove weights out of the finite range.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence")
        >>> _ = trainer.step([1, 1], target=[1])
        >>> trainer.update()
        """
        self._core.update()

    @property
    def n_updates(self) -> int:
        """How many updates there have been, those of `apply_gradients` included: what a schedule of `lr` follows.

        With ``update_every=1`` every step of learning is one. `reset()` keeps the count, copies and pickles carry it.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> from eprop.optim import linear
        >>> trainer, schedule = EpropTrainer(2, 3, 1), linear(0.01, n_updates=100)
        >>> for _ in range(25):
        ...     trainer.lr = schedule(trainer.n_updates)
        ...     _ = trainer.step([1, 1], target=[1])
        >>> trainer.n_updates, trainer.lr
        (25, 0.0076)
        """
        return self._core.n_updates  # type: ignore[no-any-return]

    @property
    def output(self) -> Array:
        """The last step's output (O,), or (batch_size, O) of a batch; logits under cross-entropy."""
        return self._core.output  # type: ignore[no-any-return]

    def _calibrate(self, inputs: Any, rate: float, names: list[str]) -> list[float]:
        """The factor of each of these matrices; says what it did to whoever listens to the logger ``eprop``."""
        done = self._core.calibrate(as_sequences(inputs, self._n_inputs), number("rate", rate))
        import logging  # not at import, which it makes two milliseconds longer

        logger = logging.getLogger("eprop")
        for name, (factor, before, after) in zip(names, done, strict=True):
            logger.info("calibrate: %s times %.3g: %.3g Hz, before %.3g Hz", name, factor, after, before)
        return [factor for factor, _, _ in done]

    def _sequence(
        self, inputs: Inputs, targets: Any, mask: Any, weights: Any, lengths: Any
    ) -> tuple[Any, ...]:
        targets = as_targets(targets)
        sequences = as_sequences(inputs, self._n_inputs, steps_of(targets, are_several(inputs)))
        return (
            sequences,
            spread_labels(targets, sequences),
            None if mask is None else as_mask("mask", mask),
            None if weights is None else as_numbers("weights", weights),
            as_lengths(lengths),
        )


def _who_listen(callbacks: Any) -> list[Callable[[Any, Mapping[str, Any]], Any]]:
    if not isinstance(callbacks, (list, tuple, type(None))):
        raise TypeError(f"callbacks: expected None or a list of them, got {type(callbacks).__name__}")
    for callback in callbacks or ():
        if not listeners([callback], "on_step"):
            raise TypeError(
                f"callbacks: expected objects with on_step, got {type(callback).__name__}; on_epoch_end and on_sequence are "
                "called by an estimator's fit alone"
            )
    return listeners(callbacks, "on_step")


def _as_gradient(key: Any, value: Any) -> Any:
    name = f'gradients["{key}"]'
    if key in ("loss", "n_targets", "n_streams"):
        return value
    if key == "W" and isinstance(value, (list, tuple)):
        return [as_numbers(f"{name}[{layer}]", w) for layer, w in enumerate(value)]
    return as_numbers(name, value)
