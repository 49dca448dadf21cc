"""What labels, groups, sources and predictions alone tell of metrics that may be wrong."""

from dataclasses import replace

import pytest

from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.warnings import (
    check_fold_groups,
    check_groups,
    check_predictions,
    check_sources,
    check_split_groups,
)
from gmmaudio.findings import Finding


def summary(findings):
    """Return code, level and words of each finding."""
    return [(finding.code, finding.level, str(finding)) for finding in findings]


def texts(findings, level):
    """Return the texts of the findings of a level."""
    return [finding.text for finding in findings if finding.level == level]


@pytest.mark.parametrize("groups", [[None, None], ["ann", None]])
def test_one_unknown_group_is_enough_for_an_alarm(groups):
    (finding,) = check_groups(["a", "b"], groups)
    assert finding == Finding(
        "groups_unknown",
        "alarm",
        "groups unknown: this metric may be optimistic",
        'add a group column, or name the groups (`group_by="parent"`)',
    )


def test_labels_of_one_group_are_named_and_counted():
    labels = list("aabbccddee")
    groups = ["1", "2", "3", "3", "4", "4", "5", "5", "6", "6"]
    assert summary(check_groups(labels, groups)) == [
        (
            "one_group",
            "warning",
            "one group only for 'b', 'c', 'd' and 1 more: the model or the metric may be about that one artist or "
            "speaker; add another",
        ),
        ("groups_known", "passed", "groups are known: 6 of them"),
    ]


def test_known_groups_without_fault_pass():
    assert summary(check_groups(["a", "a", "b", "b"], ["1", "2", "1", "2"])) == [
        ("groups_known", "passed", "groups are known: 2 of them"),
        ("labels_have_two_groups", "passed", "every label has two groups or more"),
    ]


@pytest.mark.parametrize(
    ("labels", "sources", "who"),
    [
        ("aabb", ["x", "y", "x", "x"], "'b'"),
        ("aabb", ["x", "x", "y", "y"], "every label"),
        ("aabb", ["w", "x", "y", "z"], "every label"),
    ],
)
def test_a_label_of_one_source_is_confounded_with_it(labels, sources, who):
    leave_out = (
        "" if sources == ["x", "x", "y", "y"] else 'leave a source out (`folds="loo"`, `group_by="source"`), or '
    )
    assert check_sources(list(labels), sources) == (
        Finding(
            "source_confounded",
            "alarm",
            f"label and source are confounded for {who}: this metric may measure the recording, not the label",
            f"{leave_out}add clips of another source",
        ),
    )


def test_sources_that_predict_no_label_pass_or_have_no_finding():
    assert check_sources(["a", "b"], [None, None]) == ()
    assert summary(check_sources(["a", "b", "b"], ["radio", None, None])) == [
        (
            "source_unknown",
            "information",
            "the source of 2 clips is unknown: whether label and source are confounded was not checked; "
            "fill the source column",
        )
    ]
    assert summary(check_sources(["a", "b"], ["x", "x"])) == [
        ("one_source", "passed", "all clips are of one source, 'x', which therefore predicts no label")
    ]
    assert summary(check_sources(list("aabb"), list("xyxy"))) == [
        ("labels_have_two_sources", "passed", "every label has clips of two sources or more")
    ]


def test_groups_on_both_sides_are_named_once_for_all_folds():
    sides = [(["ann", "bob", None], ["bob", None]), (["bob", "cy"], ["ann", "cy"])]
    words = "2 groups are on both sides of a split ('bob', 'cy'): this metric may be optimistic; keep groups whole"
    assert summary(check_split_groups(sides)) == [("group_on_both_sides", "alarm", words)]
    assert summary(check_split_groups([(["ann"], ["bob"])])) == [
        ("no_group_on_both_sides", "passed", "no group is on both sides of a split")
    ]
    assert check_split_groups([([None], [None])]) == (), "unknown groups are no evidence"
    assert "1 group of ours is on" in check_split_groups([(["ann"], ["ann"])], " of ours")[0].text


def test_a_group_that_is_scored_in_two_folds_of_a_repeat_was_trained_on():
    (finding,) = check_fold_groups(["a", "a", "b"], [(0, "1"), (0, "2"), (0, "1")])
    assert (finding.code, finding.level) == ("group_in_several_folds", "alarm")
    assert finding.text == (
        "1 group is scored in several folds ('a'): clips of a group may have been trained on where others of it are "
        "scored"
    )
    # another repeat is another division
    (finding,) = check_fold_groups(["a", "a"], [(0, "1"), (1, "2")])
    assert (finding.code, finding.level) == ("no_group_in_two_folds", "passed")
    assert check_fold_groups([None, None], [(0, "1"), (0, "2")]) == ()
    assert check_fold_groups(["a", "b"], [(0, ""), (0, "")]) == (), "one fold is no division"


def test_predictions_that_are_not_the_best_score_are_counted():
    def clip(name, predicted, scores):
        return ScoredClip(name, (name,), "a", None, name, None, "", 0, predicted, scores)

    right, odd = clip("1", "a", {"a": 1.0, "b": 0.0}), clip("2", "b", {"a": 1.0, "b": 0.0})
    tie, bare = clip("3", "b", {"a": 1.0, "b": 1.0}), clip("4", "b", {})
    assert check_predictions([right, tie, bare]) == ()
    assert summary(check_predictions([right, odd])) == [
        (
            "prediction_not_best",
            "warning",
            "1 prediction is not the label with the highest score or probability ('2'): accuracy is of the "
            "predictions, all metrics of scores are not",
        )
    ]
    probable = replace(bare, probability={"a": 0.9, "b": 0.1})
    assert check_predictions([probable])[0].text.startswith("1 prediction is not the label with the highest")


def test_a_true_label_that_was_no_candidate_is_named():
    known = ScoredClip("1", ("1",), "Jazz", None, "1", None, "", 0, "jazz", {"jazz": 1.0, "rock": 0.0})
    assert summary(check_predictions([known])) == [
        (
            "label_not_scored",
            "warning",
            "the true label was no candidate of 1 clips: Cllr and log-loss are infinite there, and not shown",
        ),
        (
            "label_never_candidate",
            "warning",
            "'Jazz' is a true label, but a candidate of no clip; check how it is spelt",
        ),
    ]


def test_groups_that_look_like_files_or_like_one_another_are_doubted():
    one_each = check_groups(["a", "a", "b", "b"], ["1", "2", "3", "4"])
    assert [finding.code for finding in one_each if finding.level != "passed"] == ["single_clip_groups"]
    assert texts(one_each, "warning") == [
        "every group has one clip only: if these are files rather than artists or speakers, this metric may be "
        "optimistic"
    ]
    # of a small test set that is no wonder
    assert texts(check_groups(["a", "a", "b", "b"], ["1", "2", "3", "4"], ["5", "5"]), "warning") == []
    alike = check_groups(list("aaabbb"), ["ann", "Ann ", "ann", "bob", "cy", "bob"])
    assert [finding.code for finding in alike if finding.level != "passed"] == ["similar_groups"]
    assert texts(alike, "warning") == [
        "groups 'Ann ', 'ann' differ only by case or spaces: if they are one, this metric may be optimistic"
    ]
