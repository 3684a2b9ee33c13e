"""What a trainer takes, told before it is built; a limit of its memory; a form that is asked for."""

import copy
import dataclasses
import pickle
import re

import numpy as np
import pytest

import eprop

# Sizes whose rows are of 32 numbers.
SIZES = (32, 32, 2)
LIMIT = 32 * 1024
OPTIONS = [
    {},
    {"update_every": 5},
    {"update_every": "sequence"},
    {"optimizer": "adam"},
    {"optimizer": "momentum", "update_every": 40},
    {"optimizer": eprop.optim.Auto(per_neuron=True)},
    {"c_reg": 0.1, "readout_bias": True},
    {"beta": 0.1},
    {"tau_mem": np.linspace(5.0, 40.0, 32)},
    {"tau_syn": 5.0, "delay": 3},
    {"update_every": 20, "horizon": 10},
    {"feedback": "adaptive", "clip_norm": 1.0},
    {"batch_size": 3, "update_every": "sequence"},
    {"dtype": "float64"},
]


def least(error):
    return int(re.search(r"memory_limit: expected at least (\d+) bytes for n_inputs = 32", str(error))[1])


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "default")
def test_a_plan_is_what_the_trainer_then_takes(options):
    plan = eprop.EpropTrainer.plan(*SIZES, **options)
    trainer = eprop.EpropTrainer(*SIZES, **options)
    assert (plan.engine, plan.bytes) == (trainer.engine, trainer.memory_bytes)
    assert plan.active == pytest.approx(0.02 * 64)
    assert 0 < plan.at(0).multiply_adds < plan.multiply_adds < plan.at(64).multiply_adds
    assert plan.at(0).bytes_moved < plan.bytes_moved < plan.at(64).bytes_moved


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "default")
def test_32_kb_are_enough_for_32_neurons_or_the_error_says_what_would_be(options):
    with pytest.raises(ValueError, match="memory_limit") as refused:
        eprop.EpropTrainer(*SIZES, memory_limit=0, **options)
    enough = least(refused.value)
    if enough > LIMIT:
        with pytest.raises(ValueError, match=f"expected at least {enough} bytes"):
            eprop.EpropTrainer(*SIZES, memory_limit=LIMIT, **options)
    trainer = eprop.EpropTrainer(*SIZES, memory_limit=max(LIMIT, enough), **options)
    assert enough <= trainer.memory_bytes <= trainer.memory_limit
    free = eprop.EpropTrainer(*SIZES, **options)
    rng = np.random.default_rng(1)
    inputs, targets = rng.random((60, 32)) < 0.1, rng.normal(size=(60, 2))
    losses = [model.train_sequence(inputs, targets) for model in (trainer, free)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "default")
def test_the_shortest_blocks_are_the_textbook(options):
    """To rounding, in float64: outputs, traces and weights, step by step, with updates and resets in between."""
    options = {"update_every": "sequence", "lr": 1e-3, **options, "dtype": "float64", "batch_size": 1}
    with pytest.raises(ValueError, match="memory_limit") as refused:
        eprop.EpropTrainer(*SIZES, engine="block", memory_limit=0, **options)
    block = eprop.EpropTrainer(*SIZES, engine="block", memory_limit=least(refused.value), **options)
    plan = eprop.EpropTrainer.plan(*SIZES, engine="block", memory_limit=least(refused.value), **options)
    horizon = options.get("horizon", 1)
    assert plan.block == horizon
    other = {"engine": "textbook"} if horizon == 1 else {"engine": "block"}
    slow = eprop.EpropTrainer(*SIZES, **other, **options)
    rng = np.random.default_rng(2)
    for n_steps in (1, 7, 40):
        inputs, targets = rng.random((n_steps, 32)) < 0.3, rng.normal(size=(n_steps, 2))
        outputs = [model.train_sequence(inputs, targets, return_outputs=True)[1] for model in (block, slow)]
        assert np.allclose(*outputs, rtol=1e-9, atol=1e-10)
        assert np.allclose(block.e_bar, slow.e_bar, rtol=1e-9, atol=1e-10)
        assert np.allclose(block.W_rec, slow.W_rec, rtol=1e-9, atol=1e-10)
    assert (block.W_rec != eprop.EpropTrainer(*SIZES, **options).W_rec).any()


def test_a_stack_has_a_plan_and_a_limit():
    plan = eprop.OnlineTrainer.plan([8, 12, 4], optimizer="adam", dtype="float64")
    stack = eprop.OnlineTrainer([8, 12, 4], optimizer="adam", dtype="float64")
    assert (plan.engine, plan.block, plan.bytes) == (None, 1, stack.memory_bytes)
    with pytest.raises(
        ValueError, match=f"memory_limit: expected at least {plan.bytes} bytes for layer_sizes"
    ):
        eprop.OnlineTrainer([8, 12, 4], optimizer="adam", dtype="float64", memory_limit=plan.bytes - 1)


