"""Topologies: degrees, shares and distances are what their definitions say, and mistakes are named."""

import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from eprop import wiring
from eprop.wiring import Wiring

TOPOLOGIES = {
    "random": lambda **options: wiring.random(90, 90, 0.1, **options),
    "random inputs": lambda **options: wiring.random(90, 40, 0.1, **options),
    "fixed_indegree": lambda **options: wiring.fixed_indegree(90, 90, 7, **options),
    "fixed_indegree inputs": lambda **options: wiring.fixed_indegree(90, 40, 30, **options),
    "small_world": lambda **options: wiring.small_world(90, 8, 0.3, **options),
    "distance": lambda **options: wiring.distance(np.arange(90.0), scale=5.0, **options),
    "distance inputs": lambda **options: wiring.distance(
        np.arange(90.0), sources=np.arange(40.0), scale=5.0, **options
    ),
}


def within(count, n, p, sigmas=5.0):
    """Whether a count of n independent draws is that of the probability p; 5 sigma: once in two million."""
    return abs(count - n * p) <= sigmas * np.sqrt(n * p * (1 - p)) + 1e-9


def test_every_function_that_draws_is_here():
    others = {"Connections", "Edges", "Wiring", "dale", "from_edges", "layered"}
    assert {name.split()[0] for name in TOPOLOGIES} == set(wiring.__all__) - others


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_seed_says_it_all_and_sparse_is_dense(name):
    draw = TOPOLOGIES[name]
    first, again, other = draw(seed=3), draw(seed=np.random.default_rng(3)), draw(seed=4)
    assert type(first) is sparse.csr_array and first.dtype == bool and first.has_sorted_indices
    assert first.data.all() and first.indices.dtype == np.int32
    np.testing.assert_array_equal(first.toarray(), again.toarray())
    np.testing.assert_array_equal(first.toarray(), draw(seed=3, sparse=False))
    assert (first.toarray() != other.toarray()).any()
    assert first.shape == (90, 40 if "inputs" in name else 90)
    if "inputs" not in name:
        assert not first.diagonal().any()
        assert Wiring(5, 90, connect_rec=first).n_synapses == first.nnz + 5 * 90
    merged = first.copy()
    merged.has_canonical_format = False
    merged.sum_duplicates()
    assert merged.nnz == first.nnz


@pytest.mark.parametrize("density", [0.001, 0.1, 0.5, 0.97])
def test_random_has_its_density_in_every_row_column_and_place(density):
    n_post, n_pre = 400, 300
    connect = wiring.random(n_post, n_pre, density, seed=1)
    assert within(connect.nnz, n_post * n_pre, density)
    for axis, n in ((1, n_pre), (0, n_post)):
        degrees = np.asarray(connect.sum(axis=axis))
        if n * density > 20:  # below, a binomial is no normal distribution
            assert all(within(degree, n, density) for degree in degrees)
        # Degrees of independent pairs are binomial: their variance is, too.
        assert abs(degrees.var() / (n * density * (1 - density)) - 1) < 0.5
    every = [wiring.random(4, 3, density, sparse=False, seed=seed) for seed in range(4000)]
    assert all(within(count, 4000, density) for count in np.sum(every, axis=0).ravel())


def test_random_of_density_1_is_all_but_the_diagonal_of_a_square():
    np.testing.assert_array_equal(wiring.random(5, 5, 1.0, sparse=False), ~np.eye(5, dtype=bool))
    assert wiring.random(5, 5, 1.0, self_connections=True, sparse=False).all()
    assert wiring.random(5, 4, 1.0, sparse=False).all()
    assert wiring.random(1, 1, 1.0).nnz == wiring.random(1, 1, 0.5).nnz == 0
    assert wiring.random(10**6, 10**6, 1e-300, seed=0).nnz == 0


