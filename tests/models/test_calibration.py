"""Calibration: known scales, Bayes' rule by hand, brute force."""

import json
import tracemalloc

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import cllr, min_cllr, reliability_curve
from gmmaudio.models import (
    Calibration,
    fit_calibration,
)
from gmmaudio.models.calibration import RIDGE, clip_weights, cross_entropy, shifted_scores, smoothed_targets
from tests.models.conftest import FOUND, INF, few_clips, loss_of, posterior_clips, simulated, temperature


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
    with pytest.raises(SettingError, match=r"scale is .*; expected a (finite )?number"):
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


def test_labels_and_groups_weigh_the_same():
    codes, groups = np.array([0, 0, 0, 0, 1, 1, 1]), ["a", "a", "a", "b", "b", "b", "c"]
    found = clip_weights(codes, groups)
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found, [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 8, 1 / 8, 1 / 4])


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


def test_inverted_scores_give_equal_probabilities():
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


def test_clips_whose_true_label_was_no_candidate_are_left_out():
    scores, true, groups = few_clips()
    barred = scores.copy()
    barred[0, true[0]] = -INF
    found = fit_calibration(barred, true, groups)
    assert found.n == len(scores) - 1
    assert found.scale == pytest.approx(fit_calibration(scores[1:], true[1:], groups[1:]).scale, rel=FOUND)


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
    with pytest.raises(SettingError, match=r"calibration (is|has)|calibration.scale is 'loud'"):
        Calibration.from_dict(bad)


def test_labels_that_were_no_candidate_do_not_count():
    scores, true, groups = few_clips(n_labels=2)
    barred = np.column_stack([scores, np.full(len(scores), -INF)])
    assert temperature(barred, true, groups) == pytest.approx(temperature(scores, true, groups), rel=FOUND)


@pytest.mark.parametrize("scale", [0.02, 1.0, 300.0])
def test_the_scale_that_made_the_labels_is_found(scale):
    found = fit_calibration(*simulated(scale), method="temperature")
    # 600 clips tell a scale to about a tenth
    assert found.scale == pytest.approx(scale, rel=0.2)


def test_probabilities_do_not_depend_on_the_unit_of_scores():
    scores, codes, groups = simulated(1.0)
    one = fit_calibration(scores, codes, groups).probability(scores)
    # the search stops at a millionth of the logarithm
    other = fit_calibration(1e4 * scores + 7, codes, groups).probability(1e4 * scores + 7)
    np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(one.sum(axis=1), 1.0)


def test_scores_without_a_mistake_do_not_make_certainty():
    scores = np.kron(np.eye(3), np.ones((4, 1)))
    found = fit_calibration(scores, np.repeat(np.arange(3), 4), [str(i) for i in range(12)])
    assert 0.8 < found.probability(np.array([1.0, 0.0, 0.0]))[0] < 0.95


def test_offsets_are_learned_only_where_there_is_enough():
    scores, codes, _ = simulated(1.0, n=400)
    many, few = [str(i) for i in range(400)], [str(i % 7) for i in range(400)]
    assert fit_calibration(scores + np.array([2.0, 0, 0, 0]), codes, many).method == "affine"
    assert fit_calibration(scores, codes, few).method == "temperature"
    found = fit_calibration(scores + np.array([2.0, 0, 0, 0]), codes, many)
    # what was added is taken out, within the noise of 400 clips
    assert found.offsets[0] - found.offsets[1:].mean() == pytest.approx(-2.0 * found.scale, abs=0.6)


def test_priors_are_bayes_rule():
    found = Calibration(2.0, np.zeros(2))
    scores, priors = np.array([0.3, 0.1]), np.array([0.2, 0.8])
    joint = np.exp(2 * scores) * priors
    np.testing.assert_allclose(found.probability(scores, priors), joint / joint.sum())


