"""A file -> mono float32 samples at a chosen rate, whole or in blocks.

What libsndfile reads is decoded by soundfile (wav, flac, ogg, opus, mp3, aiff, caf, au, w64 ...), told by content and
never by extension; what it does not know is tried with PyAV where the ``media`` extra is installed. Samples are
averaged over channels and resampled by soxr. Every way in which a file can be unusable has a reason code of its own.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from gmmaudio.audio.ffmpeg import open_ffmpeg
from gmmaudio.audio.formats import MAX_RATE_HZ, MIN_RATE_HZ, AudioInfo, Samples, UnnamedFile
from gmmaudio.audio.sndfile import SndfileDecoder
from gmmaudio.errors import AudioError, SettingError

# libsndfile's word for a length that the header leaves open (a FLAC written to a pipe)
UNKNOWN_FRAMES = 2**62
# 3 steps of a 16-bit converter; peak to peak, so that a constant offset is silence too
SILENCE_PEAK_TO_PEAK = 1e-4
# headers of compressed formats may round the length, and encoders pad it
LENGTH_TOLERANCE_S = 0.1
# mp3 without a length tag declares an estimate
MP3_LENGTH_TOLERANCE = 0.05
SEGMENT_REMEDY = "correct the manifest's start and end"


def read_info(path: str | os.PathLike[str]) -> AudioInfo:
    """Return what the header of ``path`` declares, without decoding the sound.

    Raises
    ------
    AudioError
        With its reason code, where the file cannot be used.
    """
    with _open(Path(path)) as decoder:
        return decoder.info


def read_audio(
    path: str | os.PathLike[str],
    sr: int,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    min_duration_s: float = 0.0,
) -> Samples:
    """Return the sound of ``path`` as mono samples at ``sr`` hertz, shape (n,), float32, full scale -1..1.

    Parameters
    ----------
    path : path-like
        Any file that libsndfile or, with the ``media`` extra, PyAV reads.
    sr : int
        Rate to resample to, hertz.
    start_s, end_s : float
        The segment wanted, seconds from the start of the file; default all of it.
    min_duration_s : float
        Least decoded length, seconds.

    Raises
    ------
    AudioError
        With its reason code, where the file cannot be used.
    """
    blocks = read_blocks(path, sr, start_s=start_s, end_s=end_s, min_duration_s=min_duration_s)
    return np.concatenate(list(blocks))


def read_blocks(
    path: str | os.PathLike[str],
    sr: int,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    min_duration_s: float = 0.0,
) -> Iterator[Samples]:
    """Yield the samples of :func:`read_audio` in blocks of about 10 s, in bounded memory.

    Silence, shortness and truncation are known only at the end: a caller that gets an AudioError there must drop what
    came before.

    Raises
    ------
    AudioError
        With its reason code, where the file cannot be used.
    """
    if not MIN_RATE_HZ <= sr <= MAX_RATE_HZ:
        raise SettingError(f"sr is {sr}; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    with _open(Path(path)) as decoder:
        info = decoder.info
        if not (0 <= start_s < math.inf and (end_s is None or start_s < end_s < math.inf)):
            raise _outside(start_s, end_s, info.duration_s)
        mono = (_finite_mono(block) for block in decoder.blocks(start_s, end_s))
        yield from _resampled(_checked(mono, info, start_s, end_s, min_duration_s), info.sample_rate_hz, sr)


def _finite_mono(block: Samples) -> Samples:
    """Return the mean of the channels (n,) of a block (n, n_channels)."""
    # a loudness beyond 1e30 overflows in what follows, and is no sound
    if not (np.abs(block) < 1e30).all():
        raise AudioError("non_finite", "holds samples that are not finite numbers; export the file again")
    if block.shape[1] == 1:
        return block[:, 0]
    mono: Samples = block.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mono


def _checked(
    blocks: Iterable[Samples], info: AudioInfo, start_s: float, end_s: float | None, min_duration_s: float
) -> Iterator[Samples]:
    """Yield the blocks, then judge their total length and level."""
    n, low, high = 0, np.inf, -np.inf
    for block in blocks:
        if len(block):
            n += len(block)
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            yield block
    seconds = n / info.sample_rate_hz
    _check_length(seconds, info, start_s, end_s)
    if seconds < min_duration_s:
        raise AudioError(
            "too_short", f"{seconds:.2g} s of sound; at least {min_duration_s:g} s is needed (`min_duration_s`)"
        )
    if high - low < SILENCE_PEAK_TO_PEAK:
        raise AudioError("silent", f"{seconds:.2f} s of silence; check the recording, or leave it out")


def _outside(start_s: float, end_s: float | None, declared: float | None) -> AudioError:
    """Return the error for a segment that is not in the file."""
    return AudioError(
        "bad_segment",
        f"the segment {start_s:g}-{'' if end_s is None else format(end_s, 'g')} s lies outside the file"
        + (f", which has {declared:.2f} s" if declared is not None else "")
        + f"; {SEGMENT_REMEDY}",
    )


def _check_length(seconds: float, info: AudioInfo, start_s: float, end_s: float | None) -> None:
    """Raise where less was decoded than the header or the segment promises."""
    declared = info.duration_s
    wanted_end = end_s if end_s is not None else declared
    if seconds == 0 and start_s == 0:
        raise AudioError("no_samples", "has a header and no samples; record or export it again")
    if (declared is not None and max(start_s, end_s or 0.0) > declared + LENGTH_TOLERANCE_S) or seconds == 0:
        raise _outside(start_s, end_s, declared)
    if wanted_end is None:
        return
    tolerance = MP3_LENGTH_TOLERANCE * wanted_end if info.format == "MP3" else 0.0
    if seconds < wanted_end - start_s - max(LENGTH_TOLERANCE_S, tolerance):
        raise AudioError(
            "truncated",
            f"{seconds:.2f} s decoded of {wanted_end - start_s:.2f} s declared; copy or export the file again",
        )


def _resampled(blocks: Iterable[Samples], rate_in: int, rate_out: int) -> Iterator[Samples]:
    """Yield the blocks at ``rate_out`` hertz; one stream, so that block edges leave no trace."""
    if rate_in == rate_out:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


class _Decoder(Protocol):
    info: AudioInfo

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield (n, n_channels) float32 blocks of the segment."""


