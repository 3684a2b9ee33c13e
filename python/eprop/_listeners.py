"""Who is told of training, apart from the callbacks themselves: `import eprop` needs this much of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["listeners"]

_EVENTS = ("on_step", "on_sequence", "on_epoch_end")


def listeners(callbacks: Iterable[Any] | None, event: str) -> list[Callable[[Any, Mapping[str, Any]], Any]]:
    """The methods of this name of those callbacks that have it; a plain function listens to ``"on_epoch_end"``.

    Examples
    --------
    >>> from eprop.callbacks import History
    >>> listeners([History(), print], "on_epoch_end")[1] is print
    True
    >>> listeners([History(), print], "on_step")
    []
    """
    found = [getattr(callback, event, None) or _as_function(callback, event) for callback in callbacks or ()]
    return [method for method in found if method is not None]


def _as_function(callback: Any, event: str) -> Any:
    has_methods = any(hasattr(callback, name) for name in _EVENTS)
    return callback if event == "on_epoch_end" and callable(callback) and not has_methods else None
