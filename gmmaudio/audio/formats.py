"""Definitions that the decoders share: declarations of a header, their bounds, and the reasons for refusing a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import AudioError

Samples = npt.NDArray[np.float32]

# reason code of an AudioError -> its meaning
REASONS: dict[str, str] = {
    "vanished": "the file does not exist",
    "not_a_file": "the path is a folder, a device or a pipe",
    "unreadable": "the system refused to read the file",
    "empty": "the file has no bytes",
    "not_audio": "no decoder recognises the content",
    "needs_media": "a format that needs the media extra",
    "damaged": "the format is recognised, but the content cannot be decoded",
    "bad_header": "an implausible sample rate or number of channels",
    "mixed_rates": "joined recordings of different sample rates",
    "no_samples": "a header without samples",
    "truncated": "fewer samples than the header declares",
    "non_finite": "a sample that is not a finite number",
    "silent": "nothing but silence",
    "too_short": "less sound than the minimum duration",
    "too_long": "more sound than the maximum duration",
    "bad_segment": "a segment that lies outside the file",
}

# code of an AudioNote -> its meaning; the file is used
NOTES: dict[str, str] = {
    "lost": "damaged places, which are left out",
    "cut_off": "an end without its end mark",
    "channels_cancel": "channels that cancel, where the loudest is used instead of the mean",
    "silent_channels": "channels without sound beside others, which are left out of the mean",
    "length_wrong": "a header that declares no length or a wrong one; read to the end of the data",
    "left_out": "bytes between or after recordings that are of no known kind, which are left out",
    "joined": "several recordings joined, read one after another",
}

# suffixes that the search of a folder accepts; a file that is named itself is recognised by content
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
    """The declarations of an audio file's header.

    Parameters
    ----------
    sample_rate_hz : int
        Samples per second, 4,000 to 384,000.
    n_channels : int
        1 to 64.
    duration_s : float or None
        Declared duration, seconds; None where the header does not declare it.
    format : str
        Name of the container, such as ``"WAV"``.
    """

    sample_rate_hz: int
    n_channels: int
    duration_s: float | None
    format: str


@dataclass(frozen=True)
class AudioNote:
    """A fact about a file that was decoded in another way than its header asks for.

    Parameters
    ----------
    code : str
        One of :data:`NOTES`.
    text : str
        The fact, in words.
    seconds : float
        Duration of the sound concerned, 0 or more.
    """

    code: str
    text: str
    seconds: float = 0.0


def mixed_rates(rates_hz: Iterable[int]) -> AudioError:
    """Return the error for a file whose parts have different sample rates.

    Parameters
    ----------
    rates_hz : iterable of int
        The rates, in the order of the parts, each once.

    Examples
    --------
    >>> mixed_rates([16_000, 22_050]).code
    'mixed_rates'
    """
    return AudioError(
        "mixed_rates",
        f"holds joined recordings with sample rates of {' and '.join(map(str, rates_hz))} Hz; "
        "expected one rate: split it, or export it at one rate",
    )


def check_header(sample_rate_hz: int, n_channels: int) -> None:
    """Raise AudioError if a sample rate or a number of channels is implausible.

    Parameters
    ----------
    sample_rate_hz : int
        Expected: 4,000 to 384,000. With a rate of 1 Hz, resampling would allocate 22,050 samples for each one.
    n_channels : int
        Expected: 1 to 64.

    Raises
    ------
    AudioError
        With the code ``bad_header``.

    Examples
    --------
    >>> check_header(44_100, 2)
    >>> check_header(1, 2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    gmmaudio.errors.AudioError: declares a sample rate of 1 Hz; expected 4000 to 384000 Hz: ...
    """
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
        raise AudioError(
            "bad_header",
            f"declares a sample rate of {sample_rate_hz} Hz; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz: the header is "
            "damaged, or the file is not audio",
        )
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise AudioError(
            "bad_header",
            f"declares {n_channels} channels; expected 1 to {MAX_CHANNELS}: export it as mono or stereo",
        )
