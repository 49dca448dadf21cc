"""Detection of all labels together: trials counted between the scores of targets, and never sorted.

Of n clips and L labels there are n targets and n (L - 1) nontargets. The best threshold for any costs is at the score
of a target: below it a nontarget would be accepted for nothing. So it is enough to know how many nontargets lie at, and
between, the scores of targets. They are counted some rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.evaluation.confusion import Floats, as_columns, as_scores
from gmmaudio.evaluation.detection import (
    DetCurve,
    det_curve,
    eer_of_blocks,
    pool_adjacent,
    pooled_trials,
    row_blocks,
)

# nontargets from which on a DET curve has the points at the scores of targets only
MANY_TRIALS = 2**20


@dataclass(frozen=True, eq=False)
class TrialCounts:
    """Trials, counted by their place among the scores of targets.

    Parameters
    ----------
    scores : ndarray, shape (k,)
        Different scores of targets, ascending.
    n_targets : ndarray, shape (k,)
        Targets of each score, or the sum of their weights.
    n_between : ndarray, shape (k + 1,)
        Nontargets below the first score, between each two, and above the last.
    n_at : ndarray, shape (k,)
        Nontargets at each score.
    """

    scores: Floats
    n_targets: Floats
    n_between: Floats
    n_at: Floats

    def at_or_above(self) -> Floats:
        """Return the nontargets at or above each score, shape (k,)."""
        falling = (self.n_at + self.n_between[1:])[::-1]
        return np.cumsum(falling)[::-1]

    def below(self) -> Floats:
        """Return the targets below each score, shape (k,)."""
        return np.append(0.0, np.cumsum(self.n_targets)[:-1])


def count_trials(llrs: npt.ArrayLike, true: npt.ArrayLike, weights: tuple[Floats, Floats] | None = None) -> TrialCounts:
    """Return the trials of the labels that have clips, counted.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Of every label against the others; -inf where a label was no candidate.
    true : array_like of int, shape (n,)
        Column of the true label.
    weights : (ndarray, ndarray), shape (n,) each, optional
        What the target, and what each nontarget, of every clip counts. Default: 1.

    Raises
    ------
    SettingError
        If the rows or true labels do not fit.

    Examples
    --------
    >>> counts = count_trials([[1.0, -1.0], [0.5, 1.5]], [0, 1])
    >>> counts.scores, counts.n_between, counts.at_or_above()
    (array([1. , 1.5]), array([2., 0., 0.]), array([0., 0.]))
    """
    rows = as_scores(llrs)
    columns = as_columns(true, rows)
    present = np.unique(columns)
    of_targets = rows[np.arange(len(rows)), columns]
    scores, ranks = np.unique(of_targets, return_inverse=True)
    of_target, of_nontarget = weights or (np.ones(len(rows)), np.ones(len(rows)))
    places = np.zeros(2 * len(scores) + 1)
    for block in row_blocks(rows):
        is_nontarget = columns[block, None] != present
        nontargets = rows[block][:, present][is_nontarget]
        counted = np.repeat(of_nontarget[block], is_nontarget.sum(axis=1))
        at = np.searchsorted(scores, nontargets)
        is_equal = scores[np.minimum(at, len(scores) - 1)] == nontargets
        places += np.bincount(2 * at + is_equal, counted, minlength=len(places))
    n_targets = np.bincount(ranks.ravel(), of_target, minlength=len(scores)).astype(np.float64)
    return TrialCounts(scores, n_targets, places[::2], places[1::2])


def pooled_eer(llrs: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Return the :func:`gmmaudio.evaluation.eer` of the trials of all labels that have clips together, 0..0.5.

    Parameters
    ----------
    llrs, true
        As for :func:`count_trials`.

    Raises
    ------
    SettingError
        If the rows or true labels do not fit.

    Examples
    --------
    >>> pooled_eer([[1.0, -1.0], [0.0, 0.5], [2.0, 1.0]], [0, 1, 1])
    0.25
    """
    counts = count_trials(llrs, true)
    n_targets, n_nontargets = np.zeros((2, 2 * len(counts.scores) + 1), dtype=np.int64)
    n_targets[1::2], n_nontargets[1::2], n_nontargets[::2] = counts.n_targets, counts.n_at, counts.n_between
    some = n_targets + n_nontargets > 0
    return eer_of_blocks(*pool_adjacent(n_targets[some], n_nontargets[some]))


def pooled_det_curve(llrs: npt.ArrayLike, true: npt.ArrayLike) -> DetCurve:
    """Return the DET curve of the trials of all labels that have clips together.

    Of more than ``MANY_TRIALS`` nontargets it has no points between the scores of targets: there misses do not change.

    Parameters
    ----------
    llrs, true
        As for :func:`count_trials`.

    Raises
    ------
    SettingError
        If the rows or true labels do not fit.

    Examples
    --------
    >>> pooled_det_curve([[1.0, -1.0], [0.5, 1.5]], [0, 1]).p_miss
    array([0. , 0. , 0. , 0.5, 1. ])
    """
    rows = as_scores(llrs)
    if rows.size <= MANY_TRIALS:
        return det_curve(*pooled_trials(rows, true))
    counts = count_trials(rows, true)
    n_nontargets = counts.n_between.sum() + counts.n_at.sum()
    return DetCurve(
        np.append(counts.scores, np.inf),
        np.append(counts.below() / counts.n_targets.sum(), 1.0),
        np.append(counts.at_or_above() / n_nontargets, 0.0),
    )
