"""Problems of classification: sequences from silence, one update each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from problems import (
    AbsentError,
    Problem,
    Sample,
    Task,
    errors_of_sequences,
    errors_of_steps,
    one_hot,
    sample,
)

OPTIONS = {"loss": "cross_entropy", "update_every": "sequence"}


def labelled(spikes: Any, label: int, n_classes: int, last: int) -> Sample:
    """A sequence whose label is shown at its last steps."""
    n_steps = len(spikes)
    targets = np.repeat(one_hot([label], n_classes), n_steps, axis=0)
    return sample(spikes, targets, np.arange(n_steps) >= n_steps - last)


def digits(seed: int, rate: float | None, n_train: int = 400, n_held: int = 200) -> Task:
    """Scans as spikes, 25 steps each, the label in the last ten; two passes."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise AbsentError("scikit-learn is not installed (extra `bench`)") from None
    rng = np.random.default_rng(seed)
    pixels, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(labels))[: n_train + n_held]

    def show(image: int) -> Sample:
        spikes = rng.random((25, 64)) < 0.3 * pixels[image] / 16
        return labelled(spikes, labels[image], 10, 10)

    train = [show(image) for image in np.concatenate([order[:n_train]] * 2)]
    held = [show(image) for image in order[n_train:]]
    return Task((64, 100, 10), train, held, errors_of_sequences, options=OPTIONS, rate=rate)


def evidence(seed: int, n_train: int = 400, n_held: int = 200) -> Task:
    """Seven cues from the left or the right; after a pause the network is asked which were more."""
    rng = np.random.default_rng(seed)

    def trial() -> Sample:
        left = rng.random(7) < rng.choice([0.25, 0.75])
        p = np.zeros((7 * 12 + 20 + 15, 40))
        p[:, 30:] = 0.01
        p[-15:, 20:30] = 0.1
        for k, is_left in enumerate(left):
            p[12 * k : 12 * k + 8, 0 if is_left else 10 : 10 if is_left else 20] = 0.1
        return labelled(rng.random(p.shape) < p, int(left.sum() > 3), 2, 15)

    samples = [trial() for _ in range(n_train + n_held)]
    return Task((40, 50, 2), samples[:n_train], samples[n_train:], errors_of_sequences, options=OPTIONS)


def templates(
    seed: int, n_steps: int = 200, p: float = 0.03, n_classes: int = 3, n_train: int = 200, n_held: int = 100
) -> Task:
    """Spike patterns that lost a tenth of their spikes and got as many from noise, the label in the last quarter."""
    rng = np.random.default_rng(seed)
    frozen = rng.random((n_classes, n_steps, 30)) < p

    def noisy(label: int) -> Sample:
        kept = frozen[label] & (rng.random((n_steps, 30)) < 0.9)
        return labelled(kept | (rng.random((n_steps, 30)) < 0.1 * p), label, n_classes, n_steps // 4)

    samples = [noisy(label) for label in rng.integers(n_classes, size=n_train + n_held)]
    return Task(
        (30, 50, n_classes), samples[:n_train], samples[n_train:], errors_of_sequences, options=OPTIONS
    )


def ecg(seed: int, folder: Path | None, n_train: int = 80, n_held: int = 30, n_steps: int = 600) -> Task:
    """Level-crossing spikes of electrocardiograms, every step with its wave: `n_steps` of some records."""
    if folder is None:
        raise AbsentError("--ecg FOLDER says where QTDB_train.mat is")
    try:
        from scipy.io import loadmat
    except ImportError:
        raise AbsentError("SciPy is not installed (extra `bench`)") from None
    path = folder / "QTDB_train.mat"
    if not path.is_file():
        raise AbsentError(f"there is no {path}")
    data = loadmat(path)
    rows = np.random.default_rng(seed).permutation(len(data["x"]))[: n_train + n_held]
    samples = [
        sample(x[:n_steps], y[:n_steps], y[:n_steps].any(axis=1))
        for x, y in zip(data["x"][rows], data["y"][rows], strict=True)
    ]
    return Task((4, 36, 6), samples[:n_train], samples[n_train:], errors_of_steps, options=OPTIONS)


def sequences(ecg_folder: Path | None) -> list[Problem]:
    def with_rate(rate: float | None) -> Callable[[int], Task]:
        return lambda seed: digits(seed, rate)

    return [
        Problem("digits, calibrated", with_rate(50.0), 1e-3),
        Problem("digits, default", with_rate(None), 1e-3),
        Problem("evidence", evidence, 1e-3),
        Problem("ECG, a part", lambda seed: ecg(seed, ecg_folder), 1e-4),
        Problem("three classes, T = 200", templates, 1e-4),
    ]
