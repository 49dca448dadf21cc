"""The search for clips of one recording among their fingerprints.

Two clips share a recording where anchors agree whose distance in time is the same in both. Pairs of clips are compared
where anchors share three of seven bytes and are close, or two of them lie equally far apart: sub-fingerprints are
sorted by each choice of three bytes, so that only those of equal bytes meet. docs/decisions/0017-growth.md has the
number of those and the time.

References
----------
Wang, "An industrial-strength audio search algorithm", ISMIR 2003: one offset in time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from gmmaudio.corpus.fingerprint import CLOCK_STEPS, Fingerprint

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Small = npt.NDArray[np.uint8]
# The evidence for a copy is the sum, over anchors at one offset in time, of UNRELATED_BITS minus the Hamming distance.
# A copy has one anchor within COPY_BITS, or evidence of COPY_EVIDENCE; and ANCHOR_EVIDENCE for every anchor of the
# shorter clip, at most AMPLE_EVIDENCE. A phrase that a speaker repeats is close in an anchor or two, and differs in the
# rest.
UNRELATED_BITS = 14
COPY_BITS = 2
COPY_EVIDENCE = 24
ANCHOR_EVIDENCE = 3
AMPLE_EVIDENCE = 42
# Anchors meet where they share three of the seven bytes and their weight is not 0. Pairs of clips are compared where
# anchors within SEED_BITS meet, or two pairs of anchors at one offset in time, within OFFSET_STEPS.
SEED_BITS = 7
OFFSET_STEPS = 2
# pairs of anchors held at a time, and pairs of clips beyond twice those that differ
BLOCK = 1 << 16
MEETINGS = 1 << 20
# words that are put together at a time
KEYS_AT_ONCE = 1 << 14
# a packed key holds 24 bits of signs above the index of its anchor
INDEX_BITS = np.uint64(40)


def near_duplicates(train: Sequence[Fingerprint], test: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """Return the pairs of clips that share a recording.

    A clip without anchors is in no pair. The time grows with the number of different fingerprints and of the pairs of
    their anchors that share three bytes; clips of equal fingerprints are compared once.

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
    of_train, of_test = _members(train), _members(test)
    return sorted(
        (i, j, share)
        for a, b, share in _agreeing(_Anchors.of(_firsts(train, of_train)), _Anchors.of(_firsts(test, of_test)))
        for i, j in product(of_train[a], of_test[b])
    )


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
    members = _members(fingerprints)
    distinct = _firsts(fingerprints, members)
    pairs = [
        (i, j, share)
        for clips, one in zip(members, distinct, strict=True)
        if len(clips) > 1 and len(one) and (share := float(_shares(one[None], one[None])[0])) > 0
        for i, j in combinations(clips, 2)
    ]
    for a, b, share in _agreeing(_Anchors.of(distinct)):
        pairs += [(min(i, j), max(i, j), share) for i, j in product(members[a], members[b])]
    return sorted(pairs)


