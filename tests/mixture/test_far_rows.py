"""Fits to rows of which a few are far from all others: beside the rows without them, and beside scikit-learn."""

import numpy as np
import pytest
import sklearn.mixture

from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, accumulate, adapt_gmm, fit_gmm, maximise
from gmmaudio.mixture.bulk import STRETCH, bulk_moments
from gmmaudio.mixture.covariance import covariance_of
from gmmaudio.mixture.far import log_joint_by_differences, sums_by_differences
from gmmaudio.mixture.missing import expected_sums
from gmmaudio.mixture.rows import summarise
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_joint

TYPES = COVARIANCE_TYPES


def with_far_rows(size, n=600, n_far=5, seed=0, dtype="float64", d=4):
    X = np.random.default_rng(seed).normal(size=(n, d))
    X[:n_far] *= size
    return X.astype(dtype)


def beside_scikit_learn(X, k, covariance_type, floor):
    peer = sklearn.mixture.GaussianMixture(
        k, covariance_type=covariance_type, reg_covar=floor, random_state=0, max_iter=200
    )
    try:
        return peer.fit(X).score(X)
    except ValueError:
        # its covariances are no longer definite
        return -np.inf


# --- the scale of a column --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e3, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_scale_is_that_of_the_rows_without_the_far_ones(size, weighted):
    X = with_far_rows(size, n=2000)
    weights = np.random.default_rng(1).integers(1, 4, len(X)).astype(float) if weighted else None
    centre, std = np.average(X, axis=0, weights=weights), X.std(axis=0)
    centre, std, stretched = bulk_moments(X, weights, summarise(X, weights), centre, std)
    assert stretched == (0, 1, 2, 3)
    counted = None if weights is None else weights[5:]
    expected = np.average(X[5:], axis=0, weights=counted)
    np.testing.assert_allclose(centre, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(std, np.sqrt(np.average((X[5:] - expected) ** 2, axis=0, weights=counted)), rtol=1e-9)


@pytest.mark.parametrize(
    ("draw", "note"),
    [
        (lambda g, n: g.normal(size=n), "normal"),
        (lambda g, n: g.uniform(size=n), "uniform"),
        (lambda g, n: g.exponential(size=n), "exponential"),
        (lambda g, n: g.standard_t(4, size=n), "heavy tails"),
        (lambda g, n: np.where(g.random(n) < 0.5, -600.0, g.normal(size=n)), "half of it digital silence"),
        (lambda g, n: np.where(g.random(n) < 0.03, -600.0, 40 * g.normal(size=n)), "a little digital silence"),
        (lambda g, n: (g.random(n) < 0.002).astype(float), "a rare flag"),
        (lambda g, n: np.full(n, 7.0), "constant"),
        (lambda g, n: 1e12 + g.integers(0, 2, n) * 1e-4, "rounding"),
        (lambda g, n: np.append(g.normal(size=n - n // 9), 1e4 + g.normal(size=n // 9)), "two groups"),
    ],
)
@pytest.mark.parametrize("n", [500, 30_000])
def test_ordinary_columns_keep_their_scale_bit_for_bit(draw, note, n):
    X = draw(np.random.default_rng(0), n)[:, None]
    given = X.mean(axis=0), X.std(axis=0)
    centre, std, stretched = bulk_moments(X, None, summarise(X), *given)
    assert stretched == (), note
    assert centre is given[0]
    assert std is given[1]


@pytest.mark.parametrize("n", range(2, 10))
def test_a_tenth_of_few_rows_is_no_row(n):
    X = np.append(np.arange(n - 1.0), 1e9)[:, None]
    assert bulk_moments(X, None, summarise(X), X.mean(axis=0), X.std(axis=0))[2] == ()


def test_a_column_is_stretched_from_a_stated_factor_on():
    X = np.append(np.tile([-1.0, 1.0], 500), np.zeros(5))[:, None]
    for factor, expected in ((0.99, ()), (1.01, (0,))):
        X[-5:] = np.sqrt((STRETCH**2 * factor - 1) * len(X) / 5)
        assert bulk_moments(X, None, summarise(X), X.mean(axis=0), X.std(axis=0))[2] == expected


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_floor_is_that_of_the_rows_without_the_far_ones(covariance_type):
    X = with_far_rows(1e5)
    _, trace = fit_gmm(X, 8, covariance_type=covariance_type)
    _, clean = fit_gmm(X[5:], 3, covariance_type=covariance_type)
    assert trace.stretched == (0, 1, 2, 3)
    assert clean.stretched == ()
    np.testing.assert_allclose(trace.min_variances, clean.min_variances, rtol=1e-9)


# --- fits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("size", "accelerate"), [(1e2, False), (1e4, True), (1e6, False), (1e8, False), (1e8, True)])
def test_a_fit_is_as_good_as_scikit_learns_with_the_same_floor(covariance_type, size, accelerate):
    X = with_far_rows(size, n=300)
    mixture, trace = fit_gmm(X, 8, covariance_type=covariance_type, accelerate=accelerate)
    end = mixture.log_density(X).mean()
    assert end == pytest.approx(trace.log_likelihoods[-1], rel=1e-9)
    # the tolerance is that of convergence and of other local maxima
    assert end > beside_scikit_learn(X, 8, covariance_type, 1e-3) - 0.02
    # and the others are described as well as they are alone
    _, alone = fit_gmm(X[5:], 3, covariance_type=covariance_type)
    assert mixture.log_density(X[5:]).mean() > alone.log_likelihoods[-1] - 0.05


@pytest.mark.parametrize("covariance_type", TYPES)
def test_with_scikit_learns_floor_a_fit_is_as_good_as_its(covariance_type):
    X = with_far_rows(1e4, n=2000, d=8)
    mixture, _ = fit_gmm(X, 8, covariance_type=covariance_type, variance_floor=1e-6)
    assert mixture.log_density(X).mean() > beside_scikit_learn(X, 8, covariance_type, 1e-6) - 0.01


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", ["kmeans", "random"])
@pytest.mark.parametrize(
    "options",
    [{}, {"accelerate": True}, {"n_init": 2}, {"tol": 0, "max_iter": 12}, {"variance_floor": 0}, {"weights": True}],
    ids=str,
)
@pytest.mark.parametrize("k", [1, 8])
def test_the_best_mixture_seen_is_returned(covariance_type, init, options, k):
    X, steps = with_far_rows(1e4, n=150, n_far=2, d=3), []
    settings = {**options, **({"weights": np.arange(150) % 3 + 1.0} if "weights" in options else {})}
    mixture, trace = fit_gmm(X, k, covariance_type=covariance_type, init=init, callback=steps.append, **settings)
    end, values = trace.log_likelihoods[-1], np.array(trace.log_likelihoods)
    assert end >= max(step.log_likelihood for step in steps) - 1e-7 * (1 + abs(end))
    falls = set(np.flatnonzero(np.diff(values) < -1e-9 * (1 + np.abs(values[:-1]))) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    scores = mixture.log_density(X)
    assert np.average(scores, weights=settings.get("weights")) == pytest.approx(end, rel=1e-6)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("size", [1e4, 1e8])
def test_missing_values_beside_far_rows(covariance_type, size):
    X = with_far_rows(size)
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    mixture, trace = fit_gmm(X, 8, covariance_type=covariance_type)
    values = np.array(trace.log_likelihoods)
    falls = set(np.flatnonzero(np.diff(values) < -1e-9 * (1 + np.abs(values[:-1]))) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    assert mixture.log_density(X).mean() == pytest.approx(values[-1], rel=1e-9)
    complete = mixture.impute(X)
    assert np.isfinite(complete).all()
    np.testing.assert_array_equal(complete[~np.isnan(X)], X[~np.isnan(X)])
    np.testing.assert_allclose(mixture.responsibilities(X).sum(axis=1), 1.0)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_float32_rows_with_far_ones(covariance_type):
    X = with_far_rows(1e6, dtype="float32")
    mixture, trace = fit_gmm(X, 8, covariance_type=covariance_type)
    _, wide_trace = fit_gmm(X.astype(float), 8, covariance_type=covariance_type)
    assert trace.log_likelihoods[-1] == pytest.approx(wide_trace.log_likelihoods[-1], abs=1e-3)
    assert mixture.log_density(X).mean() == pytest.approx(trace.log_likelihoods[-1], rel=1e-5)


def test_sources_and_threads_give_the_same_bits():
    X = with_far_rows(1e7, n=10_000)
    expected, trace = fit_gmm(X, 6, covariance_type="full", max_iter=4)
    for source, n_threads in ((X, 2), ([X[:9], X[9:]], 1), (lambda: iter([X[:500], X[500:]]), 2)):
        mixture, other = fit_gmm(source, 6, covariance_type="full", max_iter=4, n_threads=n_threads)
        np.testing.assert_array_equal(mixture.covariances, expected.covariances)
        assert other == trace


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("size", [1e12, 1e15, 1e20, 1e100, 1e140])
def test_any_distance_is_fitted_soundly(covariance_type, size):
    X = with_far_rows(size, n=200, n_far=2, d=3)
    for k in (1, 3, 8):
        mixture, trace = fit_gmm(X, k, covariance_type=covariance_type)
        assert mixture.log_density(X).mean() == pytest.approx(trace.log_likelihoods[-1], rel=1e-5)


def test_a_far_row_keeps_its_component_and_lost_ones_are_still_placed_anew():
    X = with_far_rows(1e5, n=400, n_far=1, d=2)
    covariances = np.ones((3, 2))
    start = GaussianMixture([0.4, 0.3, 0.3], [[0.0, 0.0], X[0], [-1e6, 1e6]], covariances)
    mixture, trace = fit_gmm(X, 3, init=start)
    assert trace.reseeded == ((1, (2,)),)
    np.testing.assert_allclose(mixture.means[1], X[0], rtol=1e-12)
    assert np.abs(mixture.means[[0, 2]]).max() < 3


# --- the exact path beside others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_differences_give_what_products_give_and_scipy(covariance_type):
    mixture = random_mixture(covariance_type)
    parameters = (mixture.weights, mixture.means, mixture.covariances)
    X = np.random.default_rng(0).normal(scale=3.0, size=(50, 3))
    values = log_joint_by_differences(covariance_of(covariance_type), [parameters], X)
    np.testing.assert_allclose(values, scipy_log_joint(mixture, X), rtol=1e-10)
    X[np.random.default_rng(1).random(X.shape) < 0.3] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    shares = mixture.responsibilities(X).T
    expected, _ = expected_sums(covariance_of(covariance_type), parameters, X, np.ones(len(X)))
    ours = sums_by_differences(covariance_of(covariance_type), parameters, np.zeros_like(mixture.means), X, shares)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("offset", [1e5, 1e8])
def test_density_near_a_remote_component_is_exact(covariance_type, offset):
    near = random_mixture(covariance_type, n_components=9)
    weights = np.append(0.99 * near.weights, 0.01)
    means = np.vstack([near.means, np.full(3, offset)])
    covariances = near.covariances
    if covariance_type != "tied":
        covariances = np.append(covariances, covariances[:1], axis=0)
    mixture = GaussianMixture(weights, means, covariances, covariance_type)
    X = np.vstack([np.random.default_rng(0).normal(size=(20, 3)), offset + np.arange(9.0).reshape(3, 3)])
    matrices = matrices_of(mixture)
    # log densities by differences from each mean, which lose no digits
    expected = np.empty((len(weights), len(X)))
    for k, (mean, matrix) in enumerate(zip(means, matrices, strict=True)):
        standard = np.linalg.solve(np.linalg.cholesky(matrix), (X - mean).T)
        constant = np.linalg.slogdet(2 * np.pi * matrix)[1]
        expected[k] = np.log(weights[k]) - 0.5 * (np.square(standard).sum(axis=0) + constant)
    np.testing.assert_allclose(mixture.log_density(X), np.logaddexp.reduce(expected, axis=0), rtol=1e-7)
    np.testing.assert_allclose(mixture.responsibilities(X)[-3:, -1], 1.0)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_statistics_and_adaptation_of_a_mixture_with_a_remote_component(covariance_type):
    X = with_far_rows(1e6, n_far=1)
    mixture, _ = fit_gmm(X, 3, covariance_type=covariance_type)
    far = int(np.abs(mixture.means).max(axis=1).argmax())
    again = maximise(accumulate(mixture, X), mixture)
    np.testing.assert_allclose(again.means[far], X[0], rtol=1e-9)
    new = np.vstack([X[1:], X[:1] + 0.5])
    adapted = adapt_gmm(mixture, new, relevance=1.0)
    share = 1 / 2
    np.testing.assert_allclose(adapted.means[far] - X[0], share * 0.5, atol=1e-3)
