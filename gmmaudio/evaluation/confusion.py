"""Metrics of classification, from a confusion matrix, from scores or from probabilities.

A confusion matrix has rows of true and columns of predicted labels, and holds counts, or sums of weights. Scores and
probabilities are tables of one row for each clip and one column for each label; a clip may weigh more or less than 1,
and a weight of 2 is the same as the clip twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers, refuse_masked
from gmmaudio.errors import SettingError

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# the kind of distance between labels that is made of confusions
CONFUSED_DISTANCE = "1 - share confused, mean of both directions"


@overload
def confusion_matrix(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str], *, weights: None = None
) -> Counts: ...


@overload
def confusion_matrix(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str], *, weights: npt.ArrayLike
) -> Floats: ...


def confusion_matrix(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str], *, weights: npt.ArrayLike | None = None
) -> Counts | Floats:
    """Return the confusion matrix: rows are true labels, columns predicted ones, shape (n_labels, n_labels).

    Whole numbers without weights, floats with them.

    Parameters
    ----------
    true, predicted : sequence of str
        One each for every clip.
    labels : sequence of str
        Order of rows and columns.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If a label is not among ``labels``, the lengths differ, or a weight is negative or not finite.

    Examples
    --------
    >>> confusion_matrix(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    array([[1, 1],
           [0, 1]])
    """
    refuse_masked(true, "true must be labels", SettingError)
    refuse_masked(predicted, "predicted must be labels", SettingError)
    if len(true) != len(predicted):
        raise SettingError(f"{len(true)} true and {len(predicted)} predicted labels; expected one each for every clip")
    column = {label: i for i, label in enumerate(labels)}
    unknown = sorted((set(true) | set(predicted)) - set(column))
    if unknown:
        raise SettingError(f"label {unknown[0]!r} is not among {', '.join(labels)}")
    cells = [column[t] for t in true], [column[p] for p in predicted]
    shape = (len(labels), len(labels))
    if weights is not None:
        sums = np.zeros(shape, dtype=np.float64)
        np.add.at(sums, cells, as_weights(weights, len(true)))
        return sums
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, cells, 1)
    return counts


@dataclass(frozen=True, eq=False)
class Margins:
    """Diagonal and margins of confusion matrices: their size is that of the labels, not of the pairs of labels.

    Parameters
    ----------
    hits : ndarray, shape (..., n_labels)
        Clips of each label that are correctly classified, counts or sums of weights.
    n_true, n_predicted : ndarray, shape (..., n_labels)
        Clips of each label, and clips classified as it.
    """

    hits: Floats
    n_true: Floats
    n_predicted: Floats

    @classmethod
    def of(cls, confusion: npt.ArrayLike) -> Margins:
        """Return the margins of confusion matrices.

        Parameters
        ----------
        confusion : array_like, shape (..., n_labels, n_labels)
            Counts; leading axes are kept.

        Examples
        --------
        >>> Margins.of([[1, 1], [0, 2]]).n_predicted
        array([1., 3.])
        """
        counts = _as_floats(confusion, "a confusion matrix must hold real numbers")
        return cls(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2))

    def accuracy(self) -> Floats:
        """Return the values of :func:`accuracy`, shape (...); its last bit may differ, as sums have another order."""
        return _ratio(self.hits.sum(axis=-1), self.n_true.sum(axis=-1))

    def balanced_accuracy(self) -> Floats:
        """Return the values of :func:`balanced_accuracy`, shape (...)."""
        recall = self.hits / np.where(self.n_true > 0, self.n_true, 1.0)
        return _ratio(recall.sum(axis=-1), (self.n_true > 0).sum(axis=-1))

    def macro_f1(self) -> Floats:
        """Return the values of :func:`macro_f1`, shape (...)."""
        f1 = 2 * self.hits / np.where(self.n_true > 0, self.n_true + self.n_predicted, 1.0)
        return _ratio(f1.sum(axis=-1), (self.n_true > 0).sum(axis=-1))


def accuracy(confusion: npt.ArrayLike) -> Floats:
    """Return the share of clips that are correctly classified, 0..1; NaN where there are none.

    Parameters
    ----------
    confusion : array_like, shape (..., n_labels, n_labels)
        Counts; leading axes are kept.

    Examples
    --------
    >>> float(accuracy([[1, 1], [0, 2]]))
    0.75
    """
    counts = _as_floats(confusion, "a confusion matrix must hold real numbers")
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def balanced_accuracy(confusion: npt.ArrayLike) -> Floats:
    """Return the mean of the recalls of the labels that have clips, 0..1; NaN where there are none.

    Parameters
    ----------
    confusion : array_like, shape (..., n_labels, n_labels)
        Counts; leading axes are kept.

    References
    ----------
    Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.

    Examples
    --------
    >>> float(balanced_accuracy([[1, 1], [0, 2]]))
    0.75
    """
    return Margins.of(confusion).balanced_accuracy()


def macro_f1(confusion: npt.ArrayLike) -> Floats:
    """Return the mean of the F1 of the labels that have clips, 0..1; NaN where there are none.

    A label that is predicted and never true has no F1 and is not in the mean; its false predictions still lower the F1
    of the labels whose clips they are.

    Parameters
    ----------
    confusion : array_like, shape (..., n_labels, n_labels)
        Counts; leading axes are kept.

    References
    ----------
    Sokolova, Lapalme, "A systematic analysis of performance measures for classification tasks", Information Processing
    & Management 45(4) (2009). Opitz, Burst, "Macro F1 and macro F1", arXiv:1911.03347 (2019): this is their mean of
    F1s, not the F1 of means.

    Examples
    --------
    >>> float(macro_f1([[1, 1], [0, 2]]).round(4))
    0.7333
    """
    return Margins.of(confusion).macro_f1()


def per_label(confusion: Counts, labels: Sequence[str]) -> dict[str, dict[str, float | int | None]]:
    """Return precision, recall, F1 (each 0..1, None where undefined) and the number of clips of every label.

    Parameters
    ----------
    confusion : ndarray, shape (n_labels, n_labels)
        Counts.
    labels : sequence of str
        Names of rows and columns.

    Examples
    --------
    >>> per_label(np.array([[1, 1], [0, 2]]), ["a", "b"])["a"]
    {'precision': 1.0, 'recall': 0.5, 'f1': 0.6666666666666666, 'n': 2}
    """
    table: dict[str, dict[str, float | int | None]] = {}
    for i, label in enumerate(labels):
        hits, n_true, n_predicted = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
        table[label] = {
            "precision": hits / n_predicted if n_predicted else None,
            "recall": hits / n_true if n_true else None,
            "f1": 2 * hits / (n_true + n_predicted) if n_true else None,
            "n": n_true,
        }
    return table


def top_k_accuracy(scores: npt.ArrayLike, true: npt.ArrayLike, k: int) -> float:
    """Return the share of clips whose true label is among the k of highest score, 0..1; NaN without clips.

    The true label comes after all labels of equal score: ties count against it. A true label that was no candidate is
    never among the k, and one that was is always among as many as there are candidates.

    Parameters
    ----------
    scores : array_like, shape (n, n_labels)
        Higher is likelier; -inf where a label was no candidate.
    true : array_like of int, shape (n,)
        Column of the true label.
    k : int
        Number of labels, >= 1; may be more than there are.

    Raises
    ------
    SettingError
        If ``k`` is no whole number above 0, a score is NaN, or ``true`` does not fit the scores.

    Examples
    --------
    >>> top_k_accuracy([[3.0, 2.0, 1.0], [3.0, 3.0, 1.0]], [1, 1], 1)
    0.0
    >>> top_k_accuracy([[3.0, 2.0, 1.0], [3.0, 3.0, 1.0]], [1, 1], 2)
    1.0
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise SettingError(f"k is {k!r}; expected a number of labels, 1 or more")
    rows = as_scores(scores)
    true_scores = rows[np.arange(len(rows)), as_columns(true, rows)]
    ranks = (rows >= true_scores[:, None]).sum(axis=1)
    return float(_ratio(((ranks <= k) & (true_scores > -np.inf)).sum(), len(rows)))


def log_loss(probabilities: npt.ArrayLike, true: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the mean of minus the log probability given to the true label, nats; 0 is perfect, NaN without clips.

    A true label of probability 0 counts as one of 2.2e-308, the smallest normal number, so 708.4 nats: the mean stays
    finite, and shows an error that was certain without hiding all other clips.

    Parameters
    ----------
    probabilities : array_like, shape (n, n_labels)
        Rows of non-negative numbers that sum to 1.
    true : array_like of int, shape (n,)
        Column of the true label.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If rows do not sum to 1, ``true`` does not fit them, or a weight is negative or not finite.

    Examples
    --------
    >>> round(log_loss([[0.5, 0.5]], [0]), 4)
    0.6931
    """
    return mean_log_loss(true_log_probabilities(probabilities, true), weights)


def true_log_probabilities(probabilities: npt.ArrayLike, true: npt.ArrayLike) -> Floats:
    """Return the log probability given to the true label of every clip, nats, shape (n,), at least -708.4.

    Parameters
    ----------
    probabilities, true
        As for :func:`log_loss`.

    Raises
    ------
    SettingError
        If rows do not sum to 1, or ``true`` does not fit them.

    Examples
    --------
    >>> true_log_probabilities([[0.5, 0.5]], [0]).round(4)
    array([-0.6931])
    """
    rows = as_probabilities(probabilities)
    true_probabilities = rows[np.arange(len(rows)), as_columns(true, rows)]
    return np.log(np.maximum(true_probabilities, np.finfo(np.float64).tiny))


def mean_log_loss(log_probabilities: Floats, weights: npt.ArrayLike | None = None) -> float:
    """Return the weighted mean of minus the log probabilities, nats; NaN without clips.

    Parameters
    ----------
    log_probabilities : ndarray, shape (n,)
        As :func:`true_log_probabilities` returns.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0. Default: 1 each.

    Raises
    ------
    SettingError
        If a weight is negative or not finite.

    Examples
    --------
    >>> mean_log_loss(np.array([-1.0, -4.0]), [2, 1])
    2.0
    """
    counted = as_weights(weights, len(log_probabilities))
    return float(_ratio(0.0 - log_probabilities @ counted, counted.sum()))


def as_scores(scores: npt.ArrayLike) -> Floats:
    """Return scores as float64, shape (n, n_labels).

    Parameters
    ----------
    scores : array_like, shape (n, n_labels)
        Any numbers but NaN; -inf where a label was no candidate.

    Raises
    ------
    SettingError
        If they are no table, or one is NaN.

    Examples
    --------
    >>> as_scores([[1, 2]])
    array([[1., 2.]])
    """
    rows = _as_floats(scores, "scores must be real numbers")
    if rows.shape == (0,):
        return np.empty((0, 0))
    if rows.ndim != 2:
        raise SettingError(f"scores have shape {rows.shape}; expected (n, n_labels), a row for each clip")
    bad = np.isnan(rows).any(axis=1)
    if bad.any():
        raise SettingError(
            f"row {int(bad.argmax())} of the scores has NaN; expected numbers, -inf where a label was no candidate"
        )
    return rows


def as_log_likelihoods(log_likelihoods: npt.ArrayLike) -> Floats:
    """Return log-likelihoods as float64, shape (n, n_labels), each finite or -inf.

    Parameters
    ----------
    log_likelihoods : array_like, shape (n, n_labels)
        Natural logs; -inf where a label was no candidate.

    Raises
    ------
    SettingError
        If they are no table, or one is NaN or +inf.

    Examples
    --------
    >>> as_log_likelihoods([[-1, -2]])
    array([[-1., -2.]])
    """
    rows = as_scores(log_likelihoods)
    bad = np.isposinf(rows).any(axis=1)
    if bad.any():
        raise SettingError(
            f"row {int(bad.argmax())} of the log-likelihoods has +inf; expected finite numbers, or -inf where a label "
            "was no candidate"
        )
    return rows


def as_probabilities(probabilities: npt.ArrayLike) -> Floats:
    """Return probabilities as float64, shape (n, n_labels).

    Parameters
    ----------
    probabilities : array_like, shape (n, n_labels)
        Rows of non-negative numbers that sum to 1.

    Raises
    ------
    SettingError
        If they are no table, one is negative or NaN, or a row does not sum to 1 within 1e-5.

    Examples
    --------
    >>> as_probabilities([[0.25, 0.75]])
    array([[0.25, 0.75]])
    """
    rows = _as_floats(probabilities, "probabilities must be real numbers")
    if rows.ndim == 2 and ((rows < 0).any() or not np.allclose(rows.sum(axis=1), 1.0, atol=1e-6)):
        raise SettingError("probabilities must be non-negative and sum to 1 in every row; these are scores")
    return as_scores(rows)


def as_columns(true: npt.ArrayLike, rows: npt.NDArray[Any]) -> Counts:
    """Return the column of every row's true label as int64, shape (n,).

    Parameters
    ----------
    true : array_like of int, shape (n,)
        Column of the true label.
    rows : ndarray, shape (n, n_labels)
        What they are columns of.

    Raises
    ------
    SettingError
        If there is not one whole number for each row, or one is no column of the rows.

    Examples
    --------
    >>> as_columns([1, 0], np.zeros((2, 2)))
    array([1, 0])
    """
    refuse_masked(true, "true labels must be whole numbers, the column of each label", SettingError)
    columns = np.asarray(true)
    if columns.shape != rows.shape[:1]:
        raise SettingError(f"true labels have shape {columns.shape}; expected {rows.shape[:1]}, one for each row")
    if columns.size and not np.issubdtype(columns.dtype, np.integer):
        raise SettingError(f"true labels are of type {columns.dtype}; expected whole numbers, the column of each label")
    outside = (columns < 0) | (columns >= rows.shape[1])
    if outside.any():
        raise SettingError(
            f"true label {columns[outside][0]} is no column of the scores; expected 0 to {rows.shape[1] - 1}"
        )
    return columns.astype(np.int64)


def as_weights(weights: npt.ArrayLike | None, n: int) -> Floats:
    """Return the weights of the clips as float64, shape (n,): ones where none are given.

    Parameters
    ----------
    weights : array_like, shape (n,), or None
        What every clip counts, >= 0.
    n : int
        Number of clips.

    Raises
    ------
    SettingError
        If there is not one for each clip, or one is negative or not finite.

    Examples
    --------
    >>> as_weights(None, 2)
    array([1., 1.])
    """
    if weights is None:
        return np.ones(n)
    counted = _as_floats(weights, "weights must be real numbers")
    if counted.shape != (n,):
        raise SettingError(f"weights have shape {counted.shape}; expected ({n},), one for each clip")
    if not (np.isfinite(counted) & (counted >= 0)).all():
        raise SettingError("a weight is negative or not finite; expected weights of 0 or more")
    return counted


def _as_floats(values: npt.ArrayLike, expected: str) -> Floats:
    """Return numbers as float64, or raise SettingError if some are masked or no real numbers."""
    return as_numbers(values, expected, SettingError).astype(np.float64, copy=False)


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Return the quotient, NaN where the denominator is zero."""
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.where(bottom > 0, top / np.maximum(bottom, 1e-300), np.nan)
