"""The interface of all covariance types, and the functions that they share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

# Smallest variance, as a share of the global variance, whatever floor is asked for: at zero variance the density is
# unbounded and the likelihood has no maximum.
MIN_VARIANCE_SHARE = 1e-10


class Covariance(Protocol):
    """Moments, coefficients, estimates and floors of one covariance type.

    ``k`` is the number of components and ``d`` the number of features. Arrays named ``covariances`` and ``s`` (second
    moments) have the shape that :meth:`shape` returns; weights and ``n`` have shape (k,), means and ``f`` (k, d).
    """

    name: str
    # features are independent within a component: a missing value is left out of a sum
    independent: bool
    # all columns must be scaled by the same number
    isotropic: bool
    # the second moments are summed over all components
    pooled: bool

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """Return the shape of the covariances, which is that of the second moments too.

        Parameters
        ----------
        k, d : int
            Numbers of components and of features.
        """

    def n_parameters(self, k: int, d: int) -> int:
        """Return the number of free parameters of the covariances.

        Parameters
        ----------
        k, d : int
            Numbers of components and of features.
        """

    def n_products(self, d: int) -> int:
        """Return the number of second-order moments of a row; ``d + 1`` moments follow them, the row and a 1.

        Parameters
        ----------
        d : int
            Number of features.
        """

    def write_products(self, z: Floats, out: Floats) -> None:
        """Write the second-order moments of rows to ``out``.

        Parameters
        ----------
        z : ndarray, shape (d, n)
            Rows, one in each column.
        out : ndarray, shape (n_products, n)
            Result.
        """

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Return the coefficients (k, n_moments) such that ``coefficients @ moments`` is log(weight x density).

        Parameters
        ----------
        weights, means, covariances : ndarray
            Of one mixture.
        """

    def shared_root(self, covariances: Array) -> Array | None:
        """Return a matrix R (d, d) such that ``-|R @ z|^2 / 2`` is missing from ``coefficients``, or None.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture. Only a tied covariance has a term that all components share.
        """

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Return the size (k,) of the terms whose sum is a log density near each component.

        The rounding error of the log density is about the sensitivity times the machine epsilon.

        Parameters
        ----------
        means, covariances : ndarray
            Of one mixture, in whitened coordinates.
        """

    def second_moments(self, sums: Array, d: int) -> Array:
        """Return the second moments in the shape of the covariances.

        Parameters
        ----------
        sums : ndarray, shape (k, n_products)
            Summed second-order moments of rows.
        d : int
            Number of features.
        """

    def expected_second_moments(self, n: Array, means: Array, covariances: Array) -> Array:
        """Return the second moments expected of ``n`` rows of each component.

        Parameters
        ----------
        n : ndarray, shape (k,)
            Number of rows.
        means, covariances : ndarray
            Of the components.
        """

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Return the means and covariances of statistics; rounding errors may leave the covariances indefinite.

        A component whose ``n`` is 0 has mean and covariance 0, and no influence on a pooled covariance.

        Parameters
        ----------
        n, f, s : ndarray
            Sufficient statistics.
        """

    def covariances_about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Return the covariances of statistics about means other than their own; 0 where ``n`` is 0.

        Parameters
        ----------
        n, f, s : ndarray
            Sufficient statistics.
        means : ndarray, shape (k, d)
            Centres.
        """

    def apply_floor(self, covariances: Array, floor: float) -> Array:
        """Return the covariances with all variances (eigenvalues) at least ``floor``.

        It is the exact maximiser of the likelihood under that bound.

        Parameters
        ----------
        covariances : ndarray
            May be indefinite by rounding errors.
        floor : float
            Minimum, > 0.
        """

    def at_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Return the number of variances at the floor, and the components (k,) that have no variance above it.

        Parameters
        ----------
        covariances : ndarray
            After :meth:`apply_floor`.
        floor : float
            Minimum, > 0.
        k : int
            Number of components.
        """

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Return the covariances of rows multiplied by ``scale``.

        Parameters
        ----------
        covariances : ndarray
            Of the rows.
        scale : ndarray, shape (d,)
            Factor of each column.
        """

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """Return the variance of every feature in every component, shape (k, d).

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        k, d : int
            Numbers of components and of features.
        """

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """Return the covariance matrix of every component, shape (k, d, d).

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        k, d : int
            Numbers of components and of features.
        """

    def from_variances(self, variances: Array) -> Array:
        """Return covariances with these variances and no correlation; their mean where the type has one variance.

        Parameters
        ----------
        variances : ndarray, shape (k, d)
            Of every feature in every component.
        """

    def widest_axis(self, covariances: Array, j: int, d: int) -> Array:
        """Return the vector (d,) along the widest direction of a component, one standard deviation long.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        j : int
            Index of the component.
        d : int
            Number of features.
        """

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Return standard normal noise transformed to the covariance of a component, shape (n, d).

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        j : int
            Index of the component.
        noise : ndarray, shape (n, d)
            Independent standard normal numbers.
        """

    def apply_precision(self, covariances: Array, j: int, differences: Array) -> Array:
        """Return differences times the inverse of the covariance of a component, shape (n, d).

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        j : int
            Index of the component.
        differences : ndarray, shape (n, d)
            Rows less a mean.
        """

    def log_variances(self, covariances: Array, k: int, d: int) -> tuple[Array, Array]:
        """Return the log determinants: the parts (k, d) that belong to single features, and the rest (k,).

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        k, d : int
            Numbers of components and of features.
        """

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Return the covariances of some components.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        components : ndarray of int
            Indices.
        """

    def marginal(self, covariances: Array, features: npt.NDArray[np.intp]) -> Array:
        """Return the covariances of some features, in the order given.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        features : ndarray of int
            Indices.
        """

    def conditional(self, covariances: Array, n_given: int) -> Array:
        """Return the covariances of all features but the first given the first ones.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture, in whitened coordinates.
        n_given : int
            Number of features whose values are given, >= 0.
        """

    def where(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Return the covariances of ``yes`` where ``mask`` is true, else those of ``no``.

        Parameters
        ----------
        mask : ndarray of bool, shape (k,)
            Components.
        yes, no : ndarray
            Covariances.
        """

    def to_unconstrained(self, covariances: Array) -> Array:
        """Return the covariances as a vector of unbounded parameters.

        Parameters
        ----------
        covariances : ndarray
            Positive definite.
        """

    def from_unconstrained(self, numbers: Array, k: int, d: int) -> Array:
        """Return the covariances of a vector of unbounded parameters.

        Parameters
        ----------
        numbers : ndarray
            As :meth:`to_unconstrained` returns.
        k, d : int
            Numbers of components and of features.
        """

    def is_positive_definite(self, covariances: Array) -> bool:
        """Return whether all covariances are symmetric and positive definite.

        Parameters
        ----------
        covariances : ndarray
            Of one mixture.
        """


