"""The table of `make bench-rivals`: every rival is measured, or named as not installed, and the rest goes on."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = Path(__file__).parents[1] / "benches" / "rivals" / "compare.py"
MODULES = {
    "sc-neurocore": "sc_neurocore",
    "braintrace": "braintrace",
    "spyx": "spyx",
    "snntorch": "snntorch",
}


def rows_of(*rivals: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, str(COMPARE), "--quick", "--rivals", *rivals],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [line for line in run.stdout.splitlines() if line.split()[:2] == ["100", "100"]]


def numbers_of(row: str) -> tuple[float, float, float]:
    """Microseconds, and the shares of firing neurons before and after, of a row of the first table."""
    time, before, after = row[36:].split()[:3]
    return float(time), float(before.rstrip("%")), float(after.rstrip("%"))


def test_goes_on_without_a_rival_that_is_not_installed() -> None:
    absent = [name for name, module in MODULES.items() if importlib.util.find_spec(module) is None]
    if not absent:
        pytest.skip("all rivals are installed here")
    rows = rows_of(*absent)
    assert all(numbers_of(row)[0] > 0 for row in rows[:2])
    assert len(rows[2:]) >= len(absent)
    assert all("not measured: ModuleNotFoundError" in row for row in rows[2:])


@pytest.mark.parametrize("rival", MODULES)
def test_measures_an_installed_rival(rival: str) -> None:
    if importlib.util.find_spec(MODULES[rival]) is None:
        pytest.skip(f"{rival} is not installed")
    rows = rows_of(rival)
    assert len(rows) >= 3
    for row in rows:
        microseconds, before, after = numbers_of(row)
        assert microseconds > 0
        assert 1.0 <= before <= 5.0 and 1.0 <= after <= 5.0
