"""The universal background model (UBM): one mixture fitted to the rows of all labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import count_jobs
from gmmaudio.mixture import EMTrace, GaussianMixture, fit_gmm
from gmmaudio.models.kind_settings import EmSettings
from gmmaudio.models.linear_algebra import Codes
from gmmaudio.models.training_rows import TrainingRows

Traces = dict[str, EMTrace]
# rows of a UBM's training set at most
MAX_UBM_ROWS = 1_000_000_000
# rows that are permuted at once: 40 MiB
MAX_PERMUTED = 2**20
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
    lengths = training.lengths
    draw = draw_balanced if lengths.sum() <= MAX_PERMUTED else draw_balanced_of_many
    places = draw(group.ravel(), lengths, n_rows, rng)
    rows = np.concatenate([training.rows[i][at] for i, at in enumerate(places) if len(at)])
    run = training.run
    with run.steps(settings.max_iter, "fitting the UBM") as step:
        return fit_gmm(
            rows,
            **settings.em_settings(),
            rng=rng,
            n_threads=count_jobs(run.n_jobs),
            callback=lambda _: step(),
            checkpoints=run.checkpoints,
        )


def draw_balanced(group: Codes, lengths: Codes, n: int, rng: np.random.Generator) -> list[Codes]:
    """Return rows of every clip, at most ``n``, the same number of each group as far as it has them, at random.

    All rows are permuted at once: it takes 40 bytes for each.

    Parameters
    ----------
    group : ndarray, shape (n_clips,), int
        Group of every clip, 0..n_groups - 1.
    lengths : ndarray, shape (n_clips,), int
        Rows of every clip.
    n : int
        Rows wanted.
    rng : numpy.random.Generator
        Chooses among the rows of a group.

    Returns
    -------
    list of ndarray
        Indices of the rows that are drawn of every clip, ascending.

    Examples
    --------
    >>> places = draw_balanced(np.array([0, 1]), np.array([4, 2]), 4, np.random.default_rng(0))
    >>> [len(at) for at in places]
    [2, 2]
    """
    chosen = balanced_rows(np.repeat(group, lengths), n, rng)
    starts = np.cumsum([0, *lengths])
    parts = np.split(chosen, np.searchsorted(chosen, starts[1:-1]))
    return [part - start for part, start in zip(parts, starts, strict=False)]


def draw_balanced_of_many(group: Codes, lengths: Codes, n: int, rng: np.random.Generator) -> list[Codes]:
    """Return rows of every clip as :func:`draw_balanced` does, other ones: memory does not grow with the rows.

    First the number of rows of each group is set, then that of each clip is drawn (a multivariate hypergeometric
    number), then its rows. So every subset of the rows of a group is as likely as any other of its size.

    Parameters
    ----------
    group, lengths, n, rng
        As for :func:`draw_balanced`.

    Examples
    --------
    >>> places = draw_balanced_of_many(np.array([0, 1, 1]), np.array([4, 2, 9]), 6, np.random.default_rng(0))
    >>> [len(places[0]), len(places[1]) + len(places[2])]
    [3, 3]
    """
    drawn = np.zeros(len(lengths), dtype=np.intp)
    wanted = balanced_counts(np.bincount(group, lengths).astype(np.intp), n)
    by_group = np.argsort(group, kind="stable")
    for clips, k in zip(np.split(by_group, np.cumsum(np.bincount(group))[:-1]), wanted, strict=True):
        drawn[clips] = rng.multivariate_hypergeometric(lengths[clips], k, method="marginals")
    return [
        np.arange(of_clip) if k == of_clip else np.sort(rng.choice(of_clip, k, replace=False))
        for of_clip, k in zip(lengths.tolist(), drawn.tolist(), strict=True)
    ]


def balanced_counts(sizes: Codes, n: int) -> Codes:
    """Return numbers at most ``sizes`` that sum to ``n``, or to all, and differ by one at most where sizes allow it.

    Parameters
    ----------
    sizes : ndarray, shape (n_groups,), int
        Most of each.
    n : int
        Their sum.

    Examples
    --------
    >>> balanced_counts(np.array([2, 9, 9]), 13)
    array([2, 6, 5])
    """
    counts, rest = np.zeros_like(sizes), min(n, int(sizes.sum()))
    while rest:
        open_groups = np.flatnonzero(counts < sizes)
        share = rest // len(open_groups)
        if share:
            more = np.minimum(share, (sizes - counts)[open_groups])
        else:
            more = (np.arange(len(open_groups)) < rest).astype(counts.dtype)
        counts[open_groups] += more
        rest -= int(more.sum())
    return counts


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
