"""Starts scripts on several ranks of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Beside this Python, where a wheel puts it, or on the path.
MPIEXEC = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
# Of Open MPI, which otherwise asks for a core per rank and for a user who is not root.
SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}


def why_not() -> str | None:
    try:
        import mpi4py  # noqa: F401
    except ModuleNotFoundError:
        return "mpi4py is not installed"
    return None if MPIEXEC else "no mpiexec is found"


def run(n_ranks: int, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """By ``mpiexec``; warnings are errors."""
    ours = ("OMPI_", "PMIX_", "PRTE_")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [str(MPIEXEC), "-n", str(n_ranks), sys.executable, "-W", "error", str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=script.parent,
        env={**outside, **SETTINGS, "EPROP_NUM_THREADS": "1"},
    )
