"""Data of files: .npz, .csv, folders of .wav."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..tasks._recordings import read_npz, read_rows
from ._audio import log_mel, read_wav
from ._bar import bar
from ._config import DataConfig

__all__ = ["Data", "padded", "read_data"]

Array = NDArray[Any]


class Data(NamedTuple):
    """n sequences (T, features) of any lengths, and their targets.

    `y` is (n,) or (n, O), one target for each sequence; with `per_step` a list with those of the steps of each; None
    where the file has none. `names` say which sequence is which.
    """

    X: list[Array]
    y: Any
    names: list[str]
    without: str = "expected targets, got none"
    """What to say of it where `y` is None and targets are needed."""

    @property
    def lengths(self) -> Array:
        """Steps of each sequence (n,)."""
        return np.array([len(rows) for rows in self.X])

    def take(self, rows: Array) -> Data:
        """The sequences of these indices."""
        y = (
            None
            if self.y is None
            else [self.y[row] for row in rows]
            if isinstance(self.y, list)
            else self.y[rows]
        )
        return self._replace(X=[self.X[row] for row in rows], y=y, names=[self.names[row] for row in rows])


def read_data(path: Path, settings: DataConfig, *, are_labels: bool = True) -> Data:
    """The data of a file or folder; targets of a .csv are labels, or else numbers.

    Raises
    ------
    ValueError
        Another kind of file, or one that does not hold what is expected of its kind.
    OSError
        What cannot be read.
    """
    if path.is_dir():
        data = _from_wav(path, settings)
    elif path.suffix == ".npz":
        data = _from_npz(path, settings)
    elif path.suffix == ".csv":
        data = _from_csv(path, settings, are_labels)
    else:
        raise ValueError(f"{path}: expected a .npz, a .csv, or a folder of .wav files")
    if not data.X:
        raise ValueError(f"{path}: expected at least one sequence, got none")
    for rows, name in zip(data.X, data.names, strict=True):
        if rows.size == 0:
            raise ValueError(
                f"{path}: expected at least one step and feature in {name}, got shape {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise ValueError(f"{path}: expected finite numbers in {name}, got NaN or infinity")
    return data


def padded(X: list[Array], dtype: str) -> Array:
    """All as one array (n, T, features), with 0 beyond each one's end."""
    out = np.zeros((len(X), max(map(len, X)), X[0].shape[1]), dtype)
    for row, rows in zip(out, X, strict=True):
        row[: len(rows)] = rows
    return out


def _from_npz(path: Path, settings: DataConfig) -> Data:
    arrays = read_npz(path, ("X", "y", "lengths"))
    X, y = arrays.get("X"), arrays.get("y")
    if X is None or X.ndim not in (2, 3) or X.dtype.kind not in "fbiu":
        got = "no X" if X is None else f"shape {X.shape} of {X.dtype}"
        raise ValueError(f"{path}: expected X of numbers, (n, features) or (n, T, features), got {got}")
    if len(X) == 0:
        raise ValueError(f"{path}: expected at least one sequence, got X of shape {X.shape}")
    if y is not None and y.shape[:1] != X.shape[:1]:
        got = f"{len(y)}" if y.ndim > 0 else "a single one, of shape ()"
        raise ValueError(f"{path}: expected as many y as X, {len(X)}, got {got}")
    sequences = list(X[:, None] if X.ndim == 2 else X)
    n_steps = _n_steps(path, arrays.get("lengths"), len(X), len(sequences[0]))
    targets: Any = y
    if y is not None and settings.per_step:
        if y.ndim < 2 or y.shape[1] != len(sequences[0]):
            raise ValueError(
                f"{path}: expected y of each step, (n, T), since per_step is true, got {y.shape}"
            )
        targets = [rows[:n] for rows, n in zip(y, n_steps, strict=True)]
    sequences = [rows[:n] for rows, n in zip(sequences, n_steps, strict=True)]
    return Data(
        sequences,
        targets,
        [str(n) for n in range(len(sequences))],
        "expected targets, got none; they are an array y",
    )


