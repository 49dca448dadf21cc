"""Normalisation over a trial and over sliding windows, feature warping and RASTA: against scipy and slow loops."""

import librosa
import numpy as np
import pytest
from scipy.signal import freqz, lfilter
from scipy.stats import norm, rankdata

from gmmaudio.errors import FeatureError
from gmmaudio.features import (
    extract,
    feature_warping,
    make_rows,
    normalise,
    normalise_values,
    rasta,
    raw_frames,
    sliding_cmvn,
)
from tests.features.conftest import (
    QUICK,
    QUICK_16K,
    noise,
    raw_of,
    rows_of,
    sound,
)


@pytest.mark.parametrize("gain", [8.0, 0.125, 0.01])
def test_c0_normalisation_removes_gain(gain):
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


@pytest.mark.parametrize("method", ["c0", "mean", "mean_variance"])
def test_a_constant_column_becomes_zero(method):
    values = np.full((50, 1), -1131.3708, np.float32)
    rows = make_rows([raw_of(values)], QUICK.replace(normalise=method))
    # a mean that is off by float64's rounding of 1131, over a standard deviation of at least 1e-6
    np.testing.assert_allclose(rows.values, 0, atol=1e-5)


@pytest.mark.parametrize("method", ["c0", "mean", "mean_variance"])
def test_one_frame_is_normalised_to_zero(method):
    rows = extract(noise(1), QUICK.replace(normalise=method, n_mfcc=1))
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


def test_warping_is_invariant_to_any_rising_curve():
    values = rows_of(200)
    bent = np.exp(values.astype(np.float64) / 30)
    assert np.array_equal(feature_warping(bent.astype(np.float32), 51), feature_warping(values, 51))
    assert np.array_equal(feature_warping(-values, 51), -feature_warping(values, 51))


def test_warping_one_window_gives_the_quantiles_of_a_normal():
    values = np.random.default_rng(0).permutation(101)[:, None].astype(np.float32)
    result = np.sort(feature_warping(values, 101), axis=0)[:, 0]
    np.testing.assert_allclose(result, norm.ppf((np.arange(101) + 0.5) / 101), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["sliding", "warp"])
def test_a_window_of_a_constant_is_zero_and_a_trial_of_one_too(method):
    values = rows_of(400)
    values[100:300] = values[100]
    result = normalise_values(values, method, 51)
    # float64 sums of squares up to 1e6 leave 1e-10, over a standard deviation of at least 1e-6
    np.testing.assert_allclose(result[126:274], 0, atol=1e-3)
    assert np.array_equal(
        normalise_values(np.full((30, 2), -1131.37, np.float32), method, 5), np.zeros((30, 2), np.float32)
    )
    assert np.array_equal(normalise_values(values[:1], method, 301), np.zeros((1, 3), np.float32))


def test_a_window_as_wide_as_the_trial_is_cmvn():
    values = rows_of(300)
    # float32 of numbers about 1
    np.testing.assert_allclose(
        normalise_values(values, "sliding", 301), normalise_values(values, "mean_variance", 301), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("method", ["sliding", "warp"])
def test_sliding_normalisation_removes_gain(method):
    config = QUICK_16K.replace(normalise=method, normalise_frames=51)
    samples = sound(40_000)
    # a power of two, so that cepstra of up to 500 differ by 3e-5 at most; beside deviations above 1, or a rank or two
    # in 51 where they lie closer than that
    result, plain = extract(samples * np.float32(0.25), config).values, extract(samples, config).values
    assert np.abs(result - plain).mean() < 1e-3
    np.testing.assert_allclose(result, plain, rtol=0, atol=1e-3 if method == "sliding" else 0.2)


def test_warping_is_the_normal_quantile_of_ranks():
    x = np.round(np.random.default_rng(0).normal(size=(60, 2)), 1).astype(np.float32)  # with ties
    expected = np.empty_like(x, dtype=np.float64)
    for t in range(60):
        first = min(max(t - 10, 0), 60 - 21)
        for column in range(2):
            window = x[first : first + 21, column]
            rank = rankdata(window)[t - first]
            expected[t, column] = norm.ppf((rank - 0.5) / 21)
    # float32 of the result
    np.testing.assert_allclose(feature_warping(x, 21), expected, atol=1e-6)
    np.testing.assert_array_equal(feature_warping(np.exp(3 * x), 21), feature_warping(x, 21))


def test_sliding_cmvn_is_that_of_each_window():
    x = (np.random.default_rng(0).normal(size=(60, 2)) + 1e3).astype(np.float32)
    for t, row in enumerate(sliding_cmvn(x, 21)):
        first = min(max(t - 10, 0), 60 - 21)
        window = x[first : first + 21].astype(np.float64)
        # float32 of the result
        np.testing.assert_allclose(row, (x[t] - window.mean(axis=0)) / window.std(axis=0), atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 5, 300, 5_000])
