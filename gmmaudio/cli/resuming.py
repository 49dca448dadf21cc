"""Runs that go on where they were stopped: the options, and the rows or files of a run beside its journal."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from gmmaudio import __version__
from gmmaudio.cli.console import say
from gmmaudio.cli.inputs import Input
from gmmaudio.errors import SettingError
from gmmaudio.journal import Journal, JournalEntry, Stamp, content_stamp, file_stamp
from gmmaudio.outputs import check_writable, resolve_output
from gmmaudio.row_file import RowFile

T = TypeVar("T")
SUFFIX = ".journal"
# an input that is to be computed, with the stamp of its file; or the place of one in the journal
Place = tuple[Input, Stamp] | int


@dataclass(frozen=True)
class RunOptions:
    """The options that say how a run goes on.

    Parameters
    ----------
    resume : bool
        Keep what is done.
    retry_failed : bool
        Keep what is done, but for inputs that failed.
    overwrite : bool
        Replace an output.
    shard : tuple of (int, int) or None
        Which part of the inputs, from 1, of how many.
    log_every_s : float or None
        From one line of progress to the next, seconds.
    """

    resume: bool = False
    retry_failed: bool = False
    overwrite: bool = False
    shard: tuple[int, int] | None = None
    log_every_s: float | None = None

    @property
    def goes_on(self) -> bool:
        """Whether what is done is kept."""
        return self.resume or self.retry_failed

    def check(self, *, has_output: bool, is_quiet: bool) -> None:
        """Raise where options do not go together.

        Parameters
        ----------
        has_output : bool
            Whether an output is named.
        is_quiet : bool
            Whether no progress is shown.

        Raises
        ------
        click.UsageError
            If there are such options.
        """
        named = [("--resume", self.resume), ("--retry-failed", self.retry_failed), ("--overwrite", self.overwrite)]
        flags = [flag for flag, is_set in named if is_set]
        if flags and not has_output:
            raise click.UsageError(f"{flags[0]} is of an output; name one with -o.")
        if self.overwrite and self.goes_on:
            raise click.UsageError(f"{flags[0]} keeps what is done, and --overwrite does not: name one of them.")
        if self.log_every_s is not None and is_quiet:
            raise click.UsageError("--log-every has no effect with --quiet.")

    def part_of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of the shard: every n-th one.

        Parameters
        ----------
        items : sequence
            All items.

        Examples
        --------
        >>> RunOptions(shard=(2, 3)).part_of("abcdefgh")
        'beh'
        """
        if self.shard is None:
            return items
        i, n = self.shard
        return items[i - 1 :: n]

    def shard_name(self) -> str | None:
        """Return the shard as it is written on the command line; None where there is one part only."""
        return None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}"


