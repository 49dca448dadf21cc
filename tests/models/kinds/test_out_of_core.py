"""Blocks and supervectors on more rows than are held: the bits of rows in files, scores, and flat memory."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.models import BlockGaussianSettings, TrainingRows, chunked_rows, fit_scorer
from gmmaudio.models.kinds import fit_kind, supervector
from gmmaudio.models.logistic_regression import fit_logistic
from tests.models.conftest import VECTORS, clips_of, training_of

KINDS = [
    BlockGaussianSettings(n_pca=4),
    BlockGaussianSettings(n_pca=4, shrinkage=None, back_end="mean"),
    BlockGaussianSettings(n_pca=4, covariance_type="diag", n_components=2, back_end="mean"),
    replace(VECTORS, bigram_lag=2),
    replace(VECTORS, bigram_lag=2, back_end="mean"),
]


def numbers_of(scorer):
    """Return all arrays of a scorer by name."""
    parts = (scorer.transform, *scorer.heads)
    return {f"{i}.{name}": value for i, part in enumerate(parts) for name, value in part.tensors().items()}


@pytest.mark.parametrize("settings", KINDS)
def test_rows_in_files_give_the_same_bits(settings, monkeypatch):
    rows, labels, groups = clips_of(n_clips=12)
    training, found = training_of(rows, labels, groups), []
    part = np.array([i for i in range(len(rows)) if i % 5])
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 16)
    for held in (10**9, 0):
        monkeypatch.setattr(chunked_rows, "HELD_BYTES", held)
        fit = fit_kind(training, settings)
        scores = [] if fit.partial is None else [fit.partial.score(fit.partial.fit(part), np.arange(5))]
        found.append([*numbers_of(fit.scorer).values(), *scores])
    for in_memory, in_file in zip(*found, strict=True):
        np.testing.assert_array_equal(in_file, in_memory)


@pytest.mark.parametrize("settings", KINDS)
def test_chunks_give_the_scores_of_all_rows_at_once(settings, monkeypatch):
    rows, labels, groups = clips_of(n_clips=12)
    whole, _ = fit_scorer(rows, labels, settings, groups=groups)
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 16)
    chunked, _ = fit_scorer(rows, labels, settings, groups=groups)
    # vectors are of single precision; the search for coefficients ends within 1e-4 of the optimum
    tolerance = 1e-3 if len(whole.heads) > 1 else 1e-4 if settings.kind == "supervector" else 1e-8
    for clip in rows:
        np.testing.assert_allclose(chunked.score(clip), whole.score(clip), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("settings", KINDS)
def test_bytes_are_the_same_for_any_number_of_jobs(settings, monkeypatch):
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 16)
    monkeypatch.setattr(chunked_rows, "HELD_BYTES", 0)
    rows, labels, groups = clips_of(n_clips=12)
    found = [
        numbers_of(fit_scorer(rows, labels, settings, groups=groups, run=RunContext(n_jobs=n_jobs))[0])
        for n_jobs in (1, 2)
    ]
    for name, values in found[0].items():
        np.testing.assert_array_equal(found[1][name], values)


class MadeRows(Sequence):
    """Rows of clips that are made when they are asked for, as those of files are read."""

    def __init__(self, n_clips, n_rows, d):
        self.n_clips, self.n_rows, self.d = n_clips, n_rows, d

    def __len__(self):
        return self.n_clips

    def __getitem__(self, i):
        if i >= self.n_clips:
            raise IndexError(i)
        rng = np.random.default_rng(i)
        return (rng.normal(size=(self.n_rows, self.d)) + i % 4).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        BlockGaussianSettings(n_pca=5, back_end="mean"),
        replace(VECTORS, n_ubm_rows=2000, max_iter=2, n_components=8, bigram_lag=1, back_end="mean", penalty=1.0),
    ],
)
def test_memory_does_not_grow_with_the_clips(settings, monkeypatch):
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 64)
    monkeypatch.setattr(chunked_rows, "HELD_BYTES", 0)
    monkeypatch.setattr(supervector, "MAX_NUISANCE_CLIPS", 100)
    monkeypatch.setattr("gmmaudio.models.clip_vectors.MAX_NUISANCE_CLIPS", 100)

    def peak(n_clips):
        rows, codes = MadeRows(n_clips, 10, 40), np.arange(n_clips) % 4
        training = TrainingRows(rows, tuple("abcd"), codes, tuple(map(str, range(n_clips))), 0)
        tracemalloc.start()
        fit = fit_kind(training, settings)
        if fit.partial is not None:
            part = fit.partial.fit(np.arange(0, n_clips, 2))
            fit.partial.score(part, np.arange(1, n_clips, 2))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)  # what is imported and set up when it is first used
    small, large = peak(200), peak(800)
    n_bytes_of_rows = 600 * 10 * 40 * 4
    # numbers of rows, labels, groups and weights: a hundred bytes for a clip, and for a row of it
    assert large - small < 0.35 * n_bytes_of_rows, (small, large, n_bytes_of_rows)


def test_coefficients_hardly_depend_on_the_chunks():
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=200)
    rows = rng.normal(size=(200, 5)) + rng.normal(size=(3, 5))[codes]
    whole = fit_logistic(rows, codes, np.ones(200), 0.1)
    chunked = fit_logistic(chunked_rows.in_chunks(rows, 16), codes, np.ones(200), 0.1)
    # sums in another order, in each of some ten steps
    np.testing.assert_allclose(chunked.coefficients, whole.coefficients, rtol=1e-5, atol=1e-6)
