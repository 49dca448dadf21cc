"""A trial: rows that get one label together, and the segments of clips that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmmaudio.corpus import Clip, group_keys
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import RawFrames, Rows
from gmmaudio.findings import Finding
from gmmaudio.trials.extraction import Extracted


@dataclass(frozen=True)
class Segment:
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
        The path, with what distinguishes it from other trials of the same file.
    segments : tuple of Segment
        The runs of frames it was made of.
    rows : Rows
        Gated and normalised over the trial.
    duration_s : float
        Length before the gate, seconds.
    unit : str or None
        What an interval is drawn over, where that is not what the trial is held out by.
    copies : tuple of Trial
        The same, degraded: for training only.
    """

    name: str
    segments: tuple[Segment, ...]
    rows: Rows
    duration_s: float
    unit: str | None = None
    copies: tuple[Trial, ...] = ()

    @property
    def training_rows(self) -> tuple[Rows, ...]:
        """The rows and those of the degraded copies."""
        return (self.rows, *(copy.rows for copy in self.copies))

    @property
    def parts(self) -> tuple[Extracted, ...]:
        """The clips it was made of, each once."""
        return tuple(dict.fromkeys(segment.extracted for segment in self.segments))

    @property
    def clip(self) -> Clip:
        """The first of its clips: all have the same label, group, source, split and fold."""
        return self.segments[0].extracted.clip

    @property
    def label(self) -> str:
        """Label of all parts."""
        return self.clip.label

    @property
    def group(self) -> str | None:
        """Group of all parts, as the corpus has it."""
        return self.clip.group

    @property
    def held_out_by(self) -> str | None:
        """What keeps the trial on one side of a split; None where it is unknown."""
        return self.clip.held_out_by

    @property
    def source(self) -> str | None:
        """Source of all parts."""
        return self.clip.source

    @property
    def fold(self) -> str | None:
        """Fold that a column of the corpus gives."""
        return self.clip.fold

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the parts."""
        return tuple(part.clip.path for part in self.parts)


@dataclass(frozen=True, eq=False)
class TrialSet:
    """What came of the clips of a corpus.

    Parameters
    ----------
    trials : list of Trial
        In the order of the clips.
    failed : list of FailedInput
        Clips and trials that could not be used.
    findings : tuple of Finding
        Findings on remainders and copies that are left out.
    clips : tuple of Clip
        The clips asked for.
    sha256 : tuple of str or None
        Hash of each clip's decoded samples; None where it could not be decoded.
    """

    trials: list[Trial]
    failed: list[FailedInput]
    findings: tuple[Finding, ...]
    clips: tuple[Clip, ...]
    sha256: tuple[str | None, ...]


def clips_of(trials: Sequence[Trial]) -> list[Extracted]:
    """Return the clips that trials were made of, each once."""
    return list(dict.fromkeys(part for trial in trials for part in trial.parts))


def units_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return what must stay whole in a split: what a trial is held out by, or the file where that is unknown."""
    return group_keys([trial.held_out_by for trial in trials], [trial.paths[0] for trial in trials])
