"""Samples into frames: against librosa and by hand, in blocks and whole, through the gate and the normalisation."""

import dataclasses
import json
import re

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.signal import lfilter

from gmmaudio import features
from gmmaudio.errors import FeatureError, GmmaudioError, SettingError
from gmmaudio.features import (
    DESCRIPTORS,
    FeatureSettings,
    FrameSettings,
    RawFrames,
    Rows,
    RowSettings,
    extract,
    make_features,
    make_rows,
    raw_frames,
    same_frames,
    shifted_deltas,
)
from gmmaudio.features.frames import CHUNK_FRAMES
from gmmaudio.models import preset_of

# Frames of 256 samples every 128, and few bands: quick, and enough of them for three blocks in a minute of sound.
QUICK = make_features(sample_rate_hz=8_000, window_s=0.032, hop_s=0.016, n_mels=20, fmax_hz=4_000, n_mfcc=8)
SPEECH = preset_of("language", "frames").features
CONFIGS = {
    "classic": preset_of(None).features,
    "genre": preset_of("genre", "frames").features,
    "language": SPEECH,
    "quick": QUICK,
    # frames that do not overlap, a window that the FFT is longer than, an odd hop
    "apart": QUICK.replace(hop_s=0.032),
    "padded": QUICK.replace(window_s=0.020, window="hamming", fmin_hz=100.0),
    "odd": QUICK.replace(window_s=0.025, hop_s=0.0101, preemphasis=0.5, n_deltas=2, sdc=(8, 2, 1, 2)),
}


def noise(n, seed=0):
    """Return noise that swells and fades, shape (n,), float32."""
    swell = 0.1 + np.abs(np.sin(np.arange(n) / 3_000))
    return (0.1 * swell * np.random.default_rng(seed).normal(size=n)).astype(np.float32)


def librosa_mel(samples, config):
    """Return the power in mel bands (n_mels, n_frames) that librosa computes of the whole clip at once."""
    emphasised = lfilter([1.0, -config.frames.preemphasis], [1.0], samples.astype(np.float64)).astype(np.float32)
    return librosa.feature.melspectrogram(
        y=np.pad(emphasised, config.frames.n_fft // 2),
        center=False,
        sr=config.frames.sample_rate_hz,
        n_fft=config.frames.n_fft,
        hop_length=config.frames.hop_length,
        win_length=config.frames.win_length,
        window=config.frames.window,
        n_mels=config.frames.n_mels,
        fmin=config.frames.fmin_hz,
        fmax=config.frames.fmax_hz,
    )


def librosa_mfcc(samples, config):
    """Return librosa's MFCC as rows."""
    mel = librosa_mel(samples, config)
    return librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=config.frames.n_mfcc).T


def raw_of(levels, values=None):
    """Return raw frames of given levels."""
    n = len(levels)
    values = np.arange(n)[:, None] if values is None else values
    return RawFrames(
        np.asarray(values, np.float32), np.asarray(levels, np.float32), np.arange(n, dtype=np.float32) / 10
    )


# --- MFCC ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_mfcc_and_level_equal_librosas_of_the_whole_clip(name):
    config = CONFIGS[name]
    # long enough for a second block, and with a digital silence that top_db would lift
    samples = noise(int((CHUNK_FRAMES + 300) * config.frames.hop_length))
    samples[10_000:30_000] = 0.0
    raw = raw_frames([samples], config.frames)
    assert len(raw) > CHUNK_FRAMES
    # float32 cepstra of up to 1,000 are 6e-5 fine, and librosa may add them up in another order; measured are 0, and
    # 4e-5 where the preemphasis of the reference is rounded from float64
    np.testing.assert_allclose(
        raw.values[:, : config.frames.n_mfcc], librosa_mfcc(samples, config), rtol=0, atol=1e-3, strict=True
    )
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
    extract(samples, SPEECH.replace(sdc=(7, 1, 3, 7)))
    assert np.array_equal(samples, noise(4_000))


# --- how many frames, and when ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("n_frames", [CHUNK_FRAMES + k for k in (-1, 0, 1, 2)] + [2 * CHUNK_FRAMES])
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


# --- blocks equal the whole ---------------------------------------------------------------------------------------

SPAN = (CHUNK_FRAMES - 1) * QUICK.frames.hop_length + QUICK.frames.n_fft // 2
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
    monkeypatch.setattr(features.frames, "CHUNK_FRAMES", 5)
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


# --- differences --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [3, 5, 9])
@pytest.mark.parametrize("n_deltas", [1, 2])
def test_deltas_equal_librosas_away_from_the_edges(n_deltas, width):
    rows = extract(noise(8_000), QUICK.replace(n_deltas=n_deltas, delta_frames=width))
    mfcc, half = rows.values[:, :8], width // 2
    assert np.array_equal(mfcc, raw_frames([noise(8_000)], QUICK.frames).values)
    for order in range(1, n_deltas + 1):
        expected = librosa.feature.delta(mfcc.T, width=width, order=order).T
        # the same filter over the other axis; sums of a few cepstra of 100 in float32
        np.testing.assert_allclose(
            rows.values[half:-half, 8 * order : 8 * (order + 1)], expected[half:-half], rtol=0, atol=1e-4
        )


