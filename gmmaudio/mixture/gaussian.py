"""The Gaussian mixture: parameters, log densities, responsibilities, samples and information criteria."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.common_whitening import stacked_log_joint, whitening_of
from gmmaudio.mixture.covariance import Array, Covariance, covariance_of
from gmmaudio.mixture.density import log_densities, score_blocks
from gmmaudio.mixture.missing import conditional_means
from gmmaudio.mixture.product import LogJoint, exponentiate
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import as_rows


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A weighted sum of Gaussian densities.

    Parameters
    ----------
    weights : ndarray, shape (n_components,), float64
        Weight of each component, >= 0, summing to 1.
    means : ndarray, shape (n_components, n_features), float64
        In the units of the rows.
    covariances : ndarray, float64
        In squared units: variances (n_components, n_features) for ``"diag"``, matrices (n_components, n_features,
        n_features) for ``"full"``, one matrix (n_features, n_features) for ``"tied"``, one variance for each
        component (n_components,) for ``"spherical"``.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Type of the covariances; it is not inferred from their shape.

    Raises
    ------
    MixtureError
        If shapes disagree, numbers are not finite, weights do not sum to 1 or a covariance is not positive definite.

    Notes
    -----
    Log densities are computed as sums of products, which cancel: where a component's variance is below 1e-12 of that
    of the whole mixture, precision is lost even in float64. :func:`fit_gmm` never returns such a mixture.

    Examples
    --------
    >>> import numpy as np
    >>> mixture = GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.array([[1.0], [1.0]]))
    >>> mixture.log_density(np.array([[0.0]])).round(4)
    array([-1.4189])
    """

    weights: Array
    means: Array
    covariances: Array
    covariance_type: str = "diag"

    def __post_init__(self) -> None:
        for name in ("weights", "means", "covariances"):
            array = np.array(as_numbers(getattr(self, name), f"{name} must be real numbers", MixtureError), np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        if self.means.ndim != 2 or self.means.shape[1] == 0:
            raise MixtureError(f"means have shape {self.means.shape}; expected (n_components, n_features)")
        k, d = self.means.shape
        expected = self._covariance.shape(k, d)
        if self.weights.shape != (k,) or self.covariances.shape != expected:
            raise MixtureError(
                f"weights {self.weights.shape} and {self.covariance_type} covariances {self.covariances.shape} do not "
                f"fit means {self.means.shape}; expected {(k,)} and {expected}"
            )
        if not all(np.isfinite(a).all() for a in (self.weights, self.means, self.covariances)):
            raise MixtureError("a mixture's weights, means and covariances must be finite")
        if (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-6:
            raise MixtureError(f"weights sum to {self.weights.sum():.8g}; expected non-negative weights that sum to 1")
        if not self._covariance.is_positive_definite(self.covariances):
            raise MixtureError(f"{self.covariance_type} covariances must be positive (definite)")

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy is made of the parameters alone, which are checked and read-only again
        return type(self), (self.weights, self.means, self.covariances, self.covariance_type)

    @property
    def _covariance(self) -> Covariance:
        return covariance_of(self.covariance_type)

    @cached_property
    def _joint32(self) -> LogJoint:
        return stacked_log_joint([self], allow_float32=True)

    @cached_property
    def _joint64(self) -> LogJoint:
        return stacked_log_joint([self], allow_float32=False)

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features: columns of the rows."""
        return int(self.means.shape[1])

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        k, d = self.n_components, self.n_features
        return k - 1 + k * d + self._covariance.n_parameters(k, d)

    def log_density(self, X: npt.ArrayLike) -> Array:
        """Return the natural log density of every row, shape (n,), in nats.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. The density is that of the observed values: 0 nats for a row without any.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

        Examples
        --------
        >>> mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
        >>> mixture.log_density([[0.0, 1.0], [0.0, np.nan]]).round(4)
        array([-2.3379, -0.9189])
        """
        rows = as_rows(X, self.n_features)
        return log_densities(self.log_joint(rows.dtype == np.float32), rows)[:, 0]

    def responsibilities(self, X: npt.ArrayLike) -> Array:
        """Return the responsibility of each component for every row, shape (n, n_components).

        It is the posterior probability of the component, in 0..1; each row sums to 1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

        Examples
        --------
        >>> mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
        >>> mixture.responsibilities([[0.0], [2.0]]).round(3)
        array([[0.5  , 0.5  ],
               [0.018, 0.982]])
        """
        return self.density_and_responsibilities(X)[1]

    def density_and_responsibilities(self, X: npt.ArrayLike) -> tuple[Array, Array]:
        """Return :meth:`log_density` and :meth:`responsibilities` from one pass over the rows, the same bits.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.

        Returns
        -------
        log_density : ndarray, shape (n,)
            Log density of every row, nats.
        responsibilities : ndarray, shape (n, n_components)
            Responsibility of each component for every row, 0..1.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

        Examples
        --------
        >>> mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
        >>> [array.round(3) for array in mixture.density_and_responsibilities([[0.0]])]
        [array([-1.419]), array([[0.5, 0.5]])]
        """
        rows = as_rows(X, self.n_features)
        density, responsibilities = np.empty(len(rows)), np.empty((len(rows), self.n_components))
        joint = self.log_joint(rows.dtype == np.float32)
        with one_thread():
            for block, values, shared in score_blocks(joint, rows):
                logs, total = exponentiate(values)
                density[block] = logs + shared[0]
                responsibilities[block] = (values / total).T
        density[np.isnan(rows).all(axis=1)] = 0.0
        # the smallest exponential is not 0
        responsibilities[:, self.weights == 0] = 0.0
        return density, responsibilities

    def impute(self, X: npt.ArrayLike) -> Array:
        """Return the rows with missing values replaced by their means given the observed ones, shape (n, n_features).

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. Observed values are returned unchanged, in float64.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.

        Examples
        --------
        >>> import numpy as np
        >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
        >>> line.impute([[2.0, np.nan]])
        array([[2. , 1.6]])
        """
        rows = as_rows(X, self.n_features)
        complete = rows.astype(np.float64)
        whitening = whitening_of([self])
        whitened = self.transform(whitening.centre, whitening.scale)
        parameters = (whitened.weights, whitened.means, whitened.covariances)
        for chunk in read_chunks(rows, all_rows=True):
            for block, part in chunk.blocks():
                missing = np.isnan(part)
                if missing.any():
                    z = conditional_means(self._covariance, parameters, whitening.whiten(part))
                    complete[chunk.start :][block][missing] = (z * whitening.scale + whitening.centre)[missing]
        return complete

    def marginal(self, features: Sequence[int]) -> GaussianMixture:
        """Return the mixture of some columns, in the order given.

        Parameters
        ----------
        features : sequence of int
            Columns, 0..n_features-1, all different.

        Raises
        ------
        SettingError
            If they are anything else.

        Examples
        --------
        >>> GaussianMixture([1.0], [[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]).marginal([2, 0]).means
        array([[3., 1.]])
        """
        from gmmaudio.mixture.regression import marginal_of

        return marginal_of(self, features)

    def condition(self, features: Sequence[int], values: npt.ArrayLike) -> GaussianMixture:
        """Return the mixture of the other columns given the values of some.

        Parameters
        ----------
        features : sequence of int
            Columns whose values are given, 0..n_features-1, all different; one column at least is left.
        values : array_like, shape (n_given,)
            Their values, in the order of ``features`` and the units of the rows. Where a value is missing (NaN, or
            masked), its column is neither given nor part of the result.

        Returns
        -------
        GaussianMixture
            Of the columns that are not in ``features``, in ascending order; of the same covariance type. The weights
            are the responsibilities of the components for the values.

        Raises
        ------
        SettingError
            If ``features`` are not different columns, or leave none.
        MixtureError
            If the values are not one finite number for each of them.

        References
        ----------
        Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 2.81 and 2.82, for each component.

        Examples
        --------
        >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
        >>> given = line.condition([0], [2.0])
        >>> given.means.round(2), given.covariances.round(2)
        (array([[1.6]]), array([[[0.36]]]))
        """
        from gmmaudio.mixture.regression import conditional_of

        return conditional_of(self, features, values)

    def predict(
        self, X: npt.ArrayLike, features: Sequence[int], *, return_covariances: bool = False
    ) -> Array | tuple[Array, Array]:
        """Return the means of the other columns given the values of some: Gaussian mixture regression.

        Parameters
        ----------
        X : array_like, shape (n, n_given)
            Values of the columns ``features``, in their order; NaN is a missing value.
        features : sequence of int
            Columns whose values are given, as for :meth:`condition`.
        return_covariances : bool
            Whether the covariances are returned too.

        Returns
        -------
        means : ndarray, shape (n, n_other)
            Expected values of the other columns, in ascending order.
        covariances : ndarray, shape (n, n_other, n_other)
            Their covariances, if requested: within components, and between their means.

        Raises
        ------
        SettingError
            If ``features`` are not different columns, or leave none.
        MixtureError
            If ``X`` is not a matrix with a column for each of them, or a number is infinite.

        References
        ----------
        Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach", NIPS 6 (1994).
        Sung, "Gaussian mixture regression and classification", PhD thesis, Rice University (2004).

        Examples
        --------
        >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
        >>> line.predict([[2.0], [-1.0]], [0]).round(2)
        array([[ 1.6],
               [-0.8]])
        """
        from gmmaudio.mixture.regression import predict_others

        means, covariances = predict_others(self, X, features, return_covariances)
        return means if covariances is None else (means, covariances)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return ``n`` rows drawn from the mixture, shape (n, n_features), in the units of the rows.

        Parameters
        ----------
        n : int
            Number of rows, >= 0.
        rng : numpy.random.Generator
            Source of randomness.

        Raises
        ------
        SettingError
            If ``n`` is not a whole number >= 0, or ``rng`` is not a generator.

        Examples
        --------
        >>> import numpy as np
        >>> one = GaussianMixture(np.ones(1), np.array([[5.0, -5.0]]), np.array([[1e-12, 1e-12]]))
        >>> one.sample(1, np.random.default_rng(0)).round(3)
        array([[ 5., -5.]])
        """
        if not isinstance(n, int | np.integer) or n < 0:
            raise SettingError(f"n is {n}; expected a number of rows, 0 or more")
        rng = as_generator(rng)
        component = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        rows = rng.standard_normal((n, self.n_features))
        for k in range(self.n_components):
            of_component = component == k
            rows[of_component] = self.means[k] + self._covariance.colour(self.covariances, k, rows[of_component])
        return rows

    def bic(self, X: npt.ArrayLike) -> float:
        """Return the Bayesian information criterion (BIC) of the mixture on rows; lower is better.

        It is ``-2 log likelihood + n_parameters log n``; R's mclust prints its negative.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one with a value.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit the mixture.

        References
        ----------
        Schwarz, "Estimating the dimension of a model", Annals of Statistics 6 (1978).

        Examples
        --------
        >>> round(GaussianMixture([1.0], [[0.0]], [[1.0]]).bic([[0.0], [1.0]]), 4)
        6.062
        """
        density, n = self._density_and_count(X)
        return float(-2 * density.sum() + self.n_parameters * np.log(n))

    def aic(self, X: npt.ArrayLike) -> float:
        """Return Akaike's information criterion (AIC) of the mixture on rows; lower is better.

        It is ``-2 log likelihood + 2 n_parameters``.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one with a value.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit the mixture.

        References
        ----------
        Akaike, "A new look at the statistical model identification", IEEE Trans. Automatic Control 19 (1974).

        Examples
        --------
        >>> round(GaussianMixture([1.0], [[0.0]], [[1.0]]).aic([[0.0], [1.0]]), 4)
        8.6758
        """
        density, _ = self._density_and_count(X)
        return float(-2 * density.sum() + 2 * self.n_parameters)

    def icl(self, X: npt.ArrayLike) -> float:
        """Return the integrated completed likelihood criterion (ICL) of the mixture on rows; lower is better.

        It is :meth:`bic` plus twice the entropy of the responsibilities: components that overlap cost more.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one with a value.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit the mixture.

        References
        ----------
        Biernacki, Celeux, Govaert, "Assessing a mixture model for clustering with the integrated completed
        likelihood", IEEE Trans. PAMI 22 (2000); with the entropy: McLachlan, Peel, *Finite Mixture Models* (2000).

        Examples
        --------
        >>> apart = GaussianMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
        >>> round(apart.icl([[-9.0], [9.0]]) - apart.bic([[-9.0], [9.0]]), 4)
        0.0
        """
        from gmmaudio.mixture.selection import responsibility_entropy

        return self.bic(X) + 2 * responsibility_entropy(self, X)

    def _density_and_count(self, X: npt.ArrayLike) -> tuple[Array, int]:
        """Return the log density of every row, and the number of rows with a value."""
        rows = as_rows(X, self.n_features)
        n = int((~np.isnan(rows)).any(axis=1).sum())
        if n == 0:
            raise MixtureError("there are no rows; at least one is needed")
        return self.log_density(rows), n

    def transform(self, centre: Array, scale: Array) -> GaussianMixture:
        """Return the mixture of the rows ``(x - centre) / scale``.

        Parameters
        ----------
        centre, scale : ndarray, shape (n_features,)
            In the units of the rows; scale > 0, and the same for all columns of a spherical mixture.

        Raises
        ------
        SettingError
            If the mixture is spherical and the scales differ.

        Examples
        --------
        >>> GaussianMixture([1.0], [[3.0]], [[4.0]]).transform(np.array([1.0]), np.array([2.0])).means
        array([[1.]])
        """
        return GaussianMixture(
            self.weights,
            (self.means - centre) / scale,
            self._covariance.rescale(self.covariances, 1.0 / scale),
            self.covariance_type,
        )

    def log_joint(self, allow_float32: bool) -> LogJoint:
        """Return the coefficients of the log(weight x density) of rows under each component.

        They are made when they are first asked for, and kept.

        Parameters
        ----------
        allow_float32 : bool
            Whether float32 rows may be computed in float32.
        """
        return self._joint32 if allow_float32 else self._joint64


def as_generator(rng: np.random.Generator | None) -> np.random.Generator:
    """Return ``rng``, or a generator with a fixed seed where it is None.

    Parameters
    ----------
    rng : numpy.random.Generator or None
        Source of randomness.

    Raises
    ------
    SettingError
        If it is anything else.

    Examples
    --------
    >>> int(as_generator(None).integers(100)) == int(as_generator(None).integers(100))
    True
    """
    if rng is None:
        return np.random.default_rng(0)
    if not isinstance(rng, np.random.Generator):
        raise SettingError(f"rng is {rng!r}; expected a numpy.random.Generator, such as numpy.random.default_rng(0)")
    return rng
