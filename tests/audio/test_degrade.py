"""Degradations: their strength in decibels, shares and hertz, and the properties that they keep."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import firwin, welch

from gmmaudio.audio.degrade import (
    AUGMENTATIONS,
    DEGRADATIONS,
    add_noise,
    band_limit,
    clip,
    excerpt,
    gain,
    insert_silence,
)
from gmmaudio.audio.lossy_codecs import mp3, opus, vorbis
from gmmaudio.errors import SettingError

SR = 16_000
RATES = [8_000, 16_000, 22_050, 44_100]
NAMES = [
    "band limit 4 kHz",
    "gain -20 dB",
    "clipping",
    "10 % digital silence",
    "noise 20 dB",
    "noise 10 dB",
    "Vorbis",
    "MP3",
    "Opus",
    "5 s excerpt",
]
# each function with its other arguments, for bad and degenerate sounds
CALLS = {
    "band_limit": lambda x: band_limit(x, SR, 1_000.0),
    "gain": lambda x: gain(x, -6.0),
    "clip": lambda x: clip(x, 0.1),
    "insert_silence": lambda x: insert_silence(x, SR, 0.1, np.random.default_rng(0)),
    "add_noise": lambda x: add_noise(x, 10.0, np.random.default_rng(0)),
    "vorbis": lambda x: vorbis(x, SR),
    "mp3": lambda x: mp3(x, SR),
    "opus": lambda x: opus(x, SR),
    "excerpt": lambda x: excerpt(x, SR, 0.1),
}
ALL = CALLS | {
    name: (lambda x, f=spec.function: f(x, SR, np.random.default_rng(0))) for name, spec in DEGRADATIONS.items()
}


def music(seconds=8.0, sr=SR, seed=0):
    """Return four notes a second, of six harmonics that decay, over a little noise, shape (n,), float32."""
    rng = np.random.default_rng(seed)
    n = round(seconds * sr)
    sound = 0.005 * rng.standard_normal(n)
    t = np.arange(sr) / sr
    for start in range(0, n, sr // 4):
        pitch = 110 * 2 ** (rng.integers(36) / 12)
        partials = [np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 7) if k * pitch < sr / 2]
        note = 0.1 * np.exp(-5 * t) * np.sum(partials, axis=0)
        sound[start : start + sr] += note[: n - start]
    return sound.astype(np.float32)


def noise(n=8 * SR, seed=0, level=0.1):
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def decibels(sound, other):
    """Return the ratio of the powers of two sounds in decibels."""
    return 10 * np.log10(np.mean(np.square(sound, dtype=float)) / np.mean(np.square(other, dtype=float)))


def runs_of_zeros(sound):
    """Return the lengths of the runs of exact zeros, in samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sound == 0, [False]]).astype(int)))
    return np.diff(edges)[::2]


# --- all degradations -------------------------------------------------------------------------------------------


