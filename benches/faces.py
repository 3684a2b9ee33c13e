"""What only Python can measure: a call, a matrix product, an import, a wheel."""

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import eprop
from eprop.optim import SGD

LR = 1e-7  # every update is carried out, and the activity stays what it was
ROOT = Path(__file__).parents[1]


def least(
    call: Callable[[], Any], runs: int, seconds: float, clock: Callable[[], float] = time.process_time
) -> float:
    """The least of several runs in seconds, after one that is not timed: CPU time, unless threads are at work."""
    call()
    took: list[float] = []
    while len(took) < runs or sum(took) < seconds:
        start = clock()
        call()
        took.append(clock() - start)
    return min(took)


def single_steps(trainer: eprop.EpropTrainer, inputs: np.ndarray, targets: np.ndarray, runs: int) -> float:
    """Microseconds per call of `step` with a target, on arrays of the trainer's dtype."""
    pairs = list(zip(inputs, targets, strict=True))

    def run() -> None:
        step = trainer.step
        for x, y in pairs:
            step(x, y)

    return least(run, runs, 0.0) / len(pairs) * 1e6


def dense(n_steps: int, runs: int) -> tuple[float, float]:
    """Microseconds per step of analog input, (784, 256), one update per sequence; and of its two matrix products alone."""
    rng = np.random.default_rng(1)
    X = rng.random((n_steps, 784), dtype=np.float32)
    Y = rng.standard_normal((n_steps, 10), dtype=np.float32)
    trainer = eprop.EpropTrainer(784, 256, 10, lr=LR, update_every="sequence", optimizer=SGD(limit=False))
    trainer.calibrate(X, rate=20.0)
    W = np.ascontiguousarray(trainer.W_in.T)
    Q = rng.standard_normal((n_steps, 256), dtype=np.float32)
    ours = least(lambda: trainer.train_sequence(X, Y), runs, 0.0)
    alone = least(lambda: (X @ W, X.T @ Q), runs, 0.0)
    return ours / n_steps * 1e6, alone / n_steps * 1e6


def two_threads(n_steps: int, cores: set[int] | None) -> float | None:
    """How many times faster two threads train a batch of 32 streams than one, (100, 256); None where they cannot."""
    if "batch_size" not in inspect.signature(eprop.EpropTrainer).parameters or len(cores or ()) < 2:
        return None
    rng = np.random.default_rng(1)
    inputs = (rng.random((32, n_steps, 100)) < 0.02).astype(np.float32)
    targets = rng.standard_normal((32, n_steps, 10), dtype=np.float32)
    trainer: Any = eprop.EpropTrainer(100, 256, 10, lr=LR, update_every="sequence", batch_size=32)
    pinned = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or pinned)
    try:
        trainer.calibrate(inputs, rate=20.0)
        one, two = (
            least(lambda n=n: trainer.train_sequence(inputs, targets, n_threads=n), 5, 0.0, time.perf_counter)  # type: ignore[misc]
            for n in (1, 2)
        )
    finally:
        os.sched_setaffinity(0, pinned)
    return one / two


def import_ms() -> float:
    """Milliseconds that `import eprop` adds to `import numpy`, the least of ten."""
    code = "import time, numpy; start = time.perf_counter(); import eprop; print(time.perf_counter() - start)"
    run = [sys.executable, "-c", code]
    return min(float(subprocess.run(run, capture_output=True, check=True).stdout) for _ in range(10)) * 1e3


def wheel_mb() -> float | None:
    """The size of the wheel that `make` built, or None."""
    wheels = list(ROOT.glob("build/wheels/eprop-*.whl"))
    return wheels[0].stat().st_size / 1e6 if wheels else None
