"""One problem at many scales: what each optimizer learns of it, and what there is to be learned by anybody.

A row is a network before it learns: as it is drawn, after ``calibrate(rate=20)``, and, where `calibrate` warns of
inputs on a pedestal, with the mean of each input taken off as the warning says.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import bars
import numpy as np
from learners import Learner, Outcome, build, learn
from numpy.typing import NDArray
from problems import Sample, Task
from scale_problems import chance

import eprop

RATE = 20.0  # Hz
EVERY = 20  # steps to an update of streams, beside one at every step
PLAIN_RATES = tuple(10.0**k for k in range(-7, 1))
RIDGES = (1e-6, 1e-3, 1e-1)
N_STOPS = 10

LEGEND = f"""\
Scores are shares of what a constant answer has, of the worst of the seeds; ! above {bars.AT_CHANCE.limit:g} (at chance),
D where a run diverges. Hz, silent, busy, psi: spikes a second; neurons that never fire, that fire at more than half of
the steps; psi that is not 0. told: seeds at which a warning names what to do. readout: the best linear readout of the
spikes before learning. plain: plain descent, frozen at the end, at the best of {len(PLAIN_RATES)} rates for it.
The others: frozen at the end; the median of {N_STOPS} moments of the last third, frozen; the share of these at chance."""

HEADER = f"{'Hz':>6}{'silent':>8}{'busy':>6}{'psi':>6}{'told':>6}{'readout':>9}{'plain':>14}"


def header(shown: list[Learner]) -> str:
    return HEADER + "".join(f"{learner.name:>18}" for learner in shown)


def rows(made: list[Task], plain: Learner, shown: list[Learner]) -> Iterator[tuple[str, str]]:
    """The name of each network, and what stands beside it."""
    for name, tasks in networks(made, plain):
        try:
            found = [Start.of(task, plain, seed) for seed, task in enumerate(tasks)]
        except ValueError as error:  # of calibrate
            yield name, f"  {error}"
            continue
        learned = [cell(tasks, learner) for learner in shown]
        yield name, "".join([start_cells(found), best_plain(tasks, plain), *learned])


def networks(made: list[Task], plain: Learner) -> Iterator[tuple[str, list[Task]]]:
    yield "as drawn", made
    calibrated = [replace(task, rate=RATE) for task in made]
    yield "calibrated", calibrated
    if any("CalibrationWarning" in warned(task, plain, seed) for seed, task in enumerate(calibrated)):
        yield "centred too", [centred(task) for task in calibrated]


def centred(task: Task) -> Task:
    """With the inputs' means of the training part taken off."""
    mean = np.concatenate([one.inputs for one in task.train]).mean(axis=0)
    train, held = (
        [one._replace(inputs=one.inputs - mean) for one in part] for part in (task.train, task.held)
    )
    return replace(task, train=train, held=held)


def warned(task: Task, learner: Learner, seed: int) -> set[str]:
    """Which warnings name `calibrate` or the inputs' mean while a network is made and sees its first three samples."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            trainer = build(task, learner, seed, None)
        except ValueError:
            return set()
        for one in task.train[:3]:
            trainer.train_sequence(one.inputs, one.targets, mask=one.mask, reset=not task.is_stream)
    names = ("calibrate(inputs)", "inputs.mean")
    return {w.category.__name__ for w in said if any(name in str(w.message) for name in names)}


# A network before it learns


@dataclass(frozen=True)
class Start:
    """Spikes per second; shares of neurons, and of psi; whether a warning says what to do; a linear readout's score."""

    rate: float
    silent: float
    busy: float
    psi: float
    told: bool
    readout: float

    @classmethod
    def of(cls, task: Task, learner: Learner, seed: int) -> Start:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = build(task, learner, seed, None)
            spikes = spikes_of(trainer, task, [*task.train, *task.held])
            fired = np.concatenate(spikes).mean(axis=0)
            psi = share_of_psi(trainer, task)
        return cls(
            rate=1000.0 * float(fired.mean()) / trainer.dt,
            silent=float(np.mean(fired == 0)),
            busy=float(np.mean(fired > 0.5)),
            psi=psi,
            told=bool(warned(task, learner, seed)),
            readout=linear_readout(task, trainer, spikes),
        )


