"""Spectra of frames: librosa's to the bit, in any number and of any length."""

import librosa
import numpy as np
import pytest

from gmmaudio.features import design_tables, spectrum
from gmmaudio.features.spectrum import ShortTimeSpectrum
from tests.features.conftest import CONFIGS, QUICK, hard_sounds, noise


def librosa_magnitude(samples, settings):
    """Return librosa's magnitudes of all whole frames, shape (n, n_bins)."""
    transform = librosa.stft(
        samples,
        n_fft=settings.n_fft,
        hop_length=settings.hop_length,
        win_length=settings.win_length,
        window=settings.window,
        center=False,
    )
    return np.abs(transform).T


def assert_same_bits(magnitude, expected):
    """Raise unless magnitudes are the same bits; those of numpy 1, which transforms columns otherwise, to 1e-15."""
    if spectrum.HAS_PLACE:
        assert np.array_equal(magnitude, expected)
    np.testing.assert_allclose(magnitude, expected, rtol=2.5e-7, atol=1e-14 * expected.max())


@pytest.mark.parametrize("name", CONFIGS)
def test_spectra_have_the_bits_of_librosas(name):
    settings = CONFIGS[name].frames
    transform = ShortTimeSpectrum(design_tables(settings).window, settings.hop_length, 50)
    for samples in hard_sounds(49 * settings.hop_length + settings.n_fft).values():
        magnitude, power = transform.analyse(samples)
        assert (magnitude.dtype, power.dtype) == (np.float32, np.float32)
        assert_same_bits(magnitude, librosa_magnitude(samples, settings))
        assert np.array_equal(power, magnitude**2)


@pytest.mark.parametrize("has_place", [True, False] if spectrum.HAS_PLACE else [False])
def test_fewer_frames_than_there_is_memory_for_are_the_same_bits(monkeypatch, has_place):
    monkeypatch.setattr(spectrum, "HAS_PLACE", has_place)
    settings = QUICK.frames
    transform = ShortTimeSpectrum(design_tables(settings).window, settings.hop_length, 9)
    samples = noise(8 * settings.hop_length + settings.n_fft)
    expected = librosa_magnitude(samples, settings)
    for n in (9, 1, 4, 9):
        cut = samples[: (n - 1) * settings.hop_length + settings.n_fft]
        # samples after the last whole frame belong to none
        for more in (0, settings.hop_length - 1):
            longer = samples[: len(cut) + more]
            assert len(transform.analyse(longer)[0]) == n
            assert_same_bits(transform.analyse(longer)[0], expected[:n])


def test_every_place_of_the_samples_in_memory_gives_the_same_bits():
    settings = QUICK.frames
    transform = ShortTimeSpectrum(design_tables(settings).window, settings.hop_length, 9)
    samples = noise(8 * settings.hop_length + settings.n_fft)
    expected = transform.analyse(samples)[0].copy()
    for offset in range(1, 17):
        moved = np.zeros(len(samples) + offset, np.float32)
        moved[offset:] = samples
        assert np.array_equal(transform.analyse(moved[offset:])[0], expected)
