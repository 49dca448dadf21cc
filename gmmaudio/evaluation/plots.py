"""Plots of a report as SVG to stand inside its page, by matplotlib, which is optional and imported where it draws.

Two things are put in after drawing. Names: matplotlib would read ``$`` as mathematics and warn of letters that its font
lacks, so it sees a stand-in of the same width. Colours: those of text and lines are those of the page, light or dark.
"""

from __future__ import annotations

import importlib.util
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from gmmaudio.evaluation.confusion import Floats
from gmmaudio.evaluation.detection import DetCurve
from gmmaudio.evaluation.reliability import Reliability
from gmmaudio.evaluation.slices import Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# stand-ins for the page's colours
INK, SOFT, LINE, ACCENT = "#010101", "#020202", "#030303", "#040404"
_PAGE_COLOURS = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ACCENT: "var(--accent)"}
# 3:1 or more on the page's card in light and in dark; with two dashes each there are twelve lines to tell apart
SERIES = ("#3a80c2", "#c2671f", "#2b9163", "#c25285", "#8a6fd0", "#877f1c")
DASHES = ("solid", (0, (4, 1.5)))
# the longest name in a plot; tables have the whole
N_LETTERS = 18
# ends of the axes of a DET plot, and their ticks
DET_LIMITS = (0.001, 0.9)
DET_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# where a name may stand beside its point on a map, best first: side of the text that is at the point, and lines up
_PLACES = (
    *(("left", 0.0), ("right", 0.0), ("center", 1.0), ("center", -1.0)),
    *((side, sign * up) for up in (0.8, 1.7, 2.6, 3.5) for sign in (1, -1) for side in ("left", "right")),
)
_FONT_SIZE = 10.0
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gmmaudio",
    "font.size": _FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "legend.frameon": False,
}


def can_plot() -> bool:
    """Return True where matplotlib is installed.

    Examples
    --------
    >>> can_plot() in (True, False)
    True
    """
    return importlib.util.find_spec("matplotlib") is not None


