"""What adaptive neurons learn: waves of electrocardiograms, and evidence that has to be remembered.

``python benches/adaptive.py ecg FOLDER`` (of QTDB_train.mat and QTDB_test.mat) and ``python benches/adaptive.py evidence``
print a line for each seed, and the median or the worst beside its bar. Constants were chosen on a part of the training
sequences that is left out here, too; the test set is looked at once, at the end of a run.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bars import Bar, beside

import eprop

ECG_RIGHT = Bar(0.83, "", at_least=True)
EVIDENCE_WRONG = Bar(0.12, "")


class Batch(NamedTuple):
    """Inputs (B, T, n_inputs), targets (B, T, n_outputs), and the steps that have one, (B, T)."""

    inputs: Any
    targets: Any
    mask: Any


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    start = time.perf_counter()
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}", flush=True)
    if options.task == "ecg":
        shares = [ecg(seed, options) for seed in range(options.seeds)]
        print(
            f"ECG, labelled steps that are right, test set, median: {beside(statistics.median(shares), ECG_RIGHT)}"
        )
    else:
        shares = [evidence(seed, options) for seed in range(options.seeds)]
        print(f"evidence, fresh trials that are wrong, worst seed: {beside(max(shares), EVIDENCE_WRONG)}")
    print(f"{time.perf_counter() - start:.0f} s")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What adaptive neurons learn.")
    parser.add_argument("task", choices=["ecg", "evidence"])
    parser.add_argument(
        "folder", nargs="?", type=Path, help="of ecg: where QTDB_train.mat and QTDB_test.mat are"
    )
    parser.add_argument("--seeds", type=int, default=3, help="networks, and orders of the data (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, hardly any training: whether it runs at all"
    )
    options = parser.parse_args(arguments)
    if options.task == "ecg" and options.folder is None:
        parser.error("ecg: FOLDER says where QTDB_train.mat and QTDB_test.mat are")
    if options.quick:
        options.seeds = 1
    return options


def build(sizes: tuple[int, int, int], seed: int, **preset: Any) -> eprop.EpropTrainer:
    """Classifiers of sequences, whatever else they have."""
    return eprop.EpropTrainer(
        *sizes,
        loss="cross_entropy",
        update_every="sequence",
        reduction="mean",
        optimizer="adam",
        readout_bias=True,
        seed=seed,
        **preset,
    )


# Electrocardiograms: each labelled step with one of six waves. Steps without a label count neither here nor there.

EPOCHS, ECG_BATCH, ECG_RATE = 30, 8, 0.02
N_CHOSEN_ON = 120


def ecg(seed: int, options: argparse.Namespace) -> float:
    """36 adaptive neurons of many time constants; the share of the test set's labelled steps that are right."""
    train, test = recordings(options.folder, "train"), recordings(options.folder, "test")
    rows = np.random.default_rng(123).permutation(len(train.inputs))[N_CHOSEN_ON:]
    epochs = EPOCHS
    if options.quick:
        rows, epochs = rows[: 2 * ECG_BATCH], 1
    trainer = build(
        (4, 36, 6),
        seed,
        batch_size=ECG_BATCH,
        beta=1.8,
        tau_adaptation=np.geomspace(20.0, 700.0, 36),
        horizon="sequence",
        recurrent_gain=0.3,
    )
    trainer.calibrate(train.inputs[rows[:15]].reshape(-1, 4), rate=100.0)
    rng, start = np.random.default_rng(seed), time.perf_counter()
    lr = eprop.optim.cosine(ECG_RATE, n_updates=epochs * (len(rows) // ECG_BATCH))
    for _ in range(epochs):
        order = rng.permutation(rows)
        for first in range(0, len(order) - ECG_BATCH + 1, ECG_BATCH):
            batch = order[first : first + ECG_BATCH]
            trainer.lr = lr(trainer.n_updates)
            trainer.train_sequence(train.inputs[batch], train.targets[batch], mask=train.mask[batch])
    share = 1.0 - wrong_steps(trainer, test)
    print(f"seed {seed}: {share:.4f} right, {time.perf_counter() - start:.0f} s", flush=True)
    return share


def recordings(folder: Path, part: str) -> Batch:
    from scipy.io import loadmat

    data = loadmat(folder / f"QTDB_{part}.mat")
    targets = data["y"].astype(np.float32)
    return Batch(data["x"].astype(np.float32), targets, targets.any(axis=2))


def wrong_steps(trainer: eprop.EpropTrainer, data: Batch) -> float:
    wrong = []
    for first in range(0, len(data.inputs), trainer.batch_size):
        rows = slice(first, first + trainer.batch_size)
        y = trainer.evaluate(data.inputs[rows])
        wrong.append((y.argmax(axis=2) != data.targets[rows].argmax(axis=2))[data.mask[rows]])
    return float(np.mean(np.concatenate(wrong)))


# Evidence accumulation (Bellec et al. 2020, Fig. 3), 1 ms a step

N_CUES, CUE, PAUSE, RECALL = 7, 100, 50, 150
ITERATIONS, TRIALS = 500, 32


def trials(rng: np.random.Generator, n: int) -> Batch:
    """Seven cues of 100 ms from the left or the right, 0.5 to 1.5 s of delay, and then: which were more?"""
    delay = int(rng.integers(500, 1501))
    start = N_CUES * (CUE + PAUSE)
    p = np.zeros((n, start + delay + RECALL, 40), dtype=np.float32)
    p[:, :, 30:] = 0.01
    p[:, -RECALL:, 20:30] = 0.04
    mostly_left = rng.random(n) < 0.5
    left = rng.random((n, N_CUES)) < np.where(mostly_left, 0.7, 0.3)[:, None]
    for trial in range(n):
        for k, is_left in enumerate(left[trial]):
            t, unit = k * (CUE + PAUSE), 0 if is_left else 10
            p[trial, t : t + CUE, unit : unit + 10] = 0.04
    label = (left.sum(axis=1) > N_CUES // 2).astype(int)
    mask = np.zeros(p.shape[:2], dtype=bool)
    mask[:, -RECALL:] = True
    targets = np.repeat(np.eye(2, dtype=np.float32)[label][:, None], p.shape[1], axis=1)
    return Batch((rng.random(p.shape, dtype=np.float32) < p).astype(np.float32), targets, mask)


def evidence(seed: int, options: argparse.Namespace) -> float:
    """50 neurons that adapt among 50 that do not; the share of 512 fresh trials that are wrong."""
    n_iterations, n_fresh = (2, 32) if options.quick else (ITERATIONS, 512)
    trainer = build(
        (40, 100, 2),
        seed,
        batch_size=TRIALS,
        lr=0.005,
        beta=np.where(np.arange(100) < 50, 0.0, 0.05),
        tau_adaptation=2000.0,
        feedback="random",
        n_ref=5,
        c_reg=0.1,
    )
    rng, start = np.random.default_rng(seed), time.perf_counter()
    trainer.calibrate(np.concatenate(trials(rng, 2).inputs), rate=20.0)
    for _ in range(n_iterations):
        batch = trials(rng, TRIALS)
        trainer.train_sequence(batch.inputs, batch.targets, mask=batch.mask)
    wrong = []
    for _ in range(n_fresh // TRIALS):
        batch = trials(rng, TRIALS)
        said = (trainer.evaluate(batch.inputs) * batch.mask[..., None]).sum(axis=1).argmax(axis=1)
        wrong.append(said != batch.targets[:, -1].argmax(axis=1))
    share = float(np.mean(wrong))
    print(f"seed {seed}: {share:.4f} wrong, {time.perf_counter() - start:.0f} s", flush=True)
    return share


if __name__ == "__main__":
    sys.exit(main())
