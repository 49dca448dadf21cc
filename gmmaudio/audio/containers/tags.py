"""Tags and padding before, between and after recordings, which hold no sound."""

from __future__ import annotations

import struct

from gmmaudio.audio.splice import ReadableFile, read_at

ID3V1_BYTES = 128
# more zeros may be silence
MAX_PADDING_BYTES = 1_048_576


def skip_tags(handle: ReadableFile, offset: int, stop: int) -> int:
    r"""Return the offset behind tags (ID3, APE) and padding with up to 1 MiB of zeros.

    A tag that declares more bytes than there are is not skipped.

    Parameters
    ----------
    handle : readable file
        The open file.
    offset, stop : int
        Where the tags may begin, and the end of the bytes to look at.

    Returns
    -------
    int
        ``offset`` where there is neither tag nor padding; ``stop`` where there is nothing else.

    References
    ----------
    ID3v2.4.0, sections 3.1 and 3.4; ID3v1; APE tag version 2, header.

    Examples
    --------
    >>> import io
    >>> content = b"ID3\x04\0\0\0\0\0\x02??" + bytes(3) + b"RIFF"
    >>> skip_tags(io.BytesIO(content), 0, len(content))
    15
    """
    while offset < stop:
        size = _tag_bytes(read_at(handle, offset, 32)) or _padding_bytes(handle, offset, stop)
        if size == 0 or size > stop - offset:
            return offset
        offset += size
    return stop


def _tag_bytes(head: bytes) -> int:
    """Return the size of the tag that begins with ``head``; 0 where none begins."""
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 0xFF and max(head[6:10]) < 0x80:
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, flags = struct.unpack("<I4xI", head[12:24])
        return 32 + int(size) if flags & 0x20000000 else 32
    return ID3V1_BYTES if head[:3] == b"TAG" else 0


def _padding_bytes(handle: ReadableFile, offset: int, stop: int) -> int:
    """Return the number of zeros from an offset on; 0 where there are more than padding has."""
    size = min(MAX_PADDING_BYTES, stop - offset)
    if read_at(handle, offset, 1) != b"\0":
        return 0
    piece = read_at(handle, offset, size)
    n_zeros = len(piece) - len(piece.lstrip(b"\0"))
    return n_zeros if n_zeros < size or offset + size == stop else 0
