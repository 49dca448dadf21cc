"""Frames of a FLAC file: streams without a length, joined streams, and frames that are lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gmmaudio.audio.containers.crc16 import compute_crc16, find_crc16_zeros, is_crc16_zero
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.losses import Loss, note_of_losses
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at
from gmmaudio.errors import AudioError

MARKER = b"fLaC"
# the marker, and the head of the block that comes first in every stream
STREAM_STARTS = (MARKER + b"\x00\x00\x00\x22", MARKER + b"\x80\x00\x00\x22")
STREAM_INFO_SIZE = 34
READ_SIZE = 1 << 22
# the longest header: 4 bytes, a number of 7, block size and sample rate of 2 each, and its checksum
MAX_HEADER_SIZE = 16
TRAILING_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"\x00\x00\x00\x00")
# sync and blocking strategy, then codes of block size, rate, channels and bits that are not reserved
HEADER = re.compile(rb"\xff[\xf8\xf9](?=[\x10-\xff][\x00-\xaf])")
# other bytes look like a header every 50,000 bytes; more often, they are made to
MIN_TRIED, TRIED_EVERY = 10_000, 64
BITS_OF_CODE = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
SIZE_OF_CODE = {1: 192} | {n: 576 << (n - 2) for n in range(2, 6)} | {n: 256 << (n - 8) for n in range(8, 16)}
RATES_HZ = (88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
RATE_OF_CODE = dict(enumerate(RATES_HZ, 1))


def _make_crc8() -> tuple[int, ...]:
    """Return the code of every byte for the polynomial x^8 + x^2 + x + 1."""
    codes = list(range(256))
    for _ in range(8):
        codes = [(code << 1 ^ (0x107 if code & 0x80 else 0)) & 0xFF for code in codes]
    return tuple(codes)


CRC8 = _make_crc8()


# offset in the buffer, first sample, number of samples
_Header = tuple[int, int, int]


class StreamInfo(NamedTuple):
    """The block STREAMINFO.

    Parameters
    ----------
    block : bytes
        Its 34 bytes.
    rate_hz, n_channels, bits : int
        Sample rate, channels, and bits of a sample.
    block_size : int
        The maximum number of samples of a frame.
    n_samples : int
        Samples of the stream; 0 where the writer could not know.
    """

    block: bytes
    rate_hz: int
    n_channels: int
    bits: int
    block_size: int
    n_samples: int


class Frame(NamedTuple):
    """A frame whose header has a right checksum.

    Parameters
    ----------
    start, stop : int
        Offsets in the file.
    first, n_samples : int
        Its first sample, counted from the start of the stream, and its samples.
    is_whole : bool
        Whether the checksum of the frame is right.
    """

    start: int
    stop: int
    first: int
    n_samples: int
    is_whole: bool


@dataclass
class Stream:
    """One FLAC stream of a file.

    Parameters
    ----------
    info : StreamInfo
        Its declarations.
    runs : list of tuple of Frame
        The first and the last frame of every run of whole frames that follow each other.
    starts_broken, ends_broken : bool
        Whether frames that are not whole come before the first run, and after the last.
    """

    info: StreamInfo
    runs: list[tuple[Frame, Frame]] = field(default_factory=list)
    starts_broken: bool = False
    ends_broken: bool = False

    @property
    def n_kept(self) -> int:
        """Samples of all runs."""
        return sum(last.first + last.n_samples - first.first for first, last in self.runs)

    @property
    def n_missing_at_end(self) -> int:
        """Samples that are declared after the last run."""
        _, last = self.runs[-1]
        return max(0, self.info.n_samples - last.first - last.n_samples)

    def add(self, frame: Frame) -> None:
        """Append a frame."""
        self.ends_broken = not frame.is_whole
        if not frame.is_whole:
            self.starts_broken |= not self.runs
        elif self.runs and self.runs[-1][1].stop == frame.start and _end_of(self.runs[-1][1]) == frame.first:
            self.runs[-1] = (self.runs[-1][0], frame)
        else:
            self.runs.append((frame, frame))


def find_flac(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recordings of the FLAC stream at an offset: one, or several where frames are lost.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        The offset, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no FLAC stream begins.

    Raises
    ------
    AudioError
        ``no_samples`` if nothing follows the header; ``damaged`` if too much is lost.

    References
    ----------
    RFC 9639, the FLAC format.
    """
    info, sound = _read_metadata(handle, start, stop)
    if info is None:
        return None
    if _is_whole(handle, sound, stop, info):
        return Found([Recording((Span(start, stop),))], stop)
    stream, end = Stream(info), sound
    for frame in _iterate_frames(handle, sound, _find_stream_start(handle, sound, stop), info):
        stream.add(frame)
        end = frame.stop
    if sound >= stop and info.n_samples == 0:
        raise AudioError("no_samples", "has a header but no samples; record or export it again")
    if not stream.runs:
        raise AudioError(
            "damaged", "starts like an audio file but cannot be decoded (FLAC without a whole frame); copy it again"
        )
    if _is_clean(stream):
        return Found([Recording((Span(start, end),))], end)
    return Found(list(_recordings_of(stream, _notes_of(stream))), end)


