"""What e-prop gives up: the same networks taught by e-prop, with a horizon, and by backpropagation through time.

``python benches/learning.py FOLDER [NAME ...] [--seeds N] [--figure FILE]``; the folder has qtdb and fsdd/recordings. All
methods have the same network, data, passes and optimizer. Each has the learning rate, and where credit goes through
recurrent spikes the `recurrent_gain`, that one network of seed 100 did best with on validation data. Then other seeds are
scored on the test part, once. Where torch and snnTorch are installed (``pip install 'eprop[torch]'``), networks without
adaptation are taught by snnTorch's backpropagation, too, from the same weights.
"""

from __future__ import annotations

import os

# before NumPy is imported: its BLAS reads these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import eprop
from eprop.optim import cosine
from eprop.tasks import ecg, spoken_digits

CHOSEN_WITH = 100
STEPS = (1000, 16_000)
"""Of the sequences whose memory is shown."""
GAINS = (0.1, 0.2, 0.3, 1.0)
"""Of `recurrent_gain`; 1 is the gradient of backpropagation through time."""


class Data(NamedTuple):
    """Inputs (n, T, n_inputs), labels (n, T), -1 where none counts, and steps of each sequence (n,)."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def take(self, rows: Any) -> Data:
        return Data(*(array[rows] for array in self))


@dataclass(frozen=True)
class Problem:
    """`load(folder)` gives parts to learn from, to choose on, and to be scored on. `at_each_step`: what is right is a step,
    or else a sequence, by its summed outputs. `bar`: the share on the validation part whose time is taken."""

    name: str
    load: Callable[[Path], tuple[Data, Data, Data]]
    sizes: tuple[int, int, int]
    options: dict[str, Any]
    at_each_step: bool
    passes: int
    bar: float
    rates: tuple[float, ...]
    firing_rate: float


@dataclass(frozen=True)
class Method:
    name: str
    horizon: int | str = 1
    gains: tuple[float, ...] = (1.0,)
    in_torch: bool = False


COLUMNS = (
    "method",
    "lr",
    "recurrent_gain",
    "right in the test part, median",
    "CPU s to the bar",
    "steps per second",
    "KiB at 1,000 and 16,000 steps",
)

METHODS = (
    Method("e-prop"),
    Method("horizon 10", 10, GAINS),
    Method("horizon 50", 50, GAINS),
    Method("BPTT", "sequence", GAINS),
    Method("BPTT, snnTorch", in_torch=True),
)


class SnnTorch:
    """The same network as layers of snnTorch, taught by autograd and torch's Adam."""

    def __init__(self, trainer: eprop.EpropTrainer) -> None:
        import torch

        from eprop.torch import to_snntorch

        torch.set_num_threads(1)
        self.net, self.batch_size, self.torch = to_snntorch(trainer), trainer.batch_size, torch
        recurrent = self.net.neurons.recurrent.weight
        elsewhere = 1.0 - torch.eye(len(recurrent))
        recurrent.register_hook(lambda gradient: gradient * elsewhere)  # no neuron is its own source
        self.optimizer = torch.optim.Adam(self.net.parameters())
        self.n_updates = 0

    def learn(self, inputs: NDArray[Any], labels: NDArray[Any], lr: float) -> None:
        outputs, _ = self.net(self.torch.from_numpy(inputs))
        loss = self.torch.nn.functional.cross_entropy(
            outputs.flatten(0, 1), self.torch.from_numpy(labels).flatten(), ignore_index=-1
        )
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.n_updates += 1

    def evaluate(self, inputs: NDArray[Any], **_: Any) -> NDArray[Any]:
        with self.torch.no_grad():
            outputs: NDArray[Any] = self.net(self.torch.from_numpy(inputs))[0].numpy()
        return outputs


Learner = eprop.EpropTrainer | SnnTorch


def has_torch() -> bool:
    try:
        import snntorch  # noqa: F401
        import torch  # noqa: F401
    except ImportError as missing:
        print(f"snnTorch: left out, {missing}")
        return False
    return True


@dataclass
class Found:
    """Of one training: the validation part's share after each pass, and the seconds until then."""

    learner: Learner
    shares: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def seconds_to(self, bar: float) -> float:
        reached = [s for share, s in zip(self.shares, self.seconds, strict=True) if share >= bar]
        return reached[0] if reached else float("nan")


