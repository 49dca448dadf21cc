"""List, fill, check and remake what documents show of measured results: ``python -m results COMMAND``."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import click

from results.blocks import blocks_of, differences, documents, fill
from results.record import FOLDER, ROOT, Record, read_all, read_record
from results.views import file_of, render


@click.group()
def main() -> None:
    """Results that were measured, and the documents that show them."""


@main.command(name="list")
def list_results() -> None:
    """Print every file of results, the command that makes it, and the documents that show it."""
    click.echo("\n".join(listing(read_all(FOLDER), shown_in(ROOT))))


@main.command(name="fill")
def fill_documents() -> None:
    """Fill the blocks of all documents from the files of results."""
    for path in documents(ROOT):
        text = path.read_text(encoding="utf-8")
        try:
            filled = fill(text, text_of)
        except ValueError as error:
            raise click.ClickException(f"{path.relative_to(ROOT)}: {error}") from error
        if filled != text:
            path.write_text(filled, encoding="utf-8")
            click.echo(f"filled {path.relative_to(ROOT)}")


@main.command()
def check() -> None:
    """Fail where a block differs from its file of results."""
    try:
        wrong = [each for path in documents(ROOT) for each in differences(path, text_of)]
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for each in wrong:
        click.echo(each, err=True)
    if wrong:
        raise click.ClickException("documents show other results than results/*.json; run python -m results fill")


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_context
def remake(context: click.Context, names: tuple[str, ...]) -> None:
    """Run the commands of the files NAME again (all: every file), then fill the blocks."""
    records = read_all(FOLDER) if names == ("all",) else [read_record(FOLDER / f"{name}.json") for name in names]
    for record in records:
        click.echo(f"$ {record.command}")
        subprocess.run(command_words(record), cwd=ROOT, check=True)  # noqa: S603 (a command of this repository)
    context.invoke(fill_documents)


def text_of(name: str) -> str:
    """Return the text of a block, from the files of results of this repository."""
    return render(name, FOLDER)


def command_words(record: Record) -> list[str]:
    """Return the command of a record, to be run by this interpreter.

    Parameters
    ----------
    record : Record
        Its command begins with ``python -m``.

    Raises
    ------
    ValueError
        If the command is something else.
    """
    python, *words = shlex.split(record.command)
    if python != "python" or words[:1] != ["-m"]:
        raise ValueError(f"{record.name}: expected a command that begins with 'python -m', got {record.command!r}")
    return [sys.executable, *words]


def shown_in(root: Path) -> dict[str, list[str]]:
    """Return the documents that show each file of results, by its name.

    Parameters
    ----------
    root : Path
        Root of the repository.
    """
    pages = defaultdict[str, list[str]](list)
    for path in documents(root):
        for name in sorted({file_of(block.name) for block in blocks_of(path)}):
            pages[name].append(str(path.relative_to(root)))
    return dict(pages)


def listing(records: list[Record], pages: dict[str, list[str]]) -> list[str]:
    """Return lines that tell of each file of results.

    Parameters
    ----------
    records : list of Record
        The files.
    pages : dict of str to list of str
        The documents that show each.
    """
    lines = []
    for record in records:
        lines += [
            f"results/{record.name}.json  {record.title}",
            f"  {record.date}, gmmaudio {record.versions['gmmaudio']}, {len(record.rows)} rows",
            f"  {record.command}",
            f"  shown in {', '.join(pages.get(record.name, ())) or 'no document'}",
        ]
    return lines or ["there are no files of results"]


if __name__ == "__main__":
    main()
