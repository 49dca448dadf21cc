"""Starting points of EM: a clustering of a sample of the rows, or rows drawn at random.

A start is made from the distinct rows of the sample with their summed weights, in sorted order. It is therefore the
same for rows in another order and for rows repeated instead of weighted, as long as the sample holds all rows.
"""

from __future__ import annotations

import importlib

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import libraries
from gmmaudio.mixture.bulk import REACH
from gmmaudio.mixture.covariance import Array, Floats, Mask, covariance_of, moments_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.kmeans import Labels, draw_centres, find_clusters
from gmmaudio.mixture.whitening import Whitening

# Lloyd's iterations cost as much as EM iterations; with more rows than this the centres hardly change.
SAMPLE = 20_000
# The first centres are drawn from fewer rows, of which 100 for each centre are enough: docs/decisions/0016.
SEEDING_SAMPLE, SEEDING_ROWS_EACH = 5_000, 100
# Ward's linkage holds the distances of all pairs of rows: 32 MB for 2,000 rows.
HIERARCHICAL_SAMPLE = 2_000
# Lloyd's iterations
MAX_LLOYD = 20
INITS = ("kmeans", "hierarchical", "binary", "random")


def make_start(
    sample: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    init: str,
    floor: float,
    rng: np.random.Generator,
    stretch: Array,
) -> GaussianMixture:
    """Return a mixture of whitened rows for EM to start from.

    Parameters
    ----------
    sample : ndarray, shape (n, n_features)
        Distinct whitened rows, at least ``n_components``; NaN where a value is missing.
    weights : ndarray, shape (n,)
        Weight of each row, > 0.
    n_components, covariance_type, init, rng
        As for :func:`gmmaudio.mixture.fit_gmm`.
    floor : float
        Minimum variance of a component, in whitened units, > 0.
    stretch : ndarray, shape (n_features,)
        Factors of the columns for distances between rows.

    Examples
    --------
    >>> rows, one = np.array([[-1.0], [-0.9], [0.9], [1.0]]), np.ones(1)
    >>> start = make_start(rows, np.ones(4), 2, "diag", "hierarchical", 1e-3, np.random.default_rng(0), one)
    >>> np.sort(start.means[:, 0])
    array([-0.95,  0.95])
    """
    # a missing value counts as the mean of its column, which is 0 in whitened rows
    rows = np.nan_to_num(sample, nan=0.0)
    if init == "random":
        # the largest values of log weight plus Gumbel noise are a weighted sample without replacement
        # (Efraimidis, Spirakis 2006)
        keys = np.log(weights) + rng.gumbel(size=len(rows))
        return _wide_components(rows[np.argsort(-keys, kind="stable")[:n_components]], covariance_type)
    if n_components == 1:
        labels: Labels = np.zeros(len(rows), dtype=np.intp)
    elif n_components == len(rows):
        labels = np.arange(n_components)
    else:
        labels = {"kmeans": _kmeans, "hierarchical": _hierarchical, "binary": _binary}[init](
            rows * stretch, weights, n_components, rng
        )
    return _from_labels(rows, weights, labels, n_components, covariance_type, floor)


def load_clustering(init: object, n_components: int) -> None:
    """Import scikit-learn where a start needs it.

    It loads a library of matrix products, and limits its threads in ways that do not bear other threads of this
    process, unless that library has one thread already (:func:`gmmaudio.compute.one_thread`).

    Parameters
    ----------
    init : object
        Method of the start, or a mixture.
    n_components : int
        Components of the start.

    Examples
    --------
    >>> load_clustering("kmeans", 16)
    """
    if init == "hierarchical" and n_components > 1:
        importlib.import_module("sklearn.cluster")


def sample_size(init: str, n_components: int) -> int:
    """Return the largest number of rows that a start is made from.

    Parameters
    ----------
    init : {"kmeans", "hierarchical", "binary", "random"}
        Method of the start.
    n_components : int
        Components of the start.

    Examples
    --------
    >>> sample_size("kmeans", 16), sample_size("hierarchical", 16)
    (20000, 2000)
    """
    return max(HIERARCHICAL_SAMPLE if init == "hierarchical" else SAMPLE, n_components)


def distinct_rows(rows: Floats, weights: Array, whitening: Whitening) -> tuple[Array, Array]:
    """Return the distinct rows, whitened and sorted, and their summed weights.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        In their own units; NaN where a value is missing.
    weights : ndarray, shape (n,)
        Weight of each row.
    whitening : Whitening
        Coordinates of the result.

    Returns
    -------
    rows : ndarray, shape (n_distinct, n_features)
        Whitened.
    weights : ndarray, shape (n_distinct,)
        Sum over equal rows.

    Examples
    --------
    >>> distinct_rows(np.array([[2.0], [1.0], [2.0]]), np.ones(3), Whitening(np.zeros(1), np.ones(1)))
    (array([[1.],
           [2.]]), array([1., 2.]))
    """
    # NaN differs from NaN, and -0.0 sorts apart from 0.0
    order, is_first = _sort_rows(np.where(np.isnan(rows), np.inf, rows + 0.0))
    of_row = np.empty(len(rows), dtype=np.intp)
    of_row[order] = np.cumsum(is_first) - 1
    return whitening.whiten(rows[order[is_first]]), np.bincount(of_row, weights).astype(np.float64)


