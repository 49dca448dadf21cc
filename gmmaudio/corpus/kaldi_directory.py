"""Data directories of Kaldi: ``wav.scp``, ``utt2lang``, and ``utt2spk`` and ``segments`` where they are there.

Commands in ``wav.scp`` are refused, and never run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from gmmaudio.corpus.clip import Clip, Corpus
from gmmaudio.corpus.reading import corpus_of_clips, locate
from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.files import TABLE_BYTES, read_limited
from gmmaudio.findings import Finding, some_names
from gmmaudio.text_tables import decode_text

WAVES, LABELS, SPEAKERS, SEGMENTS = "wav.scp", "utt2lang", "utt2spk", "segments"


def read_kaldi(folder: Path, _suffixes: Collection[str] = ()) -> Corpus:
    """Return the utterances of a data directory: labels by ``utt2lang``, groups by ``utt2spk``.

    Parameters
    ----------
    folder : Path
        The directory. A relative path in its ``wav.scp`` is looked for in it, and then in the current folder, as
        recipes of Kaldi run.
    _suffixes : collection of str
        Not used: files are named.

    Returns
    -------
    Corpus
        One clip for each utterance, whose name is in the column ``utterance``.

    Raises
    ------
    CorpusError
        If a file is missing or a line is wrong, a recording is a command, or no utterance has a label and a recording.

    References
    ----------
    Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011; https://kaldi-asr.org/doc/data_prep.html.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "wav.scp").write_text("ann-1 ann/1.wav")
    ...     _ = Path(folder, "utt2lang").write_text("ann-1 en")
    ...     read_kaldi(Path(folder)).clips[0].label
    'en'
    """
    if not (folder / LABELS).exists():
        raise CorpusError(f"{folder}: has {WAVES} and no {LABELS}; expected one line for each utterance, such as u1 en")
    waves = {name: _place(folder, line, value) for name, (line, value) in _read(folder / WAVES).items()}
    labels = _read(folder / LABELS)
    speakers = _read(folder / SPEAKERS) if (folder / SPEAKERS).exists() else {}
    parts = _segments(folder, waves) if (folder / SEGMENTS).exists() else {name: (name, 0.0, None) for name in waves}
    clips = tuple(
        Clip(
            path=waves[parts[name][0]],
            label=label,
            group=speakers[name][1] if name in speakers else None,
            start_s=parts[name][1],
            end_s=parts[name][2],
            extra={"utterance": name},
        )
        for name, (_, label) in labels.items()
        if name in parts
    )
    if not clips:
        raise CorpusError(
            f"{folder}: none of {len(labels)} utterances in {LABELS} is in "
            f"{SEGMENTS if (folder / SEGMENTS).exists() else WAVES}; both name utterances in the first column"
        )
    return corpus_of_clips(folder, folder, clips, _left_out(set(labels) ^ set(parts)))


def _left_out(names: Collection[str]) -> tuple[Finding, ...]:
    """Return the finding on utterances that have a label or a recording only."""
    if not names:
        return ()
    return (
        Finding(
            "utterances_left_out",
            "warning",
            f"{len(names)} utterances have a label or a recording, not both, and are left out: "
            f"{some_names(sorted(names))}",
            "add the missing lines",
        ),
    )


def _read(path: Path) -> dict[str, tuple[int, str]]:
    """Return the lines of a file by their first word: the number of the line, and what follows the word."""
    found: dict[str, tuple[int, str]] = {}
    for line, name, value in _lines(path):
        if name in found:
            raise CorpusError(f"{path}, line {line}: {name!r} is there twice; keep one line")
        if not value:
            raise CorpusError(f"{path}, line {line}: has {name!r} alone; expected a value after it")
        found[name] = line, value
    return found


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield number, first word and the rest of every line that is not empty."""
    try:
        text = decode_text(read_limited(path, TABLE_BYTES))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not a UTF-8 text; save it as one") from error
    except ReadError as error:
        raise CorpusError(f"{error}; expected a file of a Kaldi data directory") from error
    for number, line in enumerate(re.split("\r\n?|\n", text), start=1):
        name, _, value = line.strip().replace("\t", " ").partition(" ")
        if name:
            yield number, name, value.strip()


def _place(folder: Path, line: int, value: str) -> str:
    """Return the path of a recording, relative to the directory where it is in it."""
    if value.endswith("|") or value.startswith("|"):
        raise CorpusError(
            f"{folder / WAVES}, line {line}: is a command ({value[:60]!r}), which is never run; run it yourself, and "
            "name the file that it makes"
        )
    return locate(folder, value)


def _segments(folder: Path, waves: Collection[str]) -> dict[str, tuple[str, float, float | None]]:
    """Return recording, start and end (None is its end), seconds, of every utterance."""
    parts: dict[str, tuple[str, float, float | None]] = {}
    for name, (line, value) in _read(folder / SEGMENTS).items():
        where, words = f"{folder / SEGMENTS}, line {line}", value.split()
        if len(words) < 3:
            raise CorpusError(f"{where}: has {1 + len(words)} words; expected utterance, recording, start and end")
        recording, start_s, end_s = words[0], _seconds(where, words[1]), _seconds(where, words[2])
        if recording not in waves:
            raise CorpusError(f"{where}: the recording {recording!r} is not in {WAVES}; add its line")
        # -1 is the end of the recording
        if start_s < 0 or (end_s != -1 and end_s <= start_s):
            raise CorpusError(f"{where}: is from {start_s:g} to {end_s:g} s; expected 0 or more, and an end after it")
        parts[name] = recording, start_s, None if end_s == -1 else end_s
    return parts


def _seconds(where: str, word: str) -> float:
    """Return a number of seconds."""
    try:
        value = math.nan if "_" in word else float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CorpusError(f"{where}: {word!r} is no number of seconds")
    return value
