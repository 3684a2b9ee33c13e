"""The figures of the demo. Nothing here depends on a display or changes matplotlib's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import needs_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    """Training images, right or wrong before their label was shown; of held-out images the labels and the answers."""

    judged: NDArray[np.bool_]
    passes: int
    window: int
    """Images over which the learning curve averages."""
    labels: Labels
    answers: Labels
    n_classes: int


def digits(path: Path, run: Run, example: Example) -> None:
    """Raster and readouts of one test digit, learning curve, confusion matrix."""
    figure = _figure(11.0, 8.2)
    axes = figure.subplots(2, 2)
    _raster(axes[0, 0], example)
    _readouts(axes[0, 1], example)
    _learning_curve(axes[1, 0], run)
    _confusion(axes[1, 1], run)
    figure.savefig(path)


class Curves(NamedTuple):
    """Target and outputs (T,), the loss after each update, and the share of its start that it should reach."""

    target: NDArray[np.float64]
    before: Floats
    after: Floats
    losses: list[float]
    goal: float


def pattern(path: Path, result: Curves) -> None:
    """Target and output before and after training, and the loss."""
    figure = _figure(9.0, 8.2)
    before, after, loss = figure.subplots(3, 1)
    after.sharey(before)
    for axes, title, output in (
        (before, "before training", result.before),
        (after, f"after {len(result.losses) - 1} iterations", result.after),
    ):
        axes.plot(result.target, color="0.55", linewidth=3, label="target")
        axes.plot(output, color="C0", linewidth=1.5, label="output")
        axes.set(title=title, xlabel="time (ms)", ylabel="readout (no unit)", xlim=(0, len(output)))
        axes.legend(loc="upper right")
    loss.semilogy(result.losses, color="C0")
    goal = result.goal * result.losses[0]
    loss.axhline(goal, color="0.4", linestyle="--", label=f"{result.goal:.0%} of the start")
    loss.set(
        title="loss",
        xlabel="iterations (1 s of input and one update each)",
        ylabel="0.5 err², summed over time",
        xlim=(0, len(result.losses) - 1),
    )
    loss.legend(loc="upper right")
    figure.savefig(path)


def _figure(width: float, height: float) -> Figure:
    with needs_extra():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def _raster(axes: Axes, example: Example) -> None:
    steps, neurons = np.nonzero(example.spikes)
    n_steps, n_neurons = example.spikes.shape
    axes.scatter(steps, neurons, s=14, marker="|", color="black", linewidths=1.0)
    axes.set(
        title=f"spikes of the network, test digit {example.label}",
        xlabel="time (ms)",
        ylabel=f"neuron (index, {n_neurons} in all)",
        xlim=(-0.5, n_steps - 0.5),
        ylim=(-1, n_neurons),
    )
    side = int(np.sqrt(example.pixels.size))
    # Beside the raster, where it hides no spike.
    inset = axes.inset_axes((1.02, 0.74, 0.21, 0.26))
    inset.imshow(example.pixels.reshape(side, side), cmap="gray_r")
    inset.set(xticks=[], yticks=[])


def _readouts(axes: Axes, example: Example) -> None:
    answer = example.answer
    for k, readout in enumerate(example.outputs.T):
        wide = k in (example.label, answer)
        axes.plot(readout, color=f"C{k}", linewidth=2.5 if wide else 1.0, label=str(k))
    axes.set(
        title=f"readouts: label {example.label}, answer {answer}",
        xlabel="time (ms)",
        ylabel="readout y (logit, no unit)",
        xlim=(0, len(example.outputs) - 1),
    )
    axes.legend(title="digit", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _learning_curve(axes: Axes, run: Run) -> None:
    window = min(run.window, len(run.judged))
    running = np.convolve(run.judged, np.full(window, 100.0 / window), mode="valid")
    images = np.arange(window, len(run.judged) + 1)
    axes.plot(images, running, color="C0", label="training, judged before the label is shown")
    held_out = 100.0 * np.mean(run.answers == run.labels)
    axes.axhline(held_out, color="C1", linestyle="--", label=f"held-out third: {held_out:.1f} %")
    first_pass = len(run.judged) / run.passes
    axes.axvline(first_pass, color="0.6", linestyle=":", label="end of the first pass (all new)")
    axes.set(
        title=f"learning curve, {run.passes} passes",
        xlabel="images shown",
        ylabel=f"accuracy over the last {window} images (%)",
        xlim=(0, len(run.judged)),
    )
    axes.locator_params(axis="x", nbins=5)
    axes.legend(loc="lower right")


def _confusion(axes: Axes, run: Run) -> None:
    n = run.n_classes
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (run.labels, run.answers), 1)
    axes.imshow(counts, cmap="Blues")
    for (label, answer), count in np.ndenumerate(counts):
        if count:
            color = "white" if count > counts.max() / 2 else "black"
            axes.text(answer, label, str(count), ha="center", va="center", color=color)
    axes.set(
        title=f"held-out images: {counts.sum()}, errors: {counts.sum() - counts.trace()}",
        xlabel="answer (digit)",
        ylabel="label (digit)",
        xticks=range(n),
        yticks=range(n),
    )
