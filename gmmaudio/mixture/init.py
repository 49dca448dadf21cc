"""Starting points for EM: a clustering of a sample of the rows, or rows drawn at random.

A start looks at the distinct rows of its sample with their summed weights, in sorted order. It is therefore the same
for rows in another order and for rows repeated instead of weighted, as long as the sample holds them all.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import libraries
from gmmaudio.mixture.covariance import Array, Floats, covariance_of, moments_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.rows import Frame

# Lloyd's steps cost as much as EM steps; on more rows than this the centres no longer move visibly.
KMEANS_SAMPLE = 20_000
# Ward's linkage keeps all distances between pairs: 2,000 rows are 32 MB.
HIERARCHICAL_SAMPLE = 2_000
SAMPLES = {
    "kmeans": KMEANS_SAMPLE,
    "hierarchical": HIERARCHICAL_SAMPLE,
    "binary": KMEANS_SAMPLE,
    "random": KMEANS_SAMPLE,
}
INITS = tuple(SAMPLES)

Labels = npt.NDArray[np.integer]


def start(
    sample: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    init: str,
    floor: float,
    rng: np.random.Generator,
    stretch: Array,
) -> GaussianMixture:
    """Return a first mixture of whitened rows.

    Parameters
    ----------
    sample : ndarray, shape (n, n_features)
        Whitened rows, all different, NaN where a value is missing; at least ``n_components``.
    weights : ndarray, shape (n,)
        Weight of each, above 0.
    n_components, covariance_type, init, rng
        As for :func:`gmmaudio.mixture.fit_gmm`.
    floor : float
        Least variance of a component, in whitened units, > 0.
    stretch : ndarray, shape (n_features,)
        What columns are multiplied by before distances are taken.
    """
    # in whitened rows the mean of a column is 0
    rows = np.nan_to_num(sample, nan=0.0)
    if init == "random":
        # the greatest of log weight plus Gumbel noise are a draw by weight without replacement, at any weights
        # (Efraimidis, Spirakis 2006)
        chance = np.log(weights) + rng.gumbel(size=len(rows))
        return _around(rows[np.argsort(-chance, kind="stable")[:n_components]], covariance_type)
    if n_components == 1:
        labels: Labels = np.zeros(len(rows), dtype=np.intp)
    elif n_components == len(rows):
        labels = np.arange(n_components)
    else:
        labels = {"kmeans": _kmeans, "hierarchical": _hierarchical, "binary": _binary}[init](
            rows * stretch, weights, n_components, rng
        )
    return _from_labels(rows, weights, labels, n_components, covariance_type, floor)


def distinct_rows(rows: Floats, weights: Array, frame: Frame) -> tuple[Array, Array]:
    """Return the distinct rows, whitened and sorted, and their summed weights."""
    same = np.where(np.isnan(rows), np.inf, rows + 0.0)
    _, first, inverse = np.unique(same, axis=0, return_index=True, return_inverse=True)
    return frame.whiten(rows[first]), np.bincount(inverse.ravel(), weights).astype(np.float64)


def _around(means: Array, covariance_type: str) -> GaussianMixture:
    """Return equal components at ``means``, each as wide as the whole data."""
    k = len(means)
    covariances = covariance_of(covariance_type).of_variances(np.ones(means.shape))
    return GaussianMixture(np.full(k, 1.0 / k), means, covariances, covariance_type)


def _from_labels(
    rows: Array, weights: Array, labels: Labels, k: int, covariance_type: str, floor: float
) -> GaussianMixture:
    """Return the mixture whose components are the clusters; an empty cluster is left at the mean, for EM to re-seed."""
    covariance = covariance_of(covariance_type)
    d = rows.shape[1]
    n = np.bincount(labels, weights, minlength=k).astype(np.float64)
    sums = np.array([moments_of(covariance, rows[labels == j]) @ weights[labels == j] for j in range(k)])
    f = sums[:, -1 - d : -1]
    s = (rows * weights[:, None]).T @ rows if covariance.pooled else covariance.second(sums[:, : -1 - d], d)
    means, covariances = covariance.estimate(n, f, s)
    return GaussianMixture(n / n.sum(), means, covariance.raise_to(covariances, floor), covariance_type)


def _kmeans(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by k-means++ seeding and Lloyd's steps."""
    from sklearn.cluster import KMeans

    model = KMeans(k, init="k-means++", n_init=1, max_iter=20, random_state=int(rng.integers(2**31)))
    return _quietly(model, rows, weights)


def _hierarchical(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by Ward's agglomeration, which knows no weights."""
    del weights, rng
    from sklearn.cluster import AgglomerativeClustering

    with libraries().limit(limits=1, user_api="openmp"):
        labels: Labels = AgglomerativeClustering(k, linkage="ward").fit_predict(rows)
    return labels


def _binary(rows: Array, weights: Array, k: int, rng: np.random.Generator) -> Labels:
    """Return the cluster (n,) of every row by binary splitting.

    The clusters with the greatest scatter are split along their widest direction and settled by Lloyd's steps, twice
    as many each time, until there are ``k`` (Linde, Buzo, Gray, "An algorithm for vector quantizer design", IEEE
    Trans. Communications 28(1), 1980).
    """
    from sklearn.cluster import KMeans

    del rng
    labels: Labels = np.zeros(len(rows), dtype=np.intp)
    n = 1
    while n < k:
        centres, scatter, axes = _clusters(rows, weights, labels, n)
        able = np.flatnonzero(scatter > 0)
        wide = able[np.argsort(-scatter[able], kind="stable")][: k - n]
        if not len(wide):
            break
        halves = np.vstack([centres, centres[wide]])
        halves[wide] -= axes[wide]
        halves[n:] += axes[wide]
        n = len(halves)
        labels = _quietly(KMeans(n, init=halves, n_init=1, max_iter=20), rows, weights)
    return labels


def _clusters(rows: Array, weights: Array, labels: Labels, n: int) -> tuple[Array, Array, Array]:
    """Return the centre, the scatter and half a deviation along the widest direction of each cluster."""
    d = rows.shape[1]
    centres, scatter, axes = np.zeros((n, d)), np.zeros(n), np.zeros((n, d))
    for j in range(n):
        members, own = rows[labels == j], weights[labels == j]
        if len(members) == 0:
            continue
        centres[j] = own @ members / own.sum()
        apart = members - centres[j]
        values, vectors = np.linalg.eigh((apart * own[:, None]).T @ apart / own.sum())
        scatter[j] = own.sum() * values.sum() if len(members) > 1 else 0.0
        axes[j] = 0.5 * np.sqrt(max(values[-1], 0.0)) * vectors[:, -1]
    return centres, scatter, axes


def _quietly(model: object, rows: Array, weights: Array) -> Labels:
    """Return the clusters of a k-means model without its warning on rows that differ by rounding only.

    Such rows may share a centre; the empty cluster is placed anew by EM.
    """
    from sklearn.exceptions import ConvergenceWarning

    # OpenMP's limit is a thread's own: it is set by each, whoever else has
    with warnings.catch_warnings(), libraries().limit(limits=1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels: Labels = model.fit_predict(rows, sample_weight=weights)  # type: ignore[attr-defined]
    return labels
