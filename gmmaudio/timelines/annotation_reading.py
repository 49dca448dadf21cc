"""Timelines from annotation files that any program may have written: tables in CSV, and RTTM."""

from __future__ import annotations

import csv
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.files import TABLE_BYTES, find_path, read_limited
from gmmaudio.names import quoted, respell, skeleton
from gmmaudio.text_tables import TextTable, check_known_columns, decode_text, parse_table, plain_cell
from gmmaudio.timelines.plain_formats import COLUMNS
from gmmaudio.timelines.segments import SHORTEST_S, STATUSES, Timeline, TimelineSegment
from gmmaudio.timelines.written_names import WRITTEN_STATUS, status_and_label, unescape_name

# types of lines of RTTM; only those of speakers hold segments
RTTM_TYPES = (
    *("SPEAKER", "SPKR-INFO", "LEXEME", "NON-LEX", "NON-SPEECH", "NOSCORE", "NO_RT_METADATA", "SEGMENT"),
    *("A/P", "CB", "EDIT", "FILLER", "IP", "SU"),
)
RTTM_FIELDS = "SPEAKER FILE 1 START DURATION <NA> <NA> LABEL <NA> <NA>"
NO_VALUE = "<NA>"
EXPECTED = "expected columns path, start, end and label (or status), or lines of RTTM"
# a start and a length that were rounded for themselves may reach over the next start by so much
ROUNDING_S = 0.01
# times beyond it are no times of a recording: 10 years
LATEST_S = 3.2e8


class _Entry(NamedTuple):
    """A segment, the recording it is of and the line that it is from."""

    line: int
    path: str
    segment: TimelineSegment


def read_timelines(path: str | os.PathLike[str]) -> dict[str, Timeline]:
    r"""Return the timelines in an annotation file, by the name of their recording.

    Two formats are known by the content of the file. **CSV** with the columns ``path`` (or ``file_name``), ``start``,
    ``end`` (seconds) and ``label``, as for a manifest; with a column ``status``, as :func:`to_csv` writes it, or the
    labels ``[unknown]`` and ``[silence]`` for what has no label. **RTTM**, of which the lines ``SPEAKER`` are read.
    What lies between segments is silence. Segments may be in any order. Labels and paths that have one NFC form take
    the spelling that comes first.

    Parameters
    ----------
    path : path-like
        The file, UTF-8 or UTF-16; read once, so that it may be a pipe that is open already.

    Returns
    -------
    dict
        Recording as the file names it -> its timeline, in the order of the file.

    Raises
    ------
    CorpusError
        If it cannot be read, a line is wrong, or segments of a recording overlap; the line is named.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("truth.csv").write_text("path,start,end,label\n1.wav,0,2.5,en\n1.wav,2.5,4,fr\n")
    >>> read_timelines("truth.csv")["1.wav"].label_durations()
    {'en': 2.5, 'fr': 1.5}
    """
    name = os.fspath(path)
    try:
        text = decode_text(read_limited(find_path(path), TABLE_BYTES, may_be_pipe=True))
        entries = list(_rttm_entries(text, name) if _is_rttm(text, name) else _csv_entries(text, name))
    except ReadError as error:
        raise CorpusError(str(error)) from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}: is not a UTF-8 text; save it in UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{name}: cannot be read as CSV ({error}); {EXPECTED}") from error
    if not entries:
        raise CorpusError(f"{name}: has no segments; {EXPECTED}")
    return _timelines(entries, name)


def _timelines(entries: list[_Entry], name: str) -> dict[str, Timeline]:
    """Return the timelines of recordings from segments in any order."""
    paths = respell([entry.path for entry in entries])
    labels = respell([entry.segment.label for entry in entries])
    of_path: dict[str, list[_Entry]] = defaultdict(list)
    for entry, path, label in zip(entries, paths, labels, strict=True):
        of_path[path].append(entry._replace(segment=replace(entry.segment, label=label)))
    return {path: Timeline(_in_order(of_path[path], name), path=path) for path in of_path}


def _in_order(entries: list[_Entry], name: str) -> tuple[TimelineSegment, ...]:
    """Return the segments of a recording in the order of time; raise where two of them overlap."""
    ordered = sorted(entries, key=lambda entry: (entry.segment.start_s, entry.segment.end_s, entry.line))
    segments: list[TimelineSegment] = []
    for before, after in zip([None, *ordered], ordered, strict=False):
        segment = after.segment
        if before is not None and (over_s := segments[-1].end_s - segment.start_s) > 0:
            if over_s > ROUNDING_S + SHORTEST_S or segments[-1].start_s >= segment.start_s:
                raise CorpusError(
                    f"{name}, line {after.line}: {_span(after)} of {after.path} overlaps {_span(before)} in line "
                    f"{before.line}; expected one label at a time: cut or remove one"
                )
            segments[-1] = replace(segments[-1], end_s=segment.start_s)
        segments.append(segment)
    return tuple(segments)


def _span(entry: _Entry) -> str:
    """Return the label and the times of a segment in words."""
    return f"{entry.segment.name!r} from {entry.segment.start_s:g} to {entry.segment.end_s:g} s"


