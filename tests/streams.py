"""Shared by the tests of optimizers, lengths and applied gradients: both trainers with B streams, and their references."""

from __future__ import annotations

import itertools

import numpy as np
import reference
from helpers import assert_close, assign, eprop_weights, snapshot, spike_trains, weight_scale
from reference import ReferenceBatch, ReferenceEprop, ReferenceStack

import eprop

KINDS = ("eprop", "stack")
EVERY = [1, 3, 7, "sequence"]
REDUCTIONS = ("sum", "mean")
SIZES = {"eprop": (7, 12, 2), "stack": (7, 9, 2)}
N_IN, N_OUT = 7, 2
# A bias and a regulariser, where there are any.
OPTIONS = {"eprop": {"readout_bias": True, "c_reg": 0.5, "f_target": 30.0, "tau_reg": 50.0}, "stack": {}}
B, T = 5, 60
LENGTHS = np.array([60, 17, 43, 1, 59])

# An Adam whose eps is so large that rounding errors stay rounding errors: with the default, an entry of the gradient
# that is 0 but for its last bits takes a step that is all noise.
SMOOTH_ADAM = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-2}
OPTIMIZERS = {
    "plain": "plain",
    "sgd": "sgd",
    "auto": "auto",
    "decay": ("SGD", {"weight_decay": 0.5}),
    "momentum": ("Momentum", {"mu": 0.8, "weight_decay": 0.1}),
    "adam": SMOOTH_ADAM,
    "adamw": ("AdamW", {**SMOOTH_ADAM, "weight_decay": 0.1}),
}
LIMITED = ("sgd", "auto", OPTIMIZERS["decay"], OPTIMIZERS["momentum"])
# Their weights move without a gradient.
DECAYING = (OPTIMIZERS["decay"], OPTIMIZERS["momentum"], OPTIMIZERS["adamw"])
# At these the weights of a sequence move by percents. What Adam moves does not depend on the scale of the gradient.
SGD_RATES = {
    "eprop": {"sum": 2e-4, "mean": 2e-3},
    "stack": {"sum": 5e-3, "mean": 5e-2},
}
ADAM_RATE = 1e-3
# At most times the limit is the step.
LIMITED_RATE = 0.01
AUTO_RATE = 0.2


def face_optimizer(optimizer):
    """A name, plain descent, the constants of an Adam, or a class with its constants, as the package takes it."""
    if optimizer == "plain":
        return eprop.optim.SGD(limit=False)
    if isinstance(optimizer, tuple):
        kind, constants = optimizer
        return getattr(eprop.optim, kind)(**constants)
    return eprop.optim.Adam(**optimizer) if isinstance(optimizer, dict) else optimizer


def reference_optimizer(optimizer):
    if optimizer == "plain":
        return reference.Sgd(limit=False)
    if isinstance(optimizer, tuple):
        kind, constants = optimizer
        return reference.OPTIMIZERS[getattr(eprop.optim, kind).name](**constants)
    return reference.Adam(**optimizer) if isinstance(optimizer, dict) else optimizer


def weights_of(kind, seed=5):
    """What `assign_weights` and the references take."""
    rng = np.random.default_rng(seed)
    sizes = SIZES[kind]
    if kind == "eprop":
        return eprop_weights(rng, *sizes, weight_scale(sizes[0] + sizes[1], 0.2))
    pairs = itertools.pairwise(sizes)
    weights = [1.5 * weight_scale(n, 0.2) * rng.normal(size=(m, n)) for n, m in pairs]
    return [W.astype(np.float32).astype(float) for W in weights]


def assign_weights(trainer, weights):
    if isinstance(trainer, eprop.EpropTrainer):
        assign(trainer, weights)
        return
    for layer, W in zip(trainer.layers, weights, strict=True):
        layer.W = W


