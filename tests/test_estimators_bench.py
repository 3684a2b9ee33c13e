"""`benches/estimators.py` runs, and leaves out what is absent."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "benches" / "estimators.py"

pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")


def test_a_line_for_each_task_with_its_bar(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(BENCH), str(tmp_path), "--quick"]
    command += ["--only", "rows", "vowels", "spoken"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    _, rows, vowels, spoken = done.stdout.splitlines()
    assert rows.startswith("digits, rows as 8 steps: 0.") and "(>0.95)" in rows
    assert vowels == "japanese vowels: left out, FOLDER/japanese_vowels is absent"
    assert spoken == "spoken digits: left out, FOLDER/fsdd/recordings is absent"
