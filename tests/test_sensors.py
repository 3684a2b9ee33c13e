"""Data from elsewhere: events of sensors by their fields, arrays of other libraries, files larger than memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eprop import EpropTrainer
from eprop.encode import from_events

W, H = 5, 3
FIELDS = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]  # as tonic has them


def recording(n=200, seed=0):
    rng = np.random.default_rng(seed)
    events = np.zeros(n, FIELDS)
    events["t"] = np.sort(rng.integers(1_000_000, 1_050_000, size=n))
    events["x"], events["y"] = rng.integers(W, size=n), rng.integers(H, size=n)
    events["p"] = rng.random(n) < 0.5
    return events


def frames(events, n_steps, n_polarities=2, start=None, dt_us=1000):
    """The literal loop: counts (T, P, H, W) as tonic's frames are, then one row for each step."""
    start = events["t"].min() if start is None else start
    counts = np.zeros((n_steps, n_polarities, H, W))
    for event in events:
        step = (int(event["t"]) - int(start)) // dt_us
        if 0 <= step < n_steps:
            counts[step, int(event["p"]) if n_polarities == 2 else 0, event["y"], event["x"]] += 1
    return counts.reshape(n_steps, -1)


def dense(found, n_units):
    times, units, n_steps = found
    counts = np.zeros((n_steps, n_units))
    np.add.at(counts, (times, units), 1)
    return counts


@pytest.mark.parametrize("n_polarities", [1, 2])
@pytest.mark.parametrize(
    "options", [{}, {"n_steps": 30}, {"start": 1_010_000}, {"start": 990_000, "n_steps": 40}]
)
def test_events_are_the_frames_of_their_counts(n_polarities, options):
    events = recording()
    found = from_events(events, (W, H, n_polarities), **options)
    expected = frames(events, found[2], n_polarities, options.get("start"))
    np.testing.assert_array_equal(dense(found, W * H * n_polarities), expected)
    assert expected.sum() > 50
    if "n_steps" not in options:
        assert expected[-1].any()


def test_a_trainer_takes_them_as_it_takes_the_frames():
    events = recording()
    found = from_events(events, (W, H, 2))
    one, other = (EpropTrainer(2 * W * H, 20, 1) for _ in range(2))
    targets = np.ones((found[2], 1))
    assert one.train_sequence(found, targets) == other.train_sequence(frames(events, found[2]), targets)
    assert one.state_equal(other)


