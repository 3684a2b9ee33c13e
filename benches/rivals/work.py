"""What every row is given: the same spikes, weights and targets, kept in a file that each measuring process reads."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

N_OUTPUTS = 10
INPUT_PROBABILITY = 0.02
RATE_HZ = 20.0  # what the networks are set to: 2 % of the neurons per step of 1 ms
ACTIVITY = (0.01, 0.05)  # the share of firing neurons within which a comparison means something
TAU = 20.0  # ms: membranes, readouts and traces of all networks; dt is 1 ms, the threshold 1
DECAY = math.exp(-1.0 / TAU)
PSI_HEIGHT = 0.3  # of the surrogate, which is linear down to 0 at a distance of 1
LR = 1e-8  # every update is carried out, and the activity stays what it was


@dataclass(frozen=True)
class Work:
    """One size. All arrays are float32; weights are postsynaptic times presynaptic, currents enter with gain 1."""

    inputs: np.ndarray  # (T, n_inputs) of 0 and 1
    targets: np.ndarray  # (T, N_OUTPUTS)
    W_in: np.ndarray
    W_rec: np.ndarray  # its diagonal is 0
    W_out: np.ndarray

    @property
    def n_steps(self) -> int:
        return len(self.inputs)

    @property
    def n_inputs(self) -> int:
        return self.inputs.shape[1]

    @property
    def n_neurons(self) -> int:
        return len(self.W_rec)

    def head(self, n_steps: int) -> "Work":
        return replace(self, inputs=self.inputs[:n_steps], targets=self.targets[:n_steps])

    def save(self, path: Path) -> None:
        np.savez(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Work":
        with np.load(path) as arrays:
            return cls(**arrays)


def make_work(n_inputs: int, n_neurons: int, n_steps: int) -> Work:
    """Random spikes and targets, and eprop's own weights, calibrated to the activity that all networks shall have."""
    import eprop  # here: the rivals' processes only load what this one saved

    rng = np.random.default_rng(1)
    inputs = (rng.random((n_steps, n_inputs)) < INPUT_PROBABILITY).astype(np.float32)
    targets = rng.standard_normal((n_steps, N_OUTPUTS)).astype(np.float32)
    trainer = eprop.EpropTrainer(n_inputs, n_neurons, N_OUTPUTS)
    trainer.calibrate(inputs, rate=RATE_HZ)
    return Work(inputs, targets, trainer.W_in, trainer.W_rec, trainer.W_out)


def shifted_copies(sequence: np.ndarray, batch: int) -> np.ndarray:
    """(T, batch, n): a batch in which no two samples are the same."""
    return np.stack([np.roll(sequence, 7 * b, axis=0) for b in range(batch)], axis=1)
