"""Signs of axes, and the types of arrays that the kinds of models share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# rows as they come, float32 or float64
Matrix = npt.NDArray[np.floating]
Array = npt.NDArray[np.float64]
# label of every clip or row, as an index into the sorted labels
Codes = npt.NDArray[np.intp]


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
