"""One ellipsoid for all components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from gmmaudio.mixture.covariance.base import Array, Floats, Mask, divisor, log_weights
from gmmaudio.mixture.covariance.full import Full, log_determinants, precisions

FULL = Full()


class Tied:
    """One ellipsoid for all components: covariances (d, d)."""

    name = "tied"
    independent, isotropic, pooled = False, False, True

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(d, d)."""
        return (d, d)

    def n_parameters(self, k: int, d: int) -> int:
        """One triangle."""
        return d * (d + 1) // 2

    def n_products(self, d: int) -> int:
        """None."""
        return 0

    def multiply(self, z: Floats, out: Floats) -> None:
        """None: what is quadratic is the same for all components."""

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, d + 1): the quadratic term is the same for all components, and left to ``root``."""
        chol = np.linalg.cholesky(covariances)
        linear = means @ precisions(chol[None])[0]
        constant = log_weights(weights) - 0.5 * (
            means.shape[1] * np.log(2 * np.pi) + log_determinants(chol[None]) + (means * linear).sum(axis=1)
        )
        return np.hstack([linear, constant[:, None]])

    def root(self, covariances: Array) -> Array:
        """Inverse of the Cholesky factor."""
        root: Array = solve_triangular(np.linalg.cholesky(covariances), np.eye(len(covariances)), lower=True)
        return root

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Root of the summed squares of ``mean' precision_j sqrt(E[z_j^2])``, or of the shared term if that is more."""
        precision = precisions(np.linalg.cholesky(covariances)[None])[0]
        terms = np.linalg.norm(means @ precision * np.sqrt(means * means + np.diagonal(covariances)), axis=1)
        deviation = np.sqrt(np.diagonal(covariances))
        size: Array = np.maximum(terms, np.linalg.norm(precision * deviation[:, None] * deviation))
        return size

    def second(self, sums: Array, d: int) -> Array:
        """The moments hold none: the pooled products are summed apart."""
        return np.zeros((d, d))

    def expected_second(self, n: Array, means: Array, covariances: Array) -> Array:
        """``sum of n covariance + sum of n mean mean'``."""
        second: Array = n.sum() * covariances + (n[:, None] * means).T @ means
        return second

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted means, and the covariance within components."""
        means = f / divisor(n)[:, None]
        return means, _even((s - f.T @ means) / n.sum())

    def about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean products of ``x - mean`` over all components."""
        cross = means.T @ f
        return _even((s - cross - cross.T + (n[:, None] * means).T @ means) / n.sum())

    def raise_to(self, covariances: Array, floor: float) -> Array:
        """Eigenvalues at least ``floor``."""
        raised: Array = FULL.raise_to(covariances[None], floor)[0]
        return raised

    def on_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """All components or none."""
        n_low, low = FULL.on_floor(covariances[None], floor, 1)
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

    def of_variances(self, variances: Array) -> Array:
        """Their means over components, on a diagonal."""
        return np.diag(variances.mean(axis=0))

    def spread(self, covariances: Array, j: int, d: int) -> Array:
        """The first principal axis, its length one standard deviation."""
        return FULL.spread(covariances[None], 0, d)

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the Cholesky factor."""
        return FULL.colour(covariances[None], 0, noise)

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """The one matrix."""
        return covariances

    def choose(self, mask: Mask, yes: Array, no: Array) -> Array:
        """The new matrix: it belongs to no component."""
        return no

    def free(self, covariances: Array) -> Array:
        """The Cholesky factor, its diagonal as logs."""
        return FULL.free(covariances[None])

    def from_free(self, numbers: Array, k: int, d: int) -> Array:
        """The product of such a factor."""
        matrix: Array = FULL.from_free(numbers, 1, d)[0]
        return matrix

    def positive(self, covariances: Array) -> bool:
        """Whether the covariance is symmetric and positive definite."""
        return FULL.positive(covariances[None])


def _even(matrix: Array) -> Array:
    """Return the symmetric part of a matrix that is symmetric but for rounding."""
    return (matrix + matrix.T) / 2
