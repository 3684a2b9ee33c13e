"""Every choice that the crate knows is documented, drawn by the oracle tests and spelt out in the reference.

This is what names a forgotten place when a setting, a surrogate, a loss, a feedback or an optimizer is
added (CONTRIBUTING.md).
"""

import dataclasses
import re
from pathlib import Path

import cases
import numpy as np
import pytest
import reference
from helpers import assign, eprop_weights, spike_trains

import eprop
from eprop.optim import Optimizer, as_optimizer

OPTIMIZERS = sorted(Optimizer.__subclasses__(), key=lambda kind: kind.name)
FIELDS = ["surrogate", "loss", "feedback", "c_reg_side", "reset_mechanism", "input_gain", "readout_gain"]


def choices(field: str) -> list[str]:
    """The crate's own list, from the message that a user sees."""
    with pytest.raises(ValueError, match=f"^{field}: expected one of ") as caught:
        eprop.EpropTrainer(1, 1, 1, **{field: "no such choice"})
    listed, _ = str(caught.value).split(", got ")
    return re.findall(r'"([a-z_]+)"', listed)


def test_fields_are_documented_and_drawn() -> None:
    fields = {field.name for field in dataclasses.fields(eprop.EpropTrainer)}
    entries = re.findall(r"^    (\w[\w, ]*) :", eprop.EpropTrainer.__doc__ or "", flags=re.MULTILINE)
    assert fields - {name for entry in entries for name in entry.split(", ")} == set(), "without a docstring"

    # Cases have sizes, a seed, a learning rate and, by their class, a number of streams; both number types are tried.
    fields -= {"n_inputs", "n_neurons", "n_outputs"}
    of_cases = fields - {"seed", "dtype", "lr", "batch_size"}
    tests = Path(cases.__file__).parent
    drawn = re.findall(r'"(\w+)": ', (tests / "cases.py").read_text(encoding="utf-8"))
    assert of_cases - set(drawn) == set(), "not drawn by cases.py"
    fuzzed = re.findall(r'Option\("(\w+)"', (tests / "fuzz" / "options.py").read_text(encoding="utf-8"))
    assert fields - set(fuzzed) == set(), "not drawn by the fuzzer"


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


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.name)
def test_optimizer_has_its_name_everywhere(kind: type[Optimizer]) -> None:
    assert as_optimizer(kind.name) == kind()
    assert f'"{kind.name}"' in (eprop.EpropTrainer.__doc__ or "")
    with pytest.raises(ValueError, match=f'optimizer: expected one of .*"{kind.name}"'):
        as_optimizer("no such optimizer")
    assert eprop.EpropTrainer(1, 1, 1, optimizer=kind()).lr == kind.default_lr
    assert eprop.OnlineTrainer([1, 1], optimizer=kind.name).lr == kind.default_lr
    assert reference.LEARNING_RATES[reference.OPTIMIZERS[kind.name]] == kind.default_lr


@pytest.mark.parametrize("update_every", [1, 3, 20, "sequence"])
@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.name)
def test_optimizer_is_that_of_the_reference(kind: type[Optimizer], update_every: int | str) -> None:
    rng = np.random.default_rng(3)
    W_in, W_rec, W_out, b, B = weights = eprop_weights(rng, 6, 12, 2, 0.6)
    options = {"update_every": update_every, "optimizer": kind.name, "lr": 0.002, "readout_bias": True}
    trainer = eprop.EpropTrainer(6, 12, 2, dtype="float64", **options)
    assign(trainer, weights)
    expected = reference.ReferenceEprop(W_in, W_rec, W_out, b, B, **options)
    inputs, targets = spike_trains(rng, 60, 6, 0.3), rng.normal(size=(60, 2))
    for _ in range(3):
        loss = trainer.train_sequence(inputs, targets)
        assert loss == pytest.approx(expected.train_sequence(inputs, targets)[0], rel=1e-10)
    assert expected.margin > 1e-7
    assert np.abs(trainer.W_in - W_in).max() > 1e-4, "it learns"
    for got, there in (
        (trainer.W_in, expected.W[:, :6]),
        (trainer.W_out, expected.W_out),
        (trainer.b, expected.b),
    ):
        np.testing.assert_allclose(got, there, rtol=0, atol=1e-10)
