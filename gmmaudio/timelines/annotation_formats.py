"""The formats that a timeline can be written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gmmaudio.timelines.annotation_files import to_eaf, to_textgrid
from gmmaudio.timelines.plain_formats import to_audacity, to_csv, to_document, to_jsonl, to_rttm, to_srt, to_text


@dataclass(frozen=True)
class AnnotationFormat:
    """A format of files with timelines.

    Parameters
    ----------
    suffix : str
        Of its files, with the dot.
    write : callable
        From a timeline (from several, where ``joins``) to text.
    joins : bool
        Whether one file holds several recordings.
    program : str
        What opens it.
    """

    suffix: str
    write: Callable[..., str]
    joins: bool
    program: str


FORMATS: Mapping[str, AnnotationFormat] = {
    "text": AnnotationFormat(".txt", to_text, joins=True, program="a person"),
    "csv": AnnotationFormat(".csv", to_csv, joins=True, program="spreadsheets"),
    "jsonl": AnnotationFormat(".jsonl", to_jsonl, joins=True, program="programs"),
    "json": AnnotationFormat(".json", to_document, joins=False, program="programs, with probabilities over time"),
    "audacity": AnnotationFormat(".labels.txt", to_audacity, joins=False, program="Audacity, as a label track"),
    "textgrid": AnnotationFormat(".TextGrid", to_textgrid, joins=False, program="Praat"),
    "eaf": AnnotationFormat(".eaf", to_eaf, joins=False, program="ELAN"),
    "rttm": AnnotationFormat(".rttm", to_rttm, joins=True, program="pyannote, dscore"),
    "srt": AnnotationFormat(".srt", to_srt, joins=False, program="players of video"),
}
