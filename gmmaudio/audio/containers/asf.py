"""ASF files (WMA): joined files, files that end within their data, and streams without a length.

References
----------
Microsoft, Advanced Systems Format Specification 01.20.06, sections 3.1, 3.2 and 5.1.
"""

from __future__ import annotations

import struct

from gmmaudio.audio.containers.claims import cut_message, is_placeholder, too_long
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, overlapping_pieces, read_at

_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_IS_BROADCAST = 1
_HEAD_BYTES, _DATA_HEAD_BYTES = 24, 50


def find_asf(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of an ASF file.

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
        ``damaged`` if an object of the header is declared longer than the header, or the header longer than the file.
    """
    if read_at(handle, start, 16) != _HEADER:
        return None
    header_size = _size_at(handle, start)
    if header_size is None:
        return None
    data_start = start + header_size
    if header_size < 30 or data_start > stop:
        raise too_long("ASF", "the header", header_size, stop - start)
    is_broadcast = _is_broadcast(handle, start + 30, data_start)
    data_size = _size_at(handle, data_start)
    if read_at(handle, data_start, 16) != _DATA or data_size is None:
        return None
    if is_broadcast or is_placeholder(data_size) or data_size <= _DATA_HEAD_BYTES:
        end = _next_header(handle, data_start + _DATA_HEAD_BYTES, stop)
        return Found([Recording((Span(start, end),), has_length=False)], end)
    if data_start + data_size > stop:
        message = cut_message("data object", data_size, stop - data_start, 0)
        return Found([Recording((Span(start, stop),), (), message)], stop)
    end = data_start + data_size
    # indices follow the data
    while read_at(handle, end, 16) != _HEADER and (size := _size_at(handle, end)) is not None:
        if not _HEAD_BYTES <= size <= stop - end:
            break
        end += size
    return Found([Recording((Span(start, end),))], end)


def _size_at(handle: ReadableFile, offset: int) -> int | None:
    """Return the declared size of the object at an offset; None where the file ends before."""
    field = read_at(handle, offset + 16, 8)
    return int(struct.unpack("<Q", field)[0]) if len(field) == 8 else None


def _is_broadcast(handle: ReadableFile, position: int, stop: int) -> bool:
    """Return whether the properties of the file call it a broadcast, which has no length; check its objects."""
    is_broadcast = False
    while position + _HEAD_BYTES <= stop:
        size = _size_at(handle, position) or 0
        if not _HEAD_BYTES <= size <= stop - position:
            raise too_long("ASF", "an object of the header", size, stop - position)
        if read_at(handle, position, 16) == _FILE_PROPERTIES and size >= 92:
            (flags,) = struct.unpack("<I", read_at(handle, position + 88, 4))
            is_broadcast = bool(flags & _IS_BROADCAST)
        position += size
    return is_broadcast


def _next_header(handle: ReadableFile, position: int, stop: int) -> int:
    """Return the offset of the next header; ``stop`` where there is none."""
    for offset, piece in overlapping_pieces(handle, position, stop, len(_HEADER)):
        place = piece.find(_HEADER)
        if place >= 0:
            return offset + place
    return stop
