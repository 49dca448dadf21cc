"""Missing values drawn from their distribution given the observed ones, for multiple imputation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.mixture.common_whitening import whitening_of
from gmmaudio.mixture.covariance import Array, Mask, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.patterns import patterns_of
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import as_rows


def draw_missing(mixture: GaussianMixture, X: npt.ArrayLike, rng: np.random.Generator | None = None) -> Array:
    """Return rows with missing values drawn given the observed ones, shape (n, n_features).

    A component is drawn by the responsibilities of the row, then its missing values from the normal distribution of
    that component given the observed ones. So rows of the mixture of which values are lost, and drawn again, are rows
    of the mixture. Means of draws are those of :meth:`GaussianMixture.impute`.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    X : array_like, shape (n, n_features)
        Rows; NaN is a missing value. Observed values are returned unchanged, in float64.
    rng : numpy.random.Generator, optional
        Source of randomness. Default: a fixed seed.

    Raises
    ------
    MixtureError
        If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.
    SettingError
        If ``rng`` is not a generator.

    References
    ----------
    Rubin, *Multiple Imputation for Nonresponse in Surveys* (1987), section 5.3: draws given the parameters.
    Di Zio, Guarnera, Luzi, "Imputation through finite Gaussian mixture models", Computational Statistics & Data
    Analysis 51 (2007).

    Examples
    --------
    >>> import numpy as np
    >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
    >>> drawn = draw_missing(line, np.tile([2.0, np.nan], (10_000, 1)), np.random.default_rng(0))
    >>> drawn.mean(axis=0).round(1), drawn.std(axis=0).round(1)
    (array([2. , 1.6]), array([0. , 0.6]))
    """
    rows, rng = as_rows(X, mixture.n_features), as_generator(rng)
    complete = rows.astype(np.float64)
    whitening = whitening_of([mixture])
    whitened = mixture.transform(whitening.centre, whitening.scale)
    with one_thread():
        for chunk in read_chunks(rows, all_rows=True):
            # as many numbers for every row, so that none depends on what others lack
            uniform, normal = rng.random(len(chunk.rows)), rng.standard_normal(chunk.rows.shape)
            if chunk.has_missing:
                cumulated = np.cumsum(mixture.responsibilities(chunk.rows), axis=1)
                # rounding errors may leave the last sum below 1
                component = (cumulated[:, :-1] < uniform[:, None]).sum(axis=1)
                z = _draw(whitened, whitening.whiten(chunk.rows.astype(np.float64)), component, normal)
                missing, part = np.isnan(chunk.rows), complete[chunk.start : chunk.start + len(chunk.rows)]
                part[missing] = (z * whitening.scale + whitening.centre)[missing]
    return complete


def _draw(mixture: GaussianMixture, z: Array, component: npt.NDArray[np.intp], normal: Array) -> Array:
    """Return whitened rows with missing values drawn under the component of each row."""
    matrices = covariance_of(mixture.covariance_type).matrices(mixture.covariances, *mixture.means.shape)
    drawn = z.copy()
    for observed, of_pattern in patterns_of(z):
        if observed.all():
            continue
        for k in np.unique(component[of_pattern]):
            rows = of_pattern[component[of_pattern] == k]
            slope, root = _regression(matrices[k], observed)
            mean = mixture.means[k, ~observed] + (z[np.ix_(rows, observed)] - mixture.means[k, observed]) @ slope
            drawn[np.ix_(rows, ~observed)] = mean + normal[np.ix_(rows, ~observed)] @ root.T
    return drawn


def _regression(matrix: Array, observed: Mask) -> tuple[Array, Array]:
    """Return the regression of missing on observed values, (n_observed, n_missing), and a root of its covariance."""
    cross = matrix[np.ix_(observed, ~observed)]
    slope = np.linalg.solve(matrix[np.ix_(observed, observed)], cross).astype(np.float64, copy=False)
    residual = matrix[np.ix_(~observed, ~observed)] - cross.T @ slope
    # rounding errors may leave an eigenvalue below 0
    values, vectors = np.linalg.eigh((residual + residual.T) / 2)
    return slope, vectors * np.sqrt(np.maximum(values, 0))
