"""Codes and their inverses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eprop import EpropTrainer, encode

SHAPES = st.sampled_from([(3,), (2, 3), (2, 1, 4)])
SHARES = arrays(np.float64, SHAPES, elements=st.floats(0.0, 1.0))


@given(SHARES, st.integers(2, 40))
def test_latency_comes_back_to_half_a_step(values: Any, n_steps: int) -> None:
    spikes = encode.latency(values, n_steps)
    assert spikes.shape == (*values.shape[:-1], n_steps, values.shape[-1])
    np.testing.assert_array_equal(spikes.sum(axis=-2), values > 0.0)
    np.testing.assert_allclose(encode.decode_latency(spikes), values, atol=0.5001 / (n_steps - 1))


@given(
    arrays(np.float64, st.sampled_from([(1, 2), (9, 3), (2, 7, 1)]), elements=st.floats(-50.0, 50.0)),
    st.floats(0.01, 5.0),
)
def test_delta_stays_within_a_level_at_every_step(signal: Any, threshold: float) -> None:
    spikes = encode.delta(signal, threshold)
    assert spikes.shape == (*signal.shape[:-1], 2 * signal.shape[-1]) and not spikes[..., 0, :].any()
    assert (spikes >= 0).all()
    back = encode.decode_delta(spikes, threshold, start=signal[..., 0, :])
    np.testing.assert_array_less(np.abs(back - signal), threshold * (1 + 1e-9) + 1e-9)


def test_a_start_is_one_for_all_or_one_for_each() -> None:
    spikes = np.zeros((5, 2, 6))
    for start in (2.0, np.full(3, 2.0), np.full((5, 3), 2.0)):
        np.testing.assert_array_equal(encode.decode_delta(spikes, 1.0, start=start), np.full((5, 2, 3), 2.0))


def test_delta_of_a_signal_within_a_level_is_silent() -> None:
    assert not encode.delta(0.4 * np.sin(np.arange(100.0))[:, None], threshold=1.0).any()


@given(SHARES, st.integers(3, 12), st.sampled_from([None, 0.15, 0.5]))
def test_population_comes_back(values: Any, n_units: int, width: float | None) -> None:
    options: dict[str, Any] = {"low": -0.5, "high": 1.5, "width": width}
    activities = encode.population(values, n_units, **options)
    assert activities.shape == (*values.shape[:-1], values.shape[-1] * n_units)
    back = encode.decode_population(activities, n_units, **options)
    np.testing.assert_allclose(back, values, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-200, 1e-300, 1e200, 1e300])
def test_population_comes_back_whatever_its_activities_are_multiplied_with(factor: float) -> None:
    """Squares of 1e200 are infinite, and those of 1e-200 are 0: both gave NaN."""
    activities = encode.population([0.3, 0.9], 5, width=0.5)
    np.testing.assert_allclose(
        encode.decode_population(factor * activities, 5, width=0.5), [0.3, 0.9], rtol=1e-9
    )


def test_population_of_counts_is_near() -> None:
    values = np.random.default_rng(0).uniform(size=(50, 2))
    spikes = encode.rate(encode.population(values, 8), n_steps=400, seed=1)
    back = encode.decode_population(spikes.sum(axis=-2), 8)
    assert np.abs(back - values).max() < 0.05
    assert np.isnan(encode.decode_population(np.zeros(4), 4)).all()
    np.testing.assert_allclose(encode.decode_population([0.0, 0.0, 2.0, 0.0, 0.0], 5), [0.5])


def test_rate_is_the_value_on_average() -> None:
    values = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    spikes = encode.rate(values, 20_000, probability=0.5, seed=0)
    assert spikes.shape == (3, 20_000, 4) and spikes.dtype == bool
    # four standard deviations of a binomial share
    np.testing.assert_allclose(
        encode.decode_rate(spikes, probability=0.5), values, atol=4 * 0.5 / np.sqrt(20_000) / 0.5
    )
    np.testing.assert_array_equal(spikes, encode.rate(values, 20_000, probability=0.5, seed=0))
    assert (spikes != encode.rate(values, 20_000, probability=0.5, seed=1)).any()


def test_trainers_take_what_codes_make() -> None:
    images = np.random.default_rng(0).random((4, 10))
    for inputs in (encode.rate(images, 20, seed=0), encode.latency(images, 20)):
        assert EpropTrainer(10, 5, 1, batch_size=4).predict_sequence(inputs).shape == (4, 20, 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: encode.rate([1.5], 3), ValueError, "values: expected numbers from 0 to 1, got 1.5 to 1.5"),
        (lambda: encode.rate([np.nan], 3), ValueError, "values: expected finite numbers"),
        (lambda: encode.rate([0.5], 0), ValueError, "n_steps: expected at least 1, got 0"),
        (lambda: encode.rate([0.5], 2.0), TypeError, "n_steps: expected an int"),  # type: ignore[arg-type]
        (lambda: encode.rate([0.5], 3, probability=0.0), ValueError, "probability: expected more than 0"),
        (lambda: encode.rate(0.5, 3), ValueError, "values: expected at least one axis"),
        (lambda: encode.rate(["a"], 3), TypeError, "values: expected an array of real numbers"),
        (lambda: encode.latency([0.5], 1), ValueError, "n_steps: expected at least 2, got 1"),
        (lambda: encode.decode_latency([1, 0]), ValueError, r"spikes: expected \(..., T, features\)"),
        (lambda: encode.delta([[0.0]], 0.0), ValueError, "threshold: expected a finite number > 0"),
        (
            lambda: encode.delta([[0.0], [1e9]], 1e-9),
            ValueError,
            "threshold: expected levels that can be counted",
        ),
        (
            lambda: encode.decode_delta([[1, 0, 1]], 1.0),
            ValueError,
            r"spikes: expected shape \(T, 2 features\)",
        ),
        (
            lambda: encode.decode_delta(np.zeros((2, 2)), 1.0, start=[1, 2, 3]),
            ValueError,
            r"start: expected a number, or the first values of shape \(1,\), got shape \(3,\)",
        ),
        (
            lambda: encode.decode_delta(np.zeros((2, 6)), 1.0, start=[1, 2]),
            ValueError,
            r"start: expected a number, or the first values of shape \(3,\), got shape \(2,\)",
        ),
        (
            lambda: encode.decode_delta(np.zeros((2, 2)), 1.0, start=np.zeros((4, 1))),
            ValueError,
            r"start: expected a number, or the first values of shape \(1,\), got shape \(4, 1\)",
        ),
        (lambda: encode.rate([0.5], 3, seed=-1), ValueError, "seed: expected an int >= 0, .* got -1"),
        (lambda: encode.rate([0.5], 3, seed="a"), TypeError, "seed: expected an int >= 0, .* got 'a'"),  # type: ignore[arg-type]
        (lambda: encode.population([0.5], 1), ValueError, "n_units: expected at least 2"),
        (lambda: encode.population([0.5], 3, low=1.0), ValueError, "high: expected more than low = 1.0"),
        (lambda: encode.population([0.5], 3, high=np.inf), ValueError, "high: expected a finite distance"),
        (
            lambda: encode.population([0.5], 3, low=-1e308, high=1e308),
            ValueError,
            "high: expected a finite distance",
        ),
        (lambda: encode.population([0.5], 3, width=-1.0), ValueError, "width: expected a finite number > 0"),
        (
            lambda: encode.decode_population([0.5, 1.0], 3),
            ValueError,
            r"activities: expected \(..., features x 3\)",
        ),
    ],
)
def test_what_cannot_be_encoded_is_named(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
