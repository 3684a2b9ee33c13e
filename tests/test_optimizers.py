"""Optimizers and reductions: the reference's numbers, state that travels, and names that mean what they say."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from cases import Tally, eprop_cases, learning_options, stack_cases
from helpers import assert_close, assert_same_bits, snapshot
from hypothesis import given, settings
from reference import ReferenceLayer
from reference_optimizers import NoLimit, Update
from scipy import sparse
from streams import (
    EVERY,
    KINDS,
    OPTIMIZERS,
    REDUCTIONS,
    SIZES,
    B,
    T,
    assert_parameters,
    assign_weights,
    build,
    build_reference,
    data,
    face_optimizer,
    moved,
    parameters_of,
    parameters_of_reference,
    reference_optimizer,
    weights_of,
)
from test_reference import compare_eprop_state, compare_stack_state, run_case

import eprop

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")

TOLERANCE = 1e-10
every_kind = pytest.mark.parametrize("kind", KINDS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
every_schedule = pytest.mark.parametrize("update_every", EVERY)


# The numbers


def test_eprop_trainer_is_the_reference():
    tally = Tally()

    @settings(max_examples=150)
    @given(eprop_cases(learning_options()))
    def check(case):
        run_case(case, *case.eprop(), compare_eprop_state, tally)

    check()
    tally.check(spiking=0.55)


def test_online_trainer_is_the_reference():
    tally = Tally()

    @settings(max_examples=100)
    @given(stack_cases(learning_options()))
    def check(case):
        run_case(case, *case.stack(), compare_stack_state, tally)

    check()
    tally.check(spiking=0.55)


@every_kind
@every_optimizer
@every_reduction
@every_schedule
def test_a_batch_is_the_reference(kind, optimizer, reduction, update_every):
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every}
    trainer, model = build(kind, **options), build_reference(kind, **options)
    before = parameters_of(trainer)
    for seed in range(3):
        x, y, mask = data(seed=seed)
        loss, outputs = trainer.train_sequence(x, y, mask=mask, return_outputs=True)
        expected_loss, expected = model.train_sequence(x, y, mask=mask)
        assert_close(outputs, expected, TOLERANCE, "outputs")
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE)
    assert model.margin > 1e-9
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, before)


BOUNDS = {"clip_norm": {"clip_norm": 0.05}, "w_max": {"w_max": 0.2}, "both": {"clip_norm": 2.0, "w_max": 0.3}}


@every_kind
@every_optimizer
@every_schedule
@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize("batch_size", [1, B])
def test_bounds_are_those_of_the_reference(kind, optimizer, update_every, bounds, batch_size):
    """Lengths without the bound, and clipped gradients with the regulariser and over all weights."""
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every, **bounds}
    trainer, model = build(kind, batch_size, **options), build_reference(kind, batch_size, **options)
    free = build(kind, batch_size, optimizer=optimizer, reduction="mean", update_every=update_every)
    for seed in range(2):
        x, y, mask = data(batch_size, seed=seed)
        outputs = trainer.train_sequence(x, y, mask=mask, return_outputs=True)[1]
        assert_close(outputs, model.train_sequence(x, y, mask=mask)[1], TOLERANCE, "outputs")
        for either in (trainer, model):
            either.apply_gradients(model.gradients(x, y))
        free.train_sequence(x, y, mask=mask)
    assert model.margin > 1e-9
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, parameters_of(free))
    if "w_max" in bounds:
        weights = [W for name, W in parameters_of(trainer).items() if name != "b"]
        assert 0.5 * bounds["w_max"] < max(np.abs(W).max() for W in weights) <= bounds["w_max"]


PER_NEURON = ("Auto", {"per_neuron": True})
# The textbook form below 8, and the block form.
every_schedule_of_neurons = pytest.mark.parametrize("update_every", [1, 7, 10, "sequence"])


def of_neurons(batch_size=1, weight_decay=0.0, **options):
    """A trainer and its reference, which gets the standard deviations that weights are drawn with."""
    n_inputs, n, _ = SIZES["eprop"]
    constants = {"per_neuron": True, "weight_decay": weight_decay}
    options = {"lr": 0.2, **options}
    trainer = build("eprop", batch_size, optimizer=("Auto", constants), **options)
    unit = np.sqrt(-np.expm1(-2.0 * trainer.dt / trainer.tau_mem) / 0.02)
    sigma = {"in": 1.3 * unit / n_inputs**0.5, "rec": 0.3 * unit / n**0.5, "out": 0.1 / n**0.5}
    return trainer, build_reference(
        "eprop", batch_size, optimizer=("Auto", {**constants, "sigma": sigma}), **options
    )


@every_schedule_of_neurons
@pytest.mark.parametrize("batch_size", [1, B])
@every_reduction
def test_auto_per_neuron_is_the_reference(update_every, batch_size, reduction):
    """With the regulariser, which lengths do not count, and with gradients from elsewhere."""
    trainer, model = of_neurons(batch_size, update_every=update_every, reduction=reduction)
    before = parameters_of(trainer)
    for seed in range(3):
        x, y, mask = data(batch_size, seed=seed)
        loss, outputs = trainer.train_sequence(x, y, mask=mask, return_outputs=True)
        expected_loss, expected = model.train_sequence(x, y, mask=mask)
        assert_close(outputs, expected, TOLERANCE, "outputs")
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE)
        for either in (trainer, model):
            either.apply_gradients(model.gradients(x, y))
    assert model.margin > 1e-9
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, before)
    other = build(
        "eprop", batch_size, optimizer="auto", lr=0.2, update_every=update_every, reduction=reduction
    )
    other.train_sequence(x, y, mask=mask)
    moved(trainer, parameters_of(other))


@every_schedule_of_neurons
@pytest.mark.parametrize("batch_size", [1, B])
def test_auto_per_neuron_decays_and_is_bounded_as_the_reference(update_every, batch_size):
    options = {"update_every": update_every, "reduction": "mean"}
    trainer, model = of_neurons(batch_size, 0.05, clip_norm=0.05, w_max=0.3, **options)
    free = build("eprop", batch_size, optimizer=PER_NEURON, lr=0.2, **options)
    for seed in range(2):
        x, y, mask = data(batch_size, seed=seed)
        for either in (trainer, model, free):
            either.train_sequence(x, y, mask=mask)
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, parameters_of(free))


def test_auto_per_neuron_does_not_depend_on_initial_weights_of_zero():
    x, y, mask = data(1)
    trainer = build("eprop", 1, optimizer=PER_NEURON, lr=0.2, feedback="random")
    trainer.W_out = np.zeros_like(trainer.W_out)
    losses = [trainer.train_sequence(x, y, mask=mask) for _ in range(40)]
    assert np.abs(trainer.W_out).max() > 0.0
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("update_every", [1, 10, "sequence"])
@pytest.mark.parametrize(("rate", "name"), [("lr_in", "W_in"), ("lr_rec", "W_rec"), ("lr_out", "W_out")])
def test_auto_per_neuron_fixes_a_group_whose_rate_is_zero(update_every, rate, name):
    optimizer = ("Auto", {"per_neuron": True, "weight_decay": 1e-3})
    trainer = build("eprop", 1, optimizer=optimizer, lr=0.2, update_every=update_every, **{rate: 0.0})
    before = parameters_of(trainer)
    x, y, mask = data(1)
    trainer.train_sequence(x, y, mask=mask)
    after = parameters_of(trainer)
    fixed = {name, "b"} if name == "W_out" else {name}
    for other in before:
        assert np.array_equal(before[other], after[other]) == (other in fixed), other


@pytest.mark.parametrize("update_every", [1, 10, "sequence"])
@pytest.mark.parametrize("batch_size", [1, B])
def test_auto_per_neuron_in_float32_is_that_of_float64_rounded(update_every, batch_size):
    x, y, mask = data(batch_size)
    narrow, wide = (
        build("eprop", batch_size, optimizer=PER_NEURON, lr=0.2, update_every=update_every, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    for trainer in (narrow, wide):
        trainer.train_sequence(x, y, mask=mask)
    assert_parameters(narrow, parameters_of(wide), 1e-3)


@pytest.mark.parametrize("update_every", [1, 10, "sequence"])
@pytest.mark.parametrize("batch_size", [1, B])
def test_auto_per_neuron_keeps_its_scales(update_every, batch_size):
    """Copies and pickles go on with the same bits, and `state_equal` sees that scales differ; `reset` keeps them."""
    x, y, mask = data(batch_size)
    trainer = build("eprop", batch_size, optimizer=PER_NEURON, lr=0.2, update_every=update_every)
    trainer.train_sequence(x, y, mask=mask)
    twins = [copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))]
    assert all(twin == trainer and twin.state_equal(trainer) for twin in twins)
    fresh = build("eprop", batch_size, optimizer=PER_NEURON, lr=0.2, update_every=update_every)
    for either in (trainer, *twins, fresh):
        either.reset()
    assign_weights(trainer, weights_of("eprop"))
    assert not fresh.state_equal(trainer)
    for twin in twins:
        assign_weights(twin, weights_of("eprop"))
    for either in (trainer, *twins, fresh):
        either.train_sequence(x, y, mask=mask)
    for twin in twins:
        assert_same_bits(snapshot(twin), snapshot(trainer))
        assert twin.state_equal(trainer)
    moved(trainer, parameters_of(fresh))


def test_auto_per_neuron_takes_the_forms_that_have_it():
    def of(**options):
        return eprop.EpropTrainer(30, 200, 2, optimizer=eprop.optim.Auto(per_neuron=True), **options)

    assert [of(update_every=n).engine for n in (1, 7, 8, "sequence")] == [
        "textbook",
        "textbook",
        "block",
        "block",
    ]
    with pytest.raises(
        ValueError, match=r"optimizer: expected one without per_neuron in a stack.*got auto with per_neuron"
    ):
        eprop.OnlineTrainer([3, 4, 2], optimizer=eprop.optim.Auto(per_neuron=True))
    with pytest.raises(ValueError, match=r"optimizer: expected .*loss.*, got auto"):
        eprop.OnlineLIFLayer(3, 2, optimizer=eprop.optim.Auto(per_neuron=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("update_every", [2, 5, 20, "sequence"])
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize(
    "neurons",
    [
        {},
        {"beta": 0.1},
        {"feedback": "random", "tau_out": 5.0},
        {"connect_in": 0.5, "connect_rec": 0.3},
        {"connect_in": 0.5, "connect_rec": 0.3, "tau_syn": 5.0},
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_auto_takes_no_step_down_a_gradient_that_is_all_rounding(neurons, update_every, batch_size, dtype):
    """The only error comes before anybody has fired. Who fires later leaves a gradient of 0, of parts that cancel."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        options = {"optimizer": "auto", "dtype": dtype, "seed": seed, "update_every": update_every}
        trainer = eprop.EpropTrainer(20, 50, 1, batch_size=batch_size, **options, **neurons)
        layers = eprop.OnlineTrainer([20, 30, 1], batch_size=batch_size, surrogate="fast_sigmoid", **options)
        x = rng.random((batch_size, 20, 20)) < 0.2
        x[:, 0] = 0
        y, mask = np.full((batch_size, 20, 1), 0.7), np.zeros((batch_size, 20), bool)
        mask[:, 0] = True
        if batch_size == 1:
            x, y, mask = x[0], y[0], mask[0]

        def weights(trainer=trainer, layers=layers):
            rows = [trainer.W_in, trainer.W_rec, trainer.W_out, *(layer.W for layer in layers.layers)]
            return [row.toarray() if sparse.issparse(row) else row for row in rows]

        before = weights()
        assert not trainer.gradients(x, y, mask=mask)["W_out"].any()
        for one in (trainer, layers):
            one.apply_gradients(one.gradients(x, y, mask=mask))
            one.train_sequence(x, y, mask=mask)
        for one, other in zip(before, weights(), strict=True):
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)


