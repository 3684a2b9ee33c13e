"""`benches/reward.py` runs, and says whether the bar is reached."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from eprop.rl import EpropAgent
from eprop.tasks import cartpole

BENCH = Path(__file__).parents[1] / "benches" / "reward.py"


@pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")
@pytest.mark.parametrize(
    ("more", "said"),
    [([], "optimizer='adam'"), (["--untouched"], "lr=None, least=0.1, episodes=3, optimizer='sgd'")],
)
def test_it_runs(more: list[str], said: str) -> None:
    command = [sys.executable, str(BENCH), "--seeds", "7", "--episodes", "3", *more]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "CartPole-v1, " in lines[0] and "episodes=3" in lines[0] and said in lines[0]
    assert lines[1].startswith("seed 7: best") and "bar at episode none" in lines[1]
    assert lines[-1].endswith("bar 195: 0 of 1 seeds")


@pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")
def test_untouched_is_what_an_agent_does_by_itself() -> None:
    untouched, _ = cartpole.build(preset=cartpole.Preset(optimizer="sgd", lr=None))
    default = EpropAgent(1, 1, 2)
    assert (untouched.optimizer, untouched.lr) == (default.optimizer, default.lr)


@pytest.mark.skipif(not BENCH.exists(), reason="tests without their repository")
def test_the_episode_of_the_bar_by_hand() -> None:
    """After 100 returns of 0, 50 of 390 make the mean of the last hundred 195."""
    reached_at = runpy.run_path(str(BENCH))["reached_at"]
    assert reached_at([0.0] * 100 + [390.0] * 100) == 150
    assert reached_at([195.0] * 100) == 100
    assert reached_at([0.0] * 100 + [390.0] * 49) is None
    assert reached_at([500.0] * 99) is None
