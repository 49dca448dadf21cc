"""k-means: the clusters and first centres of scikit-learn, from the same random numbers."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from gmmaudio.mixture.kmeans import draw_centres, find_clusters


def by_sklearn(rows, weights, centres, max_iter):
    with warnings.catch_warnings():
        # fewer distinct clusters than asked for
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(len(centres), init=centres, n_init=1, max_iter=max_iter)
        return model.fit_predict(rows, sample_weight=weights)


def rows_of(seed, n=3_000, d=6):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(m, s, (n // 3, d)) for m, s in ((-1, 0.3), (0, 1), (2, 0.5))])
    return rows, rng.integers(1, 5, len(rows)).astype(np.float64), rng


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 8, 33])
def test_centres_and_clusters_are_those_of_scikit_learn(seed, k):
    rows, weights, _ = rows_of(seed)
    expected, _ = kmeans_plusplus(rows, k, sample_weight=weights, random_state=seed)
    centres = draw_centres(rows, weights, k, seed)
    assert np.array_equal(centres, expected)
    for max_iter in (1, 3, 20, 300):
        assert np.array_equal(
            find_clusters(rows, weights, centres, max_iter), by_sklearn(rows, weights, centres, max_iter)
        )


@pytest.mark.parametrize("seed", range(20))
def test_clusters_that_lose_their_rows_get_those_of_scikit_learn(seed):
    rows, weights, rng = rows_of(seed, n=90, d=2)
    centres = np.concatenate([rng.normal(size=(3, 2)), rng.normal(loc=50, size=(3, 2))])
    labels = find_clusters(rows, weights, centres, 20)
    # which of the rows farthest off comes first is numpy's choice: the same clusters, perhaps under other numbers
    pairs = np.unique(np.stack([labels, by_sklearn(rows, weights, centres, 20)]), axis=1)
    assert pairs.shape == (2, 6)
    assert len(np.unique(labels)) == 6


def test_rows_of_any_number_are_the_same_in_blocks(monkeypatch):
    rows, weights, _ = rows_of(0)
    centres = draw_centres(rows, weights, 8, 0)
    whole = find_clusters(rows, weights, centres, 5)
    monkeypatch.setattr("gmmaudio.mixture.kmeans.BLOCK_DISTANCES", 8 * 700)
    assert np.array_equal(find_clusters(rows, weights, centres, 5), whole)


def test_fewer_distinct_rows_than_centres_leave_clusters_empty():
    rows = np.repeat([[0.0], [1.0]], 5, axis=0)
    labels = find_clusters(rows, np.ones(10), np.array([[0.0], [1.0], [7.0]]), 20)
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_far_rows_keep_the_digits_of_the_others():
    rows, weights, _ = rows_of(0)
    rows = rows + 1e6
    centres = draw_centres(rows - 1e6, weights, 8, 0) + 1e6
    assert np.array_equal(
        find_clusters(rows, weights, centres, 20), find_clusters(rows - 1e6, weights, centres - 1e6, 20)
    )


def test_weights_and_seed_matter():
    rows, weights, _ = rows_of(0)
    heavy = np.where(rows[:, 0] > 1, 1e6, 1.0)
    assert (draw_centres(rows, heavy, 4, 0)[:, 0] > 1).sum() > (draw_centres(rows, weights, 4, 0)[:, 0] > 1).sum()
    assert not np.array_equal(draw_centres(rows, weights, 4, 0), draw_centres(rows, weights, 4, 1))
