"""The report of timelines: metrics of segments of each recording and of all, findings, and how they were made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.records import FailedInput
from gmmaudio.evaluation.report import percent
from gmmaudio.evaluation.segmentation import (
    SegmentCounts,
    SegmentMetrics,
    compare_segments,
    segment_metrics,
    sum_counts,
)
from gmmaudio.findings import Finding
from gmmaudio.timelines import Timeline
from gmmaudio.timelines.written_names import WRITTEN_STATUS, escape_name

# of the JSON file
FORMAT = 1
# tables in CSV
SEGMENT_TABLES = ("metrics", "recordings", "confusion", "checks", "failed")


@dataclass(frozen=True, eq=False)
class RecordingSegments:
    """The agreement of two timelines of one recording.

    Parameters
    ----------
    path : str
        The recording, as the truth names it.
    duration_s : float
        Its length, seconds.
    counts : SegmentCounts
        Times and boundaries.
    notes : tuple of str
        What is to be said of the recording, in words.
    """

    path: str
    duration_s: float
    counts: SegmentCounts
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        counts = self.counts
        times = ("sound_s", "correct_s", "confusion_s", "missed_s", "false_alarm_s")
        numbers = ("n_reference", "n_hypothesis", "n_matched")
        return {
            "path": self.path,
            "duration_s": round(self.duration_s, 3),
            **{name: round(getattr(counts, name), 3) for name in times},
            **{name: getattr(counts, name) for name in numbers},
            **segment_metrics([counts]).values,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class SegmentReport:
    """The report of timelines against the true ones.

    Parameters
    ----------
    recordings : tuple of RecordingSegments
        At least one.
    metrics : SegmentMetrics
        Of all recordings, with intervals.
    tolerance_s : float
        Of boundaries, seconds.
    findings : tuple of Finding
        What a reader should know.
    failed : tuple of FailedInput
        Recordings of the truth that could not be used; in no metric.
    protocol : mapping of str to object
        How the timelines were made: command, model, settings, versions, machine.
    """

    recordings: tuple[RecordingSegments, ...]
    metrics: SegmentMetrics
    tolerance_s: float
    findings: tuple[Finding, ...] = ()
    failed: tuple[FailedInput, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> SegmentCounts:
        """The sums over recordings."""
        return sum_counts([each.counts for each in self.recordings])

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the rows and columns of the times, as files with one field for a name have them."""
        return (*map(escape_name, self.counts.labels), *WRITTEN_STATUS.values())

    @property
    def headline(self) -> str:
        """The error rate, its interval and what it is of, in a line."""
        name = "segment_error_rate"
        value, interval = self.metrics.values[name], self.metrics.intervals[name]
        rate = "undefined: the truth is silent" if math.isnan(value) else f"{100 * value:.1f} %"
        between = "" if interval is None else f" (95 % interval {percent(interval)})"
        minutes, n = sum(each.duration_s for each in self.recordings) / 60, len(self.recordings)
        lost = f", {len(self.failed)} failed" if self.failed else ""
        return f"Segment error rate {rate}{between}, {n} recording{'s' * (n != 1)}{lost}, {minutes:.1f} min"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "format": FORMAT,
            "kind": "timelines",
            "headline": self.headline,
            "metrics": dict(self.metrics.values),
            "intervals": dict(self.metrics.intervals),
            "tolerance_s": self.tolerance_s,
            "states": list(self.states),
            "confusion_s": self.counts.seconds.round(3).tolist(),
            "recordings": [each.to_dict() for each in self.recordings],
            "findings": [asdict(finding) for finding in self.findings],
            "failed": [asdict(each) for each in self.failed],
            "protocol": dict(self.protocol),
        }

    def tables(self) -> dict[str, list[Sequence[Any]]]:
        """Return the tables in CSV, by the names of :data:`SEGMENT_TABLES`, each with its header."""
        recordings = [each.to_dict() | {"notes": "; ".join(each.notes)} for each in self.recordings]
        metrics = [
            (name, value, *(self.metrics.intervals[name] or (None, None)))
            for name, value in self.metrics.values.items()
        ]
        times = zip(self.states, self.counts.seconds.round(3).tolist(), strict=True)
        return {
            "metrics": [("metric", "value", "low", "high"), *metrics],
            "recordings": [tuple(recordings[0]), *(tuple(each.values()) for each in recordings)],
            "confusion": [("true", *self.states), *((name, *row) for name, row in times)],
            "checks": [
                ("level", "code", "text", "remedy"),
                *((f.level, f.code, f.text, f.remedy) for f in self.findings),
            ],
            "failed": [("path", "code", "message"), *((f.path, f.code, f.message) for f in self.failed)],
        }


def make_segment_report(
    pairs: Sequence[tuple[Timeline, Timeline]],
    labels: Sequence[str],
    tolerance_s: float,
    *,
    findings: Sequence[Finding] = (),
    failed: Sequence[FailedInput] = (),
    protocol: Mapping[str, Any] | None = None,
) -> SegmentReport:
    """Return the report of some recordings.

    Parameters
    ----------
    pairs : sequence of (Timeline, Timeline)
        The true timeline of each recording and the one that is judged.
    labels : sequence of str
        Order of rows and columns of the times.
    tolerance_s : float
        Of boundaries, seconds, >= 0.
    findings, failed, protocol
        As for :class:`SegmentReport`.

    Raises
    ------
    SettingError
        If there are no recordings, or :func:`compare_segments` raises it.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> true = Timeline((TimelineSegment(0, 10, "fr"),), path="talk.wav")
    >>> make_segment_report([(true, true)], ["fr"], 1.0).headline
    'Segment error rate 0.0 %, 1 recording, 0.2 min'
    """
    if not pairs:
        raise SettingError("no recordings; expected at least one")
    recordings = []
    for true, found in pairs:
        counts = compare_segments(true, found, labels, tolerance_s)
        recordings.append(RecordingSegments(true.path, max(true.duration_s, found.duration_s), counts, found.notes))
    metrics = segment_metrics([each.counts for each in recordings])
    return SegmentReport(tuple(recordings), metrics, tolerance_s, tuple(findings), tuple(failed), protocol or {})
