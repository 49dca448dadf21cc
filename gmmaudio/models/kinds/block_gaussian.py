"""The kind ``blocks``: Gaussians, or linear functions, on standardised and projected blocks of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features import MAX_FEATURES
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.covariance import MIN_VARIANCE_SHARE, covariance_of
from gmmaudio.models.chunked_rows import ChunkedRows, in_chunks, keep_rows, rows_of_clips
from gmmaudio.models.heads import Head, Mixtures
from gmmaudio.models.kind import Candidate, Kind
from gmmaudio.models.kind_settings import FUSIONS, EmSettings, check_choice, check_positive, check_whole
from gmmaudio.models.kinds.frame_gmm import fit_mixtures
from gmmaudio.models.linear_algebra import Array, Codes, Matrix, signed_axes
from gmmaudio.models.logistic_regression import fit_logistic
from gmmaudio.models.partial_fits import Fit
from gmmaudio.models.running_moments import label_means, mean_and_covariance, mean_and_deviation, weighted_scatter
from gmmaudio.models.score_parts import Answers, ScoreParts
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.training_rows import TrainingRows
from gmmaudio.models.ubm import Traces
from gmmaudio.tensor_table import LARGEST, TensorLayout, Tensors
from gmmaudio.values import convert_fields

Flags = npt.NDArray[np.bool_]
BACK_ENDS = ("gaussian", "logistic", *FUSIONS)
# one covariance for all labels, beside the types of a mixture
SHARED = "shared"
# rows of a training set for each principal component: inner folds, and those less a label, have half of them
ROWS_PER_COMPONENT = 4
# a column of a smaller standard deviation, relative to its mean, is constant: it is left at zero
MIN_STD = 1e-9


@dataclass(frozen=True, kw_only=True)
class BlockGaussianSettings(EmSettings):
    """Settings of Gaussians on blocks.

    The fields of :class:`gmmaudio.models.kind_settings.EmSettings`, and those below.

    Parameters
    ----------
    covariance_type : {"shared", "diag", "full", "tied", "spherical"}
        ``shared`` is one full covariance for all labels, shrunk, with one component for each label; the others are
        those of a mixture for each label.
    n_pca : int or None
        Principal components kept at most; None keeps as many as the rows have. Training takes no more than a quarter
        of its rows.
    soft_clip : float or None
        Standardised values are softly clipped to this many standard deviations (``limit * tanh(z / limit)``), against
        recordings unlike any in training; None leaves them as they are.
    shrinkage : float or None
        Share of a multiple of the identity in the shared covariance, 0..1; None takes Ledoit and Wolf's, which takes
        overlapping blocks for independent.
    own_covariance : float
        Share of a label's own covariance, shrunk like the shared one, in the covariance of its Gaussian, 0..1; the rest
        is the shared one. 0: labels share all of it.
    back_end : {"gaussian", "logistic", "mean", "trained"}
        Gaussians, linear logistic regression, or both, each at its own temperature and with equal weight ("mean"), or
        with weights learned on inner folds ("trained").
    penalty : float
        Penalty of logistic regression: half the squared coefficients count as much as this share of the mean log-loss.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> BlockGaussianSettings(back_end="mean").n_heads
    2
    """

    kind: ClassVar[str] = "blocks"
    n_components: int = 1
    covariance_type: str = SHARED
    n_pca: int | None = 80
    soft_clip: float | None = 2.0
    shrinkage: float | None = 0.6
    own_covariance: float = 0.0
    back_end: str = "gaussian"
    penalty: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_shared and self.n_components != 1:
            raise SettingError(
                f"n_components is {self.n_components}; expected 1 where labels share a covariance: for more, take "
                "another `covariance_type`, such as diag"
            )
        check_choice("back_end", self.back_end, BACK_ENDS)
        if self.n_pca is not None:
            check_whole("n_pca", self.n_pca, 1, MAX_FEATURES)
        if self.soft_clip is not None:
            check_positive("soft_clip", self.soft_clip)
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise SettingError(f"shrinkage is {self.shrinkage}; expected a share, 0 to 1")
        if not 0 <= self.own_covariance <= 1:
            raise SettingError(f"own_covariance is {self.own_covariance}; expected a share, 0 to 1")
        check_positive("penalty", self.penalty)

    @property
    def is_shared(self) -> bool:
        """Whether all labels have one covariance."""
        return self.covariance_type == SHARED

    @property
    def mixture_covariance_type(self) -> str:
        """Covariance type of the mixtures that are fitted: a shared covariance is full."""
        return "full" if self.is_shared else self.covariance_type

    @property
    def fusion(self) -> str | None:
        """How the scores of two heads are combined: ``mean``, ``trained``, or None where there is one head."""
        return self.back_end if self.back_end in FUSIONS else None

    def cap_components(self, n_rows: int) -> Self:
        """Return settings with at most one principal component for every four rows.

        Parameters
        ----------
        n_rows : int
            Rows of the training set.
        """
        most = max(1, n_rows // ROWS_PER_COMPONENT)
        return replace(self, n_pca=min(self.n_pca or most, most))


@dataclass(frozen=True, eq=False)
class Projection:
    """Standardised rows, softly clipped, times a matrix.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_features,)
        Subtracted, and divided by.
    matrix : ndarray, shape (n_features, d)
        Principal axes, whitened where labels share a covariance.
    soft_clip : float or None
        Standardised values stay within -soft_clip..soft_clip.

    Raises
    ------
    SettingError
        If the shapes do not fit, or ``soft_clip`` is no number above 0.

    Examples
    --------
    >>> Projection(np.ones(2), np.full(2, 2.0), np.eye(2)).apply(np.array([[3.0, 1.0]]))
    array([[1., 0.]])
    """

    mean: Array
    scale: Array
    matrix: Array
    soft_clip: float | None = None
    kind: ClassVar[str] = "projection"
    scores_rows: ClassVar[bool] = True
    takes_missing: ClassVar[bool] = False
    n_warps: ClassVar[int] = 1
    setting_types: ClassVar[Mapping[str, Any]] = {"soft_clip": float | None}

    def __post_init__(self) -> None:
        convert_fields(self)
        n = len(self.matrix)
        if self.matrix.ndim != 2 or self.mean.shape != (n,) or self.scale.shape != (n,):
            raise SettingError(
                f"mean, scale and matrix have shapes {self.mean.shape}, {self.scale.shape} and {self.matrix.shape}; "
                "expected (n_features,) twice and (n_features, d)"
            )
        if self.soft_clip is not None:
            check_positive("soft_clip", self.soft_clip)

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""
        return len(self.matrix)

    @property
    def n_outputs(self) -> int:
        """Number of columns of the transformed rows."""
        return int(self.matrix.shape[1])

    def apply(self, values: Matrix) -> Array:
        """Return the projected rows, shape (n, d).

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows.
        """
        return standardise(values, self.mean, self.scale, self.soft_clip) @ self.matrix

    def split_score(self, values: Matrix, head: Head, label: int, reference: Array | None) -> ScoreParts:
        """Return the parts of a head's score of every row, by the columns that the projection mixes.

        The score is a line from the reference to the row, whose slopes are taken back through the matrix. The reference
        is taken back to the shortest standardised row that is projected to it: of a label's mean that is the mean of
        its standardised rows, as far as the principal axes hold it.

        Parameters
        ----------
        values, head, label, reference
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        z = standardise(values, self.mean, self.scale, self.soft_clip)
        base = np.zeros(self.n_features) if reference is None else np.linalg.pinv(self.matrix.T) @ reference
        # rows that are standardised are small: a matrix of rounding errors has no such row
        if not np.abs(base).max() <= LARGEST:
            base, reference = np.zeros(self.n_features), None
        line = head.linearise(z @ self.matrix, label, base @ self.matrix)
        key = "intercept" if reference is None else "midpoint"
        return ScoreParts((z - base) * (line.slopes @ self.matrix.T), {key: line.constant})

    def answers(self, values: Matrix, head: Head, label: int) -> Answers | None:
        """Return the components of the head that answer for projected rows.

        Parameters
        ----------
        values, head, label
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return head.answers(self.apply(values), label)

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""
        return {"soft_clip": self.soft_clip}

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""
        return {"mean": self.mean, "scale": self.scale, "matrix": self.matrix}

    @classmethod
    def tensor_table(cls, _settings: Mapping[str, Any], _n_labels: int) -> dict[str, TensorLayout]:
        """Return the tensors that it is stored in; the scale of a constant column is infinite.

        Parameters
        ----------
        _settings, _n_labels
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return {
            "mean": TensorLayout("float64", ("n_features",)),
            "scale": TensorLayout.positive("n_features", may_be_infinite=True),
            "matrix": TensorLayout("float64", ("n_features", "d")),
        }

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Projection:
        """Return the transform that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """
        return cls(tensors["mean"], tensors["scale"], tensors["matrix"], settings["soft_clip"])


