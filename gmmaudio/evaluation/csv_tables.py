"""A report as CSV tables, safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gmmaudio.evaluation.left_out_sources import SourcesLeftOut
from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.evaluation.report import Report
from gmmaudio.json_text import to_json

SCORE, PROBABILITY = "score:", "probability:"
Row = Sequence[Any]


# the tables that a report may have
TABLES = (
    "metrics",
    "per_label",
    "confusion",
    "clips",
    "left_out_metrics",
    "left_out_per_label",
    "left_out_clips",
    "out_of_set",
    "slices",
    "repeats",
    "spread",
    "advice",
    "checks",
    "failed",
    "protocol",
    "det",
    "reliability",
    "risk_coverage",
    "similarity",
)


def tables(report: Report) -> dict[str, list[Row]]:
    """Return all that a report holds as tables, each with its header.

    The table ``clips`` is one that :func:`gmmaudio.evaluation.predictions.read_predictions` reads.

    Parameters
    ----------
    report : Report
        The report.

    Returns
    -------
    dict
        Name of the table -> its rows, the header first.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    >>> report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> tables(report)["metrics"][:2]
    [('metric', 'value', 'low', 'high'), ('accuracy', 1.0, None, None)]
    """
    plain = report.to_dict()
    intervals = plain["intervals"]
    names = [*report.metrics.values, *(name for name in intervals if name not in report.metrics.values)]
    metrics: list[Row] = [("metric", "value", "low", "high")]
    metrics += [(name, plain.get(name), *(intervals.get(name) or (None, None))) for name in names]
    metrics += [(name, plain[name], None, None) for name in ("n", "n_predictions", "computed_from")]
    by_name: dict[str, list[Row]] = {
        "metrics": metrics,
        "per_label": _records([{"label": label} | row for label, row in plain["per_label"].items()]),
        "confusion": [
            ("true", *report.labels),
            *((t, *r) for t, r in zip(report.labels, plain["confusion"], strict=True)),
        ],
        "clips": _clips(report.clips),
        "out_of_set": _clips(report.out_of_set),
        "slices": _records([{"table": name} | asdict(row) for name, rows in report.slices.items() for row in rows]),
        "repeats": _records(plain["repeats"]),
        "spread": _records([{"metric": name} | row for name, row in (plain["spread"] or {}).items()]),
        "advice": [
            ("part", "code", "text", "evidence", "labels"),
            *((each.part, each.code, each.text, each.evidence, "; ".join(each.labels)) for each in report.advice),
        ],
        "checks": [
            ("level", "code", "text", "remedy"),
            *((f.level, f.code, f.text, f.remedy) for f in report.findings),
        ],
        "failed": [("path", "code", "message"), *((f.path, f.code, f.message) for f in report.failed)],
        "protocol": [("key", "value"), *((key, _cell(value)) for key, value in plain["protocol"].items())],
    }
    return by_name | _left_out(report.sources_left_out) | _curves(plain)


def _left_out(left_out: SourcesLeftOut | None) -> dict[str, list[Row]]:
    """Return the tables of predictions with sources left out; none where there are none."""
    if left_out is None:
        return {}
    plain = left_out.to_dict()
    intervals, known = plain["intervals"], plain["known_sources"]
    metrics: list[Row] = [("metric", "value", "low", "high", "known_sources")]
    for name in left_out.metrics.values:
        metrics.append((name, plain[name], *(intervals.get(name) or (None, None)), known.get(name)))
    metrics += [("n", left_out.n, None, None, left_out.n_known)]
    return {
        "left_out_metrics": metrics,
        "left_out_per_label": _records([{"label": label} | row for label, row in plain["per_label"].items()]),
        "left_out_clips": _clips(left_out.clips),
    }


def _clips(clips: Sequence[ScoredClip]) -> list[Row]:
    """Return the predictions as a table."""
    known = ("name", "path", "label", "group", "unit", "source", "fold", "repeat", "duration_s", "predicted")
    fixed = (*known, "rejected", "start_s", "end_s", "nearest_group")
    scored = sorted({label for clip in clips for label in clip.scores})
    calibrated = sorted({label for clip in clips for label in clip.probability or {}})
    rows: list[Row] = [(*fixed, *(SCORE + label for label in scored), *(PROBABILITY + label for label in calibrated))]
    for clip in clips:
        cells = {name: getattr(clip, name) for name in fixed if name != "path"} | {"path": "; ".join(clip.paths)}
        scores = [clip.scores.get(label) for label in scored]
        rows.append((*(cells[name] for name in fixed), *scores, *((clip.probability or {}).get(p) for p in calibrated)))
    return rows


def _curves(plain: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the numbers behind the plots."""
    curves: dict[str, list[Row]] = {}
    if plain["det"]:
        points = [
            (curve["label"], *point)
            for curve in plain["det"]
            for point in zip(curve["thresholds"], curve["p_miss"], curve["p_fa"], strict=True)
        ]
        curves["det"] = [("label", "threshold", "p_miss", "p_fa"), *points]
    if plain["reliability"]:
        bins = plain["reliability"]
        edges = bins["edges"]
        rows = zip(edges[:-1], edges[1:], bins["n"], bins["confidence"], bins["accuracy"], strict=True)
        curves["reliability"] = [("from", "to", "n", "confidence", "accuracy"), *rows]
    if plain["risk_coverage"]:
        names = ("coverage", "risk", "threshold")
        curves["risk_coverage"] = [names, *zip(*(plain["risk_coverage"][name] for name in names), strict=True)]
    if plain["similarity"]:
        alike = plain["similarity"]
        head = (alike["kind"], *alike["labels"])
        curves["similarity"] = [head, *((n, *r) for n, r in zip(alike["labels"], alike["distance"], strict=True))]
    return curves


def _records(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return mappings as a table whose columns are all their keys."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [names, *([_cell(row.get(name)) for name in names] for row in rows)]


def _cell(value: Any) -> Any:
    """Return a value as one cell: lists and mappings as JSON."""
    return to_json(value, sort_keys=True) if isinstance(value, dict | list | tuple) else value
