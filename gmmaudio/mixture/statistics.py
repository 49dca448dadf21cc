"""Additive sufficient statistics: all that EM needs to know of any number of rows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import TINY, Array, Covariance, Floats, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.missing import expected_sums
from gmmaudio.mixture.parallel import Mapper, count_threads, thread_map
from gmmaudio.mixture.product import LogJoint, Workspace, exponentiate
from gmmaudio.mixture.rows import Chunk, RowSource, observed, read_chunks

# Below this share of all rows a component's moments are rounding noise.
EMPTY = 1e-10


@dataclass(frozen=True, eq=False)
class SufficientStats:
    """Sums over rows, weighted by responsibility; the statistics of two sets of rows add.

    Parameters
    ----------
    n : ndarray, shape (n_components,), float64
        Rows (or row weight) that each component answers for.
    f : ndarray, shape (n_components, n_features), float64
        First moments: sums of rows.
    s : ndarray, float64, in the shape of the covariances
        Second moments: sums of squares (n_components, n_features) for ``"diag"``, of products (n_components,
        n_features, n_features) for ``"full"``, of products over all components (n_features, n_features) for
        ``"tied"``, of squared lengths (n_components,) for ``"spherical"``.
    log_likelihood : float
        Sum of log densities, nats.
    n_rows : float
        Rows seen, or the sum of their weights. Rows that are all missing are not counted.
    covariance_type : {"diag", "full", "tied", "spherical"}
        What ``s`` is for.

    Raises
    ------
    MixtureError
        If statistics of unlike mixtures are added.

    Examples
    --------
    >>> import numpy as np
    >>> one = SufficientStats(np.ones(1), np.ones((1, 1)), np.ones((1, 1)), -1.5, 1)
    >>> (one + one).f, (one + one).n_rows
    (array([[2.]]), 2)
    """

    n: Array
    f: Array
    s: Array
    log_likelihood: float
    n_rows: float
    covariance_type: str = "diag"

    def __add__(self, other: SufficientStats) -> SufficientStats:
        mine, theirs = (self.covariance_type, self.f.shape), (other.covariance_type, other.f.shape)
        if mine != theirs:
            raise MixtureError(
                f"statistics of {mine[0]} {mine[1]} and {theirs[0]} {theirs[1]} do not add; expected those of one "
                "mixture"
            )
        return SufficientStats(
            self.n + other.n,
            self.f + other.f,
            self.s + other.s,
            self.log_likelihood + other.log_likelihood,
            self.n_rows + other.n_rows,
            self.covariance_type,
        )

    @property
    def mean_log_likelihood(self) -> float:
        """Mean log density of a row, nats."""
        return self.log_likelihood / self.n_rows


def accumulate(
    mixture: GaussianMixture,
    X: RowSource,
    weights: npt.ArrayLike | None = None,
    *,
    n_threads: int = 1,
    mapper: Mapper | None = None,
) -> SufficientStats:
    """Return the statistics of all rows under a mixture: the E-step.

    Rows are read in chunks of 8,192 and summed in their order: the same rows give the same bits however they are
    divided and whoever computes them. Products run in the mixture's own frame of reference; the sums are then taken
    to that of the rows, where a mean more than 1e7 deviations from 0 costs the second moments their digits.

    Parameters
    ----------
    mixture : GaussianMixture
        In the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        The rows: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an iterator
        over arrays. NaN is a missing value; float32 is computed in float32 where that loses nothing that matters.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more; 2 counts a row twice.
    n_threads : int
        Threads over chunks; -1 is one for each core.
    mapper : callable, optional
        A map that keeps order, to run chunks elsewhere instead, such as ``Pool.imap``: it is given a function and an
        iterable that pickle. How many chunks it holds at a time is its own affair.

    Raises
    ------
    MixtureError
        If there are no rows, or they do not fit the mixture.

    Examples
    --------
    >>> import numpy as np
    >>> mixture = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> both = accumulate(mixture, [np.array([[1.0]]), np.array([[2.0]])])
    >>> both.n, both.f, both.s, both.n_rows
    (array([2.]), array([[3.]]), array([[5.]]), 2.0)
    """
    chunks = read_chunks(X, weights, n_features=mixture.n_features)
    first = next(chunks, None)
    joint = mixture.log_joint(first is not None and first.rows.dtype == np.float32)
    every = itertools.chain(() if first is None else (first,), chunks)
    return _in_units(sum_chunks(joint, every, n_threads=n_threads, mapper=mapper), joint)


def sum_chunks(
    joint: LogJoint, chunks: Iterable[Chunk], *, n_threads: int = 1, mapper: Mapper | None = None
) -> SufficientStats:
    """Return the statistics of all chunks, in the frame of ``joint``, which holds one mixture.

    The log likelihood is that of the rows in their own units.

    Raises
    ------
    MixtureError
        If there are no rows in them.
    """
    with one_thread():
        if mapper is None:
            parts = thread_map(functools.partial(chunk_statistics, joint), chunks, count_threads(n_threads))
        else:
            parts = iter(mapper(functools.partial(_elsewhere, joint), chunks))
        total = next(parts, None)
        if total is not None:
            for part in parts:
                total = total + part
    if total is None or total.n_rows == 0:
        raise MixtureError("there are no rows; at least one is needed")
    return total


def _elsewhere(joint: LogJoint, chunk: Chunk) -> SufficientStats:
    """Return the statistics of one chunk in another process."""
    with one_thread():
        return chunk_statistics(joint, chunk)


def chunk_statistics(joint: LogJoint, chunk: Chunk) -> SufficientStats:
    """Return the statistics of one chunk, in the frame of ``joint``; the log likelihood is in the rows' own units."""
    covariance, k, d = joint.covariance, joint.n_components, joint.n_features
    n, f, s = np.zeros(k), np.zeros((k, d)), np.zeros(covariance.shape(k, d))
    work, log_likelihood = _Sums(joint), 0.0
    # float32 holds weights of any size once the largest is 1
    unit = 1.0 if chunk.weights is None else float(chunk.weights.max(initial=0.0)) or 1.0
    for place, rows in chunk.blocks():
        shares = np.ones(len(rows)) if chunk.weights is None else chunk.weights[place] / unit
        if chunk.has_missing and np.isnan(rows).any():
            z = joint.frame.whiten(rows)
            expected, density = expected_sums(covariance, joint.parameters[0], z, shares)
            n, f, s = n + expected[0], f + expected[1], s + expected[2]
            log_likelihood += float(shares @ density)
        else:
            log_likelihood += work.add(rows, shares)
    sums = work.double + work.single
    log_likelihood = unit * (log_likelihood + work.lost()) - float(observed(chunk) @ np.log(joint.frame.scale))
    return SufficientStats(
        unit * (n + sums[:, -1]),
        unit * (f + sums[:, -1 - d : -1]),
        unit * (s + work.pooled + covariance.second(sums[:, : -1 - d], d)),
        log_likelihood,
        chunk.total,
        covariance.name,
    )


