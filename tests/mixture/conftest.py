"""Mixtures, rows and reference computations by scipy that the tests of mixtures share."""

from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.mixture
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.covariance import covariance_of

# Old Faithful: R's `faithful` (Azzalini and Bowman 1990), 272 eruptions: their length in thousandths of a minute, and
# the minutes to the next one.
ERUPTIONS = """
3600 1800 3333 2283 4533 2883 4700 3600 1950 4350 1833 3917 4200 1750 4700 2167 1750 4800 1600 4250 1800 1750 3450
3067 4533 3600 1967 4083 3850 4433 4300 4467 3367 4033 3833 2017 1867 4833 1833 4783 4350 1883 4567 1750 4533 3317
3833 2100 4633 2000 4800 4716 1833 4833 1733 4883 3717 1667 4567 4317 2233 4500 1750 4800 1817 4400 4167 4700 2067
4700 4033 1967 4500 4000 1983 5067 2017 4567 3883 3600 4133 4333 4100 2633 4067 4933 3950 4517 2167 4000 2200 4333
1867 4817 1833 4300 4667 3750 1867 4900 2483 4367 2100 4500 4050 1867 4700 1783 4850 3683 4733 2300 4900 4417 1700
4633 2317 4600 1817 4417 2617 4067 4250 1967 4600 3767 1917 4500 2267 4650 1867 4167 2800 4333 1833 4383 1883 4933
2033 3733 4233 2233 4533 4817 4333 1983 4633 2017 5100 1800 5033 4000 2400 4600 3567 4000 4500 4083 1800 3967 2200
4150 2000 3833 3500 4583 2367 5000 1933 4617 1917 2083 4583 3333 4167 4333 4500 2417 4000 4167 1883 4583 4250 3767
2033 4433 4083 1833 4417 2183 4800 1833 4800 4100 3966 4233 3500 4366 2250 4667 2100 4350 4133 1867 4600 1783 4367
3850 1933 4500 2383 4700 1867 3833 3417 4233 2400 4800 2000 4150 1867 4267 1750 4483 4000 4117 4083 4267 3917 4550
4083 2417 4183 2217 4450 1883 1850 4283 3950 2333 4150 2350 4933 2900 4583 3833 2083 4367 2133 4350 2200 4450 3567
4500 4150 3817 3917 4450 2000 4283 4767 4533 1850 4250 1983 2250 4750 4117 2150 4417 1817 4467
"""
WAITING = """
79 54 74 62 85 55 88 85 51 85 54 84 78 47 83 52 62 84 52 79 51 47 78 69 74 83 55 76 78 79 73 77 66 80 74 52 48 80 59 90
80 58 84 58 73 83 64 53 82 59 75 90 54 80 54 83 71 64 77 81 59 84 48 82 60 92 78 78 65 73 82 56 79 71 62 76 60 78 76 83
75 82 70 65 73 88 76 80 48 86 60 90 50 78 63 72 84 75 51 82 62 88 49 83 81 47 84 52 86 81 75 59 89 79 59 81 50 85 59 87
53 69 77 56 88 81 45 82 55 90 45 83 56 89 46 82 51 86 53 79 81 60 82 77 76 59 80 49 96 53 77 77 65 81 71 70 81 93 53 89
45 86 58 78 66 76 63 88 52 93 49 57 77 68 81 81 73 50 85 74 55 77 83 83 51 78 84 46 83 55 81 57 76 84 77 81 87 77 51 78
60 82 91 53 78 46 77 84 49 83 71 80 49 75 64 76 53 94 55 76 50 82 54 75 78 79 78 78 70 79 70 54 86 50 90 54 54 77 79 64
75 47 86 63 85 82 57 82 67 74 54 83 73 73 88 80 71 83 56 79 78 84 58 83 43 60 75 81 46 90 46 74
"""

NOISE = np.random.default_rng(1).normal(size=(300, 3))
CROWD = np.random.default_rng(7).standard_t(4, size=(600, 2))


@pytest.fixture(scope="session")
def faithful():
    """Old Faithful: minutes of an eruption and to the next one, shape (272, 2)."""
    rows = np.array([ERUPTIONS.split(), WAITING.split()], dtype=float).T / [1000, 1]
    assert rows.shape == (272, 2)
    # the mean and sd that R prints
    np.testing.assert_allclose(rows.mean(axis=0), [3.487783, 70.89706], rtol=1e-6)
    np.testing.assert_allclose(rows.std(axis=0, ddof=1), [1.141371, 13.59497], rtol=1e-6)
    return rows


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
