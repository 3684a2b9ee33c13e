"""An optimizer of your own, in the style of optax: gradients come from the trainer, steps from a pair of functions.

`optax.adam(1e-2)` fits where `adam(1e-2)` stands: it has the same `init` and `update`. A gradient that is only changed, as
here where it is clipped, goes back to the trainer's own optimizer by `apply_gradients`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eprop import EpropTrainer

Tree = dict[str, NDArray[Any]]


class Transformation(NamedTuple):
    """What optax calls a GradientTransformation."""

    init: Callable[[Tree], Any]
    update: Callable[[Tree, Any, Tree], tuple[Tree, Any]]


def adam(lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Transformation:
    def init(params: Tree) -> tuple[int, Tree, Tree]:
        return 0, *({key: np.zeros_like(w) for key, w in params.items()} for _ in range(2))

    def update(grads: Tree, state: tuple[int, Tree, Tree], params: Tree) -> tuple[Tree, Any]:
        n, m, v = state
        n += 1
        m = {key: b1 * m[key] + (1 - b1) * g for key, g in grads.items()}
        v = {key: b2 * v[key] + (1 - b2) * g**2 for key, g in grads.items()}
        rate = (
            lr * np.sqrt(1 - b2**n) / (1 - b1**n)
        )  # eps where the trainer has it; in optax it is larger by the root
        steps = {key: -rate * m[key] / (np.sqrt(v[key]) + eps) for key in grads}
        return steps, (n, m, v)

    return Transformation(init, update)


def parameters(trainer: EpropTrainer) -> Tree:
    return {"W_in": trainer.W_in, "W_rec": trainer.W_rec, "W_out": trainer.W_out}


def build() -> EpropTrainer:
    return EpropTrainer(
        20, 40, 1, update_every="sequence", dtype="float64", optimizer="adam", lr=1e-2, reduction="mean"
    )


def main() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((300, 20)) < 0.05
    targets = np.sin(np.arange(300) / 30)[:, None]

    trainer, built_in = build(), build()
    tx = adam(1e-2)  # or optax.adam(1e-2)
    state = tx.init(parameters(trainer))
    losses = []
    for _ in range(100):
        params, found = parameters(trainer), trainer.gradients(inputs, targets)
        grads = {key: found[key] / found["n_targets"] for key in params}
        steps, state = tx.update(grads, state, params)
        for key, step in steps.items():
            setattr(trainer, key, params[key] + step)
        losses.append(found["loss"] / found["n_targets"])
        built_in.train_sequence(inputs, targets)
    difference = np.abs(trainer.W_rec - built_in.W_rec).max()
    print(f"weights differ from those of the trainer's own Adam by {difference:.1e}")
    assert difference < 1e-9, difference

    clipped = build()
    for _ in range(100):
        found = clipped.gradients(inputs, targets)
        found |= {key: np.clip(found[key], -1.0, 1.0) for key in parameters(clipped)}
        clipped.apply_gradients(found)
    loss = clipped.evaluate(inputs, targets)[0]
    print(f"with gradients that are clipped first the trainer's own optimizer reaches {loss:.3f}")
    assert losses[-1] < 0.5 * losses[0] and loss < 0.5 * losses[0], (losses, loss)
    print(f"ok: mean loss {losses[0]:.3f} -> {losses[-1]:.3f} with an optimizer of one's own")


if __name__ == "__main__":
    main()