def test_a_delta_is_the_slope_of_a_line_through_its_window_beyond_an_edge_the_edge_frame():
    rows = extract(noise(8_000), QUICK.replace(n_deltas=1, delta_frames=5))
    mfcc = rows.values[:, :8].astype(np.float64)
    at = np.arange(len(mfcc))
    near = sum(k * mfcc[np.clip(at + k, 0, len(mfcc) - 1)] for k in (-2, -1, 1, 2)) / 10
    # as above
    np.testing.assert_allclose(rows.values[:, 8:], near, rtol=0, atol=1e-4)


@pytest.mark.parametrize("n", [1, 128, 500])
def test_a_clip_shorter_than_the_window_of_a_delta_has_deltas(n):
    rows = extract(noise(n), QUICK.replace(n_deltas=2, delta_frames=101))
    assert rows.values.shape == (1 + n // 128, 24)
    assert np.isfinite(rows.values).all()


@pytest.mark.parametrize("ndpk", [(7, 1, 3, 7), (1, 1, 1, 1), (3, 2, 1, 4), (8, 5, 10, 3)])
@pytest.mark.parametrize("n_frames", [1, 2, 5, 60])
def test_shifted_deltas_equal_a_double_loop(n_frames, ndpk):
    n, d, p, k = ndpk
    cepstra = np.random.default_rng(0).normal(size=(n_frames, 8)).astype(np.float32)
    expected = np.zeros((n_frames, n * k), dtype=np.float32)
    for t in range(n_frames):
        for i in range(k):
            ahead = cepstra[min(max(t + i * p + d, 0), n_frames - 1)]
            back = cepstra[min(max(t + i * p - d, 0), n_frames - 1)]
            expected[t, i * n : (i + 1) * n] = ahead[:n] - back[:n]
    shifted = shifted_deltas(cepstra, *ndpk)
    assert shifted.dtype == np.float32
    assert np.array_equal(shifted, expected)


def test_shifted_deltas_are_appended_after_deltas():
    rows = extract(noise(8_000), QUICK.replace(n_deltas=1, sdc=(7, 1, 3, 7)))
    assert rows.values.shape[1] == 8 + 8 + 49
    assert np.array_equal(rows.values[:, 16:], shifted_deltas(rows.values[:, :8], 7, 1, 3, 7))


DIFFERING = [
    {"n_deltas": 1},
    {"n_deltas": 2, "delta_frames": 21},
    {"sdc": (7, 1, 3, 7)},
    {"sdc": (3, 9, 2, 2), "n_deltas": 1, "vtln": (0.9,)},
    {"n_deltas": 2, "descriptors": ("onset", "centroid")},
]


@pytest.mark.parametrize("settings", DIFFERING, ids=str)
def test_differences_at_the_end_of_a_part_look_beyond_it(settings):
    config = QUICK.replace(**settings)
    raw = raw_frames([noise(20_000)], config.frames)
    whole = make_rows([raw], config)
    parts = [raw.slice(0, 3), raw.slice(3, 60), raw.slice(60, 61), raw.slice(61, None)]
    assert np.array_equal(make_rows(parts, config).values, whole.values)
    assert np.array_equal(make_rows([raw.slice(20, None).slice(5, 40)], config).values, whole.values[25:60])
    # raw frames are small: differences of them are made when they are needed
    assert raw.values.shape[1] < config.n_features


def test_same_frames_serve_other_differences():
    raw = raw_frames([noise(8_000)], QUICK.frames)
    config = QUICK.replace(n_deltas=1, sdc=(7, 1, 3, 7))
    assert same_frames(config.frames, QUICK.frames)
    assert np.array_equal(make_rows([raw], config).values, extract(noise(8_000), config).values)


# --- the gate -----------------------------------------------------------------------------------------------------


def test_the_gate_drops_exactly_the_frames_of_digital_silence():
    # frames of 256 samples side by side: number t covers 256 t - 128 to 256 t + 127
    config = QUICK.replace(hop_s=0.032, gate_range_db=60.0)
    samples = noise(256 * 40)
    samples[256 * 10 - 128 : 256 * 30 - 128] = 0.0
    ungated = extract(samples, config.replace(gate_range_db=None))
    rows = extract(samples, config)
    sounding = np.r_[0:10, 30:41]
    assert np.array_equal(rows.values, ungated.values[sounding])
    assert np.array_equal(rows.time_s, ungated.time_s[sounding])


@pytest.mark.parametrize(
    ("percentile", "range_db", "least"), [(100.0, 20.0, 80), (50.0, 20.0, 30), (98.0, 32.0, 66), (0.0, 0.5, 0)]
)
def test_the_gate_is_a_percentile_of_the_levels_minus_a_range(percentile, range_db, least):
    config = QUICK.replace(gate_percentile=percentile, gate_range_db=range_db)
    levels = np.random.default_rng(0).permutation(101)  # 0 to 100 dB: the percentile is the level
    rows = make_rows([raw_of(levels)], config)
    assert np.array_equal(rows.values[:, 0], np.flatnonzero(levels >= least))


def test_without_a_gate_nothing_is_dropped():
    assert len(make_rows([raw_of([0.0, -100.0, 50.0])], QUICK)) == 3


def test_the_gate_measures_a_clip_by_its_own_level():
    config = QUICK.replace(gate_range_db=30.0)
    loud, soft = (
        raw_frames([noise(8_000, 1)], config.frames),
        raw_frames([noise(8_000, 2) * np.float32(0.001)], config.frames),
    )
    rows = make_rows([loud, soft], config)
    alone = [make_rows([loud], config), make_rows([soft], config)]
    assert np.array_equal(rows.values, np.concatenate([part.values for part in alone]))
    assert np.array_equal(rows.time_s, np.concatenate([part.time_s for part in alone]))
    # the soft clip lies 60 dB below the loud one: measured together it would be gone
    assert len(alone[1]) > 30
    joined = RawFrames(*(np.concatenate(pair) for pair in zip(_arrays(loud), _arrays(soft), strict=True)))
    assert len(make_rows([joined], config)) == len(alone[0])


def _arrays(raw):
    return raw.values, raw.level_db, raw.time_s


@pytest.mark.parametrize("level", [-100.0, 0.0, 37.5])
def test_the_gate_keeps_a_clip_of_one_level_whole(level):
    rows = make_rows([raw_of(np.full(50, level))], QUICK.replace(gate_range_db=0.1, gate_percentile=98.0))
    assert len(rows) == 50


def test_the_margin_of_a_gap_is_dropped_too():
    level = np.full(50, 0.0)
    level[[0, 20, 21, 30, 49]] = -90.0
    config = QUICK.replace(gate_range_db=60.0, gate_margin=2)
    dropped = {0, 1, 2, *range(18, 24), *range(28, 33), 47, 48, 49}
    raw = raw_of(level)
    expected = [t for i, t in enumerate(raw.time_s) if i not in dropped]
    np.testing.assert_array_equal(make_rows([raw], config).time_s, expected)
    # sounds of one frame would be nothing but margin, and hits of four lose half: what is loud is kept
    hits = np.tile(np.repeat([0.0, -90.0], [4, 6]), 5)
    assert len(make_rows([raw_of(hits)], config)) == 20
    assert len(make_rows([raw_of(np.tile(np.repeat([0.0, -90.0], [8, 6]), 5))], config)) == 22
    level = np.full(50, -90.0)
    level[[7, 30]] = 0.0
    assert len(make_rows([raw_of(level)], config)) == 2


def test_frames_that_straddle_inserted_silence_are_not_heard():
    config = QUICK.replace(gate_range_db=60.0, gate_margin=2)
    y = noise(40_000)
    gapped = y.copy()
    gapped[10_000:20_000] = 0.0
    whole, cut = extract(y, config), extract(gapped, config)
    kept = np.isin(whole.time_s, cut.time_s)
    np.testing.assert_array_equal(cut.values, whole.values[kept])
    assert not np.array_equal(extract(gapped, config.replace(gate_margin=0)).values, cut.values)


@pytest.mark.parametrize("gain", [0.125, 0.01])
def test_the_gate_drops_the_same_frames_at_any_gain(gain):
    config = QUICK.replace(gate_range_db=6.0, gate_percentile=90.0)
    rows = extract(noise(30_000), config)
    assert 0 < len(rows) < 200
    assert np.array_equal(extract(noise(30_000) * np.float32(gain), config).time_s, rows.time_s)


@pytest.mark.parametrize(
    ("range_db", "floor_db", "least"),
    [
        (None, 3.0, 13),  # above the quiet tenth, 10
        (32.0, 3.0, 68),  # the range asks for more
        (95.0, 12.5, 22.5),
        (None, 40.0, 20),  # 100 is not twice 40 above 10: twice 40 below it
        (None, 60.0, -20),  # that is below everything
    ],
)
def test_the_floor_of_the_gate_lies_above_the_quiet_tenth(range_db, floor_db, least):
    config = QUICK.replace(gate_range_db=range_db, gate_floor_db=floor_db)
    levels = np.random.default_rng(0).permutation(101)  # 0 to 100 dB: the percentile is the level
    rows = make_rows([raw_of(levels)], config)
    assert np.array_equal(rows.values[:, 0], np.flatnonzero(levels >= least))


@pytest.mark.parametrize("level", [-100.0, 0.0, 37.5])
def test_the_floor_of_the_gate_keeps_a_clip_of_one_level_whole(level):
    assert len(make_rows([raw_of(np.full(50, level))], QUICK.replace(gate_floor_db=2.0))) == 50


def test_the_quiet_tenth_is_not_that_of_digital_silence():
    config = QUICK.replace(gate_range_db=32.0, gate_percentile=98.0, gate_floor_db=2.0)
    levels = np.r_[np.full(60, 0.0), np.full(40, -10.0)]
    assert len(make_rows([raw_of(levels)], config)) == 60
    # a cut or a mute as long as the sound changes nothing of what is heard of it
    for silence in (-200.0, -80.0):
        rows = make_rows([raw_of(np.r_[levels, np.full(30, silence)])], config)
        assert rows.values[:, 0].tolist() == list(range(60))
    # what a quiet room may be counts
    assert len(make_rows([raw_of(np.r_[levels, np.full(30, -63.0)])], config)) == 100


def test_pauses_filled_with_noise_are_not_heard():
    rng = np.random.default_rng(0)
    bursts = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 4_000)
    samples = (bursts * rng.normal(size=24_000) + 0.1 * rng.normal(size=24_000)).astype(np.float32)
    config = QUICK.replace(gate_range_db=32.0, gate_percentile=98.0)
    heard = [
        bursts[(extract(samples, each).time_s * 8_000).astype(int).clip(max=23_999)].mean()
        for each in (config, config.replace(gate_floor_db=3.0))
    ]
    # the noise is 20 dB below: within the range, so all of it is kept
    assert heard[0] == pytest.approx(4 / 6, abs=0.02)
    # some frames at an edge hold both
    assert heard[1] > 0.97


