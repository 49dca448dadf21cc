"""Files made of chunks that have a name and a size: WAV, RF64, Wave64, AIFF, CAF and 8SVX.

The size of the sound is a claim. What a writer leaves that could not return to the header, or was killed, is replaced
by the number of bytes that are there; a plausible size beyond the end of the file shows that the file was cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from gmmaudio.audio.containers.chunk_formats import (
    Chunk,
    Dialect,
    Head,
    SoundFormat,
    check_packets,
    chunk_at,
    chunks_from,
    dialect_at,
    end_of,
    sound_format,
    with_length,
)
from gmmaudio.audio.containers.claims import (
    begins_header,
    cut_message,
    damaged,
    is_placeholder,
    length_note,
    next_header,
    places_of,
    too_long,
)
from gmmaudio.audio.containers.mpeg_frames import find_mpeg
from gmmaudio.audio.containers.tags import skip_tags
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, overlapping_pieces, read_at

# names of chunks that may stand after the sound
_LATER_CHUNK_NAMES = (
    b"LISTlistid3 ID3 bextiXMLaxmlchnaaXML_PMXcue smplinstcartJUNKjunkPAD FLLRfactPEAKafspDISPacid"
    b"COMMNAMEAUTHANNO(c) MARKINSTCOMTAPPLMIDISAXLpaktinfochanfreeuuidstrgmarkkukimidiumidpeak"
)
_LATER_CHUNKS = tuple(_LATER_CHUNK_NAMES[place : place + 4] for place in range(0, len(_LATER_CHUNK_NAMES), 4))
# decoders would hold a longer one in memory
MAX_METADATA_BYTES = 2**24


def find_chunked(handle: ReadableFile, start: int, stop: int, *, reads_on: bool = False) -> Found | None:
    """Return the recording of a file that is made of chunks.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.
    reads_on : bool
        Take what follows the declared end for sound, as far as it is neither a chunk nor a header.

    Returns
    -------
    Found or None
        None where no such file begins; without recordings where it holds no sound.

    Raises
    ------
    AudioError
        ``damaged`` if a chunk before the sound is declared longer than the file, or if there is no sound chunk.
    """
    dialect = dialect_at(handle, start)
    if dialect is None:
        return None
    head = _read_head(handle, dialect, start, stop)
    _check_tables(handle, head, head.chunks)
    left, is_length = stop - head.sound_start, not is_placeholder(head.declared)
    if is_length and head.declared <= left and not reads_on:
        return _as_declared(handle, head, stop)
    # the remainder of a size of more than 32 bits
    has_wrapped = left >= 2**32 and (left - head.declared) % 2**32 <= 1
    is_longer = is_length and head.declared > left
    end = stop if has_wrapped or is_longer else next_header(handle, head.sound_start, stop)
    n_there = max(0, end - head.sound_start)
    if n_there == 0:
        return Found([], end)
    if head.declared == n_there:
        return _as_declared(handle, head, end)
    if is_length and head.declared > n_there:
        message = cut_message(dialect.sound_name, head.declared, n_there, head.format.byte_rate)
        return Found([Recording(with_length(head, end, Span(end, end)), (), message)], end)
    return _as_there(handle, head, end)


def _read_head(handle: ReadableFile, dialect: Dialect, start: int, stop: int) -> Head:
    """Return the chunks up to the sound's."""
    chunks: list[Chunk] = []
    form, wide_size = SoundFormat(), 0
    for chunk in chunks_from(handle, dialect, start + dialect.first, stop):
        chunks.append(chunk)
        if chunk.name == dialect.sound:
            is_wide = dialect.title == "RF64" and chunk.size == 0xFFFFFFFF
            return Head(dialect, start, tuple(chunks), form, wide_size if is_wide else chunk.size - dialect.inner)
        if not 0 <= chunk.size <= stop - chunk.start:
            raise too_long(dialect.title, _in_words(chunk), chunk.size, stop - chunk.start)
        if chunk.name == b"ds64" and chunk.size >= 24:
            (wide_size,) = struct.unpack("<q", read_at(handle, chunk.start + 8, 8))
        if chunk.name in (b"fmt ", b"COMM", b"desc", b"VHDR"):
            form = sound_format(handle, dialect, chunk)
    raise damaged(dialect.title, f"no {dialect.sound_name}")


def _check_tables(handle: ReadableFile, head: Head, chunks: Iterable[Chunk]) -> None:
    """Raise AudioError if one of the chunks is a damaged table of the packets of ALAC."""
    if head.dialect.title == "CAF" and head.format.compression == b"alac":
        for chunk in chunks:
            if chunk.name == b"pakt" and chunk.size <= MAX_METADATA_BYTES:
                check_packets(handle, chunk)


