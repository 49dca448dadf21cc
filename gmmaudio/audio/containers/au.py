"""Files of Sun and NeXT (AU): a header that declares the length of the sound behind it."""

from __future__ import annotations

import struct

from gmmaudio.audio.containers.claims import cut_message, is_placeholder, length_note, next_header, too_long
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, edited, read_at

# the format's own value for a length that is not known
UNKNOWN_LENGTH = 0xFFFFFFFF
_HEAD_BYTES = 24
# encoding -> bytes of a sample; others have blocks
_SAMPLE_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def find_au(handle: ReadableFile, start: int, stop: int, *, reads_on: bool = False) -> Found | None:
    """Return the recording of an AU file.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.
    reads_on : bool
        Take what follows the declared end for sound, as far as it is no header.

    Returns
    -------
    Found or None
        None where no such file begins; without recordings where it holds no sound.

    Raises
    ------
    AudioError
        ``damaged`` if the header is declared shorter than it is, or longer than the file.
    """
    head = read_at(handle, start, _HEAD_BYTES)
    if head[:4] not in (b".snd", b"dns.") or len(head) < _HEAD_BYTES:
        return None
    order = ">" if head[:4] == b".snd" else "<"
    header_bytes, declared, encoding, rate, n_channels = struct.unpack(f"{order}5I", head[4:])
    sound_start = start + header_bytes
    if header_bytes < _HEAD_BYTES or sound_start > stop:
        raise too_long("AU", "the header", header_bytes, stop - start)
    frame_bytes = max(1, n_channels * _SAMPLE_BYTES.get(encoding, 1))
    byte_rate = rate * frame_bytes if encoding in _SAMPLE_BYTES else 0.0
    is_length = not is_placeholder(declared)
    if is_length and declared <= stop - sound_start and not reads_on:
        end = sound_start + declared
        return Found([Recording((Span(start, end),))], end, is_open=True)
    end = stop if is_length and declared > stop - sound_start else next_header(handle, sound_start, stop)
    n_there = end - sound_start
    n_there -= n_there % frame_bytes
    if n_there == 0:
        return Found([], end)
    if n_there == declared:
        return Found([Recording((Span(start, sound_start + n_there),))], sound_start + n_there)
    size = struct.pack(f"{order}I", min(n_there, UNKNOWN_LENGTH))
    parts = edited(Span(start, sound_start + n_there), {start + 8: size})
    if is_length and declared > n_there:
        return Found([Recording(parts, (), cut_message("sound", declared, n_there, byte_rate))], end)
    notes = () if declared == UNKNOWN_LENGTH else (length_note("header", declared, n_there, byte_rate),)
    return Found([Recording(parts, notes)], end)
