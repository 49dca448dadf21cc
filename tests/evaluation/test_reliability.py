"""Cllr, its least values and calibration error: Brümmer's identities, published values, scikit-learn, integrals."""

from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    binary_cllr,
    cllr,
    detection_llrs,
    label_trials,
    min_binary_cllr,
    min_cllr,
    reliability_curve,
)

INF = float("inf")
# the search for the best calibration stops where the gradient is 1e-9 or a step wins 1e-14
FOUND = 1e-9


def random_rows(seed, n=120, n_labels=4, shift=1.5, missing=0.0):
    """Return scores and true labels, uneven in number; every label has clips, and the true one is a candidate."""
    rng = np.random.default_rng(seed)
    true = np.append(np.arange(n_labels), np.minimum(rng.geometric(0.4, n - n_labels) - 1, n_labels - 1))
    rows = rng.normal(size=(n, n_labels))
    gone = rng.random(rows.shape) < missing
    gone[np.arange(n), true] = False
    rows[np.arange(n), true] += shift
    return np.where(gone, -INF, rows), true


def random_trials(seed, decimals=1):
    """Return overlapping scores; rounding makes many of them equal."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, 40).round(decimals), rng.normal(-0.5, 1.3, 70).round(decimals)


def cllr_by_definition(rows, true):
    """Return the multi-class Cllr by plain loops."""
    labels = sorted(set(true))
    posteriors = softmax(rows, axis=1)
    costs = [[-np.log2(p[t]) for p, t in zip(posteriors, true, strict=True) if t == label] for label in labels]
    return np.mean([np.mean(cost) for cost in costs])


# --- multi-class Cllr --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_cllr_equals_loops_over_labels(seed, missing):
    rows, true = random_rows(seed, missing=missing)
    assert cllr(rows, true) == pytest.approx(cllr_by_definition(rows, true), rel=1e-12)


def test_cllr_equals_the_log_loss_of_scikit_learn_with_labels_weighed_alike():
    rows, true = random_rows(4)
    weights = 1 / np.bincount(true)[true]
    expected = reference.log_loss(true, softmax(rows, axis=1), labels=range(4), sample_weight=weights)
    assert cllr(rows, true) == pytest.approx(expected / np.log(2), rel=1e-9)


def test_cllr_by_hand():
    # posteriors of the true label: 1/2 and 1/8 of label 0 (1 and 3 bits), 1/4 of label 1 (2 bits)
    rows = np.log([[4, 2, 2], [1, 4, 3], [3, 2, 3]])
    assert cllr(rows, [0, 0, 1]) == pytest.approx(((1 + 3) / 2 + 2) / 2, rel=1e-12)


@pytest.mark.parametrize("n_labels", [2, 3, 8])
def test_scores_that_say_nothing_cost_log2_of_the_number_of_labels(n_labels):
    true = np.append(np.arange(n_labels), 0)
    assert cllr(np.full((n_labels + 1, n_labels), -7.0), true) == pytest.approx(np.log2(n_labels), rel=1e-14)
    assert min_cllr(np.full((n_labels + 1, n_labels), -7.0), true) == pytest.approx(np.log2(n_labels), rel=1e-14)


def test_cllr_with_two_labels_is_that_of_detection():
    rows, true = random_rows(0, n_labels=2)
    llrs = detection_llrs(rows)
    assert cllr(rows, true) == pytest.approx(binary_cllr(*label_trials(llrs, true, 0)), rel=1e-12)
    assert cllr(rows, true) == pytest.approx(binary_cllr(*label_trials(llrs, true, 1)), rel=1e-12)


def test_cllr_does_not_depend_on_the_constant_of_a_row_or_on_how_many_clips_a_label_has():
    rows, true = random_rows(1)
    shifted = rows + np.linspace(-500, 500, len(rows))[:, None]
    # a constant of 500 costs three digits
    assert cllr(shifted, true) == pytest.approx(cllr(rows, true), rel=1e-11)
    times = np.where(true == 0, 5, 1)
    assert cllr(np.repeat(rows, times, axis=0), np.repeat(true, times)) == pytest.approx(cllr(rows, true), rel=1e-12)


def test_cllr_of_whole_weights_is_that_of_repetition():
    rows, true = random_rows(2)
    times = np.random.default_rng(2).integers(0, 4, len(true))
    again = cllr(np.repeat(rows, times, axis=0), np.repeat(true, times))
    assert cllr(rows, true, weights=times) == pytest.approx(again, rel=1e-12)
    assert again != pytest.approx(cllr(rows, true), rel=1e-4)


def test_a_certain_mistake_is_dear_and_a_certain_truth_is_free_to_the_last_digit():
    assert cllr([[0.0, 1000.0]], [0]) == pytest.approx(1000 / np.log(2), rel=1e-14)
    # 1 - 2e-22 rounds to 1, its log does not
    assert cllr([[50.0, 0.0]], [0]) == pytest.approx(np.exp(-50) / np.log(2), rel=1e-12)


def test_a_true_label_that_was_no_candidate_costs_without_bound():
    rows = [[0.0, -INF], [0.0, 0.0]]
    assert cllr(rows, [1, 0]) == INF
    assert cllr([[-INF, -INF]], [0]) == INF
    # unless the clip counts nothing
    assert cllr(rows, [1, 0], weights=[0, 1]) == pytest.approx(1.0)
    assert cllr([[0.0, -INF]], [0]) == 0


def test_labels_that_were_candidates_count_though_they_have_no_clips():
    assert cllr(np.zeros((2, 4)), [0, 1]) == pytest.approx(2.0)
    # the best offsets take them away
    assert min_cllr(np.zeros((2, 4)), [0, 1]) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [cllr, min_cllr])
def test_cllr_of_nothing_is_not_a_number(metric):
    assert np.isnan(metric([], []))
    assert np.isnan(metric(np.empty((0, 3)), []))


def test_cllr_of_no_weight_is_not_a_number():
    assert np.isnan(cllr([[0.0, 1.0]], [0], weights=[0.0]))


@pytest.mark.parametrize("metric", [cllr, min_cllr])
@pytest.mark.parametrize(
    ("rows", "true", "message"),
    [
        ([[0.0, np.nan]], [0], "row 0 of the scores has NaN"),
        ([[0.0, INF]], [0], r"row 0 of the log-likelihoods has \+inf"),
        ([[0.0, 0.0]], [2], "true label 2 is no column"),
        ([[0.0, 0.0]], [0, 1], "true labels have shape"),
    ],
)
def test_cllr_of_what_does_not_fit_is_refused(metric, rows, true, message):
    with pytest.raises(SettingError, match=message):
        metric(rows, true)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match="a weight is negative"):
        cllr([[0.0, 1.0]], [0], weights=[-1.0])


# --- the least multi-class Cllr ----------------------------------------------------------------------------------


def searched_min_cllr(rows, true):
    """Return the least cllr over scale and offsets by a search that knows no gradient."""
    n_labels = rows.shape[1]

    def cost(p):
        # the first offset is free: only differences matter
        return cllr_by_definition(np.where(np.isinf(rows), rows, abs(p[0]) * rows + np.append(0, p[1:])), true)

    start = np.append(1.0, np.zeros(n_labels - 1))
    return minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 4000}).fun


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_min_cllr_equals_a_search_without_gradient(missing):
    rows, true = random_rows(7, n=60, n_labels=3, missing=missing)
    # the simplex stops at differences of 1e-10
    assert min_cllr(rows, true) == pytest.approx(searched_min_cllr(rows, true), abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_min_cllr_of_two_labels_equals_logistic_regression(seed):
    rows, true = random_rows(seed, n_labels=2, shift=0.8)
    llr = (rows[:, 1] - rows[:, 0])[:, None]
    fitted = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-8, max_iter=1000).fit(llr, true)
    weights = 1 / np.bincount(true)[true]
    expected = reference.log_loss(true, fitted.predict_proba(llr), sample_weight=weights) / np.log(2)
    # scikit-learn's penalty is 1e-9 and its fit ends at gradients of 1e-8
    assert min_cllr(rows, true) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_no_scale_and_offsets_do_better_than_the_least(seed, missing):
    rows, true = random_rows(seed, missing=missing)
    least = min_cllr(rows, true)
    rng = np.random.default_rng(seed)
    others = [cllr(rng.gamma(2) * rows + rng.normal(size=4), true) for _ in range(50)]
    assert 0 < least <= min(np.log2(4), cllr(rows, true), *others)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 30.0, 1e6])
def test_min_cllr_does_not_change_with_units_offsets_and_constants_of_rows(scale, missing):
    rows, true = random_rows(5, missing=missing)
    moved = scale * (rows + np.array([0, 3, -5, 40]) + np.linspace(0, 9, len(rows))[:, None])
    assert min_cllr(moved, true) == pytest.approx(min_cllr(rows, true), abs=FOUND)
    assert cllr(moved, true) != pytest.approx(cllr(rows, true), rel=0.01)


def test_calibration_is_what_min_cllr_takes_away():
    # drawn from the very model: scores are log-likelihoods of unit normals at 0 or at 1.5, up to a constant
    rng = np.random.default_rng(0)
    true = np.repeat(range(4), 2000)
    rows = 1.5 * rng.normal(np.where(np.arange(4) == true[:, None], 1.5, 0.0))
    # 4 parameters fitted on 8000 clips win about 4 / (2 * 8000 * log 2) = 0.0004 bits
    assert 0 <= cllr(rows, true) - min_cllr(rows, true) < 0.002
    assert cllr(5 * rows, true) - min_cllr(5 * rows, true) > 0.5


def test_labels_told_apart_without_a_mistake_cost_nothing_in_the_end():
    rng = np.random.default_rng(3)
    true = np.repeat(range(5), 20)
    rows = 0.01 * rng.normal(size=(100, 5)) + 0.1 * (np.arange(5) == true[:, None])
    assert cllr(rows, true) > 2
    for found in (min_cllr(rows, true), min_cllr(1e5 * rows, true), min_cllr(1e-5 * rows + np.arange(5), true)):
        assert 0 <= found < 1e-6


def test_scores_that_already_cost_nothing_are_not_made_dearer():
    rng = np.random.default_rng(0)
    true = np.repeat(range(4), 10)
    rows = 1e5 * (rng.normal(size=(40, 4)) + 9 * (np.arange(4) == true[:, None]))
    # the search stops near 1e-10, above what was given
    assert cllr(rows, true) == 0
    assert min_cllr(rows, true) == 0


def test_scores_that_mislead_are_worth_nothing_and_not_less():
    rows, true = random_rows(6)
    # the scale may not be negative
    assert min_cllr(-rows, true) == pytest.approx(2.0, rel=1e-12)
    assert cllr(-rows, true) > 2.5


def test_one_label_is_no_question():
    assert min_cllr([[3.0, 1.0], [2.0, 5.0]], [0, 0]) == 0
    assert min_cllr([[3.0]], [0]) == 0


def test_a_true_label_that_was_no_candidate_cannot_be_calibrated():
    assert min_cllr([[0.0, -INF], [0.0, 0.0]], [1, 0]) == INF
    assert min_cllr([[-INF, -INF]], [0]) == INF


def test_rows_with_one_candidate_leave_the_others_to_be_calibrated():
    rows, true = random_rows(8)
    alone = np.where(np.arange(4) == np.arange(4)[:, None], 0.0, -INF)
    found = min_cllr(np.vstack([rows, alone]), np.append(true, range(4)))
    # what is certain costs nothing
    assert 0 < found < min_cllr(rows, true)


def test_one_score_far_off_leaves_the_others_to_be_calibrated():
    rows, true = random_rows(9)
    far = rows.copy()
    far[5, (true[5] + 1) % 4] = -1e9
    gone = rows.copy()
    gone[5, (true[5] + 1) % 4] = -INF
    assert min_cllr(far, true) == pytest.approx(min_cllr(gone, true), abs=1e-7)


# --- Cllr of detection -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_targets", "n_nontargets"), [(1, 1), (3, 500)])
def test_ratios_that_say_nothing_cost_one_bit(n_targets, n_nontargets):
    assert binary_cllr(np.zeros(n_targets), np.zeros(n_nontargets)) == pytest.approx(1.0, rel=1e-15)


def test_binary_cllr_by_hand():
    # log2(1 + 1/3), log2(1 + 1) of targets and log2(1 + 1/7), log2(1 + 3) of nontargets
    found = binary_cllr(np.log([3, 1]), np.log([1 / 7, 3]))
    expected = ((np.log2(4 / 3) + 1) / 2 + (np.log2(8 / 7) + 2) / 2) / 2
    assert found == pytest.approx(expected, rel=1e-12)


def test_binary_cllr_of_calibrated_gaussians_equals_its_integral():
    # ratios of variance 2 m and means +-m are their own log-likelihood ratios
    for m, published in ((2.0, 0.5140558), (0.5, None), (8.0, None)):
        deviation = np.sqrt(2 * m)

        def cost(s, m=m, deviation=deviation):
            return np.logaddexp(0, -s) / np.log(2) * norm.pdf(s, m, deviation)

        expected = quad(cost, m - 12 * deviation, m + 12 * deviation, points=[0.0, m], limit=200)[0]
        if published is not None:
            # van Leeuwen's ROCAnalysis.jl tests its Cllr by this metric
            assert expected == pytest.approx(published, abs=5e-8)
        at = (np.arange(20_000) + 0.5) / 20_000
        targets = norm.ppf(at, m, deviation)
        # quantiles at equal steps leave a part of 1e-4 of the tail out
        assert binary_cllr(targets, -targets) == pytest.approx(expected, rel=1e-3)
        # and the best rising function fits the steps themselves, of which few overlap at +-8
        assert min_binary_cllr(targets, -targets) == pytest.approx(expected, rel=5e-3)


def test_binary_cllr_of_infinite_ratios():
    assert binary_cllr([INF], [-INF]) == 0
    assert binary_cllr([-INF, INF], [0.0]) == INF
    assert binary_cllr([0.0], [INF]) == INF


@pytest.mark.parametrize("metric", [binary_cllr, min_binary_cllr])
def test_binary_cllr_without_targets_or_nontargets_is_not_a_number(metric):
    assert np.isnan(metric([], [1.0]))
    assert np.isnan(metric([1.0], []))
    assert np.isnan(metric([], []))


@pytest.mark.parametrize("metric", [binary_cllr, min_binary_cllr])
def test_trials_that_are_no_row_of_numbers_are_refused(metric):
    with pytest.raises(SettingError, match=r"scores of trials have shape \(\)"):
        metric(1.0, [0.0])
    with pytest.raises(SettingError, match="a score of a trial is NaN"):
        metric([np.nan], [0.0])


# --- min Cllr of detection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("seed", range(3))
def test_the_least_binary_cllr_equals_isotonic_regression_of_scikit_learn(seed, decimals):
    targets, nontargets = random_trials(seed, decimals)
    scores, truth = np.append(targets, nontargets), np.repeat([1.0, 0.0], [len(targets), len(nontargets)])
    weights = np.where(truth, 1 / len(targets), 1 / len(nontargets))
    posterior = IsotonicRegression().fit_transform(scores, truth, sample_weight=weights)
    expected = -weights @ np.log2(np.where(truth, posterior, 1 - posterior)) / 2
    assert min_binary_cllr(targets, nontargets) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_rising_function_does_better_than_the_least(seed):
    targets, nontargets = random_trials(seed)
    least = min_binary_cllr(targets, nontargets)
    for rising in (lambda s: s, lambda s: 0 * s, lambda s: 2 * s - 1, np.tanh, lambda s: s**3):
        assert least <= binary_cllr(rising(targets), rising(nontargets))
    # a scale and an offset are a rising function
    rows = np.column_stack([np.zeros(110), np.append(targets, nontargets)])
    assert least <= min_cllr(rows, np.repeat([1, 0], [40, 70])) + FOUND


@pytest.mark.parametrize("rising", [np.exp, np.arctan, lambda s: 1e6 * s - 3])
def test_only_the_order_of_scores_matters_to_the_least_binary_cllr(rising):
    targets, nontargets = random_trials(1)
    assert min_binary_cllr(rising(targets), rising(nontargets)) == min_binary_cllr(targets, nontargets)


def test_the_least_binary_cllr_does_not_depend_on_how_many_trials_a_side_has():
    targets, nontargets = random_trials(2)
    again = min_binary_cllr(np.repeat(targets, 9), nontargets)
    assert again == pytest.approx(min_binary_cllr(targets, nontargets), rel=1e-12)


def test_the_least_binary_cllr_by_hand():
    # blocks (targets, nontargets) (0, 1), (1, 1) and (2, 0): ratios 0, 2/3 and infinity
    found = min_binary_cllr([2.0, 4.0, 5.0], [1.0, 3.0])
    assert found == pytest.approx((np.log2(1 + 3 / 2) / 3 + np.log2(1 + 2 / 3) / 2) / 2, rel=1e-12)


def test_the_least_binary_cllr_of_separated_and_turned_sides():
    assert min_binary_cllr([2.0, INF], [0.0, 1.0]) == 0
    assert min_binary_cllr([0.0, 1.0], [2.0, 3.0]) == 1
    assert min_binary_cllr([1.0], [1.0, 1.0]) == 1


# --- reliability -------------------------------------------------------------------------------------------------


def test_reliability_by_hand():
    rows = [[0.95, 0.05], [0.85, 0.15], [0.1, 0.9], [0.6, 0.4], [0.45, 0.55]]
    found = reliability_curve(rows, [0, 1, 1, 0, 0], n_bins=4)
    assert found.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.n.tolist() == [0, 0, 2, 3]
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 0.575, 0.9], rtol=1e-12)
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 1 / 2, 2 / 3], rtol=1e-12)
    assert found.ece == pytest.approx((2 * 0.075 + 3 * (0.9 - 2 / 3)) / 5, rel=1e-12)


@pytest.mark.parametrize("n_bins", [1, 5, 10, 17])
def test_reliability_equals_the_calibration_curve_of_scikit_learn(n_bins):
    rng = np.random.default_rng(n_bins)
    rows, true = rng.dirichlet(np.full(3, 0.7), 400), rng.integers(3, size=400)
    right, highest = rows.argmax(axis=1) == true, rows.max(axis=1)
    share, mean = calibration_curve(right, highest, n_bins=n_bins)
    found = reliability_curve(rows, true, n_bins)
    np.testing.assert_allclose(found.accuracy[found.n > 0], share, rtol=1e-12)
    np.testing.assert_allclose(found.confidence[found.n > 0], mean, rtol=1e-12)
    assert found.n.sum() == 400


def test_one_bin_is_the_gap_of_the_means_and_more_bins_never_make_it_less():
    rng = np.random.default_rng(2)
    rows, true = rng.dirichlet(np.ones(3), 200), rng.integers(3, size=200)
    gap = abs((rows.argmax(axis=1) == true).mean() - rows.max(axis=1).mean())
    errors = [reliability_curve(rows, true, n_bins).ece for n_bins in (1, 2, 4, 8, 16)]
    assert errors[0] == pytest.approx(gap, rel=1e-12)
    # each bin is two of the next: the triangle inequality
    assert all(fewer <= more + 1e-12 for fewer, more in pairwise(errors))
    assert errors[0] < errors[-1]


def test_probabilities_that_are_drawn_from_have_a_small_error():
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.ones(3), 20_000)
    true = (rows.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    # ten bins of about 2000 clips, each share uncertain by 0.011
    assert reliability_curve(rows, true).ece < 0.02
    sharp = softmax(4 * log_softmax(np.log(rows), axis=1), axis=1)
    assert reliability_curve(sharp, true).ece > 0.15


def test_an_edge_belongs_to_the_bin_above_and_1_to_the_last():
    rows = [[1 - p, p] for p in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)]
    assert reliability_curve(rows, [1] * 6, n_bins=10).n.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert reliability_curve([[1.0, 0.0]], [0], n_bins=1).n.tolist() == [1]


def test_a_probability_that_rounding_put_above_1_falls_in_the_last_bin():
    assert reliability_curve([[1 + 1e-9, 0.0]], [0], n_bins=3).n.tolist() == [0, 0, 1]


def test_certainty_is_right_or_wrong():
    assert reliability_curve([[1.0, 0.0], [0.0, 1.0]], [0, 1]).ece == 0
    assert reliability_curve([[1.0, 0.0], [0.0, 1.0]], [1, 0]).ece == 1


def test_the_first_of_equal_labels_is_the_top_one():
    assert reliability_curve([[0.5, 0.5]], [0]).accuracy[5] == 1
    assert reliability_curve([[0.5, 0.5]], [1]).accuracy[5] == 0


@pytest.mark.parametrize("rows", [[], np.empty((0, 3))])
def test_reliability_of_nothing_has_empty_bins(rows):
    found = reliability_curve(rows, [], n_bins=3)
    assert found.n.tolist() == [0, 0, 0]
    assert np.isnan(found.accuracy).all()
    assert np.isnan(found.confidence).all()
    assert np.isnan(found.ece)


@pytest.mark.parametrize("n_bins", [0, -2, 2.0, True, "ten"])
def test_bins_that_are_no_number_of_bins_are_refused(n_bins):
    with pytest.raises(SettingError, match=r"n_bins is .*; expected a number of bins, 1 or more"):
        reliability_curve([[1.0]], [0], n_bins)


def test_reliability_of_what_is_no_probability_is_refused():
    with pytest.raises(SettingError, match="sum to 1 in every row; these are scores"):
        reliability_curve([[0.5, 0.6]], [0])
    with pytest.raises(SettingError, match="true label 2 is no column"):
        reliability_curve([[0.5, 0.5]], [2])
