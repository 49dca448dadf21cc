"""One test for each defect that the first version of the mixture had."""

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, accumulate, fit_gmm, maximise

TYPES = COVARIANCE_TYPES


@pytest.mark.parametrize("covariance_type", TYPES)
def test_going_on_from_a_start_below_the_floor_never_falls(covariance_type):
    X = np.random.default_rng(0).normal(size=(500, 2))
    first, _ = fit_gmm(X, 8, covariance_type=covariance_type, variance_floor=1e-4, max_iter=200, tol=0)
    _, trace = fit_gmm(X, 8, covariance_type=covariance_type, init=first, variance_floor=0.5)
    falls = set(np.flatnonzero(np.diff(trace.log_likelihoods) < -1e-9) + 1)
    # a component that is left with a single row by the wider floor is placed anew
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    # a fall is no convergence
    assert trace.n_iter > 1


def test_component_of_weight_zero_has_no_density():
    mixture = GaussianMixture([1.0, 0.0], [[0.0], [100.0]], [[1.0], [1.0]])
    np.testing.assert_allclose(mixture.log_density([[100.0]]), -0.5 * np.log(2 * np.pi) - 5000.0, rtol=1e-12)
    np.testing.assert_array_equal(mixture.responsibilities([[100.0]]), [[1.0, 0.0]])


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
def test_three_lost_components_are_placed_apart(covariance_type):
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


def test_trace_calls_floored_only_what_rests_on_the_floor():
    X = np.random.default_rng(0).normal(size=(500, 2))
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e3, 1e3]], np.ones((2, 2)))
    mixture, trace = fit_gmm(X, 2, init=start, max_iter=1)
    assert (mixture.covariances > 0.5).all()
    assert trace.floored == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"max_iter": np.inf},
        {"max_iter": np.nan},
        {"max_iter": "3"},
        {"max_iter": None},
        {"n_init": "3"},
        {"tol": "x"},
        {"tol": None},
        {"variance_floor": None},
        {"covariance_type": ["diag"]},
        {"rng": 0},
    ],
    ids=str,
)
def test_settings_of_the_wrong_kind_are_refused(bad):
    with pytest.raises(SettingError):
        fit_gmm(np.random.default_rng(0).normal(size=(20, 2)), 2, **bad)


@pytest.mark.parametrize("name", ["n_components", "n_init", "max_iter"])
def test_whole_numbers_written_as_floats_are_taken_or_refused_by_name(name):
    X = np.random.default_rng(0).normal(size=(20, 2))
    try:
        _, trace = fit_gmm(X, **({"n_components": 2} | {name: 2.0}))
    except SettingError:
        return
    assert isinstance(trace.n_components_asked, int)


@pytest.mark.parametrize(
    "parameters",
    [
        (["a"], [[0.0]], [[1.0]]),
        ([1.0], [[0.0, 1.0], [2.0]], [[1.0]]),
        ([1.0], [[1j]], [[1.0]]),
        ([1.0], np.zeros((1, 0)), np.zeros((1, 0))),
    ],
    ids=["words", "ragged", "complex", "no features"],
)
def test_parameters_that_are_no_numbers_are_refused(parameters):
    with pytest.raises(MixtureError):
        GaussianMixture(*parameters)


@pytest.mark.parametrize("X", [[[1 + 2j, 2.0]], [[10**400, 1]]], ids=["complex", "beyond float64"])
def test_rows_that_are_no_real_numbers_are_refused(X):
    with pytest.raises(MixtureError):
        fit_gmm(X, 1)


# one variance for all columns takes their units as they are
@pytest.mark.parametrize("covariance_type", [name for name in TYPES if name != "spherical"])
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_column_that_varies_by_rounding_does_not_rule_the_fit(covariance_type, size):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + 9])
    X = np.column_stack([X, size * (1 + 2.2e-7 * rng.integers(0, 3, 300))]).astype(np.float32)
    mixture, _ = fit_gmm(X, 2, covariance_type=covariance_type, tol=0, max_iter=20)
    np.testing.assert_allclose(np.sort(mixture.means[:, :2], axis=0), [[0, 0], [9, 9]], atol=0.5)