def _is_clean(stream: Stream) -> bool:
    """Return whether libsndfile reads all of a stream as it is."""
    return len(stream.runs) == 1 and stream.n_kept == stream.info.n_samples and stream.runs[0][0].first == 0


def _recordings_of(stream: Stream, notes: tuple[AudioNote, ...]) -> Iterator[Recording]:
    """Yield a recording for every run of a stream, each with a header that declares its length."""
    n_total, rate_hz = stream.info.n_samples, stream.info.rate_hz
    truncated = None
    if stream.n_missing_at_end:
        truncated = (
            f"only {stream.n_kept / rate_hz:.2f} s are left of {n_total / rate_hz:.2f} s declared; copy or export the "
            "file again"
        )
    for index, (first, last) in enumerate(stream.runs):
        block = bytearray(stream.info.block)
        n_samples = _end_of(last) - first.first
        # the number of samples is the low 36 bits of 64, after rate, channels and bits
        packed = int.from_bytes(block[10:18], "big") >> 36 << 36 | n_samples
        block[10:18] = packed.to_bytes(8, "big")
        head = STREAM_STARTS[1] + bytes(block)
        parts = (head, Span(first.start, last.stop))
        # frames have their numbers in the whole stream
        n_seekable = 0 if first.first else None
        yield Recording(parts, notes, truncated, continues=index > 0, n_seekable=n_seekable)


def _notes_of(stream: Stream) -> tuple[AudioNote, ...]:
    """Return the notes of a stream: a length that is wrong, lost frames, a last frame that is cut off."""
    losses, notes, kept_s, end = [], [], 0.0, 0
    rate_hz, n_declared = stream.info.rate_hz, stream.info.n_samples
    for index, (first, last) in enumerate(stream.runs):
        # a stream that is recorded while it runs begins anywhere
        if first.first > end and (index > 0 or stream.starts_broken):
            losses.append(Loss(kept_s, (first.first - end) / rate_hz))
        end = _end_of(last)
        kept_s += (end - first.first) / rate_hz
    if losses:
        notes.append(note_of_losses(losses, kept_s))
    if end > n_declared:
        declares = f"declares {n_declared / rate_hz:.2f} s" if n_declared else "declares no length"
        notes.append(AudioNote("length_wrong", f"its header {declares}; {kept_s:.2f} s are there", kept_s))
    if stream.ends_broken and not stream.n_missing_at_end:
        notes.append(AudioNote("cut_off", f"ends within a frame, after {kept_s:.2f} s", kept_s))
    return tuple(notes)


def _end_of(frame: Frame) -> int:
    """Return the number of the sample after a frame."""
    return frame.first + frame.n_samples


def _read_metadata(handle: ReadableFile, start: int, stop: int) -> tuple[StreamInfo | None, int]:
    """Return the declarations of the stream at an offset, None where it has none, and the offset of its first frame."""
    handle.seek(start)
    head = handle.read(8 + STREAM_INFO_SIZE)
    if not head.startswith(STREAM_STARTS) or len(head) < 8 + STREAM_INFO_SIZE:
        return None, stop
    block = head[8:]
    packed = int.from_bytes(block[10:18], "big")
    info = StreamInfo(
        block,
        rate_hz=packed >> 44,
        n_channels=(packed >> 41 & 7) + 1,
        bits=(packed >> 36 & 31) + 1,
        block_size=int.from_bytes(block[2:4], "big"),
        n_samples=packed & (1 << 36) - 1,
    )
    is_last, start = head[4] & 0x80, start + len(head)
    while not is_last:
        handle.seek(start)
        head = handle.read(4)
        if start + 4 > stop or len(head) < 4:
            return None, stop
        is_last, start = head[0] & 0x80, start + 4 + int.from_bytes(head[1:], "big")
    return (info if info.rate_hz else None), min(start, stop)


def _find_stream_start(handle: ReadableFile, start: int, size: int) -> int:
    """Return the offset of the next stream, or the size of the file."""
    while start < size:
        handle.seek(start)
        data = handle.read(min(READ_SIZE, size - start))
        found = [data.find(mark) for mark in STREAM_STARTS]
        if max(found) >= 0:
            return start + min(at for at in found if at >= 0)
        if len(data) < READ_SIZE:
            return size
        start += len(data) - len(STREAM_STARTS[0]) + 1
    return size


