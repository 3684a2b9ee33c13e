"""Which synapses exist (`connect_in`, `connect_rec`), and Dale's law (`sign`): all forms and optimizers, copies, files."""

import copy
import os
import pickle

import numpy as np
import pytest
from helpers import assert_close, dense, read_dense
from hypothesis import given, settings
from hypothesis import strategies as st

import eprop
from eprop import EpropTrainer, record

sparse = pytest.importorskip("scipy.sparse")

N_IN, N, N_OUT, T = 5, 12, 2, 60
OPTIMIZERS = ["sgd", "momentum", "auto", "adam", "adamw", eprop.optim.Auto(per_neuron=True)]
# Forms and storages: lists in factors, in the textbook form, rows with a place for each neuron, lists again, and lists in
# blocks, of fewer inputs.
FORMS = [
    {},
    {"engine": "textbook"},
    {"engine": "block", "update_every": 10},
    {"update_every": "sequence"},
    {"update_every": 10, "horizon": 5, "density": 0.18},
]
# Thresholds that stay, that move alike, and of each neuron in its own way, where some stay; membranes that differ, a
# current, and both.
NEURONS = {
    "plain": lambda n, rng: {},
    "adaptive": lambda n, rng: {"beta": rng.choice([0.2, 1.2]), "tau_adaptation": rng.choice([20.0, 200.0])},
    "adaptive each": lambda n, rng: {
        "beta": rng.choice([0.0, 0.3, 1.2], n),
        "tau_adaptation": rng.choice([20.0, 200.0], n),
        "threshold": rng.choice([0.8, 1.0], n),
    },
    "membranes": lambda n, rng: {"tau_mem": rng.choice([5.0, 10.0, 40.0], n)},
    "current": lambda n, rng: {"tau_syn": rng.choice([3.0, 10.0])},
    "both": lambda n, rng: {"tau_mem": rng.choice([5.0, 40.0], n), "tau_syn": rng.choice([3.0, 10.0])},
}
# What factors do not hold in lists: thresholds that move above membranes that differ and currents.
ALL_NEURONS = {
    **NEURONS,
    "adaptive, both": lambda n, rng: NEURONS["adaptive each"](n, rng) | NEURONS["both"](n, rng),
}
LISTED = [
    *((engine, neurons) for engine in ("factored", "textbook", "block") for neurons in NEURONS),
    ("textbook", "adaptive, both"),
    ("block", "adaptive, both"),
]
# A block has lists of few.
DENSITY = {"factored": 0.4, "textbook": 0.4, "block": 0.18}
# As many random wirings as this are compared; 100,000 take some minutes.
N_WIRINGS = int(os.environ.get("EPROP_WIRINGS", "300"))


def wiring(seed=0, density=0.4, n_in=N_IN, n=N):
    rng = np.random.default_rng(seed)
    return rng.random((n, n_in)) < density, (rng.random((n, n)) < density) & ~np.eye(n, dtype=bool)


def wired(form, seed=0):
    """A wiring that the form takes, and its options."""
    return (*wiring(seed, form.get("density", 0.4)), {name: form[name] for name in form if name != "density"})


def in_every_form(*sizes, neurons="plain", **options):
    """Lists of the two forms that have them at every density, if they hold such neurons; and last the block form."""
    engines = [engine for engine, which in LISTED if which == neurons and engine != "block"]
    listed = [EpropTrainer(*sizes, engine=engine, **options) for engine in engines]
    assert all(trainer.storage == "listed" for trainer in listed)
    return [*listed, EpropTrainer(*sizes, engine="block", **options)]


def data(seed=1, n_in=N_IN, n_out=N_OUT):
    rng = np.random.default_rng(seed)
    return (rng.random((T, n_in)) < 0.4).astype(float), 0.3 * rng.normal(size=(T, n_out))


