"""Frames of mp3 and mp2 files: lengths that are guessed or wrong, joined files, and frames that are lost."""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gmmaudio.audio.containers.claims import begins_header
from gmmaudio.audio.containers.mpeg_headers import (
    HEAD_SIZE,
    HEADER_SIZE,
    MpegFormat,
    borrowed_bytes,
    find_bad_side_information,
    frame_lengths,
    read_format,
    silent_head,
)
from gmmaudio.audio.containers.mpeg_tags import (
    TAG_NAMES,
    VBRI_OFFSET,
    LengthTag,
    make_length_tag,
    read_length_tag,
    tag_offsets,
    without_end_padding,
)
from gmmaudio.audio.containers.tags import skip_tags
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.losses import Loss, note_of_losses
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, edited, read_at

READ_SIZE = 1 << 20
# sync, then a bit rate that is neither open nor reserved
HEADER = re.compile(rb"\xff[\xe2-\xff](?=[\x10-\xef])")
# frames that must follow each other before a stream is believed, and before one goes on after damage
N_FIRST, N_AGAIN = 4, 2
N_AFTER_JUNK = 16
# other bytes look like a header every 2,500 bytes; more often, they are made to
MIN_TRIED, TRIED_EVERY = 1_000, 256
# what comes before the first whole frame of a stream that is recorded while it runs
MAX_JUNK = 4_096
TAG_MARKS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
MAX_BORROWED = 511


@dataclass
class Piece:
    """Frames of one format, without a tag between them: a file, or one of several that were joined.

    Parameters
    ----------
    format : MpegFormat
        The format of the frames.
    tag : LengthTag or None
        The length tag before them.
    header : bytes
        The header of the first frame.
    spans : list of Span
        Where the frames are.
    n_frames, last_size : int
        Their number, and the bytes of the last one.
    n_stored : int or None
        Bytes that the next frame may borrow; None where no frame before is lost.
    silenced : dict of int to bytes
        New first bytes of frames that cannot be decoded, by offset.
    silenced_at : list of int
        The frames before each of these.
    losses : list of tuple of int
        For each damaged place the frames before it, and its bytes.
    is_cut : bool
        Whether the last frame is not whole.
    """

    format: MpegFormat
    tag: LengthTag | None = None
    header: bytes = b""
    spans: list[Span] = field(default_factory=list)
    n_frames: int = 0
    last_size: int = 0
    n_stored: int | None = 0
    silenced: dict[int, bytes] = field(default_factory=dict)
    silenced_at: list[int] = field(default_factory=list)
    losses: list[tuple[int, int]] = field(default_factory=list)
    is_cut: bool = False

    @property
    def frame_s(self) -> float:
        """Duration of a frame, seconds."""
        return self.format.n_samples / self.format.rate_hz

    @property
    def frame_size(self) -> float:
        """Mean bytes of a frame."""
        return max(1.0, sum(span.stop - span.start for span in self.spans) / max(1, self.n_frames))

    @property
    def n_declared(self) -> int:
        """Frames that the length tag declares; 0 where it declares none."""
        return self.tag.n_frames if self.tag is not None else 0

    def add(self, start: int, stop: int, n_frames: int, last_size: int) -> None:
        """Append frames that follow each other."""
        if self.spans and self.spans[-1].stop == start:
            self.spans[-1] = Span(self.spans[-1].start, stop)
        else:
            self.spans.append(Span(start, stop))
        self.n_frames += n_frames
        self.last_size = last_size

    def drop_last(self) -> int:
        """Take back the last frame, and return its offset."""
        start, stop = self.spans.pop()
        if stop - self.last_size > start:
            self.spans.append(Span(start, stop - self.last_size))
        self.n_frames -= 1
        if self.silenced.pop(stop - self.last_size, None) is not None:
            self.silenced_at.pop()
        return stop - self.last_size

    def silence(self, index: int, offset: int, head: bytes, n_borrowed: int) -> None:
        """Replace a frame by silence."""
        if self.silenced_at and self.silenced_at[-1] == index:
            return
        self.silenced_at.append(index)
        head = head[:3] + self.header[3:] + head[HEADER_SIZE:]
        self.silenced[offset] = silent_head(head, self.format, n_borrowed)


