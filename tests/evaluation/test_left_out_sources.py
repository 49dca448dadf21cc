"""Predictions with sources left out: what they are compared with, and where they stand in a report."""

import csv
import io
import itertools
import json
from dataclasses import replace

import pytest

from gmmaudio.evaluation import Protocol, ScoredClip, compute_metrics, make_report, render_html
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.evaluation.left_out_sources import choose_alike, make_sources_left_out
from gmmaudio.evaluation.report_file import read_report, to_json
from gmmaudio.findings import Finding
from gmmaudio.text_tables import csv_text
from tests.evaluation.conftest import HOSTILE, page_of

pytestmark = pytest.mark.usefixtures("quick")

LABELS = ("a", "b", "c")
CONFOUNDED = Finding("source_confounded", "alarm", "label and source are confounded for 'c'", "add clips of another")


def clip_of(name, label, predicted, source, *, candidates=LABELS, group=None):
    """Return a prediction with probability .6 for the predicted label, the rest even."""
    rest = 0.4 / (len(candidates) - 1)
    probability = {each: 0.6 if each == predicted else rest for each in candidates}
    scores = {each: 10 * share for each, share in probability.items()}
    group = group or f"{label} {source} {name}"
    return ScoredClip(name, (f"{name}.wav",), label, group, group, source, source, 0, predicted, scores, probability)


def example(**settings):
    """Return predictions with sources left out and by group: 24 of a and b from two sources, 2 of c from one."""
    rows = [(f"{label}{source}{k}", label, source, k) for label in "ab" for source in "xy" for k in range(6)]
    left_out = [clip_of(name, label, "b" if k == 0 else label, source) for name, label, source, k in rows]
    by_group = [clip_of(name, label, "c" if k == 0 else label, source) for name, label, source, k in rows]
    by_group += [clip_of(f"cx{k}", "c", "c", "x") for k in range(2)]
    return make_sources_left_out(left_out, by_group, LABELS, "one source left out at a time", **settings), by_group


def report_of(left_out, by_group, *findings):
    protocol = Protocol("5-fold", "group", 0, ("1",), 1, LABELS, ())
    return make_report(by_group, LABELS, protocol, findings, sources_left_out=left_out)


# --- the same clips, among the same labels ---------------------------------------------------------------------------


def test_predictions_are_compared_among_the_labels_that_both_models_know():
    known = clip_of("1", "a", "c", "x")
    left_out = clip_of("1", "a", "b", "x", candidates=("a", "b"))
    (alike,) = choose_alike([known, clip_of("2", "a", "a", "x")], [left_out])
    assert alike.scores.keys() == alike.probability.keys() == {"a", "b"}
    assert alike.probability == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-15)
    # of equal shares the first
    assert alike.predicted == "a"
    # with the same labels nothing changes, to the bit
    assert choose_alike([known], [known]) == [known]


def test_without_probabilities_scores_decide_and_without_either_the_decision_stays():
    known = replace(clip_of("1", "a", "c", "x"), probability=None, scores={"a": -3.0, "b": -2.0, "c": -1.0})
    left_out = clip_of("1", "a", "b", "x", candidates=("a", "b"))
    assert choose_alike([known], [left_out])[0].predicted == "b"
    bare = replace(known, scores={})
    assert choose_alike([bare], [left_out]) == [bare]


def test_the_metrics_are_those_of_the_predictions_and_of_the_same_clips_by_group():
    left_out, by_group = example()
    metrics = compute_metrics(left_out.clips, LABELS)
    assert left_out.metrics.values == metrics.values
    assert left_out.metrics.intervals == metrics.intervals
    same = [clip for clip in by_group if clip.label != "c"]
    assert left_out.known_sources == compute_metrics(same, LABELS).values
    # 2 of 24 wrong with sources left out, 4 by group
    assert (left_out.accuracy, left_out.known_sources["accuracy"]) == (22 / 24, 20 / 24)
    assert (left_out.n, left_out.n_known, left_out.sources, left_out.folds) == (24, 24, ("x", "y"), ("x", "y"))
    assert (left_out.scored_labels, left_out.unscored_labels, left_out.n_candidates) == (("a", "b"), ("c",), (3, 3))


