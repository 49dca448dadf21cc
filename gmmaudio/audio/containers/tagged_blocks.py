"""Flash video, WavPack and True Audio files, which are sequences of blocks: where one of several joined files ends.

References
----------
Adobe, Flash Video File Format Specification 10.1, annex E; WavPack 4 and 5 Binary File Format; TTA1 format.
"""

from __future__ import annotations

import struct

from gmmaudio.audio.containers.claims import cut_message
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, read_at

_FLV_TAGS = (8, 9, 18)
_WAVPACK_INITIAL, _WAVPACK_UNKNOWN = 0x800, 0xFFFFFFFF
# more are no block
_MAX_WAVPACK_BYTES = 2**20 + 8


def find_flv(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a Flash video file.

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
    """
    if read_at(handle, start, 4) != b"FLV\x01":
        return None
    (header_bytes,) = struct.unpack(">I", read_at(handle, start + 5, 4).rjust(4, b"\0"))
    position = start + header_bytes + 4
    script = b""
    while len(head := read_at(handle, position, 11)) == 11 and head[0] & 0x1F in _FLV_TAGS:
        size = int.from_bytes(head[1:4], "big")
        if head[0] & 0x1F == 18 and not script:
            script = read_at(handle, position + 11, size)
        position += 11 + size + 4
        if position > stop:
            break
    if position == start + header_bytes + 4:
        return None
    # a number after the name, as 64 bits
    place = script.find(b"duration\0")
    has_length = place >= 0 and script[place + 9 : place + 17] not in (b"", bytes(8))
    is_cut = position > stop and not has_length
    notes = (AudioNote("cut_off", "ends within a tag"),) if is_cut else ()
    end = min(position, stop)
    return Found([Recording((Span(start, end),), notes, has_length=has_length)], end)


def find_wavpack(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a WavPack file.

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
    """
    position, n_there, n_total = start, 0, 0
    while len(head := read_at(handle, position, 32)) == 32 and head[:4] == b"wvpk":
        size, total, index, n_samples, flags = struct.unpack("<I4xIIII", head[4:28])
        if size + 8 > _MAX_WAVPACK_BYTES or (n_there and index == 0 and n_samples and flags & _WAVPACK_INITIAL):
            break
        n_there, n_total = max(n_there, index + n_samples), n_total or total
        position += size + 8
    if position == start:
        return None
    end, span = min(position, stop), (Span(start, min(position, stop)),)
    if position <= stop:
        return Found([Recording(span)], end)
    if n_total == _WAVPACK_UNKNOWN:
        return Found([Recording(span, (AudioNote("cut_off", "ends within a block"),), has_length=False)], end)
    message = f"fewer than {n_there} of {n_total} samples are left of a longer file; copy or export the file again"
    return Found([Recording(span, (), message)], end)


def find_tta(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a True Audio file.

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
    """
    head = read_at(handle, start, 22)
    if head[:4] != b"TTA1" or len(head) < 22:
        return None
    rate, n_samples = struct.unpack("<II", head[10:18])
    n_frames = -(-n_samples * 245 // (256 * rate)) if rate else 0
    if not 0 < n_frames <= (stop - start) // 4:
        return None
    sizes = read_at(handle, start + 22, 4 * n_frames)
    n_declared = sum(struct.unpack(f"<{len(sizes) // 4}I", sizes[: len(sizes) // 4 * 4]))
    sound = start + 22 + 4 * n_frames + 4
    end = sound + n_declared
    if end > stop:
        message = cut_message("sound", n_declared, max(0, stop - sound), 0)
        return Found([Recording((Span(start, stop),), (), message)], stop)
    return Found([Recording((Span(start, end),))], end)
