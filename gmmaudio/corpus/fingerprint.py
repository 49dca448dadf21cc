"""Fingerprints of clips, by which copies of a recording are found after changes of gain, encoding or length.

A fingerprint is a sequence of sub-fingerprints, one for each anchor: a local maximum of the level. An anchor and its
hash depend only on half a second of sound on either side, so an excerpt has the anchors of the whole recording. The
hash consists of the signs of the slow modulations of c1 to c6 around the anchor. Neither a gain nor a constant filter
changes them, as both only add a constant. The sub-fingerprint also holds the time of the anchor, modulo a few seconds.

References
----------
Haitsma, Kalker, "A highly robust audio fingerprinting system", ISMIR 2002: signs of differences, Hamming distance.
Wang, "An industrial-strength audio search algorithm", ISMIR 2003: landmarks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import FeatureError, SettingError

Fingerprint = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
# docs/decisions/0007-fingerprint.md has the measurements for these constants
MAX_ANCHORS = 24
N_CEPSTRA = 7
WINDOW_S = 1.0
GAP_S = 0.2
SMOOTHING_S = 0.06
CELLS = 16
# number of modulations of c1, c2 ... c6, the slowest first: 56 signs, seven bytes
MODULATIONS = (11, 10, 10, 9, 8, 8)
# cepstra with a smaller standard deviation, decibel, are a steady tone with rounding errors, or silence
MIN_STD_DB = 1.5
# the eighth byte: time in steps of 20 ms, modulo 5.12 s
CLOCK_S = 0.02
CLOCK_STEPS = 256


def compute_fingerprint(cepstra: npt.ArrayLike, frames_per_s: float) -> Fingerprint:
    """Return the sub-fingerprints of a clip in the order of time, shape (k,), k = 0..24.

    Clips shorter than a second, silence and steady tones have none. Of more than 24 anchors the most prominent are
    kept, so an excerpt of a recording of many minutes may share none of them.

    Parameters
    ----------
    cepstra : array_like, shape (n, >= 7)
        c0, c1 ... of consecutive frames, decibel, as in ``RawFrames.values``, neither gated nor normalised. Only the
        first seven columns are used.
    frames_per_s : float
        Frames per second, at least 16.

    Returns
    -------
    ndarray, shape (k,), uint64
        Seven bytes of signs and, in the lowest byte, the time in steps of 20 ms.

    Raises
    ------
    SettingError
        If there are fewer columns, or fewer frames per second.
    FeatureError
        If a frame is not finite.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(scale=9.0, size=(300, 7)).cumsum(axis=0)
    >>> len(compute_fingerprint(frames, 100.0))
    2
    >>> compute_fingerprint(np.zeros((300, 7)), 100.0)
    array([], dtype=uint64)
    """
    frames = as_numbers(cepstra, "cepstra must be real numbers", SettingError)
    if frames.ndim != 2 or frames.shape[1] < N_CEPSTRA:
        raise SettingError(f"cepstra have shape {frames.shape}; expected (n, {N_CEPSTRA} or more): raise n_mfcc")
    if not CELLS / WINDOW_S <= frames_per_s < np.inf:
        raise SettingError(
            f"frames_per_s is {frames_per_s:g}; expected at least {CELLS / WINDOW_S:g}: make the hop shorter"
        )
    frames = frames[:, :N_CEPSTRA].astype(np.float64)
    if not np.isfinite(frames).all():
        raise FeatureError("cepstra are not finite; check the file for NaN or infinite values")
    anchors, prominence = _anchors(frames[:, 0], frames_per_s)
    cells = _cells(frames[:, 1:], anchors, frames_per_s)
    moving = cells.std(axis=1).max(axis=1, initial=0.0) >= MIN_STD_DB
    anchors, prominence, cells = anchors[moving], prominence[moving], cells[moving]
    kept = np.sort(np.argsort(-prominence, kind="stable")[:MAX_ANCHORS])
    clock = np.round(anchors[kept] / (frames_per_s * CLOCK_S)).astype(np.int64) % CLOCK_STEPS
    fingerprint: Fingerprint = _signs(cells[kept]) << np.uint64(8) | clock.astype(np.uint64)
    return fingerprint


def _anchors(level: Floats, frames_per_s: float) -> tuple[Floats, Floats]:
    """Return the positions of local maxima of the smoothed level (n,), frames, and their prominence, decibel."""
    half, gap = WINDOW_S / 2 * frames_per_s, max(1, round(GAP_S * frames_per_s))
    none = np.zeros(0)
    if len(level) < 2 * half + 2:
        return none, none
    # truncated so that smoothing and gap together do not reach beyond the window
    smooth = _smoothed(level, SMOOTHING_S * frames_per_s, round((WINDOW_S / 2 - GAP_S) * frames_per_s))
    around = sliding_window_view(np.pad(smooth, gap, mode="edge"), 2 * gap + 1)
    highest, lowest = around.max(axis=1), around.min(axis=1)
    peak = np.flatnonzero((smooth == highest) & (smooth > lowest))
    peak = peak[(peak >= half) & (peak < len(level) - half - 1)]
    before, top, after = smooth[peak - 1], smooth[peak], smooth[peak + 1]
    bend = 2 * top - before - after
    # a parabola through three points: the position must not depend on the frame grid
    shift = np.divide(after - before, 2 * bend, out=np.zeros(len(peak)), where=bend > 0)
    return peak + np.clip(shift, -0.5, 0.5), top - lowest[peak]


def _smoothed(level: Floats, std: float, reach: int) -> Floats:
    """Return the level (n,) smoothed by a Gaussian of this standard deviation, frames, cut off beyond ``reach``."""
    weights = np.exp(-0.5 * (np.arange(reach + 1) / std) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    padded, n = np.pad(level, reach, mode="symmetric"), len(level)
    smooth: Floats = level * weights[0]
    for lag in range(reach, 0, -1):
        smooth += weights[lag] * (padded[reach - lag :][:n] + padded[reach + lag :][:n])
    return smooth


def _cells(frames: Floats, anchors: Floats, frames_per_s: float) -> Floats:
    """Return the means of the frames (n, d) in the cells around the anchors (k,), shape (k, CELLS, d)."""
    edges = anchors[:, None] + 0.5 + (np.arange(CELLS + 1) / CELLS - 0.5) * WINDOW_S * frames_per_s
    # cumulative sums, interpolated between frames; the first frame is subtracted against rounding errors
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames - frames[:1], axis=0)])
    first = np.clip(edges.astype(np.int64), 0, max(0, len(frames) - 1))
    sums_at_edges = sums[first] + (edges - first)[..., None] * (sums[np.minimum(first + 1, len(frames))] - sums[first])
    means: Floats = np.diff(sums_at_edges, axis=1) * (CELLS / (WINDOW_S * frames_per_s))
    return means


def _signs(cells: Floats) -> Fingerprint:
    """Return the signs of the slow modulations of the cells (k, CELLS, 6), the slowest in the highest bits, (k,)."""
    angles = np.pi / CELLS * np.outer(np.arange(max(MODULATIONS) + 1), np.arange(CELLS) + 0.5)
    # a cosine transform; a constant less, so that of steady cells not even rounding errors are left
    modulation = np.cos(angles) @ (cells - cells[:, :1])
    order = sorted((m + 1, c) for c, n in enumerate(MODULATIONS) for m in range(n))
    signs = np.stack([modulation[:, m, c] > 0 for m, c in order], axis=1)
    whole: Fingerprint = signs.astype(np.uint64) @ (np.uint64(1) << np.arange(len(order), dtype=np.uint64)[::-1])
    return whole


def to_hex(fingerprint: Fingerprint) -> str:
    """Return a fingerprint as text, 16 hexadecimal digits for each sub-fingerprint.

    Parameters
    ----------
    fingerprint : ndarray, shape (k,), uint64
        Fingerprint of :func:`compute_fingerprint`.

    Returns
    -------
    str
        Lower-case digits; empty for k = 0.

    Examples
    --------
    >>> to_hex(np.array([1, 2**64 - 1], dtype=np.uint64))
    '0000000000000001ffffffffffffffff'
    """
    return np.asarray(fingerprint, dtype=">u8").tobytes().hex()


def from_hex(text: str) -> Fingerprint:
    """Return the fingerprint that a text of :func:`to_hex` describes.

    Parameters
    ----------
    text : str
        Hexadecimal digits.

    Returns
    -------
    ndarray, shape (k,), uint64
        Sub-fingerprints.

    Raises
    ------
    SettingError
        If the text is not 16 hexadecimal digits for each sub-fingerprint, or has more than 24.

    Examples
    --------
    >>> from_hex("000000000000000a")
    array([10], dtype=uint64)
    """
    digits = set(text) <= set("0123456789abcdef")
    if not digits or len(text) % 16 or len(text) > 16 * MAX_ANCHORS:
        raise SettingError(
            f"{text[:40]!r} is no fingerprint; expected 16 hexadecimal digits for each of 0 to {MAX_ANCHORS} "
            "sub-fingerprints: compute it again from the audio"
        )
    return np.frombuffer(bytes.fromhex(text), dtype=">u8").astype(np.uint64)
