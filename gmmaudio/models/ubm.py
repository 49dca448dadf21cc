"""The universal background model (UBM): one mixture fitted to the rows of all labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import count_jobs
from gmmaudio.mixture import EMTrace, GaussianMixture, fit_gmm
from gmmaudio.models.kind_settings import EmSettings
from gmmaudio.models.training_rows import TrainingRows

Traces = dict[str, EMTrace]
# rows of a UBM's training set at most
MAX_UBM_ROWS = 1_000_000_000
# the name of the UBM's trace, beside those of labels
UBM = "ubm"


def fit_ubm(training: TrainingRows, settings: EmSettings, n_rows: int) -> tuple[GaussianMixture, EMTrace]:
    """Return the UBM of a training set, and the trace of EM.

    Parameters
    ----------
    training : TrainingRows
        Rows of all labels.
    settings : EmSettings
        Settings of EM.
    n_rows : int
        Rows used at most: the same number of each group as far as it has them.

    References
    ----------
    Reynolds, Quatieri, Dunn, "Speaker verification using adapted Gaussian mixture models", Digital Signal Processing
    10 (2000).

    Examples
    --------
    >>> rows = (np.array([[-1.0], [1.0]]), np.array([[2.0], [4.0]]))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1]), ("1", "2"), 0)
    >>> ubm, _ = fit_ubm(training, EmSettings(n_components=1), 100)
    >>> ubm.means.round(6)
    array([[1.5]])
    """
    rng = np.random.default_rng((training.seed, len(training.labels) + 1))
    label_groups = list(zip(training.codes.tolist(), training.groups, strict=True))
    _, group = np.unique(label_groups, axis=0, return_inverse=True)
    chosen = balanced_rows(group.ravel()[training.clip_of_rows()], n_rows, rng)
    edges = np.cumsum([0, *map(len, training.rows)])
    # of each clip its chosen rows: a copy of all rows would double the memory
    places = np.split(chosen, np.searchsorted(chosen, edges[1:-1]))
    parts = zip(training.rows, places, edges[:-1], strict=True)
    rows = np.concatenate([of_clip[at - start] for of_clip, at, start in parts])
    n_threads = count_jobs(training.run.n_jobs)
    with training.run.steps(settings.max_iter, "fitting the UBM") as step:
        return fit_gmm(rows, **settings.em_settings(), rng=rng, n_threads=n_threads, callback=lambda _: step())


def balanced_rows(group: npt.NDArray[np.intp], n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the indices of at most ``n`` rows, the same number of each group as far as it has them, ascending.

    Parameters
    ----------
    group : ndarray, shape (n_rows,), int
        Group of every row, 0..n_groups - 1.
    n : int
        Rows wanted.
    rng : numpy.random.Generator
        Chooses among the rows of a group.

    Examples
    --------
    >>> rows = balanced_rows(np.array([0, 0, 0, 0, 1, 1]), 4, np.random.default_rng(0))
    >>> len(rows), int((rows >= 4).sum())
    (4, 2)
    """
    order = rng.permutation(len(group))
    # rank of each row within its group, in random order: all firsts, then all seconds, ...
    by_group = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_group[np.argsort(rank, kind="stable")[:n]])
