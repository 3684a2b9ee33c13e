"""What is asked of each number, and how it is printed beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """At most, or at least, so much."""

    limit: float
    unit: str = "x"
    at_least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def beside(value: float | None, bar: Bar | None = None, unit: str = "x") -> str:
    """The value, its bar in brackets and "!" where it misses it: ``2.9x (3)``, ``3.2x (3)!``, ``-`` if not measured."""
    if value is None:
        return "-"
    text = f"{value:.{digits(value)}f}{bar.unit if bar else unit}"
    if bar is None:
        return text
    return f"{text} ({'>' if bar.at_least else '<'}{bar.limit:g}){' ' if bar.holds(value) else '!'}"


def digits(value: float) -> int:
    """Decimal places that show three digits or so."""
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3


# What is asked at a size, by n_neurons; `None`: nothing is.


def infer_to_rows(n_neurons: int) -> Bar | None:
    return Bar(1.5) if n_neurons >= 512 else None


def sequence_to_infer(n_neurons: int) -> Bar | None:
    return Bar(2) if n_neurons >= 10_000 else Bar(3) if n_neurons >= 256 else None


def every_to_infer(n_neurons: int) -> Bar | None:
    return Bar(6) if n_neurons >= 10_000 else Bar(8) if n_neurons >= 256 else None


def limited_to_every(n_neurons: int) -> Bar | None:
    return Bar(1.15) if n_neurons == 1000 else Bar(1.3) if n_neurons in (256, 512) else None


def neurocore_to_every(n_neurons: int) -> Bar:
    return Bar(800 if n_neurons == 1000 else 300, at_least=True)


ADAPTIVE_SEQUENCE = Bar(1.4)
ADAPTIVE_EVERY = Bar(1.6)
SEQUENCE_LARGE = Bar(400, " us")  # (100, 10000)
EVERY_LARGE = Bar(1000, " us")
LENGTH = Bar(1.05)  # the slowest length to T = 10,000
GROWTH = Bar(1.0, " MB")
LOW_RATE = Bar(0.333, "")
DENSE = Bar(3)
TWO_THREADS = Bar(1.8, at_least=True)
CALL = Bar(3, " us")
IMPORT = Bar(30, " ms")
WHEEL = Bar(2, " MB")

# What `stability.py` asks of the defaults, as ratios to plain descent at the best of eight rates.
DEFAULTS_MEAN = Bar(1.3)
DEFAULTS_MISSED = Bar(1.5)
DEFAULTS_WORST = Bar(3)
SHARE_MISSED = Bar(0.25, "")  # of the problems, above DEFAULTS_MISSED: 3 of 12
NO_RUN = Bar(0, "")
AT_CHANCE = Bar(0.9, "")  # of the score of the best constant answer
CONSTANTS = Bar(0.1, "")  # of the start
