"""Detection: ratios, trials, DET curves and EER against scikit-learn, published values and tables by hand."""

import itertools

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.special import logsumexp
from scipy.stats import norm

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    det_curve,
    detection_llrs,
    eer,
    label_trials,
    min_dcf,
    pooled_trials,
)
from gmmaudio.evaluation.detection import FALSE_ALARMS, N_DET_POINTS, pooled_blocks, thin_curve
from tests.evaluation.conftest import random_rows, random_trials, swept_rates

INF = float("inf")
# The edges of the ROC convex hull of 50 targets and 50 nontargets, from low to high scores: the reference that
# bob.measure tests its own by, made with the BOSARIS toolkit 1.06 (Pmiss 0, 0.06, 0.1, 0.28, 0.68, 1 and
# Pfa 0.48, 0.22, 0.12, 0.08, 0, 0). Its EER is given as 0.116363636363636.
BOSARIS_TARGETS = np.repeat(range(6), [0, 3, 2, 9, 20, 16]).astype(float)
BOSARIS_NONTARGETS = np.repeat(range(6), [26, 13, 5, 2, 4, 0]).astype(float)
RISING = [np.exp, np.arctan, lambda s: s**3 + 2 * s, lambda s: 1e6 * s - 3]


# --- ratios ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [2, 3, 7])
def test_ratios_equal_the_formula_written_out(n_labels):
    rng = np.random.default_rng(n_labels)
    rows, prior = rng.normal(scale=3, size=(20, n_labels)), rng.dirichlet(np.ones(n_labels))
    for weights, found in (
        (np.full(n_labels, 1 / n_labels), detection_llrs(rows)),
        (prior, detection_llrs(rows, prior)),
    ):
        for t in range(n_labels):
            others = np.delete(np.arange(n_labels), t)
            mean = logsumexp(rows[:, others], b=weights[others] / (1 - weights[t]), axis=1)
            # sums of few terms of like size
            np.testing.assert_allclose(found[:, t], rows[:, t] - mean, rtol=1e-9, atol=1e-12)


def test_two_labels_have_the_difference_and_its_opposite():
    rows = np.array([[3.0, 1.0], [-700.0, 800.0]])
    np.testing.assert_array_equal(detection_llrs(rows), [[2.0, -2.0], [-1500.0, 1500.0]])


def test_three_labels_by_hand():
    # 4 against the mean of 2 and 1; 2 against that of 4 and 1; 1 against that of 4 and 2
    found = detection_llrs(np.log([[4.0, 2.0, 1.0]]))
    np.testing.assert_allclose(found, np.log([[4 / 1.5, 2 / 2.5, 1 / 3]]), rtol=1e-12)
    # a prior of 1, 1, 2 weighs the others
    weighted = detection_llrs(np.log([[4.0, 2.0, 1.0]]), prior=[1, 1, 2])
    np.testing.assert_allclose(weighted, np.log([[4 / (4 / 3), 2 / 2, 1 / 3]]), atol=1e-12)


