"""A timeline as one HTML page: posteriors and segments under a player, and a table of the segments.

The page needs nothing but the recording beside it. Its script is always the same, and the page allows no other: what
is shown is in the page's elements, where every name is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from gmmaudio import __version__
from gmmaudio.evaluation.page import template_environment
from gmmaudio.names import printable
from gmmaudio.pictures.time_axis import clock, shown_range, tick_times
from gmmaudio.pictures.timeline_areas import Area, area_shares, areas_of
from gmmaudio.timelines import Timeline, TimelineSegment
from gmmaudio.timelines.segments import Array
from gmmaudio.timelines.written_names import written_name

if TYPE_CHECKING:
    from jinja2 import Environment

# units of the charts, across and up
WIDTH, HEIGHT = 2000, 1000
# rows of a table that a browser still shows at once
MAX_ROWS = 10_000
# of more segments a lane shows what is in the middle of each unit
MAX_DRAWN = 2 * WIDTH
N_TICKS = 7
SHORTEST_STEP_S, LONGEST_STEP_S = 0.1, 5.0


@dataclass(frozen=True)
class Shape:
    """What is drawn of an area.

    Parameters
    ----------
    name, colour : str
        Of the area.
    line : str
        Path of SVG.
    """

    name: str
    colour: str
    line: str


def render_timeline(
    timeline: Timeline, audio_source: str | os.PathLike[str] | None = None, title: str | None = None
) -> str:
    """Return a timeline as one HTML page: no network, every name escaped, for mouse, finger and keyboard.

    Matplotlib is not needed. The size is bounded: 2,000 points of posteriors at most, and 10,000 rows of segments.

    Parameters
    ----------
    timeline : Timeline
        Any timeline; without posteriors, the segments alone are drawn.
    audio_source : path-like or None
        The recording as seen from the folder of the page, or an absolute path; None, the page has no player.
    title : str or None
        Heading of the page; None, the name of the recording.

    Examples
    --------
    >>> line = Timeline((TimelineSegment(0.0, 4.0, "fr"), TimelineSegment(4.0, 5.0, "<b>")), path="talks/a b#1.wav")
    >>> page = render_timeline(line, "../talks/a b#1.wav")
    >>> "<h1>a b#1.wav</h1>" in page, 'src="../talks/a%20b%231.wav"' in page, "<b>" in page
    (True, True, False)
    """
    from markupsafe import Markup

    script = files("gmmaudio.pictures").joinpath("templates/timeline.js").read_text(encoding="utf-8")
    name = Path(timeline.path).name or "Timeline"
    page: str = (
        _environment()
        .get_template("timeline.html.j2")
        .render(
            title=name if title is None else title,
            version=__version__,
            # a file of this package, which no name gets into
            script=Markup(script),  # noqa: S704
            script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
            audio=None if audio_source is None else audio_url(audio_source),
            audio_name=None if audio_source is None else Path(audio_source).name,
            **_content(timeline),
        )
    )
    return page


def audio_url(source: str | os.PathLike[str]) -> str:
    """Return the address of a recording for a page: relative where the path is, never one of the network.

    Parameters
    ----------
    source : path-like
        From the folder of the page, or absolute.

    Examples
    --------
    >>> audio_url("talks/50 %.wav"), audio_url("javascript:alert(1)"), audio_url("/data/a.wav")
    ('talks/50%20%25.wav', 'javascript%3Aalert%281%29', 'file:///data/a.wav')
    """
    path = Path(source)
    # the bytes of a name, which need not be text
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))


@cache
def _environment() -> Environment:
    """Return the templates of this page and of a report's, whose style they share."""
    environment = template_environment("gmmaudio.pictures", "gmmaudio.evaluation")
    environment.filters |= {
        "clock": lambda seconds: clock(seconds, 1),
        "tenths": lambda seconds: "–" if seconds is None else f"{seconds:.1f}",
    }
    return environment


def _content(timeline: Timeline) -> dict[str, Any]:
    """Return the variables of the template."""
    areas = areas_of(timeline)
    first, last = shown_range(timeline)
    rows = [
        {
            "name": _name(segment),
            "start_s": segment.start_s,
            "end_s": segment.end_s,
            "probability": segment.probability,
            "tolerance_s": segment.tolerance_s,
        }
        for segment in timeline.segments[:MAX_ROWS]
    ]
    return {
        "cards": _cards(timeline),
        "notes": timeline.notes,
        "caveats": [caveat.text for caveat in timeline.caveats],
        "first": first,
        "last": last,
        "step": min(max((last - first) / 100, SHORTEST_STEP_S), LONGEST_STEP_S),
        "areas": {"width": WIDTH, "height": HEIGHT, "paths": _area_paths(timeline, areas, first, last)},
        "lanes": _lane_paths(timeline, areas, first, last),
        "ticks": _ticks(first, last),
        "durations": _durations(timeline),
        "rows": rows,
        "n_segments": len(timeline.segments),
    }


def _name(segment: TimelineSegment) -> str:
    """Return the name of a segment, which tells a status from a label of its name."""
    return printable(written_name(segment))


