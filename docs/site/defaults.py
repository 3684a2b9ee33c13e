"""For the reference: a default that has a name in the code is shown as its value."""

from __future__ import annotations

from typing import Any

import griffe

from eprop._fields import LEARNING_RATE

NAMED = {"LEARNING_RATE": (repr(LEARNING_RATE), "float")}


class Defaults(griffe.Extension):
    """Writes the value, and a type that readers know."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        value, annotation = NAMED.get(str(attr.value), (None, None))
        if value is not None:
            attr.value, attr.annotation = value, annotation
