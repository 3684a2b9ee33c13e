"""sc-neurocore's EpropTrainer, where it is installed: the same network, input and targets, an update at every step."""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import eprop

DIFFERENCES = """\
sc-neurocore computes in float64, low-passes the eligibility twice with tau_trace (ours once with tau_mem, once with
tau_trace), takes psi after the reset (ours before), and its readout is the spikes of the step alone (ours leaks with
tau_out). It gets our weights, divided by the 1 - alpha that it multiplies currents with: hence the same activity."""
WARM_UP = 100  # steps: five membrane time constants, from silence to the activity that is measured


def find() -> Any | None:
    """Its class, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a guest's own deprecations are not ours to judge
            from sc_neurocore.online_learning import EpropTrainer
    except ImportError:
        return None
    return EpropTrainer


def measure(
    peer_class: Any,
    ours: eprop.EpropTrainer,
    inputs: np.ndarray,
    targets: np.ndarray,
    check_share: Callable[[str, float], float],
) -> float:
    """Microseconds per step of learning, over as many steps as a few seconds have room for.

    Its steps are called one by one, as its own `train_sequence` does, so that it can be warmed up and its spikes counted.
    """
    peer = peer_class(ours.n_inputs, ours.n_neurons, ours.n_outputs, lr=1e-7)
    gain = -math.expm1(-peer.dt / peer.tau_mem)
    peer.W_in = ours.W_in.astype(np.float64) / gain
    peer.W_rec = ours.W_rec.astype(np.float64) / gain
    peer.W_out = ours.W_out.astype(np.float64)
    # about 10 ns per synapse and step
    n_synapses = ours.n_neurons * (ours.n_neurons + ours.n_inputs)
    n_steps = min(len(inputs) - WARM_UP, max(50, 100_000_000 // n_synapses))
    steps = list(zip(inputs.astype(np.float64), targets.astype(np.float64), strict=True))
    for x, _ in steps[:WARM_UP]:
        peer.step(x)
    start = time.process_time()
    fired = [peer.step(x, y)["spikes"] for x, y in steps[WARM_UP : WARM_UP + n_steps]]
    seconds = time.process_time() - start
    check_share("sc-neurocore", float(np.mean(fired)))
    return seconds / n_steps * 1e6