def louder(trainer):
    """Weights at which neurons fire."""
    trainer.W_in = 2.0 * dense(trainer.W_in)
    return trainer


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_does_not_exist_has_neither_weight_nor_gradient_nor_trace(form, optimizer):
    into, between, form = wired(form)
    trainer = louder(
        EpropTrainer(
            N_IN,
            N,
            N_OUT,
            connect_in=into,
            connect_rec=between,
            optimizer=optimizer,
            c_reg=1.0,
            lr=1e-3,
            **form,
        )
    )
    before = dense(trainer.W_rec)
    x, y = data()
    for _ in range(3):
        trainer.train_sequence(x, y)
    trainer.train_sequence(x[:25], y[:25], reset=False)
    gradients = trainer.gradients(x, y)
    trainer.apply_gradients(gradients)
    trainer = eprop.EpropTrainer.from_bytes(trainer.to_bytes())
    for name, exists in [("W_in", into), ("W_rec", between)]:
        assert not dense(getattr(trainer, name))[~exists].any()
        assert not dense(gradients[name])[~exists].any()
        assert dense(gradients[name])[exists].any()
    e_bar = read_dense(trainer, "e_bar")
    assert not e_bar[:, :N_IN][~into].any() and not e_bar[:, N_IN:][~between].any()
    assert e_bar.any() and not np.array_equal(dense(trainer.W_rec), before)


def test_lists_and_places_for_all_have_the_same_numbers():
    """Of storages: the same first weights, and the same learning to rounding."""
    into, between = wiring(3)
    options = {"connect_in": into, "connect_rec": between, "dtype": "float64"}
    *listed, masked = map(louder, in_every_form(N_IN, N, N_OUT, **options))
    assert [trainer.engine for trainer in listed] == ["factored", "textbook"]
    x, y = data()
    for trainer in listed:
        assert np.array_equal(dense(trainer.W_rec), dense(masked.W_rec))
    for _ in range(3):
        expected = masked.train_sequence(x, y)
        for trainer in listed:
            assert_close(trainer.train_sequence(x, y), expected, 1e-10)
    for name in ("W_in", "W_rec", "W_out", "e_bar", "z_bar", "v"):
        for trainer in listed:
            assert_close(read_dense(trainer, name), read_dense(masked, name), 1e-10, name)


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_a_density_is_drawn_from_the_seed(density):
    n = 200
    trainer = EpropTrainer(N_IN, n, N_OUT, connect_rec=density)
    there = dense(trainer.W_rec) != 0
    possible = n * (n - 1)
    spread = np.sqrt(possible * density * (1 - density))
    assert abs(there.sum() - density * possible) <= 5 * spread
    assert not there.diagonal().any()
    again = EpropTrainer(N_IN, n, N_OUT, connect_rec=density)
    other = EpropTrainer(N_IN, n, N_OUT, connect_rec=density, seed=7)
    assert np.array_equal(dense(again.W_rec), dense(trainer.W_rec))
    assert density == 1.0 or not np.array_equal(dense(other.W_rec) != 0, there)
    # As strong a drive as with all synapses: the sum of fewer weights is as wide.
    full = EpropTrainer(N_IN, n, N_OUT).W_rec
    assert 0.8 < dense(trainer.W_rec).sum(axis=1).std() / full.sum(axis=1).std() < 1.25


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array", "csr_matrix"])
def test_a_sparse_array_is_a_structure_and_first_weights(kind, form):
    rng = np.random.default_rng(4)
    _, between, form = wired(form, 4)
    weights = np.where(between, rng.normal(size=(N, N)), 0.0)
    trainer = EpropTrainer(
        N_IN, N, N_OUT, connect_rec=getattr(sparse, kind)(weights), dtype="float64", **form
    )
    assert np.array_equal(dense(trainer.W_rec), weights)
    assert np.array_equal(np.asarray(trainer.connect_rec), between)


def test_stored_zeros_are_synapses_and_unsorted_lists_are_sorted():
    rows, columns = np.array([3, 1, 0, 2]), np.array([1, 0, 2, 1], dtype=np.int64)
    given = sparse.coo_array((np.array([0.0, 2.0, 0.5, -1.0]), (rows, columns)), shape=(4, 4))
    trainer = EpropTrainer(2, 4, 1, connect_rec=given, dtype="float64")
    assert trainer.connect_rec.n_synapses == 4
    assert np.array_equal(dense(trainer.W_rec), given.toarray())


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS[:5], ids=str)
def test_signs_are_kept_by_every_update(optimizer, form):
    """Adam moves every weight by about lr, so that many would change their sign."""
    into, between, form = wired(form, 5)
    sign = np.random.default_rng(5).integers(-1, 2, N_IN + N)
    lr = 0.05 if optimizer.startswith("adam") else None
    trainer = EpropTrainer(
        N_IN, N, N_OUT, connect_in=into, connect_rec=between, sign=sign, optimizer=optimizer,
        **({} if lr is None else {"lr": lr}), **form,
    )  # fmt: skip
    x, y = data()
    drawn = np.hstack([dense(trainer.W_in), dense(trainer.W_rec)])
    assert np.all(sign * drawn >= 0)
    for _ in range(4):
        trainer.train_sequence(x, y)
        W = np.hstack([dense(trainer.W_in), dense(trainer.W_rec)])
        assert np.all(sign * W >= 0)
    if lr is not None:
        assert np.any((W == 0) & (drawn != 0) & (sign != 0)), "none has met its sign"
    trainer.apply_gradients(
        {name: np.ones_like(W) if name == "W_out" else 0 * dense(W) if np.ndim(dense(W)) else W
         for name, W in trainer.gradients(x, y).items()}
    )  # fmt: skip