# --- views --------------------------------------------------------------------------------------------------------

VIEWED = QUICK.replace(fmax_hz=3_000.0, n_deltas=1, sdc=(7, 1, 3, 7), vtln=(0.9, 1.2))


@pytest.mark.parametrize("rasta", [False, True])
def test_a_view_is_the_frames_of_mel_bands_with_edges_moved(rasta):
    config, samples = VIEWED.replace(rasta=rasta), noise(40_000)
    views = np.split(extract(samples, config).values, 3, axis=1)
    for view, factor in zip(views, (1.0, 0.9, 1.2), strict=True):
        alone = config.replace(vtln=(), fmin_hz=config.frames.fmin_hz * factor, fmax_hz=3_000.0 * factor)
        assert np.array_equal(view, extract(samples, alone).values)


def test_views_pass_the_gate_together_and_are_normalised_each():
    config = VIEWED.replace(gate_range_db=6.0, normalise="mean_variance")
    rows = extract(noise(40_000), config)
    plain = extract(noise(40_000), config.replace(vtln=()))
    assert 0 < len(rows) < 300
    levels = [raw_frames([noise(40_000)], config.replace(vtln=v).frames).level_db for v in ((), config.frames.vtln)]
    assert np.array_equal(*levels)
    assert np.array_equal(rows.time_s, plain.time_s)
    assert np.array_equal(rows.values[:, : config.n_columns], plain.values)
    np.testing.assert_allclose(rows.values.std(axis=0), 1.0, rtol=1e-4)  # float32


