"""A report as one self-contained HTML page."""

from __future__ import annotations

import json
from typing import Any

from gmmaudio.evaluation.report import Report, ScoredClip, percent


def render_html(report: Report, title: str) -> str:
    """Return a report as one HTML page: no network, no scripts, every name escaped.

    Parameters
    ----------
    report : Report
        What to show.
    title : str
        Heading of the page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gmmaudio.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "interval": _interval}
    page: str = environment.get_template("report.html.j2").render(
        title=title,
        report=report,
        protocol=report.protocol,
        matrix=_matrix(report),
        mistakes=[_mistake(clip) for clip in report.mistakes],
        settings=json.dumps(dict(report.protocol.settings), indent=2, sort_keys=True, default=str),
        spread=_spread(report),
    )
    # a file name that is no valid text (possible on Unix) must not stop the page from being written
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def _percent(value: float | None) -> str:
    """Return a share in per cent, a dash where it is undefined."""
    return "–" if value is None or value != value else f"{100 * value:.1f} %"  # noqa: PLR0124 - NaN


def _interval(pair: tuple[float, float] | None) -> str:
    """Return an interval in per cent, or why there is none."""
    return "no interval: fewer than two groups" if pair is None else percent(pair)


def _matrix(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the confusion matrix that have clips: counts, and shares of the row."""
    rows = []
    for label, counts in zip(report.labels, report.confusion.tolist(), strict=True):
        total = sum(counts)
        if total:
            cells = [
                {"count": count, "rate": count / total, "right": label == other, "label": other}
                for other, count in zip(report.labels, counts, strict=True)
            ]
            rows.append({"label": label, "n": total, "cells": cells})
    return rows


def _mistake(clip: ScoredClip) -> dict[str, Any]:
    """Return one row of the table of mistakes."""
    return {
        "name": clip.name,
        "label": clip.label,
        "predicted": clip.predicted,
        "margin": "not a candidate" if clip.margin == float("inf") else f"{clip.margin:.3f}",
        "group": clip.group or "–",
        "fold": clip.fold,
    }


def _spread(report: Report) -> dict[str, Any] | None:
    """Return least, mean and largest accuracy over repeats, None where there is one."""
    if len(report.spread) < 2:
        return None
    values = [row["accuracy"] for row in report.spread]
    return {"low": min(values), "mean": sum(values) / len(values), "high": max(values), "n": len(values)}
