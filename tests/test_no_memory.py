"""Where memory runs out in the middle of a call, it is a MemoryError, and nothing has changed. In processes of their own."""

import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = textwrap.dedent(
    """
    import copy, pickle, resource, sys
    import numpy as np
    import eprop

    engine, call = sys.argv[1:]
    update_every = {"textbook": 2, "block": "sequence", "factored": 1}[engine]
    SIZES, MB = (500, 2000, 10), 2**20

    def build():
        return eprop.EpropTrainer(*SIZES, update_every=update_every, lr=1e-9, seed=1)

    rng = np.random.default_rng(0)
    x = (rng.random((60, 500)) < 0.1).astype(np.float32)
    y = np.zeros((60, 10), np.float32)
    trainer = build()
    trainer.train_sequence(x, y, reset=False)
    twin = copy.copy(trainer)
    data, gradients = pickle.dumps(trainer), trainer.gradients(x, y)
    w_rec, w_in = np.array(trainer.W_rec), np.array(trainer.W_in)
    many = np.zeros((1, 500), np.float32).repeat(20_000, axis=0), np.zeros((20_000, 10), np.float32)
    calls = {
        "build": build,
        "copy": lambda: copy.deepcopy(trainer),
        "pickle": lambda: pickle.dumps(trainer),
        "unpickle": lambda: pickle.loads(data),
        "gradients": lambda: trainer.gradients(x, y),
        "apply_gradients": lambda: trainer.apply_gradients(gradients),
        "calibrate": lambda: trainer.calibrate(x, rate=20.0),
        "W_rec": lambda: trainer.W_rec,
        "e_bar": lambda: trainer.e_bar,
        "assign W_rec": lambda: setattr(trainer, "W_rec", w_rec),
        "assign W_in": lambda: setattr(trainer, "W_in", w_in),
        "state_equal": lambda: trainer.state_equal(twin),
        "evaluate": lambda: trainer.evaluate(x, y),
        "predict_sequence": lambda: trainer.predict_sequence(many[0], return_spikes=True),
    }

    def in_use():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * resource.getpagesize()

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    refused = 0
    for room in range(0, 400, 4):
        resource.setrlimit(resource.RLIMIT_AS, (in_use() + room * MB, hard))
        try:
            calls[call]()
            break
        except MemoryError as error:
            refused += 1
            caught = error
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        del caught
        assert trainer.state_equal(twin), room
    else:
        raise AssertionError("it never has enough")
    print(refused)
    """
)

CALLS = [
    "build", "copy", "pickle", "unpickle", "gradients", "apply_gradients", "calibrate", "W_rec", "e_bar", "assign W_rec",
    "assign W_in", "state_equal", "evaluate", "predict_sequence",
]  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space of a process")
@pytest.mark.parametrize("engine", ["textbook", "block", "factored"])
@pytest.mark.parametrize("call", CALLS)
def test_memory_that_runs_out_is_an_error_and_changes_nothing(engine, call):
    # Freed memory goes back to the system at once: what an earlier call has left behind is not enough for this one.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine, call],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    if call != "evaluate":  # it keeps no more than some vectors
        assert int(done.stdout) > 0, "the limit was never felt"
