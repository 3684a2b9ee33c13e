"""The ten most common mistakes of a new user: each is accepted and right, or one sentence says what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eprop import DivergenceWarning, EpropTrainer, FiringRateWarning
from eprop.optim import SGD

T, N_INPUTS = 300, 20
rng = np.random.default_rng(0)
inputs = rng.random((T, N_INPUTS)) < 0.03
targets = np.sin(np.arange(T) / 30)[:, None]


def trainer(n_outputs: int = 1, **options: Any) -> EpropTrainer:
    return EpropTrainer(N_INPUTS, 40, n_outputs, **options)


def assign(name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(trainer(), name, value)


REFUSED = {
    "time axis last": (
        lambda: trainer().train_sequence(inputs.T, targets),
        ValueError,
        r"inputs: expected shape \(T, 20\), got \(20, 300\); the axis of time comes before that of the inputs",
    ),
    "time axis last, in a batch": (
        lambda: trainer(batch_size=2).train_sequence([inputs.T, inputs.T], [targets, targets]),
        ValueError,
        r"inputs\[0\]: expected shape \(T, 20\), got \(20, 300\)",
    ),
    "one-dimensional targets": (
        lambda: trainer().train_sequence(inputs, targets[:, 0]),
        ValueError,
        r"targets: expected shape \(300, 1\), got \(300,\); of one readout they are targets\[..., None\]",
    ),
    "labels that are floats": (
        lambda: trainer(3).train_sequence(inputs, np.zeros(T)),
        ValueError,
        r"targets: expected shape \(300, 3\), got \(300,\); labels, one for each step, are integers",
    ),
    "NaN": (
        lambda: trainer().train_sequence(np.where(inputs, np.nan, 0.0), targets),
        ValueError,
        r"inputs: expected finite values, got NaN at index \(\d+, \d+\)",
    ),
    "a misspelt option": (lambda: trainer(update_evry="sequence"), TypeError, "'update_evry'"),
    "a misspelt choice": (
        lambda: trainer(update_every="sequenc"),
        ValueError,
        'update_every: expected a number of steps >= 1 or "sequence", got "sequenc"',
    ),
    "weights the wrong way round": (
        assign("W_in", np.zeros((N_INPUTS, 40))),
        ValueError,
        r"W_in: expected shape \(40, 20\), got \(20, 40\)",
    ),
    "a batch that is too large": (
        lambda: trainer(batch_size=2).train_sequence(np.stack([inputs] * 3), np.stack([targets] * 3)),
        ValueError,
        r"with B of 1 to batch_size = 2, got \(3, 300, 20\)|batch_size",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_one_sentence_says_what_to_do(mistake: str) -> None:
    do, kind, message = REFUSED[mistake]
    with pytest.raises(kind, match=message):
        do()


def test_integer_labels_are_rows_that_are_1_there() -> None:
    labels = rng.integers(3, size=T)
    one, other = trainer(3, loss="cross_entropy"), trainer(3, loss="cross_entropy")
    assert one.train_sequence(inputs, labels) == other.train_sequence(inputs, np.eye(3)[labels])
    assert one.state_equal(other)


def test_a_last_batch_may_be_smaller() -> None:
    of_eight, of_three = (trainer(batch_size=size, update_every="sequence") for size in (8, 3))
    x, y = np.stack([inputs] * 3), np.stack([targets] * 3)
    assert of_eight.train_sequence(x, y) == of_three.train_sequence(x, y)
    np.testing.assert_array_equal(of_eight.W_in, of_three.W_in)


def test_a_rate_that_is_too_large_does_no_harm() -> None:
    large = trainer(lr=10.0, update_every="sequence")
    losses = [large.train_sequence(inputs, targets) for _ in range(50)]
    assert np.isfinite(losses).all() and losses[-1] < 2 * losses[0]


def test_plain_descent_with_a_rate_that_is_too_large_says_so() -> None:
    plain = trainer(lr=0.05, update_every="sequence", optimizer=SGD(limit=False))
    with pytest.raises((DivergenceWarning, FloatingPointError), match=r"(smaller|lower) lr|smaller\s+`?lr"):
        [plain.train_sequence(inputs, targets) for _ in range(20)]


def test_a_silent_network_says_so() -> None:
    with pytest.warns(FiringRateWarning, match="calibrate"):
        trainer().train_sequence(0.001 * inputs, targets)


@pytest.mark.parametrize("name", ["tau_mem", "tau_trace", "tau_out", "tau_adaptation", "tau_syn", "tau_reg"])
def test_a_time_constant_in_seconds_says_so(name: str) -> None:
    with pytest.warns(
        UserWarning, match=f"{name} = 0.02 is far below a step of dt = 1 ms: times are in ms"
    ) as caught:
        trainer(**{name: 0.02})
    assert caught[0].filename == __file__


def test_no_filter_and_short_filters_are_no_mistake() -> None:
    trainer(tau_mem=1.0, tau_trace=0.0, tau_out=0.0, tau_syn=0.5)
