"""Rows with missing values: exact densities of the observed values, conditional moments of the missing ones.

Where features are independent within a component, a missing value is left out of the sums. Otherwise rows are grouped
by their pattern of observed columns: the marginal mixture of these columns scores them, and missing values have a
conditional mean and covariance under each component. The expected statistics have the form of those of complete rows,
so the M-step is the same.

References
----------
Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach", NIPS 6 (1994).
Little, Rubin, *Statistical Analysis with Missing Data* (2002), section 11.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Mask, covariance_of, log_weights, moments_of
from gmmaudio.mixture.far import Parameters, far_distance, far_rows, log_joint_by_differences, remote_components
from gmmaudio.mixture.patterns import patterns_of
from gmmaudio.mixture.product import exponentiate

Sums = tuple[Array, Array, Array]


def log_joint_observed(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return log(weight x density of the observed values), shape (n_components, n).

    Parameters
    ----------
    covariance : Covariance
        Type of the mixture.
    parameters : tuple of (weights, means, covariances)
        In the coordinates of ``z``.
    z : ndarray, shape (n, n_features)
        Whitened rows with NaN where a value is missing.

    Examples
    --------
    >>> z = np.array([[0.0, np.nan], [np.nan, np.nan]])
    >>> parameters = np.ones(1), np.zeros((1, 2)), np.ones((1, 2))
    >>> (log_joint_observed(covariance_of("diag"), parameters, z) + 0.0).round(4)
    array([[-0.9189,  0.    ]])
    """
    weights, _, _ = parameters
    if covariance.independent:
        return _masked_coefficients(covariance, parameters) @ _masked_moments(z).T
    values = np.repeat(log_weights(weights)[:, None], len(z), axis=1)
    for observed, rows in patterns_of(z):
        if observed.any():
            marginal = _Marginal(covariance, parameters, observed)
            values[:, rows] = marginal.coefficients @ marginal.moments(z[rows])
    return values


def expected_sums(covariance: Covariance, parameters: Parameters, z: Array, row_weights: Array) -> tuple[Sums, Array]:
    """Return the expected statistics of complete rows, and the log density of each row's observed values.

    Parameters
    ----------
    covariance, parameters, z
        As for :func:`log_joint_observed`; every row has at least one value.
    row_weights : ndarray, shape (n,)
        Weight of each row.

    Returns
    -------
    sums : tuple of ndarray
        Sufficient statistics (n, f, s), as :class:`~gmmaudio.mixture.SufficientStats` has them.
    density : ndarray, shape (n,)
        Log density of the observed values, nats.

    Examples
    --------
    >>> parameters = np.ones(1), np.full((1, 2), 3.0), np.ones((1, 2))
    >>> (n, f, s), _ = expected_sums(covariance_of("diag"), parameters, np.array([[2.0, np.nan]]), np.ones(1))
    >>> n, f, s
    (array([1.]), array([[2., 3.]]), array([[ 4., 10.]]))
    """
    if covariance.independent:
        return _masked_sums(covariance, parameters, z, row_weights)
    _, means, _ = parameters
    k, d = means.shape
    n, f, s = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    density = np.empty(len(z))
    for observed, rows in patterns_of(z):
        marginal = _Marginal(covariance, parameters, observed)
        moments = marginal.moments(z[rows])
        values = marginal.coefficients @ moments
        density[rows], total = exponentiate(values)
        values *= row_weights[rows] / total
        pattern_n, pattern_f, pattern_s = marginal.expected_sums(values @ moments.T)
        n += pattern_n
        f += pattern_f
        s += pattern_s
    return (n, f, s.sum(axis=0) if covariance.pooled else s), density


