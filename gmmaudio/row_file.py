"""A table whose rows are written one by one, and which may hold the first of them already."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from gmmaudio.outputs import write_beside, write_errors

# rows that are held before they are written, bytes
BUFFER_BYTES = 2**16
READ_BYTES = 2**20


class Dropped(Exception):  # noqa: N818 - ends the writing of a file, and is no error
    """The rows that were written are not wanted."""


class RowFile:
    r"""A file that is written row by row, in place as long as it begins as it did before.

    Rows are compared with what the file holds. Where it ends, or has one row more that is cut off, the next rows are
    appended. Where it goes on with other rows, it stays as it is: all rows go to a temporary file beside it, which
    replaces it at the end.

    Parameters
    ----------
    path : path-like
        The file, which is made where there is none; no link.

    Raises
    ------
    WriteError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "answers.txt")
    ...     _ = path.write_bytes(b"1.wav jazz\n2.wav ro")
    ...     rows = RowFile(path)
    ...     for row in (b"1.wav jazz\n", b"2.wav rock\n", b"3.wav fado\n"):
    ...         rows.write(row)
    ...     rows.finish()
    ...     rows.close()
    ...     path.read_text().splitlines()
    ['1.wav jazz', '2.wav rock', '3.wav fado']
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._draft: contextlib.AbstractContextManager[BinaryIO] | None = None
        # where the rows that wait begin, and the rows: one value, so that what a signal interrupts can be done again
        self._waiting = (0, bytearray())
        # size and checksum of the rows that were passed on: one value, which a signal leaves whole
        self._passed = (0, 0)
        self._is_found = True
        with write_errors(self.path):
            self.path.open("ab").close()
            self._writer: IO[bytes] = self._open_writer()
            self._reader = self.path.open("rb")
            self._found = self._read_all()

    def content(self) -> tuple[int, int] | None:
        """Return size and CRC-32 of what is in the file now; None where a row was interrupted.

        Returns
        -------
        tuple of (int, int) or None
            Bytes and checksum.
        """
        if self._is_found or not self._is_in_place():
            return self._found
        with contextlib.suppress(OSError):
            self._flush()
        return self._passed if self.path.stat().st_size == self._passed[0] else None

    def clear(self) -> None:
        """Remove what is in the file."""
        with write_errors(self.path):
            self._writer.truncate(0)
        self._found = (0, 0)

    def write(self, row: bytes, *, is_new: bool = True) -> None:
        """Write the next row.

        Parameters
        ----------
        row : bytes
            Part of the file.
        is_new : bool
            Write it at once; others may wait in memory.

        Raises
        ------
        WriteError
            If it cannot be written.
        """
        size, checksum = self._passed
        with write_errors(self.path):
            if self._is_found and self._reader.read(len(row)) != row:
                self._leave_found(len(row))
            if not self._is_found:
                self._waiting[1].extend(row)
            self._passed = size + len(row), zlib.crc32(row, checksum)
            if is_new or len(self._waiting[1]) >= BUFFER_BYTES:
                self._flush()

    def finish(self) -> None:
        """Bring all rows to disk; nothing else is in the file then."""
        with write_errors(self.path):
            self._flush()
            self._is_found = False
            if self._draft is not None:
                self._draft.__exit__(None, None, None)
                self._draft = None
                return
            self._writer.truncate(self._passed[0])
            os.fsync(self._writer.fileno())

    def close(self) -> None:
        """Release the file; what a temporary file holds is dropped."""
        if self._draft is not None:
            with contextlib.suppress(Dropped):
                self._draft.__exit__(Dropped, Dropped(), None)
        else:
            self._writer.close()
        self._reader.close()

    def _open_writer(self) -> IO[bytes]:
        """Return the file, opened to be written from its beginning without a buffer."""
        return self.path.open("r+b", buffering=0)

    def _is_in_place(self) -> bool:
        """Return whether rows go to the file itself, or the temporary file has replaced it."""
        return self._draft is None or not os.path.samestat(self.path.stat(), os.fstat(self._reader.fileno()))

    def _leave_found(self, n_bytes: int) -> None:
        """Go on behind the rows that were found: in place, or in a temporary file that begins with them."""
        n_kept, n_found = self._passed[0], self._found[0]
        if n_found - n_kept > n_bytes:
            draft = write_beside(self.path)
            self._writer.close()
            self._writer = draft.__enter__()
            self._draft = draft
            self._reader.seek(0)
            _copy(self._reader, self._writer, n_kept)
        self._is_found = False
        self._waiting = (n_kept, bytearray())
        if self._draft is None:
            self._writer.truncate(n_kept)

    def _flush(self) -> None:
        """Write the rows that wait, each at its own place: a signal may come after a write and before its account."""
        start, rows = self._waiting
        while rows:
            self._writer.seek(start)
            n_written = self._writer.write(rows)
            start, rows = start + n_written, rows[n_written:]
            self._waiting = (start, rows)

    def _read_all(self) -> tuple[int, int]:
        """Return size and CRC-32 of the file, at whose beginning the reader is left."""
        size = checksum = 0
        while data := self._reader.read(READ_BYTES):
            size, checksum = size + len(data), zlib.crc32(data, checksum)
        self._reader.seek(0)
        return size, checksum


def _copy(source: IO[bytes], target: IO[bytes], n_bytes: int) -> None:
    """Copy the first bytes of a file."""
    while n_bytes and (data := source.read(min(n_bytes, READ_BYTES))):
        target.write(data)
        n_bytes -= len(data)
