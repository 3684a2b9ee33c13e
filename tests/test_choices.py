"""Every choice that the crate knows is documented, drawn by the oracle tests and spelt out in the reference.

This is what names a forgotten place when a surrogate, a loss or a feedback is added (CONTRIBUTING.md).
"""

import re
from pathlib import Path

import cases
import pytest
import reference

import eprop

FIELDS = ["surrogate", "loss", "feedback", "reset_mechanism", "input_gain", "readout_gain"]


def choices(field: str) -> list[str]:
    """The crate's own list, from the message that a user sees."""
    with pytest.raises(ValueError, match=f"^{field}: expected one of ") as caught:
        eprop.EpropTrainer(1, 1, 1, **{field: "no such choice"})
    listed, _ = str(caught.value).split(", got ")
    return re.findall(r'"([a-z_]+)"', listed)


@pytest.mark.parametrize("field", FIELDS)
def test_docstring_names_every_choice(field: str) -> None:
    doc = eprop.EpropTrainer.__doc__ or ""
    assert len(choices(field)) >= 2
    assert [choice for choice in choices(field) if f'"{choice}"' not in doc] == []


@pytest.mark.parametrize("field", FIELDS)
def test_trainer_is_built_with_every_choice(field: str) -> None:
    for choice in choices(field):
        assert getattr(eprop.EpropTrainer(1, 1, 1, **{field: choice}), field) == choice


def test_reference_has_every_surrogate() -> None:
    assert sorted(reference.SURROGATES) == sorted(choices("surrogate"))


@pytest.mark.parametrize("field", FIELDS[1:])
def test_oracle_tests_draw_every_choice(field: str) -> None:
    source = Path(cases.__file__).read_text(encoding="utf-8")
    strategies = re.findall(rf'"{field}": st\.sampled_from\(\[(.*?)\]\)', source)
    assert strategies, f"cases.py draws no {field}"
    assert sorted(re.findall(r'"([a-z_]+)"', strategies[0])) == sorted(choices(field))
