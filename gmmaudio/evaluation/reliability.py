"""Calibration of scores: Cllr, min Cllr and the expected calibration error.

Cllr, the cost of log-likelihood ratios, is a cross entropy in bits under a prior that is flat over labels, however many
clips each has. 0 is perfect; deciding without the audio costs log2(n_labels), 1 bit with two; badly calibrated scores
cost more than that. Min Cllr, after the best calibration of the scores, measures their discrimination; Cllr minus min
Cllr is the calibration loss.

References
----------
Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20 (2006).
Brümmer, van Leeuwen, "On calibration of language recognition scores", Odyssey (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Counts, Floats, as_columns, as_log_likelihoods, as_probabilities, as_weights
from gmmaudio.evaluation.detection import as_trials, pooled_blocks, row_blocks


def cllr(log_likelihoods: npt.ArrayLike, true: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the multi-class Cllr, bits, >= 0: minus log2 of the flat-prior posterior of the true label, on average.

    The mean over labels of the mean over their clips, so that every label that has clips counts the same. Uninformative
    scores cost log2 of the number of candidates. Infinite where a true label was no candidate; NaN without clips.

    Parameters
    ----------
    log_likelihoods : array_like, shape (n, n_labels)
        Natural logs, each row up to a constant; -inf where a label was no candidate.
    true : array_like of int, shape (n,)
        Column of the true label.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If a log-likelihood is NaN or +inf, or true labels or weights do not fit.

    References
    ----------
    Brümmer, van Leeuwen, "On calibration of language recognition scores", Odyssey (2006).

    Examples
    --------
    >>> cllr([[0.0, 0.0, 0.0, 0.0]], [0])
    2.0
    >>> round(cllr(np.log([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]), [0, 1]), 4)
    1.5
    """
    rows = as_log_likelihoods(log_likelihoods)
    columns = as_columns(true, rows)
    return cllr_of_losses(true_label_losses(rows, columns), columns, weights)


def true_label_losses(log_likelihoods: npt.ArrayLike, true: npt.ArrayLike) -> Floats:
    """Return minus the log of the flat-prior posterior of the true label of every clip, nats, shape (n,).

    Parameters
    ----------
    log_likelihoods, true
        As for :func:`cllr`.

    Returns
    -------
    ndarray, shape (n,)
        At least 0; +inf where the true label was no candidate.

    Raises
    ------
    SettingError
        If a log-likelihood is NaN or +inf, or true labels do not fit.

    Examples
    --------
    >>> true_label_losses([[0.0, 0.0], [-np.inf, 0.0]], [0, 0]).round(4)
    array([0.6931,    inf])
    """
    rows = as_log_likelihoods(log_likelihoods)
    columns = as_columns(true, rows)
    true_rows = rows[np.arange(len(rows)), columns]
    losses = np.full(len(rows), np.inf)
    known = true_rows > -np.inf
    # sums of what is at most 1 for the true label: a posterior next to 1 keeps all its digits
    losses[known] = np.logaddexp.reduce(rows[known] - true_rows[known, None], axis=1)
    return losses


def cllr_of_losses(losses: Floats, columns: Counts, weights: npt.ArrayLike | None = None) -> float:
    """Return the :func:`cllr` of losses, bits: the mean over labels of the mean over their clips.

    Parameters
    ----------
    losses : ndarray, shape (n,)
        As :func:`true_label_losses` returns.
    columns : ndarray of int, shape (n,)
        Column of the true label.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If weights do not fit.

    Examples
    --------
    >>> cllr_of_losses(np.log([2.0, 2.0, 8.0]), np.array([0, 0, 1]))
    2.0
    """
    shares = _shares_of_clips(columns, as_weights(weights, len(losses)), 1 + columns.max(initial=0))
    kept = shares > 0
    return float(shares[kept] @ losses[kept] / np.log(2)) if kept.any() else float("nan")


