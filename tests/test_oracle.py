"""The reference by itself, where something still simpler can check it: nothing of the package is in here."""

import copy
import itertools

import numpy as np
import pytest
from autodiff import eprop_gradients, stack_gradients
from helpers import assert_close, eprop_weights, spike_trains, target_rows, weight_scale
from reference import ReferenceBatch, ReferenceEprop, ReferenceStack, Sgd

B, T, SIZES = 3, 40, (5, 7, 3)
LENGTHS = [40, 17, 29]
NAMES = ("W_in", "W_rec", "W_out", "b")


def network(**options):
    """A model with Gaussian weights, and these as autodiff takes them."""
    rng = np.random.default_rng(3)
    weights = eprop_weights(rng, *SIZES, 1.3 * weight_scale(SIZES[0] + SIZES[1], 0.3))
    W_in, W_rec, W_out, b, B_feedback = weights
    return ReferenceEprop(W_in, W_rec, W_out, b, B_feedback, readout_bias=True, **options), (
        W_in,
        W_rec,
        W_out,
        b,
    )


def layers(**options):
    rng = np.random.default_rng(4)
    sizes = (SIZES[0], 8, SIZES[2])
    weights = [1.5 * weight_scale(n, 0.3) * rng.normal(size=(m, n)) for n, m in itertools.pairwise(sizes)]
    return ReferenceStack(weights, **options), weights


def models(**options):
    return [network(**options)[0], layers(**options)[0]]


def data(seed=5, n_streams=B):
    rng = np.random.default_rng(seed)
    x = np.stack([spike_trains(rng, T, SIZES[0], 0.4) for _ in range(n_streams)])
    y = np.stack([target_rows(rng, T, SIZES[2], "mse") for _ in range(n_streams)])
    return x, y, rng.random((n_streams, T)) < 0.7


def parameters(model):
    return {name: W.copy() for name, W in model.parameters.items()}


def step_of(model, call):
    """How far every parameter moves in a call."""
    before = parameters(model)
    call()
    return {name: W - before[name] for name, W in model.parameters.items()}


@pytest.mark.parametrize("update_every", [1, "sequence"])
def test_unequal_lengths_are_a_sum_of_autodiff(update_every):
    """Every stream with a regulariser of its own, over its own steps."""
    options = {"c_reg": 50.0, "f_target": 30.0, "tau_reg": 40.0}
    model, weights = network(update_every=update_every, **options)
    x, y, mask = data()
    got = ReferenceBatch(model, B).gradients(x, y, mask=mask, lengths=LENGTHS)
    form = "sequence" if update_every == "sequence" else "stream"
    ones = [
        eprop_gradients(weights, x[b, :n], y[b, :n], mask=mask[b, :n], regulariser=form, **options)
        for b, n in enumerate(LENGTHS)
    ]
    for name in (*NAMES, "loss"):
        assert_close(got[name], sum(one[name] for one in ones), 1e-9, name)
    assert got["n_targets"] == sum(mask[b, :n].sum() for b, n in enumerate(LENGTHS))


def test_unequal_lengths_of_a_stack_are_a_sum_of_autodiff():
    model, weights = layers()
    x, y, mask = data()
    got = ReferenceBatch(model, B).gradients(x, y, mask=mask, lengths=LENGTHS)
    ones = [stack_gradients(weights, x[b, :n], y[b, :n], mask=mask[b, :n]) for b, n in enumerate(LENGTHS)]
    for i in range(2):
        assert_close(got["W"][i], sum(one["W"][i] for one in ones), 1e-9, f"W[{i}]")
    assert_close(got["loss"], sum(one["loss"] for one in ones), 1e-9, "loss")


def test_adam_steps_with_the_gradient_of_the_sequence():
    lr, (b1, b2, eps) = 0.01, (0.9, 0.999, 1e-8)
    model, _ = network(update_every="sequence", optimizer="adam", lr=lr, c_reg=1.0)
    x, y, mask = data()
    m, v = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0)
    for t in (1, 2, 3):
        g = model.gradients(x[0], y[0], mask=mask[0])
        W = {"W_in": model.W[:, :5], "W_rec": model.W[:, 5:], "W_out": model.W_out, "b": model.b}
        for name in NAMES:
            m[name] = b1 * m[name] + (1 - b1) * g[name]
            v[name] = b2 * v[name] + (1 - b2) * g[name] ** 2
            eta = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
            W[name] = W[name] - eta * m[name] / (np.sqrt(v[name]) + eps)
        model.train_sequence(x[0], y[0], mask=mask[0])
        got = {"W_in": model.W[:, :5], "W_rec": model.W[:, 5:], "W_out": model.W_out, "b": model.b}
        for name in NAMES:
            assert_close(got[name], W[name], 1e-14, name)
    assert not np.diag(model.W[:, 5:]).any()