def _n_steps(path: Path, lengths: Array | None, n: int, longest: int) -> list[int]:
    if lengths is None:
        return [longest] * n
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        raise ValueError(f"{path}: expected lengths of integers ({n},), got {lengths.shape}")
    if lengths.min() < 1 or lengths.max() > longest:
        raise ValueError(
            f"{path}: expected lengths from 1 to {longest}, got {lengths.min()} to {lengths.max()}"
        )
    return [int(length) for length in lengths]


def _from_csv(path: Path, settings: DataConfig, are_labels: bool) -> Data:
    names, rows = read_rows(path)
    if settings.sequence is not None and settings.sequence not in names:
        raise ValueError(
            f"{path}: expected a column {settings.sequence!r}, as sequence says, got {', '.join(names)}"
        )
    numbers = [
        column for column, name in enumerate(names) if name not in (settings.target, settings.sequence)
    ]
    X = np.array([[_number(path, line, row[n]) for n in numbers] for line, row in enumerate(rows, start=2)])
    without = f"expected targets in a column {settings.target!r}, as [data] target says, got columns {', '.join(names)}"
    y = None
    if settings.target in names:
        texts = [row[names.index(settings.target)] for row in rows]
        y = _labels(texts) if are_labels else _numbers(path, texts)
    if settings.sequence is None:
        of_steps = None if y is None else [y[n : n + 1] for n in range(len(y))]
        targets = of_steps if settings.per_step else y
        return Data(list(X[:, None]), targets, [str(n) for n in range(len(X))], without)
    of_key: dict[str, list[int]] = {}
    for n, row in enumerate(rows):
        of_key.setdefault(row[names.index(settings.sequence)], []).append(n)
    return Data(
        [X[part] for part in of_key.values()], _of_parts(path, settings, y, of_key), list(of_key), without
    )


def _of_parts(path: Path, settings: DataConfig, y: Array | None, of_key: dict[str, list[int]]) -> Any:
    """The targets of sequences, whose rows `of_key` tells."""
    if y is None:
        return None
    if settings.per_step:
        return [y[part] for part in of_key.values()]
    for key, part in of_key.items():
        if len(set(y[part].tolist())) > 1:
            raise ValueError(
                f"{path}: expected one {settings.target} in the sequence {key}, got several; per_step = true takes one for "
                "each step"
            )
    return y[[part[0] for part in of_key.values()]]


def _number(path: Path, line: int, text: str) -> float:
    try:
        return _real(text)
    except ValueError:
        raise ValueError(f"{path}, line {line}: expected a number, got {text!r}") from None


def _numbers(path: Path, texts: list[str]) -> Array:
    return np.array([_number(path, line, text) for line, text in enumerate(texts, start=2)])


def _real(text: str) -> float:
    """As `float`, but that "1_0" is no number: no other program writes it."""
    if "_" in text:
        raise ValueError
    return float(text)


def _labels(texts: list[str]) -> Array:
    """Integers if all are written as such, numbers, which are no labels, if some have a fraction, else text."""
    with suppress(ValueError):
        # int() takes "007" and "1_0", too, and would make one label of "1_0" and "10".
        integers = [int(text) for text in texts]
        is_plain = all(str(n) == text and abs(n) < 2**63 for n, text in zip(integers, texts, strict=True))
        return np.array(integers if is_plain else texts)
    with suppress(ValueError):
        return np.array([_real(text) for text in texts])
    return np.array(texts)


def _from_wav(folder: Path, settings: DataConfig) -> Data:
    """A folder for each label, or recordings without labels."""
    if settings.per_step:
        raise ValueError(f"{folder}: expected per_step = false, since a recording has one label")
    paths = sorted(folder.glob("*/*.wav")) or sorted(folder.glob("*.wav"))
    if not paths:
        raise ValueError(f"{folder}: expected .wav files, or a folder of them for each label, got none")
    X = [log_mel(*read_wav(path), settings.bands) for path in bar(paths, f"reading {folder.name}")]
    labelled = paths[0].parent != folder
    names = [str(path.relative_to(folder)) for path in paths]
    y = np.array([path.parent.name for path in paths]) if labelled else None
    return Data(X, y, names, "expected a folder of .wav files for each label, got .wav files alone")
