"""Costs of detection: min DCF and Cavg against sweeps, the plans' formulas and tables by hand."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    cavg,
    detection_llrs,
    eer,
    label_trials,
    min_cavg,
    min_dcf,
    pooled_trials,
)
from gmmaudio.evaluation.detection_cost import cavg_primary
from tests.evaluation.conftest import random_rows, random_trials, swept_rates

INF = float("inf")


def cavg_by_definition(llrs, true, p_target, c_miss, c_fa, threshold):
    """Return the average cost as written in the evaluation plans, with plain loops."""
    labels = sorted(set(true))
    total = 0.0
    for target in labels:
        own = [row[target] for row, label in zip(llrs, true, strict=True) if label == target]
        cost = c_miss * p_target * sum(s < threshold for s in own) / len(own)
        for other in labels:
            if other != target:
                theirs = [row[target] for row, label in zip(llrs, true, strict=True) if label == other]
                share = sum(s >= threshold for s in theirs) / len(theirs)
                cost += c_fa * (1 - p_target) / (len(labels) - 1) * share
        total += cost
    return total / len(labels)


# --- detection cost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", [{}, {"p_target": 0.1}, {"c_miss": 10.0}, {"c_fa": 3.0, "p_target": 0.7}])
@pytest.mark.parametrize("seed", range(3))
def test_the_minimum_cost_equals_a_sweep(seed, costs):
    targets, nontargets = random_trials(seed)
    p, c_miss, c_fa = (costs.get(name, default) for name, default in (("p_target", 0.5), ("c_miss", 1), ("c_fa", 1)))
    swept = min(c_miss * p * m + c_fa * (1 - p) * f for m, f in swept_rates(targets, nontargets))
    found = min_dcf(targets, nontargets, **costs)
    assert found == pytest.approx(swept / min(c_miss * p, c_fa * (1 - p)), rel=1e-12)


def test_the_minimum_cost_by_hand():
    targets, nontargets = [1.0, 2.0, 3.0, 4.0], [0.0, 1.5, 2.5, 2.7]
    # accepting from 3 up misses a half for 0.5 * 1/2, accepting from 1 up lets 3/4 in; doing nothing costs 0.5
    assert min_dcf(targets, nontargets) == pytest.approx(0.5)
    # a false alarm that costs nine times as much leaves accepting from 3 up: 0.5 of doing nothing
    assert min_dcf(targets, nontargets, c_fa=9.0) == pytest.approx(0.5)
    # with nine times dearer misses: from 1 up, 3/4 of the nontargets at 0.5 each against 0.5 for accepting all
    assert min_dcf(targets, nontargets, c_miss=9.0) == pytest.approx(0.75)


def test_the_minimum_cost_is_within_0_and_1_and_half_of_it_at_equal_costs_at_most_the_equal_error_rate():
    for seed in range(10):
        targets, nontargets = random_trials(seed, n_targets=9, n_nontargets=7)
        for p_target in (1e-6, 0.01, 0.5, 0.99):
            assert 0 <= min_dcf(targets, nontargets, p_target=p_target) <= 1
        # the normalised cost at even odds is Pmiss + Pfa
        assert min_dcf(targets, nontargets) / 2 <= eer(targets, nontargets) + 1e-12
    assert min_dcf([0.0], [1.0]) == 1
    assert min_dcf([1.0], [0.0]) == 0


BAD_COSTS = [
    ({"p_target": 0.0}, "p_target is 0.0; expected a share between 0 and 1"),
    ({"p_target": 1.0}, "p_target is 1.0"),
    ({"p_target": np.nan}, "p_target is nan"),
    ({"c_miss": 0.0}, "c_miss is 0.0; expected a finite cost above 0"),
    ({"c_fa": -1.0}, "c_fa is -1.0"),
    ({"c_fa": INF}, "c_fa is inf"),
]


@pytest.mark.parametrize(("costs", "message"), BAD_COSTS)
def test_costs_outside_their_bounds_are_refused(costs, message):
    with pytest.raises(SettingError, match=message):
        min_dcf([1.0], [0.0], **costs)
    with pytest.raises(SettingError, match=message):
        cavg([[1.0, 0.0], [0.0, 1.0]], [0, 1], **costs)
    with pytest.raises(SettingError, match=message):
        min_cavg([[1.0, 0.0], [0.0, 1.0]], [0, 1], **costs)


# --- Cavg --------------------------------------------------------------------------------------------------------

# Three languages of 2, 4 and 1 clips; +1 is accepted, -1 is not. Worked by the formula of the evaluation plans:
#   misses             L0 1/2, L1 1/4, L2 0
#   false alarms       L0: 1/4 of L1, 0 of L2;   L1: 1/2 of L0, 1 of L2;   L2: 0 of L0, 2/4 of L1
THREE = [[1, 1, -1], [-1, -1, -1], [1, 1, -1], [-1, 1, 1], [-1, 1, 1], [-1, -1, -1], [-1, 1, 1]]
THREE_TRUE = [0, 0, 1, 1, 1, 1, 2]
P_MISS = (1 / 2 + 1 / 4 + 0) / 3
P_FA = ((1 / 4 + 0) / 2 + (1 / 2 + 1) / 2 + (0 + 2 / 4) / 2) / 3


@pytest.mark.parametrize(("p_target", "c_miss", "c_fa"), [(0.5, 1, 1), (0.1, 1, 1), (0.3, 2, 5)])
def test_three_languages_worked_by_the_plans_formula(p_target, c_miss, c_fa):
    found = cavg(THREE, THREE_TRUE, p_target=p_target, c_miss=c_miss, c_fa=c_fa, threshold=0.0)
    assert found == pytest.approx(c_miss * p_target * P_MISS + c_fa * (1 - p_target) * P_FA, rel=1e-12)


@pytest.mark.parametrize("costs", [(0.5, 1.0, 1.0), (0.1, 1.0, 1.0), (0.4, 3.0, 0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_cavg_equals_loops_over_pairs_of_labels(seed, costs):
    rows, true = random_rows(seed)
    p_target, c_miss, c_fa = costs
    threshold = np.log(c_fa * (1 - p_target) / (c_miss * p_target))
    found = cavg(rows, true, p_target=p_target, c_miss=c_miss, c_fa=c_fa)
    assert found == pytest.approx(cavg_by_definition(rows, true, *costs, threshold), rel=1e-12)
    moved = cavg(rows, true, p_target=p_target, c_miss=c_miss, c_fa=c_fa, threshold=1.0)
    assert moved == pytest.approx(cavg_by_definition(rows, true, *costs, 1.0), rel=1e-12)
    assert moved != pytest.approx(found, rel=1e-3)


def test_cavg_of_two_labels_is_that_of_their_trials():
    rows, true = random_rows(3, n_labels=2)
    found = [
        np.mean(side)
        for t in (0, 1)
        for side in (label_trials(rows < 0, true, t)[0], label_trials(rows >= 0, true, t)[1])
    ]
    assert cavg(rows, true) == pytest.approx(np.mean(found), rel=1e-12)


def test_cavg_does_not_depend_on_how_many_clips_a_label_has():
    rows, true = random_rows(4)
    times = np.where(true == 1, 9, 1)
    again = cavg(np.repeat(rows, times, axis=0), np.repeat(true, times))
    assert again == pytest.approx(cavg(rows, true), rel=1e-12)
    assert pooled_trials(rows, true)[0].mean() != pytest.approx(
        pooled_trials(np.repeat(rows, times, axis=0), np.repeat(true, times))[0].mean(), rel=1e-3
    )


def test_cavg_of_whole_weights_is_that_of_repetition():
    rows, true = random_rows(5)
    times = np.random.default_rng(5).integers(0, 4, len(true))
    again = cavg(np.repeat(rows, times, axis=0), np.repeat(true, times))
    assert cavg(rows, true, weights=times) == pytest.approx(again, rel=1e-12)
    assert cavg(rows, true, weights=times) != pytest.approx(cavg(rows, true), rel=1e-3)


def test_a_label_whose_clips_have_no_weight_is_left_out():
    rows, true = random_rows(6)
    kept = true != 2
    columns = np.array([0, 1, -1, 2])[true[kept]]
    expected = cavg(rows[kept][:, [0, 1, 3]], columns)
    assert cavg(rows, true, weights=kept.astype(float)) == pytest.approx(expected, rel=1e-12)
    # and so is a label that never had clips
    assert cavg(rows[kept], true[kept]) == pytest.approx(expected, rel=1e-12)
    assert min_cavg(rows[kept], true[kept]) == pytest.approx(min_cavg(rows[kept][:, [0, 1, 3]], columns), rel=1e-12)


def test_cavg_of_perfect_useless_and_turned_ratios():
    _, true = random_rows(0)
    right = np.where(np.arange(4) == true[:, None], 9.0, -9.0)
    assert cavg(right, true) == 0
    # accepting all, and nothing
    assert cavg(np.zeros((len(true), 4)), true, p_target=0.3, threshold=0.0) == pytest.approx(0.7)
    assert cavg(np.zeros((len(true), 4)), true, p_target=0.3) == pytest.approx(0.3)
    assert cavg(-right, true, c_miss=2.0, c_fa=4.0) == pytest.approx(2 * 0.5 + 4 * 0.5)


def test_what_was_no_candidate_is_a_miss_of_its_own_and_no_false_alarm():
    llrs = detection_llrs([[0.0, 1.0, -INF], [0.0, 1.0, -INF], [0.0, 1.0, -INF]])
    # L0 missed; L1 right, and lets the clips of L0 and L2 in; L2 missed
    assert cavg(llrs, [0, 1, 2]) == pytest.approx(0.5 * 2 / 3 + 0.5 * (0 + 1 + 0) / 3)


def test_the_only_candidate_is_accepted_at_any_finite_threshold():
    llrs = detection_llrs([[0.0, -INF], [-INF, 0.0]])
    assert cavg(llrs, [0, 1], threshold=1e300) == 0
    assert cavg(llrs, [1, 0], threshold=1e300) == 1


@pytest.mark.parametrize("metric", [cavg, cavg_primary, min_cavg])
def test_cavg_of_fewer_than_two_labels_is_not_a_number(metric):
    assert np.isnan(metric([[1.0, 0.0], [1.0, 0.0]], [0, 0]))
    assert np.isnan(metric([[1.0]], [0]))
    assert np.isnan(metric([], []))
    assert np.isnan(metric(np.empty((0, 3)), []))


def test_cavg_of_no_weight_is_not_a_number():
    assert np.isnan(cavg([[1.0, 0.0], [0.0, 1.0]], [0, 1], weights=[1.0, 0.0]))


@pytest.mark.parametrize("metric", [cavg, cavg_primary, min_cavg, pooled_trials])
def test_rows_and_labels_that_do_not_fit_are_refused(metric):
    with pytest.raises(SettingError, match="row 0 of the scores has NaN"):
        metric([[np.nan, 0.0]], [0])
    with pytest.raises(SettingError, match="true label 2 is no column"):
        metric([[0.0, 0.0]], [2])
    with pytest.raises(SettingError, match="true labels have shape"):
        metric([[0.0, 0.0]], [0, 1])


def test_weights_and_thresholds_that_do_not_fit_are_refused():
    rows, true = [[1.0, 0.0], [0.0, 1.0]], [0, 1]
    with pytest.raises(SettingError, match="a weight is negative"):
        cavg(rows, true, weights=[1.0, -1.0])
    with pytest.raises(SettingError, match="weights have shape"):
        cavg_primary(rows, true, weights=[1.0])
    with pytest.raises(SettingError, match="threshold is NaN"):
        cavg(rows, true, threshold=np.nan)


# --- the primary cost of 2017 and 2022 ---------------------------------------------------------------------------


def test_the_primary_cost_equals_the_plans_formula_with_beta():
    rows, true = random_rows(8)
    parts = []
    for p_target in (0.5, 0.1):
        beta = (1 - p_target) / p_target
        accepted = rows >= np.log(beta)
        p_miss = [1 - accepted[true == t, t].mean() for t in range(4)]
        p_fa = [[accepted[true == s, t].mean() for s in range(4) if s != t] for t in range(4)]
        parts.append((sum(p_miss) + beta / 3 * np.sum(p_fa)) / 4)
    assert cavg_primary(rows, true) == pytest.approx(np.mean(parts), rel=1e-12)


def test_the_primary_cost_of_accepting_nothing_is_1_and_of_everything_5():
    _, true = random_rows(0)
    nothing = np.full((len(true), 4), -99.0)
    assert cavg_primary(nothing, true) == pytest.approx(1)
    # 0.5 / 0.5 and 0.9 / 0.1
    assert cavg_primary(-nothing, true) == pytest.approx((1 + 9) / 2)


def test_the_primary_cost_takes_weights():
    rows, true = random_rows(9)
    times = np.random.default_rng(9).integers(0, 3, len(true))
    again = cavg_primary(np.repeat(rows, times, axis=0), np.repeat(true, times))
    assert cavg_primary(rows, true, weights=times) == pytest.approx(again, rel=1e-12)
    assert again != pytest.approx(cavg_primary(rows, true), rel=1e-3)


# --- min Cavg ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", [{}, {"p_target": 0.1}, {"c_miss": 4.0}, {"c_fa": 4.0}])
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_min_cavg_equals_a_sweep(decimals, costs):
    rows, true = random_rows(decimals, n=40, decimals=decimals)
    default = {"p_target": 0.5, "c_miss": 1.0, "c_fa": 1.0} | costs
    swept = min(cavg_by_definition(rows, true, *default.values(), t) for t in [*np.unique(rows), INF])
    assert min_cavg(rows, true, **costs) == pytest.approx(swept, rel=1e-10)


def test_min_cavg_is_never_above_that_of_any_threshold_or_of_doing_nothing():
    for seed in range(10):
        rows, true = random_rows(seed, n=20, shift=0.3)
        least = min_cavg(rows, true, p_target=0.2)
        others = min(0.2, *(cavg(rows, true, p_target=0.2, threshold=t) for t in np.linspace(-3, 3, 13)))
        # up to the rounding of two sums over the clips
        assert least <= others + 1e-15


def test_min_cavg_does_not_change_with_a_common_offset_or_scale():
    rows, true = random_rows(2)
    assert min_cavg(7 * rows - 3, true) == pytest.approx(min_cavg(rows, true), rel=1e-12)
    # but one label's own offset is not undone
    assert min_cavg(rows + np.array([5, 0, 0, 0]), true) > min_cavg(rows, true) + 0.01


def test_equal_scores_are_not_parted():
    # any threshold accepts all or nothing
    assert min_cavg(np.zeros((4, 2)), [0, 0, 1, 1], p_target=0.3) == pytest.approx(0.3)
    assert min_cavg(np.zeros((4, 2)), [0, 0, 1, 1], p_target=0.8) == pytest.approx(0.2)


def test_infinite_ratios_have_a_min_cavg():
    llrs = detection_llrs([[0.0, -INF], [-INF, 0.0], [-INF, 0.0]])
    assert min_cavg(llrs, [0, 1, 1]) == 0
    # accepting nothing is possible, though no threshold does it
    assert min_cavg(llrs, [1, 0, 0]) == 0.5
    assert min_cavg(llrs, [0, 0, 1]) == pytest.approx(0.25)
