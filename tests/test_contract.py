"""The rules for all of them: what is rejected, with which words, and that rejected input changes nothing."""

import copy
import dataclasses
import pickle
import re
import warnings

import numpy as np
import pytest
from helpers import spike_trains
from reference import SURROGATES

import eprop
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer

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


def bad(shape, value):
    array = np.ones(shape) / shape[-1]
    array[-1 if array.ndim == 1 else (-1, -1)] = value
    return array


X, Y = inputs(), targets()
MASK = np.ones(T, bool)
SEQUENCE_MISTAKES = {
    "inputs too narrow": (
        lambda t: t.train_sequence(X[:, 1:], Y),
        ValueError,
        r"inputs: .*\(T, 4\).*\(30, 3\)",
    ),
    "inputs one-dimensional": (
        lambda t: t.train_sequence(X[0], Y),
        ValueError,
        r"inputs: .*\(T, 4\).*\(4,\)",
    ),
    "inputs NaN": (
        lambda t: t.train_sequence(bad((T, 4), NAN), Y),
        ValueError,
        r"inputs: .*finite.*(?i:nan)",
    ),
    "inputs infinite": (
        lambda t: t.train_sequence(bad((T, 4), INF), Y),
        ValueError,
        r"inputs: .*finite.*inf",
    ),
    "inputs beyond float32": (
        lambda t: t.train_sequence(bad((T, 4), 1e39), Y),
        ValueError,
        r"inputs: .*finite",
    ),
    "inputs empty": (
        lambda t: t.train_sequence(X[:0], Y[:0]),
        ValueError,
        r"inputs: .*at least one step.*\(0, 4\)",
    ),
    "inputs complex": (lambda t: t.train_sequence(X * 1j, Y), TypeError, r"inputs: .*complex"),
    "inputs text": (lambda t: t.train_sequence("spikes", Y), TypeError, r"inputs: "),
    "inputs objects": (lambda t: t.train_sequence([[object()] * 4] * T, Y), TypeError, r"inputs: "),
    "inputs ragged": (
        lambda t: t.train_sequence([[1.0], [1.0, 2.0]], Y),
        (TypeError, ValueError),
        r"inputs: ",
    ),
    "inputs None": (lambda t: t.train_sequence(None, Y), TypeError, r"inputs: "),
    "targets too short": (
        lambda t: t.train_sequence(X, Y[1:]),
        ValueError,
        r"targets: .*\(30, 3\).*\(29, 3\)",
    ),
    "targets too wide": (
        lambda t: t.train_sequence(X, np.ones((T, 4))),
        ValueError,
        r"targets: .*\(30, 3\).*\(30, 4\)",
    ),
    "targets NaN": (lambda t: t.train_sequence(X, bad((T, 3), NAN)), ValueError, r"targets: .*finite"),
    "targets complex": (lambda t: t.train_sequence(X, Y * 1j), TypeError, r"targets: .*complex"),
    "mask of ints": (
        lambda t: t.train_sequence(X, Y, mask=MASK.astype(int)),
        TypeError,
        r"mask: .*bool.*int",
    ),
    "mask too short": (
        lambda t: t.train_sequence(X, Y, mask=MASK[1:]),
        ValueError,
        r"mask: .*\(30,\).*\(29,\)",
    ),
    "predict: NaN": (lambda t: t.predict_sequence(bad((T, 4), NAN)), ValueError, r"inputs: .*finite"),
    "predict: shape": (lambda t: t.predict_sequence(X[:, :2]), ValueError, r"inputs: .*\(T, 4\).*\(30, 2\)"),
    "predict: empty": (
        lambda t: t.predict_sequence(X[:0]),
        ValueError,
        r"inputs: .*at least one step.*\(0, 4\)",
    ),
    "gradients: shape": (lambda t: t.gradients(X, Y[:5]), ValueError, r"targets: .*\(30, 3\).*\(5, 3\)"),
    "gradients: NaN": (lambda t: t.gradients(bad((T, 4), NAN), Y), ValueError, r"inputs: .*finite"),
    "calibrate: shape": (lambda t: t.calibrate(X[:, 1:]), ValueError, r"inputs: .*\(T, 4\)"),
    "calibrate: rate 0": (lambda t: t.calibrate(X, rate=0.0), ValueError, r"rate: .*> 0.*0"),
    "calibrate: rate of text": (lambda t: t.calibrate(X, rate="fast"), TypeError, r"rate: "),
    "calibrate: unreachable": (
        lambda t: t.calibrate(X * 0, rate=20.0),
        ValueError,
        r"rate: .*nearest.*0\.000 Hz",
    ),
    "step: shape": (lambda t: t.step(X[0, 1:]), ValueError, r"x: .*\(4,\).*\(3,\)"),
    "step: NaN": (lambda t: t.step(bad((4,), NAN)), ValueError, r"x: .*finite"),
    "step: complex": (lambda t: t.step(X[0] * 1j), TypeError, r"x: .*complex"),
    "step: target shape": (lambda t: t.step(X[0], Y[0, 1:]), ValueError, r"target: .*\(3,\).*\(2,\)"),
    "step: target NaN": (lambda t: t.step(X[0], bad((3,), NAN)), ValueError, r"target: .*finite"),
    "lr negative": (lambda t: setattr(t, "lr", -1.0), ValueError, r"lr: .*>= 0.*-1"),
    "lr NaN": (lambda t: setattr(t, "lr", NAN), ValueError, r"lr: .*finite.*(?i:nan)"),
    "lr of text": (lambda t: setattr(t, "lr", "0.1"), TypeError, r"lr: "),
    "a field assigned": (lambda t: setattr(t, "tau_mem", 5.0), AttributeError, r"tau_mem.*new"),
    "an unknown attribute": (lambda t: setattr(t, "learning_rate", 5.0), AttributeError, r"learning_rate"),
    "a state assigned": (lambda t: setattr(t, "output", X[0]), AttributeError, r"output"),
}
TRAINER_MISTAKES = {
    "W_in shape": (
        lambda t: setattr(t, "W_in", np.ones((4, 12))),
        ValueError,
        r"W_in: .*\(12, 4\).*\(4, 12\)",
    ),
    "W_in NaN": (lambda t: setattr(t, "W_in", bad((12, 4), NAN)), ValueError, r"W_in: .*finite"),
    "W_in complex": (lambda t: setattr(t, "W_in", 1j * np.ones((12, 4))), TypeError, r"W_in: .*complex"),
    "W_rec diagonal": (lambda t: setattr(t, "W_rec", np.ones((12, 12))), ValueError, r"W_rec: .*diagonal.*0"),
    "W_rec shape": (
        lambda t: setattr(t, "W_rec", np.ones((12, 1))),
        ValueError,
        r"W_rec: .*\(12, 12\).*\(12, 1\)",
    ),
    "W_out shape": (lambda t: setattr(t, "W_out", np.ones(3)), ValueError, r"W_out: .*\(3, 12\).*\(3,\)"),
    "b without readout_bias": (
        lambda t: setattr(t, "b", np.ones(3)),
        (AttributeError, ValueError),
        r"readout_bias",
    ),
    "B when symmetric": (
        lambda t: setattr(t, "B", np.ones((12, 3))),
        (AttributeError, ValueError),
        r"random",
    ),
    "state assigned: v": (lambda t: setattr(t, "v", np.ones(12)), AttributeError, r"v"),
}
STACK_MISTAKES = {
    "W of a layer": (
        lambda t: setattr(t.layers[0], "W", np.ones((4, 12))),
        ValueError,
        r"W: .*\(12, 4\).*\(4, 12\)",
    ),
    "W of a layer NaN": (lambda t: setattr(t.layers[1], "W", bad((3, 12), NAN)), ValueError, r"W: .*finite"),
    "step on a layer": (lambda t: t.layers[0].step(X[0]), RuntimeError, r"trainer"),
    "an attribute of a layer": (lambda t: setattr(t.layers[0], "w", 1), AttributeError, r"w"),
}
LAYER_MISTAKES = {
    "step: shape": (lambda t: t.step(X[0, 1:]), ValueError, r"x: .*\(4,\).*\(3,\)"),
    "step: NaN": (lambda t: t.step(bad((4,), NAN)), ValueError, r"x: .*finite"),
    "signal shape": (lambda t: t.apply_learning_signal(X[0]), ValueError, r"signal: .*\(3,\).*\(4,\)"),
    "signal NaN": (lambda t: t.apply_learning_signal(bad((3,), NAN)), ValueError, r"signal: .*finite"),
    "propagate shape": (lambda t: t.propagate(X[0]), ValueError, r"signal: .*\(3,\).*\(4,\)"),
    "W shape": (lambda t: setattr(t, "W", np.ones((2, 2))), ValueError, r"W: .*\(3, 4\).*\(2, 2\)"),
    "lr negative": (lambda t: setattr(t, "lr", -1.0), ValueError, r"lr: .*>= 0"),
    "a field assigned": (lambda t: setattr(t, "n_ref", 5), AttributeError, r"n_ref.*new"),
}
MISTAKES = [
    pytest.param(make, *mistake, id=f"{make.__name__}: {name}")
    for make, mistakes in (
        (trainer, SEQUENCE_MISTAKES | TRAINER_MISTAKES),
        (stack, SEQUENCE_MISTAKES | STACK_MISTAKES),
        (layer, LAYER_MISTAKES),
    )
    for name, mistake in mistakes.items()
]


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


