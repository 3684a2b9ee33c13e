"""What `learning.py` and `learning_race.py` teach: data, a network, how often it is shown, and when it is good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop.tasks import digit_rows, ecg, evidence, mnist_rows, spoken_digits
from eprop.tasks._recordings import held_out

CUES = evidence.Preset()
TRIALS = (960, 192, 512)
"""Of evidence accumulation: to learn from, to choose on, to be scored on."""
REPEATS = 3
"""Steps for which each of the 8 rows of a scikit-learn digit is shown, as estimators do."""


class Data(NamedTuple):
    """Inputs (n, T, n_inputs), labels (n, T), -1 where none counts, and steps of each sequence (n,)."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def take(self, rows: Any) -> Data:
        return Data(*(array[rows] for array in self))


Parts = tuple[Data, Data, Data]


@dataclass(frozen=True)
class Problem:
    """`load(folder)` gives parts to learn from, to choose on, and to be scored on. `at_each_step`: what is right is a step,
    or else a sequence, by its summed outputs. `bar`: the target accuracy on the validation part,
    whose time is taken."""

    name: str
    load: Callable[[Path], Parts]
    sizes: tuple[int, int, int]
    options: dict[str, Any]
    at_each_step: bool
    passes: int
    bar: float
    rates: tuple[float, ...]
    firing_rate: float

    @property
    def adapts(self) -> bool:
        return "beta" in self.options


def heartbeats(folder: Path) -> Parts:
    train, test = (ecg.load(folder / "qtdb", part) for part in ("train", "test"))
    rows = np.random.default_rng(123).permutation(len(train.inputs))
    whole = Data(train.inputs, train.labels, np.full(len(rows), train.inputs.shape[1]))
    n_judged = min(120, len(rows) // 4)
    return (
        whole.take(rows[n_judged:]),
        whole.take(rows[:n_judged]),
        Data(test.inputs, test.labels, np.full(len(test.inputs), test.inputs.shape[1])),
    )


def words(folder: Path) -> Parts:
    """The held-out tenth is the test; a ninth of the rest is chosen on. Bands in units of their standard deviation."""
    split = spoken_digits.load(folder / "fsdd" / "recordings", floor=None)
    inner = held_out(split.X, split.y, 1, 1 / 9)
    scale = np.concatenate(inner.X).std(axis=0)
    parts = ((inner.X, inner.y), (inner.X_test, inner.y_test), (split.X_test, split.y_test))
    train, chosen_on, test = (_padded([x / scale for x in X], y) for X, y in parts)
    return train, chosen_on, test


def cues(_: Path) -> Parts:
    """Drawn once, in groups that share a delay: all methods see the same trials again in each pass."""
    rng = np.random.default_rng(7)
    train, chosen_on, test = (_trials(rng, n) for n in TRIALS)
    return train, chosen_on, test


def digits(_: Path) -> Parts:
    """The held-out quarter is the test; a quarter of the rest is chosen on. Pixels from 0 to 1."""
    split = digit_rows.load()
    inner = held_out(split.X, split.y, 1, 0.25)
    parts = ((inner.X, inner.y), (inner.X_test, inner.y_test), (split.X_test, split.y_test))
    train, chosen_on, test = (_padded(list(np.repeat(X / 16.0, REPEATS, axis=1)), y) for X, y in parts)
    return train, chosen_on, test


def images(folder: Path) -> Parts:
    """Every fifth is the test; a fifth of each class of the rest is chosen on. They are not moved."""
    split = mnist_rows.load(folder / "mnist10k" / "mnist10k.npz")
    inner = held_out(split.X, split.y, 1, 0.2)
    parts = ((inner.X, inner.y), (inner.X_test, inner.y_test), (split.X_test, split.y_test))
    train, chosen_on, test = (_padded(list(X), y) for X, y in parts)
    return train, chosen_on, test


def _padded(sequences: list[NDArray[Any]], y: NDArray[Any]) -> Data:
    return _side_by_side(sequences, [np.full(len(x), label) for x, label in zip(sequences, y, strict=True)])


def _trials(rng: np.random.Generator, n: int) -> Data:
    drawn = [evidence.draw(rng, min(32, n - at), CUES) for at in range(0, n, 32)]
    return _side_by_side(
        [x for trials in drawn for x in trials.inputs], [y for trials in drawn for y in trials.labels]
    )


def _side_by_side(sequences: list[NDArray[Any]], labels: list[NDArray[Any]]) -> Data:
    """Sequences of unequal lengths in one array; no step behind the end of one has a label."""
    lengths = np.array([len(x) for x in sequences])
    side_by_side = np.zeros((len(lengths), lengths.max(), sequences[0].shape[1]), np.float32)
    known = np.full(side_by_side.shape[:2], -1)
    for at, (x, label) in enumerate(zip(sequences, labels, strict=True)):
        side_by_side[at, : len(x)], known[at, : len(x)] = x, label
    return Data(side_by_side, known, lengths)


PROBLEMS = {
    "ecg": Problem(
        name="ECG, 36 adaptive neurons",
        load=heartbeats,
        sizes=(4, 36, 6),
        options={
            "tau_trace": 10.0,
            "beta": 1.0,
            "tau_adaptation": np.geomspace(20.0, 700.0, 36),
            "batch_size": 8,
        },
        at_each_step=True,
        passes=10,
        bar=0.80,
        rates=(0.005, 0.02),
        firing_rate=100.0,
    ),
    "spoken-digits": Problem(
        name="spoken digits, 200 LIF neurons",
        load=words,
        sizes=(32, 200, 10),
        options={"batch_size": 32, "tau_mem": 10.0},
        at_each_step=False,
        passes=10,
        bar=0.90,
        rates=(0.002, 0.005),
        firing_rate=50.0,
    ),
    # The preset's, without what snnTorch's layers lack and e-prop does not need here: its refractory steps, its regulariser.
    "evidence": Problem(
        name="evidence accumulation, 50 LIF and 50 adaptive neurons",
        load=cues,
        sizes=(40, 100, 2),
        options={
            "batch_size": 32,
            "beta": np.repeat([0.0, CUES.beta], [CUES.n_lif, CUES.n_adaptive]),
            "tau_adaptation": CUES.tau_adaptation,
        },
        at_each_step=False,
        passes=4,
        bar=0.85,
        rates=(0.005, 0.015),
        firing_rate=20.0,
    ),
    "digits": Problem(
        name="digits of scikit-learn row by row, 200 LIF neurons",
        load=digits,
        sizes=(8, 200, 10),
        options={"batch_size": 32, "tau_mem": 10.0, "tau_trace": 8.0 * REPEATS},
        at_each_step=False,
        passes=30,
        bar=0.85,
        rates=(0.002, 0.005),
        firing_rate=50.0,
    ),
    "mnist": Problem(
        name="MNIST row by row, 200 LIF neurons",
        load=images,
        sizes=(28, 200, 10),
        options={"batch_size": 32, "tau_mem": 4.0, "tau_trace": 28.0},
        at_each_step=False,
        passes=6,
        bar=0.88,
        rates=(0.002, 0.005),
        firing_rate=50.0,
    ),
}
