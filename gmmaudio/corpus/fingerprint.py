"""Fingerprints of clips, and the search for clips of one recording after changes of gain, encoding or length.

A fingerprint is a sequence of sub-fingerprints, one for each anchor: a local maximum of the level. An anchor and its
hash depend only on half a second of sound on either side, so an excerpt has the anchors of the whole recording. The
hash consists of the signs of the slow modulations of c1 to c6 around the anchor. Neither a gain nor a constant filter
changes them, as both only add a constant. The sub-fingerprint also holds the time of the anchor, modulo a few seconds.
Two clips share a recording where anchors agree whose distance in time is the same in both.

References
----------
Haitsma, Kalker, "A highly robust audio fingerprinting system", ISMIR 2002: signs of differences, Hamming distance.
Wang, "An industrial-strength audio search algorithm", ISMIR 2003: landmarks, one offset in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import FeatureError, SettingError

Fingerprint = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
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
# The evidence for a copy is the sum, over anchors at one offset in time, of UNRELATED_BITS minus the Hamming distance.
# A copy has one anchor within COPY_BITS, or evidence of COPY_EVIDENCE; and ANCHOR_EVIDENCE for every anchor of the
# shorter clip, at most AMPLE_EVIDENCE. A phrase that a speaker repeats is close in an anchor or two, and differs in the
# rest.
UNRELATED_BITS = 14
COPY_BITS = 2
COPY_EVIDENCE = 24
ANCHOR_EVIDENCE = 3
AMPLE_EVIDENCE = 42
# pairs of clips are compared where two anchors are within this Hamming distance and share three of the seven bytes
SEED_BITS = 10
BIT_COUNTS = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)


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
    smooth = gaussian_filter1d(level, SMOOTHING_S * frames_per_s, truncate=(WINDOW_S / 2 - GAP_S) / SMOOTHING_S)
    highest, lowest = maximum_filter1d(smooth, 2 * gap + 1), -maximum_filter1d(-smooth, 2 * gap + 1)
    peak = np.flatnonzero((smooth == highest) & (smooth > lowest))
    peak = peak[(peak >= half) & (peak < len(level) - half - 1)]
    before, top, after = smooth[peak - 1], smooth[peak], smooth[peak + 1]
    bend = 2 * top - before - after
    # a parabola through three points: the position must not depend on the frame grid
    shift = np.divide(after - before, 2 * bend, out=np.zeros(len(peak)), where=bend > 0)
    return peak + np.clip(shift, -0.5, 0.5), top - lowest[peak]


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
    modulation = dct(cells, axis=1, norm="ortho")
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


def near_duplicates(train: Sequence[Fingerprint], test: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """Return the pairs of clips that share a recording.

    A clip without anchors is in no pair. The time grows with the number of clips and of pairs, not with the square of
    the number of clips.

    Parameters
    ----------
    train, test : sequence of ndarray, shape (k,), uint64
        Fingerprints of clips, of the same front end.

    Returns
    -------
    list of (int, int, float)
        Index in train, index in test, and the share of anchors that agree, 0..1, of the clip that has fewer; sorted.

    Examples
    --------
    >>> walk = np.random.default_rng(0).normal(scale=9.0, size=(2, 500, 7)).cumsum(axis=1)
    >>> one, other = (compute_fingerprint(frames, 100.0) for frames in walk)
    >>> near_duplicates([one, other], [compute_fingerprint(walk[1, 37:], 100.0), np.zeros(0, dtype=np.uint64)])
    [(1, 0, 1.0)]
    """
    pairs = []
    for i, j in _seeds(train, test):
        share = _agreement(train[i], test[j])
        if share > 0:
            pairs.append((i, j, share))
    return pairs


def near_duplicates_within(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """Return the pairs of clips in one collection that share a recording.

    Parameters
    ----------
    fingerprints : sequence of ndarray, shape (k,), uint64
        Fingerprints of clips, of the same front end.

    Returns
    -------
    list of (int, int, float)
        The lower index, the higher, and the share of anchors that agree, as for :func:`near_duplicates`.

    Examples
    --------
    >>> walk = np.random.default_rng(0).normal(scale=9.0, size=(500, 7)).cumsum(axis=0)
    >>> near_duplicates_within([compute_fingerprint(walk, 100.0), compute_fingerprint(walk[37:], 100.0)])
    [(0, 1, 1.0)]
    """
    return [pair for pair in near_duplicates(fingerprints, fingerprints) if pair[0] < pair[1]]


def _seeds(train: Sequence[Fingerprint], test: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Return the pairs (train, test) with two anchors that are close and share three bytes, sorted.

    Four wrong signs, wherever they are, leave three of the seven bytes unchanged, so no pair that close is missed.
    """
    clip_of = [np.repeat(np.arange(len(side)), [len(each) for each in side]) for side in (train, test)]
    if not all(len(indices) for indices in clip_of):
        return []
    a, b = (np.concatenate(side).astype(np.uint64) for side in (train, test))
    codes = [
        clip_of[0][i[close]] * len(test) + clip_of[1][j[close]]
        for i, j in _collisions(a, b)
        if len(i) and (close := _distance(a[i], b[j]) <= SEED_BITS).any()
    ]
    pairs = np.unique(np.concatenate([*codes, np.zeros(0, dtype=np.int64)]))
    return [(int(code) // len(test), int(code) % len(test)) for code in pairs]


def _collisions(a: Fingerprint, b: Fingerprint) -> Iterator[tuple[Integers, Integers]]:
    """Yield indices into ``a`` and ``b`` of equal bytes of signs, for each choice of three of the seven bytes."""
    for chosen in combinations(range(1, 8), 3):
        mask = np.uint64(sum(0xFF << (8 * byte) for byte in chosen))
        order = np.argsort(a & mask, kind="stable")
        keys = (a & mask)[order]
        low, high = np.searchsorted(keys, b & mask, side="left"), np.searchsorted(keys, b & mask, side="right")
        n = high - low
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield order[np.repeat(low, n) + within], np.repeat(np.arange(len(b)), n)


def _distance(a: Fingerprint, b: Fingerprint) -> Integers:
    """Return the number of the 56 signs in which sub-fingerprints differ, of the shape that both broadcast to."""
    differ = np.ascontiguousarray((a ^ b) >> np.uint64(8))
    count: Integers = BIT_COUNTS[differ.view(np.uint8).reshape(*differ.shape, 8)].sum(axis=-1, dtype=np.int64)
    return count


def _agreement(a: Fingerprint, b: Fingerprint) -> float:
    """Return the share of anchors that agree at one offset in time, of the clip with fewer; 0 where it is no copy."""
    distance = _distance(a[:, None], b[None, :])
    clocks = [(side & np.uint64(CLOCK_STEPS - 1)).astype(np.int64) for side in (a, b)]
    steps = clocks[0][:, None] - clocks[1]
    weight = np.maximum(UNRELATED_BITS - distance, 0)
    by_offset = np.bincount(steps.ravel() % CLOCK_STEPS, weights=weight.ravel(), minlength=CLOCK_STEPS)
    # rounding moves an offset by up to one step
    best = int(np.argmax(by_offset + np.roll(by_offset, 1) + np.roll(by_offset, -1)))
    weight[(steps - best + 1) % CLOCK_STEPS > 2] = 0
    # an anchor agrees with one other at most
    evidence = min(weight.max(axis=0).sum(), weight.max(axis=1).sum())
    fewer = min(len(a), len(b))
    agreeing = min((weight > 0).any(axis=0).sum(), (weight > 0).any(axis=1).sum())
    copied = evidence >= min(AMPLE_EVIDENCE, ANCHOR_EVIDENCE * fewer) and (
        evidence >= COPY_EVIDENCE or distance.min() <= COPY_BITS
    )
    return float(agreeing / fewer) if copied else 0.0
