"""The recorder: it keeps what the trainer had, no more than it was told to, and disturbs nothing."""

import numpy as np
import pytest

from eprop import EpropTrainer, OnlineLIFLayer, OnlineTrainer
from eprop.record import Recorder

T, N_IN, N = 60, 6, 8
INPUTS = np.random.default_rng(0).random((T, N_IN)) < 0.3
TARGETS = np.random.default_rng(1).normal(size=(T, 1))
ALL = ["v", "a", "spikes", "psi", "L", "z_bar", "e_bar", "output", "W_in", "W_rec", "W_out", "b", "B"]


def trainer(**options):
    return EpropTrainer(N_IN, N, 1, lr=0.05, beta=0.1, **options)


def test_each_row_is_what_the_trainer_had_after_that_step():
    recorded, bare = trainer(), trainer()
    recorder = Recorder(recorded, ALL)
    seen = {name: [] for name in ALL}
    for x, target in zip(INPUTS, TARGETS, strict=True):
        assert recorder.step(x, target)["loss"] == bare.step(x, target)["loss"]
        for name in ALL:
            seen[name].append(getattr(bare, name))
    for name in ALL:
        np.testing.assert_array_equal(recorder[name], np.stack(seen[name]), err_msg=name)
    assert recorder["spikes"].any() and recorder["L"].any()
    assert recorded.state_equal(bare)


def test_every_and_units_choose_rows_and_neurons():
    whole, part = (trainer() for _ in range(2))
    everything = Recorder(whole, ALL)
    some = Recorder(part, ALL, every=7, units=[5, 2])
    for x, target in zip(INPUTS, TARGETS, strict=True):
        everything.step(x, target)
        some.step(x, target)
    np.testing.assert_array_equal(some.steps, np.arange(0, T, 7))
    axis = {"e_bar": -2, "W_in": -2, "W_rec": -2, "B": -2, "z_bar": None, "output": None, "b": None}
    for name in ALL:
        expected = everything[name][::7]
        where = axis.get(name, -1)
        np.testing.assert_array_equal(
            some[name], expected if where is None else expected.take([5, 2], axis=where), err_msg=name
        )


def test_the_last_steps_stay_and_memory_does_not_grow():
    recorder = Recorder(trainer(), ["v"], max_steps=10)
    recorder.step(INPUTS[0])
    bytes_at_first = recorder.nbytes
    assert bytes_at_first == 10 * N * 4 + 10 * 8
    rows = [recorder.trainer.v]
    for x in INPUTS[1:]:
        recorder.step(x)
        rows.append(recorder.trainer.v)
        assert recorder.nbytes == bytes_at_first
    np.testing.assert_array_equal(recorder["v"], rows[-10:])
    np.testing.assert_array_equal(recorder.steps, np.arange(T - 10, T))
    recorder.clear()
    assert len(recorder) == 0 and recorder["v"].shape == (0, N)


def test_what_was_read_does_not_change():
    recorder = Recorder(trainer(), ["v"], max_steps=2)
    recorder.step(INPUTS[0])
    first = recorder["v"]
    kept = first.copy()
    for x in INPUTS[1:10]:
        recorder.step(x)
    np.testing.assert_array_equal(first, kept)


def test_a_stream_fills_it_and_state_can_be_read_at_each_step():
    streamed = trainer()
    recorder = Recorder(streamed, ["v"])
    seen = [
        streamed.v for _ in streamed.train_stream(zip(INPUTS, TARGETS, strict=True), callbacks=[recorder])
    ]
    np.testing.assert_array_equal(recorder["v"], seen)


def test_a_refused_step_is_not_recorded():
    recorder = Recorder(trainer(), ["v"])
    with pytest.raises(ValueError, match="x"):
        recorder.step(np.ones(N_IN + 1))
    assert len(recorder) == recorder.n_steps == 0


def test_batches_layers_and_stacks():
    batch = Recorder(trainer(batch_size=3), ["v", "e_bar"], units=[1])
    batch.step(np.ones((3, N_IN)))
    assert batch["v"].shape == (1, 3, 1) and batch["e_bar"].shape == (1, 3, 1, N_IN + N)
    stack = Recorder(OnlineTrainer([N_IN, 5, 2]), ["psi", "W"], layer=0, units=[4])
    stack.step(INPUTS[0], [0.0, 1.0])
    assert stack["psi"].shape == (1, 1) and stack["W"].shape == (1, 1, N_IN)
    layer = Recorder(OnlineLIFLayer(N_IN, 4), ["v"])
    np.testing.assert_array_equal(layer.step(INPUTS[0]), layer.trainer.spikes)


