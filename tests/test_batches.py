"""Batches: streams side by side, each with its own state, that learn one set of weights."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, snapshot, spike_trains, weight_scale

from eprop import EpropTrainer, FiringRateWarning
from eprop.optim import SGD

B, T, N_IN, N, N_OUT = 5, 60, 7, 12, 2
EVERY = [1, 3, 7, "sequence"]


def make(batch_size=B, **options):
    options = {"dtype": "float64", "lr": 1e-3, "seed": 3, **options}
    trainer = EpropTrainer(N_IN, N, N_OUT, batch_size=batch_size, **options)
    rng = np.random.default_rng(5)
    scale = weight_scale(N_IN + N, 0.2)
    W_rec = scale * rng.normal(size=(N, N))
    np.fill_diagonal(W_rec, 0.0)
    trainer.W_in, trainer.W_rec = scale * rng.normal(size=(N, N_IN)), W_rec
    return trainer


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    x = np.stack([spike_trains(rng, T, N_IN, 0.3) for _ in range(B)])
    return x, rng.normal(size=(B, T, N_OUT)), rng.random((B, T)) < 0.7


def test_shapes_have_a_leading_axis_of_streams(data):
    x, y, _ = data
    trainer = make()
    loss, outputs = trainer.train_sequence(x, y, return_outputs=True)
    assert isinstance(loss, float) and outputs.shape == (B, T, N_OUT)
    outputs, spikes = trainer.predict_sequence(x, return_spikes=True)
    assert outputs.shape == (B, T, N_OUT) and spikes.shape == (B, T, N)
    step = trainer.step(x[:, 0], y[:, 0])
    assert step["spikes"].shape == (B, N) and step["output"].shape == (B, N_OUT)
    assert isinstance(step["loss"], float)
    assert "loss" not in trainer.step(x[:, 0])
    assert trainer.v.shape == trainer.spikes.shape == (B, N)
    assert trainer.output.shape == (B, N_OUT)
    assert trainer.z_bar.shape == (B, N_IN + N)
    assert trainer.e_bar.shape == (B, N, N_IN + N)
    assert trainer.W_in.shape == (N, N_IN) and trainer.W_rec.shape == (N, N)
    assert trainer.W_out.shape == (N_OUT, N) and trainer.B.shape == (N, N_OUT) and trainer.b.shape == (N_OUT,)
    gradients = trainer.gradients(x, y)
    assert gradients["W_in"].shape == (N, N_IN) and isinstance(gradients["loss"], float)
    assert not trainer.v.flags.writeable and not trainer.e_bar.flags.writeable


def test_the_weights_begin_as_those_of_one_stream():
    one, batch = EpropTrainer(3, 4, 2), EpropTrainer(3, 4, 2, batch_size=3)
    for name in ("W_in", "W_rec", "W_out", "b", "B"):
        assert_same_bits({name: getattr(batch, name)}, {name: getattr(one, name)})
    assert one != batch and "batch_size=3" in repr(batch)


@pytest.mark.parametrize("update_every", EVERY)
@pytest.mark.parametrize("c_reg", [0.0, 1.0])
def test_a_batch_is_a_loop_over_streams_with_summed_gradients(data, update_every, c_reg):
    x, y, mask = data
    plain = {"optimizer": SGD(limit=False), "c_reg": c_reg}
    batch = make(update_every=update_every, **plain)
    # Alone, each stream's gradient waits, and is read off an update with lr = 1.
    waits = "sequence" if update_every == "sequence" else 10**6
    singles = [make(1, update_every=waits, lr=1.0, **plain) for _ in range(B)]
    loss, outputs = batch.train_sequence(x, y, mask=mask, return_outputs=True)

    n = T if update_every == "sequence" else update_every
    loss_sum, seen = 0.0, np.zeros_like(outputs)
    for start in range(0, T, n):
        steps = slice(start, start + n)
        before = {name: getattr(singles[0], name) for name in ("W_in", "W_rec", "W_out")}
        gradient = {name: 0.0 for name in before}
        for b, single in enumerate(singles):
            one, seen[b, steps] = single.train_sequence(
                x[b, steps], y[b, steps], mask=mask[b, steps], reset=False, return_outputs=True
            )
            loss_sum += np.nan_to_num(one) * mask[b, steps].sum()
            single.update()
            for name, weights in before.items():
                gradient[name] = gradient[name] + (weights - getattr(single, name))
        for single in singles:
            for name, weights in before.items():
                setattr(single, name, weights - batch.lr * gradient[name])
    assert_close(outputs, seen, 1e-10, "outputs")
    assert_close(loss, loss_sum / mask.sum(), 1e-12, "loss")
    for name in ("W_in", "W_rec", "W_out"):
        assert_close(getattr(batch, name), getattr(singles[0], name), 1e-10, name)
    for name in ("v", "spikes", "output", "z_bar", "e_bar"):
        assert_close(getattr(batch, name), [getattr(single, name) for single in singles], 1e-9, name)


def test_gradients_are_sums(data):
    x, y, mask = data
    batch, single = make(), make(1)
    got = batch.gradients(x, y, mask=mask)
    ones = [single.gradients(x[b], y[b], mask=mask[b]) for b in range(B)]
    for name in ("W_in", "W_rec", "W_out", "b", "loss"):
        assert_close(got[name], sum(one[name] for one in ones), 1e-12, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("update_every", EVERY)
def test_threads_change_no_bit(data, dtype, update_every):
    x, y, mask = data
    trainers = [make(dtype=dtype, update_every=update_every) for _ in range(3)]
    losses = [
        trainer.train_sequence(x, y, mask=mask, n_threads=n) for n, trainer in enumerate(trainers, start=1)
    ]
    assert losses[0] == losses[1] == losses[2]
    assert trainers[0].state_equal(trainers[1]) and trainers[0].state_equal(trainers[2])
    predictions = [trainer.predict_sequence(x, n_threads=3 - n) for n, trainer in enumerate(trainers)]
    assert predictions[0].tobytes() == predictions[2].tobytes()
    gradients = [trainer.gradients(x, y, n_threads=n) for n, trainer in enumerate(trainers[:2], start=1)]
    assert_same_bits(gradients[0], gradients[1])


@pytest.mark.parametrize("update_every", EVERY)
def test_streams_go_on_where_they_stood(data, update_every):
    x, y, _ = data
    whole, pieces, steps = (make(update_every=update_every, c_reg=0.1) for _ in range(3))
    whole.train_sequence(x, y, reset=False)
    for start, stop in ((0, 13), (13, 14), (14, T)):
        pieces.train_sequence(x[:, start:stop], y[:, start:stop], reset=False)
    for x_t, y_t in zip(x.swapaxes(0, 1), y.swapaxes(0, 1), strict=True):
        steps.step(x_t, y_t)
    assert whole.state_equal(pieces) and whole.state_equal(steps)
    for trainer in (whole, pieces):
        trainer.update()
    assert whole.state_equal(pieces)
    whole.reset()
    assert not whole.v.any() and not whole.state_equal(pieces)


def test_the_stream_of_pairs(data):
    x, y, _ = data
    one, other = make(), make()
    losses = [step["loss"] for step in one.train_stream(zip(x.swapaxes(0, 1), y.swapaxes(0, 1), strict=True))]
    assert_close(np.mean(losses), other.train_sequence(x, y, reset=False), 1e-12)
    assert one.state_equal(other)


def test_masks(data):
    x, y, mask = data
    one, other = make(), make()
    masked = np.where(mask[0][None, :, None], y, np.nan)
    assert one.train_sequence(x, masked, mask=mask[0]) == other.train_sequence(
        x, y, mask=np.tile(mask[0], (B, 1))
    )
    assert one.state_equal(other)
    assert np.isnan(one.train_sequence(x, y, mask=np.zeros(T, bool)))


def test_events_of_every_stream(data):
    x, y, _ = data
    dense, events = make(), make()
    pairs = [np.nonzero(stream) for stream in x]
    assert dense.train_sequence(x, y) == events.train_sequence(pairs, y)
    longer = [(*pair, T) for pair in pairs]
    assert dense.predict_sequence(x).tobytes() == events.predict_sequence(longer).tobytes()
    dense.step(x[:, 0])
    events.step([(np.flatnonzero(stream[0]),) for stream in x])
    assert dense.state_equal(events)


@pytest.mark.parametrize("update_every", EVERY)
def test_copies_and_pickles_go_on_alike(data, update_every):
    x, y, _ = data
    trainer = make(update_every=update_every)
    trainer.train_sequence(x, y, reset=False)
    twins = [copy.copy(trainer), pickle.loads(pickle.dumps(trainer))]
    trainer.train_sequence(x, y, reset=False)
    for twin in twins:
        assert not twin.state_equal(trainer) and twin == trainer
        twin.train_sequence(x, y, reset=False)
        assert twin.state_equal(trainer)
        assert_same_bits(snapshot(twin), snapshot(trainer))
        assert twin.memory_bytes == trainer.memory_bytes


def test_assigned_weights_are_those_of_all_streams(data):
    x, _, _ = data
    trainer = make(feedback="random", readout_bias=True)
    trainer.W_in, trainer.W_rec = 2 * trainer.W_in, 0 * trainer.W_rec
    trainer.W_out, trainer.b, trainer.B = 2 * trainer.W_out, [1.0, -1.0], 2 * trainer.B
    trainer.lr = 0.5
    same = make(1, feedback="random", readout_bias=True)
    for name in ("W_in", "W_rec", "W_out", "b", "B"):
        setattr(same, name, getattr(trainer, name))
    expected = np.stack([same.predict_sequence(stream) for stream in x])
    assert trainer.predict_sequence(x).tobytes() == expected.tobytes()


def test_calibrate_takes_one_sequence_or_several():
    rng = np.random.default_rng(2)
    x = rng.random((B, 300, N_IN))
    trainers = [make() for _ in range(3)]
    factors = [
        trainer.calibrate(sample, rate=20.0)
        for trainer, sample in zip(trainers, (x, x[:2], x[0]), strict=True)
    ]
    assert all(factor > 0 for factor in factors)
    _, spikes = trainers[0].predict_sequence(x, return_spikes=True)
    assert 18 <= 1000 * spikes.mean() <= 22
    _, spikes = trainers[2].predict_sequence(x, return_spikes=True)
    assert 18 <= 1000 * spikes[0].mean() <= 22


def test_memory_does_not_depend_on_the_length(data):
    x, y, _ = data
    trainer = make()
    before = trainer.memory_bytes, trainer.memory_per_step
    trainer.train_sequence(np.tile(x, (1, 20, 1)), np.tile(y, (1, 20, 1)), reset=False)
    assert (trainer.memory_bytes, trainer.memory_per_step) == before
    assert 2 * trainer.memory_per_step == B * make(2).memory_per_step


def test_the_warning_looks_at_all_streams(data):
    x, y, _ = data
    silent = make(lr=0.0)
    x = np.tile(x, (1, 2, 1))
    y = np.tile(y, (1, 2, 1))
    with pytest.warns(FiringRateWarning, match="no neuron fired"):
        silent.train_sequence(0 * x, y)
    one_fires = make(lr=0.0)
    one_fires.train_sequence(np.concatenate([0 * x[:-1], x[-1:]]), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, x, y: t.train_sequence(x[0], y), r"targets: expected shape \(60, 2\), got \(5, 60, 2\)"),
        (
            lambda t, x, y: t.train_sequence(x[:4], y),
            r"targets: expected shape \(4, 60, 2\), got \(5, 60, 2\)",
        ),
        (
            lambda t, x, y: t.train_sequence(np.concatenate([x, x]), np.concatenate([y, y])),
            r"inputs: expected shape \(T, 7\) or \(B, T, 7\) with B of 1 to batch_size = 5, got \(10, 60, 7\)",
        ),
        (
            lambda t, x, y: t.train_sequence(x[..., 1:], y),
            r"inputs: expected shape \(T, 7\) or \(B, T, 7\) with B of 1 to batch_size = 5, got \(5, 60, 6\)",
        ),
        (
            lambda t, x, y: t.train_sequence(x, y[:, 1:]),
            r"targets: expected shape \(5, 60, 2\), got \(5, 59, 2\)",
        ),
        (lambda t, x, y: t.train_sequence(x, y[0]), r"targets: expected shape \(5, 60, 2\), got \(60, 2\)"),
        (
            lambda t, x, y: t.train_sequence(x, y, mask=np.ones((60, 5), bool)),
            r"mask: expected shape \(5, 60\) or \(60,\), got \(60, 5\)",
        ),
        (lambda t, x, y: t.train_sequence(x[:, :0], y[:, :0]), "inputs: expected at least one step"),
        (
            lambda t, x, y: t.train_sequence(x, y, n_threads=0),
            "n_threads: expected a size of at least 1, got 0",
        ),
        (
            lambda t, x, y: t.predict_sequence([np.nonzero(x[0])] * 4),
            r"inputs: expected \(times, units, n_steps\)",
        ),
        (
            lambda t, x, y: t.predict_sequence([(*np.nonzero(x[0]), T)] * 6),
            r"inputs: expected 1 to 5 streams \(batch_size = 5\), got 6",
        ),
        (lambda t, x, y: t.gradients(x, np.where(y > 9, y, np.nan)), r"targets: .* at step 0 in stream 0"),
        (lambda t, x, y: t.step(x[:, 0], y[0, 0]), r"target: expected shape \(5, 2\), got \(2,\)"),
        (
            lambda t, x, y: t.calibrate(x[..., 1:]),
            r"inputs: expected shape \(T, 7\) or \(S, T, 7\), got \(5, 60, 6\)",
        ),
        (lambda t, x, y: t.calibrate(3), r"inputs: expected shape \(T, 7\) or \(S, T, 7\), got \(\)"),
        (lambda t, x, y: t.calibrate(x[:0]), r"inputs: expected at least one stream, got shape \(0, 60, 7\)"),
        (lambda t, x, y: t.train_sequence(3, y), r"inputs: expected shape .*, got \(\)"),
        (
            lambda t, x, y: t.train_sequence([*x, x[0]], y),
            r"inputs: expected 1 to 5 streams \(batch_size = 5\), got 6",
        ),
        (
            lambda t, x, y: t.train_sequence([*x[:4], x[4, :, 1:]], y),
            r"inputs\[4\]: expected shape \(T, 7\), got \(60, 6\)",
        ),
        (
            lambda t, x, y: t.train_sequence(x, [*y[:4], y[4, 1:]]),
            r"targets\[4\]: expected shape \(60, 2\), got \(59, 2\)",
        ),
        (
            lambda t, x, y: t.train_sequence(x, list(y[:4])),
            "targets: expected 5 streams, as inputs have, got 4",
        ),
        (
            lambda t, x, y: t.train_sequence(np.nonzero(x[0]), y),
            r"targets: expected shape \(60, 2\), got \(5, 60, 2\)",
        ),
        (
            lambda t, x, y: t.predict_sequence([(np.array([3]), np.array([b + 3]), T) for b in range(5)]),
            r"inputs\[4\]: expected units of 0 to 6, got 7 at step 3",
        ),
        (
            lambda t, x, y: t.step(np.zeros((5, 3), int)),
            r"x: expected shape .* with B of 1 to batch_size = 5, got \(5, 3\).*\(units,\)",
        ),
        (lambda t, x, y: t.step([(np.array([1]),)] * 6), r"x: expected 1 to 5 streams .*, got 6"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(data, call, message):
    x, y, _ = data
    trainer = make()
    trainer.train_sequence(x, y, reset=False)
    before = copy.copy(trainer)
    with pytest.raises(ValueError, match=message):
        call(trainer, x, y)
    assert trainer.state_equal(before)


def test_rows_of_streams_in_a_list_are_those_of_an_array(data):
    x, y, mask = data
    one, other = make(), make()
    events = (*np.nonzero(x[1]), T)
    mixed = [x[0].astype(np.float32), events, x[2].astype(bool), np.asfortranarray(x[3]), x[4]]
    assert one.train_sequence(x, y, mask=mask) == other.train_sequence(mixed, list(y), mask=mask)
    assert one.calibrate(x[1]) == other.calibrate(events) and one.state_equal(other)


def test_a_ragged_mask_is_no_array_of_bool(data):
    x, y, _ = data
    with pytest.raises(TypeError, match="mask: expected an array of bool, got"):
        make().train_sequence(x, y, mask=[[True] * T, [True]])


def test_lists_of_different_lengths_are_answered_with_the_way_out(data):
    _, y, _ = data
    with pytest.raises(TypeError, match=r"inputs: .*list of parts of different lengths; pad them .*lengths="):
        make().train_sequence([[[0.0] * 4], [[0.0] * 4] * 2], y)


def test_a_flaw_is_found_in_its_stream(data):
    x, y, _ = data
    x = x.copy()
    x[3, 20, 1] = np.inf
    with pytest.raises(
        ValueError, match=r"inputs: expected finite values, got inf at index \(20, 1\) in stream 3"
    ):
        make().train_sequence(x, y)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_batch_size_and_n_threads_are_sizes(data, value, error):
    x, y, _ = data
    with pytest.raises(error, match="batch_size"):
        EpropTrainer(3, 4, 2, batch_size=value)
    for trainer, inputs, targets in ((make(), x, y), (make(1), x[0], y[0])):
        with pytest.raises(error, match="n_threads"):
            trainer.train_sequence(inputs, targets, n_threads=value)


def test_one_stream_is_a_trainer_as_ever(data):
    x, y, _ = data
    one, other = EpropTrainer(N_IN, N, N_OUT, batch_size=1), EpropTrainer(N_IN, N, N_OUT)
    assert one == other and one.engine == "factored"
    assert one.train_sequence(x[0], y[0], n_threads=2) == other.train_sequence(x[0], y[0])
    assert one.state_equal(other) and one.v.shape == (N,)


def test_the_environment_sets_the_number_of_threads():
    code = (
        "import numpy as np, eprop\n"
        "t = eprop.EpropTrainer(2, 3, 1, batch_size=2)\n"
        "t.predict_sequence(np.ones((2, 5, 2)))\n"
    )

    def run(threads):
        environment = {**os.environ, "EPROP_NUM_THREADS": threads}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    assert run("2").returncode == 0
    for wrong in ("0", "many"):
        message = f"EPROP_NUM_THREADS: expected a number of threads >= 1, got {wrong}"
        assert message in run(wrong).stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted on Linux")
def test_there_are_no_more_threads_than_streams_or_than_were_asked_for():
    """One pool whatever was asked for before, and the caller is one of its workers."""
    code = (
        "import os, time, numpy as np, eprop\n"
        "def threads():\n"
        "    return len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        "def used(batch_size, n_threads):\n"
        "    t = eprop.EpropTrainer(100, 100, 1, batch_size=batch_size, update_every='sequence')\n"
        "    t.predict_sequence(np.ones((batch_size, 50, 100), np.float32), n_threads=n_threads)\n"
        "    return threads() - before\n"
        "def used_alone(n):\n"
        "    there = used(40, n)\n"
        "    for _ in range(100):\n"  # threads of a smaller pool take a moment to end
        "        if there < n:\n"
        "            break\n"
        "        time.sleep(0.05)\n"
        "        there = threads() - before\n"
        "    return there\n"
        "print([used_alone(n) for n in range(1, 39)], used(3, 38), used(4, 1000), used(40, 2))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    largest = 37  # of 38, without the caller
    assert run.stdout.split("]")[0] == str(list(range(38))).rstrip("]")
    assert run.stdout.split("]")[1].split() == [str(largest)] * 3


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted on Linux")
def test_updates_and_gradients_have_no_more_threads_than_streams():
    code = (
        "import os, numpy as np, eprop\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "t = eprop.EpropTrainer(100, 600, 1, batch_size=3, update_every='sequence')\n"
        "x, y = np.ones((3, 20, 100), np.float32), np.zeros((3, 20, 1))\n"
        "t.train_sequence(x, y, n_threads=30)\n"
        "t.gradients(x, y, n_threads=30)\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == 2  # the caller is one of three


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks of processes with threads
def test_a_forked_process_has_threads_of_its_own():
    rng = np.random.default_rng(1)
    x, y = (rng.random((16, 400, 100)) < 0.02).astype(np.float32), np.zeros((16, 400, 1))
    trainer = EpropTrainer(100, 100, 1, update_every="sequence", batch_size=16)
    expected = trainer.gradients(x, y, n_threads=2)
    child = os.fork()
    if child == 0:
        same = trainer.gradients(x, y, n_threads=2)
        os._exit(0 if same["W_in"].tobytes() == expected["W_in"].tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0
