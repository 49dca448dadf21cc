"""Sufficient statistics, their sums, and the M-step on them."""

import functools
import operator

import numpy as np
import pytest
from scipy.optimize import minimize

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, SufficientStats, accumulate, fit_gmm, maximise
from gmmaudio.mixture.rows import Chunk
from gmmaudio.mixture.statistics import chunk_statistics
from tests.mixture.conftest import crowd, first_mixture, random_mixture

TYPES = COVARIANCE_TYPES


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_statistics_are_sums_weighted_by_responsibility(covariance_type):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(500, np.random.default_rng(1))
    shares = mixture.responsibilities(X)
    stats = accumulate(mixture, [X[:200], X[200:]])
    products = X[:, :, None] * X[:, None, :]
    second = {
        "diag": lambda: shares.T @ (X * X),
        "full": lambda: np.einsum("nk,nij->kij", shares, products),
        "tied": lambda: products.sum(axis=0),
        "spherical": lambda: shares.T @ (X * X).sum(axis=1),
    }[covariance_type]()
    # sums of 500 float64 terms
    np.testing.assert_allclose(stats.n, shares.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(stats.f, shares.T @ X, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(stats.s, second, rtol=1e-10, atol=1e-9)
    assert stats.log_likelihood == pytest.approx(mixture.log_density(X).sum(), rel=1e-12)
    assert stats.n_rows == 500


@pytest.mark.parametrize("covariance_type", TYPES)
def test_statistics_of_two_sets_of_rows_add(covariance_type):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(700, np.random.default_rng(1))
    added = accumulate(mixture, [X[:300]]) + accumulate(mixture, [X[300:]])
    together = accumulate(mixture, [X])
    # the same sums in another order: rounding of 700 terms, near 0 where positive and negative ones meet
    np.testing.assert_allclose(added.n, together.n, rtol=1e-12)
    np.testing.assert_allclose(added.f, together.f, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(added.s, together.s, rtol=1e-11, atol=1e-9)
    assert added.log_likelihood == pytest.approx(together.log_likelihood, rel=1e-13)
    assert added.n_rows == together.n_rows == 700


def test_statistics_in_the_order_of_their_blocks_are_the_same_bits():
    mixture = random_mixture("full")
    X = mixture.sample(700, np.random.default_rng(1))
    first, second = (accumulate(mixture, np.array_split(X, 7)) for _ in range(2))
    np.testing.assert_array_equal(first.s, second.s)
    assert first.log_likelihood == second.log_likelihood


@pytest.mark.parametrize("mapper", [None, map])
def test_chunks_are_summed_in_groups_of_64_and_then_the_groups(mapper):
    # 130 chunks of one row: with weights of very different size, every order of sums has other last bits
    X = crowd(130).astype(float)
    weights = 10.0 ** np.random.default_rng(0).uniform(-6, 6, size=130)
    first = first_mixture("diag")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmmaudio.mixture.sources.CHUNK_ROWS", 1)
        found = accumulate(first, X, weights, mapper=mapper)
        with pytest.MonkeyPatch.context() as one_group:
            one_group.setattr("gmmaudio.mixture.statistics.GROUP_CHUNKS", 1000)
            in_one_group = accumulate(first, X, weights, mapper=mapper)
    joint = first.log_joint(False)
    parts = [chunk_statistics(joint, Chunk(i, X[i : i + 1], weights[i : i + 1], has_missing=False)) for i in range(130)]
    sums = [functools.reduce(operator.add, parts[start : start + 64]) for start in (0, 64, 128)]
    assert found.log_likelihood == (sums[0].log_likelihood + sums[1].log_likelihood) + sums[2].log_likelihood
    assert in_one_group.log_likelihood == functools.reduce(operator.add, parts).log_likelihood
    assert in_one_group.log_likelihood != found.log_likelihood
    np.testing.assert_array_equal(found.n, (sums[0].n + sums[1].n) + sums[2].n)
    np.testing.assert_allclose(found.n, in_one_group.n, rtol=1e-12)


def test_statistics_add_field_by_field():
    a = SufficientStats(np.array([1.0]), np.array([[2.0]]), np.array([[3.0]]), -4.0, 5)
    b = SufficientStats(np.array([10.0]), np.array([[20.0]]), np.array([[30.0]]), -40.0, 50)
    total = a + b
    assert (total.n, total.f, total.s, total.log_likelihood, total.n_rows) == (11, 22, 33, -44, 55)


# --- invalid input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [[], [np.empty((0, 3))]])
def test_statistics_of_no_rows_are_refused(blocks):
    with pytest.raises(MixtureError) as caught:
        accumulate(random_mixture("diag"), blocks)
    assert str(caught.value) == "there are no rows; at least one is needed"


# --- against independent references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", [0.3, 1e-3])
def test_diagonal_m_step_is_the_best_variance_above_the_floor(floor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) * [1.0, 0.1]
    first = GaussianMixture([0.4, 0.6], [[0.5, 0.0], [-0.5, 0.1]], np.ones((2, 2)))
    shares = first.responsibilities(X)
    mixture = maximise(accumulate(first, [X]), first, floor=floor)
    np.testing.assert_allclose(mixture.weights, shares.mean(axis=0), rtol=1e-12)
    # the second feature's variance is 0.01: the floor binds there in one case and nowhere in the other
    assert (mixture.covariances == floor).sum() == (2 if floor == 0.3 else 0)
    for k in range(2):
        for j in range(2):

            def loss(p, share=shares[:, k], x=X[:, j]):
                return 0.5 * (share @ (np.log(p[1]) + (x - p[0]) ** 2 / p[1])) / share.sum()

            best = minimize(loss, [0.1, 1.0], bounds=[(None, None), (floor, None)], options={"ftol": 1e-15})
            # the search stops within 1e-8 of the optimum in value, so within 1e-4 of its place
            np.testing.assert_allclose([mixture.means[k, j], mixture.covariances[k, j]], best.x, atol=1e-4)
            assert loss([mixture.means[k, j], mixture.covariances[k, j]]) <= best.fun + 1e-12


def test_full_m_step_is_the_best_covariance_with_eigenvalues_above_the_floor():
    X = np.random.default_rng(0).normal(size=(300, 2)) @ np.array([[1.0, 0.5], [0.0, 0.1]])
    first = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)], "full")
    scatter = np.cov(X.T, bias=True)
    floor = 0.1
    assert np.linalg.eigvalsh(scatter)[0] < floor
    mixture = maximise(accumulate(first, [X]), first, floor=floor)

    def expected_log_density(covariance):
        return -0.5 * (np.linalg.slogdet(covariance)[1] + np.trace(np.linalg.solve(covariance, scatter)))

    grid = []
    for angle in np.linspace(0, np.pi, 90):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for high in np.geomspace(floor, 5, 60):
            for low in floor * np.array([1.0, 1.1, 1.5, 3.0]):
                grid.append(expected_log_density(turn @ np.diag([high, low]) @ turn.T))
    ours = expected_log_density(mixture.covariances[0])
    assert np.linalg.eigvalsh(mixture.covariances[0])[0] == pytest.approx(floor, rel=1e-9)
    # nothing on the grid is better, and the grid is fine enough to come close
    assert max(grid) <= ours + 1e-12
    assert max(grid) == pytest.approx(ours, abs=5e-3)


