"""Log densities of blocks of rows as one matrix product, in float32 where that loses nothing that matters.

A float32 product is twice as fast as a float64 one, and its exponentials four times. It is used for float32 rows, and
for every component whose log density is a sum of terms small enough for their rounding not to show
(:data:`SENSITIVITY`). The other components of the same block, blocks with a row far out (:data:`FAR`) and blocks with
missing values are computed in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Floats, covariance_of, moments_of
from gmmaudio.mixture.rows import Frame

# Parameters of a mixture in some frame: weights, means, covariances.
Parameters = tuple[Array, Array, Array]

# The largest sensitivity (see Covariance.sensitivity) at which a component is computed in float32. A row's log density
# is then off by 3e-7 times it (root mean square), so by 1e-4 at five deviations: docs/decisions/0004.
SENSITIVITY = 64.0
# A block with a row further out than this many deviations is computed in float64.
FAR = 16.0


@dataclass(frozen=True, eq=False)
class LogJoint:
    """What it takes to compute log(weight x density) of rows under all components of some mixtures.

    Parameters
    ----------
    covariance : Covariance
        Type of all mixtures.
    parameters : tuple of (weights, means, covariances)
        Of every mixture, in ``frame``.
    frame : Frame
        Coordinates of the products.
    edges : tuple of int, n_mixtures + 1
        First component of each mixture, and their number.
    double : ndarray, shape (n_components, n_moments), float64
        Coefficients, their constants less ``offset``.
    single : ndarray, the same in float32, or None
        None where no product may be float32.
    exact : ndarray of int
        Components that are computed in float64 at all times.
    doubt : ndarray, shape (n_exact, 1)
        What a float32 product may be wrong by for each of those near it, nats: thirty times what is measured.
    offset : float
        Taken out of all constants, so that sums are near 0, where float32 is finest.
    roots : tuple of ndarray, shape (n_features, n_features)
        For each mixture, the quadratic term that its components share; empty where there is none.
    """

    covariance: Covariance
    parameters: tuple[Parameters, ...]
    frame: Frame
    edges: tuple[int, ...]
    double: Array
    single: npt.NDArray[np.float32] | None
    exact: npt.NDArray[np.intp]
    doubt: Array
    offset: float
    roots: tuple[Array, ...]

    @property
    def n_components(self) -> int:
        """Components of all mixtures together."""
        return len(self.double)

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return len(self.frame.centre)

    def common(self, moments: Floats) -> Array:
        """Return what all components of a mixture have in common, (n_mixtures, n), or (1, 1) where it is a number."""
        if not self.roots:
            return np.full((1, 1), self.offset)
        z = self.columns(moments).astype(np.float64, copy=False)
        return np.array([self.offset - 0.5 * np.square(root @ z).sum(axis=0) for root in self.roots])

    def columns(self, moments: Floats) -> Floats:
        """Return the whitened rows in their moments, (n_features, n)."""
        return moments[-1 - self.n_features : -1]


def log_joint_of(covariance_type: str, mixtures: Sequence[Parameters], frame: Frame, single: bool) -> LogJoint:
    """Return the coefficients of some mixtures, given in units of ``frame``.

    Parameters
    ----------
    covariance_type : str
        Of all mixtures.
    mixtures : sequence of (weights, means, covariances)
        In ``frame``.
    frame : Frame
        Of float32 numbers if ``single``.
    single : bool
        Whether products may be float32.
    """
    covariance = covariance_of(covariance_type)
    double = np.vstack([covariance.coefficients(*parameters) for parameters in mixtures])
    weights = np.concatenate([weights for weights, _, _ in mixtures]) / len(mixtures)
    means = np.vstack([means for _, means, _ in mixtures])
    here = moments_of(covariance, means)
    # log density at the mean, and half a nat for each feature below it where rows lie
    offset = float(weights @ (double.T * here).sum(axis=0)) - (0.0 if covariance.pooled else means.shape[1] / 2)
    double[:, -1] -= offset
    with np.errstate(over="ignore"):
        sensitivity = np.concatenate([covariance.sensitivity(m, c) for _, m, c in mixtures])
    # and so is what float32 cannot hold
    exact = np.flatnonzero(~(sensitivity <= SENSITIVITY) | (np.abs(double[:, :-1]).max(axis=1) > 1e30))
    # most of it twice would cost more than all of it once; and what components share must be as fine as they are
    single = single and len(exact) <= (0 if covariance.pooled else len(double) / 2)
    roots = [covariance.root(covariances) for _, _, covariances in mixtures]
    return LogJoint(
        covariance=covariance,
        parameters=tuple(mixtures),
        frame=frame,
        edges=tuple(itertools.accumulate((len(weights) for weights, _, _ in mixtures), initial=0)),
        double=double,
        single=np.clip(double, NOWHERE, -NOWHERE).astype(np.float32) if single else None,
        exact=exact if single else np.arange(0),
        doubt=1e-5 * sensitivity[exact][:, None] if single else np.zeros((0, 1)),
        offset=offset,
        roots=tuple(root for root in roots if root is not None),
    )


class Block(NamedTuple):
    """Moments and log joint of some rows, a column for each.

    Parameters
    ----------
    moments : ndarray, shape (n_moments, n), float32 or float64
        Products, whitened rows, and 1.
    values : ndarray, shape (n_components, n), of the same kind
        log(weight x density), less :meth:`LogJoint.common`.
    near : ndarray of int
        Rows near a component that is computed in float64.
    fine : ndarray, shape (n_moments, n_near), float64
        Moments of those.
    """

    moments: Floats
    values: Floats
    near: npt.NDArray[np.intp]
    fine: Array


class Workspace:
    """Arrays that the blocks of one chunk share: fresh memory for each would cost as much as the sums."""

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        self._held: dict[tuple[type[np.floating], int], tuple[Floats, Floats]] = {}

    def evaluate(self, rows: Floats) -> Block:
        """Return moments and log joint of rows (n, n_features) without missing values, until the next call.

        They are float32 for float32 rows of which none is far out, where the mixtures allow it.
        """
        joint = self._joint
        if joint.single is not None and rows.dtype == np.float32:
            moments, values = self._load(rows, np.float32)
            z = joint.columns(moments)
            # in float32 an overflow is infinite, and further out than that
            if max(z.max(), -z.min()) <= FAR:
                self._multiply(moments, joint.single, values)
                return self._refine(rows, moments, values)
        moments, values = self._load(rows, np.float64)
        self._multiply(moments, joint.double, values)
        return Block(moments, values, *_NOTHING)

    def _load(self, rows: Floats, kind: type[np.floating]) -> tuple[Floats, Floats]:
        """Return arrays for moments, with the whitened rows in place, and for values."""
        k, m = self._joint.double.shape
        if (kind, len(rows)) not in self._held:
            self._held[kind, len(rows)] = np.ones((m, len(rows)), kind), np.empty((k, len(rows)), kind)
        moments, values = self._held[kind, len(rows)]
        moments[-1] = 1.0
        self._joint.frame.whiten_columns(rows, self._joint.columns(moments))
        return moments, values

    def _multiply(self, moments: Floats, coefficients: Floats, values: Floats) -> None:
        z = self._joint.columns(moments)
        self._joint.covariance.multiply(z, moments[: len(moments) - len(z) - 1])
        np.matmul(coefficients, moments, out=values)

    def _refine(self, rows: Floats, moments: Floats, values: Floats) -> Block:
        """Return a float32 block whose delicate components are right: from float64 near them, without share elsewhere.

        Near is where a component could have a share of its mixture above 1e-10, whatever its float32 value is wrong
        by: the further out a row is, the larger the terms of the sum.
        """
        joint = self._joint
        if not len(joint.exact):
            return Block(moments, values, *_NOTHING)
        rough = values[joint.exact].astype(np.float64)
        values[joint.exact] = NOWHERE
        doubt = joint.doubt * np.maximum(np.square(joint.columns(moments)).max(axis=0), 1.0)
        owner = np.searchsorted(joint.edges, joint.exact, side="right") - 1
        could = np.zeros(len(rows), dtype=bool)
        for i in np.unique(owner):
            low, high = (rough - doubt)[owner == i], (rough + doubt)[owner == i]
            certain = np.maximum(values[joint.edges[i] : joint.edges[i + 1]].max(axis=0), low.max(axis=0))
            could |= (high > certain - 23.0).any(axis=0)
        near = np.flatnonzero(could)
        fine = moments_of(joint.covariance, joint.frame.whiten(rows[near]))
        values[np.ix_(joint.exact, near)] = np.maximum(joint.double[joint.exact] @ fine, NOWHERE)
        return Block(moments, values, near, fine)


# A log density that float32 holds and that has no share in anything.
NOWHERE = -1e30
_NOTHING = np.arange(0), np.empty((0, 0))

# No share is less than exp of this: numbers that are not normal in their precision take many times as long, and far
# above them a share has no part in any sum.
LEAST = {np.dtype(np.float32): -60.0, np.dtype(np.float64): -600.0}


def exponentiate(values: Floats) -> tuple[Array, Floats]:
    """Return the log of the column sums of ``exp(values)`` (n,) in float64, and those sums less their largest term.

    ``values`` (k, n) become ``exp(values - largest)``: divided by the sums, they are each component's share, or 1e-26
    (float32; 1e-261 in float64) where it is less.
    """
    logs, totals = log_sums(values, [0, len(values)])
    return logs[0], totals[0]


def log_sums(values: Floats, edges: Sequence[int]) -> tuple[Array, Floats]:
    """Return :func:`exponentiate` of the values of several mixtures, (n_mixtures, n) each.

    Parameters
    ----------
    values : ndarray, shape (n_components, n)
        Log joint of all mixtures.
    edges : sequence of int
        First component of each mixture, and their number.
    """
    tops, totals = (np.empty((len(edges) - 1, values.shape[1]), values.dtype) for _ in range(2))
    # maxima against a row rather than a number, which numpy compares at half the speed; and mixture by mixture, as
    # reduceat takes twice as long and a part stays in cache
    least, ones = np.full(values.shape[1], LEAST[values.dtype], values.dtype), np.ones(len(values), values.dtype)
    for top, total, (first, last) in zip(tops, totals, itertools.pairwise(edges), strict=True):
        part = values[first:last]
        np.max(part, axis=0, out=top)
        np.subtract(part, top, out=part)
        np.maximum(part, least, out=part)
        np.exp(part, out=part)
        np.matmul(ones[first:last], part, out=total)
    return tops.astype(np.float64) + np.log(totals.astype(np.float64)), totals
