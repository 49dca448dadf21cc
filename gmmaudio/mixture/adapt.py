"""A background mixture adapted to a few rows: as if each component had seen some rows of its own before.

Reynolds' equations 11 to 13 mix what the rows say of a component with what the background says, by the share
``n / (n + relevance)``. For means and covariances that is the M-step of EM on the statistics of the rows and of
``relevance`` rows more for each component, with the mean and the covariance that it has in the background. In this
form the equations hold for every covariance type, and no term of them can be forgotten.

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
from gmmaudio.mixture.covariance import TINY, Array, Covariance, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, frame_of
from gmmaudio.mixture.product import log_joint_of
from gmmaudio.mixture.rows import Frame, RowSource, check_weights, read_chunks
from gmmaudio.mixture.statistics import SufficientStats, sum_chunks

# What may be adapted.
PARAMETERS = ("weights", "means", "covariances")

EPSILON = float(np.finfo(np.float64).eps)


def adapt_gmm(
    background: GaussianMixture,
    X: RowSource,
    *,
    weights: npt.ArrayLike | None = None,
    relevance: float = 16.0,
    parameters: Collection[str] = ("means",),
    n_iter: int = 1,
    variance_floor: float = 1e-3,
    n_threads: int = 1,
) -> GaussianMixture:
    """Return the background mixture adapted to rows by maximum a posteriori (MAP) estimation.

    A component with many rows goes to where they are, one with few stays near the background. All products run in
    the background's frame of reference, so that rows may lie at any offset.

    Parameters
    ----------
    background : GaussianMixture
        What is known before, such as a mixture of all speakers or genres; in the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows, at least one: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an
        iterator over arrays. NaN is a missing value, for which its mean under each component stands.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more; 2 counts a row twice, also against ``relevance``.
    relevance : float
        Rows that the background counts for in each component, 0 or more. 0 is maximum likelihood (components without
        rows keep the background's parameters), infinity the background itself. Default: Reynolds' 16.
    parameters : collection of {"weights", "means", "covariances"}
        What is adapted; the rest stays the background's to the bit. Default: the means, as Reynolds advises.
    n_iter : int
        Passes over the rows, >= 1, each with the responsibilities of the mixture before it; the background that pulls
        on it stays the same. Where weights are not adapted, each raises the log likelihood less ``relevance`` times
        the sum over components of the Kullback-Leibler divergence KL(background, adapted). (Reynolds' weights maximise
        nothing of the kind.)
    variance_floor : float
        Least variance (or eigenvalue) of an adapted component, as a share of the background's global variance, 0..1;
        where the background has a lower one, that is the floor. At 0 a share of 1e-10 remains.
    n_threads : int
        Threads over chunks of rows; -1 is one for each core.

    Raises
    ------
    MixtureError
        If there are no rows, or they do not fit the background.
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Reynolds, Quatieri, Dunn, "Speaker verification using adapted Gaussian mixture models", Digital Signal Processing
    10 (2000), section 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> background = GaussianMixture([0.5, 0.5], [[0.0], [100.0]], [[1.0], [1.0]])
    >>> adapt_gmm(background, np.ones((48, 1)), relevance=16.0).means
    array([[  0.75],
           [100.  ]])
    """
    _check_settings(relevance, parameters, variance_floor)
    if isinstance(n_iter, bool) or not isinstance(n_iter, int | np.integer) or n_iter < 1:
        raise SettingError(f"n_iter is {n_iter!r}; expected a whole number of passes over the rows, 1 or more")
    shares = None if weights is None else check_weights(weights)
    frame, single = _frame(background, X)
    prior = mixture = background.transform(frame.centre, frame.scale)
    for _ in range(n_iter):
        own = (mixture.weights, mixture.means, mixture.covariances)
        joint = log_joint_of(mixture.covariance_type, [own], frame, single)
        chunks = read_chunks(X, shares, n_features=mixture.n_features)
        stats = sum_chunks(joint, chunks, n_threads=n_threads)
        mixture = adapt(prior, stats, relevance=relevance, parameters=parameters, variance_floor=variance_floor)
    adapted = mixture.transform(-frame.centre / frame.scale, 1.0 / frame.scale)
    return _only(parameters, background, adapted.weights, adapted.means, adapted.covariances)


def adapt(
    background: GaussianMixture,
    stats: SufficientStats,
    *,
    relevance: float = 16.0,
    parameters: Collection[str] = ("means",),
    variance_floor: float = 1e-3,
) -> GaussianMixture:
    """Return the background mixture adapted to the rows that some statistics were taken of.

    For many clips, whose statistics can be kept and added. Statistics in the units of the rows lose digits of their
    second moments far from 0 (see :func:`gmmaudio.mixture.accumulate`); where covariances are adapted to such rows,
    :func:`adapt_gmm` does not.

    Parameters
    ----------
    background : GaussianMixture
        What is known before.
    stats : SufficientStats
        Of the rows, under ``background`` or a mixture adapted from it, in the units of ``background``.
    relevance, parameters, variance_floor
        As for :func:`adapt_gmm`.

    Raises
    ------
    MixtureError
        If the statistics are of no rows, or do not fit the background.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.mixture import accumulate
    >>> background = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> both = accumulate(background, np.ones((1, 1))) + accumulate(background, np.ones((2, 1)))
    >>> adapt(background, both, relevance=1.0, parameters=("means", "covariances")).means
    array([[0.75]])
    """
    _check_settings(relevance, parameters, variance_floor)
    if not stats.n_rows > 0:
        raise MixtureError(f"the statistics are of {stats.n_rows:g} rows; at least one is needed to adapt to")
    covariance = covariance_of(background.covariance_type)
    # beyond these bounds one side is lost in the rounding of the other; within them every component has rows
    prior = float(np.clip(relevance, EPSILON * stats.n_rows, stats.n_rows / EPSILON))
    both = stats + _own_rows(background, prior)
    means, covariances = covariance.estimate(both.n, both.f, both.s)
    if "means" not in parameters:
        # the variance about the mean of the rows would be too small: they are not there
        covariances = covariance.about(both.n, both.f, both.s, background.means)
    if "covariances" in parameters:
        covariances = _raised(covariance, background, covariances, variance_floor)
    trust = stats.n / both.n
    shares = trust * stats.n / stats.n_rows + (1 - trust) * background.weights
    return _only(parameters, background, shares / shares.sum(), means, covariances)


def _check_settings(relevance: float, parameters: Collection[str], variance_floor: float) -> None:
    """Refuse settings outside their bounds."""
    if not relevance >= 0:
        raise SettingError(f"relevance is {relevance!r}; expected a number of rows, 0 or more, such as 16")
    if isinstance(parameters, str) or not parameters or not set(parameters) <= set(PARAMETERS):
        raise SettingError(f'parameters is {parameters!r}; expected some of {PARAMETERS}, such as ("means",)')
    if not 0 <= variance_floor <= 1:
        raise SettingError(f"variance_floor is {variance_floor!r}; expected a share of the global variance, 0 to 1")


def _frame(background: GaussianMixture, X: RowSource) -> tuple[Frame, bool]:
    """Return the frame of the background, and whether products in it may be float32."""
    first = next(read_chunks(X, n_features=background.n_features), None)
    frame = frame_of([background])
    rounded = frame.rounded() if first is not None and first.rows.dtype == np.float32 else None
    return (frame, False) if rounded is None else (rounded, True)


def _own_rows(background: GaussianMixture, n: float) -> SufficientStats:
    """Return the statistics of ``n`` rows of each component, with the mean and the covariance that it has."""
    covariance = covariance_of(background.covariance_type)
    each = np.full(background.n_components, n)
    second = covariance.expected_second(each, background.means, background.covariances)
    return SufficientStats(each, n * background.means, second, 0.0, float(each.sum()), covariance.name)


def _raised(covariance: Covariance, background: GaussianMixture, covariances: Array, share: float) -> Array:
    """Return covariances at least a share of the background's global variance, or its own least one if lower."""
    scale = frame_of([background]).scale
    own = covariance.rescale(background.covariances, 1.0 / scale)
    least = float((own if covariance.independent else np.linalg.eigvalsh(own)).min())
    floor = min(max(share, TINY), least)
    return covariance.rescale(covariance.raise_to(covariance.rescale(covariances, 1.0 / scale), floor), scale)


def _only(
    parameters: Collection[str], background: GaussianMixture, weights: Array, means: Array, covariances: Array
) -> GaussianMixture:
    """Return a mixture that has the named parameters, and the background's for the rest."""
    return GaussianMixture(
        weights if "weights" in parameters else background.weights,
        means if "means" in parameters else background.means,
        covariances if "covariances" in parameters else background.covariances,
        background.covariance_type,
    )
