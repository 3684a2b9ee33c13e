"""A recorder: what a trainer's state was, step by step, in memory that is allocated once.

Examples
--------
>>> import numpy as np
>>> from eprop import EpropTrainer
>>> from eprop.record import Recorder
>>> trainer = EpropTrainer(20, 30, 1)
>>> recorder = Recorder(trainer, ["v", "spikes"], max_steps=100)
>>> for x in np.random.default_rng(0).random((250, 20)) < 0.05:
...     _ = recorder.step(x, [0.5])
>>> recorder["v"].shape, recorder.steps[[0, -1]]  # the last 100 of 250
((100, 30), array([150, 249]))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import as_numbers
from ._connections import as_dense
from ._fields import checked
from ._html import as_size, as_table

__all__ = ["Recorder"]

Array = NDArray[Any]

_NEURON_AXIS = {
    "v": -1, "a": -1, "spikes": -1, "psi": -1, "L": -1, "W_out": -1,
    "e_bar": -2, "W": -2, "W_in": -2, "W_rec": -2, "B": -2,
}  # fmt: skip
"""Where a neuron's own numbers are; what has no such axis is recorded whole."""
_WHOLE = ("z_bar", "output", "b")


@final
class Recorder:
    """Keeps the state of the last `max_steps` recorded steps of a trainer.

    It is filled by its own `step`, or as a callback of `train_stream`. All memory is allocated here, and it never grows.

    Parameters
    ----------
    trainer : EpropTrainer, OnlineTrainer or OnlineLIFLayer
    names : sequence of str
        Attributes of the trainer: ``"v"``, ``"a"``, ``"spikes"``, ``"psi"``, ``"L"``, ``"z_bar"``, ``"e_bar"``,
        ``"output"``, or weights: ``"W_in"``, ``"W_rec"``, ``"W_out"``, ``"b"``, ``"B"``, ``"W"``. Each read of ``"e_bar"``
        or of weights copies a whole matrix: use `every`.
    every : int
        Record the first step, and each `every`-th after it.
    units : array_like of int, optional
        The neurons to keep, counted from 0. None: all. ``"z_bar"``, ``"output"`` and ``"b"`` are kept whole.
    max_steps : int
        How many recorded steps are kept. When it is full, the oldest gives way.
    layer : int, optional
        Of an `OnlineTrainer`: read this one of its `layers`.

    Raises
    ------
    ValueError
        A name that the trainer does not have, a unit or a layer that there is not, a number below 1.
    TypeError
        A number of the wrong type; no trainer.
    MemoryError
        The bound does not fit into memory.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> trainer = EpropTrainer(2, 3, 1)
    >>> recorder = Recorder(trainer, ["psi", "e_bar"], every=2, units=[0, 2])
    >>> stream = [([1, 0], [0.5])] * 5
    >>> losses = [step["loss"] for step in trainer.train_stream(stream, callbacks=[recorder])]
    >>> recorder["psi"].shape, recorder["e_bar"].shape, recorder.steps
    ((3, 2), (3, 2, 5), array([0, 2, 4]))
    """

    def __init__(
        self,
        trainer: Any,
        names: Sequence[str],
        *,
        every: int = 1,
        units: ArrayLike | None = None,
        max_steps: int = 1000,
        layer: int | None = None,
    ) -> None:
        self.trainer, self._source = trainer, trainer if layer is None else _layer(trainer, layer)
        self.every, self.max_steps = _count("every", every), _count("max_steps", max_steps)
        self.names = _names(names, self._source)
        self._units = None if units is None else _units(units, np.shape(self._source.v)[-1])
        self._rows = {}
        for name in self.names:
            sample = self._read(name)
            self._rows[name] = _room(name, self.max_steps, sample)
        self._steps = np.zeros(self.max_steps, np.int64)
        self.clear()

    def step(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """`trainer.step` with the same arguments, then a record if it is due.

        Returns
        -------
        dict, or numpy.ndarray of an `OnlineLIFLayer`
            What `trainer.step` returns.

        Raises what `trainer.step` raises; then nothing is recorded.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> recorder = Recorder(EpropTrainer(2, 3, 1), ["v"])
        >>> recorder.step([1, 0], target=[0.5])["loss"] > 0, len(recorder)
        (True, 1)
        """
        result = self.trainer.step(x, *arguments, **options)
        self.record()
        return result

    def on_step(self, trainer: Any, logs: Mapping[str, Any]) -> None:
        """As a callback of `train_stream`: a record if it is due.

        Raises
        ------
        ValueError
            Another trainer than that of the recorder.
        """
        if trainer is not self.trainer:
            raise ValueError(
                "trainer: expected the trainer that the recorder was made for, got another; make a recorder for each"
            )
        self.record()

    def record(self) -> None:
        """Counts a step that the trainer has taken, and keeps its state if it is due.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(2, 3, 1)
        >>> recorder = Recorder(trainer, ["v"])
        >>> _ = trainer.step([1, 0])
        >>> recorder.record()
        >>> recorder["v"].shape
        (1, 3)
        """
        if self.n_steps % self.every == 0:
            row = self._n_records % self.max_steps
            for name in self.names:
                self._rows[name][row] = self._read(name)
            self._steps[row] = self.n_steps
            self._n_records += 1
        self.n_steps += 1

    def clear(self) -> None:
        """Forgets what was recorded, and counts steps from 0; the memory stays."""
        self._n_records = self.n_steps = 0

    def __getitem__(self, name: str) -> Array:
        """What was recorded of this name, oldest first: a copy, (T, n) of `v`, (T, n, n_sources) of `e_bar`."""
        if name not in self._rows:
            raise KeyError(
                f"{name}: expected one of {', '.join(self.names)}, which are recorded, got {name!r}"
            )
        return self._in_order(self._rows[name])

    @property
    def steps(self) -> Array:
        """The steps that are kept, (T,), counted from 0 since the recorder was made or cleared."""
        return self._in_order(self._steps)

    @property
    def nbytes(self) -> int:
        """All bytes of the arrays, from the start on."""
        return self._steps.nbytes + sum(rows.nbytes for rows in self._rows.values())

    def __len__(self) -> int:
        return min(self._n_records, self.max_steps)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def _in_order(self, rows: Array) -> Array:
        is_full = self._n_records > self.max_steps
        ordered: Array = (
            np.roll(rows, -self._n_records, axis=0) if is_full else rows[: self._n_records].copy()
        )
        return ordered

    def _read(self, name: str) -> Array:
        # Listed synapses are recorded with a place for each pair; `e_bar` of a batch is a list of them.
        state = getattr(self._source, name)
        value: Array = np.stack([as_dense(s) for s in state]) if isinstance(state, list) else as_dense(state)
        axis = _NEURON_AXIS.get(name)
        if axis is None or self._units is None:
            return value
        kept: Array = value.take(self._units, axis=axis)
        return kept

    def __repr__(self) -> str:
        return (
            f"<Recorder of {', '.join(self.names)}: {len(self)} of at most {self.max_steps} steps, "
            f"every {self.every}, {as_size(self.nbytes)}>"
        )

    def _repr_html_(self) -> str:
        rows = {
            "records": f"{len(self)} of at most {self.max_steps}, one in {self.every} steps",
            "memory": as_size(self.nbytes),
        } | {name: " x ".join(map(str, self._rows[name].shape[1:])) + " a step" for name in self.names}
        if "spikes" in self._rows and len(self) > 0:
            rate = 1000.0 * self["spikes"].mean() / self.trainer.dt
            rows["firing rate"] = f"{rate:.1f} Hz in the recorded steps"
        return as_table(f"Recorder of a {type(self.trainer).__name__}", rows)


def _count(name: str, value: Any) -> int:
    n: int = checked(name, "int", value)
    if n < 1:
        raise ValueError(f"{name}: expected at least 1, got {n}")
    return n


def _layer(trainer: Any, layer: int) -> Any:
    layers = getattr(trainer, "layers", None)
    if layers is None:
        raise TypeError(
            f"layer: expected none of a trainer without layers, {type(trainer).__name__}, got {layer!r}"
        )
    try:
        return layers[layer]
    except (IndexError, TypeError):
        raise ValueError(f"layer: expected an int of 0 to {len(layers) - 1}, got {layer!r}") from None


def _room(name: str, n: int, sample: Array) -> Array:
    try:
        return np.zeros((n, *sample.shape), sample.dtype)
    except (MemoryError, ValueError):  # ValueError: more bytes than can be addressed
        raise MemoryError(
            f"max_steps: expected as many records as fit into memory, got {n} of {name}, each {as_size(sample.nbytes)}; "
            "keep fewer, or only some units"
        ) from None


def _names(names: Any, source: Any) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"names: expected a list of names, got the text {names!r}; write [{names!r}]")
    try:
        names = tuple(names)
    except TypeError:
        raise TypeError(f"names: expected a list of names, got {names!r}") from None
    possible = [name for name in (*_NEURON_AXIS, *_WHOLE) if hasattr(source, name)]
    if not possible:
        raise TypeError(f"trainer: expected a trainer, got {type(source).__name__}")
    for name in names:
        if name not in possible:
            kind = type(source).__name__
            raise ValueError(f"names: expected some of {', '.join(possible)} of this {kind}, got {name!r}")
    if not names:
        raise ValueError(f"names: expected at least one of {', '.join(possible)}, got none")
    return tuple(dict.fromkeys(names))


def _units(units: ArrayLike, n_neurons: int) -> Array:
    array = np.array(as_numbers("units", units))  # a copy: the caller may change its own later
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise ValueError(
            f"units: expected a list of the numbers of neurons, got shape {array.shape} of {array.dtype}"
        )
    if array.min() < 0 or array.max() >= n_neurons:
        raise ValueError(f"units: expected numbers from 0 to {n_neurons - 1}, got {array.tolist()}")
    return array
