"""Spherical covariances: one variance for all features of a component."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance.interface import Array, Floats, Mask, divisor, log_weights


class Spherical:
    """Spherical covariances, given as variances (k,)."""

    name = "spherical"
    independent, isotropic, pooled = True, True, False

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(k,)."""
        return (k,)

    def n_parameters(self, k: int, d: int) -> int:
        """``k``, one for each component."""
        return k

    def n_products(self, d: int) -> int:
        """One, the squared length."""
        return 1

    def write_products(self, z: Floats, out: Floats) -> None:
        """``|z|^2``."""
        np.einsum("ij,ij->j", z, z, out=out[0])

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, d + 2)."""
        d = means.shape[1]
        constant = log_weights(weights) - 0.5 * (
            d * np.log(2 * np.pi * covariances) + (means * means).sum(axis=1) / covariances
        )
        return np.hstack([-0.5 / covariances[:, None], means / covariances[:, None], constant[:, None]])

    def shared_root(self, covariances: Array) -> None:
        """None: the coefficients are complete."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Square root of the summed squares of ``E[z^2] / variance``."""
        size: Array = np.linalg.norm(1.0 + means * means / covariances[:, None], axis=1)
        return size

    def second_moments(self, sums: Array, d: int) -> Array:
        """The sums of squared lengths themselves."""
        return sums[:, 0]

    def expected_second_moments(self, n: Array, means: Array, covariances: Array) -> Array:
        """``n (d variance + |mean|^2)``."""
        second: Array = n * (means.shape[1] * covariances + (means * means).sum(axis=1))
        return second

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted mean, and the mean variance of the features."""
        means = f / divisor(n)[:, None]
        return means, (s / divisor(n) - (means * means).sum(axis=1)) / f.shape[1]

    def covariances_about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean squares of ``x - mean``."""
        squares = s - 2 * (means * f).sum(axis=1) + n * (means * means).sum(axis=1)
        mean: Array = squares / divisor(n) / f.shape[1]
        return mean

    def apply_floor(self, covariances: Array, floor: float) -> Array:
        """Variances at least ``floor``."""
        return np.maximum(covariances, floor)

    def at_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Variances that equal the floor."""
        low = covariances <= floor
        return int(low.sum()), low

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Variances times the square of the scale, which must be the same for all columns."""
        if (scale != scale[0]).any():
            raise SettingError(
                "the columns of a spherical mixture were given different scales; expected one scale for all columns"
            )
        rescaled: Array = covariances * scale[0] * scale[0]
        return rescaled

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """The same variance for every feature."""
        return np.repeat(covariances[:, None], d, axis=1)

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """Multiples of the identity."""
        return covariances[:, None, None] * np.eye(d)

    def from_variances(self, variances: Array) -> Array:
        """Means over features."""
        mean: Array = variances.mean(axis=1)
        return mean

    def widest_axis(self, covariances: Array, j: int, d: int) -> Array:
        """One standard deviation along (1, ..., 1), as all directions are equally wide."""
        return np.full(d, np.sqrt(covariances[j] / d))

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the standard deviation."""
        coloured: Array = noise * np.sqrt(covariances[j])
        return coloured

    def apply_precision(self, covariances: Array, j: int, differences: Array) -> Array:
        """Differences over the variance."""
        scaled: Array = differences / covariances[j]
        return scaled

    def log_variances(self, covariances: Array, k: int, d: int) -> tuple[Array, Array]:
        """The same log variance for every feature; no rest."""
        return np.repeat(np.log(covariances)[:, None], d, axis=1), np.zeros(k)

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Some of the variances."""
        return covariances[components]

    def marginal(self, covariances: Array, features: npt.NDArray[np.intp]) -> Array:
        """The same variances."""
        return covariances

    def conditional(self, covariances: Array, n_given: int) -> Array:
        """The same variances: features are independent within a component."""
        return covariances

    def where(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Selected component by component."""
        return np.where(mask, yes, no)

    def to_unconstrained(self, covariances: Array) -> Array:
        """Log variances."""
        return np.log(covariances)

    def from_unconstrained(self, numbers: Array, k: int, d: int) -> Array:
        """Exponentials of log variances."""
        return np.exp(numbers)

    def is_positive_definite(self, covariances: Array) -> bool:
        """Whether all variances are above 0."""
        return bool((covariances > 0).all())
