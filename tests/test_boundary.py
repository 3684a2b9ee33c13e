"""The boundary between Python and Rust: threads, interrupts, re-entry, pickles, views, conversions."""

import copy
import dataclasses
import pickle
import re
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import eprop
from eprop import EpropTrainer, FiringRateWarning, OnlineLIFLayer, OnlineTrainer

timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timers that send signals on this system"
)

RNG = np.random.default_rng(3)
X = (RNG.random((60, 6)) < 0.3).astype(float)
Y = RNG.random((60, 2))
FACTORIES = {
    "recurrent": lambda **kw: EpropTrainer(6, 12, 2, **kw),
    "stack": lambda **kw: OnlineTrainer([6, 12, 2], **kw),
}


@pytest.fixture(params=FACTORIES)
def make(request):
    return FACTORIES[request.param]


def big():
    """A sequence that would take far longer than any test waits: rows are read, nobody fires, nothing is learned."""
    trainer = EpropTrainer(100, 4000, 2)
    trainer.W_in = np.zeros((4000, 100))
    x = np.zeros((400_000, 100), np.float32)
    x[:, :20] = 1
    return trainer, x, np.zeros((400_000, 2), np.float32)


CALLS = {
    "train_sequence": lambda t, x, y: t.train_sequence(x, y),
    "predict_sequence": lambda t, x, y: t.predict_sequence(x),
    "gradients": lambda t, x, y: t.gradients(x, y),
}


@timers
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_stops_a_long_call_and_leaves_a_usable_trainer(call):
    trainer, x, y = big()
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        begun = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            CALLS[call](trainer, x, y)
        assert time.perf_counter() - begun < 1.3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    trainer.reset()
    assert trainer.predict_sequence(x[:3]).shape == (3, 2)


def batch():
    return EpropTrainer(8, 1200, 2, batch_size=16)


LOOKED_AT_WITHIN = {
    "a constructor": lambda: EpropTrainer(8, 4000, 2),
    "a stack's constructor": lambda: OnlineTrainer([4000, 4000, 2]),
    "a layer's constructor": lambda: OnlineLIFLayer(4000, 4000),
}


@timers
@pytest.mark.parametrize("call", LOOKED_AT_WITHIN)
def test_handlers_run_within_a_call_that_has_no_steps(call):
    """At least two runs, while Python itself would run a handler once, after the call."""
    runs = []
    previous = signal.signal(signal.SIGALRM, lambda *_: runs.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        before = len(runs)
        made = LOOKED_AT_WITHIN[call]()
        within = len(runs) - before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert made.memory_bytes > 0
    assert within >= 2


@timers
def test_a_batch_that_is_interrupted_within_a_step_goes_on():
    """Whole steps: the first streams are ahead, as if the others had been shorter, and nothing is lost."""
    x, y = np.ones((16, 8)), np.ones((16, 2))

    def step_and_wait(trainer):
        trainer.step(x, y)
        while True:
            time.sleep(1)

    interrupted, within = batch(), 0
    start = copy.deepcopy(interrupted)
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for attempt in range(200):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.0005 * attempt)
            with pytest.raises(KeyboardInterrupt):
                step_and_wait(interrupted)
            within = int((interrupted.v != 0).any(axis=1).sum())
            if 0 < within < 16:
                break
            interrupted = copy.deepcopy(start)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert 0 < within < 16
    start.step(x[:within], y[:within])
    for trainer in (interrupted, start):
        trainer.update()
    assert interrupted.state_equal(start)
    for trainer in (interrupted, start):
        trainer.step(x, y)
    assert interrupted.state_equal(start)


@timers
def test_calibrate_can_be_interrupted_and_changes_nothing():
    trainer = EpropTrainer(100, 300, 2)
    x = np.ones((400_000, 100), np.float32)
    before = trainer.W_in
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            trainer.calibrate(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    np.testing.assert_array_equal(trainer.W_in, before)


@timers
def test_a_signal_handler_that_comes_back_is_refused_and_not_deadlocked():
    trainer, x, y = big()
    refused = []

    def handler(*_):
        with pytest.raises(RuntimeError, match="in the middle of a call") as caught:
            trainer.step(np.zeros(100))
        refused.append(caught.value)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            trainer.train_sequence(x, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(refused) == 1


def test_threads_take_turns(make):
    """Whole sequences from two threads: the weights are those of the same number of calls in a row."""
    shared, alone = make(dtype="float64"), make(dtype="float64")
    calls = 40

    def work():
        for _ in range(calls):
            shared.train_sequence(X, Y)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(2 * calls):
        alone.train_sequence(X, Y)
    assert shared.state_equal(alone)


@pytest.mark.parametrize("n_neurons", [12, 400], ids=["with the GIL", "without it"])
def test_steps_of_threads_take_turns(n_neurons):
    """A network of some synapses steps under the GIL, one of many without: no thread sees the difference."""
    shared, alone = (EpropTrainer(6, n_neurons, 2, dtype="float64", lr=1e-4) for _ in range(2))

    def work():
        for _ in range(20):
            shared.step(X[1], Y[1])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone.train_sequence(np.tile(X[1], (60, 1)), np.tile(Y[1], (60, 1)), reset=False)
    assert shared.state_equal(alone)


def test_the_gil_is_free_while_rust_works():
    trainer, x, y = big()
    ticks = []
    done = threading.Event()

    def work():
        trainer.train_sequence(x[:20_000], y[:20_000])
        done.set()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FiringRateWarning)
        thread = threading.Thread(target=work)
        thread.start()
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)
        thread.join()
    assert len(ticks) > 20


