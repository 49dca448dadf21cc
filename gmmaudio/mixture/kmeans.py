"""k-means: first centres by k-means++, and Lloyd's iterations, of weighted rows.

The same as scikit-learn's up to rounding, and from the same random numbers. Importing scikit-learn takes a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array

Labels = npt.NDArray[np.integer]
# Lloyd's iterations end where the centres move by less, in units of the variance of the columns
TOLERANCE = 1e-4
# distances computed at once, as far as a core's caches hold them
BLOCK_DISTANCES = 2**16


def draw_centres(rows: Array, weights: Array, k: int, seed: int) -> Array:
    """Return ``k`` of the rows, each drawn by its distance to those drawn before: greedy k-means++.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        Rows, at least ``k``.
    weights : ndarray, shape (n,)
        Weight of each row, > 0.
    k : int
        Number of centres, >= 1.
    seed : int
        Seed, 0 to 2**32 - 1.

    References
    ----------
    Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, with the trials of its section 7.

    Examples
    --------
    >>> rows = np.array([[0.0], [0.1], [9.0], [9.1]])
    >>> np.sort(draw_centres(rows, np.ones(4), 2, seed=0).round()[:, 0])
    array([0., 9.])
    """
    random = np.random.RandomState(seed)
    n_trials = 2 + int(np.log(k))
    squares = np.square(rows).sum(axis=1)
    total = np.cumsum(weights / weights.sum())
    chosen = [int(np.searchsorted(total / total[-1], random.random_sample(), side="right"))]
    distances = _squared_distances(rows, squares, chosen)[0]
    for _ in range(1, k):
        cumulated = np.cumsum(weights * distances)
        drawn = np.searchsorted(cumulated, random.random_sample(n_trials) * (distances @ weights))
        trials = np.minimum(drawn, len(rows) - 1)
        left = np.minimum(distances, _squared_distances(rows, squares, trials))
        best = int((left @ weights).argmin())
        distances = left[best]
        chosen.append(int(trials[best]))
    return rows[chosen]


def _squared_distances(rows: Array, squares: Array, chosen: npt.ArrayLike) -> Array:
    """Return the squared distances of some of the rows to all, shape (n_chosen, n)."""
    some = rows[np.asarray(chosen)]
    distances: Array = some @ rows.T
    distances *= -2.0
    distances += squares
    distances += np.square(some).sum(axis=1)[:, None]
    return np.maximum(distances, 0.0, out=distances)


def find_clusters(rows: Array, weights: Array, centres: Array, max_iter: int) -> Labels:
    """Return the cluster of every row, shape (n,), after Lloyd's iterations.

    They end where no row changes its cluster or the centres hardly move. A cluster that loses its rows gets the row
    that is furthest from its centre.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        Rows.
    weights : ndarray, shape (n,)
        Weight of each row, > 0.
    centres : ndarray, shape (k, n_features)
        First centres.
    max_iter : int
        Largest number of iterations.

    References
    ----------
    Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28(2) (1982).

    Examples
    --------
    >>> find_clusters(np.array([[0.0], [0.1], [9.0], [9.1]]), np.ones(4), np.array([[0.0], [0.1]]), 20)
    array([0, 0, 1, 1])
    """
    mean = rows.mean(axis=0)
    # a column of ones, so that one product gives distances up to the square of the row
    rows, centres = np.column_stack([rows - mean, np.ones(len(rows))]), centres - mean
    columns = np.ascontiguousarray(rows[:, :-1].T)
    tolerance = TOLERANCE * float(np.square(columns).mean())
    previous: Labels | None = None
    for _ in range(max_iter):
        labels = _nearest(rows, centres)
        moved = _means(columns, weights, labels, centres)
        shift = float(np.square(moved - centres).sum())
        centres = moved
        if previous is not None and np.array_equal(labels, previous):
            return labels
        if shift <= tolerance:
            break
        previous = labels
    return _nearest(rows, centres)


def _nearest(rows: Array, centres: Array) -> Labels:
    """Return the index of the nearest centre of every row; the first of several. The last column of rows is ones."""
    k = len(centres)
    coefficients = np.column_stack([-2.0 * centres, np.square(centres).sum(axis=1)]).T
    n_rows = max(64, BLOCK_DISTANCES // k)
    distances = np.empty((min(n_rows, len(rows)), k))
    labels = np.empty(len(rows), dtype=np.intp)
    for start in range(0, len(rows), n_rows):
        block = rows[start : start + n_rows]
        product = np.matmul(block, coefficients, out=distances[: len(block)])
        product.argmin(axis=1, out=labels[start : start + n_rows])
    return labels


def _means(columns: Array, weights: Array, labels: Labels, centres: Array) -> Array:
    """Return the weighted means of the clusters; a cluster without rows gets a row that is far from its centre."""
    k = len(centres)
    n = np.bincount(labels, weights, minlength=k)
    sums = np.array([np.bincount(labels, weights * column, minlength=k) for column in columns]).T
    empty = np.flatnonzero(n == 0)
    if len(empty):
        distances = np.square(columns - centres[labels].T).sum(axis=0)
        furthest = np.argsort(-distances, kind="stable")[: len(empty)]
        for cluster, row in zip(empty, furthest[distances[furthest] > 0], strict=False):
            part = weights[row] * columns[:, row]
            sums[labels[row]] -= part
            n[labels[row]] -= weights[row]
            sums[cluster], n[cluster] = part, weights[row]
    has_rows = n > 0
    return np.where(has_rows[:, None], sums / np.where(has_rows, n, 1.0)[:, None], centres)
