"""Pictures of a timeline: its labels as a track, and posteriors or scores over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.canvas.look import SERIES, line_look
from gmmaudio.canvas.name_text import add_legend, write_name, write_ticks
from gmmaudio.canvas.paper import PAPER, axes_for, several_axes
from gmmaudio.errors import SettingError
from gmmaudio.pictures.time_axis import set_time_axis, shown_range
from gmmaudio.pictures.timeline_areas import OTHERS_COLOUR, Area, area_shares, areas_of
from gmmaudio.timelines import Timeline
from gmmaudio.timelines.segments import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# width of a figure over time, inches
WIDE = 7.2
# the longest name of two labels on an axis
PAIR_LETTERS = 60


def plot_timeline(timeline: Timeline, axes: Sequence[Axes] | None = None) -> tuple[Axes, ...]:
    """Return two Axes with a timeline: its label track, and the posteriors as stacked areas below.

    Without posteriors, as in an annotation, there is the label track alone.

    Parameters
    ----------
    timeline : Timeline
        Drawn from its start, or from its first segment where more than half would be empty.
    axes : sequence of one or two Axes, or None
        Drawn on: one for the label track alone; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or Axes for posteriors are passed and there are none.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> line = Timeline((TimelineSegment(0.0, 4.0, "fr"), TimelineSegment(4.0, 5.0, "de")))
    >>> (track,) = plot_timeline(line)
    >>> [text.get_text() for text in track.get_yticklabels()]
    ['fr', 'de']
    """
    has_posteriors = len(timeline.times) > 0 if axes is None else len(axes) > 1
    heights = track_heights(timeline, has_posteriors)
    with several_axes(axes, heights, (WIDE, 0.8 + sum(heights))) as drawn:
        plot_label_track(timeline, drawn[0])
        if has_posteriors:
            plot_posteriors(timeline, drawn[1])
            drawn[0].set_xlabel("")
    return drawn


def track_heights(timeline: Timeline, has_posteriors: bool) -> tuple[float, ...]:
    """Return the heights of the label track, and of the posteriors where they are drawn, inches.

    Parameters
    ----------
    timeline : Timeline
        Its labels need a lane each.
    has_posteriors : bool
        Whether they are drawn.
    """
    track = min(0.35 + 0.24 * len(_lanes(timeline)), 8.0)
    return (track, _posterior_height(timeline)) if has_posteriors else (track,)


def _posterior_height(timeline: Timeline) -> float:
    """Return the height of the posteriors, beside which their legend has room, inches."""
    return max(1.8, 0.18 * len(areas_of(timeline)) + 0.1)


def plot_label_track(timeline: Timeline, axes: Axes | None = None) -> Axes:
    """Return the Axes with the segments of a timeline, in a lane for each label, for unknown and for silence.

    A thin line about the start of a segment is its tolerance.

    Parameters
    ----------
    timeline : Timeline
        Labels without segments have no lane.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> axes = plot_label_track(Timeline((TimelineSegment(0.0, 4.0, "fr"), TimelineSegment(4.0, 5.0, None, "silence"))))
    >>> [text.get_text() for text in axes.get_yticklabels()]
    ['fr', '[silence]']
    """
    lanes = _lanes(timeline)
    with axes_for(axes, (WIDE, 0.8 + track_heights(timeline, False)[0])) as drawn:
        for i, lane in enumerate(lanes):
            parts = [segment for segment in timeline.segments if segment.key in lane.keys]
            spans = [(segment.start_s, segment.duration_s) for segment in parts]
            drawn.broken_barh(spans, (i - 0.4, 0.8), facecolors=lane.colour, edgecolors="white", linewidth=0.3)
            known = [(s.start_s, s.tolerance_s) for s in parts if s.tolerance_s is not None]
            ends = np.array([(at - tolerance, at + tolerance) for at, tolerance in known]).reshape(-1, 2)
            drawn.hlines(np.full(len(ends), float(i)), ends[:, 0], ends[:, 1], color=PAPER.ink, linewidth=1.0)
        write_ticks(drawn.yaxis, [lane.name for lane in lanes], fontsize=10.0 if len(lanes) <= 30 else 6.0)
        drawn.set_ylim(max(len(lanes), 1) - 0.4, -0.6)
        drawn.tick_params(axis="y", length=0)
        set_time_axis(drawn, *shown_range(timeline))
        drawn.set_xlabel("time")
    return drawn


def _lanes(timeline: Timeline) -> list[Area]:
    """Return an area for each label and status with segments."""
    own = [area for area in areas_of(timeline, len(timeline.labels) + len(timeline.segments)) if area.keys]
    colours = {key: area.colour for area in areas_of(timeline) for key in area.keys}
    used = {segment.key for segment in timeline.segments}
    return [
        Area(area.name, colours.get(area.keys[0], OTHERS_COLOUR), area.keys, area.columns)
        for area in own
        if area.keys[0] in used
    ]


def plot_posteriors(timeline: Timeline, axes: Axes | None = None) -> Axes:
    """Return the Axes with the posteriors over time as stacked areas, which sum to 1.

    Beyond six labels those without segments share an area, as do labels beyond twelve, those with the least of the
    time. Of more than 2,000 times, neighbours are averaged.

    Parameters
    ----------
    timeline : Timeline
        With posteriors.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or there are no posteriors.

    Examples
    --------
    >>> times, posteriors = [0.0, 1.0], [[0.9, 0.1, 0.0, 0.0], [0.2, 0.8, 0.0, 0.0]]
    >>> axes = plot_posteriors(Timeline((), np.array(posteriors), np.array(times), ("fr", "de"), 2.0))
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['de', 'fr']
    """
    areas = areas_of(timeline)
    if not len(timeline.times) or not areas:
        raise SettingError("the timeline has no posteriors, as an annotation has none; draw its label track")
    times, shares = area_shares(timeline, areas)
    start, end = shown_range(timeline)
    # a window has no posterior before its middle: the first and the last are held to the ends
    times = np.concatenate([[min(start, times[0])], times, [max(end, times[-1])]])
    shares = np.concatenate([shares[:1], shares, shares[-1:]])
    with axes_for(axes, (WIDE, 0.6 + _posterior_height(timeline))) as drawn:
        stacks = drawn.stackplot(times, shares.T, colors=[area.colour for area in areas], linewidth=0)
        drawn.set(ylim=(0, 1), ylabel="probability", xlabel="time")
        drawn.grid(visible=False)
        set_time_axis(drawn, start, end)
        # as they lie above one another
        add_legend(drawn, stacks[::-1], [area.name for area in areas[::-1]], upward=True)
    return drawn


def plot_scores(
    times: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: Sequence[str],
    *,
    pair: tuple[str, str] | None = None,
    margin: bool = True,
    axes: Axes | None = None,
) -> Axes:
    """Return the Axes with scores over time: that of one label minus that of another, or those of all labels.

    Parameters
    ----------
    times : array_like, shape (n,)
        Seconds from the start of the recording, ascending.
    scores : array_like, shape (n, n_labels)
        Such as log-likelihoods of windows; what is not finite is left out.
    labels : sequence of str
        Labels of the columns.
    pair : tuple of two str, or None
        The labels whose difference is drawn; None, those with the highest means: the winner and the runner-up.
    margin : bool
        Draw the difference; otherwise a line for each label, of which those of ``pair`` come first.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, shapes do not fit, or ``pair`` names no two labels.

    Examples
    --------
    >>> axes = plot_scores([0.0, 1.0], [[3.0, 1.0, 0.0], [2.0, 5.0, 0.0]], ["fr", "de", "es"])
    >>> axes.lines[1].get_ydata().tolist(), axes.get_ylabel()
    ([-2.0, 3.0], 'score of de minus fr')
    """
    at, values = _as_scores(times, scores, labels)
    order = _ranked(values, labels, pair)
    if margin and len(order) < 2:
        raise SettingError("there is one label; a difference needs two, or draw it alone with `margin=False`")
    with axes_for(axes, (WIDE, 2.4)) as drawn:
        if margin:
            _draw_margin(drawn, at, values[:, order[0]] - values[:, order[1]])
            write_name(drawn.yaxis.label, f"score of {labels[order[0]]} minus {labels[order[1]]}", PAIR_LETTERS)
        else:
            lines = [drawn.plot(at, values[:, j], **line_look(i, PAPER))[0] for i, j in enumerate(order)]
            add_legend(drawn, lines, [labels[j] for j in order])
            drawn.set_ylabel("score")
        set_time_axis(drawn, float(at[0]), float(at[-1]) if len(at) > 1 else float(at[0]) + 1.0)
        drawn.set_xlabel("time")
    return drawn


def _draw_margin(axes: Axes, times: Array, margin: Array) -> None:
    """Draw a difference over time: above 0 in one colour, below in another."""
    margin = np.where(np.isfinite(margin), margin, np.nan)
    axes.axhline(0.0, color=PAPER.soft, linewidth=0.8)
    axes.plot(times, margin, color=PAPER.ink, linewidth=0.9)
    for colour, where in ((SERIES[0], margin > 0), (SERIES[1], margin < 0)):
        axes.fill_between(times, margin, where=where, interpolate=True, color=colour, alpha=0.5, linewidth=0)


def _as_scores(times: npt.ArrayLike, scores: npt.ArrayLike, labels: Sequence[str]) -> tuple[Array, Array]:
    """Return times and scores as arrays that fit one another and the labels."""
    at = np.asarray(as_numbers(times, "`times` must be real numbers", SettingError), np.float64)
    values = np.asarray(as_numbers(scores, "`scores` must be real numbers", SettingError), np.float64)
    if not len(labels) or at.ndim != 1 or len(at) == 0 or values.shape != (len(at), len(labels)):
        raise SettingError(
            f"`times` has shape {at.shape} and `scores` {values.shape}; expected (n,) and (n, {len(labels)}), one "
            "column for each label, and one time or more"
        )
    if not np.isfinite(at).all() or (np.diff(at) < 0).any():
        raise SettingError("`times` must be finite and ascending")
    return at, values


def _ranked(scores: Array, labels: Sequence[str], pair: tuple[str, str] | None) -> list[int]:
    """Return the columns by falling mean of their finite scores, those of a pair first."""
    finite = np.isfinite(scores)
    sums = np.where(finite, scores, 0.0).sum(axis=0)
    means = np.where(finite.any(axis=0), sums / np.maximum(finite.sum(axis=0), 1), -np.inf)
    order: list[int] = np.argsort(-means, kind="stable").tolist()
    if pair is None:
        return order
    if len(set(pair)) != 2 or not set(pair) <= set(labels):
        raise SettingError(f"`pair` is {pair!r}; expected two of {', '.join(labels)}")
    first = [list(labels).index(label) for label in pair]
    return first + [j for j in order if j not in first]
