"""Learning rates that follow the count of updates, and the count itself."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from streams import EVERY, KINDS, OPTIMIZERS, B, T, build, data, parameters_of

from eprop.optim import cosine, linear, step_decay

every_kind = pytest.mark.parametrize("kind", KINDS)
every_schedule = pytest.mark.parametrize("update_every", EVERY)


# The rates


@pytest.mark.parametrize("schedule_of", [cosine, linear])
def test_a_rate_rises_falls_and_stays(schedule_of):
    schedule = schedule_of(0.5, n_updates=30, warmup=10, final=0.1)
    rates = np.array([schedule(update) for update in range(50)])
    np.testing.assert_allclose(rates[:10], 0.5 * np.arange(1, 11) / 10, rtol=1e-15)
    assert rates[10] == 0.5 and (np.diff(rates[10:31]) < 0.0).all()
    assert rates[20] == pytest.approx(0.3, rel=1e-15), "halfway"
    assert (rates[30:] == 0.1).all()


def test_the_shapes_are_half_a_cosine_and_a_line():
    fallen = np.arange(101) / 100
    for schedule, shape in (
        (cosine(0.2, 100), 0.5 * (1.0 + np.cos(np.pi * fallen))),
        (linear(0.2, 100), 1.0 - fallen),
    ):
        np.testing.assert_allclose([schedule(k) for k in range(101)], 0.2 * shape, rtol=1e-12, atol=1e-17)


def test_steps_multiply_the_rate():
    schedule = step_decay(0.8, every=5, factor=0.25)
    assert [schedule(k) for k in (0, 4, 5, 9, 10)] == [0.8, 0.8, 0.2, 0.2, 0.05]


@pytest.mark.parametrize(
    "schedule",
    [cosine(0.5, 30, 3), linear(0.5, 30), step_decay(0.5, 3)],
    ids=["cosine", "linear", "step_decay"],
)
def test_a_schedule_is_pickled(schedule):
    twin = pickle.loads(pickle.dumps(schedule))
    assert [twin(k) for k in range(40)] == [schedule(k) for k in range(40)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cosine(-0.1, 10), ValueError, r"lr: expected .*-0\.1"),
        (lambda: linear(np.nan, 10), ValueError, "lr: expected .*nan"),
        (lambda: cosine("fast", 10), TypeError, "lr: expected .*fast"),
        (lambda: cosine(0.1, 0), ValueError, "n_updates: expected at least 1, got 0"),
        (lambda: linear(0.1, 2.5), TypeError, r"n_updates: expected an int, got 2\.5"),
        (lambda: linear(0.1, 10, warmup=10), ValueError, "warmup: expected fewer .*10, got 10"),
        (lambda: cosine(0.1, 10, warmup=-1), ValueError, "warmup: expected .*-1"),
        (lambda: cosine(0.1, 10, final=-1.0), ValueError, "final: expected"),
        (lambda: step_decay(0.1, 0), ValueError, "every: expected at least 1, got 0"),
        (lambda: step_decay(0.1, 3, factor=-0.5), ValueError, r"factor: expected .*-0\.5"),
    ],
)
def test_what_is_no_schedule_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# The count


@every_kind
@every_schedule
@pytest.mark.parametrize("batch_size", [1, B])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_updates_are_counted(kind, update_every, batch_size, optimizer):
    """Those of masked steps and of `apply_gradients` too, and no steps that do not learn."""
    x, y, mask = data(batch_size)
    trainer = build(kind, batch_size, optimizer=optimizer, update_every=update_every)
    assert type(trainer.n_updates) is int and trainer.n_updates == 0
    trainer.train_sequence(x, y, mask=mask)
    of_one = 1 if update_every == "sequence" else -(-T // update_every)
    assert trainer.n_updates == of_one
    trainer.predict_sequence(x)
    trainer.update()
    gradients = trainer.gradients(x, y)
    assert trainer.n_updates == of_one
    trainer.apply_gradients(gradients)
    trainer.reset()
    assert trainer.n_updates == of_one + 1
    for twin in (copy.copy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert twin.n_updates == of_one + 1
        twin.train_sequence(x, y)
        assert twin.n_updates == 2 * of_one + 1
    assert trainer.n_updates == of_one + 1
    with pytest.raises(AttributeError, match="n_updates"):
        trainer.n_updates = 3


@every_kind
def test_a_rate_is_that_of_the_next_update(kind):
    """A schedule step by step is a rate that is assigned by hand."""
    x, y, _ = data(1)
    scheduled, by_hand = (build(kind, 1, optimizer="plain") for _ in range(2))
    schedule = cosine(1e-4, 40, warmup=5)
    for t in range(50):
        scheduled.lr = schedule(scheduled.n_updates)
        by_hand.lr = schedule(t)
        for trainer in (scheduled, by_hand):
            trainer.step(x[0, t], y[0, t])
    for name, W in parameters_of(scheduled).items():
        assert np.array_equal(W, parameters_of(by_hand)[name])
    assert scheduled.lr == 0.0


def test_a_rate_beyond_all_floats_is_named():
    with pytest.raises(ValueError, match="factor: expected rates that are floats"):
        step_decay(0.1, 1, factor=2.0)(2000)