@timers
def test_a_waiting_main_thread_can_be_interrupted():
    trainer, x, y = big()
    started = threading.Event()

    def work():
        started.set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FiringRateWarning)
            trainer.train_sequence(x[:40_000], y[:40_000])

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    thread = threading.Thread(target=work)
    try:
        thread.start()
        started.wait()
        time.sleep(0.05)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        begun = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            trainer.step(np.zeros(100))
        assert time.perf_counter() - begun < 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        thread.join()


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clones_go_on_bit_for_bit(make, clone, dtype):
    trainer = make(dtype=dtype, update_every=7, lr=0.002)
    trainer.lr = 0.001
    trainer.train_sequence(X, Y)
    trainer.train_sequence(X[:10], Y[:10], reset=False)
    twin = clone(trainer)
    assert twin == trainer
    assert twin is not trainer
    assert twin.state_equal(trainer)
    for t in (trainer, twin):
        t.train_sequence(X, Y, reset=False)
    assert twin.state_equal(trainer)
    twin.train_sequence(X, Y, reset=False)
    assert not twin.state_equal(trainer)


def test_layer_clones_go_on_bit_for_bit():
    layer = OnlineLIFLayer(6, 4)
    layer.step(X[0])
    twin = pickle.loads(pickle.dumps(layer))
    for one in (layer, twin):
        one.apply_learning_signal([1, 2, 3, 4])
        one.step(X[1])
    assert twin.state_equal(layer)


def test_a_pickle_of_another_schema_says_what_to_do(make):
    trainer = make()
    state = trainer.__getstate__() | {"schema": 99}
    with pytest.raises(ValueError, match=r"expected schema 5, got 99.*load it with that version"):
        trainer.__setstate__(state)
    both = rf"written by eprop 9\.1, read by eprop {re.escape(eprop.__version__)}; load it with that version"
    with pytest.raises(ValueError, match=both):
        trainer.__setstate__(state | {"eprop": "9.1"})
    later = trainer.__getstate__()
    later = later | {"eprop": "9.1", "fields": later["fields"] | {"of_later": 3}}
    with pytest.raises(ValueError, match=f"got of_later, too, {both}"):
        object.__new__(type(trainer)).__setstate__(later)


@pytest.mark.parametrize("key", ["fields", "engine", "warned"])
def test_a_pickle_without_a_key_is_an_error_that_names_it(make, key):
    trainer = make()
    state = trainer.__getstate__()
    del state[key]
    with pytest.raises(ValueError, match=f"pickle: expected the keys .* got a state without {key}$"):
        object.__new__(type(trainer)).__setstate__(state)


def test_a_large_state_is_pickled_in_pieces_between_which_python_runs():
    trainer = EpropTrainer(20, 2100, 2)
    pieces = trainer.__getstate__()["engine"]
    assert len(pieces) > 1 and all(len(piece.data) <= 2**24 for piece in pieces)
    assert pickle.loads(pickle.dumps(trainer)).state_equal(trainer)
    twin, whole = object.__new__(EpropTrainer), b"".join(piece.data for piece in pieces)
    twin.__setstate__(trainer.__getstate__() | {"engine": whole})
    assert twin.state_equal(trainer)


def test_damaged_engine_bytes_are_refused(make):
    trainer = make()
    state = trainer.__getstate__()
    for damaged in (b"", state["engine"][:-1], state["engine"] + b"\0"):
        twin = object.__new__(type(trainer))
        with pytest.raises(ValueError, match="saved bytes: expected"):
            twin.__setstate__(state | {"engine": damaged})


def test_a_pickle_whose_fields_are_not_those_of_its_bytes_is_refused(make):
    trainer = make()
    state = trainer.__getstate__()
    with pytest.raises(ValueError, match=r"pickle: expected the fields that \w+ was saved with"):
        object.__new__(type(trainer)).__setstate__(state | {"fields": state["fields"] | {"seed": 3}})


