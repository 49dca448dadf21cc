"""Rows with missing values: densities, EM and imputation, against brute force and textbook formulas."""

import numpy as np
import pytest
from scipy.special import logsumexp

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, accumulate, fit_gmm, maximise
from tests.mixture.conftest import matrices_of, observed_log_joint, random_mixture

TYPES = COVARIANCE_TYPES


NAN = np.nan


def with_missing(X, share, seed=0):
    """Return a copy with a share of all values missing at random."""
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = NAN
    return X


def textbook_step(mixture, X):
    """Return the EM step for rows with missing values, row by row (Little and Rubin 2002, section 11.2.2)."""
    k, d = mixture.means.shape
    n, f, s = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for x in X:
        seen = ~np.isnan(x)
        log_joint = observed_log_joint(mixture, x)
        share = np.exp(log_joint - logsumexp(log_joint))
        for j, (m, c) in enumerate(zip(mixture.means, matrices_of(mixture), strict=True)):
            slope = c[np.ix_(~seen, seen)] @ np.linalg.inv(c[np.ix_(seen, seen)])
            full = x.copy()
            full[~seen] = m[~seen] + slope @ (x[seen] - m[seen])
            rest = np.zeros((d, d))
            rest[np.ix_(~seen, ~seen)] = c[np.ix_(~seen, ~seen)] - slope @ c[np.ix_(seen, ~seen)]
            n[j] += share[j]
            f[j] += share[j] * full
            s[j] += share[j] * (np.outer(full, full) + rest)
    means = f / n[:, None]
    matrices = s / n[:, None, None] - means[:, :, None] * means[:, None, :]
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    covariances = {
        "full": matrices,
        "diag": diagonals,
        "tied": np.einsum("k,kij->ij", n / n.sum(), matrices),
        "spherical": diagonals.mean(axis=1),
    }[mixture.covariance_type]
    return GaussianMixture(n / n.sum(), means, covariances, mixture.covariance_type)


