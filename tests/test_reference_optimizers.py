"""The optimizers of the reference by themselves: numbers by hand, laws in closed form, and toys that must not run away."""

import copy
import math

import numpy as np
import pytest
import reference
from helpers import assert_close
from reference import Adam, AdamW, Auto, Momentum, ReferenceBatch, Sgd, Update
from reference_optimizers import NoLimit
from test_oracle import LENGTHS, B, data, layers, network, parameters, step_of

LN2 = math.log(2.0)  # with this for `answer`, x = 1/2 and c = 1/5 for one step
ALL = {
    "sgd": Sgd,
    "plain": lambda: Sgd(limit=False),
    "momentum": Momentum,
    "adam": Adam,
    "adamw": AdamW,
    "auto": Auto,
    "auto per neuron": lambda: Auto(per_neuron=True),
}
OF_LENGTHS = {name: ALL[name] for name in ("sgd", "momentum", "auto", "auto per neuron")}
every_optimizer = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
every_optimizer_of_lengths = pytest.mark.parametrize("make", OF_LENGTHS.values(), ids=OF_LENGTHS)
every_kind = pytest.mark.parametrize("build", [network, layers], ids=["recurrent", "stack"])


def built(build, **options):
    """The model alone, without the weights that come with it."""
    return build(**options)[0]


def update(W, g, *, lr=1.0, g_loss=None, **more):
    """Of one matrix, "w", which is the only group."""
    W, g = ({"w": np.array(a, dtype=float)} for a in (W, g))
    return Update(
        W=W,
        g=g,
        lr={"out": lr},
        groups={"out": ["w"]},
        g_loss=g if g_loss is None else {"w": np.array(g_loss, dtype=float)},
        **{"answer": LN2, **more},
    )


def move(optimizer, *args, **more):
    """How far a step goes from the origin."""
    g = np.array(args[0], dtype=float)
    return optimizer.step(update(np.zeros_like(g), g, **more))["w"]


# The limit


def test_the_limit_by_hand():
    """c = 1/5; J = 25/4, then less than 0.99 of it is held, then nothing is known and it stands still."""
    sgd = Sgd()
    assert_close(move(sgd, [[3.0, 4.0]], E=2.0), -0.2 / 6.25 * np.array([[3.0, 4.0]]), 1e-14)
    assert_close(move(sgd, [[0.3, 0.0]], E=1.0), [[-0.2 / (0.99 * 6.25) * 0.3, 0.0]], 1e-14)
    for more in ({"E": 0.0}, {"E": 0.0, "taught": False}, {"E": 1.0, "taught": False}):
        assert_close(move(sgd, [[0.3, 0.0]], **more), [[-0.2 / (0.99 * 6.25) * 0.3, 0.0]], 1e-14)
    assert_close(move(sgd, [[0.3, 0.0]], E=1.0, lr=1e-4), [[-3e-5, 0.0]], 1e-14)
    assert sgd.limit.d == pytest.approx(0.99**2 * 6.25, rel=1e-14)


def test_the_hold_of_many_steps_is_nine_tenths():
    sgd = Sgd()
    move(sgd, [[3.0, 4.0]], E=2.0, n=100.0)
    for n, left in ((5.0, 0.99**5), (2.5, 0.99**2.5), (11.0, 0.9), (1000.0, 0.9)):
        before = sgd.limit.d
        move(sgd, [[1e-3, 0.0]], E=1.0, n=n)
        assert sgd.limit.d == pytest.approx(left * before, rel=1e-14)


def test_c_is_one_step_s_answer_at_first_and_a_quarter_at_last():
    """And four times the gain at which two equal lags are damped critically, tanh(1/4 of the answer)."""
    one = update([[0.0]], [[0.0]], answer=0.025).c
    assert one == pytest.approx(4.0 * math.tanh(0.025 / 4.0), rel=0.1)
    assert update([[0.0]], [[0.0]], answer=0.025, n=1e6).c == 0.25
    assert update([[0.0]], [[0.0]], answer=0.025, n=7.5).c == pytest.approx(
        update([[0.0]], [[0.0]], answer=7.5 * 0.025).c, rel=1e-14
    )


