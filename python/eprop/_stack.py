"""A stack of feed-forward layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NoReturn, final

from numpy.typing import ArrayLike, NDArray

from . import _core
from ._arrays import as_numbers
from ._events import Inputs
from ._fields import LEARNING_RATE, LearningRate
from ._sequences import SequenceTrainer
from .optim import Optimizer

__all__ = ["LayerView", "OnlineTrainer"]

Array = NDArray[Any]


@final
@dataclass(eq=False)
class OnlineTrainer(SequenceTrainer):
    """A stack of feed-forward layers, trained online; the output is the spikes of the last one.

    Online training through time: Xiao et al. 2022. The fields of the signature mean what they mean in `EpropTrainer`; times
    in ms.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs first: ``[40, 100, 10]`` has two layers.
    tau_mem : float or sequence of float (n_layers,)
        Membrane time constant, one for all layers or one for each, first to last.

    Raises
    ------
    ValueError, TypeError, MemoryError
        As in `EpropTrainer`.

    Examples
    --------
    >>> trainer = OnlineTrainer([4, 8, 2])
    >>> trainer.n_layers, trainer.layers[0].W.shape
    (2, (8, 4))
    >>> OnlineTrainer([4, 8, 2], tau_mem=[10, 40]).tau_mem
    (10.0, 40.0)
    """

    layer_sizes: Sequence[int]
    tau_mem: float | Sequence[float] = 20.0
    threshold: float = 1.0
    lr: LearningRate = LEARNING_RATE
    _: KW_ONLY
    dt: float = 1.0
    reset_mechanism: str = "subtract"
    n_ref: int = 0
    surrogate: str = "piecewise_linear"
    surrogate_height: float | None = None
    surrogate_width: float | None = None
    input_gain: str = "unit"
    update_every: int | str = 1
    loss: str = "mse"
    dtype: str = "float32"
    seed: int = 42
    optimizer: str | Optimizer = "sgd"
    reduction: str = "sum"
    batch_size: int = 1
    beta: float = 0.0
    tau_adaptation: float = 200.0
    clip_norm: float | None = None
    w_max: float | None = None
    memory_limit: int | None = None

    _core_class = _core.OnlineTrainer

    def __post_init__(self) -> None:
        self._start()

    def calibrate(self, inputs: Inputs, *, rate: float = 20.0) -> list[float]:
        """Scales each layer's weights in turn until the layer fires at `rate` on average on this sample.

        The logger ``eprop`` of `logging` gets a line for each layer (INFO): the factor, the firing rates before and after.

        Parameters
        ----------
        inputs : array_like (T, n_inputs) or (S, T, n_inputs), a list of sequences, or events
            As in `predict_sequence`, and any number of sequences, of any lengths.
        rate : float
            In Hz; met within 10 %.

        Returns
        -------
        list of float
            One factor per layer. State is untouched.

        Raises
        ------
        ValueError
            No factor reaches the rate: names the nearest that was reached; weights unchanged.

        Warns
        -----
        CalibrationWarning
            The inputs vary so little beside their means that no scale mends it.

        Examples
        --------
        >>> import numpy as np
        >>> inputs = np.random.default_rng(1).random((500, 20))
        >>> len(OnlineTrainer([20, 30, 10]).calibrate(inputs))
        2
        """
        return self._calibrate(inputs, rate, [f"layers[{layer}].W" for layer in range(self.n_layers)])

    @property
    def n_layers(self) -> int:
        """How many layers have weights."""
        return self._core.n_layers  # type: ignore[no-any-return]

    @property
    def layers(self) -> tuple[LayerView, ...]:
        """Live views of the layers, first to last."""
        return tuple(LayerView(self, layer) for layer in range(self.n_layers))

    @property
    def v(self) -> Array:
        """Membrane voltages of the last layer (O,)."""
        return self.layers[-1].v


def _fresh_sizes(trainer: OnlineTrainer) -> list[int]:
    return list(trainer.__dict__["layer_sizes"])


# After the decorator, which would take a property for the field's default.
setattr(OnlineTrainer, "layer_sizes", property(_fresh_sizes, doc="Inputs first; a fresh list."))  # noqa: B010


@final
class LayerView:
    """One layer of a trainer: reads and assigns the trainer's own weights, and shows its state.

    Examples
    --------
    >>> trainer = OnlineTrainer([4, 8, 2])
    >>> trainer.layers[1].W = trainer.layers[1].W * 2
    >>> trainer.layers[1].step([0] * 8)
    Traceback (most recent call last):
    RuntimeError: step: layers[1] belongs to a trainer, which steps all its layers together; \
call the trainer's own methods, or use an OnlineLIFLayer
    """

    def __init__(self, trainer: OnlineTrainer, layer: int) -> None:
        self.__dict__.update(_trainer=trainer, _layer=layer)

    _trainer: OnlineTrainer
    _layer: int

    @property
    def n_inputs(self) -> int:
        """How many sources the layer has."""
        return self._trainer.layer_sizes[self._layer]

    @property
    def n_neurons(self) -> int:
        """How many neurons the layer has."""
        return self._trainer.layer_sizes[self._layer + 1]

    @property
    def W(self) -> Array:
        """Weights (n_neurons, n_inputs)."""
        return self._trainer._core.layer_W(self._layer)  # type: ignore[no-any-return]

    @W.setter
    def W(self, value: ArrayLike) -> None:
        self._trainer._core.set_layer_W(self._layer, as_numbers("W", value))

    @property
    def v(self) -> Array:
        """Membrane voltages (n_neurons,)."""
        return self._trainer._core.layer_v(self._layer)  # type: ignore[no-any-return]

    @property
    def spikes(self) -> Array:
        """The last step's spikes (n_neurons,)."""
        return self._trainer._core.layer_spikes(self._layer)  # type: ignore[no-any-return]

    @property
    def psi(self) -> Array:
        """The surrogate derivative of the last step (n_neurons,)."""
        return self._trainer._core.layer_psi(self._layer)  # type: ignore[no-any-return]

    @property
    def z_bar(self) -> Array:
        """The trace of the layer's sources (n_inputs,)."""
        return self._trainer._core.layer_z_bar(self._layer)  # type: ignore[no-any-return]

    @property
    def _v(self) -> Array:
        return self.v

    @property
    def _spikes(self) -> Array:
        return self.spikes

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "W":
            raise AttributeError(f"{name}: of a trainer's layer only W can be assigned")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<layer {self._layer} of {self._trainer!r}>"

    def _refuse(self, call: str) -> NoReturn:
        raise RuntimeError(
            f"{call}: layers[{self._layer}] belongs to a trainer, which steps all its layers together; "
            "call the trainer's own methods, or use an OnlineLIFLayer"
        )

    def step(self, x: ArrayLike) -> NoReturn:
        """Raises RuntimeError: the trainer steps its layers together."""
        self._refuse("step")

    def apply_learning_signal(self, signal: ArrayLike) -> NoReturn:
        """Raises RuntimeError: the trainer computes its layers' signals."""
        self._refuse("apply_learning_signal")

    def propagate(self, signal: ArrayLike) -> NoReturn:
        """Raises RuntimeError: the trainer propagates its layers' signals."""
        self._refuse("propagate")

    def reset(self) -> NoReturn:
        """Raises RuntimeError: the trainer resets its layers together."""
        self._refuse("reset")
