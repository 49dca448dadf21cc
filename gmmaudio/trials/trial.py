"""A trial: rows that are classified as one, and the segments of clips that it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmmaudio.corpus import Clip, group_keys
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import RawFrames, Rows
from gmmaudio.findings import Finding
from gmmaudio.trials.extraction import Extracted


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of one clip.

    Parameters
    ----------
    extracted : Extracted
        The clip and its frames.
    first, last : int
        Index of the first frame, and of the frame after the last.
    duration_s : float
        Length before the gate, seconds.
    """

    extracted: Extracted
    first: int
    last: int
    duration_s: float

    @property
    def raw(self) -> RawFrames:
        """The frames before deltas, gate and normalisation."""
        return self.extracted.raw.slice(self.first, self.last)


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows that are classified as one.

    Parameters
    ----------
    name : str
        The path of the first clip, with a suffix where a file has several trials; unique.
    segments : tuple of Segment
        The segments of clips that were joined.
    rows : Rows
        Rows, gated and normalised over the trial.
    duration_s : float
        Length before the gate, seconds.
    unit : str or None
        Unit that confidence intervals resample, where that is not the value that the trial is held out by.
    copies : tuple of Trial
        Degraded copies of the trial, for training only.
    """

    name: str
    segments: tuple[Segment, ...]
    rows: Rows
    duration_s: float
    unit: str | None = None
    copies: tuple[Trial, ...] = ()

    @property
    def training_rows(self) -> tuple[Rows, ...]:
        """The rows of the trial and those of its degraded copies."""
        return (self.rows, *(copy.rows for copy in self.copies))

    @property
    def parts(self) -> tuple[Extracted, ...]:
        """The clips of the segments, each once."""
        return tuple(dict.fromkeys(segment.extracted for segment in self.segments))

    @property
    def clip(self) -> Clip:
        """The first clip; all clips of a trial have the same label, group, source, split and fold."""
        return self.segments[0].extracted.clip

    @property
    def label(self) -> str:
        """Label of all clips."""
        return self.clip.label

    @property
    def group(self) -> str | None:
        """Group of all clips in the corpus."""
        return self.clip.group

    @property
    def held_out_by(self) -> str | None:
        """Value by which the trial is held out (:func:`gmmaudio.corpus.plan_split`); None where it is unknown."""
        return self.clip.held_out_by

    @property
    def source(self) -> str | None:
        """Source of all clips."""
        return self.clip.source

    @property
    def fold(self) -> str | None:
        """Value of the fold column of the corpus, if there is one."""
        return self.clip.fold

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the clips."""
        return tuple(part.clip.path for part in self.parts)


@dataclass(frozen=True, eq=False)
class TrialSet:
    """The trials of a corpus, and the clips that could not be used.

    Parameters
    ----------
    trials : list of Trial
        Trials in the order of the clips.
    failed : list of FailedInput
        Clips and trials that could not be used.
    findings : tuple of Finding
        Findings on remainders and copies that are left out.
    clips : tuple of Clip
        All clips, the unusable ones included.
    sha256 : tuple of str or None
        Hash of each clip's decoded samples; None where it could not be decoded.
    left_out_s : tuple of float
        Remainders that are in no trial, seconds.
    lost_copies : mapping of str to tuple of FailedInput
        Degradation -> copies that could not be made.
    """

    trials: list[Trial]
    failed: list[FailedInput]
    findings: tuple[Finding, ...]
    clips: tuple[Clip, ...]
    sha256: tuple[str | None, ...]
    left_out_s: tuple[float, ...] = ()
    lost_copies: Mapping[str, tuple[FailedInput, ...]] = field(default_factory=dict)


def clips_of(trials: Sequence[Trial]) -> list[Extracted]:
    """Return the clips of trials, each once.

    Parameters
    ----------
    trials : sequence of Trial
        Trials.

    Returns
    -------
    list of Extracted
        Clips in the order of the trials.

    Examples
    --------
    >>> clips_of([])
    []
    """
    return list(dict.fromkeys(part for trial in trials for part in trial.parts))


def units_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return the unit of each trial that a split must not divide.

    Parameters
    ----------
    trials : sequence of Trial
        Trials.

    Returns
    -------
    tuple of str
        The value that a trial is held out by, or the file of its first clip where that is unknown.

    Examples
    --------
    >>> units_of([])
    ()
    """
    return group_keys([trial.held_out_by for trial in trials], [trial.paths[0] for trial in trials])
