"""Raw frames into rows: warps, joined clips, every setting, and the presets."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from gmmaudio.errors import FeatureError, SettingError
from gmmaudio.features import (
    FrameSettings,
    RawFrames,
    Rows,
    RowSettings,
    block_features,
    extract,
    feature_warping,
    make_features,
    make_rows,
    normalise_values,
    rasta,
    raw_frames,
    same_frames,
    shifted_deltas,
    sliding_cmvn,
)
from gmmaudio.features.deltas import derivatives
from gmmaudio.features.gate import passing_frames
from gmmaudio.features.settings import NORMALISATIONS
from gmmaudio.models import preset_of
from tests.features.conftest import (
    CONFIGS,
    GATED,
    LANGUAGE,
    QUICK,
    QUICK_16K,
    SETTING_NAMES,
    WARPED,
    noise,
    raw_of,
    sound,
)


@pytest.mark.parametrize("name", CONFIGS)
def test_extract_is_raw_frames_finished(name):
    samples = noise(20_000)
    rows = extract(samples, CONFIGS[name])
    expected = make_rows([raw_frames([samples], CONFIGS[name].frames)], CONFIGS[name])
    assert isinstance(rows, Rows)
    assert np.array_equal(rows.values, expected.values)
    assert np.array_equal(rows.time_s, expected.time_s)


def test_warps_pass_the_gate_together_and_are_normalised_each():
    config = WARPED.replace(gate_range_db=6.0, normalise="mean_variance")
    rows = extract(noise(40_000), config)
    plain = extract(noise(40_000), config.replace(vtln=()))
    assert 0 < len(rows) < 300
    levels = [raw_frames([noise(40_000)], config.replace(vtln=v).frames).level_db for v in ((), config.frames.vtln)]
    assert np.array_equal(*levels)
    assert np.array_equal(rows.time_s, plain.time_s)
    assert np.array_equal(rows.values[:, : config.n_columns], plain.values)
    np.testing.assert_allclose(rows.values.std(axis=0), 1.0, rtol=1e-4)  # float32


def test_frames_with_warps_serve_a_front_end_without_and_not_the_other_way_round():
    plain = WARPED.replace(vtln=())
    with_warps, without = raw_frames([noise(8_000)], WARPED.frames), raw_frames([noise(8_000)], plain.frames)
    assert same_frames(plain.frames, WARPED.frames)
    assert not same_frames(WARPED.frames, plain.frames)
    assert not same_frames(WARPED.replace(vtln=(0.9,)).frames, WARPED.frames)
    assert np.array_equal(make_rows([with_warps], plain).values, make_rows([without], plain).values)
    with pytest.raises(SettingError, match="hold fewer warps than `vtln` asks for"):
        make_rows([without], WARPED)


def test_times_of_joined_clips_start_anew():
    clips = [raw_frames([noise(1_000)], QUICK.frames), raw_frames([noise(500)], QUICK.frames)]
    assert np.array_equal(make_rows(clips, QUICK).time_s, np.concatenate([clips[0].time_s, clips[1].time_s]))


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


@pytest.mark.parametrize("name", [name for name in SETTING_NAMES if name not in ("front_end", "measure_speech")])
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


# For each new setting: what it needs beside it, and two values that must give other rows.
OTHER_CHANGES = {
    "normalise": ({}, "sliding", "warp"),
    "normalise_frames": ({"normalise": "sliding"}, 301, 31),
    "descriptors": ({}, ("centroid",), ("rolloff",)),
    "rasta": ({}, False, True),
    "speech_gate": ({}, 0.3, 0.5),
    "block_s": ({}, 0.5, 1.0),
    "block_step_s": ({"block_s": 0.5}, 0.2, 0.3),
    "n_modulation": ({"block_s": 0.5}, 4, 5),
}


@pytest.mark.parametrize("name", OTHER_CHANGES)
def test_every_setting_changes_the_rows(fake_silero, name):
    beside, one, other = OTHER_CHANGES[name]
    config = QUICK_16K.replace(**beside)
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
    one = QUICK_16K.replace(n_deltas=1)
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


@pytest.mark.parametrize(("preset", "n_columns"), [("genre", 352), ("language", 3 * 56)])
def test_presets_make_the_columns_they_promise(preset, n_columns):
    config = preset_of(preset).features
    assert config.n_features == n_columns
    assert extract(noise(config.frames.sample_rate_hz), config).values.shape[1] == n_columns


def test_there_are_two_presets_and_a_classic_model_without_frills():
    assert preset_of(None).features == make_features()


def test_the_language_preset_is_sdc_7_1_3_7_of_25_ms_frames_every_10_ms():
    assert (LANGUAGE.frames.win_length, LANGUAGE.frames.hop_length, LANGUAGE.frames.n_fft) == (400, 160, 512)
    assert (LANGUAGE.frames.n_mfcc, LANGUAGE.rows.sdc) == (7, (7, 1, 3, 7))


@pytest.mark.parametrize("preset", ["genre", "language"])
def test_presets_are_invariant_to_gain(preset):
    config = preset_of(preset).features
    samples = noise(config.frames.sample_rate_hz * 2)
    # as for c0 above
    np.testing.assert_allclose(
        extract(samples * np.float32(0.5), config).values, extract(samples, config).values, rtol=0, atol=5e-4
    )


EMPTY = np.zeros((0, 8), dtype=np.float32)
NO_FRAMES = RawFrames(EMPTY, EMPTY[:, 0], EMPTY[:, 0], EMPTY[:, 0])


@pytest.mark.parametrize(
    "function",
    [
        *(partial(normalise_values, EMPTY, method, 301) for method in NORMALISATIONS),
        partial(sliding_cmvn, EMPTY, 301),
        partial(feature_warping, EMPTY, 301),
        partial(rasta, EMPTY),
        partial(derivatives, EMPTY, 9, 1),
        partial(shifted_deltas, EMPTY, 7, 1, 3, 7),
        partial(block_features, EMPTY, EMPTY[:, 0], size=4, step=2, n_modulation=1, frames_per_s=1.0),
        *(partial(passing_frames, NO_FRAMES, rows) for rows in (RowSettings(), RowSettings(gate_range_db=30.0))),
        partial(passing_frames, NO_FRAMES, RowSettings(speech_gate=0.5)),
        *(partial(make_rows, clips, QUICK) for clips in ([NO_FRAMES], [NO_FRAMES, raw_of(np.ones((5, 8)))])),
    ],
    ids=lambda function: function.func.__name__,
)
def test_no_frames_are_refused_by_every_step(function):
    with pytest.raises(FeatureError, match="no frames; at least one is needed"):
        function()


def test_a_trial_of_no_clips_is_refused():
    with pytest.raises(FeatureError, match="no clips; at least one is needed"):
        make_rows([], QUICK)