def standardise(values: Matrix, mean: Array, scale: Array, soft_clip: float | None) -> Array:
    """Return rows less a mean over a scale, softly clipped, shape (n, n_features).

    Parameters
    ----------
    values : ndarray, shape (n, n_features)
        Rows.
    mean, scale : ndarray, shape (n_features,)
        Subtracted, and divided by.
    soft_clip : float or None
        Limit of ``limit * tanh(z / limit)``; None clips nothing.

    Examples
    --------
    >>> standardise(np.array([[0.0, 9.0]]), np.zeros(2), np.ones(2), 2.0).round(3)
    array([[0., 2.]])
    """
    z = (np.asarray(values, dtype=np.float64) - mean) / scale
    return z if soft_clip is None else soft_clip * np.tanh(z / soft_clip)


def fit_projection(
    rows: Matrix | ChunkedRows,
    n_pca: int | None,
    soft_clip: float | None,
    weights: Array | None = None,
    is_copy: Flags | None = None,
) -> tuple[Projection, ChunkedRows]:
    """Return standardisation and principal axes of rows, and the standardised rows, which take most of its time.

    Rows of degraded copies are not standardised by: they would widen the scale of what a degradation moves.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features), or ChunkedRows
        At least one row.
    n_pca : int or None
        Axes kept at most; None keeps all in which the rows differ.
    soft_clip : float or None
        As for :class:`Projection`.
    weights : ndarray, shape (n,), optional
        Weight of every row in the principal axes, above 0; None weights all the same.
    is_copy : ndarray, shape (n,), bool, optional
        Whether every row is of a degraded copy; None: none is.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    >>> projection, z = fit_projection(rows, None, None)
    >>> projection.matrix.shape, bool((z.whole() @ projection.matrix == projection.apply(rows)).all())
    ((2, 1), True)
    """
    chunks = in_chunks(rows)
    mean, scale = mean_and_deviation(chunks, None if is_copy is None else (~is_copy).astype(np.float64))
    scale = np.where(scale > MIN_STD * np.maximum(1.0, abs(mean)), scale, np.inf)
    z = keep_rows(chunks.map(lambda _, chunk: standardise(chunk, mean, scale, soft_clip), len(mean))).rows()
    values, axes = np.linalg.eigh(mean_and_covariance(z, weights)[1])
    n_varying = int((values > 1e-10 * max(values.max(), 1e-300)).sum())
    n_kept = max(1, min(n_varying, n_pca or n_varying))
    return Projection(mean, scale, signed_axes(axes[:, ::-1][:, :n_kept]), soft_clip), z