def test_random_of_a_flys_size_takes_the_memory_of_its_synapses():
    tracemalloc.start()
    connect = wiring.random(138_639, 138_639, 1e-5, seed=0)  # 1.9e10 pairs
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert within(connect.nnz, 138_639 * 138_638, 1e-5)
    assert peak < 100e6


@given(st.integers(1, 30), st.integers(2, 30), st.data())
def test_fixed_indegree_gives_each_neuron_k_different_sources(n_post, n_pre, data):
    most = n_pre - (n_post == n_pre)
    k = data.draw(st.integers(1, most))
    connect = wiring.fixed_indegree(n_post, n_pre, k, seed=data.draw(st.integers(0, 9)))
    assert (connect.toarray().sum(axis=1) == k).all()
    if n_post == n_pre:
        assert not connect.diagonal().any()


@pytest.mark.parametrize("k", [2, 4])
def test_every_set_of_sources_is_as_likely_as_any_other(k):
    """15 sets of 2 (or of 4) out of 6."""
    rows = wiring.fixed_indegree(30_000, 6, k, sparse=False, seed=0)
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 15 and all(within(count, 30_000, 1 / 15) for count in counts)


def test_fixed_indegree_draws_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(wiring._random, "_CELLS", 64)
    connect = wiring.fixed_indegree(50, 50, 20, seed=0)
    assert (connect.toarray().sum(axis=1) == 20).all() and not connect.diagonal().any()


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 1.0])
def test_small_world_rewires_the_share_p_and_keeps_k_sources(p):
    n, k = 600, 10
    connect = wiring.small_world(n, k, p, seed=2).toarray()
    assert (connect.sum(axis=1) == k).all()
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    ring = (np.minimum(apart, n - apart) <= k // 2) & (apart > 0)
    rewired = np.count_nonzero(connect & ~ring)
    assert within(rewired, n * k, p)
    # A new source may be anywhere else on the ring: from the left half of it as often as from the right.
    left = np.subtract.outer(np.arange(n), np.arange(n)) % n > n // 2
    assert within(np.count_nonzero(connect & ~ring & left), rewired, 0.5)


def test_small_worlds_are_clustered_and_small():
    """Watts and Strogatz 1998: C(0) = 3 (k - 2) / (4 (k - 1)); with a few shortcuts C stays, and paths shrink."""
    n, k = 500, 10

    def clustering(connect):
        links = connect | connect.T
        degree = links.sum(axis=1)
        triangles = np.diagonal(links.astype(int) @ links @ links)
        return float(np.mean(triangles / (degree * (degree - 1))))

    def path_length(connect):
        return float(sparse.csgraph.shortest_path(connect.astype(float), unweighted=True).mean())

    ring, small, mixed = (wiring.small_world(n, k, p, sparse=False, seed=0) for p in (0.0, 0.02, 1.0))
    assert clustering(ring) == pytest.approx(3 * (k - 2) / (4 * (k - 1)))
    assert clustering(small) > 0.8 * clustering(ring) and clustering(mixed) < 0.1
    assert path_length(small) < 0.4 * path_length(ring) and path_length(mixed) < path_length(small)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_probabilities_fall_with_distance_as_exp(dimensions):
    positions = np.random.default_rng(0).random((700, dimensions))
    connect = wiring.distance(positions, scale=0.3, probability=0.6, seed=0).toarray()
    far = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    others = ~np.eye(700, dtype=bool)
    for low, high in ((0.0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.8)):
        ring = others & (far >= low) & (far < high)
        p = 0.6 * np.exp(-far[ring] / 0.3)
        assert abs(connect[ring].sum() - p.sum()) <= 5 * np.sqrt((p * (1 - p)).sum())
    assert not connect.diagonal().any()


def test_distance_is_the_same_in_pieces_and_never_holds_all_pairs(monkeypatch):
    positions = np.random.default_rng(0).random((3000, 2))
    tracemalloc.start()
    whole = wiring.distance(positions, scale=0.01, seed=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 45e6 < 3000 * 3000 * 8
    monkeypatch.setattr(wiring._graphs, "_CELLS", 10_000)
    np.testing.assert_array_equal(whole.indices, wiring.distance(positions, scale=0.01, seed=5).indices)


def test_distance_from_inputs_has_their_columns_and_may_have_its_diagonal():
    near = wiring.distance([0.0, 100.0], sources=[[0.0], [100.0], [100.0]], scale=0.1, sparse=False, seed=0)
    np.testing.assert_array_equal(near, [[True, False, False], [False, True, True]])


def test_layers_reach_the_next_layer_and_no_other():
    net = wiring.layered([3, 4, 2], n_inputs=5)
    first, second, third = net.groups.values()
    assert list(net.groups) == ["layer_0", "layer_1", "layer_2"]
    assert (first, second, third) == (slice(0, 3), slice(3, 7), slice(7, 9))
    between = np.zeros((9, 9), bool)
    between[second, first] = between[third, second] = True
    np.testing.assert_array_equal(net.connect_rec, between)
    assert net.connect_in[first].all() and not net.connect_in[3:].any()
    assert net.n_synapses == 3 * 5 + 4 * 3 + 2 * 4


def test_skips_feedback_and_recurrence_are_blocks():
    net = wiring.layered([3, 4, 2], n_inputs=5, skip=1, feedback=1.0, within=1.0)
    first, second, third = net.groups.values()
    assert net.connect_in[first].all() and net.connect_in[second].all() and not net.connect_in[third].any()
    expected = np.ones((9, 9), bool)
    expected[first, third] = False  # feedback leads one layer back
    np.fill_diagonal(expected, False)
    np.testing.assert_array_equal(net.connect_rec, expected)
    assert wiring.layered([1, 1, 1, 1], 1, skip=9).connect_rec.sum() == 6


def test_densities_of_layers_are_those_of_their_blocks():
    net = wiring.layered([60, 50], 40, density=0.3, feedback=0.2, within=0.1, seed=0)
    first, second = net.groups.values()
    rec = net.connect_rec
    assert within(net.connect_in[first].sum(), 60 * 40, 0.3) and not net.connect_in[second].any()
    assert within(rec[second, first].sum(), 50 * 60, 0.3) and within(rec[first, second].sum(), 60 * 50, 0.2)
    assert within(rec[first, first].sum(), 60 * 59, 0.1) and within(rec[second, second].sum(), 50 * 49, 0.1)
    again = wiring.layered([60, 50], 40, density=0.3, feedback=0.2, within=0.1, seed=0)
    np.testing.assert_array_equal(again.connect_rec, rec)
    np.testing.assert_array_equal(again.connect_in, net.connect_in)


@pytest.mark.parametrize(("fraction", "n_excitatory"), [(0.8, 80), (0.0, 0), (1.0, 100), (0.333, 33)])
def test_dale_has_its_share_of_excitatory_neurons_anywhere(fraction, n_excitatory):
    sign = wiring.dale(100, fraction, n_inputs=7, seed=0)
    assert sign.shape == (107,) and (sign[:7] == 0).all()
    assert (np.count_nonzero(sign == 1), np.count_nonzero(sign == -1)) == (n_excitatory, 100 - n_excitatory)
    np.testing.assert_array_equal(sign, wiring.dale(100, fraction, n_inputs=7, seed=0))
    excitatory = np.sum([wiring.dale(10, n_inputs=1, seed=seed)[1:] == 1 for seed in range(2000)], axis=0)
    assert all(within(count, 2000, 0.8) for count in excitatory)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.coo_array, sparse.csc_matrix])
