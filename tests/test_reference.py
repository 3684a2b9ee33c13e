"""The package against the literal NumPy reference, float64 to 1e-10, and float32 to 1e-4.

Two halves per example: a stream of steps, then whole calls that go on or start anew.
"""

import numpy as np
import pytest
from cases import Tally, eprop_cases, layer_cases, long_eprop_cases, stack_cases
from helpers import assert_close, dense
from hypothesis import given, settings

TOLERANCE = 1e-10
LAST_BITS = 1e-14
MARGIN = 1e-9

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def compare_stream(case, trainer, reference):
    """First half: step by step. Returns the reference's spikes."""
    T, spikes = case.T, []
    pairs = [
        (x, y if m else None)
        for x, y, m in zip(case.inputs[:T], case.targets[:T], case.mask[:T], strict=True)
    ]
    got = list(trainer.train_stream(pairs))
    expected = [reference.step(x, y) for x, y in pairs]
    if reference.margin < MARGIN:
        return None
    for here, there in zip(got, expected, strict=True):
        assert here.keys() == there.keys()
        assert np.array_equal(here["spikes"], there["spikes"])
        spikes.append(there["spikes"])
    outputs = [[step["output"] for step in run] for run in (got, expected)]
    assert_close(*outputs, TOLERANCE, "output")
    losses = [[step.get("loss", 0.0) for step in run] for run in (got, expected)]
    assert_close(*losses, TOLERANCE, "loss")
    return spikes


