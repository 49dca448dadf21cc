"""Components that lose their rows: how EM re-seeds them, and how many components are kept."""

import numpy as np
import pytest

from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, fit_gmm
from tests.mixture.conftest import assert_sound, shaped

TYPES = COVARIANCE_TYPES


# --- components that lose their rows ---------------------------------------------------------------------------------


def two_groups(n=400):
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(-5, 1, (n, 2)), rng.normal(5, 1, (n, 2))])


def start_with_a_lost_component(covariance_type):
    covariances = shaped(np.array([30.0 * np.eye(2)] * 2), np.full(2, 0.5), covariance_type)
    return GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e4, 1e4]], covariances, covariance_type)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_component_without_rows_is_reseeded(covariance_type):
    X = two_groups()
    start = start_with_a_lost_component(covariance_type)
    mixture, trace = fit_gmm(X, 2, covariance_type=covariance_type, init=start)
    assert trace.reseeded == ((1, (1,)),)
    assert_sound(X, mixture, trace)
    # half the rows each, to a row
    np.testing.assert_allclose(mixture.weights, 0.5, atol=1e-3)
    np.testing.assert_allclose(np.sort(mixture.means, axis=0), [[-5, -5], [5, 5]], atol=0.2)
    _, alone = fit_gmm(X, 1, covariance_type=covariance_type)
    # two groups ten standard deviations apart in one Gaussian cost far more than half a nat a row
    assert trace.log_likelihoods[-1] > alone.log_likelihoods[-1] + 0.5


# --- re-seeding that EM does not make up for --------------------------------------------------------------------------


def few_rows(seed, dtype="float64", missing=False):
    X = np.random.default_rng(seed).normal(size=(20, 5)).astype(dtype)
    if missing:
        X[np.random.default_rng(seed + 100).random(X.shape) < 0.1] = np.nan
    return X


def assert_best_of_all_seen(X, mixture, trace, steps, rounding=1e-9):
    """The mixture is the best that the fit has seen, and nothing in the trace decreases but what it says."""
    end, values = trace.log_likelihoods[-1], np.array(trace.log_likelihoods)
    slack = rounding * (1 + abs(end))
    assert end >= max(step.log_likelihood for step in steps) - slack
    assert mixture.log_density(X).mean() == pytest.approx(end, rel=1e-5, abs=1e-5)
    falls = set(np.flatnonzero(np.diff(values) < -slack) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    for iteration, _ in trace.reseeded:
        assert end >= values[iteration - 1] - slack
    assert len(trace.floor_hits) == len(values)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accelerate": True},
        {"n_init": 3},
        {"max_iter": 6, "tol": 0},
        {"tol": 0, "max_iter": 25, "accelerate": True},
        {"variance_floor": 0},
        {"weights": np.arange(20) % 4 + 1.0},
    ],
    ids=str,
)
def test_the_best_mixture_seen_is_returned(covariance_type, init, options):
    for seed in (1, 52):
        X, steps = few_rows(seed), []
        mixture, trace = fit_gmm(X, 5, covariance_type=covariance_type, init=init, callback=steps.append, **options)
        if "weights" in options:
            end = np.average(mixture.log_density(X), weights=options["weights"])
            assert end >= max(step.log_likelihood for step in steps) - 1e-9
        else:
            # a variance of 1e-10 of the rows' leaves fewer digits
            assert_best_of_all_seen(X, mixture, trace, steps, rounding=1e-7 if "variance_floor" in options else 1e-9)
        if options.get("tol") == 0:
            assert trace.n_iter + trace.rejected == options["max_iter"]


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("dtype", "missing"), [("float32", False), ("float64", True), ("float32", True)])
def test_the_best_mixture_seen_is_returned_for_hard_rows(covariance_type, dtype, missing):
    for seed in (2, 5):
        X, steps = few_rows(seed, dtype, missing), []
        mixture, trace = fit_gmm(X, 5, covariance_type=covariance_type, callback=steps.append)
        assert_best_of_all_seen(X, mixture, trace, steps, rounding=1e-9 if dtype == "float64" else 1e-5)


