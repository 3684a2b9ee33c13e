"""A network that cannot learn says so, and so does learning that runs away."""

from __future__ import annotations

import warnings

__all__ = [
    "AdaptationWarning",
    "CalibrationWarning",
    "ConversionWarning",
    "DivergenceWarning",
    "FiringRateWarning",
    "warn_of_adaptation",
    "warn_of_conversion",
    "warn_of_divergence",
    "warn_of_firing",
    "warn_of_inputs",
    "warn_of_targets",
    "warn_of_time",
]


class FiringRateWarning(UserWarning):
    """Nothing fired, or most neurons fired at most steps.

    In a sequence of at least five membrane time constants; shorter ones, and the steps of `step` and `train_stream`, are
    counted together until they last fifty, or the first ten if nothing has fired by then. With ``tau_mem = 20`` and
    ``dt = 1`` these are 100, 1,000 and 200 steps. Given once until `reset()`; copies and pickles go on counting.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> silent = EpropTrainer(2, 3, 1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = silent.train_sequence(np.zeros((100, 2)), np.zeros((100, 1)))
    >>> caught[0].category.__name__
    'FiringRateWarning'
    """


class AdaptationWarning(UserWarning):
    """The trace of a neuron's adaptation grows by itself: ``beta h > 1 + rho``, with the surrogate's height h.

    Where a neuron stays at its threshold, every step multiplies this trace by ``rho - beta h``, and rounding errors with it.
    Given when a trainer is built.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = EpropTrainer(2, 3, 1, beta=7.0)
    >>> caught[0].category.__name__
    'AdaptationWarning'
    """


class CalibrationWarning(UserWarning):
    """`calibrate` has brought the network to its firing rate, and yet it will hardly learn.

    Each of the two is given once until `reset()`. By `calibrate`: the inputs vary, but less than 0.5 % of their power is
    not that of their means. By the first `train_sequence` of five membrane time constants after it, of a squared error:
    the targets are so small that outputs miss them by more than ten times their size, or so large that readouts would need
    weights more than a hundred times as long as those of N(0, 1/N).

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> inputs, targets = np.random.default_rng(1).random((200, 9)) < 0.1, np.ones((200, 1))
    >>> trainer = EpropTrainer(9, 30, 1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = trainer.calibrate(inputs)
    ...     _ = trainer.train_sequence(inputs, 1e4 * targets)
    >>> caught[0].category.__name__
    'CalibrationWarning'
    """


class ConversionWarning(UserWarning):
    """A network was converted with ``approximate=True``, and something of it got lost.

    Given by `eprop.nir`, at every conversion.
    """


class DivergenceWarning(UserWarning):
    """The loss has run away: learning makes it worse, and will not come back by itself.

    Given once until `reset()`, when the mean loss of a call, or of steps that last fifty membrane time constants, is more
    than a thousand times the largest of the first ten, and more than a thousand times what outputs of 0 would cost. Among
    the first ten themselves, when it is more than 1e9, and more than 1e9 times what outputs of 0 would cost. Learning that
    works never gets there, since learning nothing costs less.

    Examples
    --------
    >>> import numpy as np
    >>> from eprop import EpropTrainer
    >>> from eprop.optim import SGD
    >>> plain = SGD(limit=False)
    >>> trainer = EpropTrainer(3, 30, 1, lr=0.1, update_every="sequence", optimizer=plain, dtype="float64")
    >>> inputs, targets = np.indices((100, 3)).sum(0) % 3, np.ones((100, 1))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     while not caught:
    ...         _ = trainer.train_sequence(inputs, targets)
    ...         trainer.lr *= 1.3
    >>> caught[0].category.__name__
    'DivergenceWarning'
    """


_WHAT = {
    "silent": "no neuron fired, so nothing but a bias can be learned",
    "saturated": "more than half of the neurons fired at more than half of the steps, so there is little to learn from",
}

# The frames between the user and the warning: this module's function, and the trainer's method.
_USER = 3


def warn_of_firing(activity: str) -> None:
    """Warns of a silent or saturated network and names the way out."""
    message = (
        f"{_WHAT[activity]}; trainer.calibrate(inputs) scales the input weights to a firing rate of 20 Hz; a network that "
        "fired as it should before it learned has too large an lr"
    )
    warnings.warn(message, FiringRateWarning, stacklevel=_USER)


def warn_of_adaptation(beta: float, height: float) -> None:
    """Warns of an adaptation whose trace grows by itself and names the way out."""
    message = (
        f"beta = {beta:g} times the height of the surrogate, {height:g}, is more than 1 + rho: rounding errors in the trace "
        "of the adaptation may grow from step to step; choose a smaller beta or surrogate_height"
    )
    # Two frames more: between the user and the check lie __init__ and __post_init__ of the dataclass.
    warnings.warn(message, AdaptationWarning, stacklevel=_USER + 2)


def warn_of_conversion(target: str, lost: list[str]) -> None:
    """Warns of what a conversion has left out."""
    warnings.warn(f"{target} cannot say {'; '.join(lost)}", ConversionWarning, stacklevel=_USER)


def warn_of_time(name: str, tau: float, dt: float) -> None:
    """Warns of a time constant that is far below a step, as one in seconds is, and names the way out."""
    message = (
        f"{name} = {tau:g} is far below a step of dt = {dt:g} ms: times are in ms, so 20 ms are {name}=20.0; "
        f"{name}=0.0 says that there is no filter"
    )
    warnings.warn(message, UserWarning, stacklevel=_USER + 2)


def warn_of_inputs(variation: float) -> None:
    """Warns of inputs whose means drown what varies and names the way out."""
    message = (
        f"inputs: all but {variation:.2%} of their power is that of their means, so neurons fire nearly as they would at "
        "constant inputs, whatever W_in is multiplied with; subtract the mean of each input, inputs - inputs.mean(axis=0), "
        "here and wherever the network gets inputs"
    )
    # A frame more: _calibrate lies between the user's call and this one.
    warnings.warn(message, CalibrationWarning, stacklevel=_USER + 1)


def warn_of_targets(targets: float, outputs: float) -> None:
    """Warns of targets of another size than outputs and names the way out."""
    if targets > outputs:
        message = (
            f"targets: their root mean square is {targets:.3g}, and that of outputs of readout weights of N(0, 1/N) is "
            f"{outputs:.3g} at this firing rate: weights would have to grow for too long"
        )
    else:
        message = (
            f"targets: their root mean square is {targets:.3g}, and outputs miss them by {outputs:.3g}: these would first "
            "have to be unlearned"
        )
    message += (
        '; scale targets to about 1, calibrate to another rate, or choose another readout_gain ("unit" has the larger '
        'outputs, "leak" the smaller)'
    )
    warnings.warn(message, CalibrationWarning, stacklevel=_USER)


def warn_of_divergence(loss: float, before: float, lr: float, recurrent_gain: float | None) -> None:
    """Warns of a loss that has run away and names the way out."""
    message = (
        f"the mean loss is {loss:.3g}, where it was {before:.3g} at most: learning has run away with lr = {lr:g}; build the "
        "trainer anew, or assign its weights, with a smaller lr (a tenth, say); "
        'reduction="mean" makes lr independent of the number of steps and streams'
    )
    if recurrent_gain is not None:
        message += (
            "; with a horizon beyond a step credit explodes unless it is damped: try less than "
            f"recurrent_gain = {recurrent_gain:g}"
        )
    warnings.warn(message, DivergenceWarning, stacklevel=_USER)
