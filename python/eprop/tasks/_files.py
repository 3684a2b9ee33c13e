"""Files of arrays, of rows and of sound. What is wrong with one is a ValueError that begins with its path."""

from __future__ import annotations

import csv
import os
import wave
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sound", "read_npz", "read_rows", "read_sound"]

Array = NDArray[Any]
Path = str | os.PathLike[str]

# What zipfile and NumPy raise of an archive that was cut, or in which a bit has changed.
_DAMAGE = (ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, BadZipFile, zlib.error)
_STREAMED = 2**30
"""Bytes from which on the header of a .wav does not count: programs that write into a pipe do not know how many come."""


class Sound(NamedTuple):
    """The bytes of a recording: `n_bytes` for a sample, a sample of each channel in turn, `rate` of them in a second."""

    data: bytes
    n_bytes: int
    n_channels: int
    rate: int


def read_npz(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """Those of these arrays that are in an .npz file.

    Raises
    ------
    ValueError
        No .npz, a damaged one, or arrays of objects.
    OSError
        A file that cannot be read.
    """
    expected = f"{path}: expected an .npz, arrays of numbers or text called {', '.join(names)}"
    try:
        with open(path, "rb") as raw:  # NumPy leaves a file open that is no archive
            file = np.load(raw, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise ValueError(f"one array of shape {file.shape}, as np.save writes it")
            return {name: file[name] for name in names if name in file.files}
    except _DAMAGE as error:
        raise ValueError(f"{expected}, got {str(error) or 'a damaged file'}") from None
    except OSError as error:
        if error.filename is not None:
            raise
        # A damaged directory of the archive that points to before its begin.
        raise ValueError(f"{expected}, got a damaged file: {error.strerror}") from None


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the columns and the rows of a .csv file, each with as many entries. Empty lines at its end do not count.

    Raises
    ------
    ValueError
        No text in UTF-8, a damaged file, no row, or one with more or fewer entries than there are names.
    OSError
        A file that cannot be read.
    """
    try:
        with open(
            path, newline="", encoding="utf-8-sig"
        ) as file:  # Excel begins with a mark of the byte order
            lines = list(csv.reader(file))
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(
            f"{path}: expected text in UTF-8, got the byte {byte:#04x}; save it as CSV UTF-8"
        ) from None
    except csv.Error as error:
        raise ValueError(f"{path}: expected a .csv, got {error}") from None
    while lines and len(lines[-1]) < 2 and not "".join(lines[-1]).strip():
        lines.pop()
    if len(lines) < 2:
        raise ValueError(f"{path}: expected a row of names and rows of data, got {len(lines)} rows")
    names, rows = lines[0], lines[1:]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise ValueError(f"{path}, line {line}: expected {len(names)} entries, got {len(row)}")
    return names, rows


def read_sound(path: Path) -> Sound:
    """The bytes of a .wav file of integers.

    Raises
    ------
    ValueError
        No .wav of integers, or one that was cut.
    OSError
        A file that cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            data, n_frames = file.readframes(file.getnframes()), file.getnframes()
            sound = Sound(data, file.getsampwidth(), file.getnchannels(), file.getframerate())
    except (wave.Error, EOFError, RuntimeError) as error:  # the last of a damaged chunk
        raise ValueError(f"{path}: expected a .wav file of integers, got {str(error) or 'its end'}") from None
    of_frame = sound.n_bytes * sound.n_channels
    told = n_frames * of_frame
    if (len(data) < told < _STREAMED) or len(data) % of_frame > 0:
        raise ValueError(f"{path}: expected {told} bytes of samples, as its header says, got {len(data)}")
    return sound
