"""Tags of audio files, such as artist and album: the only home of tinytag."""

from __future__ import annotations

import os
from pathlib import Path

from gmmaudio.audio.decode import open_file

# the tags that clips can be grouped by -> the attribute that holds each
TAGS = {"artist": "artist", "album": "album"}


def read_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the tags of an audio file that clips can be grouped by.

    The tags of mp3 (ID3), FLAC, Vorbis, Opus, MP4, WAV, AIFF and WMA are read. A file of another format, or with
    damaged tags, has none.

    Parameters
    ----------
    path : path-like
        An audio file.

    Returns
    -------
    dict of str to str
        Name of the tag, one of :data:`TAGS`, -> its text without spaces at its ends; those that are empty are left out.

    Raises
    ------
    AudioError
        ``vanished``, ``unreadable``, ``not_a_file`` or ``empty``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tone.wav"
    ...     with soundfile.SoundFile(path, "w", 8_000, 1) as sound:
    ...         sound.artist = "Ann"
    ...         sound.write(np.zeros(80))
    ...     read_tags(path)
    {'artist': 'Ann'}
    """
    from tinytag import TinyTag

    with open_file(Path(path)) as handle:
        try:
            # the format is told by the first bytes, and by the name where these are of none
            tag = TinyTag.get(Path(path).name, file_obj=handle, duration=False)
        except Exception:  # noqa: BLE001 - damaged tags raise anything, and are no tags
            return {}
    values = {name: getattr(tag, attribute) for name, attribute in TAGS.items()}
    return {name: value.strip() for name, value in values.items() if isinstance(value, str) and value.strip()}
