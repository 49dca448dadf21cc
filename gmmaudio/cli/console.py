"""What the commands share in talking: words and progress on stderr, names made safe for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

import click

from gmmaudio.evaluation import FailedInput, Report, percent

T = TypeVar("T")


def printable(text: str) -> str:
    """Return text with control characters escaped: a file name must not drive the terminal.

    Examples
    --------
    >>> print(printable("a" + chr(27) + "[31m.wav").replace(chr(92), "/"))
    a/x1b[31m.wav
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str) -> None:
    """Write a line of words to stderr."""
    click.echo(printable(text), err=True)


def say_notes(notes: Iterable[str]) -> None:
    """Write notes to stderr."""
    for note in notes:
        say(f"note: {note}")


def say_failed(failed: Sequence[FailedInput]) -> None:
    """Write each input that failed to stderr, and how many they were."""
    for item in failed:
        say(f"skipped [{item.code}] {item.path}: {item.message}")
    if failed:
        say(f"{len(failed)} input{'s' * (len(failed) != 1)} failed")


def progress(results: Iterable[T], total: int, doing: str) -> Iterable[T]:
    """Yield the results on, with a bar and the time left on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(results, total=total, description=doing)


def show_report(report: Report) -> None:
    """Write a report's headline, guards, per-label table and confusion matrix to stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # where stdout is no terminal, lines are never folded: a reader downstream needs whole rows
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    console.print(Text(printable(report.headline)), soft_wrap=True)
    balanced = report.intervals["balanced_accuracy"]
    if balanced is not None:
        console.print(Text(f"Balanced accuracy: 95 % interval {percent(balanced)}"), soft_wrap=True)
    if report.protocol.unscored_labels:
        console.print(Text(printable(f"Not scored: {', '.join(report.protocol.unscored_labels)}")), soft_wrap=True)
    for guard in report.guards:
        console.print(Text(f"! {printable(guard)}"), soft_wrap=True)
    rates = Table(box=box.SIMPLE_HEAD, title="Per label", title_justify="left")
    for name in ("label", "precision", "recall", "F1", "n"):
        rates.add_column(name, justify="left" if name == "label" else "right")
    for label, row in report.per_label.items():
        cells = ("–" if row[k] is None else f"{100 * float(row[k] or 0):.1f} %" for k in ("precision", "recall", "f1"))
        rates.add_row(Text(printable(label)), *cells, str(row["n"]))
    console.print(rates)
    matrix = Table(box=box.SIMPLE_HEAD, title="Confusion (rows: true, columns: called)", title_justify="left")
    matrix.add_column("")
    for label in report.labels:
        matrix.add_column(Text(printable(label)), justify="right")
    for label, counts in zip(report.labels, report.confusion.tolist(), strict=True):
        if sum(counts):
            matrix.add_row(Text(printable(label)), *(str(count) if count else "·" for count in counts))
    console.print(matrix)
