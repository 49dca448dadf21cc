"""Rows with missing values, exactly: densities of what is observed, conditional moments of what is not.

Where features are independent within a component, a missing one is left out of the sums. Elsewhere rows are taken by
the pattern of what they have: the marginal mixture of the observed columns scores them, and what is missing has a
conditional mean and covariance under each component. The expected statistics are those of complete rows, so nothing
that follows needs to know.

References
----------
Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach", NIPS 6 (1994).
Little, Rubin, *Statistical Analysis with Missing Data* (2002), section 11.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Mask, covariance_of, log_weights, moments_of
from gmmaudio.mixture.product import Parameters, exponentiate

Sums = tuple[Array, Array, Array]


def log_joint_observed(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return log(weight x density of the observed values), shape (n_components, n).

    Parameters
    ----------
    covariance : Covariance
        Type of the mixture.
    parameters : tuple of (weights, means, covariances)
        In the frame of ``z``.
    z : ndarray, shape (n, n_features)
        Whitened rows with NaN where a value is missing.
    """
    weights, _, _ = parameters
    if covariance.independent:
        return _masked_coefficients(covariance, parameters) @ _masked_moments(z).T
    values = np.repeat(log_weights(weights)[:, None], len(z), axis=1)
    for seen, rows in _patterns(z):
        if seen.any():
            marginal = _Marginal(covariance, parameters, seen)
            values[:, rows] = marginal.coefficients @ marginal.moments(z[rows])
    return values


def expected_sums(covariance: Covariance, parameters: Parameters, z: Array, row_weights: Array) -> tuple[Sums, Array]:
    """Return the expected statistics (n, f, s) of complete rows, and the log density of each row's observed values.

    Parameters
    ----------
    covariance, parameters, z
        As for :func:`log_joint_observed`; every row has a value.
    row_weights : ndarray, shape (n,)
        Weight of each row.
    """
    if covariance.independent:
        return _masked_sums(covariance, parameters, z, row_weights)
    _, means, _ = parameters
    k, d = means.shape
    n, f, s = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    density = np.empty(len(z))
    for seen, rows in _patterns(z):
        marginal = _Marginal(covariance, parameters, seen)
        moments = marginal.moments(z[rows])
        values = marginal.coefficients @ moments
        density[rows], total = exponentiate(values)
        values *= row_weights[rows] / total
        own_n, own_f, own_s = marginal.complete(values @ moments.T)
        n += own_n
        f += own_f
        s += own_s
    return (n, f, s.sum(axis=0) if covariance.pooled else s), density


