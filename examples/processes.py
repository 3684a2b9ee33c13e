"""Train on several processes: each makes the gradient of its share of the sequences, and their sum takes one step."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from eprop import EpropTrainer


def build(batch_size: int) -> EpropTrainer:
    return EpropTrainer(
        20, 50, 1, update_every="sequence", optimizer="adam", lr=0.01, reduction="mean",
        batch_size=batch_size, dtype="float64",
    )  # fmt: skip


def main() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((8, 300, 20)) < 0.05
    targets = np.stack([np.sin(np.arange(300) / (20 + b))[:, None] for b in range(8)])
    shards = [slice(0, 4), slice(4, 8)]

    trainer, alone = build(4), build(8)
    losses = []
    with ProcessPoolExecutor(len(shards), mp_context=get_context("spawn")) as pool:
        for _ in range(40):
            # A trainer is pickled with its weights, so that every process has the present ones.
            parts = list(
                pool.map(
                    EpropTrainer.gradients,
                    [trainer] * len(shards),
                    [inputs[shard] for shard in shards],
                    [targets[shard] for shard in shards],
                )
            )
            total = {key: sum(part[key] for part in parts) for key in parts[0]}
            trainer.apply_gradients(total)
            losses.append(total["loss"] / total["n_targets"])
            alone.train_sequence(inputs, targets)

    difference = np.abs(trainer.W_rec - alone.W_rec).max()
    print(f"weights differ from those of one process by {difference:.1e}")
    assert difference < 1e-9, difference
    assert losses[-1] < 0.5 * losses[0], losses
    print(f"ok: mean loss {losses[0]:.3f} -> {losses[-1]:.3f} on {len(shards)} processes")


if __name__ == "__main__":
    main()
