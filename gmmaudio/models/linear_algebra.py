"""Means of labels and signs of axes, shared by the kinds of models, and the types of their arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# rows as they come, float32 or float64
Matrix = npt.NDArray[np.floating]
Array = npt.NDArray[np.float64]
# label of every clip or row, as an index into the sorted labels
Codes = npt.NDArray[np.intp]
# arrays by name, as a model file holds them
Tensors = dict[str, npt.NDArray[Any]]


def signed_axes(axes: Array) -> Array:
    """Return axes with the largest entry of each positive: numeric libraries differ in the sign.

    Parameters
    ----------
    axes : ndarray, shape (d, n_axes)
        One axis in each column.

    Examples
    --------
    >>> signed_axes(np.array([[0.6, 0.8], [-0.8, 0.6]]))
    array([[-0.6,  0.8],
           [ 0.8,  0.6]])
    """
    largest = axes[abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.ascontiguousarray(axes * np.where(largest < 0, -1.0, 1.0))


def label_means(rows: Matrix, codes: Codes, weights: Array | None = None) -> Array:
    """Return the weighted mean of the rows of every label, shape (n_labels, d).

    Parameters
    ----------
    rows : ndarray, shape (n, d)
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
    share = np.zeros((codes.max() + 1, len(codes)), dtype=rows.dtype)
    share[codes, np.arange(len(codes))] = 1.0 if weights is None else weights
    means: Array = (share / share.sum(axis=1, keepdims=True)) @ rows
    return means
