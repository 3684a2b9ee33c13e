"""Synapses that move (`eprop.optim.Rewire`): against the literal reference, in every form, with every optimizer."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from cases import BatchCase, eprop_cases, learning_options
from helpers import assert_close, dense, read_dense
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_rewire import Rewiring

import eprop
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.optim import SGD, Adam, AdamW, Auto, Momentum, Rewire, as_optimizer
from eprop.rl import EpropAgent

pytest.importorskip("scipy.sparse")
pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")

TOLERANCE, MARGIN = 1e-9, 1e-9
N_IN, N, N_OUT, T = 9, 14, 2, 60
# Lists in factors and in the textbook form, and rows with a place for each neuron.
FORMS = {
    "listed": {"update_every": "sequence"},
    "listed, every 5": {"update_every": 5},
    "textbook": {"update_every": 3, "engine": "textbook"},
    "block": {"update_every": 11, "engine": "block"},
    "block, sequence": {"update_every": "sequence", "engine": "block"},
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
OPTIMIZERS = [SGD(), SGD(limit=False), Momentum(), Adam(), AdamW(), Auto(), Auto(per_neuron=True)]
LIVELY = Rewire(l1=0.3, temperature=1e-2)


def data(seed=1, n_streams=None):
    rng = np.random.default_rng(seed)
    shape = (T,) if n_streams is None else (n_streams, T)
    return (rng.random((*shape, N_IN)) < 0.4).astype(float), 0.3 * rng.normal(size=(*shape, N_OUT))


def moving(*, rewire=LIVELY, optimizer=None, sizes=(N_IN, N, N_OUT), **options):
    optimizer = dataclasses.replace(Adam() if optimizer is None else optimizer, rewire=rewire)
    usual = {"connect_in": 0.4, "connect_rec": 0.3, "lr": 0.02, "seed": 3, "dtype": "float64"}
    return EpropTrainer(*sizes, optimizer=optimizer, **{**usual, "update_every": "sequence", **options})


def there(trainer):
    """Which synapses exist: (N, n_inputs + N)."""
    made = np.zeros((trainer.n_neurons, trainer.n_inputs + trainer.n_neurons), dtype=bool)
    for name, first in (("W_in", 0), ("W_rec", trainer.n_inputs)):
        starts, targets = trainer._core.lists(name)
        made[targets, first + np.repeat(np.arange(len(starts) - 1), np.diff(starts))] = True
    return made


def weights(trainer):
    return np.concatenate([dense(trainer.W_in), dense(trainer.W_rec)], axis=1)


def train(trainer, times=6, n_streams=None):
    for seed in range(times):
        trainer.train_sequence(*data(seed, n_streams), reset=seed % 2 == 0)
    return trainer


# Against the reference


def rewired(case, l1, temperature, signed, share):
    """The trainer of a case and its reference, whose synapses move."""
    every = case.options["update_every"]
    case.options |= {
        "wiring": (share, signed),
        "update_every": 3 if every == 1 else every,
        "engine": case.options["engine"] if case.options.get("horizon", 1) == 1 else None,
        "memory_limit": None,
    }
    # An update draws weights to 0 by some percents of their spread.
    scale = case.scale(sum(case.sizes[:2]), case.P_INPUT)
    l1, temperature = l1 * scale / case.options["lr"], temperature * scale**2 / case.options["lr"]
    options = case.trainer_options("float64")
    optimizer = as_optimizer(options.get("optimizer", "sgd"))
    plain, model = case.eprop()
    options["optimizer"] = dataclasses.replace(optimizer, rewire=Rewire(l1, temperature))
    trainer = EpropTrainer(*case.sizes, **options)
    for name in ("W_in", "W_rec", "W_out"):
        setattr(trainer, name, getattr(plain, name))
    if trainer.readout_bias:
        trainer.b = plain.b
    if trainer.feedback != "symmetric":
        trainer.B = plain.B
    for stream in model.streams:
        stream.rewiring = Rewiring(
            stream.connected,
            trainer.n_inputs,
            sign=stream.sign,
            moves={name: share < 1.0 for name in ("W_in", "W_rec")},
            seed=trainer.seed,
            l1=l1,
            temperature=temperature,
        )
    return trainer, model


def compare(trainer, model):
    first = model.streams[0]
    assert np.array_equal(there(trainer), first.rewiring.connected)
    assert_close(weights(trainer), first.W, TOLERANCE, "W")
    assert_close(trainer.W_out, first.W_out, TOLERANCE, "W_out")
    of_streams = [stream.e_bar for stream in model.streams]
    e_bar = of_streams[0] if trainer.batch_size == 1 else np.array(of_streams)
    assert_close(read_dense(trainer, "e_bar"), e_bar, TOLERANCE, "e_bar")
    of_streams = [stream.z_bar for stream in model.streams]
    z_bar = of_streams[0] if trainer.batch_size == 1 else np.array(of_streams)
    assert_close(trainer.z_bar, z_bar, TOLERANCE, "z_bar")


def follows(case, l1, temperature, signed, share, moved):
    """Whether, and how many synapses moved: calls that go on, begin anew, and gradients from elsewhere."""
    trainer, model = rewired(case, l1, temperature, signed, share)
    before = there(trainer)
    x, y, mask, T = case.inputs, case.targets, case.mask, case.T
    part = (lambda a, b: (..., slice(a, b), slice(None))) if x.ndim == 3 else slice
    of_mask = (lambda a, b: (..., slice(a, b))) if x.ndim == 3 else slice
    for a, b, reset in ((0, T, True), (T, 2 * T, False), (0, 2 * T, True)):
        loss = trainer.train_sequence(x[part(a, b)], y[part(a, b)], mask=mask[of_mask(a, b)], reset=reset)
        expected, _ = model.train_sequence(
            x[part(a, b)], y[part(a, b)], mask=mask[of_mask(a, b)], reset=reset
        )
        if model.margin < MARGIN:
            return False
        assert np.isnan(expected) or loss == pytest.approx(expected, rel=TOLERANCE)
        compare(trainer, model)
    gradients = model.gradients(x[part(0, T)], y[part(0, T)], mask=mask[of_mask(0, T)])
    if gradients["n_targets"] and "b" in gradients:
        trainer.apply_gradients(trainer.gradients(x[part(0, T)], y[part(0, T)], mask=mask[of_mask(0, T)]))
        model.apply_gradients(gradients)
        compare(trainer, model)
    moved.append(int((there(trainer) & ~before).sum()))
    return model.margin >= MARGIN


moves = {
    "l1": st.sampled_from([0.01, 0.05]),
    "temperature": st.sampled_from([0.0, 0.0, 1e-4]),
    "signed": st.booleans(),
    "share": st.sampled_from([0.1, 0.4, 0.8]),
}


@pytest.mark.parametrize("kind", ["one stream", "batch"])
def test_every_update_moves_the_synapses_that_the_reference_moves(kind):
    moved, compared = [], []
    batch = {"case": BatchCase, "n_streams": st.integers(2, 3)} if kind == "batch" else {}

    @settings(max_examples=30 if kind == "one stream" else 20, deadline=None)
    @given(case=eprop_cases(learning_options(), T=st.integers(10, 60), **batch), **moves)
    def run(case, l1, temperature, signed, share):
        compared.append(follows(case, l1, temperature, signed, share, moved))

    run()
    assert np.mean(compared) > 0.8
    assert np.mean(np.array(moved) > 0) > 0.6


# What always holds


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@every_form
def test_the_count_stays_signs_stay_and_what_does_not_exist_is_0(form, optimizer):
    sign = np.random.default_rng(2).integers(-1, 2, N_IN + N)
    # What weights lose at an update is a hundredth to a tenth of a threshold.
    lr, l1 = {"adam": (0.02, 0.3), "adamw": (0.02, 0.3), "auto": (0.02, 20.0)}.get(
        optimizer.name, (1e-4, 1e3)
    )
    trainer = moving(optimizer=optimizer, rewire=Rewire(l1, temperature=1e-2), sign=sign, lr=lr, **form)
    assert trainer.storage == ("masked" if form.get("engine") == "block" else "listed")
    trainer.W_in = 2.0 * dense(trainer.W_in)
    exists, moved = there(trainer), 0
    for seed in range(8):
        before = weights(trainer)
        trainer.train_sequence(*data(seed), reset=seed % 3 == 0)
        now, W, e_bar = there(trainer), weights(trainer), read_dense(trainer, "e_bar")
        for part in (slice(0, N_IN), slice(N_IN, None)):
            assert now[:, part].sum() == exists[:, part].sum()
        assert not W[~now].any() and not e_bar[~now].any() and not now[:, N_IN:].diagonal().any()
        assert not np.any(sign * W < 0.0)
        if form.get("update_every") == "sequence":  # one update: who is left has its sign
            stays = (before != 0.0) & (W != 0.0) & exists & now
            assert not np.any((before * W < 0.0)[stays & (sign != 0)])
        moved += int((now & ~exists).sum())
        exists = now
    assert moved > 5
    assert np.all(np.isfinite(trainer.W_out))


@every_form
def test_lists_and_places_for_all_move_the_same_synapses(form):
    """And 1, 2 and 3 threads the same bits, of so many streams that some share their scratch memory."""
    n_streams = 18
    options = {**form, "batch_size": n_streams}
    trainers = [moving(**options) for _ in range(3)]
    other = moving(**{**options, "engine": None if "engine" in form else "block"})
    assert {trainers[0].storage, other.storage} == {"listed", "masked"} or form.get("update_every") == 3
    for seed in range(6):
        x, y = data(seed, n_streams)
        for n_threads, trainer in enumerate(trainers, 1):
            trainer.train_sequence(x, y, reset=seed % 2 == 0, n_threads=n_threads)
        other.train_sequence(x, y, reset=seed % 2 == 0)
    assert trainers[0].state_equal(trainers[1]) and trainers[0].state_equal(trainers[2])
    assert np.array_equal(there(trainers[0]), there(other))
    assert_close(weights(trainers[0]), weights(other), TOLERANCE)
    assert not np.array_equal(there(other), there(moving(**options)))


@every_form
@pytest.mark.parametrize("n_streams", [None, 2])
def test_copies_pickles_and_files_go_on_with_the_same_bits(form, n_streams, tmp_path):
    options = {**form, **({} if n_streams is None else {"batch_size": n_streams})}
    trainer = train(moving(**options), n_streams=n_streams)
    trainer.save(tmp_path / "moving.safetensors")
    twins = [
        copy.deepcopy(trainer),
        pickle.loads(pickle.dumps(trainer)),
        EpropTrainer.from_bytes(trainer.to_bytes()),
        eprop.load(tmp_path / "moving.safetensors"),
    ]
    saved = trainer.to_bytes()
    train(trainer, n_streams=n_streams)
    for twin in twins:
        assert twin == trainer and not twin.state_equal(trainer)
        assert twin.memory_bytes == trainer.memory_bytes
        train(twin, n_streams=n_streams)
        assert twin.state_equal(trainer) and np.array_equal(there(twin), there(trainer))
        assert twin.to_bytes() == trainer.to_bytes()
    assert not np.array_equal(there(EpropTrainer.from_bytes(saved)), there(trainer))


def test_a_file_says_what_was_asked_for_and_has_the_synapses_that_there_are():
    """Whatever has moved: the configuration is that of the constructor."""
    rng = np.random.default_rng(5)
    into, between = rng.random((N, N_IN)) < 0.4, (rng.random((N, N)) < 0.3) & ~np.eye(N, dtype=bool)
    trainer = train(moving(connect_in=into, connect_rec=between))
    twin = EpropTrainer.from_bytes(trainer.to_bytes())
    assert twin == trainer and twin.state_equal(trainer) and pickle.loads(pickle.dumps(trainer)) == trainer
    assert np.array_equal(np.asarray(twin.connect_in), into)
    assert np.array_equal(there(twin), there(trainer)) and not np.array_equal(there(twin)[:, :N_IN], into)
    assert np.array_equal(dense(twin.W_in) != 0, (dense(trainer.W_in) != 0) & there(twin)[:, :N_IN])


def test_memory_is_counted():
    trainer = moving(dtype="float32")
    options = {field.name: getattr(trainer, field.name) for field in dataclasses.fields(trainer)}
    plan = EpropTrainer.plan(**{**options, "engine": None})
    assert plan.bytes == trainer.memory_bytes == train(trainer).memory_bytes


@every_form
def test_gradients_from_elsewhere_move_synapses_as_an_update_does(form):
    if form["update_every"] != "sequence":
        pytest.skip("an update of a part of a sequence")
    one, other = moving(**form), moving(**form)
    for seed in range(5):
        x, y = data(seed)
        one.train_sequence(x, y)
        other.apply_gradients(other.gradients(x, y))
    assert np.array_equal(there(one), there(other))
    assert_close(weights(one), weights(other), TOLERANCE)
    assert not np.array_equal(there(one), there(moving(**form)))


def test_a_gradient_that_was_made_before_synapses_moved_is_refused_where_they_are_gone():
    trainer = moving(engine="block")
    old = trainer.gradients(*data())
    train(trainer)
    with pytest.raises(ValueError, match="expected 0 where connect_in and connect_rec have no synapse"):
        trainer.apply_gradients(old)


def test_matrices_that_have_all_synapses_or_rest_do_not_move():
    for form in FORMS.values():
        only_in = train(moving(connect_rec=None, sign=np.ones(N_IN + N, dtype=int), **form))
        assert np.all(there(only_in)[:, N_IN:] | np.eye(N, dtype=bool)), form
        assert np.all(weights(only_in) >= 0.0)
        rests = moving(lr_rec=0.0, rewire=Rewire(l1=3.0), **form)
        before, W_rec = there(rests), dense(rests.W_rec)
        train(rests)
        assert np.array_equal(there(rests)[:, N_IN:], before[:, N_IN:])
        assert np.array_equal(dense(rests.W_rec), W_rec)
        assert not np.array_equal(there(rests), before)


@every_form
def test_where_all_exist_those_that_are_pruned_come_back(form):
    trainer = moving(connect_in=np.ones((N, N_IN), dtype=bool), connect_rec=0.1, **form)
    train(trainer)
    assert there(trainer)[:, :N_IN].all() and np.isfinite(weights(trainer)).all()


def test_without_a_crossing_nothing_moves_and_no_bit_differs_from_fixed_wiring():
    for form in FORMS.values():
        moves = moving(rewire=Rewire(), lr=1e-5, **form)
        rests = EpropTrainer(
            N_IN,
            N,
            N_OUT,
            connect_in=0.4,
            connect_rec=0.3,
            lr=1e-5,
            seed=3,
            dtype="float64",
            optimizer="adam",
            **form,
        )
        assert np.array_equal(there(moves), there(rests))
        train(moves), train(rests)
        assert np.array_equal(there(moves), there(rests))
        assert np.array_equal(weights(moves), weights(rests))


def test_weights_that_are_assigned_say_their_signs():
    """A negative weight that learning would not touch stays negative; drawn to 0, it is pruned."""
    trainer = moving(rewire=Rewire(l1=1.0), lr=0.1, connect_rec=None, optimizer=SGD(limit=False))
    silent = (np.zeros((1, N_IN)), np.zeros((1, N_OUT)))
    trainer.W_out = np.zeros((N_OUT, N))
    exists = there(trainer)[:, :N_IN]
    trainer.W_in = np.where(exists, -0.15, 0.0)
    trainer.train_sequence(*silent)
    assert_close(dense(trainer.W_in)[exists], np.full(exists.sum(), -0.05), 1e-12)
    trainer.train_sequence(*silent)
    assert not dense(trainer.W_in).any()
    assert there(trainer)[:, :N_IN].sum() == exists.sum()


def test_updates_alone_count():
    """A step without an update moves nothing, and neither does a prediction."""
    trainer = moving(update_every=T + 1)
    before = there(trainer)
    for x, y in zip(*data(), strict=True):
        trainer.step(x, y)
    trainer.predict_sequence(data(2)[0], reset=False)
    assert np.array_equal(there(trainer), before)
    trainer.update()
    W = weights(trainer)
    assert np.any(weights(moving(update_every=T + 1)) != W)
    trainer.update()  # nothing is pending
    assert np.array_equal(weights(trainer), W)


def test_float32_moves_what_float64_moves_for_a_while():
    options = {"optimizer": SGD(limit=False), "rewire": Rewire(l1=20.0), "lr": 1e-3}
    wide, narrow = (moving(dtype=dtype, **options) for dtype in ("float64", "float32"))
    train(wide), train(narrow)
    assert np.array_equal(there(wide), there(narrow))
    assert_close(weights(narrow), weights(wide), 1e-4)
    assert not np.array_equal(there(wide), there(moving(**options)))


# What is refused


def test_what_cannot_be_is_refused_with_what_to_do():
    with pytest.raises(
        ValueError, match=r"rewire: expected update_every of at least 2.*got update_every = 1"
    ):
        moving(update_every=1)
    with pytest.raises(ValueError, match="rewire: expected connect_in or connect_rec"):
        moving(connect_in=None, connect_rec=None)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"rewire.l1"):
            moving(rewire=Rewire(l1=bad))
        with pytest.raises(ValueError, match=r"rewire.temperature"):
            moving(rewire=Rewire(temperature=bad))
    with pytest.raises(TypeError, match=r"optimizer.rewire.l1: expected a number"):
        Rewire(l1="much")
    with pytest.raises(TypeError, match=r"optimizer.rewire: expected None or an eprop.optim.Rewire"):
        Adam(rewire=0.1)
    moves = Adam(rewire=Rewire())
    for build in (
        lambda: OnlineTrainer([3, 2], optimizer=moves, update_every=5),
        lambda: OnlineLIFLayer(3, 2, optimizer=moves),
        lambda: EpropAgent(3, 2, 2, optimizer=moves),
    ):
        with pytest.raises(ValueError, match=r"optimizer.rewire: expected None"):
            build()


def test_an_optimizer_that_moves_synapses_is_another():
    trainer = moving()
    assert trainer.optimizer.rewire == LIVELY and trainer == moving() and trainer != moving(rewire=Rewire())
    assert "rewire=Rewire(l1=0.3, temperature=0.01)" in repr(trainer)


# What it is good for


def test_synapses_gather_where_they_help():
    """Four inputs of 200 matter, and 2 % of the synapses exist: those that move find them, and learn more than fixed."""
    n_in, n, n_streams, n_steps, left, gathered = 200, 30, 4, 50, {"moves": [], "rests": []}, []

    def sequences(rng):
        x = (rng.random((n_streams, n_steps, n_in)) < 0.1).astype(float)
        y, push = np.zeros((n_streams, n_steps, 1)), 0.5 * (x[..., :2].sum(-1) - x[..., 2:4].sum(-1))
        for t in range(n_steps):
            y[:, t, 0] = 0.9 * y[:, t - 1, 0] * (t > 0) + push[:, t]
        return x, y

    for seed in range(16):
        for name, rewire in (("moves", Rewire(l1=0.2)), ("rests", None)):
            rng = np.random.default_rng(seed)
            trainer = EpropTrainer(
                n_in, n, 1, connect_in=0.02, update_every="sequence", seed=seed, batch_size=n_streams,
                reduction="mean", lr=0.01, optimizer=Adam(rewire=rewire),
            )  # fmt: skip
            for _ in range(800):
                trainer.train_sequence(*sequences(rng))
            x, y = sequences(np.random.default_rng(1000))
            left[name].append(trainer.evaluate(x, y)[0] / (0.5 * np.mean(y**2)))
            if rewire is not None:
                starts, _ = trainer._core.lists("W_in")
                gathered.append(np.diff(starts)[:4].mean() / np.diff(starts)[4:].mean())
    # Measured: 2.4 times as many, from 1.3 to 4.2; of the targets' variance 0.66 is left, and 0.85 without. A last bit makes
    # another network, with numbers of its own, so that of all networks the mean is what can be said.
    assert np.mean(gathered) > 1.7, gathered
    assert np.mean(left["moves"]) < 0.9 * np.mean(left["rests"]), left
