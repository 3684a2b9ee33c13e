"""A network whose neurons are spread over ranks learns what one process learns, and a rank that is lost ends the job.

The ranks run `neuron_ranks.py`, by ``mpiexec`` on this machine.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from mpiexec import run, why_not

RANKS = Path(__file__).parent / "neuron_ranks.py"
PAGE = RANKS.parents[1] / "docs/scale.md"
LEARNS = ["learns", "learns_whatever_is_set"]
CALLS = [
    "follows_a_stream",
    "takes_events_and_labels",
    "rounds_as_one_process_does",
    "takes_lists",
    "disagrees",
]

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.mark.parametrize("n_ranks", [2, 4])
@pytest.mark.parametrize("names", [LEARNS, CALLS], ids=["learns", "calls"])
def test_ranks_are_one_network(names: list[str], n_ranks: int) -> None:
    done = run(n_ranks, RANKS, *names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [f"ok {name}" for name in names]


@pytest.mark.parametrize(
    ("how", "n_ranks", "said"),
    [
        ("raises", 4, ["ZeroDivisionError: no data left", "rank 3 ends the job"]),
        ("is_killed", 2, ["rank 1", "signal 9"]),
        ("hangs", 2, ["RankError: a step: rank 1 has not answered for 3 s", "rank 0 ends the job"]),
        ("takes_another_number_of_steps", 2, ["RankError", "rank 0 has not answered for 3 s"]),
    ],
)
def test_a_lost_rank_ends_the_job_and_is_named(how: str, n_ranks: int, said: list[str]) -> None:
    begun = time.monotonic()
    done = run(n_ranks, RANKS, how)
    assert done.returncode != 0 and "ok" not in done.stdout.split()
    for text in said:
        assert text in done.stderr + done.stdout, done.stderr
    assert time.monotonic() - begun < 60.0


def test_a_checkpoint_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    file = str(tmp_path / "network.json")
    for n_ranks, name in (
        (2, "saves"),
        (4, "goes_on"),
        (1, "goes_on"),
        (2, "goes_on"),
        (4, "saves"),
        (2, "goes_on"),
    ):
        done = run(n_ranks, RANKS, name, "--file", file)
        assert done.returncode == 0 and done.stdout == f"ok {name}\n", done.stderr


def test_a_checkpoint_goes_on_in_the_middle_of_a_stream_and_broken_ones_are_refused(tmp_path: Path) -> None:
    names = ["goes_on_in_the_middle", "refuses_files", "leaves_nothing_behind"]
    done = run(2, RANKS, *names, "--file", str(tmp_path / "network.json"))
    assert done.returncode == 0 and done.stdout.split("\n")[:-1] == [f"ok {name}" for name in names], (
        done.stderr
    )


@pytest.mark.skipif(not PAGE.exists(), reason="tests without their repository")
def test_the_second_script_of_the_page_runs(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[1])
    done = run(2, script)
    assert done.returncode == 0 and done.stdout.startswith("2 ranks, loss "), done.stderr
    assert (tmp_path / "network.json").exists()


# Without ranks


class Alone:
    """A communicator of one rank."""

    def Get_rank(self) -> int:
        return 0

    def Get_size(self) -> int:
        return 1


def test_a_network_on_one_rank_is_a_trainer() -> None:
    from eprop import EpropTrainer
    from eprop.mpi import NeuronParallel

    rng = np.random.default_rng(0)
    x, y = rng.random((60, 5)) < 0.2, rng.normal(size=(60, 2))
    fields = {"connect_in": 0.8, "connect_rec": 0.2, "dtype": "float64"}
    network, trainer = NeuronParallel(5, 30, 2, Alone(), **fields), EpropTrainer(5, 30, 2, **fields)
    for _ in range(2):
        np.testing.assert_allclose(network.train_sequence(x, y), trainer.train_sequence(x, y), rtol=1e-12)
    np.testing.assert_allclose(network.W_rec.toarray(), trainer.W_rec.toarray(), rtol=1e-12)
    assert network.memory_bytes > 0


def test_rates_are_those_of_the_network_and_nothing_else_is_assigned() -> None:
    from eprop.mpi import NeuronParallel

    network, still = (
        NeuronParallel(5, 30, 2, Alone(), connect_rec=0.2, **how) for how in ({}, {"lr_in": 0.0})
    )
    network.lr_in = 0.0
    assert network.lr_in == 0.0 and network.lr_rec is None
    for each in (network, still):
        each.train_sequence(np.ones((50, 5)), np.ones((50, 2)))
    assert (network.W_in != still.W_in).nnz == (network.W_rec != still.W_rec).nnz == 0
    for name in ("learning_rate", "n_updates", "tau_mem"):
        with pytest.raises(
            AttributeError, match=f"{name}: no attribute .* only lr, lr_in, lr_rec, lr_out can"
        ):
            setattr(network, name, 1.0)


@pytest.mark.parametrize("end", ["safetensors", "npz"])
def test_a_damaged_part_is_refused_on_another_number_of_ranks(tmp_path: Path, end: str) -> None:
    from eprop.mpi import NeuronParallel
    from eprop.mpi._part_files import read_part

    network = NeuronParallel(5, 30, 2, Alone(), connect_rec=0.2)
    network.save(tmp_path / "network.json")
    read_part(tmp_path / "network.json", 0, 2)
    (file,) = tmp_path.glob(f"*.{end}")
    whole = file.read_bytes()
    at = whole.index(np.ascontiguousarray(network.W_out).tobytes()) + 3 if end == "safetensors" else 200
    for damaged in (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], whole[:-20], b""):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"a part of a network: .*{end}"):
            read_part(tmp_path / "network.json", 0, 2)


def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eprop.mpi import NeuronParallel

    network = NeuronParallel(5, 30, 2, Alone(), connect_rec=0.2)
    network.save(tmp_path / "network.json")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*paths: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("eprop.mpi._part_files.os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        network.save(tmp_path / "network.json")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_rank_has_lost_is_asked_for_no_more() -> None:
    """A core whose exchange fails takes no further step with others, and the caller hears of it."""
    from eprop.mpi import NeuronParallel, RankError

    network = NeuronParallel(5, 30, 2, Alone(), connect_rec=0.2)
    calls = []

    def lost(n_bytes: int) -> list[int]:
        calls.append(n_bytes)
        raise RankError("rank 1 is gone")

    network._steps._swap = lost  # type: ignore[method-assign]
    x, y = np.ones((50, 5)), np.zeros((50, 2))
    for _ in range(2):
        with pytest.raises(RankError, match="rank 1 is gone"):
            network.train_sequence(x, y)
    assert len(calls) == 1