def min_cllr(log_likelihoods: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Return the minimum multi-class :func:`cllr` over a common scale >= 0 and an offset for each label, bits.

    The cost of the scores after the best calibration ``scale * l + offset``, fitted to these clips themselves. In
    0..log2(number of labels that have clips), at most :func:`cllr`, and the same for scores in other units or with
    other offsets. Next to 0 where such a calibration classifies every clip correctly. The best offset
    of a label without clips makes it no candidate. Infinite where a true label was no candidate; NaN without clips.

    Parameters
    ----------
    log_likelihoods : array_like, shape (n, n_labels)
        Natural logs, or any scores of the kind, each row up to a constant; -inf where a label was no candidate.
    true : array_like of int, shape (n,)
        Column of the true label.

    Raises
    ------
    SettingError
        If a log-likelihood is NaN or +inf, or true labels do not fit.

    References
    ----------
    Brümmer, van Leeuwen, "On calibration of language recognition scores", Odyssey (2006). The problem is convex: a
    logistic regression with one weight.

    Examples
    --------
    >>> rows = [[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]
    >>> round(cllr(rows, [0, 0, 1, 1]), 4), round(min_cllr(rows, [0, 0, 1, 1]), 4)
    (0.9045, 0.6887)
    """
    from scipy.optimize import minimize

    rows = as_log_likelihoods(log_likelihoods)
    columns = as_columns(true, rows)
    present, bins = np.unique(columns, return_inverse=True)
    rows = rows[:, present]
    actual = cllr(rows, bins)
    if not np.isfinite(actual):
        return actual
    shares = _shares_of_clips(bins, np.ones(len(rows)), len(present))
    units = _standardised(rows)
    # the search starts at uninformative scores, and never ends above its start
    fitted = minimize(
        _loss_and_gradient,
        np.zeros(1 + len(present)),
        args=(units, np.isneginf(rows), bins, shares),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] + [(None, None)] * len(present),
        options={"maxiter": 1000, "maxfun": 2000, "ftol": 1e-14, "gtol": 1e-9},
    )
    return min(float(fitted.fun / np.log(2)), actual)


def binary_cllr(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """Return the Cllr of detection, bits, >= 0: 1 for uninformative ratios, more for misleading ones.

    ``(mean of log2(1 + exp(-llr)) over targets + mean of log2(1 + exp(llr)) over nontargets) / 2``. Infinite where a
    target has -inf or a nontarget +inf; NaN without targets or without nontargets.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Log-likelihood ratios, natural log.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    References
    ----------
    Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20
    (2006).

    Examples
    --------
    >>> binary_cllr([0.0], [0.0, 0.0])
    1.0
    """
    targets, nontargets = as_trials(targets), as_trials(nontargets)
    if not (len(targets) and len(nontargets)):
        return float("nan")
    losses = np.logaddexp(0.0, -targets).mean() + np.logaddexp(0.0, nontargets).mean()
    return float(losses / (2 * np.log(2)))


def min_binary_cllr(targets: npt.ArrayLike, nontargets: npt.ArrayLike) -> float:
    """Return the minimum :func:`binary_cllr` over all rising functions of the score, bits, 0..1.

    By pool-adjacent-violators: only the order of the scores matters. 0 where targets and nontargets do not
    overlap; NaN without targets or without nontargets.

    Parameters
    ----------
    targets, nontargets : array_like, shapes (n_targets,) and (n_nontargets,)
        Scores; higher is more like a target.

    Raises
    ------
    SettingError
        If they are not one-dimensional, or one is NaN.

    References
    ----------
    Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20
    (2006).

    Examples
    --------
    >>> min_binary_cllr([1.0, 2.0], [-1.0, 0.0]), min_binary_cllr([0.0], [1.0])
    (0.0, 1.0)
    """
    from scipy.special import rel_entr

    n_targets, n_nontargets = pooled_blocks(targets, nontargets)
    if not (n_targets.any() and n_nontargets.any()):
        return float("nan")
    of_targets, of_nontargets = n_targets / n_targets.sum(), n_nontargets / n_nontargets.sum()
    both = of_targets + of_nontargets
    information = rel_entr(of_targets, both).sum() + rel_entr(of_nontargets, both).sum()
    # rounding must not take it out of its bounds, or to -0.0
    return float(np.clip(-information / (2 * np.log(2)), 0.0, 1.0)) + 0.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Accuracy of the predicted label against its probability: a reliability diagram.

    Parameters
    ----------
    edges : ndarray, shape (n_bins + 1,)
        Of the bins of probability, 0..1, of equal width.
    n : ndarray of int, shape (n_bins,)
        Clips in each bin.
    confidence : ndarray, shape (n_bins,)
        Mean probability of the predicted label, 0..1; NaN where the bin is empty.
    accuracy : ndarray, shape (n_bins,)
        Share that is correctly classified, 0..1; NaN where the bin is empty.
    ece : float
        Expected calibration error, 0..1: the mean over clips of their bin's gap between the two; NaN without clips.
    """

    edges: Floats
    n: Counts
    confidence: Floats
    accuracy: Floats
    ece: float


def reliability_curve(probabilities: npt.ArrayLike, true: npt.ArrayLike, n_bins: int = 10) -> Reliability:
    """Return the accuracy of the most probable label against its probability: a reliability diagram.

    A bin holds its lower edge and not its upper one; the last holds 1. Of labels that are equally probable the first is
    the predicted one.

    Parameters
    ----------
    probabilities : array_like, shape (n, n_labels)
        Rows of non-negative numbers that sum to 1.
    true : array_like of int, shape (n,)
        Column of the true label.
    n_bins : int
        Bins of probability, of equal width, >= 1.

    Raises
    ------
    SettingError
        If rows do not sum to 1, ``true`` does not fit them, or ``n_bins`` is no whole number above 0.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML (2017). Naeini, Cooper, Hauskrecht, "Obtaining well
    calibrated probabilities using Bayesian binning", AAAI (2015).

    Examples
    --------
    >>> curve = reliability_curve([[0.75, 0.25], [0.75, 0.25], [0.0, 1.0]], [0, 1, 1], n_bins=2)
    >>> curve.n, curve.confidence.round(4), curve.accuracy.round(4), round(curve.ece, 4)
    (array([0, 3]), array([   nan, 0.8333]), array([   nan, 0.6667]), 0.1667)
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise SettingError(f"n_bins is {n_bins!r}; expected a number of bins, 1 or more")
    rows = as_probabilities(probabilities)
    columns = as_columns(true, rows)
    # argmax has no answer for a table without columns
    top = rows.argmax(axis=1) if len(rows) else columns
    highest = rows[np.arange(len(rows)), top]
    edges = np.arange(n_bins + 1) / n_bins
    bins = np.minimum(np.searchsorted(edges, highest, side="right") - 1, n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    confidence, accuracy = (
        np.divide(np.bincount(bins, values, n_bins), n, where=n > 0, out=np.full(n_bins, np.nan))
        for values in (highest, top == columns)
    )
    gaps = np.abs(accuracy - confidence)[n > 0] @ n[n > 0]
    return Reliability(edges, n, confidence, accuracy, float(gaps / len(rows)) if len(rows) else float("nan"))


def _shares_of_clips(columns: Counts, weights: Floats, n_labels: int) -> Floats:
    """Return the weight of every clip in a mean in which labels count the same, (n,); all sum to 1."""
    of_labels = np.bincount(columns, weights, minlength=n_labels)
    of_clips = of_labels[columns] * np.count_nonzero(of_labels)
    shares: Floats = np.divide(weights, of_clips, where=weights > 0, out=np.zeros(len(weights)))
    return shares


def _standardised(rows: Floats) -> Floats:
    """Return scores without offsets of rows and columns and in units of their spread, 0 where there is no candidate.

    The best calibration undoes all of it; the search for it is quicker and the same in all units. Every row and column
    needs a candidate.
    """
    candidate = rows > -np.inf
    units = np.where(candidate, rows, np.nan)
    units -= rows.max(axis=1, keepdims=True)
    # medians, for one score far off must not set the place and unit of all others
    for i in range(units.shape[1]):
        units[:, i] -= np.nanmedian(units[:, i])
    units[~candidate] = 0.0
    sizes = units[units != 0]
    if len(sizes):
        units /= np.median(np.abs(sizes, out=sizes), overwrite_input=True)
    return units


def _loss_and_gradient(
    parameters: Floats, units: Floats, is_barred: npt.NDArray[np.bool_], columns: Counts, shares: Floats
) -> tuple[float, Floats]:
    """Return the cross entropy of calibrated scores, nats, and its gradient by (scale, offsets)."""
    loss, gradient = 0.0, np.zeros(len(parameters))
    for block in row_blocks(units):
        of_clips, of_labels = units[block], columns[block]
        each = np.arange(len(of_clips))
        scores = parameters[0] * of_clips + parameters[1:]
        scores[is_barred[block]] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        excess = np.exp(scores)
        total = excess.sum(axis=1)
        loss += float(shares[block] @ (np.log(total) - scores[each, of_labels]))
        excess /= total[:, None]
        excess[each, of_labels] -= 1
        excess *= shares[block, None]
        gradient[0] += (excess * of_clips).sum()
        gradient[1:] += excess.sum(axis=0)
    return loss, gradient
