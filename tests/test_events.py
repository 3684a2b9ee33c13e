"""Spikes as events: what is taken for them, and what the compiled trainers are handed."""

import numpy as np
import pytest
from helpers import assert_same_bits
from rules import KINDS, build, rejects

import eprop
from eprop._events import as_inputs, as_step

N = 6  # inputs
SEQUENCES = ("eprop", "stack")
TIMES, UNITS = np.array([4, 0, 4, 2, 4]), np.array([5, 1, 0, 3, 5])


def dense(events):
    """The dense array that the events stand for."""
    rows = np.zeros((len(events.indptr) - 1, N))
    for t in range(len(rows)):
        step = slice(events.indptr[t], events.indptr[t + 1])
        np.add.at(rows[t], events.units[step], 1.0 if events.values is None else events.values[step])
    return rows


def from_pairs(times, units, n_steps):
    rows = np.zeros((n_steps, N))
    np.add.at(rows, (times, units), 1.0)
    return rows


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.uint64, ">i4"])
@pytest.mark.parametrize("n_steps", [5, 9])
def test_pairs_in_any_order_and_of_any_integer(dtype, n_steps):
    pair = TIMES.astype(dtype), UNITS.astype(dtype)
    expected = from_pairs(TIMES, UNITS, n_steps)
    np.testing.assert_array_equal(dense(as_inputs(pair, N, n_steps)), expected)
    np.testing.assert_array_equal(dense(as_inputs((*pair, n_steps), N)), expected)
    strided = tuple(np.repeat(a, 2)[::2] for a in pair)
    np.testing.assert_array_equal(dense(as_inputs(strided, N, n_steps)), expected)


def test_the_spikes_of_a_step_keep_their_order():
    events = as_inputs((TIMES, UNITS), N, 5)
    assert events.units.tolist() == [1, 3, 5, 0, 5]
    assert events.indptr.tolist() == [0, 1, 1, 2, 2, 5]
    assert events.indptr.dtype == events.units.dtype == np.int64


def test_spikes_in_order_are_not_copied():
    units = np.arange(5)
    assert as_inputs((np.arange(5), units), N, 5).units is units


@pytest.mark.parametrize("nothing", [np.array([]), np.array([], int)])
def test_no_spikes_are_events_too(nothing):
    np.testing.assert_array_equal(dense(as_inputs((nothing, nothing), N, 3)), np.zeros((3, N)))
    assert as_step((nothing,))[0].shape == (0,)
    assert as_step(([],))[0].dtype == np.int64


@pytest.mark.parametrize(
    ("value", "n_steps", "error", "message"),
    [
        ((TIMES, UNITS[:-1]), 5, ValueError, "times and units of one length, got 5 and 4"),
        ((TIMES, UNITS), 4, ValueError, "times of 0 to 3, got 4 at index 0"),
        ((TIMES - 1, UNITS), 5, ValueError, "times of 0 to 4, got -1 at index 1"),
        ((TIMES.astype(np.uint64) + np.uint64(2**63), UNITS), 5, ValueError, "got 9223372036854775807 at"),
        ((TIMES, UNITS), 0, ValueError, "at least one step, got n_steps = 0"),
        ((TIMES, UNITS, 0), None, ValueError, "at least one step, got n_steps = 0"),
        ((TIMES, UNITS, -1), None, ValueError, "at least one step, got n_steps = -1"),
        ((TIMES, UNITS, 5.0), None, TypeError, "with an int, got n_steps = 5.0"),
        ((TIMES, UNITS, True), None, TypeError, "with an int, got n_steps = True"),
        ((TIMES, UNITS, None), None, TypeError, "with an int, got n_steps = None"),
        ((TIMES, UNITS, "5"), None, TypeError, "with an int, got n_steps = '5'"),
        ((TIMES, UNITS), None, ValueError, r"\(times, units, n_steps\).*got \(times, units\)"),
    ],
)
def test_bad_events_are_refused(value, n_steps, error, message):
    with pytest.raises(error, match=f"inputs: .*{message}"):
        as_inputs(value, N, n_steps)


