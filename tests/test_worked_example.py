"""The worked example of DESIGN.md: its tables are what the equations beside them give, and what the package computes."""

from fractions import Fraction
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eprop import EpropTrainer
from eprop.optim import SGD

PAGE = Path(__file__).parents[1] / "DESIGN.md"
HALF = Fraction(1, 2)  # alpha, kappa and kappa_e
ETA, B_OUT, W_START, W_OUT_START = Fraction(1, 4), 2, (Fraction(7, 8), Fraction(5, 4)), Fraction(1)
STEPS = range(5)

pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="tests without their repository"),
    pytest.mark.filterwarnings("ignore::eprop.FiringRateWarning"),
]


def number(cell):
    return Fraction(cell) if cell[-1].isdigit() else cell


def table(heading):
    """The columns of the table under a heading, by name."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in section.splitlines()
        if "|" in line
    ]
    names, _, *rows = lines
    return {name: [number(row[at]) for row in rows] for at, name in enumerate(names)}


@pytest.fixture
def given():
    """What every form starts from: inputs by source, psi, L, spikes, errors."""
    forward = table("Forward")
    x = [forward["x1"], forward["x2"]]
    return SimpleNamespace(x=x, psi=forward["psi"], L=forward["L"], z=forward["z"], err=forward["err"])


def textbook(given, every_step=True):
    """Lines 1 to 10 of docs/method.md; every value of every step, by the names of the tables."""
    W, W_out, v, z, y, F = list(W_START), W_OUT_START, 0, 0, 0, 0
    z_bar, e_bar, G = [0, 0], [0, 0], [0, 0]
    seen = []
    for t in STEPS:
        v = HALF * v + sum(W[i] * given.x[i][t] for i in (0, 1)) - z
        psi, z = int(abs(v - 1) < 1), int(v >= 1)
        y, F = HALF * y + W_out * z, HALF * F + z
        for i in (0, 1):
            z_bar[i] = HALF * z_bar[i] + given.x[i][t]
            e_bar[i] = HALF * e_bar[i] + psi * z_bar[i]
            G[i] += given.L[t] * e_bar[i]
            W[i] -= ETA * given.L[t] * e_bar[i] if every_step else 0
        W_out -= ETA * given.err[t] * F if every_step else 0
        pairs = {
            f"{name}{i + 1}": row[i]
            for name, row in (("z_bar", z_bar), ("e_bar", e_bar), ("G", G), ("W", W))
            for i in (0, 1)
        }
        seen.append({"v": v, "psi": psi, "z": z, "y": y, "F": F, "W_out": W_out, **pairs})
    return {name: [step[name] for step in seen] for name in seen[0]}


def test_forward_and_textbook(given):
    forward, columns = table("Forward"), textbook(given)
    for name in ("v", "psi", "z", "y"):
        assert forward[name] == columns[name], name
    for name, column in table("Textbook").items():
        assert name == "t" or column == columns[name], name
    assert forward["L"] == [B_OUT * err for err in forward["err"]]
    for y, target, err in zip(forward["y"], forward["y*"], forward["err"], strict=True):
        assert err == (0 if target == "-" else y - target)
    # Where weights rest the neuron does the same.
    assert [textbook(given, every_step=False)[name] for name in ("psi", "z")] == [given.psi, given.z]


def scan(given, steps):
    """R, q and q_e of one block."""
    R, q, q_e = 0, 0, 0
    rows = []
    for t in reversed(steps):
        R = given.err[t] + HALF * R
        q = B_OUT * R * given.psi[t] + HALF * q
        q_e = HALF ** (steps[-1] - t) * given.psi[t] + HALF * q_e
        rows.insert(0, (R, q, q_e))
    return rows


def block_form(given, blocks):
    """The scans' rows, and after each block what its carry was made with and what stands then."""
    G, e_bar, z_bar = [0, 0], [0, 0], [0, 0]
    rows, ends = [], []
    for steps in blocks:
        block = scan(given, steps)
        R, q, q_e = block[0]
        of = (HALF * q, HALF * B_OUT * R, HALF * q_e, HALF ** len(steps))
        for i in (0, 1):
            sent = [(row, given.x[i][t]) for row, t in zip(block, steps, strict=True)]
            G[i] += of[0] * z_bar[i] + of[1] * e_bar[i] + sum(s * q for (_, q, _), s in sent)
            e_bar[i] = of[2] * z_bar[i] + of[3] * e_bar[i] + sum(s * q_e for (_, _, q_e), s in sent)
            for t in steps:
                z_bar[i] = HALF * z_bar[i] + given.x[i][t]
        rows += block
        ends.append((*of, *G, *e_bar, *z_bar))
    return rows, ends


