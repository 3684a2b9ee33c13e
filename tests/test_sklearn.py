"""The estimators: scikit-learn's own checks, and what is beyond them: sequences, events, labels of steps."""

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import eprop
from eprop._scaling import Scaler
from eprop.sklearn import EpropClassifier, EpropRegressor
from eprop.sklearn._sequences import read_sequences

# Batches are drawn: a row with weight 2 is in one of them, twice as strong; a row that is there twice is in two.
WEIGHTS_ARE_NOT_REPEATS = "a row of weight 2 is in one batch, a row that is there twice is in two"
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS_ARE_NOT_REPEATS,
    "check_sample_weight_equivalence_on_sparse_data": WEIGHTS_ARE_NOT_REPEATS,
}
SMALL = {"n_neurons": 20, "max_iter": 10, "random_state": 0, "n_threads": 1}


# A check may weigh one class a thousandfold, and then neurons may fire at every step.
@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
@parametrize_with_checks(
    [EpropClassifier(**SMALL), EpropRegressor(**SMALL)], expected_failed_checks=lambda _: EXPECTED_TO_FAIL
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def rising_or_falling(n: int = 60, seed: int = 0) -> tuple[list[Any], Any]:
    """Ramps of unequal lengths with noise, and whether they rise."""
    rng = np.random.default_rng(seed)
    y = np.array(["down", "up"])[rng.integers(2, size=n)]
    ramps = [np.linspace(-1, 1, rng.integers(6, 15)) * (1 if label == "up" else -1) for label in y]
    return [np.stack([ramp, rng.normal(size=len(ramp))], axis=1) for ramp in ramps], y


def test_sequences_of_unequal_lengths() -> None:
    X, y = rising_or_falling()
    model = EpropClassifier(**SMALL).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) >= 0.9
    assert model.classes_.tolist() == ["down", "up"] and model.n_features_in_ == 2
    assert model.predict_proba(X[40:]).shape == (20, 2) and model.decision_function(X[40:]).shape == (20,)
    np.testing.assert_array_equal(model.predict(X[40:]) == "up", model.decision_function(X[40:]) > 0)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-6)


def test_a_list_is_the_array_of_its_items() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 9, 3)), np.arange(12) % 2
    as_array = EpropClassifier(**SMALL).fit(X, y).decision_function(X)
    as_list = EpropClassifier(**SMALL).fit(list(X), y).decision_function(list(X))
    as_objects = np.empty(12, object)
    as_objects[:] = list(X)
    np.testing.assert_array_equal(as_list, as_array)
    np.testing.assert_array_equal(EpropClassifier(**SMALL).fit(as_objects, y).decision_function(X), as_array)


def test_sequences_may_be_lists_of_lists() -> None:
    X, y = rising_or_falling(20)
    arrays = EpropClassifier(**SMALL).fit(X, y).decision_function(X)
    lists = [x.tolist() for x in X]
    np.testing.assert_array_equal(
        EpropClassifier(**SMALL).fit(lists, y.tolist()).decision_function(lists), arrays
    )


def spikes(n: int = 24) -> tuple[Any, Any]:
    """Boolean sequences (n, 30, 6): those of class 1 spike in the first three inputs, the others in the last."""
    rng = np.random.default_rng(1)
    y = np.arange(n) % 2
    where = np.where(y[:, None] == 1, np.arange(6) < 3, np.arange(6) >= 3)
    return (rng.random((n, 30, 6)) < 0.1) & where[:, None], y


def test_events_are_the_spikes_of_an_array() -> None:
    X, y = spikes()
    options = {**SMALL, "noise": 0.0, "dtype": "float64"}
    dense = EpropClassifier(**options).fit(X, y).decision_function(X)
    events = [(*np.nonzero(x), 30) for x in X]
    compressed = [csr_array(x.astype(float)) for x in X]
    for same in (events, compressed):
        model = EpropClassifier(**options, n_features=6).fit(same, y)
        np.testing.assert_allclose(model.decision_function(same), dense, rtol=1e-6)
    # labels of steps say how many steps there are
    of_steps = EpropClassifier(**options, n_features=6)
    of_steps.fit([np.nonzero(x) for x in X], [np.full(30, label) for label in y])
    assert [len(labels) for labels in of_steps.predict(events)] == [30] * len(X)


