"""Which trainers the fuzzer draws. A new option is a line of `OPTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import eprop
from eprop.optim import SGD, Rewire, as_optimizer

Rng = np.random.Generator
EPROP, STACK, LAYER = "eprop", "stack", "layer"
TRAINERS = (EPROP, STACK)
ALL = (EPROP, STACK, LAYER)


class Option(NamedTuple):
    """A keyword of some classes, and how a value of it is drawn."""

    name: str
    classes: tuple[str, ...]
    draw: Callable[[Rng], Any]


def one_of(*values: Any) -> Callable[[Rng], Any]:
    return lambda rng: values[rng.integers(len(values))]


def between(low: float, high: float) -> Callable[[Rng], float]:
    return lambda rng: float(rng.uniform(low, high))


OPTIONS = [
    Option("tau_mem", ALL, one_of(1.0, 2.5, 5.0, 20.0, 200.0)),
    Option("tau_syn", (EPROP,), one_of(0.0, 1.0, 5.0, 50.0)),
    Option("tau_trace", (EPROP,), one_of(0.0, 1.0, 5.0, 20.0, 90.0)),
    Option("tau_out", (EPROP,), one_of(None, 0.0, 3.0, 30.0)),
    Option("threshold", ALL, one_of(0.1, 0.3, 1.0)),
    Option("lr", ALL, one_of(0.0, 1e-4, 1e-3, 1e-2)),
    Option("dt", ALL, one_of(0.5, 1.0, 2.0)),
    Option("reset_mechanism", ALL, one_of("subtract", "zero")),
    Option("n_ref", ALL, one_of(0, 1, 2, 5)),
    Option("surrogate", ALL, one_of("piecewise_linear", "exponential", "fast_sigmoid", "arctan", "boxcar")),
    Option("surrogate_height", ALL, one_of(None, 0.3)),
    Option("surrogate_width", ALL, one_of(None, 2.0)),
    Option("input_gain", ALL, one_of("unit", "leak")),
    Option("readout_gain", (EPROP,), one_of("unit", "leak")),
    Option("loss", TRAINERS, one_of("mse", "cross_entropy")),
    Option("feedback", (EPROP,), one_of("symmetric", "random", "adaptive")),
    Option("readout_bias", (EPROP,), one_of(False, True)),
    Option("feedback_decay", (EPROP,), one_of(0.0, 1e-3, 0.1)),
    Option("c_reg", (EPROP,), one_of(0.0, 0.0, 0.1)),
    Option("c_reg_side", (EPROP,), one_of("both", "above", "below")),
    Option("f_target", (EPROP,), between(1.0, 50.0)),
    Option("tau_reg", (EPROP,), one_of(50.0, 500.0)),
    Option("update_every", TRAINERS, one_of(1, 1, 2, 3, 7, 8, 20, 1000, "sequence", "sequence")),
    Option("dtype", ALL, one_of("float32", "float64")),
    Option("seed", ALL, lambda rng: int(rng.integers(2**63))),
    Option("batch_size", (EPROP,), one_of(1, 1, 1, 2, 3, 9)),
    # What needs the loss, a layer does not take.
    Option("optimizer", ALL, one_of("sgd", "momentum", "adam", "adamw", SGD(weight_decay=0.1))),
    Option("optimizer", TRAINERS, one_of("auto", "auto", "sgd", SGD(limit=False))),
    Option("reduction", TRAINERS, one_of("sum", "mean")),
    Option("beta", ALL, one_of(0.0, 0.0, 0.05, 0.3)),
    Option("tau_adaptation", ALL, one_of(5.0, 200.0)),
    Option("horizon", (EPROP,), one_of(1, 1, 3, 30, 2000, "sequence")),
    Option("recurrent_gain", (EPROP,), one_of(0.0, 0.3, 1.0)),
    Option("delay", (EPROP,), one_of(1, 1, 2, 7)),
    Option("clip_norm", TRAINERS, one_of(None, 1.0)),
    Option("w_max", TRAINERS, one_of(None, 0.5)),
    Option("engine", (EPROP,), one_of(None, None, None, "textbook", "block")),
    Option("memory_limit", TRAINERS, one_of(None, None, None, 10**12)),
    Option("connect_in", (EPROP,), one_of(None, None, None, 0.2, 0.8)),
    Option("connect_rec", (EPROP,), one_of(None, None, None, 0.1, 0.9)),
    Option("sign", (EPROP,), one_of(None, None, None, "drawn")),
    Option("lr_in", (EPROP,), one_of(None, None, 0.0)),
    Option("lr_rec", (EPROP,), one_of(None, None, 1e-3)),
    Option("lr_out", (EPROP,), one_of(None, None, 0.0)),
]


def draw_size(rng: Rng, most: int) -> int:
    return int(rng.integers(1, most + 1)) if rng.random() < 0.7 else int(rng.integers(1, 6))


class Recipe(NamedTuple):
    """All that a trainer is built from."""

    kind: str
    sizes: tuple[int, ...]
    options: dict[str, Any]

    @classmethod
    def draw(cls, rng: Rng) -> Recipe:
        kind = ALL[rng.choice(3, p=[0.6, 0.3, 0.1])]
        n_inputs, n_neurons, n_outputs = draw_size(rng, 40), draw_size(rng, 40), draw_size(rng, 4)
        if kind == EPROP:
            sizes: tuple[int, ...] = (n_inputs, n_neurons, n_outputs)
        elif kind == LAYER:
            sizes = (n_inputs, n_neurons)
        else:
            sizes = (n_inputs, *(draw_size(rng, 12) for _ in range(rng.integers(0, 3))), n_outputs)
        options = {
            option.name: option.draw(rng)
            for option in OPTIONS
            if kind in option.classes and rng.random() < 0.5  # the others keep their defaults
        }
        # Now and then a membrane for each neuron.
        if kind == EPROP and rng.random() < 0.15:
            options["tau_mem"] = rng.choice([1.0, 5.0, 20.0, 200.0], size=n_neurons)
        if options.get("sign") is not None:
            options["sign"] = rng.integers(-1, 2, n_inputs + n_neurons)
        # Of sparse matrices synapses may move, at updates that steps lie between.
        wired = not (options.get("connect_in") is None and options.get("connect_rec") is None)
        if wired and options.get("update_every", 1) != 1 and rng.random() < 0.4:
            rewire = Rewire(
                l1=float(rng.choice([0.0, 1.0, 1e3])), temperature=float(rng.choice([0.0, 1e-3, 1.0]))
            )
            options["optimizer"] = replace(as_optimizer(options.get("optimizer", "sgd")), rewire=rewire)
        # A step has no future to look at, and a horizon of a sequence wants whole sequences.
        every, horizon = options.get("update_every", 1), options.get("horizon", 1)
        if every == 1 or (horizon == "sequence" and every != "sequence"):
            options.pop("horizon", None)
        if "horizon" in options:
            options.pop("engine", None)
            options.pop("memory_limit", None)
        if options.get("feedback") != "adaptive":
            options.pop("feedback_decay", None)
        return cls(kind, sizes, options)

    def build(self) -> Any:
        if self.kind == EPROP:
            return eprop.EpropTrainer(*self.sizes, **self.options)
        if self.kind == LAYER:
            return eprop.OnlineLIFLayer(*self.sizes, **self.options)
        return eprop.OnlineTrainer(list(self.sizes), **self.options)

    @property
    def streams(self) -> tuple[int, ...]:
        """The leading axes of all arrays."""
        batch_size = self.options.get("batch_size", 1)
        return () if batch_size == 1 else (batch_size,)