# --- one result, however it is computed ------------------------------------------------------------------------------


def test_statistics_of_parts_add_up_to_a_fit_done_by_hand():
    # what a cluster does: a part of the rows on each machine, their sums brought together
    X, start = crowd(30_000, dtype="float64"), first_mixture("diag")
    mixture = start
    for _ in range(3):
        stats = [accumulate(mixture, part) for part in np.array_split(X, 4)]
        mixture = maximise(stats[0] + stats[1] + stats[2] + stats[3], mixture)
    fitted, _ = fit_gmm(X, 8, init=start, max_iter=3, tol=0, variance_floor=0)
    # the same sums in another order and coordinates
    np.testing.assert_allclose(mixture.means, fitted.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mixture.covariances, fitted.covariances, rtol=1e-9)


# --- sources that cannot be used -------------------------------------------------------------------------------------


def test_statistics_of_different_mixtures_do_not_add():
    X = crowd(100)
    with pytest.raises(MixtureError, match=r"statistics of diag \(8, 6\) and full \(8, 6\) do not add"):
        accumulate(first_mixture("diag"), X) + accumulate(first_mixture("full"), X)


def test_maximise_refuses_another_mixtures_statistics():
    stats = accumulate(first_mixture("diag"), crowd(100))
    with pytest.raises(
        MixtureError, match=r"the previous mixture is diag \(4, 6\) and the statistics are diag \(8, 6\)"
    ):
        maximise(stats, first_mixture("diag", k=4))


# --- regressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_component_far_wider_than_the_floor_stays_positive_definite(seed):
    # as with variance_floor=0, two far rows among three million (1,732 standard deviations out) and collinear columns
    X = np.outer([1.0, -1.0], 1732 * np.random.default_rng(seed).uniform(0.5, 1.0, 4))
    first = GaussianMixture([1.0], np.zeros((1, 4)), [np.eye(4)], "full")
    mixture = maximise(accumulate(first, [X]), first, floor=1e-10)
    assert np.linalg.eigvalsh(mixture.covariances[0]).min() > 0


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


@pytest.mark.parametrize("floor", [-1.0, 0.0, np.nan, [1.0, 1.0, 1.0]])
def test_invalid_floors_are_refused(floor):
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(SettingError, match=r"floor is .*; expected a variance above 0, or one for each of 2 columns"):
        maximise(accumulate(mixture, np.random.default_rng(0).normal(size=(9, 2))), mixture, floor=floor)


def test_floor_for_each_column_holds_in_each_column():
    X = np.random.default_rng(0).normal(size=(500, 2)) * [1e-3, 1e3]
    for covariance_type, covariances in (("diag", [[1.0, 1.0]]), ("full", [np.eye(2)])):
        mixture = GaussianMixture([1.0], [[0.0, 0.0]], covariances, covariance_type)
        floored = maximise(accumulate(mixture, X), mixture, floor=[4e-6, 1.0])
        variances = floored.covariances[0] if covariance_type == "diag" else np.diagonal(floored.covariances[0])
        assert variances[0] == pytest.approx(4e-6, rel=1e-3)
        assert variances[1] == pytest.approx(X[:, 1].var(), rel=1e-6)
