"""Merging and splitting components."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm, merge, split
from gmmaudio.mixture.covariance import covariance_of
from tests.mixture.conftest import random_mixture

TYPES = COVARIANCE_TYPES


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
    mixture = random_mixture(covariance_type, 5, scale=4.0)
    merged = merge(mixture, n_components)
    assert (merged.n_components, merged.covariance_type) == (n_components, covariance_type)
    for ours, expected in zip(moments(merged), moments(mixture), strict=True):
        # an identity: rounding
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_components", [6, 9, 40])
def test_splitting_keeps_weight_mean_and_covariance(covariance_type, n_components):
    mixture = random_mixture(covariance_type, 5, scale=4.0)
    parts = split(mixture, n_components)
    assert (parts.n_components, parts.covariance_type) == (n_components, covariance_type)
    for ours, expected in zip(moments(parts), moments(mixture), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)
    # no two on one spot: EM could never tell them apart
    apart = np.linalg.norm(parts.means[:, None] - parts.means, axis=2)[np.triu_indices(n_components, 1)]
    assert apart.min() > 1e-3


@pytest.mark.parametrize("covariance_type", ["diag", "full", "spherical"])
def test_merging_undoes_a_split(covariance_type):
    mixture = random_mixture(covariance_type, 5, scale=4.0)
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
    mixture = random_mixture(covariance_type, 5, scale=4.0)
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
        edit(random_mixture("diag", 5, scale=4.0), n_components)
    assert str(caught.value) == message


# --- regressions -----------------------------------------------------------------------------------------------------


def test_merging_far_from_zero_loses_no_digits():
    X = np.random.default_rng(0).normal(size=(500, 2)) + 1e8
    mixture, _ = fit_gmm(X, 4)
    np.testing.assert_allclose(merge(mixture, 1).covariances[0], X.var(axis=0), rtol=1e-5)
