"""What moves a trainer on: both twins do it, each in a cut and in forms of its own. A new call is a line of `ACTIONS`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from data import Sequence, dense_in_some_form, draw_sequence, inputs_in_some_form, step_in_some_form
from options import ALL, EPROP, LAYER, STACK, TRAINERS, Recipe, Rng


class Subject:
    """One of the twins: its trainer, its own chance, and what happens to it between two calls."""

    def __init__(self, trainer: Any, rng: Rng, between: Callable[[Subject], None] | None = None) -> None:
        self.trainer, self.rng, self._between = trainer, rng, between
        self.n_calls = self.n_sequences = 0

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        if self._between is not None:
            self._between(self)
        self.n_calls += 1
        return getattr(self.trainer, name)(*args, **options)

    def assign(self, name: str, value: Any, owner: Callable[[Any], Any] = lambda trainer: trainer) -> None:
        if self._between is not None:
            self._between(self)
        self.n_calls += 1
        setattr(owner(self.trainer), name, value)

    def threads(self) -> dict[str, int]:
        return {"n_threads": int(self.rng.integers(1, 5))} if self.rng.random() < 0.5 else {}

    def cut(self, n_steps: int) -> list[tuple[int, int]]:
        """Pieces of a sequence, one after the other."""
        many = n_steps if self.rng.random() < 0.1 else self.rng.integers(0, 5)
        inner = set(self.rng.integers(0, n_steps + 1, size=many).tolist()) - {0, n_steps}
        ends = [0, *sorted(inner), n_steps]
        return list(itertools.pairwise(ends))


class Action(NamedTuple):
    """`draw` says what is to be done, `do` does it and returns what must be the same to the bit, and what to 1e-9."""

    name: str
    classes: tuple[str, ...]
    weight: float
    draw: Callable[[Rng, Recipe], Any]
    do: Callable[[Subject, Any], Outcome]


class Outcome(NamedTuple):
    exact: Mapping[str, Any] = MappingProxyType({})
    close: Mapping[str, float] = MappingProxyType({})


def learn(subject: Subject, sequence: Sequence) -> Outcome:
    """On from where the stream stands, in any cut: outputs are the same, losses are sums of other parts."""
    outputs, loss = [], 0.0
    for start, stop in subject.cut(sequence.n_steps):
        subject.n_sequences += 1
        way = subject.rng.choice([learn_piece, learn_steps, learn_stream])
        piece_outputs, piece_loss = way(subject, sequence.steps(start, stop))
        outputs.append(piece_outputs)
        loss += piece_loss
    return Outcome({"outputs": np.concatenate(outputs, axis=-2)}, {"loss": loss})


def learn_piece(subject: Subject, piece: Sequence) -> tuple[Any, float]:
    x, y = inputs_in_some_form(subject.rng, piece.x), dense_in_some_form(subject.rng, piece.y)
    loss, outputs = subject.call(
        "train_sequence", x, y, mask=piece.mask, reset=False, return_outputs=True, **subject.threads()
    )
    n_targets = np.size(piece.y[..., 0]) if piece.mask is None else int(piece.mask.sum())
    return outputs, loss * n_targets if n_targets else 0.0


def learn_steps(subject: Subject, piece: Sequence) -> tuple[Any, float]:
    if not same_mask_for_all(piece):
        return learn_piece(subject, piece)
    done = [subject.call("step", x, y) for x, y in pairs(subject.rng, piece)]
    return stacked(piece, done)


def learn_stream(subject: Subject, piece: Sequence) -> tuple[Any, float]:
    if not same_mask_for_all(piece):
        return learn_piece(subject, piece)
    return stacked(piece, list(subject.call("train_stream", pairs(subject.rng, piece))))


def same_mask_for_all(piece: Sequence) -> bool:
    """A step of a batch has a target for every stream, or for none."""
    return piece.mask is None or piece.mask.ndim == 1


def pairs(rng: Rng, piece: Sequence) -> Any:
    for t in range(piece.n_steps):
        taught = piece.mask is None or piece.mask[t]
        y = dense_in_some_form(rng, piece.y[..., t, :]) if taught else None
        yield step_in_some_form(rng, piece.x[..., t, :]), y


def stacked(piece: Sequence, steps: list[Any]) -> tuple[Any, float]:
    streams = 1 if piece.x.ndim == 2 else len(piece.x)
    loss = sum(step["loss"] * streams for step in steps if "loss" in step)
    return np.stack([step["output"] for step in steps], axis=-2), loss


def learn_whole(subject: Subject, sequence: Sequence) -> Outcome:
    """From a silent start, with nothing left pending."""
    subject.n_sequences += 1
    x, y = inputs_in_some_form(subject.rng, sequence.x), dense_in_some_form(subject.rng, sequence.y)
    loss, outputs = subject.call(
        "train_sequence", x, y, mask=sequence.mask, return_outputs=True, **subject.threads()
    )
    return Outcome({"loss": np.float64(loss), "outputs": outputs})


def predict(subject: Subject, sequence: Sequence) -> Outcome:
    outputs, spikes = [], []
    for start, stop in subject.cut(sequence.n_steps):
        subject.n_sequences += 1
        x = inputs_in_some_form(subject.rng, sequence.x[..., start:stop, :])
        y, z = subject.call("predict_sequence", x, reset=False, return_spikes=True, **subject.threads())
        outputs.append(y)
        spikes.append(z)
    return Outcome({"outputs": np.concatenate(outputs, axis=-2), "spikes": np.concatenate(spikes, axis=-2)})


def predict_whole(subject: Subject, sequence: Sequence) -> Outcome:
    subject.n_sequences += 1
    x = inputs_in_some_form(subject.rng, sequence.x)
    return Outcome({"outputs": subject.call("predict_sequence", x, **subject.threads())})


def gradients(subject: Subject, sequence: Sequence) -> Outcome:
    subject.n_sequences += 1
    x, y = inputs_in_some_form(subject.rng, sequence.x), dense_in_some_form(subject.rng, sequence.y)
    found = subject.call("gradients", x, y, mask=sequence.mask, **subject.threads())
    exact: dict[str, Any] = {"loss": np.float64(found.pop("loss"))}
    for name, value in found.items():
        arrays = value if isinstance(value, list) else [value]
        exact |= {f"{name}[{at}]": array for at, array in enumerate(arrays)}
    return Outcome(exact)


def apply_gradients(subject: Subject, sequence: Sequence) -> Outcome:
    subject.n_sequences += 1
    found = subject.call("gradients", sequence.x, sequence.y, mask=sequence.mask, **subject.threads())
    if found["n_targets"] or subject.trainer.reduction == "sum":
        subject.call("apply_gradients", found)
    else:
        with pytest.raises(ValueError, match="n_targets"):
            subject.call("apply_gradients", found)
    return Outcome()


def learn_weighted(subject: Subject, given: tuple[Sequence, Any]) -> Outcome:
    """Steps whose losses count otherwise than once, in any cut."""
    sequence, weights = given
    outputs = []
    for start, stop in subject.cut(sequence.n_steps):
        subject.n_sequences += 1
        piece = sequence.steps(start, stop)
        x, w = (
            inputs_in_some_form(subject.rng, piece.x),
            dense_in_some_form(subject.rng, weights[..., start:stop]),
        )
        options = {"mask": piece.mask, "weights": w, "reset": False, "return_outputs": True}
        outputs.append(subject.call("train_sequence", x, piece.y, **options, **subject.threads())[1])
    return Outcome({"outputs": np.concatenate(outputs, axis=-2)})


def draw_weighted(rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    return sequence, rng.choice([0.0, 0.5, 1.0, 3.0], size=sequence.x.shape[:-1])


def learn_labels(subject: Subject, given: tuple[Sequence, Any]) -> Outcome:
    """Labels are the rows of a unit matrix, and a mask."""
    sequence, labels = given
    subject.n_sequences += 1
    if subject.rng.random() < 0.5:
        targets, mask = labels.astype(subject.rng.choice(["int64", "int8", ">i4"])), None
    else:
        targets, mask = np.eye(sequence.y.shape[-1])[labels], labels >= 0
    x = inputs_in_some_form(subject.rng, sequence.x)
    loss, outputs = subject.call("train_sequence", x, targets, mask=mask, reset=False, return_outputs=True)
    return Outcome({"loss": np.float64(loss), "outputs": outputs})


def draw_labels(rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    return sequence, rng.integers(-1, recipe.sizes[-1], size=sequence.x.shape[:-1])


def learn_lengths(subject: Subject, given: tuple[Sequence, Any]) -> Outcome:
    """What is behind a length is not there, whatever it is."""
    sequence, lengths = given
    if lengths is None:
        return Outcome()
    subject.n_sequences += 1
    x, y, options = sequence.x.copy(), sequence.y.copy(), {"mask": sequence.mask, "return_outputs": True}
    if subject.rng.random() < 0.5 and sequence.mask is None:
        parts = [[stream[:length] for stream, length in zip(of, lengths, strict=True)] for of in (x, y)]
        loss, outputs = subject.call("train_sequence", *parts, **options, **subject.threads())
    else:
        for stream, length in enumerate(lengths):
            x[stream, length:] = y[stream, length:] = subject.rng.choice([np.nan, 7.0])
        loss, outputs = subject.call("train_sequence", x, y, lengths=lengths, **options, **subject.threads())
    rows = [stream[:length] for stream, length in zip(outputs, lengths, strict=True)]
    return Outcome({"loss": np.float64(loss), "outputs": np.concatenate(rows)})


def draw_lengths(rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    if not recipe.streams:
        return sequence, None
    lengths = rng.integers(1, sequence.n_steps + 1, size=recipe.streams)
    lengths[rng.integers(len(lengths))] = sequence.n_steps
    return sequence, lengths


def learn_from_signals(subject: Subject, given: tuple[Sequence, Any] | None) -> Outcome:
    """Steps with a learning signal of the caller's own, some of them with a target beside it."""
    if given is None:
        return Outcome()
    sequence, signals = given
    outputs = []
    for t in range(sequence.n_steps):
        x, y = step_in_some_form(subject.rng, sequence.x[..., t, :]), sequence.y[..., t, :] if t % 3 else None
        signal = dense_in_some_form(subject.rng, signals[..., t, :])
        outputs.append(subject.call("step", x, y, learning_signal=signal)["output"])
    return Outcome({"outputs": np.stack(outputs), "L": subject.trainer.L, "psi": subject.trainer.psi})


