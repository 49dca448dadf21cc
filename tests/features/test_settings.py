"""Settings: defaults, bounds, derived numbers, dictionaries of this format and older ones, their description."""

import dataclasses
import json
import re

import numpy as np
import pytest

from gmmaudio.errors import GmmaudioError, SettingError
from gmmaudio.features import (
    DESCRIPTORS,
    FeatureSettings,
    FrameSettings,
    RowSettings,
    describe,
    extract,
    make_features,
)
from tests.features.conftest import (
    CONFIGS,
    GATED,
    MUSIC,
    QUICK,
    SETTING_NAMES,
    noise,
)


def test_the_default_settings_are_librosas():
    config = make_features()
    assert (config.frames.win_length, config.frames.hop_length, config.frames.n_fft) == (2_048, 512, 2_048)
    assert (config.frames.sample_rate_hz, config.frames.n_mels, config.frames.n_mfcc, config.n_features) == (
        22_050,
        128,
        20,
        20,
    )
    assert config.frames.frames_per_s == pytest.approx(22_050 / 512)


@pytest.mark.parametrize(
    ("window_s", "n_fft"), [(0.025, 256), (0.032, 256), (0.033, 512), (0.064, 512), (1.0, 8_192), (0.002, 16)]
)
def test_the_fft_is_the_next_power_of_two(window_s, n_fft):
    assert QUICK.replace(window_s=window_s).frames.n_fft == n_fft


@pytest.mark.parametrize(
    ("changes", "n_features"),
    [
        ({}, 8),
        ({"n_deltas": 1}, 16),
        ({"n_deltas": 2}, 24),
        ({"sdc": (7, 1, 3, 7)}, 57),
        ({"n_deltas": 2, "sdc": (2, 1, 1, 3)}, 30),
        ({"n_deltas": 1, "vtln": (0.9, 0.8)}, 48),
    ],
)
def test_n_features_is_what_is_made(changes, n_features):
    config = QUICK.replace(**changes)
    assert config.n_features == n_features == extract(noise(2_000), config).values.shape[1]


def test_columns_of_frames_and_features_of_rows_are_counted():
    assert (MUSIC.n_columns, MUSIC.n_features) == (32, 32)
    blocks = MUSIC.replace(block_s=6.0)
    assert (blocks.n_columns, blocks.n_features) == (32, 32 * (3 + 8))
    assert (blocks.block_frames, blocks.block_step) == (258, 129)
    assert blocks.replace(n_deltas=1, n_modulation=2).n_features == 52 * 5


def test_settings_cannot_be_changed_and_are_given_by_name():
    with pytest.raises(dataclasses.FrozenInstanceError):
        QUICK.frames.n_mfcc = 9
    with pytest.raises(TypeError, match="positional"):
        FrameSettings(22_050)
    with pytest.raises(TypeError, match="positional"):
        RowSettings(1)


def test_factors_of_any_kind_of_number_travel():
    config = QUICK.replace(fmax_hz=3_000.0, vtln=np.array([0.9, 1.2], dtype=np.float32))
    assert FeatureSettings.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_equal_settings_are_equal_and_hash_alike():
    assert QUICK.replace(sdc=[7, 1, 3, 7]) == QUICK.replace(sdc=(7, 1, 3, 7))
    assert len({QUICK, QUICK.replace(), QUICK.replace(n_mfcc=9)}) == 2


