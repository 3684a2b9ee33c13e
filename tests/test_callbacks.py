"""Callbacks: who is told what and when, when training stops, and that a file is whole."""

import logging
import math
import os

import numpy as np
import pytest

import eprop
from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.callbacks import Checkpoint, EarlyStopping, History, Log, TensorBoard, WandB, listeners
from eprop.record import Recorder
from eprop.sklearn import EpropClassifier

SMALL = {"n_neurons": 20, "max_iter": 6, "random_state": 0}
RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = np.where(Y == 1, 1.0, -1.0)[:, None, None] * np.linspace(-1, 1, 8)[None, :, None]


class Told:
    def __init__(self):
        self.calls = []


class Steps(Told):
    def on_step(self, trainer, logs):
        self.calls.append((trainer, dict(logs)))


class Sequences(Told):
    def on_sequence(self, estimator, logs):
        self.calls.append(dict(logs))


def test_on_step_is_called_after_each_step_with_its_loss():
    trainer, steps = EpropTrainer(2, 3, 1), Steps()
    stream = [([1, 0], None), ([0, 1], [0.5]), ([1, 1], [0.25])]
    losses = [step.get("loss") for step in trainer.train_stream(stream, callbacks=[steps])]
    assert [logs for _, logs in steps.calls] == [
        {"step": 1},
        {"step": 2, "loss": losses[1]},
        {"step": 3, "loss": losses[2]},
    ]
    assert all(told is trainer for told, _ in steps.calls)


def test_on_sequence_is_called_for_each_batch_and_once_for_each_sequence():
    sequences = Sequences()
    model = EpropClassifier(**SMALL, batch_size=16, callbacks=[sequences]).fit(X, Y)
    assert [logs["n_sequences"] for logs in sequences.calls] == [16, 16, 8] * 6
    assert [logs["n_updates"] for logs in sequences.calls] == list(range(1, 19))
    last = sequences.calls[-3:]
    mean = sum(logs["loss"] * logs["n_sequences"] for logs in last) / 40
    assert model.loss_ == pytest.approx(mean)


def test_callbacks_change_no_bit():
    bare = EpropClassifier(**SMALL).fit(X, Y)
    watched = EpropClassifier(**SMALL, callbacks=[Sequences(), History()]).fit(X, Y)
    assert watched.trainer_.state_equal(bare.trainer_)


def test_history_is_the_loss_curve():
    history = History()
    model = EpropClassifier(**SMALL, callbacks=[history], early_stopping=True).fit(X, Y)
    assert history["loss"].tolist() == model.loss_curve_
    assert history["validation_score"].tolist() == model.validation_scores_
    with pytest.raises(KeyError, match="expected one of epoch, loss"):
        history["accuracy"]
    history.on_epoch_end(model, {"epoch": 7, "<b>": 1.0})
    assert math.isnan(history["loss"][-1])
    assert "&lt;b&gt;" in history._repr_html_() and "<b>" not in history._repr_html_()


@pytest.mark.parametrize(
    ("mode", "values", "options", "stopped", "best"),
    [
        ("min", [3, 2, 2, 2, 1], {"patience": 2}, 4, (2.0, 2)),
        ("min", [3, 2, 2, 1, 2], {"patience": 2}, None, (1.0, 4)),
        ("max", [1, 2, 2.05, 2.15, 1], {"patience": 3, "min_delta": 0.1}, None, (2.15, 4)),
        ("max", [1, 2, 2.05, 2.06, 1], {"patience": 3, "min_delta": 0.1}, 5, (2.0, 2)),
        ("min", [math.nan, math.nan, 1], {"patience": 2}, 2, (math.inf, 0)),
    ],
)
def test_early_stopping_waits_for_its_patience(mode, values, options, stopped, best):
    stopping = EarlyStopping("loss", mode=mode, **options)
    said = (stopping.on_epoch_end(None, {"epoch": n, "loss": v}) for n, v in enumerate(values, start=1))
    assert next((n for n, stops in enumerate(said, start=1) if stops), None) == stopped
    assert (stopping.best, stopping.best_epoch) == best


def test_early_stopping_ends_a_fit_begins_anew_and_says_so(caplog):
    stopping = EarlyStopping("loss", patience=1, min_delta=1e6)
    model = EpropClassifier(**SMALL, callbacks=[stopping])
    with caplog.at_level(logging.INFO, logger="eprop"):
        # The first value is always better than none.
        assert [model.fit(X, Y).n_iter_, model.fit(X, Y).n_iter_] == [2, 2]
    assert [record.message for record in caplog.records if "early stopping at epoch 2" in record.message]


def test_checkpoints_are_the_network_of_their_pass(tmp_path):
    every = Checkpoint(tmp_path / "net-{epoch}.safetensors", every=2)
    model = EpropClassifier(**SMALL, callbacks=[every]).fit(X, Y)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"net-{n}.safetensors" for n in (2, 4, 6)]
    assert eprop.load(tmp_path / "net-6.safetensors").state_equal(model.trainer_)
    assert not eprop.load(tmp_path / "net-2.safetensors").state_equal(model.trainer_)


