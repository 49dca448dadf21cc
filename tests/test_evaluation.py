"""Figures of merit against scikit-learn and by hand; intervals; the report as JSON and terminal text."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as reference

from gmmaudio.cli.console import show_report
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    FailedInput,
    Protocol,
    ScoredClip,
    accuracy,
    balanced_accuracy,
    bootstrap_intervals,
    confusion_matrix,
    log_loss,
    make_report,
    per_label,
    percent,
)
from gmmaudio.findings import Finding

PROTOCOL = Protocol(
    scheme="5-fold cross-validation by group",
    group_by="group",
    seed=7,
    folds=("0", "1"),
    repeats=1,
    scored_labels=("a", "b"),
    unscored_labels=(),
    settings={"features": {"n_mfcc": 20}},
    versions={"gmmaudio": "1.2.3", "numpy": "9.9"},
    command="gmmaudio crossval corpus",
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "{{7*7}}",
    "{% for i in range(9) %}x{% endfor %}",
    "&lt;b&gt; & <!-- ",
    "</style><style>*{background:url(http://evil.example/x)}",
    "</title></pre><h1>owned</h1>",
    "javascript:alert(1)",
    "a\udcff.wav",
    "items",
)


def clip_of(i, label="a", predicted="a", **changed):
    """Return a prediction whose score for the label given is 1 above the others."""
    known = {
        "name": f"{i}.wav",
        "paths": (f"{i}.wav",),
        "label": label,
        "group": f"g{i}",
        "unit": f"g{i}",
        "source": None,
        "fold": "0",
        "repeat": 0,
        "predicted": predicted,
        "scores": {label: -2.0} | {predicted: -1.0},
    }
    return ScoredClip(**(known | changed))


MIND = Finding("a_gap", "warning", "mind the gap", "jump")
FINDING_LEVELS = ("passed", "information", "alarm", "warning", "passed", "alarm")


def finding_of(text):
    """Return information with a text."""
    return Finding("a_text", "information", text)


def report_of(pairs, labels="ab", **rest):
    """Return the report of (true, predicted) pairs."""
    clips = [clip_of(i, true, predicted) for i, (true, predicted) in enumerate(pairs)]
    return make_report(clips, list(labels), PROTOCOL, **rest)


def random_labels(n, labels, seed):
    """Return true labels and predictions that are right about half the time; every label occurs in both."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([labels, rng.choice(labels, n - len(labels))])
    predicted = np.where(rng.random(n) < 0.4, true, rng.choice(labels, n))
    predicted[: len(labels)] = labels
    return true.tolist(), predicted.tolist()


# --- figures of merit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_labels", [2, 3, 9])
def test_figures_equal_scikit_learn(n_labels, seed):
    labels = [f"l{i}" for i in range(n_labels)]
    true, predicted = random_labels(60, labels, seed)
    counts = confusion_matrix(true, predicted, labels)
    np.testing.assert_array_equal(counts, reference.confusion_matrix(true, predicted, labels=labels))
    # ratios of small whole numbers: only the last bits may differ
    assert float(accuracy(counts)) == pytest.approx(reference.accuracy_score(true, predicted), rel=1e-12)
    assert float(balanced_accuracy(counts)) == pytest.approx(
        reference.balanced_accuracy_score(true, predicted), rel=1e-12
    )
    columns = reference.precision_recall_fscore_support(true, predicted, labels=labels)
    for label, row in zip(labels, zip(*columns, strict=True), strict=True):
        assert tuple(per_label(counts, labels)[label].values()) == pytest.approx(row, rel=1e-12)


def test_figures_of_a_table_worked_by_hand():
    counts = np.array([[8, 2, 0], [1, 3, 0], [1, 0, 5]])
    assert float(accuracy(counts)) == 16 / 20
    assert float(balanced_accuracy(counts)) == pytest.approx((8 / 10 + 3 / 4 + 5 / 6) / 3)
    assert per_label(counts, ["a", "b", "c"]) == {
        "a": {"precision": 8 / 10, "recall": 8 / 10, "f1": 16 / 20, "n": 10},
        "b": {"precision": 3 / 5, "recall": 3 / 4, "f1": 6 / 9, "n": 4},
        "c": {"precision": 1.0, "recall": 5 / 6, "f1": 10 / 11, "n": 6},
    }


