"""What may be handed over, and what happens when it may not: nothing has changed."""

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_bits, snapshot
from rules import KINDS, N_INPUTS, N_OUTPUTS, N, build, rejects

import eprop

T = 10
NAN, INF = float("nan"), float("inf")
pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def x_with(value, shape=(T, N_INPUTS)):
    x = np.zeros(shape)
    x.flat[x.size // 2] = value
    return x


def bad_arrays(*shape):
    """(array, exception, what the message says) for an argument of this shape."""
    text = "(" + ", ".join(map(str, shape)) + (",)" if len(shape) == 1 else ")")
    wrong = (*shape[:-1], shape[-1] + 1)
    got = "(" + ", ".join(map(str, wrong)) + (",)" if len(shape) == 1 else ")")
    yield np.zeros(wrong), ValueError, (f"expected shape {text}", f"got {got}")
    yield np.zeros((2, *shape)), ValueError, (f"expected shape {text}", "got (2, ")
    yield 0.5, ValueError, (f"expected shape {text}", "got ()")
    yield x_with(NAN, shape), ValueError, ("expected finite", "got NaN")
    yield x_with(INF, shape), ValueError, ("expected finite", "got inf")
    yield x_with(-INF, shape), ValueError, ("expected finite", "got -inf")
    yield np.zeros(shape, dtype=complex), TypeError, ("expected", "complex")
    yield np.full(shape, "a"), TypeError, ("expected", "got")
    yield np.full(shape, None), TypeError, ("expected", "got")
    yield "spikes", TypeError, ("expected", "got")
    yield object(), TypeError, ("expected", "got")
    yield np.zeros(shape, dtype="datetime64[s]"), TypeError, ("expected", "got")


def any_T(message):
    """Sequence arguments are documented with the letter T where the length is free."""
    return tuple(part.replace(f"shape ({T}, ", "shape (T, ") for part in message)


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("kind", KINDS)
def test_step_rejects(kind, case):
    array, error, message = list(bad_arrays(N_INPUTS))[case]
    rejects(kind, lambda m: m.step(array), error, "x: ", *message)


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_step_rejects_targets(kind, case):
    array, error, message = list(bad_arrays(N_OUTPUTS))[case]
    rejects(kind, lambda m: m.step(np.zeros(N_INPUTS), array), error, "target: ", *message)


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("call", ["train_sequence", "gradients", "predict_sequence", "calibrate"])
@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_sequences_reject_inputs(kind, call, case):
    array, error, message = list(bad_arrays(T, N_INPUTS))[case]
    if call == "calibrate" and np.ndim(array) == 3:
        array = array[None]  # it takes any number of sequences
        message = ("(T, 6) or (S, T, 6)", "got (1, 2, ")
    targets = (np.zeros((T, N_OUTPUTS)),) if call in ("train_sequence", "gradients") else ()
    rejects(kind, lambda m: getattr(m, call)(array, *targets), error, "inputs: ", *any_T(message))


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("call", ["train_sequence", "gradients"])
@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_sequences_reject_targets(kind, call, case):
    array, error, message = list(bad_arrays(T, N_OUTPUTS))[case]
    inputs = np.zeros((T, N_INPUTS))
    rejects(kind, lambda m: getattr(m, call)(inputs, array), error, "targets: ", *message)


@pytest.mark.parametrize("call", ["train_sequence", "gradients"])
@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("length", [T - 1, T + 1])
def test_targets_are_as_long_as_inputs(kind, call, length):
    rejects(
        kind,
        lambda m: getattr(m, call)(np.zeros((T, N_INPUTS)), np.zeros((length, N_OUTPUTS))),
        ValueError,
        f"targets: expected shape ({T}, {N_OUTPUTS}), got ({length}, {N_OUTPUTS})",
    )


@pytest.mark.parametrize("call", ["train_sequence", "gradients", "predict_sequence", "calibrate"])
@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_no_steps_is_no_sequence(kind, call):
    targets = (np.zeros((0, N_OUTPUTS)),) if call in ("train_sequence", "gradients") else ()
    rejects(
        kind,
        lambda m: getattr(m, call)(np.zeros((0, N_INPUTS)), *targets),
        ValueError,
        "inputs: expected at least one step",
        ", got ",
    )


@pytest.mark.parametrize("call", ["train_sequence", "gradients"])
@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(T), TypeError, ("mask: expected", "bool", "got")),
        (np.ones(T, dtype=int), TypeError, ("mask: expected", "bool", "got")),
        ([1] * T, TypeError, ("mask: expected", "bool", "got")),
        ("mask", TypeError, ("mask: expected", "bool", "got")),
        ([[True], [True, False]], TypeError, ("mask: expected an array of bool", "got")),
        (np.ones(T + 1, bool), ValueError, (f"mask: expected shape ({T},), got ({T + 1},)",)),
        (np.ones((T, 1), bool), ValueError, (f"mask: expected shape ({T},), got ({T}, 1)",)),
    ],
)
def test_masks(kind, call, mask, error, message):
    data = np.zeros((T, N_INPUTS)), np.zeros((T, N_OUTPUTS))
    rejects(kind, lambda m: getattr(m, call)(*data, mask=mask), error, *message)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.5, 0.1], "rows that sum to 1"),
        ([0.0, 0.0, 0.0], "rows that sum to 1"),
        ([0.5, 0.5, 2e-4], "rows that sum to 1"),
        ([1.1, -0.1, 0.0], ">= 0"),
    ],
)
def test_cross_entropy_targets_are_distributions(kind, row, message):
    x = np.zeros(N_INPUTS)
    options = {"loss": "cross_entropy"}
    rejects(kind, lambda m: m.step(x, row), ValueError, "target: ", message, "got", **options)
    rows = np.tile([0.2, 0.3, 0.5], (T, 1))
    rows[7] = row
    for call in ("train_sequence", "gradients"):
        rejects(
            kind,
            lambda m, call=call: getattr(m, call)(np.zeros((T, N_INPUTS)), rows),
            ValueError,
            "targets: ",
            message,
            "at step 7",
            **options,
        )


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_cross_entropy_rows_may_miss_1_by_a_rounding(kind):
    model = build(kind, loss="cross_entropy")
    assert np.isfinite(model.step(np.zeros(N_INPUTS), [0.5, 0.5, 5e-5])["loss"])
    unmasked = np.full((T, N_OUTPUTS), NAN)
    unmasked[0] = [0.0, 1.0, 0.0]
    mask = np.arange(T) == 0
    assert np.isfinite(model.train_sequence(np.zeros((T, N_INPUTS)), unmasked, mask=mask))


