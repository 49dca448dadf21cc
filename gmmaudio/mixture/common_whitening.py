"""The coordinates that several mixtures are scored in, and the coefficients of their components there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gmmaudio.mixture.bulk import bulk_of_components
from gmmaudio.mixture.covariance import covariance_of
from gmmaudio.mixture.product import LogJoint, log_joint_of
from gmmaudio.mixture.whitening import Whitening

if TYPE_CHECKING:
    from gmmaudio.mixture.gaussian import GaussianMixture


def stacked_log_joint(mixtures: Sequence[GaussianMixture], allow_float32: bool) -> LogJoint:
    """Return the coefficients of the log(weight x density) of rows under the components of all mixtures.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features and of the same covariance type.
    allow_float32 : bool
        Whether float32 rows may be computed in float32.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> joint = stacked_log_joint([GaussianMixture([1.0], [[0.0]], [[1.0]])] * 3, allow_float32=False)
    >>> joint.n_components, joint.edges
    (3, (0, 1, 2, 3))
    """
    whitening = whitening_of(mixtures)
    rounded = whitening.rounded() if allow_float32 else None
    whitening = whitening if rounded is None else rounded
    whitened = [m.transform(whitening.centre, whitening.scale) for m in mixtures]
    parameters = [(m.weights, m.means, m.covariances) for m in whitened]
    return log_joint_of(mixtures[0].covariance_type, parameters, whitening, rounded is not None)


def whitening_of(mixtures: Sequence[GaussianMixture]) -> Whitening:
    """Return the whitening by the mean and the standard deviation of all mixtures together, equally weighted.

    Where a few far components stretch a column, those of the others.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features and of the same covariance type.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> whitening = whitening_of([GaussianMixture([0.5, 0.5], [[-3.0], [3.0]], [[16.0], [16.0]])])
    >>> whitening.centre, whitening.scale
    (array([0.]), array([5.]))
    """
    weights = np.concatenate([m.weights for m in mixtures]) / len(mixtures)
    means = np.vstack([m.means for m in mixtures])
    covariance = covariance_of(mixtures[0].covariance_type)
    variances = np.vstack([covariance.variances(m.covariances, *m.means.shape) for m in mixtures])
    # relative to the first mean, so that the centre of equal means is exact at any offset
    centre = means[0] + weights @ (means - means[0])
    spread = weights @ (variances + (means - centre) ** 2)
    centre, spread = bulk_of_components(weights, means, variances, centre, spread)
    if covariance.isotropic:
        spread = np.full_like(spread, spread.mean())
    return Whitening(centre, np.sqrt(spread))
