"""Backpropagation through time in spyx, compiled by JAX: `Linear`, `RLIF`, `Linear` and `LI`, one update per sequence."""

import jax
import jax.numpy as jnp
import spyx.axn
import spyx.nn
from flax import nnx
from work import DECAY, LR, N_OUTPUTS, PSI_HEIGHT, Work, shifted_copies

surrogate = spyx.axn.custom(lambda d: PSI_HEIGHT * jnp.maximum(0.0, 1.0 - jnp.abs(d)))


def make_model(work: Work) -> spyx.nn.Sequential:
    rngs = nnx.Rngs(0)
    model = spyx.nn.Sequential(
        nnx.Linear(work.n_inputs, work.n_neurons, use_bias=False, rngs=rngs),
        spyx.nn.RLIF((work.n_neurons,), beta=DECAY, activation=surrogate, rngs=rngs),
        nnx.Linear(work.n_neurons, N_OUTPUTS, use_bias=False, rngs=rngs),
        spyx.nn.LI((N_OUTPUTS,), beta=DECAY, rngs=rngs),
    )
    model.layers[0].kernel[...] = jnp.asarray(work.W_in.T)
    model.layers[1].recurrent_w[...] = jnp.asarray(work.W_rec.T)
    model.layers[2].kernel[...] = jnp.asarray(work.W_out.T)
    return model


def run_scanned(model: spyx.nn.Sequential, inputs: jax.Array) -> jax.Array:
    """All four layers at every step of one scan, as spyx's documentation does it."""
    outputs, _ = spyx.nn.run(model, inputs)
    return outputs


def run_hoisted(model: spyx.nn.Sequential, inputs: jax.Array) -> jax.Array:
    """Both linear layers as one matrix product each, for the whole sequence."""
    project, neurons, read, readout = model.layers
    spikes, _ = spyx.nn.run(neurons, project(inputs))
    outputs, _ = spyx.nn.run(readout, read(spikes))
    return outputs


class Network:
    def __init__(self, work: Work, batch: int = 1, hoist: bool = False) -> None:
        run = run_hoisted if hoist else run_scanned
        # what learns is split from the decays, which do not
        learns = nnx.All(nnx.Param, lambda path, _: path[-1] != "beta")
        graph, self.weights, fixed = nnx.split(make_model(work), learns, ...)
        self.n_samples = batch
        self.inputs = jnp.asarray(shifted_copies(work.inputs, batch))
        self.targets = jnp.asarray(shifted_copies(work.targets, batch))

        def loss(weights, inputs, targets):
            outputs = run(nnx.merge(graph, weights, fixed), inputs)
            return 0.5 * jnp.sum((outputs - targets) ** 2) / batch

        def update(weights, inputs, targets):
            gradients = jax.grad(loss)(weights, inputs, targets)
            return jax.tree.map(lambda w, g: w - LR * g, weights, gradients)

        def share(weights, inputs):
            project, neurons, *_ = nnx.merge(graph, weights, fixed).layers
            spikes, _ = spyx.nn.run(neurons, project(inputs))
            return spikes.mean()

        self.update = jax.jit(update, donate_argnums=0)
        self.spike_share = jax.jit(share)

    def train(self) -> None:
        self.weights = jax.block_until_ready(self.update(self.weights, self.inputs, self.targets))

    def share(self) -> float:
        return float(self.spike_share(self.weights, self.inputs))
