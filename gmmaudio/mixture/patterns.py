"""Patterns of observed columns among rows with missing values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array, Mask


def patterns_of(z: Array) -> Iterator[tuple[Mask, npt.NDArray[np.intp]]]:
    """Yield each pattern of observed columns, a mask (n_features,), with the indices of its rows.

    Parameters
    ----------
    z : ndarray, shape (n, n_features)
        Rows; NaN where a value is missing.

    Examples
    --------
    >>> [(mask.tolist(), rows.tolist()) for mask, rows in patterns_of(np.array([[1.0, np.nan], [1.0, 2.0]]))]
    [([True, False], [0]), ([True, True], [1])]
    """
    observed = ~np.isnan(z)
    _, first, pattern = np.unique(np.packbits(observed, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(pattern.ravel(), kind="stable")
    for i, rows in enumerate(np.split(order, np.cumsum(np.bincount(pattern.ravel()))[:-1])):
        yield observed[first[i]], rows
