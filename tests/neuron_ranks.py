"""What `test_mpi_neurons.py` runs on ranks: ``mpiexec -n 2 python tests/neuron_ranks.py NAME...``, some with ``--file``."""

from __future__ import annotations

import argparse
import os
import signal
import time

import numpy as np
from helpers import assert_close
from mpi4py import MPI
from scipy.sparse import coo_array, csc_array

import eprop
from eprop.mpi import NeuronParallel, RankError
from eprop.optim import SGD, Adam, AdamW, Auto, Momentum, Rewire

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()
N_INPUTS, N, N_OUTPUTS, T = 9, 41, 3, 80
TIMEOUT = 60.0

OPTIMIZERS = {
    "sgd": {"optimizer": "sgd"},
    "plain": {"optimizer": SGD(limit=False), "lr": 2e-4},
    "decay": {"optimizer": SGD(weight_decay=0.1)},
    "momentum": {"optimizer": "momentum"},
    "plain momentum": {"optimizer": Momentum(limit=False), "lr": 2e-4},
    "auto": {"optimizer": "auto"},
    "adam": {"optimizer": "adam", "lr": 0.01},
    "adamw": {"optimizer": AdamW(weight_decay=0.1), "lr": 0.01},
}
UPDATES = (1, 7, "sequence")


def data(seed=0, n_steps=T):
    rng = np.random.default_rng(seed)
    x = (rng.random((n_steps, N_INPUTS)) < 0.1) * rng.uniform(0.5, 1.5, size=(n_steps, N_INPUTS))
    return x, rng.normal(size=(n_steps, N_OUTPUTS)), rng.random(n_steps) < 0.8


def fields(**options):
    return {"connect_rec": 0.3, "dtype": "float64", "tau_mem": 10.0} | options


def alone(**options):
    return eprop.EpropTrainer(N_INPUTS, N, N_OUTPUTS, **fields(**options))


def spread(timeout=TIMEOUT, **options):
    return NeuronParallel(N_INPUTS, N, N_OUTPUTS, COMM, timeout=timeout, **fields(**options))


def dense(W):
    return W.toarray() if hasattr(W, "toarray") else W


def weights_of(trainer):
    return {name: dense(getattr(trainer, name)).copy() for name in ("W_in", "W_rec", "W_out", "B", "b")}


def assert_part(network, trainer, tolerance, what=""):
    """A rank's part is that of a trainer alone."""
    first, end = NeuronParallel.bounds_of(N, RANK, SIZE)
    assert network.neurons == range(first, end)
    own, whole = weights_of(network), weights_of(trainer)
    for name in ("W_in", "W_rec", "B"):
        assert_close(own[name], whole[name][first:end], tolerance, f"{what} {name}")
    assert_close(own["W_out"], whole["W_out"][:, first:end], tolerance, f"{what} W_out")
    assert_close(own["b"], whole["b"], tolerance, f"{what} b")
    assert network.n_updates == trainer.n_updates


def raised(call, kind=Exception):
    """What a call raises, as its kind and its text."""
    try:
        call()
    except kind as error:
        return type(error), str(error)
    raise AssertionError("nothing was raised")


# What ranks learn


def goes_the_same_way(what, n_rounds=2, **options):
    """A network on all ranks and a trainer alone, from their first weights on."""
    trainer, network = alone(**options), spread(**options)
    # To the rounding errors of thresholds that are told as multiples.
    assert_part(network, trainer, 1e-15, what)
    before = weights_of(trainer)
    for seed in range(n_rounds):
        x, y, mask = data(seed)
        if trainer.loss == "cross_entropy":
            y = np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)
        expected = trainer.train_sequence(x, y, mask=mask, return_outputs=True)
        loss, outputs = network.train_sequence(x, y, mask=mask, return_outputs=True)
        np.testing.assert_allclose(loss, expected[0], rtol=1e-10)
        assert_close(outputs, expected[1], 1e-10, what)
        assert_part(network, trainer, 1e-10, what)
    assert any(np.abs(W - before[name]).max() > 1e-6 for name, W in weights_of(trainer).items()), what
    return network, trainer


