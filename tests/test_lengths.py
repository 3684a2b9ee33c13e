"""Streams of unequal lengths, any number of them up to `batch_size`: what lies beyond a stream's end does not happen."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from cases import Tally, batch_cases
from helpers import assert_close, assert_same_bits, read_dense, snapshot
from hypothesis import given, settings
from streams import (
    EVERY,
    KINDS,
    LENGTHS,
    N_OUT,
    OPTIMIZERS,
    REDUCTIONS,
    B,
    T,
    assert_parameters,
    build,
    build_reference,
    data,
    flat,
    moved,
    padded,
    parameters_of,
    parameters_of_reference,
    state_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")

TOLERANCE = 1e-10
MARGIN = 1e-9
every_kind = pytest.mark.parametrize("kind", KINDS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
every_schedule = pytest.mark.parametrize("update_every", EVERY)


# The numbers


def life(model, case, *, trainer):
    """Whole sequences, then pieces of streams, each with other lengths and another number of streams."""
    case.rng = np.random.default_rng(case.seed)
    x, y, mask, T, B = case.inputs, case.targets, case.mask, case.T, case.n_streams
    learn = {"return_outputs": True} if trainer else {}
    look = {"return_spikes": True} if trainer else {}
    seen = []
    for few, start, stop, reset in ((B, 0, 2 * T, True), (B - 1, 0, T, True), (B, T, 2 * T, False)):
        piece, lengths = np.s_[:few, start:stop], case.lengths(few, stop - start)
        loss, outputs = model.train_sequence(
            x[piece], y[piece], mask=mask[piece], lengths=lengths, reset=reset, **learn
        )
        seen += [loss, outputs]
    lengths = case.lengths(B, T)
    seen += model.predict_sequence(x[:, :T], lengths=lengths, reset=False, **look)
    gradients = model.gradients(x[:, :T], y[:, :T], mask=mask[:, :T], lengths=lengths)
    if gradients["n_targets"]:
        model.apply_gradients(gradients)
    loss, outputs = model.train_sequence(x[:, T:], y[:, T:], mask=mask[:, T:], reset=False, **learn)
    model.update()
    return [*seen, loss, outputs], gradients, np.arange(T) < lengths[:, None]


def compare(case, kind, tally):
    trainer, model = case.eprop() if kind == "eprop" else case.stack()
    seen, gradients, _ = life(trainer, case, trainer=True)
    expected, expected_gradients, within = life(model, case, trainer=False)
    if model.margin < MARGIN:
        tally.discarded += 1
        return
    for got, there in zip(seen, expected, strict=True):
        if isinstance(there, float):
            assert isinstance(got, float) and np.isnan(got) == np.isnan(there)
            assert np.isnan(there) or got == pytest.approx(there, rel=TOLERANCE, abs=1e-300)
        else:
            assert_close(got, there, TOLERANCE, "outputs or spikes")
    assert type(gradients["n_targets"]) is int
    assert gradients["n_targets"] == expected_gradients["n_targets"]
    assert gradients["loss"] == pytest.approx(expected_gradients["loss"], rel=TOLERANCE)
    compare_gradients(gradients, expected_gradients, model)
    assert_state(trainer, model)
    tally.add(expected[7][within], trainer)  # not the padding, where nothing spikes


def compare_gradients(got, expected, model):
    """As in `test_reference.py`: what a form in factors rounds at has a floor."""
    assert got.keys() | {"n_streams"} == expected.keys()
    for name, array in expected.items():
        if name in ("loss", "n_targets", "n_streams"):
            continue
        parts = zip(got[name], array, strict=True) if name == "W" else [(got[name], array)]
        products = model.products["W"] if name == "W" else [model.products.get(name, 0.0)]
        for (here, there), product in zip(parts, products, strict=True):
            if np.abs(here - there).max() > 1e-14 * len(model.streams) * product:
                assert_close(here, there, TOLERANCE, f"gradient of {name}")


def assert_state(trainer, model):
    """Weights, and every stream's own state: that of its last step."""
    for i, layer in enumerate(getattr(trainer, "layers", [])):
        of_layer = [stream.layers[i] for stream in model.streams]
        assert_close(layer.W, of_layer[0].W, TOLERANCE, "W")
        assert_close(layer.v, [there.neuron.v for there in of_layer], TOLERANCE, "v")
        assert_close(layer.z_bar, [there.z_bar for there in of_layer], TOLERANCE, "z_bar")
        assert np.array_equal(layer.spikes, [there.neuron.z for there in of_layer])
    if hasattr(trainer, "layers"):
        return
    W = model.streams[0].W
    expected = {
        "W_in": W[:, : trainer.n_inputs],
        "W_rec": W[:, trainer.n_inputs :],
        "W_out": model.streams[0].W_out,
        "b": model.streams[0].b,
        "v": [stream.neuron.v for stream in model.streams],
        "spikes": [stream.neuron.z for stream in model.streams],
        "output": [stream.y for stream in model.streams],
        "z_bar": [stream.z_bar for stream in model.streams],
        "e_bar": [stream.e_bar for stream in model.streams],
    }
    for name, array in expected.items():
        assert_close(read_dense(trainer, name), array, TOLERANCE, name)


