"""Whitening: rows centred and scaled to the mean and the standard deviation of their columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError
from gmmaudio.mixture.bulk import bulk_moments
from gmmaudio.mixture.covariance import Array, Floats
from gmmaudio.mixture.parallel import Mapper
from gmmaudio.mixture.rows import Chunk, RowSummary, check_total, list_chunks, map_unread
from gmmaudio.mixture.sources import RowSource


@dataclass(frozen=True, eq=False)
class Whitening:
    """A change of coordinates, ``(rows - centre) / scale``, column by column.

    Log densities are computed as matrix products of whitened rows: far from 0 such products would lose digits.

    Parameters
    ----------
    centre, scale : ndarray, shape (n_features,), float64
        In the units of the rows; scale > 0.
    stretched : tuple of int
        Columns that are stretched by far rows, and have the centre and the scale of their bulk.

    Examples
    --------
    >>> Whitening(np.array([10.0]), np.array([2.0])).whiten(np.array([[12.0], [8.0]]))
    array([[ 1.],
           [-1.]])
    """

    centre: Array
    scale: Array
    stretched: tuple[int, ...] = ()

    def rounded(self) -> Whitening | None:
        """Return the whitening with float32 parameters, which float32 rows need; None where float32 cannot hold them.

        Whitening float32 rows by it costs their last digit only.
        """
        with np.errstate(over="ignore", under="ignore"):
            centre, scale = (v.astype(np.float32).astype(np.float64) for v in (self.centre, self.scale))
        fits = (np.abs(centre) < 1e30).all() and (scale > 1e-30).all() and (scale < 1e30).all()
        return replace(self, centre=centre, scale=scale) if fits else None

    def whiten(self, rows: Floats) -> Array:
        """Return ``(rows - centre) / scale`` in float64, shape (n, n_features).

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In their own units; NaN stays NaN.
        """
        columns = np.empty(rows.shape[::-1])
        self.whiten_columns(rows, columns)
        return np.ascontiguousarray(columns.T)

    def whiten_columns(self, rows: Floats, out: Floats) -> None:
        """Write ``(rows - centre) / scale`` to ``out``, one column for each row, in the dtype of ``out``.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In their own units; NaN stays NaN.
        out : ndarray, shape (n_features, n), float32 or float64
            Result; float64 values are clipped to -1e100..1e100.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(rows.T, self.centre.astype(out.dtype)[:, None], out=out, casting="same_kind")
            np.divide(out, self.scale.astype(out.dtype)[:, None], out=out)
        if out.dtype == np.float64:
            # the density of a row this far out is 0 in any case, and its square must stay finite
            np.clip(out, -1e100, 1e100, out=out)


def estimate_whitening(
    X: RowSource,
    weights: npt.ArrayLike | None,
    summary: RowSummary,
    *,
    isotropic: bool = False,
    unit_weight: float = 1.0,
    mapper: Mapper | None = None,
) -> Whitening:
    """Return the whitening by the mean and the standard deviation of each column, or of its bulk.

    The moments are exact at any offset of the rows, and free of overflow at any scale. A column that is constant, or
    varies by rounding errors only, is not scaled by its standard deviation, but keeps its units. A column that a few
    far rows stretch is scaled by the standard deviation of the others.

    Parameters
    ----------
    X, weights
        As for :func:`summarise`.
    summary : RowSummary
        Of the same rows.
    isotropic : bool
        Whether to scale all columns by the square root of their mean variance.
    unit_weight : float
        Weight of one row.
    mapper : callable, optional
        As for :func:`gmmaudio.mixture.fit_gmm`.

    Raises
    ------
    MixtureError
        If the standard deviation of a column is above 1e152, so that its variance exceeds float64.

    Examples
    --------
    >>> from gmmaudio.mixture.rows import summarise
    >>> X = [[0.0, 5.0], [2.0, 5.0]]
    >>> whitening = estimate_whitening(X, None, summarise(X))
    >>> whitening.centre, whitening.scale
    (array([1., 5.]), array([1., 1.]))
    """
    low, high = summary.low, summary.high
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    kind: type[np.floating] = np.float32 if summary.is_float32 else np.float64
    flat = half <= 4 * np.finfo(kind).eps * np.maximum(np.abs(low), np.abs(high))
    half[flat] = np.maximum(half[flat], 1.0)
    rough = Whitening(middle, half)
    total, (n, mean, squares) = 0.0, (np.zeros_like(middle), np.zeros_like(middle), np.zeros_like(middle))
    chunks = list_chunks(X, weights, n_features=len(middle))
    for of_chunk, moments in map_unread(partial(_column_moments, rough), chunks, mapper):
        total, (n, mean, squares) = total + of_chunk, _merge_moments((n, mean, squares), moments)
    check_total(total, summary)
    centre, std = middle + half * mean, half * np.where(flat, 0.0, np.sqrt(squares / n))
    scale = _scale(std, half, isotropic=isotropic)
    too_wide = np.flatnonzero(scale > 1e152)
    if len(too_wide):
        raise MixtureError(
            f"column {too_wide[0]} has a standard deviation of {scale[too_wide[0]]:.3g}, whose square exceeds float64; "
            "expected 1e152 or less: divide the column by a constant"
        )
    centre, std, stretched = bulk_moments(X, weights, summary, centre, std, unit_weight, mapper)
    return Whitening(centre, _scale(std, half, isotropic=isotropic) if stretched else scale, stretched)


def _scale(std: Array, half: Array, *, isotropic: bool) -> Array:
    """Return the scale of columns, > 0: their deviation, or half their range where it is 0."""
    if isotropic:
        half = np.full_like(half, half.max())
        max_std = std.max() or 1.0
        std = np.full_like(std, max_std * np.sqrt(np.square(std / max_std).mean()))
    return np.maximum(np.where(std > 0, std, half), 1e-151)


ColumnMoments = tuple[Array, Array, Array]


def _column_moments(whitening: Whitening, chunk: Chunk) -> tuple[float, ColumnMoments]:
    """Return the total of a chunk, and of every column of its whitened rows weight, mean and squares about the mean."""
    z = whitening.whiten(chunk.rows)
    weights = np.ones(len(z)) if chunk.weights is None else chunk.weights
    if not chunk.has_missing:
        n = weights @ np.ones(z.shape)
        mean = weights @ z / np.where(n > 0, n, 1.0)
        z -= mean
        return chunk.total, (n, mean, weights @ np.square(z, out=z))
    present = ~np.isnan(z)
    n = weights @ present
    divisor = np.where(n > 0, n, 1.0)
    mean = weights @ np.where(present, z, 0.0) / divisor
    return chunk.total, (n, mean, weights @ np.where(present, z - mean, 0.0) ** 2)


def _merge_moments(a: ColumnMoments, b: ColumnMoments) -> ColumnMoments:
    """Return the moments of two sets of rows together (Chan, Golub, LeVeque 1983), accurate far from the origin."""
    n = a[0] + b[0]
    share = b[0] / np.where(n > 0, n, 1.0)
    difference = b[1] - a[1]
    return n, a[1] + difference * share, a[2] + b[2] + difference * difference * a[0] * share
