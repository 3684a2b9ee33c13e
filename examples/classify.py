"""Tell three patterns apart. Each sequence is judged before its label teaches: that is the honest accuracy."""

import numpy as np

from eprop import EpropTrainer

N_STEPS, N_INPUTS = 60, 30


def pattern(label: int, rng: np.random.Generator) -> np.ndarray:
    """Spikes (N_STEPS, N_INPUTS): every third input, counted from the label on, is busier than the others."""
    rates = np.where(np.arange(N_INPUTS) % 3 == label, 0.12, 0.06)
    return rng.random((N_STEPS, N_INPUTS)) < rates


def main() -> None:
    rng = np.random.default_rng(0)
    trainer = EpropTrainer(N_INPUTS, 80, 3, loss="cross_entropy", update_every="sequence")
    trainer.calibrate(np.concatenate([pattern(label, rng) for label in range(3)]), rate=30.0)
    last_third = np.arange(N_STEPS) >= 2 * N_STEPS // 3  # the label counts here only
    correct = []
    for _ in range(600):
        label = int(rng.integers(3))
        targets = np.tile(np.eye(3)[label], (N_STEPS, 1))
        _, outputs = trainer.train_sequence(
            pattern(label, rng), targets, mask=last_third, return_outputs=True
        )
        # one update at the end of the sequence: these outputs never saw its label
        correct.append(outputs[last_third].mean(axis=0).argmax() == label)
    accuracy = np.mean(correct[-200:])
    assert accuracy > 0.9, accuracy
    print(f"ok: {np.mean(correct[:50]):.0%} of the first 50 right, {accuracy:.0%} of the last 200")


if __name__ == "__main__":
    main()