def test_nothing_known_is_no_limit():
    """Before there was a length, lr is the step."""
    assert_close(move(Sgd(), [[2.0]], E=0.0), [[-2.0]], 1e-14)
    assert_close(move(Sgd(), [[2.0]], E=3.0, taught=False), [[-2.0]], 1e-14)


def test_a_loss_that_is_linear_in_the_weights_keeps_the_rest_of_c():
    """The step of NLMS, c of it: of err = a W - 1 a part of 1 - c is left, whatever the scale of a."""
    for scale in (1e-3, 1.0, 1e4):
        a, W = scale * np.array([[1.0, -2.0, 0.5]]), np.array([[0.3, 0.1, -0.2]])
        err = float(np.sum(a * W)) - 1.0
        new = Sgd().step(update(W, err * a, E=0.5 * err**2, lr=np.inf))["w"]
        assert float(np.sum(a * new)) - 1.0 == pytest.approx(0.8 * err, rel=1e-12)


def test_the_regulariser_is_stepped_with_but_not_measured():
    got = move(Sgd(), [[3.0, 4.0]], g_loss=[[3.0, 0.0]], E=1.0)
    assert_close(got, -0.2 / 4.5 * np.array([[3.0, 4.0]]), 1e-14)


def test_the_limit_of_a_network_is_over_all_of_it():
    """From two gradients: with the regulariser for the step, without it for the length."""
    options = {"update_every": "sequence", "readout_gain": "leak", "tau_out": 12.0, "dt": 0.5}
    x, y, mask = data()
    loss_only = built(network, **options).gradients(x[0], y[0], mask=mask[0])
    model = built(network, optimizer=Sgd(), lr=1e9, c_reg=50.0, f_target=30.0, **options)
    g = model.gradients(x[0], y[0], mask=mask[0])
    moved = step_of(model, lambda: model.train_sequence(x[0], y[0], mask=mask[0]))
    J = sum(np.sum(loss_only[name] ** 2) for name in moved) / (2 * loss_only["loss"])
    c = 1 - math.exp(-mask[0].sum() * 0.5 / (12.0 + 20.0))
    c = c / (1 + 3 * c)
    assert np.abs(g["W_in"] - loss_only["W_in"]).max() > 0.01 * np.abs(g["W_in"]).max()
    for name, step in moved.items():
        assert_close(step, -c / J * g[name], 1e-10, name)


def test_the_limit_of_a_stack_is_over_all_layers():
    model, _ = layers(optimizer=Sgd(), lr=1e9, update_every="sequence")
    x, y, mask = data()
    g = model.gradients(x[0], y[0], mask=mask[0])
    moved = step_of(model, lambda: model.train_sequence(x[0], y[0], mask=mask[0]))
    J = sum(np.sum(W**2) for W in g["W"]) / (2 * g["loss"])
    c = 1 - math.exp(-mask[0].sum() / 20.0)
    c = c / (1 + 3 * c)
    for i, step in moved.items():
        assert_close(step, -c / J * g["W"][i], 1e-10, f"W[{i}]")


# Counts


@every_optimizer_of_lengths
@every_kind
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_time_counts_once_in_a_batch(build, make, reduction):
    """Copies of a stream, at a rate at which the lengths decide, do what the stream does."""
    lr = 1e9 if make in (Sgd, Momentum) else 0.5
    model = built(build, optimizer=make(), reduction=reduction, update_every=7, lr=lr)
    batch = ReferenceBatch(model, B)
    x, y, mask = data()
    before = parameters(model)
    for b in range(2):
        tiled = [np.repeat(a[b : b + 1], B, axis=0) for a in (x, y, mask)]
        model.train_sequence(x[b], y[b], mask=mask[b])
        batch.train_sequence(tiled[0], tiled[1], mask=tiled[2])
    assert min(model.margin, batch.margin) > 1e-9
    # The eps of `per_neuron` is beside a gradient of another scale.
    tolerance = 1e-5 if make is ALL["auto per neuron"] else 1e-10
    for name, W in model.parameters.items():
        assert_close(batch.parameters[name], W, tolerance, name)
        assert np.abs(W - before[name]).max() > 1e-3


