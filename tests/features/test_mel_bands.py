"""Mel bands: the same bits as librosa's, at any rate, length, number of bands and edges."""

import itertools
import warnings

import librosa
import numpy as np
import pytest

from gmmaudio.features.mel_bands import mel_bank

EDGES = [(0.0, 0.5), (20.0, 0.45), (60.3, 0.4), (1_200.0, 0.5)]


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 22_050, 48_000])
def test_bands_are_librosas(sample_rate_hz):
    for n_fft, n_mels, (fmin_hz, high) in itertools.product((256, 400, 2048), (2, 23, 40, 128), EDGES):
        edges = fmin_hz, high * sample_rate_hz
        with warnings.catch_warnings():
            # many bands of few bins have none
            warnings.simplefilter("ignore", UserWarning)
            bank = mel_bank(sample_rate_hz, n_fft, n_mels, *edges)
            options = {"fmin": edges[0], "fmax": edges[1]}
            expected = librosa.filters.mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels, **options)
        assert bank.dtype == expected.dtype
        assert np.array_equal(bank, expected)


def test_a_band_without_a_bin_is_warned_of_but_not_below_the_first_bin():
    with pytest.warns(UserWarning, match="no bin is in some of them; use fewer bands"):
        bank = mel_bank(8_000, 128, 90, 0.0, 4_000.0)
    assert (bank.max(axis=1) == 0).any()
    # as in librosa: a first band at 0 Hz may be narrower than a bin
    bank = mel_bank(8_000, 128, 12, 0.0, 4_000.0)
    assert bank.max(axis=1).all()
