"""What a trainer will take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ._fields import number

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """What a trainer takes, before there is one: `EpropTrainer.plan`, `OnlineTrainer.plan`.

    Parameters
    ----------
    engine : str or None
        How the recurrent synapses compute; None for a stack, whose layers have one form.
    block : int
        Steps to a block of the block form, or to a base block of the factored form; 1 where there are none.
    bytes : int
        What the trainer holds once it is made: its `memory_bytes`. Only with ``horizon="sequence"`` does it grow from there.
    active : float
        How many sources, inputs and neurons, are active in the step that the next two are of: 2 % of them, unless `at` says
        so.
    multiply_adds : float
        Of a learning step of one stream, by its leading terms: the rows that it passes.
    bytes_moved : float
        Bytes that it reads or writes, from the cache or from memory.
    multiply_adds_per_spike, bytes_moved_per_spike : float
        How much more it is for each more source that is active.

    Examples
    --------
    >>> from eprop import EpropTrainer
    >>> plan = EpropTrainer.plan(40, 100, 2)
    >>> plan.engine, plan.bytes == EpropTrainer(40, 100, 2).memory_bytes
    ('factored', True)
    """

    engine: str | None
    block: int
    bytes: int
    active: float
    multiply_adds: float
    bytes_moved: float
    multiply_adds_per_spike: float
    bytes_moved_per_spike: float

    def at(self, active: float) -> Plan:
        """The same plan where `active` sources are active in a step, on average.

        Raises
        ------
        ValueError, TypeError
            Less than 0, or not finite; no number.

        Examples
        --------
        >>> from eprop import EpropTrainer
        >>> plan = EpropTrainer.plan(40, 100, 2)
        >>> more = plan.at(14).multiply_adds - plan.at(0).multiply_adds
        >>> round(more) == round(14 * plan.multiply_adds_per_spike)
        True
        """
        sources = number("active", active)
        if not 0.0 <= sources < float("inf"):
            raise ValueError(f"active: expected a finite number of sources >= 0, got {sources}")
        more = sources - self.active
        return replace(
            self,
            active=sources,
            multiply_adds=self.multiply_adds + more * self.multiply_adds_per_spike,
            bytes_moved=self.bytes_moved + more * self.bytes_moved_per_spike,
        )
