"""Exact additive parts of log densities: by feature, and along the line from a reference to a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.sources import as_rows

# rows as they come, float32 or float64
Matrix = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class DensityParts:
    """Parts of the log density of rows under a mixture, nats, whose sum is the log density.

    ``log sum_k w_k N_k(x) = sum_k r_k (log w_k + log N_k(x) - log r_k)`` with the responsibilities ``r``. The log
    density of a component is a quadratic form and a log determinant; feature ``i`` has the terms
    ``-(x_i - m_i) [P (x - m)]_i / 2`` of the form, so that a product of two features is shared equally between them.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Part of every feature, with its log variance where the features of a component are independent.
    volume : ndarray, shape (n,)
        Part of the log determinants that belongs to no single feature.
    weights : ndarray, shape (n,)
        Part of the log weights of the components.
    entropy : ndarray, shape (n,)
        Entropy of the responsibilities: 0 where one component has the row.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    >>> split_log_density(mixture, np.array([[0.0, 2.0]])).features.round(3)
    array([[-0.919, -2.919]])
    """

    features: Array
    volume: Array
    weights: Array
    entropy: Array


@dataclass(frozen=True, eq=False)
class DensityLine:
    """Log densities as functions of rows: ``log p(x) = slopes . (x - reference) + constant``, for every row its own.

    A quadratic function changes along a straight line by the difference of its ends times its slope halfway between
    them, exactly. Responsibilities are taken as they are at the row.

    Parameters
    ----------
    slopes : ndarray, shape (n, d)
        Nats for a unit of each feature.
    constant : ndarray, shape (n,)
        Log density of the reference under the components that answer for the row, nats.

    References
    ----------
    Aumann, Shapley, "Values of non-atomic games", Princeton University Press (1974): the part of a feature is its
    share along a straight line.

    Examples
    --------
    >>> line = linearise_log_density(GaussianMixture([1.0], [[1.0]], [[1.0]]), np.array([[4.0]]), np.zeros(1))
    >>> line.slopes, line.constant.round(3)
    (array([[-1.]]), array([-1.419]))
    """

    slopes: Array
    constant: Array


def split_log_density(mixture: GaussianMixture, X: Matrix) -> DensityParts:
    """Return the parts of the log density of every row.

    Parameters
    ----------
    mixture : GaussianMixture
        Any mixture.
    X : ndarray, shape (n, n_features)
        Rows without missing values; computed in float64.

    Raises
    ------
    MixtureError
        If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> parts = split_log_density(mixture, np.array([[0.0]]))
    >>> parts.features.round(3), parts.entropy.round(3), parts.weights.round(3)
    (array([[-1.419]]), array([0.693]), array([-0.693]))
    """
    rows = as_rows(X, mixture.n_features).astype(np.float64)
    shares = mixture.responsibilities(rows)
    log_variances, rest = covariance_of(mixture.covariance_type).log_variances(*_sizes(mixture))
    features = np.zeros(rows.shape)
    for k, share, difference, solved in _components(mixture, rows, shares):
        features -= 0.5 * share * (difference * solved + log_variances[k] + np.log(2 * np.pi))
    return DensityParts(features, -0.5 * shares @ rest, *_choice(mixture, shares))


def linearise_log_density(mixture: GaussianMixture, X: Matrix, reference: Array) -> DensityLine:
    """Return the log density of every row as a line through a reference and the row.

    Parameters
    ----------
    mixture : GaussianMixture
        Any mixture.
    X : ndarray, shape (n, n_features)
        Rows without missing values; computed in float64.
    reference : ndarray, shape (n_features,)
        The other end of each line.

    Raises
    ------
    MixtureError
        If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

    Examples
    --------
    >>> mixture, row, reference = GaussianMixture([1.0], [[1.0]], [[1.0]]), np.array([[4.0]]), np.array([2.0])
    >>> line = linearise_log_density(mixture, row, reference)
    >>> bool(np.isclose((line.slopes * (row - reference)).sum() + line.constant, mixture.log_density(row)))
    True
    """
    rows = as_rows(X, mixture.n_features).astype(np.float64)
    shares = mixture.responsibilities(rows)
    slopes = np.zeros(rows.shape)
    for _, share, _, solved in _components(mixture, (rows + reference) / 2, shares):
        slopes -= share * solved
    all_components = _components(mixture, reference[None], np.ones((1, mixture.n_components)))
    distances = np.array([(difference * solved).sum() for _, _, difference, solved in all_components])
    log_variances, rest = covariance_of(mixture.covariance_type).log_variances(*_sizes(mixture))
    at_reference = -0.5 * (distances + (log_variances + np.log(2 * np.pi)).sum(axis=1) + rest)
    weights, entropy = _choice(mixture, shares)
    return DensityLine(slopes, shares @ at_reference + weights + entropy)


def _sizes(mixture: GaussianMixture) -> tuple[Array, int, int]:
    """Return the covariances of a mixture, and its numbers of components and of features."""
    return mixture.covariances, mixture.n_components, mixture.n_features


def _components(mixture: GaussianMixture, rows: Array, shares: Array) -> Iterator[tuple[int, Array, Array, Array]]:
    """Yield for each component that answers: index, responsibilities (n, 1), differences, these times the precision."""
    covariance = covariance_of(mixture.covariance_type)
    for k in np.flatnonzero(shares.any(axis=0)).tolist():
        difference = rows - mixture.means[k]
        yield k, shares[:, k, None], difference, covariance.apply_precision(mixture.covariances, k, difference)


def _choice(mixture: GaussianMixture, shares: Array) -> tuple[Array, Array]:
    """Return the parts of the log weights and of the entropy of the responsibilities, shape (n,) each."""
    # a component without weight has no share of any row
    logs = np.log(mixture.weights, out=np.zeros(mixture.n_components), where=mixture.weights > 0)
    entropy = -(shares * np.log(shares, out=np.zeros(shares.shape), where=shares > 0)).sum(axis=1)
    return shares @ logs, entropy


def component_distances(mixture: GaussianMixture, k: int, X: Matrix, centre: Array) -> Array:
    """Return the Mahalanobis distance of every row from a centre, shape (n,), in standard deviations of a component.

    Parameters
    ----------
    mixture : GaussianMixture
        Any mixture.
    k : int
        Index of the component.
    X : ndarray, shape (n, n_features)
        Rows without missing values.
    centre : ndarray, shape (n_features,)
        The centre.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[4.0, 1.0]])
    >>> component_distances(mixture, 0, np.array([[4.0, 0.0]]), np.zeros(2))
    array([2.])
    """
    difference = np.asarray(X, dtype=np.float64) - centre
    solved = covariance_of(mixture.covariance_type).apply_precision(mixture.covariances, k, difference)
    distances: Array = np.sqrt(np.maximum((difference * solved).sum(axis=1), 0.0))
    return distances
