"""Exact additive parts of the scores of rows: what heads and transforms give to an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.linear_algebra import Array, Matrix

# parts that belong to no column of the rows, in plain words; in the order in which they are shown
OTHER_PARTS = {
    "midpoint": "score halfway between the two labels",
    "intercept": "score of an average training row",
    "volume": "size and correlation of the components",
    "weights": "weights of the components",
    "entropy": "doubt between components",
    "bigrams": "sequences of components (token bigrams)",
}


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """Parts of a score, or of the difference of two, whose sum is the score.

    Parameters
    ----------
    columns : ndarray, shape (n, n_columns)
        Part of each column of every row that is scored.
    others : mapping of str to ndarray, shape (n,)
        Parts that belong to no column, by their key in :data:`OTHER_PARTS`.
    components : ndarray, shape (n_components,), or None
        The columns' parts by component of a UBM instead, summed over columns; None where there is none.
    bigrams : ndarray, shape (n_components, n_components), or None
        The part of token bigrams by component and the one that follows; None where there are none.

    Examples
    --------
    >>> parts = ScoreParts(np.array([[1.0, 2.0]]), {"intercept": np.array([0.5])})
    >>> parts.total, (parts - parts).total
    (array([3.5]), array([0.]))
    """

    columns: Array
    others: Mapping[str, Array] = field(default_factory=dict)
    components: Array | None = None
    bigrams: Array | None = None

    @property
    def total(self) -> Array:
        """Sum of the parts of every row, shape (n,)."""
        return np.asarray(self.columns.sum(axis=1) + sum(self.others.values(), np.zeros(len(self.columns))))

    def __sub__(self, other: ScoreParts) -> ScoreParts:
        return weighted_sum((1.0, -1.0), (self, other))


def weighted_sum(weights: Sequence[float], parts: Sequence[ScoreParts]) -> ScoreParts:
    """Return the weighted sum of the parts of several scores of the same rows.

    Parameters
    ----------
    weights : sequence of float
        One for each score.
    parts : sequence of ScoreParts
        At least one.

    Examples
    --------
    >>> one = ScoreParts(np.array([[1.0]]), {"intercept": np.array([2.0])})
    >>> weighted_sum((1.0, 3.0), (one, ScoreParts(np.array([[1.0]])))).total
    array([6.])
    """
    keys = dict.fromkeys(key for each in parts for key in each.others)
    none = np.zeros(len(parts[0].columns))
    return ScoreParts(
        _total(weights, [each.columns for each in parts]),
        {key: _total(weights, [each.others.get(key, none) for each in parts]) for key in keys},
        _total_if_any(weights, [each.components for each in parts]),
        _total_if_any(weights, [each.bigrams for each in parts]),
    )


def _total(weights: Sequence[float], arrays: Sequence[Array]) -> Array:
    """Return the weighted sum of arrays."""
    return np.asarray(sum(weight * array for weight, array in zip(weights, arrays, strict=True)))


def _total_if_any(weights: Sequence[float], arrays: Sequence[Array | None]) -> Array | None:
    """Return the weighted sum of arrays; None where there are none."""
    there = [array for array in arrays if array is not None]
    return _total(weights, there) if len(there) == len(arrays) else None


@dataclass(frozen=True, eq=False)
class ScoreLine:
    """Scores as functions of transformed rows: ``slopes . (row - reference) + constant``, for every row its own.

    Parameters
    ----------
    slopes : ndarray, shape (n, d) or (1, d)
        Change of the score for a unit of each column.
    constant : ndarray, shape (n,)
        Score of the reference.
    """

    slopes: Array
    constant: Array


@dataclass(frozen=True, eq=False)
class Answers:
    """The components of a mixture that answered for the rows of a clip.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture: of a label, or a UBM.
    rows : ndarray, shape (n, d)
        The rows in its space.
    shares : ndarray, shape (n, n_components)
        Responsibility of each component for every row, 0..1.
    is_shared : bool
        Whether all labels have this mixture, as a UBM.
    """

    mixture: GaussianMixture
    rows: Matrix
    shares: Array
    is_shared: bool = False
