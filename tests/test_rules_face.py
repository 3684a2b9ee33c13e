"""Names, order and defaults of everything a user types, and what each call leaves behind."""

import inspect
import warnings

import numpy as np
import pytest
from helpers import assert_same_bits, snapshot
from rules import KINDS, N_INPUTS, N_OUTPUTS, N, build

import eprop

NEURON = {
    "reset_mechanism": "subtract",
    "n_ref": 0,
    "surrogate": "piecewise_linear",
    "surrogate_height": None,
    "surrogate_width": None,
    "input_gain": "unit",
}
POSITIONAL = {
    eprop.EpropTrainer: {
        "n_inputs": inspect.Parameter.empty,
        "n_neurons": inspect.Parameter.empty,
        "n_outputs": inspect.Parameter.empty,
        "tau_mem": 20.0,
        "tau_trace": 20.0,
        "threshold": 1.0,
        "lr": 0.01,
        "dt": 1.0,
    },
    eprop.OnlineLIFLayer: {
        "n_inputs": inspect.Parameter.empty,
        "n_neurons": inspect.Parameter.empty,
        "tau_mem": 20.0,
        "threshold": 1.0,
        "lr": 0.01,
        "dt": 1.0,
    },
    eprop.OnlineTrainer: {
        "layer_sizes": inspect.Parameter.empty,
        "tau_mem": 20.0,
        "threshold": 1.0,
        "lr": 0.01,
    },
}
KEYWORD_ONLY = {
    eprop.EpropTrainer: {
        **NEURON,
        "tau_out": None,
        "readout_gain": "unit",
        "loss": "mse",
        "feedback": "symmetric",
        "readout_bias": False,
        "c_reg": 0.0,
        "f_target": 10.0,
        "tau_reg": 500.0,
        "update_every": 1,
        "dtype": "float32",
        "seed": 42,
        "batch_size": 1,
        "optimizer": "sgd",
        "reduction": "sum",
        "beta": 0.0,
        "tau_adaptation": 200.0,
        "horizon": 1,
        "recurrent_gain": 0.3,
        "delay": 1,
        "clip_norm": None,
        "w_max": None,
        "feedback_decay": 0.0,
        "c_reg_side": "both",
        "lr_in": None,
        "lr_rec": None,
        "lr_out": None,
        "tau_syn": 0.0,
        "engine": None,
        "memory_limit": None,
        "connect_in": None,
        "connect_rec": None,
        "sign": None,
        "train_in": True,
        "train_rec": True,
        "train_out": True,
    },
    eprop.OnlineLIFLayer: {
        **NEURON,
        "dtype": "float32",
        "seed": 42,
        "beta": 0.0,
        "tau_adaptation": 200.0,
        "optimizer": "sgd",
    },
    eprop.OnlineTrainer: {
        **NEURON,
        "dt": 1.0,
        "update_every": 1,
        "loss": "mse",
        "dtype": "float32",
        "seed": 42,
        "optimizer": "sgd",
        "reduction": "sum",
        "batch_size": 1,
        "beta": 0.0,
        "tau_adaptation": 200.0,
        "clip_norm": None,
        "w_max": None,
        "memory_limit": None,
    },
}
CALLS = {
    "step": ["x", "target=None", "*learning_signal=None", "*weight=1.0"],
    "train_sequence": [
        "inputs",
        "targets",
        "*mask=None",
        "*weights=None",
        "*lengths=None",
        "*reset=True",
        "*return_outputs=False",
        "*n_threads=None",
    ],
    "predict_sequence": [
        "inputs",
        "*lengths=None",
        "*reset=True",
        "*return_spikes=False",
        "*n_threads=None",
    ],
    "train_stream": ["iterable", "*reset=False", "*callbacks=None"],
    "gradients": ["inputs", "targets", "*mask=None", "*weights=None", "*lengths=None", "*n_threads=None"],
    "evaluate": ["inputs", "targets=None", "*mask=None", "*weights=None", "*lengths=None", "*n_threads=None"],
    "apply_gradients": ["gradients"],
    "calibrate": ["inputs", "*rate=20.0"],
    "update": [],
    "reset": [],
    "state_equal": ["other"],
}


def parameters(call):
    return [p for p in inspect.signature(call).parameters.values() if p.name != "self"]


