"""A Gaussian mixture as a scikit-learn estimator, for pipelines, searches and comparisons.

It wraps :func:`gmmaudio.mixture.fit_gmm`. NaN is a missing value. This module and those it takes its names from need
scikit-learn 1.6; nothing else in the package imports them, so that scikit-learn is loaded on demand.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import MixtureError, MixtureFileError, SettingError
from gmmaudio.mixture.components import take
from gmmaudio.mixture.covariance import Array, Floats, covariance_of
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.estimator_settings import (
    ROWS,
    MixtureSettings,
    RandomState,
    generator_of,
    weights_of,
    without_masks,
)
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.mixture_file import load_mixture, save_mixture
from gmmaudio.mixture.sklearn_exchange import precisions_of
from gmmaudio.values import convert, convert_mapping

# that these could be imported from here is older than gmmaudio.mixture's own names for them
MOVED = {"GMMArrayClassifier": "array_classifier", "from_sklearn": "sklearn_exchange", "to_sklearn": "sklearn_exchange"}

# parts of a mixture -> the parameter that gives the start of each
PARTS = {"weights": "weights_init", "means": "means_init", "covariances": "precisions_init"}


class GMMEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, MixtureSettings):  # type: ignore[misc]
    """A Gaussian mixture as a scikit-learn density estimator, and as a transformer of rows to responsibilities.

    Parameters
    ----------
    n_components : int
        Number of components K, >= 1; fewer are kept where there are fewer distinct rows.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of each component.
    init : {"kmeans", "hierarchical", "binary", "random"} or GaussianMixture
        Start of EM, or a mixture of this package to continue from.
    n_init : int
        Number of starts, >= 1; the best fit is kept.
    max_iter : int
        Maximum number of EM iterations, >= 0.
    tol : float
        Stop when the mean log density of a row increases by less, nats for each feature; 0 runs ``max_iter``
        iterations.
    variance_floor : float
        Minimum variance, as a share of the global variance, 0..1.
    accelerate : bool
        Whether to extrapolate EM (SQUAREM).
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Randomness of the start and of :meth:`sample`. An int gives the same result every time, that of
        ``fit_gmm(..., rng=numpy.random.default_rng(random_state))``; None gives a different one every time.
    n_threads : int
        Number of threads over chunks of rows; -1 is one for each core.
    weights_init : array_like, shape (n_components,), optional
        Weights of the start, >= 0, summing to 1, in place of those of ``init``.
    means_init : array_like, shape (n_components, n_features), optional
        Means of the start, in the units of the rows, in place of those of ``init``.
    precisions_init : array_like, optional
        Inverse covariances of the start in the shape of the type, in place of those of ``init``.
    warm_start : bool
        Whether another call of :meth:`fit` goes on from the mixture of the last one, and not from a new start.

    Attributes
    ----------
    mixture_ : GaussianMixture
        The mixture, in the units of the rows.
    trace_ : EMTrace
        The course of the fit.
    weights_, means_, covariances_ : ndarray
        Those of ``mixture_``: shapes (n_components_,), (n_components_, n_features_in_), and that of the type.
    precisions_ : ndarray
        Inverse covariances, in the shape of the type.
    lower_bound_ : float
        Mean log density of a row under ``mixture_``, nats.
    lower_bounds_ : list of float
        The same after each of the iterations. scikit-learn's are those before each iteration.
    converged_ : bool
        Whether EM converged within ``max_iter`` iterations.
    n_iter_ : int
        Number of EM iterations.
    n_components_ : int
        Number of components kept.
    n_features_in_ : int
        Number of columns of the rows.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, where the rows were a data frame with such names.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (500, 1)) for m in (-5.0, 5.0)])
    >>> model = GMMEstimator(2, random_state=0).fit(X)
    >>> np.sort(model.means_[:, 0]).round(0)
    array([-5.,  5.])
    >>> model.predict([[-4.0], [4.0], [np.nan]]).shape
    (3,)
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
        random_state: RandomState = None,
        n_threads: int = 1,
        weights_init: npt.ArrayLike | None = None,
        means_init: npt.ArrayLike | None = None,
        precisions_init: npt.ArrayLike | None = None,
        warm_start: bool = False,
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
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.warm_start = warm_start

    def fit(self, X: npt.ArrayLike, y: object = None, sample_weight: npt.ArrayLike | None = None) -> GMMEstimator:
        """Return this estimator, fitted by EM.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one; NaN is a missing value.
        y : object
            Ignored; scikit-learn's pipelines pass it.
        sample_weight : array_like, shape (n,), optional
            Weight of each row, >= 0; a weight of 2 counts a row twice.

        Raises
        ------
        ValueError
            If the rows or weights cannot be used (:class:`~gmmaudio.errors.MixtureError`, or scikit-learn's own), or
            a setting is outside its bounds (:class:`~gmmaudio.errors.SettingError`).
        """
        del y
        rows = validate_data(self, without_masks(X), **ROWS)
        weights = weights_of(sample_weight, rows)
        mixture, trace = self._fit_from_start(rows, weights, generator_of(self.random_state))
        self._n_components_asked = self.n_components
        return self._keep(mixture, trace)

    def _fit_from_start(
        self, rows: Floats, weights: Array | None, rng: np.random.Generator
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return the fit from the last mixture, from given parameters, or from ``init``."""
        if self.warm_start and hasattr(self, "mixture_"):
            kept = self.mixture_.n_components
            n_components = kept if self.n_components == self._n_components_asked else self.n_components
            return self._fit_mixture(rows, weights, rng, init=self.mixture_, n_init=1, n_components=n_components)
        given = self._given_start()
        if not given:
            return self._fit_mixture(rows, weights, rng)
        fits = []
        # with all parts given every start is the same
        for _ in range(1 if len(given) == len(PARTS) else self.n_init):
            start, _ = self._run_em(rows, weights, rng, n_init=1, max_iter=0)
            fits.append(self._run_em(rows, weights, rng, init=self._replaced(start, given), n_init=1))
        mixture, trace = max(fits, key=lambda fit: fit[1].log_likelihoods[-1])
        self._warn_unless_converged(trace)
        return mixture, trace

    def _given_start(self) -> dict[str, Array]:
        """Return the parameters of the start that are given, by the name of the part that they replace."""
        given = {part: getattr(self, name) for part, name in PARTS.items()}
        return {
            part: np.array(as_numbers(value, f"{PARTS[part]} must be real numbers", SettingError), dtype=np.float64)
            for part, value in given.items()
            if value is not None
        }

    def _replaced(self, start: GaussianMixture, given: Mapping[str, Array]) -> GaussianMixture:
        """Return a start with the parameters that are given in place of its own."""
        parts = {part: getattr(start, part) for part in PARTS}
        for part, value in given.items():
            if value.shape != parts[part].shape:
                raise SettingError(
                    f"{PARTS[part]} has shape {value.shape}; expected {parts[part].shape}: {start.n_components} "
                    f"components of {start.n_features} features, {self.covariance_type}"
                )
            parts[part] = value
        try:
            if "covariances" in given:
                parts["covariances"] = _inverses(given["covariances"], self.covariance_type)
            return GaussianMixture(**parts, covariance_type=self.covariance_type)
        except (MixtureError, np.linalg.LinAlgError) as error:
            raise SettingError(f"{', '.join(PARTS[part] for part in given)}: {error}") from error

    def _keep(self, mixture: GaussianMixture, trace: EMTrace) -> GMMEstimator:
        """Return this estimator with the attributes of a fit."""
        self.mixture_, self.trace_ = mixture, trace
        self.weights_, self.means_, self.covariances_ = mixture.weights, mixture.means, mixture.covariances
        self.precisions_ = precisions_of(mixture)
        self.n_components_ = mixture.n_components
        self.converged_, self.n_iter_ = trace.converged, trace.n_iter
        self.lower_bound_, self.lower_bounds_ = trace.log_likelihoods[-1], list(trace.log_likelihoods[1:])
        return self

    @property
    def _n_features_out(self) -> int:
        """Number of columns of :meth:`transform`."""
        return int(self.n_components_)

    def fit_predict(
        self, X: npt.ArrayLike, y: object = None, sample_weight: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.intp]:
        """Return the most probable component of every row after a fit to the same rows, shape (n,), in 0..K-1.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.
        """
        return self.fit(X, y, sample_weight).predict(X)

    def score_samples(self, X: npt.ArrayLike) -> Array:
        """Return the natural log density of every row, shape (n,), in nats; 0 for a row without any value.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        rows = self._rows(X)
        return self.mixture_.log_density(rows)

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Return the mean log density of a row, in nats.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        y : object
            Ignored.
        """
        del y
        return float(self.score_samples(X).mean())

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Return the responsibility of each component for every row, shape (n, n_components_), in 0..1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        rows = self._rows(X)
        return self.mixture_.responsibilities(rows)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return the most probable component of every row, shape (n,), in 0..n_components_-1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        components: npt.NDArray[np.intp] = self.predict_proba(X).argmax(axis=1)
        return components

    def transform(self, X: npt.ArrayLike) -> Array:
        """Return the responsibility of each component for every row, as :meth:`predict_proba` does.

        As a step of a pipeline, the responsibilities are features for the next one.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        return self.predict_proba(X)

    def impute(self, X: npt.ArrayLike) -> Array:
        """Return the rows with missing values replaced by their means given the observed ones, like ``X``, float64.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. Observed values are returned unchanged.
        """
        rows = self._rows(X)
        return self.mixture_.impute(rows)

    def bic(self, X: npt.ArrayLike) -> float:
        """Return the Bayesian information criterion on rows; lower is better.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        rows = self._rows(X)
        return self.mixture_.bic(rows)

    def aic(self, X: npt.ArrayLike) -> float:
        """Return Akaike's information criterion on rows; lower is better.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        rows = self._rows(X)
        return self.mixture_.aic(rows)

    def icl(self, X: npt.ArrayLike) -> float:
        """Return the integrated completed likelihood criterion on rows: BIC plus twice the entropy; lower is better.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.
        """
        rows = self._rows(X)
        return self.mixture_.icl(rows)

    def sample(self, n_samples: int = 1) -> tuple[Array, npt.NDArray[np.intp]]:
        """Return rows drawn from the mixture, sorted by component, and the component of each row.

        Parameters
        ----------
        n_samples : int
            Number of rows, >= 1.

        Returns
        -------
        X : ndarray, shape (n_samples, n_features_in_)
            In the units of the rows.
        components : ndarray, shape (n_samples,)
            In 0..n_components_-1.

        Raises
        ------
        SettingError
            If ``n_samples`` is not a whole number of 1 or more.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise SettingError(f"n_samples is {n_samples!r}; expected a number of rows, 1 or more")
        rng = generator_of(self.random_state)
        counts = rng.multinomial(n_samples, self.weights_ / self.weights_.sum())
        drawn = [take(self.mixture_, [k]).sample(counts[k], rng) for k in np.flatnonzero(counts)]
        return np.concatenate(drawn), np.repeat(np.arange(len(counts)), counts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write mixture, trace and settings to a file, see :func:`~gmmaudio.mixture.save_mixture`; never pickle.

        :func:`~gmmaudio.mixture.load_mixture` reads the mixture without scikit-learn.

        Parameters
        ----------
        path : path-like
            The file, conventionally ``.safetensors``; one that is there is replaced. A ``random_state`` that is a
            generator is not saved: it is None after :meth:`load`.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        check_is_fitted(self)
        settings = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        details = {"estimator": "GMMEstimator", "settings": settings, "trace": asdict(self.trace_)}
        save_mixture(path, self.mixture_, names=getattr(self, "feature_names_in_", None), details=details)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GMMEstimator:
        """Return the fitted estimator that a file holds.

        Parameters
        ----------
        path : path-like
            A file that :meth:`save` wrote.

        Raises
        ------
        MixtureFileError
            If it cannot be read, is damaged, or was not written by :meth:`save`.
        """
        saved = load_mixture(path)
        if saved.details.get("estimator") != "GMMEstimator":
            raise MixtureFileError(f"{path}: was not saved by GMMEstimator.save; load_mixture reads its mixture")
        try:
            settings = convert("settings", saved.details["settings"], dict[str, Any])
            init = settings.get("init")
            if isinstance(init, Mapping):
                settings["init"] = GaussianMixture(**init)
            estimator = cls(**settings)
            trace = EMTrace(**convert_mapping("trace", saved.details["trace"], get_type_hints(EMTrace)))
            if not trace.log_likelihoods:
                raise SettingError("its trace has no likelihoods")
        except (LookupError, TypeError, ValueError) as error:
            raise MixtureFileError(f"{path}: holds no usable estimator ({error}); fit it again") from error
        estimator.n_features_in_ = saved.mixture.n_features
        estimator._n_components_asked = estimator.n_components
        if saved.names is not None:
            estimator.feature_names_in_ = np.array(saved.names, dtype=object)
        return estimator._keep(saved.mixture, trace)


def __getattr__(name: str) -> Any:
    if name in MOVED:
        return getattr(importlib.import_module(f"gmmaudio.mixture.{MOVED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _inverses(precisions: Array, covariance_type: str) -> Array:
    """Return the covariances of precisions; raise where these are not positive definite."""
    if covariance_of(covariance_type).independent:
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / precisions, dtype=np.float64)
    inverses = np.linalg.inv(precisions)
    return np.asarray((inverses + inverses.swapaxes(-1, -2)) / 2, dtype=np.float64)


def _plain(value: Any) -> Any:
    """Return a setting as JSON has it."""
    if isinstance(value, GaussianMixture):
        parts = {part: getattr(value, part).tolist() for part in PARTS}
        return parts | {"covariance_type": value.covariance_type}
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    return np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic | list | tuple) else value
