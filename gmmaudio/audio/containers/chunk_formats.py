"""The formats that are made of chunks: where their chunks begin, how sizes are written, and which chunk is the sound.

References
----------
Microsoft and IBM, Multimedia Programming Interface, 1991 (RIFF); EBU Tech 3306 (RF64); ITU-R BS.2088 (BW64); Sonic
Foundry, Wave 64; Apple, Audio Interchange File Format 1.3 and AIFF-C; Apple, Core Audio Format Specification 1.0;
Commodore, 8SVX.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from gmmaudio.audio.containers.claims import begins_header, damaged
from gmmaudio.audio.splice import ReadableFile, Span, edited, read_at

# the end of the identifiers of Wave64's chunks
_GUID_ENDS = (b"\x4f\x8e\xdb\x8a", b"\x04\xc1\x00\x00")
# bytes of a frame of one channel in AIFF-C; of other compressions, as many as the bits of a sample fill
_AIFC_BYTES = {b"ulaw": 1, b"alaw": 1, b"ULAW": 1, b"ALAW": 1, b"ima4": 34, b"GSM ": 33}
_AIFC_SAMPLES = {b"ima4": 64, b"GSM ": 160}
# CAF's packet table: its header, and the sizes of packets in bytes of seven bits, up to one that is 0
PACKETS_START = 24
_PACKETS = re.compile(rb"(?:(?!\x80{0,4}\x00)[\x80-\xff]{0,4}[\x00-\x7f])*+(?:\Z|\x80{0,4}\x00)")


class Chunk(NamedTuple):
    """A chunk of a file.

    Parameters
    ----------
    name : bytes
        Its name, four bytes.
    header, start : int
        Offsets of its name and of its content.
    size : int
        The number of bytes that it declares for its content.
    """

    name: bytes
    header: int
    start: int
    size: int


@dataclass(frozen=True)
class Dialect:
    """One of the formats that are made of chunks.

    Parameters
    ----------
    title : str
        Name of the format.
    magic : bytes
        Regular expression of the first bytes.
    first : int
        Offset of the first chunk.
    sound : bytes
        Name of the chunk that holds the sound.
    inner : int
        Bytes of that chunk before the sound.
    size : str
        Layout of a size, for struct.
    name_bytes : int
        Bytes of a chunk's name.
    counts_header : bool
        Whether a size counts the chunk's name and size.
    alignment : int
        Chunks begin at multiples of it.
    """

    title: str
    magic: bytes
    first: int
    sound: bytes
    inner: int = 0
    size: str = "<I"
    name_bytes: int = 4
    counts_header: bool = False
    alignment: int = 2

    @property
    def header_bytes(self) -> int:
        """Return the number of bytes of a chunk before its content."""
        return self.name_bytes + struct.calcsize(self.size)

    @property
    def sound_name(self) -> str:
        """Return the name of the sound's chunk in words."""
        return f"{self.sound.decode().strip()} chunk"


DIALECTS = (
    Dialect("WAV", rb"RIFF.{4}WAVE", 12, b"data"),
    Dialect("WAV", rb"RIFX.{4}WAVE", 12, b"data", size=">I"),
    Dialect("RF64", rb"(?:RF64|BW64).{4}WAVE", 12, b"data"),
    Dialect("AIFF", rb"FORM.{4}AIF[FC]", 12, b"SSND", inner=8, size=">I"),
    Dialect("8SVX", rb"FORM.{4}(?:8SVX|16SV)", 12, b"BODY", size=">I"),
    Dialect("CAF", rb"caff\x00\x01", 8, b"data", inner=4, size=">q", alignment=1),
    Dialect(
        "W64",
        rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00.{8}wave",
        40,
        b"data",
        size="<q",
        name_bytes=16,
        counts_header=True,
        alignment=8,
    ),
)


def dialect_at(handle: ReadableFile, start: int) -> Dialect | None:
    """Return the format that begins at an offset; None where none does.

    Parameters
    ----------
    handle : readable file
        The open file.
    start : int
        The offset.
    """
    head = read_at(handle, start, 40)
    return next((dialect for dialect in DIALECTS if re.match(dialect.magic, head, re.DOTALL)), None)