BAD_SETTINGS = [
    ({"front_end": "plp"}, "front_end is 'plp'; expected one of mfcc"),
    ({"front_end": None}, "front_end is None; expected one of mfcc"),
    ({"sample_rate_hz": 3_999}, "sample_rate_hz is 3999; expected 4000 to 384000"),
    ({"sample_rate_hz": 384_001}, "sample_rate_hz is 384001; expected 4000 to 384000"),
    ({"window_s": 0.0019}, "window_s is 0.0019; expected 0.002 to 1"),
    ({"window_s": 1.1}, "window_s is 1.1; expected 0.002 to 1"),
    ({"window_s": 2_048}, "window_s is 2048; expected 0.002 to 1"),
    ({"window_s": float("nan")}, "window_s is nan; expected a finite number"),
    ({"hop_s": 0.0}, "hop_s is 0; expected 0.001 to 1"),
    ({"hop_s": float("inf")}, "hop_s is inf; expected a finite number"),
    ({"window": "hanning"}, "window is 'hanning'; expected one of hann, hamming"),
    ({"window": None}, "window is None; expected one of hann, hamming"),
    ({"preemphasis": -0.1}, "preemphasis is -0.1; expected 0 to 1"),
    ({"preemphasis": 1.01}, "preemphasis is 1.01; expected 0 to 1"),
    ({"n_mels": 1}, "n_mels is 1; expected 2 to 512"),
    ({"n_mels": 513}, "n_mels is 513; expected 2 to 512"),
    ({"fmin_hz": -1.0}, "fmin_hz is -1; expected 0 to 11024"),
    ({"fmin_hz": 11_025.0}, "fmin_hz is 11025; expected 0 to 11024"),
    ({"fmin_hz": 3_000.0, "fmax_hz": 2_000.0}, "fmin_hz is 3000; expected 0 to 1999"),
    ({"fmax_hz": 11_026.0}, "fmax_hz is 11026; expected 1 to 11025"),
    ({"sample_rate_hz": 16_000}, "fmax_hz is 11025; expected 1 to 8000"),
    ({"n_mfcc": 0}, "n_mfcc is 0; expected 1 to 128"),
    ({"n_mfcc": 129}, "n_mfcc is 129; expected 1 to 128"),
    ({"n_mfcc": 20, "n_mels": 19}, "n_mfcc is 20; expected 1 to 19"),
    ({"n_deltas": -1}, "n_deltas is -1; expected 0 to 2"),
    ({"n_deltas": 3}, "n_deltas is 3; expected 0 to 2"),
    ({"delta_frames": 1}, "delta_frames is 1; expected 3 to 101"),
    ({"delta_frames": 103}, "delta_frames is 103; expected 3 to 101"),
    ({"delta_frames": 8}, "delta_frames is 8; expected an odd number"),
    ({"sdc": (7, 1, 3)}, "sdc is (7, 1, 3); expected 4 whole numbers, or None"),
    ({"sdc": ()}, "sdc is (); expected 4 whole numbers, or None"),
    ({"sdc": (0, 1, 3, 7)}, "sdc is (0, 1, 3, 7); expected (N, d, P, k), each 1 to 100"),
    ({"sdc": (7, 1, 0, 7)}, "sdc is (7, 1, 0, 7); expected (N, d, P, k), each 1 to 100"),
    ({"sdc": (21, 1, 3, 7)}, "sdc is (21, 1, 3, 7); expected (N, d, P, k), each 1 or more, N at most 20"),
    ({"gate_range_db": 0.05}, "gate_range_db is 0.05; expected 0.1 to 200"),
    ({"gate_range_db": -60.0}, "gate_range_db is -60; expected 0.1 to 200"),
    ({"gate_range_db": 201.0}, "gate_range_db is 201; expected 0.1 to 200"),
    ({"gate_percentile": -1.0}, "gate_percentile is -1; expected 0 to 100"),
    ({"gate_percentile": 100.5}, "gate_percentile is 100.5; expected 0 to 100"),
    ({"gate_floor_db": 0.05}, "gate_floor_db is 0.05; expected 0.1 to 60"),
    ({"gate_floor_db": 61.0}, "gate_floor_db is 61; expected 0.1 to 60"),
    ({"gate_margin": -1}, "gate_margin is -1; expected 0 to 100"),
    ({"gate_margin": 101}, "gate_margin is 101; expected 0 to 100"),
    ({"vtln": (0.9,), "fmax_hz": 0.0}, "fmin_hz is 0; expected 0 to -1"),
    *(
        (
            {"vtln": given},
            f"vtln is {given!r}; expected at most 8 different factors, none of them 1, such as (0.92, 1.08)",
        )
        for given in (
            "0.9",
            0.9,
            None,
            (0.9, [1]),
            (0.9, 0.9),
            (1.0,),
            (True,),
            tuple(0.9 + k / 1000 for k in range(9)),
        )
    ),
    ({"vtln": (0.9, 0.4)}, "vtln is 0.4; expected 0.5 to 1"),
    ({"vtln": (1.1,)}, "vtln is 1.1; expected 0.5 to 1"),
    ({"vtln": (2.1,), "fmax_hz": 4_000.0}, "vtln is 2.1; expected 0.5 to 2"),
    (
        {"vtln": (0.9,), "descriptors": ("onset",)},
        "vtln warps cepstra only; leave out `vtln` or `descriptors`",
    ),
    (
        {"vtln": (0.9,), "block_s": 3.0},
        "vtln warps cepstra only; leave out `vtln` or `block_s`",
    ),
    ({"normalise": "cmvn"}, "normalise is 'cmvn'; expected one of none, c0, mean, mean_variance, sliding, warp"),
    ({"normalise": None}, "normalise is None; expected one of none, c0, mean, mean_variance, sliding, warp"),
    ({"normalise_frames": 300}, "normalise_frames is 300; expected an odd number"),
    ({"normalise_frames": 1}, "normalise_frames is 1; expected 3 to 3001"),
    ({"descriptors": ("chroma",)}, f"descriptors holds 'chroma'; expected any of {', '.join(DESCRIPTORS)}"),
    (
        {"descriptors": ("contrast",), "sample_rate_hz": 8_000, "fmax_hz": 4_000.0},
        "sample_rate_hz is 8000; spectral contrast needs more than 12,800",
    ),
    ({"rasta": 2}, "rasta is 2; expected True or False"),
    ({"measure_speech": None}, "measure_speech is None; expected True or False"),
    ({"speech_gate": 0.5, "measure_speech": False}, "speech_gate is 0.5; it needs `measure_speech`"),
    ({"speech_gate": 1.5}, "speech_gate is 1.5; expected 0 to 1"),
    (
        {"speech_gate": 0.5, "sample_rate_hz": 8_000, "fmax_hz": 4_000.0},
        "sample_rate_hz is 8000; the speech gate needs 16000",
    ),
    ({"block_s": 0.05}, "block_s is 0.05; expected 0.1 to 600"),
    ({"block_step_s": 0.0}, "block_step_s is 0; expected 0.05 to 600"),
    ({"n_modulation": 0}, "n_modulation is 0; expected 1 to 64"),
    ({"n_modulation": 2.5}, "n_modulation is 2.5; expected a whole number"),
    ({"descriptors": ("contrast", "tempo")}, "descriptors holds 'tempo'; expected any of " + ", ".join(DESCRIPTORS)),
    ({"descriptors": "onset"}, "descriptors is 'onset'; expected a list of strings"),
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
    ({"normalise_frames": 3_003}, "normalise_frames is 3003; expected 3 to 3001"),
    ({"normalise_frames": 301.0}, "normalise_frames is 301.0; expected a whole number"),
    ({"speech_gate": 0.5}, "sample_rate_hz is 22050; the speech gate needs 16000"),
    ({"speech_gate": 1.1}, "speech_gate is 1.1; expected 0 to 1"),
    ({"speech_gate": -0.1}, "speech_gate is -0.1; expected 0 to 1"),
    ({"speech_gate": float("nan")}, "speech_gate is nan; expected a finite number, or None"),
    ({"block_s": 0.0}, "block_s is 0; expected 0.1 to 600"),
    ({"block_s": float("inf")}, "block_s is inf; expected a finite number, or None"),
    ({"block_step_s": 601.0}, "block_step_s is 601; expected 0.05 to 600"),
    ({"n_modulation": 65}, "n_modulation is 65; expected 1 to 64"),
    ({"n_modulation": 8.5}, "n_modulation is 8.5; expected a whole number"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_SETTINGS, ids=[message for _, message in BAD_SETTINGS])
def test_a_setting_outside_its_bounds_is_refused(changes, message):
    with pytest.raises(SettingError) as caught:
        make_features(**changes)
    assert str(caught.value) == message
    assert isinstance(caught.value, GmmaudioError)


def test_every_setting_has_a_bad_value_here():
    assert {name for changes, _ in BAD_SETTINGS for name in changes} == set(SETTING_NAMES)


def test_a_gate_of_0_db_is_refused():
    with pytest.raises(SettingError) as caught:
        make_features(gate_range_db=0.0)
    assert str(caught.value) == "gate_range_db is 0; expected 0.1 to 200"


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate_hz": 4_000, "fmax_hz": 2_000.0},
        {"sample_rate_hz": 384_000},
        {"window_s": 0.002, "hop_s": 0.001},
        {"window_s": 1.0, "hop_s": 1.0},
        {"preemphasis": 1.0},
        {"n_mels": 2, "n_mfcc": 1},
        {"n_mels": 512},
        {"fmin_hz": 11_024.0},
        {"n_mfcc": 128},
        {"delta_frames": 3},
        {"delta_frames": 101},
        {"sdc": (1, 1, 1, 1)},
        {"sdc": (20, 1, 3, 7)},
        {"gate_range_db": 0.1},
        {"gate_range_db": 200.0},
        {"gate_percentile": 0.0},
        {"gate_floor_db": 0.1},
        {"gate_floor_db": 60.0},
        {"vtln": (0.5, 0.9)},
        {"gate_margin": 0},
        {"gate_margin": 100},
    ],
    ids=str,
)
def test_a_setting_at_its_bound_is_taken(changes):
    config = make_features(**changes)
    values = config.to_dict()
    assert {name: {**values["frames"], **values["rows"]}[name] for name in changes} == changes


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_survive_json(name):
    config = CONFIGS[name]
    values = json.loads(json.dumps(config.to_dict()))
    assert list(values) == ["frames", "rows"]
    assert [*values["frames"], *values["rows"]] == SETTING_NAMES
    again = FeatureSettings.from_dict(values)
    assert again == config
    assert hash(again) == hash(config)
    assert FeatureSettings.from_dict(config.to_dict()) == config