@pytest.mark.parametrize(
    "rows",
    [
        ([0, 1, 0], [1, 0, 0]),
        (np.array([0.0, 1.0]), np.array([1.0, 0.0])),
        (np.array([True, False]), np.array([True, True])),
        (np.array([0, 1]), np.array([1, 1]), np.array([0, 0])),
        (np.array([0, 1]), np.array([1, 1]), [0, 0]),
        (np.eye(3, dtype=int), np.eye(3, dtype=int)),
        ((0, 1), (1, 0)),
    ],
)
def test_rows_are_a_dense_array_as_before(rows):
    got = as_inputs(rows, len(rows[0]), n_steps=9)
    np.testing.assert_array_equal(got, np.asarray(rows, dtype=float))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("family", ["array", "matrix"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, np.float64])
def test_sparse_matrices_of_every_format(kind, family, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    expected = np.random.default_rng(0).integers(0, 2, (9, N)).astype(dtype)
    if dtype not in (bool, np.int8):
        expected *= np.linspace(-1, 1, N, dtype=dtype)
    events = as_inputs(getattr(sparse, f"{kind}_{family}")(expected), N)
    np.testing.assert_array_equal(dense(events), expected)
    assert events.values.dtype == dtype  # the compiled trainer converts


def test_sparse_duplicates_stay_in_their_order_and_the_matrix_as_it_was():
    sparse = pytest.importorskip("scipy.sparse")
    data, rows, units = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 0, 1, 1]), np.array([2, 1, 2, 2])
    coo = sparse.coo_array((data, (rows, units)), shape=(2, N))
    csr = sparse.csr_array((data, units, [0, 1, 4]), shape=(2, N))
    assert as_inputs(coo, N).values.tolist() == [0.2, 0.1, 0.3, 0.4]
    assert np.shares_memory(as_inputs(csr, N).values, csr.data)
    assert coo.nnz == csr.nnz == 4


def test_bad_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for matrix, error, message in [
        (sparse.csr_array((3, N + 1)), ValueError, rf"expected shape \(T, {N}\), got \(3, {N + 1}\)"),
        (sparse.csr_array((0, N)), ValueError, "at least one step"),
        (sparse.coo_array((0, N)), ValueError, "at least one step"),
        (sparse.coo_array(np.ones((2, N), complex)), TypeError, "real numbers, got dtype complex128"),
    ]:
        with pytest.raises(error, match=f"inputs: .*{message}"):
            as_inputs(matrix, N)


@pytest.mark.parametrize(
    ("x", "units"),
    [
        ((np.array([1, 1, 3], np.uint8),), [1, 1, 3]),
        ((np.array([], int),), []),
        ((np.arange(N),), list(range(N))),
        (([2, 2],), [2, 2]),
        ((range(3),), [0, 1, 2]),
    ],
)
def test_indices_of_one_step(x, units):
    (got,) = as_step(x)
    assert got.dtype.kind in "iu" and got.tolist() == units


@pytest.mark.parametrize(
    "x",
    [
        np.arange(N),
        np.array([1, 1, 3]),
        np.array([1, 1, 3], np.uint8),
        np.array([], int),
        [0, 1],
        [0] * N,
        np.zeros(3),
        np.ones(3, bool),
        np.zeros((2, 3), int),
        np.array(1),
        1,
        "a",
    ],
)
def test_an_array_alone_is_always_values(x):
    if isinstance(x, str):
        with pytest.raises(TypeError, match="x: expected an array of real numbers"):
            as_step(x)
    else:
        np.testing.assert_array_equal(as_step(x), np.asarray(x, float))


def test_a_tuple_of_one_number_is_a_vector_of_one_number():
    np.testing.assert_array_equal(as_step((1,)), [1.0])
    np.testing.assert_array_equal(as_step((np.float64(1),)), [1.0])


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ((np.array([0.5]),), TypeError, "indices, got dtype float64"),
        ((np.array([True]),), TypeError, "indices, got dtype bool"),
        (([[1], [2, 3]],), TypeError, "expected an array"),
        (("a",), TypeError, "indices"),
        ((np.zeros((2, 2), int),), ValueError, r"indices of shape \(n_spikes,\), got \(2, 2\)"),
    ],
)
def test_bad_indices_are_refused(x, error, message):
    with pytest.raises(error, match=f"x: .*{message}"):
        as_step(x)


