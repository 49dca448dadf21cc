"""The journal of a run: which inputs are done, so that a run that was stopped goes on where it was.

A text file with one JSON object on each line, appended to as the run goes on. The first line has the settings that
answers depend on; each further one an input: its path, the stamp of its file, how it went and, where answers are rows
of one table, the row. The last field of a line is the CRC-32 of the bytes before it: a line that is cut off or changed
is never taken for another one, but dropped, and its input is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gmmaudio.errors import SettingError, WriteError
from gmmaudio.files import find_path
from gmmaudio.outputs import write_errors
from gmmaudio.temporary_files import try_lock
from gmmaudio.values import shown

# size in bytes and time of modification in nanoseconds, or the hash of the content; None where there is no file
Stamp = tuple[int, int] | str | None
# size in bytes and CRC-32 of an output
Content = tuple[int, int]

FORMAT = 1
# there may be many lines: without a search for spaces around them
DECODER = json.JSONDecoder()
FORMAT_KEY = "gmmaudio journal"
CHECK = b',"check":"%08x"}\n'
CHECK_BYTES = len(CHECK % 0)
REPLACES = "replaces files"
# status of an input whose files are being written
BEGUN = "begun"
FIRST_BYTES, LONGEST_HEADER = b'{"gmmaudio journal":', 2**20
# bits of the length of a line; a longer one is not kept
LENGTH_BITS = 24
LONGEST_LINE = 2**LENGTH_BITS - 1
# of an input, a number holds the place of its line, a hash of 64 bits and two flags
CHECK_MASK, FLAGS, PLACE_SHIFT = 2**64 - 1, 3, 66
READ_BYTES = 2**16
# what a power failure can lose, seconds
SYNC_EVERY_S = 5.0


class JournalEntry(NamedTuple):
    """What a journal says of an input.

    Parameters
    ----------
    path : str
        The input, as it is called in the output.
    stamp : tuple of (int, int), str or None
        Its file before it was read, as :func:`file_stamp` gives it.
    status : str
        The status of its answer, or ``begun``.
    code : str or None
        Reason code of an input that failed.
    row : str
        Its part of the output; empty where it has none.
    files : tuple of str
        Files that it was written to.
    value : float or None
        What it counts in a check of the whole run.
    """

    path: str
    stamp: Stamp
    status: str
    code: str | None = None
    row: str = ""
    files: tuple[str, ...] = ()
    value: float | None = None


def file_stamp(path: str | os.PathLike[str]) -> Stamp:
    """Return the size and the time of modification of a file, nanoseconds; None where there is no such file.

    Parameters
    ----------
    path : path-like
        A file, which is found under any normal form of its name.

    Examples
    --------
    >>> file_stamp("no_such_file.wav") is None
    True
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - there may be many
    except (OSError, ValueError):
        try:
            status = find_path(path).stat()
        except (OSError, ValueError):
            return None
    return status.st_size, status.st_mtime_ns