def test_the_least_and_the_most_candidates_are_counted():
    clips = [clip_of("1", "a", "a", "x", candidates=("a", "b")), clip_of("2", "a", "a", "y")]
    left_out = make_sources_left_out(clips, [], LABELS, "by hand")
    assert (left_out.n_candidates, left_out.candidates_text, left_out.known_sources) == ((2, 3), "2 to 3 labels", {})


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_headline_and_the_advice_speak_of_new_sources_first_and_of_new_groups_second():
    left_out, by_group = example()
    report = report_of(left_out, by_group)
    assert report.headlines[0].startswith("On recordings of a new source: accuracy 91.7 % (95 % interval ")
    assert report.headlines[0].endswith("balanced 91.7 %, 24 clips, 2 labels, one source left out at a time")
    assert report.headlines[1].startswith("On new groups of known sources: accuracy 84.6 % (")
    assert report.headline == "; ".join(report.headlines)
    assert report.for_new_recordings == "sources_left_out"
    assert [each.code for each in report.advice[:2]] == ["new_sources_expected", "accuracy_expected"]
    assert report.advice[0].text == (
        "of new recordings, from sources that were not trained on and with labels as frequent as here, expect about "
        "91.7 % to be right; nothing follows for 'c', without a second source to be scored on"
    )
    assert "each classified as one of 3 labels; mean over labels 91.7 %" in report.advice[0].evidence
    assert "the interval is over groups inside 2 sources, not over sources" in report.advice[0].evidence
    assert report.advice[1].text == (
        "of clips of the sources known, from groups (artists, albums or speakers) that were not trained on, expect "
        "about 84.6 % to be right"
    )
    plain = report_of(None, by_group)
    assert plain.headlines == (plain.headline,)
    assert plain.for_new_recordings == "protocol"
    assert "from groups (artists, albums or speakers) that were not" in plain.advice[0].text


def test_confounded_labels_withdraw_the_figure_by_group_and_not_the_one_with_sources_left_out():
    report = report_of(*example(), CONFOUNDED)
    assert [each.code for each in report.advice[:2]] == ["new_sources_expected", "accuracy_not_transferable"]
    assert "are right as new groups of known sources, but do not expect that of new clips" in report.advice[1].text
    assert "alarms_to_clear" in {each.code for each in report.advice}


@pytest.mark.parametrize(
    ("code", "withdraws"),
    [("near_duplicate", False), ("group_on_both_sides", False), ("groups_unknown", True), ("format_confounded", True)],
)
def test_an_alarm_on_the_division_by_group_is_none_on_that_by_source(code, withdraws):
    report = report_of(*example(), Finding(code, "alarm", "mind this", ""))
    assert report.advice[0].code == ("sources_not_transferable" if withdraws else "new_sources_expected")
    assert ("but do not expect that: mind this" in report.advice[0].text) is withdraws


def test_an_alarm_on_the_division_by_source_withdraws_its_figure_alone():
    alarm = Finding("near_duplicate", "alarm", "nearly the same audio in two sources", "keep one")
    left_out, by_group = example(findings=[alarm])
    report = report_of(left_out, by_group)
    assert [each.code for each in report.advice[:2]] == ["sources_not_transferable", "accuracy_expected"]
    assert report.to_dict()["sources_left_out"]["findings"][0]["code"] == "near_duplicate"
    assert "nearly the same audio in two sources; keep one" in render_html(report, "Ours")


def test_few_groups_are_a_caveat_and_without_an_interval_nothing_follows_for_new_sources():
    few = [clip_of(str(k), "ab"[k % 2], "ab"[k % 2], "x", group=f"g{k}") for k in range(4)]
    report = report_of(make_sources_left_out(few, few, LABELS, "by hand"), example()[1])
    assert "the interval rests on 4 groups only: it is a rough indication" in report.advice[0].evidence
    clips = [clip_of(str(k), "ab"[k % 2], "ab"[k % 2], "x", group="one") for k in range(4)]
    report = report_of(make_sources_left_out(clips, clips, LABELS, "by hand"), example()[1])
    assert report.advice[0].code == "sources_without_interval"


def test_over_sources_the_interval_has_no_caveat():
    report = report_of(*example(intervals_over="sources"))
    assert "not over sources" not in report.advice[0].evidence
    assert "95 % interval over sources: " in render_html(report, "Ours")
    assert "95 % interval over sources: " not in render_html(report_of(*example()), "Ours")