def random_events(seed, n_steps=40, n_inputs=N):
    """Pairs in any order with duplicates, the dense array, and targets."""
    rng = np.random.default_rng(seed)
    n_spikes = n_steps * n_inputs // 2
    times, units = rng.integers(0, n_steps, n_spikes), rng.integers(0, n_inputs, n_spikes)
    rows = np.zeros((n_steps, n_inputs))
    np.add.at(rows, (times, units), 1.0)
    assert rows.max() > 1
    return times, units, rows, rng.dirichlet(np.ones(3), size=n_steps)


def both(kind, call_dense, call_events, **options):
    """The same results, and the same bits left behind."""
    one, other = build(kind, **options), build(kind, **options)
    assert_same_bits({"got": call_events(other)}, {"got": call_dense(one)})
    assert one.state_equal(other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_events_have_the_bits_of_the_vector(kind, dtype):
    times, units, rows, _ = random_events(1)
    one, other = build(kind, dtype=dtype), build(kind, dtype=dtype)
    for t, x in enumerate(rows):
        got, expected = other.step((units[times == t],)), one.step(x)
        if kind == "layer":
            got, expected = {"spikes": got}, {"spikes": expected}
        assert_same_bits(got, expected)
    assert one.state_equal(other)


@pytest.mark.parametrize("options", [{}, {"update_every": 7}, {"update_every": "sequence"}], ids=str)
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences_of_events_have_the_bits_of_the_array(kind, options):
    times, units, rows, y = random_events(2)
    pair, triple = (times, units), (times, units, len(rows))
    for events in (pair, triple):
        both(kind, lambda m: m.train_sequence(rows, y), lambda m, e=events: m.train_sequence(e, y), **options)
        both(
            kind,
            lambda m: np.concatenate([np.ravel(g) for g in _flat(m.gradients(rows, y))]),
            lambda m, e=events: np.concatenate([np.ravel(g) for g in _flat(m.gradients(e, y))]),
            **options,
        )
    both(kind, lambda m: m.predict_sequence(rows), lambda m: m.predict_sequence(triple), **options)


def _flat(gradients):
    for value in gradients.values():
        yield from value if isinstance(value, list) else [value]


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_cut_stream_of_events_has_the_bits_of_the_whole(kind):
    times, units, rows, y = random_events(3)
    one, other = build(kind), build(kind)
    one.train_sequence(rows, y, reset=False)
    for part in (slice(0, 1), slice(1, 17), slice(17, 40)):
        inside = (part.start <= times) & (times < part.stop)
        other.train_sequence((times[inside] - part.start, units[inside]), y[part], reset=False)
    assert one.state_equal(other)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_calibration_on_events_finds_the_same_factor(kind):
    times, units, rows, _ = random_events(4, n_steps=500)
    both(kind, lambda m: m.calibrate(rows), lambda m: m.calibrate((times, units, len(rows))))


def test_streams_take_events():
    times, units, rows, y = random_events(5)
    one, other = build("eprop"), build("eprop")
    list(one.train_stream(zip(rows, y, strict=True)))
    list(other.train_stream(((units[times == t],), target) for t, target in enumerate(y)))
    assert one.state_equal(other)


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int16, bool])
@pytest.mark.parametrize("format", ["csr", "coo", "csc"])
def test_sparse_sequences_have_the_bits_of_the_array(kind, dtype, given, format):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(6)
    rows = (rng.random((40, N)) * (rng.random((40, N)) < 0.4)).astype(given)
    y = rng.random((40, 3))
    matrix = getattr(sparse, f"{format}_array")(rows)
    both(kind, lambda m: m.train_sequence(rows, y), lambda m: m.train_sequence(matrix, y), dtype=dtype)


