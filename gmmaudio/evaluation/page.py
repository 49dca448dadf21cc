"""A report as one self-contained HTML page.

The content is gathered here; the text is in the templates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from gmmaudio.canvas import paper
from gmmaudio.evaluation import plots
from gmmaudio.evaluation.confusion import Counts, Floats
from gmmaudio.evaluation.detection import FALSE_ALARMS, DetCurve
from gmmaudio.evaluation.metrics import METRICS, Metric, shown_metrics
from gmmaudio.evaluation.records import Protocol, ScoredClip
from gmmaudio.evaluation.reliability import Reliability
from gmmaudio.evaluation.report import Report, Similarity, spread_over_repeats
from gmmaudio.evaluation.slices import slice_tables
from gmmaudio.evaluation.statements import PARTS
from gmmaudio.json_text import to_json
from gmmaudio.names import named, printable
from gmmaudio.values import checked

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


# more labels than this have a matrix of small squares, and no DET curve each
FEW_LABELS = 12
# a matrix of more labels would take megabytes, and nobody would find a square in it
MATRIX_LABELS = 400
N_CONFUSIONS = 20
# of a label with fewer clips, one clip moves the miss rate by more than 3 percentage points
DET_CLIPS = 30
# coverages whose risk a table shows
COVERAGES = (0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
# pieces of advice that are listed before the others are folded away
N_ADVICE = 6
# metrics of asking for one label at a time, which are folded away
DETECTION = ("eer", "mean_eer", "mean_min_dcf", "cavg", "min_cavg", "cavg_primary", "cllr", "min_cllr")
# of more labels the names on a map would cover each other
MAP_LABELS = 100


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Parameters
    ----------
    key : str
        Its id, and the name of its template.
    title : str
        Its heading.
    content : mapping
        What its template shows.
    """

    key: str
    title: str
    content: Mapping[str, Any] = field(default_factory=dict)


@checked
def render_html(report: Report, title: str, *, listen: Mapping[str, str] | None = None) -> str:
    """Return a report as one HTML page: no network, no scripts, every name escaped.

    What to expect of new clips stands first, in words. Plots need matplotlib; without it the page says so, and has
    their numbers in tables.

    Parameters
    ----------
    report : Report
        The report.
    title : str
        Heading of the page.
    listen : mapping of str to str or None
        Name of a clip -> address of a sound, for the clips among the mistakes that can be listened to: relative to the
        page, or a file. None shows no sounds.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    >>> report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> "<h1>My system</h1>" in render_html(report, "My system")
    True
    """
    page: str = (
        template_environment("gmmaudio.evaluation")
        .get_template("report.html.j2")
        .render(
            title=title,
            report=report,
            protocol=report.protocol,
            cards=shown_metrics("headline"),
            advice=_advice(report),
            listens=bool(listen),
            sections=_sections(report, listen or {}),
        )
    )
    return page


@cache
def template_environment(*packages: str) -> Environment:
    """Return the templates of packages, with all that they print made printable and escaped.

    Parameters
    ----------
    *packages : sequence of str
        Full names; each has a folder ``templates``.

    Examples
    --------
    >>> template_environment("gmmaudio.evaluation").from_string("{{ name | named }}").render(name="<b>")
    '&lt;b&gt;'
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "named": named,
        "percent": _percent,
        "number": _number,
        "points": _points,
        "margin": _margin,
        "probability_of": _probability_of,
    }
    return environment


def _advice(report: Report) -> dict[str, Any]:
    """Return the advice of a report by its part, none of it where there is none."""
    parts = {part: [each for each in report.advice if each.part == part] for part in PARTS}
    return parts | {"n_first": N_ADVICE} if report.advice else {}


def _sections(report: Report, listen: Mapping[str, str]) -> list[Section]:
    """Return the parts of the page that this report has, in order."""
    sections = (
        Section("checks", "Read these first" if report.warnings else "Checks"),
        _sources_left_out(report),
        _repeats(report),
        Section("confusion", "Confusion matrix", _confusion(report.confusion, report.labels)),
        Section("labels", "Per label", {"rows": report.per_label, "groups": report.group_columns}),
        Section("mistakes", "Most confident mistakes", _mistakes(report, listen)),
        Section("scores", "Calibration and detection", _scores(report)),
        Section("slices", "Accuracy of slices", _slices(report)) if report.slices else None,
        Section("similarity", "Similarity of labels", _similarity(report.similarity)) if report.similarity else None,
        Section("failed", "Inputs that failed") if report.failed else None,
        Section("run", "What was run", _run(report.protocol)),
    )
    return [section for section in sections if section is not None]


def _sources_left_out(report: Report) -> Section | None:
    """Return the metrics of predictions with sources left out, None where there are none."""
    if report.sources_left_out is None:
        return None
    metrics = [metric for metric in METRICS if metric.name in report.sources_left_out.metrics.values]
    return Section("sources_left_out", "Sources left out", {"metrics": metrics})


def _repeats(report: Report) -> Section | None:
    """Return the spread over repeats, None where there is one."""
    spread = spread_over_repeats(report.spread)
    return None if spread is None else Section("repeats", "Spread over repeats", {"metrics": spread})


def _confusion(confusion: Counts, labels: Sequence[str]) -> dict[str, Any]:
    """Return the rows of the matrix that have clips, and the pairs confused most often.

    Of pairs with as many clips, those that are more of their label come first.
    """
    rows = [
        {"label": label, "n": sum(counts), "cells": _cells(counts, label, labels)}
        for label, counts in zip(labels, confusion.tolist() if len(labels) <= MATRIX_LABELS else (), strict=False)
        if sum(counts)
    ]
    of_label = confusion.sum(axis=1).tolist()
    wrong = [
        {
            "true": labels[i],
            "label": labels[j],
            "count": int(confusion[i, j]),
            "rate": int(confusion[i, j]) / of_label[i],
        }
        for i, j in np.argwhere(confusion).tolist()
        if i != j
    ]
    pairs = sorted(wrong, key=lambda pair: (-pair["count"], -pair["rate"]))
    large = len(labels) > FEW_LABELS
    content = {"rows": rows, "large": large, "has_matrix": len(labels) <= MATRIX_LABELS}
    return content | {"pairs": pairs[:N_CONFUSIONS], "n_pairs": len(pairs)}


def _cells(counts: Sequence[int], label: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row of the matrix: counts, and shares of the row.

    In a large matrix neighbouring empty squares off the diagonal are one, ``width`` columns wide: a page of as many
    squares as pairs of labels would take megabytes.
    """
    total, merges = sum(counts), len(labels) > FEW_LABELS
    cells: list[dict[str, Any]] = []
    for predicted, count in zip(labels, counts, strict=True):
        right = predicted == label
        if merges and not count and not right and cells and not cells[-1]["count"] and not cells[-1]["right"]:
            cells[-1]["width"] += 1
        else:
            cells.append({"label": predicted, "count": count, "rate": count / total, "right": right, "width": 1})
    return cells