def compare_sequences(case, trainer, reference):
    """Second half: train_sequence that goes on, predict, train_sequence from silence, update.

    Then the same in the middle of a block: predict, learn on, reset, learn.
    """
    T, (x, y, mask) = case.T, (case.inputs, case.targets, case.mask)
    cut = T + T // 2
    runs = []
    for model, extra in ((trainer, {"return_outputs": True}), (reference, {})):
        first = (
            model.train_sequence(x[T:cut], y[T:cut], mask=mask[T:cut], reset=False, **extra)
            if cut > T
            else (0.0, np.zeros((0, y.shape[1])))
        )
        extra_predict = {"return_spikes": True} if extra else {}
        predicted = model.predict_sequence(x[cut:], reset=False, **extra_predict)
        second = model.train_sequence(x[cut:], y[cut:], mask=mask[cut:], **extra)
        model.step(x[0], y[0])
        model.update()
        gradients = model.gradients(x[:T], y[:T], mask=mask[:T])
        rest = [model.predict_sequence(x[: T // 3 + 1], reset=False, **extra_predict)]
        rest.append(model.train_sequence(x[:T], y[:T], mask=mask[:T], reset=False, **extra)[::-1])
        model.reset()
        rest.append(model.train_sequence(x[:17], y[:17], reset=False, **extra)[::-1])
        runs.append((first, predicted, second, gradients, rest))
    if reference.margin < MARGIN:
        return False
    (first, predicted, second, gradients, rest), expected = runs
    assert np.array_equal(predicted[1], expected[1][1])
    assert_close(predicted[0], expected[1][0], TOLERANCE, "predicted output")
    for got, there in ((first, expected[0]), (second, expected[2])):
        assert np.isnan(got[0]) == np.isnan(there[0])
        assert np.isnan(there[0]) or got[0] == pytest.approx(there[0], rel=TOLERANCE)
        assert_close(got[1], there[1], TOLERANCE, "output")
    compare_gradients(gradients, expected[3], reference.products)
    for (outputs, _), (there, _) in zip(rest, expected[4], strict=True):
        assert_close(outputs, there, TOLERANCE, "output after a prediction or a reset")
    return True


def compare_gradients(got, expected, products):
    """To `TOLERANCE` of the largest entry, or to the last bits of what the factors round at.

    A gradient in factors is `H + zt V`, and a source that fires after the last error has H = -zt V: the reference,
    which adds up products that are 0, has 0 there, and the package the rounding of one product. Where that is the whole
    matrix there is no largest entry to measure it by. So each matrix has a floor: `LAST_BITS` of the largest
    product of factors that the run has seen, 10,000 times below what `TOLERANCE` would make of it.
    """
    assert got.keys() | {"n_targets", "n_streams"} == expected.keys()
    for name, array in expected.items():
        if name in ("n_targets", "n_streams"):  # tests/test_lengths.py
            continue
        parts = zip(got[name], array, products[name], strict=True) if name == "W" else None
        for here, there, product in parts or [(got[name], array, products.get(name, 0.0))]:
            floor = LAST_BITS * product
            if np.abs(here - there).max() > floor:
                assert_close(here, there, TOLERANCE, f"gradient of {name}")


def run_case(case, trainer, reference, compare_state, tally):
    spikes = compare_stream(case, trainer, reference)
    if spikes is None or not compare_sequences(case, trainer, reference):
        tally.discarded += 1
        return
    compare_state(trainer, reference)
    tally.add(spikes, trainer)


def compare_eprop_state(trainer, reference):
    i = trainer.n_inputs
    expected = {
        "W_in": reference.W[:, :i],
        "W_rec": reference.W[:, i:],
        "W_out": reference.W_out,
        "b": reference.b,
        "B": reference.B,
        "v": reference.neuron.v,
        "spikes": reference.spikes,
        "output": reference.y,
        "z_bar": reference.z_bar,
        "e_bar": reference.e_bar,
        "psi": reference.neuron.psi,
        "L": reference.L,
    }
    for name, array in expected.items():
        assert_close(getattr(trainer, name), array, TOLERANCE, name)


def compare_layer_state(layer, reference):
    assert_close(layer.W, reference.W, TOLERANCE, "W")
    assert_close(layer.v, reference.neuron.v, TOLERANCE, "v")
    assert_close(layer.psi, reference.neuron.psi, TOLERANCE, "psi")
    assert_close(layer.z_bar, reference.z_bar, TOLERANCE, "z_bar")
    assert np.array_equal(layer.spikes, reference.neuron.z)


def compare_stack_state(trainer, reference):
    for layer, there in zip(trainer.layers, reference.layers, strict=True):
        compare_layer_state(layer, there)
    assert np.array_equal(trainer.output, reference.spikes)


def test_eprop_trainer():
    tally = Tally()

    @settings(max_examples=400)
    @given(eprop_cases())
    def check(case):
        run_case(case, *case.eprop(), compare_eprop_state, tally)

    check()
    tally.check()
    few, many = (
        tally.engines.get("textbook", 0),
        [tally.engines.get(engine, 0) for engine in ("factored", "block")],
    )
    assert few > 0 and min(many) >= 60, tally.engines


def test_eprop_trainer_beyond_a_block():
    tally = Tally()

    @settings(max_examples=12)
    @given(long_eprop_cases())
    def check(case):
        run_case(case, *case.eprop(), compare_eprop_state, tally)

    check()
    tally.check()


def test_online_trainer():
    tally = Tally()

    @settings(max_examples=250)
    @given(stack_cases())
    def check(case):
        run_case(case, *case.stack(), compare_stack_state, tally)

    check()
    tally.check(spiking=0.6)  # the tally looks at the last layer only


def test_online_lif_layer():
    tally = Tally()

    @settings(max_examples=250)
    @given(layer_cases())
    def check(case):
        layer, reference = case.layer()
        spikes, downwards = [], []
        for x, signal in zip(case.inputs, case.targets, strict=True):
            here, there = layer.step(x), reference.step(x)
            spikes.append((here, there))
            downwards.append((layer.propagate(signal), reference.propagate(signal)))
            layer.apply_learning_signal(signal)
            reference.apply_learning_signal(signal)
        if reference.neuron.margin < MARGIN:
            tally.discarded += 1
            return
        assert all(np.array_equal(here, there) for here, there in spikes)
        assert_close(*zip(*downwards, strict=True), TOLERANCE, "propagate")
        compare_layer_state(layer, reference)
        tally.add([there for _, there in spikes])

    check()
    tally.check()


def run_in(dtype, case, kind):
    """Spikes, outputs and final weights of the case's stream in one width."""
    trainer, _ = getattr(case, kind)(dtype)
    steps = list(
        trainer.train_stream(
            (x, y if m else None) for x, y, m in zip(case.inputs, case.targets, case.mask, strict=True)
        )
    )
    trainer.update()
    if kind == "eprop":
        weights = [trainer.W_in, trainer.W_rec, trainer.W_out, trainer.b]
    else:
        weights = [layer.W for layer in trainer.layers]
    return [s["spikes"] for s in steps], [s["output"] for s in steps], weights


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_float32_follows_float64(kind):
    """To 1e-4 where no spike flips, and few networks flip one.

    At a tenth of the other tests' learning rate, where learning itself does not magnify a rounding error.
    """
    counts = {"same": 0, "flipped": 0}

    @settings(max_examples=100)
    @given(eprop_cases() if kind == "eprop" else stack_cases())
    def check(case):
        case.options["lr"] *= 0.1
        spikes, outputs, weights = run_in("float64", case, kind)
        spikes32, outputs32, weights32 = run_in("float32", case, kind)
        if not np.array_equal(spikes, spikes32):
            counts["flipped"] += 1
            return
        counts["same"] += 1
        assert_close(outputs32, outputs, 1e-4, "output")
        for W32, W in zip(weights32, weights, strict=True):
            assert_close(W32, dense(W), 1e-4, "weights")

    check()
    assert counts["flipped"] <= 0.2 * sum(counts.values()), counts
