"""Events of cameras and other sensors, by the names of their fields, as events of a trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_integers, as_numbers
from ._fields import checked, number

__all__ = ["from_events"]

Array = NDArray[Any]

_NAMES = {
    "x": ("x",),
    "y": ("y",),
    "t": ("t", "timestamp", "ts"),
    "p": ("p", "polarity", "on"),
}
"""What libraries and drivers call the fields."""
_UNITS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}
"""How many of them are a millisecond."""
_MOST_STEPS = 2.0**53
"""Beyond it a float does not tell a step from the next."""
_LARGEST_TIME = 2**62


def from_events(
    events: Any,
    sensor_size: Sequence[int],
    *,
    dt: float = 1.0,
    n_steps: int | None = None,
    start: float | None = None,
    time_unit: str = "us",
) -> tuple[Array, Array, int]:
    """Events of a camera or another sensor, as a trainer takes them: ``(times, units, n_steps)``.

    Parameters
    ----------
    events : structured array, data frame, dict of arrays, or object with such attributes
        Fields ``x``, ``y``, ``t`` and ``p``, as in arrays of tonic and of drivers of cameras. ``timestamp`` and ``ts`` are
        other names of t, ``polarity`` and ``on`` of p. A y or p that is not there is 0.
    sensor_size : sequence of int (3,)
        ``(W, H, P)``, as in tonic: columns, rows, polarities. With P = 1 polarities are not read. With P = 2 they are 0 or
        False and 1 or True; -1 is 0.
    dt : float
        Length of a step in ms.
    n_steps : int, optional
        How many steps there are. None: up to the last event. Later events are left out.
    start : float, optional
        The time of the first step's begin, in `time_unit`. None: that of the earliest event. Earlier events are left out.
    time_unit : str
        Of t: ``"us"``, as most cameras have it, ``"ms"``, ``"s"`` or ``"ns"``.

    Returns
    -------
    times : numpy.ndarray of int64 (n_events,)
        The step of each event. Several events of a unit in a step add up.
    units : numpy.ndarray of int64 (n_events,)
        ``(p H + y) W + x``: below W H P, which is the trainer's `n_inputs`.
    n_steps : int

    Raises
    ------
    TypeError
        A field that is no array of numbers; x, y, p that are no integers.
    ValueError
        No field of a name; fields of different lengths; a pixel outside of the sensor; times that are not finite, or more
        than 2^53 steps from the start; no event where `n_steps` or `start` would have to be read from them.

    Examples
    --------
    >>> events = np.array(
    ...     [(5_000, 1, 0, True), (6_200, 0, 1, False), (9_999, 1, 1, True)],
    ...     dtype=[("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")],
    ... )
    >>> from_events(events, sensor_size=(2, 2, 2))
    (array([0, 1, 4]), array([5, 2, 7]), 5)
    """
    width, height, n_polarities = _size(sensor_size)
    t, step = _times(events), _positive("dt", dt) * _unit(time_unit)
    x = _places("x", _field(events, "x"), width)
    y = _places("y", _field(events, "y"), height)
    p = _polarities(_field(events, "p")) if n_polarities == 2 else None
    for name, field in (("y", y), ("p", p), ("x", x)):
        if field is not None and len(field) != len(t):
            raise ValueError(
                f"events: expected fields of one length, got {len(t)} of t and {len(field)} of {name}"
            )
    if x is None:
        raise ValueError("events: expected a field x, got none")
    times = _steps(t, _start(start, t), step)
    if n_steps is None:
        if len(times) == 0:
            raise ValueError("n_steps: expected a number of steps, since there is no event, got None")
        if times.max() < 0:
            raise ValueError(
                f"start: expected a time up to that of the last event, {t.max()} {time_unit}, got {start}; or say n_steps"
            )
        n_steps = int(times.max()) + 1
    n_steps = checked("n_steps", "int", n_steps)
    if n_steps < 1:
        raise ValueError(f"n_steps: expected at least 1, got {n_steps}")
    units = x + (0 if y is None else width * y) + (0 if p is None else width * height * p)
    inside = (times >= 0) & (times < n_steps)
    return times[inside], units[inside], n_steps


def _size(sensor_size: Sequence[int]) -> tuple[int, int, int]:
    sizes = tuple(checked("sensor_size", "Sequence[int]", sensor_size))
    if len(sizes) != 3 or min(sizes) < 1 or sizes[2] > 2:
        raise ValueError(f"sensor_size: expected (W, H, P), columns, rows and 1 or 2 polarities, got {sizes}")
    if sizes[0] * sizes[1] * sizes[2] >= 2**63:
        raise ValueError(f"sensor_size: expected at most 2**63 - 1 units, W H P, got {sizes}")
    return sizes


def _field(events: Any, name: str) -> Any:
    """The field of one of its names; None if there is none."""
    for known in _NAMES[name]:
        names = getattr(getattr(events, "dtype", None), "names", None)
        if names is not None or hasattr(events, "keys") or hasattr(events, "columns"):
            if known in (names if names is not None else _keys(events)):
                return events[known]
        elif hasattr(events, known):
            return getattr(events, known)
    return None


def _keys(events: Any) -> list[str]:
    return list(events.keys() if hasattr(events, "keys") else events.columns)


def _times(events: Any) -> Array:
    field = _field(events, "t")
    if field is None:
        raise ValueError(
            "events: expected fields x, y, t and p, of a structured array, a data frame or a dict, got none that is called "
            f"{', '.join(_NAMES['t'])} in {type(events).__name__}"
        )
    times = as_numbers("t", field)
    if times.ndim != 1 or not np.isfinite(times).all():
        raise ValueError(f"t: expected finite times (n_events,), got shape {times.shape}")
    if times.dtype.kind == "f":
        return times.astype(np.float64)
    # Unsigned differences would wrap around, and so would those of times that are further apart than an int64 can say.
    largest = max(abs(int(times.min(initial=0))), int(times.max(initial=0)))
    return times.astype(np.int64 if largest < _LARGEST_TIME else np.float64)


def _steps(t: Array, start: float, step: float) -> Array:
    is_whole = t.dtype.kind == "i" and start == int(start) and abs(start) < _LARGEST_TIME
    with np.errstate(over="ignore"):
        steps = (t - (int(start) if is_whole else start)) / step
    if np.abs(steps).max(initial=0.0) >= _MOST_STEPS:
        raise ValueError(
            f"t: expected times within {_MOST_STEPS:g} steps of the start, {start:g}, got one {np.abs(steps).max():g} steps "
            "away; leave it out, or say in which time_unit the times are"
        )
    # A time such as 0.005 s is the end of five steps of 1 ms, and a bit less as a float.
    return np.floor(steps + (0.0 if is_whole else 1e-6)).astype(np.int64)


def _places(name: str, field: Any, size: int) -> Array | None:
    if field is None:
        return None
    places = as_integers(name, field, "pixels")
    if places.ndim != 1:
        raise ValueError(f"{name}: expected pixels (n_events,), got shape {places.shape}")
    outside = (places < 0) | (places >= size)
    if outside.any():
        at = int(outside.argmax())
        raise ValueError(
            f"{name}: expected pixels of 0 to {size - 1}, as sensor_size says, got {places[at]} at index {at}"
        )
    return places.astype(np.int64)


def _polarities(field: Any) -> Array | None:
    if field is None:
        return None
    polarities = np.asarray(as_numbers("p", field))
    known = (polarities == 0) | (polarities == 1) | (polarities == -1)
    if polarities.ndim != 1 or not known.all():
        raise ValueError("p: expected polarities (n_events,) of 0 or -1 and 1, got others")
    return np.asarray(polarities == 1, np.int64)


def _start(start: float | None, t: Array) -> float:
    if start is None:
        return t.min() if len(t) > 0 else 0.0
    begin = number("start", start)
    if not np.isfinite(begin):
        raise ValueError(f"start: expected a finite time, got {start}")
    return begin


def _unit(name: str) -> float:
    if not isinstance(name, str) or name not in _UNITS:
        raise ValueError(f"time_unit: expected one of {', '.join(_UNITS)}, got {name!r}")
    return _UNITS[name]


def _positive(name: str, value: float) -> float:
    positive = number(name, value)
    if not 0.0 < positive < np.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {positive}")
    return positive
