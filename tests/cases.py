"""Random networks for Hypothesis: it draws sizes, options and a seed; a seed draws the numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from helpers import (
    NEURON_OPTIONS,
    assign,
    eprop_weights,
    spike_trains,
    target_rows,
    weight_scale,
)
from hypothesis import strategies as st
from reference import (
    SURROGATES,
    Lif,
    ReferenceBatch,
    ReferenceEprop,
    ReferenceLayer,
    ReferenceStack,
    decay,
    gain,
)
from reference_horizon import ReferenceHorizon
from streams import face_optimizer, reference_optimizer

import eprop

# Of the groups of weights.
RATES = ("lr_in", "lr_rec", "lr_out")
# No number depends on these.
HOW_IT_COMPUTES = ("engine", "memory_limit", "wiring")


def neuron_options():
    return st.fixed_dictionaries(
        {
            "tau_mem": st.sampled_from([20.0, 7.5, 60.0, 2.0]),
            "threshold": st.sampled_from([0.03, 0.5, 1.0, 2.0]),
            "dt": st.sampled_from([0.5, 1.0, 2.0]),
            "reset_mechanism": st.sampled_from(["subtract", "zero"]),
            "n_ref": st.integers(0, 5),
            "surrogate": st.sampled_from(sorted(SURROGATES)),
            "surrogate_height": st.sampled_from([None, 0.4]),
            "surrogate_width": st.sampled_from([None, 0.7]),
            "input_gain": st.sampled_from(["unit", "leak"]),
            "beta": st.sampled_from([0.0, 0.0, 0.3, 1.8]),
            "tau_adaptation": st.sampled_from([200.0, 30.0]),
        }
    ).map(in_thresholds)


def in_thresholds(options):
    """Adaptation by as much of a threshold: beta h stays below 1 + rho, or rounding errors grow in the recursion itself."""
    return {**options, "beta": options["beta"] * options["threshold"]}


def update_every():
    """Every form, and n up to where no update comes within the stream."""
    return st.one_of(st.just(1), st.integers(2, 40) | st.integers(41, 1500), st.just("sequence"))


def eprop_options():
    return st.fixed_dictionaries(
        {
            "tau_trace": st.sampled_from([20.0, 33.0, 400.0, 5.0, 1.0, 0.0]),
            "tau_out": st.sampled_from([None, None, 0.0, 12.0]),
            "readout_gain": st.sampled_from(["unit", "leak"]),
            "loss": st.sampled_from(["mse", "cross_entropy"]),
            "feedback": st.sampled_from(["symmetric", "random", "adaptive"]),
            "readout_bias": st.booleans(),
            "c_reg": st.sampled_from([0.0, 0.0, 1.0]),
            "c_reg_side": st.sampled_from(["both", "above", "below"]),
            "f_target": st.sampled_from([10.0, 40.0]),
            "tau_reg": st.sampled_from([50.0, 500.0]),
            "update_every": update_every(),
            "delay": st.sampled_from([1, 1, 2, 5]),
            "feedback_decay": st.sampled_from([0.0, 0.0, 1e-3, 0.1]),
            # Times `lr`.
            "lr_in": st.sampled_from([None, None, None, 0.0, 2.0]),
            "lr_rec": st.sampled_from([None, None, None, 0.0, 2.0]),
            "lr_out": st.sampled_from([None, None, None, 0.0, 2.0]),
            # A pair: of neurons that differ, the first and the last.
            "tau_mem": st.sampled_from([20.0, 7.5, 60.0, 2.0, (5.0, 40.0)]),
            "tau_syn": st.sampled_from([0.0, 0.0, 0.0, 4.0, 25.0]),
            "engine": st.sampled_from([None, None, None, None, "textbook"]),
            # From the least that the network fits into, 0, to what it takes without a limit, 1.
            "memory_limit": st.sampled_from([None, None, 0.0, 0.5]),
            # The share of synapses that exist, and whether sources have signs.
            "wiring": st.sampled_from(
                [None, None, None, (0.3, False), (0.8, False), (0.5, True), (1.0, True)]
            ),
        }
    ).map(of_adaptive_feedback)


def with_memory(sizes, options):
    """The share of memory in bytes; with credit that flows back there is one form, which may grow."""
    share, horizon = options["memory_limit"], options.get("horizon", 1)
    options = {**options, "engine": options["engine"] if horizon == 1 else None, "memory_limit": None}
    if share is None or horizon == "sequence":
        return options
    most = eprop.EpropTrainer.plan(*sizes, **options).bytes
    try:
        eprop.EpropTrainer.plan(*sizes, **{**options, "memory_limit": 0})
    except ValueError as error:
        least = int(re.search(r"memory_limit: expected at least (\d+) bytes", str(error))[1])
    return {**options, "memory_limit": int(least + share * (most - least))}


def of_adaptive_feedback(options):
    """Nothing else decays."""
    return options if options["feedback"] == "adaptive" else {**options, "feedback_decay": 0.0}


@dataclass
class Case:
    """One network with its data. `sizes` are (n_inputs, n_neurons, n_outputs), or layer sizes."""

    sizes: tuple[int, ...]
    T: int
    seed: int
    analog: bool
    masked: bool
    options: dict = field(repr=True)

    P_INPUT = 0.3

    def __post_init__(self):
        ends = self.options["tau_mem"]
        if isinstance(ends, (tuple, list)):
            self.options["tau_mem"] = np.linspace(
                *ends, self.sizes[1] if type(ends) is tuple else len(self.sizes) - 1
            )
        self.rng = np.random.default_rng(self.seed)
        self.inputs = spike_trains(self.rng, 2 * self.T, self.sizes[0], self.P_INPUT, analog=self.analog)
        self.targets = target_rows(self.rng, 2 * self.T, self.sizes[-1], self.options["loss"])
        self.mask = self.rng.random(2 * self.T) < (0.7 if self.masked else 2.0)
        self.options["lr"] = self._learning_rate()
        if self.options.get(
            "w_max"
        ):  # in standard deviations of the weights: a bound that leaves networks lively
            self.options["w_max"] *= self.scale(sum(self.sizes[:2]), self.P_INPUT)
        for rate in RATES:
            if self.options.get(rate) is not None:
                self.options[rate] *= self.options["lr"]

    def _learning_rate(self):
        if self._is_adam():  # every weight moves by about lr, whatever its gradient
            return 1e-3 * min(self.scale(sum(self.sizes[:2]), self.P_INPUT), 1.0)
        if self.options.get("optimizer") == "auto":  # has no unit
            return 0.01
        every = self.options["update_every"]
        steps = self.T if every == "sequence" else min(every, self.T)
        if self.options.get("reduction") == "mean":
            steps = 1
        return 0.3 / (steps * self._gradient_scale())

    def _is_adam(self):
        optimizer = self.options.get("optimizer")
        return isinstance(optimizer, dict) or (isinstance(optimizer, tuple) and optimizer[0] == "AdamW")

    def trainer_options(self, dtype):
        """As the package takes them."""
        options = {name: value for name, value in self.options.items() if name != "wiring"}
        return {**options, "dtype": dtype, **self._optimizer(face_optimizer), **self._connections()}

    def reference_options(self):
        options = {name: value for name, value in self.options.items() if name not in HOW_IT_COMPUTES}
        return {**options, **self._optimizer(reference_optimizer), **self._structure()}

    def _structure(self):
        """Which synapses exist, (N, n_inputs + N), and the signs of sources, where not all do, and where they have any."""
        if self.options.get("wiring") is None:
            return {}
        share, signed = self.options["wiring"]
        n_inputs, n, _ = self.sizes
        rng = np.random.default_rng(self.seed + 1)
        structure = {"connected": rng.random((n, n_inputs + n)) < share} if share < 1.0 else {}
        return {**structure, "sign": rng.integers(-1, 2, n_inputs + n)} if signed else structure

    def _connections(self):
        """The same as a trainer takes it."""
        structure, n_inputs = self._structure(), self.sizes[0]
        options = {"sign": structure["sign"]} if "sign" in structure else {}
        if "connected" in structure:
            into = structure["connected"][:, :n_inputs]
            between = structure["connected"][:, n_inputs:] & ~np.eye(self.sizes[1], dtype=bool)
            options |= {"connect_in": into, "connect_rec": between}
        return options

    def _wired(self, W_in, W_rec, *others):
        """Weights where there are synapses, with the signs of their sources."""
        structure, n_inputs = self._structure(), self.sizes[0]
        W = np.concatenate([W_in, W_rec], axis=1) * structure.get("connected", True)
        sign = structure.get("sign", np.zeros(W.shape[1]))
        W = np.where(sign != 0, sign * np.abs(W), W)
        return W[:, :n_inputs], W[:, n_inputs:], *others

    def _optimizer(self, made):
        return {"optimizer": made(self.options["optimizer"])} if "optimizer" in self.options else {}

    def _gradient_scale(self):
        """About the squared length of a step's gradient per unit of error.

        A rate well below its inverse learns; above it the weights run away, and with them every
        rounding error.
        """
        o = {"tau_trace": 20.0, "tau_out": None, "readout_gain": "unit", "tau_syn": 0.0, **self.options}
        neuron = Lif(1, tau_syn=o["tau_syn"], **{k: o[k] for k in NEURON_OPTIONS})
        tau_out = o["tau_trace"] if o["tau_out"] is None else o["tau_out"]
        filters = [
            gain(o["readout_gain"], o["dt"], tau) / (1.0 - decay(o["dt"], tau))
            for tau in (o["tau_trace"], tau_out)
        ]
        z_bar = np.max(neuron.zeta * self.P_INPUT / (1.0 - neuron.alpha)) / (1.0 - neuron.sigma)
        e_bar, F = neuron.h * z_bar * filters[0], self.P_INPUT * filters[1]
        # A step of the input weights stays well below a percent of their own spread.
        spread = self.scale(sum(self.sizes[:2]), self.P_INPUT)
        return sum(self.sizes[:2]) * e_bar**2 + max(self.sizes) * F**2 + 100.0 * e_bar / spread + 1.0

    def scale(self, n_sources, p):
        keys = {"tau_mem", "dt", "threshold", "input_gain", "tau_syn"} & self.options.keys()
        return 2.0 * weight_scale(n_sources, p, **{k: self.options[k] for k in keys})

    def eprop(self, dtype="float64"):
        """The package's trainer and the reference, with the same weights."""
        n_inputs, n, _ = self.sizes
        scale = self.scale(n_inputs + n, self.P_INPUT)
        weights = eprop_weights(np.random.default_rng(self.seed), *self.sizes, scale)
        weights = self._wired(*weights)
        trainer = eprop.EpropTrainer(*self.sizes, **with_memory(self.sizes, self.trainer_options(dtype)))
        assign(trainer, weights)
        W_in, W_rec, W_out, b, B = weights
        if not self.options["readout_bias"]:
            b = None
        return trainer, self._reference(W_in, W_rec, W_out, b, B)

    def _reference(self, *weights):
        options = self.reference_options()
        if options.get("horizon", 1) != 1:
            return ReferenceHorizon(*weights, **options)
        return ReferenceEprop(*weights, **{k: v for k, v in options.items() if k not in HORIZON_OPTIONS})

    def stack(self, dtype="float64"):
        trainer = eprop.OnlineTrainer(list(self.sizes), **self.trainer_options(dtype))
        weights = self.stack_weights()
        for layer, W in zip(trainer.layers, weights, strict=True):
            layer.W = W
        return trainer, ReferenceStack(weights, **self.reference_options())

    def stack_weights(self):
        rng = np.random.default_rng(self.seed)
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        weights = [self.scale(n, 0.2) * rng.normal(size=(m, n)) for n, m in pairs]
        return [W.astype(np.float32).astype(float) for W in weights]

    def layer(self, dtype="float64"):
        n_inputs, n = self.sizes
        options = {k: self.options[k] for k in (*NEURON_OPTIONS, "lr")}
        layer = eprop.OnlineLIFLayer(n_inputs, n, dtype=dtype, **options)
        W = self.stack_weights()[0]
        layer.W = W
        return layer, ReferenceLayer(W, **options)


