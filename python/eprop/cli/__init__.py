"""The command line: ``eprop info | demo | plan | train | predict | export``.

Each command is a module with `add_to`, which describes its arguments, and `run`, which returns what it has to say.

Exit codes: 0, done; 1, the work failed, and a line says why; 2, wrong arguments or a wrong configuration; 130, stopped by
Ctrl-C; 141, nobody reads what is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from .. import __version__
from ..demo import cli as demo
from . import _export, _info, _plan, _predict, _train
from ._bar import clear
from ._config import ConfigError

__all__ = ["DONE", "FAILED", "STOPPED", "UNREAD", "WRONG", "main"]

DONE, FAILED, WRONG, STOPPED, UNREAD = 0, 1, 2, 130, 141
COMMANDS = {
    "info": _info,
    "demo": demo,
    "plan": _plan,
    "train": _train,
    "predict": _predict,
    "export": _export,
}
# What a user can cause; anything else is a defect, and shows where it is.
_ERRORS = (ValueError, TypeError, OSError, ArithmeticError, MemoryError, ImportError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; by default what the shell passed.

    Examples
    --------
    >>> main(["export", "no-such-folder", "--nir", "network.nir"])
    1
    """
    options = _parser().parse_args(arguments)
    try:
        told = COMMANDS[options.command].run(options)
        if options.json:
            print(json.dumps(_as_json(told), allow_nan=False))
        print(end="", flush=True)  # so that a reader who has left is noticed here
    except ConfigError as error:
        return _failed(options.command, error, WRONG)
    except KeyboardInterrupt as stop:
        return _failed(options.command, stop if stop.args else KeyboardInterrupt("stopped"), STOPPED)
    except BrokenPipeError:
        return _unread()
    except _ERRORS as error:
        return _failed(options.command, error, FAILED)
    return DONE


def _as_json(told: Any) -> Any:
    """NaN and infinity as None: JSON has neither."""
    if isinstance(told, dict):
        return {name: _as_json(value) for name, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [_as_json(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told


def _unread() -> int:
    """As programs end whose output goes into `head`: without a word, and with the code of the signal."""
    clear()
    # What is still to be written would fail once more when the interpreter ends.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def _failed(command: str, error: BaseException, code: int) -> int:
    clear()
    print(f"eprop {command}: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eprop",
        description="Online learning with e-prop in spiking neural networks.",
        epilog="exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, 130 stopped by Ctrl-C, 141 nobody "
        "reads what is printed. "
        "example: eprop train config.toml",
    )
    parser.add_argument("--version", action="version", version=f"eprop {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        module.add_to(commands).add_argument("--json", action="store_true", help=f"print {module.JSON}")
        assert name in commands.choices
    return parser
