"""The Gaussian mixture: its parameters, log densities, responsibilities, samples and criteria."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array, Covariance, Floats, covariance_of
from gmmaudio.mixture.missing import conditional_means, log_joint_observed
from gmmaudio.mixture.product import LogJoint, Workspace, exponentiate, log_joint_of, log_sums
from gmmaudio.mixture.rows import Frame, as_rows, read_chunks


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A weighted sum of Gaussian densities.

    Parameters
    ----------
    weights : ndarray, shape (n_components,), float64
        Share of each component, >= 0, summing to 1.
    means : ndarray, shape (n_components, n_features), float64
        In the units of the rows.
    covariances : ndarray, float64
        In squared units: variances (n_components, n_features) for ``"diag"``, matrices (n_components, n_features,
        n_features) for ``"full"``, one matrix (n_features, n_features) for ``"tied"``, one variance for each
        component (n_components,) for ``"spherical"``.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Stated, never inferred from the shape.

    Notes
    -----
    Log densities are sums of products, which cancel: a component whose variance is below 1e-12 of the whole mixture's
    loses digits even in float64. No fit makes one.

    Raises
    ------
    MixtureError
        If shapes disagree, numbers are not finite, weights do not sum to 1 or a covariance is not positive.

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
            try:
                array = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError, OverflowError) as error:
                raise MixtureError(f"{name} must be real numbers; {error}") from error
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
        if not self._covariance.positive(self.covariances):
            raise MixtureError(f"{self.covariance_type} covariances must be positive (definite)")

    @property
    def _covariance(self) -> Covariance:
        return covariance_of(self.covariance_type)

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features, the columns of every row."""
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
            Rows; NaN is a missing value, and the density is that of the observed ones: 0 nats for a row without any.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.
        """
        return stacked_log_density([self], X)[:, 0]

    def responsibilities(self, X: npt.ArrayLike) -> Array:
        """Return each component's share of every row, shape (n, n_components), in 0..1, rows summing to 1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value.

        Raises
        ------
        MixtureError
            If ``X`` is not a matrix of ``n_features`` columns, or a number is infinite.
        """
        rows = as_rows(X, self.n_features)
        shares = np.empty((len(rows), self.n_components))
        joint = self.log_joint(rows.dtype == np.float32)
        with one_thread():
            for place, values, _ in _score(joint, rows):
                _, total = exponentiate(values)
                np.divide(values, total, out=shares[place].T)
        # the least share that exponentials give is not 0
        shares[:, self.weights == 0] = 0.0
        return shares

    def impute(self, X: npt.ArrayLike) -> Array:
        """Return the rows with each missing value replaced by its mean given the observed ones, shape (n, n_features).

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows; NaN is a missing value. What is not missing is returned as it is.

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
        frame = frame_of([self])
        local = self.transform(frame.centre, frame.scale)
        parameters = (local.weights, local.means, local.covariances)
        for chunk in read_chunks(rows, all_rows=True):
            for place, block in chunk.blocks():
                unseen = np.isnan(block)
                if unseen.any():
                    z = conditional_means(self._covariance, parameters, frame.whiten(block))
                    complete[chunk.start :][place][unseen] = (z * frame.scale + frame.centre)[unseen]
        return complete

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return ``n`` rows drawn from the mixture, shape (n, n_features), in the units of the rows.

        Parameters
        ----------
        n : int
            Number of rows, >= 0.
        rng : numpy.random.Generator
            Source of randomness.

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
            chosen = component == k
            rows[chosen] = self.means[k] + self._covariance.colour(self.covariances, k, rows[chosen])
        return rows

    def bic(self, X: npt.ArrayLike) -> float:
        """Return the Bayesian information criterion of the mixture on rows; lower is better.

        ``-2 log likelihood + n_parameters log n`` (Schwarz 1978); R's mclust prints its negative.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one.
        """
        density, n = self._some_density(X)
        return float(-2 * density.sum() + self.n_parameters * np.log(n))

    def aic(self, X: npt.ArrayLike) -> float:
        """Return Akaike's information criterion of the mixture on rows, ``-2 log likelihood + 2 n_parameters``.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Rows, at least one.
        """
        density, _ = self._some_density(X)
        return float(-2 * density.sum() + 2 * self.n_parameters)

    def _some_density(self, X: npt.ArrayLike) -> tuple[Array, int]:
        """Return the log density of every row, and how many rows say something."""
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
            In the units of the rows; scale above 0, and the same for all columns of a spherical mixture.
        """
        return GaussianMixture(
            self.weights,
            (self.means - centre) / scale,
            self._covariance.rescale(self.covariances, 1.0 / scale),
            self.covariance_type,
        )

    def log_joint(self, single: bool) -> LogJoint:
        """Return what it takes to compute log(weight x density) of rows in bulk.

        Parameters
        ----------
        single : bool
            Whether float32 rows may be computed in float32.
        """
        return stacked_log_joint([self], single)


def stacked_log_density(mixtures: Sequence[GaussianMixture], X: npt.ArrayLike) -> Array:
    """Return the log density of every row under every mixture, shape (n, n_mixtures), in nats.

    The components of many mixtures stand below one another in one matrix product. float32 rows are computed in float32
    where that costs a row less than 1e-4 nats near a mixture, and 1e-5 of its log density far from it; float64 rows in
    float64.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features and of the same covariance type.
    X : array_like, shape (n, n_features)
        Rows; n may be 0. NaN is a missing value.

    Raises
    ------
    MixtureError
        If the mixtures do not fit one another or the rows.

    Examples
    --------
    >>> import numpy as np
    >>> a = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> b = GaussianMixture(np.ones(1), np.ones((1, 1)), np.ones((1, 1)))
    >>> stacked_log_density([a, b], np.zeros((1, 1))).round(3)
    array([[-0.919, -1.419]])
    """
    _check_alike(mixtures)
    rows = as_rows(X, mixtures[0].n_features)
    result = np.empty((len(rows), len(mixtures)))
    joint = stacked_log_joint(mixtures, rows.dtype == np.float32)
    with one_thread():
        for place, values, common in _score(joint, rows):
            result[place] = (log_sums(values, joint.edges)[0] + common).T
            # the weights of a row without any value sum to 1 up to rounding
            result[place][np.isnan(rows[place]).all(axis=1)] = 0.0
    return result


def as_generator(rng: np.random.Generator | None) -> np.random.Generator:
    """Return ``rng``, or a generator with a fixed seed where it is None.

    Raises
    ------
    SettingError
        If it is something else.
    """
    if rng is None:
        return np.random.default_rng(0)
    if not isinstance(rng, np.random.Generator):
        raise SettingError(f"rng is {rng!r}; expected a numpy.random.Generator, such as numpy.random.default_rng(0)")
    return rng


def _check_alike(mixtures: Sequence[GaussianMixture]) -> None:
    """Refuse mixtures that cannot be scored together."""
    kinds = {(m.n_features, m.covariance_type) for m in mixtures}
    if len(kinds) != 1:
        raise MixtureError(
            f"mixtures to be scored together must share features and covariance type; got {sorted(kinds)}"
        )


def stacked_log_joint(mixtures: Sequence[GaussianMixture], single: bool) -> LogJoint:
    """Return what it takes to compute log(weight x density) of rows under the components of all mixtures, alike."""
    frame = frame_of(mixtures)
    rounded = frame.rounded() if single else None
    frame = frame if rounded is None else rounded
    local = [m.transform(frame.centre, frame.scale) for m in mixtures]
    parameters = [(m.weights, m.means, m.covariances) for m in local]
    return log_joint_of(mixtures[0].covariance_type, parameters, frame, rounded is not None)


def frame_of(mixtures: Sequence[GaussianMixture]) -> Frame:
    """Return the mean and deviation of all mixtures taken as one, in which products lose no digits."""
    weights = np.concatenate([m.weights for m in mixtures]) / len(mixtures)
    means = np.vstack([m.means for m in mixtures])
    covariance = covariance_of(mixtures[0].covariance_type)
    variances = np.vstack([covariance.variances(m.covariances, *m.means.shape) for m in mixtures])
    # relative to one of them, so that equal means stay exact at any offset
    centre = means[0] + weights @ (means - means[0])
    spread = weights @ (variances + (means - centre) ** 2)
    if covariance.isotropic:
        spread = np.full_like(spread, spread.mean())
    return Frame(centre, np.sqrt(spread))


def _score(joint: LogJoint, rows: Floats) -> Iterator[tuple[slice, Floats, Array]]:
    """Yield (place, log joint (n_components, n), common (n_mixtures or 1, n)) of blocks of rows.

    The log density under a mixture is the log of the summed exponentials of its components' log joint, plus its row
    of ``common``.
    """
    work, log_scale = Workspace(joint), np.log(joint.frame.scale)
    for chunk in read_chunks(rows, all_rows=True):
        for place, part in chunk.blocks():
            here = slice(chunk.start + place.start, chunk.start + place.start + len(part))
            if chunk.has_missing and np.isnan(part).any():
                z = joint.frame.whiten(part)
                observed: Floats = np.vstack([log_joint_observed(joint.covariance, p, z) for p in joint.parameters])
                yield here, observed, -(~np.isnan(z) @ log_scale)[None]
            else:
                block = work.evaluate(part)
                yield here, block.values, joint.common(block.moments) - log_scale.sum()
