"""The scorer against scipy's densities: means over rows, order, units, refusals."""

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.models import gmm_scorer
from tests.models.conftest import random_scorer, scipy_scores


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_scores_of_rows_are_scipys_log_densities(covariance_type):
    classifier, rows = random_scorer(covariance_type)
    # densities here are up to some hundred nats, summed in another order and in whitened coordinates
    np.testing.assert_allclose(classifier.score_rows(rows), scipy_scores(classifier, rows), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_score_is_the_mean_of_scipys_log_densities(covariance_type):
    classifier, rows = random_scorer(covariance_type)
    expected = scipy_scores(classifier, rows).mean(axis=0)
    # as above
    np.testing.assert_allclose(classifier.score(rows), expected, rtol=1e-9)


def test_repeated_rows_score_the_same():
    classifier, rows = random_scorer()
    once = classifier.score(rows)
    # the same mean up to the order of a sum of 2,100 and 6,300 numbers
    np.testing.assert_allclose(classifier.score(np.tile(rows, (3, 1))), once, rtol=1e-12)
    np.testing.assert_allclose(classifier.score(np.repeat(rows, 3, axis=0)), once, rtol=1e-12)


def test_the_order_of_rows_does_not_matter():
    classifier, rows = random_scorer()
    # the order of a sum
    np.testing.assert_allclose(classifier.score(rows[::-1]), classifier.score(rows), rtol=1e-12)


def test_every_row_weighs_the_same():
    classifier, rows = random_scorer()
    one, other = classifier.score(rows[:300]), classifier.score(rows[300:])
    # the order of a sum
    np.testing.assert_allclose(classifier.score(rows), (300 * one + 1800 * other) / 2100, rtol=1e-12)


def test_one_row_scores_its_log_density():
    classifier, rows = random_scorer()
    # the same operations, on blocks of other sizes
    np.testing.assert_allclose(classifier.score(rows[:1]), classifier.score_rows(rows)[0], rtol=1e-12)


def test_float32_rows_score_as_their_float64_copies():
    classifier, rows = random_scorer()
    rows = rows.astype(np.float32)
    # what a float32 product may cost a row, and does not cost a mean of 2,100
    np.testing.assert_allclose(classifier.score_rows(rows), classifier.score_rows(rows.astype(np.float64)), atol=1e-4)
    np.testing.assert_allclose(classifier.score(rows), classifier.score(rows.astype(np.float64)), atol=1e-5)


def test_rows_drawn_from_a_label_score_highest_under_it():
    classifier, rows = random_scorer()
    assert [int(classifier.score(part).argmax()) for part in np.split(rows, 3)] == [0, 1, 2]


def test_no_rows_cannot_be_scored():
    classifier, _ = random_scorer()
    with pytest.raises(MixtureError, match="there are no rows to score; at least one is needed"):
        classifier.score(np.empty((0, 4)))


@pytest.mark.parametrize("bad", [np.zeros((3, 5)), np.full((3, 4), np.nan), np.zeros(4), np.full((1, 4), np.inf)])
def test_rows_that_do_not_fit_are_refused(bad):
    classifier, _ = random_scorer()
    with pytest.raises(MixtureError):
        classifier.score(bad)


def test_a_scorer_needs_a_mixture_for_each_of_two_labels_or_more():
    one = random_scorer()[0].mixtures[0]
    for labels, mixtures in [((), ()), (("a",), (one,)), (("a", "b"), (one,)), (("a",), (one, one))]:
        with pytest.raises(SettingError, match=rf"{len(labels)} labels and {len(mixtures)} mixtures"):
            gmm_scorer(labels, mixtures)
    with pytest.raises(SettingError):
        gmm_scorer(("a", "a"), (one, one))
    assert gmm_scorer(("a", "b"), (one, one)).n_features == 4
