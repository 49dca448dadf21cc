"""The texts of the INFO list of a WAV file, such as its genre (IGNR), which stand beside an ID3 tag in the same file.

References
----------
Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (1991), chapter 2, "INFO List Chunk".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

PathLike = str | os.PathLike[str]

HEAD_BYTES, SIZE_OFFSET = 8, 4
FIRST_CHUNK = 12
LARGEST_SIZE = 2**32 - 1
# an INFO list holds a few lines of text
LONGEST_LIST = 2**20
MOVED_BYTES = 2**20


class InfoList(NamedTuple):
    """The INFO list of a file.

    Parameters
    ----------
    offset : int
        Of its chunk, bytes.
    texts : list of (bytes, bytes)
        Name and content of each text, in order.
    size : int
        Length of the chunk with its head and its padding, bytes.
    """

    offset: int
    texts: list[tuple[bytes, bytes]]
    size: int


def read_info_text(path: PathLike, name: bytes) -> str | None:
    """Return a text of the INFO list of a WAV file; None where the file has none.

    Parameters
    ----------
    path : path-like
        A file; one that is no RIFF file has no such list.
    name : bytes
        Four letters, such as ``IGNR``.

    Examples
    --------
    >>> read_info_text(os.devnull, b"IGNR") is None
    True
    """
    with open(path, "rb") as handle:  # noqa: PTH123 - any path-like
        found = _find_list(handle)
    for each, content in () if found is None else found.texts:
        if each == name:
            data = content.split(b"\0")[0]
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return data.decode("cp1252", "replace")
    return None


def replace_info_text(path: PathLike, name: bytes, text: str) -> None:
    """Write another text in the place of one of the INFO list of a WAV file; all other bytes keep their order.

    Parameters
    ----------
    path : path-like
        A file with such a text, which is changed in place.
    name : bytes
        Four letters.
    text : str
        The new text, written in UTF-8.

    Raises
    ------
    ValueError
        If there is no such text, or the file would be longer than a RIFF file may be.

    Examples
    --------
    >>> replace_info_text(os.devnull, b"IGNR", "jazz")
    Traceback (most recent call last):
    ValueError: no text b'IGNR' in an INFO list
    """
    with open(path, "rb") as reader:  # noqa: PTH123
        found = _find_list(reader)
        (riff_size,) = struct.unpack("<I", _read_at(reader, SIZE_OFFSET, 4).ljust(4, b"\0"))
    if found is None or name not in [each for each, _ in found.texts]:
        raise ValueError(f"no text {name!r} in an INFO list")
    texts = [(each, text.encode("utf-8") + b"\0" if each == name else content) for each, content in found.texts]
    body = b"INFO" + b"".join(each + struct.pack("<I", len(content)) + _even(content) for each, content in texts)
    chunk = b"LIST" + struct.pack("<I", len(body)) + body
    growth = len(chunk) - found.size
    if riff_size + growth > LARGEST_SIZE:
        raise ValueError("the file would be longer than 4 GiB")
    with open(path, "r+b") as handle:  # noqa: PTH123
        _move_end(handle, found.offset + found.size, growth)
        handle.seek(found.offset)
        handle.write(chunk)
        handle.seek(SIZE_OFFSET)
        handle.write(struct.pack("<I", riff_size + growth))


def _find_list(handle: BinaryIO) -> InfoList | None:
    """Return the first INFO list of a RIFF file."""
    if _read_at(handle, 0, 4) != b"RIFF":
        return None
    offset, end = FIRST_CHUNK, handle.seek(0, os.SEEK_END)
    while offset + HEAD_BYTES <= end:
        name, size = struct.unpack("<4sI", _read_at(handle, offset, HEAD_BYTES))
        stop = min(offset + HEAD_BYTES + size + size % 2, end)
        if name == b"LIST" and size <= LONGEST_LIST and offset + HEAD_BYTES + size <= end:
            body = _read_at(handle, offset + HEAD_BYTES, size)
            if body[:4] == b"INFO":
                return InfoList(offset, list(_texts(body[4:])), stop - offset)
        offset = stop
    return None


def _texts(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the texts of an INFO list."""
    offset = 0
    while offset + HEAD_BYTES <= len(body):
        name, size = struct.unpack_from("<4sI", body, offset)
        yield name, body[offset + HEAD_BYTES : offset + HEAD_BYTES + size]
        offset += HEAD_BYTES + size + size % 2


def _even(content: bytes) -> bytes:
    """Return a content with the byte that makes its length even."""
    return content + b"\0" * (len(content) % 2)


def _read_at(handle: BinaryIO, offset: int, size: int) -> bytes:
    """Return bytes at a place, fewer where the file ends."""
    handle.seek(offset)
    return handle.read(size)


def _move_end(handle: BinaryIO, start: int, growth: int) -> None:
    """Move all bytes from a place on by a number of bytes; the file ends where they do."""
    end = handle.seek(0, os.SEEK_END)
    pieces = range(start, end, MOVED_BYTES)
    for offset in reversed(pieces) if growth > 0 else pieces:
        data = _read_at(handle, offset, min(MOVED_BYTES, end - offset))
        handle.seek(offset + growth)
        handle.write(data)
    handle.truncate(end + growth)
