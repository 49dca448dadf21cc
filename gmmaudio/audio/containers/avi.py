"""AVI files: joined files, and files that end within their data.

References
----------
Microsoft, AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02 (further RIFF chunks of the form AVIX).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from gmmaudio.audio.containers.claims import cut_message, is_placeholder, too_long
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at


class _AviChunk(NamedTuple):
    """A chunk: its name with the form of a list, its offset, and its declared size and end."""

    name: bytes
    form: bytes
    start: int
    size: int

    @property
    def stop(self) -> int:
        """Return the declared end, with the padding."""
        return self.start + 8 + self.size + self.size % 2


def find_avi(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of an AVI file.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no such file begins.

    Raises
    ------
    AudioError
        ``damaged`` if a chunk before the data is declared longer than the file.
    """
    first = _chunk_at(handle, start, stop)
    if first is None or (first.name, first.form) != (b"RIFF", b"AVI "):
        return None
    chunks = list(_open_chunks(handle, first, stop))
    has_data = any(chunk.form == b"movi" for chunk in chunks)
    last = chunks[-1]
    if last.stop > stop + 1 and not has_data and last is not first:
        raise too_long("AVI", f"the chunk {last.name.decode('latin-1')!r}", last.size, stop - last.start - 8)
    lists = [chunk for chunk in chunks if chunk.name == b"RIFF" or chunk.form == b"movi"]
    longer = [chunk for chunk in lists if chunk.stop > stop + 1 and not is_placeholder(chunk.size)]
    # the index holds no sound
    is_cut = last.stop > stop + 1 and last.name != b"idx1"
    is_open = any(is_placeholder(chunk.size) for chunk in lists)
    known = [
        chunk.stop for chunk in chunks if chunk not in lists or not (is_placeholder(chunk.size) or chunk in longer)
    ]
    end = min(stop, max(known, default=stop))
    span = (Span(start, end),)
    if longer and last.name != b"idx1":
        message = cut_message("data", longer[-1].size, stop - longer[-1].start - 8, 0)
        return Found([Recording(span, (), message)], end)
    notes = (AudioNote("cut_off", "ends within a chunk"),) if is_cut else ()
    return Found([Recording(span, notes, has_length=not is_open)], end)


def _chunk_at(handle: ReadableFile, offset: int, stop: int) -> _AviChunk | None:
    """Return the chunk at an offset; None where no name stands there."""
    head = read_at(handle, offset, 12) if offset + 8 <= stop else b""
    if len(head) < 8 or not all(0x20 <= byte < 0x7F for byte in head[:4]):
        return None
    (size,) = struct.unpack("<I", head[4:8])
    return _AviChunk(head[:4], head[8:] if head[:4] in (b"RIFF", b"LIST") else b"", offset, size)


def _open_chunks(handle: ReadableFile, first: _AviChunk, stop: int) -> Iterator[_AviChunk]:
    """Yield the chunks of a file; those inside its data only where the size of the data is wrong."""
    chunk: _AviChunk | None = first
    while chunk is not None:
        yield chunk
        is_wrong = is_placeholder(chunk.size) or chunk.stop > stop + 1
        if chunk.name == b"RIFF" or (chunk.form in (b"movi", b"rec ") and is_wrong):
            position = chunk.start + 12
        elif chunk.stop > stop:
            return
        else:
            position = chunk.stop
        chunk = _chunk_at(handle, position, stop)
        if chunk is not None and chunk.name == b"RIFF" and chunk.form != b"AVIX":
            return
