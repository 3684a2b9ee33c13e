"""The demo: what it prints and draws, that it judges honestly, and that it learns."""

from __future__ import annotations

import copy
import itertools
import re
import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from eprop.cli import main
from eprop.demo import cli, digits, digits_figure, needs_extra, pattern, plots, study

SMALL = digits.Settings(n_neurons=40, passes=1, lr=2e-3)


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module")
def few(data):
    """A part that is enough to learn something in a second."""
    return data.take(np.arange(900))


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 10_000


# The command line


def test_help_names_tasks_and_options(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("digits", "pattern", "--seed", "--out", "default"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "faces"], "invalid choice: 'faces'"),
        (["demo", "--seed", "-1"], "expected an integer from 0 to 2\\*\\*32 - 1, got '-1'"),
        (["demo", "--seed", "4294967296"], "got '4294967296'"),
        (["demo", "--seed", "one"], "got 'one'"),
        (["demo", "--out", "figure.txt"], "ends in .png, .pdf or .svg, got 'figure.txt'"),
        (["demo", "--out", "no/such/place.png"], "create no/such first"),
        ([], "required: command"),
    ],
)
def test_bad_arguments_are_explained_before_any_work(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_seed_and_out_arrive(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setitem(cli.TASKS, "digits", lambda *given: calls.append(given))
    assert main(["demo", "digits", "--seed", "7", "--out", str(tmp_path / "a.png")]) == 0
    assert main(["demo", "digits"]) == 0
    assert [(seed, path.name) for seed, path in calls] == [(7, "a.png"), (1, "eprop-digits.png")]


def test_demo_alone_lists_the_tasks(capsys):
    assert main(["demo"]) == 0
    listed = capsys.readouterr().out
    assert cli.TASKS.keys() | cli.OF_RECORDINGS.keys() == cli.WHAT.keys()
    assert all(f"eprop demo {name}" in listed for name in cli.WHAT)


@pytest.mark.parametrize("module", ["sklearn", "matplotlib", "tqdm"])
def test_a_missing_module_names_the_extra(module, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "digits"]) == 1
    error = capsys.readouterr().err
    assert repr(module) in error
    assert "pip install 'eprop[demo]'" in error


def test_functions_name_the_extra_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"eprop\[demo\]") as raised:
        digits.load()
    assert raised.value.name == "sklearn.datasets"


def test_other_errors_pass_through():
    with pytest.raises(ValueError, match="mine"), needs_extra():
        raise ValueError("mine")


# Digits


def test_split_is_disjoint_whole_and_a_third(data):
    # The rows themselves: two images may look alike.
    tagged = digits.Digits(np.arange(len(data.labels), dtype=np.float32)[:, np.newaxis], data.labels)
    train, test = digits.split(tagged, seed=3)
    kept, held_out = set(train.pixels[:, 0]), set(test.pixels[:, 0])
    assert not kept & held_out
    assert len(kept | held_out) == len(data.labels) == 1797
    assert len(held_out) == 599
    assert np.bincount(test.labels).min() >= 57
    for part in (train, test):
        rows = part.pixels[:, 0].astype(int)
        np.testing.assert_array_equal(part.labels, data.labels[rows])
    assert set(digits.split(tagged, seed=4)[1].pixels[:, 0]) != held_out


def test_validation_never_sees_the_held_out_third(monkeypatch):
    seen = []
    tagged = digits.Digits(np.arange(1797, dtype=np.float32)[:, np.newaxis], digits.load().labels)
    monkeypatch.setattr(digits, "load", lambda: tagged)
    monkeypatch.setattr(digits, "learn", lambda train, test, *_: seen.append((train, test)))
    study.one(1, SMALL, validation=True)
    study.one(1, SMALL, validation=False)
    (tuning, validation), (train, held_out) = [[set(part.pixels[:, 0]) for part in parts] for parts in seen]
    assert tuning | validation == train
    assert not tuning & validation
    assert not (tuning | validation) & held_out