@pytest.mark.parametrize(("kind", "examples"), [("eprop", 150), ("stack", 100)])
def test_is_the_reference(kind, examples):
    tally = Tally()

    @settings(max_examples=examples)
    @given(batch_cases(kind))
    def check(case):
        compare(case, kind, tally)

    check()
    # Thresholds that move and bounded weights silence some networks, and the last layer of more stacks.
    tally.check(spiking=0.6 if kind == "eprop" else 0.45)


@every_kind
@every_optimizer
@every_reduction
@every_schedule
def test_is_the_reference_over_several_sequences(kind, optimizer, reduction, update_every):
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every}
    trainer, model = build(kind, **options), build_reference(kind, **options)
    before = parameters_of(trainer)
    for seed in range(3):
        x, y, mask = data(seed=seed)
        lengths = np.roll(LENGTHS, seed)
        loss, outputs = trainer.train_sequence(x, y, mask=mask, lengths=lengths, return_outputs=True)
        expected_loss, expected = model.train_sequence(x, y, mask=mask, lengths=lengths)
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE)
        assert_close(outputs, expected, TOLERANCE, "outputs")
    assert model.margin > MARGIN
    assert_parameters(trainer, parameters_of_reference(model), TOLERANCE)
    moved(trainer, before)


@every_kind
def test_a_gradient_is_the_sum_over_its_streams(kind):
    """Each with a regulariser over its own steps: padding does not count as silence."""
    x, y, mask = data()
    options = {"c_reg": 200.0} if kind == "eprop" else {}
    for update_every in (1, "sequence"):
        batch, single = (build(kind, n, update_every=update_every, **options) for n in (B, 1))
        got = batch.gradients(x, y, mask=mask, lengths=LENGTHS)
        ones = [single.gradients(x[b, :n], y[b, :n], mask=mask[b, :n]) for b, n in enumerate(LENGTHS)]
        for name, g in flat(got).items():
            assert_close(g, sum(flat(one)[name] for one in ones), 1e-12, name)
        assert got["loss"] == pytest.approx(sum(one["loss"] for one in ones), rel=1e-12)
        assert got["n_targets"] == sum(one["n_targets"] for one in ones)
        assert got["n_targets"] == sum(mask[b, :n].sum() for b, n in enumerate(LENGTHS))
        assert type(got["n_targets"]) is type(ones[0]["n_targets"]) is int


