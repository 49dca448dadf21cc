"""The kind ``frames``: one Gaussian mixture for each label, on frames as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from gmmaudio.compute import Checkpoints, Cluster, one_thread, ordered_map
from gmmaudio.errors import WorkerError
from gmmaudio.mixture import EMStep, EMTrace, GaussianMixture, adapt_gmm, fit_gmm
from gmmaudio.mixture.parallel import BatchMapper, Mapper
from gmmaudio.mixture.sources import CHUNK_ROWS, RowSource
from gmmaudio.mixture.statistics import GROUP_CHUNKS
from gmmaudio.models.heads import Head, Mixtures
from gmmaudio.models.kind import Candidate, Kind
from gmmaudio.models.kind_settings import EmSettings, check_positive, check_whole
from gmmaudio.models.linear_algebra import Array, Codes, Matrix
from gmmaudio.models.partial_fits import Fit, score_rows_of_clips
from gmmaudio.models.score_parts import Answers, ScoreParts
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.training_rows import Piece, TrainingRows, every_second, n_rows_of
from gmmaudio.models.ubm import MAX_UBM_ROWS, UBM, Traces, fit_ubm
from gmmaudio.tensor_table import TensorLayout, Tensors
from gmmaudio.values import convert_fields

# iterations of EM for a part of the training set, from the mixture of all of it
MAX_REFITTING = 10
# with more rows than this, in all and for each component, a label is fitted to every second row of a part: neighbouring
# frames share most of their sound
MANY_ROWS, MANY_ROWS_EACH = 4_000, 200
# of a clip with more rows than this, every second is scored
MANY_ROWS_OF_CLIP = 500
# a label with more rows than this is fitted by all workers of a cluster at once: four groups of chunks
ROWS_OF_ONE_WORKER = 4 * GROUP_CHUNKS * CHUNK_ROWS


@dataclass(frozen=True, kw_only=True)
class FrameGmmSettings(EmSettings):
    """Settings of one mixture for each label.

    The fields of :class:`gmmaudio.models.kind_settings.EmSettings`, and those below.

    Parameters
    ----------
    relevance : float or None
        None fits each label by itself (maximum likelihood); a number adapts a UBM to each label (UBM-MAP), of which
        each component then counts as this many rows.
    n_ubm_rows : int
        Rows that the UBM is fitted to at most, the same number of each group as far as it has them.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> FrameGmmSettings(n_components=4).to_dict()["kind"]
    'frames'
    """

    kind: ClassVar[str] = "frames"
    relevance: float | None = None
    n_ubm_rows: int = 20_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.relevance is not None:
            check_positive("relevance", self.relevance)
        check_whole("n_ubm_rows", self.n_ubm_rows, 100, MAX_UBM_ROWS)

    @property
    def needs_ubm(self) -> bool:
        """Whether the mixtures are adapted from a UBM."""
        return self.relevance is not None

    @property
    def has_separate_labels(self) -> bool:
        """Whether each label is fitted to its own clips alone, up to a UBM of all: always."""
        return True


@dataclass(frozen=True, eq=False)
class Identity:
    """Rows as they are.

    Parameters
    ----------
    n_features : int
        Columns of the rows.

    Examples
    --------
    >>> Identity(2).apply(np.ones((1, 2)))
    array([[1., 1.]])
    """

    n_features: int
    kind: ClassVar[str] = "identity"
    scores_rows: ClassVar[bool] = True
    takes_missing: ClassVar[bool] = True
    n_warps: ClassVar[int] = 1
    setting_types: ClassVar[Mapping[str, Any]] = {"n_features": int}

    def __post_init__(self) -> None:
        convert_fields(self)

    @property
    def n_outputs(self) -> int:
        """Number of columns of the transformed rows."""
        return self.n_features

    def apply(self, values: Matrix) -> Matrix:
        """Return the rows, shape (n, n_features).

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows.
        """
        return values

    def split_score(self, values: Matrix, head: Head, label: int, _reference: Array | None) -> ScoreParts:
        """Return the parts of a head's score of every row, as the head splits it.

        Parameters
        ----------
        values, head, label, _reference
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return head.split_score(values, label)

    def answers(self, values: Matrix, head: Head, label: int) -> Answers | None:
        """Return the components of the head that answer for rows.

        Parameters
        ----------
        values, head, label
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return head.answers(values, label)

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""
        return {"n_features": self.n_features}

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""
        return {}

    @classmethod
    def tensor_table(cls, _settings: Mapping[str, Any], _n_labels: int) -> dict[str, TensorLayout]:
        """Return the tensors that it is stored in: none.

        Parameters
        ----------
        _settings, _n_labels
            As for :class:`gmmaudio.models.scorer.Transform`.
        """
        return {}

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], _tensors: Tensors) -> Identity:
        """Return the transform that settings and tensors describe.

        Parameters
        ----------
        settings, _tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """
        return cls(n_features=settings["n_features"])


def gmm_scorer(labels: tuple[str, ...], mixtures: tuple[GaussianMixture, ...]) -> Scorer:
    """Return the scorer of one mixture for each label on rows as they are.

    Parameters
    ----------
    labels : tuple of str
        Sorted, at least two.
    mixtures : tuple of GaussianMixture
        One for each label, over the same features.

    Raises
    ------
    SettingError
        If there is not one mixture for each of two labels or more.

    Examples
    --------
    >>> low, high = (GaussianMixture(np.ones(1), np.full((1, 1), mean), np.ones((1, 1))) for mean in (-1.0, 1.0))
    >>> int(gmm_scorer(("high", "low"), (high, low)).score(np.array([[0.5], [0.7]])).argmax())
    0
    """
    n_features = mixtures[0].n_features if mixtures else 0
    return Scorer(labels, Identity(n_features), (Mixtures(mixtures),))


def fit(training: TrainingRows, settings: FrameGmmSettings) -> Fit:
    """Return one mixture for each label, fitted to its rows or adapted to them from a UBM, and the traces of EM.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    settings : FrameGmmSettings
        Settings of the fit.

    Examples
    --------
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> fitted = fit(training, FrameGmmSettings(n_components=1))
    >>> fitted.scorer.labels[fitted.scorer.score(rows[1]).argmax()], list(fitted.traces)
    ('b', ['a', 'b'])
    """
    n_labels = len(training.labels)
    if settings.relevance is None:
        mixtures, traces = fit_mixtures((training.of_label(i) for i in range(n_labels)), training, settings)
        return Fit(gmm_scorer(training.labels, mixtures), traces, MixtureFits(training, settings, mixtures))
    ubm, trace = fit_ubm(training, settings, settings.n_ubm_rows)
    mixtures = _adapt_ubm(ubm, training, settings.relevance)
    return Fit(gmm_scorer(training.labels, mixtures), {UBM: trace}, MixtureFits(training, settings, mixtures, ubm))


def _adapt_ubm(ubm: GaussianMixture, training: TrainingRows, relevance: float) -> tuple[GaussianMixture, ...]:
    """Return a UBM adapted to the rows of each label."""
    return tuple(adapt_gmm(ubm, training.of_label(i), relevance=relevance) for i in range(len(training.labels)))


@dataclass(frozen=True, eq=False)
class MixtureFits:
    """The mixtures of all training clips, from which those of parts of the training set are made.

    EM of a part begins with the mixture that the label has in the whole training set and takes ``MAX_REFITTING``
    iterations at most: the parameters are those of the part's rows, but where its components lie may still tell of the
    clips that it leaves out. Where there are many rows, every second is taken, also of a clip that is scored. Mixtures
    that are adapted from a UBM are adapted from that of the whole training set.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    settings : FrameGmmSettings
        Settings of the fit.
    mixtures : tuple of GaussianMixture
        Mixture of each label.
    ubm : GaussianMixture or None
        The UBM that they were adapted from.

    Examples
    --------
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> fits = fit(training, FrameGmmSettings(n_components=1)).partial
    >>> fits.score(fits.fit(np.array([0, 1])), np.array([2, 3])).argmax(axis=2).ravel()
    array([0, 1])
    """

    training: TrainingRows
    settings: FrameGmmSettings
    mixtures: tuple[GaussianMixture, ...]
    ubm: GaussianMixture | None = None

    def fit(self, clips: Codes) -> Scorer:
        """Return the scorer of some clips, of the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips, ascending, of at least two labels.
        """
        part, settings = self.training.part(clips), self.settings
        with one_thread():
            if self.ubm is not None and settings.relevance is not None:
                return gmm_scorer(part.labels, _adapt_ubm(self.ubm, part, settings.relevance))
            starts = [self.mixtures[self.training.labels.index(label)] for label in part.labels]
            brief = replace(settings, n_init=1, max_iter=min(settings.max_iter, MAX_REFITTING))
            n_all = max(MANY_ROWS, MANY_ROWS_EACH * settings.n_components)
            rows = (_some_of(part.of_label(i), n_all) for i in range(len(part.labels)))
            return gmm_scorer(part.labels, fit_mixtures(rows, part, brief, starts=starts)[0])

    def score(self, scorer: Scorer, clips: Codes) -> Array:
        """Return each head's scores of some clips, shape (n, n_heads, n_labels).

        Parameters
        ----------
        scorer, clips
            As for :class:`gmmaudio.models.partial_fits.PartialFits`.
        """
        rows_of_clips = (self.training.rows[i] for i in clips)
        many = MANY_ROWS_OF_CLIP
        return score_rows_of_clips(scorer, (rows if len(rows) <= many else rows[::2] for rows in rows_of_clips))


def _some_of(source: Matrix | list[Piece], n_all: int) -> Matrix | list[Piece]:
    """Return every second row of a source; all where there are at most ``n_all``."""
    return source if n_rows_of(source) <= n_all else every_second(source)


def fit_mixtures(
    rows: Iterable[RowSource],
    training: TrainingRows,
    settings: EmSettings,
    *,
    starts: Sequence[GaussianMixture] | None = None,
) -> tuple[tuple[GaussianMixture, ...], Traces]:
    """Return the mixture of each label's rows, and the traces of EM.

    Each mixture has a random stream of its own, drawn from the seed and the index of its label.

    Parameters
    ----------
    rows : iterable of ndarray, shape (n_i, d), or list of ndarray or FileRows
        Rows of every label; worker processes open those in files for themselves.
    training : TrainingRows
        The labels, the seed, and how to run.
    settings : EmSettings
        Settings of EM.
    starts : sequence of GaussianMixture, optional
        Mixture of each label that EM starts from, instead of the settings' number of components and their start.

    Raises
    ------
    WorkerError
        If a worker process dies twice at the fit of a label, which the error names.

    Examples
    --------
    >>> rows = (np.array([[0.0], [2.0]]), np.array([[5.0], [7.0]]))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1]), ("1", "2"), 0)
    >>> mixtures, _ = fit_mixtures(rows, training, EmSettings(n_components=1))
    >>> [mixture.means.round(6).item() for mixture in mixtures]
    [1.0, 6.0]
    """
    run, n_labels = training.run, len(training.labels)
    tasks = (
        _Task(label_rows, settings, (training.seed, i), None if starts is None else starts[i], run.checkpoints)
        for i, label_rows in enumerate(rows)
    )

    def refuse(task: _Task, error: WorkerError) -> NoReturn:
        label, n_rows = training.labels[task.seed[1]], n_rows_of(task.rows)
        raise WorkerError(
            f"label {label!r}: {error} at the fit of {settings.n_components} components to {n_rows} rows; "
            "run with fewer worker processes (`n_jobs`) or fewer components (`n_components`)"
        ) from error

    n_rows = int(training.lengths.sum())
    n_workers = run.count_workers(settings.estimate_work(n_rows, training.pieces[0].shape[1]))

    def fit_here(task: _Task) -> tuple[GaussianMixture, EMTrace]:
        with run.steps(settings.max_iter, f"EM of {training.labels[task.seed[1]]}") as step:
            return _fit_label(task, lambda _: step())

    if run.cluster is not None:
        results = _fit_on_cluster(run.cluster, tasks, refuse)
    else:
        # the iterations of a worker process are not seen
        results = ordered_map(fit_here if n_workers == 1 else _fit_label, tasks, n_workers, on_crash=refuse)
    fits = list(run.progress(results, n_labels, "fitting mixtures"))
    return tuple(mixture for mixture, _ in fits), dict(zip(training.labels, (t for _, t in fits), strict=True))


@dataclass(frozen=True)
class _Task:
    """One label's fit."""

    rows: RowSource
    settings: EmSettings
    seed: tuple[int, int]
    start: GaussianMixture | None = None
    checkpoints: Checkpoints | None = None


