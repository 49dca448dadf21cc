"""Timelines: the segments of a recording, each with its label, and the posteriors over time behind them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.findings import Finding
from gmmaudio.values import convert_fields

Array = npt.NDArray[np.float64]

# what a segment may be: of a label, of no known label, or without sound (or speech) to tell a label by
STATUSES = ("ok", "unknown", "silence")
# a part of a segment shorter than this is rounding
SHORTEST_S = 1e-9


@dataclass(frozen=True)
class TimelineSegment:
    """A stretch of a recording with one label, with an unknown one, or of silence.

    Parameters
    ----------
    start_s, end_s : float
        From the start of the recording, seconds; the end is after the start.
    label : str or None
        Its label; None unless the status is ``ok``.
    status : {"ok", "unknown", "silence"}
        ``unknown``: of no known label. ``silence``: no sound, or no speech where the model has a speech gate.
    probability : float or None
        Mean posterior of the label, or of the status, over the segment, 0..1; None where there is none.
    tolerance_s : float or None
        The start lies within this many seconds of ``start_s`` with a probability of 0.9; None where the segment begins
        the recording, or the start is exact or unknown.

    Raises
    ------
    SettingError
        If times, status and label do not fit one another.

    Examples
    --------
    >>> TimelineSegment(0.0, 2.5, "fr").duration_s
    2.5
    >>> TimelineSegment(2.5, 3.0, None, "silence").name
    'silence'
    """

    start_s: float
    end_s: float
    label: str | None
    status: str = "ok"
    probability: float | None = None
    tolerance_s: float | None = None

    def __post_init__(self) -> None:
        convert_fields(self)
        if not 0 <= self.start_s < self.end_s < math.inf:
            raise SettingError(f"a segment from {self.start_s} to {self.end_s} s; expected 0 or more, end after start")
        if self.status not in STATUSES or (self.label is None) == (self.status == "ok"):
            raise SettingError(
                f"a segment with status {self.status!r} and label {self.label!r}; expected one of "
                f"{', '.join(STATUSES)}, and a label with ok only"
            )
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise SettingError(f"the probability of a segment is {self.probability:g}; expected 0 to 1")

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return self.end_s - self.start_s

    @property
    def name(self) -> str:
        """The label, or the status where there is none."""
        return self.status if self.label is None else self.label

    @property
    def key(self) -> tuple[str, str | None]:
        """Status and label: a label may have the name of a status."""
        return self.status, self.label

    def ending_at(self, end_s: float) -> TimelineSegment:
        """Return the segment with another end.

        Parameters
        ----------
        end_s : float
            From the start of the recording, seconds, after its start; an end that is not is left as it was.
        """
        return replace(self, end_s=end_s) if end_s > self.start_s else self


@dataclass(frozen=True, eq=False)
class Timeline:
    """The segments of a recording, in the order of time and without overlap.

    Parameters
    ----------
    segments : tuple of TimelineSegment
        What lies between them has no label.
    posteriors : ndarray, shape (n, n_labels + 2), float64
        Probability of every label, of ``unknown`` and of ``silence`` at every time, 0..1; n = 0 for an annotation.
    times : ndarray, shape (n,), float64
        Seconds from the start of the recording, ascending.
    labels : tuple of str
        Labels of the posteriors' columns.
    duration_s : float
        Length of the recording, seconds; left out, the end of the last segment.
    path : str
        The recording, as it was named.
    window_s, hop_s : float or None
        Length of the windows that were scored, and from the start of one to the next, seconds.
    notes : tuple of str
        What is to be said of the recording or the windows, in words.
    caveats : tuple of Finding
        What is to be said of the probabilities of every recording, as for :class:`gmmaudio.models.Prediction`.

    Raises
    ------
    SettingError
        If segments overlap or are out of order, or shapes do not fit.

    Examples
    --------
    >>> line = Timeline((TimelineSegment(0.0, 4.0, "fr"), TimelineSegment(4.0, 5.0, "de")))
    >>> line.label_durations(), line.at(4.5).label, [piece.label for piece in line.crop(0.0, 3.0).segments]
    ({'fr': 4.0, 'de': 1.0}, 'de', ['fr'])
    """

    segments: tuple[TimelineSegment, ...]
    posteriors: Array = field(default_factory=lambda: np.zeros((0, 2)))
    times: Array = field(default_factory=lambda: np.zeros(0))
    labels: tuple[str, ...] = ()
    duration_s: float = 0.0
    path: str = ""
    window_s: float | None = None
    hop_s: float | None = None
    notes: tuple[str, ...] = ()
    caveats: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        convert_fields(self)
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if after.start_s < before.end_s - SHORTEST_S:
                raise SettingError(
                    f"segments overlap or are out of order: {before.start_s:g} to {before.end_s:g} s, then "
                    f"{after.start_s:g} to {after.end_s:g} s; expected each to begin where one ends, or later"
                )
        if self.posteriors.shape != (len(self.times), len(self.labels) + 2):
            raise SettingError(
                f"posteriors have shape {self.posteriors.shape}; expected one row for each of {len(self.times)} times "
                f"and one column for each of {len(self.labels)} labels, unknown and silence"
            )
        end_s = self.segments[-1].end_s if self.segments else 0.0
        object.__setattr__(self, "duration_s", max(self.duration_s, end_s))

    def __len__(self) -> int:
        return len(self.segments)

    def at(self, time_s: float) -> TimelineSegment | None:
        """Return the segment at a time, None where there is none; at a change, the one that begins.

        Parameters
        ----------
        time_s : float
            From the start of the recording, seconds.
        """
        return next((part for part in reversed(self.segments) if part.start_s <= time_s < part.end_s), None)

    def crop(self, start_s: float, end_s: float) -> Timeline:
        """Return the part between two times, on the same clock; segments that reach over an end are cut there.

        Parameters
        ----------
        start_s, end_s : float
            From the start of the recording, seconds.
        """
        cut = (
            replace(
                part,
                start_s=max(part.start_s, start_s),
                end_s=min(part.end_s, end_s),
                tolerance_s=part.tolerance_s if part.start_s >= start_s else None,
            )
            for part in self.segments
            if min(part.end_s, end_s) - max(part.start_s, start_s) > SHORTEST_S
        )
        inside = (self.times >= start_s) & (self.times < end_s)
        return replace(
            self,
            segments=tuple(cut),
            posteriors=self.posteriors[inside],
            times=self.times[inside],
            duration_s=min(self.duration_s, end_s),
        )

    def support(self, collar_s: float = 0.0) -> Timeline:
        """Return the timeline with neighbours of the same label joined, over gaps of at most ``collar_s``.

        Parameters
        ----------
        collar_s : float
            Longest gap that is joined over, seconds.
        """
        return replace(self, segments=tuple(join_neighbours(self.segments, collar_s)))

    def label_durations(self) -> dict[str, float]:
        """Return the seconds of each label, the longest first; segments without a label are left out."""
        return _longest_first((part.label, part.duration_s) for part in self.segments if part.label is not None)

    def shares(self) -> dict[str, float]:
        """Return the share of each label, and of ``unknown``, in the sound that is not silent, 0..1, greatest first."""
        sounding = _longest_first((part.name, part.duration_s) for part in self.segments if part.status != "silence")
        total_s = sum(sounding.values())
        return {name: seconds / total_s for name, seconds in sounding.items()}

    def change_points(self) -> tuple[tuple[float, float | None], ...]:
        """Return the time of each change from one label to another, and its tolerance, seconds."""
        return tuple(
            (after.start_s, after.tolerance_s)
            for before, after in zip(self.segments, self.segments[1:], strict=False)
            if before.key != after.key
        )

    def to_text(self) -> str:
        """Return a table to read, see :func:`gmmaudio.timelines.to_text`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_text(self)

    def to_csv(self) -> str:
        """Return a table in CSV, see :func:`gmmaudio.timelines.to_csv`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_csv(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, see :func:`gmmaudio.timelines.plain_formats.to_document`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.document(self)

    def to_jsonl(self) -> str:
        """Return JSON lines, see :func:`gmmaudio.timelines.to_jsonl`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_jsonl(self)

    def to_audacity(self) -> str:
        """Return a label track of Audacity, see :func:`gmmaudio.timelines.to_audacity`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_audacity(self)

    def to_rttm(self) -> str:
        """Return lines of RTTM, see :func:`gmmaudio.timelines.to_rttm`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_rttm(self)

    def to_srt(self) -> str:
        """Return subtitles, see :func:`gmmaudio.timelines.to_srt`."""
        from gmmaudio.timelines import plain_formats

        return plain_formats.to_srt(self)

    def to_textgrid(self) -> str:
        """Return a TextGrid of Praat, see :func:`gmmaudio.timelines.to_textgrid`."""
        from gmmaudio.timelines import annotation_files

        return annotation_files.to_textgrid(self)

    def to_eaf(self, folder: str | os.PathLike[str] | None = None) -> str:
        """Return a document of ELAN, see :func:`gmmaudio.timelines.to_eaf`.

        Parameters
        ----------
        folder : path-like or None
            The folder that the file is for; None: that of the recording.
        """
        from gmmaudio.timelines import annotation_files

        return annotation_files.to_eaf(self, folder)


