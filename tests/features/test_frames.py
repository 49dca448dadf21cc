"""Samples into raw frames: MFCC against librosa and by hand, in blocks and whole, and samples that cannot be used."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from gmmaudio.errors import FeatureError
from gmmaudio.features import (
    DESCRIPTORS,
    extract,
    frames,
    make_rows,
    raw_frames,
)
from tests.features.conftest import (
    CONFIGS,
    LANGUAGE,
    QUICK,
    QUICK_16K,
    WARPED,
    librosa_mel,
    librosa_mfcc,
    noise,
    raw_of,
    rows_of,
    sound,
)

# frames computed at once by the quick settings
CHUNK = frames.chunk_frames(QUICK.frames.n_fft)


@pytest.mark.parametrize("name", CONFIGS)
def test_mfcc_and_level_equal_librosas_of_the_whole_clip(name):
    config = CONFIGS[name]
    # long enough for a second block, and with a digital silence that top_db would lift
    samples = noise(int((frames.chunk_frames(config.frames.n_fft) + 300) * config.frames.hop_length))
    samples[10_000:30_000] = 0.0
    raw = raw_frames([samples], config.frames)
    assert len(raw) > frames.chunk_frames(config.frames.n_fft)
    # float32 cepstra of up to 1,000 are 6e-5 fine, and librosa may add them up in another order; measured are 0, and
    # 4e-5 where the preemphasis of the reference is rounded from float64
    expected = librosa_mfcc(samples, config)
    assert raw.values.dtype == expected.dtype
    np.testing.assert_allclose(raw.values[:, : config.frames.n_mfcc], expected, rtol=0, atol=1e-3)
    level = 10 * np.log10(np.maximum(librosa_mel(samples, config).sum(axis=0), 1e-10))
    np.testing.assert_allclose(raw.level_db, level, rtol=0, atol=1e-3)


def test_mfcc_equal_the_textbook():
    samples = noise(4_000)
    padded = np.pad(samples.astype(np.float64), QUICK.frames.n_fft // 2)
    n_frames = 1 + (len(padded) - QUICK.frames.n_fft) // QUICK.frames.hop_length
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    bands = librosa.filters.mel(sr=8_000, n_fft=256, n_mels=20, fmin=0.0, fmax=4_000.0).astype(np.float64)
    expected = []
    for t in range(n_frames):
        spectrum = np.fft.rfft(window * padded[t * 128 : t * 128 + 256])
        expected.append(dct(10 * np.log10(bands @ np.abs(spectrum) ** 2), norm="ortho")[:8])
    # float32 FFT and logarithms of bands that hold much more than rounding
    np.testing.assert_allclose(raw_frames([samples], QUICK.frames).values, expected, rtol=0, atol=2e-3)


def test_frames_are_float32_rows():
    raw = raw_frames([noise(8_000)], QUICK.frames)
    rows = extract(noise(8_000), QUICK)
    assert raw.values.shape == rows.values.shape == (63, 8)
    assert raw.level_db.shape == raw.time_s.shape == rows.time_s.shape == (63,)
    assert {a.dtype for a in (raw.values, raw.level_db, raw.time_s, rows.values, rows.time_s)} == {np.dtype("float32")}
    assert len(raw) == len(rows) == 63


def test_digital_silence_is_the_floor_of_minus_100_db():
    raw = raw_frames([np.zeros(4_000, dtype=np.float32)], QUICK.frames)
    # -100 in each of 20 bands; the orthonormal DCT makes that -100 sqrt(20) in c0; both to float32's 1e-7
    np.testing.assert_allclose(raw.level_db, -100, rtol=1e-6)
    np.testing.assert_allclose(raw.values[:, 0], -100 * np.sqrt(20), rtol=1e-6)
    np.testing.assert_allclose(raw.values[:, 1:], 0, atol=1e-3)


def test_a_loud_moment_leaves_other_frames_alone():
    soft = noise(8_000) * np.float32(1e-3)
    loud = np.concatenate([soft, np.float32(0.9) * np.sign(noise(8_000))])
    alone = raw_frames([soft], QUICK.frames).values[:50]
    assert np.array_equal(raw_frames([loud], QUICK.frames).values[:50], alone)


@pytest.mark.parametrize("a", [0.5, 0.97, 1.0])
def test_preemphasis_is_a_difference_of_neighbours_that_starts_from_silence(a):
    samples = noise(4_000)
    emphasised = samples.copy()
    emphasised[1:] -= np.float32(a) * samples[:-1]
    expected = raw_frames([emphasised], QUICK.frames)
    assert np.array_equal(raw_frames([samples], QUICK.replace(preemphasis=a).frames).values, expected.values)


def test_samples_are_not_written_to():
    samples = noise(4_000)
    samples.setflags(write=False)
    extract(samples, LANGUAGE.replace(sdc=(7, 1, 3, 7)))
    assert np.array_equal(samples, noise(4_000))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 255, 256, 257, 1_000, 12_345])
def test_there_is_a_frame_at_the_first_sample_and_after_every_hop(name, n):
    config = CONFIGS[name]
    raw = raw_frames([noise(n)], config.frames)
    assert raw.values.shape == (1 + n // config.frames.hop_length, config.frames.n_mfcc)
    assert len(raw.level_db) == len(raw.time_s) == len(raw)
    # times are float64 products rounded to float32
    np.testing.assert_allclose(
        raw.time_s, np.arange(len(raw)) * config.frames.hop_length / config.frames.sample_rate_hz, rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("n_frames", [CHUNK + k for k in (-1, 0, 1, 2)] + [2 * CHUNK])
@pytest.mark.parametrize("over", [0, 1, 127])
@pytest.mark.parametrize("name", ["quick", "apart"])
def test_frames_are_counted_right_about_the_edges_of_blocks(name, n_frames, over):
    config = CONFIGS[name]
    samples = noise((n_frames - 1) * config.frames.hop_length + over)
    raw = raw_frames([samples], config.frames)
    assert len(raw) == n_frames
    # as for the whole clip above
    np.testing.assert_allclose(raw.values, librosa_mfcc(samples, config), rtol=0, atol=1e-3)


def test_frames_lie_where_their_times_say():
    samples = np.zeros(8_000, dtype=np.float32)
    samples[5_000] = 1.0  # 0.625 s
    raw = raw_frames([samples], QUICK.frames)
    assert raw.time_s[raw.level_db.argmax()] == pytest.approx(0.625, abs=QUICK.frames.hop_s / 2)


SPAN = (CHUNK - 1) * QUICK.frames.hop_length + QUICK.frames.n_fft // 2

CUT = st.one_of(
    st.integers(0, 200_000),
    st.integers(SPAN - 300, SPAN + 300),  # about where a block of frames is full
    st.integers(0, 300),
    st.integers(199_700, 200_000),
)


@pytest.mark.parametrize(
    "changes",
    [{}, {"preemphasis": 0.97}, {"hop_s": 0.032}, {"n_deltas": 2, "sdc": (7, 1, 3, 7), "preemphasis": 1.0}],
    ids=["plain", "preemphasis", "frames_apart", "differences"],
)
def test_frames_in_blocks_equal_the_whole_exactly(changes):
    config = QUICK.replace(**changes)
    samples = noise(200_000)
    whole = raw_frames([samples], config.frames)

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(st.lists(CUT, max_size=8))
    def check(cuts):
        raw = raw_frames(np.split(samples, sorted(cuts)), config.frames)
        assert np.array_equal(raw.values, whole.values)
        assert np.array_equal(raw.level_db, whole.level_db)
        assert np.array_equal(raw.time_s, whole.time_s)

    check()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_even_blocks_of_any_size_equal_the_whole_exactly(monkeypatch, name, size):
    monkeypatch.setattr(frames, "chunk_frames", lambda _n_fft: 5)
    samples = noise(6_000)
    blocks = (samples[i : i + size] for i in range(0, len(samples), size))
    assert np.array_equal(
        raw_frames(blocks, CONFIGS[name].frames).values,
        raw_frames([samples], CONFIGS[name].frames).values,
        equal_nan=False,
    )


def test_empty_blocks_are_passed_over():
    samples, none = noise(4_000), np.empty(0, dtype=np.float32)
    config = QUICK.replace(preemphasis=0.97)
    raw = raw_frames([none, samples[:1_000], none, none, samples[1_000:], none], config.frames)
    assert np.array_equal(raw.values, raw_frames([samples], config.frames).values)


@pytest.mark.parametrize(
    "changes",
    [{"descriptors": DESCRIPTORS}, {"rasta": True, "n_deltas": 1}, {"speech_gate": 0.5}],
    ids=["descriptors", "rasta", "speech"],
)
def test_descriptors_rasta_and_speech_in_blocks_equal_the_whole_exactly(monkeypatch, fake_silero, changes):
    monkeypatch.setattr(frames, "chunk_frames", lambda _n_fft: 20)
    config = QUICK_16K.replace(preemphasis=0.9, **changes)
    samples = sound(20_000)
    whole = raw_frames([samples], config.frames)

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(st.lists(st.integers(0, 20_000), max_size=8))
    def check(cuts):
        raw = raw_frames(np.split(samples, sorted(cuts)), config.frames)
        assert np.array_equal(raw.values, whole.values)
        assert (raw.speech is None) == (whole.speech is None)
        assert whole.speech is None or np.array_equal(raw.speech, whole.speech)

    check()


@pytest.mark.parametrize(
    "changes",
    [{"descriptors": DESCRIPTORS}, {"rasta": True}, {"speech_gate": 0.5}, {"rasta": True, "speech_gate": 0.5}],
    ids=["descriptors", "rasta", "speech", "rasta and speech"],
)
def test_chunks_of_frames_are_short_and_joined_the_whole_exactly(monkeypatch, fake_silero, changes):
    monkeypatch.setattr(frames, "chunk_frames", lambda _n_fft: 20)
    config = QUICK_16K.replace(preemphasis=0.9, **changes)
    samples = sound(20_000)
    whole = raw_frames([samples], config.frames)
    chunks = list(frames.frame_chunks(np.split(samples, range(700, 20_000, 700)), config.frames))
    assert max(map(len, chunks)) <= 30
    joined = frames.join_frames(chunks)
    for name in ("values", "level_db", "time_s"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    assert (joined.speech is None) == (whole.speech is None)
    assert whole.speech is None or np.array_equal(joined.speech, whole.speech)


def test_chunks_of_frames_are_given_before_the_sound_ends():
    n_read = 0

    def endless():
        nonlocal n_read
        while True:
            n_read += 1_000
            yield noise(1_000)

    chunks = frames.frame_chunks(endless(), QUICK.frames)
    assert len(next(chunks)) == frames.chunk_frames(QUICK.frames.n_fft)
    before = n_read
    assert len(next(chunks)) == frames.chunk_frames(QUICK.frames.n_fft)
    # a second one takes no more samples than its frames cover
    assert n_read - before <= frames.chunk_frames(QUICK.frames.n_fft) * QUICK.frames.hop_length + 1_000


@pytest.mark.parametrize("hop_s", [0.033, 0.064, 0.2])
def test_frames_further_apart_than_long_in_blocks_equal_the_whole(monkeypatch, hop_s):
    monkeypatch.setattr(frames, "chunk_frames", lambda _n_fft: 5)
    config = QUICK.replace(hop_s=hop_s)
    samples = noise(60_000)
    for blocks in ([samples], *(np.split(samples, range(size, 60_000, size)) for size in (1, 97, 1_000))):
        raw = raw_frames(blocks, config.frames)
        assert len(raw) == 1 + 60_000 // config.frames.hop_length
        np.testing.assert_allclose(raw.values, librosa_mfcc(samples, config), rtol=0, atol=1e-3)


def test_a_slice_of_raw_frames_takes_values_levels_and_times():
    raw = raw_frames([noise(8_000)], QUICK.frames)
    for first, last in ((3, 10), (50, None)):
        part = raw.slice(first, last)
        assert np.array_equal(part.level_db, raw.level_db[first:last])
        assert np.array_equal(part.time_s, raw.time_s[first:last])
        assert np.array_equal(make_rows([part], QUICK).values, raw.values[first:last])
        assert len(part) == len(part.level_db)


def test_a_slice_keeps_the_probability_of_speech():
    raw = raw_of(rows_of(10), None, np.linspace(0, 1, 10))
    assert np.array_equal(raw.slice(3, 7).speech, raw.speech[3:7])
    assert raw_of(rows_of(10)).slice(3, 7).speech is None


@pytest.mark.parametrize("blocks", [[], [np.empty(0, np.float32)], [np.empty(0, np.float32)] * 3], ids=len)
def test_no_samples_are_refused(blocks):
    with pytest.raises(FeatureError) as caught:
        raw_frames(blocks, QUICK.frames)
    assert str(caught.value) == "no samples; at least one is needed"


def test_an_empty_array_is_refused():
    with pytest.raises(FeatureError, match="no samples"):
        extract(np.empty(0, np.float32), QUICK)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_samples_whose_power_overflows_are_refused():
    with pytest.raises(FeatureError) as caught:
        extract(noise(4_000) * np.float32(1e25), QUICK)
    assert str(caught.value) == (
        "the samples give frames that are not finite; check the file for NaN or infinite values"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", CONFIGS)
def test_samples_that_are_not_finite_are_refused(name, value):
    samples = noise(8_000)
    samples[4_000] = value
    for blocks in ([samples], np.split(samples, [100, 4_000, 4_001])):
        with pytest.raises(FeatureError) as caught:
            raw_frames(blocks, CONFIGS[name].frames)
        assert (
            str(caught.value)
            == "the samples give frames that are not finite; check the file for NaN or infinite values"
        )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_not_finite_between_frames_is_refused_too(value):
    config = QUICK.replace(hop_s=0.2)
    samples = noise(8_000)
    # frames are 256 samples long, 1,600 apart
    samples[800] = value
    with pytest.raises(FeatureError, match="frames that are not finite"):
        raw_frames([samples], config.frames)
    # samples whose sum alone overflows are none such
    samples[790:810] = 3e38
    assert np.isfinite(raw_frames([samples], config.frames).values).all()


@pytest.mark.parametrize("rasta", [False, True])
def test_a_warp_is_the_frames_of_mel_bands_with_edges_moved(rasta):
    config, samples = WARPED.replace(rasta=rasta), noise(40_000)
    warps = np.split(extract(samples, config).values, 3, axis=1)
    for warp, factor in zip(warps, (1.0, 0.9, 1.2), strict=True):
        alone = config.replace(vtln=(), fmin_hz=config.frames.fmin_hz * factor, fmax_hz=3_000.0 * factor)
        assert np.array_equal(warp, extract(samples, alone).values)
