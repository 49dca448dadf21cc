"""One variance for all features of a component."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance.base import Array, Floats, Mask, divisor, log_weights


class Spherical:
    """One variance for all features of a component: covariances (k,)."""

    name = "spherical"
    independent, isotropic, pooled = True, True, False

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(k,)."""
        return (k,)

    def n_parameters(self, k: int, d: int) -> int:
        """One for each component."""
        return k

    def n_products(self, d: int) -> int:
        """One."""
        return 1

    def multiply(self, z: Floats, out: Floats) -> None:
        """``|z|^2``."""
        np.einsum("ij,ij->j", z, z, out=out[0])

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, d + 2)."""
        d = means.shape[1]
        constant = log_weights(weights) - 0.5 * (
            d * np.log(2 * np.pi * covariances) + (means * means).sum(axis=1) / covariances
        )
        return np.hstack([-0.5 / covariances[:, None], means / covariances[:, None], constant[:, None]])

    def root(self, covariances: Array) -> None:
        """Nothing is missing."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Root of the summed squares of ``E[z^2] / variance``."""
        size: Array = np.linalg.norm(1.0 + means * means / covariances[:, None], axis=1)
        return size

    def second(self, sums: Array, d: int) -> Array:
        """The sums of squared lengths themselves."""
        return sums[:, 0]

    def expected_second(self, n: Array, means: Array, covariances: Array) -> Array:
        """``n (d variance + |mean|^2)``."""
        second: Array = n * (means.shape[1] * covariances + (means * means).sum(axis=1))
        return second

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted mean, and the mean of all features' variances."""
        means = f / divisor(n)[:, None]
        return means, (s / divisor(n) - (means * means).sum(axis=1)) / f.shape[1]

    def about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean squares of ``x - mean``."""
        squares = s - 2 * (means * f).sum(axis=1) + n * (means * means).sum(axis=1)
        mean: Array = squares / divisor(n) / f.shape[1]
        return mean

    def raise_to(self, covariances: Array, floor: float) -> Array:
        """Variances at least ``floor``."""
        return np.maximum(covariances, floor)

    def on_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Variances equal to the floor."""
        low = covariances <= floor
        return int(low.sum()), low

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Variances times the one scale squared."""
        if (scale != scale[0]).any():
            raise SettingError("a spherical mixture stays one only where all columns are scaled alike; pass one scale")
        rescaled: Array = covariances * scale[0] * scale[0]
        return rescaled

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """The same for every feature."""
        return np.repeat(covariances[:, None], d, axis=1)

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """Multiples of the identity."""
        return covariances[:, None, None] * np.eye(d)

    def of_variances(self, variances: Array) -> Array:
        """Their means over features."""
        mean: Array = variances.mean(axis=1)
        return mean

    def spread(self, covariances: Array, j: int, d: int) -> Array:
        """The deviation along the diagonal of the axes: no axis is wider than another."""
        return np.full(d, np.sqrt(covariances[j] / d))

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the deviation."""
        coloured: Array = noise * np.sqrt(covariances[j])
        return coloured

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Some of the variances."""
        return covariances[components]

    def choose(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Component by component."""
        return np.where(mask, yes, no)

    def free(self, covariances: Array) -> Array:
        """Log variances."""
        return np.log(covariances)

    def from_free(self, numbers: Array, k: int, d: int) -> Array:
        """Their exponentials."""
        return np.exp(numbers)

    def positive(self, covariances: Array) -> bool:
        """Whether all variances are above zero."""
        return bool((covariances > 0).all())
