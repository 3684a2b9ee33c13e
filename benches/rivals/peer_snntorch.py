"""Backpropagation through time in snntorch: `Linear`, `RLeaky`, `Linear` and `Leaky`, one update per sequence."""

import snntorch
import torch
from work import DECAY, LR, PSI_HEIGHT, Work, shifted_copies

torch.set_num_threads(1)


class Triangle(torch.autograd.Function):
    """The surrogate of all networks here; what snntorch calls `triangular` has another shape."""

    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (distance,) = ctx.saved_tensors
        return gradient * (PSI_HEIGHT * (1 - distance.abs()).clamp(min=0))


def linear(weights) -> torch.nn.Linear:
    layer = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    layer.weight.data.copy_(torch.tensor(weights))
    return layer


class Network:
    def __init__(self, work: Work, batch: int = 1) -> None:
        self.n_samples = batch
        self.project = linear(work.W_in)
        self.neurons = snntorch.RLeaky(DECAY, linear_features=work.n_neurons, spike_grad=Triangle.apply)
        self.neurons.recurrent = linear(work.W_rec)
        self.read = linear(work.W_out)
        self.readout = snntorch.Leaky(DECAY, reset_mechanism="none")
        self.inputs = torch.tensor(shifted_copies(work.inputs, batch))
        self.targets = torch.tensor(shifted_copies(work.targets, batch))
        weights = [layer.weight for layer in (self.project, self.neurons.recurrent, self.read)]
        self.optimizer = torch.optim.SGD(weights, lr=LR)

    def run_neurons(self) -> torch.Tensor:
        spikes, membrane = self.neurons.reset_mem()
        steps = []
        for current in self.project(self.inputs):  # one matrix product for the whole sequence
            spikes, membrane = self.neurons(current, spikes, membrane)
            steps.append(spikes)
        return torch.stack(steps)

    def run_readout(self, spikes: torch.Tensor) -> torch.Tensor:
        potential = self.readout.reset_mem()
        steps = []
        for current in self.read(spikes):
            _, potential = self.readout(current, potential)
            steps.append(potential)
        return torch.stack(steps)

    def train(self) -> None:
        self.optimizer.zero_grad()
        outputs = self.run_readout(self.run_neurons())
        (0.5 * ((outputs - self.targets) ** 2).sum() / self.n_samples).backward()
        self.optimizer.step()

    def share(self) -> float:
        with torch.no_grad():
            return float(self.run_neurons().mean())
