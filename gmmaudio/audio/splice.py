"""Files that are read as other bytes than they hold: parts of a file, with bytes put between them."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Protocol

from gmmaudio.audio.formats import AudioNote

PIECE_BYTES = 1_048_576


class ReadableFile(Protocol):
    """A binary file, or a part of one."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Return the new position."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes from the position on."""


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
    continues : bool
        Whether it goes on with the recording before, after a damaged place, and was not joined to it.
    n_samples : int or None
        Number of samples, where the decoder may guess more; None where it declares them.
    n_seekable : int or None
        Number of samples from the start on among which the decoder finds one by its number; None for all.
    has_length : bool
        Whether its header declares a length; otherwise a length that the decoder reports is a guess.
    """

    parts: tuple[Span | bytes, ...]
    notes: tuple[AudioNote, ...] = ()
    truncated: str | None = None
    continues: bool = False
    n_samples: int | None = None
    n_seekable: int | None = None
    has_length: bool = True


class Found(NamedTuple):
    """What is found at an offset of a file.

    Parameters
    ----------
    recordings : list of Recording
        The recordings that begin there.
    end : int
        The offset behind them: the end of the file, or of what belongs to them.
    is_open : bool
        Whether the sound may go on there, although the header declares another length.
    """

    recordings: list[Recording]
    end: int
    is_open: bool = False


def read_at(handle: ReadableFile, offset: int, size: int) -> bytes:
    """Return up to ``size`` bytes of a file.

    Parameters
    ----------
    handle : readable file
        The open file.
    offset, size : int
        The first byte, and the number of bytes, 0 or more.
    """
    handle.seek(offset)
    return handle.read(size)


def overlapping_pieces(handle: ReadableFile, start: int, stop: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offsets and the bytes of a range piece by piece, each with the last bytes of the one before it.

    Long holes of a sparse file, which hold zeros and take no space, are left out: no reader waits for 100 GB of them.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        The range.
    overlap : int
        Bytes that stand in two pieces, so that what is searched is whole in one of them.

    Examples
    --------
    >>> import io
    >>> [(offset, len(piece)) for offset, piece in overlapping_pieces(io.BytesIO(bytes(1_500_000)), 10, 1_500_000, 4)]
    [(10, 1048576), (1048582, 451418)]
    """
    while start < stop:
        data = _next_data(handle, start, stop)
        if data >= stop:
            return
        if data - start > PIECE_BYTES:
            start = data - overlap
        piece = read_at(handle, start, min(PIECE_BYTES, stop - start))
        yield start, piece
        if start + len(piece) >= stop or len(piece) <= overlap:
            return
        start += len(piece) - overlap


def _next_data(handle: ReadableFile, start: int, stop: int) -> int:
    """Return the offset of the first byte of a range that is in no hole; ``stop`` where all of it is one hole."""
    fileno = getattr(handle, "fileno", None)
    if fileno is None or not hasattr(os, "SEEK_DATA"):
        return start
    try:
        descriptor = fileno()
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            return os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            return stop if error.errno == errno.ENXIO else start
        finally:
            # the buffer of the handle knows it
            os.lseek(descriptor, position, os.SEEK_SET)
    except OSError:  # in memory
        return start


def edited(span: Span, edits: Mapping[int, bytes]) -> tuple[Span | bytes, ...]:
    """Return the parts of a range of a file with some of its bytes replaced.

    Parameters
    ----------
    span : Span
        The range.
    edits : mapping of int to bytes
        New bytes at offsets in the file, inside the range and apart from each other.

    Examples
    --------
    >>> edited(Span(0, 9), {4: b"????"})
    (Span(start=0, stop=4), b'????', Span(start=8, stop=9))
    """
    parts: list[Span | bytes] = []
    position = span.start
    for offset in sorted(edits):
        parts += [Span(position, offset), edits[offset]]
        position = offset + len(edits[offset])
    return (*parts, Span(position, span.stop))


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

    def __init__(self, handle: ReadableFile, parts: Sequence[Span | bytes] | None = None) -> None:
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

    def resolve(self, parts: Iterable[Span | bytes]) -> list[Span | bytes]:
        """Return parts of the file underneath, for parts of this one.

        Parameters
        ----------
        parts : iterable of Span or bytes
            Ranges of this file, and bytes between them.

        Returns
        -------
        list of Span or bytes
            The same bytes.

        Examples
        --------
        >>> import io
        >>> SplicedFile(io.BytesIO(b"0123456789"), [Span(2, 5), b"abc"]).resolve([Span(1, 4), b"x"])
        [Span(start=3, stop=5), b'a', b'x']
        """
        resolved: list[Span | bytes] = []
        for part in parts:
            if isinstance(part, bytes):
                resolved.append(part)
                continue
            index = bisect_right(self._offsets, part.start) - 1
            while index < len(self._parts) and self._offsets[index] < part.stop:
                inner, offset = self._parts[index], self._offsets[index]
                index += 1
                start, stop = max(0, part.start - offset), min(_length(inner), part.stop - offset)
                if isinstance(inner, bytes):
                    resolved.append(inner[start:stop])
                else:
                    resolved.append(Span(inner.start + start, inner.start + stop))
        return resolved

    def _read_part(self, part: Span | bytes, skipped: int, size: int) -> bytes:
        """Return up to ``size`` bytes of a part, after ``skipped`` of its bytes."""
        if isinstance(part, bytes):
            return part[skipped : skipped + size]
        self._handle.seek(part.start + skipped)
        return self._handle.read(min(size, part.stop - part.start - skipped))


def merge_parts(parts: Iterable[Span | bytes]) -> tuple[Span | bytes, ...]:
    """Return the same bytes in fewer parts: ranges that follow each other become one.

    Parameters
    ----------
    parts : iterable of Span or bytes
        Ranges of a file, and bytes between them.

    Returns
    -------
    tuple of Span or bytes
        The parts.

    Examples
    --------
    >>> merge_parts([Span(0, 5), Span(5, 8), b"x", Span(9, 10)])
    (Span(start=0, stop=8), b'x', Span(start=9, stop=10))
    """
    merged: list[Span | bytes] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Span) and isinstance(last, Span) and last.stop == part.start:
            merged[-1] = Span(last.start, part.stop)
        else:
            merged.append(part)
    return tuple(merged)


def _length(part: Span | bytes) -> int:
    """Return the number of bytes of a part."""
    return len(part) if isinstance(part, bytes) else part.stop - part.start
