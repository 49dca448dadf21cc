"""Detection of one label against all others: log-likelihood ratios, trials, DET curve and EER.

A trial asks of one clip whether it is of one label. Its score is best a log-likelihood ratio, natural log, of the label
against all others. The trial is accepted where the score is at or above a threshold; a target (a clip of that label)
below it is a miss, a nontarget at or above it a false alarm.

References
----------
Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).
Brümmer, de Villiers, "The BOSARIS Toolkit: theory, algorithms and code for surviving the new DCF", arXiv:1304.2865.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Counts, Floats, as_columns, as_log_likelihoods, as_scores

# points of a DET curve that a page or a JSON holds
N_DET_POINTS = 100
# false-alarm rates at which a table shows the misses, 0..1
FALSE_ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
# numbers of a table that are worked on at a time
BLOCK_NUMBERS = 2**18


def detection_llrs(log_likelihoods: npt.ArrayLike, prior: npt.ArrayLike | None = None) -> Floats:
    """Return the log-likelihood ratio of every label against another of the row's candidates, (n, n_labels), natural.

    That is ``l_t - log(sum of pi_j exp(l_j) over the others / sum of pi_j over the others)``, with the others those of
    the row's candidates that are not t. A label that was no candidate has -inf. The only candidate has +inf, as
    has a candidate where all others have a prior of 0.

    Parameters
    ----------
    log_likelihoods : array_like, shape (n, n_labels)
        Natural logs, each row up to a constant; -inf where a label was no candidate.
    prior : array_like, shape (n_labels,), optional
        Prior probability of each label, >= 0, up to a factor. Default: the same for all candidates.

    Raises
    ------
    SettingError
        If a log-likelihood is NaN or +inf, or the prior does not fit.

    References
    ----------
    Brümmer, van Leeuwen, "On calibration of language recognition scores", Odyssey (2006).

    Examples
    --------
    >>> detection_llrs([[2.0, 0.0, 0.0], [2.0, 1.0, -np.inf]]).round(3)
    array([[ 2.   , -1.434, -1.434],
           [ 1.   , -1.   ,   -inf]])
    """
    rows = as_log_likelihoods(log_likelihoods)
    log_prior, ratios = _log_prior(prior, rows.shape[1]), np.empty(rows.shape)
    for block in row_blocks(rows):
        ratios[block] = _ratios(rows[block], log_prior)
    return ratios


def row_blocks(rows: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield places of consecutive rows, of about ``BLOCK_NUMBERS`` numbers each: what is made of them stays small.

    Parameters
    ----------
    rows : ndarray, shape (n, n_columns)
        Rows.

    Examples
    --------
    >>> list(row_blocks(np.zeros((3, BLOCK_NUMBERS // 2))))
    [slice(0, 2, None), slice(2, 4, None)]
    """
    n_at_once = max(1, BLOCK_NUMBERS // max(1, rows.shape[1]))
    for start in range(0, len(rows), n_at_once):
        yield slice(start, start + n_at_once)


def _ratios(rows: Floats, log_prior: Floats) -> Floats:
    """Return the log-likelihood ratios of some rows."""
    candidate = rows > -np.inf
    # a row that is another with its columns in another order, or a constant added, must give the same bits: ties count
    rows = rows - np.max(rows, axis=1, keepdims=True, initial=-np.inf, where=candidate).clip(min=-1e300)
    log_prior = np.where(candidate, log_prior, -np.inf)
    of_others = _log_sum_of_others(rows + log_prior)
    rival = candidate & (of_others > -np.inf)
    mean_of_others = np.subtract(of_others, _log_sum_of_others(log_prior), where=rival, out=np.zeros_like(rows))
    return np.where(rival, rows - mean_of_others, np.where(candidate, np.inf, -np.inf))


@dataclass(frozen=True, eq=False)
class DetCurve:
    """All operating points of a detector, by rising threshold.

    Parameters
    ----------
    thresholds : ndarray, shape (n_points,)
        Every distinct score, and last +inf, where nothing is accepted.
    p_miss : ndarray, shape (n_points,)
        Share of the targets that are below, from 0 to 1; NaN without targets.
    p_fa : ndarray, shape (n_points,)
        Share of the nontargets at or above, from 1 to 0; NaN without nontargets.
    """

    thresholds: Floats
    p_miss: Floats
    p_fa: Floats


def det_curve(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> DetCurve:
    """Return every operating point of "accept at or above a threshold"; equal scores are one step.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Scores; higher is more like a target. Infinite ones may be among them.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    References
    ----------
    Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).

    Examples
    --------
    >>> curve = det_curve([1.0, 2.0], [0.0, 1.0])
    >>> curve.thresholds, curve.p_miss, curve.p_fa
    (array([ 0.,  1.,  2., inf]), array([0. , 0. , 0.5, 1. ]), array([1. , 0.5, 0. , 0. ]))
    """
    targets, nontargets = as_trials(targets), as_trials(nontargets)
    thresholds = np.unique(np.concatenate([targets, nontargets]))
    n_missed = np.append(np.searchsorted(np.sort(targets), thresholds), len(targets))
    n_rejected = np.append(np.searchsorted(np.sort(nontargets), thresholds), len(nontargets))
    return DetCurve(
        np.append(thresholds, np.inf),
        _shares(n_missed, len(targets)),
        _shares(len(nontargets) - n_rejected, len(nontargets)),
    )


def thin_curve(curve: DetCurve) -> DetCurve:
    """Return a DET curve of about ``N_DET_POINTS`` points at most, evenly spread along the curve as it is drawn.

    The points at the false-alarm rates of ``FALSE_ALARMS``, which tables show, stay exact.

    Parameters
    ----------
    curve : DetCurve
        All operating points.

    Examples
    --------
    >>> curve = det_curve(np.arange(1.0, 500.0), np.arange(-500.0, 400.0))
    >>> len(curve.thresholds), len(thin_curve(curve).thresholds)
    (1001, 86)
    """
    if len(curve.thresholds) <= N_DET_POINTS:
        return curve
    from scipy.special import ndtri

    drawn = [ndtri(np.clip(rate, 1e-4, 1 - 1e-4)) for rate in (curve.p_fa, curve.p_miss)]
    length = np.concatenate([[0.0], np.cumsum(sum(np.abs(np.diff(axis)) for axis in drawn))])
    even = np.searchsorted(length, np.linspace(0.0, length[-1], N_DET_POINTS))
    # rates of false alarms fall along the curve
    exact = [int(np.argmax(curve.p_fa <= rate)) for rate in FALSE_ALARMS]
    kept = np.unique([0, *even.clip(max=len(length) - 1), *exact, len(length) - 1])
    return DetCurve(curve.thresholds[kept], curve.p_miss[kept], curve.p_fa[kept])


def eer(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """Return the equal error rate, where the convex hull of the ROC has as many misses as false alarms, 0..0.5.

    On the hull it is the error rate of the best threshold under the worst prior, and it is defined where no threshold
    has equal rates. 0 where targets and nontargets do not overlap, 0.5 where the scores are uninformative (or
    reversed); NaN without targets or without nontargets.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Scores; higher is more like a target. Only their order matters.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    References
    ----------
    Brümmer, de Villiers, "The BOSARIS Toolkit: theory, algorithms and code for surviving the new DCF",
    arXiv:1304.2865, on the ROC convex hull.

    Examples
    --------
    >>> round(eer([0.0, 2.0], [1.0]), 4)
    0.3333
    """
    return eer_of_blocks(*pooled_blocks(targets, nontargets))


def eer_of_blocks(n_targets: Counts, n_nontargets: Counts) -> float:
    """Return the :func:`eer` of the numbers of trials in the blocks of :func:`pooled_blocks`.

    Parameters
    ----------
    n_targets, n_nontargets : ndarray of int, shape (n_blocks,)
        Trials in each block.

    Examples
    --------
    >>> eer_of_blocks(np.array([1, 3]), np.array([3, 1]))
    0.25
    """
    if not (n_targets.any() and n_nontargets.any()):
        return float("nan")
    p_miss = np.append(0, np.cumsum(n_targets)) / n_targets.sum()
    p_rejected = np.append(0, np.cumsum(n_nontargets)) / n_nontargets.sum()
    # blocks are the edges of the hull, and along an edge both rates are linear
    return float(np.interp(1.0, p_miss + p_rejected, p_miss))


def pooled_blocks(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> tuple[Counts, Counts]:
    """Return the numbers of targets and of nontargets in every block after pool-adjacent-violators.

    Blocks run from low to high scores, and their share of targets rises: they are the best monotone fit of the
    target probability to the score, and the edges of the convex hull of the ROC.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Scores; higher is more like a target.

    Returns
    -------
    n_targets, n_nontargets : ndarray of int, shape (n_blocks,)
        No block is empty.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    References
    ----------
    Ayer et al., "An empirical distribution function for sampling with incomplete information", Annals of Mathematical
    Statistics 26(4) (1955).

    Examples
    --------
    >>> pooled_blocks([1.0, 3.0, 4.0], [0.0, 2.0])
    (array([0, 1, 2]), array([1, 1, 0]))
    """
    targets, nontargets = as_trials(targets), as_trials(nontargets)
    scores, ranks = np.unique(np.concatenate([targets, nontargets]), return_inverse=True)
    n_targets = np.bincount(ranks[: len(targets)], minlength=len(scores))
    n_nontargets = np.bincount(ranks[len(targets) :], minlength=len(scores))
    return pool_adjacent(n_targets, n_nontargets)


def pool_adjacent(n_targets: Counts, n_nontargets: Counts) -> tuple[Counts, Counts]:
    """Return the numbers of trials in blocks whose share of targets rises, as for :func:`pooled_blocks`.

    Parameters
    ----------
    n_targets, n_nontargets : ndarray of int, shape (n,)
        Trials of each score, or range of scores, from low to high; none is without trials.

    Examples
    --------
    >>> pool_adjacent(np.array([1, 0, 2]), np.array([0, 1, 0]))
    (array([1, 2]), array([1, 0]))
    """
    from scipy.optimize import isotonic_regression

    if not len(n_targets):
        return n_targets, n_nontargets
    n = n_targets + n_nontargets
    starts = isotonic_regression(n_targets / n, weights=n).blocks[:-1]
    return np.add.reduceat(n_targets, starts), np.add.reduceat(n_nontargets, starts)


def label_trials(llrs: npt.ArrayLike, true: npt.ArrayLike, column: int) -> tuple[Floats, Floats]:
    """Return the scores of one label: of its clips (targets), and of all other clips (nontargets).

    Clips for which the label was no candidate are among them, with -inf: such a target is a miss.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Of every label against the others.
    true : array_like of int, shape (n,)
        Column of the true label.
    column : int
        The label.

    Raises
    ------
    SettingError
        If the rows or true labels do not fit, or there is no such column.

    Examples
    --------
    >>> label_trials([[1.0, -1.0], [-2.0, 2.0]], [0, 1], 0)
    (array([1.]), array([-2.]))
    """
    rows = as_scores(llrs)
    columns = as_columns(true, rows)
    if isinstance(column, bool) or not isinstance(column, int | np.integer) or not 0 <= column < rows.shape[1]:
        raise SettingError(f"column is {column!r}; expected a column of the scores, 0 to {rows.shape[1] - 1}")
    is_target = columns == column
    return rows[is_target, column], rows[~is_target, column]


def pooled_trials(llrs: npt.ArrayLike, true: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the scores of all labels together: each clip's true label (targets), and its others (nontargets).

    Only labels that have clips take part, as in :func:`gmmaudio.evaluation.cavg`. Labels with many clips count more,
    unlike there.

    Parameters
    ----------
    llrs : array_like, shape (n, n_labels)
        Of every label against the others; -inf where a label was no candidate.
    true : array_like of int, shape (n,)
        Column of the true label.

    Returns
    -------
    targets : ndarray, shape (n,)
    nontargets : ndarray, shape (n * (n_labels_with_clips - 1),)

    Raises
    ------
    SettingError
        If the rows or true labels do not fit.

    Examples
    --------
    >>> pooled_trials([[1.0, -1.0, 7.0], [-2.0, 2.0, 7.0]], [0, 1])
    (array([1., 2.]), array([-1., -2.]))
    """
    rows = as_scores(llrs)
    columns = as_columns(true, rows)
    present = np.unique(columns)
    is_target = columns[:, None] == present
    return rows[:, present][is_target], rows[:, present][~is_target]


def as_trials(scores: npt.ArrayLike) -> Floats:
    """Return the scores of trials as float64, shape (n,).

    Parameters
    ----------
    scores : array_like, shape (n,)
        Numbers, which may be infinite.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    Examples
    --------
    >>> as_trials([1, 2])
    array([1., 2.])
    """
    values = as_numbers(scores, "scores of trials must be real numbers", SettingError).astype(np.float64, copy=False)
    if values.ndim != 1:
        raise SettingError(f"scores of trials have shape {values.shape}; expected (n,), one for each trial")
    if np.isnan(values).any():
        raise SettingError("a score of a trial is NaN; expected numbers, which may be infinite")
    return values


def _log_prior(prior: npt.ArrayLike | None, n_labels: int) -> Floats:
    """Return the log of a prior, -inf where it is 0; zeros where none is given."""
    if prior is None:
        return np.zeros(n_labels)
    shares = as_numbers(prior, "prior must be real numbers", SettingError).astype(np.float64, copy=False)
    if shares.shape != (n_labels,):
        raise SettingError(f"prior has shape {shares.shape}; expected ({n_labels},), one for each label")
    if not (np.isfinite(shares) & (shares >= 0)).all():
        raise SettingError("a prior is negative or not finite; expected probabilities, up to a factor")
    return np.log(shares, where=shares > 0, out=np.full(n_labels, -np.inf))


def _log_sum_of_others(logs: Floats) -> Floats:
    """Return the log of the sum of the exponentials of all other columns of the row, (n, n_labels); -inf without any.

    Taking a term from the sum is safe for all but the greatest, which are half of the sum at most; the others of the
    greatest are summed themselves.
    """
    if not logs.size:
        return logs.copy()
    order = logs.argsort(axis=1)
    back, logs = order.argsort(axis=1), np.take_along_axis(logs, order, axis=1)
    top = logs.argmax(axis=1)[:, None]
    rest = logs.copy()
    np.put_along_axis(rest, top, -np.inf, axis=1)
    of_rest = np.logaddexp.reduce(rest, axis=1)[:, None]
    greatest = np.take_along_axis(logs, top, axis=1)
    total = np.logaddexp(of_rest, greatest)
    share = np.exp(np.subtract(rest, total, where=total > -np.inf, out=np.full_like(rest, -np.inf)))
    # equal ones have equal others, to the bit
    others = np.where(logs == greatest, of_rest, total + np.log1p(-share))
    return np.take_along_axis(others, back, axis=1)


def _shares(counts: Counts, n: int) -> Floats:
    """Return counts out of n, NaN where n is 0."""
    return counts / n if n else np.full(len(counts), np.nan)