@pytest.mark.parametrize(
    "make", [EpropTrainer, lambda *n: OnlineTrainer(n), lambda *n: OnlineLIFLayer(*n[:2])]
)
def test_a_checkpoint_is_what_save_writes(make, tmp_path):
    trainer = make(2, 3, 1)
    for path in (tmp_path / "checkpoint", os.fsencode(tmp_path / "checkpoint of bytes")):
        Checkpoint(path).on_epoch_end(trainer, {"epoch": 1})
    trainer.save(tmp_path / "saved")
    for name in ("checkpoint", "checkpoint of bytes"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "saved").read_bytes()


def test_a_checkpoint_of_the_best_is_written_when_it_is_better(tmp_path):
    best = Checkpoint(tmp_path / "{epoch}", monitor="score", mode="max")
    for epoch, score in enumerate([0.5, 0.4, 0.7, 0.7], start=1):
        best.on_epoch_end(EpropTrainer(2, 3, 1), {"epoch": epoch, "score": score})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]


def test_the_best_of_every_nth_pass_is_written_if_no_better_one_of_these_was(tmp_path):
    best = Checkpoint(tmp_path / "{epoch}", monitor="loss", every=2)
    # Passes that are not due are no rivals; epoch 1 begins anew although it is not due.
    for losses, written in [([0.1, 0.5, 0.2, 0.4, 0.3, 0.45], ["2", "4"]), ([0.9, 0.8], ["2", "4"])]:
        for epoch, loss in enumerate(losses, start=1):
            best.on_epoch_end(EpropTrainer(2, 3, 1), {"epoch": epoch, "loss": loss})
        assert sorted(path.name for path in tmp_path.iterdir()) == written
    assert (best._best.value, best._best.epoch) == (0.8, 2)


def test_a_second_fit_waits_as_long_as_the_first_though_it_begins_with_nan():
    stopping = EarlyStopping("loss", patience=2)
    said = [
        stopping.on_epoch_end(None, {"epoch": n, "loss": x}) for n, x in [(1, 1.0), (2, 2.0), (1, math.nan)]
    ]
    assert said == [False, False, False] and stopping.n_without == 1


def test_a_checkpoint_that_fails_says_so(tmp_path):
    with pytest.raises(OSError, match="missing"):
        Checkpoint(tmp_path / "missing" / "net").on_epoch_end(EpropTrainer(2, 3, 1), {"epoch": 1})
    with pytest.raises(TypeError, match="expected a trainer, or an estimator with a trainer_, got Told"):
        Checkpoint(tmp_path / "net").on_epoch_end(Told(), {"epoch": 1})
    assert list(tmp_path.iterdir()) == []


class Sink:
    def __init__(self):
        self.rows = []

    def log(self, values, step):
        self.rows.append((step, values))

    def add_scalar(self, name, value, step):
        self.rows.append((step, {name: value}))


@pytest.mark.parametrize("adapter", [Log, WandB, TensorBoard])
def test_loggers_get_each_number_with_its_step(adapter):
    passes, steps = Sink(), Sink()
    adapter(passes).on_epoch_end(None, {"epoch": 4, "loss": np.float32(0.5), "note": "text"})
    assert passes.rows == [(4, {"loss": 0.5})]
    trainer = EpropTrainer(2, 3, 1)
    stream = [([1, 0], [0.5])] * 6
    losses = [s["loss"] for s in trainer.train_stream(stream, callbacks=[adapter(steps, every=3)])]
    assert steps.rows == [(3, {"loss": losses[2]}), (6, {"loss": losses[5]})]


def test_a_stream_asks_only_for_what_there_is():
    assert listeners([Log(Sink()), History(), print, Sequences()], "on_step") == []
    assert len(listeners([Log(Sink(), every=1), Steps()], "on_step")) == 2
    assert listeners(None, "on_epoch_end") == []


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(patience=0), ValueError, "patience: expected at least 1"),
        (lambda: EarlyStopping(mode="least"), ValueError, 'mode: expected "min" or "max"'),
        (lambda: EarlyStopping(min_delta=-1.0), ValueError, "min_delta: expected a finite number >= 0"),
        (lambda: EarlyStopping("accuracy").on_epoch_end(None, {"loss": 1}), KeyError, "expected one of loss"),
        (lambda: Checkpoint("x", every=0), ValueError, "every: expected at least 1"),
        (
            lambda: EpropClassifier(callbacks=[Steps()]).fit(X, Y),
            TypeError,
            "on_step is called by .*train_stream",
        ),
        (lambda: EpropClassifier(callbacks=[3]).fit(X, Y), TypeError, "expected functions, or objects"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("callbacks", "got"),
    [
        (lambda recorder: recorder, "None or a list of them, got Recorder"),
        (lambda recorder: [recorder, History()], "objects with on_step, got History"),
        (lambda recorder: [print], "objects with on_step, got builtin"),
        (lambda recorder: [EarlyStopping()], "objects with on_step, got EarlyStopping"),
    ],
)
def test_a_stream_refuses_callbacks_that_it_would_never_call(callbacks, got):
    trainer = EpropTrainer(2, 3, 1)
    trainer.step([1, 1])
    before = trainer.to_bytes()
    given = callbacks(Recorder(trainer, ["v"]))
    with pytest.raises(TypeError, match=f"callbacks: expected {got}"):
        next(trainer.train_stream([([1, 0], None)], callbacks=given, reset=True))
    assert trainer.to_bytes() == before
