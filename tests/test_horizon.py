"""Credit through recurrent spikes: the package against its literal reference, float64 to 1e-10, and its bits."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from autodiff import eprop_gradients
from helpers import assert_close, assert_same_bits, snapshot
from reference import ReferenceBatch
from reference_horizon import ReferenceHorizon
from streams import LENGTHS, OPTIONS, B, build, data, learning_rate, reference_optimizer, weights_of

import eprop

TOLERANCE = 1e-10
HORIZONS = [1, 5, 20, "sequence"]
SMOOTH_ADAM = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-2}

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def trainer(batch_size=1, **options):
    return build("eprop", batch_size, **options)


def reference(batch_size=1, *, optimizer="sgd", reduction="sum", **options):
    options = {**OPTIONS["eprop"], **learning_rate("eprop", optimizer, reduction), **options}
    options |= {"optimizer": reference_optimizer(optimizer), "reduction": reduction}
    weights = weights_of("eprop")
    if options.get("feedback", "symmetric") == "symmetric":
        weights = weights[:4]
    return ReferenceBatch(ReferenceHorizon(*weights, **options), batch_size)


def pair(batch_size=1, **options):
    return trainer(batch_size, **options), reference(batch_size, **options)


def assert_same(got, expected):
    assert expected.margin > 1e-9
    for name, there in expected.parameters.items():
        assert_close(getattr(got, name), there, TOLERANCE, name)


NETWORKS = [
    {},
    {"c_reg": 0.0},
    {"feedback": "random", "tau_out": 4.0, "n_ref": 3},
    {"delay": 3},
    {"feedback": "adaptive", "feedback_decay": 0.1, "c_reg_side": "above"},
    {"beta": 1.5, "tau_adaptation": 30.0},
    {"beta": np.linspace(0.0, 1.8, 12), "tau_adaptation": 100.0, "feedback": "random", "delay": 2},
    {"reset_mechanism": "zero", "input_gain": "leak", "readout_gain": "leak", "tau_trace": 9.0},
    {"tau_mem": np.linspace(6.0, 30.0, 12), "input_gain": "leak", "delay": 2},
    {"tau_mem": np.linspace(30.0, 6.0, 12), "beta": np.linspace(0.0, 1.8, 12), "reset_mechanism": "zero"},
    {"tau_syn": 4.0, "tau_mem": 9.0, "delay": 3},
    {"tau_syn": 4.0, "tau_mem": np.linspace(6.0, 30.0, 12), "beta": 0.5, "input_gain": "leak"},
]


@pytest.mark.parametrize("options", NETWORKS, ids=str)
@pytest.mark.parametrize("horizon", [*HORIZONS, 7, 1000])
def test_gradients_are_those_of_the_reference(options, horizon):
    (x,), (y,), (mask,) = data(1)
    got = trainer(update_every="sequence", horizon=horizon, recurrent_gain=0.7, **options)
    there = reference(update_every="sequence", horizon=horizon, recurrent_gain=0.7, **options).streams[0]
    expected = there.gradients(x, y, mask=mask)
    gradients = got.gradients(x, y, mask=mask)
    # A trainer without a horizon makes the same gradient, when it is asked.
    asked = trainer(update_every=30, **options)
    of_stream = reference(update_every=30, horizon=horizon, recurrent_gain=0.7, **options).streams[0]
    of_stream = of_stream.gradients(x, y, mask=mask)
    asked = asked.gradients(x, y, mask=mask, horizon=horizon, recurrent_gain=0.7)
    for name in ("W_in", "W_rec", "W_out", "b"):
        assert_close(gradients[name], expected[name], TOLERANCE, name)
        assert_close(asked[name], of_stream[name], TOLERANCE, name)


@pytest.mark.parametrize(
    "engine",
    [
        {},
        {"update_every": 30},
        {"update_every": "sequence"},
        {"tau_trace": 0.5},
        {"tau_mem": np.linspace(6.0, 30.0, 12), "tau_syn": 4.0},
    ],
)
def test_a_horizon_of_the_sequence_without_damping_is_bptt(engine):
    """One line tells a researcher what e-prop leaves out."""
    (x,), (y,), (mask,) = data(1)
    options = {"c_reg": 0.0, **engine}
    got = trainer(**options).gradients(x, y, mask=mask, horizon="sequence", recurrent_gain=1.0)
    options.pop("update_every", None)
    weights = weights_of("eprop")[:4]
    expected = eprop_gradients(weights, x, y, mask=mask, detach_recurrence=False, **options)
    for name in ("W_in", "W_rec", "W_out", "b"):
        assert_close(got[name], expected[name], 1e-9, name)


@pytest.mark.parametrize("options", NETWORKS, ids=str)
@pytest.mark.parametrize("optimizer", ["plain", "sgd", SMOOTH_ADAM], ids=["plain", "sgd", "adam"])
@pytest.mark.parametrize(
    ("update_every", "horizon"),
    [
        (7, 5),
        (7, 20),
        (30, 1),
        (30, 5),
        (30, 20),
        ("sequence", 5),
        ("sequence", 20),
        ("sequence", "sequence"),
    ],
)
def test_training_is_that_of_the_reference(update_every, horizon, optimizer, options):
    (x,), (y,), (mask,) = data(1)
    got, there = pair(
        optimizer=optimizer, update_every=update_every, horizon=horizon, recurrent_gain=0.7, **options
    )
    for model in (got, there):
        run(model, x, y, mask, batch=model is there)
    assert_same(got, there)


def run(model, x, y, mask, *, batch):
    """Whole sequences, pieces of a stream, predictions in the middle of a block, and an update by hand."""

    def lead(array):
        return array[None] if batch else array

    model.train_sequence(lead(x), lead(y), mask=lead(mask))
    model.train_sequence(lead(x[:33]), lead(y[:33]), mask=lead(mask[:33]), reset=False)
    model.predict_sequence(lead(x[:4]), reset=False)
    model.train_sequence(lead(x[20:]), lead(y[20:]), mask=lead(mask[20:]), reset=False)
    model.update()
    model.train_sequence(lead(x[:9]), lead(y[:9]), mask=lead(mask[:9]), reset=False)
    model.predict_sequence(lead(x[:50]), reset=False)
    model.train_sequence(lead(x[9:17]), lead(y[9:17]), mask=lead(mask[9:17]), reset=False)
    model.update()
    model.train_sequence(lead(x), lead(y), mask=lead(mask))


@pytest.mark.parametrize("optimizer", ["plain", "sgd"])
@pytest.mark.parametrize(
    ("update_every", "horizon"), [(30, 20), (9, 20), ("sequence", 20), ("sequence", "sequence")]
)
def test_a_batch_is_that_of_the_reference(update_every, horizon, optimizer):
    x, y, mask = data()
    got, there = pair(B, optimizer=optimizer, update_every=update_every, horizon=horizon)
    for model in (got, there):
        model.train_sequence(x, y, mask=mask, lengths=LENGTHS)
        model.train_sequence(x[:3], y[:3], mask=mask[:3], reset=False)
        model.update()
        model.train_sequence(x, y, mask=mask, lengths=LENGTHS[::-1])
    assert_same(got, there)


@pytest.mark.parametrize("batch_size", [1, 5, 20])
@pytest.mark.parametrize(
    ("update_every", "horizon"),
    [(30, 7), (9, 20), ("sequence", 7), ("sequence", "sequence"), ("sequence", 1100)],
)
def test_any_cut_any_copy_and_any_number_of_threads_give_the_same_bits(update_every, horizon, batch_size):
    n_steps = 1300
    x, y, mask = data(batch_size, n_steps)
    if batch_size == 1:
        x, y, mask = x[0], y[0], mask[0]
    options = {"update_every": update_every, "horizon": horizon, "dtype": "float32"}
    whole, cut, copied = (trainer(batch_size, **options) for _ in range(3))
    axis = x.ndim - 2

    def piece(model, steps, **more):
        one = (slice(None),) * axis + (slice(*steps),)
        model.train_sequence(x[one], y[one], mask=mask[one], reset=False, **more)

    piece(whole, (0, n_steps), n_threads=1)
    for steps in [(0, 3), (3, 500), (500, 501), (501, 1250), (1250, n_steps)]:
        piece(cut, steps, n_threads=2)
        piece(copied, steps)
        copied = pickle.loads(pickle.dumps(copied)) if steps[0] % 2 else copy.deepcopy(copied)
        _ = copied.e_bar
    for model in (whole, cut, copied):
        model.update()
    assert_same_bits(snapshot(cut), snapshot(whole))
    assert_same_bits(snapshot(copied), snapshot(whole))


@pytest.mark.parametrize("horizon", [20, "sequence"])
def test_float32_follows_float64(horizon):
    (x,), (y,), (mask,) = data(1, 500)
    gradients = [
        trainer(update_every="sequence", horizon=horizon, dtype=dtype).gradients(x, y, mask=mask)
        for dtype in ("float32", "float64")
    ]
    for name in ("W_in", "W_rec", "W_out"):
        assert_close(gradients[0][name], gradients[1][name], 1e-5, name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"horizon": 0, "update_every": 8},
            'horizon: expected 1, a number of steps >= 1, or "sequence", got 0',
        ),
        ({"horizon": 5}, "horizon: expected 1 with update_every = 1"),
        ({"horizon": "sequence"}, "horizon: expected 1 with update_every = 1"),
        ({"horizon": "sequence", "update_every": 5}, "horizon: expected a number of steps, or update_every"),
        (
            {"horizon": "all", "update_every": 5},
            'horizon: expected 1, a number of steps >= 1, or "sequence", got "all"',
        ),
        ({"recurrent_gain": -1.0}, "recurrent_gain: expected a finite number >= 0"),
        ({"recurrent_gain": np.inf}, "recurrent_gain: expected a finite number >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        eprop.EpropTrainer(3, 4, 2, **options)


def test_gradients_refuse_a_horizon_and_a_gain_that_are_none():
    x, y = np.ones((3, 3)), np.ones((3, 2))
    plain = eprop.EpropTrainer(3, 4, 2)
    with pytest.raises(ValueError, match="horizon: expected 1, a number of steps >= 1"):
        plain.gradients(x, y, horizon=0)
    with pytest.raises(ValueError, match="horizon: expected 1, a number of steps >= 1"):
        plain.gradients(x, y, horizon="all")
    with pytest.raises(TypeError, match="horizon: expected an int or a string"):
        plain.gradients(x, y, horizon=2.0)
    with pytest.raises(ValueError, match="recurrent_gain: expected a finite number >= 0"):
        plain.gradients(x, y, horizon=2, recurrent_gain=np.nan)


def test_what_is_kept_grows_with_the_horizon_and_only_with_it():
    def kept(steps, **options):
        model = eprop.EpropTrainer(5, 20, 2, update_every="sequence", **options)
        x = np.random.default_rng(0).random((steps, 5)) < 0.2
        model.train_sequence(x, np.zeros((steps, 2)))
        return model.memory_per_step

    assert kept(10, horizon=20) == kept(5000, horizon=20)
    assert kept(10, horizon=20) < kept(10, horizon=4000) == kept(5000, horizon=4000)
    assert kept(10, horizon="sequence") < kept(5000, horizon="sequence")


def test_a_prediction_keeps_nothing_of_a_sequence():
    model = eprop.EpropTrainer(5, 20, 2, update_every="sequence", horizon="sequence")
    x = np.random.default_rng(0).random((20_000, 5)) < 0.2
    model.train_sequence(x[:900], np.zeros((900, 2)), reset=False)
    model.predict_sequence(x, reset=False)
    assert model.memory_per_step < 400_000


def test_the_warning_of_a_loss_that_has_run_away_names_the_gain():
    plain = eprop.optim.SGD(limit=False)
    model = trainer(update_every="sequence", horizon=20, recurrent_gain=1.0, optimizer=plain, lr=10.0)
    (x,), (y,), _ = data(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", eprop.DivergenceWarning)
        while not caught:
            model.train_sequence(x, y)
    assert str(caught[0].message).endswith("try less than recurrent_gain = 1")