@pytest.mark.parametrize(
    ("heading", "blocks"),
    [("Block form, K = 5", [range(5)]), ("Block form, two blocks", [range(3), range(3, 5)])],
)
def test_block_form(given, heading, blocks):
    rows, ends = block_form(given, blocks)
    columns = table(heading)
    assert rows == list(zip(columns["R"], columns["q"], columns["q_e"], strict=True))
    if len(blocks) == 2:
        columns = table("Carry")
        assert ends == list(zip(*list(columns.values())[1:], strict=True))
    last = {name: column[-1] for name, column in table("Textbook").items()}
    assert ends[-1][4:] == tuple(last[name] for name in ("G1", "G2", "e_bar1", "e_bar2", "z_bar1", "z_bar2"))


def compose(first, last):
    (S1, T1, x1, k1, a1), (S2, T2, x2, k2, a2) = first, last
    return S1 + k1 * S2, T1 + x1 * S2 + a1 * T2, k2 * x1 + a1 * x2, k1 * k2, a1 * a2


def ended(row, silence):
    (A, C, zt), (S, T, x, k, a) = row, silence
    return A - S * C - T * zt, k * C + x * zt, a * zt


def factored_form(given, B):
    """Rows and factors after each step, the same as (W, e_bar, z_bar), the blocks, and what met a row that had waited."""
    rows = [[W, Fraction(0), Fraction(0)] for W in W_START]
    X1 = S = T = Fraction(0)
    blocks, heard, caught_up = [], [0, 0], []
    seen, read = [], []
    for t in STEPS:
        u = t % B
        down, up = HALF**u, 2**u
        if t and u == 0:
            blocks.append((S, T, HALF**B * X1, HALF**B, HALF**B))
            X1 = S = T = Fraction(0)
        for i, s in enumerate(x[t] for x in given.x):
            if s == 0:
                continue
            if heard[i] < len(blocks):
                waited = reduce(compose, blocks[heard[i] :])
                rows[i] = list(ended(rows[i], waited))
                caught_up.append((t + 1, i + 1, waited, tuple(rows[i])))
            heard[i] = len(blocks)
            a = up * s
            rows[i][0] -= a * (S * X1 - T)
            rows[i][1] -= a * X1
            rows[i][2] += a
        X1 += up * given.psi[t] * down
        dS = ETA * down * given.L[t]
        S, T = S + dS, T + dS * X1
        seen.append((u, *(row[k] for k in range(3) for row in rows), X1, S, T))
        read.append([])
        for i, row in enumerate(rows):
            for block in blocks[heard[i] :]:
                row = ended(row, block)
            W, e_bar, z_bar = ended(row, (S, T, X1, 1, 1))
            read[-1].append((W, down * e_bar, down * z_bar))
    return seen, read, blocks, caught_up


@pytest.mark.parametrize("B", [1, 2, 3, 4, 5])
def test_factored_form_whatever_the_block(given, B):
    _, read, _, _ = factored_form(given, B)
    columns = table("Textbook")
    for t in STEPS:
        for i in (0, 1):
            expected = tuple(columns[f"{name}{i + 1}"][t] for name in ("W", "e_bar", "z_bar"))
            assert read[t][i] == expected


def test_factored_form(given):
    seen, *_ = factored_form(given, 3)
    columns = table("Factored form, B = 3")
    assert list(columns) == ["t", "u", "A1", "A2", "C1", "C2", "zt1", "zt2", "X1", "S", "T"]
    assert seen == list(zip(*list(columns.values())[1:], strict=True))


def test_silence(given):
    *_, blocks, caught_up = factored_form(given, 2)
    columns = table("Silence, B = 2")
    both = compose(*blocks)
    assert [*blocks, both] == list(zip(*list(columns.values())[1:], strict=True))
    assert caught_up[-1] == (5, 2, both, (Fraction(19, 16), Fraction(3, 16), Fraction(1, 16)))


