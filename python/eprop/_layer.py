"""One feed-forward layer; the learning signal comes from outside."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, final

from numpy.typing import ArrayLike, NDArray

from . import _core
from ._arrays import as_numbers
from ._base import Trainer
from ._events import StepInput, as_step
from ._fields import LEARNING_RATE, LearningRate
from .optim import Optimizer

__all__ = ["OnlineLIFLayer"]

Array = NDArray[Any]


@final
@dataclass(eq=False)
class OnlineLIFLayer(Trainer):
    """A layer of leaky integrate-and-fire neurons, trained online by a signal that the caller computes.

    Online training through time: Xiao et al. 2022. The fields of the signature mean what they mean in `EpropTrainer`; times
    in ms.

    Parameters
    ----------
    optimizer : str or eprop.optim.Optimizer
        What the gradient of a signal becomes. A layer is not told its loss, so nothing limits its steps: with ``"sgd"``
        each is `lr` times the gradient, as with ``SGD(limit=False)``. Momentum, Adam and AdamW cost a pass over all
        weights with each signal.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `EpropTrainer`.

    Examples
    --------
    >>> layer = OnlineLIFLayer(3, 2)
    >>> layer.step([1, 0, 1]).shape
    (2,)
    """

    n_inputs: int
    n_neurons: int
    tau_mem: float = 20.0
    threshold: float | Array = 1.0
    lr: LearningRate = LEARNING_RATE
    dt: float = 1.0
    _: KW_ONLY
    reset_mechanism: str = "subtract"
    n_ref: int = 0
    surrogate: str = "piecewise_linear"
    surrogate_height: float | None = None
    surrogate_width: float | None = None
    input_gain: str = "unit"
    dtype: str = "float32"
    seed: int = 42
    beta: float | Array = 0.0
    tau_adaptation: float | Array = 200.0

    optimizer: str | Optimizer = "sgd"

    _core_class = _core.OnlineLIFLayer

    def __post_init__(self) -> None:
        self._start()

    def step(self, x: StepInput) -> Array:
        """One step of ``dt``, without learning.

        Parameters
        ----------
        x : array_like (n_inputs,), or events
            As in `EpropTrainer.step`.

        Returns
        -------
        numpy.ndarray (n_neurons,)
            0 and 1.

        Raises
        ------
        ValueError, TypeError
            A wrong shape, NaN or infinity; not numbers. Nothing has changed.

        Examples
        --------
        >>> OnlineLIFLayer(2, 1).step([0, 0])
        array([0.], dtype=float32)
        """
        return self._core.step(as_step(x))  # type: ignore[no-any-return]

    def apply_learning_signal(self, signal: ArrayLike) -> None:
        """``W -= lr (psi signal) z_bar^T``, at once, on the psi and z_bar of the last step; each call again.

        Or what `optimizer` makes of that gradient.

        Parameters
        ----------
        signal : array_like (n_neurons,)
            dE/dz of this layer at this step. A positive signal lowers the neuron's drive.

        Raises
        ------
        ValueError, TypeError
            As in `step`.
        FloatingPointError
            It drove weights out of the finite range.

        Examples
        --------
        >>> layer = OnlineLIFLayer(2, 1, surrogate="fast_sigmoid")
        >>> before = layer.W
        >>> _ = layer.step([1, 0])
        >>> layer.apply_learning_signal([1.0])
        >>> bool(layer.W[0, 0] < before[0, 0])
        True
        """
        self._core.apply_learning_signal(as_numbers("signal", signal))

    def propagate(self, signal: ArrayLike) -> Array:
        """The signal for the layer below, ``W^T (zeta psi signal)``, with W as it is now.

        Parameters
        ----------
        signal : array_like (n_neurons,)

        Returns
        -------
        numpy.ndarray (n_inputs,)

        Raises
        ------
        ValueError, TypeError
            As in `step`.

        Examples
        --------
        >>> OnlineLIFLayer(2, 1).propagate([1.0]).shape
        (2,)
        """
        return self._core.propagate(as_numbers("signal", signal))  # type: ignore[no-any-return]

    @property
    def W(self) -> Array:
        """Weights (n_neurons, n_inputs)."""
        return self._core.W  # type: ignore[no-any-return]

    @W.setter
    def W(self, value: ArrayLike) -> None:
        self._core.W = as_numbers("W", value)

    @property
    def psi(self) -> Array:
        """The surrogate derivative of the last step (n_neurons,)."""
        return self._core.psi  # type: ignore[no-any-return]

    @property
    def a(self) -> Array:
        """Adaptations (n_neurons,): 0 where no threshold moves."""
        return self._core.a  # type: ignore[no-any-return]

    @property
    def z_bar(self) -> Array:
        """The trace of the inputs (n_inputs,)."""
        return self._core.z_bar  # type: ignore[no-any-return]
