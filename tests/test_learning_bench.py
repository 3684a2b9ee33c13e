"""The tables of what e-prop gives up: they run, on recordings that are made here, and compare like with like."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_recordings import write_heartbeats, write_images, write_words

from eprop.tasks import evidence

BENCHES = Path(__file__).parents[1] / "benches"
pytestmark = [
    pytest.mark.skipif(not (BENCHES / "learning.py").exists(), reason="tests without their repository"),
    pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning"),
]
if (BENCHES / "learning.py").exists():
    sys.path.insert(0, str(BENCHES))

    import learning
    import learning_costs
    import learning_problems as problems
    import learning_race as racing
    import learning_runs as runs

SHORT = evidence.Preset(n_cues=3, cue=10, pause=5, min_delay=10, max_delay=20, answer=15)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("qtdb", "fsdd/recordings", "mnist10k"):
        (tmp_path / name).mkdir(parents=True)
    write_heartbeats(tmp_path / "qtdb", n=24)
    write_words(tmp_path / "fsdd" / "recordings")
    write_images(tmp_path).rename(tmp_path / "mnist10k" / "mnist10k.npz")
    monkeypatch.setattr(problems, "CUES", SHORT)
    monkeypatch.setattr(problems, "TRIALS", (40, 20, 20))
    for name, problem in problems.PROBLEMS.items():
        monkeypatch.setitem(problems.PROBLEMS, name, replace(problem, passes=2, rates=(0.005,)))
    return tmp_path


@pytest.fixture
def without_torch(monkeypatch):
    """Whether it is installed or not; autograd is slow, and has its own tests."""
    monkeypatch.setattr(learning, "has_torch", lambda: False)
    monkeypatch.setattr(racing, "has_torch", lambda: False)


@pytest.mark.usefixtures("without_torch")
def test_it_prints_a_line_for_each_method_and_draws(folder, capsys):
    figure = folder / "figure.png"
    assert learning.main([str(folder), "--quick", "--figure", str(figure)]) == 0
    said = capsys.readouterr().out
    for method in learning.METHODS:
        assert said.count(f"| {method.name} |") == (0 if method.in_torch else 5)
    assert said.count("BPTT over e-prop: ") == 5
    assert figure.stat().st_size > 10_000

    log, again = folder / "log", folder / "again.png"
    log.write_text(said, encoding="utf-8")
    assert {len(rows) for rows in learning.printed([log]).values()} == {4}
    assert len(learning.printed([log])) == 5
    assert learning.main([str(folder), "--printed", str(log), "--figure", str(again)]) == 0
    assert again.stat().st_size > 10_000


@pytest.mark.usefixtures("without_torch")
def test_a_problem_without_its_recordings_is_left_out(tmp_path, folder, capsys):
    (folder / "mnist10k" / "mnist10k.npz").unlink()
    assert learning.main([str(folder), "mnist", "--quick"]) == 0
    assert "left out: " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        learning.main([str(folder), "no-such-problem"])


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("name", ["digits", "ecg"])
def test_the_race_prints_a_line_for_each_side(name, folder, capsys):
    options = [
        "--quick",
        "--seeds",
        "1",
        "--update-every",
        "8",
        "--firing-rate",
        "40",
        "--batches",
        "32",
        "8",
    ]
    assert racing.main([str(folder), name, *options]) == 0
    said = capsys.readouterr().out
    sides = list(racing.sides(problems.PROBLEMS[name], 8, torch_is_there=False))
    assert [method.name for method in sides] == ["e-prop", "BPTT", "e-prop, an update every 8 steps"]
    assert [said.count(f"| {method.name} |") for method in sides] == [1, 1, 1]


def test_costs_have_a_line_for_each_way_and_length(folder, capsys):
    assert learning_costs.main([str(folder), "digits", "--quick"]) == 0
    said = capsys.readouterr().out
    for name in ("the network alone", "e-prop", "BPTT"):
        assert said.count(f"| {name} |") == said.count(f"| {name}, 10 times as long |") == 1


def test_the_rivals_of_the_race_are_snntorch_where_it_has_the_neurons(folder):
    rivals = {
        name: [m.in_torch for m in racing.sides(problem, None, torch_is_there=True) if m.in_torch]
        for name, problem in problems.PROBLEMS.items()
    }
    assert rivals["digits"] == rivals["mnist"] == ["snnTorch", "by hand"]
    assert rivals["ecg"] == rivals["evidence"] == ["by hand"]
    slow, fast = (
        racing.Timed(racing.Method(name, in_torch=who), 8, 0.1, seconds, 1.0, 1.0)
        for name, who, seconds in (("slow", "snnTorch", [6.0, 9.0, 3.0]), ("fast", "", [2.0, 2.0, 1.0]))
    )
    assert list(racing.remarks([fast, slow])) == ["slow takes so many times as long as: fast 3.0"]


@pytest.mark.parametrize("name", ["ecg", "spoken-digits", "evidence", "digits", "mnist"])
def test_parts_share_no_sequence_and_no_step_behind_an_end_has_a_label(name, folder):
    parts = problems.PROBLEMS[name].load(folder)
    for part in parts:
        behind = np.arange(part.inputs.shape[1]) >= part.lengths[:, None]
        assert (part.labels[behind] == -1).all() and (part.inputs[behind] == 0.0).all()
        assert ((part.labels >= 0).any(axis=1)).all()
        assert part.labels.max() < problems.PROBLEMS[name].sizes[2]
        assert part.inputs.shape[2] == problems.PROBLEMS[name].sizes[0]
    sizes = [len(part.inputs) for part in parts]
    if name == "digits":
        assert sum(sizes) == 1797
    if name == "evidence":
        assert sizes == [40, 20, 20]


def test_all_methods_start_from_the_same_network_and_bptt_holds_the_sequence(folder):
    problem = problems.PROBLEMS["ecg"]
    learned, judged, test = problem.load(folder)
    assert len(learned.inputs) + len(judged.inputs) == 24 == len(test.inputs)
    trainers = [
        runs.train(problem, (learned.take(slice(8)), judged), 3, 0.0, **credit).learner
        for credit in ({}, {"horizon": "sequence", "recurrent_gain": 1.0})
    ]
    assert (trainers[0].W_in == trainers[1].W_in).all() and (trainers[0].W_rec == trainers[1].W_rec).all()
    flat = [learning.memory(problem, steps) for steps in (2000, 8000)]
    growing = [learning.memory(problem, steps, horizon="sequence") for steps in (2000, 8000)]
    assert flat[0] == flat[1] < growing[0] < growing[1] / 2


def test_a_training_looks_so_often_and_ends_at_the_share_and_at_the_limit(folder):
    problem = problems.PROBLEMS["digits"]
    learned, judged, _ = problem.load(folder)
    data = (learned.take(slice(128)), judged.take(slice(32)))
    whole = runs.train(problem, data, 0, 0.005, looks=4)
    assert len(whole.shares) == 8 and whole.seconds == sorted(whole.seconds)
    assert whole.steps == 2 * 128 * 24
    reached = runs.train(problem, data, 0, 0.005, looks=4, until=0.0)
    assert len(reached.shares) == 1 and reached.seconds_to(0.0) == reached.seconds[0]
    assert reached.seconds_to(1.1) == float("inf")
    late = runs.train(problem, data, 0, 0.005, looks=4, limit=0.0)
    assert late.steps == 32 * 24


def rows_of(**medians):
    return [
        learning.Row(learning.Method(str(h), h), 0.1, 1.0, [share], [1.0], 1.0, (1, 1), 0.0)
        for h, share in zip((1, 10, 50, "sequence"), medians.values(), strict=True)
    ]


def test_the_gap_that_a_horizon_closes():
    found = list(learning.remarks(rows_of(eprop=0.5, ten=0.5, fifty=0.65, bptt=0.7)))
    assert found == [
        "BPTT over e-prop: +20.0 points",
        "horizon 10 closes 0% of that",
        "horizon 50 closes 75% of that",
    ]
    assert list(learning.remarks(rows_of(eprop=0.7, ten=0.5, fifty=0.6, bptt=0.5))) == [
        "BPTT over e-prop: -20.0 points"
    ]


@pytest.mark.parametrize(
    ("name", "who"),
    [("ecg", "by hand"), ("evidence", "by hand"), ("digits", "by hand"), ("digits", "snnTorch")],
)
def test_the_network_in_torch_fires_as_ours_and_takes_the_same_steps(name, who, folder):
    pytest.importorskip("torch")
    pytest.importorskip("snntorch")
    from learning_torch import InTorch

    problem = problems.PROBLEMS[name]
    learned, _, _ = problem.load(folder)
    inputs, labels, lengths = learned.take(slice(8))
    options = {"horizon": "sequence", "recurrent_gain": 1.0, "dtype": "float64", "batch_size": 8}
    trainer = runs.build(problem, 5, learned, **options)
    twin = InTorch(trainer, by_hand=who == "by hand")
    inputs = inputs.astype(np.float64)
    ours, fired = trainer.predict_sequence(inputs, return_spikes=True, lengths=lengths)
    outputs, spikes = twin.run(inputs)
    there = np.arange(inputs.shape[1]) < lengths[:, None]
    assert fired.sum() > 50
    np.testing.assert_array_equal(spikes[there], fired[there])
    np.testing.assert_allclose(outputs[there], ours[there], atol=1e-10)
    for _ in range(3):
        trainer.lr = 0.003
        trainer.train_sequence(inputs, labels, lengths=lengths)
        twin.learn(inputs, labels, 0.003)
    learned_by_twin = twin.run(inputs)[0]
    np.testing.assert_allclose(learned_by_twin[there], trainer.evaluate(inputs)[there], atol=1e-4)


def test_a_few_spikes_that_differ_are_told(folder):
    pytest.importorskip("torch")
    pytest.importorskip("snntorch")
    problem = problems.PROBLEMS["mnist"]
    learned, judged, _ = problem.load(folder)
    found = runs.train(problem, (learned, judged), 0, 0.0, in_torch="snnTorch", passes=1)
    assert 0.0 <= found.differ < 0.01
    assert len(found.shares) == 1
