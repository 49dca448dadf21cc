"""The rows that a scorer is fitted to, with their labels, groups and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.models.calibration import clip_weights
from gmmaudio.models.linear_algebra import Array, Codes, Matrix


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows of labelled clips, and how they are fitted to.

    Parameters
    ----------
    rows : tuple of ndarray, shape (n_i, n_features)
        Rows of every clip.
    labels : tuple of str
        Sorted, each once.
    codes : ndarray, shape (n_clips,), int
        Label of every clip, as an index into ``labels``.
    groups : tuple of str
        Group of every clip.
    seed : int
        Seed of the random streams.
    run : RunContext
        Worker processes and progress.
    n_warps : int
        VTLN warps of a frame that each row holds side by side.

    Examples
    --------
    >>> rows = (np.zeros((3, 2)), np.ones((1, 2)))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1]), ("1", "2"), 0)
    >>> training.of_label(1), training.clip_of_rows()
    (array([[1., 1.]]), array([0, 0, 0, 1]))
    """

    rows: tuple[Matrix, ...]
    labels: tuple[str, ...]
    codes: Codes
    groups: tuple[str, ...]
    seed: int
    run: RunContext = QUIET
    n_warps: int = 1

    def of_label(self, code: int) -> Matrix:
        """Return all rows of one label.

        Parameters
        ----------
        code : int
            Index of the label.
        """
        return np.concatenate([rows for rows, label in zip(self.rows, self.codes, strict=True) if label == code])

    def part(self, clips: Codes) -> TrainingRows:
        """Return some of the clips, with the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips.
        """
        present, codes = np.unique(self.codes[clips], return_inverse=True)
        labels, groups = tuple(self.labels[i] for i in present), tuple(self.groups[i] for i in clips)
        return replace(self, rows=tuple(self.rows[i] for i in clips), labels=labels, codes=codes, groups=groups)

    def weights(self) -> Array:
        """Return clip weights by which every label counts the same, and every group within it, mean 1."""
        return clip_weights(self.codes, self.groups) * len(self.codes)

    def clip_of_rows(self) -> npt.NDArray[np.intp]:
        """Return the clip of every row, as an index, for rows of all clips one after the other."""
        return np.repeat(np.arange(len(self.rows)), [len(rows) for rows in self.rows])