@pytest.mark.parametrize("cls", POSITIONAL, ids=lambda c: c.__name__)
def test_constructors(cls):
    """The positional ones in their order, the others by keyword only, each with its default."""
    given = parameters(cls)
    positional = [(p.name, p.default) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(POSITIONAL[cls].items())
    keywords = {p.name: p.default for p in given if p.kind is p.KEYWORD_ONLY}
    assert keywords == KEYWORD_ONLY[cls]


@pytest.mark.parametrize("cls", [eprop.EpropTrainer, eprop.OnlineTrainer])
@pytest.mark.parametrize("call", sorted(CALLS))
def test_calls(cls, call):
    text = []
    for p in parameters(getattr(cls, call)):
        star = "*" if p.kind is p.KEYWORD_ONLY else ""
        default = "" if p.default is p.empty else f"={p.default!r}"
        text.append(star + p.name + default)
    expected = CALLS[call]
    if call == "gradients" and cls is eprop.EpropTrainer:
        expected = [*expected[:4], "*horizon=None", "*recurrent_gain=None", *expected[4:]]
    assert text == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_predecessors_names(kind):
    model = build(kind)
    models = [model] if kind != "stack" else model.layers
    for m in models:
        assert m._v.tobytes() == m.v.tobytes()
        assert m._spikes.tobytes() == m.spikes.tobytes()


def test_the_stacks_output_is_its_last_layers_spikes():
    model = build("stack")
    result = model.step(np.ones(N_INPUTS))
    assert result["output"].tobytes() == result["spikes"].tobytes()
    assert model.output.tobytes() == model.layers[-1].spikes.tobytes()
    assert model.n_layers == len(model.layers) == 2


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_a_layer_of_a_trainer_does_not_step(kind):
    if kind == "stack":
        with pytest.raises((AttributeError, RuntimeError, TypeError), match="step"):
            build("stack").layers[0].step(np.zeros(N_INPUTS))
    else:
        assert not hasattr(build("eprop"), "layers")


def test_train_stream_takes_one_item_per_result():
    taken = []

    def source():
        for t in range(5):
            taken.append(t)
            yield np.zeros(N_INPUTS), None

    stream = build("eprop").train_stream(source())
    assert taken == []
    for t in range(3):
        next(stream)
        assert taken == list(range(t + 1))


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("reset", [False, True])
def test_train_stream_resets_only_when_asked(kind, reset):
    a, b = build(kind), build(kind)
    pair = np.ones(N_INPUTS), np.zeros(N_OUTPUTS)
    list(a.train_stream([pair], reset=reset))
    if reset:
        b.reset()
    b.step(*pair)
    assert_same_bits(snapshot(a), snapshot(b))
    c = build(kind)
    c.step(*pair)
    assert c.state_equal(a) is not reset


def test_a_step_without_target_lets_the_regulariser_and_due_updates_go_on():
    model = build("eprop", c_reg=5.0)
    before = model.W_in
    for _ in range(20):
        assert "loss" not in model.step(np.ones(N_INPUTS))
    assert not np.array_equal(model.W_in, before)
    pending = build("eprop", update_every=31, c_reg=0.0)  # 30 steps are behind it
    before = pending.W_out
    pending.step(np.ones(N_INPUTS))
    assert not np.array_equal(pending.W_out, before)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("update_every", [1, 3, "sequence"])
def test_predict_learns_nothing_but_moves_the_state(kind, update_every):
    options = {"update_every": update_every}
    model = build(kind, **options, **({"c_reg": 5.0} if kind == "eprop" else {}))
    before = snapshot(model)
    model.predict_sequence(np.ones((20, N_INPUTS)), reset=False)
    now = snapshot(model)
    for name, array in before.items():
        if name[0] in "WbB":
            assert now[name].tobytes() == array.tobytes(), name
    assert not all(now[k].tobytes() == before[k].tobytes() for k in before)


@pytest.mark.parametrize("kind", KINDS)
def test_reset_is_silence_with_the_weights_kept(kind):
    model = build(kind)
    before = snapshot(model)
    model.reset()
    for name, array in snapshot(model).items():
        if name[0] in "WbB":
            assert array.tobytes() == before[name].tobytes(), name
        else:
            assert not array.any(), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_of_another_kind_of_thing_is_another(kind):
    model = build(kind)
    assert model.state_equal(model) and model.state_equal(build(kind))
    others = [build(other) for other in KINDS if other != kind]
    others += [build(kind, dtype="float64"), build("stack").layers[0], None, 3, "trainer", object()]
    if kind != "layer":
        others += [
            build(kind, batch_size=2),
            build(kind, update_every="sequence"),
            build(kind, optimizer="adam"),
        ]
    for other in others:
        assert model.state_equal(other) is False, other


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_a_warning_made_an_error_comes_after_the_state_is_complete(kind):
    model, twin = build(kind), build(kind)
    data = np.zeros((100, N_INPUTS)), np.zeros((100, N_OUTPUTS))
    with warnings.catch_warnings():
        warnings.simplefilter("error", eprop.FiringRateWarning)
        with pytest.raises(eprop.FiringRateWarning, match="calibrate"):
            model.train_sequence(*data)
    with pytest.warns(eprop.FiringRateWarning, match="calibrate"):
        twin.train_sequence(*data)
    assert model.state_equal(twin)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 2000.0])
def test_calibrate_rejects_rates_that_no_network_has(kind, rate):
    model, twin = build(kind), build(kind)
    with pytest.raises(ValueError, match="rate: expected"):
        model.calibrate(np.ones((50, N_INPUTS)), rate=rate)
    assert_same_bits(snapshot(model), snapshot(twin))


def test_shapes_and_dtypes_of_what_a_step_returns():
    for dtype in ("float32", "float64"):
        result = build("eprop", dtype=dtype).step(np.ones(N_INPUTS), np.zeros(N_OUTPUTS))
        assert sorted(result) == ["loss", "output", "spikes"]
        assert type(result["loss"]) is float
        assert (result["spikes"].shape, result["output"].shape) == ((N,), (N_OUTPUTS,))
        assert result["spikes"].dtype == result["output"].dtype == dtype
        assert set(np.unique(result["spikes"])) <= {0.0, 1.0}