# --- against independent references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_density_and_mean_of_what_is_missing_are_integrals(covariance_type):
    mixture = random_mixture(covariance_type, 3, 2, scale=2.0)
    # a sum over a grid far finer than the standard deviations, out to where nothing is left, is exact to float64
    y = np.linspace(-60, 60, 24_001)
    for x in (-1.3, 0.4, 2.0):
        density = np.exp(mixture.log_density(np.column_stack([np.full_like(y, x), y])))
        total, mean = density.sum() * (y[1] - y[0]), density @ y / density.sum()
        assert mixture.log_density([[x, NAN]])[0] == pytest.approx(np.log(total), rel=1e-9)
        np.testing.assert_allclose(mixture.impute([[x, NAN]]), [[x, mean]], rtol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_scores_and_shares_of_every_pattern_equal_scipy(covariance_type):
    mixture = random_mixture(covariance_type, 4, 4, scale=2.0)
    X = with_missing(mixture.sample(700, np.random.default_rng(1)), 0.4)
    log_joint = np.array([observed_log_joint(mixture, x) for x in X])
    # float64 rounding
    np.testing.assert_allclose(mixture.log_density(X), logsumexp(log_joint, axis=1), rtol=1e-10, atol=1e-10)
    expected = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
    np.testing.assert_allclose(mixture.responsibilities(X), expected, atol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_em_step_is_the_textbooks(covariance_type, share):
    mixture = random_mixture(covariance_type, 3, scale=2.0)
    X = with_missing(mixture.sample(300, np.random.default_rng(1)), share)
    X = X[~np.isnan(X).all(axis=1)]
    expected = textbook_step(mixture, X)
    ours = maximise(accumulate(mixture, X), mixture)
    for name in ("weights", "means", "covariances"):
        # float64 rounding of sums of 300
        np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_em_on_incomplete_rows_beats_filling_in_the_mean(covariance_type):
    # two groups of strongly correlated columns, 30 % missing
    matrix = 0.9 * np.ones((4, 4)) + 0.1 * np.eye(4)
    covariances = np.array([matrix, matrix]) if covariance_type == "full" else matrix
    truth = GaussianMixture([0.4, 0.6], [[-2.0] * 4, [2.0] * 4], covariances, covariance_type)
    train, test = (truth.sample(4000, np.random.default_rng(seed)) for seed in (1, 2))
    incomplete, held = with_missing(train, 0.3), with_missing(test, 0.3, seed=5)
    exact, _ = fit_gmm(incomplete, 2, covariance_type=covariance_type)
    filled, _ = fit_gmm(
        np.where(np.isnan(incomplete), np.nanmean(incomplete, axis=0), incomplete), 2, covariance_type=covariance_type
    )
    best = truth.log_density(test).mean()
    # as good as the truth to what 4,000 rows with 30 % missing can tell, and far better than filled rows
    assert best - exact.log_density(test).mean() < 0.02
    assert exact.log_density(test).mean() - filled.log_density(test).mean() > 0.5
    hole = np.isnan(held) & ~np.isnan(held).all(axis=1, keepdims=True)
    error = np.abs(exact.impute(held) - test)[hole].mean()
    assert error < 0.5 * np.abs(np.nanmean(incomplete, axis=0) - test)[hole].mean()


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_likelihood_of_incomplete_rows_never_falls_and_moves(covariance_type):
    X = with_missing(np.random.default_rng(0).standard_t(4, size=(800, 3)), 0.3)
    mixture, trace = fit_gmm(X, 4, covariance_type=covariance_type, init="random", max_iter=25, tol=0)
    rises = np.diff(trace.log_likelihoods)
    # rounding
    assert (rises > -1e-10).all()
    assert trace.log_likelihoods[-1] - trace.log_likelihoods[1] > 0.01
    seen = ~np.isnan(X).all(axis=1)
    assert trace.log_likelihoods[-1] == pytest.approx(mixture.log_density(X[seen]).mean(), rel=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_complete_rows_are_the_same_bits_beside_incomplete_code(covariance_type, dtype):
    X = np.random.default_rng(0).normal(size=(900, 3)).astype(dtype)
    plain, _ = fit_gmm(X, 3, covariance_type=covariance_type, max_iter=5, tol=0)
    # a row of nothing leaves no trace at all
    padded, _ = fit_gmm([X, np.full((1, 3), NAN, dtype)], 3, covariance_type=covariance_type, max_iter=5, tol=0)
    np.testing.assert_array_equal(padded.means, plain.means)
    np.testing.assert_array_equal(padded.covariances, plain.covariances)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_row_of_nothing_has_log_density_zero_and_moves_nothing(covariance_type):
    mixture = random_mixture(covariance_type, 3, scale=2.0)
    empty = np.full((5, 3), NAN)
    np.testing.assert_array_equal(mixture.log_density(empty), 0.0)
    np.testing.assert_allclose(mixture.responsibilities(empty), np.tile(mixture.weights, (5, 1)), rtol=1e-12)
    overall = mixture.weights @ mixture.means
    np.testing.assert_allclose(mixture.impute(empty), np.tile(overall, (5, 1)), rtol=1e-12)
    X = with_missing(mixture.sample(200, np.random.default_rng(1)), 0.2)
    X = X[~np.isnan(X).all(axis=1)]
    alone, beside = accumulate(mixture, X), accumulate(mixture, np.vstack([X[:50], empty, X[50:]]))
    assert alone.n_rows == beside.n_rows == len(X)
    assert alone.log_likelihood == pytest.approx(mixture.log_density(X).sum(), rel=1e-12)
    np.testing.assert_allclose(beside.f, alone.f, rtol=1e-12)
    assert beside.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-13)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_imputing_keeps_what_is_there_and_puts_in_what_scores_alike(covariance_type):
    mixture = random_mixture(covariance_type, 3, scale=2.0)
    whole = mixture.sample(300, np.random.default_rng(1))
    X = with_missing(whole, 0.4)
    before = X.copy()
    complete = mixture.impute(X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(complete[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(complete).all()
    np.testing.assert_array_equal(mixture.impute(whole), whole)
    # under one Gaussian the conditional mean is the likeliest completion
    one = GaussianMixture(
        [1.0],
        mixture.means[:1],
        mixture.covariances if covariance_type == "tied" else mixture.covariances[:1],
        covariance_type,
    )
    filled, hole = one.impute(X), np.isnan(X)
    moved = np.where(hole, filled + 0.01, filled)
    assert (one.log_density(filled)[hole.any(axis=1)] > one.log_density(moved)[hole.any(axis=1)]).all()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_weights_of_incomplete_rows_are_repetitions(covariance_type):
    X = with_missing(np.random.default_rng(0).normal(size=(200, 3)), 0.3)
    times = np.random.default_rng(1).integers(0, 4, 200)
    start = random_mixture(covariance_type, 3, scale=2.0)
    weighted, repeated = (
        maximise(accumulate(start, X, times)),
        maximise(accumulate(start, np.repeat(X, times, axis=0))),
    )
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_offsets_and_scales_of_incomplete_rows_do_not_matter(covariance_type):
    X = with_missing(np.random.default_rng(0).normal(size=(500, 3)), 0.3)
    scale = np.full(3, 1e-3) if covariance_type == "spherical" else np.array([1e-4, 1.0, 1e6])
    start = random_mixture(covariance_type, 3, scale=2.0)
    moved_start = start.transform(-1e3 / scale, 1 / scale)
    options = {"covariance_type": covariance_type, "max_iter": 8, "tol": 0}
    plain, plain_trace = fit_gmm(X, 3, init=start, **options)
    moved, moved_trace = fit_gmm(X * scale + 1e3, 3, init=moved_start, **options)
    # rows keep 9 digits beside the offset
    np.testing.assert_allclose((moved.means - 1e3) / scale, plain.means, rtol=1e-5, atol=1e-5)
    seen = ~np.isnan(X)
    shift = (seen @ np.log(scale))[seen.any(axis=1)].mean()
    np.testing.assert_allclose(np.add(moved_trace.log_likelihoods, shift), plain_trace.log_likelihoods, rtol=1e-6)


# --- hard input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", ["kmeans", "hierarchical", "binary", "random"])
def test_hard_incomplete_rows_are_fitted(covariance_type, init):
    noise = np.random.default_rng(0).normal(size=(60, 3))
    one_each = noise.copy()
    one_each[np.arange(60), np.arange(60) % 3] = NAN
    cases = {
        "one value a row": np.where(np.eye(3, dtype=bool)[np.arange(60) % 3], noise, NAN),
        "one missing in every row": one_each,
        "constant where it is seen": np.column_stack([noise, np.where(np.arange(60) % 2, 7.0, NAN)]),
        "a column seen once": np.column_stack([noise, np.where(np.arange(60) == 5, 7.0, NAN)]),
        "repeated": np.repeat([[1.0, NAN, 2.0], [NAN, 5.0, 1.0]], 9, axis=0),
        "float32 at an offset": (one_each + 1e3).astype(np.float32),
    }
    for case, X in cases.items():
        mixture, trace = fit_gmm(X, 3, covariance_type=covariance_type, init=init, max_iter=6, tol=0)
        falls = set(np.flatnonzero(np.diff(trace.log_likelihoods) < -1e-6) + 1)
        assert falls <= {iteration for iteration, _ in trace.reseeded}, case
        assert np.isfinite(mixture.log_density(X)).all(), case
        assert np.isfinite(mixture.impute(X)).all(), case


def test_column_without_a_value_is_named():
    X = np.column_stack([np.arange(9.0), np.full(9, NAN)])
    with pytest.raises(MixtureError) as caught:
        fit_gmm(X, 2)
    assert str(caught.value) == "column 1 has no value in any row; drop it"


def test_imputing_refuses_what_scoring_refuses():
    with pytest.raises(MixtureError, match="rows have 2 features; the mixture was made for 3"):
        random_mixture("full", 3).impute([[1.0, NAN]])
