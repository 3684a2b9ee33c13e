"""The tasks: trials are what they say, and short versions of them are learned."""

from dataclasses import replace

import numpy as np
import pytest

from eprop import EpropTrainer
from eprop.cli import main
from eprop.tasks import copy_delay, delayed_match, ecg, evidence, mackey_glass, store_recall

SHORT = {
    evidence: evidence.Preset(
        n_cues=3,
        cue=40,
        pause=20,
        min_delay=50,
        max_delay=60,
        answer=30,
        n_lif=20,
        n_adaptive=20,
        iterations=60,
    ),
    store_recall: store_recall.Preset(n_neurons=40, slot=60, n_slots=4, rate=0.1, iterations=60),
    delayed_match: delayed_match.Preset(n_neurons=60, cue=60, delay=100, answer=50, rate=0.1, iterations=100),
    copy_delay: copy_delay.Preset(n_neurons=80, n_symbols=2, slot=40, delay=40, rate=0.2, iterations=150),
}


def test_the_label_of_evidence_is_the_side_with_more_cues():
    preset = replace(SHORT[evidence], rate=1.0)
    trials = evidence.draw(np.random.default_rng(0), 50, preset)
    cues = trials.inputs[:, : 3 * 60].reshape(50, 3, 60, 4, 10)
    left, right = cues[:, :, :40, 0].all(axis=(2, 3)), cues[:, :, :40, 1].all(axis=(2, 3))
    assert (left ^ right).all()
    np.testing.assert_array_equal(trials.labels[:, -1], left.sum(axis=1) > 1)
    assert (trials.labels[:, :-30] == -1).all() and (trials.labels[:, -30:] == trials.labels[:, -1:]).all()


def test_what_is_recalled_is_what_was_stored():
    preset = replace(SHORT[store_recall], rate=1.0)
    trials = store_recall.draw(np.random.default_rng(0), 50, preset)
    groups = trials.inputs.reshape(50, 4, 60, 4, 25).all(axis=(2, 4))  # trial, slot, group
    for on, labels in zip(groups, trials.labels.reshape(50, 4, 60), strict=True):
        (store,), (recall,) = np.nonzero(on[:, 2])[0], np.nonzero(on[:, 3])[0]
        assert store < recall and not on[recall, :2].any()
        assert (on[np.arange(4) != recall, :2].sum(axis=1) == 1).all()
        assert (labels[recall, 30:] == int(on[store, 1])).all()
        labels[recall, 30:] = -1
        assert (labels == -1).all()


def test_the_label_of_a_match_is_whether_both_cues_are_the_same():
    preset = replace(SHORT[delayed_match], rate=1.0, noise=0.0)
    trials = delayed_match.draw(np.random.default_rng(0), 50, preset)
    groups = trials.inputs.reshape(50, 270, 3, 20)
    first, second = (groups[:, step, :2, 0].argmax(axis=1) for step in (0, 160))
    np.testing.assert_array_equal(trials.labels[:, -1], first == second)
    assert not groups[:, 60:160].any() and groups[:, -50:, 2].all()


def test_what_is_copied_was_shown_in_that_order():
    preset = replace(SHORT[copy_delay], rate=1.0)
    trials = copy_delay.draw(np.random.default_rng(0), 30, preset)
    groups = trials.inputs.reshape(30, 5, 40, 3, 10)  # trial, slot, step, group, input
    on = groups.all(axis=(2, 4))
    assert (on[:, :2, :2].sum(axis=2) == 1).all() and not groups[:, 2].any()
    assert on[:, 3:, 2].all() and not on[:, 3:, :2].any()
    labels = trials.labels.reshape(30, 5, 40)
    assert (labels[:, :3] == -1).all()
    np.testing.assert_array_equal(labels[:, 3:], np.repeat(on[:, :2, 1:2], 40, axis=2))


@pytest.mark.parametrize("task", SHORT, ids=lambda task: task.__name__.split(".")[-1])
def test_a_short_version_is_learned(task):
    learned = task.run(seed=1, preset=SHORT[task])
    assert learned.wrong < 0.25
    assert np.mean(learned.losses[-10:]) < np.log(2) < 1.1 * np.mean(learned.losses[:5])


@pytest.mark.parametrize("task", [*SHORT, ecg, mackey_glass], ids=lambda task: task.__name__.split(".")[-1])
def test_without_a_rate_the_optimizer_is_untouched(task):
    untouched, chosen = (
        task.build(preset=preset) for preset in (task.Preset(optimizer="sgd", lr=None), task.Preset())
    )
    default = EpropTrainer(1, 1, 1)
    for name in ("optimizer", "lr", "reduction"):
        assert getattr(untouched, name) == getattr(default, name)
    assert (chosen.optimizer, chosen.reduction) == ("adam", "mean")


def test_a_rate_falls_from_batch_to_batch_however_often_weights_change():
    preset = replace(SHORT[store_recall], iterations=5, update_every=20)
    learned = store_recall.run(seed=1, preset=preset)
    assert learned.trainer.n_updates > 5
    assert learned.trainer.lr == pytest.approx(preset.lr * (1.0 + np.cos(np.pi * 4 / 5)) / 2.0)


def test_without_a_rate_nothing_falls():
    preset = replace(SHORT[store_recall], optimizer="auto", lr=None)
    learned = store_recall.run(seed=1, preset=preset)
    assert learned.trainer.lr == EpropTrainer(1, 1, 1, optimizer="auto").lr
    assert learned.wrong < 0.25


def test_the_series_is_the_equation_and_is_predicted_better_than_by_standing_still():
    x = 0.93 + 0.23 * mackey_glass.series(np.random.default_rng(0), 4000)
    slope, past = (x[2:] - x[:-2])[16:] / 2, x[:-18]
    equation = 0.2 * past / (1 + past**10) - 0.1 * x[17:-1]
    np.testing.assert_allclose(slope, equation, atol=0.03)
    standardised = mackey_glass.series(np.random.default_rng(0), 20_000)
    assert abs(standardised.mean()) < 0.1 and abs(standardised.std() - 1) < 0.1
    found = mackey_glass.run(preset=mackey_glass.Preset(n_steps=8000, n_neurons=100))
    assert found.nrmse < 0.5 < found.persistence


def test_a_demo_of_trials_and_of_the_series(monkeypatch, tmp_path, capsys):
    for task, preset in SHORT.items():
        monkeypatch.setattr(task, "Preset", lambda preset=preset: replace(preset, iterations=2))
    short = mackey_glass.Preset(n_steps=1500, n_neurons=20)
    monkeypatch.setattr(mackey_glass, "Preset", lambda: short)
    for name in ("evidence", "store-recall", "delayed-match", "copy-delay", "mackey-glass"):
        path = tmp_path / f"{name}.png"
        assert main(["demo", name, "--out", str(path)]) == 0
        assert path.stat().st_size > 10_000
    said = capsys.readouterr().out
    assert said.count("right of 512 fresh trials, after 2 batches of 32") == 4
    assert "Mackey-Glass, 10 steps ahead" in said
