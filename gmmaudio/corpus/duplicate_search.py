"""The search for clips of one recording among their fingerprints.

Two clips share a recording where anchors agree whose distance in time is the same in both. Pairs of clips are compared
where two anchors share three of seven bytes and are close: sub-fingerprints are sorted by each choice of three bytes,
so that only those of equal bytes meet. docs/decisions/0017-growth.md has the number of those and the time.

References
----------
Wang, "An industrial-strength audio search algorithm", ISMIR 2003: one offset in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
# pairs held at a time
BLOCK = 1 << 19
# a packed key holds 24 bits of signs above the index of its anchor
INDEX_BITS = np.uint64(40)


def near_duplicates(train: Sequence[Fingerprint], test: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """Return the pairs of clips that share a recording.

    A clip without anchors is in no pair. The time grows with the number of clips and of the pairs of anchors that share
    three bytes.

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
    return _agreeing(train, test, _seeds(_Anchors.of(train), _Anchors.of(test)))


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
    return _agreeing(fingerprints, fingerprints, _seeds(_Anchors.of(fingerprints)))


@dataclass(frozen=True)
class _Anchors:
    """The sub-fingerprints of many clips, one after another: ``hashes`` (n,), and the clip of each, ``clip`` (n,)."""

    hashes: Fingerprint
    clip: Integers
    n_clips: int

    @classmethod
    def of(cls, fingerprints: Sequence[Fingerprint]) -> _Anchors:
        """Return the anchors of fingerprints."""
        clip = np.repeat(np.arange(len(fingerprints)), [len(each) for each in fingerprints])
        hashes = np.concatenate([*fingerprints, np.zeros(0, dtype=np.uint64)]).astype(np.uint64)
        return cls(hashes, clip.astype(np.int64), len(fingerprints))


def _seeds(train: _Anchors, test: _Anchors | None = None) -> tuple[Integers, Integers]:
    """Return the pairs (train, test) of clips with two anchors that are close and share three bytes, sorted.

    Four wrong signs, wherever they are, leave three of the seven bytes unchanged, so no pair that close is missed.
    Without ``test`` the pairs are those within ``train``, the lower clip first.
    """
    other, codes = test or train, [np.zeros(0, dtype=np.int64)]
    for i, j in _collisions(train.hashes, None if test is None else test.hashes):
        close = _distance(train.hashes[i], other.hashes[j]) <= SEED_BITS
        one, two = train.clip[i[close]], other.clip[j[close]]
        if test is None:
            one, two = np.minimum(one, two), np.maximum(one, two)
            one, two = one[one < two], two[one < two]
        codes.append(np.unique(one * other.n_clips + two))
    pairs = np.unique(np.concatenate(codes))
    return pairs // max(1, other.n_clips), pairs % max(1, other.n_clips)


def _collisions(a: Fingerprint, b: Fingerprint | None = None) -> Iterator[tuple[Integers, Integers]]:
    """Yield indices into ``a`` and ``b`` of equal bytes of signs, for each choice of three of the seven bytes.

    Without ``b`` they are those within ``a``, each pair once for a choice.
    """
    for chosen in combinations(range(1, 8), 3):
        keys, order = _sorted_keys(a, chosen)
        if b is None:
            ends = np.searchsorted(keys, keys, side="right")
            yield from _ranges(order, np.arange(1, len(a) + 1), ends, order)
        else:
            others, order_of_others = _sorted_keys(b, chosen)
            low, high = (np.searchsorted(keys, others, side=side) for side in ("left", "right"))
            yield from _ranges(order, low, high, order_of_others)


def _sorted_keys(hashes: Fingerprint, chosen: Sequence[int]) -> tuple[npt.NDArray[np.uint32], Integers]:
    """Return the chosen bytes of signs as sorted keys (n,), and the index of each."""
    key = np.zeros(len(hashes), dtype=np.uint64)
    for byte in chosen:
        key = key << np.uint64(8) | (hashes >> np.uint64(8 * byte)) & np.uint64(0xFF)
    # keys and indices in one word: to sort these is several times as fast as to sort indices by keys
    packed = np.sort(key << INDEX_BITS | np.arange(len(hashes), dtype=np.uint64))
    return (packed >> INDEX_BITS).astype(np.uint32), (packed & ((np.uint64(1) << INDEX_BITS) - np.uint64(1))).astype(
        np.int64
    )


