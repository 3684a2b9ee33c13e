"""`benches/tasks.py --untouched` teaches with what a trainer or an estimator does by itself."""

import runpy
from pathlib import Path

import pytest

from eprop import EpropTrainer
from eprop.sklearn import EpropClassifier
from eprop.tasks import (
    copy_delay,
    delayed_match,
    digit_rows,
    ecg,
    evidence,
    mackey_glass,
    store_recall,
)
from eprop.tasks._recordings import Recordings

BENCH = Path(__file__).parents[1] / "benches" / "tasks.py"
pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")

OF_TRAINERS = {
    "evidence": evidence,
    "store-recall": store_recall,
    "delayed-match": delayed_match,
    "copy-delay": copy_delay,
    "mackey-glass": mackey_glass,
    "ecg": ecg,
}
HOW_TO_LEARN = (
    "optimizer",
    "lr",
    "reduction",
    "batch_size",
    "feedback",
    "c_reg",
    "clip_norm",
    "w_max",
    "update_every",
)


@pytest.mark.parametrize("name", OF_TRAINERS)
def test_it_tells_trainers_nothing(name: str) -> None:
    task, own = OF_TRAINERS[name], runpy.run_path(str(BENCH))["UNTOUCHED"][name]
    untouched, default = task.build(preset=task.Preset(**own)), EpropTrainer(1, 1, 1)
    at = len(HOW_TO_LEARN) - (untouched.horizon > 1)  # with a horizon no update can come at every step
    for field in HOW_TO_LEARN[:at]:
        assert getattr(untouched, field) == getattr(default, field), field


def test_it_tells_an_estimator_nothing() -> None:
    own = runpy.run_path(str(BENCH))["UNTOUCHED"]["digit-rows"]
    data = digit_rows.load()
    few = Recordings(data.X[:64], data.y[:64], data.X_test[:8], data.y_test[:8])
    learned = digit_rows.run(few, preset=digit_rows.Preset(n_neurons=10, max_iter=1, **own)).classifier
    default = EpropClassifier(n_neurons=10, max_iter=1, schedule="constant").partial_fit(
        few.X, few.y, classes=range(10)
    )
    for field in HOW_TO_LEARN:
        assert getattr(learned.trainer_, field) == getattr(default.trainer_, field), field


def test_another_optimizer_is_told_as_well_and_presets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bench = runpy.run_path(str(BENCH))
    seen: list[dict[str, object]] = []
    bench["TASKS"]["mackey-glass"] = ("error", lambda seed, own: seen.append(own) or 0.25 * (1 + seed))
    for arguments in ([], ["--untouched"], ["--optimizer", "auto"]):
        assert bench["main"](["mackey-glass", "--seeds", "3", *arguments]) == 0
    untouched = bench["UNTOUCHED"]["mackey-glass"]
    assert seen == [{}] * 3 + [untouched] * 3 + [untouched | {"optimizer": "auto"}] * 3
    assert "mackey-glass: error: median 0.5000, 0.2500 to 0.7500" in capsys.readouterr().out
