"""However the stream is cut, and whoever looks at it in between: the same bits."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, snapshot, spike_trains, target_rows
from hypothesis import given, settings
from hypothesis import strategies as st

import eprop

T = 120
VARIANTS = {
    "plain": {},
    "float64": {"dtype": "float64"},
    "every_7": {"update_every": 7},
    "sequence": {"update_every": "sequence", "c_reg": 2.0},
    "rich": {
        "loss": "cross_entropy",
        "feedback": "random",
        "readout_bias": True,
        "n_ref": 3,
        "reset_mechanism": "zero",
        "c_reg": 2.0,
        "tau_out": 7.0,
        "update_every": 3,
    },
}
STACK_VARIANTS = {
    "stack": {},
    "stack_float64": {"dtype": "float64", "loss": "cross_entropy"},
    "stack_every_7": {"update_every": 7, "n_ref": 2},
    "stack_sequence": {"update_every": "sequence"},
}
EVERY = sorted(VARIANTS) + sorted(STACK_VARIANTS)

pytestmark = pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning")


def build(variant):
    if variant in VARIANTS:
        return eprop.EpropTrainer(9, 20, 3, lr=1e-4, seed=3, **VARIANTS[variant])
    return eprop.OnlineTrainer([9, 20, 12, 3], lr=1e-3, seed=1, **STACK_VARIANTS[variant])


def data(trainer, seed=5):
    rng = np.random.default_rng(seed)
    x = spike_trains(rng, T, 9, 0.4)
    y = target_rows(rng, T, 3, trainer.loss)
    mask = rng.random(T) < 0.7
    return x, y, mask


def pairs(x, y, mask):
    return [(a, b if m else None) for a, b, m in zip(x, y, mask, strict=True)]


def stepped(variant):
    """The step loop: outputs, spikes, losses and the trainer after it."""
    trainer = build(variant)
    results = [trainer.step(*pair) for pair in pairs(*data(trainer))]
    return trainer, results


def after(trainer, results=None):
    """State, and what 20 more learning steps make of it: nothing hidden may differ."""
    state = snapshot(trainer)
    x, y, _ = data(trainer, seed=6)
    steps = [trainer.step(a, b) for a, b in zip(x[:20], y[:20], strict=True)]
    trainer.update()
    ahead = snapshot(trainer)
    tail = {f"{k}{t}": np.asarray(s[k]) for t, s in enumerate(steps) for k in s}
    return {**state, **{f"ahead {k}": v for k, v in ahead.items()}, **tail}


def same(results, expected):
    for t, (here, there) in enumerate(zip(results, expected, strict=True)):
        assert_same_bits(here, there, f"step {t}")


@pytest.mark.parametrize("variant", EVERY)
def test_the_networks_spike_and_learn(variant):
    """The other tests here compare something."""
    trainer, results = stepped(variant)
    assert 0.005 < np.mean([r["spikes"] for r in results]) < 0.6
    trainer.update()
    before, now = snapshot(build(variant)), snapshot(trainer)
    weights = [k for k in before if k.startswith("W")]
    assert all(not np.array_equal(before[k], now[k]) for k in weights)


@pytest.mark.parametrize("variant", EVERY)
def test_train_stream_is_the_step_loop(variant):
    expected, results = stepped(variant)
    trainer = build(variant)
    same(list(trainer.train_stream(iter(pairs(*data(trainer))))), results)
    assert trainer.state_equal(expected)
    assert_same_bits(after(trainer), after(expected))


@pytest.mark.parametrize("variant", EVERY)
def test_any_cut_of_train_sequence_is_the_step_loop(variant):
    model, results = stepped(variant)
    expected = after(model)
    outputs = np.array([r["output"] for r in results])
    losses = [r["loss"] for r in results if "loss" in r]

    @settings(max_examples=15)
    @given(st.sets(st.integers(1, T - 1), max_size=12))
    def check(cuts):
        trainer = build(variant)
        x, y, mask = data(trainer)
        edges = [0, *sorted(cuts), T]
        parts, sums = [], 0.0
        for i, k in itertools.pairwise(edges):
            loss, out = trainer.train_sequence(
                x[i:k], y[i:k], mask=mask[i:k], reset=False, return_outputs=True
            )
            parts.append(out)
            assert np.isnan(loss) == (not mask[i:k].any())
            sums += 0.0 if np.isnan(loss) else loss * mask[i:k].sum()
        assert np.concatenate(parts).tobytes() == outputs.tobytes()
        assert sums == pytest.approx(sum(losses), rel=1e-6)
        assert_same_bits(after(trainer), expected)

    check()


@pytest.mark.parametrize("variant", EVERY)
def test_a_whole_sequence_is_reset_steps_update(variant):
    """`train_sequence(reset=True)` forgets the stream and applies what is left over."""
    trainer, _ = stepped(variant)
    twin, _ = stepped(variant)
    x, y, mask = data(trainer, seed=8)
    loss, out = trainer.train_sequence(x, y, mask=mask, return_outputs=True)
    twin.reset()
    results = [twin.step(*pair) for pair in pairs(x, y, mask)]
    twin.update()
    assert out.tobytes() == np.array([r["output"] for r in results]).tobytes()
    assert loss == pytest.approx(np.mean([r["loss"] for r in results if "loss" in r]), rel=1e-6)
    assert_same_bits(after(trainer), after(twin))


@pytest.mark.parametrize("variant", EVERY)
def test_predict_is_cut_as_freely(variant):
    whole, _ = stepped(variant)
    parts, _ = stepped(variant)
    x, _, _ = data(whole, seed=9)
    expected, spikes = whole.predict_sequence(x, reset=False, return_spikes=True)
    pieces = [
        parts.predict_sequence(x[i:k], reset=False, return_spikes=True)
        for i, k in ((0, 1), (1, 50), (50, 51), (51, T))
    ]
    assert np.concatenate([p[0] for p in pieces]).tobytes() == expected.tobytes()
    assert np.concatenate([p[1] for p in pieces]).tobytes() == spikes.tobytes()
    assert_same_bits(after(parts), after(whole))


READERS = {
    "attributes": snapshot,
    "repr": lambda t: (repr(t), t == t, t.memory_per_step, t.memory_bytes),
    "pickle": pickle.dumps,
    "deepcopy": copy.deepcopy,
    "copy_that_lives_on": lambda t: [copy.copy(t).step(*p) for p in pairs(*data(t))[:9]],
    "gradients": lambda t: t.gradients(*data(t)[:2]),
    "evaluate": lambda t: (t.evaluate(data(t)[0]), t.evaluate(*data(t)[:2])),
    "state_equal": lambda t: t.state_equal(t),
    "rejected_step": lambda t: pytest.raises(ValueError, t.step, np.zeros(8)),
    "update": None,
}


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"update"}))
@pytest.mark.parametrize("variant", EVERY)
def test_looking_changes_no_bit(variant, reader):
    expected, results = stepped(variant)
    trainer = build(variant)
    seen = []
    for t, pair in enumerate(pairs(*data(trainer))):
        if t % 13 == 0:
            READERS[reader](trainer)
        seen.append(trainer.step(*pair))
    same(seen, results)
    assert_same_bits(after(trainer), after(expected))


@pytest.mark.parametrize("carry", [copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("variant", EVERY)
def test_a_copy_goes_on_bit_equal(variant, carry):
    """Pending gradients, rates and counts travel along."""
    expected, results = stepped(variant)
    trainer, seen = build(variant), []
    for t, pair in enumerate(pairs(*data(trainer))):
        if t in (0, 31, 64):
            trainer = carry(trainer)
        seen.append(trainer.step(*pair))
    same(seen, results)
    assert trainer.state_equal(expected)
    assert trainer == expected
    assert_same_bits(after(trainer), after(expected))


@pytest.mark.parametrize("variant", ["every_7", "stack_every_7"])
def test_updates_come_at_multiples_of_n(variant):
    """Masked steps count; `update()` does not move the count."""
    trainer = build(variant)
    x, y, mask = data(trainer)
    changed = []
    for t, pair in enumerate(pairs(x, y, mask), start=1):
        before = snapshot(trainer)
        trainer.step(*pair)
        if t == 46:
            trainer.update()
        now = snapshot(trainer)
        if any(not np.array_equal(before[k], now[k]) for k in before if k.startswith("W")):
            changed.append(t)
    assert set(changed) <= {46, *range(7, T + 1, 7)}
    assert len(changed) > 10 and 46 in changed


@pytest.mark.parametrize("variant", ["sequence", "stack_sequence"])
def test_sequence_updates_never_come_in_a_stream(variant):
    trainer = build(variant)
    x, y, _ = data(trainer)
    start = {k: v for k, v in snapshot(trainer).items() if k.startswith("W")}

    def weights():
        now = snapshot(trainer)
        return {k: now[k] for k in start}

    trainer.train_sequence(x, y, reset=False)
    list(trainer.train_stream(pairs(x, y, np.ones(T, bool))))
    assert_same_bits(weights(), start)
    trainer.reset()  # drops what is pending
    trainer.update()
    assert_same_bits(weights(), start)
    trainer.step(x[0], y[0])
    trainer.train_sequence(x, y, reset=False)
    trainer.update()
    learned = weights()
    assert any(not np.array_equal(learned[k], start[k]) for k in start)
    trainer.update()  # nothing is pending any more
    assert_same_bits(weights(), learned)
