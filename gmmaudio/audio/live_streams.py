"""Sound that arrives while it is read: a pipe that cannot be searched, or raw samples of a known rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from gmmaudio.audio.decode import resampled
from gmmaudio.audio.downmix import Downmix
from gmmaudio.audio.ffmpeg import CONTAINERS, MEDIA_REMEDY
from gmmaudio.audio.formats import MAX_RATE_HZ, MIN_RATE_HZ, AudioNote, Samples
from gmmaudio.errors import AudioError, SettingError

# seconds that are passed on at once
PIECE_S = 0.5
# full scale of 16-bit samples
FULL_SCALE = 32768.0


def read_stream_blocks(
    stream: BinaryIO, sr: int, *, on_note: Callable[[AudioNote], None] | None = None
) -> Iterator[Samples]:
    """Yield the sound of a file that arrives through a pipe, mono and resampled, as soon as it is decoded.

    The bytes are decoded by FFmpeg as they come (the ``media`` extra): what can only be told from a whole file, such as
    wrong declared lengths and joined recordings, is not looked at.

    Parameters
    ----------
    stream : binary file
        Open for reading, such as ``sys.stdin.buffer``.
    sr : int
        Rate to resample to, hertz.
    on_note : function of an AudioNote, or None
        Called at the end with what is to be said of the channels.

    Yields
    ------
    ndarray, shape (n,), float32
        Consecutive samples, about half a second, full scale -1 to 1.

    Raises
    ------
    AudioError
        ``needs_media`` without the extra, ``not_audio`` where there is no sound that FFmpeg decodes, ``damaged`` where
        decoding fails later.

    Examples
    --------
    >>> import io
    >>> import soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.sin(np.arange(16_000)), 8_000, format="WAV")
    >>> sum(len(block) for block in read_stream_blocks(io.BytesIO(file.getvalue()), 8_000))
    16000
    """
    try:
        import av
    except ImportError as error:
        raise AudioError("needs_media", f"sound on a pipe is decoded by FFmpeg; {MEDIA_REMEDY}") from error
    source = _ForwardOnly(stream)
    try:
        container: Any = av.open(source, mode="r", metadata_errors="ignore", options={"format_whitelist": CONTAINERS})
    except (av.FFmpegError, OSError, ValueError) as error:
        source.raise_stopped()
        raise AudioError("not_audio", f"is no sound that FFmpeg decodes ({error}); check what is piped in") from error
    with container:
        track = container.streams.best("audio")
        if track is None or track.codec_context is None:
            raise AudioError("not_audio", "contains no audio stream; check what is piped in")
        try:
            yield from _decoded(container, track, sr, source, on_note)
        except (av.FFmpegError, OSError, ValueError) as error:
            source.raise_stopped()
            raise AudioError("damaged", f"cannot be decoded further ({error}); check what is piped in") from error


def read_raw_blocks(
    stream: BinaryIO, rate_hz: int, sr: int, *, n_channels: int = 1, piece_s: float = PIECE_S
) -> Iterator[Samples]:
    r"""Yield raw PCM samples, signed 16-bit little endian, as mono samples at another rate, as they arrive.

    Parameters
    ----------
    stream : binary file
        Open for reading.
    rate_hz : int
        Rate of the samples, hertz.
    sr : int
        Rate to resample to, hertz.
    n_channels : int
        Interleaved channels.
    piece_s : float
        Length of a block, seconds: how long sound waits. Whether channels cancel is looked at in each.

    Yields
    ------
    ndarray, shape (n,), float32
        Consecutive samples, full scale -1 to 1; what is left of a sample at the end is dropped.

    Raises
    ------
    SettingError
        If the rate is outside its bounds, or there is no channel.

    Examples
    --------
    >>> import io
    >>> [block.tolist() for block in read_raw_blocks(io.BytesIO(b"\x00\x40\x00\xc0"), 8_000, 8_000)]
    [[0.5, -0.5]]
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or n_channels < 1:
        raise SettingError(
            f"raw samples at {rate_hz} Hz in {n_channels} channels; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, and 1 "
            "or more"
        )
    yield from resampled(Downmix(rate_hz).mix(_raw_pieces(stream, round(piece_s * rate_hz), n_channels)), rate_hz, sr)


def _raw_pieces(stream: BinaryIO, n_samples: int, n_channels: int) -> Iterator[Samples]:
    """Yield raw samples in pieces of one length, shape (n, n_channels): how a piece is mixed depends on all of it."""
    n_bytes, held = 2 * n_channels * max(1, n_samples), b""
    # a read that does not wait for more than there is
    read = getattr(stream, "read1", stream.read)
    while data := read(n_bytes):
        held += data
        while len(held) >= n_bytes:
            yield _as_float(held[:n_bytes], n_channels)
            held = held[n_bytes:]
    if len(held) >= 2 * n_channels:
        yield _as_float(held[: len(held) // (2 * n_channels) * 2 * n_channels], n_channels)


def _as_float(data: bytes, n_channels: int) -> Samples:
    """Return signed 16-bit samples at full scale -1 to 1, shape (n, n_channels)."""
    samples = np.frombuffer(data, dtype="<i2").reshape(-1, n_channels)
    return np.asarray(samples / np.float32(FULL_SCALE), dtype=np.float32)


def _decoded(
    container: Any, track: Any, sr: int, source: _ForwardOnly, on_note: Callable[[AudioNote], None] | None
) -> Iterator[Samples]:
    """Yield the sound of a track, mono and resampled."""
    import av

    rate_hz = int(track.rate)
    planes = av.AudioResampler(format="fltp", rate=rate_hz)

    def blocks() -> Iterator[Samples]:
        held: list[Samples] = []
        for frame in container.decode(track):
            held += [np.ascontiguousarray(part.to_ndarray().T) for part in planes.resample(frame)]
            if sum(map(len, held)) >= PIECE_S * rate_hz:
                yield np.concatenate(held)
                held = []
        source.raise_stopped()
        if held:
            yield np.concatenate(held)

    downmix = Downmix(rate_hz)
    yield from resampled(downmix.mix(blocks()), rate_hz, sr)
    if on_note is not None:
        for note in downmix.notes():
            on_note(note)


class _ForwardOnly:
    """A stream without the methods that search it: FFmpeg then asks for none."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._stopped: BaseException | None = None

    def read(self, n: int) -> bytes:
        """Return the next bytes, as many as have arrived; none where a signal has stopped the run."""
        read = getattr(self._stream, "read1", self._stream.read)
        try:
            data: bytes = b"" if self._stopped is not None else read(n)
        except BaseException as error:  # noqa: BLE001 - PyAV, which calls this, would discard it
            self._stopped = error
            return b""
        return data

    def raise_stopped(self) -> None:
        """Raise what stopped a read, if anything did."""
        if self._stopped is not None:
            raise self._stopped
