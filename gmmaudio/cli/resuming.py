"""Runs that go on where they were stopped: the options, the journal, and the words for who stopped one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from gmmaudio import __version__
from gmmaudio.cli.config_file import split_command
from gmmaudio.cli.console import say
from gmmaudio.cli.inputs import Input
from gmmaudio.errors import SettingError
from gmmaudio.journal import Journal, KnownInput, Stamp, content_stamp, file_stamp, stamp_check
from gmmaudio.outputs import check_writable

T = TypeVar("T")
SUFFIX = ".journal"


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

    def choose_jobs(self, n_jobs: int | None) -> int | None:
        """Return the number of worker processes of a run: one for each core where it goes on and none is named.

        A decoder that crashes in a thread ends the run, and would end it again at the same file.

        Parameters
        ----------
        n_jobs : int or None
            The number that is named.

        Examples
        --------
        >>> RunOptions(resume=True).choose_jobs(None), RunOptions(resume=True).choose_jobs(1)
        (-1, 1)
        """
        return -1 if n_jobs is None and self.goes_on else n_jobs

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

    def part_arriving(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items of the shard as they arrive.

        Parameters
        ----------
        items : iterable
            All items.
        """
        i, n = self.shard or (1, 1)
        return itertools.islice(items, i - 1, None, n)

    def shard_name(self) -> str | None:
        """Return the shard as it is written on the command line; None where there is one part only."""
        return None if self.shard is None else f"{self.shard[0]}/{self.shard[1]}"


@contextlib.contextmanager
def closed(results: Iterable[T]) -> Iterator[Iterable[T]]:
    """Return a context manager of results that are computed as they are asked for; workers end with it.

    Parameters
    ----------
    results : iterable
        A generator, closed at the end, or any other iterable.

    Examples
    --------
    >>> with closed(n for n in range(3)) as results:
    ...     list(results)
    [0, 1, 2]
    """
    try:
        yield results
    finally:
        getattr(results, "close", lambda: None)()


class JournalledRun:
    """A run whose inputs are counted, and noted in a journal if there is one.

    Parameters
    ----------
    journal : Journal or None
        What is done.
    options : RunOptions
        What is kept.
    """

    def __init__(self, journal: Journal | None, options: RunOptions) -> None:
        self.journal, self.options = journal, options
        # inputs that are done: all, those that failed, and of these the errors; and the failed of earlier runs
        self.n_done = self.n_failed = self.n_errors = self.n_failed_before = 0
        self.has_begun = False

    def is_kept(self, known: KnownInput, path: str, stamp: Stamp) -> bool:
        """Return whether an input is done and not to be computed again.

        Parameters
        ----------
        known : KnownInput
            What the journal says.
        path : str
            The input.
        stamp : tuple, str or None
            Its file now.
        """
        is_again = known.is_begun or (self.options.retry_failed and known.has_failed)
        return known.check == stamp_check(path, stamp) and not is_again

    def count(self, status: str, failure: str | None, *, is_new: bool) -> None:
        """Count an input that is done.

        Parameters
        ----------
        status : str
            The status of its answer.
        failure : str or None
            Reason code of an input that failed.
        is_new : bool
            Whether this run computed it.
        """
        self.n_done += 1
        self.n_failed += failure is not None
        self.n_errors += status == "error"
        self.n_failed_before += failure is not None and not is_new

    def say_earlier(self) -> None:
        """Write to stderr how many inputs failed in earlier runs."""
        if self.n_failed_before:
            inputs = f"input{'s' * (self.n_failed_before != 1)}"
            say(f"{self.n_failed_before} {inputs} failed in an earlier run; --retry-failed computes them again")


@contextlib.contextmanager
def open_journal(output: Path, path: Path, options: RunOptions, settings: Mapping[str, Any]) -> Iterator[Journal]:
    """Give the journal of a file, read where the run goes on.

    Parameters
    ----------
    output : Path
        The file.
    path : Path
        Its journal.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that answers depend on.

    Raises
    ------
    SettingError
        If either is there and may not be replaced, or is of another run.
    WriteError
        If it cannot be written, or another run has it.
    """
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
    context = click.get_current_context()
    words = context.obj or ["gmmaudio"]
    n_before = len(split_command(words, context)[0])
    piped = ", with the same standard input" if "-" in words else ""
    with contextlib.suppress(OSError):
        click.echo(f"{n_done:,} input{'s are' if n_done != 1 else ' is'} done; to go on{piped}:", err=True)
        click.echo(command_that_goes_on(words, n_before), err=True)


def command_that_goes_on(words: Sequence[str], n_before: int = 0) -> str:
    """Return the command line that goes on with a run, for a shell.

    Parameters
    ----------
    words : sequence of str
        The command line without the program, as it was typed.
    n_before : int
        Words before the command.

    Examples
    --------
    >>> command_that_goes_on(["classify", "m.gmm", "my music", "--overwrite", "-o", "night.csv"])
    "gmmaudio classify --resume m.gmm 'my music' -o night.csv"
    """
    end = words.index("--") if "--" in words else len(words)
    named = [word for word in words[:end] if word != "--overwrite"]
    more = [] if {"--resume", "--retry-failed"} & set(named) else ["--resume"]
    return " ".join(map(_shell_word, ["gmmaudio", *named[: n_before + 1], *more, *named[n_before + 1 :], *words[end:]]))


def _shell_word(word: str) -> str:
    """Return a word as a shell reads it, without characters that could drive a terminal."""
    if word.isprintable():
        return shlex.quote(word)
    plain = set(range(32, 127)) - set(b"'\\")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"


def stamp_of(file: Input) -> Stamp:
    """Return the stamp of a file: of sound from standard input, that of its content.

    Parameters
    ----------
    file : Input
        The file.
    """
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