def test_events_of_unequal_lengths_are_their_arrays() -> None:
    X, _ = spikes()
    X = [x[: 20 + row % 7] for row, x in enumerate(X)]
    labels = [np.where(np.arange(len(x)) % 3 == 0, -1, x[:, 0].astype(int)) for x in X]
    events = [(*np.nonzero(x), len(x)) for x in X]
    options = {**SMALL, "noise": 0.0, "n_steps": 60, "dtype": "float64"}  # each step is repeated
    dense = EpropClassifier(**options).fit([x.astype(float) for x in X], labels)
    model = EpropClassifier(**options).fit(events, labels)
    assert model.n_repeats_ == 3
    for one, other in zip(model.decision_function(events), dense.decision_function(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    numbers = [np.stack([row, -row], axis=1).astype(float) for row in labels]
    of_events = EpropRegressor(**options).fit(events, numbers).predict(events)
    of_arrays = EpropRegressor(**options).fit(X, numbers).predict(X)
    for one, other in zip(of_events, of_arrays, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_units_beyond_those_of_fit_are_named() -> None:
    events = [(np.array([0, 1]), np.array([0, unit]), 20) for unit in (1, 2)]
    model = EpropClassifier(**SMALL).fit(events, [0, 1])
    with pytest.raises(ValueError, match=r"X\[0\]: expected units of 0 to 2, got 3; n_features"):
        model.predict([(np.array([0]), np.array([3]), 20)])


def test_rows_of_scipys_are_dense_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 8)) * (rng.random((30, 8)) < 0.3)
    y = (X[:, 0] > X[:, 1]).astype(int)
    dense = EpropClassifier(**SMALL).fit(X, y).decision_function(X)
    np.testing.assert_allclose(
        EpropClassifier(**SMALL).fit(csr_array(X), y).decision_function(csr_array(X)), dense, rtol=1e-4
    )


# Labels of steps


def steps_with_labels() -> tuple[Any, Any]:
    """Which of three inputs is the largest, at each step, and at every fourth nobody knows."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(30, 10, 3)), 4, axis=1)
    y = X.argmax(axis=2)
    y[:, ::4] = -1
    return X, y


def test_labels_of_steps() -> None:
    X, y = steps_with_labels()
    model = EpropClassifier(60, max_iter=20, n_threads=1, random_state=0).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict(X).shape == (30, 40) and model.predict_proba(X).shape == (30, 40, 3)
    right = (model.predict(X) == y)[y >= 0]
    assert model.score(X, y) == pytest.approx(right.mean()) and right.mean() > 0.7
    with pytest.raises(ValueError, match="one label for each step, as in fit"):
        model.score(X, y[:, 0])


def test_targets_in_data_frames_are_their_arrays() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, labels, numbers = rng.normal(size=(10, 6, 2)), rng.integers(2, size=(10, 6)), rng.normal(size=(10, 6))
    gaps = pandas.DataFrame(labels).astype("Int64")
    gaps.iloc[3, 2] = pandas.NA
    for model, y in ((EpropClassifier, labels), (EpropRegressor, numbers)):
        expected = model(**SMALL).fit(X, y)
        assert model(**SMALL).fit(X, pandas.DataFrame(y)).trainer_.state_equal(expected.trainer_)
        expected = model(**SMALL).fit(X, y[:, 0])
        for column in (pandas.DataFrame(y[:, :1]), pandas.Series(y[:, 0], index=range(5, 15))):
            assert model(**SMALL).fit(X, column).trainer_.state_equal(expected.trainer_)
        assert model(**SMALL).fit(X, gaps).n_iter_ == 10


def test_steps_without_a_label_may_be_none() -> None:
    X, y = steps_with_labels()
    names = np.array(["a", "b", "c", None], object)[y]
    lists = [X[0], *(x[:20] for x in X[1:])]
    labels = [names[0], *(row[:20] for row in names[1:])]
    model = EpropClassifier(**SMALL).fit(lists, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert [len(row) for row in model.predict(lists)] == [40] + [20] * 29


def test_steps_without_a_label_teach_nothing() -> None:
    X, y = steps_with_labels()
    other = np.where(y == -1, -1, y)
    model = EpropClassifier(**SMALL).fit(X, y)
    assert model.trainer_.state_equal(EpropClassifier(**SMALL).fit(X, other).trainer_)
    assert not model.trainer_.state_equal(EpropClassifier(**SMALL).fit(X, np.maximum(y, 0)).trainer_)


def test_a_sequence_without_a_label_teaches_nothing() -> None:
    X, y = rising_or_falling()
    with_none = y.astype(object)
    with_none[5] = None
    weights = np.ones(60)
    weights[5] = 0.0
    one = EpropClassifier(**SMALL).fit(X, with_none)
    other = EpropClassifier(**SMALL).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))


def test_too_few_labels_of_steps_are_named() -> None:
    X, y = steps_with_labels()
    with pytest.raises(ValueError, match=r"y\[0\]: expected one target for each of 40 steps, got 39"):
        EpropClassifier(**SMALL).fit(X, y[:, 1:])


# Numbers


def test_numbers_of_sequences_and_of_steps() -> None:
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(50, 8, 2)), 3, axis=1)
    options: dict[str, Any] = {"n_neurons": 60, "max_iter": 30, "random_state": 0, "n_threads": 1}
    last = 100.0 + 5.0 * X[:, -1, 0]
    model = EpropRegressor(**options).fit(X, last)
    assert model.predict(X).shape == (50,) and model.score(X, last) > 0.8
    two = np.stack([last, X[:, -1, 1]], axis=1)
    assert EpropRegressor(**SMALL).fit(X, two).predict(X).shape == (50, 2)
    every = 100.0 + 5.0 * X[:, :, 0]
    unknown = every.copy()
    unknown[:, ::2] = np.nan
    steps = EpropRegressor(**options).fit(X, unknown)
    assert steps.predict(X).shape == (50, 24) and steps.score(X, every) > 0.5
    both = EpropRegressor(**SMALL).fit(list(X), [np.stack([row, -row], axis=1) for row in every])
    assert [numbers.shape for numbers in both.predict(list(X))] == [(24, 2)] * 50


def test_none_is_no_number() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6, 2))
    every = X[:, :, 0].copy()
    every[:, ::2] = np.nan
    nothing = np.where(np.isnan(every), None, every)  # type: ignore[call-overload]
    one, other = EpropRegressor(**SMALL).fit(X, every), EpropRegressor(**SMALL).fit(list(X), list(nothing))
    np.testing.assert_array_equal(np.stack(other.predict(list(X))), one.predict(X))
    assert other.score(X, nothing) == one.score(X, every)


@pytest.mark.parametrize("shape", [(40, 6, 2), (40, 3)])
def test_a_sequence_without_a_number_teaches_nothing(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).normal(size=shape)
    y = X.reshape(40, -1)[:, 0].astype(object)
    y[:10] = None
    weights = np.ones(40)
    weights[:10] = 0.0
    model = EpropRegressor(**SMALL).fit(X, y)
    zeros = np.where(weights > 0.0, y, 0.0).astype(float)
    filled = EpropRegressor(**SMALL).fit(X, zeros, sample_weight=weights)
    assert model._target_scaler.n == 30 and np.isfinite(model.predict(X)).all()
    assert np.corrcoef(model.predict(X), filled.predict(X))[0, 1] > 0.9
    assert model.score(X, y) == pytest.approx(model.score(X[10:], zeros[10:]))
    y[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        EpropRegressor(**SMALL).fit(X, y)


def test_a_constant_target_is_answered() -> None:
    X = np.random.default_rng(0).normal(size=(10, 3))
    model = EpropRegressor(**SMALL).fit(X, np.full(10, 7.0))
    np.testing.assert_allclose(model.predict(X), 7.0)
    assert model.score(X, np.arange(10.0)) < 0.0


# Scales


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_scale_is_learned_in_pieces(sparse: bool) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(3.0, 2.0, size=(50, 4)) * (rng.random((50, 4)) < [1.0, 0.6, 0.2, 0.0])
    scaler = Scaler()
    for piece in (rows[:7], rows[7:8], rows[8:]):
        if sparse:
            scaler.learn_sparse(csr_array(piece))
        else:
            scaler.learn(piece)
    np.testing.assert_allclose(scaler.mean, rows.mean(axis=0))
    np.testing.assert_allclose(scaler.squares / scaler.n, rows.var(axis=0))
    scaled = scaler.scale(rows)
    np.testing.assert_allclose(scaled[:, :2].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :2].std(axis=0), 1.0)
    assert not scaled[rows[:, 2] == 0, 2].any()
    assert np.square(scaled[rows[:, 2] != 0, 2]).mean() == pytest.approx(1.0)
    assert not scaled[:, 3].any()
    np.testing.assert_allclose(scaler.unscale(scaled), rows, atol=1e-12)


def test_a_constant_column_says_nothing() -> None:
    scaler = Scaler()
    scaler.learn(np.full((20, 1), 0.1 + 1e6))
    assert not scaler.scale(np.array([[0.0], [5e9]])).any()


@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_units_of_the_inputs_do_not_count(factor: float) -> None:
    X, y = rising_or_falling()
    options = {**SMALL, "dtype": "float64"}
    one = EpropClassifier(**options).fit(X, y).decision_function(X)
    other = EpropClassifier(**options).fit([factor * x for x in X], y)
    np.testing.assert_allclose(other.decision_function([factor * x for x in X]), one, rtol=1e-3, atol=1e-3)


def test_neurons_fire_at_the_rate_that_is_asked_for() -> None:
    X, y = spikes()
    model = EpropClassifier(100, firing_rate=50.0, max_iter=1, lr=0.0, n_threads=1, random_state=0).fit(X, y)
    inputs, _ = read_sequences(X, None).scaled(model.scaler_, "float32")
    model.trainer_.reset()
    rates = [model.trainer_.predict_sequence(x, return_spikes=True)[1].mean() for x in inputs]
    assert 40.0 < 1000.0 * np.mean(rates) < 60.0


def test_neurons_that_cannot_fire_as_fast_fire_slower() -> None:
    X = np.random.default_rng(0).normal(size=(60, 4))
    refractory = {"trainer_options": {"n_ref": 9}, "lr": 0.0, "noise": 0.0}  # at most 100 Hz
    model = EpropClassifier(**SMALL, **refractory).fit(X, np.arange(60) % 2)  # 150 Hz would be right
    inputs = np.repeat(model.scaler_.scale(X)[:, None], 20, axis=1)
    rates = [model.trainer_.predict_sequence(x, return_spikes=True)[1].mean() for x in inputs]
    assert 60.0 < 1000.0 * np.mean(rates) < 90.0
    with pytest.raises(ValueError, match="150"):
        EpropClassifier(**SMALL, **refractory, firing_rate=150.0).fit(X, np.arange(60) % 2)


def test_inputs_of_zeros_leave_the_biases() -> None:
    with pytest.warns(eprop.FiringRateWarning, match="no neuron fired"):
        model = EpropClassifier(**SMALL).fit(np.zeros((9, 4)), [0, 0, 0, 0, 0, 0, 1, 1, 2])
    assert set(model.predict(np.zeros((3, 4)))) == {0}


# Training


def test_early_stopping_keeps_the_best_weights() -> None:
    X, y = rising_or_falling(100)
    model = EpropClassifier(
        20,
        early_stopping=True,
        n_iter_no_change=3,
        max_iter=60,
        validation_fraction=0.3,
        n_threads=1,
        random_state=0,
    ).fit(X, y)
    assert model.n_iter_ < 60
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize("n_known", [3, 7])
def test_what_has_no_target_is_not_held_out(n_known: int) -> None:
    X = np.random.default_rng(0).normal(size=(10, 8, 2))
    options = {**SMALL, "early_stopping": True}
    y = np.where(np.arange(10) < n_known, np.arange(10) % 2, None)
    model = EpropClassifier(**options).fit(X, y)
    assert 0.0 <= model.best_validation_score_ <= 1.0
    numbers = np.where(np.arange(10) < n_known, np.arange(10.0), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UndefinedMetricWarning)
        regressor = EpropRegressor(**options).fit(X, numbers)
    assert np.isfinite(regressor.validation_scores_).all()
    assert regressor.best_validation_score_ == max(regressor.validation_scores_)


@pytest.mark.parametrize(("model", "n", "least"), [(EpropClassifier, 1, 1), (EpropRegressor, 2, 2)])
def test_too_few_to_hold_some_out_are_refused_and_change_nothing(model: Any, n: int, least: int) -> None:
    X, y = np.random.default_rng(0).normal(size=(9, 8, 2)), np.arange(9) % 2
    fresh, fitted = (model(**SMALL, early_stopping=True) for _ in range(2))
    before = fitted.fit(X, y).predict(X)
    for estimator in (fresh, fitted):
        with pytest.raises(ValueError, match=f"validation_fraction: .* at least {least} .* got 0.1 of {n}"):
            estimator.fit(X[:n, :, :1], np.ones(n, int))
    assert not [name for name in vars(fresh) if name.endswith("_")]
    np.testing.assert_array_equal(fitted.predict(X), before)


def test_a_score_of_nothing_is_refused_by_name() -> None:
    X, y = steps_with_labels()
    with pytest.raises(ValueError, match="y: expected at least one target that counts, got none"):
        EpropClassifier(**SMALL).fit(X, y).score(X, np.full(y.shape, -1))
    with pytest.raises(ValueError, match="y: expected at least one target that counts, got none"):
        EpropRegressor(**SMALL).fit(X, y[:, 1]).score(X, [None] * len(X))


def test_warm_start_goes_on() -> None:
    X, y = rising_or_falling()
    model = EpropClassifier(**SMALL, warm_start=True).fit(X, y)
    before = model.trainer_
    first = model.loss_
    model.fit(X, y)
    assert model.trainer_ is before and model.n_iter_ == 20 and len(model.loss_curve_) == 20
    assert model.loss_ < first
    assert EpropClassifier(**SMALL).fit(X, y).fit(X, y).n_iter_ == 10


def test_partial_fit_learns_piece_by_piece() -> None:
    X, y = rising_or_falling(90)
    model = EpropClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes: expected all labels in the first call"):
        model.partial_fit(X[:10], y[:10])
    for _ in range(8):
        for first in range(0, 60, 20):
            model.partial_fit(X[first : first + 20], y[first : first + 20], classes=["down", "up"])
    assert model.n_iter_ == 24 and model.score(X[60:], y[60:]) >= 0.9
    with pytest.raises(ValueError, match="classes: expected those of the first call"):
        model.partial_fit(X, y, classes=["up"])
    with pytest.raises(ValueError, match="classes: expected at least one label, got none"):
        EpropClassifier(**SMALL).partial_fit(X, y, classes=[])
    with pytest.raises(ValueError, match="expected labels of the classes"):
        model.partial_fit(X[:1], ["sideways"])
    assert EpropRegressor(**SMALL).partial_fit(X, np.arange(90.0)).n_iter_ == 1


def test_class_weights_and_sample_weights_pull() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 2)), (np.arange(80) < 8).astype(int)  # nothing to be learned but the shares
    rare = [
        EpropClassifier(**SMALL, class_weight=weight).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in (None, "balanced", {0: 1.0, 1: 30.0})
    ]
    assert rare[0] < rare[1] < rare[2]
    weighted = EpropClassifier(**SMALL).fit(X, y, sample_weight=np.where(y == 1, 9.0, 1.0))
    assert rare[0] < weighted.predict_proba(X)[:, 1].mean()


def test_a_seed_decides() -> None:
    X, y = rising_or_falling()
    one, other = (EpropClassifier(**SMALL).fit(X, y) for _ in range(2))
    assert one.trainer_.state_equal(other.trainer_) and one.loss_curve_ == other.loss_curve_
    third = clone(one).set_params(random_state=1).fit(X, y)
    assert not one.trainer_.state_equal(third.trainer_)


def test_callbacks_are_told_and_may_stop() -> None:
    X, y = rising_or_falling()
    seen = []

    class Epochs:
        def on_epoch_end(self, estimator: EpropClassifier, logs: dict[str, float]) -> None:
            seen.append((estimator.n_iter_, logs["epoch"], logs["loss"]))

    model = EpropClassifier(**SMALL, callbacks=[Epochs(), lambda _, logs: logs["epoch"] == 4]).fit(X, y)
    assert model.n_iter_ == 4 and [epoch for epoch, *_ in seen] == [1, 2, 3, 4]
    assert [loss for *_, loss in seen] == model.loss_curve_


@pytest.mark.parametrize("X", [np.random.default_rng(0).normal(size=(40, 3)), rising_or_falling(40)[0]])
def test_the_loss_is_the_mean_over_sequences_whatever_they_are_slowed_down_to(X: Any) -> None:
    """As scikit-learn's own networks have it: the log loss, and half the squared error."""
    untaught = {**SMALL, "max_iter": 1, "lr": 1e-9, "noise": 0.0}
    told: list[float] = []
    y = np.arange(40) % 2
    model = EpropClassifier(**untaught, callbacks=[lambda _, logs: told.append(logs["loss"])]).fit(X, y)
    assert model.n_repeats_ > 1
    assert model.loss_ == pytest.approx(log_loss(y, model.predict_proba(X)), rel=0.05)
    assert told == [model.loss_] == model.loss_curve_ == [model.best_loss_]
    numbers = np.random.default_rng(1).normal(50.0, 10.0, size=40)
    regressor = EpropRegressor(**untaught).fit(X, numbers)
    half = 0.5 * np.mean((regressor.predict(X) - numbers) ** 2) / numbers.var()
    assert regressor.loss_ == pytest.approx(half, rel=0.05)


def test_verbose_draws_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = rising_or_falling()
    EpropClassifier(**SMALL, verbose=True).fit(X, y)
    assert "training" in capsys.readouterr().err


@pytest.mark.parametrize("optimizer", ["sgd", "auto", "momentum", "adamw"])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_optimizers_and_schedules(optimizer: str, schedule: str) -> None:
    X, y = rising_or_falling()
    model = EpropClassifier(**{**SMALL, "max_iter": 30}, optimizer=optimizer, schedule=schedule).fit(X, y)
    assert model.loss_ < model.loss_curve_[0]


# With scikit-learn's tools


def test_search_and_pipeline() -> None:
    X, y = steps_with_labels()
    X, y = X, y[:, -1]
    pipe = make_pipeline(FunctionTransformer(np.tanh), EpropClassifier(**SMALL))
    search = GridSearchCV(pipe, {"epropclassifier__n_neurons": [5, 20]}, cv=2).fit(X, y)
    assert set(search.best_params_.values()) <= {5, 20}
    assert cross_val_score(EpropClassifier(**SMALL), *rising_or_falling(), cv=3).mean() > 0.8


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_backends_of_joblib_agree(backend: str) -> None:
    from joblib import parallel_backend

    X, y = rising_or_falling(30)
    alone = cross_val_score(EpropClassifier(**SMALL), X, y, cv=2)
    with warnings.catch_warnings(), parallel_backend(backend, n_jobs=2):
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
        np.testing.assert_array_equal(cross_val_score(EpropClassifier(**SMALL), X, y, cv=2, n_jobs=2), alone)


def test_pickles_answer_and_go_on_alike() -> None:
    X, y = rising_or_falling()
    model = EpropClassifier(**SMALL).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.decision_function(X), model.decision_function(X))
    assert copy.partial_fit(X, y).trainer_.state_equal(model.partial_fit(X, y).trainer_)


