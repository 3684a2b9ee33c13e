"""The table of `make bench` is printed whole, with or without the peer, for networks at the activity that it asks for."""

import os
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).parents[1] / "benches" / "table.py"


def test_table_prints_every_column() -> None:
    command = [sys.executable, "-W", "error", str(TABLE), "--steps", "200", "--repeats", "1", "--sizes", "1"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines() if line.split()[:2] == ["100", "100"]]
    assert [row[3] for row in rows][:2] == ["float32", "float64"]
    for row in rows:
        numbers = row[4:] if row[2] == "eprop" else row[3:]
        infer, train, share, n_steps = numbers[:4]
        assert float(infer) > 0
        assert float(train) > 0
        assert 1.0 <= float(share.rstrip("%")) <= 5.0
        assert int(n_steps) >= 1
