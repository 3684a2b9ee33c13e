"""The tasks of recordings, of a real stream and of an environment, each in one line of verdict and one figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eprop.tasks import cartpole, digit_rows, ecg, elec2, mnist_rows, spoken_digits, vowels

from .plots import WIDTH, legend_over, letter_panels, new_figure
from .tasks import progress

WINDOW = 2000
"""Samples of a stream that its running accuracy looks back on."""

Run = Callable[[int, Path, Path], None]

# What is loaded of a path with a seed, which classes there are to be told apart, and what runs.
OF_CLASSES: dict[str, tuple[Callable[[Path, int], Any], str, Callable[..., Any]]] = {
    "digit-rows": (lambda _path, seed: digit_rows.load(seed), "held-out digits", digit_rows.run),
    "mnist-rows": (lambda path, _seed: mnist_rows.load(path), "held-out digits", mnist_rows.run),
    "spoken-digits": (lambda path, seed: spoken_digits.load(path, seed), "held-out words", spoken_digits.run),
    "vowels": (lambda path, _seed: vowels.load(path), "utterances of the test set", vowels.run),
}

DATA = {
    "mnist-rows": "an .npz file with images (n, 28, 28) and labels (n,)",
    "spoken-digits": "the folder of the .wav files of the Free Spoken Digit Dataset",
    "vowels": "the folder of JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts",
    "ecg": "the folder of QTDB_train.mat and QTDB_test.mat",
    "elec2": "electricity.csv",
}
"""What `--data` is, of the tasks that need it."""


def of_classes(name: str) -> Run:
    """Learns to tell classes apart, prints the share that is right, and draws the loss and who was taken for whom.

    Examples
    --------
    >>> callable(of_classes("vowels"))
    True
    """
    load, what, learn = OF_CLASSES[name]

    def run(seed: int, out: Path, path: Path) -> None:
        data = load(path, seed)
        found = learn(data, seed, bar=progress)
        _draw(out, found.losses, data.y_test, found.predicted)
        print(
            f"{found.right:.1%} right of {len(data.y_test)} {what}, after {len(found.losses)} passes over {len(data.y)} in "
            f"{found.seconds:.0f} s\nfigure: {out}"
        )

    return run


def heartbeats(seed: int, out: Path, path: Path) -> None:
    """Learns the waves of the ECG, prints the share of the labelled steps that is right, and draws the loss and who was
    taken for whom."""
    train, test = ecg.load(path, "train"), ecg.load(path, "test")
    found = ecg.run(train, test, seed, bar=progress)
    said, known = ecg.predict(found.trainer, test.inputs), test.labels >= 0
    _draw(out, found.losses, test.labels[known], said[known])
    print(
        f"ECG: {1 - found.wrong:.1%} right of the test set's labelled steps, after {len(found.losses)} passes over "
        f"{len(train.inputs)} recordings in {found.seconds:.0f} s\nfigure: {out}"
    )


def market(seed: int, out: Path, path: Path) -> None:
    """Judges and learns a market's half-hours in one pass, prints the share that was right, and draws it over time."""
    found = elec2.run(elec2.load(path), seed, bar=progress)
    figure = new_figure(WIDTH, 2.8)
    axes = figure.subplots()
    window = min(WINDOW, len(found.was_right))
    running = np.convolve(found.was_right, np.full(window, 1.0 / window), "valid")
    axes.plot(np.arange(window, len(found.was_right) + 1), running, color="C0", label="network")
    axes.axhline(found.persistence, color="0.4", linestyle="--", label="the same as last time")
    axes.set(xlabel="half-hours", ylabel=f"right in the last {window}", ylim=(None, 1.0))
    legend_over(axes)
    figure.savefig(out)
    print(
        f"Elec2: {found.right:.1%} of {len(found.was_right)} half-hours right before they were learned; the same as last "
        f"time: {found.persistence:.1%}; {found.seconds:.0f} s\nfigure: {out}"
    )


def pole(seed: int, out: Path, _path: Path) -> None:
    """Balances a pole, prints how long it stood, and draws the return of every episode."""
    lived = cartpole.run(seed, bar=progress)
    figure = new_figure(WIDTH, 2.8)
    axes = figure.subplots()
    window = min(20, len(lived.returns))
    axes.plot(lived.returns, ".", color="0.6", markersize=3, label="an episode")
    running = np.convolve(lived.returns, np.full(window, 1.0 / window), "valid")
    axes.plot(np.arange(window - 1, len(lived.returns)), running, color="C0", label=f"mean of {window}")
    axes.set(xlabel="episode", ylabel="steps that the pole stood", ylim=(0, 520))
    legend_over(axes)
    figure.savefig(out)
    print(
        f"CartPole: {lived.best:.0f} steps on average in the best {cartpole.IN_A_ROW} episodes in a row of "
        f"{len(lived.returns)}, {lived.last:.0f} in the last; {lived.seconds:.0f} s\nfigure: {out}"
    )


def _draw(out: Path, losses: list[float], labels: ArrayLike, said: ArrayLike) -> None:
    from eprop import plot

    figure = new_figure(WIDTH, 6.5)
    above, below = figure.subplots(2, 1, height_ratios=(1, 2))
    plot.learning_curve(losses, xlabel="pass", ylabel="cross-entropy (nats)", ax=above)
    plot.confusion_matrix(labels, said, ax=below)
    letter_panels(above, below)
    figure.savefig(out)