@every_kind
@every_schedule
def test_adam_with_its_defaults_is_the_reference(kind, update_every):
    """To fewer digits: a gradient of 1e-8, all that is left of terms of 1, has lost half of its own."""
    options = {"optimizer": "adam", "lr": 1e-4, "update_every": update_every}
    trainer, model = build(kind, 1, **options), build_reference(kind, 1, **options)
    x, y, mask = data()
    for b in range(B):
        trainer.train_sequence(x[b], y[b], mask=mask[b])
        model.train_sequence(x[b], y[b], mask=mask[b])
    assert model.margin > 1e-6
    assert_parameters(trainer, parameters_of_reference(model), 1e-6)


@every_kind
def test_the_first_step_of_adam_is_as_long_as_lr(kind):
    x, y, _ = data()
    trainer = build(kind, 1, optimizer="adam", lr=1e-3, update_every="sequence")
    before, gradients = parameters_of(trainer), trainer.gradients(x[0], y[0])
    trainer.train_sequence(x[0], y[0])
    for name, W in parameters_of(trainer).items():
        g = gradients["W"][int(name[2])] if kind == "stack" else gradients[name]
        large = np.abs(g) > 1e-3
        assert large.any()
        assert_close((W - before[name])[large], -1e-3 * np.sign(g[large]), 1e-3, name)