def test_frames_with_views_serve_a_front_end_without_and_not_the_other_way_round():
    plain = VIEWED.replace(vtln=())
    with_views, without = raw_frames([noise(8_000)], VIEWED.frames), raw_frames([noise(8_000)], plain.frames)
    assert same_frames(plain.frames, VIEWED.frames)
    assert not same_frames(VIEWED.frames, plain.frames)
    assert not same_frames(VIEWED.replace(vtln=(0.9,)).frames, VIEWED.frames)
    assert np.array_equal(make_rows([with_views], plain).values, make_rows([without], plain).values)
    with pytest.raises(SettingError, match="hold fewer warps than `vtln` asks for"):
        make_rows([without], VIEWED)


# --- normalisation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [8.0, 0.125, 0.01])
def test_c0_normalisation_cures_gain(gain):
    config = QUICK.replace(normalise="c0")
    samples = noise(30_000)
    louder = samples * np.float32(gain)
    # a gain is a constant in dB, in c0 alone; float32 cepstra of up to 500 are 3e-5 fine, and sums of a few of them
    np.testing.assert_allclose(extract(louder, config).values, extract(samples, config).values, rtol=0, atol=5e-4)
    assert np.abs(extract(louder, QUICK).values - extract(samples, QUICK).values).max() > 10


def test_c0_normalisation_takes_the_mean_from_c0_alone():
    plain = extract(noise(30_000), QUICK).values
    normalised = extract(noise(30_000), QUICK.replace(normalise="c0")).values
    assert np.array_equal(normalised[:, 1:], plain[:, 1:])
    # float32 numbers of up to 200 less a float64 mean
    np.testing.assert_allclose(normalised[:, 0], plain[:, 0] - plain[:, 0].mean(dtype=np.float64), rtol=0, atol=1e-4)


def test_mean_normalisation_takes_the_mean_from_every_column():
    plain = extract(noise(30_000), QUICK).values.astype(np.float64)
    normalised = extract(noise(30_000), QUICK.replace(normalise="mean")).values
    # as above
    np.testing.assert_allclose(normalised, plain - plain.mean(axis=0), rtol=0, atol=1e-4)


