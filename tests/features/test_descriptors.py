"""Descriptors: against librosa of the whole clip, slow loops, tones and clicks."""

import itertools
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
from scipy.signal import lfilter

from gmmaudio.features import (
    DESCRIPTORS,
    Spectra,
    extract,
    frames,
    make_features,
    raw_frames,
)
from tests.features.conftest import (
    MUSIC,
    QUICK_16K,
    hard_sounds,
    sound,
    white_noise,
)

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


def padded(samples, config):
    """Return what librosa is to frame: emphasised, half an FFT of zeros at both ends."""
    emphasised = lfilter([1.0, -config.frames.preemphasis], [1.0], samples.astype(np.float64)).astype(np.float32)
    return np.pad(emphasised, config.frames.n_fft // 2)


def librosas(name, samples, config):
    """Return a descriptor as librosa computes it of the whole clip, shape (n, columns)."""
    y = padded(samples, config)
    frame = {"n_fft": config.frames.n_fft, "hop_length": config.frames.hop_length}
    options = {**frame, "y": y, "win_length": config.frames.win_length, "window": config.frames.window, "center": False}
    sr = config.frames.sample_rate_hz
    if name == "contrast":
        return librosa.feature.spectral_contrast(sr=sr, **options).T
    if name == "centroid":
        return librosa.feature.spectral_centroid(sr=sr, **options).T / 1000
    if name == "rolloff":
        return librosa.feature.spectral_rolloff(sr=sr, **options).T / 1000
    if name == "flatness":
        return np.log10(librosa.feature.spectral_flatness(**options).T)
    if name == "zero_crossings":
        crossings = librosa.feature.zero_crossing_rate(
            y, frame_length=config.frames.n_fft, hop_length=config.frames.hop_length, center=False
        )
        return crossings.T
    mel = librosa.feature.melspectrogram(
        sr=sr, n_mels=config.frames.n_mels, fmin=config.frames.fmin_hz, fmax=config.frames.fmax_hz, **options
    )
    return librosa.onset.onset_strength(S=librosa.power_to_db(mel, top_db=None), center=False)[:, None]


def descriptor(name, samples, config):
    """Return the columns of one descriptor, shape (n, columns)."""
    return raw_frames([samples], config.frames).values[:, config.frames.n_mfcc :][:, PLACES[name]]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_equal_librosas_of_the_whole_clip(name, config):
    # long enough for a second block of frames
    samples = sound((frames.chunk_frames(config.frames.n_fft) + 50) * config.frames.hop_length)
    result, expected = descriptor(name, samples, config), librosas(name, samples, config)
    assert len(result) > frames.chunk_frames(config.frames.n_fft)
    # sums of about 1,000 float32 magnitudes in another order, and a preemphasis rounded from float64; a crossing or a
    # bin more would be 100 times that
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_descriptors_of_noise_equal_librosas_of_its_spectrum():
    import librosa

    config = make_features(descriptors=("onset", "contrast", "zero_crossings", "flatness", "rolloff", "centroid"))
    y = white_noise(60_000)
    result = raw_frames([y], config.frames).values[:, 20:]
    padded = np.pad(y, 1024)
    magnitude = np.abs(librosa.stft(padded, n_fft=2048, hop_length=512, center=False))
    log_mel = librosa.power_to_db(librosa.feature.melspectrogram(S=magnitude**2, sr=22050), top_db=None)
    rises = np.maximum(0, np.diff(log_mel, axis=1, prepend=log_mel[:, :1])).mean(axis=0)
    expected = np.concatenate(
        [
            librosa.feature.spectral_contrast(S=magnitude, sr=22050),
            librosa.feature.spectral_centroid(S=magnitude, sr=22050) / 1000,
            librosa.feature.spectral_rolloff(S=magnitude, sr=22050) / 1000,
            np.log10(librosa.feature.spectral_flatness(S=magnitude)),
            librosa.feature.zero_crossing_rate(padded, frame_length=2048, hop_length=512, center=False),
            rises[None],
        ]
    ).T
    # float32 arithmetic in another order
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_contrast_equals_librosas_of_each_frame_where_a_loud_moment_lifts_the_others():
    samples = sound(30_000) * np.float32(1e-6)
    samples[:8_000] = 0.9 * np.sign(sound(8_000))
    config = MUSIC.replace(descriptors=("contrast",))
    result = raw_frames([samples], config.frames).values[:, config.frames.n_mfcc :]
    magnitude = np.abs(librosa.stft(padded(samples, config), n_fft=2_048, hop_length=512, center=False))
    alone = np.array([librosa.feature.spectral_contrast(S=column[:, None])[:, 0] for column in magnitude.T])
    # float32 means, as above
    np.testing.assert_allclose(result, alone, rtol=0, atol=1e-3)
    together = librosa.feature.spectral_contrast(S=magnitude).T
    assert np.abs(together - alone).max() > 1


@pytest.mark.parametrize("name", DESCRIPTORS)
@pytest.mark.parametrize("kind", [kind for kind in hard_sounds(1) if kind != "near overflow"])
def test_descriptors_of_hard_sounds_equal_librosas_of_each_frame(kind, name):
    config = CONFIGS["apart"].replace(window="hann")
    samples = hard_sounds(80 * config.frames.hop_length)[kind]
    result, expected = descriptor(name, samples, config), librosas(name, samples, config)
    if name == "contrast":
        # each frame alone, of no more range than 80 dB: librosa lifts what is that far below the loudest band
        magnitudes = np.abs(librosa.stft(padded(samples, config), n_fft=512, hop_length=640, center=False)).T
        alone = [librosa.feature.spectral_contrast(S=magnitude[:, None], sr=16_000) for magnitude in magnitudes]
        expected = np.array(alone)[:, :, 0]
        within = result.max(axis=1) < 80
        result, expected = result[within], expected[within]
    # the rolloff may be a bin of 31 Hz further where a sum lies just at 85 %, for sums are in another order
    tolerance = 0.0313 if name == "rolloff" else 5e-5
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)
    assert name != "rolloff" or np.mean(np.abs(result - expected) > 1e-6) < 0.1


