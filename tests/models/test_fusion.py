"""The weights of heads: equal say, best of a grid, never negative."""

import numpy as np
import pytest

from gmmaudio.models.fusion import equal_mean, trained_weights
from tests.models.conftest import FOUND, INF, few_clips, loss_of, posterior_clips, simulated, temperature


def test_a_head_in_other_units_has_another_weight_and_the_same_say():
    scores, true, groups = few_clips()
    one, other = equal_mean(np.stack([scores, 100 * scores]), true, groups)
    assert one == pytest.approx(100 * other, rel=FOUND)
    assert one == pytest.approx(temperature(scores, true, groups) / 2, rel=FOUND)


def test_a_head_of_noise_has_next_to_no_weight():
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


def test_scores_that_never_differ_have_a_scale_of_one_and_no_weight():
    scores, true, groups = few_clips()
    same = np.zeros(scores.shape)
    assert temperature(same, true, groups) == 1.0
    for weights in (equal_mean, trained_weights):
        useful, useless = weights(np.stack([scores, same]), true, groups)
        assert useful > 0.1
        assert useless == 0
    assert equal_mean(np.stack([same, same]), true, groups) == (0.5, 0.5)


def test_a_candidate_that_only_one_head_lacks_does_not_break_the_weights():
    scores, true, groups = few_clips()
    barred = scores.copy()
    barred[0, (true[0] + 1) % 3] = -INF
    one, other = trained_weights(np.stack([scores, barred]), true, groups)
    assert one == pytest.approx(other, rel=0.01)


def test_a_useless_head_has_little_weight():
    good, codes, groups = simulated(1.0)
    useless = np.random.default_rng(9).normal(size=good.shape)
    a, b = trained_weights(np.stack([good, useless]), codes, groups)
    assert abs(b) < 0.2 * a
    a, b = equal_mean(np.stack([good, 5 * good]), codes, groups)
    assert a == pytest.approx(5 * b, rel=1e-3)
