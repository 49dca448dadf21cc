"""Additive sufficient statistics: all that EM needs to know of any number of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gmmaudio.errors import MixtureError
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, log_sum_exp_inplace


@dataclass(frozen=True, eq=False)
class SufficientStats:
    """Sums over rows, weighted by responsibility; the statistics of two sets of rows add.

    Parameters
    ----------
    n : ndarray, shape (n_components,), float64
        Rows that each component answers for.
    f : ndarray, shape (n_components, n_features), float64
        First moments: sums of rows.
    s : ndarray, float64
        Second moments: sums of squares (n_components, n_features) for ``"diag"``, of the products ``x_i x_j`` with
        i <= j (n_components, n_features * (n_features + 1) / 2) for ``"full"``.
    log_likelihood : float
        Sum of log densities, nats.
    n_rows : int
        Rows seen.
    """

    n: Array
    f: Array
    s: Array
    log_likelihood: float
    n_rows: int

    def __add__(self, other: SufficientStats) -> SufficientStats:
        return SufficientStats(
            self.n + other.n,
            self.f + other.f,
            self.s + other.s,
            self.log_likelihood + other.log_likelihood,
            self.n_rows + other.n_rows,
        )


def accumulate(mixture: GaussianMixture, blocks: Iterable[Array]) -> SufficientStats:
    """Return the statistics of all rows in ``blocks`` under ``mixture``: the E-step.

    Parameters
    ----------
    mixture : GaussianMixture
        In the coordinates of the blocks; centre and scale the rows first (as ``fit_gmm`` does), or digits are lost
        where the mean is far above the deviation.
    blocks : iterable of ndarray, shape (n, n_features), float64
        Finite rows, a bounded number at a time. Sums are taken in this order, so the same blocks give the same bits.

    Raises
    ------
    MixtureError
        If there are no blocks.

    Examples
    --------
    >>> import numpy as np
    >>> mixture = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> both = accumulate(mixture, [np.array([[1.0]]), np.array([[2.0]])])
    >>> both.n, both.f, both.s, both.n_rows
    (array([2.]), array([[3.]]), array([[5.]]), 2)
    """
    covariance = covariance_of(mixture.covariance_type)
    columns = covariance.coefficients(mixture.weights, mixture.means, mixture.covariances)
    moments = np.zeros((mixture.n_components, len(columns)))
    log_likelihood, n_rows = 0.0, 0
    for block in blocks:
        expanded = covariance.expand(block)
        shares = expanded @ columns
        log_likelihood += float(log_sum_exp_inplace(shares).sum())
        moments += shares.T @ expanded
        n_rows += len(block)
    if n_rows == 0:
        raise MixtureError("there are no rows; at least one is needed")
    d = mixture.n_features
    return SufficientStats(moments[:, -1], moments[:, -1 - d : -1], moments[:, : -1 - d], log_likelihood, n_rows)
