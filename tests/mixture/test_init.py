"""Starts of EM: binary splitting, samples of bounded size, weights."""

import tracemalloc

import numpy as np
import pytest

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import INITS, fit_gmm
from gmmaudio.mixture.init import distinct_rows, sample_size
from gmmaudio.mixture.kmeans import draw_centres
from gmmaudio.mixture.whitening import Whitening


@pytest.mark.parametrize("n_components", [1, 2, 3, 5, 8, 13])
def test_binary_splitting_starts_with_any_number_of_components(n_components):
    X = np.random.default_rng(0).normal(size=(500, 2))
    start, trace = fit_gmm(X, n_components, init="binary", max_iter=0)
    assert start.n_components == n_components
    # every cluster has rows of its own, and all are shared out
    assert start.weights.min() > 1 / 500
    assert trace.log_likelihoods[0] > -3.0


def test_binary_splitting_finds_groups_along_the_widest_direction_first():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal((x, y), 0.2, size=(100, 2)) for x in (-9, 9) for y in (-2, 2)])
    two, _ = fit_gmm(X, 2, init="binary", max_iter=0)
    np.testing.assert_allclose(np.sort(np.abs(two.means), axis=1)[:, 1], 9.0, atol=0.2)
    four, _ = fit_gmm(X, 4, init="binary", max_iter=0)
    np.testing.assert_allclose(np.sort(four.weights), 0.25, rtol=1e-12)


def test_binary_splitting_knows_no_chance():
    X = np.random.default_rng(0).normal(size=(400, 3))
    one, other = (fit_gmm(X, 6, init="binary", max_iter=0, rng=np.random.default_rng(seed))[0] for seed in (1, 2))
    np.testing.assert_array_equal(one.means, other.means)


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", INITS)
def test_starts_take_a_bounded_sample_of_the_rows(init, monkeypatch):
    # EM keeps no rows
    monkeypatch.setattr("gmmaudio.mixture.kept.KEPT_BYTES", 0)
    X = np.random.default_rng(0).normal(size=(120_000, 8)).astype(np.float32)
    fit_gmm(X[:500], 2, init=init, max_iter=0)
    peaks = []
    for n in (40_000, 120_000):
        tracemalloc.start()
        fit_gmm(X[:n], 16, init=init, max_iter=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # drawing the sample may hold an index a row, twice (8 bytes); rows in float64 would be 64 bytes each, 5 MB more
    assert peaks[1] - peaks[0] < 80_000 * 17 + 1e5


@pytest.mark.parametrize(
    ("init", "n_components", "n_rows"),
    [
        ("kmeans", 16, 20_000),
        ("kmeans", 20_500, 20_500),
        ("hierarchical", 16, 2000),
        ("hierarchical", 2001, 2001),
        ("binary", 16, 20_000),
        ("random", 64, 20_000),
    ],
)
def test_starts_are_made_of_as_many_rows_as_stated(init, n_components, n_rows, monkeypatch):
    assert sample_size(init, n_components) == n_rows

    def spy(sample, *_):
        raise InterruptedError(len(sample))

    monkeypatch.setattr("gmmaudio.mixture.fit_rows.make_start", spy)
    with pytest.raises(InterruptedError, match=f"^{n_rows}$"):
        fit_gmm(np.random.default_rng(0).normal(size=(31_000, 2)), n_components, init=init)


def test_first_centres_of_kmeans_are_drawn_from_some_of_the_rows(monkeypatch):
    seen = []

    def spy(rows, weights, k, seed):
        seen.append((rows, weights))
        return draw_centres(rows, weights, k, seed)

    monkeypatch.setattr("gmmaudio.mixture.init.draw_centres", spy)
    X = np.random.default_rng(0).normal(size=(12_000, 2))
    for n, k in ((5000, 3), (5001, 3), (12_000, 80), (8000, 80)):
        fit_gmm(X[:n], k, weights=10.0 + X[:n, 1], max_iter=0)
    assert [len(rows) for rows, _ in seen] == [5000, 5000, 8000, 8000]
    for rows, weights in seen:
        assert len(np.unique(rows, axis=0)) == len(rows)
        # rows come with their own weights
        assert (np.diff(weights[np.argsort(rows[:, 1])]) > 0).all()


@pytest.mark.parametrize("far", [300.0, 1e6])
def test_a_single_far_row_is_among_the_rows_that_first_centres_are_drawn_from(far):
    X = np.concatenate([np.random.default_rng(0).normal(m, 1, (2700, 4)) for m in (-4, 0, 4)]).astype(np.float32)
    X[17] = far
    ends = [fit_gmm(X, 4, rng=np.random.default_rng(seed))[1].log_likelihoods[-1] for seed in range(6)]
    # without it two of the three groups share a component, 1.7 nats below
    assert min(ends) > max(ends) - 0.1


def test_a_start_from_some_of_the_rows_ends_as_high():
    # eight groups, which k-means++ finds in any sample of them
    rng = np.random.default_rng(0)
    X = rng.normal(size=(15_000, 3)) + 8.0 * rng.integers(0, 2, (15_000, 3))
    ends = [fit_gmm(X, 8, rng=np.random.default_rng(seed))[1].log_likelihoods[-1] for seed in range(5)]
    np.testing.assert_allclose(ends, -3 * (0.5 * np.log(2 * np.pi) + 0.5) - np.log(8), atol=0.02)


@pytest.mark.parametrize("kind", ["distinct", "few values", "ties in turn", "equal", "one column", "one row"])
def test_distinct_rows_are_those_of_numpy(kind):
    rng = np.random.default_rng(0)
    rows = {
        "distinct": rng.normal(size=(500, 4)),
        "few values": rng.choice([-1.0, -0.0, 0.0, np.nan, 2.0], size=(500, 3)),
        "ties in turn": rng.integers(0, 2, (500, 8)) * np.geomspace(1, 1e90, 8),
        "equal": np.full((50, 3), 7.0),
        "one column": rng.integers(0, 9, (100, 1)).astype(float),
        "one row": np.array([[3.0, -1.0]]),
    }[kind]
    weights = rng.uniform(1, 2, len(rows))
    found, found_weights = distinct_rows(rows, weights, Whitening(np.zeros(rows.shape[1]), np.ones(rows.shape[1])))
    # numpy takes NaN for the greatest number, and every NaN of a matrix for another
    plain = np.where(np.isnan(rows), np.inf, rows + 0.0)
    expected, index = np.unique(plain, axis=0, return_inverse=True)
    np.testing.assert_array_equal(np.where(np.isnan(found), np.inf, found), expected)
    np.testing.assert_allclose(found_weights, np.bincount(index.ravel(), weights), rtol=1e-12)


# --- regressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 5])
def test_as_many_equal_rows_as_features_raise_no_warning(n):
    # scipy takes a symmetric matrix of zeros for distances
    mixture, _ = fit_gmm(np.full((n, n), 3.5), 1, init="hierarchical")
    np.testing.assert_array_equal(mixture.means, 3.5)


@pytest.mark.parametrize("init", INITS)
def test_weights_of_any_size_are_drawn_by(init):
    X = np.random.default_rng(0).normal(size=(300, 2))
    weights = np.full(300, 1e-300)
    weights[:3] = 1e300
    mixture, _ = fit_gmm(X, 8, init=init, weights=weights, max_iter=3, tol=0)
    assert np.isfinite(mixture.log_density(X)).all()
    with pytest.raises(MixtureError, match="the weights sum to more than float64 holds; divide them by the greatest"):
        fit_gmm(X, 2, weights=np.full(300, 1e308))
