"""Tied covariances: one matrix for all components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance.full import Full, log_determinants, precisions
from gmmaudio.mixture.covariance.interface import Array, Floats, Mask, divisor, log_weights

FULL = Full()


class Tied:
    """A tied covariance, given as one matrix (d, d)."""

    name = "tied"
    independent, isotropic, pooled = False, False, True

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(d, d)."""
        return (d, d)

    def n_parameters(self, k: int, d: int) -> int:
        """``d (d + 1) / 2``: one triangle."""
        return d * (d + 1) // 2

    def n_products(self, d: int) -> int:
        """None: the quadratic term is the same for all components."""
        return 0

    def write_products(self, z: Floats, out: Floats) -> None:
        """Nothing to write: the quadratic term is the same for all components."""

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, d + 1): the shared quadratic term is left to ``shared_root``."""
        chol = np.linalg.cholesky(covariances)
        linear = means @ precisions(chol[None])[0]
        constant = log_weights(weights) - 0.5 * (
            means.shape[1] * np.log(2 * np.pi) + log_determinants(chol[None]) + (means * linear).sum(axis=1)
        )
        return np.hstack([linear, constant[:, None]])

    def shared_root(self, covariances: Array) -> Array:
        """Inverse of the Cholesky factor."""
        root: Array = np.linalg.inv(np.linalg.cholesky(covariances))
        return root

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Norm of ``mean' precision_j sqrt(E[z_j^2])``, or that of the shared term where it is larger."""
        precision = precisions(np.linalg.cholesky(covariances)[None])[0]
        terms = np.linalg.norm(means @ precision * np.sqrt(means * means + np.diagonal(covariances)), axis=1)
        std = np.sqrt(np.diagonal(covariances))
        size: Array = np.maximum(terms, np.linalg.norm(precision * std[:, None] * std))
        return size

    def second_moments(self, sums: Array, d: int) -> Array:
        """Zeros: the moments have no products, as those of all components are summed separately."""
        return np.zeros((d, d))

    def expected_second_moments(self, n: Array, means: Array, covariances: Array) -> Array:
        """``sum(n) covariance + sum(n mean mean')``."""
        second: Array = n.sum() * covariances + (n[:, None] * means).T @ means
        return second

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted means, and the pooled covariance within components."""
        means = f / divisor(n)[:, None]
        return means, _symmetric((s - f.T @ means) / n.sum())

    def covariances_about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean products of ``x - mean`` over all components."""
        cross = means.T @ f
        return _symmetric((s - cross - cross.T + (n[:, None] * means).T @ means) / n.sum())

    def apply_floor(self, covariances: Array, floor: float) -> Array:
        """Eigenvalues at least ``floor``."""
        raised: Array = FULL.apply_floor(covariances[None], floor)[0]
        return raised

    def at_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """The same for all components."""
        n_low, low = FULL.at_floor(covariances[None], floor, 1)
        return n_low, np.repeat(low, k)

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Entry (i, j) times ``scale[i] * scale[j]``."""
        return covariances * scale[:, None] * scale[None, :]

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """The same diagonal for every component."""
        return np.repeat(np.diagonal(covariances)[None], k, axis=0)

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """The same matrix for every component."""
        return np.repeat(covariances[None], k, axis=0)

    def from_variances(self, variances: Array) -> Array:
        """Means over components, on a diagonal."""
        return np.diag(variances.mean(axis=0))

    def widest_axis(self, covariances: Array, j: int, d: int) -> Array:
        """The first principal axis, its length one standard deviation."""
        return FULL.widest_axis(covariances[None], 0, d)

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the Cholesky factor."""
        return FULL.colour(covariances[None], 0, noise)

    def apply_precision(self, covariances: Array, j: int, differences: Array) -> Array:
        """Differences times the inverse matrix."""
        return FULL.apply_precision(covariances[None], 0, differences)

    def log_variances(self, covariances: Array, k: int, d: int) -> tuple[Array, Array]:
        """No feature has a part of its own; the log determinant is the rest of every component."""
        columns, rest = FULL.log_variances(covariances[None], 1, d)
        return np.repeat(columns, k, axis=0), np.repeat(rest, k)

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """The same matrix."""
        return covariances

    def marginal(self, covariances: Array, features: npt.NDArray[np.intp]) -> Array:
        """Some rows and columns of the matrix."""
        return covariances[features[:, None], features]

    def conditional(self, covariances: Array, n_given: int) -> Array:
        """The lower right block, of one matrix."""
        block: Array = FULL.conditional(covariances[None], n_given)[0]
        return block

    def where(self, mask: Mask, yes: Array, no: Array) -> Array:
        """``no``: the matrix belongs to no component."""
        return no

    def to_unconstrained(self, covariances: Array) -> Array:
        """The Cholesky factor, with the log of its diagonal."""
        return FULL.to_unconstrained(covariances[None])

    def from_unconstrained(self, numbers: Array, k: int, d: int) -> Array:
        """The product of the Cholesky factor."""
        matrix: Array = FULL.from_unconstrained(numbers, 1, d)[0]
        return matrix

    def is_positive_definite(self, covariances: Array) -> bool:
        """Whether the covariance is symmetric and positive definite."""
        return FULL.is_positive_definite(covariances[None])


def _symmetric(matrix: Array) -> Array:
    """Return the symmetric part of a matrix that is symmetric up to rounding errors."""
    return (matrix + matrix.T) / 2
