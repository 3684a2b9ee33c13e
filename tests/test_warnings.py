"""A network that cannot learn, and learning that runs away: what is said, and when. Healthy runs are left in peace."""

import copy
import pickle
import warnings

import numpy as np
import pytest

from eprop import CalibrationWarning, DivergenceWarning, EpropTrainer, FiringRateWarning, OnlineTrainer
from eprop.optim import SGD

N_INPUTS, N, N_OUTPUTS, B = 8, 20, 2, 3
KINDS = ("eprop", "batch", "stack", "batch of stacks")
EVERY = (1, 10, "sequence")
CLONES = [copy.copy, copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))]
LR = 1e-9  # nothing is learned that these tests would see


def build(kind, **options):
    """With a membrane of 2 ms: a sequence of 10 steps says how it fires, 100 steps of shorter ones together, 20 that it never has."""
    options = {"tau_mem": 2.0, "lr": LR, "batch_size": B if "batch" in kind else 1, **options}
    if "stack" in kind:
        return OnlineTrainer([N_INPUTS, N, N_OUTPUTS], **options)
    return EpropTrainer(N_INPUTS, N, N_OUTPUTS, **options)


def rows(kind, n_steps, level=0.0):
    shape = (B, n_steps) if "batch" in kind else (n_steps,)
    return np.full((*shape, N_INPUTS), level), np.full((*shape, N_OUTPUTS), 0.01)


def train(trainer, kind, n_steps, level=0.0):
    """What a call of so many steps says: categories and messages."""
    return said(lambda: trainer.train_sequence(*rows(kind, n_steps, level)))


def step(trainer, kind, n_steps, level=0.0):
    """The same of a loop of steps, each after the last."""
    x, y = rows(kind, n_steps, level)
    return said(lambda: [trainer.step(x[..., t, :], y[..., t, :]) for t in range(n_steps)])


def stream(trainer, kind, n_steps, level=0.0):
    x, y = rows(kind, n_steps, level)
    pairs = [(x[..., t, :], y[..., t, :]) for t in range(n_steps)]
    return said(lambda: list(trainer.train_stream(pairs)))


def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [(warning.category, str(warning.message)) for warning in caught]


def categories(warned):
    return [category for category, _ in warned]


def run_away(trainer):
    """What learning that overshoots leaves behind: neurons that always fire, outputs far beyond the targets."""
    if isinstance(trainer, OnlineTrainer):
        for layer in trainer.layers:
            layer.W = np.full(layer.W.shape, 5.0)
    else:
        trainer.W_in = np.full((N, N_INPUTS), 5.0)
        trainer.W_out = np.ones((N_OUTPUTS, N))


def watched(kind, **options):
    """A trainer with ten calls behind it, of a step each."""
    trainer = build(kind, **options)
    for _ in range(10):
        assert train(trainer, kind, 1) == []
    return trainer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("update_every", EVERY)
def test_a_loss_that_has_run_away_is_told_once_until_reset(kind, update_every):
    trainer = watched(kind, update_every=update_every)
    run_away(trainer)
    (category, message), *more = train(trainer, kind, 5, level=1.0)
    assert (category, more) == (DivergenceWarning, [])
    loss = trainer.evaluate(*rows(kind, 5, level=1.0))[0]
    for part in (
        f"the mean loss is {loss:.3g}",
        "0.0001 at most",
        "lr = 1e-09",
        "smaller lr",
        'reduction="mean"',
    ):
        assert part in message, message
    assert "calibrate" not in message
    # Nor is it told to calibrate afterwards: it fires as it does since it has run away.
    assert train(trainer, kind, 300, level=1.0) == []
    trainer.reset()
    for _ in range(10):
        assert train(trainer, kind, 1) == []
    assert categories(train(trainer, kind, 5, level=1.0)) == [DivergenceWarning]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [step, stream])
