"""MFCC of hard sounds, all warps, against librosa; the tables in the form in which they are applied."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.errors import FeatureError
from gmmaudio.features import design_tables, make_features, raw_frames
from gmmaudio.features.front_ends import prepare_mfcc
from gmmaudio.models import PRESETS
from tests.features.conftest import CONFIGS, QUICK, hard_sounds, librosa_mel, librosa_mfcc

LANGUAGE_WARPED = PRESETS["language"]["supervector"].features
HARD = {"warped": LANGUAGE_WARPED, "odd": CONFIGS["odd"], "classic": CONFIGS["classic"], "apart": CONFIGS["apart"]}
EVERY = {f"{name} {kind}": preset.features for name, kinds in PRESETS.items() for kind, preset in kinds.items()}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("sound", hard_sounds(1))
def test_mfcc_of_all_warps_and_level_equal_librosas(name, sound):
    config = HARD[name]
    frames = config.frames
    samples = hard_sounds(70 * frames.hop_length)[sound]
    raw = raw_frames([samples], frames)
    level = 10 * np.log10(np.maximum(librosa_mel(samples, config).sum(axis=0), 1e-10))
    np.testing.assert_allclose(raw.level_db, level, rtol=1e-6, atol=1e-5)
    for k, factor in enumerate((1.0, *frames.vtln)):
        alone = config.replace(vtln=(), fmin_hz=frames.fmin_hz * factor, fmax_hz=frames.fmax_hz * factor)
        expected = librosa_mfcc(samples, alone)
        result = raw.values[:, k * frames.n_mfcc : (k + 1) * frames.n_mfcc]
        # float32 is 1.2e-7 of c0 fine, and librosa's cosine transform adds up in it; measured are at most 3 such steps
        np.testing.assert_allclose(result, expected, rtol=0, atol=5e-7 * max(500, np.abs(expected).max()))


@pytest.mark.parametrize("name", HARD)
def test_digital_silence_is_the_floor_in_every_band(name):
    frames = HARD[name].frames
    raw = raw_frames([np.zeros(30_000, np.float32)], frames)
    expected = np.zeros((len(raw), frames.n_warps, frames.n_mfcc))
    expected[:, :, 0] = -100 * np.sqrt(frames.n_mels)
    np.testing.assert_allclose(raw.values, expected.reshape(len(raw), -1), rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(raw.level_db, -100, rtol=1e-6)


@pytest.mark.parametrize("exponent", [19, 25, 30, 37])
def test_powers_that_overflow_are_refused_without_a_warning(exponent):
    samples = hard_sounds(8_000)["noise"] * np.float32(10.0**exponent)
    with pytest.raises(FeatureError, match="frames that are not finite"):
        raw_frames([samples], QUICK.frames)


def test_bands_without_a_bin_are_at_the_floor():
    with pytest.warns(UserWarning, match="Empty filters detected"):
        config = make_features(sample_rate_hz=8_000, fmax_hz=4_000.0, window_s=0.016, hop_s=0.016, n_mels=90, n_mfcc=9)
        tables = design_tables(config.frames)
    empty = ~(tables.own["mel_weights"] > 0).any(axis=2)
    assert 5 < empty.sum() < 60
    samples = hard_sounds(20_000)["noise"]
    with pytest.warns(UserWarning, match="Empty filters detected"):
        expected = librosa_mfcc(samples, config)
    # c0 of about 600
    np.testing.assert_allclose(raw_frames([samples], config.frames).values, expected, rtol=0, atol=3e-4)


@pytest.mark.parametrize("name", EVERY)
def test_blocks_of_bands_together_are_the_mel_bank(name):
    frames = EVERY[name].frames
    tables = prepare_mfcc(design_tables(frames).own, frames)
    bank = np.zeros((frames.n_fft // 2 + 1, frames.n_warps * frames.n_mels), np.float32)
    for block in tables.blocks:
        bank[block.bins, block.bands] = block.weights
    options = {"sr": frames.sample_rate_hz, "n_fft": frames.n_fft, "n_mels": frames.n_mels}
    edges = [(f * frames.fmin_hz, f * frames.fmax_hz) for f in (1.0, *frames.vtln)]
    expected = np.concatenate([librosa.filters.mel(fmin=low, fmax=high, **options) for low, high in edges])
    assert np.array_equal(bank, expected.T)


@pytest.mark.parametrize("name", ["None frames", "genre blocks", "language supervector"])
def test_frames_of_the_presets_in_blocks_of_any_size_equal_the_whole_exactly(name):
    frames = EVERY[name].frames
    n = 4 * frames.sample_rate_hz
    samples = hard_sounds(n)["burst"]
    whole = raw_frames([samples], frames)

    @settings(max_examples=10, deadline=None, derandomize=True)
    @given(st.integers(1, 70_000), st.lists(st.integers(0, n), max_size=5))
    def check(size, cuts):
        even = range(size, n, max(size, n // 50))
        raw = raw_frames(np.split(samples, sorted([*cuts, *even])), frames)
        assert np.array_equal(raw.values, whole.values)
        assert np.array_equal(raw.level_db, whole.level_db)

    check()