def test_spikes_follow_the_brightness():
    pixels = np.array([0.0, 0.25, 0.5, 1.0], dtype=np.float32)
    rng = np.random.default_rng(0)
    spikes = np.concatenate([digits.encode(pixels, rng) for _ in range(400)])
    assert spikes.shape == (400 * digits.STEPS, 4)
    assert set(np.unique(spikes)) == {0.0, 1.0}
    # Ten thousand draws: three standard deviations are 0.015.
    np.testing.assert_allclose(spikes.mean(axis=0), pixels, atol=0.02)


@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")  # nobody learns anything here
def test_running_accuracy_cannot_profit_from_the_label(few):
    """Shuffled labels cannot be known beforehand: who scores above chance has peeked."""
    shuffled = np.random.default_rng(5).permutation(few.labels)
    stream = digits.Digits(few.pixels, shuffled)
    rng = np.random.default_rng(5)
    trainer = digits.build(stream, 5, SMALL, rng)
    judged = digits.teach(trainer, stream, SMALL, rng)
    # 900 guesses at one in ten: the standard deviation is 1 %.
    assert 0.05 < judged.mean() < 0.15


@pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")
@pytest.mark.parametrize("update_every", ["sequence", 1])
def test_the_label_changes_no_readout_that_is_judged(few, update_every):
    """The same image with two labels: equal up to the label's first step, different after it."""
    settings = replace(SMALL, update_every=update_every, lr=0.05)
    rng = np.random.default_rng(2)
    trainer = digits.build(few, 2, settings, rng)
    digits.teach(trainer, few.take(np.arange(50)), settings, rng)
    trainer.lr = settings.lr
    spikes = digits.encode(few.pixels[60], rng)
    mask = np.arange(digits.STEPS) >= digits.LABEL_FROM
    outputs, weights = [], []
    for label in (3, 8):
        twin = copy.deepcopy(trainer)
        targets = np.tile(np.eye(10)[label], (digits.STEPS, 1))
        outputs.append(twin.train_sequence(spikes, targets, mask=mask, return_outputs=True)[1])
        weights.append(twin.W_in)
    early = slice(digits.LABEL_FROM)
    np.testing.assert_array_equal(outputs[0][early], outputs[1][early])
    assert np.abs(outputs[0][early]).max() > 0
    assert not np.array_equal(weights[0], weights[1])


def test_the_judgement_uses_only_steps_before_the_label(few):
    """What `teach` reports is what a network that has not seen the label would have answered."""
    rng = np.random.default_rng(4)
    trainer = digits.build(few, 4, SMALL, rng)
    silent, silent_rng = copy.deepcopy(trainer), copy.deepcopy(rng)
    silent_rng.permutation(1)
    outputs = silent.predict_sequence(digits.encode(few.pixels[0], silent_rng))
    answer = digits.decide(outputs[: digits.LABEL_FROM])
    for label, right in ((answer, True), ((answer + 1) % 10, False)):
        one = digits.Digits(few.pixels[:1], np.array([label]))
        judged = digits.teach(copy.deepcopy(trainer), one, SMALL, copy.deepcopy(rng))
        assert judged.tolist() == [right]


def test_testing_learns_nothing_and_is_reproducible(few):
    rng = np.random.default_rng(6)
    trainer = digits.build(few, 6, SMALL, rng)
    before = trainer.W_in, trainer.W_rec, trainer.W_out
    first = digits.classify(trainer, few, np.random.default_rng(1))
    second = digits.classify(trainer, few, np.random.default_rng(1))
    np.testing.assert_array_equal(first, second)
    for old, new in zip(before, (trainer.W_in, trainer.W_rec, trainer.W_out), strict=True):
        np.testing.assert_array_equal(old, new)


