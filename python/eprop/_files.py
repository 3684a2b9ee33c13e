"""Files of trainers: what a file says of its trainer as the fields of a dataclass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _core
from .optim import Optimizer, Rewire, as_optimizer

__all__ = ["Path", "as_bytes", "fields_of", "load", "named", "read"]

Path = str | os.PathLike[str]


def load(path: Path) -> Any:
    """The trainer that a file holds, of whichever class.

    Parameters
    ----------
    path : str or os.PathLike
        A file that `save` wrote, in Python or in Rust.

    Returns
    -------
    EpropTrainer, OnlineTrainer, OnlineLIFLayer or eprop.rl.EpropAgent
        It goes on with the same bits as the one that was saved.

    Raises
    ------
    OSError
        A file that cannot be read.
    ValueError
        A file that is damaged, cut off, of another program or of another schema.
    MemoryError
        Too little memory.

    Examples
    --------
    >>> import os, tempfile, eprop
    >>> path = os.path.join(tempfile.mkdtemp(), "layer.safetensors")
    >>> layer = eprop.OnlineLIFLayer(3, 2)
    >>> layer.save(path)
    >>> eprop.load(path).state_equal(layer)
    True
    """
    from ._layer import OnlineLIFLayer
    from ._stack import OnlineTrainer
    from ._trainer import EpropTrainer
    from .rl import EpropAgent

    classes = {of.__name__: of for of in (EpropTrainer, OnlineTrainer, OnlineLIFLayer, EpropAgent)}
    data = read(path)
    with named(path):
        name = _core.class_of(data)
        if name not in classes:
            raise ValueError(f"saved bytes: expected one of the classes {', '.join(classes)}, got {name!r}")
        return classes[name].from_bytes(data)


def read(path: Path) -> bytes:
    """All bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file's name behind what is wrong with its bytes."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} ({os.fspath(path)})") from None


def as_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """Bytes, without a copy if they are.

    Examples
    --------
    >>> as_bytes(bytearray(b"ab"))
    b'ab'
    """
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"data: expected bytes that to_bytes() returned, got {data!r} ({type(data).__name__})")


def fields_of(document: str) -> dict[str, Any]:
    """The fields of the dataclass whose trainer a file describes.

    Parameters
    ----------
    document : str
        The JSON of a file that the compiled core has read.

    Examples
    --------
    >>> document = '{"class": "OnlineTrainer", "dtype": "float32", "sizes": [3, 2], "config": {"layer": {"lr": 0.1}}}'
    >>> fields_of(document)
    {'layer_sizes': (3, 2), 'dtype': 'float32', 'lr': 0.1}
    """
    import json  # not at import, which it makes a millisecond longer

    told = json.loads(document)
    fields: dict[str, Any] = _sizes(told["class"], told["sizes"]) | {"dtype": told["dtype"]}
    layer, config = told["config"].pop("layer", {}), told["config"]
    if "network" in config:  # of an agent, whose sequences are episodes
        config |= config.pop("network")
        if config["update_every"] == "sequence":
            config["update_every"] = "episode"
    if config.get("tau_mem", 0) is None:  # of a stack: what `layer` says is true of all
        del config["tau_mem"]
    fields |= {**layer, **config}
    arrays = fields.pop("each", {})
    fields |= {name: array for name, array in arrays.items() if array is not None}
    for name in ("update_every", "horizon"):
        if isinstance(steps := fields.get(name), dict):
            fields[name] = steps["steps"]
    rewire = fields.pop("rewire", None)
    if "optimizer" in fields:
        fields["optimizer"] = _optimizer(**fields["optimizer"], rewire=rewire and Rewire(**rewire))
    return fields


def _sizes(cls: str, sizes: list[int]) -> dict[str, Any]:
    names = {
        "EpropTrainer": ("n_inputs", "n_neurons", "n_outputs"),
        "OnlineLIFLayer": ("n_inputs", "n_neurons"),
        "EpropAgent": ("n_inputs", "n_neurons", "n_actions"),
    }
    return (
        {"layer_sizes": tuple(sizes)} if cls == "OnlineTrainer" else dict(zip(names[cls], sizes, strict=True))
    )


def _optimizer(name: str, **constants: Any) -> str | Optimizer:
    """The name alone, if the constants are its usual ones."""
    usual = as_optimizer(name)
    given = type(usual)(**constants)
    return name if given == usual else given
