"""Rows of many clips -> one mixture for each label -> scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio import engine
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import EMTrace, GaussianMixture, check_settings, fit_gmm, stacked_log_density


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """How a classifier is trained: the settings of :func:`gmmaudio.mixture.fit_gmm` for every label.

    Parameters
    ----------
    n_components : int
        Components of each label's mixture.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of the components.
    init : {"kmeans", "hierarchical", "binary", "random"}
        Start of EM.
    n_init : int
        Starts, of which the best is kept.
    max_iter : int
        EM iterations at most.
    tol : float
        Stop below this gain, nats for each row and feature.
    variance_floor : float
        Least variance, as a share of the label's global variance.

    Raises
    ------
    SettingError
        If a setting is outside its bounds: now, rather than after an hour of decoding.
    """

    n_components: int = 16
    covariance_type: str = "diag"
    init: str = "kmeans"
    n_init: int = 1
    max_iter: int = 100
    tol: float = 1e-4
    variance_floor: float = 1e-3

    def __post_init__(self) -> None:
        check_settings(**vars(self))


@dataclass(frozen=True, eq=False)
class GMMClassifier:
    """One Gaussian mixture for each label; the label whose mixture finds the rows most likely wins.

    Parameters
    ----------
    labels : tuple of str
        Sorted, at least two.
    mixtures : tuple of GaussianMixture
        One for each label, over the same features.
    """

    labels: tuple[str, ...]
    mixtures: tuple[GaussianMixture, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.mixtures) or len(set(self.labels)) < max(2, len(self.labels)):
            raise SettingError(
                f"{len(self.labels)} labels and {len(self.mixtures)} mixtures; expected two or more of each"
            )

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return self.mixtures[0].n_features

    def score_rows(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the log density of every row under every label, shape (n, n_labels), nats.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows.
        """
        return stacked_log_density(self.mixtures, values)

    def score(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the mean log density of a row under every label, shape (n_labels,), nats.

        A mean, never a sum: frames of one clip are far from independent, and a sum overstates what they tell.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit the mixtures.
        """
        if len(values) == 0:
            raise MixtureError("there are no rows to score; at least one is needed")
        _check_finite(values)
        mean: npt.NDArray[np.float64] = self.score_rows(values).mean(axis=0)
        return mean


def fit(
    rows_per_clip: Sequence[npt.NDArray[np.floating]],
    labels: Sequence[str],
    config: ClassifierConfig,
    *,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[GMMClassifier, dict[str, EMTrace]]:
    """Return a classifier fitted to the rows of labelled clips, and each label's EM trace.

    Each label has a random stream of its own, drawn from the seed and its place in the sorted labels, so that the
    result is the same bits for any ``n_jobs``.

    Parameters
    ----------
    rows_per_clip : sequence of ndarray, shape (n_i, n_features)
        Finite rows of every clip, at least one each.
    labels : sequence of str
        Of every clip; at least two different ones.
    config : ClassifierConfig
        Settings of the fit.
    seed : int
        Drives the starts of EM.
    n_jobs : int
        Worker processes, over labels.

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
    for clip, rows in enumerate(rows_per_clip):
        _check_finite(rows, f"clip {clip}: ")
    tasks = (
        _Task(
            np.concatenate([r for r, own in zip(rows_per_clip, labels, strict=True) if own == name]),
            config,
            (seed, i),
        )
        for i, name in enumerate(names)
    )
    fits = list(engine.run(_fit_label, tasks, n_jobs))
    classifier = GMMClassifier(names, tuple(mixture for mixture, _ in fits))
    return classifier, {name: trace for name, (_, trace) in zip(names, fits, strict=True)}


@dataclass(frozen=True)
class _Task:
    """One label's fit."""

    rows: npt.NDArray[np.floating]
    config: ClassifierConfig
    seed: tuple[int, int]


def _fit_label(task: _Task) -> tuple[GaussianMixture, EMTrace]:
    """Return one label's mixture and trace."""
    config = task.config
    return fit_gmm(
        task.rows,
        config.n_components,
        covariance_type=config.covariance_type,
        init=config.init,
        n_init=config.n_init,
        max_iter=config.max_iter,
        tol=config.tol,
        variance_floor=config.variance_floor,
        rng=np.random.default_rng(task.seed),
    )


def _check_finite(rows: npt.NDArray[np.floating], where: str = "") -> None:
    """Raise where a number is not finite: a mixture takes NaN for a missing value, in frames it is a mistake."""
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        place = ", column ".join(map(str, bad[0]))
        raise MixtureError(
            f"{where}row {place} is {rows[tuple(bad[0])]}; frames must be finite: drop or repair such rows"
        )