def test_settings_survive_json_and_older_ones_have_the_defaults():
    config = GATED.replace(
        descriptors=DESCRIPTORS, rasta=True, normalise="warp", normalise_frames=99, block_s=2.5, n_modulation=3
    )
    again = FeatureSettings.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    new = {"normalise_frames", "descriptors", "rasta", "speech_gate", "block_s", "block_step_s", "n_modulation"}
    older = {
        name: value for owner in make_features().to_dict().values() for name, value in owner.items() if name not in new
    }
    assert FeatureSettings.from_dict(older) == make_features()


def test_every_setting_has_one_owner():
    assert len(set(SETTING_NAMES)) == len(SETTING_NAMES)
    features = make_features(n_mfcc=9, n_deltas=1)
    assert features == FeatureSettings(FrameSettings(n_mfcc=9), RowSettings(n_deltas=1))
    assert features.replace() == features
    assert features.replace(n_deltas=0) == make_features(n_mfcc=9)


def test_names_that_no_owner_has_are_refused():
    with pytest.raises(SettingError, match="unknown feature settings delta, n_gammatones; expected any of front_end, "):
        make_features(n_mfcc=13, n_gammatones=40, delta=1)
    with pytest.raises(SettingError, match="unknown feature settings frames; expected any of "):
        make_features().replace(frames=FrameSettings())