@dataclass
class BatchCase(Case):
    """The same for `n_streams` streams of unequal lengths; (B, 2 T, ...) of everything."""

    n_streams: int = 2

    def __post_init__(self):
        super().__post_init__()
        B, rows, rng = self.n_streams, 2 * self.T, self.rng
        kind = self.options["loss"]
        self.inputs = np.stack(
            [spike_trains(rng, rows, self.sizes[0], self.P_INPUT, analog=self.analog) for _ in range(B)]
        )
        self.targets = np.stack([target_rows(rng, rows, self.sizes[-1], kind) for _ in range(B)])
        self.mask = rng.random((B, rows)) < (0.7 if self.masked else 2.0)
        if self.options["reduction"] == "sum" and not self._is_adam():
            self.options["lr"] /= B

    def lengths(self, n_streams, longest):
        """The longest is not always as long as the padding."""
        return self.rng.integers(1, longest + 1, size=n_streams)

    def trainer_options(self, dtype):
        return {**super().trainer_options(dtype), "batch_size": self.n_streams}

    def eprop(self, dtype="float64"):
        trainer, model = super().eprop(dtype)
        return trainer, ReferenceBatch(model, self.n_streams)

    def stack(self, dtype="float64"):
        trainer, model = super().stack(dtype)
        return trainer, ReferenceBatch(model, self.n_streams)


