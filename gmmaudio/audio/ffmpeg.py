"""Decoding by FFmpeg (PyAV) of formats that libsndfile does not read, where the ``media`` extra is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gmmaudio.audio.formats import BLOCK_S, AudioInfo, AudioNote, Samples, check_header
from gmmaudio.audio.splice import SplicedFile
from gmmaudio.errors import AudioError

# FFmpeg also reads playlists that lead to other files and session descriptions that wait for the network
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,asf,avi,amr,ac3,eac3,wv,ape,flv,flac,ogg,mp3,caf,wav,aiff,w64,"
    "mpeg,mpegts,tta,dts"
)
# these declare no length; FFmpeg estimates one from the bit rate
CONTAINERS_WITHOUT_LENGTH = ("aac", "ac3", "eac3", "mp3", "amr", "dts", "mpeg", "mpegts")
MEDIA_REMEDY = "install the media extra: pip install 'gmmaudio[media]'"


@contextmanager
def open_ffmpeg(content: SplicedFile, sndfile_error: str, notes: Iterable[AudioNote] = ()) -> Iterator[FfmpegDecoder]:
    """Open a file that libsndfile does not read; a context manager.

    Parameters
    ----------
    content : SplicedFile
        The bytes of a recording, at any position.
    sndfile_error : str
        The message of libsndfile, which an error repeats.
    notes : iterable of AudioNote
        Facts about these bytes that are known already.

    Yields
    ------
    FfmpegDecoder
        The decoder, open until the context ends.

    Raises
    ------
    AudioError
        ``needs_media``, ``damaged`` or ``not_audio`` if the file cannot be decoded; ``bad_header`` as for
        :func:`gmmaudio.audio.check_header`.
    """
    content.seek(0)
    head = content.read(4096)
    content.seek(0)
    if head.startswith(b"caff") and "malformed" in sndfile_error:  # FFmpeg reads a truncated CAF without an error
        raise _decoding_error(head, sndfile_error)
    try:
        import av
    except ImportError as error:
        if _is_ffmpeg_format(head) or head.startswith(b"fLaC"):
            raise AudioError("needs_media", f"is a format that libsndfile does not read; {MEDIA_REMEDY}") from error
        raise _decoding_error(head, sndfile_error) from error
    try:
        container = av.open(content, metadata_errors="ignore", options={"format_whitelist": CONTAINERS})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _decoding_error(head, sndfile_error) from error
    with container:
        if not container.streams.audio:
            raise AudioError("not_audio", "contains no audio stream; leave it out")
        if container.streams.audio[0].codec_context is None:
            raise AudioError("not_audio", "contains audio that no installed decoder reads; convert it")
        yield FfmpegDecoder(container, notes)


class FfmpegDecoder:
    """An audio file that FFmpeg decodes.

    Parameters
    ----------
    container : av.container.InputContainer
        The open container; its first audio stream is decoded.
    notes : iterable of AudioNote
        Facts about the file that are known already.

    Attributes
    ----------
    info : AudioInfo
        The header's declarations.
    notes : list of AudioNote
        Facts about the file; complete once the blocks are read.
    """

    def __init__(self, container: Any, notes: Iterable[AudioNote] = ()) -> None:
        self._container = container
        self.notes = list(notes)
        stream = container.streams.audio[0]
        check_header(int(stream.rate or 0), int(stream.channels or 0))
        duration_s = None
        if stream.duration and stream.time_base:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration:
            duration_s = container.duration / 1e6
        if container.format.name in CONTAINERS_WITHOUT_LENGTH:
            duration_s = None
        self.info = AudioInfo(int(stream.rate), int(stream.channels), duration_s, container.format.name)

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield the samples of a segment, counted from the first sample decoded.

        Parameters
        ----------
        start_s, end_s : float
            The segment, seconds from the start; ``end_s`` None reads to the end.

        Yields
        ------
        ndarray, shape (n, n_channels), float32
            Consecutive samples, about 10 s, at the file's own rate.

        Raises
        ------
        AudioError
            ``truncated`` if decoding fails.
        """
        import av

        sr, n_channels = self.info.sample_rate_hz, self.info.n_channels
        first, last = round(start_s * sr), None if end_s is None else round(end_s * sr)
        planar = av.AudioResampler(format="fltp", layout=self._container.streams.audio[0].layout, rate=sr)
        position, pending, n_pending = 0, [], 0
        try:
            for frame in self._container.decode(audio=0):
                for part in planar.resample(frame):
                    block = part.to_ndarray()[:n_channels].T.astype(np.float32, copy=False)
                    inside = block[max(0, first - position) : None if last is None else max(0, last - position)]
                    position += len(block)
                    pending.append(inside)
                    n_pending += len(inside)
                if n_pending >= BLOCK_S * sr:
                    yield np.concatenate(pending)
                    pending, n_pending = [], 0
                if last is not None and position >= last:
                    break
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AudioError(
                "truncated",
                f"decoding fails {position / sr:.2f} s into the file ({reason}); copy it again",
            ) from error
        if n_pending:
            yield np.concatenate(pending)


def _is_ffmpeg_format(head: bytes) -> bool:
    """Return whether the first bytes are of a container that FFmpeg reads and libsndfile does not."""
    return (
        head[4:8] == b"ftyp"  # mp4, m4a, mov
        or head[:4] == b"\x1aE\xdf\xa3"  # matroska, webm
        or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0)  # aac (ADTS)
        or head[:4] == b"0&\xb2u"  # asf, wma
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:5] == b"#!AMR"
        or head[:4] in (b"wvpk", b"MAC ", b"FLV\x01")
    )


def _decoding_error(head: bytes, sndfile_error: str) -> AudioError:
    """Return the error for content that cannot be decoded: ``damaged`` if it starts as an audio format does."""
    signatures = (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"riff", b"RF64", b"ID3")
    mp3_frame = head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
    if head.startswith(signatures) or _is_ffmpeg_format(head) or mp3_frame:
        return AudioError(
            "damaged",
            f"starts like an audio file but cannot be decoded ({sndfile_error.rstrip('.')}); copy it again",
        )
    return AudioError("not_audio", "is not audio that an installed decoder reads; leave it out or convert it")