@pytest.mark.parametrize("format", ["csr", "coo"])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_duplicates_in_sparse_matrices_add_up_as_in_the_array(format, given):
    sparse = pytest.importorskip("scipy.sparse")
    times, units, rows, y = random_events(7)
    values = np.random.default_rng(7).normal(size=len(times)).astype(given)
    values[5] = 0.0  # stored, and silent
    matrix = sparse.coo_array((values, (times, units)), shape=rows.shape)
    if format == "csr":  # by hand, since SciPy adds up on the way
        order = np.argsort(times, kind="stable")
        indptr = np.searchsorted(times[order], np.arange(len(rows) + 1))
        matrix = sparse.csr_array((values[order], units[order], indptr), shape=rows.shape)
    before = matrix.data.copy()
    both("eprop", lambda m: m.train_sequence(matrix.toarray(), y), lambda m: m.train_sequence(matrix, y))
    np.testing.assert_array_equal(matrix.data, before)


def test_no_dense_array_is_made():
    trainer = eprop.EpropTrainer(100_000, 2, 1)
    times, units = np.array([3, 9_999]), np.array([99_999, 4])
    with pytest.warns(eprop.FiringRateWarning):  # 4 GB, if it were
        trainer.train_sequence((times, units), np.zeros((10_000, 1)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [N, -1, 2**40, -(2**40)])
def test_units_that_do_not_exist_are_refused(kind, unit):
    expected = f"expected units of 0 to {N - 1}, got {unit}"
    rejects(kind, lambda m: m.step((np.array([0, unit]),)), ValueError, f"x: {expected}")
    if kind == "layer":
        return
    events = np.array([3, 1]), np.array([unit, 0])
    rejects(
        kind,
        lambda m: m.train_sequence(events, np.zeros((5, 3))),
        ValueError,
        f"inputs: {expected} at step 3",
    )
    rejects(kind, lambda m: m.predict_sequence((*events, 5)), ValueError, f"inputs: {expected} at step 3")


@pytest.mark.parametrize("kind", SEQUENCES)
def test_events_and_targets_are_of_one_length(kind):
    events = np.array([3, 1]), np.array([0, 0]), 5
    for call in ("train_sequence", "gradients"):
        rejects(
            kind,
            lambda m, call=call: getattr(m, call)(events, np.zeros((6, 3))),
            ValueError,
            "targets: expected shape (5, 3), got (6, 3)",
        )
        rejects(
            kind,
            lambda m, call=call: getattr(m, call)(events[:2], np.zeros((6, 4))),
            ValueError,
            "targets: expected shape (6, 3), got (6, 4)",
        )


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_sparse_values_are_finite(kind, value):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(([1.0, value], ([1, 3], [0, 2])), shape=(5, N))
    rejects(kind, lambda m: m.predict_sequence(matrix), ValueError, "inputs: expected finite", "at step 3")


def test_damaged_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for indptr in ([0, 2, 1, 2, 2, 2], [0, 1, 1, 1, 1, 9], [-1, 0, 0, 0, 1, 2]):
        matrix = sparse.csr_array((np.ones(2), np.array([0, 1]), np.array([0, 1, 2, 2, 2, 2])), shape=(5, N))
        matrix.indptr = np.array(indptr)
        rejects("eprop", lambda m, x=matrix: m.predict_sequence(x), ValueError, "inputs: expected")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("x", [np.array([0]), np.array([1, 2, 5]), np.array([], int), np.ones(N - 1)])
def test_a_vector_of_the_wrong_length_is_no_events(kind, x):
    message = f"x: expected shape ({N},), got ({len(x)},)"
    rejects(kind, lambda m: m.step(x), ValueError, message, "(units,)")
    if kind != "layer":
        rejects(kind, lambda m: list(m.train_stream([(x, None)])), ValueError, message, "(units,)")


def test_one_input_takes_its_value_from_an_array_of_one_number():
    one, other = eprop.EpropTrainer(1, 4, 1), eprop.EpropTrainer(1, 4, 1)
    assert_same_bits(one.step(np.array([0])), other.step([0.0]))
    assert one.state_equal(other)


def odd(dtype, *shape):
    """An empty array at an odd address, as joblib makes them."""
    return np.ndarray(shape, dtype, buffer=bytearray(10), offset=1)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, float])
