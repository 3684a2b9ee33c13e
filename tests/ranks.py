"""What `test_mpi.py` runs on several ranks: ``mpiexec -n 2 python tests/ranks.py NAME...``, some with ``--file FILE``."""

from __future__ import annotations

import argparse
import os
import signal
import time

import numpy as np
from helpers import assert_close, assert_same_bits
from mpi4py import MPI
from streams import (
    KINDS,
    OPTIMIZERS,
    REDUCTIONS,
    B,
    T,
    assert_parameters,
    build,
    data,
    flat,
    moved,
    parameters_of,
    without_regulariser,
)

import eprop
from eprop.mpi import DataParallel, RankError, fit

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()
N_STREAMS = 7  # of no multiple of the ranks
TIMEOUT = 60.0


def own(arrays):
    """This rank's streams, as a user who shares data out has them."""
    return [np.array_split(array, SIZE)[RANK] for array in arrays]


def spread(trainer, **options):
    return DataParallel(trainer, COMM, timeout=TIMEOUT, **options)


def bits_of(trainer):
    return b"".join(W.tobytes() for W in parameters_of(trainer).values())


def assert_same_on_all(trainer):
    """Bit for bit."""
    assert len(set(COMM.allgather(bits_of(trainer)))) == 1, "ranks differ"


def raised(call, kind=Exception):
    """What a call raises, as its kind and its text."""
    try:
        call()
    except kind as error:
        return type(error), str(error)
    raise AssertionError("nothing was raised")


# What ranks learn


PER_NEURON = ("Auto", {"per_neuron": True})


def learns():
    """Every optimizer and reduction."""
    for kind in KINDS:
        for optimizer in (*OPTIMIZERS.values(), *([PER_NEURON] if kind == "eprop" else [])):
            for reduction in REDUCTIONS:
                learns_with(kind, optimizer, reduction)


def learns_with(kind, optimizer, reduction):
    """Streams of unequal lengths, shared out in both ways; in the last round nothing is taught."""
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": "sequence"}
    options |= {"c_reg": 0.0} if optimizer == PER_NEURON else without_regulariser(kind, optimizer)
    shared, whole, alone = (build(kind, N_STREAMS, **options) for _ in range(3))
    before = parameters_of(alone)
    ranks = spread(shared), spread(whole, data="whole")
    for seed in range(4):
        x, y, mask = data(N_STREAMS, seed=seed)
        mask &= seed < 3
        lengths = np.random.default_rng(seed).integers(1, T + 1, size=N_STREAMS)
        expected = alone.train_sequence(x, y, mask=mask, lengths=lengths)
        part_x, part_y, part_mask, part_lengths = own([x, y, mask, lengths])
        losses = [
            ranks[0].train_sequence(part_x, part_y, mask=part_mask, lengths=part_lengths),
            ranks[1].train_sequence(x, y, mask=mask, lengths=lengths),
        ]
        for loss in losses:
            np.testing.assert_allclose(loss, expected, rtol=1e-12)
        assert np.isnan(expected) == (seed == 3)
        for trainer in (shared, whole):
            assert_parameters(trainer, parameters_of(alone), 1e-12, f"{kind} {optimizer} {reduction}")
            assert trainer.n_updates == alone.n_updates
        # Of as many ranks the same bits, and again.
        assert_same_bits(parameters_of(shared), parameters_of(whole))
    moved(alone, before)
    assert_same_on_all(shared)