def test_a_figure_at_chance_is_said_to_be_no_better():
    clips = [clip_of(f"{label}{source}{k}", label, "a", source) for label in "ab" for source in "xy" for k in range(4)]
    report = report_of(make_sources_left_out(clips, clips, LABELS, "by hand"), clips)
    assert [each.code for each in report.advice[:3]] == [
        "new_sources_expected",
        "not_above_chance",
        "accuracy_expected",
    ]
    assert "always answering 'a', which would be right for 50.0 %" in report.advice[1].text


# --- files -----------------------------------------------------------------------------------------------------------


def test_json_holds_all_of_it_beside_the_metrics_by_group(tmp_path):
    left_out, by_group = example()
    report = report_of(left_out, by_group)
    path = tmp_path / "r.json"
    path.write_text(to_json(report))
    values = read_report(path)
    assert values == json.loads(json.dumps(report.to_dict()))
    assert values["accuracy"] == report.accuracy
    assert values["for_new_recordings"] == "sources_left_out"
    part = values["sources_left_out"]
    assert part["accuracy"] == left_out.accuracy
    assert part["known_sources"]["accuracy"] == 20 / 24
    assert part["intervals"]["accuracy"] == list(left_out.metrics.intervals["accuracy"])
    assert part["per_label"]["b"] == {**left_out.metrics.per_label["b"]}
    assert (part["n"], part["n_known"], part["n_groups"], part["n_candidates"]) == (24, 24, 24, [3, 3])
    assert (part["scored_labels"], part["unscored_labels"]) == (["a", "b"], ["c"])
    assert [clip["name"] for clip in part["clips"]] == [clip.name for clip in left_out.clips]
    assert report_of(None, by_group).to_dict()["sources_left_out"] is None


def test_the_tables_of_csv_have_the_metrics_the_labels_and_the_clips():
    left_out, by_group = example()
    by_name = tables(report_of(left_out, by_group))
    read = {name: list(csv.DictReader(io.StringIO(csv_text(by_name[name])))) for name in by_name if "left_out" in name}
    metrics = {row["metric"]: row for row in read["left_out_metrics"]}
    assert float(metrics["accuracy"]["value"]) == left_out.accuracy
    assert float(metrics["accuracy"]["known_sources"]) == 20 / 24
    assert float(metrics["cllr"]["low"]) == left_out.metrics.intervals["cllr"][0]
    assert [row["label"] for row in read["left_out_per_label"]] == list(LABELS)
    assert [row["name"] for row in read["left_out_clips"]] == [clip.name for clip in left_out.clips]
    assert not any("left_out" in name for name in tables(report_of(None, by_group)))


def test_the_page_shows_both_and_escapes_names():
    left_out, by_group = example()
    page = render_html(report_of(left_out, by_group), "Ours")
    for words in ("<h2>On recordings of a new source</h2>", "<h2>On new groups of known sources</h2>", "91.7 %"):
        assert words in page
    assert page.index("On recordings of a new source") < page.index("On new groups of known sources")
    assert 'id="sources_left_out"' in page
    assert "Not scored, for want of a second source: c." in page
    other = replace(left_out, scored_labels=("a", "b"), unscored_labels=("<b>",))
    assert "<b>." not in render_html(report_of(other, by_group), "Ours")
    assert "sources_left_out" not in render_html(report_of(None, by_group), "Ours")


def test_the_page_with_it_is_sound_html_whatever_the_names_are():
    names = (HOSTILE[0], HOSTILE[3], HOSTILE[1])
    rows = [(names[k % 2], HOSTILE[k // 4 % 2], k) for k in range(8)]
    clips = [clip_of(f"{k}", label, names[0], source, candidates=names) for label, source, k in rows]
    hostile, by_group = make_sources_left_out(clips, [], names, f"one source {HOSTILE[2]}"), example()[1]
    page = page_of(report_of(hostile, by_group))
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.tags.count("table") == page.tags.count("caption")
    regions = page.values("div", "aria-label")
    assert len(regions) == len(set(regions))
    assert page.values("section", "id")[:3] == ["advice", "checks", "sources_left_out"]
    assert "#sources_left_out" in page.values("a", "href")
    rows = page.rows("Metrics with sources left out")
    assert rows[0][:2] == ["Accuracy", f"{100 * hostile.accuracy:.1f} %"]