@every_kind
def test_the_loss_is_a_mean_over_the_steps_with_a_target(kind):
    x, y, mask = data()
    trainer = build(kind, lr=0.0)
    loss, outputs = trainer.train_sequence(x, y, mask=mask, lengths=LENGTHS, return_outputs=True)
    happened = np.arange(T) < LENGTHS[:, None]
    counted = mask & happened
    assert loss == pytest.approx(0.5 * ((outputs - y) ** 2).sum(axis=2)[counted].mean(), rel=1e-12)
    assert not outputs[~happened].any()
    only_padding = trainer.train_sequence(x, y, mask=~happened & (LENGTHS < T)[:, None], lengths=LENGTHS)
    assert np.isnan(only_padding)


# The bits


@every_kind
@every_schedule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_is_not_read(kind, update_every, dtype):
    """NaN in inputs and targets, and whatever the mask says there."""
    x, y, mask = data()
    one, other = (build(kind, update_every=update_every, dtype=dtype) for _ in range(2))
    dirty = padded(x, LENGTHS), padded(y, LENGTHS)
    masks = (
        {"mask": padded(mask, LENGTHS, False), "lengths": LENGTHS},
        {"mask": padded(mask, LENGTHS, True), "lengths": LENGTHS},
    )
    for reset in (True, False):
        losses = (
            one.train_sequence(x, y, **masks[0], reset=reset),
            other.train_sequence(*dirty, **masks[1], reset=reset),
        )
        assert losses[0] == losses[1] and np.isfinite(losses[0])
        assert one.state_equal(other)
    outputs = one.predict_sequence(x, lengths=LENGTHS), other.predict_sequence(dirty[0], lengths=LENGTHS)
    assert outputs[0].tobytes() == outputs[1].tobytes()
    gradients = one.gradients(x, y, **masks[0]), other.gradients(*dirty, **masks[1])
    assert_same_bits(flat(gradients[0]), flat(gradients[1]))
    assert gradients[0]["n_targets"] == gradients[1]["n_targets"]


@every_kind
@every_optimizer
@every_schedule
def test_padding_of_all_streams_does_not_count(kind, optimizer, update_every):
    """The next update comes when it would have come without."""
    x, y, mask = data()
    lengths = np.minimum(LENGTHS, 40)
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every}
    long, short = (build(kind, **options) for _ in range(2))
    cut = np.s_[:, :40]
    losses = (
        long.train_sequence(x, y, mask=mask, lengths=lengths, reset=False),
        short.train_sequence(x[cut], y[cut], mask=mask[cut], lengths=lengths, reset=False),
    )
    assert losses[0] == losses[1] and long.state_equal(short)
    for trainer in (long, short):
        trainer.train_sequence(x, y, mask=mask, reset=False)
    assert long.state_equal(short)
    assert_same_bits(snapshot(long), snapshot(short))


@every_kind
@every_optimizer
@every_schedule
def test_full_lengths_are_no_lengths(kind, optimizer, update_every):
    x, y, mask = data()
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every}
    one, other = (build(kind, **options) for _ in range(2))
    full = np.full(B, T)
    for reset in (True, False):
        assert one.train_sequence(x, y, mask=mask, reset=reset) == other.train_sequence(
            x, y, mask=mask, reset=reset, lengths=full
        )
    assert one.state_equal(other)
    assert_same_bits(flat(one.gradients(x, y)), flat(other.gradients(x, y, lengths=full)))
    assert one.predict_sequence(x).tobytes() == other.predict_sequence(x, lengths=full).tobytes()


