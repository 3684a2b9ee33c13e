"""What tasks of recordings share: a part to learn from, a part that is scored once, and a classifier of whole recordings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..optim import cosine
from ._trials import Bar, Rng, no_bar, stepping

Floats = NDArray[np.floating[Any]]
Labels = NDArray[Any]


class Recordings(NamedTuple):
    """Sequences (T_i, n_inputs) with a label each: `X`, `y` to learn from, `X_test`, `y_test` to be scored once."""

    X: Any
    y: Labels
    X_test: Any
    y_test: Labels


class Classified(NamedTuple):
    """An `EpropClassifier`, its loss after each pass, what it said of the test's recordings and the share that is right, and
    the seconds of training."""

    classifier: Any
    losses: list[float]
    predicted: Labels
    right: float
    seconds: float


def classify(data: Recordings, seed: int, *, bar: Bar = no_bar, **options: Any) -> Classified:
    """Learns from one part, and is scored on the other. It needs scikit-learn, the extra ``sklearn``."""
    from ..sklearn import EpropClassifier

    with stepping(bar, options["max_iter"]) as step:

        def listen(_estimator: Any, _logs: Any) -> None:
            step()

        classifier = EpropClassifier(random_state=seed, callbacks=[listen], **options)
        start = time.perf_counter()
        classifier.fit(data.X, data.y)
        seconds = time.perf_counter() - start
    return _scored(classifier, data, seconds)


def classify_varied(
    data: Recordings,
    vary: Callable[[Any, Rng], Any],
    seed: int,
    *,
    lr: float | None,
    bar: Bar = no_bar,
    **options: Any,
) -> Classified:
    """The same, where each pass learns from the recordings as `vary` changes them anew.

    The rate falls from pass to pass, along a cosine; None: from the estimator's own. The test's recordings stay as they are.
    """
    from ..sklearn import EpropClassifier

    passes = options["max_iter"]
    rng, top = np.random.default_rng(seed), lr
    classifier = EpropClassifier(random_state=seed, **options)
    classes, start = np.unique(data.y), time.perf_counter()
    for number in bar(range(passes)):
        if top is not None:
            classifier.set_params(lr=cosine(top, n_updates=passes)(number))
        classifier.partial_fit(vary(data.X, rng), data.y, classes=classes)
        top = classifier.trainer_.lr if top is None else top
    return _scored(classifier, data, time.perf_counter() - start)


def _scored(classifier: Any, data: Recordings, seconds: float) -> Classified:
    predicted = classifier.predict(data.X_test)
    right = float(np.mean(predicted == data.y_test))
    return Classified(classifier, list(classifier.loss_curve_), predicted, right, seconds)


def held_out(X: Any, y: Labels, seed: int, share: float) -> Recordings:
    """Of each class a random part for the test.

    Examples
    --------
    >>> data = held_out(np.zeros((20, 5, 3)), np.arange(20) % 2, seed=0, share=0.2)
    >>> data.X_test.shape, np.bincount(data.y_test).tolist()
    ((4, 5, 3), [2, 2])
    """
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.nonzero(y == label)[0]) for label in np.unique(y)]
    test = np.sort(np.concatenate([rows[: round(share * len(rows))] for rows in of_class]))
    train = np.setdiff1d(np.arange(len(y)), test)
    return Recordings(pick(X, train), y[train], pick(X, test), y[test])


def pick(X: Any, rows: NDArray[np.int64]) -> Any:
    """These rows of an array, or items of a list."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]