def _members(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return the clips of each distinct fingerprint, ascending, in the order of the first of them."""
    members: dict[bytes, list[int]] = defaultdict(list)
    for i, one in enumerate(fingerprints):
        members[one.tobytes()].append(i)
    return list(members.values())


def _firsts(fingerprints: Sequence[Fingerprint], members: Sequence[Sequence[int]]) -> list[Fingerprint]:
    """Return the distinct fingerprints."""
    return [fingerprints[clips[0]] for clips in members]


@dataclass(frozen=True)
class _Anchors:
    """The sub-fingerprints of many clips, one after another.

    ``hashes`` and the ``clip`` of each have the shape (n,); ``first``, where a clip begins, and ``size`` (n_clips,).
    """

    hashes: Fingerprint
    clip: Integers
    first: Integers
    size: Integers

    @classmethod
    def of(cls, fingerprints: Sequence[Fingerprint]) -> _Anchors:
        """Return the anchors of fingerprints."""
        size = np.array([len(each) for each in fingerprints], dtype=np.int64)
        hashes = np.concatenate([*fingerprints, np.zeros(0, dtype=np.uint64)]).astype(np.uint64)
        return cls(hashes, np.repeat(np.arange(len(size)), size), np.cumsum(size) - size, size)

    @cached_property
    def has_many(self) -> npt.NDArray[np.bool_]:
        """Whether the clip of each anchor has enough of them for the evidence of a copy, where none is the same."""
        return (self.size * (UNRELATED_BITS - COPY_BITS - 1) >= COPY_EVIDENCE)[self.clip]

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self.size)

    def of_clips(self, clips: Integers) -> Fingerprint:
        """Return the sub-fingerprints of clips that have equally many, shape (n_clips, k)."""
        return self.hashes[self.first[clips][:, None] + np.arange(self.size[clips[0]])]


def _seeds(train: _Anchors, test: _Anchors | None = None) -> tuple[Integers, Integers]:
    """Return the pairs (train, test) of clips to compare, sorted: those with a close or two corroborating anchors.

    Four wrong signs, wherever they are, leave three of the seven bytes unchanged, so no pair that close is missed.
    Without ``test`` the pairs are those within ``train``, the lower clip first.
    """
    other = test or train
    close, open_meetings = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    n_close = most = 0
    for i, j, distance in _meetings(train, test):
        pair = train.clip[i] * other.n_clips + other.clip[j]
        is_close = distance <= SEED_BITS
        close.append(pair[is_close])
        offset = (_clock(train.hashes[i]) - _clock(other.hashes[j])) % CLOCK_STEPS
        open_meetings.append((pair * CLOCK_STEPS + offset)[~is_close])
        n_close += len(close[-1])
        # copies of one recording have many close anchors
        if n_close > most:
            close = [_once(np.concatenate(close))]
            n_close = len(close[0])
            most = 2 * n_close + MEETINGS
    pairs = _once(np.concatenate([*close, _corroborated(np.concatenate(open_meetings))]))
    return pairs // max(1, other.n_clips), pairs % max(1, other.n_clips)


def _meetings(train: _Anchors, test: _Anchors | None) -> Iterator[tuple[Integers, Integers, Small]]:
    """Yield indices and distance of anchors of two clips that meet, some at a time, each pair once.

    They share three bytes, their weight is not 0, and with what else their clips have they may be evidence enough.
    """
    other = test or train
    for chosen, left, right in _collisions(train.hashes, None if test is None else test.hashes):
        a, b = train.hashes[left], other.hashes[right]
        distance = _distance(a, b)
        near = np.flatnonzero(distance < UNRELATED_BITS)
        near = near[_is_first_choice(a[near] ^ b[near], chosen)]
        i, j, distance = left[near], right[near], distance[near]
        # what few anchors could give is not evidence enough, unless two are nearly the same
        may_count = (distance <= COPY_BITS) | train.has_many[i] & other.has_many[j]
        if test is None:
            may_count &= train.clip[i] < train.clip[j]
        yield i[may_count], j[may_count], distance[may_count]


def _is_first_choice(bits: Fingerprint, chosen: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return whether three chosen bytes, none of which differs, are the lowest of which that is so.

    Anchors that share four bytes meet four times, and equal ones 35 times: they count at the first.
    """
    is_first = np.ones(len(bits), dtype=bool)
    for byte in range(1, chosen[-1]):
        if byte not in chosen:
            is_first &= (bits >> np.uint64(8 * byte)) & np.uint64(0xFF) != 0
    return is_first


def _once(numbers: Integers) -> Integers:
    """Return numbers sorted, each once; ``numpy.unique`` of some versions hashes, which takes ten times as long."""
    ordered = np.sort(numbers)
    differs = np.ones(len(ordered), dtype=bool)
    differs[1:] = ordered[1:] != ordered[:-1]
    return ordered[differs]


def _corroborated(meetings: Integers) -> Integers:
    """Return the pairs of clips, as numbers, of which two anchors met at offsets at most ``OFFSET_STEPS`` apart.

    Meetings are numbers: the pair times ``CLOCK_STEPS``, and the offset. They are sorted in place.
    """
    meetings.sort()
    pair = meetings // CLOCK_STEPS
    is_same = pair[1:] == pair[:-1]
    is_next = is_same & (np.diff(meetings) <= OFFSET_STEPS)
    # the last offset of a pair is next to its first, once around the clock
    first, last = np.flatnonzero(np.append(True, ~is_same)), np.flatnonzero(np.append(~is_same, True))
    if not len(meetings):
        return meetings
    is_around = (first < last) & (meetings[first] + CLOCK_STEPS - meetings[last] <= OFFSET_STEPS)
    return np.concatenate([pair[1:][is_next], pair[first[is_around]]])


def _collisions(a: Fingerprint, b: Fingerprint | None = None) -> Iterator[tuple[tuple[int, ...], Integers, Integers]]:
    """Yield each choice of three of the seven bytes, with indices into ``a`` and ``b`` where these bytes are equal.

    Without ``b`` they are those within ``a``, each pair once for a choice.
    """
    for chosen in combinations(range(1, 8), 3):
        keys = _sorted_keys(a, chosen)
        if b is None:
            yield from ((chosen, i, j) for i, j in _equal(keys))
        else:
            others = _sorted_keys(b, chosen)
            low, high = (np.searchsorted(keys >> INDEX_BITS, others >> INDEX_BITS, side=s) for s in ("left", "right"))
            yield from ((chosen, i, j) for i, j in _ranges(_index(keys), low, high, _index(others)))


def _sorted_keys(hashes: Fingerprint, chosen: Sequence[int]) -> Fingerprint:
    """Return the chosen bytes of signs, each with the index of its anchor below it in one word, sorted, shape (n,).

    To sort such words is several times as fast as to sort indices by keys.
    """
    keys = np.arange(len(hashes), dtype=np.uint64)
    # as much at a time as the caches hold
    for start in range(0, len(hashes), KEYS_AT_ONCE):
        part = hashes[start : start + KEYS_AT_ONCE]
        key = np.zeros(len(part), dtype=np.uint64)
        for byte in chosen:
            key = key << np.uint64(8) | (part >> np.uint64(8 * byte)) & np.uint64(0xFF)
        keys[start : start + KEYS_AT_ONCE] |= key << INDEX_BITS
    keys.sort()
    return keys


def _index(keys: Fingerprint) -> Integers:
    """Return the index of the anchor in each word of :func:`_sorted_keys`."""
    return (keys & ((np.uint64(1) << INDEX_BITS) - np.uint64(1))).astype(np.int64)


def _equal(keys: Fingerprint) -> Iterator[tuple[Integers, Integers]]:
    """Yield pairs of anchors, some at a time, whose bytes in sorted words are equal, the earlier first."""
    below = np.uint64(1) << INDEX_BITS
    first, lag = np.flatnonzero(keys[1:] ^ keys[:-1] < below), 1
    while len(first):
        for start in range(0, len(first), BLOCK):
            part = first[start : start + BLOCK]
            yield _index(keys[part]), _index(keys[part + lag])
        lag += 1
        first = first[: np.searchsorted(first, len(keys) - lag)]
        first = first[keys[first] ^ keys[first + lag] < below]


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


def _distance(a: Fingerprint, b: Fingerprint) -> Small:
    """Return the number of the 56 signs in which sub-fingerprints differ, of the shape that both broadcast to."""
    bits = (a ^ b) >> np.uint64(8)
    return np.bitwise_count(bits) if hasattr(np, "bitwise_count") else _bit_counts(bits)


def _bit_counts(bits: Fingerprint) -> Small:
    """Return the number of bits that are set, as ``numpy.bitwise_count`` does, which numpy 1 lacks."""
    # sums of bits side by side: in pairs, in fours, in bytes; the product adds the bytes up
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((bits * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)


def _clock(hashes: Fingerprint) -> Integers:
    """Return the times of sub-fingerprints, steps."""
    return (hashes & np.uint64(CLOCK_STEPS - 1)).astype(np.int64)


def _agreeing(train: _Anchors, test: _Anchors | None = None) -> list[tuple[int, int, float]]:
    """Return the pairs (train, test) of clips that are copies, with their share of agreeing anchors.

    Without ``test`` they are those within ``train``.
    """
    other = test or train
    found: list[tuple[int, int, float]] = []
    i, j = _seeds(train, test)
    most = 1 + int(other.size.max(initial=0))
    shape = train.size[i] * most + other.size[j]
    order = np.argsort(shape, kind="stable")
    # pairs of one shape together, so that nothing is compared with what only fills up
    for of_shape in np.split(order, np.flatnonzero(np.diff(shape[order])) + 1):
        n_compared = int(np.prod(np.divmod(shape[of_shape[:1]], most)))
        for start in range(0, len(of_shape), max(1, BLOCK // max(1, n_compared))):
            part = of_shape[start : start + max(1, BLOCK // max(1, n_compared))]
            shares = _shares(train.of_clips(i[part]), other.of_clips(j[part]))
            part, shares = part[shares > 0], shares[shares > 0]
            found += zip(i[part].tolist(), j[part].tolist(), shares.tolist(), strict=True)
    return found


def _shares(a: Fingerprint, b: Fingerprint) -> Reals:
    """Return the share of anchors that agree at one offset in time, of the clip with fewer; 0 where it is no copy.

    Of n pairs of clips with the anchors ``a``, shape (n, k_a), and ``b``, shape (n, k_b).
    """
    # pairs along the last axis: what reduces the others then runs over consecutive numbers
    a, b = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    fewer = min(len(a), len(b))
    distance = _distance(a[:, None], b[None, :]).view(np.int8)
    nearest = distance.min(axis=1)
    # what there would be if all were at one offset
    evidence = np.maximum(UNRELATED_BITS - nearest, 0).sum(axis=0, dtype=np.int64)
    closest = nearest.min(axis=0)
    shares = np.zeros(a.shape[1])
    candidates = np.flatnonzero(_is_ample(evidence, closest, fewer))
    if not len(candidates):
        return shares
    weight = np.maximum(UNRELATED_BITS - distance[..., candidates], 0)
    steps = _clock(a[:, candidates])[:, None] - _clock(b[:, candidates])
    bins = steps % CLOCK_STEPS + CLOCK_STEPS * np.arange(len(candidates))
    by_offset = np.bincount(bins.ravel(), weight.ravel(), CLOCK_STEPS * len(candidates)).reshape(-1, CLOCK_STEPS)
    # rounding moves an offset by up to one step
    best = (by_offset + np.roll(by_offset, 1, axis=1) + np.roll(by_offset, -1, axis=1)).argmax(axis=1)
    weight[(steps - best + 1) % CLOCK_STEPS > 2] = 0
    # an anchor agrees with one other at most
    sides = [weight.max(axis=axis) for axis in (0, 1)]
    evidence = np.minimum(*(side.sum(axis=0, dtype=np.int64) for side in sides))
    agreeing = np.minimum(*((side > 0).sum(axis=0) for side in sides))
    shares[candidates] = np.where(_is_ample(evidence, closest[candidates], fewer), agreeing / fewer, 0.0)
    return shares


def _is_ample(evidence: Integers, closest: Integers, fewer: int) -> npt.NDArray[np.bool_]:
    """Return whether evidence makes clips copies whose closest anchors, and whose number of anchors, are these."""
    enough = evidence >= min(AMPLE_EVIDENCE, ANCHOR_EVIDENCE * fewer)
    return enough & ((evidence >= COPY_EVIDENCE) | (closest <= COPY_BITS))
