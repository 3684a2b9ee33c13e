"""The compiled trainers. Private: use the dataclasses of the package `eprop`."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, TypeAlias, final

from numpy.typing import NDArray
from typing_extensions import Self

_Inputs: TypeAlias = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]
_Sequences: TypeAlias = _Inputs | list[_Inputs]
_Targets: TypeAlias = NDArray[Any] | list[NDArray[Any]]
_Planned: TypeAlias = tuple[str | None, int, int, float, float, float, float, float]
_Step: TypeAlias = NDArray[Any] | tuple[NDArray[Any]]

__version__: str
__all__ = ["EpropAgent", "EpropTrainer", "OnlineLIFLayer", "OnlineTrainer", "__version__", "class_of", "isa"]

def class_of(bytes: bytes) -> str: ...
def isa() -> str: ...

class _Neuron(Protocol):
    """What is read of a dataclass: every layer's fields."""

    tau_mem: float | NDArray[Any] | Sequence[float]
    threshold: float | NDArray[Any]
    lr: float
    dt: float
    reset_mechanism: str
    n_ref: int
    surrogate: str
    surrogate_height: float | None
    surrogate_width: float | None
    input_gain: str
    dtype: str
    seed: int
    beta: float | NDArray[Any]
    tau_adaptation: float | NDArray[Any]

class _Layer(_Neuron, Protocol):
    n_inputs: int
    n_neurons: int

    @property
    def _optimizer(self) -> tuple[str, dict[str, float]]: ...

class _Learning(_Neuron, Protocol):
    loss: str
    update_every: int | str
    reduction: str
    batch_size: int
    clip_norm: float | None
    w_max: float | None
    memory_limit: int | None

    @property
    def _optimizer(self) -> tuple[str, dict[str, float]]: ...

class _Stack(_Learning, Protocol):
    layer_sizes: Any

class _Recurrent(_Layer, _Learning, Protocol):
    n_outputs: int
    tau_trace: float
    tau_out: float | None
    readout_gain: str
    feedback: str
    readout_bias: bool
    c_reg: float
    f_target: float
    tau_reg: float
    horizon: int | str
    recurrent_gain: float
    delay: int
    feedback_decay: float
    c_reg_side: str
    lr_in: float | None
    lr_rec: float | None
    lr_out: float | None
    tau_syn: float
    engine: str | None
    connect_in: Any
    connect_rec: Any
    sign: NDArray[Any] | None

class _Agent(_Layer, Protocol):
    n_actions: int
    gamma: float
    lam: float
    entropy: float
    value_weight: float
    steps_per_action: int
    update_every: int | str
    tau_trace: float
    tau_out: float | None
    readout_gain: str
    feedback: str
    feedback_decay: float
    readout_bias: bool
    reduction: str
    batch_size: int
    clip_norm: float | None
    w_max: float | None
    delay: int
    lr_in: float | None
    lr_rec: float | None
    lr_out: float | None
    tau_syn: float

