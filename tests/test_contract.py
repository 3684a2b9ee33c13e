"""The rules for all of them: configuration, construction, attributes, copies and the small print."""

import copy
import dataclasses
import pickle
import re
import warnings

import numpy as np
import pytest
import rules
from helpers import spike_trains
from reference import SURROGATES
from rules import KINDS, assert_unharmed, build

import eprop
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.optim import SGD

N_INPUTS, N, N_OUTPUTS, T = 4, 12, 3, 30
NAN, INF = float("nan"), float("inf")


def trainer(**options):
    return EpropTrainer(N_INPUTS, N, N_OUTPUTS, **{"lr": 1e-4, **options})


def stack(**options):
    return OnlineTrainer([N_INPUTS, N, N_OUTPUTS], **{"lr": 1e-3, **options})


def layer(**options):
    return OnlineLIFLayer(N_INPUTS, N_OUTPUTS, **{"lr": 1e-3, **options})


def inputs(t=T, seed=0):
    return spike_trains(np.random.default_rng(seed), t, N_INPUTS, 0.4)


def targets(t=T):
    return np.tile(np.eye(N_OUTPUTS)[0], (t, 1))


X, Y = inputs(), targets()
ASSIGNMENTS = {
    "lr negative": (KINDS, lambda m: setattr(m, "lr", -1.0), ValueError, ("lr: ", ">= 0", "-1")),
    "lr NaN": (KINDS, lambda m: setattr(m, "lr", NAN), ValueError, ("lr: ", "finite", "NaN")),
    "lr of text": (KINDS, lambda m: setattr(m, "lr", "0.1"), TypeError, ("lr: ", "number", "'0.1'")),
    "a field": (KINDS, lambda m: setattr(m, "n_ref", 5), AttributeError, ("n_ref", "build a new trainer")),
    "an unknown attribute": (
        KINDS,
        lambda m: setattr(m, "learning_rate", 5),
        AttributeError,
        ("learning_rate",),
    ),
    "a state": (KINDS, lambda m: setattr(m, "v", X[0]), AttributeError, ("v: read-only",)),
    "an attribute deleted": (KINDS, lambda m: delattr(m, "lr"), AttributeError, ("lr",)),
    "calibrate: unreachable": (
        ["eprop", "stack"],
        lambda m: m.calibrate(np.zeros((T, rules.N_INPUTS)), rate=20.0),
        ValueError,
        ("rate: ", "20 Hz", "nearest reached is 0.000 Hz"),
    ),
    "b without readout_bias": (
        ["eprop"],
        lambda m: setattr(m, "b", np.ones(3)),
        Exception,
        ("readout_bias",),
    ),
    "B when symmetric": (["eprop"], lambda m: setattr(m, "B", np.ones((N, 3))), Exception, ("random",)),
    "an attribute of a layer": (["stack"], lambda m: setattr(m.layers[0], "w", 1), AttributeError, ("w",)),
}


@pytest.mark.parametrize(
    ("kind", "call", "error", "message"),
    [
        pytest.param(kind, *rest, id=f"{kind}: {name}")
        for name, (kinds, *rest) in ASSIGNMENTS.items()
        for kind in kinds
    ],
)
def test_what_cannot_be_assigned_changes_nothing(kind, call, error, message):
    model, twin = build(kind), build(kind)
    with pytest.raises(error) as caught:
        call(model)
    assert all(part in str(caught.value) for part in message), caught.value
    assert_unharmed(model, twin)


def advance(model, steps, seed):
    """Some learning steps; everything they return, as bytes."""
    seen = []
    for t, x in enumerate(inputs(steps, seed)):
        if isinstance(model, OnlineLIFLayer):
            seen.append(model.step(x).tobytes())
            model.apply_learning_signal(x[:N_OUTPUTS] - 0.5)
        else:
            out = model.step(x, targets(1)[0] if t % 3 else None)
            seen.append((out["spikes"].tobytes(), out["output"].tobytes(), out.get("loss")))
    return seen