class RowRun:
    """A run whose answers are the rows of one output, in the order of its inputs.

    Parameters
    ----------
    journal : Journal or None
        What is done; None where rows go to standard output.
    rows : RowFile or None
        The output.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that answers depend on.
    """

    def __init__(
        self, journal: Journal | None, rows: RowFile | None, options: RunOptions, settings: Mapping[str, Any]
    ) -> None:
        self.journal, self.rows = journal, rows
        self.options, self.settings = options, settings
        # inputs that are done: all, those that failed, and of these the errors; and the failed of earlier runs
        self.n_done = self.n_failed = self.n_errors = self.n_failed_before = 0
        self.has_begun = False
        self._queue: deque[Place] = deque()

    def waiting(self, files: Iterable[Input]) -> Iterator[Input]:
        """Yield the inputs that are to be computed; those that are done wait for the ones before them.

        Parameters
        ----------
        files : iterable of Input
            All inputs.
        """
        for file in files:
            stamp = None if self.journal is None else _stamp(file)
            place = self._done(file.shown, stamp)
            self._queue.append((file, stamp) if place is None else place)
            if place is None:
                yield file

    def begin(self, head: str) -> None:
        """Write the first rows: the head, and those that are done.

        Parameters
        ----------
        head : str
            What stands before all rows.
        """
        if self.journal is not None and self.rows is not None:
            if self.options.goes_on and not self.journal.is_empty():
                self.journal.go_on()
            else:
                # an output without its rows in the journal would be one that somebody has changed
                self.rows.clear()
                self.journal.start(self.settings)
        self.has_begun = True
        self._write(head, is_new=False)
        self._write_done()

    def next_input(self) -> Input:
        """Return the input whose answer is the next one."""
        file, _ = self._first()
        return file

    def add(self, text: str, status: str, failure: str | None) -> None:
        """Write the answer for the next input.

        Parameters
        ----------
        text : str
            Its row, with the line end.
        status : str
            The status of the answer.
        failure : str or None
            Reason code, where there is no answer.
        """
        file, stamp = self._first()
        if self.journal is not None:
            # first, so that no row is in the output that the journal does not have
            self.journal.add(JournalEntry(file.shown, stamp, status, failure, text))
        self._write(text, is_new=True)
        self._queue.popleft()
        self._count(status, failure)
        self._write_done()

    def finish(self) -> None:
        """Bring all rows to disk."""
        self._write_done()
        if self.rows is not None and self.journal is not None:
            # a power failure may lose an output that the journal can restore, and not the other way round
            self.journal.sync()
            self.rows.finish()
            self.note_content()

    def say_earlier(self) -> None:
        """Write to stderr what is to be said of earlier runs: inputs that failed, and those that are not named now."""
        if self.n_failed_before:
            inputs = f"input{'s' * (self.n_failed_before != 1)}"
            say(f"{self.n_failed_before} {inputs} failed in an earlier run; --retry-failed computes them again")
        n_unnamed = 0 if self.journal is None else self.journal.n_unnamed()
        if n_unnamed and self.rows is not None and self.journal is not None:
            inputs = "1 input that is" if n_unnamed == 1 else f"{n_unnamed} inputs that are"
            say(f"{self.rows.path.name} leaves out {inputs} in {self.journal.path.name} and not named now")

    def note_content(self) -> None:
        """Write the content of the output into the journal."""
        content = None if self.rows is None else self.rows.content()
        if content is not None and self.journal is not None:
            self.journal.end(content)

    def _first(self) -> tuple[Input, Stamp]:
        """Return the first input that waits, which is one to be computed."""
        first = self._queue[0]
        assert not isinstance(first, int)  # noqa: S101 - rows that are done are written as soon as they can be
        return first

    def _done(self, path: str, stamp: Stamp) -> int | None:
        """Return the place of an input in the journal; None where it is to be computed."""
        place = None if self.journal is None else self.journal.find(path)
        if self.journal is None or place is None:
            return None
        entry = self.journal.entry(place)
        is_kept = (entry.path, entry.stamp) == (path, stamp) and not (self.options.retry_failed and entry.code)
        return place if is_kept else None

    def _write_done(self) -> None:
        """Write the rows that are done, up to the next input that is computed."""
        while self._queue and isinstance(self._queue[0], int) and self.journal is not None:
            entry = self.journal.entry(self._queue[0])
            self._write(entry.row, is_new=False)
            self._queue.popleft()
            self._count(entry.status, entry.code)
            self.n_failed_before += entry.code is not None

    def _write(self, text: str, *, is_new: bool) -> None:
        """Write a part of the output."""
        if self.rows is not None:
            self.rows.write(text.encode("utf-8", "backslashreplace"), is_new=is_new)
        elif text:
            click.echo(text, nl=False)

    def _count(self, status: str, failure: str | None) -> None:
        """Count an input that is done."""
        self.n_done += 1
        self.n_failed += failure is not None
        self.n_errors += status == "error"


@contextlib.contextmanager
def open_rows(output: Path | None, options: RunOptions, settings: Mapping[str, Any]) -> Iterator[RowRun]:
    """Give the run that writes rows to an output; where it is stopped, the command that goes on is said.

    Parameters
    ----------
    output : Path or None
        The file; None is standard output.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that answers depend on.

    Raises
    ------
    SettingError
        If the output is there and may not be replaced, or is of another run.
    WriteError
        If it cannot be written, or another run has it.
    """
    if output is None:
        yield RowRun(None, None, options, settings)
        return
    path = resolve_output(output) if output.is_symlink() else output
    was_there = path.exists()
    with _open_journal(path, journal_beside(path), options, settings) as journal:
        rows = RowFile(path)
        run = RowRun(journal, rows, options, settings)
        try:
            _check_unchanged(journal, rows, output)
            yield run
        except BaseException:
            if run.has_begun:
                with contextlib.suppress(OSError, SettingError):
                    run.note_content()
                say_how_to_go_on(run.n_done)
            elif not was_there:
                path.unlink(missing_ok=True)
            raise
        finally:
            rows.close()


