"""What users hand over, as arrays that the compiled trainers take: of any real dtype and layout, converted in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_indices", "as_integers", "as_mask", "as_numbers", "refuse_masked"]

Array = NDArray[Any]

_INT64_MAX = np.uint64(2**63 - 1)
_NUMBERS, _BOOLS, _INDICES = "an array of real numbers", "an array of bool", "an array of indices"


def as_numbers(argument: str, value: ArrayLike) -> Array:
    """Anything that NumPy reads as real numbers: an array as it is, all else as the array that NumPy makes of it.

    Nothing is converted here. The compiled trainer does that piece by piece, and reads the caller's own array each time.

    Parameters
    ----------
    argument : str
        The name for messages.
    value : array_like
        Floats of any width, ints or bools, of any shape.

    Returns
    -------
    numpy.ndarray
        What overflows the trainer's dtype becomes infinity, which is refused.

    Raises
    ------
    TypeError
        Not an array of real numbers, or one with masked elements.

    Examples
    --------
    >>> as_numbers("x", [0, True, 0.5])
    array([0. , 1. , 0.5])
    >>> row = np.zeros(3, np.float16)
    >>> as_numbers("x", row) is row
    True
    >>> as_numbers("x", [1j])
    Traceback (most recent call last):
    TypeError: x: expected an array of real numbers, got dtype complex128
    """
    if type(value) is np.ndarray and value.dtype.kind in "fbiu":  # a step takes a microsecond
        return value
    array = _read(argument, value, _NUMBERS)
    if array.dtype.kind == "O" and _is_numeric_frame(value):
        return _from_frame(argument, value)
    if not _is_real(array.dtype):
        raise _mistyped(argument, _NUMBERS, array, value, "float")
    return array


def as_mask(argument: str, value: ArrayLike) -> Array:
    """A boolean array.

    Examples
    --------
    >>> as_mask("mask", [True, False])
    array([ True, False])
    >>> as_mask("mask", [1, 0])
    Traceback (most recent call last):
    TypeError: mask: expected an array of bool, got dtype int64
    """
    array = _read(argument, value, _BOOLS)
    if array.dtype.kind != "b":
        raise _mistyped(argument, _BOOLS, array, value, "bool")
    return array


def as_integers(argument: str, value: ArrayLike, what: str) -> Array:
    """An array of integers of any width; `what` tells the user what they are.

    Examples
    --------
    >>> as_integers("lengths", [3, 1], "steps")
    array([3, 1])
    >>> as_integers("lengths", [3.0, 1.0], "steps")
    Traceback (most recent call last):
    TypeError: lengths: expected an array of integers, steps, got dtype float64
    """
    expected = f"an array of integers, {what}"
    array = _read(argument, value, expected)
    if array.dtype.kind not in "iu":
        raise _mistyped(argument, expected, array, value, "int")
    return array


def as_indices(argument: str, value: ArrayLike) -> Array:
    """A vector of integers that fit into int64.

    Examples
    --------
    >>> as_indices("x", [3, 1]), as_indices("x", [])
    (array([3, 1]), array([], dtype=int64))
    >>> as_indices("x", [0.5])
    Traceback (most recent call last):
    TypeError: x: expected events of integer indices, got dtype float64
    """
    if type(value) is np.ndarray and value.dtype.kind == "i" and value.ndim == 1:  # the common case
        return value
    array = _read(argument, value, _INDICES)
    if array.dtype.kind not in "iu" and array.size > 0:
        raise TypeError(f"{argument}: expected events of integer indices, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{argument}: expected indices of shape (n_spikes,), got {array.shape}")
    if array.dtype == np.uint64:
        array = np.minimum(array, _INT64_MAX).astype(np.int64)  # out of every range, too
    return array if array.dtype.kind in "iu" else array.astype(np.int64)


def _read(argument: str, value: Any, expected: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        refuse_masked(argument, value)
        return value.data
    if isinstance(value, np.ndarray):  # itself, since a view would not notice what is done to it
        return value
    try:
        by_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        array = np.from_dlpack(value) if by_dlpack else np.asarray(value)
    except MemoryError as error:
        raise MemoryError(f"{argument}: {error}") from error
    except Exception as error:  # ragged lists, or whatever the conversion of a foreign object raises
        kind = type(value).__name__
        if isinstance(value, (list, tuple)) and "inhomogeneous" in str(error):
            raise TypeError(
                f"{argument}: expected {expected}, got a {kind} of parts of different lengths; pad them to one length, "
                "and say with lengths= how long each sequence of a batch is"
            ) from error
        raise TypeError(f"{argument}: expected {expected}, got a {kind} that is none: {error}") from error
    if array.ndim > 1:  # of a vector NumPy itself makes NaN of what is masked
        refuse_masked(argument, value)
    return array


def refuse_masked(argument: str, value: Any) -> None:
    """Raises TypeError where a masked element would be taken for the number behind it, in lists, too.

    Examples
    --------
    >>> refuse_masked("y", np.ma.array([1, 2], mask=[False, False]))
    """
    if isinstance(value, (list, tuple)):
        if any(issubclass(kind, (list, tuple, np.ma.MaskedArray)) for kind in set(map(type, value))):
            for item in value:
                refuse_masked(argument, item)
    elif isinstance(value, np.ma.MaskedArray):
        n_masked = int(np.ma.getmaskarray(value).sum())
        if n_masked > 0:
            raise TypeError(
                f"{argument}: expected an array without masked elements, got a masked array with {n_masked} of them, whose "
                "numbers would be used; fill them, as with .filled(0), and name the steps that have a target with mask="
            )


def _is_real(dtype: np.dtype[Any]) -> bool:
    # bfloat16 and other floats of extension packages say that they convert, and call themselves void.
    extension = dtype.kind == "V" and dtype.type is not np.void
    return dtype.kind in "biuf" or (extension and np.can_cast(dtype, np.float64))


def _is_numeric_frame(value: Any) -> bool:
    """Whether this is a data frame or series whose columns are nullable numbers."""
    dtypes = getattr(value, "dtypes", None)
    if dtypes is None or not hasattr(value, "to_numpy"):
        return False
    columns = list(dtypes) if hasattr(dtypes, "__iter__") else [dtypes]
    return all(getattr(dtype, "kind", "O") in "biuf" for dtype in columns)


def _from_frame(argument: str, frame: Any) -> Array:
    try:
        # A missing number is refused like any NaN, and is not read where a mask says so.
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)  # type: ignore[no-any-return]
    except Exception as error:
        kind = type(frame).__name__
        raise TypeError(f"{argument}: expected {_NUMBERS}, got a {kind} that is none: {error}") from error


def _mistyped(argument: str, expected: str, array: Array, value: Any, dtype: str) -> TypeError:
    got = f"dtype {array.dtype}"
    kind = type(value).__name__
    if hasattr(value, "toarray") or hasattr(value, "todense"):
        dense = "toarray" if hasattr(value, "toarray") else "todense"
        got += f" of a sparse {kind}; make it dense with .{dense}()"
    elif array.dtype.kind == "O" and array.ndim == 0:
        got = f"an object of type {kind}"
    elif array.dtype.kind == "O":
        got += f"; convert it, as with numpy.asarray(x, dtype={dtype})"
    return TypeError(f"{argument}: expected {expected}, got {got}")
