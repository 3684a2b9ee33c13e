"""Writes the files of a new schema that the tests keep; those of old ones stay. `python tests/write_files.py`."""

from pathlib import Path

import numpy as np

from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.rl import EpropAgent

FOLDER = Path(__file__).parents[1] / "rust" / "eprop" / "tests" / "files"


def main() -> None:
    x = (np.arange(90).reshape(30, 3) % 4 == 0).astype(float)
    trainer = EpropTrainer(
        3,
        4,
        2,
        tau_mem=[10.0, 20.0, 20.0, 30.0],
        update_every="sequence",
        optimizer="adam",
        seed=7,
        dtype="float64",
    )
    trainer.W_in = 3 * trainer.W_in
    trainer.train_sequence(x, np.ones((30, 2)))
    for row in x[:9]:
        trainer.step(row, [0.5, -0.5])
    trainer.save(FOLDER / "python_recurrent.safetensors")
    stack = OnlineTrainer([3, 4, 2], update_every=2)
    stack.train_sequence(x, np.ones((30, 2)))
    stack.save(FOLDER / "python_stack.safetensors")
    layer = OnlineLIFLayer(3, 4, beta=0.1)
    layer.step(x[0])
    layer.save(FOLDER / "python_layer.safetensors")
    agent = EpropAgent(3, 4, 2, optimizer="adam", update_every="episode")
    agent.W_in = 3 * agent.W_in
    for at, row in enumerate(x[:9]):
        agent.act(row)
        agent.learn(1.0, done=at == 4)
    agent.save(FOLDER / "python_agent.safetensors")


if __name__ == "__main__":
    main()
