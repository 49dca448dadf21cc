"""Pages of an Ogg file: chained streams, pages that are lost, and streams that end without their end mark."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from gmmaudio.audio.containers.flac_frames import STREAM_STARTS, find_flac
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.losses import N_PLACES_SHOWN, Loss, note_of_losses
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, SplicedFile, merge_parts
from gmmaudio.errors import AudioError

CAPTURE = b"OggS"
HEADER_SIZE = 27
CONTINUED, FIRST_PAGE, LAST_PAGE = 1, 2, 4
SEARCH_SIZE = 1 << 16
# a page is up to 65 kB long, and damage makes one or two of them broken
MAX_BROKEN_PAGES = 10_000
OPUS_RATE_HZ = 48_000
# samples at 48 kHz of a frame of each of the 32 configurations (RFC 6716, table 2)
OPUS_FRAME_SIZES = (480, 960, 1_920, 2_880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
# the checksum of Ogg runs over the bits from the highest on, that of zlib from the lowest
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """A page with a right checksum.

    Parameters
    ----------
    start, body, stop : int
        Offsets in the file of the page, of its content and of its end.
    flags : int
        The bits ``CONTINUED``, ``FIRST_PAGE`` and ``LAST_PAGE``.
    granule : int
        Position at the end of the page in the codec's unit, which is samples in most; -1 where no packet ends.
    serial, sequence : int
        Number of the stream, and of the page in it.
    packet_ends : tuple of int
        Offset in the file at which each packet ends that ends on the page.
    """

    start: int
    body: int
    stop: int
    flags: int
    granule: int
    serial: int
    sequence: int
    packet_ends: tuple[int, ...]


class Codec(NamedTuple):
    """The codec of a stream, as its first packet declares it.

    Parameters
    ----------
    name : str
        ``"vorbis"``, ``"opus"``, ``"flac"`` or ``"speex"``.
    rate_hz : int
        Granules per second.
    n_headers : int
        Packets before the sound.
    """

    name: str
    rate_hz: int
    n_headers: int


@dataclass
class Run:
    """Pages of one stream without a gap between them.

    Parameters
    ----------
    before : int
        Granule position at the end of the run before.
    n_lost : int
        Pages that are missing between the two.
    spans : list of Span
        Ranges of the file where the pages are.
    first_granule, previous_granule, last_granule : int or None
        Position at the end of the first page that has one, and of the last two.
    """

    before: int
    n_lost: int
    spans: list[Span] = field(default_factory=list)
    first_granule: int | None = None
    previous_granule: int | None = None
    last_granule: int | None = None

    @property
    def lost(self) -> float:
        """Granules that are lost before the run: those of the missing pages, where all pages hold as many."""
        return max(0, (self.first_granule or 0) - self.before) * self.n_lost / (self.n_lost + 1)

    @property
    def kept(self) -> float:
        """Granules of the run."""
        return max(0.0, self.end - self.before - self.lost)

    @property
    def end(self) -> int:
        """Granule position at the end of the run."""
        return self.before if self.last_granule is None else self.last_granule

    def add(self, page: Page) -> None:
        """Append a page."""
        if self.spans and self.spans[-1].stop == page.start:
            self.spans[-1] = Span(self.spans[-1].start, page.stop)
        else:
            self.spans.append(Span(page.start, page.stop))
        if page.granule >= 0:
            self.first_granule = page.granule if self.first_granule is None else self.first_granule
            self.previous_granule, self.last_granule = self.last_granule, page.granule


@dataclass
class Link:
    """One stream of a file: its headers, then its sound.

    Parameters
    ----------
    codec : Codec
        The codec of the stream.
    serial : int
        The number of the stream.
    headers : list of Page
        The pages before the sound.
    runs : list of Run
        The pages of the sound.
    last : Page or None
        The last page.
    """

    codec: Codec
    serial: int
    headers: list[Page] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    last: Page | None = None

    @property
    def has_headers(self) -> bool:
        """True where no header is missing."""
        return sum(len(page.packet_ends) for page in self.headers) >= self.codec.n_headers

    def add(self, page: Page) -> None:
        """Append a page."""
        previous, self.last = self.last, page
        if not self.runs and not self.has_headers and page.granule <= 0:
            self.headers.append(page)
            return
        sequence = page.sequence if previous is None else previous.sequence + 1
        if not self.runs and page.sequence != sequence and previous is not None and page.start == previous.stop:
            # what is recorded from a running stream begins with its headers and goes on at any page
            self.runs.append(Run(max(0, page.granule), 0))
        elif not self.runs or page.sequence != sequence:
            before = self.runs[-1].end if self.runs else 0
            self.runs.append(Run(before, max(0, page.sequence - sequence)))
        self.runs[-1].add(page)


def find_ogg(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recordings of the Ogg streams at an offset: one for each chained stream, more where pages are lost.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        The offset, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no Ogg stream begins, or where it is to be read as it is: no stream of Vorbis, Opus, FLAC or Speex,
        or no whole header.

    Raises
    ------
    AudioError
        ``damaged`` if too much is lost.

    References
    ----------
    RFC 3533, the Ogg encapsulation format; RFC 7845, Opus in Ogg; the mapping of FLAC to Ogg by xiph.org.
    """
    handle.seek(start)
    read = _read_links(handle, start, stop) if handle.read(len(CAPTURE)) == CAPTURE else None
    if read is None or not any(link.has_headers for link in read[0]):
        return None
    links, end = read
    notes = _notes_of(links)
    recordings: list[Recording] = []
    for link in links:
        if link.has_headers and (link.runs or len(links) == 1):
            recordings += _recordings_of(handle, link, notes)
    return Found(recordings, end) if recordings else None


