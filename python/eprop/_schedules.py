"""Learning rates that follow the count of updates."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from ._fields import checked, number

__all__ = ["cosine", "linear", "step_decay"]


def cosine(lr: float, n_updates: int, warmup: int = 0, final: float = 0.0) -> Callable[[int], float]:
    """A learning rate that rises, and then falls along half a cosine.

    Parameters
    ----------
    lr : float
        The largest learning rate.
    n_updates : int
        After so many updates it is `final`, and stays there.
    warmup : int
        So many updates, fewer than `n_updates`, until it is `lr`: it grows by ``lr / warmup`` from one to the next.
    final : float
        The last learning rate.

    Returns
    -------
    callable
        Of the number of updates so far, the learning rate of the next one: ``trainer.lr = schedule(trainer.n_updates)``.

    Raises
    ------
    ValueError
        A learning rate below 0, no update, or a warm-up that does not end before `n_updates`.
    TypeError
        A learning rate that is no number; a count that is no int.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> from eprop.optim import cosine
    >>> trainer = EpropTrainer(2, 3, 1, update_every="sequence", optimizer="adam")
    >>> schedule = cosine(0.01, n_updates=100, warmup=10)
    >>> for _ in range(60):
    ...     trainer.lr = schedule(trainer.n_updates)
    ...     _ = trainer.train_sequence(np.ones((20, 2)), np.zeros((20, 1)))
    >>> trainer.n_updates, round(schedule(55), 6), schedule(100)
    (60, 0.005, 0.0)
    """
    return partial(_falling, _half_cosine, *_of_fall(lr, n_updates, warmup, final))


def linear(lr: float, n_updates: int, warmup: int = 0, final: float = 0.0) -> Callable[[int], float]:
    """A learning rate that rises, and then falls along a line.

    Parameters and errors are those of `cosine`.

    Examples
    --------
    >>> from eprop.optim import linear
    >>> schedule = linear(0.01, n_updates=100, final=0.002)
    >>> schedule(0), round(schedule(50), 6), schedule(1000)
    (0.01, 0.006, 0.002)
    """
    return partial(_falling, _line, *_of_fall(lr, n_updates, warmup, final))


def step_decay(lr: float, every: int, factor: float = 0.5) -> Callable[[int], float]:
    """A learning rate that is multiplied with `factor` after every so many updates.

    Parameters
    ----------
    lr : float
        The first learning rate.
    every : int
        Updates between two steps.
    factor : float
        At least 0.

    Returns
    -------
    callable
        As of `cosine`.

    Raises
    ------
    ValueError, TypeError
        As of `cosine`.

    Examples
    --------
    >>> from eprop.optim import step_decay
    >>> schedule = step_decay(0.01, every=30)
    >>> schedule(29), schedule(30), schedule(60)
    (0.01, 0.005, 0.0025)
    """
    return partial(_stepping, _rate("lr", lr), _count("every", every, 1), _rate("factor", factor))


def _of_fall(lr: float, n_updates: int, warmup: int, final: float) -> tuple[float, int, int, float]:
    n_updates, warmup = _count("n_updates", n_updates, 1), _count("warmup", warmup, 0)
    if warmup >= n_updates:
        raise ValueError(f"warmup: expected fewer updates than n_updates = {n_updates}, got {warmup}")
    return _rate("lr", lr), n_updates, warmup, _rate("final", final)


def _rate(name: str, value: float) -> float:
    rate = number(name, value)
    if not (math.isfinite(rate) and rate >= 0.0):
        raise ValueError(f"{name}: expected a finite number >= 0, got {rate}")
    return rate


def _count(name: str, value: int, least: int) -> int:
    count: int = checked(name, "int", value)
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, got {count}")
    return count


def _falling(
    shape: Callable[[float], float], lr: float, n_updates: int, warmup: int, final: float, update: int
) -> float:
    if update < warmup:
        return lr * (update + 1) / warmup
    fallen = min((update - warmup) / (n_updates - warmup), 1.0)
    return final + (lr - final) * shape(fallen)


def _half_cosine(fallen: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * fallen))


def _line(fallen: float) -> float:
    return 1.0 - fallen


def _stepping(lr: float, every: int, factor: float, update: int) -> float:
    try:
        return lr * factor ** (update // every)
    except OverflowError:
        raise ValueError(
            f"factor: expected rates that are floats, got {factor} to the power of {update // every}; with a factor above 1 "
            "end the schedule earlier"
        ) from None
