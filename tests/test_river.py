"""The estimators of streams: river's own checks, and what is beyond them: the state, features that come, new labels."""

import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from river import checks, datasets, evaluate, metrics

from eprop.river import EpropClassifier, EpropRegressor

MODELS = [EpropClassifier, EpropRegressor]


def river_checks() -> list[Any]:
    """Of both estimators, all that river has for them; none is left out."""
    cases = []
    for cls in MODELS:
        model = cls(n_neurons=8, seed=1)
        for k, check in enumerate(checks.yield_checks(model)):
            cases.append(pytest.param(model, check, id=f"{cls.__name__}-{check.__name__}-{k}"))
    return cases


# A network of 8 neurons may fall silent in a stream that the check has made of other features.
@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
@pytest.mark.parametrize(("model", "check"), river_checks())
def test_rivers_checks(model: Any, check: Callable[[Any], None]) -> None:
    check(model.clone())


def stream(n: int, seed: int = 0) -> list[tuple[dict[str, float], bool]]:
    """Two features, of which one, in other units, says the label."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 2))
    return [({"price": 500.0 + 40.0 * a, "noise": b}, bool(a > 0)) for a, b in rows.tolist()]


def test_a_look_ahead_is_what_learning_would_see() -> None:
    """The answer before learning is the output at which the error of the same sample is taken: to the bit."""
    model = EpropClassifier(n_neurons=16, seed=0)
    for x, y in stream(50):
        model.learn_one(x, y)
    x, _ = stream(51)[50]
    before = pickle.dumps(model)
    seen = [model._answer(other) for other in (x, stream(52)[51][0], x)]
    np.testing.assert_array_equal(seen[0], seen[2])
    assert not np.array_equal(seen[0], seen[1])
    assert pickle.dumps(model) == before
    outputs = model.trainer.predict_sequence(model._shown(model._read(x), model.trainer), reset=False)
    np.testing.assert_array_equal(seen[0], outputs[-1].astype(float))


def test_looking_changes_nothing_that_is_learned() -> None:
    asked, silent = EpropClassifier(n_neurons=16, seed=0), EpropClassifier(n_neurons=16, seed=0)
    for x, y in stream(60):
        asked.predict_one(x)
        asked.predict_proba_one({"price": -1.0})
        asked.learn_one(x, y)
        silent.learn_one(x, y)
    assert asked.trainer.state_equal(silent.trainer)


def test_state_is_carried() -> None:
    """The label is the feature of the sample before, which only a state can tell."""
    bits = np.random.default_rng(0).choice([-1, 1], size=1600).tolist()
    model = EpropClassifier(seed=0)
    pairs = [({"bit": now}, before > 0) for before, now in itertools.pairwise(bits)]
    evaluate.progressive_val_score(pairs[:1200], model, metrics.Accuracy())
    assert evaluate.progressive_val_score(pairs[1200:], model, metrics.Accuracy()).get() > 0.9


def test_labels_and_features_may_be_new_at_any_time() -> None:
    """Where the network grows, what it knew stays known: its weights are copied."""
    model = EpropClassifier(seed=0)
    for x, y in stream(300):
        model.learn_one(x, y)
    before = model.trainer
    W_rec = before.W_rec
    x = {"price": 500.0, "noise": 0.0, "new": 3.0}
    grown = model._with_room(model._read(x), 3)
    assert (grown.n_inputs, grown.n_outputs) == (4, 4)
    np.testing.assert_array_equal(grown.W_rec, W_rec)
    np.testing.assert_array_equal(grown.W_in[:, :2], before.W_in)
    np.testing.assert_array_equal(grown.W_out[:2], before.W_out)
    np.testing.assert_array_equal(grown.b[:2], before.b)
    model.learn_one(x, "a third")
    assert model.classes[2] == "a third" and set(model.predict_proba_one(x)) == set(model.classes)
    late = stream(400, seed=1)[300:]
    assert np.mean([model.predict_one(x) == y for x, y in late]) > 0.85


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
def test_feedback_that_is_no_transpose_is_kept_where_the_network_grows(feedback: str) -> None:
    model = EpropClassifier(n_neurons=8, seed=0, trainer_options={"feedback": feedback})
    for x, y in stream(20):
        model.learn_one(x, y)
    B = model.trainer.B
    grown = model._with_room(model._read({"price": 500.0, "noise": 0.0, "new": 3.0}), 3)
    assert grown.B.shape == (8, 4)
    np.testing.assert_array_equal(grown.B[:, : B.shape[1]], B)


@pytest.mark.parametrize(("name", "value"), [("connect_in", 0.5), ("connect_rec", 0.5), ("sign", np.ones(9))])
def test_synapses_that_are_fixed_are_refused_in_a_network_that_grows(name: str, value: Any) -> None:
    model = EpropClassifier(n_neurons=8, trainer_options={name: value})
    with pytest.raises(ValueError, match=f"trainer_options: expected nothing that fixes .* got '{name}'"):
        model.learn_one({"x": 1.0}, True)
    assert model.trainer is None


def test_a_state_goes_on_after_pickling() -> None:
    model = EpropRegressor(n_neurons=16, seed=0)
    rows = [(x, 3.0 * x["price"]) for x, _ in stream(80)]
    for x, y in rows[:40]:
        model.learn_one(x, y)
    twin = pickle.loads(pickle.dumps(model))
    for x, y in rows[40:]:
        assert model.predict_one(x) == twin.predict_one(x)
        model.learn_one(x, y)
        twin.learn_one(x, y)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_targets_in_any_units(factor: float) -> None:
    """R2 of the second half, in which predictions come before their targets."""
    model, score = EpropRegressor(seed=0), metrics.R2()
    for k, (x, _) in enumerate(stream(1000)):
        y = factor * (x["price"] - 300.0)
        if k > 500:
            score.update(y, model.predict_one(x))
        model.learn_one(x, y)
    assert score.get() > 0.7


@pytest.mark.parametrize(
    ("x", "says"),
    [
        ({"price": "high"}, r"x\['price'\]: expected a number, got 'high'"),
        ({"price": float("nan")}, r"x\['price'\]: expected a finite number"),
        ({"new": 1.0, "price": 1e200}, r"x\['price'\]: expected a finite number"),
    ],
)
def test_what_is_no_number_is_refused_and_changes_nothing(x: dict[str, Any], says: str) -> None:
    for cls, y in ((EpropClassifier, "new"), (EpropRegressor, 1.0)):
        model = cls(n_neurons=8, seed=0)
        for known, label in stream(5):
            model.learn_one(known, float(label))
        before = pickle.dumps(model)
        with pytest.raises(ValueError, match=says):
            model.learn_one(x, y)
        with pytest.raises(ValueError, match=says):
            model.predict_one(x)
        assert pickle.dumps(model) == before


def test_targets_that_are_no_numbers_are_refused() -> None:
    model = EpropRegressor(seed=0)
    with pytest.raises(ValueError, match="y: expected a finite number"):
        model.learn_one({"x": 1.0}, float("inf"))
    assert model.trainer is None


@pytest.mark.parametrize("y", [float("nan"), ["a list"], np.zeros(2)])
def test_labels_that_cannot_be_found_again_are_refused_and_change_nothing(y: Any) -> None:
    """Each NaN would be a class of its own, and there would be room for ever more."""
    model = EpropClassifier(n_neurons=8, seed=0)
    for known, label in stream(5):
        model.learn_one(known, label)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="y: expected a label"):
        model.learn_one({"price": 1.0}, y)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("options", [{"n_neurons": 0}, {"n_steps": 0}, {"firing_rate": 0.0}, {"lr": -1.0}])
def test_parameters_out_of_range_are_named(options: dict[str, Any]) -> None:
    model = EpropClassifier(**options)
    with pytest.raises(ValueError, match=next(iter(options))):
        model.learn_one({"x": 1.0}, True)
    assert model.trainer is None and model.classes == []


def test_images_are_learned_untouched() -> None:
    """Seven classes; the most frequent one is right in a seventh."""
    score = evaluate.progressive_val_score(
        datasets.ImageSegments().take(1000), EpropClassifier(seed=0), metrics.Accuracy()
    )
    assert score.get() > 0.7


def test_river_is_asked_for_only_here() -> None:
    code = "import sys, eprop, eprop._scaling; assert 'river' not in sys.modules and 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_river_the_extra_is_named() -> None:
    code = "import sys; sys.modules['river'] = None; import eprop.river"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "eprop[river]"' in done.stderr


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_every": "sequence"}, 'expected a number as update_every, .* got "sequence"'),
        ({"lr": 0.1}, "no parameter of Eprop.*, got 'lr'; hand it over as lr="),
        ({"tau_mem": 9.0}, "no parameter of Eprop.*, got 'tau_mem'"),
        ({"seed": 1}, "no parameter of Eprop.*, got 'seed'"),
        ({"loss": "mse"}, "does not choose itself, got 'loss'"),
        ({"n_inputs": 3}, "does not choose itself, got 'n_inputs'"),
    ],
)
def test_options_that_an_estimator_chooses_itself_are_refused(
    model: Any, options: dict[str, Any], message: str
) -> None:
    estimator = model(n_neurons=8, trainer_options=options)
    with pytest.raises(ValueError, match=f"trainer_options: .*{message}"):
        estimator.learn_one({"x": 1.0}, True)
    assert estimator.trainer is None


def test_what_is_no_sample_is_named() -> None:
    model = EpropClassifier(n_neurons=8, seed=0)
    with pytest.raises(TypeError, match="x: expected a dict of features by name, got list"):
        model.learn_one([1.0, 2.0], True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"x\['x'\]: expected a finite number"):
        model.learn_one({"x": 10**400}, True)
    with pytest.raises(ValueError, match="y: expected a label, got <NA>"):
        model.learn_one({"x": 1.0}, pytest.importorskip("pandas").NA)
    with pytest.raises(TypeError, match="trainer_options: expected None or a dict"):
        EpropClassifier(trainer_options=5).learn_one({"x": 1.0}, True)  # type: ignore[arg-type]
    for seed, error in ((-1, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="seed: expected"):
            EpropClassifier(seed=seed).learn_one({"x": 1.0}, True)  # type: ignore[arg-type]
    assert model.trainer is None