def whiten_projection(
    projection: Projection,
    rows: Matrix | ChunkedRows,
    codes: Codes,
    shrinkage: float | None = None,
    weights: Array | None = None,
) -> Projection:
    """Return a projection after which rows of one label have the unit covariance, up to shrinkage.

    Parameters
    ----------
    projection : Projection
        The projection so far.
    rows : ndarray, shape (n, d), or ChunkedRows
        Projected rows.
    codes : ndarray, shape (n,), int
        Label of every row, 0..n_labels - 1.
    shrinkage : float or None
        Share of a multiple of the identity in the covariance, 0..1; None takes Ledoit and Wolf's.
    weights : ndarray, shape (n,), optional
        Weight of every row, above 0; None weights every row by 1.

    References
    ----------
    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2004).

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]])
    >>> whitened = whiten_projection(Projection(np.zeros(2), np.ones(2), np.eye(2)), rows, np.zeros(4, np.intp), 0.0)
    >>> np.cov(whitened.apply(rows), rowvar=False, bias=True).round(6)
    array([[1., 0.],
           [0., 1.]])
    """
    chunks = in_chunks(rows)
    means = label_means(chunks, codes, weights)
    scatter, fourth_moment, n = np.zeros(means.shape[1:] * 2), 0.0, 0.0
    for part, chunk in chunks:
        centred, each = chunk - means[codes[part]], None if weights is None else weights[part]
        scatter = scatter + weighted_scatter(centred, each)
        fourth_powers = np.square(np.square(centred).sum(axis=1))
        fourth_moment += float(fourth_powers.sum() if each is None else each @ fourth_powers)
        n += len(chunk) if each is None else float(each.sum())
    covariance = scatter / n
    if shrinkage is None:
        shrinkage = ledoit_wolf_shrinkage(covariance, fourth_moment / n, n)
    values, axes = np.linalg.eigh(_shrunk(covariance, shrinkage))
    # rows that never differ from those of their label are not scaled
    largest = max(values.max(), 0.0)
    root = axes / np.sqrt(np.maximum(values, 1e-9 * largest)) if largest else axes
    return Projection(projection.mean, projection.scale, projection.matrix @ root, projection.soft_clip)


