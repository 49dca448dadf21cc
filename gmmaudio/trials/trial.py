"""A trial: rows that are classified as one, and the segments of clips that it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmmaudio.corpus import Clip, group_keys
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import Frames, GivenFrames, RawFrames, Rows
from gmmaudio.findings import Finding
from gmmaudio.trials.extraction import Extracted
from gmmaudio.trials.spool import Spool, StoredRows


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
        """The frames before deltas, gate and normalisation; those in a file are read."""
        return self.extracted.raw.slice(self.first, self.last)


class FrameReader:
    """The raw frames of segments, of which those of the last clip are kept: many segments of one are read once.

    Examples
    --------
    >>> import numpy as np
    >>> numbers = np.arange(4, dtype=np.float32)
    >>> clip = Extracted(Clip("a.wav", "jazz"), RawFrames(numbers[:, None], numbers, numbers), 4.0, "hash")
    >>> reader = FrameReader()
    >>> [reader.read(Segment(clip, first, first + 2, 2.0)).time_s.tolist() for first in (0, 2)]
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def __init__(self) -> None:
        self._last: tuple[Extracted, RawFrames] | None = None

    def read(self, segment: Segment) -> RawFrames:
        """Return the frames of a segment, before deltas, gate and normalisation.

        Parameters
        ----------
        segment : Segment
            Segment of a clip.
        """
        if self._last is None or self._last[0] is not segment.extracted:
            # the frames of one clip at a time
            self._last = None
            self._last = (segment.extracted, segment.extracted.raw)
        return self._last[1].slice(segment.first, segment.last)


@dataclass(frozen=True, eq=False)
class TrialVectors:
    """Vectors that were given of the clips of a trial, beside their sound.

    Parameters
    ----------
    frames : GivenFrames
        Name of what made them, and number of columns.
    values : ndarray, shape (n, n_columns), float32
        One vector for each clip, or a few; finite.

    Examples
    --------
    >>> import numpy as np
    >>> TrialVectors(GivenFrames(rows_name="ours", n_columns=2), np.zeros((1, 2), np.float32)).values.shape
    (1, 2)
    """

    frames: GivenFrames
    values: Frames


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows that are classified as one.

    Parameters
    ----------
    name : str
        The path of the first clip, with a suffix where a file has several trials; unique.
    segments : tuple of Segment
        The segments of clips that were joined.
    held_rows : Rows or StoredRows
        Rows, gated and normalised over the trial, in memory or in a file.
    duration_s : float
        Length before the gate, seconds.
    unit : str or None
        Unit that confidence intervals resample, where that is not the value that the trial is held out by.
    copies : tuple of Trial
        Degraded copies of the trial, for training only.
    spool : Spool or None
        Where other rows of the trial go beyond a bound of memory; None holds them in memory.
    vectors : TrialVectors or None
        Vectors that were given of its clips, beside their sound.
    """

    name: str
    segments: tuple[Segment, ...]
    held_rows: Rows | StoredRows
    duration_s: float
    unit: str | None = None
    copies: tuple[Trial, ...] = ()
    spool: Spool | None = None
    vectors: TrialVectors | None = None

    @property
    def rows(self) -> Rows:
        """The rows; those in a file are opened, so drop them after use."""
        return self.held_rows if isinstance(self.held_rows, Rows) else self.held_rows.open()

    @property
    def n_rows(self) -> int:
        """Number of rows, which are not opened for it."""
        return len(self.held_rows)

    @property
    def training_rows(self) -> tuple[Rows | StoredRows, ...]:
        """The rows of the trial and those of its degraded copies, in memory or in files."""
        return (self.held_rows, *(copy.held_rows for copy in self.copies))

    @property
    def parts(self) -> tuple[Extracted, ...]:
        """The clips of the segments, each once."""
        return tuple(dict.fromkeys(segment.extracted for segment in self.segments))

    @property
    def known_duration_s(self) -> float | None:
        """Length before the gate, seconds; None where frames were given without a rate."""
        return self.duration_s if all(part.is_timed for part in self.parts) else None

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
