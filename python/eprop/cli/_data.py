"""Data of files: .npz, .csv, folders of .wav."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
        return Data([self.X[row] for row in rows], y, [self.names[row] for row in rows])


def read_data(path: Path, settings: DataConfig) -> Data:
    """The data of a file or folder.

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
        data = _from_csv(path, settings)
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
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("X", "y", "lengths") if name in file.files}
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: expected arrays of numbers or text, X and y, got {error}") from None
    X, y = arrays.get("X"), arrays.get("y")
    if X is None or X.ndim not in (2, 3) or X.dtype.kind not in "fbiu":
        got = "no X" if X is None else f"shape {X.shape} of {X.dtype}"
        raise ValueError(f"{path}: expected X of numbers, (n, features) or (n, T, features), got {got}")
    if y is not None and len(y) != len(X):
        raise ValueError(f"{path}: expected as many y as X, {len(X)}, got {len(y)}")
    sequences = list(X[:, None] if X.ndim == 2 else X)
    n_steps = [len(rows) for rows in sequences]
    if (lengths := arrays.get("lengths")) is not None:
        if lengths.shape != (len(X),) or lengths.dtype.kind not in "iu":
            raise ValueError(f"{path}: expected lengths of integers ({len(X)},), got {lengths.shape}")
        if lengths.min() < 1 or lengths.max() > n_steps[0]:
            raise ValueError(
                f"{path}: expected lengths from 1 to {n_steps[0]}, got {lengths.min()} to {lengths.max()}"
            )
        n_steps = lengths.tolist()
        sequences = [rows[:n] for rows, n in zip(sequences, n_steps, strict=True)]
    if y is not None and settings.per_step:
        if y.ndim < 2 or y.shape[1] != (1 if X.ndim == 2 else X.shape[1]):
            raise ValueError(
                f"{path}: expected y of each step, (n, T), since per_step is true, got {y.shape}"
            )
        y = [rows[:n] for rows, n in zip(y, n_steps, strict=True)]
    return Data(sequences, y, [str(n) for n in range(len(sequences))])


def _from_csv(path: Path, settings: DataConfig) -> Data:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if len(rows) < 2:
        raise ValueError(f"{path}: expected a row of names and rows of data, got {len(rows)} rows")
    names, rows = rows[0], rows[1:]
    if settings.sequence is not None and settings.sequence not in names:
        raise ValueError(
            f"{path}: expected a column {settings.sequence!r}, as sequence says, got {', '.join(names)}"
        )
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise ValueError(f"{path}, line {line}: expected {len(names)} entries, got {len(row)}")
    numbers = [
        column for column, name in enumerate(names) if name not in (settings.target, settings.sequence)
    ]
    X = np.array([[_number(path, line, row[n]) for n in numbers] for line, row in enumerate(rows, start=2)])
    y = _column([row[names.index(settings.target)] for row in rows]) if settings.target in names else None
    if settings.sequence is None:
        of_steps = None if y is None else [y[n : n + 1] for n in range(len(y))]
        return Data(list(X[:, None]), of_steps if settings.per_step else y, [str(n) for n in range(len(X))])
    keys = [row[names.index(settings.sequence)] for row in rows]
    of_key: dict[str, list[int]] = {}
    for n, key in enumerate(keys):
        of_key.setdefault(key, []).append(n)
    parts = list(of_key.values())
    if y is None:
        targets: Any = None
    elif settings.per_step:
        targets = [y[part] for part in parts]
    else:
        for key, part in of_key.items():
            if len(set(y[part].tolist())) > 1:
                raise ValueError(
                    f"{path}: expected one {settings.target} in the sequence {key}, got several; per_step = true takes "
                    "one for each step"
                )
        targets = y[[part[0] for part in parts]]
    return Data([X[part] for part in parts], targets, list(of_key))


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{path}, line {line}: expected a number, got {text!r}") from None


def _column(texts: list[str]) -> Array:
    """Integers if all are, else numbers, else text."""
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            continue
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
    return Data(X, np.array([path.parent.name for path in paths]) if labelled else None, names)