def learns_listed_synapses():
    """Some synapses of each kind, with signs, without an array of all; of one stream and of several."""
    rng = np.random.default_rng(2)
    sizes = {"n_inputs": 7, "n_neurons": 30, "n_outputs": 2}

    def dense(arrays):
        return {name: W.toarray() if hasattr(W, "toarray") else W for name, W in arrays.items()}

    for optimizer in ("adam", "sgd", "auto"):
        how = {"optimizer": optimizer, "update_every": "sequence", "dtype": "float64", "tau_mem": 10.0}
        how |= {"connect_in": 0.4, "connect_rec": 0.2, "sign": rng.integers(-1, 1, size=37)}
        for batch_size in (1, N_STREAMS):
            trainer = eprop.EpropTrainer(**sizes, **how, batch_size=batch_size)
            alone = eprop.EpropTrainer(**sizes, **how, batch_size=N_STREAMS)
            assert trainer.storage == "listed"
            for either in (trainer, alone):
                either.W_in = 1.5 * either.W_in
            before, ranks = dense(parameters_of(alone)), spread(trainer, data="whole")
            for seed in range(3):
                x, y, mask = data(N_STREAMS, seed=seed)
                g, expected = ranks.gradients(x, y, mask=mask), alone.gradients(x, y, mask=mask)
                for name, one in dense(flat(expected)).items():
                    assert_close(dense(flat(g))[name], one, 1e-12, name)
                loss = ranks.train_sequence(x, y, mask=mask)
                np.testing.assert_allclose(loss, alone.train_sequence(x, y, mask=mask), rtol=1e-12)
            trainer.apply_gradients(ranks.gradients(x, y))
            alone.apply_gradients(alone.gradients(x, y))
            after = dense(parameters_of(alone))
            for name, W in dense(parameters_of(trainer)).items():
                assert_close(W, after[name], 1e-12, f"{optimizer} {batch_size} {name}")
                assert name == "b" or np.abs(W - before[name]).max() > 1e-6
                assert len(set(COMM.allgather(W.tobytes()))) == 1


def clips():
    """What is measured of the whole gradient is measured of the sum."""
    x, y, mask = data(N_STREAMS)
    options = {"optimizer": "plain", "update_every": "sequence", "clip_norm": 0.05, "w_max": 0.3}
    trainer, alone = build("eprop", N_STREAMS, **options), build("eprop", N_STREAMS, **options)
    ranks = spread(trainer, data="whole")
    for _ in range(3):
        ranks.train_sequence(x, y, mask=mask)
        alone.train_sequence(x, y, mask=mask)
    assert_parameters(trainer, parameters_of(alone), 1e-12)


def takes_what_a_trainer_takes():
    """Labels, weights, lists, events, one mask for all, one sequence, fewer streams than ranks."""
    options = {"optimizer": "adam", "update_every": "sequence", "loss": "cross_entropy", "c_reg": 0.5}
    x, _, mask = data(N_STREAMS)
    rng = np.random.default_rng(3)
    weights = rng.uniform(size=(N_STREAMS, T)) * mask
    ragged = [x[b, : 20 + 5 * b] for b in range(N_STREAMS)]
    of_steps = rng.integers(-1, 2, size=(N_STREAMS, T))
    calls = {
        "labels of sequences": (x, rng.integers(0, 2, size=N_STREAMS), {}),
        "labels of steps": (x, of_steps, {"weights": weights}),
        "one mask": (x, of_steps, {"mask": mask[0], "weights": weights[0]}),
        "a list": (ragged, [np.eye(2)[[b % 2] * len(rows)] for b, rows in enumerate(ragged)], {}),
        "labels of a list": (
            ragged,
            [labels[: len(rows)] for labels, rows in zip(of_steps, ragged, strict=True)],
            {},
        ),
        "events": ([(*np.nonzero(rows), T) for rows in x], of_steps, {"mask": mask}),
        "one sequence": (x[0], of_steps[0], {"mask": mask[0]}),
        "one of several": (x[:1], of_steps[:1], {"lengths": [40]}),
    }
    trainer, alone = build("eprop", N_STREAMS, **options), build("eprop", N_STREAMS, **options)
    ranks = spread(trainer, data="whole")
    for name, (inputs, targets, how) in calls.items():
        before = parameters_of(trainer)
        one, other = alone.gradients(inputs, targets, **how), ranks.gradients(inputs, targets, **how)
        assert one.keys() == other.keys()
        for key in ("n_targets", "n_streams"):
            assert one[key] == other[key], name
        np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-12)
        for key, g in flat(one).items():
            assert_close(flat(other)[key], g, 1e-12, f"{name} {key}")
        assert_same_bits(parameters_of(trainer), before)

        taught, outputs = ranks.evaluate(inputs, targets, **how)
        expected, expected_outputs = alone.evaluate(inputs, targets, **how)
        np.testing.assert_allclose(taught, expected, rtol=1e-12)
        assert_close(outputs, expected_outputs, 1e-10, name)
        bare = {key: value for key, value in how.items() if key == "lengths"}
        assert outputs.tobytes() == ranks.evaluate(inputs, **bare).tobytes(), name
        predicted, spikes = ranks.predict_sequence(inputs, return_spikes=True, **bare)
        expected, expected_spikes = alone.predict_sequence(inputs, return_spikes=True, **bare)
        assert spikes.sum() > 0 and np.array_equal(spikes, expected_spikes), name
        assert_close(predicted, expected, 1e-10, name)

        loss, outputs = ranks.train_sequence(inputs, targets, return_outputs=True, **how)
        expected, expected_outputs = alone.train_sequence(inputs, targets, return_outputs=True, **how)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        assert_close(outputs, expected_outputs, 1e-10, name)
        assert_parameters(trainer, parameters_of(alone), 1e-12, name)
    assert_same_on_all(trainer)


