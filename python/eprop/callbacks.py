"""Callbacks: what is told of training as it goes, and may stop it.

A callback is any object with one or more of these methods:

- ``on_step(trainer, logs)``: `train_stream` calls it after each step. `logs` has ``step``, from 1, and ``loss``, if the step
  had a target.
- ``on_sequence(estimator, logs)``: an estimator calls it after each batch of sequences, with ``loss``, ``lr``, ``n_updates``
  and ``n_sequences``.
- ``on_epoch_end(estimator, logs)``: an estimator calls it after each pass, with ``epoch``, from 1, ``loss``, ``lr``, and
  ``validation_score`` with early stopping.

`on_epoch_end` may return True, which stops the training. Nothing is called that a callback does not have; one of which
nothing would ever be called, there where it is given, is refused. In a loop of your own, call the methods yourself, with
your trainer in the place of the estimator.

Examples
--------
>>> import numpy as np
>>> from eprop import EpropTrainer
>>> from eprop.callbacks import EarlyStopping, History
>>> trainer = EpropTrainer(5, 20, 1, update_every="sequence")
>>> inputs, targets = np.random.default_rng(0).random((50, 5)) < 0.1, np.zeros((50, 1))
>>> history, stopping = History(), EarlyStopping("loss", patience=3)
>>> for epoch in range(1, 51):
...     logs = {"epoch": epoch, "loss": trainer.train_sequence(inputs, targets)}
...     history.on_epoch_end(trainer, logs)
...     if stopping.on_epoch_end(trainer, logs):
...         break
>>> len(history) == epoch, history["loss"].shape == (epoch,)
(True, True)
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._fields import checked, number
from ._html import as_table
from ._listeners import listeners

__all__ = ["Checkpoint", "EarlyStopping", "History", "Log", "Logger", "TensorBoard", "WandB", "listeners"]

_logger = logging.getLogger("eprop")

Logs = Mapping[str, Any]


class EarlyStopping:
    """Stops when a number has not become better for `patience` passes.

    An estimator's own `early_stopping` holds data out and keeps the best weights; this watches whatever is in `logs`.

    Parameters
    ----------
    monitor : str
        The name in `logs`.
    patience : int
        Passes without a better value that are waited for.
    min_delta : float
        By how much a value must be better to count.
    mode : str
        ``"min"``: less is better. ``"max"``: more is. NaN is never better.

    Examples
    --------
    >>> stopping = EarlyStopping("loss", patience=2)
    >>> losses = [3.0, 2.0, 2.5, 2.1]
    >>> [stopping.on_epoch_end(None, {"epoch": n + 1, "loss": loss}) for n, loss in enumerate(losses)]
    [False, False, False, True]
    >>> stopping.best, stopping.best_epoch
    (2.0, 2)
    """

    def __init__(
        self, monitor: str = "loss", *, patience: int = 10, min_delta: float = 0.0, mode: str = "min"
    ) -> None:
        self.patience = _count("patience", patience)
        self._best = _Best(monitor, mode, min_delta)
        self.n_without = 0

    @property
    def best(self) -> float:
        """The best value so far, infinite before there is one."""
        return self._best.value

    @property
    def best_epoch(self) -> int:
        """The pass of the best value, 0 before there is one."""
        return self._best.epoch

    def on_epoch_end(self, estimator: Any, logs: Logs) -> bool:
        """Whether to stop. The first pass, epoch 1, forgets an earlier training.

        Raises
        ------
        KeyError
            `logs` has no such name.
        """
        better = self._best.is_better(logs)
        if logs.get("epoch") == 1:
            self.n_without = 0
        self.n_without = 0 if better else self.n_without + 1
        stop = self.n_without >= self.patience
        if stop:
            _logger.info(
                "early stopping at epoch %s: best %s %g, at epoch %d",
                logs.get("epoch"), self._best.monitor, self.best, self.best_epoch,
            )  # fmt: skip
        return stop


class Checkpoint:
    """Saves the trainer, by its `save`: after each `every`-th pass, or after those of them with the best number so far.

    At any moment the old file or the new one is whole. `eprop.load` reads it. Of an estimator it is `trainer_`, without what
    the estimator has learned of the inputs' scale.

    Parameters
    ----------
    path : str or path-like
        ``{epoch}`` in it becomes the number of the pass.
    every : int
        Passes from one file to the next.
    monitor : str, optional
        Write only when this number in `logs` is better than ever before.
    mode : str
        ``"min"`` or ``"max"``, as in `EarlyStopping`.

    Examples
    --------
    >>> import tempfile, eprop
    >>> trainer = eprop.EpropTrainer(2, 3, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Checkpoint(f"{folder}/net-{{epoch}}.safetensors").on_epoch_end(trainer, {"epoch": 7})
    ...     eprop.load(f"{folder}/net-7.safetensors").state_equal(trainer)
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        monitor: str | None = None,
        mode: str = "min",
    ) -> None:
        self.path, self.every = os.fsdecode(path), _count("every", every)
        self._best = None if monitor is None else _Best(monitor, mode, 0.0)

    def on_epoch_end(self, estimator: Any, logs: Logs) -> None:
        """Saves if it is due.

        Raises
        ------
        TypeError
            Neither a trainer nor an estimator that has one.
        OSError
            The file cannot be written; what was there stays.
        KeyError
            `logs` has no such name as `monitor`.
        """
        is_due = logs["epoch"] % self.every == 0
        if is_due if self._best is None else self._best.is_better(logs, counts=is_due):
            path = self.path.replace("{epoch}", str(logs["epoch"]))
            _saver(getattr(estimator, "trainer_", estimator))(path)
            _logger.debug("epoch %s: wrote %s", logs["epoch"], path)


