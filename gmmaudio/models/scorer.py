"""A fitted scorer: rows -> transform -> heads -> one score for each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from gmmaudio.arrays import refuse_masked
from gmmaudio.corpus import check_names
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.heads import Head, Mixtures
from gmmaudio.models.linear_algebra import Array, Matrix
from gmmaudio.models.score_parts import Answers, ScoreParts, weighted_sum
from gmmaudio.tensor_table import LARGEST, TensorLayout, Tensors
from gmmaudio.values import convert_fields


class Transform(Protocol):
    """The first stage of a scorer: a map of rows, learned in training.

    Attributes
    ----------
    kind : str
        Name in the model file.
    setting_types : mapping of str to type
        Type of every one of its settings in the model file.
    scores_rows : bool
        Whether single rows have scores, and not only whole clips.
    takes_missing : bool
        Whether NaN may stand for a missing value, which mixtures then leave out of the density.
    """

    kind: ClassVar[str]
    setting_types: ClassVar[Mapping[str, Any]]
    scores_rows: ClassVar[bool]
    takes_missing: ClassVar[bool]

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""

    @property
    def n_outputs(self) -> int:
        """Number of columns of the transformed rows."""

    @property
    def n_warps(self) -> int:
        """Number of VTLN warps that a row holds side by side."""

    def apply(self, values: Matrix) -> Matrix:
        """Return the transformed rows, shape (n, d).

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows.
        """

    def split_score(self, values: Matrix, head: Head, label: int, reference: Array | None) -> ScoreParts:
        """Return the parts of a head's score of every transformed row, by the columns of the rows before that.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows of one clip.
        head : Head
            The head.
        label : int
            Index of the label.
        reference : ndarray, shape (d,), or None
            Transformed row against which columns are measured, where they are measured against one; None takes what
            is average in training.
        """

    def answers(self, values: Matrix, head: Head, label: int) -> Answers | None:
        """Return the components that answer for the rows of a clip; None where there are none.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows of one clip.
        head : Head
            The head.
        label : int
            Index of the label.
        """

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""

    @classmethod
    def tensor_table(cls, settings: Mapping[str, Any], n_labels: int, /) -> dict[str, TensorLayout]:
        """Return the tensors that a transform is stored in, by name: their types, shapes and bounds.

        Parameters
        ----------
        settings : mapping
            Result of :meth:`settings`.
        n_labels : int
            Number of labels of the model.
        """

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Self:
        """Return the transform that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """


@dataclass(frozen=True, eq=False)
class Scorer:
    """The fitted part of a model that gives a clip's rows one score for each label; the highest score wins.

    Parameters
    ----------
    labels : tuple of str
        Sorted, at least two.
    transform : Transform
        Map of the rows before they are scored.
    heads : tuple of Head
        One or two; of two the weighted sum of scores counts.
    weights : tuple of float
        One for each head, 0 or more; a single head has 1.

    Raises
    ------
    SettingError
        If labels, heads and weights do not fit one another.

    Examples
    --------
    >>> from gmmaudio.models import gmm_scorer
    >>> low, high = (GaussianMixture(np.ones(1), np.full((1, 1), mean), np.ones((1, 1))) for mean in (-1.0, 1.0))
    >>> scorer = gmm_scorer(("high", "low"), (high, low))
    >>> scorer.score(np.array([[0.5], [0.7]])).round(2)
    array([-1. , -2.2])
    """

    labels: tuple[str, ...]
    transform: Transform
    heads: tuple[Head, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        convert_fields(self)
        for head in self.heads:
            if len(self.labels) != head.n_labels or len(set(self.labels)) < max(2, len(self.labels)):
                raise SettingError(
                    f"{len(self.labels)} labels and {head.n_labels} mixtures; expected two or more of each"
                )
        check_names(self.labels)
        if not self.heads or len(self.heads) != len(self.weights) or not all(0 <= w <= LARGEST for w in self.weights):
            raise SettingError(
                f"{len(self.heads)} heads and weights {self.weights}; expected one of 0 or more for each"
            )

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""
        return self.transform.n_features

    @property
    def mixtures(self) -> tuple[GaussianMixture, ...]:
        """The mixture of each label, after the transform; none where the first head has none."""
        head = self.heads[0]
        return head.mixtures if isinstance(head, Mixtures) else ()

    @property
    def scores_rows(self) -> bool:
        """Whether single rows have scores, and not only whole clips."""
        return self.transform.scores_rows

    @property
    def takes_missing(self) -> bool:
        """Whether NaN may stand for a missing value in rows: mixtures score them as they are."""
        return self.transform.takes_missing and all(isinstance(head, Mixtures) for head in self.heads)

    def score_rows(self, values: Matrix) -> Array:
        """Return the score of every row under every label, shape (n, n_labels); nats where the heads are mixtures.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows.

        Raises
        ------
        SettingError
            If single rows have no scores.
        MixtureError
            If a value is masked.
        """
        if not self.scores_rows:
            raise SettingError("this kind of model scores whole clips: single rows have no scores")
        refuse_masked(values, "rows must be finite", MixtureError)
        transformed = self.transform.apply(values)
        return _weighted_sum(self.weights, np.stack([head.score(transformed) for head in self.heads]))

    def score_heads(self, values: Matrix) -> Array:
        """Return the mean score of a row under every label by every head, shape (n_heads, n_labels).

        A mean, never a sum: rows of one clip are far from independent, and a sum overstates their evidence.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one; NaN is a missing value where rows may have any.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit.
        """
        if len(values) == 0:
            raise MixtureError("there are no rows to score; at least one is needed")
        check_finite(values, may_be_missing=self.takes_missing)
        if values.ndim != 2 or values.shape[1] != self.n_features:
            raise MixtureError(f"rows have shape {values.shape}; expected (n, {self.n_features})")
        transformed = self.transform.apply(values)
        return np.stack([head.score(transformed).mean(axis=0) for head in self.heads])

    def score(self, values: Matrix) -> Array:
        """Return one score for each label, shape (n_labels,): the weighted sum of :meth:`score_heads`.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit.
        """
        return _weighted_sum(self.weights, self.score_heads(values))

    def split_score(self, values: Matrix, label: int, reference: Array | None = None) -> ScoreParts:
        """Return the parts of the score of every row under a label, by column; their mean is the score of the clip.

        Parts are computed in float64. Where rows are float32, a score may be computed in float32 and differ from their
        sum by its rounding.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.
        label : int
            Index of the label.
        reference : ndarray, shape (d,), or None
            As for :class:`Transform`.

        Returns
        -------
        ScoreParts
            Of every row; of the clip as a whole where single rows have no scores.
        """
        parts = [self.transform.split_score(values, head, label, reference) for head in self.heads]
        return weighted_sum(self.weights, parts)

    def split_lead(self, values: Matrix, first: int, second: int) -> ScoreParts:
        """Return the parts of the difference of the scores of two labels, by column.

        Columns that are measured against a reference are measured against the row halfway between the means of both
        labels, as far as the first head knows them.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.
        first, second : int
            Indices of the labels: the score of the first less that of the second.

        Examples
        --------
        >>> from gmmaudio.models import gmm_scorer
        >>> low, high = (GaussianMixture([1.0], [[mean, 0.0]], [[1.0, 1.0]]) for mean in (-1.0, 1.0))
        >>> scorer = gmm_scorer(("high", "low"), (high, low))
        >>> scorer.split_lead(np.array([[0.5, 3.0]]), 0, 1).columns
        array([[1., 0.]])
        """
        centres = [self.heads[0].centre(label) for label in (first, second)]
        known = [centre for centre in centres if centre is not None]
        reference = None if len(known) < 2 else (known[0] + known[1]) / 2
        return self.split_score(values, first, reference) - self.split_score(values, second, reference)

    def answers(self, values: Matrix, label: int) -> Answers | None:
        """Return the components of the first head that answer for the rows of a clip; None where there are none.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.
        label : int
            Index of the label.
        """
        return self.transform.answers(values, self.heads[0], label)

    def label_distances(self) -> tuple[Array, str]:
        """Return the distance between every two labels by the first head, shape (n_labels, n_labels), and its name."""
        return self.heads[0].label_distances()


def _weighted_sum(weights: tuple[float, ...], scores: Array) -> Array:
    """Return the weighted sum over the first axis; one alone is left as it is, bit for bit."""
    if len(weights) == 1:
        only: Array = scores[0] * weights[0]
        return only
    total: Array = np.tensordot(np.asarray(weights), scores, axes=1)
    return total


def check_finite(rows: Matrix, where: str = "", *, may_be_missing: bool = False) -> None:
    """Raise MixtureError where a number is not finite, or all of them are missing.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        Rows to check.
    where : str
        Put before the message.
    may_be_missing : bool
        Whether NaN stands for a missing value, as mixtures take it; elsewhere it is a fault.

    Examples
    --------
    >>> check_finite(np.zeros((2, 3)))
    >>> check_finite(np.array([[0.0, np.nan]]), may_be_missing=True)
    """
    refuse_masked(rows, f"{where}frames must be finite", MixtureError)
    finite = np.isfinite(rows)
    if may_be_missing and finite.any():
        finite |= np.isnan(rows)
    bad = np.argwhere(~finite)
    if len(bad):
        position = ", column ".join(map(str, bad[0]))
        raise MixtureError(
            f"{where}row {position} is {rows[tuple(bad[0])]}; frames must be finite: drop or repair such rows"
        )