def draw_signals(rng: Rng, recipe: Recipe) -> Any:
    if recipe.options.get("horizon", 1) != 1:
        return None
    sequence = draw_sequence(rng, recipe).steps(0, 9)
    shape = (*sequence.x.shape[:-1], recipe.sizes[1])
    return sequence, rng.normal(size=shape).astype(np.float32).astype(float)


def calibrate(subject: Subject, given: tuple[Any, float]) -> Outcome:
    x, rate = given
    subject.n_sequences += 1
    try:
        factor = subject.call("calibrate", inputs_in_some_form(subject.rng, x), rate=rate)
    except ValueError as error:  # no factor reaches the rate
        return Outcome({"message": str(error)})
    return Outcome({"factor": np.asarray(factor)})


def layer_steps(subject: Subject, given: tuple[Sequence, Any]) -> Outcome:
    sequence, signals = given
    spikes, below = [], []
    for x, signal in zip(sequence.x, signals, strict=True):
        spikes.append(subject.call("step", step_in_some_form(subject.rng, x)))
        if signal is not None:
            below.append(subject.call("propagate", dense_in_some_form(subject.rng, signal)))
            subject.call("apply_learning_signal", dense_in_some_form(subject.rng, signal))
    return Outcome({"spikes": np.stack(spikes), "below": np.array(below)})


