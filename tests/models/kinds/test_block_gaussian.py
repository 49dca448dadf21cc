"""Gaussians on blocks, against linear and quadratic discriminant analysis."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gmmaudio.models import (
    BlockGaussianSettings,
    fit_scorer,
)
from gmmaudio.models.kinds import block_gaussian
from tests.models.conftest import BLOCKS, clips_of, training_of


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


def test_own_covariances_alone_are_quadratic_discriminant_analysis():
    rows, labels, groups = clips_of()
    settings = replace(BLOCKS, shrinkage=0.0, own_covariance=1.0)
    classifier, _ = fit_scorer(rows, labels, settings, groups=groups)
    X = np.concatenate(rows).astype(np.float64)
    y = np.repeat(labels, [len(r) for r in rows])
    found = classifier.score_rows(X)
    parts = [X[y == label] for label in "abc"]
    densities = [multivariate_normal(part.mean(axis=0), np.cov(part, rowvar=False, bias=True)) for part in parts]
    expected = np.stack([density.logpdf(X) for density in densities], axis=1)
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("share", "shrinkage"), [(0.3, 0.6), (0.7, None)])
def test_own_covariances_are_parts_of_the_unit_and_of_a_shrunk_covariance(share, shrinkage):
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [30, 50])
    rows = rng.normal(size=(80, 4)) * np.where(codes, 2.0, 0.5)[:, None]
    found = block_gaussian.own_covariances(rows, codes, share, shrinkage)
    for k in range(2):
        own = np.cov(rows[codes == k], rowvar=False, bias=True)
        centred = rows[codes == k] - rows[codes == k].mean(axis=0)
        least = ledoit_wolf(centred, assume_centered=True)[1] if shrinkage is None else shrinkage
        shrunk = (1 - least) * own + least * np.trace(own) / 4 * np.eye(4)
        np.testing.assert_allclose(found[k], (1 - share) * np.eye(4) + share * shrunk, rtol=1e-12)


@pytest.mark.parametrize("shrinkage", [0.0, 0.6])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_own_covariances_of_labels_with_few_rows_have_a_floor(shrinkage, floor):
    # label a has one row, label b differs in one direction only: neither covariance has an inverse
    many = np.random.default_rng(0).normal(size=(9, 3))
    rows = [np.zeros((1, 3)), np.array([[4.0, 0.0, 0.0], [6.0, 0.0, 0.0]]), many]
    settings = BlockGaussianSettings(n_pca=None, shrinkage=shrinkage, own_covariance=1.0, variance_floor=floor)
    scorer, _ = fit_scorer(rows, list("abc"), settings)
    least = [np.linalg.eigvalsh(mixture.covariances[0]).min() for mixture in scorer.heads[0].mixtures]
    assert min(least) == pytest.approx(max(floor, 1e-10), rel=1e-3)
    for label, each in zip("abc", rows, strict=True):
        assert scorer.labels[scorer.score(each).argmax()] == label


def with_copies(make, n_copies=2):
    """Return a training set in which every clip has copies that a function makes of its rows, and it without them."""
    rows, labels, groups = clips_of()
    alone = training_of(rows, labels, groups)
    each = 1 + n_copies
    together = training_of(
        [make(r, i) if i else r for r in rows for i in range(each)], np.repeat(labels, each), np.repeat(groups, each)
    )
    return alone, replace(together, is_copy=np.tile(np.arange(each) > 0, len(rows)))


@pytest.mark.parametrize("n_copies", [1, 3])
def test_copies_that_are_their_clips_change_nothing(n_copies):
    alone, together = with_copies(lambda rows, _: rows, n_copies)
    settings = BlockGaussianSettings(n_pca=4, own_covariance=0.3, back_end="mean")
    one, other = (block_gaussian.fit(training, settings).scorer for training in (alone, together))
    for rows in alone.rows[::5]:
        np.testing.assert_allclose(one.score_heads(rows), other.score_heads(rows), rtol=1e-6)


def test_all_copies_of_a_clip_weigh_as_the_clip_and_rows_are_standardised_without_them():
    alone, together = with_copies(lambda rows, i: rows + 10.0 * i)
    settings = replace(BLOCKS, shrinkage=0.0)
    one, other = (block_gaussian.fit(training, settings).scorer for training in (alone, together))
    np.testing.assert_allclose(other.transform.mean, one.transform.mean)
    np.testing.assert_allclose(other.transform.scale, one.transform.scale)
    # the copies of a clip are 10 and 20 away from it: 15 in the mean, of half the weight
    back = np.linalg.pinv(other.transform.matrix)
    for k in range(3):
        centre = one.transform.apply(np.concatenate([alone.rows[i] for i in np.flatnonzero(alone.codes == k)])).mean(0)
        np.testing.assert_allclose(one.heads[0].mixtures[k].means[0], centre, atol=1e-6)
        moved = (one.heads[0].mixtures[k].means[0] @ np.linalg.pinv(one.transform.matrix)) + 7.5 / one.transform.scale
        np.testing.assert_allclose(other.heads[0].mixtures[k].means[0] @ back, moved, rtol=1e-6)
    X = np.concatenate([np.asarray(r, dtype=np.float64) for r in together.rows])
    shares = np.repeat(together.shares(), together.lengths)
    assert np.unique(shares).tolist() == [0.5, 1.0]
    code = together.codes[together.clip_of_rows()]
    means = np.array([np.average(X[code == k], axis=0, weights=shares[code == k]) for k in range(3)])
    centred = other.transform.apply(X - means[code] + one.transform.mean)
    within = np.cov(centred, rowvar=False, aweights=shares, bias=True)
    np.testing.assert_allclose(within, np.eye(5), atol=1e-9)


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
