"""Diagonal covariances: the features of a component are independent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance.interface import Array, Floats, Mask, divisor, log_weights


class Diagonal:
    """Diagonal covariances, given as variances (k, d)."""

    name = "diag"
    independent, isotropic, pooled = True, False, False

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(k, d)."""
        return (k, d)

    def n_parameters(self, k: int, d: int) -> int:
        """``k d``."""
        return k * d

    def n_products(self, d: int) -> int:
        """``d``, one for each feature."""
        return d

    def write_products(self, z: Floats, out: Floats) -> None:
        """``z * z``."""
        np.multiply(z, z, out=out)

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, 2 * d + 1)."""
        precision = 1.0 / covariances
        constant = log_weights(weights) - 0.5 * (
            np.log(2 * np.pi * covariances).sum(axis=1) + (means * means * precision).sum(axis=1)
        )
        return np.hstack([-0.5 * precision, means * precision, constant[:, None]])

    def shared_root(self, covariances: Array) -> None:
        """None: the coefficients are complete."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Square root of the summed squares of ``E[z^2] / variance``."""
        size: Array = np.linalg.norm(1.0 + means * means / covariances, axis=1)
        return size

    def second_moments(self, sums: Array, d: int) -> Array:
        """The sums of squares themselves."""
        return sums

    def expected_second_moments(self, n: Array, means: Array, covariances: Array) -> Array:
        """``n (variance + mean^2)``."""
        return n[:, None] * (covariances + means * means)

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted mean and variance of every feature."""
        rows = divisor(n)[:, None]
        means = f / rows
        return means, s / rows - means * means

    def covariances_about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean squares of ``x - mean``."""
        return (s - 2 * means * f + n[:, None] * means * means) / divisor(n)[:, None]

    def apply_floor(self, covariances: Array, floor: float) -> Array:
        """Variances at least ``floor``."""
        return np.maximum(covariances, floor)

    def at_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Variances that equal the floor."""
        low = covariances <= floor
        return int(low.sum()), np.asarray(low.all(axis=1))

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Variances times ``scale`` squared."""
        return covariances * scale * scale

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """The covariances themselves."""
        return covariances

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """Variances on a diagonal."""
        return covariances[:, :, None] * np.eye(d)

    def from_variances(self, variances: Array) -> Array:
        """The variances themselves."""
        return variances

    def widest_axis(self, covariances: Array, j: int, d: int) -> Array:
        """The standard deviation of the widest feature, zero elsewhere."""
        direction = np.zeros(d)
        widest = int(covariances[j].argmax())
        direction[widest] = np.sqrt(covariances[j, widest])
        return direction

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the standard deviations."""
        coloured: Array = noise * np.sqrt(covariances[j])
        return coloured

    def apply_precision(self, covariances: Array, j: int, differences: Array) -> Array:
        """Differences over the variances."""
        scaled: Array = differences / covariances[j]
        return scaled

    def log_variances(self, covariances: Array, k: int, d: int) -> tuple[Array, Array]:
        """Log variances; no rest."""
        return np.log(covariances), np.zeros(k)

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Rows of the variances."""
        return covariances[components]

    def marginal(self, covariances: Array, features: npt.NDArray[np.intp]) -> Array:
        """Columns of the variances."""
        return covariances[:, features]

    def conditional(self, covariances: Array, n_given: int) -> Array:
        """The variances of the others: features are independent within a component."""
        return covariances[:, n_given:]

    def where(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Selected component by component."""
        return np.where(mask[:, None], yes, no)

    def to_unconstrained(self, covariances: Array) -> Array:
        """Log variances."""
        return np.log(covariances).ravel()

    def from_unconstrained(self, numbers: Array, k: int, d: int) -> Array:
        """Exponentials of log variances."""
        return np.exp(numbers).reshape(self.shape(k, d))

    def is_positive_definite(self, covariances: Array) -> bool:
        """Whether all variances are above 0."""
        return bool((covariances > 0).all())