def _sort_rows(rows: Floats) -> tuple[npt.NDArray[np.intp], Mask]:
    """Return the stable order of rows by their columns, first to last, and which of them differ from the one before.

    As ``numpy.unique`` of rows does, which compares all columns at a several times higher cost: here only rows that are
    equal so far are compared in the next column.
    """
    order, is_first = np.arange(len(rows)), np.zeros(len(rows), dtype=bool)
    is_first[:1] = True
    for column in rows.T:
        tied = ~is_first
        tied[:-1] |= tied[1:]
        places = np.flatnonzero(tied)
        members = order[places]
        members = members[np.lexsort((column[members], np.cumsum(is_first[places])))]
        order[places], values = members, column[members]
        is_first[places[1:]] |= values[1:] != values[:-1]
    return order, is_first


def _wide_components(means: Array, covariance_type: str) -> GaussianMixture:
    """Return components of equal weight at ``means``, each with the global variance."""
    k = len(means)
    covariances = covariance_of(covariance_type).from_variances(np.ones(means.shape))
    return GaussianMixture(np.full(k, 1.0 / k), means, covariances, covariance_type)


def _from_labels(
    rows: Array, weights: Array, labels: Labels, k: int, covariance_type: str, floor: float
) -> GaussianMixture:
    """Return the mixture of the clusters; an empty cluster has the mean of all rows until EM re-seeds it."""
    covariance = covariance_of(covariance_type)
    d = rows.shape[1]
    n = np.bincount(labels, weights, minlength=k).astype(np.float64)
    sums = np.array([moments_of(covariance, rows[labels == j]) @ weights[labels == j] for j in range(k)])
    f = sums[:, -1 - d : -1]
    s = (rows * weights[:, None]).T @ rows if covariance.pooled else covariance.second_moments(sums[:, : -1 - d], d)
    means, covariances = covariance.estimate(n, f, s)
    return GaussianMixture(n / n.sum(), means, covariance.apply_floor(covariances, floor), covariance_type)


def _kmeans(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by k-means++ seeding on some of the rows and Lloyd's iterations on all."""
    seed, n_seeding = int(rng.integers(2**31)), max(SEEDING_SAMPLE, SEEDING_ROWS_EACH * k)
    drawn: slice | npt.NDArray[np.intp] = slice(None)
    if len(rows) > n_seeding:
        drawn = np.union1d(rng.choice(len(rows), n_seeding, replace=False), _far_rows(rows))
    return find_clusters(rows, weights, draw_centres(rows[drawn], weights[drawn], k, seed), MAX_LLOYD)


def _far_rows(rows: Array) -> npt.NDArray[np.intp]:
    """Return the indices of rows beyond the bulk, which need a centre of their own, however few they are."""
    return np.flatnonzero(np.abs(rows).max(axis=1, initial=0.0) > REACH)


def _hierarchical(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by Ward's agglomeration, which ignores the weights."""
    del weights, rng
    from sklearn.cluster import AgglomerativeClustering

    with libraries().limit(limits=1, user_api="openmp"):
        labels: Labels = AgglomerativeClustering(k, linkage="ward").fit_predict(rows)
    return labels


def _binary(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by binary splitting.

    The clusters with the largest scatter are split along their widest direction and refined by Lloyd's iterations;
    the number of clusters doubles until it is ``k`` (Linde, Buzo, Gray, "An algorithm for vector quantizer design",
    IEEE Trans. Communications 28(1), 1980).
    """
    del rng
    labels: Labels = np.zeros(len(rows), dtype=np.intp)
    n = 1
    while n < k:
        centres, scatter, axes = _clusters(rows, weights, labels, n)
        splittable = np.flatnonzero(scatter > 0)
        widest = splittable[np.argsort(-scatter[splittable], kind="stable")][: k - n]
        if not len(widest):
            break
        halves = np.vstack([centres, centres[widest]])
        halves[widest] -= axes[widest]
        halves[n:] += axes[widest]
        n = len(halves)
        labels = find_clusters(rows, weights, halves, MAX_LLOYD)
    return labels


def _clusters(rows: Array, weights: Array, labels: Labels, n: int) -> tuple[Array, Array, Array]:
    """Return the centre, the scatter and half a standard deviation along the widest direction of each cluster."""
    d = rows.shape[1]
    centres, scatter, axes = np.zeros((n, d)), np.zeros(n), np.zeros((n, d))
    for j in range(n):
        members, member_weights = rows[labels == j], weights[labels == j]
        if len(members) == 0:
            continue
        total = member_weights.sum()
        centres[j] = member_weights @ members / total
        centred = members - centres[j]
        values, vectors = np.linalg.eigh((centred * member_weights[:, None]).T @ centred / total)
        scatter[j] = total * values.sum() if len(members) > 1 else 0.0
        axes[j] = 0.5 * np.sqrt(max(values[-1], 0.0)) * vectors[:, -1]
    return centres, scatter, axes
