"""Figures: they show the numbers they were given, have units, and can be read at the width of a column in print."""

import itertools
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
from matplotlib import pyplot

from eprop import EpropTrainer, OnlineTrainer, plot
from eprop.plot._style import COLORS, line
from eprop.wiring import Wiring, random

RNG = np.random.default_rng(0)
SPIKES = RNG.random((80, 12)) < 0.1
V = RNG.normal(size=(80, 12))
TRUE, ANSWERS = RNG.integers(0, 10, 200), RNG.integers(0, 10, 200)
WIRING = Wiring(10, 60, connect_in=random(60, 10, 0.3, seed=0), connect_rec=random(60, 60, 0.1, seed=1))
INPUTS, TARGETS = RNG.random((60, 10)) < 0.1, RNG.normal(size=(60, 1))

FIGURES = {
    "raster": lambda ax: plot.raster(SPIKES, ax=ax),
    "membrane": lambda ax: plot.membrane(V[:, 0], 1.0, spikes=SPIKES[:, 0], ax=ax),
    "traces": lambda ax: plot.traces(V[:, :6], labels=[f"input {k}" for k in range(6)], ax=ax),
    "psi": lambda ax: plot.psi(np.abs(V), ax=ax),
    "weights": lambda ax: plot.weights(V, ax=ax),
    "learning_curve": lambda ax: plot.learning_curve({"training": [3, 2, 1], "held out": [4, 3, 2]}, ax=ax),
    "confusion_matrix": lambda ax: plot.confusion_matrix(TRUE, ANSWERS, ax=ax),
    "firing_rates": lambda ax: plot.firing_rates(SPIKES, ax=ax),
    "fan": lambda ax: plot.fan(WIRING, ax=ax),
    "gradients": lambda ax: plot.gradients(EpropTrainer(10, 20, 1), INPUTS, TARGETS, ax=ax),
}


@pytest.fixture(autouse=True)
def _close():
    yield
    pyplot.close("all")


def test_each_function_is_drawn_here():
    assert sorted(FIGURES) == plot.__all__


@pytest.mark.parametrize("name", FIGURES)
def test_the_axes_that_is_given_is_drawn_into_and_returned(name):
    _, (left, right) = pyplot.subplots(1, 2)
    assert FIGURES[name](left) is left
    assert left.has_data() and not right.has_data()
    assert len(pyplot.get_fignums()) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_without_an_axes_there_is_a_new_figure(name):
    ax = FIGURES[name](None)
    assert ax.figure.number in pyplot.get_fignums()


CLASSES = np.repeat(np.arange(40), 120)
WORDS = np.array(["normal", "atrial fibrillation", "other rhythm", "noise"])[CLASSES % 4]
LOSSES = {f"network {k}": np.exp(-np.arange(20) / (4 + k)) for k in range(7)}

CROWDED = {
    "12 lines": lambda ax: plot.traces(V, labels=[f"hidden neuron {k}" for k in range(12)], ax=ax),
    "7 curves": lambda ax: plot.learning_curve(LOSSES, ax=ax),
    "15 classes": lambda ax: plot.confusion_matrix(CLASSES % 15, CLASSES % 15, ax=ax),
    "40 classes": lambda ax: plot.confusion_matrix(CLASSES, CLASSES, ax=ax),
    "words": lambda ax: plot.confusion_matrix(WORDS, WORDS, ax=ax),
}


@pytest.mark.parametrize("points", [8.0, 10.0])
@pytest.mark.parametrize("name", [*FIGURES, *CROWDED])
def test_at_8_cm_all_can_be_read(name, points):
    """Nothing is cut off, small, on top of other text, without a label, or squeezed by a legend."""
    with mpl.rc_context({"font.size": points}):
        figure, ax = pyplot.subplots(figsize=(8 / 2.54, 6 / 2.54), layout="constrained", dpi=300)
        (FIGURES | CROWDED)[name](ax)
        figure.canvas.draw()
    assert ax.get_xlabel() and ax.get_ylabel()
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= 6
    labels = [label for label in (ax.xaxis.label, ax.yaxis.label, ax.title) if label.get_text()]
    legend = ax.get_legend()
    for artist in [*labels, *([legend] if legend else [])]:
        box = artist.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1, artist
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, artist
    for named in (ax.get_xticklabels(), ax.get_yticklabels(), ax.texts):
        boxes = [text.get_window_extent().padded(-2) for text in named if text.get_text()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert ax.bbox.height > 0.25 * figure.bbox.height


@pytest.mark.parametrize("name", FIGURES)
def test_a_new_figure_is_small_enough_for_print_unless_its_size_was_set(name):
    """Text of 10 points has more than 7 where the figure is 8 cm wide."""
    assert 10 * (8 / 2.54) / FIGURES[name](None).figure.get_figwidth() > 7
    with mpl.rc_context({"figure.figsize": (9.0, 5.0)}):
        assert FIGURES[name](None).figure.get_figwidth() == 9.0


def test_counts_that_have_room_are_written_and_every_class_is_named():
    with mpl.rc_context({"figure.figsize": (12.0, 12.0)}):
        ax = plot.confusion_matrix(CLASSES, CLASSES)
    assert [text.get_text() for text in ax.texts] == ["120"] * 40
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(k) for k in range(40)]