def test_mean_variance_normalisation_gives_zero_mean_and_unit_variance():
    rows = extract(noise(30_000), QUICK.replace(normalise="mean_variance", n_deltas=1))
    assert rows.values.dtype == np.float32
    # rounding of 235 numbers about 1 to float32
    np.testing.assert_allclose(rows.values.mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(rows.values.std(axis=0, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.parametrize("how", ["c0", "mean", "mean_variance"])
def test_a_column_that_does_not_move_becomes_zero(how):
    values = np.full((50, 1), -1131.3708, np.float32)
    rows = make_rows([raw_of(np.zeros(50), values)], QUICK.replace(normalise=how))
    # a mean that is off by float64's rounding of 1131, over a deviation of at least 1e-6
    np.testing.assert_allclose(rows.values, 0, atol=1e-5)


@pytest.mark.parametrize("how", ["c0", "mean", "mean_variance"])
def test_one_frame_is_normalised_to_zero(how):
    rows = extract(noise(1), QUICK.replace(normalise=how, n_mfcc=1))
    assert np.array_equal(rows.values, np.zeros((1, 1), np.float32))


def test_normalisation_is_over_the_trial_not_the_clip():
    config = QUICK.replace(normalise="mean_variance")
    clips = [
        raw_frames([noise(8_000, 1)], config.frames),
        raw_frames([noise(16_000, 2) * np.float32(0.01)], config.frames),
    ]
    rows = make_rows(clips, config)
    values = np.concatenate([clip.values for clip in clips]).astype(np.float64)
    # rounding to float32 of numbers about 1
    np.testing.assert_allclose(rows.values, (values - values.mean(axis=0)) / values.std(axis=0), rtol=0, atol=1e-5)
    assert rows.values[: len(clips[0]), 0].mean() > 1 > -0.5 > rows.values[len(clips[0]) :, 0].mean()


def test_normalisation_sees_only_what_passed_the_gate():
    config = QUICK.replace(normalise="mean", gate_range_db=10.0)
    samples = np.concatenate([noise(8_000), np.zeros(8_000, np.float32)])
    rows = extract(samples, config)
    assert 0 < len(rows) < 70
    # as above
    np.testing.assert_allclose(rows.values.mean(axis=0, dtype=np.float64), 0, atol=1e-5)


def test_times_of_joined_clips_start_anew():
    clips = [raw_frames([noise(1_000)], QUICK.frames), raw_frames([noise(500)], QUICK.frames)]
    assert np.array_equal(make_rows(clips, QUICK).time_s, np.concatenate([clips[0].time_s, clips[1].time_s]))


def test_a_slice_of_raw_frames_takes_values_levels_and_times():
    raw = raw_frames([noise(8_000)], QUICK.frames)
    for first, last in ((3, 10), (50, None)):
        part = raw.slice(first, last)
        assert np.array_equal(part.level_db, raw.level_db[first:last])
        assert np.array_equal(part.time_s, raw.time_s[first:last])
        assert np.array_equal(make_rows([part], QUICK).values, raw.values[first:last])
        assert len(part) == len(part.level_db)


@pytest.mark.parametrize("name", CONFIGS)
def test_extract_is_raw_frames_finished(name):
    samples = noise(20_000)
    rows = extract(samples, CONFIGS[name])
    expected = make_rows([raw_frames([samples], CONFIGS[name].frames)], CONFIGS[name])
    assert isinstance(rows, Rows)
    assert np.array_equal(rows.values, expected.values)
    assert np.array_equal(rows.time_s, expected.time_s)


# --- every setting counts -----------------------------------------------------------------------------------------

NAMES = [field.name for owner in (FrameSettings, RowSettings) for field in dataclasses.fields(owner)]
# For each setting: what it needs beside it, and two values that must give other frames.
CHANGES = {
    "sample_rate_hz": ({}, 8_000, 16_000),
    "window_s": ({}, 0.032, 0.020),
    "hop_s": ({}, 0.016, 0.010),
    "window": ({}, "hann", "hamming"),
    "preemphasis": ({}, 0.0, 0.97),
    "n_mels": ({}, 20, 24),
    "fmin_hz": ({}, 0.0, 300.0),
    "fmax_hz": ({}, 4_000.0, 3_000.0),
    "n_mfcc": ({}, 8, 9),
    "n_deltas": ({}, 0, 1),
    "delta_frames": ({"n_deltas": 1}, 9, 5),
    "sdc": ({}, (7, 1, 3, 7), (7, 1, 2, 7)),
    "gate_range_db": ({}, 20.0, 3.0),
    "gate_percentile": ({"gate_range_db": 6.0}, 100.0, 50.0),
    "gate_floor_db": ({}, None, 1.0),
    "gate_margin": ({"gate_range_db": 6.0}, 0, 1),
    "normalise": ({}, "none", "mean"),
    "normalise_frames": ({"normalise": "warp"}, 301, 31),
    "descriptors": ({}, (), ("centroid",)),
    "rasta": ({}, False, True),
    "vtln": ({"fmax_hz": 3_500.0}, (0.9,), (1.1,)),
    # white noise is no speech: what is most like it is kept either way, and how much that is depends on the threshold
    "speech_gate": ({"sample_rate_hz": 16_000}, None, 0.5),
    "block_s": ({}, None, 0.5),
    "block_step_s": ({"block_s": 0.5}, 0.5, 0.25),
    "n_modulation": ({"block_s": 0.5}, 8, 4),
}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("front_end", "measure_speech")])
def test_every_setting_changes_the_frames(name):
    assert name in CHANGES, f"setting {name} has no case here that shows what it does"
    beside, one, other = CHANGES[name]
    a = extract(noise(20_000), QUICK.replace(**beside, **{name: one}))
    b = extract(noise(20_000), QUICK.replace(**beside, **{name: other}))
    assert a.values.shape != b.values.shape or np.abs(a.values - b.values).max() > 0.1


@pytest.mark.parametrize("name", ["n_deltas", "sdc", "normalise", "gate_range_db"])
def test_settings_after_the_cepstra_leave_the_cepstra_alone(name):
    beside, _, other = CHANGES[name]
    raw = raw_frames([noise(8_000)], QUICK.replace(**beside, **{name: other}).frames)
    assert np.array_equal(raw.values[:, :8], raw_frames([noise(8_000)], QUICK.frames).values)


# --- settings -----------------------------------------------------------------------------------------------------


def test_the_default_settings_are_librosas():
    config = make_features()
    assert (config.frames.win_length, config.frames.hop_length, config.frames.n_fft) == (2_048, 512, 2_048)
    assert (config.frames.sample_rate_hz, config.frames.n_mels, config.frames.n_mfcc, config.n_features) == (
        22_050,
        128,
        20,
        20,
    )
    assert config.frames.frames_per_s == pytest.approx(22_050 / 512)


@pytest.mark.parametrize(
    ("window_s", "n_fft"), [(0.025, 256), (0.032, 256), (0.033, 512), (0.064, 512), (1.0, 8_192), (0.002, 16)]
)
def test_the_fft_is_the_next_power_of_two(window_s, n_fft):
    assert QUICK.replace(window_s=window_s).frames.n_fft == n_fft


@pytest.mark.parametrize(
    ("changes", "n_features"),
    [
        ({}, 8),
        ({"n_deltas": 1}, 16),
        ({"n_deltas": 2}, 24),
        ({"sdc": (7, 1, 3, 7)}, 57),
        ({"n_deltas": 2, "sdc": (2, 1, 1, 3)}, 30),
        ({"n_deltas": 1, "vtln": (0.9, 0.8)}, 48),
    ],
)
def test_n_features_is_what_is_made(changes, n_features):
    config = QUICK.replace(**changes)
    assert config.n_features == n_features == extract(noise(2_000), config).values.shape[1]


def test_settings_cannot_be_changed_and_are_given_by_name():
    with pytest.raises(dataclasses.FrozenInstanceError):
        QUICK.frames.n_mfcc = 9
    with pytest.raises(TypeError, match="positional"):
        FrameSettings(22_050)
    with pytest.raises(TypeError, match="positional"):
        RowSettings(1)


def test_factors_of_any_kind_of_number_travel():
    config = QUICK.replace(fmax_hz=3_000.0, vtln=np.array([0.9, 1.2], dtype=np.float32))
    assert FeatureSettings.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_equal_settings_are_equal_and_hash_alike():
    assert QUICK.replace(sdc=[7, 1, 3, 7]) == QUICK.replace(sdc=(7, 1, 3, 7))
    assert len({QUICK, QUICK.replace(), QUICK.replace(n_mfcc=9)}) == 2


BAD_SETTINGS = [
    ({"front_end": "plp"}, "front_end is 'plp'; expected one of mfcc"),
    ({"front_end": None}, "front_end is None; expected one of mfcc"),
    ({"sample_rate_hz": 3_999}, "sample_rate_hz is 3999; expected 4000 to 384000"),
    ({"sample_rate_hz": 384_001}, "sample_rate_hz is 384001; expected 4000 to 384000"),
    ({"window_s": 0.0019}, "window_s is 0.0019; expected 0.002 to 1"),
    ({"window_s": 1.1}, "window_s is 1.1; expected 0.002 to 1"),
    ({"window_s": 2_048}, "window_s is 2048; expected 0.002 to 1"),
    ({"window_s": float("nan")}, "window_s is nan; expected 0.002 to 1"),
    ({"hop_s": 0.0}, "hop_s is 0; expected 0.001 to 1"),
    ({"hop_s": float("inf")}, "hop_s is inf; expected 0.001 to 1"),
    ({"window": "hanning"}, "window is 'hanning'; expected one of hann, hamming"),
    ({"window": None}, "window is None; expected one of hann, hamming"),
    ({"preemphasis": -0.1}, "preemphasis is -0.1; expected 0 to 1"),
    ({"preemphasis": 1.01}, "preemphasis is 1.01; expected 0 to 1"),
    ({"n_mels": 1}, "n_mels is 1; expected 2 to 512"),
    ({"n_mels": 513}, "n_mels is 513; expected 2 to 512"),
    ({"fmin_hz": -1.0}, "fmin_hz is -1; expected 0 to 11024"),
    ({"fmin_hz": 11_025.0}, "fmin_hz is 11025; expected 0 to 11024"),
    ({"fmin_hz": 3_000.0, "fmax_hz": 2_000.0}, "fmin_hz is 3000; expected 0 to 1999"),
    ({"fmax_hz": 11_026.0}, "fmax_hz is 11026; expected 1 to 11025"),
    ({"sample_rate_hz": 16_000}, "fmax_hz is 11025; expected 1 to 8000"),
    ({"n_mfcc": 0}, "n_mfcc is 0; expected 1 to 128"),
    ({"n_mfcc": 129}, "n_mfcc is 129; expected 1 to 128"),
    ({"n_mfcc": 20, "n_mels": 19}, "n_mfcc is 20; expected 1 to 19"),
    ({"n_deltas": -1}, "n_deltas is -1; expected 0 to 2"),
    ({"n_deltas": 3}, "n_deltas is 3; expected 0 to 2"),
    ({"delta_frames": 1}, "delta_frames is 1; expected 3 to 101"),
    ({"delta_frames": 103}, "delta_frames is 103; expected 3 to 101"),
    ({"delta_frames": 8}, "delta_frames is 8; expected an odd number"),
    ({"sdc": (7, 1, 3)}, "sdc is (7, 1, 3); expected (N, d, P, k), each 1 or more"),
    ({"sdc": ()}, "sdc is (); expected (N, d, P, k), each 1 or more"),
    ({"sdc": (0, 1, 3, 7)}, "sdc is (0, 1, 3, 7); expected (N, d, P, k), each 1 or more"),
    ({"sdc": (7, 1, 0, 7)}, "sdc is (7, 1, 0, 7); expected (N, d, P, k), each 1 or more"),
    ({"sdc": (21, 1, 3, 7)}, "sdc is (21, 1, 3, 7); expected (N, d, P, k), each 1 or more, N at most 20"),
    ({"gate_range_db": 0.05}, "gate_range_db is 0.05; expected 0.1 to 200"),
    ({"gate_range_db": -60.0}, "gate_range_db is -60; expected 0.1 to 200"),
    ({"gate_range_db": 201.0}, "gate_range_db is 201; expected 0.1 to 200"),
    ({"gate_percentile": -1.0}, "gate_percentile is -1; expected 0 to 100"),
    ({"gate_percentile": 100.5}, "gate_percentile is 100.5; expected 0 to 100"),
    ({"gate_floor_db": 0.05}, "gate_floor_db is 0.05; expected 0.1 to 60"),
    ({"gate_floor_db": 61.0}, "gate_floor_db is 61; expected 0.1 to 60"),
    ({"gate_margin": -1}, "gate_margin is -1; expected 0 to 100"),
    ({"gate_margin": 101}, "gate_margin is 101; expected 0 to 100"),
    ({"vtln": (0.9,), "fmax_hz": 0.0}, "fmin_hz is 0; expected 0 to -1"),
    *(
        (
            {"vtln": given},
            f"vtln is {given!r}; expected at most 8 different factors, none of them 1, such as (0.92, 1.08)",
        )
        for given in (
            "0.9",
            0.9,
            None,
            (0.9, [1]),
            (0.9, 0.9),
            (1.0,),
            (True,),
            tuple(0.9 + k / 1000 for k in range(9)),
        )
    ),
    ({"vtln": (0.9, 0.4)}, "vtln is 0.4; expected 0.5 to 1"),
    ({"vtln": (1.1,)}, "vtln is 1.1; expected 0.5 to 1"),
    ({"vtln": (2.1,), "fmax_hz": 4_000.0}, "vtln is 2.1; expected 0.5 to 2"),
    (
        {"vtln": (0.9,), "descriptors": ("onset",)},
        "vtln warps cepstra only; leave out `vtln` or `descriptors`",
    ),
    (
        {"vtln": (0.9,), "block_s": 3.0},
        "vtln warps cepstra only; leave out `vtln` or `block_s`",
    ),
    ({"normalise": "cmvn"}, "normalise is 'cmvn'; expected one of none, c0, mean, mean_variance, sliding, warp"),
    ({"normalise": None}, "normalise is None; expected one of none, c0, mean, mean_variance, sliding, warp"),
    ({"normalise_frames": 300}, "normalise_frames is 300; expected an odd number"),
    ({"normalise_frames": 1}, "normalise_frames is 1; expected 3 to 3001"),
    ({"descriptors": ("chroma",)}, f"descriptors holds 'chroma'; expected any of {', '.join(DESCRIPTORS)}"),
    (
        {"descriptors": ("contrast",), "sample_rate_hz": 8_000, "fmax_hz": 4_000.0},
        "sample_rate_hz is 8000; spectral contrast needs more than 12,800",
    ),
    ({"rasta": 2}, "rasta is 2; expected True or False"),
    ({"measure_speech": None}, "measure_speech is None; expected True or False"),
    ({"speech_gate": 0.5, "measure_speech": False}, "speech_gate is 0.5; it needs `measure_speech`"),
    ({"speech_gate": 1.5}, "speech_gate is 1.5; expected 0 to 1"),
    (
        {"speech_gate": 0.5, "sample_rate_hz": 8_000, "fmax_hz": 4_000.0},
        "sample_rate_hz is 8000; the speech gate needs 16000",
    ),
    ({"block_s": 0.05}, "block_s is 0.05; expected 0.1 to 600"),
    ({"block_step_s": 0.0}, "block_step_s is 0; expected 0.05 to 600"),
    ({"n_modulation": 0}, "n_modulation is 0; expected 1 to 64"),
    ({"n_modulation": 2.5}, "n_modulation is 2.5; expected a whole number"),
]


@pytest.mark.parametrize(("changes", "said"), BAD_SETTINGS, ids=[said for _, said in BAD_SETTINGS])
def test_a_setting_outside_its_bounds_is_refused(changes, said):
    with pytest.raises(SettingError) as caught:
        make_features(**changes)
    assert str(caught.value) == said
    assert isinstance(caught.value, GmmaudioError)


def test_every_setting_has_a_bad_value_here():
    assert {name for changes, _ in BAD_SETTINGS for name in changes} == set(NAMES)


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate_hz": 4_000, "fmax_hz": 2_000.0},
        {"sample_rate_hz": 384_000},
        {"window_s": 0.002, "hop_s": 0.001},
        {"window_s": 1.0, "hop_s": 1.0},
        {"preemphasis": 1.0},
        {"n_mels": 2, "n_mfcc": 1},
        {"n_mels": 512},
        {"fmin_hz": 11_024.0},
        {"n_mfcc": 128},
        {"delta_frames": 3},
        {"delta_frames": 101},
        {"sdc": (1, 1, 1, 1)},
        {"sdc": (20, 1, 3, 7)},
        {"gate_range_db": 0.1},
        {"gate_range_db": 200.0},
        {"gate_percentile": 0.0},
        {"gate_floor_db": 0.1},
        {"gate_floor_db": 60.0},
        {"vtln": (0.5, 0.9)},
        {"gate_margin": 0},
        {"gate_margin": 100},
    ],
    ids=str,
)
def test_a_setting_at_its_bound_is_taken(changes):
    config = make_features(**changes)
    values = config.to_dict()
    assert {name: {**values["frames"], **values["rows"]}[name] for name in changes} == changes


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_survive_json(name):
    config = CONFIGS[name]
    values = json.loads(json.dumps(config.to_dict()))
    assert list(values) == ["frames", "rows"]
    assert [*values["frames"], *values["rows"]] == NAMES
    again = FeatureSettings.from_dict(values)
    assert again == config
    assert hash(again) == hash(config)
    assert FeatureSettings.from_dict(config.to_dict()) == config