def test_readout_in_factors(given):
    A, f, V = W_OUT_START, Fraction(0), Fraction(0)
    seen, textbooks = [], textbook(given)
    for t in STEPS:
        u = t % 2
        if t and u == 0:
            A, f, V = A - f * V, HALF**2 * f, Fraction(0)
        if given.z[t]:
            A, f = A + 2**u * V, f + 2**u
        V += ETA * HALF**u * given.err[t]
        seen.append((u, A, f, V))
        assert A - f * V == textbooks["W_out"][t]
        assert HALF**u * f == textbooks["F"][t]
    assert seen == list(zip(*list(table("Readout in factors, B = 2").values())[1:], strict=True))


def trainer(n_inputs=2, n=1, **options):
    """The example's neuron and inputs are the first of each; no other has a weight, and none ever fires."""
    tau = 1.0 / np.log(2.0)
    model = EpropTrainer(
        n_inputs, n, 1, tau_mem=tau, tau_trace=tau, threshold=1.0, lr=float(ETA), dtype="float64",
        surrogate="boxcar", surrogate_height=1.0, surrogate_width=1.0, feedback="random",
        optimizer=SGD(limit=False), **options,
    )  # fmt: skip
    W_in, W_out, B = np.zeros((n, n_inputs)), np.zeros((1, n)), np.zeros((n, 1))
    W_in[0, :2], W_out[0, 0], B[0, 0] = [float(W) for W in W_START], float(W_OUT_START), B_OUT
    model.W_in, model.W_rec, model.W_out, model.B = W_in, np.zeros((n, n)), W_out, B
    return model


def inputs(given, n):
    x = np.zeros((5, n))
    x[:, :2] = np.array(given.x, dtype=float).T
    return x


SIZES = [(2, 1), (32, 32)]


@pytest.mark.parametrize(("n_inputs", "n"), SIZES)
def test_the_package_step_by_step(given, n_inputs, n):
    model, columns, forward = trainer(n_inputs, n), textbook(given), table("Forward")
    x = inputs(given, n_inputs)
    assert n == 1 or model.engine == "factored"
    for t in STEPS:
        target = None if forward["y*"][t] == "-" else [float(forward["y*"][t])]
        step = model.step(x[t], target)
        state = [model.v[0], *model.W_in[0, :2], model.W_out[0, 0], *model.z_bar[:2], *model.e_bar[0, :2]]
        here = [step["spikes"][0], step["output"][0], *state]
        names = ("z", "y", "v", "W1", "W2", "W_out", "z_bar1", "z_bar2", "e_bar1", "e_bar2")
        assert here == pytest.approx([float(columns[name][t]) for name in names], abs=1e-14)


@pytest.mark.parametrize("cut", [5, 3])
def test_the_package_in_blocks(given, cut):
    """Whole, and with an update after step 3 at a rate of 0: what it leaves is carried into the next block."""
    model, columns = trainer(update_every="sequence"), table("Textbook")
    x = inputs(given, 2)
    assert model.engine == "block"
    targets = [
        [float(y - err)] for y, err in zip(textbook(given, every_step=False)["y"], given.err, strict=True)
    ]
    first_gradient = [0, 0]
    for t in STEPS:
        model.step(x[t], targets[t])
        if t + 1 == cut < 5:
            model.lr = 0.0
            model.update()
            model.lr = float(ETA)
            first_gradient = [columns["G1"][t], columns["G2"][t]]
    model.update()
    gradient = [columns[f"G{i + 1}"][-1] - first_gradient[i] for i in (0, 1)]
    expected = [float(W_START[i] - ETA * gradient[i]) for i in (0, 1)]
    assert model.W_in[0].tolist() == pytest.approx(expected, abs=1e-14)
    assert model.e_bar[0, :2].tolist() == pytest.approx(
        [float(columns[f"e_bar{i}"][-1]) for i in (1, 2)], abs=1e-14
    )
    assert model.z_bar[:2].tolist() == pytest.approx(
        [float(columns[f"z_bar{i}"][-1]) for i in (1, 2)], abs=1e-14
    )
