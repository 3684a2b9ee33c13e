"""`gradients` of several processes, summed and applied, are what one process with all the streams does."""

from __future__ import annotations

import copy
import itertools
import multiprocessing

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits
from streams import (
    DECAYING,
    EVERY,
    KINDS,
    LENGTHS,
    LIMITED,
    OPTIMIZERS,
    REDUCTIONS,
    SIZES,
    B,
    T,
    added,
    assert_parameters,
    build,
    build_reference,
    data,
    flat,
    moved,
    parameters_of,
    parameters_of_reference,
    state_of,
    without_regulariser,
)

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")

every_kind = pytest.mark.parametrize("kind", KINDS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
every_schedule = pytest.mark.parametrize("update_every", EVERY)


def some(kind, seed=1, **options):
    """A gradient of other data than the test's."""
    x, y, mask = data(seed=seed)
    return build(kind, **options).gradients(x, y, mask=mask)


# Processes


@every_kind
@every_optimizer
@every_reduction
@pytest.mark.parametrize("unequal", [False, True])
# Plain descent of nine streams runs away, and says so: it is the same nevertheless.
@pytest.mark.filterwarnings("ignore::eprop.DivergenceWarning")
def test_the_sum_over_processes_is_one_process(kind, optimizer, reduction, unequal):
    """R trainers of B streams, five rounds: to 1e-12, for only the order of the sums differs."""
    R = 3
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": "sequence"}
    options |= without_regulariser(kind, optimizer)
    workers, whole = [build(kind, B, **options) for _ in range(R)], build(kind, R * B, **options)
    before = parameters_of(whole)
    for seed in range(5):
        x, y, mask = data(R * B, seed=seed)
        lengths = np.random.default_rng(seed).integers(1, T + 1, size=R * B) if unequal else np.full(R * B, T)
        loss = whole.train_sequence(x, y, mask=mask, lengths=lengths)
        shares = [
            worker.gradients(x[part], y[part], mask=mask[part], lengths=lengths[part])
            for worker, part in zip(workers, np.split(np.arange(R * B), R), strict=True)
        ]
        total = added(shares)
        for worker in workers:
            worker.apply_gradients(total)
        assert total["loss"] / total["n_targets"] == pytest.approx(loss, rel=1e-12)
        for worker in workers:
            assert_parameters(worker, parameters_of(whole), 1e-12)
    for worker in workers[1:]:
        assert_same_bits(parameters_of(worker), parameters_of(workers[0]))
    moved(whole, before)


def share_of(work):
    """In a process of its own: the gradient of its streams."""
    trainer, x, y, mask = work
    return trainer.gradients(x, y, mask=mask)


@every_kind
@every_optimizer
def test_two_processes(kind, optimizer):
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": "sequence"}
    options |= without_regulariser(kind, optimizer)
    here, whole = build(kind, B, **options), build(kind, 2 * B, **options)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for seed in range(3):
            x, y, mask = data(2 * B, seed=seed)
            whole.train_sequence(x, y, mask=mask)
            halves = [(here, x[half], y[half], mask[half]) for half in (np.s_[:B], np.s_[B:])]
            here.apply_gradients(added(pool.map(share_of, halves)))
    assert_parameters(here, parameters_of(whole), 1e-12)


@every_kind
@every_optimizer
@every_reduction
def test_one_process_is_a_sequence(kind, optimizer, reduction):
    """And whatever `update_every` says, the optimizer of `apply_gradients` is that of an update."""
    x, y, mask = data()
    options = {"optimizer": optimizer, "reduction": reduction, **without_regulariser(kind, optimizer)}
    trained = build(kind, update_every="sequence", **options)
    applied = build(kind, update_every="sequence", **options)
    for _ in range(3):
        loss = trained.train_sequence(x, y, mask=mask, lengths=LENGTHS)
        gradients = applied.gradients(x, y, mask=mask, lengths=LENGTHS)
        assert gradients["loss"] / gradients["n_targets"] == pytest.approx(loss, rel=1e-12)
        applied.apply_gradients(gradients)
    assert_parameters(applied, parameters_of(trained), 1e-12)


@every_kind
@every_schedule
def test_a_gradient_is_a_sum_whatever_the_reduction(kind, update_every):
    x, y, mask = data()
    total, mean = (
        build(kind, reduction=r, update_every=update_every, lr=1e-3).gradients(x, y, mask=mask)
        for r in REDUCTIONS
    )
    assert total.keys() == mean.keys()
    assert total.keys() == ({"W_in", "W_rec", "W_out", "b"} if kind == "eprop" else {"W"}) | {
        "loss",
        "n_targets",
        "n_streams",
    }
    assert_same_bits(flat(total), flat(mean))
    assert total["loss"] == mean["loss"]
    assert type(total["n_targets"]) is int and total["n_targets"] == mean["n_targets"] == mask.sum()
    nothing = build(kind).gradients(x, y, mask=np.zeros(T, dtype=bool))
    assert nothing["n_targets"] == 0 and nothing["loss"] == 0.0
    assert type(nothing["n_streams"]) is int and nothing["n_streams"] == B
    one = build(kind, 1).gradients(x[0], y[0])
    assert one["n_targets"] == T and one["n_streams"] == 1


# The optimizer's step


@every_kind
@every_optimizer
@every_reduction
@every_schedule
def test_in_the_middle_of_a_stream_it_is_the_reference(kind, optimizer, reduction, update_every):
    """What is pending stays, and comes with the update that was due anyway."""
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every}
    trainer, model = build(kind, **options), build_reference(kind, **options)
    x, y, _ = data()
    for t in range(40):
        got, expected = trainer.step(x[:, t], y[:, t]), model.step(x[:, t], y[:, t])
        assert np.array_equal(got["spikes"], expected["spikes"])
        assert_close(got["output"], expected["output"], 1e-10, f"output of step {t}")
        if t % 9 == 4:
            gradients = model.gradients(x[:, 40:], y[:, 40:])
            trainer.apply_gradients({name: gradients[name] for name in trainer.gradients(x, y)})
            model.apply_gradients(gradients)
            assert_parameters(trainer, parameters_of_reference(model), 1e-10, f"step {t}")
    for either in (trainer, model):
        either.update()
    assert model.margin > 1e-9
    assert_parameters(trainer, parameters_of_reference(model), 1e-10)


