"""Invariances of a fit for any rows."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, accumulate, fit_gmm, maximise
from gmmaudio.mixture.covariance import covariance_of

ANY = settings(max_examples=60, derandomize=True, deadline=None, database=None)


TYPES = st.sampled_from(COVARIANCE_TYPES)


@st.composite
def rows_and_start(draw):
    """Rows with ties and outliers, and a start over them with a floor that no rounding reaches."""
    seed, covariance_type = draw(st.integers(0, 10_000)), draw(TYPES)
    n, d, k = draw(st.integers(8, 60)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * draw(st.sampled_from([0.5, 1.0, 20.0]))
    X[rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = X[0]
    if draw(st.booleans()):
        X = np.round(X, 1)
    assume((X.std(axis=0) > 0.05).all())
    covariance = covariance_of(covariance_type)
    covariances = covariance.from_variances(np.full((k, d), X.var(axis=0).mean()))
    means = X[rng.choice(n, k)] + 0.1 * rng.normal(size=(k, d))
    return X, GaussianMixture(rng.dirichlet(np.full(k, 5.0)), means, covariances, covariance_type)


def fit(X, start, **options):
    settings = {"covariance_type": start.covariance_type, "max_iter": 4, "tol": 0, "variance_floor": 1e-2}
    return fit_gmm(X, start.n_components, init=start, **(settings | options))


def assert_same(a, b, rtol=1e-7):
    """Two mixtures agree to rounding, which four iterations on few rows enlarge."""
    spread = np.sqrt(covariance_of(b.covariance_type).variances(b.covariances, *b.means.shape)).max()
    np.testing.assert_allclose(a.weights, b.weights, rtol=0, atol=rtol)
    np.testing.assert_allclose(a.means, b.means, rtol=0, atol=rtol * spread + 1e-9 * np.abs(b.means).max())
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=0, atol=rtol * spread**2)


@ANY
@given(case=rows_and_start(), offset=st.sampled_from([-1e8, -600.0, 3.0, 1e5]))
def test_translation(case, offset):
    X, start = case
    # what is left of the digits of the rows beside the offset
    X = (X + offset) - offset
    plain, trace = fit(X, start)
    moved, moved_trace = fit(X + offset, start.transform(np.full(X.shape[1], -offset), np.ones(X.shape[1])))
    assert_same(moved.transform(np.full(X.shape[1], offset), np.ones(X.shape[1])), plain, 1e-5)
    assert moved_trace.reseeded == trace.reseeded


@ANY
@given(case=rows_and_start(), power=st.integers(-20, 20), uneven=st.booleans())
def test_scale(case, power, uneven):
    X, start = case
    d = X.shape[1]
    # powers of two: rows lose nothing
    powers = np.full(d, power) + (np.arange(d) if uneven and start.covariance_type != "spherical" else 0)
    scale = 2.0**powers
    plain, trace = fit(X, start)
    scaled, scaled_trace = fit(X * scale, start.transform(np.zeros(d), 1 / scale))
    assert_same(scaled.transform(np.zeros(d), scale), plain)
    np.testing.assert_allclose(
        np.add(scaled_trace.log_likelihoods, np.log(scale).sum()), trace.log_likelihoods, rtol=1e-7, atol=1e-7
    )


@ANY
@given(case=rows_and_start(), seed=st.integers(0, 99))
def test_order_of_rows_columns_and_components(case, seed):
    X, start = case
    rng = np.random.default_rng(seed)
    columns, components = rng.permutation(X.shape[1]), rng.permutation(start.n_components)
    k, d = start.means.shape
    matrices = covariance_of(start.covariance_type).matrices

    def turned(mixture):
        """Return the mixture over turned columns, its components in another order, as dense matrices."""
        dense = matrices(mixture.covariances, k, d)[components][:, columns][:, :, columns]
        return mixture.weights[components], mixture.means[components][:, columns], dense

    weights, means, _ = turned(start)
    covariances = covariance_of(start.covariance_type).from_variances(
        covariance_of(start.covariance_type).variances(start.covariances, k, d)[components][:, columns]
    )
    plain, trace = fit(X, start)
    other, other_trace = fit(
        rng.permutation(X)[:, columns], GaussianMixture(weights, means, covariances, start.covariance_type)
    )
    # which of two equally heavy components is split depends on their order
    assume(trace.reseeded == other_trace.reseeded == ())
    ours = (other.weights, other.means, matrices(other.covariances, k, d))
    for a, b in zip(ours, turned(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7 * (1 + np.abs(X).max() ** 2))


@ANY
@given(case=rows_and_start(), cuts=st.lists(st.integers(0, 60), max_size=5).map(sorted), missing=st.booleans())
def test_division_of_the_rows(case, cuts, missing):
    X, start = case
    if missing:
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
        assume((~np.isnan(X)).sum(axis=0).min() > 2)
    whole, parts = fit(X, start), fit(np.split(X, np.minimum(cuts, len(X))), start)
    np.testing.assert_array_equal(parts[0].means, whole[0].means)
    np.testing.assert_array_equal(parts[0].covariances, whole[0].covariances)
    assert parts[1] == whole[1]


@ANY
@given(case=rows_and_start(), seed=st.integers(0, 99), missing=st.booleans())
def test_weight_is_repetition(case, seed, missing):
    X, start = case
    times = np.random.default_rng(seed).integers(0, 4, len(X))
    assume((times > 0).sum() > 4)
    if missing:
        X = X.copy()
        X[1::3, 0] = np.nan
        assume(np.isfinite(X[times > 0]).sum(axis=0).min() > 2)
    # a variance that is nothing but rounding is not the same rounding
    assume((np.nanstd(X[times > 0], axis=0) > 0.05).all())
    weighted, repeated = (
        maximise(accumulate(start, X, times), start),
        maximise(accumulate(start, np.repeat(X, times, axis=0)), start),
    )
    assert_same(weighted, repeated)


@ANY
@given(case=rows_and_start(), accelerate=st.booleans())
def test_likelihood_decreases_only_where_the_trace_says_so(case, accelerate):
    X, start = case
    mixture, trace = fit(X, start, max_iter=12, accelerate=accelerate)
    falls = set(np.flatnonzero(np.diff(trace.log_likelihoods) < -1e-10 * (1 + np.abs(trace.log_likelihoods[:-1]))) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    assert mixture.log_density(X).mean() == pytest.approx(trace.log_likelihoods[-1], rel=1e-7, abs=1e-7)