@every_kind
def test_a_step_without_a_target_is_an_update_of_adam_too(kind):
    """Its gradient is the regulariser or 0, and what Adam remembers goes on moving the weights."""
    options = {"optimizer": OPTIMIZERS["adam"], "reduction": "mean", "update_every": 3}
    trainer, model = build(kind, 1, **options), build_reference(kind, 1, **options)
    x, y, _ = data()
    for either in (trainer, model):
        either.train_sequence(x[0], y[0])
    before = parameters_of(trainer)
    loss = trainer.train_sequence(x[1], y[1], mask=np.zeros(T, dtype=bool))
    model.train_sequence(x[1], y[1], mask=np.zeros(T, dtype=bool))
    assert np.isnan(loss)
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, before, least=1e-6)


@every_kind
@every_optimizer
@every_schedule
def test_the_mean_knows_neither_the_batch_nor_the_length(kind, optimizer, update_every):
    """B times the same stream is that stream."""
    x, y, mask = data(1)
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every}
    one, many = build(kind, 1, **options), build(kind, B, **options)
    for _ in range(2):
        loss = one.train_sequence(x[0], y[0], mask=mask[0])
        tile = (B, 1, 1)
        assert many.train_sequence(np.tile(x, tile), np.tile(y, tile), mask=mask[0]) == pytest.approx(
            loss, rel=1e-12
        )
    assert_parameters(many, parameters_of(one), TOLERANCE)


