"""Neurons that adapt, and settings that each neuron has for itself."""

import copy
import dataclasses
import itertools
import pickle
import warnings

import numpy as np
import pytest
from helpers import TRAINER_STATE, assert_close
from reference import ReferenceEprop
from reference_optimizers import Sgd

import eprop
from eprop.optim import SGD

BETA = np.array([0.0, 0.0, 0.1, 0.3, 0.6, 0.0])
TAUS = np.linspace(20.0, 400.0, 6)
THRESHOLD = np.linspace(0.5, 1.5, 6)
TAU_MEM = np.array([5.0, 30.0, 8.0, 20.0, 12.0, 60.0])
EACH = {"beta": BETA, "tau_adaptation": TAUS, "threshold": THRESHOLD}


def inputs(n_steps=120, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random((n_steps, 4)) < 0.3).astype(float), rng.normal(size=(n_steps, 2))


def trainer(**options):
    return eprop.EpropTrainer(4, 6, 2, dtype="float64", **options)


def in_form(form, model):
    """The same trainer, new, in the form that is asked for."""
    model = dataclasses.replace(model, engine=form)
    assert model.engine == form
    return model


def fits(form, update_every, c_reg, limit):
    """Whether a form can do it: factors rest for a base block at most, and keep no regulariser apart."""
    waits = update_every != 1
    return form != "factored" or (update_every != "sequence" and not (waits and c_reg > 0 and limit))


CASES = [
    case
    for case in itertools.product(
        ["textbook", "factored", "block"], [1, 5, 20, "sequence"], [0.0, 0.5], [False, True]
    )
    if fits(*case)
]


@pytest.mark.parametrize(("form", "update_every", "c_reg", "limit"), CASES)
def test_mixed_populations_are_the_reference(form, update_every, c_reg, limit):
    model = trainer(update_every=update_every, c_reg=c_reg, optimizer=SGD(limit=limit), lr=1e-3, **EACH)
    model = in_form(form, model)
    W = (model.W_in, model.W_rec, model.W_out)
    optimizer = Sgd(limit=limit)
    reference = ReferenceEprop(
        *W, update_every=update_every, c_reg=c_reg, optimizer=optimizer, lr=1e-3, **EACH
    )
    x, y = inputs()
    for _ in range(3):
        loss, outputs = model.train_sequence(x, y, return_outputs=True)
        expected, expected_outputs = reference.train_sequence(x, y)
        assert_close(outputs, expected_outputs, 1e-10, "outputs")
        assert loss == pytest.approx(expected, rel=1e-10)
    assert reference.margin > 1e-9
    assert model.spikes.mean() < 1.0 and model.a.max() > 1.0
    assert_close(model.a, reference.neuron.a, 1e-10, "a")
    for name, value in reference.parameters.items():
        if name != "b":
            assert_close(getattr(model, name), value, 1e-10, name)


@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
@pytest.mark.parametrize("feedback", ["symmetric", "random", "adaptive"])
def test_the_factored_form_is_the_textbook(optimizer, feedback):
    options = {"optimizer": optimizer, "feedback": feedback, "delay": 2, "c_reg": 0.1, "readout_bias": True}
    factored, textbook = (in_form(form, trainer(**options, **EACH)) for form in ("factored", "textbook"))
    x, y = inputs()
    signal = np.random.default_rng(2).normal(size=6)
    for t in range(len(x)):
        target = y[t] if t % 5 else None
        lesson = {"learning_signal": signal} if t % 7 == 3 else {}
        seen, expected = (model.step(x[t], target, **lesson) for model in (factored, textbook))
        assert_close(seen["output"], expected["output"], 1e-9, "output")
    for name in ("W_in", "W_rec", "W_out", "e_bar", "v", "a"):
        assert_close(getattr(factored, name), getattr(textbook, name), 1e-9, name)
    assert factored.evaluate(x, y)[0] == pytest.approx(textbook.evaluate(x, y)[0], rel=1e-9)


