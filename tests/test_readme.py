"""The README's Python runs as it is written. Its Rust is a doctest of benches/lib.rs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_block_learns(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    losses = scope["losses"]
    assert isinstance(losses, list)
    assert losses[-1] < 0.2 * losses[0], "the README's example must show learning"
    assert capsys.readouterr().out.startswith("loss ")


def test_rust_block_is_run_by_a_doctest() -> None:
    assert len(blocks("rust")) == 1
    assert 'include_str!("../README.md")' in (ROOT / "benches" / "lib.rs").read_text(encoding="utf-8")


def test_links_to_files_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets, "the README links to its files"
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing


def test_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks("sh")) + README)
    assert {"demo", "test"} <= set(commands)
    for command in set(commands):
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE), f"make {command} is no target"
