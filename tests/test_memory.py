"""Memory does not grow with the stream, and the trainer says how much it keeps."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import eprop

STREAM = textwrap.dedent(
    """
    import numpy as np
    import eprop

    PAGE = __import__("resource").getpagesize()

    def resident():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * PAGE

    def stream(n_steps):
        for t in range(n_steps):
            yield x[t % 1000], y[t % 1000]

    rng = np.random.default_rng(0)
    x = (rng.random((1000, 20)) < 0.05).astype(np.float32)
    y = np.zeros((1000, 2), dtype=np.float32)
    trainer = eprop.EpropTrainer(20, 100, 2, lr=1e-5)
    trainer.calibrate(x, rate=20.0)
    marks = []
    for t, result in enumerate(trainer.train_stream(stream(1_000_000)), start=1):
        if t in (10_000, 1_000_000):
            marks.append(resident())
    print(marks[1] - marks[0], float(abs(trainer.e_bar).max()))
    """
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_a_million_steps_grow_nothing():
    done = subprocess.run(
        [sys.executable, "-c", STREAM], capture_output=True, text=True, check=True, timeout=300
    )
    growth, activity = map(float, done.stdout.split())
    assert growth < 2**20, f"grew by {growth / 2**20:.2f} MB"
    assert activity > 0.0, "the network was silent"


SIZES = [(3, 5, 2), (20, 100, 4)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("update_every", [1, 5, "sequence"])
@pytest.mark.parametrize("c_reg", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
def test_memory_does_not_depend_on_the_length(sizes, update_every, c_reg):
    trainer = eprop.EpropTrainer(*sizes, update_every=update_every, c_reg=c_reg, lr=1e-7)
    kept, allocated = trainer.memory_per_step, trainer.memory_bytes
    assert type(kept) is int and type(allocated) is int
    rng = np.random.default_rng(0)
    for T in (1, 500, 3000):
        x = (rng.random((T, sizes[0])) < 0.1).astype(float)
        trainer.train_sequence(x, np.zeros((T, sizes[2])))
        trainer.predict_sequence(x)
        trainer.gradients(x, np.zeros((T, sizes[2])))
        assert (trainer.memory_per_step, trainer.memory_bytes) == (kept, allocated)