def _is_rttm(text: str, name: str) -> bool:
    """Return whether a file is RTTM, by its suffix or by its first word."""
    if name.lower().endswith(".rttm"):
        return True
    first = next((words for line in text.splitlines() if (words := line.split()) and words[0][:2] != ";;"), [""])
    return first[0] in RTTM_TYPES and len(first) > 3


def _rttm_entries(text: str, name: str) -> Iterator[_Entry]:
    """Yield the segments in a text in RTTM."""
    for number, line in enumerate(re.split(r"\r\n?|\n", text), 1):
        where, fields = f"{name}, line {number}", line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        if fields[0] not in RTTM_TYPES:
            raise CorpusError(f"{where}: begins with {fields[0][:40]!r}; expected a line of RTTM: {RTTM_FIELDS}")
        if fields[0] != "SPEAKER":
            continue
        if not 8 <= len(fields) <= 10:
            raise CorpusError(
                f"{where}: has {len(fields)} fields; expected {RTTM_FIELDS}, with \\x20 for a blank within a name"
            )
        start_s = _number(where, "the start", fields[3], LATEST_S)
        length_s = _number(where, "the duration", fields[4], LATEST_S)
        status, label = status_and_label(fields[7])
        if fields[7] == NO_VALUE:
            raise CorpusError(f"{where}: the label is {NO_VALUE}; expected a label, or [unknown]")
        sure = fields[8] if len(fields) > 8 else NO_VALUE
        # other programs write scores of any range there
        probability = float(sure) if re.fullmatch(r"0?\.\d+|[01](?:\.0*)?", sure) else None
        yield _Entry(
            number,
            unescape_name(fields[1]),
            _segment(where, start_s, start_s + length_s, status, label, probability=probability),
        )


def _csv_entries(text: str, name: str) -> Iterator[_Entry]:
    """Yield the segments in a table of separated values."""
    table = parse_table(text, name)
    path_column = _path_column(table)
    for row in table:
        where = f"{name}, line {row.line}"
        cells = {column: plain_cell(cell) for column, cell in row.cells.items()}
        if not cells[path_column]:
            raise CorpusError(f"{where}: no {path_column}; every segment needs the name of its recording")
        start_s, end_s = (_number(where, column, cells[column], LATEST_S) for column in ("start", "end"))
        status, label = _state(where, cells)
        probability = _number(where, "probability", cells["probability"], 1) if cells.get("probability") else None
        tolerance_s = _number(where, "tolerance", cells["tolerance"], LATEST_S) if cells.get("tolerance") else None
        yield _Entry(
            row.line,
            cells[path_column],
            _segment(where, start_s, end_s, status, label, probability=probability, tolerance_s=tolerance_s),
        )


def _path_column(table: TextTable) -> str:
    """Return the name of the column that holds paths; raise where columns are missing."""
    name = next((column for column in ("path", "file_name") if column in table.columns), None)
    check_known_columns(table.columns, COLUMNS, table.name)
    for time in ("start", "end"):
        if f"{time}_s" in table.columns and time not in table.columns:
            raise CorpusError(f"{table.name}: column '{time}_s' would not be used; call it {time!r}")
    if name is None or not {"start", "end"} <= set(table.columns) or not {"label", "status"} & set(table.columns):
        raise CorpusError(f"{table.name}: has columns {', '.join(map(repr, table.columns)) or 'none'}; {EXPECTED}")
    return name


def _state(where: str, cells: dict[str, str]) -> tuple[str, str | None]:
    """Return the status and the label of a row."""
    label = cells.get("label", "")
    # a cell may hold invisible characters alone
    label = label if skeleton(label) else ""
    status = cells.get("status", "")
    if not status:
        written = {text: name for name, text in WRITTEN_STATUS.items()}
        if label in written:
            return written[label], None
        if not label:
            raise CorpusError(f"{where}: no label; name it, or write [unknown] or [silence]")
        return "ok", label
    if status not in STATUSES:
        raise CorpusError(f"{where}: status is {quoted(status)}; expected one of {', '.join(STATUSES)}")
    if (status == "ok") != bool(label):
        given = f"label {quoted(label)}" if label else "no label"
        raise CorpusError(
            f"{where}: status {status} and {given}; expected a label with ok, and none with another status"
        )
    return status, label or None


def _segment(
    where: str,
    start_s: float,
    end_s: float,
    status: str,
    label: str | None,
    *,
    probability: float | None = None,
    tolerance_s: float | None = None,
) -> TimelineSegment:
    """Return a segment, or raise where it has no length."""
    if not start_s < end_s:
        raise CorpusError(f"{where}: ends at {end_s:g} s and starts at {start_s:g} s; expected an end after the start")
    return TimelineSegment(start_s, end_s, label, status, probability, tolerance_s)


def _number(where: str, name: str, text: str, highest: float) -> float:
    """Return the number in a field, 0 to the highest."""
    try:
        # Python's own separator of digits is no part of a number elsewhere
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= highest:
        cure = " with a decimal point" if "," in text else f", at most {highest:g}" if value > highest else ""
        raise CorpusError(f"{where}: {name} is {text[:40]!r}; expected a number of 0 or more{cure}")
    return value + 0.0