def adds_up_in_the_order_of_the_ranks():
    """To the bit what a sum of the ranks' gradients is, each added to those before it."""
    x, y, mask = data(N_STREAMS)
    trainer = build("eprop", N_STREAMS, optimizer="adam", update_every="sequence", dtype="float32")
    ranks = spread(trainer)
    got = ranks.gradients(*own([x, y]), mask=own([mask])[0])
    parts = [
        DataParallel(trainer, MPI.COMM_SELF).gradients(*part[:2], mask=part[2])
        for part in zip(*(np.array_split(array, SIZE) for array in (x, y, mask)), strict=True)
    ]
    expected = flat(parts[0])
    for part in parts[1:]:
        expected = {name: expected[name] + g for name, g in flat(part).items()}
    assert_same_bits(flat(got), expected)


def has_more_streams_than_a_trainer():
    """They are worked on some at a time."""
    x, y, mask = data(9)
    how = {"optimizer": "adam", "update_every": "sequence"}
    trainer, alone = build("eprop", 2, **how), build("eprop", 9, **how)
    ranks = spread(trainer, data="whole")
    lengths = np.arange(1, 10) * 6
    for _ in range(2):
        loss, outputs = ranks.train_sequence(x, y, mask=mask, lengths=lengths, return_outputs=True)
        expected = alone.train_sequence(x, y, mask=mask, lengths=lengths, return_outputs=True)
        np.testing.assert_allclose(loss, expected[0], rtol=1e-12)
        assert_close(outputs, expected[1], 1e-10)
    assert_parameters(trainer, parameters_of(alone), 1e-12)


def has_no_stream():
    """A rank without data of its own takes part, with a gradient of 0 and no outputs."""
    x, y, mask = data(B)
    trainer, alone = (build("eprop", optimizer="adam", update_every="sequence") for _ in range(2))
    ranks = spread(trainer)
    parts = (x, y, mask) if RANK == SIZE - 1 else ([], [], None)
    loss, outputs = ranks.train_sequence(*parts[:2], mask=parts[2], return_outputs=True)
    np.testing.assert_allclose(loss, alone.train_sequence(x, y, mask=mask), rtol=1e-12)
    assert_parameters(trainer, parameters_of(alone), 1e-12)
    assert (outputs is None) == (RANK != SIZE - 1)
    kind, text = raised(lambda: ranks.train_sequence([], []))
    assert (
        kind is ValueError and text == "inputs: expected at least one stream on all ranks together, got none"
    )


