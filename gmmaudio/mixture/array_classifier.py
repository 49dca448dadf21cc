"""A scikit-learn classifier of independent rows with one Gaussian mixture for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from gmmaudio.arrays import as_numbers, refuse_masked
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.estimator_settings import (
    ROWS,
    MixtureSettings,
    RandomState,
    generator_of,
    weights_of,
    without_masks,
)
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.stack import stacked_log_density


class GMMArrayClassifier(ClassifierMixin, MixtureSettings):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier of independent rows with one Gaussian mixture for each class, by Bayes' rule.

    The rows of an audio clip are not independent; for clips, see :mod:`gmmaudio.models`.

    Parameters
    ----------
    n_components : int
        Number of components of each class, >= 1; fewer are kept where a class has fewer distinct rows.
    covariance_type, init, n_init, max_iter, tol, variance_floor, accelerate, random_state, n_threads
        As for :class:`~gmmaudio.mixture.GMMEstimator`, for every class; the variance floor is a share of the variance
        of the class.
    priors : array_like, shape (n_classes,), optional
        Prior probability of each class, in the order of ``classes_``, summing to 1. Default: the (weighted) shares of
        the classes among the training rows.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Sorted. A class whose rows all have weight 0 is left out.
    mixtures_ : tuple of GaussianMixture
        One for each class.
    traces_ : tuple of EMTrace
        The course of each fit.
    priors_ : ndarray, shape (n_classes,)
        Prior probability of each class, summing to 1.
    n_iter_ : ndarray, shape (n_classes,)
        Number of EM iterations of each fit.
    n_features_in_ : int
        Number of columns of the rows.

    References
    ----------
    Hastie, Tibshirani, "Discriminant analysis by Gaussian mixtures", JRSS B 58(1) (1996).

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["low", "low", "high", "high"]
    >>> model = GMMArrayClassifier().fit(X, y)
    >>> model.predict([[-3.0], [3.0]])
    array(['low', 'high'], dtype='<U4')
    >>> model.predict_proba([[0.0]])
    array([[0.5, 0.5]])
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "diag",
        init: str | GaussianMixture = "kmeans",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 1e-4,
        variance_floor: float = 1e-3,
        accelerate: bool = False,
        priors: npt.ArrayLike | None = None,
        random_state: RandomState = None,
        n_threads: int = 1,
    ) -> None:
        super().__init__(
            n_components,
            covariance_type=covariance_type,
            init=init,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            variance_floor=variance_floor,
            accelerate=accelerate,
            random_state=random_state,
            n_threads=n_threads,
        )
        self.priors = priors

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> GMMArrayClassifier:
        """Return this classifier, with one mixture fitted by EM to the rows of each class.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one; NaN is a missing value, and every class needs a value in every column.
        y : array_like, shape (n,)
            Class of each row: numbers or strings.
        sample_weight : array_like, shape (n,), optional
            Weight of each row, >= 0; a weight of 2 counts a row twice, in the priors too.

        Raises
        ------
        ValueError
            If the rows, classes or weights cannot be used (:class:`~gmmaudio.errors.MixtureError`, or scikit-learn's
            own), or a setting is outside its bounds (:class:`~gmmaudio.errors.SettingError`).
        """
        refuse_masked(y, "y must be the class of each row", MixtureError)
        rows, labels = validate_data(self, without_masks(X), y, **ROWS)
        check_classification_targets(labels)
        weights = weights_of(sample_weight, rows)
        if weights is not None:
            counted = weights > 0
            rows, labels, weights = rows[counted], labels[counted], weights[counted]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.priors_ = self._priors(np.bincount(codes, weights).astype(np.float64))
        rng = generator_of(self.random_state)
        fits = []
        for i, label in enumerate(self.classes_):
            in_class = codes == i
            class_weights = None if weights is None else weights[in_class]
            try:
                fits.append(self._fit_mixture(rows[in_class], class_weights, rng, f" of class {label}"))
            except MixtureError as error:
                raise MixtureError(f"class {label}: {error}") from error
        self.mixtures_ = tuple(mixture for mixture, _ in fits)
        self.traces_ = tuple(trace for _, trace in fits)
        self.n_iter_ = np.array([trace.n_iter for trace in self.traces_])
        return self

    def _priors(self, counts: Array) -> Array:
        """Return ``priors`` as an array, or the shares of the classes' weights ``counts`` (n_classes,)."""
        if self.priors is None:
            shares: Array = counts / counts.sum()
            return shares
        refuse_masked(self.priors, "priors must be an array of numbers", SettingError)
        try:
            priors = np.array(as_numbers(self.priors, "priors must be numbers", ValueError), dtype=np.float64)
        except ValueError as error:
            raise SettingError(f"priors are {self.priors!r}; expected an array of numbers, or None") from error
        if priors.shape != counts.shape:
            raise SettingError(
                f"priors have shape {priors.shape}; expected {counts.shape}: one for each of the classes "
                f"{', '.join(str(label) for label in self.classes_)}"
            )
        if not (priors >= 0).all() or abs(priors.sum() - 1) > 1e-6:
            raise SettingError(f"priors are {priors.tolist()}; expected shares of 0 or more that sum to 1")
        return priors

    def _log_joint(self, X: npt.ArrayLike) -> Array:
        """Return log(prior x density) of every row in every class, shape (n, n_classes), in nats."""
        rows = self._rows(X)
        with np.errstate(divide="ignore"):
            log_priors: Array = np.log(self.priors_)
        return stacked_log_density(self.mixtures_, rows) + log_priors

    def decision_function(self, X: npt.ArrayLike) -> Array:
        """Return the log odds, or log joint densities, of the classes; unlike probabilities they do not saturate.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.

        Returns
        -------
        scores : ndarray, shape (n,) with two classes, else (n, n_classes)
            Log odds of the second class; or log(prior x density) of each class.
        """
        joint = self._log_joint(X)
        return joint[:, 1] - joint[:, 0] if len(self.classes_) == 2 else joint

    def predict_log_proba(self, X: npt.ArrayLike) -> Array:
        """Return the natural log of :meth:`predict_proba`, shape (n, n_classes), <= 0.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        log_shares: Array = log_softmax(self._log_joint(X), axis=1)
        return log_shares

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Return the probability of each class given a row, shape (n, n_classes), in 0..1, rows summing to 1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        shares: Array = softmax(self._log_joint(X), axis=1)
        return shares

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the most probable class of every row, shape (n,).

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        best = self._log_joint(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels
