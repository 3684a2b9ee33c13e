"""The figures of the demo but that of the digits. Nothing here depends on a display or changes matplotlib's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import needs_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.5
"""Of a figure, in inches: its text can be read where it is printed 8 cm wide."""
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


class Curves(NamedTuple):
    """Target and outputs (T,), the loss after each update, and the share of its start that it should reach."""

    target: NDArray[np.float64]
    before: Floats
    after: Floats
    losses: list[float]
    goal: float


def pattern(path: Path, result: Curves) -> None:
    """Target and output before and after training, and the loss."""
    figure = new_figure(WIDTH, 6.6)
    before, after, loss = figure.subplots(3, 1)
    after.sharey(before)
    for axes, title, output in (
        (before, "before training", result.before),
        (after, f"after {len(result.losses) - 1} iterations", result.after),
    ):
        axes.plot(result.target, color="0.55", linewidth=3, label="target")
        axes.plot(output, color="C0", linewidth=1.5, label="output")
        axes.set(title=title, xlabel="time (ms)", ylabel="readout (no unit)", xlim=(0, len(output)))
    # Beside their titles there is no room.
    figure.legend(*before.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    loss.semilogy(result.losses, color="C0")
    goal = result.goal * result.losses[0]
    loss.axhline(goal, color="0.4", linestyle="--", label=f"{result.goal:.0%} of the start")
    loss.set(
        xlabel="iterations (1 s of input, one update)",
        ylabel="sum of 0.5 err²",
        xlim=(0, len(result.losses) - 1),
    )
    legend_over(loss)
    letter_panels(before, after, loss)
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
    figure = new_figure(WIDTH, 7.5)
    inputs, spikes, outputs, loss = figure.subplots(4, 1, height_ratios=(2, 3, 2, 2))
    n_steps = len(shown.inputs)
    asked = np.nonzero(shown.labels >= 0)[0]
    for axes, events, name in ((inputs, shown.inputs, "input"), (spikes, shown.spikes, "neuron")):
        steps, units = np.nonzero(events)
        axes.scatter(steps, units, s=2, marker="|", color="black", linewidths=0.4)
        axes.set(xlabel="time (ms)", ylabel=f"{name} (index)", xlim=(0, n_steps), ylim=(-1, events.shape[1]))
    for k, (output, style) in enumerate(zip(shown.outputs.T, ("-", "--", ":", "-."), strict=False)):
        outputs.plot(output, style, color=f"C{k}", label=f"class {k}")
    outputs.axvspan(asked[0], asked[-1], color="0.85", label=f"asked: {shown.labels[asked[0]]}")
    outputs.set(xlabel="time (ms)", ylabel="readout (logit)", xlim=(0, n_steps))
    legend_over(outputs)
    loss.plot(shown.losses, color="C0")
    loss.set(xlabel="batches", ylabel="loss (nats)", xlim=(0, len(shown.losses) - 1), ylim=(0, None))
    letter_panels(inputs, spikes, outputs, loss)
    figure.savefig(path)


class Series(NamedTuple):
    """A series and what was predicted of it, both (T,)."""

    target: NDArray[np.float64]
    predicted: NDArray[np.float64]


def series(path: Path, shown: Series, last: int = 500, window: int = 500) -> None:
    """The last steps of both, and the error over time."""
    figure = new_figure(WIDTH, 5.0)
    both, errors = figure.subplots(2, 1)
    steps = np.arange(len(shown.target))[-last:]
    both.plot(steps, shown.target[-last:], color="0.55", linewidth=3, label="series")
    both.plot(steps, shown.predicted[-last:], "--", color="C0", label="predicted")
    both.set(xlabel="time (steps)", ylabel="x (SD)", xlim=(steps[0], steps[-1]))
    legend_over(both)
    squares = (shown.predicted - shown.target) ** 2
    running = np.sqrt(np.convolve(squares, np.full(window, 1 / window), mode="valid"))
    errors.semilogy(np.arange(window, len(squares) + 1), running, color="C0")
    errors.set(xlabel="time (steps)", ylabel=f"RMS of {window} steps (SD)", xlim=(0, len(squares)))
    letter_panels(both, errors)
    figure.savefig(path)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, of no display."""
    with needs_extra():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), dpi=200, layout="constrained")


def legend_over(axes: Any) -> None:
    """On the right: the letter of a panel is on the left."""
    with needs_extra():
        from ..plot._style import legend_above
    legend_above(axes, "right")


def letter_panels(*panels: Any) -> None:
    """a, b, c ... above the left corners of some Axes."""
    for axes, letter in zip(panels, "abcdefgh", strict=False):
        axes.set_title(letter, loc="left", fontweight="bold")
