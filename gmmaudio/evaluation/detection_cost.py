"""The cost of detection: of one label at its best threshold, and NIST's Cavg of every label against every other.

References
----------
Brümmer, de Villiers, "The BOSARIS Toolkit: theory, algorithms and code for surviving the new DCF", arXiv:1304.2865.
NIST, "The 2009 NIST language recognition evaluation plan (LRE09)".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Counts, Floats, as_columns, as_scores, as_weights
from gmmaudio.evaluation.detection import det_curve, row_blocks
from gmmaudio.evaluation.pooled_detection import count_trials

# target priors of the two operating points of the primary cost of the language recognition evaluations of 2017 and 2022
PRIMARY_P_TARGETS = (0.5, 0.1)


def min_dcf(
    targets: npt.ArrayLike,
    nontargets: npt.ArrayLike,
    *,
    p_target: float = 0.5,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> float:
    """Return the minimum detection cost over thresholds, divided by the cost of deciding without the audio, 0..1.

    NaN without targets or without nontargets.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Scores; higher is more like a target. Only their order matters.
    p_target : float
        Prior probability of a target, between 0 and 1.
    c_miss, c_fa : float
        Cost of a miss and of a false alarm, > 0.

    Raises
    ------
    SettingError
        If scores are not one-dimensional, one is NaN, or a setting is outside its bounds.

    References
    ----------
    Brümmer, de Villiers, "The BOSARIS Toolkit: theory, algorithms and code for surviving the new DCF",
    arXiv:1304.2865.

    Examples
    --------
    >>> min_dcf([1.0, 2.0], [0.0, 1.0])
    0.5
    """
    miss_cost, fa_cost = _costs(p_target, c_miss, c_fa)
    curve = det_curve(targets, nontargets)
    return float((miss_cost * curve.p_miss + fa_cost * curve.p_fa).min() / min(miss_cost, fa_cost))


def cavg(
    llrs: npt.ArrayLike,
    true: npt.ArrayLike,
    *,
    p_target: float = 0.5,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    threshold: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the average cost of detecting every label against every other, closed set, as NIST defines it.

    The mean over labels t of ``c_miss p_target P_miss(t)`` plus the mean over the other labels s of
    ``c_fa (1 - p_target) P_fa(t, s)``, with P_fa(t, s) the share of the clips of s that are accepted as t. Only labels
    that have clips take part, and all alike, however many they have. In 0..``c_miss p_target + c_fa (1 - p_target)``;
    NaN with clips of fewer than two labels.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Of every label against the others, such as :func:`detection_llrs` returns; -inf is never accepted at a finite
        threshold, +inf always.
    true : array_like of int, shape (n,)
        Column of the true label.
    p_target : float
        Prior probability of a target, between 0 and 1.
    c_miss, c_fa : float
        Cost of a miss and of a false alarm, > 0.
    threshold : float, optional
        What is at or above is accepted. Default: ``log(c_fa (1 - p_target) / (c_miss p_target))``, the best there is
        where the ratios are calibrated.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If the rows, true labels or weights do not fit, or a setting is outside its bounds.

    References
    ----------
    NIST, "The 2009 NIST language recognition evaluation plan (LRE09)", on the average cost performance; the closed set
    of the plans of 2007 and 2011 has the same.

    Examples
    --------
    >>> cavg([[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]], [0, 1, 1])
    0.25
    """
    miss_cost, fa_cost = _costs(p_target, c_miss, c_fa)
    rows = as_scores(llrs)
    columns, counted = as_columns(true, rows), as_weights(weights, len(rows))
    limit = float(np.log(fa_cost / miss_cost)) if threshold is None else float(threshold)
    if np.isnan(limit):
        raise SettingError("threshold is NaN; expected a number, or None for the one that suits the costs")
    return _cavg_of(Decisions(rows >= limit, columns), counted, (miss_cost, fa_cost))


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions for every clip and label, and the two numbers of each clip that the average cost needs.

    Parameters
    ----------
    accepted : ndarray of bool, shape (n, n_labels)
        Whether each clip is accepted as of each label.
    columns : ndarray of int, shape (n,)
        Column of the true label.
    """

    accepted: npt.NDArray[np.bool_]
    columns: Counts

    @cached_property
    def hit(self) -> npt.NDArray[np.bool_]:
        """Whether each clip is accepted as of its own label, shape (n,)."""
        return self.accepted[np.arange(len(self.columns)), self.columns]

    @cached_property
    def present(self) -> Counts:
        """Columns of the labels that have clips, ascending."""
        return np.unique(self.columns)

    @cached_property
    def n_accepted(self) -> Counts:
        """Number of labels that have clips as of which each clip is accepted, shape (n,)."""
        return self.count_accepted(self.present)

    def count_accepted(self, labels: Counts) -> Counts:
        """Return the number of some labels as of which each clip is accepted, shape (n,).

        Parameters
        ----------
        labels : ndarray of int
            Columns.
        """
        is_counted = np.zeros(self.accepted.shape[1], dtype=np.int64)
        is_counted[labels] = 1
        return np.concatenate([self.accepted[block] @ is_counted for block in row_blocks(self.accepted)])


def cavg_of_decisions(decisions: Decisions, weights: npt.ArrayLike | None) -> float:
    """Return :func:`cavg`, at its default costs, of decisions for every clip and label.

    Parameters
    ----------
    decisions : Decisions
        What is computed of them once serves any weights.
    weights : array_like, shape (n,), or None
        What every clip counts, >= 0; None is 1 each.

    Raises
    ------
    SettingError
        If weights do not fit.

    Examples
    --------
    >>> accepted = np.array([[True, False], [True, False], [False, True]])
    >>> cavg_of_decisions(Decisions(accepted, np.array([0, 1, 1])), None)
    0.25
    """
    return _cavg_of(decisions, as_weights(weights, len(decisions.columns)), _costs(0.5, 1.0, 1.0))


def _cavg_of(decisions: Decisions, counted: Floats, costs: tuple[float, float]) -> float:
    """Return the average cost of decisions, from the costs of missing all and of accepting all."""
    miss_cost, fa_cost = costs
    columns = decisions.columns
    total = np.bincount(columns, counted, minlength=1)
    present = np.flatnonzero(total)
    if len(present) < 2:
        return float("nan")
    # sums over clips, and no table of all pairs of labels
    of_clip = np.divide(counted, total[columns], where=counted > 0, out=np.zeros(len(counted)))
    all_count = len(present) == len(decisions.present)
    n_accepted = decisions.n_accepted if all_count else decisions.count_accepted(present)
    # misses and not hits: without any the cost is 0 and not the rounding of a sum
    p_miss = of_clip @ ~decisions.hit / len(present)
    p_fa = of_clip @ (n_accepted - decisions.hit) / (len(present) * (len(present) - 1))
    return float(miss_cost * p_miss + fa_cost * p_fa)


def cavg_primary(llrs: npt.ArrayLike, true: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the mean of the normalised :func:`cavg` at target priors of 0.5 and 0.1, 0..6.

    The primary cost of the NIST evaluations of 2017 and 2022. Normalised means divided by
    ``p_target``, the cost of accepting nothing, which thereby is 1. NaN with clips of fewer than two labels.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Of every label against the others, such as :func:`detection_llrs` returns.
    true : array_like of int, shape (n,)
        Column of the true label.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If the rows, true labels or weights do not fit.

    References
    ----------
    NIST, "NIST 2017 language recognition evaluation plan", "NIST 2022 language recognition evaluation plan", on the
    performance measurement.

    Examples
    --------
    >>> cavg_primary([[9.0, -9.0], [1.0, -9.0], [-9.0, 9.0]], [0, 0, 1])
    0.125
    """
    return float(np.mean([cavg(llrs, true, p_target=p, weights=weights) / p for p in PRIMARY_P_TARGETS]))


