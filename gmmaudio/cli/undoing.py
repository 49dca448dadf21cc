"""Runs that change files of a user: the undo journal, what is said of it, and the undoing."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import labelling
from gmmaudio.cli.console import say
from gmmaudio.names import file_text, printable

if TYPE_CHECKING:
    from gmmaudio.pipeline.undo_journal import UndoJournal

SUFFIX = ".undo"
# options that go with --undo
WITH_UNDO = ("undo_path", "is_write", "is_quiet")


@contextlib.contextmanager
def open_undo(path: Path | None, command: str) -> Iterator[UndoJournal]:
    """Give a new undo journal; how the run is undone is said at its end, however that comes.

    Parameters
    ----------
    path : Path or None
        The file; None is a new one in the user's folder of program states.
    command : str
        Name of the command.

    Raises
    ------
    SettingError
        If the file is there.
    WriteError
        If it cannot be written.
    """
    from gmmaudio.outputs import check_writable, write_errors
    from gmmaudio.pipeline.undo_journal import UndoJournal

    if path is None:
        path = _default_path(command)
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path)
    with UndoJournal(path, command) as journal:
        try:
            yield journal
        finally:
            with contextlib.suppress(OSError):
                say(f"to undo: gmmaudio {command} --undo {shlex.quote(file_text(str(path)))} --write")


def undo_run(path: Path, command: str, undo: Callable[..., bool], *, is_write: bool) -> None:
    """Undo a run, the last file first, or show what would be undone.

    Parameters
    ----------
    path : Path
        The undo journal.
    command : str
        Name of the command.
    undo : function
        Takes a record back; with ``is_trial`` it only checks that it can be done.
    is_write : bool
        Whether it is done.
    """
    from gmmaudio.errors import MusicFileError
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.undo_journal import read_undo

    _refuse_others()
    found = read_undo(path, command)
    failed: list[FailedInput] = []
    done = {True: "restored" if is_write else "restore", False: "as it was"}
    n_done = 0
    for record in reversed(found.records):
        shown = _name_of(record)
        try:
            has_changed = undo(record, is_trial=not is_write)
        except MusicFileError as error:
            failed.append(FailedInput(shown, error.code, error.message))
            continue
        n_done += has_changed
        click.echo(f"{printable(shown)}\t{done[has_changed]}")
    failed += [FailedInput(str(path), "damaged", "a line is damaged") for _ in range(found.n_damaged)]
    if not is_write:
        say_dry_run(n_done, "restored")
    labelling.end_with(failed, len(found.records) + found.n_damaged)


def say_dry_run(n: int, verb: str) -> None:
    """Write to stderr how many files a run would change.

    Parameters
    ----------
    n : int
        Number of files.
    verb : str
        Such as ``tagged``.
    """
    say(f"nothing was changed: {n:,} file{'s' * (n != 1)} would be {verb} with --write")


def _refuse_others() -> None:
    """Raise where other options stand beside --undo."""
    context = click.get_current_context()
    typed = click.core.ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in WITH_UNDO and context.get_parameter_source(name) is typed and context.params[name]:
            shown = parameter.opts[0] if isinstance(parameter, click.Option) else name.upper()
            raise click.UsageError(f"--undo takes back a run as it was: leave {shown} out.")


def _name_of(record: Mapping[str, Any]) -> str:
    """Return the name of a file in a record."""
    return str(record.get("path") or record.get("target") or "a file")


def _default_path(command: str) -> Path:
    """Return the name of a new undo journal, in the user's folder of program states."""
    import platformdirs

    folder = platformdirs.user_state_path("gmmaudio", appauthor=False) / "undo"
    return folder / f"{command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}{SUFFIX}"
