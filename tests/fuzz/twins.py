"""One round: a trainer that is disturbed all the time, and a twin that sees another cut of the same stream, nothing else."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from actions import ACTIONS, Outcome, Subject
from data import dense, draw_sequence
from disturbances import BAD, LOOKS
from options import Recipe, Rng

import eprop

ACTIONS_IN_A_ROUND = 8


class DifferenceError(AssertionError):
    """What the twins do not agree on, or a call that was not refused as it should be."""


class Round:
    """All of it follows from the seed and the number of the round."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng([seed, number])
        self.recipe = Recipe.draw(self.rng)
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []

    def run(self) -> None:
        """
        Raises
        ------
        DifferenceError, or any exception that no call documents
        """
        trainer, twin = self.recipe.build(), self.recipe.build()
        one = Subject(trainer, self._chance(), self._disturb)
        other = Subject(twin, self._chance())
        try:
            with quiet():
                self._actions(one, other)
        except FloatingPointError:
            # Learning ran away; where a call ends, and so where it is noticed, depends on the cut.
            self.counts["trainers that ran away"] += 1
        self.counts["trainers"] += 1
        self.counts["sequences"] += one.n_sequences + other.n_sequences
        self.counts["calls"] += one.n_calls + other.n_calls

    def _chance(self) -> Rng:
        return np.random.default_rng(self.rng.integers(2**63))

    def _actions(self, one: Subject, other: Subject) -> None:
        actions = [action for action in ACTIONS if self.recipe.kind in action.classes]
        weights = np.array([action.weight for action in actions])
        for _ in range(ACTIONS_IN_A_ROUND):
            action = actions[self.rng.choice(len(actions), p=weights / weights.sum())]
            given = action.draw(self.rng, self.recipe)
            self.log.append(action.name)
            agree(action.name, action.do(one, given), action.do(other, given))
            self._disturb(one)
            if not one.trainer.state_equal(other.trainer):
                raise DifferenceError(f"{action.name}: state_equal is False afterwards")
            if one.trainer != other.trainer:
                raise DifferenceError(f"{action.name}: configurations differ afterwards")

    def _disturb(self, subject: Subject) -> None:
        """Now and then: most calls of a long loop are left alone."""
        rng = subject.rng
        if rng.random() > 0.3:
            return
        subject.n_calls += 1
        if rng.random() < 0.4:
            looks = [look for look in LOOKS if self.recipe.kind in look.classes]
            look = looks[rng.integers(len(looks))]
            self.log.append(f"({look.name})")
            self.counts["reads and copies"] += 1
            subject.trainer = look.do(subject.trainer, rng, self.recipe)
            return
        bad = [b for b in BAD if self.recipe.kind in b.classes and b.only(subject.trainer)]
        self._refused(bad[rng.integers(len(bad))], subject.trainer, rng)

    def _refused(self, bad: Any, trainer: Any, rng: Rng) -> None:
        self.log.append(f"({bad.name})")
        self.counts["bad calls"] += 1
        sequence = draw_sequence(rng, self.recipe)
        try:
            bad.do(trainer, sequence, rng)
        except bad.errors:
            return
        except Exception as error:
            expected = " or ".join(error.__name__ for error in bad.errors)
            raise DifferenceError(f"{bad.name}: expected {expected}, got {error!r}") from error
        raise DifferenceError(f"{bad.name}: was not refused")


def agree(name: str, one: Outcome, other: Outcome) -> None:
    for key, got in one.exact.items():
        value, expected = dense(got), dense(other.exact[key])
        if not same_bits(value, expected):
            raise DifferenceError(f"{name}: {key} differs: {first_difference(value, expected)}")
    for key, number in one.close.items():
        if not np.isclose(number, other.close[key], rtol=1e-9, atol=1e-12, equal_nan=True):
            raise DifferenceError(f"{name}: {key} differs: {number!r} and {other.close[key]!r}")


def first_difference(one: Any, other: Any) -> str:
    if isinstance(one, str) or one.shape != other.shape or one.dtype != other.dtype:
        return f"{one!r} and {other!r}"
    one, other = np.atleast_1d(one, other)
    at = np.argwhere(one != other)
    if len(at) == 0:
        return "a zero in its sign"
    first = tuple(at[0].tolist())
    return f"{one[first]!r} and {other[first]!r} at {first}, {len(at)} of {one.size}"


def same_bits(one: Any, other: Any) -> bool:
    if isinstance(one, str):
        return one == other
    if isinstance(one, int):
        return bool(one == other)
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Networks drawn at random are silent, saturated, or run away, and say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", eprop.FiringRateWarning)
        warnings.simplefilter("ignore", eprop.DivergenceWarning)
        yield
