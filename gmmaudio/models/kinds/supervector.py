"""Supervectors: a UBM adapted to each clip, compared by the cosine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture import EMTrace, GaussianMixture
from gmmaudio.models.heads import Linear, Mixtures, fit_cosine, fit_logistic
from gmmaudio.models.kinds.block_gaussian import LEAST_DEVIATION
from gmmaudio.models.linear_algebra import Array, Parts, Rows, label_means, signed_axes
from gmmaudio.models.scorer import Classifier
from gmmaudio.models.ubm import BACKGROUND, Traces, TrainingRows, fit_background

# share of the greatest variance below which a direction is what single precision leaves of none
LEAST_VARIANCE = 1e-6
# length of a vector below which it is what single precision leaves of none
LEAST_LENGTH = 1e-6
# directions are estimated from this many clips at most: the work grows with their cube
MAX_DIRECTION_CLIPS = 1500


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
    scores_rows: ClassVar[bool] = False

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
    found: Rows = (signed_axes((centred.T @ left[:, kept]) / np.sqrt(values[kept])).T).astype(np.float32)
    return np.ascontiguousarray(found)


def fit_supervectors(training: TrainingRows) -> tuple[Classifier, Traces]:
    """Return a background with its directions, and cosines or logistic regression (or both) on supervectors."""
    config = training.config
    assert config.relevance is not None  # noqa: S101 - the configuration was checked
    n_views = training.n_views
    training, background, trace = _fit_views(training)
    lag = config.pair_lag
    vectors = np.stack([supervector(background, rows, config.relevance, lag) for rows in training.rows])
    weights = training.weights()
    mean = vectors.mean(axis=0)
    belief = pair_belief([len(rows) for rows in training.rows], config.relevance, lag)
    vectors = centred_parts(vectors, mean, background.means.size, belief)
    rng = np.random.default_rng((training.seed, len(training.names)))
    directions = within_directions(vectors, training.codes, config.n_directions, rng)
    transform = Supervectors(background, config.relevance, lag, mean, directions, n_views)
    embedded = without(vectors, directions)
    heads: list[Mixtures | Linear] = []
    if config.back_end != "logistic":
        heads.append(fit_cosine(embedded, training.codes, weights))
    if config.back_end != "own":
        heads.append(fit_logistic(embedded, training.codes, weights, config.penalty))
    return Classifier(training.names, transform, tuple(heads), (1.0,) * len(heads)), {BACKGROUND: trace}


def _fit_views(training: TrainingRows) -> tuple[TrainingRows, GaussianMixture, EMTrace]:
    """Return the training set heard in one view of each clip, and a background of such views.

    The first background is of the plain views, the second of those that the first liked best; the second chooses.
    """
    every, n_views = training.rows, training.n_views

    def heard(choose: Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]) -> TrainingRows:
        return replace(training, rows=tuple(map(choose, every)), n_views=1)

    plain = heard(lambda rows: views_of(rows, n_views)[0])
    background, trace = fit_background(plain)
    if n_views == 1:
        return plain, background, trace
    first = background
    background, trace = fit_background(heard(lambda rows: best_view(first, rows, n_views)))
    return heard(lambda rows: best_view(background, rows, n_views)), background, trace