@pytest.mark.parametrize(("make", "call", "error", "message"), MISTAKES)
def test_rejected_input_changes_nothing(make, call, error, message):
    """Told in words, and state, weights and the next 100 steps are those of a twin that never saw the call."""
    model, twin = make(), make()
    assert advance(model, 20, seed=1) == advance(twin, 20, seed=1)
    with pytest.raises(error, match=message):
        call(model)
    assert model.state_equal(twin)
    assert model == twin
    assert advance(model, 100, seed=2) == advance(twin, 100, seed=2)
    assert model.state_equal(twin)


def test_a_bad_item_of_a_stream_raises_and_the_steps_before_it_stay():
    model, twin = trainer(), trainer()
    items = [(x, Y[0]) for x in X[:5]]
    stream = model.train_stream([*items, (X[0, 1:], None), *items])
    for _ in items:
        next(stream)
    with pytest.raises(ValueError, match=r"x: .*\(4,\).*\(3,\)"):
        next(stream)
    list(twin.train_stream(items))
    assert model.state_equal(twin)


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


@pytest.mark.parametrize(
    ("row", "message"),
    [([0.5, 0.4, 0.0], r"sum.*1"), ([1.2, -0.2, 0.0], r">= 0.*-0\.2"), ([0.5, 0.5, NAN], "finite")],
)
def test_cross_entropy_targets_are_distributions(row, message):
    model = trainer(loss="cross_entropy")
    with pytest.raises(ValueError, match="target: .*" + message):
        model.step(X[0], row)
    rows = targets()
    rows[7] = row
    with pytest.raises(ValueError, match="targets: .*" + message):
        model.train_sequence(X, rows)
    assert model.state_equal(trainer(loss="cross_entropy"))