@every_kind
def test_the_mean_of_a_sequence_is_over_its_targets(kind):
    x, y, mask = data()
    steps = {}
    for reduction in REDUCTIONS:
        trainer = build(kind, optimizer="plain", lr=1e-4, reduction=reduction, update_every="sequence")
        before = parameters_of(trainer)
        trainer.train_sequence(x, y, mask=mask)
        steps[reduction] = {name: W - before[name] for name, W in parameters_of(trainer).items()}
    for name, step in steps["mean"].items():
        assert_close(mask.sum() * step, steps["sum"][name], 1e-9, name)


@every_kind
@every_optimizer
@every_reduction
@every_schedule
def test_float32_is_float64_rounded(kind, optimizer, reduction, update_every):
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every}
    x, y, mask = data()
    narrow, wide = (build(kind, dtype=dtype, **options) for dtype in ("float32", "float64"))
    spikes = []
    for trainer in (narrow, wide):
        trainer.train_sequence(x, y, mask=mask)
        spikes.append(trainer.predict_sequence(x, return_spikes=True)[1])
    assert narrow.W_in.dtype == np.float32 if kind == "eprop" else narrow.layers[0].W.dtype == np.float32
    assert_parameters(narrow, parameters_of(wide), 1e-4)
    assert np.mean(spikes[0] != spikes[1]) < 1e-2


def test_a_layer_takes_no_optimizer_that_needs_the_loss():
    for optimizer in ("auto", eprop.optim.Auto()):
        with pytest.raises(ValueError, match=r"optimizer: expected .*loss.*, got auto"):
            eprop.OnlineLIFLayer(3, 2, optimizer=optimizer)