def test_settings_left_out_of_a_dict_are_the_defaults():
    assert FeatureSettings.from_dict({"n_mfcc": 13}) == make_features(n_mfcc=13)


def test_unknown_settings_are_named():
    with pytest.raises(SettingError) as caught:
        FeatureSettings.from_dict({"n_mfcc": 13, "n_gammatones": 40, "delta": 1})
    assert str(caught.value) == "unknown feature settings delta, n_gammatones; made by a newer version?"


@pytest.mark.parametrize("values", [{"hop_s": None}, {"sdc": 7}, {"gate_range_db": "60"}, {"fmax_hz": [1]}], ids=str)
def test_a_setting_of_the_wrong_kind_is_refused(values):
    with pytest.raises(SettingError, match=r"\Afeature settings of the wrong kind: .+"):
        FeatureSettings.from_dict(values)


def test_a_bad_value_in_a_dict_is_refused_in_the_same_words():
    with pytest.raises(SettingError, match=re.escape("n_deltas is 3; expected 0 to 2")):
        FeatureSettings.from_dict({"n_deltas": 3})


# --- samples that cannot be used ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", CONFIGS)
def test_one_sample_gives_one_finite_frame(name):
    rows = extract(np.full(1, 0.5, np.float32), CONFIGS[name])
    assert rows.values.shape == (1, CONFIGS[name].n_features)
    assert np.isfinite(rows.values).all()
    assert np.array_equal(rows.time_s, [0.0])


