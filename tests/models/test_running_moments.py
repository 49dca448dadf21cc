"""Moments of rows in chunks, against numpy on all rows at once and against exact sums."""

from fractions import Fraction

import numpy as np
import pytest

from gmmaudio.models.chunked_rows import in_chunks
from gmmaudio.models.running_moments import column_means, label_means, mean_and_covariance, mean_and_deviation


def rows_and_codes(dtype=np.float64, n=501, d=7, n_labels=4, offset=0.0):
    rng = np.random.default_rng(3)
    codes = rng.integers(n_labels, size=n)
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=(n_labels, d))[codes] + offset
    return rows.astype(dtype), codes, rng.uniform(0.1, 3.0, size=n)


def test_one_chunk_has_the_bits_of_numpy():
    rows, _, _ = rows_and_codes()
    mean, deviation = mean_and_deviation(rows)
    np.testing.assert_array_equal(mean, rows.mean(axis=0))
    np.testing.assert_array_equal(deviation, rows.std(axis=0))
    np.testing.assert_array_equal(mean_and_covariance(rows)[1], np.cov(rows, rowvar=False, bias=True))
    single = rows.astype(np.float32)
    np.testing.assert_array_equal(column_means(single), single.mean(axis=0))


@pytest.mark.parametrize("n_at_once", [1, 2, 64, 99, 100])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_many_chunks_give_the_moments_of_all_rows(n_at_once, offset):
    rows, _, _ = rows_and_codes(n=100, d=4, offset=offset)
    chunks = in_chunks(rows, n_at_once)
    exact = [[Fraction(float(value)) for value in column] for column in rows.T]
    means = [sum(column) / len(column) for column in exact]
    centred = [[value - mean for value in column] for column, mean in zip(exact, means, strict=True)]
    covariance = [[float(sum(x * y for x, y in zip(a, b, strict=True)) / len(a)) for b in centred] for a in centred]
    # 1e6 away from the origin double precision leaves ten digits of a deviation of one
    tolerance = 1e-12 if not offset else 1e-9
    mean, deviation = mean_and_deviation(chunks)
    np.testing.assert_allclose(mean, [float(m) for m in means], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(deviation, np.sqrt(np.diag(covariance)), rtol=tolerance)
    np.testing.assert_allclose(mean_and_covariance(chunks)[1], covariance, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(column_means(chunks), mean, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("n_at_once", [1, 64, 501])
def test_weighted_moments_are_those_of_numpy(n_at_once):
    rows, _, weights = rows_and_codes()
    # a whole chunk without weight, and a weight that is a number of rows
    weights[:64] = 0.0
    chunks = in_chunks(rows, n_at_once)
    mean, deviation = mean_and_deviation(chunks, weights)
    covariance = np.cov(rows, rowvar=False, bias=True, aweights=weights)
    np.testing.assert_allclose(mean, np.average(rows, axis=0, weights=weights), rtol=1e-12)
    np.testing.assert_allclose(deviation, np.sqrt(np.diag(covariance)), rtol=1e-12)
    np.testing.assert_allclose(mean_and_covariance(chunks, weights)[1], covariance, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_at_once", [3, 100, 501])
@pytest.mark.parametrize("weighted", [False, True])
def test_means_of_labels_are_weighted_averages(dtype, n_at_once, weighted):
    rows, codes, weights = rows_and_codes(dtype)
    found = label_means(in_chunks(rows, n_at_once), codes, weights if weighted else None)
    expected = [
        np.average(rows[codes == k].astype(np.float64), axis=0, weights=weights[codes == k] if weighted else None)
        for k in range(4)
    ]
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, expected, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-5 * (dtype == np.float32)
    )


def test_single_precision_does_not_drift_with_the_number_of_rows():
    # added one by one in single precision, 0.1 of a million rows is off in the third digit
    rows = np.full((2**20, 1), 0.1, dtype=np.float32)
    plain = np.add.accumulate(rows[:, 0])[-1] / len(rows)
    assert abs(plain / 0.1 - 1) > 1e-4
    np.testing.assert_allclose(column_means(rows), rows[0], rtol=1e-6)