def test_import_of_eprop_asks_for_no_extra() -> None:
    code = "import sys, eprop; sys.exit(any(m in sys.modules for m in ('sklearn', 'scipy', 'matplotlib', 'tqdm')))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import eprop.sklearn"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (
        'ImportError: eprop.sklearn needs scikit-learn, which is not installed: pip install "eprop[sklearn]"'
        in (done.stderr)
    )


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_neurons": 0}, ValueError, "n_neurons: expected a size of at least 1"),
        ({"max_iter": 0}, ValueError, "max_iter: expected at least 1, got 0"),
        ({"max_iter": 2.5}, TypeError, "max_iter: expected an int"),
        ({"noise": -1.0}, ValueError, "noise: expected a finite number >= 0"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction: expected a number between 0 and 1"),
        ({"schedule": "sine"}, ValueError, 'schedule: expected "cosine", "constant" or a function'),
        ({"firing_rate": 0.0}, ValueError, 'firing_rate: expected "auto" or Hz > 0'),
        ({"callbacks": print}, TypeError, "callbacks: expected None or a list"),
        ({"optimizer": "adamant"}, ValueError, "optimizer"),
        ({"trainer_options": 5}, TypeError, "trainer_options: expected None or a dict"),
        ({"trainer_options": {"delay": 0}}, ValueError, "delay"),
        (
            {"trainer_options": {"lr": 0.1}},
            ValueError,
            "trainer_options: expected fields that are no parameter of EpropClassifier, got 'lr'",
        ),
        ({"trainer_options": {"n_inputs": 3}}, ValueError, "trainer_options: .* got 'n_inputs'"),
        ({"trainer_options": {"loss": "mse"}}, ValueError, "trainer_options: .* choose itself, got 'loss'"),
        ({"n_features": 3.0}, TypeError, "n_features: expected an int, got 3.0"),
        ({"n_threads": 0}, ValueError, "n_threads: expected a size of at least 1"),
        ({"class_weight": {"up": -1.0}}, ValueError, r"class_weight\['up'\]: expected a finite number >= 0"),
        (
            {"class_weight": {"up": np.nan}},
            ValueError,
            r"class_weight\['up'\]: expected a finite number >= 0",
        ),
        ({"class_weight": "fair"}, ValueError, "class_weight: expected None"),
    ],
)
def test_parameters_are_named(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    X, y = rising_or_falling(10)
    with pytest.raises(error, match=message):
        EpropClassifier(**{**SMALL, **parameters}).fit(X, y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((4, 5, 2), np.nan), "X: expected finite numbers"),
        ([np.zeros((5, 2)), np.zeros((5, 3))], r"X\[0\]: .*shape \(T, 3\), got \(5, 2\)"),
        (np.zeros((4, 0, 2)), "X: expected at least one sequence, step and feature"),
        ([(np.array([0]), np.array([1]))] * 4, r"X\[0\]: .*times, units, n_steps"),
    ],
    ids=["nan", "features", "no-steps", "events-without-steps"],
)
def test_sequences_are_checked(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EpropClassifier(**SMALL).fit(X, [0, 1] * (len(X) // 2))


@pytest.mark.parametrize(
    ("parameters", "y"),
    [
        ({}, ["up"] * 9),
        ({"trainer_options": {"delay": 0}}, ["up"] * 10),
        ({"class_weight": {"up": -1.0}}, ["up"] * 10),
        ({"n_threads": 0}, ["up"] * 10),
    ],
    ids=["y", "trainer", "class_weight", "n_threads"],
)
def test_a_refused_fit_changes_nothing(parameters: dict[str, Any], y: list[str]) -> None:
    X, labels = rising_or_falling()
    model = EpropClassifier(**SMALL).fit(X, labels)
    before = model.decision_function(X)
    wider = [np.hstack([x, x]) for x in X[:10]]
    with pytest.raises(ValueError, match=r"delay|samples|class_weight|n_threads"):
        model.set_params(**parameters).fit(wider, y)
    model.set_params(**{"n_threads": 1, "class_weight": None})
    assert model.n_features_in_ == 2 and model.classes_.tolist() == ["down", "up"]
    np.testing.assert_array_equal(model.decision_function(X), before)


def test_a_refused_first_partial_fit_leaves_no_classes_behind() -> None:
    X, labels = rising_or_falling(10)
    model = EpropClassifier(**SMALL)
    with pytest.raises(ValueError, match="samples"):
        model.partial_fit(X, labels[:9], classes=["down", "up", "level"])
    assert not hasattr(model, "classes_")
    assert model.partial_fit(X, labels, classes=["down", "up"]).classes_.tolist() == ["down", "up"]


def test_a_fit_that_is_interrupted_before_it_learns_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels = rising_or_falling()
    model = EpropClassifier(**SMALL).fit(X, labels)
    before = model.decision_function(X)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eprop.sklearn._base.calibrate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit([np.hstack([x, x]) for x in X], labels)
    np.testing.assert_array_equal(model.decision_function(X), before)


@pytest.mark.parametrize("masked", ["X", "rows", "y", "sample_weight"])
def test_masked_numbers_are_not_learned(masked: str) -> None:
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {"X": rng.random((8, 5, 2)), "y": [0, 1] * 4, "sample_weight": np.ones(8)}
    if masked == "rows":
        given["X"] = given["X"][:, 0]
    name = "X" if masked == "rows" else masked
    given[name] = np.ma.masked_greater(given[name], 0.5)
    with pytest.raises(TypeError, match=f"{name}: expected an array without masked elements"):
        EpropClassifier(**SMALL).fit(**given)


def test_numbers_whose_variance_is_infinite_are_refused_and_change_nothing() -> None:
    """Their scale would be 0: what was learned would not depend on them."""
    X = np.random.default_rng(0).random((20, 3))
    with pytest.raises(ValueError, match="X: expected numbers with a finite variance"):
        EpropRegressor(**SMALL).fit(1e300 * X, X[:, 0])
    with pytest.raises(ValueError, match="y: expected numbers with a finite variance"):
        EpropRegressor(**SMALL).fit(X, 1e300 * X[:, 0])
    model = EpropRegressor(**SMALL).fit(X, X[:, 0])
    before = model.predict(X)
    with pytest.raises(ValueError, match="finite variance"):
        model.partial_fit(1e300 * X, X[:, 0])
    np.testing.assert_array_equal(model.predict(X), before)


def test_negative_weights_are_refused() -> None:
    X, y = rising_or_falling(4)
    with pytest.raises(ValueError, match=r"sample_weight: expected numbers >= 0, got -2.0"):
        EpropClassifier(**SMALL).fit(X, y, sample_weight=[1.0, -2.0, 1.0, 1.0])


def test_what_was_fitted_is_asked_for() -> None:
    X, y = rising_or_falling()
    model = EpropClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"X: expected sequences, .* as in fit, got rows"):
        model.predict(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"X: expected shape \(n, T, 2\), as in fit"):
        model.predict(np.zeros((3, 5, 4)))
