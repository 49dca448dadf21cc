"""Independent features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance.base import Array, Floats, Mask, divisor, log_weights


class Diagonal:
    """Independent features: covariances (k, d) are variances."""

    name = "diag"
    independent, isotropic, pooled = True, False, False

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(k, d)."""
        return (k, d)

    def n_parameters(self, k: int, d: int) -> int:
        """One for each component and feature."""
        return k * d

    def n_products(self, d: int) -> int:
        """One for each feature."""
        return d

    def multiply(self, z: Floats, out: Floats) -> None:
        """``z * z``."""
        np.multiply(z, z, out=out)

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, 2 * d + 1)."""
        precision = 1.0 / covariances
        constant = log_weights(weights) - 0.5 * (
            np.log(2 * np.pi * covariances).sum(axis=1) + (means * means * precision).sum(axis=1)
        )
        return np.hstack([-0.5 * precision, means * precision, constant[:, None]])

    def root(self, covariances: Array) -> None:
        """Nothing is missing."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Root of the summed squares of ``E[z^2] / variance``."""
        size: Array = np.linalg.norm(1.0 + means * means / covariances, axis=1)
        return size

    def second(self, sums: Array, d: int) -> Array:
        """The sums of squares themselves."""
        return sums

    def expected_second(self, n: Array, means: Array, covariances: Array) -> Array:
        """``n (variance + mean^2)``."""
        return n[:, None] * (covariances + means * means)

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted mean and variance of every feature."""
        some = divisor(n)[:, None]
        means = f / some
        return means, s / some - means * means

    def about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean squares of ``x - mean``."""
        return (s - 2 * means * f + n[:, None] * means * means) / divisor(n)[:, None]

    def raise_to(self, covariances: Array, floor: float) -> Array:
        """Variances at least ``floor``."""
        return np.maximum(covariances, floor)

    def on_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Variances equal to the floor."""
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

    def of_variances(self, variances: Array) -> Array:
        """The variances themselves."""
        return variances

    def spread(self, covariances: Array, j: int, d: int) -> Array:
        """One feature's deviation, zero elsewhere."""
        direction = np.zeros(d)
        widest = int(covariances[j].argmax())
        direction[widest] = np.sqrt(covariances[j, widest])
        return direction

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the deviations."""
        coloured: Array = noise * np.sqrt(covariances[j])
        return coloured

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Rows of the variances."""
        return covariances[components]

    def choose(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Component by component."""
        return np.where(mask[:, None], yes, no)

    def free(self, covariances: Array) -> Array:
        """Log variances."""
        return np.log(covariances).ravel()

    def from_free(self, numbers: Array, k: int, d: int) -> Array:
        """Their exponentials."""
        return np.exp(numbers).reshape(self.shape(k, d))

    def positive(self, covariances: Array) -> bool:
        """Whether all variances are above zero."""
        return bool((covariances > 0).all())
