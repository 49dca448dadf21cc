"""The universal background model: one mixture of all labels' rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import count_jobs
from gmmaudio.mixture import EMTrace, GaussianMixture, fit_gmm
from gmmaudio.models.calibration import clip_weights
from gmmaudio.models.kinds.kind_settings import ClassifierConfig
from gmmaudio.models.linear_algebra import Array

Traces = dict[str, EMTrace]
# the name under which the background's trace stands
BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class TrainingRows:
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


def fit_background(training: TrainingRows) -> tuple[GaussianMixture, EMTrace]:
    """Return one mixture of everybody's rows: as many of each group as there are, up to an equal share."""
    config = training.config
    rng = np.random.default_rng((training.seed, len(training.names) + 1))
    pairs = list(zip(training.codes.tolist(), training.groups, strict=True))
    _, group = np.unique(pairs, axis=0, return_inverse=True)
    chosen = _balanced(group.ravel()[training.per_row()], config.n_background_rows, rng)
    rows = np.concatenate(training.rows)[chosen]
    return fit_gmm(rows, **config.em_settings(), rng=rng, n_threads=count_jobs(training.n_jobs))


def _balanced(group: npt.NDArray[np.intp], n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the places of at most ``n`` rows, the same number of each group as far as it has them."""
    order = rng.permutation(len(group))
    # the how-manyth of its group each row is, in random order: all firsts, then all seconds, ...
    by_group = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_group[np.argsort(rank, kind="stable")[:n]])