def test_a_speech_gate_measures_speech_and_without_one_it_may_be_measured():
    gated = make_features(sample_rate_hz=16_000, fmax_hz=8_000.0, speech_gate=0.5)
    assert gated.frames.measure_speech
    assert gated.replace(n_mfcc=5).frames.measure_speech
    assert not gated.replace(speech_gate=None).frames.measure_speech
    measured = gated.replace(speech_gate=None, measure_speech=True)
    assert (measured.rows.speech_gate, measured.frames) == (None, gated.frames)
    flat = {"sample_rate_hz": 16_000, "fmax_hz": 8_000.0, "speech_gate": 0.5}
    assert FeatureSettings.from_dict(flat) == gated


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"frames": {"sdc": None}}, "sdc"),
        ({"rows": {"n_mfcc": 5}}, "n_mfcc"),
        ({"frames": {}, "rows": {}, "blocks": {}}, "blocks"),
        ({"frames": {}, "n_mfcc": 5}, "n_mfcc"),
    ],
    ids=str,
)
def test_a_recorded_setting_of_another_owner_is_unknown(values, unknown):
    with pytest.raises(SettingError, match=f"unknown feature settings {unknown}; made by a newer version"):
        FeatureSettings.from_dict(values)


def test_settings_left_out_of_a_dict_are_the_defaults():
    assert FeatureSettings.from_dict({"n_mfcc": 13}) == make_features(n_mfcc=13)


