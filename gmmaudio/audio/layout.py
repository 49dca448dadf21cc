"""The recordings that a file holds, found by its bytes before anything is decoded."""

from __future__ import annotations

import os
from typing import BinaryIO

from gmmaudio.audio.flac_frames import find_flac
from gmmaudio.audio.ogg_pages import find_ogg
from gmmaudio.audio.splice import Found, Recording, Span


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
    size = handle.seek(0, os.SEEK_END)
    recordings: list[Recording] = []
    found = _find(handle, 0, size)
    while found is not None:
        recordings += found.recordings
        found = _find(handle, found.end, size)
    return recordings or [Recording((Span(0, size),))]


def _find(handle: BinaryIO, start: int, stop: int) -> Found | None:
    """Return the recordings that begin at an offset; None where no known format does."""
    return find_ogg(handle, start, stop) or find_flac(handle, start, stop)