def conditional_means(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return the whitened rows with missing values replaced by their means given the observed ones, in the shape of z.

    Parameters
    ----------
    covariance, parameters, z
        As for :func:`log_joint_observed`.

    Examples
    --------
    >>> parameters = np.ones(1), np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.5, 1.0]]])
    >>> conditional_means(covariance_of("full"), parameters, np.array([[2.0, np.nan]]))
    array([[2., 1.]])
    """
    _, means, _ = parameters
    responsibilities = _responsibilities(covariance, parameters, z)
    complete = z.copy()
    for observed, rows in patterns_of(z):
        if covariance.independent or not observed.any():
            complete[np.ix_(rows, ~observed)] = responsibilities[:, rows].T @ means[:, ~observed]
            continue
        marginal = _Marginal(covariance, parameters, observed)
        complete[np.ix_(rows, ~observed)] = marginal.predict(z[np.ix_(rows, observed)], responsibilities[:, rows])
    return complete


def conditional_moments(
    covariance: Covariance, parameters: Parameters, row: Array, others: npt.NDArray[np.intp]
) -> tuple[Array, Array]:
    """Return the means (n_components, n_others) and covariances of some missing columns of a row given the observed.

    Parameters
    ----------
    covariance, parameters
        As for :func:`log_joint_observed`.
    row : ndarray, shape (n_features,)
        Whitened; NaN where a value is missing.
    others : ndarray of int
        Columns whose values are missing.

    Examples
    --------
    >>> parameters = np.ones(1), np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.5, 1.0]]])
    >>> conditional_moments(covariance_of("full"), parameters, np.array([2.0, np.nan]), np.array([1]))
    (array([[1.]]), array([[[0.75]]]))
    """
    weights, means, covariances = parameters
    observed = ~np.isnan(row)
    order = np.concatenate([np.flatnonzero(observed), others])
    kept = weights, means[:, order], covariance.marginal(covariances, order)
    parts = _ConditionalParts(covariance, kept, observed[order])
    return parts.means(row[None, observed])[:, 0], parts.covariances()


def conditional_covariances(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return the covariance of each row's missing values given the observed ones, (n, d, d); 0 for observed values.

    It is the mean of the components' covariances plus the covariance of their means, by responsibility.

    Parameters
    ----------
    covariance, parameters, z
        As for :func:`log_joint_observed`.

    Examples
    --------
    >>> parameters = np.ones(1), np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.5, 1.0]]])
    >>> conditional_covariances(covariance_of("full"), parameters, np.array([[2.0, np.nan]]))
    array([[[0.  , 0.  ],
            [0.  , 0.75]]])
    """
    responsibilities = _responsibilities(covariance, parameters, z)
    result = np.zeros((*z.shape, z.shape[1]))
    for observed, rows in patterns_of(z):
        if observed.all():
            continue
        parts = _ConditionalParts(covariance, parameters, observed)
        means, shares = parts.means(z[np.ix_(rows, observed)]), responsibilities[:, rows]
        means -= np.einsum("kn,knh->nh", shares, means)
        within = np.tensordot(shares, parts.matrices(), axes=(0, 0))
        between = np.einsum("kn,kni,knj->nij", shares, means, means)
        hidden = np.flatnonzero(~observed)
        result[np.ix_(rows, hidden, hidden)] = within + between
    return result