def _ranges(
    left: Integers, low: npt.NDArray[np.intp], high: npt.NDArray[np.intp], right: Integers
) -> Iterator[tuple[Integers, Integers]]:
    """Yield pairs, some at a time: for each k, left[low[k]:high[k]], each with right[k]."""
    some = np.flatnonzero(high > low)
    count = (high - low)[some]
    total = np.cumsum(count)
    start = 0
    while start < len(some):
        stop = max(start + 1, int(np.searchsorted(total, total[start] - count[start] + BLOCK, side="right")))
        n, part = count[start:stop], some[start:stop]
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield left[np.repeat(low[part], n) + within], right[np.repeat(part, n)]
        start = stop


def _distance(a: Fingerprint, b: Fingerprint) -> Integers:
    """Return the number of the 56 signs in which sub-fingerprints differ, of the shape that both broadcast to."""
    bits = (a ^ b) >> np.uint64(8)
    # sums of bits side by side: in pairs, in fours, in bytes; the product adds the bytes up
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((bits * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)


def _agreeing(
    train: Sequence[Fingerprint], test: Sequence[Fingerprint], pairs: tuple[Integers, Integers]
) -> list[tuple[int, int, float]]:
    """Return those of the pairs (train, test) that are copies, with their share of agreeing anchors."""
    found = []
    for i, j in zip(*(side.tolist() for side in _may_agree(train, test, pairs)), strict=True):
        share = _agreement(train[i], test[j])
        if share > 0:
            found.append((i, j, share))
    return found


def _may_agree(
    train: Sequence[Fingerprint], test: Sequence[Fingerprint], pairs: tuple[Integers, Integers]
) -> tuple[Integers, Integers]:
    """Return the pairs whose anchors give evidence enough if all were at one offset in time: no copy is dropped."""
    kept = np.ones(len(pairs[0]), dtype=bool)
    sizes = [np.array([len(each) for each in side], dtype=np.int64) for side in (train, test)]
    n_a, n_b = sizes[0][pairs[0]], sizes[1][pairs[1]]
    most = 1 + int(n_b.max(initial=0))
    # pairs of one shape together, so that nothing is compared with what only fills up
    for shape in np.unique(n_a * most + n_b):
        of_shape = np.flatnonzero(n_a * most + n_b == shape)
        n_rows = max(1, BLOCK // (int(n_a[of_shape[0]]) * int(n_b[of_shape[0]])))
        for start in range(0, len(of_shape), n_rows):
            part = of_shape[start : start + n_rows]
            a, b = (
                np.stack([side[k] for k in pair[part].tolist()])
                for side, pair in zip((train, test), pairs, strict=True)
            )
            distance = _distance(a[:, :, None], b[:, None, :])
            weight = np.maximum(UNRELATED_BITS - distance, 0)
            fewer = min(a.shape[1], b.shape[1])
            evidence = np.minimum(weight.max(axis=1).sum(axis=1), weight.max(axis=2).sum(axis=1))
            kept[part] = _is_ample(evidence, distance.min(axis=(1, 2)), fewer)
    return pairs[0][kept], pairs[1][kept]


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
    return float(agreeing / fewer) if _is_ample(evidence, distance.min(), fewer) else 0.0


def _is_ample(evidence: Integers, closest: Integers, fewer: int) -> npt.NDArray[np.bool_]:
    """Return whether evidence makes clips copies whose closest anchors, and whose number of anchors, are these."""
    enough = evidence >= min(AMPLE_EVIDENCE, ANCHOR_EVIDENCE * fewer)
    return enough & ((evidence >= COPY_EVIDENCE) | (closest <= COPY_BITS))
