"""A configuration: a TOML file as dataclasses, checked before any work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from .._fields import checked
from .._trainer import EpropTrainer

__all__ = ["Config", "ConfigError", "DataConfig", "TrainingConfig", "config_argument", "read_config"]


class ConfigError(ValueError):
    """A configuration that is wrong: nothing was done."""


@dataclass(frozen=True)
class DataConfig:
    """The table ``[data]``: where the data are, and how they are read. Paths start at the configuration's folder."""

    train: str
    test: str | None = None
    validation: float = 0.0
    """The share of the sequences of `train` that is held out, and scored after each pass."""
    target: str = "label"
    """Of a .csv: the column of what is to be learned."""
    sequence: str | None = None
    """Of a .csv: rows with the same entry in this column are one sequence. None: each row is shown for `n_steps`."""
    per_step: bool = False
    """Whether each step has its own target."""
    scale: bool = True
    """Whether each input is brought to mean 0 and variance 1, as estimators do."""
    n_steps: int = 20
    """Steps of the network that a sequence lasts at least: shorter ones are slowed down."""
    bands: int = 32
    """Of .wav: the bands of the log-mel spectrum."""


@dataclass(frozen=True)
class TrainingConfig:
    """The table ``[training]``."""

    epochs: int = 30
    schedule: str = "cosine"
    noise: float = 0.3
    """Standard deviation of normal noise on inputs that are not 0."""
    firing_rate: float | None = None
    """In Hz, before training. None: by the length of the sequences."""


@dataclass(frozen=True)
class Config:
    """All of a configuration; `trainer` has fields of `EpropTrainer`."""

    data: DataConfig
    training: TrainingConfig
    trainer: Mapping[str, Any] = field(default_factory=dict)
    task: str = "classify"
    out: str = "run"

    @property
    def is_classification(self) -> bool:
        """Whether targets are labels."""
        return self.task == "classify"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` takes it."""
        return asdict(self)

    @staticmethod
    def from_dict(told: Mapping[str, Any], folder: Path = Path()) -> Config:
        """A configuration of its tables, with paths that start at `folder`.

        Raises
        ------
        ConfigError
            An unknown name, a value of another type, or one out of range.

        Examples
        --------
        >>> Config.from_dict({"data": {"train": "digits.npz"}}).training.epochs
        30
        >>> Config.from_dict({"data": {"train": "digits.npz"}, "training": {"epoch": 3}})
        Traceback (most recent call last):
        eprop.cli._config.ConfigError: [training] epoch: expected one of epochs, schedule, noise, firing_rate
        """
        _known("", told, [each.name for each in fields(Config)])
        data = _table(DataConfig, "data", told.get("data", {}))
        training = _table(TrainingConfig, "training", told.get("training", {}))
        trainer = told.get("trainer", {})
        if not isinstance(trainer, Mapping):
            raise ConfigError(f"trainer: expected a table [trainer], got {trainer!r}")
        _check_fields("trainer", EpropTrainer, trainer)
        for name in ("train", "test"):
            if (path := data.get(name)) is not None:
                data[name] = str(folder / path)
        config = Config(
            DataConfig(**data),
            TrainingConfig(**training),
            dict(trainer),
            _text("task", told.get("task", "classify")),
            str(folder / _text("out", told.get("out", "run"))),
        )
        _check_values(config)
        return config


def read_config(path: Path) -> Config:
    """The configuration of a TOML file.

    Raises
    ------
    ConfigError
        No file, no TOML, or as of `Config.from_dict`; the message begins with the path.
    ModuleNotFoundError
        Python 3.10 without the extra ``cli``.
    """
    try:
        return Config.from_dict(_load(path), path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: expected a configuration in TOML, got {error.strerror}") from None
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    try:
        toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"TOML is read by the module {missing.name!r}, which is not installed: install the extra with  "
            "pip install 'eprop[cli]'",
            name=missing.name,
        ) from missing
    with path.open("rb") as file:
        try:
            read: dict[str, Any] = toml.load(file)
        except toml.TOMLDecodeError as error:
            raise ConfigError(f"expected TOML: {error}") from None
    return read


def _table(of: Any, name: str, told: Any) -> dict[str, Any]:
    """The values of a table, each of the type of its field."""
    if not isinstance(told, Mapping):
        raise ConfigError(f"{name}: expected a table [{name}], got {told!r}")
    if name == "data" and "train" not in told:
        raise ConfigError('[data] train: expected the path of the data, as in train = "digits.npz", got none')
    return _check_fields(name, of, told)


def _check_fields(name: str, of: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Field[Any]] = {each.name: each for each in fields(of)}
    _known(f"[{name}] ", told, known)
    try:
        return {key: checked(f"[{name}] {key}", str(known[key].type), value) for key, value in told.items()}
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None


def _known(where: str, told: Mapping[str, Any], names: Iterable[str]) -> None:
    names = list(names)
    for name in told:
        if name not in names:
            raise ConfigError(f"{where}{name}: expected one of {', '.join(names)}")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {value!r}")
    return value


def _check_values(config: Config) -> None:
    data, training = config.data, config.training
    if config.task not in ("classify", "regress"):
        raise ConfigError(f'task: expected "classify" or "regress", got {config.task!r}')
    if training.schedule not in ("cosine", "constant"):
        raise ConfigError(f'[training] schedule: expected "cosine" or "constant", got {training.schedule!r}')
    if not 0.0 <= data.validation < 1.0:
        raise ConfigError(f"[data] validation: expected a share from 0 to below 1, got {data.validation}")
    if not 0.0 <= training.noise < float("inf"):
        raise ConfigError(f"[training] noise: expected a finite number >= 0, got {training.noise}")
    if training.firing_rate is not None and not 0.0 < training.firing_rate < float("inf"):
        raise ConfigError(f"[training] firing_rate: expected a finite number > 0, got {training.firing_rate}")
    for name, value in (
        ("[data] n_steps", data.n_steps),
        ("[data] bands", data.bands),
        ("[training] epochs", training.epochs),
    ):
        if value < 1:
            raise ConfigError(f"{name}: expected at least 1, got {value}")


def config_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that ``plan`` and ``train`` share."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the configuration")
