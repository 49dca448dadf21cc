"""Fingerprints: what a copy keeps, what out_of_set do not share, and sound that has none."""

import csv
import itertools
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.audio import read_audio
from gmmaudio.corpus import compute_fingerprint, from_hex, near_duplicates, near_duplicates_within, to_hex
from gmmaudio.corpus import fingerprint as module
from gmmaudio.errors import FeatureError, SettingError
from gmmaudio.features import raw_frames
from gmmaudio.models import preset_of

FRONT_ENDS = {"classic": preset_of(None).features, "language": preset_of("language", "frames").features}
FIXED = settings(derandomize=True, deadline=None, database=None, max_examples=100)
NONE = np.zeros(0, dtype=np.uint64)


@pytest.fixture(params=sorted(FRONT_ENDS))
def front_end(request):
    return FRONT_ENDS[request.param]


def melody(seed, config, seconds=8.0):
    """Return notes of random pitch, timbre, length and loudness with bursts of noise between, float32."""
    rng, sr = np.random.default_rng(seed), config.frames.sample_rate_hz
    sound = 1e-4 * rng.standard_normal(round(seconds * sr))
    at = 0.0
    while at < seconds:
        n = round(rng.uniform(0.1, 0.5) * sr)
        t = np.arange(n) / sr
        pitch = rng.uniform(100, 900)
        tone = sum(
            rng.uniform(0, 1) ** 2 * np.sin(2 * np.pi * pitch * k * t) for k in range(1, 9) if pitch * k < sr / 2
        )
        note = 0.1 * rng.uniform(0.2, 1) * (tone + rng.uniform(0, 1) * rng.standard_normal(n)) * np.exp(-t / 0.15)
        part = slice(round(at * sr), round(at * sr) + n)
        sound[part] += note[: len(sound[part])]
        at += rng.uniform(0.1, 0.4)
    return sound.astype(np.float32)


@cache
def known(config, n=5):
    """Return melodies and their fingerprints."""
    sounds = [melody(seed, config) for seed in range(n)]
    return sounds, [print_of(sound, config) for sound in sounds]


def print_of(sound, config):
    return compute_fingerprint(raw_frames([sound.astype(np.float32)], config.frames).values, config.frames.frames_per_s)


def walk(seed, n=1000, scale=9.0):
    """Return frames that wander, (n, 7)."""
    return np.random.default_rng(seed).normal(scale=scale, size=(n, 7)).cumsum(axis=0)


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


def signs_of(hashes):
    return set((hashes >> np.uint64(8)).tolist())


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


# --- sound without a fingerprint ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.01, 0.3, 0.9])
def test_shorter_than_a_second_has_none(front_end, seconds):
    assert print_of(melody(0, front_end, seconds), front_end).tolist() == []


@pytest.mark.parametrize("level", [0.0, 1e-9, 0.3])
def test_a_constant_has_none(front_end, level):
    assert print_of(np.full(5 * front_end.frames.sample_rate_hz, level), front_end).tolist() == []


@pytest.mark.parametrize("hertz", [440.0, 441.3, 1000.0, 2500.0])
def test_a_steady_tone_has_none_nor_has_its_rounding(front_end, hertz):
    t = np.arange(4 * front_end.frames.sample_rate_hz) / front_end.frames.sample_rate_hz
    assert print_of(0.3 * np.sin(2 * np.pi * hertz * t), front_end).tolist() == []


@pytest.mark.parametrize("n", [0, 1, 99, 101, 5000])
def test_constant_frames_have_none(n):
    result = compute_fingerprint(np.full((n, 20), -300.0, dtype=np.float32), 100.0)
    assert (result.dtype, result.shape) == (np.uint64, (0,))


def test_loudness_alone_is_no_fingerprint():
    frames = np.zeros((500, 7))
    frames[:, 0] = walk(0, 500)[:, 0]
    assert compute_fingerprint(frames, 100.0).tolist() == []
    frames[:, 1] = 2 * module.MIN_STD_DB * np.sin(np.arange(500) / 7)
    assert len(compute_fingerprint(frames, 100.0)) > 0


# --- the fingerprint ---------------------------------------------------------------------------------------------


def test_neither_gain_nor_a_filter_nor_further_columns_have_a_say():
    frames = walk(1)
    whole = compute_fingerprint(frames, 100.0)
    # multiples of 1/4 so that the sums are exact
    exact = np.round(frames * 4) / 4
    shifted = exact + np.array([-200.0, 3, -7, 1, 0, 5, 2])
    assert compute_fingerprint(shifted, 100.0).tolist() == compute_fingerprint(exact, 100.0).tolist()
    assert compute_fingerprint(np.column_stack([frames, walk(2)]), 100.0).tolist() == whole.tolist()
    assert compute_fingerprint(frames.tolist(), 100.0).tolist() == whole.tolist()


