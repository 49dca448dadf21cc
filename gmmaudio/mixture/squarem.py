"""SQUAREM: squared extrapolation of EM steps."""

from __future__ import annotations

import numpy as np

from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture


def extrapolate(
    first: GaussianMixture, second: GaussianMixture, third: GaussianMixture, floor: float
) -> GaussianMixture | None:
    """Return the extrapolation of three successive mixtures of EM, or None where there is none.

    There is none where the steps do not change, or the parameters overflow.

    Parameters
    ----------
    first, second, third : GaussianMixture
        Each is the EM step from the one before.
    floor : float
        Minimum variance (or eigenvalue), in squared units of the rows, > 0.

    References
    ----------
    Varadhan, Roland, "Simple and globally convergent methods for accelerating the convergence of any EM algorithm",
    Scandinavian Journal of Statistics 35 (2008), scheme S3.

    Examples
    --------
    >>> steps = [GaussianMixture([1.0], [[x]], [[1.0]]) for x in (0.0, 0.5, 0.75)]
    >>> extrapolate(*steps, floor=0.1).means.round(6)
    array([[1.]])
    """
    a, b, c = (_to_unconstrained(mixture) for mixture in (first, second, third))
    step, change = b - a, c - 2 * b + a
    step_norm, change_norm = float(np.linalg.norm(step)), float(np.linalg.norm(change))
    # equal steps would be extrapolated to infinity
    if not (np.isfinite(step_norm) and step_norm > 0 and change_norm > 1e-8 * step_norm):
        return None
    length = max(1.0, step_norm / change_norm)
    return _from_unconstrained(a + 2 * length * step + length * length * change, third, floor)


def _to_unconstrained(mixture: GaussianMixture) -> Array:
    """Return the parameters as one vector of unbounded numbers."""
    # a weight of 0 is kept within 1e-300 of 0
    logs = np.log(np.maximum(mixture.weights, 1e-300))
    covariance = covariance_of(mixture.covariance_type)
    return np.concatenate([logs, mixture.means.ravel(), covariance.to_unconstrained(mixture.covariances)])


def _from_unconstrained(numbers: Array, like: GaussianMixture, floor: float) -> GaussianMixture | None:
    """Return the mixture of a vector of unbounded numbers, or None where its parameters are not finite."""
    k, d = like.means.shape
    covariance = covariance_of(like.covariance_type)
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(numbers[:k] - numbers[:k].max())
        covariances = covariance.from_unconstrained(numbers[k + k * d :], k, d)
    if not (np.isfinite(numbers).all() and np.isfinite(covariances).all()):
        return None
    covariances = covariance.apply_floor(covariances, floor)
    means = numbers[k : k + k * d].reshape(k, d)
    return GaussianMixture(weights / weights.sum(), means, covariances, like.covariance_type)
