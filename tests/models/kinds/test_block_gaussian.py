"""Gaussians on blocks, against linear discriminant analysis."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gmmaudio.models import (
    BlockGaussianSettings,
    fit_scorer,
)
from gmmaudio.models.kinds import block_gaussian
from tests.models.conftest import BLOCKS, clips_of


def test_blocks_with_a_shared_covariance_are_linear_discriminant_analysis():
    rows, labels, groups = clips_of()
    classifier, _ = fit_scorer(rows, labels, BLOCKS, groups=groups)
    X = np.concatenate(rows).astype(np.float64)
    y = np.repeat(labels, [len(r) for r in rows])
    mean = np.stack([X[y == label].mean(axis=0) for label in "abc"])
    scaled = (X - mean[np.searchsorted(list("abc"), y)]) / X.std(axis=0)
    covariance, _ = ledoit_wolf(scaled, assume_centered=True)
    # the shrinkage is towards a multiple of the identity, which a rotation leaves alone
    precision = np.linalg.inv(covariance)
    centres = (mean - X.mean(axis=0)) / X.std(axis=0)
    for clip in (0, 9, 23):
        z = (rows[clip].astype(np.float64) - X.mean(axis=0)) / X.std(axis=0)
        expected = [-0.5 * np.einsum("nd,de,ne->n", z - c, precision, z - c).mean() for c in centres]
        found = classifier.score(rows[clip])
        np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], rtol=1e-6, atol=1e-8)
    plain = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    given = [classifier.labels[classifier.score_rows(r[None]).argmax()] for r in X]
    assert np.mean(plain.predict(X) == np.array(given)) > 0.97  # it shrinks, and weighs labels by their number


def test_one_row_of_each_label_gives_a_model_that_tells_them_apart():
    # the covariance within labels is zero: whitening by it made numbers of 1e153
    rows = [np.array([[0.0, 1.0, 5.0]]), np.array([[2.0, 3.0, 5.0]]), np.array([[9.0, -3.0, 5.0]])]
    scorer, _ = fit_scorer(rows, ["a", "b", "c"], BlockGaussianSettings())
    assert np.abs(scorer.transform.matrix).max() <= 1.0
    for label, row in zip("abc", rows, strict=True):
        scores = scorer.score(row)
        assert np.isfinite(scores).all()
        assert scorer.labels[scores.argmax()] == label


@pytest.mark.parametrize("settings", [BlockGaussianSettings(), BlockGaussianSettings(covariance_type="diag", n_pca=3)])
def test_rows_are_standardised_once_for_a_fit(settings, monkeypatch):
    n_standardised, real = [], block_gaussian.standardise

    def standardise(values, *more):
        n_standardised.append(len(values))
        return real(values, *more)

    monkeypatch.setattr(block_gaussian, "standardise", standardise)
    rows, labels, groups = clips_of()
    fit_scorer(rows, labels, settings, groups=groups)
    assert n_standardised == [sum(map(len, rows))]
