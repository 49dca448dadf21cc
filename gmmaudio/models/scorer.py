"""A trained classifier: rows -> transform -> heads -> one score for each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.heads import Linear, Mixtures
from gmmaudio.models.linear_algebra import Array, Parts, Rows

Head = Mixtures | Linear


class Transform(Protocol):
    """What a kind of model learns of rows before they are scored."""

    kind: ClassVar[str]
    scores_rows: ClassVar[bool]

    @property
    def n_features(self) -> int:
        """Number of columns of the rows."""

    def apply(self, values: Rows) -> Rows:
        """Return the transformed rows."""

    def settings(self) -> dict[str, Any]:
        """Return plain values."""

    def parts(self) -> Parts:
        """Return arrays by name."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """What gives a clip's rows one score for each label; the label with the highest wins.

    Parameters
    ----------
    labels : tuple of str
        Sorted, at least two.
    transform : Identity, Projection or Supervectors
        What is learned of rows before they are scored.
    heads : tuple of Mixtures or Linear
        What scores them; of several the weighted sum counts.
    weights : tuple of float
        One for each head, 0 or more; a single head has 1.

    Raises
    ------
    SettingError
        If they do not go together.
    """

    labels: tuple[str, ...]
    transform: Transform
    heads: tuple[Head, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for head in self.heads:
            if len(self.labels) != head.n_labels or len(set(self.labels)) < max(2, len(self.labels)):
                raise SettingError(
                    f"{len(self.labels)} labels and {head.n_labels} mixtures; expected two or more of each"
                )
        if not self.heads or len(self.heads) != len(self.weights) or not min(self.weights) >= 0:
            raise SettingError(
                f"{len(self.heads)} heads and weights {self.weights}; expected one of 0 or more for each"
            )

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return self.transform.n_features

    @property
    def mixtures(self) -> tuple[GaussianMixture, ...]:
        """The mixture of each label, after the transform; none where the first head has none."""
        head = self.heads[0]
        return head.mixtures if isinstance(head, Mixtures) else ()

    @property
    def scores_rows(self) -> bool:
        """Whether single rows have scores: a supervector is of a whole clip."""
        return self.transform.scores_rows

    def score_rows(self, values: npt.NDArray[np.floating]) -> Array:
        """Return the score of every row under every label, shape (n, n_labels); nats where the heads are mixtures.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows.

        Raises
        ------
        SettingError
            If single rows have no scores.
        """
        if not self.scores_rows:
            raise SettingError("a supervector is of a whole clip: single rows have no scores")
        transformed = self.transform.apply(values)
        return _weighted(self.weights, np.stack([head.score(transformed) for head in self.heads]))

    def score_members(self, values: npt.NDArray[np.floating]) -> Array:
        """Return the mean score of a row under every label by every head, shape (n_heads, n_labels).

        A mean, never a sum: rows of one clip are far from independent, and a sum overstates what they tell.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit.
        """
        if len(values) == 0:
            raise MixtureError("there are no rows to score; at least one is needed")
        check_finite(values)
        if values.ndim != 2 or values.shape[1] != self.n_features:
            raise MixtureError(f"rows have shape {values.shape}; expected (n, {self.n_features})")
        transformed = self.transform.apply(values)
        return np.stack([head.score(transformed).mean(axis=0) for head in self.heads])

    def score(self, values: npt.NDArray[np.floating]) -> Array:
        """Return one score for each label, shape (n_labels,): the weighted sum of :meth:`score_members`.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of one clip, at least one.

        Raises
        ------
        MixtureError
            If there are no rows, or they do not fit.
        """
        return _weighted(self.weights, self.score_members(values))


def _weighted(weights: tuple[float, ...], scores: Array) -> Array:
    """Return the weighted sum over the first axis; one alone is left as it is, bit for bit."""
    if len(weights) == 1:
        only: Array = scores[0] * weights[0]
        return only
    total: Array = np.tensordot(np.asarray(weights), scores, axes=1)
    return total


def check_finite(rows: npt.NDArray[np.floating], where: str = "") -> None:
    """Raise where a number is not finite: a mixture takes NaN for a missing value, in frames it is a mistake."""
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        place = ", column ".join(map(str, bad[0]))
        raise MixtureError(
            f"{where}row {place} is {rows[tuple(bad[0])]}; frames must be finite: drop or repair such rows"
        )
