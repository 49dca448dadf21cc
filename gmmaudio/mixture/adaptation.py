"""MAP adaptation of a universal background model (UBM) to rows.

Reynolds' equations 11 to 13 interpolate between the estimate of a component from the rows and its parameters in the
UBM, with weight ``n / (n + relevance)``. For means and covariances that is the M-step of EM on the statistics of the
rows plus those of ``relevance`` rows for each component with the mean and the covariance that it has in the UBM. In
this form the equations hold for every covariance type.

References
----------
Reynolds, Quatieri, Dunn, "Speaker verification using adapted Gaussian mixture models", Digital Signal Processing 10
(2000), eq. 11-14.
Gauvain, Lee, "Maximum a posteriori estimation for multivariate Gaussian mixture observations of Markov chains", IEEE
Trans. Speech and Audio Processing 2(2) (1994).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.common_whitening import whitening_of
from gmmaudio.mixture.covariance import MIN_VARIANCE_SHARE, Array, Covariance, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.product import log_joint_of
from gmmaudio.mixture.rows import check_weights, read_chunks
from gmmaudio.mixture.sources import RowSource
from gmmaudio.mixture.statistics import SufficientStats, sum_chunks
from gmmaudio.mixture.whitening import Whitening

# The parameters that can be adapted.
PARAMETERS = ("weights", "means", "covariances")

EPSILON = float(np.finfo(np.float64).eps)


def adapt_gmm(
    ubm: GaussianMixture,
    X: RowSource,
    *,
    weights: npt.ArrayLike | None = None,
    relevance: float = 16.0,
    parameters: Collection[str] = ("means",),
    n_iter: int = 1,
    variance_floor: float = 1e-3,
    n_threads: int = 1,
) -> GaussianMixture:
    """Return a universal background model (UBM) adapted to rows by maximum a posteriori (MAP) estimation.

    A component with many rows moves to their mean, one with few rows stays near the UBM. All products are computed in
    the UBM's whitened coordinates, so that rows may lie at any offset.

    Parameters
    ----------
    ubm : GaussianMixture
        The prior, such as a mixture fitted to the rows of all speakers or genres; in the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows, at least one: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an
        iterator over arrays. NaN is a missing value, which is replaced by its mean under each component.
    weights : array_like, shape (n,), optional
        Weight of each row, >= 0; a weight of 2 counts a row twice, also relative to ``relevance``.
    relevance : float
        Relevance factor: number of rows that the UBM counts for in each component, >= 0. 0 is maximum likelihood
        (components without rows keep the UBM's parameters), infinity is the UBM itself. Default: Reynolds' 16.
    parameters : collection of {"weights", "means", "covariances"}
        Parameters to adapt; the others remain those of the UBM, bit for bit. Default: the means, as Reynolds advises.
    n_iter : int
        Number of passes over the rows, >= 1, each with the responsibilities of the mixture of the pass before; the
        prior is the UBM in all of them. Where weights are not adapted, each pass increases the log likelihood less
        ``relevance`` times the sum over components of the Kullback-Leibler divergence KL(UBM, adapted). (Reynolds'
        weights have no such objective.)
    variance_floor : float
        Minimum variance (or eigenvalue) of an adapted component, as a share of the UBM's global variance, 0..1; the
        smallest variance of the UBM where that is lower. At 0 a share of 1e-10 remains.
    n_threads : int
        Number of threads over chunks of rows; -1 is one for each core.

    Returns
    -------
    GaussianMixture
        In the units of the rows, with the number of components and the covariance type of the UBM.

    Raises
    ------
    MixtureError
        If there are no rows, or they do not fit the UBM.
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Reynolds, Quatieri, Dunn, "Speaker verification using adapted Gaussian mixture models", Digital Signal Processing
    10 (2000), section 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> ubm = GaussianMixture([0.5, 0.5], [[0.0], [100.0]], [[1.0], [1.0]])
    >>> adapt_gmm(ubm, np.ones((48, 1)), relevance=16.0).means
    array([[  0.75],
           [100.  ]])
    """
    _check_settings(relevance, parameters, variance_floor)
    if isinstance(n_iter, bool) or not isinstance(n_iter, int | np.integer) or n_iter < 1:
        raise SettingError(f"n_iter is {n_iter!r}; expected a whole number of passes over the rows, 1 or more")
    row_weights = None if weights is None else check_weights(weights)
    whitening, allow_float32 = _whitening_for(ubm, X)
    prior = mixture = ubm.transform(whitening.centre, whitening.scale)
    for _ in range(n_iter):
        current = (mixture.weights, mixture.means, mixture.covariances)
        joint = log_joint_of(mixture.covariance_type, [current], whitening, allow_float32)
        chunks = read_chunks(X, row_weights, n_features=mixture.n_features)
        stats = sum_chunks(joint, chunks, n_threads=n_threads)
        mixture = adapt(prior, stats, relevance=relevance, parameters=parameters, variance_floor=variance_floor)
    adapted = mixture.transform(-whitening.centre / whitening.scale, 1.0 / whitening.scale)
    return _replace_parameters(parameters, ubm, adapted.weights, adapted.means, adapted.covariances)


def adapt(
    ubm: GaussianMixture,
    stats: SufficientStats,
    *,
    relevance: float = 16.0,
    parameters: Collection[str] = ("means",),
    variance_floor: float = 1e-3,
) -> GaussianMixture:
    """Return a universal background model (UBM) adapted by MAP estimation to the rows of sufficient statistics.

    It serves many clips, whose statistics can be stored and added. The second moments of statistics in the units of
    the rows lose precision far from 0 (see :func:`gmmaudio.mixture.accumulate`); to adapt covariances to such rows,
    use :func:`adapt_gmm`.

    Parameters
    ----------
    ubm : GaussianMixture
        The prior.
    stats : SufficientStats
        Of the rows, under ``ubm`` or a mixture adapted from it, in the units of ``ubm``.
    relevance, parameters, variance_floor
        As for :func:`adapt_gmm`.

    Returns
    -------
    GaussianMixture
        In the units of the UBM.

    Raises
    ------
    MixtureError
        If the statistics are of no rows, or differ from the UBM in covariance type or shape.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.mixture import accumulate
    >>> ubm = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> both = accumulate(ubm, np.ones((1, 1))) + accumulate(ubm, np.ones((2, 1)))
    >>> adapt(ubm, both, relevance=1.0, parameters=("means", "covariances")).means
    array([[0.75]])
    """
    _check_settings(relevance, parameters, variance_floor)
    if not stats.n_rows > 0:
        raise MixtureError(f"the statistics are of {stats.n_rows:g} rows; at least one is needed to adapt to")
    covariance = covariance_of(ubm.covariance_type)
    # beyond these bounds the smaller term is lost to rounding errors; within them every component has rows
    n_prior = float(np.clip(relevance, EPSILON * stats.n_rows, stats.n_rows / EPSILON))
    # moments of a component far from 0 are taken about a point near it
    prior_means = ubm.means if stats.origin is None else ubm.means - stats.origin
    posterior = stats + _prior_statistics(ubm, prior_means, n_prior)
    means, covariances = covariance.estimate(posterior.n, posterior.f, posterior.s)
    if "means" not in parameters:
        # the covariance about the estimated means would be too small for the means that are kept
        covariances = covariance.covariances_about(posterior.n, posterior.f, posterior.s, prior_means)
    if "covariances" in parameters:
        covariances = _apply_relative_floor(covariance, ubm, covariances, variance_floor)
    if stats.origin is not None:
        means = means + stats.origin
    alpha = stats.n / posterior.n
    weights = alpha * stats.n / stats.n_rows + (1 - alpha) * ubm.weights
    return _replace_parameters(parameters, ubm, weights / weights.sum(), means, covariances)


def _check_settings(relevance: float, parameters: Collection[str], variance_floor: float) -> None:
    """Raise SettingError for settings outside their bounds."""
    if not relevance >= 0:
        raise SettingError(f"relevance is {relevance!r}; expected a number of rows, 0 or more, such as 16")
    if isinstance(parameters, str) or not parameters or not set(parameters) <= set(PARAMETERS):
        raise SettingError(f'parameters is {parameters!r}; expected some of {PARAMETERS}, such as ("means",)')
    if not 0 <= variance_floor <= 1:
        raise SettingError(f"variance_floor is {variance_floor!r}; expected a share of the global variance, 0 to 1")


def _whitening_for(ubm: GaussianMixture, X: RowSource) -> tuple[Whitening, bool]:
    """Return the whitening of the UBM, and whether products of rows whitened by it may be float32."""
    first = next(read_chunks(X, n_features=ubm.n_features), None)
    whitening = whitening_of([ubm])
    rounded = whitening.rounded() if first is not None and first.rows.dtype == np.float32 else None
    return (whitening, False) if rounded is None else (rounded, True)


def _prior_statistics(ubm: GaussianMixture, means: Array, n: float) -> SufficientStats:
    """Return the expected statistics of ``n`` rows of each component of the UBM, its means taken from a point."""
    covariance = covariance_of(ubm.covariance_type)
    counts = np.full(ubm.n_components, n)
    second_moments = covariance.expected_second_moments(counts, means, ubm.covariances)
    return SufficientStats(counts, n * means, second_moments, 0.0, float(counts.sum()), covariance.name)


def _apply_relative_floor(covariance: Covariance, ubm: GaussianMixture, covariances: Array, share: float) -> Array:
    """Return covariances at least a share of the UBM's global variance, or its smallest variance if that is lower."""
    scale = whitening_of([ubm]).scale
    whitened = covariance.rescale(ubm.covariances, 1.0 / scale)
    smallest = float((whitened if covariance.independent else np.linalg.eigvalsh(whitened)).min())
    floor = min(max(share, MIN_VARIANCE_SHARE), smallest)
    return covariance.rescale(covariance.apply_floor(covariance.rescale(covariances, 1.0 / scale), floor), scale)


def _replace_parameters(
    parameters: Collection[str], ubm: GaussianMixture, weights: Array, means: Array, covariances: Array
) -> GaussianMixture:
    """Return a mixture with those of the given arrays that ``parameters`` names, and the UBM's for the others."""
    return GaussianMixture(
        weights if "weights" in parameters else ubm.weights,
        means if "means" in parameters else ubm.means,
        covariances if "covariances" in parameters else ubm.covariances,
        ubm.covariance_type,
    )
