"""Runs that write the files of each input into one folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmmaudio.cli.console import say
from gmmaudio.cli.inputs import Input
from gmmaudio.cli.resuming import SUFFIX, JournalledRun, RunOptions, say_how_to_go_on, stamp_of
from gmmaudio.errors import SettingError
from gmmaudio.journal import BEGUN, Journal, JournalEntry, Stamp
from gmmaudio.outputs import check_writable, new_folder


class FolderRun(JournalledRun):
    """A run that writes one file or several for each input.

    Parameters
    ----------
    journal : Journal or None
        What is done; None where nothing goes to a folder.
    folder : Path or None
        The folder.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that files depend on.
    """

    def __init__(
        self, journal: Journal | None, folder: Path | None, options: RunOptions, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(journal, options)
        self.folder, self.settings = folder, settings
        # files of inputs that were done before
        self.kept: list[Path] = []
        self._stamps: dict[str, Stamp] = {}

    def waiting(self, planned: Iterable[tuple[Input, Sequence[Path]]]) -> Iterator[tuple[Input, Sequence[Path]]]:
        """Yield the inputs that are to be computed, each with its files.

        Parameters
        ----------
        planned : iterable of (Input, sequence of Path)
            All inputs, each with the files that are to be written.

        Raises
        ------
        SettingError
            If a file is there that is not of this run.
        """
        for file, targets in planned:
            if self.journal is None:
                yield file, targets
                continue
            stamp = stamp_of(file)
            known = self.journal.find(file.shown)
            entry = None if known is None else self.journal.entry(known.place)
            is_kept = known is not None and self.options.goes_on and self.is_kept(known, file.shown, stamp)
            if entry is not None and is_kept and self._is_there(entry, targets):
                self.kept += targets if entry.code is None else ()
                self.count(entry.status, entry.code, is_new=False)
                continue
            self._refuse_others(entry, targets)
            self._stamps[file.shown] = stamp
            yield file, targets

    def begin(self) -> None:
        """Begin or go on with the journal."""
        if self.journal is not None:
            if self.options.overwrite or self.journal.is_empty():
                self.journal.start(self.settings)
            if self.options.overwrite:
                self.journal.replace_files()
            self.has_begun = True

    def announce(self, file: Input, targets: Sequence[Path]) -> None:
        """Note which files are to be written, so that they are known for those of this run.

        Parameters
        ----------
        file : Input
            The input.
        targets : sequence of Path
            Its files.
        """
        if self.journal is not None:
            stamp = self._stamps[file.shown]
            self.journal.add(JournalEntry(file.shown, stamp, BEGUN, files=self._names(targets)))
            # on disk before a file has its name
            self.journal.sync()

    def add(self, file: Input, failure: str | None, targets: Sequence[Path] = ()) -> None:
        """Note that an input is done.

        Parameters
        ----------
        file : Input
            The input.
        failure : str or None
            Reason code, where there are no files.
        targets : sequence of Path
            Its files.
        """
        status = "ok" if failure is None else "error"
        if self.journal is not None:
            names = self._names(targets)
            self.journal.add(JournalEntry(file.shown, self._stamps[file.shown], status, failure, files=names))
        self.count(status, failure, is_new=True)

    def finish(self) -> None:
        """Bring the journal to disk."""
        if self.journal is not None:
            self.journal.sync()

    def _is_there(self, entry: JournalEntry, targets: Sequence[Path]) -> bool:
        """Return whether the files of an input are there, if it has any."""
        if entry.code is not None:
            return True
        return entry.files == self._names(targets) and all(path.is_file() for path in targets)

    def _refuse_others(self, entry: JournalEntry | None, targets: Sequence[Path]) -> None:
        """Raise where a file is there that may not be replaced."""
        if self.options.overwrite or (self.options.goes_on and self.journal is not None and self.journal.replaces):
            return
        ours = entry.files if entry is not None and self.options.goes_on else ()
        for path, name in zip(targets, self._names(targets), strict=True):
            if name not in ours and os.path.lexists(path):
                if self.options.goes_on and self.journal is not None:
                    words = f"is there already, and is no file of {self.journal.path.name}; keep it elsewhere"
                    raise SettingError(f"{path}: {words}, or replace what is there (`overwrite`)")
                remedy = "go on with it (`resume`), replace what is there (`overwrite`), or name another folder"
                raise SettingError(f"{path}: is there already; {remedy}")

    def _names(self, targets: Sequence[Path]) -> tuple[str, ...]:
        """Return the names of files below the folder."""
        return tuple(os.path.relpath(path, self.folder) for path in targets)


@contextlib.contextmanager
def open_folder(
    folder: Path | None, options: RunOptions, settings: Mapping[str, Any], inputs: Sequence[Input]
) -> Iterator[FolderRun]:
    """Give the run that writes into a folder; where it is stopped, the command that goes on is said.

    Parameters
    ----------
    folder : Path or None
        The folder, which is made where it does not exist; None is standard output.
    options : RunOptions
        What is kept.
    settings : mapping of str to Any
        Values that files depend on.
    inputs : sequence of Input
        Files that are read.

    Raises
    ------
    SettingError
        If the folder is of a run with other settings.
    WriteError
        If it cannot be written, or another run has it.
    """
    if folder is None:
        yield FolderRun(None, None, options, settings)
        return
    path = journal_in(folder, settings["command"], options)
    _keep_inputs(path, inputs)
    with new_folder(folder), contextlib.closing(_open(path)) as journal:
        run = FolderRun(journal, folder, options, settings)
        if not options.overwrite and not journal.is_empty():
            journal.load(settings)
            if journal.n_damaged:
                say(f"{path}: {journal.n_damaged} lines are damaged; their inputs are computed again")
        try:
            yield run
        except BaseException:
            if run.has_begun:
                say_how_to_go_on(run.n_done)
            raise


def journal_in(folder: Path, command: str, options: RunOptions) -> Path:
    """Return the path of the journal of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    command : str
        Name of the command.
    options : RunOptions
        The shard, of which each has a journal of its own.

    Examples
    --------
    >>> journal_in(Path("frames"), "features", RunOptions(shard=(2, 4))).name
    'features.2-of-4.journal'
    """
    part = "" if options.shard is None else f".{options.shard[0]}-of-{options.shard[1]}"
    return folder / f"{command}{part}{SUFFIX}"


def _open(path: Path) -> Journal:
    """Return the journal at a path, in a folder that exists."""
    check_writable(path)
    return Journal(path)


def _keep_inputs(path: Path, inputs: Sequence[Input]) -> None:
    """Raise where a journal is a file that is read."""
    from gmmaudio.cli.output_paths import keep_inputs

    keep_inputs([(f"-o {path} would overwrite", path)], (file.path for file in inputs))
