"""The comparison of segmenters: settings chosen on some recordings, rows of results of others."""

from types import SimpleNamespace

import pytest

from benchmarks import mixed, timeline
from benchmarks.processes import work_folder
from benchmarks.segmenters import Segmenter
from gmmaudio.models import Prediction
from gmmaudio.timelines import Timeline, TimelineSegment
from results.record import make_record


def two_turns(change_s):
    """Return a timeline of 60 s with one change of label."""
    parts = (TimelineSegment(0, change_s, "fr", probability=0.9), TimelineSegment(change_s, 60, "de", probability=0.8))
    return Timeline(parts)


@pytest.fixture
def cases():
    gaps = ("none", "digital", "none")
    return [SimpleNamespace(truth=two_turns(30), kind="turns", gap=gap, path=f"{i}.flac") for i, gap in enumerate(gaps)]


def test_the_setting_with_most_windows_right_is_chosen_and_the_first_of_equals(cases):
    def run(_case, setting):
        return two_turns(setting)

    assert timeline.chosen_setting(Segmenter(run, (10, 40, 29, 31)), cases) == 29
    assert timeline.chosen_setting(Segmenter(lambda *_: 1 / 0, ("only",)), cases) == "only"


def test_rows_have_all_measures_and_our_lead_over_the_others(cases):
    found = {timeline.OURS: [two_turns(30)] * 3, "late": [two_turns(30), two_turns(50), two_turns(50)]}
    ours, late, *pauses = timeline.measured("talk", cases, found, {timeline.OURS: None, "late": 4.0})
    assert (ours["system"], ours["setting"], ours["n"], late["setting"]) == (timeline.OURS, None, 3, 4.0)
    assert (ours["windows"]["value"], late["windows"]["value"]) == (1, pytest.approx(14 / 18))
    assert "lead" not in ours
    assert late["lead"]["value"] == pytest.approx(4 / 18)
    assert ours["boundaries_near"]["value"] == 1
    assert late["boundary_error_s"]["value"] == pytest.approx(20 / 3)
    # probabilities of 0.9 and 0.8, all right
    assert ours["calibration_error"] == pytest.approx(0.15)
    assert [(row["gap"], row["n"], row["windows"]["value"]) for row in pauses] == [("none", 2, 1), ("digital", 1, 1)]
    # what the documents show is made of these
    text = timeline.timeline_tables(make_record("timeline", "", "", [ours, late, *pauses]))
    assert "| talk, n=3 | late | 77.8 %" in text


def test_answers_of_classify_are_counted_by_kind(cases):
    answers = [
        Prediction(status="mixed", probability={"fr": 0.6, "de": 0.4}),
        Prediction(status="ok", label="fr", probability={"fr": 0.75, "de": 0.25}),
        Prediction(status="ok", label="de", probability={"fr": 0.1, "de": 0.9}),
    ]
    cases[2].kind = "one label"
    turns, single = mixed.counted("talk", list(zip(cases, answers, strict=True)))
    assert (turns["kind"], turns["n"], turns["mixed"]["value"], turns["right"]) == ("turns", 2, 0.5, None)
    assert turns["greatest_probability"] == 0.75
    assert (single["kind"], single["mixed"]["value"], single["right"]["value"]) == ("one label", 0, 0)


def test_the_folder_of_another_run_is_used_where_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GMMAUDIO_SPLICED", str(tmp_path))
    with work_folder() as folder:
        assert folder == tmp_path
    monkeypatch.delenv("GMMAUDIO_SPLICED")
    with work_folder() as folder:
        assert folder.exists()
    assert not folder.exists()
