"""One stream of a large network in lists on several threads: the same bits at any number of them."""

import copy
import signal

import numpy as np
import pytest

from eprop import EpropTrainer
from eprop.wiring import fixed_indegree

N, N_INPUTS, N_OUTPUTS, STEPS = 20_500, 40, 3, 70
RNG = np.random.default_rng(5)
X = RNG.random((STEPS, N_INPUTS)) < 0.1
Y = 0.1 * RNG.normal(size=(STEPS, N_OUTPUTS))
timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timers that send signals on this system"
)


@pytest.fixture(scope="module")
def lists():
    """More than 2^20 synapses, and neurons for five threads."""
    return fixed_indegree(N, N, 52, seed=0)


def made(lists, **fields):
    fields = {"connect_rec": lists, "connect_in": 0.5, **fields}
    trainer = EpropTrainer(N_INPUTS, N, N_OUTPUTS, **fields)
    assert trainer.storage == "listed"
    trainer.calibrate(X, rate=20.0)
    return trainer


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"optimizer": "auto"},
        {"update_every": 9},
        {"update_every": "sequence"},
        {"update_every": "sequence", "optimizer": "adam"},
        {"update_every": "sequence", "engine": "block", "c_reg": 0.1},
        {"update_every": 9, "engine": "block", "beta": 0.2, "tau_syn": 5.0},
    ],
    ids=["every step", "auto", "n", "sequence", "adam", "block", "block, adaptive"],
)
def test_no_bit_depends_on_the_number_of_threads(lists, fields):
    first = made(lists, **fields)
    results = []
    for n in (1, 2, 3, 5):
        trainer = copy.deepcopy(first)
        losses = [trainer.train_sequence(X, Y, n_threads=n)]
        losses.append(trainer.train_sequence(X, Y, reset=False, n_threads=n))
        output = trainer.predict_sequence(X, n_threads=n)
        # What a copy or saved bytes go on with is the same, too.
        saved = trainer.to_bytes()
        other = EpropTrainer.from_bytes(saved)
        losses.append(other.train_sequence(X, Y, n_threads=6 - n))
        results.append((losses, output.tobytes(), saved, other.to_bytes()))
    assert all(result == results[0] for result in results[1:])
    assert results[0][0][0] != results[0][0][1]


def test_single_steps_are_those_of_a_sequence_on_several_threads(lists):
    one = made(lists)
    other = copy.deepcopy(one)
    one.reset()
    outputs = np.array([one.step(x, y)["output"] for x, y in zip(X, Y, strict=True)])
    _, rows = other.train_sequence(X, Y, return_outputs=True, n_threads=3)
    assert np.array_equal(rows, outputs)
    assert other.state_equal(one)


def test_gradients_are_the_same_on_several_threads(lists):
    trainer = made(lists, update_every="sequence")
    one, three = (trainer.gradients(X, Y, n_threads=n) for n in (1, 3))
    for name in ("W_in", "W_rec"):
        assert np.array_equal(one[name].data, three[name].data)
    assert np.array_equal(one["W_out"], three["W_out"])


@timers
@pytest.mark.parametrize("every", [1, "sequence"])
def test_ctrl_c_stops_a_call_on_several_threads_and_leaves_a_usable_trainer(lists, every):
    trainer = made(lists, update_every=every)
    x, y = np.tile(X, (300, 1)), np.tile(Y, (300, 1))
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            trainer.train_sequence(x, y, n_threads=3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    twin = copy.deepcopy(trainer)
    assert trainer.train_sequence(X, Y, n_threads=2) == twin.train_sequence(X, Y, n_threads=1)
    assert trainer.state_equal(twin)
