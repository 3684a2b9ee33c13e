"""eprop itself."""

from work import LR, N_OUTPUTS, TAU, Work

import eprop
from eprop.optim import SGD


class Network:
    n_samples = 1

    def __init__(self, work: Work, update_every: int | str = 1) -> None:
        self.work = work
        self.trainer = eprop.EpropTrainer(
            work.n_inputs,
            work.n_neurons,
            N_OUTPUTS,
            tau_mem=TAU,
            tau_trace=TAU,
            lr=LR,
            optimizer=SGD(limit=False),
            update_every=update_every,
        )
        self.trainer.W_in, self.trainer.W_rec, self.trainer.W_out = work.W_in, work.W_rec, work.W_out

    def train(self) -> None:
        self.trainer.train_sequence(self.work.inputs, self.work.targets)

    def share(self) -> float:
        _, spikes = self.trainer.predict_sequence(self.work.inputs, return_spikes=True)
        return float(spikes.mean())
