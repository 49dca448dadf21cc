"""AAC (ADTS) and AMR files, which are frames one after another without an index: joined files, and tags between them.

References
----------
ISO/IEC 13818-7, section 6.2 (ADTS); RFC 4867, section 5 (AMR and AMR-WB files).
"""

from __future__ import annotations

import re

from gmmaudio.audio.containers.claims import next_header
from gmmaudio.audio.containers.tags import skip_tags
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at

_WINDOW_BYTES, _PIECE_BYTES = 65_536, 16_384
# the bits that all ADTS frames begin with
_SYNC = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
# bytes of the frames of each type, with the byte that says the type
_AMR_BYTES = {
    b"#!AMR\n": (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1),
    b"#!AMR-WB\n": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
}


def find_adts(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recordings of an AAC file: a further one where the rate or the channels change.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no two such frames begin.
    """
    window = _Window(handle)
    kind = _adts_kind(window, start, stop)
    if kind is None:
        return None
    recordings: list[Recording] = []
    parts: list[Span | bytes] = []
    run = position = header = start
    while position < stop:
        frame = _adts_frame(window.read(position, 7))
        if frame is not None and frame[0] == kind:
            position = min(stop, position + frame[1])
            continue
        following = skip_tags(handle, position, stop)
        next_kind = _adts_kind(window, following, stop)
        if next_kind is None and following < stop:  # damage, which the decoder leaves out and counts
            header = header if header > position else next_header(handle, position, stop)
            position = _next_adts_frame(window, kind, position + 1, header)
            if position == header < stop:
                break
            continue
        parts.append(Span(run, position))
        run = position = following
        if next_kind not in (kind, None):
            recordings.append(Recording(tuple(parts), has_length=False))
            parts = []
        kind = next_kind or kind
    last = (*parts, Span(run, position)) if run < position else tuple(parts)
    return Found([*recordings, Recording(last, has_length=False)], position)


def _adts_kind(window: _Window, position: int, stop: int) -> tuple[int, int] | None:
    """Return the rate and channels of the frame at an offset; None where none begins that another follows."""
    frame = _adts_frame(window.read(position, 7)) if position < stop else None
    if frame is None or position + frame[1] >= stop:
        return frame and frame[0]
    following = _adts_frame(window.read(position + frame[1], 7))
    return frame[0] if following is not None and following[0] == frame[0] else None


def _adts_frame(head: bytes) -> tuple[tuple[int, int], int] | None:
    """Return the rate and channels of an ADTS frame as numbers of tables, and its size; None where none begins."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate, size = head[2] >> 2 & 15, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return ((rate, (head[2] & 1) << 2 | head[3] >> 6), size) if rate < 13 and size >= 7 else None


def _next_adts_frame(window: _Window, kind: tuple[int, int], start: int, stop: int) -> int:
    """Return the offset of the next frame of the same kind that another follows; ``stop`` where there is none."""
    position = start
    while position < stop:
        piece = window.read(position, _PIECE_BYTES)
        for match in _SYNC.finditer(piece):
            place = position + match.start()
            if place < stop and _adts_kind(window, place, stop) == kind:
                return place
        position += max(1, len(piece) - 1)
    return stop


def find_amr(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of an AMR file.

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
    """
    head = read_at(handle, start, 9)
    magic = next((magic for magic in _AMR_BYTES if head.startswith(magic)), None)
    if magic is None:
        return None
    window = _Window(handle)
    position = start + len(magic)
    while position < stop:
        kind = window.read(position, 1)[0]
        if kind & 0x83:
            break
        position += _AMR_BYTES[magic][kind >> 3 & 15]
    end = min(position, stop)
    return Found([Recording((Span(start, end),), has_length=False)], end)


class _Window:
    """A file that is read in large pieces."""

    def __init__(self, handle: ReadableFile) -> None:
        self._handle = handle
        self._start, self._content = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes at an offset."""
        place = offset - self._start
        if place < 0 or place + size > len(self._content):
            self._start, self._content = offset, read_at(self._handle, offset, _WINDOW_BYTES)
            place = 0
        return self._content[place : place + size]