def test_digits_small_learns_reports_and_draws(few, tmp_path, capsys):
    out = tmp_path / "digits.png"
    result = digits.run(3, out, data=few, settings=replace(SMALL, passes=3), n_splits=2)
    assert len(result.judged) == 3 * 600
    assert result.accuracy > 0.8
    assert result.judged[-200:].mean() > 0.8 > result.judged[:50].mean()
    assert is_png(out)
    printed = capsys.readouterr()
    assert f"held-out third: {result.accuracy:.1%}" in printed.out
    assert f"of 2 splits: {result.accuracy:.1%}, " in printed.out
    assert len(result.held_out) == 3 and result.held_out[-1] > 0.8 and result.right > 0.8
    assert re.search(r"45000 steps in .* steps per second", printed.out)
    assert f"{result.trainer.memory_per_step} numbers" in printed.out
    assert f"figure: {out}" in printed.out
    assert "running accuracy" in printed.err


def test_the_same_seed_gives_the_same_run(few):
    train, test = digits.split(few.take(np.arange(300)), 1)
    one, other, third = (digits.learn(train, test, seed, SMALL) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.judged, other.judged)
    np.testing.assert_array_equal(one.predicted, other.predicted)
    np.testing.assert_array_equal(one.trainer.W_in, other.trainer.W_in)
    assert not np.array_equal(one.trainer.W_in, third.trainer.W_in)


def test_watching_the_held_out_part_changes_nothing(few):
    train, test = digits.split(few.take(np.arange(300)), 1)
    watched = digits.learn(train, test, 1, replace(SMALL, passes=2))
    rng = np.random.default_rng(1)
    trainer = digits.build(train, 1, replace(SMALL, passes=2), rng)
    judged = digits.teach(trainer, train, replace(SMALL, passes=2), rng)
    np.testing.assert_array_equal(judged, watched.judged)
    assert trainer.state_equal(watched.trainer) is False  # the last image that was shown is another
    np.testing.assert_array_equal(trainer.W_in, watched.trainer.W_in)


@pytest.mark.parametrize(("end", "begins"), [(".pdf", b"%PDF-"), (".svg", b"<?xml")])
def test_the_figure_comes_as_what_its_name_says(end, begins, few, tmp_path):
    out = tmp_path / f"digits{end}"
    digits.run(3, out, data=few.take(np.arange(300)), settings=SMALL, n_splits=1)
    assert out.read_bytes().startswith(begins)


def drawn(monkeypatch, few):
    """The Axes of a figure, by their letters."""
    made, new = [], digits_figure.new_figure
    monkeypatch.setattr(digits_figure, "new_figure", lambda *size: made.append(new(*size)) or made[-1])
    monkeypatch.setattr(type(new(1.0, 1.0)), "savefig", lambda *_: None)
    found = digits.run(3, None, data=few.take(np.arange(300)), settings=replace(SMALL, passes=2), n_splits=3)
    return found, {axes.get_title(loc="left"): axes for axes in made[0].axes if axes.get_title(loc="left")}


def test_the_figure_shows_every_split_both_curves_and_each_digit(few, monkeypatch):
    found, panels = drawn(monkeypatch, few)
    assert list(panels) == list("abcde")
    # Without colour: each line of readouts carries its digit, and no two have them at the same steps as a pair.
    markers = [line.get_marker() for line in panels["b"].lines]
    assert markers == [f"${k}$" for k in range(10)]
    training, held_out = panels["c"].lines[:2]
    assert len(training.get_xdata()) == 400 - min(digits.WINDOW, 400) + 1
    np.testing.assert_allclose(held_out.get_ydata(), 100.0 * np.array(found.held_out))
    np.testing.assert_allclose(held_out.get_xdata(), [200, 400])
    train, third = panels["e"].lines[:2]
    assert [label.get_text() for label in panels["e"].get_yticklabels()] == ["3", "4", "5"]
    assert (train.get_xdata()[0], third.get_xdata()[0]) == (100 * found.right, 100 * found.accuracy)
    again = digits.learn(*digits.split(few.take(np.arange(300)), 5), 5, replace(SMALL, passes=2))
    assert third.get_xdata()[2] == 100 * again.accuracy