def _is_whole(handle: ReadableFile, start: int, stop: int, info: StreamInfo) -> bool:
    """Return whether frames up to ``stop`` hold all declared samples, follow each other, and have right checksums.

    It takes a seventh of the time of :func:`_iterate_frames`: the checksums of all frames that are read at once are
    tested together, which tells whether one is wrong, but not which. Headers that frames hold by chance are skipped.
    """
    buffer, n_samples = b"", 0
    while start < stop:
        buffer += read_at(handle, start + len(buffer), min(READ_SIZE, stop - start - len(buffer)))
        is_end = start + len(buffer) >= stop
        at, n_samples_before = -1, n_samples
        for header_at, first, n in _iterate_headers(buffer, info):
            if first == n_samples and (at >= 0 or header_at == 0):
                at, n_samples_before, n_samples = header_at, n_samples, n_samples + n
        if is_end:
            return at >= 0 and n_samples == info.n_samples and is_crc16_zero(buffer)
        # a frame is shorter than what is read at once
        if at <= 0 or not is_crc16_zero(buffer[:at]):
            return False
        start, buffer, n_samples = start + at, buffer[at:], n_samples_before
    return False


def _iterate_frames(handle: ReadableFile, start: int, stop: int, info: StreamInfo) -> Iterator[Frame]:
    """Yield the frames of a stream."""
    buffer, is_end = b"", False
    while not is_end:
        handle.seek(start + len(buffer))
        chunk = handle.read(min(READ_SIZE, stop - start - len(buffer)))
        buffer, is_end = buffer + chunk, not chunk
        headers = list(_iterate_headers(buffer, info))
        if not headers:
            start, buffer = start + max(0, len(buffer) - MAX_HEADER_SIZE), buffer[-MAX_HEADER_SIZE:]
            continue
        ends = [at for at, _, _ in headers[1:]] + ([len(buffer)] if is_end else [])
        pieces = [buffer[at:end] for (at, _, _), end in zip(headers, ends, strict=False)]
        codes = compute_crc16(pieces)
        if is_end and codes[-1]:
            length = _whole_length(pieces[-1], info)
            codes[-1], ends[-1] = int(length == 0), headers[-1][0] + (length or len(pieces[-1]))
        for (at, first, n_samples), end, code in zip(headers, ends, codes, strict=False):
            yield Frame(start + at, start + end, first, n_samples, code == 0)
        at, first, n_samples = headers[-1]
        if at == 0 and len(buffer) > 2 * READ_SIZE:  # no frame is so long
            yield Frame(start, start + len(buffer), first, n_samples, False)
            at = len(buffer) - MAX_HEADER_SIZE
        start, buffer = start + at, buffer[at:]


def _whole_length(data: bytes, info: StreamInfo) -> int:
    """Return the bytes of the frame at the start of the last bytes of a stream; 0 where it is not whole."""
    longest = int.from_bytes(info.block[7:10], "big") or READ_SIZE
    lengths = find_crc16_zeros(data[:longest])
    followed = [length for length in lengths if data[length:].startswith(TRAILING_TAGS)]
    return next(iter(followed + lengths), 0)


def _iterate_headers(buffer: bytes, info: StreamInfo) -> Iterator[_Header]:
    """Yield every frame header with a right checksum."""
    for n_tried, match in enumerate(HEADER.finditer(buffer)):
        at = match.start()
        if n_tried > MIN_TRIED + at // TRIED_EVERY:
            return
        header = buffer[at : at + MAX_HEADER_SIZE]
        channels, bits_code = header[3] >> 4, header[3] >> 1 & 7
        if (min(channels + 1, 2) if channels >= 8 else channels + 1) != info.n_channels:
            continue
        if BITS_OF_CODE.get(bits_code, info.bits) != info.bits:
            continue
        if RATE_OF_CODE.get(header[2] & 15, info.rate_hz) != info.rate_hz:
            continue
        position = _parse_position(header, info)
        if position is not None:
            yield at, *position


def _parse_position(header: bytes, info: StreamInfo) -> tuple[int, int] | None:
    """Return the first sample and the number of samples that a frame header declares; None if its checksum is wrong."""
    # a number as in UTF-8, of up to 7 bytes
    n_more = max(1, 8 - (header[4] ^ 0xFF).bit_length()) - 1
    at = 5 + n_more
    number = header[4] & (0x7F >> n_more)
    for byte in header[5:at]:
        number = number << 6 | byte & 0x3F
    size_code, rate_code = header[2] >> 4, header[2] & 15
    n_size, n_rate = {6: 1, 7: 2}.get(size_code, 0), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = at + n_size + n_rate
    code = 0
    for byte in header[: end + 1]:
        code = CRC8[code ^ byte]
    if code or end >= len(header):
        return None
    n_samples = SIZE_OF_CODE.get(size_code) or int.from_bytes(header[at : at + n_size], "big") + 1
    return (number if header[1] & 1 else number * info.block_size), n_samples
