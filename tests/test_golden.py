"""The golden vectors of the crate's tests are what `tests/write_golden.py` writes today."""

import json

import numpy as np
import pytest
from helpers import worst_error
from write_golden import FOLDER, golden, plain, text_of

TOLERANCE = 1e-12  # of the largest entry: another NumPy may round otherwise
KINDS = ("recurrent", "stack", "layer")


def assert_same(got, expected, where):
    """Numbers to `TOLERANCE`, all else exactly."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for name in expected:
            assert_same(got[name], expected[name], f"{where}, {name}")
    elif isinstance(expected, list) and not is_numeric(expected):
        assert len(got) == len(expected), where
        for i, item in enumerate(expected):
            assert_same(got[i], item, f"{where}[{i}]")
    elif isinstance(expected, (list, float)):
        assert worst_error(got, expected) <= TOLERANCE, where
    else:
        assert got == expected, where


def is_numeric(nested):
    """Whether nested lists are one array of numbers: layers of several shapes and losses with gaps are not."""
    try:
        return np.asarray(nested).dtype.kind in "if"
    except ValueError:
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_what_the_script_writes(kind):
    committed = json.loads((FOLDER / f"{kind}.json").read_text())
    assert committed.pop("command") == "python tests/write_golden.py"
    today = json.loads(json.dumps(plain(golden()[kind])))
    assert_same(today, committed, kind)


def test_another_number_is_noticed():
    """The comparison can fail: at a digit, a spike, a gap and a name."""
    case = {
        "a": [[1.0, 2.0], [3.0, 4.0]],
        "losses": [0.5, None],
        "ragged": [[1.0], [2.0, 3.0]],
        "config": {"n": 1},
    }
    assert_same(case, case, "case")
    for changed in (
        {**case, "a": [[1.0, 2.0], [3.0, 4.00000001]]},
        {**case, "losses": [None, 0.5]},
        {**case, "ragged": [[1.0], [2.0, 3.1]]},
        {**case, "config": {"n": 2}},
        {**case, "b": 0},
    ):
        with pytest.raises((AssertionError, TypeError)):
            assert_same(changed, case, "case")


def test_no_file_is_left_over():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {f"{kind}.json" for kind in KINDS}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 98_304


def test_the_command_stands_at_the_head_of_every_file():
    for kind in KINDS:
        assert (
            (FOLDER / f"{kind}.json").read_text().startswith('{"command": "python tests/write_golden.py",\n')
        )
        assert text_of({}).startswith('{"command": ')
