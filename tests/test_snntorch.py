"""The twin out of snnTorch's layers fires as the trainer does, and learns as its backpropagation does."""

from typing import Any

import numpy as np
import pytest

from eprop import EpropTrainer

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from eprop.torch import to_snntorch  # noqa: E402

EACH = {"tau_mem": np.linspace(10.0, 30.0, 40), "threshold": np.linspace(0.5, 1.5, 40)}
KINDS: list[dict[str, Any]] = [
    {},
    EACH,
    {"reset_mechanism": "zero"},
    {"tau_syn": 6.0},
    {"input_gain": "leak", "readout_gain": "leak", "threshold": 0.1, "readout_bias": True},
    {"input_gain": "leak", **EACH},
    {"tau_out": 0.0, "dt": 0.5, "n_ref": 1},
]


def problem(n_steps: int, **options: Any) -> tuple[EpropTrainer, Any]:
    inputs = np.random.default_rng(3).random((n_steps, 30)) < 0.1
    trainer = EpropTrainer(30, 40, 3, seed=5, **options)
    trainer.calibrate(inputs, rate=40.0)
    if trainer.readout_bias:
        trainer.b = [0.3, -0.2, 0.1]
    return trainer, inputs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", KINDS)
def test_twin_fires_at_the_same_steps(options: dict[str, Any], dtype: str) -> None:
    trainer, inputs = problem(300, dtype=dtype, **options)
    expected, fired = trainer.predict_sequence(inputs, return_spikes=True)
    with torch.no_grad():
        outputs, spikes = to_snntorch(trainer)(torch.from_numpy(inputs))
    assert fired.sum() > 50
    np.testing.assert_array_equal(spikes.numpy(), fired)
    np.testing.assert_allclose(outputs.numpy(), expected, atol=1e-5 if dtype == "float32" else 1e-12)


def test_twin_takes_batches_and_fires_at_the_threshold_itself() -> None:
    trainer = EpropTrainer(1, 1, 1)
    trainer.W_in = [[1.0]]
    twin = to_snntorch(trainer)
    _, spikes = twin(torch.tensor([[[1.0], [0.0]], [[0.5], [0.0]]]))
    assert spikes[..., 0].tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("surrogate", ["piecewise_linear", "exponential", "fast_sigmoid", "arctan", "boxcar"])
def test_gradient_of_the_twin_is_that_of_backpropagation_through_time(surrogate: str) -> None:
    trainer, inputs = problem(80, dtype="float64", surrogate=surrogate, surrogate_width=0.7)
    targets = np.random.default_rng(1).normal(size=(80, 3))
    expected = trainer.gradients(inputs, targets, horizon="sequence", recurrent_gain=1.0)
    twin = to_snntorch(trainer)
    outputs, _ = twin(torch.from_numpy(inputs))
    (0.5 * (outputs - torch.from_numpy(targets)) ** 2).sum().backward()
    w_rec = twin.neurons.recurrent.weight.grad.numpy().copy()
    np.fill_diagonal(w_rec, 0.0)
    found = {"W_in": twin.w_in.weight.grad.numpy(), "W_rec": w_rec, "W_out": twin.w_out.weight.grad.numpy()}
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-9, atol=1e-12 * np.abs(gradient).max())


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"beta": 0.2}, "beta"),
        ({"delay": 2}, "delay"),
        ({"n_ref": 3}, "n_ref"),
        ({"tau_syn": 5.0, "reset_mechanism": "zero"}, "reset_mechanism"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_its_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected "):
        to_snntorch(EpropTrainer(2, 3, 1, **options))
    with pytest.raises(TypeError, match="trainer: expected an EpropTrainer"):
        to_snntorch(object())  # type: ignore[arg-type]


def test_listed_synapses_are_exported_as_the_arrays_that_they_stand_for() -> None:
    trainer = EpropTrainer(4, 20, 1, connect_in=0.3, connect_rec=0.2)
    twin = to_snntorch(trainer)
    np.testing.assert_allclose(twin.w_in.weight.detach().numpy(), trainer.W_in.toarray(), rtol=1e-6)
    np.testing.assert_allclose(
        twin.neurons.recurrent.weight.detach().numpy(), trainer.W_rec.toarray(), rtol=1e-6
    )
