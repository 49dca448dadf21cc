"""Facts of decoded sound by which recordings differ whatever they hold: level, and where the band ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.audio.formats import Samples

N_FFT = 2_048
# mean levels this far below and above an edge are compared, hertz: resampling and codecs fall within the gap
WIDTH_HZ, GAP_HZ = 500.0, 800.0
# the lowest edge that is looked for
MIN_EDGE_HZ = 1_500.0
# nearer to half of the rate is where the filter of any resampling falls
MAX_EDGE = 0.85
# music and speech fall by less over as many hertz; filters of codecs, telephones and resampling by more
MIN_STEP_DB = 25.0
# below any sound, so that silence has a logarithm
TINY = 1e-20


def measure_level(y: Samples) -> float:
    """Return the level of a sound, decibels below full scale: the root of its mean square.

    Parameters
    ----------
    y : ndarray, shape (n,), float32
        Mono samples, full scale -1 to 1.

    Examples
    --------
    >>> round(measure_level(np.full(100, 0.1, np.float32)), 3)
    -20.0
    """
    return float(10 * np.log10(np.mean(np.square(y, dtype=np.float64)) + TINY))


def find_band_limit(y: Samples, sr: int) -> float:
    """Return the frequency at which the spectrum of a sound ends with a step; half of the rate where it has none.

    The long-term spectrum, in decibels, is averaged over 500 Hz on both sides of a gap of 800 Hz. Where it is lower
    above the gap than below it by 25 dB or more, the middle of the gap with the largest step is the limit. One above
    85 % of half of the rate is none: the filters of resampling fall there.

    Parameters
    ----------
    y : ndarray, shape (n,), float32
        Mono samples.
    sr : int
        Sample rate, hertz.

    Returns
    -------
    float
        Hertz; half of the rate also where the sound is shorter than 2,048 samples.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=22_050).astype(np.float32)
    >>> find_band_limit(noise, 22_050)
    11025.0
    >>> spectrum = np.fft.rfft(noise)
    >>> spectrum[5_000:] *= 1e-3
    >>> abs(find_band_limit(np.fft.irfft(spectrum).astype(np.float32), 22_050) - 5_000) < 500
    True
    """
    if len(y) < N_FFT:
        return sr / 2
    spectrum_db = 10 * np.log10(_mean_power(y) + TINY)
    # means of bins, by differences of their running sum
    total = np.concatenate([[0.0], np.cumsum(spectrum_db)])
    width, gap = (max(1, round(hertz * N_FFT / sr)) for hertz in (WIDTH_HZ, GAP_HZ))
    start = round(MIN_EDGE_HZ * N_FFT / sr)
    edges = np.arange(max(width, start), len(spectrum_db) - gap - width)
    if not len(edges):
        return sr / 2
    below = (total[edges] - total[edges - width]) / width
    above = (total[edges + gap + width] - total[edges + gap]) / width
    k = int(np.argmax(below - above))
    limit_hz = float((edges[k] + gap / 2) * sr / N_FFT)
    return limit_hz if below[k] - above[k] >= MIN_STEP_DB and limit_hz <= MAX_EDGE * sr / 2 else sr / 2


def _mean_power(y: Samples) -> npt.NDArray[np.float64]:
    """Return the mean power of the frames of a sound, one value for each bin."""
    window = np.hanning(N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[:: N_FFT // 2]
    power = np.zeros(N_FFT // 2 + 1)
    for block in np.array_split(frames, max(1, len(frames) // 64)):
        power += np.square(np.abs(np.fft.rfft(block * window))).sum(axis=0)
    return power / len(frames)