CONSTRUCTION = [
    ({"tau_mem": 0.0}, ValueError, r"tau_mem: .*> 0.*0"),
    ({"tau_mem": NAN}, ValueError, r"tau_mem: .*(?i:nan)"),
    ({"tau_trace": -1.0}, ValueError, r"tau_trace: .*>= 0.*-1"),
    ({"tau_out": -1.0}, ValueError, r"tau_out: .*>= 0.*-1"),
    ({"tau_reg": 0.0}, ValueError, r"tau_reg: .*> 0"),
    ({"threshold": 0.0}, ValueError, r"threshold: .*> 0.*0"),
    ({"lr": -0.1}, ValueError, r"lr: .*>= 0.*-0\.1"),
    ({"dt": 0.0}, ValueError, r"dt: .*> 0"),
    ({"c_reg": -1.0}, ValueError, r"c_reg: .*>= 0"),
    ({"n_ref": -1}, ValueError, r"n_ref: "),
    ({"n_ref": 1.5}, TypeError, r"n_ref: "),
    ({"surrogate_height": 0.0}, ValueError, r"surrogate_height: .*> 0"),
    ({"surrogate_width": -1.0}, ValueError, r"surrogate_width: .*> 0"),
    ({"surrogate": "relu"}, ValueError, r"surrogate: .*piecewise_linear.*relu"),
    ({"surrogate": 3}, TypeError, r"surrogate: "),
    ({"loss": "hinge"}, ValueError, r"loss: .*cross_entropy.*hinge"),
    ({"feedback": "none"}, ValueError, r"feedback: .*symmetric.*none"),
    ({"reset_mechanism": "hard"}, ValueError, r"reset_mechanism: .*subtract.*hard"),
    ({"input_gain": "half"}, ValueError, r"gain: .*leak.*half"),
    ({"readout_gain": "half"}, ValueError, r"gain: .*leak.*half"),
    ({"update_every": 0}, ValueError, r"update_every: "),
    ({"update_every": True}, TypeError, r"update_every: "),
    ({"update_every": "never"}, ValueError, r"update_every: .*sequence.*never"),
    ({"update_every": 1.5}, TypeError, r"update_every: "),
    ({"dtype": "float16"}, ValueError, r"dtype: .*float32.*float16"),
    ({"readout_bias": 1}, TypeError, r"readout_bias: "),
    ({"tau_mem": "20"}, TypeError, r"tau_mem: "),
    ({"seed": -1}, ValueError, r"seed: "),
    ({"seed": 1.0}, TypeError, r"seed: "),
]


@pytest.mark.parametrize(("options", "error", "message"), CONSTRUCTION, ids=str)
def test_construction_names_what_is_wrong(options, error, message):
    with pytest.raises(error, match=message):
        trainer(**options)


@pytest.mark.parametrize("size", ["n_inputs", "n_neurons", "n_outputs"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-3, ValueError),
        (2.0, TypeError),
        (True, TypeError),
        ("2", TypeError),
        (None, TypeError),
    ],
)
def test_sizes(size, value, error):
    sizes = {"n_inputs": 4, "n_neurons": 4, "n_outputs": 4, size: value}
    with pytest.raises(error, match=size):
        EpropTrainer(**sizes)


def test_numpy_integers_are_sizes():
    model = EpropTrainer(np.int64(3), np.uint8(4), np.int32(2))
    assert (model.n_inputs, model.n_neurons, model.n_outputs) == (3, 4, 2)
    assert all(type(n) is int for n in (model.n_inputs, model.n_neurons, model.n_outputs))


@pytest.mark.parametrize("huge", [10**7, 10**12, 2**62, 2**70])
def test_sizes_that_cannot_be_allocated(huge):
    with pytest.raises(MemoryError, match="n_neurons"):
        EpropTrainer(3, huge, 2)
    with pytest.raises(MemoryError, match="layer_sizes"):
        OnlineTrainer([3, huge, huge])


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ([3], ValueError),
        ([], ValueError),
        ([3, 0], ValueError),
        ([3, 2.0], TypeError),
        ([3, True], TypeError),
        (3, TypeError),
    ],
)
def test_layer_sizes(sizes, error):
    with pytest.raises(error, match="layer_sizes"):
        OnlineTrainer(sizes)


def test_the_crate_and_the_oracle_know_the_same_surrogates():
    with pytest.raises(ValueError, match="surrogate") as raised:
        trainer(surrogate="unheard_of")
    assert set(re.findall(r"[a-z_]{5,}", str(raised.value))) >= set(SURROGATES)
    for name in SURROGATES:
        assert trainer(surrogate=name).surrogate == name