@pytest.mark.parametrize("column", range(7))
def test_each_cepstrum_has_a_say(column):
    frames = walk(1)
    other = frames.copy()
    other[:, column] = walk(2)[:, column]
    assert compute_fingerprint(other, 100.0).tolist() != compute_fingerprint(frames, 100.0).tolist()


def test_an_excerpt_has_the_anchors_of_the_whole():
    frames = np.round(walk(3, 1600) * 4) / 4
    whole, part = compute_fingerprint(frames, 100.0), compute_fingerprint(frames[150:1300], 100.0)
    assert 5 <= len(part) < len(whole) < module.MAX_ANCHORS
    assert signs_of(part) < signs_of(whole)
    # those half a second and more from either end are all there
    at_s = np.unwrap((whole & np.uint64(255)).astype(int), period=256) * module.CLOCK_S
    inside = (at_s > 1.5 + 0.53) & (at_s < 13.0 - 0.53)
    assert inside.sum() >= 5
    assert signs_of(whole[inside]) <= signs_of(part)


def test_the_clock_is_the_time_of_the_anchor():
    frames = np.round(walk(3, 400) * 4) / 4
    first, later = (
        compute_fingerprint(frames, 100.0),
        compute_fingerprint(np.concatenate([np.tile(frames[0], (1024, 1)), frames]), 100.0),
    )
    shared = {h >> 8: h & 255 for h in first.tolist()}
    steps = {(h & 255) - shared[h >> 8] for h in later.tolist() if h >> 8 in shared}
    # 10.24 s is twice round
    assert steps == {0}


def test_a_long_clip_keeps_the_anchors_that_stand_out():
    frames = walk(4, 6000)
    frames[:100, 0] = frames[100, 0]
    result = compute_fingerprint(frames, 100.0)
    assert len(result) == module.MAX_ANCHORS
    # before it the same from the end, fifty times flatter
    before = frames[::-1].copy()
    before[:, 0] = frames[0, 0] + (before[:, 0] - frames[0, 0]) / 50
    longer = compute_fingerprint(np.concatenate([before, frames]), 100.0)
    assert (longer >> np.uint64(8)).tolist() == (result >> np.uint64(8)).tolist()


def test_the_frame_rate_has_a_say():
    assert compute_fingerprint(walk(5), 100.0).tolist() != compute_fingerprint(walk(5), 90.0).tolist()


@pytest.mark.parametrize(
    ("cepstra", "frames_per_s", "message"),
    [
        (np.zeros((9, 6)), 100.0, r"cepstra have shape \(9, 6\); expected \(n, 7 or more\): raise n_mfcc"),
        (np.zeros(9), 100.0, r"cepstra have shape \(9,\); expected \(n, 7 or more\): raise n_mfcc"),
        (np.zeros((9, 7)), 15.9, "frames_per_s is 15.9; expected at least 16: make the hop shorter"),
        (np.zeros((9, 7)), np.nan, "frames_per_s is nan; expected at least 16: make the hop shorter"),
        (np.zeros((9, 7)), np.inf, "frames_per_s is inf; expected at least 16: make the hop shorter"),
    ],
)
def test_a_front_end_without_fingerprints_is_refused(cepstra, frames_per_s, message):
    with pytest.raises(SettingError, match=f"^{message}$"):
        compute_fingerprint(cepstra, frames_per_s)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_frames_that_are_not_finite_are_refused(bad):
    frames = walk(0)
    frames[500, 3] = bad
    with pytest.raises(FeatureError, match=r"^cepstra are not finite; check the file for NaN or infinite values$"):
        compute_fingerprint(frames, 100.0)


# --- as text -----------------------------------------------------------------------------------------------------


@FIXED
@given(st.lists(st.integers(0, 2**64 - 1), max_size=module.MAX_ANCHORS))
def test_text_and_back(values):
    text = to_hex(np.array(values, dtype=np.uint64))
    assert text == "".join(f"{value:016x}" for value in values)
    back = from_hex(text)
    assert (back.tolist(), back.dtype) == (values, np.dtype(np.uint64))


@pytest.mark.parametrize(
    "text", ["0", "0" * 15, "g" * 16, "A" * 16, " " * 16, "0" * 16 + "\n", "0" * 16 * 25, "é" * 16]
)
def test_text_that_is_no_fingerprint_is_refused(text):
    with pytest.raises(SettingError, match="is no fingerprint; expected 16 hexadecimal digits for each of 0 to 24"):
        from_hex(text)


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
