"""`make bench-stability` prints every problem, and says what it left out; its numbers are what they are called."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHES = Path(__file__).parents[1] / "benches"
sys.path.insert(0, str(BENCHES))

import constants  # noqa: E402
import learners  # noqa: E402
import problems  # noqa: E402
import scale_problems  # noqa: E402
import scales  # noqa: E402
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


def test_a_sweep_counts_and_scales_and_constants_have_their_rows() -> None:
    toys = printed("--sweep", "--only", "toy")
    (row,) = (line for line in toys if line.startswith("toy"))
    assert "of  4" in row
    assert any(line.startswith("plain: ") and "of 4 runs diverge" in line for line in toys)
    rows = printed("--scales", "--only", "inputs + 5")
    networks = [line.split()[3] for line in rows if line.startswith("inputs + 5")]
    assert networks == ["as", "calibrated", "centred"]
    assert all(line.count("%") >= 6 for line in rows if line.startswith("inputs + 5"))
    again = printed("--constants")
    for inputs in constants.INPUTS:
        n_rows = sum(line.startswith(f"{inputs} ") and line.count("%") == 2 for line in again)
        assert n_rows == len(constants.WAYS) + len(constants.TARGETS) - 1


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


def scale(name: str) -> problems.Problem:
    (problem,) = (problem for problem in scale_problems.SCALES if problem.name == name)
    return problem


@pytest.mark.parametrize("make", [stream_problems.toy, sequence_problems.templates])
def test_a_linear_readout_is_what_the_trainer_reads(make: Callable[[int], problems.Task]) -> None:
    """Targets that some readout of the spikes gives are read without an error; shuffled ones are not."""
    task = replace(make(0), options={}, score=problems.mean_loss)
    trainer = learners.build(task, PLAIN, 0, None)
    trainer.W_out = np.random.default_rng(1).normal(size=trainer.W_out.shape)
    samples = [*task.train, *task.held]
    outputs = learners.predict(task, trainer, samples)
    for order, low, high in ((np.s_[:], 0.0, 1e-3), (np.s_[::-1], 0.1, np.inf)):
        taught = [one._replace(targets=y[order]) for one, y in zip(samples, outputs, strict=True)]
        n_train = len(task.train)
        read = replace(task, train=taught[:n_train], held=taught[n_train:])
        assert low <= scales.Start.of(read, PLAIN, 0).readout <= high


@pytest.mark.parametrize(
    ("name", "silent", "busy"), [("inputs x 0.01", 1.0, 0.0), ("inputs x 100", 0.16, 0.5)]
)
def test_a_network_that_cannot_tell_inputs_apart_is_told_so(name: str, silent: float, busy: float) -> None:
    """It is silent, or its neurons fire always or never; a warning names `calibrate`, and after it there is learning."""
    task = scale(name).make(0)
    start = scales.Start.of(task, SGD, 0)
    assert start.told
    assert (start.silent, start.busy) == pytest.approx((silent, busy), abs=0.01)
    assert learners.learn(task, SGD, 0).frozen > 0.9 * scale_problems.chance(task)
    calibrated = replace(task, rate=scales.RATE)
    assert not scales.Start.of(calibrated, SGD, 0).told
    assert learners.learn(calibrated, SGD, 0).frozen < 0.9 * scale_problems.chance(task)


def test_inputs_on_a_pedestal_leave_nothing_to_learn_from() -> None:
    """No neuron is near its threshold and half of them fire at every step: no rate of plain descent learns."""
    task = scale("inputs + 5").make(0)
    start = scales.Start.of(task, SGD, 0)
    assert start.psi < 1e-3 and start.readout > 0.99
    scores = [learners.learn(task, PLAIN, 0, lr).frozen for lr in scales.PLAIN_RATES]
    assert min(scores) > 0.99 * scale_problems.chance(task)


def test_a_network_is_frozen_at_moments_of_the_last_third() -> None:
    """The last is the end; at a rate of 0 all are the same, and the run is what it is without them."""
    task = stream_problems.toy(0)
    outcome = learners.learn(task, SGD, 0, n_stops=4)
    assert len(outcome.stops) == 4 and outcome.stops[-1] == outcome.frozen
    assert replace(outcome, stops=()) == learners.learn(task, SGD, 0)
    still = learners.learn(task, SGD, 0, 0.0, n_stops=4)
    assert still.stops == pytest.approx([still.frozen] * 4, rel=0.02)


def test_a_short_sequence_again_and_again() -> None:
    """The floor of a constant drive is a readout's best gain; from untaught, inputs that vary are learned below a tenth."""
    rise = 1 - np.exp(-np.arange(1, 51) / 20)
    assert min(np.mean((gain * rise - 1) ** 2) for gain in np.linspace(1, 2, 1001)) == pytest.approx(
        constants.floor(), rel=1e-5
    )
    for seed in range(3):
        untaught, _, last = constants.losses("U(-1, 1)", "1", "as it is", seed)
        assert last < 0.1 * untaught
    for way in ("reset=False", "tau_out=0"):
        _, first, last = constants.losses("U(0, 1)", "1", way, 0)
        assert last < 0.1 * first


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
