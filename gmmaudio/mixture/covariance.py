"""What differs between covariance types, one small object for each.

With ``z`` a row of numbers, every Gaussian log density is linear in a vector of *moments* of that row: ``z * z, z, 1``
for a diagonal covariance, the products ``z_i z_j`` (i <= j), ``z, 1`` for a full one. Scoring is then one matrix
product with a column of coefficients for each component, and the sufficient statistics are one matrix product more.
A covariance type says how to expand rows to moments, how to turn parameters into coefficients, and how to read
parameters back out of summed moments.

References
----------
Bishop, *Pattern Recognition and Machine Learning* (2006), sections 9.2 and 2.4 (exponential family form).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Variances never fall below this share of the global variance, whatever floor is asked for: at zero the density has
# no bound and the likelihood no maximum.
TINY = 1e-10


class Covariance(Protocol):
    """How one covariance type expands rows, forms coefficients and reads parameters out of moments."""

    name: str

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the covariances."""

    def expand(self, z: Array) -> Array:
        """Moments (n, n_moments) of rows (n, n_features)."""

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Coefficients (n_moments, n_components) such that ``expand(z) @ coefficients`` is log(weight x density)."""

    def estimate(self, n: Array, f: Array, s: Array, floor: float) -> tuple[Array, Array, Mask]:
        """Means, covariances and which components touched the floor, from summed moments."""

    def raise_to(self, covariances: Array, floor: float) -> tuple[Array, Mask]:
        """Covariances at least ``floor`` in every direction, and which components lie on it in all of them."""

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Covariances of the rows multiplied by ``scale`` (n_features,)."""

    def variances(self, covariances: Array) -> Array:
        """Variance of every feature in every component, (n_components, n_features)."""

    def spread(self, covariance: Array) -> Array:
        """Standard deviation vector (n_features,) along one component's widest direction."""

    def colour(self, covariance: Array, noise: Array) -> Array:
        """Rows (n, n_features) of unit normal noise given one component's covariance."""

    def positive(self, covariances: Array) -> bool:
        """Whether every component is a proper Gaussian."""


class Diagonal:
    """Independent features: covariances (n_components, n_features) are variances."""

    name = "diag"

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """(n_components, n_features)."""
        return (n_components, n_features)

    def expand(self, z: Array) -> Array:
        """``[z * z, z, 1]``, shape (n, 2 * n_features + 1)."""
        n, d = z.shape
        moments = np.empty((n, 2 * d + 1))
        np.multiply(z, z, out=moments[:, :d])
        moments[:, d:-1] = z
        moments[:, -1] = 1.0
        return moments

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (2 * n_features + 1, n_components)."""
        precision = 1.0 / covariances
        constant = _log(weights) - 0.5 * (
            np.log(2 * np.pi * covariances).sum(axis=1) + (means * means * precision).sum(axis=1)
        )
        return np.vstack([-0.5 * precision.T, (means * precision).T, constant])

    def estimate(self, n: Array, f: Array, s: Array, floor: float) -> tuple[Array, Array, Mask]:
        """Weighted mean and variance of every feature, variances at least ``floor``.

        Raising a variance to the floor is the exact maximiser under that bound, so the likelihood still never falls.
        """
        means = f / n[:, None]
        return means, *self.raise_to(s / n[:, None] - means * means, floor)

    def raise_to(self, covariances: Array, floor: float) -> tuple[Array, Mask]:
        """Variances at least ``floor``."""
        return np.maximum(covariances, floor), np.all(covariances < floor, axis=1)

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Variances times ``scale`` squared."""
        return covariances * scale * scale

    def variances(self, covariances: Array) -> Array:
        """The covariances themselves."""
        return covariances

    def spread(self, covariance: Array) -> Array:
        """One feature's deviation, zero elsewhere."""
        direction = np.zeros_like(covariance)
        widest = int(covariance.argmax())
        direction[widest] = np.sqrt(covariance[widest])
        return direction

    def colour(self, covariance: Array, noise: Array) -> Array:
        """Noise times the deviations."""
        return noise * np.sqrt(covariance)

    def positive(self, covariances: Array) -> bool:
        """Whether all variances are above zero."""
        return bool((covariances > 0).all())