def learns():
    """Every optimizer, at every pace of updates."""
    for update_every in UPDATES:
        for name, optimizer in OPTIMIZERS.items():
            goes_the_same_way(f"{update_every} {name}", update_every=update_every, **optimizer)


def learns_whatever_is_set():
    """Fields that say something of single neurons, of sources, or of the whole gradient."""
    signs = np.random.default_rng(1).integers(-1, 2, size=N_INPUTS + N)
    for update_every in UPDATES:
        for options in (
            {"connect_rec": None},
            {"connect_in": 0.5, "connect_rec": None},
            {"connect_in": 0.5},
            {"feedback": "random", "readout_bias": True},
            {"feedback": "random", "readout_bias": True, "optimizer": "auto"},
            {"feedback": "adaptive", "feedback_decay": 0.01, "readout_bias": True},
            {"c_reg": 0.3},
            {"clip_norm": 0.05, "readout_bias": True},
            {"sign": signs, "w_max": 0.6},
            {"threshold": np.linspace(0.5, 1.0, N)},
            {"beta": 0.1, "c_reg": 0.3},
            {
                "beta": np.linspace(0.0, 0.2, N),
                "tau_adaptation": np.linspace(30.0, 200.0, N),
                "optimizer": "auto",
            },
            {"tau_syn": 4.0, "optimizer": "adam"},
            {"lr_in": 0.0, "lr_rec": 0.002},
            {"loss": "cross_entropy", "reduction": "mean"},
            {"readout_gain": "leak", "n_ref": 3, "reset_mechanism": "zero", "tau_out": 5.0},
        ):
            goes_the_same_way(f"{update_every} {options}", update_every=update_every, **options)


def follows_a_stream():
    """Piece by piece, predictions and evaluations between them."""
    for update_every in UPDATES:
        options = {"update_every": update_every, "optimizer": "auto"}
        trainer, network = alone(**options), spread(**options)
        for piece in range(4):
            x, y, _ = data(piece, 23)
            np.testing.assert_allclose(
                network.train_sequence(x, y, reset=False),
                trainer.train_sequence(x, y, reset=False),
                rtol=1e-10,
            )
            outputs, spikes = network.predict_sequence(x, reset=False, return_spikes=True)
            expected, all_spikes = trainer.predict_sequence(x, reset=False, return_spikes=True)
            assert_close(outputs, expected, 1e-10)
            own = slice(network.neurons.start, network.neurons.stop)
            assert all_spikes.sum() > 0 and np.array_equal(spikes, all_spikes[:, own])
            loss, outputs = network.evaluate(x, y)
            expected = trainer.evaluate(x, y)
            np.testing.assert_allclose(loss, expected[0], rtol=1e-10)
            assert_close(outputs, expected[1], 1e-10)
            assert_close(network.evaluate(x), outputs, 0.0)
        network.lr = trainer.lr = 0.1
        network.train_sequence(x, y)
        trainer.train_sequence(x, y)
        assert_part(network, trainer, 1e-10)
        network.reset()


def takes_events_and_labels():
    x, _, mask = data()
    labels = np.random.default_rng(2).integers(-1, N_OUTPUTS, size=T)
    options = {"loss": "cross_entropy", "update_every": 5}
    trainer, network = alone(**options), spread(**options)
    how = {"mask": mask, "weights": np.linspace(0.0, 2.0, T)}
    events = (*np.nonzero(x), T)
    for inputs in (x, events):
        loss = network.train_sequence(inputs, labels, **how)
        np.testing.assert_allclose(loss, trainer.train_sequence(inputs, labels, **how), rtol=1e-10)
    assert_part(network, trainer, 1e-10)


def rounds_as_one_process_does():
    """In float32."""
    for update_every in UPDATES:
        options = {"dtype": "float32", "update_every": update_every, "connect_in": 0.7}
        trainer, network = alone(**options), spread(**options)
        assert_part(network, trainer, 0.0)
        x, y, mask = data(n_steps=40)
        np.testing.assert_allclose(
            network.train_sequence(x, y, mask=mask), trainer.train_sequence(x, y, mask=mask), rtol=1e-4
        )
        assert_part(network, trainer, 1e-4)


