"""Log densities of blocks of rows as one matrix product, in float32 where that loses nothing that matters.

A float32 product is twice as fast as a float64 one, and its exponentials four times. It is used for float32 rows, and
for every component whose log density is a sum of terms small enough for their rounding not to show
(:data:`SENSITIVITY`). The other components of the same block, blocks with a row far out (:data:`FAR`) and rows with
missing values are computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Covariance, Floats, covariance_of
from gmmaudio.mixture.rows import Chunk, Frame

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
    edges : ndarray of int, shape (n_mixtures + 1,)
        First component of each mixture, and their number.
    double : ndarray, shape (n_components, n_moments), float64
        Coefficients, their constants less ``offset``.
    single : ndarray, the same in float32, or None
        None where no product may be float32.
    exact : ndarray of int
        Components that are computed in float64 at all times.
    offset : float
        Taken out of all constants, so that sums are near 0, where float32 is finest.
    roots : tuple of ndarray, shape (n_features, n_features)
        For each mixture, the quadratic term that its components share; empty where there is none.
    """

    covariance: Covariance
    parameters: tuple[Parameters, ...]
    frame: Frame
    edges: npt.NDArray[np.intp]
    double: Array
    single: npt.NDArray[np.float32] | None
    exact: npt.NDArray[np.intp]
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

    def blocks(self, chunk: Chunk) -> Iterator[tuple[slice, Floats]]:
        """Yield (place in the chunk, whitened rows), float32 where products may be."""
        for place, rows in chunk.blocks():
            if self.single is not None and rows.dtype == np.float32 and not chunk.has_missing:
                z = self.frame.whiten(rows, np.float32)
                # not (a <= b) is true of NaN too
                if np.abs(z).max() <= FAR:
                    yield place, z
                    continue
            yield place, self.frame.whiten(rows)

    def common(self, z: Floats) -> Array:
        """Return what all components of a mixture have in common, (n_mixtures, n), or zeros (1, 1)."""
        if not self.roots:
            return np.full((1, 1), self.offset)
        rows = z.astype(np.float64, copy=False)
        return np.array([self.offset - 0.5 * np.square(rows @ root.T).sum(axis=1) for root in self.roots])


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
    here = covariance.expand(means, np.empty((len(means), double.shape[1])))
    # log density at the mean, and half a nat for each feature below it where rows lie
    offset = float(weights @ (double * here).sum(axis=1)) - (0.0 if covariance.pooled else means.shape[1] / 2)
    double[:, -1] -= offset
    with np.errstate(over="ignore"):
        sensitivity = np.concatenate([covariance.sensitivity(m, c) for _, m, c in mixtures])
    # and so is what float32 cannot hold
    exact = np.flatnonzero(~(sensitivity <= SENSITIVITY) | (np.abs(double[:, :-1]).max(axis=1) > 1e30))
    # most of it twice would cost more than all of it once
    single = single and len(exact) <= len(double) / 2
    roots = [covariance.root(covariances) for _, _, covariances in mixtures]
    return LogJoint(
        covariance=covariance,
        parameters=tuple(mixtures),
        frame=frame,
        edges=np.cumsum([0] + [len(weights) for weights, _, _ in mixtures]),
        double=double,
        single=np.clip(double, -1e30, 1e30).astype(np.float32) if single else None,
        exact=exact if single else np.arange(0),
        offset=offset,
        roots=tuple(root for root in roots if root is not None),
    )


class Workspace:
    """Arrays that the blocks of one chunk share: fresh memory for each would cost as much as the sums."""

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        self._held: dict[np.dtype[np.floating], tuple[Floats, Floats]] = {}

    def evaluate(self, z: Floats) -> tuple[Floats, Floats]:
        """Return moments (n, n_moments) and log(weight x density) less ``common`` (n_components, n) of rows.

        Both are overwritten by the next call.
        """
        joint = self._joint
        moments, values = self._arrays(z)
        joint.covariance.expand(z, moments)
        coefficients: Floats = joint.double if joint.single is None or z.dtype == np.float64 else joint.single
        np.matmul(coefficients, moments.T, out=values)
        return moments, values

    def _arrays(self, z: Floats) -> tuple[Floats, Floats]:
        k, m = self._joint.double.shape
        if z.dtype not in self._held or len(self._held[z.dtype][0]) != len(z):
            self._held[z.dtype] = np.empty((len(z), m), z.dtype), np.empty((k, len(z)), z.dtype)
        return self._held[z.dtype]


def refine(joint: LogJoint, values: Floats, rows: Floats) -> Array | None:
    """Return float64 moments of the rows where some components need them, and set those components' values.

    Parameters
    ----------
    joint : LogJoint
        The coefficients.
    values : ndarray, shape (n_components, n), float32
        Log joint of the block, of which the rows of ``joint.exact`` are written anew.
    rows : ndarray, shape (n, n_features)
        The block in its own units.
    """
    if not len(joint.exact):
        return None
    z = joint.frame.whiten(rows)
    moments = np.empty((len(z), joint.double.shape[1]))
    joint.covariance.expand(z, moments)
    # what float32 cannot hold has no share
    values[joint.exact] = np.maximum(joint.double[joint.exact] @ moments.T, -1e30)
    return moments


def exponentiate(values: Floats) -> tuple[Array, Floats]:
    """Return the log of the column sums of ``exp(values)`` (n,) in float64, and those sums less their largest term.

    ``values`` (k, n) become ``exp(values - largest)``: divided by the sums, they are each component's share.
    """
    top = values.max(axis=0)
    np.subtract(values, top, out=values)
    np.exp(values, out=values)
    total: Floats = np.ones(len(values), values.dtype) @ values
    return top.astype(np.float64) + np.log(total.astype(np.float64)), total
