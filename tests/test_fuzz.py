"""The fuzzer finds what it looks for, says how to see it again, and finds nothing in a short run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"

# Which of the two is seen first depends on what the seed draws.
DIFFERENT = "differs|state_equal is False afterwards"

FAULTS = {
    "a copy that forgets its stream": (
        "eprop.EpropTrainer.__copy__ = lambda self: (copy := pickle.loads(pickle.dumps(self)), copy.reset())[0]",
        DIFFERENT,
    ),
    "a cut that can be seen": (
        "train = eprop.EpropTrainer.train_sequence\n"
        "def pieces(self, *args, **options):\n"
        "    result = train(self, *args, **options)\n"
        "    self.update()\n"
        "    return result\n"
        "eprop.EpropTrainer.train_sequence = pieces",
        DIFFERENT,
    ),
    "a bad call that is taken": (
        "eprop.EpropTrainer.__hash__ = lambda self: 1",
        "hash: was not refused",
    ),
    "a bad call that fails in another way": (
        "eprop.EpropTrainer.__hash__ = lambda self: 1 // 0",
        "hash: expected TypeError, got ZeroDivisionError",
    ),
}


def fuzz(*arguments, fault=""):
    code = (
        f"import pickle, runpy, sys, eprop\n{fault}\n"
        f"sys.path.insert(0, {str(FUZZ)!r})\n"
        f"sys.exit(runpy.run_path({str(FUZZ / '__main__.py')!r})['main']({list(arguments)!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_short_run_finds_nothing():
    done = fuzz("--seconds", "2", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 7\n")
    for what in ("bad calls", "calls", "reads and copies", "sequences", "trainers"):
        assert what in done.stdout


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_and_found_again(name):
    fault, message = FAULTS[name]
    found = fuzz("--seconds", "60", "--seed", "1", fault=fault)
    assert found.returncode == 1 and re.search(message, found.stdout), found.stdout + found.stderr
    again = found.stdout.splitlines()[-1].removeprefix("again: python tests/fuzz ").split()
    assert again[:3] == ["--seed", "1", "--round"]
    assert fuzz(*again, fault=fault).stdout.splitlines()[1:] == found.stdout.splitlines()[1:]
    assert fuzz(*again).returncode == 0
