"""What every trainer is: fields that are final, a compiled core that copies and pickles, state that is read as copies."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._fields import LEARNING_RATE, LearningRate, checked, number, same
from ._files import Path, as_bytes, fields_of, named, read
from ._html import as_size, as_table
from ._warnings import warn_of_time
from .optim import Optimizer, as_optimizer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Trainer"]

_SCHEMA = 5


class _Piece:
    """Some bytes of a large state: pickle asks each for what it is made of, and Ctrl-C comes through then."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[type[_Piece], tuple[bytes]]:
        return _Piece, (self.data,)


class Trainer:
    """Base of the three dataclasses; their fields configure the compiled core `_core`, which holds weights and state."""

    _core: Any
    _n_inputs: int
    dtype: str
    dt: float
    lr: LearningRate
    _core_class: Any
    # The fields that may be assigned.
    _rates: tuple[str, ...] = ("lr",)

    def _start(self) -> None:
        """Checks the types of all fields, and builds the core, which checks their values."""
        self._check_fields()
        self.__dict__["_core"] = self._core_class(self)
        self.__dict__["_n_inputs"] = self._core.n_inputs
        dt = self.__dict__["dt"]
        for name, tau in self.__dict__.items():
            # A filter that keeps less than 1 % of a step to the next: a time constant in seconds, most likely.
            if name.startswith("tau_") and tau is not None:
                taus = np.asarray(tau)
                if np.any((taus > 0) & (taus < 0.2 * dt)):
                    warn_of_time(name, float(np.min(taus)), dt)

    def _check_fields(self) -> None:
        lr_is_given = self.__dict__["lr"] is not LEARNING_RATE
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            name = field.name
            self.__dict__[name] = checked(name, str(field.type), self.__dict__[name])
        if not lr_is_given:
            self.__dict__["lr"] = self._as_optimizer.default_lr

    @property
    def _as_optimizer(self) -> Optimizer:
        return as_optimizer(getattr(self, "optimizer", "sgd"))

    @property
    def _optimizer(self) -> tuple[str, dict[str, float]]:
        """As the core reads it: the name, and the constants by their names."""
        constants = dataclasses.asdict(self._as_optimizer)
        constants.pop("rewire", None)
        return self._as_optimizer.name, constants

    @property
    def _rewire(self) -> tuple[float, float] | None:
        rewire = getattr(self._as_optimizer, "rewire", None)
        return None if rewire is None else (rewire.l1, rewire.temperature)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_core" not in self.__dict__:  # the dataclass's own __init__
            self.__dict__[name] = value
        elif name in self._rates:
            rate = None if value is None and name != "lr" else number(name, value)
            getattr(self._core, f"set_{name}")(rate)
            self.__dict__[name] = rate
        elif name in {field.name for field in dataclasses.fields(self)}:  # type: ignore[arg-type]
            self._refuse(name, "fixed once the trainer is built")
        elif isinstance(attribute := getattr(type(self), name, None), property):
            if attribute.fset is None:
                self._refuse(name, "read-only")
            attribute.fset(self, value)
        else:
            self._refuse(name, "no attribute that can be set")

    def __delattr__(self, name: str) -> None:
        self._refuse(name, "not to be deleted")

    def _refuse(self, name: str, why: str) -> NoReturn:
        cls, rates = type(self).__name__, ", ".join(self._rates)
        raise AttributeError(
            f"{name}: {why}; of {cls}'s fields only {rates} can be assigned, for any other build a new trainer: {cls}(...)"
        )

    def reset(self) -> None:
        """Membranes, spikes, traces and readouts to 0, a pending gradient dropped; weights stay.

        Examples
        --------
        >>> from eprop import OnlineLIFLayer
        >>> layer = OnlineLIFLayer(2, 1)
        >>> _ = layer.step([1, 1])
        >>> layer.reset()
        >>> layer.v
        array([0.], dtype=float32)
        """
        self._core.reset()

    def state_equal(self, other: Self) -> bool:
        """Whether weights and state are the same to the bit (`==` compares configurations).

        Parameters
        ----------
        other : trainer
            Another trainer; of another class, size or dtype it is never equal.

        Examples
        --------
        >>> from eprop import OnlineLIFLayer
        >>> one, other = OnlineLIFLayer(2, 1), OnlineLIFLayer(2, 1)
        >>> one.state_equal(other)
        True
        >>> _ = one.step([1, 1])
        >>> one == other, one.state_equal(other)
        (True, False)
        """
        return type(self) is type(other) and bool(self._core.state_equal(other._core))

    @property
    def v(self) -> NDArray[Any]:
        """Membrane voltages (N,); (B, N) of a batch."""
        return self._core.v  # type: ignore[no-any-return]

    @property
    def spikes(self) -> NDArray[Any]:
        """The last step's spikes, 0 and 1 (N,); (B, N) of a batch."""
        return self._core.spikes  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = self._names()
        one, two = ({name: getattr(each, name) for name in names} for each in (self, other))
        return _same_fields(one, two, names)

    __hash__ = None  # type: ignore[assignment]

    @property
    def _v(self) -> NDArray[Any]:
        return self.v

    @property
    def _spikes(self) -> NDArray[Any]:
        return self.spikes

    @property
    def memory_per_step(self) -> int:
        """How many numbers are kept from one step to the next, weights not counted, whatever T is."""
        return self._core.memory_per_step  # type: ignore[no-any-return]

    @property
    def memory_bytes(self) -> int:
        """All bytes that the core has allocated."""
        return self._core.memory_bytes  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        """What a notebook shows: sizes, form, memory, and who fired last."""
        sizes = ("n_inputs", "n_neurons", "n_outputs", "layer_sizes", "batch_size")
        rows = {name: getattr(self, name) for name in sizes if hasattr(self, name)}
        if hasattr(self, "engine"):
            rows["engine"] = self.engine
        if hasattr(self, "n_updates"):
            rows["updates"] = self.n_updates
        rows["memory"] = f"{as_size(self.memory_bytes)} in all, {self.dtype}"
        # Of the last step alone: a trainer keeps no history.
        share = float(np.mean(self.spikes))
        rows["firing rate"] = f"{1000.0 * share / self.dt:.1f} Hz in the last step ({share:.1%} fired)"
        return as_table(type(self).__name__, rows)

    def save(self, path: Path) -> None:
        """Saves weights, state and configuration to a file that `load` makes a trainer of.

        The format is safetensors. A temporary file beside `path` is written and renamed when all of it is on the disk: the
        old or the new file is whole, whatever happens. It takes memory for a copy of the largest matrix of weights.

        Parameters
        ----------
        path : str or os.PathLike
            A file that is there is replaced.

        Raises
        ------
        OSError
            A file that cannot be written. The old one is there.
        MemoryError
            Too little memory.

        Examples
        --------
        >>> import os, tempfile
        >>> from eprop import OnlineLIFLayer
        >>> path = os.path.join(tempfile.mkdtemp(), "layer.safetensors")
        >>> layer = OnlineLIFLayer(3, 2)
        >>> layer.save(path)
        >>> OnlineLIFLayer.load(path).state_equal(layer)
        True
        """
        self._core.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The trainer of this class that a file holds; `eprop.load` takes any class. Example: `save`.

        Parameters
        ----------
        path : str or os.PathLike
            A file that `save` wrote, in Python or in Rust.

        Returns
        -------
        trainer
            It goes on with the same bits as the one that was saved.

        Raises
        ------
        OSError
            A file that cannot be read.
        ValueError
            A file that is damaged, cut off, or of another program, class or schema.
        MemoryError
            Too little memory: it takes the bytes of the file besides the trainer.
        """
        data = read(path)
        with named(path):
            return cls.from_bytes(data)

    def to_bytes(self) -> bytes:
        """The bytes of the file that `save` writes.

        Raises
        ------
        MemoryError
            Too little memory: for a moment it takes twice as much as it returns.

        Examples
        --------
        >>> from eprop import OnlineLIFLayer
        >>> layer = OnlineLIFLayer(3, 2)
        >>> OnlineLIFLayer.from_bytes(layer.to_bytes()).state_equal(layer)
        True
        """
        pieces: list[bytes] = self._core.to_bytes()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """The trainer of this class that `to_bytes` or `save` made bytes of. Example: `to_bytes`.

        Parameters
        ----------
        data : bytes, bytearray or memoryview
            All bytes of a file.

        Returns
        -------
        trainer
            It goes on with the same bits as the one that was saved.

        Raises
        ------
        ValueError
            Bytes that are damaged, cut off, or of another program, class or schema.
        TypeError
            No bytes.
        MemoryError
            Too little memory.
        """
        made = object.__new__(cls)
        made._become(*cls._from_pieces([as_bytes(data)]))
        return made

    @classmethod
    def _from_pieces(cls, pieces: list[bytes]) -> tuple[Any, dict[str, Any]]:
        """A core, and the fields that it was saved with."""
        core, document = cls._core_class.from_bytes(pieces)
        return core, cls._checked(cls._told(core, fields_of(document)))

    @classmethod
    def _told(cls, core: Any, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields that a file has, with what the core has read of them."""
        return fields

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> dict[str, Any]:
        """All fields, of the types that they are annotated with; what an older file does not know has its default."""
        return {
            field.name: checked(field.name, str(field.type), given.get(field.name, field.default))
            for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        }

    def _become(self, core: Any, fields: dict[str, Any]) -> None:
        self.__dict__.clear()
        self.__dict__.update(fields, _core=core, _n_inputs=core.n_inputs)

    @classmethod
    def _names(cls) -> list[str]:
        return [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        pieces = self._core.to_bytes()
        return {
            "schema": _SCHEMA,
            "eprop": _core.__version__,
            # As they were given: an attribute may say what followed from it.
            "fields": {name: self.__dict__[name] for name in self._names()},
            "engine": pieces[0] if len(pieces) == 1 else [_Piece(piece) for piece in pieces],
            "warned": self._core.warned,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        way_out = (
            f"written by eprop {state.get('eprop', 'of unknown version')}, read by eprop {_core.__version__}; "
            "load it with that version and save the weights as arrays"
        )
        if state.get("schema") != _SCHEMA:
            raise ValueError(f"pickle: expected schema {_SCHEMA}, got {state.get('schema')!r}, {way_out}")
        missing = [key for key in ("fields", "engine", "warned") if key not in state]
        if missing:
            raise ValueError(
                f"pickle: expected the keys fields, engine and warned, got a state without {', '.join(missing)}"
            )
        cls, names = type(self).__name__, self._names()
        if unknown := sorted(set(state["fields"]) - set(names)):
            raise ValueError(
                f"pickle: expected the fields of {cls}, got {', '.join(unknown)}, too, {way_out}"
            )
        engine = state["engine"]
        pieces = [piece.data for piece in engine] if isinstance(engine, list) else [engine]
        core, told = self._from_pieces(pieces)
        fields = self._checked(told | state["fields"])
        if not _same_fields(fields, told, names):
            raise ValueError(
                f"pickle: expected the fields that {cls} was saved with, got others; pickle it again"
            )
        core.warned = state["warned"]
        self._become(core, fields)


def _same_fields(one: dict[str, Any], other: dict[str, Any], names: list[str]) -> bool:
    """Whether the values are equal; an optimizer is equal to its name."""

    def of(fields: dict[str, Any], name: str) -> Any:
        value = fields[name]
        return as_optimizer(value) if name == "optimizer" else value

    return all(same(of(one, name), of(other, name)) for name in names)