@pytest.mark.parametrize("signal_call", ["apply_learning_signal", "propagate"])
@pytest.mark.parametrize("case", range(12))
def test_layer_rejects_signals(signal_call, case):
    array, error, message = list(bad_arrays(N))[case]
    rejects("layer", lambda m: getattr(m, signal_call)(array), error, "signal: ", *message)


SHAPES = {
    "W_in": (N, N_INPUTS),
    "W_rec": (N, N),
    "W_out": (N_OUTPUTS, N),
    "b": (N_OUTPUTS,),
    "B": (N, N_OUTPUTS),
}


@pytest.mark.parametrize("case", range(12))
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_weights_reject(name, case):
    array, error, message = list(bad_arrays(*SHAPES[name]))[case]
    if name == "W_rec" and case in (3, 4, 5):  # off the diagonal
        array = np.zeros((N, N))
        array[1, 2] = [NAN, INF, -INF][case - 3]
    options = {"readout_bias": True, "feedback": "random"}
    rejects("eprop", lambda m: setattr(m, name, array), error, f"{name}: ", *message, **options)


@pytest.mark.parametrize("case", range(12))
def test_layer_weights_reject(case):
    array, error, message = list(bad_arrays(N, N_INPUTS))[case]
    rejects("layer", lambda m: setattr(m, "W", array), error, "W: ", *message)
    rejects("stack", lambda m: setattr(m.layers[0], "W", array), error, "W: ", *message)


def test_the_diagonal_of_W_rec_stays_zero():
    def own(m):
        m.W_rec = np.eye(N)

    rejects("eprop", own, ValueError, "W_rec: expected", "diagonal", "got 1")


