"""Creative Voice files: sound in blocks, of which libsndfile reads the heads as sound from the second on.

References
----------
Creative Labs, Sound Blaster Series Hardware Programming Guide, appendix A: the Creative Voice File format.
"""

from __future__ import annotations

import struct

from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at

_MAGIC = b"Creative Voice File\x1a"
_END, _SOUND, _CONTINUATION, _WIDE_SOUND = 0, 1, 2, 9
# encoding of a block of either kind -> its format in a WAV file and the bits of a sample
_ENCODINGS = {0: (1, 8), 4: (1, 16), 6: (6, 8), 7: (7, 8)}


def find_voc(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a Creative Voice file of several blocks as a WAV file.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no such file begins, or where it has one block of sound or others than sound of one format.
    """
    head = read_at(handle, start, 26)
    if head[:20] != _MAGIC or len(head) < 26:
        return None
    position = start + struct.unpack("<H", head[20:22])[0]
    header, spans = b"", list[Span]()
    while position < stop and (kind := read_at(handle, position, 1)[0]) != _END:
        block = Span(position + 4, position + 4 + int.from_bytes(read_at(handle, position + 1, 3), "little"))
        if (
            block.stop > stop
            or kind not in (_SOUND, _CONTINUATION, _WIDE_SOUND)
            or (kind != _CONTINUATION) == bool(header)
        ):
            return None
        if kind != _CONTINUATION:
            header = _wav_format(kind, read_at(handle, block.start, 12))
            block = Span(block.start + (2 if kind == _SOUND else 12), block.stop)
        spans.append(block)
        position = block.stop
    if len(spans) < 2 or not header:
        return None
    n_bytes = sum(span.stop - span.start for span in spans)
    wav = b"RIFF" + struct.pack("<I", n_bytes + 36) + b"WAVE" + header + b"data" + struct.pack("<I", n_bytes)
    return Found([Recording((wav, *spans))], min(stop, position + 1))


def _wav_format(kind: int, parameters: bytes) -> bytes:
    """Return the format chunk of a WAV file for the parameters of a block; empty where WAV has no such format."""
    if kind == _WIDE_SOUND:
        rate, _, n_channels, code = struct.unpack("<IBBH", parameters[:8])
    else:
        rate, n_channels, code = round(1e6 / (256 - parameters[0])), 1, parameters[1]
    if code not in _ENCODINGS:
        return b""
    encoding, bits = _ENCODINGS[code]
    frame_bytes = n_channels * bits // 8
    return b"fmt " + struct.pack("<IHHIIHH", 16, encoding, n_channels, rate, rate * frame_bytes, frame_bytes, bits)
