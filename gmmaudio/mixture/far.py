"""Far rows and remote components, computed by differences.

Where far rows do not give a column its scale, they are many scales from 0, and so are the components that stand on
them. The log density of a far row near such a component is a sum of large terms that cancel, and so is the variance
of the component: products of whitened rows would lose all digits. These few rows are computed by their differences to
the components instead, and the moments of remote components are taken about their means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Mask, log_weights
from gmmaudio.mixture.covariance.full import log_determinants
from gmmaudio.mixture.patterns import patterns_of

# Parameters of a mixture of whitened rows: weights, means, covariances; and sufficient statistics n, f, s.
Parameters = tuple[Array, Array, Array]
Sums = tuple[Array, Array, Array]

# A component is remote where its mean is further than this from 0 in some column, and its log density the sum of terms
# larger than that (see Covariance.sensitivity).
REMOTE_DISTANCE = 1e3
REMOTE_SENSITIVITY = 1e8


def remote_components(means: Array, sensitivity: Array) -> Mask:
    """Return a mask of the components that are narrow and far from 0, shape (n_components,).

    Parameters
    ----------
    means : ndarray, shape (n_components, n_features)
        In whitened coordinates.
    sensitivity : ndarray, shape (n_components,)
        Size of the terms of their log densities.

    Examples
    --------
    >>> remote_components(np.array([[0.0], [1e4], [1e4]]), np.array([1.0, 1.0, 1e11]))
    array([False, False,  True])
    """
    remote: Mask = (np.abs(means).max(axis=1) > REMOTE_DISTANCE) & ~(sensitivity <= REMOTE_SENSITIVITY)
    return remote


def far_distance(covariance: Covariance, mixtures: Sequence[Parameters], remote: Mask) -> float:
    """Return the distance from 0, in some column, beyond which rows may be near a remote component.

    Parameters
    ----------
    covariance : Covariance
        Type of all mixtures.
    mixtures : sequence of (weights, means, covariances)
        In whitened coordinates.
    remote : ndarray of bool, shape (n_components,)
        The remote components of all mixtures.

    Returns
    -------
    float
        Infinity where no component is remote; -1 where all rows may be near one, as it is long and narrow.

    Examples
    --------
    >>> from gmmaudio.mixture.covariance import covariance_of
    >>> parameters = np.array([0.5, 0.5]), np.array([[0.0], [1e6]]), np.ones((2, 1))
    >>> far_distance(covariance_of("diag"), [parameters], np.array([False, True]))
    500.0
    """
    if not remote.any():
        return np.inf
    if covariance.independent:
        return REMOTE_DISTANCE / 2
    means = np.vstack([means for _, means, _ in mixtures])
    variances = np.vstack([covariance.variances(c, *m.shape) for _, m, c in mixtures])
    longest, distance = np.sqrt(variances[remote].max(axis=1)), np.abs(means[remote]).max(axis=1)
    return -1.0 if (100 * longest > distance).any() else REMOTE_DISTANCE / 2


def far_rows(z: Array, distance: float) -> npt.NDArray[np.intp]:
    """Return the indices of the rows further from 0 than a distance, in some column.

    Parameters
    ----------
    z : ndarray, shape (n, n_features)
        Whitened rows; NaN where a value is missing.
    distance : float
        Result of :func:`far_distance`.

    Examples
    --------
    >>> far_rows(np.array([[1.0], [1e4]]), 500.0)
    array([1])
    """
    return np.flatnonzero((np.abs(z) > distance).any(axis=1))


def log_joint_by_differences(covariance: Covariance, mixtures: Sequence[Parameters], z: Array) -> Array:
    """Return log(weight x density of the observed values) under all components, shape (n_components, n).

    Parameters
    ----------
    covariance : Covariance
        Type of all mixtures.
    mixtures : sequence of (weights, means, covariances)
        In the coordinates of ``z``.
    z : ndarray, shape (n, n_features)
        Whitened rows; NaN where a value is missing.

    Examples
    --------
    >>> from gmmaudio.mixture.covariance import covariance_of
    >>> parameters = np.ones(1), np.full((1, 1), 1e9), np.ones((1, 1))
    >>> log_joint_by_differences(covariance_of("diag"), [parameters], np.array([[1e9 + 1]])).round(4)
    array([[-1.4189]])
    """
    return np.vstack([_log_joint(covariance, parameters, z) for parameters in mixtures])


def _log_joint(covariance: Covariance, parameters: Parameters, z: Array) -> Array:
    """Return the log joint densities of one mixture, shape (n_components, n)."""
    weights, means, covariances = parameters
    if covariance.independent:
        variances = covariance.variances(covariances, *means.shape)[:, None]
        terms = np.square(z - means[:, None]) / variances + np.log(2 * np.pi * variances)
        independent: Array = log_weights(weights)[:, None] - 0.5 * np.where(np.isnan(z), 0.0, terms).sum(axis=2)
        return independent
    matrices = covariance.matrices(covariances, *means.shape)
    values = np.repeat(log_weights(weights)[:, None], len(z), axis=1)
    for observed, rows in patterns_of(z):
        if observed.any():
            chol = np.linalg.cholesky(matrices[:, observed][:, :, observed])
            difference = z[np.ix_(rows, observed)] - means[:, None, observed]
            standard = difference @ np.linalg.inv(chol).transpose(0, 2, 1)
            constant = observed.sum() * np.log(2 * np.pi) + log_determinants(chol)
            values[:, rows] -= 0.5 * (np.square(standard).sum(axis=2) + constant[:, None])
    return values


def sums_by_differences(
    covariance: Covariance, parameters: Parameters, origin: Array, z: Array, responsibilities: Array
) -> Sums:
    """Return the expected statistics of complete rows about points near the components.

    Parameters
    ----------
    covariance : Covariance
        Type of the mixture.
    parameters : tuple of (weights, means, covariances)
        In the coordinates of ``z``.
    origin : ndarray, shape (n_components, n_features)
        Point of each component that its moments are taken about.
    z : ndarray, shape (n, n_features)
        Whitened rows; NaN where a value is missing.
    responsibilities : ndarray, shape (n_components, n)
        Of each component for every row, times the weight of the row.

    Returns
    -------
    n, f, s : ndarray
        Sufficient statistics of ``z - origin``, as :class:`~gmmaudio.mixture.SufficientStats` has them.

    Examples
    --------
    >>> from gmmaudio.mixture.covariance import covariance_of
    >>> parameters = np.ones(1), np.full((1, 1), 1e9), np.ones((1, 1))
    >>> sums_by_differences(covariance_of("diag"), parameters, parameters[1], np.array([[1e9 + 2]]), np.ones((1, 1)))
    (array([1.]), array([[2.]]), array([[4.]]))
    """
    _, means, covariances = parameters
    shift, n = means - origin, responsibilities.sum(axis=1)
    if covariance.independent:
        missing = np.isnan(z)
        variances = covariance.variances(covariances, *means.shape)[:, None]
        values = np.where(missing, shift[:, None], z - origin[:, None])
        f = (responsibilities[:, None] @ values)[:, 0]
        s = (responsibilities[:, None] @ (np.square(values) + np.where(missing, variances, 0.0)))[:, 0]
        return n, f, s.sum(axis=1) if covariance.isotropic else s
    matrices = covariance.matrices(covariances, *means.shape)
    f, s = np.zeros(means.shape), np.zeros(matrices.shape)
    for observed, rows in patterns_of(z):
        difference = z[np.ix_(rows, observed)] - means[:, None, observed]
        # the regression of all columns on the observed ones
        cross = matrices[:, observed]
        slope = np.linalg.solve(cross[:, :, observed], cross).transpose(0, 2, 1)
        values = difference @ slope.transpose(0, 2, 1) + shift[:, None]
        values[:, :, observed] = z[np.ix_(rows, observed)] - origin[:, None, observed]
        residual = matrices - slope @ cross
        residual[:, observed] = 0.0
        residual[:, :, observed] = 0.0
        shares = responsibilities[:, rows]
        f += (shares[:, None] @ values)[:, 0]
        s += values.transpose(0, 2, 1) @ (values * shares[:, :, None])
        s += shares.sum(axis=1)[:, None, None] * (residual + residual.transpose(0, 2, 1)) / 2
    return n, f, s.sum(axis=0) if covariance.pooled else s