def test_rasta_equals_the_papers_filter_of_a_clip_whose_ends_are_repeated(n):
    cepstra = rows_of(n)
    # so many frames before it that the filter has forgotten its start: 0.98 to the 2,000th is 3e-18
    longer = np.concatenate([np.repeat(cepstra[:1], 2_000, axis=0), cepstra, np.repeat(cepstra[-1:], 4, axis=0)])
    expected = lfilter(0.1 * np.array([2, 1, 0, -1, -2]), [1, -0.98], longer.astype(np.float64), axis=0)[2_004:]
    # to the last place of float32, and of zero the rounding of float64 sums of numbers up to 100
    np.testing.assert_allclose(rasta(cepstra), expected, rtol=2**-23, atol=1e-12)


def test_rasta_remembers_a_frame_until_it_has_no_weight():
    n = 4_000
    cepstra = np.zeros((n, 1), dtype=np.float32)
    cepstra[0] = 1
    # a step down at frame 1, as the first frame is taken from all
    impulses = np.zeros(n + 4)
    impulses[1:] = -1
    expected = lfilter(*normalise.RASTA, impulses)[4:]
    assert abs(expected[1_000]) > 1e-10
    # sums of numbers up to 10 that cancel, in float64
    np.testing.assert_allclose(rasta(cepstra)[:, 0], expected, rtol=2**-23, atol=1e-13)


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


def test_rasta_is_before_deltas_and_leaves_levels_and_descriptors_alone():
    config = QUICK_16K.replace(n_deltas=1, descriptors=("centroid",))
    plain = raw_frames([sound(20_000)], config.frames)
    filtered = raw_frames([sound(20_000)], config.replace(rasta=True).frames)
    assert np.array_equal(filtered.values[:, :8], rasta(plain.values[:, :8]))
    slopes = librosa.feature.delta(filtered.values[:, :8], width=9, axis=0, mode="nearest")
    # to the last place of float32
    deltas = extract(sound(20_000), config.replace(rasta=True)).values[:, 8:16]
    np.testing.assert_allclose(deltas, slopes, rtol=2**-23, atol=1e-10)
    assert np.array_equal(filtered.values[:, 8], plain.values[:, 8])
    assert np.array_equal(filtered.level_db, plain.level_db)


def test_rasta_passes_speech_rates_and_stops_slow_changes():
    t = np.arange(2000) / 100
    slow, fast = (np.sin(2 * np.pi * hz * t)[:, None].astype(np.float32) for hz in (0.05, 4.0))
    assert abs(rasta(slow + 50)[500:]).max() < 0.2 * abs(rasta(fast)[500:]).max()


@pytest.mark.parametrize("width", [0, -1])
def test_a_window_without_frames_is_refused_by_feature_warping(width):
    with pytest.raises(FeatureError, match=f"the window has {width} frames; expected 1 or more"):
        feature_warping(np.ones((3, 1), dtype=np.float32), width)
