"""Stability over starts: against scikit-learn's index, in theory, and at its bounds."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.stability import Stability, measure_stability
from tests.mixture.conftest import blobs


@pytest.fixture
def uniform():
    """Rows without clusters."""
    return np.random.default_rng(0).uniform(size=(400, 2))


def test_separated_clusters_are_found_by_every_start():
    X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (60, 2)) for m in (-9.0, 0.0, 9.0)])
    stability = measure_stability(X, fit_gmm(X, 3, n_init=5)[0], n_restarts=4)
    assert (stability.mean, stability.lowest, stability.between, stability.n_reached) == (1.0, 1.0, 1.0, 4)
    assert stability.gain == pytest.approx(0, abs=1e-4)


def test_where_there_are_no_clusters_starts_disagree(uniform):
    stability = measure_stability(uniform, fit_gmm(uniform, 6, covariance_type="full")[0], n_restarts=6)
    assert stability.lowest < stability.mean < 0.8
    assert stability.between < 0.8


def test_the_index_and_the_likelihood_are_those_of_fits_by_hand(uniform):
    mixture, _ = fit_gmm(uniform, 4)
    stability = measure_stability(uniform, mixture, n_restarts=3, rng=np.random.default_rng(5), tol=1e-3, max_iter=20)
    seeds = np.random.default_rng(5).integers(2**63, size=3)
    fits = [fit_gmm(uniform, 4, rng=np.random.default_rng(int(seed)), tol=1e-3, max_iter=20)[0] for seed in seeds]
    labels = [each.responsibilities(uniform).argmax(axis=1) for each in (mixture, *fits)]
    assert stability.adjusted_rand == tuple(adjusted_rand_score(labels[0], each) for each in labels[1:])
    pairs = [adjusted_rand_score(labels[i], labels[j]) for i, j in ((1, 2), (1, 3), (2, 3))]
    assert stability.between == pytest.approx(np.mean(pairs), rel=1e-12)
    means = [each.log_density(uniform).mean() for each in fits]
    assert stability.log_likelihoods == pytest.approx(means, rel=1e-12)
    assert stability.gain == pytest.approx(max(0, max(means) - mixture.log_density(uniform).mean()), abs=1e-12)


def test_another_mixture_than_the_best_is_told_from_it():
    X = load_iris().data
    poor = fit_gmm(X, 3, covariance_type="full", max_iter=0, init="random", rng=np.random.default_rng(1))[0]
    stability = measure_stability(X, poor, n_restarts=3)
    assert stability.gain > 0.1
    assert stability.n_reached == 3
    assert stability.mean < 0.95


def test_rows_with_missing_values_count_and_rows_without_any_do_not():
    X = blobs()
    X[::5, 0] = np.nan
    mixture = fit_gmm(X, 3)[0]
    empty = np.vstack([X, np.full((7, X.shape[1]), np.nan)])
    with_empty, without = (measure_stability(rows, mixture, n_restarts=2) for rows in (empty, X))
    assert (with_empty.adjusted_rand, with_empty.log_likelihoods) == (without.adjusted_rand, without.log_likelihoods)


def test_the_same_for_any_number_of_threads(uniform):
    # three chunks
    X = np.tile(uniform, (50, 1))
    mixture = fit_gmm(X, 3, max_iter=3)[0]
    one, other = (measure_stability(X, mixture, n_restarts=2, max_iter=3, n_threads=n) for n in (1, 2))
    assert (one.adjusted_rand, one.log_likelihoods) == (other.adjusted_rand, other.log_likelihoods)


CHANGES = {
    "n_restarts": {"n_restarts": 3},
    "init": {"init": "random"},
    "max_iter": {"max_iter": 2},
    "tol": {"tol": 0.1},
    "variance_floor": {"variance_floor": 0.9},
    "rng": {"rng": np.random.default_rng(7)},
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_changes_the_outcome(uniform, name):
    mixture = fit_gmm(uniform, 5)[0]
    base = measure_stability(uniform, mixture, n_restarts=2)
    assert (
        measure_stability(uniform, mixture, **{"n_restarts": 2} | CHANGES[name]).log_likelihoods != base.log_likelihoods
    )


def test_one_component_and_one_start_are_stable():
    X = blobs()
    stability = measure_stability(X, fit_gmm(X, 1)[0], n_restarts=1)
    assert (stability.adjusted_rand, stability.between) == ((1.0,), 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_restarts": 0}, "n_restarts is 0; expected a whole number, 1 or more"),
        ({"n_restarts": True}, "n_restarts is True; expected a whole number, 1 or more"),
        ({"n_restarts": 1.5}, "n_restarts is 1.5; expected a whole number, 1 or more"),
        (
            {"init": "binary"},
            "init is 'binary', which is the same start for every seed; expected 'kmeans' or 'random'",
        ),
    ],
)
def test_settings_outside_their_bounds(settings, message):
    with pytest.raises(SettingError) as caught:
        measure_stability(blobs(), fit_gmm(blobs(), 1)[0], **settings)
    assert str(caught.value) == message


def test_rows_that_do_not_fit_the_mixture():
    one = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(MixtureError, match="rows have 1 features; the mixture was made for 2"):
        measure_stability([[1.0], [2.0]], one)
    with pytest.raises(MixtureError, match="there are no rows; at least one is needed"):
        measure_stability([[np.nan, np.nan]], one)


def test_the_bound_of_a_reached_likelihood_grows_with_the_columns():
    assert Stability((1.0,), 1.0, (-1.0025,), -1.0, 2).n_reached == 0
    assert Stability((1.0,), 1.0, (-1.0025,), -1.0, 3).n_reached == 1
