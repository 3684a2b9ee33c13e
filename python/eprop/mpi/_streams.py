"""Streams of a call: which of them a rank takes, how many steps they have, and at how many there is a target."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._batches import as_lengths, as_sequences
from .._events import Events
from .._targets import NO_LABEL
from ._agreement import sum_of

__all__ = ["Streams", "bounds"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Streams:
    """The arguments of a call as a compiled trainer takes them; `inputs` None: no stream.

    `inputs` is an array (B, T, n_inputs), or a list with rows or `Events` of each stream; of one stream that has no axis
    of its own (T, n_inputs), or `Events`.
    """

    inputs: Any
    targets: Any = None
    mask: Any = None
    weights: Any = None
    lengths: Any = None
    first: int = 0
    """The place of the first of them among those that were handed over."""

    @classmethod
    def read(cls, trainer: Any, inputs: Any, targets: Any, mask: Any, weights: Any, lengths: Any) -> Streams:
        """From what a user hands over. An empty list, or an array of no streams, is no stream.

        Raises what `train_sequence` raises for what is no array of numbers.
        """
        if isinstance(inputs, numbers.Number) or (isinstance(inputs, np.ndarray) and inputs.ndim == 0):
            raise ValueError(
                f"inputs: expected shape (T, n_inputs) or (B, T, n_inputs), got one number, {inputs!r}"
            )
        if isinstance(inputs, (list, tuple, np.ndarray)) and len(inputs) == 0:
            return cls(None)
        if targets is None:
            return cls(as_sequences(inputs, trainer._n_inputs), lengths=as_lengths(lengths))
        return cls(*trainer._sequence(inputs, targets, mask, weights, lengths))

    @property
    def are_several(self) -> bool:
        """Whether there is an axis of streams."""
        return isinstance(self.inputs, list) or (
            isinstance(self.inputs, np.ndarray) and self.inputs.ndim == 3
        )

    def __len__(self) -> int:
        if self.inputs is None:
            return 0
        return len(self.inputs) if self.are_several else 1

    def of_rank(self, rank: int, size: int) -> Streams:
        """Those that a rank takes of streams that all ranks have.

        Raises
        ------
        ValueError
            Arguments of more or fewer streams than `inputs`.
        """
        if not self.are_several:
            return self if rank == 0 else Streams(None)
        return self._part(*bounds(len(self), rank, size))

    def a_few_at_a_time(self, n: int) -> Iterator[Streams]:
        """All of them, up to n at once. Raises as `of_rank`."""
        if len(self) > 0 and not self.are_several:
            yield self
            return
        for first in range(0, len(self), n):
            yield self._part(first, min(first + n, len(self)))

    def _part(self, first: int, last: int) -> Streams:
        axes = {"targets": 3, "mask": 2, "weights": 2, "lengths": 1}
        # Integers with an axis of outputs are rows, as floats are.
        if (
            isinstance(self.targets, np.ndarray)
            and self.targets.dtype.kind in "iu"
            and self.targets.ndim <= 2
        ):
            axes["targets"] = 2
        own = {"inputs": self.inputs[first:last] if first < last else None}
        for name, ndim in axes.items():
            value = getattr(self, name)
            own[name] = value
            if isinstance(value, list) or np.ndim(value) == ndim:
                if len(value) != len(self):
                    raise ValueError(
                        f"{name}: expected {len(self)} streams, as inputs have, got {len(value)}"
                    )
                own[name] = value[first:last]
        return Streams(**own, first=self.first + first)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """As the compiled trainer takes them."""
        return self.inputs, self.targets, self.mask, self.weights, self.lengths

    @contextmanager
    def named(self) -> Iterator[None]:
        """Puts behind an error which streams it counts."""
        try:
            yield
        except (ValueError, TypeError) as error:
            if self.first == 0:
                raise
            last = self.first + len(self) - 1
            which = f"stream {last}" if last == self.first else f"streams {self.first} to {last}"
            raise type(error)(f"{error} (of {which})") from error

    @property
    def sample(self) -> int:
        """A checksum of one step of each stream, by which ranks find that they were not given the same."""
        time = int(self.are_several)
        arrays = [each for each in (self.inputs, self.targets) if isinstance(each, np.ndarray)]
        steps = [array for array in arrays if array.ndim > time and array.shape[time] > 0]
        return sum_of(*(array.take(array.shape[time] // 2, axis=time) for array in steps))

    @property
    def n_steps(self) -> int:
        """Of all streams together."""
        if isinstance(self.inputs, np.ndarray) and self.lengths is None:
            return int(np.prod(self.inputs.shape[:-1]))
        return sum(self._steps)

    @property
    def _steps(self) -> list[int]:
        if self.inputs is None:
            return []
        each = list(self.inputs) if self.are_several else [self.inputs]
        if self.lengths is not None:
            return [int(length) for length in np.ravel(self.lengths)]
        return [len(item.indptr) - 1 if isinstance(item, Events) else len(item) for item in each]

    @property
    def n_targets(self) -> int:
        """At how many steps of all streams there is a target."""
        return sum(int(np.count_nonzero(self._taught(b, n))) for b, n in enumerate(self._steps))

    def _taught(self, stream: int, n_steps: int) -> Array:
        """Which steps of a stream have a target (T,)."""
        taught = np.ones(n_steps, bool)
        targets = self.targets[stream] if self.are_several else self.targets
        if targets.ndim == 1:
            taught &= targets[:n_steps] != NO_LABEL
        for value in (self.mask, self.weights):
            if value is not None:
                taught &= (value[stream] if value.ndim == 2 else value)[:n_steps] != 0
        return taught


def bounds(n: int, rank: int, size: int) -> tuple[int, int]:
    """The first of n that a rank takes, and where it ends: parts in the order of ranks, the first ones longer.

    Examples
    --------
    >>> [bounds(7, rank, 3) for rank in range(3)]
    [(0, 3), (3, 5), (5, 7)]
    """
    least, longer = divmod(n, size)
    first = rank * least + min(rank, longer)
    return first, first + least + (rank < longer)