def test_confusion_has_true_rows_and_predicted_columns_in_the_order_asked():
    counts = confusion_matrix(["a", "a", "b"], ["b", "b", "c"], ["c", "b", "a"])
    assert counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0]]
    assert counts.dtype == np.int64


def test_balanced_accuracy_is_not_moved_by_how_many_clips_a_label_has():
    few, many = np.array([[4, 1], [1, 1]]), np.array([[400, 100], [1, 1]])
    assert float(balanced_accuracy(few)) == pytest.approx(float(balanced_accuracy(many)))
    assert float(accuracy(few)) != pytest.approx(float(accuracy(many)), abs=0.05)


def test_a_label_never_predicted_has_no_precision():
    row = per_label(np.array([[3, 0], [2, 0]]), ["a", "b"])["b"]
    assert row == {"precision": None, "recall": 0.0, "f1": 0.0, "n": 2}


def test_a_label_that_is_never_true_has_no_recall_and_is_not_in_the_mean():
    counts = np.array([[3, 1], [0, 0]])
    assert per_label(counts, ["a", "b"])["b"] == {"precision": 0.0, "recall": None, "f1": None, "n": 0}
    assert float(balanced_accuracy(counts)) == 0.75


def test_nothing_scored_is_not_a_number_and_not_an_error():
    for n_labels in (0, 1, 3):
        counts = confusion_matrix([], [], [str(i) for i in range(n_labels)])
        assert counts.shape == (n_labels, n_labels)
        assert np.isnan(accuracy(counts))
        assert np.isnan(balanced_accuracy(counts))
    assert np.isnan(log_loss([], []))


def test_figures_keep_leading_axes():
    stack = np.array([[[1, 1], [0, 2]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]])
    np.testing.assert_array_equal(accuracy(stack), [0.75, np.nan, 0.0])
    np.testing.assert_array_equal(balanced_accuracy(stack), [0.75, np.nan, 0.0])


@pytest.mark.parametrize(("true", "predicted"), [(["z"], ["a"]), (["a"], ["z"])])
def test_an_unknown_label_is_refused_by_name(true, predicted):
    with pytest.raises(SettingError, match="label 'z' is not among a, b"):
        confusion_matrix(true, predicted, ["a", "b"])


def test_different_numbers_of_true_and_predicted_labels_are_refused():
    with pytest.raises(SettingError, match="2 true and 1 predicted labels"):
        confusion_matrix(["a", "a"], ["a"], ["a"])


@pytest.mark.parametrize("seed", range(5))
def test_log_loss_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(4, 0.5), size=50)
    true = rng.integers(4, size=50)
    expected = reference.log_loss(true, probabilities, labels=range(4))
    # scikit-learn clips probabilities at 2.2e-16, and none of these is as small; the rest is rounding
    assert log_loss(probabilities, true) == pytest.approx(expected, rel=1e-9)


def test_log_loss_by_hand():
    assert log_loss([[0.5, 0.5], [0.1, 0.9]], [0, 1]) == pytest.approx((np.log(2) - np.log(0.9)) / 2)
    assert log_loss([[0.0, 1.0]], [1]) == 0.0


def test_log_loss_of_an_impossible_truth_is_large_and_finite():
    assert 36 < log_loss([[0.0, 1.0]], [0]) < 1000


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[-0.5, 1.5]], [[-3.0, -5.0]], [[np.nan, 1.0]]])
def test_log_loss_refuses_what_is_no_probability(rows):
    with pytest.raises(SettingError, match="sum to 1 in every row; these are scores"):
        log_loss(rows, [0])


# --- intervals ---------------------------------------------------------------------------------------------------


def intervals_of(right, groups, seed=0):
    """Return the intervals of clips of label a that are named rightly or called b."""
    predicted = ["a" if r else "b" for r in right]
    return bootstrap_intervals(["a"] * len(predicted), predicted, groups, ["a", "b"], np.random.default_rng(seed))


def width(pair):
    return pair[1] - pair[0]


