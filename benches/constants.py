"""A small program that repeats itself: ``EpropTrainer(4, 32, 2, lr=0.001)``, 60 times the same 50 steps, constant targets.

Each call starts from silence, so readouts rise from 0 even if neurons fire evenly: of targets of 1 that alone leaves a
loss that `floor` computes. What a ratio to the start says depends on the start. Two stand here: the untaught network's
loss, and what the first call returns, which has learned at each of its steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from bars import CONSTANTS
from numpy.typing import NDArray

import eprop
from eprop import optim

N_STEPS, N_PASSES, N_OUTPUTS = 50, 60, 2
TAU = 20.0

Draw = Callable[[np.random.Generator], NDArray[np.float64]]

INPUTS: dict[str, Draw] = {
    "U(0, 1)": lambda rng: rng.uniform(0, 1, (N_STEPS, 4)),
    "U(-1, 1)": lambda rng: rng.uniform(-1, 1, (N_STEPS, 4)),
}
TARGETS: dict[str, Draw] = {
    "1": lambda _: np.ones(N_OUTPUTS),
    "0.5": lambda _: np.full(N_OUTPUTS, 0.5),
    "1, -1": lambda _: np.array([1.0, -1.0]),
    "random": lambda rng: rng.uniform(-1, 1, N_OUTPUTS),
}
# The arguments of the trainer; `reset` is that of its calls, `W_out` a factor on the initial readout weights.
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "reset=False": {"reset": False},
    "an update a call": {"update_every": "sequence"},
    "auto": {"optimizer": "auto", "lr": 0.5},
    "adam": {"optimizer": "adam"},
    "tau_out=0": {"tau_out": 0.0},
    "calibrated": {"rate": 50.0},
    "W_out x 10": {"W_out": 10.0},
    "the same, plain": {"W_out": 10.0, "optimizer": optim.SGD(limit=False)},
}


def floor() -> float:
    """The loss of readouts that a constant drive of the best size moves from 0 to targets of 1."""
    rise = -np.expm1(-np.arange(1, N_STEPS + 1) / TAU)
    y = rise * rise.sum() / np.sum(rise**2)
    return float(0.5 * N_OUTPUTS * np.mean((y - 1) ** 2))


def losses(inputs: str, targets: str, way: str, seed: int) -> tuple[float, float, float]:
    """Of the untaught network, of the first call and of the last."""
    rng = np.random.default_rng(seed)
    x = INPUTS[inputs](rng)
    y = np.tile(TARGETS[targets](rng), (N_STEPS, 1))
    options = dict(WAYS[way])
    reset, rate = options.pop("reset", True), options.pop("rate", None)
    factor = options.pop("W_out", 1.0)
    trainer = eprop.EpropTrainer(4, 32, N_OUTPUTS, seed=seed, **{"lr": 0.001, **options})
    trainer.W_out = factor * trainer.W_out
    if rate is not None:
        trainer.calibrate(x, rate=rate)
    untaught = trainer.evaluate(x, y)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eprop.FiringRateWarning)
        passes = [trainer.train_sequence(x, y, reset=reset) for _ in range(N_PASSES)]
    return untaught, passes[0], passes[-1]


def print_constants(n_seeds: int) -> None:
    print(
        f"{N_PASSES} times the same {N_STEPS} steps; median of {n_seeds} seeds, the largest in brackets; the share\n"
        f"of seeds at {CONSTANTS.limit:g} or less of each start. A constant drive leaves {floor():.3f} of targets of 1"
    )
    columns = ("untaught", "first call", "last call", "to untaught", "to first call")
    print(f"{'inputs':<10}{'targets':<9}{'':<18}{''.join(f'{name:>24}' for name in columns)}", flush=True)
    for inputs in INPUTS:
        for targets in TARGETS:
            for way in WAYS if targets == "1" else ("as it is",):
                print(f"{inputs:<10}{targets:<9}{way:<18}{row(inputs, targets, way, n_seeds)}", flush=True)


def row(inputs: str, targets: str, way: str, n_seeds: int) -> str:
    found = np.array([losses(inputs, targets, way, seed) for seed in range(n_seeds)])
    ratios = found[:, 2:] / found[:, :2]
    cells = [spread(values) for values in found.T]
    cells += [f"{spread(values)} {np.mean(values <= CONSTANTS.limit):>4.0%}" for values in ratios.T]
    return "".join(f"{cell:>24}" for cell in cells)


def spread(values: NDArray[np.float64]) -> str:
    return f"{np.median(values):.3f} ({values.max():.3f})"
