"""Where a report goes: stdout, a page, a JSON file, a folder of CSV tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED
from gmmaudio.cli.console import say, say_failed, show_report
from gmmaudio.cli.flags import report_with_flags
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Report, render_html
from gmmaudio.evaluation.csv_tables import csv_text, tables
from gmmaudio.evaluation.report_file import to_json
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

    def check(self, *inputs: Path) -> None:
        """Raise now, where a report could not be written later, or would be written over what it is made from."""
        check_places(inputs, {"--report": self.report_path, "--json": self.json_path, "--csv": self.csv_folder})
        if self.csv_folder is not None:
            taken = [path for path in inputs if path.resolve().parent == self.csv_folder.resolve()]
            if any(path.suffix == ".csv" for path in taken):
                raise SettingError(f"--csv {self.csv_folder} holds what is read, {taken[0]}; name another folder")
        if self.report_path is not None:
            check_writable(self.report_path)
        if self.json_path is not None and str(self.json_path) != "-":
            check_writable(self.json_path)
        if self.csv_folder is not None:
            make_folder(self.csv_folder)


def check_places(inputs: Sequence[Path], places: Mapping[str, Path | None]) -> None:
    """Raise SettingError where two places are one, or one of them is an input."""
    seen = {os.path.realpath(path): f"what is read, {path}" for path in inputs}
    for option, path in places.items():
        if path is None or str(path) == "-":
            continue
        real = os.path.realpath(path)
        if real in seen:
            raise SettingError(f"{option} {path} would be written over {seen[real]}; name another path")
        seen[real] = f"{option} {path}"


def deliver(report: Report, title: str, places: Places) -> int:
    """Write a report to all its places, and return the exit code."""
    text = to_json(report)
    # files first: a reader of stdout may close it early
    if places.report_path is not None:
        _write(places.report_path, render_html(report_with_flags(report), title))
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
