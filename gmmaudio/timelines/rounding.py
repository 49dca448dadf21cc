"""Times of segments in whole milliseconds, as every format of annotation files has them."""

from __future__ import annotations

from typing import NamedTuple

from gmmaudio.timelines.segments import SHORTEST_S, Timeline, TimelineSegment


class RoundedSegment(NamedTuple):
    """A segment and its times in whole milliseconds.

    Parameters
    ----------
    start_ms, end_ms : int
        From the start of the recording; the end is after the start.
    segment : TimelineSegment
        The segment.
    """

    start_ms: int
    end_ms: int
    segment: TimelineSegment


def rounded_segments(line: Timeline) -> tuple[RoundedSegment, ...]:
    """Return the segments with times in whole milliseconds; one that is left without length is left out.

    Neighbours without a gap have none after rounding, and no segment reaches into the next.

    Parameters
    ----------
    line : Timeline
        Any timeline.

    Examples
    --------
    >>> line = Timeline((TimelineSegment(0, 1.00049, "fr"), TimelineSegment(1.00049, 2, "de")))
    >>> [(part.start_ms, part.end_ms) for part in rounded_segments(line)]
    [(0, 1000), (1000, 2000)]
    """
    rounded: list[RoundedSegment] = []
    last_s, last_ms = 0.0, 0
    for segment in line.segments:
        start_ms = last_ms if segment.start_s - last_s <= SHORTEST_S else milliseconds(segment.start_s)
        last_s, last_ms = segment.end_s, milliseconds(segment.end_s)
        if start_ms < last_ms:
            rounded.append(RoundedSegment(start_ms, last_ms, segment))
    return tuple(rounded)


def milliseconds(seconds: float) -> int:
    """Return a time in whole milliseconds.

    Parameters
    ----------
    seconds : float
        Any time.

    Examples
    --------
    >>> milliseconds(1.2345)
    1234
    """
    return round(seconds * 1000)


def in_seconds(time_ms: int) -> str:
    """Return a time in seconds with three decimals.

    Parameters
    ----------
    time_ms : int
        Milliseconds, 0 or more.

    Examples
    --------
    >>> in_seconds(1050)
    '1.050'
    """
    return f"{time_ms // 1000}.{time_ms % 1000:03d}"


def on_clock(time_ms: int, point: str = ".", digits: int = 3, hours: bool = True) -> str:
    """Return a time as hours, minutes and seconds.

    Parameters
    ----------
    time_ms : int
        Milliseconds, 0 or more.
    point : str
        Between seconds and their fraction.
    digits : int
        Of the fraction, 1 to 3; what is beyond them is rounded.
    hours : bool
        Whether hours are written, or else minutes only.

    Examples
    --------
    >>> on_clock(3_661_250), on_clock(61_250, digits=1, hours=False)
    ('01:01:01.250', '01:01.2')
    """
    unit = 10 ** (3 - digits)
    seconds, fraction = divmod(round(time_ms / unit), 10**digits)
    minutes, seconds = divmod(seconds, 60)
    tail = f"{seconds:02d}{point}{fraction:0{digits}d}"
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{tail}" if hours else f"{minutes:02d}:{tail}"
