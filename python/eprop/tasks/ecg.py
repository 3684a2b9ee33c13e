"""ECG: at every step, which wave of the heartbeat is this? 36 adaptive neurons read the signal as its rises and falls.

The QT Database, level-crossing coded (Yin, Corradi and Bohte 2021): 618 recordings of 1,301 steps to learn from, 141 to be
scored on. 8 to 10 % of the steps have no label: they count neither in training nor in the score. Published there: 84 to 86 %
of the steps right, by 36 adaptive neurons that backpropagation through time has trained.
"""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._trainer import EpropTrainer
from ._trials import Bar, Learned, Rng, no_bar, optimizer_of, rates

N_INPUTS, N_CLASSES = 4, 6


class Steps(NamedTuple):
    """Inputs (n, T, 4) of -1, 0 and 1, and labels (n, T) of 0 to 5, -1 where there is none."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Preset:
    """Time constants in ms, at 1 ms a step. `horizon`: steps over which recurrent spikes are credited, undamped."""

    n_neurons: int = 36
    tau_trace: float = 10.0
    beta: float = 1.0
    shortest: float = 20.0  # of tau_adaptation: a geometric row, from neuron to neuron
    longest: float = 700.0
    horizon: int = 50
    lr: float | None = 0.02  # None: the rate of the optimizer, untouched
    batch_size: int = 8
    passes: int = 40
    update_every: int | str = "sequence"
    optimizer: str = "adam"


def load(folder: str | os.PathLike[str], part: str = "train") -> Steps:
    """One of the two files of a folder. It needs SciPy, which the extra ``sklearn`` brings.

    Parameters
    ----------
    folder : str or os.PathLike
        Where ``QTDB_train.mat`` and ``QTDB_test.mat`` are: x (n, T, 4), y (n, T, 6) with at most one 1 in each row.
    part : str
        ``"train"`` or ``"test"``.

    Raises
    ------
    ValueError
        A file that is no .mat, or one without these arrays.
    """
    data = _arrays(Path(folder) / f"QTDB_{part}.mat")
    labels = np.where(data["y"].any(axis=2), data["y"].argmax(axis=2), -1)
    return Steps(data["x"].astype(np.float32), labels)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        data: dict[str, NDArray[Any]] = loadmat(path)
    except (ValueError, TypeError, EOFError, MatReadError, zlib.error) as error:
        raise ValueError(f"{path}: expected a .mat file, got {error}") from None
    for name, size in (("x", N_INPUTS), ("y", N_CLASSES)):
        if name not in data or data[name].ndim != 3 or data[name].shape[2] != size:
            got = data[name].shape if name in data else f"no {name}"
            raise ValueError(f"{path}: expected an array {name} (n, T, {size}), got {got}")
    return data


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught.

    Examples
    --------
    >>> build().n_neurons
    36
    """
    p = preset or Preset()
    return EpropTrainer(
        N_INPUTS,
        p.n_neurons,
        N_CLASSES,
        loss="cross_entropy",
        update_every=p.update_every,
        readout_bias=True,
        batch_size=p.batch_size,
        tau_trace=p.tau_trace,
        beta=p.beta,
        tau_adaptation=np.geomspace(p.shortest, p.longest, p.n_neurons),
        horizon=p.horizon,
        recurrent_gain=1.0,
        seed=seed,
        **optimizer_of(p.optimizer, p.lr),
    )


def run(train: Steps, test: Steps, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Learned:
    """Learns from some recordings, and counts the labelled steps of others that are wrong.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> steps = Steps(rng.integers(-1, 2, (8, 60, 4)).astype(np.float32), rng.integers(-1, 6, (8, 60)))
    >>> 0.0 <= run(steps, steps, preset=Preset(passes=1)).wrong <= 1.0
    True
    """
    p = preset or Preset()
    rng, trainer = np.random.default_rng(seed), build(seed, p)
    trainer.calibrate(train.inputs[:15].reshape(-1, N_INPUTS), rate=100.0)
    batches = len(train.inputs) // p.batch_size
    schedule = rates(p.lr, trainer, p.passes * batches)
    losses: list[float] = []
    start = time.perf_counter()
    for _ in bar(range(p.passes)):
        for batch in _batches(rng, len(train.inputs), p.batch_size):
            trainer.lr = schedule(len(losses))
            losses.append(trainer.train_sequence(train.inputs[batch], train.labels[batch]))
    seconds = time.perf_counter() - start
    of_passes = np.reshape(losses, (p.passes, batches)).mean(axis=1).tolist()
    known = test.labels >= 0
    wrong = float(np.mean(predict(trainer, test.inputs)[known] != test.labels[known]))
    return Learned(trainer, of_passes, wrong, seconds)


def _batches(rng: Rng, n: int, size: int) -> NDArray[np.int64]:
    """All recordings in a random order; what is left of the last batch waits for the next pass."""
    return rng.permutation(n)[: n // size * size].reshape(-1, size)


def predict(trainer: EpropTrainer, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """The class (n, T) that is the most likely at each step of inputs (n, T, 4).

    Examples
    --------
    >>> predict(build(), np.zeros((3, 20, 4), np.float32)).shape
    (3, 20)
    """
    size = trainer.batch_size
    parts = [trainer.evaluate(inputs[at : at + size]).argmax(axis=2) for at in range(0, len(inputs), size)]
    return np.concatenate(parts)