def _as_declared(handle: ReadableFile, head: Head, stop: int) -> Found:
    """Return the recording whose sound has the declared length, with the chunks after it."""
    dialect, sound = head.dialect, head.chunks[-1]._replace(size=head.declared + head.dialect.inner)
    sound_stop = sound.start + sound.size
    rest = end = end_of(handle, dialect, sound, stop)
    is_whole = all(chunk.size <= MAX_METADATA_BYTES for chunk in head.chunks[:-1])
    further: list[Recording] = []
    later = _later_chunks(handle, head, end, stop)
    _check_tables(handle, head, later)
    for chunk in later:
        if not 0 <= chunk.size <= stop - chunk.start:
            # the end of the file is missing, and it held no sound
            return Found([Recording(with_length(head, sound_stop, Span(rest, end))), *further], end)
        end = end_of(handle, dialect, chunk, stop)
        is_whole = is_whole and chunk.size <= MAX_METADATA_BYTES and chunk.name != dialect.sound
        if chunk.name == dialect.sound and chunk.size > dialect.inner:
            before = Span(head.start, head.chunks[-1].header)
            further.append(Recording((before, Span(chunk.header, chunk.start + chunk.size))))
    if is_whole and read_at(handle, head.start, 4) != b"BW64":
        recordings = _damaged_frames(handle, head, sound_stop) or [Recording((Span(head.start, end),))]
        return Found(recordings, end, is_open=end == rest)
    kept = Span(rest, end if is_whole else rest)
    return Found([Recording(with_length(head, sound_stop, kept)), *further], end, is_open=end == rest)


def _damaged_frames(handle: ReadableFile, head: Head, sound_stop: int) -> list[Recording]:
    """Return the recordings of MPEG audio in which something is lost; none where all of it is there."""
    found = find_mpeg(handle, head.sound_start, sound_stop) if head.format.is_mpeg else None
    is_damaged = found is not None and any(note.code == "lost" for note in found.recordings[0].notes)
    return found.recordings if found is not None and is_damaged else []


def _as_there(handle: ReadableFile, head: Head, end: int) -> Found:
    """Return the recording whose sound has as many bytes as there are, less the chunks and tags at the end."""
    dialect = head.dialect
    rest = _trailing_chunks(handle, head, end)
    _check_tables(handle, head, chunks_from(handle, dialect, rest.start, rest.stop))
    sound_stop = _without_tags(handle, head.sound_start, end) if rest.start == end else rest.start
    n_there = sound_stop - head.sound_start
    n_there -= n_there % head.format.frame_bytes
    notes: tuple[AudioNote, ...] = ()
    if n_there > 0 and not (dialect.title == "CAF" and head.declared == -1 - dialect.inner):
        notes = (length_note(dialect.sound_name, _field_of_size(head), n_there, head.format.byte_rate),)
    return Found([Recording(with_length(head, head.sound_start + n_there, rest), notes)], end)


def _field_of_size(head: Head) -> int:
    """Return the size of the sound as it stands in the header."""
    if head.dialect.title == "RF64":
        return head.declared
    return head.chunks[-1].size + (head.dialect.header_bytes if head.dialect.counts_header else 0)


def _later_chunks(handle: ReadableFile, head: Head, offset: int, stop: int) -> list[Chunk]:
    """Return the chunks after the sound; the last may be declared longer than the file if its name is known."""
    chunks = []
    while offset < stop:
        chunk = chunk_at(handle, head.dialect, offset, stop)
        is_other = skip_tags(handle, offset, stop) > offset or begins_header(handle, offset)
        if chunk is None or is_other:
            break
        fits = 0 <= chunk.size <= stop - chunk.start
        if fits or chunk.name in _LATER_CHUNKS:
            chunks.append(chunk)
        if not fits:
            break
        offset = end_of(handle, head.dialect, chunk, stop)
    return chunks


def _trailing_chunks(handle: ReadableFile, head: Head, end: int) -> Span:
    """Return the range of the chunks at the end of sound of unknown length, empty at ``end`` where there are none."""
    start = max(head.sound_start, end - MAX_METADATA_BYTES)
    for position, piece in overlapping_pieces(handle, start, end, 3):
        for place in places_of(_LATER_CHUNKS, piece):
            if _reaches_end(handle, head, position + place, end):
                return Span(position + place, end)
    return Span(end, end)


def _reaches_end(handle: ReadableFile, head: Head, offset: int, end: int) -> bool:
    """Return whether chunks from an offset on reach the end, with nothing but tags and padding after them."""
    for chunk in chunks_from(handle, head.dialect, offset, end):
        if not 0 <= chunk.size <= end - chunk.start:
            return False
        if skip_tags(handle, end_of(handle, head.dialect, chunk, end), end) == end:
            return True
    return False


def _without_tags(handle: ReadableFile, start: int, end: int) -> int:
    """Return the end of the sound before an ID3v1 tag at the end."""
    has_tag = end - start > 128 and read_at(handle, end - 128, 3) == b"TAG"
    return end - 128 if has_tag else end


def _in_words(chunk: Chunk) -> str:
    """Return the name of a chunk in words."""
    return f"the chunk {chunk.name.decode('latin-1').strip()!r}"
