"""Decoding by FFmpeg (PyAV) of formats that libsndfile does not read, where the ``media`` extra is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from gmmaudio.audio.formats import BLOCK_S, AudioInfo, AudioNote, Samples, check_header, mixed_rates
from gmmaudio.audio.losses import Loss, note_of_losses
from gmmaudio.audio.splice import Recording, SplicedFile
from gmmaudio.errors import AudioError

# FFmpeg also reads playlists that lead to other files and session descriptions that wait for the network
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,asf,avi,amr,ac3,eac3,wv,ape,flv,flac,ogg,mp3,caf,wav,aiff,w64,"
    "mpeg,mpegts,tta,dts"
)
# these declare no length; FFmpeg estimates one from the bit rate
CONTAINERS_WITHOUT_LENGTH = ("aac", "ac3", "eac3", "mp3", "amr", "dts", "mpeg", "mpegts")
# codecs whose frames all have the same number of samples
CODECS_OF_EQUAL_FRAMES = ("aac", "mp3", "mp3float", "mp2", "ac3", "eac3", "opus", "alac", "flac")
# a later segment is reached by a seek to a second before it, as frames depend on those before
MIN_SEEK_S, PREROLL_S = 20.0, 1.0
N_GRID_FRAMES = 8
# time stamps of some containers are rounded to milliseconds
MIN_GAP_S = 0.01
# fewer frames of another rate are damage
N_FRAMES_OF_OTHER_RATE = 4
# lossy codecs overshoot full scale by little; 18 dB above it are damage
MAX_DECODED_MAGNITUDE = 8.0
MEDIA_REMEDY = "install the media extra: pip install 'gmmaudio[media]'"


@contextmanager
def open_ffmpeg(content: SplicedFile, sndfile_error: str, recording: Recording) -> Iterator[FfmpegDecoder]:
    """Open a file that libsndfile does not read; a context manager.

    Parameters
    ----------
    content : SplicedFile
        The bytes of a recording, at any position.
    sndfile_error : str
        The message of libsndfile, which an error repeats.
    recording : Recording
        What is known of these bytes already.

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
    if head.startswith(b"caff") and "malformed" in sndfile_error:  # FFmpeg reads a truncated CAF without an error
        raise _decoding_error(head, sndfile_error)
    try:
        import av
    except ImportError as error:
        if is_ffmpeg_format(head) or head.startswith(b"fLaC"):
            raise needs_media() from error
        raise _decoding_error(head, sndfile_error) from error
    try:
        decoder = FfmpegDecoder(content, recording)
    except AudioError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _decoding_error(head, sndfile_error) from error
    try:
        yield decoder
    finally:
        decoder.close()