@every_kind
@every_schedule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("learning", [True, False])
def test_a_stream_that_ends_early_is_that_stream_alone(kind, update_every, dtype, learning):
    """Outputs, spikes and state, to the bit, where the weights are the same: they rest."""
    x, y, mask = data()
    options = {"update_every": update_every, "dtype": dtype, "lr": 0.0}
    together = build(kind, **options)
    if learning:
        _, outputs = together.train_sequence(
            x, y, mask=mask, lengths=LENGTHS, reset=False, return_outputs=True
        )
    else:
        outputs, spikes = together.predict_sequence(x, lengths=LENGTHS, return_spikes=True)
    state = state_of(together)
    for b, n in enumerate(LENGTHS):
        alone = build(kind, **options)
        if learning:
            _, expected = alone.train_sequence(
                x[b : b + 1, :n], y[b : b + 1, :n], mask=mask[b : b + 1, :n], reset=False, return_outputs=True
            )
        else:
            expected, its_spikes = alone.predict_sequence(x[b : b + 1, :n], return_spikes=True)
            assert spikes[b, :n].tobytes() == its_spikes[0].tobytes() and not spikes[b, n:].any()
        assert outputs[b, :n].tobytes() == expected[0].tobytes() and not outputs[b, n:].any()
        assert_same_bits({k: a[b] for k, a in state.items()}, {k: a[0] for k, a in state_of(alone).items()})


def cuts_of(lengths, cuts):
    """Pieces of streams that are sorted by length: the streams that go on, and how many steps of the piece they have."""
    for start, stop in zip([0, *cuts], [*cuts, T], strict=True):
        few = int((lengths > start).sum())
        if few:
            yield np.s_[:few, start:stop], np.minimum(lengths[:few], stop) - start


@every_kind
@every_optimizer
@every_reduction
@every_schedule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_cut_gives_the_same_bits(kind, optimizer, reduction, update_every, dtype):
    """A stream that has ended is left out of the next piece, or its piece is shorter than the others'."""
    x, y, mask = data()
    lengths = np.sort(LENGTHS)[::-1]
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every, "dtype": dtype}
    for cuts in ([17], [1, 2, 30, 43, 59], [8, 16, 24, 32, 40, 48, 56]):
        whole, pieces = build(kind, **options), build(kind, **options)
        _, expected = whole.train_sequence(x, y, mask=mask, lengths=lengths, reset=False, return_outputs=True)
        outputs = np.zeros_like(expected)
        for piece, steps in cuts_of(lengths, cuts):
            _, outputs[piece] = pieces.train_sequence(
                x[piece], y[piece], mask=mask[piece], lengths=steps, reset=False, return_outputs=True
            )
        assert outputs.tobytes() == expected.tobytes()
        assert whole.state_equal(pieces)
        for trainer in (whole, pieces):
            trainer.update()
        assert whole.state_equal(pieces)
        assert_same_bits(snapshot(whole), snapshot(pieces))


@every_kind
@every_schedule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_no_bit(kind, update_every, dtype):
    x, y, mask = data()
    options = {
        "optimizer": OPTIMIZERS["adam"],
        "reduction": "mean",
        "update_every": update_every,
        "dtype": dtype,
    }
    trainers = [build(kind, **options) for _ in range(3)]
    given = {"mask": mask, "lengths": LENGTHS}
    losses = [t.train_sequence(x, y, **given, n_threads=n) for n, t in enumerate(trainers, start=1)]
    assert losses[0] == losses[1] == losses[2]
    gradients = [t.gradients(x, y, **given, n_threads=n) for n, t in enumerate(trainers, start=1)]
    assert_same_bits(flat(gradients[0]), flat(gradients[1]))
    assert_same_bits(flat(gradients[0]), flat(gradients[2]))
    predictions = [
        t.predict_sequence(x, lengths=LENGTHS, n_threads=n) for n, t in enumerate(trainers, start=1)
    ]
    assert predictions[0].tobytes() == predictions[1].tobytes() == predictions[2].tobytes()
    assert trainers[0].state_equal(trainers[1]) and trainers[0].state_equal(trainers[2])


@every_kind
@every_optimizer
@every_schedule
def test_float32_is_float64_rounded(kind, optimizer, update_every):
    x, y, mask = data()
    options = {"optimizer": optimizer, "reduction": "mean", "update_every": update_every}
    narrow, wide = (build(kind, dtype=dtype, **options) for dtype in ("float32", "float64"))
    for trainer in (narrow, wide):
        trainer.train_sequence(x, y, mask=mask, lengths=LENGTHS)
    assert_parameters(narrow, parameters_of(wide), 1e-4)


