"""Timelines: the segments of a recording with their labels, as values, files and metrics' input; without models."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.timelines.annotation_files import to_eaf, to_textgrid
    from gmmaudio.timelines.annotation_formats import FORMATS, AnnotationFormat
    from gmmaudio.timelines.annotation_reading import read_timelines
    from gmmaudio.timelines.plain_formats import to_audacity, to_csv, to_jsonl, to_rttm, to_srt, to_text
    from gmmaudio.timelines.segments import STATUSES, Timeline, TimelineSegment, join_neighbours
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.timelines.annotation_files": "to_eaf to_textgrid",
            "gmmaudio.timelines.annotation_formats": "FORMATS AnnotationFormat",
            "gmmaudio.timelines.annotation_reading": "read_timelines",
            "gmmaudio.timelines.plain_formats": "to_audacity to_csv to_jsonl to_rttm to_srt to_text",
            "gmmaudio.timelines.segments": "STATUSES Timeline TimelineSegment join_neighbours",
        },
    )

__all__ = [
    "FORMATS",
    "STATUSES",
    "AnnotationFormat",
    "Timeline",
    "TimelineSegment",
    "join_neighbours",
    "read_timelines",
    "to_audacity",
    "to_csv",
    "to_eaf",
    "to_jsonl",
    "to_rttm",
    "to_srt",
    "to_text",
    "to_textgrid",
]
