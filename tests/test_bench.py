"""The tables of `make bench` are printed whole, with or without the peer, at the activity that they ask for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[1] / "benches" / "table.py"


@pytest.mark.skipif(shutil.which("cargo") is None, reason="the crate's bench is a Rust program")
def test_tables_hold_every_number() -> None:
    command = [sys.executable, "-W", "error", str(TABLE), "--quick"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    times, ratios = (line.split() for line in lines if line.split()[:2] == ["100", "100"])

    assert 1.0 <= float(times[2].rstrip("%")) <= 5.0
    assert all(float(time) > 0 for time in times[3:10])
    assert float(times[-1]) > 0
    assert [ratio.endswith("x") for ratio in ratios[2:6]] == [True] * 4
    assert all(float(mb) > 0 for mb in ratios[-2:])
    for further in (
        "this core",
        "a call of step()",
        "long sequences",
        "0.2% firing",
        "adaptive neurons against others, (100, 256)",
        "horizon of T against sequence, (100, 256), B = 1,",
        "horizon of T against sequence, (100, 256), B = 32,",
        "dense",
        "two threads",
        "import",
        "wheel",
    ):
        assert any(line.startswith(further) for line in lines), further
