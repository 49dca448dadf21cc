"""Slices: parts of a test set worked by hand, and the table of their kinds, which all outputs read."""

import csv
import io
import json
from pathlib import Path

import pytest

from gmmaudio.cli.report_tables import show_report
from gmmaudio.evaluation import Protocol, ScoredClip, make_report, make_slice, render_html
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.evaluation.slices import SLICE_KINDS, SliceKind, by_duration, by_source, slice_tables, slices_markdown
from gmmaudio.text_tables import csv_text

PROTOCOL = Protocol("by hand", "group", 0, ("1",), 1, ("a", "b"), ())
TOY = SliceKind("moon", "By phase of the moon", "Clips by the phase of the moon when they were recorded.")


def clip(i, label="a", predicted="a", **changed):
    known = {"source": None, "duration_s": None, "scores": {}, "probability": None, "repeat": 0, "unit": f"g{i}"}
    values = known | changed
    return ScoredClip(f"{i}", (f"{i}.wav",), label, None, fold="", predicted=predicted, **values)


def test_a_kind_added_to_the_table_has_its_title_and_place_everywhere(monkeypatch, capsys):
    monkeypatch.setattr("gmmaudio.evaluation.slices.SLICE_KINDS", (TOY, *SLICE_KINDS))
    clips = [clip(i, source="xy"[i % 2]) for i in range(4)]
    report = make_report(clips, ["a", "b"], PROTOCOL, slices={"moon": [make_slice("full", clips[:3])]})
    page = render_html(report, "toy")
    assert page.index(f"<h3>{TOY.title}</h3>") < page.index("<h3>By source</h3>")
    assert TOY.explanation in page
    show_report(report)
    text = capsys.readouterr().out
    assert text.index(TOY.title) < text.index("By source")
    assert json.loads(json.dumps(report.to_dict()))["slices"]["moon"][0]["n"] == 3
    rows = list(csv.DictReader(io.StringIO(csv_text(tables(report)["slices"]))))
    assert [(row["table"], row["name"]) for row in rows] == [("source", "x"), ("source", "y"), ("moon", "full")]
    assert f"| {TOY.title} | `moon` | {TOY.explanation} |" in slices_markdown()


def test_kinds_have_an_order_and_others_come_last_under_their_key():
    names = [kind.name for kind, _ in slice_tables({"mine": [], "random_split": [], "source": []})]
    assert names == ["source", "random_split", "mine"]
    assert len({kind.name for kind in SLICE_KINDS}) == len({kind.title for kind in SLICE_KINDS}) == len(SLICE_KINDS)


def test_the_guide_holds_the_table():
    guide = Path(__file__).parent.parent.parent / "docs" / "evaluation.md"
    assert slices_markdown() in guide.read_text(encoding="utf-8")


def test_a_slice_counts_predictions_groups_and_what_is_right():
    clips = [clip(0), clip(1), clip(2, "b", "a"), clip(3, unit="g0")]
    made = make_slice("some", clips, hours=0.5)
    assert (made.name, made.n, made.n_groups, made.accuracy, made.hours) == ("some", 4, 3, 0.75, 0.5)
    assert made.balanced_accuracy == 0.5
    low, high = made.interval
    assert 0 < low < 0.75 < high < 1
    assert (made.difference, made.difference_interval) == (None, None)


def test_sources_are_parts_and_unknown_is_one():
    clips = [clip(0, source="x"), clip(1, "b", "a", source="x"), clip(2), clip(3, source="y")]
    assert [(part.name, part.n, part.accuracy) for part in by_source(clips)] == [
        ("unknown", 1, 1.0),
        ("x", 2, 0.5),
        ("y", 1, 1.0),
    ]
    assert by_source(clips[:2]) == ()


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (0.0, "below 3 s"),
        (2.9, "below 3 s"),
        # a frame less than 3 s is 3 s
        (2.95, "3 to 10 s"),
        (9.7, "3 to 10 s"),
        (9.9, "10 to 30 s"),
        (29.5, "30 s and more"),
        (9999.0, "30 s and more"),
        (None, "unknown"),
    ],
)
def test_durations_fall_into_the_classes_of_language_recognition(seconds, name):
    other = 12.0 if name != "10 to 30 s" else 1.0
    assert name in [part.name for part in by_duration([clip(0, duration_s=seconds), clip(1, duration_s=other)])]


def test_classes_of_duration_come_shortest_first():
    clips = [clip(i, duration_s=seconds) for i, seconds in enumerate([40.0, None, 1.0, 20.0, 5.0])]
    names = ["below 3 s", "3 to 10 s", "10 to 30 s", "30 s and more", "unknown"]
    assert [part.name for part in by_duration(clips)] == names
