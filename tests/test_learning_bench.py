"""The table of what e-prop gives up: it runs, on recordings that are made here, and compares like with like."""

import importlib.util
import sys
from pathlib import Path

import pytest
from test_recordings import write_heartbeats, write_words

BENCH = Path(__file__).parents[1] / "benches" / "learning.py"
pytestmark = [
    pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository"),
    pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning"),
]


@pytest.fixture
def bench(monkeypatch):
    spec = importlib.util.spec_from_file_location("learning_bench", BENCH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    for name in ("qtdb", "fsdd/recordings"):
        (tmp_path / name).mkdir(parents=True)
    write_heartbeats(tmp_path / "qtdb", n=24)
    write_words(tmp_path / "fsdd" / "recordings")
    return tmp_path


def test_it_prints_a_line_for_each_method_and_draws(bench, folder, capsys, monkeypatch):
    monkeypatch.setattr(bench, "GAINS", (0.2,))
    figure = folder / "figure.png"
    assert bench.main([str(folder), "--quick", "--figure", str(figure)]) == 0
    said = capsys.readouterr().out
    for method in bench.METHODS:
        if not method.in_torch:
            assert said.count(f"| {method.name} |") == 2
    assert figure.stat().st_size > 10_000


def test_all_methods_start_from_the_same_network_and_bptt_holds_the_sequence(bench, folder):
    problem = bench.PROBLEMS["ecg"]
    learned, judged, test = problem.load(folder)
    assert len(learned.inputs) + len(judged.inputs) == 24 == len(test.inputs)
    trainers = [
        bench.train(problem, (learned.take(slice(8)), judged), 3, 0.0, **credit).learner
        for credit in ({}, {"horizon": "sequence", "recurrent_gain": 1.0})
    ]
    assert (trainers[0].W_in == trainers[1].W_in).all() and (trainers[0].W_rec == trainers[1].W_rec).all()
    flat = [bench.memory(problem, steps) for steps in (2000, 8000)]
    growing = [bench.memory(problem, steps, horizon="sequence") for steps in (2000, 8000)]
    assert flat[0] == flat[1] < growing[0] < growing[1] / 2