def few_or_many():
    """Numbers of inputs: 16 and more are a dense row at a step where over a quarter is active, as most are at `P_INPUT`."""
    return st.integers(1, 12) | st.integers(16, 24)


SHORT = st.integers(40, 150) | st.integers(60, 150) | st.integers(1, 40)


def _cases(sizes, options, T=SHORT, case=Case, **more):
    return st.builds(
        case,
        **more,
        sizes=sizes,
        T=T,
        seed=st.integers(0, 2**32 - 1),
        analog=st.booleans(),
        masked=st.booleans(),
        options=options,
    )


HORIZON_OPTIONS = ("horizon", "recurrent_gain")


def with_horizon(options):
    """A horizon that goes with `update_every`, half of the time beyond a step. Undamped, the weights would run away."""

    def drawn(options, horizon, gain):
        every = options["update_every"]
        possible = horizon if every != 1 and (horizon != "sequence" or every == "sequence") else 1
        return {**options, "horizon": possible, "recurrent_gain": gain}

    horizons = st.just(1) | st.sampled_from([2, 7, 30, "sequence"])
    return st.builds(drawn, options, horizons, st.sampled_from([0.1, 0.2]))


def all_eprop_options():
    return merged(neuron_options(), eprop_options())


def learning_options():
    """An optimizer that does not make whole steps of rounding errors, as Adam with a small eps does; a sum or a mean."""
    adam = st.fixed_dictionaries(
        {
            "beta1": st.sampled_from([0.9, 0.5, 0.0]),
            "beta2": st.sampled_from([0.999, 0.9]),
            "eps": st.sampled_from([1e-2, 1e-3]),
        }
    )
    decays = {"weight_decay": st.sampled_from([0.0, 0.1])}
    sgd = st.fixed_dictionaries(decays)
    momentum = st.fixed_dictionaries({"mu": st.sampled_from([0.9, 0.5, 0.0]), **decays})
    adamw = st.builds(lambda constants, decay: {**constants, **decay}, adam, sgd)
    others = (
        st.tuples(st.just("SGD"), sgd)
        | st.tuples(st.just("Momentum"), momentum)
        | st.tuples(st.just("AdamW"), adamw)
    )
    return st.fixed_dictionaries(
        {
            "optimizer": st.sampled_from(["sgd", "auto"]) | adam | others,
            "reduction": st.sampled_from(["sum", "mean"]),
            "clip_norm": st.sampled_from([None, None, 0.5]),
            "w_max": st.sampled_from([None, None, 2.0]),
        }
    )


