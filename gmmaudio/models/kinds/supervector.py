"""The kind ``supervector``: a UBM adapted to each clip, compared by the cosine or by logistic regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import SettingError
from gmmaudio.mixture import EMTrace, GaussianMixture
from gmmaudio.mixture.mixture_file import MIXTURE_TENSORS, mixture_table
from gmmaudio.models.chunked_rows import ChunkedRows, RowTable, keep_rows
from gmmaudio.models.clip_vectors import (
    MAX_NUISANCE_CLIPS,
    SelectedWarps,
    bigram_weight,
    centre_parts,
    draw_nuisance_clips,
    estimate_nuisance_directions,
    project_out,
    select_warp,
    selected_warp,
    vector_size,
    warped_supervector,
)
from gmmaudio.models.heads import Head, fit_cosine
from gmmaudio.models.kind import Candidate, Kind
from gmmaudio.models.kind_settings import FUSIONS, EmSettings, check_choice, check_positive, check_whole
from gmmaudio.models.linear_algebra import Array, Codes, Matrix
from gmmaudio.models.logistic_regression import fit_logistic
from gmmaudio.models.partial_fits import Fit
from gmmaudio.models.running_moments import column_means
from gmmaudio.models.score_parts import Answers, ScoreParts
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.training_rows import TrainingRows
from gmmaudio.models.ubm import MAX_UBM_ROWS, UBM, fit_ubm
from gmmaudio.tensor_table import TensorLayout, Tensors
from gmmaudio.values import convert_fields

BACK_ENDS = ("cosine", "logistic", *FUSIONS)
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
    takes_missing: ClassVar[bool] = False
    setting_types: ClassVar[Mapping[str, Any]] = {"relevance": float, "bigram_lag": int, "n_warps": int}

    def __post_init__(self) -> None:
        convert_fields(self)
        if self.ubm.covariance_type != "diag":
            raise SettingError(f"the UBM has {self.ubm.covariance_type} covariances; supervectors take diag")
        check_positive("relevance", self.relevance)
        check_whole("bigram_lag", self.bigram_lag, 0, MAX_BIGRAM_LAG)
        check_whole("n_warps", self.n_warps, 1)
        size = vector_size(self.ubm, self.bigram_lag)
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
        vector = warped_supervector(self.ubm, values, self.n_warps, self.relevance, self.bigram_lag)
        return np.asarray(self.project(vector[None], [len(values)]), dtype=np.float64)

    def split_score(self, values: Matrix, head: Head, label: int, _reference: Array | None) -> ScoreParts:
        """Return the parts of a head's score of a clip: by column of the selected warp, by component, by bigram.

        The numbers of a clip's vector keep their component and column when nuisance directions are projected out.

        Parameters
        ----------
        values, head, label, _reference
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        parts = head.split_score(self.apply(values), label)
        n_components, d = self.ubm.means.shape
        means, bigrams = np.split(parts.columns[0], [self.ubm.means.size])
        by_component = means.reshape(n_components, d)
        columns = np.zeros((self.n_warps, d))
        columns[selected_warp(self.ubm, values, self.n_warps)] = by_component.sum(axis=0)
        others = dict(parts.others) | ({"bigrams": bigrams.sum(keepdims=True)} if self.bigram_lag else {})
        pairs = bigrams.reshape(n_components, n_components) if self.bigram_lag else None
        return ScoreParts(columns.reshape(1, -1), others, by_component.sum(axis=1), pairs)

    def answers(self, values: Matrix, _head: Head, _label: int) -> Answers:
        """Return the components of the UBM that answer for the rows of a clip, in the selected warp.

        Parameters
        ----------
        values, _head, _label
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        rows = select_warp(self.ubm, values, self.n_warps)
        return Answers(self.ubm, rows, self.ubm.responsibilities(rows), is_shared=True)

    def centre(self, vectors: Matrix, n_rows: Sequence[int] | Codes) -> Matrix:
        """Return vectors less the mean, each part of unit length, shape (n_clips, len(mean)).

        Parameters
        ----------
        vectors : ndarray, shape (n_clips, len(mean))
            Results of :func:`warped_supervector` for clips under the UBM.
        n_rows : sequence of int
            Rows of every clip.
        """
        weight = bigram_weight(n_rows, self.relevance, self.bigram_lag)
        return centre_parts(vectors, self.mean, self.ubm.means.size, weight)

    def project(self, vectors: Matrix, n_rows: Sequence[int] | Codes) -> Matrix:
        """Return vectors as they are scored, shape (n_clips, len(mean)), each of unit length.

        Parameters
        ----------
        vectors, n_rows
            As for :meth:`centre`.
        """
        return project_out(self.centre(vectors, n_rows), self.nuisance_directions)

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


@dataclass(frozen=True, eq=False)
class VectorFits:
    """The vectors of all training clips under one UBM, which the scorers of parts of the training set share.

    A part has its own mean, nuisance directions and heads. The UBM and the selected VTLN warps are those of all clips:
    they hear the clips that a part leaves out, without their labels. Vectors are read in chunks.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    vectors : RowTable
        The :func:`warped_supervector` of every clip.
    n_rows : ndarray, shape (n_clips,), int
        Rows of every clip.
    ubm : GaussianMixture
        The UBM.
    settings : SupervectorSettings
        Settings of the fit.

    Examples
    --------
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> vectors = fit(training, SupervectorSettings(n_components=2, n_nuisance=0)).partial
    >>> vectors.score(vectors.fit(np.array([0, 1])), np.array([2, 3])).argmax(axis=2).ravel()
    array([0, 1])
    """

    training: TrainingRows
    vectors: RowTable
    n_rows: Codes
    ubm: GaussianMixture
    settings: SupervectorSettings

    def fit(self, clips: Codes) -> Scorer:
        """Return the scorer of some clips, of the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips, ascending, of at least two labels.
        """
        with one_thread():
            part, settings = self.training.part(clips), self.settings
            transform = self._fit_transform(clips, part)
            projected, weights = self._projected(transform, clips), part.weights()
            heads: list[Head] = []
            if settings.back_end != "cosine":
                # every step of the regression reads them
                projected = keep_rows(projected).rows()
                heads.append(fit_logistic(projected, part.codes, weights, settings.penalty))
            if settings.back_end != "logistic":
                heads.insert(0, fit_cosine(projected, part.codes, weights))
            return Scorer(part.labels, transform, tuple(heads), (1.0,) * len(heads))

    def _fit_transform(self, clips: Codes, part: TrainingRows) -> Supervectors:
        """Return mean and nuisance directions of some clips."""
        settings = self.settings
        mean = column_means(self.vectors.take(clips))
        drawn = draw_nuisance_clips(len(clips), np.random.default_rng((part.seed, len(part.labels))))
        none = np.zeros((0, len(mean)), dtype=np.float32)
        plain = Supervectors(self.ubm, settings.relevance, settings.bigram_lag, mean, none, self.training.n_warps)
        n_rows, rows = self.n_rows[clips[drawn]], self.vectors.take(clips[drawn])
        centred = rows.map(lambda at, chunk: plain.centre(chunk, n_rows[at]), rows.shape[1])
        directions = estimate_nuisance_directions(centred, part.codes[drawn], settings.n_nuisance)
        return replace(plain, nuisance_directions=directions)

    def _projected(self, transform: Supervectors, clips: Codes) -> ChunkedRows:
        """Return the vectors of some clips as they are scored, in single precision."""
        n_rows = self.n_rows[clips]
        vectors = self.vectors.take(clips)
        return vectors.map(lambda part, chunk: transform.project(chunk, n_rows[part]), vectors.shape[1])

    def score(self, scorer: Scorer, clips: Codes) -> Array:
        """Return each head's scores of some clips, shape (n, n_heads, n_labels), from the vectors of all of them.

        Parameters
        ----------
        scorer, clips
            As for :class:`gmmaudio.models.partial_fits.PartialFits`.
        """
        with one_thread():
            scores = np.empty((len(clips), len(scorer.heads), len(scorer.labels)))
            for part, projected in self._projected(cast(Supervectors, scorer.transform), clips):
                for i, head in enumerate(scorer.heads):
                    scores[part, i] = head.score(projected)
            return scores


def fit(training: TrainingRows, settings: SupervectorSettings) -> Fit:
    """Return a UBM with nuisance directions, and cosines or logistic regression (or both) on supervectors.

    The vectors of clips are in memory up to a bound, and beyond it in a temporary file
    (:mod:`gmmaudio.models.chunked_rows`).

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
    >>> fitted = fit(training, SupervectorSettings(n_components=2, n_nuisance=0))
    >>> fitted.scorer.labels[fitted.scorer.score(rows[1]).argmax()], list(fitted.traces)
    ('b', ['ubm'])
    """
    n_clips, lag = len(training.rows), settings.bigram_lag
    ubm, trace = _fit_warped_ubm(training, settings)
    vectors = RowTable((n_clips, vector_size(ubm, lag)), np.dtype(np.float32))
    for rows in training.rows:
        vectors.append(warped_supervector(ubm, rows, training.n_warps, settings.relevance, lag)[None])
    return replace(fit_vectors(training, vectors, ubm, settings), traces={UBM: trace})


def fit_vectors(training: TrainingRows, vectors: RowTable, ubm: GaussianMixture, settings: SupervectorSettings) -> Fit:
    """Return nuisance directions, and cosines or logistic regression (or both) on supervectors under a UBM.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips, of which the numbers alone are used.
    vectors : RowTable
        The :func:`warped_supervector` of every clip.
    ubm : GaussianMixture
        The UBM.
    settings : SupervectorSettings
        Settings of the fit.

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    >>> vectors = RowTable((4, 2), np.dtype(np.float32))
    >>> vectors.append(np.array([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]]))
    >>> counted = 4 * (np.zeros((20, 0)),)
    >>> training = TrainingRows(counted, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> settings = SupervectorSettings(n_components=1, n_nuisance=0, bigram_lag=0)
    >>> fitted = fit_vectors(training, vectors, ubm, settings)
    >>> fitted.partial.score(fitted.scorer, np.arange(4)).argmax(axis=2).ravel()
    array([0, 1, 0, 1])
    """
    clips = VectorFits(training, vectors, training.lengths, ubm, settings)
    return Fit(clips.fit(np.arange(len(vectors))), {}, clips)


def _fit_warped_ubm(training: TrainingRows, settings: SupervectorSettings) -> tuple[GaussianMixture, EMTrace]:
    """Return a UBM of one selected warp of each clip, and the trace of EM.

    A first UBM is fitted to the plain frames, the second to the warps that the first selects. Degraded copies are left
    out: with them, clean sound from other sources was recognised worse on two suites of three
    (docs/decisions/0039-language-in-noise.md). What copies change in the vectors becomes nuisance directions.
    """
    training, n_warps = training.originals(), training.n_warps
    plain = SelectedWarps(training.rows, n_warps, (0,) * len(training.rows))
    ubm, trace = fit_ubm(replace(training, rows=plain, n_warps=1), settings, settings.n_ubm_rows)
    if n_warps == 1:
        return ubm, trace
    warps = SelectedWarps(training.rows, n_warps, tuple(selected_warp(ubm, rows, n_warps) for rows in training.rows))
    return fit_ubm(replace(training, rows=warps, n_warps=1), settings, settings.n_ubm_rows)


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