def test_the_conditions_of_robustness_and_their_order():
    assert list(DEGRADATIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_condition_is_its_function_with_its_setting(name):
    sound = music()
    rng = np.random.default_rng(5)
    expected = {
        "band limit 4 kHz": lambda: band_limit(sound, SR, 4_000.0),
        "gain -20 dB": lambda: gain(sound, -20.0),
        "clipping": lambda: clip(sound, 0.1),
        "10 % digital silence": lambda: insert_silence(sound, SR, 0.1, rng),
        "noise 20 dB": lambda: add_noise(sound, 20.0, rng),
        "noise 10 dB": lambda: add_noise(sound, 10.0, rng),
        "Vorbis": lambda: vorbis(sound, SR),
        "MP3": lambda: mp3(sound, SR, 24.0),
        "Opus": lambda: opus(sound, SR, 12.0),
        "5 s excerpt": lambda: excerpt(sound, SR, 5.0),
    }[name]()
    assert np.array_equal(DEGRADATIONS[name].function(sound, SR, np.random.default_rng(5)), expected)


def test_every_row_of_the_table_has_a_key_of_its_own_and_a_description():
    table = [*DEGRADATIONS.values(), *AUGMENTATIONS.values()]
    assert len({spec.name for spec in table}) == len(table)
    assert all(name == spec.name for mapping in (DEGRADATIONS, AUGMENTATIONS) for name, spec in mapping.items())
    assert all(spec.title and spec.explanation for spec in table)
    assert not any(spec.augmentation for spec in DEGRADATIONS.values())
    assert all(spec.augmentation for spec in AUGMENTATIONS.values())


def test_the_rows_that_change_the_duration_are_those_marked():
    sound = music(6.0)
    for spec in (*DEGRADATIONS.values(), *AUGMENTATIONS.values()):
        worse = spec.function(sound, SR, np.random.default_rng(0))
        assert (len(worse) != len(sound)) == spec.changes_duration, spec.name


@pytest.mark.parametrize("seed", range(3))
def test_an_augmentation_is_its_function_at_a_strength_drawn_first(seed):
    sound = music(2.0)
    expected = {
        "codec": lambda rng: vorbis(sound, SR, quality=rng.uniform(0.0, 0.3)),
        "mp3": lambda rng: mp3(sound, SR, rng.uniform(16.0, 48.0)),
        "opus": lambda rng: opus(sound, SR, rng.uniform(8.0, 24.0)),
        "band": lambda rng: band_limit(sound, SR, rng.uniform(3_000.0, 5_500.0)),
        "noise": lambda rng: add_noise(sound, rng.uniform(10.0, 25.0), rng),
        "gain": lambda rng: gain(sound, rng.uniform(-20.0, 0.0)),
    }
    assert list(AUGMENTATIONS) == list(expected)
    for name, function in expected.items():
        worse = AUGMENTATIONS[name].function(sound, SR, np.random.default_rng(seed))
        assert np.array_equal(worse, function(np.random.default_rng(seed))), name


@pytest.mark.parametrize("name", ALL)
def test_the_input_is_not_modified_and_shares_no_memory_with_the_output(name):
    sound = music(6.0)
    before = sound.copy()
    worse = ALL[name](sound)
    assert np.array_equal(sound, before)
    assert not np.shares_memory(sound, worse)
    assert worse.dtype == np.float32
    assert worse.flags.writeable
    assert np.isfinite(worse).all()
    assert not np.array_equal(worse, before)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 63, 1_599])
def test_a_very_short_sound_keeps_its_length(name, n):
    sound = noise(n)
    worse = ALL[name](sound)
    assert worse.shape == (n,)
    assert worse.dtype == np.float32
    assert np.isfinite(worse).all()
    assert not np.shares_memory(sound, worse)


@pytest.mark.parametrize("name", ALL)
def test_silence_stays_silent(name):
    assert not ALL[name](np.zeros(SR, dtype=np.float32)).any()


@pytest.mark.parametrize("name", ALL)
def test_the_loudest_sound_that_is_read_stays_finite(name):
    loud = noise(2 * SR, level=1.0)
    loud *= np.float32(0.99e30) / np.abs(loud).max()
    assert np.isfinite(ALL[name](loud)).all()


@pytest.mark.parametrize("name", ALL)
def test_float64_and_strides_are_taken_as_float32(name):
    sound = music(2.0)
    spread = np.zeros(2 * len(sound))
    spread[::2] = sound
    assert np.array_equal(ALL[name](spread[::2]), ALL[name](sound))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 2), dtype=np.float32), r"shape \(4, 2\) and type float32; expected \(n,\) floating.*average"),
        (np.zeros(4, dtype=np.int16), r"shape \(4,\) and type int16; expected \(n,\) floating.*divide integers"),
        (np.float32(0.5), r"shape \(\) and type float32"),
        (np.array([0.0, np.nan]), "samples are not all finite and below 1e"),
        (np.array([0.0, -np.inf]), "samples are not all finite and below 1e"),
        (np.array([0.0, 1e300]), "samples are not all finite and below 1e"),
        (np.array([0.0, -1.01e30]), "samples are not all finite and below 1e"),
    ],
)
def test_samples_that_are_not_mono_sound_are_refused(name, bad, message):
    with pytest.raises(SettingError, match=message):
        CALLS[name](bad)