def takes_lists():
    """Arrays of all rows, and of a rank's own, with weights and without: drawn weights are those of one process."""
    rng = np.random.default_rng(3)
    exists_in, exists_rec = rng.random((N, N_INPUTS)) < 0.5, rng.random((N, N)) < 0.2
    np.fill_diagonal(exists_rec, False)
    own = slice(*NeuronParallel.bounds_of(N, RANK, SIZE))
    W = csc_array(exists_rec * rng.normal(size=(N, N)))
    for whole, part in (
        ({"connect_in": exists_in, "connect_rec": exists_rec}, {}),
        ({"connect_rec": exists_rec}, {}),
        ({"connect_rec": exists_rec}, {"connect_rec": exists_rec[own]}),
        (
            {"connect_in": exists_in, "connect_rec": W},
            {"connect_in": exists_in[own], "connect_rec": csc_array(W[own])},
        ),
        ({"connect_in": 0.5, "connect_rec": W}, {}),
    ):
        trainer, network = alone(**whole), spread(**whole | part)
        assert_part(network, trainer, 1e-15)
        x, y, mask = data()
        np.testing.assert_allclose(
            network.train_sequence(x, y, mask=mask), trainer.train_sequence(x, y, mask=mask), rtol=1e-10
        )
        assert_part(network, trainer, 1e-10)


# Where ranks disagree, and go on


def disagrees():
    x, y, _ = data()
    network = spread()
    is_last, last = RANK == SIZE - 1, SIZE - 1
    before = weights_of(network)

    def refused(call, text_of_last, text_of_others, kind_of_last=RankError):
        kind, text = raised(call)
        expected, part = (kind_of_last, text_of_last) if is_last else (RankError, text_of_others)
        assert kind is expected and part in text, (RANK, kind, text)

    named = f"train_sequence: rank {last} failed: TypeError: inputs: expected"
    wrong = "no numbers" if is_last else x
    refused(lambda: network.train_sequence(wrong, y), "inputs: expected", named, TypeError)
    kind, text = raised(lambda: network.train_sequence(x[:, 1:], y))
    assert kind is ValueError and "inputs: expected shape" in text
    others = 1.0 - x if is_last else x
    same = "data: expected the same on all ranks"
    refused(lambda: network.train_sequence(others, y), same, same)
    shorter = x[:-1] if is_last else x
    same = f"steps: expected the same on all ranks, got {T - 1} on rank {last}, {T} on rank 0"
    refused(lambda: network.predict_sequence(shorter), same, same)
    other_call = (lambda: network.evaluate(x, y)) if is_last else (lambda: network.train_sequence(x, y))
    same = f"rank {last} calls evaluate, rank 0 train_sequence"
    refused(other_call, same, same)
    network.lr = 0.5 if is_last else 0.001
    rate = f"lr: expected the same on all ranks, got 0.5 on rank {last}, 0.001 on rank 0"
    refused(lambda: network.train_sequence(x, y), rate, rate)
    network.lr = 0.001
    # A refusal that would otherwise come in the middle of a step
    threads = f"rank {last} failed: ValueError: n_threads: expected a size of at least 1, got 0"
    for call in (network.train_sequence, network.evaluate):
        refused(
            lambda call=call: call(x, y, n_threads=int(not is_last)),
            "n_threads: expected a size of at least 1, got 0",
            threads,
            ValueError,
        )
    kind, text = raised(lambda: network.train_sequence(np.full_like(x, np.nan), y))
    assert kind is ValueError and "expected finite values" in text
    kind, text = raised(lambda: network.train_sequence(x[None], y[None]))
    assert kind is ValueError and "expected one stream" in text
    for name, W in weights_of(network).items():
        assert_close(W, before[name], 0.0)

    network.train_sequence(x, y)  # and it goes on
    same = f"tau_mem: expected the same on all ranks, got 21.0 on rank {last}, 20.0 on rank 0"
    refused(lambda: spread(tau_mem=20.0 + is_last), same, same)
    same = f"n_neurons: expected the same on all ranks, got {N + 1} on rank {last}"
    refused(lambda: NeuronParallel(9, N + is_last, 3, COMM, timeout=TIMEOUT), same, same)
    kind, text = raised(lambda: NeuronParallel(9, SIZE - 1, 3, COMM, timeout=TIMEOUT))
    assert kind is ValueError and f"n_neurons: expected at least {SIZE}, one for each rank" in text
    for wrong, told in (
        ({"batch_size": 2}, "batch_size: expected 1 in a network that is spread over processes"),
        ({"delay": 3}, "delay: expected 1 in a network that is spread"),
        ({"horizon": 5, "update_every": "sequence"}, "horizon: expected 1 in a network that is spread"),
        (
            {"beta": 0.1, "tau_syn": 3.0},
            "NeuronParallel: expected a network whose synapses can be listed, in factors, got one where neurons adapt",
        ),
        ({"tau_mem": np.full(N, 9.0)}, "tau_mem: expected one number in a network that is spread"),
        (
            {"optimizer": Auto(per_neuron=True)},
            "NeuronParallel: expected a network whose synapses can be listed, in factors, got the optimizer auto",
        ),
        (
            {"optimizer": Adam(rewire=Rewire()), "update_every": "sequence"},
            "rewire: expected none in a network that is spread",
        ),
        ({"sign": np.ones(3, int)}, f"sign: expected an array ({N_INPUTS + N},)"),
        ({"threshold": np.ones(3)}, f"threshold: expected a number, or shape ({N},), got shape (3,)"),
        ({"connect_rec": np.zeros((2, N), bool)}, f"connect_rec: expected shape ({N}, {N}), or ("),
        (
            {"connect_rec": coo_array((np.ones(1), ([N - 1], [N - 1])), shape=(N, N))},
            "connect_rec: expected a diagonal without synapses",
        ),
    ):
        kind, text = raised(lambda wrong=wrong: spread(**wrong))
        assert kind in (ValueError, RankError) and told in text, text
    folder = os.path.join(os.getcwd(), "absent", "file")
    kind, text = raised(lambda: network.save(folder))
    assert kind in (FileNotFoundError, RankError) and "absent" in text, text
    kind, text = raised(lambda: NeuronParallel.load(folder, COMM, timeout=TIMEOUT))
    assert kind is FileNotFoundError and "absent" in text, text


