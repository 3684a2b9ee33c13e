"""Japanese vowels (Kudo et al. 1999): who of nine speakers said two vowels? 12 cepstral coefficients, 7 to 29 steps.

The data set has a split of its own: 270 utterances to learn from, 370 to be scored on. Files in the format of aeon and of
the UCR archive, ``JapaneseVowels_TRAIN.ts`` and ``JapaneseVowels_TEST.ts``.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ._recordings import Classified, Floats, Labels, Recordings, classify
from ._trials import Bar, no_bar


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`."""

    n_neurons: int = 200
    max_iter: int = 60


def load(folder: str | os.PathLike[str]) -> Recordings:
    """Both files of a folder.

    Parameters
    ----------
    folder : str or os.PathLike
        Where ``JapaneseVowels_TRAIN.ts`` and ``JapaneseVowels_TEST.ts`` are.
    """
    return Recordings(*_read(folder, "TRAIN"), *_read(folder, "TEST"))


def _read(folder: str | os.PathLike[str], part: str) -> tuple[list[Floats], Labels]:
    path = Path(folder) / f"JapaneseVowels_{part}.ts"
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [line.split(":") for line in lines if line and line[0] not in "#@"]
    X = [np.array([channel.split(",") for channel in record[:-1]], np.float64).T for record in records]
    return X, np.array([record[-1] for record in records])


def run(data: Recordings, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Classified:
    """Learns, and is scored on the data's own test set.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = list(rng.normal(size=(20, 9, 12))), np.repeat(["1", "2"], 10)
    >>> 0.0 <= run(Recordings(X, y, X, y), preset=Preset(10, max_iter=1)).right <= 1.0
    True
    """
    return classify(data, seed, bar=bar, **asdict(preset or Preset()))
