"""Mixtures from scikit-learn and for it."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.utils.validation import check_is_fitted

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture


def from_sklearn(model: SklearnMixture) -> GaussianMixture:
    """Return a fitted scikit-learn mixture as a mixture of this package.

    Parameters
    ----------
    model : sklearn.mixture.GaussianMixture
        Fitted, of any covariance type.

    Raises
    ------
    SettingError
        If ``model`` is anything else, a ``BayesianGaussianMixture`` included: its density is not a Gaussian mixture.
    sklearn.exceptions.NotFittedError
        If ``model`` is not fitted.

    Examples
    --------
    >>> model = SklearnMixture(1, covariance_type="diag").fit([[-1.0], [1.0]])
    >>> from_sklearn(model).means
    array([[0.]])
    """
    if not isinstance(model, SklearnMixture):
        raise SettingError(f"model is a {type(model).__name__}; expected a fitted sklearn.mixture.GaussianMixture")
    check_is_fitted(model)
    return GaussianMixture(model.weights_, model.means_, model.covariances_, model.covariance_type)


def to_sklearn(mixture: GaussianMixture) -> SklearnMixture:
    """Return a mixture as a fitted scikit-learn mixture, ready to score, predict and sample.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type. scikit-learn accepts no missing values, and warns of components of weight 0.

    Returns
    -------
    model : sklearn.mixture.GaussianMixture
        With copies of the parameters. The training rows are not known, so ``lower_bound_`` is minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> model = to_sklearn(GaussianMixture([1.0], [[0.0]], [[4.0]]))
    >>> model.precisions_, model.predict_proba([[1.0]])
    (array([[0.25]]), array([[1.]]))
    """
    model = SklearnMixture(mixture.n_components, covariance_type=mixture.covariance_type)
    model.weights_, model.means_, model.covariances_ = (
        array.copy() for array in (mixture.weights, mixture.means, mixture.covariances)
    )
    model.precisions_cholesky_ = precision_roots(mixture)
    model.precisions_ = precisions_of(mixture)
    model.n_features_in_ = mixture.n_features
    model.converged_, model.n_iter_ = True, 0
    model.lower_bound_, model.lower_bounds_ = -np.inf, []
    return model


def precision_roots(mixture: GaussianMixture) -> Array:
    """Return the roots of the precisions as scikit-learn's ``precisions_cholesky_`` has them.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.

    Examples
    --------
    >>> precision_roots(GaussianMixture([1.0], [[0.0]], [[4.0]]))
    array([[0.5]])
    """
    if covariance_of(mixture.covariance_type).independent:
        return np.asarray(1.0 / np.sqrt(mixture.covariances), dtype=np.float64)
    return _inverse_roots(mixture.covariances)


def precisions_of(mixture: GaussianMixture) -> Array:
    """Return the inverse covariances, in the shape of the covariances.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.

    Examples
    --------
    >>> precisions_of(GaussianMixture([1.0], [[0.0]], [[4.0]]))
    array([[0.25]])
    """
    if covariance_of(mixture.covariance_type).independent:
        return np.asarray(1.0 / mixture.covariances, dtype=np.float64)
    roots = _inverse_roots(mixture.covariances)
    return np.asarray(roots @ roots.swapaxes(-1, -2), dtype=np.float64)


def _inverse_roots(covariances: Array) -> Array:
    """Return upper triangles U (..., d, d) with ``U @ U.T`` the inverse of each matrix (..., d, d)."""
    identity = np.eye(covariances.shape[-1])
    lower = np.linalg.cholesky(covariances).reshape(-1, *identity.shape)
    roots = np.array([solve_triangular(root, identity, lower=True).T for root in lower])
    return roots.reshape(covariances.shape)
