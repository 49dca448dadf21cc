"""Decoding of an audio file to mono float32 samples at a chosen rate, whole or in blocks.

libsndfile (soundfile) decodes wav, flac, ogg, opus, mp3, aiff, caf, au, w64 and others, recognised by content and never
by the file's suffix. Other formats are tried with FFmpeg (PyAV) where the ``media`` extra is installed. Channels are
mixed to mono and soxr resamples. Each reason for refusing a file has its own code (:data:`gmmaudio.audio.REASONS`).
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gmmaudio.audio.downmix import Downmix
from gmmaudio.audio.formats import MAX_RATE_HZ, MIN_RATE_HZ, AudioInfo, AudioNote, Samples
from gmmaudio.audio.recordings import Decoder, open_decoder
from gmmaudio.errors import AudioError, SettingError
from gmmaudio.files import find_path
from gmmaudio.values import checked

# a larger magnitude overflows in later steps
MAX_MAGNITUDE = 1e30
# 3 steps of a 16-bit converter; peak to peak, so that a constant offset is silence too
SILENCE_PEAK_TO_PEAK = 1e-4
# headers of compressed formats may round the length, and encoders pad it
LENGTH_TOLERANCE_S = 0.1
SEGMENT_REMEDY = "correct the manifest's start and end"


def read_info(path: str | os.PathLike[str]) -> AudioInfo:
    """Return the sample rate, channels, duration and format that a file's header declares, without decoding.

    Parameters
    ----------
    path : path-like
        An audio file.

    Returns
    -------
    AudioInfo
        The header's declarations.

    Raises
    ------
    AudioError
        If the file cannot be used; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tone.wav"
    ...     soundfile.write(path, np.sin(np.arange(8_000)), 8_000)
    ...     read_info(path)
    AudioInfo(sample_rate_hz=8000, n_channels=1, duration_s=1.0, format='WAV')
    """
    with open_sound(Path(path)) as decoder:
        return decoder.info


@checked
def read_audio(
    path: str | os.PathLike[str],
    sr: int,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    min_duration_s: float = 0.0,
    max_duration_s: float = math.inf,
    on_note: Callable[[AudioNote], None] | None = None,
) -> Samples:
    """Return the samples of an audio file, mono and resampled.

    Parameters
    ----------
    path : path-like
        Any file that libsndfile or, with the ``media`` extra, FFmpeg reads.
    sr : int
        Rate to resample to, hertz, 4,000 to 384,000.
    start_s, end_s : float
        Segment to read, seconds from the start of the file; all of it by default. The segment is cut before
        resampling.
    min_duration_s : float
        Minimum decoded duration, seconds.
    max_duration_s : float
        Maximum decoded duration, seconds; decoding ends there.
    on_note : function of an AudioNote, or None
        Called once the sound is read, with every fact that the caller should know of it: damaged places, joined
        recordings, channels that cancel (:data:`gmmaudio.audio.NOTES`).

    Returns
    -------
    ndarray, shape (n,), float32
        Mean of the channels that sound, or the loudest where they cancel; full scale -1 to 1.

    Raises
    ------
    AudioError
        If the file cannot be used; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.
    SettingError
        If ``sr`` is out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tone.wav"
    ...     soundfile.write(path, np.sin(np.arange(16_000)), 16_000)
    ...     y = read_audio(path, 8_000, start_s=0.25)
    >>> y.shape, y.dtype
    ((6000,), dtype('float32'))
    """
    blocks = read_blocks(
        path,
        sr,
        start_s=start_s,
        end_s=end_s,
        min_duration_s=min_duration_s,
        max_duration_s=max_duration_s,
        on_note=on_note,
    )
    return np.concatenate(list(blocks))


def read_blocks(
    path: str | os.PathLike[str],
    sr: int,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    min_duration_s: float = 0.0,
    max_duration_s: float = math.inf,
    on_note: Callable[[AudioNote], None] | None = None,
    on_decoded: Callable[[AudioInfo], None] | None = None,
) -> Generator[Samples, None, None]:
    """Yield the samples of :func:`read_audio` in blocks of about 10 s, in bounded memory.

    Silence, insufficient duration and truncation are known only at the end: a caller that gets an AudioError there
    must discard the blocks before it.

    Parameters
    ----------
    path, sr, start_s, end_s, min_duration_s, on_note
        As for :func:`read_audio`.
    max_duration_s : float
        Maximum decoded duration, seconds; what is longer is refused as soon as it is.
    on_decoded : function of an AudioInfo, or None
        Called before duration and level are checked, with the duration that was decoded in place of the declared one.

    Yields
    ------
    ndarray, shape (n,), float32
        Consecutive samples, full scale -1 to 1.

    Raises
    ------
    AudioError
        If the file cannot be used; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.
    SettingError
        If ``sr`` is out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tone.wav"
    ...     soundfile.write(path, np.sin(np.arange(25 * 8_000)), 8_000)
    ...     [len(block) for block in read_blocks(path, 8_000)]
    [80000, 80000, 40000]
    """
    if not MIN_RATE_HZ <= sr <= MAX_RATE_HZ:
        raise SettingError(f"sr is {sr}; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    with open_sound(Path(path)) as decoder:
        info = decoder.info
        if not (0 <= start_s < math.inf and (end_s is None or start_s < end_s < math.inf)):
            raise _bad_segment(start_s, end_s, info.duration_s)
        downmix = Downmix(info.sample_rate_hz, decoder.lfe_channels)
        mono = downmix.mix(map(_finite, decoder.blocks(start_s, end_s)))
        bounded = _bounded(mono, info.sample_rate_hz, max_duration_s)
        checked_blocks = _checked(bounded, decoder, start_s, end_s, min_duration_s, on_decoded)
        yield from resampled(checked_blocks, info.sample_rate_hz, sr)
        if on_note is not None:
            for note in (*decoder.notes, *downmix.notes()):
                on_note(note)


def _finite(block: Samples) -> Samples:
    """Return a block, or raise AudioError if a sample is not a finite number."""
    # NaN is neither above nor below; the extremes take a quarter of the time of all magnitudes
    if block.size and not (block.min() > -MAX_MAGNITUDE and block.max() < MAX_MAGNITUDE):
        raise AudioError("non_finite", "contains samples that are not finite numbers; export the file again")
    return block


def _bounded(blocks: Iterable[Samples], sample_rate_hz: int, max_duration_s: float) -> Iterator[Samples]:
    """Yield the blocks, or raise AudioError once they are longer than the maximum."""
    n = 0
    for block in blocks:
        n += len(block)
        if n > max_duration_s * sample_rate_hz:
            raise AudioError("too_long", f"more than {max_duration_s:g} s of sound; cut it into parts")
        yield block


def _checked(
    blocks: Iterable[Samples],
    decoder: Decoder,
    start_s: float,
    end_s: float | None,
    min_duration_s: float,
    on_decoded: Callable[[AudioInfo], None] | None,
) -> Iterator[Samples]:
    """Yield the blocks, then check their total duration and level."""
    n, low, high = 0, np.inf, -np.inf
    for block in blocks:
        if len(block):
            n += len(block)
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            yield block
    duration_s = n / decoder.info.sample_rate_hz
    lost_s = sum(note.seconds for note in decoder.notes if note.code == "lost")
    _check_length(duration_s, lost_s, decoder, start_s, end_s)
    if on_decoded is not None:
        on_decoded(replace(decoder.info, duration_s=duration_s))
    check_duration(duration_s, min_duration_s)
    if high - low < SILENCE_PEAK_TO_PEAK:
        raise AudioError("silent", f"{duration_s:.2f} s of silence; check the recording, or leave it out")


def check_duration(duration_s: float, min_duration_s: float) -> None:
    """Raise AudioError if there is less sound than the minimum.

    Parameters
    ----------
    duration_s : float
        Decoded duration, seconds.
    min_duration_s : float
        Minimum decoded duration, seconds.

    Raises
    ------
    AudioError
        With the code ``too_short``.

    Examples
    --------
    >>> check_duration(0.5, 0.5)
    """
    if duration_s < min_duration_s:
        raise AudioError(
            "too_short", f"{duration_s:.2g} s of sound; at least {min_duration_s:g} s is needed (`min_duration_s`)"
        )


def _bad_segment(start_s: float, end_s: float | None, declared_s: float | None) -> AudioError:
    """Return the error for a segment that is not in the file."""
    return AudioError(
        "bad_segment",
        f"the segment {start_s:g}-{'' if end_s is None else format(end_s, 'g')} s lies outside the file"
        + (f", which has {declared_s:.2f} s" if declared_s is not None else "")
        + f"; {SEGMENT_REMEDY}",
    )


def _check_length(duration_s: float, lost_s: float, decoder: Decoder, start_s: float, end_s: float | None) -> None:
    """Raise AudioError if less was decoded than the header declares or the segment asks for."""
    declared_s, tolerance_s = decoder.info.duration_s, LENGTH_TOLERANCE_S * decoder.n_recordings
    expected_end_s = end_s if end_s is not None else declared_s
    if duration_s == 0 and start_s == 0:
        raise AudioError("no_samples", "has a header but no samples; record or export it again")
    if (declared_s is not None and max(start_s, end_s or 0.0) > declared_s + tolerance_s) or duration_s == 0:
        raise _bad_segment(start_s, end_s, declared_s)
    if expected_end_s is None:
        return
    if duration_s + lost_s < expected_end_s - start_s - tolerance_s:
        raise AudioError(
            "truncated",
            f"{duration_s:.2f} s decoded of {expected_end_s - start_s:.2f} s declared; copy or export the file again",
        )


def resampled(blocks: Iterable[Samples], rate_in: int, rate_out: int) -> Iterator[Samples]:
    """Yield the blocks at ``rate_out`` hertz, resampled as one stream so that block edges have no effect.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n,), float32
        Consecutive mono samples.
    rate_in, rate_out : int
        Rates, hertz.

    Examples
    --------
    >>> sum(len(block) for block in resampled([np.zeros(8_000, np.float32)] * 2, 8_000, 16_000))
    32000
    """
    if rate_in == rate_out:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


@contextmanager
def open_sound(path: Path) -> Iterator[Decoder]:
    """Return a context manager that opens a file and gives the decoder that recognises its content.

    Parameters
    ----------
    path : Path
        An audio file.

    Returns
    -------
    context manager of Decoder
        The decoder, open until the context ends.

    Raises
    ------
    AudioError
        If the file cannot be opened or decoded.
    """
    with open_file(path) as handle, open_decoder(handle) as decoder:
        yield decoder


def open_file(path: Path) -> BinaryIO:
    """Return the open file, or raise AudioError with the system's reason.

    Parameters
    ----------
    path : Path
        A regular file that has bytes.

    Raises
    ------
    AudioError
        ``vanished``, ``unreadable``, ``not_a_file`` or ``empty``.
    """
    path = find_path(path)
    try:
        mode = path.stat().st_mode
        handle = path.open("rb") if stat.S_ISREG(mode) else None
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
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
