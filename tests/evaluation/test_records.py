"""A scored clip: its margin and its runner-up."""

import math

import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Protocol, ScoredClip, make_report
from gmmaudio.evaluation.records import respell_scored


def clip(i, label="a", predicted="a", **changed):
    known = {"source": None, "duration_s": None, "scores": {}, "probability": None, "repeat": 0, "unit": f"g{i}"}
    given = known | changed
    return ScoredClip(f"{i}", (f"{i}.wav",), label, None, fold="", predicted=predicted, **given)


def test_the_runner_up_is_the_best_of_the_others():
    scores = {"c": 0.0, "a": 3.0, "d": 1.0, "b": 1.0}
    assert clip(0, scores=scores).runner_up == "b", "of equals the first by name"
    assert clip(0, predicted="d", scores=scores).runner_up == "a"
    assert clip(0, scores={"a": 1.0}).runner_up is None
    assert clip(0, probability={"a": 0.5, "b": 0.1, "c": 0.4}).runner_up == "c"


def test_a_margin_is_in_score_or_in_log_probability():
    assert clip(0, "a", "b", scores={"a": 1.0, "b": 3.5}).margin == 2.5
    assert clip(0, "a", "b", probability={"a": 0.2, "b": 0.8}).margin == pytest.approx(math.log(4))
    assert clip(0, "z", "b", scores={"a": 1.0, "b": 3.5}).margin == math.inf
    assert clip(0, "a", "b", probability={"a": 0.0, "b": 1.0}).margin == math.inf
    assert math.isnan(clip(0).margin)


NFC, NFD = "Zo\u00e9", "Zoe\u0301"


def test_predictions_in_two_normal_forms_are_respelt_as_the_labels_are():
    clips = [
        ScoredClip(
            f"{i}.wav", ("1.wav",), label, group, group, source, "", 0, predicted, {predicted: -1.0}, {label: 1.0}
        )
        for i, (label, predicted, group, source) in enumerate(((NFC, NFD, NFD, NFC), (NFD, NFC, NFC, NFD)))
    ]
    respelt = respell_scored(clips, [NFD])
    assert all(clip.correct for clip in respelt)
    assert [(clip.label, clip.group, clip.unit, clip.source) for clip in respelt] == [(NFD, NFD, NFD, NFC)] * 2
    assert all(set(clip.scores) == set(clip.probability) == {NFD} for clip in respelt)
    report = make_report(clips, [NFD], Protocol("by hand", "group", 0, (), 1, (NFD,), ()))
    assert (report.accuracy, {clip.group for clip in report.clips}) == (1.0, {NFD})


def test_two_scores_for_one_label_are_refused():
    clip = ScoredClip("1", ("1",), NFC, None, "1", None, "", 0, NFC, {NFC: 1.0, NFD: 2.0})
    with pytest.raises(SettingError, match="1: two scores for one label, in two normal forms of Unicode; keep one"):
        respell_scored([clip])


def test_plain_names_are_handed_back_as_they_are():
    clips = (ScoredClip("1", ("1",), "a", None, "1", None, "", 0, "b", {"a": 1.0, "b": 2.0}),)
    assert respell_scored(clips)[0] is clips[0]
