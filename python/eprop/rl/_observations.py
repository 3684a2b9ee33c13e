"""What an agent sees, as the inputs of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_numbers
from .._fields import number
from ..encode import population

__all__ = ["PopulationEncoder"]

Array = NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class PopulationEncoder:
    """Each number of an observation as the activities of units with Gaussian receptive fields.

    Numbers are scaled from ``[low, high]`` to [0, 1], those beyond are brought to the nearer end, and then it is
    `eprop.encode.population`.

    Parameters
    ----------
    low, high : array_like (features,)
    n_units : int
        For each number, at least 2.
    gain : float
        What the activities are multiplied with.

    Raises
    ------
    ValueError
        `low` not below `high` everywhere, infinite bounds or gain, fewer than 2 units; from a call, an observation of
        another shape.
    TypeError
        Not numbers.

    Examples
    --------
    >>> encoder = PopulationEncoder(low=[-1.0, 0.0], high=[1.0, 10.0], n_units=3)
    >>> encoder.n_inputs
    6
    >>> encoder([0.0, 12.0]).round(2).tolist()
    [0.61, 1.0, 0.61, 0.14, 0.61, 1.0]
    """

    low: Any
    high: Any
    n_units: int = 8
    gain: float = 1.0

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = np.array(as_numbers(name, getattr(self, name)), np.float64)
            if bound.ndim != 1 or not np.isfinite(bound).all():
                raise ValueError(
                    f"{name}: expected finite numbers (features,), got {bound}; choose bounds yourself"
                )
            bound.flags.writeable = False
            object.__setattr__(self, name, bound)
        if self.low.shape != self.high.shape or not (self.low < self.high).all():
            raise ValueError(f"high: expected numbers above those of low = {self.low}, got {self.high}")
        with np.errstate(over="ignore"):
            if not np.isfinite(self.high - self.low).all():
                raise ValueError(f"high: expected finite distances from low = {self.low}, got {self.high}")
        if not np.isfinite(number("gain", self.gain)):
            raise ValueError(f"gain: expected a finite number, got {self.gain}")
        population([0.0], self.n_units)

    @property
    def n_inputs(self) -> int:
        """How many inputs of a network an observation becomes."""
        return len(self.low) * self.n_units

    def __call__(self, observation: ArrayLike) -> Array:
        """Activities (..., features n_units) of observations (..., features)."""
        seen = np.asarray(as_numbers("observation", observation), np.float64)
        if seen.shape[-1:] != self.low.shape:
            raise ValueError(f"observation: expected shape {self.low.shape}, got {seen.shape}")
        shares = np.clip((seen - self.low) / (self.high - self.low), 0.0, 1.0)
        return self.gain * population(shares, self.n_units)
