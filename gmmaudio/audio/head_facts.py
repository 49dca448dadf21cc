"""Facts that the head of an audio file declares, read from as few of its bytes as they take.

:func:`gmmaudio.audio.read_info` looks through the whole of a file for damaged places and joined recordings; here
nothing but the head is believed, so that thousands of files take seconds.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gmmaudio.audio.containers.boxes import read_sound_track
from gmmaudio.audio.containers.mpeg_headers import BIT_RATES, HEADER_SIZE, MpegFormat, frame_lengths, read_format
from gmmaudio.audio.containers.mpeg_tags import read_length_tag
from gmmaudio.audio.containers.tags import skip_tags
from gmmaudio.audio.decode import open_file, read_info
from gmmaudio.audio.ffmpeg import is_ffmpeg_format, needs_media
from gmmaudio.audio.formats import check_header
from gmmaudio.audio.splice import read_at
from gmmaudio.files import find_path

# bytes by which a format is told
FIRST_BYTES = 16
# names of what libsndfile calls by the container, or in another way; those of codecs are better known
NAMES = {"WAVEX": "WAV", "MPEG": "MP3", "MPEG_LAYER_III": "MP3", "VORBIS": "Vorbis", "OPUS": "Opus"}
NAMES |= {"mp4a": "AAC", "alac": "ALAC", "Opus": "Opus", "fLaC": "FLAC", "ac-3": "AC-3", ".mp3": "MP3", "samr": "AMR"}
NAMED_BY_CODEC = ("OGG", "MPEG", "MP3")
# libsndfile's names of codings that keep all samples
LOSSLESS = ("PCM_", "FLOAT", "DOUBLE", "ALAC_", "FLAC", "DPCM_")
LOSSLESS_TRACKS = ("alac", "fLaC", "sowt", "twos", "lpcm", "in24", "in32", "fl32", "fl64", "raw ")
# frames that must follow each other before a stream is believed
N_FRAMES = 3


@dataclass(frozen=True)
class HeadFacts:
    """Declarations of the head of an audio file.

    Parameters
    ----------
    format : str
        Name of the coding where the container has several, else of the container, such as ``"MP3"`` or ``"WAV"``.
    sample_rate_hz : int
        Samples per second, 4,000 to 384,000.
    n_channels : int
        1 to 64.
    duration_s : float or None
        Declared duration, seconds, estimated by the bit rate where an mp3 has no length tag; None where it is unknown.
    bit_rate : float or None
        Bits per second of a lossy coding; None for others, whose rate follows from the sound.
    """

    format: str
    sample_rate_hz: int
    n_channels: int
    duration_s: float | None
    bit_rate: float | None


def read_head(path: str | os.PathLike[str]) -> HeadFacts:
    """Return the declarations of the head of an audio file, without a look at the rest of it.

    Parameters
    ----------
    path : path-like
        An audio file.

    Raises
    ------
    AudioError
        If the file cannot be used as far as its head shows; the codes are those of :data:`gmmaudio.audio.REASONS`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tone.wav"
    ...     soundfile.write(path, np.sin(np.arange(8_000)), 8_000)
    ...     read_head(path)
    HeadFacts(format='WAV', sample_rate_hz=8000, n_channels=1, duration_s=1.0, bit_rate=None)
    """
    with open_file(Path(path)) as handle:
        size = os.fstat(handle.fileno()).st_size
        first = handle.read(FIRST_BYTES)
        facts = None
        if first.startswith((b"ID3", b"TAG", b"APETAGEX", b"\xff")):
            facts = _mpeg_facts(handle, size)
        elif is_ffmpeg_format(first):
            if not has_media():
                raise needs_media()
            facts = _track_facts(handle, size) if first[4:8] == b"ftyp" else None
        elif first.startswith(b"OggS"):
            facts = _ogg_facts(handle, size)
        elif first.startswith((b"RIFF", b"RF64", b"fLaC", b"FORM", b"caff", b"riff", b".snd")):
            facts = _sndfile_facts(Path(path), size)
    if facts is None:
        info = read_info(path)
        rate = size * 8 / info.duration_s if info.duration_s else None
        name = NAMES.get(info.format, info.format.split(",")[0])
        return HeadFacts(name, info.sample_rate_hz, info.n_channels, info.duration_s, rate)
    check_header(facts.sample_rate_hz, facts.n_channels)
    return facts


def has_media() -> bool:
    """Return whether the ``media`` extra is installed, which decodes formats that libsndfile does not.

    Examples
    --------
    >>> isinstance(has_media(), bool)
    True
    """
    return importlib.util.find_spec("av") is not None


def _sndfile_facts(path: Path, size: int) -> HeadFacts | None:
    """Return the facts that libsndfile reads of a head; None where it reads none, or no length."""
    import soundfile

    try:
        # as bytes: a name may be no text
        info = soundfile.info(os.fsencode(find_path(path)))
    except (soundfile.LibsndfileError, RuntimeError):
        return None
    if not info.frames or not info.samplerate:
        return None
    duration_s = info.frames / info.samplerate
    name = info.subtype if info.format in NAMED_BY_CODEC else info.format
    rate = None if info.subtype.startswith(LOSSLESS) or info.format == "FLAC" else size * 8 / duration_s
    return HeadFacts(NAMES.get(name, name), info.samplerate, info.channels, duration_s, rate)


def _ogg_facts(handle: BinaryIO, size: int) -> HeadFacts | None:
    """Return the facts in the first and the last page of a Vorbis or Opus file; None for other content.

    References: RFC 3533, section 6 (pages); Vorbis I, section 4.2.2; RFC 7845, section 5.1.
    """
    first = read_at(handle, 0, 64)
    packet = first[27 + first[26] :] if len(first) == 64 and first[26] <= 7 else b""
    if packet[:7] == b"\x01vorbis":
        name, n_channels, skipped = "Vorbis", packet[11], 0
        rate_hz = int.from_bytes(packet[12:16], "little")
    elif packet[:8] == b"OpusHead":
        name, n_channels, rate_hz = "Opus", packet[9], 48_000
        skipped = int.from_bytes(packet[10:12], "little")
    else:
        return None
    # the longest page has 65,307 bytes; that of another serial number belongs to a stream that was joined
    start = max(0, size - 65_536)
    end = read_at(handle, start, size - start)
    at = end.rfind(b"OggS\0")
    if at < 0 or len(end) < at + 18 or end[at + 14 : at + 18] != first[14:18] or not rate_hz:
        return None
    duration_s = (int.from_bytes(end[at + 6 : at + 14], "little", signed=True) - skipped) / rate_hz
    return HeadFacts(name, rate_hz, n_channels, duration_s, size * 8 / duration_s) if duration_s > 0 else None


def _track_facts(handle: BinaryIO, size: int) -> HeadFacts | None:
    """Return the facts in the index of an MP4 on its first track of sound; None where it says too little."""
    track = read_sound_track(handle, size)
    if track is None or not track.duration_s or not track.sample_rate_hz:
        return None
    rate = None if track.codec in LOSSLESS_TRACKS else track.n_bytes * 8 / track.duration_s
    name = NAMES.get(track.codec, track.codec.strip())
    return HeadFacts(name, track.sample_rate_hz, track.n_channels, track.duration_s, rate)


def _mpeg_facts(handle: BinaryIO, size: int) -> HeadFacts | None:
    """Return the facts in the first frames of an mp3; None where they are none, or do not follow each other."""
    offset = skip_tags(handle, 0, size)
    spans = _frames(handle, offset, size)
    if len(spans) < N_FRAMES:
        return None
    (format, _, length), n_channels = spans[0], 1 if spans[0][0].is_mono else 2
    tag = read_length_tag(handle, offset, offset + length, format)
    n_bytes = size - offset
    if tag is not None and tag.n_frames:
        duration_s = tag.n_frames * format.n_samples / format.rate_hz
        rate = (tag.n_bytes or n_bytes) * 8 / duration_s
    else:
        # the frame of a tag without a number of frames may have another bit rate
        rate = BIT_RATES[format.version, format.layer][spans[-1][1] - 1] * 1_000.0
        duration_s = n_bytes * 8 / rate
    return HeadFacts(f"MP{format.layer}", format.rate_hz, n_channels, duration_s, rate)


def _frames(handle: BinaryIO, offset: int, size: int) -> list[tuple[MpegFormat, int, int]]:
    """Return format, index of the bit rate and length of the first frames, those of one format."""
    found: list[tuple[MpegFormat, int, int]] = []
    while len(found) < N_FRAMES and offset < size:
        handle.seek(offset)
        header = handle.read(HEADER_SIZE)
        format = read_format(header)
        if format is None or (found and format[:3] != found[0][0][:3]):
            break
        length = frame_lengths(*format[:3], format.bits)[header[1] << 8 | header[2]]
        if not length:
            break
        found.append((format, header[2] >> 4, length))
        offset += length
    return found
