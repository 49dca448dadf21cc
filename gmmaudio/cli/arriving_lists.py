"""Lists of paths that come through a pipe: a path can be read before the next one is written."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmmaudio.errors import CorpusError
from gmmaudio.files import OPEN_PIPES
from gmmaudio.text_tables import BYTE_ORDER_MARKS, decode_text, list_lines

# a list whose end comes within this time is one that is written at once, seconds
AT_ONCE_S = 0.1
READ_BYTES = 2**20
UTF8_MARK = BYTE_ORDER_MARKS[0][0]
LONGEST_MARK = 4


@dataclass(frozen=True)
class ArrivingList:
    """A list that is being written.

    Parameters
    ----------
    data : bytes
        What has been read of it.
    descriptor : int or None
        The open pipe; None where this is all.
    """

    data: bytes
    descriptor: int | None

    def lines(self, limit: int, name: str) -> Iterator[str]:
        r"""Yield the lines that are not empty, each as soon as it has arrived.

        Lines are in UTF-8, and end in LF or CR LF. Text in another encoding, or in which no line ends in LF, is read to
        its end first.

        Parameters
        ----------
        limit : int
            Largest size of a line, or of a text that is read to its end, bytes.
        name : str
            Name of the list, for errors.

        Yields
        ------
        str
            A line; bytes that are no text are kept.

        Raises
        ------
        CorpusError
            If a line is too long or holds a byte of the value 0, or text in UTF-16 is cut off.

        Examples
        --------
        >>> list(ArrivingList(b"1.wav\r\n\n2.wav", None).lines(100, "-"))
        ['1.wav', '2.wav']
        """
        rest, has_begun, is_utf8, has_lines = b"", False, True, False
        for chunk in self._chunks():
            rest += chunk
            if len(rest) > limit:
                raise CorpusError(f"{name}: a line has more than {limit:,} bytes; expected one path on each line")
            if not has_begun and len(rest) >= LONGEST_MARK:
                has_begun, is_utf8 = True, _is_utf8(rest)
                rest = rest.removeprefix(UTF8_MARK)
            if is_utf8 and has_begun and b"\n" in rest:
                has_lines = True
                *whole, rest = rest.split(b"\n")
                yield from _texts(whole, name)
        yield from _texts([rest], name) if has_lines else _texts_at_end(rest, name)

    def _chunks(self) -> Iterator[bytes]:
        """Yield all that the pipe gives."""
        yield self.data
        # not by the buffer of standard input, whose lock a thread that waits for input would hold at the end
        while self.descriptor is not None and (chunk := os.read(self.descriptor, READ_BYTES)):
            yield chunk


def open_arriving(descriptor: int) -> ArrivingList | None:
    """Return the list in an open file; None where that is no pipe or terminal.

    Parameters
    ----------
    descriptor : int
        An open file.
    """
    mode = os.fstat(descriptor).st_mode
    if os.name != "posix" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
        return None
    os.set_blocking(descriptor, True)
    data, end_s = b"", time.monotonic() + AT_ONCE_S
    while len(data) < READ_BYTES:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end_s - time.monotonic()))
        if not ready:
            break
        chunk = os.read(descriptor, READ_BYTES)
        if not chunk:
            return ArrivingList(data, None)
        data += chunk
    return ArrivingList(data, descriptor)


def is_open_pipe(path: str) -> bool:
    """Return whether a path is that of a pipe which this process has open, such as a shell writes for ``<(...)``.

    Parameters
    ----------
    path : str
        Any path.

    Examples
    --------
    >>> is_open_pipe("list.txt")
    False
    """
    try:
        is_pipe = stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
    return is_pipe and os.path.realpath(path).startswith(OPEN_PIPES)


def _is_utf8(start: bytes) -> bool:
    """Return whether text is not that of Windows' UTF-16, nor UTF-32, by its first bytes."""
    return b"\0" not in start[:64] and not any(start.startswith(mark) for mark, _ in BYTE_ORDER_MARKS[1:])


def _texts(lines: list[bytes], name: str) -> Iterator[str]:
    """Yield the texts of lines that are not empty."""
    for line in lines:
        _refuse_zero(b"\0" in line, name)
        text = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        if text.strip():
            yield text


def _texts_at_end(data: bytes, name: str) -> Iterator[str]:
    """Yield the lines of a list that is read to its end."""
    try:
        text = decode_text(data, "surrogateescape")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}: is no text ({error.reason}); expected one path on each line") from error
    _refuse_zero("\0" in text, name)
    yield from list_lines(text)


def _refuse_zero(is_there: bool, name: str) -> None:
    """Raise where a list holds what no path does."""
    if is_there:
        raise CorpusError(f"{name}: holds bytes of the value 0; expected one path on each line")