@pytest.mark.parametrize("update_every", [1, 8])
@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
def test_copies_of_adaptive_factors_go_on_bit_for_bit(update_every, optimizer):
    each = {name: np.resize(array, 60) for name, array in EACH.items()}
    model = eprop.EpropTrainer(4, 60, 2, update_every=update_every, optimizer=optimizer, **each)
    assert model.engine == "factored"
    x, y = inputs()
    model.train_sequence(x[:37], y[:37], reset=False)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    before = model.W_in
    model.train_sequence(x[37:], y[37:], reset=False)
    assert not np.array_equal(before, model.W_in)
    for twin in twins:
        twin.train_sequence(x[37:], y[37:], reset=False)
        assert twin == model
        for name in TRAINER_STATE:
            assert np.array_equal(getattr(twin, name), getattr(model, name)), name


def test_engines_of_neurons_that_adapt():
    def engines(**options):
        networks = {n: eprop.EpropTrainer(40, 60, 2, update_every=n, **options) for n in EVERY}
        return {n: network.engine for n, network in networks.items()}

    EVERY = (1, 7, 30, 31, "sequence")
    factored = {1: "factored", 7: "factored", 30: "factored", 31: "block", "sequence": "block"}
    assert engines(beta=0.1) == factored
    # What may be left of p after a step is rho - beta h = 0.245: three steps.
    assert engines(beta=2.5) == {**factored, 7: "textbook", 30: "block"}
    # rho - beta h is below 0.01.
    slow = {1: "textbook", 7: "textbook", 30: "block", 31: "block", "sequence": "block"}
    assert engines(beta=3.3) == slow
    assert engines(beta=0.1, optimizer="momentum") == slow
    # A threshold that one neuron moves much bounds all.
    assert engines(beta=np.r_[np.zeros(59), 3.3]) == slow
    assert engines(beta=np.r_[np.zeros(59), 3.3], threshold=np.r_[np.ones(59), 20.0]) == factored
    # Few synapses.
    few = {n: trainer(update_every=n, beta=0.1).engine for n in (1, 7, 8)}
    assert few == {1: "textbook", 7: "textbook", 8: "block"}
    assert trainer(beta=np.zeros(6)).engine == trainer().engine
    with pytest.raises(ValueError, match="engine: expected block or textbook where beta h is not below rho"):
        trainer(beta=3.3, engine="factored")


MEMBRANES = [
    {"tau_mem": TAU_MEM},
    {"tau_mem": TAU_MEM, "input_gain": "leak", **EACH},
    {"tau_syn": 6.0},
    {"tau_syn": 6.0, "tau_mem": TAU_MEM, "input_gain": "leak", "delay": 2, **EACH},
    {"tau_syn": 6.0, "tau_mem": TAU_MEM, "input_gain": "leak", "threshold": THRESHOLD},
]
# The form that follows, or factors, which hold no adaptation beside.
IN_FORMS = [
    (options, form, update_every)
    for form, rests in ((None, [1, 5, 20, "sequence"]), ("factored", [1, 5]))
    for options, update_every in itertools.product(MEMBRANES, rests)
    if form is None or "beta" not in options
]


# Inputs fire at fifteen times the rate that initial weights are made for.
@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
@pytest.mark.parametrize(("options", "form", "update_every"), IN_FORMS)
@pytest.mark.parametrize("optimizer", ["sgd", "auto"])
def test_membranes_that_differ_and_currents_are_the_reference(update_every, optimizer, options, form):
    # Factors do not keep the regulariser apart where a gradient waits.
    c_reg = 0.0 if form == "factored" and update_every != 1 else 0.1
    options = {"update_every": update_every, "optimizer": optimizer, "lr": 0.05, "c_reg": c_reg, **options}
    model = trainer(**options)
    if form is not None:
        model = in_form(form, model)
    W = (model.W_in, model.W_rec, model.W_out)
    reference = ReferenceEprop(*W, **options)
    x, y = inputs()
    for _ in range(3):
        loss, outputs = model.train_sequence(x, y, return_outputs=True)
        expected, expected_outputs = reference.train_sequence(x, y)
        assert_close(outputs, expected_outputs, 1e-10, "outputs")
        assert loss == pytest.approx(expected, rel=1e-10)
    assert reference.margin > 1e-9
    assert 0.0 < reference.neuron.z.mean() < 1.0 or model.e_bar.any()
    for name in ("z_bar", "e_bar"):
        assert_close(getattr(model, name), getattr(reference, name), 1e-10, name)
    for name, value in reference.parameters.items():
        if name != "b":
            assert_close(getattr(model, name), value, 1e-10, name)