# Fewer streams than there is room for


@every_kind
@every_optimizer
@every_schedule
def test_one_stream_may_do_without_its_axis(kind, optimizer, update_every):
    """In a trainer with room for one as in any other; what comes back has the axes of what went in."""
    x, y, mask = data()
    for batch_size in (1, B):
        bare, axis = (
            build(kind, batch_size, optimizer=optimizer, update_every=update_every) for _ in range(2)
        )
        loss, outputs = bare.train_sequence(x[0], y[0], mask=mask[0], return_outputs=True)
        assert outputs.shape == (T, N_OUT)
        assert (loss, outputs.tobytes()) == (lambda pair: (pair[0], pair[1][0].tobytes()))(
            axis.train_sequence(x[:1], y[:1], mask=mask[:1], return_outputs=True)
        )
        assert bare.state_equal(axis)
        outputs, spikes = bare.predict_sequence(x[1], return_spikes=True)
        more, spikes_too = axis.predict_sequence(x[1:2], return_spikes=True)
        assert (
            outputs.shape == (T, N_OUT)
            and more.shape == (1, T, N_OUT)
            and spikes_too.shape == (1, *spikes.shape)
        )
        assert outputs.tobytes() == more.tobytes() and spikes.tobytes() == spikes_too.tobytes()
        assert_same_bits(flat(bare.gradients(x[2], y[2])), flat(axis.gradients(x[2:3], y[2:3])))
        assert_same_bits(snapshot(bare), snapshot(axis))


@every_kind
@every_optimizer
@every_reduction
@every_schedule
def test_any_number_of_streams(kind, optimizer, reduction, update_every):
    """Those that did not take part do not count, whatever the room."""
    options = {"optimizer": optimizer, "reduction": reduction, "update_every": update_every}
    roomy, tight = build(kind, B, **options), build(kind, 2, **options)
    for seed, few in ((0, 2), (1, 1), (2, 2)):
        x, y, mask = data(few, seed=seed)
        loss, outputs = roomy.train_sequence(x, y, mask=mask, return_outputs=True)
        expected_loss, expected = tight.train_sequence(x, y, mask=mask, return_outputs=True)
        assert outputs.shape == (few, T, N_OUT)
        assert loss == pytest.approx(expected_loss, rel=1e-12)
        assert_close(outputs, expected, 1e-12, "outputs")
    assert_parameters(roomy, parameters_of(tight), 1e-12)


@every_kind
@every_schedule
def test_streams_that_take_no_part_stay_where_they_are(kind, update_every):
    """In a piece; a whole sequence silences them with all others."""
    x, y, _ = data()
    trainer = build(kind, update_every=update_every)
    trainer.train_sequence(x, y, reset=False)
    before = state_of(trainer)
    trainer.train_sequence(x[:2], y[:2], reset=False)
    after = state_of(trainer)
    assert_same_bits({k: a[2:] for k, a in after.items()}, {k: a[2:] for k, a in before.items()})
    assert any(not np.array_equal(a[:2], before[k][:2]) for k, a in after.items())
    trainer.predict_sequence(x[:3], reset=False)
    assert_same_bits({k: a[3:] for k, a in state_of(trainer).items()}, {k: a[3:] for k, a in before.items()})
    trainer.train_sequence(x[:2], y[:2])
    for name, array in state_of(trainer).items():
        assert not array[2:].any(), name


@every_kind
def test_the_state_has_the_axis_of_the_room(kind):
    x, y, _ = data()
    trainer = build(kind)
    trainer.train_sequence(x[:2], y[:2])
    assert all(len(array) == B for array in state_of(trainer).values())
    one = build(kind, 1)
    one.train_sequence(x[:1], y[:1])
    shapes = {name: array.shape[1:] for name, array in state_of(trainer).items()}
    assert {name: array.shape for name, array in state_of(one).items()} == shapes