def estimators_learn():
    """What one process learns, early stopping included, to the rounding errors of a sum."""
    from eprop.sklearn import EpropClassifier, EpropRegressor

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=60)
    X = [
        rng.normal(size=(int(n), 4)) + np.eye(3, 4)[label]
        for n, label in zip(rng.integers(4, 9, size=60), y, strict=True)
    ]
    common = {"n_neurons": 20, "max_iter": 3, "random_state": 1, "dtype": "float64", "n_threads": 1}
    for model, targets in (
        (EpropClassifier(**common, early_stopping=True), y),
        (EpropRegressor(**common), np.array([rows.sum() for rows in X])),
    ):
        alone = type(model)(**model.get_params()).fit(X, targets)
        assert fit(model, X, targets, COMM, timeout=TIMEOUT) is model
        np.testing.assert_allclose(model.loss_curve_, alone.loss_curve_, rtol=1e-9)
        assert_parameters(model.trainer_, parameters_of(alone.trainer_), 1e-9)
        assert_same_on_all(model.trainer_)
        assert "_spread" not in model.__dict__
        np.testing.assert_allclose(model.score(X, targets), alone.score(X, targets), rtol=1e-9)
    kind, text = raised(
        lambda: fit(EpropClassifier(**common | {"random_state": RANK}), X, y, COMM, timeout=TIMEOUT)
    )
    assert kind is RankError and "seed: expected the same on all ranks" in text, text
    # What is refused on one rank is heard of on the others, and what one does otherwise; the job goes on.
    last = SIZE - 1
    is_last = last == RANK
    model = EpropClassifier(**common)
    kind, text = raised(lambda: fit(model, X, y[:5] if is_last else y, COMM, timeout=TIMEOUT))
    told = (
        "inconsistent numbers of samples" if is_last else f"fit: rank {last} failed: ValueError: Found input"
    )
    assert kind is (ValueError if is_last else RankError) and told in text, text
    assert not hasattr(model, "trainer_") and not hasattr(model, "classes_")
    fewer = len(X) - is_last
    kind, text = raised(lambda: fit(model, X[:fewer], y[:fewer], COMM, timeout=TIMEOUT))
    assert kind is RankError and "fit: number of sequences: expected the same on all ranks" in text, text
    kind, text = raised(
        lambda: fit(EpropClassifier(**common | {"max_iter": 3 + is_last}), X, y, COMM, timeout=TIMEOUT)
    )
    assert kind is RankError and "fit: max_iter: expected the same on all ranks" in text, text
    assert fit(model, X, y, COMM, timeout=TIMEOUT).n_iter_ == 3


# Where ranks disagree, and go on


def disagrees():
    x, y, _ = data(N_STREAMS)
    options = {"optimizer": "adam", "update_every": "sequence"}
    trainer = build("eprop", N_STREAMS, **options)
    ranks, whole = spread(trainer), spread(build("eprop", N_STREAMS, **options), data="whole")
    before = parameters_of(trainer)
    is_last = RANK == SIZE - 1
    last = SIZE - 1

    def refused(call, text_of_last, text_of_others, kind_of_last=RankError):
        kind, text = raised(call)
        expected, part = (kind_of_last, text_of_last) if is_last else (RankError, text_of_others)
        assert kind is expected and part in text, (RANK, kind, text)

    flawed = np.full_like(x, np.nan) if is_last else x
    named = f"train_sequence: rank {last} failed: ValueError: inputs: expected finite values, got NaN"
    refused(lambda: ranks.train_sequence(flawed, y), "inputs: expected finite values", named, ValueError)
    wrong = x[:, :, 1:] if is_last else x
    refused(lambda: ranks.evaluate(wrong, y), "inputs: expected shape", f"rank {last} failed", ValueError)
    other_call = (lambda: ranks.evaluate(x, y)) if is_last else (lambda: ranks.train_sequence(x, y))
    same = f"rank {last} calls evaluate, rank 0 train_sequence"
    refused(other_call, same, same)
    fewer = x[:-1] if is_last else x
    streams = f"number of streams: expected the same on all ranks, got {len(x) - 1} on rank {last}, {len(x)} on rank 0"
    refused(lambda: whole.train_sequence(fewer, y[: len(fewer)]), streams, streams)
    others = 1.0 - x if is_last else x
    refused(lambda: whole.train_sequence(others, y), "sample: expected the same", "sample: expected the same")
    kind, text = raised(lambda: whole.train_sequence(x, y[:-1]))
    assert kind is ValueError and text == "targets: expected 7 streams, as inputs have, got 6", text
    trainer.lr = 0.5 if is_last else 0.001
    rate = f"lr: expected the same on all ranks, got 0.5 on rank {last}, 0.001 on rank 0"
    refused(lambda: ranks.train_sequence(x, y), rate, rate)
    trainer.lr = 0.001
    assert_same_bits(parameters_of(trainer), before)

    ranks.train_sequence(x, y)  # and it goes on
    assert_same_on_all(trainer)
    moved(trainer, before)
    folder = os.path.join(os.getcwd(), "absent")
    kind, text = raised(lambda: ranks.save(os.path.join(folder, "file")))
    assert kind is (FileNotFoundError if RANK == 0 else RankError) and "absent" in text, text
    kind, text = raised(lambda: DataParallel.load(os.path.join(folder, "file"), COMM, timeout=TIMEOUT))
    assert kind is (FileNotFoundError if RANK == 0 else RankError) and "absent" in text, text

    # In which stream a flaw is
    x_flawed = x.copy()
    x_flawed[-1, 20, 1] = np.inf
    kind, text = raised(lambda: whole.train_sequence(x_flawed, y))
    assert kind is (ValueError if is_last else RankError), text
    last_part = {2: "in stream 2 (of streams 4 to 6)", 4: "(of stream 6)"}
    assert last_part[SIZE] in text, text

    # Other configurations and weights
    kind, text = raised(lambda: spread(build("eprop", tau_mem=20.0 + is_last, **options)))
    assert (
        kind is RankError and f"tau_mem: expected the same on all ranks, got 21.0 on rank {last}" in text
    ), text
    kind, text = raised(lambda: spread(build("stack" if is_last else "eprop", **options)))
    assert kind is RankError and "class: expected the same" in text, text
    other = build("eprop", **options)
    other.W_rec = (1.0 + is_last) * other.W_rec
    kind, text = raised(lambda: spread(other))
    assert kind is RankError and "weights: expected the same" in text, text
    busy = build("eprop", **options)
    if is_last:
        busy.predict_sequence(x[:B])
    spread(busy)  # what its streams went through makes no difference
    remembers = build("eprop", **options)
    weights = parameters_of(remembers)
    remembers.train_sequence(x[:B], (2.0 if is_last else 1.0) * y[:B])
    for name, W in weights.items():
        setattr(remembers, name, W)
    kind, text = raised(lambda: spread(remembers))
    assert kind is RankError and "weights: expected the same" in text, text

    # Weights that part later
    changed = trainer.W_out
    trainer.W_out = (1.0 + 1e-15 * is_last) * changed
    kind, text = raised(lambda: ranks.train_sequence(x, y))
    assert kind is RankError and "weights of the readout: expected the same" in text, text
    trainer.W_out = changed
    trainer.W_in = (1.0 + 1e-9 * is_last) * trainer.W_in

    def many():
        for _ in range(17):
            ranks.train_sequence(x, y)

    kind, text = raised(many)
    assert kind is RankError and "weights: expected the same" in text, text
    kind, text = raised(lambda: ranks.save("file"))
    assert kind is RankError and "weights: expected the same" in text and not os.path.exists("file"), text


