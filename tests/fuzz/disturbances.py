"""What must not move a trainer: reads, copies, and calls that are refused. A new one is a line of `LOOKS` or of `BAD`."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from data import Sequence, dense, draw_sequence
from options import ALL, EPROP, LAYER, STACK, TRAINERS, Recipe, Rng


class Look(NamedTuple):
    """`do` returns the trainer to go on with: itself, or a copy of it."""

    name: str
    classes: tuple[str, ...]
    do: Callable[[Any, Rng, Recipe], Any]


class Bad(NamedTuple):
    """A call that raises one of `errors`; `only` says of which trainers it is bad."""

    name: str
    classes: tuple[str, ...]
    errors: tuple[type[Exception], ...]
    do: Callable[[Any, Sequence, Rng], Any]
    only: Callable[[Any], bool] = lambda trainer: True


STATE = {
    EPROP: [
        *("W_in", "W_rec", "W_out", "b", "B", "v", "spikes", "output", "z_bar", "e_bar"),
        *("engine", "memory_per_step", "memory_bytes", "lr"),
    ],
    STACK: ["output", "v", "spikes", "memory_per_step", "memory_bytes", "layer_sizes", "n_layers"],
    LAYER: ["W", "psi", "v", "spikes", "z_bar", "memory_per_step", "memory_bytes"],
}


def read(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    getattr(trainer, rng.choice(STATE[recipe.kind]))
    return trainer


def read_layers(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    for layer in trainer.layers:
        getattr(layer, rng.choice(["W", "v", "spikes", "psi", "z_bar", "n_inputs", "n_neurons"]))
    return trainer


def gradients(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    trainer.gradients(*sequence[:2], mask=sequence.mask)
    return trainer


def evaluate(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    sequence = draw_sequence(rng, recipe)
    trainer.evaluate(*sequence[:2], mask=sequence.mask)
    return trainer


def compare(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    if trainer != copy.copy(trainer) or not trainer.state_equal(trainer):
        raise AssertionError("a trainer is not equal to itself or to its copy")
    trainer.state_equal(recipe.build())
    repr(trainer)
    return trainer


def work_on_a_copy(trainer: Any, rng: Rng, recipe: Recipe) -> Any:
    twin = copy.deepcopy(trainer)
    sequence = draw_sequence(rng, recipe)
    if recipe.kind == LAYER:
        twin.step(sequence.x[0])
    else:
        twin.predict_sequence(sequence.x)
    return trainer


LOOKS = [
    Look("read", ALL, read),
    Look("read", ALL, read),
    Look("read_layers", (STACK,), read_layers),
    Look("gradients", TRAINERS, gradients),
    Look("evaluate", TRAINERS, evaluate),
    Look("compare", ALL, compare),
    Look("work_on_a_copy", ALL, work_on_a_copy),
    Look("copy", ALL, lambda trainer, *_: copy.copy(trainer)),
    Look("deepcopy", ALL, lambda trainer, *_: copy.deepcopy(trainer)),
    Look("pickle", ALL, lambda trainer, *_: pickle.loads(pickle.dumps(trainer))),
]


def somewhere(rng: Rng, array: Any, value: float) -> Any:
    """A copy with one entry replaced."""
    flawed = np.array(array, float)
    flawed[tuple(rng.integers(flawed.shape))] = value
    return flawed


def flaw(rng: Rng) -> float:
    return float(rng.choice([np.nan, np.inf, -np.inf]))


def fail_in_the_stream(trainer: Any, s: Sequence, rng: Rng) -> None:
    """The first item is bad: nothing comes before it."""
    list(trainer.train_stream([(somewhere(rng, s.x[..., 0, :], flaw(rng)), None)]))


def restore_damaged(trainer: Any, s: Sequence, rng: Rng) -> None:
    """Cut short or too long: of bytes that are merely wrong nobody can know."""
    state = trainer.__getstate__()
    engine = state["engine"]
    damaged = engine[: rng.integers(len(engine))] if rng.random() < 0.5 else engine + b"\0"
    object.__new__(type(trainer)).__setstate__(state | {"engine": damaged})


def attribute(name: str, value: Any) -> Callable[[Any, Sequence, Rng], None]:
    return lambda trainer, s, rng: setattr(trainer, name, value)


def assign(name: str, change: Callable[[Rng, Any], Any]) -> Callable[[Any, Sequence, Rng], None]:
    return lambda trainer, s, rng: setattr(trainer, name, change(rng, dense(getattr(trainer, name))))


def one_more(rng: Rng, array: Any) -> Any:
    return np.zeros([n + 1 for n in array.shape])


def with_flaw(rng: Rng, array: Any) -> Any:
    return somewhere(rng, array, flaw(rng))


def is_one_stream(trainer: Any) -> bool:
    return getattr(trainer, "batch_size", 1) == 1


def learns_classes(trainer: Any) -> bool:
    return trainer.loss == "cross_entropy"


VALUE, TYPE = (ValueError,), (TypeError,)

BAD = [
    # one step
    Bad(
        "step: wrong width",
        ALL,
        VALUE,
        lambda t, s, r: t.step(np.zeros((*s.x.shape[:-2], s.x.shape[-1] + 1))),
    ),
    Bad("step: wrong rank", ALL, VALUE, lambda t, s, r: t.step(np.zeros((2, 2, *s.x.shape)))),
    Bad("step: not finite", ALL, VALUE, lambda t, s, r: t.step(somewhere(r, s.x[..., 0, :], flaw(r)))),
    Bad("step: complex", ALL, TYPE, lambda t, s, r: t.step(s.x[..., 0, :] * 1j)),
    Bad("step: text", ALL, TYPE, lambda t, s, r: t.step("spikes")),
    Bad("step: None", ALL, TYPE, lambda t, s, r: t.step(None)),
    Bad("step: unknown unit", ALL, VALUE, lambda t, s, r: t.step(([s.x.shape[-1]],)), is_one_stream),
    Bad("step: negative unit", ALL, VALUE, lambda t, s, r: t.step(([-1],)), is_one_stream),
    Bad("step: units that are no integers", ALL, TYPE, lambda t, s, r: t.step(([0.5],)), is_one_stream),
    Bad("target: wrong width", TRAINERS, VALUE, lambda t, s, r: t.step(s.x[..., 0, :], np.zeros(999))),
    Bad(
        "target: not finite",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.step(s.x[..., 0, :], somewhere(r, s.y[..., 0, :], flaw(r))),
    ),
    Bad("target: text", TRAINERS, TYPE, lambda t, s, r: t.step(s.x[..., 0, :], "target")),
    Bad("stream: not finite", TRAINERS, VALUE, fail_in_the_stream),
    Bad("stream: no pairs", TRAINERS, (TypeError, ValueError), lambda t, s, r: list(t.train_stream([1]))),
    # sequences
    Bad("inputs: wrong width", TRAINERS, VALUE, lambda t, s, r: t.predict_sequence(s.x[..., 1:])),
    Bad(
        "inputs: wrong rank",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.predict_sequence(np.zeros((2, 2, *s.x.shape))),
    ),
    Bad("inputs: no steps", TRAINERS, VALUE, lambda t, s, r: t.predict_sequence(s.x[..., :0, :])),
    Bad(
        "inputs: not finite",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.train_sequence(somewhere(r, s.x, flaw(r)), s.y, reset=False),
    ),
    Bad(
        "inputs: not finite, predicted",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.predict_sequence(somewhere(r, s.x, flaw(r))),
    ),
    Bad("inputs: objects", TRAINERS, TYPE, lambda t, s, r: t.predict_sequence(s.x.astype(object))),
    Bad(
        "events: unknown unit",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.predict_sequence((np.array([0]), np.array([99]), 3)),
        is_one_stream,
    ),
    Bad(
        "events: outside",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.predict_sequence((np.array([3]), np.array([0]), 3)),
        is_one_stream,
    ),
    Bad(
        "events: no length",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.predict_sequence((np.array([0]), np.array([0]))),
        is_one_stream,
    ),
    Bad("targets: one step less", TRAINERS, VALUE, lambda t, s, r: t.train_sequence(s.x, s.y[..., 1:, :])),
    Bad("targets: one step less", TRAINERS, VALUE, lambda t, s, r: t.gradients(s.x, s.y[..., 1:, :])),
    Bad(
        "targets: not finite",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.train_sequence(s.x, somewhere(r, s.y, flaw(r))),
    ),
    Bad("targets: not finite", TRAINERS, VALUE, lambda t, s, r: t.gradients(s.x, somewhere(r, s.y, flaw(r)))),
    Bad(
        "targets: no classes", TRAINERS, VALUE, lambda t, s, r: t.train_sequence(s.x, s.y + 1), learns_classes
    ),
    Bad("mask: numbers", TRAINERS, TYPE, lambda t, s, r: t.train_sequence(s.x, s.y, mask=np.ones(s.n_steps))),
    Bad(
        "mask: too long",
        TRAINERS,
        VALUE,
        lambda t, s, r: t.train_sequence(s.x, s.y, mask=np.ones(s.n_steps + 1, bool)),
    ),
    Bad("n_threads: 0", TRAINERS, VALUE, lambda t, s, r: t.predict_sequence(s.x, n_threads=0)),
    Bad("n_threads: True", TRAINERS, TYPE, lambda t, s, r: t.gradients(s.x, s.y, n_threads=True)),
    Bad("rate: 0", TRAINERS, VALUE, lambda t, s, r: t.calibrate(s.x, rate=0.0)),
    Bad("rate: text", TRAINERS, TYPE, lambda t, s, r: t.calibrate(s.x, rate="high")),
    Bad("rate: out of reach", TRAINERS, VALUE, lambda t, s, r: t.calibrate(np.zeros_like(s.x), rate=20.0)),
    # the layer
    Bad("signal: wrong width", (LAYER,), VALUE, lambda t, s, r: t.apply_learning_signal(np.zeros(999))),
    Bad(
        "signal: not finite",
        (LAYER,),
        VALUE,
        lambda t, s, r: t.apply_learning_signal(np.full(t.n_neurons, flaw(r))),
    ),
    Bad("signal: text", (LAYER,), TYPE, lambda t, s, r: t.propagate("signal")),
    # weights
    *(
        Bad(f"{name}: {what}", (kind,), VALUE, assign(name, change))
        for kind, names in ((EPROP, ("W_in", "W_rec", "W_out")), (LAYER, ("W",)))
        for name in names
        for what, change in (("wrong shape", one_more), ("not finite", with_flaw))
    ),
    Bad("W_rec: own synapses", (EPROP,), VALUE, assign("W_rec", lambda r, w: np.eye(len(w)))),
    Bad(
        "b: none",
        (EPROP,),
        (ValueError, AttributeError),
        assign("b", lambda r, b: b),
        lambda t: not t.readout_bias,
    ),
    Bad(
        "B: tied",
        (EPROP,),
        (ValueError, AttributeError),
        assign("B", lambda r, b: b),
        lambda t: t.feedback == "symmetric",
    ),
    Bad(
        "layer: wrong shape", (STACK,), VALUE, lambda t, s, r: setattr(t.layers[-1], "W", np.zeros((99, 99)))
    ),
    Bad(
        "layer: not finite",
        (STACK,),
        VALUE,
        lambda t, s, r: setattr(t.layers[0], "W", with_flaw(r, t.layers[0].W)),
    ),
    Bad("layer: step", (STACK,), (RuntimeError,), lambda t, s, r: t.layers[0].step(s.x[0])),
    # attributes
    Bad("lr: negative", ALL, VALUE, attribute("lr", -1.0)),
    Bad("lr: NaN", ALL, VALUE, attribute("lr", float("nan"))),
    Bad("lr: text", ALL, TYPE, attribute("lr", "fast")),
    Bad("a field", ALL, (AttributeError,), attribute("tau_mem", 5.0)),
    Bad("state", ALL, (AttributeError,), attribute("v", 0)),
    Bad("no attribute", ALL, (AttributeError,), attribute("momentum", 0.9)),
    Bad("hash", ALL, TYPE, lambda t, s, r: hash(t)),
    Bad("damaged bytes", ALL, VALUE, restore_damaged),
]
