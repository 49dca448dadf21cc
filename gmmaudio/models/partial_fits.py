"""Fits to parts of a training set, and the scores of the clips that they leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gmmaudio.compute import one_thread
from gmmaudio.models.linear_algebra import Array, Codes, Matrix
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.training_rows import TrainingRows
from gmmaudio.models.ubm import Traces


class PartialFits(Protocol):
    """Scorers of parts of a training set; they may share what a fit to all of it has computed of every clip."""

    def fit(self, clips: Codes) -> Scorer:
        """Return the scorer of some clips, of the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips, ascending, of at least two labels.
        """

    def score(self, scorer: Scorer, clips: Codes) -> Array:
        """Return each head's scores of some clips, shape (n, n_heads, n_labels).

        Parameters
        ----------
        scorer : Scorer
            The scorer of the training set, or of a part of it.
        clips : ndarray, shape (n,), int
            Indices of the clips, at least one.
        """


@dataclass(frozen=True, eq=False)
class Fit:
    """A scorer of a training set.

    Parameters
    ----------
    scorer : Scorer
        The scorer.
    traces : mapping of str to EMTrace
        Traces of EM, by label or ``ubm``.
    partial : PartialFits or None
        Scorers of parts of the training set that share what this fit has computed; None where nothing can be shared.
    """

    scorer: Scorer
    traces: Traces
    partial: PartialFits | None = None


@dataclass(frozen=True, eq=False)
class FreshFits:
    """Scorers of parts of a training set, each fitted to the rows of its part as if there were no other.

    Parameters
    ----------
    training : TrainingRows
        Rows of labelled clips.
    settings : KindSettings
        Settings of the fits.
    fit_rows : callable
        Training rows and settings -> a :class:`Fit`: the function of a kind.

    Examples
    --------
    >>> from gmmaudio.models import FrameGmmSettings
    >>> from gmmaudio.models.kinds.frame_gmm import fit
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> fits = FreshFits(training, FrameGmmSettings(n_components=1), fit)
    >>> fits.score(fits.fit(np.array([0, 1])), np.array([2, 3])).argmax(axis=2).ravel()
    array([0, 1])
    """

    training: TrainingRows
    settings: Any
    fit_rows: Callable[[TrainingRows, Any], Fit]

    def fit(self, clips: Codes) -> Scorer:
        """Return the scorer of some clips, of the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips, ascending, of at least two labels.
        """
        with one_thread():
            return self.fit_rows(self.training.part(clips), self.settings).scorer

    def score(self, scorer: Scorer, clips: Codes) -> Array:
        """Return each head's scores of some clips, shape (n, n_heads, n_labels).

        Parameters
        ----------
        scorer, clips
            As for :class:`PartialFits`.
        """
        return score_rows_of_clips(scorer, (self.training.rows[i] for i in clips))


def score_rows_of_clips(scorer: Scorer, rows_of_clips: Iterable[Matrix]) -> Array:
    """Return each head's scores of clips, shape (n, n_heads, n_labels).

    Parameters
    ----------
    scorer : Scorer
        Scores them.
    rows_of_clips : iterable of ndarray, shape (n_i, n_features)
        Rows of every clip; at least one clip. One is held at a time.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> low, high = (GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (-1.0, 1.0))
    >>> score_rows_of_clips(gmm_scorer(("high", "low"), (high, low)), [np.array([[0.5], [0.7]])]).shape
    (1, 1, 2)
    """
    with one_thread():
        return np.stack([scorer.score_heads(rows) for rows in rows_of_clips])
