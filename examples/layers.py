"""A feed-forward stack that learns online, and a single layer with a learning signal of one's own."""

import numpy as np

from eprop import OnlineLIFLayer, OnlineTrainer


def stack() -> tuple[float, float]:
    """Two classes of input spikes; the output neuron of the shown class should fire."""
    rng = np.random.default_rng(0)
    trainer = OnlineTrainer([40, 60, 2], lr=2e-3)
    losses = []
    for _ in range(300):
        label = int(rng.integers(2))
        rates = np.where((np.arange(40) < 20) == (label == 0), 0.15, 0.02)
        inputs = rng.random((50, 40)) < rates
        losses.append(trainer.train_sequence(inputs, np.tile(np.eye(2)[label], (50, 1))))
    return float(np.mean(losses[:20])), float(np.mean(losses[-20:]))


def homeostasis() -> tuple[float, float]:
    """The signal is yours: here it pushes every neuron's running rate towards one spike in ten steps."""
    rng = np.random.default_rng(0)
    layer = OnlineLIFLayer(30, 20, lr=5e-2)
    rate = np.full(20, 0.1)
    rates = []
    for _ in range(4000):
        spikes = layer.step(rng.random(30) < 0.05)
        rate += 0.01 * (spikes - rate)
        layer.apply_learning_signal(rate - 0.1)  # positive where it fires too often: lowers the drive
        rates.append(spikes.mean())
    return float(np.mean(rates[:200])), float(np.mean(rates[-1000:]))


def main() -> None:
    first, last = stack()
    before, after = homeostasis()
    print(f"layer: {before:.1%} of the neurons fired per step, then {after:.1%}, asked for 10 %")
    assert abs(after - 0.1) < 0.03, after
    assert last < 0.8 * first, (first, last)
    print(f"ok: stack's mean loss {first:.3f} -> {last:.3f}")


if __name__ == "__main__":
    main()
