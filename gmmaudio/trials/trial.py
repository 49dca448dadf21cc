"""A trial: rows that get one label together, and the segments of clips that it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmmaudio.corpus import Place, group_keys
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import RawFrames, Rows
from gmmaudio.trials.extraction import Extracted


@dataclass(frozen=True)
class Piece:
    """A run of frames of one clip.

    Parameters
    ----------
    extracted : Extracted
        The clip.
    first, last : int
        Frames ``first`` to ``last``, the last not included.
    duration_s : float
        Length before the gate, seconds.
    """

    extracted: Extracted
    first: int
    last: int
    duration_s: float

    @property
    def raw(self) -> RawFrames:
        """Its frames before deltas, gate and normalisation."""
        return self.extracted.raw.slice(self.first, self.last)


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows that get one label together.

    Parameters
    ----------
    name : str
        The path, with what tells it from other trials of the same file.
    pieces : tuple of Piece
        The runs of frames it was made of.
    rows : Rows
        Gated and normalised over the trial.
    duration_s : float
        Length before the gate, seconds.
    fold : str or None
        Value of the fold column.
    unit : str or None
        What an interval is drawn over, where that is not the group.
    copies : tuple of Trial
        The same, degraded: for training only.
    """

    name: str
    pieces: tuple[Piece, ...]
    rows: Rows
    duration_s: float
    fold: str | None
    unit: str | None = None
    copies: tuple[Trial, ...] = ()

    @property
    def heard(self) -> tuple[Rows, ...]:
        """What is trained on: its rows and their degraded copies."""
        return (self.rows, *(copy.rows for copy in self.copies))

    @property
    def parts(self) -> tuple[Extracted, ...]:
        """The clips it was made of, each once."""
        return tuple(dict.fromkeys(piece.extracted for piece in self.pieces))

    @property
    def label(self) -> str:
        """Label of all parts."""
        return self.parts[0].clip.label

    @property
    def group(self) -> str | None:
        """Group of all parts."""
        return self.parts[0].clip.group

    @property
    def source(self) -> str | None:
        """Source of all parts."""
        return self.parts[0].clip.source

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the parts."""
        return tuple(part.clip.path for part in self.parts)


@dataclass(frozen=True, eq=False)
class Material:
    """What came of the clips of a corpus.

    Parameters
    ----------
    trials : list of Trial
        In the order of the clips.
    failed : list of FailedInput
        Clips and trials that could not be used.
    left_out : tuple of str
        What should be said of remainders.
    hashes : mapping
        Place of every clip that was decoded -> SHA-256 of its samples.
    """

    trials: list[Trial]
    failed: list[FailedInput]
    left_out: tuple[str, ...]
    hashes: Mapping[Place, str]


def clips_of(trials: Sequence[Trial]) -> list[Extracted]:
    """Return the clips that trials were made of, each once."""
    return list(dict.fromkeys(part for trial in trials for part in trial.parts))


def units_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return what must stay whole in a split: the group, or the file where it is unknown."""
    return group_keys([trial.group for trial in trials], [trial.paths[0] for trial in trials])