@pytest.mark.parametrize("every", [1, "sequence"])
@pytest.mark.parametrize(("engine", "neurons"), LISTED)
def test_copies_files_and_pickles_know_the_synapses(engine, neurons, every):
    density = DENSITY[engine]
    into, between = wiring(6, density)
    sign = np.r_[np.ones(N_IN), -np.ones(3), np.zeros(N - 3)].astype(int)
    own = {**ALL_NEURONS[neurons](N, np.random.default_rng(6)), "update_every": every, "engine": engine}
    trainer = louder(EpropTrainer(N_IN, N, N_OUT, connect_in=density, connect_rec=between, sign=sign, **own))
    assert trainer.storage == "listed"
    x, y = data()
    trainer.train_sequence(x, y)
    trainer.step(x[0], y[0])
    twins = [
        copy.deepcopy(trainer),
        pickle.loads(pickle.dumps(trainer)),
        EpropTrainer.from_bytes(trainer.to_bytes()),
    ]
    for twin in twins:
        assert twin == trainer and twin.state_equal(trainer)
        assert twin.connect_rec == trainer.connect_rec and np.array_equal(twin.sign, sign)
        assert twin.train_sequence(x, y) == copy.deepcopy(trainer).train_sequence(x, y)
    assert trainer != EpropTrainer(
        N_IN, N, N_OUT, connect_in=density, connect_rec=into @ into.T & between, sign=sign, **own
    )
    assert trainer != EpropTrainer(N_IN, N, N_OUT, connect_in=0.1, connect_rec=between, sign=sign, **own)


@pytest.mark.parametrize("every", [1, 4, "sequence"])
@pytest.mark.parametrize("neurons", ALL_NEURONS)
def test_streams_of_a_batch_share_what_is_listed(neurons, every):
    into, between = wiring(11)
    options = {**ALL_NEURONS[neurons](N, np.random.default_rng(11)), "update_every": every, "batch_size": 3}
    options |= {"connect_in": into, "connect_rec": between, "dtype": "float64", "c_reg": 1e-3}
    *listed, masked = trainers = in_every_form(N_IN, N, N_OUT, neurons=neurons, **options)
    x, y = (np.stack(of) for of in zip(*(data(seed) for seed in range(3)), strict=True))
    for trainer in trainers:
        trainer.W_in = (0.5 if "tau_syn" in options else 2.0) * dense(trainer.W_in)
        trainer.train_sequence(x, y)
    expected = masked.gradients(x, y)
    for trainer in listed:
        for name, gradient in trainer.gradients(x, y).items():
            assert_close(dense(gradient), dense(expected[name]), 1e-9, name)
        for name in ("W_in", "W_rec", "W_out"):
            assert_close(read_dense(trainer, name), read_dense(masked, name), 1e-9, name)


@pytest.mark.parametrize("every", [1, 4, "sequence"])
@pytest.mark.parametrize("n_streams", [None, 3])
def test_each_neuron_takes_a_length_of_its_own_in_every_form(n_streams, every):
    """Of updates, and of gradients that are applied."""
    into, between = wiring(13)
    optimizer = eprop.optim.Auto(per_neuron=True)
    options = {"connect_in": into, "connect_rec": between, "dtype": "float64", "update_every": every}
    options |= {
        "optimizer": optimizer,
        "c_reg": 0.1,
        **({} if n_streams is None else {"batch_size": n_streams}),
    }
    *listed, masked = trainers = [louder(trainer) for trainer in in_every_form(N_IN, N, N_OUT, **options)]
    x, y = data(13)
    if n_streams is not None:
        x, y = (np.stack(of) for of in zip(*(data(seed) for seed in range(n_streams)), strict=True))
    for trainer in trainers:
        for _ in range(2):
            trainer.train_sequence(x, y)
            trainer.apply_gradients(trainer.gradients(x, y))
    for trainer in listed:
        for name in ("W_in", "W_rec", "W_out"):
            assert_close(read_dense(trainer, name), read_dense(masked, name), 1e-9, name)