def iterate_pages(handle: ReadableFile, start: int, stop: int) -> Iterator[Page]:
    """Yield the pages with a right checksum in a range of a file.

    Parameters
    ----------
    handle : binary file
        The open file.
    start, stop : int
        The range, bytes.

    Yields
    ------
    Page
        The pages in order. Other bytes between them are stepped over.

    Raises
    ------
    AudioError
        ``damaged`` if more than ``MAX_BROKEN_PAGES`` have a wrong checksum.
    """
    n_broken = 0
    while start + HEADER_SIZE <= stop:
        page, is_broken = _read_page(handle, start, stop)
        if page is not None:
            yield page
            start = page.stop
            continue
        n_broken += is_broken
        if n_broken > MAX_BROKEN_PAGES:
            raise AudioError("damaged", f"has more than {MAX_BROKEN_PAGES} broken pages; copy or record it again")
        handle.seek(start + 1)
        skipped = handle.read(min(SEARCH_SIZE, stop - start - 1))
        found = skipped.find(CAPTURE)
        # the mark may lie across the end of what was read
        start += 1 + (found if found >= 0 else max(1, len(skipped) - len(CAPTURE) + 1))


def page_checksum(page: bytes) -> int:
    """Return the checksum of a page, in which the field of the checksum is zero.

    Parameters
    ----------
    page : bytes
        The page.

    Returns
    -------
    int
        32 bits.

    Examples
    --------
    >>> hex(page_checksum(b"123456789"))
    '0x89a1897f'
    """
    reverse = zlib.crc32(page.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reverse:032b}"[::-1], 2)


def _read_page(handle: ReadableFile, start: int, stop: int) -> tuple[Page | None, bool]:
    """Return the page at an offset, or None, and whether there is one with a wrong checksum."""
    handle.seek(start)
    head = handle.read(HEADER_SIZE)
    if len(head) < HEADER_SIZE or head[:5] != CAPTURE + b"\0":
        return None, head.startswith(CAPTURE)
    flags, granule, serial, sequence, checksum, n_segments = struct.unpack_from("<BqIIIB", head, 5)
    segments = handle.read(n_segments)
    body = start + HEADER_SIZE + n_segments
    end = body + sum(segments)
    if end > stop or len(segments) < n_segments:
        return None, True
    if page_checksum(head[:22] + bytes(4) + head[26:] + segments + handle.read(end - body)) != checksum:
        return None, True
    # a segment of less than 255 bytes is the last of its packet
    sizes = list(accumulate(segments))
    ends = tuple(body + size for size, segment in zip(sizes, segments, strict=True) if segment < 255)
    return Page(start, body, end, flags, granule, serial, sequence, ends), False


def _read_links(handle: ReadableFile, start: int, stop: int) -> tuple[list[Link], int] | None:
    """Return the streams of sound of a file, in order, and the end of its pages; None where none can be identified.

    Of several streams at once, as in a film, the first of sound is taken.
    """
    links: list[Link] = []
    others: set[int] = set()
    end, begins, has_sound = start, False, True
    for page in iterate_pages(handle, start, stop):
        end = page.stop
        if page.flags & FIRST_PAGE:
            if not begins:
                others, begins, has_sound = set(), True, False
            handle.seek(page.body)
            codec = _identify_codec(handle.read(min(80, page.stop - page.body)))
            if codec is None or has_sound:
                others.add(page.serial)
                continue
            has_sound = True
            links.append(Link(codec, page.serial))
        elif not links or not has_sound:
            return None
        elif page.serial in others:
            begins = False
            continue
        elif page.serial != links[-1].serial:
            # the first page of the stream is lost
            links.append(Link(links[-1].codec, page.serial, last=page._replace(sequence=page.sequence - 1)))
        begins = bool(page.flags & FIRST_PAGE)
        links[-1].add(page)
    return (links, end) if has_sound else None


