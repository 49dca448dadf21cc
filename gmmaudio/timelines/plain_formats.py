"""Timelines as text of a few lines: a table to read, CSV, JSON lines, Audacity's label track, RTTM, SubRip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from gmmaudio.json_text import to_json
from gmmaudio.names import printable
from gmmaudio.text_tables import csv_text
from gmmaudio.timelines.rounding import RoundedSegment, in_seconds, milliseconds, on_clock, rounded_segments
from gmmaudio.timelines.segments import Timeline
from gmmaudio.timelines.written_names import escape_name, written_name

# of the tables in CSV and JSON lines
COLUMNS = ("path", "start", "end", "status", "label", "probability", "tolerance")
# from here on a table to read has hours
HOUR_MS = 3_600_000
# what ends a field of RTTM, and what its readers take for a quote or for an empty field
_RTTM_ALSO = r"\s\"<"
# what players of subtitles take for markup, and what makes a line one of times
_SRT_ALSO = "<>{}"


def to_text(*lines: Timeline) -> str:
    """Return timelines as tables to read, with times in minutes and seconds.

    Parameters
    ----------
    *lines : Timeline
        One for each recording.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> parts = TimelineSegment(0, 61.26, "fr", probability=0.98), TimelineSegment(61.26, 70, "de", tolerance_s=0.4)
    >>> print(to_text(Timeline(parts, path="talk.wav")))
    talk.wav, 01:10.0: fr 88 %, de 12 %
    start      end        length   probability  change    label
    00:00.0    01:01.3      61.3 s      98.0 %            fr
    01:01.3    01:10.0       8.7 s              +-0.4 s   de
    <BLANKLINE>
    """
    return "\n".join("".join(f"{row}\n" for row in _text_rows(line)) for line in lines)


def _text_rows(line: Timeline) -> Iterator[str]:
    """Yield the lines of a table to read."""
    hours, digits = milliseconds(line.duration_s) >= HOUR_MS, 1
    names = {part.name: printable(written_name(part)) for part in line.segments if part.status != "silence"}
    shares = ", ".join(f"{names[name]} {share:.0%}".replace("%", " %") for name, share in line.shares().items())
    length = on_clock(milliseconds(line.duration_s), digits=digits, hours=hours)
    yield f"{printable(line.path)}{', ' if line.path else ''}{length}{': ' if shares else ''}{shares}"
    yield from (printable(note) for note in line.notes)
    yield f"{'start':11}{'end':11}{'length':9}{'probability':13}{'change':10}label"
    for start_ms, end_ms, part in rounded_segments(line):
        start, end = (on_clock(time_ms, digits=digits, hours=hours) for time_ms in (start_ms, end_ms))
        seconds = f"{(end_ms - start_ms) / 1000:.1f} s"
        probability = "" if part.probability is None else f"{100 * part.probability:.1f} %"
        change = "" if part.tolerance_s is None else f"+-{part.tolerance_s:.1f} s"
        yield f"{start:11}{end:11}{seconds:>8} {probability:>11}  {change:10}{printable(written_name(part))}"


def to_csv(*lines: Timeline, header: bool = True) -> str:
    """Return timelines as a table in CSV, safe to open in a spreadsheet.

    Columns: ``path``, ``start`` and ``end`` in seconds with three decimals, ``status``, ``label``, ``probability``
    (0..1) and ``tolerance`` (seconds). :func:`read_timelines` reads it.

    Parameters
    ----------
    *lines : Timeline
        One for each recording.
    header : bool
        Whether the names of the columns stand first.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> print(to_csv(Timeline((TimelineSegment(0, 1.5, "fr", probability=0.98),), path="talk.wav")))
    path,start,end,status,label,probability,tolerance
    talk.wav,0.000,1.500,ok,fr,0.9800,
    <BLANKLINE>
    """
    rows = (_cells(line, part) for line in lines for part in rounded_segments(line))
    return csv_text([*([COLUMNS] if header else []), *rows])


def _cells(line: Timeline, rounded: RoundedSegment) -> tuple[str, ...]:
    """Return the row of a segment in CSV."""
    part = rounded.segment
    numbers = (
        "" if part.probability is None else f"{part.probability:.4f}",
        "" if part.tolerance_s is None else f"{part.tolerance_s:.3f}",
    )
    times = in_seconds(rounded.start_ms), in_seconds(rounded.end_ms)
    return line.path, *times, part.status, part.label or "", *numbers


def to_jsonl(*lines: Timeline) -> str:
    """Return timelines as JSON lines: an object for each segment, with the keys of the columns of :func:`to_csv`.

    Parameters
    ----------
    *lines : Timeline
        One for each recording.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> print(to_jsonl(Timeline((TimelineSegment(0, 1.5, None, "silence"),), path="talk.wav")))
    {"path": "talk.wav", "start": 0.0, "end": 1.5, "status": "silence", "label": null, "probability": null, ...}
    <BLANKLINE>
    """
    return "".join(f"{to_json(_record(line, part))}\n" for line in lines for part in rounded_segments(line))


def to_document(line: Timeline) -> str:
    """Return a timeline as one JSON object: segments, shares, and posteriors over time.

    Keys: ``path``, ``duration_s``, ``window_s``, ``hop_s``, ``labels``; ``segments``, each with the keys of
    :func:`to_jsonl` but the path; ``shares`` of the labels and of ``unknown`` in the sound that is not silent;
    ``times``, and for each of them a row of ``posteriors``: those of the labels, of unknown and of silence; ``notes``.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> print(to_document(Timeline((TimelineSegment(0, 1.5, "fr"),), path="talk.wav")))
    {"path": "talk.wav", "duration_s": 1.5, "window_s": null, "hop_s": null, "labels": [], ...}
    <BLANKLINE>
    """
    return f"{to_json(document(line))}\n"


def document(line: Timeline) -> dict[str, Any]:
    """Return the plain values of :func:`to_document`.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.
    """
    segments = [_record(line, part) for part in rounded_segments(line)]
    return {
        "path": line.path,
        "duration_s": milliseconds(line.duration_s) / 1000,
        "window_s": line.window_s,
        "hop_s": line.hop_s,
        "labels": list(line.labels),
        "segments": [{name: value for name, value in each.items() if name != "path"} for each in segments],
        "shares": {name: round(share, 4) for name, share in line.shares().items()},
        "times": line.times.round(3).tolist(),
        "posteriors": line.posteriors.round(4).tolist(),
        "notes": list(line.notes),
        **({"caveats": [asdict(caveat) for caveat in line.caveats]} if line.caveats else {}),
    }


def _record(line: Timeline, rounded: RoundedSegment) -> dict[str, Any]:
    """Return a segment as an object of JSON."""
    part = rounded.segment
    probability = None if part.probability is None else round(part.probability, 4)
    tolerance = None if part.tolerance_s is None else round(part.tolerance_s, 3)
    times = rounded.start_ms / 1000, rounded.end_ms / 1000
    return dict(zip(COLUMNS, (line.path, *times, part.status, part.label, probability, tolerance), strict=True))


def to_audacity(line: Timeline) -> str:
    r"""Return a timeline as a label track of Audacity: start, end and name, with tabs between.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.

    References
    ----------
    Audacity Manual, "Importing and Exporting Labels".

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> to_audacity(Timeline((TimelineSegment(0, 1.5, "fr"), TimelineSegment(1.5, 2, None, "silence"))))
    '0.000\t1.500\tfr\n1.500\t2.000\t[silence]\n'
    """
    return "".join(
        f"{in_seconds(part.start_ms)}\t{in_seconds(part.end_ms)}\t{written_name(part.segment)}\n"
        for part in rounded_segments(line)
    )


def to_rttm(*lines: Timeline) -> str:
    r"""Return timelines as RTTM: a line ``SPEAKER`` for each segment that is not silent.

    The label stands where that of a speaker does, the mean probability where the confidence does; the path names the
    recording. What the format separates fields by is escaped in both (:func:`escape_name`).

    Parameters
    ----------
    *lines : Timeline
        One for each recording.

    References
    ----------
    NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> print(to_rttm(Timeline((TimelineSegment(0.5, 2, "hip hop", probability=0.98),), path="talk.wav")))
    SPEAKER talk.wav 1 0.500 1.500 <NA> <NA> hip\x20hop 0.980 <NA>
    <BLANKLINE>
    """
    return "".join(
        f"SPEAKER {escape_name(line.path, _RTTM_ALSO)} 1 {in_seconds(part.start_ms)} "
        f"{in_seconds(part.end_ms - part.start_ms)} <NA> <NA> {written_name(part.segment, _RTTM_ALSO)} "
        f"{'<NA>' if part.segment.probability is None else f'{part.segment.probability:.3f}'} <NA>\n"
        for line in lines
        for part in rounded_segments(line)
        if part.segment.status != "silence"
    )


def to_srt(line: Timeline) -> str:
    """Return a timeline as subtitles in the format SubRip, the name of a segment in each.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> print(to_srt(Timeline((TimelineSegment(0, 61.25, "fr"),))))
    1
    00:00:00,000 --> 00:01:01,250
    fr
    <BLANKLINE>
    <BLANKLINE>
    """
    return "".join(
        f"{i}\n{on_clock(part.start_ms, ',')} --> {on_clock(part.end_ms, ',')}\n"
        f"{written_name(part.segment, _SRT_ALSO)}\n\n"
        for i, part in enumerate(rounded_segments(line), 1)
    )
