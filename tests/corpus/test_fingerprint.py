"""Fingerprints: what has a say in them, and sound that has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d

from gmmaudio.corpus import compute_fingerprint, from_hex, to_hex
from gmmaudio.corpus import fingerprint as module
from gmmaudio.errors import FeatureError, SettingError
from tests.corpus.conftest import melody, print_of

FIXED = settings(derandomize=True, deadline=None, database=None, max_examples=100)


def walk(seed, n=1000, scale=9.0):
    """Return frames that wander, (n, 7)."""
    return np.random.default_rng(seed).normal(scale=scale, size=(n, 7)).cumsum(axis=0)


def signs_of(hashes):
    return set((hashes >> np.uint64(8)).tolist())


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


# --- beside scipy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames_per_s", [16.0, 43.07, 100.0])
def test_the_level_is_smoothed_as_scipy_does_it(frames_per_s):
    level = walk(4, 300)[:, 0]
    std, reach = module.SMOOTHING_S * frames_per_s, round(0.3 * frames_per_s)
    # ends are mirrored in both; the same sums in the same order, but for the compiler's
    expected = gaussian_filter1d(level, std, radius=reach)
    assert np.abs(module._smoothed(level, std, reach) - expected).max() <= 1e-12 * np.abs(level).max()


def test_signs_are_those_of_scipys_cosine_transform():
    cells = walk(5, 40 * module.CELLS)[:, :6].reshape(40, module.CELLS, 6)
    modulation = dct(cells, axis=1)
    order = sorted((m + 1, c) for c, n in enumerate(module.MODULATIONS) for m in range(n))
    expected = ["".join("01"[int(row[m, c] > 0)] for m, c in order) for row in modulation]
    assert [f"{value:056b}" for value in module._signs(cells).tolist()] == expected


def test_cells_that_do_not_move_have_no_signs():
    # a third has no exact sum: the transform of a constant must be zero nevertheless
    assert module._signs(np.full((3, module.CELLS, 6), 1 / 3)).tolist() == [0, 0, 0]