@every_kind
@every_optimizer
@every_schedule
@pytest.mark.parametrize("batch_size", [1, B])
def test_traces_and_state_stay(kind, optimizer, update_every, batch_size):
    x, y, _ = data(batch_size)
    x, y = (x[0], y[0]) if batch_size == 1 else (x, y)
    trainer = build(kind, batch_size, optimizer=optimizer, update_every=update_every)
    trainer.train_sequence(x[..., :11, :], y[..., :11, :], reset=False)
    before, weights = state_of(trainer), parameters_of(trainer)
    trainer.apply_gradients(trainer.gradients(x, y))
    after = state_of(trainer)
    for name, array in before.items():
        assert_close(after[name], array, 1e-14, name)
    for name in ("v", "spikes"):
        assert_same_bits(*({k: a for k, a in s.items() if k.startswith(name)} for s in (after, before)))
    moved(trainer, weights)


@every_kind
@every_optimizer
@every_schedule
def test_what_applied_gradients_leave_behind_travels(kind, optimizer, update_every):
    """Copies go on alike, and Adam remembers what it was given."""
    x, y, _ = data()
    trainer = build(kind, optimizer=optimizer, update_every=update_every)
    twin, fresh = copy.copy(trainer), copy.copy(trainer)
    for either in (trainer, twin):
        either.train_sequence(x, y)
        either.apply_gradients(some(kind))
        either.train_sequence(x, y, reset=False)
    assert trainer.state_equal(twin) and trainer.state_equal(copy.deepcopy(trainer))
    nothing = {**scaled(some(kind), 0.0), "n_targets": 0, "n_streams": 1}
    before = parameters_of(fresh)
    fresh.apply_gradients(nothing)
    if optimizer in DECAYING:
        moved(fresh, before)
    else:
        assert_same_bits(parameters_of(fresh), before)
    fresh.apply_gradients(some(kind))
    before = parameters_of(fresh)
    fresh.apply_gradients(nothing)
    # Of no step at all: where steps are limited, none is as short as it can be.
    remembers = optimizer != "plain" and optimizer not in LIMITED
    assert any(not np.array_equal(W, before[name]) for name, W in parameters_of(fresh).items()) is remembers