@contextmanager
def _open(path: Path) -> Iterator[_Decoder]:
    """Open a file by handle, and find the decoder that knows it."""
    with _open_handle(path) as handle:
        import soundfile

        try:
            sound = soundfile.SoundFile(UnnamedFile(handle))
        except soundfile.LibsndfileError as error:
            with open_ffmpeg(handle, str(error.error_string)) as media:
                yield media
            return
        with sound:
            if sound.frames < UNKNOWN_FRAMES and not (sound.format == "MP3" and _mp3_guesses_its_length(handle)):
                yield SndfileDecoder(sound, handle)
                return
        # libsndfile cannot step through a FLAC that was written to a pipe
        with open_ffmpeg(handle, "its length is left open") as media:
            yield media


def _open_handle(path: Path) -> BinaryIO:
    """Return the open file, or raise with the system's reason."""
    try:
        mode = path.stat().st_mode
        handle = path.open("rb") if stat.S_ISREG(mode) else None
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise AudioError("vanished", "is not there; check the path") from error
    except OSError as error:
        raise AudioError("unreadable", f"cannot be read ({error.strerror}); check its permissions") from error
    if handle is None:
        raise AudioError("not_a_file", "is not a regular file; name an audio file")
    if os.fstat(handle.fileno()).st_size == 0:
        handle.close()
        raise AudioError("empty", "has no bytes; copy the file again")
    return handle


def _mp3_guesses_its_length(handle: BinaryIO) -> bool:
    """Return whether an mp3 has no length tag and PyAV is there to read on where libsndfile's guess ends."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    position = handle.tell()
    handle.seek(0)
    head = handle.read(10)
    start = 0
    if head[:3] == b"ID3":
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    handle.seek(start)
    head = handle.read(4096)
    handle.seek(position)
    return not any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))
