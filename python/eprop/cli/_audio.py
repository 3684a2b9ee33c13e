"""Recordings as log-mel spectra: .wav files of integers, read by the standard library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tasks._recordings import read_sound

__all__ = ["log_mel", "read_wav"]

Array = NDArray[Any]

WINDOW, HOP = 0.032, 0.016
"""Seconds of a frame, and from one to the next."""


def read_wav(path: Path) -> tuple[Array, int]:
    """Samples in [-1, 1), the mean of the channels, and how many there are in a second.

    Raises
    ------
    ValueError
        A file that is no .wav of integers of at most 32 bits, or one that was cut.
    OSError
        A file that cannot be read.
    """
    data, n_bytes, n_channels, rate = read_sound(path)
    if n_bytes > 4 or rate * HOP < 1.0:
        raise ValueError(
            f"{path}: expected samples of at most 32 bits, {1 / HOP:g} in a second or more, got {8 * n_bytes} bits "
            f"and {rate}"
        )
    raw = np.frombuffer(data, np.uint8).reshape(-1, n_bytes)
    if n_bytes == 1:  # the only width without a sign
        samples = (raw[:, 0].astype(np.float64) - 128.0) / 128.0
    else:
        words = np.zeros((len(raw), 4), np.uint8)
        words[:, 4 - n_bytes :] = raw
        samples = words.view("<i4")[:, 0] / 2.0**31
    return samples.reshape(-1, n_channels).mean(axis=1), rate


def log_mel(samples: Array, rate: int, n_bands: int) -> Array:
    """Logarithms of the energies in bands of equal width on the mel scale (T, n_bands), a frame every 16 ms.

    Each band has its mean over the recording subtracted, so that neither loudness nor the microphone counts.

    Examples
    --------
    >>> log_mel(np.sin(np.arange(8000)), 8000, 20).shape
    (61, 20)
    """
    window, hop = round(WINDOW * rate), round(HOP * rate)
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window))) ** 2
    energies = np.log(power @ _bands(rate, window, n_bands).T + 1e-6)
    return np.asarray(energies - energies.mean(axis=0))


def _bands(rate: int, window: int, n_bands: int) -> Array:
    """Triangles (n_bands, n_frequencies), each from the centre of the band before to that of the band after."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, n_bands + 2) / 2595.0) - 1.0)
    frequencies = np.fft.rfftfreq(window, 1.0 / rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))