def test_identical_clips_in_few_groups_have_a_wider_interval_than_clips_drawn_singly():
    # 6 speakers of 20 clips each, all right for four speakers and all wrong for two
    right = np.repeat([1, 1, 1, 1, 0, 0], 20)
    by_speaker = intervals_of(right, [str(i // 20) for i in range(120)])["accuracy"]
    by_clip = intervals_of(right, [str(i) for i in range(120)])["accuracy"]
    # the deviation of a mean of 6 is sqrt(20) = 4.5 times that of a mean of 120; 3 leaves room for the small sample
    assert width(by_speaker) > 3 * width(by_clip)


def test_one_clip_in_each_group_gives_the_plain_percentile_bootstrap():
    rng = np.random.default_rng(3)
    right = rng.random(200) < 0.8
    found = intervals_of(right, [str(i) for i in range(200)])["accuracy"]
    means = [rng.choice(right, 200).mean() for _ in range(4000)]
    # An end is a quantile of 2000 draws, itself uncertain by 0.0015, on a grid of 1/200: 0.012 is two grid steps more
    # than both ends' noise.
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.012)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_one_clip_in_each_group_gives_about_wilsons_interval(share):
    n, z = 200, 1.959964
    right = np.arange(n) < share * n
    found = intervals_of(right, [str(i) for i in range(n)])["accuracy"]
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # Wilson's centre is drawn towards one half, by 0.006 at 0.8; the grid of 1/200 and the draws make 0.008 of noise
    assert found == pytest.approx((centre - half, centre + half), abs=0.015)


def test_intervals_equal_a_bootstrap_written_out_with_scikit_learn():
    # 12 groups of 8 clips, one in four of a rare label that is mostly missed: the two figures are far apart
    rng = np.random.default_rng(1)
    true = np.array(["a", "a", "a", "b"] * 24)
    predicted = np.where(rng.random(96) < np.where(true == "a", 0.9, 0.3), true, np.where(true == "a", "b", "a"))
    groups = np.repeat([str(i) for i in range(12)], 8)
    found = bootstrap_intervals(true.tolist(), predicted.tolist(), groups.tolist(), ["a", "b"], rng)
    draws = []
    for _ in range(400):
        items = np.concatenate([np.flatnonzero(groups == str(g)) for g in rng.integers(12, size=12)])
        t, p = true[items], predicted[items]
        draws.append((reference.accuracy_score(t, p), reference.balanced_accuracy_score(t, p)))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    # Ends are quantiles of 400 and 2000 draws whose deviation is 0.05 at most: each uncertain by 0.007 and 0.003, so
    # 0.025 is three deviations of their difference; the two figures differ by far more.
    assert found["accuracy"] == pytest.approx((low[0], high[0]), abs=0.025)
    assert found["balanced_accuracy"] == pytest.approx((low[1], high[1]), abs=0.025)
    assert abs(low[0] - low[1]) > 0.1


def test_one_group_has_no_interval():
    assert intervals_of([1, 0, 1], ["g", "g", "g"]) == dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"))


def test_no_clips_have_no_interval():
    assert intervals_of([], []) == dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"))


def test_the_interval_of_clips_all_right_is_the_exact_one_of_as_many_coins():
    found = intervals_of([1] * 10, [str(i) for i in range(10)])
    assert list(found.values()) == [pytest.approx((0.025**0.1, 1.0))] * 3


def test_intervals_hold_the_figure_and_lie_within_0_and_1():
    labels = ["a", "b", "c"]
    true, predicted = random_labels(60, labels, 2)
    counts = confusion_matrix(true, predicted, labels)
    found = bootstrap_intervals(true, predicted, [str(i % 15) for i in range(60)], labels, np.random.default_rng(0))
    for figure, (low, high) in (
        (accuracy(counts), found["accuracy"]),
        (balanced_accuracy(counts), found["balanced_accuracy"]),
    ):
        assert 0 <= low < float(figure) < high <= 1


def uneven_clips():
    """Return clips in groups of all sizes, so that the ends of an interval hardly ever repeat by chance."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(1, 30), np.arange(1, 30)).astype(str)
    return rng.random(len(groups)) < 0.7, groups


def test_intervals_are_the_same_bits_for_one_seed_and_for_any_order_of_clips():
    right, groups = uneven_clips()
    order = np.random.default_rng(1).permutation(len(right))
    first = intervals_of(right, groups.tolist())
    assert intervals_of(right, groups.tolist()) == first
    assert intervals_of(right[order], groups[order].tolist()) == first
    assert intervals_of(right, groups.tolist(), seed=1) != first


# --- the report --------------------------------------------------------------------------------------------------


def test_json_has_the_keys_that_readers_were_promised():
    found = report_of([("a", "a"), ("b", "a")], findings=[MIND], failed=[FailedInput("x.wav", "decode", "broken")])
    found = found.to_dict()
    promised = "accuracy balanced_accuracy n labels confusion per_label intervals protocol findings clips failed"
    assert set(promised.split()) <= set(found)
    assert set(found["per_label"]["a"]) == {"precision", "recall", "f1", "n", "eer", "min_dcf"}
    assert {"scheme", "group_by", "seed", "folds", "scored_labels", "unscored_labels"} <= set(found["protocol"])
    assert {"path", "label", "group", "source", "fold", "predicted", "scores", "probability"} <= set(found["clips"][0])
    assert found["failed"] == [{"path": "x.wav", "code": "decode", "message": "broken"}]
    assert found["findings"][0] == {"code": "a_gap", "level": "warning", "text": "mind the gap", "remedy": "jump"}


def test_json_holds_the_figures():
    pairs = [("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 2
    found = json.loads(json.dumps(report_of(pairs).to_dict(), allow_nan=False))
    assert found["accuracy"] == pytest.approx(5 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1) / 2)
    assert (found["n"], found["labels"], found["confusion"]) == (6, ["a", "b"], [[3, 1], [0, 2]])
    row = {"precision": 1.0, "recall": 0.75, "f1": pytest.approx(6 / 7), "n": 4, "eer": 0.0, "min_dcf": 0.0}
    assert found["per_label"]["a"] == row
    low, high = found["intervals"]["accuracy"]
    assert 0 <= low < 5 / 6 < high <= 1
    assert found["clips"][3] == {
        "path": "3.wav",
        "name": "3.wav",
        "label": "a",
        "group": "g3",
        "unit": "g3",
        "source": None,
        "fold": "0",
        "repeat": 0,
        "predicted": "b",
        "duration_s": None,
        "scores": {"a": -2.0, "b": -1.0},
        "probability": None,
    }


def test_json_is_valid_where_figures_are_undefined():
    clips = [clip_of(i, "a", "a", group=None, unit="one") for i in range(2)]
    found = make_report(clips, ["a", "b", "never"], PROTOCOL).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert set(json.loads(text)["intervals"].values()) == {None}
    assert found["per_label"]["never"] == {"precision": None, "recall": None, "f1": None, "n": 0}


@pytest.mark.parametrize("name", HOSTILE)
def test_json_is_plain_ascii_whatever_the_names(name):
    clips = [clip_of(0, name, name, paths=(name,)), clip_of(1, "b", name)]
    text = json.dumps(make_report(clips, [name, "b"], PROTOCOL).to_dict(), allow_nan=False)
    assert text.isascii()
    assert json.loads(text)["clips"][0]["path"] == name


def test_a_joined_trial_has_paths_and_a_clip_has_a_path():
    clips = [clip_of(0, paths=("x.wav", "y.wav")), clip_of(1)]
    first, second = make_report(clips, ["a"], PROTOCOL).to_dict()["clips"]
    assert (first["paths"], "path" in first) == (["x.wav", "y.wav"], False)
    assert (second["path"], "paths" in second) == ("1.wav", False)


def test_several_repeats_count_each_clip_once_and_have_a_row_each():
    clips = [clip_of(i, "a", "a" if i < 2 + r else "b", repeat=r) for r in range(3) for i in range(4)]
    report = make_report(clips, ["a", "b"], replace(PROTOCOL, repeats=3, seed=7))
    found = report.to_dict()
    assert (found["n"], found["n_predictions"], len(found["clips"])) == (4, 12, 12)
    assert found["repeats"] == [
        {"seed": 7 + r, "n": 4, "accuracy": (2 + r) / 4, "balanced_accuracy": (2 + r) / 4} for r in range(3)
    ]
    assert found["accuracy"] == pytest.approx(9 / 12)
    assert found["confusion"] == [[9, 3], [0, 0]]
    assert "4 clips" in report.headline


def test_repeats_of_the_same_predictions_claim_no_more_precision():
    right = [i % 3 > 0 for i in range(30)]
    runs = [
        [clip_of(i, "a", "a" if ok else "b", repeat=r) for r in range(n) for i, ok in enumerate(right)] for n in (1, 10)
    ]
    once, often = (make_report(clips, ["a", "b"], PROTOCOL).intervals["accuracy"] for clips in runs)
    assert once == often


def test_the_interval_does_not_depend_on_the_seed_of_the_split_and_is_the_same_each_time():
    clips = [
        clip_of(i, "a", "a" if ok else "b", unit=unit) for i, (ok, unit) in enumerate(zip(*uneven_clips(), strict=True))
    ]
    found = [make_report(clips, ["a", "b"], replace(PROTOCOL, seed=seed)).intervals for seed in (0, 0, 99)]
    assert found[0] == found[1] == found[2]


def test_the_interval_is_drawn_over_units():
    right = np.repeat([1, 1, 0], 10)
    clips = [clip_of(i, "a", "a" if ok else "b", group=None, unit=str(i // 10)) for i, ok in enumerate(right)]
    low, high = make_report(clips, ["a", "b"], PROTOCOL).intervals["accuracy"]
    # three units are next to nothing; thirty clips would give about 0.49 to 0.82
    assert low < 0.05
    assert high > 0.95


def test_log_loss_is_that_of_all_clips_whatever_the_order_of_candidates():
    clips = [
        clip_of(0, "a", "b", probability={"a": 0.2, "b": 0.8}),
        clip_of(1, "b", "b", probability={"b": 0.9, "a": 0.1}),
    ]
    found = make_report(clips, ["a", "b"], PROTOCOL).log_loss
    assert found == pytest.approx(-(np.log(0.2) + np.log(0.9)) / 2)


def test_log_loss_is_undefined_where_a_clip_has_no_probability():
    clips = [clip_of(0, probability={"a": 1.0}), clip_of(1)]
    assert make_report(clips, ["a"], PROTOCOL).log_loss is None


def test_no_clips_or_unknown_labels_make_no_report():
    with pytest.raises(SettingError, match="no clip was scored; there is nothing to report"):
        make_report([], ["a"], PROTOCOL)
    with pytest.raises(SettingError, match="label 'b' is not among a"):
        make_report([clip_of(0, "a", "b")], ["a"], PROTOCOL)


def test_an_interval_from_few_groups_has_a_warning_after_those_given():
    pairs = [("a", "a")] * 10
    assert report_of(pairs, findings=[MIND]).findings == (MIND,)
    few = make_report([clip_of(i, unit=str(i % 9)) for i in range(30)], ["a"], PROTOCOL, [MIND]).findings
    assert list(map(str, few)) == [
        "mind the gap; jump",
        "the interval rests on 9 groups only: it is a rough indication; add groups",
    ]


def test_findings_are_sorted_by_level_and_stable_within_one():
    made = [Finding(f"a_{name}", level, name) for name, level in zip("abcdef", FINDING_LEVELS, strict=True)]
    report = report_of([("a", "a")] * 10, findings=made)
    assert [finding.text for finding in report.findings] == ["c", "f", "d", "b", "a", "e"]
    assert [finding.text for finding in report.warnings] == ["c", "f", "d"]
    assert [finding.text for finding in report.information] == ["b"]
    assert [finding.text for finding in report.checks_passed] == ["a", "e"]


@pytest.mark.parametrize(("n_failed", "words"), [(0, ""), (1, "; 1 input failed"), (2, "; 2 inputs failed")])
def test_the_headline_counts_failed_inputs_outside_the_accuracy(n_failed, words):
    failed = [FailedInput(f"{i}.wav", "decode", "broken") for i in range(n_failed)]
    pairs = [("a", "a")] * 3 + [("b", "a")]
    headline = report_of(pairs, failed=failed).headline
    assert headline.startswith("Accuracy 75.0 % (95 % interval ")
    assert headline.endswith(f" %), balanced 50.0 %, 4 clips, 2 labels, 5-fold cross-validation by group{words}")


def test_the_headline_says_why_there_is_no_interval():
    clips = [clip_of(i, unit="one") for i in range(3)]
    headline = make_report(clips, ["a"], PROTOCOL).headline
    assert headline.startswith("Accuracy 100.0 % (no interval: one group only), balanced 100.0 %, 3 clips")


def test_mistakes_are_the_wrong_predictions_widest_first():
    clips = [
        clip_of(0, "a", "b", scores={"a": -3.0, "b": -1.0}),
        clip_of(1, "a", "a"),
        clip_of(2, "b", "a", scores={"a": -1.0, "b": -9.0}),
        clip_of(3, "stranger", "a", scores={"a": -1.0, "b": -9.0}),
    ]
    report = make_report(clips, ["a", "b", "stranger"], PROTOCOL)
    assert [clip.name for clip in report.mistakes] == ["3.wav", "2.wav", "0.wav"]
    assert [clip.margin for clip in report.mistakes] == [np.inf, 8.0, 2.0]


def test_only_the_widest_mistakes_are_shown():
    clips = [clip_of(i, "a", "b", scores={"a": -float(i), "b": 0.0}) for i in range(1, 31)]
    report = make_report(clips, ["a", "b"], PROTOCOL)
    assert [clip.name for clip in report.mistakes] == [f"{i}.wav" for i in range(30, 10, -1)]


def test_percent_has_one_decimal():
    assert percent((0.0, 1.0)) == "0.0 to 100.0 %"
    assert percent((0.12345, 0.98765)) == "12.3 to 98.8 %"


# --- the terminal ------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_terminal(monkeypatch):
    """No variable of the environment colours the output."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def rows_of(text):
    """Return the words of every line."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("plain_terminal")
def test_the_terminal_report_has_headline_findings_figures_and_matrix(capsys):
    report = report_of([("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 2, findings=[MIND])
    show_report(report)
    found = capsys.readouterr()
    lines = found.out.splitlines()
    assert lines[0] == report.headline
    assert lines[1] == f"Balanced accuracy: 95 % interval {percent(report.intervals['balanced_accuracy'])}"
    assert lines[2] == "warning: mind the gap; jump"
    rows = rows_of(found.out)
    assert ["a", "100.0", "%", "75.0", "%", "85.7", "%", "4"] in rows
    assert ["a", "3", "1"] in rows
    assert ["b", "·", "2"] in rows
    assert found.err == ""


@pytest.mark.usefixtures("plain_terminal")
def test_the_terminal_report_shows_a_dash_where_a_figure_is_undefined(capsys):
    show_report(make_report([clip_of(0), clip_of(1, unit="g0")], ["a", "never"], PROTOCOL))
    text = capsys.readouterr().out
    assert ["never", "–", "–", "–", "0"] in rows_of(text)
    assert "no interval: one group only" in text
    assert "Balanced accuracy" not in text


@pytest.mark.usefixtures("plain_terminal")
def test_rich_markup_in_labels_and_findings_is_shown_as_it_is(capsys):
    labels = ["[red]", "[/]", "[link=http://evil.example]x[/link]", ":smile:", "[bold]b[/bold]"]
    show_report(report_of([(label, label) for label in labels], labels, findings=[finding_of("[red]stop[/red]")]))
    text = capsys.readouterr().out
    rows = rows_of(text)
    for i, label in enumerate(labels):
        assert [label, "100.0", "%", "100.0", "%", "100.0", "%", "1"] in rows
        assert [label, *("1" if j == i else "·" for j in range(len(labels)))] in rows
    assert labels in rows
    assert "note: [red]stop[/red]" in text


CONTROL = ("\x1b[31mred", "\x1b]0;owned\x07", "a\rb", "a\nb", "\x9b2J", "\u202egnp", "a\udcff.wav", "\x00")


@pytest.mark.usefixtures("plain_terminal")
@pytest.mark.parametrize("name", CONTROL)
def test_control_characters_in_labels_and_findings_are_escaped(capsys, name):
    show_report(report_of([(name, name), ("b", name)], [name, "b"], findings=[finding_of(name)]))
    text = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in text)
    shown = name.encode("unicode_escape").decode("ascii")
    assert f"note: {shown}\n" in text
    assert [shown, "1", "·"] in rows_of(text)


@pytest.mark.usefixtures("plain_terminal")
def test_on_a_terminal_too_no_escape_of_a_label_is_emitted(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    name = "\x1b]0;owned\x07\x1b[8m"
    show_report(report_of([(name, name), ("b", name)], [name, "b"], findings=[finding_of(name)]))
    text = capsys.readouterr().out
    assert "\x1b]" not in text
    assert "\x1b[8m" not in text
    assert "\\x1b]0;owned\\x07\\x1b[8m" in text


@pytest.mark.usefixtures("plain_terminal")
def test_rows_are_whole_lines_where_stdout_is_no_terminal(capsys):
    labels = [f"a rather long label, number {i}" for i in range(50)]
    show_report(report_of([(label, label) for label in labels], labels, findings=[finding_of("word " * 100)]))
    lines = capsys.readouterr().out.splitlines()
    assert any(all(label in line for label in labels) for line in lines)
    for label in labels[1:]:
        # once in the table of labels and once in the matrix
        assert sum(line.strip().startswith(f"{label} ") for line in lines) == 2
    assert f"note: {'word ' * 100}".strip() in [line.strip() for line in lines]