class History:
    """Keeps the numbers of each pass.

    Examples
    --------
    >>> history = History()
    >>> history.on_epoch_end(None, {"epoch": 1, "loss": 0.5})
    >>> history.on_epoch_end(None, {"epoch": 2, "loss": 0.25})
    >>> history["loss"], history.names
    (array([0.5 , 0.25]), ['epoch', 'loss'])
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, estimator: Any, logs: Logs) -> None:
        """Keeps a copy of `logs`."""
        self.rows.append(dict(logs))

    @property
    def names(self) -> list[str]:
        """What there is in any of the passes."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The values of all passes (n_epochs,); NaN where a pass had none."""
        if name not in self.names:
            raise KeyError(f"{name}: expected one of {', '.join(self.names) or 'none so far'}, got {name!r}")
        return np.array([row.get(name, math.nan) for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        last = self.rows[-1] if self.rows else {}
        return as_table(f"History of {len(self)} epochs, the last", last)


class Logger(Protocol):
    """Where numbers go: anything with this method, a run of Weights & Biases among them."""

    def log(self, values: dict[str, float], step: int) -> Any:
        """Takes the numbers of a step."""


class Log:
    """Hands the numbers of each pass to a logger, and those of each `every`-th step of a stream if asked to.

    Parameters
    ----------
    logger : Logger
        An object with a method ``log(dict, step)``.
    every : int, optional
        Of `train_stream`: hand over one step in so many. None: none.

    Examples
    --------
    >>> class Printer:
    ...     def log(self, values, step):
    ...         print(step, values)
    >>> Log(Printer()).on_epoch_end(None, {"epoch": 1, "loss": 0.5})
    1 {'loss': 0.5}
    """

    def __init__(self, logger: Logger, *, every: int | None = None) -> None:
        self.logger = logger
        if every is not None:
            self._every = _count("every", every)
            # An attribute, not a method: what is not asked for is not called at each step.
            self.on_step = self._on_step

    def on_epoch_end(self, estimator: Any, logs: Logs) -> None:
        """Hands over the numbers of the pass, with its number as the step."""
        self._hand_over(logs, "epoch")

    def _on_step(self, trainer: Any, logs: Logs) -> None:
        if logs["step"] % self._every == 0:
            self._hand_over(logs, "step")

    def _hand_over(self, logs: Logs, count: str) -> None:
        values = {
            name: float(value)
            for name, value in logs.items()
            if name != count and isinstance(value, (int, float, np.number))
        }
        self.logger.log(values, logs[count])


class TensorBoard(Log):
    """Hands numbers to a `SummaryWriter` of PyTorch, of tensorboardX, or of your own: it needs ``add_scalar``.

    Parameters
    ----------
    writer : object
        With a method ``add_scalar(name, value, step)``.
    every : int, optional
        As in `Log`.

    Examples
    --------
    >>> class Writer:
    ...     def add_scalar(self, name, value, step):
    ...         print(name, value, step)
    >>> TensorBoard(Writer()).on_epoch_end(None, {"epoch": 3, "loss": 0.5})
    loss 0.5 3
    """

    def __init__(self, writer: Any, *, every: int | None = None) -> None:
        super().__init__(_Scalars(writer), every=every)


class WandB(Log):
    """Hands numbers to a run of Weights & Biases: it needs ``log(dict, step=...)``.

    Parameters
    ----------
    run : object
        What ``wandb.init()`` returns, or the module `wandb` itself.
    every : int, optional
        As in `Log`.

    Examples
    --------
    >>> class Run:
    ...     def log(self, values, step=None):
    ...         print(values, step)
    >>> WandB(Run()).on_epoch_end(None, {"epoch": 3, "loss": 0.5})
    {'loss': 0.5} 3
    """

    def __init__(self, run: Any, *, every: int | None = None) -> None:
        super().__init__(run, every=every)


class _Scalars:
    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)


class _Best:
    """The best value of a number so far."""

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'mode: expected "min" or "max", got {mode!r}')
        self.min_delta = number("min_delta", min_delta)
        if not 0.0 <= self.min_delta < math.inf:
            raise ValueError(f"min_delta: expected a finite number >= 0, got {self.min_delta}")
        self.monitor, self.sign = monitor, 1.0 if mode == "min" else -1.0
        self._forget()

    def _forget(self) -> None:
        self.value, self.epoch = self.sign * math.inf, 0

    def is_better(self, logs: Logs, *, counts: bool = True) -> bool:
        """Whether it is better than all before that counted, and counts itself."""
        if self.monitor not in logs:
            raise KeyError(f"monitor: expected one of {', '.join(logs)}, got {self.monitor!r}")
        if logs.get("epoch") == 1:
            self._forget()
        value = float(logs[self.monitor])
        better = counts and self.sign * value < self.sign * self.value - self.min_delta
        if better:
            self.value, self.epoch = value, int(logs.get("epoch", 0))
        return better


def _saver(trainer: Any) -> Callable[[str], Any]:
    save: Callable[[str], Any] | None = getattr(trainer, "save", None)
    if save is None:
        raise TypeError(
            f"estimator: expected a trainer, or an estimator with a trainer_, got {type(trainer).__name__}; hand over what "
            "has a method save(path)"
        )
    return save


def _count(name: str, value: Any) -> int:
    n: int = checked(name, "int", value)
    if n < 1:
        raise ValueError(f"{name}: expected at least 1, got {n}")
    return n