# Where ranks are lost


def lessons():
    x, y, _ = data(n_steps=20_000)
    COMM.Barrier()  # however long each took to start
    network = spread(timeout=TIMEOUT if "is_killed" in NAMES else 3.0)
    network.train_sequence(x[:10], y[:10])
    return network, lambda: [network.train_sequence(x, y) for _ in range(1000)]


def raises():
    _, go_on = lessons()
    if RANK == SIZE - 1:
        raise ZeroDivisionError("no data left")
    go_on()


def is_killed():
    """In the middle of a step."""
    _, go_on = lessons()
    if RANK == SIZE - 1:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
    go_on()


def hangs():
    """In the middle of a step."""
    _, go_on = lessons()
    if RANK == SIZE - 1:
        signal.signal(signal.SIGALRM, lambda *_: time.sleep(600))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
    go_on()


def takes_another_number_of_steps():
    """Behind the back of what compares them: no rank waits for ever, and the message says who."""
    network, _ = lessons()
    x, y, _ = data(n_steps=30)
    extra = 1 if RANK == SIZE - 1 else 0
    network._part.train_sequence(x[extra:], y[extra:])
    network.train_sequence(x, y)


# Checkpoints

CHECKPOINT = {
    "optimizer": "adam",
    "lr": 0.01,
    "update_every": "sequence",
    "feedback": "random",
    "readout_bias": True,
}


def lists(seed):
    exists = np.random.default_rng(seed).random((N, N)) < 0.2
    np.fill_diagonal(exists, False)
    return exists


def kinds():
    """Networks that are saved, of all that an optimizer keeps."""
    thresholds = np.linspace(0.5, 1.0, N)
    yield "adam", CHECKPOINT
    yield "auto", {"optimizer": "auto", "threshold": thresholds, "sign": np.resize([1, 0, -1], N_INPUTS + N)}
    yield "momentum", {"optimizer": "momentum", "update_every": 3, "connect_rec": lists(5)}
    yield "adaptive", {"feedback": "adaptive", "connect_in": 0.5, "dtype": "float32"}


