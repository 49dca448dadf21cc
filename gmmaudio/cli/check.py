"""``gmmaudio check``: a corpus -> its labels, groups and formats, and what is wrong with them, before any training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from rich.console import Console

    from gmmaudio.outputs import PathLike
    from gmmaudio.pipeline import CorpusCheck


@click.command(name="check")
@click.argument("corpus", type=options.FILE)
@options.split
@options.group_by
@click.option(
    "--decode",
    "n_decoded",
    default=8,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Clips of each label of which ten seconds are decoded, for level and band limit; 0: heads of files only.",
)
@click.option(
    "--json", "json_path", type=options.FILE, metavar="FILE", help="Write all of it as JSON; - for standard output."
)
@click.option("--html", "html_path", type=options.FILE, metavar="FILE", help="Write it as an HTML page.")
@options.quiet
def command(
    corpus: Path,
    split: str | None,
    group_by: str | None,
    n_decoded: int,
    json_path: Path | None,
    html_path: Path | None,
    is_quiet: bool,
) -> None:
    """Look at CORPUS before training: labels, groups, minutes, formats, and what may make an accuracy wrong.

    The heads of all files are read, which takes seconds for thousands, and a small sample of each label is decoded.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli.console import say, say_failed
    from gmmaudio.cli.flags import with_flags
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.report_files import corpus_name
    from gmmaudio.outputs import write_together

    is_piped = str(json_path) == "-"
    outputs = OutputPaths({"--json": None if is_piped else json_path, "--html": html_path})
    outputs.check(corpus)
    labelled_clips = pipeline.read_corpus(corpus)
    outputs.keep_clips(labelled_clips)
    with show_progress(is_quiet=is_quiet) as progress:
        check = pipeline.check_corpus(
            labelled_clips, split=split, group_by=group_by, n_decoded=n_decoded, progress=progress
        )
    title = f"Check of {corpus_name(corpus)}"
    write_together(_files(check, title, None if is_piped else json_path, html_path))
    for path in (html_path, None if is_piped else json_path):
        if path is not None:
            say(f"wrote {path}")
    if is_piped:
        click.echo(_json(check), nl=False)
    else:
        _show(check)
    say_failed(check.failed)
    if check.refusal:
        say(f"gmmaudio: {with_flags(check.refusal)}")
        click.get_current_context().exit(EXIT_NOTHING)
    click.get_current_context().exit(EXIT_SOME_FAILED if check.failed else 0)


def _json(check: CorpusCheck) -> str:
    """Return a check as JSON text."""
    from gmmaudio.json_text import to_json

    return f"{to_json(check.to_dict(), indent=1)}\n"


def _files(
    check: CorpusCheck, title: str, json_path: Path | None, html_path: Path | None
) -> Iterator[tuple[PathLike, bytes]]:
    """Yield the files of a check, each with its content."""
    if json_path is not None:
        yield json_path, _json(check).encode("utf-8", "backslashreplace")
    if html_path is not None:
        from gmmaudio.cli.flags import check_with_flags
        from gmmaudio.pictures.corpus_page import render_check

        yield html_path, render_check(check_with_flags(check), title).encode("utf-8", "backslashreplace")


def _show(check: CorpusCheck) -> None:
    """Write the findings and the table of labels to stdout."""
    from gmmaudio.cli.terminal_tables import print_captured

    print_captured(lambda console: _print(console, check))


def _print(console: Console, check: CorpusCheck) -> None:
    """Print the counts, the findings and the table of labels."""
    from rich.text import Text

    from gmmaudio.cli.console import finding_line
    from gmmaudio.cli.terminal_tables import make_table
    from gmmaudio.names import printable
    from gmmaudio.pipeline.label_table import describe_check, tabulate_labels

    for line in (*describe_check(check), *map(finding_line, check.findings)):
        console.print(Text(printable(line)), soft_wrap=True)
    heads, rows = tabulate_labels(check.labels)
    console.print(make_table("Labels", heads, rows))
