"""What `from_nir` refuses: every structure that is no trainer's, and every number that a trainer cannot say."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest

from eprop import ConversionWarning
from eprop.nir import from_nir

N_IN, N, N_OUT = 3, 4, 2
RNG = np.random.default_rng(0)


def each(value: float, n: int = N) -> Any:
    return np.full(n, value)


def lif(**changed: Any) -> Any:
    fields = {"tau": each(0.02), "r": each(1.0), "v_leak": each(0.0), "v_threshold": each(0.5)}
    return nir.LIF(**fields | {"v_reset": each(0.0)} | changed)


def cuba(**changed: Any) -> Any:
    fields = {"tau_syn": each(0.005), "tau_mem": each(0.02), "r": each(1.0), "w_in": each(1.0)}
    rest = {"v_leak": each(0.0), "v_threshold": each(0.5), "v_reset": each(0.0)}
    return nir.CubaLIF(**fields | rest | changed)


def matrix(n_to: int, n_from: int) -> Any:
    return nir.Linear(weight=RNG.normal(size=(n_to, n_from)))


def no_autapses() -> Any:
    return nir.Linear(weight=RNG.normal(size=(N, N)) * (1 - np.eye(N)))


def parts() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges of a graph that is a trainer: recurrent, with leaky readouts."""
    nodes = {
        "input": nir.Input({"input": np.array([N_IN])}),
        "w_in": matrix(N, N_IN),
        "lif": lif(),
        "w_rec": no_autapses(),
        "w_out": matrix(N_OUT, N),
        "readout": nir.LI(tau=each(0.02, N_OUT), r=each(1.0, N_OUT), v_leak=each(0.0, N_OUT)),
        "output": nir.Output({"output": np.array([N_OUT])}),
    }
    edges = [
        ("input", "w_in"), ("w_in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "w_out"),
        ("w_out", "readout"), ("readout", "output"),
    ]  # fmt: skip
    return nodes, edges


def graph(
    changed: dict[str, Any] | None = None,
    more: list[tuple[str, str]] | None = None,
    less: list[tuple[str, str]] | None = None,
) -> Any:
    """That graph with other nodes (None: without), more edges and fewer."""
    nodes, edges = parts()
    nodes |= changed or {}
    edges = [edge for edge in edges if edge not in (less or [])] + (more or [])
    gone = {name for name, node in nodes.items() if node is None}
    return nir.NIRGraph(
        {name: node for name, node in nodes.items() if name not in gone},
        [edge for edge in edges if not gone & set(edge)],
        type_check=False,
    )


def through_delay(delay: Any) -> Any:
    return graph(
        {"delay": nir.Delay(delay=delay)}, [("lif", "delay"), ("delay", "w_rec")], [("lif", "w_rec")]
    )


def test_the_graph_that_is_changed_below_is_a_trainer() -> None:
    trainer = from_nir(graph(), lr=0.1)
    assert (trainer.n_inputs, trainer.n_neurons, trainer.n_outputs) == (N_IN, N, N_OUT)
    assert trainer.W_rec.any() and trainer.tau_trace == 20.0
    assert from_nir(through_delay(each(0.002))).delay == 3
    assert from_nir(graph({"lif": cuba()})).tau_syn == 5.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        # One layer, of neurons that a trainer has
        (
            graph({"lif": nir.IF(r=each(1.0), v_threshold=each(1.0))}),
            "one layer of LIF or CubaLIF neurons, got 0",
        ),
        (graph({"lif": None}), "one layer of LIF or CubaLIF neurons, got 0"),
        (
            graph({"second": lif(), "w_2": matrix(N, N)}, [("lif", "w_2"), ("w_2", "second")]),
            "one layer of LIF or CubaLIF neurons, got 2: lif, second",
        ),
        # Its input
        (graph({"w_in": None}), "one matrix between the input and the neurons, got 0"),
        (graph({"w_in": nir.Scale(scale=each(1.0))}), "one matrix between the input and the neurons, got 0"),
        (
            graph({"w_2": matrix(N, N_IN)}, [("input", "w_2"), ("w_2", "lif")]),
            "one matrix between the input and the neurons, got 2",
        ),
        (graph(more=[("input", "lif")]), "got an edge from input to lif beside them"),
        # Its loop
        (graph(more=[("lif", "lif")]), "got an edge from lif to lif beside them"),
        (
            graph({"w_2": matrix(N, N)}, [("lif", "w_2"), ("w_2", "lif")]),
            "got a node w_(2|rec) .Linear. beside them",
        ),
        (graph(more=[("readout", "w_in")]), "got an edge from readout to w_in beside them"),
        (
            graph(
                {"flat": nir.Flatten({"input": np.array([N])})},
                [("lif", "flat"), ("flat", "w_rec")],
                [("lif", "w_rec")],
            ),
            r"got a node (flat|w_rec) \((Flatten|Linear)\) beside them",
        ),
        (
            through_delay(np.array([0.001, 0.001, 0.002, 0.001])),
            "expected one delay of whole steps of 1 ms, got",
        ),
        (through_delay(each(0.0015)), "expected one delay of whole steps of 1 ms, got"),
        (through_delay(each(np.nan)), "expected one delay of whole steps of 1 ms, got"),
        (through_delay(each(np.inf)), "expected one delay of whole steps of 1 ms, got"),
        (through_delay(each(-0.002)), "expected one delay of whole steps of 1 ms, got"),
        # Its output
        (graph(less=[("readout", "output")]), "one node before the output, got 0"),
        (graph(more=[("w_out", "output")]), "one node before the output, got 2"),
        (graph({"w_out": None}), "one node before the readout, got 0"),
        (
            graph({"w_out": nir.Scale(scale=each(1.0))}),
            r"a matrix from the neurons to the readouts, got w_out \(Scale\)",
        ),
        (graph(more=[("w_in", "w_out")]), r"a matrix from the neurons to the readouts, got w_out \(Linear\)"),
        (graph({"more": matrix(2, N)}, [("lif", "more")]), r"got a node more \(Linear\) beside them"),
        # Numbers
        (
            graph({"w_in": nir.Affine(weight=np.ones((N, N_IN)), bias=each(0.1))}),
            "expected no bias of the neurons' currents, got one in w_in; add an input",
        ),
        (
            graph({"w_rec": nir.Affine(weight=np.zeros((N, N)), bias=each(0.1))}),
            "expected no bias of the neurons' currents, got one in w_rec; add an input",
        ),
        (
            graph({"lif": cuba(tau_syn=np.linspace(0.001, 0.01, N))}),
            "expected one tau_syn for all neurons, got several",
        ),
        (
            graph({"readout": nir.LI(tau=np.array([0.01, 0.02]), r=each(1.0, 2), v_leak=each(0.0, 2))}),
            "expected one tau for all readouts, got several",
        ),
    ],
)
def test_another_structure_is_refused(changed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"graph: .*{message}"):
        from_nir(changed)
    with pytest.raises(ValueError, match=f"graph: .*{message}"):  # nothing that could be left out
        from_nir(changed, approximate=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (graph({"lif": lif(v_reset=each(0.1))}), "a v_reset that is not v_leak"),
        (graph({"lif": cuba(v_reset=each(-0.1))}), "a v_reset that is not v_leak"),
        (graph({"w_rec": matrix(N, N)}), "synapses of neurons onto themselves"),
        (
            graph({"readout": nir.LI(tau=each(0.02, 2), r=each(1.0, 2), v_leak=each(0.3, 2))}),
            "a v_leak of the readouts that is not 0",
        ),
    ],
)
def test_what_a_trainer_does_not_have_is_refused_or_told(changed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"graph: a trainer cannot say {message}.*approximate=True"):
        from_nir(changed)
    with pytest.warns(ConversionWarning, match=message):
        trainer = from_nir(changed, approximate=True)
    assert not np.diagonal(trainer.W_rec).any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tau_mem": 20.0}, ValueError, "tau_mem: the graph says it, 20.0; change the graph instead"),
        ({"reset_mechanism": "zero"}, ValueError, "reset_mechanism: the graph says it"),
        ({"tau_out": 5.0}, ValueError, "tau_out: the graph says it"),
        ({"learning_rate": 0.1}, TypeError, "learning_rate"),
        ({"dt": "1"}, TypeError, "dt: expected a number"),
        ({"dt": 0.0}, ValueError, "dt: expected"),
        ({"library": "NEST"}, ValueError, "library: expected None"),
        ({"library": ["snntorch"]}, ValueError, "library: expected None"),
    ],
)
def test_options_that_are_not_the_user_s_to_give(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        from_nir(graph(), **options)


@pytest.mark.parametrize("dt", [0.0, float("nan")])
def test_a_step_is_refused_before_delays_are_counted_in_it(dt: float) -> None:
    with pytest.raises(ValueError, match="dt: expected a finite number > 0"):
        from_nir(through_delay(each(0.002)), dt=dt)


def test_a_step_of_a_library_is_shorter_than_its_time_constants() -> None:
    with pytest.raises(ValueError, match=r"expected time constants above a step of 0.0001 s, got 5e-05"):
        from_nir(graph({"lif": lif(tau=each(5e-5))}), library="snntorch")


@pytest.mark.parametrize("other", [None, "network.nir", {"nodes": {}}])
def test_only_a_graph_is_one(other: Any) -> None:
    with pytest.raises(TypeError, match=r"graph: expected a nir.NIRGraph, got"):
        from_nir(other)