class FfmpegDecoder:
    """An audio file that FFmpeg decodes; of several audio tracks, the default one.

    Parameters
    ----------
    content : SplicedFile
        The bytes of a recording.
    recording : Recording
        What is known of them already.

    Attributes
    ----------
    info : AudioInfo
        The header's declarations.
    notes : list of AudioNote
        Facts about the file; complete once the blocks are read.
    lfe_channels : tuple of int
        Indices of the channels for low-frequency effects.

    Raises
    ------
    AudioError
        ``not_audio`` if there is no sound that FFmpeg decodes; ``bad_header`` as for
        :func:`gmmaudio.audio.check_header`.
    """

    n_recordings = 1

    def __init__(self, content: SplicedFile, recording: Recording) -> None:
        self._content = content
        self._truncated = recording.truncated
        self.notes = list(recording.notes)
        self._losses: list[Loss] = []
        self._gaps: list[float] = []
        self._frame_rate, self._n_other_rate = 0, 0
        self._open()
        try:
            info = _declarations(self._container, self._stream)
            self.info = info if recording.has_length else replace(info, duration_s=None)
        except AudioError:
            self.close()
            raise
        channels = self._stream.layout.channels
        self.lfe_channels = tuple(index for index, channel in enumerate(channels) if channel.name.startswith("LFE"))

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield the samples of a segment, counted from the first sample decoded.

        Packets that cannot be decoded are left out, and a note counts the time that they declare.

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
            ``damaged`` if too much is lost; ``truncated`` if the file cannot be read, or if the whole of a truncated
            file is asked for.
        """
        if self._truncated is not None and end_s is None:
            raise AudioError("truncated", self._truncated)
        sr = self.info.sample_rate_hz
        first, last = round(start_s * sr), None if end_s is None else round(end_s * sr)
        pending: list[Samples] = []
        n_pending = n_kept = 0
        for position, block in self._located_blocks(first):
            inside = block[max(0, first - position) : None if last is None else max(0, last - position)]
            if pending and inside.shape[1] != pending[0].shape[1]:
                yield np.concatenate(pending)
                pending, n_pending = [], 0
            # an empty part would keep the whole of its block in memory
            if len(inside):
                pending.append(inside)
                n_pending += len(inside)
                n_kept += len(inside)
            if n_pending >= BLOCK_S * sr:
                yield np.concatenate(pending)
                pending, n_pending = [], 0
            if last is not None and position + len(block) >= last:
                break
        if n_pending:
            yield np.concatenate(pending)
        self._note_losses(start_s, n_kept / sr)

    def _open(self) -> None:
        """Open the container at its start, and find its default audio track."""
        import av

        self._content.seek(0)
        self._container: Any = av.open(
            self._content, metadata_errors="ignore", options={"format_whitelist": CONTAINERS}
        )
        stream: Any = self._container.streams.best("audio")
        if stream is None or stream.codec_context is None:
            n_tracks = len(self._container.streams.audio)
            self.close()
            if n_tracks == 0:
                raise AudioError("not_audio", "contains no audio stream; leave it out")
            raise AudioError("not_audio", "contains audio that no installed decoder reads; convert it")
        self._stream = stream

    def _located_blocks(self, first: int) -> Iterator[tuple[int, Samples]]:
        """Yield the position and the samples of every frame, from sample ``first`` or an earlier one on."""
        import av

        sr, n_channels = self.info.sample_rate_hz, self.info.n_channels
        self._position, frames = self._seek(first) if first > MIN_SEEK_S * sr else (0, self._frames())
        planar, layout = None, self._stream.layout
        for frame in frames:
            if planar is None or frame.layout.nb_channels != layout.nb_channels:
                # joined streams may go on with other channels
                layout = frame.layout if frame.layout.nb_channels != n_channels else self._stream.layout
                planar = av.AudioResampler(format="fltp", layout=layout, rate=sr)
            for part in planar.resample(frame):
                block = part.to_ndarray()[: layout.nb_channels].T.astype(np.float32, copy=False)
                yield self._position, block
                self._position += len(block)

    def _seek(self, first: int) -> tuple[int, Iterator[Any]]:
        """Return the frames from a second before sample ``first`` on, and the position of the first of them.

        Where a time stamp does not give the position to a sample, they are the frames from the start.
        """
        import av

        sr, stream = self.info.sample_rate_hz, self._stream
        grid = _frame_grid(list(islice(self._frames(), N_GRID_FRAMES)), stream, sr)
        if grid is not None:
            target = grid.time_stamp(first - round(PREROLL_S * sr))
            try:
                self._container.seek(target, stream=stream, backward=True)
                frames = self._frames()
                frame = next(frames, None)
            except (av.FFmpegError, OSError, ValueError):
                frame = None
            position = None if frame is None or frame.pts is None else grid.position(frame.pts)
            if position is not None and position <= first:
                return position, chain([frame], frames)
        self.close()
        self._open()
        self._losses.clear()
        self._gaps.clear()
        return 0, self._frames()

    def _frames(self) -> Iterator[Any]:
        """Yield the decoded frames of all packets; what cannot be decoded is counted as lost."""
        import av

        self._position, self._pending_s = 0, 0.0
        previous = None
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._pending_s += _duration_s(packet, previous)
                continue
            for frame in frames:
                if not self._has_first_rate(frame) or self._is_garbage(frame):
                    self._pending_s += frame.samples / frame.sample_rate
                    continue
                self._count_loss(previous, frame)
                previous = frame
                yield frame

    def _has_first_rate(self, frame: Any) -> bool:
        """Return whether a frame has the rate of the first one, or raise AudioError after several that do not."""
        self._frame_rate = self._frame_rate or frame.sample_rate
        if frame.sample_rate == self._frame_rate:
            self._n_other_rate = 0
            return True
        self._n_other_rate += 1
        if self._n_other_rate >= N_FRAMES_OF_OTHER_RATE:
            raise mixed_rates([self._frame_rate, frame.sample_rate])
        return False

    def _is_garbage(self, frame: Any) -> bool:
        """Return whether a frame of a lossy codec is so loud that only damaged bytes give it."""
        if self._stream.codec_context.codec.lossless or frame.format.name not in ("flt", "fltp"):
            return False
        return bool(np.abs(frame.to_ndarray()).max(initial=0.0) > MAX_DECODED_MAGNITUDE)

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the track; where the container is damaged, those after the damaged place."""
        import av

        position = -1
        while True:
            try:
                yield from self._container.demux(self._stream)
                return
            except av.FFmpegError as error:
                if self._content.tell() <= position:
                    raise self._failure(error) from error
                position = self._content.tell()
            except IndexError:
                # PyAV does not know the number of a track that begins in the middle, and has skipped a packet of it
                continue
            except (OSError, ValueError) as error:
                raise self._failure(error) from error

    def _failure(self, error: Exception) -> AudioError:
        """Return the error for a file that cannot be read on."""
        reason = getattr(error, "strerror", None) or error
        position_s = self._position / self.info.sample_rate_hz
        return AudioError("truncated", f"decoding fails {position_s:.2f} s into the file ({reason}); copy it again")

    def _count_loss(self, previous: Any, frame: Any) -> None:
        """Count what is lost between two frames: packets that cannot be decoded, or a gap in the time stamps."""
        gap_s = _gap_s(previous, frame)
        # without a declared length, a recorder may have left out silence
        lost_s = self._pending_s if self.info.duration_s is None else max(self._pending_s, gap_s)
        if lost_s > 0:
            self._losses.append(Loss(self._position / self.info.sample_rate_hz, lost_s))
        elif gap_s > 0:
            self._gaps.append(gap_s)
        self._pending_s = 0.0

    def _note_losses(self, start_s: float, kept_s: float) -> None:
        """Add the notes of what is lost in a segment, left out, or cut off at the end."""
        losses = [loss for loss in self._losses if loss.at_s >= start_s]
        end_s = self._position / self.info.sample_rate_hz
        is_cut = any(note.code == "cut_off" for note in self.notes)
        if is_cut:
            self.notes = [_ending_at(note, end_s) if note.code == "cut_off" else note for note in self.notes]
        elif self._pending_s > 0 and self.info.duration_s is None:
            self.notes.append(_ending_at(AudioNote("cut_off", "ends within a packet"), end_s))
        elif self._pending_s > 0:
            losses.append(Loss(end_s, self._pending_s))
        if losses:
            self.notes.append(note_of_losses(losses, kept_s))
        if self._gaps:
            text = f"time stamps leave out {sum(self._gaps):.2f} s, in {len(self._gaps)} places"
            self.notes.append(AudioNote("lost", text, sum(self._gaps)))


