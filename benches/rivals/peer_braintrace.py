"""braintrace on JAX: gradients from traces that run forward in time, summed over the sequence, then one update.

`EProp` holds two traces per synapse, its eligibility and the low-passed one. `pp_prop` is not e-prop: it holds one trace
per source and one per neuron, and takes the eligibility of a synapse to be their product.
"""

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np
from work import DECAY, LR, N_OUTPUTS, PSI_HEIGHT, TAU, Work

ALGORITHMS = {
    "EProp": (braintrace.EProp, {"kappa_filter_decay": DECAY}),
    "pp_prop": (braintrace.pp_prop, {"decay_or_rank": DECAY}),
}


@jax.custom_jvp
def fire(distance):
    return (distance >= 0).astype(distance.dtype)


@fire.defjvp
def _(primals, tangents):
    psi = PSI_HEIGHT * jnp.maximum(0.0, 1.0 - jnp.abs(primals[0]))
    return fire(primals[0]), psi * tangents[0]


class Model(brainstate.nn.Module):
    """LIF neurons and braintrace's leaky readout. One matrix for inputs and recurrent spikes: faster here than two."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.shape = (work.n_neurons,)
        self.W = brainstate.ParamState(jnp.asarray(np.hstack([work.W_in, work.W_rec]).T))
        self.readout = braintrace.nn.LeakyRateReadout(work.n_neurons, N_OUTPUTS, tau=TAU)
        self.readout.W.value = jnp.asarray(work.W_out.T)

    def init_state(self, *_, **__) -> None:
        self.v = brainstate.HiddenState(jnp.zeros(self.shape))

    def reset_state(self, *_, **__) -> None:
        self.v.value = jnp.zeros(self.shape)

    def update(self, x):
        # as in e-prop: no gradient through the reset and the recurrent spikes
        z = jax.lax.stop_gradient(fire(self.v.value - 1.0))
        self.v.value = DECAY * self.v.value - z + braintrace.matmul(jnp.concatenate([x, z]), self.W.value)
        return self.readout(fire(self.v.value - 1.0))


class Network:
    n_samples = 1

    def __init__(self, work: Work, algorithm: str = "EProp") -> None:
        brainstate.environ.set(dt=1.0)
        self.inputs, self.targets = jnp.asarray(work.inputs), jnp.asarray(work.targets)
        model = Model(work)
        rule, options = ALGORITHMS[algorithm]
        learner = braintrace.compile(model, rule, self.inputs[0], **options)

        def step_loss(x, target):
            return 0.5 * jnp.sum((learner(x) - target) ** 2)

        def reset():
            brainstate.nn.reset_all_states(model)
            learner.reset_state()

        @brainstate.transform.jit
        def update(inputs, targets):
            reset()
            gradients = learner.etrace_grad(inputs, targets, step_fn=step_loss, reduction="sum")
            for name, gradient in gradients.items():
                weights = learner.param_states[name]
                weights.value = weights.value - LR * gradient

        @brainstate.transform.jit
        def share(inputs):
            reset()

            def step(x):
                model.update(x)
                return jnp.mean(model.v.value >= 1.0)

            return brainstate.transform.for_loop(step, inputs).mean()

        self.model, self.update, self.spike_share = model, update, share

    def train(self) -> None:
        self.update(self.inputs, self.targets)
        jax.block_until_ready(self.model.W.value)

    def share(self) -> float:
        return float(self.spike_share(self.inputs))