def log_weights(weights: Array) -> Array:
    """Return the log weights, with -1e300 for a weight of 0, so that products stay finite.

    Parameters
    ----------
    weights : ndarray, shape (k,)
        Each >= 0.

    Examples
    --------
    >>> log_weights(np.array([1.0, 0.0]))
    array([ 0.e+000, -1.e+300])
    """
    logs: Array = np.log(weights, out=np.full(weights.shape, -1e300), where=weights > 0)
    return logs


def divisor(n: Array) -> Array:
    """Return ``n`` with 1 in place of 0, to divide sums that are 0 there.

    Parameters
    ----------
    n : ndarray, shape (k,)
        Number of rows of each component.

    Examples
    --------
    >>> divisor(np.array([2.0, 0.0]))
    array([2., 1.])
    """
    return np.where(n > 0, n, 1.0)


def moments_of(covariance: Covariance, rows: Array) -> Array:
    """Return the moments of rows, one column for each row: second-order products, the row itself, and a 1.

    Parameters
    ----------
    covariance : Covariance
        Type that the products are for.
    rows : ndarray, shape (n, d)
        Whitened rows without missing values.

    Returns
    -------
    ndarray, shape (n_products + d + 1, n)
        In float64.

    Examples
    --------
    >>> from gmmaudio.mixture.covariance import covariance_of
    >>> moments_of(covariance_of("full"), np.array([[2.0, 3.0]]))[:, 0]
    array([4., 6., 9., 2., 3., 1.])
    """
    n, d = rows.shape
    m = covariance.n_products(d)
    moments = np.ones((m + d + 1, n))
    moments[m:-1] = rows.T
    covariance.write_products(moments[m:-1], moments[:m])
    return moments