class _Sums:
    """Moments (n_components, n_moments) of the complete rows of a chunk, summed block by block."""

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        self._work = Workspace(joint)
        self.double = np.zeros(joint.double.shape)
        self.single = np.zeros(joint.double.shape)
        # second moments of all components together, where the type has those
        self.pooled = np.zeros((joint.n_features, joint.n_features) if joint.covariance.pooled else ())

    def add(self, rows: Floats, shares: Array) -> float:
        """Add the moments of a block, and return its log likelihood."""
        joint, block = self._joint, self._work.evaluate(rows)
        density, total = exponentiate(block.values)
        common = joint.common(block.moments)[0]
        if joint.covariance.pooled:
            z = joint.columns(block.moments).astype(np.float64, copy=False)
            self.pooled += (z * shares) @ z.T
        scale = shares / total
        np.multiply(block.moments, scale.astype(block.moments.dtype), out=block.moments)
        own = block.values @ block.moments.T
        if len(block.near):
            own[joint.exact] = 0.0
            near = block.values[np.ix_(joint.exact, block.near)].astype(np.float64)
            self.double[joint.exact] += near @ (block.fine * scale[block.near]).T
        sums = self.single if block.moments.dtype == np.float32 else self.double
        np.add(sums, own, out=sums)
        return float(shares @ (density + common))

    def lost(self) -> float:
        """Return what the likelihood lost because coefficients were rounded to float32, to first order.

        The derivative of a log likelihood by a coefficient is the sum of its moment weighted by responsibility, so
        the loss is the rounding times the moments; what remains is of second order and of random sign.
        """
        joint = self._joint
        if joint.single is None:
            return 0.0
        # a component of weight 0 has no moments to speak of, and a constant beyond float32
        rounding = np.where(np.abs(joint.double) < 1e29, joint.double - joint.single, 0.0)
        return float(np.vdot(rounding, self.single))


