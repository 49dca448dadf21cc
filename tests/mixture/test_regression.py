"""Marginals, conditionals and Gaussian mixture regression, against integrals, scipy and draws."""

import re

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import multivariate_normal

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm, select_gmm
from gmmaudio.mixture.conditional_draws import draw_missing
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_density

LINE = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
FOUR = random_mixture("full", n_features=4)


def scipy_conditional(mixture, given, values):
    """Return the weights, means and covariances of the other columns by the textbook's inverse."""
    others = np.setdiff1d(np.arange(mixture.n_features), given)
    weights, means, covariances = [], [], []
    for w, m, c in zip(mixture.weights, mixture.means, matrices_of(mixture), strict=True):
        inverse = np.linalg.inv(c[np.ix_(given, given)])
        slope = c[np.ix_(others, given)] @ inverse
        weights.append(w * multivariate_normal(m[given], c[np.ix_(given, given)]).pdf(values))
        means.append(m[others] + slope @ (values - m[given]))
        covariances.append(c[np.ix_(others, others)] - slope @ c[np.ix_(given, others)])
    return np.array(weights) / sum(weights), np.array(means), np.array(covariances)


# --- marginals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_marginal_is_the_density_of_rows_whose_other_values_are_missing(covariance_type):
    mixture = random_mixture(covariance_type, n_features=4)
    rows = mixture.sample(50, np.random.default_rng(0))
    partial = np.full_like(rows, np.nan)
    partial[:, [3, 1]] = rows[:, [3, 1]]
    marginal = mixture.marginal([3, 1])
    assert (marginal.covariance_type, marginal.n_features) == (covariance_type, 2)
    # float64 rounding through a few products on either side
    np.testing.assert_allclose(marginal.log_density(rows[:, [3, 1]]), mixture.log_density(partial), rtol=1e-9)
    np.testing.assert_allclose(marginal.log_density(rows[:, [3, 1]]), scipy_log_density(marginal, rows[:, [3, 1]]))


def test_a_marginal_is_the_integral_of_the_density():
    mixture = random_mixture("full", n_features=2)
    grid = np.linspace(-40, 40, 8001) + mixture.means[:, 1].mean()
    for x in (mixture.means[0, 0], mixture.means[1, 0] + 0.5):
        density = np.exp(mixture.log_density(np.column_stack([np.full_like(grid, x), grid])))
        # the trapezoidal rule on a smooth function that vanishes at the ends
        assert trapezoid(density, grid) == pytest.approx(np.exp(mixture.marginal([0]).log_density([[x]])[0]), rel=1e-8)


