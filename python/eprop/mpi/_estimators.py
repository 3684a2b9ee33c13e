"""Estimators whose batches are spread over ranks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ._agreement import Agreement
from ._exchange import Exchange, world
from ._parallel import DataParallel, Trainer

__all__ = ["fit"]

Estimator = TypeVar("Estimator")


class _Spread:
    """The calls of an estimator's trainer on all ranks; of a new trainer anew."""

    def __init__(self, comm: Any, timeout: float | None) -> None:
        self._comm, self._timeout = comm, timeout
        self._parallel: DataParallel | None = None

    @contextmanager
    def agreed(self) -> Iterator[dict[str, Any]]:
        """What each rank does before it trains. An error on one is told to the others, which wait for it nowhere then."""
        comm = world() if self._comm is None else self._comm
        agreement = Agreement(Exchange(comm, self._timeout), "fit")
        with agreement.work():
            yield agreement.same
        agreement.reach()

    def __call__(self, trainer: Trainer) -> DataParallel:
        if self._parallel is None or self._parallel.trainer is not trainer:
            self._parallel = DataParallel(trainer, self._comm, data="whole", timeout=self._timeout)
        return self._parallel


def fit(
    estimator: Estimator,
    X: Any,
    y: Any,
    comm: Any = None,
    *,
    sample_weight: Any = None,
    timeout: float | None = 600.0,
) -> Estimator:
    """``estimator.fit(X, y)`` on all ranks together: each makes the gradient of its part of every batch.

    All ranks hand over the same data and the same settings, and each has the fitted estimator. Callbacks run on every rank.

    Parameters
    ----------
    estimator : EpropClassifier or EpropRegressor
        With a number as `random_state`, so that all ranks draw the same; `n_threads` is that of each rank.
    X, y, sample_weight
        As of its `fit`.
    comm : mpi4py.MPI.Comm, optional
        None: all ranks of the job.
    timeout : float, optional
        As of `DataParallel`.

    Returns
    -------
    estimator

    Raises
    ------
    RankError
        Another rank refused what it was given, or was given something else: nothing has changed. A rank that failed, or does
        not answer.

    Raises what its `fit` and `DataParallel` raise.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from eprop.mpi import fit
    >>> from eprop.sklearn import EpropClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = fit(EpropClassifier(n_neurons=30, random_state=0, n_threads=1), X, y)
    >>> model.score(X, y) > 0.9
    True
    """
    face: Any = estimator
    face._spread = _Spread(comm, timeout)
    try:
        face.fit(X, y, sample_weight)
    finally:
        face.__dict__.pop("_spread", None)
    return estimator
