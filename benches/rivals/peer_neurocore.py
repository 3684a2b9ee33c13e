"""sc-neurocore's `EpropTrainer`: e-prop in NumPy, an update at every step."""

import math
import warnings

import numpy as np
from work import LR, N_OUTPUTS, TAU, Work

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a guest's own deprecations are not ours to judge
    from sc_neurocore.online_learning import EpropTrainer


class Network:
    """Its steps are called one by one, as its own `train_sequence` does, so that its spikes can be counted."""

    n_samples = 1

    def __init__(self, work: Work) -> None:
        self.work = work
        self.trainer = EpropTrainer(
            work.n_inputs, work.n_neurons, N_OUTPUTS, tau_mem=TAU, tau_trace=TAU, lr=LR
        )
        gain = -math.expm1(-1.0 / TAU)  # what it multiplies every current with
        self.trainer.W_in = work.W_in.astype(np.float64) / gain
        self.trainer.W_rec = work.W_rec.astype(np.float64) / gain
        self.trainer.W_out = work.W_out.astype(np.float64)

    def train(self) -> None:
        self.trainer.reset()
        for x, target in zip(self.work.inputs, self.work.targets, strict=True):
            self.trainer.step(x, target)

    def share(self) -> float:
        self.trainer.reset()
        return float(np.mean([self.trainer.step(x)["spikes"].mean() for x in self.work.inputs]))
