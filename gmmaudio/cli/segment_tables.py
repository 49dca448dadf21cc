"""The report of timelines: on a terminal, in files, and its exit code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_SOME_FAILED
from gmmaudio.cli.console import finding_line, say, say_failed
from gmmaudio.cli.output_paths import OutputFolder, OutputPaths
from gmmaudio.cli.report_tables import MATRIX_LABELS
from gmmaudio.cli.terminal_tables import make_table, print_captured
from gmmaudio.evaluation import SEGMENT_METRICS, percent, segment_metrics
from gmmaudio.evaluation.segment_report import SEGMENT_TABLES, SegmentReport
from gmmaudio.json_text import to_json
from gmmaudio.names import printable
from gmmaudio.outputs import PathLike, write_together
from gmmaudio.text_tables import csv_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# more recordings are in the files alone
MOST_ROWS = 100


def segment_outputs(json_path: Path | None, csv_folder: Path | None) -> OutputPaths:
    """Return the places that the report of timelines is written to.

    Parameters
    ----------
    json_path : Path or None
        The JSON file; ``-`` is stdout.
    csv_folder : Path or None
        The folder of tables.
    """
    files = {"--json": None if str(json_path) == "-" else json_path}
    tables = [f"{name}.csv" for name in SEGMENT_TABLES]
    return OutputPaths(files, [] if csv_folder is None else [OutputFolder("--csv", csv_folder, tables)])


def deliver_segments(report: SegmentReport, json_path: Path | None, csv_folder: Path | None) -> int:
    """Write the report of timelines to its files and to stdout, and return the exit code.

    Parameters
    ----------
    report : SegmentReport
        What to write.
    json_path, csv_folder : Path or None
        As for :func:`segment_outputs`.
    """
    text = f"{to_json(report.to_dict(), indent=1)}\n"
    # files first: a reader of stdout may close it early
    write_together(_files(report, text, json_path, csv_folder), folder=csv_folder)
    if csv_folder is not None:
        say(f"wrote the tables in {csv_folder}")
    if str(json_path) == "-":
        click.echo(text, nl=False)
    else:
        if json_path is not None:
            say(f"wrote {json_path}")
        print_captured(lambda console: _print(console, report))
    say_failed(report.failed)
    return EXIT_SOME_FAILED if report.failed else 0


def _files(
    report: SegmentReport, text: str, json_path: Path | None, csv_folder: Path | None
) -> Iterator[tuple[PathLike, bytes]]:
    """Yield the files of a report, each with its content."""
    if csv_folder is not None:
        for name, rows in report.tables().items():
            yield csv_folder / f"{name}.csv", csv_text(rows).encode("utf-8", "backslashreplace")
    if json_path is not None and str(json_path) != "-":
        yield json_path, text.encode("utf-8", "backslashreplace")


def _print(console: Console, report: SegmentReport) -> None:
    """Print headline, findings and tables."""
    from rich.text import Text

    for line in (report.headline, *map(finding_line, report.findings)):
        console.print(Text(printable(line)), soft_wrap=True)
    metrics = [
        [metric.title, _percent(report.metrics.values[name]), _between(report, name)]
        for name, metric in SEGMENT_METRICS.items()
    ]
    title = f"All recordings (boundaries within {report.tolerance_s:g} s)"
    console.print(make_table(title, ("", "value", "95 % interval"), metrics))
    console.print(_recordings(report))
    if len(report.states) <= MATRIX_LABELS:
        rows = [
            [name, *(f"{seconds:.1f}" if seconds else "·" for seconds in row)]
            for name, row in zip(report.states, report.counts.seconds.tolist(), strict=True)
            if sum(row)
        ]
        console.print(make_table("Seconds (rows: true, columns: found)", ("", *report.states), rows))


def _recordings(report: SegmentReport) -> Table:
    """Return the table of recordings, those with the most wrong time first."""
    names = ("segment_error_rate", "frame_accuracy", "boundary_f1")
    rows = [(each, segment_metrics([each.counts]).values) for each in report.recordings]
    rows.sort(key=lambda row: row[0].counts.correct_s - row[0].duration_s)
    cells = [
        [each.path, f"{each.duration_s:.1f} s", *(_percent(values[name]) for name in names)]
        for each, values in rows[:MOST_ROWS]
    ]
    n_left = len(rows) - len(cells)
    title = "By recording, the most wrong first" + (f" ({n_left} more in --json and --csv)" if n_left else "")
    return make_table(title, ("", "length", *(SEGMENT_METRICS[name].title for name in names)), cells)


def _percent(value: float) -> str:
    """Return a share in per cent, a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def _between(report: SegmentReport, name: str) -> str:
    """Return the interval of a metric, a dash where there is none."""
    interval = report.metrics.intervals[name]
    return "–" if interval is None else percent(interval)