@pytest.mark.parametrize("sr", [0, -1, 3_999, 384_001, float("nan")])
def test_a_rate_out_of_bounds_is_refused(sr):
    rng = np.random.default_rng(0)
    for call in (
        lambda x: band_limit(x, sr, 1_000.0),
        lambda x: insert_silence(x, sr, 0.1, rng),
        lambda x: vorbis(x, sr),
        lambda x: mp3(x, sr),
        lambda x: opus(x, sr),
        lambda x: excerpt(x, sr, 1.0),
    ):
        with pytest.raises(SettingError, match=f"sr is {sr}; expected 4000 to 384000 Hz"):
            call(noise(100))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, _: band_limit(x, SR, 19.9), "cutoff_hz is 19.9; expected 20 Hz or more"),
        (lambda x, _: band_limit(x, SR, float("nan")), "cutoff_hz is nan"),
        (lambda x, _: gain(x, 100.1), "db is 100.1; expected -100 to 100 dB"),
        (lambda x, _: gain(x, float("-inf")), "db is -inf"),
        (lambda x, _: clip(x, 1.0), "share is 1.0; expected 0 to below 1"),
        (lambda x, _: clip(x, -0.1), "share is -0.1"),
        (lambda x, rng: insert_silence(x, SR, 1.1, rng), "share is 1.1; expected 0 to 1"),
        (lambda x, rng: insert_silence(x, SR, float("nan"), rng), "share is nan"),
        (lambda x, rng: add_noise(x, -101.0, rng), "snr_db is -101.0; expected -100 to 100 dB"),
        (lambda x, rng: add_noise(x, float("inf"), rng), "snr_db is inf"),
        (lambda x, _: vorbis(x, 192_001), "sr is 192001; Vorbis takes up to 192000 Hz: resample first"),
        (lambda x, _: vorbis(x, SR, -0.1), "quality is -0.1; expected 0 to 1"),
        (lambda x, _: vorbis(x, SR, 1.1), "quality is 1.1"),
        (lambda x, _: mp3(x, SR, 7.9), "kbps is 7.9; expected 8 to 320 kb/s"),
        (lambda x, _: mp3(x, SR, float("nan")), "kbps is nan"),
        (lambda x, _: opus(x, SR, 5.9), "kbps is 5.9; expected 6 to 256 kb/s"),
        (lambda x, _: opus(x, SR, 257.0), "kbps is 257.0"),
        (lambda x, _: excerpt(x, SR, 0.0), "seconds is 0.0; expected more than 0"),
        (lambda x, _: excerpt(x, SR, float("inf")), "seconds is inf"),
    ],
)
@pytest.mark.parametrize("n", [0, 100])
def test_a_setting_out_of_bounds_is_refused_whatever_the_sound(call, message, n):
    with pytest.raises(SettingError, match=message):
        call(noise(n), np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name):
    sound = music(6.0)
    first, again, other = (DEGRADATIONS[name].function(sound, SR, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    by_chance = name in {"10 % digital silence", "noise 20 dB", "noise 10 dB"}
    assert np.array_equal(first, other) != by_chance


def test_the_import_loads_neither_scipy_nor_soundfile():
    code = "import sys, gmmaudio.audio.degrade; sys.exit(bool({'scipy', 'soundfile'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- band limit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr", [16_000, 22_050, 44_100, 96_000])
def test_4_khz_passes_below_3500_hz_and_stops_above_5_khz(sr):
    sound = noise(10 * sr)
    hertz, before = welch(sound.astype(float), sr, nperseg=2_048)
    _, after = welch(band_limit(sound, sr, 4_000.0).astype(float), sr, nperseg=2_048)
    change = 10 * np.log10(after / before)
    # the parts of the estimate that leak from band to band of the window are far below these bounds
    assert np.abs(change[(hertz > 50) & (hertz < 3_500)]).max() < 0.1
    assert change[hertz > 5_000].max() < -58


def test_the_band_limit_is_a_symmetric_filter_with_the_response_it_states():
    impulse = np.zeros(4_001, dtype=np.float32)
    impulse[2_000] = 1
    response = band_limit(impulse, 22_050, 4_000.0).astype(float)
    # an FFT in single precision computed it
    assert np.allclose(response, response[::-1], rtol=0, atol=1e-7)
    hertz = np.fft.rfftfreq(4_001, 1 / 22_050)
    level = 20 * np.log10(np.abs(np.fft.rfft(response)))
    assert np.abs(level[hertz <= 3_600]).max() < 0.1
    assert level[hertz >= 4_400].max() < -60
    assert level[np.abs(hertz - 4_000).argmin()] == pytest.approx(-6, abs=0.2)


def test_the_band_limit_is_a_plain_convolution_with_silence_around():
    sound = noise(500)
    # 65 dB ask for a Kaiser beta of 0.1102 (65 - 8.7), and (65 - 7.95) / (2.285 pi 0.1) + 1 taps: 81 of them
    taps = firwin(81, 4_000.0, window=("kaiser", 0.1102 * 56.3), fs=SR)
    assert np.allclose(band_limit(sound, SR, 4_000.0), np.convolve(sound, taps, "same"), rtol=0, atol=1e-6)


def test_a_tone_below_the_limit_is_neither_attenuated_nor_delayed():
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(SR) / SR)).astype(np.float32)
    assert np.allclose(band_limit(tone, SR, 4_000.0)[200:-200], tone[200:-200], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("sr", "cutoff"), [(8_000, 4_000.0), (4_000, 4_000.0), (SR, 8_000.0), (SR, float("inf"))])
