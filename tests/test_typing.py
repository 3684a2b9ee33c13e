"""What type checkers let users write."""

import pytest

CALLS = """
from __future__ import annotations

import numpy as np
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer

trainer = EpropTrainer(2, 3, 1, lr=np.float32(0.1))
trainer.lr = np.float32(0.2)
trainer.lr = 1
rate: float = trainer.lr
layer = OnlineLIFLayer(2, 3, lr=np.float32(0.1))
stack = OnlineTrainer((2, 3, 1), lr=np.float32(0.1))
stack = OnlineTrainer([2, 3, 1])
width: int = stack.layer_sizes[0]
x, y = np.zeros((4, 2)), np.zeros((4, 1))


def train(keep: bool) -> None:
    loss: float = trainer.train_sequence(x, y)
    loss, outputs = trainer.train_sequence(x, y, return_outputs=True)
    either = trainer.train_sequence(x, y, return_outputs=keep)
    if isinstance(either, tuple):
        loss, outputs = either
    both = trainer.predict_sequence(x, return_spikes=keep)
    if isinstance(both, tuple):
        outputs, spikes = both
    trainer.step((np.array([0, 1]),))
    trainer.train_sequence((np.array([0, 1]), np.array([1, 1])), y)
"""
WRONG = """
from eprop import EpropTrainer, OnlineTrainer

EpropTrainer(2, 3, 1, lr="fast")  # E
EpropTrainer(2, 3, 1).lr = "fast"  # E
OnlineTrainer(3)  # E
text: str = EpropTrainer(2, 3, 1).lr  # E
"""


def check(tmp_path, text):
    api = pytest.importorskip("mypy.api")
    file = tmp_path / "calls.py"
    file.write_text(text)
    options = ["--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    out, err, _ = api.run([*options, str(file)])
    assert not err
    return [int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line], out


def test_what_runs_is_let_through(tmp_path):
    lines, out = check(tmp_path, CALLS)
    assert lines == [], out


def test_what_does_not_run_is_not(tmp_path):
    lines, out = check(tmp_path, WRONG)
    assert lines == [n for n, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# E")], out
