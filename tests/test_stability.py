"""`make bench-stability` prints every problem, and says what it left out; its numbers are what they are called."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHES = Path(__file__).parents[1] / "benches"
sys.path.insert(0, str(BENCHES))

import learners  # noqa: E402
import problems  # noqa: E402
import scale_problems  # noqa: E402
import sequence_problems  # noqa: E402
import stream_problems  # noqa: E402

import eprop  # noqa: E402

PLAIN, SGD = (learners.learners()[0][name] for name in ("plain", "sgd"))


def printed(*arguments: str) -> list[str]:
    command = [sys.executable, "-W", "error", str(BENCHES / "stability.py"), "--quick", *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_every_problem_has_a_row_or_a_reason() -> None:
    lines = printed()
    names = [problem.name for problem in (*stream_problems.STREAMS, *sequence_problems.sequences(None))]
    assert len(names) == len(set(names)) == 12
    found, left_out = learners.learners()
    for name in names:
        (row,) = (line for line in lines if line.startswith(name))
        if name.startswith("ECG"):
            assert "left out: --ecg FOLDER" in row
        else:
            assert row.count("x (<1.5)") == len(found) - 1
    assert sum(line.split(":")[0] in found and "geometric mean" in line for line in lines) == len(found) - 1
    assert [line for line in lines if "left out, this eprop does not know it" in line] == left_out


def test_a_sweep_counts_and_scales_compare_with_a_constant() -> None:
    toys = printed("--sweep", "--only", "toy")
    (row,) = (line for line in toys if line.startswith("toy"))
    assert "of  4" in row
    assert any(line.startswith("plain: ") and "of 4 runs diverge" in line for line in toys)
    scales = printed("--scales", "--only", "T = ")
    assert sum(line.startswith("T = ") and " / " in line for line in scales) == 3


def test_without_data_a_problem_is_absent(tmp_path: Path) -> None:
    for folder, why in ((None, "--ecg FOLDER"), (tmp_path, "there is no")):
        with pytest.raises(problems.AbsentError, match=why):
            sequence_problems.ecg(0, folder)


def constant(task: problems.Task, answer: np.ndarray) -> float:
    return task.score([np.tile(answer, (len(s.inputs), 1)) for s in task.held], task.held)


def test_chance_is_the_best_constant_answer() -> None:
    task = scale_problems.SCALES[0].make(0)
    answer = np.concatenate([s.targets for s in task.held]).mean(axis=0)
    assert constant(task, answer) == pytest.approx(scale_problems.chance(task), rel=1e-4)
    assert constant(task, answer + 0.1) > scale_problems.chance(task)
    task = sequence_problems.templates(0)
    best = min(constant(task, answer) for answer in np.eye(3))
    assert best == pytest.approx(scale_problems.chance(task), abs=0.5 / len(task.held))


def test_noise_is_learned_from_and_not_judged_by() -> None:
    task = stream_problems.noisy(0)
    assert task.score([s.truth for s in task.held], task.held) == 0.0  # type: ignore[misc]
    assert task.score([s.targets for s in task.held], task.held) == pytest.approx(1.0, rel=0.1)


def test_what_is_learned_is_seen_and_what_runs_away_too() -> None:
    """At a rate of 0 nothing changes; at a good one the score falls; at a large one the run is named."""
    task = stream_problems.noisy(0)
    still, good, wild = (learners.learn(task, PLAIN, 0, lr) for lr in (0.0, 1e-4, 1.0))
    assert still.frozen == pytest.approx(still.start, rel=0.2) and not still.diverged
    assert good.score < 0.5 * still.score and not good.diverged
    assert wild.diverged
    assert good.score == max(good.judged, good.frozen)


def test_judged_is_before_taught() -> None:
    """A sequence that the untaught network gets wrong and one long step gets right: judged as wrong."""
    task = sequence_problems.templates(0)
    for one in task.train:
        single = problems.Task(task.sizes, [one], [one], task.score, options=task.options)
        outcome = learners.learn(single, PLAIN, 0, 1e-2)
        if outcome.start > 0.5:
            break
    wrong, right = problems.share(np.array([True])), problems.share(np.array([False]))
    assert (outcome.start, outcome.judged, outcome.frozen) == (wrong, wrong, right)


def names_of(said: list[warnings.WarningMessage]) -> set[str]:
    return {warning.category.__name__ for warning in said}


@pytest.mark.parametrize(
    "problem",
    [*stream_problems.STREAMS, *sequence_problems.sequences(None)],
    ids=lambda problem: problem.name,
)
def test_no_problem_is_told_that_it_was_calibrated_in_vain(problem: problems.Problem) -> None:
    try:
        task = problem.make(0)
    except problems.AbsentError as error:
        pytest.skip(str(error))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer = learners.build(replace(task, rate=20.0), PLAIN, 0, problem.middle)
        for one in task.train[:3]:
            trainer.train_sequence(one.inputs, one.targets, mask=one.mask, reset=not task.is_stream)
    assert "CalibrationWarning" not in names_of(said)


@pytest.mark.parametrize("readout_gain", ["unit", "leak"])
@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_targets_of_another_size_are_told_and_are_not_learned(readout_gain: str, size: float) -> None:
    """The warning is right: a constant answer would be about as good as what is learned."""
    task = stream_problems.toy(0)
    samples = [one._replace(targets=one.targets * size) for one in (*task.train, *task.held)]
    n_train = len(task.train)
    options = {**task.options, "readout_gain": readout_gain}
    other = replace(task, train=samples[:n_train], held=samples[n_train:], options=options, rate=20.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer = learners.build(other, SGD, 0, None)
        one = other.train[0]
        trainer.train_sequence(one.inputs, one.targets, reset=False)
    assert "CalibrationWarning" in names_of(said)
    assert learners.learn(other, SGD, 0).frozen > 0.9 * scale_problems.chance(other)


def test_inputs_on_a_pedestal_are_told_and_are_not_learned_from() -> None:
    task = replace(scale_problems.with_inputs(lambda x: x + np.float32(5))(0), rate=20.0)
    with pytest.warns(eprop.CalibrationWarning, match=r"inputs - inputs\.mean\(axis=0\)"):
        learners.build(task, SGD, 0, None)
    assert learners.learn(task, SGD, 0).frozen > 0.9 * scale_problems.chance(task)
    # What the warning says to do helps.
    mean = np.concatenate([one.inputs for one in task.train]).mean(axis=0)
    parts = [[one._replace(inputs=one.inputs - mean) for one in part] for part in (task.train, task.held)]
    centred = replace(task, train=parts[0], held=parts[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learners.build(centred, SGD, 0, None)
    assert learners.learn(centred, SGD, 0).frozen < 0.9 * scale_problems.chance(task)


def test_many_inputs_that_are_dense_are_learned_from_untouched() -> None:
    """Three classes whose inputs spike at 30 % of the steps: their mean drives no neuron."""
    outcome = learners.learn(sequence_problems.templates(0, p=0.3), SGD, 0)
    assert outcome.frozen < 0.02 < 0.3 < outcome.start