@pytest.mark.parametrize("name", CONFIGS)
def test_digital_silence_gives_finite_frames(name):
    rows = extract(np.zeros(8_000, np.float32), CONFIGS[name])
    assert len(rows) == 1 + 8_000 // CONFIGS[name].frames.hop_length
    assert np.isfinite(rows.values).all()


# --- presets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "n_columns"), [("genre", 352), ("language", 3 * 56)])
def test_presets_make_the_columns_they_promise(preset, n_columns):
    config = preset_of(preset).features
    assert config.n_features == n_columns
    assert extract(noise(config.frames.sample_rate_hz), config).values.shape[1] == n_columns


def test_there_are_two_presets_and_a_classic_model_without_frills():
    assert preset_of(None).features == make_features()


def test_the_language_preset_is_sdc_7_1_3_7_of_25_ms_frames_every_10_ms():
    assert (SPEECH.frames.win_length, SPEECH.frames.hop_length, SPEECH.frames.n_fft) == (400, 160, 512)
    assert (SPEECH.frames.n_mfcc, SPEECH.rows.sdc) == (7, (7, 1, 3, 7))


@pytest.mark.parametrize("preset", ["genre", "language"])
def test_presets_are_cured_of_gain(preset):
    config = preset_of(preset).features
    samples = noise(config.frames.sample_rate_hz * 2)
    # as for c0 above
    np.testing.assert_allclose(
        extract(samples * np.float32(0.5), config).values, extract(samples, config).values, rtol=0, atol=5e-4
    )