def test_a_sequence_knows_no_reduction_where_the_limit_decides():
    """Sum or mean over as many steps: g, E and J have the same divisor."""
    x, y, _ = data()
    sums, means = (
        built(network, optimizer=Sgd(), reduction=reduction, update_every="sequence", lr=1e9)
        for reduction in ("sum", "mean")
    )
    for b in range(2):
        for model in (sums, means):
            model.train_sequence(x[b], y[b])
    for name, W in sums.parameters.items():
        assert_close(means.parameters[name], W, 1e-10, name)


class Recorder(Sgd):
    """Plain, and keeps what it was told."""

    def __init__(self):
        super().__init__(limit=False)
        self.told = []

    def step(self, update):
        self.told.append(update)
        return super().step(update)


@every_kind
def test_what_an_update_is_told(build):
    """Steps with a target per stream that took part; where none had one, steps; the loss since the last update."""
    x, y, mask = data()
    for reduction in ("sum", "mean"):
        model = built(build, optimizer=Recorder(), update_every="sequence", reduction=reduction, lr=0.0)
        batch = ReferenceBatch(model, B + 2)
        told = batch.optimizer.told
        losses = batch.gradients(x, y, mask=mask, lengths=LENGTHS)
        assert losses["n_streams"] == B
        batch.train_sequence(x, y, mask=mask, lengths=LENGTHS)
        batch.train_sequence(x, y, mask=np.zeros_like(mask), lengths=LENGTHS)
        batch.train_sequence(x, y, mask=mask, lengths=LENGTHS)
        n = losses["n_targets"]
        assert n == sum(mask[b, :k].sum() for b, k in enumerate(LENGTHS))
        assert [u.taught for u in told] == [True, False, True]
        assert [u.n for u in told] == [n / B, sum(LENGTHS) / B, n / B]
        E = losses["loss"] / (n if reduction == "mean" else 1)
        assert [u.E for u in told] == pytest.approx([E, 0.0, E], rel=1e-12)


def test_a_step_without_a_target_regularises_with_the_length_that_is_known():
    x, y, mask = data()
    nothing = np.zeros_like(mask[0])
    model = built(network, optimizer=Sgd(), lr=1e9, c_reg=5.0, update_every="sequence")
    model.train_sequence(x[0], y[0], mask=mask[0])
    d, g = model.optimizer.limit.d, model.gradients(x[1], y[1], mask=nothing)
    moved = step_of(model, lambda: model.train_sequence(x[1], y[1], mask=nothing))
    c = 1 - math.exp(-len(nothing) / 40.0)
    c = c / (1 + 3 * c)
    assert model.optimizer.limit.d == d > 0 and np.abs(g["W_in"]).max() > 0
    assert_close(moved["W_in"], -c / d * g["W_in"], 1e-10)


@every_optimizer
@every_kind
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_applied_gradients_are_an_update(build, make, reduction):
    x, y, mask = data()
    trained, applied = (
        ReferenceBatch(built(build, update_every="sequence", optimizer=make(), reduction=reduction), B)
        for _ in range(2)
    )
    for _ in range(3):
        trained.train_sequence(x, y, mask=mask, lengths=LENGTHS)
        applied.apply_gradients(applied.gradients(x, y, mask=mask, lengths=LENGTHS))
    for name, W in trained.parameters.items():
        assert_close(applied.parameters[name], W, 1e-11, name)


@every_optimizer
def test_what_an_optimizer_remembers_outlives_a_reset(make):
    x, y, _ = data()
    model = built(network, optimizer=make(), update_every="sequence")
    model.train_sequence(x[0], y[0])
    before = copy.deepcopy(model.optimizer)
    model.reset()
    for name, value in vars(before).items():
        if isinstance(value, dict) and all(isinstance(a, np.ndarray) for a in value.values()):
            for key, array in value.items():
                assert np.array_equal(getattr(model.optimizer, name)[key], array)
        elif name == "limit":
            assert isinstance(value, NoLimit) or model.optimizer.limit.d == value.d > 0
        elif name != "scales":
            assert getattr(model.optimizer, name) == value