def join_neighbours(segments: Iterable[TimelineSegment], collar_s: float = 0.0) -> Iterator[TimelineSegment]:
    """Yield segments with neighbours of the same label joined; their probability is the mean over time.

    Parameters
    ----------
    segments : iterable of TimelineSegment
        In the order of time; each is given as soon as the next one is known.
    collar_s : float
        Longest gap that is joined over, seconds.

    Examples
    --------
    >>> halves = [TimelineSegment(0.0, 2.0, "fr", probability=0.9), TimelineSegment(2.0, 4.0, "fr", probability=0.8)]
    >>> [(part.end_s, round(part.probability, 2)) for part in join_neighbours(halves)]
    [(4.0, 0.85)]
    """
    last: TimelineSegment | None = None
    for part in segments:
        if last is not None and last.key == part.key and part.start_s - last.end_s <= collar_s + SHORTEST_S:
            last = _join(last, part)
            continue
        if last is not None:
            yield last
        last = part
    if last is not None:
        yield last


def _join(one: TimelineSegment, other: TimelineSegment) -> TimelineSegment:
    """Return two segments of one label as one, with the mean of their probabilities."""
    known = [part for part in (one, other) if part.probability is not None]
    total_s = sum(part.duration_s for part in known)
    mean = sum(part.duration_s * (part.probability or 0.0) for part in known) / total_s if known else None
    return replace(one, end_s=other.end_s, probability=None if mean is None else min(mean, 1.0))


def _longest_first(seconds_of: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the sum of seconds by name, the longest first, then by name."""
    total_s: dict[str, float] = {}
    for name, seconds in seconds_of:
        total_s[name] = total_s.get(name, 0.0) + seconds
    return dict(sorted(total_s.items(), key=lambda item: (-item[1], item[0])))
