"""Levels and band limits of sounds whose own are known."""

import numpy as np
import pytest
import soxr
from scipy.signal import butter, sosfilt

from gmmaudio.audio.degrade import band_limit
from gmmaudio.audio.sound_facts import find_band_limit, measure_level

SR = 22_050


def noise(slope=0.0, seconds=10, seed=0):
    """Return noise whose spectrum falls by ``slope`` decibels an octave, float32."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=SR * seconds))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-slope / (20 * np.log10(2)))
    y = np.fft.irfft(spectrum)
    return (0.1 * y / y.std()).astype(np.float32)


@pytest.mark.parametrize("peak", [1.0, 0.01])
def test_the_level_of_a_sine_is_3_db_below_its_peak(peak):
    y = (peak * np.sin(2 * np.pi * 100 * np.arange(SR) / SR)).astype(np.float32)
    assert measure_level(y) == pytest.approx(20 * np.log10(peak) - 3.0103, abs=1e-3)
    assert measure_level(np.zeros(10, np.float32)) == -200


@pytest.mark.parametrize("slope", [0.0, 6.0])
@pytest.mark.parametrize("cutoff_hz", [3_400, 5_000, 7_000])
def test_a_steep_filter_is_the_limit(slope, cutoff_hz):
    y = band_limit(noise(slope), SR, cutoff_hz)
    # somewhere in the gap around its edge
    assert find_band_limit(y, SR) == pytest.approx(cutoff_hz, abs=600)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000])
def test_sound_that_was_resampled_ends_where_its_rate_did(rate_hz):
    y = soxr.resample(soxr.resample(noise(), SR, rate_hz), rate_hz, SR).astype(np.float32)
    assert find_band_limit(y, SR) == pytest.approx(rate_hz / 2, abs=600)


@pytest.mark.parametrize("slope", [0.0, 6.0, 12.0, 18.0])
def test_noise_that_falls_as_music_does_has_no_limit(slope):
    assert find_band_limit(noise(slope), SR) == SR / 2


def test_a_gentle_filter_is_no_limit():
    y = sosfilt(butter(2, 3_000, fs=SR, output="sos"), noise()).astype(np.float32)
    assert find_band_limit(y, SR) == SR / 2


@pytest.mark.parametrize(("sr", "n"), [(SR, 2_000), (4_000, 8_000)])
def test_sound_that_is_short_or_of_a_low_rate_has_half_of_its_rate(sr, n):
    assert find_band_limit(noise()[:n], sr) == sr / 2


def test_a_limit_does_not_depend_on_the_level():
    y = band_limit(noise(), SR, 5_000)
    assert find_band_limit(y, SR) == find_band_limit(y * np.float32(1e-3), SR)
