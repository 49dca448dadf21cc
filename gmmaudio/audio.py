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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import AudioError, SettingError

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
# FFmpeg also reads playlists that lead to other files and session descriptions that wait for the network
MEDIA_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,asf,avi,amr,ac3,eac3,wv,ape,flv,flac,ogg,mp3,caf,wav,aiff,w64,"
    "mpeg,mpegts,tta,dts"
)
# those that declare no length, and of which FFmpeg guesses one from the bit rate
NO_LENGTH = ("aac", "ac3", "eac3", "mp3", "amr", "dts", "mpeg", "mpegts")
# libsndfile's word for a length that the header leaves open (a FLAC written to a pipe)
UNKNOWN_FRAMES = 2**62
# 3 steps of a 16-bit converter; peak to peak, so that a constant offset is silence too
SILENCE_PEAK_TO_PEAK = 1e-4
# headers of compressed formats may round the length, and encoders pad it
LENGTH_TOLERANCE_S = 0.1
# mp3 without a length tag declares an estimate
MP3_LENGTH_TOLERANCE = 0.05
SEGMENT_CURE = "correct the manifest's start and end"
MEDIA_CURE = "install the media extra: pip install 'gmmaudio[media]'"


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
            "too_short", f"{seconds:.2g} s of sound; at least {min_duration_s:g} s is needed (--min-duration)"
        )
    if high - low < SILENCE_PEAK_TO_PEAK:
        raise AudioError("silent", f"{seconds:.2f} s of silence; check the recording, or leave it out")


def _outside(start_s: float, end_s: float | None, declared: float | None) -> AudioError:
    """Return the error for a segment that is not in the file."""
    return AudioError(
        "bad_segment",
        f"the segment {start_s:g}-{'' if end_s is None else format(end_s, 'g')} s lies outside the file"
        + (f", which has {declared:.2f} s" if declared is not None else "")
        + f"; {SEGMENT_CURE}",
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
            sound = soundfile.SoundFile(_Nameless(handle))
        except soundfile.LibsndfileError as error:
            with _open_media(handle, str(error.error_string)) as media:
                yield media
            return
        with sound:
            if sound.frames < UNKNOWN_FRAMES and not (sound.format == "MP3" and _mp3_guesses_its_length(handle)):
                yield _Sndfile(sound, handle)
                return
        # libsndfile cannot step through a FLAC that was written to a pipe
        with _open_media(handle, "its length is left open") as media:
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


class _Nameless:
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


class _Sndfile:
    """Decoding by libsndfile."""

    def __init__(self, sound: Any, handle: BinaryIO) -> None:
        self._sound = sound
        # soundfile seeks to where it is after every read, after which mpg123 lacks the bits that frames borrow
        self._seekable = sound.seekable()
        sound.seekable = lambda: False
        check_header(sound.samplerate, sound.channels)
        self.info = AudioInfo(sound.samplerate, sound.channels, sound.frames / sound.samplerate, sound.format)
        self._cut = _declared_cut(sound.extra_info) or (sound.format == "OGG" and _ogg_cut(handle))

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield (n, n_channels) float32 blocks of the segment."""
        import soundfile

        sound, sr = self._sound, self.info.sample_rate_hz
        if sound.frames == 0:
            return
        if self._cut and end_s is None:
            raise AudioError(
                "truncated",
                f"only {self.info.duration_s:.2f} s are left of a longer file; copy or export the file again",
            )
        first = round(start_s * sr)
        last = sound.frames if end_s is None else min(sound.frames, round(end_s * sr))
        left = max(0, last - first)
        done = 0
        if left > 0:
            self._skip(first)
        while left > 0:
            try:
                block = sound.read(min(left, round(BLOCK_S * sr)), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    "truncated",
                    f"decoding fails {(first + done) / sr:.2f} s or more into the file "
                    f"({error.error_string.rstrip('.')}); copy or export it again",
                ) from error
            if len(block) == 0:
                return
            left -= len(block)
            done += len(block)
            yield block

    def _skip(self, n: int) -> None:
        """Move to sample ``n`` from the start of the file."""
        import soundfile

        sound, sr = self._sound, self.info.sample_rate_hz
        if n == 0:
            return
        at = 0
        try:
            # mp3 needs a running start, for frames borrow bits from those before; GSM cannot be sought at all
            if self._seekable:
                at = sound.seek(max(0, n - sr) if sound.format == "MP3" else n)
            while at < n:
                got = len(sound.read(min(n - at, round(BLOCK_S * sr)), dtype="float32", always_2d=True))
                if got == 0:
                    return
                at += got
        except soundfile.LibsndfileError as error:
            raise AudioError(
                "truncated",
                f"decoding fails {at / sr:.2f} s or more into the file "
                f"({error.error_string.rstrip('.')}); copy or export it again",
            ) from error


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


def _declared_cut(log: str) -> bool:
    """Return whether libsndfile's log says that the data chunk is declared longer than the file."""
    for line in log.splitlines():
        name, _, rest = line.partition(":")
        declared, _, actual = rest.partition("(should be")
        if not actual or name.strip() not in {"data", "SSND", "BODY", "Data Size", "Riff size", "riff"}:
            continue
        sizes = declared.strip(), actual.strip(" )")
        # a recorder that writes to a pipe cannot know the length, and declares nothing or all it can
        if all(size.isdigit() for size in sizes) and int(sizes[1]) < int(sizes[0]) < 0x7FFF0000:
            return True
    return False


def _ogg_cut(handle: BinaryIO) -> bool:
    """Return whether the last Ogg page is cut short: Ogg declares no length in its header.

    References
    ----------
    RFC 3533, section 6: a page is 27 bytes, a table of segment lengths, then the segments.
    """
    position = handle.tell()
    size = handle.seek(0, os.SEEK_END)
    # no page is longer than 27 + 255 + 255 * 255 bytes
    handle.seek(max(0, size - 66_000))
    tail = handle.read()
    handle.seek(position)
    page = tail.rfind(b"OggS")
    if page < 0:
        return True
    header = tail[page : page + 27]
    if len(header) < 27 or len(tail) < page + 27 + header[26]:
        return True
    return len(tail) < page + 27 + header[26] + sum(tail[page + 27 : page + 27 + header[26]])


@contextmanager
def _open_media(handle: BinaryIO, sndfile_says: str) -> Iterator[_Decoder]:
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
            raise AudioError("needs_media", f"is a format that libsndfile does not read; {MEDIA_CURE}") from error
        raise _not_decoded(head, sndfile_says) from error
    try:
        container = av.open(_Nameless(handle), metadata_errors="ignore", options={"format_whitelist": MEDIA_FORMATS})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _not_decoded(head, sndfile_says) from error
    with container:
        if not container.streams.audio:
            raise AudioError("not_audio", "holds no sound track; leave it out")
        if container.streams.audio[0].codec_context is None:
            raise AudioError("not_audio", "holds sound that no decoder here knows; convert it")
        yield _Media(container)


class _Media:
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
        if container.format.name in NO_LENGTH:
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