def test_targets_are_not_read_where_the_mask_is_false():
    mask = np.arange(T) % 2 == 0
    rows = targets()
    rows[~mask] = NAN
    model, twin = trainer(), trainer()
    assert model.train_sequence(X, rows, mask=mask) == twin.train_sequence(X, targets(), mask=mask)
    assert model.state_equal(twin)


def test_no_step_with_a_target_is_a_loss_of_nan():
    model = trainer()
    assert np.isnan(model.train_sequence(X, targets() * NAN, mask=np.zeros(T, bool)))
    assert model.state_equal(model)


@pytest.mark.parametrize("make", [trainer, stack])
def test_masked_step_and_losses(make):
    model = make()
    assert set(model.step(X[0])) == {"spikes", "output"}
    out = model.step(X[1], Y[1])
    assert set(out) == {"spikes", "output", "loss"}
    assert type(out["loss"]) is float
    assert type(model.train_sequence(X, Y)) is float
    loss, outputs = model.train_sequence(X, Y, return_outputs=True)
    assert type(loss) is float
    assert outputs.shape == (T, N_OUTPUTS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_comes_back(dtype):
    """Of the trainer's dtype, C-ordered, read-only, of the documented shapes; and a copy that stays as it was."""
    model = trainer(dtype=dtype, readout_bias=True, feedback="random")
    shapes = {
        "W_in": (N, N_INPUTS), "W_rec": (N, N), "W_out": (N_OUTPUTS, N), "b": (N_OUTPUTS,), "B": (N, N_OUTPUTS),
        "v": (N,), "_v": (N,), "spikes": (N,), "_spikes": (N,), "output": (N_OUTPUTS,),
        "z_bar": (N_INPUTS + N,), "e_bar": (N, N_INPUTS + N),
    }  # fmt: skip
    held = {name: getattr(model, name) for name in shapes}
    bits = {name: array.tobytes() for name, array in held.items()}
    for name, array in held.items():
        assert array.shape == shapes[name], name
        assert array.dtype == dtype, name
        assert array.flags.c_contiguous, name
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5
    model.train_sequence(X, Y, reset=False)
    assert {name: array.tobytes() for name, array in held.items()} == bits
    out = model.step(X[0], Y[0])
    assert out["spikes"].dtype == out["output"].dtype == dtype
    outputs, spikes = model.predict_sequence(X, return_spikes=True)
    assert outputs.dtype == spikes.dtype == dtype
    assert spikes.shape == (T, N)
    assert set(np.unique(spikes)) <= {0.0, 1.0}
    gradients = model.gradients(X, Y)
    assert {name: gradients[name].shape for name in ("W_in", "W_rec", "W_out", "b")} == {
        name: shapes[name] for name in ("W_in", "W_rec", "W_out", "b")
    }
    assert type(gradients["loss"]) is float


def test_configuration_equality_repr_fields_and_hash():
    model = trainer(loss="cross_entropy")
    twin = trainer(loss="cross_entropy")
    twin.step(X[0])
    assert model == twin
    assert not model.state_equal(twin)
    assert model != trainer()
    assert "loss='cross_entropy'" in repr(model)
    names = [field.name for field in dataclasses.fields(EpropTrainer)]
    assert names == [
        "n_inputs", "n_neurons", "n_outputs", "tau_mem", "tau_trace", "threshold", "lr", "dt", "tau_out", "reset_mechanism",
        "n_ref", "surrogate", "surrogate_height", "surrogate_width", "input_gain", "readout_gain", "loss", "feedback",
        "readout_bias", "c_reg", "f_target", "tau_reg", "update_every", "dtype", "seed", "batch_size",
        "optimizer", "reduction", "beta", "tau_adaptation", "horizon", "recurrent_gain", "delay", "clip_norm", "w_max",
        "feedback_decay", "c_reg_side", "lr_in", "lr_rec", "lr_out", "tau_syn",
        "engine", "memory_limit", "connect_in", "connect_rec", "sign",
    ]  # fmt: skip
    assert eval(repr(model), {"EpropTrainer": EpropTrainer}) == model
    for unhashable in (model, stack(), layer()):
        with pytest.raises(TypeError, match="unhashable"):
            hash(unhashable)


@pytest.mark.parametrize("make", [trainer, stack, layer])
@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_clones_go_on_bit_equal_and_apart(make, clone):
    model = make()
    advance(model, 25, seed=1)
    twin = clone(model)
    assert twin == model
    assert twin.state_equal(model)
    assert advance(twin, 50, seed=2) == advance(model, 50, seed=2)
    advance(twin, 1, seed=3)
    assert not twin.state_equal(model)


def test_lr_may_be_assigned_between_steps():
    model = trainer(lr=0.0)
    before = model.W_in
    model.train_sequence(X, Y)
    assert np.array_equal(model.W_in, before)
    model.lr = 1e-3
    assert model.lr == 1e-3
    model.lr_in, model.lr_rec = np.float32(0.5), None
    assert (model.lr_in, model.lr_rec, type(model.lr_in)) == (0.5, None, float)
    model.train_sequence(X, Y)
    assert not np.array_equal(model.W_in, before)


def test_layer_sizes_read_as_a_fresh_list():
    model = stack()
    model.layer_sizes.append(5)
    assert model.layer_sizes == [N_INPUTS, N, N_OUTPUTS]
    assert model.n_layers == len(model.layers) == 2


def test_layers_are_live_views():
    model = stack()
    view = model.layers[0]
    view.W = np.zeros((N, N_INPUTS))
    assert not model.layers[0].W.any()
    model.step(X[0], Y[0])
    assert view.z_bar.shape == (N_INPUTS,)
    assert np.array_equal(view.z_bar, X[0].astype(np.float32))
    assert np.array_equal(model.layers[1].spikes, model.output)
    assert np.array_equal(view._v, view.v)


def test_bias_and_feedback_as_the_small_print_says():
    model = trainer()
    assert not model.b.any()
    assert np.array_equal(model.B, model.W_out.T)
    free = trainer(readout_bias=True, feedback="random")
    free.b, free.B = np.arange(3.0), np.ones((N, N_OUTPUTS))
    adaptive = trainer(feedback="adaptive")
    adaptive.B = np.ones((N, N_OUTPUTS))
    adaptive.W_out = 5 * np.ones((N_OUTPUTS, N))
    assert (adaptive.B == 1).all()
    assert free.b.tolist() == [0, 1, 2]
    assert (free.B == 1).all()


@pytest.mark.parametrize("make", [trainer, stack])
def test_weights_that_leave_the_finite_range(make):
    model = make(lr=1e38, surrogate="fast_sigmoid", optimizer=SGD(limit=False))
    with pytest.raises(FloatingPointError, match=r"W.*finite.*lr"):
        model.train_sequence(X, 1e4 * Y)
    W = model.W_in if make is trainer else model.layers[0].W
    assert W.shape == (N, N_INPUTS)
    assert pickle.loads(pickle.dumps(model)).state_equal(model)


@pytest.mark.parametrize("kwarg", [{"tau_trace": 0.0}, {"tau_out": 0.0}])
def test_a_time_constant_of_zero_is_no_filter(kwarg):
    model = trainer(**kwarg)
    out = [model.step(x)["output"] for x in X]
    if "tau_out" in kwarg or kwarg == {"tau_trace": 0.0}:
        expected = model.W_out @ model.spikes
        np.testing.assert_allclose(out[-1], expected, rtol=1e-5, atol=1e-6)


def test_update_applies_what_is_pending_and_reset_drops_it():
    model, twin = trainer(update_every="sequence"), trainer(update_every="sequence")
    for m in (model, twin):
        for x, y in zip(X, Y, strict=True):
            m.step(x, y)
    before = model.W_out
    model.update()
    assert not np.array_equal(model.W_out, before)
    after = model.W_out
    model.update()
    assert np.array_equal(model.W_out, after)
    twin.reset()
    twin.update()
    assert np.array_equal(twin.W_out, before)
    assert not any(getattr(twin, name).any() for name in ("v", "spikes", "output", "z_bar", "e_bar"))


def test_gradients_and_calibrate_leave_the_state_alone():
    model, twin = trainer(), trainer()
    for m in (model, twin):
        advance(m, 20, seed=1)
    model.gradients(X, Y)
    assert model.state_equal(twin)
    factor = model.calibrate(inputs(2000), rate=30.0)
    np.testing.assert_allclose(model.W_in, twin.W_in * np.float32(factor), rtol=1e-6)
    for name in ("v", "spikes", "z_bar", "e_bar", "W_rec", "W_out"):
        assert np.array_equal(getattr(model, name), getattr(twin, name)), name
    _, spikes = model.predict_sequence(inputs(2000), return_spikes=True)
    assert spikes.mean() * 1000 == pytest.approx(30.0, rel=0.1)


def test_calibrate_of_a_stack_is_one_factor_per_layer():
    model = stack()
    factors = model.calibrate(inputs(2000), rate=40.0)
    assert len(factors) == 2
    assert model.predict_sequence(inputs(2000)).mean() * 1000 == pytest.approx(40.0, rel=0.1)


def warned(model, x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.train_sequence(x, targets(len(x)))
    return [w for w in caught if issubclass(w.category, eprop.FiringRateWarning)]


@pytest.mark.parametrize(("level", "word"), [(0.0, "no neuron|nothing|silent"), (50.0, "half")])
def test_silence_and_saturation_are_told_once(level, word):
    """Once until `reset()`, only for T dt >= 5 tau_mem, and it names the way out."""
    x = np.full((100, N_INPUTS), level)
    model = trainer(lr=0.0)
    if level:
        model.W_in = np.ones((N, N_INPUTS))
    assert not warned(model, x[:99])
    first = warned(model, x)
    assert len(first) == 1
    assert re.search(word, str(first[0].message))
    assert "calibrate" in str(first[0].message)
    assert first[0].filename == __file__
    assert not warned(model, x)
    model.reset()
    assert len(warned(model, x)) == 1


def test_a_network_that_fires_as_it_should_is_not_warned_of():
    assert not warned(trainer(lr=0.0), inputs(200))


def padded(n, bytes_each=4):
    """The length of a row: whole units of 16 numbers, and one unit more where rows would lie multiples of 2 KiB apart."""
    units = -(-n // 16) * 16
    return units + 16 if units * bytes_each % 2048 == 0 else units


def numbers_kept(update_every, n_inputs, n, o, adapts=False):
    """What each form keeps from a step to the next, counted up by hand; `adapts`: in factors, of adaptive neurons."""
    p, row, outputs = n_inputs + n, padded(n), -(-o // 16) * 16
    # v, z, psi; y, F(1), the bias's gradient; the readouts' V, the filtered spikes and the sum of their squares.
    common = 3 * row + o + 1 + o + outputs + row + 1
    # C and zt; X1, S, T; of the last 16 base blocks three rows and two numbers each.
    factored = common + p * row + p + 3 * row + 16 * (3 * row + 2)
    # For the length of the gradient, three rows and a number.
    factored += 3 * row + 1
    if adapts:
        # a; a row D per source; Q, w, p and R, and four rows more of each base block; three more for lengths.
        factored += row + p * row + 4 * row + 16 * 4 * row + 3 * row
    if update_every == 1:
        return factored
    if update_every != "sequence":
        # G and its factors; the readouts' H.
        return factored + p * row + (3 if adapts else 2) * row + n * outputs
    # z_bar, e_bar, G; the readouts' H.
    carried = p + 2 * p * row + n * outputs
    # Of each of 1,024 steps psi, errors, whether it was one of learning, inputs, whether they are a row, where its spikes
    # begin; and room for a spike of every eighth source, with its value.
    steps = 1024
    spikes = p // 8 * steps + p
    return common + carried + steps * (row + o + 1 + n_inputs + 1 + 1) + 1 + 2 * spikes


@pytest.mark.parametrize("sizes", [(N_INPUTS, N, N_OUTPUTS), (3, 512, 17)], ids=str)
@pytest.mark.parametrize("update_every", [1, 5, "sequence"])
def test_memory_counts(update_every, sizes):
    model = EpropTrainer(*sizes, update_every=update_every)
    expected = numbers_kept(update_every, *sizes)
    assert model.memory_per_step == expected
    weights = sum(sizes[:2]) * padded(sizes[1])
    assert model.memory_bytes > 4 * (expected + weights)


@pytest.mark.parametrize("update_every", [1, 7])
def test_memory_counts_of_adaptive_neurons(update_every):
    model = EpropTrainer(40, 70, 2, update_every=update_every, beta=0.1)
    assert model.engine == "factored"
    assert model.memory_per_step == numbers_kept(update_every, 40, 70, 2, adapts=True)
