"""Creative Voice files: sound in blocks, of which libsndfile reads whatever follows the first as sound.

References
----------
Creative Labs, Sound Blaster Series Hardware Programming Guide, appendix A: the Creative Voice File format.
"""

from __future__ import annotations

import struct

from gmmaudio.audio.containers.claims import cut_message, too_long
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at

_MAGIC = b"Creative Voice File\x1a"
_END, _SOUND, _CONTINUATION, _MARKER, _TEXT, _EXTENSION, _WIDE_SOUND = 0, 1, 2, 4, 5, 8, 9
# encoding of a block of either kind -> its format in a WAV file and the bits of a sample
_ENCODINGS = {0: (1, 8), 4: (1, 16), 6: (6, 8), 7: (7, 8)}


def find_voc(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a Creative Voice file, as a WAV file.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no such file begins, or where it has silence, repetitions, or sound of several formats.
    """
    head = read_at(handle, start, 26)
    if head[:20] != _MAGIC or len(head) < 26:
        return None
    position = start + struct.unpack("<H", head[20:22])[0]
    header, spans, extension, n_declared, is_other = b"", list[Span](), b"", 0, False
    while position < stop and (kind := read_at(handle, position, 1)[0]) != _END:
        block = Span(position + 4, position + 4 + int.from_bytes(read_at(handle, position + 1, 3), "little"))
        position = block.stop
        if kind == _EXTENSION:
            extension = read_at(handle, block.start, 4)
        if kind in (_EXTENSION, _MARKER, _TEXT):
            if position > stop:
                raise too_long("VOC", f"a block of kind {kind}", position - block.start, stop - block.start)
            continue
        if kind in (_SOUND, _WIDE_SOUND):
            format = _wav_format(kind, read_at(handle, block.start, 12), extension)
            is_other = header not in (b"", format)
            header, extension = format, b""
            block = Span(block.start + (2 if kind == _SOUND else 12), block.stop)
        if kind not in (_SOUND, _CONTINUATION, _WIDE_SOUND) or not header or is_other:
            return None
        n_declared += block.stop - block.start
        spans.append(Span(min(block.start, stop), min(block.stop, stop)))
    if not spans:
        return None
    n_bytes = sum(span.stop - span.start for span in spans)
    wav = b"RIFF" + struct.pack("<I", n_bytes + 36) + b"WAVE" + header + b"data" + struct.pack("<I", n_bytes)
    (byte_rate,) = struct.unpack_from("<I", header, 16)
    message = cut_message("blocks of sound", n_declared, n_bytes, byte_rate) if n_bytes < n_declared else None
    return Found([Recording((wav, *spans), (), message)], min(stop, position + 1))


def _wav_format(kind: int, parameters: bytes, extension: bytes) -> bytes:
    """Return the format chunk of a WAV file for the parameters of a block; empty where WAV has no such format."""
    if len(parameters) < 12:
        return b""
    if kind == _WIDE_SOUND:
        rate, _, n_channels, code = struct.unpack("<IBBH", parameters[:8])
    elif len(extension) == 4:
        # stands before a block, whose own parameters do not count then
        divisor, code, mode = struct.unpack("<HBB", extension)
        n_channels = mode + 1
        rate = 256_000_000 // (65_536 - divisor) // n_channels
    else:
        rate, n_channels, code = 1_000_000 // (256 - parameters[0]), 1, parameters[1]
    if code not in _ENCODINGS:
        return b""
    encoding, bits = _ENCODINGS[code]
    frame_bytes = n_channels * bits // 8
    return b"fmt " + struct.pack("<IHHIIHH", 16, encoding, n_channels, rate, rate * frame_bytes, frame_bytes, bits)