# The others


def test_momentum_by_hand():
    momentum, W, M = Momentum(mu=0.75, limit=False), np.array([[0.5]]), 0.0
    limited, d, V = Momentum(mu=0.75), 0.0, np.array([[0.5]])
    w, v = 0.5, 0.5
    for g in (2.0, -1.0, 0.25):
        M = 0.75 * M + g
        w -= 0.25 * 0.1 * M
        W = momentum.step(update(W, [[g]], lr=0.1, E=0.5))["w"]
        d = max(g**2, 0.99 * d)
        v -= 0.25 * 0.2 / d * M
        V = limited.step(update(V, [[g]], lr=1e9, E=0.5))["w"]
        assert (W[0, 0], V[0, 0]) == pytest.approx((w, v), rel=1e-14)


def test_adam_by_hand():
    """The three lines for one number, gradient by gradient."""
    lr, b1, b2, eps = 0.1, 0.8, 0.95, 1e-3
    adam, W = Adam(b1, b2, eps), np.array([0.5])
    m = v = 0.0
    w = 0.5
    for t, g in enumerate([0.3, -2.0, 0.0, 1e-4], start=1):
        W = adam.step(update(W, [g], lr=lr))["w"]
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        w -= lr * (1 - b2**t) ** 0.5 / (1 - b1**t) * m / (v**0.5 + eps)
        assert W[0] == pytest.approx(w, rel=1e-14)


def test_the_first_step_of_adam_is_as_long_as_lr():
    """m / sqrt(v) of one gradient is its sign; eps counts 1 / sqrt(1 - b2) fold."""
    g = np.array([3.0, -1e-3, 0.0, 1e-9])
    W = move(Adam(), g, lr=0.01)
    np.testing.assert_allclose(W, -0.01 * g / (np.abs(g) + 1e-8 / np.sqrt(1 - 0.999)), rtol=1e-12)
    assert_close(W[:2], [-0.01, 0.01], 1e-3)


def test_adamw_shrinks_beside_the_step():
    adam, adamw, W = Adam(), AdamW(weight_decay=0.3), np.array([[0.5, -2.0]])
    for g in ([[0.3, 0.1]], [[-2.0, 0.0]]):
        expected = adam.step(update(W, g, lr=0.1))["w"] - 0.1 * 0.3 * W
        W = adamw.step(update(W, g, lr=0.1))["w"]
        assert_close(W, expected, 1e-14)
    assert AdamW().weight_decay == 0.01 and Adam().weight_decay == 0.0


@pytest.mark.parametrize("kind", [Sgd, Momentum, Adam, Auto])
def test_weight_decay_is_one_more_gradient(kind):
    """But in no length, so that with the limit, too, it is what adds it to g."""
    decaying, other = kind(weight_decay=0.3), kind()
    W, g = [[0.5, -2.0]], np.array([[0.3, 0.1]])
    for _ in range(2):
        more = {"g_loss": g, "E": 0.01, "slowest": 0.5}
        got = decaying.step(update(W, g, **more))["w"]
        assert_close(got, other.step(update(W, g + 0.3 * np.array(W), **more))["w"], 1e-14)
        assert np.abs(got - W).max() > 0
        W = got


@every_optimizer
def test_a_bias_does_not_decay(make):
    x, y, mask = data()
    moved = []
    for weight_decay in (0.0, 0.7):
        optimizer = make()
        optimizer.weight_decay = weight_decay
        model = built(network, optimizer=optimizer, update_every="sequence", lr=1e-3)
        moved.append(step_of(model, lambda m=model: m.train_sequence(x[0], y[0], mask=mask[0])))
    assert np.array_equal(moved[0]["b"], moved[1]["b"]) and np.abs(moved[0]["b"]).max() > 0
    assert not np.array_equal(moved[0]["W_out"], moved[1]["W_out"])


