"""What a covariance type says, and what all of them share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

# Variances never fall below this share of the global variance, whatever floor is asked for: at zero the density has
# no bound and the likelihood no maximum.
TINY = 1e-10


class Covariance(Protocol):
    """How one covariance type expands rows, forms coefficients and reads parameters out of statistics."""

    name: str
    # features are independent within a component: a missing value is left out of a sum
    independent: bool
    # all columns must be scaled alike
    isotropic: bool
    # the second moments are those of all components together
    pooled: bool

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """Shape of the covariances of ``k`` components over ``d`` features, and of their second moments."""

    def n_parameters(self, k: int, d: int) -> int:
        """Free parameters of the covariances."""

    def n_products(self, d: int) -> int:
        """Second-order moments of a row of ``d`` features; ``d + 1`` more follow them, the row and a 1."""

    def multiply(self, z: Floats, out: Floats) -> None:
        """Write the second-order moments of rows, given as columns (d, n), to ``out`` (n_products, n)."""

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Coefficients (k, n_moments) such that ``coefficients @ moments`` is log(weight x density)."""

    def root(self, covariances: Array) -> Array | None:
        """Matrix (d, d) with ``-|root @ z|^2 / 2`` missing from ``coefficients``, or None where nothing is missing."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Size (k,) of the terms whose sum is a log density near each component: it times epsilon is the rounding."""

    def second(self, sums: Array, d: int) -> Array:
        """Second moments in the shape of the covariances, from the sums (k, n_products) of such moments."""

    def expected_second(self, n: Array, means: Array, covariances: Array) -> Array:
        """Second moments that ``n`` (k,) rows of each component have in the mean."""

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Means and covariances from statistics; rounding may leave covariances indefinite.

        A component whose ``n`` is 0 gets means and covariances of 0, and counts for nothing in pooled ones.
        """

    def about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Covariances about given means instead of the statistics' own; 0 where ``n`` is 0."""

    def raise_to(self, covariances: Array, floor: float) -> Array:
        """Covariances at least ``floor`` in every direction: the exact maximiser of the likelihood under that bound."""

    def on_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """How many variances rest on the floor, and which components (k,) do so in every direction."""

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Covariances of the rows multiplied by ``scale`` (d,)."""

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """Variance of every feature in every component, (k, d)."""

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """Covariance matrix of every component, (k, d, d)."""

    def of_variances(self, variances: Array) -> Array:
        """Covariances of components with such variances (k, d) and nothing across; their mean where there is one."""

    def spread(self, covariances: Array, j: int, d: int) -> Array:
        """Vector (d,) along the widest direction of component ``j``, its length one standard deviation."""

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Rows (n, d) of unit normal noise given the covariance of component ``j``."""

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Covariances of some components."""

    def choose(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Covariances of ``yes`` where ``mask`` (k,), else of ``no``."""

    def free(self, covariances: Array) -> Array:
        """A vector of numbers without bounds that says the same."""

    def from_free(self, numbers: Array, k: int, d: int) -> Array:
        """Covariances from such a vector."""

    def positive(self, covariances: Array) -> bool:
        """Whether every component is a proper Gaussian."""


def log_weights(weights: Array) -> Array:
    """Return log weights; that of zero is a number below all others, so that products stay finite."""
    logs: Array = np.log(weights, out=np.full(weights.shape, -1e300), where=weights > 0)
    return logs


def divisor(n: Array) -> Array:
    """Return ``n`` (k,) with 1 in place of 0: what is divided by it is 0 there."""
    return np.where(n > 0, n, 1.0)


def moments_of(covariance: Covariance, rows: Array) -> Array:
    """Return the moments (n_products + d + 1, n) of rows (n, d): products, the row, and a 1, a column for each row."""
    n, d = rows.shape
    m = covariance.n_products(d)
    moments = np.ones((m + d + 1, n))
    moments[m:-1] = rows.T
    covariance.multiply(moments[m:-1], moments[:m])
    return moments