def at_8_cm(figure):
    """No text is too small there, and no title lies on another or on the letter of its panel."""
    figure.canvas.draw()
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) * (8 / 2.54) / figure.get_figwidth() > 4.5
    for axes in figure.axes:
        legend = [axes.get_legend()] if axes.get_legend() else []
        above = [title for title in (axes.title, axes._left_title) if title.get_text()] + legend
        boxes = [artist.get_window_extent() for artist in above]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_the_list_of_demos_needs_no_extra():
    code = "import sys; sys.modules['matplotlib'] = None; from eprop.cli import main; main(['demo'])"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "eprop demo digits" in listed and "eprop demo elec2" in listed


def test_figures_can_be_read_at_8_cm(few, monkeypatch, tmp_path):
    made, new = [], plots.new_figure
    for module in (plots, digits_figure):
        monkeypatch.setattr(module, "new_figure", lambda *size: made.append(new(*size)) or made[-1])
    rng = np.random.default_rng(0)
    spikes, outputs, labels = rng.random((2000, 40)) < 0.1, rng.normal(size=(2000, 2)), np.full(2000, -1)
    labels[1900:] = 1
    wave = np.sin(np.arange(2000) / 50)
    digits.run(3, tmp_path / "d.png", data=few.take(np.arange(200)), settings=SMALL, n_splits=2)
    plots.pattern(tmp_path / "p.png", plots.Curves(wave, wave, wave, list(np.arange(100.0, 1.0, -1.0)), 0.1))
    plots.trial(tmp_path / "t.png", plots.Trial(spikes, spikes, outputs, labels, list(wave + 2)))
    plots.series(tmp_path / "s.png", plots.Series(wave, wave + 0.01))
    assert len(made) == 4
    for figure in made:
        at_8_cm(figure)


def test_the_main_job(tmp_path):
    """The demo as it is shipped, with its own seed: at least 96 % of images it never saw."""
    result = digits.run(1, tmp_path / "digits.png", n_splits=1)
    assert len(result.test.labels) == 599
    assert result.accuracy >= 0.96


# Pattern


def test_pattern_reaches_a_tenth_of_its_loss(tmp_path, capsys):
    out = tmp_path / "pattern.png"
    assert main(["demo", "pattern", "--out", str(out)]) == 0
    assert is_png(out)
    printed = capsys.readouterr().out
    start, end = map(float, re.search(r"([\d.]+) at the start, ([\d.]+) after", printed).groups())
    # The published loss of the first iteration, as float32 prints it (tests/test_published.py).
    assert start == 101.96
    assert end < 0.1 * start


def test_pattern_reports_what_the_trained_network_does():
    task = pattern.draw(2)
    trainer = pattern.build(task)
    result = pattern.learn(task, trainer)
    outputs = trainer.predict_sequence(task.inputs)
    np.testing.assert_array_equal(outputs[:, 0], result.after)
    assert 0.5 * np.sum((outputs - task.target) ** 2) < 0.1 * result.losses[0]


def test_pattern_says_when_it_fails():
    task = pattern.draw(1)
    with pytest.raises(RuntimeError, match="after 3 iterations"):
        pattern.learn(task, pattern.build(task), max_iterations=3)


# Study


def test_study_prints_each_seed_and_the_median(monkeypatch, few, capsys):
    monkeypatch.setattr(digits, "load", lambda: few)
    monkeypatch.setattr(digits, "Settings", lambda: SMALL)
    assert study.main(["--seeds", "3", "--update", "step", "--validation"]) == 0
    printed = capsys.readouterr().out
    accuracies = [float(a) for a in re.findall(r"seed \d: ([\d.]+)%", printed)]
    assert len(accuracies) == 3
    assert f"median {sorted(accuracies)[1]:.2f}%, one update per step" in printed


def test_nested_choice_reads_only_the_training_part(monkeypatch):
    asked = []

    def score(seed, settings, validation):
        asked.append(validation)
        good = settings.rate == 50.0 and settings.lr == SMALL.lr
        return type("Scored", (), {"accuracy": float(good)})

    monkeypatch.setattr(study, "one", score)
    assert study.choose(1, SMALL) == replace(SMALL, rate=50.0)
    assert asked == [True] * 6