@pytest.mark.parametrize("size", [1e17, 1e20, -2.03698542e29])
def test_large_constant_column_scores_as_any_other(size):
    mixture = GaussianMixture([0.1, 0.2, 0.7], np.full((3, 1), size), np.ones((3, 1)))
    np.testing.assert_allclose(mixture.log_density([[size]]), -0.5 * np.log(2 * np.pi), rtol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_row_beyond_all_density_scores_minus_infinity_not_nan(covariance_type):
    covariances = {"diag": [[1.0, 1.0]], "full": [np.eye(2)], "tied": np.eye(2), "spherical": [1.0]}[covariance_type]
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], covariances, covariance_type)
    scores = mixture.log_density([[1e200, -1e200]])
    assert not np.isnan(scores).any()
    assert not np.isnan(mixture.responsibilities([[1e200, -1e200]])).any()


@pytest.mark.parametrize("init", INITS)
def test_column_order_in_memory_does_not_change_a_bit(init):
    X = np.random.default_rng(0).normal(size=(1500, 3))
    plain, _ = fit_gmm(X, 3, init=init, max_iter=5)
    fortran, _ = fit_gmm(np.asfortranarray(X), 3, init=init, max_iter=5)
    np.testing.assert_array_equal(fortran.means, plain.means)


@pytest.mark.parametrize("n", [2, 5])
def test_as_many_equal_rows_as_features_raise_no_warning(n):
    # scipy takes a symmetric matrix of zeros for distances
    fit_gmm(np.full((n, n), 3.5), 1, init="hierarchical")


@pytest.mark.parametrize("seed", range(5))
def test_component_far_wider_than_the_floor_stays_positive_definite(seed):
    # as with variance_floor=0, two far rows among three million (1,732 deviations out) and collinear columns
    X = np.outer([1.0, -1.0], 1732 * np.random.default_rng(seed).uniform(0.5, 1.0, 4))
    first = GaussianMixture([1.0], np.zeros((1, 4)), [np.eye(4)], "full")
    maximise(accumulate(first, [X]), first, floor=1e-10)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e150])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_any_scale_whose_variance_is_a_number_is_fitted(scale, covariance_type):
    X = np.random.default_rng(0).normal(size=(50, 2)) * scale
    mixture, _ = fit_gmm(X, 2, covariance_type=covariance_type)
    assert np.isfinite(mixture.log_density(X)).all()


@pytest.mark.parametrize("scale", [1e160, 1e307])
def test_a_column_whose_variance_is_no_number_is_named(scale):
    X = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, scale]
    with pytest.raises(MixtureError, match="column 1 has deviation"):
        fit_gmm(X, 2)


def test_covariance_uneven_by_rounding_is_symmetric():
    covariance = np.cov(np.random.default_rng(0).normal(size=(50, 8)).T)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    GaussianMixture([1.0], np.zeros((1, 8)), [whiten @ covariance @ whiten.T], "full")


@pytest.mark.parametrize("covariance_type", TYPES)
def test_component_without_rows_takes_no_part_in_a_pooled_covariance(covariance_type):
    X = np.random.default_rng(0).normal(size=(6, 2))
    covariances = {"diag": np.ones((2, 2)), "full": [np.eye(2)] * 2, "tied": np.eye(2), "spherical": np.ones(2)}
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e3, 1e3]], covariances[covariance_type], covariance_type)
    alone = GaussianMixture(
        [1.0],
        [[0.0, 0.0]],
        covariances["tied"] if covariance_type == "tied" else covariances[covariance_type][:1],
        covariance_type,
    )
    both, one = (maximise(accumulate(first, X), first) for first in (start, alone))
    ours = both.covariances if covariance_type == "tied" else both.covariances[:1]
    np.testing.assert_allclose(ours, one.covariances, rtol=1e-9)
    np.testing.assert_array_equal(both.means[1], [1e3, 1e3])
