"""Mixtures that are scored together, such as those of all labels: one matrix product for the components of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError
from gmmaudio.mixture.common_whitening import stacked_log_joint
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.density import log_densities
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.product import LogJoint, Workspace
from gmmaudio.mixture.sources import as_rows


@dataclass(frozen=True, eq=False)
class MixtureStack:
    """Mixtures that are scored together; the coefficients of their products are made once and kept.

    Parameters
    ----------
    mixtures : tuple of GaussianMixture
        At least one, all over the same features and of the same covariance type.

    Raises
    ------
    MixtureError
        If the mixtures differ in features or covariance type.

    Examples
    --------
    >>> low, high = (GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (-1.0, 1.0))
    >>> MixtureStack((low, high)).log_density([[1.0]]).round(3)
    array([[-2.919, -0.919]])
    """

    mixtures: tuple[GaussianMixture, ...]

    def __post_init__(self) -> None:
        signatures = {(m.n_features, m.covariance_type) for m in self.mixtures}
        if len(signatures) != 1:
            raise MixtureError(
                f"mixtures to be scored together must share features and covariance type; got {sorted(signatures)}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy makes its own coefficients
        return type(self), (self.mixtures,)

    @cached_property
    def _joint32(self) -> LogJoint:
        return stacked_log_joint(self.mixtures, allow_float32=True)

    @cached_property
    def _joint64(self) -> LogJoint:
        return stacked_log_joint(self.mixtures, allow_float32=False)

    def log_density(self, X: npt.ArrayLike) -> Array:
        """Return the log density of every row under every mixture, shape (n, n_mixtures), nats.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; n may be 0. NaN is a missing value.

        Raises
        ------
        MixtureError
            If the rows do not fit the mixtures.
        """
        return self.log_densities([X])[0]

    def log_densities(self, clips: Iterable[npt.ArrayLike]) -> list[Array]:
        """Return the log densities of the rows of many clips, shape (n, n_mixtures) each, nats.

        They are the same bits as those of each clip alone: no product holds rows of two clips, as the precision in
        which a row is computed may depend on the rows beside it.

        Parameters
        ----------
        clips : iterable of array_like, shape (n, n_features)
            Rows of each clip; n may be 0. NaN is a missing value.

        Raises
        ------
        MixtureError
            If the rows do not fit the mixtures.

        Examples
        --------
        >>> stack = MixtureStack((GaussianMixture([1.0], [[0.0]], [[1.0]]),))
        >>> [densities.shape for densities in stack.log_densities([[[0.0]], [[1.0], [2.0]]])]
        [(1, 1), (2, 1)]
        """
        work: dict[np.dtype[Any], Workspace] = {}
        densities = []
        with one_thread():
            for clip in clips:
                rows = as_rows(clip, self.mixtures[0].n_features)
                joint = self._joint32 if rows.dtype == np.float32 else self._joint64
                densities.append(log_densities(joint, rows, work.setdefault(rows.dtype, Workspace(joint))))
        return densities


def stacked_log_density(mixtures: Sequence[GaussianMixture], X: npt.ArrayLike) -> Array:
    """Return the log density of every row under every mixture, shape (n, n_mixtures), in nats.

    All components of all mixtures are computed in one matrix product. float32 rows are computed in float32 where the
    error is less than 1e-4 nats for a row near a mixture, and less than 1e-5 of the log density far from it; float64
    rows are computed in float64. Where the same mixtures score many clips, a :class:`MixtureStack` keeps its
    coefficients.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features and of the same covariance type.
    X : array_like, shape (n, n_features)
        Rows; n may be 0. NaN is a missing value.

    Raises
    ------
    MixtureError
        If the mixtures differ in features or covariance type, or the rows do not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> a = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> b = GaussianMixture(np.ones(1), np.ones((1, 1)), np.ones((1, 1)))
    >>> stacked_log_density([a, b], np.zeros((1, 1))).round(3)
    array([[-0.919, -1.419]])
    """
    return MixtureStack(tuple(mixtures)).log_density(X)
