"""AAC (ADTS) and AMR files, which are frames one after another without an index: joined files, and tags between them.

References
----------
ISO/IEC 13818-7, section 6.2 (ADTS); RFC 4867, section 5 (AMR and AMR-WB files).
"""

from __future__ import annotations

from gmmaudio.audio.claims import next_header
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at
from gmmaudio.audio.tags import skip_tags

_WINDOW_BYTES = 65_536
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
    first = _adts_frame(window.read(start, 7))
    if first is None or (start + first[1] < stop and _adts_frame(window.read(start + first[1], 7)) is None):
        return None
    recordings: list[Recording] = []
    parts: list[Span | bytes] = []
    kind, run, position = first[0], start, start
    while position < stop:
        frame = _adts_frame(window.read(position, 7))
        if frame is not None and frame[0] == kind:
            position = min(stop, position + frame[1])
            continue
        following = skip_tags(handle, position, stop)
        frame = _adts_frame(window.read(following, 7))
        if frame is None and following < stop:  # damage, which the decoder leaves out and counts
            following = next_header(handle, position, stop)
            position = _next_adts_frame(window, kind, position + 1, following)
            if position == following < stop:
                break
            continue
        parts.append(Span(run, position))
        run = position = following
        if frame is None:
            break
        if frame[0] != kind:
            recordings.append(Recording(tuple(parts), has_length=False))
            kind, parts = frame[0], []
    parts.append(Span(run, position))
    recordings.append(
        Recording(
            tuple(part for part in parts if not isinstance(part, Span) or part.start < part.stop), has_length=False
        )
    )
    return Found(recordings, position)


def _adts_frame(head: bytes) -> tuple[tuple[int, int], int] | None:
    """Return the rate and channels of an ADTS frame as numbers of tables, and its size; None where none begins."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate, size = head[2] >> 2 & 15, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return ((rate, (head[2] & 1) << 2 | head[3] >> 6), size) if rate < 13 and size >= 7 else None


def _next_adts_frame(window: _Window, kind: tuple[int, int], start: int, stop: int) -> int:
    """Return the offset of the next frame of the same kind that another follows; ``stop`` where there is none."""
    for position in range(start, stop):
        frame = _adts_frame(window.read(position, 7))
        if frame is not None and frame[0] == kind:
            following = _adts_frame(window.read(position + frame[1], 7))
            if position + frame[1] >= stop or (following is not None and following[0] == kind):
                return position
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
        size = _AMR_BYTES[magic][kind >> 3 & 15]
        if position + size > stop:
            note = AudioNote("cut_off", "ends within a frame")
            return Found([Recording((Span(start, position),), (note,), has_length=False)], stop)
        position += size
    return Found([Recording((Span(start, position),), has_length=False)], position)


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
