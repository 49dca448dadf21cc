"""Missing values of a table replaced by a Gaussian mixture, once or several times, as a scikit-learn transformer.

References
----------
Little, Rubin, *Statistical Analysis with Missing Data* (2002), chapters 5 and 11.
Rubin, *Multiple Imputation for Nonresponse in Surveys* (1987), chapter 3.
Honaker, King, "What to do about missing values in time-series cross-section data", American Journal of Political
Science 54(2) (2010): bootstrap samples in place of draws of the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.conditional_draws import draw_missing
from gmmaudio.mixture.covariance import Array, Floats
from gmmaudio.mixture.estimator_settings import ROWS, MixtureSettings, RandomState, generator_of, without_masks
from gmmaudio.mixture.gaussian import GaussianMixture


class GMMImputer(OneToOneFeatureMixin, TransformerMixin, MixtureSettings):  # type: ignore[misc]  # no types
    """Missing values (NaN, or masked) replaced by a Gaussian mixture that EM fits to the observed values.

    :meth:`transform` gives each missing value its mean given the observed values of its row: the best guess of a value,
    but tables completed so have too little variance. :meth:`transform_multiple` gives ``n_imputations`` tables of
    random draws, from mixtures fitted to bootstrap samples of the rows: a statistic that is computed on each of them
    has an honest standard error by :func:`pool_estimates`. Both assume that values are missing at random: whether one
    is missing depends on nothing but observed values.

    Parameters
    ----------
    n_components : int
        Number of components, >= 1. One with full covariances is the multivariate normal imputation.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Shape of each component. With ``"diag"`` and ``"spherical"`` a value depends on others of its row only by the
        responsibilities.
    init, n_init, max_iter, tol, variance_floor, accelerate, random_state, n_threads
        As for :class:`~gmmaudio.mixture.GMMEstimator`.
    n_imputations : int
        Number of tables of :meth:`transform_multiple`, >= 0; 20 serve most analyses. Each costs another fit.

    Attributes
    ----------
    mixture_ : GaussianMixture
        Fitted to all rows.
    trace_ : EMTrace
        The course of its fit.
    bootstrap_mixtures_ : tuple of GaussianMixture
        Fitted to bootstrap samples of the rows, one for each imputation.
    n_iter_ : int
        Number of EM iterations of ``mixture_``.
    n_features_in_ : int
        Number of columns of the rows.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, where the rows were a data frame with such names.

    Examples
    --------
    >>> X = [[0.0, 0.1], [1.0, 0.9], [2.0, 2.1], [3.0, 2.9], [4.0, np.nan]]
    >>> imputer = GMMImputer(n_imputations=3, random_state=0).fit(X)
    >>> imputer.transform(X)[-1].round(1)
    array([4. , 3.9])
    >>> imputer.transform_multiple(X).shape
    (3, 5, 2)
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        init: str | GaussianMixture = "kmeans",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 1e-4,
        variance_floor: float = 1e-3,
        accelerate: bool = False,
        random_state: RandomState = None,
        n_threads: int = 1,
        n_imputations: int = 0,
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
        self.n_imputations = n_imputations

    def fit(self, X: npt.ArrayLike, y: object = None) -> GMMImputer:
        """Return this imputer, fitted by EM.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one; NaN is a missing value, and every column needs a value.
        y : object
            Ignored; scikit-learn's pipelines pass it.

        Raises
        ------
        ValueError
            If the rows cannot be used (:class:`~gmmaudio.errors.MixtureError`, or scikit-learn's own), or a setting is
            outside its bounds (:class:`~gmmaudio.errors.SettingError`).
        """
        del y
        rows = validate_data(self, without_masks(X), **ROWS)
        n = self.n_imputations
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise SettingError(f"n_imputations is {n!r}; expected a number of tables, 0 or more")
        rng = generator_of(self.random_state)
        self.mixture_, self.trace_ = self._fit_mixture(rows, None, rng)
        self.n_iter_ = self.trace_.n_iter
        self.bootstrap_mixtures_ = tuple(self._fit_bootstrap(rows, rng) for _ in range(n))
        self._seed_of_draws = int(rng.integers(2**63))
        return self

    def _fit_bootstrap(self, rows: Floats, rng: np.random.Generator) -> GaussianMixture:
        """Return the mixture of a bootstrap sample of rows, from the mixture of all of them."""
        counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows))).astype(np.float64)
        start, k = self.mixture_, self.mixture_.n_components
        try:
            return self._run_em(rows, counts, rng, init=start, n_init=1, n_components=k)[0]
        except MixtureError as error:
            raise MixtureError(
                f"a bootstrap sample of the {len(rows)} rows cannot be fitted ({error}); take n_imputations=0, or more "
                "rows with values in every column"
            ) from error

    def transform(self, X: npt.ArrayLike) -> Array:
        """Return the rows with missing values replaced by their means given the observed ones, shape of X, float64.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. Observed values are returned unchanged.
        """
        rows = self._rows(X)
        return self.mixture_.impute(rows)

    def transform_multiple(self, X: npt.ArrayLike) -> Array:
        """Return tables with missing values drawn at random, shape (n_imputations, n, n_features).

        A fitted imputer gives the same tables for the same rows every time.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. Observed values are the same in all tables.

        Raises
        ------
        SettingError
            If ``n_imputations`` is 0.
        """
        check_is_fitted(self)
        rows = self._rows(X)
        if not self.bootstrap_mixtures_:
            raise SettingError("n_imputations is 0; expected 1 or more at the fit: GMMImputer(n_imputations=20)")
        rng = np.random.default_rng(self._seed_of_draws)
        return np.stack([draw_missing(mixture, rows, rng) for mixture in self.bootstrap_mixtures_])


