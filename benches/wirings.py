"""Networks of which not all synapses exist: microseconds a step, bytes a synapse, and where lists of synapses win.

``python benches/wirings.py [--neurons N] [--no-rivals] [--adaptive] [--textbook]``. Five tables of one run, or the third
or the fourth alone, float32, one thread, each number the least of some runs in processor time (on two threads, and in the
fourth: on the clock):

1. a network of a fly's size, 138,639 neurons and 15 million synapses with a tail of degrees, at 0.5 % firing, which is
   printed and asserted; where it learns also on two threads, in turn with one;
2. N = 1,000 at densities from 1 to 0.02, in lists, in rows with a place for each neuron, and with all synapses;
3. N = 20,000 with 100 synapses each, of neurons whose thresholds stay and of neurons that adapt, in lists;
4. N = 1,000 with a membrane of each neuron's own, in the textbook form: in lists, and with a mask, side by side;
5. the same network of a fly's size in flydnet (three-factor learning) and in brian2 (inference alone), where they are
   installed.
"""

import os

os.environ.setdefault("EPROP_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("FLYDNET_THREADS", "1")

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from bars import Bar, beside
from scipy import sparse

from eprop import EpropTrainer, wiring
from eprop.optim import SGD, Rewire

FLY, SYNAPSES = 138_639, 15_000_000
N_INPUTS, N_OUTPUTS, STEPS = 100, 10, 300
RATE_HZ, LEAST_RATE, MOST_RATE = 5.0, 0.004, 0.006
TIMES = {
    "inference": Bar(350, " us"),
    "one update a sequence": Bar(1200, " us"),
    "update at every step": Bar(2100, " us"),
}
TWO_THREADS = {"one update a sequence": Bar(1000, " us"), "update at every step": Bar(1300, " us")}
BYTES = Bar(24, " bytes")
TENTH = Bar(4, at_least=True)
LEARNED = Bar(200, at_least=True)
DENSITIES = (1.0, 0.7, 0.5, 0.3, 0.1, 0.05, 0.02)
# Half of the neurons adapt, or all of them: with a spike the threshold rises by 0.2, and falls within 200 ms.
ADAPTATIONS: dict[str, dict[str, Any]] = {
    "thresholds stay": {},
    "all adapt": {"beta": 0.2, "tau_adaptation": 200.0},
    "half of them adapt": {"beta": np.tile([0.2, 0.0], 10_000), "tau_adaptation": 200.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neurons", type=int, default=FLY, help="of the large network")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--adaptive", action="store_true", help="the table of neurons that adapt alone")
    parser.add_argument("--textbook", action="store_true", help="the table of the textbook form alone")
    options = parser.parse_args()
    if options.adaptive or options.textbook:
        adaptive() if options.adaptive else textbook()
        return
    share = options.neurons / FLY
    lists = connectome(options.neurons, int(SYNAPSES * share))
    ours = large(lists, options.neurons == FLY)
    densities()
    adaptive()
    textbook()
    if not options.no_rivals:
        rivals(lists, ours)


def connectome(n: int, synapses: int) -> sparse.csr_array:
    """Which synapses exist: log-normal degrees, in and out, with a mean of about 110 and a tail to thousands."""
    rng = np.random.default_rng(0)
    degrees = rng.lognormal(0.0, 1.0, n)
    degrees = np.clip(degrees * synapses / degrees.sum(), 1, 10_000).astype(int)
    sources = np.repeat(np.arange(n), degrees)
    drawn = np.cumsum(rng.lognormal(0.0, 1.0, n))
    targets = np.searchsorted(drawn / drawn[-1], rng.random(len(sources)))
    keys = np.unique(sources * n + np.minimum(targets, n - 1))
    sources, targets = keys // n, keys % n
    keep = sources != targets
    exists = np.ones(keep.sum(), dtype=bool)
    lists = sparse.csr_array((exists, (targets[keep], sources[keep])), shape=(n, n))
    most = np.bincount(sources[keep]).max()
    print(
        f"{n:,} neurons, {lists.nnz:,} synapses between them, {lists.nnz / n:.0f} a neuron, at most {most:,}\n"
    )
    return lists


def stream(steps: int, n_inputs: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.random((steps, n_inputs)) < 0.05, 0.1 * rng.normal(size=(steps, N_OUTPUTS)).astype(np.float32)


def least(work: Callable[[], object], runs: int = 5) -> float:
    """Microseconds a step, in processor time."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e6 * min(times) / STEPS


def in_turn(works: list[Callable[[], object]], runs: int = 5) -> list[float]:
    """Microseconds a step of each, on the clock: one after the other, again and again."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, its in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            its.append(time.perf_counter() - start)
    return [1e6 * min(its) / STEPS for its in times]


def large(lists: Any, is_judged: bool) -> dict[str, float]:
    x, y = stream(STEPS, N_INPUTS)
    found = {}
    print("| what | us a step | bytes a synapse | ns a synapse that is passed |\n| --- | --- | --- | --- |")
    for every in ("sequence", 1):
        trainer = EpropTrainer(
            N_INPUTS, lists.shape[0], N_OUTPUTS, connect_rec=lists, connect_in=0.1, update_every=every
        )
        trainer.calibrate(x[:200], rate=RATE_HZ)
        _, spikes = trainer.predict_sequence(x, return_spikes=True)
        rate = float(spikes.mean())
        passed = float((spikes.mean(axis=0) * np.diff(lists.tocsc().indptr)).sum())
        assert LEAST_RATE < rate < MOST_RATE, f"{rate:.4f} of the neurons fired in a step"
        bytes_each = trainer.memory_bytes / (lists.nnz + trainer.W_in.nnz)
        learn = "one update a sequence" if every == "sequence" else "update at every step"
        found[learn] = least(partial(trainer.train_sequence, x, y))
        names = [learn]
        if every == "sequence":
            # No W is changed by it, and nothing is kept for learning.
            found["inference"] = least(partial(trainer.evaluate, x))
            names.insert(0, "inference")
        for name in names:
            us = beside(found[name], TIMES[name] if is_judged else None, " us")
            print(
                f"| {name} | {us} | {beside(bytes_each, BYTES)} | {1e3 * found[name] / passed:.1f} |",
                flush=True,
            )
        one, two = in_turn([partial(trainer.train_sequence, x, y, n_threads=n) for n in (1, 2)])
        us = beside(two, TWO_THREADS[learn] if is_judged else None, " us")
        print(f"| {learn}, two threads (one: {one:.0f} us on the clock) | {us} | | |", flush=True)
    print(f"\n{rate:.2%} of the neurons fired in a step, {passed:,.0f} synapses passed\n")
    return found


def densities() -> None:
    n, x_y = 1000, stream(STEPS, N_INPUTS)
    print("| N = 1,000, density | every step: listed | textbook | all | sequence: listed | block | all |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    of_all = {every: learned(every, n, x_y) for every in (1, "sequence")}
    for density in DENSITIES:
        cells = []
        for every in (1, "sequence"):
            wired = {"connect_in": density, "connect_rec": density}
            listed = learned(every, n, x_y, engine="factored", **wired)
            other = learned(every, n, x_y, engine="block" if every == "sequence" else "textbook", **wired)
            judged = TENTH if density == 0.1 and every == 1 else None
            ratio = beside(of_all[every] / listed, judged)
            cells += [f"{listed:.1f} us, {ratio}", f"{other:.1f} us", f"{of_all[every]:.1f} us"]
        print(f"| {density:g} | {' | '.join(cells)} |", flush=True)
    print(
        "\nThe ratio is that of all synapses to lists in factors. The textbook form is in lists, too, and block below 0.2;"
        " from there on it has a mask.\n"
    )


def adaptive() -> None:
    """All networks side by side, run after run: what else the machine does meets all alike."""
    n, k = 20_000, 100
    x, y = stream(STEPS, N_INPUTS)
    lists = wiring.fixed_indegree(n, n, k, seed=0)
    print(
        f"| N = {n:,}, {k} synapses each | inference | sequence | in blocks | every step | bytes a synapse |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    work: dict[str, dict[str, Callable[[], object]]] = {}
    sizes = {}
    for name, options in ADAPTATIONS.items():
        work[name], bytes_each = {}, []
        for what, every, engine in (
            ("sequence", "sequence", None),
            ("blocks", "sequence", "block"),
            ("every", 1, None),
        ):
            form = {} if engine is None else {"engine": engine}
            trainer = EpropTrainer(
                N_INPUTS,
                n,
                N_OUTPUTS,
                connect_rec=lists,
                connect_in=0.1,
                update_every=every,
                **form,
                **options,
            )
            trainer.calibrate(x[:200], rate=10.0)
            rate = float(trainer.predict_sequence(x, return_spikes=True)[1].mean())
            assert trainer.storage == "listed" and 0.008 < rate < 0.012, f"{rate:.4f} fired in a step"
            if what == "sequence":
                work[name]["inference"] = partial(trainer.evaluate, x)
            work[name][what] = partial(trainer.train_sequence, x, y)
            bytes_each.append(trainer.memory_bytes / (lists.nnz + trainer.W_in.nnz))
        sizes[name] = bytes_each
    found = {name: {what: np.inf for what in of} for name, of in work.items()}
    for _ in range(5):
        for name, of in work.items():
            for what, run in of.items():
                found[name][what] = min(found[name][what], least(run, runs=1))
    for name, times in found.items():
        cells = " | ".join(f"{us:.0f} us" for us in times.values())
        bytes_of_all = ", ".join(f"{bytes_each:.1f}" for bytes_each in sizes[name])
        print(f"| {name} | {cells} | {bytes_of_all} |", flush=True)
    print("\nBytes with an update a sequence, in factors and in blocks, and at every step.\n")


def textbook() -> None:
    """One update a sequence, so that what moves the synapses, and has a mask with such membranes, costs next to nothing."""
    n, (x, y) = 1000, stream(60, N_INPUTS)
    print("| N = 1,000, density | lists | mask | ratio | neurons adapt: lists | mask | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for density in (0.05, 0.1, 0.5, 0.8, 1.0):
        cells = []
        for beta in (0.0, 0.2):
            works = []
            for rewire, storage in ((None, "listed"), (Rewire(l1=0.0), "masked")):
                trainer = EpropTrainer(
                    N_INPUTS,
                    n,
                    N_OUTPUTS,
                    connect_in=density,
                    connect_rec=density,
                    engine="textbook",
                    update_every="sequence",
                    optimizer=SGD(rewire=rewire),
                    tau_mem=np.linspace(5.0, 40.0, n),
                    beta=beta,
                )
                assert trainer.storage == storage
                trainer.calibrate(x, rate=20.0)
                works.append(partial(trainer.train_sequence, x, y))
            listed, masked = (us * STEPS / len(x) for us in in_turn(works))
            cells += [f"{listed:.0f} us", f"{masked:.0f} us", f"{masked / listed:.1f}"]
        print(f"| {density:g} | {' | '.join(cells)} |", flush=True)
    print()


def learned(every: int | str, n: int, x_y: tuple[Any, Any], **options: Any) -> float:
    trainer = EpropTrainer(N_INPUTS, n, N_OUTPUTS, update_every=every, **options)
    trainer.calibrate(x_y[0], rate=20.0)
    return least(lambda: trainer.train_sequence(*x_y), runs=3 if options.get("engine") == "textbook" else 7)


def rivals(lists: Any, ours: dict[str, float]) -> None:
    print("| beside | us a step | ours | ratio |\n| --- | --- | --- | --- |")
    for name, measure, row, bar in (
        ("flydnet, ThreeFactor, one update a sequence", flydnet, "one update a sequence", LEARNED),
        ("brian2, inference", brian2, "inference", Bar(1, at_least=True)),
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs, what = measure(lists)
        except ImportError as missing:
            print(f"| {name} | left out: {missing} | | |")
            continue
        ratio = beside(theirs / ours[row], bar)
        print(f"| {name}: {what} | {theirs:,.0f} us | {ours[row]:.0f} us | {ratio} |", flush=True)


def flydnet(lists: Any) -> tuple[float, str]:
    """Of all of its synapses: the forward pass, then the pass that sums traces times signals, for a step of 1 ms."""
    import flydnet as fd

    n, coo = lists.shape[0], lists.tocoo()
    rng = np.random.default_rng(2)
    groups = {
        "in": np.arange(N_INPUTS),
        "rest": np.arange(N_INPUTS, n - N_OUTPUTS),
        "out": np.arange(n - N_OUTPUTS, n),
    }
    circuit = fd.Circuit.from_edges(
        coo.col, coo.row, weight=rng.normal(size=coo.nnz).astype(np.float32), groups=groups
    )
    steps = 3
    layer = fd.ConnectomeLayer(
        circuit, "in", ("out",), t_ms=float(steps), dt=1.0, trainable=True, timing="brian"
    )
    rule = fd.ThreeFactor(layer)
    rates = np.full((1, N_INPUTS), 50.0, dtype=np.float32)
    start = time.process_time()
    out = rule(rates, seed=0)
    out.retro = np.ones_like(out.data)
    rule.assign(out)
    seconds = time.process_time() - start
    return 1e6 * seconds / steps, f"{circuit.N:,} neurons, {circuit.n_edges:,} synapses, {steps} steps"


def brian2(lists: Any) -> tuple[float, str]:
    """The same neurons and synapses, dt = 1 ms, compiled; the same share of the neurons fires."""
    import brian2 as b2

    n, coo = lists.shape[0], lists.tocoo()
    b2.defaultclock.dt = 1 * b2.ms
    neurons = b2.NeuronGroup(
        n, "dv/dt = -v / (20 * ms) : 1", threshold="v >= 1", reset="v -= 1", method="exact"
    )
    inputs = b2.PoissonGroup(n, RATE_HZ * b2.Hz)
    drive = b2.Synapses(inputs, neurons, on_pre="v += 1.1")  # of which a step leaves enough to fire
    drive.connect(j="i")
    synapses = b2.Synapses(neurons, neurons, "w : 1", on_pre="v_post += w", delay=1 * b2.ms)
    synapses.connect(i=coo.col, j=coo.row)
    synapses.w = 0.0
    counted = b2.SpikeMonitor(neurons, record=False)
    network = b2.Network(neurons, inputs, drive, synapses, counted)
    network.run(100 * b2.ms)

    def seconds(steps: int) -> float:
        start = time.process_time()
        network.run(steps * b2.ms)
        return time.process_time() - start

    # Each run prepares itself anew, whatever its length: the difference of two is steps alone.
    few, many, before = 100, 600, counted.num_spikes
    us = 1e6 * (seconds(many) - seconds(few)) / (many - few)
    rate = (counted.num_spikes - before) / (few + many) / n
    assert LEAST_RATE < rate < MOST_RATE, f"{rate:.4f} of brian2's neurons fired in a step"
    return us, f"{rate:.2%} fired in a step"


if __name__ == "__main__":
    main()
