"""The second head of a model: Gaussians on vectors that are given beside the sound, with their own calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmmaudio.compute import one_thread
from gmmaudio.errors import SettingError
from gmmaudio.features import GivenFrames
from gmmaudio.models.calibration import Calibration
from gmmaudio.models.kind_settings import KindSettings
from gmmaudio.models.kinds.block_gaussian import BlockGaussianSettings
from gmmaudio.models.linear_algebra import Array, Matrix
from gmmaudio.models.scorer import Scorer
from gmmaudio.trials import check_width
from gmmaudio.values import convert_fields

# one Gaussian for each label on principal components, with a covariance in common: nothing of it is chosen on a corpus
VECTOR_SETTINGS = BlockGaussianSettings()
# a mean probability of 0 has the score of this one
LEAST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class VectorHead:
    """Gaussians on vectors of clips, calibrated on out-of-fold scores of their own.

    Parameters
    ----------
    frames : GivenFrames
        Name of what made the vectors, and number of columns.
    kind_settings : KindSettings
        Settings of the fit.
    scorer : Scorer
        Gives scores of vectors.
    calibration : Calibration
        Makes them probabilities.

    Raises
    ------
    SettingError
        If scorer and calibration do not fit.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> low, high = (GaussianMixture(np.ones(1), np.full((1, 1), mean), np.ones((1, 1))) for mean in (-1.0, 1.0))
    >>> frames = GivenFrames(rows_name="ours", n_columns=1)
    >>> scorer, calibration = gmm_scorer(("high", "low"), (high, low)), Calibration(1.0, np.zeros(2))
    >>> VectorHead(frames, VECTOR_SETTINGS, scorer, calibration).probability(np.array([[1.0]])).round(2)
    array([0.88, 0.12])
    """

    frames: GivenFrames
    kind_settings: KindSettings
    scorer: Scorer
    calibration: Calibration

    def __post_init__(self) -> None:
        convert_fields(self)
        if self.scorer.n_features != self.frames.n_columns:
            raise SettingError(
                f"the head takes {self.scorer.n_features} columns and the vectors have {self.frames.n_columns}"
            )
        if len(self.calibration.offsets) != len(self.scorer.labels):
            raise SettingError(
                f"the calibration of the vectors is of {len(self.calibration.offsets)} labels; expected "
                f"{len(self.scorer.labels)}"
            )

    def probability(self, vectors: Matrix, prior: Array | None = None) -> Array:
        """Return the probability of every label for a clip, 0..1, shape (n_labels,).

        Parameters
        ----------
        vectors : ndarray, shape (n, n_columns)
            Vectors of the clip, at least one; their mean score counts.
        prior : ndarray, shape (n_labels,), or None
            Class priors, summing to 1; None takes all as equal.

        Raises
        ------
        RowsError
            If the vectors have another number of columns.
        """
        error = check_width(np.asarray(vectors), self.frames)
        if error is not None:
            raise error
        # one thread, so that a score is the same bits on any machine with the same libraries
        with one_thread():
            return self.calibration.probability(self.scorer.score(vectors), prior)

    def describe(self) -> str:
        """Return the head in one line of words."""
        calibration = self.calibration
        return (
            f"vectors of {self.frames.rows_name!r} ({self.frames.n_columns} columns), a Gaussian for each label with a "
            f"covariance in common, PCA {self.scorer.transform.n_outputs}, {calibration.method}, scale "
            f"{calibration.scale:.4g}, learned on {calibration.n} clips of {calibration.n_groups} groups by inner "
            f"folds, log-loss {calibration.log_loss:.3f} nats"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the tensors of the scorer."""
        return {
            "vectors_name": self.frames.rows_name,
            "n_columns": self.frames.n_columns,
            "kind_settings": self.kind_settings.to_dict(),
            "calibration": self.calibration.to_dict(),
        }


def mean_probability(first: Mapping[str, float], second: Array) -> dict[str, float]:
    """Return the mean of two probabilities of every label, by label.

    Parameters
    ----------
    first : mapping of str to float
        Probabilities by label.
    second : ndarray, shape (n_labels,)
        Others, in the order of these labels.

    References
    ----------
    Stone, "The opinion pool", Annals of Mathematical Statistics 32 (1961).

    Examples
    --------
    >>> mean_probability({"a": 1.0, "b": 0.0}, np.array([0.5, 0.5]))
    {'a': 0.75, 'b': 0.25}
    """
    means = (np.array(list(first.values())) + second) / 2
    return dict(zip(first, means.tolist(), strict=True))


def needs_vectors(head: VectorHead) -> str:
    """Return the message that a model is asked for an answer without vectors.

    Parameters
    ----------
    head : VectorHead
        The second head of the model.
    """
    frames = head.frames
    return (
        f"the model has a second head on vectors of {frames.rows_name!r} ({frames.n_columns} columns), and none are "
        "given; name those of the clips (`vectors`)"
    )