def test_raster_has_a_bar_where_there_is_a_spike():
    ax = plot.raster(SPIKES, dt=0.5)
    (bars,) = ax.collections
    drawn = {(segment[0][0], segment[:, 1].mean()) for segment in bars.get_segments()}
    assert drawn == {(0.5 * t, float(n)) for t, n in zip(*np.nonzero(SPIKES), strict=True)}


def test_membrane_shows_a_threshold_that_moves_and_spikes_at_their_times():
    threshold = np.linspace(1, 2, 80)
    v, bound, marks = plot.membrane(V[:, 1], threshold, spikes=SPIKES[:, 1], dt=2.0).lines
    np.testing.assert_array_equal(v.get_ydata(), V[:, 1])
    np.testing.assert_array_equal(bound.get_ydata(), threshold)
    np.testing.assert_array_equal(marks.get_xdata(), 2.0 * np.flatnonzero(SPIKES[:, 1]))
    assert marks.get_ydata().min() > max(V[:, 1].max(), 2.0)


def test_maps_show_their_matrix_the_right_way_up():
    values = np.arange(12.0).reshape(3, 4)
    image = plot.psi(values, dt=2.0).images[0]
    np.testing.assert_array_equal(image.get_array(), values.T)
    assert (image.origin, list(image.get_extent())) == ("lower", [0, 6.0, -0.5, 3.5])
    image = plot.weights(values - 3).images[0]
    np.testing.assert_array_equal(image.get_array(), values - 3)
    assert image.get_clim() == (-8, 8)


def test_confusion_matrix_counts_as_scikit_learn_does():
    from sklearn.metrics import confusion_matrix

    ax = plot.confusion_matrix(TRUE, ANSWERS)
    counts = confusion_matrix(TRUE, ANSWERS)
    written = np.zeros((10, 10), int)
    for text in ax.texts:
        column, row = text.get_position()
        written[int(row), int(column)] = int(text.get_text())
    np.testing.assert_array_equal(written, counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ax.images[0].get_array(), shares)
    assert ax.get_title().startswith(f"{counts.trace()} of 200 right")


def test_confusion_matrix_of_many_classes_has_a_bar_instead_of_counts():
    ax = plot.confusion_matrix(np.arange(40), np.arange(40))
    assert not ax.texts and len(ax.figure.axes) == 2


def test_firing_rates_are_in_hz():
    ax = plot.firing_rates([[1, 0, 1], [0, 0, 1]], dt=2.0, bins=4)  # 250, 0 and 500 Hz
    assert [bar.get_height() for bar in ax.patches] == [1, 0, 1, 1]
    assert ax.get_xlim()[1] > 500
    assert ax.get_legend_handles_labels()[1] == ["mean 250.0 Hz", "silent: 1 of 3"]


@pytest.mark.parametrize("log", [False, True])
def test_fan_counts_every_neuron_once(log):
    star = np.zeros((60, 60), bool)
    star[1:, 0] = star[5, 1:5] = True  # 0 reaches all others; 1 to 4 reach 5; 0 is reached by none
    ax = plot.fan(Wiring(3, 60, connect_in=np.zeros((60, 3), bool), connect_rec=star), bins=7, log=log)
    fan_in, fan_out = (stairs.get_data() for stairs in ax.patches)
    if log:
        assert (fan_in.values.sum(), fan_out.values.sum()) == (59, 5)
        assert ax.get_legend_handles_labels()[1] == [
            "fan-in, mean 1.1, none: 1",
            "fan-out, mean 1.1, none: 55",
        ]
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    else:
        assert (fan_in.values.sum(), fan_out.values.sum()) == (60, 60)
        assert fan_out.values[-1] == 1 and fan_out.edges[-1] == 59.5 and fan_in.edges[0] == -0.5


def test_gradients_are_those_of_both_methods():
    trainer = EpropTrainer(10, 20, 1, dtype="float64")
    own = trainer.gradients(INPUTS, TARGETS)["W_rec"].ravel()
    bptt = trainer.gradients(INPUTS, TARGETS, horizon="sequence", recurrent_gain=1.0)["W_rec"].ravel()
    ax = plot.gradients(trainer, INPUTS, TARGETS)
    points = ax.lines[1]
    np.testing.assert_array_equal(points.get_xdata(), bptt)
    np.testing.assert_array_equal(points.get_ydata(), own)
    cosine = own @ bptt / np.linalg.norm(own) / np.linalg.norm(bptt)
    assert ax.get_title() == f"W_rec: cosine {cosine:.3f}"