@pytest.mark.parametrize(
    ("names", "options", "error", "message"),
    [
        (["v", "u"], {}, ValueError, "names: expected some of v, a, spikes.*got 'u'"),
        ("v", {}, ValueError, "got the text 'v'"),
        ([], {}, ValueError, "got none"),
        (["v"], {"units": [N]}, ValueError, f"units: expected numbers from 0 to {N - 1}"),
        (["v"], {"units": [0.5]}, ValueError, "units: expected a list"),
        (
            ["v"],
            {"units": np.ma.array([0, 1], mask=[True, False])},
            TypeError,
            "units: .* without masked elements",
        ),
        (["v"], {"units": [[0], [0, 1]]}, TypeError, "units: expected an array"),
        (["v"], {"layer": 0}, TypeError, "layer: expected none of a trainer without layers, EpropTrainer"),
        (3, {}, TypeError, "names: expected a list of names, got 3"),
        (["v"], {"max_steps": 10**13}, MemoryError, "max_steps: expected as many records as fit into memory"),
        (["v"], {"max_steps": 10**18}, MemoryError, "max_steps: expected as many records as fit into memory"),
        (["v"], {"every": 0}, ValueError, "every: expected at least 1, got 0"),
        (["v"], {"max_steps": 0}, ValueError, "max_steps: expected at least 1, got 0"),
        (["v"], {"every": 1.5}, TypeError, "every"),
    ],
)
def test_what_cannot_be_recorded_is_refused(names, options, error, message):
    with pytest.raises(error, match=message):
        Recorder(trainer(), names, **options)


def test_what_is_no_trainer_or_no_layer_is_refused():
    with pytest.raises(TypeError, match="trainer: expected a trainer, got object"):
        Recorder(object(), ["v"])
    for layer in (2, "first"):
        with pytest.raises(ValueError, match=f"layer: expected an int of 0 to 1, got {layer!r}"):
            Recorder(OnlineTrainer([N_IN, 5, 2]), ["v"], layer=layer)


def test_another_trainer_and_another_name_are_refused():
    recorder = Recorder(trainer(), ["v"])
    with pytest.raises(ValueError, match="make a recorder for each"):
        next(trainer().train_stream([(INPUTS[0], None)], callbacks=[recorder]))
    with pytest.raises(KeyError, match="expected one of v"):
        recorder["psi"]


def test_notebooks_show_sizes_memory_and_rate():
    recorder = Recorder(trainer(), ["v", "spikes"])
    for x in INPUTS:
        recorder.step(x)
    rate = 1000 * recorder["spikes"].mean()
    shown = recorder._repr_html_()
    assert f"{rate:.1f} Hz" in shown and "60 of at most 1000" in shown
    one = trainer(batch_size=2)
    one.step(np.zeros((2, N_IN)))
    shown = one._repr_html_()
    for part in (
        "EpropTrainer",
        one.engine,
        "0.0 Hz in the last step",
        "KiB",
        f'<td style="text-align:left">{N}</td>',
    ):
        assert part in shown
    assert "[6, 5, 2]" in OnlineTrainer([N_IN, 5, 2])._repr_html_()
    assert "Hz" in OnlineLIFLayer(2, 1)._repr_html_()


def test_listed_synapses_of_a_batch_have_an_axis_of_streams():
    pytest.importorskip("scipy.sparse")
    batch = EpropTrainer(N_IN, 30, 1, connect_rec=0.1, batch_size=2)
    recorder = Recorder(batch, ["e_bar"], units=[3, 1])
    recorder.step(np.ones((2, N_IN)), np.zeros((2, 1)))
    expected = [traces.toarray()[[3, 1]] for traces in batch.e_bar]
    np.testing.assert_array_equal(recorder["e_bar"], [expected])


def test_units_are_those_that_were_given_then():
    units = np.array([5, 2])
    recorder = Recorder(trainer(), ["v"], units=units)
    units[:] = 99
    recorder.step(INPUTS[0], TARGETS[0])
    np.testing.assert_array_equal(recorder["v"][0], recorder.trainer.v[[5, 2]])
