"""The kind ``supervector``: a UBM adapted to each clip, compared by the cosine or by logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture import EMTrace, GaussianMixture
from gmmaudio.models.heads import MIXTURE_TENSORS, Head, fit_cosine, fit_logistic, mixture_table
from gmmaudio.models.kind import Candidate, Kind
from gmmaudio.models.kind_settings import FUSIONS, EmSettings, check_choice, check_positive, check_whole
from gmmaudio.models.linear_algebra import Array, Codes, Matrix, Tensors, label_means, signed_axes
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.tensor_table import TensorLayout
from gmmaudio.models.training_rows import TrainingRows
from gmmaudio.models.ubm import MAX_UBM_ROWS, UBM, Traces, fit_ubm
from gmmaudio.values import convert_fields

BACK_ENDS = ("cosine", "logistic", *FUSIONS)
# expected counts below this are none
MIN_COUNT = 1e-9
# share of the greatest variance below which a direction is rounding error of single precision
MIN_VARIANCE = 1e-6
# length of a vector below which it is rounding error of single precision
MIN_LENGTH = 1e-6
# nuisance directions are estimated from this many clips at most: the work grows with their cube
MAX_NUISANCE_CLIPS = 1500
MAX_BIGRAM_LAG = 10_000
# of vectors of unit length, and of their mean, up to rounding
MAX_ENTRY = 1.001


@dataclass(frozen=True, kw_only=True)
class SupervectorSettings(EmSettings):
    """Settings of supervectors.

    The fields of :class:`gmmaudio.models.kind_settings.EmSettings`, for the UBM, and those below.

    Parameters
    ----------
    covariance_type : {"diag"}
        Shape of the UBM's components.
    relevance : float
        Rows that each component of the UBM counts for when it is adapted to a clip.
    n_nuisance : int
        Nuisance directions (in which clips of one label differ most) that are projected out; at most a fifth of the
        clips.
    bigram_lag : int
        Token bigrams: after the means, how often one component follows another by this many rows; 0
        leaves bigrams out.
    back_end : {"cosine", "logistic", "mean", "trained"}
        Cosine to the mean of a label, linear logistic regression, or both, each at its own temperature and with equal
        weight ("mean"), or with weights learned on inner folds ("trained").
    penalty : float
        Penalty of logistic regression: half the squared coefficients count as much as this share of the mean log-loss.
    n_ubm_rows : int
        Rows that the UBM is fitted to at most, the same number of each group as far as it has them.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> SupervectorSettings(n_components=32).covariance_type
    'diag'
    """

    kind: ClassVar[str] = "supervector"
    n_components: int = 64
    max_iter: int = 8
    tol: float = 0.0
    variance_floor: float = 2e-2
    relevance: float = 8.0
    n_nuisance: int = 40
    bigram_lag: int = 8
    back_end: str = "cosine"
    penalty: float = 0.01
    n_ubm_rows: int = 20_000

    @property
    def needs_ubm(self) -> bool:
        """Whether a UBM is fitted: always."""
        return True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.covariance_type != "diag":
            raise SettingError(f"covariance_type is {self.covariance_type!r}; the UBM of supervectors takes diag")
        check_choice("back_end", self.back_end, BACK_ENDS)
        check_positive("relevance", self.relevance)
        check_whole("n_nuisance", self.n_nuisance, 0, MAX_NUISANCE_CLIPS)
        check_whole("bigram_lag", self.bigram_lag, 0, MAX_BIGRAM_LAG)
        check_positive("penalty", self.penalty)
        check_whole("n_ubm_rows", self.n_ubm_rows, 100, MAX_UBM_ROWS)

    @property
    def fusion(self) -> str | None:
        """How the scores of two heads are combined: ``mean``, ``trained``, or None where there is one head."""
        return self.back_end if self.back_end in FUSIONS else None


@dataclass(frozen=True, eq=False)
class Supervectors:
    """A clip as one vector: the shift of a UBM's means when adapted to its rows, and its token bigrams.

    Means: ``v_k = sqrt(w_k) (m_k - mu_k) / sigma_k`` with ``m_k`` the mean adapted by maximum a posteriori; half the
    squared length bounds the divergence between the adapted mixture and the UBM from above. Token bigrams: the root of
    the share of expected counts in which component ``j`` is followed by ``k``, ``bigram_lag`` rows later: the
    phonotactics of a language, independent of the speaker. The mean of the training vectors is subtracted from both
    parts; each is scaled to unit length, which removes the length of the clip; of few bigrams, which are unreliable,
    to less (``n / (n + relevance)``). Then nuisance directions are projected out (nuisance attribute projection, NAP).

    Where rows hold several VTLN warps of a frame side by side, each clip is scored in the warp that is most likely
    under the UBM (:func:`select_warp`).

    Parameters
    ----------
    ubm : GaussianMixture
        The UBM, diagonal, over one warp.
    relevance : float
        Rows that each component of the UBM counts for.
    bigram_lag : int
        Rows from one component to the one that follows it; 0 leaves bigrams out.
    mean : ndarray, shape (K * D,) or (K * D + K * K,) with bigrams, float32
        Mean of the training vectors.
    nuisance_directions : ndarray, shape (n_nuisance, len(mean)), float32
        Orthonormal; projected out.
    n_warps : int
        VTLN warps that a row holds.

    Raises
    ------
    SettingError
        If a value is outside its bounds or the shapes do not fit.

    References
    ----------
    Campbell, Sturim, Reynolds, "Support vector machines using GMM supervectors for speaker verification", IEEE Signal
    Processing Letters 13 (2006). Solomonoff, Quillen, Campbell, "Channel compensation for SVM speaker recognition",
    Odyssey 2004 (NAP). Torres-Carrasquillo, Reynolds, Deller, "Language identification using Gaussian mixture model
    tokenization", ICASSP 2002 (token bigrams).

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    >>> none = np.zeros((0, 2), dtype=np.float32)
    >>> Supervectors(ubm, 8.0, 0, np.zeros(2, dtype=np.float32), none).apply(np.array([[3.0, 4.0]])).round(3)
    array([[0.6, 0.8]])
    """

    ubm: GaussianMixture
    relevance: float
    bigram_lag: int
    mean: npt.NDArray[np.float32]
    nuisance_directions: npt.NDArray[np.float32]
    n_warps: int = 1
    kind: ClassVar[str] = "supervector"
    scores_rows: ClassVar[bool] = False
    setting_types: ClassVar[Mapping[str, Any]] = {"relevance": float, "bigram_lag": int, "n_warps": int}

    def __post_init__(self) -> None:
        convert_fields(self)
        if self.ubm.covariance_type != "diag":
            raise SettingError(f"the UBM has {self.ubm.covariance_type} covariances; supervectors take diag")
        check_positive("relevance", self.relevance)
        check_whole("bigram_lag", self.bigram_lag, 0, MAX_BIGRAM_LAG)
        check_whole("n_warps", self.n_warps, 1)
        size = self.ubm.means.size + (self.ubm.n_components**2 if self.bigram_lag else 0)
        directions = self.nuisance_directions
        if self.mean.shape != (size,) or directions.shape[1:] != (size,) or directions.ndim != 2:
            raise SettingError(
                f"mean and nuisance directions have shapes {self.mean.shape} and {directions.shape}; expected vectors "
                f"of {size}"
            )

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""
        return self.ubm.n_features * self.n_warps

    @property
    def n_outputs(self) -> int:
        """Length of a clip's vector."""
        return len(self.mean)

    def apply(self, values: Matrix) -> Array:
        """Return the vector of a clip, shape (1, len(mean)), of unit length.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows of one clip, at least one.
        """
        warped = select_warp(self.ubm, values, self.n_warps)
        vector = supervector(self.ubm, warped, self.relevance, self.bigram_lag)
        weight = bigram_weight([len(values)], self.relevance, self.bigram_lag)
        centred = centre_parts(vector[None], self.mean, self.ubm.means.size, weight)
        return np.asarray(project_out(centred, self.nuisance_directions), dtype=np.float64)

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""
        return {"relevance": self.relevance, "bigram_lag": self.bigram_lag, "n_warps": self.n_warps}

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""
        ubm = {name: getattr(self.ubm, name) for name in MIXTURE_TENSORS}
        return ubm | {"mean": self.mean, "directions": self.nuisance_directions}

    @classmethod
    def tensor_table(cls, _settings: Mapping[str, Any], _n_labels: int) -> dict[str, TensorLayout]:
        """Return the tensors that it is stored in.

        Parameters
        ----------
        _settings, _n_labels
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return {
            **mixture_table("diag", "n_components", "warp_features"),
            "mean": TensorLayout("float32", ("d",), -MAX_ENTRY, MAX_ENTRY),
            "directions": TensorLayout("float32", ("n_nuisance", "d"), -MAX_ENTRY, MAX_ENTRY),
        }

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Supervectors:
        """Return the transform that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """
        ubm = GaussianMixture(tensors["weights"], tensors["means"], tensors["covariances"], "diag")
        return cls(ubm, mean=tensors["mean"], nuisance_directions=tensors["directions"], **settings)


def split_warps(values: Matrix, n_warps: int) -> list[Matrix]:
    """Return the VTLN warps that rows hold side by side, shape (n, d) each.

    Parameters
    ----------
    values : ndarray, shape (n, n_warps * d)
        Rows.
    n_warps : int
        Warps that a row holds.

    Examples
    --------
    >>> [warp.tolist() for warp in split_warps(np.array([[1.0, 2.0, 3.0, 4.0]]), 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    return np.split(values, n_warps, axis=1)


def select_warp(ubm: GaussianMixture, values: Matrix, n_warps: int) -> Matrix:
    """Return the VTLN warp of a clip that is most likely under a UBM, shape (n, d).

    Warps assume vocal tracts of different lengths; selecting one for each clip makes speakers more alike.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM over one warp.
    values : ndarray, shape (n, n_warps * d)
        Rows of one clip, at least one.
    n_warps : int
        Warps that a row holds; of equally likely ones the first is taken.

    References
    ----------
    Lee, Rose, "A frequency warping approach to speaker normalization", IEEE Transactions on Speech and Audio
    Processing 6 (1998).

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> select_warp(ubm, np.array([[2.0, 0.5], [2.0, -0.5]]), 2).ravel()
    array([ 0.5, -0.5])
    """
    if n_warps == 1:
        return values
    return max(split_warps(values, n_warps), key=lambda warp: float(ubm.log_density(warp).mean()))


def supervector(ubm: GaussianMixture, values: Matrix, relevance: float, bigram_lag: int = 0) -> npt.NDArray[np.float32]:
    """Return the adapted means and the token bigrams of a clip, shape (K * D,) or (K * D + K * K,).

    The first part is the adapted means less the UBM's, in its standard deviations and weights, of unit length. The
    second is the root of shares that sum to 1; zeros where the clip has no two rows that far apart.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM, diagonal.
    values : ndarray, shape (n, D)
        Rows of one clip, at least one.
    relevance : float
        Rows that each component of the UBM counts for.
    bigram_lag : int
        Rows from one component to the one that follows it; 0 leaves bigrams out.

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    >>> supervector(ubm, np.array([[3.0, 4.0]]), 8.0).round(3)
    array([0.6, 0.8], dtype=float32)
    """
    shares = ubm.responsibilities(values)
    n = shares.sum(axis=0)[:, None]
    shift = (shares.T @ np.asarray(values, dtype=np.float64) - n * ubm.means) / (n + relevance)
    vector = _unit_length((np.sqrt(ubm.weights[:, None] / ubm.covariances) * shift).reshape(1, -1))[0]
    if bigram_lag:
        counts = (shares[:-bigram_lag].T @ shares[bigram_lag:]).ravel()
        vector = np.concatenate([vector, np.sqrt(counts / max(counts.sum(), MIN_COUNT))])
    return np.asarray(vector, dtype=np.float32)


def bigram_weight(n_rows: Sequence[int], relevance: float, bigram_lag: int) -> npt.NDArray[np.float32]:
    """Return the weight of the token bigrams of clips, shape (n_clips, 1), 0 (there are none) to 1.

    Parameters
    ----------
    n_rows : sequence of int
        Rows of every clip.
    relevance : float
        Bigrams of which the weight is a half.
    bigram_lag : int
        Rows from one component to the one that follows it.

    Examples
    --------
    >>> bigram_weight([5, 24], 8.0, 8).ravel().round(2)
    array([0.  , 0.67], dtype=float32)
    """
    n = np.maximum(np.asarray(n_rows, dtype=np.float32)[:, None] - bigram_lag, 0)
    return np.asarray(n / (n + relevance), dtype=np.float32)


def centre_parts(vectors: Matrix, mean: Matrix, n_means: int, weight: Matrix) -> Matrix:
    """Return vectors less a mean, shape (n, d): the first ``n_means`` numbers of unit length, the others of ``weight``.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Result of :func:`supervector`.
    mean : ndarray, shape (d,)
        Subtracted.
    n_means : int
        Numbers of the first part.
    weight : ndarray, shape (n, 1)
        Result of :func:`bigram_weight`.

    Examples
    --------
    >>> centre_parts(np.array([[3.0, 4.0, 2.0]]), np.zeros(3), 2, np.array([[0.5]]))
    array([[0.6, 0.8, 0.5]])
    """
    centred = vectors - mean
    return np.concatenate([_unit_length(centred[:, :n_means]), weight * _unit_length(centred[:, n_means:])], axis=1)


def project_out(vectors: Matrix, directions: Matrix) -> Matrix:
    """Return vectors with nuisance directions projected out, of unit length, shape (n, d).

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Vectors.
    directions : ndarray, shape (n_directions, d)
        Orthonormal.

    References
    ----------
    Solomonoff, Quillen, Campbell, "Channel compensation for SVM speaker recognition", Odyssey 2004 (NAP).

    Examples
    --------
    >>> project_out(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0]]))
    array([[0., 1.]])
    """
    return _unit_length(vectors - (vectors @ directions.T) @ directions)


def _unit_length(vectors: Matrix) -> Matrix:
    """Return vectors scaled to unit length; one of no length is 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Matrix = np.where(length > MIN_LENGTH, vectors / np.maximum(length, MIN_LENGTH, dtype=length.dtype), 0)
    return unit


def estimate_nuisance_directions(vectors: Matrix, codes: Codes, n: int, rng: np.random.Generator) -> Matrix:
    """Return the orthonormal directions in which vectors of one label differ most, shape (at most n, d), float32.

    Parameters
    ----------
    vectors : ndarray, shape (n_clips, d)
        Vectors of clips; of many a random part is used.
    codes : ndarray, shape (n_clips,), int
        Label of every clip.
    n : int
        Directions wanted; at most a fifth of the clips are given.
    rng : numpy.random.Generator
        Chooses the part.

    Examples
    --------
    >>> vectors = np.array([[0.0, 1.0], [0.0, -1.0], [3.0, 1.0], [3.0, -1.0], [3.0, 0.0]], dtype=np.float32)
    >>> estimate_nuisance_directions(vectors, np.array([0, 0, 1, 1, 1]), 1, np.random.default_rng(0)).round(3) + 0.0
    array([[0., 1.]], dtype=float32)
    """
    if len(vectors) > MAX_NUISANCE_CLIPS:
        part = np.sort(rng.choice(len(vectors), MAX_NUISANCE_CLIPS, replace=False))
        _, codes = np.unique(codes[part], return_inverse=True)
        vectors = vectors[part]
    centred = vectors - label_means(vectors, codes)[codes]
    values, left = np.linalg.eigh(np.asarray(centred @ centred.T, dtype=np.float64))
    kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > MIN_VARIANCE * max(values[-1], 1e-300)]
    kept = kept[: min(n, len(vectors) // 5)]
    directions: Matrix = (signed_axes((centred.T @ left[:, kept]) / np.sqrt(values[kept])).T).astype(np.float32)
    return np.ascontiguousarray(directions)


def fit(training: TrainingRows, settings: SupervectorSettings) -> tuple[Scorer, Traces]:
    """Return a UBM with nuisance directions, and cosines or logistic regression (or both) on supervectors.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    settings : SupervectorSettings
        Settings of the fit.

    Examples
    --------
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> scorer, traces = fit(training, SupervectorSettings(n_components=2, n_nuisance=0))
    >>> scorer.labels[scorer.score(rows[1]).argmax()], list(traces)
    ('b', ['ubm'])
    """
    n_warps = training.n_warps
    training, ubm, trace = _fit_warps(training, settings)
    relevance, lag = settings.relevance, settings.bigram_lag
    vectors = np.stack([supervector(ubm, rows, relevance, lag) for rows in training.rows])
    weights = training.weights()
    mean = vectors.mean(axis=0)
    bigram_weights = bigram_weight([len(rows) for rows in training.rows], relevance, lag)
    vectors = centre_parts(vectors, mean, ubm.means.size, bigram_weights)
    rng = np.random.default_rng((training.seed, len(training.labels)))
    directions = estimate_nuisance_directions(vectors, training.codes, settings.n_nuisance, rng)
    transform = Supervectors(ubm, relevance, lag, mean, directions, n_warps)
    projected = project_out(vectors, directions)
    heads: list[Head] = []
    if settings.back_end != "logistic":
        heads.append(fit_cosine(projected, training.codes, weights))
    if settings.back_end != "cosine":
        heads.append(fit_logistic(projected, training.codes, weights, settings.penalty))
    return Scorer(training.labels, transform, tuple(heads), (1.0,) * len(heads)), {UBM: trace}


def _fit_warps(training: TrainingRows, settings: SupervectorSettings) -> tuple[TrainingRows, GaussianMixture, EMTrace]:
    """Return the training set with one selected warp of each clip, and a UBM of such warps.

    The first UBM is fitted to the plain frames, the second to the warps that the first selects; the second selects.
    """
    all_rows, n_warps = training.rows, training.n_warps

    def warped(select: Callable[[Matrix], Matrix]) -> TrainingRows:
        return replace(training, rows=tuple(map(select, all_rows)), n_warps=1)

    plain = warped(lambda rows: split_warps(rows, n_warps)[0])
    ubm, trace = fit_ubm(plain, settings, settings.n_ubm_rows)
    if n_warps == 1:
        return plain, ubm, trace
    first = ubm
    ubm, trace = fit_ubm(warped(lambda rows: select_warp(first, rows, n_warps)), settings, settings.n_ubm_rows)
    return warped(lambda rows: select_warp(ubm, rows, n_warps)), ubm, trace


def describe(settings: SupervectorSettings) -> str:
    """Return the settings in one line of words.

    Parameters
    ----------
    settings : SupervectorSettings
        Settings.

    Examples
    --------
    >>> describe(SupervectorSettings())
    'supervectors of one UBM, K=64'
    """
    back_end = {
        "cosine": "",
        "logistic": ", logistic regression",
        "mean": ", cosine averaged with logistic regression",
        "trained": ", cosine weighted with logistic regression",
    }[settings.back_end]
    return f"supervectors of one UBM, K={settings.n_components}{back_end}"


SUPERVECTOR = Kind(
    settings=SupervectorSettings,
    transform=Supervectors,
    fit=fit,
    describe=describe,
    candidates=tuple(
        Candidate(cost, {"covariance_type": "diag", "n_components": n_components, "back_end": "cosine"})
        for cost, n_components in ((12, 32), (13, 64), (14, 128))
    ),
    takes_warps=True,
)
