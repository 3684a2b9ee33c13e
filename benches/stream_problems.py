"""Problems of regression: streams that are learned at every step, and patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from problems import Problem, Task, mean_loss, pieces, sample

import eprop

N_STEPS, N_HELD = 12_000, 2000
PERIODS = (181, 241, 331, 503)


def stream_task(n_neurons: int, inputs: Any, targets: Any, truth: Any = None) -> Task:
    """The first `N_STEPS` to learn from, the last `N_HELD` for the frozen network, which goes on from there."""
    parts = [
        pieces(inputs[part], targets[part], None if truth is None else truth[part])
        for part in (np.s_[:N_STEPS], np.s_[N_STEPS:])
    ]
    sizes = (inputs.shape[1], n_neurons, targets.shape[1])
    return Task(sizes, parts[0], parts[1], mean_loss, is_stream=True)


def time() -> NDArray[np.float64]:
    """The steps of a stream, as a column."""
    return np.arange(N_STEPS + N_HELD)[:, None].astype(float)


def waves(rng: np.random.Generator, periods: Any) -> NDArray[np.float64]:
    phases = rng.uniform(0, 2 * np.pi, len(periods))
    return np.sin(2 * np.pi * time() / np.asarray(periods) + phases)


def toy(seed: int, n_outputs: int = 2) -> Task:
    """Mixtures of the four waves that are the input."""
    rng = np.random.default_rng(seed)
    s = waves(rng, PERIODS)
    return stream_task(32, 0.1 * (1 + s), s @ rng.normal(size=(4, n_outputs)) / np.sqrt(2))


def bumps(x: NDArray[np.float64], low: float, high: float, n: int = 12) -> NDArray[np.float64]:
    """A value as the activity of n inputs, each with a favourite."""
    centres = np.linspace(low, high, n)
    return np.exp(-0.5 * ((x[:, None] - centres) / (centres[1] - centres[0])) ** 2)


def mackey_glass(seed: int, ahead: int = 10, delay: int = 17) -> Task:
    """Ten steps ahead; the series has unit variance."""
    rng = np.random.default_rng(seed)
    n = N_STEPS + N_HELD
    x = [*(1.2 + 0.2 * rng.standard_normal(delay + 1))]
    for _ in range(500 + n + ahead):
        x.append(0.9 * x[-1] + 0.2 * x[-1 - delay] / (1 + x[-1 - delay] ** 10))
    series = np.array(x[-n - ahead :])
    series = (series - series.mean()) / series.std()
    return stream_task(64, bumps(series[:n], -2.5, 2), series[ahead:, None])


def narma(seed: int, held_for: int = 5, switch: int = 200) -> Task:
    """NARMA-10, every value for five steps; every 200 values it changes to another of its kind and back."""
    rng = np.random.default_rng(seed)
    n = (N_STEPS + N_HELD) // held_for
    u, y = rng.uniform(0, 0.5, n), np.zeros(n)
    for k in range(10, n - 1):
        a, b = ((0.3, 1.5), (0.1, 2.0))[k // switch % 2]
        y[k + 1] = min(a * y[k] + 0.05 * y[k] * y[k - 9 : k + 1].sum() + b * u[k - 9] * u[k] + 0.1, 1.0)
    return stream_task(64, bumps(np.repeat(u, held_for), 0, 0.5), np.repeat(y, held_for)[:, None])


def spike_trains(rng: np.random.Generator, shape: tuple[int, ...], p: Any) -> NDArray[np.float64]:
    return (rng.random(shape) < p).astype(float)


def drift(seed: int, n_inputs: int = 20) -> Task:
    """Two mixtures of the four waves that the rates of spikes follow; what is mixed changes while there is learning."""
    rng = np.random.default_rng(seed)
    s = waves(rng, PERIODS)
    rates = 0.1 * (1 + np.tanh(s @ rng.normal(size=(4, n_inputs))))
    first, second = rng.normal(size=(2, 4, 2)) / np.sqrt(2)
    angle = np.pi * np.minimum(time() / N_STEPS, 1.0)
    targets = np.cos(angle) * (s @ first) + np.sin(angle) * (s @ second)
    return stream_task(64, spike_trains(rng, rates.shape, rates), targets)


def noisy(seed: int, period: int = 100, n_inputs: int = 20) -> Task:
    """Two waves behind noise of unit variance, from inputs that know the time; judged by the waves."""
    rng = np.random.default_rng(seed)
    turn = time()[:, 0] % period / period
    slot = (turn * n_inputs).astype(int)[:, None] == np.arange(n_inputs)
    truth = np.stack([np.sin(2 * np.pi * turn), np.cos(4 * np.pi * turn)], axis=1)
    targets = truth + rng.standard_normal(truth.shape)
    return stream_task(32, spike_trains(rng, slot.shape, 0.5 * slot), targets, truth)


def wave_form(rng: np.random.Generator, n_steps: int) -> NDArray[np.float64]:
    """The target of pattern generation, (n_steps, 1)."""
    t = np.arange(n_steps)[:, None] / n_steps
    amplitudes, phases = rng.uniform(0.5, 2, 4), rng.uniform(0, 2 * np.pi, 4)
    target = (amplitudes * np.sin(2 * np.pi * np.array([1, 2, 3, 5]) * t + phases)).sum(axis=1, keepdims=True)
    target -= target[0]
    return target / np.abs(target).max()


def pattern(seed: int, n_steps: int = 400) -> Task:
    """A wave from frozen noise, by the network as it is, at every step. The held-out part is the pattern again, frozen."""
    rng = np.random.default_rng(seed)
    one = sample(spike_trains(rng, (n_steps, 100), 0.05), wave_form(rng, n_steps))
    return Task((100, 100, 1), [one] * 60, [one], mean_loss)


def sparse_pattern(seed: int, n_steps: int = 400) -> Task:
    """The same by the published network: low threshold, gains of a leak, rates held at 10 Hz, an update per sequence."""
    one = pattern(seed, n_steps).held[0]
    rng = np.random.default_rng(seed + 1000)
    options = {
        **dict.fromkeys(("tau_mem", "tau_trace"), 30.0),
        **dict.fromkeys(("input_gain", "readout_gain"), "leak"),
        **{"threshold": 0.03, "feedback": "random", "c_reg": 300.0, "update_every": "sequence"},
    }

    def draw(trainer: eprop.EpropTrainer) -> None:
        W_rec = rng.normal(size=(100, 100)) / 10
        np.fill_diagonal(W_rec, 0.0)
        trainer.W_in, trainer.W_rec = rng.normal(size=(100, 100)) / 10, W_rec

    return Task((100, 100, 1), [one] * 150, [one], mean_loss, options=options, prepare=draw)


STREAMS = [
    Problem("toy, two outputs", toy, 1e-5),
    Problem("pattern, sparse", sparse_pattern, 1e-2),
    Problem("pattern, default", pattern, 1e-4),
    Problem("Mackey-Glass", mackey_glass, 3e-5),
    Problem("NARMA-10, switches", narma, 1e-5),
    Problem("drifting stream", drift, 3e-5),
    Problem("noisy targets", noisy, 1e-4),
]
