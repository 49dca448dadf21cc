"""Means, variances and scatter of rows that are read in chunks.

The moments of chunks are merged about the mean so far, so that no digits are lost far from the origin or among very
many rows. Of one chunk they have the bits of numpy's functions on all rows at once.

References
----------
Chan, Golub, LeVeque, "Algorithms for computing the sample variance: analysis and recommendations", The American
Statistician 37 (1983).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmmaudio.models.chunked_rows import ChunkedRows, in_chunks
from gmmaudio.models.linear_algebra import Array, Codes, Matrix


def column_means(rows: Matrix | ChunkedRows) -> Matrix:
    """Return the mean of every column, shape (d,), in the type of the rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        At least one row.

    Examples
    --------
    >>> column_means(in_chunks(np.array([[1.0], [2.0], [6.0]]), n_at_once=2))
    array([3.])
    """
    chunks, n, mean = in_chunks(rows), 0, np.zeros(1)
    for _, chunk in chunks:
        n += len(chunk)
        mean = mean + (chunk.mean(axis=0) - mean) * (len(chunk) / n)
    return mean.astype(chunks.dtype)


def mean_and_deviation(rows: Matrix | ChunkedRows, weights: Array | None = None) -> tuple[Array, Array]:
    """Return mean and standard deviation of every column, shape (d,) each.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        At least one row.
    weights : ndarray, shape (n,), optional
        Weight of every row, 0 or more, not all 0; None weights all the same.

    Examples
    --------
    >>> mean_and_deviation(in_chunks(np.array([[1.0], [3.0], [1.0], [3.0]]), n_at_once=3))
    (array([2.]), array([1.]))
    >>> mean_and_deviation(np.array([[1.0], [9.0], [3.0]]), np.array([1.0, 0.0, 1.0]))
    (array([2.]), array([1.]))
    """

    def squares_of(centred: Array, each: Array | None) -> Array:
        squares = np.square(centred)
        total: Array = squares.sum(axis=0) if each is None else each @ squares
        return total

    n, mean, squares = _merged(in_chunks(rows), weights, squares_of, np.square)
    return mean, np.sqrt(squares / n)


def mean_and_covariance(rows: Matrix | ChunkedRows, weights: Array | None = None) -> tuple[Array, Array]:
    """Return the mean of every column, shape (d,), and the covariance, shape (d, d), divided by the sum of the weights.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        At least one row.
    weights : ndarray, shape (n,), optional
        Weight of every row, 0 or more, not all 0; None weights every row by 1.

    Examples
    --------
    >>> mean_and_covariance(in_chunks(np.array([[1.0, 0.0], [3.0, 2.0]]), n_at_once=1))[1].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n, mean, scatter = _merged(in_chunks(rows), weights, weighted_scatter, lambda step: np.outer(step, step))
    return mean, scatter * (1 / n)


def weighted_scatter(centred: Array, weights: Array | None) -> Array:
    """Return the summed products of the columns of rows, shape (d, d), each row at its weight.

    Parameters
    ----------
    centred : ndarray, shape (n, d)
        Rows, less a mean.
    weights : ndarray, shape (n,), or None
        Weight of every row; None weights every row by 1.

    Examples
    --------
    >>> weighted_scatter(np.array([[1.0], [2.0]]), np.array([3.0, 1.0]))
    array([[7.]])
    """
    return (centred if weights is None else centred * weights[:, None]).T @ centred


def _merged(
    rows: ChunkedRows,
    weights: Array | None,
    second_moment: Callable[[Array, Array | None], Array],
    of_step: Callable[[Array], Array],
) -> tuple[float, Array, Array]:
    """Return number (or weight), mean and summed second moments about the mean, of chunks one after another."""
    n, mean, moment = 0.0, np.zeros(1), np.zeros(1)
    for part, chunk in rows:
        each = None if weights is None else weights[part]
        n_chunk = len(chunk) if each is None else float(each.sum())
        if not n_chunk:
            continue
        mean_of_chunk = chunk.mean(axis=0) if each is None else each @ chunk / n_chunk
        of_chunk = second_moment(chunk - mean_of_chunk, each)
        if not n:
            n, mean, moment = n_chunk, mean_of_chunk, of_chunk
            continue
        step, n_both = mean_of_chunk - mean, n + n_chunk
        moment = moment + of_chunk + of_step(step) * (n * n_chunk / n_both)
        mean, n = mean + step * (n_chunk / n_both), n_both
    return n, mean, moment


def label_means(rows: Matrix | ChunkedRows, codes: Codes, weights: Array | None = None) -> Matrix:
    """Return the weighted mean of the rows of every label, shape (n_labels, d), in the type of the rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        Rows.
    codes : ndarray, shape (n,), int
        Label of every row; every number up to the largest has one.
    weights : ndarray, shape (n,), optional
        Above 0.

    Examples
    --------
    >>> label_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]))
    array([[2.],
           [5.]])
    """
    chunks, n_labels = in_chunks(rows), codes.max() + 1

    def weights_of(part: slice) -> Matrix:
        each = np.zeros((n_labels, part.stop - part.start), dtype=chunks.dtype)
        each[codes[part], np.arange(part.stop - part.start)] = 1.0 if weights is None else weights[part]
        return each

    total, means = np.zeros((n_labels, 1)), np.zeros(1)
    for part in chunks.parts():
        total = total + weights_of(part).sum(axis=1, keepdims=True)
    for part, chunk in chunks:
        means = means + (weights_of(part) / total.astype(chunks.dtype)) @ chunk
    return means.astype(chunks.dtype)
