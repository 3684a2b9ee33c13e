"""Stop in the middle of a stream, save, load, go on: the same bits as without the stop."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from eprop import EpropTrainer


def main() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.random((400, 20)) < 0.1, rng.standard_normal((400, 2))

    trainer = EpropTrainer(20, 50, 2, lr=1e-3)
    trainer.train_sequence(inputs[:150], targets[:150], reset=False)
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "trainer.safetensors"
        trainer.save(saved)
        restored = EpropTrainer.load(saved)
    restored.train_sequence(inputs[150:], targets[150:], reset=False)

    uninterrupted = EpropTrainer(20, 50, 2, lr=1e-3)
    uninterrupted.train_sequence(inputs, targets, reset=False)
    assert restored.state_equal(uninterrupted)
    print("ok: weights, membranes and traces are equal to the bit")


if __name__ == "__main__":
    main()
