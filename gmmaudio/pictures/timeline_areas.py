"""The areas of a timeline: the labels that have a colour of their own, and the posteriors over time summed to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmmaudio.canvas.look import SERIES
from gmmaudio.names import printable
from gmmaudio.timelines import Timeline, TimelineSegment
from gmmaudio.timelines.segments import Array
from gmmaudio.timelines.written_names import WRITTEN_STATUS, written_name

# of more labels the colours would be too much alike
N_LABELS = 12
# as many have an area of their own also where they have no segment
N_WITHOUT_SEGMENTS = len(SERIES)
# more points than a wide screen has pixels cannot be seen
N_POINTS = 2000
STATUS_COLOURS = {"unknown": "#8a9199", "silence": "#c4c9ce"}
OTHERS_COLOUR = "#63707c"


@dataclass(frozen=True)
class Area:
    """A label with a colour, several that share one, or a status.

    Parameters
    ----------
    name : str
        Printable; a status is in brackets.
    colour : str
        As ``#rrggbb``.
    keys : tuple of (str, str or None)
        Status and label of the segments that it stands for.
    columns : tuple of int
        Columns of the posteriors that it is the sum of.
    """

    name: str
    colour: str
    keys: tuple[tuple[str, str | None], ...]
    columns: tuple[int, ...]


def areas_of(timeline: Timeline, n_labels: int = N_LABELS) -> tuple[Area, ...]:
    """Return the areas of a timeline: its labels, those with most of the time where there are many; others; statuses.

    Beyond six labels, those without segments are among the others, and the strongest colours are of those with most of
    the time.

    Parameters
    ----------
    timeline : Timeline
        Any timeline.
    n_labels : int
        The most labels with an area of their own.

    Examples
    --------
    >>> line = Timeline((TimelineSegment(0.0, 4.0, "fr"), TimelineSegment(4.0, 5.0, None, "silence")))
    >>> [area.name for area in areas_of(line)]
    ['fr', '[silence]']
    """
    known = {label: (i,) for i, label in enumerate(timeline.labels)}
    found = dict.fromkeys(segment.label for segment in timeline.segments if segment.label is not None)
    names = [*known, *(label for label in found if label not in known)]
    weights = _weights(timeline, names)
    ranked = sorted(names, key=lambda label: (label not in found, -weights[label]))
    chosen = ranked[: min(n_labels, max(len(found), N_WITHOUT_SEGMENTS))]
    strongest = chosen if len(names) > N_WITHOUT_SEGMENTS else names
    own = [label for label in names if label in set(chosen)]
    areas = [
        Area(_shown(label), _colour(strongest.index(label)), (("ok", label),), known.get(label, ())) for label in own
    ]
    others = [label for label in names if label not in own]
    if others:
        columns = tuple(column for label in others for column in known.get(label, ()))
        name = f"{len(others)} other{'s' * (len(others) > 1)}"
        areas.append(Area(name, OTHERS_COLOUR, tuple(("ok", label) for label in others), columns))
    for i, (status, name) in enumerate(WRITTEN_STATUS.items(), len(timeline.labels)):
        if any(s.status == status for s in timeline.segments) or timeline.posteriors[:, i].any():
            areas.append(Area(name, STATUS_COLOURS[status], ((status, None),), (i,)))
    return tuple(areas)


def area_shares(timeline: Timeline, areas: tuple[Area, ...], n_points: int = N_POINTS) -> tuple[Array, Array]:
    """Return times, shape (n,), and the posterior of every area at them, shape (n, n_areas); means of neighbours.

    Parameters
    ----------
    timeline : Timeline
        With posteriors, or without: n is 0 then.
    areas : tuple of Area
        Of this timeline.
    n_points : int
        The most times that are returned.

    Returns
    -------
    times : ndarray, shape (n,)
        Seconds from the start of the recording.
    shares : ndarray, shape (n, n_areas)
        Each row sums to 1, as the posteriors do.
    """
    shares = np.column_stack([timeline.posteriors[:, list(area.columns)].sum(axis=1) for area in areas])
    return _mean_of_neighbours(timeline.times, n_points), _mean_of_neighbours(shares, n_points)


def _mean_of_neighbours(values: Array, n_points: int) -> Array:
    """Return the means of runs of neighbours, of one length, so that there are at most so many."""
    length = max(1, -(-len(values) // n_points))
    starts = np.arange(0, len(values), length)
    counts = np.diff(np.append(starts, len(values)))
    if length == 1:
        return values
    means: Array = (np.add.reduceat(values, starts, axis=0).T / counts).T
    return means


def _weights(timeline: Timeline, names: list[str]) -> dict[str, float]:
    """Return the share of every label in the segments, plus its mean posterior."""
    seconds, mean = timeline.label_durations(), dict.fromkeys(names, 0.0)
    if len(timeline.times):
        mean |= dict(zip(timeline.labels, timeline.posteriors.mean(axis=0).tolist(), strict=False))
    return {name: seconds.get(name, 0.0) / max(timeline.duration_s, 1e-9) + mean[name] for name in names}


def _shown(label: str) -> str:
    """Return the name of a label, which no status has."""
    return printable(written_name(TimelineSegment(0.0, 1.0, label)))


def _colour(i: int) -> str:
    """Return the colour of the i-th label: after all series, each again, lighter."""
    colour = SERIES[i % len(SERIES)]
    if i < len(SERIES):
        return colour
    return "#" + "".join(f"{(int(colour[j : j + 2], 16) + 255) // 2:02x}" for j in (1, 3, 5))