def _cards(timeline: Timeline) -> list[tuple[str, str, str]]:
    """Return name, value and explanation of what the page shows first."""
    n, changes = len(timeline.segments), len(timeline.change_points())
    cards = [
        ("Recording", clock(timeline.duration_s, 1), ""),
        ("Segments", f"{n:,}", f"{changes:,} change{'s' * (changes != 1)} of label"),
    ]
    shares = [row for row in _durations(timeline) if row["share"] is not None]
    if shares:
        first, *others = [f"{row['name']}: {100 * row['share']:.0f} %" for row in shares]
        more = [f"{len(others) - 3} more"] if len(others) > 3 else []
        cards.append(("Most of the sound", first, ", ".join(others[:3] + more)))
    if timeline.window_s is not None:
        hop = "" if timeline.hop_s is None else f"one every {timeline.hop_s:g} s"
        cards.append(("Windows", f"{timeline.window_s:g} s", hop))
    return cards


def _durations(timeline: Timeline) -> list[dict[str, Any]]:
    """Return name, seconds and share of the sound of every label and status, the longest first; silence has none."""
    seconds: dict[tuple[str, str | None], float] = {}
    names: dict[tuple[str, str | None], str] = {}
    for segment in timeline.segments:
        seconds[segment.key] = seconds.get(segment.key, 0.0) + segment.duration_s
        names.setdefault(segment.key, _name(segment))
    total = sum(value for (status, _), value in seconds.items() if status != "silence")
    ordered = sorted(seconds, key=lambda key: (key[0] == "silence", -seconds[key]))
    return [
        {"name": names[key], "seconds": seconds[key], "share": None if key[0] == "silence" else seconds[key] / total}
        for key in ordered
    ]


def _across(times: Array, first: float, last: float) -> Array:
    """Return times in units of the charts, whole ones."""
    return np.clip(np.rint(WIDTH * (times - first) / (last - first)), 0, WIDTH)


def _area_paths(timeline: Timeline, areas: Sequence[Area], first: float, last: float) -> list[Shape]:
    """Return the areas of the posteriors, from the uppermost to the lowest, each down to the ground.

    One covers those above it, so that every boundary is written once.
    """
    if not len(timeline.times) or not areas:
        return []
    times, shares = area_shares(timeline, tuple(areas))
    x = _across(np.concatenate([[first], times, [last]]), first, last)
    tops = np.cumsum(shares, axis=1)[[0, *range(len(shares)), -1]]
    y = np.rint(HEIGHT * (1 - np.clip(tops, 0.0, 1.0)))
    return [Shape(area.name, area.colour, _outline(x, y[:, i])) for i, area in enumerate(areas)][::-1]


def _outline(x: Array, y: Array) -> str:
    """Return the path below a line through points, in steps from each to the next."""
    steps = " ".join(f"{dx:.0f} {dy:.0f}" for dx, dy in zip(np.diff(x), np.diff(y), strict=True))
    return f"M{x[0]:.0f} {HEIGHT}V{y[0]:.0f}l{steps}V{HEIGHT}z"


def _lane_paths(timeline: Timeline, areas: Sequence[Area], first: float, last: float) -> list[Shape]:
    """Return a lane for each area, one below the other; those of a timeline without posteriors have segments."""
    lane_of = {key: area for area in areas for key in area.keys}
    spans: dict[Area, list[tuple[float, float]]] = {}
    for start, end, key in _drawn_segments(timeline, first, last):
        spans.setdefault(lane_of[key], []).append((start, end))
    used = [area for area in areas if area in spans or len(timeline.times)]
    return [
        Shape(area.name, area.colour, "".join(_bar(*span, lane) for span in spans.get(area, [])))
        for lane, area in enumerate(used)
    ]


def _bar(start: float, end: float, lane: int) -> str:
    """Return the path of a bar in a lane."""
    return f"M{start:g} {lane + 0.12:g}h{max(round(end - start, 1), 0.5):g}v.76H{start:g}z"


def _drawn_segments(timeline: Timeline, first: float, last: float) -> list[tuple[float, float, tuple[str, str | None]]]:
    """Return start, end, in units of the charts, and key of the segments; of very many what stands in each unit."""
    segments = timeline.segments
    bounds = np.array([(segment.start_s, segment.end_s) for segment in segments]).reshape(-1, 2)
    places = np.round(WIDTH * (bounds - first) / (last - first), 1)
    if len(segments) <= MAX_DRAWN:
        return [(a, b, segment.key) for (a, b), segment in zip(places.tolist(), segments, strict=True)]
    middles = first + (np.arange(WIDTH) + 0.5) * (last - first) / WIDTH
    found = np.searchsorted(bounds[:, 0], middles, side="right") - 1
    inside = (found >= 0) & (middles < bounds[found, 1])
    return [(float(i), i + 1.0, segments[found[i]].key) for i in np.flatnonzero(inside).tolist()]


def _ticks(first: float, last: float) -> list[dict[str, Any]]:
    """Return place in per cent, side and text of the ticks."""
    ticks = tick_times(first, last, N_TICKS)
    digits = int(any(tick != round(tick) for tick in ticks))
    places = [100 * (tick - first) / (last - first) for tick in ticks]
    sides = ["left" if at < 3 else "right" if at > 97 else "" for at in places]
    return [
        {"at": at, "side": side, "text": clock(tick, digits)}
        for at, side, tick in zip(places, sides, ticks, strict=True)
    ]