def test_a_wiring_counts_what_is_there(kind):
    rng = np.random.default_rng(0)
    connect_in, connect_rec = rng.random((6, 4)) < 0.5, rng.random((6, 6)) < 0.5
    np.fill_diagonal(connect_rec, False)
    sign = [0, 0, 0, 0, 1, 1, 1, 1, -1, -1]
    net = Wiring(4, 6, connect_in=kind(connect_in), connect_rec=kind(connect_rec), sign=sign,
                 groups={"first": slice(3)})  # fmt: skip
    whole = np.concatenate([connect_in, connect_rec], axis=1)
    assert net.n_synapses == whole.sum()
    np.testing.assert_array_equal(net.fan_in, whole.sum(axis=1))
    np.testing.assert_array_equal(net.fan_out, whole.sum(axis=0))
    assert list(net.options()) == ["connect_in", "connect_rec", "sign"]
    with pytest.raises(AttributeError):
        net.sign = None
    again = pickle.loads(pickle.dumps(net))
    assert repr(again) == repr(net) and again.groups == net.groups
    np.testing.assert_array_equal(again.fan_in, net.fan_in)


def test_a_wiring_of_all_to_all_has_all_but_self_connections():
    net = Wiring(3, 5)
    assert (net.n_synapses, net.options()) == (5 * (3 + 4), {})
    np.testing.assert_array_equal(net.fan_in, [7] * 5)
    np.testing.assert_array_equal(net.fan_out, [5] * 3 + [4] * 5)


