"""Heads: scores, distances between labels and tensors, against scikit-learn and formulas by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity

from gmmaudio.errors import SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import KINDS, Linear, Mixtures
from gmmaudio.models.heads import fit_cosine
from gmmaudio.models.logistic_regression import fit_logistic
from tests.models.conftest import random_mixture


def labelled_vectors(n_labels=3, n=60, d=4, seed=0):
    """Return vectors around one centre for each label, their labels, and uneven weights of mean 1."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % n_labels
    weights = rng.uniform(0.5, 2.0, size=n)
    return rng.normal(size=(n_labels, d))[codes] + rng.normal(size=(n, d)), codes, weights / weights.mean()


@pytest.mark.parametrize("n_labels", [2, 3])
def test_logistic_regression_is_scikit_learns(n_labels):
    rows, codes, weights = labelled_vectors(n_labels)
    head = fit_logistic(rows, codes, weights, 0.05)
    model = LogisticRegression(C=1 / (0.05 * len(rows)), max_iter=1000).fit(rows, codes, sample_weight=weights)
    # coefficients are kept in float32; the scores of two labels are half the log odds, with either sign
    scores = head.score(rows)
    expected = model.decision_function(rows)
    found = scores if n_labels > 2 else scores[:, 1] - scores[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_cosine_is_that_to_the_weighted_mean_of_a_label():
    rows, codes, weights = labelled_vectors()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    means = np.stack([np.average(unit[codes == k], axis=0, weights=weights[codes == k]) for k in range(3)])
    # float32 coefficients
    np.testing.assert_allclose(fit_cosine(unit, codes, weights).score(unit), cosine_similarity(unit, means), atol=1e-6)


def test_labels_without_a_direction_have_a_cosine_of_zero():
    head = fit_cosine(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1]), np.ones(3))
    assert head.score(np.array([[1.0, 0.0]])).tolist() == [[0.0, 0.0]]


def test_the_distance_of_linear_functions_is_the_cosine_distance():
    coefficients = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    distances, name = Linear(coefficients, np.zeros(4)).label_distances()
    np.testing.assert_allclose(distances, cosine_distances(coefficients), atol=1e-6)  # float32
    assert np.array_equal(distances, distances.T)
    assert (np.diag(distances) == 0).all()
    assert "cosine" in name


def test_the_distance_of_mixtures_is_the_jensen_shannon_divergence():
    far = GaussianMixture(np.ones(1), np.full((1, 1), 100.0), np.ones((1, 1)))
    near = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    distances, name = Mixtures((near, near, far)).label_distances()
    assert distances[0, 1] == 0
    # mixtures that do not overlap are ln 2 apart
    np.testing.assert_allclose(distances[2, :2], np.log(2), atol=1e-9)
    assert name.startswith("Jensen-Shannon divergence")


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_head_of_mixtures_is_made_again_from_its_tensors(covariance_type):
    rng = np.random.default_rng(0)
    head = Mixtures(tuple(random_mixture(rng, k, 3, covariance_type) for k in (1, 4)))
    again = Mixtures.from_tensors(head.settings(), head.tensors())
    rows = rng.normal(-20, 3, size=(9, 3))
    assert np.array_equal(again.score(rows), head.score(rows))


def test_a_linear_head_is_made_again_from_its_tensors():
    rows, codes, weights = labelled_vectors()
    head = fit_logistic(rows, codes, weights, 0.05)
    assert np.array_equal(Linear.from_tensors(head.settings(), head.tensors()).score(rows), head.score(rows))


@pytest.mark.parametrize(("coefficients", "intercepts"), [((3, 2), (2,)), ((3,), (3,)), ((3, 2), (3, 1))])
def test_coefficients_and_intercepts_that_do_not_fit_are_refused(coefficients, intercepts):
    with pytest.raises(SettingError, match=r"expected \(n_labels, d\) and \(n_labels,\)"):
        Linear(np.zeros(coefficients, np.float32), np.zeros(intercepts))


def test_names_of_transforms_and_heads_in_model_files_are_unique():
    for stages in (
        {kind.transform for kind in KINDS.values()},
        {head for kind in KINDS.values() for head in kind.heads},
    ):
        names = [stage.kind for stage in stages]
        assert len(set(names)) == len(names)
