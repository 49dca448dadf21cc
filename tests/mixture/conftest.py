"""Mixtures, rows and reference computations by scipy that the tests of mixtures share."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.mixture
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.covariance import covariance_of

# Old Faithful: minutes of an eruption and to the next one, shape (272, 2)
FAITHFUL = runpy.run_path(str(Path(__file__).parents[2] / "docs/learn/old_faithful.py"))["ROWS"]

NOISE = np.random.default_rng(1).normal(size=(300, 3))
CROWD = np.random.default_rng(7).standard_t(4, size=(600, 2))


@pytest.fixture(scope="session")
def faithful():
    """Old Faithful: minutes of an eruption and to the next one, shape (272, 2)."""
    assert FAITHFUL.shape == (272, 2)
    # the mean and sd that R prints
    np.testing.assert_allclose(FAITHFUL.mean(axis=0), [3.487783, 70.89706], rtol=1e-6)
    np.testing.assert_allclose(FAITHFUL.std(axis=0, ddof=1), [1.141371, 13.59497], rtol=1e-6)
    return FAITHFUL


@pytest.fixture
def fits(monkeypatch):
    """Every fit from here on: its rows and their weights, and the mixture."""
    seen = []

    def spy(X, k, **settings):
        rows = np.concatenate(list(X())) if callable(X) else np.asarray(X)
        seen.append(SimpleNamespace(rows=rows, weights=settings["weights"]))
        seen[-1].mixture, trace = fit_gmm(X, k, **settings)
        return seen[-1].mixture, trace

    monkeypatch.setattr("gmmaudio.mixture.selection.fit_gmm", spy)
    return seen


def random_mixture(covariance_type, n_components=4, n_features=3, seed=0, offset=0.0, scale=3.0):
    """Return a mixture of unequal components: weights, means (their standard deviation is ``scale``), covariances."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(n_components, n_features, n_features))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(n_features)
    if covariance_type in ("diag", "spherical"):
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    if covariance_type == "spherical":
        covariances = covariances.mean(axis=1)
    if covariance_type == "tied":
        covariances = covariances[0]
    means = offset + rng.normal(scale=scale, size=(n_components, n_features))
    return GaussianMixture(rng.dirichlet(np.full(n_components, 2.0)), means, covariances, covariance_type)


def first_mixture(covariance_type, k=8, d=6, seed=0):
    """Return a mixture of wide components over the rows of :func:`crowd`."""
    rng = np.random.default_rng(seed)
    covariances = {
        "diag": np.full((k, d), 9.0),
        "full": np.array([9.0 * np.eye(d)] * k),
        "tied": 9.0 * np.eye(d),
        "spherical": np.full(k, 9.0),
    }[covariance_type]
    return GaussianMixture(np.full(k, 1 / k), 3 + 2 * rng.normal(size=(k, d)), covariances, covariance_type)


def matrices_of(mixture):
    """Return the covariance matrices (k, d, d) of a mixture, written out here and not by the code under test."""
    k, d = mixture.means.shape
    return {
        "full": lambda c: c,
        "diag": lambda c: np.array([np.diag(row) for row in c]),
        "tied": lambda c: np.array([c] * k),
        "spherical": lambda c: np.array([v * np.eye(d) for v in c]),
    }[mixture.covariance_type](mixture.covariances)


def shaped(matrices, weights, covariance_type):
    """Return covariance matrices (k, d, d) in the shape of a type: what it can hold of them."""
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    return {
        "full": matrices,
        "diag": diagonals,
        "tied": np.einsum("k,kij->ij", weights, matrices),
        "spherical": diagonals.mean(axis=1),
    }[covariance_type]


