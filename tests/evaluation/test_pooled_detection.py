"""Trials of all labels counted between the scores of targets, against all trials in one list."""

import tracemalloc

import numpy as np
import pytest

from gmmaudio.evaluation import cavg, min_cavg, pooled_detection
from gmmaudio.evaluation.detection import FALSE_ALARMS, det_curve, detection_llrs, eer, pooled_trials, thin_curve
from gmmaudio.evaluation.pooled_detection import count_trials, pooled_det_curve, pooled_eer
from gmmaudio.evaluation.reliability import min_cllr


def ratios_of(n=200, n_labels=6, decimals=None, seed=0, n_unused=1):
    """Return ratios with a little of the truth in them, and labels, of which the last have no clips."""
    rng = np.random.default_rng(seed)
    true = rng.integers(n_labels - n_unused, size=n)
    scores = rng.normal(size=(n, n_labels))
    scores[np.arange(n), true] += 1.0
    return (scores if decimals is None else scores.round(decimals)), true


@pytest.mark.parametrize("block", [1, 7, 10**6])
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_counts_are_those_of_all_trials(block, decimals, monkeypatch):
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", block)
    llrs, true = ratios_of(decimals=decimals)
    llrs[::17, 2] = -np.inf
    llrs[::31, 4] = np.inf
    targets, nontargets = pooled_trials(llrs, true)
    counts = count_trials(llrs, true)
    np.testing.assert_array_equal(counts.scores, np.unique(targets))
    for i, score in enumerate(counts.scores):
        assert counts.n_targets[i] == (targets == score).sum()
        assert counts.n_at[i] == (nontargets == score).sum()
        assert counts.below()[i] == (targets < score).sum()
        assert counts.at_or_above()[i] == (nontargets >= score).sum()
    assert counts.n_between.sum() + counts.n_at.sum() == len(nontargets)
    assert pooled_eer(llrs, true) == pytest.approx(eer(targets, nontargets), rel=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_a_curve_of_many_trials_has_the_points_of_all_of_them(decimals, monkeypatch):
    llrs, true = ratios_of(n=900, decimals=decimals)
    whole = det_curve(*pooled_trials(llrs, true))
    assert np.array_equal(pooled_det_curve(llrs, true).p_fa, whole.p_fa)
    monkeypatch.setattr(pooled_detection, "MANY_TRIALS", 0)
    curve = pooled_det_curve(llrs, true)
    places = np.searchsorted(whole.thresholds, curve.thresholds)
    np.testing.assert_array_equal(whole.thresholds[places], curve.thresholds)
    np.testing.assert_allclose(curve.p_miss, whole.p_miss[places], rtol=1e-12)
    np.testing.assert_allclose(curve.p_fa, whole.p_fa[places], rtol=1e-12)
    assert len(curve.thresholds) < len(whole.thresholds) or decimals
    # the misses that a table shows
    for rate in FALSE_ALARMS:
        shown, expected = (each.p_miss[np.argmax(each.p_fa <= rate)] for each in (thin_curve(curve), whole))
        assert shown == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("p_target", [0.5, 0.1])
def test_the_best_threshold_is_at_the_score_of_a_target(decimals, p_target):
    llrs, true = ratios_of(n=80, decimals=decimals)
    every = [cavg(llrs, true, p_target=p_target, threshold=threshold) for threshold in [*np.unique(llrs), np.inf]]
    assert min_cavg(llrs, true, p_target=p_target) == pytest.approx(min(every), rel=1e-12)


@pytest.mark.parametrize("block", [1, 11])
def test_blocks_of_rows_change_nothing(block, monkeypatch):
    llrs, true = ratios_of(n=60)
    whole = detection_llrs(llrs), min_cllr(llrs, true)
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", block)
    np.testing.assert_array_equal(detection_llrs(llrs), whole[0])
    # sums in another order, in each step of the search
    assert min_cllr(llrs, true) == pytest.approx(whole[1], rel=1e-9)


@pytest.mark.parametrize("metric", [pooled_eer, min_cavg, lambda rows, _: detection_llrs(rows)])
def test_memory_is_that_of_a_few_tables_at_most(metric, monkeypatch):
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", 2**12)
    llrs, true = ratios_of(n=4000, n_labels=50)
    metric(llrs[:100], true[:100])
    tracemalloc.start()
    metric(llrs, true)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the result of one, and tables of truth values: all trials sorted took more than six
    assert most < 1.7 * llrs.nbytes