@pytest.mark.parametrize("optimizer", [rule for name, rule in OPTIMIZERS.items() if name != "auto"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_takes_every_other_optimizer_without_a_limit(optimizer, dtype):
    """Each signal is an update, also two at one step; copies, pickles and `reset` keep what it remembers."""
    rng = np.random.default_rng(2)
    W = weights_of("stack")[0]
    layer = eprop.OnlineLIFLayer(*W.shape[::-1], optimizer=face_optimizer(optimizer), lr=1e-2, dtype=dtype)
    layer.W = W
    model, rule = ReferenceLayer(W), reference_optimizer("plain" if optimizer == "sgd" else optimizer)
    rule.limit = NoLimit()
    for t in range(60):
        x = (rng.random(W.shape[1]) < 0.4).astype(float)
        assert np.array_equal(layer.step(x), model.step(x))
        for _ in range(1 + t % 3 // 2):
            signal = rng.normal(size=len(W))
            g = {0: model.gradient(signal)}
            update = Update(W={0: model.W}, g=g, lr={0: layer.lr}, groups={0: [0]}, taught=False)
            model.W = rule.step(update)[0]
            layer.apply_learning_signal(signal)
        if t == 20:
            layer.lr = 5e-3
        if t == 30:
            twin = pickle.loads(pickle.dumps(layer))
            assert twin == layer and twin.state_equal(layer)
            layer = twin
        if t == 40:
            layer.reset()
            model.reset()
        assert_close(layer.W, model.W, TOLERANCE if dtype == "float64" else 1e-5, f"W of step {t}")
    assert np.abs(model.W - W).max() > 1e-3


# State


@every_kind
@every_optimizer
@every_reduction
@every_schedule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_cut_gives_the_same_bits(kind, optimizer, reduction, update_every, dtype):
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every, "dtype": dtype}
    x, y, mask = data()
    whole, pieces, steps = (build(kind, **options) for _ in range(3))
    for trainer in (whole, pieces, steps):
        trainer.train_sequence(x, y, mask=mask)  # so that there are moments
        trainer.reset()
    whole.train_sequence(x, y, mask=mask, reset=False)
    for start, stop in ((0, 13), (13, 14), (14, T)):
        piece = slice(start, stop)
        pieces.train_sequence(x[:, piece], y[:, piece], mask=mask[:, piece], reset=False)
    taught = np.where(mask.all(axis=0))[0]
    for trainer in (whole, pieces):
        trainer.update()
    assert whole.state_equal(pieces)
    assert_same_bits(snapshot(whole), snapshot(pieces))

    # Single steps have a target for all streams or for none.
    whole, everywhere = build(kind, **options), np.isin(np.arange(T), taught)
    steps = copy.deepcopy(whole)
    whole.train_sequence(x, y, mask=everywhere, reset=False)
    for t in range(T):
        steps.step(x[:, t], y[:, t] if everywhere[t] else None)
    assert whole.state_equal(steps)


@every_kind
@every_optimizer
@every_schedule
def test_threads_change_no_bit(kind, optimizer, update_every):
    x, y, mask = data()
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every}
    trainers = [build(kind, **options) for _ in range(3)]
    losses = [
        [t.train_sequence(x, y, mask=mask, n_threads=n) for _ in range(2)] for n, t in enumerate(trainers, 1)
    ]
    assert losses[0] == losses[1] == losses[2]
    assert trainers[0].state_equal(trainers[1]) and trainers[0].state_equal(trainers[2])


@every_kind
@every_optimizer
@every_schedule
@pytest.mark.parametrize("batch_size", [1, B])
def test_copies_and_pickles_take_the_moments_along(kind, optimizer, update_every, batch_size):
    x, y, _ = data()
    x, y = (x[0], y[0]) if batch_size == 1 else (x, y)
    trainer = build(kind, batch_size, optimizer=optimizer, update_every=update_every)
    trainer.train_sequence(x, y)
    trainer.train_sequence(x, y, reset=False)
    twins = [copy.copy(trainer), copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))]
    for twin in twins:
        assert twin == trainer and twin.state_equal(trainer) and trainer.state_equal(twin)
    trainer.train_sequence(x, y)
    for twin in twins:
        assert not twin.state_equal(trainer)
        twin.train_sequence(x, y)
        assert twin.state_equal(trainer)
        assert_same_bits(snapshot(twin), snapshot(trainer))


def with_weights_only(kind, trainer, **options):
    """A trainer that has the weights of another, and nothing else of it."""
    other = build(kind, 1, **options)
    assign_weights(other, list(parameters_of(trainer).values()) + ([trainer.B] if kind == "eprop" else []))
    return other