# auto


def test_auto_by_hand():
    """c = 1/5; three groups of which one stands still at first; then a smaller gradient; then none."""
    groups = {"in": ["W_in"], "rec": ["W_rec"], "out": ["W_out", "b"]}
    auto, W = Auto(), {name: np.zeros((1, 1)) for name in ("W_in", "W_rec", "W_out")} | {"b": np.zeros(1)}

    def step(g_in, g_rec, g_out, g_b, E, n=1.0):
        g = {"W_in": [[g_in]], "W_rec": [[g_rec]], "W_out": [[g_out]], "b": [g_b]}
        g = {name: np.array(a, dtype=float) for name, a in g.items()}
        lr = dict.fromkeys(groups, 0.5)
        new = auto.step(Update(W, g, lr, groups, g, E, n=n, taught=E > 0, answer=LN2, slowest=0.5))
        return [float(new[name].item()) for name in ("W_in", "W_rec", "W_out", "b")]

    base = 0.5 * 0.2
    d_in, d_out = 4.0 / 2.0, 25.0 / 2.0
    first = [-base / 4 * 0.25 * 2.0 / d_in, 0.0, *(-base / 2 * 0.25 * g / d_out for g in (3.0, 4.0))]
    assert step(2.0, 0.0, 3.0, 4.0, E=1.0) == pytest.approx(first, rel=1e-14)
    d_in, d_out = 0.999 * d_in, 0.999 * d_out
    risen = (1 - 0.25) ** 2
    second = [-base / 4 * risen * 1.0 / d_in, -base / 4 * 0.25 * 1.0 / 0.5, 0.0, -base / 2 * risen / d_out]
    assert step(1.0, 1.0, 0.0, 1.0, E=1.0) == pytest.approx(second, rel=1e-14)
    # the regulariser's step: as long as what is known allows, and c is of two steps
    x = 0.75
    base = 0.5 * x / (1 + 3 * x)
    third = [-base / 4 * risen * 1.0 / d_in, -base / 4 * 0.25 * 1.0 / 0.5, 0.0, 0.0]
    for _ in range(2):
        assert step(1.0, 1.0, 0.0, 0.0, E=0.0, n=2.0) == pytest.approx(third, rel=1e-14)
    assert auto.n == {"in": 2.0, "rec": 1.0, "out": 2.0}
    assert auto.d == pytest.approx({"in": d_in, "rec": 0.5, "out": d_out}, rel=1e-14)


def test_the_hold_of_auto_counts_steps():
    """And has no floor, as that of the limit has."""
    auto = Auto()
    move(auto, [[3.0, 4.0]], E=2.0)
    for n in (1.0, 2.5, 1000.0):
        before = auto.d["out"]
        move(auto, [[1e-3, 0.0]], E=1.0, n=n)
        assert auto.d["out"] == pytest.approx(0.999**n * before, rel=1e-14)
    assert auto.n["out"] == 1004.5


def test_auto_without_a_length_stands_still():
    assert move(Auto(), [[2.0]], E=0.0) == 0.0 == move(Auto(per_neuron=True), [[2.0]], E=1.0, taught=False)


def test_auto_per_neuron_by_hand():
    """Two neurons, one of which has a hundred times the gradient; and a neuron without one yet."""
    auto, W = Auto(per_neuron=True), np.array([[0.3, -0.4], [0.0, 0.5], [0.1, 0.1]])
    sigma = math.sqrt(0.52 / 6)
    v, d, n = np.zeros(3), 0.0, 0.0
    for t, g in enumerate(
        (np.array([[3.0, 4.0], [0.03, 0.04], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 0.01], [0.0, 0.1]])), 1
    ):
        rows = (g**2).sum(axis=1)
        v = 0.999 * v + 0.001 * rows / 2
        D = sigma / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        d, n = max((D * rows).sum() / (2 * 1.5), 0.999 * d), n + 1
        eta = 0.5 * 0.2 * 0.5 * (1 - 0.5**n) ** 2 / d
        got = auto.step(update(W, g, lr=0.5, E=1.5, slowest=0.5))["w"]
        assert_close(got, W - eta * D[:, None] * g, 1e-14)
        W = got