def merged(*options):
    """One dict of all."""
    return st.tuples(*options).map(lambda dicts: {k: v for d in dicts for k, v in d.items()})


def eprop_cases(*more, **case):
    n_neurons = st.integers(16, 40) | st.integers(4, 16) | st.integers(1, 6)
    sizes = st.tuples(few_or_many(), n_neurons, st.integers(1, 4))
    return _cases(sizes, with_horizon(merged(all_eprop_options(), *more)), **case)


def long_eprop_cases():
    """Streams longer than the longest block, 1,024 steps. Its inputs are rows, so that no block is full of spikes before."""
    sizes = st.tuples(st.integers(20, 24), st.integers(4, 8), st.just(2))
    options = st.builds(
        lambda a, n: {**a, "update_every": n},
        all_eprop_options(),
        st.one_of(st.just("sequence"), st.integers(1000, 1300), st.just(1)),
    )
    return _cases(sizes, with_horizon(options), T=st.integers(1030, 1100))


def stack_cases(*more, **case):
    above = st.lists(st.integers(1, 4) | st.integers(3, 12), min_size=1, max_size=3)
    sizes = st.builds(lambda n, rest: (n, *rest), few_or_many(), above)
    rest = st.fixed_dictionaries(
        {
            "loss": st.sampled_from(["mse", "cross_entropy"]),
            "update_every": update_every(),
            # A list: of layers that differ, the first and the last.
            "tau_mem": st.sampled_from([20.0, 7.5, 60.0, 2.0, [5.0, 40.0]]),
        }
    )
    return _cases(sizes, merged(neuron_options(), rest, *more), **case)


def batch_cases(kind):
    """Two to four streams."""
    cases = {"eprop": eprop_cases, "stack": stack_cases}[kind]
    return cases(learning_options(), case=BatchCase, n_streams=st.integers(2, 4))


def layer_cases():
    sizes = st.tuples(few_or_many(), st.integers(1, 12))
    rest = st.fixed_dictionaries({"loss": st.just("mse"), "update_every": st.just(1)})
    return _cases(sizes, merged(neuron_options(), rest))


class Tally:
    """How many examples were compared, how many thrown away, how much the networks spiked."""

    def __init__(self):
        self.compared = self.discarded = 0
        self.rates, self.engines = [], {}

    def add(self, spikes, trainer=None):
        self.compared += 1
        engine = getattr(trainer, "engine", None)
        self.engines[engine] = self.engines.get(engine, 0) + 1
        self.rates.append(float(np.mean(spikes)))

    def check(self, *, spiking=0.7):
        """The examples say something: few thrown away, most networks spike, few saturate."""
        total = self.compared + self.discarded
        assert self.discarded <= 0.1 * total, f"{self.discarded} of {total} discarded"
        rates = np.array(self.rates)
        assert np.mean(rates > 0.0) >= spiking, f"only {np.mean(rates > 0.0):.0%} spiked"
        assert 0.02 < rates.mean() < 0.5, f"mean rate {rates.mean():.3f} per step"