def find_mpeg(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recordings of the MPEG audio stream at an offset: one, or one for each of several joined files.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        The offset, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no such stream begins, or one whose headers leave the bit rate open.

    Raises
    ------
    AudioError
        ``damaged`` if too much is lost.
    """
    first = _find_first(handle, start, stop)
    if first is None:
        return None
    pieces, end = _read_pieces(handle, first, stop)
    pieces = [piece for piece in pieces if piece.n_frames]
    if not pieces:
        return None
    notes = _notes_of(pieces)
    return Found([_recording_of(piece, notes, len(pieces) == 1) for piece in pieces], end)


def _find_first(handle: ReadableFile, start: int, stop: int) -> int | None:
    """Return the offset of the first frame; None where there is none, or only after more than some junk."""
    if _read_chain(handle, start, stop, N_FIRST) is not None:
        return start
    junk = read_at(handle, start, min(MAX_JUNK, stop - start))
    if junk.startswith(TAG_MARKS) and skip_tags(handle, start, stop) > start:
        return None
    for match in HEADER.finditer(junk):
        if _read_chain(handle, start + match.start(), stop, N_AFTER_JUNK) is not None:
            return start + match.start()
    return None


def _read_chain(handle: ReadableFile, start: int, stop: int, n_frames: int) -> MpegFormat | None:
    """Return the format of some frames that follow each other from an offset on; None where they do not.

    Fewer are enough where a tag or the end comes after them.
    """
    format = read_format(read_at(handle, start, HEADER_SIZE))
    if format is None:
        return None
    lengths = frame_lengths(format.version, format.layer, format.rate_hz, format.bits)
    for index in range(n_frames):
        head = read_at(handle, start, 12)
        if start >= stop or (index > 0 and head.startswith(TAG_MARKS)):
            return format if start <= stop else None
        if read_format(head) != format:
            return None
        start += lengths[head[1] << 8 | head[2]]
    return format


def _read_pieces(handle: ReadableFile, start: int, stop: int) -> tuple[list[Piece], int]:
    """Return the pieces of a stream, and the offset of its end."""
    sound_stop = _strip_tags(handle, start, stop)
    pieces: list[Piece] = []
    at, goes_on = start, False
    while at < sound_stop:
        n_needed = N_AGAIN if goes_on else N_FIRST
        format = _read_chain(handle, at, sound_stop, n_needed)
        if format is not None:
            if not goes_on or pieces[-1].format != format:
                pieces.append(Piece(format))
            at, goes_on = _read_run(handle, at, sound_stop, pieces[-1])
            continue
        behind = skip_tags(handle, at, sound_stop) if read_at(handle, at, 11).startswith(TAG_MARKS) else at
        if behind > at:
            at, goes_on = behind, goes_on and _borrows(handle, behind, pieces[-1].format)
            continue
        found = _find_again(handle, pieces[-1], sound_stop)
        if found is None:
            return pieces, _end_of(handle, pieces[-1], sound_stop, stop)
        at, goes_on = found, True
    if at > sound_stop:
        pieces[-1].drop_last()
        pieces[-1].is_cut = True
    return pieces, stop


def _borrows(handle: ReadableFile, start: int, format: MpegFormat) -> bool:
    """Return whether the frame at an offset takes bytes from those before it, so that it goes on with their sound."""
    head = read_at(handle, start, HEAD_SIZE).ljust(HEAD_SIZE, b"\0")
    return format.layer == 3 and read_format(head) == format and borrowed_bytes(head, format) > 0


def _find_again(handle: ReadableFile, piece: Piece, stop: int) -> int | None:
    """Return the offset at which a stream goes on after damage, which is counted; None where it does not."""
    # a frame that is not followed by another is the damaged one
    broken = piece.spans[-1].stop - piece.last_size
    at, n_tried = broken + 1, 0
    while at < stop:
        data = read_at(handle, at, min(READ_SIZE, stop - at))
        for match in HEADER.finditer(data):
            candidate, n_tried = at + match.start(), n_tried + 1
            if n_tried > MIN_TRIED + (candidate - broken) // TRIED_EVERY:
                return None
            format = read_format(data[match.start() : match.start() + HEADER_SIZE])
            n_needed = N_AGAIN if format == piece.format else N_AFTER_JUNK
            if _read_chain(handle, candidate, stop, n_needed) is None:
                continue
            piece.drop_last()
            piece.losses.append((piece.n_frames, candidate - broken))
            piece.n_stored = 0
            return candidate
        at = at + len(data) - HEADER_SIZE + 1 if len(data) == READ_SIZE else stop
    return None


def _end_of(handle: ReadableFile, piece: Piece, sound_stop: int, stop: int) -> int:
    """Return the end of a stream after which no frame follows; other bytes there are counted as lost."""
    end = piece.spans[-1].stop
    if begins_header(handle, end):
        return end
    n_left = sound_stop - skip_tags(handle, end, sound_stop)
    if read_format(read_at(handle, end, HEADER_SIZE)) == piece.format and n_left < 2 * piece.frame_size:
        piece.is_cut = True
    elif n_left > piece.frame_size:
        piece.losses.append((piece.n_frames, n_left))
    return stop


def _read_run(handle: ReadableFile, start: int, stop: int, piece: Piece) -> tuple[int, bool]:
    """Append frames that follow each other to a piece; return the offset behind them.

    The second value is False where another piece begins there.
    """
    form = piece.format
    lengths = frame_lengths(form.version, form.layer, form.rate_hz, form.bits)
    while True:
        buffer = read_at(handle, start, min(READ_SIZE, stop - start))
        is_end = start + len(buffer) >= stop or len(buffer) < HEAD_SIZE
        limit = len(buffer) - (HEADER_SIZE if is_end else HEAD_SIZE)
        at, starts = 0, []
        while at <= limit and buffer[at] == 0xFF:
            length = lengths[buffer[at + 1] << 8 | buffer[at + 2]]
            if not length:
                break
            starts.append(at)
            at += length
        if starts and piece.n_frames == 0 and piece.tag is None:
            size = starts[1] if len(starts) > 1 else at
            piece.tag = read_length_tag(handle, start, start + size, form)
            piece.n_stored = 0 if piece.tag is None else None
            if piece.tag is not None:
                starts = starts[1:]
        n_before = _count_to_boundary(buffer, starts, piece, stop - start)
        if n_before == 0 and starts[:1] == [0] and piece.n_frames == 0:
            # a tag that cannot be read begins this piece, and no other one
            n_before = 1 + _count_to_boundary(buffer, starts[1:], piece, stop - start)
        is_boundary = n_before < len(starts)
        if is_boundary:
            at = starts[n_before]
            starts = starts[:n_before]
        if starts:
            _check_frames(buffer, start, starts, piece)
            piece.add(start + starts[0], start + at, len(starts), at - starts[-1])
        start += at
        if is_boundary:
            return start, False
        if is_end or at <= limit:
            return start, True


def _count_to_boundary(buffer: bytes, starts: Sequence[int], piece: Piece, n_left: int) -> int:
    """Return the number of frames before the first that begins another piece; all of them where none does."""
    boundaries = [len(starts)]
    offsets = (*tag_offsets(piece.format), VBRI_OFFSET)
    for name in TAG_NAMES if piece.format.layer == 3 else ():
        found = buffer.find(name)
        while found >= 0:
            for offset in offsets:
                index = bisect_left(starts, found - offset)
                if index < len(starts) and starts[index] == found - offset:
                    boundaries.append(index)
            found = buffer.find(name, found + 1)
    if starts:
        modes = np.frombuffer(buffer, dtype=np.uint8)[np.array(starts) + 3] >> 6
        differs = (modes == 3) != piece.format.is_mono
        # a single frame is damage
        lasting = np.flatnonzero(differs[:-3] & differs[1:-2] & differs[2:-1] & differs[3:])
        boundaries += [int(first) for first in lasting[:1]]
    index = piece.n_declared - piece.n_frames
    if piece.n_declared and not piece.losses and 0 <= index < len(starts):
        at = starts[index]
        head = buffer[at : at + HEAD_SIZE].ljust(HEAD_SIZE, b"\0")
        # the first frame of a file borrows nothing
        if borrowed_bytes(head, piece.format) == 0 and n_left - at > N_AFTER_JUNK * piece.last_size:
            boundaries.append(index)
    return min(boundaries)


def _check_frames(buffer: bytes, base: int, starts: Sequence[int], piece: Piece) -> None:
    """Silence the frames that cannot be decoded: their own bytes are wrong, or those that they borrow are lost."""
    if not piece.header:
        piece.header = buffer[starts[0] : starts[0] + HEADER_SIZE]
    if piece.format.layer != 3:
        return
    padded = buffer + bytes(HEAD_SIZE)
    heads = np.frombuffer(padded, dtype=np.uint8)[np.array(starts)[:, None] + np.arange(HEAD_SIZE)]
    is_bad = np.zeros(len(starts), dtype=bool)
    is_bad[find_bad_side_information(heads, piece.format)] = True
    is_bad |= (heads[:, 3] >> 6 == 3) != piece.format.is_mono
    n_stored = np.full(len(starts), MAX_BORROWED)
    for index, at in enumerate(starts):
        if piece.n_stored is None:
            break
        head = padded[at : at + HEAD_SIZE]
        n_stored[index] = piece.n_stored
        is_bad[index] |= borrowed_bytes(head, piece.format) > piece.n_stored
        size = (starts[index + 1] if index + 1 < len(starts) else at) - at
        piece.n_stored += max(0, size - HEADER_SIZE - 2 * (1 - (head[1] & 1)) - piece.format.side_size)
        if piece.n_stored > MAX_BORROWED:
            piece.n_stored = None
    for bad in np.flatnonzero(is_bad).tolist():
        at = starts[bad]
        piece.silence(piece.n_frames + bad, base + at, padded[at : at + HEAD_SIZE], int(n_stored[bad]))


def _recording_of(piece: Piece, notes: tuple[AudioNote, ...], is_only: bool) -> Recording:
    """Return the recording of a piece, whose length tag declares the frames that are there."""
    form, tag, n_frames = piece.format, piece.tag, piece.n_frames
    truncated = None
    if piece.n_declared > n_frames + 1 and not piece.losses:
        left_s, declared_s = n_frames * piece.frame_s, piece.n_declared * piece.frame_s
        truncated = f"only {left_s:.2f} s are left of {declared_s:.2f} s declared; copy or export the file again"
    sound = [part for span in piece.spans for part in _edited(span, piece.silenced)]
    if form.layer != 3:
        # the decoder guesses the length from the first frame: with a frame more, it does not guess too little
        end = piece.spans[-1].stop
        return Recording((*sound, Span(end - piece.last_size, end)), notes, n_samples=n_frames * form.n_samples)
    if (
        tag is not None
        and tag.is_xing
        and is_only
        and piece.n_declared in (n_frames, n_frames + 1)
        and not piece.silenced
    ):
        whole = Span(tag.span.start, piece.spans[-1].stop)
        is_right = abs(tag.n_bytes - (whole.stop - whole.start)) < 0.005 * tag.n_bytes or not tag.n_bytes
        if len(piece.spans) == 1 and is_right:
            return Recording((whole,), notes)
    lame = tag.lame if tag is not None else b""
    if 0 < piece.n_declared < n_frames:
        lame = without_end_padding(lame)
    return Recording((make_length_tag(piece.header, form, n_frames, lame), *sound), notes, truncated)


def _edited(span: Span, changes: dict[int, bytes]) -> list[Span | bytes]:
    """Return the parts of a range of the file with the bytes at some offsets replaced."""
    inside = {offset: data for offset, data in changes.items() if span.start <= offset < span.stop}
    return list(edited(span, inside))


def _notes_of(pieces: Sequence[Piece]) -> tuple[AudioNote, ...]:
    """Return the notes of a stream: lost and silent frames, lengths that are wrong, a last frame that is cut off."""
    losses, notes, before_s, n_silent = [], [], 0.0, 0
    for piece in pieces:
        frame_s, n_frames = piece.frame_s, piece.n_frames
        # frames that cannot be decoded follow those that are lost
        places: list[tuple[int, float]] = []
        last = -1
        for at, n_lost in sorted([*_lost_frames(piece), *((at, 1.0) for at in piece.silenced_at)]):
            if places and at <= last + 1:
                places[-1] = (places[-1][0], places[-1][1] + n_lost)
            else:
                places.append((at, n_lost))
            last = at
        losses += [Loss(before_s + at * frame_s, n_lost * frame_s) for at, n_lost in places]
        before_s += n_frames * frame_s
        n_silent += len(piece.silenced_at)
        if 0 < piece.n_declared < n_frames:
            text = f"its length tag declares {piece.n_declared * frame_s:.2f} s; {n_frames * frame_s:.2f} s are there"
            notes.append(AudioNote("length_wrong", text, n_frames * frame_s))
        if piece.is_cut:
            notes.append(AudioNote("cut_off", f"ends within a frame, after {before_s:.2f} s", before_s))
    if losses:
        notes.insert(0, note_of_losses(losses, before_s - n_silent * pieces[0].frame_s))
    return tuple(notes)


def _lost_frames(piece: Piece) -> list[tuple[int, float]]:
    """Return the frames before each damaged place, and those that are lost there."""
    counts = [max(1, round(n_bytes / piece.frame_size)) for _, n_bytes in piece.losses]
    if not piece.n_declared or not counts:
        return [(at, count) for (at, _), count in zip(piece.losses, counts, strict=True)]
    n_missing = piece.n_declared - piece.n_frames
    if n_missing <= 0:
        return []
    return [(at, count * n_missing / sum(counts)) for (at, _), count in zip(piece.losses, counts, strict=True)]


def _strip_tags(handle: ReadableFile, start: int, stop: int) -> int:
    """Return the offset of the tags that end a file (ID3v1, APE, Lyrics3).

    References
    ----------
    ID3v1; the APE tag, version 2, footer; Lyrics3 version 2.
    """
    while stop - start > 128:
        tail = read_at(handle, stop - 128, 128)
        if tail.startswith(b"TAG"):
            stop -= 128
        elif tail[-32:-24] == b"APETAGEX":
            size, flags = struct.unpack_from("<I4xI", tail, 108)
            stop -= size + (32 if flags & 0x80000000 else 0)
        elif tail.endswith(b"LYRICS200") and tail[-15:-9].isdigit():
            stop -= int(tail[-15:-9]) + 15
        else:
            break
    return max(start, stop)
