"""The line or the plane that a mixture and its rows are drawn in: features, or principal axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import as_rows

# more points would make a file of megabytes, and cover each other
MAX_POINTS = 20_000
# Axes in a row of a grid of pairs
MAX_PAIRED = 8
PRINCIPAL = "principal"
# of the name of an axis
AXIS_LETTERS = 40

Features = int | Sequence[int] | str | None


@dataclass(frozen=True, eq=False)
class Projection:
    """A line or a plane that a mixture is seen in.

    Parameters
    ----------
    basis : ndarray, shape (n_features, n_axes)
        Columns of length 1, at right angles.
    centre : ndarray, shape (n_features,)
        What is at the origin, in the units of the rows.
    axis_names : tuple of str
        Name of every axis.
    """

    basis: Array
    centre: Array
    axis_names: tuple[str, ...]

    def means(self, mixture: GaussianMixture) -> Array:
        """Return the means of the components as they are seen, shape (n_components, n_axes)."""
        return np.asarray((mixture.means - self.centre) @ self.basis)

    def covariances(self, mixture: GaussianMixture) -> Array:
        """Return the covariances of the components as they are seen, shape (n_components, n_axes, n_axes)."""
        seen = [self.basis.T @ matrix @ self.basis for matrix in _matrices(mixture)]
        return np.asarray([(matrix + matrix.T) / 2 for matrix in seen])

    def marginal(self, mixture: GaussianMixture) -> GaussianMixture:
        """Return the mixture of rows as they are seen, with full covariances."""
        return GaussianMixture(mixture.weights, self.means(mixture), self.covariances(mixture), "full")

    def shown(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return a mask of the rows without a missing value in what is seen, shape (n,)."""
        return np.asarray(~np.isnan(rows[:, self._used]).any(axis=1))

    def points(self, rows: npt.NDArray[np.floating]) -> Array:
        """Return rows as they are seen, shape (n, n_axes); those with a missing value there are left out."""
        used = self._used
        taken = rows[self.shown(rows)][:, used].astype(np.float64)
        return np.asarray((taken - self.centre[used]) @ self.basis[used])

    @property
    def _used(self) -> npt.NDArray[np.bool_]:
        # what is not seen may be missing
        return np.asarray((self.basis != 0).any(axis=1))


def of_features(mixture: GaussianMixture, features: Sequence[int], names: Sequence[str] | None) -> Projection:
    """Return the line or the plane of features.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    features : sequence of int
        Columns of the rows, counted from 0.
    names : sequence of str or None
        Name of every feature of the mixture; None, ``feature 0`` and so on.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0, 5.0]], [[1.0, 4.0]])
    >>> projection = of_features(mixture, [1], None)
    >>> projection.axis_names, projection.covariances(mixture).tolist()
    (('feature 1',), [[[4.0]]])
    """
    basis = np.zeros((mixture.n_features, len(features)))
    basis[list(features), range(len(features))] = 1.0
    axis_names = tuple(f"feature {i}" if names is None else names[i] for i in features)
    return Projection(basis, np.zeros(mixture.n_features), axis_names)


