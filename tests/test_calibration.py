"""Calibration, fusion, open-set threshold: against known scales, Bayes' rule by hand, brute force, scikit-learn."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import roc_auc_score

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import cllr, min_cllr, reliability_curve
from gmmaudio.models import Calibration, OpenSetThreshold, fit_calibration, fit_open_set_threshold
from gmmaudio.models.calibration import RIDGE, clip_weights, smoothed_targets
from gmmaudio.models.fusion import equal_mean, trained_weights
from gmmaudio.models.open_set import auroc, score_statistics

INF = float("inf")
# the search for a scale stops at steps of 1e-6 of its log
FOUND = 1e-5


def posterior_clips(seed, n=4000, n_labels=3, spread=2.0):
    """Return log posteriors, true labels drawn from them, and groups of one clip: perfectly calibrated scores."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(n, n_labels))
    chances = softmax(logits, axis=1)
    true = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, true, [str(i) for i in range(n)]


def few_clips(seed=0, n_labels=3, n_groups=4, n_each=5, shift=2.0):
    """Return overlapping scores of few groups, each of one label."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(n_labels), n_groups * n_each)
    scores = rng.normal(size=(len(true), n_labels))
    scores[np.arange(len(true)), true] += shift
    return scores, true, [str(i // n_each) for i in range(len(true))]


def temperature(scores, true, groups):
    return fit_calibration(scores, true, groups, method="temperature").scale


def loss_of(true, groups):
    """Return the log-loss of scores as a function, with labels, and groups within them, the same, by plain loops."""
    members = {}
    for i, (label, group) in enumerate(zip(true.tolist(), groups, strict=True)):
        members.setdefault(label, {}).setdefault(group, []).append(i)
    weights = np.zeros(len(true))
    for own in members.values():
        for clips in own.values():
            weights[clips] = 1 / (len(members) * len(own) * len(clips))
    return lambda scores: -float(weights @ log_softmax(scores, axis=1)[np.arange(len(true)), true])


# --- probability --------------------------------------------------------------------------------------------------


def test_probability_is_the_softmax_and_sums_to_one():
    scores = np.random.default_rng(0).normal(size=(50, 4))
    found = Calibration(2.5, np.array([1.0, -1.0, 0.5, -0.5])).probability(scores)
    np.testing.assert_allclose(found, softmax(2.5 * scores + [1.0, -1.0, 0.5, -0.5], axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


def test_a_prior_is_bayes_rule():
    likelihoods, prior = np.array([0.2, 0.05, 0.4]), np.array([0.5, 0.4, 0.1])
    # by hand: 0.1, 0.02 and 0.04 out of 0.16
    found = Calibration(1.0, np.zeros(3)).probability(np.log(likelihoods), prior)
    np.testing.assert_allclose(found, [0.625, 0.125, 0.25], rtol=1e-12)


def test_a_prior_of_zero_rules_a_label_out():
    found = Calibration(1.0, np.zeros(2)).probability(np.array([5.0, 0.0]), np.array([0.0, 1.0]))
    assert found.tolist() == [0.0, 1.0]


def test_a_row_has_the_probability_it_has_in_a_table_and_a_constant_changes_nothing():
    calibration, scores = Calibration(3.0, np.array([0.5, -0.5])), np.random.default_rng(1).normal(size=(6, 2))
    table = calibration.probability(scores)
    for row, scores_of_row in zip(table, scores, strict=True):
        # adding the constant rounds at 1e-13
        np.testing.assert_allclose(calibration.probability(scores_of_row + 1000.0), row, rtol=1e-9)


def test_great_and_impossible_scores():
    calibration = Calibration(1.0, np.zeros(3))
    assert calibration.probability(np.array([1e300, 0.0, -INF])).tolist() == [1.0, 0.0, 0.0]
    assert calibration.probability(np.array([-1e6, -1e6, -INF])).tolist() == [0.5, 0.5, 0.0]
    assert calibration.probability(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("scores", [[np.nan, 0.0], [INF, 0.0], [-INF, -INF]])
def test_scores_without_probabilities_are_refused(scores):
    with pytest.raises(SettingError, match="nothing that is possible"):
        Calibration(1.0, np.zeros(2)).probability(np.array([[0.0, 0.0], scores]))


@pytest.mark.parametrize("scale", [0.0, -1.0, INF, float("nan")])
def test_a_scale_is_a_number_above_zero(scale):
    with pytest.raises(SettingError, match="expected a number above 0"):
        Calibration(scale, np.zeros(2))


@pytest.mark.parametrize("offsets", [np.array([0.0, np.nan]), np.zeros((1, 2))])
def test_offsets_are_a_list_of_numbers(offsets):
    with pytest.raises(SettingError, match="expected a number above 0, and numbers"):
        Calibration(1.0, offsets)


@pytest.mark.parametrize("loss", [0.25, float("nan")])
def test_a_calibration_survives_json(loss):
    given = Calibration(0.1 + 0.2, np.array([1 / 3, -1 / 3]), 7, 3, loss)
    back = Calibration.from_dict(json.loads(json.dumps(given.to_dict(), allow_nan=False)))
    assert back.offsets.tolist() == given.offsets.tolist()
    assert (back.scale, back.n, back.n_groups, back.method) == (given.scale, 7, 3, "affine")
    np.testing.assert_equal(back.log_loss, loss)


# --- weights ------------------------------------------------------------------------------------------------------


def test_labels_and_groups_weigh_the_same():
    codes, groups = np.array([0, 0, 0, 0, 1, 1, 1]), ["a", "a", "a", "b", "b", "b", "c"]
    found = clip_weights(codes, groups)
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found, [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 8, 1 / 8, 1 / 4])


# --- temperature and affine ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.05, 1.0, 30.0])
def test_a_known_scale_is_recovered(scale):
    logits, true, groups = posterior_clips(0)
    # the standard error of one scale from 4000 clips is about 2.5 %
    assert temperature(logits / scale, true, groups) == pytest.approx(scale, rel=0.08)


def test_known_offsets_are_recovered():
    logits, true, groups = posterior_clips(1, n=6000)
    # the clips weigh as if labels were as frequent as one another, which they are by symmetry of the draws
    found = fit_calibration(logits - [1.0, 0.0, -1.0], true, groups, method="affine")
    assert found.method == "affine"
    assert found.offsets.sum() == pytest.approx(0.0, abs=1e-9)
    # pulled to 0 by some 5 %, and 0.05 of chance
    np.testing.assert_allclose(found.offsets, [1.0, 0.0, -1.0], atol=0.15)


def test_the_scale_is_the_best_of_a_grid_where_smoothing_is_negligible():
    logits, true, groups = posterior_clips(2)
    grid = np.exp(np.linspace(-1, 1, 401))
    loss = loss_of(true, groups)
    best = grid[np.argmin([loss(scale * logits) for scale in grid])]
    # half a wrong answer of more than 1000 for each label moves it by less than 2 %
    assert temperature(logits, true, groups) == pytest.approx(best, rel=0.02)


def test_offsets_are_where_their_pull_and_the_slope_of_the_loss_cancel():
    scores, true, groups = few_clips(shift=1.0)
    scores = scores - [1.5, 0.0, -1.5]
    found = fit_calibration(scores, true, groups, method="affine")
    errors = found.probability(scores) - smoothed_targets(scores, true)
    # all labels, groups and clips are as many here; the search stops where the slope is 1e-5
    np.testing.assert_allclose(errors.mean(axis=0), -RIDGE * found.offsets, atol=1e-4)
    assert (errors * scores).sum(axis=1).mean() == pytest.approx(0.0, abs=1e-4)
    assert np.abs(RIDGE * found.offsets).max() > 1e-3


def test_the_log_loss_is_that_of_the_clips_unsmoothed():
    scores, true, groups = few_clips()
    for method in ("temperature", "affine"):
        found = fit_calibration(scores, true, groups, method=method)
        expected = loss_of(true, groups)(found.scale * scores + found.offsets)
        assert found.log_loss == pytest.approx(expected, rel=1e-9)
    assert (found.n, found.n_groups) == (60, 12)


@pytest.mark.parametrize("method", ["temperature", "affine"])
@pytest.mark.parametrize("factor", [1e-6, 7.0, 1e6])
def test_units_of_scores_do_not_matter(factor, method):
    scores, true, groups = few_clips()
    chances = fit_calibration(scores, true, groups, method=method).probability(scores)
    other = fit_calibration(factor * scores, true, groups, method=method).probability(factor * scores)
    np.testing.assert_allclose(other, chances, atol=FOUND)


def test_a_constant_for_each_clip_does_not_matter():
    scores, true, groups = few_clips()
    moved = scores + np.arange(len(scores))[:, None]
    assert temperature(moved, true, groups) == pytest.approx(temperature(scores, true, groups), rel=FOUND)


def test_temperature_never_changes_the_best_label_and_affine_does():
    logits, true, groups = posterior_clips(3, n=300)
    scores = logits - [2.0, 0.0, -2.0]
    kept = fit_calibration(scores, true, groups, method="temperature").probability(scores)
    moved = fit_calibration(scores, true, groups, method="affine").probability(scores)
    assert (kept.argmax(axis=1) == scores.argmax(axis=1)).all()
    assert (moved.argmax(axis=1) == true).sum() > (scores.argmax(axis=1) == true).sum()


def test_affine_costs_no_more_than_temperature_and_nears_the_least_cllr():
    logits, true, _ = posterior_clips(4, n=3000)
    groups = [str(i) for i in range(len(true))]
    scores = 0.2 * (logits - [1.0, 0.0, -1.0])
    costs = {}
    for method in ("temperature", "affine"):
        found = fit_calibration(scores, true, groups, method=method)
        costs[method] = cllr(found.scale * scores + found.offsets, true)
    least = min_cllr(scores, true)
    assert least <= costs["affine"] < costs["temperature"] < cllr(scores, true)
    # what smoothing and the pull of the offsets cost
    assert costs["affine"] - least < 0.005


def test_calibrated_probabilities_of_fresh_clips_can_be_believed():
    logits, true, groups = posterior_clips(5)
    found = fit_calibration(10 * logits, true, groups)
    fresh, fresh_true, _ = posterior_clips(6)
    # chance alone gives some 0.015 with 4000 clips in 10 bins
    assert reliability_curve(found.probability(10 * fresh), fresh_true).ece < 0.03
    assert reliability_curve(softmax(10 * fresh, axis=1), fresh_true).ece > 0.2


@pytest.mark.parametrize("n_groups", [2, 20])
def test_scores_without_mistakes_do_not_make_certain(n_groups):
    scores, true, groups = few_clips(n_groups=n_groups, shift=50.0)
    assert (scores.argmax(axis=1) == true).all()
    least = fit_calibration(scores, true, groups, method="temperature").probability(scores).max(axis=1).min()
    assert 0.5 < least < 1 - 1e-4


def test_more_clips_without_mistakes_make_surer():
    losses = [fit_calibration(*few_clips(n_groups=n, shift=50.0), method="temperature").log_loss for n in (2, 8, 32)]
    assert losses[0] > losses[1] > losses[2] > 0


def test_scores_that_say_the_opposite_give_equal_chances():
    scores, true, groups = few_clips()
    found = fit_calibration(-scores, true, groups, method="temperature")
    np.testing.assert_allclose(found.probability(-scores), 1 / 3, atol=1e-3)


def test_the_clips_of_a_label_twice_change_next_to_nothing():
    scores, true, groups = few_clips(n_groups=10, shift=1.0)
    extra = np.flatnonzero(true == 0)
    twice = np.concatenate([np.arange(len(true)), np.repeat(extra, 3)])
    again = temperature(scores[twice], true[twice], [groups[i] for i in twice])
    # only the smoothing knows: it is of half an answer in 201, not in 51
    assert again == pytest.approx(temperature(scores, true, groups), rel=0.05)


def test_a_group_of_many_clips_counts_as_one():
    scores, true, groups = few_clips()
    bad = np.flatnonzero(np.array(groups) == "0")
    scores[bad] = scores[bad][:, [1, 0, 2]]
    many = np.concatenate([np.arange(len(true)), np.repeat(bad, 20)])
    own = [f"{groups[i]}-{k}" for k, i in enumerate(many)]
    together = temperature(scores[many], true[many], [groups[i] for i in many])
    apart = temperature(scores[many], true[many], own)
    assert together == pytest.approx(temperature(scores, true, groups), rel=0.1)
    assert apart < 0.7 * together


@pytest.mark.parametrize(
    ("n_groups", "n_each", "method"),
    [(8, 4, "affine"), (7, 5, "temperature"), (9, 3, "temperature"), (10, 3, "affine")],
)
def test_auto_is_affine_where_every_label_has_30_clips_and_8_groups(n_groups, n_each, method):
    scores, true, groups = few_clips(n_groups=n_groups, n_each=n_each)
    assert fit_calibration(scores, true, groups).method == method


def test_auto_is_no_affine_where_a_label_has_no_clips():
    scores, true, groups = few_clips(n_groups=10)
    scores = np.column_stack([scores, scores.min(axis=1)])
    assert fit_calibration(scores, true, groups).method == "temperature"


@pytest.mark.parametrize("method", ["platt", ""])
def test_an_unknown_method_is_refused(method):
    with pytest.raises(SettingError, match="expected one of auto, temperature, affine"):
        fit_calibration(*few_clips(), method=method)


def test_no_clips_are_refused():
    with pytest.raises(SettingError, match="with 0 clips"):
        fit_calibration(np.empty((0, 3)), np.empty(0, dtype=np.intp), [])


# --- members ------------------------------------------------------------------------------------------------------


def test_a_member_in_other_units_has_another_weight_and_the_same_say():
    scores, true, groups = few_clips()
    one, other = equal_mean(np.stack([scores, 100 * scores]), true, groups)
    assert one == pytest.approx(100 * other, rel=FOUND)
    assert one == pytest.approx(temperature(scores, true, groups) / 2, rel=FOUND)


def test_a_member_that_says_nothing_has_next_to_no_weight():
    logits, true, groups = posterior_clips(7, n=1500)
    noise = np.random.default_rng(8).normal(size=logits.shape)
    useful, useless = trained_weights(np.stack([logits, noise]), true, groups)
    assert useful == pytest.approx(1.0, rel=0.15)
    # the standard error of a weight of noise from 1500 clips is about 0.04
    assert 0 <= useless < 0.12


def test_no_weight_is_negative_even_where_that_would_be_best():
    scores, true, groups = few_clips()
    noise = np.random.default_rng(9).normal(size=scores.shape)
    # the second member less the first's noise is what one would want
    good, bad = trained_weights(np.stack([scores + 2 * noise, noise]), true, groups)
    # the search stops next to the bound
    assert 0 <= bad < 1e-6 * good


def test_trained_weights_are_the_best_of_a_grid():
    logits, true, groups = posterior_clips(10, n=1500)
    rng = np.random.default_rng(11)
    members = np.stack([logits + rng.normal(size=logits.shape), 5 * (logits + 2 * rng.normal(size=logits.shape))])
    found = trained_weights(members, true, groups)
    loss = loss_of(true, groups)
    fused = loss(np.tensordot(found, members, axes=1))
    grid = [(a, b / 5) for a in np.linspace(0, 1.5, 31) for b in np.linspace(0, 1.5, 31)]
    best = min(loss(np.tensordot(point, members, axes=1)) for point in grid)
    # the search is off the grid but for a smoothed loss
    assert best - 1e-3 < fused < best + 1e-3
    alone = min(loss(temperature(m, true, groups) * m) for m in members)
    assert fused < alone - 0.01


# --- statistics and open-set threshold ----------------------------------------------------------------------------


def test_statistics_by_hand():
    found = score_statistics(
        np.array([[1.0, 4.0, 2.0], [3.0, 3.0, 0.0]]), np.array([[0.1, 0.7, 0.2], [0.45, 0.45, 0.1]])
    )
    assert {name: values.tolist() for name, values in found.items()} == {
        "score": [4.0, 3.0],
        "margin": [2.0, 0.0],
        "probability": [0.7, 0.45],
    }
    assert set(score_statistics(np.zeros((1, 2)), None)) == {"score", "margin"}


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_auroc_is_that_of_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    known, unknown = rng.normal(1, 1, 40).round(decimals), rng.normal(0, 2, 70).round(decimals)
    expected = roc_auc_score(np.repeat([1, 0], [40, 70]), np.concatenate([known, unknown]))
    assert auroc(known, unknown) == pytest.approx(expected, rel=1e-12)
    assert auroc(unknown, known) == pytest.approx(1 - expected, rel=1e-12)


def test_auroc_at_its_ends():
    assert auroc(np.array([2.0, INF]), np.array([-INF, 1.0])) == 1.0
    assert auroc(np.ones(3), np.ones(5)) == 0.5
    assert np.isnan(auroc(np.ones(3), np.empty(0)))
    assert np.isnan(auroc(np.empty(0), np.ones(3)))


def values(mean, n, seed, name="margin"):
    return {name: np.random.default_rng(seed).normal(mean, 1, n)}


def test_the_statistic_that_tells_best_is_taken():
    known = values(3, 50, 0, "score") | values(3, 50, 1, "margin")
    rounds = [(known, values(2, 50, 2, "score") | values(0, 50, 3, "margin"))]
    assert fit_open_set_threshold(known, rounds).statistic == "margin"
    rounds = [(known, values(0, 50, 2, "score") | values(2, 50, 3, "margin"))]
    assert fit_open_set_threshold(known, rounds).statistic == "score"


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_no_more_than_the_share_of_known_clips_is_rejected(share):
    known = values(3, 57, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 57, 1))], false_rejection=share)
    assert found.threshold is not None
    assert share - 2 / 57 <= (known["margin"] < found.threshold).mean() <= share
    assert found.false_rejection == share


def test_fresh_known_clips_are_rejected_as_often_as_was_said():
    known = values(3, 2000, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 100, 1))], false_rejection=0.1)
    fresh = values(3, 20000, 2)["margin"]
    # three standard errors of a quantile of 2000: 0.02
    assert (fresh < found.threshold).mean() == pytest.approx(0.1, abs=0.02)


def test_equal_values_are_not_rejected():
    known = {"margin": np.repeat([1.0, 2.0], 20)}
    found = fit_open_set_threshold(known, [(known, {"margin": np.zeros(20)})], false_rejection=0.3)
    assert found.threshold == 1.0


def test_every_label_left_out_counts_the_same():
    known = values(0, 200, 0)
    far, near = values(-9, 10, 1), values(0, 300, 2)
    expected = np.mean([auroc(known["margin"], unknown["margin"]) for unknown in (far, near)])
    found = fit_open_set_threshold(known, [(known, far), (known, near)])
    assert found.auroc == pytest.approx(expected)
    assert found.threshold is not None
    assert (found.n_known, found.n_unknown) == (200, 310)


def test_it_is_off_where_known_and_unknown_look_alike():
    known = values(0, 100, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 100, 1))])
    assert found.threshold is None
    assert found.auroc == pytest.approx(0.5, abs=0.1)
    assert found.reason.startswith("off: each of 1 labels left out in turn, AUROC 0.")
    assert found.reason.endswith("more than 0.6 is needed")


@pytest.mark.parametrize(("n_known", "n_unknown"), [(9, 50), (50, 9), (0, 50), (50, 0)])
def test_it_is_off_where_clips_are_few(n_known, n_unknown):
    known, unknown = values(9, n_known, 0), values(0, n_unknown, 1)
    found = fit_open_set_threshold(known, [(known, unknown)])
    assert (found.threshold, found.auroc, found.n_known, found.n_unknown) == (None, None, n_known, n_unknown)
    assert found.reason.startswith("off: too few")
    assert fit_open_set_threshold(known, []).threshold is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_its_bounds_is_refused(share):
    with pytest.raises(SettingError, match="expected above 0 and below 1"):
        fit_open_set_threshold(values(0, 50, 0), [], false_rejection=share)


def test_an_unknown_statistic_is_refused():
    with pytest.raises(SettingError, match="statistic is 'entropy'; expected one of score, margin, probability"):
        OpenSetThreshold("entropy", None, 0.05, None, 0, 0, "")


@pytest.mark.parametrize(
    ("statistic", "below", "above", "why"),
    [
        ("score", 4.5, 3.5, "far from every class"),
        ("margin", 3.5, 2.5, "margin between the best two too small"),
        ("probability", 0.9, 0.7, "no class is likely enough"),
    ],
)
def test_a_clip_is_unknown_below_the_threshold(statistic, below, above, why):
    scores, chances = np.array([1.0, 4.0]), np.array([0.2, 0.8])

    def told(threshold, probability=chances):
        return OpenSetThreshold(statistic, threshold, 0.05, 0.9, 50, 50, "").explain(scores, probability)

    assert told(below) == why
    assert told(above) is None
    assert told({"score": 4.0, "margin": 3.0, "probability": 0.8}[statistic]) is None
    assert told(None) is None


def test_without_probabilities_none_is_too_low():
    assert OpenSetThreshold("probability", 0.9, 0.05, 0.9, 50, 50, "").explain(np.array([1.0, 4.0]), None) is None
    assert OpenSetThreshold("margin", 9.0, 0.05, 0.9, 50, 50, "").explain(np.array([1.0, 4.0]), None) is not None


# --- what the calibration must stand ------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [30.0, 3000.0])
def test_a_label_far_off_does_not_set_the_scale(gap):
    scores, true, groups = few_clips(n_each=1)
    far = np.column_stack([scores, np.full(len(scores), scores.min() - gap)])
    assert temperature(far, true, groups) == pytest.approx(temperature(scores, true, groups), rel=1e-3)


@pytest.mark.parametrize("factor", [1e-200, 1e200, 1e300])
def test_extreme_units_do_not_matter(factor):
    scores, true, groups = few_clips()
    expected = temperature(scores, true, groups)
    assert temperature(factor * scores, true, groups) * factor == pytest.approx(expected, rel=FOUND)


def test_products_of_great_scores_need_be_no_numbers():
    assert Calibration(1e10, np.zeros(3)).probability(np.array([1e308, 1e308, -1e308])).tolist() == [0.5, 0.5, 0.0]


def test_scores_that_never_differ_have_a_scale_of_one_and_no_weight():
    scores, true, groups = few_clips()
    same = np.zeros(scores.shape)
    assert temperature(same, true, groups) == 1.0
    for weights in (equal_mean, trained_weights):
        useful, useless = weights(np.stack([scores, same]), true, groups)
        assert useful > 0.1
        assert useless == 0
    assert equal_mean(np.stack([same, same]), true, groups) == (0.5, 0.5)


def test_clips_whose_true_label_was_no_candidate_are_left_out():
    scores, true, groups = few_clips()
    barred = scores.copy()
    barred[0, true[0]] = -INF
    found = fit_calibration(barred, true, groups)
    assert found.n == len(scores) - 1
    assert found.scale == pytest.approx(fit_calibration(scores[1:], true[1:], groups[1:]).scale, rel=FOUND)


def test_a_candidate_that_only_one_member_lacks_does_not_break_the_weights():
    scores, true, groups = few_clips()
    barred = scores.copy()
    barred[0, (true[0] + 1) % 3] = -INF
    one, other = trained_weights(np.stack([scores, barred]), true, groups)
    assert one == pytest.approx(other, rel=0.01)


def test_affine_needs_clips_of_every_label():
    scores, true, groups = few_clips()
    kept = true < 2
    with pytest.raises(SettingError, match="a label has no clips to learn its offset from"):
        fit_calibration(scores[kept], true[kept], [g for g, k in zip(groups, kept, strict=True) if k], method="affine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t, g: (np.where(s == s[3, 0], np.nan, s), t, g), "row 3 of the scores has NaN"),
        (lambda s, t, g: (np.where(s == s[3, 0], INF, s), t, g), r"row 3 of the log-likelihoods has \+inf"),
        (lambda s, t, g: (s, t + 1, g), "true label 3 is no column of the scores"),
        (lambda s, t, g: (s, t, g[1:]), "59 groups for 60 clips"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    with pytest.raises(SettingError, match=message):
        fit_calibration(*change(*few_clips()))


@pytest.mark.parametrize("priors", [[-1.0, 2.0], [np.nan, 1.0], [1.0], [INF, 1.0]])
def test_priors_that_are_none_are_refused(priors):
    with pytest.raises(SettingError, match="expected 2 numbers, 0 or more"):
        Calibration(1.0, np.zeros(2)).probability(np.zeros(2), np.array(priors))


def test_a_prior_of_zero_on_the_only_candidate_is_refused():
    with pytest.raises(SettingError, match="nothing that is possible"):
        Calibration(1.0, np.zeros(2)).probability(np.array([0.0, -INF]), np.array([0.0, 1.0]))


def test_scores_of_another_number_of_labels_are_refused():
    with pytest.raises(SettingError, match="expected 2 for each clip"):
        Calibration(1.0, np.zeros(2)).probability(np.zeros((4, 1)))


@pytest.mark.parametrize("bad", [None, {}, {"scale": "loud", "offsets": [0.0], "n": 1, "n_groups": 1, "log_loss": 0.0}])
def test_nonsense_is_no_calibration(bad):
    with pytest.raises(SettingError, match="no calibration"):
        Calibration.from_dict(bad)


@pytest.mark.parametrize("n", [19, 20, 60])
def test_the_share_holds_for_fresh_clips_of_few_known_ones(n):
    rng = np.random.default_rng(n)
    missed = []
    for _ in range(2000):
        known = {"margin": rng.random(n)}
        # of a uniform variable the chance to be below the threshold is the threshold
        missed.append(fit_open_set_threshold(known, [(known, {"margin": np.full(20, -1.0)})]).threshold)
    # three standard errors of 2000 draws: 0.004
    assert np.mean(missed) == pytest.approx(np.floor(0.05 * (n + 1)) / (n + 1), abs=0.004)


def test_too_few_known_clips_for_the_share_turn_it_off():
    known = values(9, 18, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 50, 1))])
    assert found.threshold is None
    assert found.reason.endswith("but the 18 known clips give no threshold for 5 % of them")
    assert fit_open_set_threshold(known, [(known, values(0, 50, 1))], false_rejection=0.06).threshold is not None


def test_an_infinite_threshold_turns_it_off_and_nan_is_refused():
    known = {"margin": np.full(30, INF)}
    assert fit_open_set_threshold(known, [(known, {"margin": np.zeros(30)})]).threshold is None
    with pytest.raises(SettingError, match="NaN"):
        fit_open_set_threshold({"margin": np.full(30, np.nan)}, [(values(3, 30, 0), values(0, 30, 1))])
    with pytest.raises(SettingError, match="expected a number, or None"):
        OpenSetThreshold("margin", INF, 0.05, 0.9, 50, 50, "")


def test_labels_that_were_no_candidate_do_not_count():
    scores, true, groups = few_clips(n_labels=2)
    barred = np.column_stack([scores, np.full(len(scores), -INF)])
    assert temperature(barred, true, groups) == pytest.approx(temperature(scores, true, groups), rel=FOUND)