def test_reseeding_that_costs_more_than_it_gains_is_taken_back():
    X = few_rows(52)
    steps = []
    _, trace = fit_gmm(X, 5, covariance_type="spherical", callback=steps.append)
    assert (trace.reseeded, trace.taken_back) == ((), ((1, (1, 3, 4)),))
    iterations = [step.iteration for step in steps]
    # the fit went back to where it was, and on from there
    back = iterations.index(1, 2)
    assert iterations[:back] == list(range(back))
    assert iterations[back:] == list(range(1, trace.n_iter + 1))
    kept = [steps[0], *steps[back:]]
    assert tuple(step.log_likelihood for step in kept) == trace.log_likelihoods
    assert trace.log_likelihoods[-1] > steps[back - 1].log_likelihood + 1
    assert trace.converged


def test_two_lost_components_are_reseeded_apart():
    X = np.vstack([two_groups(), two_groups() * [1, -1]])
    start = GaussianMixture([0.2, 0.3, 0.5], [[0, 0], [1e4, 0], [0, 1e4]], np.full((3, 2), 30.0))
    mixture, trace = fit_gmm(X, 3, init=start, tol=1e-6)
    assert trace.reseeded == ((1, (1, 2)),)
    assert_sound(X, mixture, trace)
    # a share each, and no two stand on one another (the groups are ten apart)
    assert mixture.weights.min() > 0.1
    apart = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=2)[np.triu_indices(3, 1)]
    assert apart.min() > 5


def test_component_on_a_single_row_is_reseeded():
    X = np.vstack([np.random.default_rng(0).normal(size=(500, 2)), [[40.0, 40.0]]])
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [40.0, 40.0]], np.ones((2, 2)))
    mixture, trace = fit_gmm(X, 2, init=start, max_iter=4, tol=0)
    assert trace.reseeded == ((1, (1,)),)
    # the only fall is where the trace says so, and there is one
    assert trace.log_likelihoods[1] < trace.log_likelihoods[0]
    assert_sound(X, mixture, trace)
    assert mixture.weights.min() > 2 / 501


@pytest.mark.parametrize("covariance_type", TYPES)
def test_no_component_is_reseeded_in_the_last_iteration(covariance_type):
    # it would be returned before it had seen a row
    X = two_groups()
    start = start_with_a_lost_component(covariance_type)
    mixture, trace = fit_gmm(X, 2, covariance_type=covariance_type, init=start, max_iter=1, tol=0)
    assert trace.reseeded == ()
    assert_sound(X, mixture, trace)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("asked", [4, 50])
def test_more_components_than_distinct_rows_keep_one_for_each(covariance_type, init, asked):
    X = np.repeat([[0.0, 0.0], [1.0, 5.0], [2.0, -5.0]], 10, axis=0)
    mixture, trace = fit_gmm(X, asked, covariance_type=covariance_type, init=init)
    assert (trace.n_components_asked, trace.n_components, mixture.n_components) == (asked, 3, 3)
    assert_sound(X, mixture, trace)
    # every row's component stands on it, up to rounding
    np.testing.assert_allclose(mixture.means[np.argsort(mixture.means[:, 0])], X[::10], atol=1e-9)
    np.testing.assert_allclose(mixture.weights, 1 / 3, rtol=1e-9)


def test_as_many_components_as_distinct_rows_are_all_kept():
    _, trace = fit_gmm(np.repeat([[0.0], [1.0], [2.0]], 10, axis=0), 3)
    assert (trace.n_components_asked, trace.n_components) == (3, 3)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_one_row_gives_one_component_on_it(covariance_type, init):
    mixture, trace = fit_gmm([[3.0, -1.0, 1e6]], 4, covariance_type=covariance_type, init=init)
    assert (trace.n_components_asked, trace.n_components) == (4, 1)
    np.testing.assert_array_equal(mixture.means, [[3.0, -1.0, 1e6]])
    assert np.isfinite(mixture.log_density([[3.0, -1.0, 1e6], [0.0, 0.0, 0.0]])).all()


