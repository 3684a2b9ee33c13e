"""What a graph is made of: one layer, found by its nodes and edges."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import nir
import numpy as np
from numpy.typing import NDArray

__all__ = ["Parts", "parts_of"]

Array = NDArray[Any]
Edges = list[tuple[str, str]]


class Parts(NamedTuple):
    """The pieces of a trainer in a graph; matrices are copies."""

    w_in: Array
    w_rec: Array
    w_out: Array
    b: Array | None
    neurons: Any
    delay: Array | None
    readout: Any


def parts_of(graph: Any) -> Parts:
    """The pieces of a graph, or a ValueError that says what is different in it."""
    nodes, edges = _flat(graph)
    neurons = _only(nodes, (nir.LIF, nir.CubaLIF), "layer of LIF or CubaLIF neurons")
    start, end = _only(nodes, (nir.Input,), "input"), _only(nodes, (nir.Output,), "output")
    w_in = _before(nodes, edges, neurons, start)
    w_rec, delay = _loop(nodes, edges, neurons)
    w_out, readout = _after(nodes, edges, neurons, end)
    _only_these(nodes, edges, [[start, w_in, neurons, w_out, readout, end], [neurons, delay, w_rec, neurons]])
    weights, bias = _matrix(nodes[w_out])
    n = nodes[neurons].v_threshold.size
    return Parts(
        _without_bias(w_in, nodes[w_in]),
        np.zeros((n, n)) if w_rec is None else _without_bias(w_rec, nodes[w_rec]),
        weights,
        bias,
        nodes[neurons],
        None if delay is None else nodes[delay].delay,
        None if readout is None else nodes[readout],
    )


def _flat(graph: Any) -> tuple[dict[str, Any], Edges]:
    """Nodes and edges, with graphs within the graph unpacked: their inputs and outputs are only edges."""
    nodes, edges = {}, [(str(source), str(target)) for source, target in graph.edges]
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            nodes[name] = node
            continue
        inner, inner_edges = _flat(node)
        start = f"{name}.{_only(inner, (nir.Input,), f'input of {name}')}"
        end = f"{name}.{_only(inner, (nir.Output,), f'output of {name}')}"
        nodes.update({f"{name}.{key}": value for key, value in inner.items()})
        edges = [(end if a == name else a, start if b == name else b) for a, b in edges]
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in inner_edges]
        for border in (start, end):
            del nodes[border]
            sources = [a for a, b in edges if b == border]
            targets = [b for a, b in edges if a == border]
            edges = [edge for edge in edges if border not in edge]
            edges += [(a, b) for a in sources for b in targets]
    return nodes, edges


def _only(nodes: dict[str, Any], kinds: tuple[type, ...], what: str) -> str:
    names = [name for name, node in nodes.items() if isinstance(node, kinds)]
    if len(names) != 1:
        raise ValueError(
            f"graph: expected one {what}, got {len(names)}{': ' if names else ''}{', '.join(names)}"
        )
    return names[0]


def _only_these(nodes: dict[str, Any], edges: Edges, paths: list[list[str | None]]) -> None:
    """Refuses whatever is beside these paths, which leave out what the graph does not have."""
    steps = [[name for name in path if name is not None] for path in paths]
    for name in nodes.keys() - {name for path in steps for name in path}:
        raise ValueError(
            f"graph: expected one layer and its readouts, got a node {name} ({type(nodes[name]).__name__}) beside them"
        )
    known = {edge for path in steps for edge in pairwise(path) if edge[0] != edge[1]}
    for source, target in sorted(set(edges) - known):
        raise ValueError(
            f"graph: expected one layer and its readouts, got an edge from {source} to {target} beside them"
        )


def _is_matrix(node: Any) -> bool:
    return isinstance(node, (nir.Linear, nir.Affine))


def _before(nodes: dict[str, Any], edges: Edges, neurons: str, start: str) -> str:
    found = [a for a, b in edges if b == neurons and _is_matrix(nodes[a]) and (start, a) in edges]
    return _single(found, "matrix between the input and the neurons")


def _loop(nodes: dict[str, Any], edges: Edges, neurons: str) -> tuple[str | None, str | None]:
    for w_rec in (a for a, b in edges if b == neurons and _is_matrix(nodes[a])):
        for source in (a for a, b in edges if b == w_rec):
            if source == neurons:
                return w_rec, None
            if isinstance(nodes[source], nir.Delay) and (neurons, source) in edges:
                return w_rec, source
    return None, None


def _after(nodes: dict[str, Any], edges: Edges, neurons: str, end: str) -> tuple[str, str | None]:
    last = _single([a for a, b in edges if b == end], "node before the output")
    readout = last if isinstance(nodes[last], nir.LI) else None
    w_out = (
        last if readout is None else _single([a for a, b in edges if b == last], "node before the readout")
    )
    if not _is_matrix(nodes[w_out]) or [a for a, b in edges if b == w_out] != [neurons]:
        raise ValueError(
            f"graph: expected a matrix from the neurons to the readouts, got {w_out} ({type(nodes[w_out]).__name__})"
        )
    return w_out, readout


def _single(names: list[str], what: str) -> str:
    if len(names) != 1:
        raise ValueError(f"graph: expected one {what}, got {len(names)}")
    return names[0]


def _matrix(node: Any) -> tuple[Array, Array | None]:
    bias = np.array(node.bias) if isinstance(node, nir.Affine) else None
    return np.array(node.weight), bias


def _without_bias(name: str, node: Any) -> Array:
    weights, bias = _matrix(node)
    if bias is not None and np.any(bias):
        raise ValueError(
            f"graph: expected no bias of the neurons' currents, got one in {name}; add an input that is always 1, and the "
            "bias as its weights"
        )
    return weights