# What may be said, and what may not


@every_kind
@pytest.mark.parametrize(
    "as_given",
    [list, tuple, lambda n: n.astype(np.int32), lambda n: n.astype(np.uint8), lambda n: np.repeat(n, 2)[::2]],
    ids=["list", "tuple", "int32", "uint8", "strided"],
)
def test_lengths_are_integers_of_any_kind(kind, as_given):
    x, y, _ = data()
    one, other = build(kind), build(kind)
    assert one.train_sequence(x, y, lengths=LENGTHS) == other.train_sequence(x, y, lengths=as_given(LENGTHS))
    assert one.state_equal(other)


@every_kind
def test_a_mask_of_all_streams_and_lengths(kind):
    x, y, mask = data()
    one, other = build(kind), build(kind)
    assert one.train_sequence(x, y, mask=mask[0], lengths=LENGTHS) == other.train_sequence(
        x, y, mask=np.tile(mask[0], (B, 1)), lengths=LENGTHS
    )
    assert one.state_equal(other)


@every_kind
def test_events_and_lengths(kind):
    """Spikes beyond the end are padding as well."""
    x, y, _ = data()
    dense, events = build(kind), build(kind)
    streams = [(*np.nonzero(stream), T) for stream in x]
    assert dense.train_sequence(x, y, lengths=LENGTHS) == events.train_sequence(streams, y, lengths=LENGTHS)
    assert dense.state_equal(events)
    assert (
        dense.predict_sequence(x, lengths=LENGTHS).tobytes()
        == events.predict_sequence(streams, lengths=LENGTHS).tobytes()
    )


def with_nan(x, b, t):
    x = x.copy()
    x[b, t] = np.nan
    return x


FLAWS = {
    "too few": (
        lambda t, x, y: t.train_sequence(x, y, lengths=LENGTHS[:4]),
        r"lengths: expected shape \(5,\), got \(4,\)",
    ),
    "a matrix": (
        lambda t, x, y: t.train_sequence(x, y, lengths=LENGTHS[:, None]),
        r"lengths: expected shape \(5,\)",
    ),
    "a number": (lambda t, x, y: t.train_sequence(x, y, lengths=7), r"lengths: expected shape \(5,\)"),
    "of nothing": (
        lambda t, x, y: t.train_sequence(x, y, lengths=[1, 2, 0, 4, 5]),
        r"lengths: .*1.*60.* 0 .*2",
    ),
    "negative": (
        lambda t, x, y: t.train_sequence(x, y, lengths=[1, 2, 3, -4, 5]),
        r"lengths: .*1.*60.* -4 .*3",
    ),
    "too long": (
        lambda t, x, y: t.train_sequence(x, y, lengths=[61, 2, 3, 4, 5]),
        r"lengths: .*1.*60.* 61 .*0",
    ),
    "without an axis": (
        lambda t, x, y: t.train_sequence(x[0], y[0], lengths=[7]),
        r"lengths: .*axis of streams",
    ),
    "gradients": (lambda t, x, y: t.gradients(x, y, lengths=[61, 2, 3, 4, 5]), "lengths: .* 61"),
    "predict_sequence": (lambda t, x, y: t.predict_sequence(x, lengths=[61, 2, 3, 4, 5]), "lengths: .* 61"),
    "NaN before the end": (
        lambda t, x, y: t.train_sequence(with_nan(x, 1, 16), y, lengths=LENGTHS),
        r"inputs: expected finite values, got NaN at .*16.* in stream 1",
    ),
    "NaN target before the end": (
        lambda t, x, y: t.train_sequence(x, with_nan(y, 1, 16), lengths=LENGTHS),
        r"targets: .*16.* in stream 1",
    ),
    "too many streams": (
        lambda t, x, y: t.train_sequence(np.concatenate([x, x]), np.concatenate([y, y])),
        r"inputs: .*batch_size.*5.*got .*10",
    ),
    "no stream": (lambda t, x, y: t.train_sequence(x[:0], y[:0]), r"inputs: .*at least one"),
    "targets of other streams": (
        lambda t, x, y: t.train_sequence(x[:3], y[:2]),
        r"targets: expected shape \(3, 60, 2\)",
    ),
    "targets without an axis": (
        lambda t, x, y: t.train_sequence(x[:1], y[0]),
        r"targets: expected shape \(1, 60, 2\)",
    ),
    "a mask of other streams": (
        lambda t, x, y: t.train_sequence(x[:3], y[:3], mask=np.ones((2, T), dtype=bool)),
        r"mask: expected shape \(3, 60\) or \(60,\)",
    ),
}


