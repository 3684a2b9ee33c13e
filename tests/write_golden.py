"""Golden vectors for the crate's own tests: `python tests/write_golden.py`.

The literal NumPy e-prop of `tests/reference.py`, and nothing of the package, computes small networks in float64. What
goes in and what comes out is written to `rust/eprop/tests/golden/`, where `rust/eprop/tests/all/golden.rs` reads it, so that
`cargo test` meets an oracle without Python. No membrane comes near its threshold: the spikes do not depend on rounding.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from reference import ReferenceEprop, ReferenceLayer, ReferenceStack, Sgd

FOLDER = Path(__file__).parent.parent / "rust" / "eprop" / "tests" / "golden"
COMMAND = "python tests/write_golden.py"
MARGIN = 1e-6

SHORT = {"tau_mem": 4.0, "tau_trace": 6.0, "dt": 0.5}
RECURRENT = {
    "every_step": {"seed": 1, "update_every": 1, "lr": 0.0005},
    "every_step_short_random_zero": {
        "seed": 5,
        "update_every": 1,
        "lr": 0.004,
        **SHORT,
        "tau_out": 0.0,
        "reset_mechanism": "zero",
        "surrogate": "arctan",
        "feedback": "random",
        "readout_bias": True,
        "masked": True,
        "analog": True,
    },
    "every_step_cross_entropy_regularised": {
        "seed": 5,
        "update_every": 1,
        "lr": 5.0,
        "n_ref": 3,
        "loss": "cross_entropy",
        "surrogate": "exponential",
        "input_gain": "leak",
        "readout_gain": "leak",
        "c_reg": 2.0,
        "f_target": 40.0,
        "tau_reg": 50.0,
        "masked": True,
    },
    "every_3": {
        "seed": 1,
        "update_every": 3,
        "lr": 0.002,
        "n_ref": 4,
        "reset_mechanism": "zero",
        "surrogate": "fast_sigmoid",
        "surrogate_height": 0.4,
        "surrogate_width": 0.7,
        "readout_bias": True,
        "c_reg": 1.0,
        "f_target": 30.0,
        "masked": True,
    },
    "every_3_random_cross_entropy": {
        "seed": 5,
        "update_every": 3,
        "lr": 0.3,
        "loss": "cross_entropy",
        "feedback": "random",
        "readout_bias": True,
        "input_gain": "leak",
        "threshold": 0.5,
        "analog": True,
    },
    "every_20": {
        "seed": 2,
        "update_every": 20,
        "lr": 0.0003,
        "surrogate": "boxcar",
        "readout_bias": True,
        "masked": True,
    },
    "every_20_short_regularised": {
        "seed": 5,
        "update_every": 20,
        "lr": 0.06,
        **SHORT,
        "tau_out": 9.0,
        "n_ref": 2,
        "feedback": "random",
        "readout_gain": "leak",
        "c_reg": 3.0,
        "f_target": 20.0,
        "tau_reg": 30.0,
        "analog": True,
    },
    "sequence": {"seed": 5, "update_every": "sequence", "lr": 0.0004, "reset_mechanism": "zero", "n_ref": 3},
    "sequence_cross_entropy_regularised": {
        "seed": 5,
        "update_every": "sequence",
        "lr": 0.3,
        "loss": "cross_entropy",
        "feedback": "random",
        "readout_bias": True,
        "readout_gain": "leak",
        "c_reg": 20.0,
        "f_target": 50.0,
        "masked": True,
        "analog": True,
    },
    # Rates so large that the limit is the step.
    "every_step_limited": {"seed": 1, "update_every": 1, "lr": 10.0, "limit": True, "masked": True},
    "every_step_limited_regularised": {
        "seed": 5,
        "update_every": 1,
        "lr": 10.0,
        "limit": True,
        **SHORT,
        "readout_gain": "leak",
        "c_reg": 0.1,
        "f_target": 40.0,
        "readout_bias": True,
        "analog": True,
    },
    "every_3_limited": {"seed": 5, "update_every": 3, "lr": 10.0, "limit": True, "readout_bias": True},
    "every_20_limited_regularised": {
        "seed": 5,
        "update_every": 20,
        "lr": 10.0,
        "limit": True,
        **SHORT,
        "c_reg": 0.1,
        "f_target": 20.0,
        "masked": True,
    },
    "sequence_limited_regularised": {
        "seed": 5,
        "update_every": "sequence",
        "lr": 10.0,
        "limit": True,
        "feedback": "random",
        "c_reg": 0.1,
        "f_target": 50.0,
        "masked": True,
    },
}
STACK = {
    "every_step": {"seed": 7, "update_every": 1, "lr": 0.006},
    "every_3_zero_cross_entropy": {
        "seed": 2,
        "update_every": 3,
        "lr": 8.0,
        "loss": "cross_entropy",
        "reset_mechanism": "zero",
        "n_ref": 3,
        "input_gain": "leak",
        "surrogate": "exponential",
        "masked": True,
    },
    "every_20_short": {
        "seed": 9,
        "update_every": 20,
        "lr": 0.05,
        "tau_mem": 3.0,
        "surrogate": "arctan",
        "analog": True,
    },
    "sequence": {"seed": 7, "update_every": "sequence", "lr": 0.02, "n_ref": 2, "masked": True},
    "every_step_limited": {"seed": 7, "update_every": 1, "lr": 10.0, "limit": True},
    "sequence_limited": {"seed": 7, "update_every": "sequence", "lr": 10.0, "limit": True},
}
LAYER = {
    "subtract": {"seed": 1, "lr": 0.01},
    "zero_refractory_short": {
        "seed": 1,
        "lr": 0.02,
        "tau_mem": 3.0,
        "reset_mechanism": "zero",
        "n_ref": 3,
        "surrogate": "fast_sigmoid",
        "analog": True,
    },
}


def split(options):
    """The options of the model, and what the data is drawn from."""
    model = {k: v for k, v in options.items() if k not in ("seed", "masked", "analog")}
    return (
        model,
        np.random.RandomState(options["seed"]),
        options.get("masked", False),
        options.get("analog", False),
    )


def model_options(config):
    """Descent is plain where nothing is said."""
    config = dict(config)
    return {"optimizer": Sgd(limit=config.pop("limit", False)), **config}


def draw(rng, sizes, T, *, cross_entropy=False, masked=False, analog=False):
    """Inputs, targets and mask, in numbers of a few digits."""
    x = (rng.rand(T, sizes[0]) < 0.4).astype(float)
    if analog:
        x = np.round(x * rng.uniform(-0.5, 1.5, size=x.shape), 2)
    y = np.round(rng.normal(size=(T, sizes[-1])), 2)
    if cross_entropy:
        y = np.eye(sizes[-1])[rng.randint(sizes[-1], size=T)]
        y[::5] = 1.0 / sizes[-1]
    mask = rng.rand(T) < (0.6 if masked else 2.0)
    return x, y, mask


def matrix(rng, rows, columns, options, n_sources, spread=1.1):
    """Gaussian weights that let a membrane wander about as far as its threshold."""
    alpha = np.exp(-options.get("dt", 1.0) / options.get("tau_mem", 20.0))
    gain = 1.0 - alpha if options.get("input_gain") == "leak" else 1.0
    scale = spread * options.get("threshold", 1.0) * np.sqrt((1.0 - alpha**2) / (0.4 * n_sources)) / gain
    return np.round(scale * (rng.normal(size=(rows, columns)) + 0.4), 3)


def stream(model, x, y, mask):
    """What every step shows."""
    steps = [model.step(xt, yt if mt else None) for xt, yt, mt in zip(x, y, mask, strict=True)]
    return {
        "spikes": np.array([step["spikes"] for step in steps]).astype(int),
        "outputs": np.array([step["output"] for step in steps]),
        "losses": [step.get("loss") for step in steps],
    }


def recurrent(options):
    """One stream from silence, then the same as a whole sequence; and the gradient with the first weights."""
    config, rng, masked, analog = split(options)
    sizes, T = (3, 4, 2), 21
    x, y, mask = draw(
        rng, sizes, T, cross_entropy=config.get("loss") == "cross_entropy", masked=masked, analog=analog
    )
    n_inputs, n, n_outputs = sizes
    W_in, W_rec = (matrix(rng, n, m, config, n_inputs + n) for m in (n_inputs, n))
    np.fill_diagonal(W_rec, 0.0)
    given = {"W_in": W_in, "W_rec": W_rec, "W_out": np.round(rng.normal(size=(n_outputs, n)) / 2, 2)}
    if config.get("readout_bias"):
        given["b"] = np.round(rng.normal(size=n_outputs) / 4, 2)
    if config.get("feedback", "symmetric") != "symmetric":
        given["B"] = np.round(rng.normal(size=(n, n_outputs)) / 2, 2)
    model = ReferenceEprop(**given, **model_options(config))

    gradients = model.gradients(x, y, mask=mask)
    seen = stream(model, x, y, mask)
    after_stream = {
        **weights_of(model),
        "v": model.neuron.v,
        "z_bar": model.z_bar,
        "e_bar": model.e_bar,
    }
    loss, _ = model.train_sequence(x, y, mask=mask)
    # In the crate's tests an entry is held to the largest of its array: none of them is next to nothing.
    must_say_something(
        model, seen, {**after_stream, **{f"gradient of {k}": g for k, g in gradients.items()}}, "b" in given
    )
    return {
        "sizes": sizes,
        "config": config,
        "weights": given,
        "inputs": x,
        "targets": y,
        "mask": mask.astype(int),
        "gradients": {name: gradients[name] for name in ("W_in", "W_rec", "W_out", "b", "loss")},
        "stream": seen,
        "after_stream": after_stream,
        "sequence": {"loss": loss, **weights_of(model)},
    }


def weights_of(model):
    i = model.n_inputs
    return {"W_in": model.W[:, :i], "W_rec": model.W[:, i:], "W_out": model.W_out, "b": model.b}


def stack(options):
    """The same for a stack of layers."""
    config, rng, masked, analog = split(options)
    sizes, T = (4, 5, 3), 21
    x, y, mask = draw(
        rng, sizes, T, cross_entropy=config.get("loss") == "cross_entropy", masked=masked, analog=analog
    )
    given = [matrix(rng, m, n, config, n, spread=1.6) for n, m in itertools.pairwise(sizes)]
    model = ReferenceStack(given, **model_options(config))

    gradients = model.gradients(x, y, mask=mask)
    seen = stream(model, x, y, mask)
    after_stream = {
        "W": [layer.W for layer in model.layers],
        "z_bar": [layer.z_bar for layer in model.layers],
    }
    loss, _ = model.train_sequence(x, y, mask=mask)
    checked = {f"{name}[{i}]": W for name in ("W", "z_bar") for i, W in enumerate(after_stream[name])}
    must_say_something(
        model, seen, {**checked, **{f"gradient of W[{i}]": g for i, g in enumerate(gradients["W"])}}
    )
    return {
        "sizes": sizes,
        "config": config,
        "weights": given,
        "inputs": x,
        "targets": y,
        "mask": mask.astype(int),
        "gradients": {"W": gradients["W"], "loss": gradients["loss"]},
        "stream": seen,
        "after_stream": after_stream,
        "sequence": {"loss": loss, "W": [layer.W for layer in model.layers]},
    }


def layer(options):
    """One layer that learns from signals, and sends them down before it does."""
    config, rng, _, analog = split(options)
    (n_inputs, n), T = (3, 4), 20
    x, signals, _ = draw(rng, (n_inputs, n), T, analog=analog)
    given = matrix(rng, n, n_inputs, config, n_inputs, spread=1.2)
    model = ReferenceLayer(given, **config)
    seen = {"spikes": [], "down": []}
    for xt, signal in zip(x, signals, strict=True):
        seen["spikes"].append(model.step(xt).astype(int))
        seen["down"].append(model.propagate(signal))
        model.apply_learning_signal(signal)
    seen = {name: np.array(rows) for name, rows in seen.items()}
    after = {"W": model.W, "v": model.neuron.v, "z_bar": model.z_bar}
    must_say_something(model, seen, after)
    return {
        "sizes": (n_inputs, n),
        "config": config,
        "weights": given,
        "inputs": x,
        "signals": signals,
        "stream": seen,
        "after_stream": after,
    }


def must_say_something(model, seen, arrays, bias=True):
    """The network fires, no spike hangs on a rounding error, and no array that is compared is next to nothing."""
    neurons = getattr(model, "neurons", None) or [model.neuron]
    margin = min(neuron.margin for neuron in neurons)
    assert margin > MARGIN, f"a membrane within {margin:.1e} of its threshold"
    rate = float(np.mean(seen["spikes"]))
    assert 0.05 < rate < 0.5, f"{rate:.3f} spikes per neuron and step"
    for name, array in arrays.items():
        largest = np.abs(array).max()
        assert largest > 1e-3 or (name in ("b", "gradient of b") and not bias), (
            f"{name}: at most {largest:.1e}"
        )


def golden():
    """Every file's name with its cases."""
    makers = {"recurrent": (recurrent, RECURRENT), "stack": (stack, STACK), "layer": (layer, LAYER)}
    return {
        name: {case: make(options) for case, options in cases.items()}
        for name, (make, cases) in makers.items()
    }


def plain(value):
    """As JSON has it: arrays as nested lists, numbers to 13 digits, whole ones without a point."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        value = float(f"{value:.13g}")
        return int(value) if value == int(value) else value
    return value


def text_of(cases):
    """One line for each array, so that a difference shows what it is in."""
    blocks = [f'"command": {json.dumps(COMMAND)}']
    for case, entries in plain(cases).items():
        rows = ",\n".join(f' "{name}": {line_of(name, value)}' for name, value in entries.items())
        blocks.append(f'"{case}": {{\n{rows}}}')
    return "{" + ",\n".join(blocks) + "}\n"


def line_of(name, value):
    if name == "config" or not isinstance(value, dict):
        return compact(value)
    return "{\n" + ",\n".join(f'  "{key}": {compact(item)}' for key, item in value.items()) + "}"


def compact(value):
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, cases in golden().items():
        (FOLDER / f"{name}.json").write_text(text_of(cases))


if __name__ == "__main__":
    main()
