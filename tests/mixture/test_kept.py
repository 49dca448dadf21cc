"""Whitened rows that are kept between iterations: the same bits in bounded memory, and less work."""

import tracemalloc

import numpy as np
import pytest

from gmmaudio.mixture import COVARIANCE_TYPES, accumulate, fit_gmm
from gmmaudio.mixture.kept import KeptColumns, whitened_columns
from gmmaudio.mixture.product import exponentiate
from gmmaudio.mixture.rows import BLOCK_ROWS, Chunk, block_rows, read_chunks
from gmmaudio.mixture.sources import CHUNK_ROWS
from gmmaudio.mixture.whitening import Whitening
from tests.mixture.conftest import bits, first_mixture

TYPES = COVARIANCE_TYPES
UNIT = Whitening(np.zeros(6), np.ones(6))


@pytest.fixture
def whitened(monkeypatch):
    """The number of rows of every call of Whitening.whiten_columns from here on."""
    seen, whiten = [], Whitening.whiten_columns

    def spy(self, rows, out):
        seen.append(len(rows))
        whiten(self, rows, out)

    monkeypatch.setattr(Whitening, "whiten_columns", spy)
    return seen


def near_rows(n, dtype="float32"):
    """Return rows none of which is far out, and whose sums round differently in another order."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 6)) * np.geomspace(0.1, 10, 6) + 3).astype(dtype)


def limit(monkeypatch, n_rows, row_bytes):
    monkeypatch.setattr("gmmaudio.mixture.kept.KEPT_BYTES", n_rows * row_bytes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_what_is_kept_changes_no_bit(covariance_type, dtype, monkeypatch):
    X, start = near_rows(30_000, dtype), first_mixture(covariance_type)
    X[20_000:20_010, 2] = np.nan
    X[1000] = 400.0
    options = {"covariance_type": covariance_type, "init": start, "max_iter": 3, "tol": 0}
    expected = bits(*fit_gmm(X, 8, **options))
    for n_rows in (0, CHUNK_ROWS, 10**6):
        limit(monkeypatch, n_rows, 6 * X.itemsize)
        for n_threads in (1, 2):
            assert bits(*fit_gmm(X, 8, n_threads=n_threads, **options)) == expected, (n_rows, n_threads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_whitened_once_up_to_the_limit(dtype, monkeypatch, whitened):
    X, start = near_rows(3 * CHUNK_ROWS, dtype), first_mixture("diag")
    rows = []
    for n_kept in (3 * CHUNK_ROWS, 3 * CHUNK_ROWS - 1, CHUNK_ROWS, 0):
        limit(monkeypatch, n_kept, 6 * X.itemsize)
        counts = []
        for max_iter in (0, 5):
            whitened.clear()
            fit_gmm(X, 8, init=start, max_iter=max_iter, tol=0)
            counts.append(sum(whitened))
        rows.append((counts[1] - counts[0]) / 5 / CHUNK_ROWS)
    # chunks that each iteration whitens anew
    assert rows == [0, 1, 2, 3]


def test_starts_share_what_is_kept(whitened):
    X = near_rows(CHUNK_ROWS)
    counts = []
    for n_init in (1, 3):
        whitened.clear()
        fit_gmm(X, 8, init="random", n_init=n_init, max_iter=2, tol=0)
        # a start whitens its sample of the rows
        counts.append(sum(whitened) - n_init * len(X))
    assert counts[0] == counts[1]


def test_memory_of_kept_rows_is_bounded(monkeypatch):
    X, start = near_rows(80_000), first_mixture("diag")
    held = []
    fit_gmm(X, 8, init=start, max_iter=2)
    for n_rows in (0, 20_000, 40_000):
        limit(monkeypatch, n_rows, 24)
        after = []
        tracemalloc.start()
        options = {"init": start, "max_iter": 2, "tol": 0}
        fit_gmm(X, 8, callback=lambda _, after=after: after.append(tracemalloc.get_traced_memory()[0]), **options)
        tracemalloc.stop()
        held.append(max(after))
    # whole chunks: 2 and 4 of them
    assert np.diff(held) / (24 * CHUNK_ROWS) == pytest.approx([2, 2], abs=0.1)


def test_columns_are_those_of_the_chunk_and_made_anew_where_its_rows_changed():
    X = near_rows(20_000) / 10
    kept = KeptColumns(UNIT, np.float32)
    for _ in range(2):
        for chunk in read_chunks(X):
            np.testing.assert_array_equal(kept.of(chunk), chunk.rows.T)
    first = Chunk(0, X[:100], None, has_missing=False)
    np.testing.assert_array_equal(kept.of(first), X[:100].T)


def test_rows_with_missing_values_or_far_out_have_no_columns():
    X = np.zeros((10, 6), dtype=np.float32)
    X[3, 2] = 17.0
    chunk = Chunk(0, X, None, has_missing=False)
    assert whitened_columns(UNIT, chunk, np.float32) is None
    # float64 suffices for any row
    np.testing.assert_array_equal(whitened_columns(UNIT, chunk, np.float64), X.T)
    X[3, 2] = np.nan
    assert whitened_columns(UNIT, Chunk(0, X, None, has_missing=True), np.float64) is None


def test_a_row_far_out_costs_float64_in_a_small_block_only(monkeypatch):
    X, start = near_rows(CHUNK_ROWS), first_mixture("diag")
    sizes = []

    def spy(values):
        sizes.append((values.dtype.name, values.shape[1]))
        return exponentiate(values)

    monkeypatch.setattr("gmmaudio.mixture.statistics.exponentiate", spy)
    near = accumulate(start, X)
    assert sizes == [("float32", 4 * BLOCK_ROWS)] * 4
    sizes.clear()
    X[5000, 0] = 1e4
    far = accumulate(start, X)
    assert sizes.count(("float64", BLOCK_ROWS)) == 1
    assert sizes.count(("float32", BLOCK_ROWS)) == 15
    # all rows but one are the same
    assert far.n.sum() == pytest.approx(near.n.sum(), rel=1e-6)


@pytest.mark.parametrize(("row_bytes", "times"), [(1, 4), (768, 4), (769, 2), (1536, 2), (1537, 1), (10**6, 1)])
def test_blocks_are_larger_where_rows_are_small(row_bytes, times):
    assert block_rows(row_bytes) == times * BLOCK_ROWS
