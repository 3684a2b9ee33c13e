"""Where memory runs out in the middle of a call, it is a MemoryError, and nothing has changed. In processes of their own."""

import itertools
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
    update_every = {"textbook": 2, "block": "sequence", "factored": 1, "listed": 1}[engine]
    SIZES, MB = (250, 1000, 10), 2**20
    # In factors, and more lists than a megabyte.
    wires = {"connect_in": 0.8, "connect_rec": 0.8} if engine == "listed" else {}

    def build():
        return eprop.EpropTrainer(*SIZES, update_every=update_every, lr=1e-9, seed=1, **wires)

    rng = np.random.default_rng(0)
    x = (rng.random((60, 250)) < 0.1).astype(np.float32)
    y = np.zeros((60, 10), np.float32)
    trainer = build()
    trainer.train_sequence(x, y, reset=False)
    twin = copy.copy(trainer)
    data, gradients = pickle.dumps(trainer), trainer.gradients(x, y)
    w_rec, w_in = copy.copy(trainer.W_rec), copy.copy(trainer.W_in)
    many = np.zeros((1, 250), np.float32).repeat(10_000, axis=0)
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
        "predict_sequence": lambda: trainer.predict_sequence(many, return_spikes=True),
        # Weights that were just assigned are looked at after the next step.
        "step": lambda: trainer.step(x[0]),
    }
    if call == "step":
        for one in (trainer, twin):
            one.W_in = w_in

    def in_use():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * resource.getpagesize()

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    refused = 0
    for room in range(100):
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
    "assign W_in", "state_equal", "evaluate", "predict_sequence", "step",
]  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space of a process")
@pytest.mark.parametrize("engine", ["textbook", "block", "factored", "listed"])
@pytest.mark.parametrize("call", CALLS)
def test_memory_that_runs_out_is_an_error_and_changes_nothing(engine, call):
    # Freed memory goes back to the system at once: what an earlier call has left behind is not enough for this one.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine, call],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    if call not in ("evaluate", "step"):  # they keep no more than some vectors
        assert int(done.stdout) > 0, "the limit was never felt"


SWEEP = textwrap.dedent(
    """
    import copy, gc, resource, sys, warnings
    import numpy as np
    import eprop

    warnings.simplefilter("ignore")
    call, engine = sys.argv[1:]
    update_every = {"textbook": 2, "block": "sequence", "factored": 1}[engine]
    T, SIZES = 1800, (500, 20, 10)
    rng = np.random.default_rng(0)
    spikes = rng.random((T, SIZES[0])) < 0.02
    halves, wide = spikes.astype(np.float16), spikes.astype(np.longdouble)
    # Rare at first and dense later, so that later pieces have more of them than the first.
    crowded = spikes & (np.arange(T) >= T // 2)[:, None] | (np.arange(SIZES[0]) == 3)
    times, units = np.nonzero(crowded)
    y = rng.normal(size=(T, SIZES[2])).astype(np.float32)
    base = eprop.EpropTrainer(*SIZES, update_every=update_every, lr=1e-5, batch_size=3 if "batch" in call else 1)
    base.W_in = 3 * base.W_in
    base.step(halves[0], y[0])
    calls = {
        "train": lambda t: t.train_sequence(halves, y, return_outputs=True),
        "train on": lambda t: t.train_sequence(halves, y.astype(np.float16), reset=False),
        "train converted by NumPy": lambda t: t.train_sequence(wide, y),
        "train events": lambda t: t.train_sequence((times, units), y),
        "train batch": lambda t: t.train_sequence(
            [halves, halves[:700], halves[:1900]], [y, y[:700], y[:1900]], n_threads=1, return_outputs=True
        ),
        "predict": lambda t: t.predict_sequence(halves, return_spikes=True),
        "predict batch": lambda t: t.predict_sequence([halves, halves[:700]], n_threads=1, return_spikes=True),
        "stream": lambda t: [step["output"] for step in t.train_stream(zip(halves[:50], y[:50]))],
        "gradients": lambda t: t.gradients(halves, y)["W_in"],
        "evaluate": lambda t: t.evaluate(halves, y),
        "calibrate": lambda t: t.calibrate(halves[:600], rate=20.0),
    }

    def in_use():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * resource.getpagesize()

    def flat(results):
        if isinstance(results, (tuple, list)):
            return b"".join(flat(result) for result in results)
        return np.asarray(results).tobytes()

    run = calls[call]
    after = copy.copy(base)
    expected = flat(run(after))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    refused = done = 0
    for room in range(0, 2**26, 250_000):
        trainer = copy.copy(base)
        gc.collect()
        got = None
        resource.setrlimit(resource.RLIMIT_AS, (in_use() + room, hard))
        try:
            got = run(trainer)
        except MemoryError as error:
            assert str(error), "a MemoryError without a word"
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        if got is None:
            refused += 1
            assert trainer.state_equal(base), f"something changed with {room} bytes"
            got = run(trainer)
        else:
            done += 1
        assert flat(got) == expected, f"other results with {room} bytes"
        assert trainer.state_equal(after), f"another state with {room} bytes"
        if done == 4:
            break
    else:
        raise AssertionError("it never has enough")
    print(refused)
    """
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space of a process")
@pytest.mark.parametrize(
    ("call", "engine"),
    [
        *itertools.product(["train", "train batch"], ["textbook", "block", "factored"]),
        *(
            (call, "factored")
            for call in ["train on", "train converted by NumPy", "train events", "predict", "predict batch"]
        ),
        *((call, "block") for call in ["stream", "gradients", "evaluate", "calibrate"]),
    ],
)
def test_a_call_with_any_memory_is_done_or_has_changed_nothing(call, engine):
    """Pieces after the first take more memory than it did: what they cannot have must not leave a call half done."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, call, engine],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    if call != "stream":  # a step keeps nothing
        assert int(done.stdout) > 0, "the limit was never felt"