@pytest.mark.parametrize("kind", KINDS)
def test_no_spikes_at_any_address(kind, dtype):
    empty = odd(dtype, 0)
    one, other = build(kind), build(kind)
    one.step(np.zeros(N))
    other.step((empty,))
    if kind != "layer":
        one.predict_sequence(np.zeros((4, N)))
        other.predict_sequence((empty, empty, 4))
        one.train_sequence(np.zeros((4, N)), np.full((4, 3), 1 / 3))
        other.train_sequence((empty, empty), np.full((4, 3), 1 / 3))
    assert one.state_equal(other)


def test_no_spikes_of_a_sparse_matrix_at_any_address():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array((4, N))
    matrix.indices, matrix.data = odd(np.int32, 0), odd(float, 0)
    assert_same_bits(
        {"y": build("eprop").predict_sequence(matrix)},
        {"y": build("eprop").predict_sequence(np.zeros((4, N)))},
    )


@pytest.mark.parametrize("kind", SEQUENCES)
def test_other_empty_arrays_at_an_odd_address_are_of_the_wrong_shape(kind):
    x, y = np.zeros((4, N)), np.zeros((4, 3))
    for call, message in [
        (lambda m: m.step(odd(float, 0)), "x: expected shape"),
        (lambda m: m.step(x[0], odd(np.float32, 0)), "target: expected shape"),
        (lambda m: m.predict_sequence(odd(float, 0, N)), "inputs: expected at least one step"),
        (lambda m: m.train_sequence(x, odd(np.float32, 0, 3)), "targets: expected shape (4, 3), got (0, 3)"),
        (lambda m: m.train_sequence(x, y, mask=odd(bool, 0)), "mask: expected shape (4,), got (0,)"),
    ]:
        rejects(kind, call, ValueError, message)
    if kind == "eprop":
        rejects(kind, lambda m: setattr(m, "W_in", odd(np.float32, 0, N)), ValueError, "W_in: expected shape")


class FromElsewhere:
    """A sparse matrix as the package `sparse` has it: it converts to SciPy's, and has no coordinates of its kind."""

    format = "coo"

    def __init__(self, matrix, error=None):
        self.matrix, self.shape, self.error = matrix, matrix.shape, error

    def to_scipy_sparse(self):
        if self.error is not None:
            raise self.error
        return self.matrix

    tocsr = to_scipy_sparse

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("cannot convert a sparse array to dense")


class Compressed(FromElsewhere):
    def tocoo(self):
        return self


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("family", [FromElsewhere, Compressed])
def test_sparse_matrices_that_convert_to_those_of_scipy(kind, family):
    sparse = pytest.importorskip("scipy.sparse")
    times, units, rows, y = random_events(8)
    matrix = family(sparse.coo_array((np.ones(len(times)), (times, units)), shape=rows.shape))
    both(kind, lambda m: m.train_sequence(rows, y), lambda m: m.train_sequence(matrix, y))
    broken = family(matrix.matrix, ModuleNotFoundError("no scipy"))
    rejects(kind, lambda m: m.predict_sequence(broken), TypeError, "inputs: ", "no scipy", "events")
    rejects(kind, lambda m: m.train_sequence(rows, matrix), TypeError, "targets: ", "cannot convert")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sparse_row_is_told_what_a_step_takes(kind):
    sparse = pytest.importorskip("scipy.sparse")
    for row in (sparse.csr_array(np.eye(N)[:1]), sparse.coo_matrix(np.eye(N)[:1])):
        rejects(kind, lambda m, x=row: m.step(x), TypeError, "x: ", "events (units,)", "toarray()")


def test_sparse_targets_and_weights_are_told_to_be_dense():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.eye(4, 3))
    zeros = np.zeros((4, N))
    rejects(
        "eprop", lambda m: m.train_sequence(zeros, matrix), TypeError, "targets: ", "sparse", ".toarray()"
    )
    rejects("eprop", lambda m: setattr(m, "W_in", matrix), TypeError, "W_in: ", "sparse", ".toarray()")


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize(
    ("events", "error"),
    [
        ((TIMES.tolist(), UNITS.tolist()), ValueError),
        ((TIMES.tolist(), UNITS.tolist(), 5), TypeError),
        (np.stack([TIMES, UNITS]), ValueError),
        (np.stack([TIMES, UNITS], axis=1), ValueError),
        ((TIMES.astype(float), UNITS), ValueError),
        ((TIMES.astype(float), UNITS, 5), TypeError),
        ((TIMES, UNITS[:-1].tolist()), TypeError),
    ],
)
def test_what_may_have_been_meant_for_events_is_told_how_they_look(kind, events, error):
    y = np.full((5, 3), 1 / 3)
    rejects(kind, lambda m: m.train_sequence(events, y), error, "inputs: ", "(times, units)")
    rejects(kind, lambda m: m.predict_sequence(events), error, "inputs: ", "(times, units, n_steps)")