def test_colours_are_told_apart_by_colour_blind_readers_and_in_grey():
    # Okabe and Ito 2008, without yellow; neighbouring lines differ in dashes, too.
    assert set(COLORS) == {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}
    styles = [tuple(line(k).values()) for k in range(28)]
    assert len(set(styles)) == 28
    assert all(a[1] != b[1] for a, b in itertools.pairwise(styles))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: plot.raster(np.zeros((2, 3, 4))),
            ValueError,
            "spikes: expected shape .T, n.*choose one stream",
        ),
        (lambda: plot.raster("spikes"), TypeError, "spikes: expected an array of real numbers"),
        (
            lambda: plot.raster(1j * SPIKES),
            TypeError,
            "spikes: expected an array of real numbers, got .*complex",
        ),
        (lambda: plot.weights(np.ma.masked_less(V, 0.5)), TypeError, "W: .* without masked elements"),
        (lambda: plot.membrane(V[:, 0], "high"), TypeError, "threshold: expected an array of real numbers"),
        (lambda: plot.learning_curve(np.ma.array([1.0, 9e9], mask=[0, 1])), TypeError, "curves: .* masked"),
        (lambda: plot.learning_curve(["a"]), TypeError, "curves: expected an array of real numbers"),
        (
            lambda: plot.confusion_matrix([0, 1], np.ma.array([0, 1], mask=[0, 1])),
            TypeError,
            "y_pred: .* masked",
        ),
        (lambda: plot.firing_rates(SPIKES, bins=0), ValueError, "bins: expected at least 1, got 0"),
        (lambda: plot.raster(SPIKES, dt=0), ValueError, "dt: expected a finite length"),
        (lambda: plot.psi([[np.nan]]), ValueError, "values: expected finite"),
        (lambda: plot.membrane(V), ValueError, r"v: expected one neuron .*v\[:, 0\]"),
        (lambda: plot.membrane(V[:, 0], spikes=[1, 0]), ValueError, "spikes: expected 80 steps"),
        (lambda: plot.traces(np.zeros((5, 13))), ValueError, "at most 12 lines, got 13"),
        (lambda: plot.traces(V[:, :2], labels=["one"]), ValueError, "labels: expected 2"),
        (lambda: plot.weights([1.0, 2.0]), ValueError, "W: expected shape"),
        (lambda: plot.learning_curve({}), ValueError, "at least one curve"),
        (lambda: plot.learning_curve({"a": []}), ValueError, r"got \(0,\) a"),
        (lambda: plot.confusion_matrix([1], [1, 2]), ValueError, "same length"),
        (lambda: plot.confusion_matrix([1], [2], labels=[1]), ValueError, "got none for 2"),
        (lambda: plot.fan(np.eye(3)), TypeError, "wiring: expected an eprop.wiring.Wiring, got ndarray"),
        (lambda: plot.fan(WIRING, bins=0), ValueError, "bins: expected at least 1, got 0"),
        (
            lambda: plot.fan(Wiring(1, 1, connect_in=np.zeros((1, 1), bool)), log=True),
            ValueError,
            "log: expected a wiring with synapses, got none",
        ),
        (lambda: plot.gradients(OnlineTrainer([2, 1]), [[0, 0]], [[0]]), TypeError, "got OnlineTrainer"),
        (lambda: plot.gradients(EpropTrainer(2, 2, 1), [[0, 0]], [[0]], name="W"), ValueError, "got 'W'"),
    ],
)
def test_mistakes_are_named_and_draw_nothing(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert pyplot.get_fignums() == []


def test_without_matplotlib_the_extra_is_named():
    code = "import sys; sys.modules['matplotlib'] = None; import eprop.plot"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert 'eprop.plot needs matplotlib, which is not installed: pip install "eprop[plot]"' in done.stderr


@pytest.mark.parametrize("name", ["W_in", "W_rec", "W_out"])
def test_gradients_of_listed_synapses_are_drawn(name):
    trainer = EpropTrainer(10, 50, 1, connect_in=0.3, connect_rec=0.1)
    ax = plot.gradients(trainer, INPUTS, TARGETS, name=name)
    drawn = ax.lines[1]
    assert np.count_nonzero(drawn.get_ydata()) > 0 and ax.get_title().startswith(f"{name}: cosine")


@pytest.mark.parametrize("name", ["raster", "psi", "weights", "learning_curve", "firing_rates"])
@pytest.mark.parametrize("own", ["symlog", "fixed"])
def test_the_ticks_of_an_axes_that_was_given_stay(name, own):
    _, ax = pyplot.subplots()
    for axis in (ax.xaxis, ax.yaxis):
        if own == "fixed":
            axis.set_major_locator(mpl.ticker.FixedLocator([0, 5]))
        else:
            ax.set(xscale=own, yscale=own)
    before = [type(axis.get_major_locator()) for axis in (ax.xaxis, ax.yaxis)]
    FIGURES[name](ax)
    assert [type(axis.get_major_locator()) for axis in (ax.xaxis, ax.yaxis)] == before


def test_classes_that_cannot_be_sorted_are_named():
    with pytest.raises(TypeError, match=r"y_pred: expected labels of one kind, .* got NoneType and str"):
        plot.confusion_matrix(["a", "b"], ["a", None])
    assert (
        plot.confusion_matrix(["a", "b"], ["a", None], labels=["a", "b", None])
        .get_title()
        .startswith("1 of 2")
    )
