"""Components of a mixture: splitting, merging and selecting them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import SettingError
from gmmaudio.mixture.common_whitening import whitening_of
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture

# The means of the halves are half a standard deviation to either side of the component that is split: far enough apart
# for EM to separate them, and near enough for their variance, less that between them, to stay positive.
SPLIT_STEP = 0.5


def split(mixture: GaussianMixture, n_components: int) -> GaussianMixture:
    """Return a mixture in which the heaviest components are split in two until there are ``n_components``.

    The halves are separated along the component's widest direction and are narrower along it, so that the mixture
    keeps its mean, and its covariance as far as the covariance type can represent it. New components come last.

    Parameters
    ----------
    mixture : GaussianMixture
        With at most ``n_components``.
    n_components : int
        Number of components of the result.

    Raises
    ------
    SettingError
        If the mixture has more components already.

    Examples
    --------
    >>> one = GaussianMixture([1.0], [[0.0]], [[4.0]])
    >>> two = split(one, 2)
    >>> two.means[:, 0], two.covariances[:, 0]
    (array([-1.,  1.]), array([3., 3.]))
    """
    if not isinstance(n_components, int | np.integer) or n_components < mixture.n_components:
        raise SettingError(f"n_components is {n_components}; expected {mixture.n_components} or more to split into")
    for _ in range(n_components - mixture.n_components):
        mixture = _halve(mixture, int(mixture.weights.argmax()))
    return mixture


def merge(mixture: GaussianMixture, n_components: int) -> GaussianMixture:
    """Return a mixture in which the most similar components are merged until there are ``n_components``.

    Each step merges the two components with the lowest cost, Runnalls' bound on the Kullback-Leibler divergence, into
    one with their weight, mean and covariance (as far as the covariance type can represent it).

    Parameters
    ----------
    mixture : GaussianMixture
        With at least ``n_components``.
    n_components : int
        Number of components of the result, >= 1.

    Raises
    ------
    SettingError
        If the mixture has fewer components already, or ``n_components`` is below 1.

    References
    ----------
    Runnalls, "Kullback-Leibler approach to Gaussian mixture reduction", IEEE Trans. Aerospace and Electronic Systems
    43(3) (2007), eq. 21.

    Examples
    --------
    >>> three = GaussianMixture([0.25, 0.25, 0.5], [[1.0], [3.0], [9.0]], [[1.0], [1.0], [1.0]])
    >>> two = merge(three, 2)
    >>> two.means[:, 0].round(9), two.covariances[:, 0].round(9)
    (array([2., 9.]), array([2., 1.]))
    """
    if not isinstance(n_components, int | np.integer) or not 1 <= n_components <= mixture.n_components:
        raise SettingError(f"n_components is {n_components}; expected 1 to {mixture.n_components} to merge into")
    # in whitened coordinates second moments do not lose precision
    whitening = whitening_of([mixture])
    merged = mixture.transform(whitening.centre, whitening.scale)
    costs = np.array([_costs(merged, i) for i in range(merged.n_components)])
    while merged.n_components > n_components:
        i, j = sorted(int(index) for index in np.unravel_index(costs.argmin(), costs.shape))
        merged = _join(merged, i, j)
        costs = np.delete(np.delete(costs, j, axis=0), j, axis=1)
        costs[i] = costs[:, i] = _costs(merged, i)
    return merged.transform(-whitening.centre / whitening.scale, 1 / whitening.scale)


def take(mixture: GaussianMixture, components: npt.ArrayLike) -> GaussianMixture:
    """Return the mixture of some components, in the order given, with weights scaled to sum to 1.

    Parameters
    ----------
    mixture : GaussianMixture
        With any number of components.
    components : array_like of int
        Indices of the components.

    Raises
    ------
    SettingError
        If they are no numbers, or some are masked.

    Examples
    --------
    >>> take(GaussianMixture([0.25, 0.75], [[0.0], [1.0]], [[1.0], [2.0]]), [1]).means
    array([[1.]])
    """
    indices = as_numbers(components, "components must be indices", SettingError).astype(np.intp)
    weights = mixture.weights[indices]
    covariances = covariance_of(mixture.covariance_type).take(mixture.covariances, indices)
    return GaussianMixture(weights / weights.sum(), mixture.means[indices], covariances, mixture.covariance_type)


def _halve(mixture: GaussianMixture, j: int) -> GaussianMixture:
    """Return the mixture with component ``j`` split in two, the second half in last position."""
    covariance = covariance_of(mixture.covariance_type)
    k, d = mixture.means.shape
    step = SPLIT_STEP * covariance.widest_axis(mixture.covariances, j, d)
    order = np.append(np.arange(k), j)
    weights, means = mixture.weights[order], mixture.means[order]
    weights[[j, k]] /= 2
    means[j] -= step
    means[k] += step
    # the variance between the halves is subtracted from the variance within them
    offsets = np.zeros((k + 1, d))
    offsets[[j, k]] = step
    before = covariance.take(mixture.covariances, order)
    second_moments = covariance.expected_second_moments(weights, np.zeros((k + 1, d)), before)
    _, within = covariance.estimate(weights, weights[:, None] * offsets, second_moments)
    within = covariance.where(weights == 0, before, within)
    return GaussianMixture(weights, means, within, mixture.covariance_type)


def _join(mixture: GaussianMixture, i: int, j: int) -> GaussianMixture:
    """Return the mixture with component ``j`` merged into ``i``."""
    covariance = covariance_of(mixture.covariance_type)
    keep = np.delete(np.arange(mixture.n_components), j)
    n, f = mixture.weights.copy(), mixture.weights[:, None] * mixture.means
    s = covariance.expected_second_moments(n, mixture.means, mixture.covariances)
    n[i] += n[j]
    f[i] += f[j]
    if not covariance.pooled:
        s[i] += s[j]
    means, covariances = covariance.estimate(n[keep], f[keep], covariance.take(s, keep))
    empty = n[keep] == 0
    before = covariance.take(mixture.covariances, keep)
    return GaussianMixture(
        n[keep] / n[keep].sum(),
        np.where(empty[:, None], mixture.means[keep], means),
        covariance.where(empty, before, covariances),
        mixture.covariance_type,
    )


def _costs(mixture: GaussianMixture, i: int) -> Array:
    """Return the costs of merging component ``i`` with each other one, shape (n_components,), infinite for itself."""
    covariance = covariance_of(mixture.covariance_type)
    weights, means = mixture.weights, mixture.means
    matrices = covariance.matrices(mixture.covariances, *means.shape)
    both = weights[i] + weights
    share = np.where(both > 0, weights / np.where(both > 0, both, 1.0), 0.5)[:, None, None]
    difference = means - means[i]
    merged = (1 - share) * matrices[i] + share * matrices
    merged = merged + share * (1 - share) * difference[:, :, None] * difference[:, None, :]
    log_dets = np.linalg.slogdet(matrices)[1]
    cost: Array = 0.5 * (both * np.linalg.slogdet(merged)[1] - weights[i] * log_dets[i] - weights * log_dets)
    cost[i] = np.inf
    return cost
