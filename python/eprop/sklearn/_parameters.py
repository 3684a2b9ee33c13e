"""Whether the parameters of an estimator are what they should be, asked when it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._batches import as_threads
from .._fields import checked, number
from .._options import check_options
from ..callbacks import listeners

__all__ = ["check_parameters"]

_COUNTS = ("n_neurons", "n_steps", "max_iter", "n_iter_no_change")


def check_parameters(estimator: Any) -> None:
    """Those that are not the trainer's, which checks its own.

    Raises
    ------
    ValueError
        A count below 1, a share that is none, an unknown choice.
    TypeError
        A parameter of another type.
    """
    for name in _COUNTS:
        value = checked(name, "int", getattr(estimator, name))
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    for name in ("batch_size", "tau_out", "firing_rate"):
        value = getattr(estimator, name)
        if isinstance(value, str) and value != "auto":
            raise ValueError(f'{name}: expected "auto" or a number, got {value!r}')
    for name in ("noise", "tol"):
        value = number(name, getattr(estimator, name))
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"{name}: expected a finite number >= 0, got {value}")
    share = number("validation_fraction", estimator.validation_fraction)
    if not 0.0 < share < 1.0:
        raise ValueError(f"validation_fraction: expected a number between 0 and 1, got {share}")
    if estimator.schedule not in ("cosine", "constant") and not callable(estimator.schedule):
        raise ValueError(
            f'schedule: expected "cosine", "constant" or a function of the count of updates, got {estimator.schedule!r}'
        )
    if estimator.firing_rate != "auto" and not number("firing_rate", estimator.firing_rate) > 0.0:
        raise ValueError(f'firing_rate: expected "auto" or Hz > 0, got {estimator.firing_rate}')
    check_options(estimator, estimator.trainer_options, estimator.get_params(deep=False))
    checked("n_features", "int | None", estimator.n_features)
    as_threads(estimator.n_threads)
    _check_class_weight(getattr(estimator, "class_weight", None))
    if not isinstance(estimator.callbacks, (list, tuple, type(None))):
        kind = type(estimator.callbacks).__name__
        raise TypeError(f"callbacks: expected None or a list of them, got {kind}")
    for callback in estimator.callbacks or ():
        if not (listeners([callback], "on_epoch_end") or listeners([callback], "on_sequence")):
            raise TypeError(
                "callbacks: expected functions, or objects with on_epoch_end or on_sequence, got "
                f"{type(callback).__name__}; on_step is called by a trainer's train_stream alone"
            )


def _check_class_weight(weights: Any) -> None:
    """Of a dict its numbers; scikit-learn checks the rest."""
    if weights is None or weights == "balanced":
        return
    if not isinstance(weights, Mapping):
        raise ValueError(f'class_weight: expected None, "balanced" or a dict, got {weights!r}')
    for label, value in weights.items():
        weight = number(f"class_weight[{label!r}]", value)
        if not 0.0 <= weight < float("inf"):
            raise ValueError(f"class_weight[{label!r}]: expected a finite number >= 0, got {weight}")