# Where ranks are lost


def lessons():
    x, y, _ = data()
    trainer = build("eprop", optimizer="adam", update_every="sequence")
    COMM.Barrier()  # however long each took to start
    ranks = DataParallel(trainer, COMM, timeout=3.0 if "hangs" in NAMES else TIMEOUT)
    ranks.train_sequence(x, y)
    return lambda: [ranks.train_sequence(x, y) for _ in range(1000)]


def raises():
    go_on = lessons()
    if RANK == SIZE - 1:
        raise ZeroDivisionError("no data left")
    go_on()


def is_killed():
    go_on = lessons()
    if RANK == SIZE - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    go_on()


def hangs():
    go_on = lessons()
    if RANK == SIZE - 1:
        time.sleep(600)
    go_on()


# Checkpoints


def saves():
    x, y, mask = data(N_STREAMS)
    ranks = spread(build("eprop", N_STREAMS, optimizer="adam", update_every="sequence"), data="whole")
    ranks.train_sequence(x, y, mask=mask)
    ranks.save(FILE)


def goes_on():
    """On another number of ranks."""
    x, y, mask = data(N_STREAMS)
    ranks = DataParallel.load(FILE, COMM, data="whole", timeout=TIMEOUT)
    alone = build("eprop", N_STREAMS, optimizer="adam", update_every="sequence")
    alone.train_sequence(x, y, mask=mask)
    assert_parameters(ranks.trainer, parameters_of(alone), 1e-12)
    assert ranks.trainer == alone and ranks.trainer.n_updates == 1
    for _ in range(3):
        alone.train_sequence(x, y, mask=mask)
        ranks.train_sequence(x, y, mask=mask)
    assert_parameters(ranks.trainer, parameters_of(alone), 1e-12)
    assert_same_on_all(ranks.trainer)
    assert isinstance(ranks.trainer, eprop.EpropTrainer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--file")
    options = parser.parse_args()
    NAMES, FILE = options.names, options.file
    for name in NAMES:
        globals()[name]()
        COMM.Barrier()
        if RANK == 0:
            print("ok", name)
