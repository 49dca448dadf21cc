"""Decoding by libsndfile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from gmmaudio.audio.containers.mpeg_headers import frame_duration_s
from gmmaudio.audio.formats import BLOCK_S, AudioInfo, Samples, check_header
from gmmaudio.audio.losses import Loss, note_of_losses
from gmmaudio.audio.splice import Recording, SplicedFile
from gmmaudio.audio.stderr_lines import decoder_lines
from gmmaudio.errors import AudioError

# dumps of samplers by MIDI, which are no recordings; libsndfile writes what is wrong with one to standard output
SAMPLE_DUMP = b"\xf0\x7e"
# libsndfile's number of a format that it does not know
UNRECOGNISED = 1


@contextmanager
def open_sndfile(content: SplicedFile) -> Iterator[Any]:
    """Open a file with libsndfile; a context manager.

    Parameters
    ----------
    content : SplicedFile
        The bytes of a recording.

    Yields
    ------
    soundfile.SoundFile
        The file, open until the context ends.

    Raises
    ------
    soundfile.LibsndfileError
        If libsndfile does not read it.
    """
    import soundfile

    head = content.read(2)
    content.seek(0)
    if head == SAMPLE_DUMP:
        raise soundfile.LibsndfileError(UNRECOGNISED)
    is_mpeg = head[:1] == b"\xff"
    with _lines_of_mpeg(is_mpeg):
        sound = soundfile.SoundFile(content)
    with sound:
        yield sound


class SndfileDecoder:
    """An audio file that libsndfile decodes.

    Parameters
    ----------
    sound : soundfile.SoundFile
        The open file.
    recording : Recording
        The recording that it is a part of.

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
        ``bad_header`` as for :func:`gmmaudio.audio.check_header`.
    """

    n_recordings = 1

    def __init__(self, sound: Any, recording: Recording) -> None:
        self._sound = sound
        self.notes = list(recording.notes)
        # soundfile seeks to the current position after every read, after which mpg123 lacks the bits that frames borrow
        self._n_samples = sound.frames if recording.n_samples is None else min(sound.frames, recording.n_samples)
        self._n_seekable = (sound.frames if recording.n_seekable is None else recording.n_seekable) * sound.seekable()
        sound.seekable = lambda: False
        check_header(sound.samplerate, sound.channels)
        self.info = AudioInfo(sound.samplerate, sound.channels, self._n_samples / sound.samplerate, sound.format)
        self.lfe_channels = _lfe_channels(sound)
        self._truncated = recording.truncated

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield the samples of a segment.

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
            ``truncated`` if decoding fails, or if the whole of a truncated file is asked for; ``damaged`` if too many
            frames cannot be decoded.
        """
        import soundfile

        sr, losses = self.info.sample_rate_hz, []
        if self._n_samples == 0:
            return
        if self._truncated is not None and end_s is None:
            raise AudioError("truncated", self._truncated)
        first = round(start_s * sr)
        last = self._n_samples if end_s is None else min(self._n_samples, round(end_s * sr))
        n_left = max(0, last - first)
        n_done = 0
        if n_left > 0:
            with _lines_of_mpeg(self._sound.format == "MP3"):
                self._skip(first)
        while n_left > 0:
            try:
                with _lines_of_mpeg(self._sound.format == "MP3") as lines:
                    block = self._read(min(n_left, round(BLOCK_S * sr)))
            except soundfile.LibsndfileError as error:
                raise _decoding_failed(error, (first + n_done) / sr) from error
            if len(block) == 0:
                break
            n_failed = sum("error" in line for line in lines)
            if n_failed:
                losses.append(Loss((first + n_done) / sr, n_failed * frame_duration_s(sr)))
            n_left -= len(block)
            n_done += len(block)
            yield block
        if losses:
            self.notes.append(note_of_losses(losses, n_done / sr))

    def _read(self, n: int) -> Samples:
        """Return the next ``n`` samples, shape (n, n_channels), or fewer."""
        block: Samples = self._sound.read(n, dtype="float32", always_2d=True)
        return block

    def _skip(self, n: int) -> None:
        """Move to sample ``n`` from the start of the file."""
        import soundfile

        sound, sr = self._sound, self.info.sample_rate_hz
        if n == 0:
            return
        position = 0
        try:
            # mp3 frames borrow bits from those before, so decoding starts a second early; GSM cannot be sought
            if self._n_seekable:
                position = sound.seek(min(self._n_seekable, max(0, n - sr) if sound.format == "MP3" else n))
            while position < n:
                n_read = len(self._read(min(n - position, round(BLOCK_S * sr))))
                if n_read == 0:
                    return
                position += n_read
        except soundfile.LibsndfileError as error:
            raise _decoding_failed(error, position / sr) from error


def libsndfile_version() -> str:
    """Return the version of libsndfile.

    Examples
    --------
    >>> libsndfile_version() >= "1"
    True
    """
    import soundfile

    return str(soundfile.__libsndfile_version__)


def _lines_of_mpeg(is_mpeg: bool) -> AbstractContextManager[list[str]]:
    """Return a context manager of the lines of the mp3 decoder, one for each frame that it cannot decode."""
    return decoder_lines() if is_mpeg else nullcontext([])


def _decoding_failed(error: Any, position_s: float) -> AudioError:
    """Return the error for libsndfile's failure at a position in the file, seconds."""
    return AudioError(
        "truncated",
        f"decoding fails {position_s:.2f} s or more into the file "
        f"({error.error_string.rstrip('.')}); copy or export it again",
    )


def _lfe_channels(sound: Any) -> tuple[int, ...]:
    """Return the indices of the channels for low-frequency effects, where the layout is declared or fixed.

    References
    ----------
    RFC 9639 (FLAC), section 9.1.3; Vorbis I specification, section 4.3.9, which RFC 7845 (Opus) takes over.
    """
    if sound.channels in (6, 7, 8) and sound.format == "FLAC":
        return (3,)
    if sound.channels in (6, 7, 8) and sound.format == "OGG" and sound.subtype in ("VORBIS", "OPUS"):
        return (sound.channels - 1,)
    layout = re.search(r"(?:Channel Mask|Layout) .*\((.*)\)", sound.extra_info)
    names = layout.group(1).split(", ") if layout else []
    return tuple(index for index, name in enumerate(names) if name.startswith("LFE"))
