"""Squared extrapolation of EM: where two steps lead."""

from __future__ import annotations

import numpy as np

from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture


def extrapolate(
    first: GaussianMixture, second: GaussianMixture, third: GaussianMixture, floor: float
) -> GaussianMixture | None:
    """Return the mixture to which three in a row of EM lead, or None where they lead nowhere.

    Parameters
    ----------
    first, second, third : GaussianMixture
        Each the EM step from the one before.
    floor : float
        Least variance (or eigenvalue), in squared units of the rows, > 0.

    References
    ----------
    Varadhan, Roland, "Simple and globally convergent methods for accelerating the convergence of any EM algorithm",
    Scandinavian Journal of Statistics 35 (2008), scheme S3.

    Examples
    --------
    >>> at = [GaussianMixture([1.0], [[x]], [[1.0]]) for x in (0.0, 0.5, 0.75)]
    >>> extrapolate(*at, floor=0.1).means.round(6)
    array([[1.]])
    """
    a, b, c = (_free(mixture) for mixture in (first, second, third))
    step, bend = b - a, c - 2 * b + a
    size, curvature = float(np.linalg.norm(step)), float(np.linalg.norm(bend))
    # steps of one length lead to infinity, and no step leads anywhere
    if not (np.isfinite(size) and size > 0 and curvature > 1e-8 * size):
        return None
    length = max(1.0, size / curvature)
    return _from_free(a + 2 * length * step + length * length * bend, third, floor)


def _free(mixture: GaussianMixture) -> Array:
    """Return the parameters as one vector of numbers without bounds."""
    # a weight of 0 stays one for all purposes
    logs = np.log(np.maximum(mixture.weights, 1e-300))
    covariance = covariance_of(mixture.covariance_type)
    return np.concatenate([logs, mixture.means.ravel(), covariance.free(mixture.covariances)])


def _from_free(numbers: Array, like: GaussianMixture, floor: float) -> GaussianMixture | None:
    """Return the mixture of such a vector, or None where it is none."""
    k, d = like.means.shape
    covariance = covariance_of(like.covariance_type)
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(numbers[:k] - numbers[:k].max())
        covariances = covariance.from_free(numbers[k + k * d :], k, d)
    if not (np.isfinite(numbers).all() and np.isfinite(covariances).all()):
        return None
    raised = covariance.raise_to(covariances, floor)
    return GaussianMixture(weights / weights.sum(), numbers[k : k + k * d].reshape(k, d), raised, like.covariance_type)
