"""The README's Python runs as it is written. Its Rust is a doctest of benches/lib.rs."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

ROOT = Path(__file__).parents[1]
NAMES = ("X_train", "y_train", "X_test", "y_test")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_block_learns(capsys: pytest.CaptureFixture[str]) -> None:
    _, code = blocks("python")
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    losses = scope["losses"]
    assert isinstance(losses, list)
    assert np.mean(losses[-500:]) < 0.5 * np.mean(losses[:500]), "the README's example must show learning"
    assert capsys.readouterr().out.startswith("loss ")


def test_three_lines_classify(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = blocks("python")
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    exec(
        compile(code, "README.md", "exec"), dict(zip(NAMES, (X_train, y_train, X_test, y_test), strict=True))
    )
    assert float(capsys.readouterr().out) > 0.8


def test_rust_block_is_run_by_a_doctest() -> None:
    assert len(blocks("rust")) == 1
    assert 'include_str!("../README.md")' in (ROOT / "benches" / "lib.rs").read_text(encoding="utf-8")


def test_links_to_files_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)|<img src=\"([^\"]+)\"", README)
    targets = [link or picture for link, picture in targets]
    assert "docs/demo.png" in targets, "the README links to its files"
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing


def test_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks("sh")) + README)
    assert {"demo", "test"} <= set(commands)
    for command in set(commands):
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE), f"make {command} is no target"
