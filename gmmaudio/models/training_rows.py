"""The rows that a scorer is fitted to, with their labels, groups and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.mixture.file_rows import FileRows
from gmmaudio.models.calibration import clip_weights
from gmmaudio.models.linear_algebra import Array, Codes, Matrix

# rows of a clip, or their place in a file
Piece = Matrix | FileRows


class ClipRows(Sequence[Matrix]):
    """The rows of clips, of which those in files are opened when they are asked for, and closed when they are dropped.

    Parameters
    ----------
    pieces : sequence of ndarray or FileRows
        Rows of every clip.

    Examples
    --------
    >>> rows = ClipRows((np.zeros((3, 2)), np.ones((1, 2))))
    >>> len(rows), rows[1]
    (2, array([[1., 1.]]))
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)

    def __len__(self) -> int:
        return len(self.pieces)

    @overload
    def __getitem__(self, place: int) -> Matrix: ...

    @overload
    def __getitem__(self, place: slice) -> ClipRows: ...

    def __getitem__(self, place: int | slice) -> Matrix | ClipRows:
        if isinstance(place, slice):
            return ClipRows(self.pieces[place])
        piece = self.pieces[place]
        return piece.open() if isinstance(piece, FileRows) else piece


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows of labelled clips, and how they are fitted to.

    Parameters
    ----------
    rows : sequence of ndarray, shape (n_i, n_features)
        Rows of every clip. They may be in files, opened by each access (:class:`ClipRows`): hold few at a time.
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
    is_copy : ndarray, shape (n_clips,), bool, or None
        Whether each is a degraded copy of the clip before it, or of the one before that, and so on; None: none is.

    Examples
    --------
    >>> rows = (np.zeros((3, 2)), np.ones((1, 2)))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1]), ("1", "2"), 0)
    >>> training.of_label(1), training.clip_of_rows()
    (array([[1., 1.]]), array([0, 0, 0, 1]))
    """

    rows: Sequence[Matrix]
    labels: tuple[str, ...]
    codes: Codes
    groups: tuple[str, ...]
    seed: int
    run: RunContext = QUIET
    n_warps: int = 1
    is_copy: npt.NDArray[np.bool_] | None = None

    @property
    def pieces(self) -> Sequence[Piece]:
        """Rows of every clip, those in files unopened."""
        return self.rows.pieces if isinstance(self.rows, ClipRows) else self.rows

    @property
    def lengths(self) -> Codes:
        """Number of rows of every clip, shape (n_clips,)."""
        return np.array([len(piece) for piece in self.pieces], dtype=np.intp)

    def of_label(self, code: int) -> Matrix | list[Piece]:
        """Return all rows of one label, as a source of rows (:func:`gmmaudio.mixture.fit_gmm`).

        Parameters
        ----------
        code : int
            Index of the label.

        Returns
        -------
        ndarray, or list of ndarray or FileRows
            One matrix where all are in memory, and a list where some are in files.
        """
        pieces = [piece for piece, label in zip(self.pieces, self.codes, strict=True) if label == code]
        in_memory = [piece for piece in pieces if not isinstance(piece, FileRows)]
        return np.concatenate(in_memory) if len(in_memory) == len(pieces) else pieces

    def part(self, clips: Codes) -> TrainingRows:
        """Return some of the clips, with the labels that they have.

        Parameters
        ----------
        clips : ndarray, shape (n,), int
            Indices of the clips.
        """
        present, codes = np.unique(self.codes[clips], return_inverse=True)
        labels, groups = tuple(self.labels[i] for i in present), tuple(self.groups[i] for i in clips)
        pieces = self.pieces
        rows = ClipRows([pieces[i] for i in clips])
        is_copy = None if self.is_copy is None else self.is_copy[clips]
        return replace(self, rows=rows, labels=labels, codes=codes, groups=groups, is_copy=is_copy)

    def weights(self) -> Array:
        """Return clip weights by which every label counts the same, and every group within it, mean 1."""
        return clip_weights(self.codes, self.groups) * len(self.codes)

    def originals(self) -> TrainingRows:
        """Return the clips that are no degraded copies.

        Examples
        --------
        >>> rows = tuple(np.zeros((1, 2)) for _ in range(3))
        >>> training = TrainingRows(rows, ("a",), np.zeros(3, np.intp), ("1", "1", "2"), 0)
        >>> replace(training, is_copy=np.array([False, True, False])).originals().groups
        ('1', '2')
        """
        return self if self.is_copy is None else self.part(np.flatnonzero(~self.is_copy))

    def shares(self) -> Array | None:
        """Return the weight of every clip beside its copies: 1, and 1/n for each of its n copies; None without copies.

        Examples
        --------
        >>> rows = tuple(np.zeros((1, 2)) for _ in range(4))
        >>> training = TrainingRows(rows, ("a",), np.zeros(4, np.intp), tuple("1112"), 0)
        >>> replace(training, is_copy=np.array([False, True, True, False])).shares()
        array([1. , 0.5, 0.5, 1. ])
        """
        if self.is_copy is None or not self.is_copy.any():
            return None
        clip = np.cumsum(~self.is_copy) - 1
        n_copies = np.bincount(clip) - 1
        return np.where(self.is_copy, 1.0 / np.maximum(n_copies, 1)[clip], 1.0)

    def clip_of_rows(self) -> npt.NDArray[np.intp]:
        """Return the clip of every row, as an index, for rows of all clips one after the other."""
        return np.repeat(np.arange(len(self.codes)), self.lengths)


def n_rows_of(source: Matrix | Sequence[Piece]) -> int:
    """Return the number of rows of a matrix, or of a list of pieces.

    Parameters
    ----------
    source : ndarray, or list of ndarray or FileRows
        As :meth:`TrainingRows.of_label` gives it.

    Examples
    --------
    >>> n_rows_of(np.zeros((3, 2))), n_rows_of([np.zeros((3, 2)), np.zeros((1, 2))])
    (3, 4)
    """
    return len(source) if isinstance(source, np.ndarray) else sum(map(len, source))


def every_second(source: Matrix | Sequence[Piece]) -> Matrix | list[Piece]:
    """Return every second row of a matrix, or of a list of pieces as one, none of them copied.

    Parameters
    ----------
    source : ndarray, or list of ndarray or FileRows
        As :meth:`TrainingRows.of_label` gives it.

    Examples
    --------
    >>> rows = np.arange(5.0)[:, None]
    >>> every_second(rows).ravel(), [piece.ravel() for piece in every_second([rows, rows])]
    (array([0., 2., 4.]), [array([0., 2., 4.]), array([1., 3.])])
    """
    if isinstance(source, np.ndarray):
        return source[::2]
    starts = np.cumsum([0, *map(len, source)]) % 2
    return [piece[start::2] for piece, start in zip(source, starts[:-1], strict=True)]
