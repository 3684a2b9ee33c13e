"""``eprop info``: what is installed, and what the machine has."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .. import __version__, _core
from .._html import as_size

JSON = "the same as one JSON object; memory in bytes"
_OPTIONAL = ("scipy", "scikit-learn", "river", "matplotlib", "tqdm", "nir", "torch", "snntorch")


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Describes the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="versions, instruction set, threads, memory",
        description="Versions, instruction set, threads and memory: what a report of a problem needs.",
        epilog="example: eprop info --json",
    )
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prints what there is."""
    told = info()
    if not options.json:
        for name, value in told.items():
            if name == "memory":
                value = "unknown" if value is None else as_size(value)
            elif name == "packages":
                value = ", ".join(f"{package} {number}" for package, number in value.items()) or "none"
            print(f"{name.replace('_', ' '):16} {value}")
    return told


def info() -> dict[str, Any]:
    """Versions by name, the instruction set, threads, and bytes of memory.

    Examples
    --------
    >>> sorted(info())
    ['eprop', 'instruction_set', 'memory', 'numpy', 'packages', 'python', 'system', 'threads']
    """
    return {
        "eprop": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "packages": {name: found for name in _OPTIONAL if (found := _version(name)) is not None},
        "system": f"{platform.system()} {platform.machine()}",
        "instruction_set": _core.isa(),
        "threads": threads(),
        "memory": _memory(),
    }


def threads() -> int:
    """Over how many threads streams are spread: what ``EPROP_NUM_THREADS`` says, else the cores of this process."""
    said = os.environ.get("EPROP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> int | None:
    """Bytes of the machine; None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
