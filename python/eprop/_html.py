"""What a notebook shows of a trainer, a recorder, a history: a small table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["as_size", "as_table"]


def as_table(title: str, rows: Mapping[str, Any]) -> str:
    """A table of two columns with a title; names and values are escaped."""
    from html import escape  # not at import: its tables cost more than the rest of this file

    cells = "".join(
        f'<tr><th style="text-align:left">{escape(str(name))}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"


def as_size(n: int) -> str:
    """A number of bytes for readers.

    Examples
    --------
    >>> as_size(812), as_size(20_480), as_size(5 * 2**20)
    ('812 B', '20.0 KiB', '5.0 MiB')
    """
    if n < 1024:
        return f"{n} B"
    size = n / 1024.0
    return f"{size:,.1f} KiB" if size < 1024.0 else f"{size / 1024.0:,.1f} MiB"
