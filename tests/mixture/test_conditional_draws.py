"""Draws of missing values: against formulas, by the distributions that they must keep, and for hard rows."""

import numpy as np
import pytest
from scipy import stats

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm
from gmmaudio.mixture.conditional_draws import draw_missing
from tests.mixture.conftest import blobs


@pytest.fixture
def two():
    """A mixture of two components that overlap, of full covariances."""
    return GaussianMixture(
        [0.3, 0.7],
        [[-1.0, 5.0, 0.0], [1.0, 8.0, -2.0]],
        [
            [[1.0, 0.5, 0.2], [0.5, 2.0, -0.3], [0.2, -0.3, 0.5]],
            [[0.5, -0.4, 0.0], [-0.4, 1.0, 0.1], [0.0, 0.1, 2.0]],
        ],
        "full",
    )


def test_draws_of_one_gaussian_have_the_mean_and_covariance_of_the_formula():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    covariance, mean = root @ root.T + np.eye(4), rng.normal(size=4)
    x = np.array([np.nan, 1.5, np.nan, -2.0])
    drawn = draw_missing(GaussianMixture([1.0], mean[None], covariance[None], "full"), np.tile(x, (40_000, 1)), rng)
    o, h = [1, 3], [0, 2]
    slope = covariance[np.ix_(h, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
    expected = mean[h] + slope @ (x[o] - mean[o])
    residual = covariance[np.ix_(h, h)] - slope @ covariance[np.ix_(o, h)]
    np.testing.assert_array_equal(drawn[:, o], np.tile(x[o], (40_000, 1)))
    # four standard errors
    np.testing.assert_allclose(drawn[:, h].mean(axis=0), expected, atol=4 * np.sqrt(residual.max() / 40_000))
    np.testing.assert_allclose(np.cov(drawn[:, h].T), residual, atol=4 * residual.max() * np.sqrt(2 / 40_000))


def test_draws_follow_the_conditional_distribution_of_a_mixture(two):
    x = np.array([0.2, np.nan, np.nan])
    drawn = draw_missing(two, np.tile(x, (20_000, 1)), np.random.default_rng(1))
    # the density of the second column given the first, by hand
    variance, cross = two.covariances[:, 0, 0], two.covariances[:, 0, 1]
    share = two.weights * stats.norm.pdf(x[0], two.means[:, 0], np.sqrt(variance))
    share /= share.sum()
    mean = two.means[:, 1] + cross / variance * (x[0] - two.means[:, 0])
    deviation = np.sqrt(two.covariances[:, 1, 1] - cross**2 / variance)
    test = stats.kstest(drawn[:, 1], lambda y: stats.norm.cdf(y[:, None], mean, deviation) @ share)
    assert test.pvalue > 0.01


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_rows_of_a_mixture_that_lose_values_and_get_others_are_rows_of_the_mixture(covariance_type):
    mixture = fit_gmm(blobs(), 3, covariance_type=covariance_type)[0]
    rng = np.random.default_rng(2)
    whole, X = mixture.sample(4000, rng), mixture.sample(4000, rng)
    X[rng.random(X.shape) < 0.4] = np.nan
    drawn = draw_missing(mixture, X, rng)
    for direction in [*np.eye(X.shape[1]), np.ones(X.shape[1])]:
        assert stats.ks_2samp(whole @ direction, drawn @ direction).pvalue > 0.01


def test_the_mean_of_draws_is_what_impute_gives(two):
    X = two.sample(6, np.random.default_rng(3))
    X[[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]] = np.nan
    X[4] = np.nan
    copies = draw_missing(two, np.tile(X, (4000, 1)), np.random.default_rng(4))
    drawn = copies.reshape(4000, *X.shape).mean(axis=0)
    # four standard errors of the widest column
    np.testing.assert_allclose(drawn, two.impute(X), atol=4 * 1.9 / np.sqrt(4000))


def test_draws_do_not_depend_on_units(two):
    X = two.sample(50, np.random.default_rng(5))
    X[::2, 1] = np.nan
    scale, shift = np.array([1e-6, 1e6, 3.0]), np.array([1e3, -1e8, 0.0])
    other = two.transform(-shift / scale, 1 / scale)
    drawn = draw_missing(two, X, np.random.default_rng(6))
    again = (draw_missing(other, X * scale + shift, np.random.default_rng(6)) - shift) / scale
    # whitening cancels digits of numbers far from 0
    np.testing.assert_allclose(again, drawn, rtol=1e-6, atol=1e-6)


def test_a_row_does_not_depend_on_what_others_lack(two):
    X = two.sample(30, np.random.default_rng(7))
    X[3, 0] = np.nan
    lacking = X.copy()
    lacking[10:, 2] = np.nan
    one, other = (draw_missing(two, rows, np.random.default_rng(8)) for rows in (X, lacking))
    np.testing.assert_allclose(one[3], other[3], rtol=1e-12)
    np.testing.assert_array_equal(draw_missing(two, lacking, np.random.default_rng(8)), other)
    assert not np.array_equal(draw_missing(two, lacking, np.random.default_rng(9)), other)


def test_nothing_is_drawn_where_nothing_is_missing(two):
    X = two.sample(5, np.random.default_rng(0))
    np.testing.assert_array_equal(draw_missing(two, X), X)
    assert draw_missing(two, np.empty((0, 3))).shape == (0, 3)


def test_a_component_without_weight_is_never_drawn():
    mixture = GaussianMixture([0.0, 1.0, 0.0], [[-100.0], [0.0], [100.0]], [[1.0]] * 3)
    assert np.abs(draw_missing(mixture, np.full((1000, 1), np.nan))).max() < 10


def test_a_nearly_singular_covariance_draws_on_its_line():
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 1.0 - 1e-12], [1.0 - 1e-12, 1.0]]], "full")
    drawn = draw_missing(mixture, [[3.0, np.nan], [-2.0, np.nan]])
    np.testing.assert_allclose(drawn[:, 1], [3.0, -2.0], atol=1e-4)


def test_wrong_arguments(two):
    with pytest.raises(MixtureError, match="rows have 1 features; the mixture was made for 3"):
        draw_missing(two, [[1.0]])
    with pytest.raises(MixtureError, match="row 0, column 0 is inf"):
        draw_missing(two, [[np.inf, 0.0, np.nan]])
    with pytest.raises(SettingError, match=r"rng is 5; expected a numpy.random.Generator"):
        draw_missing(two, [[0.0, 0.0, np.nan]], 5)
