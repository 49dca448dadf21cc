"""Settings of frames that are given stand where those of a front end stand."""

import json

import pytest

from gmmaudio.errors import SettingError
from gmmaudio.features import (
    FeatureSettings,
    FrameSettings,
    GivenFrames,
    RowSettings,
    describe,
    describe_columns,
    same_frames,
)

GIVEN = GivenFrames(rows_name="fbank", n_columns=3, rows_rate_hz=100.0)


@pytest.mark.parametrize("rate_hz", [None, 50, 100.5])
def test_settings_come_back_from_json(rate_hz):
    features = FeatureSettings(GivenFrames(rows_name="w2v é", n_columns=768, rows_rate_hz=rate_hz))
    assert FeatureSettings.from_dict(json.loads(json.dumps(features.to_dict()))) == features


def test_settings_of_sound_are_the_plain_values_that_they_were():
    # a model of sound has the same bytes as before
    assert "rows_name" not in FeatureSettings().to_dict()["frames"]
    assert FeatureSettings.from_dict(FeatureSettings().to_dict()) == FeatureSettings()


def test_rows_have_the_columns_of_the_frames_and_names():
    features = FeatureSettings(GIVEN, RowSettings(n_deltas=1))
    assert (features.n_features, len(describe_columns(features))) == (6, 6)
    assert [column.name for column in describe_columns(features)][2:4] == ["fbank 2", "slope of fbank 0"]
    assert FeatureSettings(GIVEN, RowSettings(block_s=1.0)).n_features == 3 * 11
    assert describe(FeatureSettings(GIVEN)).startswith("3 columns of 'fbank', as they are given = 3 numbers a frame")
    assert "100 rows a second" in describe(FeatureSettings(GIVEN))
    assert "rows without a rate" in describe(FeatureSettings(GivenFrames(rows_name="x", n_columns=1)))


def test_frames_are_the_same_only_where_all_is_equal():
    assert same_frames(GIVEN, GivenFrames(rows_name="fbank", n_columns=3, rows_rate_hz=100.0))
    assert not same_frames(GIVEN, GivenFrames(rows_name="fbank", n_columns=4, rows_rate_hz=100.0))
    assert not same_frames(GIVEN, FrameSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows_name": ""}, r"^`rows_name` is ''; expected the name of what made the rows, at most 200 characters$"),
        ({"rows_name": "a\tb"}, "^`rows_name` is 'a"),
        ({"rows_name": "x" * 201}, "^`rows_name` is 'xxx"),
        ({"n_columns": 0}, "^n_columns is 0; expected 1 to 65,536$"),
        ({"n_columns": 2**16 + 1}, "^n_columns is 65537; expected 1 to 65,536$"),
        ({"n_columns": 2.5}, "^`n_columns` is 2.5; expected a whole number$"),
        ({"rows_rate_hz": 0}, "^`rows_rate_hz` is 0; expected 0.0001 to 384000 rows in a second$"),
        ({"rows_rate_hz": float("nan")}, "^`rows_rate_hz` is nan; expected a finite number, or None$"),
    ],
)
def test_settings_outside_their_bounds_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        GivenFrames(**{"rows_name": "ours", "n_columns": 3, **settings})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"gate_range_db": 30.0}, "gate_range_db needs the level of the sound, which given frames do not have"),
        ({"gate_floor_db": 3.0}, "gate_floor_db needs the level of the sound, which given frames do not have"),
        ({"speech_gate": 0.5}, "speech_gate is 0.5; it needs `measure_speech`"),
        ({"sdc": (7, 1, 3, 7)}, "N at most 3"),
        ({"block_s": 3.0}, "`block_s` is 3, and the rate of the rows is not known; name `rows_rate_hz`"),
    ],
)
def test_what_needs_the_sound_or_a_rate_is_refused(rows, message):
    frames = GivenFrames(rows_name="ours", n_columns=3)
    with pytest.raises(SettingError, match=message):
        FeatureSettings(frames, RowSettings(**rows))
    with pytest.raises(SettingError, match=message):
        FeatureSettings(frames).replace(**rows)


def test_settings_of_sound_are_unknown_to_given_frames():
    with pytest.raises(SettingError, match="unknown feature settings n_mfcc; expected any of rows_name, n_columns"):
        FeatureSettings(GIVEN).replace(n_mfcc=13)
    with pytest.raises(SettingError, match="unknown feature settings vtln; made by a newer version"):
        FeatureSettings.from_dict({"frames": {"rows_name": "x", "n_columns": 1, "vtln": []}})


def test_given_frames_are_no_sound():
    message = r"^the model takes rows of 'fbank' \(3 columns\), not sound; make such rows of the files, and name those"
    with pytest.raises(SettingError, match=message):
        _ = FeatureSettings(GIVEN).sound_frames
    assert FeatureSettings().sound_frames == FrameSettings()