# One test for each defect that the first version of the module had.


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


@pytest.mark.parametrize("hop_s", [0.033, 0.064, 0.2])
def test_frames_further_apart_than_long_in_blocks_equal_the_whole(monkeypatch, hop_s):
    monkeypatch.setattr(features.frames, "CHUNK_FRAMES", 5)
    config = QUICK.replace(hop_s=hop_s)
    samples = noise(60_000)
    for blocks in ([samples], *(np.split(samples, range(size, 60_000, size)) for size in (1, 97, 1_000))):
        raw = raw_frames(blocks, config.frames)
        assert len(raw) == 1 + 60_000 // config.frames.hop_length
        np.testing.assert_allclose(raw.values, librosa_mfcc(samples, config), rtol=0, atol=1e-3)


def test_a_gate_of_0_db_is_refused():
    with pytest.raises(SettingError) as caught:
        make_features(gate_range_db=0.0)
    assert str(caught.value) == "gate_range_db is 0; expected 0.1 to 200"


@pytest.mark.parametrize(
    "values",
    [
        {"n_mfcc": 20.5},
        {"n_mels": 128.5},
        {"n_deltas": 1.5},
        {"delta_frames": 9.5},
        {"sample_rate_hz": 22050.5},
        {"sdc": ["a", 1, 3, 7]},
        {"sdc": "7137"},
        {"sdc": [7.9, 1, 3, 7]},
    ],
    ids=str,
)
def test_numbers_of_the_wrong_kind_are_refused(values):
    with pytest.raises(SettingError):
        FeatureSettings.from_dict(values)
