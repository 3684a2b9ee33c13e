"""Numbers from sequences, or from their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from .._arrays import as_numbers
from .._scaling import Scaler
from .._targets import Targets, are_of_steps, none_as_nan, read_steps, without_names
from ._base import EpropEstimator, learned
from ._sequences import Sequences, are_sequences

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EpropRegressor"]

Array = NDArray[Any]


class EpropRegressor(RegressorMixin, EpropEstimator):  # type: ignore[misc]
    """A regression on sequences: one layer of recurrent spiking neurons, trained online by e-prop.

    Parameters
    ----------
    n_neurons, n_steps, ..., trainer_options
        Those of `EpropClassifier`, but for `class_weight`.

    Attributes
    ----------
    trainer_, scaler_, n_repeats_, n_features_in_, n_iter_, loss_, loss_curve_, best_loss_, validation_scores_, \
best_validation_score_
        Those of `EpropClassifier`. The loss is half the squared error of targets in units of their standard
        deviation.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop.sklearn import EpropRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = 50 + 10 * X[:, 0] - 5 * X[:, 1]
    >>> model = EpropRegressor(n_neurons=50, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _loss = "mse"
    _least_scored = 2  # R^2 is that of differences

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learns from sequences and their targets.

        Parameters
        ----------
        X : array_like (n, T, features) or (n, features), or list
            As of `EpropClassifier.fit`.
        y : array_like (n,), (n, n_outputs), (n, T) or (n, T, n_outputs), or list of arrays (T,) or (T, n_outputs)
            Numbers of each sequence, or of each step. None is no target, and of steps NaN, too. Where sequences have T
            steps, an array (n, T) has one for each step.
        sample_weight : array_like (n,), optional
            How much each sequence counts.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Shapes that do not fit, NaN or infinity, a parameter out of its range.
        TypeError
            Not arrays of real numbers, a parameter of another type.
        """
        return self._more_than_one_pass(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over a piece of the data, at a constant learning rate.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.

        Returns
        -------
        self
        """
        return self._one_pass(X, y, sample_weight, learn=True)

    def predict(self, X: Any) -> Any:
        """The numbers of each sequence, (n,) or (n, n_outputs); after targets of steps with an axis of T.

        Parameters
        ----------
        X : array_like or list
            As of `fit`.
        """
        answers = self._answer(X)
        return (
            [self._in_units(each) for each in answers]
            if isinstance(answers, list)
            else self._in_units(answers)
        )

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R^2, of all steps with a target together.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        """
        check_is_fitted(self, "trainer_")
        sequences, targets = self._read(X, y, sample_weight, first=False, learn=False)
        self._check_scored(targets)
        return self._score_of(sequences.repeated(self.n_repeats_), targets)

    def _score_of(self, sequences: Sequences, targets: Targets) -> float:
        answers, values, weights = self._answer_to(sequences), targets.values, targets.weights
        if self._per_step:
            answers, values = np.concatenate(list(answers)), np.concatenate(values)
            weights = np.repeat(weights, sequences.lengths)
        answers = answers * (self._target_scaler.width > 0.0)  # as `unscale` has it
        known = np.isfinite(values).all(axis=1)
        return float(r2_score(values[known], answers[known], sample_weight=weights[known]))

    def _in_units(self, answers: Array) -> Array:
        numbers = self._target_scaler.unscale(answers)
        return numbers[..., 0] if self._one_number else numbers

    # Targets in units of their spread

    def _read(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool, learn: bool
    ) -> tuple[Sequences, Targets]:
        self._needs_y(y)
        if are_sequences(X):
            y = without_names(y)
            sequences, _ = self._read_X(X, first=first, steps=_lengths_of(y))
            per_step = _are_per_step(y, sequences)
            rows = read_steps(y, sequences.lengths) if per_step else [_of_sequences(y, len(sequences))]
        else:
            filled, absent = _filled(y)
            sequences, y = self._read_X(X, filled, first=first, multi_output=True, y_numeric=True)
            per_step, rows = False, [y if absent is None else np.where(absent, np.nan, y)]
        rows = [np.asarray(as_numbers("y", none_as_nan(row)), np.float64) for row in rows]
        self._note_outputs(rows[0], per_step, first)
        rows = [row.reshape(len(row), -1) for row in rows]
        weights = self._read_weights(sample_weight, len(sequences))
        if first:
            self._target_scaler = Scaler(of_targets=True)
        if learn:
            self._learn_spread(np.concatenate(rows))
        scaled = [self._target_scaler.scale(row) for row in rows]
        return sequences, Targets(scaled if per_step else scaled[0], weights)

    def _note_outputs(self, rows: Array, per_step: bool, first: bool) -> None:
        if rows.ndim > 2:
            raise ValueError(
                f"y: expected targets of at most 2 dimensions for each sequence, got {rows.ndim}"
            )
        n_outputs = 1 if rows.ndim == 1 else rows.shape[1]
        if first:
            self._per_step, self._one_number, self._n_targets = per_step, rows.ndim == 1, n_outputs
        elif (per_step, n_outputs) != (self._per_step, self._n_targets):
            each = ("sequence", "step")
            raise ValueError(
                f"y: expected {self._n_targets} numbers for each {each[self._per_step]}, as in fit, "
                f"got {n_outputs} for each {each[per_step]}"
            )

    def _learn_spread(self, rows: Array) -> None:
        known = np.isfinite(rows).all(axis=1)
        if known.any():
            self._target_scaler = learned("y", self._target_scaler, [rows[known]])
        elif self._target_scaler.n == 0:
            raise ValueError("y: expected at least one target, got none")

    @property
    def _n_readouts(self) -> int:
        return self._n_targets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _lengths_of(y: Any) -> list[int] | None:
    """What a list with the targets of each sequence says of their steps."""
    return [len(row) for row in y] if isinstance(y, (list, tuple)) and are_of_steps(y) else None


def _are_per_step(y: Any, sequences: Sequences) -> bool:
    """Whether there is a target for each step; (n, n_outputs) has one row for each sequence."""
    if not are_of_steps(y):
        return False
    shapes = {*map(np.shape, y)}
    if len(shapes) > 1:
        return True
    (shape,) = shapes
    return len(shape) > 1 or bool((sequences.lengths == shape[0]).all())


def _of_sequences(y: Any, n: int) -> Array:
    filled, absent = _filled(y)
    rows = as_numbers("y", filled)
    if len(rows) != n:
        raise ValueError(f"y: expected targets of {n} sequences, got {len(rows)}")
    if not np.isfinite(rows).all():
        raise ValueError("y: expected finite numbers, or None for no target, got NaN or infinity")
    return rows if absent is None else np.where(absent, np.nan, rows)


def _filled(y: Any) -> tuple[Any, Array | None]:
    """Targets of sequences with 0 in the place of each None, and where that is; only None is no target there."""
    numbers = none_as_nan(y)
    if numbers is y:
        return y, None
    absent = np.frompyfunc(lambda number: number is None, 1, 1)(np.asarray(y)).astype(bool)
    return np.where(absent, 0.0, numbers), absent
