"""The hash of the decoded samples of a file: the same as long as its sound is, whatever happens to its tags."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from gmmaudio.audio.decode import open_sound


def hash_samples(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the decoded samples of a file: all channels, at the rate of the file.

    Parameters
    ----------
    path : path-like
        An audio file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    AudioError
        If the file cannot be decoded to its end.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.wav", "a.aiff"):
    ...         soundfile.write(Path(folder, name), np.sin(np.arange(8_000)), 8_000)
    ...     hash_samples(Path(folder, "a.wav")) == hash_samples(Path(folder, "a.aiff"))
    True
    """
    with open_sound(Path(path)) as decoder:
        digest = hashlib.sha256(f"{decoder.info.sample_rate_hz} {decoder.info.n_channels}".encode())
        for block in decoder.blocks(0.0, None):
            digest.update(np.ascontiguousarray(block, dtype="<f4").tobytes())
    return digest.hexdigest()
