"""The recordings that a file holds, found by its bytes before anything is decoded."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO

from gmmaudio.audio.containers.asf import find_asf
from gmmaudio.audio.containers.au import find_au
from gmmaudio.audio.containers.avi import find_avi
from gmmaudio.audio.containers.boxes import find_boxes
from gmmaudio.audio.containers.chunks import find_chunked
from gmmaudio.audio.containers.claims import next_header
from gmmaudio.audio.containers.ebml import find_ebml
from gmmaudio.audio.containers.flac_frames import find_flac
from gmmaudio.audio.containers.frame_streams import find_adts, find_amr
from gmmaudio.audio.containers.mpeg_frames import find_mpeg
from gmmaudio.audio.containers.ogg_pages import find_ogg
from gmmaudio.audio.containers.tagged_blocks import find_flv, find_tta, find_wavpack
from gmmaudio.audio.containers.tags import skip_tags
from gmmaudio.audio.containers.voc import find_voc
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, Recording, Span

# every format is recognised by its first bytes
FINDERS = (
    find_chunked,
    find_au,
    find_voc,
    find_ogg,
    find_flac,
    find_boxes,
    find_ebml,
    find_avi,
    find_asf,
    find_flv,
    find_wavpack,
    find_tta,
    find_amr,
    find_adts,
    find_mpeg,
)
# what follows the last recording and is shorter is no sound, or next to none
MAX_BYTES_LEFT_OUT = 1_024
# a file that was changed later than this may change again without another time of change
MIN_AGE_S = 5.0


def find_recordings(handle: BinaryIO) -> list[Recording]:
    """Return the recordings of a file, in order: one, or several that were joined.

    Parameters
    ----------
    handle : binary file
        The open file, at any position.

    Returns
    -------
    list of Recording
        One or more. A file of an unknown format is one recording, the whole of its bytes.

    Raises
    ------
    AudioError
        With the code ``damaged`` or ``truncated``, if no decoder should read the file.

    Examples
    --------
    >>> import io
    >>> find_recordings(io.BytesIO(b"no known format"))  # doctest: +ELLIPSIS
    [Recording(parts=(Span(start=0, stop=15),), ...)]
    """
    return list(_find_in(_Source(handle, _identity(handle))))


@dataclass(frozen=True)
class _Source:
    """An open file, equal to another of the same file as long as that is not changed."""

    handle: BinaryIO = field(compare=False)
    identity: object


def _identity(handle: BinaryIO) -> object:
    """Return the identity of an open file and of its content; that of the handle where a change may go unnoticed."""
    try:
        status = os.fstat(handle.fileno())
    except (AttributeError, OSError):
        return id(handle), time.monotonic_ns()
    if abs(time.time() - status.st_mtime) < MIN_AGE_S:
        return id(handle), time.monotonic_ns()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=4)
def _find_in(source: _Source) -> tuple[Recording, ...]:
    """Return the recordings of a file; kept for the segments of a file, which follow each other."""
    handle = source.handle
    stop = handle.seek(0, os.SEEK_END)
    recordings: list[Recording] = []
    n_left_out = 0
    start, found = _next(handle, 0, stop)
    while found is not None:
        following, next_found = _next(handle, found.end, stop)
        if found.is_open and next_found is None and stop - following > MAX_BYTES_LEFT_OUT:
            found = _read_on(handle, start, stop) or found
            following, next_found = _next(handle, found.end, stop)
        recordings += found.recordings
        if next_found is None and stop - following > MAX_BYTES_LEFT_OUT:
            header = next_header(handle, following, stop)
            n_left_out += header - following
            following, next_found = _next(handle, header, stop)
        start, found = following, next_found
    if not recordings:
        return (Recording((Span(0, stop),)),)
    last = recordings[-1]
    # what is left of a frame or page at the end is said already
    is_said = last.truncated is not None or any(note.code in ("cut_off", "lost") for note in last.notes)
    if n_left_out and not is_said:
        note = AudioNote("left_out", f"{n_left_out} bytes are of no known kind and are left out")
        recordings[-1] = replace(last, notes=(*last.notes, note))
    return tuple(recordings)


def _next(handle: BinaryIO, offset: int, stop: int) -> tuple[int, Found | None]:
    """Return the offset of what begins here or behind tags and padding, and what is found there."""
    found = _begin(handle, offset, stop)
    if found is None:
        offset, position = skip_tags(handle, offset, stop), offset
        found = _begin(handle, offset, stop) if offset > position else None
    return offset, found


def _read_on(handle: BinaryIO, start: int, stop: int) -> Found | None:
    """Return the recording at an offset with what follows its declared end, which begins nothing else."""
    return find_chunked(handle, start, stop, reads_on=True) or find_au(handle, start, stop, reads_on=True)


def _begin(handle: BinaryIO, start: int, stop: int) -> Found | None:
    """Return the recordings that begin at an offset, by what they declare; None where no known format does."""
    if start >= stop:
        return None
    return next((found for finder in FINDERS if (found := finder(handle, start, stop)) is not None), None)