def chunk_at(handle: ReadableFile, dialect: Dialect, offset: int, stop: int) -> Chunk | None:
    """Return the chunk at an offset; None where no name stands there.

    Parameters
    ----------
    handle : readable file
        The open file.
    dialect : Dialect
        Its format.
    offset, stop : int
        Where the chunk would begin, and the end of the bytes to look at.
    """
    n_header = dialect.header_bytes
    head = read_at(handle, offset, n_header) if offset + n_header <= stop else b""
    name = head[:4]
    if len(head) < n_header or not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name):
        return None
    if dialect.name_bytes == 16 and head[12:16] not in _GUID_ENDS:
        return None
    (size,) = struct.unpack(dialect.size, head[dialect.name_bytes :])
    return Chunk(name, offset, offset + n_header, size - n_header if dialect.counts_header else size)


def end_of(handle: ReadableFile, dialect: Dialect, chunk: Chunk, stop: int) -> int:
    """Return the offset behind a chunk and its padding; writers forget the padding, and it is not skipped then.

    Parameters
    ----------
    handle : readable file
        The open file.
    dialect : Dialect
        Its format.
    chunk : Chunk
        The chunk.
    stop : int
        The end of the bytes to look at.
    """
    end = chunk.start + chunk.size
    padded = min(stop, end + -chunk.size % dialect.alignment)
    if padded == end or begins_header(handle, end):
        return end
    if padded == stop or chunk_at(handle, dialect, padded, stop) is not None:
        return padded
    return end if chunk_at(handle, dialect, end, stop) is not None else padded


def chunks_from(handle: ReadableFile, dialect: Dialect, offset: int, stop: int) -> Iterator[Chunk]:
    """Yield the chunks from an offset on, up to and with the first that is declared longer than the file.

    Parameters
    ----------
    handle : readable file
        The open file.
    dialect : Dialect
        Its format.
    offset, stop : int
        Where the first of the chunks begins, and the end of the bytes to look at.

    Yields
    ------
    Chunk
        A chunk.
    """
    chunk = chunk_at(handle, dialect, offset, stop)
    while chunk is not None:
        yield chunk
        if not 0 <= chunk.size <= stop - chunk.start:
            return
        chunk = chunk_at(handle, dialect, end_of(handle, dialect, chunk, stop), stop)


def check_packets(handle: ReadableFile, chunk: Chunk) -> None:
    """Raise AudioError if a packet table of CAF holds sizes that are no numbers; libsndfile prints a line at each.

    Parameters
    ----------
    handle : readable file
        The open file.
    chunk : Chunk
        The chunk ``pakt``, which lies in the file.

    Raises
    ------
    AudioError
        With the code ``damaged``.
    """
    table = read_at(handle, chunk.start + PACKETS_START, max(0, chunk.size - PACKETS_START))
    if not _PACKETS.match(table):
        raise damaged("CAF", "a size in its table of packets, the chunk 'pakt', that is no number")


class SoundFormat(NamedTuple):
    """Sizes of the sound.

    Parameters
    ----------
    frame_bytes : int
        Bytes of a frame, 1 or more; of a block of frames where it is compressed.
    byte_rate : float
        Bytes of a second; 0 where that is not known.
    is_mpeg : bool
        Whether it is MPEG audio, which has frames of its own.
    compression : bytes
        CAF's name of the encoding; empty in other formats.
    """

    frame_bytes: int = 1
    byte_rate: float = 0.0
    is_mpeg: bool = False
    compression: bytes = b""


def sound_format(handle: ReadableFile, dialect: Dialect, chunk: Chunk) -> SoundFormat:
    """Return the sizes of the sound that a chunk declares.

    Parameters
    ----------
    handle : readable file
        The open file.
    dialect : Dialect
        Its format.
    chunk : Chunk
        The chunk with the sound's format: ``fmt``, ``COMM``, ``desc`` or ``VHDR``.
    """
    body = read_at(handle, chunk.start, min(chunk.size, 64))
    is_mpeg = chunk.name == b"fmt " and body[:2] in (b"\x50\0", b"\x55\0")
    compression = body[8:12] if chunk.name == b"desc" else b""
    try:
        if chunk.name == b"fmt ":
            byte_rate, frame_bytes = struct.unpack_from(("<" if dialect.size[0] == "<" else ">") + "IH", body, 8)
        elif chunk.name == b"desc":
            rate, _, _, frame_bytes, n_samples = struct.unpack_from(">d4sIII", body)
            byte_rate = rate * frame_bytes / max(1, n_samples)
        elif chunk.name == b"VHDR":
            byte_rate, frame_bytes = struct.unpack_from(">H", body, 12)[0], 1
        else:
            frame_bytes, byte_rate = _common_chunk(body)
    except struct.error:
        return SoundFormat()
    plausible = 0 <= byte_rate < 2**40
    return SoundFormat(max(1, int(frame_bytes)), float(byte_rate) if plausible else 0.0, is_mpeg, compression)


