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


class Trial(NamedTuple):
    """One trial: inputs (T, n_inputs), spikes (T, N), outputs (T, O), labels (T,), -1 for none; the loss of each batch."""

    inputs: Floats
    spikes: Floats
    outputs: Floats
    labels: Labels
    losses: list[float]


def trial(path: Path, shown: Trial) -> None:
    """What came in, what fired, what was said and when it was asked for, and the loss."""
    figure = _figure(9.0, 9.5)
    inputs, spikes, outputs, loss = figure.subplots(4, 1, height_ratios=(2, 3, 2, 2))
    n_steps = len(shown.inputs)
    asked = np.nonzero(shown.labels >= 0)[0]
    for axes, events, name in ((inputs, shown.inputs, "input"), (spikes, shown.spikes, "neuron")):
        steps, units = np.nonzero(events)
        axes.scatter(steps, units, s=4, marker="|", color="black", linewidths=0.7)
        axes.set(ylabel=f"{name} (index)", xlim=(0, n_steps), ylim=(-1, events.shape[1]))
    for k, (output, style) in enumerate(zip(shown.outputs.T, ("-", "--", ":", "-."), strict=False)):
        outputs.plot(output, style, color=f"C{k}", label=f"class {k}")
    outputs.axvspan(asked[0], asked[-1], color="0.85", label=f"asked for: class {shown.labels[asked[0]]}")
    outputs.set(xlabel="time (ms)", ylabel="readout (logit, no unit)", xlim=(0, n_steps))
    outputs.legend(loc="upper left", ncols=3)
    loss.plot(shown.losses, color="C0")
    loss.set(xlabel="batches", ylabel="cross-entropy (nats)", xlim=(0, len(shown.losses) - 1), ylim=(0, None))
    for axes, letter in zip((inputs, spikes, outputs, loss), "abcd", strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
    figure.savefig(path)


class Series(NamedTuple):
    """A series and what was predicted of it, both (T,)."""

    target: NDArray[np.float64]
    predicted: NDArray[np.float64]


def series(path: Path, shown: Series, last: int = 500, window: int = 500) -> None:
    """The last steps of both, and the error over time."""
    figure = _figure(9.0, 6.5)
    both, errors = figure.subplots(2, 1)
    steps = np.arange(len(shown.target))[-last:]
    both.plot(steps, shown.target[-last:], color="0.55", linewidth=3, label="series")
    both.plot(steps, shown.predicted[-last:], "--", color="C0", label="predicted")
    both.set(xlabel="time (steps)", ylabel="x (standard deviations)", xlim=(steps[0], steps[-1]))
    both.legend(loc="upper right")
    squares = (shown.predicted - shown.target) ** 2
    running = np.sqrt(np.convolve(squares, np.full(window, 1 / window), mode="valid"))
    errors.semilogy(np.arange(window, len(squares) + 1), running, color="C0")
    errors.set(xlabel="time (steps)", ylabel=f"error over the last {window} steps", xlim=(0, len(squares)))
    for axes, letter in zip((both, errors), "ab", strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
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
