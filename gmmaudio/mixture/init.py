"""Starting points for EM: a hard clustering of a sample of the rows, or rows drawn at random."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, whiten

INITS = ("kmeans", "hierarchical", "random")

# Lloyd's steps cost as much as EM steps; on more rows than this the centres no longer move visibly.
KMEANS_SAMPLE = 20_000
# Ward's linkage keeps all distances between pairs: 2,000 rows are 32 MB.
HIERARCHICAL_SAMPLE = 2_000


def start(
    rows: npt.NDArray[np.floating],
    centre: Array,
    scale: Array,
    distinct: npt.NDArray[np.intp],
    covariance_type: str,
    init: str,
    floor: float,
    rng: np.random.Generator,
) -> GaussianMixture:
    """Return a first mixture of the whitened rows.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        Finite rows in their own units.
    centre, scale : ndarray, shape (n_features,)
        Whitening: distances are taken between ``(rows - centre) / scale``.
    distinct : ndarray of int, shape (n_components,)
        Indices of rows that all differ, one for each component.
    covariance_type, init, rng
        As for :func:`gmmaudio.mixture.fit_gmm`.
    floor : float
        Least variance of a component, in whitened units, > 0.
    """
    k = len(distinct)
    if init == "random":
        drawn = np.concatenate([rng.choice(len(rows), size=min(len(rows), 10 * k), replace=False), distinct])
        # equal components would move as one for ever
        return _around(whiten(rows[drawn[first_distinct(rows[drawn], k)]], centre, scale), covariance_type)
    limit = max(KMEANS_SAMPLE if init == "kmeans" else HIERARCHICAL_SAMPLE, k)
    drawn = np.arange(len(rows)) if len(rows) <= limit else rng.choice(len(rows), limit, replace=False)
    # the distinct rows are in every sample, so that there are always k clusters to find
    sample = whiten(rows[np.union1d(drawn, distinct)], centre, scale)
    labels = _kmeans(sample, k, rng) if init == "kmeans" else _hierarchical(sample, k)
    return _from_labels(sample, labels, k, covariance_type, floor)


def first_distinct(rows: npt.NDArray[np.floating], limit: int) -> npt.NDArray[np.intp]:
    """Return the indices of the first rows that differ from all before them, at most ``limit``."""
    seen: dict[bytes, int] = {}
    for i in range(len(rows)):
        # adding zero makes -0.0 and 0.0 the same bytes
        seen.setdefault((rows[i] + 0.0).tobytes(), i)
        if len(seen) == limit:
            break
    return np.fromiter(seen.values(), dtype=np.intp)


def _around(means: Array, covariance_type: str) -> GaussianMixture:
    """Return equal components at ``means``, each as wide as the whole data."""
    k, d = means.shape
    unit = np.ones((k, d)) if covariance_type == "diag" else np.broadcast_to(np.eye(d), (k, d, d))
    return GaussianMixture(np.full(k, 1.0 / k), means, unit, covariance_type)


def _from_labels(
    sample: Array, labels: npt.NDArray[np.integer], k: int, covariance_type: str, floor: float
) -> GaussianMixture:
    """Return the mixture whose components are the clusters; an empty cluster is left at the mean, for EM to re-seed."""
    covariance = covariance_of(covariance_type)
    d = sample.shape[1]
    moments = np.zeros((k, covariance.expand(sample[:1]).shape[1]))
    for j in range(k):
        members = sample[labels == j]
        if len(members):
            moments[j] = covariance.expand(members).sum(axis=0)
    n = np.maximum(moments[:, -1], 1.0)
    means, covariances, _ = covariance.estimate(n, moments[:, -1 - d : -1], moments[:, : -1 - d], floor)
    return GaussianMixture(n / n.sum(), means, covariances, covariance_type)


def _kmeans(sample: Array, k: int, rng: np.random.Generator) -> npt.NDArray[np.integer]:
    """Return the cluster (n,) of every row by k-means++ seeding and Lloyd's steps."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(k, init="k-means++", n_init=1, max_iter=20, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        # rows that differ by rounding only may share a centre; the empty cluster is re-seeded by EM
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels: npt.NDArray[np.integer] = model.fit_predict(sample)
    return labels


def _hierarchical(sample: Array, k: int) -> npt.NDArray[np.integer]:
    """Return the cluster (n,) of every row by Ward's agglomeration."""
    from sklearn.cluster import AgglomerativeClustering

    if k == 1:
        return np.zeros(len(sample), dtype=np.intp)
    if k == len(sample):
        return np.arange(k)
    labels: npt.NDArray[np.integer] = AgglomerativeClustering(k, linkage="ward").fit_predict(sample)
    return labels