@pytest.mark.parametrize("every", [1, "sequence"])
@pytest.mark.parametrize(("engine", "neurons"), LISTED)
def test_lists_in_float32_are_those_in_float64_to_rounding(engine, neurons, every):
    into, between = wiring(12, DENSITY[engine])
    own = {**ALL_NEURONS[neurons](N, np.random.default_rng(12)), "update_every": every, "engine": engine}
    x, y = data(12)
    found = []
    for dtype in ("float32", "float64"):
        trainer = EpropTrainer(N_IN, N, N_OUT, connect_in=into, connect_rec=between, dtype=dtype, **own)
        # The same weights to the last bit.
        trainer.W_in = (0.3 if "tau_syn" in own else 1.0) * dense(trainer.W_in).astype(np.float32)
        trainer.W_rec = dense(trainer.W_rec).astype(np.float32)
        trainer.W_out = np.asarray(trainer.W_out).astype(np.float32)
        trainer.train_sequence(np.tile(x, (4, 1)), np.tile(y, (4, 1)))
        found.append([read_dense(trainer, name) for name in ("W_in", "W_rec", "e_bar", "v")])
    for single, double in zip(*found, strict=True):
        assert_close(single, double, 1e-4)


@pytest.mark.parametrize("n", [400, 33_000])
def test_lists_in_float32_are_nearer_to_float64_than_the_recursion_is(n):
    """Also of many neurons, whose base blocks are longer; all but 400 have no synapses."""
    rng = np.random.default_rng(1)
    x, y = (rng.random((300, 40)) < 0.05).astype(float), rng.standard_normal((300, 3))

    def weights(n_sources, density, size):
        there = rng.random((400, n_sources)) < density
        if n_sources == 400:
            np.fill_diagonal(there, False)
        post, pre = np.nonzero(there)
        of = (size * (rng.random(len(post)) - 0.5)).astype(np.float32)
        return sparse.coo_array((of, (post, pre)), shape=(n, n_sources if n_sources == 40 else n))

    into, between = weights(40, 0.3, 2), weights(400, 0.1, 0.2)
    W_out = rng.standard_normal((3, n)).astype(np.float32)

    def spikes_and_gradient(dtype, engine):
        options = {"connect_in": into, "connect_rec": between, "update_every": "sequence"}
        trainer = EpropTrainer(40, n, 3, dtype=dtype, engine=engine, **options)
        trainer.W_out = W_out
        _, spikes = trainer.predict_sequence(x, return_spikes=True)
        found = trainer.gradients(x, y)
        return spikes, np.concatenate([found[name].data for name in ("W_in", "W_rec")])

    spikes, exact = spikes_and_gradient("float64", "textbook")
    assert spikes[:, :400].mean() > 0.005
    errors = {}
    for engine in ("factored", "textbook"):
        found, rounded = spikes_and_gradient("float32", engine)
        assert np.array_equal(found, spikes)
        errors[engine] = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert errors["factored"] < errors["textbook"] < 1e-5


def test_weights_and_gradients_go_in_dense_or_sparse_and_never_where_there_is_no_synapse():
    between = wiring(7)[1]
    trainer = EpropTrainer(N_IN, N, N_OUT, connect_rec=between, dtype="float64")
    weights = np.where(between, 0.25, 0.0)
    for value in (weights, sparse.csr_array(weights), sparse.coo_array(weights)):
        trainer.W_rec = value
        assert np.array_equal(dense(trainer.W_rec), weights)
    absent = tuple(int(at) for at in np.argwhere(~between & ~np.eye(N, dtype=bool))[0])
    stray = weights.copy()
    stray[absent] = 1.0
    for value in (stray, sparse.csr_array(stray)):
        with pytest.raises(
            ValueError, match=r"W_rec: expected 0 where .* have no synapse, got 1.0 at index \("
        ):
            trainer.W_rec = value
        gradients = trainer.gradients(*data())
        gradients["W_rec"] = value
        with pytest.raises(ValueError, match="no synapse"):
            trainer.apply_gradients(gradients)
    with pytest.raises(ValueError, match=r"W_rec: expected shape \(12, 12\), got \(12, 5\)"):
        trainer.W_rec = np.zeros((N, N_IN))
    assert np.array_equal(dense(trainer.W_rec), weights)


