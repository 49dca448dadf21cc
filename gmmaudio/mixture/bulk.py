"""The mean and the standard deviation of columns without their far rows.

A few rows far from all others stretch the standard deviation of a column, and with it the minimum variance of the
components, which is a share of it: five rows in 2,000 at a distance of 10,000 deviations would forbid any component
narrower than ten of the others' deviations. Where a column is stretched, its *bulk* gives its scale instead. Columns
that are not keep their mean and standard deviation, bit for bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.parallel import Mapper
from gmmaudio.mixture.rows import RowSummary, draw_rows
from gmmaudio.mixture.sources import RowSource

# A column is stretched where its standard deviation is more than this many times that of its bulk.
STRETCH = 3.0
# Far rows are at most a hundredth of the rows, or five where these are more, and never more than a tenth.
FAR_SHARE, FAR_ROWS, MAX_FAR_SHARE = 0.01, 5, 0.1
# The bulk reaches this many standard deviations of the nearest rows from their median.
REACH = 10.0
# Smallest scale, as a share of the distance of the furthest row: float64 has no digits for less beside that row.
MIN_SCALE = 1e-12
# Number of rows from which the bulk is estimated.
SAMPLE = 20_000
# The narrow components of a mixture are its bulk where its standard deviation is more than this many times theirs:
# products of rows lose digits with the square of it.
MIXTURE_STRETCH = 100.0


def bulk_moments(
    X: RowSource,
    weights: npt.ArrayLike | None,
    summary: RowSummary,
    centre: Array,
    std: Array,
    unit_weight: float = 1.0,
    mapper: Mapper | None = None,
) -> tuple[Array, Array, tuple[int, ...]]:
    """Return the means and standard deviations of columns, those of the bulk where far rows stretch a column.

    Parameters
    ----------
    X, weights
        As for :func:`gmmaudio.mixture.rows.summarise`.
    summary : RowSummary
        Of the same rows.
    centre, std : ndarray, shape (n_features,)
        Mean and standard deviation of each column.
    unit_weight : float
        Weight of one row.
    mapper : callable, optional
        As for :func:`gmmaudio.mixture.fit_gmm`.

    Returns
    -------
    centre, std : ndarray, shape (n_features,)
        The same, but for stretched columns.
    stretched : tuple of int
        These columns.

    Examples
    --------
    >>> from gmmaudio.mixture.rows import summarise
    >>> X = np.append(np.tile([-1.0, 1.0], 100), 1e6)[:, None]
    >>> bulk_moments(X, None, summarise(X), X.mean(axis=0), X.std(axis=0))
    (array([0.]), array([1.]), (0,))
    """
    # weights may differ by more than float64 holds, and distances too
    with np.errstate(over="ignore", divide="ignore"):
        n = summary.observed / unit_weight
        share = np.minimum(np.maximum(FAR_SHARE, FAR_ROWS / n), MAX_FAR_SHARE)
        reach = np.maximum(summary.high - centre, centre - summary.low)
    # no smaller distance could stretch a column so far
    suspect = np.flatnonzero((std > 0) & (reach > (1 - share) * np.sqrt((1 - STRETCH**-2) / share) * std))
    if not len(suspect):
        return centre, std, ()
    rows, row_weights = draw_rows(X, weights, summary, SAMPLE, np.random.default_rng(0), mapper)
    resolution = 4 * np.finfo(np.float32 if summary.is_float32 else np.float64).eps
    bulk_centre, bulk_std, stretched = centre.copy(), std.copy(), []
    for j in suspect:
        mean, deviation = _bulk(rows[:, j].astype(np.float64), row_weights, float(share[j]))
        # a column whose bulk is constant, but for rounding errors, has no other scale
        if deviation > resolution * abs(mean) and STRETCH * deviation < std[j]:
            bulk_centre[j], bulk_std[j] = mean, max(deviation, MIN_SCALE * reach[j])
            stretched.append(int(j))
    return (bulk_centre, bulk_std, tuple(stretched)) if stretched else (centre, std, ())


def bulk_of_components(weights: Array, means: Array, variances: Array, centre: Array, variance: Array) -> Array:
    """Return a centre and a variance for each column of mixtures, those of narrow components where far ones stretch it.

    Parameters
    ----------
    weights : ndarray, shape (n_components,)
        Of all components, summing to 1.
    means, variances : ndarray, shape (n_components, n_features)
        Of the components.
    centre, variance : ndarray, shape (n_features,)
        Mean and variance of all components together.

    Returns
    -------
    ndarray, shape (2, n_features)
        The same, but for stretched columns.

    Examples
    --------
    >>> means = np.array([[0.0], [1e6]])
    >>> bulk_of_components(np.array([0.99, 0.01]), means, np.ones((2, 1)), np.array([1e4]), np.array([9.9e9])).ravel()
    array([0., 1.])
    """
    result = np.array([centre, variance])
    narrow = variances * MIXTURE_STRETCH**2 < variance
    for j in np.flatnonzero(weights @ narrow >= 1 - MAX_FAR_SHARE):
        mean, bulk_variance = _bulk_of_column(weights, means[:, j], variances[:, j])
        if bulk_variance * MIXTURE_STRETCH**2 < variance[j]:
            result[:, j] = mean, bulk_variance
    return result


def _bulk_of_column(weights: Array, means: Array, variances: Array) -> tuple[float, float]:
    """Return the mean and the variance of the components near the median component, one column of each."""
    order = np.argsort(means, kind="stable")
    median = means[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
    distance = np.abs(means - median) + np.sqrt(variances)
    nearest = np.argsort(distance, kind="stable")
    n_kept = 1 + int(np.searchsorted(np.cumsum(weights[nearest]), (1 - MAX_FAR_SHARE) * weights.sum()))
    is_bulk = distance <= REACH * distance[nearest[:n_kept]].max()
    weights, offsets = weights[is_bulk] / weights[is_bulk].sum(), means[is_bulk] - median
    mean = float(weights @ offsets)
    return float(median + mean), float(weights @ (variances[is_bulk] + np.square(offsets - mean)))


def _bulk(values: Array, weights: Array, share: float) -> tuple[float, float]:
    """Return the mean and the standard deviation of the bulk of a column; a deviation of 0 where it is constant.

    The nearest rows to the median, all but the ``share`` furthest, give a first deviation; the bulk is all rows within
    ``REACH`` of these.
    """
    observed = ~np.isnan(values)
    values, weights = values[observed], weights[observed]
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    cumulated = np.cumsum(weights)
    median = values[np.searchsorted(cumulated, cumulated[-1] / 2)]
    distance = np.abs(values - median)
    nearest = np.argsort(distance, kind="stable")
    n_kept = 1 + np.searchsorted(np.cumsum(weights[nearest]), (1 - share) * cumulated[-1] * (1 - 1e-12))
    kept = nearest[:n_kept]
    unit = distance[kept].max(initial=0.0)
    if unit == 0:
        return float(median), 0.0
    _, first = _moments(distance[kept] * np.sign(values[kept] - median) / unit, weights[kept])
    is_bulk = distance <= REACH * first * unit
    mean, deviation = _moments((values[is_bulk] - median) / unit, weights[is_bulk])
    return float(median + unit * mean), unit * deviation


def _moments(values: Array, weights: Array) -> tuple[float, float]:
    """Return the weighted mean and standard deviation."""
    total = weights.sum()
    mean = float(weights @ values / total)
    return mean, float(np.sqrt(weights @ np.square(values - mean) / total))