@pytest.mark.parametrize("n_steps", [10**18, 2**63 - 1, 2**64 - 1, 10**30])
def test_more_steps_than_memory_holds(n_steps):
    nothing = np.array([], int)
    rejects(
        "eprop",
        lambda m: m.predict_sequence((nothing, nothing, n_steps)),
        MemoryError,
        f"inputs: expected as many steps as fit into memory, got events with n_steps = {n_steps}",
    )


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("pair", [list, tuple, np.array])
def test_pairs_as_long_as_there_are_inputs_are_told_how_events_look(kind, pair):
    """Two rows of as many numbers as there are inputs are a sequence of two steps; its targets say that it was none."""
    y = np.full((5, 3), 1 / 3)
    indices = pair([list(range(N)), list(range(N))])
    rejects(
        kind,
        lambda m: m.train_sequence(indices, y),
        ValueError,
        "inputs: ",
        "got shape (2, 6)",
        "(times, units)",
    )


@pytest.mark.parametrize("items", [[np.array([0, 1]), np.array([1])], [(np.array([0, 1]),), np.zeros(N)]])
def test_indices_of_several_streams_are_told_how_they_look(items):
    rejects("eprop", lambda m: m.step(items), TypeError, "x: ", "(units,)", batch_size=2)


def test_sparse_masks_and_lengths_are_told_to_be_dense():
    sparse = pytest.importorskip("scipy.sparse")
    data = np.zeros((4, N)), np.zeros((4, 3))
    mask = sparse.csr_array(np.ones((1, 4), bool))
    rejects(
        "eprop", lambda m: m.train_sequence(*data, mask=mask), TypeError, "mask: ", "sparse", ".toarray()"
    )


@pytest.mark.parametrize("kind", SEQUENCES)
def test_arrays_of_the_package_sparse(kind):
    package = pytest.importorskip("sparse")
    _, _, rows, y = random_events(8)
    for family in (package.COO, package.GCXS):
        matrix = family.from_numpy(rows)
        both(kind, lambda m: m.train_sequence(rows, y), lambda m, x=matrix: m.train_sequence(x, y))
    unlike = package.DOK.from_numpy(rows)  # of no form that converts to SciPy's
    rejects(kind, lambda m: m.train_sequence(unlike, y), TypeError, "inputs: ", "todense")
    row, targets = package.COO.from_numpy(rows[0]), package.COO.from_numpy(y)
    rejects(kind, lambda m: m.step(row), TypeError, "x: ", "(units,)")
    rejects(kind, lambda m: m.train_sequence(rows, targets), TypeError, "targets: ", "todense")
    rejects(
        kind,
        lambda m: m.train_sequence(package.COO.from_numpy(np.stack([rows, rows])), y),
        ValueError,
        "inputs: ",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_sign_of_a_zero_makes_no_difference(kind):
    """Whichever way zeros came: as 0, as -0, or as no event."""
    ways = [np.where(np.arange(N) == 2, 1.0, zero) for zero in (0.0, -0.0)] + [(np.array([2]),)]
    models = [build(kind) for _ in ways]
    for model, x in zip(models, ways, strict=True):
        model.step(x)
    assert models[0].state_equal(models[1]) and models[0].state_equal(models[2])
    if kind != "layer":
        y = np.zeros((3, 3)) + (1 / 3)
        for model, x in zip(
            models,
            [np.zeros((3, N)), -np.zeros((3, N)), (np.array([], int), np.array([], int), 3)],
            strict=True,
        ):
            model.train_sequence(x, y, reset=False)
        assert models[0].state_equal(models[1]) and models[0].state_equal(models[2])
