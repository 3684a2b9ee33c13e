"""`benches/adaptive.py` runs, and says what it needs."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "benches" / "adaptive.py"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", str(BENCH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_evidence_has_a_line_for_each_seed_and_a_bar() -> None:
    done = run("evidence", "--quick")
    assert done.returncode == 0, done.stderr
    _, seed, verdict, _ = done.stdout.splitlines()
    assert seed.startswith("seed 0: ") and " wrong, " in seed
    assert verdict.startswith("evidence, fresh trials that are wrong, worst seed: ") and "(<0.12)" in verdict


def test_electrocardiograms_need_a_folder() -> None:
    done = run("ecg")
    assert done.returncode == 2
    assert "FOLDER says where QTDB_train.mat and QTDB_test.mat are" in done.stderr
