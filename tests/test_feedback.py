"""Feedback that learns, learning signals of the user's, and the regulariser of one side."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, snapshot
from streams import (
    EVERY,
    KINDS,
    N_IN,
    OPTIMIZERS,
    REDUCTIONS,
    SIZES,
    B,
    T,
    assert_parameters,
    build,
    build_reference,
    data,
    moved,
    parameters_of,
    parameters_of_reference,
)

import eprop

TOLERANCE = 1e-10
N, N_OUT = SIZES["eprop"][1:]
ADAPTIVE = {"feedback": "adaptive"}

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def adaptive(n_streams=B, **options):
    """A trainer and its reference."""
    options = {**ADAPTIVE, **options}
    trainer, model = build("eprop", n_streams, **options), build_reference("eprop", n_streams, **options)
    return trainer, model


def B_of(model):
    return model.streams[0].B


class TestAdaptive:
    @pytest.mark.parametrize("update_every", EVERY)
    @pytest.mark.parametrize("optimizer", ["plain", "sgd", "adam"])
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("n_streams", [1, B])
    @pytest.mark.parametrize("decay", [0.0, 0.02])
    def test_the_reference(self, update_every, optimizer, reduction, n_streams, decay):
        optimizer = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-2} if optimizer == "adam" else optimizer
        trainer, model = adaptive(
            n_streams,
            update_every=update_every,
            optimizer=optimizer,
            reduction=reduction,
            feedback_decay=decay,
        )
        before, first = parameters_of(trainer), trainer.B
        x, y, mask = (a[:n_streams] for a in data())
        for reset in (True, False):
            trainer.train_sequence(x, y, mask=mask, reset=reset)
            model.train_sequence(x, y, mask=mask, reset=reset)
        gradients = trainer.gradients(x, y, mask=mask)
        for name, g in model.gradients(x, y, mask=mask).items():
            if name.startswith("W"):
                assert_close(gradients[name], g, TOLERANCE, name)
        trainer.apply_gradients(gradients)
        model.apply_gradients(gradients)
        assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
        assert_close(trainer.B, B_of(model), TOLERANCE, "B")
        assert np.abs(trainer.B - first).max() > 1e-6
        moved(trainer, before)

    @pytest.mark.parametrize("update_every", [1, 7, 20, "sequence"])
    @pytest.mark.parametrize(
        "options",
        [
            {"optimizer": OPTIMIZERS["momentum"]},
            {"optimizer": OPTIMIZERS["decay"]},
            {"w_max": 0.4},
            {"clip_norm": 0.1, "w_max": 0.4},
        ],
        ids=str,
    )
    def test_whatever_makes_the_step(self, options, update_every):
        trainer, model = adaptive(2, update_every=update_every, feedback_decay=0.02, lr=1e-3, **options)
        x, y, mask = data(2)
        trainer.train_sequence(x, y, mask=mask)
        model.train_sequence(x, y, mask=mask)
        assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
        assert_close(trainer.B, B_of(model), TOLERANCE, "B")

    @pytest.mark.parametrize("update_every", [1, "sequence"])
    def test_follows_readouts_that_rest_into_their_bound(self, update_every):
        trainer, model = adaptive(2, update_every=update_every, lr_out=0.0, w_max=0.05, feedback_decay=0.02)
        apart = trainer.B - trainer.W_out.T
        x, y, mask = data(2)
        trainer.train_sequence(x, y, mask=mask)
        model.train_sequence(x, y, mask=mask)
        assert np.abs(trainer.W_out).max() == 0.05
        assert_close(trainer.B, B_of(model), TOLERANCE, "B")
        assert_close(trainer.B - trainer.W_out.T, apart, 1e-14, "B - W_out.T")

    def test_takes_the_steps_of_the_readouts(self):
        trainer, _ = adaptive(1, update_every=1)
        apart = trainer.B - trainer.W_out.T
        x, y, _ = data(1)
        trainer.train_sequence(x[0], y[0])
        assert_close(trainer.B - trainer.W_out.T, apart, 1e-14, "B - W_out.T")

    def test_decay_makes_the_two_alike(self):
        trainer, _ = adaptive(1, feedback_decay=0.1)
        apart = np.abs(trainer.B - trainer.W_out.T).max()
        x, y, _ = data(1)
        for t in range(T):
            trainer.step(x[0, t], y[0, t])
        assert_close(np.abs(trainer.B - trainer.W_out.T).max(), apart * 0.9**T, 1e-10)

    def test_what_is_assigned_stays(self):
        trainer, _ = adaptive(1)
        x, y, _ = data(1)
        trainer.train_sequence(x[0], y[0])
        W_out, own = trainer.W_out, np.arange(N * N_OUT).reshape(N, N_OUT) / 7
        trainer.B = own
        assert np.array_equal(trainer.B, own) and np.array_equal(trainer.W_out, W_out)
        trainer.W_out = 3 * W_out
        assert np.array_equal(trainer.B, own) and np.array_equal(trainer.W_out, 3 * W_out)
        apart = own - 3 * W_out.T
        trainer.train_sequence(x[0], y[0])
        assert_close(trainer.B - trainer.W_out.T, apart, 1e-14)

    @pytest.mark.parametrize("update_every", [*EVERY, 20])
    def test_bits(self, update_every):
        options = {"update_every": update_every, "feedback_decay": 0.01}
        whole, cut, steps = (adaptive(1, **options)[0] for _ in range(3))
        x, y, _ = data(1)
        whole.train_sequence(x[0], y[0], reset=False)
        for a, b in ((0, 7), (7, 8), (8, 41), (41, T)):
            cut.train_sequence(x[0, a:b], y[0, a:b], reset=False)
            cut = (copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t)))[a % 2](cut)
        for t in range(T):
            steps.step(x[0, t], y[0, t])
            _ = steps.B, steps.W_out, steps.L
        assert_same_bits(snapshot(cut), snapshot(whole))
        assert_same_bits(snapshot(steps), snapshot(whole))
        assert cut.state_equal(whole)

    def test_nothing_moves_without_a_rate(self):
        trainer, _ = adaptive(1, lr=0.0, feedback_decay=0.1)
        before = snapshot(trainer)
        x, y, _ = data(1)
        trainer.train_sequence(x[0], y[0])
        for name in ("W_out", "B"):
            assert np.array_equal(getattr(trainer, name), before[name])

    def test_float32(self):
        x, y, _ = data(1)
        options = {**ADAPTIVE, "feedback_decay": 0.01}
        narrow, wide = (build("eprop", 1, **options, dtype=d) for d in ("float32", "float64"))
        for trainer in (narrow, wide):
            trainer.train_sequence(x[0], y[0])
        assert_close(narrow.B, wide.B, 1e-4)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"feedback_decay": 0.1}, 'feedback_decay: expected 0 without feedback = "adaptive", got 0.1'),
            ({**ADAPTIVE, "feedback_decay": -0.1}, "feedback_decay: expected a number of 0 to 1, got -0.1"),
            ({**ADAPTIVE, "feedback_decay": 1.5}, "feedback_decay: expected a number of 0 to 1, got 1.5"),
            ({**ADAPTIVE, "feedback_decay": np.nan}, "feedback_decay: expected a number of 0 to 1, got NaN"),
        ],
    )
    def test_refusals(self, options, message):
        with pytest.raises(ValueError, match=message):
            eprop.EpropTrainer(2, 3, 1, **options)


class TestLearningSignal:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("update_every", [*EVERY, 10])
    @pytest.mark.parametrize("optimizer", ["plain", "sgd"])
    @pytest.mark.parametrize("n_streams", [1, B])
    @pytest.mark.parametrize("beta", [0.0, 0.3])
    def test_the_reference(self, kind, update_every, optimizer, n_streams, beta):
        if kind == "stack" and beta:
            pytest.skip("stacks do not adapt here")
        options = {"update_every": update_every, "optimizer": optimizer}
        options |= {"beta": beta} if kind == "eprop" else {}
        trainer, model = build(kind, n_streams, **options), build_reference(kind, n_streams, **options)
        before = parameters_of(trainer)
        x, y, mask = data(n_streams)
        own = np.random.default_rng(2).normal(size=(T, n_streams, N if kind == "eprop" else N_OUT)) / 3
        for t in range(T):
            targets = [y[b, t] if mask[b, t] else None for b in range(n_streams)]
            for_all = y[:, t] if t % 3 else None
            signal = own[t] if t % 2 else None
            if n_streams == 1:
                target = targets[0]
                got = trainer.step(x[0, t], target, learning_signal=None if signal is None else signal[0])
                model.tick([x[0, t]], [target], None, None if signal is None else [signal[0]])
            else:
                got = trainer.step(x[:, t], for_all, learning_signal=signal)
                model.tick(x[:, t], [None] * n_streams if for_all is None else for_all, None, signal)
            assert_close(got["output"], self.output(model, n_streams), TOLERANCE)
            if kind == "eprop":
                L = np.array([stream.L for stream in model.streams])
                assert_close(trainer.L, L if n_streams > 1 else L[0], TOLERANCE, f"L at step {t}")
        trainer.update()
        model.update()
        assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
        moved(trainer, before)

    def output(self, model, n_streams):
        rows = [stream.y if hasattr(stream, "y") else stream.spikes for stream in model.streams]
        return np.array(rows) if n_streams > 1 else rows[0]

    def test_what_b_err_would_be_is_no_change(self):
        x, y, _ = data(1)
        for update_every in EVERY:
            one, other = (build("eprop", 1, update_every=update_every) for _ in range(2))
            for t in range(T):
                before = one.B
                one.step(x[0, t], y[0, t])
                err = one.output - y[0, t]
                other.step(x[0, t], y[0, t], learning_signal=before @ err)
            one.update()
            other.update()
            assert_parameters(other, parameters_of(one), 1e-9)

    def test_readouts_rest_without_a_target(self):
        x, _, _ = data(1)
        for update_every in EVERY:
            trainer = build("eprop", 1, update_every=update_every)
            before = parameters_of(trainer)
            for t in range(T):
                assert "loss" not in trainer.step(x[0, t], learning_signal=np.ones(N))
            trainer.update()
            after = parameters_of(trainer)
            assert np.array_equal(after["W_out"], before["W_out"])
            assert np.array_equal(after["b"], before["b"])
            assert np.abs(after["W_in"] - before["W_in"]).max() > 1e-4
            assert not np.diagonal(after["W_rec"]).any()

    @pytest.mark.parametrize("update_every", [*EVERY, 10])
    def test_bits(self, update_every):
        x, y, _ = data(1)
        own = np.random.default_rng(2).normal(size=(T, N))
        one, other = (build("eprop", 1, update_every=update_every) for _ in range(2))
        for t in range(T):
            one.step(x[0, t], y[0, t], learning_signal=own[t] if t % 3 else None)
        for t in range(T):
            other.step(x[0, t], y[0, t], learning_signal=own[t] if t % 3 else None)
            other = copy.deepcopy(other) if t % 2 else pickle.loads(pickle.dumps(other))
            _ = other.L, other.psi, other.W_in
        assert_same_bits(snapshot(other), snapshot(one))
        assert one.state_equal(other)

    @pytest.mark.parametrize(
        ("signal", "message"),
        [
            (np.ones(3), r"learning_signal: expected shape \(12,\), got \(3,\)"),
            (np.full(N, np.nan), "learning_signal: expected finite values, got NaN"),
            (1.0, r"learning_signal: expected shape \(12,\), got \(\)"),
        ],
    )
    def test_refusals_change_nothing(self, signal, message):
        trainer = build("eprop", 1)
        before = snapshot(trainer)
        with pytest.raises(ValueError, match=message):
            trainer.step(np.ones(N_IN), learning_signal=signal)
        with pytest.raises(ValueError, match=r"learning_signal: expected shape \(5, 12\), got \(12,\)"):
            build("eprop").step(np.ones((B, N_IN)), learning_signal=np.ones(N))
        assert_same_bits(snapshot(trainer), before)
        with pytest.raises(ValueError, match="learning_signal: expected none with a horizon"):
            build("eprop", 1, update_every=20, horizon=5).step(np.ones(N_IN), learning_signal=np.ones(N))


class TestWhatIsRead:
    @pytest.mark.parametrize("update_every", [*EVERY, 10])
    @pytest.mark.parametrize("feedback", ["symmetric", "random", "adaptive"])
    def test_l_and_psi_are_of_the_last_step(self, update_every, feedback):
        options = {"update_every": update_every, "feedback": feedback}
        trainer, model = build("eprop", **options), build_reference("eprop", **options)
        x, y, _ = data()
        assert not trainer.L.any() and trainer.L.shape == trainer.psi.shape == (B, N)
        for t in range(T):
            trainer.step(x[:, t], y[:, t])
            model.tick(x[:, t], y[:, t])
            assert_close(trainer.L, [stream.L for stream in model.streams], TOLERANCE, "L")
            assert_close(trainer.psi, [stream.neuron.psi for stream in model.streams], TOLERANCE, "psi")
        L = trainer.L
        for change in (lambda: setattr(trainer, "W_out", np.ones((N_OUT, N))), trainer.update):
            change()
            assert_close(trainer.L, L, 1e-15, "L after a change of B")
        twin = pickle.loads(pickle.dumps(trainer))
        assert np.array_equal(twin.L, trainer.L) and np.array_equal(twin.psi, trainer.psi)
        trainer.predict_sequence(x, reset=False)
        assert not trainer.L.any()
        trainer.reset()
        assert not trainer.L.any() and not trainer.psi.any()
        with pytest.raises(AttributeError, match="L: read-only"):
            trainer.L = L


class TestOneSide:
    @pytest.mark.parametrize("side", ["both", "above", "below"])
    @pytest.mark.parametrize("update_every", [1, 7, 20, "sequence"])
    def test_only_the_rates_of_one_side_are_corrected(self, side, update_every):
        """Of neurons that fire at their own rates, those beyond the side learn nothing from it."""
        x, y, _ = data(1, 200)
        options = {"c_reg": 5.0, "c_reg_side": side, "f_target": 100.0, "update_every": update_every}
        options |= {"optimizer": "plain", "feedback": "random"}
        trainer, model = build("eprop", 1, **options), build_reference("eprop", 1, **options)
        trainer.B = np.zeros((N, N_OUT))
        for stream in model.streams:
            stream.B_random = np.zeros((N, N_OUT))
        before = parameters_of(trainer)
        trainer.train_sequence(x[0], y[0])
        model.train_sequence(x, y)
        assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
        learned = np.abs(trainer.W_in - before["W_in"]).max(1) > 0
        if update_every == "sequence":
            rates = build("eprop", 1, **options, lr=0.0).predict_sequence(x[0], return_spikes=True)[1].mean(0)
            wanted = {"both": rates != 0.1, "above": rates > 0.1, "below": rates < 0.1}[side]
            assert wanted.sum() > 0 and (side == "both" or wanted.sum() < N)
            assert learned.any() and not learned[~wanted].any()
