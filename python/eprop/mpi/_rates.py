"""Learning rates of a trainer that is spread over ranks, and nothing else that may be assigned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Rates"]


def _rate(name: str, doc: str) -> Any:
    def read(face: Rates) -> Any:
        return getattr(face._rated, name)

    def assign(face: Rates, value: float | None) -> None:
        setattr(face._rated, name, value)

    return property(read, assign, doc=f"{doc}; may be assigned, on all ranks alike.")


class Rates(ABC):
    """Reads and assigns the learning rates of the trainer below. An assignment that it would not see is refused."""

    @property
    @abstractmethod
    def _rated(self) -> Any:
        """Whose learning rates they are."""

    lr = _rate("lr", "The learning rate")
    lr_in = _rate("lr_in", "That of `W_in`; None: `lr`")
    lr_rec = _rate("lr_rec", "That of `W_rec`; None: `lr`")
    lr_out = _rate("lr_out", "That of `W_out` and `b`; None: `lr`")

    def __setattr__(self, name: str, value: Any) -> None:
        attribute = getattr(type(self), name, None)
        if not name.startswith("_") and getattr(attribute, "fset", None) is None:
            rates = ", ".join(self._rated._rates)
            raise AttributeError(
                f"{name}: no attribute that can be set; of {type(self).__name__} only {rates} can be assigned"
            )
        object.__setattr__(self, name, value)
