"""Mackey-Glass: one step of a stream after the other, say what a chaotic series will be some time from now.

The series is that of a delay equation, x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x, the usual benchmark of prediction.
A step of the network is one unit of its time. Nothing is stored: the network predicts, and is told later what was right.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import encode
from .._trainer import EpropTrainer
from ._trials import Bar, Rng, no_bar, optimizer_of

DELAY = 17


@dataclass(frozen=True)
class Preset:
    """`ahead`: steps that the prediction looks forward. `n_units`: inputs with receptive fields over the range."""

    n_neurons: int = 200
    n_units: int = 20
    ahead: int = 10
    n_steps: int = 50_000
    tau_mem: float = 15.0
    tau_out: float = 5.0
    update_every: int = 100
    lr: float | None = 0.002  # None: the rate of the optimizer, untouched
    optimizer: str = "adam"


class Predicted(NamedTuple):
    """Of the stream's second half, over the series' standard deviation: the root mean square of the error, and that of the
    guess that nothing changes. And the seconds that it took."""

    trainer: EpropTrainer
    errors: NDArray[np.float64]
    nrmse: float
    persistence: float
    seconds: float


def series(rng: Rng, n_steps: int) -> NDArray[np.float64]:
    """(n_steps,), from a start of its own, with mean 0 and standard deviation 1.

    Examples
    --------
    >>> x = series(np.random.default_rng(0), 500)
    >>> x.shape, bool(abs(x).max() < 4)
    ((500,), True)
    """
    fine, settle = 10, 500  # steps of the integration in a unit of time; units that are dropped
    x = np.empty((n_steps + settle + DELAY) * fine)
    x[: DELAY * fine] = rng.uniform(0.5, 1.3)
    for t in range(DELAY * fine, len(x)):
        past = x[t - DELAY * fine]
        x[t] = x[t - 1] + (0.2 * past / (1 + past**10) - 0.1 * x[t - 1]) / fine
    x = x[(settle + DELAY) * fine :: fine]
    return (x - 0.93) / 0.23  # its mean and standard deviation in the long run


def build(seed: int = 0, preset: Preset | None = None) -> EpropTrainer:
    """The network, untaught.

    Examples
    --------
    >>> build().n_outputs
    1
    """
    p = preset or Preset()
    return EpropTrainer(
        p.n_units,
        p.n_neurons,
        1,
        tau_mem=p.tau_mem,
        tau_trace=p.tau_out,
        readout_bias=True,
        update_every=p.update_every,
        seed=seed,
        **optimizer_of(p.optimizer, p.lr),
    )


def run(seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Predicted:
    """One pass over the stream; each prediction is from before its target was known.

    Examples
    --------
    >>> short = run(preset=Preset(n_steps=600, n_neurons=20))
    >>> len(short.errors)
    590
    """
    p = preset or Preset()
    trainer = build(seed, p)
    x = series(np.random.default_rng(seed), p.n_steps)
    inputs = encode.population(x[:, None], n_units=p.n_units, low=-3.0, high=3.0)
    trainer.calibrate(inputs[:1000], rate=40.0)
    errors, start = [], time.perf_counter()
    targets: Iterable[int] = range(p.ahead, p.n_steps)
    for t in bar(targets):
        output = trainer.step(inputs[t - p.ahead], x[t : t + 1])["output"]
        errors.append(float(output[0] - x[t]))
    seconds = time.perf_counter() - start
    found = np.array(errors)
    judged = slice(len(found) // 2, None)
    changes = (x[p.ahead :] - x[: -p.ahead])[judged]
    return Predicted(trainer, found, rms(found[judged]) / x.std(), rms(changes) / x.std(), seconds)


def rms(values: NDArray[np.float64]) -> float:
    """The root mean square.

    Examples
    --------
    >>> rms(np.array([3.0, -3.0]))
    3.0
    """
    return float(np.sqrt(np.mean(values**2)))