def _identify_codec(packet: bytes) -> Codec | None:
    """Return the codec that the first packet of a stream declares; None for another than those of sound."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        return Codec("vorbis", int.from_bytes(packet[12:16], "little"), 3)
    if packet.startswith(b"OpusHead"):
        return Codec("opus", OPUS_RATE_HZ, 2)
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 51:
        # the rate is the first 20 bits after 10 bytes of block and frame sizes
        return Codec("flac", int.from_bytes(packet[27:30], "big") >> 4, 1 + int.from_bytes(packet[7:9], "big"))
    if packet.startswith(b"Speex   ") and len(packet) >= 40:
        return Codec("speex", int.from_bytes(packet[36:40], "little"), 2)
    return None


def _notes_of(links: Sequence[Link]) -> tuple[AudioNote, ...]:
    """Return the notes of the file: lost pages, and streams without an end mark."""
    losses, cut_s, kept_s = [], [], 0.0
    for link in links:
        for run in link.runs:
            rate = max(1, link.codec.rate_hz)
            if not link.has_headers:
                losses.append(Loss(kept_s, (run.kept + run.lost) / rate))
                continue
            # frames of FLAC are counted one by one
            if run.n_lost and link.codec.name != "flac":
                losses.append(Loss(kept_s, run.lost / rate))
            kept_s += run.kept / rate
        if link.has_headers and link.last is not None and not link.last.flags & LAST_PAGE:
            cut_s.append(kept_s)
    notes = [note_of_losses(losses, kept_s)] if losses else []
    if cut_s:
        places = ", ".join(f"{at_s:.2f}" for at_s in cut_s[:N_PLACES_SHOWN])
        places += " s and later" if len(cut_s) > N_PLACES_SHOWN else " s"
        notes.append(AudioNote("cut_off", f"ends without its end mark, after {places}", cut_s[0]))
    return tuple(notes)


def _recordings_of(handle: ReadableFile, link: Link, notes: tuple[AudioNote, ...]) -> list[Recording]:
    """Return the recordings of one stream."""
    headers = [Span(page.start, page.stop) for page in link.headers]
    if link.codec.name == "flac":
        return _flac_recordings(handle, link, notes)
    recordings = []
    for index, run in enumerate(link.runs or [Run(0, 0)]):
        parts: list[Span | bytes] = list(run.spans)
        if link.codec.name == "opus" and run.before > 0:
            parts = _opus_from_zero(handle, run)
        n_seekable = None
        if link.codec.name == "vorbis":
            # libsndfile finds a wrong sample in a last page, whose end is trimmed
            start = run.first_granule if run.before else 0
            n_seekable = max(0, (run.previous_granule or 0) - (start or 0))
        parts = [*headers, *parts]
        recordings.append(Recording(merge_parts(parts), notes, continues=index > 0, n_seekable=n_seekable))
    return recordings


def _flac_recordings(handle: ReadableFile, link: Link, notes: tuple[AudioNote, ...]) -> list[Recording]:
    """Return the recordings of a stream of FLAC, taken out of its pages."""
    handle.seek(link.headers[0].body)
    # the first packet: 9 bytes of the mapping, the marker, and the block STREAMINFO
    block = handle.read(51)[17:]
    parts: list[Span | bytes] = [STREAM_STARTS[1] + block]
    for run in link.runs:
        for span in run.spans:
            parts += [Span(page.body, page.stop) for page in iterate_pages(handle, *span)]
    stream = SplicedFile(handle, merge_parts(parts))
    found = find_flac(stream, 0, len(stream))
    codes = {note.code for note in notes}
    return [
        replace(
            recording,
            parts=tuple(stream.resolve(recording.parts)),
            # streams of Ogg need not declare a length
            notes=(*notes, *(note for note in recording.notes if note.code not in codes | {"length_wrong"})),
        )
        for recording in (found.recordings if found else [])
    ]


def _opus_from_zero(handle: ReadableFile, run: Run) -> list[Span | bytes]:
    """Return the pages of a run with granule positions counted from its start, as libsndfile expects of Opus."""
    parts: list[Span | bytes] = []
    start = None
    for span in run.spans:
        for page in iterate_pages(handle, *span):
            if start is None and page.granule >= 0:
                start = page.granule - _opus_granules(handle, page)
            handle.seek(page.start)
            head = bytearray(handle.read(page.stop - page.start))
            if start is not None and page.granule >= 0:
                struct.pack_into("<q", head, 6, max(0, page.granule - start))
            head[22:26] = bytes(4)
            struct.pack_into("<I", head, 22, page_checksum(bytes(head)))
            parts += [bytes(head[: page.body - page.start]), Span(page.body, page.stop)]
    return parts


def _opus_granules(handle: ReadableFile, page: Page) -> int:
    """Return the samples of the packets that lie whole on a page (RFC 6716, section 3)."""
    total = 0
    for n, (start, stop) in enumerate(zip((page.body, *page.packet_ends), page.packet_ends, strict=False)):
        if stop <= start or (n == 0 and page.flags & CONTINUED):
            continue
        handle.seek(start)
        head = handle.read(min(2, stop - start)) + b"\0"
        n_frames = (1, 2, 2, head[1] & 63)[head[0] & 3]
        total += OPUS_FRAME_SIZES[head[0] >> 3] * n_frames
    return total
