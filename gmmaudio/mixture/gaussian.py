"""The Gaussian mixture: its parameters, log densities, responsibilities and samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array, Covariance, covariance_of

# Rows handled at once. Large enough for the matrix product to run at full rate, small enough for a block's moments
# and responsibilities to stay in cache; measured flat between 512 and 4096.
BLOCK_ROWS = 1024


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
        Shape (n_components, n_features) for ``"diag"`` (variances) or (n_components, n_features, n_features) for
        ``"full"``, in squared units.
    covariance_type : {"diag", "full"}
        Stated, never inferred from the shape.

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
            except (TypeError, ValueError) as error:
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

    def log_density(self, X: npt.ArrayLike) -> Array:
        """Return the natural log density of every row, shape (n,), in nats.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Finite rows.

        Raises
        ------
        MixtureError
            If ``X`` is not a finite matrix of ``n_features`` columns.
        """
        return stacked_log_density([self], X)[:, 0]

    def responsibilities(self, X: npt.ArrayLike) -> Array:
        """Return each component's share of every row, shape (n, n_components), in 0..1, rows summing to 1.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Finite rows.

        Raises
        ------
        MixtureError
            If ``X`` is not a finite matrix of ``n_features`` columns.
        """
        rows = check_rows(X, n_features=self.n_features, allow_empty=True)
        centre, scale = _frame_of([self])
        local = self.transform(centre, scale)
        columns = self._covariance.coefficients(local.weights, local.means, local.covariances)
        shares = np.empty((len(rows), self.n_components))
        for start, block in blocks_of(rows, centre, scale):
            log_joint = self._covariance.expand(block) @ columns
            log_sum_exp_inplace(log_joint)
            shares[start : start + len(block)] = log_joint
        return shares

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
        if n < 0:
            raise SettingError(f"n is {n}; expected a number of rows, 0 or more")
        component = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        rows = rng.standard_normal((n, self.n_features))
        for k in range(self.n_components):
            chosen = component == k
            rows[chosen] = self.means[k] + self._covariance.colour(self.covariances[k], rows[chosen])
        return rows

    def transform(self, centre: Array, scale: Array) -> GaussianMixture:
        """Return the mixture of the rows ``(x - centre) / scale``.

        Parameters
        ----------
        centre, scale : ndarray, shape (n_features,)
            In the units of the rows; scale above 0.
        """
        return GaussianMixture(
            self.weights,
            (self.means - centre) / scale,
            self._covariance.rescale(self.covariances, 1.0 / scale),
            self.covariance_type,
        )


def stacked_log_density(mixtures: Sequence[GaussianMixture], X: npt.ArrayLike) -> Array:
    """Return the log density of every row under every mixture, shape (n, n_mixtures), in nats.

    The components of all mixtures of a covariance type stand side by side in one matrix product.

    Parameters
    ----------
    mixtures : sequence of GaussianMixture
        At least one, all over the same features and of the same covariance type.
    X : array_like, shape (n, n_features)
        Finite rows; n may be 0.

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
    kinds = {(m.n_features, m.covariance_type) for m in mixtures}
    if len(kinds) != 1:
        raise MixtureError(
            f"mixtures to be scored together must share features and covariance type; got {sorted(kinds)}"
        )
    rows = check_rows(X, n_features=mixtures[0].n_features, allow_empty=True)
    covariance = covariance_of(mixtures[0].covariance_type)
    centre, scale = _frame_of(mixtures)
    local = [m.transform(centre, scale) for m in mixtures]
    columns = np.hstack([covariance.coefficients(m.weights, m.means, m.covariances) for m in local])
    edges = np.cumsum([0] + [m.n_components for m in mixtures])
    result = np.empty((len(rows), len(mixtures)))
    for start, block in blocks_of(rows, centre, scale):
        log_joint = covariance.expand(block) @ columns
        for i in range(len(mixtures)):
            result[start : start + len(block), i] = log_sum_exp_inplace(log_joint[:, edges[i] : edges[i + 1]])
    result -= np.log(scale).sum()
    return result


def blocks_of(rows: npt.NDArray[np.floating], centre: Array, scale: Array) -> Iterator[tuple[int, Array]]:
    """Yield (first row, whitened block), at most BLOCK_ROWS rows at a time."""
    for start in range(0, len(rows), BLOCK_ROWS):
        yield start, whiten(rows[start : start + BLOCK_ROWS], centre, scale)


def whiten(rows: npt.NDArray[np.floating], centre: Array, scale: Array) -> Array:
    """Return ``(rows - centre) / scale`` as float64, shape (n, n_features)."""
    block: Array = rows.astype(np.float64, order="C")
    block -= centre
    block /= scale
    # a row this far out has no density to speak of, and its square must stay a number
    return np.clip(block, -1e100, 1e100, out=block)


def check_rows(
    X: npt.ArrayLike, *, n_features: int | None = None, allow_empty: bool = False
) -> npt.NDArray[np.floating]:
    """Return ``X`` as a matrix of finite float32 or float64 numbers, not copied when it is one already.

    Raises
    ------
    MixtureError
        If it is not two-dimensional, has no rows or columns, the wrong number of columns, or a number that is not
        finite.
    """
    try:
        rows = np.asarray(X)
        if np.iscomplexobj(rows):
            raise TypeError("they are complex")
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise MixtureError(f"rows must be a matrix of real numbers; {error}") from error
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise MixtureError(f"rows have shape {rows.shape}; expected (n_rows, n_features): one row for each observation")
    if n_features is not None and rows.shape[1] != n_features:
        raise MixtureError(f"rows have {rows.shape[1]} features; the mixture was made for {n_features}")
    if len(rows) == 0 and not allow_empty:
        raise MixtureError("there are no rows; at least one is needed")
    for start in range(0, len(rows), BLOCK_ROWS):
        finite = np.isfinite(rows[start : start + BLOCK_ROWS])
        if not finite.all():
            i, j = (int(v) for v in np.argwhere(~finite)[0])
            raise MixtureError(
                f"row {start + i}, column {j} is {rows[start + i, j]}; rows must be finite: drop or repair such rows"
            )
    return rows


def _frame_of(mixtures: Sequence[GaussianMixture]) -> tuple[Array, Array]:
    """Return the mean and deviation (n_features,) of all mixtures taken as one, in which products lose no digits."""
    weights = np.concatenate([m.weights for m in mixtures]) / len(mixtures)
    means = np.vstack([m.means for m in mixtures])
    variances = np.vstack([covariance_of(m.covariance_type).variances(m.covariances) for m in mixtures])
    # relative to one of them, so that equal means stay exact at any offset
    centre = means[0] + weights @ (means - means[0])
    deviation = np.sqrt(weights @ (variances + (means - centre) ** 2))
    return centre, deviation


def log_sum_exp_inplace(log_joint: Array) -> Array:
    """Return the log of the row sums of ``exp(log_joint)`` (n,), and turn ``log_joint`` into shares of each row."""
    top = log_joint.max(axis=1, keepdims=True)
    np.subtract(log_joint, top, out=log_joint)
    np.exp(log_joint, out=log_joint)
    total = log_joint.sum(axis=1, keepdims=True)
    np.divide(log_joint, total, out=log_joint)
    result: Array = (top + np.log(total))[:, 0]
    return result
