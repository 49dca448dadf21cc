"""Runs whose answers are the rows of one file, in the order of their inputs."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import click

from gmmaudio.cli.console import say
from gmmaudio.cli.inputs import Input
from gmmaudio.cli.resuming import (
    JournalledRun,
    RunOptions,
    journal_beside,
    open_journal,
    say_how_to_go_on,
    stamp_of,
)
from gmmaudio.errors import SettingError
from gmmaudio.journal import Journal, JournalEntry, Stamp
from gmmaudio.outputs import resolve_output
from gmmaudio.row_file import RowFile
from gmmaudio.temporary_files import remove_left_over

# an input that is to be computed, with the stamp of its file; or the place of one in the journal
Place = tuple[Input, Stamp] | int


class RowOutput(Protocol):
    """A file that is written row by row."""

    path: Path

    def content(self) -> tuple[int, int] | None:
        """Return size and CRC-32 of what is in the file now; None where that is not whole."""

    def clear(self) -> None:
        """Leave out what is in the file."""

    def write(self, row: bytes, *, is_new: bool = True) -> None:
        """Write the next row."""

    def finish(self) -> None:
        """Bring all rows to disk."""

    def close(self) -> None:
        """Release the file."""


class RowRun(JournalledRun):
    """A run whose answers are the rows of one output, in the order of its inputs.

    Parameters
    ----------
    journal : Journal or None
        What is done; None where rows go to standard output.
    rows : RowOutput or None
        The output.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that answers depend on.
    """

    def __init__(
        self, journal: Journal | None, rows: RowOutput | None, options: RunOptions, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(journal, options)
        self.rows, self.settings = rows, settings
        # told of every input that is done, in order, what it counts in a check of the whole run
        self.on_done: Callable[[str, float | None], None] | None = None
        self._queue: deque[Place] = deque()
        self._separator = self._tail = ""
        self._is_first = True

    def waiting(self, files: Iterable[Input]) -> Iterator[Input]:
        """Yield the inputs that are to be computed; those that are done wait for the ones before them.

        Parameters
        ----------
        files : iterable of Input
            All inputs.
        """
        for file in files:
            stamp = None if self.journal is None else stamp_of(file)
            place = self._done(file.shown, stamp)
            self._queue.append((file, stamp) if place is None else place)
            if place is None:
                yield file

    def begin(self, head: str, separator: str = "", tail: str = "") -> None:
        """Write the first rows: the head, and those that are done.

        Parameters
        ----------
        head, separator, tail : str
            What stands before all rows, between two, and after all of them.
        """
        self._separator, self._tail = separator, tail
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
        # inputs that are done may have arrived since
        self._write_done()
        file, _ = self._first()
        return file

    def add(self, text: str, status: str, failure: str | None, value: float | None = None) -> None:
        """Write the answer for the next input.

        Parameters
        ----------
        text : str
            Its row, with the line end.
        status : str
            The status of the answer.
        failure : str or None
            Reason code, where there is no answer.
        value : float or None
            What the input counts in a check of the whole run.
        """
        file, stamp = self._first()
        if self.journal is not None:
            # first, so that no row is in the output that the journal does not have
            self.journal.add(JournalEntry(file.shown, stamp, status, failure, text, value=value))
        self._write_row(text, is_new=True)
        self._queue.popleft()
        self.count(status, failure, is_new=True)
        self._tell(file.shown, value)
        self._write_done()

    def finish(self, closing: Callable[[], str] = str) -> None:
        """Write the end, and bring all rows to disk.

        Parameters
        ----------
        closing : callable
            Returns a last row on all inputs, once they are done; none where it is empty.
        """
        self._write_done()
        last = closing()
        if last:
            self._write_row(last, is_new=True)
        self._write(self._tail, is_new=True)
        if self.rows is not None and self.journal is not None:
            # a power failure may lose an output that the journal can restore, and not the other way round
            self.journal.sync()
            self.rows.finish()
            self.note_content()

    def say_earlier(self) -> None:
        """Write to stderr what is to be said of earlier runs: inputs that failed, and those that are not named now."""
        super().say_earlier()
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
        known = None if self.journal is None else self.journal.find(path)
        return known.place if known is not None and self.is_kept(known, path, stamp) else None

    def _write_done(self) -> None:
        """Write the rows that are done, up to the next input that is computed."""
        while self._queue and isinstance(self._queue[0], int) and self.journal is not None:
            entry = self.journal.entry(self._queue[0])
            self._write_row(entry.row, is_new=False)
            self._queue.popleft()
            self.count(entry.status, entry.code, is_new=False)
            self._tell(entry.path, entry.value)

    def _tell(self, path: str, value: float | None) -> None:
        """Tell what an input counts in a check of the whole run."""
        if self.on_done is not None:
            self.on_done(path, value)

    def _write_row(self, text: str, *, is_new: bool) -> None:
        """Write a row, in one piece with what separates it from the one before."""
        self._write(text if self._is_first else self._separator + text, is_new=is_new)
        self._is_first = False

    def _write(self, text: str, *, is_new: bool) -> None:
        """Write a part of the output."""
        if self.rows is not None:
            self.rows.write(text.encode("utf-8", "backslashreplace"), is_new=is_new)
        elif text:
            click.echo(text, nl=False)


@contextlib.contextmanager
def open_rows(
    output: Path | None,
    options: RunOptions,
    settings: Mapping[str, Any],
    open_output: Callable[[Path], RowOutput] = RowFile,
) -> Iterator[RowRun]:
    """Give the run that writes rows to an output; where it is stopped, the command that goes on is said.

    Parameters
    ----------
    output : Path or None
        The file; None is standard output.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that answers depend on.
    open_output : callable
        A path -> the output.

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
    with open_journal(path, journal_beside(path), options, settings) as journal:
        # rows of a run that was killed before they replaced the output
        remove_left_over(path.parent)
        rows = open_output(path)
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


def _check_unchanged(journal: Journal, rows: RowOutput, output: Path) -> None:
    """Raise where an output was changed since its run ended."""
    content = rows.content()
    if journal.ended is not None and content is not None and content[0] and content != journal.ended:
        raise SettingError(
            f"{output}: was changed since it was written; keep it under another name, and `resume` writes it again "
            f"from {journal.path.name}"
        )