# --- regressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_going_on_from_a_start_below_the_floor_never_falls(covariance_type):
    X = np.random.default_rng(0).normal(size=(500, 2))
    first, _ = fit_gmm(X, 8, covariance_type=covariance_type, variance_floor=1e-4, max_iter=200, tol=0)
    _, trace = fit_gmm(X, 8, covariance_type=covariance_type, init=first, variance_floor=0.5)
    falls = set(np.flatnonzero(np.diff(trace.log_likelihoods) < -1e-9) + 1)
    # a component that is left with a single row by the wider floor is re-seeded
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    # a fall is no convergence
    assert trace.n_iter > 1


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", ["kmeans", "hierarchical"])
@pytest.mark.parametrize("asked", [7, 8, 50])
def test_rows_repeated_unevenly_keep_a_component_each(covariance_type, init, asked):
    distinct = np.random.default_rng(0).normal(size=(7, 3)) * 10
    X = np.repeat(distinct, [1, 2, 3, 4, 5, 6, 100], axis=0)
    mixture, trace = fit_gmm(X, asked, covariance_type=covariance_type, init=init)
    assert trace.reseeded == ()
    away = np.linalg.norm(mixture.means[:, None] - distinct, axis=2).min(axis=0)
    np.testing.assert_allclose(away, 0.0, atol=0.1)


@pytest.mark.parametrize("init", ["kmeans", "hierarchical"])
def test_asking_for_more_than_the_distinct_rows_is_as_good_as_asking_for_them(init):
    X = np.repeat(np.arange(50.0)[:, None], 3, axis=0)
    _, enough = fit_gmm(X, 50, init=init)
    _, more = fit_gmm(X, 51, init=init)
    assert more.n_components == 50
    assert more.log_likelihoods[-1] == pytest.approx(enough.log_likelihoods[-1], rel=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_three_lost_components_are_reseeded_apart(covariance_type):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal((x, y), size=(400, 2)) for x in (-5, 5) for y in (-5, 5)])
    covariances = {
        "diag": np.full((4, 2), 30.0),
        "full": [30.0 * np.eye(2)] * 4,
        "tied": 30.0 * np.eye(2),
        "spherical": np.full(4, 30.0),
    }[covariance_type]
    start = GaussianMixture(np.full(4, 0.25), [[0, 0], [1e4, 0], [0, 1e4], [1e4, 1e4]], covariances, covariance_type)
    mixture, trace = fit_gmm(X, 4, covariance_type=covariance_type, init=start, tol=1e-6)
    assert trace.reseeded[0] == (1, (1, 2, 3))
    apart = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 1


@pytest.mark.parametrize("covariance_type", TYPES)
def test_one_heavy_row_does_not_make_the_others_look_lost(covariance_type):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(c, 1.0, size=(20, 2)) for c in (-9.0, 0.0, 9.0)])
    weights = np.ones(60)
    weights[0] = 10_000
    options = {"covariance_type": covariance_type, "max_iter": 8, "tol": 0}
    weighted, trace = fit_gmm(X, 3, weights=weights, **options)
    repeated, repeated_trace = fit_gmm(np.repeat(X, weights.astype(int), axis=0), 3, **options)
    assert trace.reseeded == repeated_trace.reseeded
    np.testing.assert_allclose(weighted.means, repeated.means, rtol=1e-7, atol=1e-7)
    # and fractions of counts are no counts, but no reason to lose anything either
    assert fit_gmm(X, 3, weights=weights / 7, **options)[1].reseeded == trace.reseeded