@pytest.mark.parametrize("update_every", [1, "sequence"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_z_bar_has_the_shape_of_the_membranes(update_every, batch_size):
    lead = () if batch_size == 1 else (batch_size,)
    options = {"update_every": update_every, "batch_size": batch_size}
    x = np.ones((*lead, 30, 4))
    for tau_mem, shape in ((20.0, (10,)), (TAU_MEM, (6, 10))):
        model = trainer(tau_mem=tau_mem, **options)
        model.predict_sequence(x)
        assert model.z_bar.shape == (*lead, *shape)
        assert not model.z_bar.flags.writeable
    alpha = np.exp(-1 / TAU_MEM)
    of_inputs = np.broadcast_to(model.z_bar, (*lead, 6, 10))[..., :4]
    assert_close(
        of_inputs, np.broadcast_to((1 - alpha**30)[:, None] / (1 - alpha)[:, None], of_inputs.shape), 1e-12
    )
    own = np.diagonal(model.z_bar[..., 4:], axis1=-2, axis2=-1)
    assert model.spikes.any() and not own.any()


def test_a_current_is_a_filter_between_spike_and_membrane():
    model = eprop.EpropTrainer(1, 1, 1, dtype="float64", tau_mem=20.0, tau_syn=5.0, threshold=100.0)
    model.W_in = [[1.0]]
    alpha, sigma = np.exp(-1 / 20), np.exp(-1 / 5)
    v = [(model.step([x]), model.v[0], model.z_bar[0])[1:] for x in (1.0, 0.0, 0.0)]
    expected = [1.0, alpha + sigma, alpha**2 + alpha * sigma + sigma**2]
    assert np.allclose(v, np.array([expected, expected]).T, rtol=1e-14)


@pytest.mark.parametrize("options", MEMBRANES, ids=lambda options: "-".join(options))
def test_few_synapses_behind_membranes_that_differ_and_currents_are_in_no_factors(options):
    engines = {n: trainer(update_every=n, **options).engine for n in (1, 7, 8, "sequence")}
    assert engines == {1: "textbook", 7: "textbook", 8: "block", "sequence": "block"}
    if "beta" in options:  # a third row for each source is there only once
        with pytest.raises(
            ValueError, match="engine: expected block or textbook where neurons adapt, and have"
        ):
            trainer(engine="factored", **options)
    else:
        assert trainer(engine="factored", **options).engine == "factored"


def test_engines_of_membranes_that_differ_and_of_currents():
    def engines(**options):
        of = {n: eprop.EpropTrainer(40, 60, 2, update_every=n, **options).engine for n in (1, 6, 7, 8)}
        return list(of.values())

    taus = np.linspace(4.0, 60.0, 60)
    for options in ({"tau_mem": taus}, {"tau_syn": 4.0}, {"tau_mem": taus[::-1], "tau_syn": 4.0}):
        assert engines(**options) == ["factored", "factored", "textbook", "block"]
        for more in ({"beta": 0.1}, {"optimizer": "momentum"}):
            assert engines(**options, **more) == ["textbook", "textbook", "textbook", "block"]
    # A membrane that forgets at once.
    assert engines(tau_mem=np.r_[0.2, taus[1:]]) == ["textbook", "textbook", "textbook", "block"]


@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
@pytest.mark.parametrize("options", MEMBRANES, ids=lambda options: "-".join(options))
@pytest.mark.parametrize("update_every", [1, 5, "sequence"])
def test_what_flows_is_copied_saved_compared_and_reset(update_every, options):
    x, y = inputs()
    model, fresh = (trainer(update_every=update_every, **options) for _ in range(2))
    model.train_sequence(x, y, reset=False)
    twins = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for twin in twins:
        assert twin == model and twin.state_equal(model) and np.array_equal(twin.z_bar, model.z_bar)
        twin.step(x[0])
        assert not twin.state_equal(model)
    model.step(x[0])
    assert all(twin.state_equal(model) for twin in twins)
    model.lr = 0.0
    fresh.W_in, fresh.W_rec, fresh.W_out = model.W_in, model.W_rec, model.W_out
    model.reset()
    assert not model.z_bar.any()
    assert np.array_equal(model.predict_sequence(x), fresh.predict_sequence(x))


@pytest.mark.parametrize("update_every", [1, 16, "sequence"])
def test_equal_membranes_are_one_membrane(update_every):
    x, y = inputs()
    one, many = (
        trainer(tau_mem=tau_mem, update_every=update_every, seed=3) for tau_mem in (15.0, np.full(6, 15.0))
    )
    for name in ("W_in", "W_rec", "W_out"):
        assert_close(getattr(many, name), getattr(one, name), 1e-15, name)
        setattr(many, name, getattr(one, name))
    assert one.train_sequence(x, y) == pytest.approx(many.train_sequence(x, y), rel=1e-12)
    for name in ("v", "W_in", "W_rec", "W_out", "e_bar"):
        assert_close(getattr(many, name), getattr(one, name), 1e-10, name)
    assert one.evaluate(x).shape == many.evaluate(x).shape


@pytest.mark.parametrize("update_every", [1, 16, "sequence"])
def test_equal_numbers_are_one_number(update_every):
    x, y = inputs()
    one = trainer(beta=0.2, tau_adaptation=50.0, threshold=0.75, update_every=update_every)
    many = trainer(
        beta=np.full(6, 0.2), tau_adaptation=[50.0] * 6, threshold=(0.75,) * 6, update_every=update_every
    )
    assert one.train_sequence(x, y) == many.train_sequence(x, y)
    for name in TRAINER_STATE:
        assert np.array_equal(getattr(one, name), getattr(many, name)), name


def test_arrays_are_configuration():
    given = BETA.copy()
    model = trainer(beta=given)
    given[:] = 9.0  # not the trainer's
    assert model.beta.dtype == np.float64
    assert np.array_equal(model.beta, BETA)
    with pytest.raises(ValueError, match="read-only"):
        model.beta[0] = 1.0
    assert model == trainer(beta=list(BETA))
    assert model != trainer(beta=BETA + 0.1)
    assert model != trainer(beta=0.1)
    assert model != object()
    assert "beta=array([0. , 0. , 0.1" in repr(model)
    x, y = inputs()
    model.train_sequence(x, y)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin == model and twin.state_equal(model)
        assert twin.train_sequence(x, y, reset=False) == copy.deepcopy(model).train_sequence(
            x, y, reset=False
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"beta": np.zeros(5)},
            ValueError,
            r"beta: expected a number, or an array \(6,\): one for each neuron, got",
        ),
        ({"threshold": np.ones((6, 1))}, ValueError, r"threshold: .* got shape \(6, 1\)"),
        ({"threshold": [1.0] * 5 + [0.0]}, ValueError, "threshold: expected a finite number > 0, got 0"),
        ({"beta": [0.0] * 5 + [-1.0]}, ValueError, "beta: expected a finite number >= 0, got -1"),
        ({"tau_adaptation": [1.0] * 5 + [np.nan]}, ValueError, "tau_adaptation"),
        ({"tau_adaptation": 0.0}, ValueError, "tau_adaptation: expected a finite number > 0, got 0"),
        ({"tau_mem": [20.0] * 5 + [0.0]}, ValueError, "tau_mem: expected a finite number > 0, got 0"),
        ({"tau_mem": [20.0] * 7}, ValueError, r"tau_mem: expected a number, or an array \(6,\)"),
        ({"tau_mem": np.ones((2, 3))}, ValueError, r"tau_mem: .* got shape \(2, 3\)"),
        ({"tau_mem": [20.0] * 5 + [np.inf]}, ValueError, "tau_mem: expected a finite number > 0"),
        ({"tau_mem": "long"}, TypeError, "tau_mem"),
        ({"tau_syn": -1.0}, ValueError, "tau_syn: expected a finite number >= 0, got -1"),
        ({"tau_syn": np.nan}, ValueError, "tau_syn: expected a finite number >= 0"),
        ({"tau_syn": 1e300}, ValueError, "tau_syn: expected a time constant that dt can be told from"),
        ({"tau_syn": [1.0] * 6}, TypeError, "tau_syn: expected a number"),
        ({"beta": "a lot"}, TypeError, "beta"),
        ({"beta": ["a", "lot"]}, TypeError, "beta"),
        ({"beta": 1e39, "dtype": "float32"}, ValueError, "beta: .*float32"),
    ],
)
def test_what_is_no_setting_of_a_neuron_is_named(options, error, message):
    with pytest.raises(error, match=message):
        eprop.EpropTrainer(4, 6, 2, **options)


