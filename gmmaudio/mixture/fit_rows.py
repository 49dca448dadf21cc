"""The rows of a fit: whitened for EM's products, and given back in their own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError
from gmmaudio.mixture.bulk import REACH
from gmmaudio.mixture.covariance import Mask, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.init import distinct_rows, make_start, sample_size
from gmmaudio.mixture.kept import KeptColumns
from gmmaudio.mixture.parallel import Mapper
from gmmaudio.mixture.product import log_joint_of
from gmmaudio.mixture.rows import (
    RowSummary,
    check_total,
    check_weights,
    draw_rows,
    list_chunks,
    reread_chunks,
    summarise,
)
from gmmaudio.mixture.sources import RowSource
from gmmaudio.mixture.statistics import SufficientStats, map_chunks, sum_chunks
from gmmaudio.mixture.whitening import Whitening, estimate_whitening


@dataclass(frozen=True, eq=False)
class FitRows:
    """The rows of a fit, and the whitening of its computations.

    Parameters
    ----------
    X : array_like, list of array_like or of path, or callable
        A source of rows.
    weights : ndarray, shape (n,), or None
        Weight of each row, scaled so that the greatest is near 1.
    summary : RowSummary
        Counts and ranges of the rows.
    whitening : Whitening
        Coordinates of all computations.
    allow_float32 : bool
        Whether products may be float32.
    unit_weight : float
        Weight of one row.
    kept : KeptColumns
        Whitened rows, kept between iterations.
    n_threads, mapper
        As for :func:`gmmaudio.mixture.fit_gmm`.

    Examples
    --------
    >>> FitRows.of([[0.0], [2.0]], None, "diag").whitening.centre
    array([1.])
    """

    X: RowSource
    weights: npt.NDArray[np.float64] | None
    summary: RowSummary
    whitening: Whitening
    allow_float32: bool
    unit_weight: float
    kept: KeptColumns
    n_threads: int = 1
    mapper: Mapper | None = None

    @classmethod
    def of(
        cls,
        X: RowSource,
        weights: npt.ArrayLike | None,
        covariance_type: str,
        n_threads: int = 1,
        mapper: Mapper | None = None,
        *,
        with_digest: bool = False,
    ) -> FitRows:
        """Return the rows of a source, after two passes over it.

        Parameters
        ----------
        X, weights, covariance_type, n_threads, mapper
            As for :func:`gmmaudio.mixture.fit_gmm`.
        with_digest : bool
            Whether the rows are hashed in the first of them.
        """
        row_weights, unit_weight = _scale_weights(weights)
        summary = summarise(X, row_weights, mapper, with_digest=with_digest)
        isotropic = covariance_of(covariance_type).isotropic
        whitening = estimate_whitening(
            X, row_weights, summary, isotropic=isotropic, unit_weight=unit_weight, mapper=mapper
        )
        rounded = whitening.rounded() if summary.is_float32 else None
        kept = KeptColumns(rounded or whitening, np.float64 if rounded is None else np.float32)
        coordinates, is_rounded = rounded or whitening, rounded is not None
        return cls(X, row_weights, summary, coordinates, is_rounded, unit_weight, kept, n_threads, mapper)

    @property
    def digest(self) -> str:
        """Hash of the rows and their weights; empty where none was asked for."""
        return self.summary.digest and f"{self.summary.digest} {self.unit_weight!r}"

    def in_row_units(self, mixture: GaussianMixture) -> GaussianMixture:
        """Return a mixture of whitened rows in the units of the rows.

        Parameters
        ----------
        mixture : GaussianMixture
            Of whitened rows.
        """
        whitening = self.whitening
        # GaussianMixture.transform by the inverse whitening would round twice
        return GaussianMixture(
            mixture.weights,
            mixture.means * whitening.scale + whitening.centre,
            covariance_of(mixture.covariance_type).rescale(mixture.covariances, whitening.scale),
            mixture.covariance_type,
        )

    def statistics(self, mixture: GaussianMixture) -> SufficientStats:
        """Return the statistics of all whitened rows under a mixture; the likelihood is that in the rows' units.

        Parameters
        ----------
        mixture : GaussianMixture
            Of whitened rows.
        """
        parameters = (mixture.weights, mixture.means, mixture.covariances)
        joint = log_joint_of(mixture.covariance_type, [parameters], self.whitening, self.allow_float32)
        if self.mapper is None:
            chunks = reread_chunks(self.X, self.weights, self.summary)
            return sum_chunks(joint, chunks, n_threads=self.n_threads, kept=self.kept)
        stats = map_chunks(joint, list_chunks(self.X, self.weights, n_features=len(self.summary.low)), self.mapper)
        check_total(stats.n_rows, self.summary)
        return stats

    def is_far(self, mixture: GaussianMixture) -> Mask:
        """Return a mask of the components that are not in the bulk of the rows, shape (n_components,).

        Parameters
        ----------
        mixture : GaussianMixture
            Of whitened rows.
        """
        columns = list(self.whitening.stretched)
        return np.asarray((np.abs(mixture.means[:, columns]) > REACH).any(axis=1))

    def make_start(
        self,
        distinct: npt.NDArray[np.floating],
        covariance_type: str,
        init: str,
        floor: float,
        rng: np.random.Generator,
    ) -> GaussianMixture:
        """Return a start by a method of ``INITS``, with as many components as there are ``distinct`` rows.

        Parameters
        ----------
        distinct : ndarray, shape (n_components, n_features)
            Distinct rows, in their own units.
        covariance_type, init, rng
            As for :func:`gmmaudio.mixture.fit_gmm`.
        floor : float
            Minimum variance of a whitened component, > 0.
        """
        k = len(distinct)
        rows, weights = draw_rows(self.X, self.weights, self.summary, sample_size(init, k), rng, self.mapper)
        sample, sample_weights = distinct_rows(rows, weights, self.whitening)
        if len(sample) < k:
            rows, weights = np.concatenate([rows, distinct]), np.append(weights, np.full(k, weights.mean()))
            sample, sample_weights = distinct_rows(rows, weights, self.whitening)
        # distances are taken with every column at unit variance, also where the whitening has one scale for all
        isotropic = covariance_of(covariance_type).isotropic
        whitening = self.whitening
        if isotropic:
            whitening = estimate_whitening(
                self.X, self.weights, self.summary, unit_weight=self.unit_weight, mapper=self.mapper
            )
        stretch = self.whitening.scale / whitening.scale
        return make_start(sample, sample_weights, k, covariance_type, init, floor, rng, stretch)

    def whiten_start(
        self, init: GaussianMixture, n_components: int, covariance_type: str, floor: float
    ) -> GaussianMixture:
        """Return a start, given in the units of the rows, in whitened coordinates.

        Parameters
        ----------
        init : GaussianMixture
            The start.
        n_components, covariance_type
            Expected of it.
        floor : float
            Minimum variance of a whitened component, > 0.

        Raises
        ------
        MixtureError
            If it does not fit the rows.
        """
        given = (init.n_components, init.covariance_type, init.n_features)
        expected = (n_components, covariance_type, len(self.whitening.centre))
        if given != expected:
            raise MixtureError(f"init is a mixture of (components, covariance, features) {given}; expected {expected}")
        whitened = init.transform(self.whitening.centre, self.whitening.scale)
        covariances = covariance_of(covariance_type).apply_floor(whitened.covariances, floor)
        return GaussianMixture(whitened.weights, whitened.means, covariances, covariance_type)


def _scale_weights(weights: npt.ArrayLike | None) -> tuple[npt.NDArray[np.float64] | None, float]:
    """Return weights scaled so that their sums and squares do not overflow, and the weight of one row.

    The weight of one row is 1 where weights are integers, and the median weight otherwise. The scale is a power of
    two, which changes no digits.
    """
    if weights is None:
        return None, 1.0
    row_weights = check_weights(weights)
    are_counts = (row_weights == np.round(row_weights)).all()
    unit_weight = 1.0 if are_counts else float(np.median(row_weights[row_weights > 0]))
    power = 1 - int(np.frexp(row_weights.max(initial=0.0))[1])
    return np.ldexp(row_weights, power), float(np.ldexp(unit_weight, power))