TWICE = sparse.coo_array((np.ones(2), (np.array([1, 1]), np.array([2, 2]))), shape=(N, N))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"connect_rec": np.ones((N, N), bool)}, ValueError, r"diagonal without synapses .* index \(0, 0\)"),
        ({"connect_in": 0.0}, ValueError, "connect_in: expected a density, more than 0 and at most 1, got 0"),
        ({"connect_in": 1.5}, ValueError, "connect_in: expected a density"),
        ({"connect_in": float("nan")}, ValueError, "connect_in: expected a density"),
        ({"connect_in": True}, TypeError, "connect_in: expected None, a density"),
        ({"connect_rec": np.ones((N, N))}, TypeError, "connect_rec: expected an array of bool, got dtype float64"),
        ({"connect_in": np.ones((N, 4), bool)}, ValueError, r"connect_in: expected synapses of shape \(12, 5\)"),
        ({"connect_in": np.ones(N, bool)}, ValueError, "connect_in: .* got shape"),
        ({"connect_rec": TWICE}, ValueError, r"each synapse once, got 1 of them again, first at index \(1, 2\)"),
        ({"sign": [1, -1]}, ValueError, r"sign: expected an array \(17,\)"),
        ({"sign": 2 * np.ones(N_IN + N, int)}, ValueError, "sign: expected 1, -1 or 0 .* got 2 at index 0"),
        ({"sign": np.ones(N_IN + N)}, TypeError, "sign: expected an array of integers"),
        ({"connect_in": 0.5, "engine": "factored", "beta": 4.0}, ValueError, "engine: .* beta h is not below rho"),
        ({"connect_in": 0.5, "engine": "factored", "beta": 0.1, "tau_syn": 5.0}, ValueError, "engine: .* adapt, and have"),
        ({"connect_in": 0.5, "engine": "factored", "tau_mem": 0.1, "tau_syn": 5.0}, ValueError, "engine: .* below 0.01"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_wiring_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        EpropTrainer(N_IN, N, N_OUT, **options)


def test_a_first_weight_against_its_sign_is_refused():
    weights = sparse.csr_array(np.where(wiring(8)[1], 0.5, 0.0))
    with pytest.raises(
        ValueError,
        match=r"W_rec: expected a weight of at most 0 from source \d+, as `sign` says, got 0.5 at index",
    ):
        EpropTrainer(N_IN, N, N_OUT, connect_rec=weights, sign=-np.ones(N_IN + N, int))


@pytest.mark.parametrize(
    ("neurons", "of_synapse", "of_neuron"),
    [
        ({}, 24, 600),
        ({"beta": 0.2}, 28, 1000),
        # In the textbook form, and in blocks, which keep some of the past of every neuron: z_bar and eps_a are numbers of
        # each synapse.
        ({"beta": 0.2, "tau_mem": np.linspace(5.0, 40.0, 20_000)}, 28, 1200),
        ({"optimizer": eprop.optim.Auto(per_neuron=True)}, 24, 600),
    ],
    ids=["plain", "adaptive", "adaptive, membranes", "by neuron"],
)
def test_a_large_sparse_network_is_never_dense(neurons, of_synapse, of_neuron):
    """20,000 neurons: a dense matrix would take 1.6 GB; lists take less than 24 bytes a synapse in either mode.

    Where neurons adapt it is less than 28.
    """
    n, k = 20_000, 40
    rng = np.random.default_rng(9)
    sources = np.repeat(np.arange(n), k)
    targets = (sources + rng.integers(1, n, len(sources))) % n
    keys = np.unique(targets * n + sources)
    lists = sparse.coo_array((np.ones(len(keys), bool), (keys // n, keys % n)), shape=(n, n))
    x, y = (rng.random((20, 10)) < 0.2).astype(np.float32), np.zeros((20, 2))
    for every in (1, "sequence"):
        trainer = EpropTrainer(10, n, 2, connect_rec=lists, connect_in=0.1, update_every=every, **neurons)
        trainer.train_sequence(x, y)
        synapses = trainer.W_rec.nnz + trainer.W_in.nnz
        # What has a place for each neuron is some hundred numbers: factors of ended blocks, and readouts.
        assert trainer.memory_bytes < of_synapse * synapses + of_neuron * n
        gradient = trainer.gradients(x, y)["W_rec"]
        trainer.apply_gradients(trainer.gradients(x, y))
        assert gradient.nnz == trainer.W_rec.nnz == len(keys) and trainer.e_bar.nnz == synapses
        assert len(trainer.to_bytes()) < of_synapse * synapses + of_neuron * n


def test_a_group_that_is_not_trained_is_fixed():
    trainer = EpropTrainer(N_IN, N, N_OUT, train_rec=False)
    assert (trainer.lr_rec, trainer.train_rec, trainer.train_in) == (0.0, False, True)
    assert trainer == EpropTrainer(N_IN, N, N_OUT, lr_rec=0.0)
    before, x_y = trainer.W_rec, data()
    louder(trainer).train_sequence(*x_y)
    assert np.array_equal(trainer.W_rec, before)
    trainer.lr_rec = 0.01
    assert trainer.train_rec
    with pytest.raises(
        ValueError, match=r"lr_out: expected 0 or None where the group is not trained, got 0.1"
    ):
        EpropTrainer(N_IN, N, N_OUT, train_out=False, lr_out=0.1)
    with pytest.raises(TypeError, match="train_in: expected True or False"):
        EpropTrainer(N_IN, N, N_OUT, train_in=0)


def test_graphs_records_and_figures_take_networks_without_all_synapses():
    nir = pytest.importorskip("eprop.nir")
    plot = pytest.importorskip("eprop.plot")
    pytest.importorskip("nir")
    pytest.importorskip("matplotlib")
    trainer = EpropTrainer(N_IN, N, N_OUT, connect_rec=wiring(10)[1], reset_mechanism="zero")
    graph = nir.to_nir(trainer)
    assert np.array_equal(dense(nir.from_nir(graph).W_rec), dense(trainer.W_rec))
    recorder = record.Recorder(trainer, ["W_rec", "e_bar"])
    x, y = data()
    for at, target in zip(x[:3], y, strict=False):
        recorder.step(at, target)
    assert recorder["W_rec"].shape[1:] == (N, N) and recorder["e_bar"].shape[1:] == (N, N_IN + N)
    plot.weights(trainer.W_rec)


def wirings():
    """Of one neuron to nine, with rows that are empty, full or between, unsorted, with indices of 64 bits."""
    sizes = st.tuples(st.integers(1, 4), st.integers(1, 9))
    share = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
    every = st.sampled_from([1, 1, 3, 20, "sequence"])
    # With a small eps Adam would make whole steps of rounding errors.
    adam = eprop.optim.Adam(eps=1e-2)
    optimizer = st.sampled_from(["sgd", "sgd", "auto", "momentum", adam])
    neurons = st.sampled_from(list(ALL_NEURONS))
    return st.tuples(sizes, share, share, every, optimizer, st.booleans(), neurons, st.integers(0, 2**32 - 1))


def compared(sizes, share_in, share_rec, every, optimizer, signed, neurons, seed):
    n_in, n = sizes
    rng = np.random.default_rng(seed)
    into, between = rng.random((n, n_in)) < share_in, rng.random((n, n)) < share_rec
    between &= ~np.eye(n, dtype=bool)
    options = {"update_every": every, "optimizer": optimizer, "dtype": "float64", "lr": 0.003, "seed": seed}
    if signed:
        options["sign"] = rng.integers(-1, 2, n_in + n)
    options |= ALL_NEURONS[neurons](n, rng)
    if optimizer == "sgd":  # a row more, where the regulariser's part of a gradient that waits is kept apart
        options["c_reg"] = rng.choice([0.0, 1e-3])
    rows, columns = np.nonzero(between)
    order = rng.permutation(len(rows))
    lists = sparse.coo_array(
        (np.ones(len(rows), bool), (rows[order].astype(np.int64), columns[order].astype(np.int64))),
        shape=(n, n),
    )
    *listed, masked = trainers = in_every_form(
        n_in, n, 1, neurons=neurons, connect_in=into, connect_rec=lists, **options
    )
    x, y = (rng.random((30, n_in)) < 0.5) * 1.0, rng.normal(size=(30, 1))
    for trainer in trainers:
        trainer.W_in = (0.5 if "tau_syn" in options else 3.0) * dense(trainer.W_in)
        trainer.train_sequence(x, y)
        trainer.train_sequence(x, y, reset=False)
    for name in ("W_in", "W_rec", "W_out", "e_bar", "z_bar", "v", "a"):
        expected = read_dense(masked, name)
        for trainer in listed:
            assert np.abs(read_dense(trainer, name) - expected).max(initial=0.0) <= 1e-10 * max(
                np.abs(expected).max(initial=0.0), 1.0
            ), (trainer.engine, name)


@pytest.mark.parametrize("horizon", [1, 4, "sequence"])
@pytest.mark.parametrize("density", [0.18, 0.4])
@pytest.mark.parametrize("neurons", ALL_NEURONS)
def test_gradients_are_those_of_all_synapses_where_the_absent_have_weights_of_0(neurons, density, horizon):
    """Of every form, and of credit through recurrent spikes: at those that exist."""
    into, between = wiring(14, density)
    options = {
        **ALL_NEURONS[neurons](N, np.random.default_rng(14)),
        "update_every": "sequence",
        "dtype": "float64",
    }
    engines = ["block"] if horizon != 1 else ["factored", "textbook", "block"]
    x, y = data(14)
    for engine in engines:
        if (engine, neurons) not in LISTED:
            continue
        some = EpropTrainer(N_IN, N, N_OUT, connect_in=into, connect_rec=between, engine=engine, **options)
        whole = EpropTrainer(N_IN, N, N_OUT, engine="block", **options)
        some.W_in = (0.5 if "tau_syn" in options else 2.0) * dense(some.W_in)
        whole.W_in, whole.W_rec, whole.W_out = dense(some.W_in), dense(some.W_rec), some.W_out
        credit = {"horizon": horizon, "recurrent_gain": 0.8}
        expected, got = whole.gradients(x, y, **credit), some.gradients(x, y, **credit)
        for name, exists in [("W_in", into), ("W_rec", between), ("W_out", True)]:
            assert_close(dense(got[name]), np.where(exists, expected[name], 0.0), 1e-10, (engine, name))
        assert np.abs(dense(got["W_rec"])).max() > 0


@pytest.mark.filterwarnings(
    "ignore::eprop.FiringRateWarning"
)  # of a network without synapses, or of one neuron
@settings(max_examples=N_WIRINGS)
@given(wirings())
def test_random_wirings_are_the_dense_recursion_with_the_same_mask(case):
    """All forms are held to the reference by the property tests of the oracle, too."""
    compared(*case)


def test_calibration_never_makes_a_matrix_of_few_synapses_dense():
    """Its places alone would be 120 GB."""
    n_inputs, n = 300_000, 100_000
    rng = np.random.default_rng(0)
    few = sparse.coo_array(
        (rng.uniform(0.1, 1.0, 2_000), (rng.permutation(n)[:2_000], rng.permutation(n_inputs)[:2_000])),
        shape=(n, n_inputs),
    )
    trainer = EpropTrainer(n_inputs, n, 1, connect_in=few, connect_rec=sparse.coo_array((n, n), dtype=bool))
    assert trainer.storage == "listed"
    before = trainer.W_in
    events = (np.repeat(np.arange(20), 2_000), np.tile(few.coords[1], 20), 20)
    factor = trainer.calibrate(events, rate=1.0)
    assert np.array_equal(trainer.W_in.data, before.data * np.float32(factor))
    assert factor != 1.0


def test_complex_weights_are_refused_in_lists_as_they_are_in_arrays():
    trainer = EpropTrainer(N_IN, 200, N_OUT, connect_rec=0.1)
    before = trainer.W_rec
    for value in (before * (1 + 2j), before.toarray() * (1 + 2j)):
        with pytest.raises(TypeError, match="W_rec: expected an array of real numbers, got dtype complex"):
            trainer.W_rec = value
    assert (trainer.W_rec != before).nnz == 0
