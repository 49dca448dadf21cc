"""Log densities of blocks of rows as one matrix product, in float32 where its precision suffices.

A float32 product is twice as fast as a float64 one, and its exponentials four times. It is used for float32 rows, and
for every component whose log density is a sum of terms so small that their rounding errors do not matter
(:data:`MAX_SENSITIVITY`). The other components of the same block, blocks with a distant row (:data:`MAX_DISTANCE`) and
blocks with missing values are computed in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Floats, Mask, covariance_of, moments_of
from gmmaudio.mixture.far import Parameters, far_distance, far_rows, log_joint_by_differences, remote_components
from gmmaudio.mixture.whitening import Whitening

# Largest sensitivity (see Covariance.sensitivity) at which a component is computed in float32. The error of a row's
# log density is 3e-7 times the sensitivity (root mean square), so 1e-4 at five times that: docs/decisions/0004.
MAX_SENSITIVITY = 64.0
# A block with a row further from the mean than this many standard deviations is computed in float64.
MAX_DISTANCE = 16.0


@dataclass(frozen=True, eq=False)
class LogJoint:
    """Coefficients of the log(weight x density) of rows under all components of one or more mixtures.

    Parameters
    ----------
    covariance : Covariance
        Type of all mixtures.
    parameters : tuple of (weights, means, covariances)
        Of every mixture, in the coordinates of ``whitening``.
    whitening : Whitening
        Coordinates of the products.
    edges : tuple of int, n_mixtures + 1
        First component of each mixture, and the number of all components.
    coefficients64 : ndarray, shape (n_components, n_moments), float64
        Coefficients, with ``offset`` subtracted from their constants.
    coefficients32 : ndarray, the same in float32, or None
        None where no product may be float32.
    float64_components : ndarray of int
        Components that are always computed in float64.
    float32_error : ndarray, shape (n_float64_components, 1)
        Bound on the error of a float32 product near each of these components, nats: thirty times the measured error.
    offset : float
        Subtracted from all constants, so that sums are near 0, where the resolution of float32 is highest.
    shared_roots : tuple of ndarray, shape (n_features, n_features)
        Root of the quadratic term that the components of each mixture share; empty where there is none.
    remote : ndarray of bool, shape (n_components,)
        Components so narrow and far from 0 that products lose their digits.
    far_distance : float
        Whitened rows beyond it may be near a remote component; infinity where there is none.
    """

    covariance: Covariance
    parameters: tuple[Parameters, ...]
    whitening: Whitening
    edges: tuple[int, ...]
    coefficients64: Array
    coefficients32: npt.NDArray[np.float32] | None
    float64_components: npt.NDArray[np.intp]
    float32_error: Array
    offset: float
    shared_roots: tuple[Array, ...]
    remote: Mask
    far_distance: float

    @property
    def n_components(self) -> int:
        """Number of components of all mixtures together."""
        return len(self.coefficients64)

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""
        return len(self.whitening.centre)

    def shared_term(self, moments: Floats) -> Array:
        """Return the term that all components of a mixture share, (n_mixtures, n), or (1, 1) where it is constant.

        Parameters
        ----------
        moments : ndarray, shape (n_moments, n)
            Of rows.
        """
        if not self.shared_roots:
            return np.full((1, 1), self.offset)
        z = self.whitened_rows(moments).astype(np.float64, copy=False)
        return np.array([self.offset - 0.5 * np.square(root @ z).sum(axis=0) for root in self.shared_roots])

    def whitened_rows(self, moments: Floats) -> Floats:
        """Return a view of the whitened rows among their moments, shape (n_features, n).

        Parameters
        ----------
        moments : ndarray, shape (n_moments, n)
            Of rows.
        """
        return moments[-1 - self.n_features : -1]

    def far_rows(self, rows: Floats) -> tuple[npt.NDArray[np.intp], Array]:
        """Return the indices of rows that may be near a remote component, and these rows whitened, (n, n_features).

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In their own units.
        """
        if self.far_distance == np.inf:
            return _NO_NEAR_ROWS
        z = self.whitening.whiten(rows)
        far = far_rows(z, self.far_distance)
        return far, z[far]

    def far_values(self, z: Array) -> Array:
        """Return log(weight x density of the observed values) of whitened far rows, shape (n_components, n).

        Parameters
        ----------
        z : ndarray, shape (n, n_features)
            Whitened rows.
        """
        return log_joint_by_differences(self.covariance, self.parameters, z)


def log_joint_of(
    covariance_type: str, mixtures: Sequence[Parameters], whitening: Whitening, allow_float32: bool
) -> LogJoint:
    """Return the coefficients of the log(weight x density) under mixtures of whitened rows.

    Parameters
    ----------
    covariance_type : {"diag", "full", "tied", "spherical"}
        Of all mixtures.
    mixtures : sequence of (weights, means, covariances)
        In the coordinates of ``whitening``.
    whitening : Whitening
        With float32 parameters where ``allow_float32``.
    allow_float32 : bool
        Whether products may be float32.

    Returns
    -------
    LogJoint
        With float32 coefficients only where at least half of the components (all, where tied) are insensitive.

    Examples
    --------
    >>> unit = Whitening(np.zeros(1), np.ones(1))
    >>> joint = log_joint_of("diag", [(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))], unit, allow_float32=True)
    >>> joint.coefficients64, joint.coefficients32.dtype
    (array([[-0.5,  0. ,  0.5]]), dtype('float32'))
    """
    covariance = covariance_of(covariance_type)
    double = np.vstack([covariance.coefficients(*parameters) for parameters in mixtures])
    weights = np.concatenate([weights for weights, _, _ in mixtures]) / len(mixtures)
    means = np.vstack([means for _, means, _ in mixtures])
    with np.errstate(over="ignore"):
        sensitivity = np.concatenate([covariance.sensitivity(m, c) for _, m, c in mixtures])
    remote = remote_components(means, sensitivity)
    at_means = (double.T * moments_of(covariance, means)).sum(axis=0)
    if remote.any():
        weights, at_means = np.where(remote, 0.0, weights), np.where(remote, 0.0, at_means)
    # expected log density: that at the mean, less half a nat for each feature
    offset = float(weights @ at_means) - (0.0 if covariance.pooled else means.shape[1] / 2)
    double[:, -1] -= offset
    # sensitive components, and those whose coefficients float32 cannot hold
    exact = np.flatnonzero(~(sensitivity <= MAX_SENSITIVITY) | (np.abs(double[:, :-1]).max(axis=1) > 1e30))
    # computing most components twice would cost more than computing all in float64 once; and the term that components
    # share must be as precise as they are
    use_float32 = allow_float32 and len(exact) <= (0 if covariance.pooled else len(double) / 2)
    roots = [covariance.shared_root(covariances) for _, _, covariances in mixtures]
    return LogJoint(
        covariance=covariance,
        parameters=tuple(mixtures),
        whitening=whitening,
        edges=tuple(itertools.accumulate((len(weights) for weights, _, _ in mixtures), initial=0)),
        coefficients64=double,
        coefficients32=np.clip(double, NEGLIGIBLE, -NEGLIGIBLE).astype(np.float32) if use_float32 else None,
        float64_components=exact if use_float32 else np.arange(0),
        float32_error=1e-5 * sensitivity[exact][:, None] if use_float32 else np.zeros((0, 1)),
        offset=offset,
        shared_roots=tuple(root for root in roots if root is not None),
        remote=remote,
        far_distance=far_distance(covariance, mixtures, remote),
    )


def is_near(columns: Floats) -> bool:
    """Return whether float32 suffices for all of some whitened rows.

    Parameters
    ----------
    columns : ndarray, shape (n_features, n)
        Whitened rows, n >= 1.
    """
    # an overflow of float32 is infinite, and so beyond the bound
    return bool(max(columns.max(), -columns.min()) <= MAX_DISTANCE)


class Block(NamedTuple):
    """Moments and log joint densities of a block of rows, one column for each row.

    Parameters
    ----------
    moments : ndarray, shape (n_moments, n), float32 or float64
        Products, whitened rows, and 1.
    values : ndarray, shape (n_components, n), of the same dtype
        log(weight x density), less :meth:`LogJoint.shared_term`.
    near : ndarray of int
        Indices of rows near a component that is computed in float64.
    near_moments : ndarray, shape (n_moments, n_near), float64
        Moments of these rows.
    """

    moments: Floats
    values: Floats
    near: npt.NDArray[np.intp]
    near_moments: Array


class Workspace:
    """Arrays that are reused for many blocks, as allocating them would cost as much as the sums.

    Parameters
    ----------
    joint : LogJoint
        Coefficients.
    """

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        self._buffers: dict[type[np.floating], tuple[Floats, Floats]] = {}

    def evaluate(self, rows: Floats) -> Block:
        """Return the moments and log joint densities of rows; the next call overwrites them.

        They are float32 for float32 rows of which none is distant, where the mixtures allow it.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In their own units, without missing values.
        """
        joint = self._joint
        if joint.coefficients32 is not None and rows.dtype == np.float32:
            moments, values = self._load(rows, np.float32)
            if is_near(joint.whitened_rows(moments)):
                self._multiply(moments, joint.coefficients32, values)
                return self._refine(rows, moments, values)
        moments, values = self._load(rows, np.float64)
        self._multiply(moments, joint.coefficients64, values)
        return Block(moments, values, *_NO_NEAR_ROWS)

    def evaluate_columns(self, rows: Floats, columns: Floats) -> Block:
        """Return the moments and log joint densities of rows that are whitened already; the next call overwrites them.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In their own units, without missing values.
        columns : ndarray, shape (n_features, n)
            The same, whitened: float64, or float32 where the mixtures allow it and none is distant.
        """
        joint = self._joint
        moments, values = self._arrays(len(rows), columns.dtype.type)
        joint.whitened_rows(moments)[...] = columns
        if columns.dtype == np.float32 and joint.coefficients32 is not None:
            self._multiply(moments, joint.coefficients32, values)
            return self._refine(rows, moments, values)
        self._multiply(moments, joint.coefficients64, values)
        return Block(moments, values, *_NO_NEAR_ROWS)

    def _load(self, rows: Floats, kind: type[np.floating]) -> tuple[Floats, Floats]:
        """Return arrays for moments, in which the whitened rows are filled in, and for values."""
        moments, values = self._arrays(len(rows), kind)
        self._joint.whitening.whiten_columns(rows, self._joint.whitened_rows(moments))
        return moments, values

    def _arrays(self, n: int, kind: type[np.floating]) -> tuple[Floats, Floats]:
        """Return arrays for the moments of ``n`` rows, in which the constant is filled in, and for values."""
        k, m = self._joint.coefficients64.shape
        moments, values = self._buffers.get(kind, (np.empty(0, kind), np.empty(0, kind)))
        if len(values) < k * n:
            moments, values = self._buffers[kind] = np.empty(m * n, kind), np.empty(k * n, kind)
        moments, values = moments[: m * n].reshape(m, n), values[: k * n].reshape(k, n)
        moments[-1] = 1.0
        return moments, values

    def _multiply(self, moments: Floats, coefficients: Floats, values: Floats) -> None:
        z = self._joint.whitened_rows(moments)
        self._joint.covariance.write_products(z, moments[: len(moments) - len(z) - 1])
        np.matmul(coefficients, moments, out=values)

    def _refine(self, rows: Floats, moments: Floats, values: Floats) -> Block:
        """Return a float32 block with the float64 values of sensitive components.

        They are computed for the rows near such a component, and set to a negligible value for all others. A row is
        near where the responsibility of the component within its mixture could exceed 1e-10, given the error of its
        float32 value; that error grows with the distance of the row from the mean.
        """
        joint = self._joint
        if not len(joint.float64_components):
            return Block(moments, values, *_NO_NEAR_ROWS)
        approximate = values[joint.float64_components].astype(np.float64)
        values[joint.float64_components] = NEGLIGIBLE
        error = joint.float32_error * np.maximum(np.square(joint.whitened_rows(moments)).max(axis=0), 1.0)
        mixture_index = np.searchsorted(joint.edges, joint.float64_components, side="right") - 1
        is_near = np.zeros(len(rows), dtype=bool)
        for i in np.unique(mixture_index):
            in_mixture = mixture_index == i
            low, high = (approximate - error)[in_mixture], (approximate + error)[in_mixture]
            largest = np.maximum(values[joint.edges[i] : joint.edges[i + 1]].max(axis=0), low.max(axis=0))
            is_near |= (high > largest - 23.0).any(axis=0)
        near = np.flatnonzero(is_near)
        near_moments = moments_of(joint.covariance, joint.whitening.whiten(rows[near]))
        near_values = joint.coefficients64[joint.float64_components] @ near_moments
        values[np.ix_(joint.float64_components, near)] = np.maximum(near_values, NEGLIGIBLE)
        return Block(moments, values, near, near_moments)


# A log density within the range of float32 whose exponential is 0 relative to all others.
NEGLIGIBLE = -1e30
_NO_NEAR_ROWS = np.arange(0), np.empty((0, 0))

# Lower bound of the exponents: subnormal numbers are computed many times more slowly, and responsibilities far above
# them are negligible already.
MIN_EXPONENTS = {np.dtype(np.float32): -60.0, np.dtype(np.float64): -600.0}


def exponentiate(values: Floats) -> tuple[Array, Floats]:
    """Return the log of the column sums of ``exp(values)``, and overwrite ``values`` by the scaled exponentials.

    Parameters
    ----------
    values : ndarray, shape (n_components, n)
        Log joint densities. They become ``exp(values - max(values))``, at least 1e-26 (float32) or 1e-261 (float64);
        divided by ``totals`` they are the responsibilities.

    Returns
    -------
    logs : ndarray, shape (n,), float64
        Log of the sums of ``exp(values)``.
    totals : ndarray, shape (n,), of the dtype of ``values``
        Sums of the scaled exponentials.

    Examples
    --------
    >>> values = np.log([[1.0], [3.0]])
    >>> logs, totals = exponentiate(values)
    >>> np.exp(logs).round(9), (values / totals).round(9).tolist()
    (array([4.]), [[0.25], [0.75]])
    """
    logs, totals = log_sums(values, [0, len(values)])
    return logs[0], totals[0]


def log_sums(values: Floats, edges: Sequence[int]) -> tuple[Array, Floats]:
    """Return the log sums and totals of :func:`exponentiate` for several mixtures.

    Parameters
    ----------
    values : ndarray, shape (n_components, n)
        Log joint densities under all mixtures; overwritten as :func:`exponentiate` does.
    edges : sequence of int
        First component of each mixture, and the number of all components.

    Returns
    -------
    logs : ndarray, shape (n_mixtures, n), float64
        Log of the sums of ``exp(values)`` of each mixture.
    totals : ndarray, shape (n_mixtures, n), of the dtype of ``values``
        Sums of the scaled exponentials.

    Examples
    --------
    >>> logs, _ = log_sums(np.log([[1.0], [3.0], [5.0]]), [0, 2, 3])
    >>> np.exp(logs).round(9)
    array([[4.],
           [5.]])
    """
    if len(edges) == len(values) + 1:
        # a component alone has its mixture's density, exactly
        logs = values.astype(np.float64)
        values[...] = 1.0
        return logs, values
    maxima, totals = (np.empty((len(edges) - 1, values.shape[1]), values.dtype) for _ in range(2))
    # numpy's maximum is twice as fast against a row as against a scalar; and the loop over mixtures is twice as fast
    # as reduceat, as each part stays in cache
    lowest, ones = (
        np.full(values.shape[1], MIN_EXPONENTS[values.dtype], values.dtype),
        np.ones(len(values), values.dtype),
    )
    for maximum, total, (first, last) in zip(maxima, totals, itertools.pairwise(edges), strict=True):
        part = values[first:last]
        np.max(part, axis=0, out=maximum)
        np.subtract(part, maximum, out=part)
        np.maximum(part, lowest, out=part)
        np.exp(part, out=part)
        np.matmul(ones[first:last], part, out=total)
    return maxima.astype(np.float64) + np.log(totals.astype(np.float64)), totals
