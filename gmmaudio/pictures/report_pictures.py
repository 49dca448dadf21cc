"""Pictures of a report: confusion matrix, DET curves, reliability, risk and coverage, learning curve, map of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gmmaudio.canvas.name_text import add_legend, write_names, write_ticks
from gmmaudio.canvas.paper import PAPER, axes_for, require_matplotlib, several_axes
from gmmaudio.errors import SettingError
from gmmaudio.evaluation.drawing import draw_det, draw_learning, draw_map, draw_reliability, draw_risk_coverage
from gmmaudio.evaluation.page import FEW_LABELS, MAP_LABELS, all_known
from gmmaudio.evaluation.plots import classical_mds
from gmmaudio.names import named
from gmmaudio.pictures.figure_files import FORMATS, figure_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gmmaudio.evaluation import Report

# of more labels no square, and no name beside it, could be seen
CONFUSION_LABELS = 100
POOLED = "all labels pooled"


def plot_confusion(report: Report, axes: Axes | None = None) -> Axes:
    """Return the Axes with the confusion matrix: rows are true labels, columns predicted ones.

    The shade is the share of the row; up to 12 labels, each square has its number of clips. Labels without clips have
    a column only.

    Parameters
    ----------
    report : Report
        Its matrix is drawn.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or there are more than 100 labels.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    >>> report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> plot_confusion(report).get_xlabel()
    'predicted'
    """
    labels, counts = report.labels, report.confusion
    if len(labels) > CONFUSION_LABELS:
        raise SettingError(f"the confusion matrix has {len(labels)} labels; a picture shows {CONFUSION_LABELS} at most")
    rows = np.flatnonzero(counts.sum(axis=1))
    shares = counts[rows] / counts[rows].sum(axis=1, keepdims=True)
    side = min(max(2.4 + 0.42 * len(labels), 3.4), 11.0)
    with axes_for(axes, (side, side)) as drawn:
        drawn.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="equal")
        size = 10.0 if len(labels) <= FEW_LABELS else max(11.0 - 0.07 * len(labels), 4.0)
        write_ticks(drawn.xaxis, labels, rotation=90, fontsize=size)
        write_ticks(drawn.yaxis, [labels[i] for i in rows], fontsize=size)
        drawn.tick_params(length=0)
        drawn.set(xlabel="predicted", ylabel="true")
        drawn.grid(visible=False)
        if len(labels) <= FEW_LABELS:
            _write_counts(drawn, counts[rows].tolist(), shares.tolist())
    return drawn


def _write_counts(axes: Axes, counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> None:
    """Write the number of clips into each square that has some."""
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                # white on the darker half of the shades
                colour = "white" if shares[i][j] > 0.5 else PAPER.ink
                axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=9)


def plot_det(report: Report, axes: Axes | None = None) -> Axes:
    """Return the Axes with the DET curves: misses against false alarms, both on probit axes.

    The curve of all labels pooled is bold; up to 12 labels, each has one of its own. What lies outside 0.1 to 90 % is
    cut off.

    Parameters
    ----------
    report : Report
        Of a system with scores.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or the report has no scores.

    References
    ----------
    Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clips = [ScoredClip(f"{i}.wav", (), label, None, label, None, "1", 0, label, {"jazz": 2.0 * i, "folk": 1.0})
    ...          for i, label in enumerate(["folk", "jazz"])]
    >>> report = make_report(clips, ["folk", "jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> plot_det(report).get_ylabel()
    'misses, %'
    """
    det = report.metrics.det
    if not det:
        raise SettingError("the report has no scores, so it has no DET curves; its confusion matrix can be drawn")
    # the first is that of all labels pooled
    shown = det if len(det) <= FEW_LABELS + 1 else det[:1]
    with axes_for(axes, (6.2, 4.4)) as drawn:
        lines = draw_det(drawn, [curve for _, curve in shown], PAPER)
        add_legend(drawn, lines, [POOLED if label is None else label for label, _ in shown])
    return drawn


def plot_reliability(report: Report, axes: Sequence[Axes] | None = None) -> tuple[Axes, ...]:
    """Return two Axes with the reliability diagram: accuracy against probability, and below it the clips in each bin.

    Parameters
    ----------
    report : Report
        Of a system with probabilities.
    axes : sequence of two Axes, or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or the report has no probabilities.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {"jazz": 0.0, "folk": -1.0},
    ...                   {"jazz": 0.8, "folk": 0.2})
    >>> report = make_report([clip], ["folk", "jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> [axes.get_ylabel() for axes in plot_reliability(report)]
    ['accuracy', 'clips']
    """
    curve = report.metrics.reliability
    if curve is None:
        raise SettingError("the report has no probabilities, so it has no reliability diagram")
    with several_axes(axes, (3.2, 1.0), (4.6, 4.3)) as (drawn, bars):
        draw_reliability(drawn, bars, curve, PAPER)
    return drawn, bars


def plot_risk_coverage(report: Report, axes: Axes | None = None) -> Axes:
    """Return the Axes with the error rate among the clips accepted, by their share, and the open-set threshold's point.

    Parameters
    ----------
    report : Report
        Of a system with probabilities or scores.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or the report has decisions only.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {"jazz": 0.0, "folk": -1.0})
    >>> report = make_report([clip], ["folk", "jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> plot_risk_coverage(report).get_xlabel()
    'share of clips accepted'
    """
    curve, values = report.metrics.risk_coverage, report.metrics.values
    if curve is None:
        raise SettingError("the report has decisions only, so it has no risk-coverage curve; give scores of labels")
    share, right = values.get("coverage"), values.get("selective_accuracy")
    with axes_for(axes, (4.6, 3.2)) as drawn:
        draw_risk_coverage(drawn, curve, None if share is None or right is None else (share, 1 - right), PAPER)
    return drawn


def plot_learning_curve(report: Report, axes: Axes | None = None) -> Axes:
    """Return the Axes with accuracy against hours of training audio, with its intervals.

    Parameters
    ----------
    report : Report
        Of a cross-validation with ``learning_curve=True``.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or the report has no learning curve.
    """
    rows = [row for row in report.slices.get("learning_curve", ()) if row.hours is not None]
    if not rows:
        raise SettingError("the report has no learning curve; cross-validate with `learning_curve=True`")
    with axes_for(axes, (4.6, 3.2)) as drawn:
        draw_learning(drawn, rows, PAPER)
    return drawn


def plot_similarity(report: Report, axes: Axes | None = None) -> Axes:
    """Return the Axes with the map of the labels: those that the model finds alike are near.

    By classical multidimensional scaling; the axes have no meaning. Labels whose distances are not all known are left
    out.

    Parameters
    ----------
    report : Report
        With distances between 3 to 100 labels.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or the report has no such distances.

    References
    ----------
    Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17(4) (1952).
    """
    similarity = report.similarity
    kept = [] if similarity is None else all_known(similarity.distance)
    if similarity is None or not 3 <= len(kept) <= MAP_LABELS:
        raise SettingError(f"a map needs the distances between 3 to {MAP_LABELS} labels; the report has {len(kept)}")
    points, share = classical_mds(similarity.distance[np.ix_(kept, kept)])
    names = [similarity.labels[i] for i in kept]
    with axes_for(axes, (7.0, 5.2)) as drawn:
        drawn.set_axis_off()
        box = drawn.get_window_extent()
        dpi = drawn.get_figure().dpi  # type: ignore[union-attr]
        size = (box.width * 72 / dpi, box.height * 72 / dpi)
        texts = draw_map(drawn, [named(name) for name in names], points, size, PAPER)
        write_names(texts, names)
        drawn.set_title(f"{100 * share:.0f} % of the variation", fontsize="small", color=PAPER.soft, loc="right")
    return drawn


# name of the file -> the picture that a report may have
_OF_REPORT: dict[str, Callable[[Report], Axes | tuple[Axes, ...]]] = {
    "confusion": plot_confusion,
    "det": plot_det,
    "reliability": plot_reliability,
    "risk_coverage": plot_risk_coverage,
    "learning_curve": plot_learning_curve,
    "similarity": plot_similarity,
}
REPORT_FIGURES = tuple(_OF_REPORT)


def report_figures(report: Report) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of every picture that a report has, of those in :data:`REPORT_FIGURES`.

    Parameters
    ----------
    report : Report
        What it lacks is left out.

    Raises
    ------
    SettingError
        If matplotlib is not installed.
    """
    require_matplotlib()
    for name, plot in _OF_REPORT.items():
        try:
            drawn = plot(report)
        except SettingError:
            continue
        axes = drawn[0] if isinstance(drawn, tuple) else drawn
        yield name, axes.get_figure()  # type: ignore[misc]


def report_figure_files(report: Report) -> dict[str, bytes]:
    """Return every figure that a report has in every format, by the name of its file.

    Parameters
    ----------
    report : Report
        What it lacks is left out.

    Raises
    ------
    SettingError
        If matplotlib is not installed.
    """
    return {
        f"{name}.{suffix}": figure_bytes(figure, suffix)
        for name, figure in report_figures(report)
        for suffix in FORMATS
    }
