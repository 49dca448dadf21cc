"""Mixtures with fewer or more components that have the same moments: merged, or split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, frame_of

# Halves stand half a deviation to either side of the component they come from: far enough apart for EM to tell them,
# near enough for a component to be left once the spread between them is taken out of it.
STEP = 0.5


def split(mixture: GaussianMixture, n_components: int) -> GaussianMixture:
    """Return a mixture in which the heaviest components are split in two until there are ``n_components``.

    Halves stand apart along the component's widest direction and are narrower along it, so that the mixture keeps its
    mean and covariance, as far as the covariance type can hold it. New components come last.

    Parameters
    ----------
    mixture : GaussianMixture
        Of at most ``n_components``.
    n_components : int
        Components of the result.

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
    """Return a mixture in which the components that are most alike are merged until there are ``n_components``.

    Each step merges the two whose merger costs least, by Runnalls' bound on the Kullback-Leibler divergence, into one
    with their weight, mean and covariance (as far as the covariance type can hold it).

    Parameters
    ----------
    mixture : GaussianMixture
        Of at least ``n_components``.
    n_components : int
        Components of the result, >= 1.

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
    # about their own centre, where second moments lose no digits
    frame = frame_of([mixture])
    merged = mixture.transform(frame.centre, frame.scale)
    costs = np.array([_costs(merged, i) for i in range(merged.n_components)])
    while merged.n_components > n_components:
        i, j = sorted(int(place) for place in np.unravel_index(costs.argmin(), costs.shape))
        merged = _join(merged, i, j)
        costs = np.delete(np.delete(costs, j, axis=0), j, axis=1)
        costs[i] = costs[:, i] = _costs(merged, i)
    return merged.transform(-frame.centre / frame.scale, 1 / frame.scale)


def take(mixture: GaussianMixture, components: npt.ArrayLike) -> GaussianMixture:
    """Return the mixture of some components, in the order given, their weights scaled to sum to 1.

    Examples
    --------
    >>> take(GaussianMixture([0.25, 0.75], [[0.0], [1.0]], [[1.0], [2.0]]), [1]).means
    array([[1.]])
    """
    chosen = np.asarray(components, dtype=np.intp)
    weights = mixture.weights[chosen]
    covariances = covariance_of(mixture.covariance_type).take(mixture.covariances, chosen)
    return GaussianMixture(weights / weights.sum(), mixture.means[chosen], covariances, mixture.covariance_type)


def _halve(mixture: GaussianMixture, j: int) -> GaussianMixture:
    """Return the mixture with component ``j`` split in two, of which the second comes last."""
    covariance = covariance_of(mixture.covariance_type)
    k, d = mixture.means.shape
    step = STEP * covariance.spread(mixture.covariances, j, d)
    order = np.append(np.arange(k), j)
    weights, means = mixture.weights[order], mixture.means[order]
    weights[[j, k]] /= 2
    means[j] -= step
    means[k] += step
    # the spread between the halves comes out of the spread within them
    apart = np.zeros((k + 1, d))
    apart[[j, k]] = step
    whole = covariance.take(mixture.covariances, order)
    _, within = covariance.estimate(
        weights, weights[:, None] * apart, covariance.expected_second(weights, np.zeros((k + 1, d)), whole)
    )
    within = covariance.choose(weights == 0, whole, within)
    return GaussianMixture(weights, means, within, mixture.covariance_type)


def _join(mixture: GaussianMixture, i: int, j: int) -> GaussianMixture:
    """Return the mixture with component ``j`` merged into ``i``."""
    covariance = covariance_of(mixture.covariance_type)
    keep = np.delete(np.arange(mixture.n_components), j)
    n, f = mixture.weights.copy(), mixture.weights[:, None] * mixture.means
    s = covariance.expected_second(n, mixture.means, mixture.covariances)
    n[i] += n[j]
    f[i] += f[j]
    if not covariance.pooled:
        s[i] += s[j]
    means, covariances = covariance.estimate(n[keep], f[keep], covariance.take(s, keep))
    empty = n[keep] == 0
    old = covariance.take(mixture.covariances, keep)
    return GaussianMixture(
        n[keep] / n[keep].sum(),
        np.where(empty[:, None], mixture.means[keep], means),
        covariance.choose(empty, old, covariances),
        mixture.covariance_type,
    )


def _costs(mixture: GaussianMixture, i: int) -> Array:
    """Return what it costs to merge component ``i`` with each other, shape (n_components,), infinite for itself."""
    covariance = covariance_of(mixture.covariance_type)
    weights, means = mixture.weights, mixture.means
    matrices = covariance.matrices(mixture.covariances, *means.shape)
    both = weights[i] + weights
    share = np.where(both > 0, weights / np.where(both > 0, both, 1.0), 0.5)[:, None, None]
    apart = means - means[i]
    joined = (1 - share) * matrices[i] + share * matrices
    joined = joined + share * (1 - share) * apart[:, :, None] * apart[:, None, :]
    log_dets = np.linalg.slogdet(matrices)[1]
    cost: Array = 0.5 * (both * np.linalg.slogdet(joined)[1] - weights[i] * log_dets[i] - weights * log_dets)
    cost[i] = np.inf
    return cost