def conditional_means(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return the rows with each missing value replaced by its mean given the row's observed ones.

    Parameters
    ----------
    covariance, parameters, z
        As for :func:`log_joint_observed`.
    """
    _, means, _ = parameters
    values = log_joint_observed(covariance, parameters, z)
    _, total = exponentiate(values)
    shares = values / total
    complete = z.copy()
    for seen, rows in _patterns(z):
        if covariance.independent or not seen.any():
            complete[np.ix_(rows, ~seen)] = shares[:, rows].T @ means[:, ~seen]
            continue
        marginal = _Marginal(covariance, parameters, seen)
        complete[np.ix_(rows, ~seen)] = marginal.predict(z[np.ix_(rows, seen)], shares[:, rows])
    return complete


def _patterns(z: Array) -> Iterator[tuple[Mask, npt.NDArray[np.intp]]]:
    """Yield each pattern of observed columns with the places of its rows."""
    observed = ~np.isnan(z)
    _, first, pattern = np.unique(np.packbits(observed, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(pattern.ravel(), kind="stable")
    for place, rows in enumerate(np.split(order, np.cumsum(np.bincount(pattern.ravel()))[:-1])):
        yield observed[first[place]], rows


class _Marginal:
    """A full or tied mixture over the observed columns of one pattern."""

    def __init__(self, covariance: Covariance, parameters: Parameters, seen: Mask) -> None:
        weights, means, covariances = parameters
        self._full = covariance_of("full")
        self._seen = seen
        self._means = means
        self._matrices = covariance.matrices(covariances, *means.shape)
        self._observed = self._matrices[:, seen][:, :, seen]
        self.coefficients = self._full.coefficients(weights, means[:, seen], self._observed)

    def moments(self, z: Array) -> Array:
        """Return the moments (n_moments, n) of rows' observed values."""
        return moments_of(self._full, z[:, self._seen])

    def _regression(self) -> Array:
        """Return what a missing value gains from each observed one, (n_components, n_missing, n_observed)."""
        across = self._matrices[:, self._seen][:, :, ~self._seen]
        slope = np.linalg.solve(self._observed, across).transpose(0, 2, 1)
        return slope.astype(np.float64, copy=False)

    def predict(self, observed: Array, shares: Array) -> Array:
        """Return the mean of the missing values given the observed ones, (n, n_missing)."""
        slope = self._regression()
        level = self._means[:, ~self._seen] - (slope @ self._means[:, self._seen, None])[:, :, 0]
        mean = shares.T @ level
        for share, own in zip(shares, slope, strict=True):
            mean += share[:, None] * (observed @ own.T)
        return mean

    def complete(self, sums: Array) -> Sums:
        """Return the expected statistics of complete rows from the summed moments of their observed values."""
        k, d = self._means.shape
        seen, n_seen = self._seen, int(self._seen.sum())
        n, f = sums[:, -1], sums[:, -1 - n_seen : -1]
        s = self._full.second(sums[:, : -1 - n_seen], n_seen)
        # about the means, where a missing value's own mean is a linear function of the observed ones
        shift = self._means[:, seen]
        cross = shift[:, :, None] * f[:, None, :]
        products = s - cross - cross.transpose(0, 2, 1) + self._full.expected_second(n, shift, np.zeros_like(s))
        f = f - n[:, None] * shift
        fill = np.zeros((k, d, n_seen))
        fill[:, seen] = np.eye(n_seen)
        fill[:, ~seen] = self._regression()
        centred = (fill @ f[:, :, None])[:, :, 0]
        scatter = fill @ products @ fill.transpose(0, 2, 1)
        rest = self._matrices - fill @ self._matrices[:, seen]
        rest[:, seen] = 0.0
        rest[:, :, seen] = 0.0
        scatter += n[:, None, None] * (rest + rest.transpose(0, 2, 1)) / 2
        cross = self._means[:, :, None] * centred[:, None, :]
        second = scatter + cross + cross.transpose(0, 2, 1)
        return (
            n,
            centred + n[:, None] * self._means,
            self._full.expected_second(n, self._means, np.zeros_like(second)) + second,
        )


def _masked_moments(z: Array) -> Array:
    """Return ``[z * z, z, observed, 1]`` with 0 for what is missing, shape (n, 3 * n_features + 1)."""
    observed = ~np.isnan(z)
    filled = np.where(observed, z, 0.0)
    return np.hstack([filled * filled, filled, observed, np.ones((len(z), 1))])


def _masked_coefficients(covariance: Covariance, parameters: Parameters) -> Array:
    """Return the coefficients (n_components, 3 * n_features + 1) of masked moments."""
    weights, means, covariances = parameters
    variances = covariance.variances(covariances, *means.shape)
    constant = -0.5 * (np.log(2 * np.pi * variances) + means * means / variances)
    return np.hstack([-0.5 / variances, means / variances, constant, log_weights(weights)[:, None]])


def _masked_sums(covariance: Covariance, parameters: Parameters, z: Array, row_weights: Array) -> tuple[Sums, Array]:
    """Return :func:`expected_sums` of independent features."""
    _, means, covariances = parameters
    d = means.shape[1]
    moments = _masked_moments(z)
    values = _masked_coefficients(covariance, parameters) @ moments.T
    density, total = exponentiate(values)
    values *= row_weights / total
    sums = values @ moments
    n = sums[:, -1]
    unseen = n[:, None] - sums[:, 2 * d : -1]
    f = sums[:, d : 2 * d] + unseen * means
    s = sums[:, :d] + unseen * (covariance.variances(covariances, *means.shape) + means * means)
    return (n, f, s.sum(axis=1) if covariance.isotropic else s), density