def test_rolloff_of_few_bins_and_at_either_end_is_that_of_a_plain_sum():
    rng = np.random.default_rng(0)
    for n_fft in (8, 62, 64, 66, 512):
        framing = SimpleNamespace(sample_rate_hz=8_000, n_fft=n_fft, hop_length=n_fft, window_s=n_fft / 8_000)
        n_bins = n_fft // 2 + 1
        rows = (rng.integers(0, 5, (200, n_bins)) * 2.0 ** rng.integers(-3, 3, (200, 1))).astype(np.float32)
        rows[:3] = 0
        rows[0, 0], rows[1, -1] = 1, 1
        total = np.cumsum(rows, axis=1)
        # whole numbers over a power of two: all sums are exact, in any order
        expected = np.count_nonzero(total < np.float32(0.85) * total[:, -1:], axis=1) * (8.0 / n_fft)
        spectra = Spectra(np.zeros(9, np.float32), rows, rows**2, rows, rows[:1], framing)
        np.testing.assert_allclose(DESCRIPTORS["rolloff"].compute(spectra), expected, rtol=1e-6)


def test_zero_crossings_equal_a_slow_loop():
    samples = sound(8_000)
    samples[100:300] = 0.0  # zero counts as positive, and so does what is nearly zero
    samples[300:600:2] = -1e-11
    result = descriptor("zero_crossings", samples, CONFIGS["apart"])[:, 0]
    y, config = padded(samples, CONFIGS["apart"]), CONFIGS["apart"]
    for t, value in enumerate(result):
        frame = y[t * config.frames.hop_length : t * config.frames.hop_length + config.frames.n_fft]
        crossings = sum((a < -1e-10) != (b < -1e-10) for a, b in itertools.pairwise(frame))
        assert value == np.float32(crossings / config.frames.n_fft)


def test_descriptors_of_a_tone_say_where_it_is():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050).astype(np.float32)
    result = {name: descriptor(name, tone, MUSIC)[5:-5] for name in DESCRIPTORS}
    # bins of 10.8 Hz
    np.testing.assert_allclose(result["centroid"], 1.0, atol=0.011)
    np.testing.assert_allclose(result["rolloff"], 1.0, atol=0.022)
    # two crossings in each cycle, give or take the one at a frame's end
    np.testing.assert_allclose(result["zero_crossings"], 2_000 / 22_050, atol=1 / 2_048)
    assert result["flatness"].max() < -4
    # the band 800 to 1600 Hz stands out
    assert (result["contrast"].argmax(axis=1) == 3).all()


def test_a_click_is_an_onset_and_the_first_frame_is_none():
    samples = np.full(22_050, 1e-3, np.float32) * np.random.default_rng(0).normal(size=22_050).astype(np.float32)
    samples[11_025] = 1.0
    onset = descriptor("onset", samples, MUSIC)[:, 0]
    assert onset[0] == 0
    # the frame that first holds the click: its centre less half a window
    assert onset.argmax() == pytest.approx((11_025 - 1_024) / 512, abs=1.5)


@pytest.mark.parametrize("gain", [0.25, 3.0])
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_are_invariant_to_gain(name, gain):
    samples = sound(22_050)
    louder = descriptor(name, samples * np.float32(gain), MUSIC)
    # float32 as above; a bin more of the rolloff is 0.011 kHz
    tolerance = 0.011 if name == "rolloff" else 1e-3
    np.testing.assert_allclose(louder, descriptor(name, samples, MUSIC), rtol=0, atol=tolerance)


def test_descriptors_are_the_last_columns_in_one_order_and_leave_the_others_alone():
    beside = QUICK_16K.replace(n_deltas=1, sdc=(7, 1, 3, 7))
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
    result = extract(sound(5_000), config).values[:, 4:]
    assert np.isfinite(result).all()
    # one bin has no valley beside its peak
    assert (result[:, 0] == 0).all()


@pytest.mark.parametrize("n", [1, 100, 30_000])
def test_digital_silence_has_finite_descriptors(n):
    result = raw_frames([np.zeros(n, np.float32)], MUSIC.frames).values[:, 20:]
    # flatness 1 in log10, to float32's logarithm and exponential of 1e-10
    np.testing.assert_allclose(result, 0, atol=1e-5)


def test_onsets_go_on_where_one_run_of_frames_follows_another(monkeypatch):
    samples, config = sound(20_000), QUICK_16K.replace(descriptors=("onset",))
    whole = raw_frames([samples], config.frames).values[:, 8]
    monkeypatch.setattr(frames, "chunk_frames", lambda _n_fft: 1)
    # products of another size add up in another order
    np.testing.assert_allclose(raw_frames([samples], config.frames).values[:, 8], whole, rtol=0, atol=1e-3)
    assert (whole > 1e-2).mean() > 0.9


@pytest.mark.parametrize("config", [make_features(descriptors=("onset", "contrast", "zero_crossings"), rasta=True)])
def test_descriptors_are_the_same_bits_however_samples_arrive(config):
    y = white_noise(700_000)  # more than one run of frames
    whole = raw_frames([y], config.frames).values
    cut = raw_frames(np.split(y, [5, 100_000, 531_441]), config.frames).values
    assert np.array_equal(whole, cut)