def draw_layer_steps(rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    signals = rng.normal(size=(sequence.n_steps, recipe.sizes[-1])).astype(np.float32).astype(float)
    return sequence, [signal if rng.random() < 0.7 else None for signal in signals]


def draw_calibration(rng: Rng, recipe: Recipe) -> Any:
    return draw_sequence(rng, recipe).x, float(rng.uniform(5.0, 100.0))


def draw_weights(rng: Rng, recipe: Recipe) -> Any:
    """Which matrix, and what is put in its place: made of what is there, so that the network goes on firing."""
    names = {EPROP: ["W_in", "W_rec", "W_out"], STACK: ["layers"], LAYER: ["W"]}[recipe.kind]
    if recipe.kind == EPROP and recipe.options.get("readout_bias"):
        names += ["b"]
    if recipe.kind == EPROP and recipe.options.get("feedback", "symmetric") != "symmetric":
        names += ["B"]
    return rng.choice(names), float(rng.choice([0.5, 0.9, 1.0, 1.25])), int(rng.integers(2**32))


def assign_weights(subject: Subject, given: tuple[str, float, int]) -> Outcome:
    name, factor, which = given
    if name == "layers":
        layer = which % subject.trainer.n_layers
        value = factor * subject.trainer.layers[layer].W
        subject.assign("W", value, lambda trainer: trainer.layers[layer])
    else:
        subject.assign(name, factor * getattr(subject.trainer, name))
    return Outcome()


def set_lr(subject: Subject, lr: float) -> Outcome:
    subject.assign("lr", lr)
    return Outcome()


def update(subject: Subject, _: None) -> Outcome:
    subject.call("update")
    return Outcome()


def reset(subject: Subject, _: None) -> Outcome:
    subject.call("reset")
    return Outcome()


def nothing(rng: Rng, recipe: Recipe) -> None:
    return None


ACTIONS = [
    Action("learn", TRAINERS, 8, draw_sequence, learn),
    Action("learn_whole", TRAINERS, 2, draw_sequence, learn_whole),
    Action("predict", TRAINERS, 4, draw_sequence, predict),
    Action("predict_whole", TRAINERS, 1, draw_sequence, predict_whole),
    Action("gradients", TRAINERS, 1, draw_sequence, gradients),
    Action("apply_gradients", TRAINERS, 1, draw_sequence, apply_gradients),
    Action("learn_weighted", TRAINERS, 2, draw_weighted, learn_weighted),
    Action("learn_labels", TRAINERS, 1, draw_labels, learn_labels),
    Action("learn_lengths", TRAINERS, 1, draw_lengths, learn_lengths),
    Action("learn_from_signals", (EPROP,), 2, draw_signals, learn_from_signals),
    Action("calibrate", TRAINERS, 0.5, draw_calibration, calibrate),
    Action("layer_steps", (LAYER,), 10, draw_layer_steps, layer_steps),
    Action("assign_weights", ALL, 2, draw_weights, assign_weights),
    Action("set_lr", ALL, 1, lambda rng, _: float(rng.choice([0.0, 1e-4, 1e-3])), set_lr),
    Action("update", TRAINERS, 1, nothing, update),
    Action("reset", ALL, 1, nothing, reset),
]
