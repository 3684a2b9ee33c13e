"""What every trainer is: fields that are final, a compiled core that copies and pickles, state that is read as copies."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._fields import LEARNING_RATE, LearningRate, checked, number, same
from ._warnings import warn_of_time
from .optim import Optimizer, as_optimizer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Trainer"]

_SCHEMA = 4


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
    lr: LearningRate
    # The fields that may be assigned.
    _rates: tuple[str, ...] = ("lr",)

    def _start(self, core: Any) -> None:
        """Checks the types of all fields, and builds the core, which checks their values."""
        lr_is_given = self.__dict__["lr"] is not LEARNING_RATE
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            name = field.name
            self.__dict__[name] = checked(name, str(field.type), self.__dict__[name])
        if not lr_is_given:
            self.__dict__["lr"] = self._as_optimizer.default_lr
        self.__dict__["_core"] = core(self)
        self.__dict__["_n_inputs"] = self._core.n_inputs
        dt = self.__dict__["dt"]
        for name, tau in self.__dict__.items():
            # A filter that keeps less than 1 % of a step to the next: a time constant in seconds, most likely.
            if name.startswith("tau_") and tau is not None:
                taus = np.asarray(tau)
                if np.any((taus > 0) & (taus < 0.2 * dt)):
                    warn_of_time(name, float(np.min(taus)), dt)

    @property
    def _as_optimizer(self) -> Optimizer:
        return as_optimizer(getattr(self, "optimizer", "sgd"))

    @property
    def _optimizer(self) -> tuple[str, dict[str, float]]:
        """As the core reads it: the name, and the constants by their names."""
        return self._as_optimizer.name, dataclasses.asdict(self._as_optimizer)

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
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return all(same(getattr(self, name), getattr(other, name)) for name in names)

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

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        pieces = self._core.to_bytes()
        return {
            "schema": _SCHEMA,
            "eprop": _core.__version__,
            "fields": {field.name: getattr(self, field.name) for field in fields},
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
        fields = {field.name for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        if unknown := sorted(set(state["fields"]) - fields):
            cls = type(self).__name__
            raise ValueError(
                f"pickle: expected the fields of {cls}, got {', '.join(unknown)}, too, {way_out}"
            )
        with warnings.catch_warnings():
            # Whoever built the trainer has been told.
            warnings.simplefilter("ignore", UserWarning)
            type(self).__init__(self, **state["fields"])
        engine = state["engine"]
        self._core.restore([piece.data for piece in engine] if isinstance(engine, list) else [engine])
        self._core.warned = state["warned"]
