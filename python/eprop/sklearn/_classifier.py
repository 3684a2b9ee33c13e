"""Sequences, or their steps, into classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from .._targets import NO_LABEL, Targets, are_of_steps, is_missing, read_steps, without_names
from ..optim import Optimizer
from ._base import EpropEstimator
from ._sequences import Sequences, are_sequences

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EpropClassifier"]

Array = NDArray[Any]


class EpropClassifier(ClassifierMixin, EpropEstimator):  # type: ignore[misc]
    """A classifier of sequences: one layer of recurrent spiking neurons, trained online by e-prop.

    Parameters
    ----------
    n_neurons : int
    n_steps : int
        Steps of the network that a row of (n, features) is shown. Sequences that are shorter are slowed down to as many.
    noise : float
        Standard deviation of normal noise, in training, on inputs that are not 0, in units of their own standard
        deviation. Events get none.
    firing_rate : float or str
        Of the neurons before training, in Hz. ``"auto"``: three spikes in the median sequence, from 20 to 200 Hz, and less
        where neurons cannot fire as fast.
    tau_mem : float
        Membrane time constant, in ms; a step is 1 ms.
    tau_out : float or str
        Time constant of the readouts, in ms. ``"auto"``: the length of the median sequence; of labels of steps `tau_mem`.
    beta, tau_adaptation : float
        Adaptive thresholds, as of `EpropTrainer`.
    horizon : int or str
        Steps through which credit flows back through recurrent spikes, as of `EpropTrainer`.
    optimizer : str or eprop.optim.Optimizer
    lr : float, optional
        The largest learning rate. None: 0.005 of Adam and AdamW, and the optimizer's own default of others.
    schedule : str or callable
        ``"cosine"``: it falls to 0 along half a cosine over all passes. ``"constant"``. Or `lr` as a function of the
        number of updates in this fit. `partial_fit` is constant.
    batch_size : int or str
        ``"auto"``: 32, and fewer where an epoch would have fewer than 10 updates.
    max_iter : int
        Passes over the data.
    early_stopping : bool
        Hold a part of the data out, and stop when the score on it no longer rises; the best weights are kept.
    validation_fraction : float
        The share that is held out.
    n_iter_no_change : int
        After so many passes without a better score training stops.
    tol : float
        By how much a score must be better.
    warm_start : bool
        `fit` goes on with the network that there is.
    class_weight : dict or str, optional
        From labels to weights; ``"balanced"``: the rarer a class the heavier.
    callbacks : list, optional
        Functions of the estimator and of a dict with ``epoch``, ``loss``, ``lr`` and ``validation_score``, or objects with
        such a method `on_epoch_end`. Called after each pass; True stops the training. A method `on_sequence` is called after
        each batch. See `eprop.callbacks`.
    random_state : int, numpy.random.RandomState or None
        Of the weights, the order of batches, the noise and the part that is held out.
    verbose : bool
        A bar if tqdm is installed, else a line for each pass.
    dtype : str
        ``"float32"`` or ``"float64"``.
    n_threads : int, optional
        As in `EpropTrainer.train_sequence`.
    n_features : int, optional
        How many inputs events have. None: one more than the largest unit in `fit`.
    trainer_options : dict, optional
        Other fields of `EpropTrainer`, but for sizes and the loss.

    Attributes
    ----------
    trainer_ : EpropTrainer
        The network.
    classes_ : numpy.ndarray (n_classes,)
    n_features_in_ : int
    n_repeats_ : int
        Steps of the network that each step of a sequence lasts.
    scaler_ : Scaler
        Mean and variance of the inputs.
    n_iter_ : int
        Passes so far.
    loss_, loss_curve_, best_loss_ : float, list of float, float
        The mean loss of the last pass, of each, and the least: the cross-entropy of a sequence, or of a step that has a
        label, with the noise of training.
    validation_scores_, best_validation_score_ : list of float, float
        Of early stopping, otherwise None.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop.sklearn import EpropClassifier
    >>> rng = np.random.default_rng(0)
    >>> lengths = rng.integers(5, 12, size=60)
    >>> y = np.where(rng.random(60) < 0.5, "rises", "falls")
    >>> X = [np.linspace(-1, 1, n)[:, None] * (1 if label == "rises" else -1) for n, label in zip(lengths, y)]
    >>> model = EpropClassifier(n_neurons=30, max_iter=20, random_state=0).fit(X[:40], y[:40])
    >>> model.score(X[40:], y[40:])
    1.0
    """

    _loss = "cross_entropy"

    def __init__(
        self,
        n_neurons: int = 200,
        *,
        n_steps: int = 20,
        noise: float = 0.3,
        firing_rate: float | str = "auto",
        tau_mem: float = 10.0,
        tau_out: float | str = "auto",
        beta: float = 0.0,
        tau_adaptation: float = 200.0,
        horizon: int | str = 1,
        optimizer: str | Optimizer = "adam",
        lr: float | None = None,
        schedule: str | Callable[[int], float] = "cosine",
        batch_size: int | str = "auto",
        max_iter: int = 30,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Sequence[Any] | None = None,
        random_state: Any = None,
        verbose: bool = False,
        dtype: str = "float32",
        n_threads: int | None = None,
        n_features: int | None = None,
        trainer_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            n_neurons,
            n_steps=n_steps,
            noise=noise,
            firing_rate=firing_rate,
            tau_mem=tau_mem,
            tau_out=tau_out,
            beta=beta,
            tau_adaptation=tau_adaptation,
            horizon=horizon,
            optimizer=optimizer,
            lr=lr,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
            dtype=dtype,
            n_threads=n_threads,
            n_features=n_features,
            trainer_options=trainer_options,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learns from sequences and their labels.

        Parameters
        ----------
        X : array_like (n, T, features) or (n, features), or list
            A list has the rows (T, features) of each sequence, of any lengths, or its events: ``(times, units, n_steps)``,
            or a SciPy sparse array (T, features). Rows (n, features), SciPy's sparse ones too, are shown for `n_steps`
            steps.
        y : array_like (n,) or (n, T), or list of arrays (T,)
            Labels of any type: of each sequence, or of each step, where -1 and None are no label.
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

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over a piece of the data, at a constant learning rate.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        classes : array_like (n_classes,)
            All labels that will come; needed in the first call.

        Returns
        -------
        self
        """
        if classes is None and not hasattr(self, "trainer_"):
            raise ValueError("classes: expected all labels in the first call of partial_fit, got None")
        if self.class_weight == "balanced":
            raise ValueError(
                'class_weight: expected None or a dict in partial_fit, which does not see all labels at once, got "balanced"'
            )
        return self._one_pass(X, y, sample_weight, learn=False, note=lambda: self._note_classes(classes))

    def _note_classes(self, classes: Any) -> None:
        if classes is None:
            return
        classes = np.unique(np.asarray(classes))
        if len(classes) == 0:
            raise ValueError("classes: expected at least one label, got none")
        if not hasattr(self, "trainer_"):
            self.classes_ = classes
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(f"classes: expected those of the first call, {self.classes_}, got {classes}")

    def predict(self, X: Any) -> Any:
        """The class of each sequence (n,); after labels of steps (n, T), or a list with the classes of each.

        Parameters
        ----------
        X : array_like or list
            As of `fit`.
        """
        return _each(self._answer(X), lambda outputs: self.classes_[outputs.argmax(axis=-1)])

    def predict_proba(self, X: Any) -> Any:
        """The softmax of the readouts (n, n_classes); after labels of steps (n, T, n_classes), or a list.

        Parameters
        ----------
        X : array_like or list
            As of `fit`.
        """
        return _each(self._answer(X), _softmax)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        return _each(self._answer(X), _log_softmax)

    def decision_function(self, X: Any) -> Any:
        """The readouts (n, n_classes), and of two classes the difference (n,); after labels of steps with an axis of T.

        Parameters
        ----------
        X : array_like or list
            As of `fit`.
        """
        answers = self._answer(X)
        if self._n_readouts != 2:
            return answers
        return _each(answers, lambda outputs: outputs[..., 1] - outputs[..., 0])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of sequences, or of labelled steps, that are right.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        """
        check_is_fitted(self, "trainer_")
        sequences, targets = self._read(X, y, sample_weight, first=False, learn=False, strangers=True)
        self._check_scored(targets)
        return self._score_of(sequences.repeated(self.n_repeats_), targets)

    def _score_of(self, sequences: Sequences, targets: Targets) -> float:
        answers, values, weights = self._answer_to(sequences), targets.values, targets.weights
        if self._per_step:
            answers, values = np.concatenate(list(answers)), np.concatenate(values)
            weights = np.repeat(weights, sequences.lengths)
        weights = weights * (values != NO_LABEL)
        return float(np.average(answers.argmax(axis=1) == values, weights=weights))

    # Labels as codes

    def _read(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool, learn: bool, strangers: bool = False
    ) -> tuple[Sequences, Targets]:
        self._needs_y(y)
        y = _labels_of(X, y)
        per_step = are_sequences(X) and are_of_steps(y)
        if not first and per_step != self._per_step:
            each = ("sequence", "step")
            raise ValueError(
                f"y: expected one label for each {each[self._per_step]}, as in fit, got one for each {each[per_step]}"
            )
        if per_step:
            sequences, _ = self._read_X(X, first=first, steps=[len(row) for row in y])
            rows = read_steps(y, sequences.lengths)
            codes = self._encode(np.concatenate(rows), learn, strangers, missing=NO_LABEL)
            values: Any = np.split(codes, np.cumsum(sequences.lengths)[:-1])
        else:
            sequences, labels = self._read_X(X, y, first=first)
            labels = column_or_1d(labels, warn=True)
            check_consistent_length(sequences.items, labels)
            values = self._encode(labels, learn, strangers)
        self._per_step = per_step
        weights = self._read_weights(sample_weight, len(sequences))
        return sequences, Targets(values, weights, None if strangers else self._weights_of_classes(values))

    def _encode(self, labels: Array, learn: bool, strangers: bool, missing: Any = None) -> Array:
        """Places in `classes_`; of strangers, which only a score may have, one that no answer has."""
        absent = is_missing(labels)
        if missing is not None and labels.dtype.kind in "ifO":
            absent |= np.asarray(labels == missing, bool)
        known = labels[~absent]
        if absent.any() and known.dtype.kind == "O":
            known = np.array(known.tolist())
        check_classification_targets(known)
        if learn:
            if len(known) == 0:
                raise ValueError("y: expected at least one label, got none")
            self.classes_ = np.unique(known)
        codes = np.full(len(labels), NO_LABEL)
        places = np.searchsorted(self.classes_, known) if len(known) > 0 else np.zeros(0, int)
        at = np.minimum(places, len(self.classes_) - 1)
        stranger = self.classes_[at] != known
        if stranger.any() and not strangers:
            raise ValueError(f"y: expected labels of the classes {self.classes_}, got {known[stranger][0]!r}")
        codes[~absent] = np.where(stranger, len(self.classes_), at)
        return codes

    def _weights_of_classes(self, values: Any) -> Array | None:
        """(n_classes,), from `class_weight`."""
        if self.class_weight is None:
            return None
        codes = np.concatenate(values) if isinstance(values, list) else values
        labels = self.classes_[codes[codes != NO_LABEL]]
        if self.class_weight == "balanced":
            present = np.unique(labels)
            of_code = np.ones(len(self.classes_))
            of_code[np.searchsorted(self.classes_, present)] = compute_class_weight(
                "balanced", classes=present, y=labels
            )
            return of_code
        each: Array = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
        return each

    @property
    def _n_readouts(self) -> int:
        return len(self.classes_)


def _labels_of(X: Any, y: Any) -> Any:
    """Labels as an array or a list. A data frame of one column has one of each sequence, as for scikit-learn."""
    if not (are_sequences(X) and hasattr(y, "to_numpy")):
        return y
    labels = without_names(y)
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _each(answers: Any, of: Callable[[Array], Array]) -> Any:
    """Of the answers to all sequences, or to each."""
    return [of(answer) for answer in answers] if isinstance(answers, list) else of(answers)


def _log_softmax(outputs: Array) -> Array:
    below = outputs - outputs.max(axis=-1, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))  # type: ignore[no-any-return]


def _softmax(outputs: Array) -> Array:
    return np.exp(_log_softmax(outputs))