class _Base:
    """What all of them have; at run time they have no common base."""

    warned: int
    def reset(self) -> None: ...
    def set_lr(self, lr: float) -> None: ...
    def state_equal(self, other: Self) -> bool: ...
    def to_bytes(self) -> list[bytes]: ...
    @staticmethod
    def from_bytes(state: list[bytes]) -> tuple[Any, str]: ...
    def save(self, path: str | bytes | PathLike[Any]) -> None: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def spikes(self) -> NDArray[Any]: ...
    @property
    def memory_per_step(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...

class _Trainer(_Base):
    @property
    def batch_size(self) -> int: ...
    @property
    def n_updates(self) -> int: ...
    def step(
        self,
        x: NDArray[Any] | _Step | list[_Step],
        target: NDArray[Any] | None,
        learning_signal: NDArray[Any] | None,
        weight: NDArray[Any] | None,
    ) -> dict[str, Any]: ...
    def train_sequence(
        self,
        inputs: _Sequences,
        targets: _Targets,
        mask: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        lengths: NDArray[Any] | None,
        reset: bool,
        return_outputs: bool,
        n_threads: int | None,
    ) -> tuple[float, NDArray[Any] | None]: ...
    def predict_sequence(
        self,
        inputs: _Sequences,
        lengths: NDArray[Any] | None,
        reset: bool,
        return_spikes: bool,
        n_threads: int | None,
    ) -> tuple[NDArray[Any], NDArray[Any] | None]: ...
    def evaluate(
        self,
        inputs: _Sequences,
        targets: _Targets | None,
        mask: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        lengths: NDArray[Any] | None,
        n_threads: int | None,
    ) -> tuple[float, NDArray[Any]]: ...
    def gradients(
        self,
        inputs: _Sequences,
        targets: _Targets,
        mask: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        lengths: NDArray[Any] | None,
        n_threads: int | None,
    ) -> dict[str, Any]: ...
    def train_for_gradients(
        self,
        inputs: _Sequences,
        targets: _Targets,
        mask: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        lengths: NDArray[Any] | None,
        return_outputs: bool,
        n_threads: int | None,
    ) -> tuple[dict[str, Any], NDArray[Any] | None]: ...
    def apply_gradients(self, gradients: dict[str, Any]) -> None: ...
    def update(self) -> None: ...
    @property
    def output(self) -> NDArray[Any]: ...

@final
class EpropTrainer(_Trainer):
    def __new__(cls, face: _Recurrent) -> EpropTrainer: ...
    @staticmethod
    def plan(face: _Recurrent) -> _Planned: ...
    def set_lr_in(self, lr: float | None) -> None: ...
    def set_lr_rec(self, lr: float | None) -> None: ...
    def set_lr_out(self, lr: float | None) -> None: ...
    def calibrate(self, inputs: _Sequences, rate: float) -> list[tuple[float, float, float]]: ...
    def gradients_with(
        self,
        inputs: _Sequences,
        targets: _Targets,
        mask: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        lengths: NDArray[Any] | None,
        n_threads: int | None,
        horizon: int | str | None,
        recurrent_gain: float | None,
    ) -> dict[str, Any]: ...
    def set_synapses(self, name: str, weights: NDArray[Any]) -> None: ...
    def lists(self, name: str) -> tuple[NDArray[Any], NDArray[Any]] | None: ...
    def set_ranks(self, exchange: Any) -> None: ...
    def connected(self, name: str) -> tuple[NDArray[Any], NDArray[Any]] | None: ...
    def weights_of_synapses(self, name: str) -> NDArray[Any]: ...
    def traces_of_synapses(self, stream: int) -> NDArray[Any]: ...
    @property
    def is_listed(self) -> bool: ...
    W_in: NDArray[Any]
    W_rec: NDArray[Any]
    W_out: NDArray[Any]
    B: NDArray[Any]
    b: NDArray[Any]
    @property
    def engine(self) -> str: ...
    @property
    def a(self) -> NDArray[Any]: ...
    @property
    def v(self) -> NDArray[Any]: ...
    @property
    def psi(self) -> NDArray[Any]: ...
    @property
    def L(self) -> NDArray[Any]: ...
    @property
    def z_bar(self) -> NDArray[Any]: ...
    @property
    def e_bar(self) -> NDArray[Any]: ...

@final
class OnlineLIFLayer(_Base):
    def __new__(cls, face: _Layer) -> OnlineLIFLayer: ...
    def step(self, x: _Step) -> NDArray[Any]: ...
    def apply_learning_signal(self, signal: NDArray[Any]) -> None: ...
    def propagate(self, signal: NDArray[Any]) -> NDArray[Any]: ...
    W: NDArray[Any]
    @property
    def a(self) -> NDArray[Any]: ...
    @property
    def v(self) -> NDArray[Any]: ...
    @property
    def psi(self) -> NDArray[Any]: ...
    @property
    def z_bar(self) -> NDArray[Any]: ...

@final
class OnlineTrainer(_Trainer):
    def __new__(cls, face: _Stack) -> OnlineTrainer: ...
    @staticmethod
    def plan(face: _Stack) -> _Planned: ...
    def calibrate(self, inputs: _Sequences, rate: float) -> list[tuple[float, float, float]]: ...
    @property
    def n_layers(self) -> int: ...
    def layer_W(self, layer: int) -> NDArray[Any]: ...
    def set_layer_W(self, layer: int, value: NDArray[Any]) -> None: ...
    def layer_v(self, layer: int) -> NDArray[Any]: ...
    def layer_spikes(self, layer: int) -> NDArray[Any]: ...
    def layer_psi(self, layer: int) -> NDArray[Any]: ...
    def layer_z_bar(self, layer: int) -> NDArray[Any]: ...

@final
class EpropAgent(_Base):
    def __new__(cls, face: _Agent) -> EpropAgent: ...
    def act(self, observation: NDArray[Any], greedy: bool) -> list[int]: ...
    def calibrate(self, observations: NDArray[Any], rate: float) -> float: ...
    def connected(self, name: str) -> tuple[NDArray[Any], NDArray[Any]] | None: ...
    def learn(
        self,
        reward: list[float],
        done: list[bool],
        truncated: list[bool],
        last_observation: NDArray[Any] | None,
        reset: bool,
    ) -> None: ...
    def set_lr_in(self, lr: float | None) -> None: ...
    def set_lr_rec(self, lr: float | None) -> None: ...
    def set_lr_out(self, lr: float | None) -> None: ...
    W_in: NDArray[Any]
    W_rec: NDArray[Any]
    W_out: NDArray[Any]
    B: NDArray[Any]
    b: NDArray[Any]
    @property
    def policy(self) -> NDArray[Any]: ...
    @property
    def value(self) -> list[float]: ...
    @property
    def td_error(self) -> list[float]: ...
    @property
    def n_updates(self) -> int: ...
    @property
    def a(self) -> NDArray[Any]: ...
    @property
    def v(self) -> NDArray[Any]: ...
    @property
    def z_bar(self) -> NDArray[Any]: ...
    @property
    def e_bar(self) -> NDArray[Any]: ...
