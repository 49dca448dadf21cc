"""What is learned of rows before they are scored: standardisation and projection, or supervectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture import GaussianMixture

Rows = npt.NDArray[np.floating]
Array = npt.NDArray[np.float64]
Parts = dict[str, npt.NDArray[Any]]

# a column that does not move is left at zero
LEAST_DEVIATION = 1e-9
# share of the greatest variance below which a direction is what single precision leaves of none
LEAST_VARIANCE = 1e-6
# length of a vector below which it is what single precision leaves of none
LEAST_LENGTH = 1e-6
# directions are estimated from this many clips at most: the work grows with their cube
MAX_DIRECTION_CLIPS = 1500


@dataclass(frozen=True, eq=False)
class Identity:
    """Rows as they are.

    Parameters
    ----------
    n_features : int
        Columns of the rows.
    """

    n_features: int
    kind: ClassVar[str] = "identity"

    def apply(self, values: Rows) -> Rows:
        """Return the rows, shape (n, n_features)."""
        return values

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {"n_features": self.n_features}

    def parts(self) -> Parts:
        """Return arrays by name."""
        return {}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Identity:
        """Return what settings and parts describe."""
        return cls(int(settings["n_features"]), **parts)


@dataclass(frozen=True, eq=False)
class Projection:
    """Standardised rows, bent to stay within a limit, times a matrix.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_features,)
        Taken out, and divided by.
    matrix : ndarray, shape (n_features, d)
        Principal axes, whitened where labels share a covariance.
    z_limit : float or None
        Standardised values are bent to stay within -z_limit..z_limit.
    """

    mean: Array
    scale: Array
    matrix: Array
    z_limit: float | None = None
    kind: ClassVar[str] = "projection"

    def __post_init__(self) -> None:
        n = len(self.matrix)
        if self.matrix.ndim != 2 or self.mean.shape != (n,) or self.scale.shape != (n,):
            raise SettingError(f"shapes {self.mean.shape}, {self.scale.shape}, {self.matrix.shape} do not go together")

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return len(self.matrix)

    def apply(self, values: Rows) -> Array:
        """Return the projected rows, shape (n, d)."""
        return standardise(values, self.mean, self.scale, self.z_limit) @ self.matrix

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {"z_limit": self.z_limit}

    def parts(self) -> Parts:
        """Return arrays by name."""
        return {"mean": self.mean, "scale": self.scale, "matrix": self.matrix}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Projection:
        """Return what settings and parts describe."""
        return cls(**parts, z_limit=settings["z_limit"])


def standardise(values: Rows, mean: Array, scale: Array, z_limit: float | None) -> Array:
    """Return rows less a mean over a scale, bent to stay within a limit, shape (n, n_features)."""
    z = (np.asarray(values, dtype=np.float64) - mean) / scale
    return z if z_limit is None else z_limit * np.tanh(z / z_limit)


def fit_projection(rows: Array, n_pca: int | None, z_limit: float | None) -> Projection:
    """Return standardisation and principal axes of rows.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        At least one.
    n_pca : int or None
        Axes kept at most; None keeps all in which the rows differ.
    z_limit : float or None
        As for :class:`Projection`.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    >>> fit_projection(rows, None, None).matrix.shape
    (2, 1)
    """
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > LEAST_DEVIATION * np.maximum(1.0, abs(mean)), scale, np.inf)
    z = standardise(rows, mean, scale, z_limit)
    values, axes = np.linalg.eigh(np.cov(z, rowvar=False, bias=True).reshape(len(mean), len(mean)))
    moving = int((values > 1e-10 * max(values.max(), 1e-300)).sum())
    kept = max(1, min(moving, n_pca or moving))
    return Projection(mean, scale, _signed(axes[:, ::-1][:, :kept]), z_limit)


def _signed(axes: Array) -> Array:
    """Return axes with the largest entry of each positive: another library turns them round."""
    largest = axes[abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.ascontiguousarray(axes * np.where(largest < 0, -1.0, 1.0))


def whitened(
    projection: Projection, rows: Array, codes: npt.NDArray[np.intp], shrinkage: float | None = None
) -> Projection:
    """Return a projection after which rows of one label have the unit covariance, as far as it is believed.

    Parameters
    ----------
    projection : Projection
        What is done first.
    rows : ndarray, shape (n, d)
        Projected rows.
    codes : ndarray, shape (n,), int
        Label of every row, 0..n_labels - 1.
    shrinkage : float or None
        Share of a multiple of the identity in the covariance, 0..1; None takes Ledoit and Wolf's.

    References
    ----------
    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2004).
    """
    from sklearn.covariance import ledoit_wolf

    centred = rows - label_means(rows, codes)[codes]
    if shrinkage is None:
        covariance, _ = ledoit_wolf(centred, assume_centered=True)
    else:
        covariance = centred.T @ centred / len(centred)
        level = np.trace(covariance) / len(covariance)
        covariance = (1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance))
    values, axes = np.linalg.eigh(covariance)
    root = axes / np.sqrt(np.maximum(values, 1e-9 * max(values.max(), 1e-300)))
    return Projection(projection.mean, projection.scale, projection.matrix @ root, projection.z_limit)


def label_means(rows: Rows, codes: npt.NDArray[np.intp], weights: Array | None = None) -> Array:
    """Return the weighted mean of the rows of every label, shape (n_labels, d).

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Rows.
    codes : ndarray, shape (n,), int
        Label of every row; every number up to the largest has one.
    weights : ndarray, shape (n,), optional
        Above 0.

    Examples
    --------
    >>> label_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]))
    array([[2.],
           [5.]])
    """
    share = np.zeros((codes.max() + 1, len(codes)), dtype=rows.dtype)
    share[codes, np.arange(len(codes))] = 1.0 if weights is None else weights
    means: Array = (share / share.sum(axis=1, keepdims=True)) @ rows
    return means


@dataclass(frozen=True, eq=False)
class Supervectors:
    """A clip as one vector: how a background mixture's means move when adapted to its rows, and what follows what.

    Means: ``v_k = sqrt(w_k) (m_k - mu_k) / sigma_k`` with ``m_k`` the mean adapted by maximum a posteriori; half the
    squared length bounds the divergence between the adapted mixture and the background from above. Pairs: the root of
    the share of expected counts in which component ``j`` is followed by ``k``, ``pair_lag`` rows later: which sounds a
    language has after which, whoever speaks. What all clips have in common is taken out of both, each gets unit length,
    which takes out how much there is of a clip; of few pairs, which tell little, less (``n / (n + relevance)``). Then
    directions within labels are taken out.

    Where rows hold several views of a frame side by side, a clip is heard in the one that the background likes best
    (:func:`best_view`).

    Parameters
    ----------
    background : GaussianMixture
        The background (UBM), diagonal, over one view.
    relevance : float
        Rows that each component of the background counts for.
    pair_lag : int
        Rows from one component to the one that follows it; 0 leaves pairs out.
    mean : ndarray, shape (K * D,) or (K * D + K * K,) with pairs, float32
        Mean of the training vectors.
    directions : ndarray, shape (n_directions, len(mean)), float32
        Orthonormal; taken out.
    n_views : int
        Views that a row holds.

    References
    ----------
    Campbell, Sturim, Reynolds, "Support vector machines using GMM supervectors for speaker verification", IEEE Signal
    Processing Letters 13 (2006). Solomonoff, Quillen, Campbell, "Channel compensation for SVM speaker recognition",
    Odyssey 2004 (directions taken out). Torres-Carrasquillo, Reynolds, Deller, "Language identification using Gaussian
    mixture model tokenization", ICASSP 2002 (what follows what).
    """

    background: GaussianMixture
    relevance: float
    pair_lag: int
    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    n_views: int = 1
    kind: ClassVar[str] = "supervector"

    def __post_init__(self) -> None:
        if self.background.covariance_type != "diag" or not self.relevance > 0 or self.pair_lag < 0:
            raise SettingError("supervectors need a diagonal background, a relevance above 0 and a lag of 0 or more")
        if self.n_views < 1:
            raise SettingError(f"n_views is {self.n_views}; expected 1 or more")
        size = self.background.means.size + (self.background.n_components**2 if self.pair_lag else 0)
        if self.mean.shape != (size,) or self.directions.shape[1:] != (size,) or self.directions.ndim != 2:
            raise SettingError(
                f"shapes {self.mean.shape} and {self.directions.shape} do not go together; expected vectors of {size}"
            )

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return self.background.n_features * self.n_views

    def apply(self, values: Rows) -> Array:
        """Return the vector of a clip, shape (1, len(mean)), of unit length."""
        heard = best_view(self.background, values, self.n_views)
        vector = supervector(self.background, heard, self.relevance, self.pair_lag)
        belief = pair_belief([len(values)], self.relevance, self.pair_lag)
        centred = centred_parts(vector[None], self.mean, self.background.means.size, belief)
        return np.asarray(without(centred, self.directions), dtype=np.float64)

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {"relevance": self.relevance, "pair_lag": self.pair_lag, "n_views": self.n_views}

    def parts(self) -> Parts:
        """Return arrays by name."""
        own = {name: getattr(self.background, name) for name in ("weights", "means", "covariances")}
        return own | {"mean": self.mean, "directions": self.directions}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Supervectors:
        """Return what settings and parts describe."""
        background = GaussianMixture(parts["weights"], parts["means"], parts["covariances"], "diag")
        lag, n_views = int(settings["pair_lag"]), int(settings.get("n_views", 1))
        return cls(background, float(settings["relevance"]), lag, parts["mean"], parts["directions"], n_views)


def views_of(values: Rows, n_views: int) -> list[Rows]:
    """Return the views that rows hold side by side, shape (n, d) each.

    Examples
    --------
    >>> [view.tolist() for view in views_of(np.array([[1.0, 2.0, 3.0, 4.0]]), 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    return np.split(values, n_views, axis=1)


def best_view(background: GaussianMixture, values: Rows, n_views: int) -> Rows:
    """Return the view of a clip that a background holds to be the most likely, shape (n, d).

    Views that differ in the length of the vocal tract they assume make speakers more alike than they are.

    Parameters
    ----------
    background : GaussianMixture
        Of one view.
    values : ndarray, shape (n, n_views * d)
        Rows of one clip, at least one.
    n_views : int
        Views that a row holds; of equally likely ones the first is taken.

    References
    ----------
    Lee, Rose, "A frequency warping approach to speaker normalization", IEEE Transactions on Speech and Audio
    Processing 6 (1998).
    """
    if n_views == 1:
        return values
    return max(views_of(values, n_views), key=lambda view: float(background.log_density(view).mean()))


def supervector(
    background: GaussianMixture, values: Rows, relevance: float, pair_lag: int = 0
) -> npt.NDArray[np.float32]:
    """Return how means move, and how often what follows what, shape (K * D,) or (K * D + K * K,).

    The first part is the adapted means less the background's, in its deviations and weights, of unit length. The second
    is the root of shares that sum to 1; zeros where the clip has no two rows that far apart.

    Parameters
    ----------
    background : GaussianMixture
        Diagonal.
    values : ndarray, shape (n, D)
        Rows of one clip, at least one.
    relevance : float
        Rows that each component of the background counts for.
    pair_lag : int
        Rows from one component to the one that follows it; 0 leaves pairs out.
    """
    shares = background.responsibilities(values)
    n = shares.sum(axis=0)[:, None]
    moved = (shares.T @ np.asarray(values, dtype=np.float64) - n * background.means) / (n + relevance)
    vector = _unit((np.sqrt(background.weights[:, None] / background.covariances) * moved).reshape(1, -1))[0]
    if pair_lag:
        counts = (shares[:-pair_lag].T @ shares[pair_lag:]).ravel()
        vector = np.concatenate([vector, np.sqrt(counts / max(counts.sum(), LEAST_DEVIATION))])
    return np.asarray(vector, dtype=np.float32)


def pair_belief(n_rows: Sequence[int], relevance: float, pair_lag: int) -> npt.NDArray[np.float32]:
    """Return how far the pairs of clips are believed, shape (n_clips, 1), 0 (there are none) to 1.

    Examples
    --------
    >>> pair_belief([5, 24], 8.0, 8).ravel().round(2)
    array([0.  , 0.67], dtype=float32)
    """
    n = np.maximum(np.asarray(n_rows, dtype=np.float32)[:, None] - pair_lag, 0)
    return np.asarray(n / (n + relevance), dtype=np.float32)


def centred_parts(vectors: Rows, mean: Rows, n_means: int, belief: Rows) -> Rows:
    """Return vectors less a mean, shape (n, d): the first ``n_means`` numbers of unit length, the others of ``belief``.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        What :func:`supervector` gave.
    mean : ndarray, shape (d,)
        Taken out.
    n_means : int
        Numbers of the first part.
    belief : ndarray, shape (n, 1)
        What :func:`pair_belief` gave.
    """
    centred = vectors - mean
    return np.concatenate([_unit(centred[:, :n_means]), belief * _unit(centred[:, n_means:])], axis=1)


def without(vectors: Rows, directions: Rows) -> Rows:
    """Return vectors without directions, of unit length, shape (n, d)."""
    return _unit(vectors - (vectors @ directions.T) @ directions)


def _unit(vectors: Rows) -> Rows:
    """Return vectors of unit length; one of no length is 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Rows = np.where(length > LEAST_LENGTH, vectors / np.maximum(length, LEAST_LENGTH, dtype=length.dtype), 0)
    return unit


def within_directions(vectors: Rows, codes: npt.NDArray[np.intp], n: int, rng: np.random.Generator) -> Rows:
    """Return the orthonormal directions in which vectors of one label differ most, shape (at most n, d), float32.

    Parameters
    ----------
    vectors : ndarray, shape (n_clips, d)
        Of clips; of many a random part is taken.
    codes : ndarray, shape (n_clips,), int
        Label of every clip.
    n : int
        Directions wanted; at most a fifth of the clips are given.
    rng : numpy.random.Generator
        Takes the part.
    """
    if len(vectors) > MAX_DIRECTION_CLIPS:
        part = np.sort(rng.choice(len(vectors), MAX_DIRECTION_CLIPS, replace=False))
        _, codes = np.unique(codes[part], return_inverse=True)
        vectors = vectors[part]
    centred = vectors - label_means(vectors, codes)[codes]
    values, left = np.linalg.eigh(np.asarray(centred @ centred.T, dtype=np.float64))
    kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > LEAST_VARIANCE * max(values[-1], 1e-300)]
    kept = kept[: min(n, len(vectors) // 5)]
    found: Rows = (_signed((centred.T @ left[:, kept]) / np.sqrt(values[kept])).T).astype(np.float32)
    return np.ascontiguousarray(found)
