"""The covariance types, each an object with the same interface.

With ``z`` a whitened row, every Gaussian log density is linear in a vector of *moments* of that row: ``z * z, z, 1``
for a diagonal covariance, the products ``z_i z_j`` (i <= j), ``z, 1`` for a full one, ``|z|^2, z, 1`` for a spherical
one, and ``z, 1`` for a tied one, whose quadratic term is the same for all components. Scoring is then one matrix
product with a row of coefficients for each component, and the sufficient statistics are one more matrix product. A
covariance type defines the products of a row, converts parameters to coefficients, estimates parameters from
statistics and applies a floor to them. Code outside this package does not branch on the type.

References
----------
Bishop, *Pattern Recognition and Machine Learning* (2006), sections 9.2 and 2.4 (exponential family form).
"""

from __future__ import annotations

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance.diagonal import Diagonal
from gmmaudio.mixture.covariance.full import Full
from gmmaudio.mixture.covariance.interface import (
    MIN_VARIANCE_SHARE,
    Array,
    Covariance,
    Floats,
    Mask,
    log_weights,
    moments_of,
)
from gmmaudio.mixture.covariance.spherical import Spherical
from gmmaudio.mixture.covariance.tied import Tied

COVARIANCES: dict[str, Covariance] = {"diag": Diagonal(), "full": Full(), "tied": Tied(), "spherical": Spherical()}
COVARIANCE_TYPES = tuple(COVARIANCES)

__all__ = [
    "COVARIANCES",
    "COVARIANCE_TYPES",
    "MIN_VARIANCE_SHARE",
    "Array",
    "Covariance",
    "Floats",
    "Mask",
    "covariance_of",
    "log_weights",
    "moments_of",
]


def covariance_of(name: str) -> Covariance:
    """Return the covariance type of a name.

    Parameters
    ----------
    name : {"diag", "full", "tied", "spherical"}
        As :class:`~gmmaudio.mixture.GaussianMixture` has it.

    Raises
    ------
    SettingError
        If it is another name.

    Examples
    --------
    >>> covariance_of("diag").shape(8, 13)
    (8, 13)
    """
    if not isinstance(name, str) or name not in COVARIANCES:
        raise SettingError(f"covariance_type is {name!r}; expected one of {', '.join(COVARIANCES)}")
    return COVARIANCES[name]