def test_a_plan_takes_and_refuses_what_the_constructor_does():
    plan = eprop.EpropTrainer.plan
    with pytest.raises(TypeError, match="n_outputs"):
        plan(2, 3)
    with pytest.raises(TypeError, match="n_neurons: expected an int"):
        plan(2, 3.0, 1)
    with pytest.raises(ValueError, match="tau_mem: expected a finite number > 0"):
        plan(2, 3, 1, tau_mem=0)
    with pytest.raises(MemoryError):
        plan(2**62, 3, 1)
    assert plan(2, 3, 1, 30.0) == plan(n_inputs=2, n_neurons=3, n_outputs=1, tau_mem=30.0)
    assert plan(10**6, 10**6, 1).bytes > 10**12


@pytest.mark.parametrize("limit", [True, 1.5, "32 KB"])
def test_a_limit_is_a_number_of_bytes(limit):
    with pytest.raises(TypeError, match="memory_limit: expected an int"):
        eprop.EpropTrainer(*SIZES, memory_limit=limit)


def test_a_limit_and_memory_that_grows_are_refused_together():
    with pytest.raises(ValueError, match="memory_limit: expected none with horizon"):
        eprop.EpropTrainer(*SIZES, update_every="sequence", horizon="sequence", memory_limit=10**9)


@pytest.mark.parametrize("engine", ["factored", "block", "textbook"])
def test_a_form_that_is_asked_for_is_taken(engine):
    trainer = eprop.EpropTrainer(*SIZES, engine=engine)
    assert trainer.engine == engine
    assert trainer == pickle.loads(pickle.dumps(trainer)) == copy.deepcopy(trainer)
    assert eval(repr(trainer), {"EpropTrainer": eprop.EpropTrainer}) == trainer


def test_a_form_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="engine: expected one of"):
        eprop.EpropTrainer(*SIZES, engine="fast")
    with pytest.raises(ValueError, match="engine: expected block or textbook in a batch"):
        eprop.EpropTrainer(*SIZES, engine="factored", batch_size=2)
    with pytest.raises(TypeError, match="engine: expected a string"):
        eprop.EpropTrainer(*SIZES, engine=1)


def test_a_form_that_nobody_asked_for_binds_no_copy_with_other_options():
    trainer = eprop.EpropTrainer(*SIZES)
    assert trainer.engine == "factored"
    for other in (trainer, copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert dataclasses.replace(other, update_every="sequence").engine == "block"
    asked = eprop.EpropTrainer(*SIZES, engine="factored")
    with pytest.raises(ValueError, match="engine: expected block or textbook"):
        dataclasses.replace(asked, update_every="sequence")


def test_a_form_is_fixed_once_the_trainer_is_built():
    trainer = eprop.EpropTrainer(*SIZES)
    for field, value in (("engine", "block"), ("memory_limit", 10**9)):
        with pytest.raises(AttributeError, match=f"{field}: fixed once the trainer is built"):
            setattr(trainer, field, value)


def test_a_pickle_keeps_the_limit_and_goes_on_bit_for_bit():
    trainer = eprop.EpropTrainer(*SIZES, update_every="sequence", memory_limit=LIMIT + 8192)
    x = np.ones(32)
    for _ in range(30):
        trainer.step(x, [0.1, 0.2])
    twin = pickle.loads(pickle.dumps(trainer))
    assert twin.memory_limit == LIMIT + 8192 and twin.memory_bytes == trainer.memory_bytes
    for model in (trainer, twin):
        model.step(x, [0.3, 0.2])
    assert twin.state_equal(trainer)


@pytest.mark.parametrize(("active", "error"), [(np.nan, ValueError), (-1, ValueError), ("few", TypeError)])
def test_active_sources_are_a_finite_number(active, error):
    with pytest.raises(error, match="active: expected a"):
        eprop.EpropTrainer.plan(*SIZES).at(active)


def test_a_plan_knows_what_is_not_trained():
    for frozen in ({"train_in": False}, {"train_rec": False}, {"train_in": False, "train_rec": False}):
        plan = eprop.EpropTrainer.plan(20, 100, 2, **frozen)
        assert plan.bytes == eprop.EpropTrainer(20, 100, 2, **frozen).memory_bytes
        assert plan.bytes != eprop.EpropTrainer.plan(20, 100, 2).bytes
    for make in (eprop.EpropTrainer, eprop.EpropTrainer.plan):
        with pytest.raises(
            ValueError, match=r"lr_in: expected 0 or None where the group is not trained, got 0.1"
        ):
            make(20, 100, 2, lr_in=0.1, train_in=False)
        with pytest.raises(TypeError, match="lr_in: expected a number"):
            make(20, 100, 2, lr_in=np.ones(3), train_in=False)
