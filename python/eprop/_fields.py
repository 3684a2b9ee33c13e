"""The types of a dataclass's fields, checked by their annotations; their values are the crate's to check."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from ._arrays import as_integers, as_numbers
from ._connections import as_connect

__all__ = ["LEARNING_RATE", "Chosen", "LearningRate", "as_generator", "checked", "number", "same"]

if TYPE_CHECKING:

    class LearningRate:
        """For type checkers: a field that reads as a float, and takes NumPy's numbers, too."""

        def __get__(self, instance: object, owner: Any = None) -> float: ...
        def __set__(self, instance: object, value: SupportsFloat) -> None: ...

    LEARNING_RATE: LearningRate

else:

    class _Unset(float):
        """The default of `lr`: whoever leaves it alone gets that of the optimizer."""

        def __repr__(self) -> str:
            return "0.01"

    LearningRate, LEARNING_RATE = float, _Unset(0.01)


class Chosen(str):
    """A form that nobody asked for: as the value of a field it is None."""

    __slots__ = ()


_U64_MAX = 2**64 - 1
_SIZE_MAX = 2**63 - 1
_SIZES = {
    "n_inputs",
    "n_neurons",
    "n_outputs",
    "n_actions",
    "layer_sizes",
    "batch_size",
    "steps_per_action",
    "n_threads",
    "n_features",
}


def checked(name: str, annotation: str, value: Any) -> Any:
    """The value of a field as the compiled trainer reads it.

    Parameters
    ----------
    name : str
        The field's name.
    annotation : str
        The field's type, as written in the dataclass.
    value : object
        What the user gave.

    Returns
    -------
    int, float, str, bool, tuple of int or of float, or None

    Raises
    ------
    TypeError
        Not of the annotated type. A bool is neither a size nor a number; NumPy's scalars are both.
    ValueError
        A negative count.
    MemoryError
        A size beyond any address space.

    Examples
    --------
    >>> checked("tau_mem", "float", 20)
    20.0
    >>> checked("n_inputs", "int", 2.0)
    Traceback (most recent call last):
    TypeError: n_inputs: expected an int, got 2.0 (float)
    """
    return _CHECKS[annotation](name, value)


def number(name: str, value: Any) -> float:
    """A real number as a float.

    Examples
    --------
    >>> number("rate", 20)
    20.0
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _mistyped(name, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected a finite number, got an int beyond all floats") from None


def as_generator(name: str, seed: Any) -> np.random.Generator:
    """What draws: from a seed, from entropy if it is None, or a generator as it is.

    Examples
    --------
    >>> as_generator("seed", -1)
    Traceback (most recent call last):
    ValueError: seed: expected 0 to 18446744073709551615, got -1
    """
    if seed is None or isinstance(
        seed, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)
    ):
        return np.random.default_rng(seed)
    return np.random.default_rng(_whole(name, seed))


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field are equal, arrays as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> same(np.ones(2), np.ones(2)), same(np.ones(2), 1.0)
    (True, False)
    """
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.shape(one) == np.shape(other) and bool(np.all(one == other))
    return bool(one == other)


def _number_or_each(name: str, value: Any) -> Any:
    """A number, or an array that nobody changes any more."""
    if isinstance(value, numbers.Real):
        return number(name, value)
    array = np.array(as_numbers(name, value), dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(
            f"{name}: expected a number, or an array (n_neurons,): one for each neuron, got shape {array.shape}"
        )
    array.flags.writeable = False
    return array


def _number_or_layers(name: str, value: Any) -> float | tuple[float, ...]:
    if isinstance(value, numbers.Real):
        return number(name, value)
    if isinstance(value, (str, bytes)):
        raise _mistyped(name, "a number, or one for each layer", value)
    try:
        items = list(value)
    except TypeError:
        raise _mistyped(name, "a number, or one for each layer", value) from None
    return tuple(number(name, item) for item in items)


def _optional_number(name: str, value: Any) -> float | None:
    return None if value is None else number(name, value)


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None or isinstance(value, Chosen) else _text(name, value)


def _optional_whole(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)


def _signs(name: str, value: Any) -> Any:
    """A sign for each source, which nobody changes any more."""
    if value is None:
        return None
    array = as_integers(name, value, "signs: 1, -1 or 0 for each source")
    if array.ndim != 1:
        raise ValueError(f"{name}: expected an array (n_inputs + n_neurons,), got shape {array.shape}")
    wrong = np.flatnonzero((array < -1) | (array > 1))
    if len(wrong):
        raise ValueError(
            f"{name}: expected 1, -1 or 0 (free) for each source, got {array[wrong[0]]} at index {wrong[0]}"
        )
    array = np.array(array, dtype=np.int8)
    array.flags.writeable = False
    return array


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool):
        raise _mistyped(name, "an int", value)
    try:
        whole = operator.index(value)
    except TypeError:
        raise _mistyped(name, "an int", value) from None
    if name in _SIZES:
        return _size(name, whole)
    if not 0 <= whole <= _U64_MAX:
        raise ValueError(f"{name}: expected 0 to {_U64_MAX}, got {whole}")
    return whole


def _size(name: str, whole: int) -> int:
    if whole < 1:
        raise ValueError(f"{name}: expected a size of at least 1, got {whole}")
    if whole > _SIZE_MAX:
        raise MemoryError(f"{name}: expected a size that fits into memory, got {whole}; choose a smaller one")
    return whole


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, (str, bytes)):
        raise _mistyped(name, "a list of ints", value)
    try:
        items = list(value)
    except TypeError:
        raise _mistyped(name, "a list of ints", value) from None
    return tuple(_whole(name, item) for item in items)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _mistyped(name, "a string", value)
    return str(value)


def _whole_or_text(name: str, value: Any) -> int | str:
    if isinstance(value, str):
        return str(value)
    try:
        return _whole(name, value)
    except TypeError:
        raise _mistyped(name, "an int or a string", value) from None


def _flag(name: str, value: Any) -> bool:
    # NumPy's own bool is not a subclass, but it is what comparisons of arrays give.
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise _mistyped(name, "True or False", value)


def _mistyped(name: str, expected: str, value: Any) -> TypeError:
    return TypeError(f"{name}: expected {expected}, got {value!r} ({type(value).__name__})")


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "int": _whole,
    "float": number,
    "LearningRate": number,
    "float | None": _optional_number,
    "float | Array": _number_or_each,
    "float | Sequence[float]": _number_or_layers,
    "str": _text,
    "str | None": _optional_text,
    "int | None": _optional_whole,
    "int | str": _whole_or_text,
    "bool": _flag,
    "str | Optimizer": lambda name, value: value,  # `optim` checks it
    "Sequence[int]": _sizes,
    "Connect": as_connect,
    "Array | None": _signs,
}
