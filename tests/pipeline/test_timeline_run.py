"""Timelines of spliced synthetic music, whose turns are known."""

import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import gmmaudio
from conftest import GENRES, SR, synthetic_clip
from gmmaudio.errors import AudioError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import frame_chunks, make_rows, raw_frames
from gmmaudio.models import Familiarity
from gmmaudio.models.segmenter import Segmenter
from gmmaudio.pipeline import TimelineSettings, timelines
from gmmaudio.pipeline.timeline_run import Scan
from gmmaudio.timelines import join_neighbours

TURNS = (("jazz", 14.0), ("metal", 11.0), ("jazz", 9.0), ("metal", 20.0))


@pytest.fixture(scope="module")
def model(music_folder):
    return gmmaudio.train(music_folder / "my_music", preset="genre", group_by="parent").model


def spliced(turns):
    clips = [
        np.zeros(round(s * SR), np.float32) if genre is None else synthetic_clip(GENRES[genre], (7, i), s)
        for i, (genre, s) in enumerate(turns)
    ]
    return np.concatenate(clips)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixture") / "mixture.wav"
    soundfile.write(path, spliced(TURNS), SR)
    return path


def names_and_ends(line):
    return [(part.name, part.end_s) for part in line.segments]


def test_the_turns_of_a_mixture_are_found(model, mixture):
    line = gmmaudio.timeline(model, mixture)
    ends = np.cumsum([s for _, s in TURNS])
    assert [part.label for part in line.segments] == [genre for genre, _ in TURNS]
    np.testing.assert_allclose([part.end_s for part in line.segments], ends, atol=0.2)
    assert line.duration_s == line.segments[-1].end_s == pytest.approx(54.0)
    assert line.path == str(mixture)
    assert [part.tolerance_s is None for part in line.segments] == [True, False, False, False]
    for segment in line.segments:
        at = (line.times > segment.start_s + 3) & (line.times < segment.end_s - 3)
        assert (line.posteriors[at].argmax(axis=1) == line.labels.index(segment.label)).all()
    np.testing.assert_allclose(line.posteriors.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(np.diff(line.times), line.hop_s, atol=1e-9)
    assert abs(line.times[-1] + line.hop_s / 2 - line.duration_s) <= line.hop_s


def test_a_settled_segment_has_the_probability_of_its_stretch_as_a_clip(model, mixture):
    samples, _ = soundfile.read(mixture, dtype="float32")
    raw = raw_frames([samples], model.features.frames, model.tables)
    segmenter = Segmenter(model, TimelineSettings().of(model))
    found = [*segmenter.add(raw), *segmenter.finish()]
    assert len(found) >= len(TURNS)
    for part in found:
        first, last = (round(t * model.features.frames.frames_per_s) for t in (part.start_s, part.end_s))
        alone = model.predict(make_rows([raw.slice(first, last)], model.features))
        assert (part.label, part.probability) == (alone.label, alone.probability[alone.label])


def test_segments_do_not_depend_on_how_frames_arrive(model):
    samples = spliced([("jazz", 70.0), ("metal", 66.0), (None, 5.0), ("jazz", 8.0), ("metal", 150.0)])
    settings = TimelineSettings().of(model)
    raw = raw_frames([samples], model.features.frames, model.tables)
    chunks = list(frame_chunks([samples], model.features.frames, model.tables))
    results = []
    for parts in ([raw], chunks):
        segmenter = Segmenter(model, settings)
        found = [segment for chunk in parts for segment in segmenter.add(chunk)] + list(segmenter.finish())
        results.append((list(join_neighbours(found)), np.array(segmenter.posteriors)))
    assert results[0][0] == results[1][0]
    assert np.array_equal(results[0][1], results[1][1])
    assert [part.name for part in results[0][0]] == ["jazz", "metal", "silence", "jazz", "metal"]


def test_segments_come_before_the_recording_ends(model):
    blocks_read = 0

    def blocks():
        nonlocal blocks_read
        for _ in range(6):
            for genre in ("jazz", "metal"):
                blocks_read += 1
                yield synthetic_clip(GENRES[genre], (9, blocks_read), 15.0)

    scan = Scan(model, TimelineSettings())
    first = next(iter(scan.follow(blocks())))
    assert first.label == "jazz"
    assert first.end_s == pytest.approx(15.0, abs=0.3)
    # of twelve
    assert blocks_read <= 6


def test_silence_is_a_segment_with_the_label_on_both_sides(model, tmp_path):
    soundfile.write(tmp_path / "a.wav", spliced([("jazz", 12.0), (None, 6.0), ("jazz", 12.0)]), SR)
    line = gmmaudio.timeline(model, tmp_path / "a.wav")
    assert [part.name for part in line.segments] == ["jazz", "silence", "jazz"]
    np.testing.assert_allclose([part.end_s for part in line.segments], [12.0, 18.0, 30.0], atol=0.2)
    inside = (line.times > 12.5) & (line.times < 17.5)
    assert (line.posteriors[inside, -1] == 1.0).all()
    assert line.shares() == {"jazz": 1.0}


def test_a_file_of_silence_is_one_silent_segment(model, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(5 * SR), SR)
    line = gmmaudio.timeline(model, tmp_path / "a.wav")
    assert names_and_ends(line) == [("silence", 5.0)]
    assert line.shares() == {}


def test_a_file_of_silence_is_silent_in_its_posteriors_too(model, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(5 * SR, 0.25), SR)
    line = gmmaudio.timeline(model, tmp_path / "a.wav")
    assert names_and_ends(line) == [("silence", 5.0)]
    assert (line.posteriors[:, -1] == 1.0).all()
    assert line.times[-1] > 4.5


def test_no_inner_turn_is_shorter_than_the_shortest(model, tmp_path):
    turns = [("jazz", 9.0), ("metal", 3.0), ("jazz", 4.0), ("metal", 9.0), ("jazz", 2.5), ("metal", 9.0)]
    soundfile.write(tmp_path / "a.wav", spliced(turns), SR)
    for min_turn_s in (2.0, 5.0, 8.0):
        line = gmmaudio.timeline(model, tmp_path / "a.wav", min_turn_s=min_turn_s)
        # half a step is rounding
        assert min(part.duration_s for part in line.segments[1:-1] or line.segments) > min_turn_s - line.hop_s / 2


@pytest.mark.parametrize("seconds", [0.6, 3.0, 7.0])
def test_a_short_recording_is_one_segment(model, tmp_path, seconds):
    soundfile.write(tmp_path / "a.wav", synthetic_clip(GENRES["metal"], 5, seconds), SR)
    line = gmmaudio.timeline(model, tmp_path / "a.wav")
    assert names_and_ends(line) == [("metal", pytest.approx(seconds, abs=1e-4))]


def test_what_the_open_set_threshold_rejects_is_unknown(model, mixture):
    strict = gmmaudio.models.OpenSetThreshold("score", 1e9, 0.05, 0.9, 20, 20, "")
    line = gmmaudio.timeline(replace_open_set(model, strict), mixture)
    assert [part.status for part in line.segments] == ["unknown"]
    # of three labels, one unknown, as likely: 0.19 of accepted clips are of none in the binormal model
    assert 0.5 < line.posteriors[:, -2].min() < 1
    assert line.shares() == {"unknown": 1.0}


def replace_open_set(model, threshold):
    return gmmaudio.Model(model.features, model.scorer, model.training, model.calibration, threshold, model.tables)


def test_every_setting_changes_the_timeline(model, mixture):
    plain = gmmaudio.timeline(model, mixture)
    assert gmmaudio.timeline(model, mixture, hop_s=1.0).hop_s > 1.5 * plain.hop_s
    assert gmmaudio.timeline(model, mixture, window_s=3.0).window_s == pytest.approx(3.0, abs=0.2)
    assert names_and_ends(gmmaudio.timeline(model, mixture, min_turn_s=13.0)) != names_and_ends(plain)
    likely = gmmaudio.timeline(model, mixture, priors={"jazz": 0.9, "metal": 0.1})
    jazz = plain.labels.index("jazz")
    assert likely.posteriors[:, jazz].sum() > plain.posteriors[:, jazz].sum()
    with pytest.raises(AudioError, match="at least 60 s is needed"):
        gmmaudio.timeline(model, mixture, min_duration_s=60.0)
    heard = []
    gmmaudio.timeline(model, mixture, on_segment=heard.append)
    assert tuple(heard) == plain.segments


def test_windows_shorter_than_the_models_are_remarked_on(model, mixture):
    assert gmmaudio.timeline(model, mixture).notes == ()
    (note,) = gmmaudio.timeline(model, mixture, window_s=2.0).notes
    assert note.startswith("windows of")
    assert "calibrated on 6.5 s" in note


def test_a_model_without_probabilities_has_segments_without(music_folder, mixture):
    model = gmmaudio.train(music_folder / "my_music", gmmaudio.make_recipe(n_components=2)).model
    bare = gmmaudio.Model(model.features, model.scorer, model.training, None, None, model.tables)
    line = gmmaudio.timeline(bare, mixture)
    assert [part.label for part in line.segments] == [genre for genre, _ in TURNS]
    assert {part.probability for part in line.segments} == {None}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 0.1}, "`window_s` is 0.1; expected 0.2 to 3600 s"),
        ({"hop_s": 10.0}, "`hop_s` is 10; expected"),
        ({"hop_s": float("nan")}, "hop_s"),
        ({"min_turn_s": 600.0, "hop_s": 0.1}, "`min_turn_s` is 600, 6000 steps of 0.1 s"),
        ({"min_turn_s": -1.0}, "`min_turn_s` is -1; expected 0 to 3600 s"),
        ({"priors": {"jazz": 1.0}}, "priors are of jazz"),
    ],
)
def test_settings_outside_their_bounds_are_refused(model, mixture, settings, message):
    with pytest.raises(SettingError, match=message):
        gmmaudio.timeline(model, mixture, **settings)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bad_file_stops_no_other(model, mixture, tmp_path, n_jobs):
    (tmp_path / "text.wav").write_text("no sound")
    paths = [mixture, tmp_path / "text.wav", tmp_path / "gone.wav", mixture]
    first, text, gone, last = timelines(model, paths, n_jobs=n_jobs)
    assert isinstance(text, FailedInput)
    assert (text.code, gone.code) == ("not_audio", "vanished")
    assert first.segments == last.segments
    assert len(first) == len(TURNS)


def test_a_recording_that_scores_lower_has_a_note(model, mixture):
    strange, usual = (
        replace(model, familiarity=Familiarity("score", mean, 100.0, 0.5, -2.0, 0.05, None, {}, 300, 60))
        for mean in (1e4, -1e4)
    )
    (note,) = gmmaudio.timeline(strange, mixture).notes
    assert re.fullmatch(
        "this recording, as long as [5-9] clips, scores lower than held-out groups of the training set do: "
        "probabilities are not to be trusted here",
        note,
    )
    assert gmmaudio.timeline(usual, mixture).notes == gmmaudio.timeline(model, mixture).notes == ()
