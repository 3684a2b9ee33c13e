"""`trainer_options` of estimators: what they may say of the trainer that an estimator builds, and what not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_options"]

_SIZES = ("n_inputs", "n_neurons", "n_outputs")


def check_options(estimator: Any, options: Any, parameters: Iterable[str]) -> None:
    """Refuses what the estimator says by itself: its own parameters, sizes, and the kind of loss.

    Raises
    ------
    TypeError
        No mapping.
    ValueError
        A field that is not to be chosen here.

    Examples
    --------
    >>> check_options(None, {"n_ref": 2}, ["lr"])
    >>> check_options(None, {"loss": "mse"}, ["lr"])
    Traceback (most recent call last):
    ValueError: trainer_options: expected fields that NoneType does not choose itself, got 'loss'; leave it out
    """
    if not isinstance(options, (Mapping, type(None))):
        kind = type(options).__name__
        raise TypeError(f"trainer_options: expected None or a dict of EpropTrainer's parameters, got {kind}")
    own, given = type(estimator).__name__, set(options or ())
    if twice := sorted(given & set(parameters)):
        raise ValueError(
            f"trainer_options: expected fields that are no parameter of {own}, got {twice[0]!r}; "
            f"hand it over as {twice[0]}="
        )
    # Sizes follow from the data, the loss from the kind of estimator.
    if chosen := sorted(given & {*_SIZES, "loss"}):
        raise ValueError(
            f"trainer_options: expected fields that {own} does not choose itself, got {chosen[0]!r}; leave it out"
        )
