"""Whitened rows of a source, kept between the iterations of a fit up to a number of bytes."""

from __future__ import annotations

import numpy as np

from gmmaudio.mixture.covariance import Floats
from gmmaudio.mixture.product import is_near
from gmmaudio.mixture.rows import Chunk
from gmmaudio.mixture.whitening import Whitening

# Memory for the whitened rows of one fit: 400,000 float32 rows of 40 columns. Rows after these are whitened again in
# every iteration; sums are the same bits.
KEPT_BYTES = 64 * 2**20


class KeptColumns:
    """Whitened rows of the chunks of one source, one column for each row.

    Parameters
    ----------
    whitening : Whitening
        Coordinates of the columns.
    kind : type
        numpy.float32 or numpy.float64: dtype of the columns.

    Examples
    --------
    >>> kept = KeptColumns(Whitening(np.array([1.0]), np.array([2.0])), np.float64)
    >>> kept.of(Chunk(0, np.array([[3.0], [5.0]]), None, has_missing=False))
    array([[1., 2.]])
    """

    def __init__(self, whitening: Whitening, kind: type[np.floating]) -> None:
        self.kind = kind
        self._whitening = whitening
        self._columns: dict[int, Floats | None] = {}
        self._n_rows = KEPT_BYTES // (len(whitening.centre) * np.dtype(kind).itemsize)

    def of(self, chunk: Chunk) -> Floats | None:
        """Return the whitened rows of a chunk, as :func:`whitened_columns` does; they must not be changed.

        Parameters
        ----------
        chunk : Chunk
            Of the source; its rows are taken to be the same every time.
        """
        columns = self._columns.get(chunk.start)
        if columns is not None and columns.shape[1] == len(chunk.rows):
            return columns
        columns = whitened_columns(self._whitening, chunk, self.kind)
        # by its place in the source, not by what was kept before: threads may come in any order
        if chunk.start + len(chunk.rows) <= self._n_rows:
            self._columns[chunk.start] = columns
        return columns


def whitened_columns(whitening: Whitening, chunk: Chunk, kind: type[np.floating]) -> Floats | None:
    """Return the whitened rows of a chunk, shape (n_features, n).

    Parameters
    ----------
    whitening : Whitening
        Coordinates of the columns.
    chunk : Chunk
        Rows, at least one.
    kind : type
        numpy.float32 or numpy.float64: dtype of the result.

    Returns
    -------
    ndarray or None
        None where values are missing, or float32 does not suffice for some row.

    Examples
    --------
    >>> unit = Whitening(np.array([0.0]), np.array([1.0]))
    >>> whitened_columns(unit, Chunk(0, np.array([[1.0], [50.0]]), None, has_missing=False), np.float32) is None
    True
    """
    if chunk.has_missing:
        return None
    columns = np.empty(chunk.rows.shape[::-1], kind)
    whitening.whiten_columns(chunk.rows, columns)
    return columns if kind is np.float64 or is_near(columns) else None
