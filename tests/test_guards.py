"""What may make a figure wrong is said; what was looked for and not found is said too."""

from dataclasses import replace

import pytest

from gmmaudio.evaluation import Findings, ScoredClip
from gmmaudio.evaluation.warnings import (
    UNKNOWN_GROUPS,
    decision_findings,
    fold_findings,
    group_findings,
    side_findings,
    source_findings,
)


def test_findings_add_up_in_order():
    both = Findings(("a",), ("p",)) + Findings(("b",), ("q",))
    assert both == Findings(("a", "b"), ("p", "q"))


@pytest.mark.parametrize("groups", [[None, None], ["ann", None]])
def test_one_unknown_group_is_enough_to_say_so(groups):
    assert group_findings(["a", "b"], groups) == Findings((UNKNOWN_GROUPS,))


def test_labels_of_one_group_are_named_and_counted():
    labels = list("aabbccddee")
    groups = ["1", "2", "3", "3", "4", "4", "5", "5", "6", "6"]
    found = group_findings(labels, groups)
    assert found.guards == (
        "one group only for 'b', 'c', 'd' and 1 more: what is learned or measured of it is that one artist or speaker; "
        "add another",
    )
    assert found.passed == ("groups are known: 6 of them",)


def test_known_groups_without_fault_pass():
    assert group_findings(["a", "a", "b", "b"], ["1", "2", "1", "2"]) == Findings(
        (), ("groups are known: 2 of them", "every label has two groups or more")
    )


@pytest.mark.parametrize(
    ("labels", "sources", "who"),
    [
        ("aabb", ["x", "y", "x", "x"], "'b'"),
        ("aabb", ["x", "x", "y", "y"], "every label"),
        ("aabb", ["w", "x", "y", "z"], "every label"),
    ],
)
def test_a_label_of_one_source_is_confounded_with_it(labels, sources, who):
    found = source_findings(list(labels), sources)
    cure = "" if sources == ["x", "x", "y", "y"] else "leave a source out (--folds loo --group-by source), or "
    assert found.guards == (
        f"class and source are confounded for {who}: this figure may measure the recording, not the class; {cure}"
        "add clips of another source",
    )
    assert found.passed == ()


def test_sources_that_tell_nothing_pass_or_are_silent():
    assert source_findings(["a", "b"], [None, None]) == Findings()
    assert source_findings(["a", "b", "b"], ["radio", None, None]) == Findings(
        ("the source of 2 clips is unknown: whether it tells a label cannot be told",)
    )
    assert source_findings(["a", "b"], ["x", "x"]).passed == ("all clips are of one source, 'x': none tells a label",)
    assert source_findings(list("aabb"), list("xyxy")).passed == ("every label has clips of two sources or more",)


def test_groups_on_both_sides_are_named_once_for_all_folds():
    sides = [(["ann", "bob", None], ["bob", None]), (["bob", "cy"], ["ann", "cy"])]
    assert side_findings(sides).guards == (
        "2 groups are on both sides of a split ('bob', 'cy'): this figure may be optimistic",
    )
    assert side_findings([(["ann"], ["bob"])]) == Findings((), ("no group is on both sides of a split",))
    assert side_findings([([None], [None])]) == Findings(), "unknown groups are no evidence"
    assert "1 group of ours is on" in side_findings([(["ann"], ["ann"])], " of ours").guards[0]


def test_a_group_that_is_scored_in_two_folds_of_a_repeat_was_trained_on():
    assert fold_findings(["a", "a", "b"], [(0, "1"), (0, "2"), (0, "1")]).guards == (
        "1 group is scored in several folds ('a'): its clips may have been trained on where others of it are scored",
    )
    # another repeat is another division
    assert fold_findings(["a", "a"], [(0, "1"), (1, "2")]) == Findings((), ("no group is scored in two folds",))
    assert fold_findings([None, None], [(0, "1"), (0, "2")]) == Findings()
    assert fold_findings(["a", "b"], [(0, ""), (0, "")]) == Findings(), "one fold is no division"


def test_predictions_that_are_not_the_best_score_are_counted():
    def clip(name, predicted, scores):
        return ScoredClip(name, (name,), "a", None, name, None, "", 0, predicted, scores)

    right, odd = clip("1", "a", {"a": 1.0, "b": 0.0}), clip("2", "b", {"a": 1.0, "b": 0.0})
    tie, bare = clip("3", "b", {"a": 1.0, "b": 1.0}), clip("4", "b", {})
    assert decision_findings([right, tie, bare]) == Findings()
    assert decision_findings([right, odd]).guards == (
        "1 prediction is not the label with the highest score or probability ('2'): accuracy is of the predictions, "
        "all that is computed from scores is not",
    )
    probable = replace(bare, probability={"a": 0.9, "b": 0.1})
    assert decision_findings([probable]).guards[0].startswith("1 prediction is not the label with the highest")


def test_a_true_label_that_was_no_candidate_is_said():
    known = ScoredClip("1", ("1",), "Jazz", None, "1", None, "", 0, "jazz", {"jazz": 1.0, "rock": 0.0})
    assert decision_findings([known]).guards == (
        "the true label was no candidate of 1 clips: Cllr and log-loss are infinite there, and not shown",
        "'Jazz' is no candidate of any clip, though it is the true label of some: is it spelt alike?",
    )


def test_groups_that_look_like_files_or_like_one_another_are_doubted():
    one_each = group_findings(["a", "a", "b", "b"], ["1", "2", "3", "4"])
    assert one_each.guards == (
        "every group has one clip only: if these are files rather than artists or speakers, this figure may be "
        "optimistic",
    )
    # of a small test set that is no wonder
    assert group_findings(["a", "a", "b", "b"], ["1", "2", "3", "4"], ["5", "5"]).guards == ()
    alike = group_findings(list("aaabbb"), ["ann", "Ann ", "ann", "bob", "cy", "bob"])
    assert alike.guards == (
        "groups 'Ann ', 'ann' differ only by case or spaces: if they are one, this figure may be optimistic",
    )