def scaled(gradients, factor):
    return {
        name: [factor * a for a in value] if isinstance(value, list) else factor * value
        for name, value in gradients.items()
    }


@every_kind
@every_reduction
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_by_hand(kind, reduction, dtype):
    gradients = some(kind, update_every="sequence")
    n = gradients["n_targets"] if reduction == "mean" else 1
    trainer = build(kind, optimizer="plain", lr=2e-4, reduction=reduction, dtype=dtype)
    before = parameters_of(trainer)
    trainer.apply_gradients(gradients)
    for name, g in flat(gradients).items():
        assert_close(
            parameters_of(trainer)[name],
            before[name] - 2e-4 / n * g,
            1e-6 if dtype == "float32" else 1e-14,
            name,
        )
    if kind == "eprop":
        assert not np.diag(trainer.W_rec).any()


# The dict


@every_kind
@every_reduction
def test_what_a_dict_may_be(kind, reduction):
    """Lists, wider numbers, other orders of memory, with or without what only `gradients` knows."""
    gradients, plain = some(kind), {"optimizer": "plain", "reduction": reduction}
    variants = [
        dict(gradients),
        dict(reversed(gradients.items())),
        {k: v for k, v in gradients.items() if k != "loss"},
    ]
    variants[-1]["n_targets"] = np.int64(gradients["n_targets"])
    if kind == "stack":
        variants.append({**gradients, "W": tuple(gradients["W"])})
        variants.append({**gradients, "W": [np.asfortranarray(W) for W in gradients["W"]]})
        variants.append({**gradients, "W": [W.tolist() for W in gradients["W"]]})
    else:
        variants.append({k: np.asfortranarray(v) if k[0] == "W" else v for k, v in gradients.items()})
        variants.append({k: v.tolist() if k[0] in "Wb" else v for k, v in gradients.items()})
    if reduction == "sum":
        variants.append({k: v for k, v in gradients.items() if k not in ("loss", "n_targets", "n_streams")})
    expected = build(kind, **plain)
    expected.apply_gradients(gradients)
    for variant in variants:
        kept = copy.deepcopy(variant)
        trainer = build(kind, **plain)
        trainer.apply_gradients(variant)
        assert trainer.state_equal(expected)
        assert_same_bits(flat_arrays(variant), flat_arrays(kept))


def flat_arrays(gradients):
    return {name: np.asarray(g) for name, g in flat(gradients).items()}


def test_b_may_be_left_out_where_there_is_none():
    gradients = some("eprop", readout_bias=False)
    assert not gradients["b"].any()
    without = {k: v for k, v in gradients.items() if k != "b"}
    trainers = [build("eprop", readout_bias=False) for _ in range(2)]
    for trainer, given in zip(trainers, (gradients, without), strict=True):
        trainer.apply_gradients(given)
    assert trainers[0].state_equal(trainers[1]) and not trainers[0].b.any()


def changed(gradients, name, value):
    return {**gradients, name: value}


def without(gradients, *names):
    return {k: v for k, v in gradients.items() if k not in names}


