"""A network whose neurons are spread over ranks: each has a part of them, and they exchange spikes at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._batches import as_threads
from .._events import Events, Inputs
from .._fields import checked
from .._files import Path
from ._agreement import Agreement, rates_of, sum_of
from ._exchange import Exchange, world
from ._part import Part, Place, around, cut_fields
from ._part_files import read_part, save_parts
from ._rates import Rates
from ._steps import Steps
from ._streams import Streams, bounds

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NeuronParallel"]

Array = NDArray[Any]
Result = TypeVar("Result")

_LENGTHS = 3
"""Numbers that are added up where a gradient is measured: of W_in, of W_rec, of the readouts."""


class NeuronParallel(Rates):
    """A recurrent network whose neurons are spread over the ranks of an MPI job.

    Each rank has a part of the neurons, with all synapses that reach them, their columns of the readout and their feedback.
    At every step the ranks tell each other who has fired, and add up what they send to the readouts; where steps are limited
    or clipped, the squared lengths of the gradient, too. The network, its initial weights included, is that of an
    `EpropTrainer` with the same fields, and learns the same to the order of summation. All ranks make the same calls in the
    same order, with the same data.

    It takes the fields of a trainer, and not a trainer: a network for several machines fits on none. A density draws the
    synapses of the whole network on every rank, and keeps those of its own neurons.

    Parameters
    ----------
    n_inputs, n_neurons, n_outputs : int
        Of the whole network; `n_neurons` is at least the number of ranks.
    comm : mpi4py.MPI.Comm, optional
        None: all ranks of the job. Messages have the tags 20761 and 20762.
    timeout : float, optional
        Seconds after which ranks that do not answer are given up. None: never.
    **fields
        Those of `EpropTrainer`, by name, the same on all ranks. Arrays with a number for each neuron, and `sign`, are of the
        whole network. `connect_in` and `connect_rec` are a density, or an array with the rows of all neurons or of this
        rank's (`bounds_of`), on all ranks alike.

    Attributes
    ----------
    rank, size : int
        Of this process; how many there are.
    neurons : range
        The numbers of this rank's neurons.
    lr, lr_in, lr_rec, lr_out : float or None
        May be assigned, on all ranks alike.

    Raises
    ------
    ValueError, TypeError
        As of a trainer. What can't be spread: `batch_size`, `delay` and `horizon` other than 1, and what synapses that are
        listed can't do (`EpropTrainer.storage`).
    RankError
        Ranks were given other fields; or a rank is not there.
    ImportError
        No library of MPI is found, where no `comm` is given.

    Examples
    --------
    In a job of one rank, as without mpiexec:

    >>> import numpy as np
    >>> from eprop.mpi import NeuronParallel
    >>> network = NeuronParallel(2, 30, 1, connect_rec=0.2)
    >>> loss = network.train_sequence(np.ones((20, 2)), np.zeros((20, 1)))
    >>> loss >= 0, network.neurons, network.W_rec.shape
    (True, range(0, 30), (30, 30))
    """

    def __init__(
        self,
        n_inputs: int,
        n_neurons: int,
        n_outputs: int,
        comm: Any = None,
        *,
        timeout: float | None = 600.0,
        **fields: Any,
    ) -> None:
        exchange = Exchange(world() if comm is None else comm, timeout)
        agreement = Agreement(exchange, "NeuronParallel")
        with agreement.work():
            place = _place(n_neurons, exchange.rank, exchange.size)
            own, counts = cut_fields(agreement, place, n_inputs, fields)
            sizes = {"n_inputs": n_inputs, "n_neurons": n_neurons, "n_outputs": n_outputs}
            agreement.same |= {name: repr(size) for name, size in sizes.items()}
        agreement.reach()
        elsewhere = around(exchange, place, n_inputs, counts)
        agreement = Agreement(exchange, "NeuronParallel")
        with agreement.work():
            part = _part(place, elsewhere, n_inputs=n_inputs, n_outputs=n_outputs, **own)
        agreement.reach()
        self._become(exchange, part)

    def _become(self, exchange: Exchange, part: Part) -> None:
        self._exchange, self._part = exchange, part
        n, size = part.place.n, exchange.size
        counts = [len(range(*bounds(n, rank, size))) for rank in range(size)]
        self._steps = Steps(exchange, counts, max(part.n_outputs, _LENGTHS))
        part._core.set_ranks(self._steps)

    @property
    def _rated(self) -> Any:
        return self._part

    @staticmethod
    def bounds_of(n_neurons: int, rank: int, size: int) -> tuple[int, int]:
        """The first neuron of a rank, and the one behind its last.

        Examples
        --------
        >>> [NeuronParallel.bounds_of(10, rank, 4) for rank in range(4)]
        [(0, 3), (3, 6), (6, 8), (8, 10)]
        """
        return bounds(n_neurons, rank, size)

    @property
    def rank(self) -> int:
        """Of this process, from 0."""
        return self._exchange.rank

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self._exchange.size

    @property
    def neurons(self) -> range:
        """The numbers of this rank's neurons."""
        return range(self._part.place.first, self._part.place.end)

    @property
    def n_updates(self) -> int:
        """How many updates there have been."""
        return self._part.n_updates

    @property
    def W_in(self) -> Any:
        """Input weights of this rank's neurons (n, n_inputs), a SciPy sparse array."""
        return self._part.W_in

    @property
    def W_rec(self) -> Any:
        """Recurrent weights to this rank's neurons, from all (n, n_neurons), a SciPy sparse array."""
        return self._part.W_rec

    @property
    def W_out(self) -> Array:
        """Readout weights of this rank's neurons (n_outputs, n)."""
        return self._part.W_out

    @property
    def b(self) -> Array:
        """Readout biases (n_outputs,), the same on all ranks."""
        return self._part.b

    @property
    def B(self) -> Array:
        """Feedback weights of this rank's neurons (n, n_outputs)."""
        return self._part.B

    @property
    def memory_bytes(self) -> int:
        """Bytes that this rank's core has allocated."""
        return self._part.memory_bytes

    def reset(self) -> None:
        """As of a trainer: on all ranks."""
        self._part.reset()

    def train_sequence(
        self,
        inputs: Inputs,
        targets: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        reset: bool = True,
        return_outputs: bool = False,
        n_threads: int | None = 1,
    ) -> Any:
        """Learns from a sequence, or from a piece of a stream.

        Parameters
        ----------
        inputs, targets, mask, weights, reset, return_outputs
            As `train_sequence` of a trainer takes them, of one stream; the same on all ranks.
        n_threads : int, optional
            Of each rank. None: as of a trainer.

        Returns
        -------
        float, or (float, numpy.ndarray)
            The mean loss over the steps with a target; the outputs (T, n_outputs). The same on all ranks.

        Raises
        ------
        ValueError, TypeError
            As of a trainer; nothing has changed on any rank.
        RankError
            Another rank raised one of these, was given other data or learning rates, or makes another call: nothing has
            changed. A rank that does not answer: the job ends when this process does.
        FloatingPointError
            Learning drove weights of this rank out of the finite range; RankError on the others.
        """
        how = {"reset": bool(reset), "return_outputs": bool(return_outputs)}
        data = (inputs, targets, mask, weights)
        return self._together(
            "train_sequence",
            data,
            how,
            n_threads,
            lambda: self._part.train_sequence(
                inputs, targets, mask=mask, weights=weights, n_threads=n_threads, **how
            ),
        )

    def predict_sequence(
        self, inputs: Inputs, *, reset: bool = True, return_spikes: bool = False, n_threads: int | None = 1
    ) -> Any:
        """Runs over a sequence without learning; state and traces move on.

        Parameters
        ----------
        inputs, reset, return_spikes
            As `predict_sequence` of a trainer takes them, of one stream; the same on all ranks.
        n_threads : int, optional
            As of `train_sequence`.

        Returns
        -------
        numpy.ndarray, or a pair of them
            The outputs (T, n_outputs), the same on all ranks; the spikes of this rank's neurons (T, n).

        Raises what `train_sequence` raises.
        """
        how = {"reset": bool(reset), "return_spikes": bool(return_spikes)}
        data = (inputs, None, None, None)
        return self._together(
            "predict_sequence",
            data,
            how,
            n_threads,
            lambda: self._part.predict_sequence(inputs, n_threads=n_threads, **how),
        )

    def evaluate(
        self,
        inputs: Inputs,
        targets: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        n_threads: int | None = 1,
    ) -> Any:
        """What the present weights make of a sequence from a silent start; the stream stays where it is.

        Parameters
        ----------
        inputs, targets, mask, weights
            As `evaluate` of a trainer takes them, of one stream; the same on all ranks.
        n_threads : int, optional
            As of `train_sequence`.

        Returns
        -------
        numpy.ndarray, or (float, numpy.ndarray)
            The outputs (T, n_outputs); with `targets` the mean loss before them. The same on all ranks.

        Raises what `train_sequence` raises.
        """
        return self._together(
            "evaluate",
            (inputs, targets, mask, weights),
            {"targets": targets is not None},
            n_threads,
            lambda: self._part.evaluate(inputs, targets, mask=mask, weights=weights, n_threads=n_threads),
        )

    def save(self, path: Path) -> None:
        """Each rank writes its part beside `path`, and rank 0 an index of them there. Example: `load`.

        The index is replaced when all parts are on the disk, which all ranks must see; the parts of an older one are removed
        then.

        Parameters
        ----------
        path : str or os.PathLike
            Of the index.

        Raises
        ------
        OSError
            On the rank that could not write, and RankError on the others. The old index and its parts are there.
        """
        agreement = self._agreement("save")
        agreement.reach()
        save_parts(self._exchange, self._part, path)

    @classmethod
    def load(cls, path: Path, comm: Any = None, *, timeout: float | None = 600.0) -> Self:
        """The network of an index, on any number of ranks.

        On as many ranks as saved it, it goes on with the same bits, in the middle of a stream, too. On another number
        weights and what the optimizer keeps are those that were saved, and the network is silent.

        Parameters
        ----------
        path : str or os.PathLike
            What `save` wrote, with its parts beside it.
        comm, timeout
            As of the constructor.

        Raises
        ------
        OSError, ValueError
            A file that can't be read, is damaged, or is none of these; on the rank that met it, and RankError on the others.

        Examples
        --------
        >>> import os, tempfile
        >>> from eprop.mpi import NeuronParallel
        >>> path = os.path.join(tempfile.mkdtemp(), "network.json")
        >>> network = NeuronParallel(2, 30, 1, connect_rec=0.2)
        >>> network.save(path)
        >>> (NeuronParallel.load(path).W_rec != network.W_rec).nnz
        0
        """
        exchange = Exchange(world() if comm is None else comm, timeout)
        agreement = Agreement(exchange, "load")
        with agreement.work():
            part = read_part(path, exchange.rank, exchange.size)
            agreement.same["n_updates"] = part.n_updates
        agreement.reach()
        made = object.__new__(cls)
        made._become(exchange, part)
        return made

    # What the calls share

    def _agreement(self, doing: str) -> Agreement:
        return Agreement(self._exchange, doing, **rates_of(self._part))

    def _together(
        self,
        doing: str,
        data: tuple[Any, Any, Any, Any],
        how: dict[str, bool],
        n_threads: int | None,
        work: Callable[[], Result],
    ) -> Result:
        """A call whose steps all ranks take together, once it is clear that they were given the same."""
        inputs, targets, mask, weights = data
        agreement = self._agreement(doing)
        with agreement.work():
            agreement.same |= how
            as_threads(n_threads)  # whose refusal the others would await in the middle of a step
            streams = Streams.read(self._part, inputs, targets, mask, weights, None)
            if streams.are_several:
                raise ValueError("inputs: expected one stream, without an axis of streams, got several")
            agreement.same |= {"steps": streams.n_steps, "data": _sum_of(*streams.arguments)}
        agreement.reach()
        agreement = Agreement(self._exchange, doing)
        with agreement.work():
            result = work()
        if self._steps.error is not None:
            raise self._steps.error
        agreement.reach()
        return result


def _place(n_neurons: int, rank: int, size: int) -> Place:
    n = checked("n_neurons", "int", n_neurons)
    if n < size:
        raise ValueError(f"n_neurons: expected at least {size}, one for each rank, got {n}")
    return Place(*bounds(n, rank, size), n)


def _sum_of(*values: Any) -> int:
    """A checksum of all that a call was given."""
    arrays: list[Array] = []
    for value in values:
        parts = value if isinstance(value, Events) else (value,)
        arrays += [np.asarray(part) for part in parts if part is not None]
    return sum_of(*arrays)


def _part(place: Place, elsewhere: tuple[Any, Any], **fields: Any) -> Part:
    """A part. No user has typed ``part``, so its refusals are said of what they typed."""
    try:
        return Part(place, elsewhere, **fields)
    except ValueError as error:
        _, is_of_part, rest = str(error).rpartition("part: expected ")
        if not is_of_part:
            raise
        raise ValueError(f"NeuronParallel: expected {rest}") from None
