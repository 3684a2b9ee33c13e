"""Streams on several ranks: each makes the gradient of its own, and all take the same step with the sum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._batches import as_threads
from .._events import Inputs
from .._files import Path
from .._stack import OnlineTrainer
from .._trainer import EpropTrainer
from ._agreement import Agreement, fields_of, rates_of, sum_of, sum_of_trainer, sum_of_weights
from ._checkpoints import load_on_all, save_by_one
from ._exchange import Exchange, world
from ._outputs import gather, joined
from ._parameters import add_to_vector, as_gradients, n_parameters, readout_of
from ._rates import Rates
from ._refusals import check
from ._streams import Streams
from ._sums import add_up

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DataParallel"]

Array = NDArray[Any]
Trainer = EpropTrainer | OnlineTrainer

_WEIGHTS_EVERY = 16
"""Updates after which all weights are compared; those of the readout are at each."""


class DataParallel(Rates):
    """A trainer whose streams are spread over the ranks of an MPI job.

    Each rank has the whole network. In `train_sequence` each makes the gradient of its own streams, the gradients are added
    up in the order of the ranks, and every rank takes the same step with the sum, so that weights stay the same on all to
    the bit. R ranks learn what one process learns from all streams: with the same R the same bits, and with another the same
    numbers to the order of summation. All ranks make the same calls in the same order.

    Each call is of whole sequences from a silent network, as ``reset=True``. Warnings are those of a rank's own streams.

    Parameters
    ----------
    trainer : EpropTrainer or OnlineTrainer
        With ``update_every="sequence"``, and built alike on all ranks. A call may have more streams than `batch_size`,
        which are then worked on so many at a time.
    comm : mpi4py.MPI.Comm, optional
        None: all ranks of the job. Messages have the tag 20761.
    data : str
        What a rank hands over. ``"share"``: its own streams, as in PyTorch's DistributedDataParallel and in Horovod; it may
        have none, an empty list. ``"whole"``: the streams of all ranks, the same on each, of which it takes its part.
    timeout : float, optional
        Seconds after which ranks that do not answer are given up. None: never.

    Attributes
    ----------
    trainer : EpropTrainer or OnlineTrainer
    lr, lr_in, lr_rec, lr_out : float or None
        Those of the trainer, as far as it has them; may be assigned, on all ranks alike.
    rank, size : int
        Of this process; how many there are.

    Raises
    ------
    ValueError
        An `update_every` other than ``"sequence"``; a regulariser (`c_reg`) together with a limit of the step, where the
        step of a summed gradient would be another than that of one process.
    RankError
        Ranks differ in a field, in weights, or in what the optimizer keeps; or a rank is not there.
    ImportError
        No library of MPI is found, where no `comm` is given.

    Examples
    --------
    In a job of one rank, as without mpiexec:

    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> from eprop.mpi import DataParallel
    >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence", batch_size=4)
    >>> parallel = DataParallel(trainer)
    >>> loss = parallel.train_sequence(np.ones((4, 20, 2)), np.zeros((4, 20, 1)))
    >>> loss >= 0, trainer.n_updates, parallel.size
    (True, 1, 1)
    """

    def __init__(
        self, trainer: Trainer, comm: Any = None, *, data: str = "share", timeout: float | None = 600.0
    ) -> None:
        self._trainer = trainer
        self._exchange = Exchange(world() if comm is None else comm, timeout)
        agreement = Agreement(self._exchange, "DataParallel")
        with agreement.work():
            check(trainer)
            if data not in ("share", "whole"):
                raise ValueError(f'data: expected "share" or "whole", got {data!r}')
            agreement.same |= {"data": data, **fields_of(trainer), "weights": sum_of_trainer(trainer)}
        agreement.reach()
        self._is_whole = data == "whole"
        # The gradient, and views of it by the names of the weights.
        self._vector: Array = np.zeros(n_parameters(trainer), trainer.dtype)
        self._arrays = as_gradients(trainer, self._vector)

    @property
    def trainer(self) -> Trainer:
        """The trainer of this rank."""
        return self._trainer

    @property
    def _rated(self) -> Any:
        return self._trainer

    @property
    def rank(self) -> int:
        """Of this process, from 0."""
        return self._exchange.rank

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self._exchange.size

    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        return_outputs: bool = False,
        n_threads: int | None = 1,
    ) -> Any:
        """One update from the streams of all ranks.

        Parameters
        ----------
        inputs, targets, mask, weights, lengths
            As `train_sequence` of a trainer takes them: the streams of this rank, or those of all with ``data="whole"``.
        return_outputs : bool
            Also return the outputs, which are those before the update.
        n_threads : int, optional
            Of each rank. None: as of a trainer, which is one per core.

        Returns
        -------
        float, or (float, numpy.ndarray)
            The mean loss over the steps with a target of all ranks, NaN if none has one; the outputs of this rank's
            streams, of all streams with ``data="whole"``, None if it has none.

        Raises
        ------
        ValueError, TypeError
            As of a trainer; no stream on any rank. Nothing has changed on any rank.
        RankError
            Another rank raised one of these, was given other learning rates, or makes another call: nothing has changed.
            Ranks whose weights differ. A rank that does not answer: the job ends when this process does.
        FloatingPointError
            Learning drove weights out of the finite range.
        """
        agreement = self._agreement("train_sequence", with_weights=True)
        agreement.same["return_outputs"] = bool(return_outputs)
        with agreement.work():
            streams = self._read(agreement, inputs, targets, mask, weights, lengths)
            total, outputs = self._of_own(agreement, streams, n_threads, return_outputs)
        notes = agreement.reach()
        total = self._summed(total, notes)
        n_targets = total["n_targets"]
        loss = total["loss"] / n_targets if n_targets > 0 else math.nan
        if n_targets == 0:  # then an update is of all steps, of which the loss says nothing
            total["n_targets"] = sum(note["n_steps"] for note in notes)
        self.trainer._core.apply_gradients(total)
        return (loss, self._gathered("train_sequence", streams, outputs)) if return_outputs else loss

    def gradients(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = 1,
    ) -> dict[str, Any]:
        """The gradient of the streams of all ranks, the same on each; weights stay as they were.

        Parameters
        ----------
        inputs, targets, mask, weights, lengths, n_threads
            As of `train_sequence`.

        Returns
        -------
        dict
            As `gradients` of a trainer returns it, which `trainer.apply_gradients` takes on every rank.

        Raises what `train_sequence` raises.
        """
        agreement = self._agreement("gradients")
        with agreement.work():
            streams = self._read(agreement, inputs, targets, mask, weights, lengths)
            total, _ = self._of_own(agreement, streams, n_threads)
        total = self._summed(total, agreement.reach())
        total = {name: _copied(value) for name, value in total.items()}
        return self.trainer._as_returned(total) if isinstance(self.trainer, EpropTrainer) else total

    def evaluate(
        self,
        inputs: Inputs,
        targets: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        n_threads: int | None = 1,
    ) -> Any:
        """What the present weights make of sequences, any number of them.

        Parameters
        ----------
        inputs, targets, mask, weights, lengths, n_threads
            As of `train_sequence`, without targets too.

        Returns
        -------
        numpy.ndarray or None, or (float, numpy.ndarray or None)
            The outputs of this rank's streams, of all streams with ``data="whole"``, None if it has none; with `targets`
            the mean loss over those of all ranks before them.

        Raises what `train_sequence` raises.
        """
        agreement = self._agreement("evaluate")
        agreement.same["targets"] = targets is not None
        outputs, loss = None, 0.0
        with agreement.work():
            if targets is None and (mask is not None or weights is not None):
                raise ValueError("targets: expected targets together with mask and weights, got None")
            streams = self._read(agreement, inputs, targets, mask, weights, lengths)
            if len(streams) > 0:
                loss, outputs = self.trainer._core.evaluate(*streams.arguments, as_threads(n_threads))
            n_targets = 0 if targets is None else streams.n_targets
            agreement.own = {"loss": loss * n_targets if n_targets > 0 else 0.0, "n_targets": n_targets}
        notes = agreement.reach()
        outputs = self._gathered("evaluate", streams, outputs)
        if targets is None:
            return outputs
        n = sum(note["n_targets"] for note in notes)
        return (sum(note["loss"] for note in notes) / n if n > 0 else math.nan), outputs

    def predict_sequence(
        self,
        inputs: Inputs,
        *,
        lengths: ArrayLike | None = None,
        return_spikes: bool = False,
        n_threads: int | None = 1,
    ) -> Any:
        """Runs over sequences from a silent network without learning.

        Parameters
        ----------
        inputs, lengths, n_threads
            As of `train_sequence`.
        return_spikes : bool
            Also return the spikes.

        Returns
        -------
        numpy.ndarray or None, or a pair of them
            The outputs, and the spikes (B, T, N), as `evaluate` returns outputs.

        Raises what `train_sequence` raises.
        """
        agreement = self._agreement("predict_sequence")
        agreement.same["return_spikes"] = bool(return_spikes)
        outputs = spikes = None
        with agreement.work():
            streams = self._read(agreement, inputs, None, None, None, lengths)
            if len(streams) > 0:
                outputs, spikes = self.trainer._core.predict_sequence(
                    streams.inputs, streams.lengths, True, bool(return_spikes), as_threads(n_threads)
                )
        agreement.reach()
        outputs = self._gathered("predict_sequence", streams, outputs)
        if not return_spikes:
            return outputs
        return outputs, self._gathered("predict_sequence", streams, spikes)

    def save(self, path: Path) -> None:
        """Rank 0 writes the file that `trainer.save` writes, and all wait for it. Example: `load`.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            On rank 0, and RankError on the others. The old file is there.
        RankError
            Ranks whose weights differ.
        """
        agreement = self._agreement("save")
        agreement.same["weights"] = sum_of_weights(self.trainer)
        agreement.reach()
        save_by_one(self._exchange, self.trainer, path)

    @classmethod
    def load(
        cls, path: Path, comm: Any = None, *, data: str = "share", timeout: float | None = 600.0
    ) -> Self:
        """The trainer of a file, on all ranks, however many wrote it; rank 0 alone reads the file.

        Parameters
        ----------
        path : str or os.PathLike
            What `save` wrote, of a trainer or here.
        comm, data, timeout
            As of the constructor.

        Raises
        ------
        OSError, ValueError
            On rank 0, as of `eprop.load`, and RankError on the others.

        Examples
        --------
        >>> import os, tempfile
        >>> from eprop import EpropTrainer
        >>> from eprop.mpi import DataParallel
        >>> path = os.path.join(tempfile.mkdtemp(), "network.safetensors")
        >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence")
        >>> DataParallel(trainer).save(path)
        >>> DataParallel.load(path).trainer.state_equal(trainer)
        True
        """
        comm = world() if comm is None else comm
        trainer = load_on_all(Exchange(comm, timeout), path)
        return cls(trainer, comm, data=data, timeout=timeout)

    # What the calls share

    def _agreement(self, doing: str, *, with_weights: bool = False) -> Agreement:
        rates = rates_of(self.trainer)
        sums = {}
        if with_weights:
            sums["weights of the readout"] = sum_of(*readout_of(self.trainer))
            if rates["n_updates"] % _WEIGHTS_EVERY == 0:
                sums["weights"] = sum_of_weights(self.trainer)
        return Agreement(self._exchange, doing, **rates, **sums)

    def _read(self, agreement: Agreement, *arguments: Any) -> Streams:
        """The streams that this rank works on."""
        streams = Streams.read(self.trainer, *arguments)
        if not self._is_whole:
            return streams
        if len(streams) == 0:
            raise ValueError("inputs: expected at least one stream, got none")
        agreement.same |= {
            "number of streams": len(streams),
            "steps": streams.n_steps,
            "sample": streams.sample,
        }
        return streams.of_rank(self.rank, self.size)

    def _of_own(
        self, agreement: Agreement, streams: Streams, n_threads: int | None, return_outputs: bool = False
    ) -> tuple[dict[str, Any], Array | None]:
        """The gradient of this rank's streams, in `_vector`, whose counts the others are told; the outputs."""
        counts: dict[str, Any] = {"loss": 0.0, "n_targets": 0, "n_streams": 0}
        self._vector[...] = 0.0
        pieces = []
        for few in streams.a_few_at_a_time(self.trainer.batch_size):
            with few.named():
                gradients, outputs = self.trainer._core.train_for_gradients(
                    *few.arguments, bool(return_outputs), as_threads(n_threads)
                )
            add_to_vector(gradients, self._vector)
            counts = {name: counts[name] + gradients[name] for name in counts}
            pieces.append(outputs)
        agreement.own = {**counts, "n_steps": streams.n_steps}
        return counts, joined(pieces) if return_outputs else None

    def _summed(self, counts: dict[str, Any], notes: list[Any]) -> dict[str, Any]:
        """The gradient of all ranks, in `_arrays`, with its counts."""
        counts = {name: sum(note[name] for note in notes) for name in counts}
        if counts["n_streams"] == 0:
            raise ValueError("inputs: expected at least one stream on all ranks together, got none")
        add_up(self._exchange, self._vector)
        return {**self._arrays, **counts}

    def _gathered(self, doing: str, streams: Streams, own: Array | None) -> Array | None:
        """The outputs of the streams of all ranks, where all ranks were given all of them."""
        return gather(self._exchange, doing, own) if self._is_whole else own


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [each.copy() for each in value]
    return value.copy() if isinstance(value, np.ndarray) else value
