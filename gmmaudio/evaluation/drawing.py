"""The plots of a report on matplotlib's Axes: for the page as for figures, which differ in colours and names.

Names are not written here: the page puts them in after drawing, a figure has to find a font for them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gmmaudio.canvas.look import FONT_SIZE, SERIES, Palette, line_look, shorten
from gmmaudio.evaluation.confusion import Floats
from gmmaudio.evaluation.detection import DetCurve
from gmmaudio.evaluation.reliability import Reliability
from gmmaudio.evaluation.risk_coverage import RiskCoverage
from gmmaudio.evaluation.slices import Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

DOTTED = (0, (1, 2))
# ends of the axes of a DET plot, and their ticks
DET_LIMITS = (0.001, 0.9)
DET_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# where a name may stand beside its point on a map, best first: side of the text that is at the point, and lines up
_PLACES = (
    *(("left", 0.0), ("right", 0.0), ("center", 1.0), ("center", -1.0)),
    *((side, sign * up) for up in (0.8, 1.7, 2.6, 3.5) for sign in (1, -1) for side in ("left", "right")),
)


def draw_det(axes: Axes, curves: Sequence[DetCurve], palette: Palette) -> list[Line2D]:
    """Return the lines of the DET curves of detectors: misses against false alarms, both on probit axes.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    curves : sequence of DetCurve
        The first is drawn bold, the others thin.
    palette : Palette
        Colours.
    """
    from scipy.special import ndtri

    limits = ndtri(DET_LIMITS)
    axes.plot(limits, limits, color=palette.soft, linewidth=0.8, linestyle=DOTTED)
    lines = []
    for i, curve in enumerate(curves):
        # a rate of 0 or 1 is infinitely far off: far enough outside the frame
        x, y = (np.clip(ndtri(rates), -9.0, 9.0) for rates in (curve.p_fa, curve.p_miss))
        lines += axes.plot(x, y, **line_look(i, palette))
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="false alarms, %", ylabel="misses, %")
    axes.set_xticks(ndtri(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS])
    axes.set_yticks(ndtri(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS])
    return lines


def draw_reliability(axes: Axes, bars: Axes, curve: Reliability, palette: Palette) -> None:
    """Draw accuracy against probability, and below it the clips in each bin.

    Parameters
    ----------
    axes, bars : Axes
        Drawn on; they share the axis of probability.
    curve : Reliability
        Bins without clips are left out.
    palette : Palette
        Colours.
    """
    known = curve.n > 0
    axes.plot([0, 1], [0, 1], color=palette.soft, linewidth=0.8, linestyle=DOTTED)
    axes.vlines(curve.confidence[known], curve.confidence[known], curve.accuracy[known], color=SERIES[1], lw=2)
    axes.plot(curve.confidence[known], curve.accuracy[known], color=palette.accent, marker="o", markersize=5)
    axes.set(ylim=(-0.02, 1.02), ylabel="accuracy")
    widths = np.diff(curve.edges)
    bars.bar(curve.edges[:-1], curve.n, widths, align="edge", color=palette.accent, edgecolor=palette.line)
    bars.set(xlim=(0, 1), xlabel="probability of the predicted label", ylabel="clips")


def draw_risk_coverage(axes: Axes, curve: RiskCoverage, accepted: tuple[float, float] | None, palette: Palette) -> None:
    """Draw the error rate of the clips that are answered, by the share of clips that are.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    curve : RiskCoverage
        Operating points by confidence.
    accepted : (float, float) or None
        Coverage and risk of the open-set threshold, as a point.
    palette : Palette
        Colours.
    """
    axes.axhline(curve.risk[-1], color=palette.soft, linewidth=0.8, linestyle=DOTTED)
    axes.plot(curve.coverage, curve.risk, color=palette.accent)
    if accepted is not None:
        axes.plot(*accepted, color=SERIES[1], marker="o", markersize=5)
    axes.set(xlim=(0, 1.01), ylim=(0, None), xlabel="share of clips accepted", ylabel="error rate among them")


def draw_learning(axes: Axes, rows: Sequence[Slice], palette: Palette) -> None:
    """Draw accuracy against hours of training audio, with its intervals.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    rows : sequence of Slice
        With known hours; in any order.
    palette : Palette
        Colours.
    """
    ordered = sorted(rows, key=lambda row: row.hours or 0.0)
    hours = [row.hours or 0.0 for row in ordered]
    for row, at in zip(ordered, hours, strict=True):
        if row.interval is not None:
            axes.vlines(at, *row.interval, color=palette.accent, linewidth=1.2)
    axes.plot(hours, [row.accuracy for row in ordered], color=palette.accent, marker="o", markersize=5)
    axes.set(xlabel="training audio, hours", ylabel="accuracy", ylim=(0, 1.02))
    axes.set_xlim(left=0)


def draw_map(
    axes: Axes, names: Sequence[str], points: Floats, size: tuple[float, float], palette: Palette
) -> list[Text]:
    """Return the texts beside the points of a map, one for each name, empty and where the name has room.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    names : sequence of str
        Printable.
    points : ndarray, shape (n_labels, 2)
        Only their distances have a meaning.
    size : (float, float)
        Width and height of the Axes, points of 1/72 inch.
    palette : Palette
        Colours.
    """
    # room for names; the same scale both ways, for it is distances that are shown
    room = np.maximum(np.array(size) - (2 * 7 * FONT_SIZE, 4 * FONT_SIZE), FONT_SIZE)
    spans = np.ptp(points, axis=0)
    scale = (room / np.maximum(spans, 1e-12)).min()
    places = (points - points.min(axis=0) - spans / 2) * min(scale, 1e9) + np.array(size) / 2
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axes.scatter(places[:, 0], places[:, 1], s=22, color=palette.accent)
    return _place_names(axes, names, places, palette)


def count_columns(text: str) -> int:
    """Return the width of a text in letters; those of East Asia take two.

    Parameters
    ----------
    text : str
        Printable.

    Examples
    --------
    >>> count_columns("jazz"), count_columns("日本")
    (4, 4)
    """
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _place_names(axes: Axes, names: Sequence[str], places: Floats, palette: Palette) -> list[Text]:
    """Return the texts of names beside their points, where they cover least of the points and of names before them."""
    size = FONT_SIZE if len(names) <= 25 else 0.75 * FONT_SIZE
    taken = np.column_stack([places - 3, places + 3])
    texts = []
    for i, (x, y) in enumerate(places):
        n_wide = count_columns(shorten(names[i]))
        boxes = [_box(side, x, y + up * size, n_wide, size) for side, up in _PLACES]
        covers = [_overlap(box, np.delete(taken, i, axis=0)) + 1e-3 * k for k, box in enumerate(boxes)]
        best = int(np.argmin(covers))
        (side, up), box = _PLACES[best], boxes[best]
        at = {"left": box[0], "right": box[2], "center": box[[0, 2]].mean()}[side]
        texts.append(axes.text(at, y + up * size, "", ha=side, va="center", fontsize=size))
        if abs(up) > 1:
            axes.plot([x, at], [y, y + up * size], color=palette.soft, linewidth=0.6, zorder=0)
        taken = np.vstack([taken, box])
    return texts


def _box(side: str, x: float, y: float, n_wide: int, size: float) -> Floats:
    """Return the box of a text with a side at a point: left, bottom, right, top."""
    wide = 0.6 * size * n_wide
    left = {"left": x + 5, "right": x - 5 - wide, "center": x - wide / 2}[side]
    return np.array([left, y - 0.55 * size, left + wide, y + 0.55 * size])


def _overlap(box: Floats, others: Floats) -> float:
    """Return the area that a box shares with others, shapes (4,) and (n, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.maximum(sides, 0.0).prod(axis=1).sum())
