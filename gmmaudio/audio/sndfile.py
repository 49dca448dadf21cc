"""Decoding by libsndfile, and its and Ogg's ways of telling that a file was cut short."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from gmmaudio.audio.formats import BLOCK_S, AudioInfo, Samples, check_header
from gmmaudio.errors import AudioError


class SndfileDecoder:
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