def _shrunk(covariance: Array, shrinkage: float) -> Array:
    """Return a covariance with a share of the multiple of the identity that has its trace."""
    level = np.trace(covariance) / len(covariance)
    shrunk: Array = (1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance))
    return shrunk


def own_covariances(
    rows: Matrix | ChunkedRows, codes: Codes, share: float, shrinkage: float | None, weights: Array | None = None
) -> Array:
    """Return the covariance of every label, shape (n_labels, d, d), for rows whose shared covariance is the unit.

    Each is the unit and a share of the label's own covariance, which has too few rows to stand alone: regularised
    discriminant analysis with whitened rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        Whitened rows.
    codes : ndarray, shape (n,), int
        Label of every row, 0..n_labels - 1.
    share : float
        Share of the own covariance, 0..1.
    shrinkage : float or None
        Share of a multiple of the identity in it, 0..1; None takes Ledoit and Wolf's.
    weights : ndarray, shape (n,), optional
        Weight of every row, above 0; None weights every row by 1.

    References
    ----------
    Friedman, "Regularized discriminant analysis", Journal of the American Statistical Association 84 (1989).

    Examples
    --------
    >>> rows = np.array([[-1.0], [1.0], [-3.0], [3.0]])
    >>> own_covariances(rows, np.array([0, 0, 1, 1]), 0.5, 0.0).ravel()
    array([1., 5.])
    """
    chunks = in_chunks(rows)
    means = label_means(chunks, codes, weights)
    scatter = np.zeros((len(means), *means.shape[1:] * 2))
    fourth_moments, n = np.zeros(len(means)), np.zeros(len(means))
    for part, chunk in chunks:
        each = np.ones(len(chunk)) if weights is None else weights[part]
        centred = chunk - means[codes[part]]
        for k in np.unique(codes[part]):
            own = codes[part] == k
            scatter[k] += weighted_scatter(centred[own], each[own])
            fourth_moments[k] += each[own] @ np.square(np.square(centred[own]).sum(axis=1))
            n[k] += each[own].sum()
    covariances = scatter / n[:, None, None]
    for k, covariance in enumerate(covariances):
        least = shrinkage
        if least is None:
            least = ledoit_wolf_shrinkage(covariance, fourth_moments[k] / n[k], n[k])
        covariances[k] = (1 - share) * np.eye(len(covariance)) + share * _shrunk(covariance, least)
    return covariances


def ledoit_wolf_shrinkage(covariance: Array, fourth_moment: float, n: float) -> float:
    """Return Ledoit and Wolf's share of a multiple of the identity in the covariance of centred rows, 0..1.

    It needs two moments of the rows, which can be summed chunk by chunk, and not the rows.

    Parameters
    ----------
    covariance : ndarray, shape (d, d)
        Their covariance.
    fourth_moment : float
        Mean of the fourth power of their lengths.
    n : float
        Number of rows, or the sum of their weights.

    References
    ----------
    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2004), lemma 3.2 and section 3.3.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    >>> ledoit_wolf_shrinkage(rows.T @ rows / 4, float((rows**2).sum(axis=1) @ (rows**2).sum(axis=1)) / 4, 4)
    0.9444444444444444
    """
    squares = float(np.square(covariance).sum())
    # squared distance of the covariance from the multiple of the identity, and of the covariance from the true one
    from_identity = squares - np.trace(covariance) ** 2 / len(covariance)
    from_truth = (fourth_moment - squares) / n
    return float(np.clip(from_truth / from_identity, 0.0, 1.0)) if from_identity > 0 else 0.0


