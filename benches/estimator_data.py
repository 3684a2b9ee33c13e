"""What `benches/estimators.py` learns: scans of digits, utterances of unequal lengths, spoken digits, patterns of spikes."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Task(NamedTuple):
    """Sequences and labels to learn from, and those of the test."""

    X: Any
    y: Array
    X_test: Any
    y_test: Array


def digits(seed: int, rows: bool = False) -> Task:
    """Scans of scikit-learn's digits: (n, 64), or as 8 steps of 8 pixels, (n, 8, 8); a quarter is held out."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return held_out(X.reshape(-1, 8, 8) if rows else X, y, seed)


def held_out(X: Any, y: Array, seed: int, share: float = 0.25) -> Task:
    """A random part of each class for the test, drawn from a seed."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(y)), test_size=share, random_state=seed, stratify=y)
    return Task(pick(X, train), y[train], pick(X, test), y[test])


def pick(X: Any, rows: Array) -> Any:
    """These rows of an array, or items of a list."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


def japanese_vowels(folder: Path) -> Task:
    """Nine speakers, 12 cepstral coefficients, 7 to 29 steps; its own split."""
    return Task(*_read_ts(folder / "JapaneseVowels_TRAIN.ts"), *_read_ts(folder / "JapaneseVowels_TEST.ts"))


def _read_ts(path: Path) -> tuple[list[Array], Array]:
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [line.split(":") for line in lines if line and line[0] not in "#@"]
    X = [np.array([channel.split(",") for channel in record[:-1]], np.float64).T for record in records]
    return X, np.array([record[-1] for record in records])


def spoken_digits(folder: Path) -> tuple[list[Array], Array]:
    """Digits of six speakers as log-mel spectra, and which digits they are."""
    paths = sorted(folder.glob("*.wav"))
    return [log_mel(*_read_wav(path)) for path in paths], np.array([int(path.name[0]) for path in paths])


def _read_wav(path: Path) -> tuple[Array, int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples / 32768.0, file.getframerate()


def log_mel(samples: Array, rate: int, window: int = 256, hop: int = 128, n_bands: int = 32) -> Array:
    """Logarithms of the energies in bands of equal width on the mel scale (T, n_bands).

    Each band has its mean over the recording subtracted, so that neither loudness nor the microphone counts.
    """
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window))) ** 2
    energies = np.log(power @ _mel_bands(rate, window, n_bands).T + 1e-6)
    return energies - energies.mean(axis=0)


def _mel_bands(rate: int, window: int, n_bands: int) -> Array:
    """Triangles (n_bands, n_frequencies), each from the centre of the band before to that of the band after."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, n_bands + 2) / 2595.0) - 1.0)
    frequencies = np.fft.rfftfreq(window, 1.0 / rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


def spike_patterns(seed: int, rate: float) -> Task:
    """Ten classes, each a pattern of spikes in 100 inputs over 100 steps, of which `rate` spike in a step.

    A sample keeps 80 % of its pattern's spikes, each moved by a normal time of 2 steps, and has 20 % of others.
    """
    rng = np.random.default_rng(seed)
    patterns = rng.random((10, 100, 100)) < rate
    y = np.repeat(np.arange(10), 80)
    X = np.zeros((len(y), 100, 100), bool)
    for x, label in zip(X, y, strict=True):
        times, units = np.nonzero(patterns[label])
        kept = rng.random(len(times)) < 0.8
        moved = np.round(times[kept] + rng.normal(0.0, 2.0, kept.sum())).astype(int)
        x[np.clip(moved, 0, 99), units[kept]] = True
        x |= rng.random(x.shape) < 0.2 * rate
    return held_out(X, y, seed)
