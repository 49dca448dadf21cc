"""Length tags of mp3 files: the tag of Xing and LAME, that of Fraunhofer, and a tag with another number of frames."""

from __future__ import annotations

from typing import NamedTuple

from gmmaudio.audio.containers.mpeg_headers import HEADER_SIZE, MpegFormat, frame_lengths
from gmmaudio.audio.splice import ReadableFile, Span, read_at

TAG_NAMES = (b"Xing", b"Info", b"VBRI")
# after header and side information of 32 bytes, whatever the format
VBRI_OFFSET = HEADER_SIZE + 32
LAME_SIZE = 36
# a frame with room for the tag
MIN_TAG_FRAME = 160
# samples by which a decoder delays the sound
DECODER_DELAY = 529


class LengthTag(NamedTuple):
    """The length tag of an mp3, which is a frame of its own.

    Parameters
    ----------
    span : Span
        The range of the file where it is.
    n_frames : int
        Frames of sound that it declares; 0 where it declares none.
    n_bytes : int
        Bytes that it declares, with itself; 0 where it declares none.
    lame : bytes
        The block of LAME, of 36 bytes, which has the delays of the encoder; empty where there is none.
    is_xing : bool
        Whether it is a tag of Xing or LAME, which libsndfile reads.
    """

    span: Span
    n_frames: int
    n_bytes: int
    lame: bytes
    is_xing: bool


def read_length_tag(handle: ReadableFile, start: int, stop: int, format: MpegFormat) -> LengthTag | None:
    """Return the length tag in the frame at an offset; None where it is a frame of sound.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        The frame.
    format : MpegFormat
        Its format.

    Returns
    -------
    LengthTag or None
        The tag.

    References
    ----------
    The Xing VBR header; the LAME tag, revision 1; the VBRI header of Fraunhofer.
    """
    frame = read_at(handle, start, min(stop - start, 512))
    if format.layer != 3:
        return None
    if frame[VBRI_OFFSET : VBRI_OFFSET + 4] == b"VBRI":
        n_bytes, n_frames = (int.from_bytes(frame[at : at + 4], "big") for at in (VBRI_OFFSET + 10, VBRI_OFFSET + 14))
        return LengthTag(Span(start, stop), n_frames, n_bytes, b"", False)
    at = next((at for at in tag_offsets(format) if frame[at : at + 4] in (b"Xing", b"Info")), None)
    if at is None:
        return None
    flags, at = frame[at + 7], at + 8
    numbers = []
    for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)):
        numbers.append(int.from_bytes(frame[at : at + size], "big") if flags & bit and size == 4 else 0)
        at += size if flags & bit else 0
    lame = frame[at : at + LAME_SIZE]
    lame = lame if len(lame) == LAME_SIZE and any(lame) else b""
    return LengthTag(Span(start, stop), numbers[0], numbers[1], lame, True)


def tag_offsets(format: MpegFormat) -> tuple[int, int]:
    """Return the two offsets in a frame at which a tag of Xing or LAME may begin: without a checksum, and with one.

    Parameters
    ----------
    format : MpegFormat
        The format of the frame.

    Returns
    -------
    tuple of int
        Bytes from the start of the frame.
    """
    return HEADER_SIZE + format.side_size, HEADER_SIZE + 2 + format.side_size


def make_length_tag(header: bytes, format: MpegFormat, n_frames: int, lame: bytes = b"") -> bytes:
    """Return frames that make a decoder read some frames after them, no more and no less.

    Parameters
    ----------
    header : bytes
        The header of one of the frames.
    format : MpegFormat
        Its format, of layer III.
    n_frames : int
        Number of the frames of sound.
    lame : bytes, optional
        A block of LAME, whose delays the decoder cuts off. Without one, all samples of the frames are kept: a silent
        frame takes the delay that a decoder cuts off in any case.

    Returns
    -------
    bytes
        The tag, and the silent frame.
    """
    frame = _short_frame(header, format)
    silence = b"" if lame else frame
    if not lame:
        delay, padding = format.n_samples - DECODER_DELAY, DECODER_DELAY
        delays = (delay << 12 | padding).to_bytes(3, "big")
        lame = b"LAME3.100".ljust(21, b"\0") + delays + bytes(12)
        n_frames += 1
    tag = b"Xing" + (1).to_bytes(4, "big") + n_frames.to_bytes(4, "big") + lame
    at = HEADER_SIZE + format.side_size
    return frame[:at] + tag + frame[at + len(tag) :] + silence


def without_end_padding(lame: bytes) -> bytes:
    """Return a block of LAME that keeps the last samples of the last frame.

    Parameters
    ----------
    lame : bytes
        The block; may be empty.

    Returns
    -------
    bytes
        The block with the padding that a decoder's delay makes up for.
    """
    if not lame:
        return lame
    delays = int.from_bytes(lame[21:24], "big") & ~0xFFF | DECODER_DELAY
    return lame[:21] + delays.to_bytes(3, "big") + lame[24:]


def _short_frame(header: bytes, format: MpegFormat) -> bytes:
    """Return a silent frame of layer III without a checksum, as short as a tag allows."""
    lengths = frame_lengths(format.version, format.layer, format.rate_hz, format.bits)
    second = header[1] | 1
    for index in range(1, 15):
        third = index << 4 | header[2] & 0x0C
        length = lengths[second << 8 | third]
        if length >= MIN_TAG_FRAME:
            break
    return (header[:1] + bytes([second, third]) + header[3:HEADER_SIZE]).ljust(length, b"\0")