def test_auto_has_no_unit():
    """Targets and readout in another unit, g and E with it: the weights move in that unit."""
    g, E = np.array([[3.0, -4.0]]), 2.0
    one = move(Auto(), g, E=E, lr=0.5, slowest=0.5)
    for unit in (1e-3, 1e4):  # of the weight: its gradient has the inverse
        assert_close(move(Auto(), g / unit, E=E, lr=0.5, slowest=0.5), unit * one, 1e-12)


def test_auto_of_a_stack_gives_its_last_layer_half():
    model, _ = layers(optimizer=Auto(), lr=0.5, update_every="sequence")
    x, y, mask = data()
    g = model.gradients(x[0], y[0], mask=mask[0])
    moved = step_of(model, lambda: model.train_sequence(x[0], y[0], mask=mask[0]))
    n, alpha = mask[0].sum(), math.exp(-1 / 20)
    c = 1 - alpha**n
    c = c / (1 + 3 * c)
    for i, step in moved.items():
        J = np.sum(g["W"][i] ** 2) / (2 * g["loss"])
        assert_close(step, -0.5 * c * 0.5 * (1 - alpha**n) ** 2 / J * g["W"][i], 1e-10, f"W[{i}]")


# What the trainer does around them


@every_optimizer
def test_a_neuron_is_no_source_of_its_own(make):
    x, y, _ = data()
    optimizer = make()
    optimizer.weight_decay = 0.1
    model = built(network, optimizer=optimizer, update_every=3, c_reg=1.0, clip_norm=1.0, w_max=0.5)
    for b in range(B):
        model.train_sequence(x[b], y[b])
    assert not np.diag(model.W[:, 5:]).any()


@every_kind
def test_clip_norm_is_the_longest_gradient(build):
    """Over all groups, with the regulariser, and a shorter one stays as it is."""
    x, y, _ = data()
    more = {"c_reg": 50.0} if build is network else {}
    options = {"update_every": "sequence", "optimizer": Sgd(limit=False), "lr": 1.0, **more}
    whole = step_of(m := built(build, **options), lambda: m.train_sequence(x[0], y[0]))
    length = np.sqrt(sum(np.sum(step**2) for step in whole.values()))
    for part in (0.3, 1.01):
        model = built(build, clip_norm=part * length, **options)
        moved = step_of(model, lambda m=model: m.train_sequence(x[0], y[0]))
        for name, step in whole.items():
            assert_close(moved[name], min(part, 1.0) * step, 1e-10, name)


def test_weight_decay_comes_after_the_clip():
    x, y, _ = data()
    model = built(
        network,
        optimizer=Sgd(limit=False, weight_decay=0.5),
        clip_norm=1e-12,
        lr=0.1,
        update_every="sequence",
    )
    before = model.W.copy()
    model.train_sequence(x[0], y[0])
    assert_close(model.W, 0.95 * before, 1e-9)


@every_kind
def test_w_max_holds_after_every_update(build):
    x, y, _ = data()
    free = built(build, update_every="sequence", lr=1e-2)
    bound = copy.deepcopy(free)
    bound.w_max = 0.2
    for model in (free, bound):
        model.train_sequence(x[0], y[0])
    for name, W in free.parameters.items():
        held = W if name == "b" else np.clip(W, -0.2, 0.2)
        assert np.array_equal(bound.parameters[name], held)
        assert name == "b" or np.abs(W).max() > 0.2