def start_cells(found: list[Start]) -> str:
    def mean(of: Callable[[Start], float]) -> float:
        return float(np.mean([of(start) for start in found]))

    told = f"{sum(start.told for start in found)}/{len(found)}"
    shares = f"{mean(lambda s: s.silent):>8.0%}{mean(lambda s: s.busy):>6.0%}{mean(lambda s: s.psi):>6.0%}"
    return f"{mean(lambda s: s.rate):>6.0f}{shares}{told:>6}{max(s.readout for s in found):>9.2g}"


def spikes_of(trainer: eprop.EpropTrainer, task: Task, samples: list[Sample]) -> list[NDArray[np.float64]]:
    reset = not task.is_stream
    return [
        trainer.predict_sequence(s.inputs, reset=reset, return_spikes=True)[1].astype(float) for s in samples
    ]


def share_of_psi(trainer: eprop.EpropTrainer, task: Task, n_steps: int = 600) -> float:
    trainer.reset()
    above = []
    for x in np.concatenate([s.inputs for s in task.train])[:n_steps]:
        trainer.step(x)
        above.append(np.mean(trainer.psi > 0))
    return float(np.mean(above))


def linear_readout(task: Task, trainer: eprop.EpropTrainer, spikes: list[NDArray[np.float64]]) -> float:
    """The score of the best of three ridge regressions on the readouts' traces of the spikes."""
    traces = filtered(spikes, float(np.exp(-trainer.dt / trainer.tau_trace)), task.is_stream)
    n_train = len(task.train)
    X = np.concatenate([F[s.mask] for F, s in zip(traces[:n_train], task.train, strict=True)])
    Y = np.concatenate([s.targets[s.mask] for s in task.train])
    squares, unit = X.T @ X / len(X), np.eye(X.shape[1])
    scores = []
    for ridge in RIDGES:
        W = np.linalg.solve(squares + ridge * unit, X.T @ Y / len(X))
        scores.append(task.score([(F @ W).astype(np.float32) for F in traces[n_train:]], task.held))
    return min(scores) / chance(task)


def filtered(spikes: list[NDArray[np.float64]], kappa: float, is_stream: bool) -> list[NDArray[np.float64]]:
    """F(z) of each sample; it goes on through the samples of a stream."""
    F, traces = np.zeros(spikes[0].shape[1]), []
    for z in spikes:
        F = F if is_stream else np.zeros_like(F)
        trace = np.empty_like(z)
        for t, fired in enumerate(z):
            F = kappa * F + fired
            trace[t] = F
        traces.append(trace)
    return traces


# What is learned


def best_plain(tasks: list[Task], plain: Learner) -> str:
    scores = {lr: worst_end(tasks, outcomes(tasks, plain, lr)) for lr in PLAIN_RATES}
    lr = min(scores, key=lambda rate: scores[rate])
    return f"{f'{lr:.0e} {scores[lr]:.2g}{mark(scores[lr])}':>14}"


def cell(tasks: list[Task], learner: Learner) -> str:
    found = outcomes(tasks, learner, None, N_STOPS)
    stops = np.array([np.array(o.stops) / chance(task) for o, task in zip(found, tasks, strict=True)])
    end, median = worst_end(tasks, found), float(np.median(stops, axis=1).max())
    at_chance = float(np.mean(stops > bars.AT_CHANCE.limit))
    diverged = "D" if any(o.diverged for o in found) else ""
    return f"{f'{end:.2g}{mark(end)}{diverged} {median:.2g} {at_chance:.0%}':>18}"


def outcomes(tasks: list[Task], learner: Learner, lr: float | None, n_stops: int = 0) -> list[Outcome]:
    return [learn(task, learner, seed, lr, n_stops) for seed, task in enumerate(tasks)]


def worst_end(tasks: list[Task], found: list[Outcome]) -> float:
    return max(o.frozen / chance(task) for o, task in zip(found, tasks, strict=True))


def mark(value: float) -> str:
    return "" if bars.AT_CHANCE.holds(value) else "!"
