"""Short excerpts of recordings, in files that every browser plays: their place in the recording, and their writing."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import soundfile

from gmmaudio.audio.decode import read_blocks, read_info
from gmmaudio.audio.formats import Samples
from gmmaudio.errors import SettingError
from gmmaudio.outputs import write_beside
from gmmaudio.values import checked

# a rate of MP3 and of every sound card, with the band up to 16 kHz: 6 s take about 45 kB
EXCERPT_RATE_HZ = 32_000
# seconds of a long recording that are decoded in search of its loudest part
MAX_SCANNED_S = 120.0
SCAN_RATE_HZ = 8_000
SCAN_STEP_S = 0.1


@checked
def find_loudest_part(
    path: str | os.PathLike[str], *, length_s: float = 6.0, start_s: float = 0.0, end_s: float | None = None
) -> tuple[float, float]:
    """Return the start and end of the part of a recording that has the most energy.

    Of a recording or segment longer than 120 s, the middle 120 s are searched, so that the work has a bound; the first
    120 s where the file does not declare its length. Parts begin at multiples of 0.1 s; of several with the same
    energy, the first is taken.

    Parameters
    ----------
    path : path-like
        An audio file.
    length_s : float
        Length of the part, seconds, at least 0.1. Where there is less sound, all of it is the part.
    start_s, end_s : float
        Segment to search, seconds from the start of the file; all of it by default.

    Returns
    -------
    tuple of float
        Start and end, seconds from the start of the file.

    Raises
    ------
    AudioError
        If the file cannot be used, or is silent; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.
    SettingError
        If ``length_s`` is out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> y = np.sin(np.arange(80_000)) * np.repeat([0.1, 0.1, 0.9, 0.1, 0.1], 16_000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/tone.wav", y, 16_000)
    ...     find_loudest_part(f"{folder}/tone.wav", length_s=1.0)
    (2.0, 3.0)
    """
    if not SCAN_STEP_S <= length_s <= MAX_SCANNED_S:
        raise SettingError(f"`length_s` is {length_s:g}; expected {SCAN_STEP_S:g} to {MAX_SCANNED_S:g} s")
    stop_s = end_s if end_s is not None else read_info(path).duration_s
    if stop_s is not None and stop_s - start_s > MAX_SCANNED_S:
        start_s += (stop_s - start_s - MAX_SCANNED_S) / 2
    scanned_s = MAX_SCANNED_S if stop_s is None else min(MAX_SCANNED_S, stop_s - start_s)
    y = _first_seconds(path, start_s, scanned_s)
    if len(y) <= length_s * SCAN_RATE_HZ:
        return start_s, start_s + len(y) / SCAN_RATE_HZ
    step = round(SCAN_STEP_S * SCAN_RATE_HZ)
    energies = np.square(y[: len(y) // step * step].reshape(-1, step), dtype=np.float64).sum(axis=1)
    totals = np.concatenate([[0.0], np.cumsum(energies)])
    n_steps = min(round(length_s / SCAN_STEP_S), len(energies))
    first = int(np.argmax(totals[n_steps:] - totals[:-n_steps]))
    start_s = round(start_s + first * SCAN_STEP_S, 3)
    return start_s, round(start_s + length_s, 3)


def write_excerpt(
    path: str | os.PathLike[str], out_stem: str | os.PathLike[str], *, start_s: float, end_s: float
) -> str:
    """Write a part of a recording as a mono file that every browser plays, and return the file's name.

    The recording is read as for a model (:func:`gmmaudio.audio.read_audio`), so that what is heard is what is scored.
    The excerpt is an MP3 of 32,000 Hz, or a 16-bit WAV where libsndfile cannot write MP3. Samples beyond full scale
    are clipped.

    Parameters
    ----------
    path : path-like
        Any file that :func:`gmmaudio.audio.read_audio` reads.
    out_stem : path-like
        File to write or replace, without its suffix, which is added. It is written whole or not at all.
    start_s, end_s : float
        Part to write, seconds from the start of the recording.

    Returns
    -------
    str
        Name of the file, with the suffix ``.mp3`` or ``.wav``, without its folder.

    Raises
    ------
    AudioError
        If the part cannot be read, or is silent; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/tone.wav", np.sin(np.arange(32_000)), 8_000)
    ...     name = write_excerpt(f"{folder}/tone.wav", f"{folder}/excerpt", start_s=1.0, end_s=2.5)
    ...     read_info(f"{folder}/{name}").duration_s
    1.5
    """
    y = np.concatenate(list(read_blocks(path, EXCERPT_RATE_HZ, start_s=start_s, end_s=end_s)))
    kind = "MP3" if "MP3" in soundfile.available_formats() else "WAV"
    content = _encoded(np.clip(y, -1.0, 1.0), kind)
    target = Path(f"{os.fspath(out_stem)}.{kind.lower()}")
    with write_beside(target) as handle:
        handle.write(content)
    return target.name


def _first_seconds(path: str | os.PathLike[str], start_s: float, length_s: float) -> Samples:
    """Return up to some seconds of a file from a place on, at the rate of the search; what comes after is not read."""
    blocks: list[Samples] = []
    missing = round(length_s * SCAN_RATE_HZ)
    for block in read_blocks(path, SCAN_RATE_HZ, start_s=start_s):
        blocks.append(block[:missing])
        missing -= len(blocks[-1])
        if missing <= 0:
            break
    return np.concatenate(blocks)


def _encoded(y: Samples, kind: str) -> bytes:
    """Return the bytes of a mono sound file."""
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", samplerate=EXCERPT_RATE_HZ, channels=1, format=kind) as sound:
        # a second at a time: encoders of libsndfile may overrun their stack with large blocks
        for at in range(0, len(y), EXCERPT_RATE_HZ):
            sound.write(y[at : at + EXCERPT_RATE_HZ])
    return content.getvalue()
