"""What is trained: a network for the data, lessons for it, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._calibrating import calibrate
from .._scaling import Scaler
from .._targets import NO_LABEL, Targets, last_steps
from .._trainer import EpropTrainer
from ._bar import bar
from ._config import Config, ConfigError
from ._data import Data, padded

__all__ = ["Network", "Scale", "build", "sizes", "trainer_options"]

Array = NDArray[Any]

_SAMPLE, _AT_ONCE = 64, 256
"""Sequences on which firing rates are calibrated; those that are answered side by side."""
_SPLIT, _CALIBRATION = 2**31, 2**31 + 1
"""Streams of chance beside those of the epochs."""


class Scale(NamedTuple):
    """The unit of each column: values are ``(value - centre) / width``, and of width 0 a constant."""

    centre: Array
    width: Array

    @classmethod
    def of(cls, rows: list[Array], *, of_targets: bool = False) -> Scale:
        """That of all rows (T, columns) together."""
        scaler = Scaler(of_targets=of_targets)
        for part in rows:
            scaler.learn(part)
        return cls(scaler.centre, scaler.width)

    def apply(self, values: Array) -> Array:
        """Values in units of the columns."""
        gain = np.divide(1.0, self.width, out=np.zeros_like(self.width), where=self.width > 0.0)
        return np.asarray((values - self.centre) * gain)

    def undo(self, values: Array) -> Array:
        """What `apply` has made `values` of."""
        return np.asarray(values * self.width + self.centre)


class Network(NamedTuple):
    """A trainer, and what stands between it and the data."""

    config: Config
    trainer: EpropTrainer
    classes: Array | None
    """Labels, of a classification."""
    inputs: Scale | None
    targets: Scale | None
    n_repeats: int
    """Steps of the network that each step of a sequence lasts."""

    def present(self, X: list[Array]) -> tuple[Array, Array]:
        """Inputs (n, T, features) and lengths (n,), as a trainer takes them."""
        shown = [rows if self.inputs is None else self.inputs.apply(rows) for rows in X]
        repeated = [np.repeat(rows, self.n_repeats, axis=0) for rows in shown]
        return padded(repeated, self.trainer.dtype), np.array([len(rows) for rows in repeated])

    def check(self, path: Path | str, data: Data, *, is_taught: bool = False) -> None:
        """Refuses data of other sizes or kinds than those of the network; `is_taught`: they must have targets of its kind.

        Raises
        ------
        ValueError
            It begins with the path.
        """
        _check_features(path, data, self.trainer.n_inputs)
        if data.y is None:
            if is_taught:
                raise ValueError(f"{path}: {data.without}")
            return
        _check_targets(path, self.config, data.y)
        if self.classes is None:
            n_outputs = _columns(_rows(data.y)[0]).shape[1]
            if n_outputs != self.trainer.n_outputs:
                raise ValueError(
                    f"{path}: expected {self.trainer.n_outputs} numbers in each target, as in training, got {n_outputs}"
                )
        elif is_taught and (kind := _kind(_rows(data.y)[0])) != _kind(self.classes):
            raise ValueError(
                f"{path}: expected labels that are {_kind(self.classes)}, as in training, got {kind}"
            )

    def lessons(self, y: Any) -> Targets:
        """Labels as their codes, numbers in their units."""
        if self.targets is not None:
            scale = self.targets
            values: Any = (
                [scale.apply(_columns(row)) for row in y] if isinstance(y, list) else scale.apply(_columns(y))
            )
        else:
            values = [self._codes(row) for row in y] if isinstance(y, list) else self._codes(y)
        return Targets(values, np.ones(len(y)))

    def _codes(self, labels: Array) -> Array:
        assert self.classes is not None
        codes = np.clip(np.searchsorted(self.classes, labels), 0, len(self.classes) - 1)
        return np.where(self.classes[codes] == labels, codes, NO_LABEL)

    def answers(self, data: Data, what: str = "answering") -> Any:
        """A label or numbers for each sequence (n,) or (n, O); with `per_step` a list of those of each step."""
        found = []
        for first in bar(range(0, len(data.X), _AT_ONCE), what):
            X = data.X[first : first + _AT_ONCE]
            inputs, lengths = self.present(X)
            outputs = self.trainer.evaluate(inputs, lengths=lengths)
            if self.config.data.per_step:
                last = outputs[:, self.n_repeats - 1 :: self.n_repeats]
                found += [self._read(row[: len(rows)]) for row, rows in zip(last, X, strict=True)]
            else:
                at_the_end = last_steps(lengths, self.n_repeats)
                found.append(self._read(np.einsum("bt,bto->bo", at_the_end, outputs)))
        return found if self.config.data.per_step else np.concatenate(found)

    def _read(self, outputs: Array) -> Array:
        if self.classes is not None:
            return np.asarray(self.classes[outputs.argmax(axis=1)])
        assert self.targets is not None
        values = self.targets.undo(outputs)
        return values[:, 0] if values.shape[1] == 1 else values

    def score(self, data: Data, what: str = "scoring") -> float | None:
        """The share of right labels, or the root of the mean square error; None without targets."""
        if data.y is None:
            return None
        answers, y = self.answers(data, what), data.y
        if isinstance(y, list):
            answers, y = np.concatenate(answers), np.concatenate(y)
        if self.classes is None:
            return float(np.sqrt(np.mean(np.square(_columns(answers) - _columns(y)))))
        given = ~_is_missing(y)
        return float(np.mean(answers[given].astype(str) == y[given].astype(str))) if given.any() else None


def build(config: Config, data: Data) -> Network:
    """An untrained network that fits the data, and fires at a useful rate.

    Raises
    ------
    ConfigError
        Fields of ``[trainer]`` that `EpropTrainer` refuses, sizes that are not those of the data, or a firing rate that
        cannot be reached.
    ValueError
        Data without targets, or with targets of another kind than `task` says.
    """
    n_inputs, n_outputs = sizes(config, data)
    n_repeats = max(1, ceil(config.data.n_steps / float(np.median(data.lengths))))
    length = float(np.median(data.lengths)) * n_repeats
    options = trainer_options(config, len(data.X), length)
    for name, size in (("n_inputs", n_inputs), ("n_outputs", n_outputs)):
        if (given := options.pop(name, size)) != size:
            raise ConfigError(f"[trainer] {name}: expected {size}, as the data have, got {given}")
    try:
        trainer = EpropTrainer(n_inputs=n_inputs, n_outputs=n_outputs, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"[trainer] {error}") from None
    numbers = None if config.is_classification else [_columns(row) for row in _rows(data.y)]
    network = Network(
        config,
        trainer,
        _classes(data.y) if config.is_classification else None,
        Scale.of(data.X) if config.data.scale else None,
        None if numbers is None else Scale.of(numbers, of_targets=True),
        n_repeats,
    )
    rows = np.random.default_rng([trainer.seed, _CALIBRATION]).permutation(len(data.X))[:_SAMPLE]
    inputs, lengths = network.present(data.take(rows).X)
    sample = [row[:n] for row, n in zip(inputs, lengths, strict=True)]
    try:
        calibrate(trainer, sample, float(np.median(lengths)), config.training.firing_rate)
    except ValueError as error:
        if config.training.firing_rate is None or not str(error).startswith("rate:"):
            raise
        raise ConfigError(f"[training] firing_{error}") from None  # what is rate to a trainer
    return network


def sizes(config: Config, data: Data) -> tuple[int, int]:
    """Inputs and outputs of a network for these data."""
    path, n_inputs = config.data.train, data.X[0].shape[1]
    if data.y is None:
        raise ValueError(f"{path}: {data.without}")
    _check_features(path, data, n_inputs)
    _check_targets(path, config, data.y)
    if not config.is_classification:
        return n_inputs, _columns(_rows(data.y)[0]).shape[1]
    n_outputs = len(_classes(data.y))
    if n_outputs < 2:
        raise ValueError(f"{path}: expected at least two labels, got {n_outputs}")
    return n_inputs, n_outputs


def _check_features(path: Path | str, data: Data, n_features: int) -> None:
    for rows, name in zip(data.X, data.names, strict=True):
        if rows.shape[1] != n_features:
            raise ValueError(
                f"{path}: expected {n_features} features, as in training, got {rows.shape[1]} in {name}"
            )


def _check_targets(path: Path | str, config: Config, y: Any) -> None:
    """The shape and the kind of targets, each by itself: how many numbers they are is not known here."""
    # Of each step the first axis is that of the steps of one sequence, else that of the sequences.
    of, axis = ("step", "T") if isinstance(y, list) else ("sequence", "n")
    for row in _rows(y):
        if config.is_classification:
            if row.ndim != 1:
                raise ValueError(
                    f"{path}: expected y ({axis},), a label for each {of}, got shape {row.shape}"
                )
            if row.dtype.kind not in "biuU":
                raise ValueError(
                    f"{path}: expected labels, integers or text, since the task is to classify, got {row.dtype}"
                )
            continue
        if row.ndim not in (1, 2) or row.size == 0:
            raise ValueError(f"{path}: expected y ({axis},) or ({axis}, outputs), got shape {row.shape}")
        if row.dtype.kind not in "fbiu":
            raise ValueError(f'{path}: expected numbers, since task = "regress", got {row.flat[0]!r}')
        if not np.isfinite(row).all():
            raise ValueError(f"{path}: expected finite targets, got NaN or infinity")


def trainer_options(config: Config, n_sequences: int, length: float) -> dict[str, Any]:
    """What ``[trainer]`` says, and the defaults of estimators elsewhere; `length`, in steps, of the median sequence."""
    given: Mapping[str, Any] = config.trainer
    tau_mem = given.get("tau_mem", 10.0)
    options = {
        "n_neurons": 200,
        "loss": "cross_entropy" if config.is_classification else "mse",
        "update_every": "sequence",
        "reduction": "mean",
        "readout_bias": True,
        "optimizer": "adam",
        "batch_size": max(1, min(32, n_sequences // 10)),
        "tau_mem": tau_mem,
        "tau_trace": float(np.mean(tau_mem)) if config.data.per_step else length * given.get("dt", 1.0),
    }
    if given.get("optimizer", "adam") in ("adam", "adamw"):
        options["lr"] = 0.005
    return {**options, **given}


def split(config: Config, data: Data, seed: int) -> tuple[Data, Data | None]:
    """The data to learn from, and those that are held out."""
    n = round(config.data.validation * len(data.X))
    if n == 0:
        return data, None
    order = np.random.default_rng([seed, _SPLIT]).permutation(len(data.X))
    if n == len(order):
        raise ConfigError(
            f"[data] validation: expected a share that leaves data to learn from, got {n} of {n}"
        )
    return data.take(order[n:]), data.take(order[:n])


def _rows(y: Any) -> list[Array]:
    return y if isinstance(y, list) else [y]


def _columns(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(len(values), -1)


def _classes(y: Any) -> Array:
    labels = np.unique(np.concatenate(_rows(y)))
    return np.asarray(labels[~_is_missing(labels)])


def _kind(labels: Array) -> str:
    return "text" if labels.dtype.kind == "U" else "integers"


def _is_missing(labels: Array) -> Array:
    """-1, and no text, are no label."""
    return np.asarray(labels == "" if labels.dtype.kind == "U" else labels == NO_LABEL)
