"""What is read and assigned of a recurrent layer with its readouts, in a trainer or in an agent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import as_numbers
from ._connections import as_dense, as_listed, as_sparse, from_file
from ._fields import checked, number

Array = NDArray[Any]


class Recurrent:
    """Weights and traces; of a batch, or of several environments, state has a leading axis B."""

    _core: Any
    n_inputs: int
    n_neurons: int
    batch_size: int

    @classmethod
    def _told(cls, core: Any, fields: dict[str, Any]) -> dict[str, Any]:
        """What a file says, with the lists of synapses that its core was built with."""
        n = fields["n_neurons"]
        for name, matrix, n_sources in (
            ("connect_in", "W_in", fields["n_inputs"]),
            ("connect_rec", "W_rec", n),
        ):
            if name in fields:
                fields[name] = from_file(fields[name], (n, n_sources), core.connected(matrix))
        return fields

    def _fix(self, **trained: bool) -> None:
        """A group that is not trained has a rate of 0."""
        for name, train in trained.items():
            rate = name.replace("train", "lr")
            if checked(name, "bool", train):
                continue
            given = self.__dict__[rate]
            if given is not None and number(rate, given) != 0.0:
                raise ValueError(f"{rate}: expected 0 or None where the group is not trained, got {given!r}")
            self.__dict__[rate] = 0.0

    @property
    def W_in(self) -> Array:
        """Input weights (N, n_inputs); a SciPy sparse array where synapses are listed (`storage`).

        Assigning folds what the synapses hold in factors for good. Traces and all other weights stay as they read;
        later bits are those of the assigned weights, even if these are what was just read.
        """
        return self._matrix("W_in")  # type: ignore[no-any-return]

    @W_in.setter
    def W_in(self, value: ArrayLike) -> None:
        self._assign("W_in", value)

    @property
    def W_rec(self) -> Array:
        """Recurrent weights (N, N), to by from; the diagonal is 0. A SciPy sparse array where synapses are listed.

        Assigning folds what the synapses hold in factors for good. Traces and all other weights stay as they read;
        later bits are those of the assigned weights, even if these are what was just read.
        """
        return self._matrix("W_rec")  # type: ignore[no-any-return]

    @W_rec.setter
    def W_rec(self, value: ArrayLike) -> None:
        self._assign("W_rec", value)

    @property
    def W_out(self) -> Array:
        """Readout weights (O, N); of an agent O is n_actions + 1, and the value is the last.

        Assigning folds what the readouts hold in factors for good. Traces and all other weights stay; later bits are
        those of the assigned weights, even if these are what was just read.
        """
        return self._core.W_out  # type: ignore[no-any-return]

    @W_out.setter
    def W_out(self, value: ArrayLike) -> None:
        self._core.W_out = as_numbers("W_out", value)

    @property
    def b(self) -> Array:
        """Readout biases (O,); 0, and not to be assigned, without `readout_bias`."""
        return self._core.b  # type: ignore[no-any-return]

    @b.setter
    def b(self, value: ArrayLike) -> None:
        self._core.b = as_numbers("b", value)

    @property
    def B(self) -> Array:
        """Feedback weights (N, O); `W_out.T`, and not to be assigned, if symmetric.

        Assigned, they stay apart from `W_out` by what they are then.
        """
        return self._core.B  # type: ignore[no-any-return]

    @B.setter
    def B(self, value: ArrayLike) -> None:
        self._core.B = as_numbers("B", value)

    @property
    def a(self) -> Array:
        """Adaptations (N,), (B, N) of a batch: 0 where no threshold moves.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(1, 1, 1, beta=0.2)
        >>> trainer.W_in = [[5.0]]
        >>> spiked = trainer.step([1.0])["spikes"]
        >>> silent = trainer.step([0.0])["spikes"]
        >>> spiked, trainer.a  # a spike, one step late
        (array([1.], dtype=float32), array([1.], dtype=float32))
        """
        return self._core.a  # type: ignore[no-any-return]

    @property
    def z_bar(self) -> Array:
        """Presynaptic traces, inputs first (n_inputs + N,); (B, n_inputs + N) of a batch.

        Where `tau_mem` is an array, each neuron has its own: (N, n_inputs + N), (B, N, n_inputs + N) of a batch, and a
        neuron's own entry is 0, as all are where there is no synapse.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> trainer = EpropTrainer(1, 2, 1, tau_mem=[5.0, 20.0])
        >>> _ = trainer.step([1.0]), trainer.step([0.0])
        >>> trainer.z_bar[:, 0].round(3)  # exp(-1 / 5) and exp(-1 / 20)
        array([0.819, 0.951], dtype=float32)
        """
        return self._core.z_bar  # type: ignore[no-any-return]

    @property
    def e_bar(self) -> Array:
        """Filtered eligibilities (N, n_inputs + N), (B, N, n_inputs + N) of a batch; a neuron's own entry is 0.

        Where synapses are listed, a SciPy sparse array, or of a batch a list of them.
        """
        if not self._is_listed:
            return self._core.e_bar  # type: ignore[no-any-return]
        (n, n_inputs), in_starts, in_targets = self._lists("W_in")
        _, rec_starts, rec_targets = self._lists("W_rec")
        starts = np.concatenate([in_starts, rec_starts[1:] + in_starts[-1]])
        lists = (n, n_inputs + n), starts, np.concatenate([in_targets, rec_targets])
        traces = [as_sparse(self._core.traces_of_synapses(b), *lists) for b in range(self.batch_size)]
        return traces[0] if len(traces) == 1 else traces  # type: ignore[return-value]

    @property
    def _is_listed(self) -> bool:
        return getattr(self._core, "is_listed", False)

    def _lists(self, name: str) -> tuple[tuple[int, int], Array, Array]:
        """Shape, starts and targets of listed synapses."""
        n = self.n_neurons
        shape = (n, self.n_inputs if name == "W_in" else n)
        starts, targets = self._core.lists(name)
        return shape, starts, targets

    def _matrix(self, name: str) -> Any:
        if not self._is_listed:
            return getattr(self._core, name)
        return as_sparse(self._core.weights_of_synapses(name), *self._lists(name))

    def _assign(self, name: str, value: Any) -> None:
        if not self._is_listed:
            is_wired = getattr(self, f"connect_{name[2:]}", None) is not None
            setattr(self._core, name, as_numbers(name, as_dense(value) if is_wired else value))
        else:
            self._core.set_synapses(name, as_listed(name, value, *self._lists(name)))


def say_what_is_trained(cls: type) -> None:
    """After the decorator of a dataclass, which would take a property for the default of `train_in`, and so on."""
    for group in ("in", "rec", "out"):
        setattr(cls, f"train_{group}", _is_trained(f"lr_{group}"))


def _is_trained(rate: str) -> property:
    return property(lambda trainer: getattr(trainer, rate) != 0, doc=f"Whether `{rate}` is other than 0.")
