"""Plots of a report as SVG to stand inside its page, by matplotlib, which is optional and imported where it draws.

Two things are put in after drawing. Names: matplotlib would read ``$`` as mathematics and warn of letters that its font
lacks, so it sees a stand-in of the same width. Colours: those of text and lines are those of the page, light or dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from gmmaudio.canvas.look import Palette, shorten, style_of
from gmmaudio.evaluation.confusion import Floats
from gmmaudio.evaluation.detection import DetCurve
from gmmaudio.evaluation.drawing import (
    count_columns,
    draw_det,
    draw_learning,
    draw_map,
    draw_reliability,
    draw_risk_coverage,
)
from gmmaudio.evaluation.reliability import Reliability
from gmmaudio.evaluation.risk_coverage import RiskCoverage
from gmmaudio.evaluation.slices import Slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# of more labels the names have no room on a map of the width of a phone
WIDE_MAP = 15
# stand-ins for the page's colours
_PAGE_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--soft)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
}
PAGE = Palette(*_PAGE_COLOURS)


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
    >>> from gmmaudio.canvas.paper import can_plot
    >>> from gmmaudio.evaluation import det_curve
    >>> drawn = det_plot(["pooled"], [det_curve([1.0, 2.0], [0.0, 1.0])]) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """

    def paint(figure: Figure) -> None:
        for i, line in enumerate(draw_det(figure.subplots(), curves, PAGE)):
            line.set_label(_stand_in(i, names[i]))
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
    >>> from gmmaudio.canvas.paper import can_plot
    >>> from gmmaudio.evaluation import reliability_curve
    >>> drawn = reliability_plot(reliability_curve([[0.75, 0.25]], [0])) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """

    def paint(figure: Figure) -> None:
        axes, bars = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        draw_reliability(axes, bars, curve, PAGE)
        figure.align_ylabels()

    return _draw(
        "reliability",
        "Reliability diagram: accuracy against probability, and clips in each bin. The table below has the numbers.",
        4.3,
        paint,
    )


def risk_coverage_plot(curve: RiskCoverage, accepted: tuple[float, float] | None = None) -> str:
    """Return the risk-coverage curve as an SVG element: errors among the clips accepted, by their share.

    Parameters
    ----------
    curve : RiskCoverage
        Operating points by confidence.
    accepted : (float, float) or None
        Coverage and risk of the open-set threshold, as a point.

    Examples
    --------
    >>> from gmmaudio.canvas.paper import can_plot
    >>> from gmmaudio.evaluation import risk_coverage_curve
    >>> drawn = risk_coverage_plot(risk_coverage_curve([0.9, 0.8], [False, True])) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """

    def paint(figure: Figure) -> None:
        draw_risk_coverage(figure.subplots(), curve, accepted, PAGE)

    description = "Risk-coverage curve: error rate among the clips accepted, by their share. The table has the numbers."
    return _draw("risk", description, 3.0, paint)


def learning_plot(rows: Sequence[Slice]) -> str:
    """Return accuracy against hours of training audio, as an SVG element.

    Parameters
    ----------
    rows : sequence of Slice
        With known hours; in any order.

    Examples
    --------
    >>> from gmmaudio.canvas.paper import can_plot
    >>> rows = [Slice(f"{50 * i} %", 9, 3, 0.4 * i, 0.4 * i, None, hours=i) for i in (1, 2)]
    >>> drawn = learning_plot(rows) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """

    def paint(figure: Figure) -> None:
        draw_learning(figure.subplots(), rows, PAGE)

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
    >>> from gmmaudio.canvas.paper import can_plot
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> drawn = map_plot(["jazz", "rock", "folk"], points) if can_plot() else "<svg "
    >>> drawn[:5]
    '<svg '
    """
    # up to a phone's width, names are as large as other text
    width, height = (7.0, 5.2) if len(names) > WIDE_MAP else (4.6, 3.9)

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        for i, text in enumerate(draw_map(axes, names, points, (width * 72, height * 72), PAGE)):
            text.set_text(_stand_in(i, names[i]))

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


def _stand_in(i: int, name: str) -> str:
    """Return a stand-in for the i-th name: as wide, and nothing that matplotlib could misread."""
    return f"w{i:03d}".ljust(count_columns(shorten(name)), "n")


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
    with style.context(["default", style_of(PAGE) | {"svg.fonttype": "none"}]):
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