def with_entry(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


NAN, INF = float("nan"), float("inf")
FLAWS = {
    "eprop": {
        **{
            f"without {name}": (lambda g, n=name: without(g, n), name)
            for name in ("W_in", "W_rec", "W_out", "b")
        },
        "an unknown key": (lambda g: {**g, "W_hidden": g["W_rec"]}, "W_hidden"),
        "a stack's": (lambda g: {**g, "W": [g["W_in"]]}, "'?\"?W\"?'?"),
        "a wrong shape": (
            lambda g: changed(g, "W_in", g["W_in"].T),
            r'gradients\["W_in"\]: expected shape \(12, 7\), got \(7, 12\)',
        ),
        "a vector": (
            lambda g: changed(g, "W_out", g["W_out"][0]),
            r'gradients\["W_out"\]: expected shape \(2, 12\), got \(12,\)',
        ),
        "b too long": (
            lambda g: changed(g, "b", np.zeros(3)),
            r'gradients\["b"\]: expected shape \(2,\), got \(3,\)',
        ),
        "NaN": (
            lambda g: changed(g, "W_in", with_entry(g["W_in"], (3, 2), NAN)),
            r'gradients\["W_in"\]: .*finite.*NaN.*3, 2',
        ),
        "infinity": (
            lambda g: changed(g, "W_out", with_entry(g["W_out"], (1, 2), INF)),
            r'gradients\["W_out"\]: .*finite.*inf.*1, 2',
        ),
        "NaN in b": (lambda g: changed(g, "b", [0.0, NAN]), r'gradients\["b"\]: .*finite'),
        "an own source": (
            lambda g: changed(g, "W_rec", with_entry(g["W_rec"], (4, 4), 0.5)),
            r'gradients\["W_rec"\]: .*diagonal.*0.5.*4',
        ),
    },
    "stack": {
        "without W": (lambda g: without(g, "W"), '"?W"?'),
        "an unknown key": (lambda g: {**g, "W_hidden": g["W"][0]}, "W_hidden"),
        "a layer too few": (lambda g: changed(g, "W", g["W"][:1]), r'gradients\["W"\]: .*2.*got 1'),
        "a layer too many": (
            lambda g: changed(g, "W", [*g["W"], g["W"][0]]),
            r'gradients\["W"\]: .*2.*got 3',
        ),
        "a wrong shape": (
            lambda g: changed(g, "W", g["W"][::-1]),
            r'gradients\["W"\].*expected shape \(9, 7\), got \(2, 9\)',
        ),
        "NaN": (
            lambda g: changed(g, "W", [g["W"][0], with_entry(g["W"][1], (1, 2), NAN)]),
            r'gradients\["W"\].*finite.*NaN.*1, 2',
        ),
    },
}
# With a limit.
LIMITS = {
    **{
        f"without {name}": (lambda g, n=name: without(g, n), ValueError, rf'"{name}".*limits the step.*SGD\(')
        for name in ("loss", "n_targets", "n_streams")
    },
    "no loss": (lambda g: changed(g, "loss", "high"), TypeError, r'gradients\["loss"\]: expected .*got high'),
    "infinite": (lambda g: changed(g, "loss", INF), ValueError, r'gradients\["loss"\]: expected .*got inf'),
    "no stream": (lambda g: changed(g, "n_streams", 0), ValueError, r'\["n_streams"\]: expected .*1.*got 0'),
    "a part": (lambda g: changed(g, "n_targets", 1.5), TypeError, r'\["n_targets"\]: expected .*0.*got 1.5'),
}
# With reduction="mean".
COUNTS = {
    "without": (lambda g: without(g, "n_targets"), ValueError, r"n_targets.*mean"),
    "0": (lambda g: changed(g, "n_targets", 0), ValueError, r'gradients\["n_targets"\]: expected .*1.*got 0'),
    "negative": (
        lambda g: changed(g, "n_targets", -3),
        ValueError,
        r'gradients\["n_targets"\]: expected .*0.*got -3',
    ),
    "a float": (
        lambda g: changed(g, "n_targets", 1.5),
        TypeError,
        r'gradients\["n_targets"\]: expected .*1\.5',
    ),
    "a bool": (
        lambda g: changed(g, "n_targets", True),
        TypeError,
        r'gradients\["n_targets"\]: expected .*True',
    ),
}


def rejects(kind, gradients, error, message, optimizer="adam", **options):
    """Nothing has changed: not the weights, not the moments, not what is pending."""
    x, y, _ = data()
    trainer = build(kind, optimizer=OPTIMIZERS[optimizer], update_every=7, **options)
    trainer.train_sequence(x, y, reset=False)
    twin = copy.copy(trainer)
    with pytest.raises(error, match=message):
        trainer.apply_gradients(gradients)
    assert trainer.state_equal(twin)
    for either in (trainer, twin):
        either.train_sequence(x, y, reset=False)
    assert trainer.state_equal(twin)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        pytest.param(kind, *flaw, id=f"{kind}: {name}")
        for kind, flaws in FLAWS.items()
        for name, flaw in flaws.items()
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(kind, change, message):
    rejects(kind, change(some(kind)), ValueError, message)


@every_kind
@pytest.mark.parametrize(("change", "error", "message"), COUNTS.values(), ids=COUNTS)
def test_a_mean_needs_the_number_of_targets(kind, change, error, message):
    rejects(kind, change(some(kind)), error, message, reduction="mean")


@every_kind
@pytest.mark.parametrize(("change", "error", "message"), LIMITS.values(), ids=LIMITS)
def test_a_limit_needs_the_loss_and_what_it_is_a_sum_over(kind, change, error, message):
    rejects(kind, change(some(kind)), error, message, optimizer="sgd")


@every_kind
@pytest.mark.parametrize("gradients", [None, [1.0], "W"], ids=str)
def test_what_is_no_dict_is_a_type_error(kind, gradients):
    rejects(kind, gradients, TypeError, "gradients: expected a dict")


@every_kind
def test_what_is_no_array_of_numbers_is_a_type_error(kind):
    gradients = some(kind)
    if kind == "stack":
        rejects(kind, changed(gradients, "W", 7), TypeError, r'gradients\["W"\]')
        rejects(kind, changed(gradients, "W", ["a", "b"]), TypeError, r'gradients\["W"\]')
    else:
        rejects(kind, changed(gradients, "W_in", "a"), TypeError, r'gradients\["W_in"\]')
        rejects(kind, changed(gradients, "W_in", 1j * gradients["W_in"]), TypeError, r'gradients\["W_in"\]')


@every_kind
def test_what_overflows_the_trainers_numbers_is_infinite(kind):
    gradients = scaled(some(kind), 1.0)
    if kind == "stack":
        gradients["W"][0] = with_entry(gradients["W"][0], (0, 0), 1e300)
    else:
        gradients["W_in"] = with_entry(gradients["W_in"], (0, 0), 1e300)
    rejects(kind, gradients, ValueError, r'gradients\["W.*finite', dtype="float32")


@every_kind
def test_weights_that_leave_the_finite_range(kind):
    """As at the end of every other call that learns; the weights can be read."""
    trainer = build(kind, 1, optimizer="plain", lr=1e30, dtype="float32")
    gradients = scaled(some(kind, dtype="float32"), 1.0)
    sizes = SIZES[kind]
    if kind == "stack":
        gradients["W"] = [np.full((m, n), 1e30) for n, m in itertools.pairwise(sizes)]
    else:
        gradients["W_in"] = np.full((sizes[1], sizes[0]), 1e30)
    with pytest.raises(FloatingPointError, match="W"):
        trainer.apply_gradients(gradients)
    assert not all(np.isfinite(W).all() for W in parameters_of(trainer).values())


@every_kind
@every_optimizer
@every_reduction
def test_float32_is_float64_rounded(kind, optimizer, reduction):
    x, y, mask = data()
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": "sequence"}
    narrow, wide = (build(kind, dtype=dtype, **options) for dtype in ("float32", "float64"))
    for trainer in (narrow, wide):
        for _ in range(2):
            trainer.apply_gradients(trainer.gradients(x, y, mask=mask, lengths=LENGTHS))
    assert_parameters(narrow, parameters_of(wide), 1e-4)
