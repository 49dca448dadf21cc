"""Times on pictures and pages: clock times, and the stretch of a recording that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmmaudio.timelines import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# seconds from tick to tick
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
N_TICKS = 9


def clock(seconds: float, digits: int = 0) -> str:
    """Return a time as a player shows it: minutes and seconds, and hours where there are any.

    Parameters
    ----------
    seconds : float
        From the start of the recording, 0 or more.
    digits : int
        Of the fraction of a second.

    Examples
    --------
    >>> clock(5.04, 1), clock(65), clock(3661.26, 1), clock(59.96, 1)
    ('0:05.0', '1:05', '1:01:01.3', '1:00.0')
    """
    units = round(seconds * 10**digits)
    whole, fraction = divmod(units, 10**digits)
    minutes, second = divmod(whole, 60)
    tail = f"{second:02d}" + (f".{fraction:0{digits}d}" if digits else "")
    return f"{minutes // 60}:{minutes % 60:02d}:{tail}" if minutes >= 60 else f"{minutes}:{tail}"


def shown_range(timeline: Timeline) -> tuple[float, float]:
    """Return the stretch that is shown: from 0, or from the first segment where more than half would be empty.

    Parameters
    ----------
    timeline : Timeline
        Such as a part that was cropped out of a long recording.

    Returns
    -------
    (float, float)
        Start and end, seconds; the end is after the start.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> line = Timeline((TimelineSegment(0.0, 90.0, "fr"),))
    >>> shown_range(line), shown_range(line.crop(10.0, 60.0)), shown_range(line.crop(50.0, 60.0))
    ((0.0, 90.0), (0.0, 60.0), (50.0, 60.0))
    """
    starts = [segment.start_s for segment in timeline.segments[:1]] + timeline.times[:1].tolist()
    first, end = min(starts, default=0.0), max(timeline.duration_s, *timeline.times[-1:].tolist(), 1e-3)
    return (first if 2 * first > end else 0.0), end


def tick_times(start_s: float, end_s: float, n_ticks: int = N_TICKS) -> list[float]:
    """Return round times within a stretch.

    Parameters
    ----------
    start_s, end_s : float
        The stretch, seconds.
    n_ticks : int
        The most that are returned, about.

    Examples
    --------
    >>> tick_times(0.0, 100.0), tick_times(50.0, 51.0, 3)
    ([0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0], [50.0, 50.5, 51.0])
    """
    step = next((step for step in STEPS_S if (end_s - start_s) / step <= n_ticks), (end_s - start_s) / n_ticks)
    first, last = -int(-start_s / step // 1), int(end_s / step + 1e-9)
    return [float(round(i * step, 3)) for i in range(first, last + 1)]


def set_time_axis(axes: Axes, start_s: float, end_s: float) -> None:
    """Give Axes a horizontal axis in clock times.

    Parameters
    ----------
    axes : Axes
        Changed.
    start_s, end_s : float
        Ends of the axis, seconds.
    """
    ticks = tick_times(start_s, end_s)
    digits = int(len(ticks) < 2 or any(tick != round(tick) for tick in ticks))
    axes.set_xlim(start_s, end_s)
    axes.set_xticks(ticks, [clock(tick, digits) for tick in ticks])