def test_every_group_weighs_the_same():
    scores, codes, _ = simulated(1.0, n=200)
    groups = [f"{c}-{i % 5}" for i, c in enumerate(codes)]
    twice = [i for i, g in enumerate(groups) for _ in range(3 if g.endswith("-0") else 1)]
    one = fit_calibration(scores, codes, groups, method="temperature")
    other = fit_calibration(scores[twice], codes[twice], [groups[i] for i in twice], method="temperature")
    # the smoothing of targets counts clips
    assert one.scale == pytest.approx(other.scale, rel=0.02)
    assert clip_weights(codes, groups).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(10))
def test_the_temperature_is_where_scipys_search_finds_the_lowest_loss(seed):
    rng = np.random.default_rng(seed)
    n, n_labels = int(rng.integers(4, 200)), int(rng.integers(2, 12))
    true = rng.integers(0, n_labels, n)
    scores = rng.normal(size=(n, n_labels)) * 10.0 ** rng.integers(-3, 4)
    scores[np.arange(n), true] += rng.uniform(0, 3) * scores.std()
    # labels that a fold has not
    scores[rng.random(n) < 0.2, 0] = -np.inf
    scores[true == 0, 0] = 0.0
    groups = [str(i) for i in rng.integers(0, 9, n)]
    found = fit_calibration(scores, true, groups, method="temperature")
    targets, weights = smoothed_targets(scores, true), clip_weights(true, groups)

    def loss(log_scale):
        return cross_entropy(shifted_scores(scores) * np.exp(log_scale), targets, weights)

    near = np.log(found.scale)
    expected = minimize_scalar(loss, bounds=(near - 2, near + 2), method="bounded", options={"xatol": 1e-8})
    # a minimum is found by its value to the root of its rounding
    assert near == pytest.approx(expected.x, abs=1e-5)
    assert loss(near) <= expected.fun + 1e-12


@pytest.mark.parametrize("method", ["temperature", "affine"])
@pytest.mark.parametrize("block", [1, 100])
def test_blocks_of_clips_change_nothing(method, block, monkeypatch):
    scores, codes, groups = simulated(0.7, n=90)
    scores[::9, 1] = -np.inf
    whole = fit_calibration(scores, codes, groups, method=method)
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", block)
    found = fit_calibration(scores, codes, groups, method=method)
    # the losses of clips are the same bits, the gradients of an affine calibration sums in another order
    assert found.scale == pytest.approx(whole.scale, rel=0.0 if method == "temperature" else 1e-6)
    np.testing.assert_allclose(found.offsets, whole.offsets, atol=1e-5)
    assert found.log_loss == pytest.approx(whole.log_loss, rel=1e-6)


@pytest.mark.parametrize("method", ["temperature", "affine"])
def test_a_calibration_takes_the_memory_of_a_few_tables_of_scores(method, monkeypatch):
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", 2**12)
    rng = np.random.default_rng(0)
    scores, codes = rng.normal(size=(5000, 40)), rng.integers(40, size=5000)
    groups = [str(i // 5) for i in range(5000)]
    fit_calibration(scores[:500], codes[:500], groups[:500], method=method)
    tracemalloc.start()
    fit_calibration(scores, codes, groups, method=method)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # gaps and targets, and a copy to find their median; it was seven
    assert most < 3.7 * scores.nbytes


def test_probabilities_of_blocks_of_clips_are_those_of_all(monkeypatch):
    scores, _, _ = simulated(1.0, n=50)
    scores[::7, 2] = -np.inf
    calibration = Calibration(1.5, np.array([0.5, -0.5, 0.0, 0.0]))
    whole = calibration.probability(scores, np.array([0.4, 0.3, 0.2, 0.1]))
    monkeypatch.setattr("gmmaudio.evaluation.detection.BLOCK_NUMBERS", 12)
    np.testing.assert_array_equal(calibration.probability(scores, np.array([0.4, 0.3, 0.2, 0.1])), whole)
    assert calibration.probability(scores[:0]).shape == (0, 4)
    scores[47] = np.nan
    with pytest.raises(SettingError, match="NaN"):
        calibration.probability(scores)
