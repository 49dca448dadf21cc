"""Blocks of frames: against slow loops, of tones, short and joined clips."""

import itertools

import numpy as np
import pytest

from gmmaudio.features import (
    block_features,
    extract,
    make_rows,
)
from tests.features.conftest import (
    MUSIC,
    QUICK_16K,
    raw_of,
    rows_of,
    sound,
)


def slow_block(block, size, edges, frames_per_s):
    """Return the vector of one block by sums over frames."""
    n = len(block)
    window = [np.sin(np.pi * (i + 1) / (n + 1)) ** 2 for i in range(n)]
    bins = np.arange(size // 2 + 1) * frames_per_s / size
    columns = []
    for x in block.astype(np.float64).T:
        change = sum(abs(x[i + 1] - x[i]) for i in range(n - 1)) / max(1, n - 1)
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
        columns.append([x.mean(), x.std(), change, *logs])
    return np.array(columns).T.ravel()


@pytest.mark.parametrize("n_modulation", [1, 8, 12])
@pytest.mark.parametrize("frames_per_s", [10.0, 43.07, 100.0])
@pytest.mark.parametrize(
    ("n", "size", "step"), [(40, 20, 7), (41, 21, 30), (9, 30, 5), (1, 12, 3), (2, 2, 1), (3, 2, 1)]
)
def test_blocks_equal_a_slow_loop(n, size, step, frames_per_s, n_modulation):
    values, time_s = rows_of(n), np.arange(n, dtype=np.float32) / 8
    result, centre_s = block_features(
        values, time_s, size=size, step=step, n_modulation=n_modulation, frames_per_s=frames_per_s
    )
    edges = np.geomspace(0.4, min(18.0, frames_per_s / 2), n_modulation + 1)
    length = min(size, n)
    starts = range(0, n - length + 1, step)
    assert len(result) == 1 + (n - length) // step
    expected = [slow_block(values[start : start + length], size, edges, frames_per_s) for start in starts]
    # rounding to float32 of numbers up to 150
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    # eighths of a second are exact
    assert centre_s.tolist() == [(start + (length - 1) / 2) / 8 for start in starts]


def test_blocks_equal_a_loop_over_numpys_spectra():
    frames = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    time_s = np.arange(50, dtype=np.float32) / 20
    result, centre_s = block_features(frames, time_s, size=20, step=10, n_modulation=2, frames_per_s=20.0)
    assert result.shape == (4, 3 * 5)
    edges = np.geomspace(0.4, 10.0, 3)
    hz = np.fft.rfftfreq(20, 1 / 20)
    for k in range(4):
        block = frames[10 * k : 10 * k + 20].astype(np.float64)
        window = np.hanning(22)[1:-1, None]
        power = abs(np.fft.rfft((block - block.mean(axis=0)) * window, axis=0)) ** 2 * 2 / (20 * (window**2).sum())
        bands = [power[(hz >= low) & (hz < high)].sum(axis=0) for low, high in itertools.pairwise(edges)]
        change = abs(block[1:] - block[:-1]).mean(axis=0)
        expected = [block.mean(axis=0), block.std(axis=0), change, *(np.log10(b + 1e-8) for b in bands)]
        # float32 of the result
        np.testing.assert_allclose(result[k], np.concatenate(expected), rtol=1e-5, atol=1e-6)
        assert centre_s[k] == pytest.approx((10 * k + 9.5) / 20)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_short_or_constant_clip_is_one_finite_block(n):
    frames = np.full((n, 2), 3.0, dtype=np.float32)
    result, _ = block_features(frames, np.zeros(n, np.float32), size=20, step=10, n_modulation=4, frames_per_s=20.0)
    assert result.shape == (1, 14)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("hz", [0.5, 0.8, 1.3, 2.1, 3.4, 5.5, 9.0, 14.0])
def test_a_column_that_swings_peaks_in_the_band_of_its_rate_with_the_power_of_its_variance(hz):
    t = np.arange(600) / 100
    values = np.column_stack([3 * np.sin(2 * np.pi * hz * t + 1), np.ones(600)]).astype(np.float32)
    result, _ = block_features(values, values[:, 0], size=600, step=300, n_modulation=8, frames_per_s=100.0)
    bands = result[0, 6:].reshape(8, 2)
    edges = np.geomspace(0.4, 18.0, 9)
    band = np.searchsorted(edges, hz) - 1
    assert bands[:, 0].argmax() == band
    # its variance is 9/2, a share of which leaks into the bands beside it
    assert 0.5 * 4.5 < 10 ** bands[band, 0] < 1.05 * 4.5
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
    result, _ = block_features(values, values[:, 0], size=400, step=400, n_modulation=8, frames_per_s=30.0)
    power = (10 ** result[0, 150:].reshape(8, 50).astype(np.float64)).sum(axis=0)
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


def test_blocks_are_invariant_to_gain_where_frames_are():
    config = MUSIC.replace(normalise="c0", block_s=1.0, block_step_s=0.5, descriptors=("contrast", "onset"))
    samples = sound(60_000)
    quieter = extract(samples * np.float32(0.25), config).values
    # as for frames; logarithms of power of what hardly moves feel it more
    np.testing.assert_allclose(quieter, extract(samples, config).values, rtol=0, atol=5e-3)


def test_blocks_of_clips_that_are_joined_have_a_time_of_one_of_them():
    clips = [raw_of(rows_of(20)), raw_of(rows_of(21))]
    config = QUICK_16K.replace(block_s=0.496, block_step_s=0.08, n_mfcc=3)
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
