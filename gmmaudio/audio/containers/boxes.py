"""MP4, M4A and QuickTime files, which are made of boxes: joined files, and files that end within a box.

References
----------
ISO/IEC 14496-12, the ISO base media file format, sections 4.2 and 8.8; Apple, QuickTime File Format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from gmmaudio.audio.containers.claims import cut_message, damaged, too_long
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, edited, read_at

# the first box of a file; old QuickTime files have no ftyp
_FIRST = (b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"skip", b"free")
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex")
# some 40 hours of AAC; FFmpeg keeps 24 bytes for each
MAX_SAMPLES = 2**23
# FFmpeg would keep what these hold, such as a picture
_METADATA = (b"udta", b"meta", b"uuid")
MAX_METADATA_BYTES = 2**24
# where a table says how many entries it has, and the bytes of one; the sizes of samples may be all the same
_TABLES = {
    b"stsz": (8, 4),
    b"stts": (4, 8),
    b"ctts": (4, 8),
    b"stsc": (4, 12),
    b"stco": (4, 4),
    b"co64": (4, 8),
    b"stss": (4, 4),
    b"trun": (4, 1),
}


class Box(NamedTuple):
    """A box of a file.

    Parameters
    ----------
    kind : bytes
        Its type, four bytes.
    start, body, stop : int
        Offsets of the box, of its content and of its declared end.
    """

    kind: bytes
    start: int
    body: int
    stop: int


def find_boxes(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a file that is made of boxes; fragments belong to one recording.

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
        ``damaged`` if the index is missing, or if a box in it is declared longer than the box around it.
    """
    first = _box_at(handle, start, stop)
    if first is None or first.kind not in _FIRST:
        return None
    boxes: list[Box] = []
    for box in _boxes_in(handle, start, stop):
        kinds = {earlier.kind for earlier in boxes}
        if (box.kind == b"ftyp" and kinds & {b"moov", b"mdat"}) or (box.kind == b"moov" and b"moov" in kinds):
            break
        boxes.append(box)
    last = boxes[-1]
    index = next((box for box in boxes if box.kind == b"moov" and box.stop <= stop), None)
    if index is None and not any(box.kind in (b"mdat", b"moov") for box in boxes):
        return None
    if index is None:
        raise damaged(
            "MP4", "no whole moov box, the index: the recorder was stopped, or the end of the file is missing"
        )
    for box in boxes:
        if box.kind in (b"moov", b"moof") and box.stop <= stop:
            _check_sizes(handle, box, stop - start)
    end = min(last.stop, stop)
    edits = {box.start + 4: b"free" for box in _long_metadata(handle, boxes, stop)}
    recording = Recording(edited(Span(start, end), edits))
    if last.stop <= stop:
        return Found([recording], end)
    name, n_there = f"{last.kind.decode('latin-1')} box", stop - last.start
    if last.kind not in (b"mdat", b"moof"):
        return Found([recording], end)
    if any(box.kind == b"moof" for box in boxes) and not _declares_duration(handle, index):
        note = AudioNote("cut_off", f"ends within its last {name}")
        return Found([replace(recording, notes=(note,), has_length=False)], end)
    return Found([replace(recording, truncated=cut_message(name, last.stop - last.start, n_there, 0))], end)


class SoundTrack(NamedTuple):
    """Declarations of the first track of sound in the index of an MP4.

    Parameters
    ----------
    codec : str
        Four characters, such as ``mp4a``.
    sample_rate_hz, n_channels : int
        As the description of the samples has them; 0 where it leaves them to the codec.
    duration_s : float
        Seconds; 0 where the index declares none.
    n_bytes : int
        Bytes of the boxes of media data of the file.
    """

    codec: str
    sample_rate_hz: int
    n_channels: int
    duration_s: float
    n_bytes: int


def read_sound_track(handle: ReadableFile, stop: int) -> SoundTrack | None:
    """Return the declarations of the first track of sound in the index of an MP4; None where there is none.

    Parameters
    ----------
    handle : readable file
        The open file.
    stop : int
        Its number of bytes.

    References
    ----------
    ISO/IEC 14496-12, sections 8.4.2 (mdhd), 8.4.3 (hdlr) and 12.2.3 (AudioSampleEntry).
    """
    outer = [box for box in _boxes_in(handle, 0, stop) if box.kind in (b"moov", b"mdat")]
    index = next((box for box in outer if box.kind == b"moov" and box.stop <= stop), None)
    if index is None:
        return None
    n_bytes = sum(min(box.stop, stop) - box.body for box in outer if box.kind == b"mdat")
    for track in _boxes_in(handle, index.body, index.stop):
        kinds = _boxes_below(handle, track) if track.kind == b"trak" else {}
        if {b"hdlr", b"mdhd", b"stsd"} <= kinds.keys() and read_at(handle, kinds[b"hdlr"].body + 8, 4) == b"soun":
            return _track_of(handle, kinds[b"mdhd"], kinds[b"stsd"], n_bytes)
    return None


