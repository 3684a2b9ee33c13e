"""The table of `make bench-rivals`: every rival is measured, or named as not installed, and the rest goes on."""

import importlib
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


def table_of(part: str, *rivals: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, str(COMPARE), "--quick", "--parts", part, "--rivals", *rivals],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def rows_of(*rivals: str) -> list[str]:
    return [line for line in table_of("times", *rivals) if line.split()[:2] == ["100", "100"]]


def credited(*rivals: str) -> list[tuple[str, str, list[str]]]:
    """The rows of the table with credit through recurrent spikes: batch, name, and what was measured."""
    lines = [line for line in table_of("credit", *rivals) if line.split()[:2] == ["100", "256"]]
    return [(line[14:19].strip(), line[21:40].strip(), line[41:].split()) for line in lines]


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


@pytest.mark.parametrize("rival", ["spyx", "snntorch"])
def test_credit_through_recurrent_spikes_is_measured_beside_an_installed_rival(rival: str) -> None:
    if importlib.util.find_spec(MODULES[rival]) is None:
        pytest.skip(f"{rival} is not installed")
    rows = credited(rival)
    assert {batch for batch, _, _ in rows} == {"1", "2"}
    assert all(any(name.startswith(rival) for b, name, _ in rows if b == batch) for batch in ("1", "2"))
    for _, _, (microseconds, before, after, *_) in rows:
        assert float(microseconds) > 0
        assert 1.0 <= float(before.rstrip("%")) <= 5.0 and 1.0 <= float(after.rstrip("%")) <= 5.0


def test_credit_is_measured_without_any_rival() -> None:
    absent = [name for name in ("spyx", "snntorch") if importlib.util.find_spec(MODULES[name]) is None]
    rows = credited(*absent)
    ours = [numbers for _, name, numbers in rows if name.startswith("eprop")]
    assert len(ours) == 4
    # Memory, where the kernel lets it be measured; "-" elsewhere.
    assert all(float(numbers[0]) > 0 and (numbers[4] == "-" or float(numbers[4]) > 0) for numbers in ours)
    assert all(
        " ".join(numbers).startswith("not measured: ModuleNotFoundError")
        for _, name, numbers in rows
        if not name.startswith("eprop")
    )


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux' account of memory")
def test_a_process_that_takes_too_much_memory_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(COMPARE.parent))
    compare = importlib.import_module("compare")
    monkeypatch.setattr(compare, "field_mb", lambda file, field: 1000.0)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(compare.NotMeasuredError, match="needs more than 750 MB"):
            compare.watch(process)
    finally:
        process.kill()
        process.wait()
