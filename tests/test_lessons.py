"""What a step is taught: weights of the loss and integer labels, in every call of both trainers."""

import numpy as np
import pytest
from autodiff import eprop_gradients, stack_gradients
from helpers import assert_close, assert_same_bits, snapshot
from scipy import sparse
from streams import (
    EVERY,
    KINDS,
    LENGTHS,
    REDUCTIONS,
    B,
    T,
    assert_parameters,
    build,
    build_reference,
    data,
    flat,
    moved,
    parameters_of,
    parameters_of_reference,
    weights_of,
)

import eprop

TOLERANCE = 1e-10
OPTIMIZERS = ("plain", "sgd")

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def lessons(n_outputs=2, seed=3):
    """Weights (B, T), some of them 0, and labels (B, T), some of them -1."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 5, size=(B, T)) * 0.375
    return weights, rng.integers(-1, n_outputs, size=(B, T))


def one_hot(labels, n_outputs=2):
    """Rows, and where there are any."""
    return np.eye(n_outputs)[np.maximum(labels, 0)], labels >= 0


def each_call(trainer, x, y, mask=None, **weights):
    """All that learns or judges, and what comes of it."""
    judged = trainer.evaluate(x, y, mask=mask, **weights)
    gradients = trainer.gradients(x, y, mask=mask, lengths=LENGTHS, **weights)
    trained = trainer.train_sequence(x, y, mask=mask, lengths=LENGTHS, return_outputs=True, **weights)
    further = trainer.train_sequence(x, y, mask=mask, reset=False, **weights)
    losses = (judged[0], gradients["loss"], trained[0], further)
    return losses, judged[1], trained[1], gradients["n_targets"], flat(gradients), snapshot(trainer)


def assert_same(got, expected):
    assert got[0] == expected[0] and got[3] == expected[3]
    for here, there in zip(got[1:3], expected[1:3], strict=True):
        assert here.tobytes() == there.tobytes()
    assert_same_bits(got[4], expected[4], "gradient")
    assert_same_bits(got[5], expected[5], "state")


class TestWeights:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("update_every", EVERY)
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("n_streams", [1, B])
    def test_the_reference(self, kind, update_every, optimizer, reduction, n_streams):
        options = {"update_every": update_every, "optimizer": optimizer, "reduction": reduction}
        trainer, model = build(kind, n_streams, **options), build_reference(kind, n_streams, **options)
        before = parameters_of(trainer)
        x, y, mask = (a[:n_streams] for a in data())
        weights = lessons()[0][:n_streams]
        for reset in (True, False):
            got = trainer.train_sequence(x, y, mask=mask, weights=weights, reset=reset, return_outputs=True)
            expected = model.train_sequence(x, y, mask=mask, weights=weights, reset=reset)
            assert got[0] == pytest.approx(expected[0], rel=TOLERANCE)
            assert_close(got[1], expected[1], TOLERANCE, "outputs")
        assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
        moved(trainer, before)
        gradients = trainer.gradients(x, y, mask=mask, weights=weights)
        of_model = model.gradients(x, y, mask=mask, weights=weights)
        assert gradients["loss"] == pytest.approx(of_model["loss"], rel=TOLERANCE)
        assert gradients["n_targets"] == of_model["n_targets"]
        for name, g in flat(of_model).items():
            assert_close(flat(gradients)[name], g, TOLERANCE, name)

    @pytest.mark.parametrize("update_every", [1, "sequence"])
    @pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
    def test_automatic_differentiation(self, update_every, loss):
        x, y, _ = data(1)
        y = np.abs(y) / np.abs(y).sum(-1, keepdims=True)
        weights = lessons()[0][0]
        constants = {"c_reg": 0.0, "loss": loss}
        trainer = build("eprop", 1, update_every=update_every, **constants)
        W_in, W_rec, W_out, b, _ = weights_of("eprop")
        expected = eprop_gradients((W_in, W_rec, W_out, b), x[0], y[0], mask=weights, loss=loss)
        got = trainer.gradients(x[0], y[0], weights=weights)
        stack = build("stack", 1, update_every=update_every, loss=loss)
        of_stack = stack_gradients(weights_of("stack"), x[0], y[0], mask=weights, loss=loss)
        for here, there in ((got, expected), (stack.gradients(x[0], y[0], weights=weights), of_stack)):
            assert here["loss"] == pytest.approx(there["loss"], rel=1e-9)
            for name, g in flat(there).items():
                assert_close(flat(here)[name], g, 1e-9, name)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("update_every", EVERY)
    def test_bits(self, kind, update_every):
        """Weights of 1 are none, weights of 0 are a mask, and the cut of the stream says nothing."""
        x, y, mask = data()
        make = lambda: build(kind, update_every=update_every)  # noqa: E731
        assert_same(each_call(make(), x, y, weights=np.ones(T, int)), each_call(make(), x, y))
        hidden = np.where(mask[..., None], y, np.nan)
        assert_same(
            each_call(make(), x, hidden, weights=np.float32(mask)), each_call(make(), x, hidden, mask=mask)
        )
        weights, _ = lessons()
        whole, steps, stream = make(), make(), build(kind, 1, update_every=update_every)
        whole.train_sequence(x, y, weights=weights, reset=False)
        for t in range(T):
            steps.step(x[:, t], y[:, t], weight=weights[:, t])
        assert_same_bits(snapshot(steps), snapshot(whole))
        single = build(kind, 1, update_every=update_every)
        got = list(stream.train_stream(zip(x[0], y[0], weights[0], strict=True)))
        for a, b in ((0, 7), (7, 8), (8, T)):
            single.train_sequence(x[0, a:b], y[0, a:b], weights=weights[0, a:b], reset=False)
        assert_same_bits(snapshot(stream), snapshot(single))
        assert [("loss" in step) for step in got] == list(weights[0] > 0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_weight_scales_the_loss_and_the_gradient(self, kind):
        x, y, _ = data()
        plain = {} if kind == "stack" else {"c_reg": 0.0}
        trainer = build(kind, update_every="sequence", **plain)
        once, twice = (trainer.gradients(x, y, weights=np.full(T, w)) for w in (1.0, 2.0))
        assert twice["loss"] == 2 * once["loss"] and twice["n_targets"] == once["n_targets"]
        for name, g in flat(once).items():
            assert_close(flat(twice)[name], 2 * g, 1e-12, name)
        step = trainer.step(x[:, 0], y[:, 0], weight=0.5)
        other = build(kind, update_every="sequence", **plain).step(x[:, 0], y[:, 0])
        assert step["loss"] == 0.5 * other["loss"]
        assert "loss" not in trainer.step(x[:, 0], y[:, 0] * np.nan, weight=0)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (
                lambda t, x, y: t.train_sequence(x, y, weights=[1.0]),
                r"weights: expected shape \(60,\), got \(1,\)",
            ),
            (lambda t, x, y: t.evaluate(x, weights=np.ones(T)), "weights: expected together with targets"),
            (
                lambda t, x, y: t.step(x[0], y[0], weight=-1),
                "weight: expected a finite number of at least 0, got -1",
            ),
            (
                lambda t, x, y: t.step(x[0], y[0], weight=[1, 2]),
                r"weight: expected a number, got shape \(2,\)",
            ),
            (
                lambda t, x, y: t.step(x[0], y[0], weight=np.nan),
                "weight: expected a finite number of at least 0",
            ),
        ],
    )
    def test_refusals_change_nothing(self, call, message):
        x, y, _ = data(1)
        trainer = build("eprop", 1)
        before = snapshot(trainer)
        with pytest.raises(ValueError, match=message):
            call(trainer, x[0], y[0])
        for name in ("train_sequence", "evaluate", "gradients"):
            weights = np.ones(T)
            weights[41] = -0.5
            with pytest.raises(
                ValueError, match=r"weights: expected a finite number of at least 0, got -0\.5 at step 41"
            ):
                getattr(trainer, name)(x[0], y[0], weights=weights)
        assert_same_bits(snapshot(trainer), before)

    def test_refusals_of_a_batch(self):
        x, y, _ = data()
        trainer = build("eprop")
        weights = np.ones((B, T))
        weights[3, 2] = np.inf
        with pytest.raises(ValueError, match=r"weights: .* got inf at step 2 in stream 3"):
            trainer.train_sequence(x, y, weights=weights)
        with pytest.raises(ValueError, match=r"weights: expected shape \(5, 60\) or \(60,\), got \(60, 5\)"):
            trainer.train_sequence(x, y, weights=weights.T)
        with pytest.raises(
            ValueError, match=r"weight: expected a number or an array \(5,\), got shape \(4,\)"
        ):
            trainer.step(x[:, 0], y[:, 0], weight=np.ones(4))
        with pytest.raises(TypeError, match="weights: expected an array of real numbers"):
            trainer.train_sequence(x, y, weights="heavy")


class TestLabels:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
    @pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", ">i4", "uint64"])
    def test_are_rows_with_a_one(self, kind, loss, dtype):
        x, _, mask = data()
        labels = lessons()[1]
        labels = np.abs(labels) if "u" in dtype else labels
        rows, has_label = one_hot(labels)
        make = lambda: build(kind, loss=loss, update_every=7)  # noqa: E731
        given = labels.astype(dtype)
        assert_same(each_call(make(), x, given), each_call(make(), x, rows, has_label))
        assert_same(each_call(make(), x, given, mask), each_call(make(), x, rows, has_label & mask))
        alone = build(kind, 1, loss=loss, update_every=7)
        twin = build(kind, 1, loss=loss, update_every=7)
        first = alone.train_sequence(x[0], list(labels[0]))
        assert first == twin.train_sequence(x[0], rows[0], mask=has_label[0])
        got = alone.train_stream(zip(x[0], given[0], strict=True))
        expected = twin.train_stream(
            (a, b if m else None) for a, b, m in zip(x[0], rows[0], has_label[0], strict=True)
        )
        assert [step.get("loss") for step in got] == [step.get("loss") for step in expected]
        assert_same_bits(snapshot(alone), snapshot(twin))
        batch, other = make(), make()
        for t in range(9):
            batch.step(x[:, t], given[:, t])
            masked = np.float64(has_label[:, t])
            other.step(x[:, t], rows[:, t], weight=masked)
        assert_same_bits(snapshot(batch), snapshot(other))

    def test_of_whole_sequences(self):
        x, _, mask = data()
        labels = np.array([1, 0, -1, 1, 0])
        of_steps = np.tile(labels[:, None], T)
        make = lambda: build("eprop", update_every="sequence")  # noqa: E731
        assert_same(each_call(make(), x, labels, mask), each_call(make(), x, of_steps, mask))
        one, other = build("eprop", 1), build("eprop", 1)
        assert one.train_sequence(x[0], 1, mask=mask[0]) == other.train_sequence(
            x[0], np.tile([0.0, 1.0], (T, 1)), mask=mask[0]
        )
        assert np.isnan(one.train_sequence(x[0], -1))

    def test_of_events_and_lists(self):
        x, _, _ = data(3)
        x = (x > 0).astype(float)
        cut = [x[0], x[1, :20], x[2, :1]]
        events = [(*np.nonzero(rows), len(rows)) for rows in cut]
        labels = [lessons()[1][b, : len(rows)] for b, rows in enumerate(cut)]
        padded = np.zeros((3, T), int)
        for b, row in enumerate(labels):
            padded[b, : len(row)] = row
        expected = build("eprop").train_sequence(x, padded, lengths=[60, 20, 1])
        for inputs in (cut, events, [sparse.csr_array(rows) for rows in cut]):
            assert build("eprop").train_sequence(inputs, labels) == expected
            assert build("eprop").train_sequence(inputs, padded) == expected
        pairs = [pair[:2] for pair in events]
        assert build("eprop").train_sequence(pairs, labels) == expected
        whole = build("eprop").train_sequence(cut, [1, 0, 1])
        assert whole == build("eprop").train_sequence(events, [1, 0, 1])
        assert whole == build("eprop").train_sequence(x, np.tile([[1], [0], [1]], T), lengths=[60, 20, 1])
        single = build("eprop").train_sequence(x[0], labels[0])
        assert single == build("eprop").train_sequence(pairs[0], labels[0])
        assert build("eprop").train_sequence(events[0], 1) == build("eprop").train_sequence(x[0], 1)

    def test_integers_with_an_axis_of_outputs_are_values(self):
        x, _, _ = data(2)
        values = np.arange(2 * T).reshape(2, T, 1)
        make = lambda: eprop.EpropTrainer(7, 5, 1, batch_size=2, seed=1)  # noqa: E731
        assert make().train_sequence(x, values) == make().train_sequence(x, values.astype(float))
        assert make().train_sequence(x[0], values[1]) == make().train_sequence(x[0], values[1].astype(float))
        assert make().step(x[0, 0], [3])["loss"] == make().step(x[0, 0], [3.0])["loss"]

    def test_a_masked_label_is_not_read(self):
        x, _, mask = data()
        labels = np.where(mask, np.maximum(lessons()[1], 0), 99)
        expected = build("eprop").train_sequence(x, np.where(mask, labels, 0), mask=mask)
        assert build("eprop").train_sequence(x, labels, mask=mask) == expected

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (
                lambda t, x: t.train_sequence(x, [0] * 59 + [2]),
                "targets: expected labels of 0 to 1, or -1 for none, got 2 at step 59",
            ),
            (
                lambda t, x: t.evaluate(x, -2),
                "targets: expected labels of 0 to 1, or -1 for none, got -2 at step 0",
            ),
            (
                lambda t, x: t.gradients(x, np.uint64(2**64 - 1)),
                "targets: expected labels of 0 to 1, .* got 9223372036854775807",
            ),
            (lambda t, x: t.step(x[0], 2), "target: expected labels of 0 to 1, or -1 for none, got 2"),
            (lambda t, x: t.step(x[0], 0.0), r"target: expected shape \(2,\), got \(\)"),
            (lambda t, x: t.step(x[0], True), r"target: expected shape \(2,\), got \(\)"),
            (
                lambda t, x: t.train_sequence(x, np.zeros(T)),
                r"targets: expected shape \(60, 2\), got \(60,\); labels, one for each step, are integers",
            ),
            (lambda t, x: t.train_sequence(x, np.zeros(T, bool)), "labels, one for each step, are integers"),
            (lambda t, x: t.train_sequence(x, [0, 1]), r"targets: expected shape \(60, 2\), got \(2,\)"),
        ],
    )
    def test_refusals_change_nothing(self, call, message):
        x, _, _ = data(1)
        trainer = build("eprop", 1)
        before = snapshot(trainer)
        with pytest.raises(ValueError, match=message):
            call(trainer, x[0])
        assert_same_bits(snapshot(trainer), before)

    def test_refusals_of_a_batch(self):
        x, _, _ = data()
        trainer = build("eprop")
        with pytest.raises(
            ValueError, match=r"targets\[3\]: expected labels of 0 to 1, or -1 for none, got 7 at step 0"
        ):
            trainer.train_sequence(x, [0, 0, 0, 7, 0])
        with pytest.raises(ValueError, match=r"targets: expected shape \(5,\) for labels of whole sequences"):
            trainer.train_sequence(x, [0, 0])
        with pytest.raises(
            ValueError, match="target: expected labels of 0 to 1, or -1 for none, got 7 in stream 1"
        ):
            trainer.step(x[:, 0], [0, 7, 0, 0, 0])
        assert eprop.EpropTrainer(7, 3, 1).step(x[0, 0], 0)["loss"] >= 0
        with pytest.raises(ValueError, match="target: expected the label 0, or -1 for none, got 1"):
            eprop.EpropTrainer(7, 3, 1).step(x[0, 0], 1)
