"""Files that are read as other bytes than they hold: parts of a file, with bytes put between them."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, NamedTuple

from gmmaudio.audio.formats import AudioNote


class Span(NamedTuple):
    """A range of bytes of a file.

    Parameters
    ----------
    start, stop : int
        Offsets in the file, 0 <= start <= stop.
    """

    start: int
    stop: int


@dataclass(frozen=True)
class Recording:
    """One recording in a file: the bytes that a decoder reads.

    Parameters
    ----------
    parts : tuple of Span or bytes
        Ranges of the file and bytes between them, such as a header with the right length.
    notes : tuple of AudioNote
        Facts about these bytes, such as places that are lost.
    truncated : str or None
        The reason why the sound is not whole although its length is declared; None where it is whole.
    """

    parts: tuple[Span | bytes, ...]
    notes: tuple[AudioNote, ...] = ()
    truncated: str | None = None


class SplicedFile:
    """A binary file, without a name, that reads as parts of another file and given bytes, one after another.

    soundfile would guess the format from a name. Several of them may share a handle: each has its own position.

    Parameters
    ----------
    handle : binary file
        The open file.
    parts : sequence of Span or bytes, optional
        The content, in order; the whole of the file by default.

    Examples
    --------
    >>> import io
    >>> spliced = SplicedFile(io.BytesIO(b"0123456789"), [b"<", Span(2, 5), b">", Span(8, 10)])
    >>> spliced.read(), spliced.seek(2), spliced.read(3)
    (b'<234>89', 2, b'34>')
    """

    def __init__(self, handle: BinaryIO, parts: Sequence[Span | bytes] | None = None) -> None:
        self._handle = handle
        self._parts = tuple([Span(0, handle.seek(0, os.SEEK_END))] if parts is None else parts)
        # the offset of every part, and of the end
        self._offsets = [0, *accumulate(_length(part) for part in self._parts)]
        self._position = 0

    def __len__(self) -> int:
        return self._offsets[-1]

    def tell(self) -> int:
        """Return the position, bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Return the new position; -1 where there is none, as a damaged header may ask for one before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self)}[whence]
        if base + offset < 0:
            return -1
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes from the position on; all by default."""
        n_left = max(0, len(self) - self._position)
        n_left = n_left if size < 0 else min(size, n_left)
        chunks = []
        index = bisect_right(self._offsets, self._position) - 1
        while n_left > 0:
            skipped = self._position - self._offsets[index]
            chunk = self._read_part(self._parts[index], skipped, n_left)
            if not chunk and skipped < _length(self._parts[index]):  # the file became shorter
                break
            chunks.append(chunk)
            self._position += len(chunk)
            n_left -= len(chunk)
            index = bisect_right(self._offsets, self._position) - 1
        return b"".join(chunks)

    def readinto(self, buffer: bytearray) -> int:
        """Return the number of bytes read into ``buffer``."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read_part(self, part: Span | bytes, skipped: int, size: int) -> bytes:
        """Return up to ``size`` bytes of a part, after ``skipped`` of its bytes."""
        if isinstance(part, bytes):
            return part[skipped : skipped + size]
        self._handle.seek(part.start + skipped)
        return self._handle.read(min(size, part.stop - part.start - skipped))


def _length(part: Span | bytes) -> int:
    """Return the number of bytes of a part."""
    return len(part) if isinstance(part, bytes) else part.stop - part.start
