"""Manifests of lhotse: recordings and supervisions, one JSON object on each line, compressed or not.

Recordings that a command or the network would give are refused: nothing is run and nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gmmaudio.corpus.clip import Clip, Corpus
from gmmaudio.corpus.json_lines import read_json_lines
from gmmaudio.corpus.reading import corpus_of_clips, locate
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.values import convert

RECORDINGS, SUPERVISIONS = "recordings", "supervisions"
SUFFIXES = (".jsonl", ".jsonl.gz")
# a supervision that ends so near to the end of its recording is all of it, seconds
TOLERANCE_S = 2e-3


class _Recording(NamedTuple):
    """Path, length in seconds and channels of a recording."""

    path: str
    duration_s: float
    channels: tuple[int, ...]


def is_lhotse(path: Path) -> bool:
    """Return whether a file is called as manifests of lhotse are.

    Parameters
    ----------
    path : Path
        A file of JSON lines.

    Examples
    --------
    >>> is_lhotse(Path("fleurs_supervisions_train.jsonl.gz")), is_lhotse(Path("metadata.jsonl"))
    (True, False)
    """
    return SUPERVISIONS in path.name or RECORDINGS in path.name


def find_supervisions(folder: Path) -> list[Path]:
    """Return the manifests of supervisions in a folder that have one of recordings beside them, sorted.

    Parameters
    ----------
    folder : Path
        A folder.

    Examples
    --------
    >>> find_supervisions(Path("no_such_folder"))
    []
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
    found = [folder / name for name in names if SUPERVISIONS in name and name.endswith(SUFFIXES)]
    return [path for path in found if _recordings_of(path).exists()]


def read_lhotse(path: Path, _suffixes: Collection[str] = ()) -> Corpus:
    """Return the supervisions of manifests: labels by ``language`` or the custom ``label``, groups by ``speaker``.

    Parameters
    ----------
    path : Path
        A folder with manifests, such as ``recordings.jsonl.gz`` and ``supervisions.jsonl.gz``, or one of them. Of
        several, such as ``fleurs_supervisions_train.jsonl.gz``, what follows the word is the split.
    _suffixes : collection of str
        Not used: files are named.

    Returns
    -------
    Corpus
        One clip for each supervision, whose name is in the column ``supervision``.

    Raises
    ------
    CorpusError
        If a manifest is missing or a line is wrong, a supervision has no label, or a recording is no file.

    References
    ----------
    Zelasko et al., "Lhotse: a speech data representation library for the modern deep learning ecosystem", 2021.
    """
    if path.is_dir():
        manifests, root = find_supervisions(path), path
    else:
        manifests, root = [path.with_name(path.name.replace(RECORDINGS, SUPERVISIONS))], path.parent
    clips = [clip for manifest in manifests for clip in _read(manifest, root, named=len(manifests) > 1)]
    if not clips:
        raise CorpusError(f"{path}: holds no supervisions; expected one for each clip")
    return corpus_of_clips(path, root, clips)


def _recordings_of(supervisions: Path) -> Path:
    """Return the path of the recordings beside supervisions."""
    return supervisions.with_name(supervisions.name.replace(SUPERVISIONS, RECORDINGS))


def _read(manifest: Path, root: Path, *, named: bool) -> list[Clip]:
    """Return the clips of one manifest of supervisions."""
    place = _recordings_of(manifest)
    if not place.exists():
        raise CorpusError(f"{manifest}: has no {place.name} beside it, which tells where its recordings are")
    recordings: dict[str, _Recording] = {}
    for line, value in read_json_lines(place):
        name, recording = _recording(f"{place}, line {line}", root, value)
        if name in recordings:
            raise CorpusError(f"{place}, line {line}: the recording {name!r} is there twice; keep one line")
        recordings[name] = recording
    split = manifest.name.partition(SUPERVISIONS)[2].removesuffix(".gz").removesuffix(".jsonl").strip("_-.")
    return [
        _clip(f"{manifest}, line {line}", value, recordings, split if named else "")
        for line, value in read_json_lines(manifest)
    ]


def _field(where: str, values: Mapping[str, Any], name: str, hint: Any) -> Any:
    """Return a field of an object, of its type; CorpusError where it is missing or of another."""
    try:
        return convert(name, values.get(name), hint)
    except SettingError as error:
        raise CorpusError(f"{where}: {error}") from error


def _recording(where: str, root: Path, values: Mapping[str, Any]) -> tuple[str, _Recording]:
    """Return name and place of a recording."""
    name = _field(where, values, "id", str)
    sources = _field(where, values, "sources", tuple[dict[str, Any], ...])
    if len(sources) != 1 or sources[0].get("type") != "file":
        kinds = ", ".join(str(source.get("type")) for source in sources) or "none"
        raise CorpusError(
            f"{where}: the recording {name!r} has sources of the types {kinds}; expected one file: commands are never "
            "run, and nothing is fetched"
        )
    path = _field(where, sources[0], "source", str)
    channels = tuple(_field(where, sources[0], "channels", tuple[int, ...] | None) or (0,))
    return name, _Recording(locate(root, path), _field(where, values, "duration", float), channels)


def _clip(where: str, values: Mapping[str, Any], recordings: Mapping[str, _Recording], split: str) -> Clip:
    """Return the clip of a supervision."""
    recording_id = _field(where, values, "recording_id", str)
    recording = recordings.get(recording_id)
    if recording is None:
        raise CorpusError(f"{where}: the recording {recording_id!r} is not in the manifest of recordings")
    custom = _field(where, values, "custom", dict[str, Any] | None) or {}
    label = _field(where, values, "language", str | None) or custom.get("label")
    if not isinstance(label, str) or not label.strip():
        raise CorpusError(f"{where}: has no language; expected it, or a custom field label, in each supervision")
    start_s, duration_s = _field(where, values, "start", float), _field(where, values, "duration", float)
    if start_s < 0 or duration_s <= 0:
        raise CorpusError(
            f"{where}: starts at {start_s:g} s and lasts {duration_s:g} s; expected 0 or more, and above 0"
        )
    channel = _field(where, {"channel": 0} | dict(values), "channel", int | tuple[int, ...])
    if set(recording.channels) - set(channel if isinstance(channel, tuple) else [channel]):
        raise CorpusError(
            f"{where}: is of channel {channel} of {len(recording.channels)}; channels are mixed here: write each to a "
            "file of its own"
        )
    is_whole = start_s == 0 and abs(duration_s - recording.duration_s) <= TOLERANCE_S
    return Clip(
        path=recording.path,
        label=label.strip(),
        group=_field(where, values, "speaker", str | None) or None,
        split=split or None,
        start_s=start_s,
        end_s=None if is_whole else start_s + duration_s,
        extra={"supervision": _field(where, values, "id", str)},
    )
