"""What the two trainers of sequences share: steps, sequences, streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypedDict, overload

from numpy.typing import ArrayLike, NDArray

from ._arrays import as_mask, as_numbers
from ._base import Trainer
from ._batches import as_step_streams, as_stream_inputs, as_stream_targets, as_threads
from ._events import Inputs, StepInput, are_events, as_inputs, as_step
from ._fields import number
from ._warnings import warn_of

__all__ = ["SequenceTrainer", "Step"]

Array = NDArray[Any]


class _Outcome(TypedDict):
    spikes: Array
    output: Array


class Step(_Outcome, total=False):
    """What a step returns: `spikes` (N,), `output` (O,) and, exactly when a target was given, `loss`."""

    loss: float


class SequenceTrainer(Trainer):
    """Methods over engines that take inputs and targets, time first."""

    def step(self, x: StepInput, target: ArrayLike | None = None) -> Step:
        """One step of ``dt``: forward and, if an update is due, learning.

        Parameters
        ----------
        x : array_like (n_inputs,), or events
            Spikes or analog values. Or the indices of the inputs that spike, several times if they do, as a 1-tuple
            ``(units,)``: an array alone is always values.
        target : array_like (n_outputs,), optional
            Without one, the step has no error; the regulariser and due updates go on.

        Returns
        -------
        dict
            ``spikes`` (N,), ``output`` (O,), and ``loss``, a float, exactly when a target was given.

        Raises
        ------
        ValueError
            A wrong shape, NaN or infinity; nothing has changed.
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
        """
        as_given = as_step if self._n_streams is None else as_step_streams
        return self._core.step(  # type: ignore[no-any-return]
            as_given(x), None if target is None else as_numbers("target", target)
        )

    @overload
    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
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
        reset: bool = True,
        return_outputs: bool = False,
        n_threads: int | None = None,
    ) -> float | tuple[float, Array]:
        """Learns from a sequence.

        Parameters
        ----------
        inputs : array_like (T, n_inputs), or events
            Floats of any width, ints or bools, in any layout, memory maps too: they are converted piece by piece, and no
            copy is made of the whole.
            Events are integer arrays ``(times, units)`` in any order, or ``(times, units, n_steps)``, where two spikes
            of one input at one step add up; or a sparse matrix (T, n_inputs) of SciPy's, or one that converts to it. No
            dense array is made of them.
        targets : array_like (T, n_outputs)
        mask : array_like of bool (T,), optional
            The steps that have a target; elsewhere `targets` is not read.
        reset : bool
            True: a whole sequence, from a silent network, with nothing left pending. False: a piece of a stream.
        return_outputs : bool
            Also return the outputs.
        n_threads : int, optional
            Of a batch only, where every array has a leading axis of B streams (a mask may do without), and a list
            holds the rows or the events of each: over how many threads they are spread. None: what the environment variable
            ``EPROP_NUM_THREADS`` says, else one per core. The result is the same to the bit.

        Returns
        -------
        float, or (float, numpy.ndarray (T, n_outputs))
            The mean loss over the steps that have a target, of all streams; NaN if none has.

        Raises
        ------
        ValueError
            A wrong shape, T = 0, NaN or infinity; nothing has changed.
        TypeError
            Not arrays of real numbers, masked arrays (name the steps that have a target with `mask`), or a mask that is
            not bool.
        FloatingPointError
            Learning drove weights out of the finite range.
        RuntimeError
            Another thread or a signal handler has resized, reshaped or retyped an array; what was learned stays.
        KeyboardInterrupt
            Between two steps; what was learned stays.

        Warns
        -----
        FiringRateWarning
            Nothing fired, or nearly everything always; once until `reset()`.

        Examples
        --------
        >>> import numpy as np
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> loss, outputs = trainer.train_sequence(np.eye(2), [[0.0], [1.0]], return_outputs=True)
        >>> outputs.shape
        (2, 1)
        >>> times, units = np.nonzero(np.eye(2))
        >>> EpropTrainer(2, 3, 1).train_sequence((times, units), [[0.0], [1.0]]) == loss
        True
        """
        loss, outputs, activity = self._core.train_sequence(
            *self._sequence(inputs, targets, mask),
            bool(reset),
            bool(return_outputs),
            *self._threads(n_threads),
        )
        if activity != "normal" and not self.__dict__["_warned"]:
            self.__dict__["_warned"] = True
            warn_of(activity, stacklevel=2)
        return (loss, outputs) if return_outputs else loss

    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        reset: bool = True,
        return_spikes: Literal[False] = False,
        n_threads: int | None = None,
    ) -> Array: ...
    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        reset: bool = True,
        return_spikes: Literal[True],
        n_threads: int | None = None,
    ) -> tuple[Array, Array]: ...
    @overload
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        reset: bool = True,
        return_spikes: bool,
        n_threads: int | None = None,
    ) -> Array | tuple[Array, Array]: ...
    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        reset: bool = True,
        return_spikes: bool = False,
        n_threads: int | None = None,
    ) -> Array | tuple[Array, Array]:
        """Runs over a sequence without learning; state and traces move on.

        Parameters
        ----------
        inputs : array_like (T, n_inputs), or events
            As in `train_sequence`; pairs say how many steps there are: ``(times, units, n_steps)``.
        reset : bool
            Start from a silent network.
        return_spikes : bool
            Also return the spikes.
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        numpy.ndarray (T, n_outputs), or a pair with the spikes (T, N)

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
            self._inputs(inputs), bool(reset), bool(return_spikes), *self._threads(n_threads)
        )
        return (outputs, spikes) if return_spikes else outputs

    def train_stream(
        self, iterable: Iterable[tuple[StepInput, ArrayLike | None]], *, reset: bool = False
    ) -> Iterator[Step]:
        """Learns from a stream, lazily, and keeps nothing of it.

        Parameters
        ----------
        iterable : iterable of (x, target or None)
        reset : bool
            Start from a silent network.

        Yields
        ------
        dict
            What `step` returns.

        Raises
        ------
        TypeError
            Not an iterable, or an item that is no pair. Earlier steps stay, here as for all that `step` raises.

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
        if reset:
            self.reset()
        for item in items:
            try:
                x, target = item
            except (TypeError, ValueError):
                raise TypeError(
                    f"iterable: expected pairs (x, target or None), got {type(item).__name__}"
                ) from None
            yield self.step(x, target)

    def gradients(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> dict[str, Any]:
        """The gradient of the sequence sum of the loss, from a silent network; weights and state stay as they were.

        Parameters
        ----------
        inputs : array_like (T, n_inputs), or events
        targets : array_like (T, n_outputs)
        mask : array_like of bool (T,), optional
        n_threads : int, optional
            As in `train_sequence`.

        Returns
        -------
        dict
            Recurrent: ``W_in``, ``W_rec``, ``W_out``, ``b``; stack: ``W``, a list; both: ``loss``, the sum. The
            regulariser is in the gradient, not in the loss. Of a batch: sums over its streams.

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
            *self._sequence(inputs, targets, mask), *self._threads(n_threads)
        )

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
    def output(self) -> Array:
        """The last step's output (O,), or (B, O) of a batch; logits under cross-entropy."""
        return self._core.output  # type: ignore[no-any-return]

    def _calibrate(self, inputs: Inputs, rate: float) -> Any:
        # Of a batch any number of sequences, one too.
        one = self._n_streams is not None and are_events(inputs)
        return self._core.calibrate(self._inputs([inputs] if one else inputs), number("rate", rate))

    @property
    def _n_streams(self) -> int | None:
        """How many, where arrays have an axis of them."""
        return None

    def _threads(self, n_threads: int | None) -> tuple[()] | tuple[int | None]:
        n_threads = as_threads(n_threads)
        return () if self._n_streams is None else (n_threads,)

    def _inputs(self, inputs: Any, n_steps: Any = None) -> Any:
        as_given = as_inputs if self._n_streams is None else as_stream_inputs
        return as_given(inputs, self._n_inputs, n_steps)

    def _sequence(
        self, inputs: Inputs, targets: ArrayLike, mask: ArrayLike | None
    ) -> tuple[Any, Any, Array | None]:
        given: Any = as_numbers("targets", targets) if self._n_streams is None else as_stream_targets(targets)
        n_steps: Any
        if isinstance(given, list):
            n_steps = [len(rows) for rows in given]
        else:
            axis_of_steps = 0 if self._n_streams is None else 1
            n_steps = given.shape[axis_of_steps] if given.ndim > axis_of_steps else None
        return self._inputs(inputs, n_steps), given, None if mask is None else as_mask("mask", mask)
