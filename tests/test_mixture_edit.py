"""Merging and splitting components, and starts by binary splitting."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm, merge, split
from gmmaudio.mixture.covariance import covariance_of

TYPES = COVARIANCE_TYPES


def random_mixture(covariance_type, k=5, d=3, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d))
    matrices = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    covariances = {
        "full": matrices,
        "tied": matrices[0],
        "diag": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": matrices[:, 0, 0],
    }[covariance_type]
    means = rng.normal(scale=4.0, size=(k, d))
    return GaussianMixture(rng.dirichlet(np.full(k, 3.0)), means, covariances, covariance_type)


def moments(mixture):
    """Return the mean and the part of the covariance that the type holds: a matrix, a diagonal or a trace."""
    k, d = mixture.means.shape
    mean = mixture.weights @ mixture.means
    apart = mixture.means - mean
    matrices = covariance_of(mixture.covariance_type).matrices(mixture.covariances, k, d)
    total = np.einsum("k,kij->ij", mixture.weights, matrices) + (mixture.weights[:, None] * apart).T @ apart
    if mixture.covariance_type == "diag":
        return mean, np.diagonal(total)
    return mean, np.trace(total) if mixture.covariance_type == "spherical" else total


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_components", [1, 2, 4])
def test_merging_keeps_weight_mean_and_covariance(covariance_type, n_components):
    mixture = random_mixture(covariance_type)
    merged = merge(mixture, n_components)
    assert (merged.n_components, merged.covariance_type) == (n_components, covariance_type)
    for ours, expected in zip(moments(merged), moments(mixture), strict=True):
        # an identity: rounding
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_components", [6, 9, 40])
def test_splitting_keeps_weight_mean_and_covariance(covariance_type, n_components):
    mixture = random_mixture(covariance_type)
    parts = split(mixture, n_components)
    assert (parts.n_components, parts.covariance_type) == (n_components, covariance_type)
    for ours, expected in zip(moments(parts), moments(mixture), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)
    # no two on one spot: EM could never tell them apart
    apart = np.linalg.norm(parts.means[:, None] - parts.means, axis=2)[np.triu_indices(n_components, 1)]
    assert apart.min() > 1e-3


@pytest.mark.parametrize("covariance_type", ["diag", "full", "spherical"])
def test_merging_undoes_a_split(covariance_type):
    mixture = random_mixture(covariance_type)
    back = merge(split(mixture, 6), 5)
    order, expected = (np.lexsort(m.means.T) for m in (back, mixture))
    np.testing.assert_allclose(back.means[order], mixture.means[expected], rtol=1e-9)
    np.testing.assert_allclose(back.covariances[order], mixture.covariances[expected], rtol=1e-9, atol=1e-12)


def test_merging_takes_the_two_that_are_most_alike():
    mixture = GaussianMixture([0.3, 0.3, 0.2, 0.2], [[0.0], [9.0], [0.5], [30.0]], np.ones((4, 1)))
    np.testing.assert_allclose(np.sort(merge(mixture, 3).means[:, 0]), [0.2, 9.0, 30.0], rtol=1e-12)
    # by Runnalls' bound in one dimension: 0.5 ((wi + wj) log v - wi log vi - wj log vj), by hand for all pairs
    w, m = mixture.weights, mixture.means[:, 0]
    costs = {
        (i, j): 0.5 * (w[i] + w[j]) * np.log(1 + w[i] * w[j] / (w[i] + w[j]) ** 2 * (m[i] - m[j]) ** 2)
        for i in range(4)
        for j in range(i + 1, 4)
    }
    assert min(costs, key=costs.get) == (0, 2)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_merging_components_without_weight_leaves_the_density(covariance_type):
    mixture = random_mixture(covariance_type)
    idle = GaussianMixture(np.array([0.5, 0.0, 0.5, 0.0, 0.0]), mixture.means, mixture.covariances, covariance_type)
    X = mixture.sample(50, np.random.default_rng(0))
    np.testing.assert_allclose(merge(idle, 3).log_density(X), idle.log_density(X), rtol=1e-10)
    parts = split(idle, 7)
    assert (parts.weights == 0).sum() == 3
    assert np.isfinite(parts.log_density(X)).all()


@pytest.mark.parametrize(
    ("edit", "n_components", "message"),
    [
        (merge, 0, "n_components is 0; expected 1 to 5 to merge into"),
        (merge, 6, "n_components is 6; expected 1 to 5 to merge into"),
        (merge, 2.5, "n_components is 2.5; expected 1 to 5 to merge into"),
        (split, 4, "n_components is 4; expected 5 or more to split into"),
        (split, 9.0, "n_components is 9.0; expected 5 or more to split into"),
    ],
)
def test_numbers_that_cannot_be_reached_are_refused(edit, n_components, message):
    with pytest.raises(SettingError) as caught:
        edit(random_mixture("diag"), n_components)
    assert str(caught.value) == message


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