class _FrameGrid(NamedTuple):
    """The positions of the frames of a track, by their time stamps."""

    origin: int  # position and time stamp of one frame, samples and ticks
    origin_pts: int
    samples_per_tick: Fraction
    frame_samples: int | None  # the length of every frame; None where a tick is one sample

    def time_stamp(self, position: int) -> int:
        """Return the last tick that is not after a position."""
        return self.origin_pts + int((position - self.origin) // self.samples_per_tick)

    def position(self, pts: int) -> int | None:
        """Return the position of a frame, or None where the time stamp does not fit the grid."""
        n_samples = (pts - self.origin_pts) * self.samples_per_tick
        if self.frame_samples is None:
            return self.origin + int(n_samples)
        n_snapped = round(n_samples / self.frame_samples) * self.frame_samples
        return self.origin + n_snapped if abs(n_samples - n_snapped) <= self.samples_per_tick else None


def _frame_grid(frames: list[Any], stream: Any, sr: int) -> _FrameGrid | None:
    """Return the grid that the first frames of a track show, or None where they show none."""
    sizes = [frame.samples for frame in frames]
    if len(frames) < N_GRID_FRAMES or any(frame.pts is None or frame.sample_rate != sr for frame in frames):
        return None
    # an encoder's delay is cut from the first frames
    origin, origin_pts = sum(sizes[:2]), frames[2].pts
    samples_per_tick = Fraction(stream.time_base) * sr
    if stream.codec_context.name in CODECS_OF_EQUAL_FRAMES and len(set(sizes[2:])) == 1:
        grid = _FrameGrid(origin, origin_pts, samples_per_tick, sizes[2])
    elif samples_per_tick == 1:
        grid = _FrameGrid(origin, origin_pts, samples_per_tick, None)
    else:
        return None
    positions = [origin + sum(sizes[2:index]) for index in range(2, N_GRID_FRAMES)]
    return grid if [grid.position(frame.pts) for frame in frames[2:]] == positions else None


def _ending_at(note: AudioNote, end_s: float) -> AudioNote:
    """Return a note with the time at which the sound ends."""
    return AudioNote(note.code, f"{note.text.partition(', after')[0]}, after {end_s:.2f} s", end_s)


def _duration_s(packet: Any, previous: Any) -> float:
    """Return the duration of a packet: the declared one, or that of the frame before it."""
    if packet.duration:
        return float(packet.duration * packet.time_base)
    return 0.0 if previous is None else previous.samples / previous.sample_rate


def _gap_s(previous: Any, frame: Any) -> float:
    """Return the time that the time stamps of two frames leave out between them; 0 below their resolution."""
    if previous is None or previous.pts is None or frame.pts is None:
        return 0.0
    gap_s = float((frame.pts - previous.pts) * frame.time_base) - previous.samples / previous.sample_rate
    return gap_s if gap_s > max(MIN_GAP_S, 2 * float(frame.time_base)) else 0.0


def _declarations(container: Any, stream: Any) -> AudioInfo:
    """Return the declarations of a header."""
    check_header(int(stream.rate or 0), int(stream.channels or 0))
    duration_s = None
    if stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / 1e6
    if container.format.name in CONTAINERS_WITHOUT_LENGTH:
        duration_s = None
    if duration_s and container.format.name == "avi" and stream.frames and stream.codec_context.name.startswith("pcm"):
        # writers of AVI round the length up by more than a packet; the index counts samples
        duration_s = min(duration_s, stream.frames / stream.rate)
    return AudioInfo(int(stream.rate), int(stream.channels), duration_s, container.format.name)


def is_ffmpeg_format(head: bytes) -> bool:
    r"""Return whether the first bytes are of a container that FFmpeg reads and libsndfile does not.

    Parameters
    ----------
    head : bytes
        Twelve bytes or more.

    Examples
    --------
    >>> is_ffmpeg_format(b"\0\0\0\x18ftypM4A "), is_ffmpeg_format(b"RIFF....WAVE")
    (True, False)
    """
    return (
        head[4:8] == b"ftyp"  # mp4, m4a, mov
        or head[:4] == b"\x1aE\xdf\xa3"  # matroska, webm
        or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0)  # aac (ADTS)
        or head[:4] == b"0&\xb2u"  # asf, wma
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:5] == b"#!AMR"
        or head[:4] in (b"wvpk", b"MAC ", b"FLV\x01")
    )


def needs_media() -> AudioError:
    """Return the error for a file whose format only FFmpeg reads, where it is not installed.

    Examples
    --------
    >>> needs_media().code
    'needs_media'
    """
    return AudioError("needs_media", f"is a format that libsndfile does not read; {MEDIA_REMEDY}")


def _decoding_error(head: bytes, sndfile_error: str) -> AudioError:
    """Return the error for content that cannot be decoded: ``damaged`` if it starts as an audio format does."""
    signatures = (b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"riff", b"RF64", b"ID3")
    mp3_frame = head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
    if head.startswith(signatures) or is_ffmpeg_format(head) or mp3_frame:
        return AudioError(
            "damaged",
            f"starts like an audio file but cannot be decoded ({sndfile_error.rstrip('.')}); copy it again",
        )
    return AudioError("not_audio", "is not audio that an installed decoder reads; leave it out or convert it")
