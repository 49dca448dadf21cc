"""Decoding by PyAV (FFmpeg), where the ``media`` extra is installed: what libsndfile does not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from gmmaudio.audio.formats import BLOCK_S, AudioInfo, Samples, UnnamedFile, check_header
from gmmaudio.errors import AudioError

# FFmpeg also reads playlists that lead to other files and session descriptions that wait for the network
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,asf,avi,amr,ac3,eac3,wv,ape,flv,flac,ogg,mp3,caf,wav,aiff,w64,"
    "mpeg,mpegts,tta,dts"
)
# those that declare no length, and of which FFmpeg guesses one from the bit rate
CONTAINERS_WITHOUT_LENGTH = ("aac", "ac3", "eac3", "mp3", "amr", "dts", "mpeg", "mpegts")
MEDIA_REMEDY = "install the media extra: pip install 'gmmaudio[media]'"


@contextmanager
def open_ffmpeg(handle: BinaryIO, sndfile_says: str) -> Iterator[FfmpegDecoder]:
    """Open with PyAV what libsndfile did not know."""
    handle.seek(0)
    head = handle.read(4096)
    handle.seek(0)
    if head.startswith(b"caff") and "malformed" in sndfile_says:  # FFmpeg reads a cut CAF as if it were whole
        raise _not_decoded(head, sndfile_says)
    try:
        import av
    except ImportError as error:
        if _looks_like_media(head) or head.startswith(b"fLaC"):
            raise AudioError("needs_media", f"is a format that libsndfile does not read; {MEDIA_REMEDY}") from error
        raise _not_decoded(head, sndfile_says) from error
    try:
        container = av.open(UnnamedFile(handle), metadata_errors="ignore", options={"format_whitelist": CONTAINERS})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _not_decoded(head, sndfile_says) from error
    with container:
        if not container.streams.audio:
            raise AudioError("not_audio", "holds no sound track; leave it out")
        if container.streams.audio[0].codec_context is None:
            raise AudioError("not_audio", "holds sound that no decoder here knows; convert it")
        yield FfmpegDecoder(container)


class FfmpegDecoder:
    """Decoding by PyAV (FFmpeg)."""

    def __init__(self, container: Any) -> None:
        self._container = container
        stream = container.streams.audio[0]
        check_header(int(stream.rate or 0), int(stream.channels or 0))
        seconds = None
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / 1e6
        if container.format.name in CONTAINERS_WITHOUT_LENGTH:
            seconds = None
        self.info = AudioInfo(int(stream.rate), int(stream.channels), seconds, container.format.name)

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield (n, n_channels) float32 blocks of the segment, counted from the first sample decoded."""
        import av

        sr, channels = self.info.sample_rate_hz, self.info.n_channels
        first, last = round(start_s * sr), None if end_s is None else round(end_s * sr)
        planar = av.AudioResampler(format="fltp", layout=self._container.streams.audio[0].layout, rate=sr)
        position, pending, held = 0, [], 0
        try:
            for frame in self._container.decode(audio=0):
                for part in planar.resample(frame):
                    block = part.to_ndarray()[:channels].T.astype(np.float32, copy=False)
                    cut = block[max(0, first - position) : None if last is None else max(0, last - position)]
                    position += len(block)
                    pending.append(cut)
                    held += len(cut)
                if held >= BLOCK_S * sr:
                    yield np.concatenate(pending)
                    pending, held = [], 0
                if last is not None and position >= last:
                    break
        except (av.FFmpegError, OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise AudioError(
                "truncated",
                f"decoding fails {position / sr:.2f} s into the file ({said}); copy it again",
            ) from error
        if held:
            yield np.concatenate(pending)


def _looks_like_media(head: bytes) -> bool:
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


def _not_decoded(head: bytes, sndfile_says: str) -> AudioError:
    """Return the error for content that no decoder takes: damaged where its first bytes are an audio format's."""
    audio = (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"riff", b"RF64", b"ID3")
    if head.startswith(audio) or _looks_like_media(head) or head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return AudioError(
            "damaged",
            f"begins like a sound file and cannot be decoded ({sndfile_says.rstrip('.')}); copy it again",
        )
    return AudioError("not_audio", "is not a sound file that any decoder here knows; leave it out or convert it")
