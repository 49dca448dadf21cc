"""What every decoder shares: what a header declares, the bounds of belief, and the reasons for refusing a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import AudioError

Samples = npt.NDArray[np.float32]

REASONS: dict[str, str] = {
    "vanished": "the file is not there",
    "not_a_file": "the path is a folder, a device or a pipe",
    "unreadable": "the system refused to read the file",
    "empty": "the file has no bytes",
    "not_audio": "no decoder knows the content",
    "needs_media": "a format that needs the media extra",
    "damaged": "a decoder knows the format and cannot make sense of the content",
    "bad_header": "a sample rate or channel count beyond belief",
    "no_samples": "a header and nothing after it",
    "truncated": "fewer samples than the header declares",
    "non_finite": "a sample that is not a finite number",
    "silent": "nothing but silence",
    "too_short": "less sound than the least duration",
    "bad_segment": "a segment that lies outside the file",
}

# Known suffixes: only for walking a folder; a file named outright is judged by content.
SUFFIXES = frozenset(
    [
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".caf",
        ".au",
        ".snd",
        ".w64",
        ".rf64",
        ".m4a",
        ".mp4",
        ".aac",
        ".webm",
        ".mkv",
        ".mka",
        ".mov",
        ".wma",
        ".avi",
        ".3gp",
        ".amr",
        ".ac3",
        ".wv",
        ".ape",
    ]
)

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_CHANNELS = 64
BLOCK_S = 10.0


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header declares.

    Parameters
    ----------
    sample_rate_hz : int
        Samples a second, 4,000 to 384,000.
    n_channels : int
        1 to 64.
    duration_s : float or None
        Declared length in seconds; None where the header does not know it.
    format : str
        The container's name.
    """

    sample_rate_hz: int
    n_channels: int
    duration_s: float | None
    format: str


class UnnamedFile:
    """A binary file without its name, by which soundfile would guess the format."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.read, self.tell = handle.read, handle.tell

    def readinto(self, buffer: bytearray) -> int:
        """Return how many bytes were read into ``buffer``."""
        data = self._handle.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Return the new position; a damaged header may ask for one before the start."""
        try:
            return self._handle.seek(offset, whence)
        except (OSError, ValueError):
            return -1


def check_header(sample_rate_hz: int, n_channels: int) -> None:
    """Raise AudioError ``bad_header`` where a rate or a channel count is beyond belief.

    Parameters
    ----------
    sample_rate_hz : int
        4,000 to 384,000 pass. A rate of 1 Hz would make resampling allocate 22,050 samples for each one.
    n_channels : int
        1 to 64 pass.
    """
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
        raise AudioError(
            "bad_header",
            f"declares {sample_rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are read: the header is damaged, "
            "or the file is no sound",
        )
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise AudioError(
            "bad_header",
            f"declares {n_channels} channels; 1 to {MAX_CHANNELS} are read: export it as mono or stereo",
        )