def test_W_rec_of_what_it_reads_is_fine():
    model = build("eprop")
    model.W_rec = 2.0 * model.W_rec
    assert np.abs(model.W_rec).max() > 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.longdouble),
        lambda x: x.astype(">f8"),
        lambda x: x.astype(ml_dtypes.bfloat16),
        lambda x: x.astype(ml_dtypes.float8_e4m3fn),
        lambda x: x.astype(int),
        lambda x: x.astype(np.int8),
        lambda x: x.astype(np.int16),
        lambda x: x.astype(np.int32),
        lambda x: x.astype(">i4"),
        lambda x: x.astype(np.uint8),
        lambda x: x.astype(np.uint16),
        lambda x: x.astype(np.uint32),
        lambda x: x.astype(np.uint64),
        lambda x: np.ma.array(x),
        lambda x: np.ma.array(x, mask=False),
        lambda x: pd.Series(x),
        lambda x: pd.Series(x, dtype="Float64"),
        lambda x: x.astype(bool),
        lambda x: x.tolist(),
        lambda x: tuple(x.tolist()),
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x[::-1].copy()[::-1],
    ],
)
def test_anything_that_reads_as_a_real_array(kind, convert):
    a, b = build(kind), build(kind)
    x = (np.arange(N_INPUTS) % 2).astype(float)
    a.step(x)
    b.step(convert(x))
    assert_same_bits(snapshot(a), snapshot(b))


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_sequences_in_any_layout(kind):
    a, b = build(kind), build(kind)
    rng = np.random.default_rng(0)
    x, y = rng.random((T, N_INPUTS)), rng.random((T, N_OUTPUTS))
    a.train_sequence(x, y)
    b.train_sequence(np.asfortranarray(x), y[::-1].tolist()[::-1])
    assert_same_bits(snapshot(a), snapshot(b))


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "given",
    [
        bool,
        *"bhilBHILefdg",
        ">f4",
        ">f8",
        ">i2",
        ">u8",
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e4m3fn,
    ],
)
def test_every_dtype_and_layout_has_the_bits_of_numpys_conversion(kind, dtype, given):
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (T, N_INPUTS)) * rng.random((T, N_INPUTS)) * 8
    x = x.astype(given) if np.dtype(given).kind != "u" else np.abs(x).astype(given)
    y = rng.random((T, N_OUTPUTS))
    one = build(kind, dtype=dtype)
    one.train_sequence(x.astype(dtype), y)
    for laid_out in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1]):
        other = build(kind, dtype=dtype)
        other.train_sequence(laid_out, y)
        assert one.state_equal(other)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("sign", [1, -1])