def test_a_limit_at_or_above_nyquist_changes_nothing(sr, cutoff):
    sound = noise(1_000)
    assert np.array_equal(band_limit(sound, sr, cutoff), sound)


def test_the_limit_and_the_rate_each_change_the_result():
    sound = noise()
    kept = [decibels(band_limit(sound, SR, cutoff), sound) for cutoff in (500.0, 1_000.0, 2_000.0, 4_000.0)]
    # of white noise, half the band has half the power; the filter lets a quarter through at the limit and not half
    assert kept == pytest.approx([10 * np.log10(1 / (16 >> i)) for i in range(4)], abs=0.2)
    assert decibels(band_limit(sound, 2 * SR, 4_000.0), sound) == pytest.approx(10 * np.log10(1 / 4), abs=0.2)


# --- gain, clipping -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("db", "factor"), [(-20.0, 0.1), (0.0, 1.0), (40.0, 100.0), (-100.0, 1e-5), (100.0, 1e5)])
def test_gain_is_a_factor(db, factor):
    sound = music(1.0)
    assert np.allclose(gain(sound, db), sound * factor, rtol=1e-6, atol=0)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 0.99])
def test_the_stated_share_of_samples_is_clipped_and_no_other_changes(share):
    sound = music()
    clipped = clip(sound, share)
    level = np.abs(clipped).max()
    assert (clipped != sound).sum() == int(share * len(sound))
    loud = np.abs(sound) > level
    assert np.array_equal(loud, clipped != sound)
    assert np.array_equal(clipped[loud], np.sign(sound[loud]) * level)


def test_clipping_gaussian_noise_is_at_the_normal_quantile():
    # 90 % of a normal variable are within 1.645 standard deviations; a quantile of 128,000 draws errs by less than 0.01
    assert np.abs(clip(noise(level=1.0), 0.1)).max() == pytest.approx(1.645, abs=0.02)


def test_clipping_scales_with_the_level():
    sound = music(2.0)
    assert np.array_equal(clip(4 * sound, 0.1), 4 * clip(sound, 0.1))


def test_digital_silence_does_not_lower_the_level_of_clipping():
    sound = music(1.0)
    padded = np.concatenate([np.zeros(20 * SR, dtype=np.float32), sound])
    assert np.array_equal(clip(padded, 0.1)[20 * SR :], clip(sound, 0.1))


def test_a_square_wave_has_nothing_to_clip():
    square = np.sign(np.sin(np.arange(1_000.0) + 0.5)).astype(np.float32)
    assert np.array_equal(clip(square, 0.5), square)


