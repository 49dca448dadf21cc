"""The files that a report is written to: a page, a JSON file, a folder of CSV tables; and stdout."""

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
class ReportPaths:
    """The files that a report is written to; None for those that are not wanted.

    Parameters
    ----------
    report_path : Path or None
        The HTML page.
    json_path : Path or None
        Everything as JSON; ``-`` is stdout.
    csv_folder : Path or None
        Every table as CSV.
    """

    report_path: Path | None = None
    json_path: Path | None = None
    csv_folder: Path | None = None

    def check(self, *inputs: Path) -> None:
        """Raise now where a report could not be written later, or would overwrite an input.

        Parameters
        ----------
        *inputs : sequence of Path
            Files and folders that are read.

        Raises
        ------
        SettingError
            If a file would be overwritten.
        WriteError
            If a file cannot be written.
        """
        check_distinct(inputs, {"--report": self.report_path, "--json": self.json_path, "--csv": self.csv_folder})
        if self.csv_folder is not None:
            inside = [path for path in inputs if path.resolve().parent == self.csv_folder.resolve()]
            if any(path.suffix == ".csv" for path in inside):
                raise SettingError(f"--csv {self.csv_folder} holds the input {inside[0]}; choose another folder")
        if self.report_path is not None:
            check_writable(self.report_path)
        if self.json_path is not None and str(self.json_path) != "-":
            check_writable(self.json_path)
        if self.csv_folder is not None:
            make_folder(self.csv_folder)


def check_distinct(inputs: Sequence[Path], outputs: Mapping[str, Path | None]) -> None:
    """Raise where two outputs are the same file, or an output is an input.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders that are read.
    outputs : mapping of str to Path or None
        Option -> the file that it names.

    Raises
    ------
    SettingError
        If a file would be overwritten.
    """
    seen = {os.path.realpath(path): f"the input {path}" for path in inputs}
    for option, path in outputs.items():
        if path is None or str(path) == "-":
            continue
        real_path = os.path.realpath(path)
        if real_path in seen:
            raise SettingError(f"{option} {path} would overwrite {seen[real_path]}; choose another path")
        seen[real_path] = f"{option} {path}"


def deliver(report: Report, title: str, paths: ReportPaths) -> int:
    """Write a report to its files and to stdout, and return the exit code.

    Parameters
    ----------
    report : Report
        What to write.
    title : str
        Heading of the page.
    paths : ReportPaths
        Files to write.
    """
    text = to_json(report)
    # files first: a reader of stdout may close it early
    if paths.report_path is not None:
        _write(paths.report_path, render_html(report_with_flags(report), title))
    if paths.csv_folder is not None:
        for name, rows in tables(report).items():
            with write_beside(paths.csv_folder / f"{name}.csv") as handle:
                handle.write(csv_text(rows).encode("utf-8", "backslashreplace"))
        say(f"wrote the tables in {paths.csv_folder}")
    if str(paths.json_path) == "-":
        click.echo(text)
    else:
        if paths.json_path is not None:
            _write(paths.json_path, text)
        show_report(report)
    say_failed(report.failed)
    return EXIT_SOME_FAILED if report.failed else 0


def corpus_name(corpus: Path) -> str:
    """Return the name of a corpus for a heading; that of a manifest includes its folder.

    Parameters
    ----------
    corpus : Path
        Folder or manifest.

    Examples
    --------
    >>> corpus_name(Path("music"))
    'music'
    """
    return "/".join(corpus.resolve().parts[-2:]) if corpus.is_file() else corpus.name


def _write(path: Path, text: str) -> None:
    """Write a text file, and say so on stderr."""
    with write_beside(path) as handle:
        handle.write(text.encode("utf-8", "backslashreplace"))
    say(f"wrote {path}")
