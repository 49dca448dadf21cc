"""The report as a page: what it shows, that it needs nothing else, and that no name can be more than text."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.canvas import paper
from gmmaudio.canvas.look import shorten
from gmmaudio.evaluation import (
    FailedInput,
    Protocol,
    Similarity,
    make_report,
    make_slice,
    page,
    render_html,
)
from gmmaudio.evaluation.detection import FALSE_ALARMS
from gmmaudio.evaluation.page import DET_CLIPS, FEW_LABELS, N_CONFUSIONS
from gmmaudio.findings import LEVELS, Finding
from gmmaudio.names import named, printable
from tests.evaluation.conftest import HARMLESS, HOSTILE, PROTOCOL, clip_of, example, page_of, report_of

pytestmark = pytest.mark.usefixtures("quick")


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_page_shows_metrics_title_and_protocol():
    failed = [FailedInput("gone.wav", "decode", "no sound in it")]
    report = report_of(
        [("a", "a")] * 3 + [("b", "a")], findings=[Finding("a_gap", "alarm", "mind the gap")], failed=failed
    )
    page = page_of(report)
    low, high = report.intervals["accuracy"]
    for words in (
        "Cross-validation of corpus",
        "75.0 %",
        f"{100 * low:.1f} to {100 * high:.1f} %",
        f"{100 * report.metrics.values['macro_f1']:.1f} %",
        "1 input failed",
        "2 labels",
        PROTOCOL.scheme,
        PROTOCOL.command,
        "gmmaudio 1.2.3, numpy 9.9",
        '"n_mfcc": 20',
    ):
        assert words in page.text, words
    assert page.rows("Inputs that failed") == [["gone.wav", "decode", "no sound in it"]]


def test_a_page_of_a_full_report_has_all_parts_in_order_and_leads_to_each():
    page = page_of(example(full=True, repeats=2))
    keys = [
        "checks",
        "repeats",
        "confusion",
        "labels",
        "mistakes",
        "scores",
        "slices",
        "similarity",
        "failed",
        "run",
    ]
    assert page.values("section", "id") == ["advice", *keys]
    assert page.values("a", "href") == [f"#{key}" for key in keys]
    for words in (
        "gmmaudio reproduce FILE.json",
        "0123456789abcdef" * 4,
        "x86_64, Linux",
        "2026-01-02T03:04:05Z",
        "12.3 s",
    ):
        assert words in page.text, words


def test_a_page_of_a_bare_report_leaves_out_what_there_is_not():
    page = page_of(report_of([("a", "a")] * 12))
    assert page.values("section", "id") == ["advice", "checks", "confusion", "labels", "mistakes", "scores", "run"]
    assert "None: every clip was correctly classified." in page.text
    assert "every input was scored" in page.text
    for words in ("Read these first", "no interval", "reproduce", "failed,", "Most frequent confusions", "Looked for"):
        assert words not in page.text, words
    one_group = page_of(make_report([clip_of(0), clip_of(1, unit="g0")], ["a"], PROTOCOL))
    assert one_group.text.count("no interval: fewer than two groups") >= 2


@pytest.mark.parametrize("n_labels", [1, 2, 3, FEW_LABELS, FEW_LABELS + 1, 50])
def test_a_page_is_sound_html_with_one_h1_headings_in_order_and_named_tables(plotted, n_labels):
    page = page_of(example(n_labels, full=n_labels >= 3))
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(words.strip() for _, words in page.headings)
    assert page.values("html", "lang") == ["en"]
    assert page.tags.count("table") == page.tags.count("caption")
    assert page.tags.count("th") == len(page.values("th", "scope"))
    # what scrolls can be reached by keyboard, and has a name of its own
    regions = page.values("div", "aria-label")
    assert len(regions) == len(set(regions)) == page.values("div", "role").count("region")
    assert page.values("div", "tabindex") == ["0"] * len(regions)


def test_ids_are_unique_and_every_reference_is_to_one(plotted):
    page = page_of(example(9, full=True))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    text = " ".join(value for _, _, value in page.attributes if value)
    used = {value[1:] for _, name, value in page.attributes if name == "href"} | set(re.findall(r"url\(#(.*?)\)", text))
    assert used <= set(ids)
    assert len(used) > 10


def test_the_same_report_is_the_same_page_whatever_the_users_matplotlib_is_set_to(plotted):
    import matplotlib

    report = example(3, full=True)
    page = render_html(report, "t")
    with matplotlib.rc_context({"font.size": 31, "xtick.labelsize": 31, "svg.fonttype": "path", "svg.hashsalt": "x"}):
        before = dict(matplotlib.rcParams)
        assert render_html(report, "t") == page
        assert dict(matplotlib.rcParams) == before


def test_warnings_stand_first_then_information_then_checks_passed():
    findings = [
        Finding("a_check", "passed", "no gap elsewhere"),
        Finding("a_step", "information", "there is a step"),
        Finding("a_hole", "warning", "mind the hole", "jump"),
        Finding("a_gap", "alarm", "mind the gap", "jump"),
    ]
    page = page_of(report_of([("a", "a")] * 12, "a", findings=findings))
    assert page.headings[1:4] == [("h2", "Read these first"), ("h3", "Information"), ("h3", "Checks passed")]
    assert page.items[-4:] == [
        "Alarm: mind the gap; jump",
        "mind the hole; jump",
        "there is a step",
        "no gap elsewhere",
    ]
    quiet = page_of(report_of([("a", "a")] * 12, "a"))
    assert quiet.headings[1] == ("h2", "Checks")
    assert "Nothing was found that may make these metrics wrong." in quiet.text


def test_repeats_have_their_spread():
    clips = [clip_of(i, "a", "a" if i < 2 + r else "b", repeat=r) for r in range(3) for i in range(4)]
    page = page_of(make_report(clips, ["a", "b"], replace(PROTOCOL, repeats=3)))
    assert page.rows("Minimum, mean and maximum of the repeats")[0] == [
        "accuracy",
        "50.0 %",
        "75.0 %",
        "100.0 %",
        "25.0 percentage points",
    ]
    assert [row[:3] for row in page.rows("Metrics of every repeat")] == [
        ["7", "4", "50.0 %"],
        ["8", "4", "75.0 %"],
        ["9", "4", "100.0 %"],
    ]
    assert "12 predictions in 3 repeats" in page.text
    assert "summed over 3 repeats" in page.text
    assert "7 to 9" in page.text


def test_labels_that_were_not_scored_are_listed():
    report = make_report([clip_of(0)], ["a", "rare"], replace(PROTOCOL, unscored_labels=("rare",)))
    assert (
        "rare (candidates, or labels that the model does not know; none of their clips could be scored)"
        in page_of(report).text
    )


# --- confusion -------------------------------------------------------------------------------------------------------


def test_a_small_matrix_has_counts_and_per_cent():
    pairs = [("a", "a")] * 3 + [("a", "b")] + [("b", "c")] * 12
    page = page_of(report_of(pairs, "abc"))
    # a label without clips has a column and no row
    assert page.tables["Clips, and per cent of the row"] == [
        ["true \\ predicted", "a", "b", "c", "n"],
        ["a", "3", "1", "·", "4"],
        ["b", "·", "·", "12", "12"],
    ]
    assert "Labels without clips have a column only." in page.text
    assert "75 %" in page.text


@pytest.mark.parametrize("n_labels", [1, 3, FEW_LABELS, FEW_LABELS + 1, 50])
def test_no_count_of_the_matrix_is_lost(n_labels):
    report = example(n_labels, probabilities=False)
    page = page_of(report)
    large = n_labels > FEW_LABELS
    head, *rows = page.tables["Clips" if large else "Clips, and per cent of the row"]
    assert head[1:-1] == [row[0] for row in rows] == list(report.labels)
    none = "" if large else "·"
    shown = [[0 if cell == none else int(cell) for cell in row[1:]] for row in rows]
    assert [row[:-1] for row in shown] == report.confusion.tolist() == report.to_dict()["confusion"]
    assert [row[-1] for row in shown] == report.confusion.sum(axis=1).tolist()


def test_a_large_matrix_has_squares_for_what_was_predicted_and_not_for_all_pairs():
    labels = [f"l{i:03d}" for i in range(200)]
    pairs = [(label, label) for label in labels] + [(labels[i], labels[i - 7]) for i in range(0, 200, 2)]
    read = page_of(report_of(pairs, labels))
    rows = read.tables["Clips"][1:]
    assert [len(row) for row in rows] == [202] * 200
    assert sum(cell != "" for row in rows for cell in row[1:-1]) == 300
    # in each row at most one before, one between and one after the squares that are not empty
    assert sum(name.startswith("zero") for name in read.values("td", "class")) <= 300 + 200


@pytest.mark.parametrize(("n_labels", "has_map"), [(100, True), (101, False)])
def test_more_than_a_hundred_labels_have_no_map(n_labels, has_map):
    labels = [f"l{i:03d}" for i in range(n_labels)]
    pairs = [pair for i in range(n_labels) for pair in ((labels[i], labels[i]), (labels[i], labels[i - 1]))]
    read = page_of(report_of(pairs, labels))
    assert (f"There is no map: the names of {n_labels} labels would cover each other." in read.text) is not has_map
    assert ("Map of the labels" in " ".join(read.values("div", "aria-label"))) is has_map
    assert len(read.rows("The nearest of each label")) == n_labels


def test_a_matrix_of_too_many_labels_is_named_and_not_drawn(monkeypatch):
    monkeypatch.setattr(page, "MATRIX_LABELS", 2)
    html = render_html(report_of([("a", "b"), ("b", "b"), ("c", "c")], "abc"), "a table")
    assert "The matrix of 3 labels is too large for a page" in html
    assert 'class="matrix' not in html
    assert "Most frequent confusions" in html


def test_a_square_of_a_large_matrix_says_all_in_its_title():
    labels = [f"l{i}" for i in range(FEW_LABELS + 1)]
    page = page_of(report_of([("l0", "l0")] * 3 + [("l0", "l7")], labels))
    assert page.values("td", "title") == ["l0 predicted as l0: 3 of 4, 75.0 %", "l0 predicted as l7: 1 of 4, 25.0 %"]


def test_most_frequent_confusions_come_first_and_of_equal_ones_the_greater_share():
    pairs = [("a", "b")] * 2 + [("a", "a")] * 8 + [("b", "c")] * 2 + [("c", "a")] * 5 + [("c", "c")] * 5
    page = page_of(report_of(pairs, "abc"))
    assert page.rows("Most frequent confusions") == [
        ["c", "a", "5", "50.0 %"],
        ["b", "c", "2", "100.0 %"],
        ["a", "b", "2", "20.0 %"],
    ]


def test_of_many_confusions_the_first_are_listed_and_all_are_counted():
    labels = [f"l{i}" for i in range(N_CONFUSIONS + 5)]
    page = page_of(report_of(list(itertools.pairwise(labels)), labels))
    assert len(page.rows("Most frequent confusions")) == N_CONFUSIONS
    assert f"The first {N_CONFUSIONS} of {N_CONFUSIONS + 4} pairs" in page.text


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_the_table_of_labels_has_their_metrics():
    report = report_of([("a", "a")] * 3 + [("a", "b")], "abc")
    assert page_of(report).tables["Metrics per label"] == [
        ["label", "precision", "recall", "F1", "n", "groups"],
        ["a", "100.0 %", "75.0 %", "85.7 %", "4", "4"],
        ["b", "0.0 %", "–", "–", "0", "0"],
        ["c", "–", "–", "–", "0", "0"],
    ]
    report = example(3)
    table = page_of(report).tables["Detection of each label"]
    assert table[0] == ["label", "n", "EER", "min DCF"]
    for label, n, eer, min_dcf in table[1:]:
        row = report.per_label[label]
        assert (n, eer, min_dcf) == (str(row["n"]), f"{100 * row['eer']:.1f} %", f"{row['min_dcf']:.3f}")


def test_the_table_of_labels_has_the_groups_trained_on_where_they_are_others():
    clips = [clip_of(0, "a", "a"), clip_of(1, "a", "a", group="g0"), clip_of(2, "b", "b", group=None)]
    same = make_report(clips, ["a", "b"], PROTOCOL, n_training_groups={"a": 1, "b": None})
    assert page_of(same).tables["Metrics per label"][0][-1] == "groups"
    assert [row[-1] for row in page_of(same).rows("Metrics per label")] == ["1", "–"]
    other = make_report(clips, ["a", "b"], PROTOCOL, n_training_groups={"a": 7})
    assert page_of(other).tables["Metrics per label"][0][-2:] == ["groups", "groups trained on"]
    assert [row[-2:] for row in page_of(other).rows("Metrics per label")] == [["1", "7"], ["–", "–"]]


def test_every_metric_is_on_the_page_with_its_interval_and_a_meaning():
    report = example(4)
    values, intervals = report.metrics.values, report.intervals
    report = replace(report, metrics=replace(report.metrics, values={**values, "new_one": 0.5, "lost": None}))
    read = page_of(report)
    tables = [read.rows("Metrics from scores"), read.rows("Detection of all labels")]
    rows = {name: rest for table in tables for name, *rest in table}
    assert set(rows) & {"Cavg", "Log-loss"} == {"Cavg", "Log-loss"}
    assert {"Cavg", "Log-loss"} & {row[0] for row in tables[0]} == {"Log-loss"}
    assert rows["Pooled EER"][0] == f"{100 * values['eer']:.1f} %"
    assert rows["Cavg"][:2] == [f"{values['cavg']:.3f}", "{:.3f} to {:.3f}".format(*intervals["cavg"])]
    assert rows["min Cllr"][0] == f"{values['min_cllr']:.3f} bits"
    assert rows["Log-loss"][0] == f"{values['log_loss']:.3f} nats"
    assert rows["Top-2 accuracy"][0] == f"{100 * values['top_2_accuracy']:.1f} %"
    assert (rows["new_one"][0], rows["lost"][0]) == ("0.500", "–")
    # three are in the headline
    assert len(rows) == len(values) + 2 - 3
    assert all(len(row[-1]) > 10 for name, row in rows.items() if name not in ("new_one", "lost"))


def test_the_page_says_what_the_metrics_were_computed_from(plotted):
    with_probabilities, with_scores = page_of(example(3)), page_of(example(3, probabilities=False))
    only = [clip_of(i, label, "a", scores={}) for i, label in enumerate("aab")]
    with_decisions = page_of(make_report(only, ["a", "b"], PROTOCOL))
    assert "Computed from probabilities." in with_probabilities.text
    assert "not calibrated" in with_scores.text
    assert "No diagram: it needs probabilities" in with_scores.text
    assert "Only decisions are known" in with_decisions.text
    assert "reliability" not in " ".join(v for v in with_scores.values("svg", "class"))
    assert with_decisions.values("svg", "class") == []
    assert "Metrics from scores" not in with_decisions.tables
    assert with_decisions.rows("Most confident mistakes")[0][3:] == ["–", "g2", "0", "–"]


@pytest.mark.parametrize("n_clips", [DET_CLIPS - 1, DET_CLIPS])
def test_a_label_has_a_det_curve_from_thirty_clips_on(plotted, n_clips):
    pairs = [("a", "a")] * n_clips + [("b", "a")] * 3 + [("b", "b")] * 5
    read = page_of(report_of(pairs))
    if n_clips < DET_CLIPS:
        assert "No curve: it takes 30 clips of a label" in read.text
        assert "Miss rate, by false-alarm rate" not in read.tables
    else:
        assert [row[0] for row in read.rows("Miss rate, by false-alarm rate")] == ["all labels pooled", "a"]
        assert "1 label has no curve: fewer than 30 clips." in read.text


def test_detection_is_folded_away_below_the_mistakes():
    html = render_html(report_of([("a", "a")] * 3 + [("a", "b"), ("b", "b")]), "t")
    folded = html.index('<details class="costs">')
    assert html.index('id="mistakes"') < folded < html.index("Detection of each label")
    assert "min DCF" not in html[:folded]


def test_the_numbers_of_the_det_plot_are_the_least_misses_that_the_false_alarms_allow(monkeypatch):
    monkeypatch.setattr(page, "DET_CLIPS", 1)
    report = example(3)
    head, *rows = page_of(report).tables["Miss rate, by false-alarm rate"]
    assert head == ["curve", "1.0 %", "2.0 %", "5.0 %", "10.0 %", "20.0 %", "40.0 %"]
    assert [row[0] for row in rows] == ["all labels pooled", *report.labels]
    assert [label for label, _ in report.metrics.det] == [None, *report.labels]
    clips = report.clips
    targets = np.array([np.log(clip.probability[clip.label] / (1 - clip.probability[clip.label])) for clip in clips])
    others = np.array([np.log(p / (1 - p)) for c in clips for label, p in c.probability.items() if label != c.label])
    for limit, shown in zip(FALSE_ALARMS, rows[0][1:], strict=True):
        allowed = [t for t in [*targets, *others, np.inf] if (others >= t).mean() <= limit]
        assert shown == f"{100 * min((targets < t).mean() for t in allowed):.1f} %"


def test_the_numbers_of_the_reliability_diagram_are_its_bins():
    report = example(3)
    curve = report.metrics.reliability
    rows = page_of(report).rows("Accuracy in each bin of probability")
    assert len(rows) == len(curve.n)
    assert sum(int(row[1]) for row in rows) == report.n
    assert rows[-1] == [
        f"{curve.edges[-2]:.2f} to {curve.edges[-1]:.2f}",
        str(curve.n[-1]),
        f"{100 * curve.confidence[-1]:.1f} %",
        f"{100 * curve.accuracy[-1]:.1f} %",
    ]
    assert rows[0] == ["0.00 to 0.10", "0", "–", "–"]
    assert f"ECE {100 * curve.ece:.1f} %" in page_of(report).text


def test_without_matplotlib_the_page_says_so_and_has_the_numbers(monkeypatch):
    monkeypatch.setattr(page, "DET_CLIPS", 1)
    assert not paper.can_plot()
    read = page_of(example(9, full=True))
    assert "svg" not in read.tags
    assert read.text.count("plots need the plot extra, pip install 'gmmaudio[plot]'") == 5
    assert read.rows("Miss rate, by false-alarm rate")
    assert read.rows("Accuracy in each bin of probability")
    assert read.rows("Accuracy: Learning curve")
    assert read.rows("The nearest of each label")


# --- conditions, mistakes, likeness ----------------------------------------------------------------------------------


def test_conditions_have_a_table_each_in_a_fixed_order_and_unknown_ones_come_last():
    report = example(3, full=True)
    page = page_of(report)
    captions = [caption for caption in page.tables if caption.startswith("Accuracy: ")]
    assert captions == [
        "Accuracy: By source",
        "Accuracy: By duration",
        "Accuracy: Cut to durations",
        "Accuracy: Degraded audio",
        "Accuracy: Learning curve",
        "Accuracy: Random-split gap",
        "Accuracy: a-label 0 by hand",
    ]
    clean, worse = report.slices["robustness"]
    metrics = [
        [
            f"{100 * row.accuracy:.1f} %",
            "{:.1f} to {:.1f} %".format(*(100 * end for end in row.interval)),
            f"{100 * row.balanced_accuracy:.1f} %",
            str(row.n),
            str(row.n_groups),
        ]
        for row in (clean, worse)
    ]
    head, *rows = page.tables["Accuracy: Degraded audio"]
    assert head == ["slice", "accuracy", "95 % interval", "balanced", "n", "groups", "difference", "95 % interval"]
    assert rows == [
        ["clean", *metrics[0], "–", "–"],
        ["babble, 10 dB", *metrics[1], "−12.5", "−20.0 to +3.0"],
    ]
    head, *rows = page.tables["Accuracy: Learning curve"]
    assert (head[1], [row[1] for row in rows]) == ("hours", ["0.40", "0.80", "1.60"])
    assert "difference" not in page.tables["Accuracy: By source"][0]


def test_a_learning_curve_of_one_step_has_a_table_and_no_plot(plotted):
    clips = [clip_of(i) for i in range(3)]
    page = page_of(make_report(clips, ["a"], PROTOCOL, slices={"learning_curve": [make_slice("all", clips, hours=1)]}))
    assert page.rows("Accuracy: Learning curve")[0][:2] == ["all", "1.00"]
    assert "plot extra" not in page.text
    assert "svg" not in page.tags


def test_mistakes_have_margin_runner_up_group_source_fold_and_all_their_paths():
    clips = [
        clip_of(0, "a", "a"),
        clip_of(1, "a", "b", scores={"a": -3.5, "b": -1.25}, fold="4", source="radio"),
        clip_of(2, "z", "b", scores={"b": -1.0}, group=None, paths=("one.wav", "two.wav", "three.wav")),
    ]
    page = page_of(make_report(clips, ["a", "b", "z"], PROTOCOL))
    assert page.rows("Most confident mistakes") == [
        ["one.wav and 2 moretwo.wavthree.wav", "z", "b", "–", "–", "–", "0", "not a candidate"],
        ["1.wav", "a", "b", "a", "g1", "radio", "4", "2.250"],
    ]


def test_mistakes_have_the_probabilities_of_their_labels_and_the_nearest_group():
    shares = {"a": 0.25, "b": 0.625, "c": 0.125}
    clips = [clip_of(0), clip_of(1, "c", "b", scores={}, probability=shares, nearest_group="the beatles")]
    table = page_of(make_report(clips, ["a", "b", "c"], PROTOCOL)).tables["Most confident mistakes"]
    assert table == [
        ["clip", "true", "predicted", "runner-up", "nearest group", "group", "fold", "margin"],
        ["1.wav", "c (12.5 %)", "b (62.5 %)", "a (25.0 %)", "the beatles", "g1", "0", "1.609"],
    ]
    alone = page_of(make_report([clip_of(0, "a", "b")], ["a", "b"], PROTOCOL)).tables["Most confident mistakes"]
    assert alone[0] == ["clip", "true", "predicted", "runner-up", "group", "fold", "margin"]


def test_of_many_mistakes_the_page_says_how_many_there_are():
    page = page_of(report_of([("a", "b")] * 30))
    assert len(page.rows("Most confident mistakes")) == 20
    assert "20 of 30, the widest margins first." in page.text


def similar(distance, labels="abcd"):
    """Return the page of a report whose labels are as far apart as given."""
    given = Similarity(tuple(labels), np.array(distance, dtype=np.float64), "furlongs")
    return page_of(report_of([(label, label) for label in labels], labels, similarity=given))


def test_the_nearest_labels_are_listed_with_ties_and_what_is_unknown():
    page = similar([[0, 1, 1, 3], [1, 0, 2, 3], [1, 2, 0, 3], [3, 3, 3, 0]])
    assert page.rows("The nearest of each label") == [
        ["a", "b, c", "1.000"],
        ["b", "a", "1.000"],
        ["c", "a", "1.000"],
        ["d", "all equally far", "3.000"],
    ]
    assert "Distance: furlongs." in page.text
    nan = np.nan
    page = similar([[0, 1, 2, nan], [1, 0, 2, nan], [2, 2, 0, nan], [nan, nan, nan, 0]])
    assert page.rows("The nearest of each label")[-1] == ["d", "unknown", "–"]
    assert "Not on the map, because a distance is unknown: d." in page.text
    page = similar([[0, 2], [2, 0]], "ab")
    assert page.rows("The nearest of each label") == [["a", "b", "2.000"], ["b", "a", "2.000"]]
    assert "By classical scaling" not in page.text


# --- hostile names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are_everywhere_on_the_page(name):
    clips = [
        clip_of(0, name, "b", name=name, paths=(name,), group=name, unit=name, source=name, fold=name),
        clip_of(1, "b", name),
        clip_of(2, "c", "b", paths=("first", name)),
    ]
    protocol = Protocol(
        scheme=name,
        group_by=name,
        seed=0,
        folds=(name,),
        repeats=1,
        scored_labels=(name, "b"),
        unscored_labels=(name,),
        settings={name: name},
        versions={name: name, "gmmaudio": name},
        command=name,
        machine=name,
        model_sha256=name,
        began=name,
    )
    rest = {"slices": {name: [make_slice(name, clips)]}, "run": {name: name}}
    findings = [Finding("a_text", level, name, name) for level in LEVELS]
    report = make_report(clips, [name, "b", "c"], protocol, findings, [FailedInput(name, name, name)], **rest)
    page = page_of(replace(report, similarity=replace(report.similarity, kind=name)), title=name)
    shown = named(name)
    assert page.headings[0] == ("h1", shown)
    matrix = page.tables["Clips, and per cent of the row"]
    assert matrix[0] == ["true \\ predicted", shown, "b", "c", "n"]
    assert matrix[1] == [shown, "·", "1", "·", "1"]
    assert page.rows("Metrics per label")[0][0] == shown
    mistakes = page.rows("Most confident mistakes")
    assert [shown, shown, "b", shown, shown, shown, shown, "1.000"] in mistakes
    assert f"first and 1 more{shown}" in [row[0] for row in mistakes]
    assert page.rows("Inputs that failed") == [[shown] * 3]
    assert page.rows(f"Accuracy: {printable(name)}")[0][0] == shown
    assert f"gmmaudio {printable(name)}" in page.values("meta", "content")
    assert printable(json.dumps({name: name}, ensure_ascii=False)[1:-1]) in page.text
    assert set(page.tags) <= HARMLESS, "a name became a tag"
    assert page.tags.count("h1") == 1


@pytest.mark.parametrize("probabilities", [True, False])
def test_hostile_names_all_at_once(plotted, probabilities):
    page = page_of(example(names=HOSTILE, full=True, probabilities=probabilities, repeats=2), title=HOSTILE[0])
    assert {row[0] for row in page.rows("Metrics per label")} == {named(name) for name in HOSTILE}
    assert {shorten(named(name)) for name in HOSTILE} <= set(page.drawn)


def test_a_name_of_nothing_or_blanks_can_be_seen():
    assert [named(name) for name in (None, "", "  ", "\t", "a\u200bb", "é")] == [
        "–",
        '""',
        '"  "',
        '"\\t"',
        "a\\u200bb",
        "é",
    ]
