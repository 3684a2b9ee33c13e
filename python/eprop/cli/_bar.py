"""A bar on what takes longer than a second, where somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["bar", "clear"]

Item = TypeVar("Item")

_PATIENCE, _PAUSE, _WIDTH = 1.0, 0.2, 30
"""Seconds before there is a bar, and from one picture of it to the next; its characters."""


def bar(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, with a bar on stderr from the second second on, if that is a terminal.

    Examples
    --------
    >>> list(bar([1, 2, 3], "counting"))
    [1, 2, 3]
    """
    start = shown = time.monotonic()
    is_seen = sys.stderr.isatty()
    drawn = False
    try:
        for n, item in enumerate(items):
            now = time.monotonic()
            if is_seen and now - start >= _PATIENCE and now - shown >= _PAUSE:
                print(_picture(what, n, len(items), now - start), end="", file=sys.stderr, flush=True)
                shown, drawn = now, True
            yield item
    finally:
        if drawn:
            clear()


def clear() -> None:
    """An empty line in the place of a bar, for what is said next."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _picture(what: str, n: int, n_items: int, seconds: float) -> str:
    done = n / n_items
    left = f", {seconds * (1 - done) / done:.0f} s left" if n > 0 else ""
    return f"\r\033[K{what} [{'#' * round(done * _WIDTH):{_WIDTH}}] {n} of {n_items}{left}"
