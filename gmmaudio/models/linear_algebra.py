"""Means of labels and signs of axes, shared by the kinds of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]
Array = npt.NDArray[np.float64]
Parts = dict[str, npt.NDArray[Any]]


def signed_axes(axes: Array) -> Array:
    """Return axes with the largest entry of each positive: another library turns them round."""
    largest = axes[abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.ascontiguousarray(axes * np.where(largest < 0, -1.0, 1.0))


def label_means(rows: Rows, codes: npt.NDArray[np.intp], weights: Array | None = None) -> Array:
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
