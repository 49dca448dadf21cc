"""One Gaussian mixture for each label, on frames as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import ordered_map
from gmmaudio.mixture import EMTrace, GaussianMixture, adapt_gmm, fit_gmm
from gmmaudio.models.heads import Mixtures
from gmmaudio.models.kinds.kind_settings import ClassifierConfig
from gmmaudio.models.linear_algebra import Parts, Rows
from gmmaudio.models.scorer import Classifier
from gmmaudio.models.ubm import BACKGROUND, Traces, TrainingRows, fit_background


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
    scores_rows: ClassVar[bool] = True

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


def gmm_classifier(labels: tuple[str, ...], mixtures: tuple[GaussianMixture, ...]) -> Classifier:
    """Return the classifier of one mixture for each label on rows as they are.

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
    """
    n_features = mixtures[0].n_features if mixtures else 0
    return Classifier(labels, Identity(n_features), (Mixtures(mixtures),))


def fit_frames(training: TrainingRows) -> tuple[Classifier, Traces]:
    """Return one mixture for each label: fitted to its rows, or the background adapted to them."""
    config = training.config
    if config.relevance is None:
        mixtures, traces = fit_mixtures((training.of(i) for i in range(len(training.names))), training)
        return gmm_classifier(training.names, mixtures), traces
    background, trace = fit_background(training)
    mixtures = tuple(
        adapt_gmm(background, training.of(i), relevance=config.relevance) for i in range(len(training.names))
    )
    return gmm_classifier(training.names, mixtures), {BACKGROUND: trace}


def fit_mixtures(
    rows: Iterable[npt.NDArray[np.floating]], training: TrainingRows
) -> tuple[tuple[GaussianMixture, ...], Traces]:
    """Return the mixture of each label's rows, and the traces."""
    tasks = (_Task(own, training.config, (training.seed, i)) for i, own in enumerate(rows))
    fits = list(ordered_map(_fit_label, tasks, training.n_jobs))
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
