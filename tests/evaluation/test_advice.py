"""Advice: every rule at its threshold, and its silence where evidence is missing or is not clear."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.evaluation import Similarity, Slice, make_report
from gmmaudio.evaluation.advice import (
    AUGMENTATION_OF,
    CONFUSED_SHARE,
    FEW_LABEL_GROUPS,
    FLAT_GAIN,
    MIN_CLIPS,
    MIN_CONFUSED,
    MIN_GROUPS,
    ROBUSTNESS_LOSS,
    UNSAFE_SHARE,
    advice_paragraph,
    advise,
)
from gmmaudio.evaluation.confusion import CONFUSED_DISTANCE
from gmmaudio.evaluation.expectations import TRAINING_UNKNOWN
from gmmaudio.evaluation.statements import N_NAMED
from gmmaudio.findings import Finding
from tests.evaluation.conftest import PROTOCOL, clip_of

pytestmark = pytest.mark.usefixtures("quick")


def report_of_counts(counts, groups=None, *, trained=True, **rest):
    """Return the report of {true: {predicted: n}}; of each label in as many groups as are given, in turn."""
    groups = groups or {}
    labels = sorted({*counts, *(name for row in counts.values() for name in row)})
    clips = []
    for label, row in counts.items():
        for k, predicted in enumerate(name for name, n in row.items() for _ in range(n)):
            n_groups = groups.get(label, 10)
            group = None if n_groups is None else f"{label} {k % n_groups}"
            clips.append(clip_of(len(clips), label, predicted, group=group, unit=group or f"file {len(clips)}"))
    protocol = replace(PROTOCOL, scored_labels=tuple(counts), unscored_labels=tuple(set(labels) - set(counts)))
    known = {label: groups.get(label, 10) for label in counts} if trained else None
    return make_report(clips, labels, protocol, **({"n_training_groups": known} | rest))


def found(report, code):
    """Return the advice of a code."""
    return [each for each in report.advice if each.code == code]


def right(label, n=10):
    return {label: {label: n}}


# --- the case for which it was made ----------------------------------------------------------------------------------


def test_a_label_of_three_albums_of_which_one_clip_in_nine_is_right_is_named_with_its_reason_and_remedy():
    counts = {"fado": {"fado": 1, "folk": 8}} | right("folk") | right("jazz")
    report = report_of_counts(counts, {"fado": 3})
    (missed,), (added,) = found(report, "label_missed"), found(report, "groups_missing")
    assert missed.labels == added.labels == ("fado",)
    assert missed.text == (
        "'fado': 1 of 9 clips is recognised, all from 3 groups, 8 of the 8 missed are predicted as 'folk'"
    )
    assert added.text == "add clips of 'fado' from other groups (artists, albums or speakers): 3 groups are few"
    assert added.evidence == "mean recall 11.1 %, against 100.0 % for 2 labels with 10 groups"
    assert report.warnings == ()
    for words in ("expect about 72.4 %", missed.text, str(added)):
        assert words in report.paragraph
        assert words in report.to_dict()["advice"]["paragraph"]


# --- what to expect --------------------------------------------------------------------------------------------------


def test_the_figure_to_expect_has_interval_protocol_and_numbers():
    report = report_of_counts(right("a", 12) | {"b": {"b": 8, "a": 4}})
    (advice,) = found(report, "accuracy_expected")
    low, high = report.intervals["accuracy"]
    assert "about 83.3 % to be right" in advice.text
    assert "groups (artists, albums or speakers) that were not trained on" in advice.text
    assert advice.evidence == (
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %; 5-fold cross-validation by group, 24 clips of 20 "
        "groups; mean over labels 83.3 %"
    )
    by_source = make_report(report.clips, "ab", replace(PROTOCOL, group_by="source"))
    assert "from sources that were not trained on" in found(by_source, "accuracy_expected")[0].text


def test_under_an_alarm_no_figure_is_to_be_expected_and_its_remedy_comes_first():
    alarm = Finding("groups_unknown", "alarm", "groups unknown: this metric may be optimistic", "name the groups")
    report = report_of_counts(right("a", 6) | right("b", 6), findings=[alarm])
    assert not found(report, "accuracy_expected")
    (advice,) = found(report, "accuracy_not_transferable")
    assert advice.text == "100.0 % of these clips are right, but do not expect that of new clips: " + alarm.text
    (remedy,) = found(report, "alarms_to_clear")
    assert remedy.text == "clear the alarms first: name the groups"
    assert next(each for each in report.advice if each.part == "remedy") == remedy


@pytest.mark.parametrize("level", ["warning", "information", "passed"])
def test_no_other_finding_withdraws_the_figure(level):
    report = report_of_counts(right("a", 6) | right("b", 6), findings=[Finding("a_gap", level, "mind the gap")])
    assert found(report, "accuracy_expected")
    assert "mind the gap" not in report.paragraph


def test_a_finding_that_limits_the_figure_stands_beside_it():
    report = report_of_counts(right("a", 6) | right("b", 6), {"a": 3, "b": 3})
    assert "the interval rests on 6 groups only: it is a rough indication" in (
        found(report, "accuracy_expected")[0].evidence
    )


@pytest.mark.parametrize("code", TRAINING_UNKNOWN)
def test_where_training_is_unknown_the_figure_has_a_condition(code):
    words = "provided that none of the groups scored here was trained on, which is unknown"
    counts = right("a", 6) | right("b", 6)
    report = report_of_counts(counts, findings=[Finding(code, "warning", "the training set is unknown")])
    assert words in found(report, "accuracy_expected")[0].text
    assert words not in report_of_counts(counts).paragraph


def test_without_an_interval_nothing_follows_for_new_clips():
    clips = [clip_of(i, label, "a", unit="one") for i, label in enumerate("aaabbb")]
    report = make_report(clips, "ab", PROTOCOL)
    assert found(report, "accuracy_without_interval")
    assert not found(report, "accuracy_expected")
    assert not found(report, "not_above_chance")


def test_an_accuracy_whose_interval_reaches_the_most_frequent_label_is_not_above_chance():
    at_chance = report_of_counts({"a": {"a": 6, "b": 4}, "b": {"a": 4, "b": 6}})
    (advice,) = found(at_chance, "not_above_chance")
    assert "always answering 'a', which would be right for 50.0 %" in advice.text
    assert not found(report_of_counts(right("a") | right("b")), "not_above_chance")
    # at the threshold: an interval that begins there does not exclude it
    for lower, n in ((0.5, 1), (np.nextafter(0.5, 1), 0)):
        metrics = replace(at_chance.metrics, intervals=at_chance.metrics.intervals | {"accuracy": (lower, 0.9)})
        codes = [each.code for each in advise(replace(at_chance, metrics=metrics))]
        assert codes.count("not_above_chance") == n


def test_a_single_label_has_no_advice():
    report = make_report([clip_of(i) for i in range(12)], ["a"], PROTOCOL)
    assert (report.advice, report.paragraph) == ((), "")


# --- labels that are not safe ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n", "is_missed"), [(5, 10, False), (4, 10, True), (2, 5, True), (1, 4, False)])
def test_a_label_is_missed_below_half_of_five_clips_or_more(hits, n, is_missed):
    assert (UNSAFE_SHARE, MIN_CLIPS) == (0.5, 5)
    report = report_of_counts({"a": {"a": hits, "c": n - hits}} | right("b", 20) | right("c", 20))
    assert bool(found(report, "label_missed")) is is_missed
    assert [each.labels for each in found(report, "label_unproven")] == ([("a",)] if n < MIN_CLIPS else [])


@pytest.mark.parametrize(("wrong", "is_named"), [(10, False), (11, True)])
def test_a_label_is_overpredicted_where_it_is_wrong_more_often_than_right(wrong, is_named):
    report = report_of_counts(right("a") | {"b": {"b": 20, "a": wrong}})
    named = found(report, "label_overpredicted")
    assert bool(named) is is_named
    if is_named:
        assert named[0].text == "'a': 11 of the 21 clips predicted as it are of other labels"
    few = report_of_counts({"b": {"b": 20, "a": MIN_CLIPS - 1}})
    assert not found(few, "label_overpredicted")


def test_a_label_that_was_not_scored_says_why():
    report = report_of_counts(right("b", 20) | {"a": {"c": 5, "a": 5}}, n_training_groups={"c": 1})
    assert (
        found(report, "label_not_scored")[0].text == "'c': never scored, it has one group, which is needed in training"
    )
    unknown = report_of_counts(right("b", 20) | {"a": {"c": 5, "a": 5}}, trained=False)
    assert found(unknown, "label_not_scored")[0].text == "'c': never scored, there was no clip of it"


@pytest.mark.parametrize("n_groups", [MIN_GROUPS - 1, MIN_GROUPS, None])
def test_a_label_scored_on_fewer_than_three_groups_is_unproven(n_groups):
    report = report_of_counts(right("a") | right("b"), {"a": n_groups})
    texts = [each.text for each in found(report, "label_unproven")]
    assert texts == (["'a': it was scored on 2 groups only"] if n_groups == MIN_GROUPS - 1 else [])


@pytest.mark.parametrize("n_groups", [FEW_LABEL_GROUPS - 1, FEW_LABEL_GROUPS, None])
def test_few_groups_are_named_with_a_missed_label(n_groups):
    report = report_of_counts({"a": {"a": 2, "b": 5, "c": 5}} | right("b", 20) | right("c", 20), {"a": n_groups})
    assert ("all from 4 groups" in found(report, "label_missed")[0].text) is (n_groups == FEW_LABEL_GROUPS - 1)


def test_the_label_that_takes_over_half_of_the_missed_is_named():
    def text(row, **others):
        report = report_of_counts({"a": row} | right("b", 20) | right("c", 20) | others)
        return found(report, "label_missed")[0].text

    assert "3 of the 5 missed are predicted as 'b'" in text({"a": 1, "b": 3, "c": 2})
    assert "missed are" not in text({"a": 1, "b": 3, "c": 3})
    assert "missed are" not in text({"a": 2, "b": 2, "c": 1})  # fewer than MIN_CONFUSED
    # of two labels, the other one takes all
    two = report_of_counts({"a": {"a": 1, "b": 8}} | right("b", 20))
    assert "missed are" not in found(two, "label_missed")[0].text


def test_labels_that_are_missed_come_first_the_lowest_recall_before_others():
    counts = {"a": {"a": 4, "d": 6}, "b": {"b": 1, "d": 9}} | right("c", 3) | right("d", 40)
    report = report_of_counts(counts, n_training_groups={"e": 1})
    unsafe = [each.labels[0] for each in report.advice if each.part == "unsafe"]
    assert unsafe == ["b", "a", "c"]


def test_repeats_count_predictions_rather_than_clips():
    clips = [clip_of(i, label, "b", repeat=r) for r in range(2) for i, label in enumerate("aaaaabbbbbbbb")]
    report = make_report(clips, "ab", replace(PROTOCOL, repeats=2))
    assert "0 of 10 predictions are recognised" in found(report, "label_missed")[0].text
    assert "13 clips of 13 groups, 2 repeats" in report.advice[0].evidence


# --- groups to add ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_groups", "is_added"), [(FEW_LABEL_GROUPS - 1, True), (FEW_LABEL_GROUPS, False)])
def test_groups_are_asked_for_where_a_missed_label_has_fewer_than_five(n_groups, is_added):
    report = report_of_counts({"a": {"a": 2, "b": 8}} | right("b", 20), {"a": n_groups})
    assert bool(found(report, "groups_missing")) is is_added


def test_no_groups_are_asked_for_where_training_is_unknown_or_the_label_does_well():
    missed, well = {"a": {"a": 2, "b": 8}} | right("b", 20), right("a") | right("b", 20)
    assert not found(report_of_counts(missed, {"a": 4}, trained=False), "groups_missing")
    assert not found(report_of_counts(missed, {"a": None}), "groups_missing")
    assert not found(report_of_counts(well, {"a": 4}), "groups_missing")


@pytest.mark.parametrize(("hits", "is_added"), [(2, False), (3, True)])
def test_no_groups_are_asked_for_where_labels_with_more_are_recognised_no_better(hits, is_added):
    report = report_of_counts({"a": {"a": 2, "c": 8}, "b": {"b": hits, "c": 10 - hits}, "c": {}}, {"a": 4})
    assert bool(found(report, "groups_missing")) is is_added


def test_a_label_that_does_well_with_as_few_groups_stands_against_the_advice():
    report = report_of_counts({"a": {"a": 2, "b": 8}} | right("b", 20) | right("c"), {"a": 4, "c": 3})
    (advice,) = found(report, "groups_missing")
    assert advice.evidence.endswith("; but 'c' is recognised with as few: also listen to the mistakes")
    more = report_of_counts({"a": {"a": 2, "b": 8}} | right("b", 20) | right("c"), {"a": 3, "c": 4})
    assert "but" not in found(more, "groups_missing")[0].evidence


@pytest.mark.parametrize(("n_groups", "is_added"), [(MIN_GROUPS - 1, True), (MIN_GROUPS, False)])
def test_groups_are_asked_for_until_a_label_has_three(n_groups, is_added):
    report = report_of_counts(right("a") | right("b", 20), {"a": n_groups})
    assert [each.evidence for each in found(report, "groups_below_three")] == (["'a' has 2"] if is_added else [])


def test_the_paragraph_stays_short_where_labels_are_many():
    labels = [f"l{i:02d}" for i in range(40)]
    report = report_of_counts(
        {label: {label: 2, "x": 4} for label in labels} | right("x", 60), dict.fromkeys(labels, 2)
    )
    assert len(report.paragraph) < 1_200
    (added,) = found(
        report_of_counts({label: {label: 6} for label in labels}, dict.fromkeys(labels, 2)), "groups_below_three"
    )
    assert added.evidence == "'l00' has 2; 'l01' has 2; 'l02' has 2 and 37 more"
    assert len(added.labels) == 40


# --- mutual confusions -----------------------------------------------------------------------------------------------

TAKEN = {"a": {"a": 6, "b": 3, "c": 1}, "b": {"b": 6, "a": 4}} | right("c", 20)


def test_labels_that_are_taken_for_each_other_are_named_with_what_one_label_would_give():
    (advice,) = found(report_of_counts(TAKEN), "labels_confused")
    assert advice.labels == ("a", "b")
    assert advice.evidence == "3 of 10 and 4 of 10; as one label 97.5 % would be right instead of 80.0 %"


@pytest.mark.parametrize(
    "changed",
    [
        {"a": {"a": 8, "b": MIN_CONFUSED - 1}},  # too few
        {"a": {"a": 14, "b": 3}},  # less than a fifth
        {"a": {"a": 4, "b": 3, "c": 3}},  # half of the mistakes only
        {"b": {"b": 10}},  # one direction only
    ],
)
def test_less_than_that_is_no_mutual_confusion(changed):
    assert CONFUSED_SHARE == 0.2
    assert not found(report_of_counts(TAKEN | changed), "labels_confused")


def test_at_a_fifth_it_is_one():
    assert found(report_of_counts(TAKEN | {"a": {"a": 12, "b": 3}}), "labels_confused")


def test_confusions_of_one_group_or_of_two_labels_say_nothing():
    one_album = [
        replace(clip, group="odd", unit="odd") if (clip.label, clip.predicted) == ("a", "b") else clip
        for clip in report_of_counts(TAKEN).clips
    ]
    assert not found(make_report(one_album, "abc", PROTOCOL), "labels_confused")
    two = {"a": {"a": 6, "b": 4}, "b": {"b": 6, "a": 4}}
    assert not found(report_of_counts(two), "labels_confused")


def test_similarity_is_evidence_only_where_it_is_of_models_and_has_no_ties():
    near = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]], dtype=np.float64)
    nan = np.nan

    def evidence(distance, kind="divergence"):
        report = report_of_counts(TAKEN, similarity=Similarity(("a", "b", "c"), np.array(distance, float), kind))
        return found(report, "labels_confused")[0].evidence

    words = "the models of both are nearest to each other as well"
    assert words in evidence(near)
    assert words not in evidence(near, CONFUSED_DISTANCE)
    assert words not in evidence([[0, 1, 1], [1, 0, 3], [1, 3, 0]])
    assert words not in evidence([[0, nan, nan], [nan, 0, nan], [nan, nan, 0]])
    missed = {"a": {"a": 1, "b": 5}} | right("b", 20) | right("c", 20)
    model = Similarity(("a", "b", "c"), near, "divergence")
    assert (
        "'b', whose model is the nearest" in found(report_of_counts(missed, similarity=model), "label_missed")[0].text
    )


# --- learning curve, random split, robustness ------------------------------------------------------------------------


def advice_of_slices(**slices):
    """Return the codes and the report of two labels that are recognised, with slices."""
    return report_of_counts(right("a") | right("b"), slices=slices)


def step(name, **changed):
    return Slice(name, 20, 20, 0.8, 0.8, (0.6, 0.9), **changed)


@pytest.mark.parametrize(
    ("interval", "code"),
    [
        ((0.001, 0.1), "audio_missing"),
        ((0.0, 0.1), None),
        ((-0.03, FLAT_GAIN + 0.001), None),
        ((-0.03, FLAT_GAIN), "audio_enough"),
        (None, None),
    ],
)
def test_the_last_step_of_the_learning_curve_speaks_where_its_interval_is_clear(interval, code):
    rows = [step("50 %", hours=0.5), step("100 %", hours=1.0, gain=0.05, gain_interval=interval)]
    report = advice_of_slices(learning_curve=rows)
    assert [each.code for each in report.advice if each.code.startswith("audio")] == ([code] if code else [])
    if interval == (0.001, 0.1):
        assert found(report, "audio_missing")[0].evidence == (
            "from 50 % to 100 % of the training audio (0.50 to 1.00 h): +5.0 percentage points, "
            "95 % interval +0.1 to +10.0"
        )
    assert not [each for each in advice_of_slices(learning_curve=rows[1:]).advice if each.code.startswith("audio")]


@pytest.mark.parametrize(("low", "is_said"), [(0.001, True), (0.0, False)])
def test_a_random_split_gap_asks_for_new_groups_where_its_interval_is_above_nothing(low, is_said):
    rows = [step("groups kept whole"), step("split at random", difference=0.2, difference_interval=(low, 0.3))]
    assert bool(found(advice_of_slices(random_split=rows), "groups_recognised")) is is_said
    no_interval = [rows[0], step("split at random", difference=0.2)]
    assert not found(advice_of_slices(random_split=no_interval), "groups_recognised")


@pytest.mark.parametrize(
    ("difference", "high", "is_said"),
    [(-ROBUSTNESS_LOSS, -0.01, True), (-0.099, -0.01, False), (-0.2, 0.0, False), (None, None, False)],
)
def test_a_condition_is_weak_where_it_loses_a_tenth_beyond_doubt(difference, high, is_said):
    pair = None if high is None else (-0.4, high)
    rows = [step("clean"), step("noise 10 dB", difference=difference, difference_interval=pair)]
    assert bool(found(advice_of_slices(robustness=rows), "conditions_weak")) is is_said


def test_weak_conditions_name_the_worst_first_and_augmentations_that_were_not_used():
    names = ("clipping", "noise 20 dB", "band limit 4 kHz", "noise 10 dB")
    lost = [step(name, difference=-0.1 * k, difference_interval=(-0.9, -0.01)) for k, name in enumerate(names, 1)]
    (advice,) = found(advice_of_slices(robustness=[step("clean"), *lost]), "conditions_weak")
    assert 'train with `augment="noise,band"` and compare' in advice.text
    assert (
        advice.evidence
        == "percentage points lost: noise 10 dB −40.0, band limit 4 kHz −30.0, noise 20 dB −20.0 and 1 more"
    )
    used = replace(PROTOCOL, settings={"augment": ["noise", "band"]})
    clips = report_of_counts(right("a") | right("b")).clips
    report = make_report(clips, "ab", used, slices={"robustness": [step("clean"), *lost]})
    assert "augment" not in found(report, "conditions_weak")[0].text
    # names that are given take the place of the preset's
    some = replace(PROTOCOL, settings={"augment": ["codec", "band"]})
    report = make_report(clips, "ab", some, slices={"robustness": [step("clean"), *lost]})
    assert 'train with `augment="codec,band,noise"`' in found(report, "conditions_weak")[0].text


def test_every_augmentation_that_is_advised_exists_and_so_do_the_conditions():
    from gmmaudio.audio import DEGRADATIONS
    from gmmaudio.audio.degrade import AUGMENTATIONS

    assert set(AUGMENTATION_OF) <= set(DEGRADATIONS)
    assert set(AUGMENTATION_OF.values()) <= set(AUGMENTATIONS)


# --- the paragraph ---------------------------------------------------------------------------------------------------


def test_of_many_labels_that_are_not_safe_the_paragraph_names_the_first():
    labels = [f"l{i}" for i in range(N_NAMED + 2)]
    report = report_of_counts({label: {label: 1, "x": 9} for label in labels} | right("x", 60))
    text = report.paragraph
    assert [label in text.partition("To make it better")[0] for label in labels] == [True] * N_NAMED + [False] * 2
    assert "; and 2 more labels." in text
    assert advice_paragraph([]) == ""


def test_hostile_names_stay_one_line_of_printable_text():
    name = "a\nb\x1b[31m\u202e`seed`"
    report = report_of_counts({name: {name: 1, "b": 8}} | right("b", 20))
    assert "\n" not in report.paragraph
    assert report.paragraph.isprintable()