def test_steps_are_counted_together_over_calls(kind, run):
    """A hundred steps are a judgement, twenty if nothing has fired; ten are behind it when it may say that a loss has run away."""
    trainer = build(kind)
    if run is stream and "batch" in kind:
        run = step
    assert run(trainer, kind, 19) == []
    (category, message), *more = run(trainer, kind, 1)
    assert (category, more) == (FiringRateWarning, [])
    assert "no neuron fired" in message and "calibrate" in message
    assert run(trainer, kind, 1000) == []
    run_away(trainer)
    assert run(trainer, kind, 99, level=1.0) == []
    assert categories(run(trainer, kind, 1, level=1.0)) == [DivergenceWarning]
    assert run(trainer, kind, 200, level=1.0) == []
    trainer.reset()
    assert run(trainer, kind, 99, level=1.0) == []
    assert categories(run(trainer, kind, 1, level=1.0)) == [FiringRateWarning]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("update_every", EVERY)
def test_short_sequences_are_counted_together_and_steps_with_them(kind, update_every):
    trainer = build(kind, update_every=update_every)
    for _ in range(2):
        assert train(trainer, kind, 8) == []
    assert step(trainer, kind, 3) == []
    (category, message), *more = step(trainer, kind, 1)
    assert (category, more) == (FiringRateWarning, []) and "no neuron fired" in message
    trainer.reset()
    run_away(trainer)
    (category, message), *more = train(trainer, kind, 10, level=1.0)
    assert (category, more) == (FiringRateWarning, []) and "more than half" in message


def test_the_longest_membrane_says_what_is_long():
    tau_mem = np.full(N, 2.0)
    tau_mem[3] = 20.0
    trainer = build("eprop", tau_mem=tau_mem)
    assert train(trainer, "eprop", 99) == []
    trainer.reset()
    assert categories(train(trainer, "eprop", 100)) == [FiringRateWarning]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clone", CLONES)
def test_a_copy_says_what_the_original_would_have_said(kind, clone):
    trainer = build(kind)
    for _ in range(2):
        assert train(trainer, kind, 8) == []
    twin = clone(trainer)
    assert categories(train(twin, kind, 8)) == [FiringRateWarning]
    assert categories(train(trainer, kind, 8)) == [FiringRateWarning]
    assert train(clone(trainer), kind, 300) == []  # it has been told
    trainer = watched(kind)
    run_away(trainer)
    twin = clone(trainer)
    assert categories(train(twin, kind, 5, level=1.0)) == [DivergenceWarning]
    assert train(clone(twin), kind, 300, level=1.0) == []


def test_what_was_seen_is_no_part_of_the_state():
    seen, fresh = build("eprop"), build("eprop")
    train(seen, "eprop", 8)
    step(fresh, "eprop", 8)
    assert seen.train_sequence(*rows("eprop", 8), reset=False) == fresh.train_sequence(
        *rows("eprop", 8), reset=False
    )
    assert fresh.state_equal(seen)
    assert seen == fresh


@pytest.mark.parametrize("made_an_error", [DivergenceWarning, FiringRateWarning])
def test_a_warning_made_an_error_comes_after_the_call_is_complete(made_an_error):
    trainer, twin = watched("eprop"), watched("eprop")
    n_steps, level = (5, 1.0) if made_an_error is DivergenceWarning else (100, 0.0)
    if level:
        run_away(trainer)
        run_away(twin)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(made_an_error):
            trainer.train_sequence(*rows("eprop", n_steps, level))
    assert categories(train(twin, "eprop", n_steps, level)) == [made_an_error]
    assert trainer.state_equal(twin)
    assert train(trainer, "eprop", n_steps, level) == []


@pytest.mark.parametrize("update_every", EVERY)
def test_learning_that_overshoots_is_told_before_numbers_overflow(update_every):
    """No weight is assigned here: the learning rate grows until it does harm."""
    x, y = np.indices((100, 3)).sum(0) % 3, np.ones((100, 1))
    options = {"update_every": update_every, "optimizer": SGD(limit=False), "dtype": "float64"}
    trainer = EpropTrainer(3, 30, 1, lr=1e-4, **options)
    told = []
    while not told:
        trainer.lr *= 1.1
        told = said(lambda: trainer.train_sequence(x, y))
    assert categories(told) == [DivergenceWarning]
    assert f"lr = {trainer.lr:g}" in told[0][1]


