"""Random trainers, random calls, and a twin that must agree to the bit: `make fuzz SECONDS=...`.

Prints the seed first. What it finds comes with a command that does the same round again.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
import traceback
from collections import Counter

from twins import Round


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="default: today's date, as in 20250131")
    parser.add_argument("--round", type=int, default=None, help="do this round, and no other")
    options = parser.parse_args(arguments)
    seed = int(f"{datetime.date.today():%Y%m%d}") if options.seed is None else options.seed

    print(f"seed {seed}", flush=True)
    counts: Counter[str] = Counter()
    number, end = options.round or 0, time.monotonic() + options.seconds
    while True:
        this = Round(seed, number)
        try:
            this.run()
        except Exception as error:
            traceback.print_exc()
            print(
                f"\n{error}\nround {number} of seed {seed}: {this.recipe.kind} {this.recipe.sizes} {this.recipe.options}"
            )
            print(f"it had done: {', '.join(this.log[-12:])}")
            print(f"again: python tests/fuzz --seed {seed} --round {number}")
            return 1
        counts += this.counts
        number += 1
        if options.round is not None or time.monotonic() >= end:
            break
    print(", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