def test_ratios_do_not_depend_on_the_constant_of_a_row_or_the_unit_of_the_prior():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(10, 4))
    # a constant of 1e3 costs three digits
    np.testing.assert_allclose(detection_llrs(rows + 1e3), detection_llrs(rows), atol=1e-11)
    np.testing.assert_allclose(detection_llrs(rows, [10, 20, 30, 40]), detection_llrs(rows, [0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(detection_llrs(rows, [5, 5, 5, 5]), detection_llrs(rows), atol=1e-12)


def test_a_label_that_towers_over_the_others_keeps_its_digits():
    found = detection_llrs([[0.0, -1000.0, -1000.0], [0.0, -40.0, -50.0]])
    np.testing.assert_allclose(found[0], [1000.0, -1000 + np.log(2), -1000 + np.log(2)], rtol=1e-14)
    expected = -logsumexp([-40.0, -50.0], b=0.5)
    # the sum of all, less the greatest, would have lost 40 / log(10) = 17 digits, which is all there are
    assert found[1, 0] == pytest.approx(expected, rel=1e-14)


def test_what_was_no_candidate_has_no_part():
    rows = np.array([[1.0, -INF, 0.0, 2.0], [1.0, 5.0, 0.0, 2.0]])
    found = detection_llrs(rows)
    np.testing.assert_allclose(found[0, [0, 2, 3]], detection_llrs(rows[:1, [0, 2, 3]])[0], rtol=1e-14)
    assert found[0, 1] == -INF
    prior = np.array([0.1, 0.6, 0.1, 0.2])
    np.testing.assert_allclose(
        detection_llrs(rows, prior)[0, [0, 2, 3]], detection_llrs(rows[:1, [0, 2, 3]], prior[[0, 2, 3]])[0], rtol=1e-12
    )


def test_the_only_candidate_is_certain_and_a_row_without_any_accepts_nothing():
    found = detection_llrs([[-INF, 3.0, -INF], [-INF, -INF, -INF]])
    assert found.tolist() == [[-INF, INF, -INF], [-INF, -INF, -INF]]
    assert detection_llrs([[3.0]]).tolist() == [[INF]]


def test_a_prior_of_nothing_takes_a_label_from_the_others_but_not_from_the_question():
    found = detection_llrs([[1.0, 4.0, 0.5]], prior=[1, 0, 1])
    np.testing.assert_allclose(found, [[0.5, 4 - logsumexp([1.0, 0.5], b=0.5), -0.5]], rtol=1e-12)
    # the others of the last are of no prior at all
    assert detection_llrs([[1.0, 4.0]], prior=[1, 0]).tolist() == [[INF, 3.0]]


def test_no_rows_have_no_ratios():
    assert detection_llrs(np.empty((0, 3))).shape == (0, 3)
    assert detection_llrs([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([0.5], r"prior has shape \(1,\); expected \(2,\), one for each label"),
        ([0.5, -0.5], "a prior is negative or not finite"),
        ([0.5, np.nan], "a prior is negative or not finite"),
        ([0.5, INF], "a prior is negative or not finite"),
    ],
)
def test_priors_that_do_not_fit_are_refused(prior, message):
    with pytest.raises(SettingError, match=message):
        detection_llrs([[0.0, 0.0]], prior)


@pytest.mark.parametrize(("bad", "message"), [(np.nan, "row 0 of the scores has NaN"), (INF, r"has \+inf")])
def test_ratios_of_what_is_no_log_likelihood_are_refused(bad, message):
    with pytest.raises(SettingError, match=message):
        detection_llrs([[0.0, bad]])


# --- the curve ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_equals_counting(seed):
    targets, nontargets = random_trials(seed)
    curve = det_curve(targets, nontargets)
    expected = np.array(swept_rates(targets, nontargets))
    np.testing.assert_array_equal(curve.thresholds, [*np.unique([*targets, *nontargets]), INF])
    np.testing.assert_allclose(np.column_stack([curve.p_miss, curve.p_fa]), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_equals_the_roc_of_scikit_learn(seed):
    targets, nontargets = random_trials(seed)
    truth = np.repeat([1, 0], [len(targets), len(nontargets)])
    p_fa, p_hit, thresholds = reference.roc_curve(truth, [*targets, *nontargets], drop_intermediate=False)
    curve = det_curve(targets, nontargets)
    # theirs falls
    np.testing.assert_array_equal(curve.thresholds, thresholds[::-1])
    np.testing.assert_allclose(curve.p_fa, p_fa[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.p_miss, 1 - p_hit[::-1], atol=1e-12)


def test_the_curve_holds_the_det_curve_of_scikit_learn():
    targets, nontargets = random_trials(7)
    truth = np.repeat([1, 0], [len(targets), len(nontargets)])
    p_fa, p_miss, thresholds = reference.det_curve(truth, [*targets, *nontargets])
    curve = det_curve(targets, nontargets)
    places = np.searchsorted(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.p_fa[places], p_fa, atol=1e-12)
    np.testing.assert_allclose(curve.p_miss[places], p_miss, atol=1e-12)


def test_the_curve_by_hand_with_a_tie():
    curve = det_curve([0.5, 2.0, 2.0, 3.0], [0.0, 2.0])
    assert curve.thresholds.tolist() == [0.0, 0.5, 2.0, 3.0, INF]
    assert curve.p_miss.tolist() == [0.0, 0.0, 0.25, 0.75, 1.0]
    assert curve.p_fa.tolist() == [1.0, 0.5, 0.5, 0.0, 0.0]


def test_the_curve_of_infinite_scores_ends_where_nothing_is_accepted():
    curve = det_curve([-INF, INF], [-INF, 0.0])
    assert curve.thresholds.tolist() == [-INF, 0.0, INF, INF]
    assert curve.p_miss.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert curve.p_fa.tolist() == [1.0, 0.5, 0.0, 0.0]


def test_an_empty_side_has_no_rate():
    curve = det_curve([], [1.0, 2.0])
    assert np.isnan(curve.p_miss).all()
    assert curve.p_fa.tolist() == [1.0, 0.5, 0.0]
    other = det_curve([1.0], [])
    assert np.isnan(other.p_fa).all()
    assert other.p_miss.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("metric", [det_curve, eer, min_dcf, pooled_blocks])
def test_trials_that_are_no_row_of_numbers_are_refused(metric):
    with pytest.raises(SettingError, match=r"scores of trials have shape \(1, 1\); expected \(n,\)"):
        metric([[1.0]], [0.0])
    with pytest.raises(SettingError, match="a score of a trial is NaN"):
        metric([1.0], [0.0, np.nan])


# --- blocks and the equal error rate -----------------------------------------------------------------------------


def test_the_bosaris_toolkits_hull_and_equal_error_rate():
    n_targets, n_nontargets = pooled_blocks(BOSARIS_TARGETS, BOSARIS_NONTARGETS)
    assert n_targets.tolist() == [0, 3, 2, 9, 20, 16]
    assert n_nontargets.tolist() == [26, 13, 5, 2, 4, 0]
    assert eer(BOSARIS_TARGETS, BOSARIS_NONTARGETS) == pytest.approx(0.116363636363636, abs=1e-14)


@pytest.mark.parametrize(
    ("targets", "nontargets", "expected"),
    [
        ([0, 2], [1], 1 / 3),
        ([1], [0, 2], 1 / 3),
        ([0], [1], 1 / 2),
        ([1], [0], 0),
        ([0, 1, 2], [1], 2 / 5),
        ([0, 1, 2], [0.5], 1 / 4),
        ([0, 1, 2], [1.5], 2 / 5),
        ([1], [0, 1, 2], 2 / 5),
        ([0.5], [0, 1, 2], 2 / 5),
        ([1.5], [0, 1, 2], 1 / 4),
    ],
)
def test_equal_error_rates_of_few_trials(targets, nontargets, expected):
    # the table of extreme cases that van Leeuwen's ROCAnalysis.jl tests the convex hull by
    assert eer(targets, nontargets) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("seed", range(4))
def test_the_equal_error_rate_is_the_worst_prior_of_the_best_threshold(seed, decimals):
    targets, nontargets = random_trials(seed, decimals=decimals)
    p_miss, p_fa = np.array(swept_rates(targets, nontargets)).T
    # the worst of a concave function whose corners are where two thresholds cost the same
    corners = [
        (f[1] - f[0]) / (f[1] - f[0] + m[0] - m[1])
        for m, f in zip(itertools.combinations(p_miss, 2), itertools.combinations(p_fa, 2), strict=True)
        if f[1] - f[0] + m[0] - m[1] != 0
    ]
    priors = np.clip([0, 1, *corners], 0, 1)[:, None]
    worst = (priors * p_miss + (1 - priors) * p_fa).min(axis=1).max()
    assert eer(targets, nontargets) == pytest.approx(worst, abs=1e-12)


@pytest.mark.parametrize("rising", RISING)
def test_only_the_order_of_scores_matters_to_the_equal_error_rate_and_the_minimum_cost(rising):
    targets, nontargets = random_trials(3)
    assert eer(rising(targets), rising(nontargets)) == eer(targets, nontargets)
    assert min_dcf(rising(targets), rising(nontargets), p_target=0.2) == min_dcf(targets, nontargets, p_target=0.2)


def test_the_equal_error_rate_does_not_depend_on_how_many_trials_a_side_has():
    targets, nontargets = random_trials(4)
    assert eer(np.repeat(targets, 7), nontargets) == pytest.approx(eer(targets, nontargets), abs=1e-12)


def test_targets_and_nontargets_are_mirror_images():
    targets, nontargets = random_trials(5)
    assert eer(-nontargets, -targets) == pytest.approx(eer(targets, nontargets), abs=1e-12)


def test_the_equal_error_rate_of_gaussians_is_known():
    # means +-2 and deviation 2: Phi(-1). Even quantiles stand for a sample, and put an error of about 1/n on rates
    at = (np.arange(20_000) + 0.5) / 20_000
    assert eer(norm.ppf(at, 2, 2), norm.ppf(at, -2, 2)) == pytest.approx(norm.cdf(-1), abs=1e-4)


def test_separated_sides_have_no_error_and_turned_ones_no_use():
    assert eer([2.0, 3.0], [0.0, 1.0]) == 0
    assert eer([0.0, 1.0], [2.0, 3.0]) == 0.5
    assert eer([1.0, 1.0], [1.0]) == 0.5
    assert eer([INF, 1.0], [-INF, 0.0]) == 0


@pytest.mark.parametrize("metric", [eer, min_dcf])
def test_without_targets_or_nontargets_there_is_no_metric(metric):
    assert np.isnan(metric([], [1.0]))
    assert np.isnan(metric([1.0], []))
    assert np.isnan(metric([], []))


def test_blocks_by_hand():
    # the target at 2 is below the nontarget at 3: one block of both
    n_targets, n_nontargets = pooled_blocks([2.0, 4.0, 5.0], [1.0, 3.0])
    assert (n_targets.tolist(), n_nontargets.tolist()) == ([0, 1, 2], [1, 1, 0])
    empty = pooled_blocks([], [])
    assert [len(side) for side in empty] == [0, 0]


@pytest.mark.parametrize("seed", range(4))
def test_blocks_hold_every_trial_and_their_shares_rise(seed):
    targets, nontargets = random_trials(seed)
    n_targets, n_nontargets = pooled_blocks(targets, nontargets)
    assert (n_targets.sum(), n_nontargets.sum()) == (len(targets), len(nontargets))
    assert (np.diff(n_targets / (n_targets + n_nontargets)) > 0).all()


# --- trials ------------------------------------------------------------------------------------------------------


def test_trials_of_one_label_and_of_all():
    rows = np.arange(12.0).reshape(4, 3)
    true = [0, 2, 2, 0]
    targets, nontargets = label_trials(rows, true, 2)
    assert (targets.tolist(), nontargets.tolist()) == ([5.0, 8.0], [2.0, 11.0])
    # label 1 has no clips: nobody asks for it
    targets, nontargets = pooled_trials(rows, true)
    assert (targets.tolist(), nontargets.tolist()) == ([0.0, 5.0, 8.0, 9.0], [2.0, 3.0, 6.0, 11.0])


def test_pooled_trials_are_those_of_all_labels():
    rows, true = random_rows(1)
    sides = zip(*(label_trials(rows, true, t) for t in range(4)), strict=True)
    for found, expected in zip(pooled_trials(rows, true), map(np.concatenate, sides), strict=True):
        np.testing.assert_array_equal(np.sort(found), np.sort(expected))


def test_trials_keep_what_was_no_candidate():
    targets, nontargets = label_trials([[-INF, 1.0], [0.0, 1.0], [-INF, 1.0]], [0, 0, 1], 0)
    assert (targets.tolist(), nontargets.tolist()) == ([-INF, 0.0], [-INF])


def test_a_label_without_clips_has_no_targets():
    targets, nontargets = label_trials([[1.0, 2.0]], [0], 1)
    assert (targets.tolist(), nontargets.tolist()) == ([], [2.0])
    assert [len(side) for side in pooled_trials([], [])] == [0, 0]


@pytest.mark.parametrize("column", [2, -1, 0.0, True, "a"])
def test_a_column_that_does_not_exist_is_refused(column):
    with pytest.raises(SettingError, match=r"column is .*; expected a column of the scores, 0 to 1"):
        label_trials([[1.0, 2.0]], [0], column)


@pytest.mark.parametrize("shift", [0.0, 7.0, -1000.0])
def test_equal_scores_in_another_order_or_shifted_are_ties(shift):
    rng = np.random.default_rng(2)
    rows = rng.integers(-9, 9, size=(50, 5)).astype(float)
    llrs = detection_llrs(rows)
    order = rng.permutation(5)
    # bit for bit: a threshold must not part them
    np.testing.assert_array_equal(detection_llrs(rows[:, order] + shift), llrs[:, order])


def test_a_det_curve_is_thinned_where_it_is_drawn_and_exact_where_it_is_told():
    rng = np.random.default_rng(0)
    curve = det_curve(rng.normal(2, 1, 300), rng.normal(0, 1, 20_000))
    thin = thin_curve(curve)
    assert 60 < len(thin.thresholds) < N_DET_POINTS + len(FALSE_ALARMS) + 2
    for rate in FALSE_ALARMS:
        assert thin.p_miss[thin.p_fa <= rate].min() == curve.p_miss[curve.p_fa <= rate].min()
    points = set(zip(curve.thresholds, curve.p_miss, curve.p_fa, strict=True))
    assert set(zip(thin.thresholds, thin.p_miss, thin.p_fa, strict=True)) < points
    assert (thin.p_fa[0], thin.p_miss[-1]) == (1.0, 1.0)
    # half the points where few false alarms are: evenly by index there would be two
    assert (thin.p_fa < 0.02).sum() > 20
    few = det_curve([1.0, 2.0], [0.0])
    assert thin_curve(few) is few
