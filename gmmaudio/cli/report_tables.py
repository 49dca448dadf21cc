"""A report on a terminal: its headline, findings and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gmmaudio.cli.console import finding_line
from gmmaudio.cli.flags import with_flags
from gmmaudio.cli.terminal_tables import make_table, print_captured
from gmmaudio.evaluation import Report, Slice, percent
from gmmaudio.evaluation.metrics import METRICS, shown_metrics
from gmmaudio.evaluation.slices import slice_tables
from gmmaudio.names import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gmmaudio.evaluation.left_out_sources import SourcesLeftOut

# a table of more labels is wider than any terminal, and takes seconds
MATRIX_LABELS = 100


def show_report(report: Report) -> None:
    """Write a report's headline, findings and tables to stdout.

    Parameters
    ----------
    report : Report
        What to write.
    """
    print_captured(lambda console: _print_report(console, report))


def _print_report(console: Console, report: Report) -> None:
    """Print headline, findings and tables."""
    from rich.text import Text

    for line in _lines(report):
        console.print(Text(printable(line)), soft_wrap=True)
    if report.sources_left_out is not None:
        console.print(_left_out_metrics(report.sources_left_out))
        console.print(_left_out_labels(report.sources_left_out))
    console.print(_per_label(report))
    if len(report.labels) <= MATRIX_LABELS:
        console.print(_confusion(report))
    else:
        n_labels = len(report.labels)
        console.print(Text(f"Confusion: {n_labels} labels are too many for a table here; --json and --csv have it"))
    for kind, rows in slice_tables(report.slices):
        console.print(_slices(kind.title, rows))


def _lines(report: Report) -> list[str]:
    """Return the lines above the tables."""
    lines = [*report.headlines]
    if report.paragraph:
        lines.append(with_flags(report.paragraph))
    balanced = report.intervals["balanced_accuracy"]
    if balanced is not None:
        lines.append(f"Balanced accuracy: 95 % interval {percent(balanced)}")
    if report.protocol.unscored_labels:
        lines.append(f"Not scored: {', '.join(report.protocol.unscored_labels)}")
    lines += map(finding_line, report.findings)
    values = [(metric, report.metrics.values.get(metric.name)) for metric in shown_metrics("console")]
    shown = [f"{metric.title} {metric.text(value)}" for metric, value in values if value is not None]
    calibrated = " (the scores are not calibrated: only the minima of Cavg and Cllr are informative)"
    return [*lines, ", ".join(shown) + (calibrated if report.metrics.computed_from == "score" else "")]


def _left_out_metrics(left_out: SourcesLeftOut) -> Table:
    """Return the metrics with sources left out, beside those of the same clips by group, as a table."""
    rows = []
    for metric in (metric for metric in METRICS if {"headline", "console"} & set(metric.shown)):
        if left_out.metrics.values.get(metric.name) is None:
            continue
        pair = left_out.metrics.intervals.get(metric.name)
        between = "–" if pair is None else f"{metric.text(pair[0])} to {metric.text(pair[1])}"
        values = left_out.metrics.values[metric.name], left_out.known_sources.get(metric.name)
        rows.append([metric.title, metric.text(values[0]), between, metric.text(values[1])])
    heads = ("", "new source", "95 % interval", "the same clips, known source")
    return make_table("Sources left out, and the same clips by group", heads, rows)


def _left_out_labels(left_out: SourcesLeftOut) -> Table:
    """Return the metrics of the labels that were scored with their sources left out, as a table."""
    rows = []
    for label in left_out.scored_labels:
        row = left_out.metrics.per_label[label]
        n_groups = "–" if row["n_groups"] is None else str(row["n_groups"])
        rows.append([label, *(_share(row[k]) for k in ("precision", "recall", "f1")), str(row["n"]), n_groups])
    return make_table("Per label, sources left out", ("label", "precision", "recall", "F1", "n", "groups"), rows)


def _per_label(report: Report) -> Table:
    """Return the metrics of the labels, and the groups of their clips, as a table."""
    rows = [
        [label, *(_share(row[k]) for k in ("precision", "recall", "f1")), str(row["n"]), *_group_cells(report, row)]
        for label, row in report.per_label.items()
    ]
    return make_table("Per label", ("label", "precision", "recall", "F1", "n", *report.group_columns.values()), rows)


def _group_cells(report: Report, row: Mapping[str, float | int | None]) -> list[str]:
    """Return the numbers of groups of a label, a dash where they are unknown."""
    return ["–" if row[name] is None else str(row[name]) for name in report.group_columns]


def _confusion(report: Report) -> Table:
    """Return the confusion matrix as a table, without the rows of labels that have no clips."""
    rows = [
        [label, *(str(count) if count else "·" for count in counts)]
        for label, counts in zip(report.labels, report.confusion.tolist(), strict=True)
        if sum(counts)
    ]
    return make_table("Confusion (rows: true, columns: predicted)", ("", *report.labels), rows)


def _slices(title: str, rows: Sequence[Slice]) -> Table:
    """Return the table of slices."""
    heads = ["", "n", "accuracy", "95 % interval"]
    hours, differences = any(row.hours is not None for row in rows), any(row.difference is not None for row in rows)
    heads += ["hours"] * hours + ["difference, percentage points"] * differences
    cells = []
    for row in rows:
        line = [row.name, str(row.n), _share(row.accuracy), "–" if row.interval is None else percent(row.interval)]
        line += ["" if row.hours is None else f"{row.hours:.3f}"] * hours
        cells.append(line + [_points(row)] * differences)
    return make_table(title, heads, cells)


def _points(row: Slice) -> str:
    """Return a difference with its interval, in percentage points."""
    if row.difference is None:
        return ""
    pair = row.difference_interval
    between = "" if pair is None else f" ({100 * pair[0]:+.1f} to {100 * pair[1]:+.1f})"
    return f"{100 * row.difference:+.1f}{between}"


def _share(value: float | int | None) -> str:
    """Return a share in per cent, a dash where it is undefined."""
    return "–" if value is None else f"{100 * value:.1f} %"
