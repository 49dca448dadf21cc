"""Where a report goes: stdout, a page, a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED
from gmmaudio.cli.console import say, say_failed, show_report
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Report, render_html
from gmmaudio.files import check_writable, write_beside


def check(report_path: Path | None, json_path: Path | None) -> None:
    """Raise WriteError now, where a report could not be written later."""
    if report_path is not None and report_path == json_path:
        raise SettingError(f"--report and --json are both {report_path}; name two files")
    if report_path is not None:
        check_writable(report_path)
    if json_path is not None and str(json_path) != "-":
        check_writable(json_path)


def deliver(report: Report, title: str, report_path: Path | None, json_path: Path | None) -> int:
    """Write a report to all its places, and return the exit code."""
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False)
    # files first: a reader of stdout may close it early
    if report_path is not None:
        _write(report_path, render_html(report, title))
    if str(json_path) == "-":
        click.echo(text)
    else:
        if json_path is not None:
            _write(json_path, text)
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
