"""R ranks learn what one process learns, and a rank that is lost or differs ends in an error that names it.

The ranks run `ranks.py`, by ``mpiexec`` on this machine.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from mpiexec import run, why_not
from streams import N_OUT, B, T, build, data

RANKS = Path(__file__).parent / "ranks.py"
LEARNS = ["learns", "learns_listed_synapses", "clips", "adds_up_in_the_order_of_the_ranks"]
CALLS = [
    "takes_what_a_trainer_takes",
    "has_more_streams_than_a_trainer",
    "has_no_stream",
    "estimators_learn",
    "disagrees",
]
BENCH = RANKS.parents[1] / "benches/ranks.py"
PAGE = RANKS.parents[1] / "docs/scale.md"
pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.mark.parametrize("n_ranks", [2, 4])
@pytest.mark.parametrize(
    "names",
    [LEARNS, CALLS],
    ids=["learns", "calls"],
)
def test_ranks_are_one_process(names: list[str], n_ranks: int) -> None:
    done = run(n_ranks, RANKS, *names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [f"ok {name}" for name in names]


@pytest.mark.parametrize(
    ("how", "n_ranks", "said"),
    [
        ("raises", 4, ["ZeroDivisionError: no data left", "rank 3 ends the job"]),
        ("is_killed", 2, ["rank 1", "signal 9"]),
        ("hangs", 2, ["RankError: train_sequence: rank 1 has not answered for 3 s", "rank 0 ends the job"]),
    ],
)
def test_a_lost_rank_ends_the_job_and_is_named(how: str, n_ranks: int, said: list[str]) -> None:
    begun = time.monotonic()
    done = run(n_ranks, RANKS, how)
    assert done.returncode != 0 and "ok" not in done.stdout
    for text in said:
        assert text in done.stderr + done.stdout, done.stderr
    assert time.monotonic() - begun < 60.0


def test_a_checkpoint_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    file = str(tmp_path / "network.safetensors")
    for n_ranks, name in ((2, "saves"), (4, "goes_on")):
        done = run(n_ranks, RANKS, name, "--file", file)
        assert done.returncode == 0 and done.stdout == f"ok {name}\n", done.stderr


@pytest.mark.skipif(not PAGE.exists(), reason="tests without their repository")
def test_the_script_of_the_page_runs(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0])
    done = run(2, script)
    assert done.returncode == 0 and done.stdout.startswith("2 ranks, loss "), done.stderr
    assert (tmp_path / "network.safetensors").exists()


@pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")
def test_the_bench_says_what_a_second_rank_gains() -> None:
    done = run(2, BENCH, "--rounds", "1", "--neurons", "3000")
    assert done.returncode == 0, done.stderr
    parts = [part.splitlines() for part in done.stdout.split("\n\n")]
    named = [["2 ranks", "1 rank", f"no {name}"] for name in ("DataParallel", *2 * ["NeuronParallel"])]
    assert [[line.split("  ")[0] for line in part[-4:-1]] for part in parts] == named
    assert all(part[-1].startswith("2 ranks against 1: ") for part in parts)


# Without ranks


def test_steps_with_a_target_are_counted_as_gradients_counts_them() -> None:
    from eprop.mpi._streams import Streams

    rng = np.random.default_rng(0)
    x, y, mask = data()
    weights = rng.uniform(size=(B, T)) * (rng.random((B, T)) < 0.5)
    labels, lengths = rng.integers(-1, N_OUT, size=(B, T)), rng.integers(1, T + 1, size=B)
    ragged = [x[b, :n] for b, n in enumerate(lengths)]
    cases = [
        (x, y, {}),
        (x, y, {"mask": mask, "weights": weights, "lengths": lengths}),
        (x, y, {"mask": mask[0], "weights": weights[1]}),
        (x, np.eye(N_OUT, dtype=int)[labels], {"mask": mask, "lengths": lengths}),
        (x, labels, {"weights": weights, "lengths": lengths}),
        (x, labels[:, 0], {"mask": mask}),
        (ragged, [y[b, :n] for b, n in enumerate(lengths)], {}),
        (ragged, [labels[b, :n] for b, n in enumerate(lengths)], {}),
        ([(*np.nonzero(rows), T) for rows in x], labels, {"mask": mask}),
        (x[0], y[0], {"mask": mask[0]}),
        (x[0], labels[0], {"weights": weights[0]}),
        ((*np.nonzero(x[0]), T), labels[0], {}),
    ]
    trainer = build("eprop")
    for inputs, targets, how in cases:
        streams = Streams.read(
            trainer, inputs, targets, *(how.get(name) for name in ("mask", "weights", "lengths"))
        )
        gradients = trainer.gradients(inputs, targets, **how)
        assert streams.n_targets == gradients["n_targets"] > 0
        assert len(streams) == gradients["n_streams"]
        parts = [streams.of_rank(rank, 3) for rank in range(3)]
        assert sum(part.n_targets for part in parts) == streams.n_targets
        assert sum(part.n_steps for part in parts) == streams.n_steps


class Alone:
    """A communicator of one rank."""

    def Get_rank(self) -> int:
        return 0

    def Get_size(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("options", "how", "message"),
    [
        ({"update_every": 1}, {}, 'update_every: expected "sequence", got 1: .* shorter sequences'),
        ({"update_every": 7}, {}, 'update_every: expected "sequence", got 7'),
        ({"optimizer": "sgd"}, {}, r'c_reg: expected 0 with optimizer="sgd", got 0.5: .*SGD\(limit=False\)'),
        ({"optimizer": "auto"}, {}, r'c_reg: expected 0 with optimizer="auto"'),
        ({"optimizer": "momentum"}, {}, r"Momentum\(limit=False\)"),
        ({"optimizer": "adam"}, {"data": "all"}, 'data: expected "share" or "whole", got \'all\''),
        ({"optimizer": "adam"}, {"timeout": 0.0}, r"timeout: expected None or seconds > 0, got 0.0"),
    ],
)
def test_what_cannot_be_spread_is_refused(
    options: dict[str, object], how: dict[str, object], message: str
) -> None:
    from eprop.mpi import DataParallel

    trainer = build("eprop", **{"update_every": "sequence", **options})
    with pytest.raises(ValueError, match=message):
        DataParallel(trainer, Alone(), **how)


def test_integer_rows_are_cut_as_floats_are_and_numbers_alone_are_refused() -> None:
    from eprop import EpropTrainer
    from eprop.mpi import DataParallel

    rng = np.random.default_rng(0)
    x, rows = rng.random((4, 8, 2)) < 0.5, rng.integers(0, 3, size=(4, 8, 1))
    one, other = (
        DataParallel(EpropTrainer(2, 9, 1, update_every="sequence", batch_size=2), Alone()) for _ in range(2)
    )
    assert one.train_sequence(x, rows) == other.train_sequence(x, rows.astype(float))
    for number in (3.0, np.array(3.0)):
        with pytest.raises(
            ValueError, match=r"inputs: expected shape \(T, n_inputs\) or \(B, T, n_inputs\), got"
        ):
            one.train_sequence(number, rows)


def test_rates_are_those_of_the_trainer_and_nothing_else_is_assigned() -> None:
    from eprop.mpi import DataParallel

    for kind, rates in (("eprop", "lr, lr_in, lr_rec, lr_out"), ("stack", "lr")):
        ranks = DataParallel(build(kind, update_every="sequence", optimizer="adam"), Alone())
        ranks.lr = 0.5
        assert ranks.lr == ranks.trainer.lr == 0.5
        for name in ("trainer", "batch_size", "learning_rate"):
            with pytest.raises(
                AttributeError, match=f"{name}: no attribute that can be set; .* only {rates} can"
            ):
                setattr(ranks, name, 1.0)
    with pytest.raises(AttributeError, match="lr_in"):
        ranks.lr_in = 0.1


def test_a_rank_warns_of_its_own_streams_once() -> None:
    from eprop import FiringRateWarning
    from eprop.mpi import DataParallel

    ranks = DataParallel(build("stack", update_every="sequence"), Alone())
    x, y, _ = data(n_steps=200)
    with pytest.warns(FiringRateWarning, match="no neuron fired"):
        ranks.train_sequence(0 * x, y)
    ranks.train_sequence(0 * x, y)


def test_only_trainers_of_sequences_are_spread() -> None:
    from eprop import OnlineLIFLayer
    from eprop.mpi import DataParallel

    with pytest.raises(
        TypeError, match="trainer: expected an EpropTrainer or OnlineTrainer, got OnlineLIFLayer"
    ):
        DataParallel(OnlineLIFLayer(2, 1), Alone())  # type: ignore[arg-type]