@dataclass(frozen=True)
class PooledEstimate:
    """An estimate from several imputed tables.

    Parameters
    ----------
    estimate : float
        Mean of the estimates.
    variance : float
        Its variance: within tables, and between them.
    degrees_of_freedom : float
        Of Student's t distribution; infinity where all estimates agree.
    missing_information : float
        Share of the variance that is due to missing values, 0..1.

    Examples
    --------
    >>> pooled = pool_estimates([1.0, 2.0], [0.5, 0.5])
    >>> low, high = pooled.interval()
    >>> low < pooled.estimate < high
    True
    """

    estimate: float
    variance: float
    degrees_of_freedom: float
    missing_information: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the confidence interval.

        Parameters
        ----------
        level : float
            Its coverage, above 0 and below 1.

        Raises
        ------
        SettingError
            If the level is outside its bounds.
        """
        if not 0 < level < 1:
            raise SettingError(f"level is {level!r}; expected a number above 0 and below 1")
        # beyond 1e9 degrees of freedom the distribution is normal
        half = float(stdtrit(min(self.degrees_of_freedom, 1e9), (1 + level) / 2)) * self.variance**0.5
        return self.estimate - half, self.estimate + half


def pool_estimates(estimates: npt.ArrayLike, variances: npt.ArrayLike) -> PooledEstimate:
    """Return the estimate from several imputed tables by Rubin's rules.

    With ``m`` tables, ``W`` the mean of the variances and ``B`` the variance of the estimates, the variance is
    ``W + (1 + 1/m) B``, with ``(m - 1) (1 + W / ((1 + 1/m) B))^2`` degrees of freedom.

    Parameters
    ----------
    estimates : array_like, shape (n_imputations,)
        The statistic on each table, at least two.
    variances : array_like, shape (n_imputations,)
        Its squared standard error on each table, > 0.

    Raises
    ------
    SettingError
        If they are not two or more finite numbers each, or a variance is not above 0.

    References
    ----------
    Rubin, *Multiple Imputation for Nonresponse in Surveys* (1987), eq. 3.1.2 to 3.1.8.

    Examples
    --------
    >>> pool_estimates([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]).variance.__round__(4)
    1.8333
    """
    values, within = (
        np.asarray(as_numbers(each, f"{name} must be real numbers", SettingError), dtype=np.float64)
        for name, each in (("estimates", estimates), ("variances", variances))
    )
    if values.ndim != 1 or values.shape != within.shape or len(values) < 2:
        raise SettingError(
            f"estimates and variances have shapes {values.shape} and {within.shape}; expected one number each for two "
            "or more imputed tables"
        )
    if not (np.isfinite(values).all() and np.isfinite(within).all() and (within > 0).all()):
        raise SettingError("estimates must be finite, and variances finite and above 0")
    m, mean_within = len(values), float(within.mean())
    between = (1 + 1 / m) * float(values.var(ddof=1))
    freedom = np.inf if between == 0 else (m - 1) * (1 + mean_within / between) ** 2
    total = mean_within + between
    return PooledEstimate(float(values.mean()), total, float(freedom), between / total)
