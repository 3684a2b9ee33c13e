"""How other libraries read the continuous equations of NIR: the length of their steps, and the nodes that they know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Library", "exponential_gain", "library_of", "milliseconds"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Library:
    """Its importer takes Euler steps: a decay is ``1 - dt / tau``, a gain ``r dt / tau``."""

    dt: float
    """In s, whatever the length of the trainer's steps: only decays per step count."""
    has_readout: bool
    """Whether its importer knows the leaky integrator `LI`."""
    reads_gain: bool = True
    """Whether its importer reads `r` of `LIF`; if not, it is 1 and the gain goes into the weights."""


_LIBRARIES = {
    # the length of a step that its importer takes if it is told none
    "norse": Library(dt=1e-3, has_readout=False, reads_gain=False),
    "snntorch": Library(dt=1e-4, has_readout=False),
    "spikingjelly": Library(dt=1e-4, has_readout=False),
}


def library_of(name: str | None) -> Library | None:
    """The library of this name; None: no library, but the exact solution of the equations.

    Examples
    --------
    >>> library_of("snntorch").dt
    0.0001
    >>> library_of("NEST")
    Traceback (most recent call last):
    ValueError: library: expected None, "norse", "snntorch" or "spikingjelly", got 'NEST'
    """
    if name is not None and not (isinstance(name, str) and name in _LIBRARIES):
        raise ValueError(f'library: expected None, "norse", "snntorch" or "spikingjelly", got {name!r}')
    return None if name is None else _LIBRARIES[name]


def exponential_gain(tau: Array, dt: float) -> Array:
    """What a current that is constant over a step adds to a leaky integrator, ``1 - exp(-dt / tau)``; tau, dt in ms."""
    return -np.expm1(-dt / tau)


def milliseconds(seconds: Array) -> float | Array:
    """Times in ms as somebody would write them, so that they become the same seconds again; a number if all are one.

    Examples
    --------
    >>> milliseconds(np.array([20.3, 20.3]) / 1e3)
    20.3
    >>> milliseconds(np.array([0.02, 0.03]))
    array([20., 30.])
    """
    times = np.array([_millisecond(float(time)) for time in np.ravel(seconds)])
    return float(times[0]) if (times == times[0]).all() else times


def _millisecond(second: float) -> float:
    product = second * 1e3
    near = [float(f"{product:.15g}"), product, np.nextafter(product, 0.0), np.nextafter(product, np.inf)]
    return float(next((time for time in near if time / 1e3 == second), product))