@pytest.mark.parametrize("kind", [0, 1], ids=["recurrent", "stack"])
def test_a_batch_is_the_sum_of_its_streams(kind):
    x, y, mask = data()
    single = models(update_every="sequence", optimizer=Sgd(limit=False))[kind]
    batch = ReferenceBatch(single, B)
    got = step_of(batch, lambda: batch.train_sequence(x, y, mask=mask, lengths=LENGTHS))
    for name, moved in got.items():
        ones = []
        for b, n in enumerate(LENGTHS):
            one = copy.deepcopy(single)
            ones.append(
                step_of(
                    one, lambda one=one, b=b, n=n: one.train_sequence(x[b, :n], y[b, :n], mask=mask[b, :n])
                )
            )
        assert_close(moved, sum(one[name] for one in ones), 1e-10, name)


def test_a_batch_of_one_is_the_model():
    x, y, mask = data()
    for update_every in (1, 3, "sequence"):
        for model in models(update_every=update_every, optimizer="adam", reduction="mean"):
            batch = ReferenceBatch(model, B)
            for _ in range(2):
                expected = model.train_sequence(x[0], y[0], mask=mask[0])
                got = batch.train_sequence(x[:1], y[:1], mask=mask[:1])
                assert got[0] == expected[0] and np.array_equal(got[1][0], expected[1])
            for name, W in model.parameters.items():
                assert np.array_equal(batch.parameters[name], W)


def test_the_mean_is_over_steps_with_a_target_else_over_steps():
    x, y, mask = data()
    nothing = np.zeros((B, T), dtype=bool)
    for taught, n in ((mask, sum(mask[b, :k].sum() for b, k in enumerate(LENGTHS))), (nothing, sum(LENGTHS))):
        moved = []
        for reduction in ("sum", "mean"):
            model, _ = network(
                update_every="sequence", optimizer=Sgd(limit=False), reduction=reduction, c_reg=5.0
            )
            batch = ReferenceBatch(model, B)
            moved.append(
                step_of(
                    batch, lambda batch=batch, m=taught: batch.train_sequence(x, y, mask=m, lengths=LENGTHS)
                )
            )
        assert np.abs(moved[0]["W_in"]).max() > 0
        for name in moved[0]:
            assert_close(moved[1][name], moved[0][name] / n, 1e-9, name)


def test_updates_follow_the_longest_stream():
    """At multiples of n of its steps, and a stream that ended takes no part in later ones."""
    x, y, _ = data()
    model, _ = network(update_every=10, lr=1e-3)
    batch = ReferenceBatch(model, B)
    changes = []
    before = parameters(batch)
    for t in range(T):
        alive = [x[b, t] if t < n else None for b, n in enumerate(LENGTHS)]
        batch.tick(alive, [None if a is None else y[b, t] for b, a in enumerate(alive)])
        now = parameters(batch)
        changes += [t + 1] if not np.array_equal(now["W_in"], before["W_in"]) else []
        before = now
    assert changes == [10, 20, 30, 40]
    whole = ReferenceBatch(model, B)
    whole.train_sequence(x, y, lengths=LENGTHS)
    assert np.array_equal(whole.parameters["W_in"], batch.parameters["W_in"])
    assert batch.count == T


def test_steps_beyond_the_length_do_not_happen():
    """The padding may be anything, and the state is that of the last step."""
    x, y, _ = data()
    model, _ = network(lr=0.0, c_reg=1.0)
    batch, single = ReferenceBatch(model, B), copy.deepcopy(model)
    for array in (x, y):
        array[1, LENGTHS[1] :] = np.nan
    loss, outputs = batch.train_sequence(x, y, lengths=LENGTHS, reset=False)
    _, alone = single.train_sequence(x[1, : LENGTHS[1]], y[1, : LENGTHS[1]], reset=False)
    assert np.isfinite(loss) and not outputs[1, LENGTHS[1] :].any()
    assert np.array_equal(outputs[1, : LENGTHS[1]], alone)
    for name in ("y", "z_bar", "e_bar", "F_z", "f"):
        assert np.array_equal(getattr(batch.streams[1], name), getattr(single, name)), name


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_applied_gradients_are_an_update(optimizer, reduction):
    """Of the optimizer only: what is pending and the count stay."""
    x, y, mask = data()
    for trained, applied in zip(
        *(models(update_every="sequence", optimizer=optimizer, reduction=reduction) for _ in range(2)),
        strict=True,
    ):
        for b in range(B):
            trained.train_sequence(x[b], y[b], mask=mask[b])
            applied.apply_gradients(applied.gradients(x[b], y[b], mask=mask[b]))
        for name, W in trained.parameters.items():
            assert_close(applied.parameters[name], W, 1e-12, name)

    model = models(update_every=5, optimizer=optimizer, reduction=reduction)[0]
    for t in range(3):
        model.step(x[0, t], y[0, t])
    pending = copy.deepcopy(model._pending())
    model.apply_gradients(model.gradients(x[1], y[1]))
    assert model.count == 3 and model.steps == 3 and model.n_targets == 3
    for name, g in model._pending().items():
        assert np.array_equal(g, pending[name])


def test_moments_survive_a_reset_and_nothing_pending_is_no_update():
    x, y, _ = data()
    for model in models(update_every="sequence", optimizer="adam"):
        model.train_sequence(x[0], y[0])
        model.reset()
        model.update()
        assert model.optimizer.t == 1
        model.train_sequence(x[0], y[0])
        assert model.optimizer.t == 2 and all(np.abs(m).max() > 0 for m in model.optimizer.m.values())
