"""Timelines as files of annotation programs with tiers: Praat's TextGrid, ELAN's EAF."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.timelines.rounding import RoundedSegment, in_seconds, milliseconds, rounded_segments
from gmmaudio.timelines.segments import Timeline
from gmmaudio.timelines.written_names import written_name

LABELS, PROBABILITIES = "label", "probability"
# readers of TextGrid look for "item [" and "intervals [" within texts too
_TEXTGRID_ALSO = r"\["
# the date of a file says when it was made; the same timeline gives the same bytes
DATE = "1970-01-01T00:00:00+00:00"
# as ELAN calls the media that it plays; it takes the rest for sound of any format
MEDIA_TYPES = {".wav": "audio/x-wav", ".mp4": "video/mp4", ".mpg": "video/mpeg", ".mov": "video/quicktime"}
ANY_SOUND = "audio/*"

# what XML 1.0 has no way to write
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# start, end, text
_Interval = tuple[int, int, str]


def to_textgrid(line: Timeline) -> str:
    """Return a timeline as a TextGrid of Praat, in its long format.

    The tier ``label`` holds the name of every segment, the tier ``probability`` its mean probability where there is
    one; what lies between segments is empty.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.

    References
    ----------
    Boersma, Weenink, "Praat: doing phonetics by computer", manual page "TextGrid file formats".

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> text = to_textgrid(Timeline((TimelineSegment(0, 1.5, "fr"),)))
    >>> [row.strip() for row in text.splitlines() if "text" in row]
    ['text = "fr"']
    """
    rounded = rounded_segments(line)
    # an empty recording has no length, and Praat opens no such file
    end_ms = max(milliseconds(line.duration_s), rounded[-1].end_ms if rounded else 1)
    tiers = [(LABELS, [(*part[:2], written_name(part.segment, _TEXTGRID_ALSO)) for part in rounded])]
    if any(part.segment.probability is not None for part in rounded):
        tiers.append((PROBABILITIES, [(*part[:2], _percent(part)) for part in rounded]))
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {in_seconds(end_ms)}"]
    rows = [*head, "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for i, (name, intervals) in enumerate(tiers, 1):
        rows += [f"    item [{i}]:", *_tier_rows(name, _filled(intervals, end_ms), end_ms)]
    return "".join(f"{row}\n" for row in rows)


def _tier_rows(name: str, intervals: list[_Interval], end_ms: int) -> list[str]:
    """Return the lines of a tier."""
    indent = " " * 8
    rows = [f'{indent}class = "IntervalTier"', f'{indent}name = "{name}"']
    rows += [f"{indent}xmin = 0", f"{indent}xmax = {in_seconds(end_ms)}", f"{indent}intervals: size = {len(intervals)}"]
    for i, (start_ms, stop_ms, text) in enumerate(intervals, 1):
        rows += [
            f"{indent}intervals [{i}]:",
            f"{indent}    xmin = {in_seconds(start_ms)}",
            f"{indent}    xmax = {in_seconds(stop_ms)}",
            '{}    text = "{}"'.format(indent, text.replace('"', '""')),
        ]
    return rows


def _filled(intervals: list[_Interval], end_ms: int) -> list[_Interval]:
    """Return intervals with empty ones between them, from 0 to the end."""
    filled, last_ms = [], 0
    for start_ms, stop_ms, text in [*intervals, (end_ms, end_ms, "")]:
        if last_ms < start_ms:
            filled.append((last_ms, start_ms, ""))
        if start_ms < stop_ms:
            filled.append((start_ms, stop_ms, text))
        last_ms = stop_ms
    return filled


def to_eaf(line: Timeline, folder: str | os.PathLike[str] | None = None) -> str:
    """Return a timeline as an annotation document of ELAN, with the recording linked to it.

    The tier ``label`` holds the name of every segment, the tier ``probability`` below it the mean probability where
    there is one.

    Parameters
    ----------
    line : Timeline
        The timeline of one recording.
    folder : path-like or None
        The folder that the file is for, from which the link to the recording leads; None: that of the recording.

    Raises
    ------
    SettingError
        If the ``annotate`` extra is not installed.

    References
    ----------
    Wittenburg, Brugman, Russel, Klassmann, Sloetjes, "ELAN: a professional framework for multimodality research", LREC
    (2006).

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> text = to_eaf(Timeline((TimelineSegment(0, 1.5, "fr"),), path="talks/talk.wav"), folder="eaf")
    >>> "<ANNOTATION_VALUE>fr</ANNOTATION_VALUE>" in text, 'RELATIVE_MEDIA_URL="../talks/talk.wav"' in text
    (True, True)
    """
    elan = _elan()
    document = elan.Eaf(author="gmmaudio")
    # by the local time of now; ELAN makes an annotation's number of the last one
    document.adocument["DATE"] = DATE
    document.remove_tier("default")
    document.add_tier(LABELS)
    rounded = rounded_segments(line)
    for start_ms, end_ms, part in rounded:
        document.add_annotation(LABELS, start_ms, end_ms, written_name(part))
    if any(part.segment.probability is not None for part in rounded):
        _add_probabilities(document, rounded)
    document.properties = [("lastUsedAnnotationId", document.maxaid)]
    if line.path:
        url, relative = _media_urls(line.path, folder)
        kind = MEDIA_TYPES.get(PurePath(line.path).suffix.lower(), ANY_SOUND)
        document.add_linked_file(url, relpath=relative, mimetype=kind)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{elan.to_string(document).strip()}\n'


def _elan() -> Any:
    """Return the module of pympi that knows ELAN's files."""
    try:
        from pympi import Elan
    except ImportError as error:
        raise SettingError("files of ELAN need pympi: pip install 'gmmaudio[annotate]'") from error
    return Elan


def _add_probabilities(document: Any, rounded: tuple[RoundedSegment, ...]) -> None:
    """Add a tier with the probability of every segment to a document of pympi."""
    document.add_linguistic_type(PROBABILITIES, constraints="Symbolic_Association", timealignable=False)
    document.add_tier(PROBABILITIES, ling=PROBABILITIES, parent=LABELS)
    labels, _, _, _ = document.tiers[LABELS]
    _, probabilities, _, _ = document.tiers[PROBABILITIES]
    for parent, part in zip(tuple(labels), rounded, strict=True):
        if part.segment.probability is not None:
            # add_ref_annotation would look for each parent among all of them
            probabilities[document.generate_annotation_id()] = (parent, _percent(part), None, None)


def _percent(part: RoundedSegment) -> str:
    """Return the probability of a segment, empty where there is none."""
    return "" if part.segment.probability is None else f"{100 * part.segment.probability:.1f} %"


def _media_urls(path: str, folder: str | os.PathLike[str] | None) -> tuple[str, str]:
    """Return the address of a recording, and the one relative to a folder; ELAN tries the second where the first fails.

    ELAN writes and reads both without percent signs for spaces and letters.
    """
    try:
        relative = os.path.basename(path) if folder is None else os.path.relpath(path, folder)  # noqa: PTH119
    except ValueError:
        # on another drive
        relative = path
    relative = _as_xml(PurePath(relative).as_posix())
    if not relative.startswith("../"):
        relative = f"./{relative}"
    whole = PurePath(path)
    return (f"file:///{_as_xml(whole.as_posix().lstrip('/'))}" if whole.is_absolute() else relative), relative


def _as_xml(text: str) -> str:
    """Return text with escapes of Python for characters that XML has not."""
    return _NOT_XML.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)