def test_unknown_settings_are_named():
    with pytest.raises(SettingError) as caught:
        FeatureSettings.from_dict({"n_mfcc": 13, "n_gammatones": 40, "delta": 1})
    assert str(caught.value) == "unknown feature settings delta, n_gammatones; made by a newer version?"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hop_s": None}, "hop_s is None; expected a finite number"),
        ({"sdc": 7}, "sdc is 7; expected 4 whole numbers, or None"),
        ({"gate_range_db": "60"}, "gate_range_db is '60'; expected a finite number, or None"),
        ({"fmax_hz": [1]}, "fmax_hz is [1]; expected a finite number"),
        ({"n_mfcc": True}, "n_mfcc is True; expected a whole number"),
        ({"rasta": 1}, "rasta is 1; expected True or False"),
        ({"window": ["hann"]}, "window is ['hann']; expected one of hann, hamming"),
        ({"frames": []}, "feature settings of the wrong kind: []; expected names and values"),
        ([], "feature settings of the wrong kind: []; expected names and values"),
    ],
    ids=str,
)
def test_a_setting_of_the_wrong_kind_is_refused(values, message):
    with pytest.raises(SettingError) as caught:
        FeatureSettings.from_dict(values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sdc": (7, 1, 3, 10**30)}, "expected a whole number, below 2"),
        ({"sdc": (7, 1, 3, 101)}, "each 1 to 100"),
        ({"sdc": (20, 1, 1, 100), "n_mfcc": 20, "n_deltas": 2, "vtln": (0.9, 1.1), "fmax_hz": 8e3}, None),
        ({"sdc": (50, 1, 1, 100), "n_mfcc": 50}, "a frame has 5050 columns"),
        ({"n_mfcc": 128, "sdc": (30, 1, 1, 100), "block_s": 6.0, "n_modulation": 64}, "a row 209576"),
        ({"sample_rate_hz": 384_000, "window_s": 1.0}, "window_s is 1; expected at most 0.170667 at 384000 Hz"),
        ({"sample_rate_hz": 48_000, "window_s": 1.0}, None),
        ({"block_s": 600.0, "block_step_s": 0.05}, "at most 1000 steps to a block"),
        ({"block_s": 50.0, "block_step_s": 0.05}, None),
    ],
)
def test_settings_that_would_take_any_memory_or_time_are_refused(changes, message):
    if message is None:
        make_features(**changes)
        return
    with pytest.raises(SettingError, match=message):
        make_features(**changes)


def test_scalars_of_numpy_become_those_of_python():
    settings = make_features(n_mfcc=np.int64(13), fmax_hz=np.float64(8000), rasta=np.True_, sdc=np.array([7, 1, 3, 7]))
    assert settings == make_features(n_mfcc=13, fmax_hz=8000.0, rasta=True, sdc=(7, 1, 3, 7))
    assert json.loads(json.dumps(settings.to_dict())) is not None


@pytest.mark.parametrize(
    "values",
    [
        {"n_mfcc": 20.5},
        {"n_mels": 128.5},
        {"n_deltas": 1.5},
        {"delta_frames": 9.5},
        {"sample_rate_hz": 22050.5},
        {"sdc": ["a", 1, 3, 7]},
        {"sdc": "7137"},
        {"sdc": [7.9, 1, 3, 7]},
    ],
    ids=str,
)
def test_numbers_of_the_wrong_kind_are_refused(values):
    with pytest.raises(SettingError):
        FeatureSettings.from_dict(values)


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
def test_any_setting_of_the_wrong_kind_is_refused(changes):
    with pytest.raises(SettingError):
        FeatureSettings.from_dict(changes)


def test_a_bad_value_in_a_dict_is_refused_in_the_same_words():
    with pytest.raises(SettingError, match=re.escape("n_deltas is 3; expected 0 to 2")):
        FeatureSettings.from_dict({"n_deltas": 3})


@pytest.mark.parametrize(
    ("config", "message"),
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
def test_a_front_end_is_described_in_one_line(config, message):
    assert describe(config) == message
