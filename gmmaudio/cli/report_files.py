"""Where a report goes: stdout, a page, a JSON file, a folder of CSV tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED
from gmmaudio.cli.console import say, say_failed, show_report
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Report, render_html
from gmmaudio.evaluation.table import csv_text, tables
from gmmaudio.files import check_writable, make_folder, write_beside


@dataclass(frozen=True)
class Places:
    """Where a report is to be written; None for nowhere.

    Parameters
    ----------
    report_path : Path or None
        The page.
    json_path : Path or None
        Everything as JSON; ``-`` is stdout.
    csv_folder : Path or None
        Every table as CSV.
    """

    report_path: Path | None = None
    json_path: Path | None = None
    csv_folder: Path | None = None

    def check(self) -> None:
        """Raise WriteError now, where a report could not be written later."""
        named = [path for path in (self.report_path, self.json_path, self.csv_folder) if path is not None]
        if len(set(named)) < len(named):
            raise SettingError(f"--report, --json and --csv: {named[0]} is named twice; name different places")
        if self.report_path is not None:
            check_writable(self.report_path)
        if self.json_path is not None and str(self.json_path) != "-":
            check_writable(self.json_path)
        if self.csv_folder is not None:
            make_folder(self.csv_folder)


def deliver(report: Report, title: str, places: Places) -> int:
    """Write a report to all its places, and return the exit code."""
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    # files first: a reader of stdout may close it early
    if places.report_path is not None:
        _write(places.report_path, render_html(report, title))
    if places.csv_folder is not None:
        for name, rows in tables(report).items():
            with write_beside(places.csv_folder / f"{name}.csv") as handle:
                handle.write(csv_text(rows).encode("utf-8", "backslashreplace"))
        say(f"wrote the tables in {places.csv_folder}")
    if str(places.json_path) == "-":
        click.echo(text)
    else:
        if places.json_path is not None:
            _write(places.json_path, text)
        show_report(report)
    say_failed(report.failed)
    return EXIT_SOME_FAILED if report.failed else 0


def corpus_name(corpus: Path) -> str:
    """Return what to call a corpus in a heading: a manifest is called by its folder too."""
    return "/".join(corpus.resolve().parts[-2:]) if corpus.is_file() else corpus.name


def _write(path: Path, text: str) -> None:
    with write_beside(path) as handle:
        handle.write(text.encode("utf-8", "backslashreplace"))
    say(f"wrote {path}")
