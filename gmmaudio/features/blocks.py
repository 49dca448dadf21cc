"""Blocks of some seconds: mean, spread, change and modulation spectrum of their frames as one vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.features.normalise import Frames, check_frames

MODULATION_HZ = (0.4, 18.0)
# added to every power: the rounding of float32 cepstra, 6e-5 near 1,000, lies below it
POWER_FLOOR = 1e-8


def block_features(
    frames: Frames, time_s: Frames, *, size: int, step: int, n_modulation: int, frames_per_s: float
) -> tuple[Frames, Frames]:
    """Return one vector for each block of frames, shape (n_blocks, d * (3 + n_modulation)), and the blocks' centres.

    A vector holds, for all columns of a frame, the means, then the standard deviations, then the mean absolute
    differences of neighbours (0 for one frame), then for each modulation band, slowest first, log10 of the power in it
    plus 1e-8. The power is the part of the column's variance that lies in the band, by a Hann window; bands are spaced
    evenly in the logarithm from 0.4 to 18 Hz (half the frame rate at most), and one that holds no bin has the nearest.
    A trial shorter than a block is one block, with zeros after it in the spectrum only; of a longer one, the frames
    after the last whole block are left out.

    Parameters
    ----------
    frames : ndarray, shape (n, d), float32
        Of a trial, gated and normalised, at least one.
    time_s : ndarray, shape (n,), float32
        Centres of the frames, seconds; that of a block is of its middle frame, or between its middle two.
    size, step : int
        Frames of a block, and between the starts of two.
    n_modulation : int
        Bands of the modulation spectrum.
    frames_per_s : float
        Frames in a second.

    Raises
    ------
    FeatureError
        If there are no frames, or a value is masked.

    References
    ----------
    McKinney, Breebaart, "Features for audio and music classification", ISMIR 2003 (modulation of frame features).

    Examples
    --------
    >>> frames, time_s = np.ones((10, 2), dtype=np.float32), np.arange(10, dtype=np.float32)
    >>> blocks, centre_s = block_features(frames, time_s, size=4, step=3, n_modulation=1, frames_per_s=1.0)
    >>> blocks.shape, centre_s
    ((3, 8), array([1.5, 4.5, 7.5], dtype=float32))
    """
    check_frames(frames)
    length = min(size, len(frames))
    starts = np.arange(0, len(frames) - length + 1, step)
    bands = _bands(size, n_modulation, frames_per_s)
    vectors = [_vector(frames[start : start + length].astype(np.float64), size, bands) for start in starts]
    # times of joined clips start anew in each: the mean of both ends would be no time of the block
    centres = (time_s[starts + (length - 1) // 2] + time_s[starts + length // 2]) / 2
    return np.array(vectors, dtype=np.float32), centres.astype(np.float32)


def modulation_edges_hz(n: int, frames_per_s: float) -> npt.NDArray[np.float64]:
    """Return the edges of the bands of the modulation spectrum, shape (n + 1,), hertz, ascending.

    Parameters
    ----------
    n : int
        Bands.
    frames_per_s : float
        Frames in a second; no band reaches above half of it.

    Examples
    --------
    >>> modulation_edges_hz(2, 20.0).round(2)
    array([ 0.4,  2. , 10. ])
    """
    low, high = MODULATION_HZ
    return np.geomspace(low, max(min(high, frames_per_s / 2), 2 * low), n + 1)


def _vector(block: npt.NDArray[np.float64], size: int, bands: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the vector of one block."""
    mean = block.mean(axis=0)
    change = np.abs(np.diff(block, axis=0)).mean(axis=0) if len(block) > 1 else np.zeros_like(mean)
    # without the zeros at both ends, so that one frame or two have energy
    window = np.hanning(len(block) + 2)[1:-1, None]
    spectrum = np.fft.rfft((block - mean) * window, n=size, axis=0)
    # over the window's energy, so that a short block and a long one compare; twice, for the negative frequencies
    power = bands @ (2 * np.abs(spectrum) ** 2 / (size * (window**2).sum()))
    return np.concatenate([mean, block.std(axis=0), change, np.log10(power + POWER_FLOOR).ravel()])


def _bands(size: int, n: int, frames_per_s: float) -> npt.NDArray[np.float64]:
    """Return the bins that each band sums, shape (n, size // 2 + 1), 0 or 1; an empty band has the nearest."""
    hz = np.fft.rfftfreq(size, 1 / frames_per_s)
    edges = modulation_edges_hz(n, frames_per_s)
    inside = (hz >= edges[:-1, None]) & (hz < edges[1:, None])
    nearest = np.abs(hz - np.sqrt(edges[:-1] * edges[1:])[:, None]).argmin(axis=1)
    empty = np.flatnonzero(~inside.any(axis=1))
    inside[empty, nearest[empty]] = True
    return inside.astype(np.float64)
