"""Decoders of the recordings of a file: one, or several that were joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Protocol

from gmmaudio.audio.ffmpeg import open_ffmpeg
from gmmaudio.audio.formats import AudioInfo, AudioNote, Samples, mixed_rates
from gmmaudio.audio.layout import find_recordings
from gmmaudio.audio.sndfile import SndfileDecoder, open_sndfile
from gmmaudio.audio.splice import Recording, SplicedFile


class Decoder(Protocol):
    """An open audio file."""

    info: AudioInfo
    # what is to be said of the file; complete once the blocks are read
    notes: list[AudioNote]
    # indices of the channels for low-frequency effects
    lfe_channels: tuple[int, ...]
    # each may declare a little more than it has
    n_recordings: int

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield (n, n_channels) float32 blocks of the segment."""


@contextmanager
def open_decoder(handle: BinaryIO) -> Iterator[Decoder]:
    """Return a context manager that opens the decoder of a file's content.

    Parameters
    ----------
    handle : binary file
        The open file, at any position.

    Returns
    -------
    context manager of Decoder
        The decoder, open until the context ends.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    """
    recordings = find_recordings(handle)
    if len(recordings) > 1:
        yield JoinedDecoder(handle, recordings)
        return
    with _open_recording(handle, recordings[0]) as decoder:
        yield decoder


@contextmanager
def _open_recording(handle: BinaryIO, recording: Recording) -> Iterator[Decoder]:
    """Open the decoder that recognises the bytes of a recording."""
    import soundfile

    content = SplicedFile(handle, recording.parts)
    with ExitStack() as stack:
        try:
            sound = stack.enter_context(open_sndfile(content))
        except soundfile.LibsndfileError as error:
            yield stack.enter_context(open_ffmpeg(content, str(error.error_string), recording))
        else:
            yield SndfileDecoder(sound, recording)


class JoinedDecoder:
    """Several recordings in one file, decoded one after another as one sound.

    Parameters
    ----------
    handle : binary file
        The open file.
    recordings : sequence of Recording
        The recordings, in order.

    Attributes
    ----------
    info : AudioInfo
        The declarations of the first, with the sum of the durations; None where one of them declares none.
    notes : list of AudioNote
        ``joined``, and the notes of every recording that was read.
    lfe_channels : tuple of int
        Those of the first, where all have the same number of channels; else none.
    n_recordings : int
        Their number.

    Raises
    ------
    AudioError
        ``mixed_rates`` if their sample rates differ, or as for the decoder of a recording.
    """

    def __init__(self, handle: BinaryIO, recordings: Sequence[Recording]) -> None:
        self._handle, self._recordings = handle, recordings
        self.n_recordings = len(recordings)
        declarations = [self._declarations(recording) for recording in recordings]
        self._infos = [info for info, _ in declarations]
        rates = {info.sample_rate_hz: None for info in self._infos}
        if len(rates) > 1:
            raise mixed_rates(rates)
        durations = [info.duration_s for info in self._infos]
        known = [duration for duration in durations if duration is not None]
        first = self._infos[0]
        total_s = sum(known) if len(known) == len(durations) else None
        self.info = AudioInfo(first.sample_rate_hz, first.n_channels, total_s, first.format)
        one_layout = len({info.n_channels for info in self._infos}) == 1
        self.lfe_channels = declarations[0][1] if one_layout else ()
        n_joined = sum(not recording.continues for recording in recordings)
        text = f"holds {n_joined} recordings, joined"
        self.notes = [AudioNote("joined", text, total_s or 0.0)] if n_joined > 1 else []

    def blocks(self, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield the samples of a segment of the joined sound.

        Parameters
        ----------
        start_s, end_s : float
            The segment, seconds from the start of the first recording; ``end_s`` None reads to the end.

        Yields
        ------
        ndarray, shape (n, n_channels), float32
            Consecutive samples, about 10 s or fewer, at the file's own rate.

        Raises
        ------
        AudioError
            As for the decoder of a recording.
        """
        sr = self.info.sample_rate_hz
        first, last = round(start_s * sr), None if end_s is None else round(end_s * sr)
        position = 0
        for recording, info in zip(self._recordings, self._infos, strict=True):
            if last is not None and position >= last:
                return
            n_declared = None if info.duration_s is None else round(info.duration_s * sr)
            if n_declared is not None and position + n_declared <= first:
                position += n_declared
                continue
            n_skipped = max(0, first - position)
            n_wanted = None if last is None else last - position
            if n_declared is not None and n_wanted is not None and n_wanted >= n_declared:
                n_wanted = None
            position += n_skipped
            for block in self._recording_blocks(recording, n_skipped / sr, None if n_wanted is None else n_wanted / sr):
                position += len(block)
                yield block

    def _recording_blocks(self, recording: Recording, start_s: float, end_s: float | None) -> Iterator[Samples]:
        """Yield the samples of a segment of one recording, and keep its notes."""
        with _open_recording(self._handle, recording) as decoder:
            yield from decoder.blocks(start_s, end_s)
            self.notes += [note for note in decoder.notes if note not in self.notes]

    def _declarations(self, recording: Recording) -> tuple[AudioInfo, tuple[int, ...]]:
        """Return the declarations of one recording, and its channels for low-frequency effects."""
        with _open_recording(self._handle, recording) as decoder:
            return decoder.info, decoder.lfe_channels