def _responsibilities(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return the responsibility of each component for every row, shape (n_components, n)."""
    _, means, covariances = parameters
    values = log_joint_observed(covariance, parameters, z)
    with np.errstate(over="ignore"):
        remote = remote_components(means, covariance.sensitivity(means, covariances))
    far = far_rows(z, far_distance(covariance, [parameters], remote))
    if len(far):
        values[:, far] = log_joint_by_differences(covariance, [parameters], z[far])
    _, total = exponentiate(values)
    return np.asarray(values / total)


class _ConditionalParts:
    """The components over the missing columns of one pattern, given the observed ones."""

    def __init__(self, covariance: Covariance, parameters: Parameters, observed: Mask) -> None:
        weights, self._means, covariances = parameters
        self._observed, self._covariance = observed, covariance
        self._n_given = int(observed.sum())
        order = np.concatenate([np.flatnonzero(observed), np.flatnonzero(~observed)])
        self._ordered = covariance.marginal(covariances, order)
        self._shape = len(weights), len(order)

    def means(self, values: Array) -> Array:
        """Return the mean of the missing values given the observed ones (n, n_observed), (k, n, n_missing)."""
        hidden, shift = self._means[:, ~self._observed], values[None] - self._means[:, None, self._observed]
        if self._covariance.independent:
            return np.repeat(hidden[:, None], len(values), axis=1)
        n = self._n_given
        matrices = self._covariance.matrices(self._ordered, *self._shape)
        slopes = np.linalg.solve(matrices[:, :n, :n], matrices[:, :n, n:])
        return np.asarray(hidden[:, None] + shift @ slopes)

    def covariances(self) -> Array:
        """Return the covariances of the missing values given the observed ones, in the shape of the type."""
        return self._covariance.conditional(self._ordered, self._n_given)

    def matrices(self) -> Array:
        """Return them as matrices, (k, n_missing, n_missing)."""
        k, d = self._shape
        return self._covariance.matrices(self.covariances(), k, d - self._n_given)


class _Marginal:
    """The marginal of a full or tied mixture over the observed columns of one pattern."""

    def __init__(self, covariance: Covariance, parameters: Parameters, observed: Mask) -> None:
        weights, means, covariances = parameters
        self._full = covariance_of("full")
        self._observed = observed
        self._means = means
        self._matrices = covariance.matrices(covariances, *means.shape)
        self._observed_matrices = self._matrices[:, observed][:, :, observed]
        self.coefficients = self._full.coefficients(weights, means[:, observed], self._observed_matrices)

    def moments(self, z: Array) -> Array:
        """Return the moments (n_moments, n) of rows' observed values."""
        return moments_of(self._full, z[:, self._observed])

    def _regression(self) -> Array:
        """Return the regression of missing on observed values, shape (n_components, n_missing, n_observed)."""
        cross_covariance = self._matrices[:, self._observed][:, :, ~self._observed]
        slope = np.linalg.solve(self._observed_matrices, cross_covariance).transpose(0, 2, 1)
        return slope.astype(np.float64, copy=False)

    def predict(self, values: Array, responsibilities: Array) -> Array:
        """Return the mean of the missing values given the observed ones, (n, n_missing)."""
        slopes = self._regression()
        intercepts = self._means[:, ~self._observed] - (slopes @ self._means[:, self._observed, None])[:, :, 0]
        mean = responsibilities.T @ intercepts
        for responsibility, slope in zip(responsibilities, slopes, strict=True):
            mean += responsibility[:, None] * (values @ slope.T)
        return mean

    def expected_sums(self, sums: Array) -> Sums:
        """Return the expected statistics of complete rows from the summed moments of their observed values."""
        k, d = self._means.shape
        observed, n_observed = self._observed, int(self._observed.sum())
        n, f = sums[:, -1], sums[:, -1 - n_observed : -1]
        s = self._full.second_moments(sums[:, : -1 - n_observed], n_observed)
        # about the means of the components, the expected missing values are linear in the observed ones
        shift = self._means[:, observed]
        cross = shift[:, :, None] * f[:, None, :]
        products = s - cross - cross.transpose(0, 2, 1) + self._full.expected_second_moments(n, shift, np.zeros_like(s))
        f = f - n[:, None] * shift
        fill = np.zeros((k, d, n_observed))
        fill[:, observed] = np.eye(n_observed)
        fill[:, ~observed] = self._regression()
        centred = (fill @ f[:, :, None])[:, :, 0]
        scatter = fill @ products @ fill.transpose(0, 2, 1)
        residual = self._matrices - fill @ self._matrices[:, observed]
        residual[:, observed] = 0.0
        residual[:, :, observed] = 0.0
        scatter += n[:, None, None] * (residual + residual.transpose(0, 2, 1)) / 2
        cross = self._means[:, :, None] * centred[:, None, :]
        second = scatter + cross + cross.transpose(0, 2, 1)
        return (
            n,
            centred + n[:, None] * self._means,
            self._full.expected_second_moments(n, self._means, np.zeros_like(second)) + second,
        )


def _masked_moments(z: Array) -> Array:
    """Return ``[z * z, z, observed, 1]`` with 0 for missing values, shape (n, 3 * n_features + 1)."""
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
    """Return the sums and densities of :func:`expected_sums` for independent features."""
    _, means, covariances = parameters
    d = means.shape[1]
    moments = _masked_moments(z)
    values = _masked_coefficients(covariance, parameters) @ moments.T
    density, total = exponentiate(values)
    values *= row_weights / total
    sums = values @ moments
    n = sums[:, -1]
    n_missing = n[:, None] - sums[:, 2 * d : -1]
    f = sums[:, d : 2 * d] + n_missing * means
    s = sums[:, :d] + n_missing * (covariance.variances(covariances, *means.shape) + means * means)
    return (n, f, s.sum(axis=1) if covariance.isotropic else s), density