@every_kind
@pytest.mark.parametrize(("call", "message"), FLAWS.values(), ids=FLAWS)
def test_what_is_wrong_is_named_and_nothing_changes(kind, call, message):
    x, y, _ = data()
    trainer = build(kind)
    trainer.train_sequence(x, y, reset=False)
    before = copy.copy(trainer)
    with pytest.raises(ValueError, match=message):
        call(trainer, x, y)
    assert trainer.state_equal(before)


@every_kind
@pytest.mark.parametrize(
    "lengths",
    [LENGTHS.astype(float), LENGTHS > 20, ["a"] * B, [None] * B],
    ids=["float", "bool", "text", "None"],
)
def test_what_are_no_integers_is_a_type_error(kind, lengths):
    x, y, _ = data()
    trainer = build(kind)
    before = copy.copy(trainer)
    for call in (trainer.train_sequence, trainer.gradients):
        with pytest.raises(TypeError, match=r"lengths: expected .*integers"):
            call(x, y, lengths=lengths)
    with pytest.raises(TypeError, match=r"lengths: expected .*integers"):
        trainer.predict_sequence(x, lengths=lengths)
    assert trainer.state_equal(before)


@every_kind
def test_lengths_are_of_one_call(kind):
    """The next goes on with all streams, and the caller's array is the caller's."""
    x, y, _ = data()
    lengths = LENGTHS.copy()
    one, other = build(kind), build(kind)
    one.train_sequence(x, y, lengths=lengths, reset=False)
    lengths[:] = 1
    other.train_sequence(x, y, lengths=LENGTHS, reset=False)
    one.train_sequence(x, y, reset=False)
    other.train_sequence(x, y, reset=False)
    assert one.state_equal(other)


@pytest.mark.parametrize("kind", KINDS)
def test_calibrate_takes_sequences_of_unequal_lengths(kind):
    """The rate is the mean over all their steps, each sequence from a silent start."""
    x, _, _ = data()
    parts = [rows[:length] for rows, length in zip(x, LENGTHS, strict=True)]
    trainer, twin = build(kind, 1), build(kind, 1)
    events = [(*np.nonzero(rows), len(rows)) for rows in parts]
    assert trainer.calibrate(parts, rate=50.0) == twin.calibrate(events, rate=50.0)
    if kind == "eprop":
        spikes = [trainer.predict_sequence(rows, return_spikes=True)[1] for rows in parts]
        assert 45 <= 1000 * np.concatenate(spikes).mean() <= 55
    assert build(kind, 1).calibrate(x, rate=50.0) == build(kind, 1).calibrate(list(x), rate=50.0)


def test_data_frames_of_unequal_lengths_are_streams():
    from eprop import EpropTrainer

    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(n, 2)) for n in (7, 4)]
    targets = [rng.normal(size=(n, 1)) for n in (7, 4)]
    one, other = (EpropTrainer(2, 9, 1, batch_size=2) for _ in range(2))
    frames = [[pandas.DataFrame(rows) for rows in each] for each in (inputs, targets)]
    assert one.train_sequence(*frames) == other.train_sequence(inputs, targets)
    assert one.state_equal(other)