def _fit_on_cluster(
    cluster: Cluster, tasks: Iterable[_Task], on_crash: Callable[[_Task, WorkerError], NoReturn]
) -> Iterator[tuple[GaussianMixture, EMTrace]]:
    """Yield the mixture and the trace of every label.

    Workers fit the labels, each a label at a time. Of a label with very many rows they take the sums of groups of
    chunks instead, in every iteration, so that all of them have work.
    """
    every = list(tasks)
    is_large = [n_rows_of(task.rows) > ROWS_OF_ONE_WORKER for task in every]
    small = [task for task, large in zip(every, is_large, strict=True) if not large]
    fits = cluster.map(_fit_label, small, on_crash=on_crash)
    for task, large in zip(every, is_large, strict=True):
        yield _fit_label(task, mapper=BatchMapper(cluster.map)) if large else next(fits)


def _fit_label(
    task: _Task, callback: Callable[[EMStep], None] | None = None, mapper: Mapper | None = None
) -> tuple[GaussianMixture, EMTrace]:
    """Return one label's mixture and trace; the callback gets each iteration."""
    settings = task.settings.em_settings()
    if task.start is not None:
        settings |= {"init": task.start, "n_components": task.start.n_components}
    rng, kept = np.random.default_rng(task.seed), task.checkpoints
    return fit_gmm(task.rows, **settings, rng=rng, callback=callback, mapper=mapper, checkpoints=kept)


def describe(settings: FrameGmmSettings) -> str:
    """Return the settings in one line of words.

    Parameters
    ----------
    settings : FrameGmmSettings
        Settings.

    Examples
    --------
    >>> describe(FrameGmmSettings(relevance=16.0))
    'one Gaussian mixture for each label on frames, K=16, diag covariances, adapted from one UBM'
    """
    words = "one Gaussian mixture for each label on frames, "
    words += f"K={settings.n_components}, {settings.covariance_type} covariances"
    return words + ("" if settings.relevance is None else ", adapted from one UBM")


FRAME_GMM = Kind(
    settings=FrameGmmSettings,
    transform=Identity,
    fit=fit,
    describe=describe,
    candidates=tuple(
        Candidate(cost, {"covariance_type": covariance_type, "n_components": n_components})
        for cost, covariance_type, n_components in (
            (5, "diag", 1),
            (6, "full", 1),
            (7, "diag", 4),
            (8, "full", 2),
            (9, "diag", 8),
            (10, "full", 4),
            (11, "diag", 16),
            (15, "diag", 32),
            (16, "diag", 64),
        )
    ),
)
