"""Timelines: the segments of a recording with their labels, as values, files and metrics' input; without models."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.timelines.segments import STATUSES, Timeline, TimelineSegment
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {"gmmaudio.timelines.segments": "STATUSES Timeline TimelineSegment"},
    )

__all__ = ["STATUSES", "Timeline", "TimelineSegment"]
