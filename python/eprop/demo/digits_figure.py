"""The figure of the digits: one of them, how they were learned, and how well in each split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop.plot._style import COLORS

from .plots import letter_panels, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


class Example(NamedTuple):
    """One held-out image and what the network did: outputs (T, 10), spikes (T, N), and its answer."""

    pixels: Floats
    label: int
    outputs: Floats
    spikes: Floats
    answer: int


class Run(NamedTuple):
    """What one network has learned: `judged`, before each label was shown; of held-out images `labels` and `answers`."""

    judged: NDArray[np.bool_]
    held_out: list[float]
    """The share of held-out images that were right after each pass."""
    window: int
    """Images over which the curve of training averages."""
    labels: Labels
    answers: Labels
    n_classes: int


class Split(NamedTuple):
    """How well a network did on both parts of its split, as shares."""

    seed: int
    train: float
    held_out: float


def draw(path: Path, run: Run, example: Example, splits: list[Split]) -> None:
    """Raster and readouts of one test digit, learning curves, confusion matrix, the accuracies of all splits."""
    figure = new_figure(6.0, 8.2)
    rows: Any = figure.subfigures(3, 1)
    raster = rows[0].subplots()
    readouts, curves = rows[1].subplots(1, 2)
    confusion, accuracies = rows[2].subplots(1, 2, width_ratios=(5, 4))
    _raster(raster, example)
    _readouts(readouts, example)
    _learning_curves(curves, run)
    _confusion(confusion, run)
    _accuracies(accuracies, splits)
    letter_panels(raster, readouts, curves, confusion, accuracies)
    figure.savefig(path)


def _raster(axes: Axes, example: Example) -> None:
    steps, neurons = np.nonzero(example.spikes)
    n_steps, n_neurons = example.spikes.shape
    axes.scatter(steps, neurons, s=14, marker="|", color="black", linewidths=1.0)
    axes.set(
        title=f"spikes, test digit {example.label}",
        xlabel="time (ms)",
        ylabel="neuron (index)",
        xlim=(-0.5, n_steps - 0.5),
        ylim=(-1, n_neurons),
    )
    side = int(np.sqrt(example.pixels.size))
    # Beside the raster, where it hides no spike.
    inset = axes.inset_axes((1.01, 0.62, 0.19, 0.38))
    inset.imshow(example.pixels.reshape(side, side), cmap="gray_r")
    inset.set(xticks=[], yticks=[])


def _readouts(axes: Axes, example: Example) -> None:
    """Each line carries its digit; the label's is black, the wrong answer's dashed, and all others grey."""
    every = 8
    for k, readout in enumerate(example.outputs.T):
        is_label, is_answer = k == example.label, k == example.answer
        color = "black" if is_label else COLORS[1] if is_answer else "0.45"
        axes.plot(
            readout,
            "--" if is_answer and not is_label else "-",
            color=color,
            linewidth=2.2 if is_label or is_answer else 0.7,
            marker=f"${k}$",
            markersize=7.0,
            # Staggered, so that lines that are close have their digits at different steps.
            markevery=(2 + (5 * k) % every, every),
            zorder=3 if is_label or is_answer else 2,
        )
    axes.set(
        title=f"label {example.label}, answer {example.answer}",
        xlabel="time (ms)",
        ylabel="readout y (logit)",
        xlim=(0, len(example.outputs) - 0.5),
    )


def _learning_curves(axes: Axes, run: Run) -> None:
    window = min(run.window, len(run.judged))
    running = np.convolve(run.judged, np.full(window, 100.0 / window), mode="valid")
    axes.plot(
        np.arange(window, len(run.judged) + 1),
        running,
        color=COLORS[0],
        label=f"training, last {window},\nbefore the label",
    )
    n_passes = len(run.held_out)
    ends = len(run.judged) / n_passes * np.arange(1, n_passes + 1)
    share = 100.0 * np.array(run.held_out)
    axes.plot(ends, share, "o--", color=COLORS[1], markersize=4, label="held out")
    axes.axvline(ends[0], color="0.6", linestyle=":", label="end of pass 1")
    axes.set(
        title=f"{n_passes} passes",
        xlabel="images shown",
        ylabel="accuracy (%)",
        xlim=(0, 1.02 * len(run.judged)),
    )
    axes.locator_params(axis="x", nbins=4)
    axes.legend(loc="lower right", fontsize=9)


def _confusion(axes: Axes, run: Run) -> None:
    n = run.n_classes
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (run.labels, run.answers), 1)
    axes.imshow(counts, cmap="Blues")
    for (label, answer), count in np.ndenumerate(counts):
        if count:
            color = "white" if count > counts.max() / 2 else "black"
            axes.text(answer, label, str(count), ha="center", va="center", color=color, fontsize=9)
    axes.set(
        title=f"{counts.sum() - counts.trace()} of {counts.sum()} wrong",
        xlabel="answer (digit)",
        ylabel="label (digit)",
        xticks=range(n),
        yticks=range(n),
    )


def _accuracies(axes: Axes, splits: list[Split]) -> None:
    rows = np.arange(len(splits))
    held_out = 100.0 * np.array([split.held_out for split in splits])
    axes.plot(
        [100.0 * split.train for split in splits],
        rows,
        "o",
        mfc="none",
        color=COLORS[0],
        label="training",
    )
    axes.plot(held_out, rows, "D", color=COLORS[1], label="held out")
    axes.axvline(
        float(np.median(held_out)),
        color=COLORS[1],
        linestyle="--",
        label=f"median {np.median(held_out):.1f} %",
    )
    axes.set(
        title=f"{len(splits)} splits",
        xlabel="accuracy (%)",
        ylabel="seed",
        yticks=rows,
        yticklabels=[str(split.seed) for split in splits],
        # Room for the legend.
        ylim=(len(splits) + 2.2, -0.6),
    )
    axes.locator_params(axis="x", nbins=4)
    axes.legend(loc="lower center", fontsize=9)