def fit(training: TrainingRows, settings: BlockGaussianSettings) -> Fit:
    """Return a projection with Gaussians or linear functions (or both) on projected rows, and the traces of EM.

    Moments are summed over chunks of rows: of all rows no more than a chunk is in memory, beside standardised and
    projected ones up to a bound (:mod:`gmmaudio.models.chunked_rows`). Mixtures hold the projected rows of a label.

    Fits to parts of the training set share nothing: principal axes that have heard a clip put the densities of its rows
    on another scale than those of a new clip, and an open-set threshold would not fit it.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    settings : BlockGaussianSettings
        Settings of the fit.

    Examples
    --------
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> scorer = fit(training, BlockGaussianSettings()).scorer
    >>> scorer.labels[scorer.score(rows[1]).argmax()]
    'b'
    """
    clip, shares, is_copy = training.clip_of_rows(), training.shares(), training.is_copy
    codes, lengths = training.codes[clip], training.lengths
    of_rows = None if shares is None else shares[clip]
    projection, z = fit_projection(
        rows_of_clips(training.rows, lengths),
        settings.n_pca,
        settings.soft_clip,
        of_rows,
        None if of_rows is None or is_copy is None else is_copy[clip],
    )
    traces: Traces = {}
    heads: list[Head] = []
    if settings.is_shared:
        projection = whiten_projection(projection, _projected(z, projection), codes, settings.shrinkage, of_rows)
    projected = _projected(z, projection)
    weights = (training.weights() * (1.0 if shares is None else shares) / lengths)[clip]
    if settings.back_end != "gaussian" or not settings.is_shared or settings.own_covariance:
        table = keep_rows(projected)
        projected = table.rows()
    if settings.back_end != "logistic":
        if settings.is_shared:
            heads.append(_gaussians(projected, codes, weights, of_rows, settings))
        else:
            label_rows = (table.take(members).whole() for members in _members(codes))
            mixtures, traces = fit_mixtures(label_rows, training, settings)
            heads.append(Mixtures(mixtures))
    if settings.back_end != "gaussian":
        heads.append(fit_logistic(projected, codes, weights * (len(clip) / weights.sum()), settings.penalty))
    return Fit(Scorer(training.labels, projection, tuple(heads), (1.0,) * len(heads)), traces)


def _projected(z: ChunkedRows, projection: Projection) -> ChunkedRows:
    """Return standardised rows in the coordinates of a projection."""
    return z.map(lambda _, chunk: chunk @ projection.matrix, projection.n_outputs)


def _members(codes: Codes) -> list[Codes]:
    """Return the indices of the rows of every label, ascending."""
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def _gaussians(
    rows: ChunkedRows, codes: Codes, weights: Array, of_rows: Array | None, settings: BlockGaussianSettings
) -> Mixtures:
    """Return one Gaussian for each label on whitened rows: of unit covariance, or with a share of the label's own."""
    one, means = np.ones(1), np.asarray(label_means(rows, codes, weights), dtype=np.float64)
    if not settings.own_covariance:
        return Mixtures(tuple(GaussianMixture(one, mean[None], one, "spherical") for mean in means))
    covariances = own_covariances(rows, codes, settings.own_covariance, settings.shrinkage, of_rows)
    # the own covariance of a label with few rows is singular; rows are whitened, so the variance of all of them is 1
    floor = max(settings.variance_floor, MIN_VARIANCE_SHARE)
    covariances = covariance_of("full").apply_floor(covariances, floor)
    pairs = zip(means, covariances, strict=True)
    return Mixtures(tuple(GaussianMixture(one, mean[None], each[None], "full") for mean, each in pairs))


def describe(settings: BlockGaussianSettings) -> str:
    """Return the settings in one line of words.

    Parameters
    ----------
    settings : BlockGaussianSettings
        Settings.

    Examples
    --------
    >>> describe(BlockGaussianSettings())
    'one Gaussian mixture for each label on blocks, K=1, a covariance in common, PCA 80'
    """
    shape = "a covariance in common" if settings.is_shared else f"{settings.covariance_type} covariances"
    if settings.is_shared and settings.own_covariance:
        shape += f" and {settings.own_covariance:.0%} of its own"
    mixtures = f"one Gaussian mixture for each label on blocks, K={settings.n_components}, {shape}"
    words = {
        "gaussian": mixtures,
        "logistic": "logistic regression on blocks",
        "mean": f"{mixtures}, averaged with logistic regression",
        "trained": f"{mixtures}, weighted with logistic regression",
    }[settings.back_end]
    return words + ("" if settings.n_pca is None else f", PCA {settings.n_pca}")


BLOCK_GAUSSIAN = Kind(
    settings=BlockGaussianSettings,
    transform=Projection,
    fit=fit,
    describe=describe,
    candidates=tuple(
        Candidate(cost, {"covariance_type": covariance_type, "n_components": 1, "n_pca": n_pca, "back_end": "gaussian"})
        for cost, covariance_type, n_pca in ((1, SHARED, 20), (2, SHARED, 40), (3, SHARED, 80), (4, "diag", 20))
    ),
)