# --- digital silence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("n", [7, 1_000, 60 * SR])
def test_exactly_the_share_is_silent_and_the_rest_is_unchanged(n, share, seed):
    sound = np.abs(noise(n)) + np.float32(0.1)
    holed = insert_silence(sound, SR, share, np.random.default_rng(seed))
    assert (holed == 0).sum() == round(share * n)
    assert np.array_equal(holed[holed != 0], sound[holed != 0])


@pytest.mark.parametrize("sr", RATES)
def test_gaps_are_a_tenth_to_half_a_second_long_and_one_may_be_shorter(sr):
    holed = insert_silence(np.ones(120 * sr, dtype=np.float32), sr, 0.1, np.random.default_rng(0))
    seconds = np.sort(runs_of_zeros(holed) / sr)
    # 12 s of gaps of 0.3 s in the mean
    assert 30 <= len(seconds) <= 50
    # none touch with this seed
    assert seconds[1:].min() >= 0.1
    assert seconds.max() <= 0.5
    # the error of the mean of 40 such lengths is 0.02
    assert seconds[1:].mean() == pytest.approx(0.3, abs=0.06)


def test_gaps_are_as_likely_in_every_part():
    sound = np.ones(30 * SR, dtype=np.float32)
    silent = np.mean([insert_silence(sound, SR, 0.1, np.random.default_rng(seed)) == 0 for seed in range(200)], axis=0)
    # 200 times ten gaps: a fifth has 400 of them, give or take 5 %
    assert np.array([part.mean() for part in np.split(silent, 5)]) == pytest.approx(0.1, abs=0.02)


# --- noise --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr", [-20.0, 0.0, 10.0, 20.0, 60.0])
@pytest.mark.parametrize("level", [1e-3, 1.0])
def test_the_noise_has_the_stated_ratio(snr, level):
    sound = music() * np.float32(level)
    added = add_noise(sound, snr, np.random.default_rng(0)).astype(float) - sound
    # at 60 dB, rounding to 24 bits adds -84 dB to the noise
    assert decibels(sound, added) == pytest.approx(snr, abs=1e-3)


def test_the_noise_is_white_gaussian_and_uncorrelated_with_the_sound():
    sound = music(30.0)
    added = add_noise(sound, 0.0, np.random.default_rng(0)).astype(float) - sound
    added /= added.std()
    _, spectrum = welch(added, nperseg=64, detrend=False)
    # 15,000 windows estimate each band to 1 %; the two at the ends have no mirror image to be added
    assert spectrum[1:-1] == pytest.approx(np.full(31, 2.0), rel=0.05)
    # 480,000 draws: errors of the mean, skewness and kurtosis below 0.0015, 0.0036, 0.0071
    assert added.mean() == pytest.approx(0, abs=0.006)
    assert (added**3).mean() == pytest.approx(0, abs=0.015)
    assert (added**4).mean() == pytest.approx(3, abs=0.03)
    assert abs(np.corrcoef(added, sound)[0, 1]) < 0.006


def test_noise_is_not_clipped_at_full_scale():
    assert np.abs(add_noise(np.ones(SR, dtype=np.float32), 0.0, np.random.default_rng(0))).max() > 3


# --- excerpt ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 80_000, 80_001, 480_000])
def test_the_excerpt_is_the_middle(n):
    sound = np.arange(n, dtype=np.float32)
    middle = excerpt(sound, SR, 5.0)
    assert len(middle) == min(n, 80_000)
    assert middle.base is None
    assert np.array_equal(middle, sound[int(middle[0]) : int(middle[-1]) + 1])
    before, after = middle[0], n - 1 - middle[-1]
    assert before == after or before + 1 == after


def test_the_length_and_the_rate_of_an_excerpt_count():
    sound = noise(1_000)
    assert len(excerpt(sound, SR, 0.01)) == 160
    assert len(excerpt(sound, SR, 0.02)) == 320
    assert len(excerpt(sound, 2 * SR, 0.01)) == 320
    assert len(excerpt(sound, SR, 1e-9)) == 1
