"""Files longer than a few trials: one label, or the shares of several; the same in classification and evaluation."""

import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import gmmaudio
from conftest import GENRES, SR, synthetic_clip
from gmmaudio.errors import SettingError
from gmmaudio.features import make_rows, raw_frames
from gmmaudio.models import Familiarity, segmenter
from gmmaudio.pipeline import classification


@pytest.fixture(scope="module")
def model(music_folder):
    # without copies, with which twelve clips make a model too unsure to call anything mixed
    recipe = gmmaudio.make_recipe("genre", augment=())
    return gmmaudio.train(music_folder / "my_music", preset=recipe, group_by="parent").model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files: ``jazz.wav`` and ``metal.wav`` of 40 s, ``mixed.wav`` of 24 s jazz and 16 s metal."""
    folder = tmp_path_factory.mktemp("long")
    jazz, metal = (synthetic_clip(hertz, (3, i), 40.0) for i, hertz in enumerate(GENRES.values()))
    soundfile.write(folder / "jazz.wav", jazz, SR)
    soundfile.write(folder / "metal.wav", metal, SR)
    soundfile.write(folder / "mixed.wav", np.concatenate([jazz[: 24 * SR], metal[: 16 * SR]]), SR)
    return folder


def answers(model, folder, **settings):
    return list(gmmaudio.classify(model, [folder / f"{name}.wav" for name in ("jazz", "metal", "mixed")], **settings))


def test_a_mixture_is_mixed_and_has_shares(model, folder):
    jazz, metal, mixed = answers(model, folder)
    assert [(one.status, one.label) for one in (jazz, metal, mixed)] == [
        ("ok", "jazz"),
        ("ok", "metal"),
        ("mixed", None),
    ]
    assert mixed.shares == pytest.approx({"jazz": 0.6, "metal": 0.4}, abs=0.02)
    assert mixed.code == "mixed"
    assert re.fullmatch("jazz (59|60|61) %, metal (39|40|41) %", mixed.message)
    assert jazz.shares == {"jazz": 1.0}
    # no label of a mixture is near certain
    assert max(mixed.probability.values()) < 0.75
    for one in (jazz, metal, mixed):
        assert sum(one.probability.values()) == pytest.approx(1.0)
    assert mixed.best_label == "jazz"
    assert mixed.duration_s == pytest.approx(40.0)


def test_a_file_of_a_few_trials_is_scored_as_one(model, folder, tmp_path):
    y = synthetic_clip(GENRES["metal"], 5, 19.0)
    soundfile.write(tmp_path / "a.wav", y, SR)
    (found,) = gmmaudio.classify(model, [tmp_path / "a.wav"])
    read = gmmaudio.read_audio(tmp_path / "a.wav", SR)
    whole = model.predict(make_rows([raw_frames([read], model.features.frames)], model.features))
    assert found.shares is None
    # other numbers of threads sum in another order
    assert found.scores == pytest.approx(whole.scores, rel=1e-6)


def test_the_length_of_trials_is_a_setting(model, folder):
    as_one = answers(model, folder, trial_s=0)
    assert [one.shares for one in as_one] == [None, None, None]
    assert [one.status for one in as_one] == ["ok"] * 3
    assert answers(model, folder, trial_s=14.0)[0].shares is None
    assert answers(model, folder, trial_s=3.0)[0].probability != answers(model, folder)[0].probability
    with pytest.raises(SettingError, match=r"`window_s` is 0\.1; expected 0\.2"):
        answers(model, folder, trial_s=0.1)


def test_streamed_and_kept_frames_give_the_same_answer(model, folder, tmp_path, monkeypatch):
    streamed = answers(model, folder)
    kept = answers(model, folder, cache=tmp_path / "cache")
    again = answers(model, folder, cache=tmp_path / "cache")
    assert streamed == kept == again
    monkeypatch.setattr(classification, "STREAMED_S", 30.0)
    assert answers(model, folder, cache=tmp_path / "other") == streamed
    # frames of long files are not kept
    assert not list((tmp_path / "other").rglob("*.frames")) or answers(model, folder) == streamed


def test_priors_move_the_probability_of_a_long_file(model, folder):
    plain, likely = answers(model, folder)[2], answers(model, folder, priors={"jazz": 0.01, "metal": 0.99})[2]
    assert likely.probability["metal"] > plain.probability["metal"]


def test_evaluation_divides_long_clips_as_classification_does(model, folder, tmp_path):
    for name in ("jazz", "metal"):
        for copy in ("a", "b"):
            (tmp_path / name / copy).mkdir(parents=True)
            y, _ = soundfile.read(folder / f"{name}.wav", dtype="float32")
            soundfile.write(tmp_path / name / copy / f"{name}.wav", y[:: 1 if copy == "a" else -1], SR)
    report = gmmaudio.evaluate(model, tmp_path, group_by="parent", durations_s=())
    paths = [tmp_path / clip.paths[0] for clip in report.clips]
    found = list(gmmaudio.classify(model, paths))
    assert [clip.probability for clip in report.clips] == [one.probability for one in found]
    assert all(one.shares is not None for one in found)


def test_a_long_file_without_sound_that_stands_out_stops_no_other(model, folder, tmp_path, monkeypatch):
    # sound beside silence is then silence, however long it is
    monkeypatch.setattr(segmenter, "SHORTEST_SOUND_S", 60.0)
    y = np.concatenate([synthetic_clip(220.0, 1, 10.0), np.zeros(10 * SR, np.float32), synthetic_clip(220.0, 2, 10.0)])
    soundfile.write(tmp_path / "apart.wav", y, SR)
    for settings in ({}, {"cache": tmp_path / "cache"}):
        first, empty, last = gmmaudio.classify(
            model, [folder / "jazz.wav", tmp_path / "apart.wav", folder / "metal.wav"], n_jobs=1, **settings
        )
        assert (first.label, last.label) == ("jazz", "metal")
        assert (empty.status, empty.code, empty.scores) == ("unknown", "silent", {})


def test_a_label_that_is_impossible_makes_no_clip_mixed(model, folder):
    (found,) = gmmaudio.classify(model, [folder / "jazz.wav"], priors={"jazz": 0.0, "metal": 1.0})
    assert (found.status, found.probability["jazz"]) == ("ok", 0.0)
    (mixed,) = gmmaudio.classify(model, [folder / "mixed.wav"], priors={"jazz": 1.0, "metal": 0.0})
    assert (mixed.status, mixed.label) == ("ok", "jazz")


def test_the_familiarity_of_a_long_file_is_the_mean_of_its_pieces(model, folder):
    familiarity = Familiarity("score", 0.0, 2.0, 0.5, -2.0, 0.05, None, {}, 300, 60)
    jazz, metal, mixed = answers(replace(model, familiarity=familiarity), folder)
    for one in (jazz, metal):
        assert one.familiarity == pytest.approx(max(one.scores.values()) / 2.0, abs=0.5)
    # the best score of the mean over both parts is far lower than the mean of the best scores of the parts
    expected = 0.6 * jazz.familiarity + 0.4 * metal.familiarity
    assert mixed.familiarity == pytest.approx(expected, rel=0.1)
    assert answers(model, folder)[0].familiarity is None
    usual = replace(familiarity, mean=-1e4)
    assert answers(replace(model, familiarity=usual), folder)[0].caveats == ()
    strange = replace(familiarity, mean=1e4, deviation=100.0)
    # the recordings are of 40 s, and clips of 6 s: as long as six
    for one in answers(replace(model, familiarity=strange), folder)[:2]:
        (caveat,) = one.caveats
        assert caveat.code == "unfamiliar_recording"
        assert "as long as 6 clips" in caveat.text
        assert one.to_dict()["caveats"][0]["code"] == "unfamiliar_recording"