def test_repr_names_some_groups():
    cells = {f"cell {k}": slice(k, k + 1) for k in range(9)}
    assert repr(Wiring(1, 9, groups=cells)).endswith(
        "81 synapses; groups: cell 0, cell 1, cell 2, ..., cell 8>"
    )


def test_stored_zeros_are_synapses():
    """A first weight of 0 is a weight."""
    connect = sparse.coo_array(([0.0, 1.0], ([0, 1], [1, 0])), shape=(3, 3))
    assert Wiring(1, 3, connect_in=np.ones((3, 1), bool), connect_rec=connect).n_synapses == 5


TWICE = sparse.coo_array((np.ones(4), ([0, 2, 2, 2], [1, 0, 0, 0])), shape=(3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wiring.random(3, 3, 0.0), ValueError, r"density: expected a number in \(0, 1\], got 0.0"),
        (lambda: wiring.random(3, 3, 1.5), ValueError, r"density: expected a number in \(0, 1\], got 1.5"),
        (lambda: wiring.random(3, 3, float("nan")), ValueError, "density: expected a number in"),
        (lambda: wiring.random(3, 3, 0.5, sparse="csr"), TypeError, "sparse: expected True or False, got 'csr'"),
        (lambda: wiring.random(3, 3, 0.5, self_connections=1), TypeError, "self_connections: expected True or"),
        (lambda: wiring.random(0, 3, 0.5), ValueError, "n_post: expected at least 1, got 0"),
        (lambda: wiring.random(3, 2.0, 0.5), TypeError, "n_pre: expected an int, got 2.0"),
        (lambda: wiring.fixed_indegree(3, 3, 3), ValueError, "k: expected at most 2, .*beside the neuron itself"),
        (lambda: wiring.fixed_indegree(3, 4, 5), ValueError, "k: expected at most 4, as many .* there are, got 5"),
        (lambda: wiring.small_world(10, 3, 0.1), ValueError, r"k: expected an even number up to .*= 4, got 3"),
        (lambda: wiring.small_world(10, 6, 0.1), ValueError, r"k: expected an even number up to .*= 4, got 6"),
        (lambda: wiring.small_world(10, 4, -0.1), ValueError, r"p: expected a number in \[0, 1\], got -0.1"),
        (lambda: wiring.distance([[[0.0]]], scale=1.0), ValueError, r"positions: expected shape \(n, dim"),
        (lambda: wiring.distance([np.inf], scale=1.0), ValueError, "positions: expected finite numbers"),
        (lambda: wiring.distance([0.0], scale=0.0), ValueError, "scale: expected a finite length > 0, got 0.0"),
        (lambda: wiring.distance([0.0], scale=1.0, probability=2), ValueError, "probability: expected a number"),
        (
            lambda: wiring.distance([[0.0, 1.0]], sources=[0.0], scale=1.0),
            ValueError,
            "sources: expected 2 dimensions, as positions have, got 1",
        ),
        (lambda: wiring.dale(10, 1.2, n_inputs=1), ValueError, r"fraction_excitatory: expected a number in \[0"),
        (lambda: wiring.layered([], 3), ValueError, "sizes: expected at least one layer, got none"),
        (lambda: wiring.layered([3, 0], 3), ValueError, "sizes: expected .*at least 1, got 0"),
        (lambda: wiring.layered([3], 3, feedback=2), ValueError, r"feedback: expected a number in \[0, 1\]"),
        (lambda: wiring.layered([3], 3, skip=-1), ValueError, "skip: expected"),
        (
            lambda: Wiring(2, 3, connect_rec=np.eye(3, dtype=bool)),
            ValueError,
            "connect_rec: expected no synapse from a neuron to itself, got 3, first of neuron 0; .*drop_self",
        ),
        (
            lambda: Wiring(2, 3, connect_rec=sparse.csr_array(np.diag([0, 1, 1]))),
            ValueError,
            "connect_rec: .* itself, got 2, first of neuron 1",
        ),
        (
            lambda: Wiring(2, 3, connect_rec=TWICE),
            ValueError,
            r"connect_rec: expected each synapse once, got 2 of them again, first at index \(2, 0\)",
        ),
        (
            lambda: Wiring(2, 3, connect_in=np.ones((2, 3), bool)),
            ValueError,
            r"connect_in: expected shape \(3, 2\), neurons by sources, got \(2, 3\)",
        ),
        (lambda: Wiring(2, 3, connect_in=np.ones((3, 2))), TypeError, "connect_in: expected an array of bool"),
        (lambda: Wiring(2, 3, connect_rec=0.1), TypeError, r"connect_rec: .*random\(3, 3, density\) draws one"),
        (lambda: Wiring(2, 3, sign=[1, 1, 1]), ValueError, r"sign: expected shape \(5,\), .*got \(3,\)"),
        (lambda: Wiring(1, 2, sign=[0, 2, 1]), ValueError, "sign: expected 1, -1 or 0, got 2"),
        (lambda: Wiring(1, 2, sign=[0.0, 1.0, 1.0]), TypeError, "sign: expected an array of integers"),
        (lambda: Wiring(1, 2, groups={"a": 3}), TypeError, "groups: expected a slice for each name, got 'a': 3"),
        (lambda: Wiring(1, 2, groups={"a": slice(1, 3)}), ValueError, "groups: expected slices within 2 neurons"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_scipy_boolean_arrays_work_and_sparse_ones_name_the_extra():
    code = """
import sys
sys.modules["scipy"] = None
from eprop import wiring
assert wiring.random(4, 4, 0.5, sparse=False, seed=0).shape == (4, 4)
assert wiring.layered([2, 2], 3).n_synapses == 10
wiring.random(4, 4, 0.5)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert 'sparse arrays need SciPy, which is not installed: pip install "eprop[sparse]"' in done.stderr


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: wiring.random(9, 9, 0.5, seed=seed),
        lambda seed: wiring.fixed_indegree(9, 9, 2, seed=seed),
        lambda seed: wiring.small_world(9, 2, 0.1, seed=seed),
        lambda seed: wiring.dale(9, n_inputs=2, seed=seed),
    ],
)
@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), ("a", TypeError), (1.5, TypeError)])
def test_seeds_are_named(draw, seed, error):
    with pytest.raises(error, match="seed: expected"):
        draw(seed)


def test_groups_that_are_no_dict_are_named():
    with pytest.raises(
        TypeError, match=r"groups: expected a dict with a slice for each name, got \[1\] \(list\)"
    ):
        wiring.Wiring(2, 3, groups=[1])