def saves():
    for name, options in kinds():
        network = spread(**options)
        for seed in range(2):
            x, y, mask = data(seed)
            network.train_sequence(x, y, mask=mask)
            network.save(f"{FILE}.{name}")  # an older one is replaced
    folder = os.path.dirname(FILE)
    COMM.Barrier()
    of_one = [file for file in os.listdir(folder) if ".adam" in file]
    assert len(of_one) == 1 + 2 * SIZE, of_one


def goes_on():
    """On another number of ranks."""
    for name, options in kinds():
        network, trainer = NeuronParallel.load(f"{FILE}.{name}", COMM, timeout=TIMEOUT), alone(**options)
        for seed in range(2):
            x, y, mask = data(seed)
            trainer.train_sequence(x, y, mask=mask)
        tolerance = 1e-10 if trainer.dtype == "float64" else 1e-3
        assert_part(network, trainer, tolerance, name)
        for seed in range(2, 4):
            x, y, mask = data(seed)
            np.testing.assert_allclose(
                network.train_sequence(x, y, mask=mask),
                trainer.train_sequence(x, y, mask=mask),
                rtol=10 * tolerance,
            )
        assert_part(network, trainer, 10 * tolerance, name)


def goes_on_in_the_middle():
    """On the same number, with the same bits."""
    for name, options in kinds():
        options = {**options, "update_every": 4}
        network = spread(**options)
        x, y, _ = data(n_steps=50)
        network.train_sequence(x, y, reset=False)
        network.save(f"{FILE}.{name}")
        twin = NeuronParallel.load(f"{FILE}.{name}", COMM, timeout=TIMEOUT)
        for each in (network, twin):
            each.train_sequence(x, y, reset=False)
        own, other = weights_of(network), weights_of(twin)
        assert all(np.array_equal(own[key], other[key]) for key in own), name


def leaves_nothing_behind():
    """A save that fails on one rank."""
    network = spread()
    network.save(f"{FILE}.kept")
    COMM.Barrier()
    folder = os.path.dirname(FILE)
    before = sorted(os.listdir(folder))
    save = type(network._part).save
    if RANK == SIZE - 1:
        type(network._part).save = lambda *_: os.rmdir(os.path.join(folder, "absent"))
    kind, text = raised(lambda: network.save(f"{FILE}.kept"))
    type(network._part).save = save
    assert kind is (FileNotFoundError if RANK == SIZE - 1 else RankError) and "absent" in text, text
    COMM.Barrier()
    assert sorted(os.listdir(folder)) == before
    NeuronParallel.load(f"{FILE}.kept", COMM, timeout=TIMEOUT)


def refuses_files():
    for text, told in (
        ("{", "expected an index that NeuronParallel.save wrote"),
        ('{"kind": "another"}', "expected an index that NeuronParallel.save wrote"),
    ):
        if RANK == 0:
            with open(f"{FILE}.broken", "w") as file:
                file.write(text)
        COMM.Barrier()
        kind, said = raised(lambda: NeuronParallel.load(f"{FILE}.broken", COMM, timeout=TIMEOUT))
        assert kind is ValueError and told in said, said
        COMM.Barrier()
    network = spread()
    network.save(f"{FILE}.cut")
    COMM.Barrier()
    if RANK == SIZE - 1:
        (own,) = [
            os.path.join(os.path.dirname(FILE), file)
            for file in os.listdir(os.path.dirname(FILE))
            if file.endswith(f".{RANK}-of-{SIZE}.safetensors") and ".cut." in file
        ]
        with open(own, "rb+") as file:
            file.truncate(os.path.getsize(own) - 5)
    COMM.Barrier()
    kind, said = raised(lambda: NeuronParallel.load(f"{FILE}.cut", COMM, timeout=TIMEOUT))
    assert kind is (ValueError if RANK == SIZE - 1 else RankError) and "safetensors" in said, said


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--file")
    arguments = parser.parse_args()
    NAMES, FILE = arguments.names, arguments.file
    for NAME in NAMES:
        globals()[NAME]()
        COMM.Barrier()
        if RANK == 0:
            print("ok", NAME)
