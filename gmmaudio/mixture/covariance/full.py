"""Full covariances: one matrix for each component."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance.interface import Array, Floats, Mask, divisor, log_weights

# The trace of a whitened covariance that far rows alone can give, and the least share of it that an eigenvalue has.
FAR_VARIANCE = 1e7
FAR_SHARE = 1e-11


class Full:
    """Full covariances, given as matrices (k, d, d)."""

    name = "full"
    independent, isotropic, pooled = False, False, False

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """(k, d, d)."""
        return (k, d, d)

    def n_parameters(self, k: int, d: int) -> int:
        """``k d (d + 1) / 2``: a triangle for each component."""
        return k * d * (d + 1) // 2

    def n_products(self, d: int) -> int:
        """``d (d + 1) / 2``, one for each pair of features."""
        return d * (d + 1) // 2

    def write_products(self, z: Floats, out: Floats) -> None:
        """``z_i z_j for i <= j``."""
        d, start = len(z), 0
        for i in range(d):
            np.multiply(z[i:], z[i], out=out[start : start + d - i])
            start += d - i

    def coefficients(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Shape (k, d * (d + 3) / 2 + 1)."""
        d = means.shape[1]
        chol = np.linalg.cholesky(covariances)
        precision = precisions(chol)
        linear = (precision @ means[:, :, None])[:, :, 0]
        constant = log_weights(weights) - 0.5 * (
            d * np.log(2 * np.pi) + log_determinants(chol) + (means * linear).sum(axis=1)
        )
        upper = np.triu_indices(d)
        # an off-diagonal product occurs once in the moments and twice in the quadratic form
        twice = np.where(upper[0] == upper[1], 0.5, 1.0)
        return np.hstack([-(precision[:, upper[0], upper[1]] * twice), linear, constant[:, None]])

    def shared_root(self, covariances: Array) -> None:
        """None: the coefficients are complete."""

    def sensitivity(self, means: Array, covariances: Array) -> Array:
        """Square root of the summed squares of ``precision_ij sqrt(E[z_i^2] E[z_j^2])``."""
        precision = precisions(np.linalg.cholesky(covariances))
        size = np.sqrt(means * means + np.diagonal(covariances, axis1=1, axis2=2))
        terms: Array = np.linalg.norm(precision * size[:, :, None] * size[:, None, :], axis=(1, 2))
        return terms

    def second_moments(self, sums: Array, d: int) -> Array:
        """The products as symmetric matrices."""
        matrices = np.empty((len(sums), d, d))
        upper = np.triu_indices(d)
        matrices[:, upper[0], upper[1]] = sums
        matrices[:, upper[1], upper[0]] = sums
        return matrices

    def expected_second_moments(self, n: Array, means: Array, covariances: Array) -> Array:
        """``n (covariance + mean mean')``."""
        return n[:, None, None] * (covariances + means[:, :, None] * means[:, None, :])

    def estimate(self, n: Array, f: Array, s: Array) -> tuple[Array, Array]:
        """Weighted mean and covariance."""
        rows = divisor(n)
        means = f / rows[:, None]
        return means, s / rows[:, None, None] - means[:, :, None] * means[:, None, :]

    def covariances_about(self, n: Array, f: Array, s: Array, means: Array) -> Array:
        """Mean products of ``x - mean``."""
        cross = means[:, :, None] * f[:, None, :]
        scatter = s - cross - cross.transpose(0, 2, 1) + n[:, None, None] * means[:, :, None] * means[:, None, :]
        return scatter / divisor(n)[:, None, None]

    def apply_floor(self, covariances: Array, floor: float) -> Array:
        """Eigenvalues at least ``floor``, and above the rounding error of a decomposition."""
        if _all_above(covariances, floor):
            return covariances
        result = covariances.copy()
        values, vectors = np.linalg.eigh(covariances)
        minimum = np.maximum(floor, _rounding(covariances))[:, None]
        low = (values < minimum).any(axis=1)
        raised = (vectors[low] * np.maximum(values[low], minimum[low])[:, None, :]) @ vectors[low].transpose(0, 2, 1)
        result[low] = (raised + raised.transpose(0, 2, 1)) / 2
        return result

    def at_floor(self, covariances: Array, floor: float, k: int) -> tuple[int, Mask]:
        """Eigenvalues that equal the floor, up to the rounding error of a decomposition."""
        if _all_above(covariances, floor):
            return 0, np.zeros(len(covariances), dtype=bool)
        low = np.linalg.eigvalsh(covariances) <= (np.maximum(floor, _rounding(covariances)) * (1 + 1e-6))[:, None]
        return int(low.sum()), np.asarray(low.all(axis=1))

    def rescale(self, covariances: Array, scale: Array) -> Array:
        """Entry (i, j) times ``scale[i] * scale[j]``."""
        return covariances * scale[:, None] * scale[None, :]

    def variances(self, covariances: Array, k: int, d: int) -> Array:
        """The diagonals."""
        return np.diagonal(covariances, axis1=1, axis2=2)

    def matrices(self, covariances: Array, k: int, d: int) -> Array:
        """The covariances themselves."""
        return covariances

    def from_variances(self, variances: Array) -> Array:
        """Variances on diagonals."""
        return variances[:, :, None] * np.eye(variances.shape[1])

    def widest_axis(self, covariances: Array, j: int, d: int) -> Array:
        """The first principal axis, its length one standard deviation."""
        values, vectors = np.linalg.eigh(covariances[j])
        axis: Array = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        return axis

    def colour(self, covariances: Array, j: int, noise: Array) -> Array:
        """Noise times the Cholesky factor."""
        coloured: Array = noise @ np.linalg.cholesky(covariances[j]).T
        return coloured

    def apply_precision(self, covariances: Array, j: int, differences: Array) -> Array:
        """Differences times the inverse matrix."""
        solved: Array = np.linalg.solve(covariances[j], differences.T).T
        return solved

    def log_variances(self, covariances: Array, k: int, d: int) -> tuple[Array, Array]:
        """No feature has a part of its own; the log determinants are the rest."""
        return np.zeros((k, d)), log_determinants(np.linalg.cholesky(covariances))

    def take(self, covariances: Array, components: npt.NDArray[np.intp]) -> Array:
        """Some of the matrices."""
        return covariances[components]

    def marginal(self, covariances: Array, features: npt.NDArray[np.intp]) -> Array:
        """Some rows and columns of the matrices."""
        return covariances[:, features[:, None], features]

    def conditional(self, covariances: Array, n_given: int) -> Array:
        """Products of the lower right blocks of the Cholesky factors."""
        roots = np.linalg.cholesky(covariances)[:, n_given:, n_given:]
        blocks: Array = roots @ roots.transpose(0, 2, 1)
        return blocks

    def where(self, mask: Mask, yes: Array, no: Array) -> Array:
        """Selected component by component."""
        return np.where(mask[:, None, None], yes, no)

    def to_unconstrained(self, covariances: Array) -> Array:
        """Cholesky factors, with the logs of their diagonals."""
        chol = np.linalg.cholesky(covariances)
        d = chol.shape[1]
        chol[:, range(d), range(d)] = np.log(chol[:, range(d), range(d)])
        lower = np.tril_indices(d)
        return np.asarray(chol[:, lower[0], lower[1]], dtype=np.float64).ravel()

    def from_unconstrained(self, numbers: Array, k: int, d: int) -> Array:
        """Products of the Cholesky factors."""
        lower = np.tril_indices(d)
        chol = np.zeros((numbers.size // len(lower[0]), d, d))
        chol[:, lower[0], lower[1]] = numbers.reshape(len(chol), -1)
        chol[:, range(d), range(d)] = np.exp(chol[:, range(d), range(d)])
        return chol @ chol.transpose(0, 2, 1)

    def is_positive_definite(self, covariances: Array) -> bool:
        """Whether all covariances are symmetric and positive definite."""
        std = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
        asymmetry = np.abs(covariances - covariances.transpose(0, 2, 1))
        if (asymmetry > 1e-8 * std[:, :, None] * std[:, None, :]).any():
            return False
        try:
            np.linalg.cholesky(covariances)
        except np.linalg.LinAlgError:
            return False
        return True


def precisions(chol: Floats) -> Array:
    """Return the inverses of matrices given by their Cholesky factors, shape (k, d, d).

    Parameters
    ----------
    chol : ndarray, shape (k, d, d)
        Lower triangles.

    Examples
    --------
    >>> precisions(np.array([[[2.0]]]))
    array([[[0.25]]])
    """
    root = np.linalg.inv(chol)
    precision: Array = root.transpose(0, 2, 1) @ root
    return precision


def log_determinants(chol: Floats) -> Array:
    """Return the log determinants of matrices given by their Cholesky factors, shape (k,).

    Parameters
    ----------
    chol : ndarray, shape (k, d, d)
        Lower triangles.

    Examples
    --------
    >>> log_determinants(np.array([[[2.0]]])).round(4)
    array([1.3863])
    """
    logs: Array = 2.0 * np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(axis=1)
    return logs


def _rounding(covariances: Array) -> Array:
    """Return the smallest eigenvalue (k,) that float64 can tell from 0, beside the others of each matrix."""
    d, total = covariances.shape[1], np.trace(covariances, axis1=1, axis2=2)
    # a matrix that holds far rows and others too must keep its digits in the units of the rows
    share = np.where(total > FAR_VARIANCE, FAR_SHARE, 8 * d * np.finfo(np.float64).eps)
    size: Array = share * total
    return size


def _all_above(covariances: Array, floor: float) -> bool:
    """Return whether all eigenvalues are above the floor, at a tenth of the cost of computing them."""
    bound = np.maximum(floor, _rounding(covariances)) * (1 + 1e-6)
    try:
        np.linalg.cholesky(covariances - bound[:, None, None] * np.eye(covariances.shape[1]))
    except np.linalg.LinAlgError:
        return False
    return True