def test_names_of_other_libraries():
    events = recording()
    expected = from_events(events, (W, H, 2))
    dictionary = {name: events[name] for name in events.dtype.names}
    driver = {"timestamp": events["t"], "x": events["x"], "y": events["y"], "polarity": events["p"]}
    signed = {**dictionary, "p": np.where(events["p"], 1, -1)}
    unsigned = {**dictionary, "t": events["t"].astype(np.uint64)}
    lists = {name: column.tolist() for name, column in dictionary.items()}
    bag = type("Bag", (), {"ts": events["t"], "x": events["x"], "y": events["y"], "on": events["p"]})()
    for other in (
        dictionary,
        driver,
        signed,
        unsigned,
        lists,
        bag,
        pd.DataFrame(dictionary),
        events.view(np.recarray),
    ):
        for got, wanted in zip(from_events(other, (W, H, 2)), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_a_cochlea_has_one_row_and_seconds():
    """Spoken digits as SHD has them: times of float in s, 700 channels, no row."""
    seconds = np.array([0.0, 0.001, 0.0049, 0.005, 0.02])
    found = from_events({"t": seconds, "x": [0, 699, 3, 3, 4]}, (700, 1, 1), time_unit="s", start=0)
    assert found[0].tolist() == [0, 1, 4, 5, 20] and found[1].tolist() == [0, 699, 3, 3, 4] and found[2] == 21


@pytest.mark.parametrize("dt", [0.1, 0.29, 1.0, 2.5])
def test_every_boundary_of_a_step_begins_the_next(dt):
    boundaries = np.arange(1000) * round(dt * 1000)
    for start in (0, 1_700_000_000_000_000):  # µs since 1970
        times, _, _ = from_events(
            {"t": boundaries + start, "x": np.zeros(1000, int)}, (1, 1, 1), dt=dt, start=start
        )
        np.testing.assert_array_equal(times, np.arange(1000))


GOOD = {"t": [0, 5], "x": [1, 2], "y": [0, 2], "p": [0, 1]}


@pytest.mark.parametrize(
    ("events", "options", "error", "message"),
    [
        ({"x": [1]}, {}, ValueError, "expected fields x, y, t and p"),
        ({"t": [1], "y": [1]}, {}, ValueError, "expected a field x, got none"),
        (
            GOOD | {"x": [1, 5]},
            {},
            ValueError,
            "x: expected pixels of 0 to 4, as sensor_size says, got 5 at index 1",
        ),
        (GOOD | {"y": [-1, 0]}, {}, ValueError, "y: expected pixels of 0 to 2, .* got -1 at index 0"),
        (GOOD | {"p": [0, 2]}, {}, ValueError, "p: expected polarities"),
        (GOOD | {"x": [1.0, 2.0]}, {}, TypeError, "x: expected an array of integers, pixels"),
        (GOOD | {"t": [0.0, np.nan]}, {}, ValueError, "t: expected finite times"),
        (GOOD | {"x": [1]}, {}, ValueError, "expected fields of one length, got 2 of t and 1 of x"),
        (GOOD, {"dt": 0.0}, ValueError, "dt: expected a finite number > 0"),
        (GOOD, {"n_steps": 0}, ValueError, "n_steps: expected at least 1"),
        (GOOD, {"n_steps": 1.5}, TypeError, "n_steps: expected an int"),
        (GOOD, {"start": np.inf}, ValueError, "start: expected a finite time"),
        (GOOD, {"time_unit": "min"}, ValueError, "time_unit: expected one of s, ms, us, ns, got 'min'"),
        (
            GOOD | {"x": np.array([0, 2**64 - 1], np.uint64)},
            {},
            ValueError,
            "x: .* got 18446744073709551615 at index 1",
        ),
        # Once cast to int64, these times were steps before the first, or step 0.
        (GOOD | {"t": [0.0, 1e300]}, {}, ValueError, "t: expected times within 9.* steps of the start, 0"),
        (GOOD | {"t": np.array([0, 2**64 - 1], np.uint64)}, {}, ValueError, "t: expected times within"),
        (GOOD | {"t": [-(2**63), 2**63 - 1]}, {}, ValueError, "t: expected times within"),
        (GOOD, {"dt": 1e-20}, ValueError, "t: expected times within"),
        (GOOD, {"start": 1e300}, ValueError, "t: expected times within"),
        (GOOD, {"time_unit": ["us"]}, ValueError, "time_unit: expected one of"),
        (GOOD, {"sensor_size": (2**40, 2**40, 2)}, ValueError, "sensor_size: expected at most"),
        (GOOD, {"sensor_size": (5, 3)}, ValueError, r"sensor_size: expected \(W, H, P\)"),
        (GOOD, {"sensor_size": (5, 3, 3)}, ValueError, r"sensor_size: expected \(W, H, P\)"),
        ({name: np.zeros(0, int) for name in GOOD}, {}, ValueError, "n_steps: expected a number of steps"),
        (np.zeros((4, 4)), {}, ValueError, "got none that is called t, timestamp, ts in ndarray"),
    ],
)
def test_what_does_not_fit_is_named(events, options, error, message):
    with pytest.raises(error, match=message):
        from_events(events, **{"sensor_size": (W, H, 2), **options})


def test_no_event_is_silence():
    times, units, n_steps = from_events({name: np.zeros(0, int) for name in GOOD}, (W, H, 2), n_steps=7)
    assert len(times) == len(units) == 0 and n_steps == 7
    assert EpropTrainer(2 * W * H, 5, 1).predict_sequence((times, units, n_steps)).shape == (7, 1)


# Arrays of other libraries

INPUTS = np.random.default_rng(0).random((60, 4)) * 0.5
TARGETS = np.random.default_rng(1).normal(size=(60, 2))


class OnlyDLPack:
    """An array of a library that NumPy knows nothing of."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def of_torch(array):
    return pytest.importorskip("torch").from_numpy(array.copy())


def of_jax(array):
    return pytest.importorskip("jax.numpy").asarray(array)


def of_polars(array):
    return pytest.importorskip("polars").DataFrame(array)


@pytest.mark.parametrize(
    "convert", [pd.DataFrame, OnlyDLPack, of_torch, of_jax, of_polars], ids=lambda to: to.__name__
)
def test_arrays_of_other_libraries_are_numpy_s(convert):
    single, targets = INPUTS.astype(np.float32), TARGETS.astype(np.float32)  # what JAX keeps
    one, other = (EpropTrainer(4, 20, 2) for _ in range(2))
    assert one.train_sequence(convert(single), convert(targets)) == other.train_sequence(single, targets)
    assert one.state_equal(other)


def test_rows_of_other_libraries_are_steps():
    one, other = (EpropTrainer(4, 20, 2) for _ in range(2))
    one.step(pd.Series(INPUTS[0]), OnlyDLPack(TARGETS[0]))
    other.step(INPUTS[0], TARGETS[0])
    assert one.state_equal(other)


def test_an_array_on_another_device_is_named():
    class OnDevice(OnlyDLPack):
        def __dlpack__(self, **options):
            raise BufferError("it is on a device")

    with pytest.raises(
        TypeError, match=r"inputs: expected an array of real numbers, got a OnDevice .*on a device"
    ):
        EpropTrainer(4, 20, 2).predict_sequence(OnDevice(INPUTS))


# Files larger than memory


def test_a_memory_map_is_learned_piece_by_piece(tmp_path):
    np.save(tmp_path / "x.npy", INPUTS)
    np.save(tmp_path / "y.npy", TARGETS)
    x, y = (np.load(tmp_path / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    whole, pieces = (EpropTrainer(4, 20, 2, lr=1e-3) for _ in range(2))
    whole.train_sequence(INPUTS, TARGETS)
    pieces.reset()
    for first in range(0, len(x), 17):
        pieces.train_sequence(x[first : first + 17], y[first : first + 17], reset=False)
    assert pieces.state_equal(whole)


def test_a_start_behind_all_events_is_named():
    with pytest.raises(
        ValueError, match="start: expected a time up to that of the last event, 2000 us, got 5000"
    ):
        from_events({"t": [0, 2000], "x": [0, 0]}, (1, 1, 1), start=5000)
    assert from_events({"t": [0, 2000], "x": [0, 0]}, (1, 1, 1), start=5000, n_steps=3)[2] == 3
