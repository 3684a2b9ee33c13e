"""A real wiring: the fly's motion pathway over its 721 columns has the counts that its authors print, and passes through."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from connectome import gaps, hexagon, lay_out

from eprop.wiring import Wiring, from_edges

BESIDE = Path(__file__).parents[2] / "shared" / "data"
FILE = Path(os.environ.get("EPROP_DATA", BESIDE)) / "connectome" / "fib25-fib19_v2.2.json"

needs_data = pytest.mark.skipif(
    not FILE.exists(), reason="no connectome here: EPROP_DATA names the folder of recordings"
)


@pytest.fixture(scope="module")
def layout():
    return lay_out(FILE)


@pytest.fixture(scope="module")
def edges(layout):
    free = {cell for cell, signs in layout.signs_of_types.items() if len(signs) > 1}
    is_free = np.zeros(len(layout.columns), bool)
    for name in free:
        is_free[layout.groups[name]] = True
    sign = np.where(is_free[layout.pre], 0, layout.sign)
    weight = layout.n_synapses * layout.sign
    return from_edges(
        layout.pre, layout.post, weight, sign, neurons=len(layout.columns), drop_self_connections=True
    )


def test_a_hexagon_has_as_many_columns_as_its_rings():
    assert [len(hexagon(radius)) for radius in (0, 1, 2, 15)] == [1, 7, 19, 721]


def test_gaps_lie_between_what_is_known():
    assert gaps({(0, 0), (2, 0), (0, 2)}) == [(0, 1), (1, 1)]
    assert gaps({(-1, -1), (1, -1), (-1, 1), (1, 1), (0, 1)}) == [(-1, 0), (0, 0), (1, 0)]


@needs_data
def test_the_layout_has_the_counts_that_its_authors_print(layout):
    """Lappalainen et al. 2024: 45,669 cells and 1,513,231 edges, "synapses" there."""
    assert len(layout.groups) == 65
    assert len(layout.columns) == 45_669
    assert len(layout.pre) == len(layout.post) == 1_513_231
    sizes = {cell: group.stop - group.start for cell, group in layout.groups.items()}
    assert {cell: size for cell, size in sizes.items() if size != 721} == {"Lawf1": 123, "Lawf2": 123}


@needs_data
def test_it_passes_through_from_edges(layout, edges):
    n = len(layout.columns)
    themselves = np.count_nonzero(layout.pre == layout.post)
    assert themselves == 12_380
    assert edges.connect.shape == (n, n) and edges.connect.nnz == 1_513_231 - themselves
    with pytest.raises(ValueError, match="no edge from a neuron to itself, got 12380, the first at edge"):
        from_edges(layout.pre, layout.post, neurons=n)
    # What a loop over the edges of one cell finds, edge by edge: 200 cells.
    for j in np.random.default_rng(0).integers(n, size=200):
        mine = (layout.post == j) & (layout.pre != j)
        row = np.zeros(n)
        row[layout.pre[mine]] = layout.n_synapses[mine] * layout.sign[mine]
        np.testing.assert_array_equal(edges.connect[[j]].toarray()[0], row)


@needs_data
def test_the_middle_column_has_the_synapses_that_the_file_lists(layout, edges):
    """Offsets are from the source to the target; counts are those of the file, with its sign."""
    told = {
        (edge["src"], edge["tar"]): edge for edge in json.loads(FILE.read_text(encoding="utf-8"))["edges"]
    }
    index = {}
    for name, group in layout.groups.items():
        index |= {(name, *column): k for k, column in enumerate(layout.columns[group].tolist(), group.start)}
    for pair in (("Mi1", "T4a"), ("R1", "L1"), ("Mi4", "T4c"), ("Tm9", "T5b"), ("L5", "L5")):
        edge = told[pair]
        for (du, dv), count in edge["offsets"]:
            source, target = index[pair[0], -du, -dv], index[pair[1], 0, 0]
            if source != target:
                assert edges.connect[target, source] == count * edge["alpha"]


@needs_data
def test_its_signs_keep_dales_law_but_for_four_types_which_are_free(layout, edges):
    both = {cell for cell, signs in layout.signs_of_types.items() if len(signs) > 1}
    assert both == {"R8", "Am", "C2", "C3"}
    with pytest.raises(
        ValueError, match=r"sign: expected one sign for each source .* several for 2884 of them"
    ):
        from_edges(layout.pre, layout.post, None, layout.sign, neurons=len(layout.columns))
    net = Wiring(8, len(layout.columns), connect_rec=edges.connect,
                 sign=np.append(np.zeros(8, int), edges.sign), groups=layout.groups)  # fmt: skip
    for cell, group in net.groups.items():
        signs = set(edges.sign[group].tolist())
        assert signs <= ({0} if cell in both else layout.signs_of_types.get(cell, set()) | {0})
    connect = edges.connect.tocoo()
    sign = edges.sign[connect.col]
    assert (connect.data[sign == 1] >= 0).all() and (connect.data[sign == -1] <= 0).all()
    assert net.fan_in.sum() == 1_500_851 + 8 * 45_669 == net.n_synapses
