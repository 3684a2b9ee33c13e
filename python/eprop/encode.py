"""Numbers as spikes, and back: rates, latencies, changes, populations. Events of sensors as those of a trainer.

Time is the axis before the last, as trainers have it: values (..., features) become (..., n_steps, features).

Examples
--------
>>> import numpy as np
>>> from eprop import encode
>>> spikes = encode.latency([0.0, 0.5, 1.0], n_steps=5)
>>> spikes.astype(int)
array([[0, 0, 1],
       [0, 0, 0],
       [0, 1, 0],
       [0, 0, 0],
       [0, 0, 0]])
>>> encode.decode_latency(spikes)
array([0. , 0.5, 1. ])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import as_numbers
from ._fields import checked, number
from ._sensors import from_events

__all__ = [
    "decode_delta",
    "decode_latency",
    "decode_population",
    "decode_rate",
    "delta",
    "from_events",
    "latency",
    "population",
    "rate",
]

Array = NDArray[Any]


def rate(
    values: ArrayLike,
    n_steps: int,
    *,
    probability: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> Array:
    """Independent spikes: at each step an input fires with its value times `probability` as probability.

    Parameters
    ----------
    values : array_like (..., features)
        From 0 to 1.
    n_steps : int
    probability : float
        Of a spike in a step where the value is 1.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    numpy.ndarray of bool (..., n_steps, features)

    Raises
    ------
    ValueError
        Values outside of [0, 1] or NaN; a probability outside of (0, 1]; no step; a negative seed.
    TypeError
        Not real numbers, a count that is no int, or a seed that is none.

    Examples
    --------
    >>> spikes = rate([0.0, 0.2, 1.0], n_steps=1000, seed=0)
    >>> spikes.shape, decode_rate(spikes).round(1).tolist()
    ((1000, 3), [0.0, 0.2, 1.0])
    """
    shares = _shares(values) * _probability(probability)
    shape = (*shares.shape[:-1], _count("n_steps", n_steps), shares.shape[-1])
    return np.asarray(_generator(seed).random(shape) < shares[..., None, :])


def decode_rate(spikes: ArrayLike, *, probability: float = 1.0) -> Array:
    """Values (..., features) of spikes (..., n_steps, features): how often they come, over `probability`.

    The mean over many draws of `rate` is the value that was encoded.

    Examples
    --------
    >>> decode_rate([[1, 0], [1, 1]])
    array([1. , 0.5])
    """
    return np.asarray(_of_steps("spikes", spikes, 1).mean(axis=-2) / _probability(probability))


def latency(values: ArrayLike, n_steps: int) -> Array:
    """One spike for each value, the earlier the larger: 1 in the first step, 0 never.

    The time of a spike is ``(1 - value) (n_steps - 1)``, rounded to a step.

    Parameters
    ----------
    values : array_like (..., features)
        From 0 to 1.
    n_steps : int
        At least 2.

    Returns
    -------
    numpy.ndarray of bool (..., n_steps, features)

    Raises
    ------
    ValueError
        Values outside of [0, 1] or NaN; fewer than 2 steps.
    TypeError
        Not real numbers, or a count that is no int.

    Examples
    --------
    >>> latency([1.0, 0.4, 0.0], n_steps=6).argmax(axis=0).tolist()
    [0, 3, 0]
    >>> latency([1.0, 0.4, 0.0], n_steps=6).sum(axis=0).tolist()
    [1, 1, 0]
    """
    shares, n_steps = _shares(values), _count("n_steps", n_steps, least=2)
    times = np.rint((1.0 - shares) * (n_steps - 1)).astype(np.int64)
    spikes = np.arange(n_steps)[:, None] == times[..., None, :]
    return np.asarray(spikes & (shares > 0.0)[..., None, :])


def decode_latency(spikes: ArrayLike) -> Array:
    """Values (..., features) of the first spikes of (..., n_steps, features), 0 where there is none.

    What `latency` has encoded, but for the rounding: ``0.5 / (n_steps - 1)`` at most.

    Examples
    --------
    >>> decode_latency(latency([0.25, 1.0], n_steps=5))
    array([0.25, 1.  ])
    """
    fired = _of_steps("spikes", spikes, 2) != 0
    values = 1.0 - fired.argmax(axis=-2) / (fired.shape[-2] - 1)
    return np.where(fired.any(axis=-2), values, 0.0)


def delta(signal: ArrayLike, threshold: float) -> Array:
    """Changes: a spike whenever a signal has risen or fallen by `threshold` since its last spike (send on delta).

    A signal that crosses several levels within a step has as many spikes there.

    Parameters
    ----------
    signal : array_like (..., T, features)
    threshold : float
        The distance of two levels, > 0, in units of the signal.

    Returns
    -------
    numpy.ndarray of int64 (..., T, 2 features)
        How many levels were crossed upwards, of each feature, and then how many downwards. 0 in the first step.

    Raises
    ------
    ValueError
        No step, NaN or infinity, a threshold that is not > 0, or so small that levels cannot be counted.
    TypeError
        Not real numbers.

    Notes
    -----
    Level-crossing sampling, as in Miskowicz 2006, *Send-On-Delta Concept: An Event-Based Data Reporting Strategy*,
    Sensors 6:49.

    Examples
    --------
    >>> delta([[0.0], [1.0], [2.5], [0.0]], threshold=1.0)
    array([[0, 0],
           [1, 0],
           [1, 0],
           [0, 2]])
    """
    values, threshold = _of_steps("signal", signal, 1), _positive("threshold", threshold)
    levels = (values - values[..., :1, :]) / threshold
    if not (np.abs(levels) < 2.0**52).all():
        raise ValueError(
            f"threshold: expected levels that can be counted, got {threshold} for a far larger signal"
        )
    reached = np.zeros(levels.shape, np.int64)
    for step in range(1, levels.shape[-2]):
        # Towards the last level, so that a signal within one level of it has no spike.
        past = reached[..., step - 1, :]
        reached[..., step, :] = past + np.trunc(levels[..., step, :] - past).astype(np.int64)
    crossed = np.diff(reached, axis=-2, prepend=0)
    return np.concatenate([np.maximum(crossed, 0), np.maximum(-crossed, 0)], axis=-1)


def decode_delta(spikes: ArrayLike, threshold: float, start: ArrayLike = 0.0) -> Array:
    """The signal (..., T, features) that `delta` has encoded, to less than `threshold`.

    Parameters
    ----------
    spikes : array_like (..., T, 2 features)
    threshold : float
    start : float or array_like (..., features)
        The first values, which spikes do not tell; a number is that of all features.

    Raises
    ------
    ValueError
        No step, an odd number of columns, NaN or infinity, a `start` of another shape, a threshold that is not > 0.
    TypeError
        Not real numbers.

    Examples
    --------
    >>> decode_delta(delta([[5.0], [6.0], [7.5]], 1.0), 1.0, start=[5.0])
    array([[5.],
           [6.],
           [7.]])
    """
    counts = _of_steps("spikes", spikes, 1)
    if counts.shape[-1] % 2 == 1:
        raise ValueError(f"spikes: expected shape (T, 2 features), got {counts.shape}")
    up, down = np.split(counts, 2, axis=-1)
    first = _first_values(start, (*up.shape[:-2], up.shape[-1]))
    return first[..., None, :] + _positive("threshold", threshold) * np.cumsum(up - down, axis=-2)


def population(
    values: ArrayLike, n_units: int, *, low: float = 0.0, high: float = 1.0, width: float | None = None
) -> Array:
    """Each value as the activities of `n_units` units with Gaussian receptive fields.

    Activities are between 0 and 1: hand them to a trainer as analog inputs, or to `rate` or `latency`.

    Parameters
    ----------
    values : array_like (..., features)
    n_units : int
        At least 2.
    low, high : float
        The centres of the first and of the last unit; the others lie between them at equal distances.
    width : float, optional
        Standard deviation of the receptive fields, > 0. None: the distance of two centres.

    Returns
    -------
    numpy.ndarray (..., features n_units)
        The units of a feature stand together.

    Raises
    ------
    ValueError
        NaN or infinity; fewer than 2 units; `low` not below `high`; a width that is not > 0.
    TypeError
        Not real numbers, or a count that is no int.

    Examples
    --------
    >>> population([0.5], n_units=3).round(3).tolist()
    [0.607, 1.0, 0.607]
    """
    centres, width = _fields(n_units, low, high, width)
    inputs = _finite("values", values)
    activities = np.exp(-0.5 * np.square((inputs[..., None] - centres) / width))
    return np.asarray(activities.reshape(*inputs.shape[:-1], -1))


def decode_population(
    activities: ArrayLike, n_units: int, *, low: float = 0.0, high: float = 1.0, width: float | None = None
) -> Array:
    """Values (..., features) of activities (..., features n_units), such as those of `population` or counts of spikes.

    The logarithm of a Gaussian is a parabola, whose curvature is known here: a weighted least squares fit of its place
    (Guo 2011, *A Simple Algorithm for Fitting a Gaussian Function*, IEEE Signal Processing Magazine 28:134). It is exact
    for what `population` returns. A single active unit stands for its centre; NaN where no unit is active.

    Examples
    --------
    >>> decode_population(population([0.3, 0.9], n_units=5), n_units=5).round(12)
    array([0.3, 0.9])
    """
    centres, width = _fields(n_units, low, high, width)
    flat = _finite("activities", activities)
    if flat.shape[-1] % n_units > 0 or flat.min(initial=0.0) < 0.0:
        raise ValueError(
            f"activities: expected (..., features x {n_units}) numbers >= 0, got shape {flat.shape} and a least number of "
            f"{flat.min(initial=0.0)}"
        )
    units = flat.reshape(*flat.shape[:-1], -1, n_units)
    # Only their ratios count, and the squares of the smallest and of the largest numbers are none.
    highest = units.max(axis=-1, keepdims=True)
    units = np.divide(units, highest, out=np.zeros_like(units), where=highest > 0.0)
    weights = np.square(units)
    # log a + c^2 / 2 w^2 is a line in c, whose slope is value / w^2
    line = np.log(np.where(units > 0.0, units, 1.0)) + 0.5 * np.square(centres / width)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=-1)
        middle, height = (weights * centres).sum(axis=-1) / total, (weights * line).sum(axis=-1) / total
        apart = centres - middle[..., None]
        spread = (weights * np.square(apart)).sum(axis=-1)
        slope = (weights * apart * (line - height[..., None])).sum(axis=-1) / spread
    single = np.count_nonzero(units, axis=-1) == 1
    return np.asarray(np.where(single, middle, slope * width**2))


def _fields(n_units: int, low: float, high: float, width: float | None) -> tuple[Array, float]:
    n_units, low, high = _count("n_units", n_units, least=2), number("low", low), number("high", high)
    if not low < high:
        raise ValueError(f"high: expected more than low = {low}, got {high}")
    if not np.isfinite(high - low):
        raise ValueError(f"high: expected a finite distance from low = {low}, got {high}")
    centres = np.linspace(low, high, n_units)
    return centres, float(centres[1] - centres[0]) if width is None else _positive("width", width)


def _first_values(start: ArrayLike, shape: tuple[int, ...]) -> Array:
    """`start` as values that spread over `shape` (..., features), and no further."""
    values = _finite("start", np.atleast_1d(as_numbers("start", start)))
    # A number is one for all; an array with an axis of features has as many as the spikes.
    expected = (*shape[:-1], 1) if np.ndim(start) == 0 else shape
    try:
        fits = np.broadcast_shapes(values.shape, expected) == expected and values.shape[-1] == expected[-1]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"start: expected a number, or the first values of shape {shape}, got shape {values.shape}"
        )
    return values


def _generator(seed: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = "an int >= 0, a numpy.random.Generator or None"
        raise type(error)(f"seed: expected {expected}, got {seed!r}") from None


def _shares(values: ArrayLike) -> Array:
    array = _finite("values", values)
    if array.size > 0 and not (array.min() >= 0.0 and array.max() <= 1.0):
        raise ValueError(
            f"values: expected numbers from 0 to 1, got {array.min():g} to {array.max():g}; scale them first"
        )
    return array


def _finite(name: str, values: ArrayLike) -> Array:
    array = np.asarray(as_numbers(name, values), np.float64)
    if array.ndim < 1:
        raise ValueError(f"{name}: expected at least one axis, of features, got a number")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def _of_steps(name: str, values: ArrayLike, least: int) -> Array:
    array = _finite(name, values)
    if array.ndim < 2 or array.shape[-2] < least:
        raise ValueError(
            f"{name}: expected (..., T, features) with T of at least {least}, got shape {array.shape}"
        )
    return array


def _count(name: str, value: int, least: int = 1) -> int:
    count: int = checked(name, "int", value)
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, got {count}")
    return count


def _positive(name: str, value: float) -> float:
    positive = number(name, value)
    if not 0.0 < positive < np.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {positive}")
    return positive


def _probability(value: float) -> float:
    share = number("probability", value)
    if not 0.0 < share <= 1.0:
        raise ValueError(f"probability: expected more than 0 and at most 1, got {share}")
    return share
