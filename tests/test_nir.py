"""Graphs of NIR come back to the bit, importers of other libraries fire at the same steps, and losses are told."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from eprop import ConversionWarning, EpropTrainer
from eprop.nir import from_nir, to_nir

KINDS: list[dict[str, Any]] = [
    {},
    {"dtype": "float64", "tau_mem": np.array([11.3, 20, 30, 7, 9]), "threshold": np.linspace(0.3, 0.7, 5)},
    {"input_gain": "leak", "threshold": 0.1, "readout_gain": "leak", "readout_bias": True},
    {"tau_out": 0.0},
    {"tau_syn": 7.7, "delay": 3, "dt": 0.3},
]


def build(n_neurons: int = 5, **options: Any) -> tuple[EpropTrainer, Any]:
    inputs = np.random.default_rng(0).random((300, 4)) < 0.2
    trainer = EpropTrainer(4, n_neurons, options.pop("n_outputs", 2), reset_mechanism="zero", **options)
    trainer.calibrate(inputs, rate=50.0)
    return trainer, inputs


@pytest.mark.parametrize("options", KINDS)
def test_a_file_keeps_the_network_to_the_bit(options: dict[str, Any], tmp_path: Path) -> None:
    trainer, inputs = build(**options)
    if trainer.readout_bias:
        trainer.b = [0.1, 0.2]
    nir.write(tmp_path / "network.nir", to_nir(trainer))
    again = from_nir(nir.read(tmp_path / "network.nir"))
    assert again == trainer
    for one, other in zip(
        again.predict_sequence(inputs, return_spikes=True),
        trainer.predict_sequence(inputs, return_spikes=True),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "library", "what"),
    [
        ({}, None, "subtract"),
        ({"reset_mechanism": "zero", "beta": 0.1}, None, "adaptation"),
        ({"reset_mechanism": "zero", "n_ref": 3}, None, "n_ref=3"),
        ({"reset_mechanism": "zero"}, "norse", "leaky readout"),
        ({"reset_mechanism": "zero"}, "snntorch", "leaky readout"),
        ({"reset_mechanism": "zero", "tau_out": 0.0, "delay": 2}, "spikingjelly", "delay=2"),
    ],
)
def test_losses_are_refused_or_told(options: dict[str, Any], library: str | None, what: str) -> None:
    trainer = EpropTrainer(2, 3, 1, **options)
    with pytest.raises(ValueError, match=what):
        to_nir(trainer, library=library)
    with pytest.warns(ConversionWarning, match=what):
        to_nir(trainer, library=library, approximate=True)


def test_norse_leaves_out_r_so_that_the_weights_have_it() -> None:
    each = {"tau_mem": np.array([11.3, 20, 30, 7, 9]), "dtype": "float64", "tau_out": 0.0}
    trainer, inputs = build(**each)
    graph = to_nir(trainer, library="norse")
    assert (graph.nodes["neurons"].nodes["lif"].r == 1.0).all()
    again = from_nir(graph, library="norse")
    assert again.input_gain == "leak"
    np.testing.assert_allclose(
        again.predict_sequence(inputs), trainer.predict_sequence(inputs), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("library", ["norse", "snntorch", "spikingjelly"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tau_syn": 5.0},
        {"input_gain": "leak", "threshold": 0.1},
        {"input_gain": "leak", "threshold": 0.1, "tau_syn": 5.0},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_importers_fire_at_the_same_steps(library: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    module, name = {
        "norse": ("norse.torch", "from_nir"),
        "snntorch": ("snntorch.import_nir", "import_from_nir"),
        "spikingjelly": ("spikingjelly.activation_based.nir_exchange", "import_from_nir"),
    }[library]
    importer = getattr(pytest.importorskip(module), name)
    trainer, inputs = build(20, n_outputs=20, tau_out=0.0, **options)
    trainer.W_out = np.eye(20)  # outputs are the spikes themselves
    network, state, fired = importer(to_nir(trainer, library=library)), None, []
    for x in inputs:
        out, state = network(torch.from_numpy(x.astype(np.float32))[None], state)
        fired.append(out[0].detach().numpy())
    _, expected = trainer.predict_sequence(inputs, return_spikes=True)
    assert expected.sum() > 100
    np.testing.assert_array_equal(np.array(fired), expected)
