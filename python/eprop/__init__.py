"""Online training of recurrent spiking neural networks with e-prop.

One recurrent layer (`EpropTrainer`), one feed-forward layer (`OnlineLIFLayer`), a stack of them (`OnlineTrainer`).
All times are in ms, all firing rates in Hz, all arrays that come back are read-only copies.

Examples
--------
>>> import numpy as np
>>> from eprop import EpropTrainer
>>> trainer = EpropTrainer(n_inputs=20, n_neurons=30, n_outputs=1, seed=1)
>>> inputs = np.random.default_rng(1).random((200, 20)) < 0.05
>>> targets = np.sin(np.linspace(0, 6, 200))[:, None]
>>> losses = [trainer.train_sequence(inputs, targets) for _ in range(20)]
>>> losses[-1] < losses[0]
True
"""

from typing import TYPE_CHECKING, Any

from . import optim
from ._core import __version__
from ._files import load
from ._layer import OnlineLIFLayer
from ._plan import Plan
from ._stack import OnlineTrainer
from ._trainer import EpropTrainer
from ._warnings import (
    AdaptationWarning,
    CalibrationWarning,
    ConversionWarning,
    DivergenceWarning,
    FiringRateWarning,
)

if TYPE_CHECKING:
    from . import callbacks as callbacks
    from . import encode
    from . import wiring as wiring

__all__ = [
    "AdaptationWarning",
    "CalibrationWarning",
    "ConversionWarning",
    "DivergenceWarning",
    "EpropTrainer",
    "FiringRateWarning",
    "OnlineLIFLayer",
    "OnlineTrainer",
    "Plan",
    "__version__",
    "encode",
    "load",
    "optim",
]


def __getattr__(name: str) -> Any:
    """Modules that are imported when somebody asks for them."""
    if name in ("callbacks", "encode", "wiring"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "callbacks", "wiring"})