def heartbeats(folder: Path) -> tuple[Data, Data, Data]:
    train, test = (ecg.load(folder / "qtdb", part) for part in ("train", "test"))
    rows = np.random.default_rng(123).permutation(len(train.inputs))
    whole = Data(train.inputs, train.labels, np.full(len(rows), train.inputs.shape[1]))
    n_judged = min(120, len(rows) // 4)
    return (
        whole.take(rows[n_judged:]),
        whole.take(rows[:n_judged]),
        Data(test.inputs, test.labels, np.full(len(test.inputs), test.inputs.shape[1])),
    )


def words(folder: Path) -> tuple[Data, Data, Data]:
    """The held-out tenth is the test; a ninth of the rest is chosen on. Bands in units of their standard deviation."""
    split = spoken_digits.load(folder / "fsdd" / "recordings")
    inner = spoken_digits.held_out(split.X, split.y, 1, 1 / 9)
    scale = np.concatenate(inner.X).std(axis=0)
    parts = ((inner.X, inner.y), (inner.X_test, inner.y_test), (split.X_test, split.y_test))
    train, chosen_on, test = (_padded([x / scale for x in X], y) for X, y in parts)
    return train, chosen_on, test


def _padded(sequences: list[NDArray[Any]], y: NDArray[Any]) -> Data:
    lengths = np.array([len(x) for x in sequences])
    inputs = np.zeros((len(y), lengths.max(), sequences[0].shape[1]), np.float32)
    labels = np.full(inputs.shape[:2], -1)
    for at, (x, label) in enumerate(zip(sequences, y, strict=True)):
        inputs[at, : len(x)], labels[at, : len(x)] = x, label
    return Data(inputs, labels, lengths)


PROBLEMS = {
    "ecg": Problem(
        name="ECG, 36 adaptive neurons",
        load=heartbeats,
        sizes=(4, 36, 6),
        options={
            "tau_trace": 10.0,
            "beta": 1.0,
            "tau_adaptation": np.geomspace(20.0, 700.0, 36),
            "batch_size": 8,
        },
        at_each_step=True,
        passes=15,
        bar=0.80,
        rates=(0.005, 0.02),
        firing_rate=100.0,
    ),
    "spoken-digits": Problem(
        name="spoken digits, 200 LIF neurons",
        load=words,
        sizes=(32, 200, 10),
        options={"batch_size": 32, "tau_mem": 10.0},
        at_each_step=False,
        passes=15,
        bar=0.95,
        rates=(0.002, 0.005),
        firing_rate=50.0,
    ),
}


def train(
    problem: Problem, data: tuple[Data, Data], seed: int, lr: float, *, in_torch: bool = False, **credit: Any
) -> Found:
    """All passes with one learning rate, which falls along a cosine."""
    learned, judged = data
    trainer = eprop.EpropTrainer(
        *problem.sizes,
        loss="cross_entropy",
        update_every="sequence",
        reduction="mean",
        optimizer="adam",
        readout_bias=True,
        seed=seed,
        **problem.options,
        **credit,
    )
    seen = [learned.inputs[k, : learned.lengths[k]] for k in range(min(20, len(learned.inputs)))]
    trainer.calibrate(seen, rate=problem.firing_rate)
    learner: Learner = SnnTorch(trainer) if in_torch else trainer
    rng, found = np.random.default_rng(seed), Found(learner)
    batches = len(learned.inputs) // trainer.batch_size
    schedule = cosine(lr, n_updates=problem.passes * batches)
    spent = 0.0
    for _ in range(problem.passes):
        start = time.process_time()
        for rows in _batches(rng, len(learned.inputs), trainer.batch_size):
            inputs, labels, lengths = learned.take(rows)
            longest = int(lengths.max())
            inputs, labels, rate = inputs[:, :longest], labels[:, :longest], schedule(learner.n_updates)
            if isinstance(learner, SnnTorch):
                learner.learn(inputs, labels, rate)
            else:
                learner.lr = rate
                learner.train_sequence(inputs, labels, lengths=lengths, n_threads=1)
        spent += time.process_time() - start
        found.shares.append(share_right(learner, judged, at_each_step=problem.at_each_step))
        found.seconds.append(spent)
    return found


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


def memory(problem: Problem, steps: int, **credit: Any) -> int:
    """Bytes that a trainer holds after a sequence of so many steps."""
    options = problem.options | {"batch_size": 1}
    trainer = eprop.EpropTrainer(
        *problem.sizes, loss="cross_entropy", update_every="sequence", **options, **credit
    )
    x = np.random.default_rng(0).random((steps, problem.sizes[0]), np.float32)
    trainer.train_sequence(x, np.zeros(steps, np.int64))
    return trainer.memory_bytes


class Row(NamedTuple):
    """Of a method: what was chosen, the test part's share of each seed, CPU seconds to the bar of each, steps per second of
    the median seed, and KiB after sequences of `STEPS`."""

    method: Method
    lr: float
    gain: float
    shares: list[float]
    to_bar: list[float]
    steps_per_second: float
    kib: tuple[int, int] | None


def rows(problem: Problem, folder: Path, seeds: int, quick: bool) -> Iterator[Row]:
    learned, judged, test = problem.load(folder)
    if quick:
        learned, judged, test = (part.take(slice(40)) for part in (learned, judged, test))
    steps = int(learned.lengths.sum())
    held = (100, 400) if quick else STEPS
    torch_is_there = has_torch()
    for method in METHODS:
        if method.in_torch and (not torch_is_there or "beta" in problem.options):
            continue
        credits = [{"horizon": method.horizon, "recurrent_gain": gain} for gain in method.gains]
        if method.horizon == 1:
            credits = [{"in_torch": True}] if method.in_torch else [{}]
        tried = {
            (lr, at): train(problem, (learned, judged), CHOSEN_WITH, lr, **credit).shares[-1]
            for at, credit in enumerate(credits)
            for lr in problem.rates
        }
        lr, at = max(tried, key=lambda key: tried[key])
        found = [train(problem, (learned, judged), seed, lr, **credits[at]) for seed in range(seeds)]
        yield Row(
            method,
            lr,
            method.gains[at],
            [share_right(f.learner, test, at_each_step=problem.at_each_step) for f in found],
            [f.seconds_to(problem.bar) for f in found],
            statistics.median(problem.passes * steps / f.seconds[-1] for f in found),
            None
            if method.in_torch
            else (
                memory(problem, held[0], **credits[at]) >> 10,
                memory(problem, held[1], **credits[at]) >> 10,
            ),
        )


def table_line(row: Row) -> str:
    shares = f"{statistics.median(row.shares):.1%} ({min(row.shares):.1%} to {max(row.shares):.1%})"
    gain = "" if row.method.horizon == 1 else f"{row.gain:g}"
    to_bar = statistics.median(row.to_bar)
    reached = "not reached" if np.isnan(to_bar) else f"{to_bar:.1f}"
    held = f"{row.kib[0]:,}; {row.kib[1]:,}" if row.kib else "not measured"
    pace = f"{row.steps_per_second:,.0f}"
    return f"| {row.method.name} | {row.lr:g} | {gain} | {shares} | {reached} | {pace} | {held} |"


def draw(path: Path, found: dict[str, list[Row]]) -> None:
    """The shares against the horizon, and against the memory of a sequence of 16,000 steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 2.9 * len(found)), layout="constrained")
    for panels, (name, rows) in zip(
        figure.subplots(len(found), 2, squeeze=False), found.items(), strict=True
    ):
        medians = [100 * statistics.median(row.shares) for row in rows]
        spread = [
            [m - 100 * min(r.shares) for m, r in zip(medians, rows, strict=True)],
            [100 * max(r.shares) - m for m, r in zip(medians, rows, strict=True)],
        ]
        left, right = panels
        left.errorbar(range(len(rows)), medians, yerr=spread, fmt="o-", color="C0", capsize=3)
        left.set_xticks(range(len(rows)), [row.method.name for row in rows], rotation=20)
        left.set(ylabel="right in the test part (%)", title=name)
        for row, median in zip(rows, medians, strict=True):
            if row.kib:
                right.plot(row.kib[1], median, "o", color="C0")
                right.annotate(
                    row.method.name, (row.kib[1], median), xytext=(4, 4), textcoords="offset points"
                )
        right.set(xscale="log", xlabel="memory at 16,000 steps (KiB)")
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What e-prop gives up beside backpropagation through time.")
    parser.add_argument("folder", type=Path, help="of qtdb and fsdd/recordings")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROBLEMS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="that are scored (default: 5)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draws the shares, too")
    parser.add_argument("--quick", action="store_true", help="40 sequences, one seed: whether it runs at all")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - PROBLEMS.keys():
        parser.error(f"NAME: expected {', '.join(PROBLEMS)}, got {', '.join(sorted(unknown))}")
    print(f"eprop {eprop.__version__}, NumPy {np.__version__}, seeds 0 to {options.seeds - 1}; one core")
    found = {}
    for name in options.names or PROBLEMS:
        problem = PROBLEMS[name]
        print(f"\n{problem.name}; {problem.passes} passes, bar {problem.bar:.0%} on the validation part")
        print(f"| {' | '.join(COLUMNS)} |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        found[problem.name] = []
        for row in rows(problem, options.folder, 1 if options.quick else options.seeds, options.quick):
            found[problem.name].append(row)
            print(table_line(row), flush=True)
    if options.figure is not None:
        draw(options.figure, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