def test_whole_numbers_are_rounded_once(kind, sign):
    """On the way through float64 this one would end half a unit of float32 away."""
    number = 2**60 + 2**36 + 1
    assert np.float32(np.float64(number)) != np.array(number).astype(np.float32)
    numbers = np.full(N_OUTPUTS, sign * number)
    x = np.ones(N_INPUTS)
    one, other = (build(kind, lr=1e-30) for _ in range(2))
    assert one.step(x, numbers)["loss"] == other.step(x, numbers.astype(np.float32))["loss"]
    assert one.state_equal(other)
    assert (
        one.gradients(x[None], numbers[None])["loss"]
        == (other.gradients(x[None], numbers[None].astype(np.float32))["loss"])
    )


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_float16_is_itself(kind, dtype):
    """All finite ones: subnormal numbers, zeros of both signs, the largest."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = np.resize(every[np.isfinite(every)], (2**16 // N_INPUTS, N_INPUTS))
    one, other = (build(kind, dtype=dtype, threshold=1e30) for _ in range(2))
    one.predict_sequence(x)
    other.predict_sequence(x.astype(dtype))
    assert one.state_equal(other)
    for bad in (np.inf, -np.inf, np.nan):
        with pytest.raises(ValueError, match="x: expected finite"):
            one.step(np.full(N_INPUTS, bad, np.float16))


@pytest.mark.parametrize("kind", KINDS)
def test_masked_arrays_are_refused(kind):
    numbers = np.ones((T, N_INPUTS))
    masked = np.ma.array(numbers, mask=numbers > 2)
    masked[7, 3] = np.ma.masked
    rejects(kind, lambda m: m.step(masked[7]), TypeError, "x: ", "masked", "mask=")
    if kind == "layer":
        signal = np.ma.array(np.ones(N), mask=[True] + [False] * (N - 1))
        rejects(kind, lambda m: m.propagate(signal), TypeError, "signal: ", "masked")
        return
    y = np.full((T, N_OUTPUTS), 1 / 3)
    rejects(kind, lambda m: m.train_sequence(masked, y), TypeError, "inputs: ", "1 of them", "mask=")
    rejects(kind, lambda m: m.predict_sequence(masked), TypeError, "inputs: ", "masked")
    rejects(kind, lambda m: m.calibrate(list(masked)), TypeError, "inputs: ", "masked")
    y = np.ma.array(y, mask=[[t == 3] * N_OUTPUTS for t in range(T)])
    rejects(kind, lambda m: m.train_sequence(numbers, y), TypeError, "targets: ", "mask=")
    rejects(kind, lambda m: m.gradients(numbers, y), TypeError, "targets: ", "mask=")
    steps = np.ma.array(np.ones(T, bool), mask=np.arange(T) == 2)
    rejects(kind, lambda m: m.train_sequence(numbers, y.data, mask=steps), TypeError, "mask: ", "masked")


class Broken:
    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (RuntimeError, TypeError),
        (AttributeError, TypeError),
        (KeyError, TypeError),
        (MemoryError, MemoryError),
    ],
)
def test_what_a_conversion_raises_names_the_argument(kind, raised, error):
    broken = Broken(raised("call detach first"))
    x, y = np.zeros((T, N_INPUTS)), np.zeros((T, N_OUTPUTS))
    for call, argument in [
        (lambda m: m.step(broken), "x"),
        (lambda m: m.step(x[0], broken), "target"),
        (lambda m: m.train_sequence(broken, y), "inputs"),
        (lambda m: m.train_sequence(x, broken), "targets"),
        (lambda m: m.train_sequence(x, y, mask=broken), "mask"),
    ]:
        rejects(kind, call, error, f"{argument}: ", "call detach first")


def test_frames_of_nullable_numbers():
    x, y = np.eye(T, N_INPUTS), np.full((T, N_OUTPUTS), 0.5)
    one, other = build("eprop"), build("eprop")
    mask = np.arange(T) != 4
    missing = pd.DataFrame(y, dtype="Float64")
    missing.iloc[4] = pd.NA
    one.train_sequence(x, y, mask=mask)
    other.train_sequence(pd.DataFrame(x.astype(bool)).astype("boolean"), missing, mask=mask)
    assert one.state_equal(other)
    rejects(
        "eprop",
        lambda m: m.train_sequence(x, missing),
        ValueError,
        "targets: expected finite values, got NaN",
    )
    words = pd.DataFrame(np.full((T, N_INPUTS), "1.5"), dtype=object)
    rejects(
        "eprop", lambda m: m.predict_sequence(words), TypeError, "inputs: ", "dtype object", "numpy.asarray"
    )


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_frames_of_arrow(kind):
    pytest.importorskip("pyarrow")
    x, y = np.eye(T, N_INPUTS), np.full((T, N_OUTPUTS), 0.5)
    for names in ("float[pyarrow]", "double[pyarrow]", "int8[pyarrow]", "bool[pyarrow]"):
        one, other = build(kind), build(kind)
        frame = pd.DataFrame(x.astype(bool)).astype(names)
        one.train_sequence(x, y)
        other.train_sequence(frame, pd.DataFrame(y).astype("double[pyarrow]"))
        assert one.state_equal(other)
        one.step(x[1])
        other.step(frame.iloc[1])
        assert one.state_equal(other)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("scalar", [3, 3.0, True, np.float32(3)])
def test_a_number_is_no_sample_to_calibrate_with(kind, scalar):
    message = f"inputs: expected shape (T, {N_INPUTS}) or (S, T, {N_INPUTS}), got ()"
    for options in ({}, {"batch_size": 2}):
        rejects(kind, lambda m: m.calibrate(scalar), ValueError, message, **options)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
def test_what_is_no_array_is_named_by_its_type(kind):
    for value, name in [(None, "NoneType"), ({}, "dict"), (object(), "object")]:
        message = f"inputs: expected an array of real numbers, got an object of type {name}"
        rejects(kind, lambda m, x=value: m.predict_sequence(x), TypeError, message)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("size", [10**9, 10**12, 2**63 - 1, 2**63, 2**64, 10**30])
def test_more_streams_than_memory_holds(kind, size):
    with pytest.raises(
        MemoryError, match=f"batch_size.*{size}: expected sizes|batch_size: .*got {size}; choose"
    ):
        build(kind, batch_size=size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threshold", [1e-39, 1e-45, 1e-50, 3e38, 1e39])
def test_a_threshold_that_float32_cannot_work_with_is_named_itself(kind, threshold):
    with pytest.raises(
        ValueError, match=f"^threshold: expected .*float32, got {threshold:.0e}".replace("+", "")
    ):
        build(kind, threshold=threshold)
    build(kind, threshold=threshold, dtype="float64", lr=0.0)


@pytest.mark.parametrize("kind", ["eprop", "stack"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_flaws_far_from_the_start_are_counted_from_there(kind, loss):
    """The values are looked at in pieces; a message counts the steps of the sequence."""
    n_steps = 60_000
    x, y = np.zeros((n_steps, N_INPUTS), bool), np.tile([0.2, 0.3, 0.5], (n_steps, 1))
    bad = y.copy()
    bad[51_234, 1] = NAN
    message = "targets: expected finite values, got NaN at index (1,) at step 51234"
    rejects(kind, lambda m: m.train_sequence(x, bad), ValueError, message, loss=loss)
    if loss == "cross_entropy":
        bad[51_234] = [0.5, 0.5, 0.5]
        message = "targets: expected rows that sum to 1 under cross_entropy, got a sum of 1.5 at step 51234"
        rejects(kind, lambda m: m.gradients(x, bad), ValueError, message, loss=loss)
    x = x.astype(np.float16)
    x[56_789, 4] = INF
    message = "inputs: expected finite values, got inf at index (56789, 4)"
    rejects(kind, lambda m: m.predict_sequence(x), ValueError, message, loss=loss)


@pytest.mark.parametrize("kind", KINDS)
def test_float64_is_not_narrowed(kind):
    x = np.full(N_INPUTS, 1.0 + 2.0**-40)
    for dtype, same in (("float64", False), ("float32", True)):
        a, b = build(kind, dtype=dtype), build(kind, dtype=dtype)
        a.step(x)
        b.step(np.ones(N_INPUTS))
        assert a.state_equal(b) is same


@pytest.mark.parametrize("kind", KINDS)
def test_what_overflows_float32_is_infinity(kind):
    x = x_with(1e39, (N_INPUTS,))
    rejects(kind, lambda m: m.step(x), ValueError, "x: expected finite", "got inf")
    assert build(kind, dtype="float64").step(x) is not None


def test_a_bad_item_in_a_stream_raises_and_earlier_steps_stay():
    for kind in ("eprop", "stack"):
        model, twin = build(kind), build(kind)
        good = (np.ones(N_INPUTS), np.zeros(N_OUTPUTS))
        stream = model.train_stream([good, good, (np.ones(N_INPUTS + 1), None), good])
        next(stream), next(stream)
        with pytest.raises(ValueError, match=r"x: expected shape \(6,\), got \(7,\)"):
            next(stream)
        twin.step(*good), twin.step(*good)
        assert_same_bits(snapshot(model), snapshot(twin))
        model.step(*good)


@pytest.mark.parametrize("item", [np.ones(N_INPUTS), 3, None, (1, 2, 3, 4)])
def test_a_stream_is_of_pairs(item):
    model = build("eprop")
    with pytest.raises((TypeError, ValueError), match="iterable: expected"):
        list(model.train_stream([item]))


def test_a_stream_is_an_iterable():
    with pytest.raises(TypeError, match="iterable: expected"):
        list(eprop.EpropTrainer(1, 1, 1).train_stream(3))
