"""What tasks of recordings share: files, a part to learn from, a part that is scored once, and a classifier of recordings.

What is wrong with a file is a ValueError that begins with its path. The command line reads its files here, too.
"""

from __future__ import annotations

import csv
import os
import time
import wave
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..optim import cosine
from ._trials import Bar, Rng, no_bar, stepping

Floats = NDArray[np.floating[Any]]
Labels = NDArray[Any]
FilePath: TypeAlias = "str | os.PathLike[str]"

# What zipfile and NumPy raise of an archive that was cut, or in which a bit has changed.
_DAMAGE = (ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, BadZipFile, zlib.error)
_STREAMED = 2**30
"""Bytes from which on the header of a .wav does not count: programs that write into a pipe do not know how many come."""


class Recordings(NamedTuple):
    """Sequences (T_i, n_inputs) with a label each: `X`, `y` to learn from, `X_test`, `y_test` to be scored once."""

    X: Any
    y: Labels
    X_test: Any
    y_test: Labels


class Classified(NamedTuple):
    """An `EpropClassifier`, its loss after each pass, what it said of the test's recordings and the share that is right, and
    the seconds of training."""

    classifier: Any
    losses: list[float]
    predicted: Labels
    right: float
    seconds: float


def classify(data: Recordings, seed: int, *, bar: Bar = no_bar, **options: Any) -> Classified:
    """Learns from one part, and is scored on the other. It needs scikit-learn, the extra ``sklearn``."""
    from ..sklearn import EpropClassifier

    with stepping(bar, options["max_iter"]) as step:

        def listen(_estimator: Any, _logs: Any) -> None:
            step()

        classifier = EpropClassifier(random_state=seed, callbacks=[listen], **options)
        start = time.perf_counter()
        classifier.fit(data.X, data.y)
        seconds = time.perf_counter() - start
    return _scored(classifier, data, seconds)


def classify_varied(
    data: Recordings,
    vary: Callable[[Any, Rng], Any],
    seed: int,
    *,
    lr: float | None,
    bar: Bar = no_bar,
    **options: Any,
) -> Classified:
    """The same, where each pass learns from the recordings as `vary` changes them anew.

    The rate falls from pass to pass, along a cosine; None: from the estimator's own. The test's recordings stay as they are.
    """
    from ..sklearn import EpropClassifier

    passes = options["max_iter"]
    rng, top = np.random.default_rng(seed), lr
    classifier = EpropClassifier(random_state=seed, **options)
    classes, start = np.unique(data.y), time.perf_counter()
    for number in bar(range(passes)):
        if top is not None:
            classifier.set_params(lr=cosine(top, n_updates=passes)(number))
        classifier.partial_fit(vary(data.X, rng), data.y, classes=classes)
        top = classifier.trainer_.lr if top is None else top
    return _scored(classifier, data, time.perf_counter() - start)


def _scored(classifier: Any, data: Recordings, seconds: float) -> Classified:
    predicted = classifier.predict(data.X_test)
    right = float(np.mean(predicted == data.y_test))
    return Classified(classifier, list(classifier.loss_curve_), predicted, right, seconds)


def held_out(X: Any, y: Labels, seed: int, share: float) -> Recordings:
    """Of each class a random part for the test.

    Examples
    --------
    >>> data = held_out(np.zeros((20, 5, 3)), np.arange(20) % 2, seed=0, share=0.2)
    >>> data.X_test.shape, np.bincount(data.y_test).tolist()
    ((4, 5, 3), [2, 2])
    """
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.nonzero(y == label)[0]) for label in np.unique(y)]
    test = np.sort(np.concatenate([rows[: round(share * len(rows))] for rows in of_class]))
    train = np.setdiff1d(np.arange(len(y)), test)
    return Recordings(pick(X, train), y[train], pick(X, test), y[test])


def pick(X: Any, rows: NDArray[np.int64]) -> Any:
    """These rows of an array, or items of a list."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


class Sound(NamedTuple):
    """The bytes of a recording: `n_bytes` for a sample, a sample of each channel in turn, `rate` of them in a second."""

    data: bytes
    n_bytes: int
    n_channels: int
    rate: int


def read_npz(path: FilePath, names: Sequence[str]) -> dict[str, NDArray[Any]]:
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


def read_rows(path: FilePath) -> tuple[list[str], list[list[str]]]:
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


def read_sound(path: FilePath) -> Sound:
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