def _mistakes(report: Report, listen: Mapping[str, str]) -> dict[str, Any]:
    """Return the most confident mistakes, and the columns of which something is known."""
    clips = report.mistakes
    names = ("probability", "nearest_group", "source")
    columns = {name: any(getattr(clip, name) is not None for clip in clips) for name in names}
    n_wrong = sum(not clip.correct for clip in report.clips)
    return {"clips": clips, "n": n_wrong, "columns": columns | {"repeat": len(report.spread) > 1}, "listen": listen}


def _scores(report: Report) -> dict[str, Any]:
    """Return the metrics of scores and their plots; DET curves of the labels that have enough clips."""
    curve, rows = report.metrics.reliability, _metric_rows(report.metrics.values)
    known = [label for label, row in report.per_label.items() if (row["n"] or 0) >= DET_CLIPS]
    # the first is that of all labels pooled
    det = [(label, each) for label, each in report.metrics.det if known and (label is None or label in known)]
    drawn = det if len(det) <= FEW_LABELS + 1 else det[:1]
    names = ["all labels pooled" if label is None else named(label) for label, _ in det]
    return {
        "rows": [metric for metric in rows if metric.name not in DETECTION],
        "detection": [metric for metric in rows if metric.name in DETECTION],
        "detects": len(report.metrics.det) > 0,
        "det_clips": DET_CLIPS,
        "n_left_out": max(0, len(report.metrics.det) - len(det)),
        "misses": [(name, _misses(curve)) for name, (_, curve) in zip(names, det, strict=True)],
        "false_alarms": FALSE_ALARMS,
        "drawn": len(drawn),
        "det_plot": _svg(plots.det_plot, names[: len(drawn)], [curve for _, curve in drawn]) if det else None,
        "reliability_plot": None if curve is None else _svg(plots.reliability_plot, curve),
        "bins": () if curve is None else _bins(curve),
        **_risks(report),
    }


def _risks(report: Report) -> dict[str, Any]:
    """Return the plot of the risk-coverage curve and the risks at some coverages; nothing where no clip is wrong."""
    curve, values = report.metrics.risk_coverage, report.metrics.values
    if curve is None or not curve.risk[-1]:
        return {"risk_plot": None, "risks": ()}
    share, right = values.get("coverage"), values.get("selective_accuracy")
    accepted = None if share is None or right is None else (share, 1 - right)
    # the smallest coverage that is at least so great
    at = [int(np.searchsorted(curve.coverage, share - 1e-12)) for share in COVERAGES]
    rows = [
        dict(zip(("coverage", "risk", "threshold"), row, strict=True))
        for row in zip(curve.coverage[at].tolist(), curve.risk[at].tolist(), curve.threshold[at].tolist(), strict=True)
    ]
    return {"risk_plot": _svg(plots.risk_coverage_plot, curve, accepted), "risks": rows}


def _metric_rows(values: Mapping[str, float | None]) -> list[Metric]:
    """Return the metrics of the page's table that the report has, then values that ``METRICS`` does not know."""
    cards = {metric.name for metric in shown_metrics("headline")}
    known = [metric for metric in shown_metrics("page") if metric.name in values]
    others = [name for name in values if name not in cards and name not in {metric.name for metric in known}]
    return [*known, *(Metric(name, name, "", "lower", "–", lambda _data: None) for name in others)]