def build(kind, batch_size=B, *, optimizer="sgd", reduction="sum", **options):
    """A trainer with Gaussian weights; float64 unless said."""
    options = {"dtype": "float64", **OPTIONS[kind], **learning_rate(kind, optimizer, reduction), **options}
    options |= {"optimizer": face_optimizer(optimizer), "reduction": reduction, "batch_size": batch_size}
    sizes = SIZES[kind]
    trainer = (
        eprop.EpropTrainer(*sizes, **options)
        if kind == "eprop"
        else eprop.OnlineTrainer(list(sizes), **options)
    )
    assign_weights(trainer, weights_of(kind))
    return trainer


def build_reference(kind, batch_size=B, *, optimizer="sgd", reduction="sum", **options):
    options = {
        **OPTIONS[kind],
        **learning_rate(kind, optimizer, reduction),
        **options,
        "reduction": reduction,
    }
    options["optimizer"] = reference_optimizer(optimizer)
    weights = weights_of(kind)
    model = ReferenceEprop(*weights, **options) if kind == "eprop" else ReferenceStack(weights, **options)
    return ReferenceBatch(model, batch_size)


def learning_rate(kind, optimizer, reduction):
    if optimizer == "plain":
        return {"lr": SGD_RATES[kind][reduction]}
    if optimizer == "auto":
        return {"lr": AUTO_RATE}
    return {"lr": LIMITED_RATE if optimizer in LIMITED else ADAM_RATE}


def without_regulariser(kind, optimizer):
    """Of a gradient from elsewhere the limit counts all of the length, the regulariser's part too."""
    return {"c_reg": 0.0} if kind == "eprop" and optimizer in LIMITED else {}


def data(n_streams=B, n_steps=T, *, seed=11):
    """Spikes (B, T, n_inputs), targets (B, T, n_outputs) and a mask (B, T), float32-exact."""
    rng = np.random.default_rng(seed)
    x = np.stack([spike_trains(rng, n_steps, N_IN, 0.3) for _ in range(n_streams)])
    y = rng.normal(size=(n_streams, n_steps, N_OUT)).astype(np.float32).astype(float)
    return x, y, rng.random((n_streams, n_steps)) < 0.7


def padded(array, lengths, value=np.nan):
    """The same with another padding."""
    array = array.copy()
    for row, length in zip(array, lengths, strict=True):
        row[length:] = value
    return array


def parameters_of(trainer):
    """What learns, by name."""
    if isinstance(trainer, eprop.OnlineTrainer):
        return {f"W[{i}]": layer.W for i, layer in enumerate(trainer.layers)}
    return {name: getattr(trainer, name) for name in ("W_in", "W_rec", "W_out", "b")}


def state_of(trainer):
    """What does not: every array that a stream has of its own."""
    learned = ("W", "B", "b")
    return {name: a for name, a in snapshot(trainer).items() if not name.startswith(learned)}


def parameters_of_reference(model):
    W = model.parameters
    return {f"W[{i}]": W[i] for i in W} if 0 in W else W


def flat(gradients):
    """`gradients()` of either trainer as arrays by the names of `parameters_of`."""
    if "W" in gradients:
        return {f"W[{i}]": W for i, W in enumerate(gradients["W"])}
    return {name: gradients[name] for name in ("W_in", "W_rec", "W_out", "b")}


def added(gradients):
    """What several processes make together: the sum of their dicts, key by key."""
    first, *others = gradients
    result = dict(first)
    for other in others:
        for name, value in other.items():
            if isinstance(value, list):
                result[name] = [a + b for a, b in zip(result[name], value, strict=True)]
            else:
                result[name] = result[name] + value
    return result


def assert_parameters(trainer, expected, tolerance, what=""):
    got = parameters_of(trainer)
    assert got.keys() == expected.keys()
    for name, W in expected.items():
        assert_close(got[name], W, tolerance, f"{what} {name}")


def moved(trainer, before, least=1e-6):
    """The test says something: every matrix has learned."""
    for name, W in parameters_of(trainer).items():
        if name != "b":
            assert np.abs(W - before[name]).max() > least * np.abs(before[name]).max(), (
                f"{name} did not learn"
            )
