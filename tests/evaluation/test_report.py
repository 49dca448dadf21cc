"""The report of predictions: its JSON, headline, repeats and mistakes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    FailedInput,
    make_report,
    percent,
)
from gmmaudio.evaluation.report import confusion_similarity, spread_over_repeats
from gmmaudio.findings import Finding
from tests.evaluation.conftest import PROTOCOL, clip_of, report_of, uneven_clips

HOSTILE_MARKUP = (
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


FINDING_LEVELS = ("passed", "information", "alarm", "warning", "passed", "alarm")


MIND = Finding("a_gap", "warning", "mind the gap", "jump")


# --- the report --------------------------------------------------------------------------------------------------


def test_json_has_the_keys_that_readers_were_promised():
    found = report_of([("a", "a"), ("b", "a")], findings=[MIND], failed=[FailedInput("x.wav", "decode", "broken")])
    found = found.to_dict()
    promised = "accuracy balanced_accuracy n labels confusion per_label intervals protocol findings clips failed"
    assert set(promised.split()) <= set(found)
    assert set(found["per_label"]["a"]) == {"precision", "recall", "f1", "n", "n_groups", "eer", "min_dcf"}
    assert {"scheme", "group_by", "seed", "folds", "scored_labels", "unscored_labels"} <= set(found["protocol"])
    assert {"path", "label", "group", "source", "fold", "predicted", "scores", "probability"} <= set(found["clips"][0])
    assert found["failed"] == [{"path": "x.wav", "code": "decode", "message": "broken"}]
    assert found["findings"][0] == {"code": "a_gap", "level": "warning", "text": "mind the gap", "remedy": "jump"}


def test_json_holds_the_metrics():
    pairs = [("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 2
    found = json.loads(json.dumps(report_of(pairs).to_dict(), allow_nan=False))
    assert found["accuracy"] == pytest.approx(5 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1) / 2)
    assert (found["n"], found["labels"], found["confusion"]) == (6, ["a", "b"], [[3, 1], [0, 2]])
    row = {"precision": 1.0, "recall": 0.75, "f1": pytest.approx(6 / 7), "n": 4, "eer": 0.0, "min_dcf": 0.0}
    assert found["per_label"]["a"] == row | {"n_groups": 4}
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
        "rejected": None,
        "start_s": None,
        "end_s": None,
        "nearest_group": None,
        "scores": {"a": -2.0, "b": -1.0},
        "probability": None,
    }


def test_json_is_valid_where_metrics_are_undefined():
    clips = [clip_of(i, "a", "a", group=None, unit="one") for i in range(2)]
    found = make_report(clips, ["a", "b", "never"], PROTOCOL).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert set(json.loads(text)["intervals"].values()) == {None}
    assert found["per_label"]["never"] == {"precision": None, "recall": None, "f1": None, "n": 0, "n_groups": 0}


@pytest.mark.parametrize("name", HOSTILE_MARKUP)
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


def test_labels_are_alike_as_they_are_confused_in_both_directions():
    counts = np.array([[6, 4, 0, 0], [0, 8, 2, 0], [0, 0, 5, 0], [0, 0, 0, 0]])
    found = confusion_similarity(counts, ["a", "b", "c", "never"])
    assert found.labels == ("a", "b", "c")
    # a is called b in 4 of 10, b is never called a; b is called c in 2 of 10
    np.testing.assert_allclose(found.distance, [[0, 0.8, 1], [0.8, 0, 0.9], [1, 0.9, 0]], atol=1e-12)
    assert confusion_similarity(counts[:2, :2], ["a", "b"]) is None, "two points make no map"


def test_the_spread_is_over_repeats():
    rows = [{"accuracy": a, "balanced_accuracy": b} for a, b in ((0.2, 0.5), (0.4, 0.5), (0.9, 0.5))]
    found = spread_over_repeats(rows)
    assert found["accuracy"] == {
        "low": 0.2,
        "mean": pytest.approx(0.5),
        "high": 0.9,
        "std": pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1)),
    }
    assert found["balanced_accuracy"]["std"] == 0
    assert spread_over_repeats(rows[:1]) is None