def _common_chunk(body: bytes) -> tuple[int, float]:
    """Return the bytes of a frame and of a second from AIFF's COMM chunk."""
    n_channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", body)
    compression = body[18:22]
    frame_bytes = n_channels * _AIFC_BYTES.get(compression, -(-bits // 8))
    # the rate is a number of 80 bits: a sign, an exponent of 15 and a mantissa of 64
    rate = mantissa * 2.0 ** min(64, (exponent & 0x7FFF) - 16_383 - 63)
    return frame_bytes, rate * frame_bytes / _AIFC_SAMPLES.get(compression, 1)


class Head(NamedTuple):
    """A recording up to its sound.

    Parameters
    ----------
    dialect : Dialect
        Its format.
    start : int
        Where it begins.
    chunks : tuple of Chunk
        Its chunks; the last is that of the sound.
    format : SoundFormat
        Sizes of the sound.
    declared : int
        The number of bytes of sound that it declares.
    """

    dialect: Dialect
    start: int
    chunks: tuple[Chunk, ...]
    format: SoundFormat
    declared: int

    @property
    def sound_start(self) -> int:
        """Return the offset of the sound."""
        return self.chunks[-1].start + self.dialect.inner


def with_length(head: Head, sound_stop: int, rest: Span) -> tuple[Span | bytes, ...]:
    """Return the parts of a recording with sizes that are those of its sound.

    Parameters
    ----------
    head : Head
        The recording up to its sound.
    sound_stop : int
        The end of the sound.
    rest : Span
        The chunks after it.

    Raises
    ------
    AudioError
        ``damaged`` if the format cannot declare so much sound.
    """
    dialect, start, sound = head.dialect, head.start, head.chunks[-1]
    size = sound_stop - sound.start
    padding = bytes(-size % dialect.alignment)
    after = (Span(sound.start, sound_stop), padding, rest)
    total = sound_stop - start + len(padding) + rest.stop - rest.start
    if dialect.title == "RF64" or (dialect.magic.startswith(b"RIFF") and total >= 2**32):
        return (*_wide_head(head, total, size), *after)
    if total >= 2**32 and struct.calcsize(dialect.size) == 4:
        raise damaged(
            dialect.title, f"{size} bytes follow its {dialect.sound_name}, which can declare no more than 2**32"
        )
    counted = dialect.header_bytes if dialect.counts_header else 0
    edits = {sound.header + dialect.name_bytes: struct.pack(dialect.size, size + counted)}
    if dialect.title == "W64":
        edits[start + 16] = struct.pack("<q", total)
    elif dialect.title != "CAF":
        edits[start + 4] = struct.pack(dialect.size, total - 8)
    for chunk in head.chunks:
        if chunk.name == b"COMM":
            edits[chunk.start + 2] = struct.pack(">I", (sound_stop - head.sound_start) // head.format.frame_bytes)
    return (*edited(Span(start, sound.start), edits), *after)


def _wide_head(head: Head, total: int, size: int) -> tuple[Span | bytes, ...]:
    """Return the head of an RF64 file of ``total`` bytes, ``size`` of them sound."""
    sizes = struct.pack("<IQQQI", 28, total + 28, size, size // head.format.frame_bytes, 0)
    chunks = head.chunks
    kept = [Span(chunk.header, following.header) for chunk, following in pairwise(chunks) if chunk.name != b"ds64"]
    return (b"RF64\xff\xff\xff\xffWAVEds64" + sizes, *kept, b"data\xff\xff\xff\xff")