@pytest.mark.parametrize("update_every", EVERY)
def test_learning_that_runs_away_at_once_is_told_at_once_and_not_to_calibrate(update_every):
    """In one of the first calls. Afterwards the network is silent, or fires all the time: no reason to calibrate it."""
    rng = np.random.default_rng(0)
    x, y = (rng.random((100, 20)) < 0.3) * 1.0, rng.normal(size=(100, 3))
    options = {"update_every": update_every, "optimizer": SGD(limit=False), "dtype": "float64", "seed": 1}
    trainer = EpropTrainer(20, 60, 3, lr=1.0, **options)
    trainer.calibrate(x)
    for _ in range(5):
        told = said(lambda: trainer.train_sequence(x, y))
        if told:
            break
    assert categories(told) == [DivergenceWarning]
    assert "learning has run away" in told[0][1] and "calibrate" not in told[0][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            try:
                trainer.train_sequence(x, y)
            except FloatingPointError:
                break


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("update_every", EVERY)
@pytest.mark.parametrize("seed", range(4))
def test_healthy_runs_are_left_in_peace(kind, loss, update_every, seed):
    """Targets that change half-way, some steps without any, calls of every length, and steps between them."""
    rng = np.random.default_rng(seed)
    lr = 2e-4 if update_every == "sequence" else 1e-3
    trainer = build(kind, lr=lr, loss=loss, update_every=update_every, tau_mem=20.0, seed=seed)
    batch = (B,) if "batch" in kind else ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.calibrate(rng.random((200, N_INPUTS)) < 0.1, rate=30.0)
        for call in range(40):
            n_steps = int(rng.choice([3, 50, 120, 250]))
            x = rng.random((*batch, n_steps, N_INPUTS)) < 0.1
            y = np.zeros((*batch, n_steps, N_OUTPUTS))
            y[..., int(call >= 20)] = 1.0
            mask = rng.random((*batch, n_steps)) < 0.7
            trainer.train_sequence(x, y, mask=mask, reset=bool(call % 2))
            trainer.step(x[..., 0, :], y[..., 0, :])


def calibrated(kind="eprop", **options):
    """A trainer at 50 Hz, and the inputs that bring it there."""
    rng = np.random.default_rng(3)
    x = rng.random((100, N_INPUTS))
    trainer = build(kind, **options)
    assert said(lambda: trainer.calibrate(x, rate=50.0)) == []
    return trainer, np.stack([x] * B) if "batch" in kind else x


def learned(trainer, x, size, n_steps=100):
    targets = np.full((*x.shape[:-2], n_steps, N_OUTPUTS), size)
    return said(lambda: trainer.train_sequence(x[..., :n_steps, :], targets))


@pytest.mark.parametrize("kind", ["eprop", "batch"])
@pytest.mark.parametrize("size", [1e-6, 1e4])
@pytest.mark.parametrize("readout_gain", ["unit", "leak"])
def test_targets_of_another_size_are_told_after_a_calibration_once_until_reset(kind, size, readout_gain):
    trainer, x = calibrated(kind, readout_gain=readout_gain)
    (category, message), *more = learned(trainer, x, size)
    assert (category, more) == (CalibrationWarning, [])
    for part in (f"root mean square is {size:.3g}", "readout_gain", "scale targets to about 1"):
        assert part in message, message
    assert ("unlearned" in message) == (size < 1)
    assert learned(trainer, x, size) == []
    trainer.calibrate(x if x.ndim == 2 else list(x), rate=20.0)
    assert learned(trainer, x, size) == []  # it has been told
    trainer.reset()
    assert learned(trainer, x, size) == []  # nothing was calibrated since then
    trainer.calibrate(x if x.ndim == 2 else list(x), rate=50.0)
    trainer.reset()
    assert categories(learned(trainer, x, size)) == [CalibrationWarning]


@pytest.mark.parametrize("clone", CLONES)
def test_a_copy_compares_targets_as_the_original_would(clone):
    trainer, x = calibrated()
    twin = clone(trainer)
    assert trainer.state_equal(twin)
    assert categories(learned(twin, x, 1e6)) == [CalibrationWarning]
    assert learned(clone(twin), x, 1e6) == []
    assert categories(learned(trainer, x, 1e6)) == [CalibrationWarning]


def test_targets_are_compared_in_the_first_sequence_that_is_long_enough():
    trainer, x = calibrated()
    assert learned(trainer, x, 1e6, n_steps=9) == []  # a membrane takes 2 ms
    assert categories(learned(trainer, x, 1e6, n_steps=10)) == [CalibrationWarning]
    trainer, x = calibrated()
    assert learned(trainer, x, 0.5) == []
    assert CalibrationWarning not in categories(learned(trainer, x, 1e6))


def test_only_a_squared_error_has_targets_of_a_size():
    trainer, x = calibrated(loss="cross_entropy")
    assert said(lambda: trainer.train_sequence(x, np.zeros(len(x), dtype=int))) == []
    stack, x = calibrated("stack")
    assert said(lambda: stack.train_sequence(x, np.full((100, N_OUTPUTS), 1e6))) == []
    untold = build("eprop")
    assert CalibrationWarning not in categories(learned(untold, x, 1e6))  # was never calibrated


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_inputs_that_hardly_vary_are_told_and_constant_ones_are_meant(kind):
    rng = np.random.default_rng(4)
    x = rng.random((100, N_INPUTS))
    trainer = build(kind)
    (category, message), *more = said(lambda: trainer.calibrate(x + 10.0, rate=50.0))
    assert (category, more) == (CalibrationWarning, [])
    assert "inputs - inputs.mean(axis=0)" in message
    assert said(lambda: trainer.calibrate(x + 10.0, rate=50.0)) == []  # once
    trainer.reset()
    assert categories(said(lambda: trainer.calibrate([x[:40] + 10.0, x[40:] + 10.0]))) == [CalibrationWarning]
    trainer.reset()
    for healthy in (x, x + 2.0, 10.0 * x - 5.0, np.tile(x[0], (100, 1)), x < 0.02):
        assert said(lambda inputs=healthy: trainer.calibrate(inputs, rate=50.0)) == []


def test_a_warning_of_inputs_made_an_error_comes_after_the_weights_are_scaled():
    x = 10.0 + np.random.default_rng(4).random((100, N_INPUTS))
    trainer, twin = build("eprop"), build("eprop")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CalibrationWarning):
            trainer.calibrate(x)
    assert categories(said(lambda: twin.calibrate(x))) == [CalibrationWarning]
    assert trainer.state_equal(twin)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_calibrate_says_what_it_did(kind, caplog):
    rng = np.random.default_rng(5)
    x = rng.random((3, 400, N_INPUTS))
    trainer = build(kind)

    def rates():
        """Of each layer in Hz; the crate's own count of spikes in the last one."""
        return [1000.0 * np.mean([trainer.predict_sequence(s, return_spikes=True)[1].mean() for s in x])]

    before = rates()
    with caplog.at_level("INFO", logger="eprop"):
        factors = trainer.calibrate(list(x), rate=30.0)
    after = rates()
    names = ["W_in"] if kind == "eprop" else ["layers[0].W", "layers[1].W"]
    lines = [record.getMessage() for record in caplog.records if record.name == "eprop"]
    assert [record.levelname for record in caplog.records] == ["INFO"] * len(names)
    for name, factor, line in zip(names, np.ravel(factors), lines, strict=True):
        assert line.startswith(f"calibrate: {name} times {factor:.3g}: ")
    if kind == "eprop":
        assert lines[0].endswith(f": {after[0]:.3g} Hz, before {before[0]:.3g} Hz")
    else:
        assert f": {after[0]:.3g} Hz, before" in lines[1]
