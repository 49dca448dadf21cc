"""Near-duplicates: what a copy keeps, and what other recordings do not share."""

import csv
import itertools
import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.audio import read_audio
from gmmaudio.corpus import duplicate_search, near_duplicates, near_duplicates_within
from tests.corpus.conftest import melody, print_of

NONE = np.zeros(0, dtype=np.uint64)


@cache
def known(config, n=5):
    """Return melodies and their fingerprints."""
    sounds = [melody(seed, config) for seed in range(n)]
    return sounds, [print_of(sound, config) for sound in sounds]


def flipped(hashes, n_bits, rng):
    """Return the sub-fingerprints with ``n_bits`` of their 56 signs turned round, the clock as it was."""
    result = hashes.copy()
    for i in range(len(result)):
        for bit in rng.choice(56, n_bits, replace=False):
            result[i] ^= np.uint64(1) << np.uint64(8 + bit)
    return result


def random_print(rng, k, clock=None):
    """Return k random hashes at the steps ``clock``, 13 apart by default."""
    steps = np.arange(k) * 13 % 256 if clock is None else np.asarray(clock) % 256
    return rng.integers(0, 2**56, k, dtype=np.uint64) << np.uint64(8) | steps.astype(np.uint64)


# --- copies and out_of_set ----------------------------------------------------------------------------------------


COPIES = {
    "the same": (lambda x, sr, rng: x, 1.0),
    "20 dB down": (lambda x, sr, rng: 0.1 * x, 0.9),
    "start cut": (lambda x, sr, rng: x[round(0.37 * sr) :], 0.8),
    "3 s of it": (lambda x, sr, rng: x[round(2.713 * sr) : round(5.713 * sr)], 0.6),
    "noise 30 dB below": (lambda x, sr, rng: x + x.std() * 10**-1.5 * rng.standard_normal(len(x)), 0.4),
    "clipped": (lambda x, sr, rng: np.clip(x, *np.percentile(x, [2, 98])), 0.3),
    "upside down": (lambda x, sr, rng: -x, 1.0),
    "after 2 s of silence": (lambda x, sr, rng: np.concatenate([np.zeros(2 * sr), x]), 0.8),
}


@pytest.mark.parametrize("change", sorted(COPIES))
def test_a_copy_is_found_and_no_out_of_set_is(front_end, change):
    sounds, train = known(front_end)
    degrade, least_share = COPIES[change]
    rng = np.random.default_rng(1)
    test = [print_of(degrade(sound, front_end.frames.sample_rate_hz, rng), front_end) for sound in sounds]
    result = near_duplicates(train, test)
    assert [(i, j) for i, j, _ in result] == [(i, i) for i in range(len(sounds))]
    assert min(share for *_, share in result) >= least_share
    assert max(share for *_, share in result) <= 1.0


def test_other_recordings_are_not_found(front_end):
    prints = [print_of(melody(seed, front_end, 4.0), front_end) for seed in range(24)]
    assert min(len(p) for p in prints) >= 2
    assert near_duplicates_within(prints) == []


def test_noise_of_one_kind_is_a_copy_of_itself_only(front_end):
    rng = np.random.default_rng(0)
    prints = [print_of(0.1 * rng.standard_normal(4 * front_end.frames.sample_rate_hz), front_end) for _ in range(5)]
    assert near_duplicates_within([*prints, prints[3]]) == [(3, 5, 1.0)]


# --- pairs -------------------------------------------------------------------------------------------------------


def agreement_by_hand(a, b):
    """Return the share of agreeing anchors, 0 for no copy; offset by offset, anchor by anchor."""
    if len(a) == 0 or len(b) == 0:
        return 0.0
    a, b = a.tolist(), b.tolist()
    distance = {(i, j): ((a[i] ^ b[j]) >> 8).bit_count() for i in range(len(a)) for j in range(len(b))}
    best = (0, 0)
    for offset in range(256):
        close = {
            (i, j): 14 - d
            for (i, j), d in distance.items()
            if d < 14 and ((a[i] & 255) - (b[j] & 255) - offset + 1) % 256 <= 2
        }
        best = max(best, (sum(close.values()), len(close)))
    evidence, agreeing = best
    fewer = min(len(a), len(b))
    copied = evidence >= min(42, 3 * fewer) and (evidence >= 24 or min(distance.values()) <= 2)
    return agreeing / fewer if copied else 0.0


