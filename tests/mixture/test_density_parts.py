"""Parts of log densities: their sums, and each against scipy or a path of gradients."""

import numpy as np
import pytest
from scipy.stats import entropy, multivariate_normal, norm

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture
from gmmaudio.mixture.covariance import covariance_of
from gmmaudio.mixture.density_parts import component_distances, linearise_log_density, split_log_density

D = 5


def random_mixture(covariance_type, k, seed=0):
    """Return a mixture of any type whose features are correlated where they can be."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, D, D))
    matrices = roots @ roots.transpose(0, 2, 1) + 0.2 * np.eye(D)
    covariances = {
        "diag": rng.uniform(0.2, 5.0, size=(k, D)),
        "full": matrices,
        "tied": matrices[0],
        "spherical": rng.uniform(0.2, 5.0, size=k),
    }[covariance_type]
    return GaussianMixture(rng.dirichlet(np.ones(k)), rng.normal(0, 3, size=(k, D)), covariances, covariance_type)


def random_rows(n=40):
    return np.random.default_rng(1).normal(0, 4, size=(n, D))


def matrix(mixture, k):
    return covariance_of(mixture.covariance_type).matrices(mixture.covariances, *mixture.means.shape)[k]


@pytest.mark.parametrize("k", [1, 6])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_parts_sum_to_the_log_density(covariance_type, k):
    mixture, rows = random_mixture(covariance_type, k), random_rows()
    parts = split_log_density(mixture, rows)
    density = mixture.log_density(rows)
    total = parts.features.sum(axis=1) + parts.volume + parts.weights + parts.entropy
    np.testing.assert_allclose(total, density, rtol=1e-12, atol=1e-12)
    for reference in (np.zeros(D), np.arange(D) - 1.5):
        line = linearise_log_density(mixture, rows, reference)
        total = (line.slopes * (rows - reference)).sum(axis=1) + line.constant
        np.testing.assert_allclose(total, density, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_independent_features_of_one_component_have_their_own_log_densities(covariance_type):
    mixture, rows = random_mixture(covariance_type, 1), random_rows()
    parts = split_log_density(mixture, rows)
    by_feature = norm.logpdf(rows, mixture.means[0], np.sqrt(np.diag(matrix(mixture, 0))))
    np.testing.assert_allclose(parts.features, by_feature, rtol=1e-12)
    for nothing in (parts.volume, parts.weights, parts.entropy):
        assert (nothing == 0).all()


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_features_that_depend_share_the_terms_of_their_products(covariance_type):
    mixture, rows = random_mixture(covariance_type, 1), random_rows()
    parts = split_log_density(mixture, rows)
    difference, precision = rows - mixture.means[0], np.linalg.inv(matrix(mixture, 0))
    products = difference[:, :, None] * precision * difference[:, None, :]
    # half of the terms of each pair of features belong to either of them
    shared = -0.25 * (products.sum(axis=1) + products.sum(axis=2)) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(parts.features, shared, rtol=1e-9)
    np.testing.assert_allclose(parts.volume, -0.5 * np.linalg.slogdet(matrix(mixture, 0))[1], rtol=1e-12)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_weights_and_entropy_are_those_of_the_responsibilities(covariance_type):
    mixture, rows = random_mixture(covariance_type, 4), random_rows()
    joint = np.stack(
        [
            w * multivariate_normal(m, matrix(mixture, k)).pdf(rows)
            for k, (w, m) in enumerate(zip(mixture.weights, mixture.means, strict=True))
        ],
        axis=1,
    )
    shares = joint / joint.sum(axis=1, keepdims=True)
    parts = split_log_density(mixture, rows)
    np.testing.assert_allclose(parts.entropy, entropy(shares, axis=1), atol=1e-9)
    np.testing.assert_allclose(parts.weights, shares @ np.log(mixture.weights), rtol=1e-9)
    assert parts.entropy.max() > 0.1


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_the_line_is_the_path_of_gradients_from_the_reference(covariance_type):
    mixture, (reference, row) = random_mixture(covariance_type, 1), random_rows(2)
    # Simpson's rule is exact for the gradient of a quadratic form, which is linear
    precision = np.linalg.inv(matrix(mixture, 0))
    path = [reference + t * (row - reference) for t in (0.0, 0.5, 1.0)]
    gradients = [-(precision @ (place - mixture.means[0])) for place in path]
    line = linearise_log_density(mixture, row[None], reference)
    np.testing.assert_allclose(line.slopes[0], np.average(gradients, axis=0, weights=[1, 4, 1]), rtol=1e-9)
    np.testing.assert_allclose(line.constant, mixture.log_density(reference[None]), rtol=1e-12)


def test_a_component_without_weight_answers_for_nothing():
    mixture = GaussianMixture([1.0, 0.0], [[0.0], [5.0]], [[1.0], [1.0]])
    alone = GaussianMixture([1.0], [[0.0]], [[1.0]])
    rows = np.array([[5.0]])
    pairs = [
        (split_log_density(mixture, rows), split_log_density(alone, rows)),
        (linearise_log_density(mixture, rows, np.ones(1)), linearise_log_density(alone, rows, np.ones(1))),
    ]
    for found, expected in pairs:
        for name, array in vars(found).items():
            np.testing.assert_array_equal(array, vars(expected)[name])


def test_rows_far_from_all_components_keep_their_sum():
    mixture = random_mixture("diag", 3)
    rows = np.full((2, D), 1e6)
    parts = split_log_density(mixture, rows)
    total = parts.features.sum(axis=1) + parts.volume + parts.weights + parts.entropy
    np.testing.assert_allclose(total, mixture.log_density(rows), rtol=1e-12)


def test_rows_of_another_width_are_refused():
    with pytest.raises(MixtureError):
        split_log_density(random_mixture("diag", 1), np.zeros((2, D + 1)))


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_distances_are_those_of_mahalanobis(covariance_type):
    from scipy.spatial.distance import mahalanobis

    mixture, rows = random_mixture(covariance_type, 3), random_rows(4)
    inverse = np.linalg.inv(matrix(mixture, 2))
    expected = [mahalanobis(row, rows[0], inverse) for row in rows]
    np.testing.assert_allclose(component_distances(mixture, 2, rows, rows[0]), expected, rtol=1e-9, atol=1e-12)