def principal_plane(mixture: GaussianMixture) -> Projection:
    """Return the plane of the two principal axes of the whole mixture, with its mean at the origin.

    Parameters
    ----------
    mixture : GaussianMixture
        With two features or more.

    Examples
    --------
    >>> principal_plane(GaussianMixture([1.0], [[0.0, 5.0]], [[1.0, 3.0]])).axis_names
    ('principal axis 1 (75 % of variance)', 'principal axis 2 (25 % of variance)')
    """
    weights = mixture.weights / mixture.weights.sum()
    centre = weights @ mixture.means
    offsets = mixture.means - centre
    total = (weights * offsets.T) @ offsets
    for weight, matrix in zip(weights, _matrices(mixture), strict=True):
        total += weight * matrix
    values, vectors = np.linalg.eigh(total)
    basis = vectors[:, :-3:-1]
    # an axis may point either way: the same picture on every machine
    basis = basis * np.where(basis[np.abs(basis).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    shares = 100 * values[:-3:-1] / values.sum()
    names = tuple(f"principal axis {i} ({share:.0f} % of variance)" for i, share in enumerate(shares, 1))
    return Projection(basis, centre, names)


def chosen_features(mixture: GaussianMixture, features: Features) -> tuple[int, ...]:
    """Return the columns that are named, or all of them where none is.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    features : int, sequence of int, or None
        As a public function got them.

    Raises
    ------
    SettingError
        If they are no columns, one is named twice, or there are more than eight.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0, 5.0]], [[1.0, 4.0]])
    >>> chosen_features(mixture, None), chosen_features(mixture, 1)
    ((0, 1), (1,))
    """
    d = mixture.n_features
    if features is None and d > MAX_PAIRED:
        raise SettingError(f"the mixture has {d} features; name up to {MAX_PAIRED} of them by `features`, or principal")
    given = range(d) if features is None else features if isinstance(features, Iterable) else [features]
    chosen = [] if isinstance(given, str) else list(given)
    is_column = all(isinstance(i, int | np.integer) and not isinstance(i, bool) and 0 <= i < d for i in chosen)
    if not 1 <= len(chosen) <= MAX_PAIRED or not is_column or len(set(chosen)) < len(chosen):
        raise SettingError(f"`features` is {features!r}; expected different columns from 0 to {d - 1}, or principal")
    return tuple(int(i) for i in chosen)


def seen_in(mixture: GaussianMixture, features: Features, names: Sequence[str] | None) -> Projection:
    """Return the line or the plane that is asked for.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    features : int, sequence of int, "principal" or None
        As a public function got them; None for all features.
    names : sequence of str or None
        Name of every feature of the mixture.

    Raises
    ------
    SettingError
        If names or features do not fit the mixture.

    Examples
    --------
    >>> seen_in(GaussianMixture([1.0], [[0.0, 5.0]], [[1.0, 4.0]]), (1, 0), ["a", "b"]).axis_names
    ('b', 'a')
    """
    if names is not None and len(names) != mixture.n_features:
        raise SettingError(f"`names` has {len(names)} names; expected one for each of {mixture.n_features} features")
    if isinstance(features, str) and features == PRINCIPAL:
        if mixture.n_features < 2:
            raise SettingError("the mixture has one feature; a plane needs two")
        return principal_plane(mixture)
    return of_features(mixture, chosen_features(mixture, features), names)


def finite_rows(rows: npt.ArrayLike, n_features: int) -> npt.NDArray[np.floating]:
    """Return rows as a matrix of finite numbers, or NaN where a value is missing.

    Parameters
    ----------
    rows : array_like, shape (n, n_features)
        From a caller.
    n_features : int
        Number of columns expected.

    Raises
    ------
    MixtureError
        If they are no such matrix, or a number is infinite.

    Examples
    --------
    >>> finite_rows([[1, 2]], 2)
    array([[1., 2.]])
    """
    taken = as_rows(rows, n_features)
    for _ in read_chunks(taken, all_rows=True):
        # infinite numbers are found as rows are read
        pass
    return taken


def thinned(rows: npt.NDArray[np.floating], n: int = MAX_POINTS) -> npt.NDArray[np.floating]:
    """Return rows, or of very many some, evenly taken.

    Parameters
    ----------
    rows : ndarray, shape (n_rows, n_features)
        Rows.
    n : int
        The most that are returned.

    Examples
    --------
    >>> thinned(np.arange(5.0)[:, None], 2).tolist()
    [[0.0], [3.0]]
    """
    return rows[:: max(1, -(-len(rows) // n))]


def _matrices(mixture: GaussianMixture) -> Iterator[Array]:
    """Yield the covariance matrix of every component: all of them at once may be gigabytes."""
    covariance = covariance_of(mixture.covariance_type)
    for j in range(mixture.n_components):
        taken = covariance.take(mixture.covariances, np.array([j]))
        yield covariance.matrices(taken, 1, mixture.n_features)[0]