@every_kind
@every_reduction
def test_reset_keeps_the_moments_and_state_equal_sees_them(kind, reduction):
    x, y, _ = data()
    for name, optimizer in OPTIMIZERS.items():
        options = {"optimizer": optimizer, "reduction": reduction, "update_every": "sequence"}
        trainer = build(kind, 1, **options)
        trainer.train_sequence(x[0], y[0])
        trainer.reset()
        other = with_weights_only(kind, trainer, **options)
        assert_same_bits(parameters_of(other), parameters_of(trainer))
        remembers = name != "plain"
        assert trainer.state_equal(other) is not remembers
        for either in (trainer, other):
            either.train_sequence(x[1], y[1])
        same = all(np.array_equal(W, parameters_of(other)[key]) for key, W in parameters_of(trainer).items())
        # What descent remembers does not count where the next gradient is longer.
        assert same is not remembers or name in ("sgd", "decay")


@every_kind
@every_optimizer
@every_schedule
def test_an_update_with_nothing_pending_is_none(kind, optimizer, update_every):
    """Not even one of Adam's, whose moments would move the weights."""
    x, y, _ = data()
    trainer = build(kind, optimizer=optimizer, update_every=update_every)
    trainer.update()
    trainer.train_sequence(x, y)
    before = copy.copy(trainer)
    trainer.update()
    assert trainer.state_equal(before)
    trainer.reset()
    trainer.update()
    assert_same_bits(parameters_of(trainer), parameters_of(before))


@every_kind
@every_optimizer
def test_predictions_and_gradients_leave_the_moments_alone(kind, optimizer):
    x, y, _ = data()
    trainer = build(kind, optimizer=optimizer, update_every="sequence")
    trainer.train_sequence(x, y)
    twin = copy.copy(trainer)
    trainer.gradients(x, y)
    assert trainer.state_equal(twin)
    trainer.predict_sequence(x)
    for either in (trainer, twin):
        either.train_sequence(x, y)
    assert trainer.state_equal(twin)


@every_kind
@every_optimizer
@every_schedule
def test_no_learning_rate_no_learning(kind, optimizer, update_every):
    x, y, _ = data()
    trainer = build(kind, optimizer=optimizer, update_every=update_every)
    trainer.train_sequence(x, y)
    trainer.lr = 0.0
    before = parameters_of(trainer)
    trainer.train_sequence(x, y)
    assert_parameters(trainer, before, 1e-13)
    trainer.lr = 0.1 if optimizer == "auto" else 1e-3
    trainer.train_sequence(x, y)
    moved(trainer, before)


# The face


@every_kind
def test_lr_that_was_not_given_is_the_optimizers(kind):
    def make(**options):
        return (
            eprop.EpropTrainer(3, 4, 2, **options)
            if kind == "eprop"
            else eprop.OnlineTrainer([3, 4, 2], **options)
        )

    for optimizer, lr in (
        ("sgd", 0.01),
        ("auto", 0.5),
        ("momentum", 0.01),
        ("adam", 0.001),
        ("adamw", 0.001),
        (eprop.optim.SGD(), 0.01),
        (eprop.optim.Adam(eps=1e-3), 0.001),
    ):
        trainer = make(optimizer=optimizer)
        assert trainer.lr == lr and type(trainer.lr) is float
        assert f"lr={lr}" in repr(trainer)
        assert trainer == make(optimizer=optimizer, lr=lr) == copy.copy(trainer)
        assert make(optimizer=optimizer, lr=0.5).lr == 0.5
        trainer.lr = 0.25
        assert pickle.loads(pickle.dumps(trainer)).lr == 0.25
    assert make() == make(lr=0.01) == make(optimizer="sgd") == make(reduction="sum")
    assert make() != make(optimizer="adam") and make() != make(reduction="mean")
    assert make(optimizer=eprop.optim.Adam()) != make(optimizer=eprop.optim.Adam(eps=1e-3))


@every_kind
def test_a_name_is_its_dataclass(kind):
    x, y, _ = data()
    for name, optimizer in (
        ("sgd", eprop.optim.SGD()),
        ("auto", eprop.optim.Auto()),
        ("momentum", eprop.optim.Momentum()),
        ("adam", eprop.optim.Adam()),
        ("adamw", eprop.optim.AdamW()),
    ):
        trainers = [build(kind, optimizer=choice, lr=1e-4, update_every=3) for choice in (name, optimizer)]
        for trainer in trainers:
            trainer.train_sequence(x, y)
        assert_same_bits(snapshot(trainers[0]), snapshot(trainers[1]))
        assert f"optimizer={optimizer!r}" in repr(trainers[1])
    assert build(kind).optimizer == "sgd" and build(kind).reduction == "sum"


