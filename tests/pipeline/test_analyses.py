"""Analyses beside the accuracy: shorter clips, less training, a random split, degraded audio."""

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.audio import DEGRADATIONS
from gmmaudio.compute import RunContext
from gmmaudio.evaluation import ScoredClip
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import gmm_scorer
from gmmaudio.pipeline import analyses
from tests.conftest import trials_of
from tests.pipeline.conftest import QUICK, SMALL, texts_of

# --- learning curve --------------------------------------------------------------------------------------------------


def test_the_learning_curve_takes_whole_groups_first_and_grows_to_the_training_set(clips):
    rng = np.random.default_rng
    trials = trials_of(clips, SMALL)
    train = tuple(i for i, trial in enumerate(trials) if not trial.group.endswith("cy"))
    eighth, half, most = (analyses._select_share(trials, train, share, rng(3)) for share in (1 / 8, 1 / 2, 1.0))
    assert set(eighth) < set(half) < set(most) == set(train)
    for label in ("low", "mid", "high"):
        assert sum(trials[i].label == label for i in eighth) == 1
        assert len({trials[i].group for i in half if trials[i].label == label}) == 1, "two clips of one singer"
    halves = {analyses._select_share(trials, train, 1 / 2, rng(seed)) for seed in range(5)}
    assert len(halves) > 1, "the order is random"


def test_the_learning_curve_of_a_report_ends_with_its_accuracy(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, learning_curve=True, **QUICK)
    rows = report.slices["learning_curve"]
    assert [row.name for row in rows] == ["12.5 %", "25 %", "50 %", "100 %"]
    hours = [row.hours for row in rows]
    # of 12 s for training three clips, three, six and twelve of 1 s
    assert hours == pytest.approx([3 / 3600, 3 / 3600, 6 / 3600, 12 / 3600], rel=1e-3)
    assert (rows[-1].accuracy, rows[-1].interval) == (report.accuracy, report.intervals["accuracy"])
    assert all(row.n == report.n for row in rows)
    assert [row.gain for row in rows[:-1]] == [None] * 3
    assert rows[-1].gain == pytest.approx(rows[-1].accuracy - rows[-2].accuracy, abs=1e-12)
    low, high = rows[-1].gain_interval
    assert low <= rows[-1].gain <= high


# --- random split ----------------------------------------------------------------------------------------------------


def test_the_random_split_gap_is_the_difference_to_groups_kept_whole(twins):
    report = pipeline.crossval(twins, pipeline.make_recipe(n_components=6), folds=5, compare_random_split=True, **QUICK)
    grouped, random = report.slices["random_split"]
    assert (grouped.name, random.name) == ("groups kept whole", "split at random")
    assert grouped.accuracy == report.accuracy
    assert random.difference == pytest.approx(random.accuracy - grouped.accuracy, abs=1e-12)
    # the twin of a clip gives its label away
    assert random.difference > 0.2
    low, high = random.difference_interval
    assert low <= random.difference <= high
    assert texts_of(report)["random_split_gap"] == (
        f"split at random these clips show {100 * random.accuracy:.1f} %, with groups kept whole "
        f"{100 * grouped.accuracy:.1f} %: random-split gap {100 * random.difference:+.1f} percentage points, "
        f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
    )
    assert "random_split" not in pipeline.crossval(twins, SMALL, folds=5, **QUICK).slices


def test_without_groups_there_is_no_random_split_and_a_finding(corpus):
    report = pipeline.crossval(pipeline.read_corpus(corpus.root), SMALL, folds=3, compare_random_split=True, **QUICK)
    assert "random_split" not in report.slices
    assert "no_random_split" in texts_of(report)


def test_the_random_split_beside_a_division_without_a_number_of_folds(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", compare_random_split=True, **QUICK)
    assert [row.n for row in report.slices["random_split"]] == [18, 18]


# --- slices of the same clips ----------------------------------------------------------------------------------------


def scored(name, predicted, *, label="en", group=None, repeat=0):
    """Return the prediction for a clip of one group."""
    group = group or f"speaker {name}"
    return ScoredClip(name, (name,), label, group, group, None, "1", repeat, predicted, {})


def test_a_clip_that_is_missing_under_a_condition_is_left_out_of_the_difference():
    first = [scored("1", "fr"), scored("2", "en"), scored("3", "en")]
    one, other = analyses.paired_slices([("clean", first), ("loud", [scored("1", "en"), scored("2", "en")])])
    assert (one.name, one.n, one.accuracy, one.difference) == ("clean", 3, pytest.approx(2 / 3), None)
    # of two clips one is correct in the first condition, both in the other
    assert (other.name, other.n, other.accuracy, other.difference) == ("loud", 2, 1.0, 0.5)


def test_a_condition_without_common_clips_has_no_slice():
    slices = analyses.paired_slices([("clean", [scored("1", "en")]), ("loud", [scored("2", "en")])])
    assert [each.name for each in slices] == ["clean"]


def test_clips_of_several_repeats_are_paired_within_their_repeat():
    first = [scored("1", "fr", repeat=0), scored("1", "en", repeat=1)]
    other = [scored("1", "en", repeat=1), scored("1", "fr", repeat=0)]
    assert analyses.paired_slices([("one", first), ("other", other)])[1].difference == 0.0


def test_durations_of_all_folds_are_taken_together_the_shortest_first():
    folds_of = [{3.0: [scored("1", "en")], 0.5: [scored("1", "fr")]}, {3.0: [scored("2", "fr")], 0.5: []}, {9.0: []}]
    slices = analyses.duration_slices(folds_of)
    assert [(each.name, each.n, each.accuracy) for each in slices] == [("0.5 s", 1, 0.0), ("3 s", 2, 0.5)]


def test_robustness_reports_each_degradation_as_one_step(two_degradations):
    stages = []

    def watch(items, total, stage):
        stages.append((stage, total))
        return items

    clean = [scored("1", "en"), scored("2", "en")]
    degraded = {two_degradations[0]: clean, two_degradations[1]: [scored("1", "fr"), scored("2", "en")]}
    slices = analyses.robustness(clean, None, degraded.__getitem__, RunContext(1, watch))
    assert [(each.name, each.difference) for each in slices] == [
        ("clean", None),
        (two_degradations[0], 0.0),
        (two_degradations[1], -0.5),
    ]
    assert ("robustness", 2) in stages


@pytest.mark.parametrize("n_labels", [2, 3])
def test_the_similarity_of_labels_needs_three_of_them(n_labels):
    mixtures = tuple(GaussianMixture([1.0], [[float(mean)]], [[1.0]]) for mean in range(n_labels))
    similarity = analyses.model_similarity(gmm_scorer(tuple("abc"[:n_labels]), mixtures))
    assert (similarity is None) == (n_labels < 3)


@pytest.mark.parametrize(("trial_s", "n_left_out"), [(None, 0), (6.0, 1)])
def test_degradations_that_change_the_duration_are_left_out_of_trials(trial_s, n_left_out):
    names = analyses.degradations_of(trial_s)
    assert len(DEGRADATIONS) - len(names) == n_left_out
    assert set(names) <= set(DEGRADATIONS)