def test_layers_are_live_views():
    trainer = OnlineTrainer([6, 12, 2])
    first, last = trainer.layers
    copied = copy.deepcopy(first)
    first.W = np.ones((12, 6))
    assert trainer.layers[0].W.sum() == 72
    assert copied.W.sum() != 72
    trainer.step(X[0])
    np.testing.assert_array_equal(last.spikes, trainer.output)
    np.testing.assert_array_equal(first._v, first.v)
    assert (last.n_inputs, last.n_neurons) == (12, 2)
    with pytest.raises(RuntimeError, match=r"layers\[0\] belongs to a trainer"):
        first.step(X[0])
    with pytest.raises(ValueError, match=r"W: expected shape \(12, 6\), got \(6, 12\)"):
        first.W = np.ones((6, 12))
    with pytest.raises(AttributeError, match="only W"):
        first.v = np.zeros(12)
    del trainer
    assert first.W.sum() == 72


def test_layer_sizes_read_as_a_fresh_list():
    trainer = OnlineTrainer((6, np.int64(12), 2))
    trainer.layer_sizes.append(5)
    assert trainer.layer_sizes == [6, 12, 2]
    assert dataclasses.replace(trainer, lr=0.5).lr == 0.5
    assert "layer_sizes=[6, 12, 2]" in repr(trainer)


def test_all_that_is_read_is_a_read_only_copy_in_c_order():
    trainer = EpropTrainer(6, 12, 2)
    names = ["W_in", "W_rec", "W_out", "b", "B", "v", "spikes", "output", "z_bar", "e_bar", "_v", "_spikes"]
    step = trainer.step(X[0], Y[0])
    loss, outputs = trainer.train_sequence(X, Y, return_outputs=True)
    assert type(loss) is float
    arrays = [getattr(trainer, name) for name in names] + [step["spikes"], step["output"], outputs]
    arrays += [a for a in trainer.gradients(X, Y).values() if isinstance(a, np.ndarray)]
    for array in arrays:
        assert not array.flags.writeable
        assert array.flags.c_contiguous
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.float16),
        lambda a: a.astype(">f8"),
        lambda a: a.astype(bool),
        lambda a: a.astype(np.int8),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a.tolist(),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(float).reshape(a.shape),
    ],
)
def test_every_way_to_hand_over_the_same_numbers_gives_the_same_bits(make, convert):
    one, other = make(dtype="float64"), make(dtype="float64")
    one.train_sequence(X, Y)
    other.train_sequence(convert(X), Y)
    assert one.state_equal(other)


def unaligned(a):
    return np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.longdouble),
        lambda a: a.astype(">f4"),
        lambda a: np.repeat(a, 2)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: unaligned(a),
        lambda a: unaligned(a.astype(np.float32)),
        lambda a: a.view(type("Mine", (np.ndarray,), {})),
        lambda a: np.broadcast_to(a, (2, len(a)))[1],
        lambda a: memoryview(a),
    ],
)
def test_every_way_to_hand_over_a_step_gives_the_same_bits(make, convert, dtype):
    one, other = make(dtype=dtype), make(dtype=dtype)
    y = Y[0].astype(np.float32).astype(float)
    for x in X[:5]:
        one.step(x, y)
        other.step(convert(x), convert(y))
    assert one.state_equal(other)


@pytest.mark.parametrize("n_neurons", [12, 400], ids=["with the GIL", "without it"])
def test_what_a_step_was_handed_stays_as_it_is_and_what_it_returned_too(n_neurons):
    trainer = EpropTrainer(6, n_neurons, 2)
    x, y = X[0].astype(np.float32), Y[0].astype(np.float32)
    first = trainer.step(x, y)
    kept = {name: np.copy(value) for name, value in first.items()}
    for row in X:
        trainer.step(row, y)
    np.testing.assert_array_equal(x, X[0])
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value)


def test_what_overflows_float32_counts_as_infinity(make):
    with pytest.raises(ValueError, match="inputs: expected"):
        make().predict_sequence(X * 1e300)
    assert make(dtype="float64").predict_sequence(X).dtype == np.float64


def test_a_mask_of_strange_bytes_is_a_mask():
    mask = np.full(60, 2, np.uint8)
    mask[::2] = 0
    one, other = EpropTrainer(6, 12, 2), EpropTrainer(6, 12, 2)
    one.train_sequence(X, Y, mask=mask.view(bool))
    other.train_sequence(X, Y, mask=mask == 2)
    assert one.state_equal(other)


def test_messages_count_steps_from_the_start_of_the_sequence():
    targets = Y.copy()
    targets[50, 1] = np.nan
    with pytest.raises(ValueError, match="step 50"):
        EpropTrainer(6, 12, 2).train_sequence(X, targets)


def test_the_warning_comes_once_until_reset():
    trainer = EpropTrainer(6, 12, 2)
    silence = np.zeros((200, 6))
    with pytest.warns(FiringRateWarning, match="calibrate"):
        trainer.train_sequence(silence, np.zeros((200, 2)))
    trainer.train_sequence(silence, np.zeros((200, 2)))
    copy.copy(trainer).train_sequence(silence, np.zeros((200, 2)))
    trainer.reset()
    with pytest.warns(FiringRateWarning):
        trainer.train_sequence(silence, np.zeros((200, 2)))
