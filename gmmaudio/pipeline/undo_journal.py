"""The undo journal of a run that changes or moves files of a user: on disk before the first of them is touched.

A text file with one JSON object on each line, each with the CRC-32 of its bytes, as :mod:`gmmaudio.journal` writes
them. The first line names the command; then come lines of the plan, and one line for each file, which is brought to
disk
before that file is touched. A line that is cut off is of a file that was not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gmmaudio.errors import ReadError, SettingError, WriteError
from gmmaudio.journal import decode_line, encode_line, sync_folder
from gmmaudio.outputs import write_errors

FORMAT_KEY, FORMAT = "gmmaudio undo", 1
COMMAND, DONE = "command", "done"


class UndoRecords(NamedTuple):
    """What an undo journal says.

    Parameters
    ----------
    command : str
        Name of the command that wrote it.
    records : list of dict
        One for each file, in the order in which they were touched.
    n_damaged : int
        Lines that are not as they were written, the last one apart.
    """

    command: str
    records: list[dict[str, Any]]
    n_damaged: int


class UndoJournal:
    """A new undo journal, open for writing.

    Parameters
    ----------
    path : path-like
        The file, which must not be there.
    command : str
        Name of the command.

    Raises
    ------
    SettingError
        If the file is there.
    WriteError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with UndoJournal(f"{folder}/tag.undo", "tag") as journal:
    ...         journal.plan([{"path": "a.mp3"}])
    ...         journal.add({"path": "/music/a.mp3"})
    ...     read_undo(f"{folder}/tag.undo", "tag").records
    [{'path': '/music/a.mp3'}]
    """

    def __init__(self, path: str | os.PathLike[str], command: str) -> None:
        self.path = Path(path)
        try:
            with write_errors(path):
                self._handle = self.path.open("xb", buffering=0)
        except WriteError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise SettingError(
                    f"{path}: is there already, and may be needed to undo a run; name another"
                ) from error
            raise
        try:
            self._append([{FORMAT_KEY: FORMAT, COMMAND: command}])
            sync_folder(self.path.parent)
        except BaseException:
            # no file was touched: there is nothing to undo
            self._handle.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise

    def __enter__(self) -> UndoJournal:
        return self

    def __exit__(self, *_error: object) -> None:
        self._handle.close()

    def plan(self, entries: list[Mapping[str, Any]]) -> None:
        """Bring to disk what the run is going to do.

        Parameters
        ----------
        entries : list of mapping
            Plain values.
        """
        self._append([{"plan": dict(entry)} for entry in entries])

    def add(self, record: Mapping[str, Any]) -> None:
        """Bring to disk what undoes the change of a file that is about to be made.

        Parameters
        ----------
        record : mapping
            Plain values.
        """
        self._append([{DONE: dict(record)}])

    def _append(self, records: list[dict[str, Any]]) -> None:
        """Write lines, and bring them to disk."""
        with write_errors(self.path):
            for record in records:
                data = encode_line(record)
                while data:
                    data = data[self._handle.write(data) :]
            os.fsync(self._handle.fileno())


def read_undo(path: str | os.PathLike[str], command: str) -> UndoRecords:
    """Return the content of an undo journal.

    Parameters
    ----------
    path : path-like
        The journal.
    command : str
        Name of the command that is to undo it.

    Raises
    ------
    ReadError
        If it cannot be read.
    SettingError
        If it is no undo journal, or that of another command.

    Examples
    --------
    >>> read_undo(os.devnull, "tag")
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: /dev/null: is no undo journal; name the file that the run wrote
    """
    try:
        lines = Path(path).read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}); name the undo journal of the run") from error
    decoded = [decode_line(line) for line in lines]
    head = decoded[0] if decoded else None
    if head is None or head.get(FORMAT_KEY) != FORMAT or not isinstance(head.get(COMMAND), str):
        raise SettingError(f"{path}: is no undo journal; name the file that the run wrote")
    if head[COMMAND] != command:
        raise SettingError(f"{path}: is of gmmaudio {head[COMMAND]}, which undoes it; this is gmmaudio {command}")
    records = [line[DONE] for line in decoded[1:] if line is not None and isinstance(line.get(DONE), dict)]
    # a run that is killed may leave one line that is cut off
    n_damaged = sum(line is None for line in decoded[:-1])
    return UndoRecords(command, records, n_damaged)