def min_cavg(
    llrs: npt.ArrayLike, true: npt.ArrayLike, *, p_target: float = 0.5, c_miss: float = 1.0, c_fa: float = 1.0
) -> float:
    """Return the minimum of :func:`cavg` over thresholds, one common to all labels.

    At most ``min(c_miss p_target, c_fa (1 - p_target))``; NaN with clips of fewer than two labels.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Scores of every label against the others, comparable from label to label.
    true : array_like of int, shape (n,)
        Column of the true label.
    p_target : float
        Prior probability of a target, between 0 and 1.
    c_miss, c_fa : float
        Cost of a miss and of a false alarm, > 0.

    Raises
    ------
    SettingError
        If the rows or true labels do not fit, or a setting is outside its bounds.

    Examples
    --------
    >>> min_cavg([[5.0, 3.0], [5.0, 3.0], [3.0, 5.0]], [0, 0, 1])
    0.0
    """
    miss_cost, fa_cost = _costs(p_target, c_miss, c_fa)
    rows = as_scores(llrs)
    columns = as_columns(true, rows)
    total = np.bincount(columns, minlength=rows.shape[1])
    present = np.flatnonzero(total)
    n_labels = len(present)
    if n_labels < 2:
        return float("nan")
    of_clip = 1 / (total[columns] * n_labels)
    counts = count_trials(rows, columns, (miss_cost * of_clip, fa_cost * of_clip / (n_labels - 1)))
    best = float(counts.scores[(counts.below() + counts.at_or_above()).argmin()])
    cost = cavg(rows, columns, p_target=p_target, c_miss=c_miss, c_fa=c_fa, threshold=best)
    # accepting nothing at all is one more way to decide
    return min(cost, float(miss_cost))


def _costs(p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    """Return the cost of missing all targets and the cost of accepting all nontargets."""
    if not 0 < p_target < 1:
        raise SettingError(f"p_target is {p_target!r}; expected a share between 0 and 1, neither of them")
    for name, cost in (("c_miss", c_miss), ("c_fa", c_fa)):
        if not 0 < cost < np.inf:
            raise SettingError(f"{name} is {cost!r}; expected a finite cost above 0")
    return c_miss * p_target, c_fa * (1 - p_target)