# --- conditionals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [[0], [2, 0], [3, 1, 0]])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_conditional_is_that_of_the_textbook(covariance_type, given):
    mixture = random_mixture(covariance_type, n_features=4)
    values = mixture.means[1, given] + 0.3
    conditional = mixture.condition(given, values)
    weights, means, covariances = scipy_conditional(mixture, np.array(given), values)
    assert conditional.covariance_type == covariance_type
    # an inverse loses as many digits as the condition number has
    np.testing.assert_allclose(conditional.weights, weights, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(conditional.means, means, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(matrices_of(conditional), covariances, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_conditional_is_the_joint_density_over_its_integral(covariance_type):
    mixture = random_mixture(covariance_type, n_features=2)
    x = mixture.means[0, 0] + 0.4
    grid = np.linspace(-60, 60, 24001) + mixture.means[:, 1].mean()
    joint = np.exp(mixture.log_density(np.column_stack([np.full_like(grid, x), grid])))
    by_force = joint / trapezoid(joint, grid)
    conditional = mixture.condition([0], [x])
    # the trapezoidal rule on a smooth function that vanishes at the ends
    np.testing.assert_allclose(np.exp(conditional.log_density(grid[:, None])), by_force, rtol=1e-6, atol=1e-12)
    mean = trapezoid(grid * by_force, grid)
    variance = trapezoid((grid - mean) ** 2 * by_force, grid)
    means, covariances = mixture.predict([[x]], [0], return_covariances=True)
    assert means[0, 0] == pytest.approx(mean, rel=1e-7)
    assert covariances[0, 0, 0] == pytest.approx(variance, rel=1e-7)


def test_conditionals_multiply_back_to_the_joint_density():
    row = FOUR.sample(1, np.random.default_rng(3))[0]
    chain = FOUR.marginal([2]).log_density([[row[2]]]) + FOUR.condition([2], [row[2]]).log_density(row[None, [0, 1, 3]])
    np.testing.assert_allclose(chain, FOUR.log_density(row[None]), rtol=1e-9)


def test_a_value_that_is_missing_is_neither_given_nor_left():
    values = FOUR.means[0, [3, 1]]
    one = FOUR.marginal([0, 2, 3]).condition([2], values[:1])
    for missing in ([values[0], np.nan], np.ma.masked_array(values, [False, True])):
        other = FOUR.condition([3, 1], missing)
        assert other.n_features == 2
        np.testing.assert_allclose(other.means, one.means, rtol=1e-9)
        np.testing.assert_allclose(other.covariances, one.covariances, rtol=1e-9)


def test_without_any_value_the_conditional_is_the_marginal():
    conditional, marginal = FOUR.condition([1], [np.nan]), FOUR.marginal([0, 2, 3])
    np.testing.assert_allclose(conditional.weights, marginal.weights, rtol=1e-12)
    np.testing.assert_allclose(conditional.covariances, marginal.covariances, rtol=1e-9)


def test_large_offsets_and_unlike_units_cost_no_digits():
    scale, centre = np.array([1e-6, 1.0, 1e6, 1e3]), np.array([1e2, -1e6, 1e9, 0.0])
    moved = FOUR.transform(-centre / scale, 1 / scale)
    values = FOUR.means[2, [0, 3]] + 0.1
    plain = FOUR.condition([0, 3], values)
    far = moved.condition([0, 3], values * scale[[0, 3]] + centre[[0, 3]])
    # the values themselves have lost digits: 1e2 beside a spread of 1e-6 leaves eight
    np.testing.assert_allclose((far.means - centre[[1, 2]]) / scale[[1, 2]], plain.means, rtol=1e-5)
    np.testing.assert_allclose(far.covariances, plain.covariances * np.outer(scale[[1, 2]], scale[[1, 2]]), rtol=1e-6)


def test_values_far_from_all_components_belong_to_the_widest():
    mixture = GaussianMixture([0.5, 0.5], [[0.0, 1.0], [0.0, 2.0]], [[1.0, 1.0], [4.0, 1.0]])
    np.testing.assert_allclose(mixture.condition([0], [1e4]).weights, [0.0, 1.0], atol=1e-200)


# --- regression ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_predictions_are_moments_of_the_conditionals_row_by_row(covariance_type):
    mixture = random_mixture(covariance_type, n_features=4)
    rows = mixture.sample(600, np.random.default_rng(0))[:, [2, 0]]
    rows[5, 0] = rows[7, 1] = np.nan
    means, covariances = mixture.predict(rows, [2, 0], return_covariances=True)
    assert (means.shape, covariances.shape) == ((600, 2), (600, 2, 2))
    np.testing.assert_array_equal(mixture.predict(rows, [2, 0]), means)
    for i in (0, 5, 7, 599):
        given = [feature for feature, value in zip([2, 0], rows[i], strict=True) if np.isfinite(value)]
        others = np.setdiff1d(np.arange(4), given)
        w, m, c = scipy_conditional(mixture, np.array(given), rows[i][np.isfinite(rows[i])])
        mean = w @ m
        spread = np.einsum("k,kij->ij", w, c) + np.einsum("k,ki,kj->ij", w, m - mean, m - mean)
        kept = np.flatnonzero(np.isin(others, [1, 3]))
        np.testing.assert_allclose(means[i], mean[kept], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(covariances[i], spread[np.ix_(kept, kept)], rtol=1e-7, atol=1e-9)


def test_one_component_is_linear_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X @ [2.0, -1.0] + 3.0 + rng.normal(size=200)
    mixture, _ = fit_gmm(np.column_stack([X, y]), 1, covariance_type="full")
    design = np.column_stack([np.ones(200), X])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(mixture.predict(X, [0, 1])[:, 0], design @ coefficients, rtol=1e-7, atol=1e-9)


def test_masked_values_of_rows_are_missing():
    rows = np.ma.masked_array([[1.0, 2.0]], [[False, True]])
    np.testing.assert_array_equal(FOUR.predict(rows, [0, 1]), FOUR.predict([[1.0, np.nan]], [0, 1]))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([0, 0], "`features` is [0, 0]; expected different indices of columns, 0 to 3"),
        ([4], "`features` is [4]; expected different indices of columns, 0 to 3"),
        ([-1], "`features` is [-1]; expected different indices of columns, 0 to 3"),
        ([], "`features` is []; expected different indices of columns, 0 to 3"),
        ([0.5], "`features` is [0.5]; expected different indices"),
        ([True], "`features` is [True]; expected different indices"),
        (1, "`features` is 1; expected different indices"),
        ("age", "`features` must be indices of columns"),
    ],
)
def test_features_that_are_no_columns_are_refused(features, message):
    for call in (FOUR.marginal, lambda f: FOUR.condition(f, [0.0]), lambda f: FOUR.predict([[0.0]], f)):
        with pytest.raises(SettingError, match=f"^{re.escape(message)}"):
            call(features)


def test_rows_and_values_that_do_not_fit_the_features_are_refused():
    with pytest.raises(MixtureError, match=r"^values have shape \(1,\); expected \(2,\): one for each of the features"):
        FOUR.condition([0, 1], [1.0])
    with pytest.raises(MixtureError, match=r"^rows have 1 features; expected 2, those of `features`$"):
        FOUR.predict([[1.0]], [0, 1])
    with pytest.raises(MixtureError, match=r"^row 0, column 0 is inf; rows must be finite"):
        FOUR.condition([0], [np.inf])
    with pytest.raises(SettingError, match=r"^`features` are all 4 columns; expected one at least to be left$"):
        FOUR.condition([0, 1, 2, 3], [0.0] * 4)


# --- draws of missing values, and the criterion ----------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_draws_have_the_moments_of_the_conditional(covariance_type):
    mixture = random_mixture(covariance_type, n_features=4)
    row = np.array([mixture.means[0, 0], np.nan, np.nan, mixture.means[1, 3]])
    drawn = draw_missing(mixture, np.repeat(row[None], 20_000, axis=0), np.random.default_rng(0))
    means, covariances = mixture.predict(row[None, [0, 3]], [0, 3], return_covariances=True)
    np.testing.assert_array_equal(drawn[:, [0, 3]], np.repeat(row[None, [0, 3]], 20_000, axis=0))
    spread = np.sqrt(np.diag(covariances[0]))
    # five standard errors; those of the covariance of a mixture are wider than those of a Gaussian
    assert (np.abs(drawn[:, [1, 2]].mean(axis=0) - means[0]) < 5 * spread / np.sqrt(20_000)).all()
    error = np.cov(drawn[:, [1, 2]].T) - covariances[0]
    assert (np.abs(error) < 10 * np.outer(spread, spread) / np.sqrt(20_000)).all()


def test_icl_is_that_of_a_selection(faithful):
    candidate = select_gmm(faithful, [3], ["full"], held_out=0).rows[0]
    assert candidate.mixture.icl(faithful) == pytest.approx(candidate.icl, rel=1e-12)
    responsibilities = candidate.mixture.responsibilities(faithful)
    entropy = -np.sum(responsibilities * np.log(np.maximum(responsibilities, 1e-300)))
    assert candidate.mixture.icl(faithful) == pytest.approx(candidate.bic + 2 * entropy, rel=1e-12)
    with_empty = np.vstack([faithful, [[np.nan, np.nan]]])
    assert candidate.mixture.icl(with_empty) == pytest.approx(candidate.icl, rel=1e-12)
