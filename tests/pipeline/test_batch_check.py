"""The check of batches: what is counted, what is said of all and of parts, and of how many groups they are."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.evaluation import ScoredClip
from gmmaudio.models import Familiarity, Prediction
from gmmaudio.pipeline.batch_check import MOST_FOLDERS, BatchCheck, RunningMean, check_means, check_scored

# one recording has a spread of 1, five of one group 0.77, five of five groups 0.45
FAMILIARITY = Familiarity("score", 0.0, 1.0, 0.5, -2.0, 0.05, 0.04, {"labels": 0.9}, 300, 60)


@pytest.fixture
def checked(model):
    """The model of the tests with a check; it was calibrated on clips of 1 s."""
    return replace(model, familiarity=FAMILIARITY)


def scored(value, group="ann", source=None, duration_s=1.0, label="low"):
    return ScoredClip(
        "1",
        ("1",),
        label,
        group,
        group or "1",
        source,
        "",
        0,
        "low",
        {"low": value, "mid": value - 1},
        None,
        duration_s,
    )


def codes(findings):
    return [finding.code for finding in findings]


def running(*values):
    found = RunningMean()
    for value in values:
        found.add(value)
    return found


def test_a_batch_is_unfamiliar_below_its_limit_and_not_at_it():
    limit = -2.0 * FAMILIARITY.spread(5)
    assert check_means(FAMILIARITY, (running(*5 * [limit + 1e-9]), 1.0), {}, "folders") == ()
    (finding,) = check_means(FAMILIARITY, (running(*5 * [limit - 1e-9]), 1.0), {}, "folders")
    assert (finding.code, finding.level) == ("unfamiliar_recordings", "warning")
    assert finding.text == (
        "these 5 recordings score lower than held-out groups of the training set do (mean -1.55 deviations, below "
        "-1.55 in 5 % of such groups): probabilities are not to be trusted here"
    )


def test_fewer_than_five_are_no_batch_and_many_groups_lower_the_limit_less():
    assert check_means(FAMILIARITY, (running(*4 * [-9.0]), 1.0), {}, "folders") == ()
    batch = running(*5 * [-1.2])
    assert check_means(FAMILIARITY, (batch, 1.0), {}, "folders") == ()
    assert codes(check_means(FAMILIARITY, (batch, 5.0), {}, "folders")) == ["unfamiliar_recordings"]
    assert check_means(replace(FAMILIARITY, threshold=None), (running(*50 * [-9.0]), 1.0), {}, "folders") == ()


def test_a_folder_is_found_among_others(checked):
    check = BatchCheck(checked)
    for folder, value, n in (("good", 0.5, 60), ("bad", -3.0, 6), ("few", -9.0, 2)):
        for _ in range(n):
            check.add(folder, value)
    (finding,) = check.findings()
    assert finding.code == "unfamiliar_parts"
    assert finding.text.startswith("1 of 2 folders with at least 5 recordings score lower")
    assert "by chance: 'bad'; probabilities are not to be trusted there" in finding.text


def test_all_of_one_folder_is_said_once(checked):
    check = BatchCheck(checked)
    for _ in range(5):
        check.add("a", -3.0)
    assert codes(check.findings()) == ["unfamiliar_recordings"]


def test_what_is_too_short_or_was_not_scored_is_not_counted(checked):
    check = BatchCheck(checked)
    long, short = (Prediction("1.wav", duration_s=s, familiarity=-9.0) for s in (0.75, 0.74))
    assert check.value_of(long) == check.value_of(replace(long, duration_s=None)) == -9.0
    assert check.value_of(short) is None
    assert check.value_of(Prediction("2.wav", "error")) is None
    for _ in range(20):
        check.add("", None)
    assert check.findings() == ()
    assert BatchCheck(replace(checked, familiarity=None)).findings() == ()


def test_memory_does_not_grow_with_the_number_of_folders(checked):
    check = BatchCheck(checked)
    for i in range(MOST_FOLDERS + 10):
        check.add(str(i), -3.0)
    assert len(check._folders) == MOST_FOLDERS
    assert codes(check.findings()) == ["unfamiliar_recordings"]


def test_an_evaluation_counts_the_groups_of_its_clips(checked):
    assert check_scored(checked, [scored(-1.2)] * 5) != check_scored(checked, [scored(-1.2, str(i)) for i in range(5)])
    assert codes(check_scored(checked, [scored(-1.2)] * 5)) == ["familiar_recordings"]
    assert codes(check_scored(checked, [scored(-1.2, None)] * 5)) == ["familiar_recordings"]
    assert codes(check_scored(checked, [scored(-1.2, str(i)) for i in range(5)])) == ["unfamiliar_recordings"]
    assert check_scored(checked, [scored(-9.0)] * 4) == ()
    assert check_scored(checked, [scored(-9.0, duration_s=0.5)] * 9) == ()
    assert check_scored(replace(checked, familiarity=None), [scored(-9.0)] * 9) == ()


def test_an_evaluation_tells_sources_or_else_groups_apart(checked):
    good, bad = [scored(2.0, str(i), "studio") for i in range(9)], [scored(-3.0, "x", "phone")] * 5
    (finding,) = check_scored(checked, [*good, *bad])
    assert "1 of 2 sources with at least 5 recordings" in finding.text
    assert "'phone'" in finding.text
    (finding,) = check_scored(checked, [replace(clip, source=None) for clip in [*good, *bad]])
    assert "1 of 1 groups with at least 5 recordings" in finding.text


def test_the_report_of_an_evaluation_has_the_finding(corpus, model):
    strange = replace(model, familiarity=replace(FAMILIARITY, mean=1e6))
    report = pipeline.evaluate(strange, corpus.split, durations_s=())
    (finding,) = [finding for finding in report.findings if finding.code == "unfamiliar_recordings"]
    assert finding in report.warnings
    assert finding.text.startswith("these 6 recordings score lower")
