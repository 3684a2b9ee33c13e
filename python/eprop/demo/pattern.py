"""Pattern generation: the network learns to draw one second of a waveform from frozen noise.

Set-up and draws are those of the authors of e-prop and of NEST's test (``eprop`` supervised
regression), with ten times their learning rate so that it takes some hundred iterations.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop import EpropTrainer
from eprop.optim import SGD

from . import needs_extra

N_INPUTS = 100
N_NEURONS = 100
STEPS = 1000
PERIODS = (1000, 500, 333, 200)
"""Of the sines that the target is made of, in ms."""
GOAL = 0.1
"""Training ends where the loss is below this share of its start."""

Floats = NDArray[np.float32]
Target = NDArray[np.float64]


class Task(NamedTuple):
    """What a seed draws: weights, frozen input spikes (STEPS, N_INPUTS), target (STEPS, 1)."""

    w_in: Floats
    w_rec: Floats
    w_out: Floats
    feedback: Floats
    inputs: Floats
    target: Target


class Result(NamedTuple):
    """Target and outputs (STEPS,), and the loss (0.5 err^2, summed over time) after each update."""

    target: Target
    before: Floats
    after: Floats
    losses: list[float]


def run(seed: int, out: Path) -> Result:
    """Train until the loss is below a tenth of its start, print the losses, and write the figure.

    Parameters
    ----------
    seed : int
        Of the network, its input and the target.
    out : Path
        The PNG to write.
    """
    from . import plots

    task = draw(seed)
    result = learn(task, build(task))
    plots.pattern(out, plots.Curves(*result, goal=GOAL))
    first, last = result.losses[0], result.losses[-1]
    print(
        f"loss (0.5 err^2, summed over {STEPS} ms): {first:.2f} at the start, {last:.2f} after "
        f"{len(result.losses) - 1} iterations, {last / first:.1%} of the start\n"
        f"figure: {out}"
    )
    return result


def draw(seed: int) -> Task:
    """The draws of a seed, in the published order, from NumPy's legacy generator."""
    rng = np.random.RandomState(seed)
    w_in = rng.randn(N_INPUTS, N_NEURONS).T / np.sqrt(N_INPUTS)
    w_rec = rng.randn(N_NEURONS, N_NEURONS).T / np.sqrt(N_NEURONS)
    np.fill_diagonal(w_rec, 0.0)
    w_out = rng.randn(N_NEURONS, 1).T / np.sqrt(N_NEURONS)
    feedback = rng.randn(N_NEURONS, 1) / np.sqrt(N_NEURONS)
    inputs = rng.rand(STEPS, N_INPUTS) < 0.05
    inputs[0] = False
    w_in, w_rec, w_out, feedback, spikes = (
        drawn.astype(np.float32) for drawn in (w_in, w_rec, w_out, feedback, inputs)
    )
    return Task(w_in, w_rec, w_out, feedback, spikes, _waveform(rng))


def _waveform(rng: np.random.RandomState) -> Target:
    amplitudes = rng.uniform(0.5, 2.0, len(PERIODS))
    phases = rng.uniform(0.0, 2 * np.pi, len(PERIODS))
    target = np.zeros(STEPS)
    for period, amplitude, phase in zip(PERIODS, amplitudes, phases, strict=True):
        end = phase + 2 * np.pi * (STEPS // period)
        target += amplitude * np.sin(np.linspace(phase, end, STEPS))
    target -= target[0]
    target /= np.abs(target).max()
    return target[:, np.newaxis]


def build(task: Task) -> EpropTrainer:
    """The published network, with the weights of the task."""
    trainer = EpropTrainer(
        N_INPUTS,
        N_NEURONS,
        1,
        tau_mem=30.0,
        tau_trace=30.0,
        threshold=0.03,
        lr=1e-3,
        input_gain="leak",
        readout_gain="leak",
        feedback="random",
        c_reg=300.0,
        f_target=10.0,
        update_every="sequence",
        optimizer=SGD(limit=False),
    )
    trainer.W_in, trainer.W_rec, trainer.W_out = task.w_in, task.w_rec, task.w_out
    trainer.B = task.feedback
    return trainer


def learn(task: Task, trainer: EpropTrainer, max_iterations: int = 2000) -> Result:
    """One update per iteration, until the loss that the last update left is below the goal.

    Raises
    ------
    RuntimeError
        If the goal is not reached within ``max_iterations``.
    """
    with needs_extra():
        from tqdm import tqdm
    before = trainer.predict_sequence(task.inputs)
    losses = [_loss(before, task.target)]
    with tqdm(range(max_iterations), desc="training", unit="iteration", mininterval=0.2) as bar:
        for _ in bar:
            trainer.train_sequence(task.inputs, task.target)
            after = trainer.predict_sequence(task.inputs)
            losses.append(_loss(after, task.target))
            bar.set_postfix_str(f"loss {losses[-1]:.1f}", refresh=False)
            if losses[-1] < GOAL * losses[0]:
                return Result(task.target[:, 0], before[:, 0], after[:, 0], losses)
    raise RuntimeError(
        f"max_iterations: the loss fell from {losses[0]:.2f} to {losses[-1]:.2f} only, "
        f"after {max_iterations} iterations: another seed or more iterations may do"
    )


def _loss(outputs: Floats, target: Target) -> float:
    return float(0.5 * np.sum((outputs - target) ** 2))
