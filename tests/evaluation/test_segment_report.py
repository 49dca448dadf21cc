import json
import math

import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import FailedInput, segment_metrics
from gmmaudio.evaluation.segment_report import SEGMENT_TABLES, make_segment_report
from gmmaudio.findings import Finding
from gmmaudio.json_text import to_json
from gmmaudio.timelines import Timeline, TimelineSegment


def line(path, *parts):
    return Timeline(tuple(TimelineSegment(*part) for part in parts), path=path)


TRUE = line("a.wav", (0, 6, "fr"), (6, 10, "de")), line("b.wav", (0, 20, "[silence]"))
FOUND = line("", (0, 7, "fr"), (7, 9, "de")), line("", (0, 20, "[silence]"))
LABELS = ("[silence]", "de", "fr")


def report(**more):
    return make_segment_report(list(zip(TRUE, FOUND, strict=True)), LABELS, 1.5, **more)


def test_a_report_has_recordings_and_their_sums():
    made = report()
    assert [(each.path, each.duration_s) for each in made.recordings] == [("a.wav", 10.0), ("b.wav", 20.0)]
    assert made.counts.sound_s == 30.0
    assert made.metrics.values == segment_metrics([each.counts for each in made.recordings]).values
    assert made.metrics.values["segment_error_rate"] == pytest.approx(2 / 30)
    assert made.headline.startswith("Segment error rate 6.7 % (95 % interval ")
    assert made.headline.endswith(", 2 recordings, 0.5 min")


def test_a_label_in_brackets_is_no_status():
    assert report().states == ("\\x5bsilence]", "de", "fr", "[unknown]", "[silence]")


def test_the_json_holds_every_number_and_null_for_what_is_undefined():
    finding, failed = Finding("some_code", "warning", "text", "remedy"), FailedInput("c.wav", "empty", "is empty")
    made = report(findings=[finding], failed=[failed], protocol={"command": "x"})
    plain = json.loads(to_json(made.to_dict()))
    assert plain["metrics"]["frame_accuracy"] == pytest.approx(28 / 30)
    assert plain["recordings"][0]["path"] == "a.wav"
    assert plain["recordings"][0]["n_matched"] == 1
    assert (plain["recordings"][0]["missed_s"], plain["recordings"][0]["confusion_s"]) == (1.0, 1.0)
    assert plain["recordings"][1]["boundary_f1"] is None
    assert plain["confusion_s"][2] == [0.0, 0.0, 6.0, 0.0, 0.0]
    assert plain["findings"][0]["code"] == "some_code"
    assert plain["failed"] == [{"path": "c.wav", "code": "empty", "message": "is empty"}]
    assert (plain["format"], plain["kind"], plain["tolerance_s"], plain["protocol"]) == (
        1,
        "timelines",
        1.5,
        {"command": "x"},
    )
    assert ", 2 recordings, 1 failed, 0.5 min" in plain["headline"]


def test_the_tables_have_one_width():
    made = report(
        findings=[Finding("some_code", "warning", "text")], failed=[FailedInput("c.wav", "empty", "is empty")]
    )
    tables = made.tables()
    assert tuple(tables) == SEGMENT_TABLES
    for rows in tables.values():
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}
    assert tables["confusion"][1][0] == "\\x5bsilence]"


def test_a_silent_truth_has_no_error_rate():
    made = make_segment_report([(line("a", (0, 9, None, "silence")), line("", (0, 1, "fr")))], ["fr"], 1.0)
    assert made.headline == "Segment error rate undefined: the truth is silent, 1 recording, 0.1 min"
    assert math.isnan(made.metrics.values["segment_error_rate"])


def test_a_report_needs_a_recording():
    with pytest.raises(SettingError, match="no recordings; expected at least one"):
        make_segment_report([], ["fr"], 1.0)
