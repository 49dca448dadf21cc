"""Stability of clusters over the starts of EM: whether other starts end in the same assignment of rows.

EM ends in a local maximum of the likelihood, which depends on its start. Where starts with other seeds give other
clusters, the clusters are a property of the start as much as of the rows. That they agree does not prove that the
clusters are real: one wrong optimum may attract every start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.em import fit_gmm
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import RowSource

# starts that do not depend on a seed, where a table is small enough to be used whole
FIXED_STARTS = ("hierarchical", "binary")
# a fit has reached a likelihood if it is no further below it, nats for each row and feature
REACHED = 1e-3


@dataclass(frozen=True, eq=False)
class Stability:
    """The agreement of fits from several starts with one mixture, and with each other.

    Parameters
    ----------
    adjusted_rand : tuple of float
        Adjusted Rand index of the hard assignments of each fit with those of the mixture, -0.5..1; 1 where they are
        the same partition, about 0 where they agree by chance.
    between : float
        Mean of the index over all pairs of fits; 1 where there is one fit.
    log_likelihoods : tuple of float
        Mean log density of a row under each fit, nats.
    log_likelihood : float
        That under the mixture, nats.
    n_features : int
        Number of features.

    Examples
    --------
    >>> stability = Stability((1.0, 0.5), 0.5, (-2.0, -2.5), -2.0, 1)
    >>> stability.mean, stability.lowest, stability.n_reached, stability.gain
    (0.75, 0.5, 1, 0.0)
    """

    adjusted_rand: tuple[float, ...]
    between: float
    log_likelihoods: tuple[float, ...]
    log_likelihood: float
    n_features: int

    @property
    def mean(self) -> float:
        """Mean adjusted Rand index of the fits with the mixture."""
        return float(np.mean(self.adjusted_rand))

    @property
    def lowest(self) -> float:
        """Lowest adjusted Rand index of a fit with the mixture."""
        return min(self.adjusted_rand)

    @property
    def n_reached(self) -> int:
        """Number of fits whose likelihood is that of the mixture, or higher, but for 0.001 nats for each feature."""
        return sum(each >= self.log_likelihood - REACHED * self.n_features for each in self.log_likelihoods)

    @property
    def gain(self) -> float:
        """Nats for each row by which the best fit is above the mixture; 0 where none is."""
        return max(0.0, max(self.log_likelihoods) - self.log_likelihood)


def measure_stability(
    X: RowSource,
    mixture: GaussianMixture,
    *,
    n_restarts: int = 10,
    init: str = "kmeans",
    max_iter: int = 100,
    tol: float = 1e-4,
    variance_floor: float = 1e-3,
    rng: np.random.Generator | None = None,
    n_threads: int = 1,
) -> Stability:
    """Return the agreement of fits from other starts with a mixture that was fitted to the same rows.

    Each fit has one start, of a seed of its own. Rows are assigned to the component with the largest responsibility.

    Parameters
    ----------
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows from any source that :func:`fit_gmm` reads. NaN is a missing value; a row without any value is left out.
    mixture : GaussianMixture
        In the units of the rows; the fits have as many components, and its covariance type.
    n_restarts : int
        Number of fits, >= 1.
    init : {"kmeans", "random"}
        Start of each fit. The other starts of :func:`fit_gmm` are the same for every seed, and tell nothing here.
    max_iter, tol, variance_floor, n_threads
        As for :func:`fit_gmm`.
    rng : numpy.random.Generator, optional
        Randomness of the starts. Default: a fixed seed.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.
    MixtureError
        If the rows cannot be fitted, or do not fit the mixture.

    References
    ----------
    Hubert, Arabie, "Comparing partitions", Journal of Classification 2 (1985): the adjusted Rand index.
    Biernacki, Celeux, Govaert, "Choosing starting values for the EM algorithm for getting the highest likelihood in
    multivariate Gaussian mixture models", Computational Statistics & Data Analysis 41 (2003).

    Examples
    --------
    >>> X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (100, 1)) for m in (-9.0, 9.0)])
    >>> mixture, _ = fit_gmm(X, 2)
    >>> measure_stability(X, mixture, n_restarts=3).adjusted_rand
    (1.0, 1.0, 1.0)
    """
    if isinstance(n_restarts, bool) or not isinstance(n_restarts, int | np.integer) or n_restarts < 1:
        raise SettingError(f"n_restarts is {n_restarts!r}; expected a whole number, 1 or more")
    if init in FIXED_STARTS:
        raise SettingError(f"init is {init!r}, which is the same start for every seed; expected 'kmeans' or 'random'")
    assigned, log_likelihood = _assign(X, mixture)
    fits = []
    for seed in as_generator(rng).integers(2**63, size=n_restarts):
        fitted, _ = fit_gmm(
            X,
            mixture.n_components,
            covariance_type=mixture.covariance_type,
            init=init,
            max_iter=max_iter,
            tol=tol,
            variance_floor=variance_floor,
            rng=np.random.default_rng(int(seed)),
            n_threads=n_threads,
        )
        fits.append(_assign(X, fitted))
    labels = [each for each, _ in fits]
    return Stability(
        adjusted_rand=tuple(_adjusted_rand(assigned, each) for each in labels),
        between=_mean_between(labels),
        log_likelihoods=tuple(value for _, value in fits),
        log_likelihood=log_likelihood,
        n_features=mixture.n_features,
    )


def _assign(X: RowSource, mixture: GaussianMixture) -> tuple[npt.NDArray[np.intp], float]:
    """Return the most probable component of every row with a value, and the mean log density of these rows."""
    components: list[npt.NDArray[np.intp]] = []
    densities: list[Array] = []
    with one_thread():
        for chunk in read_chunks(X, n_features=mixture.n_features):
            density, responsibilities = mixture.density_and_responsibilities(chunk.rows)
            components.append(responsibilities.argmax(axis=1))
            densities.append(density)
    if not sum(map(len, densities)):
        raise MixtureError("there are no rows; at least one is needed")
    return np.concatenate(components), float(np.concatenate(densities).mean())


def _adjusted_rand(first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]) -> float:
    """Return the adjusted Rand index of two assignments of the same rows."""
    # imported where it is used: scikit-learn takes a second to import
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def _mean_between(labels: Sequence[npt.NDArray[np.intp]]) -> float:
    """Return the mean adjusted Rand index over all pairs of assignments."""
    pairs = [_adjusted_rand(a, b) for i, a in enumerate(labels) for b in labels[:i]]
    return float(np.mean(pairs)) if pairs else 1.0
