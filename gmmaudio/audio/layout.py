"""The recordings that a file holds, found by its bytes before anything is decoded."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import BinaryIO

from gmmaudio.audio.au import find_au
from gmmaudio.audio.chunks import find_chunked
from gmmaudio.audio.claims import next_header
from gmmaudio.audio.flac_frames import find_flac
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.ogg_pages import find_ogg
from gmmaudio.audio.splice import Found, Recording, Span
from gmmaudio.audio.tags import skip_tags

# what follows the last recording and is shorter is no sound, or next to none
MAX_BYTES_LEFT_OUT = 1_024


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
    >>> find_recordings(io.BytesIO(b"no known format"))
    [Recording(parts=(Span(start=0, stop=15),), notes=(), truncated=None, continues=False, n_seekable=None)]
    """
    stop = handle.seek(0, os.SEEK_END)
    recordings: list[Recording] = []
    start, n_left_out = skip_tags(handle, 0, stop), 0
    found = _find(handle, start, stop)
    while found is not None:
        recordings += found.recordings
        start = skip_tags(handle, found.end, stop)
        found = _find(handle, start, stop)
        if found is None and stop - start > MAX_BYTES_LEFT_OUT:
            following = next_header(handle, start, stop)
            n_left_out += following - start
            found = _find(handle, following, stop)
    if not recordings:
        return [Recording((Span(0, stop),))]
    if n_left_out:
        note = AudioNote("left_out", f"{n_left_out} bytes are of no known kind and are left out")
        recordings[-1] = replace(recordings[-1], notes=(*recordings[-1].notes, note))
    return recordings


def _find(handle: BinaryIO, start: int, stop: int) -> Found | None:
    """Return the recordings that begin at an offset; None where no known format does."""
    found = _begin(handle, start, stop) if start < stop else None
    if found is None or not found.is_open:
        return found
    following = skip_tags(handle, found.end, stop)
    if stop - following <= MAX_BYTES_LEFT_OUT or _begin(handle, following, stop) is not None:
        return found
    return find_chunked(handle, start, stop, reads_on=True) or find_au(handle, start, stop, reads_on=True)


def _begin(handle: BinaryIO, start: int, stop: int) -> Found | None:
    """Return the recordings that begin at an offset, by what they declare; None where no known format does."""
    finders = (find_chunked, find_au, find_ogg, find_flac)
    return next((found for finder in finders if (found := finder(handle, start, stop)) is not None), None)
