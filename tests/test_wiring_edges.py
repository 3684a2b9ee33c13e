"""Edge lists: the array is that of a loop over them, labels come back, and what is doubtful is an error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from eprop.wiring import Wiring, from_edges

ROOTS = 720_575_940_600_000_000  # root ids of FlyWire: beyond what a float64 holds


@given(st.integers(2, 12), st.integers(1, 8), st.booleans(), st.integers(0, 99))
def test_edges_are_those_of_a_loop(n, n_inputs, from_inputs, seed):
    rng = np.random.default_rng(seed)
    n_pre = n_inputs if from_inputs else n
    there = rng.random((n, n_pre)) < 0.4
    if not from_inputs:
        np.fill_diagonal(there, False)
    order = rng.permutation(np.count_nonzero(there))
    post, pre = (places[order] for places in np.nonzero(there))
    weight = rng.normal(size=len(pre))
    expected = np.zeros((n, n_pre))
    for i, j, w in zip(pre, post, weight, strict=True):
        expected[j, i] = w
    made = from_edges(pre, post, weight, neurons=n, inputs=n_inputs if from_inputs else None)
    assert type(made.connect) is sparse.csr_array and made.connect.has_canonical_format
    np.testing.assert_array_equal(made.connect.toarray(), expected)
    np.testing.assert_array_equal(made.sources, np.arange(n_pre))
    assert made.sign is None
    structure = from_edges(pre, post, neurons=n, inputs=n_inputs if from_inputs else None).connect
    assert structure.dtype == bool
    np.testing.assert_array_equal(structure.toarray(), there)


COLUMNS = {
    "lists": list,
    "NumPy's strings": np.asarray,
    "objects": lambda labels: np.asarray(labels, dtype=object),
    "pandas": pd.Series,
    "pandas' strings": lambda labels: pd.Series(labels, dtype="string"),
    "categories": lambda labels: pd.Series(labels, dtype="category"),
    "not from 0": lambda labels: pd.Series(labels, index=range(7, 7 + len(labels))),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_labels_are_names_of_rows_and_columns(kind):
    pre, post = (COLUMNS[kind](labels) for labels in (["Tm3", "Mi1", "L1"], ["T4a", "T4a", "Mi1"]))
    connect, neurons, sources, _ = from_edges(pre, post, pd.Series([14, 30, 151]))
    assert neurons.tolist() == ["L1", "Mi1", "T4a", "Tm3"] and sources is neurons
    place = {label: k for k, label in enumerate(neurons.tolist())}
    assert connect[place["T4a"], place["Mi1"]] == 30 and connect[place["Mi1"], place["L1"]] == 151
    assert connect.nnz == 3 and connect.dtype == np.float64


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "object"])
def test_root_ids_are_told_apart(dtype):
    """Neighbours among them are equal as float64."""
    pre, post = (pd.Series([ROOTS + a, ROOTS + b], dtype=dtype) for a, b in ((1, 3), (2, 1)))
    connect, neurons, _, _ = from_edges(pre, post)
    assert neurons.tolist() == [ROOTS + 1, ROOTS + 2, ROOTS + 3] and neurons.dtype == np.int64
    np.testing.assert_array_equal(np.argwhere(connect.toarray()), [[0, 2], [1, 0]])


def test_int64_and_uint64_are_the_same_labels():
    made = from_edges(np.array([ROOTS + 1], np.uint64), np.array([ROOTS + 2], np.int64))
    assert made.neurons.tolist() == [ROOTS + 1, ROOTS + 2]


def test_labels_in_an_order_of_ones_own_include_neurons_without_edges():
    made = from_edges(["b", "c"], ["a", "b"], [1.0, 2.0], neurons=["c", "lonely", "a", "b"])
    assert made.neurons.tolist() == ["c", "lonely", "a", "b"]
    np.testing.assert_array_equal(np.argwhere(made.connect.toarray()), [[2, 3], [3, 0]])
    inputs = from_edges([5, 9], ["b", "a"], neurons=["a", "b"], inputs=[9, 7, 5])
    np.testing.assert_array_equal(inputs.connect.toarray(), [[True, False, False], [False, False, True]])
    assert inputs.sources.tolist() == [9, 7, 5] and inputs.neurons.tolist() == ["a", "b"]


def test_signs_of_a_column_and_of_a_mapping_are_those_of_sources():
    table = pd.DataFrame(
        {"pre": [0, 0, 1, 2], "post": [1, 2, 2, 0], "n": [3, 4, 5, 0], "sign": [1, 1, -1, 0]}
    )
    column = from_edges(table.pre, table.post, table.n, table.sign, neurons=4)
    named = from_edges(table.pre, table.post, table.n, {0: 1, 1: -1}, neurons=4)
    expected = [[0, 0, 0, 0], [3, 0, 0, 0], [4, -5, 0, 0], [0, 0, 0, 0]]
    for made in (column, named):
        np.testing.assert_array_equal(made.sign, [1, -1, 0, 0])
        assert made.sign.dtype == np.int8
        np.testing.assert_array_equal(made.connect.toarray(), expected)
        assert made.connect.nnz == 4  # the weight of 0 is a synapse
        assert not np.signbit(made.connect[0, 2])
    signed = from_edges(table.pre, table.post, [3, 4, -5, 7], table.sign, neurons=4)
    np.testing.assert_array_equal(signed.connect.toarray()[2], [4, -5, 0, 0])
    net = Wiring(3, 4, connect_rec=column.connect, sign=np.append(np.zeros(3, int), column.sign))
    np.testing.assert_array_equal(net.fan_in, [4, 4, 5, 3])


def test_free_sources_keep_their_weights():
    assert from_edges([0], [1], [-1.0], {}, neurons=2).sign.tolist() == [0, 0]
    made = from_edges([0, 0], [1, 2], [-1.0, 1.0], {0: 0}, neurons=3)
    np.testing.assert_array_equal(made.connect.toarray()[:, 0], [0.0, -1.0, 1.0])


def test_self_connections_are_left_out_where_that_is_asked_for():
    made = from_edges([0, 1, 1], [1, 1, 0], [1.0, 2.0, 3.0], {1: -1}, neurons=2, drop_self_connections=True)
    np.testing.assert_array_equal(made.connect.toarray(), [[0.0, -3.0], [1.0, 0.0]])
    inputs = from_edges([0, 1], [0, 1], neurons=2, inputs=2)  # input 1 is not neuron 1
    np.testing.assert_array_equal(inputs.connect.toarray(), np.eye(2))


def test_dtypes_of_weights_stay_where_a_trainer_has_them():
    single = from_edges([0], [1], np.float32([0.5]), {0: -1}, neurons=2).connect
    assert (single.dtype, single[1, 0]) == (np.float32, -0.5)
    assert from_edges([0], [1], np.uint8([200]), {0: -1}, neurons=2).connect[1, 0] == -200.0


def test_no_edge_is_an_empty_array():
    empty = np.array([], dtype=np.int64)
    assert from_edges(empty, empty, neurons=3).connect.shape == (3, 3)
    assert from_edges([], [], neurons=["a", "b"]).connect.nnz == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: from_edges([5, 1, 5, 5, 1], [2, 2, 2, 2, 2], neurons=6),
            ValueError,
            "pre, post: expected each edge once, got 3 of them again, the first at edge 2, from 5 to 2; .*groupby",
        ),
        (
            lambda: from_edges(["a", "a"], ["b", "b"]),
            ValueError,
            "got 1 of them again, the first at edge 1, from 'a' to 'b'",
        ),
        (
            lambda: from_edges([0, 3, 2], [1, 3, 2], neurons=4),
            ValueError,
            "no edge from a neuron to itself, got 2, the first at edge 1, of 3; drop_self_connections=True leaves",
        ),
        (
            lambda: from_edges([0, 0, 1], [1, 2, 2], None, [1, -1, 1], neurons=3),
            ValueError,
            r"sign: expected one sign for each source .*several for 1 of them, the first 0; .*\{label: 0\}",
        ),
        (lambda: from_edges([0], [1], None, [2], neurons=3), ValueError, "sign: expected 1 .*, got 2"),
        (lambda: from_edges([0], [1], None, [1.0], neurons=3), TypeError, "sign: expected an array of integers"),
        (lambda: from_edges([0], [1], None, {0: "+"}, neurons=3), ValueError, "sign: expected 1 .*, got '\\+'"),
        (lambda: from_edges([0], [1], None, {0: 1.0}, neurons=3), ValueError, "sign: expected 1 .*, got 1.0"),
        (lambda: from_edges([0], [1], None, [1, 1], neurons=3), ValueError, r"sign: expected shape \(1,\)"),
        (
            lambda: from_edges([0, 1], [1, 0], [1.0, -2.0], {0: 1, 1: 1}, neurons=2),
            ValueError,
            "weight: expected no weight below 0 of an excitatory source, got 1, the first -2.0 at edge 1, of 1",
        ),
        (
            lambda: from_edges([0, 1], [1, 0], [1.0, np.nan], neurons=2),
            ValueError,
            "weight: expected finite numbers, got nan at edge 1",
        ),
        (lambda: from_edges([0], [1], [1.0, 2.0], neurons=2), ValueError, r"weight: expected shape \(1,\)"),
        (lambda: from_edges([0], [1], ["strong"], neurons=2), TypeError, "weight: expected an array of real"),
        (lambda: from_edges([0], [1, 0], neurons=2), ValueError, r"post: expected shape \(1,\), .*got \(2,\)"),
        (lambda: from_edges([[0]], [1], neurons=2), ValueError, r"pre: .* of shape \(n,\), got \(1, 1\)"),
        (lambda: from_edges([0, 7], [1, 1], neurons=7), ValueError, "pre: expected indices of neurons below 7, got 7"),
        (lambda: from_edges([0], [-1], neurons=7), ValueError, "post: expected indices .* got -1 at edge 0"),
        (lambda: from_edges([3], [1], neurons=4, inputs=3), ValueError, "pre: expected indices of inputs below 3"),
        (lambda: from_edges(["a"], [1], neurons=2), TypeError, "pre: expected indices, since neurons=2 is a number"),
        (
            lambda: from_edges(["a", "x", "y"], ["b", "a", "a"], neurons=["a", "b"]),
            ValueError,
            "pre: expected labels of neurons, got 2 that it has not, the first 'x' at edge 1",
        ),
        (lambda: from_edges([1], [2], neurons=["a", "b"]), TypeError, r"neurons has them \(strings\), got integers"),
        (lambda: from_edges(["1"], [2]), TypeError, "pre, post: expected labels of one kind, .* got both"),
        (lambda: from_edges([0.0], [1.0]), TypeError, "pre: .*dtype float64; floats round ids beyond 2.53"),
        (lambda: from_edges(["a", None], ["b", "a"]), TypeError, "pre: expected integers or strings.*NoneType, str"),
        (lambda: from_edges(pd.Series(["a", pd.NA]), ["b", "a"]), TypeError, "pre: expected integers or strings"),
        (lambda: from_edges([True], [False]), TypeError, "pre: expected integers or strings, got dtype bool"),
        (lambda: from_edges([2**63], [1]), ValueError, r"pre: expected integers up to 2\^63 - 1"),
        (lambda: from_edges([2**70], [1]), ValueError, r"pre: expected integers up to 2\^63 - 1"),
        (lambda: from_edges(["a"], ["b"], neurons=["a", "b", "a"]), ValueError, "neurons: .* once, got 'a' twice"),
        (lambda: from_edges(["a"], ["b"], neurons=[]), ValueError, "neurons: expected labels.*got none"),
        (lambda: from_edges([0], [1], neurons=0), ValueError, "neurons: expected at least 1, got 0"),
        (lambda: from_edges([], []), ValueError, "pre, post: expected at least one edge"),
        (lambda: from_edges(["a"], ["b"], None, {"c": 1}), ValueError, "sign: expected labels of .*'c' at entry 0"),
        (lambda: from_edges([0], [1], None, {2: 1}, neurons=2), ValueError, "sign: expected .* got 2 at entry 0"),
        (lambda: from_edges([0], [1], None, {0: 1, 1: True}, neurons=2), ValueError, "sign: .*, got True"),
        (lambda: from_edges([0], [1], None, {0: 1, 1: -3}, neurons=2), ValueError, "sign: .*, got -3"),
        (lambda: from_edges([0], [1], neurons="ab"), ValueError, r"neurons: .* of shape \(n,\), got \(\)"),
        (
            lambda: from_edges(np.ma.array([0, 1], mask=[0, 1]), [1, 0], neurons=2),
            TypeError,
            "pre: .*without masked elements",
        ),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