@every_optimizer
def test_a_group_may_have_its_own_rate(make):
    """0: it stays; half of what the others have: half the step, unless a limit is shorter."""
    x, y, _ = data()
    lr = 1e-6
    steps = {}
    for name, rates in {
        "all": {},
        "in fixed": {"lr_in": 0.0},
        "rec half": {"lr_rec": 0.5 * lr},
        "out": {"lr_out": 2 * lr},
    }.items():
        model = ReferenceBatch(built(network, optimizer=make(), lr=lr, update_every="sequence", **rates), B)
        steps[name] = step_of(model, lambda m=model: m.train_sequence(x, y))
    whole = steps["all"]
    assert all(np.abs(step).max() > 0 for step in whole.values())
    assert not steps["in fixed"]["W_in"].any()
    assert_close(steps["in fixed"]["W_out"], whole["W_out"], 1e-7)
    assert_close(steps["rec half"]["W_rec"], 0.5 * whole["W_rec"], 1e-6)
    assert_close(steps["rec half"]["W_in"], whole["W_in"], 1e-7)
    for name in ("W_out", "b"):
        assert_close(steps["out"][name], 2 * whole[name], 1e-6, name)


def test_descent_by_its_name_is_limited():
    assert not isinstance(built(network, optimizer="sgd").optimizer.limit, NoLimit)
    assert {Sgd: 0.01, Momentum: 0.01, Adam: 0.001, AdamW: 0.001, Auto: 0.5} == reference.LEARNING_RATES


# What it is good for


def losses_of(optimizer, lr, *, noise=0.0, n_sequences=15, update_every=1, seed=0):
    """Loss of every sequence: a wave from analog inputs, two outputs."""
    rng = np.random.default_rng(seed)
    n_inputs, n, n_outputs, n_steps = 4, 12, 2, 40
    model = reference.ReferenceEprop(
        rng.normal(size=(n, n_inputs)) * 0.4,
        (1 - np.eye(n)) * rng.normal(size=(n, n)) * 0.2,
        rng.normal(size=(n_outputs, n)) * 0.1 / np.sqrt(n),
        optimizer=optimizer,
        lr=lr,
        update_every=update_every,
    )
    t = np.arange(n_steps)[:, None]
    x = 1 + np.sin(t * np.array([0.1, 0.2, 0.3, 0.4]))
    y = np.sin(t * np.array([0.15, 0.25]))
    with np.errstate(over="ignore", invalid="ignore"):
        return [model.train_sequence(x, y + noise * rng.normal(size=y.shape))[0] for _ in range(n_sequences)]


def diverges(losses):
    return not all(np.isfinite(losses)) or max(losses) > 10 * losses[0]


@pytest.mark.parametrize("update_every", [1, 7, "sequence"])
def test_no_rate_diverges(update_every):
    """Over seven decades, and without the limit three or more of them do."""
    rates = 10.0 ** np.arange(-4, 4)
    n_diverged = {
        name: sum(diverges(losses_of(make(), lr, update_every=update_every)) for lr in rates)
        for name, make in (("sgd", Sgd), ("plain", ALL["plain"]), ("momentum", Momentum))
    }
    n_diverged["auto"] = sum(
        diverges(losses_of(make(), lr, update_every=update_every))
        for make in OF_LENGTHS.values()
        if make not in (Sgd, Momentum)
        for lr in (0.05, 0.5, 3.0)
    )
    assert {name: n for name, n in n_diverged.items() if name != "plain"} == {
        "sgd": 0,
        "momentum": 0,
        "auto": 0,
    }
    assert n_diverged["plain"] >= 3


class WithoutHold(Sgd):
    """Knows the last length only."""

    def step(self, update):
        self.limit.d = 0.0
        return super().step(update)


def test_noise_is_no_signal():
    """A wave in noise, whose floor is 1: the hold keeps the step from growing where a draw of the noise is small."""
    last = {
        (name, lr): np.mean(losses_of(make(), lr, noise=1.0, n_sequences=150, update_every="sequence")[-50:])
        for name, make in (("hold", Sgd), ("none", WithoutHold), ("plain", ALL["plain"]))
        for lr in ((0.001, 0.01, 0.1) if name == "hold" else (0.01,))
    }
    assert max(last["hold", lr] for lr in (0.001, 0.01, 0.1)) < 1.15
    assert last["none", 0.01] > 1.25 and last["plain", 0.01] > 1.4
