"""Shared by the tests of the rules: trainers with a past, and calls that must do no harm."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_same_bits, snapshot, spike_trains

import eprop

KINDS = ("eprop", "layer", "stack")
N_INPUTS, N, N_OUTPUTS = 6, 9, 3


def build(kind, **options):
    """A trainer of each class with N_INPUTS inputs that has lived through 30 steps."""
    if kind == "eprop":
        model = eprop.EpropTrainer(N_INPUTS, N, N_OUTPUTS, **options)
    elif kind == "layer":
        model = eprop.OnlineLIFLayer(N_INPUTS, N, **options)
    else:
        model = eprop.OnlineTrainer([N_INPUTS, N, N_OUTPUTS], **options)
    for t in range(30):
        live(model, t)
    return model


def live(model, t):
    """One learning step on the model's own stream; what it returned, as arrays."""
    rng = np.random.default_rng(t)
    x = spike_trains(rng, 1, N_INPUTS, 0.4)[0]
    if isinstance(model, eprop.OnlineLIFLayer):
        spikes = model.step(x)
        signal = rng.normal(size=N)
        model.apply_learning_signal(signal)
        return {"spikes": spikes, "down": model.propagate(signal)}
    target = rng.dirichlet(np.ones(N_OUTPUTS))
    return {k: np.asarray(v) for k, v in model.step(x, target).items()}


def assert_unharmed(model, twin):
    """Weights, state, configuration and the next 100 steps are the twin's."""
    assert model == twin and repr(model) == repr(twin) and model.lr == twin.lr
    assert model.state_equal(twin)
    assert_same_bits(snapshot(model), snapshot(twin))
    for t in range(100, 200):
        assert_same_bits(live(model, t), live(twin, t), f"step {t}")
    assert_same_bits(snapshot(model), snapshot(twin))


def rejects(kind, call, error, *message, **options):
    """`call(model)` raises `error`, says every part of `message`, and harms nothing."""
    model, twin = build(kind, **options), build(kind, **options)
    with pytest.raises(error) as caught:
        call(model)
    assert_says(caught, error, *message)
    assert_unharmed(model, twin)


def assert_says(caught, error, *message):
    assert type(caught.value) is error
    for part in message:
        assert part in str(caught.value), f"{part!r} not in {str(caught.value)!r}"