def clusters(n=1500, d=3, seed=0):
    """Return rows in three groups, five standard deviations apart and different in size and shape."""
    rng = np.random.default_rng(seed)
    sizes = [n // 2, n // 3, n - n // 2 - n // 3]
    centres = 5.0 * np.array([np.zeros(d), np.ones(d), np.where(np.arange(d) % 2, 1.0, -1.0)])
    groups = [
        c + rng.normal(size=(m, d)) @ rng.normal(scale=0.7, size=(d, d)) for c, m in zip(centres, sizes, strict=True)
    ]
    return rng.permutation(np.vstack(groups))


def crowd(n=20_000, d=6, dtype="float32", seed=0):
    """Return rows of which each chunk's sums round differently in another order."""
    rng = np.random.default_rng(seed)
    return (rng.standard_t(5, size=(n, d)) * np.geomspace(0.1, 10, d) + 3).astype(dtype)


def blobs(n=600, seed=0):
    """Return rows in three groups that touch."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.concatenate([rng.normal(c, 1.0, (n // 3, 2)) for c in ([0, 0], [3, 1], [0, 4])]))


def incomplete_rows(seed=0):
    """Return rows with missing values, some of them all missing, and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    X = blobs(300, seed)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[::25] = np.nan
    weights = rng.integers(0, 4, len(X)).astype(float)
    return X, weights


def table(n=240, n_features=3, seed=0):
    """Return rows (n, n_features) of three overlapping classes of uneven size, each of two clumps, and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    clump = rng.choice([-1.5, 1.5], size=(n, 1))
    return rng.normal(y[:, None] + clump, 0.6 + 0.2 * y[:, None], (n, n_features)), np.array(["a", "b", "c"])[y]


def spread_start(X, n_components, covariance_type, seed=0):
    """Return a start: rows drawn at random, with uneven weights and half the global covariance."""
    rng = np.random.default_rng(seed)
    covariance = 0.5 * np.atleast_2d(np.cov(X.T, bias=True))
    means = X[rng.choice(len(X), n_components, replace=False)]
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return GaussianMixture(
        weights, means, shaped(np.array([covariance] * n_components), weights, covariance_type), covariance_type
    )


def scipy_log_joint(mixture, X):
    """Return log(weight x density), shape (n_components, n), by scipy."""
    matrices = matrices_of(mixture)
    return np.array(
        [
            np.log(w) + np.atleast_1d(multivariate_normal(mean, matrix).logpdf(X))
            for w, mean, matrix in zip(mixture.weights, mixture.means, matrices, strict=True)
        ]
    )


def scipy_log_density(mixture, X):
    """Return the log density of every row, shape (n,), by scipy."""
    return logsumexp(scipy_log_joint(mixture, X), axis=0)


def observed_log_joint(mixture, x):
    """Return log(weight x marginal density) of one row under each component by scipy."""
    seen = ~np.isnan(x)
    if not seen.any():
        return np.log(mixture.weights)
    return np.array(
        [
            np.log(w) + multivariate_normal(m[seen], c[np.ix_(seen, seen)]).logpdf(x[seen])
            for w, m, c in zip(mixture.weights, mixture.means, matrices_of(mixture), strict=True)
        ]
    )


def entropy_of(joint):
    """Return the entropy (n,) of the responsibilities of every row."""
    log_shares = joint - logsumexp(joint, axis=1, keepdims=True)
    return -(np.exp(log_shares) * log_shares).sum(axis=1)


def as_scikit_learn(mixture):
    """Return scikit-learn's mixture of the same parameters."""
    peer = sklearn.mixture.GaussianMixture(mixture.n_components, covariance_type=mixture.covariance_type)
    peer.weights_, peer.means_, peer.covariances_ = mixture.weights, mixture.means, mixture.covariances
    if mixture.covariance_type in ("diag", "spherical"):
        peer.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances)
    else:
        peer.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(mixture.covariances))
    return peer


def criteria_of(selection):
    """Return the sizes and criteria of all candidates, one row for each."""
    return np.array(
        [
            (row.n_components, row.n_parameters, row.log_likelihood, row.bic, row.aic, row.icl, row.held_out or 0.0)
            for row in selection.rows
        ]
    )


def type_and_size(candidate):
    return candidate.covariance_type, candidate.n_components


def assert_same_mixture(a, b, rtol, any_order=False):
    if any_order:
        distance = np.linalg.norm((a.means[:, None] - b.means) / b.means.std(axis=0), axis=2)
        order = linear_sum_assignment(distance)[1]
        covariances = covariance_of(b.covariance_type).take(b.covariances, order)
        b = GaussianMixture(b.weights[order], b.means[order], covariances, b.covariance_type)
    np.testing.assert_allclose(a.weights, b.weights, rtol=rtol)
    np.testing.assert_allclose(a.means, b.means, rtol=rtol, atol=rtol * np.abs(b.means).max())
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=rtol, atol=rtol * np.abs(b.covariances).max())


def assert_never_falls(trace, rounding=1e-9):
    """Likelihoods rise at every iteration that is not marked as re-seeded."""
    values = np.array(trace.log_likelihoods)
    falls = set(np.flatnonzero(np.diff(values) < -rounding * (1 + np.abs(values).max())) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}


def assert_sound(X, mixture, trace):
    """What holds of every fit, however hard the rows."""
    # a row's log density is right to 1e-4 in float32, and the errors of few rows do not average out
    assert_never_falls(trace, 1e-9 if X.dtype == np.float64 else 1e-5)
    assert mixture.n_components == trace.n_components <= trace.n_components_asked
    scores = mixture.log_density(X)
    assert np.isfinite(scores).all()
    # the trace is of the mixture returned; products of float64 in two whitened coordinates, or of float32
    rounding = 1e-6 if X.dtype == np.float64 else 1e-5
    assert scores.mean() == pytest.approx(trace.log_likelihoods[-1], rel=rounding, abs=rounding)
    assert mixture.weights.sum() == pytest.approx(1.0, abs=1e-12)


def bits(mixture, trace):
    """Return the bytes of a fit's parameters, and its trace."""
    return b"".join(a.tobytes() for a in (mixture.weights, mixture.means, mixture.covariances)), trace
