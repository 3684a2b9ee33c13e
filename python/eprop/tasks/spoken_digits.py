"""Spoken digits: six people say zero to nine, as log-mel spectra of 32 bands, a step every 16 ms.

The Free Spoken Digit Dataset: ``{digit}_{speaker}_{index}.wav``. Of mixed speakers a random tenth of each digit is held out.
With a `speaker`, all recordings of that one are held out: somebody who was never heard.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._recordings import Classified, Floats, Recordings, classify_varied, held_out, pick, read_sound
from ._trials import Bar, Rng, no_bar

HOP, WINDOW, N_BANDS = 128, 256, 32
FLOOR = 0.01
"""Of the mean energy."""


@dataclass(frozen=True)
class Preset:
    """Parameters of `EpropClassifier`; what it is shown; and how words are stretched, anew in each pass: see `stretched`."""

    n_neurons: int = 200
    max_iter: int = 30
    tau_mem: float = 6.0
    horizon: int | str = "sequence"
    recurrent_gain: float = 0.2
    slope: int = 2  # steps on either side over which a slope is taken, 0: no slopes
    n_cepstra: int = 13  # in the place of the bands, 0: the bands as they are
    slower: float = 0.2  # at most by exp(0.2), and as much faster
    wider: float = 0.1  # the axis of the bands, at most by exp(0.1), and as much narrower
    shift: float = 1.0  # bands
    lr: float = 0.005


def load(
    folder: str | os.PathLike[str], seed: int = 0, speaker: str | None = None, floor: float | None = FLOOR
) -> Recordings:
    """Spectra and digits.

    Parameters
    ----------
    folder : str or os.PathLike
        Where the .wav files are, mono, 16 bits.
    seed : int
        Draws the held-out tenth.
    speaker : str, optional
        Holds out this one's recordings instead.
    floor : float, optional
        As of `log_mel`.

    Raises
    ------
    ValueError
        A file that is no .wav, not mono or not of 16 bits, or of another name; a speaker who is not there.
    FileNotFoundError
        No .wav file.
    """
    paths = sorted(Path(folder).glob("*.wav"))
    if not paths:
        raise FileNotFoundError(f"folder: expected .wav files like 0_jackson_5.wav, got none in {folder}")
    said = [_digit_and_speaker(path) for path in paths]
    X = [log_mel(*_read(path), floor) for path in paths]
    y = np.array([int(digit) for digit, _ in said])
    if speaker is None:
        return held_out(X, y, seed, share=0.1)
    says = np.array([who for _, who in said])
    if speaker not in says:
        raise ValueError(f"speaker: expected one of {', '.join(np.unique(says))}, got {speaker!r}")
    others, own = np.nonzero(says != speaker)[0], np.nonzero(says == speaker)[0]
    return Recordings(pick(X, others), y[others], pick(X, own), y[own])


def _read(path: Path) -> tuple[Floats, int]:
    sound = read_sound(path)
    if (sound.n_channels, sound.n_bytes) != (1, 2):
        raise ValueError(
            f"{path}: expected mono of 16 bits, got {sound.n_channels} channels of {8 * sound.n_bytes} bits"
        )
    return np.frombuffer(sound.data, "<i2") / 32768.0, sound.rate


def _digit_and_speaker(path: Path) -> tuple[str, str]:
    parts = path.stem.split("_")
    if len(parts) < 2 or parts[0] not in tuple("0123456789"):
        raise ValueError(f"{path}: expected a name like 0_jackson_5.wav, got {path.name}")
    return parts[0], parts[1]


def log_mel(samples: NDArray[Any], rate: int, floor: float | None = FLOOR) -> Floats:
    """Logarithms of the energies in bands of equal width on the mel scale (T, 32).

    Each band has its mean over the recording subtracted, so that neither loudness nor the microphone counts.

    Parameters
    ----------
    samples : numpy.ndarray (n,)
        From -1 to 1.
    rate : int
        Samples in a second.
    floor : float, optional
        What is added to energies before the logarithm, in units of their mean over the recording: noise far below the voice
        is the same silence in all recordings. None: 1e-6, however loud they are.

    Examples
    --------
    >>> log_mel(np.sin(np.arange(8000) / 3.0), rate=8000).shape
    (61, 32)
    """
    samples = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2
    energies = power @ _mel_bands(rate).T
    # A recording of zeros has no mean to take a share of.
    added = 1e-6 if floor is None else max(floor * energies.mean(), 1e-12)
    logarithms = np.log(energies + added)
    return np.asarray(logarithms - logarithms.mean(axis=0))


def _mel_bands(rate: int) -> Floats:
    """Triangles (bands, frequencies), each from the centre of the band before to that of the band after."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, N_BANDS + 2) / 2595.0) - 1.0)
    frequencies = np.fft.rfftfreq(WINDOW, 1.0 / rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def cepstra(x: Floats, n: int) -> Floats:
    """The n coarsest cosines in the bands of each step (T, n).

    They say how the throat and the mouth are shaped, and leave out the harmonics of a voice, which differ from speaker to
    speaker.

    Examples
    --------
    >>> flat_and_tilted = np.stack([np.ones(32), np.linspace(1, -1, 32)])
    >>> cepstra(flat_and_tilted, 2).round().astype(int).tolist()
    [[32, 0], [0, 13]]
    """
    n_bands = x.shape[1]
    return np.asarray(x @ np.cos(np.pi * (np.arange(n_bands)[:, None] + 0.5) * np.arange(n) / n_bands))


def with_slopes(X: list[Floats], steps: int) -> list[Floats]:
    """Beside each band the difference between what it is some steps later and was as many before.

    Speech is told apart by how its bands move, more than by where they are.

    Examples
    --------
    >>> (x,) = with_slopes([np.arange(6.0)[:, None]], steps=2)
    >>> x[:, 1].tolist()
    [2.0, 3.0, 4.0, 4.0, 3.0, 2.0]
    """
    padded = [np.pad(x, ((steps, steps), (0, 0)), mode="edge") for x in X]
    return [np.hstack([x, p[2 * steps :] - p[: len(x)]]) for x, p in zip(X, padded, strict=True)]


def stretched(x: Floats, rng: Rng, preset: Preset | None = None) -> Floats:
    """A recording (T, bands) as another speaker might say it: slower or faster, with resonances that are higher or lower.

    Between steps and bands it is interpolated; beyond the first and the last band it goes on as it ends. Each band has mean
    0 again.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(40, 32))
    >>> stretched(x, np.random.default_rng(1)).shape
    (40, 32)
    """
    p = preset or Preset()
    n_steps, n_bands = x.shape
    steps = max(1, round(n_steps * np.exp(rng.uniform(-p.slower, p.slower))))
    bands = np.arange(n_bands) * np.exp(rng.uniform(-p.wider, p.wider)) + rng.uniform(-p.shift, p.shift)
    y = _between(_between(x, np.linspace(0.0, n_steps - 1.0, steps)).T, bands).T
    return np.asarray(y - y.mean(axis=0))


def _between(rows: Floats, at: Floats) -> Floats:
    """Rows at places that are not whole numbers."""
    at = np.clip(at, 0.0, len(rows) - 1.0)
    before = at.astype(np.int64)
    weight = (at - before)[:, None]
    return np.asarray((1.0 - weight) * rows[before] + weight * rows[np.minimum(before + 1, len(rows) - 1)])


def _shown(X: list[Floats], p: Preset) -> list[Floats]:
    """What the network is shown of bands."""
    shown = [cepstra(x, p.n_cepstra) for x in X] if p.n_cepstra > 0 else X
    return with_slopes(shown, p.slope) if p.slope > 0 else shown


def run(data: Recordings, seed: int = 0, preset: Preset | None = None, bar: Bar = no_bar) -> Classified:
    """Learns, and is scored on what is held out.

    Examples
    --------
    >>> X, y = list(np.random.default_rng(0).normal(size=(20, 15, 32))), np.arange(20) % 2
    >>> 0.0 <= run(Recordings(X, y, X, y), preset=Preset(10, max_iter=1)).right <= 1.0
    True
    """
    p = preset or Preset()
    return classify_varied(
        data._replace(X_test=_shown(data.X_test, p)),
        lambda X, rng: _shown([stretched(x, rng, p) for x in X], p),
        seed,
        lr=p.lr,
        bar=bar,
        n_neurons=p.n_neurons,
        max_iter=p.max_iter,
        tau_mem=p.tau_mem,
        horizon=p.horizon,
        trainer_options={"recurrent_gain": p.recurrent_gain},
    )
