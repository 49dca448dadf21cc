"""SQUAREM: fewer iterations, and a likelihood that never decreases."""

import numpy as np
import pytest

from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm

TYPES = COVARIANCE_TYPES


def overlapping_groups(n=1500):
    """Return two groups that overlap so much that EM converges slowly."""
    rng = np.random.default_rng(3)
    return np.vstack([rng.normal(-0.7, 1.0, size=(n, 2)), rng.normal(0.7, 1.0, size=(n, 2))])


@pytest.mark.parametrize("covariance_type", TYPES)
def test_squarem_converges_in_fewer_iterations_and_never_decreases(covariance_type):
    X = overlapping_groups()
    options = {"covariance_type": covariance_type, "init": "kmeans", "max_iter": 4000, "tol": 1e-9}
    _, plain = fit_gmm(X, 2, **options)
    _, fast = fit_gmm(X, 2, accelerate=True, **options)
    assert plain.converged
    assert fast.converged
    assert fast.n_iter + fast.rejected < 0.5 * plain.n_iter
    assert (np.diff(fast.log_likelihoods) > -1e-12).all()
    # the same maximum, or a higher point of a flat ridge
    assert fast.log_likelihoods[-1] > plain.log_likelihoods[-1] - 1e-6


def test_squarem_rejects_extrapolations_that_decrease_the_likelihood(monkeypatch):
    from gmmaudio.mixture import em

    X = overlapping_groups()
    start = fit_gmm(X, 3, max_iter=1, tol=0)[0]
    plain, trace = fit_gmm(X, 3, init=start, max_iter=12, tol=0)

    def bad_extrapolation(first, second, third, floor):
        return GaussianMixture(third.weights, third.means + 5.0, third.covariances, third.covariance_type)

    monkeypatch.setattr(em, "extrapolate", bad_extrapolation)
    mixture, fallen = fit_gmm(X, 3, init=start, max_iter=12, tol=0, accelerate=True)
    assert fallen.rejected > 2
    # what is left is plain EM, with an iteration less for each extrapolation
    assert fallen.log_likelihoods == trace.log_likelihoods[: len(fallen.log_likelihoods)]
    assert len(fallen.log_likelihoods) + fallen.rejected == 13
    assert mixture.log_density(X).mean() == pytest.approx(fallen.log_likelihoods[-1], rel=1e-9)
    del plain


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("max_iter", [0, 1, 2, 3, 4, 5, 9])
def test_squarem_ends_at_the_mixture_it_returns(covariance_type, max_iter):
    X = overlapping_groups(400)
    mixture, trace = fit_gmm(X, 5, covariance_type=covariance_type, max_iter=max_iter, tol=0, accelerate=True)
    assert trace.n_iter + trace.rejected == max_iter
    assert mixture.log_density(X).mean() == pytest.approx(trace.log_likelihoods[-1], rel=1e-9)


def test_an_extrapolation_without_increase_is_not_convergence(monkeypatch):
    from gmmaudio.mixture import em

    monkeypatch.setattr(em, "extrapolate", lambda first, second, third, floor: second)
    _, trace = fit_gmm(overlapping_groups(), 2, init="random", accelerate=True, tol=1e-6, max_iter=400)
    # the first extrapolation comes after two iterations
    assert trace.n_iter > 10


@pytest.mark.parametrize("covariance_type", TYPES)
def test_squarem_accepts_a_component_without_weight(covariance_type):
    X = np.random.default_rng(0).normal(size=(40, 2))
    covariances = {"diag": np.ones((2, 2)), "full": [np.eye(2)] * 2, "tied": np.eye(2), "spherical": np.ones(2)}
    start = GaussianMixture([1.0, 0.0], [[0.0, 0.0], [1.0, 1.0]], covariances[covariance_type], covariance_type)
    mixture, trace = fit_gmm(X[:4], 2, covariance_type=covariance_type, init=start, accelerate=True, tol=0, max_iter=12)
    assert (np.diff(trace.log_likelihoods) > -1e-9).all()
    assert np.isfinite(mixture.log_density(X)).all()


def test_squarem_stops_only_where_em_has_converged():
    for seed in range(12):
        X = np.random.default_rng(seed).standard_t(3, size=(200, 2))
        mixture, trace = fit_gmm(X, 4, accelerate=True, tol=1e-7, max_iter=5000, rng=np.random.default_rng(seed))
        assert trace.converged
        _, on = fit_gmm(X, 4, init=mixture, tol=0, max_iter=1)
        # one more step of a sequence whose steps shrink
        assert on.log_likelihoods[1] - on.log_likelihoods[0] < 2e-7
