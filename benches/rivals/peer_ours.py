"""eprop itself."""

import numpy as np
from work import LR, N_OUTPUTS, TAU, Work, shifted_copies

import eprop
from eprop.optim import SGD


class Network:
    def __init__(
        self, work: Work, update_every: int | str = 1, horizon: int | str = 1, batch: int = 1
    ) -> None:
        self.n_samples = batch
        self.inputs, self.targets = work.inputs, work.targets
        if batch > 1:
            self.inputs, self.targets = (
                np.ascontiguousarray(shifted_copies(a, batch).swapaxes(0, 1))
                for a in (work.inputs, work.targets)
            )
        self.trainer = eprop.EpropTrainer(
            work.n_inputs,
            work.n_neurons,
            N_OUTPUTS,
            tau_mem=TAU,
            tau_trace=TAU,
            lr=LR,
            optimizer=SGD(limit=False),
            update_every=update_every,
            horizon=horizon,
            recurrent_gain=1.0,
            batch_size=batch,
        )
        self.trainer.W_in, self.trainer.W_rec, self.trainer.W_out = work.W_in, work.W_rec, work.W_out

    def train(self) -> None:
        self.trainer.train_sequence(self.inputs, self.targets, n_threads=1)

    def share(self) -> float:
        _, spikes = self.trainer.predict_sequence(self.inputs, return_spikes=True)
        return float(spikes.mean())