@pytest.mark.parametrize("n_bits", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("k", [1, 2, 3, 6, 24])
def test_pairs_are_those_of_every_clip_with_every_other(n_bits, k):
    rng = np.random.default_rng(100 * n_bits + k)
    train = [random_print(rng, k) for _ in range(12)]
    test = [flipped(train[i], n_bits, rng) for i in (7, 2, 2)] + [random_print(rng, k), NONE, train[5][: k // 2]]
    expected = [
        (i, j, share)
        for i, j in itertools.product(range(len(train)), range(len(test)))
        if (share := agreement_by_hand(train[i], test[j])) > 0
    ]
    assert near_duplicates(train, test) == expected
    # one anchor of which three signs differ is not enough
    assert len(expected) >= (3 if n_bits <= 2 or k > 2 else 0)


@pytest.mark.parametrize("damaged", list(itertools.combinations(range(1, 8), 4)))
def test_a_copy_is_found_whichever_four_bytes_are_damaged(damaged):
    one = random_print(np.random.default_rng(2), 3)
    other = one ^ np.uint64(sum(1 << (8 * byte) for byte in damaged))
    assert near_duplicates([one], [other]) == [(0, 0, 1.0)]


@pytest.mark.parametrize("spread", [1, 2, 3, 5])
def test_clocks_may_differ_by_rounding_only(spread):
    rng = np.random.default_rng(spread)
    outcomes = []
    for _ in range(200):
        one = random_print(rng, 6)
        steps = (one & np.uint64(255)).astype(int) + rng.integers(0, spread + 1, 6) + 100
        other = (one ^ np.uint64(0xFF << 20)) & ~np.uint64(255) | (steps % 256).astype(np.uint64)
        outcomes.append(bool(near_duplicates([one], [other])))
        assert outcomes[-1] is (agreement_by_hand(one, other) > 0)
    assert outcomes.count(True) >= 10
    assert all(outcomes) is (spread <= 2)


@pytest.mark.parametrize(
    ("k", "n_bits", "is_copy"), [(1, 2, True), (1, 3, False), (2, 2, True), (2, 3, False), (3, 4, True)]
)
def test_the_anchors_of_a_copy_must_be_this_close(k, n_bits, is_copy):
    rng = np.random.default_rng(3)
    one = random_print(rng, k)
    assert bool(near_duplicates([one], [flipped(one, n_bits, rng)])) is is_copy


def test_what_agrees_must_be_enough_for_the_shorter_until_it_is_ample():
    rng = np.random.default_rng(4)
    a, b = random_print(rng, 24), random_print(rng, 24)
    for n, is_copy in ((2, False), (3, True)):
        b[:n] = a[:n]
        assert near_duplicates([a], [b]) == ([(0, 0, n / 24)] if is_copy else [])
    # 28 of two that are the same suffice for up to nine
    b[2] ^= np.uint64(2**40 - 1) << np.uint64(8)
    assert near_duplicates([a], [b[:9]]) == [(0, 0, 2 / 9)]
    assert near_duplicates([a], [b[:10]]) == []


@pytest.mark.parametrize(("late", "is_copy"), [(0, True), (2, True), (3, False), (128, False), (253, False)])
def test_anchors_must_lie_equally_far_apart(late, is_copy):
    rng = np.random.default_rng(5)
    one = random_print(rng, 6, [0, 20, 40, 60, 80, 100])
    # nine signs of the four lower bytes differ: 5 for each anchor, 30 together, and 15 where every other comes late
    other = one ^ np.uint64(0x1FF << 20)
    steps = (np.array([0, 20, 40, 60, 80, 100]) + 200 + np.array([0, late] * 3)) % 256
    other = (other & ~np.uint64(255)) | steps.astype(np.uint64)
    assert bool(near_duplicates([one], [other])) is is_copy


def test_an_anchor_agrees_with_one_other_at_most():
    rng = np.random.default_rng(6)
    one = random_print(rng, 1, [7])
    # the same hash a whole turn of the clock later, and again
    again = np.repeat(one, 5)
    assert near_duplicates([one, again], [again, one]) == [(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0)]
    far = flipped(one, 3, rng)
    assert near_duplicates([far], [again]) == []


def test_pairs_within_one_collection_name_each_pair_once():
    rng = np.random.default_rng(7)
    a, b = random_print(rng, 6), random_print(rng, 6)
    assert near_duplicates_within([a, b, NONE, a, b[:5], NONE]) == [(0, 3, 1.0), (1, 4, 1.0)]


def test_clips_of_equal_prints_are_searched_once(monkeypatch):
    rng = np.random.default_rng(14)
    a, b, c = random_print(rng, 6), random_print(rng, 24), random_print(rng, 3)
    near, n_searched, real = flipped(b, 1, rng), [], duplicate_search._sorted_keys

    def sorted_keys(hashes, chosen):
        n_searched.append(len(hashes))
        return real(hashes, chosen)

    monkeypatch.setattr(duplicate_search, "_sorted_keys", sorted_keys)
    prints = [b, a, NONE, b, near, c, *[b] * 40]
    of_b = [i for i, one in enumerate(prints) if one is b]
    pairs = [*itertools.combinations(of_b, 2), *((min(i, 4), max(i, 4)) for i in of_b)]
    assert near_duplicates_within(prints) == sorted((i, j, 1.0) for i, j in pairs)
    assert set(n_searched) == {6 + 24 + 24 + 3}
    assert near_duplicates(prints, [near, b, b]) == [(i, j, 1.0) for i in sorted([*of_b, 4]) for j in range(3)]
    assert set(n_searched) == {6 + 24 + 24 + 3, 24 + 24}


def test_anchors_that_meet_in_many_choices_count_once(monkeypatch):
    rng = np.random.default_rng(15)
    one, n_held, real = random_print(rng, 24), [], duplicate_search._once
    # two signs of each pair differ, so that 10 or 20 of the 35 choices of three bytes are equal
    prints = [one ^ (np.uint64(1) << np.uint64(8 + bit)) for bit in range(40)]
    anchors = duplicate_search._Anchors.of(prints)
    met = [pair for i, j, _ in duplicate_search._meetings(anchors, None) for pair in zip(i, j, strict=True)]
    n_pairs = 40 * 39 // 2
    assert len(met) == len(set(met)) == 24 * n_pairs

    def once(numbers):
        n_held.append(len(numbers))
        return real(numbers)

    monkeypatch.setattr(duplicate_search, "_once", once)
    monkeypatch.setattr(duplicate_search, "MEETINGS", 1_000)
    monkeypatch.setattr(duplicate_search, "BLOCK", 1_000)
    assert len(near_duplicates_within(prints)) == n_pairs
    # the pairs of clips, once more as many, and a block
    assert n_pairs < max(n_held) <= 2 * n_pairs + 2_000 < len(met)


@pytest.mark.parametrize(("train", "test"), [([], []), ([NONE], []), ([], [NONE]), ([NONE, NONE], [NONE])])
def test_nothing_has_no_pairs(train, test):
    assert near_duplicates(train, test) == []
    assert near_duplicates_within(train) == []


def test_swapping_the_collections_swaps_the_pairs():
    rng = np.random.default_rng(8)
    train = [random_print(rng, k) for k in (3, 9, 24, 14)]
    test = [flipped(train[i], 2, rng)[1:] for i in (3, 1, 0)]
    result = near_duplicates(train, test)
    assert [(i, j) for i, j, _ in result] == [(0, 2), (1, 1), (3, 0)]
    assert sorted((j, i, share) for i, j, share in result) == near_duplicates(test, train)


# --- many clips: prints that repeat phrases, as recorded ones do -------------------------------------------------


def phrased_prints(n, rng, n_phrases=200, share=0.3):
    """Return synthetic prints of 1 to 9 anchors; a share are phrases of a small vocabulary, with wrong signs."""
    phrases = random_print(rng, n_phrases)
    prints = [random_print(rng, int(k), rng.integers(0, 256, k)) for k in rng.integers(1, 10, n)]
    for one in prints:
        for i in np.flatnonzero(rng.random(len(one)) < share):
            said = flipped(phrases[rng.integers(n_phrases)][None], int(rng.integers(0, 6)), rng)[0]
            one[i] = said & ~np.uint64(255) | one[i] & np.uint64(255)
    return prints


def copies_by_hand(prints):
    """Return the pairs of clips that the rule of seeds lets be compared, if they agree; anchor by anchor.

    Anchors meet that share three bytes and are within 13 signs: one within 7, or two at one offset in time, is a seed.
    """
    found = []
    for i, j in itertools.combinations(range(len(prints)), 2):
        met = []
        for a, b in itertools.product(prints[i].tolist(), prints[j].tolist()):
            differ = (a ^ b) >> 8
            if differ.bit_count() <= 13 and differ.to_bytes(7, "big").count(0) >= 3:
                met.append((differ.bit_count(), (a & 255) - (b & 255)))
        two = any((one[1] - other[1] + 2) % 256 <= 4 for one, other in itertools.combinations(met, 2))
        is_seed = two or any(distance <= 7 for distance, _ in met)
        if is_seed and (share := agreement_by_hand(prints[i], prints[j])) > 0:
            found.append((i, j, share))
    return found


def at_one_offset(one, n_bits, rng, steps=0):
    """Return a copy of a print whose wrong signs leave three bytes whole, later by some steps of the clock."""
    other = one.copy()
    for i in range(len(other)):
        for bit in rng.choice(32, n_bits, replace=False):
            other[i] ^= np.uint64(1) << np.uint64(8 + bit)
    return other & ~np.uint64(255) | ((other & np.uint64(255)) + np.asarray(steps, dtype=np.uint64)) % np.uint64(256)


@pytest.mark.parametrize(("n_bits", "apart", "n_found"), [(7, 5, 0), (9, 0, 1), (9, 2, 1), (9, 3, 0), (10, 0, 1)])
def test_anchors_that_are_less_close_need_a_second_at_their_offset(n_bits, apart, n_found):
    rng = np.random.default_rng(12)
    one = random_print(rng, 7)
    # all other anchors are 10 signs off with no three bytes whole: they count, and do not meet
    spread = np.uint64(sum(1 << (8 + 8 * k) for k in range(7)) | 7 << 9)
    other = one ^ spread
    other[:2] = at_one_offset(one[:2], n_bits, rng, [0, apart])
    is_seed = len(duplicate_search._seeds(*map(duplicate_search._Anchors.of, ([one], [other])))[0])
    assert is_seed == (1 if n_bits <= 7 else n_found)
    assert len(near_duplicates([one], [other])) == (is_seed and agreement_by_hand(one, other) > 0)


@pytest.mark.parametrize(("block", "meetings"), [(5, 0), (duplicate_search.BLOCK, duplicate_search.MEETINGS)])
def test_the_index_finds_what_comparing_all_anchors_finds(block, meetings, monkeypatch):
    monkeypatch.setattr(duplicate_search, "BLOCK", block)
    monkeypatch.setattr(duplicate_search, "MEETINGS", meetings)
    rng = np.random.default_rng(9)
    prints = phrased_prints(120, rng)
    prints += [flipped(prints[i], n, rng)[:k] for i, n, k in ((3, 1, 9), (50, 3, 9), (51, 4, 2), (3, 2, 4), (70, 6, 9))]
    prints += [prints[5], NONE, prints[50], prints[5], prints[2], prints[-2]]
    expected = copies_by_hand(prints)
    assert near_duplicates_within(prints) == expected
    assert len(expected) > 7
    train, test = prints[::2], prints[1::2]
    across = [(i // 2, j // 2, share) for i, j, share in expected if i % 2 == 0 and j % 2 == 1]
    across += [(j // 2, i // 2, share) for i, j, share in expected if i % 2 == 1 and j % 2 == 0]
    assert near_duplicates(train, test) == sorted(across)
    assert len(across) > 2


def test_bits_are_counted_with_numpy_1_too():
    rng = np.random.default_rng(13)
    bits = rng.integers(0, 2**64, 1_000, dtype=np.uint64, endpoint=False) >> rng.integers(0, 64, 1_000, dtype=np.uint64)
    bits[:2] = 0, 2**64 - 1
    counts = duplicate_search._bit_counts(bits)
    assert (counts.dtype, counts.tolist()) == (np.uint8, [bit.bit_count() for bit in bits.tolist()])


def test_no_more_anchors_are_compared_than_share_three_bytes():
    rng = np.random.default_rng(10)
    hashes = np.concatenate(phrased_prints(60, rng, n_phrases=20))
    found = duplicate_search._collisions(hashes)
    pairs = [pair for _, i, j in found for pair in zip(i.tolist(), j.tolist(), strict=True)]
    bytes_of = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :7]
    n_equal = (bytes_of[:, None] == bytes_of[None]).sum(axis=2)[np.triu_indices(len(hashes), 1)]
    # for each pair, the choices of three of the bytes that are equal
    assert len(pairs) == sum(math.comb(int(n), 3) for n in n_equal)
    assert all(i != j for i, j in pairs)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_work_for_an_anchor_hardly_grows_with_their_number(share):
    work = []
    for n in (500, 5_000):
        rng = np.random.default_rng(11)
        hashes = rng.integers(0, 2**56, 24 * n, dtype=np.uint64) << np.uint64(8)
        said = rng.random(len(hashes)) < share
        phrases = rng.integers(0, 2**56, 2_000, dtype=np.uint64)
        # a twelfth of the signs of a phrase are turned round
        wrong = np.bitwise_or.reduce(
            [(rng.random(len(hashes)) < 1 / 12).astype(np.uint64) << np.uint64(bit) for bit in range(56)]
        )
        hashes[said] = (phrases[rng.integers(len(phrases), size=said.sum())] ^ wrong[said]) << np.uint64(8)
        n_compared = sum(len(i) for _, i, _ in duplicate_search._collisions(hashes))
        work.append(35 + n_compared / len(hashes))
    # 35 keys of each anchor are sorted; to compare each with each would be 120,000 at the larger size
    assert work[1] < 10**0.1 * work[0]


# --- recorded sound, where it is at hand -------------------------------------------------------------------------


def test_real_clips_are_found_quiet_and_cut_and_are_not_each_other(front_end):
    root = Path(__file__).parents[2]
    folder = (root / os.environ.get("GMMAUDIO_DATA", "../shared/data") / "genre").resolve()
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no real audio: {folder}/manifest.csv is not there (set GMMAUDIO_DATA)")
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as handle:
        paths = [folder / row["path"] for row in csv.DictReader(handle)][::15]
    sounds = [read_audio(path, front_end.frames.sample_rate_hz, end_s=10.0) for path in paths]
    train = [print_of(sound, front_end) for sound in sounds]
    test = [print_of(0.1 * sound[round(0.37 * front_end.frames.sample_rate_hz) :], front_end) for sound in sounds]
    result = near_duplicates(train, test)
    assert [(i, j) for i, j, _ in result] == [(i, i) for i in range(6)]
    assert min(share for *_, share in result) > 0.8
