"""`benches/reward.py` runs, and says whether the bar is reached."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "benches" / "reward.py"


@pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")
def test_it_runs() -> None:
    command = [sys.executable, str(BENCH), "--seeds", "7", "--episodes", "3"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "CartPole-v1, " in lines[0] and "episodes=3" in lines[0]
    assert lines[1].startswith("seed 7: best")
    assert lines[-1].endswith("bar 195: 0 of 1 seeds")
