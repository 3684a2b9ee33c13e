"""`import eprop` is short: it imports no extra, and modules that a trainer does not need only when they are asked for."""

import subprocess
import sys

import pytest

import eprop


def modules_after(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def test_import_brings_neither_extras_nor_what_is_asked_for_later() -> None:
    brought = modules_after("import eprop") - modules_after("import numpy")
    assert "eprop._core" in brought
    assert {name for name in brought if not name.startswith("eprop")} & {
        "scipy", "sklearn", "matplotlib", "tqdm", "river", "nir", "torch", "logging", "json",
    } == set()  # fmt: skip
    assert (
        brought & {"eprop.encode", "eprop.callbacks", "eprop.cli", "eprop.demo", "eprop.rl", "eprop.wiring"}
        == set()
    )


def test_modules_are_there_when_they_are_asked_for() -> None:
    assert "eprop.encode" in modules_after("import eprop; eprop.encode.rate")
    assert "eprop.callbacks" in modules_after("import eprop; eprop.callbacks.History")
    brought = modules_after("import eprop; eprop.wiring.dale")
    assert "eprop.wiring" in brought and "scipy" not in brought
    assert {*eprop.__all__, "callbacks", "wiring"} <= set(dir(eprop))
    with pytest.raises(AttributeError, match="module 'eprop' has no attribute 'decode'"):
        eprop.decode  # type: ignore[attr-defined]  # noqa: B018
