"""Additive sufficient statistics of rows, and the E-step and M-step of EM on them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers, refuse_masked
from gmmaudio.compute import one_thread, thread_map
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import MIN_VARIANCE_SHARE, Array, Covariance, Floats, covariance_of
from gmmaudio.mixture.far import sums_by_differences
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.kept import KeptColumns, whitened_columns
from gmmaudio.mixture.missing import expected_sums
from gmmaudio.mixture.parallel import BatchMapper, Mapper, count_threads, in_batches
from gmmaudio.mixture.product import LogJoint, Workspace, exponentiate
from gmmaudio.mixture.rows import Chunk, UnreadChunk, block_rows, list_chunks, map_unread, observed_weight
from gmmaudio.mixture.sources import RowSource

# Below this share of all rows the moments of a component are rounding errors.
EMPTY_SHARE = 1e-10
# Consecutive chunks that are summed before sums are added: computers that sum such groups give the bits of one alone.
GROUP_CHUNKS = 64


@dataclass(frozen=True, eq=False)
class SufficientStats:
    """Sums over rows, weighted by responsibility; the statistics of two sets of rows can be added.

    Parameters
    ----------
    n : ndarray, shape (n_components,), float64
        Summed responsibilities of each component, in rows (or row weights).
    f : ndarray, shape (n_components, n_features), float64
        First moments: sums of rows.
    s : ndarray, float64, in the shape of the covariances
        Second moments: sums of squares (n_components, n_features) for ``"diag"``, of products (n_components,
        n_features, n_features) for ``"full"``, of products over all components (n_features, n_features) for
        ``"tied"``, of squared lengths (n_components,) for ``"spherical"``.
    log_likelihood : float
        Sum of log densities, nats.
    n_rows : float
        Number of rows, or the sum of their weights. Rows without any value are not counted.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Type of the mixture, and so the meaning of ``s``.
    origin : ndarray, shape (n_components, n_features), or None
        Points that the moments are taken about; None is 0.

    Raises
    ------
    MixtureError
        If sums are masked, or statistics of mixtures of different types or sizes are added.

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
    origin: Array | None = None

    def __post_init__(self) -> None:
        for name in ("n", "f", "s"):
            refuse_masked(getattr(self, name), f"the sums {name} of statistics must be real numbers", MixtureError)

    def __add__(self, other: SufficientStats) -> SufficientStats:
        left, right = (self.covariance_type, self.f.shape), (other.covariance_type, other.f.shape)
        if left != right:
            raise MixtureError(
                f"statistics of {left[0]} {left[1]} and {right[0]} {right[1]} do not add; expected those of one mixture"
            )
        return SufficientStats(
            self.n + other.n,
            self.f + other.f,
            self.s + other.s,
            self.log_likelihood + other.log_likelihood,
            self.n_rows + other.n_rows,
            self.covariance_type,
            self.origin,
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
    """Return the sufficient statistics of all rows under a mixture: the E-step.

    Rows are read in chunks of 8,192, and chunks are summed by a fixed tree (:func:`sum_in_groups`), so the result is
    bit-identical however the rows are divided and for any number of threads or processes. Products are computed in the
    mixture's whitened coordinates; the sums are then converted to the units of the rows, where second moments lose
    precision if a mean is more than 1e7 standard deviations from 0.

    Parameters
    ----------
    mixture : GaussianMixture
        In the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        The rows: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an iterator
        over arrays. NaN is a missing value; float32 rows are computed in float32 where its precision suffices.
    weights : array_like, shape (n,), optional
        Weight of each row, >= 0; a weight of 2 counts a row twice.
    n_threads : int
        Number of threads over chunks; -1 is one for each core.
    mapper : callable, optional
        An order-preserving map that runs chunks in processes or on a cluster instead, such as ``Pool.imap``. It is
        called with a function and an iterable of chunks, both of which can be pickled, and decides how many chunks
        are in memory at a time. Rows of files and memory maps are not pickled: workers read them from the same paths.

    Returns
    -------
    SufficientStats
        In the units of the rows; the log likelihood is that of the rows under ``mixture``.

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
    chunks = list_chunks(X, weights, n_features=mixture.n_features)
    first = next(chunks, None)
    joint = mixture.log_joint(first is not None and first.read().rows.dtype == np.float32)
    chunks = itertools.chain(() if first is None else (first,), chunks)
    if mapper is None:
        return _in_row_units(sum_chunks(joint, (chunk.read() for chunk in chunks), n_threads=n_threads), joint)
    return _in_row_units(map_chunks(joint, chunks, mapper), joint)


def sum_chunks(
    joint: LogJoint, chunks: Iterable[Chunk], *, n_threads: int = 1, kept: KeptColumns | None = None
) -> SufficientStats:
    """Return the sufficient statistics of all chunks, in whitened coordinates.

    Parameters
    ----------
    joint : LogJoint
        Coefficients of one mixture.
    chunks : iterable of Chunk
        In the units of the rows.
    n_threads
        As for :func:`accumulate`.
    kept : KeptColumns, optional
        Whitened rows of the same chunks, by ``joint.whitening``.

    Returns
    -------
    SufficientStats
        In the coordinates of ``joint.whitening``; the log likelihood is that of the rows in their own units.

    Raises
    ------
    MixtureError
        If the chunks hold no rows.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> sum_chunks(mixture.log_joint(False), [chunk.read() for chunk in list_chunks([[1.0], [2.0]])]).f
    array([[3.]])
    """
    statistics_of = functools.partial(chunk_statistics, joint, kept=kept)
    # closed before the libraries get their threads back, also where an exception ends the loop
    with one_thread(), closing(thread_map(statistics_of, chunks, count_threads(n_threads))) as parts:
        return sum_in_groups(parts)


def map_chunks(joint: LogJoint, chunks: Iterable[UnreadChunk], mapper: Mapper) -> SufficientStats:
    """Return the sufficient statistics of all chunks, which a mapper reads, checks and sums up elsewhere.

    Parameters
    ----------
    joint, chunks
        As for :func:`sum_chunks`.
    mapper
        As for :func:`accumulate`.

    Raises
    ------
    MixtureError
        If the chunks hold no rows, or rows that :func:`read_chunks` refuses.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> map_chunks(mixture.log_joint(False), list_chunks([[1.0], [2.0]]), map).f
    array([[3.]])
    """
    with one_thread():
        if isinstance(mapper, BatchMapper):
            groups = in_batches(chunks, GROUP_CHUNKS)
            return _total(mapper.mapper(functools.partial(_group_statistics, joint), groups))
        return sum_in_groups(map_unread(functools.partial(chunk_statistics, joint), chunks, mapper))


def _group_statistics(joint: LogJoint, group: Iterable[UnreadChunk]) -> SufficientStats | None:
    """Return the statistics of one group of chunks, for a worker process."""
    with one_thread():
        return add_in_order(chunk_statistics(joint, chunk.read()) for chunk in group)


def sum_in_groups(parts: Iterable[SufficientStats]) -> SufficientStats:
    """Return the sum of the statistics of all chunks of a source, by a fixed tree.

    ``GROUP_CHUNKS`` consecutive chunks are a group, counted from the first. Each group is summed in order, then the
    sums of groups are added in order. So groups may be summed elsewhere, with :func:`add_in_order`, to the same bits.

    Parameters
    ----------
    parts : iterable of SufficientStats
        Of the chunks, in order; few are held at a time.

    Raises
    ------
    MixtureError
        If there are no rows.

    Examples
    --------
    >>> one = SufficientStats(np.ones(1), np.ones((1, 1)), np.ones((1, 1)), -1.5, 1)
    >>> sum_in_groups([one] * 130).n_rows
    130
    """
    rest = iter(parts)
    return _total(iter(lambda: add_in_order(itertools.islice(rest, GROUP_CHUNKS)), None))


def _total(groups: Iterable[SufficientStats | None]) -> SufficientStats:
    """Return the sum of the statistics of groups; raise MixtureError where they are of no rows."""
    total = add_in_order(group for group in groups if group is not None)
    if total is None or total.n_rows == 0:
        raise MixtureError("there are no rows; at least one is needed")
    return total


def add_in_order(parts: Iterable[SufficientStats]) -> SufficientStats | None:
    """Return the sum of statistics, added in their order; None where there are none.

    Parameters
    ----------
    parts : iterable of SufficientStats
        Of the chunks of one group, or the sums of groups.

    Examples
    --------
    >>> one = SufficientStats(np.ones(1), np.ones((1, 1)), np.ones((1, 1)), -1.5, 1)
    >>> add_in_order([one, one]).n_rows
    2
    """
    total: SufficientStats | None = None
    for part in parts:
        total = part if total is None else total + part
    return total


def chunk_statistics(joint: LogJoint, chunk: Chunk, kept: KeptColumns | None = None) -> SufficientStats:
    """Return the sufficient statistics of one chunk, in whitened coordinates.

    Parameters
    ----------
    joint : LogJoint
        Coefficients of one mixture.
    chunk : Chunk
        In the units of the rows.
    kept : KeptColumns, optional
        As for :func:`sum_chunks`.

    Returns
    -------
    SufficientStats
        In the coordinates of ``joint.whitening``; the log likelihood is that of the rows in their own units.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> chunk_statistics(mixture.log_joint(False), Chunk(0, np.array([[1.0], [2.0]]), None, has_missing=False)).s
    array([[5.]])
    """
    covariance, k, d = joint.covariance, joint.n_components, joint.n_features
    n, f, s = np.zeros(k), np.zeros((k, d)), np.zeros(covariance.shape(k, d))
    complete, far, log_likelihood = _MomentSums(joint), _FarSums(joint), 0.0
    # weights are scaled to a maximum of 1, so that they cannot overflow float32
    unit = 1.0 if chunk.weights is None else float(chunk.weights.max(initial=0.0)) or 1.0
    columns = _columns_of(joint, chunk, kept)
    n_rows = None if columns is None else block_rows(sum(joint.coefficients64.shape) * columns.itemsize)
    for block, rows in chunk.blocks(n_rows):
        row_weights = np.ones(len(rows)) if chunk.weights is None else chunk.weights[block] / unit
        log_likelihood += far.add(rows, row_weights)
        if columns is not None:
            log_likelihood += complete.add(rows, row_weights, columns[:, block])
        elif chunk.has_missing and np.isnan(rows).any():
            z = joint.whitening.whiten(rows)
            expected, density = expected_sums(covariance, joint.parameters[0], z, row_weights)
            n, f, s = n + expected[0], f + expected[1], s + expected[2]
            log_likelihood += float(row_weights @ density)
        else:
            log_likelihood += complete.add(rows, row_weights)
    sums = complete.sums64 + complete.sums32
    log_determinant = float(observed_weight(chunk) @ np.log(joint.whitening.scale))
    log_likelihood = unit * (log_likelihood + complete.rounding_correction()) - log_determinant
    near = (
        n + sums[:, -1],
        f + sums[:, -1 - d : -1],
        s + complete.pooled + covariance.second_moments(sums[:, : -1 - d], d),
    )
    n, f, s = far.join(near)
    return SufficientStats(unit * n, unit * f, unit * s, log_likelihood, chunk.total, covariance.name, far.origin)


def _columns_of(joint: LogJoint, chunk: Chunk, kept: KeptColumns | None) -> Floats | None:
    """Return the whitened rows of a chunk in the precision of its products; None where blocks of it differ in that."""
    kind = np.float32 if joint.coefficients32 is not None and chunk.rows.dtype == np.float32 else np.float64
    if not len(chunk.rows):
        return None
    if kept is not None and kept.kind is kind:
        return kept.of(chunk)
    return whitened_columns(joint.whitening, chunk, kind)


class _FarSums:
    """Statistics of the far rows of a chunk, about the means of remote components."""

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        means = joint.parameters[0][1]
        self.origin = np.where(joint.remote[:, None], means, 0.0) if joint.remote.any() else None
        self._sums: list[tuple[Array, Array, Array]] = []

    def add(self, rows: Floats, row_weights: Array) -> float:
        """Add the far rows of a block, set their weights to 0, and return their log likelihood."""
        far, z = self._joint.far_rows(rows)
        if self.origin is None or not len(far):
            return 0.0
        values = self._joint.far_values(z)
        density, total = exponentiate(values)
        shares = values * (row_weights[far] / total)
        parameters = self._joint.parameters[0]
        self._sums.append(sums_by_differences(self._joint.covariance, parameters, self.origin, z, shares))
        log_likelihood = float(row_weights[far] @ density)
        row_weights[far] = 0.0
        return log_likelihood

    def join(self, near: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """Return the statistics of all rows of the chunk about the origin; ``near`` are those of the others about 0."""
        if self.origin is None:
            return near
        n, f, s = near
        if not n.any():
            return tuple(np.sum(parts, axis=0) for parts in zip(near, *self._sums, strict=True))
        about = self._joint.covariance.covariances_about(n, f, s, self.origin)
        s = self._joint.covariance.expected_second_moments(n, np.zeros_like(f), about)
        f = f - n[:, None] * self.origin
        for far in self._sums:
            n, f, s = n + far[0], f + far[1], s + far[2]
        return n, f, s


class _MomentSums:
    """Moments (n_components, n_moments) of the complete rows of a chunk, summed block by block."""

    def __init__(self, joint: LogJoint) -> None:
        self._joint = joint
        self._work = Workspace(joint)
        self.sums64 = np.zeros(joint.coefficients64.shape)
        self.sums32 = np.zeros(joint.coefficients64.shape)
        # second moments of all components together, where the covariance is pooled
        self.pooled = np.zeros((joint.n_features, joint.n_features) if joint.covariance.pooled else ())

    def add(self, rows: Floats, row_weights: Array, columns: Floats | None = None) -> float:
        """Add the moments of a block, whose rows may be whitened in ``columns``, and return its log likelihood."""
        joint, work = self._joint, self._work
        block = work.evaluate(rows) if columns is None else work.evaluate_columns(rows, columns)
        density, total = exponentiate(block.values)
        shared = joint.shared_term(block.moments)[0]
        if joint.covariance.pooled:
            z = joint.whitened_rows(block.moments).astype(np.float64, copy=False)
            self.pooled += (z * row_weights) @ z.T
        # one rounded weight for all moments of a row, so that those of narrow components cancel as they should
        np.multiply(block.values, (row_weights / total).astype(block.values.dtype), out=block.values)
        block_sums = block.values @ block.moments.T
        if len(block.near):
            block_sums[joint.float64_components] = 0.0
            near = block.values[np.ix_(joint.float64_components, block.near)].astype(np.float64)
            self.sums64[joint.float64_components] += near @ block.near_moments.T
        sums = self.sums32 if block.moments.dtype == np.float32 else self.sums64
        np.add(sums, block_sums, out=sums)
        return float(row_weights @ (density + shared))

    def rounding_correction(self) -> float:
        """Return the first-order correction of the log likelihood for the rounding of coefficients to float32.

        The derivative of a log likelihood with respect to a coefficient is the sum of its moment weighted by
        responsibility, so the correction is the rounding errors times the moments; the remaining error is of second
        order and of random sign.
        """
        joint = self._joint
        if joint.coefficients32 is None:
            return 0.0
        # a component of weight 0 has negligible moments, and a constant beyond float32
        rounding = np.where(np.abs(joint.coefficients64) < 1e29, joint.coefficients64 - joint.coefficients32, 0.0)
        return float(np.vdot(rounding, self.sums32))


def _in_row_units(stats: SufficientStats, joint: LogJoint) -> SufficientStats:
    """Return statistics of whitened rows in the units of the rows."""
    covariance = joint.covariance
    centre, scale = joint.whitening.centre, joint.whitening.scale
    if stats.origin is not None:
        centre = centre + scale * stats.origin
    about = covariance.covariances_about(stats.n, stats.f, stats.s, np.broadcast_to(-centre / scale, stats.f.shape))
    s = covariance.expected_second_moments(stats.n, np.zeros_like(stats.f), covariance.rescale(about, scale))
    f = stats.n[:, None] * centre + scale * stats.f
    return SufficientStats(stats.n, f, s, stats.log_likelihood, stats.n_rows, stats.covariance_type)


def maximise(
    stats: SufficientStats, previous: GaussianMixture | None = None, *, floor: npt.ArrayLike | None = None
) -> GaussianMixture:
    """Return the mixture that maximises the expected likelihood of the statistics: the M-step.

    Parameters
    ----------
    stats : SufficientStats
        Of rows under any mixture.
    previous : GaussianMixture, optional
        Provides the mean and covariance of components without rows. Default: the mean and variances of all rows.
    floor : float or array_like, shape (n_features,), optional
        Minimum variance of each column (minimum eigenvalue, after the columns are divided by the roots of the floor),
        in squared units of the rows, > 0. Default: 1e-10 of the global variance.

    Returns
    -------
    GaussianMixture
        Of the statistics' covariance type.

    Raises
    ------
    MixtureError
        If ``previous`` differs from the statistics in covariance type or shape.
    SettingError
        If ``floor`` is neither a number above 0 nor one for each column.

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
        previous = _pooled_mixture(stats)
    elif (previous.covariance_type, previous.means.shape) != (stats.covariance_type, stats.f.shape):
        raise MixtureError(
            f"the previous mixture is {previous.covariance_type} {previous.means.shape} and the statistics are "
            f"{stats.covariance_type} {stats.f.shape}; expected the mixture they were taken under"
        )
    empty = stats.n <= EMPTY_SHARE * stats.n_rows
    means, covariances = covariance.estimate(
        np.where(empty, 0.0, stats.n),
        np.where(empty[:, None], 0.0, stats.f),
        covariance.where(empty, np.zeros_like(stats.s), stats.s),
    )
    if stats.origin is not None:
        means = means + stats.origin
    if floor is None:
        min_variance = MIN_VARIANCE_SHARE * _global_variance(stats)
    else:
        min_variance = _check_floor(floor, stats.f.shape[1])
    return GaussianMixture(
        stats.n / stats.n.sum(),
        np.where(empty[:, None], previous.means, means),
        covariance.where(empty, previous.covariances, _apply_floors(covariance, covariances, min_variance)),
        stats.covariance_type,
    )


def _check_floor(floor: npt.ArrayLike, d: int) -> Array:
    """Return a floor as an array, shape () or (d,)."""
    expected = f"floor is {floor!r:.80}; expected a variance above 0, or one for each of {d} columns"
    floors = as_numbers(floor, expected, SettingError).astype(np.float64)
    if floors.shape not in ((), (d,)) or not (np.isfinite(floors) & (floors > 0)).all():
        raise SettingError(expected)
    return floors


def _apply_floors(covariance: Covariance, covariances: Array, floor: Array) -> Array:
    """Return covariances at least ``floor``, one number or one for each column."""
    if floor.ndim == 0:
        return covariance.apply_floor(covariances, float(floor))
    root = np.sqrt(floor)
    if covariance.isotropic:
        root = np.full_like(root, root.min())
    return covariance.rescale(covariance.apply_floor(covariance.rescale(covariances, 1 / root), 1.0), root)


def _global_variance(stats: SufficientStats) -> Array:
    """Return the variance of each column over all rows, shape (n_features,), > 0; one mean variance where spherical."""
    covariance = covariance_of(stats.covariance_type)
    total_s = stats.s if covariance.pooled else stats.s.sum(axis=0)[None]
    _, covariances = covariance.estimate(np.array([stats.n.sum()]), stats.f.sum(axis=0)[None], total_s)
    variance: Array = np.maximum(covariance.variances(covariances, 1, stats.f.shape[1])[0], 1e-290)
    return variance


def _pooled_mixture(stats: SufficientStats) -> GaussianMixture:
    """Return a mixture of equal components with the mean and the variances of all rows."""
    covariance = covariance_of(stats.covariance_type)
    k = len(stats.n)
    means, variances = (
        np.repeat(row[None], k, axis=0) for row in (stats.f.sum(axis=0) / stats.n.sum(), _global_variance(stats))
    )
    return GaussianMixture(np.full(k, 1 / k), means, covariance.from_variances(variances), stats.covariance_type)