def test_layers_have_a_tau_mem_each_and_the_rest_in_common():
    with pytest.raises((TypeError, ValueError), match="beta"):
        eprop.OnlineTrainer([3, 6, 2], beta=np.zeros(6))
    assert eprop.OnlineTrainer([3, 6, 2], beta=0.2).beta == 0.2
    for tau_mem in (TAU_MEM, [20.0], []):
        with pytest.raises(ValueError, match="tau_mem: expected a number, or 2: one for each layer, got"):
            eprop.OnlineTrainer([3, 6, 2], tau_mem=tau_mem)
    with pytest.raises(TypeError, match="tau_mem: expected a number"):
        eprop.OnlineTrainer([3, 6, 2], tau_mem=[20.0, "long"])
    with pytest.raises(ValueError, match="tau_mem: expected a finite number > 0, got 0"):
        eprop.OnlineTrainer([3, 6, 2], tau_mem=[20.0, 0.0])
    with pytest.warns(UserWarning, match="tau_mem"):
        eprop.OnlineTrainer([3, 6, 2], tau_mem=[20.0, 0.02])
    stack = eprop.OnlineTrainer([3, 6, 2], tau_mem=np.array([10.0, 40.0]))
    assert stack.tau_mem == (10.0, 40.0)
    assert stack == eprop.OnlineTrainer([3, 6, 2], tau_mem=[10, 40]) != eprop.OnlineTrainer([3, 6, 2])
    twin = pickle.loads(pickle.dumps(stack))
    assert twin == stack
    assert twin.state_equal(stack)
    assert repr(twin) == repr(stack)
    with pytest.raises(TypeError, match="tau_mem"):
        eprop.OnlineLIFLayer(3, 6, tau_mem=TAU_MEM)
    layer = eprop.OnlineLIFLayer(3, 6, beta=BETA)
    with pytest.raises(ValueError, match=r"beta: expected a number, or an array \(5,\)"):
        eprop.OnlineLIFLayer(3, 5, beta=BETA)
    assert layer.a.shape == (6,)


def test_an_unstable_adaptation_is_told_once():
    with pytest.warns(
        eprop.AdaptationWarning, match="beta = 7 times the height of the surrogate, 0.3,"
    ) as caught:
        model = trainer(beta=[0.0, 7.0, 0.0, 0.0, 0.0, 0.0])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.deepcopy(model)
        trainer(beta=6.0)


@pytest.mark.parametrize("options", [EACH, *MEMBRANES], ids=lambda options: "-".join(options))
@pytest.mark.parametrize("update_every", [1, "sequence"])
def test_float32_is_float64_on_ordinary_activity(update_every, options):
    x, y = inputs(400)
    gradients = []
    wide = trainer(update_every=update_every, **options)
    for dtype in ("float64", "float32"):
        model = eprop.EpropTrainer(4, 6, 2, dtype=dtype, update_every=update_every, **options)
        model.W_in, model.W_rec, model.W_out = (
            w.astype(np.float32) for w in (wide.W_in, wide.W_rec, wide.W_out)
        )
        gradients.append(model.gradients(x, y))
    for name in ("W_in", "W_rec", "W_out"):
        assert_close(gradients[1][name], gradients[0][name], 1e-4, name)