def _in_units(stats: SufficientStats, joint: LogJoint) -> SufficientStats:
    """Return statistics in the units of the rows."""
    covariance = joint.covariance
    centre, scale = joint.frame.centre, joint.frame.scale
    about = covariance.about(stats.n, stats.f, stats.s, np.broadcast_to(-centre / scale, stats.f.shape))
    s = covariance.expected_second(stats.n, np.zeros_like(stats.f), covariance.rescale(about, scale))
    f = stats.n[:, None] * centre + scale * stats.f
    return SufficientStats(stats.n, f, s, stats.log_likelihood, stats.n_rows, stats.covariance_type)


def maximise(
    stats: SufficientStats, previous: GaussianMixture | None = None, *, floor: npt.ArrayLike | None = None
) -> GaussianMixture:
    """Return the mixture that fits the statistics best: the M-step.

    Parameters
    ----------
    stats : SufficientStats
        Of any rows under some mixture.
    previous : GaussianMixture, optional
        Where a component without rows keeps its place; without it, it gets those of all rows together.
    floor : float or array_like, shape (n_features,), optional
        Least variance of a column (or eigenvalue, in columns scaled by its root), in squared units of the rows,
        above 0. Default: 1e-10 of the global variance.

    Raises
    ------
    MixtureError
        If ``previous`` does not fit the statistics.
    SettingError
        If ``floor`` is neither a variance above 0 nor one for each column.

    Examples
    --------
    >>> import numpy as np
    >>> first = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> mixture = maximise(accumulate(first, np.array([[1.0], [3.0]])), first, floor=0.01)
    >>> mixture.means, mixture.covariances
    (array([[2.]]), array([[1.]]))
    """
    covariance = covariance_of(stats.covariance_type)
    if previous is None:
        previous = _everywhere(stats)
    elif (previous.covariance_type, previous.means.shape) != (stats.covariance_type, stats.f.shape):
        raise MixtureError(
            f"the previous mixture is {previous.covariance_type} {previous.means.shape} and the statistics are "
            f"{stats.covariance_type} {stats.f.shape}; expected the mixture they were taken under"
        )
    empty = stats.n <= EMPTY * stats.n_rows
    # below that a component's moments are rounding noise
    means, covariances = covariance.estimate(
        np.where(empty, 0.0, stats.n),
        np.where(empty[:, None], 0.0, stats.f),
        covariance.choose(empty, np.zeros_like(stats.s), stats.s),
    )
    least = TINY * _global_variance(stats) if floor is None else _checked_floor(floor, stats.f.shape[1])
    return GaussianMixture(
        stats.n / stats.n.sum(),
        np.where(empty[:, None], previous.means, means),
        covariance.choose(empty, previous.covariances, _raise(covariance, covariances, least)),
        stats.covariance_type,
    )


def _checked_floor(floor: npt.ArrayLike, d: int) -> Array:
    """Return a floor as one number or one for each column."""
    least = np.asarray(floor, dtype=np.float64)
    if least.shape not in ((), (d,)) or not (np.isfinite(least) & (least > 0)).all():
        raise SettingError(f"floor is {floor!r:.80}; expected a variance above 0, or one for each of {d} columns")
    return least


def _raise(covariance: Covariance, covariances: Array, floor: Array) -> Array:
    """Return covariances at least ``floor``, one number or one for each column."""
    if floor.ndim == 0:
        return covariance.raise_to(covariances, float(floor))
    root = np.sqrt(floor)
    if covariance.isotropic:
        root = np.full_like(root, root.min())
    return covariance.rescale(covariance.raise_to(covariance.rescale(covariances, 1 / root), 1.0), root)


def _global_variance(stats: SufficientStats) -> Array:
    """Return the variance (n_features,) of all rows together, above 0; of a spherical mixture, that of its columns."""
    covariance = covariance_of(stats.covariance_type)
    together = stats.s if covariance.pooled else stats.s.sum(axis=0)[None]
    _, covariances = covariance.estimate(np.array([stats.n.sum()]), stats.f.sum(axis=0)[None], together)
    variance: Array = np.maximum(covariance.variances(covariances, 1, stats.f.shape[1])[0], 1e-290)
    return variance


def _everywhere(stats: SufficientStats) -> GaussianMixture:
    """Return a mixture whose components all have the mean and the variances of all rows."""
    covariance = covariance_of(stats.covariance_type)
    k = len(stats.n)
    means, variances = (
        np.repeat(row[None], k, axis=0) for row in (stats.f.sum(axis=0) / stats.n.sum(), _global_variance(stats))
    )
    return GaussianMixture(np.full(k, 1 / k), means, covariance.of_variances(variances), stats.covariance_type)