def det_plot(names: Sequence[str], curves: Sequence[DetCurve]) -> str:
    """Return the DET plot of detectors as an SVG element: misses against false alarms, both on probit axes.

    A normal distribution of scores on either side makes a straight line. What lies outside 0.1 to 90 % is cut off.

    Parameters
    ----------
    names : sequence of str
        Printable; of every curve.
    curves : sequence of DetCurve
        The first is drawn bold, the others thin.

    References
    ----------
    Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).

    Examples
    --------
    >>> from gmmaudio.evaluation import det_curve
    >>> drawn = det_plot(["pooled"], [det_curve([1.0, 2.0], [0.0, 1.0])]) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """
    from scipy.special import ndtri

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        limits = ndtri(DET_LIMITS)
        axes.plot(limits, limits, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        for i, curve in enumerate(curves):
            # a rate of 0 or 1 is infinitely far off: far enough outside the frame
            x, y = (np.clip(ndtri(rates), -9.0, 9.0) for rates in (curve.p_fa, curve.p_miss))
            axes.plot(x, y, label=_stand_in(i, names[i]), **_line_of(i))
        axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="false alarms, %", ylabel="misses, %")
        axes.set_xticks(ndtri(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS])
        axes.set_yticks(ndtri(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS])
        figure.legend(loc="outside lower left", ncols=2, handlelength=2.6, columnspacing=1.0)

    height = 3.7 + 0.2 * ((len(names) + 1) // 2)
    return _draw("det", "DET plot: misses against false alarms. The table below has the numbers.", height, paint, names)


def reliability_plot(curve: Reliability) -> str:
    """Return the reliability diagram as an SVG element: accuracy against probability, and clips in each bin.

    Parameters
    ----------
    curve : Reliability
        Bins without clips are left out.

    Examples
    --------
    >>> from gmmaudio.evaluation import reliability_curve
    >>> drawn = reliability_plot(reliability_curve([[0.75, 0.25]], [0])) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """

    def paint(figure: Figure) -> None:
        axes, bars = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        known = curve.n > 0
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.vlines(curve.confidence[known], curve.confidence[known], curve.accuracy[known], color=SERIES[1], lw=2)
        axes.plot(curve.confidence[known], curve.accuracy[known], color=ACCENT, marker="o", markersize=5)
        axes.set(ylim=(-0.02, 1.02), ylabel="accuracy")
        bars.bar(curve.edges[:-1], curve.n, np.diff(curve.edges), align="edge", color=ACCENT, edgecolor=LINE)
        bars.set(xlim=(0, 1), xlabel="probability of the predicted label", ylabel="clips")
        figure.align_ylabels()

    return _draw(
        "reliability",
        "Reliability diagram: accuracy against probability, and clips in each bin. The table below has the numbers.",
        4.3,
        paint,
    )


def learning_plot(rows: Sequence[Slice]) -> str:
    """Return accuracy against hours of training audio, as an SVG element.

    Parameters
    ----------
    rows : sequence of Slice
        With known hours; in any order.

    Examples
    --------
    >>> rows = [Slice(f"{50 * i} %", 9, 3, 0.4 * i, 0.4 * i, None, hours=i) for i in (1, 2)]
    >>> drawn = learning_plot(rows) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """
    ordered = sorted(rows, key=lambda row: row.hours or 0.0)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        hours = [row.hours or 0.0 for row in ordered]
        for row, at in zip(ordered, hours, strict=True):
            if row.interval is not None:
                axes.vlines(at, *row.interval, color=ACCENT, linewidth=1.2)
        axes.plot(hours, [row.accuracy for row in ordered], color=ACCENT, marker="o", markersize=5)
        axes.set(xlabel="training audio, hours", ylabel="accuracy", ylim=(0, 1.02))
        axes.set_xlim(left=0)

    return _draw("learning", "Accuracy against hours of training audio. The table below has the numbers.", 3.0, paint)


def map_plot(names: Sequence[str], points: Floats) -> str:
    """Return labels as points in a plane, as an SVG element.

    Parameters
    ----------
    names : sequence of str
        Printable.
    points : ndarray, shape (n_labels, 2)
        Only their distances have a meaning.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> drawn = map_plot(["jazz", "rock", "folk"], points) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """
    width, height = 7.0, 5.2

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        # room for names; the same scale both ways, for it is distances that are shown
        size = np.array([width, height]) * 72 - (2 * 7 * _FONT_SIZE, 4 * _FONT_SIZE)
        spans = np.ptp(points, axis=0)
        scale = (size / np.maximum(spans, 1e-12)).min()
        places = (points - points.min(axis=0) - spans / 2) * min(scale, 1e9) + np.array([width, height]) * 36
        axes.set(xlim=(0, width * 72), ylim=(0, height * 72))
        axes.scatter(places[:, 0], places[:, 1], s=22, color=ACCENT)
        _write_names(axes, names, places)

    description = "Map of the labels: those alike are near. The table below has the nearest."
    return _draw("map", description, height, paint, names, width=width)


def classical_mds(distance: Floats) -> tuple[Floats, float]:
    """Return points in a plane whose distances are near to those given, and the share of variation in the plane.

    Parameters
    ----------
    distance : ndarray, shape (n, n)
        Symmetric, zero on the diagonal, finite; n of 2 or more.

    Returns
    -------
    points : ndarray, shape (n, 2)
        Centred; the first axis is the longer.
    share : float
        The two eigenvalues used, over the sum of the sizes of all, 0..1; 1 where the points lie in a plane, or in one
        place.

    References
    ----------
    Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17(4) (1952).

    Examples
    --------
    >>> points, share = classical_mds(np.array([[0.0, 3.0, 5.0], [3.0, 0.0, 4.0], [5.0, 4.0, 0.0]]))
    >>> float(np.hypot(*(points[0] - points[2])).round(9)), round(share, 9)
    (5.0, 1.0)
    """
    squares = np.asarray(distance, dtype=np.float64) ** 2
    centred = squares - squares.mean(axis=0)
    inner = -(centred - centred.mean(axis=1, keepdims=True)) / 2
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    top, axes = np.maximum(values[:-3:-1], 0.0), vectors[:, :-3:-1]
    # an axis may point either way: the same page on every machine
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    total = float(np.abs(values).sum())
    return axes * np.sqrt(top), float(top.sum()) / total if total else 1.0


def _line_of(i: int) -> dict[str, Any]:
    """Return the look of the i-th line: the first bold, the others thin, no two of the first twelve alike."""
    if i == 0:
        return {"color": INK, "linewidth": 2.4}
    n = len(SERIES)
    return {"color": SERIES[(i - 1) % n], "linewidth": 1.1, "linestyle": DASHES[(i - 1) // n % len(DASHES)]}


def _write_names(axes: Axes, names: Sequence[str], places: Floats) -> None:
    """Write every name beside its point, where it covers least of the points and of the names before it."""
    size = _FONT_SIZE if len(names) <= 25 else 0.75 * _FONT_SIZE
    taken = np.column_stack([places - 3, places + 3])
    for i, (x, y) in enumerate(places):
        n_wide = _columns(shorten(names[i]))
        boxes = [_box(side, x, y + up * size, n_wide, size) for side, up in _PLACES]
        covers = [_overlap(box, np.delete(taken, i, axis=0)) + 1e-3 * k for k, box in enumerate(boxes)]
        best = int(np.argmin(covers))
        (side, up), box = _PLACES[best], boxes[best]
        at = {"left": box[0], "right": box[2], "center": box[[0, 2]].mean()}[side]
        axes.text(at, y + up * size, _stand_in(i, names[i]), ha=side, va="center", fontsize=size)
        if abs(up) > 1:
            axes.plot([x, at], [y, y + up * size], color=SOFT, linewidth=0.6, zorder=0)
        taken = np.vstack([taken, box])


def _box(side: str, x: float, y: float, n_wide: int, size: float) -> Floats:
    """Return the box of a text with a side at a point: left, bottom, right, top."""
    wide = 0.6 * size * n_wide
    left = {"left": x + 5, "right": x - 5 - wide, "center": x - wide / 2}[side]
    return np.array([left, y - 0.55 * size, left + wide, y + 0.55 * size])


def _overlap(box: Floats, others: Floats) -> float:
    """Return the area that a box shares with others, shapes (4,) and (n, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.maximum(sides, 0.0).prod(axis=1).sum())


def shorten(name: str) -> str:
    """Return a name of at most N_LETTERS letters.

    Parameters
    ----------
    name : str
        Any name.

    Examples
    --------
    >>> shorten("a name that goes on and on")
    'a name that goes …'
    """
    return name if len(name) <= N_LETTERS else f"{name[: N_LETTERS - 1]}…"


def _columns(text: str) -> int:
    """Return the width of a text in letters; those of East Asia take two."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _stand_in(i: int, name: str) -> str:
    """Return a stand-in for the i-th name: as wide, and nothing that matplotlib could misread."""
    return f"w{i:03d}".ljust(_columns(shorten(name)), "n")


def _draw(
    key: str,
    description: str,
    height: float,
    paint: Callable[[Figure], None],
    names: Sequence[str] = (),
    width: float = 4.6,
) -> str:
    """Return the figure that a function paints as an SVG element; sizes in inches."""
    from matplotlib import style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = io.StringIO()
    # from the defaults: the settings of whoever runs it must not change the page
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    return _inline(drawn.getvalue(), key, description, names)


def _inline(drawn: str, key: str, description: str, names: Sequence[str]) -> str:
    """Return an SVG document as an element of a page: names and the page's colours in, all else out."""
    root = ElementTree.fromstring(drawn)  # noqa: S314 - matplotlib wrote it, and no name is in it yet
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', drawn))
    for parent in root.iter():
        # a style element would be the whole page's
        for child in [c for c in parent if c.tag.endswith("}defs") and any(s.tag.endswith("}style") for s in c)]:
            parent.remove(child)
        parent.tag = parent.tag.rpartition("}")[2]
        parent.attrib = {
            name.rpartition("}")[2]: _restyled(value, key)
            for name, value in parent.attrib.items()
            if name != "id" or value in used
        }
        if "id" in parent.attrib:
            parent.attrib["id"] = f"{key}-{parent.attrib['id']}"
        parent.text, parent.tail = _without_blanks(parent.text), None
        mark = re.fullmatch(r"w(\d{3,})n*", parent.text or "")
        if mark:
            parent.text = shorten(names[int(mark[1])])
    root.attrib = {"role": "img", "aria-label": description, "viewBox": root.attrib["viewBox"]}
    root.attrib["class"] = f"plot {key}"
    return ElementTree.tostring(root, encoding="unicode")


def _restyled(value: str, key: str) -> str:
    """Return an attribute with the page's colours and font, and references within this plot."""
    for stand_in, colour in _PAGE_COLOURS.items():
        value = value.replace(stand_in, colour)
    value = re.sub(r" ?font-family: [^;]*;?", "", value)
    value = re.sub(r"^#|(?<=url\()#", f"#{key}-", value)
    # a thousandth of a unit cannot be seen
    return " ".join(re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", value).split())


def _without_blanks(text: str | None) -> str | None:
    """Return text, None where there is nothing but blanks."""
    return text if text and text.strip() else None
