"""Gaussian mixtures as scikit-learn estimators, for pipelines, searches and comparisons.

They wrap :func:`gmmaudio.mixture.fit_gmm` and :func:`gmmaudio.mixture.stacked_log_density`. NaN is a missing value.
The module needs scikit-learn 1.6; nothing else in the package imports it, so that scikit-learn is loaded on demand.
"""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from gmmaudio.arrays import as_numbers, fill_masked, has_masked, refuse_masked
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.components import take
from gmmaudio.mixture.covariance import Array, Floats, covariance_of
from gmmaudio.mixture.em import fit_gmm
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.rows import check_weights
from gmmaudio.mixture.stack import stacked_log_density

RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator | None

# scikit-learn's checks of rows; fit_gmm makes the others.
_ROWS: dict[str, Any] = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}


class _MixtureSettings(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The settings of :func:`gmmaudio.mixture.fit_gmm`, stored as given and checked by ``fit``."""

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
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.variance_floor = variance_floor
        self.accelerate = accelerate
        self.random_state = random_state
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rows(self, X: npt.ArrayLike) -> Floats:
        """Return the rows to score, after scikit-learn's checks of the rows and of this estimator."""
        check_is_fitted(self)
        rows: Floats = validate_data(self, _without_masks(X), reset=False, **_ROWS)
        return rows

    def _fit_mixture(
        self, X: Floats, weights: Array | None, rng: np.random.Generator, of_class: str = ""
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return a mixture fitted with these settings, and warn where EM did not converge."""
        mixture, trace = fit_gmm(
            X,
            self.n_components,
            weights=weights,
            covariance_type=self.covariance_type,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            variance_floor=self.variance_floor,
            accelerate=self.accelerate,
            rng=rng,
            n_threads=self.n_threads,
        )
        # with a tol of 0, or a max_iter of 0, the number of iterations is as requested
        if not trace.converged and self.tol > 0 and self.max_iter > 0:
            warnings.warn(
                f"EM{of_class} stopped after max_iter={self.max_iter} iterations and did not converge (tol={self.tol} "
                "nats for each row and feature); increase max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        return mixture, trace


class GMMEstimator(DensityMixin, _MixtureSettings):  # type: ignore[misc]  # scikit-learn ships no types
    """A Gaussian mixture as a scikit-learn density estimator.

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

    Attributes
    ----------
    mixture_ : GaussianMixture
        The mixture, in the units of the rows.
    trace_ : EMTrace
        The course of the fit.
    weights_, means_, covariances_ : ndarray
        Those of ``mixture_``: shapes (n_components_,), (n_components_, n_features_in_), and that of the type.
    converged_ : bool
        Whether EM converged within ``max_iter`` iterations.
    n_iter_ : int
        Number of EM iterations.
    n_components_ : int
        Number of components kept.
    n_features_in_ : int
        Number of columns of the rows.

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
        rows = validate_data(self, _without_masks(X), **_ROWS)
        weights = _weights_of(sample_weight, rows)
        self.mixture_, self.trace_ = self._fit_mixture(rows, weights, _generator(self.random_state))
        self.weights_ = self.mixture_.weights
        self.means_ = self.mixture_.means
        self.covariances_ = self.mixture_.covariances
        self.n_components_ = self.mixture_.n_components
        self.converged_ = self.trace_.converged
        self.n_iter_ = self.trace_.n_iter
        return self

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
        rng = _generator(self.random_state)
        counts = rng.multinomial(n_samples, self.weights_ / self.weights_.sum())
        drawn = [take(self.mixture_, [k]).sample(counts[k], rng) for k in np.flatnonzero(counts)]
        return np.concatenate(drawn), np.repeat(np.arange(len(counts)), counts)


class GMMArrayClassifier(ClassifierMixin, _MixtureSettings):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier of independent rows with one Gaussian mixture for each class, by Bayes' rule.

    The rows of an audio clip are not independent; for clips, see :mod:`gmmaudio.models`.

    Parameters
    ----------
    n_components : int
        Number of components of each class, >= 1; fewer are kept where a class has fewer distinct rows.
    covariance_type, init, n_init, max_iter, tol, variance_floor, accelerate, random_state, n_threads
        As for :class:`GMMEstimator`, for every class; the variance floor is a share of the variance of the class.
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
        rows, labels = validate_data(self, _without_masks(X), y, **_ROWS)
        check_classification_targets(labels)
        weights = _weights_of(sample_weight, rows)
        if weights is not None:
            counted = weights > 0
            rows, labels, weights = rows[counted], labels[counted], weights[counted]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.priors_ = self._priors(np.bincount(codes, weights).astype(np.float64))
        rng = _generator(self.random_state)
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
    if covariance_of(mixture.covariance_type).independent:
        model.precisions_cholesky_ = 1.0 / np.sqrt(mixture.covariances)
        model.precisions_ = 1.0 / mixture.covariances
    else:
        model.precisions_cholesky_ = roots = _inverse_roots(mixture.covariances)
        model.precisions_ = roots @ roots.swapaxes(-1, -2)
    model.n_features_in_ = mixture.n_features
    model.converged_, model.n_iter_ = True, 0
    model.lower_bound_, model.lower_bounds_ = -np.inf, []
    return model


def _inverse_roots(covariances: Array) -> Array:
    """Return upper triangles U (..., d, d) with ``U @ U.T`` the inverse of each matrix (..., d, d)."""
    identity = np.eye(covariances.shape[-1])
    lower = np.linalg.cholesky(covariances).reshape(-1, *identity.shape)
    roots = np.array([solve_triangular(root, identity, lower=True).T for root in lower])
    return roots.reshape(covariances.shape)


def _without_masks(X: npt.ArrayLike) -> Any:
    """Return rows with NaN in place of masked values, for scikit-learn's checks, which ignore masks and cast dates."""
    kind = getattr(getattr(X, "dtype", None), "kind", "f")
    if kind in "mMV":
        raise MixtureError(f"rows must be a matrix of real numbers; they are {getattr(X, 'dtype', None)}")
    return fill_masked(X) if has_masked(X) else X


def _weights_of(sample_weight: npt.ArrayLike | None, rows: Floats) -> Array | None:
    """Return the weights of rows after scikit-learn's checks, or None where there are none."""
    if sample_weight is None:
        return None
    if not np.isscalar(sample_weight):
        sample_weight = as_numbers(sample_weight, "weights must be real numbers", MixtureError)
    return check_weights(_check_sample_weight(sample_weight, rows, dtype=np.float64))


def _generator(random_state: RandomState) -> np.random.Generator:
    """Return the generator of scikit-learn's ``random_state``.

    Raises
    ------
    SettingError
        If it cannot be converted to one.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"random_state is {random_state!r}; expected an int of 0 or more, a numpy.random.RandomState or Generator, "
            "or None"
        ) from error
