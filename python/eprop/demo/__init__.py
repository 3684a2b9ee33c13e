"""The console script ``eprop demo``: handwritten digits, and pattern generation.

It needs the extra ``eprop[demo]``, imported where it is used: ``import eprop`` never asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra() -> Iterator[None]:
    """Import inside of this, and an error names the extra that brings the missing module.

    Raises
    ------
    ModuleNotFoundError
        If an import in the body fails; the message names the module and what to install.

    Examples
    --------
    >>> with needs_extra():
    ...     import tqdm
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        message = (
            f"the demo needs the module {missing.name!r}, which is not installed: "
            "install the extra with  pip install 'eprop[demo]'"
        )
        raise ModuleNotFoundError(message, name=missing.name) from missing