class Full:
    """Any ellipsoid: covariances (n_components, n_features, n_features)."""

    name = "full"

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """(n_components, n_features, n_features)."""
        return (n_components, n_features, n_features)

    def expand(self, z: Array) -> Array:
        """``[z_i z_j for i <= j, z, 1]``, shape (n, n_features * (n_features + 3) / 2 + 1)."""
        n, d = z.shape
        moments = np.empty((n, d * (d + 1) // 2 + d + 1))
        start = 0
        for i in range(d):
            np.multiply(z[:, i:], z[:, i : i + 1], out=moments[:, start : start + d - i])
            start += d - i
        moments[:, start:-1] = z
        moments[:, -1] = 1.0
        return moments

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (n_features * (n_features + 3) / 2 + 1, n_components)."""
        d = means.shape[1]
        chol = np.linalg.cholesky(covariances)
        root = np.linalg.inv(chol)
        precision = root.transpose(0, 2, 1) @ root
        linear = (precision @ means[:, :, None])[:, :, 0]
        log_det = 2.0 * np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(axis=1)
        constant = _log(weights) - 0.5 * (d * np.log(2 * np.pi) + log_det + (means * linear).sum(axis=1))
        upper = np.triu_indices(d)
        # an off-diagonal product stands once in the moments and twice in the quadratic form
        twice = np.where(upper[0] == upper[1], 0.5, 1.0)
        return np.vstack([-(precision[:, upper[0], upper[1]] * twice).T, linear.T, constant])

    def estimate(self, n: Array, f: Array, s: Array, floor: float) -> tuple[Array, Array, Mask]:
        """Weighted mean and covariance, eigenvalues at least ``floor``.

        Clipping eigenvalues is the exact maximiser under that bound, so the likelihood still never falls.
        """
        k, d = f.shape
        means = f / n[:, None]
        covariances = np.empty((k, d, d))
        upper = np.triu_indices(d)
        covariances[:, upper[0], upper[1]] = s / n[:, None]
        covariances[:, upper[1], upper[0]] = s / n[:, None]
        covariances -= means[:, :, None] * means[:, None, :]
        return means, *self.raise_to(covariances, floor)

    def raise_to(self, covariances: Array, floor: float) -> tuple[Array, Mask]:
        """Eigenvalues at least ``floor``, and at least what rounding leaves positive."""
        result = covariances.copy()
        values, vectors = np.linalg.eigh(covariances)
        least = np.maximum(floor, 8 * values.shape[1] * np.finfo(np.float64).eps * values[:, -1:])
        low = (values < least).any(axis=1)
        raised = (vectors[low] * np.maximum(values[low], least[low])[:, None, :]) @ vectors[low].transpose(0, 2, 1)
        result[low] = (raised + raised.transpose(0, 2, 1)) / 2
        return result, np.all(values < least, axis=1)

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Entry (i, j) times ``scale[i] * scale[j]``."""
        return covariances * scale[:, None] * scale[None, :]

    def variances(self, covariances: Array) -> Array:
        """The diagonals."""
        return np.diagonal(covariances, axis1=1, axis2=2)

    def spread(self, covariance: Array) -> Array:
        """The first principal axis, its length one standard deviation."""
        values, vectors = np.linalg.eigh(covariance)
        axis: Array = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        return axis

    def colour(self, covariance: Array, noise: Array) -> Array:
        """Noise times the Cholesky factor."""
        coloured: Array = noise @ np.linalg.cholesky(covariance).T
        return coloured

    def positive(self, covariances: Array) -> bool:
        """Whether all covariances are symmetric and positive definite."""
        deviation = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
        uneven = np.abs(covariances - covariances.transpose(0, 2, 1))
        if (uneven > 1e-8 * deviation[:, :, None] * deviation[:, None, :]).any():
            return False
        try:
            np.linalg.cholesky(covariances)
        except np.linalg.LinAlgError:
            return False
        return True


COVARIANCES: dict[str, Covariance] = {"diag": Diagonal(), "full": Full()}


def covariance_of(name: str) -> Covariance:
    """Return the covariance type called ``name``.

    Raises
    ------
    SettingError
        If there is none of that name.

    Examples
    --------
    >>> covariance_of("diag").shape(8, 13)
    (8, 13)
    """
    if not isinstance(name, str) or name not in COVARIANCES:
        raise SettingError(f"covariance_type is {name!r}; expected one of {', '.join(COVARIANCES)}")
    return COVARIANCES[name]


def _log(weights: Array) -> Array:
    """Return log weights; that of zero is a number below all others, so that products stay finite."""
    logs: Array = np.log(weights, out=np.full(weights.shape, -1e300), where=weights > 0)
    return logs
