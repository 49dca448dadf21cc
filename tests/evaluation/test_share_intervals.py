"""Intervals of accuracy and balanced accuracy against other bootstraps."""

import numpy as np
import pytest
import sklearn.metrics as reference

from gmmaudio.evaluation import (
    accuracy,
    balanced_accuracy,
    bootstrap_intervals,
    confusion_matrix,
)
from tests.evaluation.conftest import uneven_clips


def random_labels(n, labels, seed):
    """Return true labels and predictions that are right about half the time; every label occurs in both."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([labels, rng.choice(labels, n - len(labels))])
    predicted = np.where(rng.random(n) < 0.4, true, rng.choice(labels, n))
    predicted[: len(labels)] = labels
    return true.tolist(), predicted.tolist()


# --- intervals ---------------------------------------------------------------------------------------------------


def intervals_of(right, groups, seed=0):
    """Return the intervals of clips of label a that are correctly classified or predicted as b."""
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
    # 12 groups of 8 clips, one in four of a rare label that is mostly missed: the two metrics are far apart
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
    # 0.025 is three deviations of their difference; the two metrics differ by far more.
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


def test_intervals_hold_the_metric_and_lie_within_0_and_1():
    labels = ["a", "b", "c"]
    true, predicted = random_labels(60, labels, 2)
    counts = confusion_matrix(true, predicted, labels)
    found = bootstrap_intervals(true, predicted, [str(i % 15) for i in range(60)], labels, np.random.default_rng(0))
    for metric, (low, high) in (
        (accuracy(counts), found["accuracy"]),
        (balanced_accuracy(counts), found["balanced_accuracy"]),
    ):
        assert 0 <= low < float(metric) < high <= 1


def test_intervals_are_the_same_bits_for_one_seed_and_for_any_order_of_clips():
    right, groups = uneven_clips()
    order = np.random.default_rng(1).permutation(len(right))
    first = intervals_of(right, groups.tolist())
    assert intervals_of(right, groups.tolist()) == first
    assert intervals_of(right[order], groups[order].tolist()) == first
    assert intervals_of(right, groups.tolist(), seed=1) != first
