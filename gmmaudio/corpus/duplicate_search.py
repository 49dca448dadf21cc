"""The search for clips of one recording among their fingerprints.

Two clips share a recording where anchors agree whose distance in time is the same in both.

References
----------
Wang, "An industrial-strength audio search algorithm", ISMIR 2003: one offset in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gmmaudio.corpus.fingerprint import CLOCK_STEPS, Fingerprint

Integers = npt.NDArray[np.int64]
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
    >>> from gmmaudio.corpus import compute_fingerprint
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
    >>> from gmmaudio.corpus import compute_fingerprint
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
