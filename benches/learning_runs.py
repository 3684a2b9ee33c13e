"""One training of `learning.py` and `learning_race.py`: by e-prop, with a horizon, or by torch, from the same weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from learning_problems import Data, Problem
from numpy.typing import NDArray

import eprop
from eprop.optim import cosine

if TYPE_CHECKING:
    from learning_torch import InTorch

    Learner = eprop.EpropTrainer | InTorch

CHOSEN_WITH = 100
"""The seed of the network that rates are chosen with; those that are scored have others."""
COMPARED = 8
"""Sequences on which the spikes of a network in torch are compared with those of ours."""


@dataclass(frozen=True)
class Method:
    """`in_torch`: ``""``, or who does it, ``"snnTorch"`` or ``"by hand"``. `update_every`: the trainer's."""

    name: str
    horizon: int | str = 1
    gains: tuple[float, ...] = (1.0,)
    in_torch: str = ""
    update_every: int | str = "sequence"

    def credits(self) -> list[dict[str, Any]]:
        """What `build` and `train` are told, for each of the gains."""
        if self.in_torch:
            return [{"in_torch": self.in_torch}]
        if self.horizon == 1:
            return [{"update_every": self.update_every}]
        return [{"horizon": self.horizon, "recurrent_gain": gain} for gain in self.gains]


@dataclass
class Found:
    """Of one training: the validation part's share at each look, the CPU seconds of learning until then, and the steps
    learned in all. `differ`: the share of spikes of a network in torch that were not ours before it learned."""

    learner: Learner
    shares: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    differ: float = 0.0

    def seconds_to(self, bar: float) -> float:
        reached = [s for share, s in zip(self.shares, self.seconds, strict=True) if share >= bar]
        return reached[0] if reached else float("inf")


def build(problem: Problem, seed: int, learned: Data, **options: Any) -> eprop.EpropTrainer:
    """The network, untaught."""
    options = {"update_every": "sequence"} | problem.options | options
    trainer = eprop.EpropTrainer(
        *problem.sizes,
        loss="cross_entropy",
        reduction="mean",
        optimizer="adam",
        readout_bias=True,
        seed=seed,
        **options,
    )
    seen = [learned.inputs[k, : learned.lengths[k]] for k in range(min(20, len(learned.inputs)))]
    trainer.calibrate(seen, rate=problem.firing_rate)
    return trainer


def train(
    problem: Problem,
    data: tuple[Data, Data],
    seed: int,
    lr: float,
    *,
    in_torch: str = "",
    passes: int | None = None,
    looks: int = 1,
    until: float | None = None,
    limit: float = float("inf"),
    **credit: Any,
) -> Found:
    """All passes with a learning rate that falls along a cosine, and so many looks at the validation part in each of them.

    It ends where a look finds the share `until`, and where learning has taken more CPU seconds than `limit`.
    """
    learned, judged = data
    trainer = build(problem, seed, learned, **credit)
    learner, differ = _in_torch(trainer, learned, in_torch) if in_torch else (trainer, 0.0)
    passes = problem.passes if passes is None else passes
    rng, found, spent = np.random.default_rng(seed), Found(learner, differ=differ), 0.0
    batches = [rows for _ in range(passes) for rows in _batches(rng, len(learned.inputs), trainer.batch_size)]
    of_pass = len(batches) // passes
    looked = {
        of_pass * k + round(of_pass * look / looks) for k in range(passes) for look in range(1, looks + 1)
    }
    schedule = cosine(lr, n_updates=len(batches))
    for at, rows in enumerate(batches):
        start = time.process_time()
        inputs, labels, lengths = learned.take(rows)
        longest = int(lengths.max())
        inputs, labels, rate = inputs[:, :longest], labels[:, :longest], schedule(at)
        if isinstance(learner, eprop.EpropTrainer):
            learner.lr = rate
            learner.train_sequence(inputs, labels, lengths=lengths, n_threads=1)
        else:
            learner.learn(inputs, labels, rate)
        spent += time.process_time() - start
        found.steps += int(lengths.sum())
        if at + 1 in looked:
            found.shares.append(share_right(learner, judged, at_each_step=problem.at_each_step))
            found.seconds.append(spent)
            if until is not None and found.shares[-1] >= until:
                break
        if spent > limit:
            break
    return found


def _in_torch(trainer: eprop.EpropTrainer, learned: Data, who: str) -> tuple[InTorch, float]:
    """The trainer's network in torch, and the share of its spikes that are not the trainer's on what is learned first."""
    from learning_torch import InTorch

    twin = InTorch(trainer, by_hand=who == "by hand")
    n = min(COMPARED, trainer.batch_size)
    inputs, _, lengths = learned.take(slice(n))
    _, ours = trainer.predict_sequence(inputs, lengths=lengths, return_spikes=True)
    _, its = twin.run(inputs)
    there = np.arange(inputs.shape[1]) < lengths[:, None]
    return twin, float((ours != its)[there].sum() / max(1, ours.sum()))


def _batches(rng: np.random.Generator, n: int, size: int) -> NDArray[np.int64]:
    return rng.permutation(n)[: n // size * size].reshape(-1, size)


def share_right(learner: Learner, data: Data, *, at_each_step: bool) -> float:
    right = []
    for at in range(0, len(data.inputs), learner.batch_size):
        inputs, labels, lengths = data.take(slice(at, at + learner.batch_size))
        outputs = learner.evaluate(inputs, lengths=lengths, n_threads=1)
        known = labels >= 0
        if at_each_step:
            right.append((outputs.argmax(axis=2) == labels)[known])
        else:
            said = (outputs * known[..., None]).sum(axis=1).argmax(axis=1)
            right.append(said == labels.max(axis=1))
    return float(np.mean(np.concatenate(right)))


def has_torch() -> bool:
    try:
        import snntorch
        import torch
    except ImportError as missing:
        print(f"torch and snnTorch: left out, {missing}")
        return False
    print(f"torch {torch.__version__}, snnTorch {snntorch.__version__}")
    return True