def content_stamp(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the bytes of a file, for one that has no name of its own.

    Parameters
    ----------
    path : path-like
        A file.

    Examples
    --------
    >>> content_stamp(os.devnull)[:15]
    'sha256:e3b0c442'
    """
    with open(path, "rb") as handle:  # noqa: PTH123 - any path-like
        return f"sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()}"


def encode_line(record: Mapping[str, Any]) -> bytes:
    r"""Return a line of a journal.

    Parameters
    ----------
    record : mapping of str to Any
        Plain values, at least one.

    Examples
    --------
    >>> encode_line({"path": "1.wav"})
    b'{"path":"1.wav","check":"e4bed438"}\n'
    """
    body = json.dumps(record, separators=(",", ":")).encode("ascii")[:-1]
    return body + CHECK % zlib.crc32(body)


def decode_line(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line of a journal; None where it is not as it was written.

    Parameters
    ----------
    line : bytes
        A line with its end.

    Examples
    --------
    >>> line = encode_line({"path": "1.wav"})
    >>> decode_line(line), decode_line(line[:-1]), decode_line(line.replace(b"1", b"2"))
    ({'path': '1.wav'}, None, None)
    """
    body = line[:-CHECK_BYTES]
    if line[len(body) :] != CHECK % zlib.crc32(body):
        return None
    text = body.decode("latin-1") + "}"
    try:
        record, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and end == len(text) else None


class KnownInput(NamedTuple):
    """What a journal says of an input, without its row.

    Parameters
    ----------
    place : int
        Where its line is.
    check : int
        What :func:`stamp_check` gives for its stamp.
    has_failed : bool
        Whether it has a reason code.
    is_begun : bool
        Whether its files are being written.
    """

    place: int
    check: int
    has_failed: bool
    is_begun: bool


def stamp_check(path: str, stamp: Stamp) -> int:
    """Return a hash of an input and the stamp of its file, the same in this process only.

    Parameters
    ----------
    path : str
        The input.
    stamp : tuple of (int, int), str or None
        From :func:`file_stamp`.

    Examples
    --------
    >>> stamp_check("1.wav", (5, 6)) == stamp_check("1.wav", (5, 7))
    False
    """
    return hash((path, stamp)) & CHECK_MASK


class Journal:
    """An open journal, whose lock is held: no other run writes it.

    Parameters
    ----------
    path : path-like
        The file, which is made where there is none; no link.

    Raises
    ------
    WriteError
        If it cannot be written, or another run has it.

    Examples
    --------
    >>> import tempfile
    >>> entry = JournalEntry("1.wav", (88_244, 1_700_000_000_000_000_000), "ok", row="1.wav,jazz")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(f"{folder}/answers.csv.journal")
    ...     journal.start({"command": "classify"})
    ...     journal.add(entry)
    ...     journal.close()
    ...     again = Journal(f"{folder}/answers.csv.journal")
    ...     again.load({"command": "classify"})
    ...     again.entry(again.find("1.wav").place) == entry
    ...     again.close()
    True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        # what the output held at the end of the run that wrote it, where that was not killed
        self.ended: Content | None = None
        # whether files that are there may be replaced
        self.replaces = False
        # lines that were not as they were written
        self.n_damaged = 0
        # hash of a path -> place of its last line: numbers, of which many fit into memory
        self._index: dict[int, int] = {}
        self._n_found = 0
        self._lock = threading.Lock()
        self._is_torn = False
        self._synced_s = time.monotonic()
        with write_errors(self.path):
            self._writer = self.path.open("ab", buffering=0)
            self._reader = self.path.open("rb", buffering=READ_BYTES)
        if not try_lock(self._writer.fileno()):
            self._close_files()
            raise WriteError(f"{self.path}: another run is writing it; wait for its end, or name another output")

    def is_empty(self) -> bool:
        """Return whether there is nothing in it yet, or no more than the beginning of its first line."""
        with write_errors(self.path):
            self._reader.seek(0)
            data = self._reader.read(LONGEST_HEADER + 1)
        is_beginning = data.startswith(FIRST_BYTES) or FIRST_BYTES.startswith(data)
        return is_beginning and len(data) <= LONGEST_HEADER and b"\n" not in data

    def start(self, settings: Mapping[str, Any]) -> None:
        """Begin the journal anew.

        Parameters
        ----------
        settings : mapping of str to Any
            Plain values that answers depend on.
        """
        with write_errors(self.path):
            self._writer.truncate(0)
        self._append(encode_line({FORMAT_KEY: FORMAT, **settings}))
        self.sync()
        sync_folder(self.path.parent)

    def load(self, settings: Mapping[str, Any]) -> None:
        """Read what is done; a last line that is cut off is removed.

        Parameters
        ----------
        settings : mapping of str to Any
            Plain values that answers depend on.

        Raises
        ------
        SettingError
            If it is no journal, or that of a run with other settings.
        """
        lines = self._lines()
        _, header, n_read = next(lines, (0, None, 0))
        if header is None or FORMAT_KEY not in header:
            raise SettingError(f"{self.path}: is no journal, or is damaged; start again (`overwrite`)")
        check_settings(self.path, header, settings)
        n_dropped, is_last = 0, False
        for place, record, end in lines:
            entry = _entry(record or {})
            is_last = record is None
            if record is None:
                n_dropped += 1
                continue
            n_read, self.ended = end, _content(record)
            self.replaces |= REPLACES in record
            if entry is not None:
                flags = (entry.code is not None) | (entry.status == BEGUN) << 1
                check = stamp_check(entry.path, entry.stamp)
                self._index[hash(entry.path)] = place << PLACE_SHIFT | check << 2 | flags
        # a run that is killed may leave one line that is cut off
        self.n_damaged = n_dropped - is_last
        with write_errors(self.path):
            self._writer.truncate(n_read)

    def replace_files(self) -> None:
        """Write that files may be replaced that this run has not written."""
        self._append(encode_line({REPLACES: True}))
        self.sync()

    def go_on(self) -> None:
        """Write that the output is changing from now on."""
        self._append(encode_line({"going on": True}))
        self.sync()

    def find(self, path: str) -> KnownInput | None:
        """Return the place of the last line of an input, and its flags; None where there is none.

        Parameters
        ----------
        path : str
            The input.
        """
        key = hash(path)
        packed = self._index.get(key)
        if packed is None:
            return None
        if packed >= 0:
            self._n_found += 1
            self._index[key] = ~packed
        else:
            packed = ~packed
        flags = packed & FLAGS
        return KnownInput(packed >> PLACE_SHIFT, packed >> 2 & CHECK_MASK, bool(flags & 1), bool(flags & 2))

    def n_unnamed(self) -> int:
        """Return the number of inputs that nobody has asked for."""
        return len(self._index) - self._n_found

    def entry(self, place: int) -> JournalEntry:
        """Return the entry of an input.

        Parameters
        ----------
        place : int
            From :meth:`find`.
        """
        # inputs that arrive are looked up in a thread of their own
        with self._lock:
            self._reader.seek(place >> LENGTH_BITS)
            line = self._reader.read(place & LONGEST_LINE)
        entry = _entry(decode_line(line) or {})
        if entry is None:
            raise SettingError(f"{self.path}: was changed while the run had it; run the command again")
        return entry

    def add(self, entry: JournalEntry) -> None:
        """Write a line, which is on disk some seconds later, and before that in the system's memory.

        Parameters
        ----------
        entry : JournalEntry
            An input that is done.
        """
        values = {"path": entry.path, "stamp": entry.stamp, "status": entry.status}
        more = {"code": entry.code, "row": entry.row, "files": entry.files}
        number = {} if entry.value is None else {"value": entry.value}
        self._append(encode_line(values | {name: value for name, value in more.items() if value} | number))
        if time.monotonic() - self._synced_s >= SYNC_EVERY_S:
            self.sync()

    def end(self, content: Content) -> None:
        """Write what the output holds, so that it is known for unchanged.

        Parameters
        ----------
        content : tuple of (int, int)
            Size in bytes and CRC-32.
        """
        self._append(encode_line({"end": content}))
        self.sync()

    def sync(self) -> None:
        """Bring all lines to disk."""
        with write_errors(self.path):
            os.fsync(self._writer.fileno())
        self._synced_s = time.monotonic()

    def close(self) -> None:
        """Release the journal; one in which there is nothing is removed."""
        with contextlib.suppress(OSError):
            if os.fstat(self._writer.fileno()).st_size == 0:
                self.path.unlink()
        self._close_files()

    def _close_files(self) -> None:
        """Close the file, which releases its lock."""
        self._reader.close()
        self._writer.close()

    def _append(self, line: bytes) -> None:
        """Write a line at the end, on a line of its own whatever interrupted the one before."""
        data = b"\n" + line if self._is_torn else line
        self._is_torn = True
        with write_errors(self.path):
            while data:
                data = data[self._writer.write(data) :]
        self._is_torn = False

    def _lines(self) -> Iterator[tuple[int, dict[str, Any] | None, int]]:
        """Yield the place of each line, its record, None where it is damaged, and its end, bytes."""
        start = 0
        self._reader.seek(0)
        while line := self._reader.readline(LONGEST_LINE):
            end = start + len(line)
            # the end of a line that was interrupted
            if line != b"\n":
                yield start << LENGTH_BITS | len(line), decode_line(line), end
            start = end


def check_settings(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise an error where a journal is of a run with other settings.

    Parameters
    ----------
    path : Path
        The journal, for the message.
    then : mapping of str to Any
        The record of its first line.
    now : mapping of str to Any
        Settings of this run: ``command``, ``version``, ``model`` (a SHA-256), ``shard``, and options by the name of
        their parameter.

    Raises
    ------
    SettingError
        If there is one that differs, with the remedy.

    Examples
    --------
    >>> then = {"gmmaudio journal": 1, "command": "classify", "top": 2}
    >>> check_settings(Path("a.csv.journal"), then, {"command": "classify", "top": None})
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: a.csv.journal: `top` was 2 and is its default now; name it as before, or start ...
    """
    again = "or start again (`overwrite`)"
    if then[FORMAT_KEY] != FORMAT:
        raise SettingError(f"{path}: is a journal of another format; use the version that wrote it, {again}")
    wanted = json.loads(json.dumps(now))
    for name in dict.fromkeys([*wanted, *then]):
        before, after = then.get(name), wanted.get(name)
        if before == after or name in (FORMAT_KEY, "check"):
            continue
        if name == "command":
            raise SettingError(f"{path}: is of {before}, not of {after}; name another output, {again}")
        if name == "version":
            raise SettingError(f"{path}: was written by gmmaudio {before}, and this is {after}; use that, {again}")
        if name == "model":
            raise SettingError(
                f"{path}: was written with another model (SHA-256 {str(before)[:12]}..., now {str(after)[:12]}...); "
                f"name the same model, {again}"
            )
        if name == "columns":
            raise SettingError(f"{path}: its rows have other columns; name another output, {again}")
        values = f"`{name}` was {_value(before)} and is {_value(after)} now"
        raise SettingError(f"{path}: {values}; name it as before, {again}")


def _value(value: object) -> str:
    """Return the value of an option for a message."""
    return "its default" if value is None else shown(value)


def _entry(record: Mapping[str, Any]) -> JournalEntry | None:
    """Return the entry in a line; None where it is of something else."""
    path, stamp, status, code = record.get("path"), record.get("stamp"), record.get("status"), record.get("code")
    row, files, value = record.get("row", ""), record.get("files", ()), record.get("value")
    if isinstance(stamp, list):
        stamp = _pair(stamp)
        is_stamp = stamp is not None
    else:
        is_stamp = stamp is None or isinstance(stamp, str)
    if not (is_stamp and isinstance(path, str) and isinstance(status, str) and isinstance(row, str)):
        return None
    if not (isinstance(files, list | tuple) and (code is None or isinstance(code, str))):
        return None
    if not (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
        return None
    return JournalEntry(path, stamp, status, code, row, tuple(map(str, files)) if files else (), value)


def _content(record: Mapping[str, Any]) -> Content | None:
    """Return size and CRC-32 of the output where a line has them."""
    return _pair(record.get("end"))


def _pair(value: object) -> tuple[int, int] | None:
    """Return two whole numbers; None where a value of JSON is something else."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    first, second = value
    return (first, second) if isinstance(first, int) and isinstance(second, int) else None


def sync_folder(folder: Path) -> None:
    """Bring the names of new files in a folder to disk, where the system can.

    Parameters
    ----------
    folder : Path
        The folder.

    Examples
    --------
    >>> sync_folder(Path("/"))
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
