"""The rows of the table: who is measured, how, against which of our rows, and what differs. Loads none of them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    name: str
    peer: str  # the module peer_<peer>.py
    rival: str  # what --rivals calls it; its distribution's name on PyPI
    options: dict[str, object] = field(default_factory=dict)
    against: str = ""  # the name of our row that does the same work
    bar: float | None = None  # how many times faster ours has to be
    bar_at_largest: float | None = None  # the same at (1000, 1000), where it differs
    cost: float = 0.0  # ns per synapse and step, where T steps would take minutes

    def bar_at(self, n_neurons: int) -> float | None:
        return self.bar_at_largest if self.bar_at_largest and n_neurons >= 1000 else self.bar


EVERY = Row("eprop, every step", "ours", "eprop", {"update_every": 1})
SEQUENCE = Row("eprop, sequence", "ours", "eprop", {"update_every": "sequence"})
OURS = [EVERY, SEQUENCE]

PEERS = [
    Row("sc-neurocore", "neurocore", "sc-neurocore", {}, EVERY.name, 300, 800, cost=10.0),
    Row("braintrace EProp", "braintrace", "braintrace", {"algorithm": "EProp"}, SEQUENCE.name, 50, 250),
    Row("braintrace pp_prop", "braintrace", "braintrace", {"algorithm": "pp_prop"}, SEQUENCE.name),
    Row("spyx, B = 1", "spyx", "spyx", {}, SEQUENCE.name, 30),
    Row("spyx, B = 1, hoisted", "spyx", "spyx", {"hoist": True}, SEQUENCE.name, 30),
    Row("spyx, B = 32", "spyx", "spyx", {"batch": 32}, SEQUENCE.name, 10),
    Row("snntorch, B = 1", "snntorch", "snntorch", {}, SEQUENCE.name),
]


def credited(batch: int) -> list[Row]:
    """Gradients with credit through recurrent spikes over the whole sequence, `batch` of them, and e-prop beside it."""
    ours = Row(
        "eprop, horizon = T",
        "ours",
        "eprop",
        {"update_every": "sequence", "horizon": "sequence", "batch": batch},
    )
    options: dict[str, object] = {"batch": batch}
    return [
        ours,
        Row("eprop, sequence", "ours", "eprop", options | {"update_every": "sequence"}, ours.name),
        Row("spyx", "spyx", "spyx", options, ours.name, 3),
        Row("spyx, hoisted", "spyx", "spyx", options | {"hoist": True}, ours.name, 3),
        Row("snntorch", "snntorch", "snntorch", options, ours.name, 3),
    ]


DIFFERS = {
    "sc-neurocore": """e-prop, an update at every step. float64; low-passes the eligibility twice with tau_trace (ours once
    with tau_mem, once with tau_trace), takes psi after the reset, its readout is the spikes of the step alone. It multiplies
    currents with 1 - alpha, so its weights are ours divided by that.""",
    "braintrace": """EProp: its class for e-prop, with kappa_filter_decay = kappa and symmetric feedback, one update per
    sequence. Its traces low-pass the presynaptic trace without psi, which it multiplies in afterwards. pp_prop (no bar) is
    another rule, with one trace per source and per neuron instead of two per synapse.""",
    "spyx": """backpropagation through time, reset and recurrent spikes included, one update per sequence. Spikes come out
    one step late; self-connections start at 0 and learn. All layers are in one scan, as its documentation does it; hoisted:
    both linear layers are taken out of it, no gain with B = 32. B = 32 counts per sample, against ours at B = 1.""",
    "snntorch": """backpropagation through time, recurrent spikes included, one update per sequence; self-connections start
    at 0 and learn. No bar.""",
}