@every_kind
@every_schedule
def test_sgd_is_what_was_there_before_it_had_a_name(kind, update_every):
    x, y, _ = data()
    new = build(kind, optimizer="sgd", reduction="sum", update_every=update_every)
    config = {
        f.name: getattr(new, f.name)
        for f in dataclasses.fields(new)
        if f.name not in ("optimizer", "reduction", "clip_norm", "w_max")
    }
    old = type(new)(**config)
    assign_weights(old, weights_of(kind))
    assert new.train_sequence(x, y) == old.train_sequence(x, y) and new.state_equal(old)


def test_the_optimizers_are_frozen_dataclasses():
    adam = eprop.optim.Adam()
    assert dataclasses.astuple(adam) == (0.9, 0.999, 1e-8, 0.0, None)
    assert dataclasses.astuple(eprop.optim.SGD()) == (True, 0.0, None)
    assert dataclasses.astuple(eprop.optim.Momentum()) == (0.9, True, 0.0, None)
    assert dataclasses.astuple(eprop.optim.AdamW()) == (0.01, 0.9, 0.999, 1e-8, None)
    assert adam == eprop.optim.Adam(beta1=0.9) and adam != eprop.optim.Adam(beta1=0.8)
    assert hash(adam) == hash(eprop.optim.Adam()) and adam != eprop.optim.SGD()
    assert eval(repr(adam), {"Adam": eprop.optim.Adam}) == adam == pickle.loads(pickle.dumps(adam))
    with pytest.raises(dataclasses.FrozenInstanceError):
        adam.beta1 = 0.5


@every_kind
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "rmsprop"}, ValueError, r'optimizer: expected .*"sgd".*"adam".*rmsprop'),
        ({"optimizer": 3}, TypeError, "optimizer: expected .*3"),
        ({"optimizer": None}, TypeError, "optimizer: expected .*None"),
        ({"reduction": "median"}, ValueError, r'reduction: expected .*"sum".*"mean".*median'),
        ({"reduction": 1}, TypeError, "reduction: expected .*1"),
    ],
    ids=str,
)
def test_what_is_no_choice_is_named(kind, options, error, message):
    with pytest.raises(error, match=message):
        eprop.EpropTrainer(3, 4, 2, **options) if kind == "eprop" else eprop.OnlineTrainer(
            [3, 4, 2], **options
        )


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("beta1", 1.0, ValueError),
        ("beta1", -0.1, ValueError),
        ("beta2", 1.0, ValueError),
        ("beta2", float("nan"), ValueError),
        ("eps", 0.0, ValueError),
        ("eps", float("inf"), ValueError),
        ("eps", "small", TypeError),
        ("mu", 1.0, ValueError),
        ("mu", -0.1, ValueError),
        ("weight_decay", -0.1, ValueError),
        ("weight_decay", float("inf"), ValueError),
        ("weight_decay", True, TypeError),
    ],
)
def test_constants_out_of_range_are_named(field, value, error):
    """By the optimizer or, at the latest, by the trainer that gets it."""
    for kind in (eprop.optim.SGD, eprop.optim.Momentum, eprop.optim.Adam, eprop.optim.AdamW):
        if field in {f.name for f in dataclasses.fields(kind)}:
            with pytest.raises(error, match=field):
                eprop.EpropTrainer(3, 4, 2, optimizer=kind(**{field: value}))


@every_kind
@pytest.mark.parametrize("name", ["clip_norm", "w_max"])
def test_bounds_are_positive_numbers(kind, name):
    for value, error in ((0.0, ValueError), (-1.0, ValueError), (np.nan, ValueError), ("1", TypeError)):
        with pytest.raises(error, match=f"{name}: expected"):
            build(kind, **{name: value})
    with pytest.raises(ValueError, match=r"w_max: expected .*float32"):
        build(kind, w_max=1e300, dtype="float32")
    trainer = build(kind, **{name: 2})
    assert getattr(trainer, name) == 2.0 and trainer != build(kind)
    with pytest.raises(AttributeError, match=name):
        setattr(trainer, name, 1.0)


@every_kind
def test_optimizer_and_reduction_are_fixed(kind):
    trainer = build(kind)
    for name, value in (("optimizer", "adam"), ("reduction", "mean")):
        with pytest.raises(AttributeError, match=name):
            setattr(trainer, name, value)
    assert trainer == build(kind)