def _misses(curve: DetCurve) -> list[float]:
    """Return the lowest miss rate with at most each false-alarm rate."""
    return [float(curve.p_miss[curve.p_fa <= limit].min()) for limit in FALSE_ALARMS]


def _bins(curve: Reliability) -> list[dict[str, Any]]:
    """Return the bins of a reliability diagram as rows."""
    columns = (curve.edges[:-1], curve.edges[1:], curve.n, curve.confidence, curve.accuracy)
    names = ("low", "high", "n", "confidence", "accuracy")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _slices(report: Report) -> dict[str, Any]:
    """Return the tables of slices, and the plot of the learning curve where it has two points or more."""
    steps = [row for row in report.slices.get("learning_curve", ()) if row.hours is not None]
    plot = _svg(plots.learning_plot, steps) if len(steps) > 1 else None
    return {"tables": slice_tables(report.slices), "learning_plot": plot, "has_plot": len(steps) > 1}


def _similarity(similarity: Similarity) -> dict[str, Any]:
    """Return the map of the labels whose distances are all known, and the nearest of each label."""
    labels, distance = similarity.labels, similarity.distance
    rows = [{"label": label} | _nearest(distance[i], i, labels) for i, label in enumerate(labels)]
    if len(labels) > MAP_LABELS:
        return {
            "rows": rows,
            "kind": similarity.kind,
            "left_out": [],
            "plot": None,
            "share": None,
            "n_too_many": len(labels),
        }
    kept = all_known(distance)
    left_out = [label for i, label in enumerate(labels) if i not in kept]
    content = {"rows": rows, "kind": similarity.kind, "left_out": left_out, "n_too_many": 0}
    if len(kept) < 3:
        return content | {"plot": None, "share": None}
    points, share = plots.classical_mds(distance[np.ix_(kept, kept)])
    plot = _svg(plots.map_plot, [named(labels[i]) for i in kept], points)
    return content | {"plot": plot, "share": share, "is_wide": len(kept) > plots.WIDE_MAP}


def all_known(distance: Floats) -> list[int]:
    """Return labels whose distances from one another are all known, those with most unknown left out.

    Parameters
    ----------
    distance : ndarray, shape (n_labels, n_labels)
        NaN where unknown.

    Examples
    --------
    >>> all_known(np.array([[0.0, 1.0, np.nan], [1.0, 0.0, np.nan], [np.nan, np.nan, 0.0]]))
    [0, 1]
    """
    kept = list(range(len(distance)))
    unknown = ~np.isfinite(distance)
    while unknown[np.ix_(kept, kept)].any():
        kept.pop(int(unknown[np.ix_(kept, kept)].sum(axis=1).argmax()))
    return kept


def _nearest(row: Floats, i: int, labels: Sequence[str]) -> dict[str, Any]:
    """Return the labels nearest to the i-th, ties included, and their distance; none where all are tied."""
    others = np.isfinite(row)
    others[i] = False
    if not others.any():
        return {"near": [], "distance": None}
    nearest = float(row[others].min())
    near = [labels[j] for j in np.flatnonzero(others & (row == nearest)).tolist()]
    return {"near": near if len(near) < others.sum() or len(near) == 1 else [], "distance": nearest}


def _run(protocol: Protocol) -> dict[str, Any]:
    """Return the lines of the settings as JSON; line breaks in names are escaped by JSON itself."""
    settings = to_json(dict(protocol.settings), indent=2, sort_keys=True, ensure_ascii=False)
    return {"settings": settings.split("\n")}


def _svg(draw: Callable[..., str], *parts: Any) -> Markup | None:
    """Return a plot, None where matplotlib is not installed."""
    from markupsafe import Markup

    # names in it are escaped already
    return Markup(draw(*parts)) if paper.can_plot() else None  # noqa: S704


def _margin(clip: ScoredClip) -> str:
    """Return the margin of a clip, or the reason why it has none."""
    return "not a candidate" if clip.margin == math.inf else _number(clip.margin)


def _probability_of(clip: ScoredClip, label: str | None) -> str:
    """Return the probability of a label in brackets, nothing where it is unknown."""
    share = None if clip.probability is None or label is None else clip.probability.get(label)
    return "" if share is None else f" ({_percent(share)})"


def _known(value: float | None) -> TypeGuard[float]:
    """Return True where a value is defined."""
    return value is not None and math.isfinite(value)


def _percent(share: float | None) -> str:
    """Return a share in per cent, a dash where it is undefined."""
    return f"{100 * share:.1f} %" if _known(share) else "–"


def _number(value: float | None) -> str:
    """Return a value with three decimals, a dash where it is undefined."""
    return f"{value:.3f}" if _known(value) else "–"


def _points(difference: float | None) -> str:
    """Return a difference of two shares in percentage points, with its sign; a dash where it is undefined."""
    return f"{100 * difference:+.1f}".replace("-", "−") if _known(difference) else "–"