@contextlib.contextmanager
def _open_journal(output: Path, path: Path, options: RunOptions, settings: Mapping[str, Any]) -> Iterator[Journal]:
    """Give the journal of an output, read where the run goes on."""
    check_writable(path)
    is_there = _size(output) > 0
    if not options.goes_on and not options.overwrite:
        _refuse_existing(output if is_there else path, is_there=is_there or _size(path) > 0)
    if options.goes_on and is_there and not _size(path):
        raise SettingError(
            f"{output}: has no journal ({path.name}), so nobody knows what is in it; name another file, or replace it "
            "(`overwrite`)"
        )
    journal = Journal(path)
    try:
        if not (options.goes_on or options.overwrite or journal.is_empty()):
            _refuse_existing(path, is_there=True)
        if options.goes_on and not journal.is_empty():
            journal.load(settings)
            if journal.n_damaged:
                say(f"{path}: {journal.n_damaged} lines are damaged; their inputs are computed again")
        yield journal
    finally:
        journal.close()


def journal_beside(output: Path) -> Path:
    """Return the path of the journal of a file.

    Parameters
    ----------
    output : Path
        The file.

    Examples
    --------
    >>> journal_beside(Path("night.csv")).name
    'night.csv.journal'
    """
    return output.with_name(output.name + SUFFIX)


def make_settings(command: str, options: RunOptions, **values: Any) -> dict[str, Any]:
    """Return the values that a journal states of a run.

    Parameters
    ----------
    command : str
        Name of the command.
    options : RunOptions
        The shard.
    **values
        Plain values that answers depend on, by the names of parameters.
    """
    return {"command": command, "version": __version__, "shard": options.shard_name(), **values}


def say_how_to_go_on(n_done: int) -> None:
    """Write to stderr the command that goes on with a run that was stopped.

    Parameters
    ----------
    n_done : int
        Inputs that are done.
    """
    words = click.get_current_context().obj or ["gmmaudio"]
    piped = ", with the same standard input" if "-" in words else ""
    with contextlib.suppress(OSError):
        click.echo(f"{n_done:,} input{'s are' if n_done != 1 else ' is'} done; to go on{piped}:", err=True)
        click.echo(command_that_goes_on(words), err=True)


def command_that_goes_on(words: Sequence[str]) -> str:
    """Return the command line that goes on with a run, for a shell.

    Parameters
    ----------
    words : sequence of str
        The command line without the program, as it was typed.

    Examples
    --------
    >>> command_that_goes_on(["classify", "m.gmm", "my music", "--overwrite", "-o", "night.csv"])
    "gmmaudio classify --resume m.gmm 'my music' -o night.csv"
    """
    end = words.index("--") if "--" in words else len(words)
    named = [word for word in words[:end] if word != "--overwrite"]
    more = [] if {"--resume", "--retry-failed"} & set(named) else ["--resume"]
    return " ".join(map(_shell_word, ["gmmaudio", *named[:1], *more, *named[1:], *words[end:]]))


def _shell_word(word: str) -> str:
    """Return a word as a shell reads it, without characters that could drive a terminal."""
    if word.isprintable():
        return shlex.quote(word)
    plain = set(range(32, 127)) - set(b"'\\")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"


def _stamp(file: Input) -> Stamp:
    """Return the stamp of a file: of sound from standard input, that of its content."""
    return content_stamp(file.path) if file.shown == "-" != file.path else file_stamp(file.path)


def _size(path: Path) -> int:
    """Return the size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_existing(path: Path, *, is_there: bool) -> None:
    """Raise where an output is there."""
    if is_there:
        remedy = "go on with it (`resume`), replace it (`overwrite`), or name another"
        raise SettingError(f"{path}: is there already; {remedy}")


def _check_unchanged(journal: Journal, rows: RowFile, output: Path) -> None:
    """Raise where an output was changed since its run ended."""
    content = rows.content()
    if journal.ended is not None and content is not None and content[0] and content != journal.ended:
        raise SettingError(
            f"{output}: was changed since it was written; keep it under another name, and `resume` writes it again "
            f"from {journal.path.name}"
        )
