"""Evaluation of timelines against the true ones: those of a file of any system."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gmmaudio.errors import CorpusError
from gmmaudio.evaluation.segment_report import SegmentReport, make_segment_report
from gmmaudio.evaluation.segmentation import TOLERANCE_S
from gmmaudio.findings import Finding, some_names
from gmmaudio.names import normal, respell
from gmmaudio.pipeline.provenance import Clock, machine, versions
from gmmaudio.timelines import Timeline, read_timelines
from gmmaudio.values import checked


@checked
def compare_timelines(
    truth: str | os.PathLike[str],
    found: str | os.PathLike[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    command: str = "",
) -> SegmentReport:
    r"""Return the report of the timelines in a file, of any system, against the true ones in another.

    Recordings are matched by their names. One of the truth that the other file does not name is silent there, as RTTM
    has it.

    Parameters
    ----------
    truth, found : path-like
        Files that :func:`gmmaudio.timelines.read_timelines` reads.
    tolerance_s : float
        Farthest that a boundary lies from the true one that it is paired with, seconds.
    command : str
        The command line, for the report.

    Raises
    ------
    CorpusError
        If a file cannot be read, or the two have no recording in common.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gmmaudio import pipeline
    >>> _ = Path("truth.csv").write_text("path,start,end,label\n1.wav,0,6,en\n1.wav,6,10,fr\n")
    >>> _ = Path("found.csv").write_text("path,start,end,label\n1.wav,0,7,en\n1.wav,7,10,fr\n")
    >>> pipeline.compare_timelines("truth.csv", "found.csv").headline
    'Segment error rate 10.0 %, 1 recording, 0.2 min'
    """
    clock = Clock.start()
    truths, others = read_timelines(truth), read_timelines(found)
    of_name = {normal(path): line for path, line in others.items()}
    findings = _check_recordings([normal(path) for path in truths], list(of_name), os.fspath(found))
    pairs = [(true, of_name.get(normal(path), Timeline((), path=path))) for path, true in truths.items()]
    pairs, labels = _one_spelling(pairs)
    protocol = _protocol("timelines from a file", truth, {"found": os.fspath(found)}, command, clock)
    return make_segment_report(pairs, labels, tolerance_s, findings=findings, protocol=protocol)


def _protocol(
    scheme: str, truth: str | os.PathLike[str], settings: Mapping[str, Any], command: str, clock: Clock
) -> dict[str, Any]:
    """Return the protocol of timelines."""
    return {
        "scheme": scheme,
        "truth": os.fspath(truth),
        **settings,
        "versions": versions(),
        "machine": machine(),
        "command": command,
        "began": clock.began,
        "seconds": clock.seconds,
    }


def _check_recordings(true: Sequence[str], found: Sequence[str], name: str) -> tuple[Finding, ...]:
    """Return the findings on recordings that only one of two files names; raise where no recording is in both."""
    if not set(true) & set(found):
        raise CorpusError(
            f"{name}: its recordings ({some_names(found)}) are not those of the truth ({some_names(true)}); name them "
            "alike"
        )
    missing, others = ([each for each in one if each not in other] for one, other in ((true, found), (found, true)))
    findings = []
    if missing:
        findings.append(
            Finding(
                "recordings_without_segments",
                "warning",
                f"recordings of the truth without segments in {name} count as silent: {some_names(missing)}",
                "name them as the truth does, where they are not silent",
            )
        )
    if others:
        findings.append(
            Finding(
                "recordings_without_truth",
                "information",
                f"recordings in {name} that the truth does not have are left out: {some_names(others)}",
            )
        )
    return tuple(findings)


def _one_spelling(
    pairs: Sequence[tuple[Timeline, Timeline]],
) -> tuple[list[tuple[Timeline, Timeline]], tuple[str, ...]]:
    """Return timelines in which labels of one NFC form are spelt alike, and all labels, sorted."""
    found = {part.label for _, line in pairs for part in line.segments if part.label is not None}
    spelt = [(with_labels_of(true, sorted(found)), line) for true, line in pairs]
    labels = found | {part.label for true, _ in spelt for part in true.segments if part.label is not None}
    return spelt, tuple(sorted(labels))


def with_labels_of(line: Timeline, known: Sequence[str]) -> Timeline:
    r"""Return a timeline whose labels are spelt as known ones are, where they have one NFC form.

    Parameters
    ----------
    line : Timeline
        Any timeline.
    known : sequence of str
        Labels.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> line = Timeline((TimelineSegment(0, 1, "Zoe\u0301"),))
    >>> with_labels_of(line, ["Zo\u00e9"]).segments[0].label == "Zo\u00e9"
    True
    """
    spelt = respell([part.label for part in line.segments], known)
    segments = (replace(part, label=label) for part, label in zip(line.segments, spelt, strict=True))
    return replace(line, segments=tuple(segments))
