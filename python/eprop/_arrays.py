"""What users hand over, as arrays that the engines take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_contiguous", "as_indices", "as_mask", "as_numbers", "as_vector"]

Array = NDArray[Any]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_INT64_MAX = np.uint64(2**63 - 1)


def as_vector(argument: str, value: ArrayLike) -> Array:
    """Anything that NumPy reads as real numbers, in either width that the engines read at any stride.

    A step takes a microsecond: an array of these is handed on as it is, and the engine narrows or widens it.

    Examples
    --------
    >>> as_vector("x", [0, True, 0.5])
    array([0. , 1. , 0.5])
    >>> row = np.zeros(3)
    >>> as_vector("x", row) is row
    True
    """
    if type(value) is np.ndarray and (value.dtype is _FLOAT64 or value.dtype is _FLOAT32):
        return value
    array = _read_numbers(argument, value)
    if array.dtype == _FLOAT64 or array.dtype == _FLOAT32:
        return array
    if array.dtype.kind == "f" and array.dtype.itemsize > _FLOAT64.itemsize:
        with np.errstate(all="ignore"):  # it may overflow
            return array.astype(_FLOAT64)
    return array.astype(_FLOAT64)


def as_numbers(argument: str, value: ArrayLike, dtype: str) -> Array:
    """Anything that NumPy reads as real numbers, C-ordered and of the trainer's dtype.

    Parameters
    ----------
    argument : str
        The name for messages.
    value : array_like
        Floats of any width, ints or bools, of any shape.
    dtype : str
        ``"float32"`` or ``"float64"``. What overflows it becomes infinity, which the engine refuses.

    Returns
    -------
    numpy.ndarray
        ``value`` itself where nothing had to change, else a copy.

    Raises
    ------
    TypeError
        Not an array of real numbers.

    Examples
    --------
    >>> as_numbers("x", [0, True, 0.5], "float32")
    array([0. , 1. , 0.5], dtype=float32)
    >>> as_numbers("x", [1j], "float32")
    Traceback (most recent call last):
    TypeError: x: expected an array of real numbers, got dtype complex128
    """
    return as_contiguous(_read_numbers(argument, value), dtype)


def as_contiguous(array: Array, dtype: str) -> Array:
    """C-ordered, aligned and of this dtype: itself where nothing had to change, else a copy.

    Examples
    --------
    >>> as_contiguous(np.arange(4)[::2], "int64").flags.c_contiguous
    True
    """
    if array.dtype != dtype or not array.flags.c_contiguous:
        with np.errstate(all="ignore"):
            array = array.astype(dtype, order="C")
    return array if array.flags.aligned else array.copy()


def as_mask(argument: str, value: ArrayLike) -> Array:
    """A boolean array as bytes of 0 and 1 (T,).

    Examples
    --------
    >>> as_mask("mask", [True, False])
    array([1, 0], dtype=uint8)
    >>> as_mask("mask", [1, 0])
    Traceback (most recent call last):
    TypeError: mask: expected an array of bool, got dtype int64
    """
    array = _read(argument, value)
    if array.dtype.kind != "b":
        raise TypeError(f"{argument}: expected an array of bool, got dtype {array.dtype}")
    return np.asarray(array, order="C").view(np.uint8)


def as_indices(argument: str, value: ArrayLike) -> Array:
    """A vector of integers as int64, whatever their range.

    Examples
    --------
    >>> as_indices("x", [3, 1]), as_indices("x", [])
    (array([3, 1]), array([], dtype=int64))
    >>> as_indices("x", [0.5])
    Traceback (most recent call last):
    TypeError: x: expected an array of indices, got dtype float64
    """
    array = _read(argument, value)
    if array.dtype.kind not in "iu" and array.size > 0:
        raise TypeError(f"{argument}: expected an array of indices, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{argument}: expected indices of shape (n_spikes,), got {array.shape}")
    if array.dtype == np.uint64:
        array = np.minimum(array, _INT64_MAX)  # out of every range, too
    return as_contiguous(array, "int64")


def _read_numbers(argument: str, value: ArrayLike) -> Array:
    array = _read(argument, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{argument}: expected an array of real numbers, got dtype {array.dtype}")
    return array


def _read(argument: str, value: ArrayLike) -> Array:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # ragged lists, say
        raise TypeError(f"{argument}: expected an array of real numbers, got {error}") from error
