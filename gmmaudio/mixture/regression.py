"""Some columns of a mixture given others: marginals, conditionals and Gaussian mixture regression.

References
----------
Bishop, *Pattern Recognition and Machine Learning* (2006), section 2.3.
Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach", NIPS 6 (1994).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.common_whitening import whitening_of
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.missing import conditional_covariances, conditional_moments
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import as_rows
from gmmaudio.values import shown

Indices = npt.NDArray[np.intp]


def marginal_of(mixture: GaussianMixture, features: Sequence[int]) -> GaussianMixture:
    """Return the mixture of some columns, see :meth:`GaussianMixture.marginal`.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    features : sequence of int
        Columns, all different.

    Examples
    --------
    >>> marginal_of(GaussianMixture([1.0], [[1.0, 2.0]], [[4.0, 5.0]]), [1]).covariances
    array([[5.]])
    """
    columns = _columns(features, mixture.n_features)
    covariances = covariance_of(mixture.covariance_type).marginal(mixture.covariances, columns)
    return GaussianMixture(mixture.weights, mixture.means[:, columns], covariances, mixture.covariance_type)


def conditional_of(mixture: GaussianMixture, features: Sequence[int], values: npt.ArrayLike) -> GaussianMixture:
    """Return the mixture of the other columns given the values of some, see :meth:`GaussianMixture.condition`.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    features : sequence of int
        Columns whose values are given.
    values : array_like, shape (n_given,)
        Their values; NaN is a missing value.

    Examples
    --------
    >>> two = GaussianMixture([0.5, 0.5], [[0.0, 1.0], [9.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]])
    >>> conditional_of(two, [0], [9.0]).weights.round(6)
    array([0., 1.])
    """
    given, others = _divided_columns(features, mixture.n_features)
    row = as_numbers(values, "values must be real numbers", MixtureError, missing=True)
    if row.shape != given.shape:
        raise MixtureError(f"values have shape {row.shape}; expected {given.shape}: one for each of the features given")
    rows = np.full((1, mixture.n_features), np.nan)
    rows[0, given] = row
    weights = mixture.responsibilities(rows)[0]
    whitening = whitening_of([mixture])
    covariance, whitened = covariance_of(mixture.covariance_type), mixture.transform(whitening.centre, whitening.scale)
    parameters = whitened.weights, whitened.means, whitened.covariances
    means, covariances = conditional_moments(covariance, parameters, whitening.whiten(rows)[0], others)
    conditional = GaussianMixture(weights / weights.sum(), means, covariances, mixture.covariance_type)
    centre, scale = whitening.centre[others], whitening.scale[others]
    return conditional.transform(-centre / scale, 1 / scale)


def predict_others(
    mixture: GaussianMixture, X: npt.ArrayLike, features: Sequence[int], with_covariances: bool
) -> tuple[Array, Array | None]:
    """Return the means of the other columns given the values of some, see :meth:`GaussianMixture.predict`.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    X : array_like, shape (n, n_given)
        Values of the columns ``features``; NaN is a missing value.
    features : sequence of int
        Columns whose values are given.
    with_covariances : bool
        Whether the covariances are computed; None stands for them otherwise.

    Examples
    --------
    >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
    >>> means, covariances = predict_others(line, [[2.0]], [0], True)
    >>> means.round(2), covariances.round(2)
    (array([[1.6]]), array([[[0.36]]]))
    """
    given, others = _divided_columns(features, mixture.n_features)
    values = as_rows(X)
    if values.shape[1] != len(given):
        raise MixtureError(f"rows have {values.shape[1]} features; expected {len(given)}, those of `features`")
    rows = np.full((len(values), mixture.n_features), np.nan)
    rows[:, given] = values
    means = mixture.impute(rows)[:, others]
    if not with_covariances:
        return means, None
    return means, _covariances_of_missing(mixture, rows)[:, others[:, None], others]


def _covariances_of_missing(mixture: GaussianMixture, rows: Array) -> Array:
    """Return the covariance of each row's missing values given the observed ones; 0 for observed values."""
    whitening, covariance = whitening_of([mixture]), covariance_of(mixture.covariance_type)
    whitened = mixture.transform(whitening.centre, whitening.scale)
    parameters = whitened.weights, whitened.means, whitened.covariances
    result = np.zeros((*rows.shape, mixture.n_features))
    for chunk in read_chunks(rows, all_rows=True):
        for block, part in chunk.blocks():
            covariances = conditional_covariances(covariance, parameters, whitening.whiten(part))
            result[chunk.start :][block] = covariances * whitening.scale[:, None] * whitening.scale
    return result


def _columns(features: Sequence[int], n_features: int) -> Indices:
    """Return columns as an array, or raise SettingError where they are not different columns."""
    columns = as_numbers(features, "`features` must be indices of columns", SettingError)
    is_index = columns.ndim == 1 and columns.size > 0 and columns.dtype.kind in "iu"
    if not is_index or columns.min() < 0 or columns.max() >= n_features or len(np.unique(columns)) < len(columns):
        raise SettingError(
            f"`features` is {shown(features)}; expected different indices of columns, 0 to {n_features - 1}"
        )
    return columns.astype(np.intp)


def _divided_columns(features: Sequence[int], n_features: int) -> tuple[Indices, Indices]:
    """Return the columns that are given, and the others in ascending order; raise SettingError where none is left."""
    given = _columns(features, n_features)
    others = np.setdiff1d(np.arange(n_features), given)
    if len(others) == 0:
        raise SettingError(f"`features` are all {n_features} columns; expected one at least to be left")
    return given, others
