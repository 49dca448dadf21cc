"""Figures of merit, all from a confusion matrix or from probabilities; no sound, no models.

A confusion matrix has rows of true and columns of predicted labels, and holds counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def confusion_matrix(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Counts:
    """Return how often each true label (row) was called each label (column), shape (n_labels, n_labels).

    Parameters
    ----------
    true, predicted : sequence of str
        One each for every clip.
    labels : sequence of str
        Order of rows and columns.

    Raises
    ------
    SettingError
        If a label is not among ``labels``, or the lengths differ.

    Examples
    --------
    >>> confusion_matrix(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    array([[1, 1],
           [0, 1]])
    """
    if len(true) != len(predicted):
        raise SettingError(f"{len(true)} true and {len(predicted)} predicted labels; expected one each for every clip")
    place = {label: i for i, label in enumerate(labels)}
    unknown = sorted((set(true) | set(predicted)) - set(place))
    if unknown:
        raise SettingError(f"label {unknown[0]!r} is not among {', '.join(labels)}")
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, ([place[t] for t in true], [place[p] for p in predicted]), 1)
    return counts


def accuracy(confusion: npt.ArrayLike) -> Floats:
    """Return the share of clips named rightly, 0..1; NaN where there are none.

    Parameters
    ----------
    confusion : array_like, shape (..., n_labels, n_labels)
        Counts; leading axes are kept.

    Examples
    --------
    >>> float(accuracy([[1, 1], [0, 2]]))
    0.75
    """
    counts = np.asarray(confusion, dtype=np.float64)
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
    counts = np.asarray(confusion, dtype=np.float64)
    n = counts.sum(axis=-1)
    recall = np.where(n > 0, np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(n, 1), 0.0)
    return _ratio(recall.sum(axis=-1), (n > 0).sum(axis=-1))


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
        hits, true, called = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
        table[label] = {
            "precision": hits / called if called else None,
            "recall": hits / true if true else None,
            "f1": 2 * hits / (true + called) if true else None,
            "n": true,
        }
    return table


def log_loss(probabilities: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Return the mean of minus the log probability given to the true label, nats; 0 is perfect.

    Parameters
    ----------
    probabilities : array_like, shape (n, n_labels)
        Rows of non-negative numbers that sum to 1.
    true : array_like of int, shape (n,)
        Column of the true label.

    Raises
    ------
    SettingError
        If rows do not sum to 1.

    Examples
    --------
    >>> round(log_loss([[0.5, 0.5]], [0]), 4)
    0.6931
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        return float("nan")
    if (rows < 0).any() or not np.allclose(rows.sum(axis=1), 1.0, atol=1e-6):
        raise SettingError("probabilities must be non-negative and sum to 1 in every row; these are scores")
    picked = rows[np.arange(len(rows)), np.asarray(true)]
    return float(-np.log(np.maximum(picked, np.finfo(np.float64).tiny)).mean())


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Return the quotient, NaN where the denominator is zero."""
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.where(bottom > 0, top / np.maximum(bottom, 1e-300), np.nan)
