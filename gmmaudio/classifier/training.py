"""Rows of labelled clips -> a classifier, of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmmaudio import engine
from gmmaudio.calibration import clip_weights
from gmmaudio.classifier.base import Classifier, check_finite, gmm_classifier
from gmmaudio.classifier.config import ClassifierConfig
from gmmaudio.classifier.heads import Linear, Mixtures, fit_cosine, fit_logistic
from gmmaudio.classifier.transforms import (
    Array,
    Supervectors,
    best_view,
    centred_parts,
    fit_projection,
    label_means,
    pair_belief,
    supervector,
    views_of,
    whitened,
    within_directions,
    without,
)
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import EMTrace, GaussianMixture, adapt_gmm, fit_gmm
from gmmaudio.threads import one_thread

Traces = dict[str, EMTrace]
# the name under which the background's trace stands
BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class _Training:
    """What a classifier is fitted to."""

    rows: tuple[npt.NDArray[np.floating], ...]
    names: tuple[str, ...]
    codes: npt.NDArray[np.intp]
    groups: tuple[str, ...]
    config: ClassifierConfig
    seed: int
    n_jobs: int
    n_views: int

    def of(self, code: int) -> npt.NDArray[np.floating]:
        """Return the rows of one label."""
        return np.concatenate([rows for rows, own in zip(self.rows, self.codes, strict=True) if own == code])

    def weights(self) -> Array:
        """Return weights by which every label counts the same, and every group within it, mean 1."""
        return clip_weights(self.codes, self.groups) * len(self.codes)

    def per_row(self) -> npt.NDArray[np.intp]:
        """Return the clip of every row."""
        return np.repeat(np.arange(len(self.rows)), [len(rows) for rows in self.rows])


def fit(
    rows_per_clip: Sequence[npt.NDArray[np.floating]],
    labels: Sequence[str],
    config: ClassifierConfig,
    *,
    groups: Sequence[str] | None = None,
    n_views: int = 1,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[Classifier, Traces]:
    """Return a classifier fitted to the rows of labelled clips, and the traces of EM.

    Each mixture has a random stream of its own, drawn from the seed and its label's place in the sorted labels, so
    that the result is the same bits for any ``n_jobs``.

    Parameters
    ----------
    rows_per_clip : sequence of ndarray, shape (n_i, n_features)
        Finite rows of every clip, at least one each.
    labels : sequence of str
        Of every clip; at least two different ones.
    config : ClassifierConfig
        Settings of the fit.
    groups : sequence of str or None
        Of every clip: the artist or speaker; no group of a label weighs more than another. None takes each clip for
        one of its own. Mixtures fitted to a label's rows by maximum likelihood know of no groups.
    n_views : int
        Views of a frame that each row holds side by side, of which supervectors take one for each clip.
    seed : int
        Drives the starts of EM.
    n_jobs : int
        Worker processes (or threads).

    Raises
    ------
    SettingError
        If a setting is outside its bounds, or there are fewer than two labels.
    MixtureError
        If rows are not finite matrices of one width.

    Examples
    --------
    >>> rows = [np.full((9, 1), -1.0), np.full((9, 1), 1.0)]
    >>> classifier, _ = fit(rows, ["low", "high"], ClassifierConfig(n_components=1))
    >>> classifier.labels[classifier.score(np.full((3, 1), 0.9)).argmax()]
    'high'
    """
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise SettingError(f"only the label {', '.join(names) or 'none'}; at least two are needed to tell apart")
    widths = sorted({rows.shape[-1] for rows in rows_per_clip})
    if len(widths) > 1:
        raise MixtureError(f"clips have rows of {' and '.join(map(str, widths))} features; expected one width")
    if n_views < 1 or widths[0] % n_views:
        raise MixtureError(f"rows of {widths[0]} features cannot hold {n_views} views")
    if n_views > 1 and config.kind != "supervector":
        raise SettingError(f"rows hold {n_views} views; {config.kind} take one, supervectors any number")
    for clip, rows in enumerate(rows_per_clip):
        check_finite(rows, f"clip {clip}: ")
    codes = np.array([names.index(label) for label in labels])
    own = tuple(map(str, range(len(codes)))) if groups is None else tuple(groups)
    training = _Training(tuple(rows_per_clip), names, codes, own, config, seed, n_jobs, n_views)
    fitter = {"frames": _fit_frames, "blocks": _fit_blocks, "supervector": _fit_supervectors}[config.kind]
    # one thread for linear algebra, so that a model is the same bits for any number of jobs
    with one_thread():
        return fitter(training)


def _fit_frames(training: _Training) -> tuple[Classifier, Traces]:
    """Return one mixture for each label: fitted to its rows, or the background adapted to them."""
    config = training.config
    if config.relevance is None:
        mixtures, traces = _fit_mixtures((training.of(i) for i in range(len(training.names))), training)
        return gmm_classifier(training.names, mixtures), traces
    background, trace = _fit_background(training)
    mixtures = tuple(
        adapt_gmm(background, training.of(i), relevance=config.relevance) for i in range(len(training.names))
    )
    return gmm_classifier(training.names, mixtures), {BACKGROUND: trace}


def _fit_blocks(training: _Training) -> tuple[Classifier, Traces]:
    """Return a projection, and Gaussians or linear functions (or both) on projected rows."""
    config, clip = training.config, training.per_row()
    rows: Array = np.concatenate(training.rows).astype(np.float64)
    codes = training.codes[clip]
    projection = fit_projection(rows, config.n_pca, config.z_limit)
    traces: Traces = {}
    heads: list[Mixtures | Linear] = []
    if config.is_shared:
        projection = whitened(projection, projection.apply(rows), codes, config.shrinkage)
    projected = projection.apply(rows)
    weights = (training.weights() / np.bincount(clip))[clip]
    if config.back_end != "logistic":
        if config.is_shared:
            heads.append(_unit_gaussians(label_means(projected, codes, weights)))
        else:
            mixtures, traces = _fit_mixtures((projected[codes == i] for i in range(len(training.names))), training)
            heads.append(Mixtures(mixtures))
    if config.back_end != "own":
        heads.append(fit_logistic(projected, codes, weights * (len(clip) / weights.sum()), config.penalty))
    return Classifier(training.names, projection, tuple(heads), (1.0,) * len(heads)), traces


def _unit_gaussians(means: Array) -> Mixtures:
    """Return one Gaussian of unit covariance around each mean: what a shared covariance is after whitening."""
    one = np.ones(1)
    return Mixtures(tuple(GaussianMixture(one, mean[None], one, "spherical") for mean in means))


def _fit_supervectors(training: _Training) -> tuple[Classifier, Traces]:
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


def _fit_views(training: _Training) -> tuple[_Training, GaussianMixture, EMTrace]:
    """Return the training set heard in one view of each clip, and a background of such views.

    The first background is of the plain views, the second of those that the first liked best; the second chooses.
    """
    every, n_views = training.rows, training.n_views

    def heard(choose: Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]) -> _Training:
        return replace(training, rows=tuple(map(choose, every)), n_views=1)

    plain = heard(lambda rows: views_of(rows, n_views)[0])
    background, trace = _fit_background(plain)
    if n_views == 1:
        return plain, background, trace
    first = background
    background, trace = _fit_background(heard(lambda rows: best_view(first, rows, n_views)))
    return heard(lambda rows: best_view(background, rows, n_views)), background, trace


def _fit_background(training: _Training) -> tuple[GaussianMixture, EMTrace]:
    """Return one mixture of everybody's rows: as many of each group as there are, up to an equal share."""
    config = training.config
    rng = np.random.default_rng((training.seed, len(training.names) + 1))
    pairs = list(zip(training.codes.tolist(), training.groups, strict=True))
    _, group = np.unique(pairs, axis=0, return_inverse=True)
    chosen = _balanced(group.ravel()[training.per_row()], config.n_background_rows, rng)
    rows = np.concatenate(training.rows)[chosen]
    return fit_gmm(rows, **config.em_settings(), rng=rng, n_threads=engine.count_jobs(training.n_jobs))


def _balanced(group: npt.NDArray[np.intp], n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the places of at most ``n`` rows, the same number of each group as far as it has them."""
    order = rng.permutation(len(group))
    # the how-manyth of its group each row is, in random order: all firsts, then all seconds, ...
    by_group = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_group[np.argsort(rank, kind="stable")[:n]])


def _fit_mixtures(
    rows: Iterable[npt.NDArray[np.floating]], training: _Training
) -> tuple[tuple[GaussianMixture, ...], Traces]:
    """Return the mixture of each label's rows, and the traces."""
    tasks = (_Task(own, training.config, (training.seed, i)) for i, own in enumerate(rows))
    fits = list(engine.run(_fit_label, tasks, training.n_jobs))
    return tuple(mixture for mixture, _ in fits), dict(zip(training.names, (t for _, t in fits), strict=True))


@dataclass(frozen=True)
class _Task:
    """One label's fit."""

    rows: npt.NDArray[np.floating]
    config: ClassifierConfig
    seed: tuple[int, int]


def _fit_label(task: _Task) -> tuple[GaussianMixture, EMTrace]:
    """Return one label's mixture and trace."""
    return fit_gmm(task.rows, **task.config.em_settings(), rng=np.random.default_rng(task.seed))