def test_cross_entropy_rows_may_be_off_by_rounding():
    assert trainer(loss="cross_entropy").step(X[0], [0.33333, 0.33333, 0.33333])["loss"] > 0


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


def test_inputs_may_be_anything_that_reads_as_numbers():
    results = []
    for convert in (
        np.float32,
        np.float64,
        np.float16,
        np.int8,
        np.uint16,
        bool,
        np.ndarray.tolist,
        np.asfortranarray,
    ):
        array = convert(X) if callable(convert) and not isinstance(convert, type) else X.astype(convert)
        results.append(trainer().train_sequence(array, Y))
    assert len(set(results)) == 1
    assert trainer().train_sequence(X[::-1][::-1], Y) == results[0]


def test_float64_is_not_narrowed():
    fine = 1.0 + 2.0**-40
    model = trainer(dtype="float64")
    model.step([fine, 0, 0, 0])
    assert model.z_bar[0] == fine


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
        "readout_bias", "c_reg", "f_target", "tau_reg", "update_every", "dtype", "seed",
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
    assert free.b.tolist() == [0, 1, 2]
    assert (free.B == 1).all()


@pytest.mark.parametrize("make", [trainer, stack])
def test_weights_that_leave_the_finite_range(make):
    model = make(lr=1e38, surrogate="fast_sigmoid")
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


def test_memory_counts():
    model = trainer(update_every="sequence")
    p = N_INPUTS + N
    # z_bar, e_bar, the pending gradient; v, z, psi, refractory counters; y, F(z), F(1), the readout's gradient.
    expected = p + 2 * p * N + 4 * N + N_OUTPUTS + N + 1 + N * N_OUTPUTS + N_OUTPUTS
    assert model.memory_per_step == expected
    assert model.memory_bytes > 4 * expected