def _boxes_below(handle: ReadableFile, box: Box) -> dict[bytes, Box]:
    """Return the first box of each type at any depth below one."""
    found: dict[bytes, Box] = {}
    for inner in _boxes_in(handle, box.body, box.stop):
        if inner.stop > box.stop:
            break
        found.setdefault(inner.kind, inner)
        if inner.kind in _CONTAINERS:
            found = _boxes_below(handle, inner) | found
    return found


def _track_of(handle: ReadableFile, header: Box, descriptions: Box, n_bytes: int) -> SoundTrack | None:
    """Return the declarations in the header of a track and its first description of samples."""
    times, entry = read_at(handle, header.body, 32), read_at(handle, descriptions.body + 8, 36)
    if len(times) < 32 or len(entry) < 36:
        return None
    # version 1 has times of 64 bits
    scale, duration = struct.unpack(">IQ", times[20:32]) if times[0] else struct.unpack(">II", times[12:20])
    n_channels, rate = struct.unpack(">H", entry[24:26])[0], struct.unpack(">H", entry[32:34])[0]
    return SoundTrack(entry[4:8].decode("latin-1"), rate, n_channels, duration / scale if scale else 0.0, n_bytes)


def _box_at(handle: ReadableFile, offset: int, stop: int) -> Box | None:
    """Return the box at an offset; None where none begins."""
    head = read_at(handle, offset, 16)
    if len(head) < 8 or offset + 8 > stop or not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in head[4:8]):
        return None
    (size,) = struct.unpack(">I", head[:4])
    body = offset + 8
    if size == 1 and len(head) == 16:
        (size,), body = struct.unpack(">Q", head[8:]), offset + 16
    elif size == 0:
        size = stop - offset
    return Box(head[4:8], offset, body, offset + size) if offset + size >= body else None


def _boxes_in(handle: ReadableFile, start: int, stop: int) -> Iterator[Box]:
    """Yield the boxes of a range, up to and with the first that is declared longer."""
    box = _box_at(handle, start, stop)
    while box is not None:
        yield box
        box = _box_at(handle, box.stop, stop) if box.stop < stop else None


def _check_sizes(handle: ReadableFile, box: Box, n_bytes: int) -> None:
    """Raise AudioError if a box is declared longer than the box around it, or a table than its box or the file."""
    for inner in _boxes_in(handle, box.body, box.stop):
        if inner.stop > box.stop:
            raise too_long(
                "MP4", f"the box {inner.kind.decode('latin-1')!r}", inner.stop - inner.start, box.stop - inner.start
            )
        if inner.kind in _CONTAINERS:
            _check_sizes(handle, inner, n_bytes)
        elif inner.kind in _TABLES:
            _check_table(handle, inner, n_bytes)


def _check_table(handle: ReadableFile, table: Box, n_bytes: int) -> None:
    """Raise AudioError if a table declares more entries than its box holds, or more samples than the file has bytes."""
    place, entry_bytes = _TABLES[table.kind]
    head = read_at(handle, table.body, place + 4)
    if len(head) < place + 4:
        raise damaged("MP4", f"the box {table.kind.decode('latin-1')!r} is cut")
    (n_entries,) = struct.unpack(">I", head[place:])
    most = (table.stop - table.body - place - 4) // entry_bytes
    if (table.kind == b"stsz" and head[4:8] != bytes(4)) or table.kind == b"trun":
        most = n_bytes
    if table.kind == b"trun" or (table.kind == b"stsz" and head[4:8] == bytes(4)):
        most = min(most, MAX_SAMPLES)
    if n_entries > most:
        raise damaged("MP4", f"the box {table.kind.decode('latin-1')!r} declares {n_entries} entries; {most} have room")


def _long_metadata(handle: ReadableFile, boxes: Iterable[Box], stop: int) -> Iterator[Box]:
    """Yield the boxes of metadata that are too long to be read, in those given and in their containers."""
    for box in boxes:
        if box.kind in _METADATA and box.stop - box.start > MAX_METADATA_BYTES:
            yield box
        elif box.kind in _CONTAINERS and box.stop <= stop:
            yield from _long_metadata(handle, _boxes_in(handle, box.body, box.stop), stop)


def _declares_duration(handle: ReadableFile, index: Box) -> bool:
    """Return whether a fragmented file declares its duration (mehd)."""
    for box in _boxes_in(handle, index.body, index.stop):
        if box.kind == b"mvex":
            return any(inner.kind == b"mehd" for inner in _boxes_in(handle, box.body, box.stop))
    return False
