"""Learn from a stream whose end nobody knows: targets come only now and then, memory stays flat."""

from collections.abc import Iterator

import numpy as np

from eprop import EpropTrainer

Pair = tuple[np.ndarray, np.ndarray | None]


def sensor(n_steps: int) -> Iterator[Pair]:
    """Yield 30 spiking inputs, the first 15 busy in one half of a second, the others in the other half.

    The target says which, and is known at every fifth step only.
    """
    rng = np.random.default_rng(0)
    for t in range(n_steps):
        first_half = (t // 500) % 2 == 0
        rates = np.where((np.arange(30) < 15) == first_half, 0.08, 0.01)
        target = np.array([1.0 if first_half else -1.0])
        yield rng.random(30) < rates, target if t % 5 == 0 else None


def main() -> None:
    trainer = EpropTrainer(30, 60, 1, lr=1e-3, readout_gain="leak")
    losses = [out["loss"] for out in trainer.train_stream(sensor(10_000)) if "loss" in out]
    before, after = np.mean(losses[:200]), np.mean(losses[-200:])
    print(
        f"{len(losses)} of 10000 steps had a target; {trainer.memory_per_step} numbers kept from step to step"
    )
    assert after < 0.5 * before, (before, after)
    print(f"ok: mean loss {before:.3f} -> {after:.3f}")


if __name__ == "__main__":
    main()
