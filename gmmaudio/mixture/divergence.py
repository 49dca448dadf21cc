"""Divergences between mixtures, estimated by sampling.

The divergence of two mixtures has no closed form. Both estimates are means over rows drawn from the two mixtures, half
from each, of an even function of the log density ratio ``t = log p(x) - log q(x)``:

    Jensen-Shannon           log 2 - H(1 / (1 + exp(-t)))    H is the binary entropy, nats
    symmetric KL (Jeffreys)  2 t tanh(t / 2)

Each term is the expectation of the usual Monte Carlo terms (such as ``log p/q`` of rows of p and ``log q/p`` of rows of
q) over the mixture that the row came from (Rao-Blackwellisation). So no term is negative, the Jensen-Shannon terms are
at most log 2, and for mixtures that are nearly equal the error decreases with the divergence instead of its square
root.

References
----------
Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Information Theory 37(1) (1991).
Jeffreys, "An invariant form for the prior probability in estimation problems", Proc. Royal Society A 186 (1946).
Hershey, Olsen, "Approximating the Kullback Leibler divergence between Gaussian mixture models", ICASSP (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.stack import MixtureStack


def divergences(
    mixtures: Sequence[GaussianMixture],
    *,
    kind: str = "jensen_shannon",
    n_samples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return the divergence between every two mixtures, shape (n_mixtures, n_mixtures), in nats.

    The matrix is symmetric with a diagonal of 0, and does not depend on the units of the rows. The Jensen-Shannon
    divergence lies in 0..log 2: it is the mutual information between a row and which of two equally likely mixtures it
    came from, so 0 for equal mixtures and log 2 for mixtures that do not overlap. The symmetric KL divergence, the sum
    of the Kullback-Leibler divergences in both directions, is >= 0 without an upper bound, and so also ranks mixtures
    that do not overlap.

    Every mixture is sampled with the same random numbers, so the divergence of two mixtures does not depend on the
    other mixtures of the list, or on its order. The standard error decreases with the square root of ``n_samples``;
    that of Jensen-Shannon is at most ``log(2) / (2 sqrt(n_samples))``, 0.0035 nats at 10,000.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features; the covariance types may differ.
    kind : {"jensen_shannon", "symmetric_kl"}
        The divergence.
    n_samples : int
        Number of rows drawn from each mixture, >= 1.
    rng : numpy.random.Generator, optional
        Source of randomness. Default: a fixed seed.

    Raises
    ------
    MixtureError
        If there are no mixtures, or they do not share their features.
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Information Theory 37(1) (1991), eq. 4.1.
    Hershey, Olsen, "Approximating the Kullback Leibler divergence between Gaussian mixture models", ICASSP (2007),
    section 2.

    Examples
    --------
    >>> near, far = (GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (0.0, 100.0))
    >>> divergences([near, far, near]).round(3)
    array([[0.   , 0.693, 0.   ],
           [0.693, 0.   , 0.693],
           [0.   , 0.693, 0.   ]])
    """
    _check(mixtures, kind, n_samples)
    rng = as_generator(rng)
    seed = int(rng.integers(2**63))
    half = np.empty((len(mixtures), len(mixtures)))
    log_densities = _log_densities_under(mixtures)
    for i, mixture in enumerate(mixtures):
        density = log_densities(mixture.sample(int(n_samples), np.random.default_rng(seed)))
        terms = KINDS[kind](density[:, [i]] - density)
        # rounding errors of the sum must not raise a mean above the largest term
        half[i] = np.minimum(terms.mean(axis=0), terms.max(axis=0))
    return (half + half.T) / 2


def _jensen_shannon(ratio: Array) -> Array:
    """Return the terms of the Jensen-Shannon divergence, in 0..log 2 nats, of log density ratios."""
    size = np.abs(ratio)
    odds = np.exp(-size)
    entropy = np.log1p(odds) + size * odds / (1 + odds)
    # rounding errors could make the term of nearly equal densities negative
    terms: Array = np.maximum(np.log(2) - entropy, 0.0)
    return terms


def _symmetric_kl(ratio: Array) -> Array:
    """Return the terms of the symmetric Kullback-Leibler divergence, in nats, >= 0, of log density ratios."""
    terms: Array = 2 * ratio * np.tanh(ratio / 2)
    return terms


KINDS: dict[str, Callable[[Array], Array]] = {"jensen_shannon": _jensen_shannon, "symmetric_kl": _symmetric_kl}


def _check(mixtures: Sequence[GaussianMixture], kind: str, n_samples: int) -> None:
    """Raise an error for mixtures that cannot be compared, and for settings outside their bounds."""
    if not len(mixtures):
        raise MixtureError("there are no mixtures; expected at least one")
    widths = sorted({mixture.n_features for mixture in mixtures})
    if len(widths) > 1:
        raise MixtureError(f"the mixtures have {widths} features; expected mixtures over the same features")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SettingError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise SettingError(f"n_samples is {n_samples!r}; expected a number of rows for each mixture, 1 or more")


def _log_densities_under(mixtures: Sequence[GaussianMixture]) -> Callable[[Array], Array]:
    """Return a function of rows: their log density under every mixture, (n, n_mixtures), whatever their types."""
    if len({mixture.covariance_type for mixture in mixtures}) == 1:
        return MixtureStack(tuple(mixtures)).log_density
    return lambda rows: np.column_stack([mixture.log_density(rows) for mixture in mixtures])
